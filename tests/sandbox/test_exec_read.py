"""A look inside running tasks: the script in real shells, what digests are compared with, and the sandbox's tasks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import quick_programs, snapshots
from support.runs import client, deny, sign_in, values
from support.snapshots import (
    ARN,
    CURRENT,
    NOW,
    PREVIOUS,
    definition_arn,
    healthy,
    looked,
    rotated,
    with_container,
    with_definition,
    with_reference,
)

from omc_runbook.aws import channel, execute, message
from omc_runbook.aws.ecs import TaskContainer
from omc_runbook.aws.execute import ExecFailure
from omc_runbook.aws.message import Message
from omc_runbook.checks import running
from omc_runbook.checks.check import Evidence, Uncertain
from omc_runbook.masking import fingerprint
from omc_runbook.masking.strength import STRONG
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox.ecs.container import RunningContainer
from omc_runbook.sandbox.faults import break_, mend
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, SECRET, World
from omc_runbook.snapshot import exec_probe, exec_read, follow_ups
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ExecLook, HeldValue
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

SALT, MARK = "5a17", "beef"
KEY = "STRONG"
TOOLS = ("tr", "cat", "id", "readlink", "getconf")
ODD = {
    "PLAIN": "v" * 40,
    "SPACES": "  a b\tc  ",
    "QUOTES": 'it\'s "quoted" `echo x` $(echo y) $HOME \\n \\',
    "LINES": "-----BEGIN-----\nabc\n-----END-----\n",
    "RETURN": "one\r\ntwo",
    "UNICODE": "Áéÿ ‹x› 😀 \u0081\u0082",
    "EMPTY": "",
    "EQUALS": "a=b=c=",
    "GLOB": "*?[a-z] %s %d \\001",
    "DASH": "-n",
    "_9": "x",
    KEY: secrets.token_urlsafe(24),
}


def digest(variable: str, value: str, salt: str = SALT, keyed: Mapping[str, str] | None = None) -> str:
    """What the container has to answer."""
    key = "".join(f"{name}={text}" for name, text in (keyed or {KEY: ODD[KEY]}).items() if name != variable)
    return hashlib.sha256(f"{salt}{key}{variable}={value}".replace("\n", "\x01").encode()).hexdigest()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes that sleep, and end them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def sleeping(process: Any, environment: Mapping[str, str]) -> int:
    """A process with this environment."""
    return int(process(["/bin/sleep", "60"], environment).pid)


def answer(environment: Mapping[str, str], pid: int, folder: Path, names: tuple[str, ...] = tuple(ODD)) -> str:
    """What the script writes into the terminal of a container."""
    output = b""
    with RunningContainer(environment, pid).run(exec_probe.command(names, SALT, MARK, KEY), folder) as running:
        while piece := running.read(4096):
            output += piece
    return output.decode()


def shells(monkeypatch: pytest.MonkeyPatch, folder: Path, shell: str, *tools: str) -> None:
    """Let the container have this shell as sh, and no program but these."""
    usual, path = quick_programs.path_without(), shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to(path)
    for tool in tools:
        target = path if shell == "busybox" else sys.executable if tool == "python3" else shutil.which(tool, path=usual)
        if target is None:
            pytest.skip(f"no {tool} here")
        (programs / tool).symlink_to(target)
    monkeypatch.setenv("PATH", str(programs))


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_any_shell_digests_any_value(shell: str, process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, quotes, line ends, unicode, nothing: each value has our digest, and none is in the answer."""
    variables = {name: value for name, value in ODD.items() if name != "DASH"} | {"PLAIN": "other", "PATH": "/bin"}
    pid = sleeping(process, {**variables, "UNASKED": "x"})
    shells(monkeypatch, tmp_path, shell, *TOOLS, "sha256sum")
    text = answer(ODD, pid, tmp_path)
    result = exec_probe.read(text, MARK)
    assert isinstance(result, exec_probe.ProbeResult)
    expected = {name: digest(name, value) for name, value in ODD.items()}
    assert {name: value_digest for name, value_digest in result.injected.items() if name != "PATH"} == expected
    assert result.process == {name: digest(name, value) for name, value in variables.items()}
    assert (result.pid, result.name, result.is_readable) == ("1", "sleep", True)
    assert result.started and abs(datetime.now(UTC) - result.started) < timedelta(seconds=10)
    assert not [value for value in ODD.values() if len(value) > 3 and value in text]


