"""Terraform's functions that names and lists are made with, on values that are known."""

from __future__ import annotations

import itertools
import json
import math
import operator
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

from omc_runbook.terraform.marks import is_known
from omc_runbook.terraform.yaml_loader import TerraformYaml, whole

_WORD = re.compile(r"\b[^\W_]")
"""The first letter of a word."""
_VERB = re.compile(r"%(?P<flags>[-+ 0]*\d{0,3}(?:\.\d{1,2})?)(?:\[(?P<at>\d+)\])?(?P<kind>[%svtdfexXo])")
"""A verb of format() that Python has, too."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d{1,2})?")
"""A text that Terraform takes for a number; one with a longer exponent is left open."""
_LONGEST_RANGE = 1_024
"""How many numbers Terraform's range() gives at most."""

_LARGEST_PRODUCT = 10_000
"""How many combinations setproduct() gives here; Terraform's own has no limit."""

Function = Callable[..., Any]


class NotFollowedError(ValueError):
    """Terraform may take arguments that are refused here."""


class SourcedObject(dict[str, Any]):
    """An object of the files, with where the literals of each member stand."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, tuple[str, ...]] = {}


class Set(list[Any]):
    """A set's entries, each once, in the order in which Terraform goes through them."""

    def __init__(self, entries: Iterable[Any]) -> None:
        once = _distinct([*entries])
        kinds = {str if isinstance(each, str) else float if isinstance(each, int | float) else None for each in once}
        # The order of marks is not known.
        is_ordered = is_known(once) and len(kinds) == 1
        super().__init__(sorted(once, key=_written if kinds == {None} else None) if is_ordered else once)


def _written(value: Any) -> str:
    """A value as Terraform writes it to order a set of lists or objects."""
    if isinstance(value, Mapping):
        return f"<{''.join(f'{_written(value[key])};' for key in sorted(value))}>"
    if isinstance(value, list):
        return f"<{''.join(f'{_written(each)};' for each in value)}>"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else as_text(value)


def call(name: str, arguments: Sequence[Any]) -> Any:
    """The result of a function; raises KeyError for one that is not here, and else as the function does.

    See https://developer.hashicorp.com/terraform/language/functions
    """
    try:
        return _FUNCTIONS[name](*arguments)
    except re.error as error:
        # Go's patterns are not all Python's.
        raise NotFollowedError(str(error)) from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def follows(name: str, error: Exception) -> bool:
    """Whether `call` has a function, so that Terraform's fails too where that one raises this."""
    return name in _FUNCTIONS and not isinstance(error, NotFollowedError)


def as_text(value: Any) -> str:
    """A value as Terraform writes it into a text; raises TypeError for a list, an object or null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(whole(value) if isinstance(value, float) else value)
    raise TypeError(f"{type(value).__name__} is not a string")


def as_bool(value: Any) -> bool:
    """A value where Terraform expects a bool; raises KeyError or TypeError for one that it does not convert."""
    return value if isinstance(value, bool) else {"true": True, "false": False}[value]


def as_number(value: Any) -> float:
    """A value where Terraform expects a number; raises TypeError or ValueError for one that it does not convert."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is not a number")
    if isinstance(value, str):
        if not (match := _NUMBER.fullmatch(value)):
            raise ValueError(f"{value} is not a number")
        value = float(value) if match[1] or match[2] else int(value)
    return whole(value) if isinstance(value, float) else value


def as_integer(value: Any) -> int:
    """A value where Terraform expects a whole number; raises as `as_number`, and TypeError for a fraction."""
    return operator.index(as_number(value))  # type: ignore[arg-type]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, as Terraform compares: a number is no text, and true is no number."""
    return _signature(one) == _signature(other)


def _signature(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=id)


