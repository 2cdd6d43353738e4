"""The application's Settings: their fields and the variables of each, parsed from the source without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.model.letters import FILES_NAMED, listed
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.conditions import Condition, find_conditions
from omc_runbook.repository.dynaconf import read_dynaconf
from omc_runbook.repository.environment_reads import (
    find_django_settings,
    find_environment_reads,
    find_open_prefixes,
)
from omc_runbook.repository.python_syntax import (
    assigned,
    is_value,
    last_name,
    parse_expression,
    parse_python,
    texts_of,
    union_members,
)
from omc_runbook.repository.settings_classes import (
    COMPUTED,
    NAMING,
    OPTIONS,
    SOURCES,
    Classes,
    class_variables,
    file_names,
    has_default,
)
from omc_runbook.repository.settings_search import (
    LIKE_READS,
    LIKE_SETTINGS,
    MAIN_CLASS,
    SettingsClass,
    find_conflict_in_code,
    find_settings_classes,
    is_base,
    is_main,
)
from omc_runbook.repository.settings_source import (
    CONFIG,
    FOLDERS,
    MODULES,
    Field,
    FieldPart,
    SettingsSource,
    import_folder,
)
from omc_runbook.repository.sparse_checkout import advise_sparse
from omc_runbook.repository.template import find_template
from omc_runbook.textfile.file import SourceFile, read_source

_, ENVIRON, DOTENV, FILES = SOURCES
_OF_OTHERS = ("extra", "dotenv_filtering")
"""The options that say what becomes of variables without a field."""
_PASSING_ON = ("str", "bytes", "cast")
"""Types and a function, in lower case, whose result is what they take."""
_CLASS = re.compile(rf"^class[ \t]+{MAIN_CLASS}[ \t]*\(", re.MULTILINE)
_WITHOUT_SOURCES = frozenset({"BaseModel", "TypedDict", "NamedTuple", "Struct"})
"""Bases of a class that takes no variable from the environment by itself."""


def read_settings(repository: Path, files: CheckoutFiles | None = None) -> SettingsSource:
    """Parse the Settings of a checkout: the platform's file, else the class in another one that is its Settings.

    Without such a class, the variables that the code asks the environment for are its fields. Raises UsageError if
    there are none, for several such classes, and for a file that is not valid Python. `files` are the checkout's, where
    other questions are asked of them too.
    """
    files = files or CheckoutFiles(repository)
    usual = _usual_file(files)
    folder = import_folder(repository, usual.name) if usual else ""
    if usual and (usual.name == CONFIG or not folder):
        return parse_settings(usual, files=files)
    if conflict := find_conflict_in_code(files, LIKE_SETTINGS):
        raise UsageError(conflict)
    found = find_settings_classes(files)
    if usual and all(each.folder.is_relative_to(folder) for each in found):
        return parse_settings(usual, files=files)
    if found and not is_main(found):
        # Those with a template of their own have another .env.
        sharing = tuple(each for each in found if _has_template_of_top(repository, each.file))
        if len(sharing) > 1:
            return _of_several(_parsed(files, sharing))
        raise UsageError(
            f"{repository} has several classes of settings:"
            f" {listed([each.label for each in found], FILES_NAMED, '; ')}."
            " Set repository to the folder of the application that is meant."
        )
    main, *others = _parsed(files, found) or [_without_class(files)]
    if found and is_base(found):
        return _with_derived(main, others)
    equal = tuple(each.label for each in found[1:] if each.folder == found[0].folder)
    return replace(_with_others(main, others), equal_classes=equal)


def _parsed(files: CheckoutFiles, found: Sequence[SettingsClass]) -> list[SettingsSource]:
    sources = [(read_source(files.root, each.file), each.name) for each in found]
    return [parse_settings(file, name, files) for file, name in sources if file]


def _usual_file(files: CheckoutFiles) -> SourceFile | None:
    """The first file with Settings where most applications have them; None for none."""
    names = [name for module in MODULES for folder in FOLDERS if (name := f"{folder}/{module}".lstrip("/"))]
    found = (read_source(files.root, name) for name in (CONFIG, *names))
    return next(
        (file for file in found if file and _CLASS.search(file.text) and not _is_filled_by_code(files, file)), None
    )


def _is_filled_by_code(files: CheckoutFiles, file: SourceFile) -> bool:
    """Whether a file's class Settings is no class of settings: the code itself asks the environment for its fields."""
    nodes = (node for node in parse_python(file.text).body if isinstance(node, ast.ClassDef))
    node = next((node for node in nodes if node.name == MAIN_CLASS), None)
    bases = {*map(last_name, node.bases)} if node else set()
    # A metaclass may ask for them as well.
    if node is None or node.keywords or not bases <= {"object", *_WITHOUT_SOURCES}:
        return False
    reads, _ = find_environment_reads(files, "")
    names = {each.variable.casefold() for each in reads if each.file == file.name}
    fields = parse_settings(file, files=files).fields if bases & _WITHOUT_SOURCES else ()
    return bool(names) and all(names.intersection(map(str.casefold, each.variables)) for each in fields)


