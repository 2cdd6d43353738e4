"""The value of an expression in a Terraform module: variables, locals, modules and resources followed to texts.

Nothing is run. What is known only after an apply, such as an ARN, stays a mark within the text, which names the
resource and its attribute; what cannot be followed is a mark with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform import functions, templates
from omc_runbook.terraform.files import LOCAL, TerraformFiles, target
from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.hcl_template import expression_of, only_expression
from omc_runbook.terraform.marks import computed, is_failure, is_known, reasons, unknown, without_folder, without_marks
from omc_runbook.terraform.templates import Part
from omc_runbook.textfile.file import SourceFile

DEEPEST = 60
"""The deepest chain of expressions that is followed; a cycle has no end."""
DEEPEST_MODULE = 12
MOST_INSTANCES = 100
"""How many instances of a count are looked at."""

_HEREDOC = re.compile(r"<<(-?)[\w.-]+\r?\n")
_ESCAPES = {'\\"': '"', "\\n": "\n", "\\t": "\t", "\\\\": "\\"}
_ESCAPE = re.compile(r'\\["nt\\]')
_LABEL = re.compile(r"cloudposse/label/null|terraform-null-label")
_LABEL_PARTS = ("namespace", "tenant", "environment", "stage", "name")
_FAILURES = (TypeError, ValueError, KeyError, IndexError, AttributeError, StopIteration)
"""What a function raises for arguments that it cannot take, as Terraform would refuse them."""

Source = str
"""A position in the checkout: the file's name and the line."""


@dataclass(frozen=True)
class Result:
    """A value, and where the literals that it is made from stand."""

    value: Any
    sources: tuple[Source, ...] = ()


@dataclass(eq=False)
class Instance:
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

    def blocks(self, type_: str) -> Iterator[tuple[Block, Mapping[str, Any]]]:
        """The blocks of a type in its block, also those of a dynamic block, each with the names that it may use."""
        for block in self.block.blocks:
            if block.type == type_:
                yield block, self.bindings
            loop = block.find("for_each") if block.type == "dynamic" and block.labels == (type_,) else None
            iterator = block.find("iterator") if loop else None
            name = iterator.value.name if iterator else type_
            value = self.module.value(loop.value, self.bindings) if loop else ()
            for key, entry in _entries(value) if not isinstance(value, str) else ():
                pair = {"key": entry if isinstance(value, list) else key, "value": entry}
                yield from ((inner, {**self.bindings, name: pair}) for inner in block.blocks if inner.type == "content")

    def text(self, attribute: str) -> str:
        """A text attribute, with marks; "" where the block has none."""
        result = self.get(attribute)
        return result.value if result and isinstance(result.value, str) else ""

    def source_of(self, attribute: str) -> Source:
        """Where an attribute stands, or the block's first attribute."""
        members = [member for member in self.block.attributes if member.name == attribute] or self.block.attributes
        return source_of(members[0]) if members else self.label

    @property
    def provider(self) -> tuple[Module, Block] | None:
        """Its provider's block, and the module that this is in; of a module from elsewhere the one that it gets."""
        own = self.block.find("provider")
        passed = self.block.find("providers") if self.type == "module" else None
        member = passed.value.member("aws") if passed and passed.value.kind == "object" else None
        node = own or member
        return self.module.provider(_provider_name(node.value) if node else "aws")

    @property
    def region(self) -> str:
        """The region of its provider; "" where it is not known."""
        module, block = self.provider or (self.module, None)
        member = block.find("region") if block else None
        value = module.value(member.value) if member else ""
        return value if isinstance(value, str) and is_known(value) else ""

    def reference(self, attribute: str) -> Any:
        """What another expression gets for an attribute: its value, or a mark."""
        value = self.module.stack.data(self, attribute)
        if value is not None:
            return value
        result = self.get(attribute)
        if result is not None and self.type != "module":
            return result.value
        if attribute == "id" and _LABEL.search(self.text("source")) and not self.block.find("context"):
            parts = [self.text(part) for part in _LABEL_PARTS]
            return "-".join(part.lower() if is_known(part) else part for part in parts if part)
        return computed(self.address, attribute)


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
            config = instance.get("config")
            table = config.value if config and isinstance(config.value, Mapping) else {}
            return Lookup(partial(self.output_of_another, table))
        if instance.type == "data.template_file" and attribute == "rendered":
            template, arguments = instance.get("template"), instance.get("vars")
            if template and isinstance(template.value, str):
                variables = arguments.value if arguments and isinstance(arguments.value, Mapping) else {}
                return instance.module.render(template.value, _text_file(template.value), 0, variables)
        return None


