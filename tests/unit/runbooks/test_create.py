"""How create ends: what is wrong with the content of a secret that is there already is said, and is not its fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import snapshots

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.session import Clients
from omc_runbook.changes.secret import create_plan
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import status_of
from omc_runbook.report import create as report
from omc_runbook.repository.checkout import find_root
from omc_runbook.runbooks import create
from omc_runbook.runbooks.run import Run, Target


def test_a_secret_with_a_placeholder_is_not_one_in_which_nothing_is_wrong() -> None:
    """Its exit code is 0, since nothing is left to create, and the placeholder is named as a remark."""
    snapshot = snapshots.with_keys(snapshots.healthy(), SECRET_KEY="changethis")
    plan = create_plan.plan_create(snapshot, None)
    assert plan.intent == "nothing"
    found = [each for each in create.judge(plan, snapshot) if each.status == "found"]
    assert [(each.check, each.severity) for each in found] == [("changethis", "info")]
    assert not [each for each in create.judge(plan, snapshots.healthy()) if each.status == "found"]


def test_a_new_secret_says_which_keys_wait_for_a_value() -> None:
    """A remark with the command that writes them; none where it was restored with all its values."""
    snapshot = snapshots.with_keys(snapshots.healthy(), SECRET_KEY="temporary-secret-key-please-update", SMTP_USER="")
    plan = replace(create_plan.plan_create(snapshot, None), intent="create")
    (found,) = [each for each in create.judge(plan, snapshot) if each.status == "found"]
    assert (found.subject, found.severity, found.is_problem) == ("SECRET_KEY", "info", False)
    assert (
        found.remedy.invocation
        == "omc-runbook run update -p environment staging -p keys SECRET_KEY -p values_from generate"
    )
    assert not [each for each in create.judge(plan, snapshots.healthy()) if each.status == "found"]


def test_before_there_are_services_what_is_wrong_is_said_too() -> None:
    """Of a secret that was there before; keys that wait for a value are one remark, as when it was new."""
    waiting = {"SECRET_KEY": "temporary-secret-key-please-update", "SMTP_PASSWORD": "temporary-x-please-update"}
    snapshot = snapshots.with_keys(snapshots.healthy(), **waiting, OPENAI_API_KEY="sk-0123456789abcdefghij\n")
    lost = replace(snapshot, service_names=None, services=(), tasks=())
    found = [each for each in create.judge(create_plan.plan_create(snapshot, None), lost) if each.status == "found"]
    assert ("placeholder", "SECRET_KEY, SMTP_PASSWORD", "info") in [(e.check, e.subject, e.severity) for e in found]
    assert "white-space" in [each.check for each in found] and not any(each.is_problem for each in found)


def test_a_value_that_could_not_be_read_is_unknown_and_not_said_to_be_right() -> None:
    """Of a secret that exists, whose keys cannot be told then; of one that does not, there is nothing to read."""
    failure = ReadFailure("the value of it", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")
    healthy = snapshots.healthy()
    unread = replace(healthy, contents={}, gaps={"contents": (failure,)})
    for intent in ("nothing", "create"):
        plan = replace(create_plan.plan_create(healthy, None), intent=intent)
        judged = create.judge(plan, unread)
        assert status_of(judged) == "unknown" and {e.evidence for e in judged if e.status == "unknown"} == {
            (failure.sentence,)
        }
        assert status_of(create.judge(plan, healthy)) == "ok"
        other = create.judge(plan, replace(healthy, gaps={"contents": (failure,)}))
        assert status_of(other) == "ok", "that of another version"
    shown = report.placeholders(unread).to_text()
    assert failure.sentence in shown and "does not exist" not in shown


def test_why_no_key_of_a_secret_can_be_told_is_said() -> None:
    """A secret that is scheduled for deletion, or has no version, exists."""
    healthy = snapshots.healthy()
    assert healthy.secret
    for secret, sentence in (
        (None, "The secret does not exist yet."),
        (replace(healthy.secret, deleted=healthy.taken), "The keys can be read once the secret is restored."),
        (healthy.secret, "The secret has no current version."),
    ):
        without = replace(healthy, secret=secret, versions=(), contents={})
        assert sentence in report.placeholders(without).to_text()


def test_a_folder_that_may_not_be_looked_at_is_refused_like_none() -> None:
    """For a name that is too long, the system has an error, as for one within a folder of somebody else."""
    unknown = Path("x" * 300)
    with pytest.raises(UsageError, match=r"^terraform_dir x+ is not a folder: name the one"):
        create_plan.plan_create(snapshots.healthy(), unknown)
    with pytest.raises(UsageError, match=r"^repository x+ is not a folder"):
        find_root(str(unknown))


def test_of_two_runs_at_once_each_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one token, Secrets Manager takes the second for a retry of the first, and both would say they created it."""
    missing = replace(snapshots.healthy(), secret=None, versions=(), contents={})
    plan = create_plan.plan_create(missing)
    assert plan.token == create_plan.plan_create(missing).token != ""
    applied = list[CreatePlan]()
    monkeypatch.setattr(create, "apply", lambda run, plan, *_: applied.append(plan))
    target = Target(missing.environment, Clients("ap-southeast-2"), missing.caller)
    for _ in range(2):
        run = Run(runbook="create", started=missing.taken, targets=(target,))
        create.closing(run, plan, True, "", before=missing).show("result")
    assert len({plan.token, *(each.token for each in applied)}) == 3
    assert [replace(each, token=plan.token) for each in applied] == [plan, plan]
