"""Settings without Docker Compose, and nested ones: what a .env of theirs may have is no fault, and stays."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from support.call_counts import count_calls
from support.files import write_files
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


@pytest.mark.parametrize("value", ["${APP_SECRET}", "${APP_SECRET:?set it}"])
def test_what_compose_gives_under_another_name_is_generated_by_the_one_of_the_template(desk: Path, value: str) -> None:
    """A line SECRET_KEY would reach no container, where that name is the application's alone."""
    compose = "services:\n  app:\n    build: .\n    environment:\n      SECRET_KEY: {}\n      DB__PASSWORD: x\n"
    template = TEMPLATE.replace("SECRET_KEY", "APP_SECRET")
    write_files(desk, {"compose.yml": compose.format(value), ".env.example": template})
    before = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n").workstation
    assert before and before.checkout.template_entry_for("SECRET_KEY") == before.checkout.template_entry("APP_SECRET")
    assert "Compose makes SECRET_KEY of it" in before.required["APP_SECRET"] and "SECRET_KEY" not in before.required
    empty = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\nAPP_SECRET=\n").workstation
    assert empty
    planned = plan_dotenv(empty).after.decode()
    assert re.search(r"^APP_SECRET=[0-9a-f]{64}$", planned, re.MULTILINE) and "\nSECRET_KEY" not in planned
    write_files(desk, {"compose.yml": compose.format("${APP_SECRET:-none}")})
    other = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n").workstation
    assert other and "APP_SECRET" not in other.required


@pytest.mark.parametrize(
    ("field", "template", "compose", "is_needed"),
    [
        ("port: int = 1", "# PORT=1\n", "image: a", False),
        ("port: int", "# PORT=1\n", "image: a", True),
        ("port: int = 1", "PORT=1\n", "image: a", True),
        ("port: int = 1", "# PORT=1\n", "image: a\n    env_file: .env", True),
        ("port: int = 1", "# PORT=1\n", "image: a:${TAG}", True),
    ],
)
def test_what_needs_no_env_is_no_missing_one(
    desk: Path, field: str, template: str, compose: str, is_needed: bool
) -> None:
    """As where Settings have a default for all, and the template is of comments alone."""
    head, _, _ = SETTINGS.partition("    secret_key")
    files = {"app/config.py": f"{head}    {field}\n\n\nsettings = Settings()\n", ".env.example": template}
    write_files(desk, {**files, "compose.yml": f"services:\n  app:\n    {compose}\n"})
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    assert [each.check for each in root_causes.diagnose(snapshot) if each.is_problem] == ["dotenv-missing"] * is_needed


def test_of_what_compose_makes_of_a_variable_each_name_counts(desk: Path) -> None:
    """Not the first alone: the catalogue knows another, and the field that requires it has that name."""
    entries = "SIGNING: ${APP_SECRET}\n      SECRET_KEY: ${APP_SECRET}\n      SALT: ${APP_SECRET}\n"
    template = TEMPLATE.replace("SECRET_KEY", "APP_SECRET")
    compose = f"services:\n  app:\n    build: .\n    environment:\n      {entries}"
    write_files(desk, {"compose.yml": compose, ".env.example": template})
    workstation = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n").workstation
    assert workstation and workstation.required["APP_SECRET"].startswith("Compose makes SECRET_KEY of it")
    assert workstation.key_of("APP_SECRET") == workstation.keys["SECRET_KEY"]


def test_a_variable_of_settings_is_required_for_itself_also_where_compose_makes_another_of_it(desk: Path) -> None:
    compose = "services:\n  app:\n    build: .\n    environment:\n      SALT: ${SECRET_KEY}\n"
    write_files(desk, {"compose.yml": compose})
    workstation = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n").workstation
    assert workstation and "Compose" not in workstation.required["SECRET_KEY"]


def test_what_a_check_of_the_class_refuses_is_because_of_a_variable_that_is_empty(desk: Path) -> None:
    """Which variables it looks at, nobody says."""
    settings, body = (
        desk / "app" / "config.py",
        "assert len(self.secret_key.get_secret_value()) > 99\n        return self",
    )
    check = f"    @model_validator(mode='after')\n    def of_all(self):\n        {body}\n"
    text = settings.read_text().replace("import BaseModel,", "import BaseModel, model_validator,")
    settings.write_text(text.replace("    db: Database\n", f"    db: Database\n\n{check}"))
    others = f"DB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    refused = ("settings-refused", "Settings", "error")
    assert found(look(desk, f"SECRET_KEY=\n{others}")) == [("required-empty", "SECRET_KEY", "error")]
    assert found(look(desk, f"SECRET_KEY={KEY}\n{others}")) == [refused]


def test_a_word_alone_is_a_name_where_something_else_of_the_checkout_has_it(desk: Path) -> None:
    """A field, the template, Compose's files and the catalogue; anything else may be a piece of a value."""
    settings = desk / "app" / "config.py"
    settings.write_text(settings.read_text().replace("    db:", '    aws4SigningKeyId: str = ""\n    db:'))
    (desk / ".env.example").write_text(f"{TEMPLATE}neo4jConnectionUriOfAll=\n")
    compose = "services:\n  web:\n    image: nginx\n    environment:\n      utf8Mb4CharsetDefault: x\n"
    (desk / "compose.yaml").write_text(f"{compose}    command: ${{oauth2GoogleClientId}}\n")
    names = ["aws4SigningKeyId", "neo4jConnectionUriOfAll", "utf8Mb4CharsetDefault", "oauth2GoogleClientId"]
    words = [*names, "azureOpenAiGpt4Deployment"]
    workstation = look(desk, "".join(f"{word}=\n" for word in words)).workstation
    assert workstation and workstation.dotenv
    assert [binding.name for binding in workstation.dotenv.bindings] == names


@pytest.mark.parametrize("line", ["secretKey=", "dbPassword: x", "Db__Host= x", "SecretKey"])
def test_a_known_name_without_its_underscores_is_a_name(desk: Path, line: str) -> None:
    """It is known in another spelling, and so no piece of a value."""
    workstation = look(desk, f"{line}\n").workstation
    assert workstation and workstation.dotenv
    assert [binding.name for binding in workstation.dotenv.bindings] == [line.rstrip("=: x")]


@pytest.mark.parametrize(("value", "files"), [("", ".env"), (f"x{KEY}", ".env.local, or out of {root}/.env")])
def test_of_a_value_in_a_later_file_alone_the_empty_line_goes(desk: Path, value: str, files: str) -> None:
    """Taken out of the other file, the value would be lost."""
    write_files(desk, {".env.local": f"SECRET_KEY={KEY}\n"})
    all_found = root_causes.diagnose(look(desk, f"SECRET_KEY={value}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"))
    [remedy] = (each.remedy.command for each in all_found if each.check == "second-dotenv" and each.status == "found")
    assert remedy == f"Take SECRET_KEY out of {desk}/{files.format(root=desk)}."


