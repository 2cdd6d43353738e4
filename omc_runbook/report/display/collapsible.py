"""Shown things folded away under one line, to be opened by who wants them."""

from __future__ import annotations

import html
from collections.abc import Sequence

from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.table import Table


class Folded:
    """Tables and listings behind a summary that opens at a click; as plain text they follow it."""

    def __init__(self, summary: str, parts: Sequence[Table | Listing]) -> None:
        self.summary = summary
        self.parts = tuple(parts)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same things."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """Everything inside an element that browsers and code hosts fold."""
        summary = f'<summary style="cursor: pointer">{html.escape(self.summary)}</summary>'
        return "\n".join(("<details>", summary, *(part.to_html() for part in self.parts), "</details>"))

    def to_text(self) -> str:
        """Everything, one after another."""
        return "\n\n".join((self.summary, *(part.to_text() for part in self.parts)))
