"""One drill of the onboarding: a fault that the sandbox broke secretly, looked at, hinted at and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from omc_runbook.diagnosis.complaint import read_complaint
from omc_runbook.model.findings import Finding
from omc_runbook.report import local_setup as local_report
from omc_runbook.report import onboarding as report
from omc_runbook.report import troubleshoot as troubleshoot_report
from omc_runbook.report.display.rich_display import Group, RichDisplay
from omc_runbook.report.onboarding import Mark
from omc_runbook.runbooks import local_setup, troubleshoot
from omc_runbook.runbooks.course import DRILLS, Course
from omc_runbook.runbooks.run import diagnose


@dataclass
class CourseDrill:
    """A fault that is in force, and what was seen of it; `number` counts from 0."""

    course: Course
    number: int
    symptom: str
    repository: str
    hints: list[str] = field(default_factory=list)
    points: int = 10

    @property
    def head(self) -> RichDisplay:
        """The symptom, and the hints that were taken."""
        hints = report.hints(self.hints, self.points) if self.hints else None
        return Group(report.symptom(self.number + 1, len(DRILLS), self.symptom), hints)

    def look(self) -> tuple[RichDisplay, tuple[Finding, ...]]:
        """What can be seen without a diagnosis, and the findings that it leads to."""
        with self.course.practice.active():
            return self._look_at_checkout() if self.repository else self._look_at_staging()

    def hint(self) -> None:
        """Take the next hint."""
        hint = self.course.practice.ask("hint")
        self.hints, self.points = hint["hints"], hint["points"]

    def answer(self, fault: str, is_own: bool) -> RichDisplay:
        """Grade an answer, which repairs the fault; a person's own counts for the card."""
        subject, practice = f"Drill {self.number + 1}: {self.symptom}", self.course.practice
        if fault:
            graded = practice.ask("answer", fault, *(() if is_own else ("--no-card",)))
            mark = Mark(subject, fault, graded["right"], graded["told"])
        else:
            stopped = practice.ask("drill", "--stop")
            mark = Mark(subject, "", False, f"Not answered. It was {stopped['fault']}.")
        self.course.keep(DRILLS[self.number], mark)
        return report.solution(mark)

    def _look_at_checkout(self) -> tuple[RichDisplay, tuple[Finding, ...]]:
        run = local_setup.begin("local", self.course.runbook_toml, self.repository, "", True)
        snapshot = local_setup.look(run)
        tables = Group(local_report.inventory(snapshot), local_report.variables(snapshot))
        return tables, diagnose(snapshot)

    def _look_at_staging(self) -> tuple[RichDisplay, tuple[Finding, ...]]:
        run, complaint = troubleshoot.begin("staging", self.course.runbook_toml), read_complaint()
        snapshot = troubleshoot.look(run, complaint)
        return troubleshoot_report.state(snapshot, complaint), troubleshoot.diagnose(snapshot, complaint)


def start(course: Course, number: int) -> CourseDrill:
    """Break a drill's fault secretly; the first one needs the healthy world."""
    if number == 0:
        course.practice.tell("mend")
    broken = course.practice.ask("break", DRILLS[number], "--secretly")
    return CourseDrill(course, number, broken["symptom"], broken["repository"])


def root_cause(findings: Sequence[Finding]) -> str:
    """The first root cause's id; "" where there is none."""
    return next((finding.check for finding in findings if finding.is_unexplained), "")
