"""Where the application's code asks the environment for a variable, by file and line."""

import time
from pathlib import Path

import pytest
from support.files import start_git, write_files

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.environment_reads import (
    EnvironmentRead,
    find_application_reads,
    find_environment_reads,
)
from omc_runbook.repository.settings import read_settings

CODE = """\
import os
from os import environ, getenv

NAME = "FROM_A_CONSTANT"
a = os.getenv("PLAIN_KEY")
b = os.environ["INDEXED_KEY"]
c = environ.get("DEFAULT_KEY", "x")
d = getenv(NAME, default=None)
os.environ["SET_KEY"] = "x"
environ.setdefault("ALSO_SET_KEY", "x")
e = {"no": 1}.get("NO_KEY")
# os.getenv("IN_A_COMMENT")
"""


def test_each_way_to_ask(tmp_path: Path) -> None:
    """Calls and indexes with a literal name or a constant; what the code sets itself is listed apart."""
    files = {
        "backend/app/crypto.py": CODE,
        "backend/app/broken.py": "os.environ[",
        "backend/tests/test_a.py": CODE,
        "backend/app/test_b.py": CODE,
        "scripts/tool.py": CODE,
        "backend/start.sh": "export SHELL_KEY=1\n",
        "backend/Dockerfile": "FROM python\nENV IMAGE_KEY=1\n",
    }
    write_files(tmp_path, files)
    reads, sets = find_environment_reads(CheckoutFiles(tmp_path))

    def read(variable: str, line: int, has_default: bool = False, is_required: bool = False) -> EnvironmentRead:
        return EnvironmentRead(
            variable=variable,
            file="backend/app/crypto.py",
            line=line,
            has_default=has_default,
            is_required=is_required,
        )

    assert sorted(reads, key=lambda each: each.line) == [
        read("PLAIN_KEY", 5),
        read("INDEXED_KEY", 6, is_required=True),
        read("DEFAULT_KEY", 7, True),
        read("FROM_A_CONSTANT", 8),
    ]
    assert sets == {"SET_KEY", "ALSO_SET_KEY", "SHELL_KEY", "IMAGE_KEY"}


