"""Checks of who called which API: each with usual calls and an unusual one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.check_assertions import assert_clear, by_id
from support.faults.audit_accesses import (
    CALLER,
    FAULTS,
    REPORTS,
    STRANGER,
    USUAL,
    audited,
    call,
    in_production,
)
from support.snapshots import NOW, ROLE, healthy, with_secret

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import audit_accesses
from omc_runbook.checks.audit_accesses import find_unusual, network_of
from omc_runbook.checks.audit_remedies import explain_calls
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.snapshot.audit.state import Audit

CHECKS = by_id(checks_of(audit_accesses))


@pytest.mark.parametrize("id", CHECKS)
def test_usual_calls_in_production_are_clear(id: str) -> None:
    """What the platform and the audit itself do is usual."""
    assert_clear(CHECKS[id], in_production(audited(healthy())))


@pytest.mark.parametrize("id", FAULTS)
def test_an_unusual_call_is_found_as_such_alone(id: str) -> None:
    """Each is found by its own check, and by no other."""
    assert {each.check for each in find_unusual(FAULTS[id].make(healthy()))} == {id}


@pytest.mark.parametrize("id", CHECKS)
def test_without_cloudtrail_nothing_is_clear(id: str) -> None:
    """A refusal leaves each check unknown, with the permission named."""
    refused = ReadFailure("who called it", "cloudtrail:LookupEvents", "AccessDeniedException", "denied")
    [found] = run_check(CHECKS[id], replace(healthy(), audit=Audit(days=90), gaps={"accesses": (refused,)}))
    assert found.status == "unknown" and "cloudtrail:LookupEvents is missing" in found.evidence[0]


@pytest.mark.parametrize("id", CHECKS)
def test_calls_on_a_secret_that_does_not_exist_are_never_clear(id: str) -> None:
    """That nobody called by a wrong name shows nothing; where only DescribeSecret was refused, the calls were read."""
    gone = replace(audited(healthy()), secret=None, contents={}, versions=())
    [found] = run_check(CHECKS[id], gone)
    assert found.status == "skipped" and "was not found" in found.evidence[0]
    refused = ReadFailure("the secret", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    assert_clear(CHECKS[id], replace(gone, gaps={"secret": (refused,)}))


def test_calls_on_a_secret_that_is_gone_may_be_unusual() -> None:
    """Who was refused it again and again is told also where it was deleted since."""
    gone = replace(FAULTS["rising-errors"].make(healthy()), secret=None, contents={}, versions=())
    assert [found.status for found in run_check(CHECKS["rising-errors"], gone)] == ["found"]


def test_the_audits_own_caller_is_no_news() -> None:
    """Who runs the audit may read from anywhere, as often as needed, for the first time."""
    own = [call(0.1 + each / 10_000, CALLER, address="198.51.100.7") for each in range(40)]
    assert find_unusual(audited(healthy(), *own)) == ()


def test_tasks_that_start_are_no_news() -> None:
    """A deployment reads often, by the execution role, from wherever ECS is."""
    starts = [call(0.1 + each / 10_000, ROLE, address=f"198.51.{each}.7") for each in range(60)]
    assert find_unusual(audited(healthy(), *starts)) == ()


def test_a_person_who_uses_a_runbook_is_no_news_in_production() -> None:
    """Its calls name it; the same person by hand is found."""
    by_runbook = call(1, CALLER, user_agent="Boto3/1.40 omc-runbook", from_console=True)
    assert_clear(CHECKS["human-read-production"], in_production(audited(healthy(), by_runbook)))
    by_hand = replace(by_runbook, user_agent="aws-cli/2.15", session=f"{CALLER}/eve@example.com")
    [found] = run_check(CHECKS["human-read-production"], in_production(audited(healthy(), by_hand)))
    assert found.subject == CALLER


def test_without_an_earlier_part_nobody_is_new() -> None:
    """A secret that was first read this week has no habits yet."""
    young = audited(healthy(), call(1, STRANGER))
    assert young.audit.accesses
    recent = tuple(each for each in young.audit.accesses.calls if each.time > NOW - timedelta(days=6))
    young = replace(young, audit=replace(young.audit, accesses=replace(young.audit.accesses, calls=recent)))
    assert_clear(CHECKS["new-reader"], young)


def test_the_first_read_of_an_old_secret_that_nobody_reads_is_news() -> None:
    """Nobody's read in the earlier part of the days is a habit, too."""
    dormant = audited(with_secret(healthy(), created=NOW - timedelta(days=400)), call(1, STRANGER))
    assert dormant.audit.accesses
    alone = tuple(each for each in dormant.audit.accesses.calls if each.principal == STRANGER)
    dormant = replace(dormant, audit=replace(dormant.audit, accesses=replace(dormant.audit.accesses, calls=alone)))
    assert [found.subject for found in run_check(CHECKS["new-reader"], dormant)] == [STRANGER]


def test_what_was_cut_is_not_clear() -> None:
    """Where there are so many calls that the earlier part was not read, what is new is unknown."""
    cut = audited(healthy(), cut={"GetSecretValue": NOW - timedelta(days=2)})
    for id in ("new-reader", "new-address", "read-burst", "rising-errors"):
        [found] = run_check(CHECKS[id], cut)
        assert found.status == "unknown" and "more calls than an audit reads" in found.evidence[0]
    later = audited(healthy(), call(1, STRANGER), cut={"GetSecretValue": NOW - timedelta(days=60)})
    assert [found.subject for found in run_check(CHECKS["new-reader"], later)] == [STRANGER]


