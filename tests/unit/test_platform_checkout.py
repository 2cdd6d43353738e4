"""The checkout of the platform that tests are made on: sound for git, Python, docker compose and Terraform."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest
from dotenv import dotenv_values
from support.platform_checkout import REQUIRED, Platform, make_platform
from support.platform_terraform import GUIDE, WILD

from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.terraform.secret_versions import find_unprotected

pytestmark = pytest.mark.long

DESCRIBE = """
import json
from app.core.config import LLMSettings, Settings, settings
fields = Settings.model_fields
print(json.dumps({
    "fields": [*fields, *LLMSettings.model_fields],
    "required": [name for name, field in fields.items() if field.is_required()],
    "values": settings.model_dump(mode="json"),
}))
"""


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A checkout that git does not know."""
    return make_platform(tmp_path / "checkout", git=False)


def described(platform: Platform) -> Any:
    """The Settings of a checkout, as the backend would have them."""
    ran = platform.run_backend(DESCRIBE)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def compose(platform: Platform) -> subprocess.CompletedProcess[str]:
    """What docker compose makes of the checkout's files."""
    docker, standalone = shutil.which("docker"), shutil.which("docker-compose")
    program = [standalone] if standalone else [docker, "compose"] if docker else None
    if program is None or subprocess.run([*program, "version"], capture_output=True).returncode:
        pytest.skip("needs docker compose or docker-compose, to read the files as it does")
    command = [*program, "config", "--format", "json"]
    return subprocess.run(
        command, cwd=platform.root, env=platform.settings_environment(), capture_output=True, text=True, timeout=60
    )


def test_everything_is_committed(tmp_path: Path) -> None:
    """A new checkout is one commit on main with nothing beside it, and a .env is ignored."""
    platform = make_platform(tmp_path)
    platform.write_dotenv()
    assert platform.git("status", "--porcelain") == ""
    assert platform.git("rev-list", "--all", "--count").strip() == "1"
    assert platform.git("branch", "--show-current").strip() == "main"
    assert platform.git("check-ignore", ".env").strip() == ".env"


def test_an_edit_is_seen_by_git_and_can_be_committed(tmp_path: Path) -> None:
    """One text takes the place of another; git tells the file, and is clean again after a commit."""
    platform = make_platform(tmp_path)
    platform.edit(platform.template, "STACK_NAME=oh-my-coins\n", "STACK_NAME=other\n")
    assert platform.git("status", "--porcelain").split() == ["M", ".env.template"]
    platform.commit()
    assert platform.git("status", "--porcelain") == ""


def test_an_edit_of_what_is_not_there_is_an_error(platform: Platform) -> None:
    """A test whose edit does nothing would prove nothing."""
    with pytest.raises(AssertionError, match="0 times"):
        platform.edit(platform.config, "NOT_THERE: int", "")


def test_the_template_is_as_rich_as_the_platforms(platform: Platform) -> None:
    """python-dotenv reads every line of it; each required key and more than 55 variables are there once."""
    text = platform.template.read_text()
    names = re.findall(r"^([A-Z0-9_]+)=", text, flags=re.MULTILINE)
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    assert list(found) == names and None not in found.values()
    assert len(names) >= 55 and set(GUIDE) <= set(names)
    assert found["ENVIRONMENT"] == "local" and found["PROJECT_NAME"] == "Oh My Coins"
    assert len(re.findall(r"^# [A-Z0-9_]+=", text, flags=re.MULTILINE)) >= 8


def test_the_backend_loads_a_healthy_dotenv(platform: Platform) -> None:
    """Settings has more than 60 fields, seven of them required, and takes the values that were written."""
    values = platform.write_dotenv()
    found = described(platform)
    assert len(found["fields"]) >= 60
    assert set(found["required"]) == {
        *("PROJECT_NAME", "POSTGRES_SERVER", "POSTGRES_USER", "POSTGRES_PASSWORD"),
        *("FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD", "OPENAI_API_KEY"),
    }
    assert {name: found["values"][name] for name in REQUIRED} == {name: values[name] for name in REQUIRED}
    assert found["values"]["SMTP_HOST"] is None and found["values"]["emails_enabled"] is False
    assert (platform.dotenv.stat().st_mode & 0o777) == 0o600


def test_the_backend_starts(platform: Platform) -> None:
    """Its entry says one line, and nothing is written into the checkout."""
    platform.write_dotenv()
    before = sorted(platform.root.rglob("*"))
    assert platform.run_backend("import app.main").stdout == "Oh My Coins: local, API at /api/v1\n"
    assert sorted(platform.root.rglob("*")) == before


