"""The chart of `compare.py`'s results: a panel for each network, a bar for each library.

The background is a light card, so that the picture can be read on a dark page too. Text stays text.
"""

import logging
import statistics
from pathlib import Path

import matplotlib

import networks
from report import OURS, title

matplotlib.use("svg")
import matplotlib.pyplot as plt

# The viewer's fonts count, and that they are missing here is no news.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

INK, QUIET, CARD, RULE = "#1f2328", "#656d76", "#fbfbfa", "#d8dbdf"
OUR_COLOUR, PEER_COLOUR = "#d9480f", "#9fb3c8"

#: The columns of the chart: title, subtitle, work, batch, threads.
COLUMNS = [
    ("Training", "batches of 64, 1 thread", "train", 64, 1),
    ("Training", "batches of 64, 2 threads", "train", 64, 2),
    ("Inference", "one image, 1 thread", "infer", 1, 1),
    ("Inference", "batches of 64, 1 thread", "infer", 64, 1),
]


def short(number: float) -> str:
    if number >= 9950:
        return f"{number / 1000:.0f}k"
    if number >= 995:
        return f"{number / 1000:.1f}k"
    return f"{number:.0f}"


def speeds(case: dict) -> list[tuple[str, float]]:
    """Images a second of each library, the fastest first."""
    times = case["microseconds_per_step"]
    row = [(name, case["batch"] / statistics.median(times[name]) * 1e6) for name in times]
    return sorted(row, key=lambda pair: -pair[1])


def draw(result: dict, path: Path):
    """Writes the chart of `result` to `path`: an SVG, or what its name ends in."""
    cases = {
        (case["network"], case["work"], case["batch"], case["threads"]): case
        for case in result["cases"]
    }
    rows = list(dict.fromkeys(case["network"] for case in result["cases"]))
    columns = [c for c in COLUMNS if any((row, *c[2:]) in cases for row in rows)]
    if not columns:
        raise SystemExit("no case that the chart shows")
    plt.rcParams.update(
        {
            "font.family": ["Segoe UI", "Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
            "font.size": 9,
            "svg.fonttype": "none",
            "svg.hashsalt": "cnn",
        }
    )
    # A bar is as thick in every panel.
    heights = [
        max(len(speeds(cases[row, *c[2:]])) for c in columns if (row, *c[2:]) in cases)
        for row in rows
    ]
    bar, gap, head, foot = 0.19, 0.5, 1.2, 0.05
    height = head + foot + sum(bar * count for count in heights) + gap * len(rows)
    width = 0.25 + 3.1 * len(columns)
    figure = plt.figure(figsize=(width, height), facecolor=CARD)
    figure.text(
        0.2 / width, 1 - 0.28 / height, "Images a second", color=INK, size=13, weight="bold"
    )
    figure.text(
        0.2 / width,
        1 - 0.5 / height,
        f"f32, median of {result['rounds']} interleaved rounds, {result['processor']}, "
        f"{result['date']}; the factor is against the fastest other library",
        color=QUIET,
        size=8.5,
    )
    top = height - head
    for row, count in zip(rows, heights):
        top -= gap / 2
        for index, (work, subtitle, *key) in enumerate(columns):
            case = cases.get((row, *key))
            if case is None:
                continue
            left, wide = 0.2 + 3.1 * index + 1.15, 1.25
            high = bar * len(case["microseconds_per_step"])
            axes = figure.add_axes(
                [left / width, (top - high) / height, wide / width, high / height]
            )
            panel(axes, speeds(case))
            axes.text(
                -1.15 / wide,
                1 + 0.06 / high,
                networks.NETWORKS[row].title if index == 0 else "",
                transform=axes.transAxes,
                weight="bold",
                color=INK,
                size=10,
            )
            if row == rows[0]:
                at = (left - 0.02) / width
                figure.text(at, 1 - 0.92 / height, work, color=INK, size=10, weight="bold")
                figure.text(at, 1 - 1.1 / height, subtitle, color=QUIET, size=8.5)
        top -= bar * count + gap / 2
    figure.savefig(path, facecolor=CARD, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def panel(axes, row: list[tuple[str, float]]):
    axes.set_facecolor(CARD)
    fastest = max((speed for name, speed in row if name != OURS), default=None)
    largest = row[0][1]
    for place, (name, speed) in enumerate(row):
        ours = name == OURS
        axes.barh(place, speed, height=0.72, color=OUR_COLOUR if ours else PEER_COLOUR)
        label = short(speed)
        if ours and fastest:
            label += f"  {speed / fastest:.1f}x"
        axes.text(
            speed + largest * 0.02,
            place,
            label,
            va="center",
            color=OUR_COLOUR if ours else INK,
            weight="bold" if ours else "normal",
            size=8,
        )
        axes.text(
            -largest * 0.03,
            place,
            title(name),
            va="center",
            ha="right",
            color=OUR_COLOUR if ours else INK,
            weight="bold" if ours else "normal",
            size=8.5,
        )
    axes.set_xlim(0, largest * 1.05)
    axes.set_ylim(len(row) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(RULE)
