"""A new field for the application's Settings: whether it can be there, its line, and the place beside its relatives."""

from __future__ import annotations

import ast
import difflib
import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.repository.classes import MAIN, NO_PYTHON, Classes, alternatives, expression, last_name, quietly
from omc_runbook.repository.settings import Field, Settings, settings_of
from omc_runbook.repository.settings_place import find_place
from omc_runbook.textfile.file import Edit, SourceFile

BUILTINS = ("str", "int", "float", "bool", "bytes", "list", "dict", "set", "tuple")
"""The types that a field can have without an import."""

Binding = ast.stmt | ast.Name

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_TYPE = 200
DECIDES = {"env_prefix", "env_prefix_target", "case_sensitive", "alias_generator"}
"""The options without which nobody knows the variable of a field."""


@dataclass(frozen=True)
class NewField:
    """A field that class Settings shall have."""

    key: str
    """The variable, as the application shall read it."""
    type: str
    """An annotation: names, dots, brackets and | only."""
    required: bool
    """Without it the field is None where the variable is not set."""
    description: str
    """A comment above the field; "" for none."""


def add_field(file: SourceFile, new: NewField) -> Edit | None:
    """The edit that adds a field to class Settings; None where the field is there, be it with another default.

    Nothing but whole lines is added, and every other byte stays. Raises CannotEdit where the name is taken, the type
    is not known above the class, or the class is written in a way that has no certain place; UsageError as
    `settings_of` does.
    """
    settings, classes = settings_of(file), Classes(file)
    _check_compiles(file)
    name = _name_of(settings, new.key)
    annotation = _annotation(classes, new)
    if _is_there(settings, new, name, annotation):
        return None
    _check_free(settings, classes, new.key, name)
    comment = "".join(filter(str.isprintable, " ".join(new.description.split())))
    lines = [f"# {comment}"] if comment else []
    text = find_place(classes, name).insert([*lines, f"{name}: {annotation}{'' if new.required else ' = None'}"])
    edit = file.with_text(text, f"field {name} of class {MAIN}")
    if not _holds(settings, edit, new, name, annotation):
        raise CannotEdit(f"{file.name} would not be right with {new.key} in it: add it to class {MAIN} by hand.")
    return edit


def _check_compiles(file: SourceFile) -> None:
    try:
        with quietly():
            compile(file.raw, file.name, "exec", dont_inherit=True)
    except NO_PYTHON as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{file.name}{line} is not valid Python: mend it first.") from None


def _holds(settings: Settings, edit: Edit, new: NewField, name: str, annotation: str) -> bool:
    """Whether an edited file is valid, has the new field as it was asked for, and all others as they were."""
    file = replace(edit.file, raw=edit.after)
    try:
        _check_compiles(file)
        after = settings_of(file)
    except UsageError:
        return False
    # A class below Settings gets the new field too, and a class with Settings nested in it another variable.
    told = [(each.owner, each.name, each.variables[0], each.annotation, each.required) for each in after.fields]
    before = [(each.owner, each.name, each.variables[0], each.annotation, each.required) for each in settings.fields]
    return [each for each in told if each in before] == before and _is_there(after, new, name, annotation)


def _name_of(settings: Settings, key: str) -> str:
    """The name of the field that a variable fills."""
    where = settings.file.name
    if not NAME.fullmatch(key):
        raise CannotEdit("The key is no name: use letters, digits and _ only, and no digit at the beginning.")
    for option in sorted(DECIDES & set(settings.untold)):
        raise CannotEdit(f"{where} computes {option} of class {MAIN}: add {key} by hand.")
    prefix, case = settings.env_prefix, settings.case_sensitive
    head, name = key[: len(prefix)], key[len(prefix) :]
    if head != prefix and (case or head.upper() != prefix.upper()):
        raise CannotEdit(f"{key} does not begin with {prefix}, as all variables of class {MAIN} in {where} do.")
    own = [each.name for each in settings.fields if each.owner == MAIN]
    name = name.lower() if own and not case and all(each == each.lower() for each in own) else name
    if not name.isidentifier() or name.startswith("_"):
        raise CannotEdit(f"{key} leaves no name for a field of class {MAIN} in {where}: take another key.")
    if keyword.iskeyword(name):
        raise CannotEdit(f"{key} would be the field {name}, which is a word of Python: take another key.")
    return name


