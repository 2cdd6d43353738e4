"""Settings made by dynaconf: the variables that its validators and its files of data name, without running it.

See https://www.dynaconf.com/envvars/ and https://www.dynaconf.com/validation/
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.python_syntax import is_value, last_name, parse_python, texts_of
from omc_runbook.repository.settings_files import ENDINGS, is_left_out, read_tables
from omc_runbook.repository.settings_source import Field, SettingsSource
from omc_runbook.textfile.file import SourceFile, is_inside, read_first, read_source

NAME = "dynaconf"
_PREFIXES = {"Dynaconf": "DYNACONF", "LazySettings": "DYNACONF", "FlaskDynaconf": "FLASK", "DjangoDynaconf": "DJANGO"}
"""What makes settings, and what its variables begin with by default."""
_IMPORT = re.compile(rf"^(?:from|import)[ \t]+{NAME}\b", re.MULTILINE)
_READ = re.compile(r"""\bsettings(?:\.|\[["']|(?:\.get)?\(["'])([A-Z][A-Z0-9_]*)\b(?!\()""")
"""Settings that code reads by name; dynaconf's own methods are in small letters."""
_FILES = tuple(f"{name}{ending}" for name in ("settings", ".secrets") for ending in ENDINGS)
_SECRETS = re.compile(r"(?:^|/)\.?secrets\.")


def read_dynaconf(files: CheckoutFiles) -> SettingsSource | None:
    """The settings of a checkout that dynaconf makes; None without any.

    A variable is required where a validator demands it and no file of settings has it, other than one of secrets.
    Raises UsageError for a file of settings that cannot be read.
    """
    for path in files.code:
        text = files.text(path)
        tree = parse_python(text if _IMPORT.search(text) else "")
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        call = next((node for node in calls if last_name(node.func) in _PREFIXES), None)
        file = read_source(files.root, path.relative_to(files.root).as_posix()) if call else None
        if call and file:
            return _settings(files, file, call, tree)
    return None


def _settings(checkout: CheckoutFiles, file: SourceFile, call: ast.Call, tree: ast.Module) -> SettingsSource:
    options = {each.arg: each.value for each in call.keywords}
    prefix, is_known = _prefix(options.get("envvar_prefix"), _PREFIXES[last_name(call.func)])
    texts = [text for name in ("settings_files", "settings_file") for text in _texts(options.get(name))] or [*_FILES]
    files = [*_files(checkout.root, file, texts)]
    other = next((f"{each}, which is not read," for each in texts if "*" in each or not each.endswith(ENDINGS)), "")
    ignored = {each.name for each in files if is_left_out(checkout.root, each.name)}
    file_names = [(each.name, name) for each in files for name in _names(_tables(each, options), "")]
    names = {name for _, name in file_names}
    names |= {name for path in checkout.code for name in _READ.findall(checkout.text(path))}
    shared = [(path, name) for path, name in file_names if not _SECRETS.search(path)]
    has_default = {name for path, name in shared if path not in ignored}
    may_have = {name: f"{path}, which git or Docker ignores," for path, name in shared if path in ignored}
    validated, demands = _validators(tree)
    fields = [
        Field(
            name=name,
            variables=(f"{prefix}{name.upper().replace('.', '__')}",),
            annotation="str",
            required=name in demands and name.upper() not in has_default,
            line=validated.get(name, call.lineno),
            file=file.name,
            has_known_names=is_known,
            doubt=f"{words} may have it" if (words := other or may_have.get(name.upper())) else "",
        )
        for name in dict.fromkeys((*validated, *sorted(names - {each.upper() for each in validated})))
    ]
    unread = [each for each in ("settings_files", "settings_file") if each in options and not _texts(options[each])]
    ambiguities = [f"{each} in {file.name} is an expression" for each in unread]
    ambiguities += [] if is_known else [f"envvar_prefix in {file.name} is an expression"]
    begins = f" that begins with {prefix}" if prefix else ""
    ambiguities.append(f"{NAME}, made in {file.name}, line {call.lineno}, takes any variable{begins}")
    return SettingsSource(
        fields=tuple(fields),
        env_files=(".env",) if is_value(options.get("load_dotenv"), True) else (),
        env_prefix=prefix,
        nested_delimiter="__",
        computed_options=() if is_known else ("env_prefix",),
        ambiguities=tuple(ambiguities),
        library=NAME,
    )


def _prefix(option: ast.expr | None, default: str) -> tuple[str, bool]:
    """What variables begin with, and whether that is known."""
    if option is None:
        return f"{default}_", True
    if is_value(option, False):
        return "", True
    if isinstance(option, ast.Constant) and isinstance(option.value, str):
        # A list of prefixes, of which the first is as good as any.
        first = option.value.split(",")[0].strip()
        return (f"{first.upper()}_" if first else "", True)
    return "", False


def _files(repository: Path, file: SourceFile, texts: Sequence[str]) -> Iterator[SourceFile]:
    """The files of data that it reads, those that are there, beside its own file or above it."""
    folders = [posixpath.dirname(file.name)]
    while folders[-1]:
        folders.append(posixpath.dirname(folders[-1]))
    for text in texts:
        names = (posixpath.normpath(posixpath.join(folder, text)) for folder in folders if text.endswith(ENDINGS))
        if found := read_first(repository, filter(is_inside, names)):
            yield found


def _tables(file: SourceFile, options: Mapping[str | None, ast.expr]) -> list[Mapping[str, Any]]:
    """The tables with settings in a file: of each environment, where it has those."""
    tree = read_tables(file)
    has_environments = "environments" in options and not is_value(options["environments"], False)
    return [each for each in tree.values() if isinstance(each, dict)] if has_environments else [tree]


def _names(tables: list[Mapping[str, Any]], above: str) -> Iterator[str]:
    """The names of settings in capitals, with a dot below a table; no value."""
    for name, value in (pair for table in tables for pair in table.items()):
        if isinstance(value, dict):
            yield from _names([value], f"{above}{name}.".upper())
        elif not name.startswith("dynaconf_"):
            yield f"{above}{name}".upper()


def _validators(tree: ast.Module) -> tuple[dict[str, int], dict[str, int]]:
    """The settings that validators are for, and those of them that one demands, each with its line."""
    # One of two validators joined by | is enough, and what follows `when` only chooses.
    lenient = {part for node in ast.walk(tree) for each in _lenient(node) for part in ast.walk(each)}
    validated: dict[str, int] = {}
    demands: dict[str, int] = {}
    with_default = set[str]()
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call) and last_name(each.func) == "Validator"]
    # They run in their order, and a default that one sets is there for those after it.
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        lines = dict.fromkeys(texts_of(node.args), node.lineno)
        validated = lines | validated
        if _is_demand(node) and node not in lenient:
            demands |= {name: line for name, line in lines.items() if name not in with_default}
        if any(each.arg == "default" for each in node.keywords):
            with_default.update(lines)
    return validated | demands, demands


def _lenient(node: ast.AST) -> Iterator[ast.expr]:
    """The parts of an expression whose validators may fail."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from (node.left, node.right)
    if isinstance(node, ast.Call):
        yield from (each.value for each in node.keywords if each.arg == "when")


def _is_demand(node: ast.Call) -> bool:
    """Whether a validator fails without its settings, in every environment."""
    options = {each.arg: each.value for each in node.keywords}
    is_conditional = bool({"when", "env", "default"} & options.keys())
    return not is_conditional and any(is_value(options.get(each), True) for each in ("must_exist", "required"))


def _texts(node: ast.expr | None) -> tuple[str, ...]:
    """The texts of a literal, or of a list of them; () for anything else."""
    try:
        value = ast.literal_eval(node) if node else ()
    except (ValueError, TypeError):
        return ()
    values = (value,) if isinstance(value, str) else value
    return tuple(values) if isinstance(values, list | tuple) and all(isinstance(each, str) for each in values) else ()
