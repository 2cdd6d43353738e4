"""The commands of `omc-runbook sandbox`."""

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from omc_runbook.model.commands import StrictGroup
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE, SANDBOX_VARIABLES
from omc_runbook.model.shell import command, unset_commands

if TYPE_CHECKING:
    from omc_runbook.sandbox.account import WorldName
    from omc_runbook.sandbox.drills import Drill, Grade
    from omc_runbook.sandbox.hints import Level
    from omc_runbook.sandbox.lifecycle import Sandbox

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=StrictGroup)
def sandbox() -> None:
    """Manage a local AWS to practise on."""


@sandbox.command()
@click.option(
    "--world",
    type=click.Choice(["healthy", "fresh"]),
    default="healthy",
    show_default=True,
    help="fresh: the secret has Terraform's placeholders.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the endpoint; 0 for any free one.",
    show_default=True,
)
@click.option("--database", is_flag=True, help="Also start a PostgreSQL that the application logs in to.")
@click.option(
    "--attached", is_flag=True, help="Stop it when standard input ends, as when a program that wrote to it ends."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of export lines.")
def up(world: "WorldName", port: int, database: bool, attached: bool, as_json: bool) -> None:
    """Start a sandbox in the background.

    The environment variables for it are printed.
    """
    from omc_runbook.sandbox import lifecycle

    running = lifecycle.up(world, port, database, attached)
    if as_json:
        _print(running.variables)
    else:
        for name, value in running.variables.items():
            click.echo(command("export", f"{name}={value}"))
        if sys.stdout.isatty():
            itself = 'eval "$(omc-runbook sandbox up)" sets them at once.'
            click.echo(f"Nothing is set yet: paste these lines. {itself}", err=True)


@sandbox.command()
def down() -> None:
    """Stop the sandbox, and remove its files."""
    from omc_runbook.sandbox import lifecycle

    running = lifecycle.find()
    lifecycle.down(running)
    click.echo(f"Stopped the sandbox at {running.endpoint} with all its processes, and removed its files.")
    if os.environ.get(ENDPOINT_VARIABLE) == running.endpoint:
        names = [name for name in SANDBOX_VARIABLES if name in os.environ]
        unset, in_fish = unset_commands(*names)
        click.echo(f"Its variables are still set in this shell: {unset}\nIn fish: {in_fish}")


@sandbox.command()
@_json_option
def status(as_json: bool) -> None:
    """Show the sandbox's tasks and faults.

    Of a drill, also its symptom and clock.
    """
    from omc_runbook.sandbox import drills, lifecycle

    running = lifecycle.find()
    state, drill = lifecycle.status(running), drills.current(running)
    if as_json:
        clock = {"seconds": drill.seconds, "hints": drill.hints} if drill else {}
        _print({**state, "drill": {**_symptom(drill), **clock} if drill else None})
        return
    broken = ", ".join(state["broken"]) or "nothing"
    click.echo(f"{state['endpoint']} (process {state['pid']}), world {state['world'] or '-'}, broken: {broken}")
    if drill:
        click.echo(f"  after {drill.seconds:.0f} s, {drill.points} points left: {drill.symptom}")
    for task in state["tasks"]:
        health = task["health"] or task["health_status"].lower()
        process = f"process {task['pid']}, {health}" if task["pid"] else "no process"
        click.echo(f"  {task['service'] or '-':<10} {task['task']}  {task['revision']}  {task['status']}  {process}")


@sandbox.command()
@_json_option
def faults(as_json: bool) -> None:
    """List the faults, with family and level."""
    from omc_runbook.sandbox import faults as catalogue
    from omc_runbook.sandbox import hints

    every = [(each, hints.level(each)) for each in catalogue.every()]
    if as_json:
        _print([{"id": each.id, "family": each.family, "level": level, "breaks": each.breaks} for each, level in every])
        return
    width = max(len(fault.id) for fault, _ in every)
    for fault, level in every:
        click.echo(f"{fault.id:<{width}} {fault.family:<12} {level:<8} {fault.breaks}")


def _complete_faults(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from omc_runbook.sandbox import faults as catalogue

    return [each.id for each in catalogue.every() if each.id.startswith(incomplete)]


def _complete_families(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from omc_runbook.sandbox import faults as catalogue

    families = dict.fromkeys(each.family for each in catalogue.every())
    return [family for family in families if family.startswith(incomplete)]


@sandbox.command(name="break")
@click.argument("fault", required=False, shell_complete=_complete_faults)
@click.option("--secretly", is_flag=True, help="As a drill for somebody else; without FAULT, asks for it unseen.")
@click.option("--json", "as_json", is_flag=True, help="With --secretly, print the symptom as JSON.")
def break_(fault: str | None, secretly: bool, as_json: bool) -> None:
    """Inject one fault.

    With --secretly no command names it: a second person answers with `omc-runbook sandbox answer ID`, which repairs it.
    """
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue
    from omc_runbook.sandbox.faults import checkout

    running = lifecycle.find()
    if secretly:
        _print_symptom(running, drills.start_secretly(running, fault or _ask_unseen()), as_json)
        return
    if fault is None:
        raise UsageError("Which fault? omc-runbook sandbox faults lists them.")
    if drills.current(running):
        raise UsageError(f"A drill is running, which chooses the faults: {drills.ANSWERING}.")
    broken = lifecycle.status(running)["broken"]
    if fault in broken:
        raise UsageError(f"{fault} is broken already: omc-runbook sandbox mend {fault} repairs it.")
    catalogue.break_(running.endpoint, fault)
    lifecycle.ask(running, "POST", "note", {"broken": [*broken, fault]})
    broken_fault = catalogue.find(fault)
    where = f" It is in {checkout.copy_of(running.endpoint)}." if checkout.is_in_copy(broken_fault) else ""
    click.echo(f"Broken: {broken_fault.breaks}{where} Repair it with: omc-runbook sandbox mend {fault}")


def _ask_unseen() -> str:
    """The id of a fault that somebody types for another, who may see the screen; raises UsageError for none."""
    from omc_runbook.sandbox import faults as catalogue

    is_typed = sys.stdin.isatty()
    text = click.prompt("The fault's id (it is not shown)", hide_input=True) if is_typed else sys.stdin.readline()
    chosen = str(text).strip()
    if chosen not in {each.id for each in catalogue.every()}:
        reason = "" if chosen or is_typed else " Standard input has none."
        raise UsageError(f"That is not a fault's id: omc-runbook sandbox faults lists them.{reason}")
    return chosen


@sandbox.command()
@click.argument("fault", required=False, shell_complete=_complete_faults)
def mend(fault: str | None) -> None:
    """Repair one fault, or everything.

    A drill ends with it. Roles and secrets that you created yourself stay.
    """
    from omc_runbook.sandbox import drills, lifecycle
    from omc_runbook.sandbox import faults as catalogue

    running = lifecycle.find()
    if drills.current(running):
        _end_drill(running, as_json=False)
        return
    was_broken = fault is None or fault in lifecycle.status(running)["broken"]
    catalogue.mend(running.endpoint, fault)
    broken = [other for other in lifecycle.status(running)["broken"] if fault is not None and other != fault]
    lifecycle.ask(running, "POST", "note", {"world": "healthy", "broken": broken})
    still = f"Still broken: {', '.join(broken)}." if broken else "The world is healthy."
    sentence = f"Repaired {fault or 'everything'}." if was_broken else f"{fault} was not broken."
    click.echo(f"{sentence} {still}")


@sandbox.command(name="drill")
@click.option("--family", default="", help="Only faults of this family.", shell_complete=_complete_families)
@click.option("--level", type=click.Choice(["easy", "medium", "hard"]), help="Only faults of this level.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many faults, one after another."
)
@click.option("--seed", type=int, help="Seed of the random choice; the same seed gives the same faults.")
@click.option("--stop", is_flag=True, help="Repair everything and end the running drill.")
@_json_option
def drill_(family: str, level: "Level | None", count: int, seed: int | None, stop: bool, as_json: bool) -> None:
    """Inject an unnamed fault for you to diagnose.

    A fault's level is how many others show the same error or behaviour: up to 7 is easy, up to 19 medium, more is hard.
    A right answer is worth 10 points, 2 fewer for each hint.
    """
    from omc_runbook.sandbox import drills, lifecycle

    running = lifecycle.find()
    if stop:
        _end_drill(running, as_json)
        return
    _print_symptom(running, drills.start(running, family, count, seed, level), as_json)


@sandbox.command()
@_json_option
def hint(as_json: bool) -> None:
    """Take the next of a drill's three hints.

    Each costs 2 points. The first names its family, the second the evidence, the third three candidates.
    """
    from omc_runbook.sandbox import drills, lifecycle

    hints, drill = drills.hint(lifecycle.find())
    if as_json:
        _print({"hints": hints, "points": drill.points})
        return
    for number, text in enumerate(hints, 1):
        click.echo(f"Hint {number}: {text}")
    click.echo(f"A right answer is now worth {drill.points} points.")


@sandbox.command()
@click.argument("fault", metavar="ID", shell_complete=_complete_faults)
@click.option("--no-card", is_flag=True, help="Do not keep a right answer for the card.")
@_json_option
def answer(fault: str, no_card: bool, as_json: bool) -> None:
    """Answer a drill with a fault's id.

    The answer is graded, the fault repaired, and the next one injected.
    """
    from omc_runbook.sandbox import drills, lifecycle

    running = lifecycle.find()
    grade, drill = drills.answer(running, fault, not no_card)
    if as_json:
        graded = {**_graded(grade), "told": drills.verdict(grade)}
        _print({**graded, "next": None if drill.is_over else _symptom(drill), "card": _card(drill)})
        return
    click.echo(drills.verdict(grade))
    click.echo()
    if drill.is_over:
        click.echo(drills.card(drill.grades))
    else:
        _print_symptom(running, drill)


@sandbox.command()
@click.option("--clear", is_flag=True, help="Forget what was solved.")
@_json_option
def card(clear: bool, as_json: bool) -> None:
    """Show the faults solved in drills.

    By family, with your best points and times. They are kept in a private file in the temporary directory, also after
    `sandbox down`.
    """
    from omc_runbook.sandbox import drills, solved

    if clear:
        solved.clear()
    scores = solved.score()
    if as_json:
        _print([asdict(score) for score in scores])
    else:
        click.echo(drills.family_card(scores))


def _end_drill(running: "Sandbox", as_json: bool) -> None:
    from omc_runbook.sandbox import drills

    drill = drills.stop(running)
    if as_json:
        _print({"fault": drill.fault, "card": _card(drill)})
        return
    click.echo(f"The drill is over and everything is repaired. The fault was {drill.fault}.")
    if drill.grades:
        click.echo(f"\n{drills.card(drill.grades)}")


def _print_symptom(running: "Sandbox", drill: "Drill", as_json: bool = False) -> None:
    from omc_runbook.sandbox import drills

    if as_json:
        where = {"repository": drills.repository(running, drill), "diagnosis": drills.diagnosis(running, drill)}
        _print({**_symptom(drill), **where})
        return
    click.echo(f"{len(drill.grades) + 1} of {len(drill.faults)}: {drill.symptom}")
    click.echo(f"Diagnose it: {drills.diagnosis(running, drill)}")
    click.echo("Then answer: omc-runbook sandbox answer ID (omc-runbook sandbox faults lists the ids)")
    click.echo(f"Or take a hint: omc-runbook sandbox hint ({drills.HINT_COST} of {drills.POINTS} points)")


def _symptom(drill: "Drill") -> dict[str, Any]:
    return {"number": len(drill.grades) + 1, "count": len(drill.faults), "symptom": drill.symptom}


def _card(drill: "Drill") -> list[dict[str, Any]]:
    return [_graded(grade) for grade in drill.grades]


def _graded(grade: "Grade") -> dict[str, Any]:
    return {**asdict(grade), "right": grade.is_right, "points": grade.points}


def _print(members: Any) -> None:
    click.echo(json.dumps(members, indent=2))
