"""Command-line parameters, checked against those that a notebook declares."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omc_runbook.model import letters
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import exists, expand, nearest

PLACES = frozenset({"repository", "runbook_toml", "values_from", "database_url_from"})
"""Those that say where something is: with the file of a plan, what is there is compared, and they may differ."""

PASTED = frozenset({"error_text"})
"""Texts that a person pastes: they may have a secret that nobody can recognize, and a record does not keep them."""

_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_KNOWN_SECRET = re.compile(
    r"^(sk-|ghp_|gho_|xox[abp]-|AKIA|ASIA|eyJ|-----BEGIN)|://(?![^/@\s:]*:(\*+|‹\w+›)@)[^/@\s]+@"
)
"""What a password in a URL is replaced by, as by SQLAlchemy or here, is none."""
_INSTEAD = {
    "values_from": "name its source instead (prompt, file:PATH or env:NAME).",
    "database_url_from": "name its source instead (file:PATH or env:NAME).",
    "error_text": "write *** instead of each secret in it.",
}
"""What to give instead of a text that looks like a secret, by parameter."""
_PUBLIC = re.compile(
    r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:.*|(env|file):.*|(?![0-9A-F]{32,}$)[A-Z][A-Z0-9_]*|[a-z]+([_:.-][a-z0-9]+)*)$"
)
_IDS = {
    "task": re.compile(r"^[0-9a-f]{32,64}$"),
    "version": re.compile(r"^([0-9a-f]{32,64}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12})$"),
}
"""A task's id, or the id that a client gave a version of the secret, such as what uuidgen prints on macOS."""
_HEX = re.compile(r"^([0-9A-F]+|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12})$", re.IGNORECASE)
"""Hexadecimal digits, or a UUID, of which only one in small letters is surely an id."""
_BASE64 = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/_-]+={0,2}$")
_SIGNS, _MANY_SIGNS = re.compile(r"[!\"#$%&'()*;<>?\[\]^`{|}~\\]"), 4
"""Signs that no path and no name has, and from how many different ones a text is none."""
_STRUCTURE = re.compile(r"[:=/]")
"""What a message, a query or a path has."""
_UNDECODED = re.compile(r"[\ud800-\udfff]")
_LONG, _RANDOM, _SURELY_RANDOM = 20, 3.4, 4.4
_LAST_OF_FOUR = 0xFFFF
"""The last sign that Python writes with four digits."""


