"""Settings made by dynaconf: which variables it reads, which it demands, and what add_key says of them."""

from pathlib import Path

import pytest
from support.files import start_git, write_files

from omc_runbook.changes.add_key import plan as add_key
from omc_runbook.model.environment import KNOWN
from omc_runbook.model.errors import CannotEdit
from omc_runbook.repository.checkout import Checkout, read_checkout
from omc_runbook.repository.settings import read_settings
from omc_runbook.repository.settings_source import SettingsSource

CONFIG = """\
from dynaconf import Dynaconf, Validator

settings = Dynaconf(
    envvar_prefix="OMC",
    settings_files=["settings.toml", ".secrets.toml"],
    environments=True,
    load_dotenv=True,
    validators=[
        Validator("SECRET_KEY", "database.password", must_exist=True),
        Validator("TITLE", must_exist=True),
        Validator("SENTRY_DSN", must_exist=True, env="production"),
        Validator("PORT", gt=1024),
    ],
)
"""
TOML = """\
[default]
title = "platform"
dynaconf_merge = true

[default.database]
host = "db"

[production]
log_level = "warning"
"""
SECRETS = '[default]\nsecret_key = "0f6c2b6f7f3b4e63a1c7"\nopenai_api_key = "sk-0f6c2b6f7f3b4e63a1c7"\n'
MAIN = 'from app.config import settings\n\nprint(settings.STRIPE_KEY, settings["MAPS_KEY"], settings.get("NEWS_KEY"))\n'


def write(root: Path, config: str = CONFIG, **files: str) -> Path:
    texts = {"app/config.py": config, "app/main.py": MAIN, "settings.toml": TOML, ".secrets.toml": SECRETS}
    return write_files(root, {**texts, ".env.example": "OMC_SECRET_KEY=\n", **files})


def required(settings: SettingsSource) -> dict[str, bool]:
    return {each.variables[0]: each.required for each in settings.fields}


def test_its_variables_are_those_of_validators_of_files_and_of_the_code(tmp_path: Path) -> None:
    """A demand counts where no committed file has the setting; values of files are never kept."""
    settings = read_settings(write(tmp_path))
    assert required(settings) == {
        "OMC_SECRET_KEY": True,
        "OMC_DATABASE__PASSWORD": True,
        "OMC_TITLE": False,
        "OMC_SENTRY_DSN": False,
        "OMC_PORT": False,
        "OMC_DATABASE__HOST": False,
        "OMC_LOG_LEVEL": False,
        "OMC_OPENAI_API_KEY": False,
        **dict.fromkeys(("OMC_STRIPE_KEY", "OMC_MAPS_KEY", "OMC_NEWS_KEY"), False),
    }
    assert (settings.file, settings.library, settings.env_files) == (None, "dynaconf", (".env",))
    assert settings.ambiguities == (
        "dynaconf, made in app/config.py, line 3, takes any variable that begins with OMC_",
    )
    assert "0f6c2b6f" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("settings.yaml", "default:\n  title: platform\n  database:\n    password: ''\n"),
        ("config/settings.yml", "default: {title: platform, database: {password: ''}}\n"),
        ("settings.json", '{"default": {"TITLE": "platform", "DATABASE": {"password": ""}}}'),
    ],
)
def test_a_setting_of_a_file_of_yaml_or_json_has_a_default(tmp_path: Path, name: str, text: str) -> None:
    """As one of TOML has."""
    write(tmp_path, CONFIG.replace("settings.toml", name), **{name: text})
    demanded = {variable for variable, is_required in required(read_settings(tmp_path)).items() if is_required}
    assert demanded == {"OMC_SECRET_KEY"}


@pytest.mark.parametrize("text", ["default: [", "- title\n", '"\\UFFFFFFFF"', ""])
def test_a_file_that_is_not_valid_gives_no_default(tmp_path: Path, text: str) -> None:
    """The application stops at it, whatever the variables are."""
    write(tmp_path, CONFIG.replace("settings.toml", "settings.yaml"), **{"settings.yaml": text})
    assert required(read_settings(tmp_path))["OMC_SECRET_KEY"]


@pytest.mark.parametrize("name", ["settings.py", "config/*.toml", "settings.ini"])
def test_a_file_that_is_not_read_may_have_a_demanded_setting(tmp_path: Path, name: str) -> None:
    """One in Python or in dynaconf's dialect of INI, and those that a pattern names."""
    settings = read_settings(write(tmp_path, CONFIG.replace("settings.toml", name)))
    field = settings.find("OMC_SECRET_KEY")
    assert field and field.doubt == f"{name}, which is not read, may have it"


