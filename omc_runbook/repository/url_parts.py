"""Variables that the checkout's files put into a URL as they are: Compose, the template, f-strings in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose import Compose, find_references
from omc_runbook.repository.python_syntax import last_name, parse_python, text_of
from omc_runbook.repository.settings_source import SettingsSource
from omc_runbook.repository.template import Template

_LOGIN = re.compile(r"://([^\s\"']*?)@")
"""The part of a URL with the user and the password."""
_MARK = re.compile(r"\0(\d+)\0")
_LOOKUPS = frozenset({"getenv", "get", "get_secret_value"})
"""Calls that give the value itself; any other one may escape it."""


def find_raw_parts(
    files: CheckoutFiles, settings: SettingsSource, template: Template | None, compose: Compose | None
) -> dict[str, str]:
    """By variable, where it stands in the user or the password of a URL without being escaped: file and line."""
    parts: dict[str, str] = {}
    for file in (*(compose.files if compose else ()), *([template.file] if template else ())):
        for number, line in enumerate(file.text.splitlines(), 1):
            if not line.lstrip().startswith("#"):
                for name in _interpolated(line):
                    parts.setdefault(name, f"{file.name}, line {number}")
    variables = {field.name: field.variables[0] for field in settings.fields}
    variables |= {name: name for name in (each for field in settings.fields for each in field.variables)}
    variables |= {entry.name: entry.name for entry in (template.entries if template else ())} | variables
    for path in files.of_application(settings.path):
        text = files.text(path)
        for name, number in _formatted_names(text) if "://" in text else ():
            if name in variables:
                parts.setdefault(variables[name], f"{path.relative_to(files.root)}, line {number}")
    return parts


def _interpolated(line: str) -> Iterator[str]:
    for login in _LOGIN.finditer(line):
        yield from (name for name, _ in find_references(login[1]))


@lru_cache(maxsize=256)
def _formatted_names(text: str) -> tuple[tuple[str, int], ...]:
    """The names in the logins of URLs that a Python file formats, each with its line; none for an invalid file."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(parse_python(text)):
        if isinstance(node, ast.JoinedStr):
            values = [each.value for each in node.values if isinstance(each, ast.FormattedValue)]
            numbers = iter(range(len(values)))
            joined = "".join(
                str(each.value) if isinstance(each, ast.Constant) else f"\0{next(numbers)}\0" for each in node.values
            )
            for login in _LOGIN.finditer(joined):
                names = (_name(values[int(mark)]) for mark in _MARK.findall(login[1]))
                found += ((name, node.lineno) for name in names if name)
    return tuple(found)


def _name(node: ast.expr) -> str:
    """The field or variable whose value an expression is; "" for any other expression."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_secret_value":
        node = node.func.value
    match node:
        case ast.Attribute() | ast.Name():
            return last_name(node)
        case ast.Subscript(slice=key):
            return text_of(key)
        case ast.Call(func=function, args=[key, *_]) if last_name(function) in _LOOKUPS:
            return text_of(key)
    return ""
