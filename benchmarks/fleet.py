"""How long `omc-runbook fleet` takes on many environments when AWS is 30 ms away, and how much memory it needs.

Each environment has a secret, an execution role, a cluster and a service with one task, all in one sandbox. Exits
with 1 where it takes longer than 1.5 × (the slowest environment alone + 0.25 s of CPU for each, over the cores), or
where an environment is not all right. With `--troubled` one is of another account, and one never answers.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import calls
import click
import proxy

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import build, roles, staging, vpcs
from omc_runbook.sandbox.worlds.staging import KEYS, STAGING, ServiceSpec, World

COMMAND = Path(sys.executable).with_name("omc-runbook")
SLACK, CPU_SECONDS = 1.5, 0.25
ALONE = 3
"""How many environments are measured alone."""
SAMPLE_SECONDS = 0.5
HANGING_SECONDS = 10
"""The time-out with an environment that never answers."""
KILOBYTE = 1024


def make_world(sandbox: Sandbox, names: list[str]) -> None:
    """Make what each environment needs, under the guide's names for it."""
    world = World(sandbox.endpoint)
    network = vpcs.restore_network(world)
    service = ServiceSpec("backend", 1, KEYS, breaker=True)
    staging.restore_log_group(world, f"/ecs/{STAGING}/{service.name}")
    for name in names:
        prefix = f"ohmycoins-{name}"
        pattern = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{prefix}-app-secrets-??????"
        policies = {"base": roles.base_policy(), "secrets": roles.secrets_policy(pattern)}
        execution_role, task_role = f"{prefix}-ecs-task-execution-role", f"{prefix}-ecs-task-role"
        roles.restore_role(world, execution_role, policies)
        roles.restore_role(world, task_role, {"task": roles.task_policy()})
        text = json.dumps(build.healthy_document())
        secret = world.secretsmanager.create_secret(Name=f"{prefix}-app-secrets", SecretString=text)["ARN"]
        world.ecs.create_cluster(clusterName=prefix)
        containers = [build.container_definition(service, secret, None)]
        definition = build.register(world, f"{prefix}-backend", containers, execution_role, task_role)
        build.create_service(world, service, definition, network, cluster=prefix)
    lifecycle.settle(sandbox, 600)


class Memory:
    """The largest memory of a command and the processes below it, in MB: of all together, and of one of each kind.

    Memory that processes share counts for each by its part (PSS), as Linux has it. `cpu` has the CPU's seconds of all.
    """

    def __init__(self, pid: int) -> None:
        self.all, self.command, self.server, self.worker = 0.0, 0.0, 0.0, 0.0
        self.most_workers, self.cpu = 0, 0.0
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def end(self) -> None:
        """Take no more samples."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            own, below = _pss(self._pid), {pid: _pss(pid) for pid in _children(self._pid)}
            workers = {pid: _pss(pid) for server in below for pid in _children(server)}
            self.command, self.server = max(self.command, own), max(self.server, *below.values(), 0.0)
            self.worker = max(self.worker, *workers.values(), 0.0)
            self.all = max(self.all, own + sum(below.values()) + sum(workers.values()))
            self.most_workers = max(self.most_workers, len(workers))
            used = _cpu(self._pid) + sum(_cpu(pid, with_ended=True) for pid in below) + sum(map(_cpu, workers))
            self.cpu = max(self.cpu, used)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / KILOBYTE for line in lines if line.startswith("Pss:")), 0.0)


def _cpu(pid: int, with_ended: bool = False) -> float:
    """The CPU's seconds of a process, also of those below it that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def silent_endpoint() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


Run = tuple[float, int, Memory]


def run(words: list[str], variables: Mapping[str, str], folder: Path) -> Run:
    """Run a command; its seconds, exit code and memory."""
    start = time.perf_counter()
    with subprocess.Popen([str(COMMAND), *words], env=variables, cwd=folder, stdout=subprocess.DEVNULL) as process:
        memory = Memory(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - start
        memory.end()
    return seconds, code, memory


@click.command(help=__doc__)
@click.argument("count", default=40)
@click.option("--delay", default=calls.DELAY_MS, show_default=True, help="Milliseconds before each call.")
@click.option("--rounds", default=3, show_default=True, help="Runs, of which the fastest counts.")
@click.option("--troubled", is_flag=True, help="Add an environment that is refused, and one that hangs.")
@click.pass_context
def main(context: click.Context, count: int, delay: float, rounds: int, troubled: bool) -> None:
    """Make the environments, measure, and print a table."""
    names = [f"e{number:02}" for number in range(1, count + 1)]
    sandbox = lifecycle.up(None)
    try:
        make_world(sandbox, names)
        with (
            tempfile.TemporaryDirectory() as path,
            proxy.between(sandbox.endpoint, delay / 1000) as network,
            silent_endpoint() as silent,
        ):
            folder, variables = Path(path), calls.variables(sandbox, network)
            tables = [f"[environments.{name}]" for name in names]
            more: list[str] = []
            if troubled:
                tables += ["[environments.foreign]", 'account_id = "111111111111"']
                tables += ["[environments.hanging]", 'profile = "hanging"']
                keys = sandbox.credentials
                (folder / "config").write_text(
                    f"[default]\nendpoint_url = {variables.pop('AWS_ENDPOINT_URL')}\n"
                    f"[profile hanging]\nendpoint_url = {silent}\n"
                    f"aws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret_key}\n"
                )
                variables["AWS_CONFIG_FILE"] = str(folder / "config")
                more = ["--timeout", str(HANGING_SECONDS)]
            (folder / "runbook.toml").write_text("\n".join((*tables, "")))
            alone = max(run(["run", "verify", f"environment={name}"], variables, folder)[0] for name in names[:ALONE])
            runs = [run(["fleet", *more], variables, folder) for _ in range(rounds)]
            outcome = json.loads((folder / "records" / "outcome.json").read_text())
            code = _report(runs, outcome, alone, count, troubled)
    finally:
        lifecycle.down(sandbox)
    context.exit(code)


def _report(runs: list[Run], outcome: Mapping[str, Any], alone: float, count: int, troubled: bool) -> int:
    seconds, exit_code, memory = min(runs, key=lambda each: each[0])
    cores = os.cpu_count() or 1
    bound = SLACK * (alone + count * CPU_SECONDS / cores)
    bound += HANGING_SECONDS if troubled else 0
    good, expected = [each["status"] for each in outcome["targets"]].count("ok"), 2 if troubled else 0
    if good < count:
        click.echo(f"Not all right: {outcome['root_causes']}", err=True)
    cells = [
        f"{count}{' + 2' if troubled else ''}",
        cores,
        f"{alone:.2f}",
        f"{seconds:.2f}",
        f"{bound:.2f}",
        f"{memory.cpu:.2f}",
    ]
    megabytes = (memory.command, memory.server, memory.worker, memory.all)
    cells += [exit_code, good, memory.most_workers, *(f"{each:.0f}" for each in megabytes)]
    heads = ["environments", "cores", "alone", "seconds", "at most", "CPU", "exit code", "all right", "workers"]
    heads += ("MB: command", "server", "worker", "all")
    click.echo(f"| {' | '.join(heads)} |\n|{'--:|' * len(heads)}\n| {' | '.join(map(str, cells))} |")
    return 0 if seconds <= bound and good == count and exit_code == expected else 1


if __name__ == "__main__":
    main()
