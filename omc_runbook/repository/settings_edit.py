"""Adding a field to the application's Settings: its name, its annotation, and where to insert it."""

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
from omc_runbook.repository.python_syntax import (
    in_brackets,
    is_value,
    last_name,
    parse_expression,
    python_errors,
    texts_of,
    union_members,
)
from omc_runbook.repository.settings import parse_settings, settings_of
from omc_runbook.repository.settings_classes import Classes, field_name, is_config
from omc_runbook.repository.settings_search import MAIN_CLASS
from omc_runbook.repository.settings_source import Field, SettingsSource
from omc_runbook.repository.similar_names import FEWEST_LAST_WORDS, common_words, share_first_word
from omc_runbook.textfile.file import Edit, SourceFile

BUILTINS = ("str", "int", "float", "bool", "bytes", "list", "dict", "set", "tuple")
"""The types that need no import."""

BindingNode = ast.stmt | ast.Name

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_TYPE = 200
NAME_OPTIONS = {"env_prefix", "env_prefix_target", "case_sensitive", "alias_generator"}
"""The options that decide the variable of a field."""
_NONE = re.compile(r"\bOptional\[|\|\s*None\b")
"""How a file says that a value may be None."""
NEXT_STEP = "use another key, or change it by hand."
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
class _Part:
    """The statements on one line of a class's body; positions are indexes of lines."""

    kind: PartKind
    names: tuple[str, ...]
    """The fields that it declares."""
    strings: frozenset[str]
    """The strings in it, or in the decorators of a function, where a validator names its fields."""
    lead: int
    """The first of the comments and empty lines above it."""
    is_close: bool
    """Whether no empty line is above it."""
    first: int
    end: int


def add_field(
    file: SourceFile, new: NewField, main: str = MAIN_CLASS, known: SettingsSource | None = None
) -> Edit | None:
    """Make the edit that adds a field to the class `main`; None if it has the field, even with another default.

    `known` are the checkout's Settings, where other files have classes of settings too: a field of theirs counts.
    Only whole lines are added. Raises CannotEdit if the name is taken, the type is not defined above the class, or
    the class is on one line or defined twice; UsageError as `parse_settings` does.
    """
    classes = Classes(file, main)
    settings = settings_of(classes)
    _check_compiles(file)
    # A field that is there may have a type that the file does not import, and a name that no new field would get.
    known = known or settings
    if _is_nested(known, new) or _has_field(known, new):
        return None
    if field := known.find(new.key):
        raise _name_in_use(field, new.key, known, _advise_reuse(field) if _is_first(known, field, new.key) else "")
    _check_outside_models(known, classes, new.key)
    name, annotation = _name_of(settings, new.key), _annotation(classes, new)
    _check_derived(settings, known, new.key, name)
    _check_free(settings, classes, new.key, name)
    comment = "".join(filter(str.isprintable, " ".join(new.description.split())))
    comment_lines = [f"# {comment}"] if comment else []
    declaration = f"{name}: {annotation}{'' if new.required else ' = None'}"
    edit = file.with_text(_insert(classes, name, [*comment_lines, declaration]), f"field {name} of class {main}")
    if not _is_correct(edit, settings, new, name, annotation):
        raise CannotEdit(f"{file.name} could not be edited safely: add {new.key} to class {main} by hand.")
    return edit


def _check_compiles(file: SourceFile) -> None:
    with python_errors(file):
        compile(file.raw, file.name, "exec", dont_inherit=True)


def _is_correct(edit: Edit, settings: SettingsSource, new: NewField, name: str, annotation: str) -> bool:
    """Whether an edited file is valid, has the requested field, and all other fields unchanged."""
    file = replace(edit.file, raw=edit.after)
    try:
        _check_compiles(file)
        after = parse_settings(file, settings.name)
    except UsageError:
        return False
    # A class derived from Settings gets the new field too, and a class with Settings nested in it another variable.
    old_fields, new_fields = _contents(settings), _contents(after)
    is_unchanged = [each for each in new_fields if each in old_fields] == old_fields
    field = after.find(new.key)
    is_there = field is not None and (field.owner, field.name, field.required) == (after.name, name, new.required)
    return is_unchanged and is_there and field is not None and _same_type(field.annotation, annotation)


def _contents(settings: SettingsSource) -> list[tuple[str, str, str, str, bool]]:
    """The fields without their lines, to compare."""
    return [(each.owner, each.name, each.variables[0], each.annotation, each.required) for each in settings.fields]


