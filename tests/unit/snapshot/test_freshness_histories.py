"""Whether tasks are up to date, by histories of which it is known which version each task read."""

import json
import random
import secrets
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import (
    ACCOUNT,
    ARN,
    NOW,
    ROLE_NAME,
    event,
    healthy,
    task,
    with_keys,
    with_reference,
)

from omc_runbook.aws.ecs import Task
from omc_runbook.aws.secretsmanager import Version
from omc_runbook.snapshot import follow_ups, freshness
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import Holder, holders
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

CURRENT, PREVIOUS, OWN = "AWSCURRENT", "AWSPREVIOUS", "candidate"
MOVE = "UpdateSecretVersionStage"
BEGAN = NOW - timedelta(days=2)
VALUES = {value: secrets.token_hex(32) for value in "xyz"}

Call = tuple[float, str, str]
"""How many seconds after `BEGAN` a call was made, what it did, and to which version."""


def at(seconds: float) -> datetime:
    """A moment of the history."""
    return BEGAN + timedelta(seconds=seconds)


def labels_after(calls: Sequence[Call], seconds: float = float("inf")) -> dict[str, str]:
    """Which version each label has after the calls up to a moment; AWSPREVIOUS follows AWSCURRENT."""
    labels: dict[str, str] = {}
    for moment, name, id in calls:
        if moment > seconds:
            break
        if name in ("stage", "label"):
            labels[OWN] = id
        elif name == "drop":
            labels.pop(OWN, None)
        elif name in ("put", "move") and labels.get(CURRENT) != id:
            labels |= {CURRENT: id, PREVIOUS: labels[CURRENT]} if CURRENT in labels else {CURRENT: id}
    return labels


def history(
    calls: Sequence[Call],
    values: dict[str, str],
    tasks: Sequence[Task],
    taken: float = 24 * 3600,
    late: Collection[float] = (),
) -> Snapshot:
    """A secret whose SECRET_KEY has these values, with CloudTrail's calls in whole seconds, but for the late ones."""
    snapshot = healthy()
    for id, value in values.items():
        snapshot = with_keys(snapshot, id, SECRET_KEY=VALUES[value])
    labels = labels_after(calls)
    stages = {id: tuple(label for label, which in labels.items() if which == id) for id in values}
    created = {id: at(moment) for moment, name, id in calls if name in ("put", "stage")}
    named = {"put": ("PutSecretValue", ()), "stage": ("PutSecretValue", (OWN,)), "move": (MOVE, (CURRENT,))}
    writes = []
    for moment, name, id in calls:
        if name != "edit" and moment not in late:
            call, labelled = named.get(name, (MOVE, (OWN,)))
            which = "" if name == "drop" else id
            writes.append(replace(event(call, at(moment).replace(microsecond=0), which), stages=labelled))
    assert snapshot.secret
    return replace(
        snapshot,
        taken=at(taken),
        secret=replace(snapshot.secret, created=at(0), changed=at(calls[-1][0]), stages=stages),
        versions=tuple(Version(id, date, stages[id]) for id, date in created.items()),
        tasks=tuple(tasks),
        writes=tuple(reversed(writes)),
        reads=(),
    )


def started(created: float, until: float) -> Task:
    """A task of the worker that started between two moments."""
    return task("worker", created=at(created), started=at(until))


