"""What becomes of the remedies that troubleshoot prints: each is pasted into a shell, in a world with its fault.

Needs the AWS CLI: on PATH, or named with --aws (`pip install awscli`, in a virtual environment of its own).
Exits with 1 if a command neither mends its fault nor says what is missing; its output is on standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import diagnosis
from diagnosis import Diagnosis, Row

from omc_runbook.diagnosis import complaint
from omc_runbook.model.findings import is_sentence
from omc_runbook.report.audit import AUDIT
from omc_runbook.sandbox import faults as catalogue
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds.build import good_document
from omc_runbook.sandbox.worlds.staging import World

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
dotenv_faults: Any = importlib.import_module("support.dotenv_faults")
small_platform: Any = importlib.import_module("support.local_setup_runs").small_platform

PAGE = ROOT / "docs" / "remedies.md"
HEADS = ("fault", "the remedy, as printed", "pasted", "what it said or left")
CHECKOUT = "checkout"
USAGE, SECONDS = 3, 300
MENDED, FILLED, AGAIN = "mended", "mended, filled in", "found again"
DECISION, SHOWS, MISSING = "a person decides", "shows", "says what is missing"
RIGHT = (MENDED, FILLED, DECISION, SHOWS, MISSING)
_CAUSE = re.compile(r"  (?:error|warning|info|accepted|unknown) +(\S+): ")
_INDENT = " " * 13
_FIRST, _NEXT = re.compile(r" {13}→ (.+)"), re.compile(r" {13}or (?:by hand: )?(.+)")
_APPLY = re.compile(r"  Apply it: (.+)")
_NEEDED = re.compile(r"\bfile:(?://)?([\w.-]+)")
_LOOKS = re.compile(r"aws (?:logs tail|\S+ describe-\S+) ")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r")
"""Colours, and lines that others were written over."""
_VERSION_2 = "aws logs tail "
"""A command that version 1 of the AWS CLI does not have."""


@dataclass(frozen=True)
class Pasted:
    """How a shell ended, and what it printed."""

    code: int
    output: str

    @property
    def last(self) -> str:
        """The last line of the output that is not empty, without the CLI's own mark before it."""
        last = next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "")
        return last.removeprefix("error: ")


class Shell:
    """A shell at a terminal, in a folder that is its home, with this project's command and the AWS CLI on its PATH.

    It has the folder's checkout, or a copy of the example one.
    """

    def __init__(self, folder: Path, aws: str) -> None:
        self.folder = folder
        checkout = folder / CHECKOUT
        if not checkout.exists():
            shutil.copytree(os.environ["OMC_REPOSITORY"], checkout, symlinks=True)
        programs = (str(Path(sys.executable).parent), str(Path(aws).parent), os.environ["PATH"])
        self._variables = os.environ | {"PATH": os.pathsep.join(programs), "HOME": str(folder), "AWS_PAGER": ""}
        self._variables |= {"OMC_REPOSITORY": str(checkout), "TERM": "dumb", "COLUMNS": "1000", "NO_COLOR": "1"}

    def paste(self, line: str) -> Pasted:
        """Run a line in bash, and wait until its terminal is closed."""
        terminal, side = pty.openpty()
        with os.fdopen(terminal, "rb", buffering=0) as output:
            process = subprocess.Popen(
                ["bash", "-c", line],
                env=self._variables,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=side,
                stderr=side,
                start_new_session=True,
            )
            os.close(side)
            text = b"".join(_read(output)).decode(errors="replace")
        return Pasted(process.wait(SECONDS), _CONTROL.sub("", text.replace("\r\n", "\n")))


def _read(output: io.FileIO) -> Iterator[bytes]:
    """What comes from a terminal until its other side is closed, which Linux reports as an error."""
    with contextlib.suppress(OSError):
        while chunk := output.read(65536):
            yield chunk


def try_remedies(fault: str, aws: str) -> list[Row]:
    """Break one thing, and paste each remedy of it that the terminal prints, each in a new world."""
    rows: list[Row] = []
    total = 1
    while len(rows) < total:
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(Path(folder), aws)
            ways, needs, said = _break(shell, fault)
            total = len(ways)
            if not ways:
                return [Row((fault, "none", "no remedy is printed", ""), False, tuple(said.output.splitlines()))]
            rows.append(_read_only(fault, ways[len(rows)]) or _try(shell, fault, ways[len(rows)], needs))
            # These need no world of their own.
            while len(rows) < total and (row := _read_only(fault, ways[len(rows)])):
                rows.append(row)
    return rows


def _read_only(fault: str, way: str) -> Row | None:
    """The row of a remedy that is no command for this shell."""
    if is_sentence(way):
        return Row((fault, re.sub(rf"/\S+(?=/{CHECKOUT}/)", "…", way).replace("|", "\\|"), DECISION, ""), True)
    if way.startswith(_VERSION_2):
        return Row((fault, f"`{way}`", SHOWS, "needs version 2 of the AWS CLI"), True)
    return None


