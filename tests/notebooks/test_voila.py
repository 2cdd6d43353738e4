"""Voilà, which shows a notebook as a page."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from omc_runbook.headless import lab
from omc_runbook.sandbox.faults import break_
from omc_runbook.sandbox.lifecycle import Sandbox


def test_voila_shows_the_answer_though_something_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    """Findings end no page before its answer, and the page offers no button that it does not have."""
    pytest.importorskip("voila", reason="needs Voilà to show a page")
    break_(sandbox.endpoint, "no-permission")
    lab.copy_notebooks(tmp_path)
    command = [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1"]
    with subprocess.Popen(
        [*command, "troubleshoot.ipynb"],
        cwd=tmp_path,
        env=os.environ | sandbox.variables | {"HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr
        next(line for line in server.stderr if "running at" in line)
        # It takes another port where its own is taken.
        page = urllib.request.urlopen(next(server.stderr).strip(), timeout=120).read().decode()
        server.terminate()
    answer = page.rpartition(">Answer<")[2]
    assert "The execution role may not read the secret" in answer and "What to do" in answer
    assert "There was an error" not in page and "Press the button" not in page
