"""The faults of all families: each as it is made in a healthy snapshot, and as a reader of the sandbox sees it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

from support import faults
from support.scene import Shown

from omc_runbook.snapshot.state import Snapshot

Make = Callable[[Snapshot], Snapshot]
MODULES = {each.name: import_module(f"support.faults.{each.name}") for each in pkgutil.iter_modules(faults.__path__)}
SHOWN: Shown = {id: is_shown for module in MODULES.values() for id, is_shown in getattr(module, "SHOWN", {}).items()}
AUDIT = tuple(name for name in MODULES if name.startswith("audit"))
OTHERS = tuple(name for name in MODULES if name not in (*AUDIT, "network"))
"""But for those of networks, which are put together from routes and endpoints."""


def worlds(*modules: str) -> dict[str, Make]:
    """How a healthy snapshot is made faulty, by module and fault, such as "secret no-current-version"."""
    return {f"{name} {id}": fault.make for name in modules for id, fault in MODULES[name].FAULTS.items()}
