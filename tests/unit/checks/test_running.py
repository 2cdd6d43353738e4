"""What running tasks hold: each check with a healthy look and one fault, and what a look proves of older findings."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.check_assertions import assert_clear, by_id
from support.faults.running import FAULTS, KEY, uninjected
from support.snapshots import (
    CURRENT,
    NOW,
    PREVIOUS,
    healthy,
    looked,
    rotated,
    task,
    with_container,
    with_held_value,
    with_keys,
    with_refusal,
    with_tasks,
)

from omc_runbook.aws.ecs import SessionSettings
from omc_runbook.aws.execute import ExecFailure
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import deployment, running
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ExecLook, HeldValue
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(running))


CASES: dict[str, tuple[Callable[[Snapshot], Snapshot], str, str]] = {
    "the entry point drops a variable": (
        lambda s: with_held_value(looked(s), "worker", KEY, process=ABSENT, differs=True),
        "entrypoint-override",
        "has no OPENAI_API_KEY, although ECS injected it",
    ),
    "the image sets it": (
        lambda s: uninjected(s, injected=CURRENT, process=CURRENT),
        "baked-env",
        f"the image of task .* sets OPENAI_API_KEY. Version {CURRENT} has this value",
    ),
    "the process made it a former value": (
        lambda s: uninjected(s, process=PREVIOUS, differs=True),
        "baked-env",
        f"has OPENAI_API_KEY, which ECS did not inject. Version {PREVIOUS} has this value",
    ),
    "the image sets it and the entry point another": (
        lambda s: uninjected(s, injected=CURRENT, process=OTHER, differs=True),
        "baked-env",
        f"the image of task .* sets OPENAI_API_KEY. Version {CURRENT} has this value",
    ),
    "a file in S3 may set it": (
        lambda s: with_container(
            uninjected(s, injected=CURRENT, process=CURRENT), "worker", lambda c: replace(c, has_environment_files=True)
        ),
        "baked-env",
        "an environment file or the image of task .* sets OPENAI_API_KEY",
    ),
    "a file in the image names it": (
        lambda s: uninjected(s, file="/app/.env"),
        "baked-env",
        "/app/.env in task .* sets OPENAI_API_KEY",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_other_forms(case: str) -> None:
    """The same faults in another form are found from the look inside, and by one check alone."""
    make, id, words = CASES[case]
    found = [
        answer
        for check in checks_of(running)
        for answer in run_check(check, make(healthy()))
        if answer.status == "found"
    ]
    assert [answer.check for answer in found] == [id]
    assert re.search(words, found[0].evidence[0])


def test_an_old_value_that_ecs_injected_is_no_fault_of_the_image() -> None:
    """Where the process holds what ECS gave it, however old and whosever, no check of this family speaks."""
    for version in (PREVIOUS, OTHER):
        snapshot = with_held_value(looked(healthy()), "worker", KEY, injected=version, process=version)
        assert {answer.status for check in checks_of(running) for answer in run_check(check, snapshot)} == {"clear"}


@pytest.mark.parametrize(
    ("changes", "is_baked"),
    [
        ({"injected": OTHER, "process": OTHER}, False),
        ({"injected": UNSEEN, "process": UNSEEN}, False),
        ({"process": OTHER, "differs": True}, False),
        ({"injected": CURRENT, "process": CURRENT}, True),
        ({"injected": OTHER, "process": PREVIOUS, "differs": True}, True),
        ({"file": "/app/.env"}, True),
    ],
)
def test_a_variable_of_the_image_that_a_spare_key_is_named_like_is_not_baked(
    changes: dict[str, object], is_baked: bool
) -> None:
    """Each process has PATH: only where it has the secret's value, or a .env sets it, that is a copy of the key."""
    spare = with_keys(healthy(), PATH="/opt/venv/bin", PORT="8000")
    held = [{"variable": name, "key": name, "has_reference": False, **changes} for name in ("PATH", "PORT")]
    values = {str(each["variable"]): HeldValue(**{"injected": ABSENT, "process": ABSENT, **each}) for each in held}  # type: ignore[arg-type]
    snapshot = looked(spare)
    looks = tuple(replace(each, values={**each.values, **values}) for each in snapshot.exec_looks or ())
    answers = {each.check: each for each in diagnose(replace(snapshot, exec_looks=looks)) if each.is_problem}
    assert answers.keys() == ({"baked-env"} if is_baked else set()) | {"key-unreferenced"}


def test_a_secret_of_the_image_is_baked_whatever_its_value() -> None:
    """No image sets a variable that is named so by itself: an old secret in it stays one."""
    held = HeldValue(
        variable="STRIPE_API_KEY", key="STRIPE_API_KEY", injected=OTHER, process=OTHER, has_reference=False
    )
    snapshot = looked(with_keys(healthy(), STRIPE_API_KEY="a-later-one"))
    looks = tuple(replace(each, values={**each.values, held.variable: held}) for each in snapshot.exec_looks or ())
    answers = {each.check for each in diagnose(replace(snapshot, exec_looks=looks)) if each.is_problem}
    assert answers == {"baked-env", "key-unreferenced"}


def test_a_shadowed_file_is_a_remark() -> None:
    """A .env file in the image that has an injected variable is a remark, while the process has the right value."""
    [finding] = run_check(CHECKS["baked-env"], with_held_value(looked(healthy()), "worker", KEY, file="/app/.env"))
    assert (finding.status, finding.severity, finding.is_problem) == ("found", "info", False)
    replaced = with_held_value(looked(healthy()), "worker", KEY, file="/app/.env", process=OTHER, differs=True)
    assert_clear(CHECKS["baked-env"], replaced)


