"""Faults of the values in a .env: missing, well-known, weak or rejected by the application."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from omc_runbook.checks.check import DOTENV, SETTINGS, SHARED, Evidence, Uncertain
from omc_runbook.checks.dotenv import by_setup, case_errors, check, keep_one, reader_check, workstation_of
from omc_runbook.checks.dotenv_quoting import UNSET, comment_values, in_odd_quotes, misread_names
from omc_runbook.checks.key_demand import is_misspelling
from omc_runbook.masking.addresses import problem_of
from omc_runbook.masking.defects import find_defect
from omc_runbook.masking.strength import LikelyWords, is_guessable
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startline import StartProblem
from omc_runbook.messages.validation import REASONS
from omc_runbook.model.catalogue import SEVERAL_LINES, URL_BREAKERS, URL_BREAKERS_IN_WORDS, Key
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.environment_names import ALIASES
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.grouping import grouped
from omc_runbook.model.placeholders import COMMAND, ENCRYPTED, PLACEHOLDER, SETTING, TEMPLATE_DEFAULT
from omc_runbook.model.secretive import is_frontend, is_secret
from omc_runbook.model.suggestions import closest, may_be_like
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.dotenv import Binding
from omc_runbook.workstation.workstation import Workstation, is_blank, is_value

ENVIRONMENT = "ENVIRONMENT"
_SERVER = re.compile(rf"(?i)(?<![a-z0-9])(?:{'|'.join(ALIASES)})(?![a-z])")
"""Names of environments that only servers have: a developer's machine may be dev, too."""
_LITERAL_LOCAL = re.compile(rf"""["']{LOCAL}["']""")
LOGIN = re.compile(r"://\S+@")
"""A URL with a password, which is no word to guess first."""
_NEAR = 0.87
"""Least likeness, of 1, of a variable and its misspelling: one letter of eight is another."""
SETTINGS_CHECKS = frozenset({"settings-refused", "required-empty", "changethis"})


