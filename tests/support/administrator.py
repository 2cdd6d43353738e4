"""A secret, its consumers and their processes as the sandbox's administrator sees them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import forked_command
from support.paths import SUPPORT
from support.runs import SECRET, client, sign_in
from support.small_world import environment_of
from support.steps import SteppedChange

from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.runbooks import live_change, secret_change
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, World

BAD = "https://0@256.256.256.256/4"
"""A text that the catalogue takes for a DSN and the application does not."""


class KeptSecret:
    """A secret as the sandbox's administrator sees it, in Secrets Manager itself."""

    def __init__(self, sandbox: Sandbox, name: str = SECRET) -> None:
        self.sandbox, self.name, self.secretsmanager = sandbox, name, client(sandbox, "secretsmanager")

    @property
    def text(self) -> str:
        return str(self.secretsmanager.get_secret_value(SecretId=self.name, VersionStage="AWSCURRENT")["SecretString"])

    @property
    def members(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def stages(self) -> dict[str, list[str]]:
        return self.secretsmanager.describe_secret(SecretId=self.name)["VersionIdsToStages"]

    @property
    def current(self) -> str:
        return next(version for version, labels in self.stages.items() if "AWSCURRENT" in labels)

    @property
    def versions(self) -> set[str]:
        listed = self.secretsmanager.list_secret_version_ids(SecretId=self.name, IncludeDeprecated=True)["Versions"]
        return {version["VersionId"] for version in listed}

    def labels(self) -> list[str]:
        """Labels of ours that were left behind."""
        return [label for labels in self.stages.values() for label in labels if label.startswith("omc-")]

    def put(self, **members: Any) -> str:
        """Somebody else's edit, as the guide does it; the new version's id."""
        text = json.dumps(self.members | members)
        return str(self.secretsmanager.put_secret_value(SecretId=self.name, SecretString=text)["VersionId"])


class Staging(KeptSecret):
    """The environment staging of a sandbox as its administrator sees it; rotates with our own code."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.world = World(sandbox.endpoint)
        self.ecs, self.service = self.world.ecs, self.world.service
        self.progress: list[tuple[float, str]] = []

    def process_values(self, key: str) -> dict[str, set[str]]:
        """What the processes of each service hold in a variable."""
        lifecycle.settle(self.sandbox)
        values_of_service: dict[str, set[str]] = {}
        for task in lifecycle.status(self.sandbox)["tasks"]:
            values_of_service.setdefault(task["service"], set()).add(environment_of(task["pid"]).get(key, ""))
        return values_of_service

    def state_of(self, task: str) -> str:
        return str(self.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]["lastStatus"])

    def rotate(
        self,
        keys: str,
        values_from: str = "generate",
        step: Any = None,
        database_url_from: str = "",
        **options: Any,
    ) -> SecretResult | None:
        run = runbooks_run.begin("rotate", "staging")
        snapshot = run.look()
        new = secret_change.gather(run, snapshot, values_from, keys, database_url_from)
        plan = secret_change.plan(run, snapshot, new)
        options |= {"live": SteppedChange(step)} if step else {}
        return secret_change.apply(run, plan, **{"apply": True, "new": new, **options})


def at_work(sandbox: Sandbox, patch: pytest.MonkeyPatch) -> Staging:
    """Staging whose runbook this process runs; keeps each line of the progress with its time."""
    sign_in(sandbox, patch)
    staging = Staging(sandbox)
    patch.setattr(
        live_change,
        "Progress",
        lambda: lambda rollouts, lines: staging.progress.extend((time.time(), x) for x in lines),
    )
    return staging


def rotator(*arguments: str) -> tuple[int, str]:
    """The exit code and the output of a process that rotates, as `update_process.py` has it."""
    command = [sys.executable, str(SUPPORT / "update_process.py"), "rotate", *arguments]
    ended = forked_command.run(command, os.environ, Path.cwd(), seconds=90)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.returncode, ended.stdout
