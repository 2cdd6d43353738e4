"""The answer to a complaint: its one sentence, and what it does not claim where not all could be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.snapshots import healthy

from omc_runbook.diagnosis.complaint import UNRECOGNISED, read_complaint
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.report import troubleshoot

ROOT = Finding(
    check="placeholder",
    family="content",
    title="A placeholder is in use",
    status="found",
    subject="SECRET_KEY",
    severity="error",
    evidence=("It is public.",),
)
UNSEEN = Finding(
    check="bom",
    family="content",
    title="A byte order mark stands first",
    status="unknown",
    subject="",
    severity="error",
    evidence=("Not allowed.",),
)


def test_one_fault_of_several_keys_is_told_once() -> None:
    """The sentence has the title once and every key; another fault stays a line of its own."""
    findings = (ROOT, replace(ROOT, subject="POSTGRES_PASSWORD"), replace(ROOT, title="A key is missing", subject="X"))
    text = troubleshoot.verdict(healthy(), findings).to_text()
    assert "A placeholder is in use: SECRET_KEY, POSTGRES_PASSWORD." in text
    assert text.count("A placeholder") == 1 and "Also wrong, independently of it: A key is missing: X." in text


def test_what_could_not_be_seen_is_no_all_clear() -> None:
    """With an unknown check and no finding, neither the evidence nor the remedies say that all is well."""
    assert "There is no root cause" in troubleshoot.evidence(()).to_text()
    assert "There is no root cause" not in troubleshoot.evidence((UNSEEN,)).to_text()
    assert "Nothing has to be done" not in troubleshoot.remedies((UNSEEN,)).to_text()


def test_a_check_that_could_not_be_made_is_counted_beside_a_fault() -> None:
    """One is shown as one."""
    assert "1 check is unknown" in troubleshoot.verdict(healthy(), (ROOT, UNSEEN)).to_text()
    assert (
        "Nothing could be checked in staging: 1 check is unknown."
        in troubleshoot.verdict(healthy(), (UNSEEN,)).headline
    )


def test_a_task_of_another_cluster_is_told_with_its_cluster() -> None:
    """Its ARN names it; the environment's own cluster has no such task, and never had."""
    arn = f"arn:aws:ecs:ap-southeast-2:123456789012:task/ohmycoins-production/{'0123456789abcdef' * 2}"
    with pytest.raises(
        UsageError, match=r"one of cluster ohmycoins-production, and staging has cluster ohmycoins-stag"
    ):
        read_complaint(task=arn).about(healthy())
    with pytest.raises(UsageError, match=r"^No task of cluster ohmycoins-staging matches 0123456789abcdef"):
        read_complaint(task=arn.replace("production", "staging")).about(healthy())
    environment = healthy().environment
    for clusters in (("ohmycoins-production",), ("*",)):
        names = environment.names.model_copy(update={"clusters": clusters})
        with pytest.raises(UsageError, match=r"which clusters in runbook\.toml names.* Leave task empty"):
            read_complaint(task=arn).about(replace(healthy(), environment=replace(environment, names=names)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "env file /srv/ohmycoins/.env not found",
            'Whether a developer\'s machine shows it now is unknown: symptom = "local"',
        ),
        (
            "cryptography.fernet.InvalidToken",
            "Whether the environment shows it now is unknown: unprovided. With repository, the application's code is",
        ),
        ("retrieved secret from Secrets Manager did not contain json key A", "The environment does not show it now"),
    ],
)
def test_what_nothing_looked_for_is_not_said_to_be_fixed(text: str, said: str) -> None:
    """A text of a .env, or of the application's code, while only AWS was read: also beside its own remark."""
    told, findings = read_complaint(error_text=text), diagnose(replace(healthy(), log_lines={}))
    for each in (findings, told.focus(findings)):
        assert said in troubleshoot.texts(told, each).to_text()


def test_a_pasted_text_that_means_nothing_known_is_told_as_such() -> None:
    """There is no note on one that a finding is about, and none without a text."""
    assert read_complaint(error_text="the moon is full").notes == (UNRECOGNISED,)
    message = "CannotPullContainerError: not found"
    assert read_complaint().notes == read_complaint(error_text=message).notes == ()


@pytest.mark.parametrize("task", ["84fe", "9d9a1e3", "my-worker"])
def test_what_is_no_tasks_id_is_answered_with_how_much_of_it_is_needed(task: str) -> None:
    """A few characters are the beginning of an id too, and of too many."""
    with pytest.raises(UsageError, match="at least the first 8 characters of its id"):
        read_complaint(task=task)


@pytest.mark.parametrize(
    ("error", "names"),
    [
        ("db.password\n  Field required [type=missing, input_value={}, input_type=dict]", "field: db.password"),
        ("db -> password\n  field required (type=value_error.missing)", "variable: DB__PASSWORD, where Settings have"),
        ("db\n  Field required [type=missing, input_value={}, input_type=dict]", "variable: db\n"),
        ("db.0.password\n  Field required [type=missing, input_value={}, input_type=dict]", "variable: db\n"),
        ("db.k3y\n  Input should be a valid integer [type=int_type, input_value=1, input_type=str]", "variable: db\n"),
    ],
)
def test_a_field_of_a_model_that_a_pasted_start_lacks_is_named_with_its_variable(error: str, names: str) -> None:
    """Another part of a location may be a key within a value."""
    complaint = read_complaint("local", error_text=f"1 validation error for Settings\n{error}\n")
    shown = troubleshoot.texts(complaint, complaint.focus(())).to_text()
    assert names in shown
    assert "k3y" not in shown
