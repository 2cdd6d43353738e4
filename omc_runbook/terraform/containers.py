"""The containers of Terraform's task definitions, and where in the files a reference can be added to one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import groupby

from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import Folder, describe, find_member
from omc_runbook.terraform.hcl_template import read_json
from omc_runbook.terraform.references import Listing, Written, names_of, read_listing, read_text
from omc_runbook.textfile.file import SourceFile

DEFINITION = "aws_ecs_task_definition"
VARIABLE = "secrets_arn"
"""The variable that holds the secret's ARN where no reference shows another."""
SEVERAL = "it has references to several secrets, and to none of them most"


@dataclass(frozen=True)
class Found:
    """A container with the places of what it has."""

    folder: Folder = field(repr=False)
    definition: str
    name: str
    node: Node
    """The object in which it is written; the last one, where several are merged."""
    json: bool
    references: tuple[Written, ...] = ()
    environment: tuple[Written, ...] = ()
    has_secrets: bool = False
    lists: tuple[Node, ...] = ()
    """The lists to which a reference can be added, the best first; a for expression stands for its names."""
    unseen: tuple[str, ...] = ()
    """What else its references come from, in words."""
    base: str = ""
    """How the secret's ARN is written before a key."""
    obstacle: str = ""
    """Why no reference can be added, as a clause; "" where one can."""

    @property
    def address(self) -> tuple[str, str]:
        """Its folder and definition: what no other definition of the checkout has."""
        return str(self.node.file.path.parent), self.definition


@dataclass
class _Reading:
    """What was found so far in one folder."""

    folder: Folder
    found: list[Found] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unread_locals: set[tuple[str, str]] = field(default_factory=set)
    """Local values that a definition uses which was not understood in full, each with that definition."""


def locate(files: tuple[SourceFile, ...]) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """The containers of the task definitions in files, and a sentence on each thing that could not be understood."""
    found: list[Found] = []
    unreadable: list[str] = []
    by_folder = sorted(files, key=lambda file: (file.path.parent, file.name))
    for _, group in groupby(by_folder, key=lambda file: file.path.parent):
        reading = _Reading(Folder(tuple(group)))
        for block in reading.folder.blocks:
            if block.type == "resource" and block.labels[:1] == (DEFINITION,):
                _read_definition(block, reading)
        based = [replace(each, base=_base(each, reading.found)) for each in reading.found]
        found += [_judge(each, based, reading.unread_locals) for each in based]
        unreadable += [*map(str, reading.folder.broken.values()), *reading.unreadable]
    return tuple(found), tuple(unreadable)


def _read_definition(block: Block, reading: _Reading) -> None:
    """Read one task definition; a part of it that leads out of sight is told, and the others are read."""
    folder, definition = reading.folder, ".".join(block.labels)
    attribute = block.find("container_definitions")
    if attribute is None:
        return

    def tell(what: str, node: Node, why: str = "which is not followed") -> None:
        where = f"{definition} in {attribute.file.name}, line {attribute.line}"
        reading.unreadable.append(f"{where}: {what} {describe(node)}, {why}.")
        reading.unread_locals.update((name, definition) for name in folder.locals_in(attribute.source))

    start = folder.follow(attribute.value)
    is_call = start.kind == "call" and start.name == "jsonencode" and len(start.parts) == 1
    whole = start.parts[0] if is_call else read_json(start) if start.kind == "heredoc" else None
    if whole is None:
        why = "which is no plain JSON" if start.kind == "heredoc" else "which is not followed"
        return tell("its container definitions are", start, why)
    repeated = block.find("for_each") is not None
    for part in folder.parts(whole):
        if part.node.kind != "tuple":
            tell("some of its containers come from", part.node)
            continue
        for element in part.node.parts:
            objects = folder.objects(element)
            if all(each.kind != "object" for each in objects):
                tell("a container comes from", objects[-1])
                continue
            found = _read_container(objects, Found(folder, definition, "", objects[-1], start.kind == "heredoc"))
            if repeated or not part.certain:
                told = "for_each makes several of its definition" if repeated else "it is there under a condition only"
                found = replace(found, obstacle=told)
            if not found.name:
                tell("the name of a container is not told by", found.node, "in which it is no plain text")
            reading.found.append(found)


