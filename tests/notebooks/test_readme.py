"""What the README tells people to type works."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from support import forked_programs
from support.paths import ROOT
from support.platform_checkout import Platform
from support.runs import SECRET, Desk, values

from omc_runbook.model.accepted import Accepted
from omc_runbook.model.audit import AuditSettings
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import Key
from omc_runbook.model.discovery_rule import DiscoveryRule
from omc_runbook.model.environment import load
from omc_runbook.model.notify import Notify
from omc_runbook.model.records import RecordSettings
from omc_runbook.model.schedule import Schedule
from omc_runbook.runbooks import policy
from omc_runbook.sandbox import folders, lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def own_sandboxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the sandboxes of a test that fails before it does."""
    yield
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for state in folders.running():
        lifecycle.down(lifecycle.at(state.endpoint))


@pytest.fixture
def programs() -> Iterator[Path]:
    """Where a shell finds `omc-runbook` whose commands are forks; bash runs the sandbox's in new interpreters."""
    with forked_programs.on_path() as folder:
        yield folder


@pytest.mark.parametrize(
    ("shell", "code"),
    [(("bash", "-euo", "pipefail", "-c"), "$?"), (("fish", "--no-config", "-c"), "$status")],
    ids=["bash", "fish"],
)
def test_the_commands_of_the_sandbox_work_one_after_the_other(
    shell: tuple[str, ...], code: str, tmp_path: Path, programs: Path, own_sandboxes: None
) -> None:
    """Each line of the block runs in one shell, in an empty home, and ends as the text says."""
    if not shutil.which(shell[0]):
        pytest.skip(f"There is no {shell[0]}.")
    block = next(block for block in blocks("sh") if "sandbox up" in block)
    block = block.replace('"Something was found."', f'"Something was found: exit code {code}"')
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    variables |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    folder = Path(sys.executable).parent if shell[0] == "bash" else programs
    variables["PATH"] = f"{folder}:{variables['PATH']}"
    ended = subprocess.run([*shell, block], env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert ended.returncode == 0, ended.stderr
    assert "verify on staging: ok" in ended.stdout
    assert "no-permission: The execution role may not read the secret" in ended.stdout
    assert "Something was found: exit code 1\n" in ended.stdout
    assert "  redeployed backend" in ended.stdout and "troubleshoot on staging: ok" in ended.stdout
    assert "world healthy, broken: nothing" in ended.stdout
    assert not list(tmp_path.glob("omc-*"))


def test_the_commands_that_change_something_work_one_after_the_other(
    sandbox: Sandbox, tmp_path: Path, programs: Path
) -> None:
    """In a sandbox: a password from a file, a new key, and back to the one before."""
    desk = Desk(tmp_path, sandbox)
    path = desk.work / "secrets.json"
    path.touch(0o600)
    path.write_text(json.dumps({"SMTP_PASSWORD": secrets.token_hex(16)}))
    block = next(block for block in blocks("sh") if "run rotate" in block)
    before = values(sandbox)
    ended = desk.call(["bash", "-euo", "pipefail", "-c", block], PATH=f"{programs}:{desk.variables['PATH']}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    after = values(sandbox)
    assert len(set(before) - set(after)) == 1 and not path.exists()


def test_the_commands_of_ones_own_machine_work_one_after_the_other(
    sandbox: Sandbox, tmp_path: Path, programs: Path
) -> None:
    """On a copy of the sandbox's checkout at home: what the .env lacks, and a plan of a new key; nothing is written."""
    desk = Desk(tmp_path, sandbox)
    platform = Platform(tmp_path / "home" / "ohmycoins")
    shutil.copytree(str(sandbox.repository), platform.root)
    before = {path: path.read_bytes() for path in platform.root.rglob("*") if path.is_file()}
    block = next(block for block in blocks("sh") if "run local_setup" in block)
    # Nobody is led there but by the parameter.
    path = f"{programs}:{desk.variables['PATH']}"
    ended = desk.call(["bash", "-euo", "pipefail", "-c", block], PATH=path, OMC_REPOSITORY="/nowhere")
    assert (ended.returncode, ended.stderr) == (0, "")
    targets = re.findall(r"^(\w+ on .+): PLAN: nothing was changed$", ended.stdout, re.MULTILINE)
    assert targets == ["local_setup on your .env", "add_key on staging"]
    assert {path: path.read_bytes() for path in platform.root.rglob("*") if path.is_file()} == before


def test_a_drill_goes_as_the_text_says(sandbox: Sandbox, tmp_path: Path, programs: Path) -> None:
    """Something is broken, troubleshoot finds it (exit 1), an answer is graded, and what was broken is mended."""
    desk = Desk(tmp_path, sandbox)
    block = next(block for block in blocks("sh") if "sandbox drill" in block)
    script = f"{block.replace('--summary', '--summary || echo exit code $?')}omc-runbook sandbox drill --stop\n"
    # Where the state of this user's sandboxes is.
    there = {"PATH": f"{programs}:{desk.variables['PATH']}", "TMPDIR": tempfile.gettempdir()}
    ended = desk.call(["bash", "-euo", "pipefail", "-c", script], **there)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "exit code 1" in ended.stdout and "8 of 10 points: it was no-permission" in ended.stdout
    assert re.search(r"^troubleshoot on staging: (findings|PLAN: nothing was changed)", ended.stdout, re.MULTILINE)
    assert lifecycle.status(sandbox)["broken"] == []


def test_the_make_targets_exist() -> None:
    """make knows every target that the README names."""
    targets = set(re.findall(r"`?make (\w+)`?", README))
    assert {"demo", "test", "lab"} <= targets
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_what_a_user_may_install_is_named() -> None:
    """Each extra but the developers' own, with what it is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [extra for extra in project["optional-dependencies"] if f"'.[{extra}]'" not in README] == ["dev"]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """The example of runbook.toml is read, and its names are in force."""
    [example] = blocks("toml")
    path = tmp_path / "runbook.toml"
    path.write_text(example, encoding="utf-8")
    environment = load("staging", str(path))
    assert environment.names.cluster == "ohmycoins-staging-cluster"
    assert environment.keys["CRYPTOPANIC_API_KEY"].required
    assert tomllib.loads(example)["environments"]["staging"]["account_id"] == environment.names.account_id


def test_the_policy_is_what_verify_calls() -> None:
    """The one to copy has the actions of `omc-runbook policy verify`, each once, and reads one secret's values."""
    [document] = [json.loads(block) for block in blocks("json")]
    statements = document["Statement"]
    actions = [action for statement in statements for action in statement["Action"]]
    assert sorted(actions) == sorted(policy.actions_of("verify").plan)
    (secret,) = [each["Resource"] for each in statements if "secretsmanager:GetSecretValue" in each["Action"]]
    assert secret.endswith(f"{SECRET}-??????")


def test_the_links_lead_somewhere() -> None:
    """Every relative link and picture of README and of the pages of docs/ is in the repository."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_setting_is_described() -> None:
    """docs/configuration.md names each field of an environment and of a key once, in the first column of its table."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    columns = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    named = [name for column in columns for name in re.findall(r"`(\w+)`", column)]
    assert sorted(named) == sorted(["project", "repository", *Names.model_fields, *Key.model_fields])


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("[[accepted]]", Accepted),
        ("[audit]", AuditSettings),
        ("[discovery]", DiscoveryRule),
        ("[notify]", Notify),
        ("[records]", RecordSettings),
        ("[[schedules]]", Schedule),
    ],
)
def test_every_setting_of_a_table_is_described(heading: str, table: type[BaseModel]) -> None:
    """README, or a page that it leads to, names each below the table's heading or in a paragraph on the table.

    As code elsewhere, such as `environment`, it may be a parameter or another table's.
    """
    pages = [ROOT / "docs" / "configuration.md", ROOT / "docs" / "records.md", ROOT / "schedules" / "README.md"]
    text = "\n\n".join([README, *(page.read_text(encoding="utf-8") for page in pages)])
    examples = re.findall(rf"^{re.escape(heading)}.*\n((?:(?!\[|```).*\n)*)", text, re.MULTILINE)
    named = re.findall(r"^(?:# )?(\w+) = ", "".join(examples), re.MULTILINE)
    paragraphs = [each for each in re.split(r"\n\s*\n", text) if f"`{heading}`" in each]
    named += [name for each in paragraphs for name in re.findall(r"`(\w+)", each)]
    assert {*table.model_fields} - {*named} == set()


def test_the_table_names_every_runbook() -> None:
    """Each notebook stands in one row of the table, and nothing else does."""
    (table,) = re.findall(r"^\| runbook \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    named = [name for row in table.splitlines() for name in row.split("|")[1].strip().split(", ")]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
