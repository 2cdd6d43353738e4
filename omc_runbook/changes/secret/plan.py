"""The plan of a change of the secret: each key's action and effect, and the services that get new tasks."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, LARGEST_VALUE, PENDING, PREVIOUS, Secret, short_id
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.deploy.rollout import start_sentences
from omc_runbook.changes.secret import delivery
from omc_runbook.changes.values import encryption
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.changes.values.sources import GENERATED, printable_key, refuse_list
from omc_runbook.checks import remedies, secret_owner
from omc_runbook.checks.key_demand import plain_logins, services_reading
from omc_runbook.checks.other_names import consumers_elsewhere, correct, found_instead, moved_names
from omc_runbook.masking.defects import objection
from omc_runbook.masking.document import Action, Document, Member, parse
from omc_runbook.masking.relations import find_exchanges, find_mismatches
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import letters
from omc_runbook.model.catalogue import Effect, Key, effect_of
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import REFUSED, Finding, Remedy, is_sentence
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot, in_cluster

LABEL = "omc-runbook-"
"""The prefix of staging labels on a version whose change is not finished."""

RESTORE_LABEL = f"{LABEL}restore-"
"""The prefix of a label on a kept version that a restore makes current: its values are not new."""

WITHDRAWN_LABEL = f"{LABEL}withdrawn-"
"""The prefix of a label on a version that a killed run took back: the database may still have its password."""

KEPT_LABELS = (RESTORE_LABEL, WITHDRAWN_LABEL)
"""The prefixes of labels on versions whose values no run continues with."""

NOT_REPLICATED = ("Failed", "Detached")
"""The states of a replica that gets no changes."""

EFFECTS: dict[Effect, str] = {
    "next-deployment": "with the next deployment",
    "signs-everybody-out": "with the next deployment; signs everybody out",
    "database-too": "with the next deployment; change it in the database too",
    "first-start-only": "only at the application's first start",
    "encrypts-data": "with the next deployment; encrypts data",
}


@dataclass(frozen=True)
class KeyChange:
    """The change of one key, where its value comes from and when it takes effect."""

    key: str
    action: Action
    origin: str = ""
    effect: str = ""

    @property
    def sentence(self) -> str:
        """What would happen to the key."""
        return f"{self.key} would be {self.action}{f' ({self.origin})' if self.origin else ''}."

    @property
    def is_generated(self) -> bool:
        """Whether its value is made by the run that applies the plan, and so is another in each run."""
        return self.origin.startswith(GENERATED)


@dataclass(frozen=True)
class SecretPlan:
    """A change of the secret on top of one version; `text` is the whole new document, masked.

    `base` is the id of the version that the plan was made on: no other is replaced. `token` is the id of the new
    version: the same plan on the same version has the same token, so that a rerun continues it. `read_at` is when the
    version was read, `labels` are the staging labels then, with their versions. `consumers` are the services that get
    new tasks; `consumers_unknown` says why they could not be read. `notes` are shown with the plan.
    """

    secret_arn: str
    secret_name: str
    base: str
    text: Masked
    token: str
    read_at: datetime
    changes: tuple[KeyChange, ...]
    consumers: tuple[Service, ...]
    consumers_unknown: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Those notes that say which keys were asked for and stay as they are."""
    exists: bool = False
    """Whether the version exists already, so that only AWSCURRENT moves."""
    underway: frozenset[str] = frozenset()
    """Consumers whose deployment in progress began with these values: it is watched, and no other is started."""
    readiness: tuple[str, ...] = ()
    """What to know of the services, and of others that have the secret, before they are redeployed; in sentences."""
    not_redeployed: tuple[tuple[str, str], ...] = ()
    """Others with the secret that get no new tasks here, by name, each with how they get them.

    A pair without a name says of which ones nothing is known.
    """
    blockers: tuple[str, ...] = ()
    """Why new tasks would fail for certain, whatever the values are."""
    trials: tuple[str, ...] = ()
    """Where values would be sent to be tried, in sentences."""
    outdated_keys: frozenset[str] = frozenset()
    """Keys that stay as they are, and of which running tasks of the consumers have another value."""
    is_untried: bool = False
    """Whether a running task of the consumers has another value than the current version."""
    pinned_references: frozenset[str] = frozenset()
    """References to keys that change, each named as in the findings, that name another version than the new one."""
    unreferenced_keys: frozenset[str] = frozenset()
    """Keys that get values, and to which no revision in force refers: no task that this starts has them."""
    deployments_by_hand: tuple[str, ...] = ()
    """What ECS rolled back, and alone refers to keys that get values, with how a person deploys it, in sentences."""
    encrypting: tuple[str, ...] = ()
    """Keys that change, and whose former value cannot read what new tasks encrypt."""
    versions: tuple[str, ...] = ()
    """The ids of the secret's versions, as far as they were listed."""

    def short(self, version_id: str) -> str:
        """The shortest prefix of a version's id with which `restore` finds that one alone."""
        return short_id(version_id, {*self.versions, *dict(self.labels).values(), self.base, self.token})

    @property
    def changed(self) -> tuple[KeyChange, ...]:
        """The keys that change."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    @property
    def lost_on_return(self) -> str:
        """What the former version cannot read once new tasks have run, as a sentence; "" for nothing."""
        keys = ", ".join(self.encrypting)
        encrypted = f"What new tasks have encrypted with the new {keys}"
        return f"{encrypted} can be read only with its value in version {self.short(self.token)}." if keys else ""

    @property
    def is_empty(self) -> bool:
        """Whether no key changes."""
        return not self.changed

    @property
    def may_act(self) -> bool:
        """Whether to apply it may change something: a key, a service, or a label that a killed run has left."""
        return bool(self.sentences or self.consumers_unknown or self.staged_labels or self.withdrawn)

    @property
    def staged_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels on versions that killed runs have staged beside this plan's, each with its version.

        AWSPREVIOUS was taken back: without a label, no run goes on with it.
        """
        others = {self.base, self.token, dict(self.labels).get(PREVIOUS)}
        return tuple(each for each in self._unfinished if each[1] not in others)

    @property
    def withdrawn(self) -> tuple[tuple[str, str], ...]:
        """The labels on AWSPREVIOUS that a killed run took back, each with its version."""
        previous = dict(self.labels).get(PREVIOUS)
        return tuple(each for each in self._unfinished if each[1] == previous != self.token)

    @property
    def _unfinished(self) -> tuple[tuple[str, str], ...]:
        """The labels with which a run goes on with a version's values."""
        return tuple(each for each in self.labels if each[0].startswith(LABEL) and not each[0].startswith(KEPT_LABELS))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each key that changes, and the services that get new tasks."""
        keys = (*(change.sentence for change in self.changed), *self.trials)
        return keys + start_sentences(self.consumers, self.underway) + self.deployments_by_hand

    def is_against(self, finding: Finding) -> bool:
        """Whether the plan should fix an error: of a key that changes, of the secret, or of a service it redeploys.

        It is against none whose cause may be something that could not be read.
        """
        if finding.severity != "error" or not finding.is_root_cause:
            return False
        if finding.family == "content" and finding.subject != self.secret_name:
            return finding.subject in {change.key for change in self.changed}
        return not finding.services or not finding.services.isdisjoint(service.name for service in self.consumers)

    def delivers(self, finding: Finding) -> bool:
        """Whether an error is about an unchanged key whose value the new tasks get, and running tasks do not have."""
        return finding.family == "content" and finding.severity == "error" and finding.subject in self.outdated_keys


def own_labels(secret: Secret | None) -> dict[str, tuple[str, ...]]:
    """Our labels on a secret's versions, by the ids of those that have any."""
    stages = secret.stages if secret else {}
    own = {version: tuple(each for each in labels if each.startswith(LABEL)) for version, labels in stages.items()}
    return {version: labels for version, labels in own.items() if labels}


