"""The project's own shape: which way imports point, what the wheel holds, how notebooks are written."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from papermill.engines import papermill_engines
from support import refresh_notebooks
from support.paths import ROOT

from omc_runbook.model import errors
from omc_runbook.runbooks import policy

PACKAGE = ROOT / "omc_runbook"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

ROOMS = (
    *("model", "iam", "messages", "masking", "textfile", "aws", "network", "terraform", "repository", "workstation"),
    *("snapshot", "checks", "diagnosis", "changes", "report", "headless", "runbooks", "cli"),
)
"""The package's rooms from the ground up: a room imports from those before it. The sandbox stands apart."""

TOP_LEVEL = {
    *("notebooks", "omc_runbook", "tests", "docs", "benchmarks", "schedules"),
    *("environment.yml", "README.md", "pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md"),
}

HEADINGS = (
    "Parameters",
    "Where am I",
    "What is there",
    "What is wrong",
    "What will change",
    "Change it",
    "Did it work",
    "Outcome",
    "How to undo it",
    "By hand",
    "Answer",
)

REVEALERS = {"masking", "changes"}
LOOKING = {"boto3", "botocore", "time", "socket", "urllib", "http", "requests", "subprocess", "os", "random"}
STATEMENTS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef),
    *(ast.For, ast.AsyncFor, ast.While, ast.comprehension),
    *(ast.Try, ast.TryStar, ast.With, ast.AsyncWith),
    *(ast.If, ast.IfExp, ast.Match, ast.BoolOp, ast.Compare, ast.BinOp, ast.Subscript),
)


def name_of(path: Path) -> str:
    """Dotted name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@cache
def tree_of(name: str) -> ast.Module:
    """The syntax tree of a module of ours, parsed when a test asks for it: each worker imports this module."""
    return ast.parse(SOURCES[name].read_text())


@cache
def nodes_of(name: str) -> dict[type, list[Any]]:
    """The nodes of a module of ours by their kind: to walk through a tree takes longer than to parse it."""
    return by_kind(tree_of(name))


def by_kind(tree: ast.AST) -> dict[type, list[Any]]:
    """The nodes of a syntax tree by their kind."""
    nodes: dict[type, list[Any]] = {}
    for node in ast.walk(tree):
        nodes.setdefault(type(node), []).append(node)
    return nodes


def for_each(names: Iterable[str]) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Hold a test of one module for each of these, as one test: two thousand of them would take long to collect."""

    def decorate(test: Callable[[str], None]) -> Callable[[], None]:
        def hold() -> None:
            failures = {}
            for name in names:
                try:
                    test(name)
                except AssertionError as error:
                    failures[name] = str(error)
            assert failures == {}

        hold.__doc__ = test.__doc__
        return hold

    return decorate


in_each_module = for_each(SOURCES)
in_each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def imported(name: str) -> Iterator[str]:
    """Names of the modules that a module of ours imports, each as deep as it is a module of ours."""
    nodes = nodes_of(name)
    yield from (alias.name for node in nodes.get(ast.Import, ()) for alias in node.names)
    for node in nodes.get(ast.ImportFrom, ()):
        assert node.level == 0, f"{name} has a relative import"
        for alias in node.names:
            deeper = f"{node.module}.{alias.name}"
            yield deeper if deeper in SOURCES else str(node.module)


def part_of(name: str) -> str:
    """Which of the package's modules or packages a module of ours belongs to."""
    return name.split(".")[1] if "." in name else ""


def is_ours(name: str) -> bool:
    return name.split(".")[0] == PACKAGE.name


def floor_of(name: str) -> int:
    return ROOMS.index(part_of(name)) if part_of(name) else 0


RUNBOOK = [name for name in SOURCES if part_of(name) != "sandbox"]
in_runbook_code = for_each(RUNBOOK)


@in_runbook_code
def test_imports_point_down(name: str) -> None:
    """A module imports from its own room and from those below."""
    targets = {target for target in imported(name) if is_ours(target) and part_of(target) != "sandbox"}
    assert {target for target in targets if floor_of(target) > floor_of(name)} == set()


def test_modules_form_no_cycle() -> None:
    """No two modules import each other, directly or by way of others."""
    graph = {name: set(imported(name)) & SOURCES.keys() - {name} for name in SOURCES}
    TopologicalSorter(graph).prepare()


