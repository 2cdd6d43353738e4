"""What a shell completes: runbooks, their parameters, environments, and the sandbox's faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omc_runbook.headless import notebooks
from omc_runbook.model import environment
from omc_runbook.model.errors import UsageError

_ENVIRONMENTS = frozenset({"environment", "environments"})


def runbooks(beginning: str) -> list[str]:
    """The runbooks whose names begin so."""
    return _starting(notebooks.paths(), beginning)


def parameters(runbook: str) -> list[str]:
    """The names of a runbook's parameters; none for a runbook that is not there."""
    try:
        return [each.name for each in notebooks.describe(runbook).parameters]
    except UsageError:
        return []


def assignments(names: Iterable[str], words: Sequence[str], beginning: str) -> list[str]:
    """NAME= for the names of parameters, and what can follow environment=, after the `words` before.

    bash takes NAME, = and VALUE for three words, other shells for one.
    """
    before = [word for word in words[-2:] if word != "="]
    is_split = bool(words) and (words[-1] == "=" or "=" not in words[-1])
    name, sign, value = (before[-1], "=", beginning) if is_split and before else beginning.partition("=")
    if not sign:
        return [f"{each}=" for each in _starting(names, name)]
    return [each if is_split else f"{name}={each}" for each in _values(name, value)]


def pair(names: Iterable[str], words: Sequence[str], beginning: str) -> list[str]:
    """The names of parameters, or what can follow one, after `words` of which -p is one of the last two."""
    return _starting(names, beginning) if words[-1] == "-p" else _values(words[-1], beginning)


def _values(name: str, beginning: str) -> list[str]:
    return environments(beginning) if name in _ENVIRONMENTS else []


def environments(beginning: str) -> list[str]:
    """The environments that the guide or runbook.toml names, where it can be read."""
    try:
        return _starting(environment.known_names(), beginning)
    except UsageError:
        return []


def _starting(names: Iterable[str], beginning: str) -> list[str]:
    return [name for name in names if name.startswith(beginning)]
