"""The local_setup runbook, as a developer runs it: without an account, in the sandbox, and with docker's stand-in."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from dotenv import dotenv_values
from support.dotenv_faults import ALIAS, HEX, IGNORES, edit, put
from support.local_setup_runs import assert_absent, bench, first, plan_file, tree, turn, write_file
from support.paths import SUPPORT
from support.platform_checkout import Platform
from support.runs import PAPERMILL, SECRET, Desk, assert_nothing_leaked, client, deny, sign_in

from omc_runbook.changes.dotenv import executor
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking.strength import digits_of_guesses
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import ConflictError, UsageError
from omc_runbook.report import local_setup as report
from omc_runbook.runbooks import local_setup
from omc_runbook.sandbox.ecs import application
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.workstation.docker import SECONDS, ComposeContainer, find_compose
from omc_runbook.workstation.workstation import NOT_LOADED

__all__ = ["bench", "first"]
MADE = ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD")
STANDIN = SUPPORT / "standin_docker.sh"


@pytest.fixture
def platform(tmp_path: Path, first: Platform) -> Platform:
    """A checkout in git, without a .env."""
    return Platform(Path(shutil.copytree(first.root, tmp_path / "omc")))


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    """A desk without a sign-in and without names from elsewhere."""
    (tmp_path / "desk").mkdir()
    bare_desk = Desk(tmp_path / "desk", sandbox)
    bare_desk.variables = {k: v for k, v in bare_desk.variables.items() if not k.startswith(("AWS_", "OMC_"))}
    return bare_desk


def run(desk: Desk, platform: Platform, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`omc-runbook run local_setup` on a checkout."""
    command = [str(Path(PAPERMILL).with_name("omc-runbook")), "run", "local_setup", "--record", str(desk.record)]
    return desk.call([*command, "-p", "repository", str(platform.root), *words], **variables)


def values_file(folder: Path, **values: str) -> Path:
    path = folder / "values"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def others(platform: Platform) -> list[str]:
    """All that is in the checkout but its .env, as text."""
    return [
        content.decode("latin-1") for name, (_, _, content) in tree(platform.root).items() if name not in ("", ".env")
    ]


def test_an_apply_makes_a_private_file_that_the_application_starts_with(desk: Desk, platform: Platform) -> None:
    """Exit 0 with the provider's key in a file; the values are strong, and nowhere but in the .env."""
    key = f"sk-{HEX(20)}"
    source = values_file(desk.root.parent, OPENAI_API_KEY=key)
    process = run(desk, platform, "-p", "apply", "true", "-p", "values_from", f"file:{source}", "--summary")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("local_setup on your .env: ok\n")
    assert "local_setup on your .env: applied, ok" in next(desk.record.glob("*-*.html")).read_text()
    assert platform.dotenv.stat().st_mode & 0o777 == 0o600
    variables = {name: value or "" for name, value in dotenv_values(platform.dotenv).items()}
    assert variables["OPENAI_API_KEY"] == key and source.exists()
    assert all(digits_of_guesses(Masked(variables[name], name)) > 20 for name in MADE)
    assert [variables[name] for name in ("SMTP_USER", "SMTP_PASSWORD", "SENTRY_DSN")] == ["", "", ""]
    assert platform.git("status", "--porcelain") == ""
    started = platform.run_backend("import app.main")
    assert (started.returncode, started.stderr) == (0, "") and "Oh My Coins: local" in started.stdout
    # The sandbox's application would log in at a database that is named.
    alone = {name: value for name, value in variables.items() if name != "POSTGRES_SERVER"}
    command = [sys.executable, "-I", str(application.__file__)]
    server = subprocess.run(command, env=alone | {"PORT": "0"}, input="", capture_output=True, text=True, timeout=30)
    assert server.returncode == 0 and "Application startup complete." in server.stdout
    assert desk.outcome()["root_causes"] == [] and {"key": "SECRET_KEY"}.items() <= desk.outcome()["changes"][1].items()
    assert_nothing_leaked(desk, [key, *(variables[name] for name in MADE)], process.stdout)
    assert_absent([key, *(variables[name] for name in MADE)], *others(platform))


@pytest.mark.usefixtures("bench")
def test_a_dry_run_writes_nothing_and_says_what_is_to_do(platform: Platform) -> None:
    """Nothing in the checkout is other than before, git's own files included, whether there is a .env or not."""
    before = tree(platform.root)
    result = turn(platform)
    assert (result.exit_code, result.causes, result.outcome["changes"]) == (1, ["dotenv-missing"], [])
    assert "63 variables, readable only by you" in result.shown and tree(platform.root) == before
    platform.write_dotenv(SECRET_KEY="changethis", TAG=None)
    before = tree(platform.root)
    result = turn(platform)
    assert result.causes == ["changethis"] and "+SECRET_KEY=‹SECRET_KEY: new›" in result.shown
    assert tree(platform.root) == before


