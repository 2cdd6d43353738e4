"""Settings of a checkout, loaded in a process of its own: real pydantic-settings, a configuration written for this."""

import os
import secrets
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import forked_settings
from support.files import write_files

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.settings import read_settings
from omc_runbook.repository.settings_source import import_folder
from omc_runbook.workstation import settings_probe
from omc_runbook.workstation.settings_probe import SettingsResult, find_program, load_settings

CONFIG = '''
    """What the application is configured by."""

    import warnings
    from typing import Annotated, Any, Literal

    from pydantic import AliasChoices, BeforeValidator, Field, HttpUrl, computed_field, model_validator
    from pydantic_settings import BaseSettings, SettingsConfigDict


    def split(value: Any) -> Any:
        return value.split(",") if isinstance(value, str) and not value.startswith("[") else value


    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_file="../.env", env_ignore_empty=True, extra="EXTRA")

        ENVIRONMENT: Literal["local", "staging", "production"] = "local"
        SECRET_KEY: str = "changethis"
        POSTGRES_PASSWORD: str
        POSTGRES_PORT: int = 5432
        ORIGINS: Annotated[list[HttpUrl] | str, BeforeValidator(split)] = []
        HOSTS: list[str] = []
        SENDER: str | None = None
        SENDER_NAME: str | None = None
        api_key: str = Field("none", validation_alias=AliasChoices("OPENAI_API_KEY", "OPENAI_KEY"))

        @computed_field
        @property
        def database(self) -> str:
            return f"postgresql://app:{self.POSTGRES_PASSWORD}@db:{self.POSTGRES_PORT}/app"

        @model_validator(mode="after")
        def name_sender(self) -> "Settings":
            self.SENDER_NAME = self.SENDER_NAME or "Coins"
            return self

        @model_validator(mode="after")
        def refuse_defaults(self) -> "Settings":
            for name in ("SECRET_KEY", "POSTGRES_PASSWORD"):
                if getattr(self, name) == "changethis":
                    told = f'The value of {name} is "changethis", for security, please change it.'
                    if self.ENVIRONMENT != "local":
                        raise ValueError(told)
                    warnings.warn(told, stacklevel=1)
            return self
'''


@pytest.fixture(autouse=True)
def nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A variable of this process that would change the outcome if the other one saw it.

    Settings are loaded in forks, except by the tests that ask for `own_interpreter`: most of it is importing pydantic.
    """
    monkeypatch.setenv("POSTGRES_PORT", "not a number")
    monkeypatch.setattr(settings_probe, "_run", forked_settings.run)
    yield


@pytest.fixture
def own_interpreter(nothing_of_this_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load Settings as a run does, in a new interpreter."""
    monkeypatch.setattr(settings_probe, "_run", forked_settings.start_anew)


def make(folder: Path, dotenv: str | None, end: str = "settings = Settings()", config: str = CONFIG) -> Path:
    """A checkout with a configuration and, where it is given, a .env."""
    core = folder / "backend" / "app" / "core"
    core.mkdir(parents=True, exist_ok=True)
    for package in (core.parent, core):
        (package / "__init__.py").write_text("")
    (core / "config.py").write_text(
        textwrap.dedent(config).replace("EXTRA", "ignore") + f"\n\n{textwrap.dedent(end)}\n"
    )
    if dotenv is not None:
        (folder / ".env").write_text(dotenv)
    return folder


def short(loaded: SettingsResult) -> list[tuple[str, str]]:
    return [(message.check, message.variable) for message in loaded.messages]


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


GOOD = "SECRET_KEY=a-good-one\nPOSTGRES_PASSWORD='another $one'\nPOSTGRES_PORT=\nOPENAI_KEY=x\nUNKNOWN=1\n"