@in_runbook_code
def test_only_the_cli_knows_the_sandbox(name: str) -> None:
    """Runbook code never imports the sandbox; the command line does, to offer its commands."""
    ours = {target for target in imported(name) if is_ours(target)}
    assert part_of(name) == "cli" or "sandbox" not in set(map(part_of, ours))


def test_the_cli_loads_the_sandbox_only_when_asked() -> None:
    """The command line starts without moto and without JupyterLab: a scheduler has neither."""
    question = "import sys, omc_runbook.cli; print({'moto', 'jupyterlab', 'boto3', 'papermill'} & {*sys.modules})"
    answer = subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True).stdout
    assert answer.strip() == "set()"


@pytest.mark.long
def test_records_are_listed_without_what_reads_aws() -> None:
    """What opens the index page, too, needs neither boto3 nor the checks."""
    question = (
        "import sys, omc_runbook.headless.overview; print({'boto3', 'omc_runbook.snapshot.state'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True).stdout
    assert answer.strip() == "set()"


@pytest.mark.long
def test_what_a_notebook_imports_is_quick() -> None:
    """All runbooks together import no library for plots, data frames or pages, and no IPython."""
    names = " ".join(f"import {name};" for name in SOURCES if part_of(name) == "runbooks")
    question = (
        f"import sys; {names} print({{'matplotlib', 'pandas', 'nbconvert', 'IPython', 'papermill'}} & {{*sys.modules}})"
    )
    answer = subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True).stdout
    assert answer.strip() == "set()"


@pytest.mark.long
def test_the_cli_run_as_a_module_is_the_command() -> None:
    """It ends with nothing done and exit code 0 for nobody."""
    words = [sys.executable, "-m", "omc_runbook.cli", "run", "no-such-runbook"]
    process = subprocess.run(words, capture_output=True, text=True)
    assert process.returncode == 3 and "no-such-runbook" in process.stderr


@pytest.mark.long
def test_a_headless_run_leaves_to_its_kernel_what_only_that_needs() -> None:
    """Its own process reads notebooks, and neither calls AWS, reads runbook.toml nor parses the grammar of IRIs."""
    question = (
        "import sys, omc_runbook.headless.run as headless\n"
        "print({'boto3', 'pydantic', 'papermill'} & {*sys.modules})\n"
        "headless.skip_formats()\n"
        "print({'lark', 'rfc3987_syntax'} & {*sys.modules})\n"
        "import papermill, jsonschema, rfc3987_syntax\n"
        "print(rfc3987_syntax.is_valid_syntax('iri', 'https://example.com'))"
    )
    process = subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True)
    assert (process.stdout.split(), process.stderr) == (["set()", "set()", "True"], "")


@in_runbook_code
def test_every_error_of_ours_is_known_by_its_name(name: str) -> None:
    """A kernel tells an error by its class's name; one that the command did not know would end with another code."""
    classes = nodes_of(name).get(ast.ClassDef, [])
    ours = {c.name for c in classes if any(errors.find_class(ast.unparse(base).split(".")[-1]) for base in c.bases)}
    assert {each for each in ours if errors.find_class(each) is None} <= {"DocumentError"}


@in_each_module
def test_only_aws_and_the_sandbox_call_aws(name: str) -> None:
    """boto3 and botocore are known in aws/ and in the sandbox only."""
    libraries = {target.split(".")[0] for target in imported(name)}
    assert part_of(name) in {"aws", "sandbox"} or not libraries & {"boto3", "botocore"}


@in_each_module
def test_secret_values_are_revealed_in_few_places(name: str) -> None:
    """The verb that yields a secret's text is used by the masking, the document and the changes only."""
    used = {node.id for node in nodes_of(name).get(ast.Name, ())}
    used |= {node.attr for node in nodes_of(name).get(ast.Attribute, ())}
    used |= {a.name for node in nodes_of(name).get(ast.ImportFrom, ()) for a in node.names}
    assert part_of(name) in REVEALERS or "reveal" not in used