@pytest.mark.parametrize(
    ("code", "required", "optional"),
    [
        ("with env.prefixed('DB_'):\n    a = env('HOST')\n    with env.prefixed('X_'):\n        b = env.int('N', 1)\n",
         {"DB_HOST"}, {"DB_X_N"}),
        ("env = Env(DEBUG=(bool, False), TOKEN=str)\na = env('DEBUG')\nb = env('TOKEN')\n", {"TOKEN"}, {"DEBUG"}),
        ("env = Env()\na = env.db()\nb = env.cache_url(default='')\n", {"DATABASE_URL"}, {"CACHE_URL"}),
        ("from os import getenv as ask\nenv = os.environ\na = env['A']\nb = env.get('B')\nc = ask('C')\n",
         {"A"}, {"B", "C"}),
        ("env = os.environ\ndef f(env):\n    return env['X']\ndef g():\n    env = h()\n    return env['Y']\n"
         "i = lambda env: env['Z']\na = env['A']\ndef j():\n    return env['B']\n", {"A", "B"}, set()),
        ("a = env.list('A', [])\nb = env('B', ['x'])\nc = env.list('C', [int])\nd = env('D', lambda text: text)\n",
         {"C", "D"}, {"A", "B"}),
        ("a = env('A', DEFAULT)\nb = env('B', str)\nc = env.dict('C', {})\nd = env('D', -1)\ne = env('E', {'a': str})\n"
         "f = config('F', bool, False)\ng = config('G', URL)\nh = env('H', UUID)\n",
         {"B", "E", "G", "H"}, {"A", "C", "D", "F"}),
        ("conf = Config('.env', env_prefix='APP_')\na = conf('A')\nb = other('B')\n", {"APP_A"}, set()),
        ("a = os.environ['A'] if 'A' in os.environ else os.environ['B']\n", {"B"}, {"A"}),
        ("if os.getenv('A'):\n    a = os.environ['A']\nb = 'B' in os.environ and os.environ['B']\n", set(), {"A", "B"}),
        ("try:\n    a = os.environ['A']\nexcept KeyError:\n    a = ''\n", set(), {"A"}),
        ("try:\n    a = os.environ['A']\nexcept (KeyError, ValueError):\n    a = ''\n", set(), {"A"}),
        ("try:\n    a = os.environ['A']\nexcept KeyError as error:\n    raise Wrong from error\n", {"A"}, set()),
        ("try:\n    a = os.environ['A']\nexcept ValueError:\n    a = ''\n", {"A"}, set()),
        ("def need(name):\n    return os.environ[name]\n\n\na = need('A')\nb = need(a)\n", {"A"}, set()),
        ("def need(name):\n    value = os.getenv(name)\n    if value is None:\n        raise Wrong\n"
         "    return value\n\n\na = need('A')\n", {"A"}, set()),
        ("class C:\n    def need(self, kind, name):\n        try:\n            return os.environ[name]\n"
         "        except KeyError:\n            raise Wrong from None\n\n"
         "    def both(self):\n        return self.need(int, 'A'), other.need(int, 'B')\n", {"A"}, set()),
        ("def ask(name, default=None):\n    return os.environ.get(name, default)\n\n\n"
         "a = ask('A')\nb = ask('B', '1')\n",
         set(), {"A", "B"}),
        ("def ask(name):\n    return os.environ[name] if name in os.environ else ''\n\n\na = ask('A')\n", set(), {"A"}),
        ("def put(name):\n    os.environ[name] = ''\n\n\nput('A')\n", set(), set()),
        ("def number(name):\n    text = os.getenv(name, '')\n    if text == 'x':\n        raise Wrong\n"
         "    return text\n\n\na = number('A')\n", set(), {"A"}),
        ("if not os.getenv('A') or 'B' not in os.environ:\n    raise Wrong\n"
         "c = os.getenv('C')\nif not c:\n    raise Wrong\n",
         {"A", "B", "C"}, set()),
        ("NAMES = ('A', 'B')\nmissing = [n for n in NAMES if not os.environ.get(n)]\nif missing:\n    raise Wrong\n",
         {"A", "B"}, set()),
        ("for name in ['A', 'B']:\n    if name not in os.environ:\n        sys.exit(name)\n", {"A", "B"}, set()),
        ("if missing := {n for n in ('A',) if n not in os.environ}:\n    raise Wrong\n", {"A"}, set()),
        ("missing = [n for n in ('A', 'B') if not os.getenv(n)]\nif missing:\n    print(missing)\n", set(), set()),
        ("assert os.getenv('A') and 'B' in os.environ, 'no'\nc = os.getenv('C')\nassert c is not None\n",
         {"A", "B", "C"}, set()),
        ("a = os.getenv('A')\nassert a != 'x'\nassert os.getenv('B', '1')\nassert os.getenv('C') or b\n",
         set(), {"A", "B", "C"}),
        ("if mode == 'x' and not os.getenv('A'):\n    raise Wrong\nif not os.getenv('B', '1'):\n    raise Wrong\n"
         "if not os.getenv('C'):\n    print('C')\n", set(), {"A", "B", "C"}),
    ],
)  # fmt: skip
def test_what_fails_without_a_variable(tmp_path: Path, code: str, required: set[str], optional: set[str]) -> None:
    """Prefixes and defaults of libraries count; what is asked for first, or whose error is caught, is not required."""
    (tmp_path / "conf.py").write_text(f"import os\nfrom environs import Env\n\n{code}")
    reads, _ = find_environment_reads(CheckoutFiles(tmp_path), "")
    assert {each.variable for each in reads if each.is_required} == required
    assert {each.variable for each in reads} == required | optional


