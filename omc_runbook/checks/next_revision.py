"""What the next apply of Terraform would deploy, judged as if it were in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition, read_injection
from omc_runbook.checks import reference
from omc_runbook.checks.check import Evidence
from omc_runbook.checks.key_demand import all_demands
from omc_runbook.checks.variable_drift import variable_drifts
from omc_runbook.checks.variable_locations import VariableLocations, locations_of
from omc_runbook.model.findings import Remedy
from omc_runbook.model.value_from import Reference, split_suffix
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.containers import ContainerVariable, TerraformContainer
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_template import fields_of, fits, interpolations, is_literal

JUDGES = (
    reference.arn_malformed,
    reference.bare_name,
    reference.wrong_account,
    reference.wrong_partition,
    reference.other_environment,
    reference.wrong_region,
    reference.suffix_stale,
    reference.partial_arn,
    reference.whole_json,
    reference.previous_pinned,
    reference.version_pinned,
    reference.version_short,
    reference.name_mismatch,
)
"""The checks of an entry of a container's secrets that ask for no task."""

_SECRET_NAME = 6
"""The field of an ARN that has the secret's name."""

LOOPS = ("for", "object-for")
"""The kinds of expressions that make one entry of many."""

Location = tuple[str, str]
"""A container and a variable."""


@dataclass(frozen=True)
class DeclaredFault:
    """What would be wrong with a reference of Terraform's files, as a sentence, and how to correct it."""

    place: str
    """Its file and line."""
    fact: str
    remedy: Remedy
    shared: str = ""
    """What several references have it from: an expression that is another secret's ARN, or a for expression."""


@once
def declared_faults(snapshot: Snapshot) -> Mapping[Location, DeclaredFault]:
    """What the next apply would break, by container and variable; not what is as wrong in force."""
    locations = locations_of(snapshot)
    misled = dict(_misled(snapshot))
    declared = dict(_declared(locations, misled))
    lost = {(container, row.variable): None for row in variable_drifts(snapshot) for container in row.lacking}
    following = _following(snapshot, lost | {location: each for location, (_, each) in declared.items()})
    subjects = {demand.subject: (demand.container.name, demand.variable) for demand in all_demands(following)}
    faults: dict[Location, DeclaredFault] = {}
    for check in JUDGES:
        known = {answer.subject for answer in check.run(snapshot)}
        for answer in check.run(following):
            location = subjects[answer.subject]
            if isinstance(answer, Evidence) and answer.subject not in known and location in declared:
                variable, _ = declared[location]
                variable, _ = declared[location]
                place, fact = _place(variable.element), " ".join(answer.facts[1:])
                fault = DeclaredFault(place, fact, Remedy(answer.remedy.command))
                name = _head(variable.value_from)[2:-1] if location in misled else ""
                if name and check is reference.other_environment:
                    here, right = (
                        snapshot.environment.name,
                        snapshot.secret.arn if snapshot.secret else "the secret's ARN",
                    )
                    fault = replace(fault, shared=name, remedy=Remedy(f"Let {name} be {right} for {here}"))
                faults.setdefault(location, fault)
    return faults | dict(_of_loops(locations, faults))


def _of_loops(
    locations: VariableLocations, faults: Mapping[Location, DeclaredFault]
) -> Iterator[tuple[Location, DeclaredFault]]:
    """The faults that all references of one for expression have, so that it is the expression's."""
    for container in locations.containers:
        loops = {each.list.position: each.list for each in container.references if each.list.kind in LOOPS}
        for loop in loops.values():
            own = [(container.name, each.variable) for each in container.references if each.list is loop]
            alone = [faults[each] for each in own if each in faults and not faults[each].shared]
            facts = {fault.fact.replace(f" {name} ", " each ") for fault, (_, name) in zip(alone, own, strict=False)}
            if len(alone) == len(own) > 1 and len(facts) == 1:
                hand = f'In {loop.file.name}, line {loop.line}, let valueFrom be "{container.base}:KEY::" with each KEY'
                shared = f"the for expression in {_place(loop)}"
                fault = replace(alone[0], fact=facts.pop(), remedy=Remedy(hand), shared=shared)
                yield from ((each, fault) for each in own)


def _place(node: Node) -> str:
    return f"{node.file.name}, line {node.line}"


def _following(snapshot: Snapshot, declared: Mapping[Location, Injection | None]) -> Snapshot:
    """The snapshot as if each service had a revision with the references of Terraform's files."""
    services, definitions = [], dict(snapshot.task_definitions)
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        if definition is None:
            continue
        # Of the same label: what is said of it is compared with what is said of the one in force.
        arn = f"{definition.arn} as declared"
        definitions[arn] = replace(_with(definition, declared), arn=arn)
        services.append(replace(service, task_definition_arn=arn))
    return replace(snapshot, services=tuple(services), task_definitions=definitions)


def _with(definition: TaskDefinition, declared: Mapping[Location, Injection | None]) -> TaskDefinition:
    def own(container: Container) -> Container:
        new = {variable: each for (name, variable), each in declared.items() if name == container.name}
        kept = tuple(each for each in container.secrets if each.variable not in new)
        return replace(container, secrets=(*kept, *filter(None, new.values())))

    return replace(definition, containers=tuple(map(own, definition.containers)))


def _misled(snapshot: Snapshot) -> Iterator[tuple[Location, str]]:
    """The containers and variables that Terraform's files give another environment's secret, with its name."""
    others = reference.secrets_of_others(snapshot)
    declared = {
        each.family.value: each for each in (snapshot.declared.services if snapshot.declared else ()) if each.family
    }
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        found = declared.get(definition.family) if definition else None
        names = {each.variable: each.secret for each in found.variables if each.secret in others} if found else {}
        for container, injection in definition.injections if definition else ():
            if injection.variable in names:
                yield (container.name, injection.variable), names[injection.variable]


def _declared(
    locations: VariableLocations, misled: Mapping[Location, str]
) -> Iterator[tuple[Location, tuple[ContainerVariable, Injection]]]:
    """The references of Terraform's files that are known as a whole, and are one for a container's name."""
    in_force = {
        (demand.container.name, demand.variable): demand.reference
        for demand in all_demands(locations.snapshot)
        if demand.in_force
    }
    others = tuple(reference.secrets_of_others(locations.snapshot))
    texts: dict[Location, list[tuple[ContainerVariable, str]]] = {}
    for container in locations.containers:
        arns = _arns(container, in_force)
        for each in container.references:
            location = container.name, each.variable
            if location in locations.declared and container.name in locations.shared:
                now, head = in_force.get(location), _head(each.value_from)
                if now and location in misled:
                    arns = arns | {head: f"{now.secret_arn.rpartition(':')[0]}:{misled[location]}"}
                text = _filled(each.value_from, now, arns, others)
                texts.setdefault(location, []).append((each, text))
    for location, found in texts.items():
        if len({text for _, text in found}) == 1 and found[0][1]:
            yield location, (found[0][0], read_injection(location[1], found[0][1]))


def _arns(container: TerraformContainer, in_force: Mapping[Location, Reference]) -> dict[str, str]:
    """By expression the ARN of the secret, as the container's references in force show it."""
    pairs = {
        (each.base, in_force[container.name, each.variable].secret_arn)
        for each in container.references
        if each.base and (container.name, each.variable) in in_force
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
    names = (split_suffix(current[at])[0], *others) if at == _SECRET_NAME else ()
    return next((name for name in names if fits(field, name) or fits(split_suffix(field)[0], name)), None)
