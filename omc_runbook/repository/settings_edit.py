"""Adding a field to the application's Settings: its name, its annotation, and the line to insert it at."""

from __future__ import annotations

import ast
import difflib
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.repository.settings import (
    MAIN_CLASS,
    NO_PYTHON,
    Classes,
    Field,
    SettingsSource,
    field_name,
    is_config,
    last_name,
    parse_expression,
    parse_settings,
    union_members,
    without_warnings,
)
from omc_runbook.textfile.file import Edit, SourceFile

BUILTINS = ("str", "int", "float", "bool", "bytes", "list", "dict", "set", "tuple")
"""The types that need no import."""

BindingNode = ast.stmt | ast.Name

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_TYPE = 200
DECIDES = {"env_prefix", "env_prefix_target", "case_sensitive", "alias_generator"}
"""The options that decide the variable of a field."""
PartKind = Literal["field", "config", "text", "nothing", "function", "other"]

MARGIN = re.compile(r"[ \t\f]*")


@dataclass(frozen=True)
class NewField:
    """A field to add to class Settings."""

    key: str
    """The variable that the application reads."""
    type: str
    """An annotation: names, dots, brackets and | only."""
    required: bool
    """If False, the field's default is None."""
    description: str
    """A comment above the field; "" for none."""


@dataclass(frozen=True, kw_only=True)
class InsertionPoint:
    """Where to insert new lines: before the line with this index, which may be one past the last."""

    lines: Sequence[str]
    index: int
    indent: str
    newline: str
    above: bool
    """Whether to insert an empty line before them."""
    below: bool
    """Whether to insert an empty line after them."""

    def insert(self, new: Sequence[str]) -> str:
        """The text with the new lines inserted; if the last line had no line ending, the new last one has none."""
        block = [
            *([""] if self.above else []),
            *(f"{self.indent}{line}" for line in new),
            *([""] if self.below else []),
        ]
        text = "".join(f"{line}{self.newline}" for line in block)
        before = "".join(self.lines[: self.index])
        if not before.endswith(("\n", "\r")):
            text = f"{self.newline}{text.removesuffix(self.newline)}"
        return before + text + "".join(self.lines[self.index :])


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The statements on one line of a class's body; positions are indexes of lines."""

    kind: PartKind
    names: tuple[str, ...]
    """The fields that it declares."""
    mentions: frozenset[str]
    """The strings in it, or in the decorators of a function, where a validator names its fields."""
    lead: int
    """The first of the comments and empty lines above it."""
    first: int
    end: int


def add_field(file: SourceFile, new: NewField) -> Edit | None:
    """Make the edit that adds a field to class Settings; None if it has the field, even with another default.

    Only whole lines are added. Raises CannotEdit if the name is taken, the type is not defined above the class, or
    the class is on one line or defined twice; UsageError as `parse_settings` does.
    """
    settings, classes = parse_settings(file), Classes(file)
    _check_compiles(file)
    name = _name_of(settings, new.key)
    annotation = _annotation(classes, new)
    if _is_there(settings, new, name, annotation):
        return None
    _check_free(settings, classes, new.key, name)
    comment = "".join(filter(str.isprintable, " ".join(new.description.split())))
    lines = [f"# {comment}"] if comment else []
    text = find_insertion_point(classes, name).insert(
        [*lines, f"{name}: {annotation}{'' if new.required else ' = None'}"]
    )
    edit = file.with_text(text, f"field {name} of class {MAIN_CLASS}")
    if not _holds(settings, edit, new, name, annotation):
        raise CannotEdit(f"{file.name} could not be edited safely: add {new.key} to class {MAIN_CLASS} by hand.")
    return edit


def _check_compiles(file: SourceFile) -> None:
    try:
        with without_warnings():
            compile(file.raw, file.name, "exec", dont_inherit=True)
    except NO_PYTHON as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{file.name}{line} is not valid Python: mend it first.") from None


def _holds(settings: SettingsSource, edit: Edit, new: NewField, name: str, annotation: str) -> bool:
    """Whether an edited file is valid, has the requested field, and all other fields unchanged."""
    file = replace(edit.file, raw=edit.after)
    try:
        _check_compiles(file)
        after = parse_settings(file)
    except UsageError:
        return False
    # A class below Settings gets the new field too, and a class with Settings nested in it another variable.
    names = [(each.owner, each.name, each.variables[0], each.annotation, each.required) for each in after.fields]
    before = [(each.owner, each.name, each.variables[0], each.annotation, each.required) for each in settings.fields]
    return [each for each in names if each in before] == before and _is_there(after, new, name, annotation)


