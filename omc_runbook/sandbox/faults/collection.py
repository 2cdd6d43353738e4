"""The catalogue of faults, and how to inject one and repair all."""

from __future__ import annotations

from botocore.exceptions import ClientError

from omc_runbook.model import letters
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import SIMILAR, closest
from omc_runbook.sandbox import lifecycle, postgres
from omc_runbook.sandbox.faults import (
    access,
    audit_access,
    audit_monitoring,
    audit_secret,
    checkout,
    content,
    deployment,
    execute,
    network,
    other_sources,
    reference,
    running,
    secret,
)
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.traces import remove_traces
from omc_runbook.sandbox.worlds.build import good_document, keep_good_document, restore
from omc_runbook.sandbox.worlds.staging import World


def catalogue() -> tuple[Fault, ...]:
    """All faults of AWS, family by family."""
    families = (secret, reference, other_sources, content, access, network, deployment, running, execute)
    audits = (audit_access, audit_monitoring, audit_secret)
    return tuple(fault for family in (*families, *audits) for fault in family.FAULTS)


def every() -> tuple[Fault, ...]:
    """All faults: those of AWS, and those of a developer's checkout."""
    return (*catalogue(), *checkout.FAULTS)


def break_(endpoint: str, fault_id: str) -> None:
    """Inject one fault into the sandbox at `endpoint`; returns when its services are settled.

    Raises UsageError, with the nearest existing id, for an unknown one, where what it breaks is not there any more, and
    where nobody would see it on this machine.
    """
    fault = find(fault_id)
    checkout.refuse_unseen(fault)
    world, _ = _world(endpoint)
    keep_good_document(world)
    try:
        fault.apply(world)
    except (ClientError, LookupError) as error:
        # AWS's answers lack a field, or a whole service, that another fault or a person has taken away.
        missing = "What it would change is not there."
        reason = error.response["Error"]["Message"] if isinstance(error, ClientError) else missing
        raise UsageError(
            f"{fault_id} cannot be injected into this world as it is now: {reason}"
            f" Restore the healthy world first: omc-runbook sandbox mend."
        ) from error
    world.settle()


def mend(endpoint: str, fault_id: str | None = None) -> None:
    """Restore the healthy world, whatever is broken; returns when every task is new and healthy.

    With a `fault_id`, only that fault is repaired: the other active ones are injected again. Raises UsageError for an
    unknown one.
    """
    world, active_ids = _world(endpoint)
    others: list[str] = []
    if fault_id is not None:
        fault = find(fault_id)
        others = [other for other in active_ids if other != fault.id]
    changed = world.changes()
    remove_traces(world, changed)
    keep_good_document(world)
    restore(world, good_document(world), changed)
    world.forget_changes()
    for other in others:
        break_(endpoint, other)


def find(fault_id: str) -> Fault:
    """The fault with an id; raises UsageError, with the nearest existing id if one is near, for an unknown one."""
    faults = {fault.id: fault for fault in every()}
    if fault_id in faults:
        return faults[fault_id]
    near = closest(letters.fold(fault_id), faults, SIMILAR)
    nearest = f"; the nearest is {near}" if near else ""
    raise UsageError(f"There is no fault {fault_id or 'without a name'}{nearest}: see `omc-runbook sandbox faults`.")


def _world(endpoint: str) -> tuple[World, list[str]]:
    """The sandbox at an endpoint, and the ids of its active faults as its server knows them."""
    status = lifecycle.status(lifecycle.at(endpoint))
    return World(endpoint, database=postgres.read(status["database"])), status["broken"]
