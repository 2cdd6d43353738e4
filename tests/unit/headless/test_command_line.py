"""The command line: what it lists, completes and prints, and how it says that something is wrong."""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import click
import nbformat

# It imports the masking engine by its entry point, which imports it: so it has to come first.
import papermill  # noqa: F401
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from support.outcomes import NOW, an_outcome
from support.terminal import Terminal, ended_with

from omc_runbook import cli
from omc_runbook.headless import completion, notebooks, overview, terminal
from omc_runbook.headless import run as headless_run
from omc_runbook.headless.run import RunResult
from omc_runbook.masking import registry
from omc_runbook.masking.engine import MaskingManager
from omc_runbook.model import ending, streams, unread_target
from omc_runbook.model.change import Change
from omc_runbook.model.errors import OUT_OF_FILES
from omc_runbook.model.findings import Finding, Outcome, Remedy, TargetOutcome, with_remedies_of_causes
from omc_runbook.report.archive import kept_records, summary

CAUSE = Finding(
    check="no-permission",
    family="access",
    title="The execution role may not read the secret",
    status="found",
    subject="a-role",
    evidence=("SimulatePrincipalPolicy: implicitDeny for secretsmanager:GetSecretValue on the secret.",),
    remedy=Remedy(command="aws iam put-role-policy --role-name a-role --policy-document '{}'"),
)
EFFECT = Finding(
    check="pull-failed",
    family="deployment",
    title="Tasks stop before they start",
    status="found",
    subject="backend",
    evidence=("3 tasks of backend never started.",),
    because_of=("no-permission",),
    remedy=Remedy(command="aws ecs update-service"),
)
OUTCOME = an_outcome(
    findings=(CAUSE, EFFECT, replace(EFFECT, subject="worker"), replace(EFFECT, check="rollout-stuck")),
)


def every_command(group: click.Group) -> list[click.Command]:
    """The commands of a group, and of the groups among them."""
    own = [*group.commands.values()]
    return own + [each for one in own if isinstance(one, click.Group) for each in every_command(one)]


@pytest.mark.parametrize("command", every_command(cli.cli), ids=lambda command: str(command.name))
def test_the_list_of_commands_cuts_no_sentence_off(command: click.Command) -> None:
    """On 80 columns; and every option of a command says what it does."""
    assert not command.get_short_help_str().endswith("...")
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_a_consequence_is_a_line_below_its_cause() -> None:
    """Its evidence and remedy are not repeated; a consequence of what is not there stands by itself."""
    lines = [str(line) for line in summary.summarise(OUTCOME, "a.html", "")]
    assert lines == [
        "verify on staging: findings",
        "  error    no-permission: The execution role may not read the secret — a-role",
        "             SimulatePrincipalPolicy: implicitDeny for secretsmanager:GetSecretValue on the secret.",
        "             causes pull-failed (backend, worker), rollout-stuck (backend)",
        "             → aws iam put-role-policy --role-name a-role --policy-document '{}'",
        "  0 checks are clear.",
        "Record: a.html",
    ]
    alone = replace(OUTCOME, findings=(EFFECT,))
    assert [str(line) for line in summary.summarise(alone, "a.html", "")][1:4] == [
        "  error    pull-failed: Tasks stop before they start — backend (because of no-permission)",
        "             3 tasks of backend never started.",
        "             → aws ecs update-service",
    ]


def test_the_title_of_a_cause_is_said_once() -> None:
    """A secret that was created again leaves each reference wrong: a screen of one sentence hides their names."""
    other = replace(CAUSE, subject="another-role", evidence=("GetRole: it is missing.",))
    lines = [str(line) for line in summary.summarise(replace(OUTCOME, findings=(*OUTCOME.findings, other)), "a", "")]
    assert "  error    no-permission: another-role" in lines
    assert "             GetRole: it is missing." in lines and "".join(lines).count(other.title) == 1


def test_the_summary_has_what_to_know_of_a_plan() -> None:
    """Before it is applied, and where there is nothing to do; the summary of a change has none of it."""
    note = "The database must accept the POSTGRES_PASSWORD of version 0123abcd."
    planned = an_outcome(plan=("SECRET_KEY would be changed.",), notes=(note,))
    for outcome in (planned, replace(planned, plan=(), applied=True)):
        read = Outcome.from_json(outcome.to_json())
        assert f"  note     {note}" in map(str, summary.summarise(read, "a.html", ""))
    applied = replace(planned, applied=True, changes=(Change(key="SECRET_KEY", action="changed", version="v"),))
    assert note not in "".join(map(str, summary.summarise(applied, "a.html", "")))
    assert planned.map_texts(lambda text: "masked", str).notes == ("masked",)