def test_the_checkouts_code_is_not_run_without_consent(
    platform: Platform, tmp_path: Path, bench: pytest.MonkeyPatch
) -> None:
    """A dry run reads it as text and says what it did not look at; with consent, and after an apply, it is loaded."""
    trace = tmp_path / "ran"
    trap = f"import os, pathlib\npathlib.Path({str(trace)!r}).write_text(' '.join(os.environ))\n"
    platform.config.write_text(trap + platform.config.read_text())
    platform.write_dotenv(SENTRY_DSN="no address")
    bench.setenv("AWS_SECRET_ACCESS_KEY", "not for the checkout")
    result = turn(platform, allow_code=False)
    assert not trace.exists() and (result.exit_code, result.status("settings-refused")) == (0, "skipped")
    assert NOT_LOADED in result.shown and "not loaded: allow_code is not set" in result.shown
    result = turn(platform, allow_code=True)
    assert "settings-refused" in result.causes and "AWS_" not in trace.read_text()
    trace.unlink()
    platform.dotenv.unlink()
    result = turn(platform, apply=True, allow_code=False)
    assert trace.exists() and result.status("settings-refused") == "clear"


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("more", ["", "POSTGRES_PASSWORD=\n"])
def test_a_value_under_a_slip_of_its_name_gets_none_made_up_beside_it(platform: Platform, more: str) -> None:
    """Whether the right name is there without a value or not at all: the typed one is named, and stays."""
    mine = secrets.token_hex(16)
    write_file(plan_file(platform))
    text = platform.dotenv.read_text()
    line = next(each for each in text.splitlines(keepends=True) if each.startswith("POSTGRES_PASSWORD="))
    platform.dotenv.write_text(text.replace(line, f"POSTGRES_PASWORD={mine}\n{more}"))
    result = turn(platform, apply=True)
    assert "misspelt" in result.causes and result.exit_code == 1
    assert platform.dotenv.read_text() == text.replace(line, f"POSTGRES_PASWORD={mine}\n{more}")
    assert_absent([mine], result.shown)


@pytest.mark.usefixtures("bench")
def test_a_name_that_is_there_in_both_cases_is_left_to_whoever_knows_which(platform: Platform) -> None:
    """Renaming the one would only let it beat the other."""
    write_file(plan_file(platform))
    text = f"{platform.dotenv.read_text()}secret_key={secrets.token_hex(16)}\n"
    platform.dotenv.write_text(text)
    result = turn(platform, apply=True)
    assert "lowercase" in result.causes and platform.dotenv.read_text() == text


@pytest.mark.usefixtures("bench")
def test_without_the_providers_key_the_run_says_where_to_get_it_and_the_next_one_completes(platform: Platform) -> None:
    """First exit 1 for what nobody can make up; then 0; then nothing is left to do, and nothing is touched."""
    first = turn(platform, apply=True)
    assert (first.exit_code, first.causes) == (1, ["required-empty"])
    assert "https://platform.openai.com/api-keys" in first.shown and "OPENAI_API_KEY=" in platform.dotenv.read_text()
    first_values = dotenv_values(platform.dotenv)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_KEY", f"OPENAI_API_KEY=sk-{HEX(20)}")
        second = turn(platform, apply=True, values_from="env:MY_KEY")
    assert (second.exit_code, second.causes) == (0, [])
    assert [each["key"] for each in second.outcome["changes"]] == ["OPENAI_API_KEY"]
    assert {name for name, value in dotenv_values(platform.dotenv).items() if value != first_values[name]} == {
        "OPENAI_API_KEY"
    }
    before, inode = tree(platform.root), platform.dotenv.stat().st_ino
    third = turn(platform, apply=True)
    assert (third.exit_code, third.outcome["changes"]) == (0, [])
    assert (tree(platform.root), platform.dotenv.stat().st_ino) == (before, inode)


@pytest.mark.usefixtures("bench")
def test_an_outcome_tells_a_file_that_is_new_from_variables_that_came_into_one(platform: Platform) -> None:
    """Whoever reads it alone learns whether there was a .env before."""
    first = turn(platform, apply=True)
    first_change = first.outcome["changes"][0]
    assert (first_change["action"], first_change["file"]) == ("created", ".env")
    lines = platform.dotenv.read_text().splitlines(keepends=True)
    platform.dotenv.write_text("".join(line for line in lines if not line.startswith("TAG=")))
    second = turn(platform, apply=True)
    assert [(each["action"], each["key"]) for each in second.outcome["changes"]] == [("added", "TAG")]
    assert "Added: TAG." in second.shown


