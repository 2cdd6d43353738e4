"""The parameters of the notebook that runs, as its shell has them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping

from omc_runbook.headless import notebooks
from omc_runbook.model.parameters import PASTED, convert, literal, looks_secret

NOT_AGAIN = PASTED | {"apply", "confirm", "plan_to", "plan_from"}
"""Parameters without which a change is finished: those of a single run, and pasted text."""


def read(runbook: str) -> dict[str, str]:
    """Its environment, and its other parameters where they are not their defaults; empty outside of its notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or runbook not in notebooks.paths():
        return {}
    values = {name: value for name, value in shell.user_ns.items() if isinstance(value, str | int)}
    if "environment" not in values:
        return {}
    return {
        each.name: str(values[each.name])
        for each in notebooks.describe(runbook).parameters
        if each.name in values and (each.name == "environment" or literal(values[each.name]) != each.default)
    }


def to_finish(runbook: str) -> dict[str, str]:
    """Those with which a change that was not finished is begun again."""
    return {name: text for name, text in read(runbook).items() if name not in NOT_AGAIN and not looks_secret(text)}


def go_on(runbook: str, parameters: Mapping[str, str], word: str) -> str:
    """The command that begins a change again, with the word that it asks for; or a sentence without its parameters."""
    if not parameters:
        return f"Run {runbook} again, with the same parameters."
    return notebooks.confirmed(notebooks.applying_command(runbook, parameters), word)


def typed(runbook: str, texts: Mapping[str, str]) -> dict[str, str | bool]:
    """All parameters of a runbook's notebook, with these texts; the others have their defaults."""
    return {
        each.name: convert(each.name, texts[each.name], each.kind)
        if each.name in texts
        else ast.literal_eval(each.default)
        for each in notebooks.describe(runbook).parameters
    }
