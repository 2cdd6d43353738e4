"""The names of an environment: the guide's, runbook.toml's over them, and OMC_ variables over both."""

import json
import os
import re
import secrets
from pathlib import Path

import pytest

from omc_runbook.model.environment import Environment, known_names, load
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import warn_once, was_told
from omc_runbook.model.suggestions import did_you_mean, nearest


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without OMC_ variables."""
    for name in [name for name in os.environ if name.startswith("OMC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> str:
    path = folder / "runbook.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(text: str, folder: Path, environment: str = "staging") -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(UsageError) as caught:
        load(environment, write(folder, text))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert caught.value.exit_code == 3
    assert "runbook.toml" in sentence
    return sentence


def test_names_without_a_file_are_the_guides() -> None:
    """Each name is as in the guide's commands."""
    found = load("staging")
    assert found.source == "the guide"
    assert found.chosen == frozenset()
    assert found.names.model_dump() == {
        "region": "ap-southeast-2",
        "account_id": "",
        "profile": "",
        "role_arn": "",
        "external_id": "",
        "secret": "ohmycoins-staging-app-secrets",
        "cluster": "ohmycoins-staging",
        "clusters": (),
        "service": "backend",
        "task_family": "ohmycoins-staging-backend",
        "execution_role": "ohmycoins-staging-ecs-task-execution-role",
        "task_role": "ohmycoins-staging-ecs-task-role",
        "execution_policy": "ohmycoins-staging-ecs-task-execution-secrets-policy",
        "rotation_days": 180,
        "secret_description": "Application secrets of ohmycoins in staging",
        "secret_tags": {"Project": "ohmycoins", "Environment": "staging", "ManagedBy": "omc-runbook"},
        "kms_key": "",
        "recovery_days": 30,
    }


def test_other_clusters_are_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the file and in a variable."""
    path = tmp_path / "runbook.toml"
    path.write_text('[environments.staging]\nclusters = ["tools"]\n')
    assert load("staging", str(path)).names.clusters == ("tools",)
    monkeypatch.setenv("OMC_CLUSTERS", '["*"]')
    assert load("staging", str(path)).names.clusters == ("*",)


def test_production_rotates_sooner_and_wants_a_second_word() -> None:
    """Production has 90 days, and counts as production; staging does not."""
    assert load("production").names.rotation_days == 90
    assert load("production").is_production
    assert not load("staging").is_production


def test_local_is_an_environment() -> None:
    """The environment on a developer's machine is known too."""
    assert load("local").name == "local"


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_a_file_beside_the_notebooks_is_found(folder: str, bare: Path) -> None:
    """runbook.toml counts in the working folder and in notebooks/."""
    (bare / folder).mkdir(exist_ok=True)
    write(bare / folder, 'cluster = "blue"')
    found = load("staging")
    assert found.names.cluster == "blue"
    assert found.source.endswith("runbook.toml")


@pytest.mark.parametrize("place", [".", "notebooks"])
@pytest.mark.parametrize("folder", ["notebooks", "notebooks/mine/july"])
def test_a_kernel_in_a_folder_of_the_notebooks_finds_their_file(
    place: str, folder: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor starts it in the folder of the copy that it runs."""
    (bare / folder).mkdir(parents=True)
    write(bare / place, 'account_id = "123456789012"')
    monkeypatch.chdir(bare / folder)
    assert load("staging").names.account == "123456789012"


def test_a_file_that_cannot_be_looked_for_is_no_missing_file(bare: Path) -> None:
    """It may be in a folder that is closed to this user, or in none that a link leads to."""
    (bare / "notebooks").symlink_to("notebooks")
    with pytest.raises(
        UsageError, match=r"notebooks/runbook\.toml cannot be looked for: Too many levels.*\. Name a runbook"
    ):
        load("staging")
    (bare / "own").mkdir()
    assert load("staging", write(bare / "own", "")).name == "staging"


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        *((name, True) for name in ("Runbook.toml", "runbooks.toml", "runbook.tml", "run-book.toml")),
        ("Runbook.toml.txt", True),
        *((name, False) for name in ("notebook.toml", "runbook.ipynb", "pyproject.toml", "runbook.toml.2026-11-30")),
        *((name, False) for name in ("runbook-eu.toml", "my-runbook.toml")),
    ],
)
def test_a_misspelt_name_of_the_file_is_told(
    name: str, is_told: bool, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word, the account that it names would guard nothing."""
    (bare / name).write_text('account_id = "123456789012"')
    warn_once.cache_clear()
    # Nothing comes between what a person types and its completion.
    known_names()
    assert not capsys.readouterr().err
    load("staging")
    load("production")
    warning = f"warning: {bare / name} is not read: its name must be runbook.toml.\n"
    assert capsys.readouterr().err == (warning if is_told else "")
    # A run's kernel tells it again.
    assert was_told(warning.rstrip("\n")) == is_told
    write(bare, "")
    warn_once.cache_clear()
    load("staging")
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "table", "is_meant"),
    [
        *(("staging", table, True) for table in ("Staging", "stg", "stage", "stagin", "Stagging")),
        *(("production", table, True) for table in ("prod", "PRD", "live", "producton")),
        *(("staging", table, False) for table in ("staging2", "staging-eu", "qa", "production")),
        *(("staging", table, False) for table in ("stagingeu", "qastaging")),
        *(("production", table, False) for table in ("preproduction", "prod-eu", "productionus", "nonprod")),
        ("production", "products", False),
        *(("local", table, False) for table in ("Production", "locale")),
    ],
)
def test_a_table_in_another_spelling_is_no_missing_guard(
    environment: str, table: str, is_meant: bool, bare: Path
) -> None:
    """With the guide's names instead, any account would do; an environment of its own needs no other's table."""
    text = f'[environments.{table}]\naccount_id = "123456789012"\n'
    if is_meant:
        assert f"but {table} has: did you mean {table}?" in refusal(text, bare, environment)
        assert not load(environment, write(bare, f"{text}[environments.{environment}]\n")).names.account
        assert load(environment, write(bare, text), may_be_new=True).name == environment
    else:
        assert not load(environment, write(bare, text)).names.account


