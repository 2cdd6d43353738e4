"""The files in schedules/, by the parsers and linters of those who read them, where these are installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator
from support.paths import ROOT
from support.verify_module import ENVIRONMENTS, verify_module

SCHEDULES = ROOT / "schedules"
INSTALLED = "/opt/omc-runbook/bin/omc-runbook"


def _program(name: str) -> str:
    """The path of a program, on the PATH or where `make airflow` installs it; skips the test where it is missing."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".venv-airflow" / "bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


PATHS = {"PATH": os.defpath}


def _run(*command: str | Path, folder: Path | None = None) -> tuple[int, str]:
    process = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return process.returncode, process.stdout + process.stderr


@pytest.mark.parametrize(("old", "new", "is_right"), [("", "", True), ("ExecStart=/", "ExecStart=", False)])
def test_systemd_accepts_the_units(tmp_path: Path, old: str, new: str, is_right: bool) -> None:
    """With the command where it is here; and it refuses a service whose command is no path."""
    analyze = _program("systemd-analyze")
    for path in SCHEDULES.glob("omc-runbook-*"):
        text = path.read_text().replace(INSTALLED, shutil.which("true") or "/bin/true").replace(old, new)
        unit = tmp_path / path.name
        unit.write_text(text)
        # Else it is remarked where the umask lets everybody write it.
        unit.chmod(0o644)
    code, output = _run(analyze, "verify", *sorted(tmp_path.glob("omc-runbook-verify*")))
    assert ((code, output) == (0, "")) is is_right, output


def test_systemd_mails_a_log_that_is_not_ascii_alone(tmp_path: Path) -> None:
    """A mail program in the C locale sends nothing of it, or says that it is ASCII; systemd may know no other."""
    for name, script in {"journalctl": "echo ‹KEY›", "mail": "cat; locale charmap"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    settings = [
        line.split("=", 1)
        for line in (SCHEDULES / "omc-runbook-mail@.service").read_text().splitlines()
        if line.startswith(("Environment=", "ExecStart="))
    ]
    variables = dict(value.split("=", 1) for name, value in settings if name == "Environment")
    (command,) = (shlex.split(value) for name, value in settings if name == "ExecStart")
    path = f"{tmp_path}{os.pathsep}{os.defpath}"
    mailed = subprocess.run(command, env={**variables, "PATH": path}, capture_output=True, check=True)
    assert mailed.stdout.decode() == "‹KEY›\nUTF-8\n"


def test_systemd_starts_where_the_configuration_is() -> None:
    """Its own default is the root folder, where no runbook.toml is found: nobody would be notified."""
    text = (SCHEDULES / "omc-runbook-verify@.service").read_text()
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    folder = f"/var/lib/{settings['StateDirectory']}"
    assert settings["WorkingDirectory"] == folder
    assert settings["ExecStart"].endswith(f" --record {folder}/records")
    assert folder in (SCHEDULES / "README.md").read_text()


def _command_of(line: str) -> str:
    """What cron hands to the shell, of a line of its table: it ends at a % that has no backslash."""
    command, *rest = re.split(r"(?<!\\)%", line.split(maxsplit=6)[6])
    assert not rest
    return command.replace(r"\%", "%")


def test_a_path_is_one_word_in_each_schedule(tmp_path: Path) -> None:
    """Cron's table takes it as it is, and systemd's units where it is written as README says."""
    folder = tmp_path / "o'mc ä%h blank"
    program = folder / "run"
    folder.mkdir()
    program.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\nexit 1\n")
    program.chmod(0o755)
    table = (SCHEDULES / "verify.cron").read_text().replace(INSTALLED, str(program))
    table = table.replace("RECORDS=/var/lib", f"RECORDS={folder}")
    lines = [line for line in table.splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines if not line[0].isdigit())
    for line in (line for line in lines if line[0].isdigit()):
        command = _command_of(line)
        process = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env=variables | PATHS)
        assert f"<--record><{folder}/omc-runbook/records>" in process.stdout
    unit = tmp_path / "omc-test@x.service"
    text = (
        (SCHEDULES / "omc-runbook-verify@.service").read_text().replace("OnFailure=omc-runbook-mail@%n.service\n", "")
    )
    program.rename(tmp_path / "a run")
    started_in, blank = "WorkingDirectory=/var/lib/omc-runbook", f"WorkingDirectory={tmp_path}/a %%h"
    quoted = f'"{tmp_path}/a run"'
    for path, there, is_right in (
        (quoted, blank, True),
        (f"{tmp_path}/a run", blank, False),
        (quoted, f'WorkingDirectory="{tmp_path}/a"', False),
    ):
        assert started_in in text
        unit.write_text(text.replace(INSTALLED, path).replace(started_in, there))
        unit.chmod(0o644)
        assert (_run(_program("systemd-analyze"), "verify", unit)[1] == "") is is_right
    advice = " ".join((SCHEDULES / "README.md").read_text().split())
    assert "in double quotes, and `%` is `%%`; its `WorkingDirectory` takes the blank without quotes" in advice