@pytest.mark.parametrize("tool", ["sha256sum", "openssl", "shasum", "python3", "perl"])
def test_any_tool_digests(tool: str, process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever program there is makes the same digest."""
    pid = sleeping(process, ODD)
    shells(monkeypatch, tmp_path, "dash", *TOOLS, tool)
    result = exec_probe.read(answer(ODD, pid, tmp_path), MARK)
    assert isinstance(result, exec_probe.ProbeResult)
    assert result.injected["UNICODE"] == digest("UNICODE", ODD["UNICODE"])


@pytest.mark.parametrize("key", ["", "MISSING", "DASH"])
def test_without_a_strong_value_no_digest_is_sent(key: str, process: Any, tmp_path: Path) -> None:
    """Only which variables are there, and which the process has otherwise: from a digest one could guess the value."""
    pid = sleeping(process, {**ODD, "PLAIN": "other"})
    with RunningContainer(ODD, pid).run(exec_probe.command(tuple(ODD), SALT, MARK, key), tmp_path) as running:
        text = b"".join(iter(lambda: running.read(4096), b"")).decode()
    result = exec_probe.read(text, MARK)
    assert isinstance(result, exec_probe.ProbeResult) and result.is_readable and not re.search("[0-9a-f]{64}", text)
    assert {*result.injected} >= {*ODD} and {*result.process} >= {*ODD}
    assert {name for name in ODD if result.injected[name] != result.process[name]} == {"PLAIN"}


def test_no_tool_is_told(process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without any program for a digest says so."""
    pid = sleeping(process, ODD)
    shells(monkeypatch, tmp_path, "dash", *TOOLS)
    result = exec_probe.read(answer(ODD, pid, tmp_path), MARK)
    assert isinstance(result, ExecFailure) and result.kind == "no-tool"


def test_behind_an_init_the_child_is_looked_at(process: Any, tmp_path: Path) -> None:
    """Where number 1 is a shell that waits, its child is the application."""
    script = "PLAIN=changed sleep 60 & wait"
    parent = process(["/bin/sh", "-c", script], {**ODD, "PATH": os.environ["PATH"]})
    until(lambda: bool(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().strip()))
    child = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text())
    until(lambda: Path(f"/proc/{child}/cmdline").read_bytes() == b"sleep\x0060\0")
    try:
        result = exec_probe.read(answer(ODD, parent.pid, tmp_path), MARK)
    finally:
        os.kill(child, 9)
    assert isinstance(result, exec_probe.ProbeResult)
    assert (result.pid, result.name) == (str(child), "sleep")
    assert result.process["PLAIN"] == digest("PLAIN", "changed")
    assert result.injected["PLAIN"] == digest("PLAIN", ODD["PLAIN"])


@pytest.mark.parametrize("has_one", [True, False])
def test_among_the_processes_of_a_whole_task(has_one: bool, tmp_path: Path) -> None:
    """With pidMode task, number 1 is ECS's pause: the container's own process is looked at, or none."""
    own = Path("/proc/self/cgroup").read_text().rstrip()
    others = f"{own.partition(chr(10))[0]}\n0::/../other"
    table = {1: ("pause", 0, others, ""), 8: ("sidecar", 0, others, "other"), 9: ("orphan", 1, others, "other")}
    table |= {21: ("amazon-ssm-agen", 0, own, "")} | ({30: ("python", 0, own, "changed")} if has_one else {})
    for name in ("self", "stat"):
        (tmp_path / name).symlink_to(f"/proc/{name}")
    for pid, (comm, parent, cgroup, plain) in table.items():
        files = {"comm": comm, "cgroup": cgroup, "environ": f"PLAIN={plain}\0", "status": ""}
        stat = f"{pid} ({comm}) S {parent} {' '.join(['0'] * 17)} 7"
        (tmp_path / str(pid)).mkdir()
        for name, text in {**files, "stat": stat}.items():
            (tmp_path / str(pid) / name).write_text(f"{text}\n")
    script = exec_probe.command(("PLAIN",), SALT, MARK, KEY).split("'")[1].replace("/proc/", f"{tmp_path}/")
    environment = {**os.environ, KEY: ODD[KEY], "PLAIN": "x"}
    output = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    result = exec_probe.read(output, MARK)
    assert isinstance(result, exec_probe.ProbeResult) and result.injected["PLAIN"] == digest("PLAIN", "x")
    assert (result.name, result.is_readable) == (("python", True) if has_one else ("pause", False))
    assert result.process.get("PLAIN") == (digest("PLAIN", "changed") if has_one else None)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, who becomes others")
