"""An analysis in words, as a table, and as one HTML page with a plot per comparison; nothing is loaded from elsewhere."""

import io
from pathlib import Path

import jinja2
import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from serving_export.experiments.analysis import Analysis, Comparison
from serving_export.experiments.planning import MISMATCH
from serving_export.experiments.ratio import Interval

COLUMNS = (
    "Metric", "Variant", "Control", "Rate", "Difference", "Uplift, last day", "p", "Uplift, whenever", "p, whenever", "Verdict",
)  # fmt: skip
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)  # fmt: skip


def summary(found: Analysis) -> list[str]:
    """What to know before the table, a sentence a line."""
    experiment, total = found.experiment, sum(found.users.values())
    last = found.comparisons[0].days[-1]
    lines = [
        f"{experiment.name}, {experiment.starts_on} to {experiment.ends_on}, data until {last}. "
        f"{experiment.primary_metric} decides.",
        f"{total:,} users: {', '.join(f'{name} {users:,}' for name, users in found.users.items())}. "
        f"Sample ratio: p = {found.sample_ratio_p:.3g}.",
    ]
    if found.sample_ratio_p < MISMATCH:
        lines.append("The users are not split as defined: find out why before you read on. The figures are not to be trusted.")
    if found.mislabelled:
        lines.append(f"{found.mislabelled:,} users were shown another variant than theirs, says the shop: mend that first.")
    needed = [f"{users:,} for {metric}" for metric, users in found.required_users.items()]
    if needed:
        lines.append(
            f"To find a change of {experiment.minimum_effect:.0%} with 80 % power on a day fixed before, control and treatment "
            f"together need {' and '.join(needed)}, at as many days a user."
        )
    return lines


def table(found: Analysis) -> list[tuple[str, ...]]:
    """The rows under `COLUMNS`."""
    return [
        (
            each.metric,
            each.variant,
            f"{each.control_rate:.3%}",
            f"{each.rate:.3%}",
            _interval(each.difference, ".3%"),
            _interval(each.uplift, "+.1%"),
            f"{each.p:.2g}",
            _interval(each.sequence, "+.1%"),
            f"{each.always_valid_p:.2g}",
            found.verdict(each),
        )
        for each in found.comparisons
    ]


def page(found: Analysis) -> str:
    """The page."""
    plots = [(f"{each.metric}: {each.variant} against {found.experiment.control}", plot(each)) for each in found.comparisons]
    return TEMPLATES.get_template("report.html.jinja").render(
        name=found.experiment.name, summary=summary(found), columns=COLUMNS, rows=table(found), plots=plots
    )


def plot(comparison: Comparison) -> str:
    """The uplift with its confidence sequence, day by day, as SVG."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cartwheel", "font.size": 9.5}):
        figure = Figure(figsize=(5.6, 2.6), layout="constrained")
        axes = figure.add_subplot()
        low, high = ([getattr(day, side) for day in comparison.by_day] for side in ("low", "high"))
        axes.fill_between(comparison.days, low, high, alpha=0.25, lw=0, label="whenever one looks")  # type: ignore[arg-type]
        axes.plot(comparison.days, [day.value for day in comparison.by_day], lw=1.8, label="uplift")  # type: ignore[arg-type]
        axes.axhline(0, color="black", lw=0.8)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylabel(f"uplift of {comparison.metric.replace('_', ' ')}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def _interval(estimate: Interval, form: str) -> str:
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