@pytest.mark.usefixtures("own_interpreter")
@pytest.mark.parametrize("end", ["settings = Settings()", ""])
@pytest.mark.long
def test_settings_that_accept_the_file(tmp_path: Path, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A good file is accepted, whether the module makes its Settings or leaves that to others; nothing is written."""
    repository = make(tmp_path, GOOD, end)
    before = files(repository)
    loaded = load_settings(repository)
    assert (loaded.ok, loaded.messages, loaded.obstacle) == (True, (), "")
    assert loaded.env_files == ((repository / ".env", True),)
    assert files(repository) == before
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Without a file a variable is missing, and the message says where the file was looked for."""
    repository = make(tmp_path, None)
    loaded = load_settings(repository)
    assert (loaded.ok, short(loaded), loaded.obstacle) == (False, [("required-empty", "POSTGRES_PASSWORD")], "")
    assert loaded.env_files == ((repository / ".env", False),)


def test_the_file_that_a_call_names(tmp_path: Path) -> None:
    """It overrides the one of the class."""
    repository = make(tmp_path, GOOD, "settings = Settings(_env_file='other.env')")
    loaded = load_settings(repository)
    assert (loaded.ok, loaded.env_files) == (False, ((repository / "backend/other.env", False),))


def test_settings_that_parse_arguments(tmp_path: Path) -> None:
    """The application is started without any."""
    config = CONFIG.replace('env_file="../.env", ', 'env_file="../.env", cli_parse_args=True, ')
    loaded = load_settings(make(tmp_path, GOOD, config=config))
    assert (loaded.ok, loaded.obstacle) == (True, "")


def test_another_file_in_its_place(tmp_path: Path) -> None:
    """A file that is given is read instead, also by Settings that the module makes as it is imported."""
    repository = make(tmp_path / "app", "POSTGRES_PORT=x\n")
    other = tmp_path / "new file"
    other.write_text("POSTGRES_PASSWORD=p\nSECRET_KEY=k\n")
    loaded = load_settings(repository, other)
    assert (loaded.ok, loaded.env_files) == (True, ((other, True),))


@pytest.mark.parametrize(
    ("env_file", "expected"),
    [
        ('env_file=(".env", "../.env"), ', ["backend/.env", ".env"]),
        ("", []),
    ],
)
def test_where_the_file_is_looked_for(tmp_path: Path, env_file: str, expected: list[str]) -> None:
    """Several files are listed in their order, relative to the application's folder; a class may read none at all."""
    config = CONFIG.replace('env_file="../.env", ', env_file)
    repository = make(tmp_path, "SECRET_KEY=k\nPOSTGRES_PASSWORD=p\n", config=config)
    loaded = load_settings(repository)
    assert [path for path, _ in loaded.env_files] == [repository / name for name in expected]
    assert [there for _, there in loaded.env_files] == [name == ".env" for name in expected]
    assert loaded.ok == bool(expected)


@pytest.mark.parametrize("env_file", ['"~/own/.env"', 'os.path.expanduser("~/own/.env")'])
def test_a_file_in_the_home_folder_is_looked_for_in_the_user_s(
    env_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has another home, which is gone."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = CONFIG.replace("import warnings", "import os, warnings", 1)
    config = config.replace('env_file="../.env", ', f"env_file={env_file}, ")
    repository = make(tmp_path, "", config=config)
    file = tmp_path / "home/own/.env"
    assert load_settings(repository).env_files == ((file, False),)
    file.parent.mkdir(parents=True)
    file.touch()
    assert load_settings(repository).env_files == ((file, True),)


@pytest.mark.parametrize(
    ("parameters", "sources", "reads"),
    [
        ("dotenv_settings, file_secret_settings", "init_settings, env_settings", False),
        ("dotenv_settings, file_secret_settings", "dotenv_settings, env_settings", True),
        ("**others", "env_settings", False),
        ("**others", "env_settings, *others.values()", True),
        ("**others", 'env_settings, others["dotenv_settings"]', True),
        ("**_", "env_settings", False),
        ("**_", "env_settings, pydantic_settings.DotEnvSettingsSource(settings_cls)", True),
    ],
)
def test_the_file_that_no_source_reads(tmp_path: Path, parameters: str, sources: str, reads: bool) -> None:
    """What starts the application gives it the variables then."""
    method = f"""import pydantic_settings

    class Settings(BaseSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, env_settings, {parameters}):
            return {sources},

"""
    config = CONFIG.replace("class Settings(BaseSettings):\n", method)
    repository = make(tmp_path, "SECRET_KEY=k\nPOSTGRES_PASSWORD=p\n", config=config)
    loaded = load_settings(repository, repository / ".env")
    assert (loaded.ok, bool(loaded.env_files)) == (True, reads)


def test_a_method_without_python_code_may_read_the_file(tmp_path: Path) -> None:
    """Such as a partial function, or a compiled one."""
    partial = """import functools

    class Settings(BaseSettings):
        settings_customise_sources = classmethod(functools.partial(lambda *_, **sources: tuple(sources.values())))
"""
    config = CONFIG.replace("class Settings(BaseSettings):\n", partial)
    repository = make(tmp_path, "SECRET_KEY=k\nPOSTGRES_PASSWORD=p\n", config=config)
    loaded = load_settings(repository, repository / ".env")
    assert (loaded.ok, bool(loaded.env_files)) == (True, True)


def test_each_variable_that_is_refused(tmp_path: Path) -> None:
    """Every refusal of Settings names its variable; of a field with several, the one that is tried first."""
    config = CONFIG.replace('Field("none", ', "Field(")
    repository = make(tmp_path, "POSTGRES_PORT=abc\nENVIRONMENT=here\nORIGINS=one,two\n", config=config)
    loaded = load_settings(repository)
    assert not loaded.ok and set(short(loaded)) == {
        ("settings-refused", "ENVIRONMENT"),
        ("required-empty", "POSTGRES_PASSWORD"),
        ("settings-refused", "POSTGRES_PORT"),
        ("settings-refused", "ORIGINS"),
        ("required-empty", "OPENAI_API_KEY"),
    }


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        ("validate_by_name=True, validate_by_alias=False", "APP_PORT"),
        ("env_prefix_target='alias', validate_by_name=True, validate_by_alias=False", "PORT"),
        ("populate_by_name=True", "DB_PORT"),
    ],
)
def test_the_variable_that_the_options_leave(tmp_path: Path, options: str, variable: str) -> None:
    config = f"""
        from pydantic import Field
        from pydantic_settings import BaseSettings, SettingsConfigDict


        class Settings(BaseSettings):
            model_config = SettingsConfigDict(env_file="../.env", extra="ignore", env_prefix="APP_", {options})
            port: int = Field(alias="DB_PORT")
    """
    loaded = load_settings(make(tmp_path, f"{variable}=abc\n", config=config))
    assert set(short(loaded)) == {("settings-refused", variable)}


