"""When a certificate or a token expires, read where the value is, and reported without it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import json_text

_CERTIFICATE = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(?P<body>[\w+/=\s]+)-----END")
_VALIDITY = re.compile(rb"\x30[\x1e\x20\x22](?:\x17\x0d\d{12}|\x18\x0f\d{14})Z(?:\x17\x0d|\x18\x0f)(?P<end>\d{12,14})Z")
"""ASN.1's sequence of two times, notBefore and notAfter. https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5"""
_TOKEN = re.compile(r"\A[\w-]+\.(?P<claims>eyJ[\w-]+)\.[\w-]*\Z")
_SIGNATURE = re.compile(
    r"(?:\A|[?&;])se=(?P<day>\d{4}-\d\d-\d\d)(?:T(?P<time>\d\d(?::|%3A)\d\d(?:(?::|%3A)\d\d)?)(?:\.\d+)?Z)?(?:&|\Z)",
    re.I,
)
"""The end of a shared access signature of Azure, which has its MAC as `sig`. See
https://learn.microsoft.com/rest/api/storageservices/create-service-sas"""
_OF_A_BUS = re.compile(
    r"\bSharedAccessSignature (?=(?:[^\s;]*&)?sig=)(?:[^\s;]*&)?se=(?P<epoch>\d{9,11})(?:[&;\s]|\Z)", re.I
)
"""The same of Service Bus, Event Hubs and IoT Hub, whose end is in seconds since 1970. See
https://learn.microsoft.com/azure/event-hubs/authenticate-shared-access-signature"""
_ROOTS = re.compile(r"(?i)(?:\A|[_.-])(?:CA(?:S|CERTS?|FILE)?|ROOT\w*|BUNDLE|TRUST\w*|CERT[A-Z]*S)(?:[_.-]|\Z)")
"""Names of certificates to trust, of which old ones may stay beside their successors."""
_LONGEST_CHAIN = 4
_UTC_TIME = 12
"""The digits of a time of which the century is left out: it is 1950 or later."""


@dataclass(frozen=True)
class Expiry:
    """What expires, with its article, and when."""

    what: str
    at: datetime


def expiry_of(value: Masked, name: str) -> Expiry | None:
    """When a certificate, a JWT or a shared access signature expires; None for any other, and for one that never does.

    Of a chain of certificates the first counts, of a bundle to trust the last to expire.
    """
    text = reveal(value)
    if token := _TOKEN.search(text):
        at = _claimed(token["claims"])
        return Expiry("a token (JWT)", at) if at else None
    if signature := _OF_A_BUS.search(text):
        return Expiry("a shared access signature", datetime.fromtimestamp(int(signature["epoch"]), UTC))
    signature = _SIGNATURE.search(text) if re.search(r"(?:\A|[?&;])sig=", text) else None
    if signature:
        at = _moment(signature["day"], signature["time"])
        return Expiry("a shared access signature", at) if at else None
    ends = [*_ends(text.replace("\\n", "\n"))]
    if not ends:
        return None
    is_bundle = _ROOTS.search(name) is not None or len(ends) > _LONGEST_CHAIN
    return Expiry("a certificate", max(ends) if is_bundle else ends[0])


def _claimed(claims: str) -> datetime | None:
    try:
        found = json_text.parse(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        # Some issuers write 0 where a token never expires.
        return datetime.fromtimestamp(int(found["exp"]), UTC) if found["exp"] else None
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


def _moment(day: str, time: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{day}T{(time or '00:00').upper().replace('%3A', ':')}+00:00")
    except ValueError:
        return None


def _ends(text: str) -> Iterator[datetime]:
    """The notAfter of each certificate that can be read."""
    for certificate in _CERTIFICATE.finditer(text):
        try:
            match = _VALIDITY.search(base64.b64decode(certificate["body"]))
            digits = match["end"].decode() if match else ""
            century = "" if len(digits) > _UTC_TIME else "20" if digits < "50" else "19"
            yield datetime.strptime(f"{century}{digits}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
