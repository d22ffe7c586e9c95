"""Results as text: `results.json`'s cases as one table, or as those of `docs/benchmarks.md`, in Markdown."""

import math
import statistics
from pathlib import Path

import networks

#: Our own name among the libraries.
OURS = "cnn"

#: Follows the name of a library whose process keeps its memory.
KEPT = "+malloc"

#: What tables and charts call the libraries.
NAMES = {
    "pytorch": "PyTorch",
    "pytorch-compile": "PyTorch, compiled",
    "keras": "Keras",
    "keras-xla": "Keras, XLA",
    "onnxruntime": "ONNX Runtime",
    "litert": "LiteRT",
    "openvino": "OpenVINO",
}

#: Between these lines of a document stand its tables.
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def title(library: str) -> str:
    name = library.removesuffix(KEPT)
    return NAMES.get(name, name) + (" + malloc" if library.endswith(KEPT) else "")


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


def libraries(cases: list[dict]) -> list[str]:
    """All that were timed in `cases`, ours first."""
    names = [name for case in cases for name in case["microseconds_per_step"]]
    return list(dict.fromkeys([OURS, *names]))


def row(case: dict) -> str:
    times = medians(case)
    cells = ", ".join(f"{name} {microseconds(time)}" for name, time in times.items())
    text = f"{case['work']} {case['batch']}: {cells} µs"
    if against := ratio(case):
        text += f"; {against[1]:.2f}x {against[0]}"
    return text


def table(result: dict) -> str:
    """Markdown: a row for each case, a column for each library, µs a step, and the ratio."""
    names = libraries(result["cases"])
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
        cells = [microseconds(times[name]) if name in times else "–" for name in names]
        against = ratio(case)
        last = f"**{against[1]:.2f}x** {against[0]}" if against else "–"
        lines.append(
            f"| {case['network']} | {case['work']} | {case['batch']} | {case['threads']} | "
            + " | ".join(cells)
            + f" | {case['batch'] / times[OURS] * 1e6:,.0f} | {last} |"
        )
    return "\n".join([*lines, "", versions(result), *left_out(result)])


def microseconds(time: float) -> str:
    return f"{time:,.0f}" if time >= 100 else f"{time:.3g}"


def versions(result: dict) -> str:
    # Of a library that runs in several ways, once.
    found = {
        name: version
        for name, version in result["versions"].items()
        if not name.endswith(KEPT) and "-" not in name
    }
    return "Versions: " + ", ".join(f"{title(n)} {v}" for n, v in found.items()) + "."


def left_out(result: dict) -> list[str]:
    if not result["skipped"]:
        return []
    lines = ["", "Left out:", ""]
    for entry in result["skipped"]:
        where = dict(entry)
        library, reason = where.pop("library"), where.pop("reason")
        place = ", ".join(f"{key} {value}" for key, value in where.items())
        lines.append(f"- {title(library)}{f' ({place})' if place else ''}: {reason}")
    return lines


def write_docs(result: dict, path: Path):
    """Puts the tables of `result` in the place of those in the document at `path`."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{docs(result)}\n{END}{after}")


def docs(result: dict) -> str:
    """Where and how it was measured, a table of each work, and what they come to."""
    commit = f", commit `{result['commit']}`" if result.get("commit") else ""
    lines = [
        f"**Machine:** {result['processor']}. **Date:** {result['date']}{commit}.",
        "",
        f"Medians of {result['rounds']} rounds of {result['seconds']:g} s, in µs for a batch of so many images.",
        versions(result),
    ]
    for work, heading in (("train", "Training"), ("infer", "Inference")):
        if cases := [case for case in result["cases"] if case["work"] == work]:
            lines += ["", f"### {heading}", "", *work_table(cases), "", *summary(cases)]
    # That a library does not train is seen in the tables.
    skipped = [
        entry for entry in result["skipped"] if entry.keys() != {"library", "reason", "work"}
    ]
    return "\n".join([*lines, *left_out({"skipped": skipped})])


def work_table(cases: list[dict]) -> list[str]:
    """One work's cases, those of a network together; a dagger where a network is held out."""
    names = libraries(cases)
    lines = [
        "| network | images | threads | "
        + " | ".join(title(name) for name in names)
        + " | the fastest peer takes |",
        "|---|--:|--:|" + "--:|" * len(names) + "---|",
    ]
    order = list(networks.NETWORKS)
    keys = ("batch", "threads")
    before = None
    for case in sorted(cases, key=lambda c: (order.index(c["network"]), *(c[k] for k in keys))):
        network, times = networks.NETWORKS[case["network"]], medians(case)
        label = "" if case["network"] == before else network.title + " †" * network.held_out
        before = case["network"]
        cells = [microseconds(times[name]) if name in times else "–" for name in names]
        against = ratio(case)
        last = f"{against[1]:.2f}x ({title(against[0])})" if against else "–"
        lines.append(
            f"| {label} | {case['batch']} | {case['threads']} | {' | '.join(cells)} | {last} |"
        )
    return lines


def summary(cases: list[dict]) -> list[str]:
    """The range of ratios and their geometric mean, of the networks that kernels are tuned with and of the others."""
    lines = []
    for held_out, which in (
        (False, "networks that kernels are tuned with"),
        (True, "networks held out (†)"),
    ):
        chosen = [c for c in cases if networks.NETWORKS[c["network"]].held_out == held_out]
        found = [against[1] for case in chosen if (against := ratio(case))]
        if not found:
            continue
        count = len({case["network"] for case in chosen})
        mean = math.exp(statistics.mean(map(math.log, found)))
        lines.append(
            f"- {count} {which}: the fastest peer takes {min(found):.2f} to {max(found):.2f} times as long as `{OURS}`, "
            f"{mean:.2f} times in the geometric mean of {len(found)} cases."
        )
    return lines
