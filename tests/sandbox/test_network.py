"""Tasks in the sandbox fail or start by the network that EC2 describes, and the diagnosis finds why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.runs import client, deny, sign_in

from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRETS_POLICY, World
from omc_runbook.sandbox.worlds.vpcs import PrivateNetwork, make_private

NETWORK = {"no-egress", "private-dns-off", "vpc-dns-off", "sg-egress", "endpoint-sg", "network-acl", "endpoint-policy"}


class Stand:
    """A sandbox's world, the network in which the worker runs, and the diagnosis of it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.world = sandbox, World(sandbox.endpoint)
        self.ec2 = client(sandbox, "ec2")

    def private(self) -> PrivateNetwork:
        """A network with an endpoint, in which all is well."""
        return make_private(self.ec2)

    def move(self, subnet: str, group: str, public: str = "DISABLED") -> None:
        """Deploy the worker there, and wait for what comes of it."""
        configuration = {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": public}
        self.world.ecs.update_service(
            cluster=CLUSTER, service="worker", networkConfiguration={"awsvpcConfiguration": configuration}
        )
        self.world.settle()

    def rollout(self) -> str:
        """The state of the worker's deployment."""
        service = self.world.ecs.describe_services(cluster=CLUSTER, services=["worker"])["services"][0]
        return str(service["deployments"][0]["rolloutState"])

    def findings(self, deeply: bool = False) -> tuple[Finding, ...]:
        """What the functions of the verify runbook find."""
        run = runbooks_run.begin("verify", "staging")
        return tuple(runbooks_run.diagnose(run.look(deeply=deeply)))

    def calls(self) -> int:
        """How often EC2 was called."""
        counts = lifecycle.ask(self.sandbox, "GET", "calls")["calls"]
        return sum(count for name, count in counts.items() if name.startswith("ec2:"))


@pytest.fixture
def stand(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The module's sandbox and its world; this process is signed in."""
    sign_in(sandbox, monkeypatch)
    return Stand(sandbox)


@pytest.fixture
def mended(sandbox: Sandbox) -> Iterator[None]:
    """Have the healthy world back afterwards."""
    yield
    faults.mend(sandbox.endpoint)


def causes(findings: tuple[Finding, ...]) -> list[str]:
    """The checks that are called a root cause."""
    return list(dict.fromkeys(finding.check for finding in findings if finding.is_root_cause))


def network(findings: tuple[Finding, ...]) -> dict[str, str]:
    """The status of each check of the network."""
    return {finding.check: finding.status for finding in findings if finding.check in NETWORK}


def test_a_healthy_world_and_who_may_not_look(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify asks EC2 nothing; the deeper look is all clear; without a permission it is unknown, which is named."""
    before = stand.calls()
    assert set(network(stand.findings()).values()) == {"skipped"} and stand.calls() == before
    assert network(stand.findings(deeply=True)) == dict.fromkeys(NETWORK, "clear")
    deny(stand.sandbox, monkeypatch, "ec2:DescribeRouteTables")
    refused = stand.findings(deeply=True)
    assert network(refused) == dict.fromkeys(NETWORK, "unknown") and not causes(refused)
    texts = [" ".join(finding.evidence) for finding in refused if finding.check in NETWORK]
    assert all("ec2:DescribeRouteTables" in text for text in texts)


@pytest.mark.usefixtures("mended")
def test_two_networks_that_work(stand: Stand) -> None:
    """The worker behind an endpoint, and the backend with a public address: nothing is wrong."""
    private = stand.private()
    stand.move(private.tasks_subnet, private.tasks_group)
    assert stand.rollout() == "COMPLETED"
    findings = stand.findings(deeply=True)
    assert causes(findings) == [] and network(findings) == dict.fromkeys(NETWORK, "clear")


@pytest.mark.usefixtures("mended")
def test_two_obstacles_and_the_commands_by_hand(stand: Stand) -> None:
    """Both shut groups are named while tasks fail, and what the remedies say lets the tasks through."""
    private = stand.private()
    for verb, group, rules in (
        (stand.ec2.revoke_security_group_ingress, private.endpoint_group, "IpPermissions"),
        (stand.ec2.revoke_security_group_egress, private.tasks_group, "IpPermissionsEgress"),
    ):
        present = stand.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][rules]
        verb(GroupId=group, IpPermissions=present)
    stand.move(private.tasks_subnet, private.tasks_group)
    assert sorted(causes(stand.findings())) == ["endpoint-sg", "sg-egress"]
    https: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    peers = {"UserIdGroupPairs": [{"GroupId": private.endpoint_group}]}
    stand.ec2.authorize_security_group_egress(GroupId=private.tasks_group, IpPermissions=[https | peers])
    assert causes(stand.findings()) == ["endpoint-sg"]
    peers = {"UserIdGroupPairs": [{"GroupId": private.tasks_group}]}
    stand.ec2.authorize_security_group_ingress(GroupId=private.endpoint_group, IpPermissions=[https | peers])
    stand.world.wait(lambda: stand.rollout() == "COMPLETED", "the worker came through")
    assert causes(stand.findings(deeply=True)) == []


@pytest.mark.usefixtures("mended")
def test_a_public_subnet_without_a_public_address(stand: Stand) -> None:
    """Tasks that leave by an internet gateway need an address of their own; the default VPC leads to one."""
    private = stand.ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]
    group = stand.ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [private["VpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    stand.move(private["SubnetId"], group)
    cause = next(finding for finding in stand.findings() if finding.is_root_cause)
    assert (cause.check, cause.subject) == ("no-egress", private["SubnetId"])
    assert "assignPublicIp=ENABLED" in cause.remedy.command
    stand.move(private["SubnetId"], group, public="ENABLED")
    assert stand.rollout() == "COMPLETED" and causes(stand.findings(deeply=True)) == []


@pytest.mark.usefixtures("mended")
def test_a_vpc_without_host_names(stand: Stand) -> None:
    """The endpoint's private name is not resolved there: tasks fail to start, and the attribute is named."""
    private = stand.private()
    stand.ec2.modify_vpc_attribute(VpcId=private.vpc, EnableDnsHostnames={"Value": False})
    stand.move(private.tasks_subnet, private.tasks_group)
    cause = next(finding for finding in stand.findings() if finding.is_root_cause)
    assert (cause.check, cause.subject) == ("private-dns-off", private.endpoint)
    assert "--enable-dns-hostnames" in cause.remedy.command
    assert causes(stand.findings()) == ["private-dns-off"]


@pytest.mark.usefixtures("mended")
def test_no_permission_to_look_why_tasks_fail(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tasks have no connection and EC2 may not be called, the checks are unknown and name the permission."""
    faults.break_(stand.sandbox.endpoint, "no-egress")
    deny(stand.sandbox, monkeypatch, "ec2:*")
    findings = stand.findings()
    (unexplained,) = (f for f in findings if f.is_unexplained)
    assert unexplained.check == "pull-failed" and {*unexplained.unread_causes} <= {*NETWORK}
    assert unexplained.unread_causes and causes(findings) == []
    assert network(findings) == dict.fromkeys(NETWORK, "unknown")
    assert all("ec2:DescribeSubnets" in " ".join(f.evidence) for f in findings if f.check in NETWORK)


def test_a_policy_that_wants_an_endpoint(stand: Stand) -> None:
    """A role that may read through one endpoint alone reads there, and in another network it does not."""
    net = stand.private()
    through = {"StringEquals": {"aws:SourceVpce": net.endpoint, "aws:SourceVpc": net.vpc}}
    document = json.dumps(policy("secretsmanager:GetSecretValue", Resource="*", Condition=through))
    stand.world.iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY, PolicyDocument=document)
    stand.move(net.tasks_subnet, net.tasks_group)
    assert stand.rollout() == "COMPLETED"
    public = stand.world.ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    configuration = public["networkConfiguration"]["awsvpcConfiguration"]
    stand.move(configuration["subnets"][0], configuration["securityGroups"][0], "ENABLED")
    assert stand.rollout() == "IN_PROGRESS"
    assert "no-permission" in causes(stand.findings(deeply=True))
