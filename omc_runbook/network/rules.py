"""What security groups and network ACLs let through: yes, no, or None where a part of it passes.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError, collapse_addresses
from itertools import pairwise

from omc_runbook.aws.ec2 import AclEntry, Rule

HTTPS = 443
LINUX_PORTS = (32768, 60999)
"""From where a Linux task calls, and so whither answers come."""
NAT_PORTS = (1024, 65535)
"""From where a NAT gateway calls."""

INTERNET = (IPv4Network("0.0.0.0/0"),)
"""Where AWS's public addresses are: somewhere."""
_PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")
)
_TCP = ("-1", "6", "tcp")
_NARROW = 8
"""From which prefix length on a part of the internet is taken not to be where AWS answers."""
_NEARLY_ALL = 0.99
"""Of a range of ports: a few that are closed are hardly ever the one that a task calls from."""


def network_of(cidr: str) -> IPv4Network | None:
    """A CIDR as an IPv4 network; None for anything else."""
    try:
        return IPv4Network(cidr, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def is_private(network: IPv4Network) -> bool:
    """Whether no address of it can be reached over the internet."""
    return any(network.subnet_of(private) for private in _PRIVATE)


def allows(
    rules: Iterable[Rule], others: Sequence[IPv4Network], groups: frozenset[str], lists: Mapping[str, Sequence[str]]
) -> bool | None:
    """Whether rules let TCP 443 through between a security group's members and others.

    `others` are networks, whose members are in `groups`; `lists` has the CIDRs of prefix lists, by id.
    """
    peers = https_peers(rules)
    if groups.intersection(peers):
        return True
    texts = [text for peer in peers for text in lists.get(peer, (peer,))]
    found = [network for text in texts if (network := network_of(text)) is not None]
    if others == INTERNET:
        found = [network for network in found if not is_private(network)]
    merged = list(collapse_addresses(found))
    if INTERNET[0] in merged or (others and all(any(o.subnet_of(n) for n in merged) for o in others)):
        return True
    unread = any(peer.startswith("pl-") and peer not in lists for peer in peers)
    return None if unread or not others or any(o.overlaps(n) for o in others for n in merged) else False


def https_peers(rules: Iterable[Rule]) -> tuple[str, ...]:
    """With whom rules let TCP 443 pass: CIDRs, security groups, prefix lists."""
    return tuple(peer for rule in rules if _spans(rule, HTTPS, HTTPS) for peer in rule.peers)


def passes(
    entries: Sequence[AclEntry], egress: bool, others: Sequence[IPv4Network], first: int, last: int
) -> bool | None:
    """Whether a network ACL lets TCP of some ports pass, out to others or in from them."""
    wanted = [entry for entry in entries if entry.egress == egress and entry.protocol in _TCP]
    edges = {port for entry in wanted for port in (entry.first or 0, (entry.last or 65535) + 1)}
    cuts = sorted({first, last + 1} | {edge for edge in edges if first < edge <= last})
    sizes: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for begin, end in pairwise(cuts):
        sizes[_decide(wanted, others, begin)] += end - begin
    if sizes[True] >= _NEARLY_ALL * (last + 1 - first):
        return True
    return None if sizes[True] or sizes[None] else False


def decider(entries: Sequence[AclEntry], egress: bool, others: Sequence[IPv4Network], port: int) -> AclEntry | None:
    """The entry that decides for a port; None where none matches, which is as good as a denial."""
    wanted = (entry for entry in entries if entry.egress == egress and entry.protocol in _TCP)
    return next((entry for entry in wanted if _spans(entry, port, port) and _matches(entry, others)), None)


def _decide(entries: Iterable[AclEntry], others: Sequence[IPv4Network], port: int) -> bool | None:
    partly = set()
    for entry in entries:
        matches = _matches(entry, others) if _spans(entry, port, port) else False
        if matches:
            return None if (not entry.allow) in partly else entry.allow
        if matches is None:
            partly.add(entry.allow)
    return None if True in partly else False


def _matches(entry: AclEntry, others: Sequence[IPv4Network]) -> bool | None:
    network = network_of(entry.cidr)
    if network is None:
        return False
    if others == INTERNET:
        if is_private(network) or (not entry.allow and network.prefixlen >= _NARROW):
            return False
        return network == INTERNET[0] or None
    if all(other.subnet_of(network) for other in others):
        return True
    return None if any(other.overlaps(network) for other in others) else False


def _spans(rule: Rule | AclEntry, first: int, last: int) -> bool:
    if rule.protocol == "-1":
        return True
    # Without ports a rule holds for all of them, and so does the pair (-1, -1) that some tools write.
    low, high = rule.first, rule.last
    if rule.protocol not in _TCP:
        return False
    return low is None or high is None or low == high == -1 or (low <= first and last <= high)
