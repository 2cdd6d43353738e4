"""The checks of the network: each finds its fault, names it once, and is silent where tasks come through."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from support.check_assertions import by_id
from support.faults.network import FAULTS, PULL
from support.faults.other_sources import PARAMETER, refer
from support.networks import (
    ENDPOINT,
    EVERYWHERE,
    IN_PUBLIC,
    NAT,
    OTHER,
    PRIVATE,
    PUBLIC,
    REGION,
    TASKS,
    by_endpoint,
    by_nat,
    endpoint_policy,
    entry,
    rule,
    with_acl,
    with_egress,
    with_endpoint,
    with_ingress,
    with_nat,
    with_routes,
)
from support.snapshots import (
    ROLE,
    by_policies,
    definition_arn,
    healthy,
    policy,
    simulated,
    stuck,
    with_permissions,
    with_proxy,
    with_service,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.ec2 import Network, Route
from omc_runbook.aws.ecs import Placement
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import access, network
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import Finding
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot.state import Snapshot

FAMILY = {check.id for check in checks_of(network)}
NO_WAY = (
    f"{PULL}unable to retrieve secret from asm: There is a connection issue between the task and AWS Secrets Manager."
    " Check your task network configuration. RequestCanceled: caused by: context deadline exceeded"
)
POLICY = f"{PULL}api error AccessDeniedException: because no VPC endpoint policy allows the secretsmanager action"
IN_PRIVATE = Placement((PRIVATE,), (TASKS,))


def placed(network: Network | None, placement: Placement = IN_PRIVATE, **changes: Any) -> Snapshot:
    """The healthy environment, with its tasks in a network."""
    snapshot = with_permissions(healthy(), simulated("allowed"))
    for name in ("backend", "worker"):
        snapshot = with_service(snapshot, name, placement=placement)
    return replace(snapshot, network=network, **changes)


def found(snapshot: Snapshot) -> dict[str, Finding]:
    """What the network's checks found, by id."""
    return {f.check: f for f in diagnose(snapshot) if f.check in FAMILY and f.status == "found"}


def statuses(snapshot: Snapshot) -> set[str]:
    """The statuses that the network's checks have."""
    return {f.status for f in diagnose(snapshot) if f.check in FAMILY}


@pytest.mark.parametrize(
    ("network", "placement"),
    [
        (by_nat(), IN_PRIVATE),
        (by_nat(), Placement((PRIVATE, OTHER), (TASKS,))),
        (by_nat(), Placement((PUBLIC,), IN_PUBLIC.groups, public_ip=True)),
        (by_endpoint(), Placement((PRIVATE, OTHER), (TASKS,))),
        (with_endpoint(by_nat()), IN_PRIVATE),
        (with_endpoint(by_nat(), private_dns=False), IN_PRIVATE),
        (by_endpoint(policy=endpoint_policy()), IN_PRIVATE),
    ],
    ids=["NAT", "two subnets", "public", "endpoint", "both", "unused endpoint", "policy"],
)
def test_a_healthy_network_is_clear(network: Network, placement: Placement) -> None:
    """Every check says so, and nothing is left open."""
    assert statuses(placed(network, placement)) == {"clear"}


@pytest.mark.parametrize("id", FAULTS)
@pytest.mark.parametrize("failing", [False, True], ids=["before tasks fail", "with failing tasks"])
def test_each_fault_is_the_one_root_cause(id: str, failing: bool) -> None:
    """It is found alone, with what it touches and the command with ids filled in; failing tasks are its consequence."""
    network, subject, command = FAULTS[id]
    snapshot = placed(network)
    if failing:
        snapshot = stuck(snapshot, "worker", POLICY if id == "endpoint-policy" else NO_WAY)
    finding = found(snapshot)[id]
    assert [f.check for f in diagnose(snapshot) if f.is_root_cause] == [id]
    assert (finding.subject, finding.severity, finding.services) == (subject, "error", frozenset({"backend", "worker"}))
    assert command in finding.remedy.command and "--region ap-southeast-2" in finding.remedy.command
    assert set(finding.cause_of) == ({"pull-failed", "rollout-stuck"} if failing else set())


def test_what_a_proxy_reads_comes_through_the_same_network() -> None:
    """Service Connect's proxy gets its secret as the task's containers do."""
    snapshot = with_service(placed(by_nat()), "frontend", placement=Placement((PUBLIC,), (TASKS,)))
    assert not found(snapshot)
    assert {f.services for f in found(with_proxy(snapshot, "frontend", "SECRET_KEY")).values()} == {
        frozenset({"frontend"})
    }


