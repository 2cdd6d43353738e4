"""Compose files as text, and Docker Compose itself: the stand-in for its engine, the real one for its configuration."""

import errno
import json
import os
import re
import secrets
import shutil
import subprocess
import traceback
from pathlib import Path

import pytest
from support.call_counts import count_calls
from support.files import write_files
from support.paths import SUPPORT

from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose import Compose, find_references, names_missing_file, read_compose
from omc_runbook.repository.compose_tree import OptionalPath, read_tree
from omc_runbook.repository.yaml_nodes import read_mapping
from omc_runbook.textfile.file import SourceFile
from omc_runbook.workstation import docker

STANDIN = SUPPORT / "standin_docker.sh"
REAL = shutil.which("docker-compose")
CANARY = "kanarienvogel-7c41"

needs_compose = pytest.mark.skipif(REAL is None, reason="no Docker Compose here")

PLATFORM = """\
x-logging: &logging
  driver: ${LOG_DRIVER:-json-file}
services:
  db:
    image: postgres:17
    env_file: [.env]
    environment: &database
      POSTGRES_DB: ${POSTGRES_DB?Variable not set}
      PGDATA: /var/lib/postgresql/data
      VERBOSE: True
      EMPTY: ""
  backend:
    image: '${DOCKER_IMAGE_BACKEND?Variable not set}:${TAG-latest}'
    build:
      context: ./backend
    env_file:
      - .env
      - path: ./more.env
        required: false
    environment:
      <<: *database
      POSTGRES_SERVER: db
      PASSED:
      ALSO_PASSED: null
      PRICE: 5$$
      QUOTED: "yes"
      NESTED: "${A:-${B-c}}$D"
  worker:
    extends:
      service: backend
    environment:
      - PASSED=here
      - EQUALS=a=b
      - ALONE
"""

OVERRIDE = """\
services:
  db:
    environment: !override
      POSTGRES_DB: other
  backend:
    environment:
      - PASSED=overridden
      - ADDED
    build: ../elsewhere
  worker:
    env_file: !reset []
"""


@pytest.fixture
def standin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker on PATH that has no engine; gives the file with what it was called with."""
    folder = tmp_path_factory.mktemp("docker")
    program = folder / "docker"
    shutil.copy(STANDIN, program)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("STANDIN_DOCKER_LOG", str(folder / "log"))
    monkeypatch.setenv("STANDIN_DOCKER_COMPOSE", REAL or "")
    return folder / "log"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_stand_in_ends_where_an_option_has_no_value(shell: str) -> None:
    """Also in a shell that drops no word where there are too few."""
    if not shutil.which(shell):
        pytest.skip(f"There is no {shell}.")
    ended = subprocess.run([shell, str(STANDIN), "compose", "--version"], capture_output=True, timeout=10)
    assert ended.returncode != 0


def calls(log: Path) -> list[str]:
    return log.read_text().splitlines()


def read(folder: Path, text: str, override: str = "") -> Compose:
    (folder / "compose.yaml").write_text(text)
    if override:
        (folder / "docker-compose.override.yml").write_text(override)
    found = read_compose(folder)
    assert found
    return found


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("${APP_SECRET}", "APP_SECRET"),
        ("$APP_SECRET", "APP_SECRET"),
        ("${APP_SECRET:?set it}", "APP_SECRET"),
        ("${APP_SECRET:-none}", ""),
        ("a-${APP_SECRET}", ""),
        ("$$APP_SECRET", ""),
    ],
)
def test_the_variable_whose_value_a_service_gets_as_it_is(value: str, source: str, tmp_path: Path) -> None:
    """$$ is a dollar sign."""
    text = f"services:\n  app:\n    image: a\n    environment:\n      SIGNING: {value}\n"
    assert read(tmp_path, text).services[0].environment[0].source == source


def settings(compose: Compose, service: str) -> dict[str, Masked | str | None]:
    found = compose.find(service)
    assert found, service
    return {each.variable: each.value for each in found.environment}


def test_services(tmp_path: Path) -> None:
    """Services have their files, their settings in any form, merge keys resolved, their image and build folder."""
    compose = read(tmp_path, PLATFORM)
    assert [service.name for service in compose.services] == ["db", "backend", "worker"]
    assert {"POSTGRES_DB", "PASSED"} <= compose.used and "VERBOSE" not in compose.used
    backend = compose.find("backend")
    assert backend
    assert (backend.env_files, backend.context) == ((".env", "./more.env"), "./backend")
    assert backend.image == "${DOCKER_IMAGE_BACKEND?Variable not set}:${TAG-latest}"
    assert settings(compose, "backend") == {
        "POSTGRES_DB": "${POSTGRES_DB?Variable not set}",
        "PGDATA": "/var/lib/postgresql/data",
        "VERBOSE": "true",
        "EMPTY": "",
        "POSTGRES_SERVER": "db",
        "PASSED": None,
        "ALSO_PASSED": None,
        "PRICE": "5$",
        "QUOTED": "yes",
        "NESTED": "${A:-${B-c}}$D",
    }
    assert {each.variable: each.interpolates for each in backend.environment if each.interpolates} == {
        "POSTGRES_DB": ("POSTGRES_DB",),
        "NESTED": ("A", "B", "D"),
    }
    worker = settings(compose, "worker")
    assert (worker["PASSED"], worker["EQUALS"], worker["ALONE"], worker["QUOTED"]) == ("here", "a=b", None, "yes")


def test_names_after_a_dollar(tmp_path: Path) -> None:
    """Each name is listed once, from any part of the file, and the required ones apart."""
    compose = read(tmp_path, PLATFORM + "# ${IN_A_COMMENT}\nnetworks: {n: {name: '$$NOT $D'}}\n")
    names = ("LOG_DRIVER", "POSTGRES_DB", "DOCKER_IMAGE_BACKEND", "TAG", "A", "B", "D")
    assert sorted(compose.interpolated) == sorted(names)
    assert compose.required == ("POSTGRES_DB", "DOCKER_IMAGE_BACKEND")
    assert list(find_references("$A${B:+$C}${D:?no}$$E")) == [("A", ""), ("B", ":+"), ("C", ""), ("D", ":?")]


def test_an_override(tmp_path: Path) -> None:
    """An override adds, replaces and takes away; the first of both lists of names is taken, whichever they are."""
    compose = read(tmp_path, PLATFORM, OVERRIDE)
    assert [file.name for file in compose.files] == ["compose.yaml", "docker-compose.override.yml"]
    assert settings(compose, "db") == {"POSTGRES_DB": "other"}
    backend, worker = compose.find("backend"), compose.find("worker")
    assert backend and worker
    assert (backend.context, worker.env_files) == ("../elsewhere", ())
    assert settings(compose, "backend") | {"PASSED": "overridden", "ADDED": None} == settings(compose, "backend")
    (tmp_path / "compose.override.yaml").write_text("services: {new: !override {image: i}, worker: !reset null}")
    again = read_compose(tmp_path)
    assert again and [service.name for service in again.services] == ["db", "backend", "new"]


@needs_compose
@pytest.mark.parametrize("override", ["", OVERRIDE])
def test_compose_agrees(tmp_path: Path, override: str) -> None:
    """The settings of each service are those that Docker Compose gives, references aside."""
    compose = read(tmp_path, PLATFORM, override)
    (tmp_path / ".env").touch()
    variables = {"POSTGRES_DB": "app", "DOCKER_IMAGE_BACKEND": "i", "A": "a", "B": "b", "D": "d"}
    config = docker.read_config(("docker-compose",), tmp_path, variables | {"PATH": "/usr/bin:/bin"})
    assert config.error == ""
    for service in compose.services:
        real = config.environment[service.name]
        plain = {each.variable: each.value for each in service.environment if not each.interpolates}
        assert real.keys() == {each.variable for each in service.environment if each.value is not None}
        assert {name for name, value in plain.items() if value is not None and not real[name].same_as(value)} == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("services: {web: {}, backend: {}}", "backend"),
        ("services: {api: {}, app: {}}", "app"),
        ("services: {db: {}, platform: {build: ./backend/}}", "platform"),
        ("services: {db: {}, platform: {build: {context: backend}}}", "platform"),
        ("services: {db: {build: {dockerfile_inline: FROM x}}}", None),
        ("name: nothing", None),
        ("", None),
    ],
)
def test_the_service_of_the_application(tmp_path: Path, text: str, name: str | None) -> None:
    """The backend's service is found by its name, else by the folder that it is built from."""
    found = read(tmp_path, text).application()
    assert (found.name if found else None) == name