@pytest.mark.parametrize(("user", "readable"), [("1", True), ("12345", True), ("nobody-lacks-chroot", False)])
def test_a_process_of_another_user_is_seen(user: str, readable: bool, process: Any) -> None:
    """Root without SYS_PTRACE, as in a container, reads what another user's process holds as that user, or says so."""
    number = user if user.isdigit() else "12345"
    become = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "sleep", "60"]
    pid = process(become, {"PLAIN": "x", "PATH": os.environ["PATH"]}).pid
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    [*_, script] = exec_probe.command(("PLAIN",), SALT, MARK, KEY).split("'")[:2]
    capabilities = {"setuid", "setgid"} | ({"sys_chroot"} if readable else set())
    bound = ",".join(["-all", *(f"+{name}" for name in sorted(capabilities))])
    command = ["setpriv", f"--bounding-set={bound}", "sh", "-c", script.replace("p=1;", f"p={pid};")]
    environment = {**os.environ, KEY: ODD[KEY]}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    result = exec_probe.read(output, MARK)
    assert isinstance(result, exec_probe.ProbeResult)
    assert result.is_readable is readable
    assert result.process.get("PLAIN") == (digest("PLAIN", "x") if readable else None)


def test_names_of_env_files_are_told(process: Any, tmp_path: Path) -> None:
    """Of a .env file beside the process the requested names are read, and nothing of their values."""
    (tmp_path / ".env").write_text("# PLAIN=x\nexport PLAIN=topsecret\nSPACES = topsecret\nUNASKED=topsecret\nEMPTY")
    text = answer(ODD, sleeping(process, ODD), tmp_path)
    result = exec_probe.read(text, MARK)
    assert isinstance(result, exec_probe.ProbeResult)
    assert result.files == dict.fromkeys(("PLAIN", "SPACES", "EMPTY"), f"{tmp_path}/.env")
    assert "topsecret" not in text


@pytest.mark.parametrize(
    ("ticks", "booted", "seconds"),
    [
        ("250 100", "1000", 1002.5),
        ("250 0", "1000", None),
        ("250 100", "0", None),
        ("250 x", "1000", None),
        ("", "", None),
    ],
)
def test_when_a_process_started_is_unknown_where_proc_does_not_say(
    ticks: str, booted: str, seconds: float | None
) -> None:
    """As where /proc/stat is hidden, and getconf is missing."""
    result = exec_probe.read(f"[{MARK}\nt {ticks}\nb {booted}\np 1 python\n{MARK}]", MARK)
    assert isinstance(result, exec_probe.ProbeResult)
    assert result.started == (None if seconds is None else datetime.fromtimestamp(seconds, UTC))


def test_what_stands_around_an_answer_does_not_matter() -> None:
    """Session Manager's own lines before and after are passed over; an answer cut short is a failed session."""
    text = (
        f"Starting session with SessionId: x\r\n[{MARK}\r\ni A {'0' * 64}  -\r\np 1 python\r\n{MARK}]\r\nExiting.\r\n"
    )
    result = exec_probe.read(text, MARK)
    assert isinstance(result, exec_probe.ProbeResult) and result.injected == {"A": "0" * 64} and not result.is_readable
    cut = exec_probe.read(text.partition(f"{MARK}]")[0], MARK)
    assert isinstance(cut, ExecFailure) and cut.kind == "session"
    bare = exec_probe.read('exec: "sh": executable file not found in $PATH', MARK)
    assert isinstance(bare, ExecFailure) and bare.kind == "no-shell"
    lost = exec_probe.read("Cannot perform start session: EOF", MARK)
    assert isinstance(lost, ExecFailure) and lost.kind == "session"


@pytest.mark.parametrize("name", ["A B", "A'B", "A;id", "1A", "", "A-B", "Ä"])
def test_no_other_name_stands_in_a_command(name: str) -> None:
    """What no shell takes as a variable's name is refused."""
    with pytest.raises(ValueError):
        exec_probe.command(("GOOD", name), SALT, MARK, "")


def test_the_command_is_two_words_and_holds_quotes_of_one_kind() -> None:
    """sh, -c and the script, which ECS keeps together by single quotes."""
    command = exec_probe.command(("A", "B"), SALT, MARK, "A")
    assert command.startswith("sh -c '") and command.count("'") == 2
    assert " PATH A B " in command and len(command) < 4000


