"""Faults inside a running task: its process has another value than ECS injected."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from omc_runbook.sandbox.ecs.process import CACHED
from omc_runbook.sandbox.faults.change import document, put, redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.staging import World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

KEY = "OPENAI_API_KEY"
REPLACE = f"--sandbox-replace={KEY}"
"""The word for an image whose entry point gives the application a value of its own."""


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return (
        Fault(
            "entrypoint-override",
            "running",
            f"The entry point of the worker's image replaces {KEY} by another value.",
            lambda world: revise(world, "worker", _replace),
        ),
        Fault(
            "baked-env",
            "running",
            f"The worker's {KEY} comes from its image: its task definition no longer injects it.",
            lambda world: revise(world, "worker", _bake),
        ),
        Fault(
            "app-cache",
            "running",
            f"The worker's process goes on with the {KEY} that its first task read.",
            _keep,
        ),
    )


def _replace(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [REPLACE]


def _bake(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [REPLACE]
    container["secrets"] = [entry for entry in container["secrets"] if entry["name"] != KEY]


def _cache(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [CACHED]


def _keep(world: World) -> None:
    revise(world, "worker", _cache)
    world.settle()
    put(world, {**document(world), KEY: f"sk-{secrets.token_hex(24)}"})
    redeploy(world)
