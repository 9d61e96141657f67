"""The plots of an evaluation report, as SVG to stand in a page: words stay words, colours are the page's CSS variables."""

import html
import io
import math
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from training.metrics import Estimate

WIDTH = 5.2  # inches: as wide as a phone, so that letters keep their size there
# What matplotlib draws in, and the variable of the page that stands for it: a page in the dark has other colours.
INK, MUTED, FIRST, SECOND, THIRD = "#000001", "#000002", "#000003", "#000004", "#000005"
VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", FIRST: "var(--first)", SECOND: "var(--second)", THIRD: "var(--third)"}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cartwheel",  # the same figures give the same page
    "font.size": 9.5,
    "text.parse_math": False,  # a department may have dollars in its name
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": MUTED,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def intervals(series: dict[str, dict[str, Estimate]], unit: str, about: str, zero: bool = False) -> str:
    """Dots with their intervals, a row for each name in the first of the `series`; those that are no number are left out."""
    names = list(next(iter(series.values())))
    with mpl.rc_context(STYLE):
        figure, axes = _figure(0.75 + (0.17 * len(series) + 0.13) * len(names))
        step = 0.22 if len(series) > 1 else 0.0
        for place, (label, estimates) in enumerate(series.items()):
            shift = step * (place - (len(series) - 1) / 2)
            found = [(row + shift, estimates[name]) for row, name in enumerate(names) if name in estimates]
            rows = [(row, e) for row, e in found if not math.isnan(e.value)]
            at, value = [row for row, _ in rows], [e.value for _, e in rows]
            spread = [[e.value - e.low for _, e in rows], [e.high - e.value for _, e in rows]]
            axes.errorbar(value, at, xerr=spread, fmt="o", ms=4.5, lw=1.6, color=(FIRST, SECOND, THIRD)[place], label=label)
        if zero:
            axes.axvline(0, color=MUTED, lw=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(unit)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        return _svg(figure, axes, about, legend=len(series) > 1)


def curves(losses: dict[str, list[float]], about: str) -> str:
    """Loss by epoch, a line each."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(2.4)
        for colour, (label, values) in zip((FIRST, SECOND, THIRD), losses.items(), strict=False):
            axes.plot(range(1, len(values) + 1), values, marker="o", ms=4, color=colour, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.grid(axis="y")
        return _svg(figure, axes, about, legend=len(losses) > 1)


def distribution(bins: pl.DataFrame, about: str) -> str:
    """The spread of the scores of what was bought and of the rest; `bins` as `calibration.distribution` returns them."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(2.6)
        edges = [*bins["low"], bins["high"][-1]]
        for column, label, colour in (("others", "not bought", SECOND), ("bought", "bought", FIRST)):
            axes.stairs(bins[column].to_numpy() * 100, edges, color=colour, lw=1.6, label=label)
            axes.stairs(bins[column].to_numpy() * 100, edges, color=colour, alpha=0.18, fill=True)
        axes.set_xscale("log")
        _logarithmic(axes.xaxis)
        axes.set_xlabel("score")
        axes.set_ylabel("% of its kind")
        axes.set_ylim(bottom=0)
        return _svg(figure, axes, about, legend=True)


def reliability(tables: dict[str, pl.DataFrame], about: str) -> str:
    """Predicted against bought, by bin of the scores; `tables` as `calibration.reliability` returns them."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(3.4)
        for colour, (label, table) in zip((FIRST, SECOND), tables.items(), strict=False):
            seen = table.filter(pl.col("bought") > 0)  # nothing has no place on a logarithmic scale
            axes.plot(seen["predicted"], seen["bought"], marker="o", ms=4, color=colour, label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _logarithmic(axes.xaxis)
        _logarithmic(axes.yaxis)
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), 1.0
        axes.plot([low, high], [low, high], ls="--", lw=1, color=MUTED, label="as predicted")
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share bought")
        axes.grid()
        return _svg(figure, axes, about, legend=True)


def counts(users: np.ndarray, label: str, about: str) -> str:
    """How many users there are for each whole number from 0 on."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(2.4)
        axes.bar(range(len(users)), users, color=FIRST, width=0.8)
        axes.set_xticks(range(len(users)))
        axes.set_xlabel(label)
        axes.set_ylabel("users")
        return _svg(figure, axes, about, legend=False)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


def _logarithmic(axis: Axis) -> None:
    """Numbers at the powers of ten only."""
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _svg(figure: Figure, axes: Axes, about: str, legend: bool) -> str:
    """The figure as one element of a page; `about` is read out to who does not see it."""
    if legend:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize="medium")
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # names that nothing refers to, the same in every figure
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family:[^;\"]*;?\s*", "", text)  # the page's own
    text = text.replace("xlink:href", "href")
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    head = f'<svg role="img" aria-label="{html.escape(about)}" viewBox'
    return re.sub(r"^<svg[^>]*?viewBox", lambda _: head, text, count=1)