def test_a_class_that_another_one_s_default_is_made_of(tmp_path: Path) -> None:
    """Its variables have its own prefix, and the file is the main class's."""
    config = """
        from pydantic import Field
        from pydantic_settings import BaseSettings, SettingsConfigDict


        class Cache(BaseSettings):
            model_config = SettingsConfigDict(env_prefix="CACHE_")
            url: str = "redis://cache"


        class Database(BaseSettings):
            model_config = SettingsConfigDict(env_file="../.env", env_prefix="DB_", extra="ignore")
            password: str
            port: int = 5432


        class Settings(BaseSettings):
            model_config = SettingsConfigDict(env_file="../.env", extra="ignore")
            cache: Cache = Cache()
            database: Database = Field(default_factory=Database)
    """
    repository = make(tmp_path, "DB_PORT=abc\n", config=config)
    loaded = load_settings(repository)
    assert set(short(loaded)) == {("required-empty", "DB_PASSWORD"), ("settings-refused", "DB_PORT")}
    assert loaded.env_files == ((repository / ".env", True),)


def test_a_default_is_refused_or_warned_of(tmp_path: Path) -> None:
    """The template's default is reported: as a refusal when deployed, as a warning on a developer's machine."""
    repository = make(tmp_path, "SECRET_KEY=changethis\nPOSTGRES_PASSWORD=p\nENVIRONMENT=staging\n")
    refused = load_settings(repository)
    assert (refused.ok, short(refused), refused.obstacle) == (False, [("changethis", "SECRET_KEY")], "")
    warned = load_settings(make(tmp_path, "SECRET_KEY=changethis\nPOSTGRES_PASSWORD=changethis\n"))
    assert (warned.ok, short(warned)) == (True, [("changethis", "SECRET_KEY"), ("changethis", "POSTGRES_PASSWORD")])


