"""Faults of the family network, each made in a healthy snapshot."""

from __future__ import annotations

from support.networks import (
    ENDPOINT,
    ENDPOINTS,
    OPEN,
    TASKS,
    VPC,
    by_endpoint,
    by_nat,
    endpoint_policy,
    entry,
    with_acl,
    with_egress,
    with_ingress,
    with_routes,
    with_vpc,
)
from support.scene import Shown

from omc_runbook.sandbox.worlds import staging

PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "
FAULTS = {
    "no-egress": (with_routes(by_nat()), "rtb-private", "create-route"),
    "private-dns-off": (by_endpoint(private_dns=False), ENDPOINT, "--private-dns-enabled"),
    "vpc-dns-off": (with_vpc(by_nat(), dns_support=False), VPC, "--enable-dns-support"),
    "sg-egress": (with_egress(by_nat()), TASKS, "authorize-security-group-egress"),
    "endpoint-sg": (with_ingress(by_endpoint()), ENDPOINTS, "authorize-security-group-ingress"),
    "network-acl": (with_acl(by_nat(), *OPEN, entry(9, False, True)), "acl-2", "create-network-acl-entry"),
    "endpoint-policy": (by_endpoint(policy=endpoint_policy(Action="ssm:*")), ENDPOINT, "modify-vpc-endpoint"),
}

SHOWN: Shown = {
    "no-egress": lambda s: not s.endpoints() and "connection issue" in s.reasons(),
    "endpoint-sg": lambda s: (
        not s.group(s.endpoints()[0]["Groups"][0]["GroupId"])["IpPermissions"] and "connection issue" in s.reasons()
    ),
    "private-dns-off": lambda s: not s.endpoints()[0]["PrivateDnsEnabled"] and "connection issue" in s.reasons(),
    "sg-egress": lambda s: (
        not s.group(s.placement()["securityGroups"][0])["IpPermissionsEgress"] and "connection issue" in s.reasons()
    ),
    "network-acl": lambda s: (
        [entry["RuleNumber"] for entry in s.acl()["Entries"] if entry["RuleAction"] == "deny"] == [90]
        and "connection issue" in s.reasons()
    ),
    "endpoint-policy": lambda s: (
        staging.SECRET not in s.endpoints()[0]["PolicyDocument"] and "no VPC endpoint policy allows" in s.reasons()
    ),
    "vpc-dns-off": lambda s: not s.resolves_names() and "connection issue" in s.reasons(),
}
