"""The only writer: a new version staged beside the current one, then made current if nobody came in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT, Value
from omc_runbook.aws.session import Clients, ReadFailure, insist, look
from omc_runbook.changes.database import rotation
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import LABEL, KeyChange, Plan
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, DocumentError, compare, parse
from omc_runbook.masking.value import reveal
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, RunbookError
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

UPDATE_STAGE = "secretsmanager:UpdateSecretVersionStage"
AUTHORING = ("PutSecretValue", "UpdateSecretVersionStage", "UpdateSecret")
"""The calls that can give a secret another current version."""

CLOCKS_APART = timedelta(minutes=5)
"""How far this machine's clock may be ahead of CloudTrail's."""

NOT_KNOWN = "It is not known whether the new values are in force: run again, which goes on from there."
ALL_BUT_LABEL = "All else is done: run again, and what marks it as under way goes too."

T = TypeVar("T")


@dataclass(frozen=True)
class WrittenVersion:
    """A change that is proved to be in force: the version that was current, the one that is now, and what changed."""

    before: str
    version_id: str
    changes: tuple[KeyChange, ...]


class SecretWriter:
    """The writing of one plan; `renewal` says what the database has to do with it, and each call may raise.

    A label of ours stays on the version until `release`, so that a second run knows a change that is under way. All
    raise CouldNotLook where AWS refuses.
    """

    def __init__(
        self, clients: Clients, plan: Plan, renewal: Renewal | None = None, environment: str | None = None
    ) -> None:
        self._clients, self._plan, self._environment = clients, plan, environment
        self._client, self._arn, self._label = clients("secretsmanager"), plan.secret_arn, LABEL + plan.token[:8]
        self._renewal, self._has_moved = renewal or Renewal({}), False
        self.written: WrittenVersion | None = None

    def steps(self, undo: tuple[Step, ...] = ()) -> tuple[Step, ...]:
        """Stage, let the database take the password and prove that by a login, then make the version current.

        `undo` are the steps that make the former version current again.
        """
        plan, renewal = self._plan, self._renewal
        is_rotated = renewal.rotation is not None and renewal.password is not None
        return (
            Step(name="stage", apply=self._stage, is_done=lambda: plan.is_empty or plan.exists),
            Step(name="database", apply=self._set_password, is_done=lambda: plan.is_empty or not is_rotated),
            Step(name="move", apply=self.move, is_done=lambda: plan.is_empty, undo=undo),
        )

    def release(self) -> Step:
        """The last step: labels of ours go; a version without a label is Secrets Manager's to collect."""
        return Step(name="release", apply=self._release, advice=ALL_BUT_LABEL)

    @contextmanager
    def clearing_up(self) -> Iterator[None]:
        """Clear up where a step raises: until the version is current nobody has read it; after that a rerun goes on.

        An answer that never came leaves open which of the two it is. Raises CouldNotLook, too, where the database
        does not take its former password back.
        """
        try:
            yield
        except RunbookError as error:
            if not (self._plan.is_empty or self.written):
                self._clear_up(error)
            raise

    def move(self) -> Iterator[Change]:
        """Make the plan's version current and read that back.

        Raises ConflictError where another version is current, CouldNotLook where the value is not the one written.
        """
        plan = self._plan
        changes = [
            Change(
                key=change.key,
                action=change.action,
                origin=registry.mask(change.origin),
                version=plan.token,
                environment=self._environment,
            )
            for change in plan.changed
        ]
        self._has_moved = self._stage_current(plan.token, plan.base)
        yield from changes if self._has_moved else ()
        self.prove(self._has_moved)
        self.written = WrittenVersion(plan.base, plan.token, plan.changed)
        yield from () if self._has_moved else changes

    def prove(self, moved: bool = True) -> None:
        """Read back that the plan's version is current, whether or not `moved` by this run; raises as `move` does."""
        plan, now = self._plan, self._current()
        if now is None or now.version_id == plan.base:
            raise CouldNotLook(f"{plan.secret_name} does not read back as written: run verify before anything else.")
        if now.version_id != plan.token:
            raise ConflictError(self._what_happened(now, moved))
        if now.text is None or not now.text.same_as(plan.text):
            raise CouldNotLook(f"{plan.secret_name} does not read back as written: run verify before anything else.")

    def is_current(self, version: str) -> bool:
        """Whether a version is current now."""
        now = self._current()
        return now is not None and now.version_id == version

    def withdraw(self) -> bool:
        """Make the version current again that the plan was made on; False where the plan's no longer is current."""
        return self._stage_current(self._plan.base, self._plan.token)

    def give_back(self) -> str:
        """Let the database have the former password again; gives a sentence, "" where it takes no part."""
        renewal = self._renewal
        if renewal.rotation is None:
            return ""
        return rotation.take_back(renewal.rotation, renewal.former_password, renewal.password)

    def _stage(self) -> None:
        """Write the version under a label of ours, where nobody reads it yet; a second time does nothing."""
        text, token = reveal(self._plan.text), self._plan.token
        self._do(
            "secretsmanager:PutSecretValue",
            lambda: secretsmanager.stage_value(self._client, self._arn, text, token, self._label),
        )

    def _set_password(self) -> None:
        planned, password = self._renewal.rotation, self._renewal.password
        assert planned and password, "asked for only where a database takes part"
        rotation.set_password(planned, password)
        rotation.log_in(planned, password)

    def _release(self) -> None:
        """Take off our label, and those of earlier runs.

        One that a write under way still holds may go too: what it has to move is named by its id.
        """
        plan = self._plan
        ours = [(self._label, plan.token)] if self.written and not plan.exists else []
        for label, version in (*ours, *plan.labels):
            if label.startswith(LABEL):
                self._drop(label, version)

    def _clear_up(self, error: RunbookError) -> None:
        try:
            is_current = self._has_moved or self.is_current(self._plan.token)
        except CouldNotLook as unanswered:
            raise CouldNotLook(f"{unanswered} {NOT_KNOWN}") from None
        if not is_current:
            try:
                self.give_back()
            except CouldNotLook as refused:
                raise CouldNotLook(f"{error} {refused} Run again, which goes on from there.") from None
        if (not is_current or isinstance(error, ConflictError)) and not self._plan.exists:
            # A label that stays goes with the next run; why this one failed matters more.
            with suppress(CouldNotLook):
                self._drop(self._label, self._plan.token)

    def _current(self) -> Value | None:
        return self._do(GET_SECRET_VALUE, lambda: secretsmanager.get_value(self._client, self._arn, CURRENT))

    def _stage_current(self, version: str, instead_of: str) -> bool:
        return self._do(UPDATE_STAGE, lambda: secretsmanager.move_current(self._client, self._arn, version, instead_of))

    def _drop(self, label: str, version: str) -> None:
        self._do(UPDATE_STAGE, lambda: secretsmanager.drop_label(self._client, self._arn, label, version))

    def _do(self, permission: str, call: Callable[[], T]) -> T:
        return insist(f"secret {self._plan.secret_name}", permission, call, "change")

    def _what_happened(self, now: Value, moved: bool) -> str:
        """Say who changed what, as far as it can be read: since the plan was made, or right after it was written."""
        plan = self._plan
        mine = plan.token if moved else plan.base
        before = (
            look(
                "the version before",
                GET_SECRET_VALUE,
                lambda: secretsmanager.get_value(self._client, self._arn, "", mine),
            )
            if mine
            else None
        )
        keys = _differing(None if isinstance(before, ReadFailure) else _document(before), _document(now))
        who = self._author(now.version_id)
        if moved:
            return (
                f"{plan.secret_name} was changed as version {plan.token}, and at once again by somebody else{who}:"
                f" version {now.version_id} differs from it in {keys}. Run again to see what is there now."
            )
        return (
            f"Somebody else changed {plan.secret_name} since this plan was made{who}: version {now.version_id} differs"
            f" in {keys}. Theirs stays, yours was not written: run again to plan on top."
        )

    def _author(self, version_id: str) -> str:
        since, trail = self._plan.made - CLOCKS_APART, self._clients("cloudtrail")
        for name in AUTHORING:
            lookup = partial(cloudtrail.lookup_events, trail, name, self._plan.secret_name, since, 50)
            events = look(f"who called {name}", "cloudtrail:LookupEvents", lookup)
            for event in () if isinstance(events, ReadFailure) else events:
                if event.version_id == version_id and not event.error:
                    return f" ({event.principal}, {event.time:%H:%M:%S} UTC)"
        return " (CloudTrail does not tell by whom yet)"


def _document(value: Value | None) -> Document | None:
    if value is None or value.text is None:
        return None
    try:
        return parse(value.text)
    except DocumentError:
        return None


def _differing(before: Document | None, after: Document | None) -> str:
    if before is None or after is None:
        return "keys that could not be compared"
    return ", ".join(key for key, action in compare(before, after).items() if action != "unchanged") or "no key"
