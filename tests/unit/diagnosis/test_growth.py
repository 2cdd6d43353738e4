"""What a large environment costs: for three times as many services, tasks and versions about three times the calls."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from support.call_counts import count_calls
from support.large_world import large, with_reads
from support.snapshots import KEYS, NOW, healthy, looked, rotated, values, with_container, with_values

from omc_runbook.aws.definitions import Injection
from omc_runbook.checks.key_demand import missing_keys
from omc_runbook.diagnosis import injection_matrix, root_causes
from omc_runbook.masking.relations import find_exchanges
from omc_runbook.model import value_from
from omc_runbook.model.findings import Finding
from omc_runbook.report.timeline import Timeline
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

SERVICES = 10
LOWER_CASE = {key.lower(): value for key, value in values().items()}


def changed(snapshot: Snapshot) -> Snapshot:
    """Every task has an older value of a key."""
    return rotated(snapshot, NOW - timedelta(days=1), SECRET_KEY=secrets.token_hex(32))


def changed_by_trail(snapshot: Snapshot) -> Snapshot:
    """The same, and CloudTrail has all calls."""
    return with_reads(changed(snapshot))


@pytest.mark.parametrize("world", [changed, changed_by_trail, looked])
@pytest.mark.long
def test_a_large_environment_takes_as_many_calls_a_service_as_a_small_one(
    world: Callable[[Snapshot], Snapshot],
) -> None:
    """Each task's reads, values and versions are found without going through all others', and each once."""
    small, large_one = (count_calls(partial(_judge, world(large(services)))) for services in (SERVICES, 3 * SERVICES))
    assert large_one < 3.3 * small


def test_a_missing_key_is_compared_once_however_many_services_refer_to_it() -> None:
    """Each further service takes a few calls for each of its references, and none for each key of the secret."""
    small, large_one = (with_values(large(services), LOWER_CASE) for services in (SERVICES, 2 * SERVICES))
    further = count_calls(partial(missing_keys, large_one)) - count_calls(partial(missing_keys, small))
    assert set(missing_keys(large_one)) == {*KEYS}
    assert further < 100 * SERVICES * len(KEYS)


@pytest.mark.parametrize("spelling", ["{}_STAGING", "app-{}"])
def test_keys_that_are_missing_are_looked_up_among_those_that_the_secret_has(spelling: str) -> None:
    """With three times as many keys, each that is missing takes as many calls, and the one that is meant is found."""
    small, large_one = (_with_settings(keys, spelling) for keys in (50, 150))
    few = count_calls(partial(missing_keys, small))
    assert count_calls(partial(missing_keys, large_one)) < 3.3 * few
    assert missing_keys(large_one)["0_SETTING"] == spelling.format("0_SETTING")


@pytest.mark.long
def test_each_reference_of_a_task_definition_is_looked_at_by_itself() -> None:
    """Three times as many variables of a container take three times as many calls."""
    small, large_one = (_with_settings(keys, "{}") for keys in (100, 300))
    assert count_calls(partial(_judge, large_one)) < 3.3 * count_calls(partial(_judge, small))


def test_a_task_of_another_revision_is_compared_with_the_one_in_force_variable_by_variable() -> None:
    """While a roll-out goes on, three times as many variables of a container take three times as many calls."""
    small, large_one = (_on_another_revision(_with_settings(keys, "{}")) for keys in (50, 150))
    few = count_calls(partial(_fresh_tasks, small))
    assert count_calls(partial(_fresh_tasks, large_one)) < 3.3 * few
    assert _fresh_tasks(large_one) == 4


@pytest.mark.long
def test_a_finding_is_compared_with_no_other_to_say_what_comes_first() -> None:
    """With three times as many faults no more findings are compared as a whole."""
    few, many = (_count_comparisons(_with_settings(keys, "x{}x-y")) for keys in (20, 60))
    assert many == few


def test_a_consequence_is_compared_with_those_findings_alone_that_may_explain_it() -> None:
    """Three times as many keys, each with a fault and its consequence, take about three times as many calls."""
    small, large_one = (
        [
            Finding(check=check, family=family, title="", status="found", subject=f"{number}_KEY")
            for check, family in (("terraform-overwrote", "content"), ("placeholder", "content"))
            for number in range(keys)
        ]
        for keys in (20, 60)
    )
    assert all(finding.because_of for finding in root_causes.relate(large_one) if finding.check == "placeholder")
    assert count_calls(partial(root_causes.relate, large_one)) < 3.3 * count_calls(partial(root_causes.relate, small))


def test_a_key_that_nothing_is_known_of_is_compared_with_those_alone_of_which_something_is() -> None:
    """A secret of a thousand keys is judged as quickly, key by key, as one of a few."""
    keys = healthy().environment.keys
    small, large_one = (
        with_values(healthy(), {**values(), **{f"SETTING_{each}": f"plain {each}" for each in range(number)}}).document
        for number in (200, 600)
    )
    assert small and large_one and not find_exchanges(large_one, keys)
    assert count_calls(partial(find_exchanges, large_one, keys)) < 4 * count_calls(partial(find_exchanges, small, keys))


def _count_comparisons(snapshot: Snapshot) -> int:
    """How many objects a diagnosis compares field by field."""
    findings: list[Finding] = []
    count = count_calls(lambda: findings.extend(root_causes.diagnose(snapshot)), "__eq__")
    assert any(finding.is_problem for finding in findings)
    return count


def _with_settings(keys: int, spelling: str) -> Snapshot:
    """So many further keys to which a service refers, which are spelled otherwise in the secret."""
    names = [f"{number}_SETTING" for number in range(keys)]
    more = tuple(Injection(name, value_from.parse(f"{healthy().secret_arn}:{name}::")) for name in names)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, *more)))
    return with_values(snapshot, {**values(), **{spelling.format(name): f"plain {name}" for name in names}})


def _on_another_revision(snapshot: Snapshot) -> Snapshot:
    """Its tasks run other revisions than their services, with the same variables."""
    others = {
        arn: replace(definition, arn=f"{arn}0", revision=definition.revision * 10)
        for arn, definition in snapshot.task_definitions.items()
    }
    return replace(
        snapshot,
        task_definitions={**snapshot.task_definitions, **{each.arn: each for each in others.values()}},
        tasks=tuple(replace(each, task_definition_arn=others[each.task_definition_arn].arn) for each in snapshot.tasks),
    )


def _fresh_tasks(snapshot: Snapshot) -> int:
    return sum(freshness.of(snapshot, task) == "fresh" for task in snapshot.tasks)


def _judge(snapshot: Snapshot) -> None:
    root_causes.diagnose(snapshot)
    tuple(injection_matrix.rows(snapshot))
    Timeline(snapshot).to_text()
