"""Daemons and Express services with the secret: this package starts no new tasks of them, and names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from omc_runbook.aws import managed
from omc_runbook.aws.managed import ManagedConsumer
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.aws.sts import Caller
from omc_runbook.masking.document import Action
from omc_runbook.model.environment import Names
from omc_runbook.model.shell import command
from omc_runbook.snapshot.scheduled import arn_of_cluster
from omc_runbook.snapshot.state import Snapshot

UNSUPPORTED = "UnsupportedFeatureException"
"""The error of a region that has none of them."""

_Read = Callable[[], tuple[ManagedConsumer, ...]]


def find(
    clients: Clients, caller: Caller, snapshot: Snapshot, changed: Mapping[str, Action]
) -> Iterator[tuple[str, str]]:
    """Each daemon and Express service that refers to a changed key, with a sentence on how it gets new tasks.

    A pair without a name says what could not be read. `changed` has what happens to each key.
    """
    names, client = snapshot.environment.names, clients("ecs")
    reads: tuple[tuple[str, str, _Read], ...] = (
        (
            "daemon",
            "ecs:ListDaemons",
            partial(managed.find_daemons, client, arn_of_cluster(caller, names)),
        ),
        (
            "Express service",
            "ecs:DescribeExpressGatewayService",
            partial(managed.find_express_services, client, names.cluster),
        ),
    )
    for kind, permission, read in reads:
        answer = look(f"the {kind}s of cluster {names.cluster}", permission, read)
        if isinstance(answer, ReadFailure):
            if answer.code != UNSUPPORTED:
                yield "", f"Not looked at, so that no {kind} with the secret is named: {answer.sentence}"
            continue
        for consumer in answer:
            keys = {injection.reference.key for _, injection in snapshot.own_references(consumer.definition)}
            # A reference without a key gets the whole document.
            affected = [key for key in changed if key in keys or "" in keys]
            lost = ", ".join(key for key in affected if changed[key] == "removed" and key in keys)
            name = f"{kind} {consumer.name}"
            if lost:
                yield name, f"{name} refers to {lost}: its next task would not start."
            elif affected:
                yield (
                    name,
                    f"{name} has the secret, and its tasks keep the old values until {_how(kind, consumer, names)}",
                )


def _how(kind: str, consumer: ManagedConsumer, names: Names) -> str:
    if kind == "daemon":
        return "UpdateDaemon replaces them, and with them its instances, one after another."
    words = ("update-express-gateway-service", "--service-arn", consumer.arn, "--region", names.region)
    return f"it is deployed anew: {command('aws', 'ecs', *words)}"
