"""The history report: each version with its author, keys and tasks; and the age of each key's value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.checks import age, remedies
from omc_runbook.masking.document import compare
from omc_runbook.model.arn import name_in
from omc_runbook.model.letters import counted
from omc_runbook.report import changes
from omc_runbook.report.display import console
from omc_runbook.report.display.listing import Listing, commands_for
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.freshness import TRAIL_DELAY
from omc_runbook.snapshot.history import Holder, holders
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

NEVER = "never current"
ENCRYPTS = "not by itself: encrypts data"
_ACTIONS = ("changed", "added", "removed")


def versions(snapshot: Snapshot, history: VersionHistory) -> Table:
    """Every version, newest first: its time, author, changed keys and labels, and the tasks that have it."""
    counts, unread = holders(snapshot, history), snapshot.unread("services", "task_definitions", "tasks")
    none = "unknown" if unread else "—"
    rows = [
        [
            history.short(each.id),
            f"{each.version.created:%Y-%m-%d %H:%M:%S}",
            _author(snapshot, history, each),
            _keys(history, each),
            _labels(each),
            ", ".join(f"{h.service} {h.tasks}" for h in counts if h.version_id == each.id) or none,
        ]
        for each in history.versions
    ]
    levels: dict[str, Level] = {row[4]: "good" for row in rows if CURRENT in row[4]}
    levels |= {row[4]: "warning" for row in rows if PREVIOUS in row[4]}
    for row, each in zip(rows, history.versions, strict=True):
        if each.content is None:
            levels[row[3]] = "unknown"
        elif not each.content.document:
            levels[row[3]] = "error"
    columns = ["version", "created (UTC)", "written by", "changed keys", "labels", "tasks"]
    title = f"{counted(len(rows), 'version')} of {snapshot.secret_name}, newest first"
    return Table(title, columns, rows, levels, "No version could be listed.", notes=(*_notes(history, counts), *unread))


def label(history: VersionHistory, version: VersionEntry) -> str:
    """A version in a few words: its time, id and labels, and who wrote it."""
    author = f"by {name_in(version.author)}" if version.author else ""
    parts = (f"{version.version.created:%Y-%m-%d %H:%M} UTC", history.short(version.id), _labels(version), author)
    return " · ".join(part for part in parts if part not in ("", "—"))


def describe_writing(version: VersionEntry) -> str:
    """When a version was written, and by whom."""
    author = f" by {name_in(version.author)}" if version.author else ""
    return f"{version.version.created:%Y-%m-%d %H:%M} UTC{author}"


def ages(snapshot: Snapshot, history: VersionHistory) -> Table:
    """The age of each key's value, and whether its rotation is due."""
    key_ages = age.ages(snapshot, history)
    due, allowed = age.due(snapshot, key_ages), snapshot.environment.names.rotation_days
    words = dict.fromkeys(due, "due") | dict.fromkeys(age.overdue_encryption(snapshot, key_ages), ENCRYPTS)
    rows = [
        [
            each.key,
            f"{each.since:%Y-%m-%d}{' or earlier' if each.at_least else ''}",
            f"{'at least ' if each.at_least else ''}{(snapshot.taken - each.since).days} days",
            words.get(each.key, "—"),
        ]
        for each in key_ages
    ]
    title = f"Age of each key's value; rotation is due after {allowed} days"
    return Table(
        title,
        ["key", "value since", "age", "rotation"],
        rows,
        {"due": "warning", ENCRYPTS: "warning"},
        "No key could be read.",
    )


def by_hand(snapshot: Snapshot, history: VersionHistory) -> Listing:
    """The AWS CLI's commands for the same: list the versions, move AWSCURRENT, redeploy every service.

    A secret that is gone has no version any more: it is created, as by `update`.
    """
    if changes.is_gone(snapshot):
        return changes.by_hand(snapshot)
    names, current, former = snapshot.environment.names, snapshot.current_id, snapshot.previous_id
    move = remedies.move_back(names, former or "VERSION_ID", current or "CURRENT_ID")
    rows = [
        ("list the versions", remedies.list_versions(names).command),
        *changes.end_deletion(snapshot),
        (
            f"make {history.short(former) if former else 'a version'} current again",
            changes.write_by_hand(snapshot, move),
        ),
        *changes.new_tasks(snapshot),
        ("the secret in the console", console.secret(names)),
    ]
    return commands_for(snapshot.environment.name, rows)


def _author(snapshot: Snapshot, history: VersionHistory, version: VersionEntry) -> str:
    if version.author:
        return name_in(version.author)
    is_recent = history.writes is not None and snapshot.taken - version.version.created < TRAIL_DELAY
    return "not in CloudTrail yet" if is_recent else "unknown"


def _keys(history: VersionHistory, version: VersionEntry) -> str:
    """Which keys differ from the version that was current before, or from the nearest that is readable."""
    if version.content is None:
        return f"not readable: {version.unread.code}" if version.unread else "deleted meanwhile"
    document = version.content.document
    if document is None:
        return f"not a JSON object: {version.content.error.problem if version.content.error else 'binary'}"
    older = history.before(version)
    base = next((other for other in older if other.content and other.content.document), None)
    if base is None or base.content is None:
        return f"{counted(len(document.keys), 'key')}, no earlier version to compare"
    actions = compare(base.content.document, document)
    parts = {action: [key for key in actions if actions[key] == action] for action in _ACTIONS}
    text = "; ".join(f"{', '.join(keys)} {action}" for action, keys in parts.items() if keys) or "none"
    return text if base is older[0] else f"{text} (compared with {history.short(base.id)})"


def _labels(version: VersionEntry) -> str:
    return ", ".join((*version.version.stages, *([NEVER] if version.promoted is False else ()))) or "—"


def _notes(history: VersionHistory, counts: Sequence[Holder]) -> Iterator[str]:
    for each in history.versions:
        if each.returned:
            principal, time = name_in(each.returned.principal), f"{each.returned.time:%Y-%m-%d %H:%M} UTC"
            yield f"{history.short(each.id)} was made current again on {time} by {principal}."
    unclear = ", ".join(f"{h.service} {h.tasks}" for h in counts if not h.version_id)
    if unclear:
        yield f"Unknown which version these tasks have: {unclear}. They started about when AWSCURRENT moved."
    unread = [each.unread for each in history.versions if each.unread]
    yield from (gap.sentence for gap in (*unread[:1], *history.unread))