def test_our_digest_is_the_containers() -> None:
    """The fingerprint that is compared is the one that a shell makes."""
    for name, value in ODD.items():
        key = None if name == KEY else (KEY, Masked(ODD[KEY], KEY))
        assert fingerprint.salted_digest(Masked(value, name), SALT, name, key) == digest(name, value)
    assert fingerprint.new_salt() != fingerprint.new_salt()


# What the digests are compared with, with a stand-in for ECS Exec.


def injected_values(snapshot: Snapshot, version: str = CURRENT) -> dict[str, str]:
    """What ECS injects of a version into the worker."""
    document = snapshot.contents[version].document
    assert document
    [worker] = [service for service in snapshot.services if service.name == "worker"]
    injections = snapshot.own_injections(snapshot.definition(worker))
    keys = {i.variable: i.reference.key for _, i in injections}
    members = {name: document.get(key) for name, key in keys.items()}
    return {name: reveal(member.injected) for name, member in members.items() if member}


def look(
    snapshot: Snapshot,
    patch: pytest.MonkeyPatch,
    injected: Mapping[str, str],
    process: Mapping[str, str] | None = None,
    former: Mapping[str, Content] | None = None,
) -> tuple[ExecLook, list[str]]:
    """Look into the worker's container, which has these environments; also returns the commands that were sent."""
    commands: list[str] = []

    def run(_: Any, cluster: str, task: str, container: str, command: str, plugin: str, seconds: float) -> str:
        commands.append(command)
        mark, salt, names, key = re.findall(r'm=(\w+); s=(\w+); w=" ([^"]*) "; v=(\w*)', command)[0]
        variables_of_kind = {"i": injected, "q": injected if process is None else process}
        is_keyed = len(injected.get(key, "")) >= STRONG
        lines = [
            f"{kind} {name} {digest(name, variables[name], salt, {key: injected[key]})}  -"
            if is_keyed
            else f"{kind} {name} -"
            for kind, variables in variables_of_kind.items()
            for name in names.split()
            if name in variables
        ]
        return "\n".join([f"[{mark}", *lines, "p 1 python", f"{mark}]"])

    patch.setattr(execute, "run", run)
    patch.setattr(
        follow_ups, "read_versions", lambda asking, ids: {id: (former or {})[id] for id in ids if id in (former or {})}
    )
    return next(one for one in take(looked(snapshot)) if one.service == "worker"), commands


def take(snapshot: Snapshot) -> tuple[ExecLook, ...]:
    """Run the look, with threads of its own."""
    with ThreadPoolExecutor(2) as pool:
        gatherer = Gatherer(pool, lambda service: None, snapshot.environment, snapshot.caller)  # type: ignore[arg-type]
        return exec_read.ExecRead(gatherer, replace(snapshot, exec_looks=None)).end()


