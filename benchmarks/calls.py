"""How many calls a look at an environment takes, the first time and the second, and how long when AWS is 30 ms away.

The second look finds the task definitions in the cache that the first one left. A row is `healthy`, the sandbox's
healthy world; `healthy+FAULT`, the same with something broken; `30`, so many services of one task each; or `250:3`, so
many services of which three run a task. Exits with 1 where a row takes more calls than it may, or makes one twice.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from tempfile import TemporaryDirectory

import click
import proxy

from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import build as worlds_build
from omc_runbook.sandbox.worlds.roles import restore_roles
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    EXECUTION_ROLE,
    KEYS,
    STAGING,
    ServiceSpec,
    World,
    restore_log_group,
)
from omc_runbook.sandbox.worlds.vpcs import restore_network

DELAY_MS = 30.0
ROWS = ("healthy", "1", "3", "10", "30", "100:3", "250:3", "500:3")
LARGE = 100
"""From so many services on, a second look takes a quarter of a call a service at most."""
LOOK = """
import json, time
from omc_runbook.runbooks import verify
start = time.perf_counter()
snapshot = verify.look(verify.begin("staging"))
seconds = time.perf_counter() - start
print(json.dumps([len(snapshot.services), len(snapshot.tasks), list(snapshot.gaps), seconds]))
"""
"""A look from a process of its own, as a notebook makes it, with the clients made anew."""


@dataclass(frozen=True)
class Row:
    """The calls of one look, counted between client and server; `seconds` are those of the look alone."""

    row: str
    services: int
    tasks: int
    calls: int
    bound: int
    again: int
    """The calls of a second look."""
    repeated: list[str]
    rounds: int
    """The longest chain of calls that waited for one another."""
    seconds: float
    one_by_one: float
    """Seconds of the delays if each call waited for the one before."""
    by_action: dict[str, int]
    """The calls by their names."""

    @property
    def holds(self) -> bool:
        """Whether the calls are within the bounds and none was made twice."""
        is_large = self.services >= LARGE
        return self.calls <= self.bound and not self.repeated and not (is_large and self.again > self.services / 4)


def bound(services: int) -> int:
    """The calls that a look may take: N + ⌈N/10⌉ + ⌈N/20⌉ + 3⌈N/100⌉ + 12."""
    return services + math.ceil(services / 10) + math.ceil(services / 20) + 3 * math.ceil(services / 100) + 12


def measure(row: str, delay_ms: float, looks: int) -> list[Row]:
    """Build a world, look at it so many times, and take it down."""
    world, _, fault = row.partition("+")
    sandbox = lifecycle.up("healthy" if world == "healthy" else None)
    try:
        if world != "healthy":
            services, _, running = world.partition(":")
            build(sandbox, int(services), int(running or services))
        if fault:
            faults.break_(sandbox.endpoint, fault)
        return [look(row, sandbox, delay_ms) for _ in range(looks)]
    finally:
        lifecycle.down(sandbox)


def build(sandbox: Sandbox, services: int, running: int) -> None:
    """Make services that all use the guide's secret, each with a task definition of its own; some run a task."""
    world = World(sandbox.endpoint)
    restore_roles(world)
    secret = worlds_build.restore_secret(world, worlds_build.healthy_document())
    world.ecs.create_cluster(clusterName=CLUSTER)
    network = restore_network(world)
    for number in range(services):
        name = "backend" if number == 0 else f"service-{number:03}"
        service = ServiceSpec(name, int(number < running), KEYS, breaker=True)
        container = worlds_build.container_definition(service, secret, world.database)
        container["environment"] = [{"name": "ENVIRONMENT", "value": "staging"}]
        restore_log_group(world, f"/ecs/{STAGING}/{name}")
        definition = world.ecs.register_task_definition(
            family=f"{STAGING}-{name}",
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]
        worlds_build.create_service(world, service, definition, network)
    lifecycle.settle(sandbox, 300)


def look(row: str, sandbox: Sandbox, delay_ms: float) -> Row:
    """Take two snapshots across a slow network, with an empty cache and with what the first one left in it."""
    with TemporaryDirectory() as cache, proxy.between(sandbox.endpoint, delay_ms / 1000) as network:
        services, tasks, gaps, seconds = _take(sandbox, network, cache)
        first = replace(network, calls=network.calls.copy(), spans=[*network.spans])
        network.calls.clear()
        gaps += _take(sandbox, network, cache)[2]
        again, network = network.calls.total(), first
    if gaps:
        click.echo(f"{row}: incomplete, these were not read: {', '.join(gaps)}.", err=True)
    calls = network.calls.total()
    return Row(
        row,
        services,
        tasks,
        calls,
        bound(services),
        again,
        network.repeated,
        network.rounds,
        round(seconds, 2),
        round(calls * delay_ms / 1000, 2),
        dict(sorted(network.by_action().items())),
    )


def _take(sandbox: Sandbox, network: proxy.Network, cache: str) -> tuple[int, int, list[str], float]:
    """The services, tasks and gaps of a snapshot from a process of its own, and its seconds."""
    environment = variables(sandbox, network) | {"XDG_CACHE_HOME": cache}
    process = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    services, tasks, gaps, seconds = json.loads(process.stdout)
    return services, tasks, gaps, seconds


def variables(sandbox: Sandbox, network: proxy.Network) -> dict[str, str]:
    """This process's environment, with the sandbox behind the network as its only endpoint."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    return others | sandbox.variables | {"AWS_ENDPOINT_URL": network.endpoint, "NO_PROXY": "127.0.0.1"}


@click.command(help=__doc__)
@click.argument("rows", nargs=-1)
@click.option("--delay", default=DELAY_MS, show_default=True, help="Milliseconds before each call.")
@click.option("--looks", default=3, show_default=True, help="Looks per row; the fastest counts.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, with the calls by their names.")
@click.pass_context
def main(context: click.Context, rows: tuple[str, ...], delay: float, looks: int, as_json: bool) -> None:
    """Measure the rows and print each when it is done."""
    holds = True
    if not as_json:
        click.echo("| world | N | tasks | calls | at most | again | repeated | rounds | seconds | one by one | ratio |")
        click.echo("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in rows or ROWS:
        measured = measure(name, delay, looks)
        holds = holds and all(row.holds for row in measured)
        row = min(measured, key=lambda row: row.seconds)
        cells = [row.row, row.services, row.tasks, row.calls, row.bound, row.again, len(row.repeated), row.rounds]
        cells += [f"{row.seconds:.2f}", f"{row.one_by_one:.2f}", f"{row.one_by_one / row.seconds:.1f}"]
        click.echo(json.dumps(asdict(row)) if as_json else f"| {' | '.join(map(str, cells))} |")
    context.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
