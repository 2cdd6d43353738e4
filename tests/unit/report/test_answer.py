"""The answer: the first root cause is its headline, then what still serves, and what to do next."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from support.outcomes import an_outcome
from support.snapshots import healthy, rotated, simulated, stuck, with_permissions

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.changes.deploy.failure import cancellation
from omc_runbook.diagnosis.complaint import Complaint
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.findings import Finding, Outcome, OutcomeStatus, TargetOutcome, as_before
from omc_runbook.report import changes, troubleshoot, verify
from omc_runbook.report.answer import answer
from omc_runbook.report.archive.summary import summarise
from omc_runbook.report.troubleshoot import ruled_out
from omc_runbook.report.verify import headline
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.snapshot.state import Snapshot

DENIED = "ResourceInitializationError: not authorized to perform: secretsmanager:GetSecretValue on resource"


def outcome(snapshot: Snapshot) -> Outcome:
    """How a look at a snapshot ends."""
    return an_outcome(started=snapshot.taken, finished=snapshot.taken, findings=diagnose(snapshot))


def test_a_healthy_environment_needs_nothing() -> None:
    """One sentence, when that was true, and nothing to do."""
    snapshot = healthy()
    text = answer(outcome(snapshot), snapshot).to_text()
    assert "✓ Nothing is wrong in staging" in text and "What to do" not in text
    assert text.splitlines()[-2] == f"Read at {snapshot.taken:%Y-%m-%d %H:%M:%S} UTC."


def test_the_cause_is_the_headline_and_its_remedy_the_next_step() -> None:
    """With since when new tasks fail, how many run, what it causes, and how many look-alikes are ruled out."""
    snapshot = with_permissions(stuck(healthy(), "worker", DENIED), simulated("implicitDeny"))
    display = answer(outcome(snapshot), snapshot)
    lines = display.to_text().splitlines()
    assert lines[1].startswith(
        "✗ The execution role may not read the secret: ohmycoins-staging-ecs-task-execution-role"
    )
    assert any("worker: new tasks have failed since" in line and "tasks run" in line for line in lines)
    assert any(line.startswith("It causes") and "pull-failed" in line for line in lines)
    listed = len(re.findall(r"- Not (?!checked)", ruled_out(diagnose(snapshot)).to_text()))
    assert f"{listed} faults with the same symptoms are ruled out." in lines
    assert "  → omc-runbook run troubleshoot -p environment staging" in lines
    assert "<strong>no-permission</strong>" in display.to_html() and "Read at" in display.to_html()


def test_older_values_are_told_with_their_time() -> None:
    """Tasks that started before the current version say so."""
    snapshot = rotated(healthy(), healthy().taken - timedelta(minutes=5), SECRET_KEY=secrets.token_hex(32))
    text = answer(outcome(snapshot), snapshot).to_text()
    assert "with older values than those since" in text


def test_a_plan_says_that_nothing_was_changed_and_how_to_apply_it() -> None:
    """By the command where it is known, else by the parameter, which a saved notebook has, too."""
    planned = replace(outcome(healthy()), runbook="rotate", plan=("SECRET_KEY would change.",), findings=())
    text = answer(planned, healthy(), "omc-runbook run rotate -p apply true").to_text()
    assert "PLAN: nothing was changed in staging" in text and "  → omc-runbook run rotate -p apply true" in text
    assert "  Set apply = True in the parameters cell" in answer(planned).to_text()
    assert text.count("SECRET_KEY would change.") == 1


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_plan_names_what_is_unknown_above_the_command_that_applies_it(is_wrong: bool) -> None:
    """Which checks, and why: once, whether the banner says that or a cause takes its place."""
    planned = replace(outcome(healthy()), runbook="rotate", plan=("SECRET_KEY would change.",))
    wrong = replace(planned.findings[0], check="weak", status="found")
    unread = [
        replace(wrong, check=check, status="unknown", evidence=("iam:GetRole was refused.",))
        for check in ("no-permission", "boundary")
    ]
    findings = (*unread, *((wrong,) if is_wrong else ()))
    text = answer(replace(planned, findings=findings), command="omc-runbook run rotate -p apply true").to_text()
    above, _, _ = text.partition("→ omc-runbook")
    assert "- Unknown: no-permission, boundary" in above and above.count("iam:GetRole was refused.") == 1


def test_what_was_wrong_before_is_no_remark_of_an_all_clear() -> None:
    """A run that is not about it says that it still is wrong, without a mark of success, planned or not."""
    snapshot = with_permissions(stuck(healthy(), "worker", DENIED), simulated("implicitDeny"))
    findings = tuple(as_before(each) if each.is_problem else each for each in diagnose(snapshot))
    idle = replace(outcome(snapshot), runbook="rotate", plan=(), findings=findings)
    text = answer(idle, snapshot).to_text()
    assert headline(idle).startswith(
        "Nothing to do, and nothing new is wrong in staging; already wrong: no-permission, "
    )
    assert "✓" not in text and "troubleshoot says why" in text
    planned = answer(replace(idle, plan=("SECRET_KEY would be changed.",)), snapshot).to_text()
    assert "PLAN: nothing was changed in staging; already wrong: no-permission" in planned
    applied = replace(idle, plan=("SECRET_KEY would be changed.",), applied=True)
    assert headline(applied).startswith("Nothing new is wrong in staging; already wrong: no-permission")


def test_the_evidence_is_no_part_of_the_summary() -> None:
    """The summary has the cause and what still serves; the whole banner also how it is known."""
    snapshot = with_permissions(stuck(healthy(), "worker", DENIED), simulated("implicitDeny"))
    display = answer(outcome(snapshot), snapshot).with_lines("And this.")
    assert display.summary.headline == display.banner.headline
    assert "tasks run" in display.summary.lines[0] and display.summary.lines[-1] == "And this."
    assert "implicitDeny" not in display.summary.to_text() and "implicitDeny" in display.to_text()


def test_a_change_that_was_taken_back_is_not_something_wrong() -> None:
    """The headline says what was asked for, and what to do is a sentence."""
    ended = replace(outcome(healthy()), findings=(cancellation("app-secrets", "Version 1 is current again.", True),))
    assert headline(ended) == "The change in staging was stopped and taken back."
    assert "Run verify to see if anything is left." in answer(ended).to_text()
    not_reversed = replace(ended, findings=(cancellation("app-secrets", "Nothing could be put back.", False),))
    assert headline(not_reversed) == "The change in staging was stopped, and not taken back."


def test_what_a_stopped_fix_was_to_mend_is_still_wrong() -> None:
    """It is no aside to the stop."""
    snapshot = with_permissions(stuck(healthy(), "worker", DENIED), simulated("implicitDeny"))
    found = (cancellation("", "The permission was taken away again.", True), *diagnose(snapshot))
    text = answer(replace(outcome(snapshot), findings=found), snapshot).to_text()
    assert "Still wrong: The execution role may not read the secret" in text and "Also wrong" not in text


def test_a_failed_run_says_why() -> None:
    """Its failure is the headline, whatever else is wrong."""
    failed = replace(outcome(healthy()), failure="The kernel died.")
    assert "failed: The kernel died." in answer(failed, healthy()).to_text()


def test_what_may_not_be_read_is_asked_for_by_a_policy() -> None:
    """Where nothing is known to be wrong, the policy is what to do; the answer has it to copy."""
    gap = ReadFailure("its task definitions", "ecs:DescribeTaskDefinition", "AccessDeniedException", "denied")
    snapshot = replace(healthy(), gaps={"task_definitions": (gap,)})
    display = answer(outcome(snapshot), snapshot)
    assert "ecs:DescribeTaskDefinition" in display.policy and json.loads(display.policy)["Version"] == "2012-10-17"
    assert display.policy in display.to_text()
    assert answer(outcome(healthy()), healthy()).policy == ""


def test_what_could_not_be_read_is_told_once() -> None:
    """Each reason is a line of its own, however many checks need it."""
    simulation = ReadFailure("what the role may do", "iam:SimulatePrincipalPolicy", "AccessDenied", "denied")
    policies = ReadFailure("the role's policies", "iam:GetRolePolicy", "AccessDenied", "denied")
    snapshot = with_permissions(healthy(), Permissions(role=None, unread=(simulation, policies)))
    lines = answer(outcome(snapshot), snapshot).summary.lines
    assert sum("iam:SimulatePrincipalPolicy" in line for line in lines) == 1
    assert {simulation.sentence, policies.sentence} <= {*lines}


def test_a_headline_names_the_environments_that_it_is_about() -> None:
    """Of several environments, those where something is wrong; of many, how many."""

    found = Finding(check="no-permission", family="access", title="A title", status="found")

    def on(*statuses: OutcomeStatus) -> str:
        targets = [
            TargetOutcome(environment=f"env{at}", account="", region="", endpoint="", status=each)
            for at, each in enumerate(statuses)
        ]
        return headline(an_outcome(findings=(found,), targets=tuple(targets), where=f"{len(statuses)} environments"))

    assert on("ok", "findings", "ok") == "Something is wrong in env1: no-permission."
    assert on("findings", "findings") == "Something is wrong in 2 environments: no-permission."
    assert on(*["findings"] * 4, "ok") == "Something is wrong in 4 of 5 environments: no-permission."


def test_a_plan_that_is_refused_though_nothing_is_found_says_why() -> None:
    """As the last sentence and as the first; there is no root cause to name."""
    refused = an_outcome(plan=(), blockers=("The template has a conflict.",), where="your .env")
    sentence = "Nothing was changed in your .env. Refused until this is fixed: The template has a conflict."
    assert refused.exit_code == 1 and headline(refused) == sentence
    assert sentence in answer(refused).to_text()
    planned = headline(replace(refused, plan=("A would be added.",)))
    assert planned.endswith("in your .env. Refused until this is fixed: The template has a conflict.")
    assert "  Refused until this is fixed: The template has a conflict." in map(str, summarise(refused, "a.html", ""))


def test_tasks_that_were_not_read_are_not_said_to_have_stopped() -> None:
    """Neither at the head of troubleshoot nor in the answer of a fault; nor is what is unknown said to be nothing."""
    gap = ReadFailure("the tasks", "ecs:ListTasks", "AccessDeniedException", "denied")
    faulty = with_permissions(healthy(), Permissions(role=None, exists=False))
    unread = replace(faulty, tasks=(), gaps={"tasks": (gap,)})
    assert "backend: its tasks could not be read; worker:" in answer(outcome(unread), unread).to_text()
    state = troubleshoot.state(unread, Complaint()).to_text()
    assert "0 of 2" not in state and "Its tasks could not be read." in state
    healthy_but_unread = replace(healthy(), tasks=(), gaps={"tasks": (gap,)})
    rest = troubleshoot.rest(healthy_but_unread, diagnose(healthy_but_unread))
    assert "Nothing is wrong." not in rest.to_text() and "ecs:ListTasks is missing" in rest.to_text()
    assert {(entry.label, entry.subject) for entry in changes.holders(unread).entries} == {
        ("unknown", "its tasks could not be read")
    }
    without = replace(healthy(), services=(), tasks=(), gaps={"services": (gap,)})
    assert "ecs:ListTasks is missing" in changes.holders(without).to_text()


def test_of_tasks_of_which_only_some_were_read_none_says_that_all_are_up_to_date() -> None:
    """As after a refused batch of DescribeTasks; a service that runs none, by its runningCount, has none unread."""
    gap = ReadFailure("the tasks", "ecs:DescribeTasks", "ThrottlingException", "slow")
    snapshot = healthy()
    more = replace(snapshot, services=tuple(replace(each, desired=3, running=3) for each in snapshot.services))
    unread = replace(more, tasks=snapshot.tasks, gaps={"tasks": (gap,)})
    assert [(entry.label, entry.subject) for entry in changes.holders(unread).entries] == [
        ("unknown", "only 2 of its 3 tasks could be read"),
        ("unknown", "only 1 of its 3 tasks could be read"),
    ]
    assert "Only 2 of its 3 tasks could be read: 2 fresh." in troubleshoot.state(unread, Complaint()).to_text()
    matrix = verify.injection_matrix(unread)
    assert {row[-1] for row in matrix.rows} == {"2 fresh, others unknown", "1 fresh, others unknown"}
    assert {matrix.levels[row[-1]] for row in matrix.rows} == {"unknown"}
    stopped = replace(more, tasks=(), services=tuple(replace(each, running=0) for each in more.services))
    without = replace(stopped, gaps={"tasks": (gap,)})
    assert {row[-1] for row in verify.injection_matrix(without).rows} == {"none"}
    assert {entry.label for entry in changes.holders(without).entries} == {"no task runs"}
    assert "0 of 3 tasks run." in troubleshoot.state(without, Complaint()).to_text()


@pytest.mark.parametrize(("desired", "words"), [(2, "2 of 2 tasks run"), (1, "2 tasks run, 1 desired")])
def test_a_deployment_that_waits_has_more_tasks_than_are_desired(desired: int, words: str) -> None:
    """A blue/green deployment has both revisions' tasks."""
    snapshot = healthy()
    assert verify.running_tasks(snapshot, replace(snapshot.services[0], desired=desired)) == words
