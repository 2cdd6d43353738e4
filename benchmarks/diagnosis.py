"""How troubleshoot diagnoses every fault of the sandbox, pairs of faults, and different healthy worlds.

Without options all of it: the faults one by one, 50 random pairs, the healthy worlds, and timed whole runs.
Exits with 1 if a cause is wrong or missed, or a healthy world is called broken; the evidence is on standard error.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import cases
import click
import pairing
import plain_moto
import worlds
from botocore.exceptions import BotoCoreError, ClientError
from cases.case import Case
from page import fill

from omc_runbook.diagnosis import complaint
from omc_runbook.masking import registry
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.findings import AUDIT, Finding
from omc_runbook.runbooks import audit
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults as catalogue
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import build as sandbox_worlds
from omc_runbook.sandbox.worlds.staging import World

PAGE = Path(__file__).parents[1] / "docs" / "diagnosis.md"
SCRIPT = Path(sys.executable).with_name("omc-runbook")
PAIRS, SEED, TIMES = 50, 4, 5
TIMED = ("", "no-permission", "key-missing", "not-forced")
HEADS = {
    "faults": ("fault", "family", "root causes named", "verdict", "false alarms", "seconds"),
    "pairs": ("pair", "root causes named", "verdict", "other alarms", "seconds"),
    "healthy": ("healthy world", "errors", "warnings", "unknown", "seconds"),
    "cases": ("case", "expected", "root causes named", "verdict", "other alarms", "seconds"),
    "moto": ("case", "expected", "root causes named", "verdict", "other alarms", "unknown checks", "seconds"),
    "headless": ("world", "exit code", "root causes named", "seconds, median of 5", "range"),
}
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells, whether the result is right, and the evidence if it is not."""

    cells: tuple[str, ...]
    holds: bool
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What troubleshoot found, and the seconds from its first call to its end."""

    findings: Sequence[Finding]
    seconds: float

    @property
    def root_causes(self) -> list[str]:
        """The checks that found a cause, foremost first."""
        return list(dict.fromkeys(finding.check for finding in self.findings if finding.is_unexplained))

    @property
    def errors(self) -> list[str]:
        """The checks that found an error, causes and consequences."""
        wrong = (finding for finding in self.findings if finding.is_problem and finding.severity == "error")
        return list(dict.fromkeys(finding.check for finding in wrong))

    def evidence(self) -> tuple[str, ...]:
        """Every problem with its evidence, a line each."""
        return tuple(registry.mask(_line_of(finding)) for finding in self.findings if finding.is_problem)


def look(symptom: str = "", toml: str = "", plan: worlds.Plan | None = None, is_audit: bool = False) -> Diagnosis:
    """Troubleshoot or audit the environment that the variables point at, by the notebook's verbs."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml)
        file.flush()
        start = time.perf_counter()
        if is_audit:
            run = audit.begin("staging", file.name if toml else "")
            return Diagnosis(audit.diagnose(audit.look(run))["staging"], time.perf_counter() - start)
        run = runbooks_run.begin("troubleshoot", "staging", file.name if toml else "")
        snapshot = run.look(look_inside=True, deeply=True)
        if plan and plan.moved_to:
            snapshot = worlds.move(snapshot, plan.moved_to, plan.partition)
        findings = complaint.read_complaint(symptom).focus(runbooks_run.diagnose(snapshot))
        return Diagnosis(findings, time.perf_counter() - start)


def try_fault(fault: str) -> Row:
    """Break one thing in a new healthy world."""
    family = _family(fault)
    diagnosis = _broken([fault], complaint.EXEC_FAILS if family == "exec" else "", family == AUDIT)
    causes = diagnosis.root_causes
    if not causes and any(finding.check == fault and finding.status == "found" for finding in diagnosis.findings):
        # What an audit only remarks on is no root cause.
        causes = [fault]
    verdict = "missed" if not causes else "right" if causes[0] == fault else "wrong"
    beside = [cause for cause in causes if cause != fault] if fault in causes else []
    cells = (fault, family, ", ".join(causes) or "none", verdict, ", ".join(beside), f"{diagnosis.seconds:.2f}")
    return _row(cells, verdict == "right" and not beside, diagnosis)