@for_each([name for name in SOURCES if part_of(name) == "checks"])
def test_checks_only_judge(name: str) -> None:
    """A check takes what it judges as an argument: it has no client, no clock and no printing."""
    libraries = {target.split(".")[0] for target in imported(name)}
    calls = [node.func for node in nodes_of(name).get(ast.Call, ())]
    called = {call.id for call in calls if isinstance(call, ast.Name)}
    called |= {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert libraries & LOOKING == set()
    assert called & {"print", "open", "input", "now", "utcnow", "today"} == set()


@in_each_module
def test_what_is_public_is_described(name: str) -> None:
    """Every module and every public function and class at its top has a docstring."""
    public = [
        node
        for node in tree_of(name).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and "overload" not in map(ast.unparse, node.decorator_list)
    ]
    assert ast.get_docstring(tree_of(name))
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def lacking(text: str) -> list[str]:
    """The references to a module of ours in a text, such as `environment.load`, of which it does not have the name."""
    references = {(module, name) for module, name in re.findall(r"`(?:\w+\.)*(\w+)\.(\w+)`", text)}
    return [
        f"{module}.{name}"
        for module, name in references
        if (own := [each for each in SOURCES if each.endswith((f".{module}", f".{module}.{name}"))])
        and not any(re.search(rf"\b{name}\b", f"{each} {SOURCES[each].read_text()}") for each in own)
    ]


@in_each_module
def test_what_a_docstring_refers_to_is_there(name: str) -> None:
    """A function that is renamed or moved is so in the docstrings of others, too."""
    texts = (node.value for node in nodes_of(name).get(ast.Expr, ()))
    assert lacking("\n".join(text.value for text in texts if isinstance(getattr(text, "value", None), str))) == []


def test_what_the_architecture_refers_to_is_there() -> None:
    assert lacking((ROOT / "docs" / "architecture.md").read_text()) == []


@in_each_module
def test_exceptions_are_caught_by_name(name: str) -> None:
    """Nothing catches whatever comes, but to clean up and raise it again."""
    handlers = nodes_of(name).get(ast.ExceptHandler, [])
    types = [handler.type for handler in handlers if ast.unparse(handler.body[-1]) != "raise"]
    names = {inner.id for kind in types if kind for inner in ast.walk(kind) if isinstance(inner, ast.Name)}
    assert None not in types
    assert names & {"Exception", "BaseException"} == set()


@cache
def drawing() -> ModuleType:
    """The script that draws the rooms into docs/architecture.md."""
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def imports_of_rooms() -> dict[str, set[str]]:
    """Each of the package's rooms with those that it imports from."""
    rooms: dict[str, set[str]] = drawing().rooms(PACKAGE, lambda path: nodes_of(name_of(path)).get(ast.ImportFrom, ()))
    return rooms


def test_rooms_and_arrows_stay_few() -> None:
    """At most 20 rooms, at most 100 arrows between them, and no circle."""
    imports = imports_of_rooms()
    assert imports.keys() == {*ROOMS, "sandbox"} and len(imports) <= 20
    assert sum(map(len, imports.values())) <= 100
    TopologicalSorter(imports).prepare()


def test_the_architecture_shows_the_rooms_as_they_are() -> None:
    """docs/architecture.md has the picture that the imports give, and a line for each room from the top down."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert drawing().draw(imports_of_rooms()) in page
    listed = re.findall(r"^\| `(\w+)/?` \|", page, flags=re.MULTILINE)
    assert [room for room in listed if room != "sandbox"] == [*reversed(ROOMS)] and "sandbox" in listed


def test_the_architecture_names_what_there_is() -> None:
    """Each module that docs/architecture.md names by its room is there."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})\.[a-z_.]+)", page)
    modules = {name.removeprefix(f"{PACKAGE.name}.") for name in SOURCES}
    assert named and [name for name in named if not {name, name.rpartition(".")[0]} & modules] == []


def test_public_classes_have_names_of_their_own() -> None:
    """No two public classes of the package share a name, so that a name says which is meant."""
    names = [
        node.name
        for name in SOURCES
        for node in tree_of(name).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [name for name in set(names) if names.count(name) > 1] == []


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs git and a clone, to see which files are kept"
)
def test_the_top_of_the_repository_is_kept_tidy() -> None:
    """Only what a reader expects lies at the top: the parts of the project and dotfiles."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], check=True, capture_output=True, text=True).stdout
    tops = {line.split("/")[0] for line in listed.splitlines()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """The requirements of a list, by name; the project itself is left out."""
    parsed = (Requirement(line) for line in lines)
    return {each.name.lower(): each for each in parsed if each.name != PROJECT["name"]}


def test_the_changelog_has_a_section_for_each_kind_of_change() -> None:
    """Each once, and fixes last: what is added at the end is mostly one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n## ")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == ["Added", "Changed", "Security", "Fixed"]


