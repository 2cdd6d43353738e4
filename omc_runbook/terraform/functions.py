"""Terraform's functions that names and lists are made with, on values that are known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

_WORD = re.compile(r"\b[^\W_]")
"""The first letter of a word."""

Function = Callable[..., Any]


def call(name: str, arguments: Sequence[Any]) -> Any:
    """The result of a function; raises KeyError for one that is not here, and as the function does.

    See https://developer.hashicorp.com/terraform/language/functions
    """
    return _FUNCTIONS[name](*arguments)


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
    raise TypeError(f"{type(value).__name__} is no text")


def _format(spec: str, *arguments: Any) -> str:
    texts = (
        as_text(each) if isinstance(each, bool) or not isinstance(each, int | float) else each for each in arguments
    )
    return spec.replace("%v", "%s") % tuple(texts)


def _concat(*lists: list[Any] | str) -> list[Any]:
    # A text stands for a list that is not known, and stays among the entries.
    return [entry for each in lists for entry in ([each] if isinstance(each, str) else each)]


def _merge(*objects: Mapping[str, Any] | str | None) -> dict[str, Any]:
    tables = ({each: each} if isinstance(each, str) else each for each in objects if each is not None)
    return {key: value for each in tables for key, value in each.items()}


def _flatten(entries: list[Any]) -> list[Any]:
    return [inner for each in entries for inner in (_flatten(each) if isinstance(each, list) else [each])]


def _coalesce(*values: Any) -> Any:
    return next(value for value in values if value not in (None, ""))


def _lookup(table: Mapping[str, Any], key: str, *default: Any) -> Any:
    return table.get(key, default[0]) if default else table[key]


def _distinct(entries: list[Any]) -> list[Any]:
    return [entry for at, entry in enumerate(entries) if entry not in entries[:at]]


def _one(entries: list[Any]) -> Any:
    return entries[0] if entries else None


def _substr(text: str, start: int, length: int) -> str:
    return text[start:] if length < 0 else text[start : start + length]


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
    "join": lambda separator, entries: separator.join(map(as_text, entries)),
    "jsondecode": json.loads,
    "yamldecode": yaml.safe_load,
    "keys": lambda table: sorted(table),
    "length": len,
    "lookup": _lookup,
    "lower": str.lower,
    "max": max,
    "merge": _merge,
    "min": min,
    "nonsensitive": _identity,
    "one": _one,
    "replace": lambda text, old, new: text.replace(old, new),
    "reverse": lambda entries: entries[::-1],
    "sensitive": _identity,
    "slice": lambda entries, start, end: entries[start:end],
    "sort": sorted,
    "split": lambda separator, text: text.split(separator),
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