def _read_container(objects: tuple[Node, ...], found: Found) -> Found:
    folder = found.folder
    name, environment, secrets = (find_member(objects, key) for key in ("name", "environment", "secrets"))
    plain = read_listing(environment.value, folder) if environment and environment.kind == "member" else Listing()
    found = replace(
        found,
        name=read_text(name.value, folder) if name and name.kind == "member" else "",
        node=[each for each in objects if each.kind == "object"][-1],
        environment=tuple(plain.written),
    )
    if secrets is None:
        return found
    if secrets.kind != "member":
        return replace(found, obstacle=f"{describe(secrets)} may bring its secrets along")
    listing = read_listing(secrets.value, folder)
    home = folder.local_of(found.node)
    held = Counter(each.list.place for each in listing.written if each.key)
    lists = sorted(listing.lists, key=lambda each: (folder.local_of(each) != home, -held[each.place]))
    unseen = tuple(dict.fromkeys(listing.unseen))
    return replace(
        found,
        references=tuple(listing.written),
        has_secrets=True,
        lists=tuple(lists),
        unseen=unseen,
        obstacle="" if lists else f"its secrets are {describe(folder.follow(secrets.value))}",
    )


def _base(found: Found, others: list[Found]) -> str:
    """How most references spell the secret's ARN: in its best list, else in it, in its definition, in its file."""
    best = [each.place for each in found.lists[:1]]
    everywhere = [(each.address, written) for each in others for written in each.references if _is_global(written)]
    circles = (
        [each for each in found.references if each.list.place in best],
        found.references,
        [written for address, written in everywhere if address == found.address],
        [written for _, written in everywhere if written.element.file == found.node.file],
    )
    for circle in circles:
        (first, most), (_, next_most) = [
            *Counter(each.base for each in circle if each.base).most_common(2),
            ("", 0),
            ("", 0),
        ][:2]
        if most > next_most:
            return first
    if any(each.base for circle in circles for each in circle) or not all(each.value_from for each in found.references):
        return ""
    return f"${{var.{VARIABLE}}}" if found.folder.declares(VARIABLE) else ""


def _is_global(written: Written) -> bool:
    """Whether what names the secret means the same elsewhere in the file."""
    return not any(word in written.base for word in ("each.", "count.", "self."))


def _judge(found: Found, others: list[Found], unread: set[tuple[str, str]]) -> Found:
    """The container with the lists that are its definition's alone, and what keeps a reference from being added."""
    folder = found.folder
    broken = next(iter(folder.broken), "")
    if found.obstacle or broken:
        return replace(found, lists=(), obstacle=f"{broken} beside it is not valid HCL" if broken else found.obstacle)
    strangers = [each for each in others if each.address != found.address]
    places = {names_of(node, folder).place: each for each in strangers for node in (*each.lists, each.node)}
    wanted = found.lists if found.has_secrets else (found.node,)
    doubtful = {name for name, definition in unread if definition != found.definition}
    shared = [_sharer(names_of(node, folder), folder, places, doubtful) for node in wanted]
    if all(shared):
        return replace(found, lists=(), obstacle=shared[0])
    lists = tuple(node for node, other in zip(wanted, shared, strict=True) if not other) if found.has_secrets else ()
    obstacle = ""
    if not found.base:
        obstacle = f'nothing beside it shows how the secret is named, and its folder has no variable "{VARIABLE}"'
        if any(each.base for each in found.references):
            obstacle = SEVERAL
        elif not all(each.value_from for each in found.references):
            obstacle = "how its references name the secret cannot be read"
    return replace(found, lists=lists, obstacle=obstacle)


def _sharer(node: Node, folder: Folder, places: dict[tuple[str, int], Found], doubtful: set[str]) -> str:
    """Which other task definition would be changed with a list or object, as a clause; "" for none."""
    local = folder.local_of(node)
    where = f"local.{local}" if local else f"the list on line {node.line}"
    if other := places.get(node.place):
        return f"{where} is shared with container {other.name} of {other.definition}"
    return f"{where} may be a part of a task definition that could not be read" if local in doubtful else ""
