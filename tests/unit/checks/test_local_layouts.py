"""Settings without Docker Compose, and nested ones: what a .env of theirs may have is no fault, and stays."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from support.call_counts import count_calls
from support.local_setup_runs import quiet_machine
from support.other_checkouts import make_checkout

from omc_runbook.changes.dotenv.plan import plan_dotenv
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import local_setup
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation import docker

SETTINGS = """\
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Database(BaseModel):
    host: str
    password: SecretStr


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=(".env", ".env.local"), env_nested_delimiter="__", extra="ignore"
    )

    secret_key: SecretStr
    db: Database


settings = Settings()
"""
TEMPLATE = "SECRET_KEY=\nDB__HOST=localhost\nDB__PASSWORD=\n"
KEY, PASSWORD = secrets.token_hex(32), secrets.token_hex(16)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with nested Settings, which read a second file, and without Compose."""
    quiet_machine(monkeypatch, tmp_path / "home")
    files = {
        "app/config.py": SETTINGS,
        "app/__init__.py": "",
        ".env.example": TEMPLATE,
        ".gitignore": ".env*\n!.env.e*\n",
    }
    return make_checkout(tmp_path / "checkout", files).root


def look(root: Path, text: str) -> Snapshot:
    """local_setup's snapshot with this .env, with Settings loaded."""
    (root / ".env").touch(mode=0o600)
    (root / ".env").write_text(text)
    return local_setup.look(local_setup.begin("local", "", str(root), allow_code=True))


def test_the_catalogue_is_gone_through_once_however_many_variables_are_asked_for(desk: Path) -> None:
    """It is looked up by the variable."""
    workstation = look(desk, f"SECRET_KEY={KEY}\n").workstation
    assert workstation
    names = [*map(workstation.dotenv_name, workstation.keys)] * 3
    assert count_calls(lambda: [*map(workstation.key_of, names)], "variable_of") <= len(workstation.keys)


