"""What troubleshoot makes of every fault of the sandbox, of pairs of them, and of healthy worlds that differ.

Without options all of it: the faults one by one, 50 pairs by chance, the healthy worlds, and whole runs by the clock.
Exits with 1 where a cause is wrong or missed, or where a healthy world is called broken. What is amiss is told on
standard error with its evidence.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
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

import click
import pairing
import worlds
from botocore.exceptions import BotoCoreError, ClientError

from omc_runbook.diagnosis import complaint
from omc_runbook.masking import registry
from omc_runbook.model.errors import RunbookError
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults as catalogue
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import build as sandbox_worlds

PAGE = Path(__file__).parents[1] / "docs" / "diagnosis.md"
SCRIPT = Path(sys.executable).with_name("omc-runbook")
PAIRS, SEED, TIMES = 50, 4, 5
TIMED = ("", "no-permission", "key-missing", "not-forced")
HEADS = {
    "faults": ("fault", "family", "root causes named", "verdict", "false alarms", "seconds"),
    "pairs": ("pair", "root causes named", "verdict", "other alarms", "seconds"),
    "healthy": ("healthy world", "errors", "warnings", "unknown", "seconds"),
    "headless": ("world", "exit code", "root causes named", "seconds, median of 5", "range"),
}
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """A line of a table: its cells, whether all is as it should be, and the evidence where it is not."""

    cells: tuple[str, ...]
    holds: bool
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What troubleshoot found, and how many seconds it took from its first call to its last word."""

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def root_causes(self) -> list[str]:
        """The checks that found a cause, foremost first."""
        return list(dict.fromkeys(finding.check for finding in self.findings if finding.is_root_cause))

    @property
    def errors(self) -> list[str]:
        """The checks that found an error, causes and consequences."""
        wrong = (finding for finding in self.findings if finding.is_problem and finding.severity == "error")
        return list(dict.fromkeys(finding.check for finding in wrong))

    def evidence(self) -> tuple[str, ...]:
        """Every problem with what it rests on, a line each."""
        return tuple(registry.mask(_told(finding)) for finding in self.findings if finding.is_problem)


def look(symptom: str = "", toml: str = "", plan: worlds.Plan | None = None) -> Diagnosis:
    """Troubleshoot the environment that the variables point at, by the notebook's verbs."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml)
        file.flush()
        start = time.perf_counter()
        run = runbooks_run.begin("troubleshoot", "staging", file.name if toml else "")
        snapshot = run.look(look_inside=True, deeply=True)
        if plan and plan.moved_to:
            snapshot = worlds.move(snapshot, plan.moved_to, plan.partition)
        findings = complaint.hear(symptom).focus(runbooks_run.diagnose(snapshot))
        return Diagnosis(findings, time.perf_counter() - start)


def try_fault(fault: str) -> Row:
    """Break one thing in a new healthy world."""
    family = _family(fault)
    found = _broken([fault], complaint.EXEC_FAILS if family == "exec" else "")
    named = found.root_causes
    verdict = "missed" if not named else "right" if named[0] == fault else "wrong"
    beside = [cause for cause in named if cause != fault] if fault in named else []
    cells = (fault, family, ", ".join(named) or "none", verdict, ", ".join(beside), f"{found.seconds:.2f}")
    return _row(cells, verdict == "right" and not beside, found)


def try_pair(first: str, second: str) -> Row:
    """Break two things in a new healthy world: each has to be a root cause or an error."""
    found = _broken([first, second])
    missed = [fault for fault in (first, second) if fault not in {*found.root_causes, *found.errors}]
    verdict = f"missed {' and '.join(missed)}" if missed else "right"
    beside = ", ".join(cause for cause in found.root_causes if cause not in (first, second))
    cells = (f"{first} + {second}", ", ".join(found.root_causes) or "none", verdict, beside, f"{found.seconds:.2f}")
    return _row(cells, not missed, found)


def try_healthy(number: int) -> Row:
    """Build one of the healthy worlds: nothing in it may be an error."""
    plan = worlds.PLANS[number]
    worlds.build(_sandbox(), plan)
    found = look(toml=plan.toml, plan=plan)
    warnings = [finding.check for finding in found.findings if finding.is_problem and finding.severity == "warning"]
    unknown = [finding.check for finding in found.findings if finding.status == "unknown"]
    checks = [", ".join(dict.fromkeys(names)) for names in (found.errors, warnings, unknown)]
    return _row((plan.title, *(names or "none" for names in checks), f"{found.seconds:.2f}"), not found.errors, found)


def time_headless(fault: str) -> Row:
    """Run the whole runbook some times in a world with a fault, or a healthy one where none is named."""
    _renew()
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
        named = json.loads(outcome.read_text())["root_causes"] if outcome.exists() else ["no outcome"]
    wanted = [fault] if fault else []
    spread = f"{min(seconds):.1f}–{max(seconds):.1f}"
    cells = (fault or "healthy", str(code), ", ".join(named) or "none", f"{statistics.median(seconds):.1f}", spread)
    return Row(cells, named == wanted)


def measure(parts: Sequence[tuple[str, Callable[..., Row], list[tuple[Any, ...]]]], jobs: int) -> dict[str, list[Row]]:
    """Try every case of each part, in so many sandboxes side by side; the rows in the order of the cases."""
    found: dict[str, list[Row]] = {}
    with _desks(jobs) as desks:
        for name, attempt, cases in parts:
            asked = {desks.submit(attempt, *case): number for number, case in enumerate(cases)}
            rows: dict[int, Row] = {}
            for done in as_completed(asked):
                rows[asked[done]] = row = _result(done, cases[asked[done]], len(HEADS[name]))
                mark = "" if row.holds else "  <- amiss"
                click.echo(f"{name} {len(rows)}/{len(cases)}: {' | '.join(row.cells)}{mark}", err=True)
                for line in () if row.holds else row.evidence:
                    click.echo(f"    {line}", err=True)
            found[name] = [rows[number] for number in sorted(rows)]
    return found


def table(name: str, rows: Sequence[Row]) -> str:
    """A part's table in Markdown, and what it comes to."""
    heads = HEADS[name]
    numbers = [head.startswith("seconds") or head == "exit code" for head in heads]
    rule = "|".join("--:" if number else "---" for number in numbers)
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|", *(f"| {' | '.join(row.cells)} |" for row in rows)]
    right = len([row for row in rows if row.holds])
    return "\n".join([*lines, "", f"{right} of {len(rows)} as it should be."])