def test_the_service_that_is_built_from_the_folder_of_settings(tmp_path: Path) -> None:
    """Its name does not matter; the folder at the top says nothing."""
    (tmp_path / "compose.yaml").write_text("services: {site: {build: ./web}, py: {build: ./server}, db: {image: x}}")
    found = {path: read_compose(tmp_path, path) for path in ("server/app/config.py", "app/config.py", "")}
    applications = {path: each.application() if each else None for path, each in found.items()}
    assert {path: each and each.name for path, each in applications.items()} == {
        "server/app/config.py": "py",
        "app/config.py": None,
        "": None,
    }


@pytest.mark.parametrize(
    ("services", "settings", "name"),
    [
        ("shop_server: {build: .}, shop_db: {image: x}", "app/config.py", "shop_server"),
        ("shop_server: {build: {context: ., dockerfile: app/Dockerfile}}", "app/config.py", "shop_server"),
        ("site: {build: {context: ., dockerfile: ./site/Dockerfile}, image: x}", "app/config.py", None),
        ("shop_db: {build: {context: ., dockerfile: docker/postgres.Dockerfile}}", "app/config.py", None),
        ("shop_server: {build: .}, worker: {build: .}", "app/config.py", None),
        ("shop_server: {build: .}, site: {build: ./site}", "app/config.py", None),
        ("shop_server: {build: ./site}", "app/config.py", None),
        ("shop_server: {build: .}", "", None),
    ],
)
def test_the_only_service_that_is_built_is_the_application(
    services: str, settings: str, name: str | None, tmp_path: Path
) -> None:
    """Whatever its name, where it is built from the folder that has Settings."""
    (tmp_path / "compose.yaml").write_text(f"services: {{{services}}}")
    compose = read_compose(tmp_path, settings)
    found = compose.application() if compose else None
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"shop/main.py": 'os.environ["A"]'}, "py"),
        ({"shop/a/one.py": 'os.environ["A"]', "shop/b/two.py": 'os.environ["B"]'}, "py"),
        ({"shop/main.py": 'os.environ["A"]', "scripts/seed.py": 'os.environ["B"]'}, "py"),
        ({"shop/main.py": 'os.environ["A"]', "manage.py": 'os.environ["B"]'}, None),
    ],
)
def test_the_service_that_is_built_from_the_folder_of_what_reads_variables(
    tmp_path: Path, files: dict[str, str], name: str | None
) -> None:
    """Where no class is Settings."""
    (tmp_path / "compose.yaml").write_text("services: {site: {build: ./web}, py: {build: ./shop}}")
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"import os\n{text}\n")
    found = read_checkout(tmp_path).application
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("folder", "files", "name"),
    [
        ("services", ("api/Dockerfile", "worker/Dockerfile"), None),
        ("services", ("Dockerfile", "Dockerfile.worker"), "api"),
        ("backend", ("api/Dockerfile", "worker/Dockerfile"), "api"),
    ],
)
def test_of_services_built_from_parts_of_a_folder_none_is_the_application(
    folder: str, files: tuple[str, str], name: str | None, tmp_path: Path
) -> None:
    """Where each part reads variables of its own; the platform's own folder is one application's."""
    api, worker = (f"{{build: {{context: {folder}, dockerfile: {file}}}}}" for file in files)
    texts = {f"{folder}/{each}/main.py": f'import os\nos.environ["{each.upper()}"]\n' for each in ("api", "worker")}
    write_files(tmp_path, texts | {"compose.yaml": f"services: {{api: {api}, worker: {worker}}}"})
    found = read_checkout(tmp_path).application
    assert (found.name if found else None) == name


