"""How a run ends that was only planned: the banner, outcome.json, the terminal and the command that carries it out."""

from __future__ import annotations

import json
import secrets
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from support.outcomes import NOW, an_outcome
from support.snapshots import healthy, rotated, with_keys, without_key

from omc_runbook import cli
from omc_runbook.aws.session import Clients
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan
from omc_runbook.changes.secret import create_plan
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import KeyChange, SecretPlan, plan_update
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.headless import run as headless_run
from omc_runbook.headless.run import RunResult
from omc_runbook.masking.value import Masked
from omc_runbook.model.findings import Finding, Outcome, PlanReference
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import changes, verify
from omc_runbook.report.archive.summary import end, summarise
from omc_runbook.runbooks import create, key_addition, secret_change
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.run import Run, Target
from omc_runbook.runbooks.secret_change import Source

DRY = an_outcome(
    runbook="rotate",
    plan=("SECRET_KEY would change.",),
)
"""A run that planned a change without applying it."""
CLEAR = Finding(check="empty", family="content", title="A key is empty", status="clear")
WRONG = Finding(check="placeholder", family="content", title="A placeholder", status="found", subject="SECRET_KEY")
UNKNOWN = Finding(
    check="stale", family="deployment", title="Stale", status="unknown", evidence=("ecs:ListTasks is denied.",)
)


def summary(outcome: Outcome) -> str:
    lines = summarise(Outcome.from_json(outcome.to_json()), "a.html", "omc-runbook run rotate -p apply true")
    return "\n".join(map(str, lines))


def plan(*keys: str, name: str = "app-secrets") -> SecretPlan:
    """A plan that changes keys, and gives the services of a healthy snapshot new tasks."""
    changes = tuple(KeyChange(key, "changed", "generated (hex-32)") for key in keys)
    return SecretPlan("arn", name, "base", Masked("{}", "it"), "token", NOW, changes, healthy().consumers)


def test_a_plan_of_what_is_well_is_no_all_clear() -> None:
    """Exit 0, and PLAN before anything else; no mark of success."""
    outcome = replace(DRY, findings=(CLEAR,))
    banner = verify.outcome(outcome)
    assert (banner.style, banner.headline) == (
        "plain",
        "PLAN: nothing was changed in staging; 1 check is clear.",
    )
    assert banner.lines == ("SECRET_KEY would change.",)
    assert (outcome.status, outcome.exit_code) == ("ok", 0)
    assert summary(outcome).splitlines() == [
        "rotate on staging: PLAN: nothing was changed",
        "  plan     SECRET_KEY would change.",
        "  1 check is clear.",
        "  Apply it: omc-runbook run rotate -p apply true",
        "Record: a.html",
    ]


def test_a_secret_with_one_key_has_one_key() -> None:
    """As in a project that has just begun."""
    assert changes.plan(plan("SECRET_KEY")).title.startswith("1 of 1 key would change, on top of version base")
    idle = replace(plan("SECRET_KEY"), changes=(KeyChange("SECRET_KEY", "unchanged", ""),))
    assert changes.plan(idle).title == "Nothing would change: the one key stays as it is in version base"


def test_a_plan_that_is_refused_says_so_where_nothing_else_is_wrong() -> None:
    """In the list of records, the reason is not told beside it."""
    refused = replace(DRY, blockers=("New tasks of api would not start.",), findings=(CLEAR,))
    assert end(refused) == "PLAN: nothing was changed (refused)"
    assert end(replace(refused, findings=(WRONG,))) == "PLAN: nothing was changed (placeholder)"


def test_a_plan_in_a_file_shows_the_digits_that_two_people_compare() -> None:
    """On a terminal too, to who makes it and to who applies it."""
    for outcome in (DRY, replace(DRY, applied=True)):
        lines = summary(replace(outcome, plan_file=PlanReference("1a2b-3c4d", "arn:anna", "arn:ben"))).splitlines()
        (line,) = [each.split() for each in lines if "1a2b-3c4d" in each]
        assert line[:6] == ["note", "Plan", "1a2b-3c4d,", "made", "by", "arn:anna:"]


def test_a_plan_that_needs_a_database_ends_with_the_command_that_changes_both() -> None:
    """Its own would give tasks a password that the database does not have."""
    both = "omc-runbook run rotate -p keys POSTGRES_PASSWORD -p database_url_from env:NAME -p apply true"
    outcome = replace(DRY, notes=("POSTGRES_PASSWORD must change in the database too.", both), findings=(CLEAR,))
    assert summary(outcome).splitlines()[-2] == f"  Apply it: {both}"
    # It has neither the plan in a file that somebody reviewed, nor what an update removes.
    for other in (replace(outcome, plan_file=PlanReference("1a2b", "", "")), replace(outcome, runbook="update")):
        assert other.applied_by("omc-runbook run it") == "omc-runbook run it"
    own = "omc-runbook run rotate -p keys due -p on_failure leave -p apply true --record 'my records'"
    whole = (
        "omc-runbook run rotate -p keys POSTGRES_PASSWORD -p database_url_from env:NAME -p on_failure leave -p apply"
        " true --record 'my records'"
    )
    assert outcome.applied_by(own) == whole
    in_production = replace(outcome, notes=(f"{both} -p confirm production",))
    assert in_production.applied_by(f"{own} -p confirm production") == whole.replace(
        "apply true", "apply true -p confirm production"
    )
    lines = summarise(outcome, "a.html", own)
    assert [str(line).strip(" →") for line in lines if "database_url_from" in str(line)] == [
        whole,
        f"Apply it: {whole}",
    ]


