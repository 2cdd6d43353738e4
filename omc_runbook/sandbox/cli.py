"""The commands of `omc-runbook sandbox`."""

import json
import shlex
from typing import Any

import click


@click.group()
def sandbox() -> None:
    """A local AWS to practise on."""


@sandbox.command()
@click.option("--world", type=click.Choice(["healthy", "fresh"]), default="healthy", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes any free one.", show_default=True)
@click.option("--database", is_flag=True, help="With a PostgreSQL that the application logs in to.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of export lines.")
def up(world: str, port: int, database: bool, as_json: bool) -> None:
    """Start one in the background and print the variables that point at it."""
    from omc_runbook.sandbox import lifecycle

    started = lifecycle.up("fresh" if world == "fresh" else "healthy", port, database)
    if as_json:
        _print(started.variables)
    else:
        for name, value in started.variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")


@sandbox.command()
def down() -> None:
    """End it and all its processes, and remove its files."""
    from omc_runbook.sandbox import lifecycle

    lifecycle.down()


@sandbox.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json: bool) -> None:
    """Tell what runs in it."""
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
    """List what can be broken."""
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
    """Break one thing."""
    from omc_runbook.sandbox import faults as catalogue
    from omc_runbook.sandbox import lifecycle

    found = lifecycle.find()
    catalogue.break_(found.endpoint, fault)
    broken = lifecycle.status(found)["broken"]
    lifecycle.ask(found, "POST", "note", {"broken": [*broken, fault]})


@sandbox.command()
@click.argument("fault", required=False)
def mend(fault: str | None) -> None:
    """Mend one thing, or everything: the healthy world again."""
    from omc_runbook.sandbox import faults as catalogue
    from omc_runbook.sandbox import lifecycle

    found = lifecycle.find()
    catalogue.mend(found.endpoint, fault)
    broken = [known for known in lifecycle.status(found)["broken"] if fault is not None and known != fault]
    lifecycle.ask(found, "POST", "note", {"world": "healthy", "broken": broken})


def _print(members: Any) -> None:
    click.echo(json.dumps(members, indent=2))
