"""Faults of the family running, each made in a healthy snapshot."""

from __future__ import annotations

from dataclasses import replace

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import (
    CURRENT,
    PREVIOUS,
    looked,
    with_container,
    with_held,
)

from omc_runbook.snapshot.held_values import OTHER
from omc_runbook.snapshot.state import Snapshot

WORKER = frozenset({"worker"})
KEY = "OPENAI_API_KEY"


def uninjected(snapshot: Snapshot, **held: object) -> Snapshot:
    """Take the worker's reference away; `held` is what its tasks were seen to hold all the same."""
    bare = with_container(
        snapshot, "worker", lambda old: replace(old, secrets=tuple(e for e in old.secrets if e.variable != KEY))
    )
    return with_held(looked(bare), "worker", KEY, **held)


FAULTS = {
    "entrypoint-override": Fault(
        lambda s: with_held(looked(s), "worker", KEY, process=OTHER, differs=True),
        f"worker {KEY}",
        "has a value of OPENAI_API_KEY that ECS did not inject",
        WORKER,
    ),
    "app-cache": Fault(
        lambda s: with_held(looked(s), "worker", KEY, process=PREVIOUS, differs=True),
        f"worker {KEY}",
        f"of version {PREVIOUS}; ECS injected that of version {CURRENT}",
        WORKER,
    ),
    "baked-env": Fault(
        lambda s: uninjected(s, process=OTHER, differs=True),
        f"worker {KEY}",
        "which ECS did not inject. No version of the secret has this value.",
        WORKER,
    ),
}

SHOWN: Shown = {
    "entrypoint-override": lambda s: s.command("worker") == ["--sandbox-replace=OPENAI_API_KEY"] and s.whole(),
    "baked-env": lambda s: "OPENAI_API_KEY" not in s.references("worker") and s.whole(),
    "app-cache": lambda s: (
        s.command("worker") == ["--sandbox-cached"]
        and s.running("worker")["createdAt"] > s.value()["CreatedDate"]
        and s.whole()
    ),
}
