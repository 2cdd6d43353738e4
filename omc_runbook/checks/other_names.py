"""What the account has where a configured name does not exist, and how to take it over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from omc_runbook.checks import remedies
from omc_runbook.model.environment_names import PROJECT, has_words
from omc_runbook.model.findings import Remedy, is_sentence
from omc_runbook.model.letters import lower_first
from omc_runbook.snapshot.discovery import Discovery, FoundService
from omc_runbook.snapshot.state import Snapshot


def found_instead(snapshot: Snapshot) -> Iterator[str]:
    """What was found for the environment under other names, and what was not searched, in sentences."""
    found, names = snapshot.discovery, snapshot.environment.names
    if found is None:
        return
    if found.other_regions:
        yield f"Found instead: a secret of that name in {', '.join(found.other_regions)}."
    if found.cluster_regions:
        yield f"Found instead: cluster {names.cluster} in {', '.join(found.cluster_regions)}."
    services = [service.name for service in found.own_services if service.cluster == found.cluster]
    if found.cluster and (found.cluster != names.cluster or names.service not in services):
        has = f"with the services {', '.join(services)}" if services else "without services"
        yield f"Found instead: cluster {found.cluster} {has}."
    if found.secret and found.secret != snapshot.secret_name:
        users = [service.name for service in found.consumers]
        verb = "refer" if len(users) > 1 else "refers"
        use = f", to which {', '.join(users)} {verb}" if users else ""
        yield f"Found instead: secret {found.secret}{use}."
    if found.not_searched:
        yield f"{len(found.not_searched)} of {len(found.clusters)} clusters were not searched."
    yield from (failure.sentence for failure in found.unread)


def correct(snapshot: Snapshot, field: str) -> Remedy | None:
    """How to correct a name that does not exist; None where nothing was found instead.

    A region in which the secret is not, a variable, which overrides runbook.toml, or the names in that file.
    """
    environment = snapshot.environment
    if is_elsewhere(snapshot):
        return Remedy(f"Correct region in {environment.source_of('region')}.")
    if variable := environment.variables.get(field, ""):
        return Remedy(f"Correct {field} in {variable}, or unset it.")
    # If everything was searched and all other names are right, the secret is missing, not renamed. So is a cluster of
    # which AWS has none for the environment: init would write the name that does not exist.
    found = snapshot.discovery
    is_right = {"secret": not any(found_instead(snapshot)), "cluster": found is None or not found.cluster}
    return None if is_right.get(field) else find_names(snapshot)


def is_elsewhere(snapshot: Snapshot) -> bool:
    """Whether the secret is missing because the environment is in another region: that has it, or only the cluster."""
    found = snapshot.discovery
    return snapshot.secret is None and found is not None and bool(found.other_regions or found.cluster_regions)


def is_misnamed(snapshot: Snapshot) -> bool:
    """Whether the secret is missing under a name that is probably wrong: services refer to another that exists.

    Or the environment is in another region. A name in runbook.toml is one that somebody decided on; a variable may be
    left over.
    """
    found = snapshot.discovery
    is_left_over = "secret" in snapshot.environment.variables and bool(found and found.is_referred_to)
    return is_elsewhere(snapshot) or is_left_over or secret_in_use(snapshot) != ""


def in_doubt(snapshot: Snapshot) -> Iterator[str]:
    """That the name may be misspelt after all: services refer to another secret, or one has almost the same name."""
    found, environment = snapshot.discovery, snapshot.environment
    if found is None or snapshot.secret_name in (found.secret, *(each.name for each in found.secrets)):
        return
    is_used = "secret" in environment.chosen and found.is_referred_to
    others = {names.secret for names in environment.others.values()}
    if other := found.secret if is_used else found.near(snapshot.secret_name, others):
        yield f"If {other} is meant, create nothing: correct secret in {environment.source_of('secret')}."


def find_names(snapshot: Snapshot) -> Remedy | None:
    """The command that writes the names that were found to runbook.toml; None where nothing of it was found."""
    found = snapshot.discovery
    is_found = found is not None and bool(found.secret or found.cluster) and not _is_of_another_project(snapshot, found)
    return remedies.find_names(snapshot.environment) if is_found else None


def secret_in_use(snapshot: Snapshot) -> str:
    """Another secret to which the environment's services refer instead of the guide's; "" for none.

    Where a service refers to the configured one, or somebody chose its name, that is what is missing.
    """
    found = snapshot.discovery
    if "secret" in snapshot.environment.chosen:
        return ""
    if found is None or not found.is_referred_to or found.secret == snapshot.secret_name:
        return ""
    if _is_of_another_project(snapshot, found):
        return ""
    is_awaited = any(snapshot.secret_name in service.keys_by_secret for service in found.own_services)
    return "" if is_awaited else found.secret


def _is_of_another_project(snapshot: Snapshot, found: Discovery) -> bool:
    """Whether runbook.toml names a project, and neither the secret nor the clusters that were found have its name."""
    environment = snapshot.environment
    if environment.project == PROJECT:
        return False
    return not found.has_name_of(environment.project, environment.names.prefix)


def consumers_elsewhere(snapshot: Snapshot) -> tuple[FoundService, ...]:
    """Services of other clusters that refer to the secret, where ours is missing or has no service that does.

    Where our cluster exists, those that are another environment's are no reason to doubt its name, nor are those of
    clusters that runbook.toml names beside it. Where tasks without a service, or an Express service, use the secret
    in our cluster, only the configured service in another one is.
    """
    found, names = snapshot.discovery, snapshot.environment.names
    if found is None:
        return ()
    users = [each for each in found.services if snapshot.own_references(each.definition)]
    users = [each for each in users if each.cluster != names.cluster]
    if snapshot.service_names is None:
        return tuple(users)
    if snapshot.consumers or any(snapshot.gaps.get(field) for field in ("services", "task_definitions")):
        return ()
    others = {other.cluster for other in snapshot.environment.others.values()}
    meant = {*names.clusters, *others, *((each.cluster for each in users) if "*" in names.clusters else ())}
    users = [each for each in users if each.cluster not in meant and not found.is_of_another(each)]
    own_readers = [each for each in snapshot.readers if each not in snapshot.services_elsewhere]
    return () if own_readers and not _has_main(snapshot, users) else tuple(users)


def moved_names(snapshot: Snapshot, elsewhere: Sequence[FoundService]) -> Remedy:
    """How to correct the cluster where the services that refer to the secret are in another one.

    If the configured service is not among them, they may be others that only use the secret too.
    """
    found, environment = snapshot.discovery, snapshot.environment
    assert found is not None, "services were found"
    # init takes the main service's cluster over.
    is_found = found.main is not None and found.main.cluster in {each.cluster for each in elsewhere}
    by_hand = Remedy(f"Correct cluster in {environment.source_of('cluster')}.")
    way = (correct(snapshot, "cluster") if is_found or "cluster" in environment.variables else None) or by_hand
    if snapshot.service_names is None or _has_main(snapshot, elsewhere):
        return way
    clusters = ", ".join(dict.fromkeys(each.cluster for each in elsewhere))
    how = lower_first(way.command).rstrip(".") if is_sentence(way.command) else f"`{way.command}`"
    return Remedy(
        f"If the environment's services have moved there: {how}; else add {clusters} to clusters in"
        f" {environment.source_of('clusters')}."
    )


def _has_main(snapshot: Snapshot, services: Iterable[FoundService]) -> bool:
    """Whether the configured service is among these, also as staging-backend."""
    return any(has_words(each.name, snapshot.environment.names.service) for each in services)
