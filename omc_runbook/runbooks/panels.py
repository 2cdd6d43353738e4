"""The questions and drills of the onboarding as widgets in JupyterLab."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.report import onboarding as report
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.rich_display import Group, RichDisplay, publish, update
from omc_runbook.report.troubleshoot import evidence
from omc_runbook.runbooks import drill
from omc_runbook.runbooks.course import DRILLS, Course
from omc_runbook.runbooks.drill import CourseDrill
from omc_runbook.runbooks.frontend import FULL_WIDTH, is_available, make_group_name, make_row, show_widget
from omc_runbook.runbooks.quiz import LETTERS, Question, grade


def question_listing(number: int, question: Question) -> Listing:
    """A question with its choices, to read."""
    choices = {letter: question.choice(letter).text for letter in LETTERS}
    return report.question(number, question.text, choices)


class QuestionPanel:
    """A question with a button; the first answer counts."""

    def __init__(self, course: Course, number: int, question: Question) -> None:
        self._course, self._number, self._question = course, number, question
        self._id = uuid4().hex

    def _ipython_display_(self) -> None:
        import ipywidgets

        self._banner = Banner("plain", f"Question {self._number}: {self._question.text}")
        answered = self._course.marks.get(self._question.name)
        self._course.make_replaceable()
        _show(Group(self._banner, report.mark(answered) if answered else None), self._id)
        if answered:
            return
        options = [(self._question.labelled(letter), letter) for letter in LETTERS]
        layout = ipywidgets.Layout(width="auto")
        self._choices = ipywidgets.RadioButtons(options=options, value=None, layout=layout)
        self._button = ipywidgets.Button(description="Answer", button_style="primary")
        self._button.on_click(self._answer)
        children = [self._choices, self._button]
        if is_available():
            children.append(make_group_name(self._question.text))
        show_widget(ipywidgets.VBox(children), "Answer it in JupyterLab.")

    def _answer(self, button: Any) -> None:
        letter = self._choices.value
        if letter is None:
            update(self._id, Group(self._banner, Banner("bad", "Choose an answer first.")))
            return
        self._choices.disabled = button.disabled = True
        mark = self._course.keep(self._question.name, grade(self._question, letter))
        update(self._id, Group(self._banner, report.mark(mark)))


class DrillPanel:
    """The drills one after the other: look, take hints, answer. Shown again, it goes on where it was."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._id = uuid4().hex
        self._past: list[RichDisplay] = []
        self._tables: RichDisplay | None = None
        self._drill: CourseDrill | None = None

    def _ipython_display_(self) -> None:
        import ipywidgets

        frontend = self._course.make_replaceable()
        _show(self._display(), self._id)
        wide = ipywidgets.Layout(width="auto")
        self._start = ipywidgets.Button(description="Start", button_style="primary", layout=wide)
        self._look = ipywidgets.Button(description="Look at the state", layout=wide)
        self._hint = ipywidgets.Button(description="Hint (costs 2 points)", layout=wide)
        families = dict.fromkeys(fault.family for fault in self._course.faults)
        as_label = {"description_width": "initial"}
        self._family = ipywidgets.Dropdown(
            description="It is about",
            options=[("what?", ""), *((family, family) for family in sorted(families))],
            style=as_label,
            layout=ipywidgets.Layout(width="16em"),
        )
        self._fault = ipywidgets.Dropdown(
            description="and is", style=as_label, layout=ipywidgets.Layout(width="40em", max_width=FULL_WIDTH)
        )
        self._family.observe(self._offer_faults, "value")
        self._offer_faults()
        self._answer = ipywidgets.Button(description="Answer", button_style="primary", layout=wide)
        for button, act in (
            (self._start, self._begin),
            (self._look, self._do_look),
            (self._hint, self._do_hint),
            (self._answer, self._do_answer),
        ):
            button.on_click(self._guarded(act))
        self._row = make_row(self._controls)
        hidden = (frontend.widget,) if frontend else ()
        show_widget(ipywidgets.VBox((self._row, *hidden)), "Answer them in JupyterLab.")

    @property
    def _controls(self) -> tuple[Any, ...]:
        """The widgets for what can be done now."""
        if self._drill:
            return self._look, self._hint, self._family, self._fault, self._answer
        return () if len(self._past) == len(DRILLS) else (self._start,)

    def _offer_faults(self, _: object = None) -> None:
        """Offer the faults of the chosen family, each with what it breaks: all of them are too many to read."""
        own = [fault for fault in self._course.faults if fault.family == self._family.value]
        self._fault.options = [
            ("which fault?", ""),
            *((f"{fault.id}: {fault.breaks}", fault.id) for fault in sorted(own, key=lambda fault: fault.id)),
        ]

    def _guarded(self, act: Any) -> Any:
        """A press that shows that it works, ignores those that are queued meanwhile, and shows an error of ours."""

        def press(button: Any) -> None:
            if button.disabled:
                return
            label, button.disabled, button.description = button.description, True, "Working …"
            try:
                act()
                self._refresh()
            except RunbookError as error:
                self._refresh(Banner("bad", str(error)))
            finally:
                button.disabled, button.description = False, label

        return press

    def _begin(self) -> None:
        completed = len(self._past)
        if completed < len(DRILLS):
            self._drill, self._tables = drill.start(self._course, completed), None
            self._family.value = ""

    def _do_look(self) -> None:
        if self._drill:
            self._tables, _ = self._drill.look()

    def _do_hint(self) -> None:
        if self._drill:
            self._drill.hint()

    def _do_answer(self) -> None:
        if self._drill is None:
            return
        if not self._fault.value:
            raise UsageError("Choose a fault first.")
        _, findings = self._drill.look()
        graded = self._drill.answer(self._fault.value, is_own=True)
        self._past.append(Group(self._drill.head, graded, evidence(findings)))
        self._drill, self._tables = None, None
        self._begin()

    def _refresh(self, error: RichDisplay | None = None) -> None:
        self._row.children = self._controls
        update(self._id, self._display(error))

    def _display(self, error: RichDisplay | None = None) -> Group:
        begin = Banner("plain", f"{len(DRILLS)} drills: press Start when you are ready.")
        head = self._drill.head if self._drill else None if self._past else begin
        return Group(*self._past, head, self._tables, error)


def _show(display: RichDisplay, display_id: str) -> None:
    publish(display_id, display._repr_mimebundle_())