def found(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Check, subject and severity of each root cause."""
    return [(each.check, each.subject, each.severity) for each in root_causes.diagnose(snapshot) if each.is_root_cause]


def settled(desk: Path, text: str) -> str:
    """What the plan makes of a .env's text: with that nothing is found, and nothing is left to plan."""
    workstation = look(desk, text).workstation
    assert workstation
    after = plan_dotenv(workstation).after.decode()
    snapshot = look(desk, after)
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty
    return after


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


SHARED_FIRST = SETTINGS.replace('(".env", ".env.local")', '("common.env", ".env")')


@pytest.mark.parametrize("allow_code", [True, False])
@pytest.mark.parametrize("compose", ["", "{app: {build: ., env_file: [common.env, .env]}}"])
@pytest.mark.parametrize("shared", ["SECRET_KEY=", "secret_key="])
def test_what_a_file_before_the_env_has_gets_no_line(desk: Path, shared: str, compose: str, allow_code: bool) -> None:
    """An empty line would override the value that the application has."""
    ignoring = SHARED_FIRST.replace('extra="ignore"', 'extra="ignore", env_ignore_empty=True')
    (desk / "app/config.py").write_text(ignoring if compose else SHARED_FIRST)
    (desk / "common.env").write_text(f"{shared}{KEY}\nDB__PASSWORD={PASSWORD}\n")
    if compose:
        (desk / "compose.yaml").write_text(f"services: {compose}\n")
    run = local_setup.begin("local", "", str(desk), allow_code=allow_code)
    new = local_setup.look(run).workstation
    assert new
    assert plan_dotenv(new).after == b"# SECRET_KEY=\nDB__HOST=localhost\n# DB__PASSWORD=\n"
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text("DB__HOST=db\n")
    snapshot = local_setup.look(run)
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty
    (desk / ".env").write_text(f"SECRET_KEY=\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert found(local_setup.look(run)) == [("required-empty", "SECRET_KEY", "error")]


def test_a_value_of_a_file_before_the_env_is_judged(desk: Path) -> None:
    """What the application gets from there, and nothing replaces, may be a placeholder, or refused."""
    settings = SHARED_FIRST.replace("    db: Database\n", "    workers: int = 2\n    level: int = 1\n")
    (desk / "app/config.py").write_text(settings)
    (desk / ".env.example").write_text("SECRET_KEY=\n")
    (desk / "common.env").write_text("SECRET_KEY=your-secret-key\nWORKERS=many\nLEVEL=low\n")
    assert found(look(desk, "LEVEL=3\n")) == [
        ("placeholder", "SECRET_KEY in common.env", "error"),
        ("settings-refused", "WORKERS in common.env", "error"),
    ]


@pytest.mark.parametrize("shared", ["SECRET_KEY=your-secret-key", "SECRET_KEY=changethis", "secret_key=abc123"])
def test_a_value_of_a_file_before_the_env_is_corrected_in_the_env(desk: Path, shared: str) -> None:
    """The file before it may be committed, and others use it: it is no place for a secret."""
    (desk / "app/config.py").write_text(SHARED_FIRST.replace("    db: Database\n", ""))
    (desk / "common.env").write_text(f"{shared}\n")
    (finding,) = (each for each in root_causes.diagnose(look(desk, "LEVEL=3\n")) if each.is_root_cause)
    assert finding.subject == "SECRET_KEY in common.env"
    assert f"{desk}/.env" in finding.remedy.command and f"{desk}/common.env" not in finding.remedy.command


def test_an_empty_line_before_the_env_that_settings_ignore_overrides_nothing(desk: Path) -> None:
    """With env_ignore_empty they leave it out of each file; a container gets it from Compose all the same."""
    files = '"base.env", "common.env", ".env"'
    settings = SETTINGS.replace('".env", ".env.local"', files).replace("    db: Database\n", "")
    (desk / "app/config.py").write_text(settings.replace('"ignore"', '"ignore", env_ignore_empty=True'))
    (desk / ".env.example").write_text("SECRET_KEY=\n")
    (desk / "base.env").write_text(f"SECRET_KEY={KEY}\n")
    (desk / "common.env").write_text("SECRET_KEY=\n")
    snapshot = look(desk, "X=1\n")
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty
    (desk / "compose.yaml").write_text(f"services: {{app: {{build: ., env_file: [{files}]}}}}\n")
    assert found(look(desk, "X=1\n")) == [("required-empty", "SECRET_KEY", "error")]


def test_what_compose_alone_reads_before_the_env_is_lacking_in_a_start_without_docker_only(desk: Path) -> None:
    """An empty line would override it in the container."""
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", "    api_token: str\n"))
    (desk / ".env.example").write_text("SECRET_KEY=\nAPI_TOKEN=\n")
    (desk / "common.env").write_text(f"API_TOKEN={PASSWORD}\n")
    (desk / "compose.yaml").write_text("services: {app: {build: ., env_file: [common.env, .env]}}\n")
    snapshot = look(desk, f"SECRET_KEY={KEY}\n")
    findings = root_causes.diagnose(snapshot)
    lacking = [(each.check, each.severity) for each in findings if each.subject == "API_TOKEN"]
    assert lacking == [("settings-refused", "info")]
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_a_line_of_a_private_key_that_looks_like_a_variable_opens_no_quote(desk: Path) -> None:
    """The quote around the key is closed after it."""
    (desk / "app/config.py").write_text(
        FORBIDDING.replace("secret_key: SecretStr", "secret_key: SecretStr\n    pem: str")
    )
    (desk / ".env.example").write_text("SECRET_KEY=\nPEM=\nOTHER=\n")
    pem = f"-----BEGIN PRIVATE KEY-----\nSECRET_KEY={PASSWORD}\n-----END PRIVATE KEY-----"
    text = f'SECRET_KEY={KEY}\nPEM="{pem}"\n'
    workstation = look(desk, text).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    assert (plan.obstacle, plan.after.decode()) == ("", f"{text}OTHER=\n")
    workstation = look(desk, text.removesuffix('"\n') + '\nOTHER=1\nSECRET_KEY="x"\n').workstation
    assert workstation and "in line 2" in plan_dotenv(workstation).obstacle


def test_what_a_file_after_a_new_env_has_is_not_generated(desk: Path) -> None:
    """It would differ from the value that overrides it."""
    settings = SETTINGS.replace('".env.local"', '".env.dev"').replace("    db: Database\n", "    level: int = 1\n")
    (desk / "app/config.py").write_text(settings)
    (desk / ".env.example").write_text("SECRET_KEY=\nLEVEL=1\n")
    (desk / ".env.dev").write_text(f"SECRET_KEY={KEY}\n")
    workstation = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert workstation
    assert found(look(desk, plan_dotenv(workstation).after.decode())) == []


@pytest.mark.parametrize("name", ["COMPOSE_PROJECT_NAME", "DOCKER_DEFAULT_PLATFORM"])
def test_what_compose_itself_reads_is_no_comment(desk: Path, name: str) -> None:
    """No Compose file names it."""
    (desk / "app/config.py").write_text(FORBIDDING)
    (desk / ".env.example").write_text(f"SECRET_KEY=\n{name}=linux\n")
    (desk / "compose.yaml").write_text("services: {app: {build: ., env_file: .env}}\n")
    workstation = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert workstation and plan_dotenv(workstation).after.endswith(f"\n{name}=linux\n".encode())


def name_files_by_an_expression(desk: Path, compose: str) -> None:
    """Let Settings read a file whose name a variable gives, after the .env."""
    settings = SETTINGS.replace('".env.local"', 'f".env.{STAGE}"').replace("    db: Database\n", "")
    (desk / "app/config.py").write_text(f"import os\n\nSTAGE = os.getenv('STAGE', 'dev')\n{settings}")
    (desk / ".env.example").write_text("SECRET_KEY=\n")
    (desk / ".env.dev").write_text(f"SECRET_KEY={KEY}\n")
    (desk / "compose.yaml").write_text(f"services: {{app: {{build: ., env_file: {compose}}}}}\n")


@pytest.mark.parametrize(
    ("compose", "expected"), [("[.env, .env.dev]", []), (".env", [("required-empty", "SECRET_KEY", "error")])]
)
@pytest.mark.parametrize("text", ["", "SECRET_KEY=\n"])
def test_a_file_that_an_expression_names_is_read_too(
    desk: Path, text: str, compose: str, expected: list[tuple[str, str, str]]
) -> None:
    """Settings were loaded with it; a container gets its variables from Compose alone."""
    name_files_by_an_expression(desk, compose)
    shown = [each for each in found(look(desk, f"# Nothing else\n{text}")) if each[2] == "error"]
    assert shown == expected


FORBIDDING = SETTINGS.replace(', extra="ignore"', "").replace("    db: Database\n", "")
WITHOUT_FIELD = "IMAGE_TAG is added as a comment: Settings has no field for it, and forbids others."


def test_what_settings_refuse_is_added_as_a_comment(desk: Path) -> None:
    """A line of the template without a field would keep the application from starting."""
    (desk / "app/config.py").write_text(FORBIDDING)
    (desk / ".env.example").write_text("SECRET_KEY=\nIMAGE_TAG=16\nEMPTY=\n")
    new = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert new
    plan = plan_dotenv(new)
    assert plan.after.endswith(b"\n# IMAGE_TAG=16\nEMPTY=\n")
    assert WITHOUT_FIELD in plan.notes
    workstation = look(desk, f"SECRET_KEY={KEY}\n").workstation
    assert workstation
    plan = plan_dotenv(workstation)
    assert plan.mends == (WITHOUT_FIELD,)
    after = look(desk, plan.after.decode())
    assert plan.after == f"SECRET_KEY={KEY}\n# IMAGE_TAG=16\nEMPTY=\n".encode()
    assert found(after) == []
    assert after.workstation and plan_dotenv(after.workstation).is_empty


@pytest.mark.parametrize(
    ("settings", "compose"),
    [
        (SETTINGS, ""),
        (FORBIDDING.replace('"__"', '"__", extra=EXTRA'), ""),
        (FORBIDDING.replace('"__"', '"__", dotenv_filtering="only_existing"'), ""),
        (FORBIDDING.replace("from pydantic_settings import BaseSettings", "from pydantic import BaseSettings"), ""),
        (FORBIDDING, "{app: {build: ., image: 'app:${IMAGE_TAG:-15}'}}"),
        (FORBIDDING, "{app: {build: ., env_file: .env}, web: {image: web, env_file: .env}}"),
    ],
)
def test_what_settings_ignore_or_others_may_read_is_added(desk: Path, settings: str, compose: str) -> None:
    """Only what is certainly refused, and is of use to nobody, stays out."""
    (desk / "app/config.py").write_text(settings.replace("    db: Database\n", ""))
    (desk / ".env.example").write_text("SECRET_KEY=\nIMAGE_TAG=16\n")
    if compose:
        (desk / "compose.yaml").write_text(f"services: {compose}\n")
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text(f"SECRET_KEY={KEY}\n")
    workstation = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert workstation
    assert plan_dotenv(workstation).after.endswith(b"\nIMAGE_TAG=16\n")


@pytest.mark.parametrize(
    ("field", "is_comment"),
    [
        ("Annotated[list[str], NoDecode] = []", True),
        ("Annotated[list[str] | str, NoDecode] = []", False),
        ("typing.Annotated[typing.List[str], NoDecode] = []", True),
        ("list[int | str] = []", True),
        ("None | list[str] = None", True),
        ("Union[list[str], None] = None", True),
        ("Sequence[str] = ()", True),
        ("Union[list[str], str] = []", False),
        ('"list[str] | str" = []', False),
        ('tuple[int, str] | str = "x"', False),
        ('Annotated[str, "a text"] = "x"', False),
        ('str = Field("abc", pattern="^a")', True),
        ('str = Field("abc", pattern="^a*$")', False),
        ('str = Field("abc", pattern="(?u-i:a)(")', False),
        ('constr(pattern=r"\\d+") = "1"', True),
    ],
)
def test_an_empty_line_that_the_type_refuses_is_added_as_a_comment(desk: Path, field: str, is_comment: bool) -> None:
    """Settings with the new file start at once, without a second run."""
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", f"    option: {field}\n"))
    (desk / ".env.example").write_text("SECRET_KEY=\nOPTION=\n")
    workstation = look(desk, f"SECRET_KEY={KEY}\n").workstation
    assert workstation
    assert plan_dotenv(workstation).after.endswith(b"\n# OPTION=\n" if is_comment else b"\nOPTION=\n")


def test_a_file_beside_settings_that_compose_reads_too_is_linked_to(desk: Path) -> None:
    """A second one at the top would be read by nobody, whatever is in it."""
    for name in ("__init__.py", "config.py"):
        (desk / "backend/app").mkdir(parents=True, exist_ok=True)
        (desk / "app" / name).rename(desk / "backend/app" / name)
    (desk / "compose.yaml").write_text("services: {app: {build: backend, env_file: backend/.env}}\n")
    (desk / "backend/.env").touch(mode=0o600)
    (desk / "backend/.env").write_text(f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    link = f"ln -s {desk}/backend/.env {desk}/.env"
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    (finding,) = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    assert (finding.check, finding.remedy.command) == ("dotenv-missing", link)
    assert snapshot.workstation
    notes = plan_dotenv(snapshot.workstation).notes
    assert [each.endswith(f"link it by {link}") for each in notes if "backend/.env" in each] == [True]
    text = f"SECRET_KEY={secrets.token_hex(32)}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    assert found(look(desk, text)) == [("dotenv-missing", ".env", "error")]
    snapshot = look(desk, "DB__HOST=db\n")
    assert found(snapshot) == [("dotenv-missing", ".env", "error")]
    # A second value would only be in the way of the link.
    assert snapshot.workstation
    assert plan_dotenv(snapshot.workstation).after == b"DB__HOST=db\nDB__PASSWORD=\nSECRET_KEY=\n"
    own = (desk / "backend/.env").read_text()
    (desk / "backend/.env").write_text(own.replace(f"SECRET_KEY={KEY}", "SECRET_KEY="))
    assert ("required-empty", "SECRET_KEY", "error") in found(look(desk, "DB__HOST=db\n"))
    (desk / "backend/.env").write_text(own)
    settings = (desk / "backend/app/config.py").read_text()
    (desk / "backend/app/config.py").write_text(settings.replace('".env", ', '"../.env", ".env", '))
    causes = root_causes.diagnose(look(desk, text))
    assert not any("Settings and Docker Compose read" in fact for each in causes for fact in each.evidence)
    (desk / "backend/app/config.py").write_text(settings)
    (desk / ".env").unlink()
    (desk / ".env").symlink_to(desk / "backend/.env")
    assert found(local_setup.look(local_setup.begin("local", "", str(desk), allow_code=True))) == []


def test_a_file_that_settings_alone_read_in_their_folder_is_linked_to(desk: Path) -> None:
    """Moved to the top, the application would lack it; a new one at the top would be read by nobody."""
    root = "from pathlib import Path\n\nROOT = Path(__file__).resolve().parent\n"
    settings = SETTINGS.replace('(".env", ".env.local")', 'ROOT / ".env"')
    (desk / "app/config.py").write_text(settings.replace("\n\n\nclass", f"\n{root}\n\nclass", 1))
    run = local_setup.begin("local", "", str(desk))
    (finding,) = (each for each in root_causes.diagnose(local_setup.look(run)) if each.is_root_cause)
    where = f"Settings looks for {desk}/app/.env: with a .env at the top, it needs a link to that, or another env_file."
    assert (finding.check, finding.evidence[1:]) == ("dotenv-missing", (where,))
    (desk / "app/.env").touch(mode=0o600)
    (desk / "app/.env").write_text(f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    snapshot = local_setup.look(run)
    (finding,) = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    link = f"ln -s {desk}/app/.env {desk}/.env"
    assert (finding.check, finding.remedy.command) == ("dotenv-missing", link)
    assert snapshot.workstation
    notes = plan_dotenv(snapshot.workstation).notes
    assert [each.endswith(f"link it by {link}") for each in notes if "app/.env" in each] == [True]
    (desk / ".env").symlink_to(desk / "app/.env")
    assert found(local_setup.look(local_setup.begin("local", "", str(desk), allow_code=True))) == []


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
        ("{app: {image: x, env_file: [.env, '${NO_SUCH:-.env.local}']}}", []),
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


def test_a_name_in_a_case_of_its_own_is_a_remark_however_the_template_writes_it(desk: Path) -> None:
    """The template and Settings write it in two ways; several names, since a set has them in any order."""
    names = [f"mailServer{letter}" for letter in "ABCDEFGH"]
    fields = "".join(f"    {name}: str\n" for name in names)
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", fields))
    (desk / ".env.example").write_text("".join(f"{name}=\n" for name in ("SECRET_KEY", *names)))
    lines = "".join(f"{name.lower()}=mail\n" for name in names)
    assert found(look(desk, f"SECRET_KEY={KEY}\n{lines}")) == []


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


SECRETS_DIR = SETTINGS.replace('extra="ignore"', 'extra="ignore", secrets_dir="secrets"')


def keep_key_in_secrets_dir(desk: Path, settings: str = SECRETS_DIR) -> None:
    """Let Settings be these, and give them SECRET_KEY by a file."""
    (desk / "app/config.py").write_text(settings)
    (desk / "secrets").mkdir()
    (desk / "secrets/secret_key").write_text(KEY)


@pytest.mark.parametrize("allow_code", [True, False])
def test_what_a_file_of_secrets_dir_has_gets_no_line(desk: Path, allow_code: bool) -> None:
    """An empty line would override the file's value, and a generated one too."""
    keep_key_in_secrets_dir(desk)
    (desk / "secrets/DB__PASSWORD").write_text("")
    run = local_setup.begin("local", "", str(desk), allow_code=allow_code)
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text(f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    snapshot = local_setup.look(run)
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty
    (desk / ".env").unlink()
    (desk / ".env.example").write_text(TEMPLATE.replace("KEY=", "KEY=changethis"))
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk), allow_code=allow_code))
    assert snapshot.workstation
    plan = plan_dotenv(snapshot.workstation)
    assert plan.after == b"# SECRET_KEY=\nDB__HOST=localhost\nDB__PASSWORD=\n"
    assert found(look(desk, plan.after.decode())) == [("required-empty", "DB__PASSWORD", "error")]


def test_an_empty_line_that_overrides_a_file_of_secrets_dir_is_found(desk: Path) -> None:
    """Settings accept the empty text, so that nothing else would tell; the plan makes it a comment."""
    keep_key_in_secrets_dir(desk)
    rest = f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    snapshot = look(desk, f"SECRET_KEY=\n{rest}")
    assert found(snapshot) == [("required-empty", "SECRET_KEY", "error")]
    assert snapshot.workstation
    plan = plan_dotenv(snapshot.workstation)
    assert plan.after.decode() == f"# SECRET_KEY=\n{rest}"
    assert plan.mends == ("SECRET_KEY is commented out: a file of secrets_dir has its value, which it would override.",)
    snapshot = look(desk, plan.after.decode())
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_what_compose_mounts_as_a_file_gets_no_line(desk: Path) -> None:
    """In the container, an empty line of the env_file would override the file in /run/secrets."""
    (desk / "app/config.py").write_text(SECRETS_DIR.replace('"secrets"', '"/run/secrets/"'))
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    env_file: .env\n    secrets: [secret_key]\n"
        "secrets:\n  secret_key:\n    file: ./secret_key.txt\n"
    )
    (desk / "secret_key.txt").write_text(KEY)
    snapshot = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert found(snapshot) == []
    assert [(each.check, each.severity) for each in root_causes.diagnose(snapshot) if each.status == "found"] == [
        ("settings-refused", "info")
    ]
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_a_quote_that_nothing_closes_is_said_to_be_so(desk: Path) -> None:
    """Without Compose, python-dotenv alone skips the line; no later quote closes it."""
    snapshot = look(desk, f'SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD="{PASSWORD}\n')
    (found_,) = (each for each in root_causes.diagnose(snapshot) if each.check == "unterminated" and each.is_problem)
    assert found_.evidence[0] == "Line 3: nothing closes it, so that python-dotenv skips the line."


def test_what_a_validator_asks_for_beside_another_field_is_no_line_to_comment_out(desk: Path) -> None:
    """The validator refuses the variable without a line, too."""
    check = """
    mail_host: str | None = None
    mail_password: str | None = None

    @model_validator(mode="after")
    def check(self):
        if self.mail_host and not self.mail_password:
            raise ValueError("MAIL_PASSWORD is needed with MAIL_HOST")
        return self
"""
    settings = SETTINGS.replace("    db: Database\n", f"    db: Database\n{check}")
    (desk / "app/config.py").write_text(settings.replace("SecretStr\n", "SecretStr, model_validator\n", 1))
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\nMAIL_HOST=mail.example.com\n"
    for line in ("", "MAIL_PASSWORD=\n"):
        snapshot = look(desk, f"{text}{line}")
        assert found(snapshot) == [("settings-refused", "MAIL_PASSWORD", "error")]
        assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


@pytest.fixture
def lower(desk: Path) -> Path:
    """A template that names variables in small letters, as the fields of Settings are named."""
    (desk / ".env.example").write_text("secret_key=\napi_token=\n")
    fields = "    secret_key: SecretStr\n    api_token: SecretStr\n"
    settings = SETTINGS.replace("    secret_key: SecretStr\n    db: Database\n", fields)
    (desk / "app/config.py").write_text(settings)
    return desk


@pytest.mark.parametrize(
    "text", [f"secret_key={KEY}\napi_token={PASSWORD}\n", f"SECRET_KEY={KEY}\napi_token={PASSWORD}\n"]
)
def test_a_variable_in_small_letters_gets_no_second_line(lower: Path, text: str) -> None:
    """Settings read both cases: a line in the other one, with a new value, would override the value that is there."""
    snapshot = look(lower, text)
    assert found(snapshot) == []
    assert snapshot.workstation
    plan = plan_dotenv(snapshot.workstation)
    assert plan.is_empty and plan.missing == ()


def test_what_a_template_in_small_letters_names_is_filled_under_that_name(lower: Path, tmp_path: Path) -> None:
    """A generated value, one of a source, and what is said to be missing."""
    workstation = look(lower, "secret_key=\n").workstation
    assert workstation
    plan = plan_dotenv(workstation)
    names = [line.partition("=")[0] for line in plan.after.decode().splitlines()]
    assert (names, [each.variable for each in plan.missing]) == (["secret_key", "api_token"], ["api_token"])
    assert [(each.key, each.action) for each in plan.changed] == [("secret_key", "changed"), ("api_token", "added")]
    values = tmp_path / "values"
    values.touch(mode=0o600)
    values.write_text(f"API_TOKEN={PASSWORD}\n")
    (lower / ".env").unlink()
    run = local_setup.begin("local", "", str(lower), allow_code=True)
    workstation = local_setup.look(run).workstation
    assert workstation
    plan = plan_dotenv(workstation, f"file:{values}")
    names = [line.partition("=")[0] for line in plan.after.decode().splitlines()]
    assert (names, plan.missing) == (["secret_key", "api_token"], ())
    assert found(look(lower, plan.after.decode())) == []


def test_a_placeholder_in_small_letters_is_as_bad(lower: Path) -> None:
    """It is required, whatever the case."""
    snapshot = look(lower, f"secret_key={KEY}\napi_token=your-token-here\n")
    assert found(snapshot) == [("placeholder", "api_token", "error")]


@pytest.mark.parametrize("allow_code", [True, False])
def test_of_settings_whose_names_are_computed_the_catalogue_requires_none(desk: Path, allow_code: bool) -> None:
    """A generated SECRET_KEY would be one that nothing reads."""
    imported = "from pydantic.alias_generators import to_camel\n"
    options = SETTINGS.replace('extra="ignore"', 'extra="ignore", alias_generator=to_camel')
    (desk / "app/config.py").write_text(imported + options.replace("    db: Database\n", ""))
    (desk / ".env.example").write_text("secretKey=\n")
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_text(f"secretKey={KEY}\n")
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk), allow_code=allow_code))
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_a_text_with_a_least_length_is_no_empty_line(desk: Path) -> None:
    """Settings would refuse the empty text, and take the default without a line."""
    fields = """
    label: str = Field("none", min_length=2)
    region: constr(min_length=3) = "abc"
    zone: Annotated[str, Field(min_length=1)] = "x"
    note: str = Field("", min_length=0)
"""
    settings = SETTINGS.replace("    db: Database\n", f"    db: Database\n{fields}")
    imported = "from typing import Annotated\n\nfrom pydantic import Field, constr\n"
    (desk / "app/config.py").write_text(imported + settings)
    (desk / ".env.example").write_text(f"{TEMPLATE}LABEL=\nREGION=\nZONE=\nNOTE=\n")
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    assert settled(desk, text) == f"{text}# LABEL=\n# REGION=\n# ZONE=\nNOTE=\n"