def test_a_healthy_task_holds_the_current_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every injected variable is of the current version, and what is not injected is absent; no value is sent."""
    snapshot = healthy()
    injected = injected_values(snapshot)
    exec_look, commands = look(snapshot, monkeypatch, injected, {**injected, "PATH": "/bin"})
    assert exec_look.process == "1 (python)"
    assert {
        name: (h.injected, h.process, h.differs) for name, h in exec_look.values.items() if h.has_reference
    } == dict.fromkeys(injected, (CURRENT, CURRENT, False))
    assert {(h.injected, h.process) for h in exec_look.values.values() if not h.has_reference} == {(ABSENT, ABSENT)}
    assert not [value for value in snapshots.document(snapshot).values() for command in commands if value in command]
    again = look(snapshot, monkeypatch, injected)[1]
    assert not {re.findall(r"s=(\w+)", command)[0] for command in commands} & {
        re.findall(r"s=(\w+)", command)[0] for command in again
    }


def test_older_versions_are_read_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is not the current one is named by the version that has it, or is another."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=5), SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    new = snapshot.secret.version_at("AWSCURRENT")
    before, old = injected_values(snapshot), snapshot.contents[CURRENT]
    fresh = replace(snapshot, contents={new: snapshot.contents[new]})
    exec_look, _ = look(fresh, monkeypatch, before, former={CURRENT: old})
    assert exec_look.values["SECRET_KEY"] == HeldValue(
        variable="SECRET_KEY", key="SECRET_KEY", injected=CURRENT, process=CURRENT, expected=new
    )
    assert exec_look.values["OPENAI_API_KEY"].is_fresh
    exec_look, _ = look(fresh, monkeypatch, before)
    assert (exec_look.values["SECRET_KEY"].injected, exec_look.values["SECRET_KEY"].is_stale) == (OTHER, True)
    exec_look, _ = look(
        fresh, monkeypatch, {**injected_values(snapshot, version=new), "SECRET_KEY": "x"}, {"SECRET_KEY": "y"}
    )
    assert exec_look.values["SECRET_KEY"].differs and exec_look.values["SECRET_KEY"].process == OTHER


def test_a_weak_value_cannot_be_guessed_from_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are keyed with a strong value that has not changed; where there is none, nothing is compared."""
    weak = snapshots.with_keys(healthy(), SECRET_KEY="hunter2")
    exec_look, commands = look(weak, monkeypatch, injected_values(weak))
    assert exec_look.values["SECRET_KEY"].is_fresh and not exec_look.is_unkeyed
    keys = {re.findall(r"; v=(\w*)", command)[0] for command in commands}
    assert "" not in keys and "SECRET_KEY" not in keys
    names = list(injected_values(weak))
    weak = snapshots.with_keys(weak, **dict.fromkeys(names, "hunter2"))
    weak = replace(weak, contents={CURRENT: weak.contents[CURRENT]})
    exec_look, commands = look(weak, monkeypatch, injected_values(weak))
    assert exec_look.is_unkeyed and {exec_look.values[name].injected for name in names} == {UNSEEN}
    assert any("; v=\n" in command for command in commands)
    (evidence,) = list(running._unseen(replace(looked(weak), exec_looks=(exec_look,))))
    assert (
        isinstance(evidence, Evidence) and evidence.severity == "info" and "none is strong enough" in evidence.facts[0]
    )


def test_values_that_nobody_read_are_not_called_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the secret cannot be read, or a reference names another one, that is why nothing is compared."""
    snapshot = healthy()
    elsewhere = ARN.replace("ap-southeast-2", "us-east-1")
    moved = snapshot
    for key in injected_values(snapshot):
        moved = with_reference(moved, "worker", key, f"{elsewhere}:{key}::")
    for unread in (replace(snapshot, contents={}), moved):
        exec_look, _ = look(unread, monkeypatch, injected_values(snapshot))
        assert not exec_look.is_unkeyed
        (evidence,) = list(running._unseen(replace(looked(unread), exec_looks=(exec_look,))))
        assert isinstance(evidence, Uncertain) and "no value of the version" in evidence.facts[0]


def test_a_pinned_reference_means_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that holds what its reference pins is as it should be; another value is not."""
    pinned = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:AWSPREVIOUS:")
    snapshot = snapshots.with_keys(pinned, PREVIOUS, SECRET_KEY=secrets.token_hex(32))
    injected = {**injected_values(snapshot), "SECRET_KEY": injected_values(snapshot, version=PREVIOUS)["SECRET_KEY"]}
    exec_look, _ = look(snapshot, monkeypatch, injected)
    assert (exec_look.values["SECRET_KEY"].expected, exec_look.values["SECRET_KEY"].is_fresh) == (PREVIOUS, True)
    exec_look, _ = look(snapshot, monkeypatch, injected_values(snapshot))
    assert exec_look.values["SECRET_KEY"].injected == CURRENT and exec_look.values["SECRET_KEY"].is_stale


