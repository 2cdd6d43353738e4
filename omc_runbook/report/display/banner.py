"""Banners: a coloured box that names the environment, or says how a run ended."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from omc_runbook.model.findings import OutcomeStatus
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.table import wrap

if TYPE_CHECKING:
    from omc_runbook.aws.sts import Caller
    from omc_runbook.model.environment import Environment

Style = Literal["plain", "production", "sandbox", "good", "bad", "unsure"]

ENDINGS: dict[OutcomeStatus, Style] = {"ok": "good", "findings": "bad", "unknown": "unsure", "failed": "bad"}

PLAN = "PLAN: nothing was changed"
"""The first words of the outcome of a run that only planned its changes."""

STOP_HERE = (
    "Nothing else has been read yet. If this is not the account you meant, stop here and sign in to the right one."
)

_AS_ROLE = "Before you paste commands of the AWS CLI, sign in as this role; omc-runbook's own commands assume it."

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

    def without(self, line: str) -> Banner:
        """The same banner without a line."""
        return self._with(tuple(each for each in self.lines if each != line))

    def with_lines(self, *lines: str) -> Banner:
        """The same banner with more lines below."""
        return self._with((*self.lines, *lines))

    def _with(self, lines: tuple[str, ...]) -> Banner:
        return Banner(self.style, self.headline.removeprefix(_MARKS.get(self.style, "")), lines)

    def to_html(self) -> str:
        colour = "color: white; " if self.style == "production" else ""
        stripes = f'<div style="height: 8px; background: {_STRIPES}"></div>' if self.style == "sandbox" else ""
        lines = "".join(f"<br>{html.escape(line)}" for each in self.lines for line in each.split("\n"))
        return (
            f'<div style="margin: 0.8em 0; overflow-wrap: anywhere">{stripes}'
            f'<p style="{colour}background: {_COLOURS[self.style]}; padding: 0.7em 1em; margin: 0">'
            f'<strong style="font-size: 1.1em">{html.escape(self.headline)}</strong>{lines}</p></div>'
        )

    def to_text(self) -> str:
        rule = {"production": "!", "sandbox": "/"}.get(self.style, "─") * 72
        return "\n".join((rule, *(line for sentence in self.sentences for line in _wrapped(sentence)), rule))


def _wrapped(sentence: str) -> list[str]:
    """The lines of a sentence on a terminal; one that has lines of its own, such as commands to copy, keeps them."""
    return wrap(sentence) if "\n" not in sentence else sentence.splitlines()


def failure(text: str) -> Banner:
    """An error's text: its first sentence as the headline, and the rest, with commands on lines of their own."""
    first, *lines = text.split("\n")
    headline, mark, rest = first.partition(". ")
    return Banner("bad", f"{headline}{mark.strip()}", (*filter(None, [rest]), *lines))


class Site(Protocol):
    """An environment of a run."""

    @property
    def environment(self) -> Environment:
        """The environment with its names."""

    @property
    def caller(self) -> Caller:
        """The caller's identity."""

    @property
    def endpoint(self) -> str:
        """The URL of the AWS endpoint."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on where calls go, where that is neither AWS nor this machine."""

    @property
    def is_sandbox(self) -> bool:
        """Whether the endpoint is on this machine."""


def where(runbook: str, sites: Sequence[Site], notes: Sequence[str] = ()) -> Banner:
    """The account, region, principal, endpoint and names of each environment, and notes.

    It is red if one of them is production, or calls go elsewhere than to AWS, and striped in the sandbox.
    """
    warnings = dict.fromkeys(sentence for site in sites for sentence in site.warnings)
    is_sandbox = any(site.is_sandbox for site in sites)
    is_production = any(site.environment.is_production for site in sites)
    style: Style = "production" if is_production or warnings else "sandbox" if is_sandbox else "plain"
    names = ", ".join(site.environment.name for site in sites)
    lines = tuple(line for site in sites for line in _where(site, len(sites) > 1 or bool(notes)))
    return Banner(
        style, f"{runbook}: {names}{', in the sandbox' if is_sandbox else ''}", (*warnings, *lines, *notes, STOP_HERE)
    )


def _where(site: Site, is_one_of_several: bool) -> tuple[str, ...]:
    names, caller = site.environment.names, site.caller
    source = f", assumed by {caller.source}" if caller.source else ""
    of = f"{site.environment.name}: account" if is_one_of_several else "Account"
    return (
        f"{of} {caller.account}, region {names.region}, as {caller.arn}{source}",
        *((_AS_ROLE,) if caller.source else ()),
        f"Endpoint {site.endpoint}",
        f"Secret {names.secret}, cluster {names.cluster}, {site.environment.origin}",
    )


def workstation(runbook: str, root: str, caller: Caller, peers: str, origin: str) -> Banner:
    """The checkout, the environments (`peers`) that its values are compared with, and where names come from."""
    values = (
        f"Values are compared with {peers}, by fingerprint"
        if peers
        else "Values are not compared with any environment's"
    )
    lines = (f"Checkout {root}", f"With {origin}", values)
    return Banner("plain", f"{runbook}: this machine", (*lines, *((f"as {caller.arn}",) if caller.arn else ())))
