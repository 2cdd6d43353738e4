"""A sandbox's example checkout: whole, private, fresh each time, found by the runbooks and gone with the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values
from support.paths import ROOT
from support.platform_checkout import Platform, make_platform
from support.runs import COMMAND, Desk, sign_in

from omc_runbook.model.errors import RunbookError
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import add_key, local_setup
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.cli import sandbox as commands
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import example

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git, to make a work tree")


def problems(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.check for finding in findings if finding.status in ("found", "unknown")]


@pytest.fixture
def at_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Sandbox:
    """This process pointed at the sandbox by its variables, with none of those that the application reads."""
    for name in dotenv_values(Path(str(sandbox.repository), ".env.template")):
        monkeypatch.delenv(name, raising=False)
    sign_in(sandbox, monkeypatch)
    return sandbox


@pytest.fixture
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is all of PATH, for a git that does as a test wants."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    yield folder


@needs_git
def test_it_is_one_commit_and_only_the_dotenv_beside_it(tmp_path: Path) -> None:
    """A clean work tree on main, in which git ignores the .env; the files are those that tests have."""
    platform = Platform(example.make(tmp_path))
    assert platform.root == tmp_path / "ohmycoins"
    assert platform.git("status", "--porcelain", "--branch") == "## main\n"
    assert platform.git("rev-list", "--all", "--count").strip() == "1"
    assert platform.git("ls-files", "--others").split() == [".env"]
    same = make_platform(tmp_path / "same")
    names = platform.git("ls-files").split()
    assert names == same.git("ls-files").split() == sorted(example.files())
    assert all((platform.root / name).read_bytes() == (same.root / name).read_bytes() for name in names)


@needs_git
def test_the_machines_git_has_no_say_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a hook's variables nor a configuration that signs and rewrites line ends keep the commit from being."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.git"
    home.mkdir()
    (home / ".gitconfig").write_text("[commit]\ngpgSign = true\n[core]\nautocrlf = true\n[gpg]\nprogram = false\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(elsewhere))
    platform = Platform(example.make(tmp_path))
    assert platform.git("log", "--format=%an: %s").strip() == "A Developer: The platform"
    assert not elsewhere.exists() and b"\r" not in platform.template.read_bytes()


def test_it_is_private_and_lacks_only_what_came_later(tmp_path: Path) -> None:
    """Nobody else can read a file of it; its .env has a value for all that it has to, and three lines to be added."""
    platform = Platform(example.make(tmp_path))
    paths = list(platform.root.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (platform.root, *paths) if path.is_dir()} == {0o700}
    template, own = dotenv_values(platform.template), dotenv_values(platform.dotenv)
    assert list(own) == [name for name in template if name not in example.BEHIND]
    assert set(template) - set(own) == set(example.BEHIND)
    assert platform.run_backend("import app.main").stdout == "Oh My Coins: local, API at /api/v1\n"


def test_each_has_values_of_its_own(tmp_path: Path) -> None:
    """No secret of one is another's."""
    first, second = (dotenv_values(Platform(example.make(tmp_path / name)).dotenv) for name in "ab")
    differ = {name for name in first if first[name] != second[name]}
    assert differ == {"SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD", "OPENAI_API_KEY"}


def test_without_git_it_is_files_alone(tmp_path: Path, own_git: Path) -> None:
    """A machine without git has the checkout all the same."""
    root = example.make(tmp_path)
    assert not (root / ".git").exists() and (root / ".env").is_file()
    assert all((root / name).is_file() for name in example.files())


def test_a_git_that_fails_leaves_no_half_repository(tmp_path: Path, own_git: Path) -> None:
    """Where the commit cannot be made, there is no work tree without one."""
    script = own_git / "git"
    script.write_text(f"#!{sys.executable}\nimport os, sys\n'init' in sys.argv and os.mkdir(sys.argv[2] + '/.git')\n")
    script.write_text(script.read_text() + "sys.exit('commit' in sys.argv)\n")
    script.chmod(0o700)
    root = example.make(tmp_path)
    assert not (root / ".git").exists() and (root / ".env").is_file()