def _has_template_of_top(repository: Path, file: str) -> bool:
    """Whether the template at the top is the nearest to a file."""
    folders = (folder.as_posix() for folder in Path(file).parents)
    return next((folder for folder in folders if find_template(repository, folder)), "") == "."


def _of_several(sources: Sequence[SettingsSource]) -> SettingsSource:
    """The fields of several classes none of which is the main one, as of applications that share a template."""
    main = _with_others(sources[0], sources[1:])
    return replace(
        main,
        file=None,
        name="",
        env_files=main.env_files if all(each.env_files == main.env_files for each in sources) else None,
        env_prefix="",
        case_sensitive=all(each.case_sensitive for each in sources),
        ignore_empty=all(each.ignore_empty for each in sources),
        nested_delimiter=next((each.nested_delimiter for each in sources if each.nested_delimiter), ""),
        from_json=False,
        computed_options=(),
        ambiguities=tuple(dict.fromkeys(reason for each in sources for reason in each.ambiguities)),
        apart_folders=tuple(dict.fromkeys(each.folder for each in sources)),
    )


def _with_others(main: SettingsSource, others: Sequence[SettingsSource]) -> SettingsSource:
    """Settings with the fields and conditions of other classes of the application."""
    fields = {_declaration(each): each for source in (*reversed(others), main) for each in source.fields}
    ordered = dict.fromkeys(_declaration(each) for source in (main, *others) for each in source.fields)
    conditions = dict.fromkeys(each for source in (main, *others) for each in source.conditions)
    return replace(main, fields=tuple(fields[each] for each in ordered), conditions=(*conditions,))


def _with_derived(base: SettingsSource, derived: Sequence[SettingsSource]) -> SettingsSource:
    """Settings with the fields of the classes that derive from them: each of an application, or all of one.

    Of the base only what one of them inherits counts. One application uses one of the classes, so that what only others
    have is not certainly required.
    """
    are_apart = len({each.folder for each in derived}) == len(derived)
    inherited = {_declaration(each) for source in derived for each in source.fields}
    known = {_declaration(each) for each in base.fields}
    own = replace(base, fields=tuple(each for each in base.fields if _declaration(each) in inherited))
    if not are_apart:
        derived = [
            replace(source, fields=tuple(_of_one(each) for each in source.fields if _declaration(each) not in known))
            for source in derived
        ]
    # A base that only has options is no class of settings to load, or to add a field to.
    return _with_others(own, derived) if base.fields else _of_several(derived)


def _of_one(field: Field) -> Field:
    return replace(field, doubt=field.doubt or f"only class {field.owner} has it")


def _declaration(field: Field) -> tuple[str, int, tuple[str, ...]]:
    return field.file, field.line, field.variables


def _without_class(files: CheckoutFiles) -> SettingsSource:
    if conflict := find_conflict_in_code(files, LIKE_READS):
        raise UsageError(conflict)
    reads, _ = find_environment_reads(files, "")
    dynaconf, open_prefixes = read_dynaconf(files), find_open_prefixes(files)
    if not (reads or dynaconf or open_prefixes) and (file := read_source(files.root, CONFIG)):
        return parse_settings(file, files=files)
    if not (reads or dynaconf or open_prefixes):
        raise UsageError(
            f"{files.root} has no {CONFIG}, no class that derives from BaseSettings, and no code that reads os.environ,"
            " also by starlette, decouple, environs or dynaconf: name a checkout of the platform."
            f"{advise_sparse(files.root)}"
        )
    fields: dict[str, Field] = {}
    with_default = {each.variable for each in reads if each.has_default}
    setting_of = {each.variable: each.setting for each in reads if each.setting}
    for each in sorted(reads, key=lambda read: (not (read.is_required and read.is_local), not read.is_required)):
        variable = Field(
            name=each.variable,
            variables=(each.variable,),
            annotation="str",
            required=each.is_required,
            is_local=each.is_local,
            has_default=each.variable in with_default,
            setting=setting_of.get(each.variable, ""),
            line=each.line,
            file=each.file,
        )
        fields.setdefault(each.variable, variable)
    if dynaconf:
        return replace(dynaconf, fields=(*dynaconf.fields, *fields.values()))
    django_settings = "" if all(each.is_local for each in reads) else find_django_settings(files)
    return SettingsSource(fields=(*fields.values(),), open_prefixes=open_prefixes, django_settings=django_settings)


