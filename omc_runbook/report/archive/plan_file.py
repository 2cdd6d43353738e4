"""The file of a plan that one person writes and another applies: what the change is bound to, without a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.model import json_text, regular_file
from omc_runbook.model.errors import ConflictError, UsageError
from omc_runbook.model.findings import PlanReference
from omc_runbook.model.parameters import PLACES, convert, literal
from omc_runbook.textfile import private_file

LIFETIME = timedelta(hours=24)
LARGEST = 1_048_576
"""Bytes; no plan is larger."""


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A plan as it was made, with what must be so still when it is applied. Its hash stands for all of it."""

    runbook: str
    environment: str
    account: str
    region: str
    endpoint: str
    parameters: Mapping[str, str | bool]
    """Those of its notebook that made it."""
    facts: Mapping[str, str]
    """What the plan is based on and what it does, each with its name: versions, keys, revisions of task definitions."""
    fingerprints: Mapping[str, str]
    """Of each value and file that would be written: a keyed fingerprint, or that it is generated when it is applied."""
    steps: tuple[str, ...]
    salt: str
    created: datetime
    expires: datetime
    by: str
    """The ARN of whoever made it."""
    carried_out: Mapping[str, str] = field(default_factory=dict)
    """When it was applied, and by whom; no part of the hash."""

    @property
    def hash(self) -> str:
        """32 hexadecimal digits in groups, for two people to compare."""
        body = self._body()
        del body["carried_out"]
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        digits = hashlib.sha256(text.encode()).hexdigest()[:32]
        return "-".join(digits[at : at + 4] for at in range(0, len(digits), 4))

    def to_json(self) -> str:
        """The text of its file."""
        return json.dumps({"schema": 1, "hash": self.hash, **self._body()}, indent=1, ensure_ascii=False) + "\n"

    def _body(self) -> dict[str, Any]:
        times = {"created": self.created.isoformat(), "expires": self.expires.isoformat()}
        return asdict(self) | {"steps": list(self.steps)} | times

    @classmethod
    def from_json(cls, text: str) -> PlanFile:
        """Read the text of a file; raises ValueError for another, and for one whose hash is not that of its text.

        A member that comes twice would be read as its last, and a person may read the first.
        """
        # Python refuses integers of thousands of digits.
        body = json_text.parse(text, parse_int=float, refuses_twice=True)
        if not isinstance(body, dict) or body.pop("schema", None) != 1:
            raise ValueError("it is not a plan of schema 1")
        recorded, names = body.pop("hash", ""), {field.name for field in fields(cls)}
        times = ("created", "expires")
        texts = names - {"parameters", "facts", "fingerprints", "steps", "carried_out", *times}
        tables = ("parameters", "facts", "fingerprints", "carried_out")
        is_whole = (
            body.keys() == names
            and all(isinstance(body[name], str) for name in (*texts, *times))
            and all(isinstance(body[name], dict) and _is_flat(body[name]) for name in tables)
            and isinstance(body["steps"], list)
            and all(isinstance(step, str) for step in body["steps"])
        )
        if not is_whole:
            raise ValueError("it is not a whole plan")
        moments = {name: json_text.moment(body[name]) for name in times}
        plan = cls(**body | moments | {"steps": tuple(body["steps"])})
        # Half of a surrogate pair, which an escape can make, cannot be shown.
        plan.to_json().encode()
        if plan.hash != recorded:
            raise ValueError("it was edited after it was written: its hash is another")
        return plan

    def parameters_with(self, chosen: Mapping[str, str | bool]) -> dict[str, str | bool]:
        """The plan's parameters; raises UsageError where a chosen one contradicts it, unless it is one of PLACES."""
        for name, value in chosen.items():
            planned = self.parameters.get(name, value)
            if isinstance(planned, bool) and isinstance(value, str):
                value = convert(name, value, "bool")
            if name not in PLACES and value != planned:
                was = f"the plan has {literal(planned)}" if planned else "the plan has none"
                raise UsageError(f"{name} contradicts the plan: {was}. Leave it out. Nothing was written.")
        return {**self.parameters, **{name: chosen[name] for name in self.parameters if name in chosen}}

    def differences(self, now: PlanFile) -> tuple[str, ...]:
        """What is otherwise in a plan that is made now, one sentence each."""
        found = [
            f"{name} is {getattr(now, name)}, in the plan {getattr(self, name)}"
            for name in ("environment", "account", "region", "endpoint")
            if getattr(now, name) != getattr(self, name)
        ]
        for name in dict.fromkeys((*self.facts, *now.facts)):
            found += _difference(name, self.facts.get(name), now.facts.get(name))
        # Fingerprints depend on the current version: under another one, the same value has another.
        for name in dict.fromkeys((*self.fingerprints, *now.fingerprints)) if not found else ():
            is_same = self.fingerprints.get(name) == now.fingerprints.get(name)
            found += [] if is_same else [f"{name} is not the one in the plan"]
        if not found:
            found += [f"not in the plan: {step}" for step in now.steps if step not in self.steps]
            found += [f"only in the plan: {step}" for step in self.steps if step not in now.steps]
        if not found and self.steps != now.steps:
            found.append("the plan has the same steps in another order or number")
        return tuple(found)

    def refuse_other(self, runbook: str) -> None:
        """Raise UsageError for a plan of another runbook."""
        if self.runbook != runbook:
            raise UsageError(f"Plan {self.hash} is for {self.runbook}, and this is {runbook}. Nothing was written.")

    def refuse_past(self, now: datetime) -> None:
        """Raise ConflictError for a plan that was applied, or has expired."""
        if self.carried_out:
            raise ConflictError(
                f"Plan {self.hash} was carried out already, at {self.carried_out.get('at', '?')} by"
                f" {self.carried_out.get('by', '?')}. Nothing was written."
            )
        if now >= self.expires:
            raise ConflictError(
                f"Plan {self.hash} expired at {in_words(self.expires)}: have it made again. Nothing was written."
            )


