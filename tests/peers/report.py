"""Results as text: `results.json`'s cases as a table in Markdown."""

import statistics

#: Our own name among the libraries.
OURS = "cnn"


def medians(case: dict) -> dict[str, float]:
    return {
        name: statistics.median(values) for name, values in case["microseconds_per_step"].items()
    }


def ratio(case: dict) -> tuple[str, float] | None:
    """The fastest peer, and its median over ours: how many times faster we are."""
    times = medians(case)
    ours = times.pop(OURS)
    if not times:
        return None
    fastest = min(times, key=times.get)
    return fastest, times[fastest] / ours


def row(case: dict) -> str:
    times = medians(case)
    cells = ", ".join(f"{name} {time:,.0f}" for name, time in times.items())
    text = f"{case['work']} {case['batch']}: {cells} µs"
    if against := ratio(case):
        text += f"; {against[1]:.2f}x {against[0]}"
    return text


def table(result: dict) -> str:
    """Markdown: a row for each case, a column for each library, µs a step, and the ratio."""
    names = [OURS]
    for case in result["cases"]:
        names += [name for name in case["microseconds_per_step"] if name not in names]
    rounds, processor, date = (result[key] for key in ("rounds", "processor", "date"))
    lines = [
        f"Medians of {rounds} rounds, µs a step, on {processor}, {date}.",
        "",
        "| network | work | batch | threads | "
        + " | ".join(names)
        + f" | {OURS}, images/s | against the fastest peer |",
        "|---|---|--:|--:|" + "--:|" * len(names) + "--:|---|",
    ]
    for case in result["cases"]:
        times = medians(case)
        cells = [f"{times[name]:,.0f}" if name in times else "–" for name in names]
        against = ratio(case)
        last = f"**{against[1]:.2f}x** {against[0]}" if against else "–"
        lines.append(
            f"| {case['network']} | {case['work']} | {case['batch']} | {case['threads']} | "
            + " | ".join(cells)
            + f" | {case['batch'] / times[OURS] * 1e6:,.0f} | {last} |"
        )
    lines += ["", "Versions: " + ", ".join(f"{n} {v}" for n, v in result["versions"].items()) + "."]
    if result["skipped"]:
        lines += ["", "Skipped:", ""]
        for entry in result["skipped"]:
            where = dict(entry)
            library, reason = where.pop("library"), where.pop("reason")
            place = ", ".join(f"{key} {value}" for key, value in where.items())
            place = f" ({place})" if place else ""
            lines.append(f"- {library}{place}: {reason}")
    return "\n".join(lines)