def test_a_run_that_had_nothing_to_do_says_so() -> None:
    """`ok` alone, after an update without values, reads as if something was updated; verify never plans."""
    empty = "  The plan is empty, and nothing was changed."
    planned = an_outcome(plan=("SECRET_KEY would be changed.",))
    broken_off = replace(planned, plan=(), failure="It ended.")
    for outcome, is_empty in (
        (replace(planned, plan=()), True),
        (replace(planned, plan=(), applied=True), True),
        (planned, False),
        (replace(planned, plan=None), False),
        (broken_off, False),
    ):
        assert (empty in map(str, summary.summarise(outcome, "a.html", ""))) is is_empty


def test_what_the_plan_fixes_is_fixed_by_its_own_command() -> None:
    """The command that only plans would lead back to the same screen; a fix that needs values keeps its own."""
    apply = "omc-runbook run local_setup -p repository ohmycoins -p apply true"
    here = {"environment": "local", "repository": "ohmycoins"}
    fixes = {"crlf": here, "required-empty": {**here, "values_from": "file:PATH"}}
    findings = tuple(
        replace(CAUSE, check=check, remedy=Remedy(runbook="local_setup", parameters=parameters))
        for check, parameters in fixes.items()
    )
    planned = an_outcome(runbook="local_setup", plan=("2 line ends would change.",), findings=findings)
    lines = [str(line).strip() for line in summary.summarise(planned, "a.html", apply)]
    assert f"→ {apply}" in lines and f"→ {findings[1].remedy.invocation}" in lines
    assert f"→ {findings[0].remedy.invocation}" not in lines


def test_a_key_that_the_plan_changes_needs_no_other_run() -> None:
    """Wherever its values come from; a key beside it, and another version, keep their commands and what they need."""
    apply = "omc-runbook run update -p keys SECRET_KEY,SMTP_HOST -p values_from generate -p apply true"
    needs = "PATH is a file with a value."
    staging = {"environment": "staging", "values_from": "file:PATH"}
    fixes = [{**staging, "keys": "SECRET_KEY"}, {**staging, "keys": "SECRET_KEY,OPENAI_API_KEY"}, {"version": "a"}]
    for parameters, is_planned in zip(fixes, (True, False, False), strict=True):
        parameters = {"environment": "staging", **parameters}
        remedy = Remedy(runbook="update", parameters=parameters, runbook_needs=needs, command_needs="A file.")
        outcome = an_outcome(runbook="update", plan=("Two keys would be changed.",))
        planned = replace(outcome, findings=(replace(CAUSE, remedy=remedy),))
        lines = [str(line).strip() for line in summary.summarise(planned, "a.html", apply)]
        assert f"→ {apply if is_planned else remedy.invocation}" in lines
        assert ("A file." if is_planned else f"{needs} A file.") in lines


def test_a_remedy_keeps_its_record_where_this_run_does() -> None:
    """A run of it elsewhere would miss in the history; a command of AWS's has no record, and one option is enough."""
    place = "--record 'my records'"
    apply = f"omc-runbook run local_setup -p apply true {place} -p confirm production"
    other = Remedy(runbook="rotate", parameters={"environment": "staging"}, command="aws ecs update-service")
    remedies = {"crlf": Remedy(runbook="local_setup", parameters={"environment": "staging"}), "stale-tasks": other}
    findings = tuple(replace(CAUSE, check=check, remedy=remedy) for check, remedy in remedies.items())
    planned = an_outcome(runbook="local_setup", plan=("2 line ends would change.",), findings=findings)
    lines = [str(line).strip() for line in summary.summarise(planned, "a.html", apply, place)]
    shown = [line for line in lines if line.startswith(("→", "or "))]
    assert shown == [f"→ {apply}", f"→ {other.invocation} {place}", "or aws ecs update-service"]
    assert not any(place in str(line) for line in summary.summarise(replace(planned, plan=None), "a.html", ""))


def test_a_fault_that_no_plan_fixes_is_left_to_a_person() -> None:
    """An empty plan alone, as the first line of an answer, reads as if there was nothing to do."""
    lines = [str(line) for line in summary.summarise(replace(OUTCOME, plan=()), "a.html", "")]
    assert lines[1] == "  The plan does not fix what is wrong: what to do is below. Nothing was changed."


