"""What becomes of the remedies that runbooks print: each is pasted into a shell, in a world with its fault.

Needs the AWS CLI: on PATH, or named with --aws (`pip install awscli`, in a virtual environment of its own).
Exits with 1 if a command neither mends its fault nor says what is missing; its output is on standard error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import checkout_faults
import click
import diagnosis
import untried
from checkout_faults import CHECKOUT
from diagnosis import Row
from page import choose

from omc_runbook.diagnosis import complaint
from omc_runbook.model.findings import AUDIT, is_sentence
from omc_runbook.sandbox import faults as catalogue
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds.build import good_document
from omc_runbook.sandbox.worlds.staging import World

PAGE = Path(__file__).parents[1] / "docs" / "remedies.md"
HEADS = ("fault", "the remedy, as printed", "pasted", "what it said or left")
USAGE, SECONDS = 3, 300
MENDED, FILLED, AGAIN = "mended", "mended, filled in", "found again"
DECISION, SHOWS, MISSING = "a person decides", "shows", "says what is missing"
RIGHT = (MENDED, FILLED, DECISION, SHOWS, MISSING, untried.VERDICT)
_CAUSE = re.compile(r"  (?:error|warning|info|accepted|unknown) +(\S+)(?:: | — )")
_INDENT = " " * 13
_FIRST, _NEXT = re.compile(r" {13}→ (.+)"), re.compile(r" {13}or (?:by hand: )?(.+)")
_APPLY = re.compile(r"  Apply it: (.+)")
_NEEDED = re.compile(r"\bfile:(?://)?([\w.-]+)")
_VARIABLE = re.compile(r"\benv:NAME\b")
"""What a file does not fill in: the address of a database, which the sandbox does without."""
_LOOKS = re.compile(r"aws (?:logs tail|\S+ describe-\S+) ")
_LOOKS_HERE = re.compile(r"\A(?:git .* log|docker.* config) ")
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


@dataclass(frozen=True)
class Broken:
    """How a fault was found before its remedies: its severities, and the subjects that have a remedy of their own.

    `ways` are the remedies of its first finding, and `needs` the sentence that says what they need.
    """

    ways: tuple[str, ...]
    needs: str
    severities: frozenset[str]
    others: frozenset[str]

    def is_among(self, findings: Iterable[tuple[str, str]]) -> bool:
        """Whether findings of the fault, as severities and subjects, still have what the remedies are for."""
        return any(severity in self.severities and subject not in self.others for severity, subject in findings)


class Shell:
    """A shell at a terminal, in a folder that is its home, with this project's command and the AWS CLI on its PATH.

    It has the folder's checkout, or a copy of the example one; what a line exports or unsets counts for the next.
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
        after = self.folder / ".variables"
        with os.fdopen(terminal, "rb", buffering=0) as output:
            process = subprocess.Popen(
                ["bash", "-c", f"{line}\ncode=$?\nenv -0 > {shlex.quote(str(after))}\nexit $code"],
                env=self._variables,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=side,
                stderr=side,
                start_new_session=True,
            )
            os.close(side)
            text = b"".join(_chunks(output)).decode(errors="replace")
        code = process.wait(SECONDS)
        if after.exists():
            pairs = (entry.partition("=") for entry in after.read_text().split("\0") if entry)
            self._variables = {name: value for name, _, value in pairs}
            after.unlink()
        return Pasted(code, _CONTROL.sub("", text.replace("\r\n", "\n")))


def _chunks(output: io.FileIO) -> Iterator[bytes]:
    """What comes from a terminal until its other side is closed, which Linux reports as an error."""
    with contextlib.suppress(OSError):
        while chunk := output.read(65536):
            yield chunk


def try_remedies(fault: str, aws: str) -> list[Row]:
    """Break one thing, and paste each remedy of it that the terminal prints, each in a new world."""
    family = catalogue.find(fault).family
    symptom = f" -p symptom {_symptom(fault)}" if _symptom(fault) else ""
    runbook = AUDIT if family == AUDIT else "troubleshoot"

    def make(folder: Path) -> None:
        diagnosis.renew()
        catalogue.break_(os.environ["AWS_ENDPOINT_URL"], fault)

    return _try_each(fault, make, f"omc-runbook run {runbook} -p environment staging{symptom}", aws, _try)


