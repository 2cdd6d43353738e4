"""The last run of a runbook on an environment, remembered beside the records, also where it left no record.

Runs in a sandbox are remembered apart: they say nothing of the environment in AWS. So are those of another project,
whose records may be in the same folder, and audits of several environments: one of the first alone resolves nothing of
the others.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc_runbook.headless.news import Open, Standing
from omc_runbook.model import json_text, regular_file
from omc_runbook.model.environment_names import PROJECT, STAGING
from omc_runbook.model.findings import AUDIT, FLEET, Outcome
from omc_runbook.model.handover import ENDPOINT_VARIABLE, is_on_this_machine
from omc_runbook.report.archive.stems import file_name
from omc_runbook.textfile import private_file

if TYPE_CHECKING:
    from omc_runbook.report.archive.bucket import S3Folder

SUFFIX = ".last.json"
"""How the name of the file ends that remembers a last run."""
Ends = Mapping[str, tuple[datetime, str]]
"""When and how fleet's last run on each environment ended."""
_LOOK = "looked_at"
_POLL_SECONDS = 0.05
_LARGEST = 100_000_000
"""The largest file that is read, in bytes: what is open in a large fleet may be long."""


@dataclass(frozen=True)
class LastRun:
    """When and how a run ended, and what is open since."""

    finished: datetime
    status: str
    standing: Standing
    ends: Ends = field(default_factory=dict)
    """When and how fleet's last run on each environment ended."""
    looks: Mapping[str, datetime] = field(default_factory=dict)
    """When fleet last ended having looked at each environment, also where a later run could not."""


def read(
    folder: Path | S3Folder, runbook: str, environment: str, endpoint: str = "", project: str = PROJECT
) -> LastRun | str:
    """The last run, in AWS or in a sandbox as the endpoint says, or without one this process's variables.

    Else, in a clause, why it is not known though there was one; "" where there was none.
    """
    name = _name(runbook, environment, endpoint, project)
    path = folder / name if isinstance(folder, Path) else f"{folder.address}/{name}"
    try:
        content = _content(folder, name)
    except OSError as error:
        return f"its last run is not known, since {path} cannot be read: {(error.strerror or '').rstrip('.')}"
    if content is None:
        return ""
    try:
        body = json_text.parse(content)
        standing: Standing = {"findings": Open.from_json(body["findings"]), "unknown": Open.from_json(body["unknown"])}
        # A file of another runbook, or an earlier one, has none.
        environments = body.get("environments", {})
        ends = {name: _end(each) for name, each in environments.items()}
        looks = _looks(
            ends, {name: json_text.moment(each[_LOOK]) for name, each in environments.items() if _LOOK in each}
        )
        return LastRun(*_end(body), standing, ends, looks)
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"its last run is not known, since {path} is broken"


def _looks(ends: Ends, former: Mapping[str, datetime]) -> dict[str, datetime]:
    """When a run last looked at each environment, by how the last ones ended and what was known before."""
    return {**former, **{name: end for name, (end, status) in ends.items() if status in ("ok", "findings")}}


def _end_to_json(finished: datetime, status: str) -> dict[str, str]:
    return {"finished": _in_json(finished), "status": status}