def test_a_nested_model_in_small_letters_is_one_in_capitals(desk: Path) -> None:
    """Its parts are named, completed and kept apart from its JSON by the names of the template."""
    (desk / ".env.example").write_text(TEMPLATE.lower())
    run = local_setup.begin("local", "", str(desk), allow_code=True)
    workstation = local_setup.look(run).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    names = [line.partition("=")[0] for line in plan.after.decode().splitlines()]
    assert (names, [each.variable for each in plan.missing]) == (
        ["secret_key", "db__host", "db__password"],
        ["db__password"],
    )
    assert found(look(desk, plan.after.decode())) == [("required-empty", "db__password", "error")]
    snapshot = look(desk, f'secret_key={KEY}\ndb=\'{{"host": "db", "password": "{PASSWORD}"}}\'\n')
    assert found(snapshot) == []
    assert snapshot.workstation
    names = [line.partition("=")[0].lower() for line in plan_dotenv(snapshot.workstation).after.decode().splitlines()]
    assert names == ["secret_key", "db"]


def test_what_becomes_a_comment_in_small_letters_stays_one(desk: Path) -> None:
    """A second plan does not add it again; a sentence with = in it is none."""
    port = "    db: Database\n    port: int = 8000\n"
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", port))
    (desk / ".env.example").write_text(f"{TEMPLATE}# port=the port of the API\nport=\n")
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    workstation = look(desk, text).workstation
    assert workstation
    planned = plan_dotenv(workstation).after.decode()
    assert planned == f"{text}# port=the port of the API\n# port=\n"
    workstation = look(desk, planned).workstation
    assert workstation and plan_dotenv(workstation).is_empty


