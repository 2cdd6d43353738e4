"""A sandbox's life: found, private, alone or beside another, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import forked_sandboxes, forked_workers
from support.small_world import CLUSTER, Stage, document, running, until

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.cli import sandbox


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory and an environment without other sandboxes, whose servers are started as a person's are."""
    monkeypatch.setattr(lifecycle, "_spawn", forked_sandboxes.start_anew)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path


@pytest.fixture
def forked(own_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers without the imports of a start, for what their start has nothing to do with."""
    monkeypatch.setattr(lifecycle, "_spawn", forked_sandboxes.spawn)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_why_it_does_not_start_is_said_without_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel asks for them, and Python colours the last line of an error."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "moto.py").write_text('raise ImportError("no such part")\n')
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(broken), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(RunbookError) as error:
        lifecycle.up()
    assert str(error.value) == "The sandbox did not start: ImportError: no such part."


def test_down_leaves_nothing(own_directory: Path) -> None:
    """Server, application processes and files are gone after down; before, the files are private."""
    with running() as stage:
        stage.build(desired=2)
        stage.steady()
        pids = [task["pid"] for task in stage.processes()]
        paths = list(own_directory.rglob("*"))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()}
        assert modes == {0o600}
        assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert not any(map(alive, [*pids, stage.sandbox.pid]))
    assert list(own_directory.iterdir()) == []


def test_no_value_is_written_to_a_file(own_directory: Path, forked: None) -> None:
    """A secret's value is in no file of the sandbox, also after a call that moto cannot answer."""
    with running() as stage:
        value = document()
        stage.build(desired=1)
        stage.secrets.put_secret_value(SecretId="app-secret", SecretString=value)
        stage.ecs.update_service(cluster=CLUSTER, service="app", forceNewDeployment=True)
        stage.steady()
        canaries = json.loads(value).values()
        content = b"".join(path.read_bytes() for path in own_directory.rglob("*") if path.is_file())
        assert content
        assert not [canary for canary in canaries if canary.encode() in content]


def test_killed_server_takes_its_processes_with_it(own_directory: Path) -> None:
    """Applications end when the server is killed, and what it left behind is cleared by the next look."""
    stage = Stage(lifecycle.up(None))
    stage.build()
    stage.steady()
    pids = [task["pid"] for task in stage.processes()]
    os.kill(stage.sandbox.pid, signal.SIGKILL)
    os.waitpid(stage.sandbox.pid, 0)
    until(lambda: not any(map(alive, pids)))
    with pytest.raises(UsageError, match="No sandbox is running"):
        lifecycle.find()
    assert list(own_directory.rglob("state.json")) == []


def test_a_signal_that_comes_at_any_moment_ends_it(own_directory: Path) -> None:
    """Also one that interrupts what the server waits with for the first."""
    program = """
import os, signal, sys, threading
from omc_runbook.sandbox import server

def interrupt(frame, event, argument):
    if frame.f_code.co_filename == threading.__file__:
        os.kill(os.getpid(), signal.SIGTERM)
    return interrupt

def report(*message):
    tell(*message)
    sys.settrace(interrupt)

tell, server._report = server._report, report
# As the module itself ends.
os._exit(server.main())
"""
    reading, writing = os.pipe()
    options = ["--port", "0", "--state", str(own_directory / f"omc-sandbox-{os.getuid()}"), "--ready", str(writing)]
    with (
        os.fdopen(reading) as lines,
        subprocess.Popen([sys.executable, "-c", program, *options], pass_fds=(writing,)) as server,
    ):
        os.close(writing)
        assert lines.readline().startswith("ready ")
        try:
            server.terminate()
            assert server.wait(20) == 0
        finally:
            server.kill()
    assert list(own_directory.iterdir()) == []


def test_two_run_side_by_side(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sandboxes know nothing of each other; a command has to name one."""
    with running() as one, running() as two:
        one.secrets.create_secret(Name="mine", SecretString="x")
        assert two.secrets.list_secrets()["SecretList"] == []
        with pytest.raises(UsageError, match="2 sandboxes are running"):
            lifecycle.find()
        monkeypatch.setenv("AWS_ENDPOINT_URL", two.sandbox.endpoint)
        assert lifecycle.find() == two.sandbox
        lifecycle.down()
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        assert lifecycle.find() == one.sandbox


def test_endpoint_of_no_sandbox_is_said(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL that names no sandbox is an error, not another sandbox."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with running(), pytest.raises(UsageError, match="No sandbox of yours runs at AWS_ENDPOINT_URL"):
        lifecycle.find()


def test_taken_port_is_said(own_directory: Path) -> None:
    """A port in use is one sentence, and leaves nothing behind."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(RunbookError, match=rf"cannot use port {port} \([A-Z][a-z ]+\): choose another"):
            lifecycle.up(None, port)
    assert list(own_directory.iterdir()) == []


def test_foreign_directory_is_refused(own_directory: Path) -> None:
    """A directory that others could write is not used."""
    directory = own_directory / f"omc-sandbox-{os.getuid()}"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(RunbookError, match="not a private directory"):
        lifecycle.up(None)


def test_survives_the_shell_that_started_it(own_directory: Path) -> None:
    """The server outlives its starter, holds none of its streams and is found by another process."""
    program = "from omc_runbook.sandbox import lifecycle; print(lifecycle.up(None).port)"
    environment = {**os.environ, "TMPDIR": str(own_directory)}
    started = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    other = lifecycle.find()
    assert other.port == int(started.stdout)
    assert Path(f"/proc/{other.pid}/fd/0").readlink() == Path("/dev/null")
    lifecycle.down(other)
    until(lambda: not alive(other.pid))


def test_reset_forgets_everything(forked: None) -> None:
    """After a reset there are no tasks, secrets or events, and a new service runs as in a new sandbox."""
    with running() as stage:
        stage.build()
        stage.steady()
        pids = [task["pid"] for task in stage.processes()]
        lifecycle.ask(stage.sandbox, "POST", "reset")
        assert not any(map(alive, pids))
        assert stage.secrets.list_secrets()["SecretList"] == []
        assert stage.ecs.list_clusters()["clusterArns"] == []
        stage.build()
        stage.steady()
        assert len(stage.processes()) == 1


def test_commands_print_what_a_shell_and_a_program_need() -> None:
    """`up` prints export lines for the healthy world, `status --json` its tasks, `down` ends it."""
    run = CliRunner()
    result = run.invoke(sandbox, ["up"], catch_exceptions=False)
    try:
        lines = dict(line.removeprefix("export ").split("=", 1) for line in result.output.splitlines())
        names = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"]
        assert list(lines) == [*names, "OMC_REPOSITORY"]
        status = json.loads(run.invoke(sandbox, ["status", "--json"]).output)
        assert (status["endpoint"], status["world"], status["broken"]) == (lines["AWS_ENDPOINT_URL"], "healthy", [])
        services = sorted(task["service"] for task in status["tasks"])
        assert services == ["backend", "backend", "frontend", "worker"]
        assert all(task["status"] == "RUNNING" and alive(task["pid"]) for task in status["tasks"])
        assert "broken: nothing" in run.invoke(sandbox, ["status"]).output
    finally:
        assert run.invoke(sandbox, ["down"]).exit_code == 0
    assert not alive(status["pid"])


def test_a_sandbox_of_tests_ends_with_the_process_that_started_it(own_directory: Path) -> None:
    """Killed tests leave no server behind, though a server that a person starts lives on."""
    if not (address := forked_workers.ask("support.forked_sandboxes")):
        pytest.skip("this process is no fork of the one that starts servers: run with --numprocesses")
    script = f"""
import time
from support import forked_sandboxes, forked_workers
from omc_runbook.sandbox import lifecycle
forked_workers.ask = lambda name: {address!r}
lifecycle._spawn = forked_sandboxes.spawn
print(lifecycle.up(None).pid, flush=True)
time.sleep(600)
"""
    variables = {**os.environ, "TMPDIR": str(own_directory), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    until(lambda: not alive(pid))
    assert list(own_directory.iterdir()) == []
