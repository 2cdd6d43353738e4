"""The local_setup report: what exists, the planned .env, the result, and how to undo it."""

from __future__ import annotations

from urllib.parse import urlsplit

from omc_runbook.changes.dotenv.executor import DotenvResult
from omc_runbook.changes.dotenv.plan import DotenvPlan, diff_lines
from omc_runbook.changes.dotenv.values import RANDOM
from omc_runbook.checks.dotenv import workstation_of
from omc_runbook.model.letters import counted
from omc_runbook.model.shell import command
from omc_runbook.report import changes
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.repository.template import NAMES, TemplateEntry
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import DOTENV, NOT_LOADED, Workstation, is_text_of_value, is_value

STATES: dict[str, Level] = {
    "set": "good",
    "missing": "error",
    "empty": "quiet",
    "absent": "quiet",
    "placeholder": "warning",
}
SHORT = 60


def inventory(snapshot: Snapshot) -> Table:
    """The checkout, its .env, and which checks this machine allows."""
    workstation = workstation_of(snapshot)
    file, git, settings = workstation.dotenv, workstation.git, workstation.checkout.settings
    template, compose = workstation.checkout.template, workstation.checkout.compose
    entries = counted(len(template.entries), "variable") if template else "missing"
    entries += ", as committed" if template and template.file.name == DOTENV else ""
    dotenv_state = f"{counted(len(file.bindings), 'variable')}, mode {file.mode:o}" if file else "missing"
    ignored = {True: "ignored", False: "not ignored", None: "unknown"}[git.ignored]
    history = "tracked" if git.tracked else "in its history" if workstation.commits else "never committed"
    services = ", ".join(service.name for service in compose.services) if compose else "none"
    compose_state = "read by docker compose" if workstation.compose_config else "Docker Compose is not installed"
    compose_state = compose_state if file else "not read: no .env"
    rows = [
        ["template", template.file.name if template else ".env.template", entries],
        [".env", workstation.path.name, dotenv_state],
        ["Settings", *_settings(workstation)],
        ["compose", services, compose_state if compose else ""],
        ["git", f".env is {ignored}, {history}" if git.is_work_tree else "not a git work tree", ""],
    ]
    levels: dict[str, Level] = {"missing": "warning", "rejects it": "error", "could not be loaded": "unknown"}
    notes: tuple[str, ...] = ()
    if workstation.unread_settings:
        unread = "; ".join(workstation.unread_settings)
        notes = (
            f"Only class {settings.name} in {settings.path} is read as Settings, not {unread}: to check another"
            " application, set repository to its folder.",
        )
    return Table("The checkout and its .env", ["what", "name", "state"], rows, levels, notes=notes)


def _settings(workstation: Workstation) -> tuple[str, str]:
    """The fields of Settings and where they are read from, and whether they were loaded."""
    settings, root = workstation.checkout.settings, workstation.checkout.root
    env_files = ", ".join(path.name if path.parent == root else str(path) for path in workstation.dotenv_paths)
    loaded = workstation.settings_result
    settings_state = "loaded" if loaded and loaded.ok else "rejects it" if loaded else "not loaded: no .env"
    if workstation.is_code_withheld:
        settings_state = "not loaded: allow_code is not set"
    elif loaded and loaded.obstacle:
        settings_state = "could not be loaded"
    elif loaded and loaded.borrowed:
        settings_state += f"; its Python lacks {', '.join(loaded.borrowed)}, taken from omc-runbook's"
    read_from = env_files or ("the environment only" if settings.env_files == () else "a file that an expression names")
    fields = f"{len(settings.fields)} fields, read from {read_from}"
    if settings.are_several:
        fields, settings_state = f"of several classes: {fields}", "not loaded"
    elif settings.file is None:
        fields, settings_state = f"none: the code reads {len(settings.fields)} variables itself", "nothing to load"
        if settings.library:
            fields = f"made by {settings.library}: {len(settings.fields)} names known, read from {read_from}"
    return fields, settings_state


def variables(snapshot: Snapshot) -> Table:
    """The variables that need attention: description, whether required, source of the value, and state in the .env.

    Variables whose value in the template works on any machine are only counted.
    """
    workstation = workstation_of(snapshot)
    entries = workstation.checkout.template_entries
    required = workstation.required
    active = [entry for entry in entries if not entry.commented_out or entry.name in required]
    rows = [[entry.name, *_describe(workstation, entry)] for entry in active if _matters(workstation, entry)]
    optional = [entry.name for entry in entries if entry not in active]
    portable = [entry for entry in active if not _matters(workstation, entry)]
    have = f"{'more ' if rows else ''}{'have' if portable[1:] else 'has'}"
    notes = [f"{len(portable)} {have} a value in the template that works on any machine."] if portable else []
    notes += [f"Commented out in the template, and left so: {', '.join(optional)}."] if optional else []
    columns = ["variable", "description", "required", "value from", "in .env"]
    return Table("The variables of the template", columns, rows, STATES, "None needs attention.", notes=tuple(notes))