@dataclass(frozen=True)
class Lookup:
    """An object whose members are found when they are asked for, such as another state's outputs."""

    get: Callable[[str], Any]


class Module:
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
        self.stack, self.directory, self.folder, self.address = stack, directory, folder, address
        self.objects: Mapping[str, Callable[[str], Any]] = {}
        """The objects that its files have beyond Terraform's, such as Terragrunt's include, by name."""
        self.functions: Mapping[str, Callable[..., Any]] = {}
        """The functions that its files have beyond Terraform's."""
        self._inputs = inputs
        self._modules: dict[str, list[Module | Instance]] = {}
        self._found: dict[tuple[str, str], tuple[Instance, ...]] = {}
        self._known: dict[str, Result] = {}
        self._sources: list[Source] = []
        self._depth = 0
        self._caller, self._call_block = caller, call

    def provider(self, name: str) -> tuple[Module, Block] | None:
        """The provider of a name such as aws or aws.sydney: its block, and the module that it is in."""
        type_, _, alias = name.partition(".")
        for block in self.folder.blocks:
            own = block.find("alias")
            if block.type == "provider" and block.labels == (type_,) and (own.value.name if own else "") == alias:
                return self, block
        if self._caller is None or self._call_block is None:
            return None
        passed = self._call_block.find("providers")
        member = passed.value.member(name) if passed and passed.value.kind == "object" else None
        return self._caller.provider(_provider_name(member.value) if member else name)

    @property
    def resources(self) -> tuple[Instance, ...]:
        """The instances of this module's own resources and data sources."""
        return tuple(each for block in self.folder.blocks if _type_of(block) for each in self._instances_of(block))

    @cached_property
    def children(self) -> tuple[Module, ...]:
        """The modules that it calls whose files are in the checkout."""
        blocks = (block for block in self.folder.blocks if block.type == "module")
        return tuple(each for block in blocks for each in self._calls(block) if isinstance(each, Module))

    def walk(self) -> Iterator[Module]:
        """This module and those that it calls, directly or through others."""
        yield self
        for child in self.children:
            yield from child.walk()

    def everything(self) -> tuple[Instance, ...]:
        """The resources of this module and of those that it calls, and the calls of modules from elsewhere."""
        found: list[Instance] = []
        for module in self.walk():
            blocks = [block for block in module.folder.blocks if block.type == "module"]
            found += module.resources
            found += [each for block in blocks for each in module._calls(block) if isinstance(each, Instance)]
        return tuple(found)

    def output(self, name: str) -> Result | None:
        """An output's value; None where there is no such output."""
        blocks = (block for block in self.folder.blocks if block.type == "output" and block.labels == (name,))
        member = next((value for block in blocks if (value := block.find("value"))), None)
        return self.result(member.value) if member else None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return tuple(block.labels[0] for block in self.folder.blocks if block.type == "output" and block.labels)

    def variable(self, name: str) -> Result | None:
        """A variable's value: what the caller passes, else its default; None where it is not declared."""
        return self._remember(f"var.{name}", lambda: self._variable(name)) if self.folder.declares(name) else None

    def local(self, name: str) -> Result | None:
        """A local value; None where it is not declared."""
        members = [member for member in self.folder.locals if member.name == name]
        return self._remember(f"local.{name}", lambda: self.result(members[0].value)) if members else None

    def result(self, node: Node, bindings: Mapping[str, Any] | None = None) -> Result:
        """Evaluate an expression, with the positions of the literals in it."""
        before, self._sources = self._sources, []
        try:
            value = self.value(node, bindings or {})
            return Result(value, tuple(dict.fromkeys(self._sources)))
        finally:
            self._sources = before

    def value(self, node: Node, bindings: Mapping[str, Any] | None = None) -> Any:
        """Evaluate an expression; `bindings` has the variables of for expressions, and each and count."""
        names = bindings or {}
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                return unknown("it refers to itself")
            return self._evaluate(node, names)
        except _FAILURES:
            return unknown(f"an expression in {source_of(node)} could not be evaluated")
        finally:
            self._depth -= 1

    def render(self, text: str, file: SourceFile, position: int, bindings: Mapping[str, Any]) -> str:
        """Fill the interpolations and directives of a template that begins at a position of a file."""
        try:
            return self._fill(templates.parse(text), file, position, bindings)
        except ValueError:
            return unknown(f"a template in {file.name} has directives that are not followed")

    def _fill(self, parts: Sequence[Part], file: SourceFile, position: int, names: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        for part in parts:
            if part.kind == "text":
                pieces.append(_unescape(part.text))
                continue
            value = self._of_part(part, file, position, names)
            if part.kind == "value":
                pieces.append(self._as_text(value, part, file))
            elif isinstance(value, str) and value not in ("true", "false"):
                pieces.append(value if not is_known(value) else unknown(f"{part.text} in {file.name} is a text"))
            elif part.kind == "if":
                pieces.append(
                    self._fill(part.otherwise if value in (False, "false") else part.body, file, position, names)
                )
            else:
                rounds = (_bind(part.names, *entry) for entry in _entries(value))
                pieces += [self._fill(part.body, file, position, {**names, **bound}) for bound in rounds]
        return "".join(pieces)

    def _of_part(self, part: Part, file: SourceFile, position: int, names: Mapping[str, Any]) -> Any:
        """The value of an expression in a template."""
        try:
            return self.value(expression_of(part.text, file, position + part.at), names)
        except UsageError:
            return unknown(f"an interpolation in {file.name} is not valid")

    def _as_text(self, value: Any, part: Part, file: SourceFile) -> str:
        try:
            # What jsonencode() returns is a text here alone; see `_call`.
            is_encoded = part.text.startswith("jsonencode(") and not isinstance(value, str)
            return json.dumps(value, ensure_ascii=False) if is_encoded else functions.as_text(value)
        except TypeError:
            return unknown(f"{part.text} in {file.name} is no text")

    def _evaluate(self, node: Node, names: Mapping[str, Any]) -> Any:
        match node.kind:
            case "string":
                self._sources.append(source_of(node))
                expression = only_expression(node)
                if expression is None:
                    return self.render(node.name, node.file, node.start + 1, names)
                # A list or an object that stands alone in a template stays one.
                value = self.value(expression, names)
                return functions.as_text(value) if isinstance(value, bool | int | float) else value
            case "heredoc":
                return self._heredoc(node, names)
            case "number":
                self._sources.append(source_of(node))
                return float(node.name) if "." in node.name else int(node.name)
            case "group":
                return self.value(node.parts[0], names)
            case "tuple":
                return [self.value(part, names) for part in node.parts]
            case "object":
                return self._object(node, names)
            case "path":
                return self._path(node.name, names)
            case "attribute":
                return self._attribute(self.value(node.parts[0], names), node.name)
            case "index":
                return self._index(*(self.value(part, names) for part in node.parts))
            case "splat":
                return self._splat(self.value(node.parts[0], names), node.name)
            case "conditional":
                return self._conditional(node, names)
            case "binary":
                return self._binary(node, names)
            case "unary":
                value = self.value(node.parts[0], names)
                return value if not is_known(value) else (not value if node.name == "!" else -value)
            case "for" | "filtered-for" | "object-for":
                return self._for(node, names)
            case "call":
                return self._call(node, names)
            case _:
                return unknown(f"an expression in {source_of(node)} is not followed")

    def _object(self, node: Node, names: Mapping[str, Any]) -> functions.SourcedObject:
        table = functions.SourcedObject()
        for part in node.parts:
            key = self._key(part, names)
            before, self._sources = self._sources, []
            table[key], table.sources[key] = self.value(part.value, names), tuple(self._sources)
            self._sources = before
        return table

    def _member(self, table: Mapping[Any, Any], key: Any, *default: Any) -> Any:
        """A member of an object; what it is made from counts, and the other members do not."""
        self._sources += table.sources.get(key, ()) if isinstance(table, functions.SourcedObject) else ()
        return functions.member(table, key, *default)

    def _key(self, member: Node, names: Mapping[str, Any]) -> str:
        key = member.parts[0]
        if key.kind == "string" or key.kind not in ("path", "string"):
            return functions.as_text(self.value(key, names))
        return member.name

    def _heredoc(self, node: Node, names: Mapping[str, Any]) -> str:
        opening = _HEREDOC.match(node.source)
        if opening is None:
            return unknown(f"the heredoc in {source_of(node)} is not followed")
        self._sources.append(source_of(node))
        end = node.source.rstrip().rfind("\n") + 1
        body = node.source[opening.end() : end]
        if opening[1]:
            indents = [len(line) - len(line.lstrip()) for line in body.splitlines() if line.strip()]
            strip = min(indents, default=0)
            body = "".join(line[strip:] if line.strip() else line for line in body.splitlines(keepends=True))
            return self.render(body, _text_file(body, node.file.name), 0, names)
        return self.render(body, node.file, node.start + opening.end(), names)

    def _path(self, name: str, names: Mapping[str, Any]) -> Any:
        first, *rest = name.split(".")
        if not rest and name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        if first in names:
            return self._attributes(names[first], rest)
        if first in self.objects:
            return self._attributes(Lookup(self.objects[first]), rest)
        match first, rest:
            case "var" | "local", [key, *others]:
                result = self.variable(key) if first == "var" else self.local(key)
                if result is None:
                    return unknown(f"{first}.{key} is not declared")
                self._sources += result.sources
                return self._attributes(result.value, others)
            case "path", ["module" | "root" as where]:
                return str(self.directory if where == "module" else self.stack.root)
            case "terraform", ["workspace"]:
                return self.stack.workspace or unknown("the workspace is not known")
            case "module", [key, *others]:
                blocks = [b for b in self.folder.blocks if b.type == "module" and b.labels == (key,)]
                calls = self._calls(blocks[0]) if blocks else []
                return self._attributes(_Calls(tuple(calls)), others) if blocks else unknown(f"there is no {name}")
            case "data", [type_, key, *others]:
                return self._resource(f"data.{type_}", key, others)
            case _, [key, *others]:
                return self._resource(first, key, others)
        return unknown(f"{name} is not followed")

    def _resource(self, type_: str, key: str, attributes: Sequence[str]) -> Any:
        blocks = [block for block in self.folder.blocks if _type_of(block) == type_ and block.labels[-1:] == (key,)]
        if not blocks:
            return unknown(f"{type_}.{key} is not declared")
        return self._attributes(_Calls(self._instances_of(blocks[0])), attributes)

    def _attributes(self, value: Any, names: Sequence[str]) -> Any:
        for at, name in enumerate(names):
            if name == "*":
                return self._splat(value, ".".join(names[at + 1 :]))
            value = self._attribute(value, name)
        return value

    def _attribute(self, value: Any, name: str) -> Any:
        match value:
            case _Calls():
                if not value.entries:
                    raise IndexError(name)
                return self._attribute(value.entries[0], name)
            case Instance():
                return value.reference(name)
            case Module():
                result = value.output(name)
                if result is None:
                    return unknown(f"{without_folder(value.address).rstrip('.')} has no output {name}")
                self._sources += result.sources
                return result.value
            case Lookup():
                return value.get(name)
            case str():
                return value if not is_known(value) else unknown(f"{name} of a text")
            case _:
                return self._member(value, name) if isinstance(value, Mapping) else value[name]

    def _index(self, value: Any, key: Any) -> Any:
        match value:
            case _Calls():
                return value.at(key)
            case str():
                return value if not is_known(value) else unknown("an index of a text")
            case Lookup():
                return value.get(key)
            case _:
                if not is_known(key):
                    return key
                return self._member(value, key) if isinstance(value, Mapping) else value[int(key)]

    def _splat(self, value: Any, attribute: str) -> Any:
        if isinstance(value, str) and not is_known(value):
            return value
        entries = value.entries if isinstance(value, _Calls) else value if isinstance(value, list | tuple) else [value]
        names = attribute.split(".") if attribute else []
        return [self._attributes(each, names) for each in entries]

    def _conditional(self, node: Node, names: Mapping[str, Any]) -> Any:
        condition, yes, no = node.parts
        test = self.value(condition, names)
        if is_known(test):
            return self.value(yes if test not in (False, "false") else no, names)
        branches = [self.value(yes, names), self.value(no, names)]
        if branches[0] == branches[1]:
            return branches[0]
        return unknown(f"the condition in {source_of(node)} depends on what is not known: {'; '.join(reasons(test))}")

    def _binary(self, node: Node, names: Mapping[str, Any]) -> Any:
        left, operator = self.value(node.parts[0], names), node.name
        if operator in ("&&", "||") and is_known(left) and bool(left) is (operator == "||"):
            return bool(left)
        right = self.value(node.parts[1], names)
        # An unset text is "" or null; one with a mark is neither.
        if operator in ("==", "!=") and (left in ("", None) or right in ("", None)):
            return (left == right) is (operator == "==")
        for value in (left, right):
            if not is_known(value):
                return value
        return functions.operate(operator, left, right)

    def _for(self, node: Node, names: Mapping[str, Any]) -> Any:
        collection, *others = node.parts
        value = self.value(collection, names)
        if isinstance(value, str):
            return value
        variables = node.name.split(",")
        results: list[tuple[Any, Any]] = []
        count = 2 if node.kind == "object-for" else 1
        for key, entry in _entries(value):
            bound = {**names, **_bind(variables, key, entry)}
            conditions = [self.value(part, bound) for part in others[count:]]
            if all(condition not in (False, "false") for condition in conditions):
                found = [self.value(part, bound) for part in others[:count]]
                results.append((found[0], found[-1]))
        return {functions.as_text(key): entry for key, entry in results} if count == 2 else [e for _, e in results]

    def _call(self, node: Node, names: Mapping[str, Any]) -> Any:
        name = node.name.removesuffix("...")
        if name in ("try", "can"):
            return self._try(node, names) if name == "try" else unknown("can() is not followed")
        arguments = [self.value(part, names) for part in node.parts]
        if node.name.endswith("..."):
            arguments = [*arguments[:-1], *arguments[-1]]
        if name in ("templatefile", "file"):
            return self._file(arguments, names, name == "templatefile")
        if name in ("jsonencode", "yamlencode"):
            # What is encoded is looked into, not sent.
            return arguments[0]
        if name == "jsondecode" and not isinstance(arguments[0], str):
            return arguments[0]
        if name == "lookup" and isinstance(arguments[0], Mapping) and is_known(arguments[1]):
            return self._member(*arguments)
        if name not in functions.TAKES_UNKNOWN:
            for argument in arguments:
                if isinstance(argument, str) and not is_known(argument):
                    return unknown("; ".join(reasons(argument)))
        try:
            return self.functions[name](*arguments) if name in self.functions else functions.call(name, arguments)
        except _FAILURES:
            why = [reason for argument in arguments for reason in reasons(argument)]
            return unknown(why[0] if why else f"{name}() in {source_of(node)} is not followed")

    def _try(self, node: Node, names: Mapping[str, Any]) -> Any:
        for part in node.parts:
            # An expression that fails ends as a mark with a reason, and one after an apply as a mark without.
            value = self.value(part, names)
            if not is_failure(value):
                return value
        return value

    def _file(self, arguments: Sequence[Any], names: Mapping[str, Any], is_template: bool) -> Any:
        name = str(arguments[0])
        file = self.stack.files.file(self.directory / name) if is_known(name) else None
        if file is None:
            return unknown(f"file {without_marks(name).rpartition('/')[2]} is not in the checkout")
        self._sources.append(f"{file.name}:1")
        variables = arguments[1] if is_template and isinstance(arguments[1], Mapping) else {}
        return self.render(file.text, file, 0, variables) if is_template else file.text

    def _variable(self, name: str) -> Result:
        if name in self._inputs:
            result = self._inputs[name]()
            if result.value is not None:
                return result
        block = next(b for b in self.folder.blocks if b.type == "variable" and b.labels == (name,))
        default = block.find("default")
        if default is None:
            return Result(unknown(f"variable {name} has no value in the checkout"))
        return self.result(default.value)

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
        source = block.find("source")
        where = source.value.name if source and source.value.kind == "string" else ""
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
        count, for_each = block.find("count"), block.find("for_each")
        if count:
            number = self.value(count.value)
            times = min(int(number), MOST_INSTANCES) if isinstance(number, int) else 1
            yield from ((f"[{at}]", {"count": {"index": at}}) for at in range(times))
        elif for_each:
            value = self.value(for_each.value)
            if isinstance(value, str):
                yield "", {"each": {"key": value, "value": value}}
                return
            for key, entry in _entries(value):
                name = entry if isinstance(value, list) else key
                yield f'["{name}"]', {"each": {"key": name, "value": entry}}
        else:
            yield "", {}


@dataclass(frozen=True)
class _Calls:
    """The instances of one resource or the calls of one module."""

    entries: tuple[Module | Instance, ...]

    def at(self, key: Any) -> Module | Instance:
        """The one with an index or a key."""
        suffixes = (f'["{key}"]', f"[{key}]")
        for each in self.entries:
            if each.address.rstrip(".").endswith(suffixes):
                return each
        raise IndexError(key)


def _provider_name(node: Node) -> str:
    """A reference to a provider, which JSON has as a text."""
    return node.name.removeprefix("${").removesuffix("}")


def source_of(node: Node) -> Source:
    """Where a node stands: the file's name and the line."""
    return f"{node.file.name}:{node.line}"


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from sorted(value.items())
    elif isinstance(value, _Calls):
        yield from enumerate(value.entries)
    else:
        yield from enumerate(value)


def _bind(variables: Sequence[str], key: Any, entry: Any) -> dict[str, Any]:
    """The variables of a for expression in one round: the key, where there are two, and the entry."""
    return {variables[0]: key, variables[-1]: entry}


def _type_of(block: Block) -> str:
    if block.type not in ("resource", "data") or len(block.labels) < 2:
        return ""
    return f"data.{block.labels[0]}" if block.type == "data" else block.labels[0]


def _unescape(text: str) -> str:
    text = text.replace("$${", "${").replace("%%{", "%{")
    return _ESCAPE.sub(lambda match: _ESCAPES[match[0]], text)


def _text_file(text: str, name: str = "a template") -> SourceFile:
    return SourceFile(Path(name), name, text.encode())
