"""Whether the policies that `omc-runbook policy` prints are enough and least, enforced by a sandbox.

Each runbook runs as somebody with exactly the printed policy, planning and applying: it has to end well. Then it runs
with each action taken out in turn: it has to end with unknown or a refusal that names the action, never well.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import diagnosis
from page import choose

from omc_runbook.headless import notebooks
from omc_runbook.runbooks.policy import actions_of
from omc_runbook.sandbox import faults as catalogue
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.faults.change import remove_secret
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, SECRET, World

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
forked: Any = importlib.import_module("support.forked_command")
people: Any = importlib.import_module("support.runs")
without: Any = importlib.import_module("support.enforced_policies").without

PAGE = ROOT / "docs" / "policies.md"
HEADS = ("runbook", "", "actions", "enough", "least", "without one of them")
COMMAND = str(Path(sys.executable).with_name("omc-runbook"))
NEW_SECRET = "ohmycoins-production-app-secrets"
FIXED = ("scheduled-deletion", "no-permission", "bare-name", "truncated")
"""Faults that troubleshoot mends, which together need all that it may do."""
NAMING = frozenset({"ListEventBuses", "ListRuleNamesByTarget", "ListSchedules"})
"""The calls that name what EventBridge starts, where they are allowed: nothing depends on it here."""
Prepare = Callable[[World], tuple[str, ...]]
"""Brings about what a run is to change, and returns further parameters."""


def _as_it_is(world: World) -> tuple[str, ...]:
    """The world as it is."""
    return ()


@dataclass(frozen=True)
class Case:
    """Runs of a runbook in one way: its words, and one or several worlds before each, of which any may tell."""

    runbook: str
    words: tuple[str, ...] = ()
    worlds: tuple[Prepare, ...] = (_as_it_is,)
    applies: bool = False
    environment: str = "staging"

    @property
    def way(self) -> str:
        """Whether it changes something, in a word."""
        can_change = bool(actions_of(self.runbook).apply)
        return "applied" if self.applies else "planned" if can_change else "reads"


@dataclass(frozen=True)
class Run:
    """How a run ended, and all that it printed."""

    code: int
    status: str
    output: str
    outcome: str
    refused: tuple[str, ...]
    """The calls that were refused."""

    def misses(self, action: str) -> bool:
        """Whether it ended with unknown or a refusal, or took everything back, and names the action."""
        return self.code != 0 and self.status != "ok" and action in self.output + self.outcome

    def leaves(self, case: Case) -> bool:
        """Whether a fix was not made, and the fault is still found."""
        return case.applies and case.runbook == "troubleshoot" and self.status == "findings"


def _renew() -> None:
    """A healthy world whose secret has a former version."""
    diagnosis.renew()
    world = World(os.environ["AWS_ENDPOINT_URL"])
    document = json.loads(world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])
    text = json.dumps(document | {"SECRET_KEY": secrets.token_hex(32)})
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    for service in CONSUMERS:
        world.ecs.update_service(cluster=CLUSTER, service=service.name, forceNewDeployment=True)
    world.settle()


def _former(world: World) -> tuple[str, ...]:
    """There is a former version, whose id is to be restored."""
    stages = world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    return tuple(f"version={version}" for version, labels in stages.items() if "AWSPREVIOUS" in labels)


def _former_of_now(world: World) -> tuple[str, ...]:
    """The same, a moment after a change by update, when CloudTrail decides which value a task has."""
    _update()
    return _former(world)


def _update() -> None:
    """Change a key as the administrator."""
    words = ("environment=staging", "values_from=generate", "keys=SECRET_KEY", "apply=true")
    forked.run([COMMAND, "run", "update", *words], os.environ, Path(os.environ["OMC_POLICIES"]))


def _without_secret(world: World) -> tuple[str, ...]:
    remove_secret(world.secretsmanager, NEW_SECRET)
    return ()


def _broken(fault: str, world: World) -> tuple[str, ...]:
    diagnosis.renew()
    catalogue.break_(os.environ["AWS_ENDPOINT_URL"], fault)
    return ()


def _new_key(world: World) -> tuple[str, ...]:
    """A checkout without the key, of which each run has another."""
    checkout = Path(tempfile.mkdtemp(prefix="checkout-", dir=os.environ["OMC_POLICIES"])) / "checkout"
    shutil.copytree(os.environ["OMC_REPOSITORY"], checkout, symlinks=True)
    return (f"key=KEY_{secrets.token_hex(3).upper()}", f"repository={checkout}")


def _new_key_now(world: World) -> tuple[str, ...]:
    """The same, a moment after a change by update."""
    _update()
    return _new_key(world)


CASES = (
    Case("audit"),
    Case("fleet"),
    Case("index"),
    Case("verify"),
    Case("troubleshoot"),
    Case("troubleshoot", worlds=tuple(partial(_broken, fault) for fault in FIXED), applies=True),
    *(Case("update", ("values_from=generate", "keys=SECRET_KEY"), applies=applies) for applies in (False, True)),
    *(Case("rotate", ("keys=SECRET_KEY",), applies=applies) for applies in (False, True)),
    *(Case("restore", worlds=(_former, _former_of_now), applies=applies) for applies in (False, True)),
    *(Case("create", ("confirm=production",), (_without_secret,), applies, "production") for applies in (False, True)),
    *(Case("add_key", ("values_from=generate",), (_new_key, _new_key_now), applies) for applies in (False, True)),
)


def measure(case: Case) -> diagnosis.Row:
    """The row of one case."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["OMC_POLICIES"] = name
        _renew()
        _update()
        evidence = [line for prepare in case.worlds for line in _shortage(case, prepare)]
        is_enough = not evidence
        needed = actions_of(case.runbook)
        actions = (*needed.plan, *(needed.apply if case.applies else ()))
        endings, extra = dict[str, int](), list[str]()
        for action in actions:
            runs = [*_runs_without(case, action)]
            if runs[-1].misses(action) or runs[-1].leaves(case):
                last = runs[-1]
                # What only reads takes nothing back, and says what is unknown beside what it found.
                ending_with_findings = "taken back" if case.applies else "unknown"
                ending = {"unknown": "unknown", "findings": ending_with_findings}.get(last.status, "refused")
                ending = ending if last.misses(action) else "not mended"
                endings[ending] = endings.get(ending, 0) + 1
            else:
                extra.append(action)
                evidence += [line for run in runs for line in (f"without {action}:", *run.output.splitlines())]
    endings_text = ", ".join(f"{ending}: {count}" for ending, count in sorted(endings.items()))
    endings_text += f"; ended otherwise: {', '.join(extra)}" if extra else ""
    least = f"{len(actions) - len(extra)} of {len(actions)}"
    cells = (case.runbook, case.way, str(len(actions)), "yes" if is_enough else "no", least, endings_text)
    return diagnosis.Row(cells, is_enough and not extra, tuple(evidence))