def check(notebook: Path, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Convert (name, text) pairs to a notebook's parameters, with the types that it declares.

    Raises UsageError for an unknown name, one that comes twice, a value that is not UTF-8 or has the wrong type, and
    one that looks like a secret, because parameters are saved in the record. No message contains the text.
    """
    from papermill import inspect_notebook

    declared = {name: entry["inferred_type_name"] for name, entry in inspect_notebook(str(notebook)).items()}
    parameters: dict[str, Any] = {}
    for name, text in pairs:
        if name not in declared:
            raise UsageError(
                f"{notebook.stem} has no parameter {quoted(name)}{nearest(name, declared)}",
                f"omc-runbook show {notebook.stem} lists its parameters.",
            )
        if name in parameters:
            raise UsageError(f"{name} is set twice: set it once.")
        if _UNDECODED.search(text):
            raise UsageError(f'The value of "{name}" is not valid UTF-8: pass plain text.')
        refuse_secrets([(name, text)])
        parameters[name] = convert(name, text, declared[name])
    return parameters


def refuse_secrets(pairs: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError for the first of (name, text) pairs that looks like a secret, without the text.

    What reads a parameter before the notebook is known asks for this first, since its own errors repeat the text.
    """
    for name, text in pairs:
        if is_secret_in(name, text):
            instead = _INSTEAD.get(name, "give a name or a path here, never a value.")
            raise UsageError(f"The value of {quoted(name)} looks like a secret, and parameters are saved: {instead}")


def is_secret_in(name: str, text: str) -> bool:
    """Whether the text of a parameter is probably a secret: by its looks, or since no name and no path is like it."""
    text = letters.without_numbers(text)
    is_id = name in _IDS and _IDS[name].match(text)
    is_no_name = name not in PASTED and _has_many_signs(text) and not exists(expand(text))
    return is_no_name or (looks_secret(text) and not is_id)


def quoted(word: str) -> str:
    """A word of the command line for a message, in quotes; not the word itself where that looks like a secret."""
    return "‹what looks like a secret›" if looks_secret(word) else f'"{word}"'


def looks_secret(text: str) -> bool:
    """Whether a text is probably a secret: a known prefix, hex or base64, or long with a high entropy."""
    if _KNOWN_SECRET.search(text):
        return True
    if len(text) < _LONG or _PUBLIC.match(text) or exists(expand(text)) or "," in text:
        return False
    mixed = _is_mixed(text)
    if re.search(r"\s", text):
        return False
    if _has_many_signs(text) and not _STRUCTURE.search(text):
        return True
    if mixed and (_HEX.match(text) or _BASE64.match(text)):
        return True
    return _entropy(text) > (_RANDOM if mixed and not re.search(r"[/\\]", text) else _SURELY_RANDOM)


def _has_many_signs(text: str) -> bool:
    return _is_mixed(text) and len(text) >= _LONG and len({*_SIGNS.findall(text)}) >= _MANY_SIGNS


def _is_mixed(text: str) -> bool:
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


def literal(value: str | int) -> str:
    """A parameter's value as Python source on one line, a text in double quotes, with escapes for what cannot be seen.

    JavaScript ends a line at signs where Python does not, and others turn a line of the parameters cell around.
    """
    if isinstance(value, bool):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(sign: str) -> str:
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) <= _LAST_OF_FOUR else f"\\U{ord(sign):08x}"


def names_in(text: str) -> tuple[str, ...]:
    """The names in a comma-separated parameter."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def split_names(parameter: str, text: str) -> tuple[str, ...]:
    """The names in a comma-separated parameter, each of which stands there once; raises UsageError for a duplicate."""
    names = names_in(text)
    duplicate = next((name for name in names if names.count(name) > 1), "")
    if duplicate:
        raise UsageError(f"{parameter} names {duplicate} twice: name it once.")
    return names


def first_name(text: str) -> str:
    """The first name in a comma-separated parameter."""
    return next(iter(names_in(text)), "")


def without_spaces(text: str) -> str:
    """A comma-separated parameter without spaces around its commas: it names a run's record, however it is typed."""
    return ",".join(name.strip() for name in text.split(",")) if "," in text else text


def convert(name: str, text: str, kind: str) -> Any:
    """A parameter's text as a value of its type; raises UsageError where it is none."""
    if kind == "bool":
        if text.lower() not in _YES | _NO:
            raise UsageError(f'"{name}" must be true or false.')
        return text.lower() in _YES
    if kind == "int":
        # Python refuses integers of thousands of digits.
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise UsageError(f'"{name}" must be an integer.')
        return int(text)
    if "\0" in text:
        # As in a plan's file, or a notebook: no command line has one, and no variable or path can.
        raise UsageError(f'The value of "{name}" has the character NUL: pass plain text.')
    return or_empty(text)


def or_empty(text: str) -> str:
    """A text, or "" where it is white space alone, as of a variable that is not set: it means not given, too."""
    return text if text.strip() else ""


def of_notebook(name: str, value: object, kind: str) -> Any:
    """A parameter, as a notebook has it, as a value of its type; raises UsageError where it is none.

    Plain papermill makes a text of `false`, an integer of `5` and nothing of `None`, and its YAML has lists.
    """
    if kind != "str":
        return value if type(value).__name__ == kind else convert(name, str(value), kind)
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(of_notebook(name, each, kind) for each in value)
    if isinstance(value, bool | float | dict):
        raise UsageError(f'"{name}" must be a text: quote it, or pass it with -r to papermill.')
    return convert(name, str(value), kind) if isinstance(value, str | int) else value


def _entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