@pytest.mark.usefixtures("bench")
def test_only_a_required_variable_is_missing(platform: Platform) -> None:
    """What the .env lacks and nothing requires is shown too, and is no error."""
    write_file(plan_file(platform))
    lines = platform.dotenv.read_text().splitlines(keepends=True)
    beginnings = ("LOG_LEVEL=", "POSTGRES_PASSWORD=")
    platform.dotenv.write_text("".join(line for line in lines if not line.startswith(beginnings)))
    rows = {row[0]: row[-1] for row in report.variables(turn(platform).snapshot).rows}
    assert (rows["LOG_LEVEL"], rows["POSTGRES_PASSWORD"]) == ("absent", "missing")


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("before", [None, "postgres_password=mine-and-no-one-elses\n", "SECRET_KEY: x\n", "A=1\n"])
def test_a_file_that_was_edited_between_the_look_and_the_plan_is_left_alone(
    before: str | None, platform: Platform
) -> None:
    """Lines that were counted in the old text say nothing of the new one, and nothing is lost of it."""
    if before:
        platform.dotenv.write_text(before)
    started = local_setup.begin("local", "", str(platform.root), "", True)
    snapshot = local_setup.look(started)
    for after in (b"# mine\npostgres_password=mine-and-no-one-elses\n", b"\xff\xfe"):
        platform.dotenv.write_bytes(after)
        with pytest.raises(ConflictError, match="was changed since it was read"):
            local_setup.plan(started, snapshot)
        assert platform.dotenv.read_bytes() == after


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    "head",
    [
        *("POSTGRES_PASSWORD='x' ", 'POSTGRES_PASSWORD="x"'),
        *(f"{mark}POSTGRES_PASSWORD=" for mark in ("set ", "- ", "$env:", "\ufeff")),
        *("POSTGRES PASSWORD=", '"POSTGRES_PASSWORD"=', '"POSTGRES_PASSWORD": '),
    ],
)
def test_a_value_in_a_line_that_cannot_be_read_is_not_replaced(head: str, platform: Platform) -> None:
    """It is somebody's, and theirs to finish: no other one is made up beside it."""
    platform.write_dotenv()
    text = platform.dotenv.read_text().replace("\nPOSTGRES_PASSWORD=", f"\n{head}")
    platform.dotenv.write_text(text)
    assert turn(platform, apply=True).causes == ["unreadable-line"] and platform.dotenv.read_text() == text


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("is_there", [True, False])
def test_an_optional_variable_that_must_not_be_empty_becomes_a_comment(is_there: bool, platform: Platform) -> None:
    """Where Settings takes no empty text, the template's own line is as wrong as anybody's; a second run adds none."""
    platform.edit(platform.config, f'env_file="../.env",\n{IGNORES}', 'env_file="../.env",\n')
    platform.edit(platform.template, "RATE_LIMIT_PER_MINUTE=120", "RATE_LIMIT_PER_MINUTE=")
    if is_there:
        platform.write_dotenv()
    result = turn(platform, apply=True)
    assert "settings-refused" not in result.causes
    assert {"# RATE_LIMIT_PER_MINUTE=", "# SENTRY_DSN="} <= {*platform.dotenv.read_text().splitlines()}
    assert turn(platform).plan.is_empty


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("placeholder", ["CHANGE_ME", '"CHANGE_ME"', "changethis", ""])
def test_a_value_before_a_remark_is_whole(placeholder: str, platform: Platform) -> None:
    """What was made up is not taken for the half of something afterwards."""
    platform.write_dotenv(SECRET_KEY=f"{placeholder}  # by Friday")
    assert turn(platform, apply=True).causes == []
    assert "  # by Friday\n" in platform.dotenv.read_text()


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_value_that_the_template_has_for_a_secret_is_nobodys(is_there: bool, platform: Platform) -> None:
    """Whatever it looks like, everybody with the repository knows it: one is made up in its place."""
    public = HEX(32)
    platform.edit(platform.template, "SECRET_KEY=your-secret-key-here", f"SECRET_KEY={public}")
    if is_there:
        platform.write_dotenv(SECRET_KEY=None)
    turn(platform, apply=True)
    new_value = dotenv_values(platform.dotenv)["SECRET_KEY"]
    assert new_value and new_value != public


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_tab_before_a_remark_becomes_a_blank(is_there: bool, platform: Platform) -> None:
    """To compose it would begin no comment, be the line the template's or somebody's own."""
    text = platform.template.read_text().replace("local  # local,", "local \t# local,").replace("11520  #", "11520\t#")
    platform.template.write_text(text)
    if is_there:
        platform.write_dotenv()
    result = turn(platform, apply=True)
    assert "readers-differ" not in result.causes and "ENVIRONMENT=local  # local," in platform.dotenv.read_text()
    assert turn(platform).plan.is_empty


@pytest.mark.usefixtures("bench")
def test_for_a_variable_that_stands_there_twice_none_is_made_up(platform: Platform) -> None:
    """The value of the other line may be the one that is meant."""
    platform.write_dotenv()
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}SECRET_KEY=\n")
    result = turn(platform, apply=True)
    assert result.causes == ["duplicate-variable"] and result.plan.is_empty


@pytest.mark.usefixtures("bench")
def test_beside_another_variable_of_the_same_field_none_is_added(platform: Platform) -> None:
    """An empty one would count before it, and the application would have no key."""
    platform.write_dotenv()
    ALIAS(platform)
    assert turn(platform).plan.is_empty


BAD: dict[str, tuple[Callable[[Platform], dict[str, str]], str]] = {
    "empty": (lambda p: {"repository": ""}, "repository is empty"),
    "absent": (lambda p: {"repository": str(p.root / "nowhere")}, "is not a folder"),
    "a file": (lambda p: {"repository": str(p.config)}, "is not a folder"),
    "an empty folder": (lambda p: {"repository": str(folder(p))}, "has no .env.template"),
    "no template": (lambda p: gone(p.template), "has no .env.template"),
    "no Settings": (lambda p: gone(p.config), "config.py"),
    "a syntax error": (lambda p: broken(p.config, "class Settings(\n"), "config.py"),
    "broken YAML": (lambda p: broken(p.compose, "services: ["), "docker-compose.yml"),
    "nonsense": (lambda p: {"values_from": "nonsense"}, "values_from is not a source"),
    "no such file": (lambda p: {"values_from": f"file:{p.root}/nowhere"}, "nowhere"),
    "no such variable": (lambda p: {"values_from": "env:NOT_SET_HERE"}, "not set"),
    "nobody to ask": (lambda p: {"values_from": "prompt"}, "A prompt needs an interactive session"),
    "too short": (lambda p: {"values_from": f"file:{values_file(p.root.parent, OPENAI_API_KEY='sk-1')}"}, "shorter"),
    "a placeholder": (
        lambda p: {"values_from": f"file:{values_file(p.root.parent, OPENAI_API_KEY='changethis')}"},
        "is a placeholder",
    ),
}


