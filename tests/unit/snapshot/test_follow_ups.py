"""What is read after the first look, by clients that answer with nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from support.faults.content import overwritten
from support.networks import by_endpoint, endpoint_policy
from support.snapshots import healthy

from omc_runbook.snapshot import networking
from omc_runbook.snapshot.deep_read import look_deeper
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


class Denied:
    """Another service, of which nothing may be read."""

    def __getattr__(self, name: str) -> Any:
        return Mock(side_effect=ClientError({"Error": {"Code": "AccessDeniedException"}}, name))


def test_the_organization_is_read_where_the_policy_of_an_endpoint_depends_on_it() -> None:
    """Once: what the policies of roles had asked for is known when the network is."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-example"}}
    organizations = Organizations()
    clients: Any = Mock(return_value=organizations)
    snapshot = healthy()
    with ThreadPoolExecutor(1) as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        assert read_organization(gatherer, replace(snapshot, network=by_endpoint(policy=endpoint_policy()))) is None
        by_s3 = by_endpoint(policy=endpoint_policy(Condition=condition), service="com.amazonaws.ap-southeast-2.s3")
        assert read_organization(gatherer, replace(snapshot, network=by_s3)) is None, "nothing judges that policy"
        dependent = replace(snapshot, network=by_endpoint(policy=endpoint_policy(Condition=condition)))
        found = read_organization(gatherer, dependent)
        assert read_organization(gatherer, replace(dependent, organization=found)) == found == "o-example"
    assert organizations.calls == 1


def test_the_organization_is_read_after_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deep read alone has the policies of endpoints where no task fails."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-example"}}
    network = by_endpoint(policy=endpoint_policy(Condition=condition))
    monkeypatch.setattr(networking, "read", lambda *_: network)
    clients: Any = Mock(side_effect=lambda service: Organizations() if service == "organizations" else Denied())
    snapshot = healthy()
    with ThreadPoolExecutor(1) as pool:
        found = look_deeper(Gatherer(pool, clients, snapshot.environment, snapshot.caller), snapshot)
    assert (found.network, found.organization) == (network, "o-example")
