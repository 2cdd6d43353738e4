"""What a subnet's network ACL stops of a call, and the entry that would let it pass."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from omc_runbook.aws.ec2 import Network
from omc_runbook.model.shell import command
from omc_runbook.network import rules
from omc_runbook.network.routes import Obstacle


def stop(
    network: Network, subnet: str, egress: bool, others: tuple[IPv4Network, ...], ports: tuple[int, int]
) -> Iterator[Obstacle]:
    """What a subnet's ACL does not let out to other networks, or in from them; nothing where it lets all pass."""
    acl = next((acl for acl in network.acls or () if subnet in acl.subnets), None)
    if acl is None or not others:
        return
    passing = rules.passes(acl.entries, egress, others, *ports)
    if passing is True:
        return
    entry = rules.decider(acl.entries, egress, others, ports[0])
    by = f"rule {entry.number if entry.number < 32767 else '*'}" if entry else "no rule"
    where = f"{'to' if egress else 'from'} {others[0]}"
    span = str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
    facts = (
        f"DescribeNetworkAcls: {acl.id} of {subnet} does not let {'all of ' if passing is None else ''}TCP {span}"
        f" {'out' if egress else 'in'} {where} ({by} {'decides' if entry else 'allows it'}).",
    )
    number = max(min((e.number for e in acl.entries if e.egress == egress), default=100) - 1, 1)
    allow = command(
        *("aws", "ec2", "create-network-acl-entry", "--network-acl-id", acl.id, "--rule-number", str(number)),
        *("--protocol", "tcp", "--port-range", f"From={ports[0]},To={ports[1]}", "--cidr-block", str(others[0])),
        *("--rule-action", "allow", f"--{'egress' if egress else 'ingress'}"),
    )
    yield Obstacle("network-acl", acl.id, facts, allow, passing is False)
