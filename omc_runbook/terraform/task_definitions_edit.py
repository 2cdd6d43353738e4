"""A new reference in Terraform's task definitions: a container's variable that comes from a key of the secret."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from omc_runbook.model.errors import CannotEdit
from omc_runbook.terraform.containers import SEVERAL, Found, locate
from omc_runbook.terraform.hcl import Node, read_blocks
from omc_runbook.terraform.hcl_insert import Insertion, Shape, add_element, add_member, ends_in_comma
from omc_runbook.terraform.hcl_template import fits, is_literal
from omc_runbook.terraform.reference_shape import shape_reference, unit_of
from omc_runbook.terraform.references import names_of
from omc_runbook.terraform.task_definitions import Declared
from omc_runbook.textfile.file import Edit, SourceFile

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEY = re.compile(r"[A-Za-z0-9_.@/+=-]+")

HAND = " Add the reference yourself."
ADVICE = " Add its task definition to Terraform first, or leave it out of containers."


def add_reference(
    declared: Declared, container: str, variable: str, key: str, present: Collection[str] = ()
) -> Edit | None:
    """Add a reference to a container's `secrets`; None if it has exactly this one, in each definition with its name.

    `present` are keys that the secret is known to have: they tell it from others that the container reads.

    Nothing is written. Raises CannotEdit for what cannot be done for certain, and UsageError for a file that is not
    valid HCL, each in one sentence that says where.
    """
    if not VARIABLE.fullmatch(variable):
        raise CannotEdit("The variable's name has characters that no variable has: use letters, digits and _.")
    if not KEY.fullmatch(key):
        raise CannotEdit(f"The key for {variable} has characters that no reference can have: use letters, digits, _.")
    all_found, _ = locate(declared.files)
    named = _named(all_found, container)
    if len(named) > 1 and all(_is_there(_of_secret(each, present), variable, key) for each in named):
        return None
    for file in () if named else declared.files:
        # A file that is no HCL may have the container, and says so itself.
        read_blocks(file)
    chosen = _choose(named, all_found, declared.unreadable, container)
    found = _of_secret(chosen, present)
    all_found = tuple(found if each is chosen else each for each in all_found)
    for error in found.folder.broken.values():
        raise error
    if _is_there(found, variable, key):
        return None
    if found.obstacle:
        raise _refusal(found, variable, found.obstacle)
    nearby = [each for each in all_found if each.folder is found.folder]
    node, insertion = _insertion(found, nearby, variable, key)
    text = node.file.text
    new = insertion.text.replace("\n", node.file.newline)
    edit = node.file.with_text(text[: insertion.position] + new + text[insertion.position :], "")
    others = _check(declared, all_found, found, edit, (variable, f"{found.base}:{key}::"))
    also = f" and, by the same list, {' and '.join(others)}" if others else ""
    what = f"{variable} from key {key} of the secret, for container {found.name}{also} of {found.definition}"
    return replace(edit, what=what)


def _named(all_found: tuple[Found, ...], name: str) -> list[Found]:
    """The containers of a name, else those whose name can become this one."""
    return [each for each in all_found if each.name == name] or [each for each in all_found if fits(each.name, name)]


def _choose(named: list[Found], all_found: tuple[Found, ...], unreadable: tuple[str, ...], name: str) -> Found:
    """The one container of a name; where several definitions have it, the one that has references already."""
    if not named:
        names = sorted({each.name for each in all_found if each.name})
        more = f" Not understood: {' '.join(unreadable)}" if unreadable else ""
        advice = HAND if unreadable or not all(map(is_literal, names)) else ADVICE
        there = ", ".join(names) or "none"
        raise CannotEdit(f"Terraform's task definitions have no container {name}; those there: {there}.{more}{advice}")
    chosen = named if len(named) == 1 else [each for each in named if any(written.key for written in each.references)]
    if len(chosen) != 1:
        places = ", ".join(f"{each.definition} ({each.node.file.name}, line {each.node.line})" for each in named)
        raise CannotEdit(f"Several task definitions have a container {name}: {places}.{HAND}")
    return chosen[0]


def _of_secret(found: Found, present: Collection[str]) -> Found:
    """The container with the secret that has these keys, where its references tell: a database may have another one."""
    by_base = Counter(each.base for each in found.references if each.base and each.key in present)
    (base, most), (_, next_most) = [*by_base.most_common(2), ("", 0), ("", 0)][:2]
    if most > next_most:
        return replace(found, base=base, obstacle="" if found.obstacle == SEVERAL else found.obstacle)
    own = {each.base for each in found.references}
    if present and not by_base and not found.obstacle and found.base in own:
        return replace(found, obstacle="no key of its references is in the secret, so that they may name another one")
    return found


def _is_there(found: Found, variable: str, key: str) -> bool:
    """Whether the container has the reference; raises CannotEdit where its name is taken by another one."""
    for written in found.references:
        if written.variable != variable:
            continue
        if written.key == key and not written.certain:
            why = "under a condition only"
        elif written.key == key and written.value_from in (
            f"{written.base}:{key}::",
            f"{written.base}:{key}:AWSCURRENT:",
        ):
            if written.base == found.base or not found.base:
                return True
            why = "from another secret"
        else:
            why = f"from key {written.key}" if written.key not in ("", key) else "from elsewhere"
        raise CannotEdit(_taken(found, variable, written.element, why))
    for written in found.environment:
        if written.variable == variable:
            raise CannotEdit(_taken(found, variable, written.element, "in its environment, as plain text"))
    return False


def _taken(found: Found, variable: str, node: Node, why: str) -> str:
    line = f"line {node.line}" if node.file == found.node.file else f"{node.file.name}, line {node.line}"
    return (
        f"{variable} is a name taken: {_where(found)} has it {why} ({line}). Take another name, or remove that first."
    )


def _refusal(found: Found, variable: str, why: str) -> CannotEdit:
    return CannotEdit(f"{variable} was not added to {_where(found)}: {why}.{HAND}")


def _where(found: Found) -> str:
    return f"container {found.name} of {found.definition} ({found.node.file.name}, line {found.node.line})"


def _insertion(found: Found, nearby: list[Found], variable: str, key: str) -> tuple[Node, Insertion]:
    """What to insert, and a node of the file into which."""
    unit = unit_of(found)
    lists = [each.list for each in found.environment if each.list.kind == "tuple" and "\n" in each.list.source]
    comma = not found.json and all(map(ends_in_comma, lists[:1]))
    target = found.lists[0] if found.lists else None
    if target and target.kind == "for":
        if variable != key:
            told = "its names are made from its keys by a for expression, so that both must be the same"
            raise _refusal(found, variable, told)
        names = names_of(target, found.folder)
        return names, add_element(names, Shape(f'"{variable}"'), unit, comma)
    shape = shape_reference(found, nearby, variable, f"{found.base}:{key}::")
    if target:
        return target, add_element(target, shape, unit, comma)
    environment = [each for each in found.node.parts if each.name == "environment"]
    if not found.node.parts:
        raise _refusal(found, variable, "the object that it is merged from last is empty")
    after = (environment or list(found.node.parts))[-1]
    return found.node, add_member(found.node, after, "secrets", shape, unit, comma, found.json)


def _check(
    declared: Declared, before: tuple[Found, ...], found: Found, edit: Edit, new: tuple[str, str]
) -> tuple[str, ...]:
    """See that the new text says what the old one says, and the reference; raises CannotEdit where it does not.

    Gives the names of other containers of the definition that get the reference too.
    """
    changed = SourceFile(edit.file.path, edit.file.name, edit.after)
    after, _ = locate(tuple(changed if each.name == changed.name else each for each in declared.files))
    expected = Counter([("secrets", *new)])
    gained = [_said(now) - _said(then) for then, now in zip(before, after, strict=False)]
    fine = len(before) == len(after) and not any(each.folder.broken for each in after)
    for then, now, more in zip(before, after, gained, strict=False):
        possible = [expected] if then is found else [Counter()]
        possible += [expected] if then.address == found.address else []
        fine = fine and more in possible and not _said(then) - _said(now)
    if not fine:
        raise _refusal(found, new[0], "the files would not read as meant with it")
    return tuple(each.name for each, more in zip(before, gained, strict=True) if more and each is not found)


def _said(found: Found) -> Counter[tuple[str, ...]]:
    """All that a container says, without places."""
    return Counter(
        [
            ("container", found.definition, found.name, str(len(found.unseen))),
            *(("secrets", each.variable, each.value_from) for each in found.references),
            *(("environment", each.variable) for each in found.environment),
        ]
    )
