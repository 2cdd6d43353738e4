"""Redaction of source lines: a diff shows the lines around an edit without what may be a secret value."""

from __future__ import annotations

import re

from omc_runbook.model.placeholders import PLACEHOLDER

REDACTED = "…"

ASSIGNMENT = re.compile(r"^(\s*(?:#\s*)?(?:export\s+)?(?:[A-Za-z_]\w*\s*=|[A-Z_][A-Z0-9_]+\s*:)\s*)(\S.*)$")
LITERAL = re.compile(r"""(["'])((?:\\.|(?!\1).)*)(\1|$)""")
NAME = re.compile(r"[A-Z][A-Z0-9]{0,13}(_[A-Z0-9]{1,14})*")
"""A variable's name. A longer part may be an access key id, or a value in capitals."""
_WORD = r"(?:[a-z]{2,14}\d{0,2}|[a-z]\d|\d[a-z]{2,14}|[a-z]|\d{1,2})"
WORDS = re.compile(rf"(?:[a-z]{{2,14}}\d{{0,2}}|[a-z]\d)(?:[_-]{_WORD})*")
"""A name in lower case, such as oauth2_client_secret: a value has more digits, or letters between them."""
MOST_NUMBERED = 2
"""How many words of such a name may have digits."""
REFERENCE = re.compile(r"\$\{[\w.\[\]]+\}(:[\w.@/+=-]+:\w*:[\w-]*)?")
"""A valueFrom in a Terraform file: it names a key and holds no value."""
PLAIN_WORDS = frozenset({"", "name", "value", "valueFrom", "secrets", "environment", "containerDefinitions"})

RANDOM_TEXT = re.compile(r"(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{16,}")
ADDRESS = re.compile(r"https?://[^\s@?#]+")


def redact(line: str, is_code: bool) -> str:
    """Replace string literals other than names, assigned values, and random-looking words of a line with "…".

    `is_code` is True for a line of Python or Terraform, False for one of a file of NAME=value lines.
    """
    if not is_code:
        match = ASSIGNMENT.match(line)
        if match and not PLACEHOLDER.match(match[2]):
            return f"{match[1]}{REDACTED}"
    elif not line.lstrip().startswith(("#", "//")):
        line = LITERAL.sub(_literal, line)
    return _word_by_word(line)


def is_random(line: str) -> bool:
    """Whether a line has a long word of letters and digits, as generated values are."""
    return _word_by_word(line) != line


def _literal(match: re.Match[str]) -> str:
    quote, text, end = match[1], match[2], match[3]
    is_plain = text in PLAIN_WORDS or NAME.fullmatch(text) or REFERENCE.fullmatch(text)
    return match[0] if is_plain else f"{quote}{REDACTED}{end}"


def _word_by_word(line: str) -> str:
    return re.sub(r"\S+", _word, line)


def _word(match: re.Match[str]) -> str:
    """The word, with "…" for each long run of letters and digits in it."""
    if ADDRESS.fullmatch(match[0]):
        return "/".join(RANDOM_TEXT.sub(REDACTED, part) for part in match[0].split("/"))
    return RANDOM_TEXT.sub(_hide, match[0])


def _hide(match: re.Match[str]) -> str:
    """The text, with "…" in place of what is no name; a name may have a value after it: NAME=value."""
    name, equals, rest = match[0].partition("=")
    if not _is_name(name):
        return REDACTED
    return name + equals + RANDOM_TEXT.sub(_hide, rest)


def _is_name(text: str) -> bool:
    numbered = [word for word in re.split("[_-]", text) if re.search(r"\d", word)]
    return NAME.fullmatch(text) is not None or (len(numbered) <= MOST_NUMBERED and WORDS.fullmatch(text) is not None)