def test_a_run_that_found_an_unfinished_change_says_so() -> None:
    """The way to finish it stands on the page, which nobody opens of a run that says only `ok`."""
    for is_unfinished in (True, False):
        lines = summary.summarise(replace(OUTCOME, unfinished=is_unfinished), "a.html", "")
        assert any(summary.NOT_FINISHED in str(line) for line in lines) is is_unfinished


def test_a_run_that_checked_nothing_counts_no_checks() -> None:
    """It broke off before."""
    lines = [str(line) for line in summary.summarise(an_outcome(failure="It ended."), "a.html", "")]
    assert lines == ["verify on staging: failed", "  It ended.", "Record: a.html"]


def test_a_consequence_has_the_remedy_of_its_cause() -> None:
    """A person who pastes it mends the cause."""
    remedies = {each.check: each.remedy for each in with_remedies_of_causes(OUTCOME.findings)}
    assert remedies["pull-failed"] == remedies["rollout-stuck"] == CAUSE.remedy
    assert with_remedies_of_causes((EFFECT,)) == (EFFECT,)


def test_a_terminal_wraps_sentences_and_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence goes on below its beginning; a command stays one line, to be copied; there are colours."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal.print_lines(summary.summarise(OUTCOME, "a.html", ""))
    assert "\x1b[" in screen.getvalue()
    screen.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.print_lines(summary.summarise(OUTCOME, "a.html", ""))
    lines = screen.getvalue().lstrip("\0").splitlines()
    at = next(number for number, line in enumerate(lines) if "SimulatePrincipalPolicy" in line)
    assert lines[at].startswith(" " * 13) and lines[at + 1].startswith(" " * 13) and len(lines[at]) <= 50
    assert f"{' ' * 13}→ {CAUSE.remedy.command}" in lines


@pytest.mark.parametrize("kind", ["xterm-256color", "dumb"])
def test_a_terminal_cuts_no_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ARN that is longer than a line stays whole, so that it can be copied; the width is that of each terminal."""
    screen, name = Terminal(), "ohmycoins-staging-app-secrets-AbCdEf"
    arn = f"arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:{name}"
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", kind)
    text = f"SimulatePrincipalPolicy: implicitDeny for secretsmanager:GetSecretValue on {arn}."
    terminal.print_lines([summary.Line(text)])
    lines = screen.getvalue().splitlines()
    assert f"{arn}." in lines and all(len(line) <= 60 for line in lines if arn not in line)


def test_a_terminal_wraps_a_sentence_by_hand_but_no_command_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none to paste, and has not its colour; what is to be pasted of it stays in one piece."""
    screen, line = Terminal(), "aws ecs update-service --cluster ohmycoins-staging --service backend"
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    by_hand = f"Delete the other secret of that name in us-east-1, then run `{line}`, and ask who has used it."
    finding = replace(CAUSE, remedy=Remedy(by_hand, "rotate", {"environment": "staging"}))
    terminal.print_lines(summary.summarise(an_outcome(findings=(finding,)), "a.html", ""))
    lines = screen.getvalue().splitlines()
    at = next(number for number, text in enumerate(lines) if "or by hand: Delete" in text)
    assert len(lines[at]) <= 60 and lines[at].startswith(" " * 13 + "or by hand") and "\x1b" not in lines[at]
    assert any(f"`{line}`" in text for text in lines[at:]) and "\x1b" in lines[at - 1]


