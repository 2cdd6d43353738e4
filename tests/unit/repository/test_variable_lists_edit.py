"""A variable added to a Compose file's environment, or to a workflow's env: in its form, or not at all."""

from pathlib import Path

import pytest
from support.files import write_files

from omc_runbook.model.errors import CannotEdit
from omc_runbook.repository.checkout import Checkout, read_checkout
from omc_runbook.repository.variable_lists import read_compose_lists
from omc_runbook.repository.variable_lists_edit import add_variable
from omc_runbook.textfile.file import read_source

KEY = "NEWS_API_KEY"
SETTINGS = """\
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    SECRET_KEY: str
    OPENAI_API_KEY: str | None = None
"""
HEAD = "services:\n  backend:\n    build: .\n    environment:\n"
FORMS = {
    "items": ("      - SECRET_KEY=${SECRET_KEY}\n", f"      - {KEY}=${{{KEY}}}\n", False),
    "items at the key's column": ("    - SECRET_KEY=${SECRET_KEY}\n", f"    - {KEY}=${{{KEY}}}\n", False),
    "passed through": ("      - SECRET_KEY\n", f"      - {KEY}\n", False),
    "a map": ("      SECRET_KEY: ${SECRET_KEY}\n", f"      {KEY}: ${{{KEY}}}\n", True),
    "a map passed through": ("      SECRET_KEY:\n", f"      {KEY}:\n", True),
    "quotes": ('      - "SECRET_KEY=${SECRET_KEY}"\n', f'      - "{KEY}=${{{KEY}}}"\n', False),
    "quotes in a map": ("      'SECRET_KEY': '$SECRET_KEY'\n", f"      '{KEY}': '${KEY}'\n", True),
    "a default is not copied": (
        "      SECRET_KEY: ${SECRET_KEY:-only-for-tests}\n",
        f"      {KEY}: ${{{KEY}-}}\n",
        False,
    ),
    "nor a demand, for an optional one": (
        "      SECRET_KEY: ${SECRET_KEY:?SECRET_KEY is not set}\n",
        f"      {KEY}: ${{{KEY}-}}\n",
        False,
    ),
    "a demand, for a required one": (
        "      SECRET_KEY: ${SECRET_KEY:?SECRET_KEY is not set}\n      OPENAI_API_KEY: ${OPENAI_API_KEY-}\n",
        f"      {KEY}: ${{{KEY}:?{KEY} is not set}}\n",
        True,
    ),
    "of several the one like it": (
        "      SECRET_KEY: ${SECRET_KEY:?not set}\n      OPENAI_API_KEY: ${OPENAI_API_KEY-}\n      TITLE: x\n",
        f"      {KEY}: ${{{KEY}-}}\n",
        False,
    ),
    "below a merged map": (
        "      <<: &all { TITLE: x }\n      SECRET_KEY: ${SECRET_KEY}\n",
        f"      {KEY}: ${{{KEY}}}\n",
        True,
    ),
    "below a value of several lines": (
        "      SECRET_KEY: ${SECRET_KEY}\n      TITLE: |\n        x\n",
        f"      {KEY}: ${{{KEY}}}\n",
        True,
    ),
    "below an item of several lines": (
        "      - SECRET_KEY=${SECRET_KEY}\n      - >-\n        TITLE=x\n",
        f"      - {KEY}=${{{KEY}}}\n",
        True,
    ),
    "below an alias": (
        "      SECRET_KEY: ${SECRET_KEY}\n      TITLE: &title x\n      NAME: *title\n",
        f"      {KEY}: ${{{KEY}}}\n",
        True,
    ),
    "before a comment": ("      - SECRET_KEY # signs\n      # the end\n", f"      - {KEY}\n", False),
}


