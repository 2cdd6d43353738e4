"""What the next apply of Terraform would deploy, judged as if it were in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition, read_injection
from omc_runbook.checks import reference
from omc_runbook.checks.check import ALL_OR_NOTHING, Evidence
from omc_runbook.checks.definition_source import base_of
from omc_runbook.checks.key_demand import all_demands
from omc_runbook.checks.variable_drift import variable_drifts
from omc_runbook.checks.variable_locations import VariableLocations, locations_of
from omc_runbook.model.findings import Remedy
from omc_runbook.model.value_from import Reference, named_among, parse, split_suffix
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.environment_files import named_after
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_template import fields_of, fits, interpolations, is_literal
from omc_runbook.terraform.texts import resolve_fully

_OF_ARNS = (
    reference.wrong_account,
    reference.wrong_partition,
    reference.other_environment,
    reference.wrong_region,
    reference.suffix_stale,
    reference.partial_arn,
)
"""The checks of the secret that a valueFrom names."""
_CHECKS = (
    reference.arn_malformed,
    reference.bare_name,
    *_OF_ARNS,
    reference.whole_json,
    reference.previous_pinned,
    reference.version_pinned,
    reference.version_short,
    reference.name_mismatch,
)
"""The checks of an entry of a container's secrets that ask for no task."""

_SECRET_NAME = 6
"""The field of an ARN that has the secret's name."""

Location = tuple[str, str]
"""A container and a variable."""


@dataclass(frozen=True)
class DeclaredFault:
    """What would be wrong with a reference of Terraform's files, as a sentence, and how to correct it."""

    file_and_line: str
    fact: str
    remedy: Remedy
    shared: str = ""
    """What several references share that is wrong: an expression or a text with a wrong ARN, or a for expression."""


@once
def declared_faults(snapshot: Snapshot) -> Mapping[Location, DeclaredFault]:
    """What the next apply would break, by container and variable; not what is as wrong in force."""
    locations = locations_of(snapshot)
    snapshot = locations.snapshot
    declared = dict(_declared(locations))
    rows = variable_drifts(snapshot)
    lost = {(container, row.variable): None for row in rows for container in row.renamed if container in row.lacking}
    following = _following(snapshot, lost | {location: each for location, (_, each) in declared.items()})
    subjects = {demand.subject: (demand.container.name, demand.variable) for demand in all_demands(following)}
    arn = snapshot.secret_arn or f"the ARN of {snapshot.secret_name}"
    faults: dict[Location, DeclaredFault] = {}
    for check in _CHECKS:
        unread = ALL_OR_NOTHING.intersection(check.needs).intersection(snapshot.gaps)
        if unread or (snapshot.secret is None and "secret" in check.needs):
            continue
        known = {answer.subject for answer in check.run(snapshot)}
        for answer in check.run(following):
            location = subjects[answer.subject]
            if isinstance(answer, Evidence) and answer.subject not in known and location in declared:
                variable, _ = declared[location]
                head, base = _head(variable.value_from)[2:-1], variable.base
                same = [each for each, _ in declared.values() if each.base == base]
                shared = (head or (base if len(same) > 1 else "")) if check in _OF_ARNS else ""
                hand = f"Let {head} be {arn} for {snapshot.environment.name}" if shared else answer.remedy.command
                if shared and not head:
                    files = " and ".join(dict.fromkeys(each.element.file.name for each in same))
                    hand = f"In {files} write {arn} wherever a valueFrom has {base}"
                fault = DeclaredFault(
                    _file_and_line(variable.element), " ".join(answer.facts[1:]), Remedy(hand), shared
                )
                faults.setdefault(location, fault)
    return faults | dict(_of_loops(locations, faults, arn))


def _of_loops(
    locations: VariableLocations, faults: Mapping[Location, DeclaredFault], arn: str
) -> Iterator[tuple[Location, DeclaredFault]]:
    """The faults that all references of one for expression have, so that it is the expression's."""
    for container in locations.containers:
        loops = {each.list.position: each.list for each in container.references if each.list.is_loop}
        for loop in loops.values():
            own = [(container.name, each.variable) for each in container.references if each.list is loop]
            alone = [faults[each] for each in own if each in faults and not faults[each].shared]
            facts = {fault.fact.replace(f" {name} ", " each ") for fault, (_, name) in zip(alone, own, strict=False)}
            if len(alone) == len(own) > 1 and len(facts) == 1:
                base = base_of(container, locations.referenced)
                where = "" if base else f", where SECRET_ARN is {arn}"
                hand = (
                    f'In {_file_and_line(loop)}, let valueFrom be "{base or "SECRET_ARN"}:KEY::" with each KEY{where}'
                )
                shared = f"the for expression in {_file_and_line(loop)}"
                fault = replace(alone[0], fact=facts.pop(), remedy=Remedy(hand), shared=shared)
                yield from ((each, fault) for each in own)


def _file_and_line(node: Node) -> str:
    return f"{node.file.name}, line {node.line}"


def _following(snapshot: Snapshot, declared: Mapping[Location, Injection | None]) -> Snapshot:
    """The snapshot as if each service had a revision with the references of Terraform's files."""
    services, definitions = [], dict(snapshot.task_definitions)
    for service in snapshot.services:
        definition = snapshot.definition(service)
        if definition is None:
            continue
        # It keeps the label, so that its findings can be compared with those of the revision in force.
        arn = f"{definition.arn} as declared"
        definitions[arn] = replace(_with_declared(definition, declared), arn=arn)
        services.append(replace(service, task_definition_arn=arn))
    return replace(snapshot, services=tuple(services), task_definitions=definitions)


