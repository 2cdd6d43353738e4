"""Onboarding from its first cell to its last, headless; and the sandbox that it starts, which ends with it."""

from __future__ import annotations

import html
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from support import forked_command
from support.runs import COMMAND

from omc_runbook.headless.notebooks import find
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import STATE_VARIABLE
from omc_runbook.runbooks import onboarding, practice
from omc_runbook.runbooks.practice import Practice

HOLD = """
import time
from omc_runbook.runbooks.practice import Practice
# multiprocessing imports this in the forks that the sandbox's commands are.
if __name__ == "__main__":
    practice = Practice()
    print(practice.checkout.parent, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Somebody's shell, with a home and a folder for temporary files of its own, signed in to another account."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    theirs = {"AWS_PROFILE": "theirs", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "OMC_CLUSTER": "another"}
    return {**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), **theirs}


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's commands of a sandbox be forks."""
    monkeypatch.setattr(practice, "subprocess", SimpleNamespace(run=forked_command.run_practice))


def test_wrong_answers_are_graded_wrong_with_the_reason(variables: dict[str, str], tmp_path: Path) -> None:
    """Every step is taken whatever the shell says of AWS; a wrong letter, a wrong fault and a gap are findings."""
    answers = "a,c,c,b,a,c,b,no-permission,bom"
    words = ["run", "onboarding", f"answers={answers}", "--record", str(tmp_path / "out"), "--summary"]
    ended = forked_command.run([str(COMMAND), *words], variables, tmp_path, seconds=300)
    assert ended.returncode == 1, ended.stderr
    body = json.loads((tmp_path / "out" / "outcome.json").read_text())
    assert (body["runbook"], body["status"], body["root_causes"]) == ("onboarding", "findings", ["wrong-answer"])
    subjects = [finding["subject"] for finding in body["findings"]]
    assert [subject.partition(":")[0] for subject in subjects] == [
        "Which of these files belongs in git?",
        "Drill 2",
        "Drill 3",
    ]
    evidence = "\n".join(text for finding in body["findings"] for text in finding["evidence"])
    for words_of_it in (
        "secrets.json",
        "It is (b) .env.template",
        "not bom, it was deployment-paused",
        "It was misspelt",
    ):
        assert words_of_it in evidence
    (page,) = (tmp_path / "out").glob("*-*.html")
    text = html.unescape(page.read_text())
    for step in (
        ".env was written",
        "was created by the API",
        "Done and verified",
        "NEWS_API_KEY",
        "2\u00a0stale",
        "2\u00a0fresh",
    ):
        assert step in text
    assert not list((tmp_path / "tmp").glob("omc-*"))


def test_the_sandbox_ends_with_the_process_that_asked_for_it(variables: dict[str, str], tmp_path: Path) -> None:
    """Also where that is killed, and has no time to say so."""
    script, (reading, writing) = tmp_path / "hold.py", os.pipe()
    script.write_text(HOLD)
    command = [sys.executable, str(script)]
    holder = forked_command.Forked(command, variables, tmp_path, kernels=0, stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        folder = Path(pipe.readline().strip())
    assert (folder / "state.json").is_file()
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()


@pytest.mark.usefixtures("forks")
def test_its_environment_is_the_sandboxs_and_nobody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Within it variables of AWS and of runbooks are the sandbox's, afterwards as before; its errors are sentences."""
    monkeypatch.setenv("AWS_PROFILE", "theirs")
    monkeypatch.setenv("OMC_CLUSTER", "another")
    before, own = dict(os.environ), Practice()
    try:
        with own.active():
            inside = {name: text for name, text in os.environ.items() if name.startswith(("AWS_", "OMC_"))}
        assert Path(inside.pop(STATE_VARIABLE)).parent == own.checkout.parent
        assert inside == own.variables
        assert dict(os.environ) == before
        assert own.checkout.is_dir()
        with pytest.raises(UsageError, match="no fault no-permision"):
            own.tell("break", "no-permision")
    finally:
        own.end()
    assert not own.checkout.exists()
    own.end()


def test_it_practises_on_staging_alone() -> None:
    """Another environment is refused before a sandbox is started."""
    with pytest.raises(UsageError, match="onboarding practises on staging"):
        onboarding.begin("production")


@pytest.mark.usefixtures("forks")
def test_wrong_answers_leave_no_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sandbox knows which faults there are; it ends where the answers are refused."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(UsageError, match="answers, part 2 is neither a, b, c nor empty"):
        onboarding.begin(answers="a,x")
    assert not list(tmp_path.glob("omc-*"))


@pytest.mark.parametrize("verb", ["update", "add_key", "rotate"])
def test_a_plan_stands_above_the_progress_of_its_change(verb: str) -> None:
    """In the committed outputs, which a test compares with a run."""
    [cell] = [
        each for each in nbformat.read(find("onboarding"), 4).cells if each.source == f"onboarding.{verb}(course)"
    ]
    texts = [output.data["text/plain"] for output in cell.outputs]
    [plan] = [number for number, text in enumerate(texts) if " would change, " in text or " would be edited" in text]
    [progress] = [number for number, text in enumerate(texts) if " rolled out" in text]
    assert plan < progress
