"""Placeholders of new keys, the keys that still have one, and the command that sets their values."""

from __future__ import annotations

import re

from omc_runbook.checks import remedies
from omc_runbook.masking.defects import is_stand_in
from omc_runbook.masking.document import Member
from omc_runbook.model.catalogue import Form, Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

SHAPES: dict[Form, str] = {
    "email": "{text}@example.com",
    "url": "https://{text}.example.com",
    "dsn": "https://{text}@example.com/1",
    "host": "{text}.example.com",
}
"""The form of a placeholder where the application validates the value at its start."""


def placeholder(name: str, key: Key) -> str:
    """The first content of a new key: "" for an optional one."""
    if not key.required:
        return ""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return SHAPES.get(key.form, "{text}").format(text=f"temporary-{words}-please-update")


def unset_keys(snapshot: Snapshot) -> tuple[str, ...]:
    """The keys without a value: those with a placeholder, and required ones that are empty."""
    return tuple(member.key for member in snapshot.members if _is_unset(snapshot, member))


def waiting(snapshot: Snapshot) -> tuple[Finding, ...]:
    """A remark on the keys without a value, which a new secret is meant to have; none where each has one."""
    keys = unset_keys(snapshot)
    if not keys:
        return ()
    return (
        Finding(
            check="placeholder",
            family="content",
            title="Keys have no value yet",
            status="found",
            severity="info",
            subject=", ".join(keys),
            evidence=("No service works until they have one.",),
            remedy=remedies.update(snapshot.environment, ",".join(keys)),
        ),
    )


def update_command(environment: Environment, keys: tuple[str, ...]) -> str:
    """The command that sets these keys from a file, with this environment's names filled in."""
    by_hand, listed = remedies.put_value(environment.names), ",".join(keys)
    remedy = remedies.with_runbook("update", environment, by_hand, values_from="file:secrets.json", keys=listed)
    return remedies.command_to_apply(environment, remedy)


def _is_unset(snapshot: Snapshot, member: Member) -> bool:
    key = snapshot.environment.keys.get(member.key)
    if member.kind != "string":
        return False
    if member.injected.is_empty:
        return key is not None and key.required
    return is_stand_in(member.injected, member.key, key)
