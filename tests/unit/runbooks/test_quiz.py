"""The onboarding's questions and their grading, without a sandbox."""

from __future__ import annotations

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import quiz
from omc_runbook.runbooks.quiz import LETTERS, QUESTIONS

FAULTS = ("no-permission", "crlf")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_one_choice_is_right_and_each_says_why(question: quiz.Question) -> None:
    """The right letter is graded right with its own reason, the others wrong with theirs and the right choice."""
    for letter in LETTERS:
        mark, choice = quiz.grade(question, letter), question.choice(letter)
        assert mark.is_right is (letter == question.right)
        assert mark.why.startswith(choice.why) and choice.why.endswith(".")
        assert (question.choice(question.right).text in mark.why) or mark.is_right
        assert mark.answer == f"({letter}) {choice.text}"
    assert len({choice.text for choice in question.choices}) == 3


def test_no_answer_is_not_right() -> None:
    """What was left out is graded as such, with the right choice."""
    mark = quiz.grade(QUESTIONS[0], "")
    assert (mark.answer, mark.is_right) == ("", False)
    assert mark.why.startswith("Not answered. It is (a)")


def test_answers_are_read_in_order() -> None:
    """A letter for each question, then a fault for each drill, in any case; what is left out is empty."""
    assert quiz.parse("", FAULTS, 3) == ("",) * 10
    assert quiz.parse("a, ,c,a,b,c,b, crlf", FAULTS, 3) == ("a", "", "c", "a", "b", "c", "b", "crlf", "", "")
    assert quiz.parse("A,B, C", FAULTS, 3)[:4] == ("a", "b", "c", "")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ("d", "part 1 is neither a, b, c nor empty"),
        (
            "a,b,c,a,b,c,a,no-permision",
            r"drill 1 is not a fault: did you mean no-permission\? omc-runbook sandbox faults lists all",
        ),
        (",".join("a" * 11), "11 parts: there are 7 questions and 3 drills"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(answers: str, why: str) -> None:
    """Before anything is started: a letter that is no choice, a misspelt fault, too many parts."""
    with pytest.raises(UsageError, match=why):
        quiz.parse(answers, FAULTS, 3)
