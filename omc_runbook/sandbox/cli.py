"""The commands of `omc-runbook sandbox`."""

import json
import os
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE, SANDBOX_VARIABLES

if TYPE_CHECKING:
    from omc_runbook.sandbox.account import WorldName
    from omc_runbook.sandbox.drills import Drill
    from omc_runbook.sandbox.lifecycle import Sandbox


@click.group()
def sandbox() -> None:
    """Manage a local AWS to practise on."""


@sandbox.command()
@click.option("--world", type=click.Choice(["healthy", "fresh"]), default="healthy", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the endpoint; 0 for any free one.",
    show_default=True,
)
@click.option("--database", is_flag=True, help="Also start a PostgreSQL that the application logs in to.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of export lines.")
def up(world: "WorldName", port: int, database: bool, as_json: bool) -> None:
    """Start a sandbox in the background and print the environment variables for it."""
    from omc_runbook.sandbox import lifecycle

    running = lifecycle.up(world, port, database)
    if as_json:
        _print(running.variables)
    else:
        for name, value in running.variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")


@sandbox.command()
def down() -> None:
    """Stop the sandbox with all its processes, and remove its files."""
    from omc_runbook.sandbox import lifecycle

    running = lifecycle.find()
    lifecycle.down(running)
    click.echo(f"Stopped the sandbox at {running.endpoint} with all its processes, and removed its files.")
    if os.environ.get(ENDPOINT_VARIABLE) == running.endpoint:
        names = [name for name in SANDBOX_VARIABLES if name in os.environ]
        click.echo(f"Its variables are still set in this shell: unset {' '.join(names)}")


@sandbox.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json: bool) -> None:
    """Show the sandbox's tasks and faults."""
    from omc_runbook.sandbox import lifecycle

    state = lifecycle.status()
    if as_json:
        _print(state)
        return
    broken = ", ".join(state["broken"]) or "nothing"
    click.echo(f"{state['endpoint']} (process {state['pid']}), world {state['world'] or '-'}, broken: {broken}")
    for task in state["tasks"]:
        health = task["health"] or task["health_status"].lower()
        process = f"process {task['pid']}, {health}" if task["pid"] else "no process"
        click.echo(f"  {task['service'] or '-':<10} {task['task']}  {task['revision']}  {task['status']}  {process}")


@sandbox.command()
@click.option("--json", "as_json", is_flag=True)
def faults(as_json: bool) -> None:
    """List the faults that can be injected."""
    from omc_runbook.sandbox import faults as catalogue

    if as_json:
        _print([{"id": each.id, "family": each.family, "breaks": each.breaks} for each in catalogue.catalogue()])
        return
    for fault in catalogue.catalogue():
        click.echo(f"{fault.id:<20} {fault.family:<12} {fault.breaks}")


def _complete_faults(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from omc_runbook.sandbox import faults as catalogue

    return [each.id for each in catalogue.catalogue() if each.id.startswith(incomplete)]


@sandbox.command(name="break")
@click.argument("fault", shell_complete=_complete_faults)
def break_(fault: str) -> None:
    """Inject one fault."""
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue

    running = lifecycle.find()
    if drills.current(running):
        raise UsageError(f"A drill is running, which chooses the faults: {drills.ANSWERING}.")
    catalogue.break_(running.endpoint, fault)
    broken = lifecycle.status(running)["broken"]
    lifecycle.ask(running, "POST", "note", {"broken": [*broken, fault]})
    breaks = next(each.breaks for each in catalogue.catalogue() if each.id == fault)
    click.echo(f"Broken: {breaks} Repair it with: omc-runbook sandbox mend {fault}")


@sandbox.command()
@click.argument("fault", required=False, shell_complete=_complete_faults)
def mend(fault: str | None) -> None:
    """Repair one fault, or everything; ends a drill."""
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue

    running = lifecycle.find()
    if drills.current(running):
        _end_drill(running, as_json=False)
        return
    catalogue.mend(running.endpoint, fault)
    broken = [other for other in lifecycle.status(running)["broken"] if fault is not None and other != fault]
    lifecycle.ask(running, "POST", "note", {"world": "healthy", "broken": broken})
    still = f"Still broken: {', '.join(broken)}." if broken else "The world is healthy."
    click.echo(f"Repaired {fault or 'everything'}. {still}")


@sandbox.command(name="drill")
@click.option("--family", default="", help="Only faults of this family.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many faults, one after another."
)
@click.option("--seed", type=int, help="Seed of the random choice; the same seed gives the same faults.")
@click.option("--stop", is_flag=True, help="Repair everything and end the running drill.")
@click.option("--json", "as_json", is_flag=True)
def drill_(family: str, count: int, seed: int | None, stop: bool, as_json: bool) -> None:
    """Inject an unnamed fault for you to diagnose."""
    from omc_runbook.sandbox import drills, lifecycle

    running = lifecycle.find()
    if stop:
        _end_drill(running, as_json)
        return
    _print_symptom(drills.start(running, family, count, seed), as_json)


@sandbox.command()
@click.argument("fault", metavar="ID", shell_complete=_complete_faults)
@click.option("--json", "as_json", is_flag=True)
def answer(fault: str, as_json: bool) -> None:
    """Answer a drill with a fault's id: grades it, repairs, and continues."""
    from omc_runbook.sandbox import drills, lifecycle

    grade, drill = drills.answer(lifecycle.find(), fault)
    if as_json:
        graded = {**asdict(grade), "right": grade.is_right, "told": drills.verdict(grade)}
        _print({**graded, "next": None if drill.is_over else _symptom(drill), "card": _card(drill)})
        return
    click.echo(drills.verdict(grade))
    click.echo()
    if drill.is_over:
        click.echo(drills.card(drill.grades))
    else:
        _print_symptom(drill)


def _end_drill(running: "Sandbox", as_json: bool) -> None:
    from omc_runbook.sandbox import drills

    drill = drills.stop(running)
    if as_json:
        _print({"fault": drill.fault, "card": _card(drill)})
        return
    click.echo(f"The drill is over and everything is repaired. The fault was {drill.fault}.")
    if drill.grades:
        click.echo(f"\n{drills.card(drill.grades)}")


def _print_symptom(drill: "Drill", as_json: bool = False) -> None:
    if as_json:
        _print(_symptom(drill))
        return
    click.echo(f"{len(drill.grades) + 1} of {len(drill.faults)}: {drill.symptom}")
    click.echo("Diagnose it: omc-runbook run troubleshoot -p environment staging --summary")
    click.echo("Then answer: omc-runbook sandbox answer ID (omc-runbook sandbox faults lists the ids)")


def _symptom(drill: "Drill") -> dict[str, Any]:
    return {"number": len(drill.grades) + 1, "count": len(drill.faults), "symptom": drill.symptom}


def _card(drill: "Drill") -> list[dict[str, Any]]:
    return [{**asdict(grade), "right": grade.is_right} for grade in drill.grades]


def _print(members: Any) -> None:
    click.echo(json.dumps(members, indent=2))
