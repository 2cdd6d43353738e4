"""A sandbox for practice: started by `omc-runbook sandbox`, and stopped with the process that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE, LINES_VARIABLE, STATE_SUFFIX, STATE_VARIABLE

_COMMAND = (sys.executable, "-m", "omc_runbook.cli", "sandbox")
_PREFIXES = ("AWS_", "OMC_")


class Practice:
    """A running sandbox, with an example checkout of the platform; `end` stops it, and so does the end of this process.

    Raises what `ask` raises where it cannot be started.
    """

    def __init__(self, world: str = "healthy") -> None:
        reading, writing = os.pipe()
        # The sandbox ends when nobody can write into the pipe any more, however this process ends.
        self._alive = os.fdopen(writing, "wb")
        with os.fdopen(reading):
            up = _run(("up", "--world", world, "--attached", "--json"), _without_names(os.environ), reading)
        self.variables: Mapping[str, str] = json.loads(up)

    @property
    def checkout(self) -> Path:
        """The example checkout, which the runbooks may edit."""
        return Path(self.variables["OMC_REPOSITORY"])

    def ask(self, *words: str) -> Any:
        """What `omc-runbook sandbox WORDS --json` prints.

        Raises UsageError where the command was used wrongly, RunbookError where it failed, with its own sentence.
        """
        return json.loads(self.tell(*words, "--json"))

    def tell(self, *words: str) -> str:
        """Run `omc-runbook sandbox WORDS`, and return what it prints; raises as `ask` does."""
        return _run(words, _without_names(os.environ) | {ENDPOINT_VARIABLE: self.variables[ENDPOINT_VARIABLE]})

    @contextmanager
    def active(self) -> Iterator[None]:
        """Point this process's AWS clients and runbooks at the sandbox, and at nothing that the user has set.

        The state of a change is kept beside the sandbox, and no record of it among the user's.
        """
        before = dict(os.environ)
        state = self.checkout.parent / f"change{STATE_SUFFIX}"
        lines = {name: before[name] for name in (LINES_VARIABLE,) if name in before}
        _replace_environment(_without_names(before) | dict(self.variables) | lines | {STATE_VARIABLE: str(state)})
        try:
            yield
        finally:
            _replace_environment(before)
            state.unlink(missing_ok=True)

    def end(self) -> None:
        """Stop the sandbox; does nothing where it has ended."""
        try:
            with suppress(UsageError):
                self.tell("down")
        finally:
            self._alive.close()


def _run(words: Sequence[str], environment: Mapping[str, str], stdin: int | None = None) -> str:
    """The output of `omc-runbook sandbox WORDS`; raises an error with its last line where it fails."""
    ended = subprocess.run(
        [*_COMMAND, *words], env=environment, stdin=stdin, capture_output=True, text=True, check=False
    )
    if ended.returncode == 0:
        return ended.stdout
    kind = UsageError if ended.returncode == UsageError.exit_code else RunbookError
    line = (ended.stderr.strip().splitlines() or ["The sandbox's command ended without a message."])[-1]
    raise kind(line.removeprefix("error: "))


def _without_names(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables without those of AWS and of runbooks, which would lead elsewhere."""
    return {name: value for name, value in variables.items() if not name.startswith(_PREFIXES)}


def _replace_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
