"""The record of a run: its folder is tried before anything is done, and it is kept whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from support import forked_command
from support.runs import COMMAND, ENGINES

from omc_runbook.model.ending import ENDED_AT_ONCE
from omc_runbook.model.errors import OUT_OF_FILES, OUT_OF_MEMORY, CouldNotLook, UsageError
from omc_runbook.report.archive import kept_records
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive.record import ROOM, Record

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
OLD = '{"status": "ok"}'
CHANGE = """
import os, resource
from datetime import UTC, datetime
from omc_runbook.runbooks import conclude
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Outcome
from omc_runbook.runbooks import conclude as ending
now = datetime.now(UTC)
change = Change(action="changed", key="SECRET_KEY", version="a-version")
names = {"runbook": "night", "environment": "staging", "account": "123456789012", "region": "ap-southeast-2"}
outcome = Outcome(**names, endpoint="", started=now, finished=now, changes=(change,))
"""
"""The last cell of a runbook that has changed something."""
FULL = "resource.prlimit({process}, resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))"
"""From here on a process cannot write more than this into a file, as on a full disk."""
KILLED = "os.kill(os.getpid(), 9)"
BROKEN_OFF = (
    ("raise ZeroDivisionError('by zero')", "ZeroDivisionError: by zero"),
    ("from omc_runbook.model.errors import ConflictError; raise ConflictError('They were faster.')", "They were"),
    ("", "without an outcome"),
)
"""Last lines of a runbook that gives no outcome, and the reason that its record has."""
RUN = """
import sys
from pathlib import Path
from omc_runbook import cli
from omc_runbook.headless import notebooks
notebooks.folder = lambda: Path(sys.argv[1])
cli.main(["run", "night", "--quiet", "--record", *sys.argv[2:]])
"""


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow to what a record may take."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM // 2, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_night(folder: Path, engine: tuple[str, ...], *ending: str) -> subprocess.CompletedProcess[str]:
    """Run a runbook without AWS, which ends with these lines, and keep its record in a folder with an older one."""
    return forked_command.run(night(folder, engine, *ending), os.environ, folder)


def run_full(folder: Path, engine: tuple[str, ...], *ending: str) -> subprocess.CompletedProcess[str]:
    """Run it where files are limited, and what it prints goes into none."""
    reading, writing = os.pipe()
    forked = forked_command.Forked(night(folder, engine, *ending), os.environ, folder, stdout=writing)
    os.close(writing)
    _, errors = forked.communicate(timeout=120)
    with os.fdopen(reading) as pipe:
        return subprocess.CompletedProcess(forked.args, forked.poll() or 0, pipe.read(), errors)


def night(folder: Path, engine: tuple[str, ...], *ending: str) -> list[str]:
    """The command that runs it."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            nbformat.v4.new_code_cell('environment: str = "staging"', metadata={"tags": ["parameters"]}),
            nbformat.v4.new_markdown_cell("## Change it"),
            nbformat.v4.new_code_cell("\n".join((CHANGE, *ending))),
        ],
    )
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "night.ipynb")
    (folder / "records").mkdir()
    (folder / "records" / "outcome.json").write_text(OLD)
    (folder / "night.py").write_text(RUN)
    return [sys.executable, str(folder / "night.py"), str(folder / "notebooks"), str(folder / "records"), *engine]


def draft(folder: Path, text: str) -> Record:
    """What a run wrote, before it is kept."""
    record = Record(folder / "draft", "verify-staging-20260701T030000Z")
    record.folder.mkdir()
    for path in record.files:
        path.write_text(json.dumps({"text": f"{text} {path.suffix}"}))
    return record


