"""JSON read and printed as Go does it, because ECS's agent is written in Go.

https://pkg.go.dev/encoding/json https://pkg.go.dev/fmt
"""

import json
import math
import re
from decimal import Decimal
from typing import Any

# %v of a float64 turns to the exponent form from here on.
_EXPONENT = 6

# Go's name of a position, by a part of Python's error message.
_POSITIONS = (
    ("property name", "looking for beginning of object key string"),
    ("before end of object", "looking for beginning of object key string"),
    ("':' delimiter", "after object key"),
    ("',' delimiter", "after object key:value pair"),
    ("Extra data", "after top-level value"),
    ("Invalid control", "in string literal"),
    ("Invalid \\", "in string escape code"),
)


class GoJsonError(ValueError):
    """Go's error message for a text that is not a JSON object."""


def members(text: str) -> dict[str, Any]:
    """The members of a JSON object; of duplicate keys the last wins."""
    try:
        value = json.loads(text, parse_int=_float, parse_float=_float, parse_constant=_refuse_constant, strict=True)
    except json.JSONDecodeError as error:
        raise GoJsonError(_error_message(error, text)) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go value of type map[string]interface {{}}")
    return value


def show(value: Any) -> str:
    """A member's value as Go's %v prints it: 1e+06, <nil>, map[a:1], [1 2]."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(float(value))
    if isinstance(value, list):
        return "[" + " ".join(show(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    # Go's strings are UTF-8, which has no half of a surrogate pair.
    return re.sub("[\ud800-\udfff]", "\ufffd", str(value))


def _number(value: float) -> str:
    # As few digits as tell it from all others, in Python as in Go.
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if not number or -4 <= exponent < _EXPONENT:
        return f"{number:f}"
    return f"{number.scaleb(-exponent):f}e{exponent:+03d}"


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise GoJsonError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return number


def _refuse_constant(name: str) -> Any:
    raise GoJsonError(f"invalid character '{name.lstrip('-')[0]}' looking for beginning of value")


def _error_message(error: json.JSONDecodeError, text: str) -> str:
    position = error.pos
    if "trailing comma" in error.msg:
        # Newer Pythons point at the comma, Go at what follows it.
        position = len(text) - len(text[position + 1 :].lstrip())
    elif error.msg.startswith("Invalid \\"):
        position += 1
    if position >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    # Go reads bytes, and names the first of a byte order mark.
    byte = text[position].encode()[0]
    character = {ord("'"): "\\'", ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"}.get(byte, chr(byte))
    context = next((words for mark, words in _POSITIONS if mark in error.msg), "looking for beginning of value")
    return f"invalid character '{character}' {context}"


def _kind(value: Any) -> str:
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
    return kinds[type(value)]
