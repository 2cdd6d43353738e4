"""What local_setup shows: what there is, what would become of the .env, how it went, and how to undo it."""

from __future__ import annotations

from urllib.parse import urlsplit

from omc_runbook.changes.dotenv.executor import SetUp
from omc_runbook.changes.dotenv.plan import TEMPLATE, Setup, shown
from omc_runbook.model.shell import command
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table
from omc_runbook.repository.template import TemplateEntry
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import Workstation, is_text_of_value, is_value

STATES: dict[str, Mood] = {
    "set": "good",
    "missing": "error",
    "empty": "quiet",
    "not there": "quiet",
    "placeholder": "warning",
}
ACTIONS: dict[str, Mood] = {"added": "good", "changed": "warning", "unchanged": "quiet"}
SHORT = 60
FEW = 12
"""Variables up to which all that come from the template are shown."""


def inventory(snapshot: Snapshot) -> Table:
    """The checkout, its .env, and what can be asked on this machine."""
    place = _place(snapshot)
    file, tracked, settings = place.dotenv, place.git, place.checkout.settings
    template, compose = place.checkout.template, place.checkout.compose
    named = f"{len(template.entries)} variables" if template else "missing"
    mode = f"{len(file.bindings)} variables, mode {file.mode:o}" if file else "missing"
    looked = ", ".join(path.name if path.parent == place.checkout.root else str(path) for path in place.dotenv_paths)
    ignored = {True: "ignored", False: "not ignored", None: "not known"}[tracked.ignored]
    history = "tracked" if tracked.tracked else "in its history" if tracked.commits else "never committed"
    services = ", ".join(service.name for service in compose.services) if compose else "none"
    asked = "docker compose was asked" if place.compose_config else "no Docker Compose here"
    asked = asked if file else "not asked: no .env"
    result = place.settings_result
    tried = "not tried: no .env" if result is None else "loaded" if result.ok else "refuses"
    if result and result.obstacle:
        tried = "could not be tried"
    rows = [
        ["template", template.file.name if template else ".env.template", named],
        [".env", place.path.name, mode],
        ["Settings", f"{len(settings.fields)} fields, read from {looked or 'the environment alone'}", tried],
        ["compose", services, asked if compose else ""],
        ["git", f".env is {ignored}, {history}" if tracked.is_work_tree else "no work tree", ""],
    ]
    moods: dict[str, Mood] = {"missing": "warning", "refuses": "error", "could not be tried": "unknown"}
    return Table("The checkout and its .env", ["what", "name", "state"], rows, moods)


def variables(snapshot: Snapshot) -> Table:
    """The variables that somebody has to look at: what each is, whether it is needed, whence it comes, how it stands.

    Those with the template's own value, which serves on any machine, are only named.
    """
    place = _place(snapshot)
    entries = place.checkout.template.entries if place.checkout.template else ()
    active = [entry for entry in entries if not entry.commented_out]
    rows = [[entry.name, *_told(place, entry)] for entry in active if _matters(place, entry)]
    optional = [entry.name for entry in entries if entry.commented_out]
    served = [entry for entry in active if not _matters(place, entry)]
    notes = [f"{len(served)} more have a value in the template that serves anywhere."] if served else []
    notes += [f"Commented out in the template, and left so: {', '.join(optional)}."] if optional else []
    columns = ["variable", "what it is", "needed", "value from", "in .env"]
    return Table("The variables of the template", columns, rows, STATES, "None needs a look.", notes=tuple(notes))


def plan(setup: Setup) -> Table:
    """What becomes of each variable, and where its value comes from; many from the template are only named."""
    writing = [change for change in setup.changes if change.action != "unchanged"]
    taken = [change.key for change in writing if change.origin == TEMPLATE]
    folded = taken if len(taken) > FEW else []
    rows = [[c.key, c.action, c.origin or "—", c.effect] for c in writing if c.key not in folded]
    kept = len(setup.changes) - len(writing)
    count = "1 variable" if len(writing) == 1 else f"{len(writing)} variables"
    title = f"{count} would be written, {kept} stay as they are"
    if setup.before is None:
        title = f".env would be made with {len(writing)} variables, readable by you alone"
    elif setup.is_empty:
        title = f"Nothing would change: {kept} variables stay as they are"
    elif not writing:
        title = f"No value would change: {kept} variables stay as they are"
    private = ("Its mode becomes 600.",) if setup.tightens else ()
    template = (f"{len(folded)} come from the template as they are: {', '.join(folded)}.",) if folded else ()
    obstacle = (f"Not now: {setup.obstacle}",) if setup.obstacle else ()
    notes = (*template, *setup.mends, *private, *setup.notes, *obstacle)
    columns = ["variable", "action", "value from", "takes effect"]
    return Table(title, columns, rows, ACTIONS, "No variable.", notes=notes)


def diff(setup: Setup) -> Diffs:
    """The change line by line, with names in the place of values."""
    lines = tuple(shown(setup))
    files = [FileDiff(setup.place.path.name, "", lines)] if lines and setup.before is not None else []
    empty = "It is new, from the template." if setup.before is None else "No line changes."
    return Diffs("Line by line", files, empty)


def needed(setup: Setup) -> Listing:
    """What has to have a value that nobody can make up, and where to get it."""
    entries = [
        Entry(
            need.variable,
            need.description,
            "warning",
            "get it",
            f"From {need.obtain_from}" if need.obtain_from else "Somebody in your team knows it.",
        )
        for need in setup.needed
    ]
    if entries:
        names = ", ".join(need.variable for need in setup.needed)
        told = (
            f"Put {names} into a file of NAME=value lines that only you can read, and name it; or have them asked for."
        )
        entries.append(Entry("then", lead=told, command='-p values_from file:PATH, or values_from = "prompt"'))
    return Listing(
        "What is still needed from you", entries, "Nothing: every required variable has a value, or gets one."
    )


