"""Names and lines of a .env that look like assignments, whether or not a program parses them as such."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

_WORD = r"(?:\d+(?!\d)|[A-Z]*[a-z]+(?![a-z])|[A-Z]+(?![A-Za-z]))"
_MOST_WORDS = "|".join(
    rf"(?=[A-Za-z0-9]{{{least}}})(?![A-Za-z0-9]{{{most}}}){_WORD}{{{words}}}"
    for least, most, words in ((16, 20, 7), (20, 24, 8), (24, 28, 9), (28, 32, 10), (32, 64, 11))
)
"""So many words and numbers are in a random text of a length, and hardly in a name such as oauth2GoogleClientId."""
_VALUE = (
    r"(?![A-Za-z0-9_]*?(?<![A-Za-z0-9])(?=[A-Za-z0-9]{16})(?=[A-Za-z]*\d)(?:"
    # Two numbers of three digits together, in letters of one case.
    r"(?=(?:[A-Z0-9]+|[a-z0-9]+)(?![A-Za-z0-9]))(?=(?:[A-Za-z]*\d){3})[A-Za-z]*\d+[A-Za-z]+\d"
    # Both cases, and no word of five letters; in a longer one not two of four.
    r"|(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])"
    r"(?:(?![A-Za-z0-9]*[A-Za-z][a-z]{4})|(?=[A-Za-z0-9]{24})(?!(?:[A-Za-z0-9]*?[A-Za-z][a-z]{3}(?![a-z])){2}))"
    rf"|{_MOST_WORDS}))"
)
"""What forbids a long word of digits and letters, as a key in base64 that ends in = would be on a line of its own."""
NAME = _VALUE + r"(?:[A-Z][A-Z0-9]{0,30}(?:[-.][A-Z][A-Z0-9_]{0,30})+|[A-Za-z_][A-Za-z0-9_]{0,47})"
"""A name that may be shown, or one in capitals with a hyphen by mistake; anything else may be a piece of a value."""

ASSIGNMENT = re.compile(rf"\s*(?:export\s+)?'?({NAME})'?\s*([=:])([^\S\n]*)(['\"]?)(.*)", re.DOTALL)
BLOCK_MARK = re.compile(r"[^\S\n]*[|>][-+\d]{0,2}[^\S\n]*")
"""What begins a block of YAML, in the place of a value."""
ALONE = re.compile(rf"\s*(?:export\s+)?{_VALUE}[A-Z][A-Z0-9_]{{0,47}}\s*")

_FIRST_WORD = re.compile(rf"\s*(?:(?:export|set|setenv)\s+(?:-\w+\s+)*)?({NAME})\s")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_SPACED_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z]\w{0,30}(?:[ \t]+\w{1,30}){1,5})\s*[=:]", re.ASCII)
_INNER_NAME = re.compile(rf"(?<![A-Za-z0-9_])({NAME})[^\w\n$=:\uff1d]{{0,3}}[=:\uff1d]")
_PRIVATE_KEY = re.compile(r"-----BEGIN [^\n]*-----\n.*?-----END [^\n]*-----", re.DOTALL)
_BLOCK = re.compile(rf"^([^\S\n]*){NAME}[^\S\n]*:{BLOCK_MARK.pattern}$(?:\n\1[^\S\n]+\S.*)+", re.MULTILINE)
_CLOSING = {"'": re.compile(r"(?:\\.|[^'\\])*'", re.DOTALL), '"': re.compile(r'(?:\\.|[^"\\])*"', re.DOTALL)}


def is_shown(name: str | None, value: str | None, raw: str) -> bool:
    """Whether the name of a statement is a variable's name, and not a piece of a value that was split into lines."""
    return (ALONE.fullmatch(raw) if value is None else re.fullmatch(NAME, name or "")) is not None


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


def find_assignments(text: str, hidden: Collection[int]) -> dict[int, re.Match[str]]:
    """The lines that look like assignments, by number, each as a match of `ASSIGNMENT`."""
    return {
        number: match for number, line in lines_of(text) if number not in hidden and (match := ASSIGNMENT.match(line))
    }


def first_words_of(text: str, hidden: Collection[int]) -> frozenset[str]:
    """Names in lines that are no assignment: the first word, or a name before = after `set` or an invisible character.

    Blanks in a name are replaced by underscores. They may be pieces of values and must not be shown.
    """
    lines = [line for number, line in lines_of(text) if number not in hidden and not ASSIGNMENT.match(line)]
    others = [_INVISIBLE.sub("", line) for line in lines]
    first = (word[1] for word in map(_FIRST_WORD.match, others) if word)
    apart = ("_".join(words[1].split()) for words in map(_SPACED_NAME.match, others) if words)
    return frozenset({*first, *apart, *(name for line in others for name in _INNER_NAME.findall(line))})


def find_open_quotes(matches: Mapping[int, re.Match[str]]) -> list[int]:
    """The lines with a value whose quote is not closed on the same line."""
    return [number for number, match in matches.items() if match[4] and not _CLOSING[match[4]].match(match[5])]