def folder(platform: Platform) -> Path:
    (platform.root.parent / "empty").mkdir()
    return platform.root.parent / "empty"


def gone(path: Path) -> dict[str, str]:
    path.unlink()
    return {}


def broken(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {}


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_sentence_and_writes_nothing(name: str, platform: Platform) -> None:
    """Exit code 3, and the checkout is as it was."""
    change, words = BAD[name]
    arguments = change(platform)
    before = tree(platform.root)
    with pytest.raises(UsageError) as refused:
        started = local_setup.begin("local", "", arguments.get("repository", str(platform.root)), "", True)
        local_setup.plan(started, local_setup.look(started), arguments.get("values_from", ""))
    assert words in str(refused.value) and "\n" not in str(refused.value) and refused.value.exit_code == 3
    assert tree(platform.root) == before


def test_the_command_refuses_a_source_without_repeating_it(desk: Desk, platform: Platform) -> None:
    """Somebody may have written the value itself there."""
    value = HEX(16)
    process = run(desk, platform, "-p", "apply", "true", "-p", "values_from", value)
    assert process.returncode == 3 and len(process.stderr.strip().splitlines()) == 1 and not platform.dotenv.exists()
    assert_nothing_leaked(desk, [value], process.stdout, process.stderr)


@pytest.mark.usefixtures("bench")
def test_without_an_account_the_file_alone_counts(platform: Platform) -> None:
    """Comparing is skipped and says why; environment local does not even look for a sign-in."""
    platform.write_dotenv()
    for environment, why in (("staging", "there are no AWS credentials here"), ("local", "AWS was not called")):
        result = turn(platform, environment=environment)
        assert (result.exit_code, result.status("reused")) == (0, "skipped") and why in result.shown


def test_credentials_that_cannot_be_read_leave_only_the_comparison_open(
    bench: pytest.MonkeyPatch, platform: Platform, tmp_path: Path
) -> None:
    """The rest needs no account."""
    (tmp_path / "config").write_text("[default]\ncredential_process = false\n")
    bench.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    platform.write_dotenv()
    result = turn(platform, environment="staging")
    assert (result.exit_code, result.status("reused")) == (2, "unknown") and "credential_process fails" in result.shown


@pytest.fixture
def signed_in(bench: pytest.MonkeyPatch, sandbox: Sandbox) -> pytest.MonkeyPatch:
    """A sign-in to the sandbox's account."""
    sign_in(sandbox, bench)
    bench.delenv("OMC_REPOSITORY", raising=False)
    return bench


def stagings(sandbox: Sandbox) -> dict[str, str]:
    response = client(sandbox, "secretsmanager").get_secret_value(SecretId=SECRET)
    return json.loads(response["SecretString"])


@pytest.mark.usefixtures("signed_in")
def test_the_password_in_an_address_is_compared_as_well(platform: Platform, sandbox: Sandbox) -> None:
    """Whoever copies staging's address has its password, whatever the variable is called."""
    value = stagings(sandbox)["POSTGRES_PASSWORD"]
    platform.write_dotenv(DATABASE_URL=f"'postgresql://omc:{quote(value, safe='')}@127.0.0.1:5432/app'")
    result = turn(platform, environment="staging")
    assert result.causes == ["reused"] and "staging&#x27;s POSTGRES_PASSWORD" in result.shown
    assert_absent([value], result.shown)


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(("mine", "theirs"), [("SECRET_KEY", "SECRET_KEY"), ("REDIS_PASSWORD", "SECRET_KEY")])
def test_a_value_of_stagings_is_named_and_refused(mine: str, theirs: str, platform: Platform, sandbox: Sandbox) -> None:
    """In the .env it is the one fault, under whatever name; as a new value it is not taken."""
    value = stagings(sandbox)[theirs]
    platform.write_dotenv(**{mine: value})
    result = turn(platform, environment="staging")
    assert (result.exit_code, result.causes) == (1, ["reused"]) and f"staging&#x27;s {theirs}" in result.shown
    assert_absent([value], result.shown)
    before = platform.write_dotenv(**{mine: None}) and tree(platform.root)
    source = values_file(platform.root.parent, **{mine: value})
    with pytest.raises(UsageError, match=r"is the value of staging's .* Nothing was written"):
        turn(platform, apply=True, values_from=f"file:{source}", environment="staging")
    assert tree(platform.root) == before


@pytest.mark.usefixtures("signed_in")
def test_a_value_of_stagings_in_the_history_is_an_error(platform: Platform, sandbox: Sandbox) -> None:
    """Nobody here uses it any more, and staging does."""
    value = stagings(sandbox)["SECRET_KEY"]
    platform.write_dotenv(SECRET_KEY=value)
    for command in ("add --force .env", "commit --quiet -m x", "rm --quiet --cached .env", "commit --quiet -m y"):
        platform.git(*command.split())
    platform.write_dotenv()
    result = turn(platform, environment="staging")
    assert result.causes == ["committed"]
    assert "The current value of staging&#x27;s SECRET_KEY is in .env in commit" in result.shown
    assert turn(platform).causes == []
    assert_absent([value], result.shown)


def test_a_secret_that_may_not_be_read_makes_the_comparison_unknown(
    signed_in: pytest.MonkeyPatch, platform: Platform, sandbox: Sandbox
) -> None:
    """Exit 2 with the permission's name; and with environment local AWS is not called."""
    platform.write_dotenv()
    deny(sandbox, signed_in, "secretsmanager:GetSecretValue")
    result = turn(platform, environment="staging")
    assert (result.exit_code, result.status("reused")) == (2, "unknown") and "GetSecretValue" in result.shown
    assert turn(platform).exit_code == 0


@pytest.fixture
def docker(bench: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A docker on PATH that answers as docker does, and a note of what it was called with."""
    real = find_compose()
    if real is None:
        pytest.skip("no Docker Compose here")
    bench.setenv("STANDIN_DOCKER_COMPOSE", " ".join((str(shutil.which(real[0])), *real[1:])))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/docker"
    shutil.copy(STANDIN, program)
    program.chmod(0o700)
    bench.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    bench.setenv("STANDIN_DOCKER_LOG", str(tmp_path / "called"))
    yield bench


def called(platform: Platform) -> list[str]:
    text = (platform.root.parent / "called").read_text()
    return [line.removeprefix("docker ") for line in text.splitlines()]


def test_the_application_is_started_only_by_an_apply(docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """A dry run asks for the configuration alone; an apply starts everything, and reads the log."""
    platform.write_dotenv()
    turn(platform)
    assert not [words for words in called(platform) if words.startswith(("compose up", "compose logs"))]
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Application startup complete.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 1)
    result = turn(platform, apply=True)
    assert {"compose up", "compose logs"} <= {" ".join(words.split()[:2]) for words in called(platform)}
    assert (result.exit_code, result.status("pg-volume")) == (0, "clear") and "docker compose up -d" in result.shown


LOG = """\
db-1       | PostgreSQL Database directory appears to contain a database; Skipping initialization
db-1       | 2026-01-02 03:04:05.678 UTC [1] LOG:  database system is ready to accept connections
backend-1  | connection to server at "db" failed: FATAL:  password authentication failed for user "postgres"
backend-1  | debug: {canary}
"""


def test_a_volume_that_kept_its_password_is_told_from_the_log(docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """It is the only root cause, with both ways out of it; what else the log says stays out of sight."""
    canary = f"s3cr3t-{HEX(12)}"
    platform.write_dotenv()
    (platform.root.parent / "log").write_text(LOG.format(canary=canary))
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, ["pg-volume"])
    for words in ("down --volumes", "exec db sh"):
        assert f"docker compose --project-directory {platform.root} {words}" in result.shown
    assert_absent([canary], result.shown, *others(platform))


WARNED = """\
time="2026-01-02T03:04:05Z" level=warning msg="The \\\"ALPHA_KEY\\\" variable is not set. Defaulting to a blank string."
"""


def test_what_compose_warns_of_is_no_refused_start_and_keeps_nobody_from_listening(
    docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """It stands before each log from the beginning; what the application logs comes later, and is read."""
    platform.write_dotenv()
    platform.edit(platform.compose, "- REDIS_HOST=redis\n", "- REDIS_HOST=redis\n      - ALPHA=${ALPHA_KEY}\n")
    log = platform.root.parent / "log"
    log.write_text(WARNED)
    docker.setenv("STANDIN_DOCKER_LOGS", str(log))
    logs = executor.docker.logs

    def read_and_go_on(program: Sequence[str], root: Path) -> str:
        text = logs(program, root)
        log.write_text(WARNED + REFUSAL.format(canary=HEX(12)))
        return text

    docker.setattr(executor.docker, "logs", read_and_go_on)
    result = turn(platform, apply=True)
    assert [(each["check"], each["subject"]) for each in result.outcome["findings"] if each["status"] == "found"] == [
        ("start-refused", "BINANCE_API_KEY"),
        ("compose-unset", "ALPHA_KEY"),
    ]


def test_the_way_into_a_database_names_the_service_that_it_is(docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """Whatever it is called; the command is one that can be pasted."""
    platform.compose.write_text(re.sub(r"\bdb\b", "store", platform.compose.read_text()))
    platform.override.unlink()
    platform.write_dotenv()
    (platform.root.parent / "log").write_text(LOG.format(canary=HEX(12)))
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    result = turn(platform, apply=True)
    assert result.causes == ["pg-volume"] and f"{platform.root} exec store sh" in result.shown


REFUSAL = """\
backend-1  | pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
backend-1  | BINANCE_API_KEY
backend-1  |   Value error, too old [type=value_error, input_value='{canary}', input_type=str]
"""


def test_a_refusal_in_the_log_is_told_by_variable(docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """What only the started application knows is found as well, without the value that it printed."""
    canary = HEX(12)
    platform.write_dotenv()
    (platform.root.parent / "log").write_text(REFUSAL.format(canary=canary))
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, ["start-refused"]) and "BINANCE_API_KEY" in result.shown
    assert_absent([canary], result.shown)


@pytest.mark.parametrize("fails", ["", "up:failed to solve: {canary}"])
def test_without_an_engine_settings_are_loaded_instead(
    fails: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """It says why nothing was started, in words of ours, and what Settings say."""
    canary = HEX(12)
    platform.write_dotenv(POSTGRES_PORT="abc")
    docker.setenv(
        *(("STANDIN_DOCKER_FAILS", fails.format(canary=canary)) if fails else ("STANDIN_DOCKER_ENGINE", "no"))
    )
    result = turn(platform, apply=True)
    assert {*result.causes} == {
        "settings-refused",
        *(["compose-up"] if fails else []),
    } and "POSTGRES_PORT" in result.shown
    assert ("an image could not be built" if fails else "no Docker engine answers") in result.shown
    assert "Settings, loaded in a separate process" in result.shown
    assert_absent([canary], result.shown)


UNHEALTHY = "up:dependency failed to start: container omc-backend-1 {how}"


@pytest.mark.parametrize("how", ["is unhealthy", "exited (1)"])
def test_a_start_that_failed_is_a_finding(how: str, docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """Exit 1, whatever the files look like: nothing runs; a dry run afterwards tells nothing of a start."""
    platform.write_dotenv()
    docker.setenv("STANDIN_DOCKER_FAILS", UNHEALTHY.format(how=how))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, ["compose-up"])
    assert f"container omc-backend-1 {how}" in result.shown and "Started with" not in result.shown
    assert turn(platform).status("compose-up") == "skipped"


@pytest.mark.parametrize(("log", "cause"), [("REFUSAL", "start-refused"), ("LOG", "pg-volume")])
def test_the_log_says_why_a_start_failed(log: str, cause: str, docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """The services' own words are read and recognised; that the start failed is their consequence."""
    canary = HEX(12)
    platform.write_dotenv()
    file = platform.root.parent / "log"
    file.write_text({"REFUSAL": REFUSAL, "LOG": LOG}[log].format(canary=canary))
    docker.setenv("STANDIN_DOCKER_LOGS", str(file))
    docker.setenv("STANDIN_DOCKER_FAILS", UNHEALTHY.format(how="is unhealthy"))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, [cause])
    assert result.status("compose-up") == "found"
    assert_absent([canary], result.shown)


OBSTACLES = {
    "a network": (
        "network traefik-public declared as external, but could not be found",
        "the external network traefik-public does not exist",
        "docker network create traefik-public",
    ),
    "an older wording": (
        'network "traefik-public" declared as external, but could not be found. Please create the network manually',
        "the external network traefik-public does not exist",
        "docker network create traefik-public",
    ),
    "a volume": (
        'external volume "pg-data" not found',
        "volume pg-data does not exist",
        "docker volume create pg-data",
    ),
    "a port": (
        "Error response from daemon: driver failed programming external connectivity on endpoint omc-db-1 (5f3c): Bind"
        " for 0.0.0.0:5432 failed: port is already allocated",
        "port 5432 is taken by another program",
        "lsof -nP -iTCP:5432 -sTCP:LISTEN",
    ),
    "a port of one address": (
        "failed to bind host port for 192.168.1.7:8000:172.18.0.2:8000/tcp: address already in use",
        "port 8000 is taken by another program",
        "publish another port",
    ),
    "a port of IPv6, with the time": (
        'time="2026-01-02T03:04:05Z" level=error msg="failed to bind host port [::1]:53/udp: address already in use"',
        "port 53 is taken by another program",
        "-iTCP:53 ",
    ),
    "a port on macOS": (
        "ports are not available: exposing port TCP 0.0.0.0:6379 -> 0.0.0.0:0: listen tcp :6379: bind: address already"
        " in use",
        "port 6379 is taken by another program",
        "lsof -nP -iTCP:6379",
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_a_start_failed_at_is_named_with_the_way_on(
    name: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """Exit 1, never ok, and a command that removes the obstacle."""
    words, fact, way = OBSTACLES[name]
    platform.write_dotenv()
    docker.setenv("STANDIN_DOCKER_FAILS", f"up:{words}")
    result = turn(platform, apply=True)
    (finding,) = (each for each in result.outcome["findings"] if each["status"] == "found")
    assert (result.exit_code, finding["check"]) == (1, "compose-up")
    assert fact in finding["evidence"][0] and way in finding["remedy"]["command"]


PRESTART = """\
prestart-1 | Traceback (most recent call last):
prestart-1 |   File "/app/scripts/prestart.py", line 4, in <module>
prestart-1 | alembic.util.exc.CommandError: Can't locate revision identified by '{canary}'
backend-1  | INFO:     nothing to see
"""
GONE = {"Service": "prestart", "Name": "omc-prestart-1", "State": "exited", "ExitCode": 1, "Health": ""}
RUNNING = {"Service": "db", "Name": "omc-db-1", "State": "running", "ExitCode": 0, "Health": "healthy"}
DONE = {"Service": "migrate", "Name": "omc-migrate-1", "State": "exited", "ExitCode": 0, "Health": ""}


@pytest.mark.parametrize(
    "words",
    [
        'service "prestart" didn\'t complete successfully: exit 1',
        "dependency failed to start: container omc-prestart-1 exited (1)",
    ],
)
def test_the_log_of_the_service_that_compose_blames_is_read(
    words: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """What its log ends with is named by its class alone, and the command shows that log."""
    canary = HEX(12)
    platform.write_dotenv()
    file = platform.root.parent / "log"
    file.write_text(PRESTART.format(canary=canary))
    docker.setenv("STANDIN_DOCKER_LOGS", str(file))
    docker.setenv("STANDIN_DOCKER_FAILS", f"up:{words}")
    docker.setenv("STANDIN_DOCKER_PS", json.dumps([GONE, RUNNING, DONE]))
    result = turn(platform, apply=True)
    (finding,) = (each for each in result.outcome["findings"] if each["status"] == "found")
    assert (result.exit_code, finding["check"]) == (1, "compose-up")
    assert "The last error in the log of prestart is alembic.util.exc.CommandError." in finding["evidence"][0]
    assert finding["remedy"]["command"].endswith("logs prestart")
    assert_absent([canary], result.shown)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"State": "restarting", "ExitCode": 3}, "service prestart keeps restarting (exit code 3)"),
        ({"ExitCode": 127}, "service prestart ended with exit code 127"),
        ({"State": "running", "ExitCode": 0, "Health": "unhealthy"}, "service prestart is unhealthy"),
        ({"State": "created", "ExitCode": 0}, "service prestart was not started"),
        ({"State": "paused", "ExitCode": 0}, "service prestart is paused"),
        ({"State": "dead", "ExitCode": 0}, "service prestart is dead"),
        ({"Service": "backend", "ExitCode": 0}, "service backend has ended (exit code 0)"),
    ],
)
def test_a_container_that_fails_after_a_successful_up_is_a_finding(
    change: dict[str, object], words: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """docker compose up -d ends with 0 as soon as the containers are started; one that ended well is no fault."""
    platform.write_dotenv()
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Application startup complete.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 1)
    lines = "\n".join(json.dumps(each) for each in (GONE | change, RUNNING, DONE))
    docker.setenv("STANDIN_DOCKER_PS", lines)
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, ["compose-up"]) and words in result.shown