def _break(shell: Shell, fault: str) -> tuple[list[str], str, Pasted]:
    diagnosis.renew()
    catalogue.break_(os.environ["AWS_ENDPOINT_URL"], fault)
    symptom = _symptom(fault)
    option = f" -p symptom {symptom}" if symptom else ""
    runbook = AUDIT if catalogue.find(fault).family == AUDIT else "troubleshoot"
    said = shell.paste(f"omc-runbook run {runbook} -p environment staging{option} --summary")
    return *printed(said.output, fault), said


def printed(output: str, fault: str) -> tuple[list[str], str]:
    """The remedies below a fault's first finding with one, in what the terminal printed, and the sentence after them.

    That says what they need first.
    """
    ways, needs = list[str](), list[str]()
    is_below = False
    for line in output.splitlines():
        cause = _CAUSE.match(line)
        if cause or not line.startswith(_INDENT):
            if ways:
                break
            is_below = (cause is not None and cause[1] == fault) or (is_below and not cause)
        elif is_below and (way := (_NEXT if ways else _FIRST).fullmatch(line)):
            ways.append(way[1])
        elif ways:
            needs.append(line.strip())
    return ways, " ".join(needs)


def _try(shell: Shell, fault: str, way: str, needs: str) -> Row:
    shown = f"`{way}`".replace("|", "\\|")
    good = _good(fault) if _NEEDED.search(way) else {}
    verdict, rest, said = _follow(shell, fault, way)
    missing = _NEEDED.search(way)
    if verdict != MENDED and missing:
        (shell.folder / missing[1]).write_text(json.dumps(good))
        (shell.folder / missing[1]).chmod(0o600)
        verdict, rest, again = _follow(shell, fault, way)
        verdict = FILLED if verdict == MENDED else AGAIN if verdict == MISSING else verdict
        said, rest = Pasted(again.code, f"{said.output}\n{again.output}"), " ".join(filter(None, (needs, rest)))
    elif verdict != MENDED and _LOOKS.match(way) and said.code == 0:
        verdict, rest = SHOWS, ""
    elif verdict == AGAIN and needs:
        verdict, rest = MISSING, needs
    return Row((fault, shown, verdict, rest.replace("|", "\\|")), verdict in RIGHT, tuple(said.output.splitlines()))


def _follow(shell: Shell, fault: str, way: str) -> tuple[str, str, Pasted]:
    """Paste a command, and the command that it says applies its plan: the verdict, what is left, what it said."""
    if fault == "throttled":
        # It passes, which is what is waited for.
        lifecycle.ask(lifecycle.at(os.environ["AWS_ENDPOINT_URL"]), "DELETE", "wire")
    said = shell.paste(way)
    steps = [*filter(None, [_APPLY.search(said.output)])]
    if steps:
        applied = shell.paste(steps[0][1])
        said = Pasted(applied.code, f"{said.output}\n$ {steps[0][1]}\n{applied.output}")
    elif said.code == USAGE and way.startswith("omc-runbook "):
        return MISSING, said.last, said
    elif said.code not in (0, 1):
        return f"exit code {said.code}", said.last, said
    World(os.environ["AWS_ENDPOINT_URL"]).settle()
    names = shell.folder / "runbook.toml"
    is_audit = catalogue.find(fault).family == AUDIT
    after = diagnosis.look(_symptom(fault), names.read_text() if names.exists() else "", is_audit=is_audit)
    left = [cause for cause in (*after.root_causes, *after.errors) if cause != fault]
    verdict = AGAIN if fault in problems(after) else MENDED
    rest = ", ".join(dict.fromkeys(left))
    return verdict, f"left: {rest}" if rest else "", Pasted(said.code, said.output + "\n".join(after.evidence()))


def _good(fault: str) -> dict[str, str]:
    """What a person would fill in: the values of the healthy world, and of the keys that faults add."""
    good = good_document(World(os.environ["AWS_ENDPOINT_URL"]))
    address = f"postgresql://app:{good['POSTGRES_PASSWORD']}@database:5432/app"
    store = "rediss://ohmycoins-staging.x7k2.apse2.cache.amazonaws.com:6379"
    others = {
        "value-refused": {"POSTGRES_PORT": "5432"},
        "address-differs": {"DATABASE_URL": address},
        "wrong-host": {"REDIS_URL": store},
    }
    return good | others.get(fault, {})


def problems(found: Diagnosis) -> set[str]:
    """The checks that found a problem."""
    return {finding.check for finding in found.findings if finding.is_problem}


def _symptom(fault: str) -> str:
    return complaint.EXEC_FAILS if catalogue.find(fault).family == "exec" else ""