def test_the_names_in_the_files_of_a_service(tmp_path: Path) -> None:
    """Unknown where the .env is one of them, or one is not in the checkout; an optional one may be missing."""
    (tmp_path / "dev.env").write_text("A=1\nB=\nC: a:b\nexport D:x\n")
    (tmp_path / "compose.yaml").write_text("""\
services:
  own: {env_file: [./dev.env, {path: no.env, required: false}]}
  both: {env_file: [dev.env, ./.env]}
  outside: {env_file: ../dev.env}
  expression: {env_file: "${NAME}.env"}
  none: {}
""")
    compose = read_compose(tmp_path)
    assert compose and {each.name: each.env_file_names for each in compose.services} == {
        "own": {"A", "B", "C", "D"},
        **dict.fromkeys(("both", "outside", "expression")),
        "none": frozenset(),
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("${NO_SUCH:-.env.local}", ".env.local"),
        ("${EMPTY:-${NO_SUCH-./dev.env}}", "./dev.env"),
        ("${OF_FILE:-other}.env", "dev.env"),
        ("env/$OF_SHELL/dev.env", "env/b/dev.env"),
        ("${EMPTY-dev}.env", None),
        ("${NO_SUCH}.env", None),
        ("${NO_SUCH:?say which}", None),
        ("${REFERS:-dev}.env", None),
        ("folder/${NO_SUCH:-/etc/dev.env}", None),
        ("$${OF_FILE}.env", None),
        ("${OF_FILE:?say which}.env", "dev.env"),
        ("${OF_FILE:+other}.env", "other.env"),
        ("${EMPTY+other}.env", "other.env"),
        ("${EMPTY:+other}.env", None),
        ("${EMPTY:?say which}.env", None),
        ("~/dev.env", str(Path.home() / "dev.env")),
        ("~.env", str(Path.home() / ".env")),
        ("${OF_FILE:+~}/dev.env", str(Path.home() / "dev.env")),
        ("./~/dev.env", None),
    ],
)
def test_the_path_of_an_env_file_has_the_values_of_its_variables(
    path: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's come before the .env's, and a default stands in; the text stays where a value is not known."""
    monkeypatch.setenv("OF_SHELL", "b")
    (tmp_path / ".env").write_text("OF_FILE=dev\nOF_SHELL=a\nEMPTY=\nREFERS=${OF_FILE}\n")
    (tmp_path / "compose.yaml").write_text(f"services: {{app: {{env_file: [{{path: '{path}', required: false}}]}}}}\n")
    compose = read_compose(tmp_path)
    assert compose and compose.services[0].env_files == (expected or path,)
    assert isinstance(compose.services[0].env_files[0], OptionalPath)


@pytest.mark.parametrize("home", ["", None])
def test_without_a_home_the_path_of_an_env_file_keeps_its_tilde(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a schedule: Compose asks the variable alone, and no database of users."""
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    (tmp_path / "compose.yaml").write_text("services: {app: {env_file: '~/dev.env'}}\n")
    compose = read_compose(tmp_path)
    assert compose and compose.services[0].env_files == ("~/dev.env",)


@pytest.mark.parametrize(
    ("reference", "path", "expected"),
    [
        ("include: [sub/app.yaml]", "${NO_SUCH:-.env}", "sub/.env"),
        ("include: [sub/app.yaml]", "${TOP}.env", "sub/top.env"),
        ("include: [sub/app.yaml]", "${OF_SUB:-dev}.env", None),
        ("include: [sub/app.yaml]", "~/dev.env", str(Path.home() / "dev.env")),
        ("include: [{path: sub/app.yaml, project_directory: .}]", "${NO_SUCH:-dev}.env", "dev.env"),
        ("services: {app: {extends: {file: sub/app.yaml, service: app}}}", "${OF_SUB:-dev}.env", "sub/dev.env"),
        ("services: {app: {extends: {file: sub/app.yaml, service: app}}}", "${NO_SUCH:-../dev.env}", "dev.env"),
    ],
)
def test_the_path_of_an_env_file_in_another_folder_is_seen_from_there(
    reference: str, path: str, expected: str | None, tmp_path: Path
) -> None:
    """A path that begins with a variable, too; the .env beside an included file may have the variable's value."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".env").write_text("TOP=top\n")
    (tmp_path / "sub/.env").write_text("TOP=other\nOF_SUB=sub\n")
    (tmp_path / "sub/app.yaml").write_text(f"services: {{app: {{env_file: '{path}'}}}}\n")
    (tmp_path / "compose.yaml").write_text(f"{reference}\n")
    compose = read_compose(tmp_path)
    assert compose and compose.services[0].env_files == (expected or path,)


def test_which_file_is_taken(tmp_path: Path) -> None:
    """Of several names the first that Docker Compose looks for is read; an override alone is no project."""
    (tmp_path / "compose.override.yml").write_text("services: {o: {}}")
    assert read_compose(tmp_path) is None
    for name in ("docker-compose.yaml", "docker-compose.yml", "compose.yml", "compose.yaml"):
        (tmp_path / name).write_text("services: {s: {}}")
        compose = read_compose(tmp_path)
        assert compose and [file.name for file in compose.files] == [name, "compose.override.yml"]


NAMED = {
    "one": ("COMPOSE_FILE=dev.yml\n", {}, ["dev.yml"]),
    "several": ("COMPOSE_FILE=./compose.yml:dev.yml\n", {}, ["compose.yml", "dev.yml"]),
    "another separator": (
        "COMPOSE_FILE='compose.yml,dev.yml'\nCOMPOSE_PATH_SEPARATOR=,\n",
        {},
        ["compose.yml", "dev.yml"],
    ),
    "the shell": ("COMPOSE_FILE=compose.yml\n", {"COMPOSE_FILE": "dev.yml"}, ["dev.yml"]),
    "none in the shell": ("COMPOSE_FILE=dev.yml\n", {"COMPOSE_FILE": ""}, ["compose.yml", "compose.override.yml"]),
    "empty": ("COMPOSE_FILE=\n", {}, ["compose.yml", "compose.override.yml"]),
    "a variable": ("KIND=dev\nCOMPOSE_FILE=${KIND}.yml\n", {}, ["dev.yml"]),
    "a variable of the shell": ("KIND=a\nCOMPOSE_FILE=${KIND}.yml\n", {"KIND": "dev"}, ["dev.yml"]),
    "a default": ("KIND=\nCOMPOSE_FILE=${KIND:-dev}.yml\n", {}, ["dev.yml"]),
    "without braces": ("KIND=dev\nCOMPOSE_FILE=$KIND.yml\n", {}, ["dev.yml"]),
    "a default of none": ("COMPOSE_FILE=${KIND-dev}.yml\n", {}, ["dev.yml"]),
    "a default in a default": ("COMPOSE_FILE=${ONE:-${OTHER:-dev.yml}}\n", {}, ["dev.yml"]),
    "another one": ("MORE=1\nCOMPOSE_FILE=compose.yml${MORE:+:dev.yml}\n", {}, ["compose.yml", "dev.yml"]),
    "no other one": ("COMPOSE_FILE=compose.yml${MORE:+:dev.yml}\n", {}, ["compose.yml"]),
    "a separator": (
        "S=,\nCOMPOSE_PATH_SEPARATOR=$S\nCOMPOSE_FILE=compose.yml,dev.yml\n",
        {},
        ["compose.yml", "dev.yml"],
    ),
    "its own folder": ("COMPOSE_FILE=compose.yml:${PWD}/dev.yml\n", {}, ["compose.yml", "dev.yml"]),
    "a variable below": ("COMPOSE_FILE=dev${KIND}.yml\nKIND=x\n", {}, ["dev.yml"]),
}


@pytest.mark.parametrize("name", NAMED)
def test_the_files_that_a_variable_names_are_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shell before the .env, in their order and without an override."""
    text, shell, files = NAMED[name]
    for file in ("compose.yml", "compose.override.yml", "dev.yml"):
        (tmp_path / file).write_text(f"services: {{s: {{environment: {{A: {file}}}}}}}")
    (tmp_path / ".env").write_text(text)
    for variable, value in shell.items():
        monkeypatch.setenv(variable, value)
    compose = read_compose(tmp_path)
    assert compose and [file.name for file in compose.files] == files and not compose.includes
    assert compose.services[0].environment[0].value == files[-1]


@pytest.mark.parametrize("name", ["${KIND:?none}.yml", "'${KIND:-dev}.yml'", "${OTHER:-dev}.yml", "$$KIND.yml"])
def test_a_variable_that_only_compose_expands_names_no_missing_file(name: str, tmp_path: Path) -> None:
    """The file that it leads to may exist."""
    write_files(tmp_path, {"compose.yml": "services: {s: {}}", ".env": f"OTHER=$KIND\nCOMPOSE_FILE={name}\n"})
    assert not names_missing_file(CheckoutFiles(tmp_path))


def test_a_folder_that_a_variable_names_is_refused(tmp_path: Path) -> None:
    """In one sentence that says where it is named."""
    write_files(tmp_path, {"docker/compose.yml": "services: {s: {}}", ".env": "COMPOSE_FILE=docker/\n"})
    with pytest.raises(UsageError, match=r"^COMPOSE_FILE names a folder, .*/docker: give the path of"):
        read_compose(tmp_path)


def test_a_named_file_elsewhere_is_missed_and_paths_begin_at_the_first_one(tmp_path: Path) -> None:
    """One that is not there, or outside of the checkout, is known to be missed; without any there is nothing."""
    root = tmp_path / "app"
    (root / "deploy").mkdir(parents=True)
    (root / "deploy/a.yml").write_text("services: {s: {env_file: a.env}}")
    (root / "b.yml").write_text("services: {s: {env_file: b.env}}")
    (tmp_path / "c.yml").write_text("services: {s: {}}")
    (root / ".env").write_text(f"COMPOSE_FILE={root}/deploy/a.yml:b.yml:../c.yml:d.yml\n")
    compose = read_compose(root)
    assert compose and [file.name for file in compose.files] == ["deploy/a.yml", "b.yml"] and compose.includes
    assert compose.services[0].env_files == ("deploy/a.env", "deploy/b.env")
    (root / ".env").write_text("COMPOSE_FILE=d.yml\n")
    assert read_compose(root) is None
    (root / ".env").write_bytes(b"\xff")
    (root / "compose.yml").write_text("services: {s: {}}")
    assert read_compose(root)


def test_a_dotenv_that_names_no_compose_file_is_not_parsed_for_one(tmp_path: Path) -> None:
    """Most name none, and python-dotenv's parser takes its time."""
    write_files(tmp_path, {"compose.yml": "services: {s: {}}", ".env": "A=1\nB='2'\n"})
    assert count_calls(lambda: read_compose(tmp_path), "parse_binding") == 0


def in_memory(text: str) -> SourceFile:
    """A compose file that is on no disk."""
    return SourceFile(Path("compose.yaml"), "compose.yaml", text.encode())


def test_a_file_is_parsed_once_for_its_tree_and_its_nodes() -> None:
    """With a thousand services each pass takes long; what is wrong in it has the same line in both."""
    services = "".join(f"  {name}:\n    image: app\n" for name in ("api", "worker"))
    file = in_memory(f"services:\n{services}")
    assert [*read_tree(file)["services"]] == ["api", "worker"]
    assert count_calls(lambda: read_mapping(file), "fetch_more_tokens") == 0
    broken = in_memory(f"services:\n{services}  db: [\n")
    for read, error in ((read_tree, r"compose\.yaml line 7 is"), (read_mapping, r"compose\.yaml, line 7 is")):
        with pytest.raises(UsageError, match=f"^{error} not valid YAML: fix it first"):
            read(broken)


def test_an_error_of_a_file_does_not_grow_with_each_reading() -> None:
    """It is kept with the file's events, and its traceback would keep what each reader had at hand."""
    file = in_memory("services:\n  db: [\n")

    def length() -> int:
        with pytest.raises(UsageError) as caught:
            read_mapping(file)
        assert caught.value.__context__
        return len(traceback.extract_tb(caught.value.__context__.__traceback__))

    assert length() == length()


def test_a_file_that_nests_too_deeply_is_not_parsed_to_its_end() -> None:
    """That would take the square of its depth."""
    file = in_memory("[" * 5000)

    def read() -> None:
        with pytest.raises(UsageError, match="nested too deeply"):
            read_mapping(file)

    assert count_calls(read, "fetch_flow_collection_start") < 2500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"services:\n  s: [{CANARY}\n", "compose.yaml line 3 is not valid YAML: fix it first."),
        (f"a: {CANARY}\n b: c\n", "compose.yaml line 2 is not valid YAML: fix it first."),
        (f"a: *{CANARY}\n", "compose.yaml line 1 is not valid YAML: fix it first."),
        (f'a: {CANARY}\nb: "\\UFFFFFFFF"\n', "compose.yaml line 2 is not valid YAML: fix it first."),
        (f"a: {CANARY}\nb: \x01\n", "compose.yaml line 2 has a character that is not allowed in YAML: fix it first."),
        (f"- {CANARY}\n", "compose.yaml has a text or a list where Compose expects a mapping: fix it first."),
        (f"services: {CANARY}\n", "compose.yaml has a text or a list where Compose expects a mapping: fix it first."),
    ],
)
def test_what_is_no_compose_file(tmp_path: Path, text: str, message: str) -> None:
    """A file that Compose could not read is refused with its line, and without any of its text."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("entry", "is_masked"),
    [
        (f"API_TOKEN: {CANARY}", True),
        (f"api_key: '{CANARY}'", True),
        (f"API_KEY: '${{API_KEY:-{CANARY}}}'", True),
        (f"API_KEY: 'x${{OTHER}}{CANARY}'", True),
        (f"DATABASE_URL: postgresql://app:{CANARY}@db/app", True),
        ("DATABASE_URL: 'postgresql://app:${POSTGRES_PASSWORD}@db/app'", False),
        ("API_KEY: '${API_KEY?Variable not set}'", False),
        ("API_KEY: $API_KEY", False),
        ("API_KEY: '${API_KEY:-}'", False),
        ("API_KEY: changethis", False),
        ("POSTGRES_PASSWORD: '${POSTGRES_PASSWORD-postgres}'", False),
        ("SERVER: mailcatcher", False),
    ],
)
def test_secrets_in_a_compose_file(tmp_path: Path, entry: str, is_masked: bool) -> None:
    """A value that is written out under a secretive name, or as a URL's password, is masked; a reference is not."""
    compose = read(tmp_path, f"services:\n  backend:\n    environment:\n      {entry}\n")
    (value,) = settings(compose, "backend").values()
    assert isinstance(value, Masked) == is_masked
    assert CANARY not in registry.mask(f"it said {CANARY}" if is_masked else repr(value))