@pytest.mark.parametrize(
    ("awaited", "exit_code", "causes"),
    [
        ("service_completed_successfully", 0, []),
        ("service_completed_successfully", 1, ["compose-up"]),
        ("service_started", 0, ["compose-up"]),
    ],
)
def test_an_application_that_others_await_the_end_of_is_a_job(
    awaited: str, exit_code: int, causes: list[str], docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """Docker Compose itself takes its end with exit code 0 for success."""
    platform.write_dotenv()
    text = platform.compose.read_text()
    job = f"  after:\n    image: busybox\n    depends_on:\n      backend:\n        condition: {awaited}\n"
    platform.compose.write_text(text.replace("services:\n", f"services:\n{job}", 1))
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Done.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 1)
    ended = DONE | {"Service": "backend", "ExitCode": exit_code}
    docker.setenv("STANDIN_DOCKER_PS", "\n".join(json.dumps(each) for each in (ended, RUNNING)))
    assert turn(platform, apply=True).causes == causes


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("NAME   IMAGE   COMMAND", "ps gives no JSON"),
        ("null", "ps gives no JSON"),
        (json.dumps(DONE | {"ExitCode": "none"}), "ps gives no JSON"),
        ('{"service": "backend", "status": "running"}', "ps gives no JSON"),
        ("[]", "ps lists no container"),
        (json.dumps(RUNNING | {"Health": "starting"}), "The health check of service db has not passed within 1 s"),
    ],
)
def test_containers_of_which_nothing_is_known_are_unknown(
    answer: str, words: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """The log has no error, but whether the services still run is unknown: exit 2."""
    platform.write_dotenv()
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Application startup complete.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 0)
    docker.setattr(executor, "LOG_SECONDS", 1)
    docker.setenv("STANDIN_DOCKER_PS", answer)
    result = turn(platform, apply=True)
    assert (result.exit_code, result.status("compose-up"), result.status("start-refused")) == (2, "unknown", "clear")
    assert words in result.shown and "? Nothing had to be written." in result.shown


