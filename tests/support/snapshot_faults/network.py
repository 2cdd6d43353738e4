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