def _format(spec: str, *arguments: Any) -> str:
    """Fill the verbs of a format; raises NotFollowedError for one that Python does not have."""
    if "%" in _VERB.sub("", spec):
        raise NotFollowedError(spec)
    remaining = iter(arguments)

    def fill(verb: re.Match[str]) -> str:
        if verb["kind"] == "%":
            return "%"
        argument = arguments[int(verb["at"]) - 1] if verb["at"] else next(remaining)
        match verb["kind"]:
            case "v" if not isinstance(argument, str | int | float):
                value: Any = json.dumps(argument, separators=(",", ":"))
            case "s" | "v":
                value = as_text(argument)
            case "t":
                value = as_text(as_bool(argument))
            case "e" | "f":
                value = as_number(argument)
            case _:
                value = as_integer(argument)
        return str(f"%{verb['flags']}{'s' if isinstance(value, str) else verb['kind']}" % value)

    text = _VERB.sub(fill, spec)
    if "[" not in spec and [*remaining]:
        raise ValueError(spec)
    return text


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


def entry(entries: Sequence[Any], at: Any) -> Any:
    """An entry of a list by its number; raises IndexError where there is none."""
    if (number := as_integer(at)) < 0:
        raise IndexError(at)
    return entries[number]


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
        groups = re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", new.replace("\\", r"\\"))
        return _pattern(old[1:-1]).sub(groups, text)
    return text.replace(old, new)


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression of Terraform's; raises NotFollowedError for one that means something else in Python.

    See https://github.com/google/re2/wiki/Syntax
    """
    if "[:" in text or "\\Q" in text:
        raise NotFollowedError(text)
    return re.compile(text)


def _regex(pattern: str, text: str) -> Any:
    match = _pattern(pattern).search(text)
    if match is None:
        raise ValueError(pattern)
    return _groups(match)


def _groups(match: re.Match[str]) -> Any:
    return match.groupdict() or [*match.groups()] or match[0]


def _formatlist(spec: str, *arguments: Any) -> list[str]:
    length = max((len(each) for each in arguments if isinstance(each, list)), default=1)
    columns = (each if isinstance(each, list) else [each] * length for each in arguments)
    return [_format(spec, *row) for row in zip(*columns, strict=True)]


def _distinct(entries: list[Any]) -> list[Any]:
    once: dict[str, Any] = {}
    for each in entries:
        once.setdefault(_signature(each), each)
    return [*once.values()]


def _contains(entries: Iterable[Any], entry: Any) -> bool:
    entries = [*entries]
    if any(is_same(each, entry) for each in entries):
        return True
    if not is_known(entries):
        raise NotFollowedError(entries)
    return False


def _one(entries: list[Any]) -> Any:
    if len(entries) > 1:
        # Terraform refuses them; of a list whose conditions are not all known there may be fewer.
        raise NotFollowedError(entries)
    return entries[0] if entries else None


def _substr(text: str, start: int, length: int) -> str:
    first = start if start >= 0 else max(len(text) + start, 0)
    return text[first:] if length < 0 else text[first : first + length]


def _identity(value: Any) -> Any:
    return value


def _range(first: Any, *bounds: Any) -> list[int]:
    start, end = (first, bounds[0]) if bounds else (0, first)
    steps = range(start, end, *(bounds[1:] or (1 if start <= end else -1,)))
    if len(steps) > _LONGEST_RANGE:
        raise ValueError(end)
    return [*steps]


def _slice(entries: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(entries):
        raise IndexError(end)
    return entries[start:end]


def _setproduct(*lists: list[Any]) -> list[Any]:
    if math.prod(map(len, lists)) > _LARGEST_PRODUCT:
        raise NotFollowedError(lists)
    rows = [[*row] for row in itertools.product(*lists)]
    return Set(rows) if any(isinstance(each, Set) for each in lists) else rows


def _of_texts(function: Callable[..., Any]) -> Function:
    """A function whose arguments Terraform converts to texts."""
    return lambda *values: function(*map(as_text, values))


def _of_numbers(function: Callable[..., float]) -> Function:
    """A function, or an operator, whose arguments Terraform converts to numbers."""
    return lambda *values: as_number(function(*map(as_number, values)))


def _compare(function: Callable[[float, float], bool]) -> Function:
    return lambda one, other: function(as_number(one), as_number(other))


TAKES_UNKNOWN = frozenset({"coalesce", "concat", "format", "merge", "nonsensitive", "sensitive", "tostring"})
"""Functions that leave a text whole, so that it may stand for a value that is not known."""

_FUNCTIONS: Mapping[str, Function] = {
    "abs": _of_numbers(abs),
    "abspath": _identity,
    "alltrue": lambda entries: all(map(as_bool, entries)),
    "anytrue": lambda entries: any(map(as_bool, entries)),
    "basename": lambda path: posixpath.basename(path.rstrip("/")) or path[:1] or ".",
    "ceil": _of_numbers(math.ceil),
    "chomp": _of_texts(lambda text: text.rstrip("\r\n")),
    "dirname": lambda path: posixpath.dirname(path) or ".",
    "coalesce": lambda *values: next(each for each in values if each not in (None, "")),
    "coalescelist": lambda *lists: next(each for each in lists if each),
    "compact": lambda entries: [each for each in entries if each not in (None, "")],
    "concat": _concat,
    "contains": _contains,
    "distinct": _distinct,
    "element": lambda entries, at: entries[as_integer(at) % len(entries)],
    "endswith": _of_texts(str.endswith),
    "flatten": _flatten,
    "floor": _of_numbers(math.floor),
    "format": _format,
    "formatlist": _formatlist,
    "index": lambda entries, entry: next(at for at, each in enumerate(entries) if is_same(each, entry)),
    "join": lambda separator, *lists: separator.join(as_text(each) for entries in lists for each in entries),
    "jsondecode": lambda text: json.loads(text, parse_float=as_number),
    "yamldecode": lambda text: TerraformYaml(text).get_single_data(),
    "keys": lambda table: sorted(table),
    "length": len,
    "lookup": member,
    "lower": _of_texts(str.lower),
    "max": _of_numbers(max),
    "merge": _merge,
    "min": _of_numbers(min),
    "nonsensitive": _identity,
    "one": _one,
    "range": _range,
    "regex": _regex,
    "regexall": lambda pattern, text: [_groups(match) for match in _pattern(pattern).finditer(text)],
    "replace": _of_texts(_replace),
    "reverse": lambda entries: entries[::-1],
    "sensitive": _identity,
    "setintersection": lambda *sets: Set(each for each in sets[0] if all(_contains(entries, each) for entries in sets)),
    "setproduct": _setproduct,
    "setsubtract": lambda one, other: Set(each for each in one if not _contains(other, each)),
    "setunion": lambda *sets: Set(each for entries in sets for each in entries),
    "slice": _slice,
    "sort": lambda entries: sorted(map(as_text, entries)),
    "split": _of_texts(lambda separator, text: text.split(separator) if separator else [*text]),
    "strcontains": _of_texts(str.__contains__),
    "startswith": _of_texts(str.startswith),
    "substr": _substr,
    "sum": lambda entries: as_number(sum(map(as_number, entries))),
    "title": lambda text: _WORD.sub(lambda match: match[0].upper(), text),
    "tobool": lambda value: None if value is None else as_bool(value),
    "tolist": list,
    "tomap": dict,
    "tonumber": lambda value: None if value is None else as_number(value),
    "toset": Set,
    "tostring": lambda value: None if value is None else as_text(value),
    "trim": _of_texts(str.strip),
    "trimprefix": _of_texts(str.removeprefix),
    "trimspace": _of_texts(str.strip),
    "trimsuffix": _of_texts(str.removesuffix),
    "upper": _of_texts(str.upper),
    "values": lambda table: [table[key] for key in sorted(table)],
    "zipmap": lambda keys, values: dict(zip(keys, values, strict=True)),
}

OPERATORS: Mapping[str, Function] = {
    "==": is_same,
    "!=": lambda a, b: not is_same(a, b),
    "&&": lambda a, b: as_bool(a) and as_bool(b),
    "||": lambda a, b: as_bool(a) or as_bool(b),
    "<": _compare(operator.lt),
    ">": _compare(operator.gt),
    "<=": _compare(operator.le),
    ">=": _compare(operator.ge),
    "+": _of_numbers(operator.add),
    "-": _of_numbers(operator.sub),
    "*": _of_numbers(operator.mul),
    "/": _of_numbers(operator.truediv),
    "%": _of_numbers(math.fmod),
}