def test_the_runbooks_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Each notebook is there, and whether it can change something."""
    code, out, _ = ended_with(capsys, "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(lines) == set(notebooks.paths())
    assert "only reads" in lines["verify"] and "do the secrets reach the tasks?" in lines["verify"]
    assert "plans, applies" in lines["rotate"]


@pytest.mark.parametrize("name", sorted(notebooks.paths()))
def test_each_runbook_says_what_it_is_for(name: str) -> None:
    """Purpose, what it changes, permissions, and every parameter with its default and meaning."""
    description = notebooks.describe(name)
    assert not description.title.startswith("#")
    assert "**What it changes:**" in description.text and "**Permissions it needs:**" in description.text
    cells = nbformat.read(notebooks.find(name), as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    assert len(description.parameters) == len(source.splitlines())
    assert all(
        f"`{each.name}={each.default}` — {each.meaning}" in description.markdown for each in description.parameters
    )


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("run", "verfy"), 'There is no runbook "verfy": did you mean verify?', "omc-runbook list"),
        (("show", "verfy"), 'There is no runbook "verfy": did you mean verify?', "omc-runbook list"),
        (("run", "verify", "enviroment=staging"), "did you mean environment?", "omc-runbook show verify"),
        (("run", "verify", "staging"), "Word 1 after the runbook's name is not NAME=VALUE, as in", ""),
        (("run", "verify", "--recrod", "x"), "--recrod", "omc-runbook run --help"),
        (("shwo",), "shwo", "omc-runbook --help"),
        (("records", "--record", "no-such-folder"), "no record in no-such-folder", ""),
    ],
)
def test_a_mistake_is_an_error_and_a_hint(
    words: tuple[str, ...],
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says what is wrong, and at a terminal one what helps."""
    code, out, err = ended_with(capsys, *words)
    assert (code, out) == (3, "") and err.count("\n") == 1
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    ended_with(capsys, *words)
    lines = click.unstyle(screen.getvalue()).splitlines()
    assert lines[0] == err.strip()
    assert lines[0].startswith("error: ") and message in lines[0]
    assert lines[1:] == [line for line in lines if line.startswith("hint: ")] and len(lines) <= 2
    assert hint in "".join(lines[1:])


@pytest.mark.parametrize("words", [(), ("sandbox",)])
def test_without_a_command_its_usage_is_shown(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """That is no error of a person who looks around, though nothing was done."""
    code, _, err = ended_with(capsys, *words)
    assert code == 3 and err.startswith("Usage: omc-runbook")


@pytest.mark.parametrize(
    ("words", "beginning", "expected"),
    [
        ((), "envi", ["environment="]),
        ((), "environment=st", ["environment=staging"]),
        (("environment", "="), "st", ["staging"]),
        (("environment=staging",), "look", ["look_inside="]),
        ((), "repository=", []),
    ],
)
def test_parameters_and_environments_are_completed(words: tuple[str, ...], beginning: str, expected: list[str]) -> None:
    """Also in bash, which splits a word at =."""
    assert completion.assignments(completion.parameters("verify"), words, beginning) == expected


@pytest.mark.parametrize(
    "words",
    [
        "run verify -p repository ~/oh",
        "run verify repository = ~/oh",
        "run rotate -p plan_to ~/oh",
        "policy verify -p runbook_toml ~/oh",
        "run verify --record ~/oh",
        "records ~/oh",
        "init --repository ~/oh",
        "lab --folder ~/oh",
    ],
)
def test_a_path_is_completed_by_the_shell(words: str) -> None:
    """As bash has the words; a shell that keeps NAME=PATH in one piece finds no path in it."""
    *before, beginning = words.split(" ")
    completions = ShellComplete(cli.cli, {}, "omc-runbook", "").get_completions(before, beginning)
    assert [(each.value, each.type) for each in completions] == [("~/oh", "file")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run verify -p look", ["look_inside"]),
        ("run -p environment staging verify look_inside=true -p serv", ["service"]),
        ("run verify -p environment st", ["staging"]),
        ("run verify -p service back", []),
        ("run no-such -p ", []),
        ("run -p ", []),
        ("fleet -p environments st", ["staging"]),
        ("fleet -p time", ["timeout"]),
        ("policy verify -p run", ["runbook_toml"]),
        ("policy verify run", ["runbook_toml="]),
        ("init -p rep", ["repository"]),
        ("records -p ", ["runbook_toml"]),
    ],
)
def test_what_follows_p_is_completed(words: str, expected: list[str]) -> None:
    """The name of a parameter and then its value, as a shell asks for them."""
    *before, beginning = words.split(" ")
    completions = ShellComplete(cli.cli, {}, "omc-runbook", "").get_completions(before, beginning)
    assert [each.value for each in completions] == expected


