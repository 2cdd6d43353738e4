"""Causes told from consequences, and the order in which findings are read."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support import snapshots
from support.check_assertions import Fault, assert_no_value
from support.faults import access as access_faults
from support.faults import content as content_faults
from support.faults import deployment as deployment_faults
from support.faults import execute as execute_faults
from support.faults import network as network_faults
from support.faults import other_sources as other_sources_faults
from support.faults import reference as reference_faults
from support.faults import running as running_faults
from support.faults import secret as secret_faults
from support.faults import upstream as upstream_faults
from support.faults.audit_access import allowing, audited, policy, user
from support.faults.deployment import BREAKER, EXIT, EXITED, HEALTH, IMAGE, LOG, MEMORY, PULL, RUNNING
from support.snapshots import (
    ARN,
    CHANGED,
    NAME,
    NOW,
    ROLE,
    deployment,
    document,
    healthy,
    rotated,
    simulated,
    stopped,
    stuck,
    with_keys,
    with_permissions,
    with_reference,
    with_service,
    with_tasks,
    with_text,
    with_values,
    without_key,
)

from omc_runbook.aws.ecs import TaskContainer
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks.check import DEEPER
from omc_runbook.diagnosis.root_causes import CHECKS, audit, diagnose, relate
from omc_runbook.model.catalogue import Key, default_keys
from omc_runbook.model.findings import (
    Finding,
    Outcome,
    Remedy,
    Severity,
    Status,
    unknown_reasons,
    with_remedies_of_causes,
)
from omc_runbook.snapshot.roles import GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

FAULTS: dict[str, Fault] = {
    **secret_faults.FAULTS,
    **reference_faults.FAULTS,
    **other_sources_faults.FAULTS,
    **content_faults.FAULTS,
    **access_faults.FAULTS,
}
NOT_PULLED = "ResourceInitializationError: unable to pull secrets or registry auth: "
MILD = {check.id for check in CHECKS if check.id in FAULTS and check.severity != "error"}
PINS = {"previous-pinned", "version-pinned"}
SPOILING = {"whole-json", "duplicate-name", "name-mismatch", "null", "nested", "number-format"} | {
    "empty",
    "changethis",
    "placeholder",
    "url-chars",
    "terraform-overwrote",
    "sidecar-only",
    "wrong-form",
    "bad-copy",
    "values-exchanged",
    "address-differs",
    "wrong-host",
    "value-expired",
}
NETWORK = (
    "ResourceInitializationError: unable to pull secrets or registry auth: There is a connection issue between the "
    "task and AWS Secrets Manager. Check your task network configuration. context deadline exceeded"
)


def roots(snapshot: Snapshot) -> set[str]:
    """Ids of the checks that found a cause."""
    return {finding.check for finding in diagnose(snapshot) if finding.is_root_cause}


def problems(snapshot: Snapshot) -> set[str]:
    """Ids of the checks that found something, cause or consequence."""
    return {finding.check for finding in diagnose(snapshot) if finding.is_problem}


def one(snapshot: Snapshot, check: str) -> Finding:
    """The first finding of a check."""
    return next(finding for finding in diagnose(snapshot) if finding.check == check)


BLOCKED = (
    snapshots.deployment("worker", NOW - timedelta(hours=1), id="new", rollout="IN_PROGRESS", running=0),
    snapshots.deployment("worker", status="ACTIVE"),
)


def suffering(snapshot: Snapshot, reason: str, **changes: object) -> Snapshot:
    """Let both consumers' new tasks fail for a reason while their old tasks serve with an old value."""
    before = CHANGED - timedelta(days=1)
    old = tuple(replace(task, created=before, started=before) if task.is_running else task for task in snapshot.tasks)
    aged = replace(snapshot, tasks=old)
    return stuck(stuck(aged, "backend", reason, **changes), "worker", reason, **changes)


def test_a_healthy_environment_has_no_problem() -> None:
    """Every check that looked says clear; what only a deeper look shows is skipped unless asked for."""
    findings = diagnose(healthy())
    deeper = {check.id for check in CHECKS if DEEPER.keys() & set(check.needs)}
    deeper |= {finding.check for finding in findings if finding.family == "running"}
    assert {finding.status for finding in findings if finding.check not in deeper} == {"clear"}
    assert {finding.status for finding in findings if finding.check in deeper} == {"skipped"}