def test_a_placeholder_that_overrides_a_file_of_secrets_dir_becomes_a_comment(desk: Path) -> None:
    """A generated value would override the file's, too."""
    keep_key_in_secrets_dir(desk)
    rest = f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    snapshot = look(desk, f"SECRET_KEY=changethis\n{rest}")
    assert found(snapshot) == [("changethis", "SECRET_KEY", "warning")]
    assert snapshot.workstation
    planned = plan_dotenv(snapshot.workstation).after.decode()
    assert planned == f"# SECRET_KEY=changethis\n{rest}"
    assert found(look(desk, planned)) == []


def test_what_settings_had_without_a_line_gets_none(desk: Path) -> None:
    """Which folder it comes from is known only by running the code."""
    computed = SECRETS_DIR.replace('secrets_dir="secrets"', 'secrets_dir=os.getenv("FOLDER", "secrets")')
    keep_key_in_secrets_dir(desk, f"import os\n\n{computed}")
    snapshot = look(desk, f"DB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


@pytest.mark.parametrize(("env_file", "checks"), [("    env_file: .env\n", ["required-empty"]), ("", [])])
def test_an_empty_line_overrides_what_compose_mounts_only_where_it_is_passed(
    desk: Path, env_file: str, checks: list[str]
) -> None:
    """A container without an env_file has the file alone."""
    (desk / "app/config.py").write_text(SECRETS_DIR.replace('"secrets"', '"/run/secrets"'))
    (desk / "docker-compose.yml").write_text(
        f"services:\n  app:\n    build: ./app\n{env_file}    environment:\n      DB__HOST: db\n"
        "    secrets: [secret_key]\nsecrets:\n  secret_key:\n    file: ./secret_key.txt\n"
    )
    (desk / "secret_key.txt").write_text(KEY)
    snapshot = look(desk, f"SECRET_KEY=\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert [check for check, _, _ in found(snapshot) if check != "dotenv-missing"] == checks


def test_lines_that_compose_takes_as_they_stand_are_not_compared(desk: Path) -> None:
    """Compose before 2.30 knows no format: what it would make of a $ is no difference, and no comment."""
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    env_file:\n      - path: .env\n        format: raw\n"
    )
    snapshot = look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD=a$b{PASSWORD}\n")
    assert snapshot.workstation
    refused = docker.ComposeConfig({}, error="It knows no format raw.")
    snapshot = replace(snapshot, workstation=replace(snapshot.workstation, compose_config=refused))
    assert {check for check, _, _ in found(snapshot)} == {"compose-refused"}


@pytest.mark.parametrize(("exists", "status"), [(True, []), (None, ["unknown"]), (False, ["found"])])
def test_a_mounted_file_that_cannot_be_looked_for_is_unknown(
    desk: Path, exists: bool | None, status: list[str]
) -> None:
    """It is neither missing nor there: the engine mounts it, with other rights."""
    (desk / "docker-compose.yml").write_text("services:\n  app:\n    build: .\n    env_file: .env\n")
    snapshot = look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n")
    assert snapshot.workstation
    source = docker.MountedSource(label="secret jwt", path="/root/jwt.txt", exists=exists)
    config = docker.ComposeConfig({}, mounted_sources=(source,))
    snapshot = replace(snapshot, workstation=replace(snapshot.workstation, compose_config=config))
    findings = root_causes.diagnose(snapshot)
    assert [each.status for each in findings if each.subject == source.label] == status


@pytest.mark.parametrize("is_none", [True, False])
def test_a_text_that_settings_take_for_none_is_no_placeholder(desk: Path, is_none: bool) -> None:
    """Emptied, it would be a password of no characters."""
    option = 'env_parse_none_str="null", ' if is_none else ""
    settings = SETTINGS.replace("env_nested_delimiter", f"{option}env_nested_delimiter")
    (desk / "app/config.py").write_text(
        settings.replace("    password: SecretStr\n", "    password: SecretStr | None\n")
    )
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD=null\n"
    snapshot = look(desk, text)
    assert found(snapshot) == ([] if is_none else [("placeholder", "DB__PASSWORD", "error")])
    assert snapshot.workstation
    assert (plan_dotenv(snapshot.workstation).after.decode() == text) is is_none


OPTIONAL = SETTINGS.replace("    db: Database\n", "    db: Database\n    tags: list[str] = []\n    port: int = 8000\n")


@pytest.mark.parametrize(
    ("lines", "planned"),
    [
        ("TAGS=\nPORT=\n", "# TAGS=\n# PORT=\n"),
        ("tags=\nport=\n", "# TAGS=\n# PORT=\n"),
    ],
)
def test_one_plan_comments_out_each_line_that_settings_refuse(desk: Path, lines: str, planned: str) -> None:
    """Of a list that is no JSON, Settings tell nothing else; and a line gets its name in capitals before."""
    (desk / "app/config.py").write_text(OPTIONAL)
    (desk / ".env.example").write_text(f"{TEMPLATE}TAGS=\nPORT=\n")
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    assert settled(desk, f"{text}{lines}") == f"{text}{planned}"


def test_a_comment_in_capitals_is_one_of_a_template_in_small_letters(desk: Path) -> None:
    """It is not added again."""
    (desk / "app/config.py").write_text(OPTIONAL)
    (desk / ".env.example").write_text(f"{TEMPLATE}tags=\nport=\n")
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n# TAGS=\n# PORT=\n"
    workstation = look(desk, text).workstation
    assert workstation and plan_dotenv(workstation).is_empty


def test_a_generated_value_is_no_comment(desk: Path) -> None:
    """Whether Settings need it is not certain, and it is missing: its line gets the value, and stays a line."""
    options = SECRETS_DIR.replace('extra="ignore"', 'extra="ignore", env_ignore_empty=True')
    (desk / "app/config.py").write_text(options)
    workstation = look(desk, f"SECRET_KEY=\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n").workstation
    assert workstation
    (line, *_) = plan_dotenv(workstation).after.decode().splitlines()
    assert line.startswith("SECRET_KEY=") and len(line) > 40


DATABASE = "services:\n  app:\n    build: .\n    env_file: .env\n  db:\n    image: postgres:16\n    env_file: .env\n"


def test_what_another_service_reads_from_the_env_file_gets_its_line(desk: Path) -> None:
    """The image of PostgreSQL knows no secrets_dir, and starts with no database without the variable."""
    fields = "    secret_key: SecretStr\n    postgres_password: SecretStr\n"
    config = SECRETS_DIR.replace("    secret_key: SecretStr\n    db: Database\n", fields)
    (desk / "app/config.py").write_text(config)
    (desk / ".env.example").write_text("SECRET_KEY=\nPOSTGRES_PASSWORD=\n")
    (desk / "docker-compose.yml").write_text(DATABASE)
    (desk / "secrets").mkdir()
    (desk / "secrets/postgres_password").write_text(PASSWORD)
    snapshot = look(desk, f"SECRET_KEY={KEY}\n")
    assert snapshot.workstation
    (_, line) = plan_dotenv(snapshot.workstation).after.decode().splitlines()
    assert line.startswith("POSTGRES_PASSWORD=") and len(line) > 40


def test_a_value_of_the_template_is_added_whatever_else_settings_had(desk: Path) -> None:
    """A script reads the variable from the .env, as for a field with a default; not so a secret's public value."""
    filled = """    region: str
    api_token: SecretStr

    @model_validator(mode="before")
    @classmethod
    def fill(cls, values):
        return {"region": "a", "api_token": "b", **values}
"""
    settings = SETTINGS.replace("    db: Database\n", filled)
    (desk / "app/config.py").write_text(settings.replace("SecretStr\n", "SecretStr, model_validator\n", 1))
    (desk / ".env.example").write_text("SECRET_KEY=\nREGION=ap-southeast-2\nAPI_TOKEN=local-only-token-1\n")
    snapshot = look(desk, f"SECRET_KEY={KEY}\n")
    assert found(snapshot) == []
    assert snapshot.workstation
    assert plan_dotenv(snapshot.workstation).after.decode() == f"SECRET_KEY={KEY}\nREGION=ap-southeast-2\n"


@pytest.mark.parametrize("is_sensitive", [True, False])
def test_a_file_of_secrets_dir_in_another_case_is_another_where_case_counts(desk: Path, is_sensitive: bool) -> None:
    """Settings with case_sensitive find no file secret_key for SECRET_KEY, here nor in the container."""
    fields = "    SECRET_KEY: str\n    API_TOKEN: str\n"
    config = SECRETS_DIR.replace("    secret_key: SecretStr\n    db: Database\n", fields)
    folders = f'("secrets", "/run/secrets"), case_sensitive={is_sensitive}'
    (desk / "app/config.py").write_text(config.replace('"secrets"', folders))
    (desk / ".env.example").write_text("SECRET_KEY=\nAPI_TOKEN=\n")
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    env_file: .env\n    secrets: [api_token]\n"
        "secrets:\n  api_token:\n    file: ./secrets/api_token\n"
    )
    (desk / "secrets").mkdir()
    for name in ("secret_key", "api_token"):
        (desk / "secrets" / name).write_text(KEY)
    workstation = look(desk, "SECRET_KEY=\nAPI_TOKEN=\n").workstation
    assert workstation
    given = [workstation.is_given_elsewhere(each) for each in ("SECRET_KEY", "API_TOKEN")]
    assert given == [not is_sensitive] * 2
    assert workstation.checkout.is_mounted("API_TOKEN") is not is_sensitive


