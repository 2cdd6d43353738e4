"""Conditions in the validators of Settings: which variable another variable's value makes required."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from omc_runbook.repository.python_syntax import assigned, negated, operands, text_of

Choice = tuple[str, frozenset[str]]
"""A field, and the values that a branch of a validator is for."""

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
"""The texts that pydantic takes for True."""


@dataclass(frozen=True)
class Condition:
    """A variable that is required where another one has one of some values."""

    required: str
    chooser: str
    options: frozenset[str]


def find_conditions(
    lineage: Iterable[ast.ClassDef],
    enums: Mapping[str, Mapping[str, str]],
    variables: Mapping[str, str],
    flags: Collection[str],
) -> Iterator[Condition]:
    """Yield what the methods of a class and its bases raise an error for.

    `enums` are the values of the file's enumerations, `variables` the first variable of each field, `flags` the fields
    that are true or false. What cannot be read yields nothing.
    """
    for node in lineage:
        for method in node.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                for field, (chooser, options) in _Validator(enums, flags, method).find(method.body, ()):
                    if field in variables and chooser in variables:
                        yield Condition(variables[field], variables[chooser], options)


class _Validator:
    """One method, with the dicts that its local variables are."""

    def __init__(
        self,
        enums: Mapping[str, Mapping[str, str]],
        flags: Collection[str],
        method: ast.FunctionDef | ast.AsyncFunctionDef,
    ) -> None:
        self._enums, self._flags = enums, flags
        self._locals = dict(assigned(ast.walk(method)))

    def find(self, body: Iterable[ast.stmt], choices: tuple[Choice, ...]) -> Iterator[tuple[str, Choice]]:
        """Yield the fields that a branch requires, each with the choice that leads to it."""
        for each in body:
            if isinstance(each, ast.If):
                yield from self._branch(each.test, each.body, choices)
                yield from self.find(each.orelse, choices)
            elif isinstance(each, ast.Assert):
                yield from self._branch(negated(each.test), [ast.Raise()], choices)
            elif isinstance(each, ast.Match):
                chooser = self._field(each.subject)
                for case in each.cases:
                    options = frozenset(self._patterns(case.pattern))
                    inner = (*choices, (chooser, options)) if chooser and options else choices
                    test = case.guard or ast.Constant(True)
                    # What the last case is for is everything else.
                    yield from self._branch(test, case.body, inner) if options else ()

    def _branch(
        self, test: ast.expr, body: list[ast.stmt], choices: tuple[Choice, ...]
    ) -> Iterator[tuple[str, Choice]]:
        parts = operands(test, ast.And)
        own = [choice for part in parts if (choice := self._choice(part))]
        absent = [part for part in parts if not self._choice(part)]
        inner = (*choices, *own)
        raises = any(isinstance(each, ast.Raise) for each in body)
        if raises and len(absent) == 1:
            if len(inner) == 1:
                yield from ((name, inner[0]) for name in self._absent(absent[0]))
            yield from self._lookup(absent[0]) if not inner else ()
        elif not absent or all(isinstance(each, ast.Constant) for each in absent):
            yield from self.find(body, inner)

    def _choice(self, node: ast.expr) -> Choice | None:
        """The field and the values of `self.X == "a"`, `self.X in ("a", "b")`, or `self.X` that is true or false."""
        if (flag := self._field(node)) in self._flags:
            return flag, _TRUE
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
                for one, other in ((left, right), (right, left)):
                    if (name := self._field(one)) and (option := self._option(other)):
                        return name, frozenset({option})
            case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.Tuple() | ast.List() | ast.Set() as listed]):
                name, options = self._field(left), [self._option(each) for each in listed.elts]
                return (name, frozenset(options)) if name and all(options) else None
        return None

    def _absent(self, node: ast.expr) -> Iterator[str]:
        """The fields that a test finds without a value; none where one of several is enough."""
        match node:
            case ast.BoolOp(op=ast.Or(), values=parts):
                for each in parts:
                    yield from self._absent(each)
            case _ if tested := _without_value(node):
                yield from filter(None, (self._field(tested),))

    def _lookup(self, node: ast.expr) -> Iterator[tuple[str, Choice]]:
        """What a test of a dict's value requires: `not {"openai": self.OPENAI_API_KEY, …}[self.LLM_PROVIDER]`."""
        tested = _without_value(node)
        operand = self._resolve(tested) if tested else None
        match operand:
            case ast.Call(func=ast.Name(id="getattr"), args=[_, name, *_]):
                operand = self._resolve(name)
        match operand:
            case (
                ast.Subscript(value=table, slice=key)
                | ast.Call(func=ast.Attribute(attr="get", value=table), args=[key, *_])
            ):
                table, chooser = self._resolve(table), self._field(key)
                pairs = zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) and chooser else ()
                for option, value in pairs:
                    text = self._option(option) if option else ""
                    required = self._field(value) or self._option(value)
                    if text and required:
                        yield required, (chooser, frozenset({text}))

    def _resolve(self, node: ast.expr) -> ast.expr:
        return self._locals.get(node.id, node) if isinstance(node, ast.Name) else node

    def _field(self, node: ast.expr, followed: frozenset[str] = frozenset()) -> str:
        """The field that an expression reads: `self.X`, `self.X.lower()`, `values.get("X")`, `values["X"]`.

        `followed` are the local variables that led to the expression: value = value.lower() has no end.
        """
        match node:
            case ast.Attribute(attr="value", value=inner) if found := self._field(inner, followed):
                return found
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "v")):
                return name
            case ast.Call(func=ast.Attribute(attr="lower" | "strip" | "casefold" | "get_secret_value", value=inner)):
                return self._field(inner, followed)
            case (
                ast.Call(func=ast.Attribute(attr="get", value=ast.Name()), args=[key, *_])
                | ast.Subscript(value=ast.Name(), slice=key)
            ):
                return self._option(key)
            case ast.Name(id=name) if name in self._locals and name not in followed:
                value = self._locals[name]
                return "" if isinstance(value, ast.Name) else self._field(value, followed | {name})
        return ""

    def _option(self, node: ast.expr) -> str:
        """A text, or the value of an enumeration's member."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self._enums.get(node.value.id, {}).get(node.attr, "")
        return text_of(node)

    def _patterns(self, pattern: ast.pattern) -> Iterator[str]:
        if isinstance(pattern, ast.MatchValue):
            yield from filter(None, (self._option(pattern.value),))
        elif isinstance(pattern, ast.MatchOr):
            for each in pattern.patterns:
                yield from self._patterns(each)


def _without_value(test: ast.expr) -> ast.expr | None:
    """What is empty where a test is true."""
    match test:
        case (
            ast.UnaryOp(op=ast.Not(), operand=tested)
            | ast.Compare(left=tested, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=None | "")])
        ):
            return tested
    return None