def test_a_key_more_in_the_catalogue_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry adds a key for everybody: the example application does without it."""
    keys = default_keys() | {"STRIPE_WEBHOOK_SECRET": Key(prefix="whsec_")}
    monkeypatch.setattr(snapshots, "default_keys", lambda: keys)
    assert [each.check for each in diagnose(healthy()) if each.is_problem] == []


def test_every_check_has_a_fault_somewhere() -> None:
    """A check without a pair in its family's tests fails here, whatever module it is in."""
    others = (
        *(deployment_faults, upstream_faults, running_faults),
        *(execute_faults, network_faults),
    )
    assert {check.id for check in CHECKS} == set(FAULTS).union(*(module.FAULTS for module in others))


@pytest.mark.parametrize("id", running_faults.FAULTS)
def test_what_a_process_holds_is_the_only_root_cause(id: str) -> None:
    """A process that holds another value than ECS gave it is one cause, and sets off no check of the secret's."""
    assert roots(running_faults.FAULTS[id].make(healthy())) == {id}


def test_ids_are_unique() -> None:
    """An id stands for one check."""
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_by_itself_is_the_only_root_cause(id: str) -> None:
    """One fault in an otherwise healthy environment gives one root cause."""
    assert roots(FAULTS[id].make(healthy())) == {id}


@pytest.mark.parametrize("id", [id for id in deployment_faults.FAULTS if id != "task-exits"])
def test_a_deployment_fault_is_the_only_root_cause(id: str) -> None:
    """What follows from a fault of the deployment itself does not compete with it."""
    expected = {"pull-failed": "pull-failed", "health-check": "health-check"}.get(id, id)
    assert roots(deployment_faults.FAULTS[id].make(healthy())) == {expected}


@pytest.mark.parametrize("id", [id for id in FAULTS if id not in MILD | PINS])
def test_failing_tasks_point_to_the_fault(id: str) -> None:
    """Failing tasks, a stuck rollout and old values in the old tasks are consequences of the one fault."""
    changes = EXITED if id in SPOILING else {}
    found = diagnose(suffering(FAULTS[id].make(healthy()), EXIT if id in SPOILING else PULL, **changes))
    failing = {"rollout-stuck", "task-exits" if id in SPOILING else "pull-failed"}
    assert failing <= {finding.check for finding in found if finding.is_problem}
    # A fault of one service explains that service's failures; the other's are left to speak for themselves.
    own = {finding.check for finding in found if finding.is_root_cause and finding.services <= own_of(id)}
    assert own == {id}


def own_of(id: str) -> frozenset[str]:
    """Services that a fault touches."""
    return frozenset(FAULTS[id].services.split())


@pytest.mark.parametrize("id", sorted(MILD | PINS))
def test_a_mild_fault_does_not_hide_why_tasks_fail(id: str) -> None:
    """What keeps no task from starting is named beside what does."""
    assert roots(suffering(FAULTS[id].make(healthy()), NETWORK)) == {id, "pull-failed"}


@pytest.mark.parametrize("id", sorted(SPOILING))
def test_a_bad_value_does_not_hide_that_tasks_cannot_read(id: str) -> None:
    """A value that the application cannot bear does not keep ECS from reading it: the network is a second cause."""
    assert {id, "pull-failed"} <= roots(suffering(FAULTS[id].make(healthy()), NETWORK))


@pytest.mark.parametrize("id", ["key-missing", "no-permission", "secret-missing"])
def test_a_secret_out_of_reach_does_not_hide_that_tasks_exit(id: str) -> None:
    """A task that read its secrets and exited did not do so for want of them, unless its rollout says more."""
    crashed = with_tasks(healthy(), *(stopped("worker", EXIT, NOW - timedelta(minutes=m), **EXITED) for m in (3, 2, 1)))
    assert roots(FAULTS[id].make(crashed)) == {id, "task-exits"}


def test_old_tasks_that_exit_are_no_consequence_of_new_ones_that_cannot_read() -> None:
    """In the midst of a deployment its tasks never start, and those of the former one started and exited."""
    snapshot = suffering(FAULTS["no-permission"].make(healthy()), PULL)
    moments = [NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30)]
    exits = [stopped("worker", EXIT, moment, **EXITED | {"started": moment}) for moment in moments]
    found = with_tasks(snapshot, *exits)
    assert roots(found) == {"no-permission", "task-exits"}
    assert set(one(found, "rollout-stuck").because_of) == {"no-permission", "pull-failed"}
    # Also where one of them was the last to end.
    last = with_tasks(found, stopped("worker", EXIT, NOW, **EXITED | {"started": moments[0]}))
    assert "unable to pull secrets" in one(last, "rollout-stuck").evidence[1]
    # Where both exit, the deployment says it of all.
    alike = suffering(healthy(), EXIT, **EXITED)
    assert roots(with_tasks(alike, *exits)) == {"rollout-stuck"}


