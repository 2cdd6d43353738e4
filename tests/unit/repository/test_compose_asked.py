"""What the real Docker Compose says of a checkout counts, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import quick_programs
from support.local_setup_runs import quiet_machine
from support.platform_checkout import Platform, make_platform

from omc_runbook.masking.value import reveal
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.runbooks import local_setup
from omc_runbook.runbooks.run import diagnose
from omc_runbook.workstation import docker

pytestmark = pytest.mark.skipif(not docker.find_compose(), reason="no Docker Compose here")


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A checkout with a healthy .env, on a machine with nothing in its shell."""
    quiet_machine(monkeypatch, tmp_path)
    checkout = make_platform(tmp_path / "checkout")
    checkout.write_dotenv()
    return checkout


def causes(platform: Platform) -> list[tuple[str, str]]:
    """The root causes, each with what it is about."""
    run = local_setup.begin("local", "", str(platform.root), "", True)
    return [(finding.check, finding.subject) for finding in diagnose(local_setup.look(run)) if finding.is_root_cause]


def test_what_compose_makes_of_each_line_is_what_counts(platform: Platform) -> None:
    """How it reads the .env alone is how it gives it to the application."""
    run = local_setup.begin("local", "", str(platform.root), "", True)
    workstation = local_setup.look(run).workstation
    assert workstation and workstation.compose_config and workstation.dotenv
    compose, real = workstation.checkout.compose, workstation.compose_config.environment["backend"]
    service = compose.application() if compose else None
    own = {setting.variable for setting in service.environment} if service else set()
    theirs = [each for each in workstation.dotenv.bindings if each.name not in own]
    assert len(theirs) > 20 and all(each.for_compose and each.for_compose.same_as(real[each.name]) for each in theirs)


@pytest.mark.skipif(not quick_programs.has("docker"), reason="no docker with its plugin here")
@pytest.mark.long
def test_docker_passes_on_what_its_plugin_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests ask the plugin without it: of its version and of files, good and bad, both say the same."""
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / ".env").write_text("A=$B\nC='x y'\n")
    (tmp_path / "good" / "compose.yml").write_text("services: {a: {image: x, environment: [A, D=$C]}}\n")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / ".env").write_text("A='x\n")
    (tmp_path / "bad" / "compose.yml").write_text("services: {a: {no_such_key: true}}\n")

    def ask() -> list[object]:
        program = docker.find_compose(tmp_path)
        assert program == ("docker", "compose")
        answers: list[object] = [subprocess.run([*program, "version"], capture_output=True, check=True).stdout]
        for name in ("good", "bad"):
            folder = tmp_path / name
            env = {"PATH": os.environ["PATH"]}
            config = docker.read_config(program, folder, env)
            answers += [
                config.error,
                config.warnings,
                config.unset,
                docker.read_env_file(program, folder / ".env", env),
            ]
            answers += [{name: reveal(value) for name, value in each.items()} for each in config.environment.values()]
        return answers

    direct = ask()
    monkeypatch.setenv("PATH", quick_programs.path_without())
    assert shutil.which("docker") != str(Path(os.environ[quick_programs.FOLDER], "docker"))
    assert ask() == direct and {"A": "", "D": "x y"} in direct


@pytest.mark.long
def test_compose_files_that_it_refuses_are_told(platform: Platform) -> None:
    """A service with a key that no service has: nobody else tells, and no word of the file comes out."""
    assert causes(platform) == []
    platform.edit(platform.compose, "  backend:\n", "  backend:\n    no_such_key: true\n")
    assert causes(platform) == [("compose-refused", platform.compose.name)]


def test_a_file_that_env_file_names_has_to_be_there(platform: Platform) -> None:
    """Asking Compose again would only repeat that: the remedy is to create it, or to say that it may be missing."""
    text = platform.compose.read_text()
    platform.compose.write_text(text.replace("      - .env\n", "      - .env\n      - .env.local\n", 1))
    found = diagnose(local_setup.look(local_setup.begin("local", "", str(platform.root), "", True)))
    [refused] = [finding for finding in found if finding.check == "compose-refused"]
    path = platform.root / ".env.local"
    assert refused.remedy.command == f"Create {path}, or write required: false to its path in env_file."


@pytest.mark.long
def test_what_a_service_mounts_has_to_be_there(platform: Platform) -> None:
    """A secret's file and variable: Compose tells when it starts the service; one with a profile is not started."""
    platform.edit(platform.compose, "  backend:\n", "  backend:\n    secrets: [jwt, signing]\n")
    services = platform.compose.read_text().replace(
        "services:\n", "services:\n  job: {image: job, profiles: [jobs], secrets: [late]}\n"
    )
    sources = "  jwt: {file: ./jwt.txt}\n  signing: {environment: SIGNING}\n  late: {file: ./late.txt}\n"
    platform.compose.write_text(f"{services}\nsecrets:\n{sources}  unused: {{file: ./unused.txt}}\n")
    assert causes(platform) == [("compose-refused", "secret jwt"), ("compose-refused", "secret signing")]
    (platform.root / "jwt.txt").write_text("x")
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}SIGNING=x\n")
    assert "compose-refused" not in dict(causes(platform))


def test_a_format_of_env_file_needs_a_compose_that_knows_it(platform: Platform) -> None:
    """Asking Compose again would only repeat that it does not."""
    text = platform.compose.read_text()
    platform.compose.write_text(text.replace("- .env\n", "- {path: .env, format: odd}\n", 1))
    found = diagnose(local_setup.look(local_setup.begin("local", "", str(platform.root), "", True)))
    [refused] = [finding for finding in found if finding.check == "compose-refused"]
    assert refused.remedy.command == "Install Docker Compose 2.30 or later, or take format: odd out of env_file."


@pytest.mark.parametrize("is_named", [False, True])
def test_a_command_of_compose_can_be_pasted_in_any_folder(
    platform: Platform, is_named: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where COMPOSE_FILE names the files, whose paths begin at the folder in which Compose is run."""
    if is_named:
        platform.dotenv.write_text(f"{platform.dotenv.read_text()}COMPOSE_FILE={platform.compose.name}\n")
    checkout = read_checkout(platform.root)
    program = docker.find_compose(platform.root)
    assert checkout.compose and checkout.compose.is_named is is_named and program
    line = docker.command_for(program, checkout, "config", "--services")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "compose.yml").write_text("services: {another: {image: none}}")
    ended = subprocess.run(["sh", "-c", line], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert "backend" in ended.stdout.split() and "another" not in ended.stdout


@pytest.mark.parametrize(
    ("assignment", "cause"),
    [
        ("", "required-empty"),
        ("POSTGRES_PASSWORD=\n", "required-empty"),
        ("postgres_password=kX9vQ2mT7wZ4\n", "lowercase"),
        ("POSTGRES_PASSWRD=kX9vQ2mT7wZ4\n", "misspelt"),
    ],
)
def test_a_variable_that_compose_insists_on_is_told_once(platform: Platform, assignment: str, cause: str) -> None:
    """Compose refuses to start without it: why it has none is the cause, and no second one stands beside it."""
    lines = platform.dotenv.read_text().splitlines(keepends=True)
    dotenv_lines = (assignment if line.startswith("POSTGRES_PASSWORD=") else line for line in lines)
    platform.dotenv.write_text("".join(dotenv_lines))
    assert [check for check, _ in causes(platform)] == [cause]
