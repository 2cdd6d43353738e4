"""What index.ipynb shows: a card for each purpose, and the last records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks import age
from omc_runbook.model.findings import Remedy
from omc_runbook.model.letters import counted
from omc_runbook.report import history as versions
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

Place = Literal["answer", "form", "parameters"]
"""Where in a notebook a person goes on: where nothing is left to choose, at the answer."""

ANSWER: Place = "answer"


@dataclass(frozen=True)
class Card:
    """A purpose, the runbook for it with its parameters, and what is known of it here."""

    purpose: str
    text: str
    runbook: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    leads_to: Place = ANSWER

    @property
    def entry(self) -> Entry:
        """The card in a listing, with the command that does the same."""
        command = Remedy(runbook=self.runbook, parameters=dict(self.parameters)).invocation
        return Entry(self.purpose, lead=self.text, command=command)


def cards(snapshot: Snapshot, history: VersionHistory, runbook_toml: str = "") -> tuple[Card, ...]:
    """What somebody may have come for; `runbook_toml` is a file that was named."""
    parameters = _parameters(snapshot, runbook_toml)
    ages = age.ages(snapshot, history)
    return (
        Card("I am new here", "A first half hour, in a sandbox of your own.", "onboarding", {}, "parameters"),
        Card("Something does not work", "From a symptom or an error to its cause.", "troubleshoot", parameters),
        Card("Is everything all right?", "Reads everything, changes nothing.", "verify", parameters),
        Card(
            "Who can read the secret?", "Who did, how old it is, and who would notice: one page.", "audit", parameters
        ),
        Card("Is it the same everywhere?", "Every environment at once, and how they differ.", "fleet", parameters),
        _old(snapshot, ages, parameters),
        Card("I have a new value", "It is typed hidden, or read from a file.", "update", parameters, "form"),
        Card("That change was a mistake", _last(history), "restore", parameters, "form"),
        Card(
            "The code needs a new key", "In Settings, Terraform, secret and tasks.", "add_key", parameters, "parameters"
        ),
        Card(
            "A new environment", "It gets its secret, with a placeholder for each required key.", "create", parameters
        ),
        Card(
            "My own machine", "Creates the .env of your checkout, or fixes it.", "local_setup", parameters, "parameters"
        ),
    )


def more_cards(snapshot: Snapshot, purposes: Mapping[str, str], runbook_toml: str) -> tuple[Card, ...]:
    """A card for each runbook by what its notebook says it is for."""
    parameters = _parameters(snapshot, runbook_toml)
    return tuple(Card(f"{text[:1].upper()}{text[1:]}", "", name, parameters) for name, text in purposes.items())


def listing(cards: Sequence[Card]) -> Listing:
    """The cards, each with its command."""
    return Listing("What to do", [card.entry for card in cards])


def _parameters(snapshot: Snapshot, runbook_toml: str) -> dict[str, str]:
    return {"environment": snapshot.environment.name} | ({"runbook_toml": runbook_toml} if runbook_toml else {})


def _old(snapshot: Snapshot, ages: Sequence[age.Age], parameters: Mapping[str, str]) -> Card:
    due = age.due(snapshot, ages)
    if not due:
        text = "No rotation is due." if ages else "No value was read, so that their ages are not known."
        return Card("A value is old or has leaked", text, "rotate", parameters, "form")
    days = {each.key: (snapshot.taken - each.since).days for each in ages}
    oldest = ", ".join(f"{key} {counted(days[key], 'day')}" for key in due[:3])
    allowed = f"Rotation is due after {snapshot.environment.names.rotation_days} days."
    text = f"{oldest}{', …' if due[3:] else ''}. {allowed}"
    return Card(f"A value is old: {len(due)} due", text, "rotate", {**parameters, "keys": age.DUE})


def _last(history: VersionHistory) -> str:
    if not history.versions:
        return "A former version becomes current again."
    last, *others = history.versions
    if not others and CURRENT in last.version.stages:
        return f"There is no former version; the current one: {versions.describe_writing(last)}."
    are_kept = counted(len(history.versions), "version is kept", "versions are kept")
    return f"{are_kept}; the last: {versions.describe_writing(last)}."
