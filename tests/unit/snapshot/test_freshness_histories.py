"""Whether tasks are up to date, by histories of which it is known which version each task read."""

import json
import secrets
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import (
    NOW,
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
from omc_runbook.snapshot.state import Snapshot

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
        if name == "stage":
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


@pytest.mark.parametrize(
    ("calls", "late", "between", "whole"),
    [
        # The run took its own label away, and CloudTrail has that call before the move.
        (((0, "put", "a"), (900, "stage", "b"), (927, "move", "b"), (928, "drop", "b")), {927}, (910, 912), "stale"),
    ],
    ids=["staged"],
)
def test_a_call_that_came_next_to_the_last_change_does_not_prove_that_the_move_came(
    calls: Sequence[Call], late: Collection[float], between: tuple[float, float], whole: str
) -> None:
    """CloudTrail delivers calls in any order."""
    one = started(*between)
    values, taken = {"a": "x", "b": "y"}, calls[-1][0] + 60
    assert freshness.of_key(history(calls, values, [one], taken, late), one, "SECRET_KEY") == "undecidable"
    assert freshness.of_key(history(calls, values, [one], taken), one, "SECRET_KEY") == whole


def test_a_new_version_of_which_cloudtrail_has_no_call_yet_may_have_been_staged() -> None:
    """A task that started before its move has neither its value nor the present one."""
    calls = ((0, "put", "a"), (5000, "stage", "b"), (5013, "move", "b"), (5014, "drop", "b"), (5015, "put", "c"))
    one = started(5006, 5008)
    snapshot = history(calls, {"a": "x", "b": "y", "c": "y"}, [one], 5040, late={5000, 5013, 5014, 5015})
    assert freshness.of_key(snapshot, one, "SECRET_KEY") == "undecidable"
    later = replace(snapshot, taken=at(9000), writes=history(calls, {"a": "x", "b": "y", "c": "y"}, [one]).writes)
    assert freshness.of_key(later, one, "SECRET_KEY") == "stale"


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