def done(setup: Setup, done: SetUp | None) -> Banner:
    """How it went, or that nothing was done and why."""
    if done is None:
        told = "Nothing had to be done." if setup.is_empty else "Nothing was written: this was a dry run."
        return Banner("good" if setup.is_empty and not setup.obstacle else "plain", told, _lines(setup))
    lines = [f"The former file is in {done.backup}, readable by you alone."] if done.backup else []
    start = done.start
    lines += [f"Started with {start.by}."] if start.ok else []
    unclear = "" if start.ok else "Not known whether it started: " if start.by and start.ok is None else "Not started: "
    lines += [f"{unclear}{start.why_not}"] if start.why_not else []
    what = f"{setup.place.path.name} was written" if done.wrote else "Nothing had to be written"
    is_good = not setup.needed and (start.ok or not start.by)
    return Banner("good" if is_good else "unsure", f"{what}.", (*lines, *_lines(setup)))


def start(done: SetUp | None, snapshot: Snapshot) -> Listing:
    """What the start said, told by variable; where nothing was started, what Settings say when they are loaded."""
    place = _place(snapshot)
    said = done.start.told if done and done.start.told is not None else None
    told = said if said is not None else place.settings_result.messages if place.settings_result else ()
    entries = [
        Entry(
            each.variable or each.check,
            each.service,
            "error",
            "refused",
            f"{each.reason[:1].upper()}{each.reason[1:]}.",
        )
        for each in told
    ]
    if place.settings_result and place.settings_result.obstacle and said is None:
        entries.append(Entry("Settings", "", "unknown", "unknown", place.settings_result.obstacle))
    by = "the log of the start" if said is not None else "Settings, loaded in a process of its own"
    empty = "There is no .env to start with." if place.dotenv is None else f"Nothing is refused, by {by}."
    return Listing(f"What the application says: {by}", entries, empty)


def undo(setup: Setup, done: SetUp | None) -> Listing:
    """How to get the former state back."""
    path = setup.place.path
    if done is None or not done.wrote:
        return Listing("Going back", (), "Nothing was written, so there is nothing to undo.")
    entries = []
    if setup.before is None:
        entries.append(Entry("remove it", "it was not there before", command=command("rm", path)))
    elif done.backup:
        back = f"{command('cp', done.backup, path)} && {command('chmod', '600', path)}"
        entries.append(Entry("put the former file back", command=back))
    else:
        names = ", ".join(c.key for c in setup.changes if c.action == "added") or "none"
        told = f"No backup was asked for. Added, and safe to remove: {names}. No value that was there is gone."
        entries.append(Entry("by hand", lead=told))
    if done.start.by:
        entries.append(Entry("stop what was started", command="docker compose down"))
    return Listing("Going back", entries)


def by_hand(snapshot: Snapshot) -> Listing:
    """The guide's own commands for the same."""
    root = _place(snapshot).checkout.root
    rows = [
        ["copy the template", f"{command('cd', root)} && cp .env.template .env && chmod 600 .env"],
        ["make SECRET_KEY", "openssl rand -hex 32"],
        ["make a password", "openssl rand -base64 32"],
        ["see whether it is there", "ls -la .env"],
        ["see which names it has, and no value", "grep -oE '^[A-Z_]+=' .env"],
        ["see whether it is local", 'grep "ENVIRONMENT=local" .env'],
        ["start", "docker compose up -d"],
        ["read the log", "docker compose logs backend"],
    ]
    return Listing("By hand", [Entry(what, command=how) for what, how in rows])


def _place(snapshot: Snapshot) -> Workstation:
    assert snapshot.workstation is not None, "local_setup looks at one"
    return snapshot.workstation


def _lines(setup: Setup) -> tuple[str, ...]:
    names = ", ".join(need.variable for need in setup.needed)
    return (*((setup.obstacle,) if setup.obstacle else ()), *((f"Still without a value: {names}.",) if names else ()))


def _told(place: Workstation, entry: TemplateEntry) -> list[str]:
    key = place.key_of(entry.name)
    what = (key.description if key else "") or entry.description
    what = what if len(what) <= SHORT else f"{what[: SHORT - 1]}…"
    source = "made up" if key and key.generate else (key.obtain_from if key else "") or entry.obtain_from
    # Of an address the server's name says enough here: the whole one stands where it is needed.
    source = urlsplit(source).hostname or source or ("the template" if is_text_of_value(entry.value) else "you")
    needed = "required" if place.dotenv_name(entry.name) in place.required else "optional"
    return [what or "—", needed, source, _state(place, entry.name)]


def _state(place: Workstation, name: str) -> str:
    value = place.value(place.dotenv_name(name))
    if value is None:
        return "missing" if name in place.required or place.dotenv else "not there"
    if value.is_empty:
        return "empty"
    return "set" if is_value(value) else "placeholder"


def _matters(place: Workstation, entry: TemplateEntry) -> bool:
    """Whether somebody has to look at a variable: it is secret, has no value to begin with, or lacks one here."""
    is_lacking = place.dotenv is not None and _state(place, entry.name) in ("missing", "placeholder")
    is_open = not is_text_of_value(entry.value) and (bool(entry.value) or entry.name in place.required)
    return place.is_secret(entry.name) or is_open or is_lacking
