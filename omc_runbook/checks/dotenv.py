"""Faults of the .env as a file: where it is, its encoding, lines and names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from omc_runbook.checks import remedies
from omc_runbook.checks.check import DOTENV, FILE, WORKSTATION, Evidence, Family
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.shell import command
from omc_runbook.repository.compose import Compose, ComposeService
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.docker import ComposeConfig
from omc_runbook.workstation.dotenv import IN_LFS, LOCKED, Binding, Dotenv
from omc_runbook.workstation.workstation import Workstation

_NOT_IN_SANDBOX = "A developer's machine is no part of the sandbox"
check = Family("local", symptom="local", needs=(DOTENV,), not_in_sandbox=_NOT_IN_SANDBOX)
reader_check = Family(
    "local", symptom="local", needs=(DOTENV,), looks_like=("dotenv-other-value",), not_in_sandbox=_NOT_IN_SANDBOX
)
"""For what makes a reader of the .env take another value."""

OTHERS = 0o077
SEPARATE = 3
"""The most lines with one fault that are findings of their own."""
SEVERAL = {"crlf": "CRLF, as Windows writes them", "mixed": "partly CRLF and partly LF", "cr": "CR alone"}


def workstation_of(snapshot: Snapshot) -> Workstation:
    """The developer's machine, which every check of this family needs."""
    assert snapshot.workstation is not None, "run only where it was read"
    return snapshot.workstation


def dotenv_of(snapshot: Snapshot) -> Dotenv:
    """The .env, which the checks with FILE or DOTENV among their needs have."""
    file = workstation_of(snapshot).dotenv
    assert file is not None, "run only where there is one"
    return file


def compose_of(snapshot: Snapshot) -> tuple[Compose, ComposeConfig]:
    """The Compose files and what they resolve to, as checks with COMPOSE or COMPOSE_CONFIG among their needs have."""
    workstation = workstation_of(snapshot)
    compose, config = workstation.checkout.compose, workstation.compose_config
    assert compose is not None and config is not None, "run only where Docker Compose was"
    return compose, config


def by_setup(snapshot: Snapshot, by_hand: str, values_from: str = "", allow_code: str = "") -> Remedy:
    """By local_setup, which loads Settings with `allow_code`, or by hand."""
    root = str(workstation_of(snapshot).checkout.root)
    variables = {"repository": root, "values_from": values_from, "allow_code": allow_code}
    needs = "PATH is a file with its value as a line NAME=…, readable only by you." if "PATH" in values_from else ""
    return remedies.with_runbook("local_setup", snapshot.environment, Remedy(by_hand), needs, **variables)


@check(
    "dotenv-missing",
    needs=(WORKSTATION,),
    looks_like=("dotenv-not-read",),
    ruled_out_by=".env is where the application and Docker Compose look for it",
)
def dotenv_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """There is no .env where the application and Docker Compose look for it."""
    workstation = workstation_of(snapshot)
    template, paths = workstation.checkout.template, workstation.dotenv_paths
    own = next((each for each in paths if workstation.checkout.loaded_files and each.is_file()), None)
    instead = own or workstation.read_instead
    facts = [f"{workstation.path} does not exist."]
    if workstation.dangling_target:
        facts = [f"{workstation.path} is a link to {workstation.dangling_target}, which does not exist."]
    if workstation.dotenv is None and instead:
        exists = f"{instead} does, which Settings or Docker Compose reads: with a link both read it, and it is checked."
        if own:
            exists = f"{own} does: the application's code loads it, Compose does not."
        yield Evidence(workstation.path.name, (*facts, exists), Remedy(workstation.link_to(instead)))
        return
    if not (workstation.needs_dotenv or workstation.dangling_target or workstation.stray_files):
        return
    if workstation.dotenv is None:
        facts += [
            f"{stray} exists, but nothing started at the top of the repository reads it."
            for stray in workstation.stray_files
        ]
        private = command("chmod", "600", workstation.path)
        copy = command("cp", workstation.path.with_name(template.file.name), workstation.path) if template else ""
        if template and template.file.name == workstation.path.name:
            copy = command("git", "-C", workstation.checkout.root, "checkout", "HEAD", "--", workstation.path.name)
        move = command("mv", workstation.stray_files[0], workstation.path) if workstation.stray_files else ""
        # cp writes through no dangling link.
        copy = f"{workstation.unlink}{copy} && {private}" if copy else ""
        if not workstation.checkout.loaded_files and (other := _looked_for_elsewhere(workstation)):
            facts.append(f"{other}: with a .env at the top, it needs a link to that, or another env_file.")
        remedy = Remedy(f"{move} && {private}") if move else by_setup(snapshot, copy)
        yield Evidence(workstation.path.name, tuple(facts), remedy)
        return
    for fact, where in _not_read(workstation):
        yield Evidence(workstation.path.name, (f"{workstation.path} exists, but {fact}.",), Remedy(where))


