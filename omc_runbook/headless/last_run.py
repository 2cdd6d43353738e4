"""The last run of a runbook on an environment, remembered beside the records, also where it left no record.

Runs in a sandbox are remembered apart: they say nothing of the environment in AWS.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from omc_runbook.headless.news import Open, Standing
from omc_runbook.model.findings import Outcome
from omc_runbook.model.handover import ENDPOINT_VARIABLE, is_on_this_machine
from omc_runbook.report.archive.stems import file_name
from omc_runbook.textfile import private_file


@dataclass(frozen=True)
class LastRun:
    """When and how a run ended, and what is open since."""

    finished: datetime
    status: str
    standing: Standing


def read(folder: Path, runbook: str, environment: str, endpoint: str = "") -> LastRun | None:
    """The last run, in AWS or in a sandbox as the endpoint says, or without one this process's variables.

    None where there was none, or its file is broken.
    """
    try:
        body = json.loads(_path(folder, runbook, environment, endpoint).read_text(encoding="utf-8"))
        standing: Standing = {"findings": Open.from_json(body["findings"]), "unknown": Open.from_json(body["unknown"])}
        return LastRun(datetime.fromisoformat(body["finished"]), str(body["status"]), standing)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def why_unread(folder: Path, runbook: str, environment: str) -> str:
    """Why `read` knows no last run though there was one, in a clause; "" where there was none."""
    path = _path(folder, runbook, environment, "")
    try:
        path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"its last run is not known, since {path} cannot be read: {error.strerror}"
    return f"its last run is not known, since {path} is broken"


def write(folder: Path, outcome: Outcome, standing: Standing) -> None:
    """Remember a run; raises OSError where the folder cannot be written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    body: dict[str, object] = {
        "finished": outcome.finished.isoformat(timespec="seconds"),
        "status": outcome.status,
    }
    body |= {str(topic): each.to_json() for topic, each in standing.items()}
    path = _path(folder, outcome.runbook, outcome.environment, outcome.endpoint)
    private_file.write(path, json.dumps(body, indent=1, ensure_ascii=False).encode())


def _path(folder: Path, runbook: str, environment: str, endpoint: str) -> Path:
    is_sandbox = is_on_this_machine(endpoint or os.environ.get(ENDPOINT_VARIABLE, ""))
    return folder / f".{file_name(f'{runbook}-{environment}')}{'.sandbox' if is_sandbox else ''}.last.json"