def test_a_secret_or_config_may_be_made_of_a_variable(tmp_path: Path) -> None:
    """It is used then, though no value has it as a ${…} and no service gets it."""
    text = "secrets: {jwt: {environment: JWT_KEY}, tls: {file: a}, odd: }\nconfigs: {app: {environment: APP_CONF}}\n"
    assert read(tmp_path, f"services: {{a: {{image: x}}}}\n{text}").used == {"JWT_KEY", "APP_CONF"}


def test_odd_services(tmp_path: Path) -> None:
    """What Compose would refuse in a service is left out, an unknown tag is looked through, and anchors end."""
    text = """\
services:
  a: nothing
  b: {environment: text, env_file: [{required: true}], build: , image: , extends: b}
  c: {extends: {service: a, file: other.yaml}, environment: {A: !custom x, B: !custom [y], N: 0017}}
x-a: &a [$A, $A, *a]
x-b: [*a, *a, {$B: $C}]
"""
    compose = read(tmp_path, text)
    assert [(each.env_files, each.image, each.context) for each in compose.services] == [((), "", "")] * 3
    assert settings(compose, "c") == {"A": "x", "B": "['y']", "N": "0017"}
    assert compose.interpolated == ("A", "C")


APART = {
    "compose.yaml": """\
include:
  - deploy/database.yml
  - path: [deploy/jobs.yml]
services:
  backend:
    extends: {file: deploy/common.yml, service: python}
    environment:
      OWN: "1"
""",
    "deploy/common.yml": """\
services:
  base:
    image: base
    environment:
      SHARED: ${SHARED_NAME?}
      OWN: overridden
  python:
    extends: base
    build: ../backend
    env_file: [python.env]
  unused:
    image: ${UNUSED:-none}
""",
    "deploy/database.yml": "services:\n  db:\n    image: postgres\n    environment:\n      - POSTGRES_DB=${DB-app}\n",
    "deploy/jobs.yml": """\
include: [more/cleaner.yml]
services:
  worker:
    extends: {file: more/cleaner.yml, service: cleaner}
    environment: {ROLE: worker}
""",
    "deploy/more/cleaner.yml": """\
services:
  cleaner:
    image: cleaner
    env_file: cleaner.env
    environment: {ROLE: cleaner, KEEP: "7"}
""",
}


