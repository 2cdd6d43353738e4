"""Pictures for Jupyter: SVG on a card of its own, legible on light and dark pages, and the same as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import quote

from omc_runbook.masking import kernel
from omc_runbook.model.letters import on_one_line
from omc_runbook.report.display.boxes import scroll_region
from omc_runbook.report.display.rich_display import is_in_ipython, is_in_voila

GREY, GREEN, ORANGE, VIOLET, RED = "#808080", "#2a9d5c", "#d9822b", "#8a76c9", "#d0433c"
WHITE, BLACK = "#ffffff", "#1a202c"
WIDTH = 960
"""The width of a picture in pixels."""
_MARGIN = 20
RIGHT = WIDTH - _MARGIN
"""Where what is drawn ends, in pixels."""
LETTER = 7
"""Pixels that a letter of a label takes."""
CAPITAL = 9
"""Pixels that a capital takes, of which the names of keys are made."""
MOST_TICKS = 8
TOP, _BOTTOM = 30, 50
"""Pixels above the rows of a picture, and below them."""
_NAME = 14
"""Pixels that a name takes above its row."""
# Attributes are for where style sheets are stripped. No text that is on both a white and a dark page contrasts enough.
TEXT, CARD = "#4a5568", "#f4f6fa"
DARK_TEXT, DARK_CARD = "#c3cbd9", "#1e2430"
_STYLE = f"@media (prefers-color-scheme: dark) {{ .text {{ fill: {DARK_TEXT} }} .card {{ fill: {DARK_CARD} }} }}"
_SMALLEST = 0.75
"""The part of its own width at which the letters of a picture can just be read."""
_STEPS = (
    *(timedelta(seconds=number) for number in (5, 10, 15, 30)),
    *(timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=number) for number in (1, 2, 3, 6, 12)),
    *(timedelta(days=number) for number in (1, 2, 7, 14, 30, 90, 180, 365)),
)
"""Intervals between ticks of a time axis."""
_QUARTER, _DAY = timedelta(days=90), timedelta(days=1)
_MINUTE, _SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Picture(ABC):
    """A picture in Jupyter, else text; `alt` is its alternative text."""

    alt: str
    width = WIDTH
    """Its width in pixels."""

    @abstractmethod
    def to_svg(self) -> str:
        """Draw it as SVG."""

    @abstractmethod
    def to_text(self) -> str:
        """Render the same as plain text."""

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """The picture and the text, by media type, with the alternative text.

        JupyterLab and Voilà leave that out of an SVG, so that a person at a screen gets HTML.
        """
        if is_in_ipython() and (kernel.allows_input() or is_in_voila()):
            return {"text/plain": self.to_text(), "text/html": self._html}, {}
        data = {"text/plain": self.to_text(), "image/svg+xml": self.to_svg()}
        return data, {"image/svg+xml": {"alt": self.alt}}

    @property
    def _html(self) -> str:
        """The picture as wide as the page; where its letters would be too small, the page scrolls."""
        style = f"max-width: 100%; min-width: {round(self.width * _SMALLEST)}px"
        image = f'<img alt="{escape(self.alt)}" style="{style}" src="data:image/svg+xml,{quote(self.to_svg())}">'
        return scroll_region(self.alt, image)


def label(x: int, y: int, text: str, anchor: str = "start", colour: str = "") -> str:
    """A text at a point."""
    fill = f' fill="{colour}"' if colour else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{fill}>{escape(on_one_line(text))}</text>'


def path(points: str, colour: str = GREY, more: str = "") -> str:
    """A line, by the commands of an SVG path."""
    return f'<path d="{points}" fill="none" stroke="{colour}"{more}/>'


def cross(x: int, y: int) -> str:
    """What failed, as a red cross."""
    return path(f"M{x - 4} {y - 4}l8 8m0 -8l-8 8", RED, ' stroke-width="2"')


@dataclass(frozen=True)
class Rows:
    """The rows of a picture `width` pixels wide, with their names at the left of what is drawn.

    Long names stand above it, each at the top of its row (`are_above`). `height` and `letter` are in pixels.
    """

    names: Sequence[str]
    height: int
    letter: int = LETTER
    width: int = WIDTH
    are_above: bool = False

    @property
    def edge(self) -> int:
        """Where what is drawn begins."""
        return _MARGIN if self.are_above else self.letter * max(map(len, self.names), default=0) + 12

    @property
    def right(self) -> int:
        """Where what is drawn ends."""
        return self.width - _MARGIN

    @property
    def foot(self) -> int:
        """Where the last row ends."""
        return TOP + self.height * len(self.names)

    def middle(self, row: int) -> int:
        """The height at which a row is drawn, counted from 0."""
        above = _NAME if self.are_above else 0
        return TOP + self.height * row + (self.height + above) // 2

    def name(self, row: int) -> str:
        """The name of a row."""
        if self.are_above:
            return label(self.edge, TOP + self.height * row + _NAME - 2, self.names[row])
        return label(self.edge - 8, self.middle(row) + 4, self.names[row], "end")

    def draw(self, title: str, legend: str, parts: Iterable[str], caption: str = "") -> str:
        """The whole picture: a title for who cannot see it, a legend above the rows, and a caption below them."""
        height = self.foot + _BOTTOM
        below = [label(self.right, height - 8, caption, "end")] if caption else []
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}"'
            ' role="img" style="max-width: 100%" font-family="sans-serif" font-size="12">\n'
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
            f'<rect class="card" width="{self.width}" height="{height}" rx="8" fill="{CARD}"/>\n'
            f'<g class="text" fill="{TEXT}">\n'
            + "\n".join((label(self.edge, 16, legend), *parts, *below))
            + "\n</g>\n</svg>"
        )


@dataclass(frozen=True)
class TimeAxis:
    """The time from `begin` to `end`, drawn through rows."""

    begin: datetime
    end: datetime
    rows: Rows

    def x(self, moment: datetime) -> int:
        """Where a moment is, in pixels."""
        span, edge = max(self.end - self.begin, _SECOND), self.rows.edge
        return round(edge + (moment - self.begin) / span * (self.rows.right - edge))

    def draw(self) -> Iterator[str]:
        """A line through all rows at each tick, and its label below."""
        for moment, text in ticks(self.begin, self.end):
            x, foot = self.x(moment), self.rows.foot
            yield path(f"M{x} {TOP}V{foot}", more=' opacity="0.25"')
            yield label(x, foot + 18, text, "middle")


def ticks(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Moments at round times, at most `MOST_TICKS`, with their labels: a date where a day begins."""
    step = next((each for each in _STEPS if (end - begin) / each <= MOST_TICKS), _STEPS[-1])
    origin = datetime(begin.year, 1, 1, tzinfo=UTC)
    moment = origin + ((begin - origin) // step + 1) * step
    while moment <= end:
        is_midnight = moment.hour == moment.minute == moment.second == 0
        form = "%d %b" if step >= _DAY or is_midnight else "%H:%M" if step >= _MINUTE else "%H:%M:%S"
        yield moment, f"{moment:{'%b %Y' if step >= _QUARTER else form}}"
        moment += step