def test_a_list_that_is_no_json(tmp_path: Path) -> None:
    """pydantic-settings' own error, which is no ValidationError, names the field."""
    loaded = load_settings(make(tmp_path, f"{GOOD}HOSTS=a,b\n"))
    assert (loaded.ok, short(loaded), loaded.obstacle) == (False, [("settings-refused", "HOSTS")], "")


def test_a_line_that_cannot_be_read(tmp_path: Path) -> None:
    """python-dotenv leaves out such a line; its warning is reported, with the line's number."""
    loaded = load_settings(make(tmp_path, f"{GOOD}not a line\n"))
    assert (loaded.ok, short(loaded)) == (True, [("unterminated", "")])
    assert "line 6" in loaded.messages[0].reason


def test_a_variable_too_many(tmp_path: Path) -> None:
    """Where Settings take no others, the name of an unknown one is not shown: it may be a piece of a value."""
    loaded = load_settings(make(tmp_path, GOOD, config=CONFIG.replace("EXTRA", "forbid")))
    assert (loaded.ok, short(loaded)) == (False, [("settings-refused", "")])
    assert "unknown" not in repr(loaded).lower()


def canary(folder: Path, dotenv: str, value: str, end: str = "settings = Settings()") -> SettingsResult:
    """Load a file that holds a value, and see that the value is in nothing that comes back."""
    loaded = load_settings(make(folder, dotenv, end))
    text = repr(loaded) + repr(vars(loaded)) + "".join(map(repr, loaded.messages))
    assert value not in text and value[:12] not in text and value.lower() not in text.lower()
    return loaded


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("POSTGRES_PORT={0}", "settings = Settings()"),
        ("HOSTS={0}", "settings = Settings()"),
        ('HOSTS="{{{0}"', "settings = Settings()"),
        ("ENVIRONMENT={0}", ""),
        (
            "{0}=1",
            "Settings.model_config['extra'] = 'forbid'\nSettings.model_rebuild(force=True)\nsettings = Settings()",
        ),
        ("POSTGRES_PASSWORD='\n{0}", "settings = Settings()"),
        ("SENDER={0}", "print(Settings().SENDER)\nraise RuntimeError(Settings().SENDER)"),
        ("SENDER={0}", "raise type(Settings().SENDER.upper(), (ValueError,), {})(Settings().SENDER)"),
        ("SENDER={0}", "import sys\nsys.exit(Settings().SENDER)"),
        ("SENDER={0}", "import importlib\nimportlib.import_module(Settings().SENDER)"),
        ("SENDER={0}", "import os\nos.write(1, Settings().SENDER.encode())\nos._exit(3)"),
        ("SENDER={0}", "import os\nopen(3, 'w').write(Settings().SENDER)"),
    ],
)
def test_no_value_comes_back(tmp_path: Path, line: str, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the application does with a value, it is in nothing that is returned or printed."""
    # Of digits alone it would be a port.
    value = f"{secrets.token_hex(12)}z"
    loaded = canary(tmp_path, f"{GOOD}{line.format(value)}\n", value, end)
    assert not loaded.ok or "'\n" in line
    assert capfd.readouterr() == ("", "")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="[]{}=',\" \\:;\n#$", max_size=12), st.sampled_from(["POSTGRES_PORT", "ORIGINS", "HOSTS"]))
def test_no_value_comes_back_whatever_it_looks_like(tmp_path: Path, around: str, name: str) -> None:
    """Nor does one among characters that the formats around it use themselves."""
    canary(tmp_path, f"{GOOD}{name}={around}kanarienvogel{around[::-1]}\n", "kanarienvogel")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("import absent_package.part", ["no package absent_package", sys.executable]),
        ("import app.absent", ["needs the module app.absent", "at backend/app/core/config.py, line"]),
        ("raise RuntimeError('x')", ["raised RuntimeError", "at backend/app/core/config.py, line"]),
        ("def x(:", ["raised SyntaxError", "at backend/app/core/config.py, line"]),
        ("from os import absent", ["raised ImportError"]),
        ("import sys; sys.exit(3)", ["raised SystemExit"]),
        ("del Settings", ["has no class Settings"]),
        ("Settings = 5", ["has no class Settings"]),
        ("import os; os._exit(3)", ["exit code 3 and no answer", "or name a Python that has them with -p python PATH"]),
        (
            "try:\n    import absent_package\nexcept ImportError as error:\n    raise ImportError('so') from error",
            ["no package absent_package"],
        ),
    ],
)
def test_what_keeps_settings_from_being_tried(tmp_path: Path, end: str, words: list[str]) -> None:
    """Where Settings could not be tried there is an obstacle, never a pass, and it says what next."""
    loaded = load_settings(make(tmp_path, GOOD, end))
    assert not loaded.ok and loaded.messages == ()
    assert [word for word in words if word not in loaded.obstacle] == []
    assert loaded.obstacle.endswith(".")


def test_no_checkout_and_no_python(tmp_path: Path) -> None:
    """A folder without the module, and a program that cannot be started or is not Python, are obstacles."""
    assert "has no backend/app/core/config.py" in load_settings(tmp_path).obstacle
    repository = make(tmp_path, GOOD)
    python = repository / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("no program\n")
    assert f"{python} could not be started" in load_settings(repository).obstacle
    python.unlink()
    python.symlink_to("/bin/false")
    false = load_settings(repository)
    assert not false.ok and "no answer" in false.obstacle


def test_the_application_s_own_python(tmp_path: Path) -> None:
    """The virtual environment of the backend is used before that of the checkout, and both before ours."""
    repository = make(tmp_path, GOOD)
    for folder, code in ((repository, 4), (repository / "backend", 5)):
        (folder / ".venv" / "bin").mkdir(parents=True)
        program = folder / ".venv" / "bin" / "python"
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
        assert f"{program} ended with exit code {code}" in load_settings(repository).obstacle


@pytest.mark.parametrize("place", ["services/api", "services", "."])
def test_the_python_of_a_project_that_has_its_code_in_src(tmp_path: Path, place: str) -> None:
    """It is beside src/, or further up, as of a workspace; what is to be installed goes beside src/."""
    config = "services/api/src/api/settings.py"
    write_files(tmp_path, {config: "import no_such_package\n", "services/api/src/api/__init__.py": ""})
    assert "into services/api/.venv, or" in load_settings(tmp_path, config=config).obstacle
    program = tmp_path / place / ".venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 4\n")
    program.chmod(0o755)
    assert f"{program} ended with exit code 4" in load_settings(tmp_path, config=config).obstacle


@pytest.mark.long
@pytest.mark.usefixtures("own_interpreter")
def test_an_application_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never ends is stopped with all that it began, and said to have been."""
    monkeypatch.setattr(settings_probe, "SECONDS", 1.5)
    end = "import subprocess, time\nprint(Settings())\nsubprocess.Popen(['sleep', '600'])\ntime.sleep(600)"
    begin = time.monotonic()
    loaded = load_settings(make(tmp_path, GOOD, end))
    assert time.monotonic() - begin < 120
    assert not loaded.ok and "did not end within 1.5 seconds" in loaded.obstacle


@pytest.mark.usefixtures("own_interpreter")
@pytest.mark.long
def test_an_application_that_leaves_something_running(tmp_path: Path) -> None:
    """A thread and a process that it leaves behind do not keep the answer back."""
    end = """
        import subprocess, threading, time
        subprocess.Popen(["sleep", "600"])
        threading.Thread(target=time.sleep, args=(600,)).start()
        settings = Settings()
    """
    begin = time.monotonic()
    assert load_settings(make(tmp_path, GOOD, end)).ok
    assert time.monotonic() - begin < 120


@pytest.mark.usefixtures("own_interpreter")
@pytest.mark.long
def test_an_application_that_prints_much(tmp_path: Path) -> None:
    """Output is read to its end, and no more kept of it than is allowed."""
    end = "print('x' * 20_000_000)\nsettings = Settings()"
    assert load_settings(make(tmp_path, GOOD, end)).ok


def test_a_checkout_of_odd_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and a relative path change nothing."""
    make(tmp_path / "my app -x", GOOD)
    monkeypatch.chdir(tmp_path)
    loaded = load_settings(Path("my app -x"))
    assert loaded.ok and loaded.env_files == ((tmp_path / "my app -x" / ".env", True),)
    assert os.environ["POSTGRES_PORT"] == "not a number"


PARTS = """
    from functools import cached_property
    from urllib.parse import quote_plus

    from pydantic import PostgresDsn, SecretStr

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_file="../.env", extra="ignore", env_prefix="APP_")

        DB_USER: str
        DB_PASSWORD: str
        DB_SERVER: str = "db"
        REDIS_PASSWORD: SecretStr | None = None
        MQ_PASSWORD: str = ""
        MODE: str = "x"

        @computed_field
        @property
        def database(self) -> PostgresDsn:
            return PostgresDsn(f"postgresql://{self.DB_USER}:{self.DB_PASSWORD}@{self.DB_SERVER}:5432/app")

        @cached_property
        def redis(self) -> str:
            return f"redis://:{self.REDIS_PASSWORD.get_secret_value()}@redis/0" if self.REDIS_PASSWORD else "redis://"

        @property
        def queue(self) -> str:
            return f"amqp://mq:{quote_plus(self.MQ_PASSWORD)}@mq"

        @property
        def unfinished(self) -> str:
            raise NotImplementedError(self.DB_PASSWORD)

    settings = Settings()
