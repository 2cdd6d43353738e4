"""What audit.ipynb shows: five lights on one page, the evidence below, and the same as files."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

from omc_runbook.checks import families, registry
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Finding, Remedy, unknown_reasons
from omc_runbook.report import verify
from omc_runbook.report.display import console
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.severity import Level, badge
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

AUDIT = "audit"
"""The runbook, and the family of its checks."""

Snapshots = Mapping[str, Snapshot]
"""Each environment's snapshot by its name, the main one first."""
AuditFindings = Mapping[str, Sequence[Finding]]
"""Each environment's findings by its name, the main one first."""

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "Ages and lifecycle": ("audit_ages", "audit_lifecycle", "audit_unused"),
    "Who can read": ("audit_access",),
    "Who did": ("audit_accesses",),
    "Who would notice": ("audit_monitoring",),
    "What lies open": ("audit_exposure",),
}
"""The five lights, and the modules of the checks behind each."""

WORDS: Mapping[Level, str] = {
    "error": "act now",
    "warning": "warning",
    "unknown": "not known",
    "good": "clear",
}
"""What each light says besides its colour."""

_LEVELS: Mapping[str, Level] = {word: level for level, word in WORDS.items()}

NAMED = 2
"""How many problems a light's sentence names."""


@dataclass(frozen=True, kw_only=True)
class Light:
    """The answer to one of an audit's questions in one environment: its colour and a sentence."""

    question: str
    environment: str
    level: Level
    sentence: str

    @property
    def word(self) -> str:
        """What the colour says, in words."""
        return WORDS[self.level]


class Lights(RichDisplay):
    """The five lights, with a column for each environment; on paper they can be the end of their page."""

    def __init__(self, lights: Sequence[Light], ends_page: bool = False) -> None:
        self.lights, self.ends_page = tuple(lights), ends_page
        self.environments = tuple(dict.fromkeys(light.environment for light in lights))

    @property
    def table(self) -> Table:
        """The same as a table: a row for each light of each environment."""
        rows = [[each.question, each.environment, each.word, each.sentence] for each in self.lights]
        return Table(_TITLE, ["question", "environment", "light", "in a sentence"], rows, _LEVELS, group=1)

    def to_html(self) -> str:
        """Render the lights as HTML: a row for each question, a column for each environment."""
        heads = ("", *self.environments)
        cells = "".join(f'<th style="{_LEFT}">{html.escape(head)}</th>' for head in heads)
        questions = dict.fromkeys(light.question for light in self.lights)
        rows = (
            f'<tr><td style="{_LEFT}; white-space: nowrap"><strong>{html.escape(question)}</strong></td>'
            f"{''.join(map(_cell, (light for light in self.lights if light.question == question)))}</tr>"
            for question in questions
        )
        title = html.escape(_TITLE, quote=True)
        region = f'<div style="overflow-x: auto" role="region" aria-label="{title}" tabindex="0">'
        head = f"<p><strong>{html.escape(_TITLE)}</strong></p>\n{region}\n<table>\n<thead><tr>{cells}</tr></thead>"
        end = "</div>\n</div>"
        style = f"break-inside: avoid{'; break-after: page' if self.ends_page else ''}"
        return "\n".join((f'<div style="{style}">', head, "<tbody>", *rows, "</tbody>", "</table>", end))

    def to_text(self) -> str:
        """Render the lights as plain text."""
        if len(self.environments) > 1:
            return self.table.to_text()
        rows = [[each.question, each.word, each.sentence] for each in self.lights]
        return Table(_TITLE, ["", "light", self.environments[0]], rows, _LEVELS).to_text()


_TITLE = "The audit on one page"
_LEFT = "text-align: left; vertical-align: top"


def _cell(light: Light) -> str:
    sentence = html.escape(light.sentence)
    return f'<td style="{_LEFT}; min-width: 14em">{badge(light.word, light.level)}<br>{sentence}</td>'


def lights(findings: AuditFindings, ends_page: bool = True) -> Lights:
    """The five lights of each environment; none is green where something is not known."""
    return Lights([_light(question, name, own) for question in QUESTIONS for name, own in findings.items()], ends_page)


