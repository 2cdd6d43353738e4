"""The only writer of the secret: stages a new version, then makes it current unless somebody else wrote meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.failures import ReadFailure, attempt, look, or_none
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Secret, Value
from omc_runbook.aws.session import Clients, make_change, require
from omc_runbook.changes.database import rotation
from omc_runbook.changes.database.connection import Connection
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.engine.step import Made, Step, at_once
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.secret.current_version import UPDATE_STAGE, InterruptedAfterMove
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import (
    LABEL,
    RESTORE_LABEL,
    WITHDRAWN_LABEL,
    KeyChange,
    SecretPlan,
    why_not_writable,
)
from omc_runbook.checks.change_authors import newest_write
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, compare
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, RunbookError
from omc_runbook.snapshot.follow_ups import contents_of
from omc_runbook.snapshot.freshness import MOVE
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

WRITING_CALLS = ("PutSecretValue", MOVE, "UpdateSecret")
"""The API calls that can change a secret's current version."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far this machine's clock may be ahead of CloudTrail's."""

MOVE_UNKNOWN = f"{MOVE} may still take effect: run again to continue."
STATE_UNKNOWN = "It is unknown whether the new values are current: run again to continue."
ALL_BUT_LABEL = "All else is done: run again to remove the staging label."


@dataclass(frozen=True)
class VersionChange:
    """A verified change: the former version's id, the current version's, and the keys that changed."""

    former_id: str
    version_id: str
    changes: tuple[KeyChange, ...]


