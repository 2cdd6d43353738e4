"""A person who adds keys: a desk with a checkout and the sandbox's staging, as the tests of add_key see them."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.administrator import KeptSecret
from support.platform_checkout import Platform, make_platform
from support.runs import COMMAND, SECRET, Desk, sign_in
from support.small_world import environment_of

from omc_runbook.changes.add_key.executor import AddKeyResult
from omc_runbook.changes.add_key.plan import AddKeyPlan
from omc_runbook.runbooks import add_key, key_addition
from omc_runbook.runbooks.run import Run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, STAGING, World
from omc_runbook.snapshot.state import Snapshot

DESCRIPTION, ADDRESS = "Headlines on coins", "https://news.example.com/keys"
EDITED = ("backend/app/core/config.py", ".env.template", "infrastructure/terraform/modules/ecs/main.tf")


class Adder(Desk, KeptSecret):
    """A desk with a checkout of its own and a new key's name that nobody else has."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        Desk.__init__(self, root, sandbox)
        KeptSecret.__init__(self, sandbox)
        self.world = World(sandbox.endpoint)
        (root / "checkout").mkdir()
        self.platform: Platform = make_platform(root / "checkout")
        self.anew()

    def anew(self) -> Adder:
        """The same desk with another key, and the checkout as it was committed, where it was."""
        self.key, self.value = f"KEY_{secrets.token_hex(3).upper()}_OF_NEWS", secrets.token_urlsafe(24)
        os.environ["NEW_VALUE"] = self.value
        self.platform.git("checkout", "--quiet", "--", ".")
        return self

    def add(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`omc-runbook run add_key` for this checkout."""
        command = [str(COMMAND), "run", "add_key", "--record", str(self.record)]
        return self.call([*command, "-p", "repository", str(self.platform.root), *arguments], **variables)

    def begun(self, environments: str = "") -> Run:
        return add_key.begin("staging", environments, "", str(self.platform.root))

    def planned(self, run: Run, snapshots: dict[str, Snapshot] | None = None, **parameters: Any) -> AddKeyPlan:
        """The plan of this desk's key; its value is in the variable NEW_VALUE."""
        arguments = {"key": self.key, "description": DESCRIPTION, "obtain_from": ADDRESS} | parameters
        plan = add_key.plan(run, snapshots or add_key.look(run), **arguments)
        assert plan
        return plan

    def added(self, environments: str = "", confirm: str = "", **parameters: Any) -> AddKeyResult:
        """A whole run, applied."""
        run = self.begun(environments)
        result = key_addition.apply(run, self.planned(run, **parameters), True, confirm)
        assert result
        return result

    @property
    def secret_arn(self) -> str:
        return str(self.world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"])

    def labels(self) -> list[str]:
        """Staging labels that are not AWS's."""
        stages = self.world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
        return [label for labels in stages.values() for label in labels if not label.startswith("AWS")]

    def service(self, name: str = "backend", cluster: str = CLUSTER) -> Any:
        return self.world.ecs.describe_services(cluster=cluster, services=[name])["services"][0]

    def references(self, name: str = "backend", cluster: str = CLUSTER) -> list[tuple[str, str]]:
        """The references of a service's revision in force, in order."""
        arn = self.service(name, cluster)["taskDefinition"]
        container = self.world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"][
            "containerDefinitions"
        ]
        return [(entry["name"], entry["valueFrom"]) for entry in container[0]["secrets"]]

    def revisions(self, name: str = "backend") -> list[str]:
        return self.world.ecs.list_task_definitions(familyPrefix=f"{STAGING}-{name}")["taskDefinitionArns"]

    def aws(self) -> Any:
        """All in AWS that a run could change: versions with their labels, revisions, deployments and tasks."""
        services = self.world.ecs.describe_services(cluster=CLUSTER, services=["backend", "worker"])["services"]
        return (
            self.world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"],
            [(each["taskDefinition"], [d["id"] for d in each["deployments"]]) for each in services],
            self.revisions(),
            self.revisions("worker"),
        )

    def tree(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the checkout, git's own too, with its mode."""
        found = (path for path in self.platform.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.platform.root)): (path.read_bytes(), path.stat().st_mode) for path in found}

    def edited(self) -> dict[str, str]:
        """The texts of the three files."""
        return {name: (self.platform.root / name).read_bytes().decode() for name in EDITED}

    def digests(self, service: str = "backend") -> list[str]:
        """Of each running process of a service the digest of the key's value; "" where it lacks it."""
        tasks = lifecycle.status(self.sandbox)["tasks"]
        running = [task["pid"] for task in tasks if task["service"] == service and task["pid"]]
        return [digest(environment_of(pid).get(self.key)) for pid in running]

    def scale(self, desired: int) -> None:
        """Let so many tasks of backend run, and wait for them."""
        self.world.ecs.update_service(cluster=CLUSTER, service="backend", desiredCount=desired)
        self.world.settle()


def digest(value: str | None) -> str:
    return "" if value is None else hashlib.sha256(value.encode()).hexdigest()


@contextmanager
def signed_in(sandbox: Sandbox, patch: Any, home: Path) -> Iterator[None]:
    """Let this process be at the desk: the sandbox's variables, and no names of the caller's own."""
    for name in [name for name in os.environ if name.startswith("OMC_")]:
        patch.delenv(name)
    sign_in(sandbox, patch)
    patch.chdir(home)
    yield


def killed(act: Callable[[], object]) -> None:
    """Do something in a process of its own that has to be killed by it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
