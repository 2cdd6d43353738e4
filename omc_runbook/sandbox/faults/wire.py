"""Calls of the server's control paths: wire faults, and which faults are active."""

from __future__ import annotations

from typing import Any

from omc_runbook.sandbox.lifecycle import ask, at
from omc_runbook.sandbox.postgres import Database, read
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, World


def throttle(world: World) -> None:
    """Throttle the execution role's reads of secrets until further notice."""
    rule = {
        "action": "secretsmanager:GetSecretValue",
        "error": "ThrottlingException",
        "message": "Rate exceeded",
        "principal": f"assumed-role/{EXECUTION_ROLE}/",
    }
    _ask(world, "POST", "wire", rule)


def clear(world: World) -> None:
    """Remove all wire faults."""
    _ask(world, "DELETE", "wire")


def broken(world: World) -> list[str]:
    """The ids of the active faults, as the server knows them."""
    ids: list[str] = _ask(world, "GET", "status")["broken"]
    return ids


def database(endpoint: str) -> Database | None:
    """The database that the server runs beside itself."""
    return read(_ask(World(endpoint), "GET", "status")["database"])


def _ask(world: World, method: str, path: str, members: dict[str, Any] | None = None) -> dict[str, Any]:
    return ask(at(world.endpoint), method, path, members)
