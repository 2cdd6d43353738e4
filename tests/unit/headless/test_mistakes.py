"""Mistakes at the command line that need no AWS: one line that says what is wrong, exit code 3, and nothing written."""

from __future__ import annotations

import io
import os
import pwd
import sys
from contextlib import nullcontext
from pathlib import Path

import click
import pytest
from support.terminal import Terminal, ended_with

from omc_runbook import cli
from omc_runbook.headless import places, terminal
from omc_runbook.headless.run import HOMELESS
from omc_runbook.model import environment, parameters
from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.credentials import Credentials

VALUE = "sk-proj-" + "4fGh7JkL9" * 4
"""What looks like a secret's value, typed where it does not belong."""
SLIP = "h5nter-typed-here"
"""What does not, and may be one all the same."""

MISTAKES = [
    ("run", "Missing argument"),
    ("run verfy", "did you mean verify?"),
    ("run Verify", "did you mean verify?"),
    ("run notebooks/verify.ipynb", "did you mean verify?"),
    ("run ''", 'There is no runbook ""'),
    (f"run {VALUE}", "There is no runbook"),
    (f"show {VALUE}", "There is no runbook"),
    ("run verify enviroment=staging", "did you mean environment?"),
    ("run verify ENVIRONMENT=staging", "did you mean environment?"),
    ("run verify staging", "Word 1 after the runbook's name is not NAME=VALUE, as in environment=staging"),
    ("run verify environment = staging", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify environment= staging", "Word 2 after the runbook's name is not NAME=VALUE"),
    ("run verify environment =staging", "with no space"),
    ("run verify =staging", "is not NAME=VALUE"),
    (f"run update {SLIP}", "is not NAME=VALUE"),
    ("run update apply", "is not NAME=VALUE"),
    ("run update --apply", "No such option '--apply'"),
    ("run verify --environment staging", "No such option '--environment'"),
    ("run verify -p environment", "'-p' requires 2 arguments"),
    ("run verify -p environment=staging", "'-p' requires 2 arguments"),
    ("run verify -p environment=staging --summary", "-p number 1 is not two words, NAME and VALUE"),
    (f"run update -p SMTP_PASSWORD={SLIP} x", "-p number 1 is not two words"),
    (f"run update -p {VALUE} x", "-p number 1 is not two words"),
    (f"run update -p keys SMTP_PASSWORD -p values_from {VALUE}", '"values_from" looks like a secret'),
    (f"run update values_from=postgresql://me:{SLIP}@host/db", '"values_from" looks like a secret'),
    (f"run update values_from={VALUE}", "saved: name its source instead (prompt, file:PATH or env:NAME)."),
    (f"run rotate database_url_from={VALUE}", "saved: name its source instead (file:PATH or env:NAME)."),
    (f"run troubleshoot error_text={VALUE}", "saved: write *** instead of each secret in it."),
    (f"run rotate keys={VALUE}", '"keys" looks like a secret'),
    (f"run rotate keys={VALUE}", "saved: give a name or a path here, never a value."),
    (f"run verify runbook_toml={VALUE}", '"runbook_toml" looks like a secret'),
    (f"run audit -p environment {VALUE}", '"environment" looks like a secret'),
    (f"fleet {VALUE}", '"environments" looks like a secret'),
    (f"fleet staging postgresql://me:{SLIP}@host/db", '"environments" looks like a secret'),
    (f"run update plan_from={VALUE}", '"plan_from" looks like a secret'),
    (f"run rotate SECRET_KEY={VALUE}", 'rotate has no parameter "SECRET_KEY"'),
    (f"run update --values-from={VALUE}", "No such option '--values-from'"),
    (f"run update --{VALUE}", "No such option"),
    ("run verify environment=staging environment=production", "environment is set twice"),
    ("run verify environment=staging -p environment production", "environment is set twice"),
    ("run verify look_inside=maybe", '"look_inside" must be true or false'),
    ("run verify look_inside=", '"look_inside" must be true or false'),
    ("run update -p apply maybe", '"apply" must be true or false'),
    ("run verify --record", "'--record' requires an argument"),
    ("run verify --recrod x", "Did you mean '--record'?"),
    ("run verify --record a-file", "a-file is a file: name a folder for the record."),
    ("run verify --record a-file/below", "a-file/below cannot hold the record: Not a directory."),
    ("run verify --record ''", "--record is empty: name a folder, or s3://BUCKET/PREFIX."),
    ("run verify --record https://example.com/records", '"https://example.com/records" is not a place for records'),
    ("run verify --record s3:/bucket/x", '"s3:/bucket/x" is not a place for records'),
    ("run verify --record S3:bucket", "is not a place for records"),
    ("run verify --record arn:aws:s3:::bucket/x", "is not a place for records"),
    ("records --record ''", "--record is empty: name a folder, or s3://BUCKET/PREFIX."),
    ("policy verify --record file:///records", '"file:///records" is not a place for records'),
    ("fleet ''", "An environment's name is empty: write it, or name none to read all."),
    ("fleet staging ''", "An environment's name is empty"),
    ("fleet enviroments=staging", 'fleet has no parameter "enviroments": did you mean environments?'),
    ("fleet staging environments=qa,staging", "environments is set twice"),
    ("fleet --timeout 99999999999999999999", "is not in the range"),
    ("fleet --timeout 2m", "'2m' is not a valid number of seconds."),
    ("run verify --record a --record b", "--record is set twice: set it once."),
    ("run verify --record=a --record a", "--record is set twice: set it once."),
    ("run verify --summary --quiet", "--summary/--quiet is set twice: set it once."),
    ("records --record a --record b", "--record is set twice: set it once."),
    ("init --repository a-file --repository b", "--repository is set twice: set it once."),
    ("lab --folder a --folder b", "--folder is set twice: set it once."),
    ("fleet --timeout 3 --timeout 4", "--timeout is set twice: set it once."),
    ("sandbox up --port 3 --port 4", "--port is set twice: set it once."),
    ("run verify –p environment staging", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify —record out", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify “environment=staging”", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify -- --record x", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify @parameters.txt", "Word 1 after the runbook's name is not NAME=VALUE"),
    ("run verify --no-record", "Did you mean '--record'?"),
    ("run verify --export junit", "--export junit has no path: write junit=PATH."),
    ("run verify --export xml=x.xml", '--export knows no format "xml": there are emf, junit, prometheus.'),
    ("run verify --export junit=nowhere/x.xml", "nowhere/x.xml is in no folder that can be written."),
    ("run verify apply=true", 'verify has no parameter "apply"'),
    ("run update plan_from=a-file", "plan_from: a-file is not a plan: it is not JSON. Nothing was written."),
    ("run update plan_from=nowhere apply=true", "plan_from: nowhere cannot be read: No such file or directory."),
    ("--record x run verify", "No such option '--record'."),
    ("help", "No such command 'help'."),
    ("policy", "Missing argument 'NAME'."),
    ("policy verfy", "did you mean verify?"),
    ("policy verify environment=moon", 'Environment "moon" is unknown'),
    ("records --check --prune", "Use --open, --check and --prune one at a time"),
    ("records s3://", "A place in S3 is s3://BUCKET or s3://BUCKET/PREFIX"),
    ("records s3://my_bucket/x", "a bucket's name is 3 to 63 lower-case letters or digits, with dots and hyphens"),
    ("completion bash zsh", "unexpected extra argument"),
    ("run verify --quiet=x", "'--quiet' does not take a value"),
    ("verify environment=staging", "verify is a runbook, not a command: omc-runbook run verify."),
    ("shwo", "Did you mean 'show'?"),
    ("show", "Missing argument"),
    ("show verfy", "did you mean verify?"),
    ("show verify rotate", "unexpected extra argument"),
    ("list --json", "No such option '--json'"),
    (f"list {VALUE}", "unexpected extra argument"),
    ("records --record nowhere", "no record in nowhere"),
    ("records runbook_toml=a-file", "runbook_toml=… is no folder: a parameter stands after -p here"),
    (f"records keys={VALUE}", "keys=… is no folder: a parameter stands after -p here"),
    ("records a\0b", '"a‹U+0000›b" is not a place for records: name a folder'),
    ("records nowhere too", "unexpected extra argument"),
    ("completion", "Choose from: bash, zsh, fish"),
    ("completion powershell", "'powershell' is not one of"),
    ("lab --folder ''", "Invalid value for '--folder': the folder's name is empty."),
    ("lab --foldr x", "Did you mean '--folder'?"),
    ("init -p enviroment staging", "did you mean environment?"),
    ("init -p environment", "'-p' requires 2 arguments"),
    ("init -p environment staging -p environment production", "environment is set twice"),
    ("init --repository . -p repository .", "repository is set twice"),
    ("init -p environment local", "local has no names in AWS"),
    ("init environment=staging", "unexpected extra argument"),
    ("init --repository nowhere", "repository nowhere is not a folder"),
    ("init --repository a-file", "repository a-file is not a folder"),
    ("sandbox upp", "Did you mean 'up'?"),
    ("sandbox up --world helthy", "'helthy' is not one of"),
    ("sandbox up --port x", "'x' is not a valid integer"),
    ("sandbox up --port 99999", "is not in the range"),
    ("sandbox break", "No sandbox of yours runs at AWS_ENDPOINT_URL"),
    ("sandbox break no-permission", "No sandbox of yours runs at AWS_ENDPOINT_URL (http://127.0.0.1:9)"),
    ("sandbox mend", "No sandbox of yours runs at AWS_ENDPOINT_URL"),
    ("sandbox status", "No sandbox of yours runs at AWS_ENDPOINT_URL"),
    ("sandbox down", "No sandbox of yours runs at AWS_ENDPOINT_URL"),
    ("sandbox drill --count 0", "is not in the range"),
    ("sandbox answer", "Missing argument"),
    ("sandbox faults no-permission", "unexpected extra argument"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with one file, and the variables of a sandbox that has ended."""
    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return tmp_path


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_mistake_is_one_line(
    line: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is wrong, and repeats nothing that may be a value; at a terminal, a hint may follow."""
    words = [word.strip("'") for word in line.split()]
    code, out, err = ended_with(capsys, *words)
    assert (code, out) == (3, "") and err.startswith("error: ") and err.count("\n") == 1
    assert message in err and VALUE not in err and SLIP not in err
    assert [path.name for path in folder.iterdir()] == ["a-file"]
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    ended_with(capsys, *words)
    lines = click.unstyle(screen.getvalue()).splitlines()
    assert lines[0] == err.strip() and [each.startswith("hint: ") for each in lines[1:]] in ([], [True])


@pytest.mark.parametrize("line", ["run verify", "init", "records --prune"])
def test_a_working_folder_that_was_removed_is_told(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By another shell, or by a tool that makes it anew: nothing could be looked at."""
    working_folder = folder / "gone"
    working_folder.mkdir()
    monkeypatch.chdir(working_folder)
    working_folder.rmdir()
    code, _, err = ended_with(capsys, *line.split())
    assert (code, err) == (2, "error: The working folder was removed: change to another one.\n")


def test_a_path_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """However random it looks: a wrong path is found only by reading it."""
    path = "/no-such/9fQx27LmZp4Rt8Wv1Kc6YbHs3"
    assert parameters.looks_secret(path)
    assert path in ended_with(capsys, "records", "--record", path)[2]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OMC_ROTATION_DAYS": "soon"}, "OMC_ROTATION_DAYS is invalid: rotation_days must be a whole number."),
        ({"OMC_ACCOUNT_ID": "12"}, "OMC_ACCOUNT_ID is invalid: account_id must be an account id of 12 digits."),
        ({"OMC_REGION": ""}, "OMC_REGION is invalid: region must be an AWS region, such as ap-southeast-2."),
        ({"omc_region": "Sydney"}, "omc_region is invalid: region must be an AWS region"),
        (
            {"OMC_ENVIRONMENTS": SLIP},
            'OMC_ENVIRONMENTS is invalid: environments is not JSON, such as ["one", "two"] for a list'
            ' or {"name": "value"} for a table.',
        ),
        (
            {"OMC_NOTIFY__FINDINGS": "env:HOOK"},
            'OMC_NOTIFY__FINDINGS is invalid: notify is not JSON, such as ["one", "two"] for a list'
            ' or {"name": "value"} for a table.',
        ),
        ({"OMC_ENVIRONMENTS__STAGING__ACCOUNT_ID": "1"}, "OMC_ENVIRONMENTS__STAGING__ACCOUNT_ID is invalid: "),
        ({"OMC_KEYS": '{"NEW_KEY": 3}'}, "OMC_KEYS is invalid: keys.NEW_KEY must be a table."),
        (
            {"OMC_NOTIFY__REGION": "eu-west-1"},
            "OMC_NOTIFY__REGION is invalid: notify.region is not a known name: region is set by OMC_REGION or"
            " OMC_ENVIRONMENTS__NAME__REGION.",
        ),
        (
            {"OMC_RECORDS__TIMEOUT": "5"},
            "OMC_RECORDS__TIMEOUT is invalid: records.timeout is not a known name: timeout is set by"
            " OMC_NOTIFY__TIMEOUT.",
        ),
        (
            {"OMC_ENVIRONMENTS__STAGING__REASON": "by contract"},
            "OMC_ENVIRONMENTS__STAGING__REASON is invalid: environments.staging.reason is not a known name: reason is"
            " set by OMC_ACCEPTED as JSON.",
        ),
        (
            {"OMC_ACCEPTED": '[{"check": "x", "reason": "x", "environment": "stagin"}]'},
            'OMC_ACCEPTED: environment "stagin" of accepted x is unknown: did you mean staging?',
        ),
        (
            {"OMC_SCHEDULES": '[{"runbook": "verify", "environment": "staging", "cron": "99 * * * *"}]'},
            'OMC_SCHEDULES: of the schedule of verify on staging, "99 * * * *" is not a cron expression',
        ),
    ],
)
@pytest.mark.parametrize("with_file", [False, True])
def test_a_wrong_variable_is_named(
    variables: dict[str, str], message: str, with_file: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not the file, which is right."""
    if with_file:
        (folder / "runbook.toml").write_text('project = "demo"\n')
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        environment.load("staging")
    assert str(caught.value).startswith(message) and SLIP not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[environments]\nstaging = 3", "environments.staging must be a table."),
        ("project = 3", "project must be a text, in quotes."),
        ('project = ""', "project must be a text that is not empty."),
        ('service = ""', "service must be a text that is not empty."),
        ('[environments.staging]\ncluster = ""', "environments.staging.cluster must be a text that is not empty."),
        ('[environments.qa]\nregion = "Sydney"', "environments.qa.region must be an AWS region, such as"),
        ('[environments.qa]\nrole_arn = "runbooks"', "environments.qa.role_arn must be the ARN of an IAM role"),
        ("[environments.qa]\nrotation_days = -1", "environments.qa.rotation_days must be greater than 0."),
        ("rotation_days = 1.5", "rotation_days must be a whole number."),
        ("rotation_days = -1", "rotation_days must be greater than 0."),
        ("recovery_days = 99", "recovery_days must be less than or equal to 30."),
        ("rotation_days = true", "rotation_days must be a whole number."),
        ("rotation_days = 4000000000", "rotation_days must be less than or equal to 365000."),
        ("[environments.qa]\nrotation_days = true", "environments.qa.rotation_days must be a whole number."),
        ("[keys.A]\nweak_below = true", "keys.A.weak_below must be a whole number."),
        ("[records]\nkeep_days = true", "records.keep_days must be a whole number."),
        ("[records]\nkeep_count = true", "records.keep_count must be a whole number."),
        ("[notify]\nremind_days = [true]", "notify.remind_days.0 must be a whole number."),
        (
            '[[schedules]]\nrunbook = "verify"\ncron = "0 7 * * *"\ngrace_minutes = 2000000000',
            "schedules.0.grace_minutes must be less than or equal to 525600000.",
        ),
        ('clusters = "*"', 'clusters must be a list, such as ["…"].'),
        ('[accepted]\ncheck = "x"', "accepted must be a table with two brackets, [[accepted]]."),
        ('[[accepted]]\nreason = "x"', "accepted.0.check is missing."),
        ('[[accepted]]\ncheck = "x"\nreason = "x"\nuntil = "soon"', "accepted.0.until must be a date, such as"),
        (
            '[[accepted]]\ncheck = "x"\nreason = "x"\nenvironment = " "\n[discovery]\nsecrets = "a-*"',
            "accepted.0.environment must be the name of an environment, with no white space around it.",
        ),
        ('[keys.A]\nrequired = "maybe"', "keys.A.required must be true or false."),
        ('[environments."a b"]\ncluster = "x"', 'environments has a table "a b", and a name has letters'),
        ('[environments.""]\ncluster = "x"', 'environments has a table "", and a name has letters'),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, message: str, folder: Path) -> None:
    """With what has to be there, in words that need no knowledge of Python."""
    (folder / "runbook.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        environment.load("staging")
    assert str(caught.value).startswith(f"{folder / 'runbook.toml'} is invalid: {message}")


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ('[[accepted]]\ncheck = "x"\nreason = "x"', "accepted x"),
        ('[[schedules]]\nrunbook = "verify"\ncron = "0 7 * * *"', "the schedule of verify"),
    ],
)
def test_an_environment_that_is_not_there_is_refused_in_each_table(folder: Path, entry: str, what: str) -> None:
    """The finding would be accepted nowhere, and the run be overdue for ever, without a word."""
    (folder / "runbook.toml").write_text(f'{entry}\nenvironment = "stagin"\n')
    with pytest.raises(UsageError, match=f'environment "stagin" of {what} is unknown: did you mean staging'):
        environment.load("production")
    (folder / "runbook.toml").write_text(f'{entry}\nenvironment = "staging, production"\n')
    with pytest.raises(UsageError, match="is unknown: name one; a run on several goes by its first, staging"):
        environment.load("production")


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("staging, production", "name one; a run on several goes by its first, staging."),
        ("preview-*", "a name has letters, digits and . _ - alone."),
        ("preview-1", ""),
    ],
)
def test_discovery_finds_no_environment_of_a_name_that_none_can_have(folder: Path, name: str, way: str) -> None:
    """One of any other name may be found."""
    entry = f'[[accepted]]\ncheck = "x"\nreason = "x"\nenvironment = "{name}"\n[discovery]\nsecrets = "a-*"\n'
    (folder / "runbook.toml").write_text(entry)
    with pytest.raises(UsageError) if way else nullcontext() as refused:
        environment.load("staging")
    assert way == "" or str(refused.value) == f'runbook.toml: environment "{name}" of accepted x is unknown: {way}'