def _in_json(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _end(body: Mapping[str, Any]) -> tuple[datetime, str]:
    return json_text.moment(body["finished"]), str(body["status"])


def read_fleet(folder: Path | S3Folder, environment: str, project: str) -> LastRun | str:
    """The last run of fleet with an environment as its parameter, or that looked at it, as `read` gives it.

    The parameter, by which a run is remembered, is mostly left at staging wherever it looks.
    """
    own, last = (read(folder, FLEET, name, project=project) for name in (environment, STAGING))
    if not isinstance(last, LastRun):
        return own or last
    end = last.ends.get(environment)
    is_newer = end is not None and not (isinstance(own, LastRun) and own.finished >= end[0])
    return replace(last, finished=end[0], status=end[1]) if end and is_newer else own


def read_looked_at(folder: Path | S3Folder, environment: str, project: str, now: datetime) -> datetime | None:
    """When fleet, which runs verify on each environment, last ended having looked at this one; None where unknown."""
    fleets = (read(folder, FLEET, name, project=project) for name in {environment, STAGING})
    looks = (each.looks[environment] for each in fleets if isinstance(each, LastRun) and environment in each.looks)
    return max((look for look in looks if look <= now), default=None)


def environments_of(outcome: Outcome) -> str:
    """By which environment a run is remembered, or an audit by which list of several."""
    return (outcome.runbook == AUDIT and outcome.where) or outcome.environment


def name_of(outcome: Outcome, project: str = PROJECT) -> str:
    """The name of the file that remembers a run, the same for each run of its kind."""
    return _name(outcome.runbook, environments_of(outcome), outcome.endpoint, project)


def write(folder: Path | S3Folder, outcome: Outcome, standing: Standing, project: str = PROJECT) -> None:
    """Remember a run; raises OSError where the folder cannot be written.

    One on several environments is one on each of them too, and leaves open what was open there.
    """
    own = environments_of(outcome)
    if own != outcome.environment:
        ends = [(each.environment, each.endpoint, each.status) for each in outcome.targets]
        for name, endpoint, status in ends or [(each, outcome.endpoint, outcome.status) for each in own.split(", ")]:
            last = read(folder, outcome.runbook, name, endpoint, project)
            standing_before: Standing = (
                last.standing if isinstance(last, LastRun) else {"findings": Open(), "unknown": Open()}
            )
            body = _body(outcome.finished, status, standing_before)
            _write(folder, _name(outcome.runbook, name, endpoint, project), body)
    body = _body(outcome.finished, outcome.status, standing) | _environments(folder, outcome, project)
    _write(folder, name_of(outcome, project), body)


def _environments(folder: Path | S3Folder, outcome: Outcome, project: str) -> dict[str, object]:
    """When and how fleet ended last on each environment, and last looked at it, of this run and those before it."""
    if outcome.runbook != FLEET:
        return {}
    last = read(folder, FLEET, outcome.environment, outcome.endpoint, project)
    former, looks = (last.ends, last.looks) if isinstance(last, LastRun) else ({}, {})
    # A run in AWS says nothing of an environment whose profile leads to a sandbox.
    is_local = is_on_this_machine(outcome.endpoint)
    targets = (each for each in outcome.targets if is_local or not is_on_this_machine(each.endpoint))
    ends = {**former, **{each.environment: (outcome.finished, each.status) for each in targets}}
    looked = {name: {_LOOK: _in_json(look)} for name, look in _looks(ends, looks).items()}
    return {"environments": {name: _end_to_json(*end) | looked.get(name, {}) for name, end in ends.items()}}


def _body(finished: datetime, status: str, standing: Standing) -> dict[str, object]:
    return {**_end_to_json(finished, status), **{str(topic): each.to_json() for topic, each in standing.items()}}


def _write(folder: Path | S3Folder, name: str, body: Mapping[str, object]) -> None:
    content = json.dumps(body, indent=1, ensure_ascii=False).encode()
    if not isinstance(folder, Path):
        folder.write_own(name, content)
        return
    private_file.write(_make(folder) / name, content)


@contextmanager
def exclusive_access(folder: Path | S3Folder, seconds: float) -> Iterator[None]:
    """Let no other run that remembers something in this folder read between what this one reads and writes.

    After so many seconds it goes on all the same; at once in S3, and in a folder that cannot be locked.
    """
    with ExitStack() as opened:
        with suppress(OSError):
            descriptor = os.open(_make(folder), os.O_RDONLY) if isinstance(folder, Path) else None
            if descriptor is not None:
                opened.callback(os.close, descriptor)
                _lock(descriptor, time.monotonic() + seconds)
        yield


def _lock(descriptor: int, deadline: float) -> None:
    """Lock an open folder until it is closed, as soon as nobody else does; raises OSError where that is impossible."""
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_POLL_SECONDS)


def _make(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _content(folder: Path | S3Folder, name: str) -> bytes | None:
    """The content of a file beside the records; None where there is none. Raises OSError."""
    if not isinstance(folder, Path):
        return folder.read_own(name)
    try:
        return regular_file.read_whole(folder / name, _LARGEST)
    except FileNotFoundError:
        return None


def _name(runbook: str, environment: str, endpoint: str, project: str) -> str:
    is_sandbox = is_on_this_machine(endpoint or os.environ.get(ENDPOINT_VARIABLE, ""))
    # No name of an environment has an @.
    of_project = f"@{file_name(project)}" if project != PROJECT else ""
    return f".{file_name(f'{runbook}-{environment}')}{of_project}{'.sandbox' if is_sandbox else ''}{SUFFIX}"