def test_the_command_for_an_endpoint_policy_lets_the_role_in() -> None:
    """It stands alone, keeps what the policy allowed before, and mends; a Deny is its author's to remove."""
    network = by_endpoint(policy=endpoint_policy(Action="ssm:*"))
    correct, _, redeploy = found(placed(network))["endpoint-policy"].remedy.command.partition(" && ")
    assert redeploy.startswith("aws ecs update-service")
    *_, option, text, _, region = shlex.split(correct)
    assert (option, region) == ("--policy-document", "ap-southeast-2")
    policy = PolicyDocument("the policy", "resource", json.loads(text))
    assert policy.document["Statement"][0]["Action"] == "ssm:*"
    assert "endpoint-policy" not in found(placed(by_endpoint(policy=policy)))
    second = ROLE.replace("role/", "role/second-")
    definitions = healthy().task_definitions
    worker = replace(definitions[definition_arn("worker")], execution_role_arn=second)
    apart = {"task_definitions": {**definitions, worker.arn: worker}}
    both = {"permissions": {role: simulated("allowed") for role in (ROLE, second)}}
    two = found(placed(network, **apart, **both))["endpoint-policy"].remedy.command
    mended = json.loads(shlex.split(two.partition(" && ")[0])[-3])
    assert mended["Statement"][1]["Principal"] == {"AWS": sorted((ROLE, second))}
    assert two.count("modify-vpc-endpoint") == 1
    denies = found(placed(by_endpoint(policy=endpoint_policy(Effect="Deny"))))["endpoint-policy"].remedy.command
    assert denies.startswith("Remove the deny from the policy of vpce-") and " statement 1: write" in denies
    assert "--policy-document file://policy.json --region ap-southeast-2`." in denies


def test_one_remedy_adds_every_rule_that_is_missing() -> None:
    """An ACL that blocks both the calls and their answers is opened for both, each entry with its own number."""
    closed = with_acl(by_endpoint(), entry(100, True, True, "10.9.0.0/16"))
    blocked = placed(closed, Placement((PRIVATE, OTHER), (TASKS,)))
    [found] = run_check(by_id(checks_of(network))["network-acl"], blocked)
    added = re.compile(r"--rule-number (\d+) .*From=(\d+).* --(egress|ingress)")
    rules = [match.groups() for step in found.remedy.command.split(" && ") if (match := added.search(step))]
    calls, answers = "443", "32768"
    assert rules == [
        *(("99", calls, "egress"), ("99", answers, "ingress")),
        *(("98", calls, "ingress"), ("98", answers, "egress")),
    ]


def test_each_service_without_a_public_address_gets_one() -> None:
    """The remedy of the first service alone leaves the others cut off."""
    [cut_off] = run_check(by_id(checks_of(network))["no-egress"], placed(by_nat(), Placement((PUBLIC,), (TASKS,))))
    steps = cut_off.remedy.command.split(" && ")
    assert [re.findall(r"--service (\w+) .*assignPublicIp=ENABLED", step) for step in steps] == [
        ["backend"],
        ["worker"],
    ]


def test_two_obstacles_are_both_named() -> None:
    """What would still block the call without the first obstacle is named too."""
    assert set(found(placed(with_egress(with_ingress(by_endpoint()))))) == {"sg-egress", "endpoint-sg"}


def test_the_subnet_that_fails_is_named() -> None:
    """Of a service's subnets, only the one without a way is named."""
    network = by_nat()
    lone = replace(
        network,
        route_tables=tuple(
            replace(table, subnets=(PRIVATE,)) if table.id == "rtb-private" else table
            for table in network.route_tables or ()
        ),
    )
    finding = found(placed(lone, Placement((PRIVATE, OTHER), (TASKS,))))["no-egress"]
    text = " ".join(finding.evidence)
    assert finding.subject == "rtb-main" and OTHER in text and f"{PRIVATE}." not in text and f"{PRIVATE}," not in text


def test_the_service_that_fails_is_named() -> None:
    """Of two services in different subnets, the one in the wrong subnet is named."""
    snapshot = with_service(placed(by_nat()), "worker", placement=Placement((PUBLIC,), (TASKS,)))
    finding = found(snapshot)["no-egress"]
    assert (finding.subject, finding.services) == (PUBLIC, frozenset({"worker"}))
    assert "--service worker" in finding.remedy.command and "assignPublicIp=ENABLED" in finding.remedy.command


