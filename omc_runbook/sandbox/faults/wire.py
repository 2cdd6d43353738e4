"""What the sandbox's server does to calls on their way, over its private address."""

from __future__ import annotations

import json
import urllib.request

from omc_runbook.sandbox.world import EXECUTION_ROLE, World

SECONDS = 10.0


def throttle(world: World) -> None:
    """Throttle the execution role's reads of secrets until further notice."""
    rule = {
        "action": "secretsmanager:GetSecretValue",
        "error": "ThrottlingException",
        "message": "Rate exceeded",
        "principal": f"assumed-role/{EXECUTION_ROLE}/",
    }
    _send(world, "POST", json.dumps(rule).encode())


def clear(world: World) -> None:
    """Let every call pass."""
    _send(world, "DELETE", None)


def _send(world: World, method: str, body: bytes | None) -> None:
    address = f"{world.endpoint}/_sandbox/wire"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method=method)
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS).close()