def test_none_is_no_value_of_what_settings_need_or_compose_reads(desk: Path) -> None:
    """Settings refuse None for a text, and Compose gives the other service the word itself."""
    fields = "    secret_key: SecretStr\n    api_token: SecretStr\n    note: str | None = None\n"
    options = SETTINGS.replace("env_nested_delimiter", 'env_parse_none_str="null", env_nested_delimiter')
    (desk / "app/config.py").write_text(options.replace("    secret_key: SecretStr\n    db: Database\n", fields))
    (desk / ".env.example").write_text("SECRET_KEY=\nAPI_TOKEN=\nNOTE=\nREDIS_PASSWORD=\n")
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    env_file: .env\n  redis:\n    image: redis\n"
        "    command: redis-server --requirepass ${REDIS_PASSWORD}\n"
    )
    snapshot = look(desk, f"SECRET_KEY={KEY}\nAPI_TOKEN=null\nNOTE=null\nREDIS_PASSWORD=null\n")
    assert found(snapshot) == [
        ("settings-refused", "API_TOKEN", "error"),
        ("placeholder", "REDIS_PASSWORD", "warning"),
    ]
    snapshot = look(desk, f"SECRET_KEY={KEY}\nAPI_TOKEN={PASSWORD}\nNOTE=null\nREDIS_PASSWORD={PASSWORD}\n")
    assert found(snapshot) == []


@pytest.mark.parametrize("value", ["${DB_PASSWORD}", "${DB_PASSWORD:?}"])
def test_a_variable_in_small_letters_that_compose_reads_in_capitals_is_written_so(desk: Path, value: str) -> None:
    """Compose reads one case alone: the database would get an empty password, or Compose would not start."""
    fields = "    secret_key: SecretStr\n    db_password: SecretStr\n"
    (desk / "app/config.py").write_text(SETTINGS.replace("    secret_key: SecretStr\n    db: Database\n", fields))
    (desk / ".env.example").write_text("secret_key=\n# Of the database\ndb_password=\n")
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    env_file: .env\n  db:\n    image: postgres:16\n"
        f"    environment:\n      POSTGRES_PASSWORD: {value}\n"
    )
    snapshot = look(desk, f"secret_key={KEY}\ndb_password={PASSWORD}\n")
    assert found(snapshot) == [("lowercase", "db_password", "error")]
    assert snapshot.workstation
    planned = plan_dotenv(snapshot.workstation).after.decode()
    assert planned == f"secret_key={KEY}\nDB_PASSWORD={PASSWORD}\n"
    snapshot = look(desk, planned)
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty
    both = look(desk, f"{planned}db_password={PASSWORD}\n")
    assert found(both) == []
    (desk / ".env").unlink()
    run = local_setup.begin("local", "", str(desk), allow_code=True)
    workstation = local_setup.look(run).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    names = [line.partition("=")[0] for line in plan.after.decode().splitlines()]
    assert names == ["secret_key", "# Of the database", "DB_PASSWORD"]
    assert [(each.variable, each.description) for each in plan.missing] == [("DB_PASSWORD", "Of the database")]
    assert found(look(desk, plan.after.decode())) == [("required-empty", "DB_PASSWORD", "error")]


