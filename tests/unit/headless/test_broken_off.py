"""What is published of a run that ends before its notebook does."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omc_runbook.headless import notebooks
from omc_runbook.headless import run as headless_run
from omc_runbook.masking import channel
from omc_runbook.model import temporary
from omc_runbook.model.errors import OUT_OF_FILES, OUT_OF_MEMORY, CouldNotLook, UsageError
from omc_runbook.model.findings import Outcome


@contextmanager
def ended() -> Iterator[None]:
    """A sandbox during whose start the scheduler ends this process."""
    raise SystemExit(2)
    yield


def test_a_run_that_is_ended_before_its_notebook_begins_is_published(tmp_path: Path) -> None:
    """As after a time-out on a machine that is busy."""
    outcomes: list[Outcome] = []
    with pytest.raises(SystemExit):
        headless_run.run("verify", (), tmp_path, sandbox=ended(), publish=lambda each, _: outcomes.append(each) or each)
    assert [(each.status, each.failure) for each in outcomes] == [("failed", "Interrupted: run it again.")]


@contextmanager
def out_of_memory() -> Iterator[None]:
    """A sandbox for which there is no room."""
    raise MemoryError
    yield


def test_a_run_that_runs_out_of_memory_is_published(tmp_path: Path) -> None:
    """Outside its cells, where an error ends nothing but the cell."""
    outcomes: list[Outcome] = []
    with pytest.raises(MemoryError):
        headless_run.run(
            "verify", (), tmp_path, sandbox=out_of_memory(), publish=lambda each, _: outcomes.append(each) or each
        )
    assert [(each.status, each.failure) for each in outcomes] == [("failed", OUT_OF_MEMORY)]


def test_a_run_that_is_ended_while_it_is_published_is_not_published_again(tmp_path: Path) -> None:
    """A message that may have been sent must not be followed by another one that says the opposite."""
    calls: list[Outcome] = []

    def publish(outcome: Outcome, _record: str) -> Outcome:
        calls.append(outcome)
        raise SystemExit(2)

    with pytest.raises(SystemExit):
        headless_run.run("verify", [("environmen", "staging")], tmp_path, publish=publish)
    assert len(calls) == 1


def test_a_run_with_a_wrong_parameter_is_published(tmp_path: Path) -> None:
    """Somebody changed the schedule, whose runs look at nothing any more."""
    outcomes: list[Outcome] = []
    with pytest.raises(UsageError):
        headless_run.run(
            "verify", [("environmen", "staging")], tmp_path, publish=lambda each, _: outcomes.append(each) or each
        )
    (outcome,) = outcomes
    assert outcome.failure.startswith('verify has no parameter "environmen"')
    assert not list(tmp_path.iterdir())


CELL = '{"cell_type": "code", "source": [], "outputs": [], "metadata": {"tags": ["parameters"]}}'
BROKEN = (
    "<<<<<<< HEAD",
    "[]",
    '{"cells": []}',
    '{"cells": [{"source": []}]}',
    "\udcff",
    f'{{"cells": [{CELL}], "metadata": {{}}}}',
    f'{{"cells": [{CELL}], "metadata": {{}}, "nbformat": 3}}',
    f'{{"cells": [{CELL}], "nbformat": 4}}',
    f'{{"cells": [{CELL}, {{"metadata": {{}}, "source": []}}], "metadata": {{}}, "nbformat": 4}}',
)
PREPARE = """
import sys
from pathlib import Path
from omc_runbook.headless import notebooks
notebooks.folder = lambda: Path(sys.argv[1])
import omc_runbook.headless.prepared
"""


@pytest.mark.parametrize("text", BROKEN)
def test_a_notebook_that_somebody_broke_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Such as by a merge; the schedule's mail is not a traceback."""
    path = tmp_path / "verify.ipynb"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(notebooks, "folder", lambda: tmp_path)
    with pytest.raises(CouldNotLook) as caught:
        headless_run.run("verify", (), tmp_path / "records")
    assert str(caught.value).startswith(f"The notebook {path} cannot be used: it is not a notebook")


@pytest.mark.long
def test_a_notebook_that_somebody_broke_ends_no_process_that_workers_are_forked_from(tmp_path: Path) -> None:
    """Each worker says what is wrong, with no traceback before it."""
    (tmp_path / "verify.ipynb").write_text("<<<<<<< HEAD")
    ended = subprocess.run([sys.executable, "-c", PREPARE, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["run", "shell"])
def test_a_run_without_room_for_its_temporary_files_has_done_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The disk became full after it was tried: no cell has run, so that no environment is to be verified."""
    make, outcomes = temporary.folder, list[Outcome]()

    def refuse(name: str, parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
        if name == kind:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))
        return make(name, parent)

    monkeypatch.setattr(temporary, "folder", refuse)
    sentence = r"^The folder for temporary files \S+ cannot be used: No space left on device\. .* Nothing was done\.$"
    with pytest.raises(CouldNotLook, match=sentence):
        headless_run.run("verify", (), tmp_path, publish=lambda each, _: outcomes.append(each) or each)
    assert [each.failure.endswith("Nothing was done.") for each in outcomes] == [True]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            errno.ENOSPC,
            r"^The run could not begin: No space left on device \(\S+\)\. Mend that, then run again\. Nothing",
        ),
        (errno.EMFILE, rf"^{re.escape(OUT_OF_FILES)} Nothing"),
    ],
)
def test_a_kernel_that_the_system_refuses_has_done_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    """Its connection file has no room, for example: no cell has run, so that no environment is to be verified."""

    @contextmanager
    def listen(*_: object) -> Iterator[Path]:
        raise OSError(number, os.strerror(number), str(tmp_path / "kernel.json"))
        yield tmp_path

    monkeypatch.setattr(channel, "listen", listen)
    with pytest.raises(CouldNotLook, match=rf"{sentence} was done\.$"):
        headless_run.run("verify", (), tmp_path, in_kernel=True)
    assert not list(tmp_path.iterdir())


def test_a_run_for_which_open_files_run_out_before_its_first_cell_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cell can: to verify the environment would not help."""

    def execute(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("papermill.execute_notebook", execute)
    result = headless_run.run("verify", (), tmp_path)
    assert (result.exit_code, result.outcome and result.outcome.failure) == (2, OUT_OF_FILES)