@pytest.mark.parametrize("cron", ["at seven", "0 7 * *", "0 25 * * *", "cron(0 7 * * ? *)", "0 7 31 2 *"])
def test_a_malformed_schedule_is_named_by_every_run(cron: str, folder: Path) -> None:
    """Else only `records` would say so, which nobody may look at until a run has stayed away."""
    pytest.importorskip("cronsim", reason="cronsim is not installed")
    fine = '[[schedules]]\nrunbook = "verify"\ncron = "0 7 * * *"\n'
    (folder / "runbook.toml").write_text(f'{fine}[[schedules]]\nrunbook = "audit"\ncron = "{cron}"\n')
    what = f'runbook.toml: of the schedule of audit on staging, "{cron}"'
    with pytest.raises(UsageError) as caught:
        environment.load("production")
    assert str(caught.value) == f"{what} is not a cron expression, such as 0 7 * * *."


def test_names_that_cannot_be_read_are_not_passed_over(folder: Path) -> None:
    """A folder, a pipe, or a link to nowhere in the file's place: it may name the account to guard."""
    path = folder / "runbook.toml"
    makers = (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("nowhere"), lambda: path.symlink_to(path))
    for make in makers:
        make()
        with pytest.raises(UsageError, match=r"runbook\.toml is not a file that can be read: remove it"):
            environment.load("staging")
        path.rmdir() if path.is_dir() else path.unlink()
    path.write_bytes(b"\xef\xbb\xbfproject = 'demo'\n")
    assert environment.load("staging").project == "demo"