def test_a_name_that_is_a_piece_of_export_is_renamed_where_it_stands(desk: Path) -> None:
    """The word before it stays."""
    (desk / "app/config.py").write_text(OPTIONAL)
    (desk / ".env.example").write_text(f"{TEMPLATE}PORT=8000\n")
    rest = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n"
    workstation = look(desk, f"{rest}export port=8001\n").workstation
    assert workstation
    assert plan_dotenv(workstation).after.decode() == f"{rest}export PORT=8001\n"


def test_what_settings_refuse_is_asked_for_once_however_much_it_is(desk: Path) -> None:
    """Each question goes through all lines of the .env."""
    names = [f"port_{number}" for number in range(20)]
    fields = "".join(f"    {each}: int = 0\n" for each in names)
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", fields))
    snapshot = look(desk, f"SECRET_KEY={KEY}\n" + "".join(f"{each.upper()}=x\n" for each in names))
    assert len([check for check, _, _ in found(snapshot) if check == "settings-refused"]) == len(names)
    # Each problem that a generator gives counts as a call.
    assert count_calls(lambda: root_causes.diagnose(snapshot), "_unexplained") <= 3 * len(names)


def test_what_compose_passes_on_in_small_letters_stays_so(desk: Path) -> None:
    """In capitals, the container would lack it; a plan turned it back and forth."""
    fields = "    secret_key: SecretStr\n    db_password: SecretStr\n"
    (desk / "app/config.py").write_text(SETTINGS.replace("    secret_key: SecretStr\n    db: Database\n", fields))
    (desk / ".env.example").write_text("SECRET_KEY=\nDB_PASSWORD=\n")
    (desk / "docker-compose.yml").write_text(
        "services:\n  app:\n    build: .\n    environment:\n      - SECRET_KEY\n      - db_password\n"
    )
    snapshot = look(desk, f"SECRET_KEY={KEY}\ndb_password={PASSWORD}\n")
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_what_compose_alone_requires_is_missing_in_another_case(desk: Path) -> None:
    """Settings have no such field, so that no line in another case is read by anybody."""
    (desk / "app/config.py").write_text(SETTINGS.replace("    db: Database\n", ""))
    (desk / ".env.example").write_text("SECRET_KEY=\ndb_password=\n")
    (desk / "docker-compose.yml").write_text(
        f"{DATABASE}    environment:\n      POSTGRES_PASSWORD: ${{DB_PASSWORD:?}}\n"
    )
    snapshot = look(desk, f"SECRET_KEY={KEY}\ndb_password={PASSWORD}\n")
    assert found(snapshot) == [("required-empty", "DB_PASSWORD", "error")]


def test_a_new_file_gets_no_public_value_of_what_a_file_of_secrets_dir_has(desk: Path) -> None:
    """The template's value would override the secret one; an address in it is meant."""
    fields = "    secret_key: SecretStr\n    api_token: SecretStr\n    api_url: str\n"
    (desk / "app/config.py").write_text(SECRETS_DIR.replace("    secret_key: SecretStr\n    db: Database\n", fields))
    (desk / ".env.example").write_text("SECRET_KEY=dev-key-1\nAPI_TOKEN=local-token\nAPI_URL=http://localhost\n")
    (desk / "secrets").mkdir()
    for name in ("secret_key", "api_token", "api_url"):
        (desk / "secrets" / name).write_text(KEY)
    run = local_setup.begin("local", "", str(desk), allow_code=True)
    workstation = local_setup.look(run).workstation
    assert workstation
    assert plan_dotenv(workstation).after == b"# SECRET_KEY=\n# API_TOKEN=\nAPI_URL=http://localhost\n"


@pytest.mark.parametrize("program", [True, False])
def test_a_compose_file_that_compose_file_names_in_vain_is_refused(
    desk: Path, program: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Docker Compose or without, though another compose file is there; no other check of Compose is clear."""
    if not program:
        monkeypatch.setattr(docker, "find_compose", lambda checkout=None: None)
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    snapshot = look(desk, f"{healthy}COMPOSE_FILE=docker/dev.yml\n")
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    assert (cause.check, cause.subject, cause.severity) == ("compose-refused", "COMPOSE_FILE", "error")
    assert cause.evidence == ("COMPOSE_FILE names a file that does not exist.",)
    assert "into COMPOSE_FILE in" in cause.remedy.command
    statuses = {each.check: each.status for each in root_causes.diagnose(snapshot)}
    assert statuses["dollar"] == statuses["compose-unset"] == "skipped"


@pytest.mark.skipif(docker.find_compose() is None, reason="no Docker Compose here")
def test_an_empty_compose_file_is_the_one_cause_of_what_compose_says(desk: Path) -> None:
    """It takes the folder for a file, and says no more than that."""
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    [cause] = (each for each in root_causes.diagnose(look(desk, f"{healthy}COMPOSE_FILE=\n")) if each.is_root_cause)
    assert (cause.check, cause.subject, cause.severity) == ("compose-refused", "COMPOSE_FILE", "error")
    assert cause.remedy.command == f"Take COMPOSE_FILE out of {desk / '.env'}."


@pytest.mark.skipif(docker.find_compose() is None, reason="no Docker Compose here")
@pytest.mark.parametrize("paths", ["compose.yaml:", ":compose.yaml", "compose.yaml::compose.yaml"])
def test_a_separator_of_compose_file_without_a_path_is_the_one_cause(desk: Path, paths: str) -> None:
    """It says that a folder is no compose file here, too."""
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    snapshot = look(desk, f"{healthy}COMPOSE_FILE={paths}\n")
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    assert (cause.check, cause.subject, cause.severity) == ("compose-refused", "COMPOSE_FILE", "error")
    assert cause.remedy.command == f"Take that separator out of COMPOSE_FILE in line 4 of {desk / '.env'}."


@pytest.mark.skipif(docker.find_compose() is None, reason="no Docker Compose here")
@pytest.mark.parametrize("line", ["COMPOSE_FILE=compose.$KIND", "COMPOSE_PROJECT_NAME=${NO_SUCH:+x}app$KIND"])
def test_a_dollar_in_what_docker_compose_alone_reads_is_meant(desk: Path, line: str) -> None:
    """python-dotenv has another value for it, which nobody uses."""
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    snapshot = look(desk, f"{healthy}KIND=yaml\n{line}\n")
    assert found(snapshot) == []
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


@pytest.mark.skipif(docker.find_compose() is None, reason="no Docker Compose here")
@pytest.mark.parametrize(
    "line",
    [
        *("DOCKER_REGISTRY=apps$KIND", "DOCKER_API=apps$KIND", f"DOCKER_TOKEN={PASSWORD}$KIND"),
        *("COMPOSE_PROFILES=${NO_SUCH}", "COMPOSE_FILE=${NO_SUCH}"),
    ],
)
def test_a_dollar_in_what_docker_compose_does_not_read_alone_is_found(desk: Path, line: str) -> None:
    """Settings, code or a service reads it too; and what refers to nothing is a fault for Compose as well."""
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    config = desk / "app/config.py"
    config.write_text(config.read_text().replace("    db:", '    docker_registry: str = ""\n    db:'))
    write_files(desk, {"app/main.py": "import os\n\nAPI = os.environ['DOCKER_API']\n"})
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    causes = root_causes.diagnose(look(desk, f"{healthy}KIND=yaml\n{line}\n"))
    assert [(each.check, each.subject) for each in causes if each.is_root_cause] == [("dollar", line.split("=")[0])]


@pytest.mark.parametrize("pieces", ["Q2FuIHlvdSByZWFkIGl0==", "Q2FuIHlvdSByZWFk\nIGl0IGhlcmUgYW5k\nSW4gdGhlIGRhcms="])
def test_pieces_of_a_value_are_reported_and_not_shown(desk: Path, pieces: str) -> None:
    """python-dotenv takes each for a name, so that the value ends with its first line."""
    others = f"DB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    snapshot = look(desk, f"SECRET_KEY={KEY}\n{pieces}\n{others}")
    assert found(snapshot) == [("unreadable-line", "line 2", "warning")]
    shown = repr(root_causes.diagnose(snapshot))
    assert not any(piece.rstrip("=") in shown for piece in pieces.splitlines())
    assert found(look(desk, f"SECRET_KEY={KEY}\n{others}myServiceUrl=\n")) == []


def test_a_pointer_of_git_lfs_is_fetched_and_not_written_into(desk: Path) -> None:
    """It has none of the variables, and is no list of faulty lines."""
    snapshot = look(desk, f"version https://git-lfs.github.com/spec/v1\noid sha256:{KEY}\nsize 12345\n")
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    assert (cause.check, cause.remedy.command) == ("dotenv-encoding", f"git -C {desk} lfs pull")
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).obstacle.endswith("run git lfs pull first.")


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("app/config.py", SETTINGS.replace('".env", ".env.local"', '"conf/.env"'), "conf/.env"),
        ("app/compose.yaml", "services: {web: {image: w}}\n", "app/.env"),
        ("conf/compose.yaml", "services: {web: {image: w, env_file: ../app/.env}}\n", "app/.env"),
        ("conf/compose.yaml", "services: [\n", ""),
    ],
    ids=["Settings", "beside a compose file", "a compose file elsewhere", "no YAML"],
)
def test_the_dotenv_that_something_reads_in_another_folder_is_linked(
    desk: Path, name: str, text: str, read: str
) -> None:
    """Moved, it would be lost to what reads it there; a copy of the template would be a second one."""
    write_files(desk, {name: text, read or "app/.env": f"SECRET_KEY={KEY}\n"})
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    link = f"ln -s {desk / read} {desk / '.env'}"
    assert cause.check == "dotenv-missing" and (cause.remedy.command == link if read else "mv " in cause.remedy.command)


def test_a_link_that_leads_nowhere_is_replaced_by_one_to_what_settings_read(desk: Path) -> None:
    """ln writes over no link, and a copy of the template would be a second file: finding and plan say the same."""
    write_files(desk, {"app/config.py": SETTINGS.replace('(".env", ".env.local")', '"app/.env"')})
    write_files(desk, {"app/.env": f"SECRET_KEY={KEY}\n"})
    (desk / ".env").symlink_to("nowhere")
    snapshot = local_setup.look(local_setup.begin("local", "", str(desk)))
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.is_root_cause)
    link = f"rm {desk / '.env'} && ln -s {desk / 'app/.env'} {desk / '.env'}"
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).notes[0].endswith(f"link it by {link}")
    assert (cause.check, cause.remedy.command) == ("dotenv-missing", link)


def test_compose_file_of_the_shell_counts_where_there_are_compose_files(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may name those of another project, where this one has none."""
    monkeypatch.setenv("COMPOSE_FILE", "dev.yml")
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    assert found(look(desk, healthy)) == []
    write_files(desk, {"docker/compose.yaml": "services: {db: {image: postgres}}\n"})
    [cause] = (each for each in root_causes.diagnose(look(desk, healthy)) if each.is_root_cause)
    assert (cause.check, cause.remedy.command) == ("compose-refused", "unset COMPOSE_FILE")


@pytest.mark.parametrize("missing", ["../nowhere.yml", "/nowhere/dev.yml", "${FOLDER}/nowhere.yml"])
def test_a_compose_file_is_named_in_vain_wherever_its_path_leads(desk: Path, missing: str) -> None:
    """Docker Compose stops at it outside of the checkout too."""
    healthy = f"SECRET_KEY={KEY}\nDB__HOST=localhost\nDB__PASSWORD={PASSWORD}\n"
    write_files(desk, {"compose.yaml": "services: {db: {image: postgres}}\n"})
    snapshot = look(desk, f"{healthy}FOLDER=docker\nCOMPOSE_FILE={missing}\n")
    assert ("compose-refused", "COMPOSE_FILE", "error") in found(snapshot)


STARTED = """\
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file={}, extra="ignore")

    secret_key: SecretStr


settings = Settings()
"""


@pytest.mark.parametrize(
    ("applications", "names"),
    [
        (["backend/src/app"], '"../.env"'),
        (["services/api/src/api"], '"../../.env"'),
        (["apps/a/app", "apps/b/app"], '"../../.env"'),
        (["apps/a/src/a", "apps/b/src/b"], '"../../.env"'),
        (["apps/a/app", "apps/b/app"], '(".env", "../../.env")'),
    ],
)
def test_the_env_at_the_top_is_looked_for_from_where_an_application_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applications: list[str], names: str
) -> None:
    """One in src/ starts in the folder above, where its pyproject.toml is, and several each in their own."""
    quiet_machine(monkeypatch, tmp_path / "home")
    files = {".env.example": "SECRET_KEY=\n", ".gitignore": ".env\n"}
    files |= {f"{each}/config.py": STARTED.format(names) for each in applications}
    files |= {f"{each}/__init__.py": "" for each in applications}
    root = make_checkout(tmp_path / "checkout", files).root
    assert found(look(root, f"SECRET_KEY={KEY}\n")) == []


