"""Compose files as YAML trees, and merging them as Docker Compose does."""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import yaml

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.yaml_nodes import YamlLoader, compose
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile

_IMPLICIT = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", [*"tTfF"]),
    ("tag:yaml.org,2002:merge", r"^<<$", ["<"]),
)
"""The scalars that are not strings: tag, pattern, first letters. Numbers, dates and yes stay strings."""


ServiceReader = Callable[[str, str], Mapping[str, Any] | None]


class OptionalPath(str):
    """The path of an env_file with required: false."""


class RawPath(str):
    """The path of an env_file with format: raw, of which Compose takes each line as it stands."""


class _OptionalRawPath(OptionalPath, RawPath):
    """The path of an env_file with both."""


class _Reset:
    """The tag !reset."""


@dataclass(frozen=True)
class _Override:
    """The tag !override, with its value."""

    value: Any


def read_tree(file: SourceFile) -> Mapping[str, Any]:
    """Parse a compose file; raises UsageError, in one sentence without any of its text, if it is not valid YAML."""
    try:
        # A copy, which merging may change.
        tree = copy.deepcopy(_load(file.name, file.text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        conflict = find_conflict(file.name, file.text)
        raise UsageError(conflict or f"{file.name} line {line} is not valid YAML: fix it first.") from None
    except yaml.reader.ReaderError as error:
        line = file.text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{file.name} line {line} has a character that is not allowed in YAML: fix it first."
        ) from None
    return _mapping(tree, file)


@lru_cache(maxsize=32)
def _load(name: str, text: str) -> Any:
    loader = _Loader(text)
    node = compose(name, loader, allows_loops=True)
    return loader.construct_document(node) if node else None


class _Loader(YamlLoader):
    """YAML where only null, true and false are not strings, with Compose's tags; an unknown tag is ignored."""


def _without_tag(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _lower(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node)).lower()


_Loader.yaml_implicit_resolvers = {}
for _tag, _form, _first in _IMPLICIT:
    _Loader.add_implicit_resolver(_tag, re.compile(_form), _first)
_Loader.add_constructor("tag:yaml.org,2002:bool", _lower)
_Loader.add_constructor("!override", lambda loader, node: _Override(_without_tag(loader, node)))
_Loader.add_constructor("!reset", lambda loader, node: _Reset())
_Loader.add_multi_constructor("", lambda loader, suffix, node: _without_tag(loader, node))


def _mapping(tree: Any, file: SourceFile) -> Mapping[str, Any]:
    if tree is None or isinstance(tree, _Reset):
        return {}
    tree = tree.value if isinstance(tree, _Override) else tree
    if not isinstance(tree, Mapping):
        raise UsageError(f"{file.name} has a text or a list where Compose expects a mapping: fix it first.")
    return tree


def _in_long_syntax(body: Any) -> dict[str, Any]:
    """The attributes of a service that are used here, in long syntax."""
    used = ((key, converter) for key, converter in _CONVERTERS.items() if isinstance(body, Mapping) and key in body)
    return {key: _convert(body[key], converter) for key, converter in used}


def _convert(value: Any, converter: Callable[[Any], Any]) -> Any:
    """A value in another form, also one with !override; !reset has none."""
    if isinstance(value, _Reset):
        return value
    return _Override(converter(value.value)) if isinstance(value, _Override) else converter(value)


def _environment(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(name): each for name, each in value.items()}
    entries = [str(each).partition("=") for each in value] if isinstance(value, list) else []
    return {name: text if equals else None for name, equals, text in entries}


def _env_files(value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    return [path for path in map(_path, entries) if isinstance(path, str)]


def _path(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    path = entry.get("path")
    if not isinstance(path, str):
        return path
    is_optional = str(entry.get("required")).lower() == "false"
    if entry.get("format") == "raw":
        return _OptionalRawPath(path) if is_optional else RawPath(path)
    return OptionalPath(path) if is_optional else path


def _context(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"context": value}


def _sources(value: Any) -> dict[str, str]:
    """The sources of volumes by their targets, of which each has one: the last."""
    sources = {}
    for each in value if isinstance(value, list) else []:
        parts = [each.get("source"), each.get("target")] if isinstance(each, Mapping) else str(each).split(":")
        if len(parts) > 1 and isinstance(parts[0], str) and parts[0]:
            sources[str(parts[1]).rstrip("/")] = parts[0]
    return sources


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "environment": _environment,
    "env_file": _env_files,
    "build": _context,
    "volumes": _sources,
    **dict.fromkeys(("image", "container_name", "hostname"), lambda value: str(value or "")),
    "networks": lambda value: {name: each or {} for name, each in value.items()} if isinstance(value, Mapping) else {},
    "depends_on": lambda value: dict(value) if isinstance(value, Mapping) else {},
    "extends": lambda value: value,
    **dict.fromkeys(("secrets", "configs"), lambda value: value if isinstance(value, list) else []),
    "profiles": lambda value: [str(each) for each in value] if isinstance(value, list) else [],
}


def _extend(
    body: dict[str, Any], services: Mapping[str, Any], visited: set[str], read_other: ServiceReader
) -> dict[str, Any]:
    """A service merged with the one that it extends, if that can be read."""
    base = body.get("extends")
    if isinstance(base, Mapping) and "file" in base:
        other = read_other(str(base["file"]), str(base.get("service")))
        return body if other is None else {key: v for key, v in _on_base(other, body).items() if key != "extends"}
    if isinstance(base, Mapping):
        base = base.get("service")
    other = services.get(base) if isinstance(base, str) and base not in visited else None
    if not isinstance(other, dict):
        return body
    return _on_base(_extend(other, services, {*visited, str(base)}, read_other), body)


def _on_base(base: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """A service merged with the one that it extends; only its own !reset and !override are for the files before."""
    own = {key: value for key, value in body.items() if isinstance(value, _Reset | _Override)}
    return merge(merge({}, base), body) | own


def read_services(file: SourceFile, tree: Mapping[str, Any], read_other: ServiceReader) -> dict[str, Any]:
    """The services of one file, in long syntax and merged with those that they extend.

    `read_other` returns a service by its file's path and its name, None if it cannot be read.
    """
    bodies = _mapping(tree.get("services"), file)
    services = {str(name): _convert(body, _in_long_syntax) for name, body in bodies.items()}
    return {
        name: _extend(body, services, {name}, read_other) if isinstance(body, dict) else body
        for name, body in services.items()
    }


@dataclass(frozen=True)
class Include:
    """A file that a Compose file includes; paths are as seen from the folder of that file."""

    path: str
    """"" for an entry that is not a path."""
    folder: str
    """What the paths in it are relative to."""
    env_files: tuple[str, ...]
    """The files with values for its ${…}, beside those of the project."""


def find_includes(tree: Mapping[str, Any]) -> Iterator[Include]:
    """Yield what a Compose file includes."""
    entries = tree.get("include")
    for entry in entries if isinstance(entries, list) else [entries] if entries else []:
        details = entry if isinstance(entry, Mapping) else {"path": entry}
        paths = details.get("path")
        texts = [each if isinstance(each, str) else "" for each in (paths if isinstance(paths, list) else [paths])]
        folder = str(details.get("project_directory") or posixpath.dirname(next(iter(texts), "")))
        env_files = _env_files(details["env_file"]) if "env_file" in details else [posixpath.join(folder, ".env")]
        yield from (Include(path, folder, tuple(env_files)) for path in texts)


def resolve_env_files(body: Any, resolve: Callable[[str], str]) -> Any:
    """A service with the paths of its env_files as `resolve` gives them; before `rebase`, which leaves variables."""
    if not isinstance(body, dict) or "env_file" not in body:
        return body
    return {**body, "env_file": _convert(body["env_file"], lambda paths: [*map(resolve, paths)])}


def rebase(body: Any, folder: str) -> Any:
    """A service with its paths relative to another folder; `folder` is the path from there to its file's folder."""
    if folder in ("", ".") or not isinstance(body, dict):
        return body
    return {key: _convert(value, partial(_rebase_value, key, folder)) for key, value in body.items()}


def _rebase_value(key: str, folder: str, value: Any) -> Any:
    if key == "env_file" and isinstance(value, list):
        return [_rebase_path(each, folder) for each in value]
    if key == "volumes" and isinstance(value, Mapping):
        return {target: _rebase_path(each, folder) if each.startswith(".") else each for target, each in value.items()}
    if key == "build" and isinstance(value, Mapping) and isinstance(value.get("context"), str):
        return {**value, "context": _rebase_path(value["context"], folder)}
    return value


def _rebase_path(path: str, folder: str) -> str:
    if path.startswith(("/", "~", "$")) or "://" in path:
        return path
    rebased = posixpath.normpath(posixpath.join(folder, path))
    return type(path)(rebased)


def merge(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings as Compose does: mappings by key, lists concatenated."""
    merged = dict(before)
    for key, value in after.items():
        old = merged.get(key)
        if isinstance(value, _Override):
            value, old = value.value, None
        if isinstance(value, _Reset):
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value)
        elif isinstance(value, list) and isinstance(old, list):
            merged[key] = [*old, *(each for each in value if each not in old)]
        else:
            merged[key] = value
    return merged


def all_texts(tree: Any, visited: set[int] | None = None) -> Iterator[str]:
    """Yield every string value of a tree, those of an anchor once."""
    visited = set() if visited is None else visited
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, _Override):
        yield from all_texts(tree.value, visited)
    elif isinstance(tree, Mapping | list) and id(tree) not in visited:
        visited.add(id(tree))
        inner: Iterable[Any] = tree.values() if isinstance(tree, Mapping) else tree
        for each in inner:
            yield from all_texts(each, visited)