def plan(setup: DotenvPlan) -> Table:
    """What happens to each variable, and where its value comes from; many from the template are only named."""
    writing = setup.changed
    rows = [[c.key, c.action, c.origin or "—", c.effect] for c in writing if c.key not in setup.copied]
    unchanged = len(setup.changes) - len(writing)
    title = f"{counted(len(writing), 'variable')} would be written, {unchanged} stay as they are"
    if setup.before is None:
        title = f".env would be created with {counted(len(writing), 'variable')}, readable only by you"
    elif setup.is_empty:
        title = f"Nothing would change: {unchanged} variables stay as they are"
    elif not writing:
        title = f"No value would change: {unchanged} variables stay as they are"
    mode = ("Its mode becomes 600.",) if setup.tightens else ()
    copied = f"{len(setup.copied)} are copied from the template: {', '.join(setup.copied)}." if setup.copied else ""
    obstacle = (f"Cannot be applied: {setup.obstacle}",) if setup.obstacle else ()
    # Without rows, those from the template are all that there is.
    first, elsewhere = filter(None, (copied if rows else "",)), filter(None, (setup.elsewhere,))
    notes = (*first, *setup.mends, *mode, *elsewhere, *setup.notes, *obstacle)
    columns = ["variable", "action", "value from", "takes effect"]
    return Table(title, columns, rows, changes.ACTIONS, copied or "No variable.", notes=notes)


def diff(setup: DotenvPlan) -> Diffs:
    """The planned change of an existing .env, with names instead of values."""
    lines = tuple(diff_lines(setup))
    has_lines = bool(lines) and setup.before is not None
    files = [FileDiff(setup.workstation.path.name, setup.elsewhere, lines)] if has_lines else []
    empty = "The file is new, copied from the template." if setup.before is None else "No line changes."
    return Diffs("Line by line", files, empty, () if files else tuple(filter(None, (setup.elsewhere,))))


def needed(setup: DotenvPlan) -> Listing:
    """The variables whose value cannot be generated, and where to get it."""
    entries = [
        Entry(
            need.variable,
            need.description,
            level="warning",
            label="get it",
            lead=f"From {need.obtain_from}" if need.obtain_from else "Ask your team.",
        )
        for need in setup.missing
    ]
    if entries:
        names = ", ".join(need.variable for need in setup.missing)
        lead = f"Put {names} into a file of NAME=value lines readable only by you, or enter them at a prompt."
        entries.append(Entry("then", lead=lead, command='-p values_from file:PATH, or values_from = "prompt"'))
    return Listing("Values that you have to provide", entries, "None: every required variable has a value or gets one.")


def result(setup: DotenvPlan, result: DotenvResult | None) -> Banner:
    """How it went, or why nothing was done."""
    if result is None:
        if setup.obstacle:
            return Banner("plain", "Nothing can be written yet.", _lines(setup))
        headline = "Nothing had to be done." if setup.is_empty else "Nothing was written: this was a dry run."
        return Banner("good" if setup.is_empty else "plain", headline, _lines(setup))
    if result.is_cancelled:
        return changes.stopped(result)
    lines = [f"The former file is in {result.backup}, readable only by you."] if result.backup else []
    start = result.start
    lines += [f"Started with {start.by}."] if start.ok else []
    unclear = "" if start.ok else "Unknown whether it started: " if start.by and start.ok is None else "Not started: "
    lines += [f"{unclear}{start.why_not}"] if start.why_not else []
    headline = f"{setup.workstation.path.name} was written." if result.wrote else "Nothing had to be written."
    is_good = not setup.missing and ((start.ok and not start.why_not) or not start.by)
    return Banner("good" if is_good else "unsure", headline, (*lines, *_lines(setup)))


