"""A picture of a secret's way into the application, on a developer's machine and in AWS."""

from __future__ import annotations

import html
from collections.abc import Iterator

from omc_runbook.report.display.drawing import CARD, DARK_CARD, DARK_TEXT, TEXT, Picture

ALT = "A secret's way into the application, on your machine from .env, in AWS from Secrets Manager by way of ECS"
"""What the picture shows, for those who do not see it."""

_WIDTH, _HEIGHT = 440, 380
_LEFT, _RIGHT, _COLUMN = 10, 230, 200
_BOX, _LINE = 76, 17

_STYLE = f"""
@media (prefers-color-scheme: dark) {{
  .card {{ fill: {DARK_CARD} }} .box {{ fill: #2a3346; stroke: #7a8aa8 }}
  .title {{ fill: #f2f4f8 }} .line, .head {{ fill: {DARK_TEXT} }} .arrow {{ stroke: #9fb0cc; fill: #9fb0cc }}
}}
""".strip()

_MACHINE = (
    (".env", "only on your machine,", "ignored by git"),
    ("Docker Compose", "and python-dotenv read it", "when the application starts"),
)
_AWS = (
    ("Secrets Manager", "one JSON secret, in the", "version that is AWSCURRENT"),
    ("ECS", "reads it when a task starts,", "as the task execution role"),
)
_SHARED = (
    ("environment variables", "of the process, as they were when it started:", "a new value needs a new process"),
    ("Settings", "the same code everywhere reads the variables", "and refuses what it cannot use"),
)


class SecretWay(Picture):
    """The picture in Jupyter, and the same in words elsewhere."""

    alt, width = ALT, _WIDTH

    def to_svg(self) -> str:
        """Draw it: a column for each place, which end in the same process."""
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
                f' height="{_HEIGHT}" role="img" style="max-width: 100%; height: auto" font-family="sans-serif">',
                f"<title>{html.escape(ALT)}</title>",
                f"<style>{_STYLE}</style>",
                f'<rect class="card" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{CARD}"/>',
                *_column("On your machine", _LEFT, _MACHINE),
                *_column("In staging and production", _RIGHT, _AWS),
                *_box(_LEFT, 206, _RIGHT + _COLUMN - _LEFT, _SHARED[0]),
                _arrow(_WIDTH // 2, 206 + _BOX),
                *_box(_LEFT, 294, _RIGHT + _COLUMN - _LEFT, _SHARED[1]),
                "</svg>",
            )
        )

    def to_text(self) -> str:
        """The way in each place, step by step, as plain text."""
        local, aws = (" → ".join(title for title, *_ in (*steps, *_SHARED)) for steps in (_MACHINE, _AWS))
        sentences = (f"{title}: {first} {second}" for title, first, second in (*_MACHINE, *_AWS, *_SHARED))
        return "\n".join((f"On your machine: {local}", f"In staging and production: {aws}", "", *sentences))


def _column(head: str, left: int, steps: tuple[tuple[str, str, str], ...]) -> Iterator[str]:
    middle = left + _COLUMN // 2
    yield _text(middle, 20, "head", 12, TEXT, head)
    for number, step in enumerate(steps):
        top = 30 + number * (_BOX + 12)
        yield from _box(left, top, _COLUMN, step)
        yield _arrow(middle, top + _BOX)


def _box(left: int, top: int, width: int, step: tuple[str, str, str]) -> Iterator[str]:
    title, *lines = step
    middle = left + width // 2
    yield (
        f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{_BOX}" rx="6" fill="#ffffff"'
        ' stroke="#6b7a94"/>'
    )
    yield _text(middle, top + 24, "title", 14, "#1a202c", title, "bold")
    for number, line in enumerate(lines, 1):
        yield _text(middle, top + 26 + number * _LINE, "line", 12, TEXT, line)


def _text(x: int, y: int, kind: str, size: int, colour: str, text: str, weight: str = "normal") -> str:
    return (
        f'<text class="{kind}" x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
        f' text-anchor="middle">{html.escape(text)}</text>'
    )


def _arrow(x: int, top: int) -> str:
    """An arrow downwards, between two boxes."""
    return (
        f'<path class="arrow" d="M{x} {top + 1} v6 m-5 0 h10 l-5 6 z" stroke="#4a5568" fill="#4a5568"'
        ' stroke-linejoin="round"/>'
    )
