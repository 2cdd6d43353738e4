"""A complaint: a symptom, a service, a task and a pasted text, and the findings that it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Task
from omc_runbook.checks import families
from omc_runbook.messages.recognition import Recognised, recognise
from omc_runbook.messages.startlog import StartProblem, read_log
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot.state import Snapshot

EXEC_FAILS, LOCAL = "exec-fails", "local"
SYMPTOMS = ("cannot-read", "not-updating", EXEC_FAILS, LOCAL)
PASTED = "the pasted text"
_TASK = re.compile(r"[0-9a-f-]{8,36}\Z")
_PLUGIN = "exec-plugin"
_VOLUME = "pg-volume"
_ON_A_MACHINE = {"store-only": _VOLUME, "database-uninitialised": "required-empty"}
"""Checks of a developer's machine, by those that a start's log names."""


@dataclass(frozen=True)
class Complaint:
    """A symptom ("" for none), the service and the task it shows in, and what a pasted text means.

    `start_problems` is what the text alone proves of a start on a developer's machine; None where it proves nothing.
    """

    symptom: str = ""
    service: str = ""
    task_id: str = ""
    has_text: bool = False
    texts: tuple[Recognised, ...] = ()
    start_problems: tuple[StartProblem, ...] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is about a developer's machine, which is then read too."""
        return self.symptom == LOCAL

    def focus(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings that the complaint is about first, with remarks on the pasted text.

        Where ECS Exec fails, its faults are errors; where a developer's machine does, its faults come first. Causes
        stay above consequences.
        """
        raised = self._raise(findings) if self.symptom == EXEC_FAILS else tuple(map(_without_plugin, findings))
        return tuple(sorted((*raised, *self._pasted(raised)), key=self._rank))

    def task(self, snapshot: Snapshot) -> Task | None:
        """The task it is about; None where none was named. Raises UsageError where ECS does not list it."""
        if not self.task_id:
            return None
        found = [task for task in snapshot.tasks if task.id.startswith(self.task_id)]
        if len(found) != 1 and "tasks" not in snapshot.gaps:
            count = "More than one task" if found else "No task"
            raise UsageError(
                f"{count} of cluster {snapshot.environment.names.cluster} matches {self.task_id}: ECS lists running "
                "tasks, and stopped ones for about an hour. Give the full id of one of them."
            )
        return found[0] if len(found) == 1 else None

    def _raise(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The faults of ECS Exec as errors; the missing plugin only where it is the only one."""
        others = any(f.family == "exec" and f.is_problem and f.check != _PLUGIN for f in findings)
        return tuple(
            replace(finding, severity="error")
            if finding.family == "exec" and finding.status == "found" and (finding.check != _PLUGIN or not others)
            else finding
            for finding in findings
        )

    def _pasted(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Remarks on the faults that the pasted text names, and whether the environment shows them now."""
        return tuple(
            Finding(
                check=text.checks[0],
                family=self._family(text, findings),
                title=text.meaning.rstrip("."),
                status="found",
                subject=PASTED,
                severity="info",
                evidence=(*(f"{what}: {name}." for what, name in text.named), shown(text, findings), text.next),
            )
            for text in self.texts
            if text.checks
        )

    def _family(self, text: Recognised, findings: Sequence[Finding]) -> str:
        known = [finding.family for finding in findings if finding.check == text.checks[0]]
        local = [LOCAL] if self.is_local and families.is_local(text.checks[0]) else []
        return next(iter((*local, *known)), "deployment")

    def _rank(self, finding: Finding) -> tuple[int, bool, int, bool, bool, bool]:
        status = {"found": 0, "unknown": 1, "clear": 2, "skipped": 3}[finding.status]
        weight = {"error": 0, "warning": 1, "info": 2}[finding.severity]
        pointed_at = any(finding.check in text.checks for text in self.texts)
        elsewhere = bool(self.service) and bool(finding.services) and self.service not in finding.services
        other = bool(self.symptom) and families.symptom(finding.check, finding.family) != self.symptom
        far = self.is_local and finding.family != LOCAL
        return status * 2 + bool(finding.because_of), far, weight, not pointed_at, elsewhere, other


def hear(symptom: str = "", service: str = "", task: str = "", error_text: str = "") -> Complaint:
    """Parse the parameters of a complaint; raises UsageError for an unknown symptom, or what is no task's id."""
    wanted = symptom.strip()
    if wanted and wanted not in SYMPTOMS:
        raise UsageError(f'There is no symptom "{wanted}"{nearest(wanted, SYMPTOMS)} Nothing was read.')
    task_id = task.strip().rpartition("/")[2]
    if task_id and not _TASK.match(task_id):
        raise UsageError("task is the id or the ARN of a task, or the beginning of its id. Nothing was read.")
    texts, said = recognise(error_text), None
    if wanted == LOCAL:
        log = read_log(error_text)
        texts = _of_a_machine(texts, log)
        said = tuple(told for told in log if told.check == _VOLUME) or None
    return Complaint(wanted, service, task_id, bool(error_text.strip()), texts, said)


def _of_a_machine(texts: Sequence[Recognised], log: Sequence[StartProblem]) -> tuple[Recognised, ...]:
    """What a text from a developer's machine means, with the checks of that machine."""
    found = [
        Recognised(
            (check,),
            f"{told.service or 'The start'} says{f' of {told.variable}' if told.variable else ''}: {told.reason}.",
            (("variable", told.variable),) if told.variable else (),
            "This machine's present state is below.",
        )
        for told in log
        for check in [_ON_A_MACHINE.get(told.check, told.check)]
    ]
    known = {check for text in found for check in text.checks}
    for text in texts:
        local = tuple(check for check in text.checks if families.is_local(check))
        if not known.intersection(local):
            found.append(replace(text, checks=local or text.checks))
    return tuple(found)


def _without_plugin(finding: Finding) -> Finding:
    """Hide that the AWS CLI's plugin is missing: the runbooks do not need it."""
    return replace(finding, status="skipped") if finding.check == _PLUGIN and finding.status == "found" else finding


def shown(text: Recognised, findings: Iterable[Finding]) -> str:
    """Whether the environment, or a developer's machine, shows now what a pasted text names."""
    about = [finding for finding in findings if finding.check in text.checks]
    found = [finding for finding in about if finding.is_problem]
    where = "This machine" if about and all(finding.family == LOCAL for finding in about) else "The environment"
    if found:
        names = ", ".join(dict.fromkeys(finding.check for finding in found))
        return f"{where} shows it now: {names}."
    unseen = [finding.check for finding in about if finding.status in ("unknown", "skipped")]
    if unseen:
        return f"Whether {where[0].lower()}{where[1:]} shows it now is unknown: {', '.join(dict.fromkeys(unseen))}."
    return f"{where} does not show it now: it was fixed since, or comes from another {where.split()[1]}."