def test_a_whole_secret_and_odd_values_are_compared_as_ecs_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference without a key holds the whole text; a number and a text of several lines are as ECS injects them."""
    snapshot = snapshots.with_keys(healthy(), SECRET_KEY=12345678, POSTGRES_PASSWORD="one\ntwo é\n")
    whole = with_reference(snapshot, "worker", "OPENAI_API_KEY", ARN)
    assert whole.current and whole.current.document
    injected = {
        "SECRET_KEY": "1.2345678e+07",
        "POSTGRES_PASSWORD": "one\ntwo é\n",
        "OPENAI_API_KEY": reveal(whole.current.document.value),
    }
    exec_look, _ = look(whole, monkeypatch, injected)
    assert all(exec_look.values[name].is_fresh for name in injected)


@pytest.mark.parametrize(
    "value_from", [f"{ARN.replace('southeast-2', 'southeast-1')}:SECRET_KEY::", "SECRET_KEY", f"{ARN}:SECRET_KEY"]
)
def test_what_another_reference_gives_is_not_judged(value_from: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of another secret or parameter is neither fresh nor stale; that the process differs is still reported."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", value_from)
    exec_look, _ = look(snapshot, monkeypatch, {"SECRET_KEY": "theirs"}, {"SECRET_KEY": "mine"})
    value = exec_look.values["SECRET_KEY"]
    assert (value.injected, value.expected, value.is_stale, value.is_fresh, value.differs) == (
        UNSEEN,
        "",
        False,
        False,
        True,
    )


def test_a_plain_variable_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain variable of the task definition is not read: it is no secret that came another way."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, environment=("ENVIRONMENT", "SMTP_HOST")))
    exec_look, commands = look(snapshot, monkeypatch, injected_values(snapshot))
    assert "SMTP_HOST" not in exec_look.values and "SMTP_USER" in exec_look.values
    assert not any(
        "SMTP_HOST" in command for command in commands if " SENTRY_DSN" in command and " SMTP_HOST" not in commands[0]
    )


def test_an_unreadable_current_version_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the value to compare with, a variable is unseen, not another."""
    snapshot = replace(healthy(), contents={})
    exec_look, _ = look(snapshot, monkeypatch, injected_values(healthy()))
    assert {h.injected for h in exec_look.values.values() if h.has_reference} == {UNSEEN}


def test_nothing_is_sent_where_it_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task without ECS Exec, one whose agent stopped and one on Windows are named as such without a call."""
    monkeypatch.setattr(execute, "run", lambda *_: pytest.fail("a command was sent"))
    ready = looked(healthy())
    tasks = ready.tasks
    stopped = tuple(replace(t, containers=(TaskContainer(t.service, None, "", "STOPPED"),)) for t in tasks)
    cases = {
        "off": replace(ready, tasks=tuple(replace(task, execute=False) for task in tasks)),
        "agent": replace(ready, tasks=stopped),
        "no-shell": replace(
            ready,
            task_definitions={
                arn: replace(old, os_family="WINDOWS_SERVER_2022_CORE") for arn, old in ready.task_definitions.items()
            },
        ),
    }
    for why, snapshot in cases.items():
        assert {exec_look.refused.kind for exec_look in take(snapshot) if exec_look.refused} == {why}


def test_a_container_that_has_ended_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that gets the secret, prepares the task and ends leaves the application's to be looked at."""
    ready = looked(healthy())
    [container] = ready.task_definitions[definition_arn("worker")].containers
    first = replace(container, name="migrate", essential=False)
    ready = with_definition(ready, "worker", lambda old: replace(old, containers=(first, container)))
    pair = (TaskContainer("migrate", 0, "", "STOPPED"), TaskContainer("worker", None, "", "RUNNING"))
    tasks = tuple(replace(task, containers=pair) if task.service == "worker" else task for task in ready.tasks)
    monkeypatch.setattr(execute, "run", lambda *_: "")
    containers = [each.container for each in take(replace(ready, tasks=tasks)) if each.service == "worker"]
    assert containers == ["worker"]


