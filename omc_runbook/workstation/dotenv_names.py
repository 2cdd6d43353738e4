"""Names and lines of a .env that look like assignments, whether or not a program parses them as such."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

_NAME = r"(?:[A-Z][A-Z0-9]{0,30}(?:[-.][A-Z][A-Z0-9_]{0,30})+|[A-Za-z_][A-Za-z0-9_]{0,47})"
"""What has the form of a name, or of one in capitals with a hyphen by mistake."""
_WORD = r"(?![A-Za-z0-9]{16})(?:[A-Z]+\d{0,3}[A-Z]*|[a-z]+\d{0,3}[a-z]*|\d{1,4})"
_PLAIN_NAME = re.compile(rf"_*{_WORD}(?:[_.-]+{_WORD})*_*")
"""A name of short words of one case with few digits, as hardly any generated value is."""

_ASSIGNMENT = re.compile(rf"\s*(?:export\s+)?'?({_NAME})'?\s*([=:])([^\S\n]*)(['\"]?)(.*)", re.DOTALL)
_BEFORE_VALUE = re.compile(r"'?(?:=|[^\S\n]+=[^\S\n]*)['\"]?(?!-----)[\w/$.{~+!%*(\[^-]")
"""What stands between a name and its value: not the = at the end of a key in base64, nor what follows that.

Such as the last line of a PEM file, a tag of XML, or the host after a password.
"""
BLOCK_MARK = re.compile(r"[^\S\n]*[|>][-+\d]{0,2}[^\S\n]*")
"""What begins a block of YAML, in the place of a value."""
_ALONE = re.compile(rf"\s*(?:export\s+)?({_NAME})\s*")

_FIRST_WORD = re.compile(rf"\s*(?:(?:export|set|setenv)\s+(?:-\w+\s+)*)?({_NAME})\s")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_SPACED_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z]\w{0,30}(?:[ \t]+\w{1,30}){1,5})\s*[=:]", re.ASCII)
_INNER_NAME = re.compile(rf"(?<![A-Za-z0-9_])({_NAME})[^\w\n$=:\uff1d]{{0,3}}[=:\uff1d]")
_PRIVATE_KEY = re.compile(r"-----BEGIN [^\n]*-----\n.*?-----END [^\n]*-----", re.DOTALL)
_BLOCK = re.compile(rf"^([^\S\n]*){_NAME}[^\S\n]*:{BLOCK_MARK.pattern}$(?:\n\1[^\S\n]+\S.*)+", re.MULTILINE)
_CLOSING = {"'": re.compile(r"(?:\\.|[^'\\])*'", re.DOTALL), '"': re.compile(r'(?:\\.|[^"\\])*"', re.DOTALL)}


def is_name(word: str, known: Collection[str]) -> bool:
    """Whether a word that has no value beside it is a variable's name, and no value: a known one, or plain words.

    `known` are the names that the checkout has elsewhere, in lower case.
    """
    return word.casefold() in known or _PLAIN_NAME.fullmatch(word) is not None


def is_alone(line: str, known: Collection[str]) -> bool:
    """Whether a line is a name and nothing else: a known one, or plain words in capitals."""
    match = _ALONE.fullmatch(line)
    return match is not None and is_name(match[1], known) and (match[1].isupper() or match[1].casefold() in known)


def match_assignment(line: str, known: Collection[str]) -> re.Match[str] | None:
    """A line that looks like an assignment, as its name, separator, blanks, quote and rest; None for any other.

    A word with nothing but = after it may be a piece of a value, as of one in base64; and so may one before a colon.
    """
    match = _ASSIGNMENT.match(line)
    is_assignment = match and (_BEFORE_VALUE.match(line, match.end(1)) or is_name(match[1], known))
    return match if is_assignment else None


def is_shown(name: str | None, value: str | None, raw: str, known: Collection[str]) -> bool:
    """Whether the name of a statement is a variable's name, and not a piece of a value that was split into lines."""
    if value is None:
        return is_alone(raw, known)
    match = match_assignment(raw, known)
    return match is not None and match[1] == name


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither blank nor a comment, each with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def value_lines(text: str) -> frozenset[int]:
    """The lines of PEM private keys and of YAML blocks after their first: they may look like names."""
    hidden: set[int] = set()
    for value in (*_PRIVATE_KEY.finditer(text), *_BLOCK.finditer(text)):
        first = text.count("\n", 0, value.start()) + 1
        hidden |= {*range(first + 1, first + value[0].count("\n") + 1)}
    return frozenset(hidden)


def find_assignments(text: str, hidden: Collection[int], known: Collection[str] = ()) -> dict[int, re.Match[str]]:
    """The lines that look like assignments, by number, each as `match_assignment` gives it."""
    lines = ((number, line) for number, line in lines_of(text) if number not in hidden)
    return {number: match for number, line in lines if (match := match_assignment(line, known))}


def first_words_of(text: str, hidden: Collection[int], known: Collection[str] = ()) -> frozenset[str]:
    """Names in lines that are no assignment: the first word, or a name before = after `set` or an invisible character.

    Blanks in a name are replaced by underscores. They may be pieces of values and must not be shown.
    """
    lines = [line for number, line in lines_of(text) if number not in hidden and not match_assignment(line, known)]
    others = [_INVISIBLE.sub("", line) for line in lines]
    first = (word[1] for word in map(_FIRST_WORD.match, others) if word)
    apart = ("_".join(words[1].split()) for words in map(_SPACED_NAME.match, others) if words)
    inner = (name for line in others for name in _INNER_NAME.findall(line))
    return frozenset(name for name in (*first, *apart, *inner) if is_name(name, known))


def find_open_quotes(matches: Mapping[int, re.Match[str]]) -> list[int]:
    """The lines with a value whose quote is not closed on the same line."""
    return [number for number, match in matches.items() if match[4] and not _CLOSING[match[4]].match(match[5])]
