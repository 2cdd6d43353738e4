"""The WSGI layer in front of moto: wire faults, permissions, the trail, and the sandbox's private paths."""

import io
import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.models import FakeSecret

from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.aws.secretsmanager import locate
from omc_runbook.sandbox.calls import Call, error_of, parse, refuse
from omc_runbook.sandbox.ecs import network
from omc_runbook.sandbox.principals import Principal, caller
from omc_runbook.sandbox.resources import resources_of
from omc_runbook.sandbox.trail import TRAIL
from omc_runbook.sandbox.wire import WIRE

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Control = Callable[[str, str, dict[str, Any]], dict[str, Any] | None]

PRIVATE = "/_sandbox/"
# Decided with the secret and its key at hand, and once a secret for a batch.
_DECIDED_LATER = {"secretsmanager:GetSecretValue"}
_JSON = "application/json"


class Gateway:
    """A WSGI application around moto's; `control` answers the private paths."""

    def __init__(self, application: Application, control: Control) -> None:
        self._application = application
        self._control = control

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        path = environ.get("PATH_INFO", "")
        if path.startswith(PRIVATE):
            return self._private(environ["REQUEST_METHOD"], path, body, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        call = parse(environ, body)
        if call is None:
            return self._application(environ, start_response)
        return self._answer(call, environ, start_response)

    def _answer(self, call: Call, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request_id = str(uuid.uuid4())
        principal = caller(call.access_key)
        resources = resources_of(call, principal.account)
        error = WIRE.apply(call.permission, principal.arn) or _denied(call, principal, resources)
        if error is not None:
            TRAIL.record(call, principal, request_id, resources, error)
            status, kind, answer = refuse(call, *error, request_id)
            return _respond(start_response, status, kind, answer, ("x-amzn-RequestId", request_id))
        seen: list[str] = []

        def start(status: str, headers: Any, *rest: Any) -> Any:
            seen.append(status)
            return start_response(status, headers, *rest)

        try:
            parts = self._application(environ, start)
            answer = b"".join(parts)
            if hasattr(parts, "close"):
                parts.close()
        except NotImplementedError:
            message = f"The sandbox does not offer {call.permission}."
            TRAIL.record(call, principal, request_id, resources, ("NotImplemented", message))
            _, kind, answer = refuse(call, "NotImplemented", message, request_id)
            return _respond(start_response, "501 Not Implemented", kind, answer)
        network.note(call)
        failed = seen and not seen[-1].startswith(("2", "3"))
        TRAIL.record(call, principal, request_id, resources, error_of(answer) if failed else None)
        return [answer]

    def _private(self, method: str, path: str, body: bytes, start_response: StartResponse) -> Iterable[bytes]:
        try:
            members = json.loads(body or b"{}")
            answer = self._control(method, path.removeprefix(PRIVATE), members)
        except (ValueError, TypeError, UsageError) as error:
            return _respond(start_response, "400 Bad Request", _JSON, _json({"error": str(error)}))
        if answer is None:
            return _respond(start_response, "404 Not Found", _JSON, _json({"error": f"no such path: {path}"}))
        return _respond(start_response, "200 OK", _JSON, _json(answer))


def _denied(call: Call, principal: Principal, resources: list[str]) -> tuple[str, str] | None:
    if call.permission == "sts:GetCallerIdentity" or call.permission in _DECIDED_LATER:
        return None
    if principal.kind == "administrator" and not principal.scps:
        return None
    for resource in resources:
        secret = _secret(call, principal, resource)
        policy, owner = (secret.policy, secret.account_id) if secret else (None, "")
        context = context_of(principal, call.region)
        if call.service == "ecs" and call.text("cluster"):
            cluster = call.text("cluster")
            if not cluster.startswith("arn:"):
                cluster = f"arn:aws:ecs:{call.region}:{principal.account}:cluster/{cluster}"
            context["ecs:cluster"] = cluster
        message = refusal(principal, call.permission, resource, context, policy, owner)
        if message is not None:
            codes = {"json": "AccessDeniedException", "cbor": "AccessDeniedException"}
            code = "UnauthorizedOperation" if call.service == "ec2" else codes.get(call.protocol, "AccessDenied")
            return code, message
    return None


def _secret(call: Call, principal: Principal, resource: str) -> FakeSecret | None:
    if call.service != "secretsmanager" or resource == "*":
        return None
    try:
        return locate(resource, principal.account, call.region)
    except JsonRESTError:
        return None


def _respond(
    start_response: StartResponse, status: str, kind: str, body: bytes, *headers: tuple[str, str]
) -> Iterable[bytes]:
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [body]


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, default=str).encode()
