"""What a command and its notebooks' kernels exchange: environment variables that name files, and a failure's mark."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

OUTCOME_VARIABLE = "OMC_RUNBOOK_OUTCOME"
"""The file into which a notebook under `omc-runbook run` writes its outcome instead of raising it."""
LINES_VARIABLE = "OMC_RUNBOOK_LINES"
"""The file to which a notebook appends event lines for `omc-runbook run` while it runs."""
STATE_SUFFIX = ".state.json"
"""How the name of the file ends that has the state of a change."""
SPARE_SUFFIX = ".outcome.json"
"""How the name of the file beside that one ends which has the outcome where the first place of it is full."""
STATE_VARIABLE = "OMC_RUNBOOK_STATE"
"""The file in which a notebook under `omc-runbook run` keeps the state of a change while that is under way."""
PLACE_VARIABLE = "OMC_RUNBOOK_PLACE"
"""Where in S3 the record of a notebook under `omc-runbook run` goes; not set where it goes to a folder."""
FOLDER_VARIABLE = "OMC_RUNBOOK_FOLDER"
"""The folder in which `omc-runbook lab` was started: JupyterLab starts kernels in the notebooks' folder."""
NOTEBOOK_VARIABLE = "JPY_SESSION_NAME"
"""The notebook, in a kernel that a Jupyter server has started for a person."""
COMMAND_VARIABLE = "OMC_RUNBOOK_COMMAND"
"""The command line that applies the plan of a run by `omc-runbook run`."""
CONFIRMED = "production"
"""The environment that is only changed where `confirm` names it."""
FAILED = "✗"
"""Marks the event line with the reason why a change failed."""
WARNING = "warning:"
"""Begins an event line that is printed even where nobody watches."""

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
SANDBOX_VARIABLES = (
    ENDPOINT_VARIABLE,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "OMC_REPOSITORY",
    "OMC_SANDBOX_DATABASE_URL",
)
"""The variables that `omc-runbook sandbox up` prints, which stay set in a shell when the sandbox has ended."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def spare_outcome(state: Path) -> Path:
    """Where an outcome goes for which there is no room in the folder for temporary files, by the file of the state."""
    return state.with_name(f".{state.name.removesuffix(STATE_SUFFIX)}{SPARE_SUFFIX}")


def room_beside(outcome: Path) -> Path:
    """The file beside an outcome that keeps room for it on a disk that becomes full, and goes where that is needed."""
    return outcome.with_name("room")


_on_terminal = set[str]()


def was_told(line: str) -> bool:
    """Whether this process has given this warning itself, which a run's kernel gives again."""
    return line in _on_terminal


@cache
def warn_once(sentence: str) -> None:
    """Say something once, on the terminal of `omc-runbook run` or else on standard error."""
    path, line = os.environ.get(LINES_VARIABLE), f"{WARNING} {sentence}\n"
    if not path:
        _on_terminal.add(line.rstrip("\n"))
        sys.stderr.write(line)
        return
    with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
        file.write(line)


def is_on_this_machine(endpoint: str) -> bool:
    """Whether an AWS endpoint is a sandbox on this machine."""
    return urlsplit(endpoint).hostname in _LOOPBACK