def test_old_tasks_that_cannot_read_are_no_cause_of_new_ones_that_exit() -> None:
    """The other way round, the new tasks had their secrets: their deployment is stuck for a reason of its own."""
    snapshot = stuck(healthy(), "worker", EXIT, **EXITED)
    old = [stopped("worker", NETWORK, NOW - timedelta(minutes=minutes)) for minutes in (50, 40, 30)]
    found = with_tasks(snapshot, *old)
    assert roots(found) == {"pull-failed", "rollout-stuck"}
    assert one(found, "task-exits").because_of == ("rollout-stuck",)
    # A new one that could not read either may be why.
    alike = stopped("worker", NETWORK, NOW, deployment_id="ecs-svc/worker-new")
    assert roots(with_tasks(found, alike)) == {"pull-failed"}


@pytest.mark.parametrize(
    ("new", "old", "expected", "because_of"),
    [
        ("task-exits", "image-pull", {"rollout-stuck", "image-pull"}, ()),
        ("task-exits", "health-check", {"rollout-stuck", "health-check"}, ()),
        ("task-exits", "out-of-memory", {"rollout-stuck", "out-of-memory"}, ()),
        ("health-check", "task-exits", {"health-check", "task-exits"}, ("health-check",)),
        ("health-check", "log-group", {"health-check", "log-group"}, ("health-check",)),
        ("image-pull", "pull-failed", {"image-pull", "pull-failed"}, ("image-pull",)),
        ("pull-failed", "image-pull", {"image-pull", "pull-failed"}, ("pull-failed",)),
        ("out-of-memory", "task-exits", {"out-of-memory", "task-exits"}, ("out-of-memory",)),
    ],
)
def test_a_deployment_is_stuck_for_how_its_own_tasks_end(
    new: str, old: str, expected: set[str], because_of: tuple[str, ...]
) -> None:
    """What tasks of the former deployment ended of stands beside it."""
    killed = EXITED | {"containers": (TaskContainer("worker", 137, MEMORY),)}
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "task-exits": (EXIT, EXITED),
        "health-check": (HEALTH, RUNNING),
        "out-of-memory": (EXIT, killed),
        "image-pull": (IMAGE, {}),
        "log-group": (LOG, {}),
        "pull-failed": (NETWORK, {}),
    }
    (reason, changes), (former, more) = ways[new], ways[old]
    moments = [NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30)]
    ended = [
        stopped("worker", former, moment, **more | ({"started": moment} if "started" in more else {}))
        for moment in moments
    ]
    found = with_tasks(stuck(healthy(), "worker", reason, **changes), *ended)
    assert roots(found) == expected
    assert one(found, "rollout-stuck").because_of == because_of
    # A deployment without room for a task starts none that could fail.
    full = with_tasks(with_service(healthy(), "worker", maximum_percent=100, deployments=BLOCKED), *ended)
    assert roots(full) == {"rollout-stuck", old}


def test_a_rollback_fails_of_nothing_that_the_tasks_before_it_end_of() -> None:
    """ECS went back to a deployment whose tasks have no network by now: those it took back exited by themselves."""
    back = snapshots.deployment("worker", NOW - timedelta(minutes=5), rollout_reason=BREAKER)
    exited = [
        stopped("worker", EXIT, NOW - timedelta(minutes=minutes), deployment_id="ecs-svc/8", **EXITED)
        for minutes in (8, 7, 6)
    ]
    own = [stopped("worker", NETWORK, NOW - timedelta(minutes=minutes)) for minutes in (4, 3, 2)]
    snapshot = with_tasks(with_service(healthy(), "worker", deployments=(back,)), *exited)
    assert roots(snapshot) == {"breaker-rollback"}
    assert roots(with_tasks(snapshot, *own)) == {"breaker-rollback", "pull-failed"}
    rollback = one(with_tasks(snapshot, *own), "breaker-rollback")
    assert "Essential container in task exited" in rollback.evidence[2]


def test_failing_pulls_alone_are_a_root_cause() -> None:
    """Where nothing else is wrong, as with the network, the failing start is the cause itself."""
    snapshot = suffering(healthy(), NETWORK)
    assert roots(snapshot) == {"pull-failed"}
    assert problems(snapshot) == {"pull-failed", "rollout-stuck", "not-forced"}
    found = one(snapshot, "pull-failed")
    assert set(found.cause_of) == {"rollout-stuck", "not-forced"}
    assert "context deadline exceeded" in found.evidence[1]