def is_withdrawn(labels: Iterable[str]) -> bool:
    """Whether these labels of ours on a version only say that it was taken back."""
    return all(label.startswith(WITHDRAWN_LABEL) for label in labels)


def kept_note(plan: SecretPlan, staged: Iterable[tuple[str, str]]) -> str:
    """That these of a plan's staged versions are kept, as a sentence; "" for none."""
    versions = ", ".join(plan.short(version) for _, version in staged)
    note = (
        f"What a killed run has staged in version {versions} is kept: to finish that, rotate its keys again, with"
        " database_url_from for the database's password."
    )
    return note if versions else ""


def document_of(snapshot: Snapshot) -> Document:
    """The current document, an empty one where there is none to keep; raises CouldNotLook where it is unknown."""
    current = snapshot.current
    if current is None or current.document is None:
        if _missing_document(snapshot):
            return parse(Masked("{}", "the secret"))
        if reasons := snapshot.unread("secret", "contents"):
            raise CouldNotLook(reasons[0])
        remedy = correct(snapshot, "secret")
        way = remedy.command if remedy else ""
        lead = "" if not way or is_sentence(way) else "To take these names over: "
        fact = f"{snapshot.environment.names.secret} has no readable current version: {reason_of_lack(snapshot)}"
        raise CouldNotLook(" ".join(filter(None, (fact, *found_instead(snapshot), lead + way))))
    return current.document


