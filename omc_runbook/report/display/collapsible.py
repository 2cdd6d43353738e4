"""A collapsible section: tables and listings under a one-line summary."""

from __future__ import annotations

import html
from collections.abc import Sequence

from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.table import Table


class Collapsible(RichDisplay):
    """Tables and listings that open at a click on the summary; as plain text they follow it."""

    def __init__(self, summary: str, parts: Sequence[Table | Listing]) -> None:
        self.summary = summary
        self.parts = tuple(parts)

    def to_html(self) -> str:
        """Render as HTML's <details>, which GitHub folds too."""
        summary = f'<summary style="cursor: pointer">{html.escape(self.summary)}</summary>'
        return "\n".join(("<details>", summary, *(part.to_html() for part in self.parts), "</details>"))

    def to_text(self) -> str:
        return "\n\n".join((self.summary, *(part.to_text() for part in self.parts)))
