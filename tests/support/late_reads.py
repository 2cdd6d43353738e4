"""Reads of the secret that still show what was there before a write, as AWS's may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omc_runbook.aws import secretsmanager
from omc_runbook.changes.secret import current_version

_Key = tuple[str, ...]


def read_late(patch: pytest.MonkeyPatch, write: str, reads: int) -> None:
    """Let so many reads of each kind after each call of `write` show what was there before it."""
    calls, late, before = dict[_Key, Callable[[], Any]](), dict[_Key, int](), dict[_Key, Any]()
    change = getattr(secretsmanager, write)

    def delay(name: str) -> None:
        read = getattr(secretsmanager, name)

        def answer(client: Any, secret: str, *which: str, **more: str) -> Any:
            key = (name, secret, *filter(None, which), *more.values())
            calls[key] = lambda: read(client, secret, *which, **more)
            if late.get(key, 0) <= 0 or key not in before:
                return calls[key]()
            late[key] -= 1
            return before[key]

        patch.setattr(secretsmanager, name, answer)

    def changed(client: Any, secret: str, *arguments: Any) -> Any:
        secretsmanager.describe(client, secret)
        secretsmanager.get_value(client, secret, secretsmanager.CURRENT)
        before.update({key: call() for key, call in calls.items()})
        try:
            return change(client, secret, *arguments)
        finally:
            late.update(dict.fromkeys(before, reads))

    delay("describe")
    delay("get_value")
    patch.setattr(secretsmanager, write, changed)
    patch.setattr(current_version, "SETTLE_INTERVAL", 0.01)