def apart(root: Path) -> Compose:
    """A compose file that takes in others, which do so in their turn, from folders of their own."""
    write_files(root, APART)
    found = read_compose(root)
    assert found
    return found


def test_what_other_files_have_is_read(tmp_path: Path) -> None:
    """Services come from each file, with paths from the top, and all that is in a file asks for its variables."""
    compose = apart(tmp_path)
    assert [service.name for service in compose.services] == ["db", "cleaner", "worker", "backend"]
    assert settings(compose, "backend") == {"SHARED": "${SHARED_NAME?}", "OWN": "1"}
    assert settings(compose, "worker") == {"ROLE": "worker", "KEEP": "7"}
    backend, worker, cleaner = map(compose.find, ("backend", "worker", "cleaner"))
    assert backend and worker and cleaner and compose.application() is backend
    assert (backend.context, backend.env_files, worker.env_files) == (
        "backend",
        ("deploy/python.env",),
        ("deploy/more/cleaner.env",),
    )
    assert cleaner.env_files == worker.env_files and not compose.includes and not backend.extends
    assert compose.required == ("SHARED_NAME",)
    assert [file.name for file in compose.files] == [
        "compose.yaml",
        "deploy/database.yml",
        "deploy/jobs.yml",
        "deploy/more/cleaner.yml",
        "deploy/common.yml",
    ]


def test_a_value_that_many_services_have_is_hidden_once(tmp_path: Path) -> None:
    """Compose repeats the variables of a file for each service that has it; each service still has all of its own."""
    variables = {f"NAME_{number}": secrets.token_hex(16) for number in range(20)}
    services = {f"service-{number}": {"environment": {**variables, "PORT": f"80{number}"}} for number in range(50)}
    (tmp_path / "config.json").write_text(json.dumps({"services": services}))
    program = ("sh", "-c", f"cat '{tmp_path}/config.json'")
    made = count_calls(lambda: docker.read_config(program, tmp_path), named="install")
    assert made == len(variables) + len(services)
    config = docker.read_config(program, tmp_path)
    for name, service in services.items():
        read = config.environment[name]
        assert read.keys() == service["environment"].keys()
        assert all(read[each].same_as(value) for each, value in service["environment"].items())


