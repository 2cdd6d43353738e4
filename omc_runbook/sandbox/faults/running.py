"""Faults inside a running task: its process has another value than the one that ECS injected."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from omc_runbook.sandbox.ecs.process import CACHED
from omc_runbook.sandbox.faults.change import command, document, put, redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.staging import World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

KEY = "OPENAI_API_KEY"
REPLACE = f"--sandbox-replace={KEY}"
"""The argument for an image whose entry point gives the application another value."""
_fault = partial(Fault, "running")


def _bake(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [REPLACE]
    container["secrets"] = [entry for entry in container["secrets"] if entry["name"] != KEY]


def _cache(world: World) -> None:
    command("worker", CACHED)(world)
    world.settle()
    put(world, {**document(world), KEY: f"sk-{secrets.token_hex(24)}"})
    redeploy(world)


FAULTS = (
    _fault(
        "entrypoint-override",
        f"The entry point of the worker's image replaces {KEY} by another value.",
        command("worker", REPLACE),
    ),
    _fault(
        "baked-env",
        f"The worker's {KEY} comes from its image: its task definition no longer injects it.",
        lambda world: revise(world, "worker", _bake),
    ),
    _fault("app-cache", f"The worker's process keeps the {KEY} that its first task read.", _cache),
)