def checkout(root: Path, compose: str, workflow: str = "", ending: str = "\n") -> Checkout:
    files = {"compose.yml": compose, "app/config.py": SETTINGS, ".env.example": "SECRET_KEY=\n"}
    files |= {".github/workflows/deploy.yml": workflow} if workflow else {}
    return read_checkout(write_files(root, {name: text.replace("\n", ending) for name, text in files.items()}))


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("form", FORMS)
def test_the_list_gets_one_more_line_in_its_form(form: str, ending: str, tmp_path: Path) -> None:
    """After its last entry; all other bytes stay, and a second time there is nothing to add."""
    entries, expected, required = FORMS[form]
    text = f"{HEAD}{entries}    ports: []\n"
    own = checkout(tmp_path, text, ending=ending)
    (variables,) = own.lists_with({"SECRET_KEY"})
    edit = own.add_to_list(variables, KEY, required)
    last = "# signs\n" if "signs" in entries else entries.rpartition("\n")[0].rpartition("\n")[2] + "\n"
    assert edit and edit.after.decode() == text.replace(last, last + expected).replace("\n", ending)
    (again,) = checkout(tmp_path, edit.after.decode()).lists_with({"SECRET_KEY"})
    assert KEY in again.variables


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A_KEY M_KEY R_KEY Z_KEY", "A_KEY M_KEY + R_KEY Z_KEY"),
        ("O_KEY R_KEY S_KEY Z_KEY", "+ O_KEY R_KEY S_KEY Z_KEY"),
        ("A_KEY B_KEY C_KEY D_KEY", "A_KEY B_KEY C_KEY D_KEY +"),
        ("A_KEY #m Z_KEY", "A_KEY #m Z_KEY +"),
        ("A_KEY M_KEY #r R_KEY Z_KEY", "A_KEY M_KEY #r R_KEY Z_KEY +"),
        ("A_KEY Z_KEY M_KEY R_KEY", "A_KEY Z_KEY M_KEY R_KEY +"),
    ],
)
@pytest.mark.parametrize("entry", ["      - @=${@}\n", "      @: ${@}\n"])
def test_an_alphabetical_list_stays_so(before: str, after: str, entry: str, tmp_path: Path) -> None:
    """As a list of Terraform does; a comment above an entry stays with it."""

    def written(names: str) -> str:
        lines = (f"      {each}\n" if each[0] == "#" else entry.replace("@", each) for each in names.split())
        return f"{HEAD}{''.join(lines)}    ports: []\n"

    own = checkout(tmp_path, written(before))
    edit = own.add_to_list(own.compose_lists[0], KEY, True)
    assert edit and edit.after.decode() == written(after.replace("+", KEY))


def test_an_alphabetical_list_with_a_dash_on_a_line_of_its_own(tmp_path: Path) -> None:
    """What is below it is of it, so that nothing goes between."""
    entries = "".join(f"      - {name}\n" for name in ("A_KEY", "M_KEY", "\n        R_KEY", "Z_KEY"))
    own = checkout(tmp_path, f"{HEAD}{entries}")
    edit = own.add_to_list(own.compose_lists[0], KEY, True)
    assert edit and edit.after.decode() == f"{HEAD}{entries}      - {KEY}\n"


def test_a_file_without_a_last_line_end(tmp_path: Path) -> None:
    """The new line begins on its own."""
    own = checkout(tmp_path, f"{HEAD}      - SECRET_KEY")
    edit = own.add_to_list(own.compose_lists[0], KEY, False)
    assert edit and edit.after.decode() == f"{HEAD}      - SECRET_KEY\n      - {KEY}\n"


ANCHORED = {
    "a list": ("x-env: &env\n", "    environment: *env\n"),
    "all that a list has": ("x-env: &env\n", "    environment:\n      <<: *env\n"),
    "one of several anchors": ("x-env: &env\n", "    <<: [&log {restart: always}, {environment: *env}]\n"),
    "a service's list": ("x-app: &app\n  environment:\n", "    <<: *app\n"),
}


@pytest.mark.parametrize("form", ANCHORED)
def test_a_list_at_an_anchor_of_an_extension_is_edited_there(form: str, tmp_path: Path) -> None:
    """Where one service alone has it; for several, the plan names it."""
    above, alias = ANCHORED[form]
    head, entry = f"{above}    SECRET_KEY: ${{SECRET_KEY}}\n", f"    {KEY}: ${{{KEY}}}\n"
    service = f"services:\n  backend:\n    build: .\n{alias}"
    own = checkout(tmp_path, head + service)
    (variables,) = own.lists_with({"SECRET_KEY"})
    edit = own.add_to_list(variables, KEY, True)
    assert edit and edit.after.decode() == head + entry + service
    own = checkout(tmp_path, f"{head}{service}  worker:\n    build: .\n{alias.replace('&log ', '')}")
    shared = own.lists_with({"SECRET_KEY"})
    assert shared and [own.add_to_list(each, KEY, True) for each in shared] == [None] * len(shared)