def with_reads(snapshot: Snapshot, one: Task, *seconds: float) -> Snapshot:
    """The snapshot with calls by which a task read the secret."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/{one.id}"
    times = [at(moment).replace(microsecond=0) for moment in seconds]
    return replace(snapshot, reads=tuple(event("GetSecretValue", time, principal=session) for time in times))


@pytest.mark.parametrize(
    ("calls", "late", "between", "whole"),
    [
        # The run took its own label away, and CloudTrail has that call before the move.
        (((0, "put", "a"), (900, "stage", "b"), (927, "move", "b"), (928, "drop", "b")), {927}, (910, 912), "stale"),
        # AWSCURRENT moved back within two seconds of that.
        (
            ((0, "put", "a"), (447, "stage", "b"), (465.3, "move", "b"), (465.9, "drop", "b"), (466.6, "move", "a")),
            {0, 447, 465.3, 466.6},
            (465, 465.7),
            "undecidable",
        ),
    ],
    ids=["staged", "staged and moved back"],
)
def test_a_call_that_came_next_to_the_last_change_does_not_prove_that_the_move_came(
    calls: Sequence[Call], late: Collection[float], between: tuple[float, float], whole: str
) -> None:
    """CloudTrail delivers calls in any order."""
    one = started(*between)
    values, taken = {"a": "x", "b": "y"}, calls[-1][0] + 60
    assert freshness.of_key(history(calls, values, [one], taken, late), one, "SECRET_KEY") == "undecidable"
    assert freshness.of_key(history(calls, values, [one], taken), one, "SECRET_KEY") == whole


@pytest.mark.parametrize(
    ("calls", "values", "between", "answer"),
    [
        # Taken back in the second in which the version came: its labels have moved on since.
        (
            ((0, "put", "a"), (60.3, "put", "b"), (60.9, "move", "a"), (90, "move", "b"), (95, "put", "c")),
            {"a": "x", "b": "y", "c": "x"},
            (70, 71),
            {"fresh", "undecidable"},
        ),
        # Started in the second of the move, before it.
        (
            ((0, "put", "a"), (60, "stage", "b"), (67.6, "move", "b"), (95, "put", "c")),
            {"a": "x", "b": "y", "c": "x"},
            (67.1, 67.5),
            {"fresh", "undecidable"},
        ),
        (
            ((0, "put", "a"), (60, "put", "b"), (70, "move", "a"), (80.6, "move", "b"), (95, "put", "c")),
            {"a": "x", "b": "y", "c": "y"},
            (80.1, 80.5),
            {"stale", "undecidable"},
        ),
        # Two versions came while it started.
        (
            ((0, "put", "a"), (60, "put", "b"), (62, "put", "c"), (95, "put", "d")),
            {"a": "x", "b": "y", "c": "x", "d": "x"},
            (59, 63),
            {"undecidable"},
        ),
    ],
    ids=["taken back", "staged", "moved back", "twice"],
)
def test_a_version_may_have_been_current_for_less_than_a_second(
    calls: Sequence[Call], values: dict[str, str], between: tuple[float, float], answer: set[str]
) -> None:
    """CloudTrail's times have whole seconds: within one, what was current before a move counts too."""
    one = started(*between)
    assert freshness.of_key(history(calls, values, [one]), one, "SECRET_KEY") in answer


@pytest.mark.parametrize("move", [60.8, 61.3])
def test_what_a_task_read_before_a_change_was_taken_back_is_told(move: float) -> None:
    """A move to a version came after that version, also in the same second."""
    calls = ((0, "put", "a"), (60.2, "stage", "b"), (move, "move", "b"), (move + 0.3, "drop", "b"), (90, "move", "a"))
    one, later = started(70, 75), started(95, 99)
    snapshot = history(calls, {"a": "x", "b": "y"}, [one, later])
    assert freshness.versions_read(snapshot, one) == ("b",)
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == "stale"
    assert freshness.of_key(snapshot, later, "SECRET_KEY") == "fresh"


def test_a_version_may_have_been_current_before_the_oldest_move_that_was_looked_up() -> None:
    """An account has so many calls that the limit cut off its first move, and not the call that wrote it."""
    calls = ((0, "put", "a"), (1000, "stage", "b"), (1001.3, "move", "b"), (1002, "drop", "b"), (40000, "stage", "c"))
    calls = (*calls, (40001.2, "move", "c"), (40002, "drop", "c"), (40100, "move", "b"))
    one, early = started(5000, 5010), started(500, 510)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "z"}, [one, early])
    writes = tuple(each for each in snapshot.writes or () if each.name != MOVE or each.time > at(30000))
    cut = replace(snapshot, writes=writes, writes_since=at(30000))
    assert freshness.versions_read(snapshot, one) == ("b",) == freshness.versions_read(cut, one)[:1]
    assert freshness.of_key(cut, one, "SECRET_KEY") != "stale" == freshness.of_key(cut, early, "SECRET_KEY")


def test_a_former_move_does_not_count_beside_the_next_one() -> None:
    """It was in the second in which the version came, which was current before the task was created."""
    calls = ((0, "put", "a"), (50, "put", "b"), (60.1, "move", "a"), (60.7, "put", "c"), (61.2, "move", "b"))
    calls = (*calls, (65, "move", "c"), (90, "put", "d"))
    one = started(62, 63)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "z", "d": "x"}, [one])
    assert freshness.versions_read(snapshot, one) == ("b",)


