"""A process that changes the secret, for the tests that race it with another or kill it.

`race` reads keys, one or more a line, generates their values, says "ready", waits for a line, writes, and
says how that went. `once FILE CALL` writes a file's values, and kills itself after that many calls that
change the secret (0: never). `rotate KEYS VALUES_FROM STEP` kills itself as a step begins, if one is named.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from omc_runbook.aws import secretsmanager
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import reveal
from omc_runbook.model.errors import ConflictError
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.state import Snapshot

WRITING = ("PutSecretValue", "UpdateSecretVersionStage")


def reread(run: Run, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the secret as it is now, for a round of its own."""
    client, name = run.target.clients("secretsmanager"), run.environment.names.secret
    value = secretsmanager.get_value(client, name, secretsmanager.CURRENT)
    assert value and value.text
    contents = {value.version_id: Content(value.version_id, parse(value.text))}
    return replace(snapshot, secret=secretsmanager.describe(client, name), contents=contents)


def race(run: Run) -> None:
    """Write again and again: a line of keys plans a change, the next line applies it."""
    snapshot = run.look()
    while keys := sys.stdin.readline().strip():
        snapshot = reread(run, snapshot)
        new = secret_change.gather(run, snapshot, "generate", keys)
        plan = secret_change.plan(run, snapshot, new)
        say("ready")
        sys.stdin.readline()
        try:
            secret_change.apply(run, plan, True)
        except ConflictError as error:
            say(f"overtaken {error}")
        else:
            prints = (f"{key}={fingerprint(reveal(entry.value))}" for key, entry in new.values.items())
            say(f"written {' '.join(prints)}")


def once(run: Run, file: str, last: int) -> None:
    """Write a file's values, up to a call and no further."""
    snapshot = run.look()
    plan = secret_change.plan(run, snapshot, secret_change.gather(run, snapshot, f"file:{file}"))
    if last:
        _die_after(last)
    result = secret_change.apply(run, plan, True)
    assert result
    say(f"written {result.version_change.version_id if result.version_change else plan.base}")


def rotate(run: Run, keys: str, values_from: str, last: str, database_url_from: str = "") -> None:
    """Rotate, up to a step and no further; "" for all of them."""

    class KilledChange(LiveChange):
        def announce(self, step: str) -> None:
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)

    snapshot = run.look()
    new = secret_change.gather(run, snapshot, values_from, keys, database_url_from)
    plan = secret_change.plan(run, snapshot, new)
    result = secret_change.apply(run, plan, True, new=new, live=KilledChange())
    assert result
    sys.stdout.write("proved" if result.is_proved else "failed")


def fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _die_after(last: int) -> None:
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    operations: list[str] = []

    def count(client: Any, operation: str, parameters: Any) -> Any:
        answer = call(client, operation, parameters)
        operations.extend([operation] if operation in WRITING else ())
        if operation in WRITING and len(operations) == last:
            Path(os.environ["LAST_CALL"]).write_text(operation)
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    BaseClient._make_api_call = count  # type: ignore[attr-defined]


if __name__ == "__main__":
    mode, *words = sys.argv[1:]
    begun = runbooks_run.begin("rotate" if mode == "rotate" else "update", "staging")
    if mode == "rotate":
        rotate(begun, *words)
    elif mode == "race":
        race(begun)
    else:
        once(begun, words[0], int(words[1]))
