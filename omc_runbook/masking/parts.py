"""The secrets within a value, which a program may show alone: an address's password, what is in quotes or in base64."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from omc_runbook.masking.escapes import ANSI

_LOGIN = re.compile(r"""://[^\s"'/?#@:]*:(?P<value>[^\s"'@]+)@""")
"""The password in an address."""
_PAIR = re.compile(
    r"(?i)(?<![a-z])(?:password|passwd|pwd|accountkey|sharedaccesskey)\s?=\s?"
    r"(?:'(?P<quoted>[^'\n]+)'|(?P<value>[^\s;&'\"]+))"
)
"""The password in a list of names and values, such as libpq's and ADO.NET's connection strings."""
_CREDENTIALS = re.compile(r"(?i)\A(?P<scheme>basic|bearer|token)\s+(?P<value>\S+)\s*\Z")
"""What an Authorization header has."""
_QUOTED = re.compile(r"(?s)\A\s*(?P<mark>[\"'`])(?P<value>.+)(?P=mark)\s*\Z")
_ALPHANUMERIC, _FEWEST = re.compile("[A-Za-z0-9]"), 4
"""Of what a program has lost other characters of, so many remain at least: signs in their place are in any text."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?=.*[A-Fa-f])(?:[0-9A-Fa-f]{8,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})")


def parts(text: str) -> Iterator[str]:
    """Yield what a program may show of a value in its place, in no particular order."""
    yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    yield ANSI.sub("", text)
    if not text.isascii():
        yield from _misread(text)
    if _HEX.fullmatch(text):
        yield from (text.lower(), text.upper())
    # A document's members are values of their own.
    if not text.lstrip().startswith("{"):
        for login in _LOGIN.finditer(text):
            yield from (login["value"], unquote(login["value"]))
        for pair in _PAIR.finditer(text):
            yield pair["quoted"] or pair["value"]
    if quoted := _QUOTED.search(text):
        yield quoted["value"]
    if credentials := _CREDENTIALS.search(text):
        yield credentials["value"]
        if credentials["scheme"].lower() == "basic":
            yield decode(credentials["value"]).partition(":")[2]
    yield decode(text)


def _misread(text: str) -> Iterator[str]:
    """Yield what programs that expect another encoding show of a text in UTF-8 or Latin-1."""
    data = text.encode("utf-8", "surrogatepass")
    yield data.decode("latin-1")
    # Browsers show the five bytes that Windows does not use as they are.
    yield "".join(bytes((each,)).decode("cp1252", "ignore") or chr(each) for each in data)
    if len(_ALPHANUMERIC.findall(text)) >= _FEWEST:
        yield text.encode("ascii", "replace").decode()
        for errors in ("replace", "surrogateescape"):
            yield data.decode("ascii", errors)
            yield text.encode("latin-1", "replace").decode("utf-8", errors)


def decode(text: str) -> str:
    """The text that a value has in base64; "" where it is none."""
    if not _BASE64.fullmatch(text):
        return ""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        decoded = base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True).decode()
    except ValueError:
        return ""
    return decoded if all(each.isprintable() or each in "\r\n\t" for each in decoded) else ""
