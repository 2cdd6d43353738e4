"""Where the application's Settings are: in any module, over several, under any name, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write_files

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.repository.settings import read_settings
from omc_runbook.repository.settings_edit import NewField, add_field
from omc_runbook.repository.settings_search import find_settings_outside
from omc_runbook.repository.settings_source import SettingsSource

BASE = "from pydantic_settings import BaseSettings\n\n\n"
DATABASE = f"{BASE}class Db(BaseSettings):\n    A: str\n\n\n"


def read(root: Path, **files: str) -> SettingsSource:
    """The Settings of a checkout; a file's name has __ for each slash."""
    return read_settings(write_files(root, {f"{name.replace('__', '/')}.py": text for name, text in files.items()}))


def variables(settings: SettingsSource) -> dict[str, str]:
    """Each variable with the file that declares its field."""
    return {each.variables[0]: each.file for each in settings.fields}


def test_bases_and_types_of_other_modules_are_read(tmp_path: Path) -> None:
    """Through a re-export, relative imports, a base's own base, and a class of the same name; without __init__.py."""
    found = read(
        tmp_path,
        pkg__common=f"{BASE}class Root(BaseSettings):\n    ROOT: str\n\n\nclass Settings(Root):\n    BASE: str\n",
        pkg__shared="from .common import Settings as Shared\n\n__all__ = ['Shared']\n",
        pkg__mail=f"{BASE}class Mail(BaseSettings, env_prefix='MAIL_'):\n    KEY: str\n",
        pkg__main="from .mail import Mail\nfrom pkg.shared import Shared as Above\n\n\n"
        "class Settings(Above):\n    OWN: str\n    mail: Mail\n",
    )
    assert (found.path, found.name, found.folder, found.ambiguities) == ("pkg/main.py", "Settings", "", ())
    assert variables(found) == {
        "ROOT": "pkg/common.py",
        "BASE": "pkg/common.py",
        "OWN": "pkg/main.py",
        "MAIL": "pkg/main.py",
        "MAIL_KEY": "pkg/mail.py",
    }
    assert found.file
    edit = add_field(found.file, NewField("NEW_KEY", "str", True, ""))
    assert edit and edit.after.decode().endswith("    OWN: str\n    mail: Mail\n    NEW_KEY: str\n")
    assert add_field(found.file, NewField("ROOT", "str", True, "")) is None


@pytest.mark.parametrize(
    ("files", "label"),
    [
        ({"svc__conf": f"{BASE}class Conf(BaseSettings):\n    A: str\n"}, "svc/conf.py Conf"),
        (
            {"svc__conf": f"{DATABASE}class Conf(BaseSettings):\n    DB: Db = Db()\n"},
            "svc/conf.py Conf",
        ),
        (
            {
                "svc__conf": f"{DATABASE}class Conf(BaseSettings):\n    B: str\n",
                "svc__main": "from svc.conf import Conf\n\nconf = Conf()\n",
            },
            "svc/conf.py Conf",
        ),
        (
            {"svc__a": f"{BASE}class Settings(BaseSettings):\n    A: str\n", "tests__a": DATABASE},
            "svc/a.py Settings",
        ),
        ({"svc__a": "import pydantic_settings as ps\n\n\nclass S(ps.BaseSettings):\n    A: str\n"}, "svc/a.py S"),
    ],
)  # fmt: skip
def test_the_outermost_class_is_the_one(tmp_path: Path, files: dict[str, str], label: str) -> None:
    """By its name, because it holds the others, or because it is instantiated; tests do not count."""
    found = read(tmp_path, **files)
    assert f"{found.path} {found.name}" == label and found.file
    edit = add_field(found.file, NewField("NEW_KEY", "str", False, ""), found.name)
    assert edit and b"    NEW_KEY: str | None = None\n" in edit.after


def test_several_applications_are_refused_with_the_way_on(tmp_path: Path) -> None:
    """Each is named, and the folder of one of them is read."""
    text = f"{BASE}class Settings(BaseSettings):\n    A: str\n"
    with pytest.raises(UsageError, match=r"class Settings in one/conf\.py; class Settings in two/conf\.py\. Set rep"):
        read(tmp_path, one__conf=text, two__conf=text)
    assert read_settings(tmp_path / "two").path == "conf.py"


