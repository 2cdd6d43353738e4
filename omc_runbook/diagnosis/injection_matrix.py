"""The injection matrix: which key reaches which variable of which tasks, and in what state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from omc_runbook.checks.key_demand import KeyDemand, content_for, secret_demands
from omc_runbook.masking.defects import CheckId, find_defect
from omc_runbook.masking.document import Member
from omc_runbook.model.environment import Environment
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

State = Literal["set", "empty", "placeholder", "malformed", "weak", "missing", "unknown"]
_STATES: dict[CheckId, State] = {
    "empty": "empty",
    "changethis": "placeholder",
    "placeholder": "placeholder",
    "weak": "weak",
    "white-space": "malformed",
    "bad-copy": "malformed",
    "wrong-form": "malformed",
    "url-chars": "malformed",
}


@dataclass(frozen=True)
class Row:
    """One variable of one container: its source, state, and how many running tasks have it.

    `present` is None where it is unknown.
    """

    service: str
    container: str
    variable: str
    key: str
    revision: str
    version: str
    """The stage or the version id that the reference names."""
    present: bool | None
    state: State
    fresh: int
    stale: int
    undecidable: int
    has_unread_tasks: bool

    @property
    def reaches(self) -> str:
        """How many running tasks have the value, in words."""
        counts = {"fresh": self.fresh, "stale": self.stale, "undecidable": self.undecidable}
        words = [f"{count} {word}" for word, count in counts.items() if count]
        if self.has_unread_tasks:
            words.append("others unknown" if words else "unknown")
        return ", ".join(words) or "none"


def rows(snapshot: Snapshot) -> Iterator[Row]:
    """Every reference of the consumers to the secret, in the order of services and variables."""
    for demand in filter(lambda demand: demand.in_force, secret_demands(snapshot)):
        member, present = _member(snapshot, demand)
        ref = demand.reference
        counts = Counter(
            freshness.of_variable(snapshot, task, demand.container, demand.injection)
            for task in snapshot.running(demand.service)
        )
        yield Row(
            demand.service.name,
            demand.container.name,
            demand.variable,
            ref.key or "(whole secret)",
            demand.definition.label,
            ref.version_id or ref.stage or "AWSCURRENT",
            present,
            _state(member, present, snapshot.environment),
            counts["fresh"],
            counts["stale"],
            counts["undecidable"],
            snapshot.has_unread_tasks(demand.service),
        )


def alike(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that differ only in variable and container, where all of these containers have the same variables."""
    own: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        state = (row.version, row.present, row.state, row.reaches)
        own.setdefault((state, row.service, row.container, row.revision), []).append(row)
    groups: dict[tuple[object, ...], list[Row]] = {}
    for (common, *_), found in own.items():
        groups.setdefault((common, *((row.variable, row.key) for row in found)), []).extend(found)
    return [*groups.values()]


def _member(snapshot: Snapshot, demand: KeyDemand) -> tuple[Member | None, bool | None]:
    content = content_for(snapshot, demand)
    if content is None or content.document is None:
        return None, None
    key = demand.reference.key
    member = content.document.get(key)
    return member, member is not None or not key


def _state(member: Member | None, present: bool | None, environment: Environment) -> State:
    if present is None:
        return "unknown"
    if member is None:
        # The whole secret is there.
        return "set" if present else "missing"
    value = member.injected
    if value.is_empty or member.kind == "null":
        return "empty"
    defect = find_defect(value, member.key, environment.keys.get(member.key), environment.words)
    return _STATES[defect.check] if defect else "set"
