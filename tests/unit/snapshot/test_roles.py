"""What AWS's simulation is asked of a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from support.snapshots import ACCOUNT, ARN, REGION, ROLE, healthy

from omc_runbook.aws import iam
from omc_runbook.aws.iam import Simulated
from omc_runbook.aws.session import Clients
from omc_runbook.model.arn import region_in
from omc_runbook.snapshot import roles
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

ELSEWHERE = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:other-AbC123"


def _simulate_lock(
    client: Any, role: str, actions: Sequence[str], resources: Sequence[str], context: Mapping[str, str]
) -> tuple[Simulated, ...]:
    """Deny what is not told the region to which its call goes, as an organization's lock to some regions does."""
    return tuple(
        Simulated(
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
    [known] = healthy().permissions.values()
    monkeypatch.setattr(iam, "simulate", _simulate_lock)
    monkeypatch.setattr(iam, "get_role", lambda client, name: known.role)
    monkeypatch.setattr(roles, "read_policies", lambda clients, name: ())
    found = roles.read(Clients(REGION), ROLE, ARN, "", ((GET_SECRET_VALUE, ELSEWHERE),))
    decisions = [found.simulation_of(GET_SECRET_VALUE, each) for each in (ARN, ELSEWHERE)]
    assert [each.decision for each in decisions if each] == ["allowed", "allowed"]