"""
RAW = {
    ("APP_DB_USER", "database", True),
    ("APP_DB_PASSWORD", "database", True),
    ("APP_REDIS_PASSWORD", "redis", True),
    ("APP_MQ_PASSWORD", "queue", False),
}


def parts(loaded: SettingsResult) -> set[tuple[str, str, bool]]:
    return {(part.variable, part.property, part.is_raw) for part in loaded.url_parts}


@pytest.mark.parametrize("dotenv", [None, "APP_DB_USER=u\nAPP_DB_PASSWORD=p\n", "APP_DB_USER=u\nAPP_DB_PASSWORD=a/b\n"])
def test_what_settings_put_into_a_url(tmp_path: Path, dotenv: str | None) -> None:
    """Found by evaluation, with values or without, whether escaped, and also where a present value breaks the URL."""
    loaded = load_settings(make(tmp_path, dotenv, PARTS))
    assert parts(loaded) == RAW and loaded.ok == (dotenv is not None)
    assert loaded.broken == ((("APP_DB_PASSWORD", "database"),) if dotenv and "a/b" in dotenv else ())


NESTED = """
    from pydantic import BaseModel, SecretStr

    class Database(BaseModel):
        user: str = "coins"
        password: SecretStr

        @property
        def url(self) -> str:
            return f"postgresql://{self.user}:{self.password.get_secret_value()}@db/app"

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_file="../.env", extra="ignore", env_nested_delimiter="__")

        db: Database

        @property
        def replica(self) -> str:
            return self.db.url.replace("@db", "@replica")

    def get_settings():
        return Settings()