def parse_settings(file: SourceFile, name: str = MAIN_CLASS, files: CheckoutFiles | None = None) -> SettingsSource:
    """Parse the settings of a main class in a file, with the classes of other files that it uses.

    Raises UsageError if the file is not valid Python or has no such class.
    """
    return settings_of(Classes(file, name, files))


def settings_of(classes: Classes) -> SettingsSource:
    """The settings of the main class of classes that are parsed already."""
    file, name = classes.file, classes.main
    lineage = classes.lineage(name)
    options, sources = classes.options(lineage), classes.sources(lineage)
    effective = OPTIONS | {name: value for name, value in options.items() if value is not COMPUTED}
    fields = list(_fields(classes, name))
    main_names = {each.name for each in lineage}
    others = [each for each in classes.nodes if each not in main_names and classes.is_settings(each)]
    parts = {part for each in fields if each.nested for part in _models(classes, each.annotation)}
    for other in others:
        declared = {_declaration(each) for each in fields}
        own = [each for each in _fields(classes, other) if _declaration(each) not in declared]
        # What fills the field of Settings fills its parts, and their own variables only stand in for them.
        is_part = other in parts and not classes.is_used_as_value(other)
        fields += (replace(each, required=False) for each in own) if is_part else own
    doubts = zip(fields, _doubts(classes, fields), strict=True)
    fields = [replace(each, doubt=each.doubt or doubt) for each, doubt in doubts]
    return SettingsSource(
        file=file,
        name=name,
        fields=tuple(fields),
        env_files=file_names(options.get("env_file")) if DOTENV in sources else (),
        variables_win=ENVIRON in sources[: sources.index(DOTENV) if DOTENV in sources else None],
        env_prefix="" if effective["env_prefix_target"] == "alias" else str(effective["env_prefix"] or ""),
        case_sensitive=bool(effective["case_sensitive"]),
        ignore_empty=bool(effective["env_ignore_empty"]),
        none_text=str(effective["env_parse_none_str"] or ""),
        nested_delimiter=next(filter(None, (_delimiter(classes, each) for each in (name, *others))), ""),
        secrets_dirs=(file_names(options.get("secrets_dir")) or ()) if FILES in sources else (),
        from_json=options.get("enable_decoding", True) is True and not classes.other_sources(lineage)[1],
        forbids_others=_forbids_others(classes, lineage),
        is_pydantic_1=classes.is_pydantic_1,
        computed_options=tuple(name for name in OPTIONS if options.get(name) is COMPUTED and name not in _OF_OTHERS),
        conditions=tuple(_conditions(classes, fields)),
        ambiguities=tuple(reason for each in classes.nodes for reason in _ambiguities(classes, each)),
    )


def _models(classes: Classes, annotation: str) -> Iterator[str]:
    """Yield the names of the classes that an annotation allows."""
    expression = parse_expression(annotation)
    yield from (classes.name(each) for each in union_members(expression)) if expression else ()


def _forbids_others(classes: Classes, lineage: list[ast.ClassDef]) -> bool:
    """Whether a settings class certainly refuses a line of its env_file with a value and no field of that name."""
    options = classes.options(lineage)
    is_default = all(options.get(name, OPTIONS[name]) == OPTIONS[name] for name in _OF_OTHERS)
    # Pydantic 1 takes from the file what it has a field for.
    return is_default and not classes.is_pydantic_1 and not classes.foreign_bases(lineage)


