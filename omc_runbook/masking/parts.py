"""The secrets within a value, which a program may show alone: an address's password, what is in quotes or in base64."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from omc_runbook.masking.common import SHORTEST, is_common
from omc_runbook.masking.escapes import ANSI

_LOGIN = re.compile(r"""://[^\s"'/?#@:]*:(?P<value>[^\s"'@]+)@""")
"""The password in an address."""
_LONGEST = 500
"""How many more characters than its first a password with blanks has at most."""
_PASSWORD = r"(?i)(?<![a-z])(?:password|passwd|pwd|accountkey|sharedaccesskey)\s?=\s?"
_PAIR = re.compile(
    rf"{_PASSWORD}(?:'(?P<quoted>[^'\n]+)'|\"(?P<doubly>[^\"\n]+)\"|\{{(?P<braced>[^}}\n]+)\}}|(?P<value>[^\s;&'\"]+))"
)
"""The password in a list of names and values, such as libpq's, ADO.NET's and ODBC's connection strings."""
_SEPARATED = re.compile(rf"{_PASSWORD}(?P<value>[^\s;'\"{{][^;\n]{{0,{_LONGEST}}})(?=;)")
"""One that may have blanks: where semicolons separate, as in ADO.NET's."""
_ESCAPED = re.compile(
    rf"{_PASSWORD}(?:(?P<mark>['\"])(?P<quoted>(?:\\.|(?P=mark){{2}}|(?!(?P=mark))[^\\\n])+)(?P=mark)"
    r"|\{(?P<braced>(?:\}\}|[^}\n])+)\}|(?P<value>(?![;&'\"{])(?:\\.|(?![;&][A-Za-z][\w .-]{0,40}=)[^\s\\])+))"
)
"""One with its own quotes in it: libpq's have backslashes before signs, the others have quotes and braces twice.

It ends where the next name begins: an empty password has no neighbour in it.
"""
_CREDENTIALS = re.compile(r"(?i)\A(?P<scheme>basic|bearer|token)\s+(?P<value>\S+)\s*\Z")
"""What an Authorization header has."""
_BASIC = re.compile(r"[^\s:/{\"]+:(?P<value>(?!//)\S+)")
"""A login as Docker's configuration and settings of HTTP clients have it in base64, without the header's scheme."""
_QUOTED = re.compile(r"(?s)\A\s*(?P<mark>[\"'`])(?P<value>.+)(?P=mark)\s*\Z")
_ALPHANUMERIC = re.compile("[A-Za-z0-9]+")
_MISREAD = 4096
"""Up to how many characters a value is looked for in other encodings, which takes time."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?=.*[A-Fa-f])(?:[0-9A-Fa-f]{8,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})")


def parts(text: str) -> Iterator[str]:
    """Yield what a program may show of a value in its place, in no particular order."""
    yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    yield ANSI.sub("", text)
    if not text.isascii() and len(text) <= _MISREAD:
        yield from _misread(text)
    if _HEX.fullmatch(text):
        yield from (text.lower(), text.upper())
    # A document's members are values of their own.
    if not text.lstrip().startswith("{"):
        for login in _LOGIN.finditer(text):
            yield from (login["value"], unquote(login["value"]))
        for password in _paired(text):
            # It may stand in the query of an address.
            yield from (password, unquote(password), unquote_plus(password))
    if quoted := _QUOTED.search(text):
        yield quoted["value"]
    if credentials := _CREDENTIALS.search(text):
        yield credentials["value"]
        if credentials["scheme"].lower() == "basic":
            yield decode(credentials["value"]).partition(":")[2]
    yield (decoded := decode(text))
    if basic := _BASIC.fullmatch(decoded):
        yield basic["value"]


def _paired(text: str) -> Iterator[str]:
    """Yield the passwords in a list of names and values."""
    for pair in _PAIR.finditer(text):
        yield pair["quoted"] or pair["doubly"] or pair["braced"] or pair["value"]
    for pair in _SEPARATED.finditer(text):
        yield pair["value"].rstrip()
    for pair in _ESCAPED.finditer(text):
        mark, inner = pair["mark"] or "}", pair["quoted"] or pair["braced"] or pair["value"]
        yield from (inner.replace(mark * 2, mark), re.sub(r"\\(.)", r"\1", inner))


def _misread(text: str) -> Iterator[str]:
    """Yield what programs that expect another encoding show of a text in UTF-8 or Latin-1."""
    data = text.encode("utf-8", "surrogatepass")
    yield data.decode("latin-1")
    # Browsers show the five bytes that Windows does not use as they are.
    yield "".join(bytes((each,)).decode("cp1252", "ignore") or chr(each) for each in data)
    # Signs stand in the place of what is lost: the rest has to be a value, as no word with a question mark is.
    runs = _ALPHANUMERIC.findall(text)
    if len("".join(runs)) >= SHORTEST and not is_common(" ".join(runs)):
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