def test_a_folder_that_can_hold_a_record_is_left_as_it_was(tmp_path: Path) -> None:
    """Neither the folder nor those above it stay, since a run that could not look leaves nothing."""
    record = records.prepare(tmp_path / "of" / "nights", "verify", "staging", NOW)
    assert record.stem == "verify-staging-20260701T030000Z"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """The one who named it named it wrongly."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/out cannot hold the record: Not a directory\. Nothing was done\."):
        records.prepare(tmp_path / "file" / "out", "verify", "staging", NOW)


def test_a_full_disk_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """There is no room for a record, though a small file could still be written."""
    with full_disk(), pytest.raises(CouldNotLook, match="out cannot hold the record: File too large"):
        records.prepare(tmp_path / "out", "verify", "staging", NOW)
    assert not list(tmp_path.iterdir())


def test_a_disk_with_less_room_than_a_record_takes_is_a_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's count is believed, before it is tried."""
    real = os.statvfs(tmp_path)
    small = os.statvfs_result((*real[:4], ROOM // real.f_frsize - 1, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    with pytest.raises(CouldNotLook, match="No space left on device"):
        records.prepare(tmp_path / "out", "verify", "staging", NOW)


@pytest.mark.parametrize("is_one_disk", [True, False])
def test_room_is_tried_once_on_each_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_disk: bool) -> None:
    """That of the record's folder, and that of the folder for temporary files if it is another one."""
    temporary_files, sizes, real_stat = tmp_path / "tmp", list[int](), Path.stat
    temporary_files.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary_files))

    def stat(path: Path, **options: bool) -> os.stat_result:
        real = real_stat(path, **options)
        is_other = path == temporary_files and not is_one_disk
        return os.stat_result((*real[:2], real.st_dev + 1, *real[3:])) if is_other else real

    monkeypatch.setattr(os, "fsync", lambda number: sizes.append(os.fstat(number).st_size))
    monkeypatch.setattr(Path, "stat", stat)
    records.prepare(tmp_path / "out", "verify", "staging", NOW)
    assert sizes == [ROOM, 1 if is_one_disk else ROOM]