def _delimiter(classes: Classes, name: str) -> str:
    """The env_nested_delimiter of a settings class, "" for none; "__" for one that only the running code tells."""
    lineage = classes.lineage(name)
    option = classes.options(lineage).get("env_nested_delimiter")
    is_computed = option is COMPUTED or (not option and bool(classes.other_sources(lineage)[1]))
    return "__" if is_computed else str(option or "")


def _doubts(classes: Classes, fields: Sequence[Field]) -> Iterator[str]:
    """Why the classes that derive from the main one leave open whether each field is required; "" where they do not."""
    derived = [each for each in classes.nodes if classes.derives_from_main(each)]
    bases = {classes.name(base) for each in derived for base in classes.nodes[each].bases}
    outer = {
        each: {field.variables: field.required for field in _fields(classes, each)}
        for each in derived
        if each not in bases
    }
    is_main_used = bool(classes.arguments(classes.main))
    for field in fields:
        missing = (name for name, required in outer.items() if not required.get(field.variables))
        if is_main_used:
            yield f"only class {field.owner} has it" if field.owner in derived else ""
        elif field.owner in (classes.main, *derived) and (name := next(missing, "")):
            yield f"class {name} has {'a default for it' if field.variables in outer[name] else 'no such field'}"
        else:
            yield ""


def _conditions(classes: Classes, fields: list[Field]) -> Iterator[Condition]:
    enums = {
        name: {member: text for member, value in assigned(node.body) for text in texts_of([value])}
        for name, node in classes.nodes.items()
    }
    for owner in dict.fromkeys(each.owner for each in fields):
        variables = {each.name: each.variables[0] for each in fields if each.owner == owner}
        flags = {each.name for each in fields if each.owner == owner and each.annotation == "bool"}
        yield from find_conditions(classes.lineage(owner), enums, variables, flags)


def _ambiguities(classes: Classes, name: str) -> Iterator[str]:
    """Yield the reasons why the fields or variables of a settings class may be unknown."""
    if name != classes.main and not classes.is_settings(name):
        return
    lineage = classes.lineage(name)
    options = classes.options(lineage)
    if ENVIRON not in classes.sources(lineage):
        yield f"settings_customise_sources of class {name} leaves {ENVIRON} out, so that it takes no variable"
    yield from (f"{option} of class {name} is an expression" for option in NAMING if options.get(option) is COMPUTED)
    yield from (f"class {name} derives from {base} of another file" for base in classes.foreign_bases(lineage))
    for each in reversed(lineage):
        for field_name, statement in classes.own_fields(each):
            if None in _Declaration(classes, options, field_name, statement).aliases:
                yield f"the alias of {field_name} in class {each.name} is an expression"


def _fields(classes: Classes, owner: str) -> Iterator[Field]:
    """The fields of a class, inherited ones first."""
    lineage = classes.lineage(owner)
    options = classes.options(lineage)
    declared: dict[str, tuple[_Declaration, ast.ClassDef]] = {}
    certain = {id(statement) for each in lineage for statement in each.body}
    for each in reversed(lineage):
        # A class variable hides an inherited field.
        declared = {name: found for name, found in declared.items() if name not in class_variables(each)}
        for name, statement in classes.own_fields(each):
            former, node = declared.get(name, (None, None))
            # Of the branches of a condition, the one without a default counts.
            is_other_branch = node is each and id(statement) not in certain
            if not (is_other_branch and former and former.is_required):
                declared[name] = _Declaration(classes, options, name, statement), each
    given, other_source = classes.other_sources(lineage)
    is_exact = options.get("case_sensitive") is True
    splits, delimiter = options.get("env_nested_max_split"), str(options.get("env_nested_delimiter") or "")
    given_parts = {delimiter.join(path).casefold() for path, has_value in given.items() if has_value}
    calls = classes.arguments(owner)
    for name, (declaration, node) in declared.items():
        statement, file = declaration.statement, classes.file_of(node)
        is_conditional = id(statement) not in certain
        doubts = (
            f"line {statement.lineno} of {file.name} declares it under a condition" if is_conditional else "",
            f"{other_source} may have it" if other_source else "",
        )
        variables = declaration.variables
        nested = declaration.nested(variables, splits if splits and isinstance(splits, int) else -1)
        names = declaration.names
        allows_none = any(is_value(each, None) for each in union_members(statement.annotation))
        is_given = any(given.get((each,), False) or (allows_none and (each,) in given) for each in names)
        annotation = classes.source(statement.annotation, file)
        # As in Settings(database=DatabaseSettings()): what fills the parts is in variables of their own.
        is_passed = bool(calls) and all(any(each in arguments for each in names) for arguments in calls)
        is_passed = is_passed and any(map(classes.is_settings, _models(classes, annotation)))
        for part in nested:
            in_file = (f"{own}{part.removeprefix(variable)}".casefold() for own in names for variable in variables)
            is_in_file = not given_parts.isdisjoint(in_file)
            nested[part] = replace(nested[part], required=nested[part].required and not is_in_file)
        cased = {each: each if is_exact else each.upper() for each in (*variables, *nested)}
        yield Field(
            name=name,
            variables=tuple(dict.fromkeys(cased.values())),
            nested={cased[each]: part for each, part in nested.items()},
            annotation=annotation,
            required=declaration.is_required
            and not is_passed
            and (not is_given or any(each.required for each in nested.values())),
            owner=owner,
            line=statement.lineno,
            file=file.name,
            is_conditional=is_conditional,
            doubt=next(filter(None, doubts), ""),
            default=declaration.default,
            has_default=declaration.has_value,
            refuses_empty=declaration.refuses_empty,
            has_known_names=not any(options.get(option) is COMPUTED for option in NAMING)
            and None not in declaration.aliases,
        )


