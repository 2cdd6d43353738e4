"""Files of settings beside the environment, in TOML, JSON, YAML or INI: what they name, without a value."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node

from omc_runbook.model.errors import UsageError
from omc_runbook.repository import git, yaml_nodes
from omc_runbook.repository.dockerfile import is_ignored
from omc_runbook.textfile.file import SourceFile, read_if_readable

ENDINGS = (".toml", ".json", ".yaml", ".yml")
"""What the names of files end with that every library reads alike; INI has dialects."""

_ANY_FOLDER = re.compile(r"(?m)^(!?)(?=[^/\s#][^/\n]*/?[ \t\r]*$)")


def read_tables(file: SourceFile, path: Sequence[str] = ()) -> Mapping[str, Any]:
    """What a file names, or one of its tables, whose path is given: by each name the same of its table, else a flag.

    That is whether it has a value, other than null. Empty for a file that is not valid, and without that table.
    """
    try:
        tree = _parse(file)
    except (ValueError, OverflowError, RecursionError, UsageError, yaml.YAMLError, configparser.Error):
        return {}
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def is_left_out(repository: Path, name: str) -> bool:
    """Whether git ignores a file, or a .dockerignore keeps it or a folder of it out, so that a task may lack it.

    What git tracks is in every clone, whatever a .gitignore says; without a repository nothing is ignored. Where git
    refuses, or is not installed, the text of each .gitignore counts.
    """
    path, ignored_by_git = PurePosixPath(name), git.is_ignored(repository, name)
    names = (".dockerignore",) if ignored_by_git is False else (".dockerignore", ".gitignore")
    ignores = [(each, read_if_readable(repository, str(each / ignore))) for each in path.parents for ignore in names]
    return bool(ignored_by_git) or any(
        # A pattern of git without a slash is for a name in any folder.
        is_ignored(_ANY_FOLDER.sub(r"\1**/", file.text) if file.name.endswith(".gitignore") else file.text, own)
        for folder, file in ignores
        if file and (own := str(path.relative_to(folder)))
    )


def _parse(file: SourceFile) -> Any:
    ending = PurePosixPath(file.name).suffix
    if ending in (".yaml", ".yml"):
        return _of_yaml(yaml_nodes.read_mapping(file))
    if ending == ".ini":
        parser = configparser.RawConfigParser(allow_no_value=True)
        parser.read_string(file.text)
        return {name: dict.fromkeys(section, True) for name, section in parser.items()}
    return _of_data(tomllib.loads(file.text) if ending == ".toml" else json.loads(file.text))


def _of_yaml(node: Node) -> Any:
    if not isinstance(node, MappingNode):
        return node.tag != "tag:yaml.org,2002:null"
    pairs = yaml_nodes.members(node)
    return {key.value: _of_yaml(value) for key, value in pairs if isinstance(key.value, str)}


def _of_data(value: Any) -> Any:
    return {name: _of_data(each) for name, each in value.items()} if isinstance(value, dict) else value is not None


def paths_in(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the path of each name in a table and in those below it, with whether it has a value."""
    for name, value in table.items():
        yield (*above, name), value is not False
        yield from paths_in(value, (*above, name)) if isinstance(value, Mapping) else ()