def test_every_variable_of_the_template_is_read_by_somebody(platform: Platform) -> None:
    """Settings takes it under its name or an alias, or docker compose does, or the frontend's build."""
    text = platform.template.read_text()
    names = set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", text, flags=re.MULTILINE))
    config, files = platform.config.read_text(), platform.compose.read_text()
    read = set(re.findall(r"\b[A-Z0-9_]+\b", config)) | set(re.findall(r"\$\{([A-Z0-9_]+)", files))
    assert {name for name in names - read if name.removeprefix("LLM_") not in read} == {"STACK_NAME"}


def test_a_dotenv_can_be_broken_on_purpose(platform: Platform) -> None:
    """A change is written as given, None leaves a line out, and the backend names the variable that it misses."""
    platform.write_dotenv(OPENAI_API_KEY=None, LOG_LEVEL="'DEBUG'", NEW_API_KEY="x")
    found = dotenv_values(platform.dotenv)
    assert "OPENAI_API_KEY" not in found
    assert (found["LOG_LEVEL"], found["NEW_API_KEY"]) == ("DEBUG", "x")
    stderr = platform.run_backend("import app.main").stderr
    assert "1 validation error for Settings\nOPENAI_API_KEY\n  Field required [type=missing" in stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"])
def test_defaults_are_refused_outside_of_local(platform: Platform, name: str) -> None:
    """The template's default stops a deployment, and is warned of on a developer's machine."""
    sentence = f'The value of {name} is "changethis", for security, please change it, at least for deployments.'
    platform.write_dotenv(**{name: "changethis"})
    here, there = (
        platform.run_backend("import app.main"),
        platform.run_backend("import app.main", ENVIRONMENT="staging"),
    )
    assert (here.returncode, there.returncode) == (0, 1)
    assert f"UserWarning: {sentence}" in here.stderr and f"Value error, {sentence}" in there.stderr


def test_docker_compose_reads_a_healthy_dotenv_as_python_does(platform: Platform) -> None:
    """It takes the files without a word, and only what they set themselves differs in the backend."""
    platform.write_dotenv()
    ran = compose(platform)
    assert (ran.returncode, ran.stderr) == (0, "")
    services = json.loads(ran.stdout)["services"]
    assert sorted(services) == ["backend", "db", "frontend", "redis"]
    assert services["backend"]["ports"][0]["published"] == "8000"
    found, read = services["backend"]["environment"], dotenv_values(platform.dotenv)
    assert {name for name in read | found if read.get(name) != found.get(name)} == {"POSTGRES_SERVER", "REDIS_HOST"}


def test_docker_compose_wants_the_databases_password(platform: Platform) -> None:
    """Without it the files are refused, by the variable's name."""
    platform.write_dotenv(POSTGRES_PASSWORD=None)
    ran = compose(platform)
    assert ran.returncode != 0 and "POSTGRES_PASSWORD" in ran.stderr


def test_terraform_files_are_valid(platform: Platform) -> None:
    """Every *.tf parses; two task definitions are there, with their services."""
    parsed = {path: hcl2.loads(path.read_text()) for path in platform.root.rglob("*.tf")}
    assert len(parsed) == 6
    resources = [name.strip('"') for block in parsed[platform.main_tf]["resource"] for name in block]
    assert resources.count("aws_ecs_task_definition") == 2 and resources.count("aws_ecs_service") == 2


def test_the_guides_references_are_those_of_the_sandbox(platform: Platform, tmp_path: Path) -> None:
    """The backend's nine keys bear their variables' names; in the wild there are eleven, and some do not."""
    wild = make_platform(tmp_path / "wild", git=False, references="wild")
    assert tuple(references(platform)) == KEYS and references(platform) == GUIDE
    assert references(wild) == WILD and len(WILD) == 11
    assert references(wild)["CRYPTOPANIC_API_KEY"] == "omc-CryptoPanic-testkey"
    assert "jsonencode" in str(hcl2.loads(wild.main_tf.read_text())) and hcl2.loads(wild.secrets_tf.read_text())


def test_environments_take_the_modules_by_path(platform: Platform) -> None:
    """A version of the secret that is guarded no more is found from either environment's folder."""
    assert find_unprotected(platform.staging) == ()
    platform.edit(platform.secrets_tf, "ignore_changes = [secret_string]", "prevent_destroy = true")
    for folder in (platform.staging, platform.production):
        (found,) = find_unprotected(folder)
        assert found.address == "module.secrets.aws_secretsmanager_secret_version.app"


def references(platform: Platform) -> dict[str, str]:
    """The key of each variable in the ECS module, from its text."""
    pattern = r'name      = "(\w+)"\n +valueFrom = "\$\{var\.secrets_arn\}:([\w-]+)::"'
    return dict(re.findall(pattern, platform.main_tf.read_text()))