def _light(question: str, environment: str, findings: Sequence[Finding]) -> Light:
    ids = {check.id for check in registry.checks_of(*_modules(question))}
    own = [finding for finding in findings if finding.check in ids]
    problems = [finding for finding in own if finding.is_problem]
    reasons = [*unknown_reasons(own)]
    level: Level = "unknown" if reasons or not any(each.status in ("clear", "found") for each in own) else "good"
    if problems:
        level = "error" if any(finding.severity == "error" for finding in problems) else "warning"
    return Light(
        question=question, environment=environment, level=level, sentence=" ".join(_sentences(own, problems, reasons))
    )


def _modules(question: str) -> Iterator[ModuleType]:
    for module in families.AUDIT:
        if module.__name__.rpartition(".")[2] in QUESTIONS[question]:
            yield module


def _sentences(findings: Sequence[Finding], problems: Sequence[Finding], reasons: Sequence[str]) -> Iterator[str]:
    titles: dict[str, list[str]] = {}
    for finding in problems:
        titles.setdefault(finding.title, []).append(finding.subject)
    for title, subjects in [*titles.items()][:NAMED]:
        named = ", ".join(dict.fromkeys(filter(None, subjects[:NAMED])))
        more = f" and {len(subjects) - NAMED} more" if subjects[NAMED:] else ""
        yield f"{title}{f': {named}{more}' if named else ''}."
    if len(titles) > NAMED:
        yield f"{len(titles) - NAMED} more below."
    if reasons:
        yield f"{'Also not' if problems else 'Not'} known: {_first_line(reasons[0])}"
        if reasons[1:]:
            yield f"{len(reasons) - 1} more below."
        return
    if problems:
        return
    clear = sum(finding.status == "clear" for finding in findings)
    if not any(finding.status in ("clear", "found") for finding in findings):
        yield next((line for finding in findings for line in finding.evidence), "Nothing of it was checked.")
        return
    yield f"{clear} checks are clear." if clear != 1 else "1 check is clear."
    remarks = dict.fromkeys(each.check for each in findings if each.status == "found" and not each.accepted)
    accepted = dict.fromkeys(each.check for each in findings if each.status == "found" and each.accepted)
    if remarks:
        yield f"Remarks: {', '.join(remarks)}."
    if accepted:
        yield f"Accepted: {', '.join(accepted)}."


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def of_each(snapshots: Snapshots, table: Callable[[Snapshot], Table]) -> Table:
    """One table of all environments: where there are several, their rows under a line with each one's name."""
    tables = {name: table(snapshot) for name, snapshot in snapshots.items()}
    first, *others = tables.values()
    if not others:
        return first
    return Table(
        first.title,
        ["environment", *first.columns],
        [[name, *row] for name, each in tables.items() for row in each.rows],
        {text: level for each in tables.values() for text, level in each.levels.items()},
        first.empty,
        first.group + 1,
        tuple(dict.fromkeys(note for each in tables.values() for note in each.notes)),
    )


def merge(findings: AuditFindings) -> tuple[Finding, ...]:
    """The findings of all environments; where there are several, each subject begins with the environment's name."""
    if len(findings) == 1:
        return tuple(*findings.values())
    return tuple(
        replace(each, subject=f"{name}: {each.subject}".removesuffix(": "))
        for name, own in findings.items()
        for each in own
    )


def findings(findings: AuditFindings) -> Listing:
    """What is wrong in all environments, with evidence and remedy; then what is not known."""
    return verify.findings(merge(findings))


def findings_table(findings: AuditFindings) -> Table:
    """Every check's result in every environment, as a table for a file."""
    columns = ["environment", "check", "status", "severity", "subject", "title", "evidence", "remedy", "accepted"]
    rows = [
        [
            name,
            each.check,
            each.status,
            each.severity,
            each.subject,
            each.title,
            " ".join(each.evidence),
            " or ".join(each.remedy.ways),
            each.accepted,
        ]
        for name, own in findings.items()
        for each in own
    ]
    return Table("Findings", columns, rows)


def tables(snapshots: Snapshots, findings: AuditFindings) -> dict[str, Table]:
    """Everything that an audit shows, by the names that the files of the tables have."""
    return {
        "lights": lights(findings).table,
        "findings": findings_table(findings),
    }


def by_hand(environment: Environment) -> Listing:
    """The commands for the same, with this environment's names, and the console's pages."""
    names = environment.names
    read = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=GetSecretValue"
    entries = [
        ("who can do what", "aws iam get-account-authorization-details"),
        ("who read it", f"{read} --region {names.region}"),
        ("how old it is", Remedy(runbook="rotate", parameters={"environment": environment.name}).invocation),
        ("the secret in the console", console.secret(names)),
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(name, command=text) for name, text in entries])
