"""Verification of AWS Signature Version 4 with the keys of this sandbox.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from botocore.utils import normalize_url_path
from moto.core.utils import utcnow

from omc_runbook.sandbox.credentials import Credentials, administrator
from omc_runbook.sandbox.principals import find_access_key

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<key>[A-Za-z0-9]+)/"
    r"(?P<scope>(?P<day>[0-9]{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request), ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;_.-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_CLOCK_SKEW = timedelta(minutes=15)
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Mismatch:
    """Why a signature is rejected: the error code, as STS returns it, and message."""

    code: str
    message: str


_MISSING = Mismatch("MissingAuthenticationToken", "Missing Authentication Token: sign the request (SigV4, in headers)")
_UNKNOWN = Mismatch("InvalidClientTokenId", "The security token included in the request is invalid.")
_EXPIRED = Mismatch("ExpiredToken", "The security token included in the request is expired")
_NO_TIME = Mismatch("IncompleteSignature", "X-Amz-Date must be the time of the request, such as 20260131T235959Z.")
_DIFFERENT = Mismatch(
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method.",
)


def verify(environ: Mapping[str, Any], body: bytes) -> Mismatch | None:
    """What is wrong with a request's signature; None if it is valid and not older than 15 minutes.

    The key is the administrator's, an active one of an IAM user, or an STS session's.
    """
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if not authorization:
        return _MISSING
    signed = _AUTHORIZATION.fullmatch(authorization)
    if signed is None:
        return Mismatch("IncompleteSignature", f"Authorization must be {_ALGORITHM} Credential=…, SignedHeaders=…")
    names = signed["headers"].split(";")
    if unsigned_headers := sorted({"host", *_amazon_headers(environ)} - set(names)):
        return Mismatch("SignatureDoesNotMatch", f"'{unsigned_headers[0]}' must be a signed header.")
    credentials = _credentials(signed["key"], _header(environ, "x-amz-security-token"))
    if isinstance(credentials, Mismatch):
        return credentials
    timestamp = _header(environ, "x-amz-date")
    if mismatch := _check_time(timestamp, signed["day"]):
        return mismatch
    payload = hashlib.sha256(body).hexdigest()
    declared = _header(environ, "x-amz-content-sha256")
    if declared == _UNSIGNED_PAYLOAD and signed["service"] == "s3":
        payload = declared
    elif declared and declared != payload:
        return Mismatch("SignatureDoesNotMatch", "The body has another hash than x-amz-content-sha256.")
    request = _canonical(environ, names, payload, is_s3=signed["service"] == "s3")
    text = "\n".join((_ALGORITHM, timestamp, signed["scope"], hashlib.sha256(request.encode()).hexdigest()))
    key = _signing_key(credentials.secret_key, signed["day"], signed["region"], signed["service"])
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(expected, signed["signature"]) else _DIFFERENT


def _credentials(access_key: str, token: str) -> Credentials | Mismatch:
    if hmac.compare_digest(access_key, administrator().access_key):
        return administrator()
    found = find_access_key(access_key)
    if found is None:
        return _UNKNOWN
    iam, key, session = found
    if session is None:
        is_valid = key.status == "Active" and key.user_name in iam.users
        return Credentials(access_key, key.secret_access_key) if is_valid else _UNKNOWN
    if not hmac.compare_digest(session.session_token.encode(), token.encode()):
        return _UNKNOWN
    return Credentials(access_key, key.secret_access_key) if session.expiration > utcnow() else _EXPIRED


def _check_time(timestamp: str, day: str) -> Mismatch | None:
    if not _TIME.fullmatch(timestamp):
        return _NO_TIME
    try:
        time = datetime.fromisoformat(timestamp)  # Much quicker than strptime.
    except ValueError:
        return _NO_TIME
    now = datetime.now(UTC)
    if abs(now - time) > _CLOCK_SKEW:
        return Mismatch(
            "SignatureDoesNotMatch", f"Signature expired: {timestamp} is too far from {now:%Y%m%dT%H%M%SZ}."
        )
    return None if timestamp.startswith(day) else _DIFFERENT


def _canonical(environ: Mapping[str, Any], names: list[str], payload: str, is_s3: bool) -> str:
    path, _, query = environ["REQUEST_URI"].partition("?")
    if not is_s3:
        path = quote(normalize_url_path(path), safe="/~")
    parameters = ["=".join(pair) for pair in sorted(part.partition("=")[::2] for part in query.split("&") if part)]
    headers = [f"{name}:{' '.join(_header(environ, name).split())}" for name in names]
    method = environ["REQUEST_METHOD"]
    return "\n".join((method, path, "&".join(parameters), *headers, "", ";".join(names), payload))


def _header(environ: Mapping[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))


def _amazon_headers(environ: Mapping[str, Any]) -> set[str]:
    return {name.removeprefix("HTTP_").lower().replace("_", "-") for name in environ if name.startswith("HTTP_X_AMZ_")}


@lru_cache(maxsize=256)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for text in (day, region, service, "aws4_request"):
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return key