def write(page: Path, found: dict[str, list[Row]], command: str, date: str) -> None:
    """Put tables into the page, in the place of those that were there; the page's other words stay."""
    text = page.read_text(encoding="utf-8")
    for name, rows in found.items():
        marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
        body = f"\n\n{table(name, rows)}\n\nBy `{command}` on {date}.\n\n"
        pattern = f"({re.escape(marks[0])}).*?({re.escape(marks[1])})"
        text = re.sub(pattern, lambda match, body=body: match[1] + body + match[2], text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")


def _result(done: Future[Row], case: tuple[Any, ...], width: int) -> Row:
    try:
        return done.result()
    except (RunbookError, ClientError, BotoCoreError) as error:
        said = f"could not be made: {error}".replace("|", "/")
        return Row((" + ".join(map(str, case)), said, *[""] * (width - 2)), False)


def _told(finding: Finding) -> str:
    because = f", because of {', '.join(finding.because_of)}" if finding.because_of else ""
    return f"{finding.check} ({finding.severity}, {finding.subject}{because}): {' '.join(finding.evidence)}"


def _family(fault: str) -> str:
    return next(known.family for known in catalogue.catalogue() if known.id == fault)


def _broken(faults: Sequence[str], symptom: str = "") -> Diagnosis:
    _renew()
    for fault in faults:
        catalogue.break_(_sandbox().endpoint, fault)
    return look(symptom)


def _renew() -> None:
    """A healthy world without a past."""
    lifecycle.ask(_sandbox(), "POST", "reset", {})
    sandbox_worlds.build(_sandbox().endpoint, "healthy")


def _row(cells: tuple[str, ...], holds: bool, found: Diagnosis) -> Row:
    return Row(cells, holds, () if holds else found.evidence())


def _sandbox() -> Sandbox:
    return lifecycle.at(os.environ["AWS_ENDPOINT_URL"])


@contextmanager
def _desks(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with a sandbox each; all of it is gone afterwards, however it ends."""
    context = multiprocessing.get_context("spawn")
    places = context.SimpleQueue()
    desks = ProcessPoolExecutor(jobs, context, _sit_down, (places,))
    with ExitStack() as undo:
        # The sandboxes go first: what is still at work in one ends with it.
        undo.callback(desks.shutdown, wait=True, cancel_futures=True)
        for _ in range(jobs):
            sandbox = lifecycle.up(None)
            undo.callback(lifecycle.down, sandbox)
            places.put(sandbox.variables)
        yield desks


def _sit_down(places: Any) -> None:
    # Ctrl-C is for the parent, which ends the sandbox and with it what is at work here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in [name for name in os.environ if name.startswith(("AWS_", "OMC_"))]:
        del os.environ[name]
    os.environ.update(places.get())


@click.command(help=__doc__)
@click.option("--faults", is_flag=True, help="Every fault by itself.")
@click.option("--pairs", type=int, default=0, help="So many pairs of independent faults.")
@click.option("--healthy", is_flag=True, help="The healthy worlds.")
@click.option("--headless", is_flag=True, help="Whole runs of the runbook, by the clock.")
@click.option("--only", default="", help="These faults alone, or healthy worlds by their numbers; commas between.")
@click.option("--seed", default=SEED, show_default=True, help="Which pairs.")
@click.option("--jobs", default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the tables in docs/{PAGE.name}.")
@click.pass_context
def main(
    context: click.Context,
    faults: bool,
    pairs: int,
    healthy: bool,
    headless: bool,
    only: str,
    seed: int,
    jobs: int,
    keep: bool,
) -> None:
    """Measure what was asked for, and print the tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    if not (faults or pairs or healthy or headless):
        faults, pairs, healthy, headless = True, PAIRS, not only, not only
    known = [fault for fault in catalogue.catalogue() if not only or fault.id in only.split(",")]
    parts: list[tuple[str, Callable[..., Row], list[tuple[Any, ...]]]] = []
    if faults:
        parts.append(("faults", try_fault, [(fault.id,) for fault in known]))
    if pairs:
        parts.append(("pairs", try_pair, [*pairing.draw(known, pairs, seed)]))
    if healthy:
        numbers = [number for number in range(len(worlds.PLANS)) if not only or str(number) in only.split(",")]
        parts.append(("healthy", try_healthy, [(number,) for number in numbers]))
    found = measure(parts, jobs)
    if headless:
        # One after another: a second run beside it would be in the figures.
        found |= measure([("headless", time_headless, [(fault,) for fault in TIMED])], 1)
    for name, rows in found.items():
        click.echo(f"\n{table(name, rows)}")
    if keep:
        command = " ".join(["python benchmarks/diagnosis.py", *sys.argv[1:]])
        write(PAGE, found, command, datetime.now(UTC).date().isoformat())
    context.exit(0 if all(row.holds for rows in found.values() for row in rows) else 1)


if __name__ == "__main__":
    main()
