"""Restoring: a plan that makes a version current again which is there already."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.secretsmanager import PREVIOUS
from omc_runbook.changes.secret.plan import Plan, change_of, current_id, draw_up
from omc_runbook.changes.values.validation import objection
from omc_runbook.masking.document import Document, compare
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.snapshot.history import History, VersionHistory
from omc_runbook.snapshot.state import Snapshot

SHORTEST = 8
"""The fewest characters of an id that name a version."""


def plan_restore(snapshot: Snapshot, history: History, version: str = "") -> Plan:
    """Plan to give AWSCURRENT to a version that is kept: no other is written.

    `version` is a staging label, such as AWSPREVIOUS, or an id or the beginning of one; with "" nothing changes.
    AWSPREVIOUS is no step forward: where it is newer than what is current, going back has been done, and the plan is
    empty. What the catalogue would object to in a new value is only noted, because what is restored worked before.
    Raises UsageError for a version that is not there or holds no JSON object, CouldNotLook for one that cannot be
    read and where there is no current version to go back from.
    """
    base = current_id(snapshot)
    if snapshot.secret is None or not base or snapshot.secret.deleted:
        gaps = snapshot.gaps.get("secret", ())
        reason = f"{snapshot.secret_name} has no current version to go back from: run verify, it says why."
        raise CouldNotLook(gaps[0].sentence if gaps else reason)
    if not version.strip():
        return _empty(snapshot, base)
    target_id = _resolve(snapshot, history, version.strip())
    if target_id == base:
        return _empty(snapshot, base, finish=True)
    kept = history.find(target_id)
    assert kept is not None, "a version that was resolved is kept"
    if version.strip() == PREVIOUS and _is_newer(history, kept, base):
        note = (
            f"AWSCURRENT was moved back already, from version {history.short(target_id)}, which is {PREVIOUS} now."
            " To go to that one again, give its id."
        )
        return _empty(snapshot, base, note, finish=True)
    target, current = _document(history, kept), snapshot.current.document if snapshot.current else None
    origin = f"version {history.short(target_id)} of {kept.version.created:%Y-%m-%d %H:%M}"
    return draw_up(
        snapshot,
        target.value,
        token=target_id,
        changes=tuple(
            change_of(snapshot, key, action, "" if action == "removed" else origin)
            for key, action in compare(current, target).items()
        ),
        notes=tuple(_notes(snapshot, current, target, origin)),
        exists=True,
    )


def _empty(snapshot: Snapshot, base: str, *notes: str, finish: bool = False) -> Plan:
    document = snapshot.current.document if snapshot.current else None
    text = document.value if document else Masked("", "the secret")
    keys = document.keys if document else ()
    changes = tuple(change_of(snapshot, key, "unchanged") for key in keys)
    return draw_up(snapshot, text, token=base, changes=changes, notes=notes, exists=True, finish=finish)


def _resolve(snapshot: Snapshot, history: History, version: str) -> str:
    """The id of the version that a label, an id or its beginning names."""
    labelled = snapshot.secret.version_at(version) if snapshot.secret else ""
    if labelled and history.find(labelled):
        return labelled
    # What was given is not repeated in a refusal: somebody may have put a value in its place.
    name, there = snapshot.secret_name, _listed(history)
    if gaps := snapshot.gaps.get("versions", ()):
        raise CouldNotLook(gaps[0].sentence)
    if version == PREVIOUS:
        raise UsageError(f"{name} has no version with {PREVIOUS}: give the id of one that is kept, {there}.")
    found = [kept.id for kept in history.versions if kept.id.startswith(version)]
    if version in found:
        return version
    if len(found) > 1 and len(version) >= SHORTEST:
        raise UsageError(
            f"Several versions of {name} have ids that begin like that: {', '.join(found)}. Nothing was written."
        )
    if len(found) != 1 or len(version) < SHORTEST:
        raise UsageError(f"{name} keeps no version of that id or label: there are {there}. Nothing was written.")
    return found[0]


def _listed(history: History) -> str:
    ids = [f"{history.short(kept.id)} ({kept.version.created:%Y-%m-%d})" for kept in history.versions]
    more = f" and {len(ids) - 10} older" if len(ids) > 10 else ""
    return f"{', '.join(ids[:10])}{more}" if ids else "none that could be listed"


def _is_newer(history: History, kept: VersionHistory, base: str) -> bool:
    current = history.find(base)
    return current is not None and kept.version.created > current.version.created


def _document(history: History, kept: VersionHistory) -> Document:
    short = history.short(kept.id)
    if kept.unread:
        raise CouldNotLook(kept.unread.sentence)
    if kept.content is None:
        raise UsageError(f"Version {short} is gone: Secrets Manager removed it. There are {_listed(history)}.")
    if kept.content.document is None:
        why = "is no text" if kept.content.binary else f"is {kept.content.error.problem}" if kept.content.error else ""
        raise UsageError(f"Version {short} {why}: no task could start with it. Nothing was written.")
    return kept.content.document


def _notes(snapshot: Snapshot, current: Document | None, target: Document, origin: str) -> Iterator[str]:
    """What to know before an old value is in force again."""
    known = snapshot.environment.keys
    for key, action in compare(current, target).items():
        member = target.get(key)
        if member is None or action == "unchanged":
            continue
        reason = objection(member.injected, known.get(key)) if member.kind == "string" else f"is a JSON {member.kind}"
        if reason:
            yield f"{key} of {origin} {reason}."
        if key in known and known[key].effect == "database-too":
            yield f"The database has to accept the {key} of {origin}: if it has another by now, change that back first."
