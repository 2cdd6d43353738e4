"""Who writes a secret that nobody may write here: an AWS service, a partner, or whoever writes its primary secret."""

from __future__ import annotations

import re
from dataclasses import replace

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.model.findings import Remedy
from omc_runbook.model.value_from import split_suffix

_NEW_TASKS = "then run rotate with values_from = keep for new tasks."
_WRITES_VALUE = re.compile(
    r"aws secretsmanager (?:put-secret-value|update-secret-version-stage(?= .*--version-stage AWSCURRENT\b))"
)
"""A command that gives the secret another current value."""
_CHANGES_SECRET = re.compile(
    r"aws secretsmanager (?:put-resource-policy|delete-resource-policy|tag-resource|rotate-secret|cancel-rotate-secret)"
    r" --secret-id (?P<id>\S+).*? --region (?P<region>[\w-]+)"
)
"""A command that changes something else of a secret, which AWS refuses of a replica."""


def why_not_here(secret: Secret) -> str:
    """Who writes a secret instead, and what to do then; "" where one may write it here."""
    way = write_elsewhere(secret)
    return f"{way}{',' if secret.manager else ';'} {_NEW_TASKS}" if way else ""


def write_elsewhere(secret: Secret) -> str:
    """Who writes a secret instead, and how it gets another value, without a full stop; "" where one may write it here.

    See https://docs.aws.amazon.com/secretsmanager/latest/userguide/service-linked-secrets.html
    """
    owner = _owner(secret)
    if secret.owning_service:
        return f"{owner}, which writes it: change it there"
    if secret.partner:
        return f"{owner}: let Secrets Manager rotate it"
    return f"{owner}: write that one, and it is replicated here" if owner else ""


def restore_elsewhere(secret: Secret) -> str:
    """Who cancels a secret's deletion instead, without a full stop; "" where one may do so here."""
    owner = _owner(secret)
    if secret.manager:
        return f"{owner}: cancel its deletion there"
    return f"{owner}: cancel the deletion of that one" if owner else ""


def place_of_new_key(secret: Secret | None) -> str:
    """Which secret may get another key: this one, its primary secret, or one that nothing else writes."""
    if secret and secret.manager:
        return f"a secret of your own ({secret.manager} writes {secret.name})"
    if secret and secret.primary:
        return f"the primary secret in {secret.primary.location}"
    return "the secret"


def _owner(secret: Secret) -> str:
    """Who writes a secret instead, as the beginning of a sentence; "" for nobody."""
    if secret.owning_service:
        return f"{secret.name} is managed by the AWS service {secret.owning_service} (OwningService)"
    if secret.partner:
        return f"{secret.name} is a managed external secret of {secret.partner} (Type)"
    return f"{secret.name} is a replica of the secret in {secret.primary.location}" if secret.primary else ""


def leave_to_owner(secret: Secret | None, remedy: Remedy) -> Remedy:
    """The remedy, or who may do it, where it gives a value to a secret that nobody may write here."""
    if secret is None:
        return remedy
    reason = why_not_here(secret) if _WRITES_VALUE.match(remedy.command) else ""
    return Remedy(reason) if reason else in_primary(secret, remedy)


def in_primary(secret: Secret, remedy: Remedy) -> Remedy:
    """The remedy, with its commands on a replica in another region made on its primary secret, and that this is so."""
    here, there = secret.region, secret.home_region

    def move(match: re.Match[str]) -> str:
        named = match["id"].strip("'")
        if match["region"] != here or named not in (secret.name, secret.arn, split_suffix(secret.arn)[0]):
            return match[0]
        words = match[0].removesuffix(here).replace(match["id"], match["id"].replace(f":{here}:", f":{there}:"), 1)
        return f"{words}{there}"

    moved = _CHANGES_SECRET.sub(move, remedy.command)
    if moved == remedy.command:
        return remedy
    way = f"{secret.name} is a replica of the secret in {there}: AWS changes that one alone, and replicates it here."
    return replace(remedy, command=moved).needing(way)