def test_a_version_that_became_current_again_may_be_what_a_task_read_before_cloudtrail_has_that_move() -> None:
    """The labels show the move."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5000.5, "move", "b"), (5000.8, "drop", "b"), (5090, "move", "a"))
    one = started(5095, 5099)
    snapshot = history(calls, {"a": "x", "b": "y"}, [one], 5150, late={5090})
    assert set(freshness.versions_read(snapshot, one)) == {"a", "b"}
    assert freshness.versions_read(history(calls, {"a": "x", "b": "y"}, [one], 5150), one) == ("a",)


def test_no_move_is_missing_after_two_in_one_second() -> None:
    """Whichever CloudTrail names first, the labels are as after both."""
    calls = ((0, "put", "a"), (50, "put", "b"), (900.2, "move", "a"), (900.4, "move", "b"), (5000, "edit", ""))
    one = started(910, 920)
    snapshot = history(calls, {"a": "x", "b": "y"}, [one])
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == "fresh"
    assert freshness.of_key(replace(snapshot, writes=(snapshot.writes or ())[::-1]), one, "SECRET_KEY") == "fresh"


def test_a_new_version_of_which_cloudtrail_has_no_call_yet_may_have_been_staged() -> None:
    """A task that started before its move has neither its value nor the present one."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5013, "move", "b"), (5014, "drop", "b"), (5015, "put", "c"))
    one = started(5006, 5008)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "y"}, [one], 5040, late={5000, 5013, 5014, 5015})
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == "undecidable"
    later = replace(snapshot, taken=at(9000), writes=history(calls, {"a": "x", "b": "y", "c": "y"}, [one]).writes)
    assert freshness.of_key(later, one, "SECRET_KEY") == "stale"


@pytest.mark.parametrize(("taken", "reads", "answer"), [(300, 1, "undecidable"), (300, 3, "fresh"), (3000, 1, "fresh")])
def test_a_read_that_cloudtrail_has_not_delivered_yet_may_be_an_earlier_one(
    taken: float, reads: int, answer: str
) -> None:
    """ECS reads each variable by itself, all side by side."""
    one = started(55.3, 59)
    snapshot = history(((0, "put", "a"), (56.2, "put", "b")), {"a": "x", "b": "y"}, [one], taken)
    assert freshness.of(with_reads(snapshot, one, *[57] * reads), one) == answer


def test_the_label_of_the_version_before_does_not_move_when_something_else_is_edited() -> None:
    """LastChangedDate is that of the edit."""
    calls = ((0, "put", "a"), (60, "put", "b"), (40000, "edit", ""))
    one = started(5000, 5010)
    snapshot = history(calls, {"a": "x", "b": "y"}, [one])
    assert snapshot.secret
    by_label = with_reference(snapshot, "worker", "SECRET_KEY", f"{snapshot.secret.arn}:SECRET_KEY:{PREVIOUS}:")
    assert freshness.of_key(by_label, one, "SECRET_KEY") == "fresh"
    assert freshness.of_key(replace(by_label, writes=None), one, "SECRET_KEY") == "undecidable"
    early = started(30, 40)
    assert freshness.by_times(by_label, early, PREVIOUS) == "stale"


def test_which_of_two_versions_was_only_staged_is_looked_up() -> None:
    """Two changes that were given up came before the task: neither was current, though the first has no label."""
    calls = ((0, "put", "a"), (100, "stage", "b"), (200, "stage", "c"), (5000, "put", "d"), (6000, "put", "e"))
    one = started(300, 310)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "z", "d": "z", "e": "y"}, [one])
    writes = snapshot.writes or ()

    def lookup(**request: Any) -> dict[str, Any]:
        [attribute] = request["LookupAttributes"]
        found = [each for each in writes if attribute["AttributeValue"] == each.name]
        return {
            "Events": [
                {
                    "EventTime": each.time,
                    "CloudTrailEvent": json.dumps(
                        {
                            "eventName": each.name,
                            "requestParameters": {
                                "secretId": snapshot.secret_name,
                                "clientRequestToken": each.version_id,
                                "versionStages": list(each.stages),
                            },
                        }
                    ),
                }
                for each in found
                if each.time >= request["StartTime"].replace(microsecond=0)
            ]
        }

    clients = Mock()
    clients.return_value.lookup_events.side_effect = lookup
    with ThreadPoolExecutor() as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        found = follow_ups.read_trail(gatherer, replace(snapshot, writes=None, reads=None))
    assert freshness.versions_read(found, one) == ("a",)
    assert freshness.of_key(found, one, "SECRET_KEY") == "stale"


