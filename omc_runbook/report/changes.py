"""What a change of the secret shows: what to beware of, the plan, what was written, who holds it, how to undo it."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.changes.plan import Plan
from omc_runbook.changes.writing import Written
from omc_runbook.checks import remedies
from omc_runbook.environment import Environment
from omc_runbook.report.banner import Banner
from omc_runbook.report.listing import Entry, Listing
from omc_runbook.report.mood import Mood
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot

ACTIONS: dict[str, Mood] = {"added": "good", "changed": "warning", "removed": "error", "unchanged": "quiet"}


def precautions(sentences: Sequence[str]) -> Listing:
    """What is unsafe about the source of the new values."""
    entries = [Entry("beware", mood="warning", lead=sentence) for sentence in sentences]
    return Listing("Before the values are read", entries, "There is nothing to beware of.")


def plan(planned: Plan) -> Table:
    """What becomes of each key, how its value is made and when it takes effect; who has to restart for it."""
    rows = [[change.key, change.action, change.origin or "—", change.effect] for change in planned.changes]
    count = len(planned.changed)
    consumers = ", ".join(planned.consumers) or "no service"
    base = f"version {planned.base[:8]}" if planned.base else "nothing"
    title = (
        f"{count} of {len(rows)} keys would change on top of {base}; to restart: {consumers}"
        if count
        else f"Nothing would change: all {len(rows)} keys stay as they are in {base}"
    )
    columns = ["key", "action", "value from", "takes effect"]
    return Table(title, columns, rows, ACTIONS, notes=planned.notes)


def written(planned: Plan, done: Written | None, source: str = "") -> Banner:
    """What was written, or that nothing was and why; with a sentence on the source's file."""
    lines = (source,) if source else ()
    if done is None:
        how = "" if planned.is_empty else " Set apply = True to do what the plan says."
        return Banner("plain", f"Nothing was written: this was a dry run.{how}", lines)
    if not done.changes:
        return Banner("good", "Nothing had to be written: the secret already is as planned.", lines)
    keys = ", ".join(f"{change.key} {change.action}" for change in done.changes)
    return Banner(
        "good",
        f"Written and read back: {keys}.",
        (f"{planned.secret_name} is at version {done.version_id}; before it was at {done.before or 'none'}.", *lines),
    )


def holders(snapshot: Snapshot) -> Listing:
    """Which services' tasks hold the current values, and for those that do not, the command that starts new ones."""
    entries = []
    for service in snapshot.consumers:
        tasks = snapshot.running(service)
        # A task holds what its variables are made of: a change of other keys is none to it.
        old = [
            task
            for task in tasks
            if snapshot.freshness(task) != "fresh" and snapshot.changed_keys(service, task) != frozenset()
        ]
        told = f"{len(old)} of {len(tasks)} tasks hold older values, or may" if old else ""
        command = remedies.redeploy(snapshot.environment.names, service.name).command
        entries.append(
            Entry(service.name, told, "warning", "redeploy", "New tasks read the secret anew.", command=command)
            if old
            else Entry(service.name, f"{_count(len(tasks))} the current values of their keys", "good", "up to date")
        )
    return Listing("Who holds the current values", entries, "No service uses the secret.")


def _count(tasks: int) -> str:
    return "1 task holds" if tasks == 1 else f"{tasks} tasks hold"


def undo(planned: Plan, done: Written | None) -> Listing:
    """The command that gives the former version back; new tasks are needed after that too."""
    if done is None or not done.changes:
        then = f" After a write, a command here gives back version {planned.base[:8]}."
        told = "" if planned.is_empty or done or not planned.base else then
        return Listing("Going back", (), f"Nothing was written, so there is nothing to undo.{told}")
    if not planned.base:
        return Listing("Going back", (), "There was no version before this one, so there is none to go back to.")
    entry = Entry(
        f"back to version {planned.base[:8]}",
        lead="All keys become what they were; then redeploy as above. Secrets Manager keeps the version for now.",
        command=planned.undo,
    )
    return Listing("Going back", [entry])


def by_hand(environment: Environment) -> Listing:
    """The guide's own commands for an update, with this environment's names, and the console's page."""
    names = environment.names
    page = f"https://{names.region}.console.aws.amazon.com/secretsmanager/secret"
    rows = [
        ["write the whole secret from a file", remedies.put_value(names).command],
        ["remove the file", "rm secrets.json"],
        ["start new tasks of the main service", remedies.redeploy(names, names.service).command],
        ["the secret in the console", f"{page}?name={names.secret}&region={names.region}"],
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(what, command=how) for what, how in rows])
