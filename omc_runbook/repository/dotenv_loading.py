"""The .env that the application's code loads itself, as by load_dotenv(), where the source tells which."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from omc_runbook.repository.code_files import SCRIPTS, CheckoutFiles
from omc_runbook.repository.python_syntax import assigned, last_name, parse_python

_LOADS = ("load_dotenv", "read_env")
_DJANGO = re.compile(r"^(?:from|import)[ \t]+environ\b", re.MULTILINE)
_SAME = ("resolve", "absolute", "expanduser", "abspath", "realpath", "normpath", "str", "Path", "fspath")
"""Functions and methods that make the same path of one."""
_DEEPEST = 40
_LONGEST = 4096
"""The characters that a path has at most on Linux."""


def find_loaded_files(files: CheckoutFiles, settings: str) -> tuple[Path, ...]:
    """The files that the application's code loads variables from; () for none, and where one of them is unknown.

    `settings` is the path of Settings within the checkout. A relative path counts as seen from the top, and a script
    of a developer as no application.
    """
    loaded: list[Path] = []
    for path in files.of_application(settings):
        text = files.text(path)
        is_other = path.name.startswith(("test_", "conftest")) or path.is_relative_to(files.root / SCRIPTS)
        if is_other or not any(name in text for name in _LOADS):
            continue
        for found in _loaded_by(path, text, files.root):
            if found is None:
                return ()
            loaded.append(found)
    return tuple(dict.fromkeys(loaded))


def _loaded_by(path: Path, text: str, repository: Path) -> Iterator[Path | None]:
    """Yield the file of each call in a module; None for one that only running it would tell."""
    tree = parse_python(text)
    names = dict(assigned(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in _LOADS:
            keywords = [each.value for each in node.keywords if each.arg in ("dotenv_path", "env_file", "path")]
            arguments = [*node.args[:1], *keywords]
            is_search = bool(arguments) and isinstance(arguments[0], ast.Call) and not arguments[0].args
            if not arguments and last_name(node.func) == "read_env" and _DJANGO.search(text):
                yield path.with_name(".env")
            elif not arguments or (is_search and last_name(getattr(arguments[0], "func", node)) == "find_dotenv"):
                # They search from the module's folder upwards.
                folders = (each for each in path.parents if each.is_relative_to(repository))
                yield next((each / ".env" for each in folders if (each / ".env").is_file()), repository / ".env")
            else:
                found = path_of(arguments[0], lambda _: path, names)
                yield Path(os.path.normpath(repository / found)) if found is not None else None


def path_of(node: ast.expr, module_of: Callable[[ast.Name], Path | None], names: Mapping[str, ast.expr]) -> Path | None:
    """The path that an expression makes of __file__, which is that of a module, and texts; None for any other one."""
    return _path(node, module_of, names, {}, 0)


def _path(
    node: ast.expr,
    module_of: Callable[[ast.Name], Path | None],
    names: Mapping[str, ast.expr],
    found_of: dict[str, Path | None],
    depth: int,
) -> Path | None:
    if depth > _DEEPEST:
        return None

    def inner(each: ast.expr) -> Path | None:
        return _path(each, module_of, names, found_of, depth + 1)

    match node:
        case ast.Name(id="__file__"):
            return module_of(node)
        case ast.Name(id=name) if name in names:
            if name not in found_of:
                # Each is computed once, and one that needs itself is no path.
                found_of[name] = None
                found_of[name] = inner(names[name])
            return found_of[name]
        case ast.Constant(value=str(text)):
            # A home is that of whoever runs it.
            return None if text.startswith("~") else Path(text)
        case (
            ast.Attribute(value=value, attr="parent")
            | ast.Call(func=ast.Attribute(attr="dirname"), args=[value], keywords=[])
        ):
            return found.parent if (found := inner(value)) else None
        case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(number))):
            found = inner(value)
            return found.parents[number] if found and 0 <= number < len(found.parents) else None
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined([inner(left), inner(right)])
        case ast.Call(func=ast.Attribute(attr="joinpath", value=value), args=parts, keywords=[]):
            return _joined([inner(value), *map(inner, parts)])
        case ast.Call(func=ast.Attribute(attr="join", value=value), args=parts) if last_name(value) == "path":
            return _joined([*map(inner, parts)])
        case ast.Call(func=func, args=[value]) if last_name(func) in _SAME:
            return inner(value)
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[]) if name in _SAME:
            return inner(value)
    return None


def _joined(parts: list[Path | None]) -> Path | None:
    # A Path of paths keeps the parts of each, however often it has them.
    known = [str(each) for each in parts if each is not None]
    return Path(*known) if len(known) == len(parts) and sum(map(len, known)) <= _LONGEST else None
