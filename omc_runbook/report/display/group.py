"""Several displays, one below the other, shown as one."""

from __future__ import annotations

from omc_runbook.report.display.rich_display import RichDisplay


class Group(RichDisplay):
    """Displays from top to bottom; those that are None are left out."""

    def __init__(self, *parts: RichDisplay | None) -> None:
        self.parts = tuple(part for part in parts if part is not None)

    def to_html(self) -> str:
        return "\n".join(part.to_html() for part in self.parts)

    def to_text(self) -> str:
        return "\n\n".join(part.to_text() for part in self.parts)