def test_environments_of_runbook_toml_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable file completes nothing, and says nothing."""
    monkeypatch.chdir(tmp_path)
    Path("runbook.toml").write_text("[environments.demo]\n")
    assert completion.environments("de") == ["demo"]
    Path("runbook.toml").write_text("[environments.demo\n")
    assert completion.environments("de") == []
    assert completion.runbooks("ro") == ["rotate"]
    assert completion.parameters("no-such") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    """The script asks the command itself."""
    ended = CliRunner().invoke(cli.cli, ["completion", shell])
    assert ended.exit_code == 0 and f"_OMC_RUNBOOK_COMPLETE={shell}_complete" in ended.output


def test_records_are_listed_by_how_they_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest first: findings with their causes, plans, and changes that were applied; other files are left out."""
    dry = replace(OUTCOME, runbook="rotate", findings=(), plan=("SECRET_KEY would change.",))
    applied = replace(dry, applied=True, finished=NOW.replace(hour=5))
    for number, outcome in enumerate((OUTCOME, replace(dry, finished=NOW.replace(hour=4)), applied)):
        notebook = nbformat.v4.new_notebook()
        kept_records.mark(notebook, outcome)
        nbformat.write(notebook, tmp_path / f"{number}.ipynb")
        (tmp_path / f"{number}.html").touch()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "other.ipynb")
    (tmp_path / "cut.ipynb").write_text('{"metadata": ')
    code, out, _ = ended_with(capsys, "records", "--record", str(tmp_path))
    assert (code, out.splitlines()) == (
        0,
        [
            "2026-07-01 05:00 UTC  rotate on staging            applied, ok",
            "2026-07-01 04:00 UTC  rotate on staging            PLAN: nothing was changed",
            "2026-07-01 03:00 UTC  verify on staging            findings (no-permission)",
            f"The newest: {tmp_path / '2.html'}",
        ],
    )
    (tmp_path / "2.html").unlink()
    assert f"The newest: {tmp_path / '2.ipynb'}\n" in ended_with(capsys, "records", "--record", str(tmp_path))[1]


def test_several_environments_are_one_parameter_however_they_are_typed() -> None:
    """Else the records of one audit had two names."""
    typed = (("environment", "a, b"), ("keys", "A, B"))
    assert cli._pairs(typed, ("environment= c ,d",)) == (("environment", "a,b"), typed[1], ("environment", "c,d"))


def test_equal_findings_of_several_environments_are_one_entry() -> None:
    """With the environments named, and the first one's command."""
    one = TargetOutcome(environment="a", account="", region="", endpoint="", status="findings")
    findings = tuple(replace(CAUSE, subject=f"{name}: {CAUSE.subject}") for name in "ab")
    outcome = an_outcome(findings=findings, targets=(one, replace(one, environment="b")))
    lines = [str(line) for line in summary.summarise(outcome, "a.html", "")]
    assert [line for line in lines if CAUSE.title in line] == [f"  error    {CAUSE.check}: {CAUSE.title} — a, b"]
    assert f"{' ' * 13}a: {CAUSE.subject} and 1 more." in lines
    assert f"{' ' * 13}This command is for a; each other environment's record has its own." in lines
    by_hand = tuple(replace(each, remedy=Remedy(command="Write it anew.")) for each in findings)
    lines = [str(line) for line in summary.summarise(replace(outcome, findings=by_hand), "a.html", "")]
    assert f"{' ' * 13}This is for a; each other environment's record says what to do there." in lines
    lines = [str(line) for line in summary.summarise(replace(outcome, runbook="audit"), "a.html", "")]
    assert f"{' ' * 13}This command is for a; the record has those for the others." in lines


def test_an_entry_for_several_findings_of_an_environment_has_all_their_commands() -> None:
    """What mends one service by hand leaves the next as it is; another environment's command is not among them."""
    one = TargetOutcome(environment="a", account="", region="", endpoint="", status="findings")
    findings = tuple(
        replace(
            CAUSE,
            subject=f"{name}: {service}",
            remedy=Remedy(f"aws ecs start {service} {name}", runbook="rotate", parameters={"environment": name}),
        )
        for name, service in (("a", "backend"), ("a", "worker"), ("b", "backend"))
    )
    outcome = an_outcome(findings=findings, targets=(one, replace(one, environment="b")))
    lines = [str(line).strip() for line in summary.summarise(outcome, "a.html", "")]
    assert "a: backend and 2 more." in lines
    assert "or aws ecs start backend a && aws ecs start worker a" in lines
    by_hand = tuple(replace(each, remedy=Remedy(each.remedy.command)) for each in findings)
    lines = [str(line).strip() for line in summary.summarise(replace(outcome, findings=by_hand), "a.html", "")]
    assert [line for line in lines if "aws" in line] == ["→ aws ecs start backend a", "→ aws ecs start worker a"]