def _looked_for_elsewhere(workstation: Workstation) -> str:
    """Where the code looks for a .env, as a clause; "" where that at the top is among it, or Compose passes it on."""
    paths = workstation.dotenv_paths
    is_read = workstation.path in paths or workstation.path.resolve() in paths or workstation.is_passed_by_compose
    reads = "the application's code loads" if workstation.checkout.loaded_files else "Settings looks for"
    return f"{reads} {', '.join(map(str, paths))}" if paths and not is_read else ""


def _not_read(workstation: Workstation) -> Iterator[tuple[str, str]]:
    """What does not read the existing .env, as the end of a sentence, each with what to do."""
    other = _looked_for_elsewhere(workstation)
    if other and workstation.checkout.loaded_files:
        path = workstation.dotenv_paths[0]
        link = command("ln", "-s", workstation.path, path)
        yield other, "Let the code load the .env at the top of the checkout." if path.exists() else link
    elif other:
        folder = workstation.checkout.settings.folder
        seen_from = f", as seen from {folder}/" if folder else ""
        where = (
            "Set env_file in model_config (or _env_file in the call) to the .env at the top of the checkout"
            f"{seen_from}."
        )
        yield other, where
    if instead := workstation.read_by_both:
        yield (
            f"Settings and Docker Compose read {instead}",
            f"Move what only {workstation.path} has to {instead}, then replace it by a link to that file.",
        )
    if workstation.missing_env_files:
        missing = ", ".join(map(str, workstation.missing_env_files))
        yield f"Docker Compose looks for {missing}", "Write .env, as seen from the compose file, into its env_file."
    compose, (service, unset) = workstation.checkout.compose, _left_out(workstation)
    if compose and service and not (service.env_files and workstation.missing_env_files):
        where = f"Give service {service.name} env_file: .env in {compose.files[0].name}."
        if service.env_files:
            where = f"Add .env to env_file of service {service.name}, or {', '.join(unset)} to {service.env_files[-1]}."
        yield f"Docker Compose passes service {service.name} neither it nor {', '.join(unset)}", where


@check("dotenv-encoding", needs=(FILE,), looks_like=("dotenv-not-read",), ruled_out_by=".env is UTF-8 text")
def dotenv_encoding(snapshot: Snapshot) -> Iterable[Evidence]:
    """The .env is not UTF-8 text"""
    file = dotenv_of(snapshot)
    if file.encoding_error or file.has_nul:
        problem, way = file.encoding_error or "it has a NUL byte", "Save it as UTF-8 without a byte order mark."
        verbs = {LOCKED: ("crypt", "unlock"), IN_LFS: ("lfs", "pull")}
        if problem in verbs:
            way = command("git", "-C", workstation_of(snapshot).checkout.root, *verbs[problem])
        yield Evidence(file.path.name, (f"Its bytes: {problem}.",), Remedy(way))


@check("dotenv-bom", needs=(FILE,), looks_like=("dotenv-not-read",), ruled_out_by=".env begins with no byte order mark")
def dotenv_bom(snapshot: Snapshot) -> Iterable[Evidence]:
    """The .env begins with a byte order mark."""
    file = dotenv_of(snapshot)
    if file.has_bom:
        facts = ("It begins with EF BB BF.", "Older versions of python-dotenv read them as part of the first name.")
        way = command("perl", "-pi", "-e", r"s/^\xEF\xBB\xBF// if $. == 1", file.target)
        yield Evidence(file.path.name, facts, by_setup(snapshot, way))


