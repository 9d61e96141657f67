"""Where the bars and intervals of the plots stand: the templates draw them as SVG, all labels are text beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT = 100.0, 40.0  # the plot's own units: it is stretched to the page


@dataclass(frozen=True)
class Bar:
    """A bar of a plot of WIDTH by HEIGHT, y from the top."""

    label: str
    value: float
    marked: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, in shares of WIDTH."""

    low: float
    value: float
    high: float


def bars(values: Sequence[tuple[str, float]], marked: Sequence[bool] | None = None) -> list[Bar]:
    """Bars side by side, the highest as high as the plot; negative values are drawn as zero."""
    top = max((value for _, value in values), default=0.0)
    step = WIDTH / max(len(values), 1)
    heights = [HEIGHT * max(value, 0.0) / top if top > 0 else 0.0 for _, value in values]
    marks = marked or [False] * len(values)
    return [
        Bar(label, value, mark, round(number * step, 3), round(HEIGHT - height, 3), round(step * 0.82, 3), round(height, 3))
        for number, ((label, value), mark, height) in enumerate(zip(values, marks, heights, strict=True))
    ]


def interval(low: float, value: float, high: float, top: float) -> Interval:
    """An interval on an axis from 0 to `top`."""
    return Interval(*(round(WIDTH * min(max(each / top, 0.0), 1.0), 2) if top > 0 else 0.0 for each in (low, value, high)))


def every_week(values: dict[date, float], last: date, at_most: int) -> list[tuple[date, float]]:
    """The values of the weeks from the first value to the week of `last`, by their Mondays; 0 where there is none."""
    monday = last - timedelta(days=last.weekday())
    weeks = min(at_most, (monday - min(values)).days // 7 + 1)
    days = [monday - timedelta(weeks=weeks - 1 - number) for number in range(weeks)]
    return [(day, values.get(day, 0.0)) for day in days]
