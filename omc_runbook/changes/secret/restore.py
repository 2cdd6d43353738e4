"""The plan to make a kept version current again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.changes.secret.plan import (
    RESTORE_LABEL,
    WITHDRAWN_LABEL,
    SecretPlan,
    change_of,
    is_database_password,
    kept_note,
    make_plan,
    reason_of_lack,
)
from omc_runbook.changes.values import encryption
from omc_runbook.masking.defects import objection
from omc_runbook.masking.document import Document, compare
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.suggestions import did_you_mean
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

SHORTEST = 8
"""The least number of characters of an id that select a version."""


def plan_restore(snapshot: Snapshot, history: VersionHistory, version: str = "") -> SecretPlan:
    """Plan to move AWSCURRENT to a kept version; no version is written.

    `version` is a staging label, such as AWSPREVIOUS, or an id or the beginning of one; with "" nothing changes. Where
    AWSPREVIOUS is newer than AWSCURRENT, the restore has been done, and the plan is empty. Values that the catalogue
    refuses are only noted, because they worked before. Raises UsageError for a version that does not exist or is not a
    JSON object, CouldNotLook for one that cannot be read and where there is no current version.
    """
    base = snapshot.current_id
    if snapshot.secret is None or not base or snapshot.secret.deleted:
        problem = f"{snapshot.secret_name} has no current version to go back from: {reason_of_lack(snapshot)}"
        raise CouldNotLook(next(iter(snapshot.unread("secret")), problem))
    if not version.strip():
        # Nothing is chosen, so nothing is finished, and what a killed run left keeps its label.
        return replace(_empty(snapshot, base), labels=())
    target_id = _resolve(snapshot, history, version.strip())
    if target_id == base:
        note = f"Version {history.short(base)} is the current one already."
        return _empty(snapshot, base, note, redeploy_stale=True)
    entry = history.find(target_id)
    assert entry is not None, "resolved versions are kept"
    if version.strip() == PREVIOUS and _is_newer(history, entry, base):
        note = (
            f"AWSCURRENT was moved back already, from version {history.short(target_id)}, which is {PREVIOUS} now."
            " To restore that one, give its id."
        )
        return _empty(snapshot, base, note, redeploy_stale=True)
    target, current = _document(history, entry), snapshot.document
    # The table's column has no room for the time, which the notes say.
    origin = f"version {history.short(target_id)} of {entry.version.created:%Y-%m-%d}"
    return make_plan(
        snapshot,
        target.value,
        token=target_id,
        changes=tuple(
            change_of(snapshot, key, action, "" if action == "removed" else origin)
            for key, action in compare(current, target).items()
        ),
        notes=tuple(_notes(snapshot, current, target, f"{origin} {entry.version.created:%H:%M} UTC")),
        exists=True,
    )


def is_unfinished(plan: SecretPlan) -> bool:
    """Whether a plan goes on with a restore that was killed after it had moved AWSCURRENT."""
    return plan.is_empty and any(
        version == plan.base and label.startswith(RESTORE_LABEL) for label, version in plan.labels
    )


def _empty(snapshot: Snapshot, base: str, *notes: str, redeploy_stale: bool = False) -> SecretPlan:
    document = snapshot.document
    text = document.value if document else Masked("", "the secret")
    keys = document.keys if document else ()
    changes = tuple(change_of(snapshot, key, "unchanged") for key in keys)
    plan = make_plan(
        snapshot, text, token=base, changes=changes, notes=notes, exists=True, redeploy_stale=redeploy_stale
    )
    # Without a change, nothing shows that the database has not the password that a killed run has staged or taken back.
    staged = plan.staged_labels
    labels = tuple(each for each in plan.labels if each not in staged and not each[0].startswith(WITHDRAWN_LABEL))
    note = kept_note(plan, staged)
    plan = replace(plan, labels=labels, notes=(*notes, note) if redeploy_stale and note else notes)
    note = "The restore of this version was not finished: restore continues it."
    return replace(plan, notes=(*plan.notes, note)) if redeploy_stale and is_unfinished(plan) else plan


def _resolve(snapshot: Snapshot, history: VersionHistory, version: str) -> str:
    """The id of the version with this label, id or beginning of an id."""
    by_label = snapshot.version_at(version)
    if history.find(by_label):
        return by_label
    # The argument is not quoted: it may be a value pasted by mistake.
    name, versions = snapshot.secret_name, _list_versions(history)
    if reasons := snapshot.unread("versions"):
        raise CouldNotLook(reasons[0])
    if version.upper() == PREVIOUS and not history.find(snapshot.version_at(PREVIOUS)):
        if [entry.id for entry in history.versions] == [snapshot.current_id]:
            raise UsageError(f"{name} has no version with {PREVIOUS}, only the current one: there is none to restore.")
        raise UsageError(f"{name} has no version with {PREVIOUS}: give the id of a kept version, {versions}.")
    if history.find(version):
        return version
    is_short = len(version) < SHORTEST
    matching_ids = [] if is_short else [entry.id for entry in history.versions if entry.id.startswith(version)]
    if len(matching_ids) > 1:
        raise UsageError(f"Several versions of {name} match: {', '.join(matching_ids)}. Nothing was written.")
    if not matching_ids:
        stages = snapshot.secret.stages.values() if snapshot.secret else ()
        near = did_you_mean(version, {label for labels in stages for label in labels} - {CURRENT})
        versions_kept = f"{near} It keeps {versions}." if near else f", only {versions}."
        raise UsageError(f"{name} has no version with that id or label{versions_kept} Nothing was written.")
    return matching_ids[0]


def _list_versions(history: VersionHistory) -> str:
    ids = [f"{history.short(entry.id)} ({entry.version.created:%Y-%m-%d})" for entry in history.versions]
    more = f" and {len(ids) - 10} older" if len(ids) > 10 else ""
    return f"{', '.join(ids[:10])}{more}" if ids else "none that could be listed"


def _is_newer(history: VersionHistory, entry: VersionEntry, base: str) -> bool:
    current = history.find(base)
    return current is not None and entry.version.created > current.version.created


def _document(history: VersionHistory, entry: VersionEntry) -> Document:
    short = history.short(entry.id)
    if entry.unread:
        raise CouldNotLook(entry.unread.sentence)
    if entry.content is None:
        raise UsageError(f"Version {short} is gone: Secrets Manager removed it. It keeps {_list_versions(history)}.")
    content = entry.content
    if content.document is None:
        why = "is not text" if content.binary else f"is {content.error.problem}" if content.error else ""
        raise UsageError(f"Version {short} {why}: no task can start with it. Nothing was written.")
    return content.document


def _notes(snapshot: Snapshot, current: Document | None, target: Document, origin: str) -> Iterator[str]:
    """Warnings about the values to be restored, or that there are none to restore."""
    catalogue, words = snapshot.environment.keys, snapshot.environment.words
    actions = compare(current, target)
    if current and {*actions.values()} <= {"unchanged"}:
        yield f"The keys and values of {origin} are those of the current one: a restore changes nothing."
    for key, action in actions.items():
        member = target.get(key)
        if member is None or action == "unchanged":
            continue
        problem = (
            objection(member.injected, catalogue.get(key), words)
            if member.kind == "string"
            else f"is a JSON {member.kind}"
        )
        if problem:
            yield f"{key} of {origin} {problem}."
        lost = encryption.loss(catalogue, key, current.get(key) if current else None, member.injected)
        if lost:
            yield f"{key} encrypts data: with that of {origin}, {lost} cannot be read. Restore only if that is nothing."
        if is_database_password(catalogue, key):
            yield f"The database must accept the {key} of {origin}: if it was changed there, change it back first."