def try_pair(first: str, second: str) -> Row:
    """Break two things in a new healthy world: each has to be a root cause or an error."""
    diagnosis = _broken([first, second])
    missed = [fault for fault in (first, second) if fault not in {*diagnosis.root_causes, *diagnosis.errors}]
    verdict = f"missed {' and '.join(missed)}" if missed else "right"
    beside = ", ".join(cause for cause in diagnosis.root_causes if cause not in (first, second))
    cells = (
        f"{first} + {second}",
        ", ".join(diagnosis.root_causes) or "none",
        verdict,
        beside,
        f"{diagnosis.seconds:.2f}",
    )
    return _row(cells, not missed, diagnosis)


def try_healthy(number: int) -> Row:
    """Build one of the healthy worlds: nothing in it may be an error."""
    plan = worlds.PLANS[number]
    worlds.build(_sandbox(), plan)
    diagnosis = look(toml=plan.toml, plan=plan)
    warnings = [finding.check for finding in diagnosis.findings if finding.is_problem and finding.severity == "warning"]
    unknown = [finding.check for finding in diagnosis.findings if finding.status == "unknown"]
    checks = [", ".join(dict.fromkeys(names)) for names in (diagnosis.errors, warnings, unknown)]
    return _row(
        (plan.title, *(names or "none" for names in checks), f"{diagnosis.seconds:.2f}"),
        not diagnosis.errors,
        diagnosis,
    )


def try_case(title: str) -> Row:
    """Make a world of `cases`, and compare what is named there with what its author expected."""
    case = _case(title)
    if case.starts_healthy:
        renew()
    else:
        lifecycle.ask(_sandbox(), "POST", "reset", {})
    toml = case.make(World(_sandbox().endpoint)) or ""
    diagnosis = look(case.symptom, toml)
    missed, beside = _compare(case, diagnosis)
    causes = diagnosis.root_causes
    first = not case.expected or causes[:1] == [*case.expected][:1] or len(case.expected) > 1
    verdict = f"missed {' and '.join(missed)}" if missed else "right" if first else "not first"
    expected, named = (", ".join(checks) or "none" for checks in (case.expected, causes))
    cells = (title, expected, named, verdict, ", ".join(beside), f"{diagnosis.seconds:.2f}")
    return _row(cells, verdict == "right" and not beside, diagnosis)


def try_on_moto(title: str) -> Row:
    """Make a world of `cases` in a plain moto, which runs no tasks: what that does not show has to be unknown."""
    case = _case(title)
    with plain_moto.serve(case.starts_healthy) as world:
        try:
            toml = case.make(world) or ""
        except (ClientError, UsageError) as error:
            reason = f"{error.operation_name} fails" if isinstance(error, ClientError) else "asks for the sandbox"
            return Row((title, ", ".join(case.expected) or "none", "", "not possible in moto", reason, "", ""), True)
        diagnosis = look(case.symptom, toml)
    statuses = {(finding.check, finding.status) for finding in diagnosis.findings}
    missed, beside = _compare(case, diagnosis)
    unseen = [check for check in missed if (check, "unknown") not in statuses]
    verdict = f"missed {' and '.join(unseen)}" if unseen else "unknown" if missed else "right"
    unknown = str(len({check for check, status in statuses if status == "unknown"}))
    expected, named = (", ".join(checks) or "none" for checks in (case.expected, diagnosis.root_causes))
    cells = (title, expected, named, verdict, ", ".join(beside), unknown, f"{diagnosis.seconds:.2f}")
    return _row(cells, not unseen and not beside, diagnosis)


def _case(title: str) -> Case:
    return next(case for case in cases.CASES if case.title == title)


def _compare(case: Case, diagnosis: Diagnosis) -> tuple[list[str], list[str]]:
    """What a case's author expected and is not named, and what is named beside that and what follows from it."""
    named = dict.fromkeys([*diagnosis.root_causes, *diagnosis.errors])
    missed = [check for check in case.expected if check not in named]
    return missed, [check for check in named if check not in (*case.expected, *case.consequences)]