"""


@pytest.mark.parametrize("dotenv", [None, "DB__PASSWORD=p\n"])
def test_a_nested_model_s_url(tmp_path: Path, dotenv: str | None) -> None:
    """Its own properties, and those of the settings around it."""
    loaded = load_settings(make(tmp_path, dotenv, NESTED))
    assert parts(loaded) == {
        (variable, name, True) for variable in ("DB__USER", "DB__PASSWORD") for name in ("db.url", "replica")
    }


@pytest.mark.usefixtures("own_interpreter")
def test_no_value_of_a_url_comes_back(tmp_path: Path) -> None:
    """Neither one that a property raises with, nor one that it prints."""
    value = secrets.token_hex(12)
    end = PARTS.replace('return f"amqp', 'print(self.MQ_PASSWORD); return f"amqp')
    canary(tmp_path, f"APP_DB_USER=u\nAPP_DB_PASSWORD={value}/{value}\nAPP_MQ_PASSWORD={value}\n", value, end)


@pytest.mark.long
def test_a_property_that_waits_keeps_no_answer_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known before stays; the process ends."""
    monkeypatch.setattr(settings_probe, "SECONDS", 20)
    end = PARTS.replace("raise NotImplementedError(self.DB_PASSWORD)", "import time; time.sleep(600)")
    begin = time.monotonic()
    loaded = load_settings(make(tmp_path, "APP_DB_USER=u\nAPP_DB_PASSWORD=p\n", end))
    assert loaded.ok and not loaded.obstacle and time.monotonic() - begin < 60