def reason_of_lack(snapshot: Snapshot) -> str:
    """Why the secret has no current version to read, or what shows why; the end of a sentence."""
    look, try_to_mend = (
        # Without the environment, they would look at staging.
        f"`{Remedy('', runbook=name, parameters=snapshot.environment.parameters).invocation}`"
        for name in ("verify", "troubleshoot")
    )
    if snapshot.secret is None:
        return f"it does not exist. Run {look} for what to do."
    if snapshot.secret.deleted:
        return f"it is scheduled for deletion. Run {try_to_mend}, which can cancel that."
    return f"run {look} for the reason."


def _missing_document(snapshot: Snapshot) -> str:
    """Why the secret has no document, as the end of a sentence; "" where it has one, or where that is unknown."""
    secret, current = snapshot.secret, snapshot.current
    if secret is None or secret.deleted or snapshot.gaps.get("secret") or snapshot.gaps.get("contents"):
        return ""
    if current is None:
        return "" if secret.version_at(CURRENT) else "has no value yet"
    return "" if current.document else "is not a JSON object"


def plan_update(
    snapshot: Snapshot, new: Mapping[str, NewValue], remove: Sequence[str] = (), redeploy_stale: bool = False
) -> SecretPlan:
    """Plan new values for some keys, and the removal of others; all other members stay byte for byte.

    With `redeploy_stale`, services with stale tasks get new ones even if no key changes. Where the secret has no
    document yet, the new values become the whole document. Raises UsageError for a value that the catalogue refuses, a
    removed key that is missing, also set or still referenced by tasks, a required key that the whole document would
    lack, a document that is too large, and as `make_plan` does; CouldNotLook where the current version
    could not be read.
    """
    document, catalogue = document_of(snapshot), snapshot.environment.keys
    changed_values = {key: entry for key, entry in new.items() if not _is_unchanged(document.get(key), entry)}
    remove = tuple(present_key(key, document) for key in remove)
    _refuse_conflicts(snapshot, document.keys, new, remove)
    text = document.replace({key: entry.value for key, entry in changed_values.items()}, remove)
    _refuse_exchanged(document, parse(text), changed_values, catalogue)
    _refuse_invalid(changed_values, snapshot.environment)
    _refuse_mismatches(snapshot, document, parse(text))
    notes = _whole_document_notes(snapshot, new) if new else ()
    notes += tuple(_encryption_notes(document, changed_values, catalogue))
    refuse_too_large(text.size)
    actions: dict[str, Action] = dict.fromkeys(document.keys, "unchanged")
    actions |= {key: "changed" if key in document.keys else "added" for key in changed_values}
    actions |= dict.fromkeys(remove, "removed")
    return make_plan(
        snapshot,
        text,
        token=version_id_of(snapshot.current_id, document, text),
        changes=tuple(
            change_of(snapshot, key, action, _origin(new[key]) if key in new else "") for key, action in actions.items()
        ),
        notes=notes,
        redeploy_stale=redeploy_stale,
    )