def time_headless(fault: str) -> Row:
    """Time whole runs of the runbook in a world with a fault, or in a healthy one for ""."""
    renew()
    if fault:
        catalogue.break_(_sandbox().endpoint, fault)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        command = [str(SCRIPT), "run", "troubleshoot", "-p", "environment", "staging", "--record", folder]
        for _ in range(TIMES):
            start = time.perf_counter()
            code = subprocess.run(command, cwd=folder, capture_output=True).returncode
            seconds.append(time.perf_counter() - start)
        outcome = Path(folder, "outcome.json")
        causes = json.loads(outcome.read_text())["root_causes"] if outcome.exists() else ["no outcome"]
    expected = [fault] if fault else []
    spread = f"{min(seconds):.1f}–{max(seconds):.1f}"
    cells = (fault or "healthy", str(code), ", ".join(causes) or "none", f"{statistics.median(seconds):.1f}", spread)
    return Row(cells, causes == expected)


def measure(parts: Sequence[tuple[str, Callable[..., Row], list[tuple[Any, ...]]]], jobs: int) -> dict[str, list[Row]]:
    """Try every case of each part, in `jobs` sandboxes side by side; gives the rows in the order of the cases."""
    tables: dict[str, list[Row]] = {}
    with processes(jobs) as pool:
        for name, attempt, cases in parts:
            numbers = {pool.submit(attempt, *case): number for number, case in enumerate(cases)}
            rows: dict[int, Row] = {}
            for future in as_completed(numbers):
                rows[numbers[future]] = row = _result(future, cases[numbers[future]], len(HEADS[name]))
                mark = "" if row.holds else "  <- wrong"
                click.echo(f"{name} {len(rows)}/{len(cases)}: {' | '.join(row.cells)}{mark}", err=True)
                for line in () if row.holds else row.evidence:
                    click.echo(f"    {line}", err=True)
            tables[name] = [rows[number] for number in sorted(rows)]
    return tables


def table(name: str, rows: Sequence[Row]) -> str:
    """A part's table in Markdown, and how many rows are right."""
    heads = HEADS[name]
    numbers = [head.startswith("seconds") or head == "exit code" for head in heads]
    rule = "|".join("--:" if number else "---" for number in numbers)
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|", *(f"| {' | '.join(row.cells)} |" for row in rows)]
    right = len([row for row in rows if row.holds])
    return "\n".join([*lines, "", f"{right} of {len(rows)} as it should be."])


def write(page: Path, tables: dict[str, list[Row]], command: str, date: str) -> None:
    """Replace the tables of the page; its other text stays."""
    for name, rows in tables.items():
        fill(page, name, f"{table(name, rows)}\n\nBy `{command}` on {date}.")


def _result(future: Future[Row], case: tuple[Any, ...], width: int) -> Row:
    try:
        return future.result()
    except (RunbookError, ClientError, BotoCoreError) as error:
        message = f"could not be made: {error}".replace("|", "/")
        return Row((" + ".join(map(str, case)), message, *[""] * (width - 2)), False)


def _line_of(finding: Finding) -> str:
    because = f", because of {', '.join(finding.because_of)}" if finding.because_of else ""
    return f"{finding.check} ({finding.severity}, {finding.subject}{because}): {' '.join(finding.evidence)}"


def _family(fault: str) -> str:
    return next(entry.family for entry in catalogue.catalogue() if entry.id == fault)


def _broken(faults: Sequence[str], symptom: str = "", is_audit: bool = False) -> Diagnosis:
    renew()
    for fault in faults:
        catalogue.break_(_sandbox().endpoint, fault)
    return look(symptom, is_audit=is_audit)


def renew() -> None:
    """Start again with a healthy world."""
    lifecycle.ask(_sandbox(), "POST", "reset", {})
    sandbox_worlds.build(_sandbox().endpoint, "healthy")


def _row(cells: tuple[str, ...], holds: bool, diagnosis: Diagnosis) -> Row:
    return Row(cells, holds, () if holds else diagnosis.evidence())


