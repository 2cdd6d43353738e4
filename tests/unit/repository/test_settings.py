"""The application's Settings: what their source says, and a new field in them that leaves every other byte alone."""

import ast
import os
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.call_counts import count_calls
from support.files import start_git, write_files

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.repository.settings import parse_settings, read_settings
from omc_runbook.repository.settings_edit import NewField, add_field
from omc_runbook.repository.settings_source import CONFIG, Field, SettingsSource
from omc_runbook.textfile.file import Edit, SourceFile

IMPORTS = """\
from typing import Annotated, Any, ClassVar, Final, Literal, Optional, Union

from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr, computed_field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

"""
HEAD = f"{IMPORTS}\nclass Settings(BaseSettings):\n"


def source(text: str) -> SourceFile:
    return SourceFile(Path("checkout") / CONFIG, CONFIG, text.encode())


def test_classes_that_share_their_bases_are_each_followed_once() -> None:
    """Where two have the same two bases, level by level, the ways to the first one double with each level."""
    pairs = "".join(
        f"class {side}{level}({f'L{level - 1}, R{level - 1}' if level else 'BaseSettings'}):\n    {side}_{level}: str\n"
        for level in range(20)
        for side in "LR"
    )
    found = parse_settings(source(f"{IMPORTS}{pairs}class Settings(L19, R19):\n    A: str\n"))
    assert {each.name for each in found.fields} == {"A", *(f"{side}_{level}" for side in "LR" for level in range(20))}


def test_a_file_is_walked_through_once() -> None:
    """Its imports, calls, names and constants are found on one way through it; a walk takes a call for each node."""
    file = source(f"{HEAD}    A: int = 1\n    B: str = Field(default='')\n")
    nodes = [*ast.walk(ast.parse(file.text))]
    assert count_calls(lambda: parse_settings(file), "walk") < 2 * len(nodes)


def test_the_options_of_a_class_are_found_once() -> None:
    """Its fields, their variables and what is not known of them all depend on them."""
    file = source(f"{HEAD}    model_config = SettingsConfigDict(env_prefix='APP_')\n    A: int = 1\n    B: str\n")
    assert count_calls(lambda: parse_settings(file), "is_config") == 3


def read(body: str, head: str = HEAD) -> SettingsSource:
    """The Settings of a file whose class has this body."""
    return parse_settings(source(head + body))


def first_variables(parsed: SettingsSource) -> tuple[str, ...]:
    """The first variable of every field, each once."""
    return tuple(dict.fromkeys(each.variables[0] for each in parsed.fields))


def required_variables(parsed: SettingsSource) -> tuple[str, ...]:
    """The first variable of every required field, each once."""
    return tuple(dict.fromkeys(each.variables[0] for each in parsed.fields if each.required))


def field(body: str) -> Field:
    return next(each for each in read(body).fields if each.name == "KEY")


def new(key: str = "NEW_API_KEY", type: str = "str", required: bool = True, description: str = "") -> NewField:
    return NewField(key, type, required, description)


def edited(body: str, new_field: NewField, head: str = HEAD) -> str:
    """The body of a class after the edit."""
    edit = add_field(source(head + body), new_field)
    assert edit is not None
    assert edit.after.decode().startswith(head)
    return edit.after.decode().removeprefix(head)


def refusal(body: str, new_field: NewField, head: str = HEAD) -> str:
    with pytest.raises(CannotEdit) as raised:
        add_field(source(head + body), new_field)
    return str(raised.value)


# Reading


def test_a_checkout_is_read(tmp_path: Path) -> None:
    """The file is found at its path within the checkout."""
    path = tmp_path / CONFIG
    path.parent.mkdir(parents=True)
    path.write_text(f"{HEAD}    PROJECT_NAME: str\n    PORT: int = 1\n    _own: int = 1\n")
    assert first_variables(read_settings(tmp_path)) == ("PROJECT_NAME", "PORT")
    assert required_variables(read_settings(tmp_path)) == ("PROJECT_NAME",)
    assert read_settings(tmp_path).file.name == CONFIG


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "has no backend/app/core/config.py"),
        ("class Other: pass\n", "has no class Settings"),
        ("class Settings:\n    KEY: str = 's3cret'(\n", "line 2 is not valid Python: fix it first."),
        ("class Settings:\n    KEY = '\0'\n", "is not valid Python: fix it first."),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    """Without a file, a class or valid Python one sentence says so, and shows nothing of the source."""
    path = tmp_path / CONFIG
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_settings(tmp_path)
    assert words in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_no_source_is_in_a_warning_or_a_repr(recwarn: pytest.WarningsRecorder) -> None:
    """An escape that Python would warn of, with its line, is read in silence; and a repr does not show the file."""
    parsed = read('    KEY: str = "s3cret\\d"\n')
    assert add_field(parsed.file, new()) is not None
    assert list(recwarn) == []
    assert "s3cret" not in repr(parsed)


@pytest.mark.parametrize(
    ("declaration", "variables", "required"),
    [
        ("KEY: str", ("KEY",), True),
        ("KEY: str = 'x'", ("KEY",), False),
        ("KEY: str | None = None", ("KEY",), False),
        ("KEY: str = ...", ("KEY",), True),
        ("KEY: str = Field()", ("KEY",), True),
        ("KEY: str = Field(...)", ("KEY",), True),
        ("KEY: str = Field(default=...)", ("KEY",), True),
        ("KEY: str = Field('x')", ("KEY",), False),
        ("KEY: str = Field(default='x')", ("KEY",), False),
        ("KEY: list[str] = Field(default_factory=list)", ("KEY",), False),
        ("KEY: str = Field(**COMMON)", ("KEY",), False),
        ("KEY: str = pydantic.Field(min_length=3)", ("KEY",), True),
        ("KEY: str = Named(alias='OTHER')", ("OTHER",), True),
        ("KEY: str = make()", ("KEY",), False),
        ("KEY: str = Field(alias='other')", ("OTHER",), True),
        ("KEY: str = Field(alias='other', validation_alias='b')", ("B",), True),
        ("KEY: str = Field(validation_alias=AliasChoices('A', 'b'))", ("A", "B"), True),
        ("KEY: str = Field(validation_alias=AliasPath('A', 0))", ("A",), True),
        ("KEY: str = Field(validation_alias=AliasChoices('A', AliasPath('B', 'x')))", ("A", "B"), True),
        ("KEY: Annotated[str, Field(alias='A')] = 'x'", ("A",), False),
        ("KEY: Annotated[str, Field(default='x')]", ("KEY",), False),
        ("KEY: Annotated[str, Field(min_length=1)]", ("KEY",), True),
        ("KEY: Annotated[str, Field(alias='A')] = Field(alias='B')", ("B",), True),
        ("key: str", ("KEY",), True),
    ],
)
def test_a_declaration_tells_variables_and_whether_there_is_a_default(
    declaration: str, variables: tuple[str, ...], required: bool
) -> None:
    """Aliases stand for the name, and any kind of default makes a field optional."""
    head = HEAD.replace("class Settings", "from pydantic import Field as Named\n\n\nclass Settings")
    declared = read(f"    {declaration}\n", head).fields[0]
    assert (declared.variables, declared.required) == (variables, required)
    assert declared.owner == "Settings"
    assert declared.line == head.count("\n") + 1


def test_an_annotation_keeps_its_source() -> None:
    """An annotation is read as written, on one line."""
    assert field('    KEY: Literal["é", "b"]|None = None\n').annotation == 'Literal["é", "b"]|None'
    assert field("    KEY: Annotated[str, Field(alias='A')]\n").annotation == "Annotated[str, Field(alias='A')]"
    assert field("    KEY: Union[\n        str,\n        int,  # both\n    ]\n").annotation == "Union[str, int]"


def test_only_annotated_public_names_are_fields() -> None:
    """Class variables, private names, plain assignments, methods and the configuration are no fields."""
    body = """\
    model_config = SettingsConfigDict(extra="ignore")
    _private: int = 1
    CONSTANT: ClassVar[int] = 1
    QUOTED: "ClassVar[int]" = 1
    FINAL: Final[int] = 1
    PATH: Final = Field(default="/")
    PLAIN = 1
    KEY: str
    (ODD): str

    @computed_field
    @property
    def URL(self) -> str:
        inner: str = "x"
        return inner
"""
    assert first_variables(read(body)) == ("KEY",)


def test_a_class_variable_hides_an_inherited_field() -> None:
    """Pydantic reads no variable for it any more."""
    base = "class Base(BaseSettings):\n    MODE: str\n    KEY: str\n\n\n"
    parsed = parse_settings(source(f"{IMPORTS}{base}class Settings(Base):\n    MODE: ClassVar[str] = 'test'\n"))
    assert first_variables(parsed) == ("KEY",)


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ("SettingsConfigDict(env_file='../.env')", ("../.env",)),
        ("SettingsConfigDict(env_file=('.env', '.env.local'))", (".env", ".env.local")),
        ("SettingsConfigDict(env_file=['.env'])", (".env",)),
        ("SettingsConfigDict(env_file=('./.env', '~/.omc.env'))", ("./.env", str(Path.home() / ".omc.env"))),
        ("SettingsConfigDict(env_file=None)", ()),
        ("SettingsConfigDict()", ()),
        ("SettingsConfigDict(env_file=ROOT / '.env')", None),
        ("SettingsConfigDict(env_file=('.env', ROOT))", None),
        ("SettingsConfigDict(env_file=1)", None),
        ("SettingsConfigDict(**COMMON)", None),
        ("SettingsConfigDict(**COMMON, env_file='.env')", (".env",)),
        ("COMMON", None),
        ("{'env_file': '.env'}", (".env",)),
        ("{**COMMON}", None),
    ],
)
def test_env_files_are_told_where_they_are_literal(config: str, files: tuple[str, ...] | None) -> None:
    """A literal is read, no env_file gives no files, and an expression gives None."""
    assert read(f"    model_config = {config}\n    KEY: str\n").env_files == files
    assert ("env_file" in read(f"    model_config = {config}\n").computed_options) == (
        files is None and "=1" not in config
    )


PATHS = """\
import os
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
TOP = os.path.dirname(os.path.abspath(__file__))
"""


@pytest.mark.parametrize(
    ("env_file", "names"),
    [
        ("ROOT / '.env'", [".env"]),
        ("str(HERE.parent.parent / '.env')", ["backend/app/.env"]),
        ("[ROOT / '.env', f'{ROOT}/.env.local']", [".env", ".env.local"]),
        ("os.path.join(TOP, '..', '.env')", ["backend/app/core/../.env"]),
        ("os.environ['ROOT'] + '/.env'", None),
        ("ROOT / os.environ['FILE']", None),
        ("os.path.expanduser('~/.env')", None),
    ],
)
def test_an_env_file_beside_the_module_is_known(tmp_path: Path, env_file: str, names: list[str] | None) -> None:
    """Also of a class in another file, and by the module's own constants."""
    base = tmp_path / "backend/app/core/base.py"
    base.parent.mkdir(parents=True)
    base.write_text(f"{PATHS}{IMPORTS}class Base(BaseSettings):\n    model_config = {{'env_file': {env_file}}}\n")
    (tmp_path / CONFIG).write_text("from .base import Base\n\n\nclass Settings(Base):\n    KEY: str\n")
    files = None if names is None else tuple(f"{tmp_path}/{name}" for name in names)
    assert read_settings(tmp_path).env_files == files