def refuse_too_large(size: int) -> None:
    """Raise UsageError for a document of more bytes than Secrets Manager takes."""
    if size > LARGEST_VALUE:
        raise UsageError(f"The secret would have {size:,} bytes; {LARGEST_VALUE:,} are allowed. Nothing was written.")


def _origin(entry: NewValue) -> str:
    """Where a new value comes from, and that it is none, which a line without a value may be by mistake."""
    is_emptied = entry.value.is_empty and not entry.is_placeholder
    return f"{entry.origin}, an empty value" if is_emptied else entry.origin


def _whole_document_notes(snapshot: Snapshot, new: Mapping[str, NewValue]) -> tuple[str, ...]:
    """Notes where the new values become the whole document; raises UsageError where required keys are missing."""
    problem, name, base = _missing_document(snapshot), snapshot.environment.names.secret, snapshot.current_id
    missing = [key for key, entry in snapshot.environment.keys.items() if entry.required and key not in new]
    if problem and missing:
        raise UsageError(
            f"{name} {problem}, so the new values become the whole document, and {', '.join(missing)} would be missing:"
            " take all values from one file. Nothing was written."
        )
    if problem and base:
        kept = snapshot.short(base)
        return (f"{name} {problem}: all of it is replaced, and stays in version {kept} as AWSPREVIOUS.",)
    return (f"{name} {problem}: this becomes its first version.",) if problem else ()


def _encryption_notes(
    document: Document, changed_values: Mapping[str, NewValue], catalogue: Mapping[str, Key]
) -> Iterator[str]:
    for key, entry in changed_values.items():
        lost = encryption.loss(catalogue, key, document.get(key), entry.value)
        if lost:
            yield f"{key} encrypts data: {lost} cannot be read any more. {encryption.WAY}"


def make_plan(
    snapshot: Snapshot,
    text: Masked,
    token: str,
    changes: tuple[KeyChange, ...],
    notes: tuple[str, ...],
    exists: bool = False,
    redeploy_stale: bool = False,
) -> SecretPlan:
    """A plan on top of the current version of a snapshot's secret.

    A change redeploys every service that references the secret. Without a change, `redeploy_stale` redeploys those
    whose tasks are, or may be, stale, and those with an unfinished deployment. Raises UsageError for a change of a
    secret that something else writes, and where services of another cluster refer to the secret and none of the
    configured one does, or that does not exist.
    """
    secret = snapshot.secret
    assert secret is not None, "callers have read the secret"
    changed = {change.key for change in changes if change.action != "unchanged"}
    written = {change.key for change in changes if change.action in ("added", "changed")}
    removed = [change.key for change in changes if change.action == "removed"]
    is_change = bool(changed)
    if is_change:
        _refuse_change(snapshot, secret, token)
        notes = (*notes, *_replica_notes(secret))
    consumers = tuple(
        service
        for service in delivery.users(snapshot)
        if is_change or (redeploy_stale and delivery.has_old_tasks(snapshot, service))
    )
    running = (task for each in consumers for task in snapshot.running(each))
    outdated = frozenset(key for task in running for key in freshness.changed_keys(snapshot, task) or ())
    underway = frozenset(
        service.name for service in consumers if not is_change and readiness.is_underway(snapshot, service)
    )
    blockers = tuple(delivery.blockers(snapshot, consumers, removed, parse(text), token)) if is_change else ()
    refusals = (f"{REFUSED} {blocker}" for blocker in blockers)
    return SecretPlan(
        secret_arn=secret.arn,
        secret_name=secret.name,
        base=snapshot.current_id,
        text=text,
        token=token,
        read_at=snapshot.taken,
        changes=changes,
        consumers=consumers,
        consumers_unknown=delivery.why_consumers_unknown(snapshot),
        labels=tuple((label, version) for version, labels in secret.stages.items() for label in labels),
        notes=notes,
        readiness=(*refusals, *readiness.notes(snapshot, consumers, underway)),
        blockers=blockers,
        exists=exists,
        underway=underway,
        outdated_keys=outdated - changed,
        is_untried=bool(outdated),
        pinned_references=frozenset(delivery.pinned_references(snapshot, changed, token)),
        unreferenced_keys=delivery.unreferenced_keys(snapshot, written),
        deployments_by_hand=tuple(delivery.ways_to_deploy(snapshot, written)),
        encrypting=tuple(_encrypting_keys(snapshot, changed, text)) if is_change else (),
        versions=tuple(each.id for each in snapshot.versions),
    )


