"""What the last cell of an onboarding says was done, and what a question shows that was answered before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.report import onboarding as report
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.onboarding import Mark
from omc_runbook.runbooks import onboarding, panels
from omc_runbook.runbooks.course import DRILLS, Course, PossibleFault
from omc_runbook.runbooks.practice import Practice
from omc_runbook.runbooks.quiz import QUESTIONS, grade

FAULTS = (
    PossibleFault("misspelt", "local", "A name is misspelt."),
    PossibleFault("no-permission", "access", "The role may not read it."),
    PossibleFault("boundary", "access", "A boundary denies it."),
)
NEW = "SECRET_KEY has a new value, and no task has an older one."


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Course:
    """A course that a person answers, whose sandbox has ended."""
    monkeypatch.setattr(Course, "is_interactive", True)
    practice = cast(Practice, SimpleNamespace(end=lambda: None, active=nullcontext, checkout=tmp_path / "gone"))
    return Course(practice=practice, started=datetime.now(UTC), faults=FAULTS, answers=None)


def closing_text(course: Course) -> str:
    """The text of the last cell: which steps are done."""
    return report.reading(course.achievements).to_text()


def test_a_step_that_failed_is_not_said_to_be_done(course: Course) -> None:
    """What its result says stands instead; a further run of the step replaces it, and adds nothing."""
    course.note("rotate", Banner("bad", "It failed, and SECRET_KEY is as before."), NEW)
    assert NEW not in closing_text(course) and "It failed, and SECRET_KEY is as before." in closing_text(course)
    for _ in range(2):
        course.note("rotate", Banner("good", "Done and verified."), NEW)
    assert closing_text(course).count(NEW) == 1 and "It failed" not in closing_text(course)


def test_each_column_of_the_marks_has_a_heading() -> None:
    """A screen reader says it with each cell."""
    marks = report.marks([Mark("Question 1", "a", True, "Why."), Mark("Question 2", "b", False, "Why.")], 2)
    assert all(marks.columns) and [row[2] for row in marks.rows] == ["right", "wrong"]


def test_a_drill_is_done_once_it_is_answered(course: Course) -> None:
    """To show the drills is not to find their faults; shown again, they go on where they were."""
    display = onboarding.drills(course)
    assert "troubleshoot" not in closing_text(course)
    assert onboarding.drills(course) is display
    for name, is_right in zip(DRILLS, (True, False, True), strict=True):
        course.keep(name, Mark(name, name, is_right, "Why."))
    assert "2 of 3 faults were found by their symptoms." in closing_text(course)


def test_a_drill_offers_the_faults_of_one_family_and_says_what_each_breaks(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer knows no id, and reads no list of all."""
    monkeypatch.setattr(panels, "_show", lambda *_: None)
    monkeypatch.setattr(panels, "show_widget", lambda *_: None)
    panel = panels.DrillPanel(course)
    panel._ipython_display_()
    assert [label for label, _ in panel._family.options] == ["what?", "access", "local"]
    assert panel._fault.options == (("which fault?", ""),)
    panel._family.value = "access"
    assert [label for label, _ in panel._fault.options] == [
        "which fault?",
        "boundary: A boundary denies it.",
        "no-permission: The role may not read it.",
    ]
    panel._fault.value = "boundary"
    panel._family.value = "local"
    assert panel._fault.value == "" and ("misspelt: A name is misspelt.", "misspelt") in panel._fault.options


def test_an_answered_question_shows_the_answer_that_counts(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that is run again does not ask again, since the first answer counts."""
    outputs: list[Any] = []
    monkeypatch.setattr(panels, "_show", lambda display, _: outputs.append(display.to_text()))
    monkeypatch.setattr(panels, "show_widget", lambda *_: outputs.append("widgets"))
    first, question = grade(QUESTIONS[0], "b"), QUESTIONS[0]
    panels.QuestionPanel(course, 1, question)._ipython_display_()
    assert len(outputs) == 2
    assert course.keep(question.name, first) is first is course.keep(question.name, grade(question, "a"))
    panels.QuestionPanel(course, 1, question)._ipython_display_()
    assert len(outputs) == 3 and "Wrong." in outputs[-1]


STEPS = (
    onboarding.local_setup,
    onboarding.create,
    onboarding.update,
    onboarding.add_key,
    onboarding.stale,
    onboarding.rotate,
    onboarding.verify,
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_step_after_the_last_answer_says_that_the_sandbox_has_ended(
    course: Course, step: Callable[[Course], object]
) -> None:
    """It has no folder any more to write into."""
    with pytest.raises(UsageError, match="The sandbox has ended"):
        step(course)