@pytest.mark.parametrize(("service", "exit_code", "status"), [("db", 2, "unknown"), ("backend", 0, "clear")])
def test_an_application_that_its_profile_leaves_out_is_not_started(
    service: str, exit_code: int, status: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """docker compose up ends with 0 for the other services; whether the application works with the .env is unknown."""
    platform.write_dotenv()
    text = platform.compose.read_text()
    platform.compose.write_text(text.replace("  backend:\n", "  backend:\n    profiles: [app]\n", 1))
    (platform.root.parent / "log").write_text("db-1  | LOG:  database system is ready to accept connections\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 0)
    docker.setenv("STANDIN_DOCKER_PS", json.dumps(RUNNING | {"Service": service}))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.status("compose-up")) == (exit_code, status)
    words = "docker compose up -d succeeded, but leaves out service backend, whose profile app is not active."
    assert (words in result.shown) is (status == "unknown")


def test_an_application_that_has_said_what_it_refuses_is_not_awaited(
    docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """With --reload it neither ends nor becomes healthy."""
    platform.write_dotenv()
    (platform.root.parent / "log").write_text(REFUSAL.format(canary=HEX(12)))
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "LOG_SECONDS", 1)
    docker.setenv("STANDIN_DOCKER_PS", json.dumps(RUNNING | {"Service": "backend", "Health": "starting"}))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes, result.status("compose-up")) == (1, ["start-refused"], "clear")


