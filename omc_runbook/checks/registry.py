"""The decorator that registers a check with all that is known of its fault, and the registered checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from types import ModuleType
from typing import Literal

from omc_runbook.checks.check import Answer, Check, Hinders, Look, Symptom
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Severity
from omc_runbook.snapshot.state import Snapshot

Declare = Callable[[Callable[[Snapshot], Iterable[Answer]]], Check]

_REGISTERED: dict[tuple[bool, str], Check] = {}
"""By whether it is a fault of a developer's machine, and by id: a secret and a .env share ids."""


class Family:
    """The checks of one kind of fault, with their defaults; calling it gives the decorator of one check."""

    def __init__(
        self, name: str, symptom: Symptom = "cannot-read", hinders: Hinders = "", not_in_sandbox: str = ""
    ) -> None:
        self.name, self.symptom, self.hinders, self.not_in_sandbox = name, symptom, hinders, not_in_sandbox

    def __call__(
        self,
        id: str,
        *,
        needs: tuple[str, ...],
        looks_like: tuple[Look, ...],
        ruled_out_by: str,
        severity: Severity = "error",
        symptom: Symptom | None = None,
        because_of: tuple[str, ...] = (),
        per_subject: bool = False,
        hinders: Hinders | None = None,
        hindered_by: tuple[Hinders, ...] = (),
        blocked_by: tuple[Hinders, ...] = (),
        fixed_by: Literal["", "troubleshoot"] = "",
        not_in_sandbox: str = "",
    ) -> Declare:
        """Register the decorated function as a check, with its docstring's first line as the title.

        The arguments are `Check`'s fields. Raises ValueError where the id is taken.
        """

        def declare(run: Callable[[Snapshot], Iterable[Answer]]) -> Check:
            check = Check(
                id=id,
                family=self.name,
                title=(run.__doc__ or "").partition("\n")[0].rstrip("."),
                severity=severity,
                needs=needs,
                run=run,
                symptom=symptom or self.symptom,
                looks_like=looks_like,
                ruled_out_by=ruled_out_by,
                because_of=because_of,
                per_subject=per_subject,
                hinders=self.hinders if hinders is None else hinders,
                hindered_by=hindered_by,
                blocked_by=blocked_by,
                fixed_by=fixed_by,
                not_in_sandbox=not_in_sandbox or self.not_in_sandbox,
            )
            key = (self.name == LOCAL, id)
            if key in _REGISTERED:
                raise ValueError(f"Two checks of a kind have the id {id}.")
            _REGISTERED[key] = check
            return check

        return declare


def checks_of(*modules: ModuleType) -> tuple[Check, ...]:
    """The checks that these modules registered, in their order there."""
    checks: dict[str, list[Check]] = {module.__name__: [] for module in modules}
    for check in _REGISTERED.values():
        checks.get(check.run.__module__, []).append(check)
    return tuple(chain.from_iterable(checks.values()))


def registered() -> tuple[Check, ...]:
    """Every check of the modules imported so far."""
    return tuple(_REGISTERED.values())


def find(id: str, family: str = "") -> Check | None:
    """A check by its id; where a .env and a secret share it, the one of the family's side."""
    is_local = family == LOCAL
    return _REGISTERED.get((is_local, id)) or _REGISTERED.get((not is_local, id))
