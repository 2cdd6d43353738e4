"""A faulty revision that the circuit breaker has already rolled back is still named as the cause."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.runs import client, sign_in

from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

CLUSTER, FAMILY = "ohmycoins-staging", "ohmycoins-staging-backend"
KEPT = ("family", "executionRoleArn", "networkMode", "containerDefinitions", "cpu", "memory")


@pytest.fixture
def ecs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    sign_in(sandbox, monkeypatch)
    return client(sandbox, "ecs")


def deploy(sandbox: Sandbox, ecs: Any, value_from: Any = None, role: str = "") -> None:
    """Deploy a revision of the backend with another first reference or execution role, until it is rolled back."""
    definition = ecs.describe_task_definition(taskDefinition=f"{FAMILY}:1")["taskDefinition"]
    request = {key: definition[key] for key in KEPT if key in definition}
    if value_from:
        secret = request["containerDefinitions"][0]["secrets"][0]
        secret["valueFrom"] = value_from(secret["valueFrom"])
    request |= {"executionRoleArn": role} if role else {}
    arn = ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=arn)
    deadline = time.monotonic() + 60
    while ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]["taskDefinition"] == arn:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lifecycle.settle(sandbox)


def root_causes() -> set[str]:
    run = runbooks_run.begin("verify", "staging")
    return {finding.check for finding in runbooks_run.diagnose(run.look()) if finding.is_root_cause}


FAULTS = {
    "bare-name": {"value_from": lambda text: "SECRET_KEY"},
    "arn-malformed": {"value_from": lambda text: text.rstrip(":")},
    "key-misspelt": {"value_from": lambda text: text.replace(":SECRET_KEY:", ":SECRET_KEYS:")},
    "version-pinned": {"value_from": lambda text: f"{text}12345678-1234-1234-1234-123456789012"},
    "role-untrusted": {"role": "arn:aws:iam::123456789012:role/nobody"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_revision_that_failed_is_judged_too(sandbox: Sandbox, ecs: Any, fault: str) -> None:
    """Though the service runs its former revision again, the fault of the new one is the only root cause."""
    deploy(sandbox, ecs, **FAULTS[fault])
    assert root_causes() == {fault}
