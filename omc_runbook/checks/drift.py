"""Drift: a variable that one location has and another one lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from omc_runbook.aws.ecs import Service
from omc_runbook.checks import remedies
from omc_runbook.checks.check import CHECKOUT, Evidence, Family, Uncertain
from omc_runbook.checks.definition_source import source_of
from omc_runbook.checks.key_demand import is_misspelling
from omc_runbook.checks.next_revision import DeclaredFault, declared_faults
from omc_runbook.checks.variable_drift import VariableDrift, variable_drifts
from omc_runbook.checks.variable_locations import (
    COMPOSE,
    ELSEWHERE,
    SETTINGS,
    TEMPLATE,
    TERRAFORM,
    is_of_family,
    is_of_others,
    locations_of,
)
from omc_runbook.model.catalogue import KEY_NAME, variable_of
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.secretive import is_frontend
from omc_runbook.model.shell import command
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.variable_lists import entry_of
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.environment_files import named_after
from omc_runbook.terraform.hcl_template import is_literal
from omc_runbook.terraform.reference_places import VARIABLE as SECRETS_ARN

check = Family(
    "drift",
    needs=(CHECKOUT,),
    looks_like=("variable-not-read",),
    severity="warning",
    not_in_sandbox="It is a fault of the application's files, not of AWS",
)


@check("template-lacks", ruled_out_by="the template has every variable that the application needs or is given")
def template_lacks(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The template lacks a variable that the application or Docker Compose needs, or that the secret provides."""
    for row in _lacking(snapshot, TEMPLATE):
        if row.reaches or any(row.secrets.values()):
            why = f"{_containers_getting(row)} it from the secret, and Settings reads it"
        elif row.settings == "required":
            field = _checkout(snapshot).settings.find(row.variable)
            why = field.reason if field else "Settings has no default for it"
        elif locations_of(snapshot).is_demanded(row.variable):
            why = "Docker Compose refuses to start without it"
        else:
            why = "Settings reads it, and by its name it is a secret"
        name = _template(snapshot)
        hand = f"Add a line for {row.variable}, with its comment, to {name}."
        yield _evidence(snapshot, row, f"{name} has no {row.variable}; {why}.", hand, by_runbook=row.is_injected)
    yield from _doubted(snapshot, TEMPLATE, f"{_template(snapshot)} has no")
    template = _checkout(snapshot).template
    if template and (conflict := template.conflict):
        yield Uncertain(template.file.name, (f"{conflict} Which variables it has is unknown until then.",))


