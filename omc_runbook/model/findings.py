"""What a check says: a finding with its evidence, and the outcome that a run ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from omc_runbook.model.shell import command

Severity = Literal["error", "warning", "info"]
Status = Literal["found", "clear", "unknown", "skipped"]
OutcomeStatus = Literal["ok", "findings", "unknown", "failed"]

EXIT_CODES: dict[OutcomeStatus, int] = {"ok": 0, "findings": 1, "unknown": 2, "failed": 2}


@dataclass(frozen=True)
class Remedy:
    """What to do about a finding: a runbook with its parameters, a command by hand, or both."""

    command: str = ""
    runbook: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def invocation(self) -> str:
        """The command line that runs the runbook, which plans until it gets `-p apply true`; "" where none is named."""
        options = (word for name, value in self.parameters.items() for word in ("-p", name, value))
        return command("omc-runbook", "run", self.runbook, *options) if self.runbook else ""

    @property
    def ways(self) -> tuple[str, ...]:
        """What to type, the runbook before the command by hand."""
        return tuple(filter(None, (self.invocation, self.command)))


NO_REMEDY = Remedy()

CHANGE_TEXTS = frozenset({"origin", "file"})
"""Fields of an outcome's change that hold a text, and no name or id."""

_SENTENCE = re.compile(r"[A-Z][a-z]* .*\.", re.DOTALL)


def is_sentence(way: str) -> bool:
    """Whether something to do is told in words, and is no command to type."""
    return _SENTENCE.fullmatch(way) is not None


@dataclass(frozen=True)
class Finding:
    """One check's answer about one subject; `check` is the fault's id and never changes."""

    check: str
    family: str
    title: str
    status: Status
    subject: str = ""
    severity: Severity = "error"
    evidence: tuple[str, ...] = ()
    remedy: Remedy = NO_REMEDY
    services: frozenset[str] = frozenset()
    """Names of the ECS services whose tasks the finding touches."""
    cause_of: tuple[str, ...] = ()
    because_of: tuple[str, ...] = ()

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong: found, and worth more than a remark."""
        return self.status == "found" and self.severity != "info"

    @property
    def is_root_cause(self) -> bool:
        """Whether it is wrong by itself and not the consequence of another finding."""
        return self.is_problem and not self.because_of


@dataclass(frozen=True)
class TargetOutcome:
    """How a run ended on one of its environments."""

    environment: str
    account: str
    region: str
    endpoint: str
    status: OutcomeStatus


@dataclass(frozen=True)
class Outcome:
    """How a run of a runbook ended; written as outcome.json. Of several environments, its fields mean the first."""

    runbook: str
    environment: str
    account: str
    region: str
    endpoint: str
    started: datetime
    finished: datetime
    findings: tuple[Finding, ...] = ()
    changes: tuple[dict[str, str], ...] = ()
    failure: str = ""
    where: str = ""
    """What it looked at, in words, where that is not the environment."""
    plan: tuple[str, ...] | None = None
    """What was to be done, a sentence each and without a value; None for a runbook that changes nothing."""
    applied: bool = False
    """Whether the plan was carried out."""
    targets: tuple[TargetOutcome, ...] = ()
    """Each environment with its own status; none for a run on a developer's machine."""

    @property
    def status(self) -> OutcomeStatus:
        """Status of the whole run: "failed", else what its findings say."""
        return "failed" if self.failure else status_of(self.findings)

    @property
    def is_plan(self) -> bool:
        """Whether there was something to do and it was only planned."""
        return bool(self.plan) and not self.applied and not self.failure

    @property
    def exit_code(self) -> int:
        """The exit code of `omc-runbook run`: 0, 1 or 2."""
        return EXIT_CODES[self.status]

    @property
    def root_causes(self) -> tuple[str, ...]:
        """Ids of the checks that found a cause, each once, in order of appearance."""
        return tuple(dict.fromkeys(finding.check for finding in self.findings if finding.is_root_cause))

    def to_json(self) -> str:
        """Write the outcome as the JSON text of outcome.json (schema 1)."""
        body = {
            "schema": 1,
            "runbook": self.runbook,
            "environment": self.environment,
            "account": self.account,
            "region": self.region,
            "endpoint": self.endpoint,
            "started": _stamp(self.started),
            "finished": _stamp(self.finished),
            "status": self.status,
            "root_causes": list(self.root_causes),
            "findings": [_finding_as_json(finding) for finding in self.findings],
            "changes": list(self.changes),
        }
        if self.plan is not None:
            body |= {"applied": self.applied, "plan": list(self.plan)}
        if self.targets:
            body["targets"] = [asdict(target) for target in self.targets]
        if self.where:
            body["where"] = self.where
        if self.failure:
            body["failure"] = self.failure
        return write_body(body)


def status_of(findings: Iterable[Finding]) -> OutcomeStatus:
    """What findings amount to: "findings" when something is wrong, else "unknown" when something was not seen."""
    found = tuple(findings)
    if any(finding.is_problem for finding in found):
        return "findings"
    return "unknown" if any(finding.status == "unknown" for finding in found) else "ok"


def as_before(finding: Finding) -> Finding:
    """A finding of something that a run neither brought about nor was to mend: a remark."""
    return replace(finding, severity="info", evidence=(*finding.evidence, "It was so before this run."))


def write_body(body: dict[str, Any]) -> str:
    """Write the body of an outcome as the JSON text of outcome.json."""
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def map_texts(body: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The body of an outcome.json with each of its texts changed; ids, words of the schema and dates stay."""
    findings = [
        finding
        | {"subject": change(finding["subject"]), "evidence": [change(line) for line in finding["evidence"]]}
        | {"remedy": finding["remedy"] | {"command": change(finding["remedy"]["command"])}}
        for finding in body["findings"]
    ]
    changes = [{k: change(v) if k in CHANGE_TEXTS else v for k, v in each.items()} for each in body["changes"]]
    failure = {"failure": change(body["failure"])} if "failure" in body else {}
    plan = {"plan": [change(line) for line in body["plan"]]} if "plan" in body else {}
    return body | {"findings": findings, "changes": changes} | failure | plan


def subject_of(change: dict[str, str]) -> str:
    """What a change of an outcome was made to, and where it is to be found, as the end of a sentence."""
    kinds = ("key", "service", "role", "task_definition", "file", "origin")
    what = next((change[kind] for kind in kinds if change.get(kind)), "the secret")
    places = {"version": "in version", "deployment": "by deployment", "policy": "by policy"}
    return ", ".join((what, *(f"{words} {change[place]}" for place, words in places.items() if change.get(place))))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    body: dict[str, Any] = {
        "check": finding.check,
        "family": finding.family,
        "severity": finding.severity,
        "status": finding.status,
        "subject": finding.subject,
        "title": finding.title,
        "evidence": list(finding.evidence),
        "remedy": {
            "runbook": finding.remedy.runbook,
            "parameters": finding.remedy.parameters,
            "command": finding.remedy.command,
        },
    }
    if finding.cause_of:
        body["cause_of"] = list(finding.cause_of)
    if finding.because_of:
        body["because_of"] = list(finding.because_of)
    return body
