"""Makes another version of the secret current, whether the answer of AWS arrives or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.secretsmanager import CURRENT, Secret
from omc_runbook.aws.session import require
from omc_runbook.model.errors import CouldNotLook

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

T = TypeVar("T")

UPDATE_STAGE = "secretsmanager:UpdateSecretVersionStage"
INTERRUPTED_CALL_SECONDS = 1.0
"""How long to wait after an interrupted call before the secret is read."""
SETTLE_SECONDS = 60.0
"""How long a read may still show what was there before a write."""
SETTLE_INTERVAL = 1.0


class InterruptedAfterMove(KeyboardInterrupt):
    """Interrupted in the call that makes a version current, which took effect."""


def read_after_write(read: Callable[[], T], is_old: Callable[[T], bool], since: float | None = None) -> T:
    """Read until the answer is not of the time before a write, for SETTLE_SECONDS from it at most.

    `since` is when that was, by `time.monotonic`; None for now. See
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot_general.html
    """
    end = (time.monotonic() if since is None else since) + SETTLE_SECONDS
    while is_old(answer := read()) and time.monotonic() < end:
        time.sleep(SETTLE_INTERVAL)
    return answer


def describe(client: SecretsManagerClient, secret_id: str, name: str) -> Secret | None:
    """A secret as it is now, None where it does not exist; raises CouldNotLook where AWS does not tell."""
    read = partial(secretsmanager.describe, client, secret_id)
    return require(f"secret {name}", "secretsmanager:DescribeSecret", read)


def read(client: SecretsManagerClient, secret_id: str, name: str) -> str:
    """The id of the current version, "" where there is none; raises CouldNotLook where AWS does not tell."""
    secret = describe(client, secret_id, name)
    return secret.version_at(CURRENT) if secret else ""


def move(client: SecretsManagerClient, secret_id: str, name: str, version: str, instead_of: str) -> bool:
    """Move AWSCURRENT to a version if it is still on `instead_of` ("": on none); False where it is not.

    Where an answer was lost, and where AWS says that it failed, the secret is read: the call may have taken effect.
    Raises CouldNotLook where AWS refuses, and InterruptedAfterMove where a call that took effect was interrupted.
    """
    what, current = f"secret {name}", partial(read, client, secret_id, name)

    def arrived() -> bool:
        return read_after_write(current, lambda id: id == instead_of) == version

    call = partial(secretsmanager.move_current, client, secret_id, version, instead_of)
    try:
        answer = attempt(what, UPDATE_STAGE, call)
    except CouldNotLook:
        if arrived():
            return True
        raise
    except KeyboardInterrupt as interrupt:
        time.sleep(INTERRUPTED_CALL_SECONDS)
        with suppress(CouldNotLook):
            if current() == version:
                raise InterruptedAfterMove(*interrupt.args) from None
        raise
    if isinstance(answer, ReadFailure):
        if arrived() if answer.may_have_happened else current() == version:
            return True
        raise CouldNotLook(answer.sentence_for("change"), says_next=answer.says_next)
    # AWS refused to take it from `instead_of`, so a read that still has it there is old.
    return arrived() if answer is None else answer
