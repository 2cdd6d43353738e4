"""Variables read by files other than Settings: the application's Python files and scripts, and the rest."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from omc_runbook.repository.code_files import (
    CODE,
    ROOTS,
    SCRIPTS,
    CheckoutFiles,
    application_roots,
)
from omc_runbook.repository.python_syntax import assigned, last_name, negated, operands, parse_python, text_of, texts_of
from omc_runbook.repository.settings_files import is_left_out, read_tables
from omc_runbook.textfile.file import read_if_readable

REST = (*CODE, ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".vue", ".svelte", ".yml", ".yaml", ".npmrc")
"""The endings of files that are searched in the rest of a checkout; in the application's folders only `CODE`."""
_CALL = re.compile(r"""\b(?:environ|getenv|config|env)\b[^"'\n]{0,20}["']([A-Za-z]\w{0,63})["']""", re.ASCII)
_EXPANDED = re.compile(r"\$\{?([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MEMBER = re.compile(r"\benv\.([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MAKE_VARIABLE = re.compile(r"\$\(([A-Z][A-Z0-9_]{0,63})\)", re.ASCII)
_LIBRARY = re.compile(r"^(?:from|import)[ \t]+(?:starlette\.config|decouple|environs?)\b", re.MULTILINE)
_DECOUPLE = re.compile(r"^(?:from|import)[ \t]+decouple\b", re.MULTILINE)
_QUART = re.compile(r"^(?:from|import)[ \t]+quart\b", re.MULTILINE)
_DJANGO = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")
_MANAGE = "manage.py"
_OPEN_PREFIX = re.compile(r"""\.from_prefixed_env\(\s*(?:prefix\s*=\s*)?(?:["'](\w+)["']\s*)?[,)]""")
_FIELD = re.compile(r"^[ \t]+([A-Za-z]\w{0,63})[ \t]*:[ \t]*\S", re.MULTILINE | re.ASCII)
_SET = re.compile(r"^[ \t]*(?:(?:export|ENV|ARG)[ \t]+)?([A-Z][A-Z0-9_]{0,63})=", re.MULTILINE | re.ASCII)
_PREFIX = re.compile(r"""env_prefix["']?\s*[=:]\s*["'](\w{0,32})["']""", re.ASCII)
_ALIAS = re.compile(r"""\b\w*alias\w*\s*=[^"'\n]{0,40}["']([A-Za-z]\w{0,63})["']""", re.ASCII)

_READERS = ("Config", "AutoConfig", "Env", "FileAwareEnv")
"""The classes of starlette, decouple, environs and django-environ whose instances are called with a name."""
_DEFAULT_NAMES = {
    **dict.fromkeys(("db", "db_url"), "DATABASE_URL"),
    **dict.fromkeys(("cache", "cache_url"), "CACHE_URL"),
    **dict.fromkeys(("email", "email_url"), "EMAIL_URL"),
}
"""The variables of django-environ's methods that need no name."""
_SETTING = "SECRET_KEY"
_BESIDE = ("DEBUG", "TESTING", "ALLOWED_HOSTS", "INSTALLED_APPS", "MIDDLEWARE", "SQLALCHEMY_DATABASE_URI")
"""The setting of Django's and Flask's that is a key of the catalogue, and others, of which one is beside it."""
_OF_STORE = ("ACCESS_KEY", "ACCESS_KEY_ID")
"""The other half of a pair for a store of files, whose SECRET_KEY its provider gives."""
_CATCHING = ("KeyError", "LookupError", "Exception", "BaseException")


@dataclass(frozen=True, kw_only=True)
class EnvironmentRead:
    """A line of the application's code that asks the environment for a variable by name."""

    variable: str
    file: str
    line: int
    has_default: bool
    """Whether the line gives another value than None for a variable that is not set."""
    is_required: bool = False
    """Whether the line fails without the variable."""
    is_local: bool = True
    """Whether it may run on a developer's machine: not in a module of Django's settings that manage.py leaves out."""
    setting: str = field(default="", compare=False)
    """SECRET_KEY where the line gives that setting of Django's or Flask's its value; "" elsewhere."""


def find_environment_reads(
    files: CheckoutFiles, settings: str = f"{ROOTS[0]}/", folder: str = ROOTS[0]
) -> tuple[tuple[EnvironmentRead, ...], frozenset[str]]:
    """Where the application's Python code asks os.environ or os.getenv for a variable, and the variables that it sets.

    `settings` is the path of Settings within the checkout, "" for none: `application_roots`. `folder` is the one that
    the application is imported from, "" for the top: of what is beside the package of Settings, only the modules that
    it begins with count. Names that are constants of the module are resolved; files that are not valid Python are
    skipped, and tests.
    """
    reads: list[EnvironmentRead] = []
    sets: set[str] = set()
    texts: dict[str, str] = {}
    searched = files.search(application_roots(settings), CODE)
    for path in dict.fromkeys((*searched, *files.main_modules(folder), *files.start_scripts())):
        text = files.text(path)
        if path.suffix != ".py":
            sets.update(_SET.findall(text))
        elif not path.name.startswith(("test_", "conftest")):
            texts[path.relative_to(files.root).as_posix()] = text
    left_out = _left_out_by_django(texts)
    libraries = {_module(file): text for file, text in texts.items() if _LIBRARY.search(text)}
    asking = (text for text in texts.values() if "environ" in text or "getenv" in text)
    shared = tuple(each for text in asking for each in _own_readers(text) if not each.name.startswith("_"))
    for file, text in texts.items():
        library = _library_text(text, libraries)
        imported = tuple(each for each in shared if each.name in text)
        if library or imported or "environ" in text or "getenv" in text:
            has_search = _DECOUPLE.search(library) and "RepositoryEnv" not in library
            given = _given_by_decouple(files.root, file) if has_search else frozenset[str]()
            found, names = _environment_reads(text, library, imported, given)
            reads += (replace(read, file=file, is_local=file not in left_out) for read in found)
            sets |= names
    return tuple(reads), frozenset(sets)


def _given_by_decouple(repository: Path, file: str) -> frozenset[str]:
    """The variables, lower case, of the settings.ini that decouple finds in the folder of a module or above."""
    names = (str(folder / "settings.ini") for folder in PurePosixPath(file).parents)
    found = next(filter(None, (read_if_readable(repository, name) for name in names)), None)
    is_shared = found is not None and not is_left_out(repository, found.name)
    return frozenset(read_tables(found, ("settings",)) if found and is_shared else ())


def _module(file: str) -> str:
    """The last part of a module's name, by its file."""
    path = Path(file)
    return path.parent.name if path.stem == "__init__" else path.stem


def _imports(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the last part of each module that a file may import from, with the names that it takes of it."""
    for node in ast.walk(parse_python(text)):
        if isinstance(node, ast.Import):
            yield from ((each.name.rpartition(".")[2], frozenset[str]()) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").rpartition(".")[2], frozenset(each.name for each in node.names)
            yield from ((each.name, frozenset[str]()) for each in node.names)


def _library_text(text: str, libraries: Mapping[str, str]) -> str:
    """The code that makes the objects by which a file asks for variables, its own or imported; "" for none."""
    own = [text] if _LIBRARY.search(text) else []
    if any(name in text for name in libraries):
        others = {module for module, names in _imports(text) if names & {"*", "env", "config"}}
        own += (other for module, other in libraries.items() if module in others and other != text)
    return "\n".join(own)


def _left_out_by_django(texts: Mapping[str, str]) -> frozenset[str]:
    """The modules of Django's settings beside the one that manage.py names, which that one does not import."""
    left_out: set[str] = set()
    for file, text in texts.items():
        match = _DJANGO.search(text) if Path(file).name == _MANAGE else None
        main = (Path(file).parent / f"{match[1].replace('.', '/')}.py").as_posix() if match else ""
        if main not in texts:
            continue
        beside = {_module(each): each for each in texts if Path(each).parent == Path(main).parent}
        used, waiting = {main}, [main]
        while waiting:
            found = {beside[module] for module, _ in _imports(texts[waiting.pop()]) if module in beside} - used
            used, waiting = used | found, [*waiting, *found]
        left_out |= {each for each in beside.values() if Path(each).stem != "__init__"} - used
    return frozenset(left_out)


@dataclass(frozen=True)
class _Reader:
    """A function of the checkout that asks the environment for the variable that one of its arguments names."""

    name: str
    position: int
    """The position of that argument in a call."""
    is_strict: bool
    """Whether it fails without the variable."""

    def read_in(self, node: ast.Call) -> tuple[str, bool] | None:
        """The variable in a call of it, and whether the call may give a default; None without a name in it."""
        name = text_of(node.args[self.position]) if len(node.args) > self.position else ""
        return (name, len(node.args) > self.position + 1 or bool(node.keywords)) if name.isupper() else None


def _parse(text: str) -> ast.Module:
    """Parse a file, with os.environ and os.getenv by these names where the module has others for them."""
    tree = parse_python(text)
    others = {name: last_name(value) for name, value in assigned(tree.body)}
    imports = (alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names)
    others |= {alias.asname: alias.name for alias in imports if alias.asname}
    originals = {name: original for name, original in others.items() if original in ("environ", "getenv")}
    if originals:
        own = {*_names_of_functions(tree, originals)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in originals and node not in own:
                node.id = originals[node.id]
    return tree


def _names_of_functions(tree: ast.AST, names: Collection[str]) -> Iterator[ast.Name]:
    """Yield where some names are those of a function's own arguments or variables."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes = [*ast.walk(function)]
            own = {each.arg for each in nodes if isinstance(each, ast.arg)}
            own |= {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
            yield from (each for each in nodes if isinstance(each, ast.Name) and each.id in own.intersection(names))


@lru_cache(maxsize=1024)
def _own_readers(text: str) -> tuple[_Reader, ...]:
    """The functions of a file that ask for a variable which an argument names."""
    found: list[_Reader] = []
    for function in ast.walk(_parse(text)):
        if isinstance(function, ast.FunctionDef) and _asks(function):
            names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
            names = names[1:] if names[:1] in (["self"], ["cls"]) else names
            arguments = {name: name for name in names}
            reads = [each for each, is_set in _reads(function, arguments) if each.variable in names and not is_set]
            fails = {name for name, _ in _refused(function, arguments)}
            fails |= {each.variable for each in reads if each.is_required}
            first = (each.variable for each in reads[:1])
            found += [_Reader(function.name, names.index(name), name in fails) for name in first]
    return (*found,)


def _asks(tree: ast.AST) -> bool:
    """Whether anything in a tree is called os.environ or os.getenv."""
    return any(last_name(each) in ("environ", "getenv") for each in ast.walk(tree))


def _reader_of(node: ast.AST, readers: Mapping[str, _Reader]) -> _Reader | None:
    """The function of the checkout that a call is of: by its name, or as a method of the class around."""
    if not isinstance(node, ast.Call):
        return None
    is_own = isinstance(node.func, ast.Attribute) and last_name(node.func.value) in ("self", "cls")
    return readers.get(last_name(node.func)) if isinstance(node.func, ast.Name) or is_own else None


def _refused(tree: ast.AST, constants: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the variables without which a statement of a body raises an error or exits, with its line."""
    nodes = [*ast.walk(tree)]
    lists = {last_name(target): node.value for node in nodes if isinstance(node, ast.Assign) for target in node.targets}
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield from _refused_in(node.body, constants, lists)


def _refused_in(
    body: list[ast.stmt], constants: Mapping[str, str], lists: Mapping[str, ast.expr]
) -> Iterator[tuple[str, int]]:
    """Yield those of one body, also of its loops over texts."""
    variable_of: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    for each in body:
        if isinstance(each, ast.Assign):
            targets, read = [last_name(target) for target in each.targets], _read_in(each.value, constants)
            variable_of |= dict.fromkeys(targets, read[0]) if read and not read[1] else {}
            missing |= dict.fromkeys(targets, _missing_of(each.value, lists))
        elif isinstance(each, ast.For) and isinstance(each.target, ast.Name):
            for text in _texts(each.iter, lists):
                yield from _refused_in(each.body, {**constants, each.target.id: text}, lists)
        elif isinstance(each, ast.If):
            names: list[str] = []
            for part in operands(each.test, ast.Or):
                names += (
                    _missing_of(part.value, lists) if isinstance(part, ast.NamedExpr) else missing.get(_id(part), [])
                )
                names.append(_absent_in(part, variable_of, constants))
            absent = [name for name in names if name]
            if absent and _ends(each.body):
                yield from ((name, each.lineno) for name in absent)
        elif isinstance(each, ast.Assert):
            for part in operands(each.test, ast.And):
                if name := _absent_in(negated(part), variable_of, constants):
                    yield name, each.lineno


def _missing_of(node: ast.expr, lists: Mapping[str, ast.expr]) -> list[str]:
    """The variables of [name for name in NAMES if not os.getenv(name)], which has those that are missing."""
    loops = node.generators if isinstance(node, ast.ListComp | ast.SetComp) else []
    if len(loops) != 1 or len(loops[0].ifs) != 1:
        return []
    loop = loops[0]
    return [
        name for text in _texts(loop.iter, lists) if (name := _absent_in(loop.ifs[0], {}, {_id(loop.target): text}))
    ]


def _texts(node: ast.expr, lists: Mapping[str, ast.expr]) -> list[str]:
    """The texts in a list, tuple or set, or in the one that a name stands for."""
    values = getattr(lists.get(_id(node), node), "elts", [])
    return list(filter(None, (text_of(each) for each in values)))


def _id(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _ends(body: Sequence[ast.stmt]) -> bool:
    """Whether statements raise an error or exit."""
    nodes = [each for statement in body for each in ast.walk(statement)]
    return any(isinstance(each, ast.Raise) or last_name(each) in ("exit", "_exit", "abort") for each in nodes)


def _absent_in(test: ast.expr, variable_of: Mapping[str, str], constants: Mapping[str, str]) -> str:
    """The variable that a test finds missing, as `not os.getenv("A")` or `"A" not in os.environ` does; "" for none."""
    match test:
        case ast.Compare(left=name, ops=[ast.NotIn(), *_], comparators=[where, *_]):
            return _constant(name, constants) if last_name(where) == "environ" else ""
        case ast.UnaryOp(op=ast.Not(), operand=value) | ast.Compare(left=value, ops=[ast.Is(), *_]):
            read = _read_in(value, constants)
            return (
                variable_of.get(value.id, "")
                if isinstance(value, ast.Name)
                else read[0]
                if read and not read[1]
                else ""
            )
    return ""


@lru_cache(maxsize=1024)
def _environment_reads(
    text: str, library_text: str, imported: tuple[_Reader, ...], given: Collection[str]
) -> tuple[tuple[EnvironmentRead, ...], frozenset[str]]:
    """The lines of one file, whose name is left open, and the variables that it sets; none of an invalid one.

    `library_text` is the code that makes the objects of a library by which it asks, `imported` are functions of other
    files by which it may ask, if it imports them, and `given` what the library has without the environment.
    """
    tree = _parse(text)
    constants = {name: text for name, value in assigned(tree.body) for text in texts_of([value])}
    readers = {each.name: each for each in (*_named_in(tree, imported), *_own_readers(text))}
    library = _library(parse_python(library_text)) if library_text else None
    settings = _settings_in(tree) if _SETTING in text else {}
    found = [*_reads(tree, constants, library, readers, given, settings)]
    refused = (
        EnvironmentRead(variable=name, file="", line=line, has_default=False, is_required=True)
        for name, line in _refused(tree, constants)
    )
    reads = (*refused, *(each for each, is_set in found if not is_set))
    return reads, frozenset(each.variable for each, is_set in found if is_set)


def _named_in(tree: ast.AST, imported: tuple[_Reader, ...]) -> tuple[_Reader, ...]:
    """Those of some functions of other files that a file imports."""
    if not imported:
        return ()
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return tuple(each for each in imported if each.name in names)


def _reads(
    tree: ast.AST,
    constants: Mapping[str, str],
    library: _Library | None = None,
    readers: Mapping[str, _Reader] | None = None,
    given: Collection[str] = (),
    settings: Mapping[ast.AST, str] | None = None,
) -> Iterator[tuple[EnvironmentRead, bool]]:
    """Yield where a tree asks the environment for a variable, in a file that is left open, and whether it sets it."""
    for node, surroundings in _with_surroundings(tree, constants):
        direct = _read_in(node, constants)
        read = direct or (library.read_in(node, surroundings.prefix) if library else None)
        reader = None if read else _reader_of(node, readers or {})
        if reader and isinstance(node, ast.Call):
            read = reader.read_in(node)
        if read:
            name, has_default = read
            is_needed = isinstance(node, ast.Subscript) or (direct is None and not has_default)
            is_needed = is_needed and (reader is None or reader.is_strict)
            is_needed = is_needed and (direct is not None or reader is not None or name.lower() not in given)
            is_required = is_needed and not surroundings.is_caught and name not in surroundings.tested
            line = getattr(node, "lineno", 0)
            yield (
                EnvironmentRead(
                    variable=name,
                    file="",
                    line=line,
                    has_default=has_default,
                    is_required=is_required,
                    setting=(settings or {}).get(node, ""),
                ),
                _is_set(node),
            )


def _settings_in(tree: ast.AST) -> dict[ast.AST, str]:
    """The expressions that may give SECRET_KEY of Django or Flask its value, each with that name."""
    nodes = [*ast.walk(tree)]
    settings = [*assigned(nodes)]
    names = {name for name, _ in settings}
    # Alone, it may be that of a store of files.
    is_framework = not names.isdisjoint(_BESIDE) and names.isdisjoint(_OF_STORE)
    values = [each for name, each in settings if name == _SETTING and is_framework]
    for each in nodes:
        match each:
            case ast.Assign(targets=targets, value=value):
                entries = [target for target in targets if isinstance(target, ast.Subscript)]
                in_config = [text_of(entry.slice) for entry in entries if last_name(entry.value) == "config"]
                values += [value] if _SETTING in in_config else []
            case ast.Call(func=ast.Attribute(value=config, attr="from_mapping" | "update")) as call:
                options = {keyword.arg: keyword.value for keyword in call.keywords}
                for mapping in (arg for arg in call.args if isinstance(arg, ast.Dict)):
                    pairs = zip(mapping.keys, mapping.values, strict=True)
                    options.update((text_of(key), value) for key, value in pairs if key)
                is_config = last_name(config) == "config" and options.keys().isdisjoint(_OF_STORE)
                values += [options[_SETTING]] if is_config and _SETTING in options else []
    return {part: _SETTING for value in values for part in operands(value, ast.Or)}


@dataclass(frozen=True)
class _Surroundings:
    """What is around an expression."""

    prefix: str = ""
    """What environs' prefixed() puts before the names of variables."""
    tested: frozenset[str] = frozenset()
    """The variables that a condition asks for, without which another branch is taken."""
    is_caught: bool = False
    """Whether the error of a missing variable is caught, and the program goes on."""

    def within(self, node: ast.AST, part: str, constants: Mapping[str, str]) -> _Surroundings:
        """The surroundings of a part of a node that has these, but for the condition in it."""
        if isinstance(node, ast.With) and part == "body":
            return replace(self, prefix=self.prefix + "".join(_prefix(each.context_expr) for each in node.items))
        if isinstance(node, ast.Try) and part == "body" and any(map(_goes_on, node.handlers)):
            return replace(self, is_caught=True)
        condition = _condition(node)
        return replace(self, tested=self.tested | _tested_in(condition, constants)) if condition else self


def _with_surroundings(tree: ast.AST, constants: Mapping[str, str]) -> Iterator[tuple[ast.AST, _Surroundings]]:
    """Yield all nodes, as ast.walk does, each with what is around it."""
    waiting = deque([(tree, _Surroundings())])
    while waiting:
        node, surroundings = waiting.popleft()
        yield node, surroundings
        condition = _condition(node)
        if condition is None and not isinstance(node, ast.With | ast.Try):
            waiting += ((each, surroundings) for each in ast.iter_child_nodes(node))
            continue
        for part, value in ast.iter_fields(node):
            children = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST)]
            inner = surroundings.within(node, part, constants) if children else surroundings
            waiting += ((each, surroundings if each is condition else inner) for each in children)


def _prefix(node: ast.expr) -> str:
    """The prefix in env.prefixed("DB_"); "" for any other expression."""
    is_call = isinstance(node, ast.Call) and last_name(node.func) == "prefixed" and node.args
    return text_of(node.args[0]) if isinstance(node, ast.Call) and is_call else ""


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether an except clause catches the error of a missing variable, and neither raises another nor exits."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_caught = any(each is None or last_name(each) in _CATCHING for each in kinds)
    return is_caught and not _ends(handler.body)


def _condition(node: ast.AST) -> ast.expr | None:
    """The expression on which it depends whether the others of a node are evaluated; None where there is none."""
    if isinstance(node, ast.If | ast.IfExp):
        return node.test
    return node.values[0] if isinstance(node, ast.BoolOp) else None


def _tested_in(condition: ast.expr, constants: Mapping[str, str]) -> frozenset[str]:
    """The variables that a condition asks the environment for, as in "NAME" in os.environ."""
    nodes = [each for each in ast.walk(condition) if isinstance(each, ast.expr)]
    return (
        frozenset(name for each in nodes if (name := _constant(each, constants))) if _asks(condition) else frozenset()
    )


@dataclass(frozen=True)
class _Library:
    """The objects of a module that starlette, decouple, environs or django-environ make to ask for variables."""

    prefixes: Mapping[str, str]
    """What each, by its name, puts before the names of variables."""
    has_default: frozenset[str] = field(default=frozenset())
    """The variables with a default in Env(DEBUG=(bool, False))."""

    def read_in(self, node: ast.AST, prefix: str) -> tuple[str, bool] | None:
        """The variable in config("NAME") or env.str("NAME"), and whether it has a default; None for any other."""
        if not isinstance(node, ast.Call) or last_name(node.func) == "prefixed":
            return None
        method, owner = ("", node.func)
        if isinstance(node.func, ast.Attribute):
            method, owner = node.func.attr, node.func.value
        if last_name(owner) not in self.prefixes:
            return None
        name = text_of(node.args[0]) if node.args else _DEFAULT_NAMES.get(method, "")
        is_value = not all(map(_is_type, node.args[1:]))
        has_default = is_value or any(word.arg == "default" for word in node.keywords) or name in self.has_default
        return (f"{self.prefixes[last_name(owner)]}{prefix}{name}", has_default) if name.isupper() else None


def _is_type(node: ast.expr) -> bool:
    """Whether an expression is a type or a function, as in int, [int] or lambda text: …; a constant is none."""
    if isinstance(node, ast.List | ast.Tuple | ast.Dict):
        return any(_is_type(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
    name = last_name(node)
    return isinstance(node, ast.Lambda | ast.Subscript) or name != name.upper() or name in ("URL", "UUID")


def _library(tree: ast.Module) -> _Library:
    """The objects of a module by which it asks for variables; those of another one are called config or env."""
    calls = {
        last_name(target): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and last_name(node.value.func) in _READERS
        for target in node.targets
    }
    words = [(name, word) for name, call in calls.items() for word in call.keywords]
    prefixes = {name: text_of(word.value) for name, word in words if word.arg in ("env_prefix", "prefix")}
    schemes = (word for _, word in words if isinstance(word.value, ast.Tuple) and len(word.value.elts) > 1)
    return _Library(
        {**dict.fromkeys(("config", "env", *calls), ""), **prefixes}, frozenset(str(word.arg) for word in schemes)
    )


def _read_in(node: ast.AST, constants: Mapping[str, str]) -> tuple[str, bool] | None:
    """The variable that an expression asks for, and whether it has a default; None for any other expression."""
    if isinstance(node, ast.Subscript) and last_name(node.value) == "environ":
        name = _constant(node.slice, constants)
        return (name, False) if name else None
    if not isinstance(node, ast.Call) or not node.args:
        return None
    methods = ("get", "pop", "setdefault")
    is_get = (
        isinstance(node.func, ast.Attribute) and node.func.attr in methods and last_name(node.func.value) == "environ"
    )
    if not (is_get or last_name(node.func) == "getenv"):
        return None
    defaults = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "default")]
    name = _constant(node.args[0], constants)
    has_default = any(not (isinstance(each, ast.Constant) and each.value in (None, "")) for each in defaults)
    return (name, has_default) if name else None


def _is_set(node: ast.AST) -> bool:
    is_default = isinstance(node, ast.Call) and last_name(node.func) == "setdefault"
    return is_default or isinstance(getattr(node, "ctx", None), ast.Store)


def _constant(node: ast.expr, constants: Mapping[str, str]) -> str:
    return constants.get(node.id, "") if isinstance(node, ast.Name) else text_of(node)


def find_application_reads(files: CheckoutFiles, settings: str, folder: str) -> frozenset[str]:
    """The variables, upper case, that the application's files and containers' scripts read, or declare as settings.

    Found by regular expressions, with false positives rather than false negatives: they suppress findings. Of
    `settings`, the path of Settings within the checkout, only direct reads of the environment count. `folder` is the
    one that the application is imported from, "" for the top, with all that is beside it. Unreadable files are skipped.
    """
    variables: set[str] = set()
    searched = files.search((*application_roots(settings if folder else ""), SCRIPTS), CODE)
    for path in dict.fromkeys((*searched, *files.start_scripts())):
        text = files.text(path)
        if path.suffix != ".py":
            variables.update(_EXPANDED.findall(text))
            continue
        variables.update(_CALL.findall(text))
        if "BaseSettings" in text and path != files.root / settings:
            prefixes = ["", *_PREFIX.findall(text)]
            variables.update(f"{prefix}{name}" for prefix in prefixes for name in _FIELD.findall(text))
            variables.update(_ALIAS.findall(text))
    return frozenset(name.upper() for name in variables)


def find_open_prefixes(files: CheckoutFiles) -> tuple[str, ...]:
    """What variables begin with that Flask's or Quart's from_prefixed_env() takes, whatever their names are."""
    texts = map(files.text, files.code)
    found = ((text, prefix) for text in texts for prefix in _OPEN_PREFIX.findall(text))
    return (*dict.fromkeys(f"{prefix or ('QUART' if _QUART.search(text) else 'FLASK')}_" for text, prefix in found),)


def find_django_settings(files: CheckoutFiles) -> str:
    """The module of Django's settings that manage.py names; "" without one, and for several."""
    matches = (_DJANGO.search(files.text(path)) for path in files.with_names((_MANAGE,)))
    modules = {match[1] for match in matches if match}
    return modules.pop() if len(modules) == 1 else ""


def find_other_reads(files: CheckoutFiles) -> frozenset[str]:
    """The variables, upper case, that the rest of a checkout reads: frontend, Makefile, other compose files.

    Found like those of `find_application_reads`. A developer's .env may have them; tasks do not read them.
    """
    variables: set[str] = set()
    for path in files.search((".",), REST):
        text = files.text(path)
        variables.update(
            name for pattern in (_CALL, _EXPANDED, _MEMBER, _MAKE_VARIABLE) for name in pattern.findall(text)
        )
    return frozenset(name.upper() for name in variables)