def start(result: DotenvResult | None, snapshot: Snapshot) -> Listing:
    """What the application rejected at its start, by variable; without a start, what loading Settings rejected."""
    workstation = workstation_of(snapshot)
    from_log = result.start.problems if result else None
    loaded = workstation.settings_result
    rejections = from_log if from_log is not None else loaded.messages if loaded else ()
    entries = [
        Entry(
            each.variable or each.check,
            each.service,
            level="error",
            label="rejected",
            lead=f"{each.reason[:1].upper()}{each.reason[1:]}.",
        )
        for each in rejections
    ]
    if loaded and loaded.obstacle and from_log is None:
        entries.append(Entry("Settings", level="unknown", label="unknown", lead=loaded.obstacle))
    source = "log of the start" if from_log is not None else "Settings, loaded in a separate process"
    empty = "It rejects nothing."
    if workstation.dotenv is None:
        empty = "There is no .env to start with."
    elif from_log is None and workstation.is_code_withheld:
        empty = NOT_LOADED
    elif from_log is None and workstation.checkout.settings.file is None:
        settings = workstation.checkout.settings
        what = (
            f"The settings are made by {settings.library}"
            if settings.library
            else "This checkout has no class of settings to load"
        )
        what = "The settings are of several classes, none of which is the main one" if settings.are_several else what
        empty = f"{what}: only a start shows what it rejects."
    return Listing(f"What the application rejects ({source})", entries, empty)


def undo(setup: DotenvPlan, result: DotenvResult | None) -> Listing:
    """How to restore the former state."""
    path = setup.workstation.path
    if result is None or not result.wrote:
        return Listing("Undo", (), "Nothing was written, so there is nothing to undo.")
    entries = []
    if setup.before is None:
        # A link that led to nothing was there before, and stays.
        created_path = setup.workstation.dangling_target or path
        entries.append(Entry("remove it", "it did not exist before", command=command("rm", created_path)))
    elif result.backup:
        back = f"{command('cp', result.backup, path)} && {command('chmod', '600', path)}"
        entries.append(Entry("restore the former file", command=back))
    else:
        names = ", ".join(c.key for c in setup.changes if c.action == "added") or "none"
        lead = f"There is no backup. Added, and safe to remove: {names}. No existing value was changed."
        entries.append(Entry("by hand", lead=lead))
    if result.start.by:
        entries.append(Entry("stop what was started", command=setup.workstation.compose_command("down")))
    return Listing("Undo", entries)


def by_hand(snapshot: Snapshot) -> Listing:
    """The guide's commands for the same."""
    workstation = workstation_of(snapshot)
    checkout, compose = workstation.checkout, workstation.compose_program
    template = checkout.template.file.name if checkout.template else NAMES[0]
    application = checkout.application
    copy = "git checkout HEAD -- .env" if template == DOTENV else command("cp", "-i", template, DOTENV)
    rows = [
        ["copy the template", f"{command('cd', checkout.root)} && {copy} && chmod 600 .env"],
        ["generate SECRET_KEY", "openssl rand -hex 32"],
        ["generate a password", "openssl rand -base64 32"],
        ["see whether it exists", "ls -la .env"],
        ["list its names without values", "grep -oE '^[A-Z_]+=' .env"],
        ["check that it is local", 'grep "ENVIRONMENT=local" .env'],
        ["start", command(*compose, "up", "-d")],
        ["read the log", command(*compose, "logs", *([application.name] if application else []))],
    ]
    return Listing("By hand", [Entry(what, command=how) for what, how in rows])


def _lines(setup: DotenvPlan) -> tuple[str, ...]:
    names = ", ".join(need.variable for need in setup.missing)
    return (*((setup.obstacle,) if setup.obstacle else ()), *((f"Still without a value: {names}.",) if names else ()))


def _describe(workstation: Workstation, entry: TemplateEntry) -> list[str]:
    key = workstation.key_of(entry.name)
    description = (key.description if key else "") or entry.description
    description = description if len(description) <= SHORT else f"{description[: SHORT - 1]}…"
    is_generated = (key and key.generate) or (workstation.is_secret(entry.name) and RANDOM.search(entry.description))
    source = "generated" if is_generated else (key.obtain_from if key else "") or entry.obtain_from
    # A URL's host is enough here: the whole URL is shown where it is needed.
    source = _host(source) or source or ("the template" if is_text_of_value(entry.value) else "you")
    required = "required" if workstation.dotenv_name(entry.name) in workstation.required else "optional"
    return [description or "—", required, source, _state(workstation, entry.name)]


def _host(address: str) -> str:
    """The host of a URL; "" for any other text."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _state(workstation: Workstation, name: str) -> str:
    variable = workstation.dotenv_name(name)
    value = workstation.value(variable)
    if value is None:
        return "missing" if variable in workstation.required else "absent"
    if value.is_empty:
        return "empty"
    return "set" if is_value(value) else "placeholder"


def _matters(workstation: Workstation, entry: TemplateEntry) -> bool:
    """Whether a variable needs attention: it is secret, the template has no usable value, or the .env lacks one."""
    needs_a_value = not is_text_of_value(entry.value) and (bool(entry.value) or entry.name in workstation.required)
    lacks_it = workstation.dotenv is not None and _state(workstation, entry.name) in (
        "missing",
        "absent",
        "placeholder",
    )
    return workstation.is_secret(entry.name) or needs_a_value or lacks_it