@pytest.mark.parametrize(
    ("reason", "changes", "root"),
    [(HEALTH, RUNNING, "health-check"), (EXIT, EXITED, "rollout-stuck")],
)
def test_failures_that_are_no_matter_of_secrets(reason: str, changes: dict[str, object], root: str) -> None:
    """A failing health check, or an image that exits, is named and nothing of the secret is."""
    assert roots(suffering(healthy(), reason, **changes)) == {root}


def test_a_rollback_points_to_the_fault() -> None:
    """After the breaker rolled back, the fault in the secret is the cause and the rollback its consequence."""
    back = with_service(
        without_key(healthy(), "OPENAI_API_KEY"), "worker", deployments=(deployment("worker", rollout_reason=BREAKER),)
    )
    snapshot = with_tasks(back, stopped("worker", PULL, NOW - timedelta(minutes=2)))
    assert roots(snapshot) == {"key-missing"}
    assert one(snapshot, "breaker-rollback").because_of == ("key-missing", "pull-failed")
    assert set(one(snapshot, "key-missing").cause_of) == {"pull-failed", "breaker-rollback"}


def test_a_value_that_the_log_does_not_name_made_no_task_fail() -> None:
    """Of two bad values the one that the application refuses explains the rollout, and the other stands by itself."""
    refused = upstream_faults.FAULTS["value-refused"].make(with_keys(healthy(), POSTGRES_PASSWORD="please-update-me"))
    found = one(refused, "rollout-stuck")
    assert "value-refused" in found.because_of and "placeholder" not in found.because_of
    assert {"value-refused", "placeholder"} <= roots(refused)


def test_an_application_that_refuses_the_whole_json_is_no_second_cause() -> None:
    """What it refuses is no value that could be corrected: the reference that names no key is wrong."""
    whole = with_reference(healthy(), "worker", "OPENAI_API_KEY", ARN)
    assert roots(upstream_faults.saying(whole, upstream_faults.REFUSED_VALUE)) == {"whole-json"}


@pytest.mark.parametrize(
    ("reason", "changes", "cause"),
    [
        ("CannotPullContainerError: pull image manifest has been retried 1 time(s): not found", {}, "image-pull"),
        (HEALTH, RUNNING, "health-check"),
        (EXIT, {**EXITED, "containers": (TaskContainer("worker", 127, ""),)}, "command-fails"),
    ],
)
def test_a_rollout_is_no_consequence_of_what_its_tasks_show_otherwise(
    reason: str, changes: dict[str, object], cause: str
) -> None:
    """A task without its image never got a value, and one that started got all of its keys."""
    other = with_keys(healthy(), SECRET_KEY="") if cause == "image-pull" else without_key(healthy(), "SECRET_KEY")
    snapshot = suffering(other, reason, **changes)
    assert cause in one(snapshot, "rollout-stuck").because_of
    assert not {"empty", "key-missing"}.intersection(one(snapshot, "rollout-stuck").because_of)


@pytest.mark.parametrize(
    ("reason", "check", "because_of"),
    [
        (deployment_faults.IMAGE, "image-pull", ()),
        (deployment_faults.LOG, "log-group", ()),
        (deployment_faults.FILE, "environment-file", ()),
        (deployment_faults.FILE.replace("404", "Not Found"), "environment-file", ()),
        (deployment_faults.IMAGE.replace("not found", "i/o timeout"), "image-pull", ("role-untrusted",)),
    ],
)
def test_what_is_not_there_is_no_consequence_of_a_call_that_fails(
    reason: str, check: str, because_of: tuple[str, ...]
) -> None:
    """Where the answer was that an image does not exist, somebody was asked."""
    untrusted = FAULTS["role-untrusted"].make(healthy())
    assert one(stuck(untrusted, "worker", reason), check).because_of == because_of


