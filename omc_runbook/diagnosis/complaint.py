"""What somebody complains of: a symptom, a service, a task, a pasted text; and what that changes about the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Task
from omc_runbook.checks import families
from omc_runbook.messages.recognition import KnownMessage, recognise
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
"""What a start's log tells of that a developer's machine has another name for."""


@dataclass(frozen=True)
class Complaint:
    """A symptom ("" where none was named), the service and the task it shows in, and what a pasted text means.

    `said` is what a pasted text proves by itself of a start on a developer's machine; None where it proves nothing.
    """

    symptom: str = ""
    service: str = ""
    task_id: str = ""
    has_text: bool = False
    texts: tuple[KnownMessage, ...] = ()
    said: tuple[StartProblem, ...] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is about a developer's machine, so that this has to be looked at as well."""
        return self.symptom == LOCAL

    def focus(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings with those foremost that the complaint is about, and what the pasted text points at.

        Where ECS Exec is what fails, its faults are errors; where a developer's machine is, its faults come before all
        others. Causes stay above consequences.
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
                check=text.checks[0],
                family=self._family(text, findings),
                title=text.meaning.rstrip("."),
                status="found",
                subject=PASTED,
                severity="info",
                evidence=(*(f"{what}: {name}." for what, name in text.names), shown(text, findings), text.next),
            )
            for text in self.texts
            if text.checks
        )

    def _family(self, text: KnownMessage, findings: Sequence[Finding]) -> str:
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
    """Take down what somebody complains of; raises UsageError for a symptom that there is not, and no task's id."""
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


def _of_a_machine(texts: Sequence[KnownMessage], log: Sequence[StartProblem]) -> tuple[KnownMessage, ...]:
    """What a text means where a developer's machine said it: by variable where that is told, and its own faults."""
    found = [
        KnownMessage(
            (check,),
            f"{told.service or 'The start'} says{f' of {told.variable}' if told.variable else ''}: {told.reason}.",
            (("variable", told.variable),) if told.variable else (),
            "What this machine has of it now is below.",
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
    """Only who uses the AWS CLI for ECS Exec has to hear that its plugin is missing: we do without."""
    return replace(finding, status="skipped") if finding.check == _PLUGIN and finding.status == "found" else finding


def shown(text: KnownMessage, findings: Iterable[Finding]) -> str:
    """Whether the environment, or a developer's machine, shows now what a pasted text points at."""
    about = [finding for finding in findings if finding.check in text.checks]
    found = [finding for finding in about if finding.is_problem]
    where = "This machine" if about and all(finding.family == LOCAL for finding in about) else "The environment"
    if found:
        names = ", ".join(dict.fromkeys(finding.check for finding in found))
        return f"{where} shows it now: {names}."
    unseen = [finding.check for finding in about if finding.status in ("unknown", "skipped")]
    if unseen:
        return f"Whether it is so now could not be seen: {', '.join(dict.fromkeys(unseen))}."
    return f"{where} does not show it now: it was mended since, or it is of another {where.split()[1]}."
