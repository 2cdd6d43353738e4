"""The part of a snapshot that an audit alone reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omc_runbook.aws.iam import LastAccess
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.organizations import Levels
from omc_runbook.iam.who_can import Identity


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The users and roles of the account, and what else decides who may read the secret."""

    identities: tuple[Identity, ...]
    organization: str | None = None
    """The organization's id, "" outside one; None where it was not read (a gap of "organization_policies")."""
    levels: Levels | None = ()
    """The service control policies above the account, each level of which has to allow; None where they were not
    read, which is a gap of "organization_policies"."""
    key: KmsKey | None = None
    """The customer managed key of the secret, with tags, aliases and grants; None where it has none."""
    last_accesses: Mapping[str, LastAccess] = field(default_factory=dict)
    """When those that may read the secret last used Secrets Manager, by ARN, as far as that was read: the others are
    a gap of "last_accesses"."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit read; a part that could not be read is a gap of the snapshot under the part's name."""

    days: int
    """How far back events are looked up."""
    identities: Identities | None = None
    """Who there is in the account, with their policies; None where it was not read (a gap of "identities")."""
