"""What AWS's simulation is asked of a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from support.snapshots import ACCOUNT, ARN, REGION, ROLE, healthy

from omc_runbook.aws import iam, organizations
from omc_runbook.aws.iam import Simulation
from omc_runbook.aws.organizations import Organization
from omc_runbook.aws.session import Clients
from omc_runbook.model.arn import region_in
from omc_runbook.snapshot import roles
from omc_runbook.snapshot.roles import CHANNELS, GET_SECRET_VALUE

ELSEWHERE = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:other-AbC123"


def _simulate_lock(
    client: Any, role: str, actions: Sequence[str], resources: Sequence[str], context: Mapping[str, str]
) -> tuple[Simulation, ...]:
    """Deny a simulation that lacks the region of its call, as an organization's lock to some regions does."""
    return tuple(
        Simulation(
            action=action,
            resource=resource,
            decision="allowed" if context.get("aws:RequestedRegion") == region_in(resource) else "explicitDeny",
            statements=(),
            allowed_by_organization=None,
            allowed_by_boundary=None,
            missing_context=(),
        )
        for action in actions
        for resource in resources
    )


def test_each_resource_is_simulated_in_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may also read a secret of another region, which the organization leaves open."""
    [permissions] = healthy().permissions.values()
    monkeypatch.setattr(iam, "simulate", _simulate_lock)
    monkeypatch.setattr(iam, "get_role", lambda client, name: permissions.role)
    monkeypatch.setattr(roles, "read_policies", lambda clients, name: ())
    found = roles.read(Clients(REGION), ROLE, ARN, "", ((GET_SECRET_VALUE, ELSEWHERE),))
    decisions = [found.simulation_of(GET_SECRET_VALUE, each) for each in (ARN, ELSEWHERE)]
    assert [each.decision for each in decisions if each] == ["allowed", "allowed"]


HUB = "arn:aws:secretsmanager:us-east-1:210987654321:secret:hub-AbC123"


@pytest.mark.parametrize("is_denied", [True, False])
@pytest.mark.parametrize("organization", ["o-1", ""])
def test_a_denied_simulation_is_told_the_organization(
    organization: str, is_denied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it each resource's own account, and for any the role's; another may be in another organization."""
    contexts: list[tuple[str, dict[str, str]]] = []

    def simulate(client: Any, role: str, actions: Any, resources: Any, context: Any) -> tuple[Simulation, ...]:
        contexts.extend((each, context) for each in resources)
        found = _simulate_lock(client, role, actions, [ARN], {})
        return tuple(replace(each, allowed_by_organization=not is_denied) for each in found)

    [permissions] = healthy().permissions.values()
    monkeypatch.setattr(iam, "simulate", simulate)
    monkeypatch.setattr(iam, "get_role", lambda client, name: permissions.role)
    monkeypatch.setattr(roles, "read_policies", lambda clients, name: ())
    monkeypatch.setattr(organizations, "describe", lambda client: Organization(organization, ""))
    roles.read(Clients(REGION), ROLE, ARN, "", ((GET_SECRET_VALUE, HUB), (CHANNELS[0], "*")))
    own = {"aws:RequestedRegion": REGION, "aws:ResourceAccount": ACCOUNT}
    alone = {
        **dict.fromkeys((ARN, ARN.rpartition("-")[0], "*"), own),
        HUB: {"aws:RequestedRegion": "us-east-1", "aws:ResourceAccount": "210987654321"},
    }
    assert dict(contexts[: len(alone)]) == alone
    principal, resource = {"aws:PrincipalOrgID": organization}, {"aws:ResourceOrgID": organization}
    within = {each: {**context, **principal, **({} if each == HUB else resource)} for each, context in alone.items()}
    assert dict(contexts[len(alone) :]) == (within if is_denied and organization else {})