def _name_of(settings: SettingsSource, key: str) -> str:
    """The name of the new field for a variable."""
    where, main = settings.path, settings.name
    if not NAME.fullmatch(key):
        raise CannotEdit("The key is not a valid name: use letters, digits and _ only, and do not begin with a digit.")
    for option in sorted(NAME_OPTIONS & set(settings.computed_options)):
        raise CannotEdit(f"{where} computes {option} of class {main}: add {key} by hand.")
    prefix, exact = settings.env_prefix, settings.case_sensitive
    beginning, name = key[: len(prefix)], key[len(prefix) :]
    advised = f"{prefix if exact else prefix.upper()}{key}"
    if beginning != prefix and (exact or beginning.upper() != prefix.upper()):
        raise CannotEdit(
            f"{key} does not begin with {prefix}, which class {main} in {where} puts before the names of its fields:"
            f" use the key {advised}, or add a field {key.lower()} with {settings.alias(key)} by hand, which is then"
            " left as it is."
        )
    names = [each.name for each in settings.fields if each.owner == main]
    name = name.lower() if names and not exact and all(each == each.lower() for each in names) else name
    if not name.isidentifier() or name.startswith("_"):
        raise CannotEdit(f"{key} leaves no valid name for a field of class {main} in {where}: use another key.")
    if keyword.iskeyword(name):
        raise CannotEdit(f"{key} would be the field {name}, which is a keyword of Python: use another key.")
    return name


def _annotation(classes: Classes, new: NewField) -> str:
    """The annotation of the new field, with names that are defined above class Settings."""
    node = parse_expression(new.type) if len(new.type) <= LONGEST_TYPE else None
    words = set(_type_names(node)) if node else {""}
    if node is None or "" in words:
        raise CannotEdit(f"The type of {new.key} may have only names, dots, brackets and | in it, as in list[str].")
    main = classes.nodes[classes.main]
    above = {name: node for name, node in _bindings(_at_runtime(classes.tree.body)) if node.lineno < main.lineno}
    types = {name: node for name, node in above.items() if not isinstance(node, ast.FunctionDef)}
    names = {*BUILTINS, *types} - {name for name, _ in _bindings(main.body)}
    for word in sorted(words - names):
        # A module's name is defined too, but is not a type.
        candidates = sorted(name for name in names if not isinstance(types.get(name), ast.Import))
        suggestion = "".join(f", or did you mean {each}?" for each in difflib.get_close_matches(word, candidates, n=1))
        problem = f"{classes.file.name} defines no type {word} above class {classes.main}"
        raise CannotEdit(f"{problem}: import it there first{suggestion or '.'}")
    text = new.type.strip()
    text = ast.unparse(node) if set(text) & set("#\\\r\n\f") else text
    if new.required or _allows_none(node):
        return text
    # A file that writes Optional may be for a Python in which a type has no |.
    is_older = "Optional" in names and {*_NONE.findall(classes.file.text)} == {"Optional["}
    return f"Optional[{text}]" if is_older else f"{text} | None"