def test_several_classes_of_one_application(tmp_path: Path) -> None:
    """The base of all stands for them, else the one nearest to the top; the fields of the others are read too."""
    base = f"{BASE}class Base(BaseSettings):\n    A: str\n\n\n"
    base += "class Dev(Base):\n    B: str\n\n\nclass Live(Base):\n    C: str\n"
    found = read(tmp_path / "based", app__conf=base, app__use="KINDS = {'dev': Dev, 'live': Live}\n")
    assert (found.name, [each.name for each in found.fields]) == ("Base", ["A", "B", "C"])
    mail = f"{BASE}class Mail(BaseSettings):\n    KEY: dict[str, str]\n\n\nmail = Mail()\n"
    main = f"{BASE}class Conf(BaseSettings):\n    A: str\n\n\nconf = Conf()\n"
    found = read(tmp_path / "apart", app__conf=main, app__mail__conf=mail)
    assert (found.path, found.name, variables(found)) == (
        "app/conf.py",
        "Conf",
        {"A": "app/conf.py", "KEY": "app/mail/conf.py"},
    )


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("from starlette.config import config\n\nA = config('A')\nB = config('B', bool, default=1)", "A"),
        ("from decouple import config\n\nA = config('A', default='x')\nB = config('B', cast=int)\n", "B"),
        ("from environs import Env\n\nenv = Env()\nA = env.str('A')\nB = env('B', 'x')\n", "A"),
        ("import os\n\n\nclass Settings:\n    A = os.environ['A']\n    b: str = os.getenv('B', 'x')\n", "A"),
    ],
)  # fmt: skip
def test_libraries_and_classes_that_read_the_environment(tmp_path: Path, text: str, required: str) -> None:
    """A class that is no BaseSettings gets no fields."""
    found = read(tmp_path, app__config=text)
    assert found.file is None and {each.name for each in found.fields} == {"A", "B"}
    assert [each.name for each in found.fields if each.required] == [required]


def test_code_that_reads_the_environment_itself(tmp_path: Path) -> None:
    """Each variable is a field, required where the line fails without it; without any there is nothing to read."""
    with pytest.raises(
        UsageError, match=r"no class that derives from BaseSettings, and no code that reads os\.environ"
    ):
        read(tmp_path, app__empty="")
    found = read(
        tmp_path,
        app__conf="import os\n\nA = os.getenv('A')\nB = os.environ['B']\n",
        app__main="import os\n\nA = os.environ['A']\nC = os.environ.get('C', '1')\n",
    )
    assert (found.file, found.path, found.name, found.folder) == (None, "", "", "")
    assert {each.name: each.required for each in found.fields} == {"A": True, "B": True, "C": False}
    assert {each.name: each.reason for each in found.fields}["B"] == "app/conf.py, line 4, has no default for it"


def test_a_base_class_in_another_project_of_a_workspace(tmp_path: Path) -> None:
    """It is read where the checkout has it; from its own folder alone, the application's class is still found."""
    (tmp_path / "libs" / "common").mkdir(parents=True)
    (tmp_path / "libs" / "common" / "pyproject.toml").write_text("")
    found = read(
        tmp_path,
        libs__common__src__common__config=f"{BASE}class CommonSettings(BaseSettings):\n    SENTRY_DSN: str\n",
        services__api__src__api__settings="from common.config import CommonSettings\n\n\n"
        "class ApiSettings(CommonSettings):\n    SECRET_KEY: str\n",
    )
    assert (found.name, found.ambiguities) == ("ApiSettings", ())
    assert variables(found) == {
        "SENTRY_DSN": "libs/common/src/common/config.py",
        "SECRET_KEY": "services/api/src/api/settings.py",
    }
    alone = read_settings(tmp_path / "services" / "api")
    assert variables(alone) == {"SECRET_KEY": "src/api/settings.py"}
    assert alone.ambiguities == ("class ApiSettings derives from CommonSettings of another file",)


