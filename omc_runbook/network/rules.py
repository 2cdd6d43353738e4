"""What security groups and network ACLs allow: True, False, or None where they allow a part of it.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import pairwise

from omc_runbook.aws.ec2 import AclEntry, Rule

HTTPS = 443
LINUX_PORTS = (32768, 60999)
"""The ephemeral ports that a Linux task calls from, and so that answers return to."""
NAT_PORTS = (1024, 65535)
"""The ports that a NAT gateway calls from."""

INTERNET = (IPv4Network("0.0.0.0/0"),)
"""AWS's public addresses are somewhere in it."""
OVER_IPV6 = (IPv6Network("::/0"),)
"""The same of IPv6, of which only all addresses together are judged."""
Others = Sequence[IPv4Network] | Sequence[IPv6Network]
_PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")
)
_TCP = ("6", "tcp")
_NARROW = 8
"""The shortest prefix of a public network that is taken not to cover AWS's addresses."""
_NETWORKS = 4096
"""How many networks are remembered: the same few are compared for each task and each service of AWS."""
_NEARLY_ALL = 0.99
"""The share of a port range that counts as all of it: a task hardly ever calls from one of the rest."""


@lru_cache(_NETWORKS)
def network_of(cidr: str) -> IPv4Network | None:
    """A CIDR as an IPv4 network; None for anything else."""
    try:
        return IPv4Network(cidr, strict=False)
    except ValueError:
        return None


@lru_cache(_NETWORKS)
def is_private(network: IPv4Network) -> bool:
    """Whether a network is not routed over the internet."""
    return any(network.subnet_of(private) for private in _PRIVATE)


def allows(
    rules: Iterable[Rule], others: Sequence[IPv4Network], groups: frozenset[str], lists: Mapping[str, Sequence[str]]
) -> bool | None:
    """Whether security group rules allow TCP 443 to or from other networks.

    `others` are those networks, `groups` the ids of the security groups of their members, and `lists` the CIDRs of
    prefix lists by id. None if the rules allow a part of them, or have an unknown prefix list.
    """
    peers = https_peers(rules)
    if groups.intersection(peers):
        return True
    texts = [text for peer in peers for text in lists.get(peer, (peer,))]
    networks = [network for text in texts if (network := network_of(text)) is not None]
    if others == INTERNET:
        networks = [network for network in networks if not is_private(network)]
    merged = list(collapse_addresses(networks))
    if INTERNET[0] in merged or (others and all(any(o.subnet_of(n) for n in merged) for o in others)):
        return True
    incomplete = any(peer.startswith("pl-") and peer not in lists for peer in peers)
    return None if incomplete or not others or any(o.overlaps(n) for o in others for n in merged) else False


def https_peers(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The peers with which rules allow TCP 443: CIDRs, security group ids, prefix list ids."""
    return tuple(peer for rule in rules if _spans(rule, HTTPS) for peer in rule.peers)


def passes(entries: Sequence[AclEntry], egress: bool, others: Others, first: int, last: int) -> bool | None:
    """Whether a network ACL allows TCP on the ports `first` to `last`, out to (`egress`) or in from other networks."""
    matching_entries = [entry for entry in entries if entry.egress == egress]
    edges = {port for entry in matching_entries for port in (entry.first or 0, (entry.last or 65535) + 1)}
    cuts = sorted({first, last + 1} | {edge for edge in edges if first < edge <= last})
    sizes: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for begin, end in pairwise(cuts):
        sizes[_decide(matching_entries, others, begin)] += end - begin
    if sizes[True] >= _NEARLY_ALL * (last + 1 - first):
        return True
    return None if sizes[True] or sizes[None] else False


def deciding_entry(entries: Sequence[AclEntry], egress: bool, others: Others, port: int) -> AclEntry | None:
    """The first entry that matches a port and all of the networks; None for none, which denies."""
    matching_entries = (entry for entry in entries if entry.egress == egress)
    return next((entry for entry in matching_entries if _spans(entry, port) and _matches(entry, others)), None)


def _decide(entries: Iterable[AclEntry], others: Others, port: int) -> bool | None:
    partial = set()
    for entry in entries:
        match = _matches(entry, others) if _spans(entry, port) else False
        if match:
            return None if (not entry.allow) in partial else entry.allow
        if match is None:
            partial.add(entry.allow)
    return None if True in partial else False


def _matches(entry: AclEntry, others: Others) -> bool | None:
    if others == OVER_IPV6:
        return entry.cidr == "::/0" or (None if ":" in entry.cidr else False)
    network = network_of(entry.cidr)
    if network is None:
        return False
    if others == INTERNET:
        if is_private(network) or (not entry.allow and network.prefixlen >= _NARROW):
            return False
        return network == INTERNET[0] or None
    if all(other.network_address in network and other.prefixlen >= network.prefixlen for other in others):
        return True
    return None if any(other.overlaps(network) for other in others) else False


def _spans(rule: Rule | AclEntry, port: int) -> bool:
    if rule.protocol == "-1":
        return True
    # A rule without ports applies to all, and so does the pair (-1, -1) that some tools write.
    low, high = rule.first, rule.last
    if rule.protocol not in _TCP:
        return False
    return low is None or high is None or low == high == -1 or low <= port <= high
