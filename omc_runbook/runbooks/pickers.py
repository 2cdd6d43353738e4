"""What the parameters of a runbook can be, from what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omc_runbook.changes.values.sources import GENERATE, KEEP, PROMPT
from omc_runbook.checks import age
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.report import history as report
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

SYMPTOMS = {
    "": "not known",
    "cannot-read": "tasks do not start, or lack a value",
    "not-updating": "an old value is still in use",
    "exec-fails": "ECS Exec does not connect",
    "local": "the application does not start on my machine",
}
"""The symptoms that troubleshoot knows, in words."""

SOURCES = {PROMPT: "typed, hidden", GENERATE: "made at random", KEEP: "only new tasks"}
"""Sources of values that need no name of a file or variable."""


@dataclass(frozen=True)
class Picker:
    """A parameter, its value, and what it can be: labels by value. In a list, several can be chosen.

    Without labels it is a text to type, or for a value that is true or false a box to tick.
    """

    parameter: str
    value: str | bool
    labels: Mapping[str, str] = field(default_factory=dict)
    is_list: bool = False
    hint: str = ""
    """What a text may be, where it is empty."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The values that are chosen."""
        value = str(self.value)
        return tuple(filter(None, map(str.strip, value.split(",")))) if self.is_list else (value,)

    @property
    def options(self) -> dict[str, str]:
        """The labels by value, also of values that are chosen without being there."""
        return {**self.labels, **{value: value or "—" for value in self.chosen if value not in self.labels}}


def environment(own: Environment) -> Picker:
    """The environments in AWS, of which one is chosen."""
    return Picker("environment", own.name, _others(own))


def environments(own: Environment, chosen: str) -> Picker:
    """The environments in AWS, of which several can be chosen."""
    return Picker("environments", chosen, _others(own), is_list=True)


def _others(own: Environment) -> dict[str, str]:
    return {name: name for name in sorted((own.name, *own.others)) if name != LOCAL}


def keys(snapshot: Snapshot, chosen: str) -> Picker:
    """The keys that there are or should be."""
    document = snapshot.document
    names = dict.fromkeys((*(document.keys if document else ()), *snapshot.environment.keys))
    return Picker("keys", chosen, {name: name for name in names}, is_list=True)


def keys_by_age(snapshot: Snapshot, history: VersionHistory, chosen: str) -> Picker:
    """The keys that can be renewed, each with its age; for "due" those that are due are chosen."""
    ages = age.ages(snapshot, history)
    due = age.due(snapshot, ages)
    renewable = [each for each in ages if age.is_renewable(snapshot, each.key)]
    labels = {each.key: f"{each.key} · {(snapshot.taken - each.since).days} days" for each in renewable}
    labels |= {key: f"{labels[key]}, due" for key in due}
    return Picker("keys", ",".join(due) if chosen.strip() == age.DUE else chosen, labels, is_list=True)


def values_from(chosen: str, **others: str) -> Picker:
    """The sources of values, and `others` before them."""
    return _of_sources(chosen, {**others, **SOURCES})


def new_values_from(chosen: str, **others: str) -> Picker:
    """The sources of values that did not exist before, and `others` around them."""
    general = {PROMPT: SOURCES[PROMPT], GENERATE: SOURCES[GENERATE]}
    return _of_sources(chosen, {"": "none yet", **general, **others})


def _of_sources(chosen: str, words: Mapping[str, str]) -> Picker:
    """Sources of values with what they mean; each begins with the word that an error asks for."""
    labels = {source: f"{source}: {text}" if source else text for source, text in words.items()}
    return Picker("values_from", chosen, labels)


def on_failure(chosen: str) -> Picker:
    """What to do when tasks fail with the new values."""
    return Picker("on_failure", chosen, {"restore": "put the former version back", "leave": "keep the new version"})


def version(snapshot: Snapshot, history: VersionHistory, chosen: str) -> Picker:
    """The versions that are not current, the newest first."""
    current = snapshot.current.version_id if snapshot.current else ""
    labels = {each.id: report.label(history, each) for each in history.versions if each.id != current}
    return Picker("version", chosen, {"": "none: only show the history", **labels})


def symptom(chosen: str) -> Picker:
    """The symptoms."""
    return Picker("symptom", chosen, SYMPTOMS)


def service(snapshot: Snapshot, chosen: str) -> Picker:
    """The services that use the secret; "" is the main one."""
    return Picker("service", chosen, {"": "the main one", **{each.name: each.name for each in snapshot.consumers}})