UNCERTAIN = {
    "on one line": "services:\n  backend:\n    build: .\n    environment: [SECRET_KEY]\n",
    "no entry that passes its variable on": f"{HEAD}      SECRET_KEY: fixed\n",
    "an entry over several lines": f"{HEAD}      SECRET_KEY: >-\n        ${{SECRET_KEY}}\n",
    "shared by two services": (
        f"{HEAD.replace('environment:', 'environment: &all')}      SECRET_KEY: ${{SECRET_KEY}}\n"
        "  worker:\n    build: .\n    environment: *all\n"
    ),
    "merged into another one": (
        f"{HEAD.replace('environment:', 'environment: &all')}      SECRET_KEY: ${{SECRET_KEY}}\n"
        "  worker:\n    build: .\n    environment:\n      <<: *all\n      QUEUE: x\n"
    ),
    "an alias on a line of its own": f"{HEAD}      SECRET_KEY: &key ${{SECRET_KEY}}\n      NAME:\n        *key\n",
}


@pytest.mark.parametrize("form", UNCERTAIN)
def test_what_is_not_certain_is_refused(form: str, tmp_path: Path) -> None:
    """The sentence has file and line."""
    own = checkout(tmp_path, UNCERTAIN[form])
    variables = next(each for each in read_compose_lists(tmp_path) if each.owner == "backend")
    file = read_source(tmp_path, "compose.yml")
    assert file
    with pytest.raises(CannotEdit, match=r"^compose\.yml, line \d: "):
        add_variable(file, variables, KEY, False)
    assert own.add_to_list(variables, KEY, False) is None


def test_only_the_application_s_own_service_is_certain(tmp_path: Path) -> None:
    """Another service, and another file that Compose does not read by itself, are for a person."""
    text = f"{HEAD}      - SECRET_KEY\n  worker:\n    build: .\n    environment:\n      - SECRET_KEY\n"
    own = checkout(tmp_path, text)
    (tmp_path / "compose.prod.yml").write_text(f"{HEAD}      - SECRET_KEY\n")
    own = read_checkout(tmp_path)
    lists = own.lists_with({"SECRET_KEY"})
    is_edited = {(each.file, each.owner): own.add_to_list(each, KEY, False) is not None for each in lists}
    assert is_edited == {
        ("compose.prod.yml", "backend"): False,
        ("compose.yml", "backend"): True,
        ("compose.yml", "worker"): False,
    }


WORKFLOW = """\
on: push
jobs:
  deploy:
    runs-on: self-hosted
    env:
      # of the repository
      SECRET_KEY: ${{ secrets.SECRET_KEY }}
      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}
    steps:
      - uses: actions/checkout@v4
      - run: docker compose up -d --wait
"""


def test_a_workflow_that_starts_the_containers_passes_the_key_on(tmp_path: Path) -> None:
    """As the others there: from the repository's secret of the same name."""
    own = checkout(tmp_path, f"{HEAD}      - SECRET_KEY\n", WORKFLOW)
    variables = next(each for each in own.lists_with({"SECRET_KEY"}) if each.file.endswith("deploy.yml"))
    edit = own.add_to_list(variables, KEY, True)
    line = "      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n"
    assert edit and edit.after.decode() == WORKFLOW.replace(line, line + line.replace("OPENAI_API_KEY", KEY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("docker compose up -d --wait", "pytest"),
        ("docker compose up -d --wait", "docker compose run -e SECRET_KEY app && docker compose up"),
        ("${{ secrets.SECRET_KEY }}\n      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}", "only-for-tests"),
        ("    steps:", "    steps: []\n  up:\n    steps:"),
    ],
    ids=["tests", "a command that names the variables", "a fixed value", "another job"],
)
def test_a_workflow_that_is_not_certain_is_for_a_person(old: str, new: str, tmp_path: Path) -> None:
    """Nothing is added where the containers do not get it, or something else names each variable."""
    own = checkout(tmp_path, f"{HEAD}      - SECRET_KEY\n", WORKFLOW.replace(old, new))
    variables = next(each for each in own.lists_with({"SECRET_KEY"}) if each.file.endswith("deploy.yml"))
    assert own.add_to_list(variables, KEY, False) is None
