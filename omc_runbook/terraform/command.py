"""Terraform at work: initialised and planned without a trace in its folder, the plan read, and exactly it applied."""

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
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.terraform.configuration import check_folder
from omc_runbook.terraform.plan_json import ResourceChange, read_changes

PROGRAMS = ("terraform", "tofu")
SECONDS = {"init": 600, "plan": 900, "show": 120, "apply": 1800, "output": 120}
"""How long each command may take before it is interrupted."""

GRACE = 60
"""Seconds in which an interrupted command may write its state; only then is it killed."""

LOCK_FILE = ".terraform.lock.hcl"
LOGGING = ("TF_LOG", "TF_LOG_CORE", "TF_LOG_PROVIDER", "TF_LOG_PATH")
"""Variables that would have Terraform write values into a log."""

KEPT_DATA = ("terraform.tfstate", "environment")
"""What an earlier init chose: the backend's settings and the workspace."""

SECRET_ARN = re.compile(r"\Aarn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+\Z")

LOCKED = "acquiring the state lock"
ADVICE: tuple[tuple[str, str], ...] = (
    (r"Saved plan is stale", "Somebody applied since the plan was made: run again to plan on top."),
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
    (r"AccessDenied|UnauthorizedOperation|not authorized to perform", "A permission is missing: it names which."),
    (
        r"state migration|[Bb]ackend configuration changed",
        "The backend changed: decide yourself with `{program} init -migrate-state` or `-reconfigure` there.",
    ),
    (
        r"[Ii]nitialization required|Module not installed|Required plugins are not installed|run \"?\w+ init",
        "The folder is not initialised: run `{program} init` there and read what it says.",
    ),
    (r"No value for required variable", "Set it in terraform.tfvars, or as a variable TF_VAR_NAME."),
)
"""What to do about failures, by what Terraform says of them."""


@dataclass(frozen=True)
class Draft:
    """A plan of Terraform's: what it would do to each resource, without a value.

    `home` is a private folder with the plan file, which holds values; it goes when the plan was applied or dropped,
    and with the process.
    """

    program: str
    folder: Path
    home: TemporaryDirectory[str] = field(repr=False)
    variables: dict[str, str] = field(repr=False)
    changes: tuple[ResourceChange, ...] = ()

    @property
    def name(self) -> str:
        """The program's name: terraform or tofu."""
        return Path(self.program).name

    @property
    def file(self) -> Path:
        """The plan file."""
        return Path(self.home.name) / "plan"

    def drop(self) -> None:
        """Remove the plan file; a second time does nothing."""
        self.home.cleanup()


@dataclass(frozen=True)
class Output:
    """An output of the configuration that is the ARN of a secret."""

    name: str
    arn: str


