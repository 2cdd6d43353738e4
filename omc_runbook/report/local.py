"""What local_setup shows: what there is, what would become of the .env, how it went, and how to undo it."""

from __future__ import annotations

from omc_runbook.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT
from omc_runbook.changes.dotfile import Setup, shown
from omc_runbook.changes.setting_up import SetUp
from omc_runbook.local.workplace import Workplace
from omc_runbook.report.banner import Banner
from omc_runbook.report.diff import Diffs, FileDiff
from omc_runbook.report.listing import Entry, Listing
from omc_runbook.report.mood import Mood
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.source.template import Entry as TemplateEntry

STATES: dict[str, Mood] = {"set": "good", "missing": "error", "empty": "quiet", "placeholder": "warning"}
ACTIONS: dict[str, Mood] = {"added": "good", "changed": "warning", "unchanged": "quiet"}
SHORT = 72


def inventory(snapshot: Snapshot) -> Table:
    """The checkout, its .env, and what can be asked on this machine."""
    place = _place(snapshot)
    file, tracked, settings = place.dotenv, place.tracked, place.checkout.settings
    template, compose = place.checkout.template, place.checkout.compose
    named = f"{len(template.entries)} variables" if template else "missing"
    mode = f"{len(file.bindings)} variables, mode {file.mode:o}" if file else "missing"
    looked = ", ".join(path.name if path.parent == place.checkout.root else str(path) for path in place.looked_at)
    ignored = {True: "ignored", False: "not ignored", None: "not known"}[tracked.ignored]
    history = "tracked" if tracked.tracked else "in its history" if tracked.commits else "never committed"
    services = ", ".join(service.name for service in compose.services) if compose else "none"
    asked = "docker compose was asked" if place.composed else "no docker compose here: read as it would"
    tried = "loaded" if place.loaded and place.loaded.ok else "refuses" if place.loaded else "not tried: no .env"
    if place.loaded and place.loaded.obstacle:
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
    """Each variable of the template: what it is, whether it is required, where its value comes from, how it stands."""
    place = _place(snapshot)
    template = place.checkout.template
    rows = [
        [entry.section or "—", entry.name, *_told(place, entry)]
        for entry in (template.entries if template else ())
        if not entry.commented_out
    ]
    optional = [entry.name for entry in (template.entries if template else ()) if entry.commented_out]
    notes = (f"Commented out in the template, and left so: {', '.join(optional)}.",) if optional else ()
    columns = ["section", "variable", "what it is", "needed", "value from", "in .env"]
    return Table("The variables of the template", columns, rows, STATES, "It has none.", group=1, notes=notes)


def plan(setup: Setup) -> Table:
    """What becomes of each variable, and where its value comes from."""
    rows = [[c.key, c.action, c.origin or "—", c.effect] for c in setup.changes if c.action != "unchanged"]
    kept = sum(1 for change in setup.changes if change.action == "unchanged")
    title = f"{len(rows)} variables would be written, {kept} stay as they are"
    if setup.before is None:
        title = f".env would be made with {len(rows)} variables, readable by you alone"
    elif setup.is_empty:
        title = f"Nothing would change: {kept} variables stay as they are"
    private = ("Its mode becomes 600.",) if setup.tightens else ()
    notes = (*setup.mends, *private, *setup.notes, *((f"Not now: {setup.obstacle}",) if setup.obstacle else ()))
    return Table(
        title, ["variable", "action", "value from", "takes effect"], rows, ACTIONS, "No variable.", notes=notes
    )


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
    lines += [f"Started with {start.by}."] if start.by else []
    lines += [start.why_not if start.by else f"Not started: {start.why_not}"] if start.why_not else []
    what = f"{setup.place.path.name} was written" if done.wrote else "Nothing had to be written"
    return Banner("good" if not setup.needed else "unsure", f"{what}.", (*lines, *_lines(setup)))


def start(done: SetUp | None, snapshot: Snapshot) -> Listing:
    """What the start said, told by variable; where nothing was started, what Settings say when they are loaded."""
    place = _place(snapshot)
    said = done.start.told if done and done.start.told is not None else None
    told = said if said is not None else place.loaded.told if place.loaded else ()
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
    if place.loaded and place.loaded.obstacle and said is None:
        entries.append(Entry("Settings", "", "unknown", "unknown", place.loaded.obstacle))
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
        entries.append(Entry("remove it", "it was not there before", command=f"rm {path}"))
    elif done.backup:
        entries.append(Entry("put the former file back", command=f"cp {done.backup} {path} && chmod 600 {path}"))
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
        ["copy the template", f"cd {root} && cp .env.template .env && chmod 600 .env"],
        ["make SECRET_KEY", "openssl rand -hex 32"],
        ["make a password", "openssl rand -base64 32"],
        ["see whether it is there", "ls -la .env"],
        ["see which names it has, and no value", "grep -oE '^[A-Z_]+=' .env"],
        ["see whether it is local", 'grep "ENVIRONMENT=local" .env'],
        ["start", "docker compose up -d"],
        ["read the log", "docker compose logs backend"],
    ]
    return Listing("By hand", [Entry(what, command=how) for what, how in rows])


def _place(snapshot: Snapshot) -> Workplace:
    assert snapshot.workplace is not None, "local_setup looks at one"
    return snapshot.workplace


def _lines(setup: Setup) -> tuple[str, ...]:
    names = ", ".join(need.variable for need in setup.needed)
    return (*((setup.obstacle,) if setup.obstacle else ()), *((f"Still without a value: {names}.",) if names else ()))


def _told(place: Workplace, entry: TemplateEntry) -> list[str]:
    key, value = place.key_of(entry.name), place.value(entry.name)
    what = (key.description if key else "") or entry.description
    what = what if len(what) <= SHORT else f"{what[: SHORT - 1]}…"
    made = key.generate if key else ""
    public = entry.value and not PLACEHOLDER.match(entry.value) and not TEMPLATE_DEFAULT.match(entry.value)
    source = "made up" if made else (key.obtain_from if key else "") or entry.obtain_from
    source = source or ("the template" if public else "you")
    if value is None:
        state = "missing"
    elif value.is_empty:
        state = "empty"
    else:
        state = "placeholder" if value.matches(PLACEHOLDER) or value.matches(TEMPLATE_DEFAULT) else "set"
    return [what or "—", "required" if entry.name in place.required else "optional", source, state]