COMMON = f"{BASE}class Common(BaseSettings):\n    SECRET_KEY: str\n    LEVEL: str = ''\n"
ONE = (
    "from common import Common as Base\n\n\nclass Settings(Base):\n    OPENAI_API_KEY: str\n\n\nsettings = Settings()\n"
)


def test_applications_that_share_a_base(tmp_path: Path) -> None:
    """What each of them requires is required, and no key is added to the base that one of them has."""
    two = "from common import Common\n\n\nclass Settings(Common):\n    SECRET_KEY: str = 'x'\n    QUEUE_URL: str\n"
    (tmp_path / "pyproject.toml").write_text("")
    found = read(tmp_path, common=COMMON, one__conf=ONE, two__conf=two)
    assert (found.path, found.name) == ("common.py", "Common") and found.file
    required = {(each.variables[0], each.file) for each in found.fields if each.required and not each.doubt}
    assert required == {
        ("SECRET_KEY", "common.py"),
        ("OPENAI_API_KEY", "one/conf.py"),
        ("QUEUE_URL", "two/conf.py"),
    }
    assert add_field(found.file, NewField("OPENAI_API_KEY", "str", True, ""), found.name, found) is None
    with pytest.raises(CannotEdit, match=r"one/conf\.py, line 5: OPENAI_API_KEY is taken by the field OPENAI_API_KEY"):
        add_field(found.file, NewField("OPENAI_API_KEY", "str", False, ""), found.name, found)
    assert add_field(found.file, NewField("NEWS_API_KEY", "str", False, ""), found.name, found)


def test_applications_that_share_a_base_of_a_folder_beside_them(tmp_path: Path) -> None:
    """All derive from it, so that it is the main one."""
    one = ONE.replace("from common", "from shared.common")
    (tmp_path / "pyproject.toml").write_text("")
    found = read(tmp_path, shared__common=COMMON, one__conf=one, two__conf=one.replace("OPENAI", "NEWS"))
    assert (found.path, found.name) == ("shared/common.py", "Common")
    assert {*variables(found)} == {"SECRET_KEY", "LEVEL", "OPENAI_API_KEY", "NEWS_API_KEY"}


def test_a_base_that_only_others_with_a_prefix_use(tmp_path: Path) -> None:
    """Nothing reads its fields by their own names."""
    text = "from common import Common\n\n\nclass Settings(Common, env_prefix='{}_'):\n    URL: str\n"
    (tmp_path / "pyproject.toml").write_text("")
    found = read(tmp_path, common=COMMON, one__conf=text.format("ONE"), two__conf=text.format("TWO"))
    assert {each.variables[0] for each in found.fields if each.required} == {
        *("ONE_SECRET_KEY", "ONE_URL", "TWO_SECRET_KEY", "TWO_URL"),
    }


def test_a_base_that_only_has_options(tmp_path: Path) -> None:
    """None of the classes is the main one: there is none to load, and a field in the base would be in all of them."""
    text = "from common import Common\n\n\nclass {0}({1}):\n    API_KEY: str\n\n\nsettings = {0}()\n"
    one, two = text.format("App", "Common"), text.format("Mail", "Common, env_prefix='MAIL_'")
    base = f"{BASE}class Common(BaseSettings):\n    model_config = {{'env_file': '.env', 'extra': 'ignore'}}\n"
    found = read(tmp_path, common=base, app=one, mail=two)
    assert (found.are_several, found.file, found.name, found.env_prefix) == (True, None, "", "")
    assert (found.env_files, variables(found)) == ((".env",), {"API_KEY": "app.py", "MAIL_API_KEY": "mail.py"})