@reader_check("crlf", needs=(FILE,), severity="warning", ruled_out_by="no line of .env ends in a carriage return")
def crlf(snapshot: Snapshot) -> Iterable[Evidence]:
    """The .env has line endings other than LF."""
    file = dotenv_of(snapshot)
    if file.newline != "lf" and not file.encoding_error:
        facts = (
            f"Its lines end in {SEVERAL[file.newline]}.",
            "A shell that sources it, and grep, keep the carriage return as part of each value.",
        )
        # What sed takes for -i and \r differs between GNU and macOS.
        way = command("perl", "-pi", "-e", r"s/\r\n?/\n/g", file.target)
        yield Evidence(file.path.name, facts, by_setup(snapshot, way))


@check(
    "unterminated", looks_like=("dotenv-not-read", "dotenv-other-value"), ruled_out_by="every quote in .env is closed"
)
def unterminated(snapshot: Snapshot) -> Iterable[Evidence]:
    """A quote is not closed"""
    file = dotenv_of(snapshot)
    for line in open_quotes(workstation_of(snapshot)):
        if file.compose_kind == "unterminated":
            fact = f"Line {line}: Docker Compose rejects the whole file, python-dotenv skips the line."
        elif line in file.unreadable:
            fact = f"Line {line}: nothing closes it, so that python-dotenv skips the line."
        else:
            fact = f"Line {line}: a later quote closes it: Docker Compose and python-dotenv lose the lines between."
        lost = ", ".join(name for name in file.hidden_names)
        facts = (fact, f"Lost: {lost}.") if lost else (fact,)
        yield Evidence(f"line {line}", facts, Remedy(f"Close the quote in line {line} of {file.path}."))


@check("unreadable-line", looks_like=("dotenv-not-read",), ruled_out_by="no other line of .env fails to parse")
def unreadable_line(snapshot: Snapshot) -> Iterable[Evidence]:
    """A line of the .env cannot be parsed."""
    file, workstation = dotenv_of(snapshot), workstation_of(snapshot)
    yield from _in_conflict(file)
    yield from _unparsed(file, open_quotes(workstation))
    if lines := file.loose_words:
        which = f"{len(lines)} lines from line {lines[0]} on are words" if lines[1:] else f"Line {lines[0]} is a word"
        fact = f"{which} that nothing here knows as a variable: as of a value that was split into lines."
        way = f"Write the whole value into one line of {file.path}, or a name, = and its value."
        yield Evidence(f"line {lines[0]}", (fact,), Remedy(way), severity="warning")
    for binding in file.bindings:
        if not binding.separator and binding.for_python is None and binding.name not in workstation.required:
            fact = f"Line {binding.line} has {binding.name} without =: python-dotenv finds no value."
            remedy = Remedy(f"Write {binding.name}= and its value into line {binding.line} of {file.path}.")
            yield Evidence(binding.name, (fact,), remedy, severity="warning")


def _in_conflict(file: Dotenv) -> Iterator[Evidence]:
    """The lines between git's marks of a merge conflict."""
    if marks := file.conflict_lines:
        facts = (
            f"Lines {', '.join(map(str, marks))}: git marks a merge conflict that is not resolved.",
            "Docker Compose rejects the whole file, python-dotenv uses the last of a variable's lines.",
        )
        way = f"In {file.path}, keep one line for each variable from line {marks[0]} to {marks[-1]}, and delete the"
        yield Evidence(
            f"line {marks[0]}", facts, Remedy(f"{way} lines that begin with <<<<<<<, |||||||, ======= or >>>>>>>.")
        )


