"""Reads who there is in the account, and what decides whether they may read the secret."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from omc_runbook.aws import iam, kms, lambda_functions, organizations
from omc_runbook.aws.failures import ReadFailure, or_none
from omc_runbook.aws.iam import AccountDetails, LastAccess
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.organizations import OrganizationPolicies
from omc_runbook.iam.who_can import is_assumed_by
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_iam.literals import EntityTypeType
    from mypy_boto3_kms.client import KMSClient

IDENTITIES, ORGANIZATION, LAST_ACCESSES = "identities", "organization_policies", "last_accesses"
KEY_GRANTS, FUNCTIONS = "key_grants", "functions"
"""The fields of the gaps."""
MOST_REPORTS = 300
"""How many identities IAM is asked to report the last access of; each takes it a second or more."""


class IdentitiesRead:
    """The calls for the account's identities, their policies, the organization's, and all that limits the key.

    They begin at once, and `finish` waits for them.
    """

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot) -> None:
        self._gatherer, self._snapshot = gatherer, snapshot
        account, key = snapshot.caller.account, snapshot.kms_key
        client = gatherer.clients("organizations")
        self._organization = organization = gatherer.read_once(
            "the account's organization", "organizations:DescribeOrganization", organizations.describe
        )
        self._details = (
            self._ask_details("the account's roles", "Role"),
            self._ask_details("the account's users and groups", "User", "Group"),
            self._ask_details("the account's managed policies", "LocalManagedPolicy", "AWSManagedPolicy"),
        )

        def above() -> OrganizationPolicies | None:
            found = or_none(organization.result())
            return organizations.policies_above(client, account, found) if found else None

        what, permission = "the organization's policies", "organizations:ListPoliciesForTarget"
        self._above = gatherer.ask_once((), what, permission, above)
        self._key: Future[KmsKey | ReadFailure] | None = None
        if key and key.manager == "CUSTOMER":
            self._key = gatherer.read("the secret's key", "kms:ListGrants", _whole_key, key)

    def _ask_details(self, what: str, *kinds: EntityTypeType) -> Future[AccountDetails | ReadFailure]:
        permission = "iam:GetAccountAuthorizationDetails"
        return self._gatherer.read_once(what, permission, iam.get_account_details, kinds)

    def finish(self) -> Identities | None:
        """The identities, and when those that may read the secret last did; None where they could not be read."""
        parts = [self._gatherer.keep(IDENTITIES, answer, None) for answer in self._details]
        details = iam.merge(part for part in parts if part)
        key = self._gatherer.keep(KEY_GRANTS, self._key, None)
        if self._key and key is None and self._snapshot.kms_key:
            key = replace(self._snapshot.kms_key, unread=self._gatherer.gaps[KEY_GRANTS])
        organization = self._gatherer.keep(ORGANIZATION, self._organization, None)
        above = self._gatherer.keep(ORGANIZATION, self._above, None)
        found = Identities(
            identities=iam.join(details),
            groups=iam.policies_of_groups(details),
            other_versions=details.other_versions,
            organization=organization.id if organization else None,
            levels=above.levels if above else None,
            resource_controls=above.resource_controls if above else (),
            key=key,
        )
        if IDENTITIES in self._gatherer.gaps:
            return None
        # What could not be read of the secret's policies leaves a verdict open.
        known = replace(self._snapshot, gaps=dict(self._gatherer.gaps))
        found = replace(found, reads=secret_calls.read_verdicts(known, found))
        functions = self._request_functions(found)
        last_accesses = self._last_accesses(found)
        roles = self._gatherer.keep(FUNCTIONS, functions, {})
        return replace(found, last_accesses=last_accesses, functions=roles)

    def _request_functions(self, identities: Identities) -> Future[dict[str, str] | ReadFailure] | None:
        """The roles of Lambda's functions, where one that reads the secret may be among them."""
        # Without the secret nobody was judged.
        readers = {arn for arn, read in identities.reads.items() if read.is_possible}
        roles = (each for each in identities.identities if each.kind == "role" and each.arn in readers)
        if not any(is_assumed_by(role, secret_calls.LAMBDA) for role in roles):
            return None
        what = "the functions of Lambda"
        return self._gatherer.read_once(what, "lambda:ListFunctions", lambda_functions.list_roles)

    def _last_accesses(self, identities: Identities) -> dict[str, LastAccess]:
        linked = {each.arn for each in identities.identities if each.is_service_linked}
        arns = [arn for arn, read in identities.reads.items() if read.decision != "denied" and arn not in linked]
        answers = {
            arn: self._gatherer.read_once(
                f"when {iam.role_name(arn)} last used Secrets Manager",
                "iam:GenerateServiceLastAccessedDetails",
                iam.get_last_access,
                arn,
            )
            for arn in arns[:MOST_REPORTS]
        }
        found = {arn: self._gatherer.keep(LAST_ACCESSES, answer, None) for arn, answer in answers.items()}
        return {arn: access for arn, access in found.items() if access}


def _whole_key(client: KMSClient, key: KmsKey) -> KmsKey:
    return replace(
        key,
        tags=kms.list_tags(client, key.arn) if key.tags is None else key.tags,
        aliases=kms.list_aliases(client, key.arn) if key.aliases is None else key.aliases,
        grants=key.grants or kms.list_grants(client, key.arn),
    )
