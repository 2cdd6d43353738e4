"""The only writer: a new version staged beside the current one, then made current if nobody came in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT, Value
from omc_runbook.aws.session import Clients, Unread, insist, look
from omc_runbook.changes.engine.change import Change
from omc_runbook.changes.secret.plan import KeyChange, Plan
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, DocumentError, compare, parse
from omc_runbook.masking.value import reveal
from omc_runbook.model.errors import CouldNotLook, Overtaken
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

LABEL = "omc-runbook-"
"""How the staging labels begin that a write holds while it is under way."""

UPDATE_STAGE = "secretsmanager:UpdateSecretVersionStage"
AUTHORING = ("PutSecretValue", "UpdateSecretVersionStage", "UpdateSecret")
"""The calls that can give a secret another current version."""

CLOCKS_APART = timedelta(minutes=5)
"""How far this machine's clock may be ahead of CloudTrail's."""

T = TypeVar("T")


@dataclass(frozen=True)
class Written:
    """A change that is proved to be in force: the version that was current, the one that is now, and what changed."""

    before: str
    version_id: str
    changes: tuple[KeyChange, ...]


def changes_of(plan: Plan, environment: str | None = None) -> tuple[Change, ...]:
    """What is done once the plan's version is current, one change for each key."""
    return tuple(
        Change(
            key=change.key,
            action=change.action,
            origin=registry.mask(change.origin),
            version=plan.token,
            environment=environment,
        )
        for change in plan.changed
    )


def stage(clients: Clients, plan: Plan) -> None:
    """Write the plan's version under a label of ours, where nobody reads it yet; a second time does nothing.

    Raises CouldNotLook where AWS refuses.
    """
    client, arn, label = clients("secretsmanager"), plan.secret_arn, _label(plan)
    _do(
        "secretsmanager:PutSecretValue",
        plan,
        lambda: secretsmanager.stage_value(client, arn, reveal(plan.text), plan.token, label),
    )


def move(clients: Clients, plan: Plan) -> bool:
    """Make the plan's version current; False where the one that it was made on no longer is.

    Raises CouldNotLook where AWS refuses.
    """
    client, arn = clients("secretsmanager"), plan.secret_arn
    return _do(UPDATE_STAGE, plan, lambda: secretsmanager.move_current(client, arn, plan.token, plan.base))


def prove(clients: Clients, plan: Plan, moved: bool) -> Written:
    """Read back that the plan's version is current; `moved` is what `move` said.

    Raises Overtaken where another version is, CouldNotLook where AWS refuses or the value is not the one written.
    """
    client, arn = clients("secretsmanager"), plan.secret_arn
    now = _do(GET_SECRET_VALUE, plan, lambda: secretsmanager.get_value(client, arn, CURRENT))
    if now is None or now.version_id == plan.base:
        raise CouldNotLook(f"{plan.secret_name} does not read back as written: run verify before anything else.")
    if now.version_id != plan.token:
        raise Overtaken(_what_happened(clients, plan, now, moved))
    if now.text is None or not now.text.same_as(plan.text):
        raise CouldNotLook(f"{plan.secret_name} does not read back as written: run verify before anything else.")
    return Written(plan.base, plan.token, plan.changed)


def is_current(clients: Clients, plan: Plan, version: str) -> bool:
    """Whether a version is current now; raises CouldNotLook where AWS refuses."""
    client, arn = clients("secretsmanager"), plan.secret_arn
    now = _do(GET_SECRET_VALUE, plan, lambda: secretsmanager.get_value(client, arn, CURRENT))
    return now is not None and now.version_id == version


def withdraw(clients: Clients, plan: Plan) -> bool:
    """Make the version current again that the plan was made on; False where the plan's version no longer is current.

    Raises CouldNotLook where AWS refuses.
    """
    client, arn = clients("secretsmanager"), plan.secret_arn
    return _do(UPDATE_STAGE, plan, lambda: secretsmanager.move_current(client, arn, plan.base, plan.token))


def release(clients: Clients, plan: Plan) -> None:
    """Take our label off the plan's version; raises CouldNotLook where AWS refuses."""
    client, arn = clients("secretsmanager"), plan.secret_arn
    _do(UPDATE_STAGE, plan, lambda: secretsmanager.drop_label(client, arn, _label(plan), plan.token))


def tidy(clients: Clients, plan: Plan) -> None:
    """Take away labels of ours; a version without a label is Secrets Manager's to collect.

    One that a write under way still holds may go too: what it has to move is named by its id. Raises CouldNotLook
    where AWS refuses.
    """
    client = clients("secretsmanager")
    for label, version in plan.labels:
        if label.startswith(LABEL):
            _do(
                UPDATE_STAGE,
                plan,
                lambda label=label, version=version: secretsmanager.drop_label(  # type: ignore[misc]
                    client, plan.secret_arn, label, version
                ),
            )


def _label(plan: Plan) -> str:
    return LABEL + plan.token[:8]


def _do(permission: str, plan: Plan, call: Callable[[], T]) -> T:
    return insist(f"secret {plan.secret_name}", permission, call, "change")


def _what_happened(clients: Clients, plan: Plan, now: Value, moved: bool) -> str:
    """Say who changed what, as far as it can be read: since the plan was made, or right after it was written."""
    client, arn = clients("secretsmanager"), plan.secret_arn
    mine = plan.token if moved else plan.base
    before = (
        look("the version before", GET_SECRET_VALUE, lambda: secretsmanager.get_value(client, arn, "", mine))
        if mine
        else None
    )
    keys = _differing(None if isinstance(before, Unread) else _document(before), _document(now))
    who = _author(clients, plan, now.version_id)
    if moved:
        return (
            f"{plan.secret_name} was changed as version {plan.token}, and at once again by somebody else{who}:"
            f" version {now.version_id} differs from it in {keys}. Run again to see what is there now."
        )
    return (
        f"Somebody else changed {plan.secret_name} since this plan was made{who}:"
        f" version {now.version_id} differs in {keys}. Theirs stays, yours was not written: run again to plan on top."
    )


def _author(clients: Clients, plan: Plan, version_id: str) -> str:
    since = plan.made - CLOCKS_APART
    for name in AUTHORING:
        events = look(
            f"who called {name}",
            "cloudtrail:LookupEvents",
            lambda name=name: cloudtrail.lookup_events(clients("cloudtrail"), name, plan.secret_name, since, 50),  # type: ignore[misc]
        )
        for event in () if isinstance(events, Unread) else events:
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