def test_a_burst_may_begin_before_the_hour_and_end_after_it() -> None:
    """Twenty reads within an hour, ten of them in each hour of the clock; over two hours they are no burst."""
    full = (NOW - timedelta(days=1)).replace(minute=0)
    days = (NOW - full) / timedelta(days=1)
    near = [call(days + (each - 9.5) / 1_000) for each in range(20)]
    [found] = run_check(CHECKS["read-burst"], audited(healthy(), *near))
    assert found.subject == REPORTS and "20 reads" in found.evidence[0]
    far = [call(days + (each - 9.5) / 240) for each in range(20)]
    assert_clear(CHECKS["read-burst"], audited(healthy(), *far))


def test_of_too_many_calls_nobody_is_accused() -> None:
    """What is usual was not seen: who reads a hundred times an hour may always have done so."""
    often = [call(0.5 + each / 2_400) for each in range(100)]
    refused = [call(1 + each / 10, error="AccessDeniedException") for each in range(6)]
    cut = audited(healthy(), *often, *refused, call(1, STRANGER), cut={"GetSecretValue": NOW - timedelta(days=2)})
    assert {each.check for each in find_unusual(cut)} == set()
    for id in ("new-reader", "new-address", "read-burst", "rising-errors"):
        assert [found.status for found in run_check(CHECKS[id], cut)] == ["unknown"]


def test_too_many_changes_of_other_resources_hide_no_read() -> None:
    """TagResource, which many services have, is looked up by its name; refusals of it are still unknown."""
    cut = audited(healthy(), call(1, STRANGER), cut={"TagResource": NOW - timedelta(days=1)})
    assert [(found.status, found.subject) for found in run_check(CHECKS["new-reader"], cut)] == [("found", STRANGER)]
    for id in ("new-address", "read-burst", "catch-all-batch", "read-from-other-region"):
        assert_clear(CHECKS[id], cut)
    [found] = run_check(CHECKS["rising-errors"], cut)
    assert found.status == "unknown" and "TagResource before 2026-02-28" in found.evidence[0]


def test_errors_that_do_not_rise_are_clear() -> None:
    """As many refusals each week are a habit, if a bad one."""
    often = [call(day, error="AccessDeniedException") for day in range(1, 85)]
    assert_clear(CHECKS["rising-errors"], audited(healthy(), *often))


def test_a_batch_read_that_names_the_secret_is_clear() -> None:
    """By a list, or by a filter of its whole name, alone or among others."""
    named = call(1, name="BatchGetSecretValue")
    filtered = replace(named, filters=(f"name: {healthy().secret_name}",), request_id="other")
    among = replace(named, filters=(f"name: other, {healthy().secret_name}",), request_id="another")
    assert_clear(CHECKS["catch-all-batch"], audited(healthy(), named, filtered, among))
    for each in (f"name: !{healthy().secret_name}", f"description: {healthy().secret_name}"):
        [found] = run_check(CHECKS["catch-all-batch"], audited(healthy(), replace(named, filters=(each,))))
        assert found.status == "found"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("10.0.3.4", "a private network"),
        ("172.20.3.4", "a private network"),
        ("ecs-tasks.amazonaws.com", ""),
        ("AWS Internal", ""),
    ],
)
def test_networks_of_addresses(address: str, network: str) -> None:
    """Neighbours count as one, private ones too, and AWS's own services as none."""
    assert network_of(address) == network


def test_another_address_of_a_known_network_is_no_news() -> None:
    """Addresses change within an office's or a cloud's network."""
    assert USUAL[0].principal == REPORTS
    assert_clear(CHECKS["new-address"], audited(healthy(), call(1, address="203.0.113.99")))
    assert_clear(CHECKS["new-address"], audited(healthy(), call(1, address="secretsmanager.amazonaws.com")))
    for what in ({"name": "PutSecretValue"}, {"error": "AccessDeniedException"}):
        assert_clear(CHECKS["new-address"], audited(healthy(), call(1, address="198.51.100.7", **what)))


@pytest.mark.parametrize(
    ("variables", "entries"), [({}, "[[accepted]] of runbook.toml"), ({"accepted": "OMC_ACCEPTED"}, "OMC_ACCEPTED")]
)
def test_a_good_reason_goes_where_it_counts(variables: dict[str, str], entries: str) -> None:
    """The variable overrides the list of runbook.toml."""
    environment = replace(healthy().environment, variables=variables)
    unusual = Access(name="GetSecretValue", time=NOW, principal=ROLE, kind="role")
    assert f" A good one goes into {entries}; without one, take " in explain_calls(environment, unusual).command_needs


def test_a_root_user_loses_its_way_in_as_no_policy_takes_its_permissions() -> None:
    """Of everybody else the permission is what to take away."""
    by_root = Access(name="GetSecretValue", time=NOW, principal="arn:aws:iam::123456789012:root", kind="root")
    by_role = Access(name="GetSecretValue", time=NOW, principal=ROLE, kind="role")
    environment = healthy().environment
    root, role = (explain_calls(environment, each).command_needs for each in (by_root, by_role))
    assert "without one, change its password, delete its access keys, and run rotate on" in root
    assert "permission" not in root and "without one, take the permission away and run rotate on" in role