def _try_each(
    fault: str,
    make: Callable[[Path], object],
    run: str,
    aws: str,
    attempt: Callable[[Shell, str, str, Broken], Row],
    before: str = "",
    obstacle: str = "",
) -> list[Row]:
    """A row for each remedy that a run prints of a fault, each tried in a folder and a world of its own."""
    rows: list[Row] = []
    total = 1
    while len(rows) < total:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            shell = Shell(Path(folder), aws)
            pasted = shell.paste("\n".join(filter(None, (before, f"{run} --summary"))))
            broken = _broken(shell, fault, pasted)
            total = len(broken.ways)
            if not total:
                return [Row((fault, "none", "no remedy is printed", ""), False, tuple(pasted.output.splitlines()))]
            if obstacle:
                return [Row((fault, _cell(way, shell), untried.VERDICT, obstacle), True) for way in broken.ways]
            way = broken.ways[len(rows)]
            rows.append(_read_only(shell, fault, way) or attempt(shell, fault, way, broken))
            # These need no world of their own.
            while len(rows) < total and (row := _read_only(shell, fault, broken.ways[len(rows)])):
                rows.append(row)
    return rows


def _broken(shell: Shell, fault: str, pasted: Pasted) -> Broken:
    """What a run printed of a fault, with what its outcome.json says of it."""
    ways, needs = printed(pasted.output, fault)
    findings = _findings(shell, fault)
    remedies = [each["remedy"] for each in findings if each["remedy"]["command"] or each["remedy"]["runbook"]]
    others = {each["subject"] for each in findings if each["remedy"] != remedies[0]} if remedies else set[str]()
    return Broken(tuple(ways), needs, frozenset(each["severity"] for each in findings), frozenset(others))


def _findings(shell: Shell, fault: str) -> list[dict[str, Any]]:
    """A fault's findings in the outcome of the last run."""
    outcome = shell.folder / "records" / "outcome.json"
    findings = json.loads(outcome.read_text())["findings"] if outcome.exists() else []
    return [each for each in findings if each["status"] == "found" and each["check"] == fault]


def _cell(way: str, shell: Shell) -> str:
    """A remedy as a table has it: a command in the type of code, and without this machine's folder."""
    text = way if is_sentence(way) else f"`{way}`"
    return text.replace(str(shell.folder), "…").replace("|", "\\|")


def _read_only(shell: Shell, fault: str, way: str) -> Row | None:
    """The row of a remedy that is no command for this shell."""
    if is_sentence(way):
        return Row((fault, _cell(way, shell), DECISION, ""), True)
    if way.startswith("terraform "):
        return Row((fault, _cell(way, shell), DECISION, "It needs Terraform, and who may apply with it."), True)
    if way.startswith(_VERSION_2):
        return Row((fault, _cell(way, shell), SHOWS, "needs version 2 of the AWS CLI"), True)
    return None


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


def _try(shell: Shell, fault: str, way: str, broken: Broken) -> Row:
    good = _good(fault) if _NEEDED.search(way) else {}
    verdict, rest, pasted = _follow(shell, fault, way, broken)
    missing = _NEEDED.search(way)
    if verdict != MENDED and missing:
        (shell.folder / missing[1]).write_text(json.dumps(good))
        (shell.folder / missing[1]).chmod(0o600)
        verdict, rest, again = _follow(shell, fault, way, broken)
        if verdict == MENDED:
            verdict = FILLED
        elif verdict == MISSING and not _VARIABLE.search(way):
            verdict = AGAIN
        pasted, rest = (
            Pasted(again.code, f"{pasted.output}\n{again.output}"),
            " ".join(filter(None, (broken.needs, rest))),
        )
    elif verdict != MENDED and _LOOKS.match(way) and pasted.code == 0:
        verdict, rest = SHOWS, broken.needs
    elif verdict == AGAIN and broken.needs:
        verdict, rest = MISSING, broken.needs
    cells = (fault, _cell(way, shell), verdict, rest.replace("|", "\\|"))
    return Row(cells, verdict in RIGHT, tuple(pasted.output.splitlines()))


