"""Questions with choices, and their grading: pure functions of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import nearest
from omc_runbook.report.onboarding import Mark

LETTERS = "abc"


@dataclass(frozen=True)
class PossibleAnswer:
    """A possible answer, and why it is right or wrong."""

    text: str
    why: str


@dataclass(frozen=True)
class Question:
    """A question, which choice is right (a, b or c), and the choices in this order."""

    name: str
    text: str
    right: str
    choices: tuple[PossibleAnswer, ...]

    def choice(self, letter: str) -> PossibleAnswer:
        """The choice of a letter."""
        return self.choices[LETTERS.index(letter)]

    def labelled(self, letter: str) -> str:
        """A choice with its letter: "(a) nothing"."""
        return f"({letter}) {self.choice(letter).text}"


def _question(name: str, text: str, right: str, *choices: tuple[str, str]) -> Question:
    return Question(name, text, right, tuple(PossibleAnswer(*choice) for choice in choices))


QUESTIONS = (
    _question(
        "way",
        "A task of backend starts in staging. Who reads the secret?",
        "a",
        ("ECS, with the task execution role", "ECS reads it, and the process finds values in its environment."),
        ("the application, with its task role", "It may, and does not: it reads variables, as on your machine."),
        ("Terraform, when it is applied", "Terraform only writes references into the task definition."),
    ),
    _question(
        "local_setup",
        "Which of these files belongs in git?",
        "b",
        (".env", "It has your values: git ignores it, and only you can read it."),
        (".env.template", "It has every name and no value, so that the next person can begin."),
        ("secrets.json", "It has values, and is deleted once they are in the secret."),
    ),
    _question(
        "create",
        "A new secret has placeholders. Services that use it are deployed. What happens?",
        "c",
        ("ECS refuses to start their tasks", "To ECS a placeholder is a value like any other."),
        ("ECS waits for the real values", "ECS reads what is there when a task starts."),
        ("the tasks start with the placeholders", "So it fails later and elsewhere, such as at a login."),
    ),
    _question(
        "update",
        "You wrote new values into the secret. What else do running services need?",
        "b",
        ("nothing", "A process keeps the environment with which it was started."),
        ("new tasks", "Only a task that starts reads the secret: hence the new deployment."),
        ("terraform apply", "References stay the same, so that Terraform has nothing to change."),
    ),
    _question(
        "add_key",
        "Why must a key be in the secret before a task definition refers to it?",
        "a",
        ("a task whose key is missing does not start", "ECS stops it with ResourceInitializationError."),
        ("IAM needs a permission for each key", "A permission is for the whole secret."),
        ("Settings would refuse the variable", "Settings does not know where a variable comes from."),
    ),
    _question(
        "rotate",
        "A key was rotated an hour ago, and nothing was redeployed. What does a running task have?",
        "c",
        ("the new value", "Nobody tells a running process of it."),
        ("no value", "Its environment stays as it was at its start."),
        ("the former value, until it is replaced", "Redeploy before the former value is revoked."),
    ),
    _question(
        "verify",
        "verify says: unknown, AccessDenied. What do you know?",
        "b",
        ("that nothing is wrong", "What could not be read proves nothing."),
        ("which permission to ask for", "Unknown is not clear: get the permission, and run it again."),
        ("that the secret is missing", "That would be a finding of its own, with evidence."),
    ),
)
"""The questions of the onboarding, in its order."""


def find(name: str) -> tuple[int, Question]:
    """A question by its name, with its number from 1."""
    return next((number, each) for number, each in enumerate(QUESTIONS, 1) if each.name == name)


def parse(answers: str, faults: Sequence[str], drills: int) -> tuple[str, ...]:
    """The answers in a text with commas: a letter for each question, then a fault's id for each drill; "" for none.

    Raises UsageError for too many, for a letter that is no choice, and for an unknown fault.
    """
    parts = tuple(part.strip().lower() for part in answers.split(",")) if answers.strip() else ()
    count = len(QUESTIONS) + drills
    if len(parts) > count:
        raise UsageError(f"answers has {len(parts)} parts: there are {len(QUESTIONS)} questions and {drills} drills.")
    for number, letter in enumerate(parts[: len(QUESTIONS)], 1):
        if letter not in ("", *LETTERS):
            raise UsageError(f"answers, part {number} is neither {', '.join(LETTERS)} nor empty.")
    for number, fault in enumerate(parts[len(QUESTIONS) :], 1):
        if fault and fault not in faults:
            known = f"{nearest(fault, faults)} omc-runbook sandbox faults lists all."
            raise UsageError(f"answers, drill {number} is not a fault{known}")
    return parts + ("",) * (count - len(parts))


def grade(question: Question, letter: str) -> Mark:
    """Grade one answer, with the reason; no answer is not right."""
    right = question.labelled(question.right)
    if not letter:
        return Mark(question.text, "", False, f"Not answered. It is {right}.")
    chosen, is_right = question.choice(letter), letter == question.right
    why = chosen.why if is_right else f"{chosen.why} It is {right}."
    return Mark(question.text, question.labelled(letter), is_right, why)
