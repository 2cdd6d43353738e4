"""Network ACLs that block a call, and the entry that would allow it."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.ec2 import AclEntry, Network, NetworkAcl
from omc_runbook.model.shell import command
from omc_runbook.network import rules
from omc_runbook.network.routes import Obstacle

DEFAULT_RULE = 32767
"""The number of the last rule of each ACL, which denies; the console shows it as *."""


def find_blocks(
    network: Network, subnet: str, egress: bool, others: rules.Others, ports: tuple[int, int]
) -> Iterator[Obstacle]:
    """Yield the obstacle if a subnet's ACL denies TCP to (`egress`) or from other networks.

    `ports` are the first and the last port. A denial of a part of them is an obstacle that is not certain.
    """
    acl = next((acl for acl in network.acls or () if subnet in acl.subnets), None)
    if acl is None or not others:
        return
    passing = rules.passes(acl.entries, egress, others, *ports)
    if passing is True:
        return
    entry = rules.deciding_entry(acl.entries, egress, others, ports[0])
    rule = f"rule {entry.number}" if entry and entry.number < DEFAULT_RULE else "rule *"
    where = f"{'to' if egress else 'from'} {others[0]}"
    span = "-".join(map(str, dict.fromkeys(ports)))
    what = f"TCP {span}" if passing is False else f"all of TCP {span}"
    direction, by = "out" if egress else "in", f"{rule} decides" if entry else "no rule allows it"
    is_ipv6 = others == rules.OVER_IPV6
    refuses = f"lets no {what} {direction} over IPv6" if is_ipv6 else f"does not let {what} {direction} {where} ({by})"
    fact = f"DescribeNetworkAcls: {acl.id} of {subnet} {refuses}."
    allow = _allow(acl, egress, ports, ("--ipv6-cidr-block" if is_ipv6 else "--cidr-block", str(others[0])), entry)
    yield Obstacle(check="network-acl", subject=acl.id, facts=(fact,), command=allow, certain=passing is False)


def find_ipv6_blocks(network: Network, subnet: str) -> Iterator[Obstacle]:
    """Yield the obstacle if a subnet's ACL lets no call over IPv6 to port 443 out, or no answer in."""
    for egress, ports in ((True, (rules.HTTPS, rules.HTTPS)), (False, rules.LINUX_PORTS)):
        blocks = find_blocks(network, subnet, egress, rules.OVER_IPV6, ports)
        yield from (block for block in blocks if block.certain)


def _allow(
    acl: NetworkAcl, egress: bool, ports: tuple[int, int], block: tuple[str, str], deciding: AclEntry | None
) -> str:
    """The command that lets TCP to or from a block of addresses pass, before the entry that decides now."""
    numbers = {entry.number for entry in acl.entries if entry.egress == egress}
    number = next(n for n in range(max(min(numbers, default=100) - 1, 1), DEFAULT_RULE) if n not in numbers)
    verb = "create"
    # Where no number before the rule that denies is free, it has to give way.
    if deciding and not deciding.allow and deciding.number < number:
        verb, number = "replace", deciding.number
    return command(
        *("aws", "ec2", f"{verb}-network-acl-entry", "--network-acl-id", acl.id, "--rule-number", str(number)),
        *("--protocol", "tcp", "--port-range", f"From={ports[0]},To={ports[1]}", *block),
        *("--rule-action", "allow", f"--{'egress' if egress else 'ingress'}"),
    )