def _follow(shell: Shell, fault: str, way: str, broken: Broken) -> tuple[str, str, Pasted]:
    """Paste a command, and the one that it prints to apply its plan: the verdict, what is left, and the output."""
    if fault == "throttled":
        # It passes, which is what is waited for.
        lifecycle.ask(lifecycle.at(os.environ["AWS_ENDPOINT_URL"]), "DELETE", "wire")
    pasted = shell.paste(way)
    steps = [*filter(None, [_APPLY.search(pasted.output)])]
    if steps:
        applied = shell.paste(steps[0][1])
        pasted = Pasted(applied.code, f"{pasted.output}\n$ {steps[0][1]}\n{applied.output}")
    elif pasted.code == USAGE and way.startswith("omc-runbook "):
        return MISSING, pasted.last, pasted
    elif pasted.code not in (0, 1):
        return f"exit code {pasted.code}", pasted.last, pasted
    World(os.environ["AWS_ENDPOINT_URL"]).settle()
    names = shell.folder / "runbook.toml"
    is_audit = catalogue.find(fault).family == AUDIT
    after = diagnosis.look(_symptom(fault), names.read_text() if names.exists() else "", is_audit=is_audit)
    others = [cause for cause in (*after.root_causes, *after.errors) if cause != fault]
    still = [(each.severity, each.subject) for each in after.findings if each.is_problem and each.check == fault]
    verdict = AGAIN if broken.is_among(still) else MENDED
    rest = ", ".join(dict.fromkeys([*([f"{fault} elsewhere"] if still and verdict == MENDED else ()), *others]))
    return verdict, f"left: {rest}" if rest else "", Pasted(pasted.code, pasted.output + "\n".join(after.evidence()))


def _good(fault: str) -> dict[str, str]:
    """What a person would fill in: the values of the healthy world, and of the keys that faults add."""
    good = good_document(World(os.environ["AWS_ENDPOINT_URL"]))
    address = f"postgresql://app:{good['POSTGRES_PASSWORD']}@database.internal:5432/app"
    store = "rediss://ohmycoins-staging.x7k2.apse2.cache.amazonaws.com:6379"
    others = {
        "value-refused": {"POSTGRES_PORT": "5432"},
        "address-differs": {"DATABASE_URL": address},
        "wrong-host": {"REDIS_URL": store},
        "value-expired": {"PUSH_TOKEN": secrets.token_urlsafe(32)},
        "test-mode": {"STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}"},
        "key-overdue": {"SECRET_KEY": secrets.token_hex(32)},
        "value-shared": {"SECRET_KEY": secrets.token_hex(32)},
        "rotation-not-real": {"SECRET_KEY": secrets.token_hex(32)},
    }
    return good | others.get(fault, {})


def _symptom(fault: str) -> str:
    return complaint.EXEC_FAILS if catalogue.find(fault).family == "exec" else ""


def try_checkout(name: str, aws: str) -> list[Row]:
    """Break a checkout's files, or what reads them, and paste each remedy that the run which finds it prints."""
    case = checkout_faults.find(name)

    def make(folder: Path) -> None:
        if case.looks_at_aws:
            diagnosis.renew()
        case.make(folder)

    def attempt(shell: Shell, fault: str, way: str, broken: Broken) -> Row:
        pasted = shell.paste(way)
        if step := _APPLY.search(pasted.output):
            pasted = shell.paste(step[1])
        after = shell.paste(f"{case.run} --summary")
        still = [(each["severity"], each["subject"]) for each in _findings(shell, fault)]
        outcome = json.loads((shell.folder / "records" / "outcome.json").read_text())
        problems = [each for each in outcome["findings"] if each["status"] == "found" and each["severity"] != "info"]
        others = ", ".join(dict.fromkeys(each["check"] for each in problems if each["check"] != fault))
        is_there = broken.is_among(still)
        looks = _LOOKS_HERE.search(way) is not None
        verdict = MENDED if not is_there else MISSING if broken.needs else SHOWS if looks else AGAIN
        rest = broken.needs if verdict == MISSING else f"left: {others}" if others and verdict == MENDED else ""
        cells = (fault, _cell(way, shell), verdict, rest)
        return Row(cells, verdict in RIGHT, (*pasted.output.splitlines(), *after.output.splitlines()))

    return _try_each(case.fault, make, case.run, aws, attempt, case.before, case.obstacle)


