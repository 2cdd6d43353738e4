"""Daemons and Express services with the secret: this package starts no new tasks of them, and names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from omc_runbook.aws import managed
from omc_runbook.aws.managed import ManagedConsumer
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.deploy.schedules import arn_of_cluster
from omc_runbook.model.shell import command
from omc_runbook.snapshot.state import Snapshot

UNSUPPORTED = "UnsupportedFeatureException"
"""The error of a region that has none of them."""

_Read = Callable[[], tuple[ManagedConsumer, ...]]


def find(
    clients: Clients, caller: Caller, snapshot: Snapshot, removed: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Each daemon and Express service that refers to the secret, with a sentence on how it gets new tasks.

    A pair without a name says what could not be read. `removed` are keys that the secret would lose.
    """
    names, client = snapshot.environment.names, clients("ecs")
    by_daemon = "UpdateDaemon starts new ones, and drains its instances one after another"
    reads: tuple[tuple[str, str, str, _Read], ...] = (
        (
            "daemon",
            "ecs:ListDaemons",
            by_daemon,
            partial(managed.find_daemons, client, arn_of_cluster(caller, snapshot)),
        ),
        (
            "Express service",
            "ecs:DescribeExpressGatewayService",
            "",
            partial(managed.find_express_services, client, names.cluster),
        ),
    )
    for kind, permission, how, read in reads:
        answer = look(f"the {kind}s of cluster {names.cluster}", permission, read)
        if isinstance(answer, ReadFailure):
            if answer.code != UNSUPPORTED:
                yield "", f"Not looked at, so that each {kind} with the secret is not named: {answer.sentence}"
            continue
        for consumer in answer:
            keys = {injection.reference.key for _, injection in snapshot.own_injections(consumer.definition)}
            name = f"{kind} {consumer.name}"
            lost = ", ".join(sorted(keys.intersection(removed)))
            words = ("update-express-gateway-service", "--service-arn", consumer.arn, "--region", names.region)
            if lost:
                yield name, f"{name} refers to {lost}: its next task would not start."
            elif keys:
                way = how or command("aws", "ecs", *words)
                yield name, f"{name} has the secret, and its tasks keep the old values. New ones: {way}"