@pytest.mark.parametrize(
    ("finding", "headline", "code"),
    [
        (WRONG, "✗ PLAN: nothing was changed in staging, where something is wrong: placeholder.", 1),
        (
            UNKNOWN,
            "? PLAN: nothing was changed in staging, where not everything could be read: 1 check is unknown.",
            2,
        ),
    ],
    ids=["wrong", "unknown"],
)
def test_a_plan_says_what_stands(finding: Finding, headline: str, code: int) -> None:
    """With the exit code of what stands."""
    outcome = replace(DRY, findings=(finding,))
    assert (verify.headline(outcome), outcome.exit_code) == (headline[2:], code)
    assert verify.outcome(outcome).headline == headline
    assert "PLAN: nothing was changed" in summary(outcome).splitlines()[0]


def test_what_was_done_or_failed_or_had_nothing_to_do_is_no_plan() -> None:
    """Nothing else is called PLAN; an empty plan says that there is nothing to do."""
    applied, failed = replace(DRY, applied=True), replace(DRY, failure="It broke off.")
    idle, looked = replace(DRY, plan=()), replace(DRY, plan=None)
    for outcome in (applied, failed, idle, looked):
        assert "PLAN" not in summary(outcome) + verify.headline(outcome) and "Apply it" not in summary(outcome)
    assert verify.headline(applied) == verify.headline(looked) == "Nothing is wrong in staging: 0 checks are clear."
    assert verify.headline(idle) == "Nothing to do, and nothing is wrong in staging: 0 checks are clear."


def test_a_run_that_looked_at_the_secret_alone_says_so() -> None:
    """As create does: whether services start, it does not know."""
    idle = replace(DRY, runbook="create", plan=(), findings=(CLEAR, replace(CLEAR, check="one", family="secret")))
    assert verify.headline(idle) == "Nothing to do, and nothing is wrong in the secret of staging: 2 checks are clear."
    whole = replace(idle, findings=(*idle.findings, replace(CLEAR, check="stale", family="deployment")))
    assert verify.headline(whole) == "Nothing to do, and nothing is wrong in staging: 3 checks are clear."


def test_where_a_change_was_not_finished_there_is_something_to_do() -> None:
    """The headline says so, and nowhere that there is nothing to do; outcome.json has it only then."""
    outcome = replace(DRY, plan=(), unfinished=True)
    assert Outcome.from_json(outcome.to_json()) == outcome and "unfinished" not in DRY.to_json()
    assert verify.headline(outcome).startswith("A change is not finished, and nothing else is wrong in staging")
    assert verify.outcome(outcome).style == "plain" and "nothing to do" not in end(outcome, with_causes=True)


def test_outcome_json_has_the_plan_and_whether_it_was_carried_out() -> None:
    """Two members more, of a runbook that can change something; also where there is nothing to do."""
    outcomes = (DRY, replace(DRY, applied=True), replace(DRY, plan=()), replace(DRY, plan=None))
    bodies = [json.loads(outcome.to_json()) for outcome in outcomes]
    steps = ["SECRET_KEY would change."]
    assert [(body["applied"], body["plan"]) for body in bodies[:3]] == [(False, steps), (True, steps), (False, [])]
    assert not {"applied", "plan"} & bodies[3].keys()


def test_a_plan_is_against_the_errors_of_its_keys_and_services_alone() -> None:
    """Of other keys, other services, what follows or may follow from another fault, and warnings it is not."""
    drawn = plan("SECRET_KEY")
    (service, *_) = drawn.consumers
    stuck = Finding(
        check="stuck",
        family="deployment",
        title="Stuck",
        status="found",
        subject="it",
        services=frozenset({service.name}),
    )
    broken = Finding(check="not-json", family="content", title="No JSON", status="found", subject=drawn.secret_name)
    against = (WRONG, stuck, broken)
    others = (
        replace(WRONG, subject="OTHER_KEY"),
        replace(WRONG, severity="warning"),
        replace(stuck, services=frozenset({"another"})),
        replace(stuck, because_of=("key-missing",)),
        replace(stuck, unread_causes=("key-missing",)),
        replace(WRONG, status="clear"),
    )
    assert [drawn.is_against(finding) for finding in (*against, *others)] == [True] * 3 + [False] * 6
    assert drawn.sentences[0] == "SECRET_KEY would be changed (generated (hex-32))."
    assert service.name in drawn.sentences[1]