def test_options_have_the_defaults_of_pydantic_settings() -> None:
    """What is not set is as pydantic-settings has it."""
    parsed = read("    KEY: str\n")
    assert (parsed.env_files, parsed.env_prefix, parsed.case_sensitive, parsed.ignore_empty) == (
        (),
        "",
        False,
        False,
    )
    assert parsed.computed_options == ()


def test_options_are_read_wherever_they_can_be_set() -> None:
    """A model_config, an annotated one, the inner class Config and the class's own arguments all count."""
    parsed = read("    model_config = SettingsConfigDict(env_ignore_empty=True, extra='ignore', env_prefix='A_')\n")
    assert (parsed.ignore_empty, parsed.env_prefix) == (True, "A_")
    parsed = read("    model_config: ClassVar = SettingsConfigDict(case_sensitive=True)\n    key: str\n")
    assert (parsed.case_sensitive, first_variables(parsed)) == (True, ("key",))
    parsed = read("    key: str\n\n    class Config:\n        env_file = '.env'\n        env_prefix = 'b_'\n")
    assert (parsed.env_files, first_variables(parsed)) == ((".env",), ("B_KEY",))
    annotated = "        env_prefix: str = 'b_'\n        env_file: str\n\n        def f(): ...\n"
    parsed = read(f"    key: str\n\n    class Config:\n{annotated}")
    assert (parsed.env_files, first_variables(parsed)) == ((), ("B_KEY",))
    parsed = read("    key: str\n", HEAD.replace("(BaseSettings)", "(BaseSettings, env_prefix='C_', frozen=True)"))
    assert first_variables(parsed) == ("C_KEY",)


@pytest.mark.parametrize(
    "alias",
    [
        "validation_alias=ADMIN",
        'alias=f"{ADMIN}_KEY"',
        "validation_alias=AliasChoices('A', ADMIN)",
        "validation_alias=AliasPath(ADMIN, 0)",
    ],
)
def test_an_alias_that_is_an_expression_leaves_the_name_unknown(alias: str) -> None:
    """Other fields keep theirs; None is no alias."""
    parsed = read(f"    KEY: str = Field({alias})\n    OTHER: str = Field(alias=None)\n")
    assert [each.has_known_names for each in parsed.fields] == [False, True]
    assert parsed.ambiguities == ("the alias of KEY in class Settings is an expression",)


PYDANTIC_1 = "from pydantic.v1 import BaseSettings, Field\n\n\nclass Settings(BaseSettings):\n"


@pytest.mark.parametrize(
    ("body", "variables"),
    [
        ("    key: str = Field(..., env='SECRET_KEY')\n", ("SECRET_KEY",)),
        ("    key: str = Field(..., env=['A', 'B'])\n", ("A", "B")),
        ("    key: str = Field(..., alias='OTHER')\n", ("KEY",)),
        ("    key: str\n\n    class Config:\n        env_prefix = 'X_'\n", ("X_KEY",)),
        ("    key: str\n\n    class Config:\n        fields = {'key': {'env': 'A'}}\n", ("A",)),
        (
            "    key: str = Field(..., env='B')\n\n    class Config:\n        fields = {'key': {'env': ['A']}}\n",
            ("A",),
        ),
    ],
)
def test_pydantic_1_names_variables_in_its_own_way(body: str, variables: tuple[str, ...]) -> None:
    """By env, of a field or of Config.fields; an alias names none there, and env none in later versions."""
    parsed = read(body, PYDANTIC_1)
    assert (parsed.fields[0].variables, parsed.ambiguities) == (variables, ())
    assert read("    key: str = Field(..., env='SECRET_KEY')\n").fields[0].variables == ("KEY",)


@pytest.mark.parametrize(
    "body", ["key: str = Field(..., env=NAME)", "key: str\n\n    class Config:\n        fields = NAMES"]
)
def test_a_name_of_pydantic_1_that_is_an_expression_is_unknown(body: str) -> None:
    """It is no alias that is missing."""
    parsed = read(f"    {body}\n", PYDANTIC_1)
    assert not parsed.fields[0].has_known_names and parsed.ambiguities


@pytest.mark.parametrize(
    ("above", "body", "variables"),
    [
        ("NAME = 'TOKEN'\n", "    KEY: str = Field(alias=NAME)\n", ("TOKEN",)),
        ("P = 'OMC_'\n", "    KEY: str = Field(validation_alias=AliasChoices(f'{P}A', P + 'B'))\n", ("OMC_A", "OMC_B")),
        ("class Names:\n    TOKEN = 'T'\n", "    KEY: str = Field(alias=Names.TOKEN)\n", ("T",)),
        ("class Names(Other):\n    TOKEN = 'T'\n", "    KEY: str = Field(alias=Names.TOKEN)\n", ("T",)),
        ("P = 'OMC_'\n", "    model_config = SettingsConfigDict(env_prefix=P)\n    KEY: str\n", ("OMC_KEY",)),
        ("C = SettingsConfigDict(env_prefix='A_')\n", "    model_config = C\n    KEY: str\n", ("A_KEY",)),
        ("C = {'env_prefix': 'A_'}\n", "    model_config = {**C, 'env_file': '.env'}\n    KEY: str\n", ("A_KEY",)),
        ("C = {'env_prefix': 'A_'}\n", "    model_config = {'env_prefix': 'B_', **C}\n    KEY: str\n", ("A_KEY",)),
        ("C = dict(env_prefix='A_')\n", "    model_config = dict(env_prefix='B_', **C)\n    KEY: str\n", ("B_KEY",)),
        ("C = dict(env_prefix='A_')\n", "    model_config = C | {'env_prefix': 'B_'}\n    KEY: str\n", ("B_KEY",)),
        ("C = dict(env_prefix='A_')\n", "    model_config = C | {'env_file': '.env'}\n    KEY: str\n", ("A_KEY",)),
        ("Token = Annotated[str, Field(alias='TOKEN')]\n", "    KEY: Token\n", ("TOKEN",)),
        ("def needed(text):\n    return Field(..., description=text)\n", "    KEY: str = needed('it')\n", ("KEY",)),
    ],
)  # fmt: skip
def test_constants_of_the_module_are_known(above: str, body: str, variables: tuple[str, ...]) -> None:
    """In aliases, options and annotations, and what a function of it returns; such a field is required as any other."""
    parsed = read(body, f"{IMPORTS}\n{above}\nclass Settings(BaseSettings):\n")
    assert parsed.ambiguities == ()
    assert [(each.variables, each.required) for each in parsed.fields] == [(variables, True)]


MAIL, DELIMITED = "    MAIL: dict[str, str] = {}\n", "model_config = SettingsConfigDict(env_nested_delimiter='__')\n"
COMMON = "class Common:\n    env_nested_delimiter = '__'\n\n"


@pytest.mark.parametrize(
    ("above", "body", "is_part"),
    [
        ("", f"{MAIL}    class Config:\n        env_nested_delimiter = '__'\n", True),
        (COMMON, f"{MAIL}    class Config(Common):\n        env_file = '.env'\n", True),
        (COMMON, f"{MAIL}    class Config(Common):\n        env_nested_delimiter = None\n", False),
        ("from library import Common\n", f"{MAIL}    class Config(Common):\n        env_file = '.env'\n", True),
        ("", f"{MAIL}    class Config(object):\n        env_file = '.env'\n", False),
        ("from library import make\n", f"    model_config = make()\n{MAIL}", True),
        ("from library import make\n", f"    model_config = SettingsConfigDict(**make())\n{MAIL}", True),
        (f"class Mail(BaseSettings):\n    {DELIMITED}{MAIL}\n", "    KEY: str\n", True),
        ("", f"{MAIL}\n\nclass Live(Settings):\n    {DELIMITED}", True),
        ("", f"{MAIL}\n    def settings_customise_sources(cls, *sources):\n        return (*sources, Own())\n", True),
        ("", MAIL, False),
    ],
)
def test_a_delimiter_of_parts_wherever_it_is_set(above: str, body: str, is_part: bool) -> None:
    """One that only the running code tells may be the usual one."""
    parsed = read(body, f"{IMPORTS}\n{above}\nclass Settings(BaseSettings):\n")
    assert (parsed.find_whole("MAIL__TOKEN") is not None) is is_part


@pytest.mark.parametrize(
    ("above", "body"),
    [
        ("from library import make\n", "    model_config = make()\n    KEY: str\n"),
        ("from library import C\n", "    KEY: str\n    class Config(C):\n        env_file = '.env'\n"),
    ],
)
def test_options_that_only_a_library_knows_are_unknown(above: str, body: str) -> None:
    parsed = read(body, f"{IMPORTS}\n{above}\nclass Settings(BaseSettings):\n")
    assert "env_prefix of class Settings is an expression" in parsed.ambiguities


def test_the_config_of_pydantic_1_has_the_options_of_its_bases() -> None:
    above = "class A:\n    env_prefix = 'A_'\n    case_sensitive = True\n\nclass B(A):\n    env_prefix = 'B_'\n"
    parsed = read(
        "    KEY: str\n    class Config(B):\n        pass\n", f"{IMPORTS}\n{above}\nclass Settings(BaseSettings):\n"
    )
    assert (parsed.env_prefix, parsed.case_sensitive, parsed.ambiguities) == ("B_", True, ())


@pytest.mark.parametrize(
    ("above", "alias"),
    [
        ("NAME = 'A'\nNAME = 'B'\n", "NAME"),
        ("NAME = 'A'\nfor NAME in ('C',):\n    pass\n", "NAME"),
        ("A = B\nB = A\n", "A"),
        ("NAME = os.environ['X']\n", "f'{NAME}_KEY'"),
        ("P = 'A'\n", "f'{P:>5}'"),
    ],
)
def test_a_name_that_may_change_is_no_constant(above: str, alias: str) -> None:
    """Its variable stays unknown, as does that of a function which gets the alias."""
    bodies = (f"    KEY: str = Field(alias={alias})\n", f"    KEY: str = named({alias})\n")
    for body in bodies:
        head = f"{IMPORTS}\n{above}\ndef named(it):\n    return Field(alias=it)\n\n\nclass Settings(BaseSettings):\n"
        assert read(body, head).ambiguities == ("the alias of KEY in class Settings is an expression",)


SOURCES = """\
    @classmethod
    def settings_customise_sources(cls, settings_cls, init_settings, env_settings, **others):
        return {}
"""


@pytest.mark.parametrize(
    ("body", "from_json"),
    [
        ("    A: str\n", True),
        ("    model_config = SettingsConfigDict(enable_decoding=False)\n    A: str\n", False),
        (f"    A: str\n\n{SOURCES.format('env_settings, Own(settings_cls)')}", False),
    ],
)
def test_settings_may_read_a_list_otherwise_than_from_json(body: str, from_json: bool) -> None:
    assert read(body).from_json is from_json