def test_what_a_former_one_left_is_gone(tmp_path: Path) -> None:
    """The checkout is fresh, also where a sandbox died that had the same port."""
    before = example.make(tmp_path)
    (before / ".env").write_text("edited")
    (before / "mine.txt").touch()
    after = example.make(tmp_path)
    assert after == before and not (after / "mine.txt").exists()
    assert "edited" not in (after / ".env").read_text()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """One sentence that names the checkout's path."""
    (tmp_path / "file").touch()
    with pytest.raises(RunbookError, match=r"^The example checkout cannot be written to .*/file/ohmycoins: [^.]+\.$"):
        example.make(tmp_path / "file")


def test_it_costs_next_to_nothing(tmp_path: Path) -> None:
    """The quickest of some takes a processor less than a tenth of a second, git's part included."""
    seconds = []
    for number in range(5):
        start = sum(os.times()[:4])
        example.make(tmp_path / str(number))
        seconds.append(sum(os.times()[:4]) - start)
    assert min(seconds) < 0.1


def test_up_says_where_it_is_and_down_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever checkout one had named, the sandbox's own is printed; any other process finds it, until it is down."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OMC_REPOSITORY", "/nowhere")
    output = CliRunner().invoke(commands, ["up", "--world", "fresh"], catch_exceptions=False).output
    lines = dict(re.findall(r"^export (\w+)=(.*)$", output, re.MULTILINE))
    monkeypatch.setenv("AWS_ENDPOINT_URL", lines["AWS_ENDPOINT_URL"])
    sandbox = lifecycle.find()
    try:
        root = Path(lines["OMC_REPOSITORY"])
        assert root.is_relative_to(tmp_path) and Platform(root).dotenv.is_file()
        assert sandbox.variables == lines
    finally:
        lifecycle.down(sandbox)
    assert not root.exists() and not list(tmp_path.iterdir())


def test_local_setup_finds_it_and_has_something_to_add(at_sandbox: Sandbox) -> None:
    """With every parameter left as it is: nothing is wrong, and three variables would be added."""
    run = local_setup.begin("staging", allow_code=True)
    assert run.checkout and run.checkout.root == at_sandbox.repository
    snapshot = local_setup.look(run)
    assert problems(runbooks_run.diagnose(snapshot)) == []
    plan = local_setup.plan(run, snapshot)
    assert {change.key for change in plan.changes if change.action == "added"} == set(example.BEHIND)
    assert not plan.missing and not plan.obstacle


def test_add_key_finds_it_and_plans_the_whole_way(at_sandbox: Sandbox) -> None:
    """Nothing is wrong there; a new key would go into three of its files, the secret and new tasks."""
    run = add_key.begin("staging")
    assert run.checkout and run.checkout.root == at_sandbox.repository
    snapshots = add_key.look(run)
    assert problems(runbooks_run.diagnose(snapshots["staging"], add_key.FAMILIES)) == []
    plan = add_key.plan(run, snapshots, "NEWS_API_KEY", "News feed")
    assert plan is not None and len(plan.edits) == 3
    (environment_plan,) = plan.environments
    assert environment_plan.write and environment_plan.services == ("backend",)


def test_other_runbooks_look_at_it_only_when_told(at_sandbox: Sandbox) -> None:
    """verify reads no checkout unless its own parameter names one."""
    run = runbooks_run.begin("verify", "staging")
    assert run.look().checkout is None
    assert run.look(str(at_sandbox.repository)).checkout is not None


def test_a_run_in_a_sandbox_of_its_own_has_one(sandbox: Sandbox, tmp_path: Path) -> None:
    """`--sandbox` takes the place of the checkout and the account that the shell names, and leaves neither changed."""
    desk = Desk(tmp_path, sandbox)
    command = [str(COMMAND), "run", "local_setup", "--sandbox", "--summary", "--record", str(desk.record)]
    process = desk.call(command, OMC_REPOSITORY="/nowhere", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (process.returncode, process.stderr.count("Traceback")) == (0, 0), process.stderr
    assert "local_setup" in process.stdout and desk.outcome()["status"] == "ok"
    assert "3 variables would be written" in next(desk.record.glob("*-*.html")).read_text()
    assert not list((desk.root / "tmp").glob("omc-*"))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone")
@needs_git
def test_nothing_of_it_acts_in_this_repository() -> None:
    """Its files are texts to every tool: none is ignored by git, a rule of git's, or a module."""
    folder = Path(lifecycle.__file__).with_name("checkout")
    names = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in names} == {".txt"}
    process = subprocess.run(
        ["git", "-C", folder, "check-ignore", "--no-index", *names], capture_output=True, text=True
    )
    assert (process.returncode, process.stdout) == (1, "")
