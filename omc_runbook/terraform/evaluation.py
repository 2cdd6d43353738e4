"""The modules of one environment with their resources, whose attributes are evaluated when they are asked for.

Nothing is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omc_runbook.terraform import functions, modules
from omc_runbook.terraform.expressions import (
    Expressions,
    Lookup,
    Object,
    Objects,
    Result,
    Source,
    entries_of,
    text_file,
)
from omc_runbook.terraform.files import LOCAL, TerraformFiles, target
from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.marks import because, computed, failed, is_known, known_text, unknown, without_folder
from omc_runbook.textfile.file import SourceFile

DEEPEST_MODULE = 12
MOST_INSTANCES = 100
"""How many instances of a count are looked at."""

_LABEL = re.compile(r"cloudposse/label/null|terraform-null-label")
_LABEL_PARTS = ("namespace", "tenant", "environment", "stage", "name")


@dataclass(eq=False)
class Instance(Object):
    """One instance of a resource, a data source or a module whose files are elsewhere."""

    module: Module
    block: Block
    type: str
    """aws_ecs_service, data.aws_region, or module for one from elsewhere."""
    address: str
    """Unique among all folders, such as environments/staging#module.ecs.aws_ecs_service.this["backend"]."""
    bindings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its address within its folder."""
        return without_folder(self.address)

    def get(self, attribute: str) -> Result | None:
        """The value of an attribute that its block has; None for another."""
        member = self.block.find(attribute)
        return self.module.result(member.value, self.bindings) if member else None

    def value(self, attribute: str) -> Any:
        """The value of an attribute; None where its block has none."""
        result = self.get(attribute)
        return result.value if result else None

    def blocks(self, type_: str) -> Iterator[tuple[Block, Mapping[str, Any]]]:
        """The blocks of a type in its block, also those of a dynamic block, each with the names that it may use."""
        for block in self.block.blocks:
            if block.type == type_:
                yield block, self.bindings
            loop = block.expression("for_each") if block.type == "dynamic" and block.labels == (type_,) else None
            iterator = block.expression("iterator")
            name = iterator.name if iterator else type_
            value = self.module.value(loop, self.bindings) if loop else ()
            for key, entry in entries_of(value) if not isinstance(value, str) else ():
                pair = {"key": entry if isinstance(value, list) else key, "value": entry}
                yield from ((inner, {**self.bindings, name: pair}) for inner in block.blocks if inner.type == "content")

    def text(self, attribute: str) -> str:
        """A text attribute, with marks; "" where the block has none."""
        value = self.value(attribute)
        return value if isinstance(value, str) else ""

    def source_of(self, attribute: str) -> Source:
        """Where an attribute stands, or the block's first attribute."""
        members = [member for member in self.block.attributes if member.name == attribute] or self.block.attributes
        return members[0].location if members else self.label

    def sources_of(self, attribute: str) -> tuple[Source, ...]:
        """Where an attribute, and the literals that it is made from, stand."""
        result = self.get(attribute)
        return tuple(dict.fromkeys((self.source_of(attribute), *(result.sources if result else ()))))

    def why_unknown(self, attribute: str, what: str) -> str:
        """Why a name is not known, as a sentence."""
        result, where = self.get(attribute), self.source_of(attribute)
        if result is None and self.block.find(f"{attribute}_prefix"):
            return f"Terraform adds a suffix of its own to the name of this {what} ({attribute}_prefix, {where})."
        if result is None:
            return f"The {what} {self.label} has no {attribute} ({where})."
        return f"The {attribute} of the {what} {self.label} is not known{because(result.value)} ({where})."

    @property
    def provider(self) -> tuple[Module, Block] | None:
        """Its provider's block, and the module that this is in; of a module from elsewhere the one that it gets."""
        passed = self.block.expression("providers") if self.type == "module" else None
        member = passed.member("aws") if passed and passed.kind == "object" else None
        node = self.block.find("provider") or member
        return self.module.provider(_provider_name(node.value) if node else "aws")

    @property
    def region(self) -> str:
        """The region of its provider; "" where it is not known."""
        module, block = self.provider or (self.module, None)
        return known_text(module.value_in(block, "region")) if block else ""

    def attribute(self, name: str) -> Result:
        """What another expression gets for an attribute: its value, or a mark."""
        value = self.module.stack.data(self, name)
        if value is not None:
            return Result(value)
        result = self.get(name)
        if result is not None and self.type != "module":
            return Result(result.value)
        if name == "id" and _LABEL.search(self.text("source")) and not self.block.find("context"):
            parts = [self.text(part) for part in _LABEL_PARTS]
            return Result("-".join(part.lower() if is_known(part) else part for part in parts if part))
        return Result(computed(self.address, name))