@pytest.mark.parametrize(
    ("body", "doubts"),
    [
        ("    A: str\n    if PRODUCTION:\n        B: str\n", {"B": "declares it under a condition"}),
        ("    if PRODUCTION:\n        A: str\n    else:\n        A: str = 'x'\n", {"A": "under a condition"}),
        ("    try:\n        A: str\n    except NameError:\n        pass\n", {"A": "under a condition"}),
        ("    model_config = SettingsConfigDict(secrets_dir='/run')\n    A: str\n", {"A": "a file in secrets_dir"}),
        (f"    A: str\n\n{SOURCES.format('init_settings, env_settings')}", {}),
        (f"    A: str\n\n{SOURCES.format('env_settings,').replace('_cls,', '_cls, *,')}", {}),
        (f"    A: str\n\n{SOURCES.format('env_settings, Yaml(settings_cls)')}", {"A": "a source of settings_"}),
        (f"    A: str\n\n{SOURCES.format('*super().sources(), ')}", {"A": "a source of settings_"}),
        ("    A: str\n\n\nclass Dev(Settings):\n    A: str = 'x'\n", {"A": "class Dev has a default for it"}),
        ("    A: str\n\n\nclass D(Settings): ...\n\n\nclass P(Settings):\n    B: str\n", {"B": "class D has no"}),
        ("    A: str\n\n\nclass Prod(Settings):\n    B: str\n\n\nsettings = Settings()\n", {"B": "only class Prod"}),
        ("    A: str\n\n\nclass Prod(Settings):\n    B: str\n", {}),
    ],
)  # fmt: skip
def test_it_may_be_uncertain_whether_a_field_is_required(body: str, doubts: dict[str, str]) -> None:
    """By a condition, by another source of values, or by the class that the application chooses."""
    fields = [each for each in read(body).fields if each.required]
    assert {"A"} <= {each.name for each in fields}
    assert {each.name for each in fields if each.doubt} == doubts.keys()
    assert all(words in each.doubt for each in fields for name, words in doubts.items() if each.name == name)


ORDER = SOURCES.format("init_settings, env_settings, {}")


@pytest.mark.parametrize(
    ("options", "kind", "files", "required", "doubt"),
    [
        ("yaml_file='c.yaml'", "Yaml", {"c.yaml": "A: 1\nc: 1\n"}, "B", ""),
        ("yaml_file='c.yaml'", "Yaml", {"app/c.yaml": "A: [\n"}, "AB", ""),
        ("yaml_file='c.yaml', yaml_config_section='x.y'", "Yaml", {"c.yaml": "x: {y: {A: 1}}\nB: 1\n"}, "B", ""),
        ("yaml_file=['c.yaml', 'd.yml']", "Yaml", {"c.yaml": "A: 1\n", "d.yml": "alias: 1\n"}, "", ""),
        ("yaml_file=['c.yaml', 'd.yml']", "Yaml", {"c.yaml": "A: 1\n"}, "B", "d.yml, which settings_customise_sources"),
        ("toml_file='../c.toml'", "Toml", {"c.toml": "A = 1\n"}, "B", ""),
        ("toml_file='c.local.toml'", "Toml", {"c.local.toml": "A = 1\n"}, "AB", "c.local.toml, which settings_"),
        ("toml_file='c.toml'", "PyprojectToml", {"pyproject.toml": "[tool.pydantic-settings]\nA = 1\n"}, "B", ""),
        ("pyproject_toml_table_header=('x',)", "PyprojectToml", {"pyproject.toml": "[x]\nA = 1\n"}, "B", ""),
        ("yaml_file=Path('c.yaml')", "Yaml", {"c.yaml": "A: 1\n"}, "B", ""),
        ("json_file=PATH / 'c.json'", "Json", {"app/c.json": '{"alias": 1}'}, "A", ""),
        (
            "json_file=NAMES[0]",
            "Json",
            {"c.json": '{"A": 1}'},
            "AB",
            "JsonConfigSettingsSource as a source of settings_",
        ),
        ("", "Json", {}, "AB", ""),
        ("yaml_file='c.yaml'", "Yaml", {"c.yaml": "A: 1\n", ".gitignore": "/c.yaml\n"}, "AB", "c.yaml, which"),
        ("yaml_file='x/c.yaml'", "Yaml", {"x/c.yaml": "A: 1\n", ".dockerignore": "x\n"}, "AB", "c.yaml, which"),
        ("yaml_file='x/c.yaml'", "Yaml", {"x/c.yaml": "A: 1\n", ".dockerignore": "**\n!x/**\n"}, "B", ""),
        ("yaml_file=PATH / 'c.yaml'", "Yaml", {"app/c.yaml": "A: 1\n", ".gitignore": "*.yaml\n"}, "AB", "c.yaml, wh"),
        ("yaml_file='c.yaml'", "Yaml", {"c.yaml": "A: 1\n", ".gitignore": "#c.yaml\n*.yaml\n!c.yaml\r\n\r\n"}, "B", ""),
        ("yaml_file='c\\0.yaml'", "Yaml", {}, "AB", "c\0.yaml, which settings_customise_sources names, may have it"),
        ("", "Own", {}, "AB", "OwnConfigSettingsSource as a source of settings_customise_sources may have it"),
    ],
)
def test_a_field_that_a_file_of_settings_has_is_not_required(
    tmp_path: Path, options: str, kind: str, files: dict[str, str], required: str, doubt: str
) -> None:
    """Where a source of pydantic-settings reads a file of the checkout; others may have what is in none of these."""
    head = HEAD.replace("class Settings", "PATH = Path(__file__).parent\n\n\nclass Settings")
    source_ = ORDER.replace("{}", f"{kind}ConfigSettingsSource(settings_cls)")
    body = (
        f"    model_config = SettingsConfigDict({options})\n    A: str\n    B: str = Field(alias='alias')\n\n{source_}"
    )
    # Only within a checkout does the name of a folder matter.
    root = start_git(write_files(tmp_path / "local", {"app/config.py": head + body, **files}))
    fields = {each.name: each.doubt for each in read_settings(root).fields if each.required}
    assert "".join(fields) == required
    assert all(each.startswith(doubt) and bool(each) == bool(doubt) for each in fields.values())


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("a: {host: x, pool: {size: 1}}\nB: x\n", {"A", "A__PASSWORD"}),
        ("a: {host: x, password: x}\nB: x\n", {"A", "A__POOL__SIZE"}),
        ("a: {host: x, password: x, pool: {size: 1}}\nB: x\n", set()),
        ("a: {host: x, password: , pool: {size: 1}}\nB:\nc: ~\n", {"A", "A__PASSWORD", "B"}),
        ("a: {host: x, password: x, pool: {size: 1}}\nb: x\n", {"B"}),
    ],
)
def test_what_a_file_of_settings_has_in_part(tmp_path: Path, text: str, required: set[str]) -> None:
    """Variables may fill the rest of a model; null is a value for what may be None, and an alias hides the name."""
    pool = "class Pool(BaseModel):\n    size: int\n\n\n"
    models = f"{pool}class Db(BaseModel):\n    host: str\n    password: str\n    pool: Pool\n\n\n"
    body = (
        "    model_config = SettingsConfigDict(yaml_file='c.yaml', env_nested_delimiter='__')\n"
        f"    a: Db\n    b: str = Field(alias='B')\n    c: str | None\n\n"
        f"{ORDER.replace('{}', 'YamlConfigSettingsSource(settings_cls)')}"
    )
    code = HEAD.replace("class Settings", f"{models}class Settings") + body
    parsed = read_settings(write_files(tmp_path, {"app/config.py": code, "c.yaml": f"c: x\n{text}"}))
    needed = [each for each in parsed.fields if each.required]
    parts = {name for each in needed for name in each.required_parts}
    assert {*(each.variables[0] for each in needed), *parts} == required


@pytest.mark.parametrize(
    ("returned", "files", "wins", "reads"),
    [
        ("init_settings, env_settings, dotenv_settings", (".env",), True, True),
        ("init_settings, dotenv_settings, env_settings", (".env",), False, True),
        ("(init_settings, env_settings)", (), True, True),
        ("[dotenv_settings, TomlConfigSettingsSource(settings_cls)]", (".env",), False, False),
        ("init_settings, Own(settings_cls)", (".env",), True, True),
        ("init_settings, *others.values()", (".env",), True, True),
        ("super().settings_customise_sources(settings_cls, **others)", (".env",), True, True),
    ],
)
def test_what_a_method_that_orders_the_sources_leaves_out(
    returned: str, files: tuple[str, ...], wins: bool, reads: bool
) -> None:
    """A class may read no .env, or no variable; another source may have read them."""
    body = f"    model_config = SettingsConfigDict(env_file='.env')\n    A: str\n\n{SOURCES.format(returned)}"
    parsed = read(body)
    assert (parsed.env_files, parsed.variables_win) == (files, wins)
    assert any("leaves env_settings out" in each for each in parsed.ambiguities) is not reads


def test_what_another_decorator_or_an_own_source_returns_is_not_known() -> None:
    """It may read the .env; typing's `override` changes nothing."""
    options = "    model_config = SettingsConfigDict(env_file='.env')\n    A: str\n\n"
    for decorator, files in (("with_file", (".env",)), ("typing.override", ())):
        method = SOURCES.format("init_settings, env_settings").replace("    def", f"    @{decorator}\n    def")
        assert read(options + method).env_files == files
    own = "class TomlConfigSettingsSource(PydanticBaseSettingsSource):\n    pass\n\n"
    method = SOURCES.format("init_settings, TomlConfigSettingsSource(settings_cls)")
    assert read(options + method, own + HEAD).env_files == (".env",)


def test_a_source_that_only_one_return_has_may_be_none(tmp_path: Path) -> None:
    """As on a developer's machine alone."""
    order = ORDER.replace("{}", "YamlConfigSettingsSource(settings_cls, 'c.yaml')")
    body = "    A: str\n\n" + order.replace("return", "if SERVER:\n            return env_settings\n        return")
    (field,) = read_settings(write_files(tmp_path, {"config.py": HEAD + body, "c.yaml": "A: 1\n"})).fields
    assert field.required and field.doubt.startswith("YamlConfigSettingsSource as a source of settings_")


@pytest.mark.parametrize("above", ["class JsonConfigSettingsSource(Base): ...\n", "from app.own import {}\n"])
def test_a_source_of_ones_own_may_have_the_name_of_one_of_pydantic_settings(above: str) -> None:
    """What it reads is unknown."""
    kind = "JsonConfigSettingsSource"
    body = f"    A: str\n\n{ORDER.replace('{}', f'{kind}(settings_cls)')}"
    (field,) = read(body, HEAD.replace("\nclass", f"\n{above.format(kind)}\n\nclass")).fields
    assert field.doubt == f"{kind} as a source of settings_customise_sources may have it"


@pytest.mark.parametrize(
    ("calls", "files"),
    [
        ("settings = Settings(_env_file='../.env', _env_prefix='B_')\n", ("../.env",)),
        ("settings = Settings(_env_file=os.environ['FILE'], env_file='x')\n", None),
        ("settings = Settings(_env_file='a')\nother = Settings(_env_file='b')\n", (".env",)),
        ("settings = Settings()\n", (".env",)),
    ],
)
def test_an_argument_overrides_an_option(calls: str, files: tuple[str, ...] | None) -> None:
    """Where all calls agree."""
    parsed = read(f"    model_config = SettingsConfigDict(env_file='.env')\n    KEY: str\n\n\n{calls}")
    assert parsed.env_files == files
    assert first_variables(parsed) == (("B_KEY",) if "_env_prefix" in calls else ("KEY",))


