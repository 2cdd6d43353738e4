"""An answer with the buttons that lead on from it: do it, open the notebook that does, copy a command or a policy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omc_runbook.headless import notebooks
from omc_runbook.model.findings import Outcome, Remedy, is_sentence
from omc_runbook.model.parameters import literal
from omc_runbook.report.answer import Answer
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.index import ANSWER, Place
from omc_runbook.runbooks.button import Button
from omc_runbook.runbooks.frontend import Frontend, is_available, make_button

SHOWN = 3
"""How many notebooks an answer offers to open."""


@dataclass(frozen=True)
class Link:
    """A button's label, and what it does in the browser."""

    label: str
    act: Callable[[Frontend], None]


def opening(runbook: str, parameters: Mapping[str, str], label: str = "", leads_to: Place = ANSWER) -> Link:
    """A button that opens a notebook with its parameters set, and leads to a place in it."""
    return Link(
        label or f"Open {runbook}.ipynb, filled in", lambda frontend: frontend.open(runbook, parameters, leads_to)
    )


def copying(text: str, what: str) -> Link:
    """A button that copies a text."""
    return Link(f"Copy {what}", lambda frontend: frontend.copy(text))


class LastWord(RichDisplay):
    """An answer, and below it the button that applies the plan, where there is one, and what leads on."""

    def __init__(self, answer: RichDisplay, button: Button | None = None, links: Sequence[Link] | None = None) -> None:
        self._answer, self._button, self._links = answer, button, links

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._answer)
        found = self._found() if is_available() else ()
        frontend = Frontend() if is_available() and (found or self._button) else None
        buttons = [link_button(link, frontend) for link in found] if frontend else []
        if self._button:
            self._button.beside, self._button.frontend = buttons, frontend
            display(self._button)
        elif frontend:
            import ipywidgets

            buttons[0].button_style = "primary"
            row = ipywidgets.HBox(
                (*buttons, frontend.widget),
                layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"),
            )
            labels = "; ".join(link.label for link in found)
            display(row._repr_mimebundle_() | {"text/plain": f"In JupyterLab, by a button: {labels}."}, raw=True)

    def _found(self) -> Sequence[Link]:
        if self._links is not None or not isinstance(self._answer, Answer):
            return self._links or ()
        return tuple(links(self._answer))

    def to_html(self) -> str:
        """Render the answer as HTML."""
        return self._answer.to_html()

    def to_text(self) -> str:
        """Render the answer as plain text."""
        return self._answer.to_text()


def link_button(link: Link, frontend: Frontend) -> Any:
    """The widget of a link."""
    button = make_button(link.label)
    button.on_click(lambda _: link.act(frontend))
    return button


def links(answer: Answer) -> Iterator[Link]:
    """What leads on from an answer: the notebooks of its remedies, a command, and a policy to ask for."""
    outcome = answer.outcome
    if outcome is None:
        return
    remedies = [finding.remedy for finding in outcome.findings if finding.is_root_cause]
    others = {each.invocation: each for each in remedies if each.runbook not in ("", outcome.runbook)}
    yield from (opening(each.runbook, each.parameters) for each in [*others.values()][:SHOWN])
    command = _command(outcome, remedies)
    if command:
        yield copying(command, "the command")
    if answer.policy:
        yield copying(answer.policy, "the policy to ask for")


def _command(outcome: Outcome, remedies: Sequence[Remedy]) -> str:
    """The command that applies the plan, or the first that a remedy has."""
    if outcome.is_plan and outcome.plan:
        return notebooks.applying_command(outcome.runbook, _parameters(outcome.runbook))
    return next((way for each in remedies for way in each.ways if not is_sentence(way)), "")


def _parameters(runbook: str) -> dict[str, str]:
    """The environment of the notebook that runs, and its other parameters where they are not its defaults."""
    values = sys.modules["IPython"].get_ipython().user_ns
    declared = notebooks.describe(runbook).parameters
    return {
        each.name: str(values[each.name])
        for each in declared
        if each.name == "environment" or literal(values[each.name]) != each.default
    }
