"""Veiling: a line of a source file as a diff shows it around an edit, without what may be a value."""

from __future__ import annotations

import re

from omc_runbook.model.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT

VEIL = "…"

ASSIGNED = re.compile(r"^(\s*(?:#\s*)?(?:export\s+)?(?:[A-Za-z_]\w*\s*=|[A-Z_][A-Z0-9_]+\s*:)\s*)(\S.*)$")
LITERAL = re.compile(r"""(["'])((?:\\.|(?!\1).)*)(\1|$)""")
NAME = re.compile(r"[A-Z][A-Z0-9]{0,13}(_[A-Z0-9]{1,14})*")
"""A variable's name; what has a longer part may be an id of an access key, or a value in capitals."""
REFERENCE = re.compile(r"\$\{[\w.\[\]]+\}(:[\w.@/+=-]+:\w*:[\w-]*)?")
"""A reference as Terraform's files have it: it names a key and is no value."""
WORDS = frozenset({"", "name", "value", "valueFrom", "secrets", "environment", "containerDefinitions"})

RANDOM = re.compile(r"(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{16,}")
ADDRESS = re.compile(r"https?://[^\s@?#]+")


def veil(line: str, is_code: bool) -> str:
    """The line with … in the place of each text in quotes that is no name, of what is assigned, and of random words.

    `is_code` tells Python and Terraform from a file of NAME=value lines.
    """
    if not is_code:
        found = ASSIGNED.match(line)
        if found and not PLACEHOLDER.match(found[2]) and not TEMPLATE_DEFAULT.match(found[2]):
            return f"{found[1]}{VEIL}"
    elif not line.lstrip().startswith(("#", "//")):
        line = LITERAL.sub(_literal, line)
    return _word_by_word(line)


def is_random(line: str) -> bool:
    """Whether a line has a word that is long and mixed of letters and digits, as values are that a machine made."""
    return _word_by_word(line) != line


def _literal(found: re.Match[str]) -> str:
    quote, text, end = found[1], found[2], found[3]
    is_plain = text in WORDS or NAME.fullmatch(text) or REFERENCE.fullmatch(text)
    return found[0] if is_plain else f"{quote}{VEIL}{end}"


def _word_by_word(line: str) -> str:
    return re.sub(r"\S+", _word, line)


def _word(found: re.Match[str]) -> str:
    """A word, or … in the place of what is long and mixed of letters and digits in it."""
    if ADDRESS.fullmatch(found[0]):
        return "/".join(RANDOM.sub(VEIL, part) for part in found[0].split("/"))
    return RANDOM.sub(lambda random: random[0] if NAME.fullmatch(random[0]) else VEIL, found[0])
