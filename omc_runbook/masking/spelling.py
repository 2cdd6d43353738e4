"""The spellings of a text in output: plain, escaped, quoted and encoded."""

import base64
import html
import json
import re
from contextlib import suppress
from urllib.parse import quote, quote_plus

from omc_runbook.masking import guesses
from omc_runbook.masking.common import SHORTEST, is_common
from omc_runbook.masking.escapes import ANSI
from omc_runbook.masking.parts import parts

SHORT = 8
"""Below this many characters a text may be part of a word or a number, so it only counts when it stands alone."""

LONG = 12
"""From this many characters a text is also recognised by pieces of it."""

PIECE = 8
"""The length of a piece, in characters."""

TOKEN = "[A-Za-z0-9_+/-]"
"""A regular expression of the characters that tokens consist of, as keys and base64 do."""

BREAKS = re.compile(rf"{ANSI.pattern}|[\s\u2500-\u257f]+|[\"'=]\n\s*[\"']?|\\\n\s*(?:\\(?=\s))?")
"""What a program puts where it breaks a line, and blanks: colours, a table's frame, quotes of the two halves.

YAML begins the second half with a backslash where a blank follows; any other is that of an escape.
"""

_WRAP = 76
_MANY = 16
"""From so many characters of one kind a token may be random."""
_HARD = 0.85
"""From such a share of the guesses that random letters take a token is random; words and repetitions take fewer."""
_MIXED = 24
_DENSE = 0.25
"""From so many characters, and such a share of changes among them, a token of letters and digits is random."""
_TOKEN = re.compile(f"{TOKEN}+")
_CHANGE = re.compile(r"[A-Za-z][_+/-]*(?=[0-9])|[0-9][_+/-]*(?=[A-Za-z])|[a-z][_+/-]*(?=[A-Z])")


def spell(text: str) -> frozenset[str]:
    """Return the spellings of ``text``; below `SHORT` characters without encodings such as base64."""
    spellings = escape(text)
    if len(text) >= SHORT:
        for escaped_text in {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}:
            spellings |= _encodings(encode(escaped_text))
        if not text.isascii():
            # HTTP clients encode a login so; what is not in Latin-1 they refuse.
            with suppress(UnicodeEncodeError):
                spellings |= _encodings(text.encode("latin-1"))
    return frozenset(spellings)


def escape(text: str) -> set[str]:
    """Return ``text`` as it is, and as JSON, Python, URLs, HTML and shells escape it."""
    spellings = {text}
    for once in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        spellings |= {once[1:-1], json.dumps(once)[3:-3], json.dumps(once, ensure_ascii=False)[3:-3]}
        spellings.add(re.sub("[<>&']", lambda sign: f"\\u{ord(sign[0]):04x}", once)[1:-1])
    literal = repr(text)[1:-1]
    spellings |= {literal, literal.replace("'", "\\'"), json.dumps(literal)[1:-1], repr(encode(text))[2:-1]}
    for quoted in (quote(text, safe="", errors="replace"), quote(text, errors="replace")):
        spellings |= {quoted, re.sub("%..", lambda code: code[0].lower(), quoted)}
    spellings.add(quote_plus(text, errors="replace"))
    escaped = html.escape(text)
    spellings |= {escaped, html.escape(text, quote=False)}
    spellings.add(escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))
    spellings |= {text.replace("'", """'"'"'"""), text.replace("'", "'\\''")}
    return {spelling for spelling in spellings if len(spelling) >= len(text)}


def pieces(text: str) -> dict[str, int]:
    """Map each distinctive run of `PIECE` characters of a long text to its start.

    A run is distinctive when it changes between letters and digits or from small letters to capitals, at least twice
    if it contains dashes or slashes: words, dates and regions, which a secret may contain too, do not. So is each of
    many characters that are random: digits, letters that make no words, and both where they change often.
    """
    starts: dict[str, int] = {}
    if len(text) >= LONG:
        for token in _TOKEN.finditer(text):
            is_random = _is_random(token[0])
            for start in range(token.start(), token.end() - PIECE + 1):
                piece = text[start : start + PIECE]
                is_varied = len(_CHANGE.findall(piece)) >= (1 if piece.isalnum() else 2)
                # Of a key file whose lines are joined, the armour is public: it has dashes in a row.
                if is_varied or (is_random and "--" not in piece and not is_common(piece)):
                    starts.setdefault(piece, start)
    return starts


def _is_random(token: str) -> bool:
    """Whether a token consists of many digits, of many letters that make no words, or of both that change often."""
    if len(token) < _MANY or len(set(token)) <= PIECE / 2:
        return False
    if len(token) >= _MIXED and len(_CHANGE.findall(token)) >= _DENSE * len(token):
        return True
    return token.isdigit() or (token.isalpha() and guesses.estimate(token) > _HARD * min(len(token), guesses.LONGEST))


def shown_as(text: str) -> dict[str, None]:
    """Return the texts that a program may show instead of ``text``, itself first.

    They have no blanks around it, one blank for several, no line ends, or are one of its lines that is distinctive by
    itself, or a secret within it (`parts`).
    """
    lines = [line.strip() for line in text.splitlines()]
    variants = (text, text.strip(), " ".join(text.split()), "".join(text.splitlines()), "".join(lines))
    alone = [line for line in lines if not line.startswith("-----") and _is_distinctive(line)]
    return dict.fromkeys((*variants, *alone, *parts(text)))


def without_breaks(text: str) -> str:
    """Return what `BREAKS` leaves of a text on lines of its own, where that is long and no word; else ""."""
    bare = BREAKS.sub("", f"=\n{text}\n") if len(text) >= LONG else ""
    return bare if len(bare) >= LONG and not is_common(bare) else ""


def _is_distinctive(line: str) -> bool:
    return len(line) >= SHORT or (len(line) >= SHORTEST and _CHANGE.search(line) is not None)


def _encodings(data: bytes) -> set[str]:
    """Spell bytes in hexadecimal and in base64."""
    return {data.hex(), data.hex().upper(), *in_base64(data)}


def in_base64(data: bytes) -> set[str]:
    """Spell bytes in base64, at each of the three offsets at which they can start, and as its lines are wrapped."""
    spellings = set[str]()
    for before in range(3):
        # Only the characters that depend on these bytes alone: their neighbours are unknown.
        first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            spelling = encode(bytes(before) + data).decode("ascii")
            spellings.add(spelling[first:end])
            if before == 0 and end > _WRAP:
                wrapped = [spelling[at : min(at + _WRAP, end)] for at in range(0, end, _WRAP)]
                spellings.update(line for line in wrapped if len(line) >= LONG)
    return spellings


def encode(text: str) -> bytes:
    """A text in UTF-8, also one with half of a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