def test_no_version_is_named_of_a_task_that_read_in_the_second_of_a_change() -> None:
    """It may have either; an hour later it is told."""
    calls = ((0, "put", "a"), (60.7, "put", "b"), (5000, "put", "c"))
    values = {"a": "x", "b": "y", "c": "z"}
    for read, version in ((60.2, ""), (70, "b")):
        one = started(59, 72)
        snapshot = with_reads(history(calls, values, [one]), one, read)
        entries = tuple(VersionEntry(version=each, content=None) for each in reversed(snapshot.versions))
        [holder] = [each for each in holders(snapshot, VersionHistory(entries, snapshot.writes)) if each.tasks]
        assert holder == Holder(version, "worker", 1)


def test_no_version_is_named_of_a_task_while_a_move_before_it_may_still_come() -> None:
    """Two changes came within a minute, and CloudTrail has the move of the second alone."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5000.5, "move", "b"), (5060, "stage", "c"), (5060.5, "move", "c"))
    one = started(5010, 5020)
    for late, version in (({5000.5}, ""), (set(), "b")):
        snapshot = history(calls, {"a": "x", "b": "y", "c": "z"}, [one], 5100, late)
        writes = snapshot.writes or ()
        entries = tuple(
            VersionEntry(
                version=each,
                content=None,
                staged=each.id != "a",
                moves=tuple(call for call in writes if call.version_id == each.id and CURRENT in call.stages),
            )
            for each in reversed(snapshot.versions)
        )
        [holder] = [each for each in holders(snapshot, VersionHistory(entries, writes)) if each.tasks]
        assert holder == Holder(version, "worker", 1)


def test_no_version_is_named_of_a_task_that_read_after_one_whose_move_was_cut_off() -> None:
    """An account with many moves: CloudTrail's answer still has how a version was written, and not what moved to it."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5000.5, "move", "b"), (90000, "put", "c"))
    for at_second, promoted, version in ((4000, None, "a"), (6000, None, ""), (6000, False, "a"), (90100, None, "c")):
        one = started(at_second, at_second + 10)
        snapshot = history(calls, {"a": "x", "b": "y", "c": "z"}, [one], 99000, {5000.5})
        entries = tuple(
            VersionEntry(
                version=each, content=None, staged=each.id == "b", promoted=promoted if each.id == "b" else True
            )
            for each in reversed(snapshot.versions)
        )
        [holder] = [each for each in holders(replace(snapshot, writes=None), VersionHistory(entries)) if each.tasks]
        assert holder == Holder(version, "worker", 1)


@pytest.mark.parametrize(
    ("values", "right"),
    [({"a": "x", "b": "x", "c": "z", "d": "x"}, "fresh"), ({"a": "x", "b": "y", "c": "x", "d": "x"}, "stale")],
)
def test_a_change_that_was_taken_back_and_made_again_leaves_open_what_was_read_between(
    values: dict[str, str], right: str
) -> None:
    """AWSPREVIOUS shows that AWSCURRENT moved back, and CloudTrail has not delivered when."""
    calls = ((0, "put", "a"), (1000, "put", "b"), (6000, "stage", "c"), (6000.7, "move", "c"), (6030.4, "move", "b"))
    calls = (*calls, (6080, "stage", "d"), (6080.7, "move", "d"))
    one, former = started(6050, 6055), started(1100, 1110)
    for late, answer in (({6030.4}, "undecidable"), ({6030.4, 6080, 6080.7}, "undecidable"), ((), right)):
        snapshot = history(calls, values, [one, former], 6090, late)
        assert freshness.of_key(snapshot, one, "SECRET_KEY") == answer
        # What is late is not older than CloudTrail's delay.
        assert freshness.versions_read(snapshot, former) == ("b",)