@pytest.mark.parametrize(
    ("ways", "lines"),
    [
        (("Ask who owns backend.", "Write it into a file."), ["Ask who owns backend. Write it into a file."]),
        (("Ask who owns backend.", "aws ecs start"), ["Ask who owns backend. Run `aws ecs start`."]),
        (("Ask who owns backend.", "Ask who owns worker."), ["Ask who owns backend.", "the same for the others"]),
    ],
)
def test_no_sentence_by_hand_is_left_out(ways: tuple[str, str], lines: list[str]) -> None:
    """Of several findings that one runbook mends; those that differ in a name alone are one, as on the page."""
    findings = tuple(
        replace(CAUSE, subject=subject, remedy=Remedy(way, "rotate", {"environment": "staging"}))
        for subject, way in zip(("backend", "worker"), ways, strict=True)
    )
    shown = [str(line).strip() for line in summary.summarise(an_outcome(findings=findings), "a.html", "")]
    at = shown.index("→ omc-runbook run rotate -p environment staging")
    assert shown[at + 1] == f"or by hand: {lines[0]}"
    assert all(words in shown[at + 2] for words in lines[1:])


def test_what_the_remedy_of_several_findings_needs_is_told_of_all() -> None:
    """Their commands stand in one line, and each may need something else; what all need is told once."""
    ways = {"backend": ("aws put file://a.json", "a.json has A."), "worker": ("aws put file://b.json", "b.json has B.")}
    findings = tuple(
        replace(CAUSE, subject=subject, remedy=Remedy(way, "rotate", {}, command_needs=needs, order="Then deploy."))
        for subject, (way, needs) in ways.items()
    )
    lines = [str(line).strip() for line in summary.summarise(an_outcome(findings=findings), "a.html", "")]
    at = lines.index("or aws put file://a.json && aws put file://b.json")
    assert lines[at + 1] == "a.json has A. b.json has B. Then deploy."


def test_what_is_unknown_of_several_environments_names_them() -> None:
    """By each reason; equal reasons why environments were not read are one."""
    one = TargetOutcome(environment="a", account="", region="", endpoint="", status="unknown")
    unknown = replace(CAUSE, status="unknown", evidence=("The permission iam:GetRole is missing.",))
    findings = (
        *(replace(unknown, subject=name) for name in "ab"),
        replace(unknown, subject="b: backend", evidence=("Throttled.",)),
        replace(unknown, check="environment-unread", subject="c", evidence=("c: Refused.",)),
        *(replace(unknown, check="environment-unread", subject=each, evidence=(f"{each}: Late.",)) for each in "de"),
    )
    targets = tuple(replace(one, environment=name) for name in "abcde")
    lines = [str(line) for line in summary.summarise(an_outcome(findings=findings, targets=targets), "a.html", "")]
    assert [line for line in lines if line.startswith("  unknown")] == [
        f"  unknown  a, b: {CAUSE.check}: The permission iam:GetRole is missing.",
        f"  unknown  b: {CAUSE.check}: Throttled.",
        "  unknown  environment-unread: c: Refused.",
        "  unknown  environment-unread: d, e: Late.",
    ]


def test_reads_that_failed_in_the_same_way_are_one_reason() -> None:
    """Of an environment that AWS throttles each check lacks other reads; another's reads have other names."""
    reads = ("secret x", "the services of y", "the tasks of y")
    lacking = {"one": reads[:1], "two": reads[1:2], "three": reads[:2], "four": reads}
    findings = tuple(
        replace(
            CAUSE,
            check=check,
            status="unknown",
            subject=name,
            evidence=tuple(f"Could not read {each} of {name}: Throttling; run again." for each in own),
        )
        for name in ("a", "b")
        for check, own in lacking.items()
    )
    denied = replace(findings[0], evidence=("Could not read role z: the permission iam:GetRole is missing.",))
    one = TargetOutcome(environment="a", account="", region="", endpoint="", status="unknown")
    outcome = an_outcome(findings=(*findings, denied), targets=(one, replace(one, environment="b")))
    lines = [str(line) for line in summary.summarise(outcome, "a.html", "")]
    operations = {name: ", ".join(f"{each} of {name}" for each in reads) for name in "ab"}
    assert [line for line in lines if line.startswith("  unknown")] == [
        f"  unknown  a: one, two, three, four: Could not read {operations['a']}: Throttling; run again.",
        "  unknown  a: one: Could not read role z: the permission iam:GetRole is missing.",
        f"  unknown  b: one, two, three, four: Could not read {operations['b']}: Throttling; run again.",
    ]