def test_options_that_are_expressions_or_partly_those_of_a_base_are_not_known() -> None:
    """Each counts as not set, and is named."""
    parsed = read("    model_config = SettingsConfigDict(env_prefix=f(), case_sensitive=f(), env_ignore_empty=f())\n")
    assert (parsed.env_prefix, parsed.case_sensitive, parsed.ignore_empty) == ("", False, False)
    assert {*parsed.computed_options} >= {"env_prefix", "case_sensitive", "env_ignore_empty"}
    names = f"{IMPORTS}\nclass Names(Other):\n    model_config = {{'env_prefix': 'A_'}}\n"
    parsed = read("    model_config = {**Names.model_config}\n", f"{names}\n\nclass Settings(BaseSettings):\n")
    assert "env_prefix" in parsed.computed_options


@pytest.mark.parametrize(
    ("default", "has_value"),
    [
        ("'a'", True),
        ("SecretStr('a')", True),
        ("secrets.token_hex(32)", True),
        ("Field(default_factory=lambda: 'a')", True),
        ("Field(default=SecretStr('a'), title='x')", True),
        ("Field('a')", True),
        ("Path.home()", True),
        ("''", False),
        ("None", False),
        ("SecretStr('')", False),
        ("SecretStr(secret_value='a')", True),
        ("SecretStr(secret_value='')", False),
        ("Field(default=SecretStr(''))", False),
        ("Field(default=SecretStr(secret_value=''))", False),
        ("Field(default_factory=lambda: SecretStr(''))", False),
        ("Field(default_factory=lambda: secrets.token_hex(32))", True),
        ("Field(default_factory=lambda: secrets.token_hex(nbytes=None))", True),
        ("Field(default_factory=lambda: str(''))", False),
        ("Field(default=cast(SecretStr, None))", False),
        ("cast(SecretStr, None)", False),
        ("cast(SecretStr, 'a-value')", True),
        ("Field(default=None)", False),
        ("Field(title='x')", False),
        ("...", False),
    ],
)
def test_a_default_that_an_empty_text_would_override(default: str, has_value: bool) -> None:
    assert read(f"    A: str = {default}\n").fields[0].has_default == has_value


def test_a_default_that_is_assigned_overrides_one_in_annotated() -> None:
    annotated = "Annotated[str, Field(default='a')]"
    parsed = read(f"    A: {annotated} = ''\n    B: {annotated} = Field('b')\n    C: {annotated}\n")
    assert [each.has_default for each in parsed.fields] == [False, True, True]
    assert [each.default for each in parsed.fields] == ["", "b", "a"]


def test_a_default_is_the_value_or_an_argument_of_its_field() -> None:
    parsed = read("    A: str = 'a'\n    B: str = Field(default='b', title='x')\n    C: str = Field('c')\n")
    assert [each.default for each in parsed.fields] == ["a", "b", "c"]


def test_constants_that_multiply_are_not_followed_for_ever() -> None:
    """Nor does a name of any length, or one that nests deeper than a call may."""
    doubled = "\n".join([*(f"C{at} = f'{{C{at + 1}}}{{C{at + 1}}}'" for at in range(18)), "C18 = 'A'"])
    options = "\n".join([*(f"O{at} = {{**O{at + 1}, **O{at + 1}}}" for at in range(18)), "O18 = {'env_prefix': 'P_'}"])
    deep = "A" + ".a" * 2000
    body = f"    model_config = O0\n    KEY: str = Field(alias=C3)\n    OTHER: {deep} = Field(alias={deep})\n"
    parsed = read(body, f"{IMPORTS}\n{doubled}\n{options}\n\nclass Settings(BaseSettings):\n")
    assert (parsed.env_prefix, [each.has_known_names for each in parsed.fields]) == ("P_", [False, False])


def test_what_only_type_checkers_read_is_no_field() -> None:
    assert first_variables(read("    A: str\n    if TYPE_CHECKING:\n        B: str\n")) == ("A",)


def test_an_alias_has_no_prefix_unless_told() -> None:
    """The prefix is for names; by name as well, the alias counts first."""
    body = "    model_config = SettingsConfigDict(env_prefix='A_', {})\n    KEY: str = Field(alias='B')\n"
    assert first_variables(read(body.format(""))) == ("B",)
    assert read(body.format("populate_by_name=True")).fields[0].variables == ("B", "A_KEY")
    assert read(body.format("env_prefix_target='all'")).fields[0].variables == ("A_B",)
    assert read(body.format("validate_by_name=True, validate_by_alias=False")).fields[0].variables == ("A_KEY",)
    assert read(body.format("populate_by_name=True, validate_by_name=False")).fields[0].variables == ("B",)


def test_a_file_in_another_coding_is_told_from_one_that_is_no_python() -> None:
    """Python reads it."""
    raw = f"# -*- coding: latin-1 -*-\n{HEAD}    KEY: str = 'é'\n".encode("latin-1")
    with pytest.raises(UsageError, match="is not UTF-8: save it as UTF-8"):
        parse_settings(SourceFile(Path("checkout") / CONFIG, CONFIG, raw))


def test_a_prefix_of_aliases_alone_is_before_no_new_field() -> None:
    parsed = read("    model_config = SettingsConfigDict(env_prefix='A_', env_prefix_target='alias')\n    KEY: str\n")
    assert (parsed.env_prefix, first_variables(parsed)) == ("", ("KEY",))


def test_an_alias_beside_an_annotation_overrides_those_in_it() -> None:
    """An alias is a validation_alias too."""
    parsed = read("    KEY: Annotated[str, Field(validation_alias='A')] = Field(alias='B')\n")
    assert first_variables(parsed) == ("B",)


def test_a_final_field_without_a_default_is_one() -> None:
    assert first_variables(read("    A: Final[str]\n    B: Final[str] = Field(min_length=1)\n")) == ("A", "B")


def test_of_the_names_of_a_nested_field_one_is_enough() -> None:
    """None of them is required for certain."""
    names = "Field(validation_alias=AliasChoices('HOST', 'SERVER'))"
    model = f"class Database(BaseSettings, env_prefix='X_'):\n    host: str = {names}\n    port: int\n\n\n"
    head = f"{IMPORTS}{model}class Settings(BaseSettings):\n"
    parsed = read("    model_config = {'env_nested_delimiter': '__'}\n    db: Database\n", head)
    field = parsed.fields[0]
    assert [*field.nested] == ["DB__HOST", "DB__SERVER", "DB__PORT"] and field.required_parts == ("DB__PORT",)


def test_a_delimiter_in_the_name_of_a_nested_field_splits_it() -> None:
    """Without env_nested_max_split pydantic looks for the part `size` of `pool`, which there is not."""
    models = "class Pool(BaseModel):\n    a: int\n\n\nclass Database(BaseModel):\n    pool_size: int\n    pool: Pool\n"
    body = "    model_config = {{'env_nested_delimiter': '_'{}}}\n    db: Database\n"
    head = f"{IMPORTS}{models}\n\nclass Settings(BaseSettings):\n"
    field = read(body.format(""), head).fields[0]
    assert [*field.nested] == ["DB_POOL", "DB_POOL_A"] and field.required_parts == ("DB_POOL_A",)
    parsed = read(body.format(", 'env_nested_max_split': 1"), head)
    assert parsed.fields[0].required_parts == ("DB_POOL_SIZE", "DB_POOL")


def test_a_nested_model_that_takes_names_beside_aliases_needs_one_of_them() -> None:
    model = "class Database(BaseModel):\n    model_config = {{{}}}\n    host: str = Field(alias='server')\n\n\n"
    body = "    model_config = {'env_nested_delimiter': '__'}\n    db: Database\n"
    head = f"{IMPORTS}{model}class Settings(BaseSettings):\n"
    assert read(body, head.format("")).fields[0].required_parts == ("DB__SERVER",)
    parsed = read(body, head.format("'populate_by_name': True"))
    assert ([*parsed.fields[0].nested], parsed.fields[0].required_parts) == (["DB__SERVER", "DB__HOST"], ())


def test_nested_models_are_filled_by_their_own_variables() -> None:
    """With a delimiter each field of a model has a variable, at any depth; without one it has not."""
    models = """\
class Pool(BaseModel):
    size: int = 5
    parent: "Pool | None" = None


class Database(BaseModel):
    host: str = Field(alias="server")
    pool: Optional[Pool] = None


class Settings(BaseSettings):
"""
    body = "    model_config = SettingsConfigDict({})\n    db: Annotated[Database, 1] | None = None\n"
    parsed = read(body.format("env_prefix='A_', env_nested_delimiter='__'"), IMPORTS + models)
    assert parsed.fields[0].variables == (
        *("A_DB", "A_DB__SERVER", "A_DB__POOL", "A_DB__POOL__SIZE", "A_DB__POOL__PARENT"),
    )
    assert parsed.find("a_db__pool__size") == parsed.fields[0]
    assert read(body.format(""), IMPORTS + models).fields[0].variables == ("DB",)


@pytest.mark.parametrize(
    ("field", "after", "is_required"),
    [
        ("db: Database", "", False),
        ("db: Database | None = None", "", False),
        ('db: "Database"', "", False),
        ("db: Database = Database()", "", True),
        ("db: Database = Field(default_factory=Database)", "", True),
        ("db: Database", "\n\ndatabase = Database()\n", True),
        ("db: Database", "\n\nclass Replica(Database):\n    pass\n", True),
        ("url: str", "", True),
    ],
)
def test_settings_that_only_fill_a_field_of_settings_need_no_variables_of_their_own(
    field: str, after: str, is_required: bool
) -> None:
    """DB__HOST is required, and HOST only stands in for it; made by themselves they read HOST alone."""
    models = f"{IMPORTS}class Database(BaseSettings):\n    host: str\n\n\nclass Settings(BaseSettings):\n"
    parsed = read(f"    model_config = {{'env_nested_delimiter': '__'}}\n    {field}\n{after}", models)
    own = parsed.find("HOST")
    assert own and own.required is is_required
    assert "url" in field or parsed.fields[0].required_parts == ("DB__HOST",)
    without = read(f"    {field}\n{after}", models).find("HOST")
    assert without and without.required


@pytest.mark.parametrize(
    ("code", "is_required"),
    [
        ("from app.config import Database\n\nhost = Database().host\n", True),
        ("from app import config\n\nhost = config.Database().host\n", True),
        ("from app.config import Database as Parts\n\nhost = Parts().host\n", True),
        ("from app.config import Database\n\nget = Depends(Database)\n", True),
        ("from app.config import Database\n\ndef get(db: Database) -> Database: ...\n", False),
        ("from app.config import (\n    Database,\n    Settings,\n)\n", False),
    ],
)
def test_settings_made_in_another_file_read_their_own_variables(code: str, is_required: bool, tmp_path: Path) -> None:
    """There, what fills the field of Settings fills nothing."""
    (tmp_path / "app").mkdir()
    settings = "class Settings(BaseSettings):\n    model_config = {'env_nested_delimiter': '__'}\n    db: Database\n"
    text = f"{IMPORTS}class Database(BaseSettings):\n    host: str\n\n\n{settings}"
    (tmp_path / "app/config.py").write_text(text)
    (tmp_path / "app/other.py").write_text(code)
    own = read_settings(tmp_path).find("HOST")
    assert own and own.required is is_required