def test_a_home_that_the_shell_left_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in --record=~/records and --folder=~/runbooks: no folder called ~ is created."""
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert places.find("~/records").folder == folder / "home" / "records"
    (folder / "home" / "records").mkdir(parents=True)
    (folder / "home" / "records").rmdir()
    (folder / "home" / "records").touch()
    with pytest.raises(UsageError, match="home/records cannot be read: Not a directory"):
        terminal.print_records(places.find("~/records"))


def test_a_kernel_needs_a_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container that runs as any user has none; Jupyter would fail there."""

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    code, _, err = ended_with(capsys, "run", "verify", "--kernel", "--record", "out")
    assert (code, err) == (3, f"error: {HOMELESS}\n") and not [*(folder / "out").glob("*")]
    # Jupyter's own folder is enough: the run goes on to its parameters.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    code, _, err = ended_with(capsys, "run", "verify", "--kernel", "-p", "servise", "api")
    assert code == 3 and "servise" in err and HOMELESS not in err


@pytest.mark.parametrize("path", ["link", "link/below"])
def test_a_link_to_nothing_is_no_folder_for_records(
    path: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made where it leads."""
    (folder / "link").symlink_to("nowhere")
    code, _, err = ended_with(capsys, "run", "verify", "--record", path)
    message = "link is a symbolic link to a target that does not exist: name a folder for the record."
    assert (code, err) == (3, f"error: {message}\n")
    assert not (folder / "nowhere").exists()


def test_where_a_name_can_be_corrected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the variable that sets it, else in the file, which may have to be written first."""
    assert environment.load("staging").source_of("cluster") == "runbook.toml"
    (folder / "runbook.toml").write_text('cluster = "demo"\n')
    assert environment.load("staging").source_of("cluster") == str(folder / "runbook.toml")
    monkeypatch.setenv("OMC_ENVIRONMENTS__PRODUCTION__CLUSTER", "other")
    assert environment.load("staging").source_of("cluster") == str(folder / "runbook.toml")
    monkeypatch.setenv("OMC_ENVIRONMENTS__STAGING__CLUSTER", "other")
    assert environment.load("staging").source_of("cluster") == "OMC_ENVIRONMENTS__STAGING__CLUSTER"
    monkeypatch.setenv("OMC_CLUSTER", "another")
    assert environment.load("staging").source_of("cluster") == "OMC_CLUSTER"
    (folder / "runbook.toml").write_text("[keys.MAIL_TOKEN]\nrequired = true\n[keys.NEWS_TOKEN]\nrequired = true\n")
    monkeypatch.setenv("OMC_KEYS", '{"MAIL_TOKEN": {"check": "https://mail.test/"}}')
    loaded = environment.load("staging")
    assert loaded.source_of("keys.MAIL_TOKEN.check") == "OMC_KEYS"
    for own in ("MAIL_TOKEN", "NEWS_TOKEN"):
        assert loaded.source_of(f"keys.{own}.required") == str(folder / "runbook.toml")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run verify -p environment=staging", "-p takes two words, as in -p environment staging."),
        ("run verify --environment staging", "as in environment=staging; omc-runbook run --help shows the options."),
        ("init environment=staging", "a parameter stands after -p here, as in -p environment staging."),
        ("list environment=staging", "omc-runbook list --help shows its usage."),
        ("run", "omc-runbook list shows the runbooks."),
        ("show", "omc-runbook list shows the runbooks."),
        ("lab --port 9000", "as in omc-runbook lab -- --port=9000."),
        ("lab --foldr x", "omc-runbook lab --help shows its usage."),
        ("list --json", "omc-runbook list --help shows its usage."),
    ],
)
def test_a_person_at_a_terminal_reads_what_to_type_instead(
    line: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the error, and nowhere else."""
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    with pytest.raises(SystemExit):
        cli.main(line.split())
    assert stderr.getvalue().splitlines()[1].endswith(hint)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_who_starts_a_sandbox_without_eval_reads_that_nothing_is_set(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell's `eval` reads standard output, and needs no advice."""
    running = lifecycle.Sandbox(endpoint="http://127.0.0.1:9", port=9, pid=9, credentials=Credentials("an-id", "a-key"))
    monkeypatch.setattr(lifecycle, "up", lambda *_: running)
    stdout = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", stdout)
    with pytest.raises(SystemExit):
        cli.main(["sandbox", "up"])
    advice = ['Nothing is set yet: paste these lines. eval "$(omc-runbook sandbox up)" sets them at once.']
    assert capsys.readouterr().err.splitlines() == (advice if is_terminal else [])
    assert all(line.startswith("export ") for line in stdout.getvalue().splitlines())