def _shortage(case: Case, prepare: Prepare) -> list[str]:
    """What a run printed for which the whole policy is not enough; nothing where it is."""
    parameters = prepare(World(os.environ["AWS_ENDPOINT_URL"]))
    run = _run(case, _policy(case), parameters)
    # A plan against an error ends with the error.
    is_right = run.code == 0 or (case.runbook == "create" and not case.applies and run.code == 1)
    if is_right and run.refused:
        return [f"refused with all actions: {', '.join(run.refused)}"]
    return [] if is_right else ["with all actions:", *run.output.splitlines()]


def _runs_without(case: Case, action: str) -> Iterator[Run]:
    """Runs without an action, up to the first that misses it.

    What is needed to plan may not be missed by a change that replaces all that there was to see.
    """
    plans = [(replace(case, applies=False), case.worlds[-1])] if action in actions_of(case.runbook).plan else []
    for each, prepare in (*((case, prepare) for prepare in case.worlds), *(plans if case.applies else ())):
        if case.applies:
            # A change that was refused half-way is not where the next one begins.
            _renew()
        parameters = prepare(World(os.environ["AWS_ENDPOINT_URL"]))
        run = _run(each, without(_policy(case), action), parameters)
        yield run
        if run.misses(action) or run.leaves(each):
            return


def _policy(case: Case) -> dict[str, Any]:
    folder = Path(os.environ["OMC_POLICIES"])
    option = "--apply" if case.applies else "--no-apply"
    process = forked.run(
        [COMMAND, "policy", case.runbook, option, f"environment={case.environment}"], os.environ, folder
    )
    return json.loads(process.stdout)