def test_a_process_that_cannot_be_seen_is_unknown() -> None:
    """An environment that may not be read is no clean one."""
    snapshot = with_held_value(looked(healthy()), "worker", KEY, process=UNSEEN)
    answers = [answer for check in checks_of(running) for answer in run_check(check, snapshot)]
    assert {answer.status for answer in answers} == {"unknown"}
    assert all("cannot be read" in answer.evidence[0] for answer in answers)


@pytest.mark.parametrize(
    ("refused", "sentences"),
    [
        (
            ExecFailure("log-group", "encryption is not set up"),
            (
                "DescribeClusters: executeCommandConfiguration of ohmycoins-staging has log group /exec.",
                "logs:DescribeLogGroups",
            ),
        ),
        (ExecFailure("bucket", "encryption is not set up"), ("s3:GetEncryptionConfiguration",)),
        (
            ExecFailure("session", "it requires KMSEncryption", needs_plugin=True),
            ("Install session-manager-plugin", "in a version after 1.2.497"),
        ),
    ],
    ids=["log group", "bucket", "plugin"],
)
def test_a_session_that_the_clusters_settings_prevent_says_which(
    refused: ExecFailure, sentences: tuple[str, ...]
) -> None:
    """Running the same again would not help; a bucket whose name was not read is not named."""
    looks = tuple(
        ExecLook(service=each.service, task_id=each.task_id, container=each.container, refused=refused)
        for each in looked(healthy()).exec_looks or ()
    )
    snapshot = replace(looked(healthy()), exec_looks=looks, session_settings=SessionSettings(log_group="/exec"))
    [finding] = run_check(CHECKS["entrypoint-override"], snapshot)
    evidence = " ".join(finding.evidence)
    assert finding.status == "unknown" and "Run again, or run" not in evidence
    assert "because the agent of ECS Exec does" in evidence or refused.needs_plugin
    assert [each for each in sentences if each not in evidence] == []
    assert ("DescribeClusters" in evidence) is (refused.kind == "log-group")


def test_no_version_to_compare_with_is_told_as_that() -> None:
    """Where the version that a reference means could not be read, it is not the process that hid its value."""
    snapshot = with_held_value(looked(healthy()), "worker", KEY, injected=UNSEEN, process=UNSEEN)
    answers = [answer for check in checks_of(running) for answer in run_check(check, snapshot)]
    assert {answer.status for answer in answers} == {"unknown"}
    assert all("cannot be compared" in answer.evidence[0] for answer in answers)
    gap = ReadFailure("the value of the secret", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")
    refused = replace(snapshot, gaps={"contents": (gap,)})
    answers = [answer for check in checks_of(running) for answer in run_check(check, refused)]
    assert all("secretsmanager:GetSecretValue" in " ".join(answer.evidence) for answer in answers)


def test_exec_off_everywhere_is_one_sentence() -> None:
    """Where ECS Exec is off for all tasks, each check doubts once and says how to switch it on."""
    snapshot = with_refusal(with_refusal(looked(healthy()), "worker", "off"), "backend", "off")
    for check in checks_of(running):
        [answer] = run_check(check, snapshot)
        assert answer.status == "unknown"
        assert "3 tasks" in answer.evidence[0] and "--enable-execute-command" in answer.evidence[0]
        assert "force-new-deployment" not in answer.evidence[0], "ECS refuses that of some controllers"


def test_a_missing_permission_is_named() -> None:
    """A caller who may not look gets the permission to ask for, beside what was seen elsewhere."""
    snapshot = with_refusal(FAULTS["app-cache"].make(healthy()), "backend", "denied", permission="ecs:ExecuteCommand")
    answers = run_check(CHECKS["app-cache"], snapshot)
    assert [answer.status for answer in answers] == ["found", "unknown"]
    assert "the permission ecs:ExecuteCommand is missing" in answers[1].evidence[0]


def test_nobody_asked() -> None:
    """Without a look every check is skipped, never clear."""
    assert {answer.status for check in checks_of(running) for answer in run_check(check, healthy())} == {"skipped"}


def stale_by_time() -> Snapshot:
    """A secret that changed five minutes ago, with tasks from before."""
    return rotated(healthy(), NOW - timedelta(minutes=5), SECRET_KEY=secrets.token_hex(32))


def test_a_look_proves_not_forced_and_names_the_version() -> None:
    """What times suggest, a look says exactly."""
    snapshot = looked(stale_by_time())
    words = {CURRENT: f"version {CURRENT}", OTHER: "a value that no remaining version has"}
    for name, content in zip(("backend", "worker"), words, strict=True):
        snapshot = with_held_value(snapshot, name, "SECRET_KEY", injected=content, process=content)
    answers = run_check(by_id(checks_of(deployment))["not-forced"], snapshot)
    assert [answer.subject for answer in answers] == ["backend", "worker"]
    for answer, content in zip(answers, words, strict=True):
        assert f"ExecuteCommand: their processes have {words[content]}." in answer.evidence
        assert "Keys whose value differs: SECRET_KEY." in answer.evidence


def test_a_look_proves_that_a_task_is_fresh() -> None:
    """A task that started while the secret changed is known exactly once it was looked into."""
    doubtful = with_tasks(
        rotated(replace(healthy(), tasks=()), NOW - timedelta(minutes=5), SECRET_KEY=secrets.token_hex(32)),
        task("worker", created=NOW - timedelta(minutes=5, seconds=10)),
    )
    check = by_id(checks_of(deployment))["not-forced"]
    assert [answer.status for answer in run_check(check, doubtful)] == ["unknown"]
    assert_clear(check, looked(doubtful))
