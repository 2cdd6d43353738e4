"""The text of runbook.toml: names with where they come from as comments; what else a file has stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from omc_runbook.changes.configuration.names import EnvironmentNames

HEADER = "# The names of this platform's environments, found by omc-runbook init."

_BARE = re.compile(r"[A-Za-z0-9_-]+")

Comments = Mapping[tuple[str, ...], str]


def merge(table: Mapping[str, Any], found: Sequence[EnvironmentNames]) -> tuple[dict[str, Any], Comments]:
    """The contents of runbook.toml with the names that were found, and the comments of these by their path.

    A name that was found replaces one that the file has; everything else in the file stays.
    """
    merged = {**table}
    comments: dict[tuple[str, ...], str] = {}
    projects = [each.project for each in found if each.project]
    if projects and "project" not in merged:
        merged["project"] = projects[0]
    environments = {name: dict(own) for name, own in merged.get("environments", {}).items()}
    keys = {name: dict(own) for name, own in merged.get("keys", {}).items()}
    accepted = [dict(entry) for entry in merged.get("accepted", ())]
    for each in found:
        own = environments.setdefault(each.environment, {})
        if each.prefix and each.prefix != f"{merged.get('project', '')}-{each.environment}":
            own["prefix"] = each.prefix
        for found_name in each.names:
            own[found_name.field] = found_name.value
            comments["environments", each.environment, found_name.field] = "; ".join(found_name.sources)
        for key, entry in each.keys.items():
            keys[key] = {**entry.model_dump(exclude_defaults=True), **keys.get(key, {}), "variable": entry.variable}
        identities = [(entry.get("check"), entry.get("subject"), entry.get("environment", "")) for entry in accepted]
        accepted += [
            {name: value for name, value in entry if value not in ("", None)}
            for entry in each.accepted
            if not {(entry.check, entry.subject, entry.environment), (entry.check, entry.subject, "")} & {*identities}
        ]
    for name, value in (("environments", environments), ("keys", keys), ("accepted", accepted)):
        if value:
            merged[name] = value
    return merged, comments


def render(table: Mapping[str, Any], comments: Comments) -> str:
    """The text of a file with these contents."""
    return "\n".join([HEADER, *_lines(table, (), comments)]).rstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...], comments: Comments) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not _is_table(value) and not _is_list_of_tables(value)}
    if path and (plain or not table):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        comment = comments.get((*path, key), "")
        yield f"{_key(key)} = {_value(value)}{f'  # {_one_line(comment)}' if comment else ''}"
    for key, value in table.items():
        if _is_table(value):
            # An inline table stays one: of tags, which has texts alone.
            yield from _lines(value, (*path, key), comments)
        elif _is_list_of_tables(value):
            for entry in value:
                yield ""
                yield f"[[{'.'.join(map(_key, (*path, key)))}]]"
                yield from (f"{_key(name)} = {_value(each)}" for name, each in entry.items())


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_value(each)}' for name, each in value.items())} }}"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return value.isoformat() if isinstance(value, date) else str(value)


def _one_line(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
