"""What a shell completes: runbooks, their parameters, environments, paths, and the sandbox's faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from click.shell_completion import CompletionItem

from omc_runbook.headless import notebooks
from omc_runbook.model import environment
from omc_runbook.model.errors import UsageError

Completions = list[str] | list[CompletionItem]

_ENVIRONMENTS = frozenset({"environment", "environments"})
_PATHS = frozenset({"plan_from", "plan_to", "python", "records", "repository", "runbook_toml", "terraform_dir"})


def runbooks(beginning: str) -> list[str]:
    """The runbooks whose names begin so."""
    return _starting(notebooks.paths(), beginning)


def parameters(runbook: str) -> list[str]:
    """The names of a runbook's parameters; none for a runbook that is not there."""
    try:
        return [each.name for each in notebooks.describe(runbook).parameters]
    except UsageError:
        return []


def assignments(names: Iterable[str], words: Sequence[str], beginning: str) -> Completions:
    """NAME= for the names of parameters, and what can follow one of them, after the `words` before.

    bash takes NAME, = and VALUE for three words, other shells for one.
    """
    before = [word for word in words[-2:] if word != "="]
    is_split = bool(words) and (words[-1] == "=" or "=" not in words[-1])
    name, sign, value = (before[-1], "=", beginning) if is_split and before else beginning.partition("=")
    if not sign:
        return [f"{each}=" for each in _starting(names, name)]
    if is_split:
        return _values(name, value)
    # A shell completes a path only as a word of its own.
    return [f"{name}={each}" for each in _values(name, value) if isinstance(each, str)]


def pair(names: Iterable[str], words: Sequence[str], beginning: str) -> Completions:
    """The names of parameters, or what can follow one, after `words` of which -p is one of the last two."""
    return _starting(names, beginning) if words[-1] == "-p" else _values(words[-1], beginning)


def _values(name: str, beginning: str) -> Completions:
    return environments(beginning) if name in _ENVIRONMENTS else paths(beginning) if name in _PATHS else []


def paths(beginning: str) -> list[CompletionItem]:
    """What tells the shell to complete a file or folder itself."""
    return [CompletionItem(beginning, type="file")]


def environments(beginning: str) -> list[str]:
    """The environments that the guide or runbook.toml names, where it can be read."""
    try:
        return _starting(environment.known_names(), beginning)
    except UsageError:
        return []


def _starting(names: Iterable[str], beginning: str) -> list[str]:
    return [name for name in names if name.startswith(beginning)]
