"""What a shell completes: runbooks, their parameters, environments, and the sandbox's faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omc_runbook.headless import notebooks
from omc_runbook.model import environment
from omc_runbook.model.errors import UsageError

_ENVIRONMENT = "environment"


def runbooks(beginning: str) -> list[str]:
    """The runbooks whose names begin so."""
    return _starting(notebooks.paths(), beginning)


def parameters(runbook: str, beginning: str) -> list[str]:
    """The names of a runbook's parameters that begin so; none for a runbook that is not there."""
    try:
        return _starting((each.name for each in notebooks.describe(runbook).parameters), beginning)
    except UsageError:
        return []


def assignments(runbook: str, words: Sequence[str], beginning: str) -> list[str]:
    """NAME= for a runbook's parameters, and what can follow environment=, after the `words` before.

    bash takes NAME, = and VALUE for three words, other shells for one.
    """
    before = [word for word in words[-2:] if word != "="]
    is_split = bool(words) and (words[-1] == "=" or "=" not in words[-1])
    name, sign, value = (before[-1], "=", beginning) if is_split and before else beginning.partition("=")
    if not sign:
        return [f"{each}=" for each in parameters(runbook, name)]
    return [each if is_split else f"{name}={each}" for each in environments(value)] if name == _ENVIRONMENT else []


def environments(beginning: str) -> list[str]:
    """The environments that the guide or runbook.toml names, where it can be read."""
    try:
        return _starting(environment.known_names(), beginning)
    except UsageError:
        return []


def _starting(names: Iterable[str], beginning: str) -> list[str]:
    return [name for name in names if name.startswith(beginning)]