def _type_names(node: ast.expr, inside: str = "") -> Iterator[str]:
    """Yield the names in a type; "" for each part that is not allowed in one."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield from _type_names(node.value)
    elif isinstance(node, ast.Subscript) and last_name(node.value):
        yield from _type_names(node.value)
        for index, each in enumerate(in_brackets(node)):
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
        if last_name(each) == "Any" or any(is_value(part, None) for part in parts):
            return True
    return False


def _is_nested(settings: SettingsSource, new: NewField) -> bool:
    """Whether a field of a nested model reads the variable; raises CannotEdit if it is not as it should be."""
    for field in settings.fields:
        for variable, part in field.nested.items():
            if not _same_name(settings, variable, new.key):
                continue
            if part.required != new.required:
                raise CannotEdit(
                    f"{field.file}, line {field.line}: {new.key} is read by the field {field.name} of class"
                    f" {field.owner}: to use it, set required = {part.required}; else use another key."
                )
            return True
    return False


def _has_field(settings: SettingsSource, new: NewField) -> bool:
    """Whether a field reads the variable before all others, and has the type and is required as it should be."""
    field = settings.find(new.key)
    is_certain = field is not None and not field.is_conditional and _is_first(settings, field, new.key)
    if field is None or not is_certain or field.required != new.required:
        return False
    # Any default makes a field optional, as None does.
    types = (new.type,) if new.required else (new.type, f"{new.type} | None")
    return any(_same_type(field.annotation, each) for each in types)


def _is_first(settings: SettingsSource, field: Field, key: str) -> bool:
    """Whether a variable is the first that a field reads."""
    return _same_name(settings, field.variables[0], key)


def _advise_reuse(field: Field) -> str:
    """The parameters with which add_key accepts the existing field; "" if there are none."""
    if field.is_conditional:
        return ""
    node = parse_expression(field.annotation)
    types = [ast.unparse(each) for each in union_members(node) if ast.unparse(each) != "None"] if node else []
    if len(types) != 1 or not re.fullmatch(r"\w+", types[0]):
        return ""
    return f'to use it, set type = "{types[0]}" and required = {field.required}; else '


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
            names.add(f"{_normal(each.value)}[{', '.join(map(_normal, in_brackets(each)))}]")
        else:
            text = ast.unparse(each).removeprefix("typing.")
            names.add(text.lower() if text in ("List", "Dict", "Set", "Tuple") else text)
    return " | ".join(sorted(names))


def _check_outside_models(settings: SettingsSource, classes: Classes, key: str) -> None:
    """Raise CannotEdit if a nested model would read the variable too: as a part of it, with another meaning."""
    delimiter = classes.options(classes.lineage(classes.main)).get("env_nested_delimiter")
    if not isinstance(delimiter, str):
        return
    for field in settings.fields:
        for variable in field.variables if field.nested else ():
            beginning, rest = f"{variable}{delimiter}", key[len(f"{variable}{delimiter}") :]
            if variable not in field.nested and rest and _same_name(settings, beginning, key[: len(beginning)]):
                part = rest.lower().replace(delimiter.lower(), ".")
                raise CannotEdit(
                    f"{field.file}, line {field.line}: {key} is {part} of the field {field.name}: add that to its model"
                    f" {field.annotation.removesuffix(' | None')} by hand, which is then left as it is, or use another"
                    " key."
                )


def _check_derived(settings: SettingsSource, known: SettingsSource, key: str, name: str) -> None:
    """Raise CannotEdit if only derived classes are made, which put a prefix before the names of its fields."""
    fields = [each for each in settings.fields if each.owner == settings.name]
    # An alias has no prefix before it.
    alone = {each.name: each.variables for each in fields if _prefix_of(each) == settings.env_prefix}
    read = [each for each in known.fields if each.name in alone]
    prefixes = [*dict.fromkeys(prefix for each in read if (prefix := _prefix_of(each)) is not None)]
    if not prefixes or any(each.variables == alone[each.name] for each in read):
        return
    own = next(filter(key.startswith, prefixes), "")
    again = key if own else f"{prefixes[0]}{key.removeprefix(settings.env_prefix)}"
    raise CannotEdit(
        f"{settings.path} derives classes from {settings.name} that put {' or '.join(prefixes)} before the names of its"
        f" fields, so that no field would read {key}: add the field {name[len(own) :]} to class {settings.name} by"
        f" hand, then run again with the key of one of them, such as {again}."
    )


def _prefix_of(field: Field) -> str | None:
    """What is before a field's name in its only variable; None where that has another name."""
    variable, name = field.variables[0], field.name
    is_named = len(field.variables) == 1 and variable.upper().endswith(name.upper())
    return variable[: len(variable) - len(name)] if is_named else None


def _name_in_use(field: Field, key: str, settings: SettingsSource, reuse: str = "") -> CannotEdit:
    description = _describe_field(settings, field, key)
    return CannotEdit(f"{field.file}, line {field.line}: {key} is taken by {description}: {reuse}{NEXT_STEP}")


def _check_free(settings: SettingsSource, classes: Classes, key: str, name: str) -> None:
    """Raise CannotEdit if something else has the name."""
    file = settings.path
    for field in settings.fields:
        if field.owner == settings.name and field.name == name:
            raise _name_in_use(field, key, settings)
    for node in classes.lineage(classes.main):
        for bound_name, binding in _bindings(node.body):
            if bound_name == name:
                kind, where = _describe_binding(binding), classes.file_of(node).name
                raise CannotEdit(f"{where}, line {binding.lineno}: {name} is {kind} of class {node.name}: {NEXT_STEP}")
    for each in _visible(classes.nodes[classes.main].body):
        if isinstance(each, ast.Name) and each.id == name:
            raise CannotEdit(
                f"{file}, line {each.lineno}: class {classes.main} uses the name {name} for something else: {NEXT_STEP}"
            )
    from pydantic_settings import BaseSettings

    if name in dir(BaseSettings):
        raise CannotEdit(f"{name} is part of pydantic's BaseSettings, so no field can have this name: {NEXT_STEP}")


