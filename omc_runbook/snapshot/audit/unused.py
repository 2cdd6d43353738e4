"""Reads which secrets the project has, and when each was last read."""

from __future__ import annotations

from concurrent.futures import Future

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.aws.session import ReadFailure
from omc_runbook.snapshot.gatherer import Gatherer

FIELD = "unused"
"""The field of its gaps."""


def request(gatherer: Gatherer) -> Future[tuple[ListedSecret, ...] | ReadFailure]:
    """Begin to list the region's secrets whose names begin with the project's.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
    """
    client, project = gatherer.clients("secretsmanager"), gatherer.environment.project
    return gatherer.ask(
        f"the secrets of {project}",
        "secretsmanager:ListSecrets",
        lambda: secretsmanager.list_secrets(client, project),
    )