@dataclass(eq=False)
class Stack:
    """What all modules of one environment's folder share: its workspace, its region, and other folders' outputs."""

    files: TerraformFiles
    root: Path
    workspace: str
    outputs: Callable[[Mapping[str, Any], str], Any] = lambda config, name: None
    """Another folder's output, by the config of a terraform_remote_state and its name; None where no folder has it."""
    instances: dict[str, Instance] = field(default_factory=dict)
    """By address."""

    def output_of_another(self, config: Mapping[str, Any], name: str) -> Any:
        """An output of another folder of the environment, by where its state is and its name."""
        value = self.outputs(config, name)
        return unknown(f"output {name} of another state is not in the checkout") if value is None else value

    def data(self, instance: Instance, attribute: str) -> Any:
        """An attribute that is known without the block: of the region, of another folder's state, of a template."""
        if instance.type == "data.aws_region" and attribute in ("name", "id", "region"):
            return instance.region or unknown("the provider's region is not in the checkout")
        if instance.type == "data.terraform_remote_state" and attribute == "outputs":
            config = instance.value("config")
            return Lookup(partial(self.output_of_another, config if isinstance(config, Mapping) else {}))
        if instance.type == "data.template_file" and attribute == "rendered":
            template, arguments = instance.value("template"), instance.value("vars")
            if isinstance(template, str):
                variables = arguments if isinstance(arguments, Mapping) else {}
                return instance.module.render(template, text_file(template), 0, variables)
        return None