UNSURE = {
    "transit gateway": with_routes(by_nat(), Route(EVERYWHERE, "tgw-1", "active")),
    "firewall": with_routes(by_nat(), Route(EVERYWHERE, "vpce-9", "active")),
    "private NAT by a transit gateway": with_routes(
        with_nat(by_nat(), public=False), Route(EVERYWHERE, "tgw-1", "active"), table="rtb-public"
    ),
    "a prefix list that nobody may read": with_egress(by_nat(), rule("pl-1")),
    "a condition": by_endpoint(policy=endpoint_policy(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-example"}})),
}


@pytest.mark.parametrize("case", UNSURE)
def test_what_cannot_be_followed(case: str) -> None:
    """Where tasks run that came this way, it does not matter; else it is unknown, and never clear nor found.

    What it may have caused is then no root cause: the unknown check stands beside it.
    """
    snapshot = placed(UNSURE[case])
    assert statuses(snapshot) == {"clear"}
    assert statuses(replace(snapshot, tasks=())) == {"clear", "unknown"}
    findings = diagnose(stuck(snapshot, "worker", NO_WAY))
    unknown = {f.check for f in findings if f.check in FAMILY and f.status == "unknown"}
    (unexplained,) = (f for f in findings if f.is_unexplained)
    assert unexplained.check == "pull-failed" and not unexplained.is_root_cause
    assert unknown and set(unexplained.unread_causes) <= unknown and unexplained.unread_causes


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_task_that_an_endpoints_policy_refused_shows_what_that_decides(effect: str) -> None:
    """Whatever its Condition depends on: AWS has judged it. A Deny that may apply is not outweighed by an Allow."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-example"}}
    [(_, statement)] = endpoint_policy(Effect=effect, Condition=condition).statements
    own = (statement,) if effect == "Allow" else (*(each for _, each in endpoint_policy().statements), statement)
    snapshot = placed(by_endpoint(policy=endpoint_policy().with_statements(own)))
    [other] = (f for f in diagnose(stuck(snapshot, "worker", NO_WAY)) if f.check == "endpoint-policy")
    assert other.status == "unknown"
    findings = diagnose(stuck(snapshot, "worker", POLICY))
    assert [f.check for f in findings if f.is_root_cause] == ["endpoint-policy"]
    [finding] = (f for f in findings if f.check == "endpoint-policy")
    assert finding.services == frozenset({"worker"}) and "aws:PrincipalOrgID" in finding.evidence[0]
    assert finding.remedy.command.startswith("Remove the deny from") == (effect == "Deny")


@pytest.mark.parametrize(("organization", "status"), [("o-example", "clear"), ("", "found"), (None, "unknown")])
def test_the_accounts_organization_decides_an_endpoints_policy(organization: str | None, status: str) -> None:
    """Where it was not read, what is missing is named."""
    gap = ReadFailure("the account's organization", "organizations:DescribeOrganization", "AccessDenied", "denied")
    gaps = {} if organization is not None else {"organization": (gap,)}
    snapshot = replace(placed(UNSURE["a condition"]), tasks=(), organization=organization, gaps=gaps)
    [finding] = (f for f in diagnose(snapshot) if f.check == "endpoint-policy")
    assert finding.status == status
    assert ("organizations:DescribeOrganization" in " ".join(finding.evidence)) == (organization is None)
    refusal = "The policy of vpce-1 statement 1 would allow it, but for its Condition"
    assert (refusal in " ".join(finding.evidence)) == (status == "found")


def test_nothing_in_the_way_of_tasks_that_fail() -> None:
    """Tasks without a connection, and a network that has one: said to be open, with where to look."""
    findings = diagnose(stuck(placed(by_nat()), "worker", NO_WAY))
    doubt = next(f for f in findings if f.check == "no-egress")
    assert doubt.status == "unknown" and "DNS servers and firewalls" in " ".join(doubt.evidence)


def test_a_refusal_is_unknown_and_names_the_permission() -> None:
    """What could not be read is no fault, and makes no check clear."""
    gap = ReadFailure("the tasks' network", "ec2:DescribeRouteTables", "UnauthorizedOperation", "denied")
    snapshot = placed(replace(with_routes(by_nat()), route_tables=None), gaps={"network": (gap,)})
    findings = [f for f in diagnose(snapshot) if f.check in FAMILY]
    assert {f.status for f in findings} == {"unknown"}
    assert all("ec2:DescribeRouteTables" in " ".join(f.evidence) for f in findings)


def test_what_was_read_is_judged_beside_a_refusal() -> None:
    """A fault that shows without the part that was refused is found all the same."""
    gap = ReadFailure("the tasks' network", "ec2:DescribeNetworkAcls", "UnauthorizedOperation", "denied")
    snapshot = placed(replace(with_routes(by_nat()), acls=None), gaps={"network": (gap,)})
    assert set(found(snapshot)) == {"no-egress"}


def test_tasks_without_a_network_interface_of_their_own() -> None:
    """In network mode bridge or host nothing is clear: it is not looked at."""
    assert statuses(placed(by_nat(), Placement())) == {"skipped"}
    mixed = with_service(placed(by_nat()), "worker", placement=Placement())
    assert statuses(mixed) == {"clear"}
    assert "unknown" in statuses(stuck(mixed, "worker", NO_WAY))


@pytest.mark.parametrize(
    "capacity",
    [
        {"launch_type": "EC2"},
        {"launch_type": "EXTERNAL"},
        {"launch_type": "MANAGED_INSTANCES"},
        {"launch_type": "", "capacity_providers": ("instances",)},
    ],
)
def test_an_instance_reads_the_secrets_of_its_tasks(capacity: dict[str, Any]) -> None:
    """Outside Fargate the agent of an instance makes the calls: what surrounds the tasks' interfaces blocks none."""
    closed = placed(replace(by_nat(), groups={TASKS: replace(by_nat().groups[TASKS], egress=())}))
    assert set(found(closed)) == {"sg-egress"}
    worker = with_service(closed, "worker", **capacity)
    assert found(worker)["sg-egress"].services == {"backend"}
    both = with_service(worker, "backend", **capacity)
    assert statuses(both) == {"skipped"}
    for on_fargate in ({"launch_type": "FARGATE"}, {"launch_type": "", "capacity_providers": ("FARGATE_SPOT",)}):
        own = {"capacity_providers": (), **on_fargate}
        assert found(with_service(both, "worker", **own))["sg-egress"].services == {"worker"}


def test_an_instance_that_does_not_reach_the_secret_is_not_advised_to_try_again() -> None:
    """Where nobody reads the way from the instances, the remedy is to look at it, and not a deployment alone."""
    snapshot = with_service(placed(by_nat()), "worker", launch_type="EC2")
    snapshot = stuck(with_service(snapshot, "backend", launch_type="EC2"), "worker", NO_WAY)
    [cause] = [finding for finding in diagnose(snapshot) if finding.check == "pull-failed"]
    assert cause.remedy.command.startswith("Check the way from the tasks' instances to Secrets Manager")
    assert " Run `aws ecs update-service" in cause.remedy.command
    elsewhere = with_service(snapshot, "worker", controller="CODE_DEPLOY")
    [cause] = [finding for finding in diagnose(elsewhere) if finding.check == "pull-failed"]
    assert "DNS. Start new tasks of worker: " in cause.remedy.command


@pytest.mark.parametrize("parameter", [PARAMETER, f"arn:aws:ssm:{REGION}:123456789012:parameter/sender"])
def test_a_parameter_needs_a_way_of_its_own(parameter: str) -> None:
    """Where endpoints alone lead out, one for Secrets Manager does not lead to Parameter Store."""
    closed = refer(placed(replace(by_endpoint(), nat_gateways={})), parameter)
    finding = found(closed)["no-egress"]
    assert finding.services == {"worker"} and f"com.amazonaws.{REGION}.ssm" in " ".join(finding.evidence)
    assert f"--service-name com.amazonaws.{REGION}.ssm " in finding.remedy.command
    with_failures = stuck(closed, "worker", NO_WAY.replace("secret from asm", "secrets from ssm"))
    assert [f.check for f in diagnose(with_failures) if f.is_root_cause] == ["no-egress"]
    own = with_endpoint(by_endpoint(), id="vpce-2", service=f"com.amazonaws.{REGION}.ssm")
    assert statuses(replace(closed, network=own)) == statuses(refer(placed(by_nat()), parameter)) == {"clear"}
    elsewhere = refer(placed(by_endpoint()), "arn:aws:ssm:eu-west-1:123456789012:parameter/sender")
    assert statuses(elsewhere) == {"clear"}
    needed = Injection("logConfiguration token", parse(parameter))
    proxied = with_service(placed(replace(by_endpoint(), nat_gateways={})), "worker", proxy_secrets=(needed,))
    assert f"com.amazonaws.{REGION}.ssm" in " ".join(found(proxied)["no-egress"].evidence)


def test_both_ways_are_made() -> None:
    """Where neither service is reached, the command makes an endpoint for each."""
    command = found(refer(placed(replace(with_routes(by_nat()), nat_gateways={})), PARAMETER))[
        "no-egress"
    ].remedy.command
    lines = command.split(" && ")
    assert len(lines) == len(set(lines)) == 5
    commands = [line for line in lines if "create-vpc-endpoint" in line]
    assert [shlex.split(line)[shlex.split(line).index("--service-name") + 1] for line in commands] == [
        f"com.amazonaws.{REGION}.secretsmanager",
        f"com.amazonaws.{REGION}.ssm",
    ]
    assert all(f"--region {REGION}" in line for line in commands)


def test_tasks_with_ipv6_addresses_alone_come_through() -> None:
    """Their way is not followed; running ones show that it is open, also past a group that names IPv6 alone."""
    network = with_egress(with_routes(by_nat(), Route("::/0", "eigw-1", "active")), rule("::/0"))
    assert network.subnets
    subnets = {**network.subnets, PRIVATE: replace(network.subnets[PRIVATE], cidr="")}
    snapshot = placed(replace(network, subnets=subnets))
    assert statuses(snapshot) == {"clear"}
    assert statuses(replace(snapshot, tasks=())) == {"clear", "unknown"}


def test_nobody_asked() -> None:
    """Without a look at the network its checks are skipped."""
    assert statuses(placed(None)) == {"skipped"}


def test_a_service_that_reads_no_secret_is_nobodys_business() -> None:
    """The frontend may stand where it will."""
    snapshot = with_service(placed(by_nat()), "frontend", placement=Placement(("subnet-none",), ()))
    assert statuses(snapshot) == {"clear"}


def test_a_nat_gateway_that_is_not_ready_is_told_by_its_state() -> None:
    """The fact names the gateway and its state."""
    finding = found(placed(with_nat(by_nat(), state="failed")))["no-egress"]
    assert NAT in finding.evidence[0] and "failed" in finding.evidence[0]


@pytest.mark.parametrize(
    ("network", "is_told"),
    [
        (with_nat(by_nat(), state="deleted"), True),
        (with_routes(by_nat(), Route(EVERYWHERE, NAT, "blackhole")), False),
        (with_routes(replace(by_nat(), nat_gateways={}), Route(EVERYWHERE, NAT, "blackhole")), True),
        (with_routes(replace(by_nat(), nat_gateways={})), False),
    ],
)
def test_of_a_route_that_is_gone_an_endpoint_replaces_a_part_alone(network: Network, is_told: bool) -> None:
    """Another NAT gateway would replace all of it, and where there was no route, nothing else took it."""
    remedy = found(placed(network))["no-egress"].remedy
    assert ("create-vpc-endpoint" in remedy.command) is (is_told or "replace-route" not in remedy.command)
    assert ("such as image pulls and logs, stays cut off" in remedy.needs) is is_told


@pytest.mark.parametrize(
    ("way", "endpoint", "status"),
    [
        (by_endpoint(), ENDPOINT, "clear"),
        (by_endpoint(), "vpce-other", "found"),
        (by_nat(), ENDPOINT, "found"),
        (replace(by_nat(), route_tables=None), ENDPOINT, "unknown"),
        (None, ENDPOINT, "unknown"),
    ],
)
def test_a_role_that_may_read_through_one_endpoint(way: Network | None, endpoint: str, status: str) -> None:
    """A condition on the endpoint is decided by the way of the role's tasks, where that was read."""
    through = policy(Condition={"StringEquals": {"aws:SourceVpce": endpoint}})
    snapshot = with_permissions(placed(way), by_policies(through))
    [answer] = run_check(by_id(checks_of(access))["no-permission"], snapshot)
    assert answer.status == status


@pytest.mark.parametrize("key", ["aws:VpceOrgID", "aws:VpceAccount", "aws:SourceVpcArn"])
@pytest.mark.parametrize(("way", "status"), [(by_nat(), "clear"), (by_endpoint(), "unknown")])
def test_a_deny_of_others_endpoints_leaves_calls_over_the_internet_alone(way: Network, status: str, key: str) -> None:
    """What only an endpoint adds to a call is absent from one through a NAT gateway."""
    foreign = policy("Deny", Condition={"StringNotEqualsIfExists": {key: "ours"}, "Null": {key: "false"}})
    snapshot = with_permissions(placed(way), by_policies(policy(), foreign))
    [answer] = run_check(by_id(checks_of(access))["identity-deny"], snapshot)
    assert answer.status == status