def test_classes_above_count_as_settings_own() -> None:
    """Fields and options come down from the classes that Settings derives from, and can be set anew."""
    classes = """\
from pydantic_settings import BaseSettings as Root


class Base(Root):
    model_config = SettingsConfigDict(env_prefix="A_", env_file=".env")
    ONE: str
    TWO: str


class Settings(Base):
"""
    parsed = read("    TWO: str = ''\n    THREE: str\n", IMPORTS + classes)
    assert [(each.variables[0], each.required, each.owner) for each in parsed.fields] == [
        ("A_ONE", True, "Settings"),
        ("A_TWO", False, "Settings"),
        ("A_THREE", True, "Settings"),
    ]
    assert parsed.env_files == (".env",)


def test_other_classes_of_settings_contribute_with_their_prefix() -> None:
    """A class that derives from BaseSettings by way of others counts; a model and a plain class do not."""
    after = """\
    KEY: str


class Mail(BaseSettings, env_prefix="MAIL_"):
    HOST: str
    KEY: str = Field(alias="KEY")


class Test(Settings):
    EXTRA: int = 1


class Prefixed(Settings):
    model_config = SettingsConfigDict(env_prefix="P_")


class Model(BaseModel):
    SIZE: int


class Plain:
    OTHER: int
"""
    parsed = read(after)
    assert first_variables(parsed) == ("KEY", "MAIL_HOST", "EXTRA", "P_KEY")
    assert [each.owner for each in parsed.fields] == ["Settings", "Mail", "Mail", "Test", "Prefixed"]


def test_a_class_that_derives_from_itself_is_read() -> None:
    """A name that an import gave to another class before does no harm."""
    parsed = read("    KEY: str\n", "from app import Settings\n\n\nclass Settings(Settings):\n")
    assert first_variables(parsed) == ("KEY",)


def test_a_variable_is_found_in_any_case_unless_case_counts() -> None:
    """The field whose first variable it is comes before those that have it as another."""
    body = "    one: str = Field(validation_alias=AliasChoices('A', 'TWO'))\n    two: str\n"
    assert [each and each.name for each in map(read(body).find, ("a", "Two", "THREE"))] == ["one", "two", None]
    exact = read(f"    model_config = SettingsConfigDict(case_sensitive=True)\n{body}")
    assert [each and each.name for each in map(exact.find, ("a", "two", "TWO"))] == [None, "two", "one"]


# Editing: the line


@pytest.mark.parametrize(
    ("new_field", "line"),
    [
        (new(), "NEW_API_KEY: str"),
        (new(required=False), "NEW_API_KEY: str | None = None"),
        (new(type="str | None", required=False), "NEW_API_KEY: str | None = None"),
        (new(type="Optional[int]", required=False), "NEW_API_KEY: Optional[int] = None"),
        (new(type="Union[int, None]", required=False), "NEW_API_KEY: Union[int, None] = None"),
        (new(type="Any", required=False), "NEW_API_KEY: Any = None"),
        (new(type='Literal["a", None]', required=False), 'NEW_API_KEY: Literal["a", None] = None'),
        (new(type='Literal["a", 2]', required=False), 'NEW_API_KEY: Literal["a", 2] | None = None'),
        (new(type="tuple[int, ...]"), "NEW_API_KEY: tuple[int, ...]"),
        (new(type='Annotated[str, "x"]'), 'NEW_API_KEY: Annotated[str, "x"]'),
        (new(type=" dict[str, list[int]]\n"), "NEW_API_KEY: dict[str, list[int]]"),
        (new(type="SecretStr"), "NEW_API_KEY: SecretStr"),
        (new(type="Near.Inner"), "NEW_API_KEY: Near.Inner"),
        (new(type="int # a comment", required=False), "NEW_API_KEY: int | None = None"),
        (new(type="Annotated[tuple[()], (1, 2)]"), "NEW_API_KEY: Annotated[tuple[()], (1, 2)]"),
        (new(description="Where to\n  call\0\ud800"), "# Where to call\n    NEW_API_KEY: str"),
    ],
)
def test_the_line_is_as_asked(new_field: NewField, line: str) -> None:
    """A field that is not required allows None and is None, once; a description is one comment."""
    head = HEAD.replace("class Settings", "class Near: ...\n\n\nclass Settings")
    assert edited("    A: int\n", new_field, head) == f"    A: int\n    {line}\n"


@pytest.mark.parametrize(
    ("body", "annotation"),
    [
        ("    A: Optional[int] = 1\n", "Optional[str]"),
        ("    A: Optional[int] = 1\n    B: int | None = 1\n", "str | None"),
        ("    A: typing.Optional[int] = 1\n", "Optional[str]"),
    ],
)
def test_a_file_that_writes_optional_gets_it_too(body: str, annotation: str) -> None:
    """A Python before 3.10 has no | between types."""
    assert edited(body, new(required=False)) == f"{body}    NEW_API_KEY: {annotation} = None\n"


@pytest.mark.parametrize(
    ("body", "key", "field", "again"),
    [
        ("    A: int\n", "NEW_API_KEY", "NEW_API_KEY", "DEV_NEW_API_KEY"),
        ("    A: int\n", "LIVE_NEW_API_KEY", "NEW_API_KEY", "LIVE_NEW_API_KEY"),
        ("    AA: int = Field(validation_alias='A')\n    B: int\n", "NEW_API_KEY", "NEW_API_KEY", "DEV_NEW_API_KEY"),
        ("    model_config = SettingsConfigDict(env_prefix='X_')\n    A: int\n", "X_NEW", "NEW", "DEV_NEW"),
    ],
)
def test_a_field_that_only_prefixed_classes_would_read_is_refused(
    body: str, key: str, field: str, again: str, tmp_path: Path
) -> None:
    """No variable has the key's name; with the field there, the key with a prefix needs no edit of Settings."""
    classes = "".join(
        f"\n\nclass {name}(Shared):\n    model_config = SettingsConfigDict(env_prefix='{name.upper()}_')\n"
        for name in ("Dev", "Live")
    )
    text = f"{HEAD.replace('class Settings', 'class Shared')}{body}{classes}"
    path = tmp_path / "config.py"
    path.write_text(text)
    parsed = read_settings(tmp_path)
    assert parsed.file
    advice = rf"put DEV_ or LIVE_ before .* the field {field} to class .* such as {again}\."
    with pytest.raises(CannotEdit, match=advice):
        add_field(parsed.file, new(key), parsed.name, parsed)
    path.write_text(text.replace(body, f"{body}    {field}: str\n"))
    parsed = read_settings(tmp_path)
    assert parsed.file and add_field(parsed.file, new(again), parsed.name, parsed) is None


@pytest.mark.parametrize(
    ("body", "key", "line"),
    [
        ("    model_config = SettingsConfigDict(env_prefix='APP_')\n    A: str\n", "APP_NEW", "NEW: str"),
        ("    model_config = SettingsConfigDict(env_prefix='app_')\n    a: str\n", "APP_NEW", "new: str"),
        ("    A: str\n\n    class Config:\n        env_prefix: str = 'APP_'\n", "APP_NEW", "NEW: str"),
        ("    a: str\n    b: int\n", "NEW_KEY", "new_key: str"),
        ("    a: str\n    B: int\n", "NEW_KEY", "NEW_KEY: str"),
        ("    model_config = SettingsConfigDict(case_sensitive=True)\n    a: str\n", "NEW_KEY", "NEW_KEY: str"),
        ("    pass\n", "NEW_KEY", "NEW_KEY: str"),
    ],
)
def test_the_name_follows_prefix_and_habit(body: str, key: str, line: str) -> None:
    """The prefix is left out, and the name is lower case where all are and case does not count."""
    assert line in [each.strip() for each in edited(body, new(key)).splitlines()]


@pytest.mark.parametrize(
    ("package", "alias"), [("pydantic", "env='NEW_KEY'"), ("pydantic_settings", "validation_alias='NEW_KEY'")]
)
def test_the_field_that_a_refusal_names_has_the_variable(package: str, alias: str) -> None:
    """Pydantic 1 has no validation_alias, and takes a field with one for a variable of the field's own name."""
    text = (
        f"from pydantic import Field\nfrom {package} import BaseSettings\n\n\nclass Settings(BaseSettings):\n"
        "    a: str\n\n    class Config:\n        env_prefix = 'APP_'\n"
    )
    with pytest.raises(CannotEdit) as refused:
        add_field(source(text), new("NEW_KEY"))
    assert f"or add a field new_key with {alias} by hand" in str(refused.value)
    by_hand = text.replace("    a: str\n", f"    a: str\n    new_key: str = Field({alias})\n")
    assert add_field(source(by_hand), new("NEW_KEY")) is None


@pytest.mark.parametrize(
    ("prefix", "key", "words"),
    [
        ("env_prefix='APP_'", "NEW_KEY", "does not begin with APP_"),
        ("env_prefix='app_'", "NEW_KEY", "use the key APP_NEW_KEY"),
        ("env_prefix='APP_', case_sensitive=True", "app_NEW", "does not begin with APP_"),
        ("env_prefix='APP_'", "APP_", "leaves no valid name"),
        ("env_prefix='APP_'", "APP_1", "leaves no valid name"),
        ("env_prefix='APP'", "APP_NEW", "leaves no valid name"),
        ("env_prefix=NAME", "NEW", "computes env_prefix"),
        ("alias_generator=str.upper", "NEW", "computes alias_generator"),
        ("**COMMON", "NEW", "computes"),
        ("", "s3cret-value", "The key is not a valid name"),
        ("", "1KEY", "The key is not a valid name"),
        ("", "", "The key is not a valid name"),
        ("", "ﬁeld", "The key is not a valid name"),
        ("", "_KEY", "leaves no valid name"),
        ("", "lambda", "the field lambda, which is a keyword of Python"),
        ("", "CLASS", "the field class, which is a keyword of Python"),
    ],
)
def test_a_key_that_gives_no_name_is_refused(prefix: str, key: str, words: str) -> None:
    """The sentence says why; what is no name at all may be a value, and is not repeated."""
    message = refusal(f"    model_config = SettingsConfigDict({prefix})\n    a: str\n", new(key))
    assert words in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    "type",
    [
        *("str()", "lambda: int", "list[int()]", "[int]", "'int'", "1", "int if x else str", "int |", "", "str, int"),
        *("list['os.system()']", "int + str", "(x := int)", "f'{int}'", "list[*x]", "x[0][1]()", "a.b()", "int\nx"),
        *("Annotated['f()', 1]", "...", "{int}", "-1", "not int", "Literal[b'x']", "str" + " | str" * 60),
    ],
)
def test_a_type_is_made_of_names_alone(type: str) -> None:
    """Nothing that would be executed is written, nor what is no expression."""
    assert "may have only names, dots, brackets and | in it" in refusal("    A: int\n", new(type=type))


@pytest.mark.parametrize(
    ("type", "words"),
    [
        (
            "SecretSt",
            "defines no type SecretSt above class Settings: import it there first, or did you mean SecretStr?",
        ),
        ("list[Strin]", "defines no type Strin above class Settings: import it there first"),
        ("Later", "defines no type Later above"),
        ("Typed", "defines no type Typed above"),
        ("helper", "defines no type helper above"),
        ("declared", "defines no type declared above"),
        ("hidden", "defines no type hidden above"),
        ("complex", "defines no type complex above"),
        ("datetim.date", "import it there first."),
    ],
)
def test_a_type_has_to_be_known_above_the_class(type: str, words: str) -> None:
    """Only what runs above the class counts: no function, no import for type checkers, nothing from below."""
    above = """\
import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.types import Typed


def helper() -> None: ...


declared: int


class Settings(BaseSettings):
"""
    body = "    A: int = 1\n    hidden: int = 1\n\n\nclass Later: ...\n"
    assert words in refusal(body, new(type=type), IMPORTS + above)