def test_an_environment_that_was_not_read_has_the_command_that_looks_again() -> None:
    """Below its reason; for others of the same reason it says which word to replace."""
    one = TargetOutcome(environment="a", account="", region="", endpoint="", status="unknown")
    again = {name: Remedy(runbook="audit", parameters={"environment": name}) for name in "bc"}
    findings = tuple(unread_target.unread(f"{name}: Late.", remedy, name) for name, remedy in again.items())
    targets = tuple(replace(one, environment=name) for name in "abc")
    outcome = an_outcome(findings=findings, targets=targets, failure="Not looked at: b, c.")
    lines = [str(line) for line in summary.summarise(outcome, "a.html", "")]
    at = lines.index("  unknown  environment-unread: b, c: Late.")
    assert lines[at + 1 : at + 3] == [
        f"{' ' * 13}→ omc-runbook run audit -p environment b",
        f"{' ' * 13}For another one, put its name in place of b.",
    ]


def test_of_many_unknown_checks_the_first_are_named() -> None:
    """A key that cannot decrypt leaves all checks of the content unknown: their names would fill the screen."""
    reason = "The permission kms:Decrypt is missing."
    findings = tuple(replace(CAUSE, check=f"check-{n}", status="unknown", evidence=(reason,)) for n in range(30))
    lines = [str(line) for line in summary.summarise(an_outcome(findings=findings), "a", "")]
    assert f"  unknown  check-0, check-1, check-2, check-3, check-4, check-5 and 24 more: {reason}" in lines
    assert "clear" not in "".join(lines)
    clear = replace(CAUSE, status="clear")
    for each in ((clear,), (clear, *findings)):
        assert "  1 check is clear." in map(str, summary.summarise(an_outcome(findings=each), "a", ""))


@pytest.fixture
def ended_run(monkeypatch: pytest.MonkeyPatch) -> RunResult:
    """What a run that is well ends with, for the command that runs it."""
    result = RunResult(0, (summary.Line("verify on staging: ok", "ok"),))
    monkeypatch.setattr(headless_run, "run", lambda *_, **__: result)
    return result


