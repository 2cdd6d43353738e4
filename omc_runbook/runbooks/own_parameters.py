"""The parameters of the notebook that runs, as its shell has them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from omc_runbook.headless import notebooks
from omc_runbook.masking import kernel
from omc_runbook.model.errors import UsageError
from omc_runbook.model.parameters import PASTED, convert, literal, looks_secret, of_notebook, quoted
from omc_runbook.model.suggestions import SIMILAR, closest, nearest
from omc_runbook.repository.python_syntax import assigned, parse_python

P = ParamSpec("P")
R = TypeVar("R")

OF_ONE_RUN = frozenset({"apply", "confirm", "plan_to", "plan_from"})
"""Parameters that say what a run does with its plan, and not what it plans."""
NOT_AGAIN = PASTED | OF_ONE_RUN
"""Parameters that are left out when a change is finished: those of a single run, and pasted text."""

_KINDS = frozenset({"str", "bool", "int"})
_PARAMETERS = {"may_apply": "apply", "folder": "records"}
"""Arguments that are not named like their parameter, because a function of their module is."""
_INJECTED = "# Parameters\n"
"""How the cell begins that plain papermill adds below the parameters."""


@dataclass(frozen=True)
class Forgotten:
    """Stands for a parameter that its cell does not set, and that would keep its value of an earlier run."""

    sentence: str


def takes_parameters(verb: Callable[P, R]) -> Callable[P, R]:
    """Convert a verb's texts, switches and integers, which are a notebook's parameters, to the types that it declares.

    The verb raises UsageError, named after the parameter, where one is of another type, where plain papermill was
    given one that the notebook does not declare, or where the cell of the parameters no longer sets one.
    """
    signature = inspect.signature(verb)
    kinds = {name: each.annotation for name, each in signature.parameters.items() if each.annotation in _KINDS}

    @wraps(verb)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        _refuse_unknown()
        _refuse_forgotten()
        bound = signature.bind(*arguments, **keywords)
        for name in kinds.keys() & bound.arguments.keys():
            bound.arguments[name] = of_notebook(_PARAMETERS.get(name, name), bound.arguments[name], kinds[name])
        return verb(*bound.args, **bound.kwargs)

    return call


def _refuse_unknown() -> None:
    """Raise UsageError for a parameter of plain papermill that no cell declares: papermill itself only warns."""
    shell = kernel.find_ipython()
    cells: list[str] = shell.user_ns.get("In", []) if shell else []
    declaring = [(at, each.name) for at, cell in enumerate(cells) for each in notebooks.declared_parameters(cell)]
    declared = {name for _, name in declaring}
    # One above the last of them is of an earlier run in the same kernel.
    below = cells[declaring[-1][0] :] if declaring else []
    injected = next((cell for cell in below if cell.startswith(_INJECTED)), "")
    nodes = (node for node in ast.parse(injected).body if isinstance(node, ast.Assign))
    for name in (ast.unparse(target) for node in nodes for target in node.targets):
        if name not in declared:
            raise UsageError(f"The notebook has no parameter {quoted(name)}{nearest(name, declared)} Nothing was done.")


def _refuse_forgotten() -> None:
    shell = kernel.find_ipython()
    for value in shell.user_ns.values() if shell else ():
        if isinstance(value, Forgotten):
            raise UsageError(value.sentence)


def set_by(cell: str) -> frozenset[str]:
    """The names to which a cell gives a value, each by itself; none for plain papermill's own cell."""
    body = [] if cell.startswith(_INJECTED) else parse_python(cell).body
    return frozenset(name for name, _ in assigned(body))


def declared_in(names: Mapping[str, Any], assigned: Collection[str]) -> frozenset[str]:
    """The parameters of the notebook whose cell sets these; none where no runbook is imported under its name.

    Of several runbooks, as where a person tries another one, it is that of whose parameters it sets most.
    """
    imported = (name for name in notebooks.paths() if isinstance(names.get(name), ModuleType))
    declared = (frozenset(each.name for each in notebooks.describe(name).parameters) for name in imported)
    return max(declared, key=lambda each: len(each.intersection(assigned)) / len(each), default=frozenset())


def forget(names: MutableMapping[str, Any], declared: Collection[str], assigned: Collection[str]) -> None:
    """Forget the values of parameters that the cell which is about to run does not set: it would keep them in silence.

    In a new kernel they would have none.
    """
    unknown = {*assigned} - {*declared}
    for name in sorted(({*declared} - {*assigned}) & names.keys()):
        misspelt = closest(name, unknown, SIMILAR)
        reason = f"it sets {quoted(misspelt)}: did you mean {name}?" if misspelt else "it was set when it ran before."
        names[name] = Forgotten(f"The parameters cell does not set {name}; {reason} Set it there, and run all cells.")


def read(runbook: str) -> dict[str, str]:
    """Its environment, and its other parameters where they are not their defaults; empty outside of its notebook."""
    shell = kernel.find_ipython()
    if shell is None or runbook not in notebooks.paths():
        return {}
    values = {name: value for name, value in shell.user_ns.items() if isinstance(value, str | int | list)}
    if "environment" not in values:
        return {}
    parameters = notebooks.describe(runbook).parameters
    texts = {
        each.name: of_notebook(each.name, values[each.name], each.kind) for each in parameters if each.name in values
    }
    return {
        each.name: str(texts[each.name])
        for each in parameters
        if each.name in texts and (each.name == "environment" or literal(texts[each.name]) != each.default)
    }


def to_finish(runbook: str) -> dict[str, str]:
    """Those with which a change that was not finished is begun again."""
    return {name: text for name, text in read(runbook).items() if name not in NOT_AGAIN and not looks_secret(text)}


def go_on(runbook: str, parameters: Mapping[str, str], word: str) -> str:
    """The command that begins a change again, with the word that it asks for; or a sentence without its parameters."""
    if not parameters:
        return f"Run {runbook} again, with the same parameters."
    return notebooks.with_confirmation(notebooks.applying_command(runbook, parameters), word)


def all_parameters(runbook: str, texts: Mapping[str, str]) -> dict[str, str | bool]:
    """All parameters of a runbook's notebook, with these texts; the others have their defaults."""
    return {
        each.name: convert(each.name, texts[each.name], each.kind)
        if each.name in texts
        else ast.literal_eval(each.default)
        for each in notebooks.describe(runbook).parameters
    }
