"""The terraform command: init and plan without a change in the folder, read the plan, and apply exactly that plan."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from omc_runbook.masking import registry
from omc_runbook.model import programs, temporary
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.terraform.files import TEMPLATES
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES
from omc_runbook.terraform.plan_json import ResourceChange, read_changes
from omc_runbook.terraform.program import LOCK_FILE, PROGRAMS, TOFU, sign_of_tofu
from omc_runbook.terraform.secret_versions import check_folder
from omc_runbook.textfile.file import Edit

SECONDS = {"init": 600, "plan": 900, "show": 120, "apply": 1800, "output": 120}
"""The time limit of each command; then it is interrupted."""

GRACE_SECONDS = 60
"""How long an interrupted command may take to write its state before it is killed."""

LOG_VARIABLES = ("TF_LOG", "TF_LOG_CORE", "TF_LOG_PROVIDER", "TF_LOG_PATH")
"""Variables that make Terraform write values to a log."""

NOT_COPIED = shutil.ignore_patterns(".terraform", ".git", "node_modules", ".venv")
INIT_FILES = ("terraform.tfstate", "environment")
"""The files in which an earlier init saved the backend's settings and the workspace."""

SECRET_ARN = re.compile(r"\Aarn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+\Z")

LOCKED = "acquiring the state lock"
BEGUN = re.compile(r"^\S.*: (Creating|Modifying|Destroying)\.\.\.", re.MULTILINE)
"""What apply prints as it begins to change a resource."""
PLAN_AGAIN = "Somebody applied since the plan was made: run again to plan on top."
ADVICE: tuple[tuple[str, str], ...] = (
    (r"Saved plan is stale", PLAN_AGAIN),
    (
        r"Provider dependency changes detected|Inconsistent dependency lock file",
        f"{LOCK_FILE} does not fit the configuration: run `{{program}} init` there and commit the file.",
    ),
    (
        r"query available provider|install provider|retrieve the list of available versions|registry service",
        "A provider could not be downloaded: check the network, or set up a provider mirror.",
    ),
    (
        r"[Nn]o valid credential|NoCredentialProviders|failed to refresh cached credentials|ExpiredToken"
        r"|InvalidClientTokenId|[Cc]redentials (?:have )?expired|get credentials",
        "The backend or a provider has no valid credentials: set AWS_PROFILE or sign in, then run again.",
    ),
    (r"AccessDenied|UnauthorizedOperation|not authorized to perform", "A permission is missing: the error names it."),
    (
        r"state migration|[Bb]ackend configuration changed",
        "The backend changed: decide yourself with `{program} init -migrate-state` or `-reconfigure` there.",
    ),
    (
        r"[Ii]nitialization required|Module not installed|Required plugins are not installed|run \"?\w+ init",
        "The folder is not initialised: run `{program} init` there and read what it says.",
    ),
    (
        r"No value for required variable",
        "Set it in terraform.tfvars, or as a variable TF_VAR_NAME, or name a file of values:"
        " TF_CLI_ARGS_plan=-var-file=FILE.",
    ),
)
"""What to do about a failure, by Terraform's error message."""


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """A saved plan: what it changes, without values, and how to run Terraform on it.

    `directory` is a private folder with the plan file, which holds values; it is removed when the plan is applied or
    dropped, and at the end of the process. `variables` is Terraform's environment.
    """

    program: str
    folder: Path
    directory: TemporaryDirectory[str] = field(repr=False)
    variables: dict[str, str] = field(repr=False)
    changes: tuple[ResourceChange, ...] = ()

    @property
    def name(self) -> str:
        """The program's name: terraform or tofu."""
        return Path(self.program).name

    @property
    def file(self) -> Path:
        """The plan file."""
        return Path(self.directory.name) / "plan"

    def drop(self) -> None:
        """Remove the plan file, if it is still there."""
        self.directory.cleanup()


@dataclass(frozen=True)
class Output:
    """An output of the configuration that is the ARN of a secret."""

    name: str
    arn: str


def find_program(folder: Path) -> str:
    """The path of terraform, else of tofu, outside `folder`; of tofu alone where that is for OpenTofu.

    Raises CouldNotLook if none is on PATH.
    """
    sign = sign_of_tofu(folder)
    program = next(filter(None, (programs.find(name, folder) for name in ((TOFU,) if sign else PROGRAMS))), None)
    if program is None and sign:
        raise CouldNotLook(
            f"{TOFU} is not on PATH, and {sign}: install {TOFU} (https://opentofu.org/docs/intro/install/), or leave"
            " terraform_dir empty to do it through AWS's API."
        )
    if program is None:
        raise CouldNotLook(
            "Neither terraform nor tofu is on PATH: install one (https://developer.hashicorp.com/terraform/install or"
            " https://opentofu.org/docs/intro/install/), or leave terraform_dir empty to do it through AWS's API."
        )
    return program