@dataclass(frozen=True)
class _Declaration:
    """A field's statement in a class of settings, with the options by which that reads it."""

    classes: Classes
    options: Mapping[str, object]
    name: str
    statement: ast.AnnAssign

    @cached_property
    def calls(self) -> list[ast.Call]:
        """The calls of Field() for it: those in Annotated first, since the assigned one overrides them."""
        annotation = self.classes.constant(self.statement.annotation) or self.statement.annotation
        expressions = [self.statement.value] if self.statement.value else []
        if isinstance(annotation, ast.Subscript) and self.classes.name(annotation) == "Annotated":
            expressions = [*getattr(annotation.slice, "elts", ())[1:], *expressions]
        return [call for each in expressions if (call := self.classes.field_call(each))]

    @property
    def is_required(self) -> bool:
        """Whether it has no default; an expression counts as one."""
        value = self.statement.value
        is_open = value is None or is_value(value, ...) or self.classes.field_call(value) in self.calls
        return is_open and not any(map(has_default, self.calls))

    @property
    def refuses_empty(self) -> bool:
        """Whether Field(), constr() or the like gives it a `min_length`, or a pattern that an empty text lacks."""
        annotation = self.classes.constant(self.statement.annotation) or self.statement.annotation
        calls = (*self.calls, *(each for each in ast.walk(annotation) if isinstance(each, ast.Call)))
        words = [each for call in calls for each in call.keywords]
        lengths = (each.value for each in words if each.arg == "min_length")
        patterns = texts_of([each.value for each in words if each.arg in ("pattern", "regex")])
        has_length = any(not isinstance(each, ast.Constant) or bool(each.value) for each in lengths)
        return has_length or not all(map(_takes_empty, patterns))

    @property
    def default(self) -> str:
        """Its default, where that is a text in the source."""
        return next(reversed(texts_of(self._defaults("default"))), "")

    @property
    def has_value(self) -> bool:
        """Whether it has a default other than None, an empty text, and one of these in a call, as in SecretStr("")."""
        inner = [part for each in self._defaults("default", "default_factory")[-1:] for part in _made_of(each)]
        constants = (each.value if isinstance(each, ast.Constant) else each for each in inner)
        return any(each not in (None, "", b"", ...) for each in constants)

    def _defaults(self, *keywords: str) -> list[ast.expr]:
        """The expressions of its default, in calls of Field() and alone, the last of which counts."""
        value = self.statement.value
        defaults: list[ast.expr] = []
        for call in self.calls:
            defaults += (*call.args[:1], *(each.value for each in call.keywords if each.arg in keywords))
        return [*defaults, value] if value and value not in self.calls else defaults

    @property
    def variables(self) -> list[str]:
        """Its variables: its aliases, or its name after the prefix."""
        options = self.options
        aliases = [each for each in self.aliases if each is not None]
        option, target = options.get("env_prefix"), options.get("env_prefix_target", "variable")
        prefix = option if isinstance(option, str) else ""
        variable = self.name if target == "alias" else f"{prefix}{self.name}"
        if target in ("alias", "all"):
            aliases = [f"{prefix}{each}" for each in aliases]
        return self._with_name(aliases, variable)

    @property
    def names(self) -> list[str]:
        """What a file of settings calls it."""
        return self._with_name([each for each in self.aliases if each is not None], self.name)

    def _with_name(self, aliases: list[str], name: str) -> list[str]:
        if self.options.get("validate_by_alias") is False:
            return [name]
        by_name = self.options.get("validate_by_name", self.options.get("populate_by_name")) is True
        return [*aliases, name] if by_name or not aliases else aliases

    @cached_property
    def aliases(self) -> list[str | None]:
        """Its aliases, in order of precedence; None for one that is an expression."""
        if not self.classes.is_pydantic_1:
            # An alias is a validation_alias too, which overrides that of an earlier call.
            options = ({each.arg: each.value for each in call.keywords} for call in reversed(self.calls))
            aliases = (_aliases(self.classes, each.get("validation_alias") or each.get("alias")) for each in options)
            return next(filter(None, aliases), [])
        keywords = {each.arg: each.value for call in self.calls for each in call.keywords}
        fields = self.options.get("fields")
        own = fields.get(self.name) if isinstance(fields, dict) else None
        env = own.get("env") if isinstance(own, dict) else None
        names = env or (self.classes.value(keywords["env"]) if "env" in keywords else ())
        several = names if isinstance(names, list | tuple | set | frozenset) else (names,)
        return [each if isinstance(each, str) else None for each in several]

    def nested(self, prefixes: list[str], splits: int, above: tuple[str, ...] = ()) -> dict[str, FieldPart]:
        """The variables of the fields of a nested model.

        `splits` is how often the rest of a name is split at the delimiter, a negative number for wherever it is;
        `above` are the models that it is nested in.
        """
        nested: dict[str, FieldPart] = {}
        classes, delimiter = self.classes, self.options.get("env_nested_delimiter")
        for name in map(last_name, union_members(self.statement.annotation)):
            if isinstance(delimiter, str) and delimiter and splits and name not in above and classes.is_model(name):
                lineage = classes.lineage(name)
                options = {**classes.options(lineage), "env_prefix": "", "env_nested_delimiter": delimiter}
                members = ((owner, *each) for owner in lineage for each in classes.own_fields(owner))
                for owner, member, statement in members:
                    part = _Declaration(classes, options, member, statement)
                    # A name with the delimiter in it is that of a part, unless no further split is made.
                    suffixes = [each for each in part.variables if splits == 1 or delimiter not in each]
                    variables = [f"{prefix}{delimiter}{suffix}" for prefix in prefixes for suffix in suffixes]
                    # Of several names, one is enough.
                    is_required = part.is_required and len(variables) == 1
                    inner = part.nested(variables, splits - 1, (*above, name))
                    annotation = classes.source(statement.annotation, classes.file_of(owner))
                    nested |= dict.fromkeys(variables, FieldPart(annotation, is_required and not inner))
                    nested |= {
                        name: FieldPart(each.annotation, is_required and each.required) for name, each in inner.items()
                    }
        return nested


def _made_of(node: ast.expr) -> list[ast.expr]:
    """The expressions that a default is made of: what a type takes, by a keyword or not, or a lambda gives."""
    if isinstance(node, ast.Lambda):
        return _made_of(node.body)
    name = last_name(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or (name.islower() and name not in _PASSING_ON):
        # A function, as datetime.now(tz=None), gives something else than what it takes.
        return [node]
    parts = [*node.args[name == "cast" :], *(each.value for each in node.keywords)]
    return [inner for each in parts for inner in _made_of(each)] or [node]


def _takes_empty(pattern: str) -> bool:
    """Whether an empty text matches a pattern, or that is unknown: Rust has other ones than Python."""
    try:
        return re.search(pattern, "") is not None
    except re.error:
        return True


def _aliases(classes: Classes, node: ast.expr | None) -> list[str | None]:
    """The names in an alias, in order of precedence; None for one that is an expression."""
    if isinstance(node, ast.Call) and classes.name(node.func) in ("AliasChoices", "AliasPath"):
        choices = node.args if classes.name(node.func) == "AliasChoices" else node.args[:1]
        return [alias for each in choices for alias in _aliases(classes, each)]
    value = classes.value(node) if node else None
    return [] if value is None else [value if isinstance(value, str) else None]