def test_a_file_that_services_mount_may_be_out_of_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that this user may not enter: the engine may, so it is neither missing nor certain to be there."""
    paths = {"here": tmp_path / "here.txt", "closed": tmp_path / "closed.txt", "endless": tmp_path / ("x" * 400)}
    paths["null"] = tmp_path / "\0"
    paths["here"].touch()
    sources = {name: {"file": str(path)} for name, path in paths.items()}
    services = {"backend": {"secrets": [{"source": name} for name in sources]}}
    (tmp_path / "config.json").write_text(json.dumps({"services": services, "secrets": sources}))
    look = Path.stat

    def look_as_another(path: Path, **options: bool) -> os.stat_result:
        if path == paths["closed"]:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", look_as_another)
    config = docker.read_config(("sh", "-c", f"cat '{tmp_path}/config.json'"), tmp_path)
    exists = {source.label: source.exists for source in config.mounted_sources}
    assert exists == {"secret here": True, "secret closed": None, "secret endless": False, "secret null": False}


@needs_compose
def test_what_other_files_have_is_what_compose_makes_of_them(tmp_path: Path) -> None:
    """With their env_files there, each service has the variables that Docker Compose gives it."""
    compose = apart(tmp_path)
    for service in compose.services:
        for name in service.env_files:
            (tmp_path / name).write_text(f"FROM={name}\n")
    config = docker.read_config(("docker-compose",), tmp_path, {"PATH": "/usr/bin:/bin", "SHARED_NAME": "x"})
    assert not config.error, config.error
    ours = {
        each.name: {*settings(compose, each.name)} | ({"FROM"} if each.env_files else set())
        for each in compose.services
    }
    assert {name: {*variables} for name, variables in config.environment.items()} == ours
    assert all(
        theirs["FROM"].matches(re.compile("deploy/")) for theirs in config.environment.values() if "FROM" in theirs
    )


@pytest.mark.parametrize(
    "text",
    [
        "include: [nowhere.yml]\n",
        "include: https://x.test/a.yml\n",
        "include: [{path: 1}]\n",
        "include: [compose.yaml]\n",
    ],
)
def test_what_cannot_be_taken_in_is_known_to_be_missed(tmp_path: Path, text: str) -> None:
    """A file that is not there, one from elsewhere, what is no path, and the file itself."""
    assert read(tmp_path, f"{text}services: {{db: {{image: postgres}}}}\n").includes


def test_which_program_there_is(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docker's plugin comes before docker-compose; without both there is no program; the printed command fits."""
    assert docker.find_compose() == docker.expected_compose(tmp_path / "checkout") == ("docker", "compose")
    own = tmp_path / "docker-compose"
    own.write_text("#!/bin/sh\necho Docker Compose version v2.39.4\n")
    own.chmod(0o755)
    monkeypatch.setenv("STANDIN_DOCKER_FAILS", "version:docker: 'compose' is not a docker command.")
    monkeypatch.setenv("PATH", f"{tmp_path}:{standin.parent}")
    assert docker.find_compose() == ("docker-compose",)
    own.write_text("#!/bin/sh\necho docker-compose version 1.29.2, build unknown\n")
    assert docker.find_compose() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker.expected_compose(tmp_path / "checkout") == ("docker-compose",)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert docker.find_compose() is None and docker.expected_compose(tmp_path) == ("docker", "compose")


def test_without_a_program(tmp_path: Path) -> None:
    """The error for a program that is not installed is one sentence."""
    with pytest.raises(CouldNotLook, match=r"^docker-nowhere could not be started in .*: No such file or directory\.$"):
        docker.read_config(("docker-nowhere",), tmp_path)
    assert docker.engine_problem(("docker-nowhere",)).startswith("docker-nowhere could not be started")


@needs_compose
def test_config(standin: Path, tmp_path: Path) -> None:
    """What a container's environment would be is masked, as it is, and words that all need stay readable."""
    (tmp_path / ".env").write_text(f"API_KEY='{CANARY}$x'\nPART={CANARY}$canary$other$canary\nLOG_LEVEL=debug\n")
    text = "services:\n  backend:\n    image: i\n    env_file: .env\n    environment:\n      HOST: ${HOST}\n      A:\n"
    (tmp_path / "compose.yaml").write_text(f"version: '3'\n{text}")
    config = docker.read_config(("docker", "compose"), tmp_path, {**os.environ, "HOST": "backend"})
    backend = config.environment["backend"]
    assert backend.keys() == {"API_KEY", "PART", "LOG_LEVEL", "HOST"}
    assert backend["API_KEY"].same_as(f"{CANARY}$x") and backend["PART"].same_as(CANARY)
    assert config.warnings == (
        "2 variables after a $ are not set: Compose replaces each with nothing.",
        "A compose file has an attribute that Compose ignores as obsolete.",
    )
    assert CANARY not in repr(config) and config.error == ""
    assert registry.mask(f"backend debug {CANARY}") == "backend debug ‹PART›"


@needs_compose
@pytest.mark.parametrize(
    ("dotenv", "text", "reason"),
    [
        (f"A='{CANARY}", "services: {}", r"it cannot read \S+/\.env, line 1"),
        (f"A=${{{CANARY}", "services: {}", r"it cannot read \S+/\.env"),
        ("", "services: {s: {image: '${NAME?}'}}", r"services\.s\.image needs NAME, which is not set"),
        ("", "services: {s: {environment: ['A=${B?}']}}", r"services\.s\.environment needs B, which is not set"),
        ("", "services: {s: {image: i, env_file: x.env}}", r"\S+/x\.env is missing, which env_file names"),
        ("", f"services: [{CANARY}", "a compose file is not valid YAML.*"),
        ("", f"services: {{s: {{{CANARY}: i}}}}", "a compose file is not valid: services.s"),
        (
            "",
            "services: {s: {env_files: .env}}",
            r"a .* not valid: services\.s has env_files, and Compose knows env_file",
        ),
        ("", "services: {s: {image: i, volume: [.]}}", r"a .* not valid: services\.s has volume, and .* knows volumes"),
        (
            "",
            "services: {s: {build: {ports: [80]}}}",
            r"a .*: services\.s\.build has ports, which does not belong there",
        ),
        ("", "{services: {s: {image: i}}, service: {}}", "a .* not valid: it has service, and Compose knows services"),
        (f"P={CANARY}", "services: {s: {image: i, cpus: '$P'}}", r"a compose file is not valid: services\.s\.cpus"),
        (f"P={CANARY}", "services: {s: {image: i, mem_limit: '$P'}}", r"a .* valid: services\[s\]\.mem_limit"),
        (f"P={CANARY}", "services: {s: {image: i, volumes: ['$P:/x']}}", "a compose file is not valid: service s"),
        (f"P={CANARY}", "services: {s: {image: i, ports: ['$P:80']}}", "a port in a compose file is not valid"),
        ("", "services: {s: {extends: {service: t}}}", "service s extends t, which does not exist"),
        ("", "services: {s: {extends: {file: x.yml, service: t}}}", r"\S+/x\.yml does not exist, which a compose .*"),
        ("", "{services: {s: {image: i}}, include: [x.yml]}", r"\S+/x\.yml does not exist, which a compose .*"),
        ("", "services: {s: {image: i, env_file: /tmp}}", "/tmp is a folder, where a compose file names a file"),
        ("", "services: {s: {image: i, depends_on: [t]}, t: {image: i, depends_on: [s]}}", "services depend on .*"),
        ("", "services: {s: {extends: {service: t}}, t: {extends: {service: s}}}", "services extend each other.*"),
        ("", "", "a compose file is empty"),
        ("COMPOSE_PROJECT_NAME=Not A Name", "services: {s: {image: i}}", "the project's name is not valid.*"),
        ("", f"services: {{s: {{image: '${{{CANARY}'}}}}", r"a \$\{…\} in a compose file or the \.env is not valid"),
        ("", None, "there is no compose file"),
    ],
)
def test_config_refused(tmp_path: Path, dotenv: str, text: str | None, reason: str) -> None:
    """The message says in our words, without a value, why Compose refuses the files."""
    (tmp_path / ".env").write_text(dotenv)
    if text is not None:
        (tmp_path / "compose.yaml").write_text(text)
    config = docker.read_config(("docker-compose",), tmp_path, {"PATH": "/usr/bin:/bin"})
    assert re.fullmatch(rf"docker compose config failed in \S+: {reason}\.", config.error)
    assert CANARY not in repr(config) and not config.environment


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('unsupported env_file format "raw"', "this Docker Compose does not know the env_file format raw: 2.30 and .*"),
        ("open /srv/docker-compose.yml: permission denied", "/srv/docker-compose.yml cannot be read by this user"),
        ("no service selected", "no service is selected.*"),
        (
            "validating /c.yml: services.s additional properties 'env_files' not allowed",
            r"a compose file is not valid: services\.s has env_files, and Compose knows env_file",
        ),
        *(
            (
                f"validating /c.yml: services.s additional properties '{wrong}' not allowed",
                rf"a compose file is not valid: services\.s has {wrong}, and Compose knows {right}",
            )
            for wrong, right in (("bulid", "build"), ("imgae", "image"), ("prots", "ports"))
        ),
        (
            "validating /c.yml: services.s additional properties 'sk_live_x' not allowed",
            r"a compose file is not valid: services\.s",
        ),
    ],
)
def test_config_refused_by_others(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, reason: str
) -> None:
    """What other versions, and other users' files, make Compose say."""
    monkeypatch.setenv("STANDIN_DOCKER_FAILS", f"config:{words}")
    config = docker.read_config(("docker", "compose"), tmp_path)
    assert re.fullmatch(rf"docker compose config failed in \S+: {reason}\.", config.error)


