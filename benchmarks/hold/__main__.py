"""Whether the promises hold while things go wrong: each is tried as often as its part says, and failures are counted.

Exits with 1 if a try failed; how to repeat it is on standard error.
"""

from __future__ import annotations

import re
import secrets
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.hold import runner
from benchmarks.hold.runner import Row
from benchmarks.hold.trial import LONG, SHORT, Profile
from benchmarks.page import fill

PAGE = Path(__file__).parents[2] / "docs" / "hold.md"
PARTS = ("leaks", "crashes", "network", "races", "soak", "hostile", "supply", "texts")
"""The modules of all parts; those that take longest begin first."""
TABLES = {SHORT: "hold", LONG: "hold, all"}
"""The names of the page's tables by profile."""
HEADS = ("part", "surface", "tries", "failures", "seconds")


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows' cells as a table in Markdown."""
    return "\n".join([f"| {' | '.join(HEADS)} |", "|---|---|--:|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)])


def _with_former_rows(page: str, name: str, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The rows, and those that the page's table has of parts that did not run, in the order of the parts."""
    parts_of_run = {row.part for row in rows}
    own = page.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]
    lines = (re.fullmatch(r"\| (.*) \|", line) for line in own.splitlines())
    former = [tuple(line[1].split(" | ")) for line in lines if line]
    cells = [*(row.cells for row in rows), *(row for row in former if row[0] in PARTS and row[0] not in parts_of_run)]
    return sorted(cells, key=lambda row: PARTS.index(row[0]))


@click.command(help=__doc__)
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--profile", "size", type=click.Choice((SHORT, LONG)), default=SHORT, show_default=True)
@click.option("--seed", type=int, default=None, help="Draw the same values, moments and samples again.")
@click.option("--match", default="", help="Only tries with this text in their description.")
@click.option("--jobs", default=2, show_default=True, help="Parts side by side.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the table in docs/{PAGE.name}, with its other rows.")
def main(parts: tuple[str, ...], size: str, seed: int | None, match: str, jobs: int, keep: bool) -> None:
    """Run the chosen parts, and print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    seed = secrets.randbelow(10**6) if seed is None else seed
    profile, rows, failures = Profile(size, match), dict[tuple[str, str], Row](), list[str]()
    try:
        for report in runner.run(parts or PARTS, profile, seed, jobs):
            runner.count(rows, report)
            if report.attempt.failure:
                failures.append(
                    f"{report.part}, {report.attempt.surface}: {report.attempt.what}\n"
                    f"    {report.attempt.failure}\n"
                    f"    again: {runner.again(report, profile, seed)}"
                )
                click.echo(failures[-1], err=True)
    finally:
        # Also of a run that is stopped: what was tried until then was tried.
        click.echo(table([row.cells for row in rows.values()]))
        click.echo(f"\nseed {seed}")
        # Again, since the end is what people and logs keep.
        for failure in failures:
            click.echo(failure, err=True)
    if keep:
        name = TABLES[size]
        cells = _with_former_rows(PAGE.read_text(encoding="utf-8"), name, [*rows.values()])
        command = f"make hold PROFILE={size}" if size != SHORT else "make hold"
        date = datetime.now(UTC).date().isoformat()
        fill(PAGE, name, f"{table(cells)}\n\nBy `{command}` on {date}, with seed {seed}.")
    if not rows:
        raise click.UsageError(f"Nothing was tried: no description has {match!r} in it.")
    sys.exit(1 if any(row.failures for row in rows.values()) else 0)


if __name__ == "__main__":
    main()