@pytest.mark.parametrize(
    "change",
    [
        {"Service": "backend", "Name": "omc-backend-run-0a1b2c3d4e5f", "ExitCode": 0},
        {"Service": "backend", "Name": "shell", "ExitCode": 130, "Labels": "a=b,com.docker.compose.oneoff=True"},
    ],
)
def test_what_docker_compose_run_left_is_no_fault(
    change: dict[str, object], docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """A developer's own command has ended, and the application works."""
    platform.write_dotenv()
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Application startup complete.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 0)
    served = RUNNING | {"Service": "backend", "Name": "omc-backend-1", "Labels": "com.docker.compose.oneoff=False"}
    docker.setenv("STANDIN_DOCKER_PS", "\n".join(json.dumps(each) for each in (GONE | change, RUNNING, DONE, served)))
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (0, [])


def test_a_health_check_on_its_way_is_awaited(docker: pytest.MonkeyPatch, platform: Platform) -> None:
    """One that fails only after a while is found."""
    platform.write_dotenv()
    (platform.root.parent / "log").write_text("backend-1  | INFO:     Application startup complete.\n")
    docker.setenv("STANDIN_DOCKER_LOGS", str(platform.root.parent / "log"))
    docker.setattr(executor, "SETTLED_SECONDS", 1)
    health = iter(("starting", "starting", "unhealthy"))

    def containers(program: Sequence[str], repository: Path) -> tuple[ComposeContainer, ...]:
        return (
            ComposeContainer(service="db", name="db-1", state="running", exit_code=0, health=next(health, "unhealthy")),
        )

    docker.setattr(executor.docker, "containers", containers)
    result = turn(platform, apply=True)
    assert (result.exit_code, result.causes) == (1, ["compose-up"])
    assert "service db is unhealthy" in result.shown


