"""Banners: a coloured box that names the environment, or tells how a run ended."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Literal

from omc_runbook.model.findings import OutcomeStatus
from omc_runbook.report.display.rich_display import RichDisplay

if TYPE_CHECKING:
    from omc_runbook.aws.sts import Caller
    from omc_runbook.model.environment import Environment

Style = Literal["plain", "production", "sandbox", "good", "bad", "unsure"]

ENDINGS: dict[OutcomeStatus, Style] = {"ok": "good", "findings": "bad", "unknown": "unsure", "failed": "bad"}

PLAN = "PLAN: nothing was changed"
"""The first words of the outcome of a run that only planned its changes."""

_COLOURS: dict[Style, str] = {
    "plain": "rgba(38, 110, 190, 0.16)",
    "production": "#b3261e",
    "sandbox": "rgba(230, 170, 20, 0.16)",
    "good": "rgba(40, 150, 80, 0.20)",
    "bad": "rgba(220, 50, 47, 0.22)",
    "unsure": "rgba(130, 110, 200, 0.24)",
}
_STRIPES = "repeating-linear-gradient(45deg, #d9a400 0 12px, #4a4a4a 12px 24px)"
_MARKS: dict[Style, str] = {"good": "✓ ", "bad": "✗ ", "unsure": "? "}


class Banner(RichDisplay):
    """A headline and lines under it, as a coloured box or as plain text."""

    def __init__(self, style: Style, headline: str, lines: tuple[str, ...] = ()) -> None:
        self.style = style
        self.headline = f"{_MARKS.get(style, '')}{headline}"
        self.lines = lines

    @property
    def sentences(self) -> tuple[str, ...]:
        """The headline and the lines."""
        return self.headline, *self.lines

    def to_html(self) -> str:
        """Render the banner as HTML."""
        colour = "color: white; " if self.style == "production" else ""
        stripes = f'<div style="height: 8px; background: {_STRIPES}"></div>' if self.style == "sandbox" else ""
        lines = "".join(f"<br>{html.escape(line)}" for line in self.lines)
        return (
            f'<div style="margin: 0.8em 0; overflow-wrap: anywhere">{stripes}'
            f'<p style="{colour}background: {_COLOURS[self.style]}; padding: 0.7em 1em; margin: 0">'
            f'<strong style="font-size: 1.1em">{html.escape(self.headline)}</strong>{lines}</p></div>'
        )

    def to_text(self) -> str:
        """Render the banner as plain text."""
        rule = {"production": "!", "sandbox": "/"}.get(self.style, "─") * 72
        return "\n".join((rule, self.headline, *self.lines, rule))


def where(runbook: str, environment: Environment, caller: Caller, endpoint: str, is_sandbox: bool) -> Banner:
    """Name the account, region, principal, endpoint and environment: red for production, striped for the sandbox."""
    names = environment.names
    style: Style = "production" if environment.is_production else "sandbox" if is_sandbox else "plain"
    lines = (
        f"Account {caller.account}, region {names.region}, as {caller.arn}",
        f"Endpoint {endpoint}",
        f"Secret {names.secret}, cluster {names.cluster}, {environment.origin}",
    )
    return Banner(style, f"{runbook}: {environment.name}{', in the sandbox' if is_sandbox else ''}", lines)


def workplace(runbook: str, root: str, caller: Caller, compared: str, origin: str) -> Banner:
    """Name the checkout, the environments that its values are compared with, and where names come from."""
    values = f"Values are compared {compared}" if compared else "Values are not compared with any environment's"
    lines = (f"Checkout {root}", f"With {origin}", values)
    return Banner("plain", f"{runbook}: this machine", (*lines, *((f"as {caller.arn}",) if caller.arn else ())))
