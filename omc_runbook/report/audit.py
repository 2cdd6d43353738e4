"""What audit.ipynb shows: five lights on one page, the evidence below, and the same as files."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

from omc_runbook.changes.values.former_values import FORMER_ALIVE
from omc_runbook.checks import families
from omc_runbook.checks.check import checks_of
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Finding, Remedy, check_ids, unknown_reasons, with_remedies_of_causes
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import counted, listed
from omc_runbook.model.unread_target import UnreadTarget, not_looked_at, notice
from omc_runbook.report import (
    audit_access,
    audit_accesses,
    audit_answers,
    audit_exposure,
    audit_lifecycle,
    audit_lives,
    audit_monitoring,
    audit_plots,
    verify,
)
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.boxes import CELL, collapsible
from omc_runbook.report.display.drawing import Picture
from omc_runbook.report.display.listing import Listing, commands_for
from omc_runbook.report.display.rich_display import Group, RichDisplay
from omc_runbook.report.display.severity import Level, badge
from omc_runbook.report.display.table import Table, table_html
from omc_runbook.snapshot.state import Snapshot

AuditFindings = Mapping[str, Sequence[Finding]]
"""Each environment's findings by its name, the main one first."""


class Snapshots(dict[str, Snapshot]):
    """Each environment's snapshot by its name, the main one first, and the environments that could not be read."""

    def __init__(self, read: Mapping[str, Snapshot], unread: Iterable[UnreadTarget] = ()) -> None:
        super().__init__(read)
        self.unread = tuple(unread)

    @property
    def are_several(self) -> bool:
        """Whether they are of several environments, of which each is named."""
        return len(self) + len(self.unread) > 1


@dataclass(frozen=True)
class AuditQuestion:
    """A question that an audit answers with a light: the modules of its checks, and the parts that these need."""

    text: str
    modules: tuple[str, ...]
    parts: tuple[str, ...]
    """The fields of the snapshot's gaps."""
    answer: Callable[[Snapshot], str]
    """What the light says where nothing is wrong, in a sentence; "" where the facts for it were not read."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """By field, the doubt that its gap adds to the light's sentence; such a gap cannot change a result."""
    others: tuple[str, ...] = ()
    """The ids of findings beside those of the checks."""


QUESTIONS = (
    AuditQuestion(
        "Ages and lifecycle",
        ("secret", "audit_ages", "audit_lifecycle", "audit_unused"),
        ("lives", "lifecycle", "unused"),
        audit_answers.how_old,
    ),
    AuditQuestion(
        "Who can read",
        ("audit_access",),
        ("identities", "last_accesses", "key_grants"),
        audit_answers.who_can_read,
        limits={"organization_policies": "The organization's policies were not read: they could only forbid more."},
    ),
    AuditQuestion("Who did", ("audit_accesses",), ("accesses",), audit_answers.who_did),
    AuditQuestion("Who would notice", ("audit_monitoring",), ("monitoring", "trails"), audit_answers.who_would_notice),
    AuditQuestion(
        "What lies open", ("audit_exposure",), ("exposure",), audit_answers.what_lies_open, others=(FORMER_ALIVE,)
    ),
)
"""The five lights."""

WORDS: Mapping[Level, str] = {
    "error": "act now",
    "warning": "warning",
    "unknown": "not known",
    "good": "clear",
}
"""What each light says besides its colour."""

_LEVELS: Mapping[str, Level] = {word: level for level, word in WORDS.items()}

UNFOLDED = 12
"""How many rows of a table are shown unfolded."""

TITLED = 3
"""How many environments' titles a table of several has."""


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
    """The five lights, with a column for each environment, and what they are of, in sentences.

    On paper they can have a page of their own.
    """

    def __init__(self, lights: Sequence[Light], origins: Sequence[str], has_page: bool = False) -> None:
        self.lights, self.origins, self.has_page = tuple(lights), tuple(origins), has_page
        self.environments = tuple(dict.fromkeys(light.environment for light in lights))

    @property
    def table(self) -> Table:
        """The same as a table: a row for each light of each environment."""
        rows = [[each.question, each.environment, each.word, each.sentence] for each in self.lights]
        columns = ["question", "environment", "light", "in a sentence"]
        return Table(_TITLE, columns, rows, _LEVELS, group=1, notes=self.origins)

    def to_html(self) -> str:
        """Render the lights as HTML: a row for each question, a column for each environment."""
        is_one = len(self.environments) == 1
        heads = ("question", *(("light",) if is_one else ()), *self.environments)
        questions = dict.fromkeys(light.question for light in self.lights)
        rows = (
            f'<tr><td style="{CELL}; white-space: nowrap"><strong>{html.escape(question)}</strong></td>'
            f"{''.join(_cell(light, is_one) for light in self.lights if light.question == question)}</tr>"
            for question in questions
        )
        style = f"break-inside: avoid{'; break-before: page; break-after: page' if self.has_page else ''}"
        return f'<div style="{style}">\n{table_html(_TITLE, heads, rows, self.origins)}\n</div>'

    def to_text(self) -> str:
        if len(self.environments) > 1:
            return self.table.to_text()
        rows = [[each.question, each.word, each.sentence] for each in self.lights]
        return Table(_TITLE, ["question", "light", self.environments[0]], rows, _LEVELS, notes=self.origins).to_text()


