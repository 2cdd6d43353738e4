"""Voilà, which shows a notebook as a page."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path

import pytest
from support.forked_command import Forked
from support.jupyterlab import SECONDS
from support.small_world import until

from omc_runbook.headless import lab
from omc_runbook.sandbox.faults import break_
from omc_runbook.sandbox.lifecycle import Sandbox


def test_voila_shows_the_answer_though_something_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    """Findings end no page before its answer, and the page offers no button that it does not have."""
    pytest.importorskip("voila", reason="needs Voilà to show a page")
    break_(sandbox.endpoint, "no-permission")
    lab.copy_notebooks(tmp_path)
    log, variables = tmp_path / "voila.log", os.environ | sandbox.variables | {"HOME": str(tmp_path)}
    command = ["voila", "--no-browser", "--Voila.ip=127.0.0.1", "troubleshoot.ipynb"]
    server = Forked(command, variables, tmp_path, log=log)
    try:
        # It takes another port where its own is taken.
        (address,) = until(lambda: log.exists() and re.findall(r"running at:?\n(\S+)\n", log.read_text()))
        page = urllib.request.urlopen(address, timeout=120).read().decode()
    finally:
        server.end(SECONDS)
    answer = page.rpartition(">Answer<")[2]
    assert "The execution role may not read the secret" in answer and "What to do" in answer
    assert "There was an error" not in page and "Press the button" not in page
