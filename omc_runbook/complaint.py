"""What somebody complains of: a symptom, a service, a task, a pasted text; and what that changes about the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Task
from omc_runbook.checks.alike import symptom as symptom_of
from omc_runbook.environment import nearest
from omc_runbook.errors import UsageError
from omc_runbook.finding import Finding
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.texts.recognition import Recognised, recognise

EXEC_FAILS, LOCAL = "exec-fails", "local"
SYMPTOMS = ("cannot-read", "not-updating", EXEC_FAILS, LOCAL)
PASTED = "the pasted text"
_TASK = re.compile(r"[0-9a-f-]{8,36}\Z")
_PLUGIN = "exec-plugin"


@dataclass(frozen=True)
class Complaint:
    """A symptom ("" where none was named), the service and the task it shows in, and what a pasted text means."""

    symptom: str = ""
    service: str = ""
    task_id: str = ""
    has_text: bool = False
    texts: tuple[Recognised, ...] = ()

    def focus(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings with those foremost that the complaint is about, and what the pasted text points at.

        Where ECS Exec is what fails, its faults are errors. Causes stay above consequences.
        """
        raised = self._raise(findings) if self.symptom == EXEC_FAILS else tuple(map(_without_plugin, findings))
        return tuple(sorted((*raised, *self._pasted(raised)), key=self._rank))

    def task(self, snapshot: Snapshot) -> Task | None:
        """The task it is about; None where none was named. Raises UsageError where ECS does not tell of it."""
        if not self.task_id:
            return None
        found = [task for task in snapshot.tasks if task.id.startswith(self.task_id)]
        if len(found) != 1 and "tasks" not in snapshot.gaps:
            count = "More than one task" if found else "No task"
            raise UsageError(
                f"{count} of cluster {snapshot.environment.names.cluster} is called {self.task_id}: ECS tells of tasks "
                "that run, and for about an hour of those that stopped. Give the whole id of one of them."
            )
        return found[0] if len(found) == 1 else None

    def _raise(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The faults of ECS Exec as errors; that the plugin is missing only where nothing else is in the way."""
        others = any(f.family == "exec" and f.is_problem and f.check != _PLUGIN for f in findings)
        return tuple(
            replace(finding, severity="error")
            if finding.family == "exec" and finding.status == "found" and (finding.check != _PLUGIN or not others)
            else finding
            for finding in findings
        )

    def _pasted(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Remarks on what the pasted text points at, and whether the environment shows it now."""
        return tuple(
            Finding(
                text.checks[0],
                next((f.family for f in findings if f.check == text.checks[0]), "deployment"),
                text.meaning.rstrip("."),
                "found",
                PASTED,
                "info",
                (*(f"{what}: {name}." for what, name in text.named), shown(text, findings), text.next),
            )
            for text in self.texts
            if text.checks
        )

    def _rank(self, finding: Finding) -> tuple[int, bool, bool, bool]:
        status = {"found": 0, "unknown": 1, "clear": 2, "skipped": 3}[finding.status]
        weight = {"error": 0, "warning": 1, "info": 2}[finding.severity]
        pointed_at = any(finding.check in text.checks for text in self.texts)
        elsewhere = bool(self.service) and bool(finding.services) and self.service not in finding.services
        other = bool(self.symptom) and symptom_of(finding.check) != self.symptom
        return status * 8 + bool(finding.because_of) * 4 + weight, not pointed_at, elsewhere, other


def hear(symptom: str = "", service: str = "", task: str = "", error_text: str = "") -> Complaint:
    """Take down what somebody complains of.

    Raises UsageError for a symptom that there is not, one of the developer's machine, and what is no task's id.
    """
    wanted = symptom.strip()
    if wanted and wanted not in SYMPTOMS:
        raise UsageError(f'There is no symptom "{wanted}"{nearest(wanted, SYMPTOMS)} Nothing was read.')
    if wanted == LOCAL:
        raise UsageError(
            "symptom = local is of the .env file on this machine, and troubleshoot looks at AWS: go by the guide's "
            "section on local development, or leave the symptom empty. Nothing was read."
        )
    task_id = task.strip().rpartition("/")[2]
    if task_id and not _TASK.match(task_id):
        raise UsageError("task is the id or the ARN of a task, or the beginning of its id. Nothing was read.")
    return Complaint(wanted, service, task_id, bool(error_text.strip()), recognise(error_text))


def _without_plugin(finding: Finding) -> Finding:
    """Only who uses the AWS CLI for ECS Exec has to hear that its plugin is missing: we do without."""
    return replace(finding, status="skipped") if finding.check == _PLUGIN and finding.status == "found" else finding


def shown(text: Recognised, findings: Iterable[Finding]) -> str:
    """Whether the environment shows now what a pasted text points at."""
    about = [finding for finding in findings if finding.check in text.checks]
    found = [finding for finding in about if finding.is_problem]
    if found:
        names = ", ".join(dict.fromkeys(finding.check for finding in found))
        return f"The environment shows it now: {names}."
    unseen = [finding.check for finding in about if finding.status in ("unknown", "skipped")]
    if unseen:
        return f"Whether it is so now could not be seen: {', '.join(dict.fromkeys(unseen))}."
    return "The environment does not show it now: it was mended since, or it is of another environment."