def _annotation(classes: Classes, new: NewField) -> str:
    """The annotation of the new field, made of names that are known above class Settings."""
    node = expression(new.type) if len(new.type) <= LONGEST_TYPE else None
    words = set(_words(node)) if node else {""}
    if node is None or "" in words:
        raise CannotEdit(
            f"The type of {new.key} may have names, dots, brackets and | in it and no more, as in list[str]."
        )
    main = classes.nodes[MAIN]
    bound = {name: node for name, node in _bound(_at_runtime(classes.tree.body)) if node.lineno < main.lineno}
    types = {name: node for name, node in bound.items() if not isinstance(node, ast.FunctionDef)}
    known = {*BUILTINS, *types} - {name for name, _ in _bound(main.body)}
    for word in sorted(words - known):
        # A module is known, but would not be what somebody meant by the name of a type.
        meant = sorted(name for name in known if not isinstance(types.get(name), ast.Import))
        near = "".join(f", or did you mean {each}?" for each in difflib.get_close_matches(word, meant, n=1))
        where = f"{classes.file.name} knows no type {word} above class {MAIN}"
        raise CannotEdit(f"{where}: import it there first{near or '.'}")
    plain = new.type.strip()
    text = ast.unparse(node) if set(plain) & set("#\\\r\n\f") else plain
    return text if new.required or _allows_none(node) else f"{text} | None"