def test_a_variable_for_another_spelling_takes_no_guard_away(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an environment, a variable is no table of runbook.toml; one that names the account is a guard itself."""
    text = '[environments.prod]\naccount_id = "123456789012"\n'
    monkeypatch.setenv("OMC_ENVIRONMENTS__PRODUCTION__SERVICE", "api")
    assert "but prod has: did you mean prod?" in refusal(text, bare, "production")
    monkeypatch.setenv("OMC_ENVIRONMENTS__PRODUCTION__ACCOUNT_ID", "210987654321")
    assert load("production", write(bare, text)).names.account == "210987654321"


def test_a_table_of_one_environment_leaves_the_others(bare: Path) -> None:
    """A name set for staging is staging's alone; one set at the top is everybody's."""
    path = write(
        bare,
        'project = "coins"\nservice = "{project}-{environment}-api"\naccount_id = 123456789012\n'
        '[environments.staging]\ncluster = "{project}-blue"\nrotation_days = 30\n',
    )
    staging, production = load("staging", path), load("production", path)
    assert (staging.names.cluster, production.names.cluster) == ("coins-blue", "coins-production")
    assert (staging.names.service, production.names.service) == ("coins-staging-api", "coins-production-api")
    assert (staging.names.rotation_days, production.names.rotation_days) == (30, 90)
    assert staging.names.account_id == production.names.account_id == "123456789012"
    assert staging.chosen == {"service", "account_id", "cluster", "rotation_days"}
    assert production.chosen == {"service", "account_id"}


def test_a_table_makes_an_environment_known(bare: Path) -> None:
    """An environment that only the file names can be loaded, with the guide's names for it."""
    path = write(bare, "[environments.preview]\n")
    assert load("preview", path).names.secret == "ohmycoins-preview-app-secrets"


def test_variables_win_over_the_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMC_ variables beat the file's table for the environment, and the file's top."""
    path = write(bare, 'region = "eu-west-1"\nproject = "coins"\n[environments.staging]\ncluster = "blue"\n')
    monkeypatch.setenv("OMC_CLUSTER", "green-{environment}")
    monkeypatch.setenv("OMC_PROJECT", "pennies")
    found = load("staging", path)
    assert (found.names.cluster, found.names.region) == ("green-staging", "eu-west-1")
    assert found.names.secret == "pennies-staging-app-secrets"
    assert "cluster" in found.chosen


def test_a_variable_reaches_one_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMC_ENVIRONMENTS__NAME__FIELD sets a name for that environment only."""
    monkeypatch.setenv("OMC_ENVIRONMENTS__STAGING__CLUSTER", "blue")
    assert load("staging").names.cluster == "blue"
    assert load("production").names.cluster == "ohmycoins-production"


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("EU", "OMC_ENVIRONMENTS__EU__CLUSTER", "blue"),
        ("EU", "OMC_ENVIRONMENTS__EU", '{"cluster": "blue"}'),
        ("EU", "OMC_ENVIRONMENTS__EU__SECRET_TAGS__Project", "pennies"),
        ("Staging", "OMC_ENVIRONMENTS__STAGING__ACCOUNT_ID", "123456789012"),
    ],
)
def test_a_variable_that_would_reach_another_environment_is_refused(
    table: str, name: str, value: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pydantic-settings folds EU in it to eu, which would be an environment beside the file's."""
    path = write(bare, f"[environments.{table}]\n")
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"^{name} is invalid: it would set {table.lower()}, and runbook.toml has"):
        load(table, path)
    monkeypatch.delenv(name)
    monkeypatch.setenv("OMC_ENVIRONMENTS", json.dumps({table: {"cluster": "blue"}}))
    assert load(table, path).names.cluster == "blue"