def in_words(moment: datetime) -> str:
    """A time in words."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def read(path: Path) -> PlanFile:
    """Read a plan's file; raises UsageError for a file that is none."""
    try:
        raw = regular_file.read(path, LARGEST)
        if len(raw) > LARGEST:
            raise ValueError("it is too large")
        return PlanFile.from_json(raw.decode())
    except (regular_file.NotRegular, IsADirectoryError):
        raise UsageError(f"plan_from: {path} is not a regular file. Nothing was written.") from None
    except OSError as error:
        raise UsageError(f"plan_from: {path} cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError:
        raise UsageError(f"plan_from: {path} is not a plan: it is not JSON. Nothing was written.") from None
    except ValueError as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
        raise UsageError(f"plan_from: {path} cannot be applied: {reason}. Nothing was written.") from None


def refuse_unwritable(path: Path) -> None:
    """Raise UsageError for a path at which no new file can be."""
    try:
        if not path.parent.is_dir():
            raise UsageError(f"plan_to: folder {path.parent} does not exist: name a file in one that does.")
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"plan_to: {path} cannot be written: {error.strerror}. Nothing was written.") from None
    raise UsageError(f"plan_to: {path} exists, and is not overwritten: name a new file.")


def write(path: Path, plan: PlanFile) -> None:
    """Write a new file, mode 600; raises UsageError where there is one, or none can be."""
    try:
        private_file.create(path, plan.to_json().encode())
    except FileExistsError:
        refuse_unwritable(path)
    except OSError as error:
        raise UsageError(f"plan_to: {path} cannot be written: {error.strerror}. Nothing was written.") from None


@dataclass(frozen=True)
class FiledPlan:
    """A plan, the file that it was written to or read from, and who runs it."""

    path: Path
    plan: PlanFile
    caller: str
    is_read: bool

    @property
    def reference(self) -> PlanReference:
        """What the outcome says of it."""
        return PlanReference(self.plan.hash, self.plan.by, self.caller)

    def finish(self, result: ChangeResult | None) -> None:
        """Note in its file that the plan was carried out, unless it was taken back.

        Where the file cannot be written, the plan is refused all the same: what it is based on is not there any more.
        """
        if not self.is_read or result is None or not result.changes or result.rollback_note:
            return
        plan = replace(self.plan, carried_out={"at": in_words(datetime.now(UTC)), "by": self.caller})
        with suppress(OSError):
            private_file.write(self.path, plan.to_json().encode())


def _difference(name: str, before: str | None, after: str | None) -> tuple[str, ...]:
    """A sentence on a fact that is otherwise now than in the plan; None where there is none of its name."""
    if before == after:
        return ()
    if before is None:
        return (f"not in the plan: {name} ({after})",)
    return (f"only in the plan: {name} ({before})" if after is None else f"{name} is {after}, in the plan {before}",)


def _is_flat(table: Mapping[str, object]) -> bool:
    return all(isinstance(value, str | bool) for value in table.values())