def _refuse_change(snapshot: Snapshot, secret: Secret, version: str) -> None:
    """Raise UsageError where services would not get a new value, or something else writes the secret."""
    elsewhere, is_missing = consumers_elsewhere(snapshot), snapshot.service_names is None
    # Without tasks, they get the new value when they start.
    if elsewhere and (is_missing or any(each.service.desired or each.service.running for each in elsewhere)):
        cluster = snapshot.environment.names.cluster
        why = f"Cluster {cluster} does not exist"
        if not is_missing:
            why = f"No service of cluster {cluster} refers to {snapshot.secret_name}"
        others = ", ".join(in_cluster(each.name, each.cluster) for each in elsewhere)
        way = letters.lower_first(moved_names(snapshot, elsewhere).command.rstrip("."))
        raise UsageError(f"{why}, and {others} would keep the old value: {way}. Nothing was written.")
    if reason := why_not_writable(secret, version):
        raise UsageError(f"{reason} Nothing was written.")


def _encrypting_keys(snapshot: Snapshot, changed: Collection[str], text: Masked) -> Iterator[str]:
    """The changed keys with whose new value tasks encrypt what the former one cannot decrypt."""
    former, new = snapshot.document, parse(text)
    for key in sorted(changed):
        before = former.get(key) if former else None
        if encryption.is_lost_on_return(snapshot.environment.keys, key, before, new.get(key)):
            yield key


def why_not_writable(secret: Secret, version: str = "") -> str:
    """Why nobody may write a secret here: something else gives it its values; "" where one may.

    `version` is the id of the version that would become current.
    """
    if reason := secret_owner.why_not_here(secret):
        return reason
    pending = secret.version_at(PENDING)
    if secret.rotates and pending not in ("", version, secret.version_at(CURRENT)):
        pending_id = short_id(pending, secret.stages)
        return (
            f"Secrets Manager's own rotation of {secret.name} has not ended: version {pending_id} has {PENDING}, and"
            " becomes current when it ends, without this change. Wait until it has ended; if it has failed, see the log"
            f" of its Lambda function, then end it: `{remedies.drop_pending(secret).command}`."
        )
    return ""


def _replica_notes(secret: Secret) -> Iterator[str]:
    """What becomes of a secret's replicas when it changes."""
    following = [replica.location for replica in secret.replicas if replica.status not in NOT_REPLICATED]
    not_replicated = [
        f"{replica.location} ({replica.status})" for replica in secret.replicas if replica.status in NOT_REPLICATED
    ]
    if following:
        yield f"Secrets Manager replicates the change to {', '.join(following)}: services there need new tasks too."
    if not_replicated:
        yield f"The replica in {', '.join(not_replicated)} keeps its former values until replication works again."


def change_of(snapshot: Snapshot, key: str, action: Action, origin: str = "") -> KeyChange:
    """The change of a key, with its effect."""
    catalogue = snapshot.environment.keys
    if action == "removed":
        services = ", ".join(sorted(services_reading(snapshot, key)))
        return KeyChange(
            key, action, "", f"new tasks of {services} will not start: they reference it" if services else ""
        )
    if action == "unchanged":
        return KeyChange(key, action, origin)
    return KeyChange(key, action, origin, EFFECTS[effect_of(key, catalogue)])


def is_database_password(catalogue: Mapping[str, Key], key: str) -> bool:
    """Whether a key's value has to change in the database too."""
    return key in catalogue and catalogue[key].effect == "database-too"