class SecretWriter:
    """Writes one plan, and the database's password where `new_values` has a rotation.

    A staging label of ours stays on the version until `release`, so that another run finds the unfinished change. All
    methods raise CouldNotLook where AWS refuses.
    """

    def __init__(
        self, clients: Clients, plan: SecretPlan, new_values: NewValues | None = None, environment: str | None = None
    ) -> None:
        self._clients, self._plan, self._environment = clients, plan, environment
        self._client, self._arn = clients("secretsmanager"), plan.secret_arn
        # Ids of versions that Terraform made begin alike.
        self._label = f"{RESTORE_LABEL}{plan.token}" if plan.exists else f"{LABEL}{plan.token[:8]}"
        self._new_values, self._is_moving, self._has_moved = new_values or NewValues({}), False, False
        self._is_new, self._moved_at = False, 0.0
        self._lock: Connection | None = None
        self._has_reached_database = self._is_database_behind = False
        self._withdrawn: dict[str, str] = {}
        self.version_change: VersionChange | None = None

    def steps(self, undo: tuple[Step, ...] = ()) -> tuple[Step, ...]:
        """Stage the version, set the database's password and log in with it, then make the version current.

        `undo` are the steps that make the former version current again.
        """
        plan, new_values = self._plan, self._new_values
        is_rotated = new_values.rotation is not None and new_values.password is not None
        return (
            Step(name="", apply=self._refuse_rotation, is_done=lambda: plan.is_empty),
            Step(name="", apply=self._mark_withdrawn, is_done=lambda: plan.is_empty),
            Step(name="stage", apply=self._stage, is_done=lambda: plan.is_empty),
            Step(name="database", apply=self._set_password, is_done=lambda: plan.is_empty or not is_rotated),
            Step(name="move", apply=self.move, is_done=lambda: plan.is_empty, undo=undo),
            Step(name="", apply=self._unlock),
        )

    @property
    def remaining_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels of killed runs that stay after a failure: the database may have the password of their version.

        With a rotation it has that of the secret again. A version whose values this run gave has failed with it: with
        its label, the next run would take them up once more.
        """
        new, unfinished = self._new_values, self._new_values.unfinished
        tried = unfinished.version_id if unfinished and unfinished.keys_with_same_value(new.values) else ""
        return () if new.rotation else tuple(each for each in self._plan.staged_labels if each[1] != tried)

    def release(self, has_failed: bool = False) -> Step:
        """The last step: removes our labels; Secrets Manager deletes a version without labels.

        After a failure those that are `kept` stay.
        """
        return Step(name="release", apply=partial(self._release, has_failed), advice=ALL_BUT_LABEL)

    @contextmanager
    def cleaning_up(self) -> Iterator[None]:
        """Clean up where a step raises before the version is current; after that, another run continues.

        Raises CouldNotLook where that cannot be read, and where the database refuses its former password. A call that
        was interrupted may still take effect: then everything stays for another run.
        """
        try:
            yield
        except RunbookError as error:
            if self._is_moving and isinstance(error, Interrupted):
                raise error.followed_by(MOVE_UNKNOWN) from None
            if not (self._plan.is_empty or self.version_change):
                self._clean_up(error)
            raise
        finally:
            self._unlock()

    def move(self) -> Iterator[Made]:
        """Make the plan's version current and read it back.

        Raises ConflictError where another version is current, another run of the same plan has moved it, or Secrets
        Manager has begun to rotate the secret, CouldNotLook where the value differs.
        """
        plan = self._plan
        self._refuse_rotation()
        changes = tuple(
            Change(
                key=change.key,
                action=change.action,
                origin=registry.mask(change.origin),
                version=plan.token,
                environment=self._environment,
            )
            for change in plan.changed
        )
        self._is_moving = True
        try:
            self._has_moved = self._make_current(plan.token, plan.base)
        except InterruptedAfterMove:
            self._is_moving, self._has_moved = False, True
            yield from at_once(changes)
            raise
        self._is_moving, self._moved_at = False, time.monotonic()
        if self._has_moved:
            yield from at_once(changes)
        self.prove(self._has_moved)
        if not self._has_moved:
            author = self._author(plan.token, (MOVE,))
            raise ConflictError(
                f"This plan was applied already, by another run{author}: version {plan.token} of {plan.secret_name} is"
                " current. This run changed nothing: run verify to see how the other one ended.",
                says_next=True,
            )
        self.version_change = VersionChange(plan.base, plan.token, plan.changed)

    def prove(self, moved: bool = True) -> None:
        """Verify that the plan's version is current; `moved` says whether this run moved it. Raises as `move` does."""
        plan = self._plan
        value = current_version.read_after_write(
            self._current,
            lambda value: (value.version_id if value else "") == plan.base and not (moved and self._is_moved_back()),
            self._moved_at,
        )
        # A version that was read as current has not become current only now.
        if value and moved and value.version_id == plan.base and (self.version_change or self._is_moved_back()):
            author = self._author(plan.base, (MOVE,))
            raise ConflictError(
                f"Somebody else has made version {plan.base} current again in {plan.secret_name}: this run had made"
                f" {plan.token} current, and they moved AWSCURRENT back{author}. Theirs stays: run verify to see the"
                " current state.",
                says_next=True,
            )
        if value and value.version_id not in (plan.base, plan.token):
            raise ConflictError(self._conflict(value, moved), says_next=True)
        is_as_written = value and value.version_id != plan.base and value.text and value.text.same_as(plan.text)
        if not is_as_written:
            raise CouldNotLook(
                f"{plan.secret_name} does not read back as written: run verify before anything else.", says_next=True
            )

    def _is_moved_back(self) -> bool:
        """Whether this run's version was current and is not any more: AWSPREVIOUS follows AWSCURRENT."""
        if not self._is_new:
            return False
        secret = self._describe()
        return secret is not None and secret.version_at(PREVIOUS) == self._plan.token

    def is_current(self, version: str, instead_of: str | None = None) -> bool:
        """Whether a version is current now; a read may still show the one that it has become current `instead_of`."""
        value = current_version.read_after_write(
            self._current, lambda value: value is not None and value.version_id == instead_of
        )
        return value is not None and value.version_id == version

    def move_back(self) -> bool:
        """Make the plan's base version current again; False where the plan's own is no longer current."""
        return self._make_current(self._plan.base, self._plan.token)

    def restore_password(self) -> str:
        """Give the database the password of the secret's current version; a sentence, "" where none is involved.

        That is the former one, unless somebody else has changed it meanwhile.
        """
        new_values = self._new_values
        if new_values.rotation is None:
            return ""
        self._is_database_behind = True
        with nullcontext() if self._lock else closing(self._locked(new_values.rotation)):
            in_force = self._password_in_force(new_values.rotation)
            sentence = rotation.restore_password(
                new_values.rotation, new_values.former_password, new_values.password, in_force
            )
        self._is_database_behind = False
        return sentence

    def _refuse_rotation(self) -> None:
        """Raise ConflictError where Secrets Manager's own rotation has begun since the plan was made."""
        secret = self._describe()
        if secret and (reason := why_not_writable(secret, self._plan.token)):
            raise ConflictError(f"{reason} It has begun since this plan was made. AWSCURRENT was not moved.")

    def _mark_withdrawn(self) -> None:
        """Mark a version that a killed run took back, which is AWSPREVIOUS no more once AWSCURRENT moves.

        Without a label, Secrets Manager would delete what may be the database's only password. Where AWS refuses
        another one, as at 20 labels, it has the killed run's until the end of this.
        """
        for label, version in self._taken_back:
            mark = f"{WITHDRAWN_LABEL}{version}"
            if (mark, version) in self._plan.labels or not self._add(mark, version):
                self._withdrawn[mark] = version
                self._drop(label, version)

    def _stage(self) -> None:
        """Write the version under a label of ours, which no task reads, or label one that is kept; idempotent."""
        if self._plan.exists:
            return self._label_kept()
        text, token = reveal(self._plan.text), self._plan.token
        self._is_new = require(
            f"secret {self._plan.secret_name}",
            "secretsmanager:PutSecretValue",
            # A partial would show the text where it is printed.
            lambda: secretsmanager.stage_value(self._client, self._arn, text, token, self._label),
            "change",
        )

    def _label_kept(self) -> None:
        """As in `stage_value`, a version that is current already gets no label; a refusal by AWS is ignored.

        The version may have 20 labels, or a policy may allow AWSCURRENT alone: only a killed restore needs the label.
        """
        label, token, secret = self._label, self._plan.token, self._describe()
        if secret and not {label, CURRENT} & {*secret.stages.get(token, ())}:
            refusal = self._add(label, token)
            if refusal and not refusal.may_have_happened:
                self._label = ""

    def _set_password(self) -> None:
        """Set the database's password, unless somebody has changed the secret; no other run does so until `move`."""
        rotation_plan, password = self._new_values.rotation, self._new_values.password
        assert rotation_plan and password, "called only with a rotation"
        self._lock = self._locked(rotation_plan)
        current = self._current()
        if current and current.version_id not in (self._plan.base, self._plan.token):
            raise ConflictError(self._conflict(current, False), says_next=True)
        self._has_reached_database = True
        rotation.set_password(rotation_plan, password)
        rotation.log_in(rotation_plan, password)

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()
        self._lock = None

    def _locked(self, rotation_plan: PasswordRotation) -> Connection:
        new_values = self._new_values
        own = tuple(each for each in (new_values.password, new_values.former_password) if each)
        return rotation.lock(rotation_plan, own)

    def _password_in_force(self, rotation_plan: PasswordRotation) -> Masked | None:
        """The role's password by the current version, where somebody else has changed it; None where that is unread."""
        new_values, document = self._new_values, self._document_of("the current version", CURRENT)
        former = new_values.former_password
        member = document.get(new_values.database_key) if document else None
        name = document.get(new_values.login_key) if document else None
        is_of_role = not rotation_plan.alternates or (name is not None and reveal(name.injected) == rotation_plan.role)
        if member is None or not is_of_role or (former and member.injected.same_as(former)):
            return None
        return member.injected

    def _release(self, has_failed: bool) -> None:
        """Remove our label, and those of earlier runs, and wait until that is read.

        A run that still read a label would take this change for unfinished, and renew none of its keys. The label of
        another run's unfinished write may go too: that run moves its version by id.
        """
        plan = self._plan
        own = (self._label, plan.token)
        labels = dict.fromkeys((*plan.labels, *self._withdrawn.items()))
        labels.pop(own, None)
        # The last one: until then, another run sees that this version was taken back, and was not before any other.
        labels |= {own: None} if self.version_change or own in plan.labels else {}
        lasting = self._lasting if has_failed else ()
        dropped: list[tuple[str, str]] = []
        # The next run removes a remaining label; why this change failed matters more.
        with suppress(CouldNotLook) if has_failed else nullcontext():
            for label, version in labels:
                if label.startswith(LABEL) and (label, version) not in lasting:
                    self._drop(label, version)
                    dropped.append((label, version))
        if not dropped:
            return
        # That the labels are gone is AWS's answer already: where they cannot be read, the change is no less done.
        with suppress(CouldNotLook):
            current_version.read_after_write(self._labels, lambda labels: not labels.isdisjoint(dropped))

    @property
    def _taken_back(self) -> tuple[tuple[str, str], ...]:
        """The labels on versions that were taken back, but not on the one that the current version is made of."""
        continued = self._new_values.written
        base = continued.base if continued and continued.is_current else ""
        return tuple(each for each in self._plan.withdrawn if each[1] != base)

    @property
    def _lasting(self) -> tuple[tuple[str, str], ...]:
        """The labels that stay after a failure: the `kept`, and those on versions whose password the database may have.

        Where it could not be given that of the secret again, this run's version is one of them.
        """
        plan = self._plan
        if self._is_database_behind:
            return (self._label, plan.token), *self._withdrawn.items(), *plan.labels
        if self._new_values.rotation:
            return ()
        withdrawn = self._taken_back if plan.is_empty else self._withdrawn.items()
        theirs = (each for each in plan.labels if each[0].startswith(WITHDRAWN_LABEL))
        return *self.remaining_labels, *withdrawn, *theirs

    def _labels(self) -> set[tuple[str, str]]:
        """All staging labels, each with its version."""
        secret = self._describe()
        return {(label, version) for version, labels in secret.stages.items() for label in labels} if secret else set()

    def _clean_up(self, error: RunbookError) -> None:
        try:
            current = None if self._has_moved else self._current()
        except CouldNotLook as read_error:
            if not (self._is_moving or self._has_reached_database):
                # Nothing is in force yet: the first error says why.
                return
            raise CouldNotLook(f"{read_error} {STATE_UNKNOWN}", says_next=True) from None
        is_overtaken = self._has_moved and isinstance(error, ConflictError)
        is_current = not is_overtaken if self._has_moved else current and current.version_id == self._plan.token
        # A killed run may have set the password. Where somebody else has changed the secret since, theirs counts.
        is_theirs = current is not None and current.version_id != self._plan.base
        if not is_current and (self._has_reached_database or not is_theirs):
            try:
                self.restore_password()
            except CouldNotLook as database_error:
                raise CouldNotLook(f"{error} {database_error} Run again to continue.", says_next=True) from None
        # A version that another run made current keeps its label: that run removes it at its end.
        if self._label and not is_current:
            # The next run removes a remaining label; the first error matters more.
            with suppress(CouldNotLook):
                self._drop(self._label, self._plan.token)

    def _describe(self) -> Secret | None:
        return current_version.describe(self._client, self._arn, self._plan.secret_name)

    def _current(self) -> Value | None:
        read = partial(secretsmanager.get_value, self._client, self._arn, CURRENT)
        return require(f"secret {self._plan.secret_name}", GET_SECRET_VALUE, read)

    def _document_of(self, what: str, stage: str, version: str = "") -> Document | None:
        """The document of a version, by its staging label or its id; None where it cannot be read."""
        read = partial(secretsmanager.get_value, self._client, self._arn, stage, version)
        return _document(or_none(look(what, GET_SECRET_VALUE, read)))

    def _make_current(self, version: str, instead_of: str) -> bool:
        return current_version.move(self._client, self._arn, self._plan.secret_name, version, instead_of)

    def _add(self, label: str, version: str) -> ReadFailure | None:
        """Give a version a label; why AWS refuses that, None where it does not."""
        add = partial(secretsmanager.add_label, self._client, self._arn, label, version)
        answer = attempt(f"secret {self._plan.secret_name}", UPDATE_STAGE, add)
        return answer if isinstance(answer, ReadFailure) else None

    def _drop(self, label: str, version: str) -> None:
        drop = partial(secretsmanager.drop_label, self._client, self._arn, label, version)
        make_change(
            f"secret {self._plan.secret_name}", UPDATE_STAGE, drop, lambda: (label, version) not in self._labels()
        )

    def _conflict(self, value: Value, moved: bool) -> str:
        """Who changed which keys, as far as that can be read: since the plan, or right after this run's write."""
        plan = self._plan
        our_version = plan.token if moved else plan.base
        former = self._document_of("the version before", "", our_version) if our_version else None
        keys = _differing(former, _document(value))
        author = self._author(value.version_id)
        if moved:
            return (
                f"{plan.secret_name} got version {plan.token}, and then another from somebody else{author}:"
                f" version {value.version_id} differs from it in {keys}. Run again to see the current state."
            )
        theirs = (
            f"Somebody else changed {plan.secret_name} since this plan was made{author}: version {value.version_id}"
            f" differs in {keys}. Theirs stays,"
        )
        if plan.exists:
            # The same parameters may mean another version now, and would take their change back.
            version = plan.short(plan.token)
            return f"{theirs} and {version} was not restored: restore with version={version} plans that on top of it."
        return f"{theirs} yours was not written: run again to plan on top of it."

    def _author(self, version_id: str, names: tuple[str, ...] = WRITING_CALLS) -> str:
        since, trail = self._plan.read_at - CLOCK_SKEW, self._clients("cloudtrail")
        events: list[Event] = []
        for name in names:
            lookup = partial(cloudtrail.lookup_events, trail, name, self._plan.secret_name, since, 50)
            events += or_none(look(f"who called {name}", "cloudtrail:LookupEvents", lookup)) or ()
        event = newest_write(events, version_id)
        return f" ({event.principal}, {event.time:%H:%M:%S} UTC)" if event else " (CloudTrail has no event of it yet)"


def _document(value: Value | None) -> Document | None:
    return contents_of(value)[value.version_id].document if value else None


def _differing(before: Document | None, after: Document | None) -> str:
    if before is None or after is None:
        return "keys that could not be compared"
    return ", ".join(key for key, action in compare(before, after).items() if action != "unchanged") or "no key"
