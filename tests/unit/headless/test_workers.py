"""Functions in processes of their own: what they return, and that none stops the others or outlives its parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import current_process, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from omc_runbook.headless import fork_server, workers
from omc_runbook.headless.workers import WorkerEnd
from omc_runbook.model import temporary
from omc_runbook.model.errors import CouldNotLook

HANG = "__import__('time').sleep(60)"


@pytest.fixture(autouse=True, scope="module")
def _forked_from_a_short_path() -> None:
    """Have the process to fork from where a command has it, whatever TMPDIR says, without most of its imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "PREPARED", workers.PREPARED[:1])
        workers.prepare()


@pytest.mark.long
def test_one_that_fails_or_hangs_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its result, in the order of the arguments; what they print is lost, and so are a run's own variables."""
    monkeypatch.setenv("OMC_RUNBOOK_OUTCOME", "x")
    monkeypatch.setenv("OMC_CLUSTER", "own")
    monkeypatch.delenv("OMC_CACHE")
    codes = {
        "hangs": HANG,
        "counts": "6 * 7",
        "dies": "__import__('os')._exit(3)",
        "fails": "1 / 0",
        "variables": "sorted(name for name in __import__('os').environ if name.startswith('OMC_'))",
    }
    names = []
    ends = workers.run_each(eval, codes, 6.0, lambda name, end: names.append(name))
    assert [*ends] == [*codes]
    assert ends["counts"] == WorkerEnd(42)
    assert ends["hangs"].failure == "no answer within 6 s"
    assert ends["dies"].failure == "its process ended with exit code 3"
    assert ends["fails"].failure == "its process ended with exit code 1"
    assert ends["variables"].value == ["OMC_CLUSTER"]
    assert names[-1] == "hangs" and sorted(names) == sorted(codes)


def test_on_macos_each_is_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What urllib asks for proxies there does not work in a fork; the results are the same."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fork_server, "ensure_running", lambda: pytest.fail("There is something to fork from."))
    workers.prepare()
    kind = "type(__import__('multiprocessing').current_process()).__name__"
    ends = workers.run_each(eval, {"kind": kind, "dies": "__import__('os')._exit(3)"}, 60.0)
    assert ends == {"kind": WorkerEnd("SpawnProcess"), "dies": WorkerEnd(None, "its process ended with exit code 3")}


@pytest.mark.long
def test_one_that_ended_itself_in_the_end_gave_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine stood still for a while, it is sooner than the process that would have ended it."""
    monkeypatch.setattr(workers, "GRACE_SECONDS", -2.0)
    assert workers.run_each(eval, {"hangs": HANG}, 4.0)["hangs"].failure == "no answer within 4 s"


def _is_soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _hang(file: Path) -> str:
    """Code that writes its process's number and hangs."""
    return f"[__import__('pathlib').Path({str(file)!r}).write_text(str(__import__('os').getpid())), {HANG}]"


def test_an_interruption_ends_all(tmp_path: Path) -> None:
    """Whatever is raised meanwhile."""
    file = tmp_path / "pid"

    def interrupt(name: str, end: WorkerEnd[object]) -> None:
        assert _is_soon(lambda: file.is_file() and bool(file.read_text()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.run_each(eval, {"hangs": _hang(file), "ends": "1"}, 30.0, interrupt)
    assert _has_ended(int(file.read_text()))


def test_a_worker_that_is_ended_leaves_no_program_for_credentials(tmp_path: Path) -> None:
    """It would go on waiting, such as for a person, with nobody to hand credentials to."""
    file = tmp_path / "pid"
    program = f"/bin/sh -c 'echo $$ > {file}; exec sleep 60'"
    (tmp_path / "config").write_text(f"[profile night]\ncredential_process = {program}\n")
    variables = f"__import__('os').environ.update(AWS_CONFIG_FILE={str(tmp_path / 'config')!r})"
    look = "__import__('omc_runbook.aws.session', fromlist=['session']).Clients('eu-west-1', 'night').has_credentials"
    ends = workers.run_each(eval, {"hangs": f"[{variables}, {look}]"}, 5.0)
    assert ends["hangs"].failure == "no answer within 5 s"
    assert _has_ended(int(file.read_text()))


@pytest.mark.long
def test_neither_a_worker_nor_a_folder_outlives_a_killed_parent(tmp_path: Path) -> None:
    """It would go on reading, with nobody to report to; the folder of workers is removed by our next process there."""
    file = tmp_path / "pid"
    script = f"""
from omc_runbook.headless import fork_server, workers
workers.PREPARED = workers.PREPARED[:1]
workers.prepare()
workers.run_each(eval, {{'hangs': {_hang(file)!r}}}, 30.0)
"""
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        with subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "TMPDIR": folder}) as parent:
            assert _is_soon(lambda: file.is_file() and bool(file.read_text()))
            assert sorted(each.name.split("-")[1] for each in Path(folder).iterdir()) == ["fork", "workers"]
            parent.send_signal(signal.SIGKILL)
        assert _is_soon(lambda: _has_ended(int(file.read_text())))
        assert _is_soon(lambda: not [*Path(folder).glob("omc-fork-*")])
        with temporary.folder("test", folder) as own:
            assert [*Path(folder).iterdir()] == [Path(own)]