@check("settings-lacks", ruled_out_by="config.py reads every variable that is meant for the application")
def settings_lacks(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Settings does not read a variable that is meant for it."""
    for row in _lacking(snapshot, SETTINGS):
        # key-unreferenced reports a key that reaches no task, name-mismatch one under a wrong name.
        # terraform-ahead reports one that Terraform's files rename.
        is_renamed = bool(row.renamed) and {*row.renamed} == {*row.defined, *row.declared}
        if row.is_misnamed or is_renamed or (row.is_injected and not row.reaches):
            continue
        where = f"{_containers_getting(row)} it from the secret" if row.reaches else f"{_template(snapshot)} has it"
        settings = _checkout(snapshot).settings
        is_prefixed = row.variable.upper().startswith(settings.env_prefix.upper())
        new = row.variable if is_prefixed else f"with {settings.alias(row.variable)}"
        hand = f"Add a field {new} to {settings.name} in {settings.path}, or take the variable out where it is."
        fact = f"No class in {settings.path} reads {row.variable}; {where}."
        if settings.file is None:
            hand = f"Read {row.variable} where the application needs it, or take the variable out where it is."
            fact = f"No code reads {row.variable}; {where}."
        if settings.are_several:
            hand = f"Add a field {row.variable} to the class of settings that needs it, or take the variable out."
        # add_key has no class of settings to add a field to.
        yield _evidence(snapshot, row, fact, hand, by_runbook=row.reaches and settings.file is not None)
    doubtful = [row.variable for row in variable_drifts(snapshot) if SETTINGS in row.unsure]
    if doubtful:
        why = "; ".join(_checkout(snapshot).settings.ambiguities)
        fact = f"It is unknown whether it reads {', '.join(doubtful)}: {why}."
        yield Uncertain("Settings", (fact,))


@check("compose-lacks", ruled_out_by="the Compose file passes the .env, or each variable by name, to the application")
def compose_lacks(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Docker Compose does not pass the application a variable that it reads."""
    compose, service = _checkout(snapshot).compose, _checkout(snapshot).application
    if compose is None or service is None:
        if compose and compose.includes:
            fact = (
                f"{compose.files[0].name} does not define the application, and the files that it includes are not read."
            )
            yield Uncertain("compose", (fact,))
        return
    lists = [each for each in _checkout(snapshot).compose_lists if each.owner == service.name]
    own = next((each for file in compose.files for each in lists if each.file == file.name), None)
    file_name = own.file if own else compose.files[0].name
    for row in _lacking(snapshot, COMPOSE):
        fact = f"Service {service.name} has neither an env_file nor {row.variable} in its environment."
        entry = entry_of(own, row.variable) if own else f"{row.variable}: ${{{row.variable}}}"
        where = f"the environment of service {service.name}, or env_file: .env, in {file_name}"
        yield Evidence(row.variable, (fact,), Remedy(f"Add {entry} to {where}."), stems_from=_stems_from(snapshot, row))
    yield from _doubted(snapshot, COMPOSE, f"Service {service.name} does not get")
    doubtful = [row.variable for row in variable_drifts(snapshot) if COMPOSE in row.unsure and not row.doubt]
    if doubtful:
        why = f"it extends a service of {service.extends}, which is not read."
        yield Uncertain("compose", (f"It is unknown whether service {service.name} gets {', '.join(doubtful)}: {why}",))


@check(
    "terraform-lacks",
    needs=(CHECKOUT, "services", "task_definitions"),
    looks_like=("file-behind", "variable-not-read"),
    ruled_out_by="Terraform's files have each reference of the task definitions in force",
)
def terraform_lacks(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Terraform lacks a variable that containers get from the secret, or that the application needs."""
    environment = snapshot.environment.name
    for row in variable_drifts(snapshot):
        lacking = tuple(c for c in row.lacking if c not in row.renamed)
        if lacking:
            how = "set it as plain text" if TERRAFORM in row.plain else "do not"
            loses = "the next apply removes it"
            if _deployed_apart(snapshot, lacking):
                loses = "the next revision that is deployed from them lacks it"
            fact = f"{_listed(lacking)} {_get(lacking)} {row.variable} from key {_key(row)}"
            fact += f"; Terraform's files {how}, so {loses}."
        elif (
            TERRAFORM in row.missing
            and not row.lacking
            and row.settings == "required"
            and not row.secrets.get(environment)
        ):
            fact = (
                f"Settings has no default for {row.variable}; no container gets it, and the secret has no key for it."
            )
        else:
            continue
        hand = f"Add {_reference(snapshot, row)} in Terraform's files."
        yield _evidence(snapshot, row, fact, hand, lacking)
    yield from _doubted(snapshot, TERRAFORM, "No container gets, and no secret has")
    yield from _unseen(snapshot)


@check(
    "terraform-ahead",
    needs=(CHECKOUT, "services", "task_definitions"),
    looks_like=("file-behind",),
    ruled_out_by="DescribeTaskDefinition: each reference in Terraform's files is in force",
)
def terraform_ahead(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Terraform's files have a reference that was not applied."""
    document = snapshot.document
    common: dict[str, tuple[DeclaredFault, list[str]]] = {}
    for row in variable_drifts(snapshot):
        changed = [c for c, key in row.declared.items() if key and row.defined.get(c, key) not in ("", key)]
        services = _deployed_apart(snapshot, (*row.ahead, *changed))
        hand = " && ".join((_apply(snapshot, (*row.ahead, *changed)), *_deploy_newest(snapshot, services)))
        facts = [
            f"Terraform's files give {c} {row.variable}{_key_named(snapshot, c, row)}; its revision in force"
            f" {_difference(row, c)}."
            for c in (*row.ahead, *changed)
        ]
        referenced = {row.declared[c] for c in (*row.ahead, *changed) if not _source_named(snapshot, c, row)} - {""}
        missing = sorted(referenced - {*document.keys}) if document else []
        if missing:
            verb = "deployed" if services else "applied"
            facts.append(f"The secret has no {', '.join(missing)}: if this is {verb}, no task will start.")
        faults = {c: fault for (c, name), fault in declared_faults(snapshot).items() if name == row.variable}
        if facts and services:
            names = _listed([each.name for each in services])
            facts.append(f"ignore_changes keeps an apply from deploying it: {names} gets no new revision by that.")
        if shared := next((fault for fault in faults.values() if fault.shared), None):
            common.setdefault(shared.shared, (shared, []))[1].append(row.variable)
        elif faults:
            due = "The next revision that is deployed" if _deployed_apart(snapshot, faults) else "The next apply"
            facts += [
                f"{due} gives {c} a wrong reference: {each.file_and_line}: {each.fact}" for c, each in faults.items()
            ]
            yield Evidence(row.variable, tuple(facts), next(iter(faults.values())).remedy)
        elif unread := _unread(snapshot, row):
            former = row.renamed[unread]
            facts.append(f"Settings reads {former}, not {row.variable}.")
            remedy = source_of(snapshot, container=unread, variable=row.variable).rename(row.variable, former)
            yield Evidence(row.variable, tuple(facts), remedy)
        elif facts:
            pairs = {row.declared[c]: row.defined[c] for c in changed}
            slips = {key: other for key, other in pairs.items() if is_misspelling(key, other)}
            give = f"Give {command(snapshot.secret_name)} {', '.join(map(command, missing))}"
            if missing and missing == sorted(slips):
                right = ", ".join(f"{command(slips[key])} for {command(key)}" for key in missing)
                give = f"If it is misspelt, write {right} in Terraform's files, else give the secret that key"
            by_hand = f"{give}; then {hand.rstrip('.')}." if missing else hand
            yield _evidence(snapshot, row, facts, by_hand, row.ahead, by_runbook=not changed)
    for name, (fault, variables) in common.items():
        fact = f"The next apply gives containers {_listed(variables)} from {name}. {fault.fact}"
        rows = (row for row in variable_drifts(snapshot) if row.variable in variables)
        apply = _apply(snapshot, {each for row in rows for each in row.declared})
        yield Evidence(name, (fact,), Remedy(f"{fault.remedy.command}, then run {apply}."))
    yield from _unseen(snapshot)


@check(
    "environment-lacks",
    needs=(CHECKOUT, "secret", "contents"),
    looks_like=("file-behind",),
    ruled_out_by="GetSecretValue: no other environment's secret has another set of keys",
)
def environment_lacks(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """One environment's secret lacks a key that another's has"""
    environment = snapshot.environment.name
    for row in variable_drifts(snapshot):
        has = [name for name, has_key in row.secrets.items() if has_key]
        lacks = [name for name in row.missing.intersection(row.secrets) if environment in (name, *has)]
        # key-missing reports what tasks here reference, terraform-ahead what Terraform would.
        for name in sorted(lacks if has else ()):
            if name != environment or not row.reaches:
                fact = f"The secret of {', '.join(has)} has {_key(row)}; that of {name} does not."
                names = snapshot.environment.names if name == environment else snapshot.environment.others[name]
                hand = remedies.put_value(names)
                evidence = _evidence(snapshot, row, fact, hand.command)
                location = {"environment": name} if evidence.remedy.runbook else {}
                parameters = {**evidence.remedy.parameters, **location}
                remedy = replace(evidence.remedy, parameters=parameters, command_needs=hand.command_needs)
                yield replace(evidence, subject=f"{name}: {_key(row)}", remedy=remedy)
    for name, other in snapshot.other_keys.items():
        if other.unread:
            yield Uncertain(name, (f"The keys of {name} could not be read: {other.unread}",))


@check("unprovided", ruled_out_by="each secret that the code asks os.environ for is in a file or a task definition")
def unprovided(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The code asks for a secret that nothing provides"""
    checkout, locations = _checkout(snapshot), locations_of(snapshot)
    yield from _without_prefix(snapshot)
    for variable, lines in grouped((read.variable, read) for read in checkout.environment_reads).items():
        if not locations.is_secret(variable) or is_of_others(variable) or locations.is_provided(variable):
            continue
        facts = [
            f"{read.file}, line {read.line} asks the environment for {variable}"
            f"{', with a default in the code' if read.has_default else ''}."
            for read in lines
        ]
        files = f"Settings, {_template(snapshot)}, Compose, workflows and Terraform"
        facts.append(f"{files} have no {variable}, and neither have the task definitions and the secret.")
        if locations.is_blind:
            yield Uncertain(variable, (*facts[:-1], "Whether tasks get it is unknown: see what could not be read."))
            continue
        hand = f"Give {variable} to the container from the secret, or remove the code that asks for it."
        has_default = all(read.has_default for read in lines)
        remedy = Remedy(hand)
        if KEY_NAME.fullmatch(variable) and checkout.template:
            parameters = {"repository": str(checkout.root), "key": variable}
            remedy = remedies.with_runbook("add_key", snapshot.environment, remedy, **parameters)
        yield Evidence(variable, tuple(facts), remedy, severity="info" if has_default else None)


def _without_prefix(snapshot: Snapshot) -> Iterator[Evidence]:
    """The env_prefix of Settings, where nothing that it should read has it."""
    settings, names = _checkout(snapshot).settings, locations_of(snapshot).without_prefix
    missed = [row.variable for row in variable_drifts(snapshot) if row.missing and _stems_from(snapshot, row)]
    if missed:
        name = next(name for name, prefixed in names.items() if {name, prefixed}.intersection(missed))
        facts = (
            f"{settings.name} in {settings.path} has env_prefix {settings.env_prefix}, and no variable that containers"
            " get begins with it.",
            f"It reads {names[name]}, not {name}: {len(names)} variables in all.",
        )
        hand = f"Remove env_prefix from {settings.name} in {settings.path}, or give each variable that prefix."
        yield Evidence(f"env_prefix {settings.env_prefix}", facts, Remedy(hand))


def _stems_from(snapshot: Snapshot, row: VariableDrift) -> frozenset[str]:
    """The env_prefix of Settings, where a variable is missing only for it."""
    names = locations_of(snapshot).without_prefix
    prefix = _checkout(snapshot).settings.env_prefix
    return frozenset({f"env_prefix {prefix}"} if row.variable in {*names, *names.values()} else ())


@check(
    "initial-lacks",
    needs=(CHECKOUT, "services", "task_definitions"),
    severity="info",
    looks_like=("file-behind",),
    ruled_out_by="Terraform's aws_secretsmanager_secret_version has each key that containers reference",
)
def initial_lacks(snapshot: Snapshot) -> Iterable[Evidence]:
    """Terraform's initial value of the secret lacks a key that its containers reference"""
    locations = locations_of(snapshot)
    for value in locations.initial_values:
        for key in sorted(locations.referenced - {*value.keys}):
            fact = f"{value.file}, line {value.line}: {value.address} gives the secret no {key}"
            # An entry that nothing protects would have the next apply write the placeholders over all values.
            first = "" if value.is_protected else " once its lifecycle has ignore_changes = [secret_string]"
            yield Evidence(
                f"{key} {value.address}",
                (
                    f"{fact}, so that tasks of a new environment do not start."
                    if value.is_protected
                    else f"{fact}, and no ignore_changes protects it: the next apply removes {key} from the secret.",
                ),
                Remedy(f"Add {key} with a placeholder there{first}."),
                severity=None if value.is_protected else "warning",
            )


@check(
    "list-lacks",
    severity="info",
    ruled_out_by="each list of variables in workflows and Compose files has what Settings requires",
)
def list_lacks(snapshot: Snapshot) -> Iterable[Evidence]:
    """A list of variables in a workflow or a Compose file lacks a secret that Settings requires"""
    locations = locations_of(snapshot)
    required = {name for name in locations.required if locations.is_secret(name)}
    for variables in locations.lists:
        lacking = required - {*variables.all_variables}
        for name in sorted(each for each in lacking if locations.may_read(variables.owner, each)):
            location = f"{variables.file}, line {variables.line}"
            fact = f"{location}: {variables.owner} has other secrets of Settings, and no {name}."
            yield Evidence(f"{name} {variables.file}", (fact,), Remedy(f"Add {entry_of(variables, name)} there."))


@check(
    "initial-alone",
    needs=(CHECKOUT, "services", "task_definitions"),
    severity="info",
    looks_like=("file-behind",),
    ruled_out_by="each key of Terraform's initial value is in the secret, or a container or the code reads it",
)
def initial_alone(snapshot: Snapshot) -> Iterable[Evidence]:
    """Terraform's initial value of the secret has a key that nothing else has"""
    for value, key in locations_of(snapshot).alone_in_initial_values():
        # key-unreferenced reports a key that the secret has.
        what = f"{value.file}, line {value.line}: {value.address} gives the secret {key}, which it does not have;"
        hand = Remedy(f"Remove {key} there, or let the application read it and add it to the secret.")
        yield Evidence(f"{key} {value.address}", (f"{what} no container gets it, and no code reads it.",), hand)


@check(
    "list-alone",
    severity="info",
    ruled_out_by="each secret in lists of the application's variables is read by Settings or by other code",
)
def list_alone(snapshot: Snapshot) -> Iterable[Evidence]:
    """A list of variables in a workflow or a Compose file has a secret that nothing reads"""
    for variables, name in locations_of(snapshot).alone_in_lists():
        where = f"{variables.file}, line {variables.line}: {variables.owner}"
        fact = f"{where} has {name}, which neither Settings nor other code of the checkout reads."
        yield Evidence(f"{name} {variables.file}", (fact,), Remedy(f"Remove {name} there, or read it in Settings."))


def _apply(snapshot: Snapshot, containers: Collection[str]) -> str:
    """The commands that apply Terraform for containers, in the environment's workspace and with its files of values."""
    checkout, environment = _checkout(snapshot), snapshot.environment
    program, declared = checkout.program, checkout.task_definitions
    own = [each for each in locations_of(snapshot).containers if each.name in containers] if declared else []
    found = {declared.apply_of(each, environment.name, environment.others) for each in own if declared}
    apply = found.pop() if len(found) == 1 else None
    if apply and not apply.is_in_module and (apply.workspace or apply.values):
        folder = f"-chdir={checkout.root / apply.folder}"
        select = [command(program, folder, "workspace", "select", apply.workspace)] if apply.workspace else []
        values = (f"-var-file={each}" for each in apply.values)
        return " && ".join((*select, command(program, folder, "apply", *values)))
    return f"{program} {_chdir(snapshot)}apply"


def _chdir(snapshot: Snapshot) -> str:
    """Terraform's -chdir option, where a folder is the environment's own, or the guide's layout tells; else nothing."""
    checkout, guide, name = _checkout(snapshot), "infrastructure/terraform", snapshot.environment.name
    roots = {each.root for each in locations_of(snapshot).containers if named_after(each.root, {name})}
    own = {(checkout.root / root).parent for root in roots}
    if len(own) == 1:
        return command(f"-chdir={own.pop()}") + " "
    files = [each.file for each in checkout.task_definitions.containers] if checkout.task_definitions else []
    folder = checkout.root / guide / "environments" / name
    return command(f"-chdir={folder}") + " " if any(name.startswith(f"{guide}/") for name in files) else ""


def _deployed_apart(snapshot: Snapshot, containers: Collection[str]) -> tuple[Service, ...]:
    """The services with one of these containers whose new revisions no apply of Terraform deploys."""
    locations = locations_of(snapshot)
    names = {each.name for each in locations.containers if each.is_deployed_apart and each.name in containers}
    definitions = ((service, locations.snapshot.definition(service)) for service in snapshot.services)
    return tuple(s for s, found in definitions if found and names & {each.name for each in found.containers})


def _deploy_newest(snapshot: Snapshot, services: Sequence[Service]) -> Iterator[str]:
    """The commands that give services the newest revision of their family."""
    for service in services:
        definition = snapshot.definition(service)
        if definition and service.controller == "ECS":
            yield remedies.deploy(snapshot.environment.names, service.name, definition.family).command


def _lacking(snapshot: Snapshot, location: str) -> Iterator[VariableDrift]:
    return (row for row in variable_drifts(snapshot) if location in row.missing)


def _doubted(snapshot: Snapshot, location: str, lacks: str) -> Iterator[Uncertain]:
    """The variables that a location lacks and that Settings may not require, by why that is uncertain."""
    unsure = (row for row in variable_drifts(snapshot) if row.doubt and location in row.unsure)
    names = grouped((row.doubt, row.variable) for row in unsure)
    for doubt, variables in names.items():
        needs = "it needs a value there is unknown" if len(variables) == 1 else "they need values there is unknown"
        yield Uncertain("Settings", (f"{lacks} {', '.join(variables)}. Whether {needs}: {doubt}.",))


def _unseen(snapshot: Snapshot) -> Iterator[Uncertain]:
    """What of Terraform could not be read, where it matters."""
    doubtful = [row.variable for row in variable_drifts(snapshot) if TERRAFORM in row.unsure and not row.doubt]
    if _checkout(snapshot).task_definitions is None or not doubtful:
        return
    containers = locations_of(snapshot).containers
    reasons = [
        f"{each.name}'s secrets come from {', '.join(each.other_sources)} too."
        for each in containers
        if each.other_sources
    ]
    reasons += [
        f"{each.definition} in {each.file}, line {each.line}: its container's name {each.name} is not a literal."
        for each in containers
        if not is_literal(each.name)
    ]
    reasons += [
        f"{name} is only in {', '.join(folders)}, and nothing shows that this is {snapshot.environment.name}'s."
        for name, folders in sorted(locations_of(snapshot).only_of_others.items())
    ]
    referenced = f"It is unknown whether Terraform gives {', '.join(doubtful)}."
    yield Uncertain("Terraform", (referenced, *reasons, *locations_of(snapshot).unreadable))


def _checkout(snapshot: Snapshot) -> Checkout:
    assert snapshot.checkout is not None, "drift is looked for only where a checkout was read"
    return snapshot.checkout


def _template(snapshot: Snapshot) -> str:
    template = _checkout(snapshot).template
    return template.file.name if template else "The template"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _get(names: Sequence[str]) -> str:
    return "gets" if len({*names}) == 1 else "get"


def _containers_getting(row: VariableDrift) -> str:
    """The containers that get a variable, with their verb."""
    names = tuple(dict.fromkeys((*row.defined, *row.declared)))
    return f"{_listed(names)} {_get(names)}" if names else "containers are to get"


def _unread(snapshot: Snapshot, row: VariableDrift) -> str:
    """A container of the application to which Terraform's files give a key under a name that Settings does not read."""
    find, application = _checkout(snapshot).settings.find, locations_of(snapshot).application
    if find(row.variable):
        return ""
    return next((c for c in row.ahead if c in application and find(row.renamed.get(c, ""))), "")


def _difference(row: VariableDrift, container: str) -> str:
    """How a container's revision in force sets a variable that Terraform's files set differently."""
    if container in row.renamed:
        return f"calls it {row.renamed[container]}"
    return "does not" if container in row.ahead else f"takes it from {row.defined[container]}"


def _key(row: VariableDrift) -> str:
    return " or ".join(row.keys) or row.variable


def _key_named(snapshot: Snapshot, container: str, row: VariableDrift) -> str:
    """The key that a reference in Terraform's files names, with its source, as a clause; "" where it cannot be read."""
    key = row.declared[container]
    return f" from key {key}{_source_named(snapshot, container, row)}" if key else ""


def _source_named(snapshot: Snapshot, container: str, row: VariableDrift) -> str:
    """The source of a reference's key, as a clause, where it may be another than the environment's secret."""
    base = locations_of(snapshot).elsewhere.get((container, row.variable), "")
    return f" of {base}" if base else ""


def _reference(snapshot: Snapshot, row: VariableDrift) -> str:
    """What to add where: a reference, with the secret's ARN as references of the container or its folder have it."""
    locations = locations_of(snapshot)
    names = row.lacking or tuple(locations.home)
    own = [each for each in locations.containers if each.name in names]
    near = [each for each in locations.containers if each.block_folder in {other.block_folder for other in own}]
    bases = (
        Counter(
            ref.base
            for each in containers
            for ref in each.references
            if ref.base and (locations.keys is None or ref.key in locations.keys)
        )
        for containers in (own, near)
    )
    base = next((most for each in bases for most, _ in each.most_common(1)), f"${{var.{SECRETS_ARN}}}")
    value_from = f'"{base}:{(row.keys or (row.variable,))[0]}::"'
    references = [ref for each in own or near for ref in each.references]
    if references and all(ref.is_member for ref in references):
        return f"{row.variable} = {value_from} to the container's map of secrets"
    return f"{row.variable} with valueFrom = {value_from} to the container's secrets"


def _evidence(
    snapshot: Snapshot,
    row: VariableDrift,
    facts: str | Sequence[str],
    by_hand: str,
    containers: Sequence[str] = (),
    by_runbook: bool = True,
) -> Evidence:
    """A gap, with add_key as its remedy where that closes it."""
    sentences = [facts] if isinstance(facts, str) else [*facts]
    if (
        row.is_injected
        and row.keys != (row.variable,)
        and not any(key in text for key in row.keys for text in sentences)
    ):
        sentences.append(f"The variable {row.variable} comes from the key {_key(row)}.")
    hand, catalogue = Remedy(by_hand), snapshot.environment.keys
    is_taken = any(name != row.variable and variable_of(name, catalogue) == row.variable for name in catalogue)
    parameters = _parameters(_checkout(snapshot), row, containers) if by_runbook and not is_taken else {}
    remedy = remedies.with_runbook("add_key", snapshot.environment, hand, **parameters) if parameters else hand
    return Evidence(row.variable, tuple(sentences), remedy, stems_from=_stems_from(snapshot, row))


def _parameters(checkout: Checkout, row: VariableDrift, containers: Sequence[str]) -> dict[str, str]:
    """add_key's parameters for a variable, as Settings has it; none where it would refuse."""
    evidence = checkout.task_definitions.containers if checkout.task_definitions else ()
    obstacles = [each.together(containers).obstacle for each in evidence if each.name in containers]
    # It gives key and variable one name, and needs a template.
    if row.keys != (row.variable,) or not KEY_NAME.fullmatch(row.variable) or checkout.template is None:
        return {}
    if row.settings == ELSEWHERE or any(obstacles) or is_frontend(row.variable):
        return {}
    # It would add the key to each container of that name.
    if any(map(is_of_family, containers)):
        return {}
    parameters = {
        "repository": str(checkout.root),
        "key": row.variable,
        "containers": ",".join(dict.fromkeys(containers)),
    }
    part = checkout.settings.part(row.variable)
    if checkout.settings.file is None:
        return parameters
    adds_field = _adds_field(checkout, row.variable)
    if adds_field is None:
        return {}
    if part is None:
        return parameters
    kind = "" if part.annotation in ("str", "str | None") else part.annotation
    return {} if adds_field else parameters | {"type": kind, "required": "true" if part.required else ""}


@once
def _adds_field(checkout: Checkout, variable: str) -> bool | None:
    """Whether add_key adds a field for a variable, as Settings has it; None where it refuses to."""
    # It is slow to import and seldom needed.
    from omc_runbook.repository.settings_edit import NewField, add_field

    settings = checkout.settings
    assert settings.file
    part = settings.part(variable)
    new = NewField(variable, part.annotation if part else "str", part is not None and part.required, "")
    try:
        return add_field(settings.file, new, settings.name, settings) is not None
    except UsageError:
        return None
