"""Reads what renews the secret's key and its value: KMS's automatic rotation, and the rotation function."""

from __future__ import annotations

from omc_runbook.aws import kms, lambda_functions
from omc_runbook.model.arn import region_in
from omc_runbook.snapshot.audit.state import Lifecycle
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

FIELD = "lifecycle"
"""The field of its gaps."""


class LifecycleRead:
    """The calls, which begin at once; `finish` waits for them."""

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot) -> None:
        self._gatherer = gatherer
        key, secret = snapshot.kms_key, snapshot.secret
        self._key = self._function = None
        if key and key.manager == "CUSTOMER":
            what = f"whether key {key.arn} rotates"
            in_region = gatherer.within(region_in(key.arn))
            self._key = in_region.read(what, "kms:GetKeyRotationStatus", kms.get_key_rotation, key.arn)
        if secret and secret.rotation_function:
            function = secret.rotation_function
            self._function = gatherer.within(region_in(function)).read(
                f"rotation function {function}", "lambda:GetFunctionConfiguration", lambda_functions.describe, function
            )

    def finish(self) -> Lifecycle:
        """What the calls answered."""
        keep = self._gatherer.keep
        return Lifecycle(key_rotation=keep(FIELD, self._key, None), rotation_function=keep(FIELD, self._function, None))