@pytest.mark.parametrize("sandbox", [(), ("--sandbox",)], ids=["alone", "with a sandbox"])
def test_a_folder_for_temporary_files_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, sandbox: tuple[str, ...]
) -> None:
    """Exit 2, before AWS is called or a sandbox is started, and nothing is written elsewhere instead."""
    command = [str(COMMAND), "run", "update", "-p", "apply", "true", "--record", str(tmp_path / "out"), *sandbox]
    variables = {**os.environ, "TMPDIR": str(tmp_path / "gone"), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ended = forked_command.run(command, variables, tmp_path, seconds=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "gone cannot be used: No such file or directory. Set TMPDIR to another one." in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_record_follows_no_link(tmp_path: Path) -> None:
    """What a link in the folder leads to stays as it is; the record's own files come in its place, mode 600."""
    record = Record(tmp_path / "records", "verify-staging-20260701T030000Z")
    record.folder.mkdir()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "mine").chmod(0o644)
    for path in (record.page, record.outcome):
        path.symlink_to(tmp_path / "mine")
    assert records.keep(draft(tmp_path, "new"), record) == record
    assert (tmp_path / "mine").read_text() == "mine"
    texts = [json.loads(path.read_text())["text"] for path in record.files]
    assert texts == ["new .ipynb", "new .html", "new .json", "new .json"]
    assert {path.lstat().st_mode for path in record.files} == {0o100600}


def test_two_runs_of_one_second_keep_both_notebooks(tmp_path: Path) -> None:
    """The second gets a number; outcome.json is that of the last."""
    target = Record(tmp_path / "records", "verify-staging-20260701T030000Z")
    first = records.keep(draft(tmp_path, "first"), target)
    (tmp_path / "draft").rename(tmp_path / "other")
    second = records.keep(draft(tmp_path, "second"), target)
    assert (first.stem, second.stem) == (target.stem, f"{target.stem}-2")
    for record, text in ((first, "first"), (second, "second")):
        assert json.loads(record.notebook.read_text())["text"] == f"{text} .ipynb"
        assert json.loads(record.own_outcome.read_text())["text"] == f"{text} .json"
    assert target.outcome.read_bytes() == second.own_outcome.read_bytes()
    assert len(list(target.folder.iterdir())) == 7
    assert [each.state for each in kept_records.check(target.folder)] == ["intact", "intact"]


def test_a_record_that_cannot_be_written_whole_leaves_no_piece_and_no_older_outcome(tmp_path: Path) -> None:
    """A disk that fills up between the notebook and the page."""
    record, new_record = Record(tmp_path / "records", "verify-staging-20260701T030000Z"), draft(tmp_path, "new")
    record.folder.mkdir()
    record.outcome.write_text(OLD)
    with new_record.page.open("wb") as file:
        file.truncate(ROOM)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        records.keep(new_record, record)
    assert not list(record.folder.iterdir())


@ENGINES
def test_a_disk_that_fills_up_while_a_runbook_changes_something_hides_nothing(
    tmp_path: Path, engine: tuple[str, ...]
) -> None:
    """Exit 2; with --quiet, too, the changes and the lack of a record are printed; the older outcome is gone."""
    full = FULL.format(process="os.getppid()" if engine else 0, size=64)
    ended = run_full(tmp_path, engine, "conclude.end(outcome)", full)
    assert ended.returncode == 2, ended.stderr
    assert "changed  SECRET_KEY, in version a-version" in ended.stdout
    assert f"Record: none in {tmp_path / 'records'}, though the run took place: File too large" in ended.stdout
    assert ended.stderr == ""
    assert not list((tmp_path / "records").iterdir())


@ENGINES
def test_an_outcome_goes_beside_the_records_where_there_is_no_other_room(
    tmp_path: Path, engine: tuple[str, ...]
) -> None:
    """The changes are printed though the folder for temporary files is full; no file stays.

    What reads only exports learns that the run did not end well.
    """
    remove = "import shutil; shutil.rmtree(os.path.dirname(os.environ['OMC_RUNBOOK_OUTCOME']))"
    export = ("--export", f"emf={tmp_path / 'night.log'}")
    ended = run_night(tmp_path, (*engine, *export), remove, "conclude.end(outcome)")
    assert (ended.returncode, ended.stderr) == (2, "")
    assert json.loads((tmp_path / "night.log").read_text().splitlines()[-1])["ExitCode"] == 2
    *lines, record = ended.stdout.splitlines()
    assert lines == ["night on staging: ok", "  changed  SECRET_KEY, in version a-version"]
    assert record.startswith(f"Record: none in {tmp_path / 'records'}, though the run took place: ")
    assert not list((tmp_path / "records").iterdir())


@ENGINES
def test_an_export_that_fails_is_told_without_a_summary(tmp_path: Path, engine: tuple[str, ...]) -> None:
    """On a run that ends well and prints nothing else."""
    path = tmp_path / "night.log"
    ended = run_night(
        tmp_path, (*engine, "--export", f"emf={path}"), f"os.mkdir({str(path)!r})", "conclude.end(outcome)"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"  warning  Not delivered to emf={path}: Is a directory.\n"


def test_a_run_whose_notebook_cannot_be_written_is_published(tmp_path: Path) -> None:
    """Its outcome is complete; a failed export is named too."""
    full = FULL.format(process=0, size=64)
    ended = run_full(tmp_path, ("--export", "emf=night.log"), "conclude.end(outcome)", full)
    assert ended.returncode == 2, ended.stderr
    assert "changed  SECRET_KEY, in version a-version" in ended.stdout
    assert "Not delivered to emf=night.log: File too large" in ended.stdout


@ENGINES
def test_an_outcome_that_cannot_be_handed_over_says_what_was_done(tmp_path: Path, engine: tuple[str, ...]) -> None:
    """Exit 2 and a record of it, with the change in the sentence."""
    full, free = FULL.format(process=0, size=64), FULL.format(process=0, size="resource.RLIM_INFINITY")
    lines = ("from omc_runbook.report.display import banner", full)
    ended = run_night(tmp_path, engine, *lines, "try: conclude.end(outcome)", f"finally: {free}")
    assert ended.returncode == 2, ended.stderr
    (page,) = (tmp_path / "records").glob("night-staging-*.html")
    assert "Changed: SECRET_KEY, in version a-version." in page.read_text()
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert body["status"] == "failed"
    assert "No outcome could be kept (File too large)." in body["failure"]


@pytest.mark.parametrize(
    ("engine", "ending", "failure"),
    [
        *((engine, *each) for engine in ((), ("--kernel",)) for each in BROKEN_OFF),
        (("--kernel",), KILLED, "kernel died"),
    ],
)
def test_a_run_that_breaks_off_leaves_what_was_known_of_it(
    tmp_path: Path, engine: tuple[str, ...], ending: str, failure: str
) -> None:
    """Exit 2 and a record: its account, targets and plan, whether that was to be applied, and why it ended."""
    lines = (
        "from omc_runbook.model.findings import NO_OUTCOME, TargetOutcome",
        "from dataclasses import replace",
        'target = TargetOutcome(environment="staging", account="1", region="r", endpoint="", status="failed")',
        'known = replace(outcome, changes=(), failure=NO_OUTCOME, plan=("It would change.",), targets=(target,))',
        "conclude.announce(replace(known, applied=True))",
    )
    ended = run_night(tmp_path, engine, *lines, ending)
    assert ended.returncode == 2, ended.stderr
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert failure in body["failure"] and (body["status"], body["account"]) == ("failed", "123456789012")
    assert (body["applied"], body["plan"]) == (True, ["It would change."])
    assert [(each["environment"], each["status"]) for each in body["targets"]] == [("staging", "failed")]


@ENGINES
@pytest.mark.parametrize(("error", "code", "stays"), [("CouldNotLook", 2, False), ("UsageError", 3, True)])
def test_a_run_that_cannot_look_leaves_no_older_outcome(
    tmp_path: Path, engine: tuple[str, ...], error: str, code: int, stays: bool
) -> None:
    """Who reads outcome.json afterwards would take the older one's ok for its own; what is refused is no run."""
    command = night(tmp_path, engine, f"from omc_runbook.model.errors import {error}; raise {error}('No.')")
    notebook = tmp_path / "notebooks" / "night.ipynb"
    notebook.write_text(notebook.read_text().replace("## Change it", "## Look at it"))
    ended = forked_command.run(command, os.environ, tmp_path)
    assert ended.returncode == code, ended.stderr
    assert (tmp_path / "records" / "outcome.json").exists() is stays


@ENGINES
def test_a_killed_command_leaves_the_folder_of_records_as_it_was(tmp_path: Path, engine: tuple[str, ...]) -> None:
    """There is no file of this run, and the older outcome is still there."""
    kill = "os.kill(os.getppid(), 9); import time; time.sleep(60)" if engine else KILLED
    ended = run_night(tmp_path, engine, "conclude.announce(outcome)", kill)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-9, "", "")
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["outcome.json"]
    assert (tmp_path / "records" / "outcome.json").read_text() == OLD


SLEEP = """
import pathlib, time
while True:
    try:
        pathlib.Path("started").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        pathlib.Path("interrupted").touch()
"""


@ENGINES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_what_ignores_the_first(tmp_path: Path, engine: tuple[str, ...], number: int) -> None:
    """Exit 2 with a word, no record, and no file for temporary ones; the cell's own threads are not waited for."""
    thread = "import threading; threading.Thread(target=__import__('time').sleep, args=(100,)).start()"
    (tmp_path / "tmp").mkdir()
    command = night(tmp_path, engine, thread, SLEEP)
    process = forked_command.Forked(command, {**os.environ, "TMPDIR": str(tmp_path / "tmp")}, tmp_path)
    for name in ("started", "interrupted"):
        while not (tmp_path / name).exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
    output = process.communicate(timeout=30)
    assert (process.poll(), output[0]) == (2, "") and output[1].strip().startswith("Interrupted.")
    assert "Traceback" not in output[1]
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["outcome.json"]
    assert not [*(tmp_path / "tmp").iterdir()]


def test_a_second_signal_leaves_the_record_of_a_change_that_was_to_be_made(tmp_path: Path) -> None:
    """Exit 2, what was known of it, and how to go on; the cell that ran is in the notebook."""
    lines = (
        "from omc_runbook.model.findings import NO_OUTCOME",
        "from dataclasses import replace",
        "conclude.announce(replace(outcome, plan=('It would change.',), applied=True, failure=NO_OUTCOME))",
        "import signal",
        "try: signal.raise_signal(signal.SIGTERM)",
        "except KeyboardInterrupt: signal.raise_signal(signal.SIGINT)",
    )
    ended = run_night(tmp_path, (), *lines)
    assert ended.returncode == 2, ended.stderr
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert (body["status"], body["applied"], body["changes"][0]["key"]) == ("failed", True, "SECRET_KEY")
    assert body["failure"].startswith("Ended by a second signal") and "run verify" in body["failure"]
    (notebook,) = (tmp_path / "records").glob("night-staging-*.ipynb")
    assert "signal.SIGINT" in notebook.read_text()


def test_a_third_signal_ends_a_run_at_once_and_says_so(tmp_path: Path) -> None:
    """On the terminal, where a cell's streams are others by then."""
    lines = (
        "import signal",
        "try: signal.raise_signal(signal.SIGTERM)",
        "except KeyboardInterrupt:",
        "    try: signal.raise_signal(signal.SIGTERM)",
        "    except SystemExit: signal.raise_signal(signal.SIGTERM)",
    )
    ended = run_night(tmp_path, (), *lines)
    assert (ended.returncode, ended.stdout) == (2, "") and ended.stderr.endswith(f"{ENDED_AT_ONCE}\n")


def test_a_signal_after_the_last_cell_of_a_change_leaves_its_outcome_as_it_is(tmp_path: Path) -> None:
    """What was done and proved is not said to have been interrupted."""
    command = night(tmp_path, (), "conclude.end(replace(outcome, plan=('It would change.',), applied=True))")
    notebook = tmp_path / "notebooks" / "night.ipynb"
    notebook.write_text(
        notebook.read_text().replace("import os, resource", "import os; from dataclasses import replace")
    )
    script = tmp_path / "night.py"
    late = (
        "import os, signal\n"
        "from omc_runbook.masking.own_process import Interruption\n"
        "Interruption.end = lambda self: os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    script.write_text(script.read_text().replace("cli.main(", f"{late}cli.main("))
    ended = forked_command.run(command, os.environ, tmp_path)
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert (ended.returncode, body["status"], body["applied"]) == (0, "ok", True)


@pytest.mark.parametrize("line", ["from omc_runbook.runbooks import newer", "conclude.newer_verb(outcome)"])
def test_a_notebook_of_another_version_than_the_package_says_what_to_do(tmp_path: Path, line: str) -> None:
    """As after a checkout of the notebooks alone."""
    ended = run_night(tmp_path, (), "conclude.announce(outcome)", line)
    assert ended.returncode == 2, ended.stderr
    failure = json.loads((tmp_path / "records" / "outcome.json").read_text())["failure"]
    assert failure.endswith(
        "night.ipynb and the package differ in version: install omc-runbook again, which brings both."
    )


@pytest.mark.parametrize("line", ["raise MemoryError", 'raise RuntimeError("can\'t start new thread")'])
def test_a_cell_for_which_there_is_too_little_memory_says_so(tmp_path: Path, line: str) -> None:
    """As with `ulimit -v`: a thread needs room for its stack."""
    ended = run_night(tmp_path, (), "conclude.announce(outcome)", line)
    assert ended.returncode == 2, ended.stderr
    assert json.loads((tmp_path / "records" / "outcome.json").read_text())["failure"] == OUT_OF_MEMORY


def test_a_run_keeps_room_for_what_it_is_going_to_say(tmp_path: Path) -> None:
    """More than outcome, notebook and page of a change take, on the disk of the temporary files."""
    lines = (
        "from pathlib import Path",
        "from omc_runbook.model.handover import OUTCOME_VARIABLE, room_beside",
        "assert room_beside(Path(os.environ[OUTCOME_VARIABLE])).stat().st_size >= 1_000_000",
        "conclude.end(outcome)",
    )
    ended = run_night(tmp_path, (), *lines)
    assert ended.returncode == 0, ended.stderr


def test_a_record_whose_summary_cannot_be_printed_is_in_the_index(tmp_path: Path) -> None:
    """As where the terminal was closed while the run went on."""
    command = night(tmp_path, (), "conclude.end(outcome)")
    script = tmp_path / "night.py"
    closed = (
        "from omc_runbook.headless import terminal\n"
        "def refuse(lines, **_):\n"
        "    if lines: raise OSError(5, 'Input/output error')\n"
        "terminal.print_lines = refuse\n"
    )
    script.write_text(script.read_text().replace("cli.main(", f"{closed}cli.main("))
    ended = forked_command.run(command, os.environ, tmp_path)
    assert (ended.returncode, "Input/output error" in ended.stderr) == (2, True)
    (page,) = (tmp_path / "records").glob("night-staging-*.html")
    assert page.name in (tmp_path / "records" / "index.html").read_text()


SILENT = "get_ipython().showtraceback = lambda *_, **__: None"
"""From here on IPython shows no error, as where files or memory are missing for that."""


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        (("raise OSError(24, 'Too many open files', 'endpoints.json')",), OUT_OF_FILES),
        ((SILENT, "raise ZeroDivisionError('by zero')"), "ZeroDivisionError: by zero"),
    ],
    ids=["open files", "not shown"],
)
def test_a_cell_for_which_something_else_is_missing_says_so(
    tmp_path: Path, lines: tuple[str, ...], failure: str
) -> None:
    """As with `ulimit -n`: the failure is never a class of papermill's without a word."""
    ended = run_night(tmp_path, (), "conclude.announce(outcome)", *lines)
    assert ended.returncode == 2, ended.stderr
    assert json.loads((tmp_path / "records" / "outcome.json").read_text())["failure"] == failure


def send_itself(name: str) -> str:
    """A line of a cell in which its process sends itself a signal."""
    return f"import signal; os.kill(os.getpid(), signal.{name})"


LOST = f"""
import time
class Callback:
    def __del__(self):
        {send_itself("SIGTERM")}
        time.sleep(0.01)
Callback()
time.sleep(60)
"""
"""Python ignores what is raised in a callback from C, such as a destructor."""
SLOW = """
import resource, time
limit = int(time.process_time()) + 1
resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
while True: pass
"""


@pytest.mark.parametrize("ending", [LOST, SLOW], ids=["lost in a callback", "limit of CPU time"])
def test_a_signal_ends_a_run_wherever_it_comes(tmp_path: Path, ending: str) -> None:
    """Exit 2 and a record that says so."""
    ended = run_night(tmp_path, (), "conclude.announce(outcome)", ending)
    assert (ended.returncode, ended.stderr) == (2, "")
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert body["status"] == "failed" and body["failure"].startswith("Interrupted")


def test_a_signal_that_a_run_was_begun_to_ignore_does_not_end_it(tmp_path: Path) -> None:
    """As by nohup, when the terminal goes."""
    command = night(tmp_path, (), send_itself("SIGHUP"), "conclude.end(outcome)")
    ended = subprocess.run(["nohup", *command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert json.loads((tmp_path / "records" / "outcome.json").read_text())["status"] == "ok"


def run_with(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a notebook that ends well by a command that runs other code before."""
    command = night(tmp_path, (), "conclude.end(outcome)")
    script = tmp_path / "night.py"
    script.write_text(script.read_text().replace("cli.main(", f"import os, signal\n{code}cli.main("))
    return forked_command.run(command, os.environ, tmp_path)


def test_a_signal_that_comes_when_a_run_is_published_is_too_late(tmp_path: Path) -> None:
    """The exit code is that of messages and exports, which are out already, and there is a record."""
    ended = run_with(
        tmp_path,
        "from omc_runbook.report.archive import kept_records\n"
        "save = kept_records.save\n"
        "kept_records.save = lambda *words: (os.kill(os.getpid(), signal.SIGTERM), save(*words))[1]\n",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert json.loads((tmp_path / "records" / "outcome.json").read_text())["status"] == "ok"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_before_the_first_cell_is_told(tmp_path: Path, name: str) -> None:
    """As with a cron table's time where the machine is slow: the streams are the notebook's already."""
    ended = run_with(
        tmp_path,
        "from omc_runbook.masking.cell_shell import CellShell\n"
        "make = CellShell.instance\n"
        f"CellShell.instance = lambda **options: (os.kill(os.getpid(), signal.{name}), make(**options))[1]\n",
    )
    assert (ended.returncode, ended.stdout) == (2, "") and "Interrupted" in ended.stderr


@ENGINES
def test_a_run_that_is_well_leaves_its_record_alone(tmp_path: Path, engine: tuple[str, ...]) -> None:
    """The older outcome makes room for that of this run; nothing else is in the folder."""
    ended = run_night(tmp_path, engine, "conclude.end(outcome)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    paths = sorted((tmp_path / "records").iterdir())
    assert [path.suffix for path in paths] == [".html", ".html", ".ipynb", ".json", ".json"]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600} and paths[0].name == "index.html"
    body = json.loads((tmp_path / "records" / "outcome.json").read_text())
    assert (body["status"], body["changes"][0]["key"]) == ("ok", "SECRET_KEY")