TWO: dict[str, tuple[Callable[[Snapshot], Snapshot], set[str]]] = {
    "a key and a permission": (
        lambda s: with_permissions(without_key(s, "SMTP_HOST"), simulated("implicitDeny")),
        {"key-missing", "no-permission"},
    ),
    "two keys": (lambda s: with_keys(without_key(s, "SMTP_HOST"), SECRET_KEY=""), {"key-missing", "empty"}),
    "a reference and a value": (
        lambda s: with_keys(with_reference(s, "worker", "SECRET_KEY", NAME), SMTP_HOST=None),
        {"bare-name", "null"},
    ),
    "a value and a rotation that nobody deployed": (
        lambda s: rotated(with_keys(s, OPENAI_API_KEY=""), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32)),
        {"not-forced", "empty"},
    ),
    "a role that ECS cannot assume and a grant that it lacks": (
        lambda s: with_permissions(
            s,
            replace(FAULTS["role-untrusted"].make(s).permissions[ROLE], simulated=simulated("implicitDeny").simulated),
        ),
        {"role-untrusted", "no-permission"},
    ),
    "a role that ECS cannot assume and another secret that it may not read": (
        lambda s: FAULTS["other-secret-denied"].make(FAULTS["role-untrusted"].make(s)),
        {"role-untrusted", "other-secret-denied"},
    ),
    "a scaled-down service and a key": (
        lambda s: with_service(without_key(s, "SMTP_HOST"), "worker", desired=0, running=0),
        {"desired-zero", "key-missing"},
    ),
}


@pytest.mark.parametrize("which", TWO)
def test_two_independent_faults_are_both_named(which: str) -> None:
    """One fault does not hide another that it cannot have caused."""
    make, expected = TWO[which]
    assert roots(make(healthy())) == expected


@pytest.mark.parametrize("id", ["scp", "identity-deny"])
@pytest.mark.parametrize("is_same", [True, False])
def test_what_denies_a_role_every_secret_is_one_cause(id: str, is_same: bool) -> None:
    """Another secret that the same denial is about needs no remedy of its own; one that another is about does."""
    denied = other_sources_faults.refer(
        FAULTS[id].make(healthy()), decision="explicitDeny" if is_same else "implicitDeny"
    )
    own, *_, other = denied.permissions[ROLE].simulated
    organization = own.allowed_by_organization if is_same else None
    denial = replace(other, statements=own.statements if is_same else (), allowed_by_organization=organization)
    snapshot = with_permissions(denied, replace(denied.permissions[ROLE], simulated=(own, denial)))
    assert one(snapshot, "other-secret-denied").because_of == ((id,) if is_same else ())
    assert roots(snapshot) == ({id} if is_same else {id, "other-secret-denied"})


def test_one_deny_of_the_secret_and_of_its_key_is_one_cause() -> None:
    """The statement that keeps a role from the secret keeps it from the key, too."""
    for denied, expected in {
        "*": {"identity-deny"},
        "kms:Decrypt": {"kms-no-permission"},
        GET_SECRET_VALUE: {"identity-deny"},
    }.items():
        policies = snapshots.by_policies(snapshots.policy(action="*"), snapshots.policy("Deny", denied))
        assert roots(access_faults.keyed(policies)(healthy())) == expected


def test_a_fault_of_a_revision_that_two_services_share_is_one() -> None:
    """It is of both, and what fails of either is its consequence."""
    worker = next(each for each in healthy().services if each.name == "worker")
    twin = replace(worker, name="scheduler", arn=f"{worker.arn}-2")
    shared = replace(healthy(), services=(*healthy().services, twin))
    broken = reference_faults.refers(NAME)(stuck(shared, "scheduler", PULL))
    [wrong] = [each for each in diagnose(broken) if each.check == "bare-name"]
    assert wrong.services == {"scheduler", "worker"}
    [refused] = [each for each in diagnose(broken) if each.check == "pull-failed"]
    assert (refused.subject, refused.because_of) == ("scheduler", ("bare-name",))


def test_old_values_are_kept_where_the_new_version_cannot_be_read() -> None:
    """A redeployment would fail: the text comes first, and explains why tasks have old values."""
    snapshot = rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    snapshot = with_text(snapshot, json.dumps("{}"), snapshot.secret.version_at("AWSCURRENT"))
    assert roots(snapshot) == {"not-an-object"}
    assert one(snapshot, "not-forced").because_of == ("not-an-object",)


@pytest.mark.parametrize("id", ["no-permission", "role-untrusted", "scheduled-deletion", "kms-disabled"])
def test_nobody_is_told_to_redeploy_where_new_tasks_would_fail(id: str) -> None:
    """Whatever keeps new tasks from their secret comes first: its remedy starts new tasks, and theirs would fail."""
    with_stale_tasks = rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    findings = with_remedies_of_causes(diagnose(FAULTS[id].make(with_stale_tasks)))
    assert {each.check for each in findings if each.is_root_cause} == {id}
    [cause] = [each for each in findings if each.check == id]
    old = [each for each in findings if each.check == "not-forced" and each.is_problem]
    assert [(each.because_of, each.remedy) for each in old] == [((id,), cause.remedy)] * 2


