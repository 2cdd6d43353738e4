"""The WSGI layer in front of moto: authentication, wire faults, permissions, event history and control paths."""

import hmac
import io
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.models import FakeSecret

from omc_runbook.model.arn import account_in
from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox import folders, resources
from omc_runbook.sandbox.admission import rejection
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.aws.secretsmanager import keys_of as keys_of_secret
from omc_runbook.sandbox.aws.secretsmanager import locate
from omc_runbook.sandbox.calls import Call, format_error, parse, parse_error, unsigned_call
from omc_runbook.sandbox.ecs import network
from omc_runbook.sandbox.handler import CLOSE
from omc_runbook.sandbox.principals import Principal, caller, rcps, trust_policy
from omc_runbook.sandbox.signature import verify
from omc_runbook.sandbox.trail import EVENT_HISTORY
from omc_runbook.sandbox.wire import WIRE

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Control = Callable[[str, str, dict[str, Any]], dict[str, Any] | None]

PRIVATE = "/_sandbox/"
_CONTROL = ("/_sandbox", "/moto-api", "/favicon.ico")
_TOKEN = f"HTTP_{folders.TOKEN_HEADER.upper().replace('-', '_')}"
_SLASHES = re.compile("/+")
_MAX_BYTES = 64 * 1024 * 1024
_FORBIDDEN = "403 Forbidden"
# Authorized by Secrets Manager itself, with the secret and its key, and for each secret of a batch.
_AUTHORIZED_LATER = {"secretsmanager:GetSecretValue"}
_BATCH = "secretsmanager:BatchGetSecretValue"
_JSON = "application/json"


class Gateway:
    """A WSGI application around moto's.

    `control` answers the control paths, to callers with the token; `notify` is called after each call that may have
    changed something, with its IAM action.
    """

    def __init__(self, application: Application, control: Control, token: str, notify: Callable[[str], None]) -> None:
        self._application = application
        self._notify = notify
        self._control = control
        self._token = token.encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; rejects those of web pages and those with an invalid signature."""
        try:
            body = _read(environ)
        except (ValueError, OSError) as error:
            return _respond(start_response, "400 Bad Request", _JSON, _json({"error": f"the body: {error}"}), CLOSE)
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        reason = rejection(environ["REQUEST_METHOD"], host, origin, int(environ["SERVER_PORT"]))
        if reason:
            return _respond(start_response, _FORBIDDEN, _JSON, _json({"error": reason}))
        # The router takes several slashes for one.
        path = _SLASHES.sub("/", environ.get("PATH_INFO", "")).lower()
        if path.startswith(_CONTROL):
            return self._answer_control(environ, body, start_response)
        call = parse(environ, body)
        with STATE:
            mismatch = verify(environ, body)
        if mismatch is not None:
            rejected = call or unsigned_call(environ)
            _, kind, answer = format_error(rejected, mismatch.code, mismatch.message, str(uuid.uuid4()))
            return _respond(start_response, _FORBIDDEN, kind, answer)
        if call is None:
            return self._ask_moto(environ, start_response)
        return self._answer_call(call, environ, start_response)

    def _answer_call(self, call: Call, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with STATE:
            principal = caller(call.access_key)
            arns = resources.resources_of(call, principal.account)
        # Without the lock, so that a wire rule delays its own calls alone.
        error = WIRE.apply(call.permission, principal.arn)
        with STATE:
            return self._answer_next(call, principal, arns, error, environ, start_response)

    def _answer_next(
        self,
        call: Call,
        principal: Principal,
        arns: list[str],
        error: tuple[str, str] | None,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        request_id = str(uuid.uuid4())
        error = error or _denial(call, principal, arns)
        if error is not None:
            EVENT_HISTORY.record(call, principal, request_id, arns, error)
            status, kind, answer = format_error(call, *error, request_id)
            return _respond(start_response, status, kind, answer, ("x-amzn-RequestId", request_id))
        statuses: list[str] = []

        def start(status: str, headers: Any, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, headers, *rest)

        try:
            answer = b"".join(self._ask_moto(environ, start))
        except NotImplementedError:
            message = f"The sandbox does not offer {call.permission}."
            EVENT_HISTORY.record(call, principal, request_id, arns, ("NotImplemented", message))
            _, kind, answer = format_error(call, "NotImplemented", message, request_id)
            return _respond(start_response, "501 Not Implemented", kind, answer)
        network.forget_after(call)
        if not call.is_read:
            self._notify(call.permission)
        failed = statuses and not statuses[-1].startswith(("2", "3"))
        EVENT_HISTORY.record(call, principal, request_id, arns, parse_error(answer) if failed else None)
        if call.permission == _BATCH and not failed:
            for part, arn, error in _parts(call, answer):
                EVENT_HISTORY.record(part, principal, request_id, [arn], error)
        return [answer]

    def _ask_moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """moto's own answer, whole; one at a time, because its state is not safe to use from several threads."""
        with STATE:
            parts = self._application(environ, start_response)
            answer = b"".join(parts)
            if hasattr(parts, "close"):
                parts.close()
            return [answer]

    def _answer_control(self, environ: Environ, body: bytes, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a control path, the sandbox's or moto's, if the request has the token of the state file."""
        if not hmac.compare_digest(environ.get(_TOKEN, "").encode(), self._token):
            error = f"{folders.TOKEN_HEADER} has to be the token of the sandbox's state file"
            return _respond(start_response, _FORBIDDEN, _JSON, _json({"error": error}))
        path = environ["PATH_INFO"]
        if not path.startswith(PRIVATE):
            return self._ask_moto(environ, start_response)
        try:
            answer = self._control(environ["REQUEST_METHOD"], path.removeprefix(PRIVATE), json.loads(body or b"{}"))
        except (ValueError, TypeError, UsageError) as error:
            return _respond(start_response, "400 Bad Request", _JSON, _json({"error": str(error)}))
        if answer is None:
            return _respond(start_response, "404 Not Found", _JSON, _json({"error": f"no such path: {path}"}))
        return _respond(start_response, "200 OK", _JSON, _json(answer))


def _parts(call: Call, answer: bytes) -> Iterator[tuple[Call, str, tuple[str, str] | None]]:
    """The calls of which a batch consists, each with its secret's ARN and its error, as CloudTrail has them."""
    members = json.loads(answer)
    for value in members["SecretValues"]:
        yield replace(call, action="GetSecretValue", params={"SecretId": value["ARN"]}), value["ARN"], None
    for failure in members["Errors"]:
        part = replace(call, action="GetSecretValue", params={"SecretId": failure["SecretId"]})
        arn = resources.resources_of(part, caller(call.access_key).account)[0]
        yield part, arn, (failure["ErrorCode"], failure["Message"])


def _read(environ: Environ) -> bytes:
    """Read the whole body, also a chunked one, and put it back; raises ValueError if it is too long."""
    stream, length = environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0)
    is_chunked = environ.pop("wsgi.input_terminated", False)
    if not 0 <= length <= _MAX_BYTES:
        raise ValueError(f"its length is not between 0 and {_MAX_BYTES} bytes")
    body: bytes = stream.read(_MAX_BYTES + 1) if is_chunked else stream.read(length) if length else b""
    if len(body) > _MAX_BYTES:
        raise ValueError(f"it is longer than {_MAX_BYTES} bytes")
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
    return body