def _run(case: Case, document: Mapping[str, Any], parameters: Sequence[str]) -> Run:
    """A run as somebody with this policy alone."""
    sandbox, folder = lifecycle.at(os.environ["AWS_ENDPOINT_URL"]), Path(os.environ["OMC_POLICIES"])
    # IAM has no policy without a statement.
    person = people.caller(sandbox, *([json.dumps(document)] if document["Statement"] else []))
    outcome = folder / "records" / "outcome.json"
    outcome.unlink(missing_ok=True)
    words = [f"environment={case.environment}", *case.words, *parameters, *(["apply=true"] if case.applies else [])]
    process = forked.run(
        [COMMAND, "run", case.runbook, *words, "--summary"], {**os.environ, **person, "OMC_CACHE": "off"}, folder
    )
    refused = _refused(World(sandbox.endpoint), person["AWS_ACCESS_KEY_ID"])
    # An audit lists whoever may read the secret.
    people.remove_callers(sandbox)
    text = outcome.read_text() if outcome.exists() else ""
    status = json.loads(text)["status"] if text else ""
    return Run(process.returncode, status, f"{process.stdout}\n{process.stderr}", text, refused)


def _refused(world: World, key_id: str) -> tuple[str, ...]:
    """The calls of a user that were refused, as CloudTrail has them."""
    pages = world.client("cloudtrail").get_paginator("lookup_events")
    event_pages = pages.paginate(LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": key_id}])
    events = [json.loads(event["CloudTrailEvent"]) for page in event_pages for event in page["Events"]]
    return tuple(sorted({each["eventName"] for each in events if "Access" in each.get("errorCode", "")} - NAMING))


def table(rows: Sequence[diagnosis.Row]) -> str:
    """The table in Markdown, with a sentence on each runbook that is not in it."""
    lines = [
        f"| {' | '.join(HEADS)} |",
        "|---|---|---:|---|---|---|",
        *(f"| {' | '.join(row.cells)} |" for row in rows),
    ]
    sentences = [each.why_none for each in map(actions_of, notebooks.paths()) if each.why_none]
    return "\n".join((*lines, "", *(f"{sentence}\n" for sentence in sentences)))


def _with_former_rows(rows: Sequence[diagnosis.Row]) -> list[diagnosis.Row]:
    """The rows, and those that the page has of cases that were not measured again, in the order of the cases."""
    measured = {row.cells[:2] for row in rows}
    lines = (line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "| " in line)
    former = [
        diagnosis.Row(tuple(cells), cells[3] == "yes" and ";" not in cells[5]) for cells in lines if len(cells) == 6
    ]
    order = [(case.runbook, case.way) for case in CASES]
    return sorted(
        [*rows, *(row for row in former if row.cells[:2] in order and row.cells[:2] not in measured)],
        key=lambda row: order.index((row.cells[0], row.cells[1])),
    )


@click.command(help=__doc__)
@click.option("--only", default="", help="Only these runbooks, separated by commas.")
@click.option("--jobs", default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--write", "keep", is_flag=True, help=f"Keep the table in docs/{PAGE.name}, with its other rows.")
def main(only: str, jobs: int, keep: bool) -> None:
    """Measure the chosen runbooks, and print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    needy = {name for name in notebooks.paths() if not actions_of(name).why_none}
    if missing := needy - {case.runbook for case in CASES}:
        raise click.UsageError(f"Without a case: {', '.join(sorted(missing))}")
    named = choose(only, (case.runbook for case in CASES))
    cases = [case for case in CASES if case.runbook in named]
    rows: dict[int, diagnosis.Row] = {}
    with diagnosis.processes(jobs) as pool:
        runs = {pool.submit(measure, case): number for number, case in enumerate(cases)}
        for future in as_completed(runs):
            row = rows[runs[future]] = future.result()
            click.echo(f"{len(rows)}/{len(cases)}: {' | '.join(row.cells)}", err=True)
            for line in row.evidence:
                click.echo(f"    {line}", err=True)
    ordered = [rows[number] for number in sorted(rows)]
    click.echo(table(ordered))
    if keep:
        ordered = _with_former_rows(ordered)
        date = datetime.now(UTC).date().isoformat()
        diagnosis.fill(
            PAGE, "policies", f"{table(ordered)}\nBy `python benchmarks/policies.py --write`, last on {date}."
        )
    sys.exit(0 if all(row.holds for row in ordered) else 1)


if __name__ == "__main__":
    main()