def test_config_of_an_old_program(tmp_path: Path) -> None:
    """The error for a program that cannot print JSON says that it is too old."""
    old = tmp_path / "docker-compose"
    old.write_text("#!/bin/sh\necho services:\n")
    old.chmod(0o755)
    config = docker.read_config((str(old),), tmp_path)
    assert config.error == f"{old} config gives no JSON: install a newer Docker Compose."


@pytest.mark.parametrize(
    "answer",
    [
        "null",
        "[]",
        '{"services": {"dotenv": null}}',
        '{"services": {"dotenv": {"environment": [1]}}}',
    ],
)
def test_a_config_of_another_form_is_none(tmp_path: Path, answer: str) -> None:
    """JSON that is no configuration says nothing of the variables."""
    other = tmp_path / "docker-compose"
    other.write_text(f"#!/bin/sh\necho '{answer}'\n")
    other.chmod(0o755)
    words = f"{other} config gives no JSON: install a newer Docker Compose."
    assert docker.read_config((str(other),), tmp_path).error == words
    with pytest.raises(CouldNotLook, match="config gives no JSON"):
        docker.read_env_file((str(other),), tmp_path / ".env", {})


def test_an_engine(standin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no engine answers, the message says what to do."""
    assert docker.engine_problem(("docker", "compose")) == ""
    monkeypatch.setenv("STANDIN_DOCKER_ENGINE", "no")
    sentence = "Docker cannot be used: no Docker engine answers: start Docker."
    assert docker.engine_problem(("docker", "compose")) == sentence


def test_a_start_and_its_log(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services are started in the background, and what they say comes as Compose prints it."""
    (tmp_path / "said").write_text(f"backend-1  | {CANARY}\n")
    monkeypatch.setenv("STANDIN_DOCKER_LOGS", str(tmp_path / "said"))
    started = docker.up(("docker", "compose"), tmp_path)
    assert (started.ok, started.message) == (True, f"docker compose up has started the services of {tmp_path}.")
    assert docker.logs(("docker", "compose"), tmp_path) == f"backend-1  | {CANARY}\n"
    assert calls(standin) == ["docker compose up --detach", "docker compose logs --no-color --tail 5000"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Error response: Bind for 0.0.0.0:5432 failed: port is already allocated", "port 5432 is taken by another .*"),
        ("listen tcp4: address already in use", "a port is taken by another program"),
        ("dependency failed to start: container x-db-1 is unhealthy", "container x-db-1 is unhealthy"),
        ("dependency failed to start: container x-prestart-1 exited (1)", r"container x-prestart-1 exited \(1\)"),
        (f"pull access denied for {CANARY}, repository does not exist", "an image could not be pulled"),
        (f"failed to solve: {CANARY}", "an image could not be built"),
        (f"{CANARY}", "it ended with 1"),
    ],
)
def test_a_start_that_fails(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, reason: str
) -> None:
    """The message says in our words, without a value, why services could not be started."""
    monkeypatch.setenv("STANDIN_DOCKER_FAILS", f"up:{words}")
    started = docker.up(("docker", "compose"), tmp_path)
    assert not started.ok
    assert re.fullmatch(rf"docker compose up failed in \S+: {reason}\.", started.message)
    assert CANARY not in started.message


