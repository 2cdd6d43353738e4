"""The value of an expression of Terraform's language, with the names that where it stands gives it.

What is known only after an apply, such as an ARN, stays a mark within the text; what cannot be followed is a mark with
the reason.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform import functions
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_template import Part, expression_of, heredoc_span, only_expression, parse_template
from omc_runbook.terraform.marks import failed, is_failure, is_known, is_mark, reasons, unknown, without_marks
from omc_runbook.textfile.file import SourceFile

DEEPEST = 60
"""The deepest chain of expressions that is followed; a cycle has no end."""
MOST_ENTRIES = 20_000
"""How many rounds of loops, and entries of functions' lists, one expression may have: nested loops multiply them."""
LONGEST = 1_000_000
"""How many characters a text may have: modules that pass it on several times over multiply them."""

_WORDS = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(r"([$%])\1(?=\{)")
"""$${ and %%{, which begin no interpolation and no directive."""
_QUOTED_ESCAPE = re.compile(_ESCAPE.pattern + r'|\\(["\\nrt]|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})')
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}
_FAILURES = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, StopIteration)
"""What a function raises for arguments that it cannot take, as Terraform would refuse them."""

Source = str
"""A position in the checkout: the file's name and the line."""


@dataclass(frozen=True)
class Result:
    """A value, and where the literals that it is made from stand."""

    value: Any
    sources: tuple[Source, ...] = ()


class Object(ABC):
    """Something whose attributes are found when they are asked for."""

    @abstractmethod
    def attribute(self, name: str) -> Result:
        """An attribute by its name."""

    def at(self, key: Any) -> Any:
        """An element by its index or key."""
        raise IndexError(key)


@dataclass(frozen=True)
class Lookup(Object):
    """An object whose members are found when they are asked for, such as another state's outputs."""

    get: Callable[[str], Any]

    def attribute(self, name: str) -> Result:
        """A member by its name."""
        return Result(self.get(name))

    def at(self, key: Any) -> Any:
        """A member by its name."""
        return self.get(key)


@dataclass(frozen=True)
class Objects(Object):
    """The instances of one resource or the calls of one module."""

    entries: tuple[Object, ...]
    is_open: bool = False
    """Whether not all keys of a for_each are known."""

    def attribute(self, name: str) -> Result:
        """An attribute of the first one."""
        return self.entries[0].attribute(name)

    def items(self) -> Iterator[tuple[Any, Object]]:
        """Each one with its key of a for_each or its number."""
        for number, each in enumerate(self.entries):
            address = getattr(each, "address", "").rstrip(".")
            if address.endswith('"]'):
                yield address[address.rindex('["') + 2 : -2], each
            else:
                yield unknown("a key of for_each is not known") if self.is_open else number, each

    def at(self, key: Any) -> Object | str:
        """The one with an index or a key; a mark where there may be one. Raises IndexError where there is none."""
        suffixes = (f'["{key}"]', f"[{key}]")
        for each in self.entries:
            if getattr(each, "address", "").rstrip(".").endswith(suffixes):
                return each
        if self.is_open:
            return unknown(f"whether there is an instance {key} is not known")
        raise IndexError(key)


class _TooManyError(Exception):
    """An expression has more than `MOST_ENTRIES`."""


