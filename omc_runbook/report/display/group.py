"""Several displays, one below the other, shown as one; also folded under a summary."""

from __future__ import annotations

from collections.abc import Iterable

from omc_runbook.report.display.boxes import folded
from omc_runbook.report.display.rich_display import RichDisplay


class Group(RichDisplay):
    """Displays from top to bottom; those that are None are left out."""

    def __init__(self, *parts: RichDisplay | None) -> None:
        self.parts = tuple(part for part in parts if part is not None)

    def to_html(self) -> str:
        return "\n".join(part.to_html() for part in self.parts)

    def to_text(self) -> str:
        return "\n\n".join(part.to_text() for part in self.parts)


class Collapsible(Group):
    """Displays that open at a click on the summary; as plain text they follow it."""

    def __init__(self, summary: str, parts: Iterable[RichDisplay]) -> None:
        super().__init__(*parts)
        self.summary = summary

    def to_html(self) -> str:
        return folded(self.summary, super().to_html())

    def to_text(self) -> str:
        return f"{self.summary}\n\n{super().to_text()}"