def found(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Check, subject and severity of each root cause."""
    return [(each.check, each.subject, each.severity) for each in root_causes.diagnose(snapshot) if each.is_root_cause]


def test_a_nested_model_as_json_gets_no_part_from_the_template(desk: Path) -> None:
    """An empty DB__PASSWORD would override the password that the JSON has."""
    snapshot = look(desk, f'SECRET_KEY={KEY}\nDB=\'{{"host": "db", "password": "{PASSWORD}"}}\'\n')
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_a_part_of_a_nested_model_is_named_by_its_own_variable(desk: Path) -> None:
    """Settings say that db.password is missing: DB is no variable to write."""
    snapshot = look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB_PASSWORD={PASSWORD}\n")
    assert found(snapshot) == [("misspelt", "DB__PASSWORD", "error")]


def test_what_a_later_file_has_is_not_missing(desk: Path) -> None:
    """Settings are loaded with the .env alone."""
    (desk / ".env.local").touch(mode=0o600)
    (desk / ".env.local").write_text(f"SECRET_KEY={KEY}\n")
    text = f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    assert found(look(desk, text)) == []
    (desk / ".env.local").write_text("SECRET_KEY=\n")
    assert found(look(desk, text)) == [("required-empty", "SECRET_KEY", "error")]


def test_what_compose_sets_is_a_remark_where_settings_may_have_it_elsewhere_too(desk: Path) -> None:
    """Settings lack it in a start without Docker, whether its secrets_dir may have it or not."""
    settings = SETTINGS.replace('extra="ignore"', 'extra="ignore", secrets_dir="/run/secrets"')
    (desk / "app/config.py").write_text(settings.replace("    db: Database\n", "    db_url: str\n"))
    service = "image: x, env_file: .env, environment: {DB_URL: 'postgresql://db/app'}"
    (desk / "compose.yaml").write_text(f"services: {{app: {{{service}}}}}\n")
    findings = root_causes.diagnose(look(desk, f"SECRET_KEY={KEY}\n"))
    lacking = [(each.check, each.severity) for each in findings if each.subject == "DB_URL"]
    assert lacking == [("settings-refused", "info")]


LACKING = [("required-empty", "SECRET_KEY", "error")]


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ("", []),
        ("{app: {image: x, env_file: [.env, .env.local]}}", []),
        ("{app: {image: x, env_file: [.env, .env.local]}, db: {image: y, env_file: .env}}", []),
        ("{app: {image: x, env_file: [.env]}}", LACKING),
        ("{app: {image: x, env_file: [.env.local, .env]}}", LACKING),
        ("{app: {image: x, env_file: [.env, .env.local, .env.last]}}", LACKING),
        ("{app: {image: x, env_file: [.env, .env.local], environment: ['SECRET_KEY=${SECRET_KEY}']}}", LACKING),
        ("{app: {image: x, env_file: [.env, .env.local]}, job: {build: ., env_file: .env}}", LACKING),
    ],
)
def test_what_is_empty_in_the_env_and_set_later_is_left_there(
    desk: Path, services: str, expected: list[tuple[str, str, str]]
) -> None:
    """Where Compose runs the application, its services have to get the later file's; nothing is generated then."""
    (desk / ".env.last").touch(mode=0o600)
    (desk / ".env.last").write_text("SECRET_KEY=\n")
    if services:
        (desk / "compose.yaml").write_text(f"services: {services}\n")
    (desk / ".env.local").touch(mode=0o600)
    (desk / ".env.local").write_text(f"SECRET_KEY={KEY}\n")
    snapshot = look(desk, f"SECRET_KEY=\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert [each for each in found(snapshot) if each[0] == "required-empty"] == expected
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty == (not expected)


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("postgresql://app:${DB_PASSWORD}@db/app", []),
        ("postgresql://app:${DB_PASSWORD}@${OTHER:-db}/app", []),
        ("postgresql://app:${OTHER}@db/app", ["DB_URL"]),
        ("postgresql://app:${OTHER:-}@db/app", ["DB_URL"]),
        ("postgresql://db/app'}}, job: {image: y, environment: {URL: '${DB_URL:?}", ["DB_URL"]),
        ("${DB_URL}", ["DB_URL"]),
        ("", ["DB_URL"]),
    ],
)
def test_what_compose_sets_is_not_asked_for(desk: Path, value: str, asked: list[str]) -> None:
    """Also where it is made of what the plan generates; without another value, a person has to give one."""
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", "    db_url: str\n"))
    (desk / ".env.example").write_text("SECRET_KEY=\n# openssl rand -hex 16\nDB_PASSWORD=\nDB_URL=\n")
    service = f"{{image: x, env_file: .env, environment: {{DB_URL: '{value}'}}}}"
    (desk / "compose.yaml").write_text(f"services: {{app: {service}}}\n")
    run = local_setup.begin("local", "", str(desk))
    assert [each.variable for each in local_setup.plan(run, local_setup.look(run), "").missing] == asked