@pytest.mark.parametrize("type", ["datetime.date", "Alias", "Own", "Some", "Other", "First", "int"])
def test_types_from_above_are_known(type: str) -> None:
    """Imports, assignments and classes count, under any condition but TYPE_CHECKING."""
    above = """\
import datetime
from typing import TYPE_CHECKING

Alias = str
First, Second = str, int
try:
    from app.types import Some
except ImportError:
    Some = str
if TYPE_CHECKING:
    Other = str
else:
    Other = str


class Own: ...


class Settings(BaseSettings):
"""
    assert edited("    A: int\n", new(type=type), IMPORTS + above) == f"    A: int\n    NEW_API_KEY: {type}\n"


# Editing: what is there already


@pytest.mark.parametrize(
    ("there", "new_field"),
    [
        ("NEW_API_KEY: str", new()),
        ("new_api_key: str", new()),
        ("NEW_API_KEY: 'str'", new()),
        ("NEW_API_KEY: str = Field(min_length=3)", new()),
        ("NEW_API_KEY: str | None = None", new(required=False)),
        ("NEW_API_KEY: Optional[str] = None", new(required=False)),
        ("NEW_API_KEY: None | str = 'x'", new(required=False)),
        ("NEW_API_KEY: str = ''", new(required=False)),
        ("NEW_API_KEY: SecretStr = SecretStr('')", new(type="SecretStr", required=False)),
        ("NEW_API_KEY: Union[int, str]", new(type="str | int")),
        ("NEW_API_KEY: 'list[ str ]'", new(type="list[str]")),
        ("NEW_API_KEY: Annotated[str, 'x']", new(type="Annotated[str,'x']")),
        ("NEW_API_KEY: str = Field(alias='NEW_API_KEY')", new()),
        ("OTHER: str = Field(alias='NEW_API_KEY')", new()),
        ("OTHER: str = Field(validation_alias=AliasChoices('NEW_API_KEY', 'OLD_API_KEY'))", new()),
    ],
)
def test_a_field_that_is_there_needs_no_edit(there: str, new_field: NewField) -> None:
    """The same variable, type and requiredness, however it is written, is left as it is."""
    assert add_field(source(f"{HEAD}    A: int\n    {there}\n"), new_field) is None


def test_a_field_from_a_class_above_needs_no_edit() -> None:
    """What Settings inherits is there."""
    head = f"{IMPORTS}\nclass Base(BaseSettings):\n    NEW_API_KEY: str\n\n\nclass Settings(Base):\n"
    assert add_field(source(f"{head}    A: int\n"), new()) is None


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("NEW_API_KEY: int", "line 8: NEW_API_KEY is taken by the field NEW_API_KEY (int, required) of class Settings"),
        ("NEW_API_KEY: str = ''", "the field NEW_API_KEY (str) of class Settings"),
        ("new_api_key: int = 1", "the field new_api_key (int) of class Settings"),
        ("NEW_API_KEY: Annotated[str, Field(default='s3cret')]", "the field NEW_API_KEY of class Settings"),
        ("OTHER: int = Field(alias='NEW_API_KEY')", "the field OTHER (int, required) of class Settings by an alias"),
        ("O: str = Field(validation_alias=AliasChoices('A', 'NEW_API_KEY'))", "the field O (str, required) of class"),
        ("NEW_API_KEY: str = Field(alias='OTHER')", "the field NEW_API_KEY (str, required) of class Settings:"),
        ("NEW_API_KEY = 1", "line 8: NEW_API_KEY is a name of class Settings"),
        ("NEW_API_KEY: ClassVar[str] = 's3cret'", "NEW_API_KEY is a name of class Settings"),
        ("def NEW_API_KEY(self): ...", "NEW_API_KEY is a method of class Settings"),
        ("async def NEW_API_KEY(self): ...", "NEW_API_KEY is a method of class Settings"),
        ("@property\n    def NEW_API_KEY(self): ...", "NEW_API_KEY is a property of class Settings"),
        ("@computed_field\n    @property\n    def NEW_API_KEY(self): ...", "is a computed field of class Settings"),
        ("@field_validator('A')\n    def NEW_API_KEY(cls, value): ...", "is a validator of class Settings"),
        ("class NEW_API_KEY: ...", "NEW_API_KEY is an inner class of class Settings"),
        ("import NEW_API_KEY", "NEW_API_KEY is a name of class Settings"),
        ("if True:\n        NEW_API_KEY: str = 's3cret'", "field NEW_API_KEY (str, conditional) of class Settings"),
        ("if True:\n        NEW_API_KEY: str", "the field NEW_API_KEY (str, required, conditional) of class Settings"),
        ("B: int = NEW_API_KEY", "line 8: class Settings uses the name NEW_API_KEY for something else"),
    ],
)
def test_a_name_that_is_taken_is_refused(there: str, words: str) -> None:
    """The sentence says what has it and where, and no default."""
    message = refusal(f"    A: int\n    {there}\n", new())
    assert words in message.replace(f"line {HEAD.count(chr(10)) + 2}", "line 8")
    assert re.search(r": (to use it, [^:]*; else )?use another key, or change it by hand\.$", message)
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("there", "type", "required"),
    [
        ("NEW_API_KEY: int", "int", True),
        ("NEW_API_KEY: SecretStr | None = None", "SecretStr", False),
        ("NEW_API_KEY: Optional[int] = None", "int", False),
        ("NEW_API_KEY: int = 1", "int", False),
    ],
)
def test_a_field_of_another_type_says_how_to_go_on_with_it(there: str, type: str, required: bool) -> None:
    """What was begun by hand can be completed, with the parameters that the sentence names."""
    body = f"    A: int\n    {there}\n"
    assert f': to use it, set type = "{type}" and required = {required}; else use' in refusal(body, new())
    assert add_field(source(f"{HEAD}{body}"), new(type=type, required=required)) is None


def test_names_of_other_classes_count_too() -> None:
    """A variable that another class reads needs no second field, or is taken; so is a name in a class above."""
    body = "    A: int\n\n\nclass Mail(BaseSettings, env_prefix='NEW_'):\n    API_KEY: str\n"
    assert add_field(source(f"{HEAD}{body}"), new()) is None
    message = refusal(body, new(required=False))
    assert "NEW_API_KEY is taken by the field API_KEY (str, required) of class Mail" in message
    assert 'to use it, set type = "str" and required = True' in message
    head = f"{IMPORTS}\nclass Base(BaseSettings):\n    def NEW_API_KEY(self): ...\n\n\nclass Settings(Base):\n"
    assert "NEW_API_KEY is a method of class Base" in refusal("    A: int\n", new(), head)


@pytest.mark.parametrize("key", ["MODEL_DUMP", "JSON", "COPY", "MODEL_CONFIG"])
def test_names_of_pydantic_are_refused(key: str) -> None:
    """What BaseSettings has already is no name for a field."""
    assert f"{key.lower()} is part of pydantic's BaseSettings" in refusal("    a: int\n", new(key))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Settings(BaseSettings): A: int = 1\n", "on one line: put its body on lines of its own"),
        ("class Settings(BaseSettings): ...\n", "on one line"),
        ("class Settings: \\\n  pass\n", "on one line"),
        ("class Settings:\n    A: int\n\n\nclass Settings:\n    B: int\n", "has class Settings twice"),
        ("class Settings: # so\n\\\n  A: int\n", "on one line"),
        ("class Settings: A: int; B: int\n", "on one line"),
        ("class Settings(\n  Base\n): A: int\n", "on one line"),
    ],
)
def test_a_class_without_a_certain_place_is_refused(text: str, words: str) -> None:
    """A body on the header's line, and a second class of the name, are left to a person."""
    assert words in refusal("", new(), text)


def test_an_edit_that_came_out_wrong_is_refused() -> None:
    """What Python would not take after the edit, here a letter that the file's encoding has not, is not offered."""
    message = refusal("# coding: ascii\n# class\nclass Settings:\n    A: int\n", new(description="é"), "")
    assert message.endswith("could not be edited safely: add NEW_API_KEY to class Settings by hand.")


def test_invalid_python_is_no_editing_matter() -> None:
    """What parses and yet does not compile is a syntax error like any other."""
    with pytest.raises(UsageError, match=r"config\.py, line 3 is not valid Python: fix it first\."):
        add_field(source("class Settings:\n    A: int\nreturn 1\n"), new())


# Editing: the place. "+" marks the lines that come.


def assert_position(text: str, key: str) -> None:
    """Assert that a new field is inserted where the text has its lines with a plus."""
    before = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("+"))
    after = "".join(line.replace("+", " ", 1) if line.startswith("+ ") else line for line in text.splitlines(True))
    assert edited(before, new(key)) == after.replace("+\n", "\n")


def test_the_longest_common_beginning_decides() -> None:
    """A field stands below the last one that shares most leading words, not the last of its family."""
    assert_position(
        "    DB_HOST: str\n    DB_POOL_SIZE: int\n+   DB_POOL_AGE: str\n    DB_NAME: str\n    A: int\n", "DB_POOL_AGE"
    )
    assert_position("    DB_HOST: str\n    DB_NAME: str\n+   DB_AGE: str\n    A_AGE: int\n", "DB_AGE")
    assert_position("    DB_HOST: str; DB_NAME: str\n+   DB_AGE: str\n    A: int\n", "DB_AGE")


def test_a_common_ending_of_two_words_decides_next() -> None:
    """Two common words make keys of other services relatives, a single one does not; a pair stays together."""
    assert_position("    A_API_KEY: str\n    B_API_KEY: str\n+   NEW_API_KEY: str\n\n    C: str\n", "NEW_API_KEY")
    assert_position("    A_API_KEY: str\n    A_API_URL: str\n+   NEW_API_KEY: str\n    C: str\n", "NEW_API_KEY")
    assert_position("    A_API_KEY: str\n    A_API_URL: str\n+   NEW_API_KEY: str\n", "NEW_API_KEY")
    assert_position("    A_API_KEY: str\n+   NEW_API_KEY: str\n\n    A_API_URL: str\n    C: str\n", "NEW_API_KEY")
    assert_position("    A_KEY: str\n    C: str\n+   NEW_KEY: str\n", "NEW_KEY")


def test_without_relatives_it_joins_the_first_fields() -> None:
    """It stands below the fields that lead the class, apart from them where they are in groups."""
    assert_position("    A: int\n    B: int\n+   NEW: str\n\n    def f(self): ...\n\n    C: int\n", "NEW")
    assert_position("    A: int\n\n    # Two\n    B: int\n+\n+   NEW: str\n\n    def f(self): ...\n", "NEW")
    assert_position("    A: int\n\n    B: int\n+\n+   NEW: str\n+\n    PLAIN = 1\n", "NEW")


