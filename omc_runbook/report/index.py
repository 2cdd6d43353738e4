"""What index.ipynb shows: a card for each purpose, and the last records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from omc_runbook.changes.secret import age
from omc_runbook.model.findings import Remedy
from omc_runbook.report import history as versions
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.snapshot.history import History
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True)
class Card:
    """A purpose, the runbook for it with its parameters, and what is known of it here."""

    purpose: str
    text: str
    runbook: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    is_complete: bool = True
    """Whether it can run with these parameters."""

    @property
    def entry(self) -> Entry:
        """The card in a listing, with the command that does the same."""
        command = Remedy(runbook=self.runbook, parameters=dict(self.parameters)).invocation
        return Entry(self.purpose, lead=self.text, command=command)


def cards(snapshot: Snapshot, history: History) -> tuple[Card, ...]:
    """What somebody may have come for."""
    here = {"environment": snapshot.environment.name}
    ages = age.ages(snapshot, history)
    due = age.due(snapshot, ages)
    return (
        Card(
            "Something does not work", "From a symptom or an error to the cause, and what to do.", "troubleshoot", here
        ),
        Card("Is everything all right?", "Reads everything, changes nothing.", "verify", here),
        Card(_old(len(due)), _due(snapshot, ages, due), "rotate", here | ({"keys": age.DUE} if due else {})),
        Card("I have a new value", "It is typed hidden, or read from a file.", "update", here),
        Card("That change was a mistake", _last(history), "restore", here),
        Card(
            "The code needs a new key",
            "It goes into Settings, template, Terraform, secret and tasks.",
            "add_key",
            here,
            is_complete=False,
        ),
        Card("A new environment", "It gets its secret, with a placeholder for each required key.", "create", here),
        Card("My own machine", "The .env: complete, valid and private.", "local_setup", here),
    )


def listing(cards: Sequence[Card]) -> Listing:
    """The cards, each with its command."""
    return Listing("What to do", [card.entry for card in cards])


def _old(due: int) -> str:
    return f"A value is old: {due} due" if due else "A value is old or has leaked"


def _due(snapshot: Snapshot, ages: Sequence[age.Age], due: Sequence[str]) -> str:
    days = {each.key: (snapshot.taken - each.since).days for each in ages}
    shown = ", ".join(f"{key} {days[key]} days" for key in due[:3])
    if due:
        allowed = f"Rotation is due after {snapshot.environment.names.rotation_days} days."
        return f"{shown}{', …' if due[3:] else ''}. {allowed}"
    return "None is due; new values reach the running tasks, or the former ones come back."


def _last(history: History) -> str:
    if not history.versions:
        return "A former version becomes current again."
    count = f"{len(history.versions)} versions are kept" if history.versions[1:] else "1 version is kept"
    return f"{count}; the last: {versions.label(history, history.versions[0])}."
