"""What nobody uses: keys, versions and secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.checks import remedies
from omc_runbook.checks.check import DOCUMENT, Evidence, Family, Uncertain
from omc_runbook.checks.key_demand import referenced_keys, secret_demands
from omc_runbook.checks.spare_keys import NOTE
from omc_runbook.checks.variable_locations import locations_of
from omc_runbook.model.catalogue import variable_of
from omc_runbook.snapshot.state import Snapshot

check = Family("audit", symptom="audit", severity="warning")

UNUSED = timedelta(days=90)
"""For how long nobody has read a secret that counts as unused."""
MANY = 50
"""From so many versions without a label they are a remark: Secrets Manager itself keeps up to about 100."""
PRICE = 0.40
"""What a secret costs a month by AWS's list price, in USD: https://aws.amazon.com/secrets-manager/pricing/"""


@check(
    "key-unused",
    needs=("secret", "contents", DOCUMENT, "services", "task_definitions"),
    looks_like=("not-used",),
    ruled_out_by="DescribeTaskDefinition: tasks refer to every key, or the code asks for it",
)
def key_unused(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A key of the secret is not used."""
    if not secret_demands(snapshot) and not snapshot.unread("services"):
        cluster = snapshot.environment.names.cluster
        yield Uncertain("", (f"No service of {cluster} refers to the secret: who uses its keys is not known.",))
    for key in unused_keys(snapshot):
        fact = f"DescribeTaskDefinition: no task definition in use refers to {key}"
        if snapshot.checkout:
            variable = variable_of(key, snapshot.environment.keys)
            files = f"no file of {snapshot.checkout.root} asks for {variable}."
            yield Evidence(key, (f"{fact}, and {files}",), remedies.remove_key(snapshot.environment, key))
        else:
            searched = "Whether code asks for it was not searched: name a repository."
            yield Evidence(key, (f"{fact}.", searched), remedies.remove_key(snapshot.environment, key), severity="info")


@check(
    "version-unlabelled",
    needs=("secret", "versions"),
    severity="info",
    looks_like=("not-used", "old-value-kept"),
    ruled_out_by="ListSecretVersionIds: fewer than 50 versions have no staging label",
)
def version_unlabelled(snapshot: Snapshot) -> Iterable[Evidence]:
    """Many former versions without a label can still be read."""
    unlabelled = [version for version in snapshot.versions if not version.stages]
    if len(unlabelled) >= MANY:
        oldest = min(version.created for version in unlabelled)
        facts = (
            f"ListSecretVersionIds: {len(unlabelled)} versions have no staging label, the oldest of {oldest:%Y-%m-%d}.",
            "Who may call GetSecretValue can read them by VersionId. No call removes one: Secrets Manager removes"
            " the oldest by itself, beyond about 100, and none within a day.",
        )
        yield Evidence(snapshot.secret_name, facts, remedies.list_versions(snapshot.environment.names))


@check(
    "secret-unused",
    needs=("secret", "services", "task_definitions", "unused"),
    looks_like=("not-used",),
    ruled_out_by=(
        "ListSecrets: each secret of the environment is referred to, was read in the last 90 days, or is a replica"
    ),
)
def secret_unused(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret of the environment is not used."""
    names = snapshot.environment.names
    for each in unused_secrets(snapshot):
        accessed = f"LastAccessedDate is {each.accessed:%Y-%m-%d}" if each.accessed else "it has no LastAccessedDate"
        created = f", it was created on {each.created:%Y-%m-%d}" if each.created else ""
        facts = (
            f"ListSecrets: {accessed}{created}; no task definition of cluster {names.cluster} refers to it.",
            f"It costs {PRICE:.2f} USD a month by the list price.",
        )
        yield Evidence(each.name, facts, remedies.delete_secret(each.name, names.recovery_days, names.region))


def unused_keys(snapshot: Snapshot) -> Iterator[str]:
    """The keys that no task definition refers to and, as far as a checkout was read, no file asks for."""
    demands = [demand.reference for demand in secret_demands(snapshot)]
    document = snapshot.document
    is_known = all(snapshot.definition(service) for service in snapshot.consumers) and not snapshot.unread("services")
    # Who takes the whole secret may use every key.
    if not demands or document is None or not is_known or not all(each.key for each in demands):
        return
    catalogue, referenced = snapshot.environment.keys, referenced_keys(snapshot)
    locations = locations_of(snapshot) if snapshot.checkout else None
    for key in document.keys:
        is_asked_for = locations is not None and locations.is_read(variable_of(key, catalogue))
        is_note = bool(NOTE.search(key)) and key not in catalogue
        if key not in referenced and not is_asked_for and not is_note:
            yield key


def unused_secrets(snapshot: Snapshot) -> Iterator[ListedSecret]:
    """The environment's other secrets that nothing refers to and nobody has read for `UNUSED`.

    A replica may stand by for a failure of its primary secret's region, and DeleteSecret deletes it at once. See
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
    """
    if snapshot.unread("services", "task_definitions"):
        # What was not read may refer to them.
        return
    environment, before = snapshot.environment, snapshot.taken - UNUSED
    known = {names.secret for names in environment.others.values()} | {snapshot.secret_name, environment.names.secret}
    references = [
        injection.reference
        for definition in snapshot.task_definitions.values()
        for _, injection in definition.references
    ]
    referenced = {each.source for each in references} | {each.secret_name for each in references}
    for each in snapshot.audit.project_secrets:
        is_own = each.name.startswith(environment.names.prefix) and not {each.name, each.arn} & known
        is_referenced = each.arn in referenced or each.name in referenced or each.arn.rpartition(":")[2] in referenced
        is_recent = (each.created or snapshot.taken) > before or (each.accessed is not None and each.accessed > before)
        if is_own and not is_referenced and not is_recent and not (each.owning_service or each.is_replica):
            yield each
