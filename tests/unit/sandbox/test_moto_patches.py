"""What the sandbox changes of moto's web server."""

from __future__ import annotations

import pytest
from flask import debughelpers

from omc_runbook.sandbox.moto_patches import create_app

HEADERS = {
    "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
    "Content-Type": "application/x-amz-json-1.1",
}


def test_an_application_answers_without_aids_for_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would make a class with each request; an error of a service still reaches who asked."""
    application = create_app("ecs")

    def aid(request: object) -> None:
        raise AssertionError(f"an aid for debugging was asked for {request}")

    monkeypatch.setattr(debughelpers, "attach_enctype_error_multidict", aid)
    client = application.test_client()
    answer = client.post("/", data="{}", headers=HEADERS)
    assert answer.status_code == 200 and b"clusterArns" in answer.data

    def fails(**_: object) -> None:
        raise NotImplementedError("no such call")

    application.view_functions = dict.fromkeys(application.view_functions, fails)
    with pytest.raises(NotImplementedError, match="no such call"):
        client.post("/", data="{}", headers=HEADERS)