def test_a_function_that_another_module_has(tmp_path: Path) -> None:
    """By its name where it is imported, and not by one that only looks like it."""
    (tmp_path / "env.py").write_text("import os\n\n\ndef need(name):\n    return os.environ[name]\n")
    (tmp_path / "conf.py").write_text("from env import need\n\nA = need('A')\nB = needless('B')\n")
    (tmp_path / "other.py").write_text("def need(name):\n    return name\n\n\nC = need('C')\n")
    reads, _ = find_environment_reads(CheckoutFiles(tmp_path), "")
    assert [(each.variable, each.file, each.line, each.is_required) for each in reads] == [("A", "conf.py", 3, True)]


DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf.settings.local')\n",
    "conf/settings/__init__.py": "",
    "conf/settings/base.py": "import environ\nenv = environ.Env(DEBUG=(bool, False))\nA = env('IN_BASE')\n",
    "conf/settings/local.py": "from .base import *  # noqa\nfrom .base import env\nB = env('IN_LOCAL'), env('DEBUG')\n",
    "conf/settings/production.py": "from conf.settings.base import env\nC = env('IN_PRODUCTION')\n",
    "shop/views.py": "import os\nD = os.environ['IN_CODE']\n",
}


@pytest.mark.parametrize(
    ("script", "is_start"),
    [
        ("compose/production/django/entrypoint", True),
        ("docker-entrypoint.sh", True),
        ("docker/entrypoint.prod.sh", True),
        ("docker/start-celery", True),
        ("docker/entrypoint.js", False),
        ("deploy/starter.sh", False),
    ],
)
def test_a_script_that_a_container_begins_with_reads_and_sets_variables(
    tmp_path: Path, script: str, is_start: bool
) -> None:
    """Wherever it is, and with no ending too: a URL of the password is often made there."""
    text = "#!/bin/bash\nexport DATABASE_URL=postgres://app:${POSTGRES_PASSWORD}@db/app\n"
    write_files(tmp_path, {"app/config.py": "", script: text})
    assert ("POSTGRES_PASSWORD" in find_application_reads(CheckoutFiles(tmp_path), "app/config.py", "app")) == is_start
    assert ("DATABASE_URL" in find_environment_reads(CheckoutFiles(tmp_path), "app/config.py")[1]) == is_start


def test_a_default_of_any_read_is_one_that_an_empty_text_would_override(tmp_path: Path) -> None:
    code = "import os\n\na = os.getenv('A'), os.getenv('A', 'x')\nb = os.getenv('B', '')\nc = os.environ['C']\n"
    write_files(tmp_path, {"backend/main.py": code})
    fields = read_settings(tmp_path).fields
    assert {each.name: each.has_default for each in fields} == {"A": True, "B": False, "C": False}


def test_a_long_name_is_no_script_at_once(tmp_path: Path) -> None:
    """Not after each of the ways to divide it at its underscores."""
    names = {f"start{'_a' * 26}.sql": False, f"start{'_a' * 26}": True, "entrypoint_a-b.c.sh": True}
    write_files(tmp_path, dict.fromkeys((*names, "startup", "start.sql", "start.sh.md"), ""))
    began = time.process_time()
    assert {each.name for each in CheckoutFiles(tmp_path).start_scripts()} == {
        name for name, is_start in names.items() if is_start
    }
    assert time.process_time() - began < 1


def test_code_beside_the_package_of_settings_is_the_applications(tmp_path: Path) -> None:
    """As main.py and a worker's package are, where Settings are imported from the top; in a folder, what it has."""
    code = 'import os\n\nkey = os.environ["{}"]\n'
    names = {"main.py": "A", "worker/tasks.py": "B", "backend/app/jobs.py": "C", "app/jobs.py": "D"}
    write_files(tmp_path, {file: code.format(name) for file, name in names.items()})
    assert find_application_reads(CheckoutFiles(tmp_path), "app/config.py", "") == {*"ABCD"}
    assert find_application_reads(CheckoutFiles(tmp_path), "backend/app/config.py", "backend") == {"C"}