# The sandbox's tasks.


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def desk(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The module's sandbox, and its variables in this process."""
    sign_in(sandbox, monkeypatch)
    return sandbox


def test_a_healthy_sandbox_is_seen_at_once(desk: Sandbox) -> None:
    """Every task of both consumers is looked into in less than a second, and holds the current version."""
    run = runbooks_run.begin("verify", "staging")
    run.look()
    seconds = []
    # Beside other work on the machine, some may have had to wait for it.
    while min(seconds, default=1) >= 1 and len(seconds) < 30:
        start = time.monotonic()
        snapshot = run.look(look_inside=True)
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 1
    assert [exec_look.service for exec_look in snapshot.exec_looks or ()] == ["backend", "backend", "worker"]
    held_values = [h for exec_look in snapshot.exec_looks or () for h in exec_look.values.values() if h.has_reference]
    assert len(held_values) == 9 + 9 + 3 and all(h.is_fresh and not h.differs for h in held_values)
    assert all(exec_look.started and exec_look.process.startswith("1 (") for exec_look in snapshot.exec_looks or ())
    findings = runbooks_run.diagnose(snapshot, families=("running", "exec"))
    assert {finding.status for finding in findings if finding.check not in ("exec-plugin", "exec-endpoint")} == {
        "clear"
    }


def test_the_wire_and_the_report_hold_no_value(desk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests, answers and findings have no value of the secret; salts are not used twice."""
    messages: list[str] = []
    ask = execute.run

    def run(*arguments: Any) -> str | ExecFailure:
        output = ask(*arguments)
        messages.extend([arguments[4], str(output)])
        return output

    monkeypatch.setattr(execute, "run", run)
    runs = runbooks_run.begin("verify", "staging")
    first, second = runs.look(look_inside=True), runs.look(look_inside=True)
    texts = [*messages, repr(first), repr(second), *(repr(finding) for finding in runbooks_run.diagnose(second))]
    assert len(messages) == 12
    assert not [value for value in values(desk) for text in texts if value in text]
    salts = [re.findall(r"s=(\w{32});", text)[0] for text in messages if text.startswith("sh -c")]
    assert len(set(salts)) == 2


def test_an_answer_comes_in_a_few_messages(desk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has to be acknowledged: what a container prints line by line would be one for each variable and more."""
    received: list[bytes] = []

    def decode(raw: bytes) -> Message:
        received.append(raw)
        return message.decode(raw)

    monkeypatch.setattr(channel, "decode", decode)
    snapshot = runbooks_run.begin("verify", "staging").look(look_inside=True)
    assert len(snapshot.exec_looks or ()) == 3 and len(received) < 3 * 12


def test_a_change_without_a_deployment_is_seen_exactly(desk: Sandbox) -> None:
    """After PutSecretValue, tasks have the version before, by its id, in the changed key alone."""
    world = World(desk.endpoint)
    stages = world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    before = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    break_(desk.endpoint, "not-forced")
    try:
        run = runbooks_run.begin("verify", "staging")
        snapshot = run.look(look_inside=True)
        stale = {
            (h.key, h.injected)
            for exec_look in snapshot.exec_looks or ()
            for h in exec_look.values.values()
            if h.is_stale
        }
        assert stale == {("SECRET_KEY", before)}
        roots = {finding.check for finding in runbooks_run.diagnose(snapshot) if finding.is_root_cause}
        assert roots == {"not-forced"}
    finally:
        mend(desk.endpoint)


def test_odd_values_pass_through_a_real_task(desk: Sandbox) -> None:
    """Several lines, quotes, unicode and a number are recognised in a real process."""
    sm, ecs = client(desk, "secretsmanager"), client(desk, "ecs")
    document = json.loads(sm.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"])
    odd = {**document, "OPENAI_API_KEY": ODD["QUOTES"] + ODD["LINES"] + ODD["UNICODE"], "SECRET_KEY": 123456789}
    sm.put_secret_value(SecretId=SECRET, SecretString=json.dumps(odd))
    try:
        ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)
        World(desk.endpoint).settle()
        snapshot = runbooks_run.begin("verify", "staging").look(look_inside=True)
        [worker] = [exec_look for exec_look in snapshot.exec_looks or () if exec_look.service == "worker"]
        assert all(h.is_fresh and not h.differs for h in worker.values.values() if h.has_reference)
    finally:
        mend(desk.endpoint)


def test_who_may_not_execute_commands_is_told_which_permission(desk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller without ecs:ExecuteCommand gets unknown with the permission's name, and no finding."""
    deny(desk, monkeypatch, "ecs:ExecuteCommand")
    run = runbooks_run.begin("verify", "staging")
    snapshot = run.look(look_inside=True)
    assert {each.refused.kind for each in snapshot.exec_looks or () if each.refused} == {"denied"}
    findings = runbooks_run.diagnose(snapshot)
    assert not [finding for finding in findings if finding.is_root_cause]
    unknown = [finding for finding in findings if finding.status == "unknown"]
    assert {finding.family for finding in unknown} == {"running"}
    assert all("ecs:ExecuteCommand is missing" in finding.evidence[0] for finding in unknown)


def test_a_role_that_may_not_be_simulated_is_judged_by_its_policies(
    desk: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where AWS's simulation is refused, the task role's own policies are read."""
    deny(desk, monkeypatch, "iam:SimulatePrincipalPolicy")
    run = runbooks_run.begin("verify", "staging")
    snapshot = run.look(look_inside=True)
    [role] = snapshot.task_roles.values()
    assert role.policies and not role.simulated
    [finding] = [finding for finding in runbooks_run.diagnose(snapshot) if finding.check == "exec-iam"]
    assert finding.status == "clear"