def only_passwords(catalogue: Mapping[str, Key], changed: Collection[str]) -> tuple[str, ...]:
    """Those changed keys that are a new password of the role in use, which has one at a time in the database."""
    passwords = (key for key in changed if is_database_password(catalogue, key))
    return tuple(key for key in passwords if catalogue[key].login not in changed)


def _is_unchanged(member: Member | None, entry: NewValue) -> bool:
    """Whether the secret has exactly this value already."""
    return member is not None and member.kind == entry.kind and member.injected.same_as(entry.value)


def present_key(name: str, document: Document) -> str:
    """The key of a name in a list, which loses blanks at its ends, and may have numbers for what is not seen.

    A value that stands in the place of a key has the label that is shown of it. Of keys that differ in blanks alone the
    first; the name itself where there is no such key, or several values have that label.
    """
    if name in document.keys:
        return name
    hidden = [each.key for each in document.members if each.is_key_a_value and repr(each.injected) == name.strip()]
    same = (key for key in document.keys if name.strip() in (key.strip(), letters.number(key).strip()))
    return hidden[0] if len(hidden) == 1 else next(same, name)


def _refuse_conflicts(
    snapshot: Snapshot, present_keys: Sequence[str], new: Mapping[str, NewValue], remove: Sequence[str]
) -> None:
    for key in remove:
        if key in new:
            raise UsageError(f"{key} is both set and removed: choose one. Nothing was written.")
        if key not in present_keys:
            refuse_list(key, present_keys)
            raise UsageError(
                f"{printable_key(key, present_keys)} cannot be removed, since it is not in the secret"
                f"{nearest(key, present_keys)}"
            )
        services = ", ".join(sorted(services_reading(snapshot, key)))
        if services:
            raise UsageError(
                f"{key} cannot be removed: new tasks of {services} would not start. Remove it from their task"
                " definitions first, or set another value. Nothing was written."
            )


def _refuse_invalid(changed_values: Mapping[str, NewValue], environment: Environment) -> None:
    for key, entry in changed_values.items():
        problem = "is a JSON " + entry.kind + ", and ECS needs a string: quote it" if entry.kind != "string" else ""
        if not problem and not entry.is_placeholder:
            problem = objection(entry.value, environment.keys.get(key), environment.words)
        if problem:
            raise UsageError(f"{key} from {entry.origin} {problem}. Nothing was written.")


def _refuse_exchanged(
    before: Document, after: Document, changed_values: Mapping[str, NewValue], catalogue: Mapping[str, Key]
) -> None:
    for *others, last in find_exchanges(after, catalogue, before):
        if all(key in changed_values for key in (*others, last)):
            keys = f"{', '.join(others)} and {last}"
            raise UsageError(f"{keys} would have each other's value: exchange them. Nothing was written.")


def _refuse_mismatches(snapshot: Snapshot, before: Document, after: Document) -> None:
    """Refuse a change after which an address has another password than its key, where both were the same before."""
    catalogue, plain = snapshot.environment.keys, plain_logins(snapshot)
    former = {(mismatch.address, mismatch.password) for mismatch in find_mismatches(before, catalogue, plain)}
    for mismatch in find_mismatches(after, catalogue, plain):
        is_new = (mismatch.address, mismatch.password) not in former
        if is_new and before.get(mismatch.address) and before.get(mismatch.password):
            raise UsageError(
                f"The password in {mismatch.address} would not be the value of {mismatch.password} any more: give both"
                " new values, from one file. Nothing was written."
            )


def version_id_of(base: str, before: Document, text: Masked) -> str:
    """The id of the version with this text that a plan makes of the version `base`.

    It depends on that version and the change only, and reveals nothing without the old text.
    """
    former = before.value if before.members else text
    secret = hashlib.sha256(reveal(former).encode("utf-8", "surrogatepass")).digest()
    digest = hmac.digest(secret, base.encode() + reveal(text).encode("utf-8", "surrogatepass"), "sha256")
    return str(uuid.UUID(bytes=digest[:16], version=4))