def test_packages_that_the_checkout_s_python_lacks_are_taken_from_ours(tmp_path: Path) -> None:
    """An empty virtual environment loads Settings with an e-mail field all the same, and what it lacks is named."""
    repository = make(tmp_path, f"{GOOD}MAIL=a@example.com\n", MAIL)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(repository / ".venv")], check=True)
    loaded = load_settings(repository)
    assert (loaded.ok, loaded.obstacle) == (True, "")
    assert {"email_validator", "pydantic", "pydantic_settings"} <= {*loaded.borrowed}
    assert load_settings(repository, python=sys.executable).borrowed == ()


MAIL = """
    from pydantic import EmailStr

    class Settings(Settings):
        MAIL: EmailStr

    settings = Settings()
"""


def test_the_python_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes before the checkout's own; a name is looked up as a shell would; a wrong one is refused."""
    repository = make(tmp_path, GOOD)
    (repository / ".venv/bin").mkdir(parents=True)
    (repository / ".venv/bin/python").write_text("no program\n")
    assert load_settings(repository, python=find_program(sys.executable)).ok
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert find_program("python") == str(Path(sys.executable).with_name("python"))
    assert find_program(" ") == ""
    with pytest.raises(UsageError, match="python nowhere is not an executable: name an interpreter"):
        find_program("nowhere")


@pytest.mark.parametrize("config", ["app/core/config.py", "src/app/settings.py", "backend/app/config.py"])
def test_settings_in_another_usual_place(tmp_path: Path, config: str) -> None:
    """They are found, and loaded from the folder that the application is imported from."""
    file = tmp_path / config
    file.parent.mkdir(parents=True)
    file.write_text(textwrap.dedent(CONFIG).replace("EXTRA", "ignore").replace("../.env", ".env"))
    (tmp_path / "backend/app/core").mkdir(parents=True, exist_ok=True)
    folder = import_folder(tmp_path, config)
    (tmp_path / folder / ".env").write_text(GOOD)
    assert read_settings(tmp_path).file.name == config and read_settings(tmp_path).folder == folder
    loaded = load_settings(tmp_path, config=config)
    assert (loaded.ok, loaded.obstacle, loaded.env_files) == (True, "", ((tmp_path / folder / ".env", True),))


@pytest.mark.parametrize("name", ["a\nb", "a b", "ü", "a\udcffb"])
def test_a_folder_of_any_name_may_have_the_env(tmp_path: Path, name: str) -> None:
    """Also one with a line end or bytes that are not UTF-8."""
    text = (
        "from pydantic_settings import BaseSettings\n\n\n"
        "class Settings(BaseSettings, env_file='.env', extra='ignore'):\n    A: str\n"
    )
    root = write_files(tmp_path / name, {"app/config.py": text, ".env": "A=1\n"})
    assert load_settings(root, root / ".env", config="app/config.py").ok
