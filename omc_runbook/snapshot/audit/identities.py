"""Reads who there is in the account, and what decides whether they may read the secret."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from omc_runbook.aws import iam, kms, lambda_functions, organizations
from omc_runbook.aws.iam import AccountDetails, LastAccess
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.organizations import Organization, OrganizationPolicies
from omc_runbook.aws.session import ReadFailure
from omc_runbook.iam.who_can import is_assumed_by
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_iam.literals import EntityTypeType

IDENTITIES, ORGANIZATION, LAST_ACCESSES = "identities", "organization_policies", "last_accesses"
KEY_GRANTS, FUNCTIONS = "key_grants", "functions"
"""The fields of the gaps."""
MOST_REPORTS = 300
"""How many identities IAM is asked to report the last access of; each takes it a second or more."""
_DETAILS = "iam:GetAccountAuthorizationDetails"


@dataclass(frozen=True, kw_only=True)
class IdentitiesRead:
    """The calls for the identities, under way; `finish` waits for them."""

    gatherer: Gatherer
    details: tuple[Future[AccountDetails | ReadFailure], ...]
    organization: Future[Organization | ReadFailure]
    above: Future[OrganizationPolicies | ReadFailure | None]
    key: Future[KmsKey | ReadFailure] | None

    def finish(self, snapshot: Snapshot) -> Identities | None:
        """The identities, and when those that may read the secret last did; None where they could not be read."""
        parts = [self.gatherer.keep(IDENTITIES, answer, None) for answer in self.details]
        key = self.gatherer.keep(KEY_GRANTS, self.key, None) if self.key else None
        if self.key and key is None and snapshot.kms_key:
            key = replace(snapshot.kms_key, unread=self.gatherer.gaps[KEY_GRANTS])
        organization = self.gatherer.keep(ORGANIZATION, self.organization, None)
        above = self.gatherer.keep(ORGANIZATION, self.above, None)
        found = Identities(
            identities=iam.join(part for part in parts if part),
            groups=iam.policies_of_groups(part for part in parts if part),
            other_versions={arn: each for part in parts if part for arn, each in part.other_versions.items()},
            organization=organization.id if organization else None,
            levels=above.levels if above else None,
            resource_controls=above.resource_controls if above else (),
            key=key,
        )
        if IDENTITIES in self.gatherer.gaps:
            return None
        # What could not be read of the secret's policies leaves a verdict open.
        known = replace(snapshot, gaps=dict(self.gatherer.gaps))
        found = replace(found, reads=secret_calls.read_verdicts(known, found))
        functions = self._request_functions(found)
        last_accesses = self._last_accesses(found)
        roles = self.gatherer.keep(FUNCTIONS, functions, {}) if functions else {}
        return replace(found, last_accesses=last_accesses, functions=roles)

    def _request_functions(self, identities: Identities) -> Future[dict[str, str] | ReadFailure] | None:
        """The roles of Lambda's functions, where one that reads the secret may be among them."""
        # Without the secret nobody was judged.
        readers = {arn for arn, read in identities.reads.items() if read.is_possible}
        roles = (each for each in identities.identities if each.kind == "role" and each.arn in readers)
        if not any(is_assumed_by(role, secret_calls.LAMBDA) for role in roles):
            return None
        what = "the functions of Lambda"
        return self.gatherer.read_once(what, "lambda:ListFunctions", lambda_functions.list_roles)

    def _last_accesses(self, identities: Identities) -> dict[str, LastAccess]:
        linked = {each.arn for each in identities.identities if each.is_service_linked}
        arns = [arn for arn, read in identities.reads.items() if read.decision != "denied" and arn not in linked]
        answers = {
            arn: self.gatherer.read_once(
                f"when {iam.role_name(arn)} last used Secrets Manager",
                "iam:GenerateServiceLastAccessedDetails",
                iam.get_last_access,
                arn,
            )
            for arn in arns[:MOST_REPORTS]
        }
        found = {arn: self.gatherer.keep(LAST_ACCESSES, answer, None) for arn, answer in answers.items()}
        return {arn: access for arn, access in found.items() if access}


def request(gatherer: Gatherer, snapshot: Snapshot) -> IdentitiesRead:
    """Start to read the account's identities, their policies, the organization's, and all that limits the key."""
    account, key = snapshot.caller.account, snapshot.kms_key
    organizations_client = gatherer.clients("organizations")
    organization = gatherer.read_once(
        "the account's organization", "organizations:DescribeOrganization", organizations.describe
    )

    def details(what: str, *kinds: EntityTypeType) -> Future[AccountDetails | ReadFailure]:
        return gatherer.read_once(what, _DETAILS, iam.get_account_details, kinds)

    def above() -> OrganizationPolicies | None:
        found = organization.result()
        if isinstance(found, ReadFailure):
            return None
        return organizations.policies_above(organizations_client, account, found)

    return IdentitiesRead(
        gatherer=gatherer,
        details=(
            details("the account's roles", "Role"),
            details("the account's users and groups", "User", "Group"),
            details("the account's managed policies", "LocalManagedPolicy", "AWSManagedPolicy"),
        ),
        organization=organization,
        above=gatherer.ask_once((), "the organization's policies", "organizations:ListPoliciesForTarget", above),
        key=gatherer.ask("the secret's key", "kms:ListGrants", lambda: _whole_key(gatherer, key))
        if key and key.manager == "CUSTOMER"
        else None,
    )


def _whole_key(gatherer: Gatherer, key: KmsKey) -> KmsKey:
    client = gatherer.clients("kms")
    return replace(
        key,
        tags=kms.list_tags(client, key.arn) if key.tags is None else key.tags,
        aliases=kms.list_aliases(client, key.arn) if key.aliases is None else key.aliases,
        grants=key.grants or kms.list_grants(client, key.arn),
    )