@pytest.mark.parametrize(
    "new", [{}, {"OPENAI_API_KEY": NewValue(Masked(f"sk-{secrets.token_hex(16)}", "it"), "a file")}]
)
def test_what_a_plan_gives_tasks_first_is_no_remark(new: dict[str, NewValue]) -> None:
    """A faulty value that no task has yet counts, although it stood before; one that tasks have is a remark."""
    old = with_keys(healthy(), FIRST_SUPERUSER="nobody")
    snapshot = rotated(old, NOW, SECRET_KEY="changethis")
    drawn = plan_update(snapshot, new, redeploy_stale=True)
    judged = secret_change.judge(snapshot, snapshot, None, drawn)
    severities = {each.check: each.severity for each in judged if each.status == "found" and each.family == "content"}
    assert severities == {"changethis": "error", "wrong-form": "info"}
    mended = plan_update(
        snapshot, {"SECRET_KEY": NewValue(Masked(secrets.token_hex(32), "it"), "a file")}, redeploy_stale=True
    )
    assert mended.outdated_keys == frozenset()


def test_a_wrong_name_counts_where_no_service_uses_the_secret() -> None:
    """No task that was seen has the new value: the services may be under other names."""
    snapshot = replace(healthy(), services=(), service_names=())
    drawn = plan_update(snapshot, {"SECRET_KEY": NewValue(Masked(secrets.token_hex(32), "it"), "a file")})
    [found] = [each for each in secret_change.judge(snapshot, snapshot, None, drawn) if each.check == "wrong-names"]
    assert (found.status, found.severity) == ("found", "error")


def test_the_command_that_carries_a_plan_out_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter as it was given, quoted; what production wants; the record's folder and the sandbox."""
    commands: list[str] = []

    def execute(source: Path, typed: object, keeper: Any, *_: object) -> RunResult:
        commands.append(keeper.command)
        return RunResult(0, ())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(headless_run, "_execute", execute)
    nasty = "$(touch pwned); 'x'"
    arguments = ["-p", "environment", "production", "-p", "keys", nasty, "-p", "apply", "false"]
    for more in ([], ["--record", "my records"]):
        CliRunner().invoke(cli.cli, ["run", "rotate", *arguments, *more], catch_exceptions=False)
    expected = ["omc-runbook", "run", "rotate", "-p", "environment", "production", "-p", "keys", nasty]
    expected += ["-p", "apply", "true", "-p", "confirm", "production"]
    assert [shlex.split(command) for command in commands] == [expected, [*expected, "--record", "my records"]]
    assert shlex.quote(nasty) in commands[0]


def test_the_lack_of_a_key_stays_an_error_until_add_key_has_added_it() -> None:
    """An error of the key stands in a plan, and is a remark once there is nothing to do; others are remarks anyway."""
    snapshot = without_key(with_keys(healthy(), SMTP_PASSWORD="your-smtp-password"), "OPENAI_API_KEY")
    new = NewKey("OPENAI_API_KEY", "", "", False, "str", ("backend",))

    def judged(write: SecretPlan | None) -> list[tuple[str, str]]:
        addition = AddKeyPlan(new, Path("/checkout"), (), (EnvironmentPlan("staging", "a value", write, NOW),))
        found = key_addition.merge(key_addition.judge(addition, {"staging": snapshot}, {"staging": snapshot}, None))
        return [(each.check, each.subject) for each in found if each.is_problem and each.severity == "error"]

    assert judged(plan("OPENAI_API_KEY")) == [("key-missing", "OPENAI_API_KEY")]
    assert judged(None) == []


@pytest.mark.parametrize("changes_on_page", [0, 1])
@pytest.mark.parametrize("runbook", ["rotate", "restore", "create"])
def test_a_plan_is_judged_by_the_look_that_it_was_made_from(
    runbook: str, changes_on_page: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written, so that no second look is taken: it would make the same calls for the same answer.

    It would not where a button has finished an earlier change meanwhile.
    """
    monkeypatch.setenv(OUTCOME_VARIABLE, str(tmp_path / "outcome.json"))
    snapshot = healthy()
    look = Mock(return_value=snapshot)
    monkeypatch.setattr(Run, "look", look)
    target = Target(snapshot.environment, Clients("ap-southeast-2"), snapshot.caller)
    run = Run(runbook=runbook, started=NOW, targets=(target,))
    run.page.version = changes_on_page

    def close() -> Closing:
        if runbook == "create":
            return create.closing(run, create_plan.plan_create(snapshot), False, "", before=snapshot)
        source = Source(new=NewValues({})) if runbook == "rotate" else Source()
        return secret_change.closing(run, snapshot, plan("SECRET_KEY"), False, "", source)

    close().show("answer")
    assert json.loads((tmp_path / "outcome.json").read_text())["status"] == "ok"
    assert look.call_count == changes_on_page
