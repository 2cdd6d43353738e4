"""Every fault that the sandbox knows, and the verbs that make one and mend all."""

from __future__ import annotations

import difflib

from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox.faults import (
    access,
    content,
    deployment,
    execute,
    network,
    reference,
    running,
    secret,
    wire,
)
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.traces import remove_traces
from omc_runbook.sandbox.worlds.build import keep_good_document, kept_document, restore
from omc_runbook.sandbox.worlds.staging import World


def catalogue() -> tuple[Fault, ...]:
    """All faults, family by family."""
    families = (secret, reference, content, access, network, deployment, running, execute)
    return tuple(fault for family in families for fault in family.faults())


def break_(endpoint: str, fault_id: str) -> None:
    """Bring about one fault in the sandbox at `endpoint`; returns when its services are at rest.

    Raises UsageError, with the nearest id that exists, for an unknown one.
    """
    fault = _find(fault_id)
    world = World(endpoint, database=wire.database(endpoint))
    keep_good_document(world)
    fault.apply(world)
    world.settle()


def mend(endpoint: str, fault_id: str | None = None) -> None:
    """Bring back the healthy world, whatever is broken; returns when every task is new and healthy.

    With a `fault_id`, the other faults that the server was told of are brought about again. An unknown one is
    refused as by break_.
    """
    world = World(endpoint, database=wire.database(endpoint))
    mended = None if fault_id is None else _find(fault_id)
    others = [id for id in wire.broken(world) if mended and id != mended.id]
    remove_traces(world)
    keep_good_document(world)
    restore(world, kept_document(world))
    for other in others:
        break_(endpoint, other)


def _find(fault_id: str) -> Fault:
    faults = {fault.id: fault for fault in catalogue()}
    if fault_id in faults:
        return faults[fault_id]
    nearest = difflib.get_close_matches(fault_id, faults, n=1, cutoff=0.0)
    raise UsageError(f"There is no fault {fault_id}; the nearest is {nearest[0]}: see omc-runbook sandbox faults.")
