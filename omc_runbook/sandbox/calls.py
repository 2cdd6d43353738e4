"""Parsing of AWS API requests, and errors in their protocols."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qsl, unquote

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]*)/([^/]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
_SCHEDULER_PATH = re.compile(r"/schedules(?:/([^/]+))?/?")
_FUNCTION_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/configuration")
_FUNCTIONS_PATH = re.compile(r"/[0-9-]+/functions/?")
_SCHEDULER_VERBS = {"GET": "Get", "POST": "Create", "PUT": "Update", "DELETE": "Delete"}
_S3_VERBS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_S3_SUBRESOURCES = frozenset({"acl", "attributes", "legal-hold", "retention", "tagging"})
_S3_KEY = "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID"
_EVENT_SOURCES = {"monitoring": "monitoring", "email": "ses"}
_IAM_PREFIXES = {"monitoring": "cloudwatch"}
# Other names of STS's errors: in JSON or CBOR responses, and in EC2.
_JSON_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "IncompleteSignature": "IncompleteSignatureException",
    "ExpiredToken": "ExpiredTokenException",
}
_EC2_CODES = {"InvalidClientTokenId": "AuthFailure", "SignatureDoesNotMatch": "AuthFailure"}


_READS = ("Describe", "Get", "List", "Lookup", "BatchGet", "Simulate", "Filter", "Search")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A signed API request; `params` are the parsed JSON members or the query's form fields."""

    service: str
    action: str
    region: str
    access_key: str
    user_agent: str
    protocol: str
    params: Mapping[str, Any] = field(repr=False)

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, by its action's name."""
        return self.action.startswith(_READS)

    @property
    def is_of_data(self) -> bool:
        """Whether CloudTrail takes it for a data event, which the event history does not have."""
        return self.service == "s3"

    @property
    def permission(self) -> str:
        """The IAM action, such as "ecs:DescribeServices"."""
        return f"{_IAM_PREFIXES.get(self.service, self.service)}:{self.action}"

    @property
    def event_source(self) -> str:
        """CloudTrail's name of the service, such as "ecs.amazonaws.com"."""
        return f"{_EVENT_SOURCES.get(self.service, self.service)}.amazonaws.com"

    def text(self, *names: str) -> str:
        """The first of these parameters that is text; "" if none is."""
        return next((v for name in names if isinstance(v := self.params.get(name), str)), "")

    def texts(self, name: str) -> list[str]:
        """The texts of a list parameter, in any protocol."""
        value = self.params.get(name)
        if isinstance(value, list):
            return [entry for entry in value if isinstance(entry, str)]
        return [str(v) for k, v in self.params.items() if re.fullmatch(rf"{name}(\.member)?\.\d+", k)]


def parse(environ: Mapping[str, Any], body: bytes) -> Call | None:
    """Parse a request; None if it is not a signed call."""
    scope = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return None
    access_key, region, service = scope.groups()
    params: Mapping[str, Any] = {}
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        action, protocol, params = target.rpartition(".")[2], "json", _members(body)
    elif operation := _CBOR_PATH.search(environ.get("PATH_INFO", "")):
        action, protocol = operation.group(1), "cbor"
    elif service == "s3":
        action, params = _s3_call(environ)
        protocol = "query"
    elif service == "scheduler":
        action, params = _scheduler_call(environ, body)
        protocol = "json"
    elif service == "lambda":
        action, params = _lambda_call(environ)
        protocol = "json"
    else:
        # A request body that is not text (an upload) has no form fields to read.
        params = dict(parse_qsl(body.decode("latin-1"))) or dict(parse_qsl(environ.get("QUERY_STRING", "")))
        action, protocol = params.get("Action", ""), "query"
    if not action:
        return None
    return Call(
        service=service,
        action=action,
        region=region,
        access_key=access_key,
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        protocol=protocol,
        params=params,
    )


def _lambda_call(environ: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The action of a call that reads a function or lists all, which Lambda names by method and path; "" for others."""
    if environ["REQUEST_METHOD"] != "GET":
        return "", {}
    path = unquote(environ.get("PATH_INFO", ""))
    if _FUNCTIONS_PATH.fullmatch(path):
        return "ListFunctions", {}
    function = _FUNCTION_PATH.fullmatch(path)
    return ("GetFunctionConfiguration", {"FunctionName": function.group(1)}) if function else ("", {})


def _s3_call(environ: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The permission for a call about objects of a bucket, which S3 names by method and path; "" for other calls."""
    bucket, _, key = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
    query, method = dict(parse_qsl(environ.get("QUERY_STRING", ""), True)), environ["REQUEST_METHOD"]
    if not bucket or _S3_SUBRESOURCES & query.keys():
        return "", {}
    action = _S3_VERBS.get(method, "") if key else "ListBucket" if method == "GET" and "list-type" in query else ""
    return action, {"Bucket": bucket, "Key": key, "SSEKMSKeyId": environ.get(_S3_KEY, "")}


def _scheduler_call(environ: Mapping[str, Any], body: bytes) -> tuple[str, Mapping[str, Any]]:
    """The action and members of a request to EventBridge Scheduler, which names them by method and path."""
    path = _SCHEDULER_PATH.fullmatch(environ.get("PATH_INFO", ""))
    if path is None:
        return "", {}
    if path.group(1) is None:
        return "ListSchedules", {}
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    names = {"Name": path.group(1), "GroupName": query.get("groupName", "default")}
    return f"{_SCHEDULER_VERBS.get(environ['REQUEST_METHOD'], '')}Schedule", names | _members(body)


def unsigned_call(environ: Mapping[str, Any]) -> Call:
    """A placeholder for a request that is no signed call, with the protocol in which to reject it."""
    is_cbor = _CBOR_PATH.search(environ.get("PATH_INFO", ""))
    protocol = "json" if environ.get("HTTP_X_AMZ_TARGET") else "cbor" if is_cbor else "query"
    return Call(service="", action="", region="", access_key="", user_agent="", protocol=protocol, params={})


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def format_error(call: Call, code: str, message: str, request_id: str) -> tuple[str, str, bytes]:
    """Format an error in the call's protocol: (HTTP status line, content type, body)."""
    if call.protocol in ("json", "cbor"):
        code = _JSON_CODES.get(code, code)
    elif call.service == "ec2":
        code = _EC2_CODES.get(code, code)
    if call.protocol == "json":
        return "400 Bad Request", "application/x-amz-json-1.1", _json_error(code, message)
    if call.protocol == "cbor":
        return "400 Bad Request", "application/cbor", _cbor_error(code, message)
    status = "403 Forbidden" if code in ("AccessDenied", "UnauthorizedOperation") else "400 Bad Request"
    error = f"<Code>{escape(code, quote=False)}</Code><Message>{escape(message, quote=False)}</Message>"
    if call.service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return status, "text/xml", text.encode()


def parse_error(body: bytes) -> tuple[str, str]:
    """The code and message of the error in a failed response's body, in either protocol."""
    try:
        members = json.loads(body)
        message = members.get("message") or members.get("Message") or ""
        return str(members.get("__type", "")).rpartition("#")[2], str(message)
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
        code, message = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("Code", "Message"))
        return (code.group(1) if code else ""), (message.group(1) if message else "")


def _json_error(code: str, message: str) -> bytes:
    return json.dumps({"__type": code, "message": message, "Message": message}).encode()


def _cbor_error(code: str, message: str) -> bytes:
    def text(value: str) -> bytes:
        data = value.encode()
        return b"\x79" + len(data).to_bytes(2, "big") + data

    return b"\xa2" + text("__type") + text(code) + text("message") + text(message)