def try_local(fault: str, aws: str) -> list[Row]:
    """Break a checkout's .env or what reads it, and paste each command that local_setup prints about it."""
    case = next(case for case in dotenv_faults.FAULTS if case.fault == fault)
    rows: list[Row] = []
    total = 1
    while len(rows) < total:
        with tempfile.TemporaryDirectory() as folder:
            platform = small_platform(Path(folder, CHECKOUT))
            platform.write_dotenv()
            case.change(platform)
            shell = Shell(Path(folder), aws)
            setup = f"omc-runbook run local_setup -p environment local -p repository {CHECKOUT} -p allow_code true"
            said = shell.paste(f"{setup} --summary")
            ways, needs = printed(said.output, fault)
            total = len(ways)
            if not ways:
                return [Row((fault, "none", "no remedy is printed", ""), False, tuple(said.output.splitlines()))]
            rows.append(_read_only(fault, ways[len(rows)]) or _try_here(shell, fault, ways[len(rows)], needs, setup))
            while len(rows) < total and (row := _read_only(fault, ways[len(rows)])):
                rows.append(row)
    return rows


def _try_here(shell: Shell, fault: str, way: str, needs: str, setup: str) -> Row:
    said = shell.paste(way)
    if step := _APPLY.search(said.output):
        said = shell.paste(step[1])
    after = shell.paste(f"{setup} --summary")
    outcome = json.loads((shell.folder / "records" / "outcome.json").read_text())
    problems = [each for each in outcome["findings"] if each["status"] == "found" and each["severity"] != "info"]
    left = ", ".join(dict.fromkeys(each["check"] for each in problems if each["check"] != fault))
    is_there = any(each["check"] == fault for each in problems)
    verdict = MENDED if not is_there else MISSING if needs else SHOWS if " log " in way else AGAIN
    rest = needs if verdict == MISSING else f"left: {left}" if left and verdict == MENDED else ""
    cells = (fault, f"`{way}`".replace(str(shell.folder), "…").replace("|", "\\|"), verdict, rest)
    return Row(cells, verdict in RIGHT, (*said.output.splitlines(), *after.output.splitlines()))


def table(rows: Sequence[Row]) -> str:
    """The table in Markdown, and how many rows are right."""
    lines = [f"| {' | '.join(HEADS)} |", "|---|---|---|---|", *(f"| {' | '.join(row.cells)} |" for row in rows)]
    right = sum(1 for row in rows if row.holds)
    return "\n".join([*lines, "", f"{right} of {len(rows)} as it should be."])


@click.command(help=__doc__)
@click.option("--part", type=click.Choice(["faults", "local"]), default="", help="One table; both by default.")
@click.option("--only", default="", help="Only these faults, separated by commas.")
@click.option("--jobs", default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--aws", default="aws", show_default=True, help="The AWS CLI.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the table in docs/{PAGE.name}, with its other rows.")
def main(part: str, only: str, jobs: int, aws: str, keep: bool) -> None:
    """Try the remedies of the chosen faults, and print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    program = shutil.which(aws)
    if program is None:
        raise click.UsageError(f"There is no AWS CLI {aws}: pip install awscli, and name it with --aws.")
    here = dict.fromkeys(case.fault for case in dotenv_faults.FAULTS if case.fault)
    parts = {
        "faults": (try_remedies, [fault.id for fault in catalogue.catalogue()]),
        "local": (try_local, [*here]),
    }
    rows: list[Row] = []
    for name, (attempt, faults) in parts.items():
        if part in ("", name):
            chosen = [fault for fault in faults if not only or fault in only.split(",")]
            found = _measure(attempt, chosen, program, jobs)
            rows += found
            click.echo(f"{table(found)}\n")
            if keep:
                found = _with_kept(found, name, faults)
                date = datetime.now(UTC).date().isoformat()
                diagnosis.fill(PAGE, name, f"{table(found)}\n\nBy `python benchmarks/remedies.py --write` on {date}.")
    sys.exit(0 if all(row.holds for row in rows) else 1)


def _with_kept(rows: Sequence[Row], name: str, faults: Sequence[str]) -> list[Row]:
    """The rows, and those that the page has of faults that were not tried again, in the order of the faults."""
    table = PAGE.read_text(encoding="utf-8").partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
    tried = {row.cells[0] for row in rows}
    lines = [re.split(r" ?(?<!\\)\| ?", line) for line in table.splitlines() if line.startswith("| ")][1:]
    kept = [Row(tuple(cells[1:5]), cells[3] in RIGHT) for cells in lines if cells[1] not in tried]
    return sorted([*rows, *kept], key=lambda row: faults.index(row.cells[0]))


def _measure(attempt: Callable[[str, str], list[Row]], faults: Sequence[str], aws: str, jobs: int) -> list[Row]:
    rows: dict[str, list[Row]] = {}
    with diagnosis.processes(jobs) as pool:
        attempts = {pool.submit(attempt, fault, aws): fault for fault in faults}
        for done in as_completed(attempts):
            fault = attempts[done]
            rows[fault] = done.result()
            for row in rows[fault]:
                mark = "" if row.holds else "  <- wrong"
                click.echo(f"{len(rows)}/{len(faults)}: {' | '.join(row.cells)}{mark}", err=True)
                for line in () if row.holds else row.evidence:
                    click.echo(f"    {line}", err=True)
    return [row for fault in faults for row in rows[fault]]


if __name__ == "__main__":
    main()
