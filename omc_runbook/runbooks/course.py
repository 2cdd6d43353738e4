"""The state of an onboarding: its sandbox, the answers with their marks, and the displays that follow them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omc_runbook.masking import kernel
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import onboarding as report
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.onboarding import Mark
from omc_runbook.runbooks import quiz
from omc_runbook.runbooks.frontend import Frontend, is_available, shows_widgets
from omc_runbook.runbooks.page import Cells
from omc_runbook.runbooks.practice import Practice
from omc_runbook.runbooks.quiz import QUESTIONS, Question
from omc_runbook.textfile import private_file

DRILLS = ("no-permission", "deployment-paused", "misspelt")
"""One fault for each issue of the guide's Troubleshooting: cannot read, not updating, local development."""

COUNT = len(QUESTIONS) + len(DRILLS)


@dataclass(frozen=True)
class PossibleFault:
    """A fault of the sandbox: its id, its family, and what it breaks, in a sentence."""

    id: str
    family: str
    breaks: str


@dataclass(kw_only=True)
class Course:
    """An onboarding that has begun; a notebook displays it as a banner."""

    practice: Practice
    started: datetime
    faults: tuple[PossibleFault, ...]
    """The faults that a drill can be answered with."""
    answers: tuple[str, ...] | None
    """The answers of the parameter; None where a person is asked, or nobody: then the right ones are taken."""
    marks: dict[str, Mark] = field(default_factory=dict)
    """The graded answers by the name of their question or fault."""
    results: dict[str, str] = field(default_factory=dict)
    """How each step ended, a sentence by its runbook's name."""
    drill_panel: Any = None
    """The panel of the drills, which its cell shows again where that is run again."""
    _frontend: Frontend | None = None
    _live: dict[str, Callable[[], RichDisplay]] = field(default_factory=dict)
    _cells: Cells = field(default_factory=Cells)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """The banner for Jupyter."""
        return self.banner._repr_mimebundle_()

    @property
    def banner(self) -> Banner:
        """Where everything happens."""
        banner = report.where(str(self.practice.checkout), self.practice.variables["AWS_ENDPOINT_URL"])
        return banner.with_lines(report.NO_WIDGETS) if self.is_self_answering else banner

    @property
    def is_interactive(self) -> bool:
        """Whether a person answers: in JupyterLab, with widgets, and without answers in the parameter."""
        return self.answers is None and shows_widgets() and find_spec("ipywidgets") is not None

    @property
    def is_self_answering(self) -> bool:
        """Whether a person looks at a page without widgets, to whom the right answers are shown."""
        is_headless = OUTCOME_VARIABLE in os.environ or not kernel.allows_input()
        return self.answers is None and not self.is_interactive and not is_headless

    @property
    def is_over(self) -> bool:
        """Whether every question and drill was answered."""
        return len(self.marks) == COUNT

    @property
    def checkout(self) -> Path:
        """The sandbox's checkout; raises UsageError once the sandbox has ended."""
        if not self.practice.checkout.is_dir():
            raise UsageError("The sandbox has ended, as with the last answer: run all cells again for a new one.")
        return self.practice.checkout

    @property
    def runbook_toml(self) -> str:
        """An empty runbook.toml, so that the guide's names count, whatever the user's own says.

        Raises UsageError as `checkout` does.
        """
        path = self.checkout / "runbook.toml"
        path.touch()
        return str(path)

    def put(self, name: str, content: str, beside: bool = False) -> str:
        """Write a source of values that only the user can read; returns the parameter `values_from` for it.

        It is in the checkout, or beside it, where git cannot publish it.
        """
        path = (self.checkout.parent if beside else self.checkout) / name
        private_file.write(path, content.encode())
        return f"file:{path}"

    def remove(self, values_from: str) -> None:
        """Remove a source that `put` wrote."""
        Path(values_from.partition(":")[2]).unlink()

    def answer_of(self, question: Question) -> str:
        """The letter that the parameter has for a question, or the right one."""
        number, _ = quiz.find(question.name)
        return question.right if self.answers is None else self.answers[number - 1]

    def fault_of(self, number: int, root_cause: str) -> str:
        """The fault that the parameter has for a drill, or the root cause that was found."""
        return root_cause if self.answers is None else self.answers[len(QUESTIONS) + number]

    def note(self, runbook: str, result: object, achieved: str) -> None:
        """Note how a runbook's step ended: what it has achieved, or what its result says instead."""
        assert isinstance(result, Banner)
        self.results[runbook] = achieved if result.style == "good" else result.headline

    @property
    def achievements(self) -> dict[str, str]:
        """What was done, a sentence by runbook; drills count once they are answered."""
        answered = [self.marks[name] for name in DRILLS if name in self.marks]
        found = f"{sum(mark.is_right for mark in answered)} of {len(DRILLS)} faults were found by their symptoms."
        return self.results | ({"troubleshoot": found} if answered else {})

    def make_replaceable(self) -> Frontend | None:
        """Have what is shown from now on replaced also on a reloaded page, once the widget of this is shown."""
        if self._frontend is None and is_available():
            self._frontend = Frontend()
        return self._frontend

    def keep(self, name: str, mark: Mark) -> Mark:
        """Keep a mark, and renew what shows the marks; returns the first one of that name, which counts.

        The sandbox ends with the last one.
        """
        first_mark = self.marks.setdefault(name, mark)
        for question, make in self._live.items():
            self._cells.replace(question, make())
        if self.is_over:
            self.practice.end()
        return first_mark

    def follow(self, name: str, make: Callable[[], RichDisplay]) -> RichDisplay:
        """A display that changes with the marks."""
        self._live[name] = make
        display = make()
        self._cells.keep(name, display)
        return display
