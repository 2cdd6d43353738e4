"""The seal of a record: SHA-256 of its files, by which a later change is found.

It finds accidents and edits. It is no signature: whoever edits a file can compute a new seal as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from omc_runbook.model import json_text
from omc_runbook.report.archive import stems

State = Literal["intact", "changed", "missing", "unreadable", "not sealed", "no record"]
"""What became of a record; "not sealed" are those of a version before seals, "no record" runs that left none."""
Read = Callable[[str], bytes]
"""Gives the bytes of a file by its name, or raises OSError."""

NEWEST = "outcome.json"
"""The outcome of the newest record, in a copy."""
MEMBER = "is_sealed"
"""The member of a notebook's metadata that says that its record has a seal."""

_SEAL = re.compile(rb',\n  "seal": "([0-9a-f]{64})"\n}\n\Z')
_END = b"\n}\n"


@dataclass(frozen=True)
class SealState:
    """A record by its stem, what became of it, and which of its files show that."""

    name: str
    state: State
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        files = ", ".join(name for name in self.files if name != self.name)
        return f"{self.state:<10}  {self.name}{': ' if files else ''}{files}"


def exit_code(states: Collection[SealState]) -> int:
    """1 where a record is changed or not complete, 2 where one could not be read, else 0."""
    kinds = {each.state for each in states}
    return 1 if kinds & {"changed", "missing"} else 2 if "unreadable" in kinds else 0


def digest(content: bytes) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal(outcome: str, files: Mapping[str, bytes]) -> bytes:
    """An outcome's JSON with the digests of the record's other files (`files`), and of itself without it (`seal`)."""
    body = json.loads(outcome) | {"files": {name: digest(content) for name, content in files.items()}}
    content = (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()
    return content.removesuffix(_END) + f',\n  "seal": "{digest(content)}"'.encode() + _END


def check(names: Collection[str], read: Read) -> list[SealState]:
    """What became of each record in a folder, by the names of its files; the newest first."""
    records = {stem for name in names if (stem := stems.of_file(name))}
    states, covered = [], ""
    if NEWEST in names:
        newest, covered = _check_newest(names, {f"{stem.text}.json" for stem in records} & {*names}, read)
        states += newest
    rest = sorted((stem for stem in records if stem.text != covered), reverse=True)
    return [*states, *(_check_one(stem.text, names, read) for stem in rest)]


def _check_newest(names: Collection[str], outcomes: Collection[str], read: Read) -> tuple[list[SealState], str]:
    """What is wrong with outcome.json, and the stem of the record whose only outcome it is, with what became of it."""
    try:
        content = read(NEWEST)
    except OSError:
        return [SealState(NEWEST, "unreadable", (NEWEST,))], ""
    stem = next((each.text for name in _digests(content) if (each := stems.of_file(name))), "")
    if stem and f"{stem}.json" not in outcomes:
        # Downloaded from a place that has no copy of the newest outcome.
        return [_compare(stem, content, NEWEST, names, read)], stem
    is_meant_to_be = bool(outcomes) or b'"seal"' in content or b'"files"' in content
    return [SealState(NEWEST, "changed", (NEWEST,))] if is_meant_to_be and not _is_intact(content) else [], ""


def _check_one(stem: str, names: Collection[str], read: Read) -> SealState:
    outcome, notebook = f"{stem}.json", f"{stem}.ipynb"
    try:
        if outcome in names:
            return _compare(stem, read(outcome), outcome, names, read)
        # Whatever the version, a record has a notebook.
        if notebook not in names:
            return SealState(stem, "missing", (notebook,))
        is_sealed = f'"{MEMBER}": true'.encode() in read(notebook)
    except OSError:
        return SealState(stem, "unreadable", (outcome if outcome in names else notebook,))
    return SealState(stem, "missing", (outcome,)) if is_sealed else SealState(stem, "not sealed")


def _compare(stem: str, content: bytes, outcome: str, names: Collection[str], read: Read) -> SealState:
    """Compare a record's files with what its outcome says of them, after the outcome with its own seal."""
    if not _is_intact(content):
        return SealState(stem, "changed", (outcome,))
    by_state: dict[State, list[str]] = {"changed": [], "missing": [], "unreadable": []}
    for name, expected in _digests(content).items():
        if name not in names:
            by_state["missing"].append(name)
            continue
        try:
            if digest(read(name)) != expected:
                by_state["changed"].append(name)
        except OSError:
            by_state["unreadable"].append(name)
    return next(
        (SealState(stem, state, tuple(files)) for state, files in by_state.items() if files), SealState(stem, "intact")
    )


def _is_intact(outcome: bytes) -> bool:
    found = _SEAL.search(outcome)
    return found is not None and digest(outcome[: found.start()] + _END) == found[1].decode()


def _digests(outcome: bytes) -> Mapping[str, str]:
    """The digests that an outcome has of the record's other files; none of a text that is no sealed outcome."""
    try:
        files = json_text.parse(outcome)["files"]
    except (ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}