def _unparsed(file: Dotenv, open_lines: Collection[int]) -> Iterator[Evidence]:
    """The lines that a reader skips or rejects, and no other fault explains."""
    explained = {binding.line for binding in file.bindings if binding.separator == ":"} | {*open_lines}
    explained |= {binding.line for binding in file.bindings if not binding.separator and binding.for_python is None}
    explained |= {*file.conflict_lines}
    # After an open quote Docker Compose reports the line with the next quote, which is correct.
    is_explained = file.compose_kind in ("bad-interpolation", "other") or (
        file.compose_kind == "bad-name" and file.has_bom
    )
    is_refused = file.compose_kind and not is_explained and not open_lines
    lines = sorted(
        {*file.unreadable, *file.misnamed_lines, *([file.compose_line] if is_refused else [])} - explained - {0}
    )
    if len(lines) > SEPARATE:
        # Somebody wrote the file as JSON or as a list.
        fact = f"{len(lines)} lines from line {lines[0]} on are not NAME=value."
        refused = ("Docker Compose rejects the whole file.",) if is_refused else ()
        way = f"Write each variable of {file.path} as NAME=value in a line of its own."
        yield Evidence(file.path.name, (fact, *refused), Remedy(way))
    else:
        for line in lines:
            refuses = is_refused and line == file.compose_line
            why = "python-dotenv skips it with a warning" if line in file.unreadable else "its name is invalid"
            why = "Docker Compose rejects the whole file" if refuses else why
            odd = file.odd_characters.get(line)
            where = f"Line {line} has {odd} in its name" if odd else f"Line {line}"
            way = f"{'Retype the name and the = in' if odd else 'Correct'} line {line} of {file.path}."
            yield Evidence(f"line {line}", (f"{where}: {why}.",), Remedy(way))
    if is_refused and not file.compose_line and not lines and not file.conflict_lines:
        fact = (
            "Docker Compose rejects the whole file: a line has no name before its = or :, or the last one has no line"
            " ending."
        )
        yield Evidence(file.path.name, (fact,), Remedy(f"Correct that line of {file.path}."))


@check("colon", looks_like=("dotenv-not-read",), ruled_out_by="every line of .env has = after its name")
def colon(snapshot: Snapshot) -> Iterable[Evidence]:
    """A line has a colon instead of =."""
    file = dotenv_of(snapshot)
    wrong = [each for each in file.bindings if each.separator == ":" and not each.is_block]
    if len(wrong) > SEPARATE:
        # Somebody wrote the file like YAML.
        fact = f"{len(wrong)} lines from line {wrong[0].line} on: Docker Compose reads them, python-dotenv skips them."
        yield Evidence(file.path.name, (fact,), by_setup(snapshot, "Write = instead of the colon in each of them."))
    else:
        for binding in wrong:
            fact = f"Line {binding.line}: Docker Compose reads it, python-dotenv skips it."
            yield Evidence(binding.name, (fact,), by_setup(snapshot, f"Write {binding.name}= in line {binding.line}."))
    for binding in file.bindings:
        if binding.is_block:
            fact = f"Line {binding.line} has the mark of a YAML block: no reader takes the lines below as the value."
            way = f"Write {binding.name}= and the value into line {binding.line} of {file.path}, and remove the lines"
            yield Evidence(binding.name, (fact,), Remedy(f"{way} of the block."))


@check("lowercase", looks_like=("dotenv-not-read",), ruled_out_by="the names in .env are in upper case")
def lowercase(snapshot: Snapshot) -> Iterable[Evidence]:
    """A name's case differs from what the application and Docker Compose read."""
    workstation = workstation_of(snapshot)
    checkout = workstation.checkout
    for binding, right in case_errors(workstation):
        is_read = not checkout.settings.case_sensitive and right in checkout.reads
        effect = "Settings reads it" if not checkout.settings.case_sensitive else "Settings does not"
        fact = (
            f"Line {binding.line} has {binding.name}: {effect}, Docker Compose and a shell do not read it as {right}."
        )
        mild: Severity | None = "info" if is_read and checkout.compose is None else None
        remedy = keep_one(workstation, right) or by_setup(snapshot, f"Write {right}= in line {binding.line}.")
        yield Evidence(binding.name, (fact,), remedy, severity=mild)