def _denial(call: Call, principal: Principal, arns: list[str]) -> tuple[str, str] | None:
    if call.permission == "sts:GetCallerIdentity" or call.permission in _AUTHORIZED_LATER:
        return None
    if call.permission == "sts:AssumeRole":
        return _refused_role(call, principal)
    owners = {principal.account, *(account_in(arn) for arn in arns if arn.count(":") > 4)}
    if principal.kind == "administrator" and not principal.scps and not any(map(rcps, owners)):
        return None
    for resource in arns:
        secret = _secret(call, principal, resource)
        policy, owner = (secret.policy, secret.account_id) if secret else (None, "")
        account = principal.account
        keys = keys_of_secret(secret.arn, secret) if secret else resources.keys_of(call, account, resource)
        context = context_of(principal, call.region, keys)
        if call.service == "ecs" and call.text("cluster"):
            cluster = call.text("cluster")
            if not cluster.startswith("arn:"):
                cluster = f"arn:aws:ecs:{call.region}:{principal.account}:cluster/{cluster}"
            context["ecs:cluster"] = cluster
        message = refusal(principal, call.permission, resource, context, policy, owner)
        for permission, arn, own_keys in () if message else resources.find_more_permissions(call, account, resource):
            message = message or refusal(principal, permission, arn, context | own_keys)
        if message is not None:
            if call.service == "ec2":
                return "UnauthorizedOperation", message
            return ("AccessDenied" if call.protocol == "query" else "AccessDeniedException"), message
    return None


def _refused_role(call: Call, principal: Principal) -> tuple[str, str] | None:
    """Why a role may not be assumed: its trust policy decides for administrators too."""
    arn = call.text("RoleArn")
    keys = {
        **resources.keys_of_role(arn),
        "sts:ExternalId": call.text("ExternalId") or (),
        "sts:RoleSessionName": call.text("RoleSessionName"),
    }
    context = context_of(principal, call.region, keys)
    message = refusal(
        principal, call.permission, arn, context, trust_policy(arn), account_in(arn) if ":" in arn else "", is_role=True
    )
    return ("AccessDenied", message) if message is not None else None


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
