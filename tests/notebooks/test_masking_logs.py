"""A debug log, or a value that reads like any word, neither leaks a value nor falsifies what a run leaves behind."""

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.runs import COMMAND, NBCONVERT, PAPERMILL, SECRET, Desk, assert_nothing_leaked, client, values

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.sandbox.lifecycle import Sandbox

DEBUG = """
import http.client, logging
import boto3
logging.basicConfig(level=logging.DEBUG, force=True)
boto3.set_stream_logger("")
boto3.set_stream_logger("botocore")
http.client.HTTPConnection.debuglevel = 1
logging.debug("the log is on")
"""
AGAIN = 'get_ipython().events.register("pre_run_cell", lambda info: exec(__CODE))\n'
ODD = secrets.token_urlsafe(9) + "'\"<\\&+ü\n\\n " + secrets.token_urlsafe(9)
NOTEBOOK = str(notebooks() / "verify.ipynb")
EXECUTE = ("--to", "notebook", "--execute", "--allow-errors", NOTEBOOK)
WAYS = {
    "papermill": [str(PAPERMILL), NOTEBOOK, "out.ipynb"],
    "nbconvert": [str(NBCONVERT), *EXECUTE, "--output-dir", ".", "--output", "out.ipynb"],
    "our engine": [str(PAPERMILL), "debug.ipynb", "out.ipynb", "--engine", "omc-runbook"],
}


def put_members(sandbox: Sandbox, **members: Any) -> None:
    """Give keys of the secret other values."""
    secretsmanager = client(sandbox, "secretsmanager")
    text = secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"]
    secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps(json.loads(text) | members))


@pytest.mark.parametrize("way", WAYS)
def test_a_debug_log_shows_no_value(desk: Desk, way: str) -> None:
    """Turned on when the kernel starts, and again before each cell, it has nothing of what AWS answered."""
    put_members(desk.sandbox, SMTP_PASSWORD=ODD)
    startup = desk.root / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    startup.joinpath("debug.py").write_text(f"__CODE = {DEBUG!r}\nexec(__CODE)\n{AGAIN}")
    # Our own engine gives its kernels an IPython folder of their own, so there a cell begins with it.
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"__CODE = {DEBUG!r}\nexec(__CODE)\n{AGAIN}"))
    nbformat.write(notebook, desk.work / "debug.ipynb")
    ended = desk.call(WAYS[way], IPYTHONDIR=str(desk.root / "ipython"))
    outputs = [cell.get("outputs", ()) for cell in nbformat.read(desk.work / "out.ipynb", as_version=4).cells]
    assert "the log is on" in str(outputs) and "Response body" not in str(outputs), ended.stderr
    whole = [value for value in values(desk.sandbox) if value != ODD]
    assert_nothing_leaked(desk, [*whole, *ODD.splitlines()[0].split("'")[:1], ODD[-12:]], ended.stdout, ended.stderr)


def test_a_value_that_is_a_common_word_falsifies_no_outcome(desk: Desk) -> None:
    """The change is made and proved; the value is a finding, and every word of the outcome and of the cells stays."""
    desk.work.joinpath("new.json").touch(0o600)
    desk.work.joinpath("new.json").write_text(json.dumps({"SMTP_PASSWORD": "found"}))
    words = ("-p", "values_from", "file:new.json", "-p", "apply", "true")
    ended = desk.call([str(COMMAND), "run", "update", "--record", "out", *words])
    body = desk.outcome()
    assert (ended.returncode, body["status"], body["root_causes"]) == (1, "findings", ["weak"]), ended.stderr
    assert [change["key"] for change in body["changes"] if "key" in change] == ["SMTP_PASSWORD"]
    assert "weak: " in ended.stdout
    assert {finding["status"] for finding in body["findings"]} <= {"found", "clear", "unknown", "skipped"}
    (saved,) = desk.record.glob("*.ipynb")
    ours = nbformat.read(notebooks() / "update.ipynb", as_version=4).cells
    theirs = [cell for cell in nbformat.read(saved, as_version=4).cells if "injected" not in str(cell.metadata)]
    assert [cell.source for cell in theirs] == [cell.source for cell in ours]


def test_ipython_at_a_terminal_shows_no_value_in_a_traceback(tmp_path: Path) -> None:
    """There is no kernel whose messages could be masked, and %xmode Verbose shows the variables of each frame."""
    value, log = secrets.token_hex(16), tmp_path / "log.py"
    code = (
        "from omc_runbook.masking.value import Masked, reveal\n"
        f"kept = Masked(bytes.fromhex('{value.encode().hex()}').decode(), 'CANARY')\n"
        f"import contextlib, io\nget_ipython().run_line_magic('logstart', '-o {log}')\n"
        "with contextlib.redirect_stdout(io.StringIO()): get_ipython().run_cell('reveal(kept)')\n"
        "def write(text): raise RuntimeError('half way with ' + text)\nwrite(reveal(kept))"
    )
    command = [sys.executable, "-m", "IPython", "--no-banner", "--TerminalInteractiveShell.xmode=Verbose", "-c", code]
    ended = subprocess.run(
        command, env={**os.environ, "IPYTHONDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert value not in ended.stdout + ended.stderr
    logged = log.read_text()
    assert "‹CANARY›" in logged and value not in logged
    output = ended.stdout + ended.stderr
    assert "half way with ‹CANARY›" in output and "text = ‹CANARY›" in re.sub(r"\x1b\[[\d;]*m|'", "", output), output