@check(
    "required-empty",
    looks_like=("dotenv-not-read",),
    ruled_out_by="every variable that Settings requires has a value in .env",
    because_of=("misspelt", "duplicate-variable"),
    per_subject=True,
)
def required_empty(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A required variable has no value"""
    workstation = workstation_of(snapshot)
    if unnamed := unnamed_required(workstation):
        yield Uncertain("Settings", (f"The name of the variable of {', '.join(unnamed)} is an expression.",))
    for name, doubt in doubtful_required(workstation):
        yield Uncertain(name, (f"{name} has no value, and whether Settings needs one is unknown: {doubt}.",))
    for name, why in missing_required(workstation):
        # A placeholder of a file before the .env is a finding of its own.
        if workstation.is_written_earlier(name):
            continue
        key, entry = workstation.key_of(name), workstation.checkout.template_entry(name)
        source = (key.obtain_from if key else "") or (entry.obtain_from if entry else "")
        binding = workstation.binding(name)
        state = f"{binding.name} is empty" if binding else f"{name} is not in the file"
        if binding and binding.has_braces:
            state = f"{binding.name} is empty: {UNSET}"
        get = f"Get it from {source}, and write" if source else "Write"
        write = f"{get} {name}= and the value into {workstation.path}."
        # Of several lines in any case, the last one is empty.
        by_hand = keep_one(workstation, name) if binding and binding.name != name else None
        remedy = by_hand or by_setup(snapshot, write, _source(workstation, name))
        facts = (f"{state}; {why}.", *set_by_compose(workstation, name))
        yield Evidence(name, facts, remedy, severity="info" if len(facts) > 1 else None)
    for binding in overriding_lines(workstation):
        if is_blank(binding.for_python):
            fact = f"{binding.name} is empty, which overrides the file of secrets_dir that has its value."
            way = f"Put # before {binding.name}= in {workstation.path}."
            yield Evidence(binding.name, (fact,), by_setup(snapshot, way))
    for subject, name, value, path in _effective_values(workstation):
        is_emptied = path != workstation.path and is_blank(value) and not is_blank(workstation.value(name))
        if is_emptied and name in workstation.required:
            fact = f"{name} is empty there, which overrides the .env; {workstation.required[name]}."
            yield Evidence(subject, (fact,), Remedy(f"Give {name} a value in {path}, or take it out."))


@check(
    "misspelt",
    looks_like=("dotenv-not-read",),
    ruled_out_by="no name in .env is similar to that of a variable without a value",
)
def misspelt(snapshot: Snapshot) -> Iterable[Evidence]:
    """A name looks like a misspelling of a variable without a value."""
    workstation = workstation_of(snapshot)
    for binding, intended in misspellings(workstation):
        is_required, line = intended in workstation.required, binding.line
        what = "is required and" if is_required else "is known and"
        fact = f"Line {line} has {binding.name}, which nobody reads; {intended} {what} has no value."
        remedy = Remedy(f"Write {intended}= in line {line} of {workstation.path}.")
        yield Evidence(intended, (fact,), remedy, severity="error" if is_required else "warning")


@check(
    "placeholder",
    looks_like=("dotenv-other-value", "dotenv-exposed"),
    ruled_out_by="no variable of .env has a placeholder, a reference to a secret manager or a bad copy",
    because_of=("duplicate-variable",),
    per_subject=True,
)
def placeholder(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A variable has a placeholder, a reference or a bad copy, not its value"""
    workstation = workstation_of(snapshot)
    required = workstation.required
    effective = [*_effective_values(workstation)]
    encrypted = grouped((path, name) for _, name, value, path in effective if value.matches(ENCRYPTED))
    for path, names in encrypted.items():
        fact = f"{', '.join(names)}: encrypted by sops or dotenvx, and what that decrypts to is unknown."
        yield Uncertain(path.name, (fact,))
    for subject, name, value, path in effective:
        if workstation.is_reference(name, value):
            if workstation.is_reference(name, workstation.shell.get(name, value)):
                yield _unresolved(workstation, subject, name, _to_correct(workstation, path))
            continue
        key = workstation.key_of(name)
        # A password of a person's own may have line ends.
        is_whole = workstation.is_secret(name) and is_value(value) and not value.matches(SEVERAL_LINES)
        defect = find_defect(value, name, key) if is_whole else None
        if defect and defect.check == "bad-copy":
            fact = f"{name} {defect.sentence}: the application uses the text as its value."
            way = Remedy(f"Write the value of {name}, and nothing else, into {_to_correct(workstation, path)}.")
            yield Evidence(subject, (fact,), way, severity="error" if name in required else "warning")
            continue
        is_meant = key is None and not is_secret(name) and value.matches(SETTING)
        is_meant |= workstation.is_none(name, value)
        if value.matches(PLACEHOLDER) and not value.matches(TEMPLATE_DEFAULT) and not is_meant:
            what = "a command, which no reader of a .env runs" if value.matches(COMMAND) else "a placeholder"
            fact = f"{name} has {what}: the application uses the text as its value."
            by_hand = f"Give {name} a value in {path}, or none."
            remedy = _by_setup_or_in(path, snapshot, name, by_hand, _source(workstation, name))
            yield Evidence(subject, (fact,), remedy, severity="error" if name in required else "warning")


@check(
    "changethis",
    severity="warning",
    looks_like=("dotenv-other-value", "dotenv-exposed"),
    ruled_out_by="no variable of .env has the template's default",
    because_of=("duplicate-variable",),
    per_subject=True,
)
def changethis(snapshot: Snapshot) -> Iterable[Evidence]:
    """A variable still has the template's well-known default."""
    workstation = workstation_of(snapshot)
    for subject, name, value, path in _effective_values(workstation):
        if value.matches(TEMPLATE_DEFAULT):
            fact = f"{name} has the default: the application warns here, and refuses to start anywhere else."
            yield Evidence(subject, (fact,), _by_setup_or_in(path, snapshot, name, f"Give {name} a value in {path}."))


@check(
    "weak",
    severity="warning",
    looks_like=("dotenv-exposed",),
    ruled_out_by="the local passwords are long and random",
    because_of=("duplicate-variable", "placeholder"),
    per_subject=True,
)
def weak(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret is short or easy to guess."""
    workstation = workstation_of(snapshot)
    words = likely_words(snapshot)
    for subject, name, value, path in _effective_values(workstation):
        key = workstation.key_of(name)
        if not workstation.is_secret(name) or not is_value(value) or workstation.is_reference(name, value):
            continue
        # Browsers load it, so that it is public by design.
        if key is None and is_frontend(name):
            continue
        is_short = key is not None and value.length < key.weak_below
        if is_short or is_too_guessable(value, key, words):
            guessed = "can be guessed too easily, from words, names, dates and patterns"
            what = f"is shorter than {key.weak_below} characters" if key and is_short else guessed
            yield Evidence(subject, (f"{name} {what}.",), renew(workstation, name, _to_correct(workstation, path)))


def is_too_guessable(value: Masked, key: Key | None, words: LikelyWords) -> bool:
    """Whether a value is easy to guess; what has a form of its own, such as JSON, has words that it cannot lack."""
    return (key is None or key.form == "text") and is_guessable(value, key, words)


@once
def likely_words(snapshot: Snapshot) -> LikelyWords:
    """The words that somebody would try first who wants to guess a value of the .env."""
    workstation = workstation_of(snapshot)
    plain = (
        value
        for _, name, value, _ in _effective_values(workstation)
        if not workstation.is_secret(name) and not value.matches(LOGIN)
    )
    return LikelyWords([snapshot.environment.names.secret, workstation.checkout.root.name, workstation.owner, *plain])


@check(
    "environment-literal",
    looks_like=("dotenv-not-read",),
    ruled_out_by="ENVIRONMENT is local",
    because_of=("duplicate-variable",),
    per_subject=True,
)
def environment_literal(snapshot: Snapshot) -> Iterable[Evidence]:
    """ENVIRONMENT is not local"""
    workstation = workstation_of(snapshot)
    if _is_elsewhere(workstation):
        fact = f'{ENVIRONMENT} is not "{LOCAL}": the application treats this machine as a server.'
        own = f"{LOCAL} in" if _takes_local(workstation) else " and what Settings calls a developer's machine into"
        yield Evidence(ENVIRONMENT, (fact,), Remedy(f"Write {ENVIRONMENT}={own} {workstation.path}."))


@check(
    "settings-refused",
    needs=(DOTENV, SETTINGS),
    looks_like=("dotenv-not-read", "dotenv-other-value"),
    ruled_out_by="Settings, loaded with this .env, accepts every other value in it",
    because_of=("duplicate-variable", "weak", "placeholder", "required-empty", "url-chars"),
    per_subject=True,
)
def settings_refused(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Settings rejects a variable's value."""
    workstation = workstation_of(snapshot)
    if workstation.settings_result and workstation.settings_result.obstacle:
        yield Uncertain("Settings", (f"Settings could not be loaded: {workstation.settings_result.obstacle}",))
    refused, without_value = refused_empty(workstation), frozenset(name for name, _ in missing_required(workstation))
    for problem in _unexplained(workstation):
        subject = problem.variable or "Settings"
        fact = f"Settings, loaded with this .env: {subject}: {problem.reason}."
        if problem.variable in refused:
            where = f"Put # before {problem.variable}= in {workstation.path}: Settings accepts no empty string for it."
            # The plan knows it only from Settings.
            yield Evidence(subject, (f"{fact} It is empty.",), by_setup(snapshot, where, allow_code="true"))
            continue
        is_missing = problem.reason == REASONS["missing"]
        facts = (fact, *(set_by_compose(workstation, problem.variable) if is_missing else ()))
        severity: Severity | None = "info" if len(facts) > 1 else None
        # A check of the class as a whole may be one of a variable that is empty.
        stems_from = frozenset() if problem.variable else without_value
        remedy = _correction(problem, workstation.path)
        if problem.reason == REASONS["extra_forbidden"] and workstation.is_for_others(subject):
            remedy = Remedy(f'Give Settings extra="ignore" in model_config: Docker Compose reads {subject} there too.')
        yield Evidence(subject, facts, remedy, severity=severity, stems_from=stems_from)
    for problem, path in _refused_beside(workstation):
        order = "after" if any(each.path == path for each in workstation.overriding_files) else "before"
        fact = f"Settings, loaded with {path} {order} the .env: {problem.variable}: {problem.reason}."
        yield Evidence(f"{problem.variable} in {path.name}", (fact,), _correction(problem, path))


@reader_check(
    "url-chars",
    ruled_out_by="no URL is malformed, and no value that becomes a part of one has a character that ends its part",
    because_of=("duplicate-variable", "placeholder"),
    per_subject=True,
)
def url_chars(snapshot: Snapshot) -> Iterable[Evidence]:
    """A URL is malformed, or a value makes it so"""
    workstation = workstation_of(snapshot)
    locations, loaded = workstation.raw_url_parts, workstation.settings_result
    broken = dict(reversed(loaded.broken)) if loaded else {}
    excluded = misread_names(workstation)
    for subject, name, text, path in _effective_values(workstation):
        problem = problem_of(text, name, workstation.key_of(name))
        if problem and problem.check == "wrong-form" and name not in excluded and not workstation.is_none(name, text):
            yield Evidence(subject, (f"{name} {problem.sentence}.",), Remedy(f"Correct {name} in {path}."))
    for name in dict.fromkeys((*locations, *broken)):
        value = workstation.value(workstation.dotenv_name(name))
        is_reference = workstation.is_reference(name, value)
        if value is None or name in excluded or is_reference or not (is_value(value) or name in broken):
            continue
        facts = []
        if name in locations and value.matches(URL_BREAKERS):
            where = locations[name]
            facts.append(f"{name} has {URL_BREAKERS_IN_WORDS} in it, and {where} puts it into a URL as it is.")
        if name in broken:
            facts.append(
                f"With this {name} the property {broken[name]} of Settings raises an error, with another value it"
                " does not."
            )
        if facts:
            key = workstation.key_of(name)
            correct = (
                renew(workstation, name, workstation.path)
                if key or workstation.is_secret(name)
                else Remedy(f"Correct {name} in {workstation.path}.")
            )
            escape = "Or let the application escape it with urllib.parse.quote(…, safe='')."
            yield Evidence(name, tuple(facts), Remedy(f"{correct.command} {escape}"))


@check(
    "reused",
    needs=(DOTENV, SHARED),
    looks_like=("dotenv-exposed",),
    ruled_out_by="no local value has the fingerprint of one in AWS",
)
def reused(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A local secret is the same as another environment's"""
    workstation = workstation_of(snapshot)
    assert workstation.shared_values is not None
    for name, match in workstation.shared_values.matches.items():
        fact = f"{name} has the value of {match}, by keyed fingerprint: a leak here exposes that environment."
        yield Evidence(name, (fact,), renew(workstation, name, workstation.path))
    for reason in workstation.shared_values.failures:
        yield Uncertain("other environments", (reason,))


def _by_setup_or_in(path: Path, snapshot: Snapshot, name: str, by_hand: str, values_from: str = "") -> Remedy:
    """By local_setup, which writes the .env, or by hand; in a file that is read after it, by hand alone."""
    workstation = workstation_of(snapshot)
    if _to_correct(workstation, path) != path:
        by_hand = f"Give {name} a value in {workstation.path}, which overrides {path.name}."
    # Beside what is set already, local_setup writes a line for nothing else.
    is_written = path == workstation.path or (path != _to_correct(workstation, path) and name in workstation.required)
    return by_setup(snapshot, by_hand, values_from) if is_written else Remedy(by_hand)


def _correction(problem: StartProblem, path: Path) -> Remedy:
    """What to do in a file of variables about what Settings rejects of it."""
    name = problem.variable
    if not name:
        return Remedy("Read the application's log.")
    if problem.reason == REASONS["missing"]:
        return Remedy(f"Write {name}= and the value into {path}.")
    if problem.reason == REASONS["extra_forbidden"]:
        return Remedy(f'Take {name} out of {path}, or give Settings extra="ignore" in model_config.')
    return Remedy(f"Correct {name} in {path}.")


def _unresolved(workstation: Workstation, subject: str, name: str, path: Path) -> Evidence:
    """A reference that a secret manager's program would have to resolve before the application starts."""
    facts = (
        f"{name} has a reference to a value in a secret manager, not the value.",
        "Neither python-dotenv nor Docker Compose resolves it: the application uses the text as its value.",
    )
    way = f"Write the value of {name} into {path}, or start the application by the program that resolves"
    severity: Severity = "error" if name in workstation.required else "warning"
    return Evidence(subject, facts, Remedy(f"{way} references, such as op run."), severity=severity)


def _values(workstation: Workstation) -> Iterator[tuple[str, Masked]]:
    """Each variable's value in the .env, by the name that the variable should have."""
    right, excluded = {binding.name: name for binding, name in case_errors(workstation)}, misread_names(workstation)
    for binding in workstation.bindings:
        value = binding.value
        if value is not None and binding.name not in excluded:
            yield right.get(binding.name, binding.name), value


def _effective_values(workstation: Workstation) -> Iterator[tuple[str, str, Masked, Path]]:
    """Each value that the application gets, with its finding's subject and its variable before it, and its file."""
    for name, value in _values(workstation):
        if not workstation.is_set_later(name):
            yield name, name, value, workstation.path
    lines = [(file, each) for file in workstation.earlier_files for each in file.bindings]
    # Settings may ignore an empty one, Compose does not.
    lines = [(file, each) for file, each in lines if not workstation.is_skipped(file, each)]
    known = workstation.known_variables
    earlier = {workstation.spelling_of(each.name, known): (each, file.path) for file, each in lines}
    last = {name: each for name, each in earlier.items() if workstation.binding(name) is None}
    last |= {binding.name: (binding, file.path) for file in workstation.overriding_files for binding in file.bindings}
    for name, (binding, path) in last.items():
        # A ${…} may refer to a variable of the .env, with which this file was not read.
        if binding.for_python is not None and not binding.has_braces:
            yield f"{name} in {path.name}", name, binding.for_python, path


def _to_correct(workstation: Workstation, path: Path) -> Path:
    """The file to write a value into: for one before the .env, which others may share, the .env, which overrides it."""
    return workstation.path if any(each.path == path for each in workstation.earlier_files) else path


def set_by_compose(workstation: Workstation, name: str, planned: Collection[str] = ()) -> tuple[str, ...]:
    """A sentence where Docker Compose builds a variable's value from text and other variables, or mounts it; else ().

    `planned` are other variables that get a value.
    """
    compose, service = workstation.checkout.compose, workstation.checkout.application
    # Another service, or Compose itself, may need the .env's line.
    is_used = compose is not None and name in compose.used
    settings = (each for each in (service.environment if service else ()) if each.variable == name)
    is_set = not is_used and any(
        each.value
        and all(n in planned or not is_blank(workstation.value(n)) for n in {*each.interpolates} - each.defaults)
        for each in settings
    )
    is_set = is_set or (not is_used and workstation.is_set_earlier(name))
    is_mounted = not is_used and workstation.checkout.is_mounted(name)
    if service is None or not (is_set or is_mounted):
        return ()
    way = "mounts it as a file" if is_mounted else "sets it"
    return (f"Docker Compose {way} for service {service.name}: only a start without Docker lacks it.",)


def encrypted_names(workstation: Workstation) -> tuple[str, ...]:
    """The variables of the .env whose values are encrypted."""
    return tuple(name for name, value in _values(workstation) if value.matches(ENCRYPTED))


def missing_required(workstation: Workstation) -> Iterator[tuple[str, str]]:
    """Required variables without a value and without a faulty line, each with who requires it."""
    file = workstation.dotenv
    assert file
    excluded = {*file.hidden_names, *misread_names(workstation)}
    miswritten = {right for binding, right in case_errors(workstation) if not is_blank(binding.value)}
    for name, why in workstation.required.items():
        binding = workstation.binding(name)
        written = binding.value if binding else None
        if name in excluded or (binding is None and name in (*file.assigned_names, *file.first_words, *miswritten)):
            continue
        if is_blank(written):
            yield name, why


def unnamed_required(workstation: Workstation) -> tuple[str, ...]:
    """Required fields whose variables have unknown names, where Settings was not loaded, which would tell."""
    result, fields = workstation.settings_result, workstation.checkout.settings.fields
    if result and not result.obstacle:
        return ()
    unnamed = [each for each in fields if each.required and not each.has_known_names]
    # A field with an alias is not read by its own name.
    if workstation.checkout.settings.computed_options:
        unnamed = [each for each in unnamed if is_blank(workstation.value(each.variables[0]))]
    return tuple(dict.fromkeys(each.name for each in unnamed))


def doubtful_required(workstation: Workstation) -> Iterator[tuple[str, str]]:
    """Variables without a value that Settings may require, each with why that is uncertain; none once it was loaded."""
    result, checkout = workstation.settings_result, workstation.checkout
    if result and not result.obstacle:
        return
    for each in checkout.settings.fields:
        name = workstation.dotenv_name(each.variables[0])
        is_open = each.required and bool(each.doubt) and each.has_known_names and name not in workstation.required
        is_open = is_open and not workstation.is_given_elsewhere(name)
        if is_open and is_blank(workstation.value(name)):
            yield name, each.doubt


@once
def misspellings(workstation: Workstation) -> tuple[tuple[Binding, str], ...]:
    """The lines whose name nobody reads, each with a similar name of a variable without a value."""
    if workstation.dotenv is None:
        return ()
    compose = workstation.checkout.compose
    names = {*workstation.known_variables, *(compose.interpolated if compose else ())}
    folded = {name.casefold() for name in names}
    empty = [name for name, _ in missing_required(workstation)]
    optional = [
        name for name in sorted(names) if name not in workstation.required and is_blank(workstation.value(name))
    ]
    found = list[tuple[Binding, str]]()
    for binding in workstation.bindings:
        if binding.name.casefold() not in folded and not is_blank(binding.value):
            near = (name for name in empty if is_misspelling(name, binding.name))
            slips = (name for name in optional if is_slip(name, binding.name))
            found += [(binding, name) for name in islice(chain(near, slips), 1)]
    return tuple(found)


def refused_empty(workstation: Workstation) -> frozenset[str]:
    """Optional variables that Settings refuses because they are there and empty."""
    # A check that compares fields would refuse it as a comment, too.
    unexplained = (each for each in _unexplained(workstation) if not each.is_of_several)
    problems = (each for each in unexplained if each.reason != REASONS["missing"])
    bindings = (workstation.binding(each.variable) for each in problems)
    optional = (each for each in bindings if each and each.name not in workstation.required)
    return frozenset(each.name for each in optional if each.for_python is not None and is_blank(each.for_python))


def overriding_lines(workstation: Workstation) -> Iterator[Binding]:
    """The lines of the .env without a value that override a file of secrets_dir, which has one."""
    ignores_empty = workstation.checkout.settings.ignore_empty
    for each in workstation.bindings:
        value = each.for_python
        is_read = value is not None and not (is_blank(value) and ignores_empty)
        if is_read and not is_value(value) and workstation.overrides_secret_file(each.name):
            yield each


def _unexplained(workstation: Workstation) -> Iterator[StartProblem]:
    """What Settings rejects and no other check explains."""
    is_other_file = bool(workstation.dotenv_paths) and workstation.path not in workstation.dotenv_paths
    is_other_file = is_other_file or workstation.instead is not None
    if workstation.settings_result is None or workstation.dotenv is None or is_other_file:
        return
    file, is_exact = workstation.dotenv, workstation.checkout.settings.case_sensitive
    explained = {
        *(*file.hidden_names, *file.first_words, *misread_names(workstation)),
        *(name for name, _ in missing_required(workstation)),
        *([ENVIRONMENT] if _is_elsewhere(workstation) else ()),
        *(
            name
            for name, value in _values(workstation)
            if not (is_value(value) or is_blank(value) or workstation.is_none(name, value))
            or workstation.is_reference(name, value)
        ),
        *(binding.name for binding in comment_values(workstation)),
        *(binding.name for binding, _ in misspellings(workstation)),
        *(name for _, name in case_errors(workstation) if is_exact),
    }
    folded = {name.casefold() for name in explained}
    later = workstation.later_result
    for problem in dict.fromkeys(workstation.settings_result.messages):
        # Settings were loaded with the .env alone.
        is_accepted = problem.reason == REASONS["missing"] or (
            later and not later.obstacle and problem not in later.messages
        )
        is_beside = is_accepted and (
            workstation.is_set_later(problem.variable) or workstation.is_set_earlier_for_settings(problem.variable)
        )
        if (
            problem.check in SETTINGS_CHECKS
            and not is_beside
            and problem.variable.partition(".")[0].casefold() not in folded
        ):
            yield problem


def _refused_beside(workstation: Workstation) -> Iterator[tuple[StartProblem, Path]]:
    """What Settings rejects of files beside the .env that is not overridden, each with the last file that sets it."""
    later = workstation.later_result
    for problem in dict.fromkeys(later.messages if later else ()):
        name = problem.variable.partition(".")[0]
        field = workstation.checkout.settings.find(name)
        names = {each.casefold() for each in (name, *(field.variables if field else ()))}
        for file in (*reversed(workstation.overriding_files), workstation.dotenv, *reversed(workstation.earlier_files)):
            if file and problem.check in SETTINGS_CHECKS and any(e.name.casefold() in names for e in file.bindings):
                if file != workstation.dotenv:
                    yield problem, file.path
                break


def is_slip(name: str, other: str) -> bool:
    """Whether two names differ only by a letter or two, or by separators; digits count."""
    letters, other_letters = _letters_of(name), _letters_of(other)
    if not may_be_like(letters, other_letters, _NEAR):
        return False
    if letters == other_letters:
        return re.sub(r"\D", "", name) == re.sub(r"\D", "", other)
    return min(len(letters), len(other_letters)) > 5 and bool(closest(other_letters, [letters], _NEAR))


@lru_cache(maxsize=8192)
def _letters_of(name: str) -> str:
    return re.sub(r"[-_.\d]", "", name.casefold())


def _is_elsewhere(workstation: Workstation) -> bool:
    """Whether ENVIRONMENT says that this is no developer's machine."""
    value, field = workstation.value(ENVIRONMENT), workstation.checkout.settings.find(ENVIRONMENT)
    if (
        value is None
        or value.same_as(LOCAL)
        or value.matches(ENCRYPTED)
        or ENVIRONMENT in {each.name for each in in_odd_quotes(workstation)}
    ):
        return False
    # An empty one counts only where Settings accepts it.
    takes_empty = field is not None and "str" in field.annotation and not workstation.checkout.settings.ignore_empty
    if is_blank(value):
        return takes_empty
    return value.matches(_SERVER) or (field is not None and bool(_LITERAL_LOCAL.search(field.annotation)))


def _takes_local(workstation: Workstation) -> bool:
    """Whether Settings may take "local" as its environment."""
    field = workstation.checkout.settings.find(ENVIRONMENT)
    return field is None or "Literal" not in field.annotation or bool(_LITERAL_LOCAL.search(field.annotation))


def _source(workstation: Workstation, name: str) -> str:
    """local_setup's values_from for a variable; "" where it generates the value or the template has it."""
    key, entry = workstation.key_of(name), workstation.checkout.template_entry(name)
    is_there = workstation.binding(name) is None and entry is not None and workstation.is_usable(name, entry.value)
    return "" if is_there or (key and key.generate) else "file:PATH"


def renew(workstation: Workstation, name: str, path: Path) -> Remedy:
    """Get or generate a new value of a variable for a file."""
    key = workstation.key_of(name)
    # Base64's + and / would break a URL that contains the value.
    is_in_url = (key is not None and key.in_url) or name in workstation.url_variables
    kind = "hex-32" if is_in_url and (key is None or not key.obtain_from) else key.generate if key else ""
    how = {"hex-32": "openssl rand -hex 32", "base64-32": "openssl rand -base64 32"}.get(kind, "")
    source = f"Get a new one from {key.obtain_from}" if key and key.obtain_from else "Generate a new one"
    database = " POSTGRES_PASSWORD has to change in the database too." if key and key.effect == "database-too" else ""
    return Remedy(f"{source}{f' with {how}' if how else ''} and write it into {path}.{database}")