def _describe_field(settings: SettingsSource, field: Field, key: str) -> str:
    """Describe a field in words; an annotation that may have a default in it is not shown."""
    is_plain = re.fullmatch(r"[\w., |\[\]]+", field.annotation)
    words = (field.annotation, "required" if field.required else "", "conditional" if field.is_conditional else "")
    annotation = f" ({', '.join(filter(None, words))})" if is_plain else ""
    alias = "" if settings.find(key) != field or field.name.upper() == key.upper() else " by an alias"
    return f"the field {field.name}{annotation} of class {field.owner}{alias}"


def _describe_binding(node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef):
        return "an inner class"
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "a name"
    decorators = [last_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
    if "computed_field" in decorators:
        return "a computed field"
    if any(decorator.endswith(("validator", "serializer")) for decorator in decorators):
        return "a validator"
    return "a property" if any(decorator.endswith("property") for decorator in decorators) else "a method"


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


def _bindings(body: Iterable[ast.AST]) -> Iterator[tuple[str, BindingNode]]:
    """Yield the names that a body binds, each with the node that binds it."""
    for each in _visible(body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name, each
        elif isinstance(each, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.split(".")[0], each) for alias in each.names)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id, each


def _insert(classes: Classes, name: str, new: Sequence[str]) -> str:
    """The text with new lines for a field: below the field with the most similar name, or below the first fields.

    If the file's last line has no line ending, the new last one has none. Raises CannotEdit for a class that is on one
    line or defined twice.
    """
    lines, parts = classes.lines, _parts(classes)
    neighbor, is_apart = _find_neighbor(parts, name)
    last = _last_attached(parts, neighbor) if neighbor >= 0 else -1
    margin = MARGIN.match(lines[parts[0].first])
    indent = margin[0].rpartition("\f")[2] if margin else ""
    index = _after_comments(parts, lines, last, indent) if last >= 0 else parts[0].lead
    kind = parts[last].kind if last >= 0 else "nothing"
    gap_above = is_apart or kind in ("config", "function") or (kind == "text" and not parts[neighbor].names)
    gap_below = last + 1 < len(parts) and bool(lines[index].strip()) and (gap_above or last < 0)
    line_end = re.search(r"[\r\n]+$", lines[index - 1])
    newline = line_end[0] if line_end else classes.file.newline
    block = [*([""] * gap_above), *(f"{indent}{line}" for line in new), *([""] * gap_below)]
    text = "".join(f"{line}{newline}" for line in block)
    if not line_end:
        text = f"{newline}{text.removesuffix(newline)}"
    return "".join([*lines[:index], text, *lines[index:]])


def _parts(classes: Classes) -> list[_Part]:
    """The body of class Settings, by its lines."""
    name, lines, node = classes.file.name, classes.lines, classes.nodes[classes.main]
    if sum(isinstance(each, ast.ClassDef) and each.name == classes.main for each in classes.tree.body) > 1:
        raise CannotEdit(f"{name} has class {classes.main} twice: keep one of them.")
    top = _first_line(node.body[0])
    before = lines[top].encode()[: node.body[0].col_offset]
    if top == node.lineno - 1 or before.strip() or _is_continued(lines[top - 1]):
        raise CannotEdit(
            f"{name}, line {node.lineno} has class {classes.main} on one line: put its body on lines of its own."
        )
    parts: list[_Part] = []
    rest = list(node.body)
    while rest:
        first, statements = _first_line(rest[0]), rest[:1]
        end = _end(lines, rest[0])
        while len(statements) < len(rest) and _first_line(rest[len(statements)]) < end:
            end = _end(lines, rest[len(statements)])
            statements.append(rest[len(statements)])
        rest = rest[len(statements) :]
        kind = _part_kind(statements)
        if kind == "function":
            end = _inner_comments(lines, end, _margin(lines[first]))
        lead = first
        while lead > (parts[-1].end if parts else node.lineno) and (
            _is_comment(lines[lead - 1]) or not lines[lead - 1].strip()
        ):
            lead -= 1
        strings = frozenset(text for statement in statements for text in _strings(statement))
        names = tuple(filter(None, map(field_name, statements)))
        is_close = all(map(str.strip, lines[lead:first]))
        parts.append(_Part(kind=kind, names=names, strings=strings, lead=lead, is_close=is_close, first=first, end=end))
    return parts


def _end(lines: Sequence[str], statement: ast.stmt) -> int:
    """The index of the line after a statement and its continuation lines."""
    last = (statement.end_lineno or statement.lineno) - 1
    tail = lines[last].encode()[statement.end_col_offset :].decode()
    while _is_continued(tail) and last + 1 < len(lines):
        last += 1
        tail = lines[last]
    return last + 1


def _is_continued(tail: str) -> bool:
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
    value = first.value if isinstance(first, ast.Expr) else first
    if texts_of([value]):
        return "text"
    return "nothing" if isinstance(first, ast.Pass) or is_value(value, ...) else "other"


def _strings(statement: ast.stmt) -> list[str]:
    roots: Sequence[ast.AST] = [statement]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        roots = statement.decorator_list
    return texts_of(node for root in roots for node in ast.walk(root))


def _find_neighbor(parts: list[_Part], name: str) -> tuple[int, bool]:
    """The part to insert below, -1 for the top of the class, and whether to leave an empty line."""
    fields = {field: index for index, part in enumerate(parts) for field in part.names}
    if not fields:
        configs = [index for index, part in enumerate(parts) if part.kind == "config"]
        top = next((index for index, part in enumerate(parts) if part.kind not in ("text", "nothing")), len(parts))
        return (configs[-1] if configs else top - 1), False
    words = name.upper().split("_")
    others = {field: field.upper().split("_") for field in fields}
    leading = {field: common_words(words, other) for field, other in others.items()}
    trailing = {field: common_words(words[::-1], other[::-1]) for field, other in others.items()}
    if (most := max(leading.values())) > 0:
        neighbor = max(fields[field] for field, count in leading.items() if count == most)
        return neighbor, _stands_alone(parts, neighbor)
    if (most := max(trailing.values())) >= FEWEST_LAST_WORDS:
        neighbor = _group_end(parts, max(fields[field] for field, count in trailing.items() if count == most))
        return neighbor, _stands_alone(parts, neighbor)
    first = last = min(fields.values())
    for index in range(first, len(parts)):
        if parts[index].kind not in ("field", "text", "config"):
            break
        last = index if parts[index].names else last
    return last, any(not parts[index].is_close for index in range(first + 1, last + 1))


def _stands_alone(parts: list[_Part], index: int) -> bool:
    """Whether empty lines separate a field from its neighbors, and most fields of the class."""
    fields = [each for each, part in enumerate(parts) if part.names]
    pairs = list(pairwise(fields))
    gaps = [not all(parts[each].is_close for each in range(one + 1, other + 1)) for one, other in pairs]
    is_separate = all(gap for gap, pair in zip(gaps, pairs, strict=True) if index in pair)
    return len(gaps) > 1 and is_separate and sum(gaps) * 2 > len(gaps)


def _group_end(parts: list[_Part], index: int) -> int:
    """The last of the fields directly below a field whose names begin with the same word."""
    name = parts[index].names[-1].upper()
    for each in range(index + 1, len(parts)):
        is_similar = parts[each].names and share_first_word(parts[each].names[0].upper(), name)
        if not is_similar or not parts[each].is_close:
            return each - 1
    return len(parts) - 1


def _last_attached(parts: list[_Part], index: int) -> int:
    """The last part that belongs to a field: its docstring, and the validators that name it."""
    names, last = set(parts[index].names), index
    for each in range(index + 1, len(parts) if names else 0):
        part = parts[each]
        if part.kind == "field":
            break
        is_docstring = part.kind == "text" and each == index + 1
        is_adjacent = part.kind == "function" and each == last + 1 and part.is_close
        if is_docstring or is_adjacent or (part.kind in ("function", "other") and part.strings & names):
            last = each
    return last


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
    """The width of a line's indentation, as Python counts it."""
    margin = MARGIN.match(line)
    return len(margin[0].rpartition("\f")[2].expandtabs(8)) if margin else 0
