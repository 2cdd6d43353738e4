"""The plan of a change: what each key becomes, when it takes effect and for whom, without a value in sight."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.changes.values.source_file import Given
from omc_runbook.changes.values.sources import named
from omc_runbook.changes.values.validation import objection
from omc_runbook.checks.key_demand import services_reading
from omc_runbook.masking.document import Action, Document, Member, parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Effect, Key
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

LABEL = "omc-runbook-"
"""How the staging labels begin that a write holds while it is under way."""

LARGEST = 65_536
"""Bytes that Secrets Manager takes as one value."""

USERS = ("services", "task_definitions", "tasks")
"""The fields of a snapshot that tell who uses the secret, and without which no roll-out can be watched."""

EFFECTS: dict[Effect, str] = {
    "next-deployment": "with the next deployment",
    "signs-everybody-out": "with the next deployment; signs everybody out",
    "database-too": "with the next deployment; change it in the database too",
    "first-start-only": "only where the application starts for the first time",
}


@dataclass(frozen=True)
class KeyChange:
    """What becomes of one key, where its value comes from and when it takes effect."""

    key: str
    action: Action
    origin: str = ""
    effect: str = ""

    @property
    def sentence(self) -> str:
        """What would become of it."""
        return f"{self.key} would be {self.action}{f' ({self.origin})' if self.origin else ''}."


@dataclass(frozen=True)
class Plan:
    """A change of the secret on top of one version; `text` is the whole new document, masked.

    `base` is the id of the version that the plan was made on: nothing is written over any other. `token` is the
    id that the new version will have: the same plan on the same version has the same, so that a second try
    continues the first. `made` is when the version was read. `labels` are staging labels, with their versions,
    that were there then. `consumers` are the services that get new tasks, and `unread` says why they are not known,
    where they are not. `notes` are sentences that somebody has to read with the plan.
    """

    secret_arn: str
    secret_name: str
    base: str
    text: Masked
    token: str
    made: datetime
    changes: tuple[KeyChange, ...]
    consumers: tuple[Service, ...]
    unread: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    exists: bool = False
    """Whether the version is there already, so that only AWSCURRENT has to move."""

    @property
    def changed(self) -> tuple[KeyChange, ...]:
        """The keys that become something else."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    @property
    def is_empty(self) -> bool:
        """Whether the secret already is as the plan would make it."""
        return not self.changed

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each key that changes, and who gets new tasks."""
        keys = tuple(change.sentence for change in self.changed)
        names = ", ".join(service.name for service in self.consumers)
        return (*keys, f"New tasks would be started: {names}.") if names else keys

    def is_against(self, finding: Finding) -> bool:
        """Whether it is meant to mend an error: of a key that changes, of the secret, of services it redeploys."""
        if finding.severity != "error" or not finding.is_root_cause:
            return False
        if finding.family == "content" and finding.subject != self.secret_name:
            return finding.subject in {change.key for change in self.changed}
        return not finding.services or not finding.services.isdisjoint(service.name for service in self.consumers)


def document_of(snapshot: Snapshot) -> Document:
    """The current document, an empty one where there is nothing to keep; CouldNotLook where nobody can tell."""
    current = snapshot.current
    if current is None or current.document is None:
        if _what_there_is(snapshot):
            return parse(Masked("{}", "the secret"))
        reasons = [gap.sentence for field in ("secret", "contents") for gap in snapshot.gaps.get(field, ())]
        if reasons:
            raise CouldNotLook(reasons[0])
        raise CouldNotLook(
            f"{snapshot.environment.names.secret} has no version that can be changed: run verify, it says why."
        )
    return current.document


def _what_there_is(snapshot: Snapshot) -> str:
    """What the secret has where that is no document, in words; "" where it has one, or that is not known."""
    secret, current = snapshot.secret, snapshot.current
    if secret is None or secret.deleted or snapshot.gaps.get("secret") or snapshot.gaps.get("contents"):
        return ""
    if current is None:
        return "" if secret.version_at(CURRENT) else "has no value yet"
    return "" if current.document else "holds no JSON object"


def plan_update(snapshot: Snapshot, new: Mapping[str, Given], remove: Sequence[str] = (), finish: bool = False) -> Plan:
    """Plan new values for some keys, and the removal of those named; all other members stay byte for byte.

    Where nothing would change, `finish` says whether services that hold older values shall get new tasks all the same.

    Where the secret has no document yet, the new values have to be one by themselves. Raises UsageError for a value
    that the catalogue objects to, a key to remove that is not there, is given too or is asked for by tasks, a
    required key that the whole document would lack, and a result that is too large; CouldNotLook where the current
    version could not be read.
    """
    document, known = document_of(snapshot), snapshot.environment.keys
    changing = {key: entry for key, entry in new.items() if not _is(document.get(key), entry)}
    _refuse(snapshot, document.keys, new, remove)
    _object(changing, known)
    notes = _replacing(snapshot, new) if new else ()
    text = document.replace({key: entry.value for key, entry in changing.items()}, remove)
    if text.size > LARGEST:
        raise UsageError(f"The secret would have {text.size:,} bytes; {LARGEST:,} are allowed. Nothing was written.")
    actions: dict[str, Action] = dict.fromkeys((*document.keys, *new), "unchanged")
    actions |= {key: "changed" if key in document.keys else "added" for key in changing}
    actions |= dict.fromkeys(remove, "removed")
    return draw_up(
        snapshot,
        text,
        token=_token(current_id(snapshot), document.value if document.members else text, text),
        changes=tuple(
            change_of(snapshot, key, action, new[key].origin if key in new else "") for key, action in actions.items()
        ),
        notes=notes,
        finish=finish,
    )


def _replacing(snapshot: Snapshot, new: Mapping[str, Given]) -> tuple[str, ...]:
    """What to know where the new values become the whole document; UsageError where they are too few for that."""
    found, name, base = _what_there_is(snapshot), snapshot.environment.names.secret, current_id(snapshot)
    missing = [key for key, known in snapshot.environment.keys.items() if known.required and key not in new]
    if found and missing:
        raise UsageError(
            f"{name} {found}, so the new values become the whole document, and {', '.join(missing)} would be missing:"
            " take them from one file. Nothing was written."
        )
    if found and base:
        return (f"{name} {found}: all that it holds is replaced, and stays as AWSPREVIOUS in version {base[:8]}.",)
    return (f"{name} {found}: this becomes its first version.",) if found else ()


def current_id(snapshot: Snapshot) -> str:
    """The id of the current version; "" where there is none."""
    return snapshot.secret.version_at(CURRENT) if snapshot.secret else ""


def draw_up(
    snapshot: Snapshot,
    text: Masked,
    token: str,
    changes: tuple[KeyChange, ...],
    notes: tuple[str, ...] = (),
    exists: bool = False,
    finish: bool = False,
) -> Plan:
    """A plan on top of the version that is current in a snapshot, which has the secret.

    A change restarts every service that refers to the secret; where there is none, and `finish` says so, those that
    hold older values, or may, and those whose deployment is still under way.
    """
    secret = snapshot.secret
    assert secret is not None, "nothing is planned without a secret"
    is_change = any(change.action != "unchanged" for change in changes)
    return Plan(
        secret_arn=secret.arn,
        secret_name=secret.name,
        base=current_id(snapshot),
        text=text,
        token=token,
        made=snapshot.taken,
        changes=changes,
        consumers=tuple(
            service for service in users(snapshot) if is_change or (finish and _is_late(snapshot, service))
        ),
        unread=why_unread(snapshot),
        labels=tuple((label, version) for version, labels in secret.stages.items() for label in labels),
        notes=notes,
        exists=exists,
    )


def users(snapshot: Snapshot) -> tuple[Service, ...]:
    """The services whose task definition in force refers to the secret."""
    return tuple(
        service
        for service in snapshot.consumers
        if snapshot.own_injections(snapshot.definition(service.task_definition_arn))
    )


def why_unread(snapshot: Snapshot) -> str:
    """Why it is not known who uses the secret; "" where it is."""
    return next((gap.sentence for field in USERS for gap in snapshot.gaps.get(field, ())), "")


def _is_late(snapshot: Snapshot, service: Service) -> bool:
    primary = service.primary
    under_way = primary is not None and primary.rollout not in ("", "COMPLETED")
    return under_way or any(freshness.of(snapshot, task) != "fresh" for task in snapshot.running(service))


def change_of(snapshot: Snapshot, key: str, action: Action, origin: str = "") -> KeyChange:
    """What becomes of a key, with what that means, and for whom."""
    known = snapshot.environment.keys
    if action == "removed":
        asking = ", ".join(sorted(services_reading(snapshot, key)))
        return KeyChange(key, action, "", f"new tasks of {asking} will not start: they ask for it" if asking else "")
    if action == "unchanged":
        return KeyChange(key, action, origin)
    return KeyChange(key, action, origin, EFFECTS[known[key].effect if key in known else "next-deployment"])


def _is(member: Member | None, entry: Given) -> bool:
    """Whether the secret has exactly what is given."""
    return member is not None and member.kind == entry.kind and member.injected.same_as(entry.value)


def _refuse(snapshot: Snapshot, present: Sequence[str], new: Mapping[str, Given], remove: Sequence[str]) -> None:
    for key in remove:
        if key in new:
            raise UsageError(f"{key} is to be both set and removed: choose one. Nothing was written.")
        if key not in present:
            raise UsageError(f"{named(key, present)} cannot be removed, it is not in the secret{nearest(key, present)}")
        asking = ", ".join(sorted(services_reading(snapshot, key)))
        if asking:
            raise UsageError(
                f"{key} cannot be removed, new tasks of {asking} would not start: take it out of their task"
                " definitions first, or give it another value. Nothing was written."
            )


def _object(changing: Mapping[str, Given], known: Mapping[str, Key]) -> None:
    for key, entry in changing.items():
        problem = "is a JSON " + entry.kind + ", and ECS needs a string: quote it" if entry.kind != "string" else ""
        reason = problem or ("" if entry.is_placeholder else objection(entry.value, known.get(key)))
        if reason:
            raise UsageError(f"{key} from {entry.origin} {reason}. Nothing was written.")


def _token(base: str, before: Masked, after: Masked) -> str:
    """An id that the same change of the same version always has, and that tells nothing to who lacks the old text."""
    secret = hashlib.sha256(reveal(before).encode("utf-8", "surrogatepass")).digest()
    digest = hmac.digest(secret, base.encode() + reveal(after).encode("utf-8", "surrogatepass"), "sha256")
    return str(uuid.UUID(bytes=digest[:16], version=4))
