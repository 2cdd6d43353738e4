"""UpdateService is not called again where ECS has begun a deployment and its answer was lost."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from omc_runbook.aws import ecs
from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.session import Clients

URL = "http://127.0.0.1:9"
REVISION = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/app:2"


class Raw(BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


class Ecs:
    """ECS with one service, whose clock may be behind; `lose` says what becomes of each answer of UpdateService."""

    def __init__(
        self, lose: Callable[[int], Exception | tuple[int, str] | None], begins: bool = True, behind: float = 0
    ) -> None:
        self.lose, self.begins, self.calls = lose, begins, 0
        self.behind = timedelta(seconds=behind)
        self.late_reads = 0
        self.deployments = [self._deployment("old")]

    def __call__(self, request: AWSRequest, **_: object) -> AWSResponse:
        service = {
            "serviceArn": "arn:aws:ecs:r:1:service/cluster/backend",
            "serviceName": "backend",
            "status": "ACTIVE",
        }
        if request.headers["X-Amz-Target"].endswith(b"DescribeServices"):
            deployments = self.deployments[: 1 if self.late_reads else None]
            self.late_reads = max(self.late_reads - 1, 0)
            return self._answer(200, {"services": [service | {"deployments": deployments}]})
        self.calls += 1
        problem = self.lose(self.calls)
        if problem is None or self.begins:
            self.deployments.append(self._deployment(f"own-{self.calls}"))
        if isinstance(problem, Exception):
            raise problem
        if problem:
            return self._answer(problem[0], {"__type": problem[1]})
        return self._answer(200, {"service": service | {"deployments": self.deployments}})

    def _deployment(self, name: str) -> dict[str, Any]:
        created = (datetime.now(UTC) - self.behind).timestamp()
        return {"id": name, "status": "PRIMARY", "taskDefinition": REVISION, "createdAt": created}

    def _answer(self, status: int, body: dict[str, Any]) -> AWSResponse:
        return AWSResponse(URL, status, {}, Raw(json.dumps(body).encode()))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    return Clients("ap-southeast-2")("ecs")


def deployed(client: Any, service: Ecs, revision: str = "") -> tuple[str, tuple[str, ...]]:
    client.meta.events.register("before-send.ecs", service)
    deployment, others = ecs.force_new_deployment(client, "cluster", "backend", {"old"}, revision)
    return deployment.id, tuple(each.id for each in others)


LOST = {
    "no answer": ReadTimeoutError(endpoint_url=URL),
    "an error of the server": (500, "ServerException"),
    "half an answer": (200, "nothing of a service"),
}


@pytest.mark.parametrize("problem", LOST.values(), ids=LOST)
@pytest.mark.parametrize("revision", ["", REVISION])
def test_a_deployment_that_has_begun_is_taken_up(client: Any, problem: Any, revision: str) -> None:
    """It is ours, and nobody else's: ECS would begin another one."""
    service = Ecs(lambda number: problem if number == 1 else None)
    assert deployed(client, service, revision) == ("own-1", ())
    assert service.calls == 1


@pytest.mark.parametrize(("behind", "begins"), [(90, True), (-90, False)])
def test_this_machines_clock_does_not_matter(client: Any, behind: float, begins: bool) -> None:
    """Ahead of AWS's, it would begin a second deployment, and behind it, take an old one for ours."""
    service = Ecs(lambda number: LOST["no answer"] if number == 1 else None, begins, behind)  # type: ignore[arg-type, return-value]
    assert deployed(client, service) == ("own-1" if begins else "own-2", ())
    assert service.calls == (1 if begins else 2)


def test_a_deployment_that_ecs_shows_late_is_taken_up(client: Any) -> None:
    """Reads may be of before the call for some seconds."""
    service = Ecs(lambda number: ReadTimeoutError(endpoint_url=URL) if number == 1 else None)
    service.late_reads = 3
    assert deployed(client, service) == ("own-1", ())
    assert service.calls == 1


@pytest.mark.parametrize("problem", LOST.values(), ids=LOST)
def test_a_call_that_did_not_arrive_is_repeated(client: Any, problem: Any) -> None:
    """No deployment has begun since."""
    service = Ecs(lambda number: problem if number == 1 else None, begins=False)
    assert deployed(client, service) == ("own-2", ())
    assert service.calls == 2


def test_somebody_elses_deployment_of_another_revision_is_not_taken_for_ours(client: Any) -> None:
    """The call is repeated."""
    service = Ecs(lambda number: ReadTimeoutError(endpoint_url=URL) if number == 1 else None)
    assert deployed(client, service, REVISION.replace(":2", ":3"))[0] == "own-2"


@pytest.mark.parametrize(
    "problem",
    [
        (400, "ThrottlingException"),
        EndpointConnectionError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        ProxyConnectionError(proxy_url=URL),
        SSLError(endpoint_url=URL, error="no certificate"),
    ],
)
def test_a_call_that_aws_did_not_take_is_repeated_as_ever(client: Any, problem: Any) -> None:
    """Somebody else's deployment beside ours is named then."""
    service = Ecs(lambda number: problem if number < 3 else None, begins=False)
    assert deployed(client, service) == ("own-3", ("old",))


def test_answers_that_stay_lost_are_the_error_that_they_are(client: Any) -> None:
    """After some attempts."""
    with pytest.raises(ReadTimeoutError):
        deployed(client, Ecs(lambda number: LOST["no answer"], begins=False))  # type: ignore[arg-type, return-value]


def test_an_error_of_the_server_that_stays_is_that(client: Any) -> None:
    """As botocore gives it."""
    with pytest.raises(ClientError, match="ServerException"):
        deployed(client, Ecs(lambda number: (500, "ServerException"), begins=False))


@pytest.mark.parametrize("reason", ["MISSING", "ACCESS_DENIED", ""])
def test_an_answer_has_each_service_that_was_asked_for(client: Any, reason: str) -> None:
    """Or says that it does not exist: an answer without a service does not mean that nothing is wrong with it."""
    arn = "arn:aws:ecs:r:1:service/cluster/backend"
    body = {"services": [], "failures": [{"arn": arn, "reason": reason}] if reason else []}
    client.meta.events.register(
        "before-send.ecs", lambda **_: AWSResponse(URL, 200, {}, Raw(json.dumps(body).encode()))
    )
    if reason == "MISSING":
        assert ecs.describe_services(client, "cluster", ["backend"]) == ()
    else:
        with pytest.raises(InvalidResponse, match="DescribeServices"):
            ecs.describe_services(client, "cluster", ["backend"])


@pytest.mark.parametrize(
    ("body", "is_answer"), [(b"{}", True), (b"<html></html>", False), (b"[]", False), (b"", False)]
)
def test_a_page_is_no_answer_also_to_a_call_that_gives_nothing(client: Any, body: bytes, is_answer: bool) -> None:
    """A proxy may answer in the place of AWS, and nothing was done then."""
    client.meta.events.register("before-send.ecs", lambda **_: AWSResponse(URL, 200, {}, Raw(body)))
    with nullcontext() if is_answer else pytest.raises(InvalidResponse, match="TagResource"):
        client.tag_resource(resourceArn="arn:aws:ecs:r:1:service/cluster/backend", tags=[])