def test_the_core_needs_no_jupyterlab() -> None:
    """A scheduler installs neither JupyterLab nor the sandbox's server nor widgets."""
    assert requirements(PROJECT["dependencies"]).keys() & {"jupyterlab", "ipywidgets", "moto", "notebook"} == set()


@pytest.mark.parametrize(
    ("name", "is_for_users"),
    [("environment.yml", True), ("docs/environment-dev.yml", False)],
    ids=["users", "developers"],
)
def test_conda_users_get_the_same_set(name: str, is_for_users: bool) -> None:
    """Users' packages and developers' are pyproject.toml's, with the same extras and lower bounds; each stands once."""
    conda = yaml.safe_load((ROOT / name).read_text())["dependencies"]
    (from_pip,) = (entry["pip"] for entry in conda if isinstance(entry, dict))
    from_conda = [entry for entry in conda if isinstance(entry, str)]
    assert ("-e ." in from_pip) is is_for_users
    listed = [*from_conda, *(line for line in from_pip if line != "-e .")]
    actual = requirements(listed)
    extras = PROJECT["optional-dependencies"]
    mine = [extra for extra in extras if (extra != "dev") is is_for_users]
    core = PROJECT["dependencies"] if is_for_users else []
    expected = requirements([*core, *(line for extra in mine for line in extras[extra])])
    python = {f"python{PROJECT['requires-python']}", "pip"} if is_for_users else set()
    assert {str(each) for each in actual.values()} == {str(each) for each in expected.values()} | python
    assert len(listed) == len(actual)


def test_entry_points_resolve() -> None:
    """The console script can be called, and papermill finds the engine by its name."""
    for name, value in PROJECT["scripts"].items():
        assert callable(EntryPoint(name, value, "console_scripts").load())
    for name, value in PROJECT["entry-points"]["papermill.engine"].items():
        engine = papermill_engines.get_engine(name)
        assert f"{engine.__module__}:{engine.__name__}" == value


