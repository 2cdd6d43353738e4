"""Whether a task is up to date: one answer, whoever asks."""

import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import (
    ACCOUNT,
    ARN,
    CURRENT,
    NAMES,
    NOW,
    PREVIOUS,
    ROLE_NAME,
    definition_arn,
    document,
    event,
    healthy,
    looked,
    rotated,
    stopped,
    task,
    with_definition,
    with_held_value,
    with_keys,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.secretsmanager import Version
from omc_runbook.checks.check import run_check
from omc_runbook.checks.deployment import not_forced
from omc_runbook.diagnosis.complaint import Complaint
from omc_runbook.diagnosis.injection_matrix import rows
from omc_runbook.model.value_from import parse
from omc_runbook.report import changes, timeline, troubleshoot
from omc_runbook.snapshot import follow_ups, freshness
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.held_values import UNSEEN
from omc_runbook.snapshot.state import Snapshot

LATELY = NOW - timedelta(minutes=5)
CURRENT_STAGE = "AWSCURRENT"
WORDS = {"has the current values": "fresh", "has older values": "stale", "may have": "undecidable"}


def other_key() -> Snapshot:
    """A key changed that the worker is not given."""
    return rotated(healthy(), LATELY, SMTP_PASSWORD=secrets.token_hex(16))


def own_key() -> Snapshot:
    """A key changed that both services are given."""
    return rotated(healthy(), LATELY, SECRET_KEY=secrets.token_hex(32))


def while_it_changed() -> Snapshot:
    """The worker has one more task, which started while a key changed."""
    started = task("worker", created=LATELY - timedelta(seconds=10))
    return with_tasks(own_key(), started)


def read_after() -> Snapshot:
    """By CloudTrail the worker's task read the secret after the change, though it was created before."""
    snapshot = own_key()
    worker = next(each for each in snapshot.tasks if each.service == "worker")
    principal = f"arn:aws:sts::1:assumed-role/role/{worker.id}"
    read = event("GetSecretValue", LATELY + timedelta(minutes=1), principal=principal)
    return replace(snapshot, reads=(read,), writes=(event("PutSecretValue", LATELY, snapshot.versions[-1].id),))


def looked_stale() -> Snapshot:
    """By times all is fresh, and a look shows that the worker has a former value."""
    return with_held_value(looked(healthy()), "worker", "SECRET_KEY", injected=PREVIOUS, process=PREVIOUS)


def looked_fresh() -> Snapshot:
    """By times all is stale, and a look shows the current values."""
    return looked(own_key())


def looked_in_vain() -> Snapshot:
    """By times all is stale, and a look could not read the key that changed."""
    return with_held_value(looked(own_key()), "worker", "SECRET_KEY", injected=UNSEEN, process=UNSEEN)


def unknown_version() -> Snapshot:
    """The content of the former version cannot be read any more."""
    snapshot = own_key()
    return replace(snapshot, contents={id: content for id, content in snapshot.contents.items() if id != CURRENT})


def whole_document() -> Snapshot:
    """The worker is given the whole document, of which another key changed."""
    arn = healthy().secret
    assert arn is not None
    return with_reference(other_key(), "worker", "SECRET_KEY", arn.arn)


CASES: dict[str, tuple[Callable[[], Snapshot], dict[str, str]]] = {
    "healthy": (healthy, {"backend": "fresh", "worker": "fresh"}),
    "other key": (other_key, {"backend": "stale", "worker": "fresh"}),
    "own key": (own_key, {"backend": "stale", "worker": "stale"}),
    "while it changed": (while_it_changed, {"backend": "stale", "worker": "stale undecidable"}),
    "read after": (read_after, {"backend": "stale", "worker": "fresh"}),
    "looked, stale": (looked_stale, {"backend": "fresh", "worker": "stale"}),
    "looked, fresh": (looked_fresh, {"backend": "fresh", "worker": "fresh"}),
    "looked in vain": (looked_in_vain, {"backend": "fresh", "worker": "stale"}),
    "version gone": (unknown_version, {"backend": "stale", "worker": "stale"}),
    "whole document": (whole_document, {"backend": "stale", "worker": "stale"}),
}


def services(snapshot: Snapshot) -> dict[str, Service]:
    """The consumers by name."""
    return {service.name: service for service in snapshot.consumers}


def by_troubleshoot(snapshot: Snapshot, one: Task) -> str:
    """What troubleshoot says of a task that somebody asked about."""
    entries = troubleshoot.state(snapshot, Complaint(task_id=one.id)).entries
    [line] = [line for line in entries[-1].lines if any(words in line for words in WORDS)]
    return next(answer for words, answer in WORDS.items() if words in line)


@pytest.mark.parametrize("case", CASES)
def test_no_two_reports_say_different_things_of_one_task(case: str) -> None:
    """troubleshoot, the matrix, the timeline, the holders and the check have one answer for each task."""
    make, expected = CASES[case]
    snapshot = make()
    answers = {
        name: [freshness.of(snapshot, each) for each in snapshot.running(service)]
        for name, service in services(snapshot).items()
    }
    assert {name: " ".join(sorted({*found})) for name, found in answers.items()} == {
        name: " ".join(sorted(words.split())) for name, words in expected.items()
    }
    found = {finding.subject: finding.status for finding in run_check(not_forced, snapshot)}
    state = {entry.subject: entry.lines[0] for entry in troubleshoot.state(snapshot, Complaint()).entries}
    holders = {entry.name: entry.label for entry in changes.holders(snapshot).entries}
    subjects = [entry.subject for entry in changes.holders(snapshot).entries]
    assert not any("1 tasks" in each or each.startswith("1 task has the current values of their") for each in subjects)
    drawn = {line.service: set[str]() for line in timeline.lines_of(snapshot)}
    for line in timeline.lines_of(snapshot):
        drawn[line.service].add(line.state)
    for name, service in services(snapshot).items():
        tasks, standings = snapshot.running(service), answers[name]
        assert [by_troubleshoot(snapshot, each) for each in tasks] == standings
        assert all(f"{standings.count(word)} {word}" in state[name] for word in {*standings})
        assert drawn[name] == {*standings}
        assert holders[name] == ("up to date" if {*standings} == {"fresh"} else "redeploy")
        assert found.get(name) == (
            "found" if "stale" in standings else "unknown" if "undecidable" in standings else None
        )
        reached = [row.reaches for row in rows(snapshot) if row.service == name]
        worst = max((len(re.findall("stale", words)), words.count("undecidable")) for words in reached)
        assert bool(worst[0]) == ("stale" in standings)


def test_a_task_that_has_stopped_has_no_old_values() -> None:
    """ECS lists it for an hour after the ones that replaced it have started."""
    snapshot = rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    new = tuple(replace(each, created=LATELY, started=LATELY) for each in snapshot.tasks)
    began = NOW - timedelta(days=9)
    old = replace(stopped("worker", "Scaled in", LATELY, started=began), created=began)
    findings = run_check(not_forced, replace(snapshot, tasks=(*new, old)))
    assert {each.status for each in findings} == {"clear"}


def test_a_reference_without_a_definition_is_told_by_times() -> None:
    """Where the definition could not be read, nothing says that no key of it changed."""
    snapshot = own_key()
    blind = replace(snapshot, task_definitions={})
    assert {freshness.of(blind, each) for each in blind.tasks} == {"stale"}


def test_a_pinned_reference_does_not_follow_the_secret() -> None:
    """What fixes a version is no staler for a new one."""
    snapshot = own_key()
    assert snapshot.secret is not None
    pinned = with_reference(snapshot, "worker", "SECRET_KEY", f"{snapshot.secret.arn}:SECRET_KEY::{CURRENT}")
    [worker] = snapshot.running(services(snapshot)["worker"])
    assert (freshness.of(snapshot, worker), freshness.of(pinned, worker)) == ("stale", "fresh")
    assert freshness.changed_keys(pinned, worker) == frozenset()


def test_the_keys_that_differ_are_named_where_a_task_is_given_the_whole_document() -> None:
    """Its reference names none of them."""
    snapshot = whole_document()
    [backend], [worker] = (snapshot.running(services(snapshot)[name])[:1] for name in ("backend", "worker"))
    assert freshness.changed_keys(snapshot, worker) == freshness.changed_keys(snapshot, backend) == {"SMTP_PASSWORD"}


def test_a_second_container_counts_too() -> None:
    """A look into one container tells nothing of what another one is given."""
    snapshot = looked_fresh()
    sidecar = with_definition(
        snapshot,
        "worker",
        lambda old: replace(old, containers=(*old.containers, replace(old.containers[0], name="sidecar"))),
    )
    [worker] = sidecar.running(services(sidecar)["worker"])
    assert freshness.of(sidecar, worker) == "stale"


def restored_before(started: timedelta, trail: timedelta | None = None) -> tuple[Snapshot, Task]:
    """A key added after a restore, and a task that started some time before that.

    An hour ago SECRET_KEY was changed, half an hour ago that was taken back, five minutes ago another key was added.
    With `trail`, CloudTrail has the restore, that long ago.
    """
    first = healthy()
    original = document(first)["SECRET_KEY"]
    changed = rotated(first, first.taken - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    assert changed.secret and first.secret
    old, new = first.secret.version_at("AWSCURRENT"), changed.secret.version_at("AWSCURRENT")
    added = rotated(changed, LATELY, SECRET_KEY=original, NEWS_API_KEY=secrets.token_hex(16))
    assert added.secret
    newest = added.secret.version_at("AWSCURRENT")
    stages = {old: ("AWSPREVIOUS",), new: (), newest: ("AWSCURRENT",)}
    versions = tuple(replace(version, stages=stages.get(version.id, version.stages)) for version in added.versions)
    secret = replace(added.secret, stages={old: ("AWSPREVIOUS",), newest: ("AWSCURRENT",)})
    one = next(task for task in added.tasks if task.service == "worker")
    one = replace(one, created=LATELY - started, started=LATELY - started)
    moved = (event("UpdateSecretVersionStage", first.taken - trail, old),) if trail else None
    return replace(added, secret=secret, versions=versions, tasks=(one,), writes=moved), one


def test_a_task_of_a_restored_version_is_not_taken_for_an_old_one() -> None:
    """Its keys have not changed since; without CloudTrail it may have read either version, and with it one."""
    snapshot, after = restored_before(timedelta(minutes=10))
    assert len(freshness.versions_read(snapshot, after)) == 2
    assert freshness.of(snapshot, after) == "undecidable"
    snapshot, after = restored_before(timedelta(minutes=10), timedelta(minutes=30))
    assert freshness.of(snapshot, after) == "fresh"
    snapshot, before = restored_before(timedelta(minutes=45), timedelta(minutes=30))
    assert freshness.of(snapshot, before) == "stale"


def test_a_task_of_the_version_that_is_current_again_is_not_taken_for_an_old_one() -> None:
    """Two changes failed one after the other and were taken back; the task started between them."""
    first = healthy()
    assert first.secret
    good = first.secret.version_at("AWSCURRENT")
    once = rotated(first, first.taken - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    twice = rotated(once, LATELY, SECRET_KEY=secrets.token_hex(32))
    assert once.secret and twice.secret
    bad, worse = once.secret.version_at("AWSCURRENT"), twice.secret.version_at("AWSCURRENT")
    stages = {good: ("AWSCURRENT",), bad: (), worse: ("AWSPREVIOUS",)}
    versions = tuple(replace(version, stages=stages.get(version.id, ())) for version in twice.versions)
    one = next(task for task in twice.tasks if task.service == "worker")
    one = replace(one, created=LATELY - timedelta(minutes=30), started=LATELY - timedelta(minutes=30))
    now = LATELY + timedelta(minutes=1)
    secret = replace(twice.secret, changed=now, stages={good: ("AWSCURRENT",), worse: ("AWSPREVIOUS",)})
    without = replace(twice, secret=secret, versions=versions, tasks=(one,))
    assert freshness.of(without, one) == "undecidable"
    back = [event("UpdateSecretVersionStage", moment, good) for moment in (LATELY - timedelta(minutes=50), now)]
    assert freshness.of(replace(without, writes=tuple(back)), one) == "fresh"


def test_a_task_of_a_version_that_was_current_twice_is_stale_when_the_former_one_is_back() -> None:
    """A change was taken back, made current again, and taken back again; the task started before the last of these."""
    first = healthy()
    assert first.secret
    good = first.secret.version_at("AWSCURRENT")
    once = rotated(first, first.taken - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    assert once.secret
    other = once.secret.version_at("AWSCURRENT")
    stages = {good: ("AWSCURRENT",), other: ("AWSPREVIOUS",)}
    versions = tuple(replace(version, stages=stages.get(version.id, ())) for version in once.versions)
    moment = LATELY - timedelta(minutes=30)
    one = replace(next(task for task in once.tasks if task.service == "worker"), created=moment, started=moment)
    moves = ((LATELY - timedelta(minutes=50), good), (LATELY - timedelta(minutes=40), other), (LATELY, good))
    writes = tuple(event("UpdateSecretVersionStage", *move) for move in moves)
    secret = replace(once.secret, changed=LATELY, stages=stages)
    snapshot = replace(once, secret=secret, versions=versions, tasks=(one,), writes=writes)
    assert freshness.versions_read(snapshot, one) == (other,)
    assert freshness.of(snapshot, one) == "stale"
    again = event("UpdateSecretVersionStage", moment - timedelta(minutes=1), good)
    for nothing in (replace(again, error="AccessDenied"), replace(again, stages=(STAGED,))):
        assert freshness.versions_read(replace(snapshot, writes=(*writes, nothing)), one) == (other,)


def test_another_label_of_the_present_version_does_not_make_it_current_later() -> None:
    """Somebody labels the version that tasks have read already."""
    snapshot = healthy()
    assert snapshot.secret
    labelled = replace(event("UpdateSecretVersionStage", LATELY, CURRENT), stages=("stable",))
    moved = replace(snapshot, secret=replace(snapshot.secret, changed=LATELY), writes=(labelled,))
    assert {freshness.of(moved, one) for each in moved.consumers for one in moved.running(each)} == {"fresh"}


def test_a_version_that_was_staged_is_current_from_its_move() -> None:
    """A task that started between the two has the former values."""
    snapshot = rotated(healthy(), moment := NOW - timedelta(hours=2), SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    staged = replace(event("PutSecretValue", moment, snapshot.current_id), stages=(STAGED,))
    moved = replace(event("UpdateSecretVersionStage", LATELY, snapshot.current_id), stages=(CURRENT_STAGE,))
    one = task("worker", created=LATELY - timedelta(hours=1))
    secret = replace(snapshot.secret, changed=LATELY)
    snapshot = replace(snapshot, secret=secret, writes=(staged, moved), tasks=(one,))
    assert (since := freshness.current_since(snapshot)) and since[0] == LATELY
    assert not freshness.is_current_at(snapshot, LATELY - timedelta(seconds=1))
    assert freshness.of(snapshot, one) == "stale"


@pytest.mark.parametrize(
    ("started", "is_whole", "answer"),
    [
        (0.6, False, "stale"),
        (1.0, False, "stale"),
        (1.6, False, "fresh"),
        (0.6, True, "undecidable"),
        (1.6, True, "fresh"),
    ],
)
def test_a_version_that_is_current_again_within_two_seconds_is_so_from_then_on(
    started: float, is_whole: bool, answer: str
) -> None:
    """A change was taken back and made again at once: a task that started between the two has the former value."""
    first = healthy()
    assert first.secret
    good, begun = first.secret.version_at("AWSCURRENT"), LATELY + timedelta(seconds=0.1)
    once = rotated(first, begun, SECRET_KEY=secrets.token_hex(32))
    assert once.secret
    moves = ((0.2, once.current_id), (0.5, good), (1.5, once.current_id))
    writes = [replace(event("PutSecretValue", begun, once.current_id), stages=(STAGED,))]
    for seconds, version in moves:
        moment = LATELY + timedelta(seconds=seconds)
        writes.append(replace(event(CALL, moment, version), stages=(CURRENT_STAGE,)))
    if is_whole:
        writes = [replace(each, time=each.time.replace(microsecond=0)) for each in writes]
    moment = LATELY + timedelta(seconds=started)
    one = task("worker", created=moment, started=moment + timedelta(seconds=0.1))
    secret = replace(once.secret, changed=LATELY + timedelta(seconds=1.5))
    snapshot = replace(once, secret=secret, tasks=(one,), writes=tuple(reversed(writes)))
    assert freshness.of(snapshot, one) == answer


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [((-3, -2), "stale"), ((-3, 3), "undecidable"), ((3, -3), "undecidable"), ((2, 4), "fresh")],
)
def test_a_version_may_come_between_the_reads_of_one_task(seconds: tuple[int, int], answer: str) -> None:
    """ECS reads each variable by itself; a refused read got nothing, and the application's are not for variables."""
    snapshot = while_it_changed()
    one = next(each for each in snapshot.tasks if each.created and each.created > NOW - timedelta(hours=1))
    sessions = [f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{one.id}" for role in (ROLE_NAME, NAMES.task_role)]
    moments = [LATELY.replace(microsecond=1) + timedelta(seconds=each) for each in seconds]
    reads = [event("GetSecretValue", moment, principal=sessions[0]) for moment in moments]
    refused = event("GetSecretValue", LATELY - timedelta(seconds=9), principal=sessions[0])
    reads += [replace(refused, error="ThrottlingException"), event("GetSecretValue", NOW, principal=sessions[1])]
    writes = (event("PutSecretValue", LATELY, snapshot.secret.version_at(CURRENT_STAGE)),) if snapshot.secret else ()
    assert freshness.of(replace(snapshot, reads=tuple(reads), writes=writes), one) == answer


def test_a_version_may_have_come_in_the_second_of_a_read() -> None:
    """Whose change was taken back since: the task may have the value that is current again."""
    first = healthy()
    assert first.secret
    second = LATELY.replace(microsecond=0)
    good = rotated(first, second + timedelta(milliseconds=200), SECRET_KEY=secrets.token_hex(32))
    bad = rotated(good, second + timedelta(minutes=1), SECRET_KEY=secrets.token_hex(32))
    assert good.secret and bad.secret
    ids = (good.secret.version_at(CURRENT_STAGE), bad.secret.version_at(CURRENT_STAGE))
    stages = {ids[0]: (CURRENT_STAGE,), ids[1]: ("AWSPREVIOUS",)}
    worker = next(each for each in bad.tasks if each.service == "worker")
    began = second + timedelta(milliseconds=300)
    one = replace(worker, created=began, started=began + timedelta(seconds=1))
    snapshot = replace(
        bad,
        secret=replace(bad.secret, stages=stages, changed=second + timedelta(minutes=2)),
        versions=tuple(replace(each, stages=stages.get(each.id, ())) for each in bad.versions),
        tasks=(one,),
        writes=(event(CALL, second + timedelta(minutes=2), ids[0]),),
        reads=(event("GetSecretValue", second, principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/{one.id}"),),
    )
    assert {*freshness.versions_read(snapshot, one)} >= {CURRENT, ids[0]}
    assert freshness.of(snapshot, one) == "undecidable"


STABLE = "stable"
CALL = "UpdateSecretVersionStage"


def labelled(moved: timedelta | None, is_other_value: bool = True) -> tuple[Snapshot, Task]:
    """The worker's SECRET_KEY comes from a label, which the version before has; LastChangedDate is five minutes old.

    By CloudTrail that got it so long before now, and a later call was refused; None where CloudTrail was not read.
    """
    first = healthy()
    assert first.secret
    stages = {PREVIOUS: ("AWSPREVIOUS", STABLE), CURRENT: (CURRENT_STAGE,)}
    snapshot = with_reference(first, "worker", "SECRET_KEY", f"{first.secret.arn}:SECRET_KEY:{STABLE}:")
    refused = replace(event(CALL, NOW - timedelta(minutes=1), PREVIOUS), stages=(STABLE,), error="AccessDenied")
    snapshot = with_keys(
        with_keys(snapshot, PREVIOUS, SECRET_KEY=OLD), CURRENT, SECRET_KEY=NEW if is_other_value else OLD
    )
    snapshot = replace(
        snapshot,
        secret=replace(first.secret, stages=stages, changed=LATELY),
        versions=tuple(replace(each, stages=stages[each.id]) for each in snapshot.versions),
        writes=None if moved is None else (replace(event(CALL, NOW - moved, PREVIOUS), stages=(STABLE,)), refused),
    )
    return snapshot, next(each for each in snapshot.tasks if each.service == "worker")


@pytest.mark.parametrize(
    ("moved", "is_other_value", "answer"),
    [
        (timedelta(minutes=5), True, "stale"),
        (timedelta(minutes=5), False, "fresh"),
        (timedelta(days=20), True, "undecidable"),
        (None, True, "undecidable"),
    ],
    ids=["moved", "moved to the same value", "changed so lately that CloudTrail may have more", "unread"],
)
def test_a_label_that_somebody_moves_makes_old_values(
    moved: timedelta | None, is_other_value: bool, answer: str
) -> None:
    """By CloudTrail's call, or as long as that is not there, perhaps; the label is named."""
    snapshot, worker = labelled(moved, is_other_value)
    assert freshness.of(snapshot, worker) == answer
    findings = [each for each in run_check(not_forced, snapshot) if each.subject == "worker"]
    if answer == "stale":
        assert freshness.changed_keys(snapshot, worker) == {"SECRET_KEY"}
        [found] = findings
        assert "read the secret before stable last moved, at 2026-03-01 11:55:00 UTC" in found.evidence[0]
    assert [each.status for each in findings] == {"stale": ["found"], "fresh": []}.get(answer, ["unknown"])


def test_a_label_of_a_newer_version_than_a_task_needs_no_cloudtrail() -> None:
    """The dates say it; where no older version is left, the value cannot be compared."""
    snapshot, worker = labelled(None)
    early = replace(worker, created=NOW - timedelta(days=70), started=NOW - timedelta(days=70))
    assert freshness.of(snapshot, early) == "stale"
    settled = with_secret(snapshot, changed=NOW - timedelta(days=10))
    assert freshness.of(settled, worker) == "fresh"


@pytest.mark.parametrize(("more", "answer"), [({}, "fresh"), ({"NextToken": "next"}, "undecidable")])
def test_what_cloudtrail_was_not_asked_for_proves_nothing(more: dict[str, str], answer: str) -> None:
    """AWSCURRENT may have moved back before the calls on other secrets that were read, or a tag was edited."""
    first = healthy()
    stages = {PREVIOUS: (CURRENT_STAGE,), CURRENT: ("AWSPREVIOUS",)}
    versions = tuple(replace(version, stages=stages[version.id]) for version in first.versions)
    assert first.secret
    secret = replace(first.secret, stages=stages, changed=NOW - timedelta(days=1))
    snapshot = replace(first, secret=secret, versions=versions)
    other = {"EventTime": NOW - timedelta(hours=1), "CloudTrailEvent": "{}"}
    clients = Mock()
    clients.return_value.lookup_events.return_value = {"Events": [other] * 50, **more}
    with ThreadPoolExecutor() as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        snapshot = follow_ups.read_trail(gatherer, snapshot)
    assert {freshness.of(snapshot, one) for one in snapshot.running(services(snapshot)["backend"])} == {answer}
    unknown = [finding for finding in run_check(not_forced, snapshot) if finding.status == "unknown"]
    assert all("those before 2026-03-01 were not read" in finding.evidence[-1] for finding in unknown)
    assert bool(unknown) == bool(more)


STAGED = "candidate"
OLD, NEW = secrets.token_hex(32), secrets.token_hex(32)


@pytest.mark.parametrize(
    ("calls", "unlabelled", "expected"),
    [
        # A task that starts between the write of a version and its label has the former value.
        (((20, "stage", "b", NEW), (5, "move", "b", ""), (2, "put", "c", NEW)), ("undecidable", "stale"), "a"),
        (((20, "stage", "b", NEW), (2, "put", "c", NEW), (1, "put", "d", NEW)), ("undecidable", "stale"), "a"),
        # No label is left of the restore.
        (
            ((30, "put", "b", NEW), (20, "move", "a", ""), (5, "put", "c", OLD), (2, "put", "d", NEW)),
            ("", "stale"),
            "a",
        ),
        # The version came while the task started.
        (((10, "put", "b", NEW), (2, "put", "c", NEW)), ("undecidable", "undecidable"), ""),
    ],
    ids=["staged and moved", "staged in vain", "restored long ago", "while it started"],
)
def test_a_task_has_what_was_current_and_not_what_was_newest(
    calls: tuple[tuple[int, str, str, str], ...], unlabelled: tuple[str, str], expected: str
) -> None:
    """Its key is not called fresh because a version that it never read has the present value."""
    snapshot = healthy()
    worker = next(task for task in snapshot.tasks if task.service == "worker")
    minutes = {ago: NOW - timedelta(minutes=ago) for ago, *_ in calls}
    versions, labels = {"a": NOW - timedelta(days=2)}, {CURRENT_STAGE: "a"}
    snapshot, events = with_keys(snapshot, "a", SECRET_KEY=OLD), [event("CreateSecret", versions["a"], "a")]
    for ago, call, id, value in calls:
        if value:
            versions[id], snapshot = minutes[ago], with_keys(snapshot, id, SECRET_KEY=value)
        name, stages = ("UpdateSecretVersionStage", (CURRENT_STAGE,)) if call == "move" else ("PutSecretValue", ())
        events.append(replace(event(name, minutes[ago], id), stages=(STAGED,) if call == "stage" else stages))
        moved = {CURRENT_STAGE: id, "AWSPREVIOUS": labels[CURRENT_STAGE]}
        labels.update({STAGED: id} if call == "stage" else moved)
    stages_of = {id: tuple(label for label, at in labels.items() if at == id) for id in versions}
    assert snapshot.secret
    secret = replace(snapshot.secret, stages=stages_of, changed=min(minutes.values(), key=lambda at: NOW - at))
    one = replace(worker, created=NOW - timedelta(minutes=11), started=NOW - timedelta(minutes=10 if expected else 9))
    with_versions = replace(
        snapshot,
        secret=secret,
        versions=tuple(Version(id, at, stages_of[id]) for id, at in versions.items()),
        tasks=(one,),
    )
    without, by_trail = unlabelled
    assert not without or freshness.of_key(with_versions, one, "SECRET_KEY") == without
    with_trail = replace(with_versions, writes=tuple(reversed(events)))
    assert freshness.of_key(with_trail, one, "SECRET_KEY") == by_trail
    assert not expected or freshness.versions_read(with_trail, one) == (expected,)


@pytest.mark.parametrize(
    ("calls", "late", "seconds", "answer"),
    [
        # AWSPREVIOUS is on a version that came after the newest call that CloudTrail has for AWSCURRENT's.
        (((1800, "put", "b"), (60, "move", "a"), (30, "stage", "c")), 60, 1200, "stale"),
        # The newest call that CloudTrail has gave AWSCURRENT to another version.
        (((7200, "put", "b"), (3600, "move", "a"), (600, "move", "b"), (30, "stage", "c")), 600, 1200, "stale"),
        # CloudTrail has the move of the version, and not that it was written under another label.
        (((600, "stage", "b"), (90, "put", "c"), (60, "move", "b")), 600, 120, "stale"),
        # CloudTrail has that the version before was written under another label, and not that it became current.
        (((7200, "stage", "b"), (90, "move", "b"), (30, "move", "a")), 90, 60, "stale"),
    ],
    ids=["moved back", "moved there and back", "staged", "staged and moved back"],
)
def test_a_call_that_cloudtrail_has_not_delivered_yet_makes_no_task_fresh(
    calls: tuple[tuple[int, str, str], ...], late: int, seconds: int, answer: str
) -> None:
    """A later one may be there before it: LastChangedDate's own event says nothing of those before."""
    snapshot, labels = healthy(), {CURRENT_STAGE: "a"}
    created = {"a": NOW - timedelta(days=2)}
    written = {2 * 24 * 3600: event("CreateSecret", created["a"], "a")}
    for ago, call, id in calls:
        moment = NOW - timedelta(seconds=ago)
        if call != "move":
            created[id] = moment
        if call == "stage":
            labels[STAGED] = id
        else:
            labels |= {CURRENT_STAGE: id, "AWSPREVIOUS": labels[CURRENT_STAGE]}
        stages = {"put": (), "stage": (STAGED,), "move": (CURRENT_STAGE,)}[call]
        written[ago] = replace(event(CALL if call == "move" else "PutSecretValue", moment, id), stages=stages)
    for id in created:
        snapshot = with_keys(snapshot, id, SECRET_KEY=NEW if id == "b" else OLD)
    stages_of = {id: tuple(label for label, at in labels.items() if at == id) for id in created}
    began = NOW - timedelta(seconds=seconds)
    one = task("worker", created=began, started=began + timedelta(seconds=5))
    assert snapshot.secret
    whole = replace(
        snapshot,
        secret=replace(snapshot.secret, stages=stages_of, changed=NOW - timedelta(seconds=min(written))),
        versions=tuple(Version(id, at, stages_of[id]) for id, at in created.items()),
        tasks=(one,),
        writes=tuple(written.values()),
    )
    assert freshness.of_key(whole, one, "SECRET_KEY") == answer
    delivered = tuple(each for ago, each in written.items() if ago != late)
    assert freshness.of_key(replace(whole, writes=delivered), one, "SECRET_KEY") == "undecidable"


def test_a_version_without_a_call_of_its_own_leaves_no_doubt_after_it() -> None:
    """As a rotation that AWS manages makes it; a tag was edited long since."""
    snapshot = rotated(healthy(), NOW - timedelta(days=5), SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    edited = replace(snapshot, secret=replace(snapshot.secret, changed=NOW - timedelta(days=1)))
    one = task("worker", created=NOW - timedelta(days=4))
    created = event("CreateSecret", snapshot.versions[0].created, PREVIOUS)
    assert freshness.of(replace(edited, tasks=(one,), writes=(created,)), one) == "fresh"


def test_a_return_to_a_version_whose_write_cloudtrail_has_forgotten_leaves_no_doubt() -> None:
    """It keeps 90 days: a version as old as a rotation was the one that tasks got before the next rotation."""
    ages, labels = {"a": 200, "b": 100, "c": 11}, {"b": (CURRENT_STAGE,), "c": ("AWSPREVIOUS",)}
    dates = {id: NOW - timedelta(days=days) for id, days in ages.items()}
    snapshot = healthy()
    for id in ages:
        snapshot = with_keys(snapshot, id, SECRET_KEY=secrets.token_hex(32))
    moved = NOW - timedelta(days=10)
    move = replace(event(CALL, moved, "b"), stages=(CURRENT_STAGE,))
    one = task("worker", created=NOW - timedelta(days=50))
    assert snapshot.secret
    restored = replace(
        snapshot,
        secret=replace(snapshot.secret, stages=labels, changed=moved),
        versions=tuple(Version(id, date, labels.get(id, ())) for id, date in dates.items()),
        tasks=(one,),
        writes=(event("PutSecretValue", dates["c"], "c"), move),
    )
    assert freshness.of_key(restored, one, "SECRET_KEY") == "fresh"
    for days, read in ((150, "a"), (10.5, "c")):
        other = task("worker", created=NOW - timedelta(days=days))
        assert freshness.versions_read(restored, other) == (read,)


@pytest.mark.parametrize("controller", ["ECS", "EXTERNAL"])
@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (f"{ARN}:SECRET_KEY:AWSPREVIOUS:", "undecidable"),
        (f"{ARN}:SECRET_KEY::{PREVIOUS}", "undecidable"),
        (f"{ARN}:OPENAI_API_KEY::", "undecidable"),
        (f"{ARN}:SECRET_KEY:AWSCURRENT:", "fresh"),
        (f"{ARN[:-7]}:SECRET_KEY::", "fresh"),
    ],
)
def test_a_task_of_another_revision_has_what_that_refers_to(controller: str, reference: str, answer: str) -> None:
    """Such as of a task set that is still ACTIVE, or beside a deployment that ended early."""
    snapshot = healthy()
    [old] = snapshot.task_definitions[definition_arn("worker")].containers
    secret = tuple(
        replace(each, reference=parse(reference)) if each.variable == "SECRET_KEY" else each for each in old.secrets
    )
    other = replace(
        snapshot.task_definitions[definition_arn("worker")],
        arn=definition_arn("worker", 6),
        revision=6,
        containers=(replace(old, secrets=secret),),
    )
    deployments = {"deployments": ()} if controller == "EXTERNAL" else {}
    snapshot = with_service(snapshot, "worker", controller=controller, **deployments)
    one = task("worker", created=NOW - timedelta(minutes=30), task_definition_arn=other.arn, deployment_id="ecs-svc/6")
    snapshot = with_tasks(
        replace(snapshot, task_definitions={**snapshot.task_definitions, other.arn: other}),
        one,
    )
    assert freshness.of(snapshot, one) == answer
    unknown = [each for each in run_check(not_forced, snapshot) if each.status == "unknown"]
    assert [each.subject for each in unknown] == ([] if answer == "fresh" else ["worker"])
    assert all("1 running task of worker started from a revision whose" in each.evidence[0] for each in unknown)
    if controller == "ECS":
        [completed] = next(each for each in snapshot.services if each.name == "worker").deployments
        underway = replace(completed, rollout="IN_PROGRESS", created=NOW - timedelta(minutes=1))
        snapshot = with_service(snapshot, "worker", deployments=(underway,))
        assert {each.status for each in run_check(not_forced, snapshot)} == {"clear"}, "it will be replaced"


@pytest.mark.parametrize("has_variable", ["from the secret", "in plain text", "not at all"])
def test_a_task_of_another_revision_may_lack_a_variable(has_variable: str) -> None:
    """It has no value of the secret there, whenever it started; one that is to be replaced is no finding."""
    snapshot = healthy()
    revision = snapshot.task_definitions[definition_arn("worker")]
    [container] = revision.containers
    without = tuple(each for each in container.secrets if each.variable != "SECRET_KEY")
    changes: dict[str, Any] = {} if has_variable == "from the secret" else {"secrets": without}
    if has_variable == "in plain text":
        changes["environment"] = (*container.environment, "SECRET_KEY")
    old = replace(revision, arn=definition_arn("worker", 6), revision=6, containers=(replace(container, **changes),))
    one = task("worker", created=NOW - timedelta(minutes=30), task_definition_arn=old.arn, deployment_id="ecs-svc/6")
    known = {**snapshot.task_definitions, old.arn: old}
    snapshot = with_tasks(replace(snapshot, task_definitions=known), one)
    answer = "fresh" if has_variable == "from the secret" else "undecidable"
    assert freshness.of(snapshot, one) == freshness.of_key(snapshot, one, "SECRET_KEY") == answer
    assert freshness.of_key(snapshot, one, "OPENAI_API_KEY") == "fresh"


def beside_revision(fields: str) -> Snapshot:
    """A world whose worker is to have a new revision, in which SECRET_KEY refers to these fields of the secret."""
    snapshot = own_key()
    old = snapshot.task_definitions[definition_arn("worker")]
    [container] = old.containers
    secrets = tuple(
        replace(each, reference=parse(f"{ARN}:{fields}")) if each.variable == "SECRET_KEY" else each
        for each in container.secrets
    )
    new = replace(old, arn=definition_arn("worker", 8), revision=8, containers=(replace(container, secrets=secrets),))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    return with_service(snapshot, "worker", task_definition_arn=new.arn)


@pytest.mark.parametrize(
    ("fields", "minutes", "answer"),
    [
        ("SECRET_KEYS::", 1, "fresh"),
        ("SECRET_KEYS::", -1, "undecidable"),
        (f"SECRET_KEYS::{PREVIOUS}", 1, "undecidable"),
        ("OPENAI_API_KEY::", 1, "undecidable"),
    ],
)
def test_a_task_is_fresh_beside_a_revision_that_refers_to_no_key(fields: str, minutes: int, answer: str) -> None:
    """No new task would get a value there; one from before SECRET_KEY changed has that key's old value all the same."""
    snapshot = beside_revision(fields)
    one = task("worker", created=LATELY + timedelta(minutes=minutes), task_definition_arn=definition_arn("worker"))
    assert freshness.of(with_tasks(snapshot, one), one) == answer


@pytest.mark.parametrize("key", ["SECRET_KEY", "OPENAI_API_KEY"])
@pytest.mark.parametrize("source", ["AWSPREVIOUS:", f":{PREVIOUS}"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_task_by_awscurrent_is_fresh_beside_a_revision_that_is_pinned(key: str, source: str, is_new: bool) -> None:
    """A deployment of that may be stuck, while the tasks of the one before have the present value."""
    snapshot = beside_revision(f"{key}:{source}")
    one = task(
        "worker", created=LATELY + timedelta(minutes=1 if is_new else -1), task_definition_arn=definition_arn("worker")
    )
    [variable] = [each for each in snapshot.references_of(snapshot.consumers[1]) if each[1].variable == "SECRET_KEY"]
    answer = freshness.of_variable(with_tasks(snapshot, one), one, *variable)
    assert (answer == "fresh") == (is_new and key == "SECRET_KEY")


@pytest.mark.parametrize("service", ["worker", "frontend"])
def test_what_service_connects_proxy_took_grows_old_too(service: str) -> None:
    """It is in no task definition; a service whose proxy alone has the secret is a consumer."""
    proxy = (Injection("logConfiguration splunk-token", parse(f"{ARN}:SPLUNK_TOKEN::")),)
    logging = with_service(with_keys(healthy(), SPLUNK_TOKEN="before"), service, proxy_secrets=proxy)
    assert {freshness.of(logging, task) for task in logging.tasks} == {"fresh"}
    changed = rotated(logging, NOW - timedelta(hours=1), SPLUNK_TOKEN="after")
    stale = [task for task in changed.tasks if freshness.of(changed, task) == "stale"]
    assert {task.service for task in stale} == {service} and service in changed.consumer_names
    assert freshness.changed_keys(changed, stale[0]) == {"SPLUNK_TOKEN"}
