"""Makes another version of the secret current, whether the answer of AWS arrives or not."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import require
from omc_runbook.model.errors import CouldNotLook

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

UPDATE_STAGE = "secretsmanager:UpdateSecretVersionStage"
INTERRUPTED_CALL_SECONDS = 1.0
"""How long to wait after an interrupted call before the secret is read."""


class InterruptedAfterMove(KeyboardInterrupt):
    """Interrupted in the call that makes a version current, which took effect."""


def move(client: SecretsManagerClient, secret_id: str, name: str, version: str, instead_of: str) -> bool:
    """Move AWSCURRENT to a version if it is still on `instead_of` ("": on none); False where it is not.

    Where an answer was lost, and where AWS says that it failed, the secret is read: the call may have taken effect.
    Raises CouldNotLook where AWS refuses, and InterruptedAfterMove where a call that took effect was interrupted.
    """
    what = f"secret {name}"

    def is_current() -> bool:
        secret = require(what, "secretsmanager:DescribeSecret", partial(secretsmanager.describe, client, secret_id))
        return secret is not None and secret.version_at(CURRENT) == version

    call = partial(secretsmanager.move_current, client, secret_id, version, instead_of)
    try:
        has_moved = require(what, UPDATE_STAGE, call, "change")
    except CouldNotLook:
        if is_current():
            return True
        raise
    except KeyboardInterrupt as interrupt:
        time.sleep(INTERRUPTED_CALL_SECONDS)
        with suppress(CouldNotLook):
            if is_current():
                raise InterruptedAfterMove(*interrupt.args) from None
        raise
    return is_current() if has_moved is None else has_moved
