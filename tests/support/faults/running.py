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
    with_held_value,
)

from omc_runbook.snapshot.held_values import OTHER
from omc_runbook.snapshot.state import Snapshot

KEY = "OPENAI_API_KEY"


def uninjected(snapshot: Snapshot, **changes: object) -> Snapshot:
    """Take the worker's reference away; `changes` are those of the value that its tasks have nevertheless."""
    bare = with_container(
        snapshot, "worker", lambda old: replace(old, secrets=tuple(e for e in old.secrets if e.variable != KEY))
    )
    return with_held_value(looked(bare), "worker", KEY, **changes)


FAULTS = {
    "entrypoint-override": Fault(
        lambda s: with_held_value(looked(s), "worker", KEY, process=OTHER, differs=True),
        f"worker {KEY}",
        "has a value of OPENAI_API_KEY that ECS did not inject",
        "worker",
    ),
    "app-cache": Fault(
        lambda s: with_held_value(looked(s), "worker", KEY, process=PREVIOUS, differs=True),
        f"worker {KEY}",
        f"of version {PREVIOUS}; ECS injected that of version {CURRENT}",
        "worker",
    ),
    "baked-env": Fault(
        lambda s: uninjected(s, process=OTHER, differs=True),
        f"worker {KEY}",
        "which ECS did not inject. No version of the secret has this value.",
        "worker",
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