_TITLE = "The audit on one page"


def _cell(light: Light, is_alone: bool) -> str:
    """The light and its sentence, below it where other environments need the room."""
    between = f'</td><td style="{CELL}; min-width: 14em">' if is_alone else "<br>"
    style = CELL if is_alone else f"{CELL}; min-width: 14em"
    return f'<td style="{style}">{badge(light.word, light.level)}{between}{html.escape(light.sentence)}</td>'


def lights(snapshots: Snapshots, findings: AuditFindings, has_page: bool = True) -> Lights:
    """The five lights of each environment; none is green where something that decides is not known."""
    every = [
        _light(question, snapshot, findings[name]) for question in QUESTIONS for name, snapshot in snapshots.items()
    ]
    every += [_dark(question, each) for question in QUESTIONS for each in snapshots.unread]
    origins = (*map(_origin, snapshots.values()), *(notice(each.line) for each in snapshots.unread))
    return Lights(every, origins, has_page)


def _origin(snapshot: Snapshot) -> str:
    names = snapshot.environment.names
    days = f", with the events of {counted(snapshot.audit.days, 'day')}" if snapshot.audit.days else ""
    return (
        f"{snapshot.environment.name}: {names.secret} in account {snapshot.caller.account}, {names.region},"
        f" read on {snapshot.taken:%Y-%m-%d at %H:%M} UTC{days}."
    )


def _light(question: AuditQuestion, snapshot: Snapshot, findings: Sequence[Finding]) -> Light:
    ids = {check.id for check in checks_of(*_modules(question))}.union(question.others)
    own = [finding for finding in findings if finding.check in ids]
    problems = [finding for finding in own if finding.is_problem]
    reasons = [*dict.fromkeys((*unknown_reasons(own), *snapshot.unread(*question.parts)))]
    limits = [sentence for part, sentence in question.limits.items() if part in snapshot.gaps]
    level: Level = "unknown" if reasons or not any(each.status in ("clear", "found") for each in own) else "good"
    if problems:
        level = "error" if any(finding.severity == "error" for finding in problems) else "warning"
    return Light(
        question=question.text,
        environment=snapshot.environment.name,
        level=level,
        sentence=" ".join((*_sentences(own, problems, reasons, question.answer(snapshot)), *limits)),
    )


def _dark(question: AuditQuestion, unread: UnreadTarget) -> Light:
    """The light of an environment that could not be read."""
    sentence = f"Not known: {_first_line(str(unread.error))}"
    return Light(question=question.text, environment=unread.environment.name, level="unknown", sentence=sentence)


def _modules(question: AuditQuestion) -> Iterator[ModuleType]:
    for module in families.AUDITED:
        if module.__name__.rpartition(".")[2] in question.modules:
            yield module


def _sentences(
    findings: Sequence[Finding], problems: Sequence[Finding], reasons: Sequence[str], answer: str
) -> Iterator[str]:
    titles = grouped((finding.title, finding.subject) for finding in problems)
    for title, subjects in [*titles.items()][: audit_answers.LIGHT_NAMES]:
        names = listed([*dict.fromkeys(filter(None, subjects))], audit_answers.LIGHT_NAMES)
        yield f"{title}{f': {names}' if names else ''}."
    if len(titles) > audit_answers.LIGHT_NAMES:
        yield f"{len(titles) - audit_answers.LIGHT_NAMES} more below."
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
    yield answer or f"{counted(clear, 'check is', 'checks are')} clear."
    remarks = check_ids(each for each in findings if each.status == "found" and not each.accepted)
    accepted = check_ids(each for each in findings if each.status == "found" and each.accepted)
    if remarks:
        yield f"Remarks: {', '.join(remarks)}."
    if accepted:
        yield f"Accepted: {', '.join(accepted)}."


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


class FoldedTable(Table):
    """A table that a page shows folded where it is long."""

    def to_html(self) -> str:
        """Render the table as HTML, in HTML's <details> where it is long."""
        table, count = super().to_html(), len(self.rows)
        return table if count <= UNFOLDED else collapsible(f"{self.title}: {count} rows", table)