def test_the_wheel_holds_package_and_notebooks(tmp_path: Path) -> None:
    """Modules, notebooks, the example checkout and the mark of a typed package travel in the wheel, no checkpoint."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    members = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(ROOT)) for path in SOURCES.values()} <= members
    assert {f"omc_runbook/notebooks/{path.name}" for path in NOTEBOOKS} <= members
    example = {path for path in (PACKAGE / "sandbox" / "checkout").rglob("*") if path.is_file()}
    assert example and {str(path.relative_to(ROOT)) for path in example} <= members
    assert "omc_runbook/py.typed" in members
    assert {name for name in members if ".ipynb_checkpoints" in name or "__pycache__" in name} == set()


def test_there_are_notebooks() -> None:
    """The runbooks are there, so that the tests of each of them test something."""
    assert "verify" in {path.stem for path in NOTEBOOKS}


def cells_of(notebook: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one type in a notebook, each with its source as one text."""
    cells = json.loads(notebook.read_text())["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == kind]


@in_each_notebook
def test_parameters_are_literals_with_a_comment(notebook: Path) -> None:
    """One cell is tagged as parameters: literals, each explained on its line, and staging unless told otherwise."""
    (cell,) = [cell for cell in cells_of(notebook, "code") if "parameters" in cell["metadata"].get("tags", ())]
    assignments = [node for node in ast.parse(cell["source"]).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    lines = cell["source"].splitlines()
    defaults = {ast.unparse(node).split(":")[0].split(" =")[0]: node.value for node in assignments}
    assert len(assignments) == len(ast.parse(cell["source"]).body)
    assert all(isinstance(value, ast.Constant) for value in defaults.values())
    assert all("#" in lines[node.lineno - 1] for node in assignments)
    # JupyterLab cuts longer lines where its window is 800 pixels wide, beside no side bar.
    assert [line for line in lines if len(line) > 78] == []
    assert ast.unparse(defaults["environment"] or ast.Constant(None)) == "'staging'"


@in_each_notebook
def test_code_cells_are_short_and_plain(notebook: Path) -> None:
    """A code cell has at most eight lines and neither definitions, loops, conditions, handlers, magics nor boto3."""
    for cell in cells_of(notebook, "code"):
        nodes = list(ast.walk(ast.parse(cell["source"])))
        if "parameters" not in cell["metadata"].get("tags", ()):
            assert len([line for line in cell["source"].splitlines() if line.strip()]) <= 8
        assert [type(node).__name__ for node in nodes if isinstance(node, STATEMENTS)] == []
        assert "boto3" not in cell["source"]


@in_each_notebook
def test_a_notebook_calls_its_own_module_and_no_other(notebook: Path) -> None:
    """It imports one module of runbooks/, whose `__all__` names what it calls of it, in the notebook's order."""
    trees = [ast.parse(cell["source"]) for cell in cells_of(notebook, "code")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == [f"from omc_runbook.runbooks import {notebook.stem}"]
    attributes = [node for tree in trees for node in in_order(tree) if isinstance(node, ast.Attribute)]
    called = [node.attr for node in attributes if ast.unparse(node.value) == notebook.stem]
    assert [*dict.fromkeys(called)] == importlib.import_module(f"omc_runbook.runbooks.{notebook.stem}").__all__


@in_each_notebook
def test_a_verb_that_is_given_a_parameter_converts_it(notebook: Path) -> None:
    """Plain papermill makes a text of `-p apply false`, which would be true; what a plan's file may have is converted.

    Those are the names that a cell assigns from the verb `parameters`.
    """
    sources = [cell["source"] for cell in cells_of(notebook, "code")]
    names = {name for source in sources for name in re.findall(r"^(\w+): \w+ = ", source, re.MULTILINE)}
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    assigned = [
        node for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.value) in ("parameters", "rest")
    ]
    converted = {each.id for node in assigned for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)}
    module = importlib.import_module(f"omc_runbook.runbooks.{notebook.stem}")
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(notebook.stem)]
    for call in calls:
        verb = getattr(module, ast.unparse(call.func).partition(".")[2])
        unconverted = {each.id for each in ast.walk(call) if isinstance(each, ast.Name)} & names - converted
        assert not unconverted or hasattr(getattr(verb, "func", verb), "__wrapped__"), (ast.unparse(call), unconverted)


