"""jupyter-scheduler: jobs made through its API in a running JupyterLab, run by its own executor."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from support.jupyterlab import lab, shown_by
from support.runs import Desk, assert_nothing_leaked, values
from support.small_world import until

from omc_runbook.sandbox.lifecycle import Sandbox

pytest.importorskip("jupyter_scheduler", reason="jupyter-scheduler is not installed")
ENDED = {"COMPLETED", "FAILED"}
SECONDS = 120


class Scheduler:
    """The API of jupyter-scheduler in a JupyterLab."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.base = f"{parts.scheme}://{parts.netloc}/scheduler"
        self.headers = {"Authorization": f"token {parse_qs(parts.query)['token'][0]}"}

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """GET a path, or POST a body to it."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.base}/{path}", data, self.headers)) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def create(self, environment: str) -> str:
        """Create a job that verifies an environment; its id. The value of a parameter is Python source."""
        (runtime,) = self.call("runtime_environments")
        job = {"name": f"verify {environment}", "input_uri": "verify.ipynb", "output_formats": ["ipynb", "html"]}
        job |= {"runtime_environment_name": runtime["name"], "parameters": {"environment": json.dumps(environment)}}
        return str(self.call("jobs", job)["job_id"])

    def ended(self, job_id: str) -> Any:
        """A job that has ended."""
        until(lambda: self.call(f"jobs/{job_id}")["status"] in ENDED, SECONDS)
        return self.call(f"jobs/{job_id}")


@pytest.mark.long
def test_jobs_verify(sandbox: Sandbox, tmp_path: Path) -> None:
    """One environment is healthy, and of the other there is nothing: its job fails and says so."""
    desk = Desk(tmp_path, sandbox)
    with lab(desk, desk.root / "lab.log") as address:
        scheduler = Scheduler(address)
        jobs = [scheduler.ended(each) for each in [scheduler.create("staging"), scheduler.create("production")]]
        scheduler.call(f"jobs/{jobs[0]['job_id']}/download_files")
        # Below the server's working folder, whichever folder it shows.
        until(lambda: list(desk.work.glob(f"jobs/verify-{jobs[0]['job_id']}/verify-*.html")), SECONDS)
    assert [job["status"] for job in jobs] == ["COMPLETED", "FAILED"]
    assert "FindingsRemain: Something is wrong in production: secret-missing" in jobs[1]["status_message"]
    executed, failed = (_output(desk, job["job_id"]) for job in jobs)
    assert "Nothing is wrong." in shown_by(executed)
    assert [output.ename for cell in failed.cells for output in cell.get("outputs", ()) if "ename" in output] == [
        "FindingsRemain"
    ]
    (database,) = desk.root.rglob("scheduler.sqlite")
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (len(jobs),)
    assert "FindingsRemain" in (desk.root / "lab.log").read_text(), "what jobs say is looked through"
    assert_nothing_leaked(desk, values(sandbox))


def _output(desk: Desk, job_id: str) -> Any:
    """The executed notebook of a job, beside the one that it is of."""
    (path,) = desk.root.rglob(f"scheduler_staging_area/{job_id}/verify-*.ipynb")
    return nbformat.read(path, as_version=4)