def test_fields_that_stand_apart_get_one_that_does_too() -> None:
    """An empty line goes above it where those beside it and most others have one, and nowhere else."""
    assert_position("    A_B: int\n\n    # so\n    C: int\n\n    D_E: int\n+\n+   D_NEW: str\n", "D_NEW")
    assert_position("    A_B: int\n\n    C_API_KEY: int\n+\n+   NEW_API_KEY: str\n\n    D: int\n", "NEW_API_KEY")
    assert_position("    A: int\n\n    B: int\n\n    C_D: int\n    C_E: int\n+   C_NEW: str\n\n    F: int\n", "C_NEW")
    assert_position("    A: int\n    B: int\n\n    C_D: int\n+   C_NEW: str\n\n    E: int\n    F: int\n", "C_NEW")


@pytest.mark.parametrize(
    "text",
    [
        '    A_B: int\n    """What it is."""\n+   A_NEW: str\n    C: int\n',
        "    A_B: int = Field(\n        default=1,\n    )  # so\n+   A_NEW: str\n    C: int\n",
        "    A_B: int = \\\n        1\n+   A_NEW: str\n    C: int\n",
        "    A_B: int  # this goes\n              # on here\n+   A_NEW: str\n    C: int\n",
        "    A_B: int\n+   A_NEW: str\n    # about C\n    C: int\n",
        "    A_B: int\n    # about A_B\n+   A_NEW: str\n\n    # about C\n    C: int\n",
        "    A_B: int\n    # about A_B\n+   A_NEW: str\n",
        "    A_B: int\n+   A_NEW: str\n\n    # about C\n    C: int\n",
        "    A_B: int\n+   A_NEW: str\n  # an odd one\n    C: int\n",
        '    A_B: str = """\n# no comment\n"""\n+   A_NEW: str\n    C: int\n',
    ],
)
def test_what_belongs_to_a_field_stays_with_it(text: str) -> None:
    """Lines that continue a field or speak of it are passed over; those of the next field stay with that."""
    assert_position(text, "A_NEW")


@pytest.mark.parametrize(
    "text",
    [
        "    A_B: int\n\n    @field_validator('A_B')\n    def f(cls, v):\n        return v\n+\n+   A_NEW: str\n",
        "    A_B: int\n    @property\n    def f(self): ...\n+\n+   A_NEW: str\n\n    C: int\n",
        "    A_B: int\n    @property\n    def f(self): ...\n+\n+   A_NEW: str\n+\n    C: int\n",
        "    A_B: int\n    # how it is\n    @property\n    def f(self): ...\n+\n+   A_NEW: str\n\n    C: int\n",
        "    A_B: int\n+   A_NEW: str\n\n    @computed_field\n    @property\n    def f(self): ...\n",
        "    A_B: int\n+   A_NEW: str\n\n    C: int\n\n    @field_validator('A_B')\n    def f(cls, v): ...\n",
        "    A_B: int\n\n    @property\n    def f(self): ...\n\n    @field_validator('A_B')\n    def g(cls, v): ...\n"
        "+\n+   A_NEW: str\n",
        "    A_B: int\n    def f():\n        pass\n\n        # in\n\n        # too\n+\n+   A_NEW: str\n\n    C: int\n",
        "    A_B: int\n    def f(self): ...\n        # inside\n+\n+   A_NEW: str\n+\n    # about C\n    C: int\n",
        "    A_B: int\n    f = field_validator('A_B')(str)\n+   A_NEW: str\n    C: int\n",
    ],
)
def test_a_validator_stays_with_its_field(text: str) -> None:
    """No field comes between another and the methods right below it or about it."""
    assert_position(text, "A_NEW")


@pytest.mark.parametrize(
    "text",
    [
        "    pass\n+   NEW: str\n",
        "    ...\n+   NEW: str\n",
        '    """What it is."""\n+\n+   NEW: str\n',
        '    """What it is."""\n+\n+   NEW: str\n+\n    def f(self): ...\n',
        '    """What it is."""\n\n    model_config = {\n    }\n+\n+   NEW: str\n\n    def f(self): ...\n',
        "    class Config:\n        env_file = '.env'\n+\n+   NEW: str\n",
        "+   NEW: str\n+\n    def f(self): ...\n",
        "+   NEW: str\n+\n    # about f\n    def f(self): ...\n\n    PLAIN = 1\n",
    ],
)
def test_a_class_without_fields_gets_its_first(text: str) -> None:
    """It comes below the docstring, the configuration or a pass that may stay, and above the methods."""
    assert_position(text, "NEW")


def test_a_place_is_never_above_the_configuration() -> None:
    """A configuration that leads the class goes on leading it."""
    assert_position("    model_config = SettingsConfigDict(extra='ignore')\n    A: int\n+   NEW: str\n", "NEW")
    assert_position(
        "    A: int\n    model_config = SettingsConfigDict(extra='ignore')\n    B: int\n+   NEW: str\n", "NEW"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"class Settings:\r\n\tA: int\r\n", b"class Settings:\r\n\tA: int\r\n\t# X\r\n\tNEW: str\r\n"),
        (b"class Settings:\n  A: int", b"class Settings:\n  A: int\n  # X\n  NEW: str"),
        (b"class Settings:\r\n  A: int", b"class Settings:\r\n  A: int\r\n  # X\r\n  NEW: str"),
        (b"\xef\xbb\xbfclass Settings:\n  A: int\n", b"\xef\xbb\xbfclass Settings:\n  A: int\n  # X\n  NEW: str\n"),
        (b"\x0c\nclass Settings:\n\x0c  A: int\n", b"\x0c\nclass Settings:\n\x0c  A: int\n  # X\n  NEW: str\n"),
        (b"\x0cx = 1\nclass Settings:\n  A: int \n", b"\x0cx = 1\nclass Settings:\n  A: int \n  # X\n  NEW: str\n"),
        (b"class Settings:\n  A: int\n  ", b"class Settings:\n  A: int\n  # X\n  NEW: str\n  "),
        (b"class Settings:\n  A: int\n#\nx = 1", b"class Settings:\n  A: int\n  # X\n  NEW: str\n#\nx = 1"),
        (
            b"class S: ...\n#\n\n  \n#\nclass Settings:\n A: int",
            b"class S: ...\n#\n\n  \n#\nclass Settings:\n A: int\n # X\n NEW: str",
        ),
        (b"class Settings:\n  A: int\n\\\n  B: int\n", b"class Settings:\n  A: int\n\\\n  B: int\n  # X\n  NEW: str\n"),
        (b"class Settings:\n  A: int # \\\n  _b = 1", b"class Settings:\n  A: int # \\\n  # X\n  NEW: str\n  _b = 1"),
        (b"class Settings: # \\\n  A: int\n", b"class Settings: # \\\n  A: int\n  # X\n  NEW: str\n"),
        (b"class Settings:\n  A: int; \\\n  B: int", b"class Settings:\n  A: int; \\\n  B: int\n  # X\n  NEW: str"),
        (b"class Settings:\n  A: int; \\\n\n  _b = 1", b"class Settings:\n  A: int; \\\n\n  # X\n  NEW: str\n  _b = 1"),
        (b"class Settings:\r  A: int\r", b"class Settings:\r  A: int\r  # X\r  NEW: str\r"),
        (
            b"class Settings:\n  A: int \\\n\n  B: int\n",
            b"class Settings:\n  A: int \\\n\n  B: int\n  # X\n  NEW: str\n",
        ),
        (
            b"# \xe2\x80\xa8\nclass Settings:\n  A: int\n",
            b"# \xe2\x80\xa8\nclass Settings:\n  A: int\n  # X\n  NEW: str\n",
        ),
    ],
)
def test_every_other_byte_stays(before: bytes, after: bytes) -> None:
    """Line ends, indentation, marks, odd white space and a last line without an end are kept and followed."""
    edit = add_field(SourceFile(Path("config.py"), CONFIG, before), new("NEW", description="X"))
    assert edit is not None
    assert edit.after == after


def test_an_edit_says_what_it_adds() -> None:
    """A person reads the name of the field and its class."""
    edit = add_field(source(f"{HEAD}    A: int\n"), new(description="For prices"))
    assert edit is not None
    assert edit.what == "field NEW_API_KEY of class Settings"
    assert "+    # For prices\n+    NEW_API_KEY: str\n" in edit.diff


def test_a_class_below_has_the_new_field_too() -> None:
    """A class that derives from Settings reads it under its own prefix, and nothing else changes."""
    body = "    A: int\n\n\nclass Test(Settings):\n    model_config = SettingsConfigDict(env_prefix='T_')\n"
    edit = add_field(source(HEAD + body), new())
    assert edit is not None
    parsed = parse_settings(source(edit.after.decode()))
    assert first_variables(parsed) == ("A", "NEW_API_KEY", "T_A", "T_NEW_API_KEY")


def test_a_class_that_holds_settings_changes_with_them() -> None:
    """Where Settings are a part of another class, that reads the new field too."""
    options = "SettingsConfigDict(env_nested_delimiter='__')"
    body = f"    A: int\n\n\nclass Outer(BaseSettings):\n    model_config = {options}\n    ALL: Settings\n"
    edit = add_field(source(HEAD + body), new())
    assert edit is not None
    assert parse_settings(source(edit.after.decode())).fields[-1].variables == ("ALL", "ALL__A", "ALL__NEW_API_KEY")


# Any file


@dataclass(frozen=True)
class Written:
    """A file of Settings, and a field for it."""

    file: SourceFile
    new: NewField
    samples: dict[str, str]
    """What to set for each field, the new one included."""


TYPES = {
    "str": ("'x'", "a word"),
    "int": ("1", "7"),
    "float": ("1.5", "2.5"),
    "bool": ("True", "false"),
    "str | None": ("None", "a word"),
    "Optional[int]": ("None", "7"),
    "list[str]": ("['é', '#']", '["a"]'),
    "dict[str, list[int]]": ("{}", '{"a": [1]}'),
    'Literal["a", "b # c"]': ("'a'", "a"),
    "'int'": ("2", "7"),
    "SecretStr": ("SecretStr('x')", "a word"),
    "Annotated[str, Field(min_length=1)]": ("'x'", "a word"),
    "Union[int, str]": ("1", "7"),
}
"""Annotations, each with a default as source and the text of a variable."""

WORDS = ("DB", "POOL", "MAIL", "API", "KEY", "HOST", "OPEN", "É", "X9")
LINES = (
    "CONSTANT{n}: ClassVar[int] = 1",
    "_private{n}: int = 1",
    "@property\ndef prop{n}(self) -> int:\n    return 1",
    "@computed_field\n@property\ndef made{n}(self) -> str:\n    x: str = '''\n# text\n'''\n    # inside\n    return x",
    "def method{n}(self) -> None:\n\n    pass\n    # its last words",
    "if True:\n    PLAIN{n}: ClassVar = 1",
)
"""What else a class may have, for the n-th field."""

ABOVE = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import secrets\n",
    "class Mail(BaseSettings):\n    model_config = {'env_prefix': 'Z_'}\n    A: int\n",
    "def helper(x: int) -> int:\n    return x\n\n\n",
)
MODEL = "class Model(BaseModel):\n    size: int = 1\n\n"
GAPS = ("", "", "", "\n", "\n\n", "   \n", "\f\n")
FIELDS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("_".join)
TAKEN = st.dictionaries(FIELDS, st.sampled_from([*TYPES]), max_size=6)
KEYS = FIELDS.map(lambda name: name.replace("É", "E"))
SOME_ABOVE = st.lists(st.sampled_from(ABOVE), unique=True)


