"""The state of a change under way, in a file beside the records: what a reload, a second window or a rerun shows."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.take_back import Undo
from omc_runbook.masking import registry
from omc_runbook.model import json_text, regular_file
from omc_runbook.model.handover import STATE_SUFFIX
from omc_runbook.model.temporary import is_running
from omc_runbook.textfile import private_file

Wish = Literal["back", "leave"]
"""Stop and put the former version back, or stop watching and leave everything as it is."""


@dataclass(frozen=True, kw_only=True)
class ChangeState:
    """A change that has begun and has not ended well; it has no values."""

    runbook: str
    environment: str
    account: str
    region: str
    endpoint: str
    started: datetime
    secret: str = ""
    keys: tuple[str, ...] = ()
    former: str = ""
    """The id of the version before; "" where there is none, or where the change writes no version."""
    new: str = ""
    """The id of the version that it makes current."""
    undo: tuple[Undo, ...] = ()
    """How it is taken back, where it is not by making the former version current."""
    is_reversible: bool = False
    """Whether the process that makes it can take it back, and no other."""
    services: tuple[str, ...] = ()
    """The services that it gives new tasks, where it writes no version."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The notebook's parameters with which it is begun again; none has a value."""
    word: str = ""
    """The word that is typed before it is finished or taken back, also in another notebook; "" for none."""
    go_on: str = ""
    """The command that finishes it, or a sentence."""
    go_back: str = ""
    """The command that takes it back; "" where no command does."""
    host: str = ""
    process: int = 0
    process_started: str = ""
    """When the process started, so that a later one of the same number is not taken for it."""
    steps: tuple[str, ...] = ()
    """The names of the steps so far; the last one is the one that it is at."""
    changes: tuple[str, ...] = ()
    """What is in force, in words."""
    rollouts: tuple[Rollout, ...] = ()
    ended: str = ""
    """Why it broke off; "" while it runs, and where its process was killed."""

    @property
    def is_alive(self) -> bool:
        """Whether its process still works on it; always False for one of another machine."""
        is_here = not self.ended and self.host == socket.gethostname()
        return is_here and is_running(self.process) and _start_of(self.process) == self.process_started

    @property
    def can_go_back(self) -> bool:
        """Whether a person may still have it stopped and taken back."""
        # add_key releases the labels of each environment before it deploys.
        ends = {"withdraw", "redeploy back", *(("release",) if self.former else ())}
        return bool(self.former or self.undo or self.is_reversible) and not ends & {*self.steps}

    def is_of(self, account: str, environment: str, endpoint: str) -> bool:
        """Whether it is a change of this environment."""
        return (self.account, self.environment, self.endpoint) == (account, environment, endpoint)

    def to_json(self) -> str:
        """The text of its file; values are masked, though none should be in it."""
        body = asdict(self)
        for name in ("keys", "steps", "changes"):
            body[name] = [registry.mask(text, common=False) for text in body[name]]
        body["parameters"] = {name: registry.mask(text, common=False) for name, text in self.parameters.items()}
        body["ended"] = registry.mask(self.ended)
        return json.dumps({"schema": 1, **body}, indent=1, default=_time_as_json)

    @classmethod
    def from_json(cls, text: str) -> ChangeState:
        """Read the text of a file; raises ValueError for another."""
        body = json_text.parse(text)
        if not isinstance(body, dict) or body.get("schema") != 1:
            raise ValueError("no state of a change")
        state = json_text.as_dataclass(cls, body)
        json_text.with_zone(state.started)
        return state


def own_process() -> dict[str, Any]:
    """The fields that say which process works on a change: this one."""
    return {"host": socket.gethostname(), "process": os.getpid(), "process_started": _start_of(os.getpid())}


def begun(state: ChangeState, started: datetime) -> ChangeState:
    """The same change, as one that this process begins now."""
    return replace(state, started=started, **own_process())


@dataclass(frozen=True)
class StateFile:
    """The file of a change's state; a file beside it asks the change to stop."""

    path: Path

    @property
    def stem(self) -> str:
        """The name that its record has, too."""
        return self.path.name.removesuffix(STATE_SUFFIX)

    def begin(self, state: ChangeState) -> StateFile:
        """Write a new file, mode 600, and give it: under the next number where another change has this name.

        Two kernels may begin the same runbook in one second. Raises OSError.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

        def path_of(stem: str) -> Path:
            return self.path.with_name(f"{stem}{STATE_SUFFIX}")

        return StateFile(path_of(private_file.create_unique(self.stem, path_of, state.to_json().encode())))

    def write(self, state: ChangeState) -> None:
        """Replace the file, mode 600, atomically; raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_file.write(self.path, state.to_json().encode())

    def read(self) -> ChangeState | None:
        """The state; None where there is no such file, or another."""
        try:
            return ChangeState.from_json(regular_file.read_text(self.path))
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Remove the file: the change has ended."""
        for path in (self._request, self.path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def ask(self, wish: Wish) -> None:
        """Ask the change to stop; raises OSError."""
        private_file.write(self._request, wish.encode())

    def take_wish(self) -> Wish | None:
        """How the change was asked to stop since the last call."""
        own = self._request.with_suffix(".taken")
        try:
            # First out of the way: what is asked from now on is for the next call.
            self._request.replace(own)
            text = own.read_text(encoding="utf-8")
            own.unlink()
        except OSError:
            return None
        return next((wish for wish in get_args(Wish) if wish == text), None)

    @property
    def _request(self) -> Path:
        return self.path.with_name(f".{self.stem}.stop")


def find(folder: Path, account: str, environment: str, endpoint: str) -> list[tuple[StateFile, ChangeState]]:
    """The changes of an environment in a folder that have not ended well, the newest first."""
    files = [StateFile(path) for path in folder.glob(f"*{STATE_SUFFIX}")]
    found = [(file, state) for file in files if (state := file.read()) and state.is_of(account, environment, endpoint)]
    return sorted(found, key=lambda pair: pair[1].started, reverse=True)


def _start_of(process: int) -> str:
    """When a process started, in ticks since the machine did; "" where the operating system does not tell so."""
    try:
        # The second field is the program's name in parentheses, which may hold anything.
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _time_as_json(time: datetime | timedelta) -> str | float:
    """A moment in ISO 8601, a duration in seconds."""
    return time.isoformat() if isinstance(time, datetime) else time.total_seconds()