class Pictures:
    """A picture for each environment, which a notebook shows one below the other."""

    def __init__(self, pictures: Mapping[str, Picture], has_names: bool) -> None:
        self._pictures, self._has_names = pictures, has_names

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for name, picture in self._pictures.items():
            if self._has_names:
                display(Banner("plain", name))
            display(picture)


def of_each(snapshots: Snapshots, table: Callable[[Snapshot], Table]) -> FoldedTable:
    """One table of all environments: where there are several, their rows under a line with each one's name.

    What stands for the rows of one without any is said by its name: it may not have been read. Titles that name a
    secret, or say how much was found, are of one environment each.
    """
    tables = {name: table(snapshot) for name, snapshot in snapshots.items()}
    first = next(iter(tables.values()))
    is_one = not snapshots.are_several
    unread = [not_looked_at([each.environment.name for each in snapshots.unread])] if snapshots.unread else []
    notes = dict.fromkeys((*unread, *(note for each in tables.values() for note in each.notes)))
    rows = [row if is_one else [name, *row] for name, each in tables.items() for row in each.rows]
    without_rows = grouped((each.empty, name) for name, each in tables.items() if not each.rows)
    named = [f"{', '.join(names)}: {text}" for text, names in without_rows.items()]
    titles = dict.fromkeys(each.title for each in tables.values())
    return FoldedTable(
        listed([*titles], TITLED, "; "),
        first.columns if is_one else ["environment", *first.columns],
        rows,
        {text: level for each in tables.values() for text, level in each.levels.items()},
        first.empty if len(named) == 1 else " ".join(named),
        first.group + (not is_one),
        (*notes, *(named if rows else ())),
    )


def merge(findings: AuditFindings) -> tuple[Finding, ...]:
    """The findings of all environments; where there are several, each subject begins with the environment's name."""
    if len(findings) == 1:
        return tuple(*findings.values())
    return tuple(
        replace(each, subject=f"{name}: {each.subject}".removesuffix(": "))
        for name, own in findings.items()
        for each in with_remedies_of_causes(own)
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


def missing(snapshots: Snapshots) -> Group:
    """What is missing so that somebody is notified, as Terraform and as commands."""
    return Group(*(audit_monitoring.missing(each) for each in snapshots.values()))


def _in_each(table: Callable[[Snapshot], Table]) -> Callable[[Snapshots], FoldedTable]:
    """What a notebook calls for a table: it gives one of all environments."""

    def show(snapshots: Snapshots) -> FoldedTable:
        return of_each(snapshots, table)

    show.__doc__ = table.__doc__
    return show


def _for_each(picture: Callable[[Snapshot], Picture]) -> Callable[[Snapshots], Pictures]:
    """What a notebook calls for a picture: it gives one for each environment."""

    def show(snapshots: Snapshots) -> Pictures:
        return Pictures({name: picture(each) for name, each in snapshots.items()}, snapshots.are_several)

    show.__doc__ = picture.__doc__
    return show


ages = _in_each(audit_lives.ages)
lives = _for_each(audit_lives.LivesPlot)
readers = _in_each(audit_access.readers)
writers = _in_each(audit_access.writers)
accesses = _in_each(audit_accesses.accesses)
heat_map = _for_each(audit_plots.HeatMap)
access_timeline = _for_each(audit_plots.AccessTimeline)
changes = _in_each(audit_accesses.changes_log)
monitoring = _in_each(audit_monitoring.monitoring)
exposure = _in_each(audit_exposure.exposure)
unused = _in_each(audit_lifecycle.unused)
lifecycle = _in_each(audit_lifecycle.lifecycle)

TABLES: Mapping[str, Callable[[Snapshots], Table]] = {
    "ages": ages,
    "readers": readers,
    "writers": writers,
    "accesses": accesses,
    "changes": changes,
    "monitoring": monitoring,
    "exposure": exposure,
    "unused": unused,
    "lifecycle": lifecycle,
}
"""The tables of the environments, by the names of their files."""


def tables(snapshots: Snapshots, findings: AuditFindings) -> dict[str, Table]:
    """Everything that an audit shows, by the names that the files of the tables have."""
    return {
        "lights": lights(snapshots, findings).table,
        **{name: table(snapshots) for name, table in TABLES.items()},
        "findings": findings_table(findings),
    }


def by_hand(environment: Environment) -> Listing:
    """The commands for the same, with this environment's names, and the console's pages."""
    names = environment.names
    read = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=GetSecretValue"
    rows = [
        ("who can do what", "aws iam get-account-authorization-details"),
        ("who read it", f"{read} --region {names.region}"),
        ("how old it is", Remedy(runbook="rotate", parameters={"environment": environment.name}).invocation),
        ("the secret in the console", console.secret(names)),
    ]
    return commands_for(environment.name, rows)