def _name_of(settings: SettingsSource, key: str) -> str:
    """The name of the new field for a variable."""
    where = settings.file.name
    if not NAME.fullmatch(key):
        raise CannotEdit("The key is no valid name: use letters, digits and _ only, and no digit at the beginning.")
    for option in sorted(DECIDES & set(settings.computed_options)):
        raise CannotEdit(f"{where} computes {option} of class {MAIN_CLASS}: add {key} by hand.")
    prefix, case = settings.env_prefix, settings.case_sensitive
    head, name = key[: len(prefix)], key[len(prefix) :]
    if head != prefix and (case or head.upper() != prefix.upper()):
        raise CannotEdit(f"{key} does not begin with {prefix}, as all variables of class {MAIN_CLASS} in {where} do.")
    own = [each.name for each in settings.fields if each.owner == MAIN_CLASS]
    name = name.lower() if own and not case and all(each == each.lower() for each in own) else name
    if not name.isidentifier() or name.startswith("_"):
        raise CannotEdit(f"{key} leaves no name for a field of class {MAIN_CLASS} in {where}: take another key.")
    if keyword.iskeyword(name):
        raise CannotEdit(f"{key} would be the field {name}, which is a word of Python: take another key.")
    return name


def _annotation(classes: Classes, new: NewField) -> str:
    """The annotation of the new field, with names that are defined above class Settings."""
    node = parse_expression(new.type) if len(new.type) <= LONGEST_TYPE else None
    words = set(_type_names(node)) if node else {""}
    if node is None or "" in words:
        raise CannotEdit(
            f"The type of {new.key} may have names, dots, brackets and | in it and no more, as in list[str]."
        )
    main = classes.nodes[MAIN_CLASS]
    bound = {name: node for name, node in _bound(_at_runtime(classes.tree.body)) if node.lineno < main.lineno}
    types = {name: node for name, node in bound.items() if not isinstance(node, ast.FunctionDef)}
    known = {*BUILTINS, *types} - {name for name, _ in _bound(main.body)}
    for word in sorted(words - known):
        # A module's name is defined too, but is no suggestion for a type.
        meant = sorted(name for name in known if not isinstance(types.get(name), ast.Import))
        near = "".join(f", or did you mean {each}?" for each in difflib.get_close_matches(word, meant, n=1))
        where = f"{classes.file.name} knows no type {word} above class {MAIN_CLASS}"
        raise CannotEdit(f"{where}: import it there first{near or '.'}")
    plain = new.type.strip()
    text = ast.unparse(node) if set(plain) & set("#\\\r\n\f") else plain
    return text if new.required or _allows_none(node) else f"{text} | None"