def test_a_run_is_told_before_its_index_page_is_made(
    ended_run: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An index page that cannot be made is a warning, and changes no exit code."""

    def fail(*_: object) -> Path:
        raise ValueError("a file is broken")

    monkeypatch.setattr(overview, "write", fail)
    code, out, _ = ended_with(capsys, "run", "verify", "--summary", "--record", str(tmp_path))
    warning = "  warning  The records could not be cleaned up: a file is broken."
    assert (code, out.splitlines()) == (0, [str(ended_run.summary[0]), warning])
    monkeypatch.setattr(overview, "after_run", lambda *_: sys.exit(2))
    _, out, _ = ended_with(capsys, "run", "verify", "--summary", "--record", str(tmp_path))
    assert out.splitlines() == [str(ended_run.summary[0])]


def test_a_bug_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its traceback is for us and shows no value, and the exit code says that the run could not finish."""
    value = secrets.token_hex(16)
    registry.register(value, "KEY")
    monkeypatch.setattr(headless_run, "run", lambda *_, **__: {}[value])
    code, out, err = ended_with(capsys, "run", "verify", "--record", str(tmp_path))
    assert (code, out) == (2, "") and err.startswith("Traceback") and err.endswith("KeyError: '‹KEY›'\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_signal_before_the_first_cell_has_done_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, has_begun: bool
) -> None:
    """Later, the command line does not know what was done."""
    handlers = {each: signal.getsignal(each) for each in ending.handled_signals()}

    def run(*_: object, **__: object) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()], metadata={"papermill": {}})
        manager = MaskingManager(notebook, None, False, False)
        manager.notebook_start()
        if has_begun:
            manager.cell_start(notebook.cells[0], 0)
        signal.raise_signal(number)

    monkeypatch.setattr(headless_run, "run", run)
    code, _, err = ended_with(capsys, "run", "verify", "--record", str(tmp_path))
    for each, handler in handlers.items():
        signal.signal(each, handler)
    assert (code, err.strip()) == (2, "Interrupted." if has_begun else "Interrupted. Nothing was done.")


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
@pytest.mark.usefixtures("ended_run")
def test_a_closed_stream_changes_no_exit_code(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler may have closed it: Python has None in its place."""
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "verify", "--record", str(tmp_path)])
    assert ended.value.code == 0
    # Else the first file that a worker opens would be in its place.
    assert os.get_inheritable(getattr(sys, name).fileno())


def test_a_run_that_cannot_begin_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a monitor reads must not stay that of the last run that could."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runbook.toml").write_text("[notify\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "verify", "--export", "emf=metrics.log"])
    (line,) = map(json.loads, (tmp_path / "metrics.log").read_text().splitlines())
    assert (ended.value.code, line["ExitCode"], line["Environment"]) == (3, 2, "staging")


@pytest.mark.parametrize(
    ("name", "errors", "words", "code", "written"),
    [
        ("stdout", "strict", ["show", "verify"], 0, '- `environment="staging"` - look at'),
        ("stderr", "backslashreplace", ["records", "Łódź — ‹KEY› → …"], 3, "\\u0141ód\\u017a - <KEY> -> ..."),
    ],
)
def test_a_character_that_the_locale_lacks_changes_no_exit_code(
    name: str, errors: str, words: list[str], code: int, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in cron with LANG=de_DE: a sign that it lacks is a plain one, and a letter is escaped."""
    with (tmp_path / "mail").open("w", encoding="iso-8859-1", errors=errors) as stream:
        monkeypatch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
    assert ended.value.code == code
    assert written in (tmp_path / "mail").read_text(encoding="iso-8859-1")


def test_the_locale_c_lacks_signs_and_keeps_bytes(tmp_path: Path) -> None:
    """Python handles errors another way there, which has no arrow, but the bytes of a path as they are on the disk."""
    with (
        (tmp_path / "terminal").open("w", encoding="ascii", errors="surrogateescape") as terminal,
        streams.open_output(terminal.fileno(), terminal, is_for_errors=False) as stream,
    ):
        stream.write("a\udcff→—\udce9é\ud800")
    assert (tmp_path / "terminal").read_bytes() == b"a\xff->-\xe9\\xe9\\ud800"


@pytest.mark.parametrize(
    ("words", "code"),
    [("run verify --summary", 0), ("run verify runbook_toml=none", 3), ("run no-such-runbook", 3), ("list", 0)],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.usefixtures("ended_run")
def test_a_reader_that_goes_away_changes_no_exit_code(
    name: str, words: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `| head` does: 1 would mean findings, a changed record or an overdue run."""
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(words.split())
    assert ended.value.code == code


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [("stdout", "list", 2), ("stdout", "--help", 2), ("stderr", "list", 0), ("stderr", "run no-such-runbook", 3)],
)
def test_only_output_that_is_lost_changes_the_exit_code(
    name: str, words: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a full disk: 1 would mean findings. What could not be written is reported once, and errors nowhere."""
    with os.fdopen(os.open(os.devnull, os.O_RDONLY), "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(words.split())
        getattr(sys, name).close()
    assert ended.value.code == code
    expected = f"error: Operating system error: [Errno 9] {os.strerror(9)}: 'standard output'.\n"
    assert capsys.readouterr().err == (expected if name == "stdout" else "")


def test_white_space_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a scheduler's variable that is not set: no service, no file of a plan and no runbook.toml has that name."""
    result, parameters = RunResult(0, (summary.Line("rotate on staging: ok", "ok"),)), dict[str, str]()
    monkeypatch.setattr(headless_run, "run", lambda name, pairs, *_, **__: parameters.update(pairs) or result)
    blank = ("runbook_toml= ", "plan_to=\t", "-p", "keys", " ", "confirm= production")
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "rotate", *blank, "--record", str(tmp_path)])
    assert ended.value.code == 0
    assert parameters == {"runbook_toml": "", "plan_to": "", "keys": "", "confirm": " production"}


def test_a_command_for_which_open_files_run_out_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a notebook runs, such as where a module cannot be imported."""
    monkeypatch.setattr(cli.cli, "main", Mock(side_effect=OSError(errno.EMFILE, os.strerror(errno.EMFILE), "run.py")))
    with pytest.raises(SystemExit) as ended:
        cli.main(["list"])
    assert (ended.value.code, capsys.readouterr().err) == (2, f"error: {OUT_OF_FILES}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["environments=staging,qa"], {"environments": "staging,qa"}),
        (["staging", "qa"], {"environments": "staging,qa"}),
        (["qa", "timeout=5"], {"environments": "qa", "timeout": "5"}),
        (["-p", "environments", "qa"], {"environments": "qa"}),
        (["a-b=c"], {"environments": "a-b=c"}),
        ([], {}),
    ],
)
def test_fleet_takes_names_and_parameters(
    words: list[str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be a parameter's name is an environment's, which is then refused as such."""
    begun = Mock(return_value=0)
    monkeypatch.setattr(cli, "_run_notebook", begun)
    monkeypatch.setattr("omc_runbook.headless.workers.prepare", Mock())
    assert CliRunner().invoke(cli.cli, ["fleet", *words]).exit_code == 0
    assert dict(begun.call_args.args[1]) == expected