def _sandbox() -> Sandbox:
    return lifecycle.at(os.environ["AWS_ENDPOINT_URL"])


@contextmanager
def processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with a sandbox each; all of them end with the context."""
    context = multiprocessing.get_context("spawn")
    sandboxes = context.SimpleQueue()
    processes = ProcessPoolExecutor(jobs, context, _enter_sandbox, (sandboxes,))
    with ExitStack() as undo:
        # The sandboxes stop first, so that what still runs against one ends.
        undo.callback(processes.shutdown, wait=True, cancel_futures=True)
        for _ in range(jobs):
            sandbox = lifecycle.up(None)
            undo.callback(lifecycle.down, sandbox)
            sandboxes.put(sandbox.variables)
        yield processes


def _enter_sandbox(sandboxes: Any) -> None:
    # Ctrl-C is for the parent, which stops the sandbox, so that what runs here ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in [name for name in os.environ if name.startswith(("AWS_", "OMC_"))]:
        del os.environ[name]
    os.environ.update(sandboxes.get())


@click.command(help=__doc__)
@click.option("--faults", is_flag=True, help="Every fault by itself.")
@click.option("--pairs", type=int, default=0, help="The number of pairs of independent faults.")
@click.option("--healthy", is_flag=True, help="The healthy worlds.")
@click.option("--cases", "documented", is_flag=True, help="Worlds made from AWS's documentation alone.")
@click.option("--moto", is_flag=True, help="Those of them that need no running task, in a plain moto.")
@click.option("--headless", is_flag=True, help="Timed whole runs of the runbook.")
@click.option(
    "--only",
    default="",
    help="Only these, separated by commas: faults, healthy worlds by number, cases by a word.",
)
@click.option("--seed", default=SEED, show_default=True, help="The seed of the random pairs.")
@click.option("--jobs", default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the tables in docs/{PAGE.name}.")
@click.pass_context
def main(
    context: click.Context,
    faults: bool,
    pairs: int,
    healthy: bool,
    documented: bool,
    moto: bool,
    headless: bool,
    only: str,
    seed: int,
    jobs: int,
    keep: bool,
) -> None:
    """Measure the chosen parts, and print the tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    if only and keep:
        raise click.UsageError("--write replaces whole tables: without --only.")
    if not (faults or pairs or healthy or documented or moto or headless):
        faults, pairs, healthy, documented, moto, headless = True, PAIRS, not only, not only, not only, not only
    faults_to_try = [fault for fault in catalogue.catalogue() if not only or fault.id in only.split(",")]
    parts: list[tuple[str, Callable[..., Row], list[tuple[Any, ...]]]] = []
    if faults:
        parts.append(("faults", try_fault, [(fault.id,) for fault in faults_to_try]))
    if pairs:
        parts.append(("pairs", try_pair, [*pairing.draw(faults_to_try, pairs, seed)]))
    if healthy:
        numbers = [number for number in range(len(worlds.PLANS)) if not only or str(number) in only.split(",")]
        parts.append(("healthy", try_healthy, [(number,) for number in numbers]))
    named = [case for case in cases.CASES if not only or any(word in case.title for word in only.split(","))]
    if documented:
        parts.append(("cases", try_case, [(case.title,) for case in named]))
    if moto:
        still = [case.title for case in named if plain_moto.needs_no_task(case.expected)]
        parts.append(("moto", try_on_moto, [(title,) for title in still]))
    tables = measure(parts, jobs)
    if headless:
        # One after another: a second run would slow this one.
        tables |= measure([("headless", time_headless, [(fault,) for fault in TIMED])], 1)
    for name, rows in tables.items():
        click.echo(f"\n{table(name, rows)}")
    if keep:
        command = " ".join(["python benchmarks/diagnosis.py", *sys.argv[1:]])
        write(PAGE, tables, command, datetime.now(UTC).date().isoformat())
    context.exit(0 if all(row.holds for rows in tables.values() for row in rows) else 1)


if __name__ == "__main__":
    main()