@pytest.mark.parametrize(
    ("applications", "names", "file"),
    [
        (["apps/a/app", "apps/b/app"], '"../.env"', "apps/.env"),
        (["apps/a/app", "b/app"], '"../../.env"', "../.env"),
        (["backend/src/app"], '"../.env"', "backend/.env"),
    ],
)
def test_another_env_that_one_application_reads_is_not_that_at_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applications: list[str], names: str, file: str
) -> None:
    """Also where it is there as seen from src/, in which somebody may start the application."""
    quiet_machine(monkeypatch, tmp_path / "home")
    files = {".env.example": "SECRET_KEY=\n", ".gitignore": ".env\n", "backend/.env": "SECRET_KEY=\n"}
    files |= {f"{each}/config.py": STARTED.format(names) for each in applications}
    files |= {f"{each}/__init__.py": "" for each in applications}
    root = make_checkout(tmp_path / "checkout", files).root
    snapshot = look(root, f"SECRET_KEY={KEY}\n")
    [cause] = (each for each in root_causes.diagnose(snapshot) if each.check == "dotenv-missing")
    assert f"Settings looks for {(root / file).resolve()}" in cause.evidence[0]


@pytest.mark.parametrize(("source", "is_required"), [("${PGPASSWORD}", False), ("${POSTGRES_PASSWORD}", True)])
def test_what_compose_makes_of_another_variable_is_not_required_by_the_catalogue(
    source: str, is_required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code may read it where there is no address: a line of the .env would be another password than the database's."""
    quiet_machine(monkeypatch, tmp_path / "home")
    password = f"      POSTGRES_PASSWORD: {source}\n"
    files = {
        "api/settings.py": "import os\nURL = os.getenv('DATABASE_URL')\nPASSWORD = os.getenv('POSTGRES_PASSWORD')\n",
        "docker-compose.yml": "services:\n  api:\n    build: ./api\n    env_file: .env\n"
        f"  db:\n    image: postgres:17\n    env_file: .env\n    environment:\n{password}",
        ".env.example": "PGPASSWORD=ledger\nDATABASE_URL=postgresql://app:${PGPASSWORD}@db/app\n",
        ".gitignore": ".env\n",
    }
    checkout = make_checkout(tmp_path / "checkout", files).root
    workstation = local_setup.look(local_setup.begin("local", "", str(checkout))).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    assert (b"\nPOSTGRES_PASSWORD=" in plan.after) is is_required


@pytest.mark.parametrize("ignores_empty", [False, True])
def test_a_placeholder_gives_way_to_the_default_of_settings(ignores_empty: bool, desk: Path) -> None:
    """An empty line would override it; it stays a comment, and a line for what has no default is empty."""
    settings = desk / "app" / "config.py"
    fields = "    db_user: str = 'ledger'\n    owner: str = 'admin'\n    region: str = ''\n"
    text = settings.read_text().replace("    db: Database\n", f"    db: Database\n{fields}")
    settings.write_text(text)
    if ignores_empty:
        settings.write_text(text.replace('extra="ignore"', 'extra="ignore", env_ignore_empty=True'))
    template = f"{TEMPLATE}DB_USER=your_user\nOWNER=<owner>\nREGION=your-region\n"
    (desk / ".env.example").write_text(template)
    workstation = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    mark = b"" if ignores_empty else b"# "
    assert plan.after.endswith(mark + b"DB_USER=\n" + mark + b"OWNER=\nREGION=\n")
    note = "DB_USER, OWNER are added as comments: Settings has a default for them, which an empty line would override."
    assert (note in plan.notes) is not ignores_empty
    (desk / ".env").touch(mode=0o600)
    (desk / ".env").write_bytes(plan.after)
    again = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert again and plan_dotenv(again).is_empty
    (desk / ".env").write_text(plan.after.decode().partition(mark.decode() + "DB_USER")[0])
    lines = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert lines and plan_dotenv(lines).after == plan.after


@pytest.mark.parametrize("is_used", [False, True])
def test_what_compose_reads_too_is_not_to_be_taken_out_of_the_file(is_used: bool, desk: Path) -> None:
    """Settings forbid it: without the line, the database would get an empty text."""
    settings = desk / "app" / "config.py"
    settings.write_text(settings.read_text().replace(', extra="ignore"', ""))
    image = "    image: postgres:${IMAGE_TAG}\n" if is_used else "    image: postgres:17\n"
    (desk / "compose.yaml").write_text(f"services:\n  db:\n{image}")
    text = f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\nIMAGE_TAG=17\n"
    all_found = root_causes.diagnose(look(desk, text))
    [remedy] = (each.remedy.command for each in all_found if (each.check, each.status) == ("settings-refused", "found"))
    assert remedy.startswith("Give Settings" if is_used else "Take IMAGE_TAG out of")


def planned(root: Path) -> str:
    """The .env that local_setup plans where there is none."""
    workstation = local_setup.look(local_setup.begin("local", "", str(root))).workstation
    assert workstation
    return plan_dotenv(workstation).after.decode()


TOOL = "  tool:\n    image: x/tool\n    environment:\n      SECRET_KEY: ${TOOL_SECRET}\n"
WITH_PASSWORD = "    environment:\n      POSTGRES_PASSWORD: "
DB_SERVICE = f"  db:\n    image: postgres:17\n{WITH_PASSWORD}"


@pytest.mark.parametrize(
    ("variable", "application", "others"),
    [
        ("SECRET_KEY", "    env_file: .env\n", TOOL),
        ("POSTGRES_PASSWORD", f"{WITH_PASSWORD}${{POSTGRES_PASSWORD}}\n", f"{DB_SERVICE}${{PGPASSWORD}}\n"),
    ],
)
def test_what_another_service_gets_under_the_name_is_no_reason_to_leave_it_out(
    variable: str, application: str, others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application still gets the line of the .env, which would be missing."""
    quiet_machine(monkeypatch, tmp_path / "home")
    files = {
        "api/settings.py": f"import os\nVALUE = os.getenv('{variable}')\n",
        "docker-compose.yml": f"services:\n  api:\n    build: ./api\n{application}{others}",
        ".env.example": "DEBUG=1\n",
    }
    assert f"\n{variable}=" in planned(make_checkout(tmp_path / "checkout", files).root)


@pytest.mark.parametrize(
    ("other", "is_generated"),
    [("  old:\n    image: postgres:12\n", True), ("  tool:\n    image: x/tool\n", False)],
)
def test_a_text_of_an_old_database_is_not_that_of_the_one_beside_it(
    other: str, is_generated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of them gets the .env's, a generated password counts."""
    quiet_machine(monkeypatch, tmp_path / "home")
    first, second = ("${POSTGRES_PASSWORD}", "quokka") if is_generated else ("quokka", "${POSTGRES_PASSWORD}")
    files = {
        "api/settings.py": "import os\nURL = os.environ['POSTGRES_PASSWORD']\n",
        "docker-compose.yml": f"services:\n{DB_SERVICE}{first}\n{other}{WITH_PASSWORD}{second}\n",
        ".env.example": "POSTGRES_PASSWORD=quokka\n",
    }
    after = planned(make_checkout(tmp_path / "checkout", files).root)
    assert (after != "POSTGRES_PASSWORD=quokka\n") is is_generated


def test_a_file_of_its_own_gives_a_service_nothing_of_the_dotenv(desk: Path) -> None:
    """What Settings forbid can be taken out, and of the template it would be a comment."""
    settings = desk / "app" / "config.py"
    settings.write_text(settings.read_text().replace(', extra="ignore"', ""))
    (desk / "db.env").write_text("POSTGRES_DB=app\n")
    (desk / "compose.yaml").write_text("services:\n  db:\n    image: postgres:17\n    env_file: db.env\n")
    snapshot = look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\nOLD_THING=1\n")
    [refused] = (each for each in root_causes.diagnose(snapshot) if each.status == "found")
    assert refused.remedy and refused.remedy.command.startswith("Take OLD_THING out of")
    assert snapshot.workstation and snapshot.workstation.is_refused("OLD_THING")


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("image_tag=17\n", "    image: postgres:${IMAGE_TAG:-17}\n"),
        ("POSTGRES_DB=app\n", "    image: postgres:17\n    env_file: .env\n"),
        ("COMPOSE_PROJECT_NAME=desk\n", "    image: postgres:17\n"),
    ],
)
def test_what_compose_reads_in_another_way_is_not_to_be_taken_out_either(text: str, service: str, desk: Path) -> None:
    """In another case, by env_file, or as a setting of its own."""
    settings = desk / "app" / "config.py"
    settings.write_text(settings.read_text().replace(', extra="ignore"', ""))
    (desk / "compose.yaml").write_text(f"services:\n  db:\n{service}")
    all_found = root_causes.diagnose(look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n{text}"))
    refused = [each for each in all_found if (each.check, each.status) == ("settings-refused", "found")]
    assert refused and all(each.remedy.command.startswith("Give Settings") for each in refused)


@pytest.mark.parametrize(("user", "is_its"), [("app", True), ("reader", False)])
def test_an_address_of_another_user_than_compose_gives_the_database_stays(
    user: str, is_its: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The .env need not have the login."""
    quiet_machine(monkeypatch, tmp_path / "home")
    files = {
        "api/settings.py": "import os\nVALUE = os.environ['POSTGRES_PASSWORD'], os.environ['DATABASE_URL']\n",
        "docker-compose.yml": f"services:\n{DB_SERVICE}${{POSTGRES_PASSWORD}}\n      POSTGRES_USER: app\n",
        ".env.example": f"POSTGRES_PASSWORD=quokka\nDATABASE_URL=postgresql://{user}:quokka@db/app\n",
    }
    after = planned(make_checkout(tmp_path / "checkout", files).root)
    assert not after.startswith("POSTGRES_PASSWORD=quokka")
    assert (":quokka@" not in after) is is_its


@pytest.mark.parametrize(
    ("name", "own", "is_its"),
    [
        ("DB", "${POSTGRES_PASSWORD}", True),
        ("DATABASE", "", True),
        ("ANALYTICS", "${POSTGRES_PASSWORD}", True),
        ("ANALYTICS", "", False),
        ("DATABASE", "otherwise", False),
    ],
)
def test_a_password_that_refers_to_another_leaves_the_address_to_that_one(
    name: str, own: str, is_its: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or is empty beside the one database's; an analytics server has a password of its own."""
    quiet_machine(monkeypatch, tmp_path / "home")
    address = f"{name}_URL=postgresql://app:changethis@db/app\n"
    files = {
        "api/settings.py": f"import os\nVALUE = os.getenv('POSTGRES_PASSWORD'), os.getenv('{name}_URL')\n",
        ".env.example": f"POSTGRES_PASSWORD=changethis\n{name}_PASSWORD={own}\n{address}",
    }
    after = planned(make_checkout(tmp_path / "checkout", files).root)
    assert not after.startswith("POSTGRES_PASSWORD=changethis")
    assert (address not in after) is is_its


@pytest.mark.parametrize(
    ("name", "is_public"), [("NEXT_PUBLIC_MAPS_KEY", True), ("VITE_API_KEY", True), ("MAPS_API_KEY", False)]
)
def test_what_browsers_load_is_not_weak(name: str, is_public: bool, desk: Path) -> None:
    """A frontend's build makes it public, however long it is."""
    all_found = found(look(desk, f"SECRET_KEY={KEY}\nDB__HOST=db\nDB__PASSWORD={PASSWORD}\n{name}=mapskey1\n"))
    assert all_found == ([] if is_public else [("weak", name, "warning")])


@pytest.mark.parametrize("text", ["gsk_…", "KEY...", "sk-ab***yz"])
def test_a_shortened_key_of_the_template_is_no_value(text: str, desk: Path) -> None:
    """The plan asks what the check asks, which would find it in the new file; what somebody has written stays."""
    settings = desk / "app" / "config.py"
    settings.write_text(settings.read_text().replace("    db: Database\n", "    db: Database\n    groq_api_key: str\n"))
    (desk / ".env.example").write_text(f"{TEMPLATE}GROQ_API_KEY={text}\nGREETING=hello...\nGROQ_SECRET_NAME=groq/...\n")
    workstation = local_setup.look(local_setup.begin("local", "", str(desk))).workstation
    assert workstation
    plan = plan_dotenv(workstation)
    assert plan.after.endswith(b"GROQ_API_KEY=\nGREETING=hello...\nGROQ_SECRET_NAME=groq/...\n")
    assert "GROQ_API_KEY" in [each.variable for each in plan.missing]
    assert found(look(desk, plan.after.decode().replace("GROQ_API_KEY=\n", ""))) == [
        ("required-empty", name, "error") for name in ("DB__PASSWORD", "GROQ_API_KEY")
    ]
    snapshot = look(desk, plan.after.decode().replace("GROQ_API_KEY=", f"GROQ_API_KEY={text}"))
    assert ("placeholder", "GROQ_API_KEY", "error") in found(snapshot)
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


def test_a_shortened_key_of_the_template_gives_way_to_a_default(desk: Path) -> None:
    """It is a comment, and stays one."""
    settings = desk / "app" / "config.py"
    field = "    groq_api_key: str = 'none-here'\n"
    settings.write_text(settings.read_text().replace("    db: Database\n", f"    db: Database\n{field}"))
    (desk / ".env.example").write_text("SECRET_KEY=\nDB__HOST=localhost\nDB__PASSWORD=\nGROQ_API_KEY=gsk_…\n")
    after = planned(desk)
    assert after.endswith("\n# GROQ_API_KEY=\n")
    again = look(desk, after).workstation
    assert again and plan_dotenv(again).is_empty
