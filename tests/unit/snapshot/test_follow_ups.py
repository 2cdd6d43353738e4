"""What is read after the first look, by clients that answer with nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

from support.faults.content import overwritten
from support.networks import by_endpoint, endpoint_policy
from support.snapshots import healthy

from omc_runbook.snapshot.follow_ups import read_organization, settle
from omc_runbook.snapshot.gatherer import Gatherer


class Trail:
    """CloudTrail without an event."""

    def lookup_events(self, **_: Any) -> dict[str, Any]:
        return {"Events": []}


def test_who_wrote_a_placeholder_is_asked_where_no_task_runs_too() -> None:
    """Without a task, no start shows how far back to look."""
    snapshot = replace(overwritten(healthy()), tasks=(), writes=None)
    clients: Any = Mock(return_value=Trail())
    with ThreadPoolExecutor(1) as pool:
        found = settle(Gatherer(pool, clients, snapshot.environment, snapshot.caller), snapshot)
    assert (found.writes, found.gaps) == ((), {})


class Organizations:
    """An account of an organization, which counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def describe_organization(self) -> dict[str, Any]:
        self.calls += 1
        return {"Organization": {"Id": "o-example", "Arn": "", "MasterAccountId": "210987654321"}}


def test_the_organization_is_read_where_the_policy_of_an_endpoint_depends_on_it() -> None:
    """Once: what the policies of roles had asked for is known when the network is."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-example"}}
    organizations = Organizations()
    clients: Any = Mock(return_value=organizations)
    snapshot = healthy()
    with ThreadPoolExecutor(1) as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        assert read_organization(gatherer, replace(snapshot, network=by_endpoint(policy=endpoint_policy()))) is None
        dependent = replace(snapshot, network=by_endpoint(policy=endpoint_policy(Condition=condition)))
        found = read_organization(gatherer, dependent)
        assert read_organization(gatherer, replace(dependent, organization=found)) == found == "o-example"
    assert organizations.calls == 1