def _type_names(node: ast.expr, inside: str = "") -> Iterator[str]:
    """Yield the names in a type; "" for each part that is not allowed in one."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield from _type_names(node.value)
    elif isinstance(node, ast.Subscript) and last_name(node.value):
        yield from _type_names(node.value)
        for index, each in enumerate(node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]):
            # A string elsewhere is a forward reference and would be evaluated.
            quotes = last_name(node.value) == "Literal" or (last_name(node.value) == "Annotated" and index > 0)
            yield from _type_names(each, "quotes" if quotes else "brackets")
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from (*_type_names(node.left), *_type_names(node.right))
    elif isinstance(node, ast.Tuple) and inside:
        yield from (word for each in node.elts for word in _type_names(each, inside))
    elif isinstance(node, ast.Constant):
        numbers = inside and (node.value is ... or isinstance(node.value, int | float))
        if not (node.value is None or numbers or (inside == "quotes" and isinstance(node.value, str))):
            yield ""
    else:
        yield ""


def _allows_none(node: ast.expr) -> bool:
    for each in union_members(node):
        literal = isinstance(each, ast.Subscript) and last_name(each.value) == "Literal"
        parts = ast.walk(each) if literal else [each]
        if last_name(each) == "Any" or any(isinstance(part, ast.Constant) and part.value is None for part in parts):
            return True
    return False


def _is_there(settings: SettingsSource, new: NewField, name: str, annotation: str) -> bool:
    found = settings.find(new.key)
    if found is None or found.required != new.required:
        return False
    # Any default makes a field optional, as None does.
    types = (annotation, new.type)
    return _is_for(settings, found, new.key, name) and any(_same_type(found.annotation, each) for each in types)


def _is_for(settings: SettingsSource, field: Field, key: str, name: str) -> bool:
    """Whether a field is the one that would be added for a key, apart from its type and default."""
    same = _same_name(settings, field.name, name) and _same_name(settings, field.variables[0], key)
    return same and field.owner == MAIN_CLASS


def _way_on(field: Field) -> str:
    """The parameters with which add_key accepts the existing field; "" if there are none."""
    node = parse_expression(field.annotation)
    types = [ast.unparse(each) for each in union_members(node) if ast.unparse(each) != "None"] if node else []
    if len(types) != 1 or not re.fullmatch(r"\w+", types[0]):
        return ""
    return f'if that is it, set type = "{types[0]}" and required = {field.required}; else '


def _same_name(settings: SettingsSource, one: str, other: str) -> bool:
    return one == other or (not settings.case_sensitive and one.upper() == other.upper())


def _same_type(one: str, other: str) -> bool:
    """Whether two annotations mean the same type: in another order, with Optional for None, or in quotes."""
    nodes = parse_expression(one), parse_expression(other)
    if not nodes[0] or not nodes[1] or "Annotated" in one + other:
        return "".join(one.split()) == "".join(other.split())
    return _normal(nodes[0]) == _normal(nodes[1])


def _normal(node: ast.expr) -> str:
    names = set()
    for each in union_members(node):
        if isinstance(each, ast.Subscript) and last_name(each.value) != "Literal":
            inner = each.slice.elts if isinstance(each.slice, ast.Tuple) else [each.slice]
            names.add(f"{_normal(each.value)}[{', '.join(map(_normal, inner))}]")
        else:
            text = ast.unparse(each).removeprefix("typing.")
            names.add(text.lower() if text in ("List", "Dict", "Set", "Tuple") else text)
    return " | ".join(sorted(names))


def _check_free(settings: SettingsSource, classes: Classes, key: str, name: str) -> None:
    """Raise CannotEdit if something else has the variable or the name."""
    where, next_step = settings.file.name, "take another key, or change it by hand."
    named = (each for each in settings.fields if each.owner == MAIN_CLASS and each.name == name)
    for field in filter(None, (settings.find(key), *named)):
        this = _way_on(field) if _is_for(settings, field, key, name) else ""
        names = _describe_field(settings, field, key)
        raise CannotEdit(f"{where}, line {field.line}: {key} is taken by {names}: {this}{next_step}")
    for node in classes.lineage(MAIN_CLASS):
        for other, taker in _bound(node.body):
            if other == name:
                kind = _describe_binding(taker)
                raise CannotEdit(f"{where}, line {taker.lineno}: {name} is {kind} of class {node.name}: {next_step}")
    for use in (
        each for each in _visible(classes.nodes[MAIN_CLASS].body) if isinstance(each, ast.Name) and each.id == name
    ):
        raise CannotEdit(
            f"{where}, line {use.lineno}: class {MAIN_CLASS} uses the name {name} for something else: {next_step}"
        )
    from pydantic_settings import BaseSettings

    if name in dir(BaseSettings):
        raise CannotEdit(f"{name} is part of pydantic's BaseSettings, so no field can be called so: {next_step}")


def _describe_field(settings: SettingsSource, field: Field, key: str) -> str:
    """Describe a field in words; an annotation that may have a default in it is not shown."""
    plain = re.fullmatch(r"[\w., |\[\]]+", field.annotation)
    shown = f" ({field.annotation}{', required' if field.required else ''})" if plain else ""
    alias = "" if settings.find(key) != field or field.name.upper() == key.upper() else " by an alias"
    return f"the field {field.name}{shown} of class {field.owner}{alias}"


def _describe_binding(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef):
        return "an inner class"
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "a name"
    marks = [last_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
    if "computed_field" in marks:
        return "a computed field"
    if any(mark.endswith(("validator", "serializer")) for mark in marks):
        return "a validator"
    return "a property" if any(mark.endswith("property") for mark in marks) else "a method"


def _at_runtime(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module that bind names at runtime."""
    for each in body:
        if isinstance(each, ast.If) and last_name(each.test) == "TYPE_CHECKING":
            yield from _at_runtime(each.orelse)
        elif not isinstance(each, ast.AnnAssign) or each.value:
            yield each