class Module(Expressions, Object):
    """One call of a module, or the root: its files with the values of its variables."""

    def __init__(
        self,
        stack: Stack,
        directory: Path,
        folder: Folder,
        inputs: Mapping[str, Callable[[], Result]],
        address: str = "",
        caller: Module | None = None,
        call: Block | None = None,
    ) -> None:
        super().__init__()
        self.stack, self.directory, self.folder, self.address = stack, directory, folder, address
        self.objects: Mapping[str, Callable[[str], Any]] = {}
        """The objects that its files have beyond Terraform's, such as Terragrunt's include, by name."""
        self._inputs = inputs
        self._modules: dict[str, list[Module | Instance]] = {}
        self._found: dict[tuple[str, str], tuple[Instance, ...]] = {}
        self._known: dict[str, Result] = {}
        self._caller, self._call_block = caller, call

    def provider(self, name: str) -> tuple[Module, Block] | None:
        """The provider of a name such as aws or aws.sydney: its block, and the module that it is in."""
        type_, _, alias = name.partition(".")
        for block in self.folder.of_type("provider", type_):
            own = block.expression("alias")
            if (own.name if own else "") == alias:
                return self, block
        if self._caller is None or self._call_block is None:
            return None
        passed = self._call_block.expression("providers")
        member = passed.member(name) if passed and passed.kind == "object" else None
        return self._caller.provider(_provider_name(member.value) if member else name)

    @property
    def resources(self) -> tuple[Instance, ...]:
        """The instances of this module's own resources and data sources."""
        return tuple(each for block in self.folder.blocks if _type_of(block) for each in self._instances_of(block))

    @cached_property
    def children(self) -> tuple[Module, ...]:
        """The modules that it calls whose files are in the checkout."""
        calls = (each for block in self.folder.of_type("module") for each in self._calls(block))
        return tuple(each for each in calls if isinstance(each, Module))

    def walk(self) -> Iterator[Module]:
        """This module and those that it calls, directly or through others."""
        yield self
        for child in self.children:
            yield from child.walk()

    def instances(self) -> tuple[Instance, ...]:
        """The resources of this module and of those that it calls, and the calls of modules from elsewhere."""
        found: list[Instance] = []
        for module in self.walk():
            calls = (each for block in module.folder.of_type("module") for each in module._calls(block))
            found += (*module.resources, *(each for each in calls if isinstance(each, Instance)))
        return tuple(found)

    def absent(self, type_: str) -> Iterator[tuple[str, Node, bool]]:
        """Yield the resources of a type, and the modules that may have one, of which a count or for_each makes none.

        Each with its address within its folder, that attribute, and whether it certainly is or has such a resource.
        """
        for module in self.walk():
            for block in module.folder.blocks:
                is_call = block.type == "module" and len(block.labels) == 1 and bool(block.attributes)
                if not is_call and _type_of(block) != type_:
                    continue
                loop = block.find("count") or block.find("for_each")
                if not loop or (module._calls(block) if is_call else module._instances_of(block)):
                    continue
                folder = module._folder(modules.source_of(block)) if is_call else None
                types = {_type_of(each) or each.type for each in folder[1].blocks} if folder else set()
                if folder is None or not types.isdisjoint({type_, "module"}):
                    what = f"module.{block.labels[0]}" if is_call else f"{type_}.{block.labels[-1]}"
                    yield f"{without_folder(module.address)}{what}", loop, not is_call or type_ in types

    def output(self, name: str) -> Result | None:
        """An output's value; None where there is no such output."""
        values = (block.expression("value") for block in self.folder.of_type("output", name))
        value = next(filter(None, values), None)
        return self.result(value) if value else None

    def value_in(self, block: Block, attribute: str) -> Any:
        """The value of an attribute of a block; None where it has none."""
        expression = block.expression(attribute)
        return self.value(expression) if expression else None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return tuple(block.labels[0] for block in self.folder.of_type("output") if block.labels)

    def variable(self, name: str) -> Result | None:
        """A variable's value: what the caller passes, else its default; None where it is not declared."""
        return self._remember(f"var.{name}", lambda: self._variable(name)) if self.folder.declares(name) else None

    def local(self, name: str) -> Result | None:
        """A local value; None where it is not declared."""
        value, path = self.folder.local(name), f"local.{name}"
        if value and self.folder.is_endless(path):
            return Result(unknown(f"{path} refers to itself, or is made of too many others"))
        return self._remember(path, lambda: self.result(value)) if value else None

    def known(self, name: str) -> Result | None:
        """A local value or a variable that is a text and known; None where there is none."""
        found = (result for result in (self.local(name), self.variable(name)) if result and known_text(result.value))
        return next(found, None)

    def attribute(self, name: str) -> Result:
        """An output's value."""
        missing = Result(failed(f"{without_folder(self.address).rstrip('.')} has no output {name}"))
        return self.output(name) or missing

    def file(self, name: str) -> SourceFile | None:
        """A file by its path, relative to its folder."""
        return self.stack.files.file(self.directory / name)

    def lacks(self, name: str) -> bool:
        """Whether nothing is at a path in the checkout, relative to its folder."""
        path = self.directory / name
        return self.stack.files.contains(path) and not os.path.lexists(path)

    def referent(self, first: str, rest: Sequence[str]) -> tuple[Result, Sequence[str]]:
        """What a path begins with, by its first part and the others, and the attributes that follow."""
        if first in self.objects:
            return Result(Lookup(self.objects[first])), rest
        match first, rest:
            case "var" | "local", [key, *others]:
                result = self.variable(key) if first == "var" else self.local(key)
                return (result, others) if result else (Result(unknown(f"{first}.{key} is not declared")), ())
            case "path", ["module" | "root" | "cwd" as where]:
                # With -chdir, path.cwd would be another folder: who uses it runs Terraform in the root.
                return Result(str(self.directory if where == "module" else self.stack.root)), ()
            case "terraform", ["workspace"]:
                return Result(self.stack.workspace or unknown("the workspace is not known")), ()
            case "module", [key, *others]:
                block = next(self.folder.of_type("module", key), None)
                if block is None:
                    return Result(unknown(f"there is no {'.'.join((first, *rest))}")), ()
                return Result(_objects(block, self._calls(block))), others
            case "data", [type_, key, *others]:
                return self._resource(f"data.{type_}", key), others
            case _, [key, *others]:
                return self._resource(first, key), others
        return Result(unknown(f"{'.'.join((first, *rest))} is not followed")), ()

    def _resource(self, type_: str, key: str) -> Result:
        blocks = [block for block in self.folder.blocks if _type_of(block) == type_ and block.labels[-1:] == (key,)]
        if not blocks:
            return Result(unknown(f"{type_}.{key} is not declared"))
        return Result(_objects(blocks[0], self._instances_of(blocks[0])))

    def _variable(self, name: str) -> Result:
        read_input = self._inputs.get(name) or self._inputs.get("")
        default, type_ = self.folder.default(name), self.folder.type_of(name)
        result = read_input() if read_input else Result(None)
        if result.value is None:
            if default is None:
                return Result(unknown(f"variable {name} has no value in the checkout"))
            result = self.result(default)
        return replace(result, value=self._completed(result.value, type_)) if type_ else result

    def _completed(self, value: Any, type_: Node) -> Any:
        """A value with the attributes that its type declares optional().

        See https://developer.hashicorp.com/terraform/language/expressions/type-constraints
        """
        if type_.kind != "call" or not type_.parts or not isinstance(value, Mapping | list):
            return value
        inner = type_.parts[0]
        match type_.name, value:
            case "list" | "set", list():
                return type(value)(self._completed(each, inner) for each in value)
            case "map", Mapping():
                types, defaults = dict.fromkeys(value, inner), dict[str, Node | None]()
            # A part that is not known may have any attribute.
            case "object", Mapping() if inner.kind == "object" and is_known([*value]):
                optional = {each.name: each.value.parts for each in inner.parts if _is_optional(each.value)}
                types = {each.name: optional.get(each.name, (each.value,))[0] for each in inner.parts}
                defaults = {name: next(iter(parts[1:]), None) for name, parts in optional.items()}
            case _:
                return value
        table = functions.SourcedObject()
        table.update(value)
        table.sources |= value.sources if isinstance(value, functions.SourcedObject) else {}
        for name, default in defaults.items():
            if table.get(name) is None:
                result = self.result(default) if default else Result(None)
                table[name], table.sources[name] = result.value, result.sources
        for name, own in types.items():
            if name in table:
                table[name] = self._completed(table[name], own)
        return table

    def _remember(self, name: str, make: Callable[[], Result]) -> Result:
        if name not in self._known:
            # A value that refers to itself finds this.
            self._known[name] = Result(unknown(f"{name} refers to itself"))
            self._known[name] = make()
        return self._known[name]

    def _instances_of(self, block: Block) -> tuple[Instance, ...]:
        key = (_type_of(block), block.labels[-1])
        if key not in self._found:
            # A block that is repeated for itself finds this.
            self._found[key] = ()
            self._found[key] = tuple(self._instances(block))
        return self._found[key]

    def _instances(self, block: Block) -> Iterator[Instance]:
        type_ = _type_of(block)
        for suffix, bindings in self._repetitions(block):
            address = f"{self.address}{type_}.{block.labels[-1]}{suffix}"
            instance = Instance(self, block, type_, address, bindings)
            self.stack.instances[address] = instance
            yield instance

    def _calls(self, block: Block) -> list[Module | Instance]:
        if block.labels[0] not in self._modules:
            self._modules[block.labels[0]] = list(self._make_calls(block))
        return self._modules[block.labels[0]]

    def _make_calls(self, block: Block) -> Iterator[Module | Instance]:
        where = modules.source_of(block)
        for suffix, bindings in self._repetitions(block):
            address = f"{self.address}module.{block.labels[0]}{suffix}"
            # A module that calls itself has no end.
            is_too_deep = address.count("module.") > DEEPEST_MODULE
            folder = None if is_too_deep else self._folder(where)
            if folder is None:
                instance = Instance(self, block, "module", address, bindings)
                self.stack.instances[address] = instance
                yield instance
                continue
            inputs = {member.name: partial(self.result, member.value, bindings) for member in block.attributes}
            yield Module(self.stack, folder[0], folder[1], inputs, f"{address}.", self, block)

    def _folder(self, source: str) -> tuple[Path, Folder] | None:
        directory = target(self.directory, source) if source.startswith(LOCAL) else None
        if directory is None or not directory.is_dir() or not self.stack.files.contains(directory):
            return None
        return directory, self.stack.files.folder(directory)

    def _repetitions(self, block: Block) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The instances of a block with count or for_each, as suffixes of its address with each and count."""
        count, for_each = block.expression("count"), block.expression("for_each")
        if count:
            number = self.value(count)
            times = min(int(number), MOST_INSTANCES) if isinstance(number, int) else 1
            yield from ((f"[{at}]", {"count": {"index": at}}) for at in range(times))
        elif for_each:
            value = self.value(for_each)
            if isinstance(value, str):
                yield "", {"each": {"key": value, "value": value}}
                return
            for key, entry in entries_of(value):
                name = entry if isinstance(value, list) else key
                yield f'["{name}"]', {"each": {"key": name, "value": entry}}
        else:
            yield "", {}


def _objects(block: Block, entries: Sequence[Module | Instance]) -> Objects:
    keys_are_known = (is_known(each.address) and each.address.rstrip(".").endswith("]") for each in entries)
    return Objects(tuple(entries), is_open=block.find("for_each") is not None and not all(keys_are_known))


def _is_optional(type_: Node) -> bool:
    return type_.kind == "call" and type_.name == "optional" and bool(type_.parts)


def _provider_name(node: Node) -> str:
    """A reference to a provider, which JSON has as a text."""
    return node.name.removeprefix("${").removesuffix("}")


def _type_of(block: Block) -> str:
    if block.type not in ("resource", "data") or len(block.labels) < 2:
        return ""
    return f"data.{block.labels[0]}" if block.type == "data" else block.labels[0]
