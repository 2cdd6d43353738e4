"""Banners: a coloured box that says where one is, or how a run ended."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Literal

from omc_runbook.model.findings import OutcomeStatus

if TYPE_CHECKING:
    from omc_runbook.aws.sts import Caller
    from omc_runbook.model.environment import Environment

Look = Literal["plain", "production", "sandbox", "good", "bad", "unsure"]

ENDINGS: dict[OutcomeStatus, Look] = {"ok": "good", "findings": "bad", "unknown": "unsure", "failed": "bad"}

PLAN = "PLAN: nothing was changed"
"""How the end of a run begins that had something to do, and was not told to do it."""

_COLOURS: dict[Look, str] = {
    "plain": "rgba(38, 110, 190, 0.16)",
    "production": "#b3261e",
    "sandbox": "rgba(230, 170, 20, 0.16)",
    "good": "rgba(40, 150, 80, 0.20)",
    "bad": "rgba(220, 50, 47, 0.22)",
    "unsure": "rgba(130, 110, 200, 0.24)",
}
_STRIPES = "repeating-linear-gradient(45deg, #d9a400 0 12px, #4a4a4a 12px 24px)"
_MARKS: dict[Look, str] = {"good": "✓ ", "bad": "✗ ", "unsure": "? "}


class Banner:
    """A headline and lines under it, as a coloured box or as plain text."""

    def __init__(self, look: Look, headline: str, lines: tuple[str, ...] = ()) -> None:
        self.look = look
        self.headline = f"{_MARKS.get(look, '')}{headline}"
        self.lines = lines

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same banner."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it says, line by line."""
        return self.headline, *self.lines

    def to_html(self) -> str:
        """The banner as HTML; styles stand in the elements, so that an untrusted notebook keeps them."""
        colour = "color: white; " if self.look == "production" else ""
        stripes = f'<div style="height: 8px; background: {_STRIPES}"></div>' if self.look == "sandbox" else ""
        lines = "".join(f"<br>{html.escape(line)}" for line in self.lines)
        return (
            f'<div style="margin: 0.8em 0; overflow-wrap: anywhere">{stripes}'
            f'<p style="{colour}background: {_COLOURS[self.look]}; padding: 0.7em 1em; margin: 0">'
            f'<strong style="font-size: 1.1em">{html.escape(self.headline)}</strong>{lines}</p></div>'
        )

    def to_text(self) -> str:
        """The banner as plain text."""
        rule = {"production": "!", "sandbox": "/"}.get(self.look, "─") * 72
        return "\n".join((rule, self.headline, *self.lines, rule))


def where(runbook: str, environment: Environment, caller: Caller, endpoint: str, is_sandbox: bool) -> Banner:
    """Say account, region, principal, endpoint and environment: red for production, striped for the sandbox."""
    names = environment.names
    look: Look = "production" if environment.is_production else "sandbox" if is_sandbox else "plain"
    lines = (
        f"Account {caller.account}, region {names.region}, as {caller.arn}",
        f"Endpoint {endpoint}",
        f"Secret {names.secret}, cluster {names.cluster}, {environment.origin}",
    )
    return Banner(look, f"{runbook}: {environment.name}{', in the sandbox' if is_sandbox else ''}", lines)


def workstation(runbook: str, root: str, caller: Caller, compared: str, origin: str) -> Banner:
    """Say which checkout it is about, with whom its values are compared, and where names come from."""
    values = f"Values are compared {compared}" if compared else "Values are compared with nobody's"
    lines = (f"Checkout {root}", f"With {origin}", values)
    return Banner("plain", f"{runbook}: this machine", (*lines, *((f"as {caller.arn}",) if caller.arn else ())))