def test_classes_of_one_application_by_its_stage(tmp_path: Path) -> None:
    """It uses one of them, so what only one has is not certainly required."""
    text = "from app.common import Common\n\n\nclass {}(Common):\n    {}: str\n"
    found = read(
        tmp_path,
        app____init__="",
        app__common=COMMON,
        app__dev=text.format("Dev", "A"),
        app__live=text.format("Live", "B") + "\n\nKINDS = {'live': Live}\n",
        app__use="from app.dev import Dev\nfrom app.live import Live\n\nsettings = Dev() or Live()\n",
    )
    assert [(each.variables[0], each.doubt) for each in found.fields if each.required] == [
        ("SECRET_KEY", ""),
        ("A", "only class Dev has it"),
        ("B", "only class Live has it"),
    ]


@pytest.mark.parametrize("other", ["worker__app__config", "jobs__conf"])
def test_an_application_beside_the_one_in_a_usual_folder(tmp_path: Path, other: str) -> None:
    """The usual folder makes none of them the main one, unless the other one is within it."""
    text = f"{BASE}class Settings(BaseSettings):\n    A: str\n"
    assert read(tmp_path / "within", api__app__config=text, **{f"api__{other}": text}).path == "api/app/config.py"
    with pytest.raises(UsageError, match=r"several classes of settings: .* in api/app/config\.py"):
        read(tmp_path / "beside", api__app__config=text, **{other: text})
    assert read_settings(tmp_path / "beside" / "api").path == "app/config.py"


def test_classes_beside_each_other_are_equal(tmp_path: Path) -> None:
    """A new field goes into the first of them, which a note says; one called Settings, or below, has no equal."""
    database, auth, main = (f"class {name}(BaseSettings):\n    A: str\n" for name in ("Database", "Auth", "Settings"))
    found = read(tmp_path / "two", app__config=f"{BASE}{database}{auth}")
    assert (found.name, found.equal_classes) == ("Database", ("class Auth in app/config.py",))
    assert read(tmp_path / "main", app__config=f"{BASE}{database}{auth}{main}").equal_classes == ()
    assert (
        read(tmp_path / "below", app__config=f"{BASE}{database}", app__jobs__config=f"{BASE}{auth}").equal_classes == ()
    )
    own = "class Own(BaseSettings):\n    A: str\n\nclass Dev(Own):\n    B: str\n\nclass Prod(Own):\n    C: str\n"
    assert read(tmp_path / "derived", app__config=f"{BASE}{own}").equal_classes == ()


def test_applications_that_share_a_template(tmp_path: Path) -> None:
    """Their one .env needs what each of them requires; one with a template of its own has another .env."""
    text = f"{BASE}class Settings(BaseSettings, env_file='.env'):\n    {{}}: str\n    SECRET_KEY: str\n"
    (tmp_path / ".env.example").write_text("SECRET_KEY=\n")
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / ".env.example").write_text("TOOL=\n")
    files = {f"{name}__conf": text.format(name.upper()) for name in ("one", "two", "tool")}
    found = read(tmp_path, **files)
    assert found.are_several and (found.file, found.name, found.path, found.env_files) == (None, "", "", (".env",))
    assert {each.variables[0] for each in found.fields if each.required and not each.doubt} == {
        *("ONE", "TWO", "SECRET_KEY"),
    }
    (tmp_path / "two" / ".env.example").write_text("TWO=\n")
    with pytest.raises(UsageError, match=r"several classes of settings: .*Set repository to the folder"):
        read_settings(tmp_path)
    assert not read_settings(tmp_path / "two").are_several


def test_of_many_applications_the_first_are_named(tmp_path: Path) -> None:
    """A folder of many clones makes no sentence of thousands of words."""
    text = f"{BASE}class Settings(BaseSettings):\n    A: str\n"
    with pytest.raises(UsageError, match=r"classes of settings: .* in a4/conf\.py and 4 more\. Set repository"):
        read(tmp_path, **{f"a{number}__conf": text for number in range(9)})


def test_settings_outside_of_a_folder_are_those_that_are_instantiated(tmp_path: Path) -> None:
    """Not the folder's own, and none that nothing calls."""
    read(
        tmp_path,
        backend__config=f"{BASE}class Settings(BaseSettings):\n    A: str\n\n\nSettings()\n",
        worker__config=f"{BASE}class Worker(BaseSettings):\n    B: str\n\n\nWorker()\n",
        tools__config=f"{BASE}class Unused(BaseSettings):\n    C: str\n",
    )
    assert [each.name for each in find_settings_outside(tmp_path, "backend")] == ["Worker"]