@pytest.mark.long
def test_the_folder_of_a_killed_parent_and_its_fork_server_is_removed_by_our_next_process() -> None:
    """Nobody else is left who could."""
    script = """
from multiprocessing import forkserver
from omc_runbook.headless import fork_server
fork_server.ensure_running()
print(forkserver._forkserver._forkserver_pid, flush=True)
input()
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        variables = {**os.environ, "TMPDIR": folder}
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", script], env=variables, **streams) as parent:
            assert parent.stdout
            server = int(parent.stdout.readline())
            os.kill(server, signal.SIGKILL)
            parent.send_signal(signal.SIGKILL)
        assert _is_soon(lambda: _has_ended(server))
        assert [each.name.split("-")[1] for each in Path(folder).iterdir()] == ["fork"]
        with temporary.folder("test", folder) as own:
            assert [*Path(folder).iterdir()] == [Path(own)]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
@pytest.mark.long
def test_what_is_forked_has_no_threads() -> None:
    """A fork of a process with threads may find their locks held for ever."""
    tasks = "len(__import__('os').listdir('/proc/self/task'))"
    script = f"import omc_runbook.headless.prepared; print({tasks})"
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert process.stdout.split() == ["1"]


def test_an_interruption_is_not_for_the_process_to_fork_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it imports would print a traceback of its own; here, and in what is forked, it counts."""
    masks = []
    blocked = "__import__('signal').SIGINT in __import__('signal').pthread_sigmask(0, [])"
    assert workers.run_each(eval, {"blocked": blocked}, 60.0)["blocked"].value is False
    monkeypatch.setattr(forkserver, "ensure_running", lambda: masks.append(signal.pthread_sigmask(0, [])))
    fork_server.ensure_running()
    assert [signal.SIGINT in mask for mask in (*masks, signal.pthread_sigmask(0, []))] == [True, False]


def test_an_interruption_meanwhile_leaves_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that this one starts later, as from a kernel, would remove the folder with the socket at its end."""
    monkeypatch.setattr(forkserver, "ensure_running", lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            monkeypatch.setattr(fork_server, "_folder", lambda: folder)
            with pytest.raises(KeyboardInterrupt):
                fork_server.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
    assert fork_server.FOLDER_VARIABLE not in os.environ


def test_a_worker_that_is_interrupted_shows_nothing() -> None:
    """Ctrl-C counts once its output is lost: until then a traceback of it would be on the screen."""
    script = """
from omc_runbook.headless import workers

class Interrupting:
    def __reduce__(self):
        return eval, ("__import__('os').kill(__import__('os').getpid(), 2)",)

workers.PREPARED = workers.PREPARED[:1]
workers.prepare()
print(workers.run_each(str, {"argument": Interrupting()}, 60.0)["argument"].failure)
"""
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert (process.stdout, process.stderr) == ("its process ended with exit code 1\n", "")


def test_a_process_that_cannot_be_started_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where memory ran out, and the system has ended the one to fork."""

    def start(process: object) -> None:
        raise EOFError

    monkeypatch.setattr(ForkServerProcess, "start", start)
    with pytest.raises(CouldNotLook, match=r"No process could be started: the one to fork has ended\. Nothing was"):
        workers.run_each(eval, {"counts": "1"}, 1.0)


def test_a_path_too_long_for_a_socket_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is started, with the variable to set."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr("multiprocessing.util.get_temp_dir", lambda: str(folder))
    with pytest.raises(CouldNotLook, match="set TMPDIR to another one"):
        workers.prepare()


def test_the_socket_is_elsewhere_where_temporary_files_have_too_long_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a private folder of ours, which goes as others do."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(fork_server, "_made", [])
    monkeypatch.setitem(current_process()._config, "tempdir", None)  # type: ignore[attr-defined]
    socket_folder = Path(fork_server._folder())
    assert socket_folder.parent == Path("/tmp") and socket_folder.name.startswith("omc-fork-")
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700 and not [*folder.iterdir()]
    fork_server._made[0].cleanup()
