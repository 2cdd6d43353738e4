"""Where a reference to the secret can be added to Terraform's containers, and by which expression of its ARN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from omc_runbook.model.grouping import grouped
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.data_files import DataFile
from omc_runbook.terraform.for_expressions import collection_of
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.hcl_json import is_synthesized

VARIABLE = "secrets_arn"
"""The Terraform variable of the secret's ARN, if no reference shows another."""
SEVERAL = "it references several secrets equally often"


def with_places(
    containers: list[TerraformContainer], uncertain_locals: set[tuple[str, str]]
) -> list[TerraformContainer]:
    """The containers of one folder, each with the expression of the secret's ARN, and its lists or an obstacle.

    `uncertain_locals` are local values of definitions that were not understood in full, each with its definition.
    """
    with_base = [replace(each, base=_find_base(each, containers)) for each in containers]
    return [_find_obstacle(each, with_base, uncertain_locals) for each in with_base]


def _find_base(container: TerraformContainer, others: list[TerraformContainer]) -> str:
    """The most frequent expression of the secret's ARN in its best list, else in the container, definition or file."""
    target = container.target
    best = [each.position for each in container.lists[:1]]
    has_base = any(each.base for each in container.references)

    def groups() -> Iterator[list[ContainerVariable]]:
        own = [each for each in container.references if container.can_use(each)]
        yield [each for each in own if collection_of(target, container.folder).encloses(each.element)]
        yield [each for each in own if each.list.position in best]
        yield own
        if has_base and not any(each.base for each in own):
            return
        all_variables = [
            (each.address, variable)
            for each in others
            for variable in each.references
            if _is_global(variable) and container.has_at_target(variable)
        ]
        yield [variable for address, variable in all_variables if address == container.address]
        yield [variable for _, variable in all_variables if variable.element.file.name == container.file]

    for group in groups():
        bases = [each.base for each in group if each.base]
        if base := most_frequent(bases):
            return base
        has_base = has_base or bool(bases)
    if has_base or not all(each.value_from for each in container.references):
        return ""
    return f"${{var.{VARIABLE}}}" if container.scope.declares(VARIABLE) and not container.is_template else ""


def most_frequent(texts: Iterable[str]) -> str:
    """The text that occurs most often; "" where none does, or several do equally often."""
    (first, most), (_, next_most) = [*Counter(texts).most_common(2), ("", 0), ("", 0)][:2]
    return first if most > next_most else ""


def _is_global(variable: ContainerVariable) -> bool:
    """Whether the expression of the secret's ARN means the same elsewhere in the file."""
    return not any(word in variable.base for word in ("each.", "count.", "self."))


def _find_obstacle(
    container: TerraformContainer, others: list[TerraformContainer], uncertain_locals: set[tuple[str, str]]
) -> TerraformContainer:
    """The container with the lists that no other definition uses, and the reason why no reference can be added."""
    folder, first = container.folder, container.lists[:1]
    broken = next(iter(folder.unreadable), "")
    obstacle = f"{broken} beside it cannot be read as HCL" if broken else container.obstacle
    targets = [collection_of(node, folder).file for node in container.lists or (container.node,)]
    if not obstacle and all(isinstance(file, DataFile) for file in targets):
        obstacle = f"its list is in {targets[0].name}, which is read and not edited"
    if synthesized := next((file.name for file in targets if is_synthesized(file)), ""):
        obstacle = f"cdktf synth makes {synthesized} again from the code of CDK for Terraform"
    if obstacle:
        return replace(container, lists=(), obstacle=obstacle)
    foreign = [each for each in others if each.address != container.address]
    owners = grouped(
        (collection_of(node, each.folder).position, each) for each in foreign for node in (*each.lists, each.node)
    )
    edited = tuple(node for node, file in zip(container.lists, targets, strict=False) if not isinstance(file, DataFile))
    container = replace(container, lists=edited)
    lists_or_node = container.lists if container.has_secrets else (container.node,)
    uncertain = {name for name, definition in uncertain_locals if definition != container.definition}
    shared = [_shared_with(collection_of(node, folder), folder, owners, uncertain) for node in lists_or_node]
    if all(shared):
        sharing = owners.get(collection_of(lists_or_node[0], folder).position, ()) if container.has_secrets else ()
        common = container.lists[0] if sharing and container.base else None
        names = frozenset(each.name for each in sharing)
        return replace(container, lists=(), obstacle=shared[0], shared_list=common, sharers=names)
    lists = tuple(node for node, other in zip(container.lists, shared, strict=False) if not other)
    container = replace(container, lists=lists)
    if lists[:1] != first:
        container = replace(container, base=_find_base(container, others))
    if not container.base:
        obstacle = f'no reference nearby names the secret, and its folder has no variable "{VARIABLE}"'
        if any(each.base for each in container.references):
            is_usable = any(each.base and container.can_use(each) for each in container.references)
            obstacle = SEVERAL if is_usable else container.not_at_target
        elif not all(each.value_from for each in container.references):
            obstacle = "the secret's ARN in its references cannot be read"
    return replace(container, obstacle=obstacle)


def _shared_with(
    node: Node, folder: Folder, owners: Mapping[tuple[str, int], Sequence[TerraformContainer]], uncertain: set[str]
) -> str:
    """Which other task definition uses a list or object too, as a clause; "" for none."""
    local = folder.local_of(node)
    where = f"local.{local}" if local else f"the list on line {node.line}"
    if other := owners.get(node.position):
        names = " and ".join(f"container {each.name} of {each.definition}" for each in other)
        return f"{where} is shared with {names}"
    return f"{where} may be a part of a task definition that could not be read" if local in uncertain else ""