@st.composite
def bodies(draw: st.DrawFn, names: dict[str, str]) -> list[str]:
    """A class's body a part at a time, with a field of each name and type."""
    parts: list[str] = []
    for n, (name, kind) in enumerate(names.items()):
        default = TYPES[kind][0]
        shapes = [
            f"{name}: {kind}",
            f"{name}: {kind} = {default}",
            f"{name}: {kind}=Field(default={default})  # so",
            f"{name}: {kind} = Field(\n    default={default},\n    # why\n    description='''\nno: field\n''',\n)",
            f"{name}: {kind} = Field(...,\n  alias='alias_{n}')",
            f"{name}: {kind} = Field(validation_alias=AliasChoices('CHOICE_{n}', 'OTHER_{n}'))",
            f"{name}: Annotated[{kind}, Field(alias='ALIAS_{n}')] = {default}",
            f"{name}: {kind} = {default}; semi_{n}: int = 1",
            f"{name}: {kind} = \\\n    {default}",
            f"{name}: Annotated[\n    {kind},  # first\n    'x',\n]",
        ]
        about = draw(st.sampled_from(["", "", f"# about {name}\n", f"# é\n# about {name}\n"]))
        tail = draw(st.sampled_from(["", "", "", "\n'''A text\nabout it'''", "\n    # goes on", "\n# words\n", "  "]))
        parts.append(about + draw(st.sampled_from(shapes)) + tail)
        if draw(st.integers(0, 4)) == 0:
            check = f"@field_validator('{name}')\n@classmethod\ndef check{n}(cls, v: Any) -> Any:\n    return v"
            parts.append(draw(st.sampled_from(GAPS)) + check)
        if draw(st.integers(0, 4)) == 0:
            parts.append(draw(st.sampled_from(GAPS)) + draw(st.sampled_from(LINES)).format(n=n))
        parts.append(draw(st.sampled_from(GAPS)))
    return [part if part in GAPS else f"{part}\n" for part in parts]


@st.composite
def files(draw: st.DrawFn) -> Written:
    """A file of Settings that can be imported, written in one of many ways, and a field that it has not."""
    lower, prefix = draw(st.booleans()), draw(st.sampled_from(["", "", "APP_", "app_"]))
    exact = draw(st.integers(0, 3)) == 0
    existing = draw(TAKEN)
    key = draw(KEYS.filter(lambda name: name not in existing))
    names = {name.lower() if lower else name: kind for name, kind in existing.items()}
    options = {
        "env_prefix": repr(prefix) if prefix else "",
        "case_sensitive": "True" if exact else "",
        "env_nested_delimiter": draw(st.sampled_from(["", "'__'"])),
        "extra": draw(st.sampled_from(["", "'ignore'"])),
    }
    words = ", ".join(f"{name}={value}" for name, value in options.items() if value)
    body = draw(bodies(names))
    if words or draw(st.booleans()):
        body.insert(draw(st.sampled_from([0, 0, len(body)])), f"model_config = SettingsConfigDict({words})\n")
    body.insert(0, draw(st.sampled_from(["", '"""A text."""\n', '"""A text.\n\nA: str\n"""\n\n'])))
    body.append(draw(st.sampled_from(["", "", "", "nested: Model = Model()\n", "_end = 1\n"])))
    if not "".join(body).strip() or draw(st.integers(0, 9)) == 0:
        body.append(draw(st.sampled_from(["pass\n", "...  # nothing\n"])))
    first = draw(st.sampled_from(["", "# -*- coding: utf-8 -*-\n", '"""Ünicode."""\n', "\f\n"]))
    future = draw(st.sampled_from(["", "from __future__ import annotations\n"]))
    above = draw(SOME_ABOVE)
    header = draw(st.sampled_from(["class Settings(BaseSettings):\n", "class Settings(\n    BaseSettings\n):  # so\n"]))
    after = draw(
        st.sampled_from(["", "", "\n\ndef f():\n    A: int = 1\n", "x = 1", "# end", "\n  \n", "\n\f\nx = 2\n"])
    )
    text = "".join([first, future, IMPORTS, MODEL, *above, header, indented("".join(body)), after])
    text = respaced(text, draw(st.sampled_from(["    ", "  ", "\t"])))
    text = text.rstrip("\n") if draw(st.integers(0, 3)) == 0 else text
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    raw = (b"\xef\xbb\xbf" if draw(st.booleans()) else b"") + text.encode()
    kind = draw(st.sampled_from(["str", "int", "bool", "SecretStr", "str | None", "list[str]", "Optional[int]"]))
    new_field = NewField(prefix + key, kind, draw(st.booleans()), draw(st.sampled_from(["", "What it is for: é # so"])))
    kinds = {**names, **{f"semi_{n}": "int" for n in range(len(names))}, "": kind}
    samples = {name: TYPES[each][1] for name, each in kinds.items()}
    return Written(SourceFile(Path("config.py"), CONFIG, raw), new_field, samples)


def indented(text: str) -> str:
    """The lines with a margin of four spaces, but for empty ones and what is inside of a text."""
    lines, inside = [], False
    for line in text.split("\n"):
        lines.append(line if inside or not line.strip() else f"    {line}")
        inside ^= (line.count("'''") + line.count('"""')) % 2 == 1
    return "\n".join(lines)


def respaced(text: str, margin: str) -> str:
    """The text with another indentation for each level."""
    lines = []
    for line in text.split("\n"):
        depth = (len(line) - len(line.lstrip(" "))) // 4 if line.strip() else 0
        lines.append(margin * depth + line[4 * depth :])
    return "\n".join(lines)


def add(written: Written) -> Edit:
    edit = add_field(written.file, written.new)
    assert edit is not None
    return edit


def statements(file: SourceFile) -> list[ast.stmt]:
    classes = [node for node in ast.parse(file.text).body if isinstance(node, ast.ClassDef)]
    return next(node for node in classes if node.name == "Settings").body


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_any_file_gets_the_field_and_nothing_else(written: Written) -> None:
    """Without the new lines the bytes are as before; the file compiles, and the field is found and not added twice."""
    before, edit = written.file.raw, add(written)
    grown = len(edit.after) - len(before)
    at = next((n for n, (one, other) in enumerate(zip(before, edit.after, strict=False)) if one != other), len(before))
    assert edit.after[at + grown :] == before[at:]
    compile(edit.after, "config.py", "exec", dont_inherit=True)

    after = SourceFile(written.file.path, written.file.name, edit.after)
    edited_settings, found = parse_settings(after), parse_settings(after).find(written.new.key)
    assert found is not None
    assert (found.required, found.owner) == (written.new.required, "Settings")
    assert found.variables[0] == (written.new.key if edited_settings.case_sensitive else written.new.key.upper())
    type_ = written.new.type.removesuffix(" | None")
    is_older = "Optional[" in written.file.text and found.annotation == f"Optional[{type_}]"
    assert is_older or found.annotation.removesuffix(" | None") == type_
    assert add_field(after, written.new) is None

    line = f"{found.name}: {found.annotation}{'' if written.new.required else ' = None'}"
    comment = f"# {written.new.description}"
    more = list(after.text.splitlines())
    for each in written.file.text.splitlines():
        more.remove(each)
    assert [each.strip() for each in more if each.strip()] == ([comment] if written.new.description else []) + [line]


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_in_any_file_comments_and_validators_stay_where_they_belong(written: Written) -> None:
    """A comment goes on standing above its field, and a validator below its own."""
    after = SourceFile(written.file.path, written.file.name, add(written).after)
    lines = [line.strip() for line in after.text.split("\n")]
    for index, line in enumerate(lines):
        if line.startswith("# about "):
            assert lines[index + 1].startswith(f"{line.removeprefix('# about ')}:")
    found = parse_settings(after).find(written.new.key)
    body = statements(after)
    at = next(
        n for n, each in enumerate(body) if isinstance(each, ast.AnnAssign) and each.lineno == (found and found.line)
    )
    assert written.new.description == "" or lines[body[at].lineno - 2] == f"# {written.new.description}"
    above = [each for each in body[:at] if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    below = body[at + 1] if at + 1 < len(body) else None
    if above and isinstance(below, ast.FunctionDef):
        assert isinstance(above[-1].target, ast.Name)
        assert not any(f"'{above[-1].target.id}'" in ast.unparse(each) for each in below.decorator_list)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module for the application's code, and an environment without a variable of this process."""
    module = types.ModuleType("settings_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    yield module


def execute(text: bytes, module: types.ModuleType) -> Any:
    """The class Settings that a file makes."""
    vars(module).update({"__name__": module.__name__})
    exec(compile(text, "config.py", "exec", dont_inherit=True), vars(module))
    return vars(module)["Settings"]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=files())
def test_the_application_loads_the_field_from_its_variable(written: Written, bare: types.ModuleType) -> None:
    """pydantic-settings itself fills each field from the variable read, and requires those called required."""
    edit = add(written)
    edited_settings = parse_settings(SourceFile(written.file.path, written.file.name, edit.after))
    own = [each for each in edited_settings.fields if each.owner == "Settings" and each.name != "nested"]
    application = execute(edit.after, bare)
    assert {name for name, each in application.model_fields.items() if each.is_required()} == {
        each.name for each in own if each.required
    }
    found = edited_settings.find(written.new.key)
    assert found is not None
    with pytest.MonkeyPatch.context() as patch:
        for each in own:
            sample = written.samples[each.name if each != found else ""]
            patch.setenv(each.variables[0], sample)
        loaded = application()
    assert {each.name for each in own} <= loaded.model_fields_set


NESTED = """\
from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict

class Login(BaseModel):
    USER: str = "app"
    PASSWORD: str

class Database(BaseModel):
    HOST: str
    login: Login
    replica: Login | None = None

class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="__")
    DB: Database
    CACHE: Database | None = None
    MODE: str = "fast"
"""


def test_a_nested_model_says_which_of_its_variables_are_required() -> None:
    """Where the model itself is: an optional one requires nothing. A default that is a text is known."""
    fields = {each.name: each for each in parse_settings(source(NESTED)).fields}
    assert [*fields["DB"].required_parts] == [
        "DB__HOST",
        "DB__LOGIN__PASSWORD",
    ]
    assert "DB__REPLICA__PASSWORD" in fields["DB"].nested and "DB" not in fields["DB"].nested
    assert fields["DB"].required and not fields["CACHE"].required
    assert (fields["MODE"].nested, fields["MODE"].default) == ({}, "fast")


@pytest.mark.parametrize(
    ("key", "part"),
    [("DB__SSLMODE", "sslmode of the field DB"), ("cache__login__token", "login.token of the field CACHE")],
)
def test_a_part_of_a_nested_model_is_added_to_that_by_hand(key: str, part: str) -> None:
    """A field of Settings would read it beside the model, which would get it too; once it is there, it is left."""
    with pytest.raises(CannotEdit, match=rf": {key} is {part}: add that to its model Database by hand"):
        add_field(source(NESTED), new(key))
    assert add_field(source(NESTED), new("DBX__TOKEN"))
    by_hand = NESTED.replace("    HOST: str\n", "    HOST: str\n    SSLMODE: str\n")
    assert add_field(source(by_hand), new("DB__SSLMODE")) is None