class Expressions(ABC):
    """The evaluation of expressions in one place."""

    def __init__(self) -> None:
        self.functions: Mapping[str, Callable[..., Any]] = {}
        """The functions that its files have beyond Terraform's."""
        self._sources: list[Source] = []
        self._depth = 0
        self._entries = 0

    @abstractmethod
    def referent(self, first: str, rest: Sequence[str]) -> tuple[Result, Sequence[str]]:
        """What a path begins with, by its first part and the others, and the attributes that follow."""

    @abstractmethod
    def file(self, name: str) -> SourceFile | None:
        """A file by its path in an expression; None for one that is not in the checkout."""

    @abstractmethod
    def lacks(self, name: str) -> bool:
        """Whether a file is not there, and neither outside the checkout nor one that cannot be read."""

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
        self._entries = self._entries if self._depth else 0
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                return unknown("it refers to itself")
            value = self._evaluate(node, names)
            is_long = isinstance(value, str) and len(value) > LONGEST
            return (
                unknown(f"an expression in {node.location} has more than {LONGEST:,} characters") if is_long else value
            )
        except _TooManyError:
            return unknown(f"an expression in {node.location} has more than {MOST_ENTRIES:,} entries")
        except _FAILURES:
            return failed(f"an expression in {node.location} could not be evaluated")
        finally:
            self._depth -= 1

    def render(
        self, text: str, file: SourceFile, position: int, bindings: Mapping[str, Any], is_quoted: bool = False
    ) -> str:
        """Fill the interpolations and directives of a template that begins at a position of a file.

        Only a quoted string has escapes such as \\n; a heredoc and a file have none.
        """
        escapes = _QUOTED_ESCAPE if is_quoted else _ESCAPE
        try:
            return self._fill(parse_template(text), file, position, bindings, escapes)
        except (ValueError, OverflowError):
            return unknown(f"a template in {file.name} has directives that are not followed")

    def _fill(
        self, parts: Sequence[Part], file: SourceFile, position: int, names: Mapping[str, Any], escapes: re.Pattern[str]
    ) -> str:
        pieces: list[str] = []
        for part in parts:
            if part.kind == "text":
                pieces.append(escapes.sub(_unescape, part.text))
                continue
            value = self._of_part(part, file, position, names)
            if part.kind == "value":
                pieces.append(self._as_text(value, part, file))
            elif isinstance(value, str) and value not in ("true", "false"):
                pieces.append(value if not is_known(value) else unknown(f"{part.text} in {file.name} is a text"))
            elif part.kind == "if":
                body = part.body if functions.as_bool(value) else part.otherwise
                pieces.append(self._fill(body, file, position, names, escapes))
            else:
                rounds = (_bind(part.names, *entry) for entry in self._rounds(value))
                pieces += [self._fill(part.body, file, position, {**names, **bound}, escapes) for bound in rounds]
        return "".join(pieces)

    def _of_part(self, part: Part, file: SourceFile, position: int, names: Mapping[str, Any]) -> Any:
        """The value of an expression in a template."""
        try:
            return self.value(expression_of(part.text, file, position + part.at), names)
        except UsageError:
            return unknown(f"an interpolation in {file.name} is not valid")

    def _as_text(self, value: Any, part: Part, file: SourceFile) -> str:
        try:
            # What jsonencode() returns is a text here alone; see `_call`. What is not known may be more than a text.
            is_encoded = part.text.startswith("jsonencode(") and not is_mark(value)
            return json.dumps(value, ensure_ascii=False) if is_encoded else functions.as_text(value)
        except TypeError:
            return unknown(f"{part.text} in {file.name} is not a string")

    def _evaluate(self, node: Node, names: Mapping[str, Any]) -> Any:
        match node.kind:
            case "string":
                self._sources.append(node.location)
                expression = only_expression(node)
                if expression is None:
                    return self.render(node.name, node.file, node.start + 1, names, is_quoted=True)
                # A list or an object that stands alone in a template stays one.
                value = self.value(expression, names)
                return functions.as_text(value) if isinstance(value, bool | int | float) else value
            case "heredoc":
                return self._heredoc(node, names)
            case "number":
                self._sources.append(node.location)
                return functions.as_number(node.name)
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
                if not is_known(value):
                    return value
                return not functions.as_bool(value) if node.name == "!" else -functions.as_number(value)
            case "for" | "object-for":
                return self._for(node, names)
            case "call":
                return self._call(node, names)
            case _:
                return unknown(f"an expression in {node.location} is not followed")

    def _object(self, node: Node, names: Mapping[str, Any]) -> functions.SourcedObject:
        table = functions.SourcedObject()
        for part in node.parts:
            key = self._key(part, names)
            result = self.result(part.value, names)
            table[key], table.sources[key] = result.value, result.sources
        return table

    def _member(self, table: Mapping[Any, Any], key: Any, *default: Any) -> Any:
        """A member of an object; what it is made from counts, and the other members do not."""
        self._sources += table.sources.get(key, ()) if isinstance(table, functions.SourcedObject) else ()
        return functions.member(table, key, *default)

    def _key(self, member: Node, names: Mapping[str, Any]) -> str:
        key = member.parts[0]
        return member.name if key.kind == "path" else functions.as_text(self.value(key, names))

    def _heredoc(self, node: Node, names: Mapping[str, Any]) -> str:
        start, end = heredoc_span(node)
        if not start:
            return unknown(f"the heredoc in {node.location} is not followed")
        self._sources.append(node.location)
        body = node.file.text[start:end]
        if node.source.startswith("<<-"):
            indents = [len(line) - len(line.lstrip()) for line in body.splitlines() if line.strip()]
            strip = min(indents, default=0)
            body = "".join(line[strip:] if line.strip() else line for line in body.splitlines(keepends=True))
            return self.render(body, text_file(body, node.file.name), 0, names)
        return self.render(body, node.file, start, names)

    def _path(self, name: str, names: Mapping[str, Any]) -> Any:
        first, *rest = name.split(".")
        if name in _WORDS:
            return _WORDS[name]
        if first in names:
            return self._attributes(names[first], rest)
        result, attributes = self.referent(first, rest)
        self._sources += result.sources
        return self._attributes(result.value, attributes)

    def _attributes(self, value: Any, names: Sequence[str]) -> Any:
        for at, name in enumerate(names):
            if name == "*":
                return self._splat(value, ".".join(names[at + 1 :]))
            value = self._attribute(value, name)
        return value

    def _attribute(self, value: Any, name: str) -> Any:
        match value:
            case Object():
                result = value.attribute(name)
                self._sources += result.sources
                return result.value
            case str():
                return value if not is_known(value) else failed(f"{name} of a text")
            case _:
                return self._member(value, name) if isinstance(value, Mapping) else value[name]

    def _index(self, value: Any, key: Any) -> Any:
        if not is_known(key):
            return key
        match value:
            case Object():
                return value.at(key)
            case str():
                return value if not is_known(value) else failed("an index of a text")
            case _:
                if isinstance(value, Mapping):
                    return self._member(value, functions.as_text(key))
                return functions.entry(value, key)

    def _splat(self, value: Any, attribute: str) -> Any:
        if isinstance(value, str) and not is_known(value):
            return value
        if value is None:
            return []
        entries = value.entries if isinstance(value, Objects) else value if isinstance(value, list | tuple) else [value]
        names = attribute.split(".") if attribute else []
        return [self._attributes(each, names) for each in entries]

    def _conditional(self, node: Node, names: Mapping[str, Any]) -> Any:
        condition, yes, no = node.parts
        test = self.value(condition, names)
        if is_known(test):
            return self.value(yes if functions.as_bool(test) else no, names)
        if is_failure(test):
            return test
        branches = [self.value(yes, names), self.value(no, names)]
        if branches[0] == branches[1]:
            return branches[0]
        return unknown(f"the condition in {node.location} depends on what is not known: {'; '.join(reasons(test))}")

    def _binary(self, node: Node, names: Mapping[str, Any]) -> Any:
        left, operator = self.value(node.parts[0], names), node.name
        if operator in ("&&", "||") and is_known(left) and functions.as_bool(left) is (operator == "||"):
            return functions.as_bool(left)
        right = self.value(node.parts[1], names)
        # An unset text is "" or null; one with a mark is neither.
        if operator in ("==", "!=") and (left in ("", None) or right in ("", None)):
            return (left == right) is (operator == "==")
        for value in (left, right):
            if not is_known(value):
                return value
        return functions.OPERATORS[operator](left, right)

    def _for(self, node: Node, names: Mapping[str, Any]) -> Any:
        collection, *others = node.parts
        value = self.value(collection, names)
        if isinstance(value, str):
            return value if not is_known(value) else unknown(f"the for expression in {node.location} is over a text")
        variables = node.name.split(",")
        results: list[tuple[Any, Any]] = []
        count = 2 if node.kind == "object-for" else 1
        for key, entry in self._rounds(value):
            bound = {**names, **_bind(variables, key, entry)}
            conditions = [self.value(part, bound) for part in others[count:]]
            if all(not is_known(condition) or functions.as_bool(condition) for condition in conditions):
                found = [self.value(part, bound) for part in others[:count]]
                results.append((found[0], found[-1]))
        return {functions.as_text(key): entry for key, entry in results} if count == 2 else [e for _, e in results]

    def _rounds(self, value: Any) -> Iterator[tuple[Any, Any]]:
        """The entries that a loop is over, counted one by one."""
        for entry in entries_of(value):
            self._count(1)
            yield entry

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MOST_ENTRIES:
            raise _TooManyError

    def _call(self, node: Node, names: Mapping[str, Any]) -> Any:
        name = node.name.removesuffix("...")
        if name == "try":
            return self._try(node, names)
        if name == "can":
            value = self.value(node.parts[0], names)
            return not is_failure(value) and (is_known(value) or unknown("; ".join(reasons(value))))
        arguments = [self.value(part, names) for part in node.parts]
        if node.name.endswith("..."):
            arguments = [*arguments[:-1], *arguments[-1]]
        if name in ("templatefile", "file"):
            return self._file(arguments, name == "templatefile")
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
                    return argument if is_failure(argument) else unknown("; ".join(reasons(argument)))
        try:
            result = self.functions[name](*arguments) if name in self.functions else functions.call(name, arguments)
            self._count(len(result) if isinstance(result, list) else 0)
            return result
        except _FAILURES as error:
            why = [reason for argument in arguments for reason in reasons(argument)]
            sentence = f"{name}() in {node.location} is not followed"
            is_followed = name in self.functions or functions.follows(name, error)
            # The instances of a resource are a list or a map to Terraform.
            is_followed = is_followed and not any(isinstance(argument, Object) for argument in arguments)
            return failed(sentence) if is_followed and not why else unknown(why[0] if why else sentence)

    def _try(self, node: Node, names: Mapping[str, Any]) -> Any:
        value: Any = failed(f"try() in {node.location} has no arguments")
        for part in node.parts:
            # What is only unknown here may have a value there.
            value = self.value(part, names)
            if not is_failure(value):
                return value
        return value

    def _file(self, arguments: Sequence[Any], is_template: bool) -> Any:
        name = str(arguments[0])
        file = self.file(name) if is_known(name) else None
        if file is None:
            reason = f"file {without_marks(name).rpartition('/')[2]} is not in the checkout"
            return failed(reason) if is_known(name) and self.lacks(name) else unknown(reason)
        self._sources.append(f"{file.name}:1")
        variables = arguments[1] if is_template and isinstance(arguments[1], Mapping) else {}
        return self.render(file.text, file, 0, variables) if is_template else file.text


def entries_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """The entries of a map, in the order of their keys, or of a list with their numbers."""
    if isinstance(value, Mapping):
        yield from sorted(value.items())
    elif isinstance(value, functions.Set):
        yield from zip(value, value, strict=True)
    elif isinstance(value, Objects):
        yield from value.items()
    else:
        yield from enumerate(value)


def _bind(variables: Sequence[str], key: Any, entry: Any) -> dict[str, Any]:
    """The variables of a for expression in one round: the key, where there are two, and the entry."""
    return {variables[0]: key, variables[-1]: entry}


def _unescape(escape: re.Match[str]) -> str:
    if escape[1]:
        return escape[1]
    letter = escape[2]
    return chr(int(letter[1:], 16)) if len(letter) > 1 else _LETTERS.get(letter, letter)


def text_file(text: str, name: str = "a template") -> SourceFile:
    """A text as if it stood in a file of this name."""
    return SourceFile(Path(name), name, text.encode())