def test_what_could_not_be_read_does_not_hide_an_old_value() -> None:
    """Without a look at what the roles may do, that tasks have an old value stays a cause, with its remedy."""
    with_stale_tasks = rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    refused = ReadFailure("roles", "iam:GetRole", "AccessDenied", "denied")
    unread = Permissions(role=None, unread=(refused,))
    assert roots(with_permissions(with_stale_tasks, unread)) == {"not-forced"}


def test_what_a_check_could_not_read_is_told_beside_what_it_found() -> None:
    """Else the fault of a service that could be read before would pass for resolved."""
    name = healthy().environment.names.secret
    both = with_reference(with_reference(healthy(), "backend", "SECRET_KEY", name), "worker", "SECRET_KEY", name)
    read = {arn: each for arn, each in both.task_definitions.items() if "worker" not in arn}
    gap = ReadFailure("worker:7", "ecs:DescribeTaskDefinition", "AccessDeniedException", "denied")
    unread = replace(both, task_definitions=read, gaps={"task_definitions": (gap,)})
    own = [finding for finding in diagnose(unread) if finding.check == "bare-name"]
    assert [(each.status, each.services) for each in own] == [("found", {"backend"}), ("unknown", frozenset())]
    assert own[1].evidence == (gap.sentence,)


def test_checks_that_lack_the_same_permissions_are_told_together() -> None:
    """In whichever order they need the fields: one reason for each set."""
    gaps = {
        field: (ReadFailure(field, f"ecs:{field}", "AccessDenied", "denied"),)
        for field in ("secret", "services", "versions", "tasks")
    }
    reasons = unknown_reasons(diagnose(replace(healthy(), secret=None, gaps=gaps)))
    sets = {frozenset(reason.splitlines()) for reason in reasons}
    assert {len(each) for each in sets} >= {1, 2, 3} and len(sets) == len(reasons)


def test_a_fault_of_one_service_does_not_explain_anothers() -> None:
    """A missing key that only backend asks for leaves the worker's failing tasks unexplained."""
    snapshot = stuck(without_key(healthy(), "SMTP_HOST"), "worker", NETWORK)
    assert roots(snapshot) == {"key-missing", "pull-failed"}


def test_terraform_explains_only_what_it_wrote() -> None:
    """A placeholder that was there before stays a cause of its own."""
    lost = content_faults.overwritten(with_keys(healthy(), SENTRY_DSN="https://your-sentry-dsn@sentry.io/1"))
    found = [finding for finding in diagnose(lost) if finding.check == "placeholder"]
    assert {(finding.subject, finding.because_of) for finding in found} == {
        ("SECRET_KEY", ("terraform-overwrote",)),
        ("SENTRY_DSN", ()),
    }


def test_findings_are_read_causes_first() -> None:
    """Root causes by severity, then consequences, then what was not seen, what is clear and what was skipped."""

    def finding(check: str, status: Status = "found", severity: Severity = "error") -> Finding:
        return Finding(check=check, family="deployment", title=check, status=status, severity=severity)

    ordered = relate(
        [
            finding("skipped", "skipped"),
            finding("clear", "clear"),
            finding("unknown", "unknown"),
            finding("rollout-stuck"),
            finding("remark", severity="info"),
            finding("warning", severity="warning"),
            finding("pull-failed"),
        ]
    )
    assert [finding.check for finding in ordered] == [
        "pull-failed",
        "warning",
        "remark",
        "rollout-stuck",
        "unknown",
        "clear",
        "skipped",
    ]


def test_the_cause_of_what_fails_is_the_first_of_two() -> None:
    """Of two causes as grave, the one that tasks fail of is what somebody on call reads first."""

    def finding(check: str, family: str) -> Finding:
        return Finding(check=check, family=family, title=check, status="found", services=frozenset({"worker"}))

    found = relate(
        [finding("bad-copy", "content"), finding("boundary", "access"), finding("pull-failed", "deployment")]
    )
    assert [each.check for each in found] == ["boundary", "bad-copy", "pull-failed"]


@pytest.mark.parametrize("id", FAULTS)
def test_a_diagnosis_shows_no_value(id: str) -> None:
    """No finding of any check holds a value, whatever is wrong."""
    for finding in diagnose(suffering(FAULTS[id].make(healthy()), PULL)):
        assert_no_value(finding)


