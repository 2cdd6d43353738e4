"""The lines of a .env that look like assignments, whatever a program makes of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

NAME = r"(?:[A-Z][A-Z0-9]{0,30}(?:[-.][A-Z][A-Z0-9_]{0,30})+|[A-Za-z_][A-Za-z0-9_]{0,47})"
"""A name that may be shown, or one in capitals with a hyphen by mistake; anything else may be a piece of a value."""

HEAD = re.compile(rf"\s*(?:export\s+)?'?({NAME})'?\s*([=:])([^\S\n]*)(['\"]?)(.*)", re.DOTALL)
ALONE = re.compile(r"\s*(?:export\s+)?[A-Z][A-Z0-9_]{0,47}\s*")

_BEGUN = re.compile(rf"\s*(?:export\s+)?({NAME})\s")
_APART = re.compile(r"\s*(?:export\s+)?([A-Za-z]\w{0,30}(?:[ \t]+\w{1,30}){1,5})\s*[=:]", re.ASCII)
_WITHIN = re.compile(rf"(?<![A-Za-z0-9_])({NAME})[^\w\n$=:\uff1d]{{0,3}}[=:\uff1d]")
_PRIVATE_KEY = re.compile(r"-----BEGIN [^\n]*-----\n.*?-----END [^\n]*-----", re.DOTALL)
_CLOSED = {"'": re.compile(r"(?:\\.|[^'\\])*'", re.DOTALL), '"': re.compile(r'(?:\\.|[^"\\])*"', re.DOTALL)}


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither blank nor a comment, each with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def key_lines(text: str) -> frozenset[int]:
    """The lines of private keys after their first: they may look like names, and are nothing of the kind."""
    hidden: set[int] = set()
    for key in _PRIVATE_KEY.finditer(text):
        first = text.count("\n", 0, key.start()) + 1
        hidden |= {*range(first + 1, first + key[0].count("\n") + 1)}
    return frozenset(hidden)


def heads_of(text: str, hidden: Collection[int]) -> dict[int, re.Match[str]]:
    """By line what looks like an assignment."""
    return {at: head for at, line in lines_of(text) if at not in hidden and (head := HEAD.match(line))}


def begun_in(text: str, hidden: Collection[int]) -> frozenset[str]:
    """What lines that are no assignment begin with, or assign behind something else, as `set` or an unseen mark.

    A name with blanks in it counts as one with underscores. They may be pieces of values, and are not to be shown.
    """
    others = [line for at, line in lines_of(text) if at not in hidden and not HEAD.match(line)]
    first = (word[1] for word in map(_BEGUN.match, others) if word)
    apart = ("_".join(words[1].split()) for words in map(_APART.match, others) if words)
    return frozenset({*first, *apart, *(name for line in others for name in _WITHIN.findall(line))})


def open_quotes(heads: Mapping[int, re.Match[str]]) -> list[int]:
    """The lines with a quote that is not closed on them, be it on a later one."""
    return [at for at, head in heads.items() if head[4] and not _CLOSED[head[4]].match(head[5])]
