"""Who writes a secret that nobody may write here: an AWS service, a partner, or whoever writes its primary secret."""

from __future__ import annotations

import re

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.model.findings import Remedy

_NEW_TASKS = "then run rotate with values_from = keep for new tasks."
_WRITES_VALUE = re.compile(
    r"aws secretsmanager (?:put-secret-value|update-secret-version-stage(?= .*--version-stage AWSCURRENT\b))"
)
"""A command that gives the secret another current value."""


def why_not_here(secret: Secret) -> str:
    """Who writes a secret instead, and what to do then; "" where one may write it here."""
    if secret.owning_service:
        return (
            f"{secret.name} is managed by the AWS service {secret.owning_service} (OwningService), which writes it:"
            f" change it there, {_NEW_TASKS}"
        )
    if secret.partner:
        return (
            f"{secret.name} is a managed external secret of {secret.partner} (Type): let Secrets Manager rotate it,"
            f" {_NEW_TASKS}"
        )
    if secret.primary:
        return (
            f"{secret.name} is a replica of the secret in {secret.primary.location}: write that one, and it is"
            f" replicated here; {_NEW_TASKS}"
        )
    return ""


def leave_to_owner(secret: Secret | None, remedy: Remedy) -> Remedy:
    """The remedy, or who may do it, where it gives a value to a secret that nobody may write here."""
    reason = why_not_here(secret) if secret and _WRITES_VALUE.match(remedy.command) else ""
    return Remedy(reason) if reason else remedy