def test_commands_of_the_aws_cli_need_the_role_that_was_assumed() -> None:
    """The remedy names it with what else they need; our own commands assume it themselves."""
    role = "arn:aws:iam::123456789012:role/runbooks"
    broken = without_key(healthy(), "OPENAI_API_KEY")
    environment = replace(broken.environment, names=broken.environment.names.model_copy(update={"role_arn": role}))
    caller = replace(broken.caller, source="arn:aws:iam::210987654321:user/night")
    for found, needs in (
        (diagnose(broken), False),
        (diagnose(replace(broken, environment=environment, caller=caller)), True),
    ):
        remedies = [finding.remedy for finding in found if finding.remedy.command.startswith("aws ")]
        assert remedies
        assert {f"The AWS CLI needs the sign-in of {role}." in remedy.needs for remedy in remedies} == {needs}


def test_remedies_that_replace_one_policy_are_for_one_after_another() -> None:
    """Each has the policy as it was read: the second would give back what the first took away."""
    both = allowing(
        [GET_SECRET_VALUE, "iam:PassRole", "ecs:RunTask", "ecs:RegisterTaskDefinition", "s3:GetObject"], "*"
    )
    alone = allowing([GET_SECRET_VALUE, "s3:GetObject"], "*")
    people = (user("eve", policy("p", both)), user("bob", policy("p", alone)))
    found = [each for each in audit(audited(None, *people)) if each.subject in ("eve", "bob")]
    needs = {(each.check, each.subject): each.remedy.needs for each in found}
    sentence = "Another remedy replaces the same policy: run the runbook again before it, or it undoes this one."
    assert needs == {
        ("can-pass-role", "eve"): sentence,
        ("human-may-read", "eve"): sentence,
        ("human-may-read", "bob"): "",
    }


def test_a_remedy_that_puts_a_policy_is_no_second_to_one_that_deletes_it() -> None:
    """It would bring back what is gone; deleting after it is harmless."""
    wide = policy("p", allowing(["iam:P*", "iam:AttachUserPolicy"], "*"))
    eve = user("eve", wide, policy("runs", allowing("ecs:RunTask", "*")))
    found = {each.check: each.remedy for each in audit(audited(None, eve)) if each.subject == "eve"}
    assert found["can-become-reader"].command == "aws iam delete-user-policy --user-name eve --policy-name p"
    assert "Another remedy replaces" not in found["can-become-reader"].needs
    assert "Another remedy replaces" in found["can-pass-role"].needs


def test_the_cause_of_a_consequence_is_unknown_where_a_check_of_it_is() -> None:
    """No root cause is named then, but the checks that may be it; as soon as one of them finds something, that is."""

    def finding(check: str, family: str, status: Status) -> Finding:
        return Finding(check=check, family=family, title="x", status=status, services=frozenset({"backend"}))

    effect, unread = finding("pull-failed", "deployment", "found"), finding("no-permission", "access", "unknown")
    [alone, _, _] = relate([effect, unread, finding("scp", "access", "clear")])
    assert alone.unread_causes == ("no-permission",) and alone.is_unexplained and not alone.is_root_cause
    assert "what could not be read: no-permission" in alone.doubt
    outcome = verify_outcome((alone, unread))
    assert (outcome.root_causes, outcome.status) == ((), "findings")
    assert outcome.causes_in_words == "pull-failed for an unknown cause"
    assert Outcome.from_json(outcome.to_json()).findings[0].unread_causes == ("no-permission",)
    others = [unread, finding("key-missing", "content", "unknown")]
    [silent, *_] = relate([effect, *others])
    assert silent.unread_causes == ("no-permission", "key-missing")
    reason = "Task 1 stopped: because no identity-based policy allows the secretsmanager:GetSecretValue action"
    start = Remedy("aws ecs update-service --cluster c --service backend --force-new-deployment")
    [narrowed, *_] = relate([replace(effect, evidence=(reason,), remedy=start), *others])
    assert narrowed.unread_causes == ("no-permission",)
    assert narrowed.remedy.command.startswith("Let this run read what it could not")
    # What ECS says of another secret is the same, and what mends by itself stays.
    way = Remedy(f"Check the subnets' routes. Run `{start.command}`.")
    any_secret = finding("other-secret-denied", "reference", "unknown")
    [either, *_] = relate([replace(effect, evidence=(reason,), remedy=way), *others, any_secret])
    assert (either.unread_causes, either.remedy) == (("no-permission", "other-secret-denied"), way)
    explained = next(
        each for each in relate([effect, unread, finding("scp", "access", "found")]) if each.check == "pull-failed"
    )
    assert (explained.because_of, explained.unread_causes) == (("scp",), ())
    assert relate([effect, finding("boundary", "access", "clear")])[0].is_root_cause