@pytest.mark.parametrize("verb", ["up", "logs"])
def test_a_start_of_which_nothing_is_known_is_never_ok(
    verb: str, docker: pytest.MonkeyPatch, platform: Platform
) -> None:
    """Where docker compose does not come to an end, or gives no log, exit 2 and what it was."""
    platform.write_dotenv()
    docker.setitem(SECONDS, verb, 2)
    docker.setenv("STANDIN_DOCKER_FAILS", f"{verb}:hang")
    result = turn(platform, apply=True)
    assert (result.exit_code, result.status("compose-up"), result.status("start-refused")) == (2, "unknown", "skipped")
    assert f"{verb} did not end within 2 s" in result.shown


def test_without_compose_on_the_path_what_it_would_say_is_skipped(
    bench: pytest.MonkeyPatch, platform: Platform
) -> None:
    """Nobody guesses how it reads the .env; what the other readers make of it is found all the same."""
    bench.setenv("PATH", str(platform.root.parent / "bin"))
    (platform.root.parent / "bin").mkdir()
    for name in ("git",):
        (platform.root.parent / "bin" / name).symlink_to(f"/usr/bin/{name}")
    put(FIRST_SUPERUSER_PASSWORD=f"{HEX(16)}$x", POSTGRES_PASSWORD="letmein")(platform)
    result = turn(platform)
    checks = ("dollar", "readers-differ", "environment-wins", "compose-refused", "compose-unset")
    assert {check: result.status(check) for check in checks} == dict.fromkeys(checks, "skipped")
    assert result.causes == ["weak"] and "Docker Compose is not installed" in result.shown


LEAKY = {
    "a $": (put(POSTGRES_PASSWORD="{canary}$x{canary}"), ["dollar"]),
    "a #": (put(POSTGRES_PASSWORD="{canary} #{canary}"), ["hash"]),
    "an open quote": (put(POSTGRES_PASSWORD="'{canary}"), ["unterminated"]),
    "a line of its own": (edit(lambda raw: raw + b"{canary} {canary}\n"), ["unreadable-line"]),
    "a wrong type": (put(SENTRY_DSN="{canary}"), ["settings-refused"]),
    "UTF-16": (edit(lambda raw: raw.replace(b"Oh My", b"{canary}").decode().encode("utf-16")), ["dotenv-encoding"]),
}


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("name", LEAKY)
def test_no_value_is_shown_in_whatever_way_its_line_is_wrong(name: str, platform: Platform) -> None:
    """Tables, diff, findings and outcome name variables and lines alone, and nothing is left elsewhere."""
    canary = HEX(12)
    change, causes = LEAKY[name]
    causes = causes if find_compose() or causes != ["dollar"] else []
    platform.write_dotenv()
    change(platform)
    wide = "utf-16" if name == "UTF-16" else "utf-8"
    platform.dotenv.write_bytes(platform.dotenv.read_bytes().decode(wide).replace("{canary}", canary).encode(wide))
    result = turn(platform)
    assert result.causes == causes
    assert_absent([canary], result.shown, *others(platform))


def test_plain_papermill_fails_in_the_outcome_and_shows_no_value(desk: Desk, platform: Platform) -> None:
    """Values in the .env, in a file and in a variable stay where they are, whatever goes wrong."""
    mine = {name: f"{HEX(12)}$x{HEX(12)}" for name in ("POSTGRES_PASSWORD", "SMTP_PASSWORD")}
    platform.write_dotenv(**mine, SENTRY_DSN=HEX(12), OPENAI_API_KEY=None)
    new_key = f"sk-{HEX(20)}"
    output, notebook = desk.work / "out.ipynb", notebooks() / "local_setup.ipynb"
    words = ["-p", "repository", str(platform.root), "-p", "values_from", "env:MY_KEYS"]
    before, shell = tree(platform.root), {"MY_KEYS": f"OPENAI_API_KEY={new_key}", "POSTGRES_PASSWORD": HEX(16)}
    process = desk.call([str(PAPERMILL), str(notebook), str(output), *words], **shell)
    assert process.returncode != 0 and "FindingsRemain" in process.stderr
    assert tree(platform.root) == before
    values = [new_key, shell["POSTGRES_PASSWORD"], *(part for value in mine.values() for part in value.split("$x"))]
    assert_nothing_leaked(desk, values, process.stdout, process.stderr)
    assert_absent(values, *others(platform))


def test_a_source_that_is_no_url_is_shown_as_it_is(platform: Platform, bench: pytest.MonkeyPatch) -> None:
    """What a template says of where a value comes from may be anything."""
    with (platform.root / ".env.template").open("a") as template:
        template.write("\n# Get from: https://[mail](javascript:x)\nMAIL_TOKEN=\n")
    assert "MAIL_TOKEN" in turn(platform, allow_code=False).shown
