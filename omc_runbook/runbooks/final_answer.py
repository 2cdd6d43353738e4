"""An answer with the buttons that lead on from it: do it, open the notebook that does, copy a command or a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omc_runbook.headless import notebooks
from omc_runbook.model.findings import Outcome, Remedy, is_sentence
from omc_runbook.report.answer import Answer
from omc_runbook.report.display.rich_display import Group, RichDisplay
from omc_runbook.report.index import ANSWER as LAST
from omc_runbook.report.index import Place
from omc_runbook.runbooks import own_parameters
from omc_runbook.runbooks.button import Button
from omc_runbook.runbooks.frontend import Frontend, is_available, make_button, make_row, show_widget
from omc_runbook.runbooks.page import ANSWER, Page

AGAIN = "Run all cells again"
SHOWN = 3
"""How many notebooks an answer offers to open."""
_NAMING = ("environment", "key", "keys")
"""Parameters whose values say what they are; of another one, such as `remove`, the value alone would mislead."""


@dataclass(frozen=True)
class Link:
    """A button's label, and what it does in the browser."""

    label: str
    act: Callable[[Frontend], None]


def open_link(runbook: str, parameters: Mapping[str, str], label: str, leads_to: Place = LAST) -> Link:
    """A button that opens a notebook with its parameters set, and leads to a place in it."""
    return Link(label, lambda frontend: frontend.open(runbook, parameters, leads_to))


def copy_link(text: str, what: str) -> Link:
    """A button that copies a text."""
    return Link(f"Copy {what}", lambda frontend: frontend.copy(text))


class FinalAnswer(Group):
    """An answer, and below it the button that applies the plan, where there is one, and what leads on.

    On a page with other buttons, it shows what these have left.
    """

    def __init__(
        self,
        answer: RichDisplay,
        button: Button | None = None,
        links: Sequence[Link] | None = None,
        page: Page | None = None,
    ) -> None:
        super().__init__(answer)
        self._answer, self._button, self._links, self._page = answer, button, links, page or Page()
        self._frontend: Frontend | None = None
        self._row: Any = None

    def _ipython_display_(self) -> None:
        from IPython.display import display

        self._page.cells.keep(ANSWER, self._answer)
        display(self._answer)
        self._page.add(ANSWER, self)
        found = self._found(self._answer, self._links) if is_available() else ()
        is_needed = found or self._button or self._page.has_others
        self._frontend = Frontend() if is_available() and is_needed else None
        buttons = self._buttons(found)
        if self._button:
            self._button.beside, self._button.frontend = buttons, self._frontend
            display(self._button)
        elif self._frontend:
            self._row = make_row((*buttons, self._frontend.widget), align_items="center")
            for first in buttons[:1]:
                first.button_style = "primary"
            labels = "; ".join(link.label for link in found)
            show_widget(self._row, f"In JupyterLab, by a button: {labels}." if labels else "")

    def hold(self) -> None:
        """Let nothing be pressed while another row's button works."""
        if self._button:
            self._button.hold()

    def release(self) -> None:
        """Let the same be pressed again."""
        if self._button:
            self._button.release()

    def settle(self) -> None:
        """Lead on from what the cell shows now, and to a new plan: the one before is out of date."""
        now = self._page.cells.displays.get(ANSWER)
        again = Link(AGAIN, lambda frontend: frontend.plan({}))
        buttons = self._buttons((again, *self._found(now, None)))
        if self._button:
            self._button.retire(buttons)
        elif self._row and self._frontend:
            self._row.children = (*buttons, self._frontend.widget)

    def _buttons(self, links: Sequence[Link]) -> list[Any]:
        return [link_button(link, self._frontend) for link in links] if self._frontend else []

    def _found(self, answer: object, others: Sequence[Link] | None) -> Sequence[Link]:
        if others is not None or not isinstance(answer, Answer):
            return others or ()
        return tuple(links(answer))


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
    new = [each.remedy for each in outcome.findings if each.is_unexplained]
    # What was wrong before the run and still is leads on where nothing new is wrong.
    remedies = new or [each.remedy for each in outcome.findings if each.is_from_before]
    others = {each.invocation: each for each in remedies if each.runbook not in ("", outcome.runbook)}
    yield from _openings([*others.values()][:SHOWN])
    command = _command(outcome, remedies)
    if command:
        yield copy_link(command, "the command")
    if answer.policy:
        yield copy_link(answer.policy, "the policy to ask for")


def _openings(remedies: Sequence[Remedy]) -> Iterator[Link]:
    """A button for each; those that open the same notebook say what tells them apart, such as the environment."""
    for remedy in remedies:
        alike = [each.parameters for each in remedies if each.runbook == remedy.runbook]
        own = {
            name: value for name, value in remedy.parameters.items() if any(each.get(name) != value for each in alike)
        }
        named = {name: value for name, value in own.items() if name in _NAMING}
        is_alone = sum(named.items() <= each.items() for each in alike) == 1
        others = [] if is_alone else [f"{name}={value}" for name, value in own.items() if name not in named]
        words = [f" {word} {', '.join(each)}" for word, each in (("for", named.values()), ("with", others)) if each]
        yield open_link(remedy.runbook, remedy.parameters, f"Open {remedy.runbook}.ipynb{''.join(words)}, filled in")


def _command(outcome: Outcome, remedies: Sequence[Remedy]) -> str:
    """The command that applies the plan, or the first that a remedy has."""
    if outcome.can_be_applied:
        command = notebooks.applying_command(outcome.runbook, own_parameters.read(outcome.runbook))
        return outcome.applied_by(notebooks.with_confirmation(command, outcome.confirm))
    return next((way for each in remedies for way in each.ways if not is_sentence(way)), "")
