"""Unescaping of text, however deep its escapes nest: JSON in JSON, a repr of bytes, HTML in a URL."""

import html
import re
from typing import NamedTuple

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Terminal colour codes, which tracebacks put in the middle of values."""
ANSI_SO_FAR = re.compile(rf"{ANSI.pattern}|\x1b(?:\[[0-9;?]*[ -/]*)?\Z")
"""The same, and the beginning of one where a text ends."""
HIGHLIGHT = re.compile(rf"{ANSI.pattern}|</?(?:span|mark)\b[^<>]*>")
"""Colour codes and the tags in their place in HTML, as Pygments and rich put around each part of a value."""

_HEX = "[0-9a-fA-F]"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_NO_BREAK = "\xa0"
"""What HTML has for a blank that is to stay."""
_PASSES = 6
"""How many layers of URL and HTML escapes are undone; one pass undoes all layers of backslashes."""


def _bytes(prefix: str) -> str:
    """The pattern of one character's UTF-8 bytes, or of one byte of something else."""
    tail = f"{prefix}[89abAB]{_HEX}"
    return (
        f"{prefix}[cdCD]{_HEX}{tail}|{prefix}[eE]{_HEX}(?:{tail}){{2}}|{prefix}[fF][0-7](?:{tail}){{3}}"
        f"|{prefix}{_HEX}{{2}}"
    )


def _first_bytes(prefix: str) -> str:
    """The pattern of the first bytes of a character in UTF-8, without its last one."""
    tail = f"{prefix}[89abAB]{_HEX}"
    return f"{prefix}(?:[cdCD]{_HEX}|[eE]{_HEX}(?:{tail})?|[fF][0-7](?:{tail}){{0,2}})"


_SLASHED, _PERCENT = _bytes(r"\\+x"), _bytes("%")
_BEGUN, _PERCENT_BEGUN = _first_bytes(r"\\+x"), _first_bytes("%")
_PAIR = rf"\\+u[dD][89abAB]{_HEX}{{2}}\\+u[dD][c-fC-F]{_HEX}{{2}}"
_ESCAPE = re.compile(
    # Most characters begin none of these.
    r"(?=[\\%&+'\"$])(?:(?P<quote>'\\*\"\\*'\\*\"\\*'|'\\+'')"
    rf"|(?P<bytes>{_SLASHED}|{_PERCENT})"
    r"|(?P<octal>(?:\\+[0-3][0-7]{2})+)"
    rf"|(?P<code>{_PAIR}|\\+u{_HEX}{{4}}|\\+U{_HEX}{{8}})"
    r"|\\+(?P<control>[nrtbfva0])"
    r"|(?P<slashes>\\+)"
    r"|(?P<entity>&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});)"
    r"|(?P<plus>\+)"
    r"|(?P<doubled>(?P<sign>[\"'$%])(?P=sign)+))"
)
_ANY = re.compile(r"[\\%&]|'\"|''|\"\"|\$\$")
_UNFINISHED = re.compile(
    # The first bytes of a character, or the first half of a pair; then what begins an escape.
    rf"(?:(?<!\\)(?:{_BEGUN}|\\+u[dD][89abAB]{_HEX}{{2}})|{_PERCENT_BEGUN})?"
    rf"(?:(?<!\\)\\+(?:u{_HEX}{{0,3}}|U{_HEX}{{0,7}}|x{_HEX}?)?|%{_HEX}?|&[#A-Za-z0-9]{{0,8}}|'\\*(?:\"\\*(?:'\\*)?)?)?\Z"
)


class Plain(NamedTuple):
    """An unescaped text, and for each of its characters its range in the original text."""

    text: str
    starts: list[int]
    ends: list[int]


def is_escaped(text: str) -> bool:
    """Whether ``text`` may contain an escape."""
    return _ANY.search(text) is not None


def unescape(text: str) -> str:
    """Return ``text`` with all escapes undone, in whatever order they nest, and without backslashes.

    All spellings of a text give the same result, so that a value can be found by it.
    """
    for _ in range(_PASSES):
        decoded = _ESCAPE.sub(_decode, text)
        if decoded == text:
            break
        text = decoded
    return text.replace(_NO_BREAK, " ")


def unescape_traceably(text: str, is_open: bool = False) -> Plain:
    """Do what `unescape` does, and record each character's range in the original text.

    With ``is_open`` more text may follow: an escape that is incomplete at the end is left out, however deep it nests.
    """
    plain = Plain(text, list(range(len(text))), list(range(1, len(text) + 1)))
    for _ in range(_PASSES):
        if is_open:
            end = len(without_unfinished(plain.text))
            plain = Plain(plain.text[:end], plain.starts[:end], plain.ends[:end])
        decoded = _pass(plain)
        if decoded.text == plain.text:
            break
        plain = decoded
    return plain._replace(text=plain.text.replace(_NO_BREAK, " "))


def without_unfinished(text: str) -> str:
    """Return ``text`` without an incomplete escape at its end."""
    return _UNFINISHED.sub("", text)


def _pass(plain: Plain) -> Plain:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for hit in _ESCAPE.finditer(plain.text):
        start, end = hit.span()
        decoded = _decode(hit)
        parts += [plain.text[last:start], decoded]
        # Of a row of quotes the one next to the value may be of it, and the others around it.
        first, final = (end - 1, start) if hit.lastgroup == "doubled" else (start, end - 1)
        starts += plain.starts[last:start] + [plain.starts[first]] * len(decoded)
        ends += plain.ends[last:start] + [plain.ends[final]] * len(decoded)
        last = end
    return Plain("".join([*parts, plain.text[last:]]), starts + plain.starts[last:], ends + plain.ends[last:])


def _decode(hit: re.Match[str]) -> str:
    kind, escape = hit.lastgroup, hit[0]
    if kind == "slashes":
        return ""
    if kind == "control":
        return _CONTROLS[hit["control"]]
    if kind == "plus":
        return " "
    if kind == "quote":
        return "'"
    if kind == "doubled":
        return escape[0]
    if kind == "octal":
        return bytes(int(code, 8) for code in re.findall("[0-7]+", escape)).decode("utf-8", "replace")
    if kind == "entity":
        return html.unescape(escape)
    if kind == "code":
        return _character(re.findall(rf"[uU]({_HEX}+)", escape))
    data = bytes.fromhex(re.sub(r"\\+x|%", "", escape))
    return data.decode("utf-8", "replace") if len(data) > 1 else data.decode("latin-1")


def _character(codes: list[str]) -> str:
    if len(codes) == 2:
        return bytes.fromhex("".join(codes)).decode("utf-16-be")
    code = int(codes[0], 16)
    return chr(code) if code <= 0x10FFFF else ""