def _with_declared(definition: TaskDefinition, declared: Mapping[Location, Injection | None]) -> TaskDefinition:
    def own(container: Container) -> Container:
        new = {variable: each for (name, variable), each in declared.items() if name == container.name}
        unchanged = tuple(each for each in container.secrets if each.variable not in new)
        return replace(container, secrets=(*unchanged, *filter(None, new.values())))

    return replace(definition, containers=tuple(map(own, definition.containers)))


@once
def _of_others(snapshot: Snapshot) -> Mapping[Location, str]:
    """The containers and variables that Terraform's files give another environment's secret, with its name."""
    others = reference.secrets_of_others(snapshot)
    # Files that name no environment may all be another's.
    known = snapshot.declared if snapshot.declared and not snapshot.declared.assumptions else None
    declared = {each.family.value: each for each in (known.services if known else ()) if each.family}
    found: dict[Location, str] = {}
    for service in snapshot.services:
        definition = snapshot.definition(service)
        means = declared.get(definition.family) if definition else None
        names = {each.variable: each.secret for each in means.variables if each.secret in others} if means else {}
        for container, injection in definition.injections if definition else ():
            if injection.variable in names:
                found[container.name, injection.variable] = names[injection.variable]
    return found


def _declared(locations: VariableLocations) -> Iterator[tuple[Location, tuple[ContainerVariable, Injection]]]:
    """The references of Terraform's files that are known as a whole, and are one for a container's name."""
    texts: dict[Location, dict[str, ContainerVariable]] = {}
    for container in locations.containers:
        for text, variable in _texts(locations, container) if container.name in locations.shared else ():
            location = container.name, variable.variable
            if location in locations.declared:
                texts.setdefault(location, {})[text] = variable
    for location, found in texts.items():
        ((text, variable), *more) = found.items()
        if text and not more:
            yield location, (variable, read_injection(location[1], text))


def _texts(locations: VariableLocations, container: TerraformContainer) -> list[tuple[str, ContainerVariable]]:
    """The references of a container as an apply would have them, "" for what is not known.

    There are none where all name another environment's secret, and the folder is not known to be this environment's.
    """
    snapshot, name = locations.snapshot, container.name
    demands = (each for each in all_demands(snapshot) if each.in_force and each.container.name == name)
    in_force = {demand.variable: demand.reference for demand in demands}
    of_others, others = _of_others(snapshot), tuple(reference.secrets_of_others(snapshot))
    arns, texts = _arns(container, in_force), list[tuple[str, ContainerVariable]]()
    for each in container.references:
        now, head, value_from = in_force.get(each.variable), _head(each.value_from), each.value_from
        if (arn := resolve_fully(head, each.origin, container.folder)).startswith("arn:"):
            value_from = value_from.replace(head, arn, 1)
        other = of_others.get((name, each.variable), "")
        own = {head: f"{now.secret_arn.rpartition(':')[0]}:{other}"} if now and other else {}
        texts.append((_filled(value_from, now, arns | own, others), each))
    is_ours = bool(of_others) or bool(named_after(container.root, {snapshot.environment.name}))
    names = [parse(text).secret_name for text, _ in texts]
    known = {*others, *reference.own_secret_names(snapshot)}
    are_theirs = all(named_among(known, each) in others for each in names)
    return texts if is_ours or not are_theirs else []


def _arns(container: TerraformContainer, in_force: Mapping[str, Reference]) -> dict[str, str]:
    """By expression the ARN of the secret, as the container's references in force show it."""
    pairs = {
        (each.base, in_force[each.variable].secret_arn)
        for each in container.references
        if each.base and each.variable in in_force
    }
    bases = [base for base, _ in pairs]
    return {base: arn for base, arn in pairs if arn and bases.count(base) == 1}


def _filled(text: str, now: Reference | None, arns: Mapping[str, str], others: tuple[str, ...]) -> str:
    """A valueFrom as an apply would have it; "" where that is not known.

    What only an apply shows is as in the reference in force, unless what the files show is another secret's name.
    """
    if head := _head(text):
        rest = text.removeprefix(head)
        fields = rest.split(":")
        own = now.secret_arn if now and len(fields) <= 4 and fields[:2] == ["", now.key] else ""
        arn = arns.get(head, own)
        text = arn + rest if arn else ""
    fields, current = fields_of(text), now.text.split(":") if now else []
    filled = [_field(each, at, current, others) for at, each in enumerate(fields)]
    return "" if None in filled else ":".join(map(str, filled))


def _head(text: str) -> str:
    """The interpolation that a valueFrom begins with; "" for none."""
    start, end = next(interpolations(text), (0, 0))
    return "" if start else text[:end]


def _field(field: str, at: int, current: list[str], others: tuple[str, ...]) -> str | None:
    """A field of a valueFrom with what is in force in place of its interpolations; None where that does not fit."""
    if is_literal(field):
        return field
    if "%{" in field or "\\" in field or at >= len(current):
        return None
    if [*interpolations(field)] == [(0, len(field))] or fits(field, current[at]):
        return current[at]
    base, suffix = split_suffix(field)
    for name in (split_suffix(current[at])[0], *others) if at == _SECRET_NAME else ():
        if fits(field, name):
            return name
        if suffix and fits(base, name):
            return f"{name}-{suffix}"
    return None
