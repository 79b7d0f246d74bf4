"""Chart of a replay: hit ratios of a log there and here, by behavior, as a picture.

Wants matplotlib (the extra `chart`), which nothing else of the commands does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMATS = (".png", ".svg")
BEHAVIORS_MAX = 20  # those of most requests; more are not to be read
THERE, HERE = "#9a9a9a", "#2a6f97"
PANELS = {"requests": "hits of requests", "bytes": "hits of bytes"}


class NoChartError(Exception):
    """A chart cannot be drawn; the message says why and what helps."""


def refused(file: Path) -> str:
    """Why a chart cannot be written to that file; empty when it can."""
    if file.suffix not in FORMATS:
        return f"{file}: a chart is written as {' or '.join(FORMATS)}"
    if not file.absolute().parent.is_dir():
        return f"{file}: there is no folder {file.absolute().parent}"
    return ""


def bars(document: Mapping[str, Any], of: str) -> list[tuple[str, float | None, float | None]]:
    """A panel's rows: a name, and the ratios there and here (0 to 1; None: not known).

    `document` is what `replay --json` prints, `of` is `requests` or `bytes`.
    """
    by_requests = sorted(document["behaviors"], key=lambda one: -int(one["requests"]))
    rows = [("all", document["all"])]
    rows += [
        (f"{one['distribution']} {one['behavior']}", one) for one in by_requests[:BEHAVIORS_MAX]
    ]
    return [(name, one[f"{of}_there"], one[f"{of}_here"]) for name, one in rows]


def draw(document: Mapping[str, Any], file: Path) -> None:
    """Write the picture. NoChartError without matplotlib, or when the file cannot be written."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoChartError("a chart wants matplotlib: pip install 'edgecache[chart]'") from None
    drawn = {title: bars(document, of) for of, title in PANELS.items()}
    count = len(next(iter(drawn.values())))
    figure = Figure(figsize=(9, 1.6 + 0.42 * count), layout="constrained")
    every = figure.subplots(1, len(drawn), sharey=True, squeeze=False)
    for axes, (title, rows) in zip(every[0], drawn.items(), strict=True):
        _panel(axes, title, rows)
    figure.legend(*every[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise NoChartError(f"{file}: {error.strerror or error}") from None


def _panel(axes: Any, title: str, rows: list[tuple[str, float | None, float | None]]) -> None:
    places = range(len(rows))
    there, here = [row[1] for row in rows], [row[2] for row in rows]
    for shift, color, word, values in ((-0.2, THERE, "there", there), (0.2, HERE, "here", here)):
        widths = [100 * (value or 0) for value in values]
        axes.barh([at + shift for at in places], widths, height=0.38, color=color, label=word)
        for at, value in zip(places, values, strict=True):
            told = "not known" if value is None else f"{value:.1%}"
            axes.text(100 * (value or 0) + 1, at + shift, told, va="center", size=7)
    axes.set_yticks(list(places), [row[0] for row in rows], size=8)
    axes.set_xlim(0, 116)
    axes.set_xticks(range(0, 101, 20), [f"{tick} %" for tick in range(0, 101, 20)], size=8)
    if not axes.yaxis_inverted():  # once: the panels share it
        axes.invert_yaxis()
    axes.set_title(title, size=9, loc="left")