def plan(folder: Path, profile: str = "", program: str = "", values: Sequence[str] = ()) -> SavedPlan:
    """Run init and plan in a folder, and leave it unchanged: no .terraform, no lock file, no state.

    `profile` is the AWS profile, "" for that of this process; `program` is the path of terraform or tofu, "" for the
    one that the folder is for; `values` are files of values, as from the folder, unless a variable of this process
    names some. TF_DATA_DIR is a private folder, and the state is not locked. Raises UsageError for a folder without a
    configuration, and CouldNotLook if Terraform fails or does not end in time.
    https://developer.hashicorp.com/terraform/cli/config/environment-variables
    """
    check_folder(folder)
    program, directory = program or find_program(folder), temporary.folder("terraform")
    data = Path(directory.name) / "data"
    _copy_data(folder / os.environ.get("TF_DATA_DIR", ".terraform"), data)
    variables = {name: value for name, value in os.environ.items() if name not in LOG_VARIABLES}
    variables |= {"TF_DATA_DIR": str(data), "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    variables |= {"AWS_PROFILE": profile} if profile else {}
    has_values = any("-var-file" in variables.get(name, "") for name in ("TF_CLI_ARGS", "TF_CLI_ARGS_plan"))
    options = [] if has_values else [f"-var-file={each}" for each in values]
    saved = SavedPlan(program=program, folder=folder, directory=directory, variables=variables)
    lock = folder / LOCK_FILE
    had_lock = lock.exists()
    try:
        _run(saved, "init", *(["-lockfile=readonly"] if had_lock else []))
        _run(saved, "plan", "-lock=false", f"-out={saved.file}", *options)
        changes = read_changes(_run(saved, "show", "-json", str(saved.file), interactive=False))
        if changes is None:
            raise CouldNotLook(f"{saved.name} show gives plans in an unknown format: install another version.")
    except BaseException:
        saved.drop()
        raise
    finally:
        if not had_lock and lock.exists():
            # The folder stays as it was; apply needs it again.
            if Path(directory.name).exists():
                shutil.copyfile(lock, Path(directory.name) / LOCK_FILE)
            lock.unlink()
    return replace(saved, changes=changes)


def preview(
    root: Path, folder: Path, edits: Sequence[Edit], profile: str = "", values: Sequence[str] = ()
) -> tuple[ResourceChange, ...]:
    """Plan edits that are not written yet: in a private copy of the folder and of the modules beside it.

    `root` is the checkout, which must contain the folder. Raises UsageError for a folder or file that cannot be
    copied, and as `plan` does.
    """
    check_folder(folder)
    folder = folder.resolve()
    if not folder.is_relative_to(root):
        raise UsageError(
            f"terraform_dir {folder} is not within {root}: name the folder in this checkout. Nothing was written."
        )
    edited = [edit for edit in edits if edit.file.name.endswith((*SOURCES, *VALUES, *TEMPLATES))]
    for edit in edited:
        if not edit.file.path.resolve().is_relative_to(root):
            raise UsageError(
                f"{edit.file.name} is a link to a file outside {root}, so Terraform's plan cannot be shown before"
                " it is edited: leave terraform_dir empty. Nothing was written."
            )
    top = Path(os.path.commonpath([folder, *(edit.file.path.resolve().parent for edit in edited)]))
    # Local modules are in folders beside the environments.
    top = top if top != folder else folder.parent.parent if folder.parent.parent.is_relative_to(root) else folder
    with temporary.folder("preview") as directory:
        copy = Path(directory) / "tree"
        try:
            shutil.copytree(top, copy, symlinks=True, ignore=NOT_COPIED)
        except OSError as error:
            # Of several files that cannot be copied the first is named.
            path = error.args[0][0][0] if isinstance(error, shutil.Error) else error.filename
            raise UsageError(
                f"{path} cannot be copied, so Terraform's plan cannot be shown: move it out of {top}, or leave"
                " terraform_dir empty. Nothing was written."
            ) from None
        for edit in edited:
            target = copy / edit.file.path.resolve().relative_to(top)
            target.unlink()
            target.write_bytes(edit.after)
        copied_folder = copy / folder.relative_to(top)
        data = folder / os.environ.get("TF_DATA_DIR", ".terraform")
        if data.is_dir() and not (copied_folder / data.name).exists():
            (copied_folder / data.name).symlink_to(data)
        # The others are read where they are: a link may lead out of what is copied.
        named = [each if (copied_folder / each).exists() else str(folder / each) for each in values]
        saved = plan(copied_folder, profile, find_program(folder), named)
        saved.drop()
        return saved.changes


def apply(saved: SavedPlan) -> tuple[Output, ...]:
    """Apply exactly the saved plan, and read the outputs that are ARNs of secrets.

    Raises UsageError for a plan that was applied or dropped already, and CouldNotLook if Terraform fails: the state
    changed since, it is locked, or a call was denied.
    """
    if not saved.file.exists():
        raise UsageError("This plan was applied or dropped already: plan again, and then apply.")
    copy, lock = Path(saved.directory.name) / LOCK_FILE, saved.folder / LOCK_FILE
    try:
        if copy.exists() and not lock.exists():
            shutil.copyfile(copy, lock)
        _run(saved, "apply", str(saved.file))
        return _read_outputs(_run(saved, "output", "-json", interactive=False))
    finally:
        saved.drop()


def _read_outputs(text: str) -> tuple[Output, ...]:
    try:
        outputs = json.loads(text)
    except json.JSONDecodeError:
        return ()
    return tuple(
        Output(name, entry["value"])
        for name, entry in outputs.items()
        if isinstance(entry.get("value"), str) and SECRET_ARN.match(entry["value"])
    )


def _copy_data(old: Path, new: Path) -> None:
    """Copy what an earlier init saved, and link its providers, so that they are not downloaded again."""
    new.mkdir()
    for name in INIT_FILES:
        if (old / name).is_file():
            shutil.copyfile(old / name, new / name)
    # HOST/NAMESPACE/TYPE/VERSION/PLATFORM: a link is enough, as from Terraform's own plugin cache.
    for package in old.glob("providers/*/*/*/*/*"):
        link = new / package.relative_to(old)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(package.resolve())


def _run(saved: SavedPlan, verb: str, *arguments: str, interactive: bool = True) -> str:
    """Run a command and return its standard output; raises CouldNotLook, in one sentence, if it fails."""
    flags = ["-no-color", "-input=false"] if interactive else ["-no-color"]
    try:
        process = subprocess.Popen(
            [saved.program, verb, *flags, *arguments],
            cwd=saved.folder,
            env=saved.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            # A second interrupt, from a terminal for example, would end Terraform before it has written its state.
            start_new_session=True,
        )
    except OSError as error:
        raise CouldNotLook(f"{saved.program} could not be started: {error.strerror}.") from None
    try:
        stdout, stderr = process.communicate(timeout=SECONDS[verb])
    except subprocess.TimeoutExpired:
        raise CouldNotLook(
            f"{saved.name} {verb} in {saved.folder} did not end within {SECONDS[verb]} s and was interrupted:"
            " run it by hand to see what it waits for.",
            kind="in-doubt" if verb == "apply" else "",
        ) from None
    finally:
        _stop(process)
    if process.returncode:
        failure = registry.mask(_failure(saved, verb, stderr or stdout, process.returncode))
        is_begun = verb == "apply" and BEGUN.search(stdout)
        raise CouldNotLook(failure, "in-doubt" if is_begun else "", says_next=failure.endswith(PLAN_AGAIN))
    return stdout


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a command that still runs and wait, so that it writes its state."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _failure(saved: SavedPlan, verb: str, text: str, code: int) -> str:
    """One sentence on a failure and one on what to do, with no more than the first error's summary and location."""
    text = re.sub(r"^[│╷╵] ?", "", text, flags=re.MULTILINE)
    error = re.search(r"^Error: (.+?)\.?$", text, flags=re.MULTILINE)
    rest = text[error.end() :] if error else ""
    location = re.search(r"^ +on (.+?) line (\d+)", rest.partition("\nError: ")[0], flags=re.MULTILINE)
    where = f" ({location[1]}:{location[2]})" if location else ""
    summary = error[1] if error else f"it ended with {code}"
    sentence = f"{saved.name} {verb} in {saved.folder} failed: {summary}{where}."
    if LOCKED in text:
        facts = dict(re.findall(r"^ +(ID|Who|Created): +(\S.*)$", text, flags=re.MULTILINE))
        lock = facts.get("ID", "unknown")
        return (
            f"{sentence} {facts.get('Who', 'Somebody')} has held lock {lock} since"
            f" {facts.get('Created', 'an unknown time')}: wait, or if nobody is applying run"
            f" `{saved.name} force-unlock {lock}` there."
        )
    advice = next((advice for pattern, advice in ADVICE if re.search(pattern, text)), "")
    return f"{sentence} {advice.format(program=saved.name)}".rstrip()