def _words(node: ast.expr, inside: str = "") -> Iterator[str]:
    """The names that a type is made of; "" for each part that has no place in one."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield from _words(node.value)
    elif isinstance(node, ast.Subscript) and last_name(node.value):
        yield from _words(node.value)
        for index, each in enumerate(node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]):
            # A text elsewhere would be taken for a type, and evaluated.
            quotes = last_name(node.value) == "Literal" or (last_name(node.value) == "Annotated" and index > 0)
            yield from _words(each, "quotes" if quotes else "brackets")
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from (*_words(node.left), *_words(node.right))
    elif isinstance(node, ast.Tuple) and inside:
        yield from (word for each in node.elts for word in _words(each, inside))
    elif isinstance(node, ast.Constant):
        numbers = inside and (node.value is ... or isinstance(node.value, int | float))
        if not (node.value is None or numbers or (inside == "quotes" and isinstance(node.value, str))):
            yield ""
    else:
        yield ""


def _allows_none(node: ast.expr) -> bool:
    for each in alternatives(node):
        literal = isinstance(each, ast.Subscript) and last_name(each.value) == "Literal"
        parts = ast.walk(each) if literal else [each]
        if last_name(each) == "Any" or any(isinstance(part, ast.Constant) and part.value is None for part in parts):
            return True
    return False


def _is_there(settings: Settings, new: NewField, name: str, annotation: str) -> bool:
    found = settings.find(new.key)
    if found is None or found.required != new.required:
        return False
    # A default of its own makes a field as optional as None does.
    types = (annotation, new.type)
    return _is_for(settings, found, new.key, name) and any(_same(found.annotation, each) for each in types)


def _is_for(settings: Settings, field: Field, key: str, name: str) -> bool:
    """Whether a field is what would be added for a key, but for its type and default."""
    same = _alike(settings, field.name, name) and _alike(settings, field.variables[0], key)
    return same and field.owner == MAIN


def _way_on(field: Field) -> str:
    """With which parameters a field counts as the one that is asked for; "" where none do."""
    node = expression(field.annotation)
    types = [ast.unparse(each) for each in alternatives(node) if ast.unparse(each) != "None"] if node else []
    if len(types) != 1 or not re.fullmatch(r"\w+", types[0]):
        return ""
    return f'if that is it, set type = "{types[0]}" and required = {field.required}; else '


def _alike(settings: Settings, one: str, other: str) -> bool:
    return one == other or (not settings.case_sensitive and one.upper() == other.upper())


def _same(one: str, other: str) -> bool:
    """Whether two annotations say the same: in another order, with Optional for None, or in quotes."""
    nodes = expression(one), expression(other)
    if not nodes[0] or not nodes[1] or "Annotated" in one + other:
        return "".join(one.split()) == "".join(other.split())
    return _normal(nodes[0]) == _normal(nodes[1])


def _normal(node: ast.expr) -> str:
    told = set()
    for each in alternatives(node):
        if isinstance(each, ast.Subscript) and last_name(each.value) != "Literal":
            inner = each.slice.elts if isinstance(each.slice, ast.Tuple) else [each.slice]
            told.add(f"{_normal(each.value)}[{', '.join(map(_normal, inner))}]")
        else:
            text = ast.unparse(each).removeprefix("typing.")
            told.add(text.lower() if text in ("List", "Dict", "Set", "Tuple") else text)
    return " | ".join(sorted(told))


def _check_free(settings: Settings, classes: Classes, key: str, name: str) -> None:
    """See that nothing else has the variable or the name; raises CannotEdit with what has it."""
    where, next_step = settings.file.name, "take another key, or change it by hand."
    named = (each for each in settings.fields if each.owner == MAIN and each.name == name)
    for field in filter(None, (settings.find(key), *named)):
        this = _way_on(field) if _is_for(settings, field, key, name) else ""
        told = _told(settings, field, key)
        raise CannotEdit(f"{where}, line {field.line}: {key} is taken by {told}: {this}{next_step}")
    for node in classes.lineage(MAIN):
        for other, taker in _bound(node.body):
            if other == name:
                raise CannotEdit(
                    f"{where}, line {taker.lineno}: {name} is {_kind(taker)} of class {node.name}: {next_step}"
                )
    for use in (each for each in _visible(classes.nodes[MAIN].body) if isinstance(each, ast.Name) and each.id == name):
        raise CannotEdit(f"{where}, line {use.lineno}: class {MAIN} means something else by {name}: {next_step}")
    from pydantic_settings import BaseSettings

    if name in dir(BaseSettings):
        raise CannotEdit(f"{name} is part of pydantic's BaseSettings, so no field can be called so: {next_step}")


def _told(settings: Settings, field: Field, key: str) -> str:
    """A field in words. Of its annotation only names are shown: a default can be in it."""
    plain = re.fullmatch(r"[\w., |\[\]]+", field.annotation)
    shown = f" ({field.annotation}{', required' if field.required else ''})" if plain else ""
    alias = "" if settings.find(key) != field or field.name.upper() == key.upper() else " by an alias"
    return f"the field {field.name}{shown} of class {field.owner}{alias}"


def _kind(node: ast.AST) -> str:
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
    """The statements of a module that give a name to something when it runs."""
    for each in body:
        if isinstance(each, ast.If) and last_name(each.test) == "TYPE_CHECKING":
            yield from _at_runtime(each.orelse)
        elif not isinstance(each, ast.AnnAssign) or each.value:
            yield each


def _visible(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Everything in a body, but what is inside of its functions and classes."""
    for each in body:
        yield each
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _visible([*each.decorator_list, each.args, *([each.returns] if each.returns else [])])
        elif not isinstance(each, ast.ClassDef):
            yield from _visible(ast.iter_child_nodes(each))


def _bound(body: Iterable[ast.AST]) -> Iterator[tuple[str, Binding]]:
    """The names that a body binds, each with what binds it."""
    for each in _visible(body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name, each
        elif isinstance(each, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.split(".")[0], each) for alias in each.names)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id, each
