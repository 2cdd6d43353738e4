"""What the sandbox changes of moto's web server."""

from __future__ import annotations

import pytest
from flask import debughelpers

from omc_runbook.network.reachability import Request, TaskNetwork
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.ecs import network
from omc_runbook.sandbox.moto_patches import create_app

HEADERS = {
    "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
    "Content-Type": "application/x-amz-json-1.1",
}


@pytest.fixture
def without_aids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request fail that makes a class for debugging."""

    def aid(request: object) -> None:
        raise AssertionError(f"an aid for debugging was asked for {request}")

    monkeypatch.setattr(debughelpers, "attach_enctype_error_multidict", aid)


@pytest.mark.usefixtures("without_aids")
def test_an_application_answers_without_aids_for_debugging() -> None:
    """They would make a class with each request; an error of a service still reaches who asked."""
    application = create_app("ecs")
    client = application.test_client()
    answer = client.post("/", data="{}", headers=HEADERS)
    assert answer.status_code == 200 and b"clusterArns" in answer.data

    def fails(**_: object) -> None:
        raise NotImplementedError("no such call")

    application.view_functions = dict.fromkeys(application.view_functions, fails)
    with pytest.raises(NotImplementedError, match="no such call"):
        client.post("/", data="{}", headers=HEADERS)


@pytest.mark.usefixtures("without_aids")
def test_the_sandbox_itself_reads_its_network_without_aids_for_debugging() -> None:
    """It asks the same application, within its process."""
    network.forget()
    request = Request("", "secretsmanager:GetSecretValue", "*")
    assert network.trace_call(TaskNetwork("subnet-none", (), False), ACCOUNT, REGION, request)
    network.forget()