def find_program() -> str:
    """The path of terraform, or else of tofu; raises CouldNotLook where neither is there."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise CouldNotLook(
            "Neither terraform nor tofu is on PATH: install one (https://developer.hashicorp.com/terraform/install or"
            " https://opentofu.org/docs/intro/install/), or leave terraform_dir empty to do it through AWS's API."
        )
    return found


def plan(folder: Path, profile: str = "") -> Draft:
    """Initialise and plan in a folder, and leave the folder as it was: no .terraform, no lock file, no state.

    Data goes to a private folder (https://developer.hashicorp.com/terraform/cli/config/environment-variables), the
    state is not locked. Raises UsageError for a folder without a configuration, CouldNotLook for what Terraform
    could not do.
    """
    check_folder(folder)
    program, home = find_program(), TemporaryDirectory(prefix="omc-terraform-")
    data = Path(home.name) / "data"
    _copy_data(folder / os.environ.get("TF_DATA_DIR", ".terraform"), data)
    variables = {name: value for name, value in os.environ.items() if name not in LOGGING}
    variables |= {"TF_DATA_DIR": str(data), "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    variables |= {"AWS_PROFILE": profile} if profile else {}
    draft = Draft(program, folder, home, variables)
    lock = folder / LOCK_FILE
    had_lock = lock.exists()
    try:
        _run(draft, "init", *(["-lockfile=readonly"] if had_lock else []))
        _run(draft, "plan", "-lock=false", f"-out={draft.file}")
        changes = read_changes(_run(draft, "show", "-json", str(draft.file), asks=False))
        if changes is None:
            raise CouldNotLook(f"{draft.name} show gives plans in a form that is not known here: it is too new or old.")
    except BaseException:
        draft.drop()
        raise
    finally:
        if not had_lock and lock.exists():
            _put_aside(lock, draft)
    return replace(draft, changes=changes)


def apply(draft: Draft) -> tuple[Output, ...]:
    """Apply exactly the plan that was made, and read the outputs that are ARNs of secrets.

    Raises UsageError for a plan that was applied or dropped already, CouldNotLook for what Terraform could not do: a
    state that changed since, a lock, a refused call.
    """
    if not draft.file.exists():
        raise UsageError("This plan was applied or dropped already: plan again, and then apply.")
    kept, lock = Path(draft.home.name) / LOCK_FILE, draft.folder / LOCK_FILE
    try:
        if kept.exists() and not lock.exists():
            shutil.copyfile(kept, lock)
        _run(draft, "apply", str(draft.file))
        return _read_outputs(_run(draft, "output", "-json", asks=False))
    finally:
        draft.drop()


def _put_aside(lock: Path, draft: Draft) -> None:
    """Take a lock file out of the folder again that init has made; apply wants it back."""
    if Path(draft.home.name).exists():
        shutil.copyfile(lock, Path(draft.home.name) / LOCK_FILE)
    lock.unlink()


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
    """Take over what an earlier init chose, and lend its providers, so that they are not downloaded again."""
    new.mkdir(mode=0o700)
    for name in KEPT_DATA:
        if (old / name).is_file():
            shutil.copyfile(old / name, new / name)
    # HOST/NAMESPACE/TYPE/VERSION/PLATFORM, where a link will do, as Terraform makes them from its own cache.
    for package in old.glob("providers/*/*/*/*/*"):
        link = new / package.relative_to(old)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(package.resolve())


def _run(draft: Draft, verb: str, *words: str, asks: bool = True) -> str:
    """Run one command to its end and give what it said; raises CouldNotLook with one sentence for a failure."""
    flags = ["-no-color", "-input=false"] if asks else ["-no-color"]
    code, said, complaint = _call(draft, verb, [verb, *flags, *words])
    if code is None:
        raise CouldNotLook(
            f"{draft.name} {verb} in {draft.folder} did not end within {SECONDS[verb]} s and was interrupted:"
            " run it by hand to see what it waits for."
        )
    if code:
        raise CouldNotLook(registry.mask(_failure(draft, verb, complaint or said, code)))
    return said


def _call(draft: Draft, verb: str, words: Sequence[str]) -> tuple[int | None, str, str]:
    """The exit code, None after an interruption, and the two outputs."""
    try:
        process = subprocess.Popen(
            [draft.program, *words],
            cwd=draft.folder,
            env=draft.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            # A second interruption, from a terminal say, would end Terraform before it has written its state.
            start_new_session=True,
        )
    except OSError as error:
        raise CouldNotLook(f"{draft.program} could not be started: {error.strerror}.") from None
    try:
        said, complaint = process.communicate(timeout=SECONDS[verb])
    except subprocess.TimeoutExpired:
        return None, "", ""
    finally:
        _stop(process)
    return process.returncode, said, complaint


def _stop(process: subprocess.Popen[str]) -> None:
    """Let a command that still runs come to an end of its own, so that what it did is in its state."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _failure(draft: Draft, verb: str, text: str, code: int) -> str:
    """One sentence on a failure and one on what to do, from the first error's headline and place alone."""
    text = re.sub(r"^[│╷╵] ?", "", text, flags=re.MULTILINE)
    error = re.search(r"^Error: (.+?)\.?$", text, flags=re.MULTILINE)
    rest = text[error.end() :] if error else ""
    place = re.search(r"^ +on (.+?) line (\d+)", rest.partition("\nError: ")[0], flags=re.MULTILINE)
    where = f" ({place[1]}:{place[2]})" if place else ""
    told = f"{draft.name} {verb} in {draft.folder} failed: {error[1] if error else f'it ended with {code}'}{where}."
    if LOCKED in text:
        facts = dict(re.findall(r"^ +(ID|Who|Created): +(\S.*)$", text, flags=re.MULTILINE))
        lock = facts.get("ID", "unknown")
        return (
            f"{told} It is held by {facts.get('Who', 'somebody')} since {facts.get('Created', 'an unknown time')}, lock"
            f" {lock}: wait for them, or if nobody is at work run `{draft.name} force-unlock {lock}` there."
        )
    advice = next((words for pattern, words in ADVICE if re.search(pattern, text)), "")
    return f"{told} {advice.format(program=draft.name)}".rstrip()