def test_versions_that_may_only_have_been_staged_leave_open_what_was_current() -> None:
    """Three versions within a minute, of which CloudTrail has no call but the last one's."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5020, "stage", "c"), (5060, "stage", "d"), (5060.5, "move", "d"))
    one = started(5030, 5031)
    for late, answer in (({5000, 5020}, "undecidable"), ({5020}, "undecidable"), ((), "fresh")):
        snapshot = history(calls, {"a": "x", "b": "y", "c": "z", "d": "x"}, [one], 5100, late)
        assert freshness.of_key(snapshot, one, "SECRET_KEY") == answer


@pytest.mark.parametrize(
    ("calls", "late", "between", "answer"),
    [
        # The version that has the label had it when the task read it; it was given it again, or got it back.
        (((900, "stage", "b"), (2400, "label", "b")), (), (1000, 1010), "fresh"),
        (((900, "stage", "b"), (2400, "drop", ""), (3400, "label", "b")), (), (1000, 1010), "fresh"),
        (((900, "stage", "b"), (2400, "label", "a"), (3400, "label", "b")), (), (1000, 1010), "fresh"),
        (((900, "stage", "b"), (2400, "label", "a"), (3400, "label", "b")), (), (2500, 2510), "stale"),
        (((900, "stage", "b"), (2400, "label", "a"), (3400, "label", "b")), (), (2395, 2405), "undecidable"),
        # CloudTrail may still deliver that it had it before, or has not delivered that it has it again.
        (((900, "stage", "b"), (905, "label", "b")), {900}, (901, 902), "undecidable"),
        (((900, "stage", "b"), (2400, "stage", "c"), (2401, "label", "b")), {2401}, (2400.4, 2400.6), "undecidable"),
    ],
)
def test_a_task_whose_label_went_and_came_back_has_what_it_had_then(
    calls: Sequence[Call], late: Collection[float], between: tuple[float, float], answer: str
) -> None:
    """A container pinned to a label of somebody's own: the newest call that moved it is not all that counts."""
    one, values = started(*between), {"a": "x", "b": "y", "c": "z"}
    calls = ((0, "put", "a"), (1, "label", "a"), *calls)
    known = {id: values[id] for _, _, id in calls if id}
    snapshot = history(calls, known, [one], calls[-1][0] + 60 if late else 24 * 3600, late)
    snapshot = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:{OWN}:")
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == answer


@pytest.mark.parametrize(("between", "answer"), [((1000, 1010), "undecidable"), ((2500, 2510), "stale")])
def test_a_version_may_have_been_awsprevious_before(between: tuple[float, float], answer: str) -> None:
    """AWSCURRENT moved back and forth, and AWSPREVIOUS with it; what was current was not AWSPREVIOUS."""
    one, values = started(*between), {"a": "x", "b": "y"}
    snapshot = history(((0, "put", "a"), (900, "put", "b"), (2400, "move", "a"), (3400, "move", "b")), values, [one])
    snapshot = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:{PREVIOUS}:")
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == answer


def test_a_version_that_was_current_a_moment_ago_was_not_awsprevious_then() -> None:
    """Its label moves without a call that CloudTrail may still deliver."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5000.5, "move", "b"), (5400, "stage", "c"), (5400.5, "move", "c"))
    one = started(5050, 5060)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "z"}, [one], 5460)
    snapshot = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:{PREVIOUS}:")
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == "stale"


def random_calls(chance: random.Random) -> tuple[tuple[Call, ...], dict[str, str]]:
    """A history of up to eight calls, some within a second of each other, and the versions' values."""
    moment, calls, values = 0.25, [(0.25, "put", "a")], {"a": "x"}
    for id in "bcdef"[: chance.randint(1, 5)]:
        moment += chance.choice([chance.uniform(0.05, 2), chance.uniform(2, 60), chance.uniform(100, 3000)])
        name = chance.choice(["put", "stage", "stage and move", "move back", "edit"])
        if name in ("put", "stage", "stage and move"):
            values[id] = chance.choice("xyz")
            calls.append((moment, name.split()[0], id))
        if name == "stage and move":
            moment += chance.uniform(0.05, 5)
            calls.append((moment, "move", id))
        elif name == "move back":
            calls.append((moment, "move", chance.choice(sorted(values))))
        elif name == "edit":
            calls.append((moment, "edit", ""))
    return tuple(calls), values


@pytest.mark.parametrize("seed", range(8))
def test_by_a_whole_trail_no_task_is_said_to_have_what_it_has_not(seed: int) -> None:
    """Neither "fresh" with a former value, nor "stale" with the present one."""
    chance = random.Random(seed)
    for _ in range(25):
        calls, values = random_calls(chance)
        near = chance.choice(calls)[0] + chance.choice([chance.uniform(-1, 1), chance.uniform(0, 60)])
        created = max(near, 0.3)
        until = created + chance.choice([0.1, 1, 20])
        read = chance.uniform(created, until)
        one = started(created, until)
        snapshot = history(calls, values, [one])
        snapshot = with_reads(snapshot, one, read, read, read) if chance.random() < 0.5 else snapshot
        has_present = values[labels_after(calls, read)[CURRENT]] == values[labels_after(calls)[CURRENT]]
        wrong = "stale" if has_present else "fresh"
        assert freshness.of_key(snapshot, one, "SECRET_KEY") != wrong, (calls, values, created, read, until)