@pytest.mark.parametrize("name", ["settings.yaml", ".secrets.yaml"])
def test_a_file_that_git_ignores_may_have_a_demanded_setting(tmp_path: Path, name: str) -> None:
    """A task may lack it; one of secrets has to be filled by variables there."""
    files = {name: "default: {secret_key: x}\n", ".gitignore": f"{name}\n"}
    config = CONFIG.replace("settings.toml", name)
    field = read_settings(start_git(write(tmp_path, config, **files))).find("OMC_SECRET_KEY")
    doubt = f"{name}, which git or Docker ignores, may have it"
    assert field and field.required and field.doubt == (doubt if name == "settings.yaml" else "")
    (tmp_path / name).write_text("default: {title: x}\n")
    field = read_settings(tmp_path).find("OMC_SECRET_KEY")
    assert field and field.required and not field.doubt


@pytest.mark.parametrize(
    ("old", "new", "prefix"),
    [
        ('    envvar_prefix="OMC",\n', "", "DYNACONF_"),
        ('"OMC"', "False", ""),
        ('"OMC"', '"omc,shared"', "OMC_"),
        ("settings = Dynaconf", "settings = FlaskDynaconf", "OMC_"),
    ],
)
def test_what_variables_begin_with(tmp_path: Path, old: str, new: str, prefix: str) -> None:
    """As the option says, or as dynaconf has it."""
    settings = read_settings(write(tmp_path, CONFIG.replace(old, new)))
    assert settings.env_prefix == prefix and f"{prefix}SECRET_KEY" in required(settings)
    assert all(each.has_known_names for each in settings.fields)


@pytest.mark.parametrize(
    ("validators", "expected"),
    [
        ('Validator("A", must_exist=True) | Validator("B", must_exist=True)', {"OMC_A": False, "OMC_B": False}),
        ('Validator("A", must_exist=True) & Validator("B", must_exist=True)', {"OMC_A": True, "OMC_B": True}),
        (
            'Validator("A", must_exist=True, when=Validator("B", must_exist=True))',
            {"OMC_A": False, "OMC_B": False},
        ),
        ('Validator("A", must_exist=True), Validator("A", len_min=3)', {"OMC_A": True}),
    ],
    ids=["either", "both", "a condition", "two of one setting"],
)
def test_validators_that_are_combined(tmp_path: Path, validators: str, expected: dict[str, bool]) -> None:
    """As dynaconf evaluates them: a variable is required unless the validators can be satisfied without it."""
    assignment = f'settings = Dynaconf(envvar_prefix="OMC", validators=[{validators}])'
    (tmp_path / "config.py").write_text(f"from dynaconf import Dynaconf, Validator\n\n{assignment}\n")
    assert required(read_settings(tmp_path)) == expected


@pytest.mark.parametrize("prefix", ["PREFIX", "None"])
def test_a_file_without_environments_and_an_option_that_is_an_expression(tmp_path: Path, prefix: str) -> None:
    """Its tables are nested settings; an expression makes the names uncertain."""
    config = CONFIG.replace("    environments=True,\n    load_dotenv=True,\n", "").replace('"OMC"', prefix)
    settings = read_settings(write(tmp_path, config))
    assert "DEFAULT__TITLE" in required(settings) and settings.env_files == ()
    assert settings.ambiguities[0] == "envvar_prefix in app/config.py is an expression"
    assert not any(each.has_known_names for each in settings.fields)


def test_a_file_outside_of_the_checkout_is_not_read(tmp_path: Path) -> None:
    """Whatever the code names."""
    (tmp_path / "outside.toml").write_text("[default]\nOUTSIDE = 1\n")
    config = CONFIG.replace("environments=True", 'environments=True, settings_files=["../../outside.toml"]')
    assert "OMC_OUTSIDE" not in required(read_settings(write(tmp_path / "checkout", config)))


def test_variables_of_os_environ_count_too(tmp_path: Path) -> None:
    """An application may read some itself."""
    write(tmp_path, **{"app/worker.py": 'import os\n\nQUEUE = os.environ["QUEUE_URL"]\n'})
    assert required(read_settings(tmp_path))["QUEUE_URL"] is True


def plan(checkout: Checkout, name: str) -> list[str]:
    key = add_key.describe(name, "Headlines", "", False, "str", ())
    return [edit.file.name for edit in add_key.KeyEdits(checkout, key, KNOWN).plan({})]


def test_add_key_needs_the_prefix_and_no_field(tmp_path: Path) -> None:
    """The template alone gets it; a key that dynaconf would not read is refused with the one that it would."""
    checkout = read_checkout(write(tmp_path))
    with pytest.raises(CannotEdit, match=r"does not begin with OMC_, .* use the key OMC_ALPHA_API_KEY"):
        plan(checkout, "ALPHA_API_KEY")
    assert plan(checkout, "OMC_ALPHA_API_KEY") == [".env.example"]


def test_a_default_counts_for_the_validators_after_it(tmp_path: Path) -> None:
    """They run in their order, so that a demand before the default fails."""
    validators = """\
        Validator("HOST", default="db"),
        Validator("HOST", "PORT", must_exist=True),
        Validator("PORT", default=5432),
"""
    settings = read_settings(write(tmp_path, CONFIG.replace('        Validator("PORT", gt=1024),\n', validators)))
    assert required(settings)["OMC_HOST"] is False
    assert required(settings)["OMC_PORT"] is True