@pytest.mark.parametrize(
    ("script", "mailed"),
    [
        ("exit 0", ""),
        ("echo 'warning  Not delivered to env:CHAT.' >&2", "warning  Not delivered to env:CHAT.\n"),
        ("printf '%s\\n' 'C:\\config\\new' two; exit 2", "Exit code 2. C:\\config\\new\ntwo\n"),
        ("kill -9 $$", "Exit code 137. \n"),
        ("printf '%0200000d' 1; exit 1", f"Exit code 1. {1:0200000}\n"),
    ],
    ids=["nothing", "warning", "problem", "killed", "longer than an argument may be"],
)
def test_cron_mails_all_that_a_run_prints(tmp_path: Path, script: str, mailed: str) -> None:
    """A message that was not delivered, too, though nothing is wrong; and as UTF-8, as which cron sends no mail."""
    program = tmp_path / "run"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    table = (SCHEDULES / "verify.cron").read_text()
    for line in re.findall(r"^\d.*", table, re.MULTILINE):
        variables = {"RUNBOOK": str(program), "RECORDS": str(tmp_path)} | PATHS
        command = ["/bin/sh", "-c", _command_of(line)]
        assert subprocess.run(command, stdout=subprocess.PIPE, text=True, env=variables).stdout == mailed
    assert '\nCONTENT_TYPE="text/plain; charset=UTF-8"\n' in table


@pytest.mark.parametrize(("old", "new", "is_right"), [("", "", True), ("17 * * * *", "17 24 * * *", False)])
def test_cron_accepts_its_table(tmp_path: Path, old: str, new: str, is_right: bool) -> None:
    """And it refuses one with an hour that does not exist."""
    table = tmp_path / "verify"
    table.write_text((SCHEDULES / "verify.cron").read_text().replace(old, new))
    # By its name alone: of a path crontab takes no more than 100 characters.
    assert (_run(_program("crontab"), "-n", table.name, folder=tmp_path)[0] == 0) is is_right


@pytest.mark.parametrize(
    ("linter", "path"),
    [
        (("hadolint",), "eventbridge/Dockerfile"),
        (("zizmor", "--offline", "--persona=pedantic", "--quiet"), "github-actions/verify.yml"),
        (("actionlint",), "github-actions/verify.yml"),
    ],
    ids=["hadolint", "zizmor", "actionlint"],
)
def test_linters_find_nothing(linter: tuple[str, ...], path: str) -> None:
    """In the Dockerfile and in GitHub's workflow."""
    code, output = _run(_program(linter[0]), *linter[1:], SCHEDULES / path)
    assert code == 0, output


def test_the_table_names_every_schedule() -> None:
    """Each file or folder in schedules/, and none that is not there."""
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \|", (SCHEDULES / "README.md").read_text(), re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    services = {path.name for path in SCHEDULES.glob("*.service")}
    assert named | services | {"README.md"} == {path.name for path in SCHEDULES.iterdir() if path.name != "__pycache__"}


@pytest.mark.long
def test_the_image_gets_the_whole_package(tmp_path: Path) -> None:
    """From what Dockerfile.dockerignore lets through, the package is built with its notebooks."""
    for line in (SCHEDULES / "eventbridge" / "Dockerfile.dockerignore").read_text().splitlines():
        for path in ROOT.glob(line.removeprefix("!")) if line.startswith("!") else ():
            target = tmp_path / "src" / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(command, cwd=tmp_path / "src", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "omc_runbook").rglob("*.py")}
    notebooks = {f"omc_runbook/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert sources | notebooks <= names


def test_ecs_takes_the_task_definitions() -> None:
    """By botocore's model of RegisterTaskDefinition: nobody's root, nothing writable but one volume, no capability."""
    operation = botocore.session.Session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    definitions = [each for each in verify_module().resources if each.type == "aws_ecs_task_definition"]
    assert len(definitions) == len(ENVIRONMENTS)
    for definition in definitions:
        (container,) = containers = definition.get("container_definitions").value  # type: ignore[union-attr]
        request = {"family": definition.text("family"), "containerDefinitions": containers}
        report = ParamValidator().validate(request, operation.input_shape)
        assert not report.has_errors(), report.generate_report()
        assert container["readonlyRootFilesystem"] and container["user"] == "10001:10001"
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
        assert [each["containerPath"] for each in container["mountPoints"]] == [container["workingDirectory"]]


def test_roles_are_for_what_they_are_named() -> None:
    """No action with a wildcard, and every resource is named but for ECR's token, which has none."""
    statements = list(_statements())
    assert len(statements) == 6 + 4 * len(ENVIRONMENTS)
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action]
        assert (statement["Resource"] == "*") is (actions == ["ecr:GetAuthorizationToken"])


def _statements() -> Iterator[dict[str, object]]:
    """What the module's own policies allow; those of the environments come from `omc-runbook policy`."""
    for each in verify_module().resources:
        if each.type == "aws_iam_role_policy" and each.text("name") != "look":
            yield from each.get("policy").value["Statement"]  # type: ignore[union-attr]
