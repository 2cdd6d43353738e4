"""Parameters given on a command line, held against those that a notebook declares."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import exists, expand, nearest

_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_KNOWN_SECRET = re.compile(r"^(sk-|ghp_|gho_|xox[abp]-|AKIA|ASIA|eyJ|-----BEGIN)|://[^/@\s]+@")
_PUBLIC = re.compile(
    r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:.*|(env|file):.*|[A-Z][A-Z0-9_]*|[a-z]+([_:.-][a-z0-9]+)*)$"
)
_TASK = re.compile(r"^[0-9a-f]{32}$")
_HEX = re.compile(r"^[0-9A-Fa-f]+$")
_BASE64 = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/_-]+={0,2}$")
_UNDECODED = re.compile(r"[\ud800-\udfff]")
_LONG, _RANDOM, _SURELY_RANDOM = 20, 3.4, 4.4


def check(notebook: Path, given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn name and text pairs into a notebook's parameters, typed as it declares them.

    Raises UsageError for a name that the notebook does not have, what is no text or of the wrong type, and a text
    that looks like a secret's value: parameters are saved in the record. The text itself is in no message.
    """
    from papermill import inspect_notebook

    declared = {name: entry["inferred_type_name"] for name, entry in inspect_notebook(str(notebook)).items()}
    parameters: dict[str, Any] = {}
    for name, text in given:
        if name not in declared:
            raise UsageError(f'{notebook.stem} has no parameter "{name}"{nearest(name, declared)}')
        if _UNDECODED.search(text):
            raise UsageError(f'The value of "{name}" is no text in UTF-8: give it as text, without binary characters.')
        if looks_secret(text) and not (name == "task" and _TASK.match(text)):
            raise UsageError(
                f'The value of "{name}" looks like a secret, and parameters are saved: '
                "name where it comes from instead (prompt, file:PATH or env:NAME)."
            )
        parameters[name] = _typed(name, text, declared[name])
    return parameters


def looks_secret(text: str) -> bool:
    """Tell a text that is probably a secret's value: a known prefix, hex or base64, or long and as good as random."""
    if _KNOWN_SECRET.search(text):
        return True
    if len(text) < _LONG or _PUBLIC.match(text) or exists(expand(text)) or "," in text:
        return False
    mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    if re.search(r"\s", text):
        return False
    if mixed and (_HEX.match(text) or _BASE64.match(text)):
        return True
    return _entropy(text) > (_RANDOM if mixed and not re.search(r"[/\\]", text) else _SURELY_RANDOM)


def listed(parameter: str, text: str) -> tuple[str, ...]:
    """The names in a list with commas, as parameters have it; UsageError for one that stands there twice."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise UsageError(f"{parameter} names {twice} twice: once is enough.")
    return names


def _typed(name: str, text: str, kind: str) -> Any:
    if kind == "bool":
        if text.lower() not in _YES | _NO:
            raise UsageError(f'"{name}" is true or false.')
        return text.lower() in _YES
    if kind == "int":
        if not re.fullmatch(r"[+-]?\d+", text):
            raise UsageError(f'"{name}" is a whole number.')
        return int(text)
    return text


def _entropy(text: str) -> float:
    """Bits a character, as the text's own letters are spread."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