@pytest.mark.parametrize(
    ("bases", "body", "call"),
    [
        ("", "A = os.environ['A']", "Settings()"),
        ("object", "A = os.environ['A']", "Settings()"),
        ("object", "DEBUG: bool = False\n    A = os.environ['A']", "Settings()"),
        ("BaseModel", "A: str", "Settings(A=os.environ['A'])"),
        ("pydantic.BaseModel", "a: str = os.environ['A']", "Settings()"),
        ("TypedDict", "A: str", "{'A': os.environ['A']}"),
        ("NamedTuple", "A: str", "Settings(os.environ['A'])"),
    ],
)
def test_a_class_settings_that_the_code_fills_is_none(tmp_path: Path, bases: str, body: str, call: str) -> None:
    """What the code asks the environment for counts, and no field is added to a class that reads nothing itself."""
    text = f"import os\n\n\nclass Settings({bases}):\n    {body}\n\n\nsettings = {call}\n"
    settings = read(tmp_path, app__config=text)
    assert (settings.file, [(each.variables, each.required) for each in settings.fields]) == (None, [(("A",), True)])


@pytest.mark.parametrize(
    ("bases", "call"),
    [
        ("BaseModel", "Settings.model_validate(dict(os.environ))"),
        ("BaseModel", "Settings(A=os.environ['OTHER'])"),
        ("BaseModel, Mixin", "Settings(A=os.environ['A'])"),
        ("CorporateSettings", "Settings(A=os.environ['A'])"),
        ("metaclass=FromEnvironment", "os.environ['A']"),
        ("object", "load(Settings)"),
    ],
)
def test_a_class_settings_whose_fields_the_code_does_not_ask_for_stays(tmp_path: Path, bases: str, call: str) -> None:
    """It may take all of the environment, or derive from what does."""
    text = f"import os\n\n\nclass Settings({bases}):\n    A: str\n\n\nsettings = {call}\n"
    settings = read(tmp_path, app__config=text)
    assert (settings.path, list(variables(settings))) == ("app/config.py", ["A"])


@pytest.mark.parametrize(
    ("folder", "path"), [(".", "shared/config.py"), ("services", "services/api/config.py")], ids=["inside", "outside"]
)
def test_a_link_to_a_module_has_no_other_class(folder: str, path: str, tmp_path: Path) -> None:
    """Neither the file nor the link alone is one of several classes; the file may be outside of the checkout."""
    write_files(tmp_path, {"shared/config.py": f"{BASE}class Settings(BaseSettings):\n    A: str\n"})
    for service in ("api", "worker"):
        (tmp_path / "services" / service).mkdir(parents=True)
        (tmp_path / "services" / service / "config.py").symlink_to("../../shared/config.py")
    found = read_settings(tmp_path / folder)
    assert (found.path, found.name, found.are_several) == (
        str(Path(path).relative_to(folder)),
        "Settings",
        False,
    )


@pytest.mark.parametrize(
    ("calls", "required"),
    [
        ("Main(db=Db(), token=Token())", set()),
        ("Main(db=Db())", {"TOKEN"}),
        ("[Main(db=Db(), token=Token()), Main(token=Token())]", {"DB"}),
        ("Main(**parts)", {"DB", "TOKEN"}),
        ("Main", {"DB", "TOKEN"}),
    ],
)
def test_settings_that_each_call_of_a_class_passes_to_it_are_not_required(
    tmp_path: Path, calls: str, required: set[str]
) -> None:
    """The environment need not have it; what fills the parts is as required as before."""
    body = "class Main(BaseSettings):\n    db: Db\n    token: Token\n\n\n"
    token = "class Token(BaseSettings):\n    B: str\n\n\n"
    found = read(tmp_path, svc__conf=f"{DATABASE}{token}{body}settings = {calls}\n")
    assert {each.variables[0] for each in found.fields if each.required} == {"A", "B"} | required
