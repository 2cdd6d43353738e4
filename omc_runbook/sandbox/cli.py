"""The commands of `omc-runbook sandbox`."""

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from omc_runbook.model.errors import UsageError

if TYPE_CHECKING:
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
def up(world: str, port: int, database: bool, as_json: bool) -> None:
    """Start a sandbox in the background and print the environment variables for it."""
    from omc_runbook.sandbox import lifecycle

    running = lifecycle.up("fresh" if world == "fresh" else "healthy", port, database)
    if as_json:
        _print(running.variables)
    else:
        for name, value in running.variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")


@sandbox.command()
def down() -> None:
    """Stop the sandbox with all its processes, and remove its files."""
    from omc_runbook.sandbox import lifecycle

    lifecycle.down()


@sandbox.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json: bool) -> None:
    """Show the sandbox's tasks and faults."""
    from omc_runbook.sandbox import lifecycle

    found = lifecycle.status()
    if as_json:
        _print(found)
        return
    broken = ", ".join(found["broken"]) or "nothing"
    click.echo(f"{found['endpoint']} (process {found['pid']}), world {found['world'] or '-'}, broken: {broken}")
    for task in found["tasks"]:
        health = task["health"] or task["health_status"].lower()
        process = f"process {task['pid']}, {health}" if task["pid"] else "no process"
        click.echo(f"  {task['service'] or '-':<10} {task['task']}  {task['revision']}  {task['status']}  {process}")


@sandbox.command()
@click.option("--json", "as_json", is_flag=True)
def faults(as_json: bool) -> None:
    """List the faults that can be injected."""
    from omc_runbook.sandbox import faults as catalogue

    known = catalogue.catalogue()
    if as_json:
        _print([{"id": fault.id, "family": fault.family, "breaks": fault.breaks} for fault in known])
        return
    for fault in known:
        click.echo(f"{fault.id:<20} {fault.family:<12} {fault.breaks}")


@sandbox.command(name="break")
@click.argument("fault")
def break_(fault: str) -> None:
    """Inject one fault."""
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue

    found = lifecycle.find()
    if drills.current(found):
        raise UsageError(f"A drill is running, which chooses the faults: {drills.ANSWERING}.")
    catalogue.break_(found.endpoint, fault)
    broken = lifecycle.status(found)["broken"]
    lifecycle.ask(found, "POST", "note", {"broken": [*broken, fault]})


@sandbox.command()
@click.argument("fault", required=False)
def mend(fault: str | None) -> None:
    """Repair one fault, or everything; ends a drill."""
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue

    found = lifecycle.find()
    if drills.current(found):
        _end_drill(found, as_json=False)
        return
    catalogue.mend(found.endpoint, fault)
    broken = [known for known in lifecycle.status(found)["broken"] if fault is not None and known != fault]
    lifecycle.ask(found, "POST", "note", {"world": "healthy", "broken": broken})


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

    found = lifecycle.find()
    if stop:
        _end_drill(found, as_json)
        return
    _print_symptom(drills.start(found, family, count, seed), as_json)


@sandbox.command()
@click.argument("fault", metavar="ID")
@click.option("--json", "as_json", is_flag=True)
def answer(fault: str, as_json: bool) -> None:
    """Answer a drill with a fault's id: grades it, repairs, and continues."""
    from omc_runbook.sandbox import drills, lifecycle

    grade, after = drills.answer(lifecycle.find(), fault)
    if as_json:
        graded = {**asdict(grade), "right": grade.is_right, "told": drills.verdict(grade)}
        _print({**graded, "next": None if after.is_over else _symptom(after), "card": _card(after)})
        return
    click.echo(drills.verdict(grade))
    click.echo()
    if after.is_over:
        click.echo(drills.card(after.grades))
    else:
        _print_symptom(after)


def _end_drill(found: "Sandbox", as_json: bool) -> None:
    from omc_runbook.sandbox import drills

    drill = drills.stop(found)
    if as_json:
        _print({"fault": drill.fault, "card": _card(drill)})
        return
    click.echo(f"The drill is over and everything is repaired. The fault was {drill.fault}.")
    if drill.grades:
        click.echo(f"\n{drills.card(drill.grades)}")


def _print_symptom(running: "Drill", as_json: bool = False) -> None:
    if as_json:
        _print(_symptom(running))
        return
    number, count = len(running.grades) + 1, len(running.faults)
    click.echo(f"{number} of {count}: {running.symptom}")
    click.echo("Diagnose it: omc-runbook run troubleshoot -p environment staging --summary")
    click.echo("Then answer: omc-runbook sandbox answer ID (omc-runbook sandbox faults lists the ids)")


def _symptom(running: "Drill") -> dict[str, Any]:
    return {"number": len(running.grades) + 1, "count": len(running.faults), "symptom": running.symptom}


def _card(running: "Drill") -> list[dict[str, Any]]:
    return [{**asdict(grade), "right": grade.is_right} for grade in running.grades]


def _print(members: Any) -> None:
    click.echo(json.dumps(members, indent=2))