@reader_check("duplicate-variable", severity="warning", ruled_out_by="no variable occurs twice in .env")
def duplicate_variable(snapshot: Snapshot) -> Iterable[Evidence]:
    """A variable is set twice in the .env"""
    file = dotenv_of(snapshot)
    marks = file.conflict_lines
    for name, lines in file.duplicates:
        if marks and any(marks[0] < line < marks[-1] for line in lines):
            # Both sides of a merge conflict have it.
            continue
        fact = f"Lines {', '.join(map(str, lines))}: the last one takes effect."
        yield Evidence(name, (fact,), Remedy(f"Remove all but one of them from {file.path}."))


@check(
    "permissions",
    needs=(FILE,),
    severity="warning",
    looks_like=("dotenv-exposed",),
    ruled_out_by="nobody but its owner may read .env",
)
def permissions(snapshot: Snapshot) -> Iterable[Evidence]:
    """Others on this machine can read the .env"""
    file = dotenv_of(snapshot)
    if file.mode & OTHERS:
        facts = (f"Its mode is {file.mode:o}, and should be 600.",)
        yield Evidence(file.path.name, facts, by_setup(snapshot, command("chmod", "600", file.path)))


def _left_out(workstation: Workstation) -> tuple[ComposeService | None, tuple[str, ...]]:
    """The application's service where Compose gives it no .env, and the required variables that it lacks; else None."""
    compose, service = workstation.checkout.compose, workstation.checkout.application
    if compose is None or service is None or service.env_file_names is None:
        return None, ()
    # An image built at the top of the checkout may contain the file.
    may_be_built_in = service.context in (".", "./") and service.built.has_dotenv is not False
    may_have_it = service.mounts_checkout or service.mounts_secrets or may_be_built_in
    if may_have_it or service.extends or compose.includes:
        return None, ()
    variables = {each.variable for each in service.environment} | service.env_file_names | service.built.variables
    fields = [
        field
        for field in workstation.checkout.settings.fields
        if field.required and field.has_known_names and not field.doubt
    ]
    names = tuple(field.variables[0] for field in fields if not variables.intersection(field.variables))
    return (service, names) if names else (None, ())


def case_errors(workstation: Workstation) -> Iterator[tuple[Binding, str]]:
    """The lines whose name has the wrong case, each with the right name."""
    variables, checkout = workstation.known_variables, workstation.checkout
    # The template may have another case than what is read, which is the right one.
    reads = checkout.reads
    in_order = sorted(variables, key=lambda name: (name in reads, name))
    folded, compose = {name.casefold(): name for name in in_order}, checkout.compose
    # Compose would lose the value of what it reads so.
    exact = variables.union(compose.used if compose else ())
    names = {each.name for each in workstation.bindings}
    for binding in workstation.bindings:
        right = folded.get(binding.name.casefold(), binding.name)
        read = workstation.name_for_compose(binding.name)
        if read not in names:
            yield binding, read
        elif binding.name not in exact and right != binding.name:
            yield binding, right


def spellings(workstation: Workstation, name: str) -> tuple[str, ...]:
    """The names of the .env that are this one in any case, where several lines have them, so that a person chooses."""
    twice = {each for each, _ in workstation.dotenv.duplicates} if workstation.dotenv else set()
    names = tuple(each.name for each in workstation.bindings if each.name.casefold() == name.casefold())
    return names if len(names) > 1 or twice.intersection(names) else ()


def keep_one(workstation: Workstation, name: str) -> Remedy | None:
    """By hand, where several lines have a name in any case; None where one has."""
    names = spellings(workstation, name)
    return (
        Remedy(f"Keep one of the lines of {' and '.join(names)} in {workstation.path}, as {name}=.") if names else None
    )


def open_quotes(workstation: Workstation) -> tuple[int, ...]:
    """The lines whose quote is not closed, or so late that known variables are lost in the value."""
    file = workstation.dotenv
    if file is None:
        return ()
    lines = {
        line
        for line, names in file.multiline_quotes
        if line in file.unreadable or workstation.known_variables.intersection(names)
    }
    at_end = {file.compose_line} if file.compose_kind == "unterminated" and not lines else set()
    return tuple(sorted(lines | at_end))