@pytest.mark.parametrize("tables", ["[environments.eu]", "[environments.EU]\n[environments.eu]", ""])
def test_a_variable_reaches_an_environment_in_small_letters(
    tables: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file has it, another too, or none."""
    monkeypatch.setenv("OMC_ENVIRONMENTS__EU__CLUSTER", "blue")
    assert load("eu", write(bare, tables)).names.cluster == "blue"


@pytest.mark.parametrize("variable", ["OMC_ACCOUNT_ID", "omc_environments__staging__account_id"])
def test_an_empty_variable_takes_no_guard_away(variable: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script may set it from a variable of its own that is not there."""
    monkeypatch.setenv(variable, "")
    sentence = f"{variable} is invalid: account_id must be an account id of 12 digits, and it is empty. Set it, or"
    with pytest.raises(UsageError, match=sentence):
        load("staging", write(bare, '[environments.staging]\naccount_id = "123456789012"\n'))


def test_a_variable_for_one_environment_keeps_the_files_other_names(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable inside a table does not wipe what the file says there."""
    path = write(bare, '[environments.staging]\ncluster = "blue"\nservice = "api"\n')
    monkeypatch.setenv("OMC_ENVIRONMENTS__STAGING__CLUSTER", "green")
    found = load("staging", path)
    assert (found.names.cluster, found.names.service) == ("green", "api")


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("OMC_ACCOUNT_ID", "1234567", "account_id"),
        ("OMC_ROTATION_DAYS", "soon", "rotation_days"),
        ("OMC_ENVIRONMENTS", "{not json", "environments"),
        ("OMC_KEYS", "[]", "keys"),
        (
            "OMC_KEYS__NEW_API_KEY__REQUIRED",
            "yes",
            "^OMC_KEYS__NEW_API_KEY__REQUIRED is invalid: .* Set OMC_KEYS to JSON",
        ),
        ("OMC_DISCOVERY__TAGS__Project", "pennies", "^OMC_.*Project is invalid: .* Set OMC_DISCOVERY__TAGS to JSON"),
        (
            "OMC_ENVIRONMENTS__STAGING__SECRET_TAGS__Project",
            "pennies",
            "a tag's name in it would lose its capitals. Set OMC_ENVIRONMENTS__STAGING__SECRET_TAGS to JSON",
        ),
        ("OMC_SCHEDULES__0__CRON", "@daily", "^OMC_SCHEDULES__0__CRON is .* a list: set OMC_SCHEDULES to one as JSON"),
        ("OMC_ENVIRONMENTS__STAGING__CLUSTERS", '{"other": 1}', "clusters must be a list: set OMC_ENV.*__CLUSTERS to"),
        ("OMC_ENVIRONMENTS__STAGING__SERVCE__X", "api", "^OMC_ENV.*__X is invalid: .* did you mean service"),
        (
            "OMC_ENVIRONMENTS__STAGING__SERVICE__",
            "api",
            "^OMC_.*__SERVICE__ is invalid: .*service must be a text: set OMC_ENVIRONMENTS__STAGING__SERVICE to one",
        ),
        ("OMC_NOTIFY__FINDINGS", "env:HOOK", "^OMC_NOTIFY__FINDINGS is invalid: notify is not JSON"),
        ("OMC_NOTIFY", '{"findings": "env:HOOK"}', "^OMC_NOTIFY is invalid: notify.findings must be a list, such as"),
        ("OMC_ACCEPTED", '[{"check": "weak", "reason": 5}]', "^OMC_ACCEPTED is .*reason must be a text, in quotes"),
    ],
)
def test_a_bad_variable_is_one_sentence(name: str, value: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that cannot be used is named, and its text is not shown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=field) as caught:
        load("staging")
    assert "OMC_" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('service = "a{b"', "OMC_ENVIRONMENTS__PRODUCTION__SERVICE", "api"),
        ('clusters = "blue"', "OMC_ENVIRONMENTS__PRODUCTION__CLUSTERS", '["blue"]'),
        ('[environments.staging]\nclusters = "blue"', "OMC_ENVIRONMENTS", '{"production": {"cluster": "blue"}}'),
        ('[notify]\npinq = "env:HOOK"', "OMC_NOTIFY", '{"timeout": 5}'),
        ('[keys.A]\nsecret = "a"', "OMC_KEYS", '{"B": {"required": true}}'),
        ('[environments."a b"]', "OMC_ENVIRONMENTS", '{"preview": {}}'),
    ],
)
def test_a_variable_is_not_blamed_for_the_file(
    text: str, name: str, value: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that sets something else in the same table, or the same name for another environment, is right."""
    path = write(bare, text)
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"^{re.escape(path)} is invalid: "):
        load("staging", path)


def test_of_several_variables_of_a_table_that_which_is_not_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their order is."""
    for name, value in (("TIMEOUT", "5"), ("FINDINGS", "env:HOOK"), ("REMIND_DAYS", "[1]")):
        monkeypatch.setenv(f"OMC_NOTIFY__{name}", value)
    with pytest.raises(UsageError, match=r"^OMC_NOTIFY__FINDINGS is invalid: notify is not JSON"):
        load("staging")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("OMC_ACCOUNT_IDD", "OMC_ACCOUNT_ID"),
        ("OMC_CLUSTRE", "OMC_CLUSTER"),
        ("OMC_ACCOUNT", "OMC_ACCOUNT_ID"),
        ("OMC_ENVIRONMENT__STAGING__ACCOUNT_ID", "OMC_ENVIRONMENTS__STAGING__ACCOUNT_ID"),
        ("OMC_CLUSTER__X", "OMC_CLUSTER"),
        ("OMC_CLUSTRE__X", "OMC_CLUSTER"),
        ("OMC_SECRET_TAGS__Project", "OMC_SECRET_TAGS"),
        *(
            (each, "")
            for each in ("OMC_CLUSTERS", "OMC_RECORDS__KMS_KEY", "OMC_SECRET_KEY", "OMC_MAPS_KEY", "OMC_CACHE")
        ),
    ],
)
def test_a_misspelt_variable_is_told_and_ignored(
    name: str, suggestion: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be another program's; without a word, a misspelt account would guard nothing."""
    monkeypatch.setenv(name, '["*"]' if name == "OMC_CLUSTERS" else "env:HOOK")
    warn_once.cache_clear()
    load("staging")
    load("production")
    output = capsys.readouterr().err
    warning = f"warning: {name} is not a variable of omc-runbook, and is ignored: did you mean {suggestion}?\n"
    assert output == (warning if suggestion else "")


@pytest.mark.parametrize(
    ("name", "is_production"),
    [
        *((each, True) for each in ("prod", "prod-eu", "eu_prd", "Live", "prod2", "PRD01", "production1.eu", "live3")),
        *((each, True) for each in ("eu-live-1", "live-01", "live-eu", "Live_US-east-1", "live2.eu")),
        *(
            (each, True)
            for each in ("live-use1", "live2-apse2", "live_usgw1", "live-euc1-2", "live-eu1", "live-useast1")
        ),
        *((each, False) for each in ("test-use1", "live-use1-feed", "live-cases", "live-mess", "pre-prod-use1")),
        *((each, False) for each in ("preprod", "live-test", "prod2-staging1", "preprod2", "s3prod2x", "products")),
        *((each, False) for each in ("pre-prod", "non_prod", "pre-production2", "nonprod-eu")),
        *((each, False) for each in ("liveops", "live-1-feed", "live-eu-feed", "test-eu", "us-east-1", "1")),
    ],
)
def test_production_is_known_by_its_name_in_a_table_too(
    name: str, is_production: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is changed with a confirmation alone, and its values get as old as production's may."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runbook.toml").write_text(f'[environments."{name}"]\n')
    found = load(name)
    assert (found.is_production, found.names.rotation_days) == (is_production, 90 if is_production else 180)


@pytest.mark.parametrize(
    ("table", "is_production"),
    [
        ('prefix = "shop-prod"', True),
        ('secret = "shop-prod-app-secrets"', True),
        ('prefix = "shop-prod"\nregion = "eu-west-1"', False),
        ('prefix = "shop-prod"\naccount_id = "210987654321"', False),
        ('cluster = "shop-prod"', False),
    ],
)
def test_what_has_the_secret_of_production_is_production(table: str, is_production: bool, bare: Path) -> None:
    """Whatever it is called: a change of it is one of production's."""
    tables = f'[environments.production]\nprefix = "shop-prod"\n[environments.qa]\n{table}\n'
    assert load("qa", write(bare, f'account_id = "123456789012"\n{tables}')).is_production == is_production
    assert not load("qa", write(bare, tables)).is_production


OF_SECRETS = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret"
OF_SHOP = f"{OF_SECRETS}:shop"
IN_ACCOUNT = 'account_id = "123456789012"'


@pytest.mark.parametrize(
    ("production", "table", "is_production"),
    [
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "{OF_SHOP}-AbCdEf"', True),
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "{OF_SHOP}"', True),
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "shop"\n{IN_ACCOUNT}', True),
        (f'secret = "shop"\n{IN_ACCOUNT}', f'secret = "{OF_SHOP}-AbCdEf"\nregion = "eu-west-1"', True),
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "{OF_SHOP}2-AbCdEf"', False),
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "{OF_SHOP.replace("south", "north")}-AbCdEf"', False),
        (f'secret = "{OF_SHOP}-AbCdEf"', f'secret = "{OF_SHOP.replace("2345", "5432")}-AbCdEf"', False),
        (f'secret = "{OF_SHOP}-AbCdEf"', 'secret = "shop"', False),
        (f'secret = "shop"\nprofile = "live"\n{IN_ACCOUNT}', f'secret = "shop"\nprofile = "test"\n{IN_ACCOUNT}', True),
        (
            'secret = "shop"\nrole_arn = "arn:aws:iam::123456789012:role/live"',
            'secret = "shop"\nrole_arn = "arn:aws:iam::123456789012:role/test"',
            True,
        ),
        (
            'secret = "shop"\nrole_arn = "arn:aws:iam::123456789012:role/same"',
            'secret = "shop"\nrole_arn = "arn:aws:iam::210987654321:role/same"',
            False,
        ),
        (f'secret = "shop"\nprofile = "acme"\n{IN_ACCOUNT}', 'secret = "shop"\nprofile = "acme"', True),
        (f'secret = "shop"\nprofile = "live"\n{IN_ACCOUNT}', 'secret = "shop"\nprofile = "test"', False),
    ],
)
def test_an_arn_or_the_account_tells_that_a_secret_is_productions(
    production: str, table: str, is_production: bool, bare: Path
) -> None:
    """An ARN has the account and the region itself; profiles and roles that differ may be of one account."""
    tables = f"[environments.production]\n{production}\n[environments.qa]\n{table}\n"
    found = load("qa", write(bare, tables))
    assert (found.is_production, found.wants_confirmation) == (is_production, is_production)


@pytest.mark.parametrize(
    ("production", "table", "variable", "wants"),
    [
        ("", 'secret = "ohmycoins-production-app-secrets"', "", True),
        ("", "", "ohmycoins-production-app-secrets", True),
        ("", 'prefix = "ohmycoins-production"', "", True),
        ('profile = "live"', 'secret = "ohmycoins-production-app-secrets"', "", True),
        ('profile = "live"', 'profile = "test"\nsecret = "ohmycoins-production-app-secrets"', "", False),
        ("", 'region = "eu-west-1"\nsecret = "ohmycoins-production-app-secrets"', "", False),
        ('secret = "app"', 'secret = "app"', "", False),
        ("", 'profile = "test"', f"{OF_SHOP}-AbCdEf", False),
        ('secret = "shop-live"', f'secret = "{OF_SHOP}-live-AbCdEf"', "", True),
        ('profile = "live"', 'profile = "test"', f"{OF_SECRETS}:ohmycoins-production-app-secrets-AbCdEf", True),
        ("", "", "", False),
    ],
)
def test_a_secret_that_is_productions_by_its_name_is_changed_with_a_confirmation(
    production: str, table: str, variable: str, wants: bool, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no account is named, it is not known to be production; environments may have one name in two accounts."""
    if variable:
        monkeypatch.setenv("OMC_SECRET", variable)
    tables = f"[environments.production]\n{production}\n[environments.staging]\n{table}\n"
    found = load("staging", write(bare, tables))
    assert (found.wants_confirmation, found.is_production) == (wants, False)


@pytest.mark.parametrize("production", ["live", "live-eu", "prd"])
def test_a_secret_with_the_name_of_the_production_of_the_file_is_changed_with_a_confirmation(
    production: str, bare: Path
) -> None:
    """Also with "live" in the middle of the secret's name, where it does not always mean production."""
    tables = f'[environments.{production}]\n[environments.qa]\n[environments.copy]\nprefix = "ohmycoins-{production}"\n'
    path = write(bare, tables)
    assert load("copy", path).wants_confirmation and not load("copy", path).is_production
    assert not load("qa", path).wants_confirmation


@pytest.mark.parametrize(
    ("table", "variable", "is_production"),
    [
        ('[environments.staging]\nsecret = "ohmycoins-production-app-secrets"', "", True),
        ("", "ohmycoins-production-app-secrets", True),
        ("[environments.production]", "ohmycoins-production-app-secrets", True),
        ("[environments.production]", "acme-staging", False),
        ('[environments.production]\nsecret = "acme-production"', "ohmycoins-production-app-secrets", False),
        ('secret = "acme"', "", False),
        ("", "", False),
    ],
)
def test_production_needs_no_table_for_its_secret_to_be_known(
    table: str, variable: str, is_production: bool, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was left in the shell may name it, and a secret of this run's alone is not production's."""
    if variable:
        monkeypatch.setenv("OMC_SECRET", variable)
    found = load("staging", write(bare, f'account_id = "123456789012"\n{table}\n'))
    assert found.is_production == is_production


@pytest.mark.parametrize(
    ("environment", "hint"),
    [("stagin", "staging"), ("prod", "production"), ("PRODUCTION", "production"), ("loc", "local")],
)
def test_an_unknown_environment_gets_the_nearest(environment: str, hint: str) -> None:
    """A mistyped environment is refused with the name that was probably meant."""
    with pytest.raises(UsageError, match=f'Environment "{environment}" is unknown: did you mean {hint}?'):
        load(environment)


def test_several_environments_where_one_is_meant_are_no_misspelling() -> None:
    """What looks at several is named."""
    with pytest.raises(UsageError, match=r"once for each of staging, qa, .* by omc-runbook fleet staging qa\."):
        load("staging, qa")


def test_an_unknown_environment_unlike_any_gets_the_list() -> None:
    """Where no name is near, those that exist are listed."""
    with pytest.raises(UsageError, match=r"there are local, production, staging\."):
        load("qzx")


def test_nearest_says_when_there_is_none() -> None:
    """An empty list of names gives no hint."""
    assert nearest("anything", ()) == ", nor any other."
    assert nearest("anything", ("qa",)) == ": there is only qa."
    # One letter is in most names.
    assert nearest("A", ("FIRST_SUPERUSER_PASSWORD",)) == ": there is only FIRST_SUPERUSER_PASSWORD."
    assert nearest("anything", map(str, range(200))) == ", and none of the 200 that exist is similar."
    assert (did_you_mean("", "ab"), did_you_mean("staging", ("did you mean: production",))) == ("", "")
    assert (did_you_mean("a:b", ("", "qa")), nearest("a:b", ("", "qa"))) == ("", ": there is only qa.")
    assert nearest("a:b", ("",)) == ", nor any other."
    assert (
        did_you_mean("stagin", ("staging", "qa")) == nearest("stagin", ("staging", "qa")) == ": did you mean staging?"
    )


@pytest.mark.parametrize(
    "text",
    [
        "rotation_days = 99999",
        "[records]\nkeep_days = 9999999\nkeep_count = 1000000000",
        "[notify]\nremind_days = [1, 99999]",
        '[[schedules]]\nrunbook = "verify"\ncron = "0 7 * * *"\ngrace_minutes = 99999999',
    ],
)
def test_a_great_number_means_never(text: str, bare: Path) -> None:
    """Nothing is added to a date but the days after which a rotation is due, and the grace."""
    assert load("staging", write(bare, text)).name == "staging"


def test_an_environment_of_the_file_is_a_hint_too(bare: Path) -> None:
    """Names in the file count among those that may have been meant."""
    path = write(bare, "[environments.preview]\n")
    with pytest.raises(UsageError, match=r"did you mean preview\?"):
        load("previw", path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cluster = ", "not valid TOML"),
        ("[environments.staging\n", "not valid TOML"),
        ('servce = "api"', "servce is not a known name: did you mean service?"),
        ('[environments.staging]\nclustr = "x"', "environments.staging.clustr is not a known name"),
        ("[environments.staging.keys]", "environments.staging.keys is not a known name: keys is set once, for all"),
        ("[environments.staging]\naudits = 1", "environments.staging.audits is not a known name: there are account_id"),
        ("[prod]", "prod is not a known name: the table of an environment is [environments.prod]."),
        ("environments = 3", "environments"),
        (f"account_id = {'1' * 5000}", "is not valid TOML: a number has too many digits."),
        ("keys = []", "keys"),
        ("rotation_days = 0", "rotation_days"),
        ("[environments.staging]\nrotation_days = -1", "rotation_days"),
        ("cluster = []", "cluster"),
        (
            'secret = "{projct}-secrets"',
            "secret must be a name, with no braces but those of {project}, {environment} and",
        ),
        ('[environments.staging]\ntask_role = "{}"', "environments.staging.task_role must be a name, with no braces"),
        ('cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/app"', "cluster must be a name, with no braces but"),
        (
            'clusters = ["app", "arn:aws:ecs:eu-west-1:123456789012:cluster/b"]',
            "clusters.1 must be the name of a cluster",
        ),
        ('clusters = ["{project}-tools"]', "clusters.0 must be the name of a cluster, with no placeholder and no ARN"),
        ('task_role = "service-role/app"', "of letters, digits and _+=,.@-, with no path and no ARN"),
        ('service = "app/backend"', "service must be a name, with no braces but"),
        (
            'secret = "arn:aws:kms:eu-west-1:123456789012:key/app"',
            "of letters, digits and /_+=.@!-, or the ARN of a secret",
        ),
        ('secret = "app secrets"', "secret must be a name, with no braces but"),
        (
            'execution_role = "arn:aws:iam::123456789012:role/execution"',
            "execution_role must be a name, with no braces",
        ),
        ('role_arn = "runbooks"', "role_arn must be the ARN of an IAM role"),
        ('role_arn = "arn:aws:iam::123456789012:role/{team}"', "role_arn must be the ARN of an IAM role"),
        ('prefix = "{prefix}-app"', "prefix must be a text, with no braces but those of {project} and {environment}."),
        ('project = "{environment}"', "project must be a name, with no braces."),
        ('kms_key = "alias/{projct}"', "kms_key must be the id, ARN or alias of a KMS key, with no braces but"),
        *(
            (text.replace("123456789012", "١٢٣٤٥٦٧٨٩٠١٢"), f"{text.partition(' = ')[0]} must be ")
            for text in (
                'account_id = "123456789012"',
                'role_arn = "arn:aws:iam::123456789012:role/runbooks"',
                'secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app"',
                'audit.event_data_store = "arn:aws:cloudtrail:eu-west-1:123456789012:eventdatastore/a1"',
            )
        ),
        (
            '[notify]\nfindings = ["sns:arn:aws:sns:eu-west-1:١٢٣٤٥٦٧٨٩٠١٢:on-call"]',
            "notify.findings.0 must be env:NAME or file:PATH",
        ),
        ('region = "eu-west-١"', "region must be an AWS region"),
        ('external_id = "two words"', "external_id must be 2 to 1224 letters, digits"),
        ("[discovery]", "discovery must have either secrets, a name with one *, or the table tags."),
        ('[keys.""]\nrequired = true', "keys has a table without a name: that is the key's, as in [keys.NEW_API_KEY]."),
        ('[keys.NEW]\nrequired_if = "openai"', "keys.NEW.required_if must be a variable and its values, such as"),
        ('[discovery]\nsecrets = "secrets"', "discovery.secrets must be a name with exactly one *"),
        ('[discovery]\nsecrets = "{prefix}-*"', "-app-secrets, with no braces but those of {project}."),
        (
            'records.kms_key = "alias/{project}"',
            "records.kms_key must be the id, ARN or alias of a KMS key, with no braces.",
        ),
        ('[discovery]\nsecret = "*"', "discovery.secret is not a known name: did you mean secrets?"),
        (
            "remind_days = [1]",
            "runbook.toml is invalid: remind_days is not a known name: remind_days belongs in [notify].",
        ),
        ('check = "smtp"', "check is not a known name: check belongs in [keys.NAME] or in [[accepted]]."),
        ('[notify]\nrepository = "~"', "notify.repository is not a known name: repository belongs above all tables."),
        (
            'environment_tag = "Stage"',
            "not a known name: did you mean environments? environment_tag belongs in [discovery].",
        ),
        (
            '[notify]\nprefix = "sk-"',
            "notify.prefix is not a known name: prefix belongs above all tables, in [environments.NAME] or in [keys.",
        ),
        (
            '[[accepted]]\ncheck = "weak"\nreason = "a"\nregion = "eu-west-1"',
            "accepted.0.region is not a known name: region belongs above all tables or in [environments.NAME].",
        ),
        (
            '[[accepted]]\ncheck = "weak"\nreason = "Meant"\nsubject = ""',
            "accepted.0.subject must be a text that is not empty.",
        ),
        ('[[accepted]]\ncheck = " "\nreason = "Meant"', "accepted.0.check must be a text that is not empty."),
        ('[[schedules]]\nrunbook = " "\ncron = "0 7 * * *"', "schedules.0.runbook must be a text that is not empty."),
        (
            '[[schedules]]\nrunbook = "verify"\nenvironment = ""\ncron = "0 7 * * *"',
            "schedules.0.environment must be a text that is not empty.",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, reason: str, bare: Path) -> None:
    """The message says what is wrong and where in the file."""
    assert reason in refusal(text, bare)


def test_the_nearest_name_of_a_table_is_given(bare: Path) -> None:
    """A mistyped name in an environment's table gets its hint as well."""
    assert "did you mean cluster?" in refusal('[environments.staging]\nclustr = "x"', bare)


def test_a_bad_name_counts_in_another_environments_table_too(bare: Path) -> None:
    """The file is checked whole, so that a mistake for production shows while staging is used."""
    assert "environments.production.clustr" in refusal('[environments.production]\nclustr = "x"', bare)


@pytest.mark.parametrize("table", ["", "[environments.staging]\n"])
def test_a_wrong_account_id_is_told_without_showing_it(table: str, bare: Path) -> None:
    """An account id must have twelve digits."""
    wrong = str(secrets.randbelow(10**8) + 10**9)
    sentence = refusal(f'{table}account_id = "{wrong}"', bare)
    assert "account_id must be an account id of 12 digits" in sentence
    assert wrong not in sentence


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ('[keys.SECRET_KEY]\nvalue = "{}"', "keys.SECRET_KEY.value is not a known name"),
        ('[keys.SECRET_KEY]\nrequired = "{}"', "keys.SECRET_KEY.required"),
        ('[keys.SECRET_KEY]\nweak_below = "{}"', "keys.SECRET_KEY.weak_below"),
        ('[keys.SECRET_KEY]\neffect = "{}"', "keys.SECRET_KEY.effect"),
        ('[keys]\nSECRET_KEY = "{}"', "keys.SECRET_KEY"),
        ('SECRET_KEY = "{}"', "SECRET_KEY is not a known name"),
        ('[environments]\nstaging = "{}"', "environments.staging"),
        ('SECRET_KEY = "{}', "not valid TOML"),
    ],
)
def test_a_value_in_the_wrong_place_is_not_shown(form: str, reason: str, bare: Path) -> None:
    """A secret's value that somebody wrote into the file stays out of the message."""
    value = secrets.token_urlsafe(24)
    sentence = refusal(form.format(value), bare)
    assert reason in sentence
    assert value not in sentence


def test_a_mistyped_field_of_a_key_gets_the_nearest(bare: Path) -> None:
    """The fields of a key are what a name in its table is compared with."""
    assert "did you mean required?" in refusal("[keys.NEW_KEY]\nrequird = true", bare)


def test_a_missing_file_is_refused(bare: Path) -> None:
    """A path that was named must exist."""
    for name in ("nowhere.toml", f"{'x' * 300}.toml", "."):
        with pytest.raises(UsageError, match="is not a file: name a runbook"):
            load("staging", str(bare / name))


def test_a_file_that_is_no_text_is_refused(bare: Path) -> None:
    """The message says that the file is not UTF-8."""
    (bare / "runbook.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load("staging")


def keys_of(found: Environment) -> list[str]:
    return list(found.keys)


def test_a_table_adds_a_key_or_changes_one(bare: Path) -> None:
    """[keys.NAME] lays its fields over the catalogue's, and a new name comes last."""
    path = write(bare, '[keys.SMTP_HOST]\nrequired = true\n[keys.NEW_KEY]\nvariable = "NEW"\n')
    found = load("staging", path)
    assert found.keys["SMTP_HOST"].required
    assert found.keys["SMTP_HOST"].form == "host"
    assert keys_of(found) == [*keys_of(load("staging", write(bare, ""))), "NEW_KEY"]
    assert found.keys["NEW_KEY"].variable == "NEW"


def test_what_a_new_secret_gets_can_be_set(bare: Path) -> None:
    """Names are filled into the description and the tags, and one environment may have tags of its own."""
    text = """
secret_description = "Keys of {environment}"
secret_tags = { Team = "{project}-platform" }
[environments.production]
secret_tags = { CostCentre = "12" }
recovery_days = 7
"""
    staging, production = (load(name, write(bare, text)).names for name in ("staging", "production"))
    assert (staging.secret_description, staging.secret_tags) == ("Keys of staging", {"Team": "ohmycoins-platform"})
    assert (production.secret_tags, production.recovery_days) == ({"CostCentre": "12"}, 7)


@pytest.mark.parametrize("days", [6, 31])
def test_a_recovery_window_that_aws_does_not_know_is_refused(bare: Path, days: int) -> None:
    """Secrets Manager takes 7 to 30 days."""
    assert "recovery_days" in refusal(f"recovery_days = {days}", bare)


def test_a_prefix_is_the_start_of_every_name(bare: Path) -> None:
    """An environment whose resources are called otherwise than it is has all names by one line."""
    path = write(bare, '[environments.production]\nprefix = "ohmycoins-prod"\ncluster = "{prefix}-cluster"\n')
    production, staging = load("production", path), load("staging", path)
    assert production.names.secret == "ohmycoins-prod-app-secrets"
    assert production.names.execution_role == "ohmycoins-prod-ecs-task-execution-role"
    assert production.names.cluster == "ohmycoins-prod-cluster"
    assert production.names.secret_tags["Environment"] == "production"
    assert staging.names.secret == "ohmycoins-staging-app-secrets"
    assert staging.others["production"].secret == "ohmycoins-prod-app-secrets"


def test_a_prefix_may_be_a_variable(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMC_PREFIX overrides, as every name's variable does."""
    monkeypatch.setenv("OMC_PREFIX", "coins-{environment}")
    assert load("staging").names.task_family == "coins-staging-backend"


def test_accepted_findings_belong_to_an_environment_or_to_all(bare: Path) -> None:
    """With a date or without one."""
    path = write(
        bare,
        '[[accepted]]\ncheck = "desired-zero"\nreason = "costs"\nuntil = 2026-12-31\nenvironment = "staging"\n'
        '[[accepted]]\ncheck = "weak"\nsubject = "SMTP_*"\nreason = "legacy"\nuntil = "2027-01-31"\n',
    )
    assert [entry.title for entry in load("staging", path).accepted] == ["desired-zero", "weak SMTP_*"]
    (entry,) = load("production", path).accepted
    assert entry.sentence == "Accepted until 2027-01-31: legacy."


def test_spaces_around_an_accepted_check_are_no_part_of_it(bare: Path) -> None:
    """With them, it would accept nothing."""
    path = write(bare, '[[accepted]]\ncheck = "weak "\nsubject = " SMTP_*"\nreason = "legacy"\n')
    (entry,) = load("staging", path).accepted
    assert entry.covers("weak", "SMTP_PASSWORD")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('check = "weak"', "accepted.0.reason"),
        ('check = "weak"\nreason = " "', "accepted.0.reason must be a sentence."),
        ('check = "weak"\nreason = "x"\nuntil = "soon"', "accepted.0.until"),
        *(
            (f'check = "weak"\nreason = "x"\nuntil = {until}', "accepted.0.until must be a date, such as 2027-06-30.")
            for until in ("2027-06-30T00:00:00+12:00", '"2027-06-30T00:00:00Z"', "20270630")
        ),
        ('check = "weak"\nreason = "x"\nuntill = 2026-01-01', "did you mean until?"),
    ],
)
def test_an_accepted_finding_needs_a_reason_and_a_date_that_is_one(line: str, reason: str, bare: Path) -> None:
    """Nobody accepts anything by a typing error."""
    assert reason in refusal(f"[[accepted]]\n{line}\n", bare)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret", "{project}/{environment}/app_1+=.@!-secrets"),
        ("secret", "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:app/{environment}-AbCdEf"),
        ("cluster", "{prefix}_Cluster-1"),
        ("execution_role", "{prefix}_+=,.@-role"),
        ("clusters", ["*", "Tools_1"]),
    ],
)
def test_every_name_that_aws_accepts_is_accepted(name: str, value: object, bare: Path) -> None:
    """With all characters that a name of its kind may have."""
    path = write(bare, f"{name} = {json.dumps(value)}")
    assert getattr(load("staging", str(path)).names, name)