def test_a_log_that_cannot_be_had(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an engine there is no log, and the sentence says so."""
    monkeypatch.setenv("STANDIN_DOCKER_ENGINE", "no")
    with pytest.raises(
        CouldNotLook, match=r"^docker compose logs failed in .*: no Docker engine answers: start Docker"
    ):
        docker.logs(("docker", "compose"), tmp_path)


def test_a_program_that_hangs(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not end is given up with a sentence."""
    monkeypatch.setenv("STANDIN_DOCKER_FAILS", "config:hang")
    monkeypatch.setitem(docker.SECONDS, "config", 1)
    with pytest.raises(CouldNotLook, match=r"^docker compose config did not end within 1 s in .*: run it by hand"):
        docker.read_config(("docker", "compose"), tmp_path)


@pytest.mark.parametrize(
    ("entry", "env_file", "required"),
    [
        ("infra/db.yml", "infra/.env", ()),
        ("{path: infra/db.yml, env_file: [more/a.env, more/b.env]}", "more/b.env", ()),
        ("{path: [infra/db.yml], project_directory: more}", "more/.env", ()),
        ("{path: [infra/db.yml], project_directory: more}", "infra/.env", ("TOKEN",)),
        ("{path: infra/db.yml, env_file: more/a.env}", "infra/.env", ("TOKEN",)),
        ("{path: infra/db.yml, env_file: ../a.env}", "infra/a.env", ("TOKEN",)),
        ("{path: infra/db.yml, project_directory: .}", ".env", ("TOKEN",)),
    ],
)
def test_the_files_of_an_include_set_what_it_requires(
    tmp_path: Path, entry: str, env_file: str, required: tuple[str, ...]
) -> None:
    """By default the .env of its folder; a real Docker Compose reads the same ones."""
    for name in ("infra", "more"):
        (tmp_path / name).mkdir()
    (tmp_path / "infra/db.yml").write_text("services: {db: {image: 'postgres:${TOKEN?}'}}\n")
    (tmp_path / env_file).write_text("TOKEN=16\n")
    compose = read(tmp_path, f"include:\n  - {entry}\nservices: {{app: {{image: a}}}}\n")
    assert (compose.required, compose.interpolated) == (required, ("TOKEN",))


@pytest.mark.parametrize(
    "text",
    [
        "include: [NEXT, NEXT]\nservices: {S: {image: 'i:${V}'}}\n",
        "services: {S: {extends: {file: NEXT, service: T}}, T: {extends: {file: NEXT, service: T}}}\n",
    ],
)
def test_files_that_name_the_next_one_twice_are_each_read_once(tmp_path: Path, text: str) -> None:
    """The ways to the last file double with each one."""
    last = 16
    for at in range(last):
        own = text.replace("NEXT", f"c{at + 1}.yaml").replace("S:", f"s{at}:").replace("V", f"V{at}")
        (tmp_path / f"c{at}.yaml").write_text(own)
    (tmp_path / f"c{last}.yaml").write_text("services: {T: {image: last}}\n")
    found: list[Compose] = []
    calls = count_calls(lambda: found.append(read(tmp_path, text.replace("NEXT", "c0.yaml"))), "read_tree")
    assert calls < 3 * last
    images = {each.name: each.image for each in found[0].services}
    assert images["T"] == "last"
    assert images["S"] in ("i:${V}", "last")
    assert not found[0].includes and len(found[0].files) == last + 2


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        ("infra/db.yml", "infra/db.env"),
        ("{path: infra/db.yml, project_directory: more}", "more/db.env"),
        ("{path: infra/db.yml, project_directory: .}", "db.env"),
        ("{path: [infra/db.yml, infra/other/more.yml]}", "infra/db.env"),
    ],
)
def test_what_the_paths_of_an_included_file_are_relative_to(tmp_path: Path, entry: str, file: str) -> None:
    """Its project_directory, by default the folder of the first path."""
    (tmp_path / "infra/other").mkdir(parents=True)
    for name in ("infra/db.yml", "infra/other/more.yml"):
        (tmp_path / name).write_text(f"services: {{{Path(name).stem}: {{image: a, env_file: db.env}}}}\n")
    compose = read(tmp_path, f"include:\n  - {entry}\nservices: {{app: {{image: a}}}}\n")
    assert {each.env_files for each in compose.services} == {(file,), ()}


def test_anchors_and_merges(tmp_path: Path) -> None:
    """The last anchor of a name counts, and of several merged mappings the first."""
    anchors = "x-a: &a {A: one, B: one}\nx-b: &b {B: two, C: two}\nx-c: &a {A: three}\n"
    body = (
        f"{anchors}services:\n  app:\n    image: a\n    environment:\n      <<: [*b, *a, {{B: four}}]\n      C: own\n"
    )
    service = read(tmp_path, body).find("app")
    assert service and {(each.variable, each.value) for each in service.environment} == {
        ("A", "three"),
        ("B", "two"),
        ("C", "own"),
    }


def test_what_an_override_replaces(tmp_path: Path) -> None:
    """Details in long syntax add up, and a volume replaces the one at its target."""
    details = "secrets: [{source: a, target: b}], networks: {n: {aliases: [one]}}, volumes: ['.:/app/', './x:/y']"
    above = "configs: [{source: c}], secrets: [{source: d}], networks: {n: }, volumes: [{source: ./b, target: /app}]"
    (tmp_path / "compose.override.yaml").write_text(f"services: {{backend: {{{above}}}}}")
    service = read(tmp_path, f"services: {{backend: {{image: i, {details}}}}}").find("backend")
    assert service and (service.mounts_secrets, service.names, service.mounts_checkout) == (True, ("one",), False)


def test_tags_beside_extends(tmp_path: Path) -> None:
    """!reset and !override are for the same service of the files before, not for those that extend it."""
    (tmp_path / "compose.override.yaml").write_text("""\
services:
  new: {image: n, profiles: !reset []}
  a: {extends: new}
  b: {extends: new, environment: !override [X=1], env_file: !reset []}
""")
    compose = read(
        tmp_path,
        "services: {a: {image: a, profiles: [p]}, b: {image: b, environment: [Y=1], env_file: [one.env]}}",
    )
    a, b = compose.find("a"), compose.find("b")
    assert a and b and (a.image, a.profiles, b.env_files) == ("n", ("p",), ())
    assert settings(compose, "b") == {"X": "1"}


@pytest.mark.parametrize(
    ("service", "file", "may"),
    [
        ("api", "api/main.py", True),
        ("api", "api/worker/main.py", True),
        ("api", "common/main.py", True),
        ("api", "tools/main.py", False),
        ("worker", "api/main.py", False),
        ("tools", "api/main.py", True),
        ("web", "api/main.py", True),
        ("db", "api/main.py", True),
        ("gone", "api/main.py", True),
    ],
)
def test_whose_code_a_service_may_run(service: str, file: str, may: bool, tmp_path: Path) -> None:
    """Its folder's and what no service is built from; any where it is built from the checkout, or mounts that."""
    folders = {"api": "api", "worker": "api/worker", "tools": "tools\n    volumes: [.:/src]", "web": "."}
    built = "".join(f"  {name}:\n    build: ./{folder}\n" for name, folder in folders.items())
    compose = read(tmp_path, f"services:\n  db:\n    image: postgres:17\n{built}")
    assert compose.may_run(service, {file}) is may