@pytest.mark.parametrize(
    ("reason", "id", "permissions"),
    [
        (
            f"{NOT_PULLED}AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue because no"
            " identity-based policy allows the action",
            "no-permission",
            simulated("implicitDeny"),
        ),
        (
            f"{NOT_PULLED}ECS was unable to assume the role '{ROLE}' that was provided for this task. Please verify"
            " that the role being passed has the proper trust relationship and permissions and that your IAM user has"
            " permissions to pass this role.",
            "role-untrusted",
            access_faults.trusting({}),
        ),
    ],
)
def test_of_two_causes_the_one_that_a_consequence_names_comes_first(
    reason: str, id: str, permissions: Permissions
) -> None:
    """It stands below that one, and has its remedy, though the other would stop the tasks too, and is read later.

    A long reason is cut in the middle, where the words that name the fault may be.
    """
    changed = rotated(healthy(), NOW - timedelta(minutes=20))
    values = {key: value for key, value in document(changed).items() if key != "OPENAI_API_KEY"}
    changed = with_values(changed, values, changed.current_id)
    found = diagnose(with_permissions(stuck(changed, "worker", reason), permissions))
    assert {"rollout-stuck", "not-forced"} <= {each.check for each in found if len(each.because_of) > 1}
    effect = next(each for each in found if each.check == "pull-failed")
    assert effect.because_of == (id, "key-missing")
    assert [each.check for each in found if each.is_root_cause] == [id, "key-missing"]


def test_another_providers_live_key_is_one_fault() -> None:
    """Of which mode a key is says nothing more of one that is in the wrong place."""
    found = diagnose(with_keys(healthy(), OPENAI_API_KEY=f"sk_live_{secrets.token_hex(16)}"))
    assert [each.check for each in found if each.is_root_cause] == ["wrong-form"]
    assert next(each for each in found if each.check == "test-mode").because_of == ("wrong-form",)


def verify_outcome(findings: tuple[Finding, ...]) -> Outcome:
    """How a run of verify with these findings ends."""
    where = {"environment": "staging", "account": "123456789012", "region": "ap-southeast-2", "endpoint": ""}
    return Outcome(runbook="verify", started=NOW, finished=NOW, findings=findings, **where)


def test_of_several_faults_of_one_service_each_says_that_its_new_tasks_come_last() -> None:
    """The first command alone would start tasks that fail for the next fault; another service's faults are its own."""
    snapshot = without_key(without_key(without_key(healthy(), "SMTP_USER"), "SMTP_HOST"), "SMTP_PASSWORD")
    two = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{ARN}:OTHER_KEY::")
    needs = {each.subject: each.remedy.order for each in diagnose(two) if each.check == "key-missing"}
    assert needs.pop("OTHER_KEY") == ""
    for key, order in needs.items():
        assert order.startswith("Start tasks last: those of backend may fail until key-missing (SMTP_")
        assert order.endswith(" are fixed, too.") and f"({key})" not in order and order.count("key-missing") == 2
    many = with_values(healthy(), {"SECRET_KEY": document(healthy())["SECRET_KEY"]})
    orders = {each.subject: each.remedy.order for each in diagnose(many) if each.check == "key-missing"}
    assert all(order.count("key-missing") == 3 and " and others are fixed" in order for order in orders.values())
    one = [each for each in diagnose(without_key(healthy(), "SMTP_USER")) if each.is_unexplained]
    assert [each.remedy.order for each in one] == [""]


def test_two_faults_that_one_run_mends_do_not_wait_for_each_other() -> None:
    """Values that were exchanged are two findings, which one run puts right."""
    values = document(healthy())
    user, password = "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD"
    found = diagnose(with_keys(healthy(), **{user: values[password], password: values[user]}))
    exchanged = [each.remedy for each in found if each.check == "values-exchanged"]
    assert [each.order for each in exchanged] == ["", ""] and exchanged[0].invocation == exchanged[1].invocation != ""


def test_two_orders_on_one_screen_name_the_same_last_step() -> None:
    """A setting's own command starts the tasks, after what it says must be fixed first, which then starts none."""
    old = with_service(without_key(healthy(), "OPENAI_API_KEY"), "backend", platform_version="1.3.0")
    orders = {each.check: each.remedy.order for each in diagnose(old) if each.is_unexplained}
    assert orders["platform-version"] == "First fix key-missing: new tasks of backend may fail until then."
    assert orders["key-missing"].endswith(" The command of platform-version starts those of backend: leave them to it.")
