"""A complaint: a symptom, a service, a task and a pasted text, and the findings that it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from omc_runbook.checks import families
from omc_runbook.diagnosis.root_causes import rank
from omc_runbook.messages.recognition import KnownMessage, recognise
from omc_runbook.messages.startline import StartProblem
from omc_runbook.messages.startlog import read_log
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, check_ids
from omc_runbook.model.letters import lower_first
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot.state import Snapshot

EXEC_FAILS, LOCAL = "exec-fails", "local"
SYMPTOMS = ("cannot-read", "not-updating", EXEC_FAILS, LOCAL)
PASTED = "the pasted text"
UNRECOGNISED = "The pasted text matches no known message about secrets, from ECS or from the application's start."
_TASK = re.compile(r"[0-9a-f-]{8,36}\Z")
_TASK_ARN = re.compile(r"arn:[\w-]+:ecs:[\w-]+:\d{12}:task/([\w-]+)/")
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
    task_cluster: str = ""
    """The cluster that the task's ARN names, "" for an id."""
    has_text: bool = False
    texts: tuple[KnownMessage, ...] = ()
    start_problems: tuple[StartProblem, ...] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the pasted text: what is not recognised, or means no fault that a check looks for."""
        meanings = (f"The pasted text says: {text.meaning} {text.next}" for text in self.texts if not text.checks)
        return (UNRECOGNISED,) if self.has_text and not self.texts else tuple(meanings)

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

    def about(self, snapshot: Snapshot) -> Complaint:
        """The same, about the service of its task where it names none; raises as `Snapshot.find_task` does."""
        task = None if self.service else snapshot.find_task(self.task_id, self.task_cluster)
        return replace(self, service=task.owner) if task else self

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
                evidence=(*(f"{what}: {name}." for what, name in text.names), current_state(text, findings), text.next),
            )
            for text in self.texts
            if text.checks
        )

    def _family(self, text: KnownMessage, findings: Sequence[Finding]) -> str:
        own = [finding.family for finding in findings if finding.check == text.checks[0]]
        local = [LOCAL] if self.is_local and families.is_local(text.checks[0]) else []
        return next(iter((*local, *own)), "deployment")

    def _rank(self, finding: Finding) -> tuple[int, bool, int, bool, bool, bool]:
        status, severity = rank(finding)
        pointed_at = any(finding.check in text.checks for text in self.texts)
        is_other_service = bool(self.service) and bool(finding.services) and self.service not in finding.services
        is_other_symptom = bool(self.symptom) and families.symptom(finding.check, finding.family) != self.symptom
        far = self.is_local and finding.family != LOCAL
        return status, far, severity, not pointed_at, is_other_service, is_other_symptom


def read_complaint(symptom: str = "", service: str = "", task: str = "", error_text: str = "") -> Complaint:
    """Parse the parameters of a complaint; raises UsageError for an unknown symptom, or what is no task's id."""
    name = symptom.strip()
    if name and name not in SYMPTOMS:
        raise UsageError(f'There is no symptom "{name}"{nearest(name, SYMPTOMS)} Nothing was read.')
    task_id = task.strip().rpartition("/")[2]
    if task_id and not _TASK.match(task_id):
        raise UsageError(
            "task is the id or the ARN of a task, or at least the first 8 characters of its id. Nothing was read."
        )
    texts, start_problems = recognise(error_text), None
    if name == LOCAL:
        log = read_log(error_text)
        texts = _of_a_machine(texts, log)
        start_problems = tuple(problem for problem in log if problem.check == _VOLUME) or None
    arn = _TASK_ARN.match(task.strip())
    return Complaint(name, service, task_id, arn[1] if arn else "", bool(error_text.strip()), texts, start_problems)


def _of_a_machine(texts: Sequence[KnownMessage], log: Sequence[StartProblem]) -> tuple[KnownMessage, ...]:
    """What a text from a developer's machine means, with the checks of that machine."""
    matching = [_start_message(problem) for problem in log]
    checks = {check for text in matching for check in text.checks}
    for text in texts:
        local = tuple(check for check in text.checks if families.is_local(check))
        if not checks.intersection(local):
            matching.append(replace(text, checks=local or text.checks))
    return tuple(matching)


def _start_message(problem: StartProblem) -> KnownMessage:
    name, names = problem.variable, [("variable", problem.variable)]
    if problem.path:
        variable = problem.path.replace(".", "__").upper()
        where = 'where Settings have env_nested_delimiter = "__" and no env_prefix'
        name, names = problem.path, [("field", problem.path), ("variable", f"{variable}, {where}")]
    return KnownMessage(
        (_ON_A_MACHINE.get(problem.check, problem.check),),
        f"{problem.service or 'The start'} says{f' of {name}' if name else ''}: {problem.reason}.",
        tuple(names) if name else (),
        "This machine's present state is below.",
    )


def _without_plugin(finding: Finding) -> Finding:
    """Skip the finding that the AWS CLI's plugin is missing: the runbooks do not need it."""
    return replace(finding, status="skipped") if finding.check == _PLUGIN and finding.status == "found" else finding


def current_state(text: KnownMessage, findings: Iterable[Finding]) -> str:
    """Whether the environment, or a developer's machine, has the faults now that a pasted text names."""
    about = [finding for finding in findings if finding.check in text.checks and finding.subject != PASTED]
    matching = [finding for finding in about if finding.is_problem or finding.accepted]
    where = "This machine" if about and all(finding.family == LOCAL for finding in about) else "The environment"
    if matching:
        names = ", ".join(check_ids(matching))
        return f"{where} shows it now: {names}."
    if not about and all(map(families.is_local, text.checks)):
        return 'Whether a developer\'s machine shows it now is unknown: symptom = "local" with repository reads one.'
    looked_at = {finding.check for finding in about}
    unread = [check for check in text.checks if check not in looked_at and not families.is_local(check)]
    unseen = [*(finding.check for finding in about if finding.status in ("unknown", "skipped")), *unread]
    if unseen:
        way = " With repository, the application's code is read too." if unread else ""
        names = ", ".join(dict.fromkeys(unseen))
        return f"Whether {lower_first(where)} shows it now is unknown: {names}.{way}"
    return f"{where} does not show it now: it was fixed since, or comes from another {where.split()[1]}."