def test_an_environment_whose_table_has_another_spelling_is_refused_where_aws_is_called(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer without AWS account compares with none."""
    (desk / "runbook.toml").write_text("[environments.stage]\n")
    monkeypatch.chdir(desk)
    target = local_setup.begin("staging", "", str(desk)).local_target
    assert target and target.why_alone == "there are no AWS credentials here."
    assert [*local_setup.pickers("staging", "", str(desk), "", "", False)]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with pytest.raises(UsageError, match="did you mean stage"):
        local_setup.begin("staging", "", str(desk))


def test_a_default_that_asks_the_environment_is_required(desk: Path) -> None:
    """The class cannot be made without TOKEN; HOME is no variable of the template."""
    fields = '    token: str = os.environ["TOKEN"]\n    home: str = os.environ["HOME"]\n'
    (desk / "app/config.py").write_text("import os\n" + SETTINGS.replace("    db: Database\n", fields))
    (desk / ".env.example").write_text("SECRET_KEY=\nTOKEN=\n")
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text(f"SECRET_KEY={KEY}\n")
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    assert found(snapshot) == [("required-empty", "TOKEN", "error")]


def test_a_name_in_lower_case_is_a_remark_where_settings_alone_read_it(desk: Path) -> None:
    """With a Compose file it is an error: that reads no other case."""
    text = f"secret_key={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    assert found(look(desk, text)) == []
    (desk / "compose.yaml").write_text("services:\n  app:\n    image: x\n    env_file: .env\n")
    assert ("lowercase", "secret_key", "error") in found(look(desk, text))


@pytest.mark.parametrize("with_code", [True, False])
@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (f"SECRET_KEY={KEY}\nsecret_key=\n", "", True),
        (f"secret_key={KEY}\nSECRET_KEY=\n", "", True),
        (f"SECRET_KEY=\nsecret_key={KEY}\n", "", False),
        (f"SECRET_KEY={KEY}\nsecret_key=\n", "env_ignore_empty=True, ", False),
        (f"SECRET_KEY={KEY}\nsecret_key=\n", "case_sensitive=True, ", False),
    ],
)
def test_of_a_name_in_two_cases_settings_take_the_last(
    desk: Path, with_code: bool, lines: str, options: str, expected: bool
) -> None:
    """An empty one is a value too, unless Settings ignore those."""
    settings, template = SETTINGS.replace('extra="ignore"', f'{options}extra="ignore"'), TEMPLATE
    if "case_sensitive" in options:
        settings = settings.replace("secret_key:", "SECRET_KEY:").replace("    db: Database\n", "")
        template = "SECRET_KEY=\n"
    (desk / "app/config.py").write_text(settings)
    (desk / ".env.example").write_text(template)
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text(f"{lines}DB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk), allow_code=with_code))
    assert (("required-empty", "SECRET_KEY", "error") in found(snapshot)) is expected
    if expected and "secret_key=\n" in lines:
        ways = {each.remedy.command for each in root_causes.diagnose(snapshot) if each.is_root_cause}
        assert ways == {f"Keep one of the lines of SECRET_KEY and secret_key in {desk / '.env'}, as SECRET_KEY=."}


def test_a_bad_copy_that_would_break_a_url_is_one_cause(desk: Path) -> None:
    """It is escaped, and Settings put it into the URL as it is."""
    url = "    mail_password: SecretStr\n\n    @property\n    def mail(self) -> str:\n"
    url += '        return f"smtp://me:{self.mail_password.get_secret_value()}@mail.example.com"\n'
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", f"    db: Database\n{url}"))
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\nMAIL_PASSWORD={PASSWORD}%40{PASSWORD}\n"
    assert found(look(desk, text)) == [("placeholder", "MAIL_PASSWORD", "error")]


@pytest.mark.parametrize(
    ("env_file", "compose", "expected"),
    [
        ('ROOT / ".env"', "", []),
        ('ROOT / "app/.env"', "", [("dotenv-missing", ".env", "error")]),
        ('ROOT / "app/.env"', "services:\n  app:\n    image: x\n    env_file: .env\n", []),
        ('[ROOT / ".env", ROOT / ".env.local"]', "", []),
    ],
)
def test_a_file_that_settings_find_by_their_module(
    desk: Path, env_file: str, compose: str, expected: list[tuple[str, str, str]]
) -> None:
    """What a later one has is not missing, and a container gets its variables from Compose."""
    settings = SETTINGS.replace('(".env", ".env.local")', env_file).replace("    db: Database\n", "")
    root = "from pathlib import Path\n\nROOT = Path(__file__).resolve().parent.parent\n"
    (desk / "app/config.py").write_text(settings.replace("\n\n\nclass", f"\n{root}\n\nclass", 1))
    if compose:
        (desk / "compose.yaml").write_text(compose)
    for name in (".env", ".env.local"):
        (desk / name).touch(mode=0o600)
        (desk / name).write_text("" if "local" in env_file and name == ".env" else f"SECRET_KEY={KEY}\n")
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    assert found(snapshot) == expected


@pytest.mark.skipif(not docker.find_compose(), reason="no Docker Compose here")
@pytest.mark.parametrize(
    "env_file", ["    env_file: .env\n", "", "    env_file: app.env\n", "    volumes: ['.:/code']\n"]
)
def test_a_service_without_the_file_would_lose_what_its_environment_sets(desk: Path, env_file: str) -> None:
    """So that is set to the file's value, and not taken out."""
    (desk / "app.env").write_text("OTHER=1\n")
    environment = "    environment:\n      SECRET_KEY: ${SECRETKEY}\n      DB__HOST: db\n      DB__PASSWORD:\n"
    compose = f"services:\n  app:\n    image: x\n{env_file}{environment}"
    (desk / "compose.yaml").write_text(compose)
    findings = root_causes.diagnose(look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"))
    (remedy,) = (
        each.remedy.command for each in findings if each.check == "environment-wins" and each.status == "found"
    )
    assert ("Take SECRET_KEY out of" in remedy) is (" .env\n" in env_file or "volumes" in env_file)
    assert "Take" in remedy or remedy == "Set SECRET_KEY to ${SECRET_KEY} in environment of app in compose.yaml."