def _visible(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes of a body, except those inside its functions and classes."""
    for each in body:
        yield each
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _visible([*each.decorator_list, each.args, *([each.returns] if each.returns else [])])
        elif not isinstance(each, ast.ClassDef):
            yield from _visible(ast.iter_child_nodes(each))


def _bound(body: Iterable[ast.AST]) -> Iterator[tuple[str, BindingNode]]:
    """Yield the names that a body binds, each with the node that binds it."""
    for each in _visible(body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name, each
        elif isinstance(each, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.split(".")[0], each) for alias in each.names)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id, each


def find_insertion_point(classes: Classes, name: str) -> InsertionPoint:
    """The line to insert a field at: below the field with the most similar name, or below the first fields.

    Raises CannotEdit for a class that is on one line or defined twice.
    """
    lines, parts = classes.lines, _parts(classes)
    below, apart = _neighbour(parts, lines, name)
    last = _last_attached(parts, lines, below) if below >= 0 else -1
    margin = MARGIN.match(lines[parts[0].first])
    indent = margin[0].rpartition("\f")[2] if margin else ""
    index = _after_comments(parts, lines, last, indent) if last >= 0 else parts[0].lead
    kind = parts[last].kind if last >= 0 else "nothing"
    above = apart or kind in ("config", "function") or (kind == "text" and not parts[below].names)
    crowded = last + 1 < len(parts) and bool(lines[index].strip())
    ends = re.search(r"[\r\n]+$", lines[index - 1])
    newline = ends[0] if ends else classes.file.newline
    return InsertionPoint(
        lines=lines,
        index=index,
        indent=indent,
        newline=newline,
        above=above,
        below=crowded and (above or last < 0),
    )


def _parts(classes: Classes) -> list[_Part]:
    """The body of class Settings, by its lines."""
    name, lines, node = classes.file.name, classes.lines, classes.nodes[MAIN_CLASS]
    if sum(isinstance(each, ast.ClassDef) and each.name == MAIN_CLASS for each in classes.tree.body) > 1:
        raise CannotEdit(f"{name} has class {MAIN_CLASS} twice: keep one of them.")
    top = _first_line(node.body[0])
    if top == node.lineno - 1 or lines[top].encode()[: node.body[0].col_offset].strip() or _goes_on(lines[top - 1]):
        raise CannotEdit(
            f"{name}, line {node.lineno} has class {MAIN_CLASS} on one line: give its body lines of its own."
        )
    parts: list[_Part] = []
    rest = list(node.body)
    while rest:
        first, here = _first_line(rest[0]), rest[:1]
        end = _end(lines, rest[0])
        while len(here) < len(rest) and _first_line(rest[len(here)]) < end:
            end = _end(lines, rest[len(here)])
            here.append(rest[len(here)])
        rest = rest[len(here) :]
        kind = _part_kind(here)
        if kind == "function":
            end = _inner_comments(lines, end, _margin(lines[first]))
        lead = first
        while lead > (parts[-1].end if parts else node.lineno) and (
            _is_comment(lines[lead - 1]) or not lines[lead - 1].strip()
        ):
            lead -= 1
        texts = frozenset(text for statement in here for text in _strings(statement))
        names = tuple(filter(None, map(field_name, here)))
        parts.append(_Part(kind=kind, names=names, mentions=texts, lead=lead, first=first, end=end))
    return parts


def _end(lines: Sequence[str], statement: ast.stmt) -> int:
    """The index of the line after a statement and its continuation lines."""
    last = (statement.end_lineno or statement.lineno) - 1
    tail = lines[last].encode()[statement.end_col_offset :].decode()
    while _goes_on(tail) and last + 1 < len(lines):
        last += 1
        tail = lines[last]
    return last + 1


def _goes_on(tail: str) -> bool:
    """Whether a line ends in a backslash that is not in a comment."""
    return "#" not in tail and tail.rstrip("\r\n").endswith("\\")


def _inner_comments(lines: Sequence[str], end: int, margin: int) -> int:
    """The line after a function and the comments at its body's indentation."""
    for index in range(end, len(lines)):
        if _is_comment(lines[index]) and _margin(lines[index]) > margin:
            end = index + 1
        elif lines[index].strip():
            break
    return end


def _first_line(statement: ast.stmt) -> int:
    """The index of a statement's first line, including decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)]) - 1


def _part_kind(statements: list[ast.stmt]) -> PartKind:
    first = statements[0]
    if any(map(field_name, statements)):
        return "field"
    if any(map(is_config, statements)):
        return "config"
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "function"
    value = first.value.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    if isinstance(value, str):
        return "text"
    return "nothing" if isinstance(first, ast.Pass) or value is ... else "other"


def _strings(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        roots: list[ast.AST] = [*statement.decorator_list]
    else:
        roots = [statement]
    for each in (node for root in roots for node in ast.walk(root)):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _neighbour(parts: list[_Part], lines: Sequence[str], name: str) -> tuple[int, bool]:
    """The part to insert below, -1 for the top of the class, and whether to leave an empty line."""
    fields = {own: index for index, part in enumerate(parts) for own in part.names}
    if not fields:
        configs = [index for index, part in enumerate(parts) if part.kind == "config"]
        heads = next((index for index, part in enumerate(parts) if part.kind not in ("text", "nothing")), len(parts))
        return (configs[-1] if configs else heads - 1), False
    words = name.upper().split("_")
    others = {own: own.upper().split("_") for own in fields}
    leading = {own: _common_words(words, other) for own, other in others.items()}
    trailing = {own: _common_words(words[::-1], other[::-1]) for own, other in others.items()}
    if (most := max(leading.values())) > 0:
        relative = max(fields[own] for own, count in leading.items() if count == most)
        return relative, _stands_alone(parts, lines, relative)
    if (most := max(trailing.values())) > 1:
        relative = _group_end(parts, lines, max(fields[own] for own, count in trailing.items() if count == most))
        return relative, _stands_alone(parts, lines, relative)
    first = last = min(fields.values())
    for index in range(first, len(parts)):
        if parts[index].kind not in ("field", "text", "config"):
            break
        last = index if parts[index].names else last
    groups = any(not _is_close(parts[index], lines) for index in range(first + 1, last + 1))
    return last, groups


def _stands_alone(parts: list[_Part], lines: Sequence[str], index: int) -> bool:
    """Whether empty lines separate a field from its neighbors, and most fields of the class."""
    fields = [each for each, part in enumerate(parts) if part.names]
    pairs = list(pairwise(fields))
    gaps = [not all(_is_close(parts[each], lines) for each in range(one + 1, other + 1)) for one, other in pairs]
    beside = all(gap for gap, pair in zip(gaps, pairs, strict=True) if index in pair)
    return len(gaps) > 1 and beside and sum(gaps) * 2 > len(gaps)


def _group_end(parts: list[_Part], lines: Sequence[str], index: int) -> int:
    """The last of the fields directly below a field whose names begin with the same word."""
    word = parts[index].names[-1].upper().split("_")[0]
    for each in range(index + 1, len(parts)):
        same = parts[each].names and parts[each].names[0].upper().split("_")[0] == word
        if not same or not _is_close(parts[each], lines):
            return each - 1
    return len(parts) - 1


def _common_words(words: list[str], others: list[str]) -> int:
    """The number of leading words that two names share."""
    pairs = zip(words, others, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(words), len(others)))


def _last_attached(parts: list[_Part], lines: Sequence[str], index: int) -> int:
    """The last part that belongs to a field: its docstring, and the validators that name it."""
    names, last = set(parts[index].names), index
    for each in range(index + 1, len(parts) if names else 0):
        part = parts[each]
        if part.kind == "field":
            break
        text = part.kind == "text" and each == index + 1
        next_to_it = part.kind == "function" and each == last + 1 and _is_close(part, lines)
        if text or next_to_it or (part.kind in ("function", "other") and part.mentions & names):
            last = each
    return last


def _is_close(part: _Part, lines: Sequence[str]) -> bool:
    """Whether no empty line is above a part."""
    return all(map(str.strip, lines[part.lead : part.first]))


def _after_comments(parts: list[_Part], lines: Sequence[str], index: int, indent: str) -> int:
    """The line after a part and its trailing comments; comments directly above another part belong to that."""
    is_last = index + 1 == len(parts)
    stop = len(lines) if is_last else parts[index + 1].first
    deeper = parts[index].end
    while deeper < stop and _is_comment(lines[deeper]) and _margin(lines[deeper]) > _margin(indent):
        deeper += 1
    level = deeper
    while level < stop and _is_comment(lines[level]) and _margin(lines[level]) == _margin(indent):
        level += 1
    return level if is_last or (level < stop and not lines[level].strip()) else deeper


def _is_comment(line: str) -> bool:
    return line.strip().startswith("#")


def _margin(line: str) -> int:
    """How far a line is indented, as Python counts it."""
    margin = MARGIN.match(line)
    return len(margin[0].rpartition("\f")[2].expandtabs(8)) if margin else 0