def test_a_module_that_the_application_begins_with_asks_beside_its_package(tmp_path: Path) -> None:
    """Not what only a developer runs there, nor another folder's, which may be another program."""
    code = 'import os\n\nkey = os.environ["{}"]\n'
    names = {"main.py": "A", "celery_app.py": "B", "noxfile.py": "C", "lambda/main.py": "D", "app/jobs.py": "E"}
    write_files(tmp_path, {file: code.format(name) for file, name in names.items()})
    reads, _ = find_environment_reads(CheckoutFiles(tmp_path), "app/config.py", "")
    assert {each.file: each.variable for each in reads} == {"app/jobs.py": "E", "celery_app.py": "B", "main.py": "A"}


def test_the_modules_of_djangos_settings(tmp_path: Path) -> None:
    """Each asks by the object of the module that it imports; one that manage.py leaves out does not run here."""
    write_files(tmp_path, DJANGO)
    reads, _ = find_environment_reads(CheckoutFiles(tmp_path), "")
    assert {each.variable: each.is_local for each in reads if each.is_required} == {
        **dict.fromkeys(("IN_BASE", "IN_LOCAL", "IN_CODE"), True),
        "IN_PRODUCTION": False,
    }
    settings = read_settings(tmp_path)
    assert settings.find("IN_CODE") and not settings.find("in_code")
    assert {each.name for each in settings.fields if each.required and not each.is_local} == {"IN_PRODUCTION"}
    for line in ("import conf.settings.production", "from . import production"):
        (tmp_path / "conf/settings/local.py").write_text(f"{line}\n{DJANGO['conf/settings/local.py']}")
        assert all(each.is_local for each in read_settings(tmp_path).fields), line
    (tmp_path / "conf/settings/local.py").write_text(DJANGO["conf/settings/local.py"])
    (tmp_path / "manage.py").write_text(DJANGO["manage.py"].replace("local", "elsewhere"))
    assert all(each.is_local for each in read_settings(tmp_path).fields)


@pytest.mark.parametrize(
    ("name", "text", "required"),
    [
        ("app/settings.ini", "[settings]\nKEY = a%b\n", set()),
        ("settings.ini", "[settings]\nkey=\nown=\n", set()),
        ("settings.ini", "[other]\nKEY=1\n", {"KEY"}),
        ("settings.ini", "KEY=1\n", {"KEY"}),
        ("other/settings.ini", "[settings]\nKEY=1\n", {"KEY"}),
    ],
)
def test_what_decouple_finds_in_its_settings_file(tmp_path: Path, name: str, text: str, required: set[str]) -> None:
    """It searches settings.ini from the module's folder upwards, and there names in any case."""
    code = 'import os\n\nfrom decouple import config\n\nKEY = config("KEY")\nOWN = os.environ["OWN"]\n'
    write_files(tmp_path, {"app/config.py": code, name: text})
    reads, _ = find_environment_reads(CheckoutFiles(tmp_path), "")
    assert {each.variable for each in reads if each.is_required} == {*required, "OWN"}


@pytest.mark.parametrize(
    ("head", "ignored"),
    [
        ("from decouple import config", "*.ini"),
        ("from decouple import Config, RepositoryEnv\n\nconfig = Config(RepositoryEnv('.env'))", ""),
    ],
)
def test_decouple_may_have_no_settings_file(tmp_path: Path, head: str, ignored: str) -> None:
    """Where git ignores it, or the code names a .env instead."""
    code = f'{head}\n\nKEY = config("KEY")\n'
    write_files(tmp_path, {"c.py": code, "settings.ini": "[settings]\nKEY=1\n", ".gitignore": f"{ignored}\n"})
    ((read,), _) = find_environment_reads(CheckoutFiles(start_git(tmp_path)), "")
    assert read.is_required
