"""The decorator that registers a check with all that is known of its fault, and the registered checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Literal, TypedDict, Unpack

from omc_runbook.checks.check import Answer, Check, Hinders, Look, Symptom
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Severity
from omc_runbook.snapshot.state import Snapshot

Declare = Callable[[Callable[[Snapshot], Iterable[Answer]]], Check]

_REGISTERED: dict[tuple[bool, str], Check] = {}
"""By whether it is a fault of a developer's machine, and by id: a secret and a .env share ids."""


class CheckFacts(TypedDict, total=False):
    """What is known of a fault beside its id, title and function: `Check`'s fields."""

    severity: Severity
    needs: tuple[str, ...]
    symptom: Symptom
    looks_like: tuple[Look, ...]
    ruled_out_by: str
    because_of: tuple[str, ...]
    per_subject: bool
    hinders: Hinders
    hindered_by: tuple[Hinders, ...]
    blocked_by: tuple[Hinders, ...]
    needs_new_tasks: bool
    fixed_by: Literal["", "troubleshoot"]
    not_in_sandbox: str


class Family:
    """The checks of one kind of fault, with what most of them share; calling it gives the decorator of one check."""

    def __init__(self, name: str, **shared: Unpack[CheckFacts]) -> None:
        self.name, self.shared = name, shared

    def __call__(self, id: str, **own: Unpack[CheckFacts]) -> Declare:
        """Register the decorated function as a check, with its docstring's first line as the title.

        What is not given here is as the family has it. Raises ValueError where the id is taken.
        """
        facts: CheckFacts = {**self.shared, **own}

        def declare(run: Callable[[Snapshot], Iterable[Answer]]) -> Check:
            title = (run.__doc__ or "").partition("\n")[0].rstrip(".")
            check = Check(id=id, family=self.name, title=title, run=run, **facts)
            key = (self.name == LOCAL, id)
            if key in _REGISTERED:
                raise ValueError(f"Two checks of a kind have the id {id}.")
            _REGISTERED[key] = check
            return check

        return declare


def checks_of(*modules: ModuleType) -> tuple[Check, ...]:
    """The checks that these modules registered, in their order there."""
    names = [module.__name__ for module in modules]
    return tuple(check for name in names for check in registered() if check.run.__module__ == name)


def registered() -> tuple[Check, ...]:
    """Every check of the modules imported so far."""
    return tuple(_REGISTERED.values())


def find(id: str, family: str = "") -> Check | None:
    """A check by its id; where a .env and a secret share it, the one of the family's side."""
    is_local = family == LOCAL
    return _REGISTERED.get((is_local, id)) or _REGISTERED.get((not is_local, id))
