"""What onboarding shows: questions, graded answers, drills, and what to read next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table

_LEVELS: dict[str, Level] = {"right": "good", "wrong": "error", "not answered": "unknown"}

_READING = (
    ("local_setup", "Local Development Setup", "omc-runbook run local_setup -p repository PATH"),
    ("create", "Initial Configuration", "omc-runbook run create -p environment production"),
    ("update", "Updating Secrets", "omc-runbook run update -p values_from file:secrets.json"),
    ("add_key", "Adding New Secrets", "omc-runbook run add_key -p repository PATH -p key NEWS_API_KEY"),
    ("rotate", "Rotating Secrets", "omc-runbook run rotate -p keys due"),
    ("verify", "Verifying Secrets in ECS", "omc-runbook run verify"),
    ("troubleshoot", "Troubleshooting", "omc-runbook run troubleshoot"),
)
"""The runbooks that were used, the section of the guide that each is for, and how to plan the same in earnest."""


NO_WIDGETS = (
    "This page shows no buttons, so the right answers are filled in, and none of yours is graded. To answer by"
    ' yourself, set answers in the parameters cell, such as answers = "a,b,c", and run all cells again, or open this'
    " notebook in JupyterLab."
)
"""What a person reads who cannot answer by a button."""


@dataclass(frozen=True)
class Mark:
    """How an answer to a question was graded, and why; `answer` is "" where there was none."""

    subject: str
    answer: str
    is_right: bool
    why: str


def where(checkout: str, endpoint: str) -> Banner:
    """The sandbox of this notebook, and that nothing else is touched."""
    lines = (
        f"Checkout {checkout}",
        f"Endpoint {endpoint}",
        "Nothing leaves this machine: no AWS account, profile, runbook.toml or checkout of yours is used.",
    )
    return Banner("sandbox", "onboarding: a sandbox of its own", lines)


def question(number: int, text: str, choices: Mapping[str, str]) -> Listing:
    """A question with its choices by letter."""
    return Listing(f"Question {number}: {text}", [Entry(f"({letter})", choice) for letter, choice in choices.items()])


def mark(graded: Mark) -> Banner:
    """Whether an answer was right, and why."""
    return Banner("good" if graded.is_right else "bad", "Right." if graded.is_right else "Wrong.", (graded.why,))


def solution(graded: Mark) -> Banner:
    """The verdict on a drill's answer, with its time and points."""
    return Banner("good" if graded.is_right else "bad", graded.why)


def symptom(number: int, count: int, text: str) -> Banner:
    """What somebody reports of a drill's fault."""
    return Banner("plain", f"Drill {number} of {count}: {text}")


def hints(texts: Sequence[str], points: int) -> Listing:
    """The hints that were taken, and what a right answer is worth now."""
    entries = [Entry(f"hint {number}", text) for number, text in enumerate(texts, 1)]
    return Listing(f"A right answer is worth {points} points", entries, "A hint costs 2 points.")


def marks(graded: Sequence[Mark], count: int) -> Table:
    """Each answer that was given, and whether it is right."""
    rows = [[each.subject, each.answer or "—", _word(each), each.why] for each in graded]
    right = sum(each.is_right for each in graded)
    open_answers = count - len(graded)
    still = f"; {open_answers} still open" if open_answers else ""
    title, empty = f"{right} of {count} right{still}", "Each answer is shown here once it is given."
    return Table(title, ["question", "answer", "result", "why"], rows, _LEVELS, empty)


def verdict(graded: Sequence[Mark], count: int) -> Banner:
    """How it ended, in one sentence."""
    right, open_answers = sum(each.is_right for each in graded), count - len(graded)
    if open_answers:
        return Banner("plain", f"{open_answers} of {count} answers are still open: they are above.")
    if right == count:
        return Banner("good", f"All {count} answers are right.")
    wrong = tuple(f"{each.subject} {each.why}" for each in graded if not each.is_right)
    return Banner("bad", f"{right} of {count} answers are right.", wrong)


def reading(results: Mapping[str, str]) -> Listing:
    """What was done with each runbook, and the guide's section for it."""
    entries = [
        Entry(runbook, f"the guide's {section}", lead=results[runbook])
        for runbook, section, _ in _READING
        if runbook in results
    ]
    return Listing("What you have done", entries, "Nothing yet: run the cells above.")


def by_hand() -> Listing:
    """The commands that plan in earnest what was done here."""
    entries = [Entry(runbook, f"the guide's {section}", command=line) for runbook, section, line in _READING]
    return Listing("The same for real", entries)


def _word(graded: Mark) -> str:
    return "right" if graded.is_right else "wrong" if graded.answer else "not answered"