def list_untried(fault: str, aws: str) -> list[Row]:
    """The remedies of a fault that nothing here brings about, as they are printed, and why they were not tried."""
    return [Row(cells, True) for cells in untried.rows(fault)]


def table(rows: Sequence[Row]) -> str:
    """The table in Markdown, and how many rows are right."""
    lines = [f"| {' | '.join(HEADS)} |", "|---|---|---|---|", *(f"| {' | '.join(row.cells)} |" for row in rows)]
    right = sum(1 for row in rows if row.holds)
    return "\n".join([*lines, "", f"{right} of {len(rows)} as it should be."])


@click.command(help=__doc__)
@click.option(
    "--part", type=click.Choice(["faults", "files", "local", "untried"]), default=None, help="One table; or all."
)
@click.option("--only", default="", help="Only these faults, separated by commas.")
@click.option("--jobs", default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--aws", default="aws", show_default=True, help="The AWS CLI.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the table in docs/{PAGE.name}, with its other rows.")
def main(part: str | None, only: str, jobs: int, aws: str, keep: bool) -> None:
    """Try the remedies of the chosen faults, and print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    program = shutil.which(aws)
    if program is None:
        raise click.UsageError(f"There is no AWS CLI {aws}: pip install awscli, and name it with --aws.")
    parts = {
        "faults": (try_remedies, [fault.id for fault in catalogue.catalogue()]),
        "files": (try_checkout, [case.name for case in checkout_faults.FILES]),
        "local": (try_checkout, [case.name for case in checkout_faults.LOCAL]),
        "untried": (list_untried, untried.faults({case.fault for case in checkout_faults.FILES})),
    }
    ids = choose(only, (_id(fault) for name in parts if part in (None, name) for fault in parts[name][1]))
    rows: list[Row] = []
    for name, (attempt, faults) in parts.items():
        named = [fault for fault in faults if part in (None, name) and _id(fault) in ids]
        if named:
            rows_of_part = _measure(attempt, named, program, jobs)
            rows += rows_of_part
            click.echo(f"{table(rows_of_part)}\n")
            if keep:
                rows_of_part = _with_former_rows(rows_of_part, name, faults)
                date = datetime.now(UTC).date().isoformat()
                diagnosis.fill(
                    PAGE, name, f"{table(rows_of_part)}\n\nBy `python benchmarks/remedies.py --write`, last on {date}."
                )
    sys.exit(0 if all(row.holds for row in rows) else 1)


def _with_former_rows(rows: Sequence[Row], name: str, faults: Sequence[str]) -> list[Row]:
    """The rows, and those that the page has of faults that were not tried again, in the order of the faults."""
    table = PAGE.read_text(encoding="utf-8").partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
    tried = {row.cells[0] for row in rows}
    lines = [re.split(r" ?(?<!\\)\| ?", line) for line in table.splitlines() if line.startswith("| ")][1:]
    former = [Row(tuple(cells[1:5]), cells[3] in RIGHT) for cells in lines if cells[1] not in tried]
    return sorted([*rows, *former], key=lambda row: [*map(_id, faults)].index(row.cells[0]))


def _id(fault: str) -> str:
    """The id of a fault, which a case of several may have a word before."""
    return fault.rpartition("/")[2]


def _measure(attempt: Callable[[str, str], list[Row]], faults: Sequence[str], aws: str, jobs: int) -> list[Row]:
    rows: dict[str, list[Row]] = {}
    with diagnosis.processes(jobs) as pool:
        attempts = {pool.submit(attempt, fault, aws): fault for fault in faults}
        for future in as_completed(attempts):
            fault = attempts[future]
            rows[fault] = future.result()
            for row in rows[fault]:
                mark = "" if row.holds else "  <- wrong"
                click.echo(f"{len(rows)}/{len(faults)}: {' | '.join(row.cells)}{mark}", err=True)
                for line in () if row.holds else row.evidence:
                    click.echo(f"    {line}", err=True)
    return [row for fault in faults for row in rows[fault]]


if __name__ == "__main__":
    main()
