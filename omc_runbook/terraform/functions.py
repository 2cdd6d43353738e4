"""Terraform's functions that names and lists are made with, on values that are known."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from omc_runbook.terraform.marks import is_known

_WORD = re.compile(r"\b[^\W_]")
"""The first letter of a word."""

Function = Callable[..., Any]


class SourcedObject(dict[str, Any]):
    """An object of the files, with where the literals of each member stand."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, tuple[str, ...]] = {}


def call(name: str, arguments: Sequence[Any]) -> Any:
    """The result of a function; raises KeyError for one that is not here, and as the function does.

    See https://developer.hashicorp.com/terraform/language/functions
    """
    try:
        return _FUNCTIONS[name](*arguments)
    except re.error as error:
        raise ValueError(str(error)) from error


def operate(operator: str, left: Any, right: Any) -> Any:
    """The result of an operator; raises as the function does."""
    return _OPERATORS[operator](left, right)


def as_text(value: Any) -> str:
    """A value as Terraform writes it into a text; raises TypeError for a list, an object or null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a string")


def _format(spec: str, *arguments: Any) -> str:
    texts = (
        as_text(each) if isinstance(each, bool) or not isinstance(each, int | float) else each for each in arguments
    )
    return spec.replace("%v", "%s") % tuple(texts)


def _concat(*lists: list[Any] | str) -> list[Any]:
    # A text stands for a list that is not known, and stays among the entries.
    return [entry for each in lists for entry in ([each] if isinstance(each, str) else each)]


def _merge(*objects: Mapping[str, Any] | str | None) -> dict[str, Any]:
    merged = SourcedObject()
    for each in objects:
        table = {each: each} if isinstance(each, str) else each or {}
        for key, value in table.items():
            # A member that is merged again comes last.
            merged.pop(key, None)
            merged[key] = value
        merged.sources |= table.sources if isinstance(table, SourcedObject) else {}
    return merged


def _flatten(entries: list[Any]) -> list[Any]:
    return [inner for each in entries for inner in (_flatten(each) if isinstance(each, list) else [each])]


def _coalesce(*values: Any) -> Any:
    return next(value for value in values if value not in (None, ""))


def member(table: Mapping[Any, Any], key: Any, *default: Any) -> Any:
    """A member of an object, else the default; raises KeyError where there is neither.

    A later part that is not known, which `merge` keeps as a key of its own, may have another value.
    """
    for name in reversed(table):
        if name == key:
            return table[name]
        if not is_known(name):
            return name
    return default[0] if default else table[key]


def _replace(text: str, old: str, new: str) -> str:
    if len(old) > 1 and old[0] == old[-1] == "/":
        # A regular expression; $1 stands for a group.
        return _pattern(old[1:-1]).sub(re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", new), text)
    return text.replace(old, new)


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression of Terraform's; raises ValueError for one that means something else in Python.

    See https://github.com/google/re2/wiki/Syntax
    """
    if "[:" in text or "\\Q" in text:
        raise ValueError(text)
    return re.compile(text)


def _regex(pattern: str, text: str) -> Any:
    match = _pattern(pattern).search(text)
    if match is None:
        raise ValueError(pattern)
    return match.groupdict() or [*match.groups()] or match[0]


def _formatlist(spec: str, *arguments: Any) -> list[str]:
    length = max(len(each) for each in arguments if isinstance(each, list))
    columns = (each if isinstance(each, list) else [each] * length for each in arguments)
    return [_format(spec, *row) for row in zip(*columns, strict=True)]


def _distinct(entries: list[Any]) -> list[Any]:
    return [entry for at, entry in enumerate(entries) if entry not in entries[:at]]


def _one(entries: list[Any]) -> Any:
    return entries[0] if entries else None


def _substr(text: str, start: int, length: int) -> str:
    first = start if start >= 0 else len(text) + start
    return text[first:] if length < 0 else text[first : first + length]


def _zipmap(keys: list[str], values: list[Any]) -> dict[str, Any]:
    return dict(zip(keys, values, strict=True))


def _identity(value: Any) -> Any:
    return value


TAKES_UNKNOWN = frozenset({"coalesce", "concat", "format", "merge", "nonsensitive", "one", "sensitive", "tostring"})
"""Functions that leave a text whole, so that it may stand for a value that is not known."""

_FUNCTIONS: Mapping[str, Function] = {
    "abs": abs,
    "abspath": _identity,
    "basename": lambda path: path.rstrip("/").rpartition("/")[2],
    "dirname": lambda path: path.rpartition("/")[0],
    "coalesce": _coalesce,
    "coalescelist": lambda *lists: next(each for each in lists if each),
    "compact": lambda entries: [each for each in entries if each not in (None, "")],
    "concat": _concat,
    "contains": lambda entries, entry: entry in entries,
    "distinct": _distinct,
    "element": lambda entries, at: entries[at % len(entries)],
    "endswith": lambda text, end: text.endswith(end),
    "flatten": _flatten,
    "format": _format,
    "formatlist": _formatlist,
    "join": lambda separator, entries: separator.join(map(as_text, entries)),
    "jsondecode": json.loads,
    "yamldecode": yaml.safe_load,
    "keys": lambda table: sorted(table),
    "length": len,
    "lookup": member,
    "lower": str.lower,
    "max": max,
    "merge": _merge,
    "min": min,
    "nonsensitive": _identity,
    "one": _one,
    "range": lambda *bounds: [*range(*bounds)],
    "regex": _regex,
    "replace": _replace,
    "reverse": lambda entries: entries[::-1],
    "sensitive": _identity,
    "setproduct": lambda *sets: [[*row] for row in itertools.product(*sets)],
    "setsubtract": lambda one, other: [each for each in one if each not in other],
    "setunion": lambda *sets: _distinct([each for entries in sets for each in entries]),
    "slice": lambda entries, start, end: entries[start:end],
    "sort": sorted,
    "split": lambda separator, text: text.split(separator),
    "strcontains": lambda text, part: part in text,
    "startswith": lambda text, start: text.startswith(start),
    "substr": _substr,
    "title": lambda text: _WORD.sub(lambda match: match[0].upper(), text),
    "tobool": _identity,
    "tolist": list,
    "tomap": dict,
    "tonumber": lambda value: int(value) if isinstance(value, str) else value,
    "toset": _distinct,
    "tostring": lambda value: None if value is None else as_text(value),
    "trim": lambda text, letters: text.strip(letters),
    "trimprefix": lambda text, start: text.removeprefix(start),
    "trimspace": str.strip,
    "trimsuffix": lambda text, end: text.removesuffix(end),
    "upper": str.upper,
    "values": lambda table: [table[key] for key in sorted(table)],
    "zipmap": _zipmap,
}

_OPERATORS: Mapping[str, Function] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "&&": lambda a, b: bool(a and b),
    "||": lambda a, b: bool(a or b),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}