def in_order(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a tree in the order in which they stand in the text."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


@in_each_notebook
def test_notebooks_are_one_family(notebook: Path) -> None:
    """Every notebook has a title and then headings of the family in its order, and one that writes has all of them."""
    text = "\n".join(cell["source"] for cell in cells_of(notebook, "markdown"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^(#{1,2}) (.+?)\??$", text, flags=re.MULTILINE)
    titles = [title for _, title in headings[1:]]
    assert [mark for mark, _ in headings] == ["#", *("##" for _ in titles)]
    assert titles == [title for title in HEADINGS if title in titles]
    writes = any("apply: bool" in cell["source"] for cell in cells_of(notebook, "code"))
    assert len(titles) == len(HEADINGS) if writes else {"Change it", "How to undo it"}.isdisjoint(titles)


@in_each_notebook
def test_notebooks_are_brief(notebook: Path) -> None:
    """At three in the morning nobody reads a thousand words."""
    words = [word for cell in cells_of(notebook, "markdown") for word in cell["source"].split()]
    assert len(words) <= 720


@in_each_notebook
def test_a_notebook_names_the_permissions_of_its_policy(notebook: Path) -> None:
    """Its first cell has each that a run always needs, without verify's where it refers to those, and no other."""
    text = cells_of(notebook, "markdown")[0]["source"].partition("**Permissions it needs:**")[2]
    named, service = set(), ""
    for name, action in re.findall(r"\b([a-z0-9]+): |`([A-Z]\w+)`", text):
        service = name or service
        named |= {f"{service}:{action}"} if action else set()
    actions = policy.actions_of(notebook.stem)
    needed = set() if actions.why_none else {*actions.plan, *actions.apply}
    of_verify = {*policy.actions_of("verify").plan} if "those of `verify`" in text else set()
    assert named == needed - of_verify
    if needed:
        assert ("most of those of `verify`" in text) == (not of_verify <= needed)


FILES_OF_TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def nodes_of_tests() -> dict[Path, dict[type, list[Any]]]:
    """Some nodes of the tests and their helpers, parsed by whoever is first to ask: each worker imports this module."""
    kinds = (ast.Import, ast.ImportFrom, ast.arg, ast.Constant)
    found = ((path, by_kind(ast.parse(path.read_text()))) for path in FILES_OF_TESTS)
    return {path: {kind: nodes.get(kind, []) for kind in kinds} for path, nodes in found}


def test_tests_have_their_places() -> None:
    """Unit tests stand in their rooms, others by what they need, and helpers in support."""
    tops = {path.relative_to(ROOT / "tests").parts[0] for path in FILES_OF_TESTS}
    assert tops == {"unit", "sandbox", "notebooks", "browser", "support", "conftest.py"}
    assert not [path for path in FILES_OF_TESTS if path.name.startswith("test_") and "support" in path.parts]


@pytest.mark.long
def test_a_test_module_that_cannot_be_imported_fails_the_run(tmp_path: Path) -> None:
    """What the process that forks workers could not import is not there for them as a module without tests."""
    broken = tmp_path / "test_broken.py"
    broken.write_text("import nothing_there\n\ndef test_it(): pass\n")
    twice = "import sys; from support.forked_workers import collect as c; c(sys.argv[1:]); exit(c(sys.argv[1:]))"
    options = ["-c", "/dev/null", "--import-mode=importlib", "-p", "no:cacheprovider", str(broken)]
    process = subprocess.run(
        [sys.executable, "-c", twice, *options], cwd=ROOT / "tests", check=False, capture_output=True, text=True
    )
    assert process.returncode == pytest.ExitCode.INTERRUPTED, process.stderr


def test_every_module_is_linted() -> None:
    """make check passes over no folder."""
    listed = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert {*PACKAGE.rglob("*.py"), *FILES_OF_TESTS} - {Path(line) for line in listed.stdout.splitlines()} == set()


def test_no_test_module_imports_another() -> None:
    """What several test modules need is in support."""
    found = {
        f"{path.name}: {target}"
        for path, nodes in nodes_of_tests().items()
        for target in modules_imported(nodes)
        if any(part.startswith("test_") or part == "conftest" for part in target.split("."))
    }
    assert found == set()


def test_unit_tests_need_no_sandbox_no_kernel_and_no_browser() -> None:
    """make quick runs them while somebody types."""
    slow = {"jupyter_client", "playwright", "support.forked_command", "support.runs", "support.small_world"}
    fixtures = {"sandbox", "sandbox_server", "empty_sandbox", "fresh_sandbox"}
    for path, nodes in nodes_of_tests().items():
        if "unit" in path.relative_to(ROOT).parts:
            parameters = {node.arg for node in nodes.get(ast.arg, ())}
            targets = {target for name in modules_imported(nodes) for target in (name, name.split(".")[0])}
            assert (path.name, targets & slow, parameters & fixtures) == (path.name, set(), set())


def test_every_module_that_a_text_names_is_there() -> None:
    """Scripts within texts, which no import checks, name modules of ours that there are."""
    for path, nodes in nodes_of_tests().items():
        constants = [node.value for node in nodes.get(ast.Constant, ())]
        texts = "\n".join(value for value in constants if isinstance(value, str))
        named = set(re.findall(r"^\s*from (omc_runbook[\w.]*) import", texts, re.MULTILINE))
        assert (path.name, named - SOURCES.keys()) == (path.name, set())


def modules_imported(nodes: dict[type, list[Any]]) -> Iterator[str]:
    """Names of the modules that a test or a helper imports."""
    yield from (alias.name for node in nodes.get(ast.Import, ()) for alias in node.names)
    for node in nodes.get(ast.ImportFrom, ()):
        yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))


def test_notebooks_of_another_checkout_are_not_refreshed(tmp_path: Path) -> None:
    """The package that is imported finds its own notebooks, and would write there."""
    refresh_notebooks.refuse_other_checkout(str(PACKAGE / "__init__.py"), ROOT)
    linked = tmp_path / "linked"
    linked.symlink_to(ROOT)
    refresh_notebooks.refuse_other_checkout(str(PACKAGE / "__init__.py"), linked)
    with pytest.raises(SystemExit) as refused:
        refresh_notebooks.refuse_other_checkout(str(PACKAGE / "__init__.py"), tmp_path / "other")
    assert f"not from {tmp_path}/other/omc_runbook: set PYTHONPATH={tmp_path}/other." in str(refused.value)
