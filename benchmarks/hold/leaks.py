"""Every runbook in every way in which a run goes wrong: no value is in anything that it wrote or showed.

The secret has ten awkward values, and a new version gets ten others. What is searched: outputs, records, notebooks,
checkpoints, logs, IPython's history, temporary files, the home folder, core files, and the arguments and variables of
all processes that the run started.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from benchmarks.hold import awkward, disk, lab
from benchmarks.hold.awkward import WORD, Awkward
from benchmarks.hold.desk import SOURCE, Desk, Ended
from benchmarks.hold.practice import watched
from benchmarks.hold.search import Searcher
from benchmarks.hold.trial import Profile, Try
from benchmarks.hold.world import AwkwardWorld, awkward_world
from omc_runbook.headless import notebooks
from omc_runbook.runbooks.policy import actions_of
from omc_runbook.sandbox.faults.change import remove_secret

COMMAND = str(Path(sys.executable).with_name("omc-runbook"))
PAPERMILL = str(Path(sys.executable).with_name("papermill"))
SURFACE = "values in what a run leaves"
NEW_SECRET = "ohmycoins-production-app-secrets"
CODES = (0, 1, 2, 3)
FILE_SIZE = 30_000
"""Bytes that a file may have on a full disk: less than an executed notebook."""
SMALL_DISK, DISK, PAGE = 65_536, 8 << 20, 4_096
"""Bytes of a disk that is too small for a record, and of one that is filled while a run goes on."""
SLOWEST = 2.5
"""Seconds after the start up to which a run is killed."""
_CAP_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24
AGAIN = 2
"""How often the short profile has each way, at least."""


@dataclass(frozen=True)
class Case:
    """A runbook and its parameters, which may name `{checkout}`, `{file}`, `{bad}` and the like (`_names_of_files`)."""

    runbook: str
    words: tuple[str, ...] = ()
    applies: bool = False
    refused: tuple[str, ...] = ()
    """Other words, with which a new value is refused."""
    pasted: str = "runbook_toml"
    """A parameter into which somebody pastes a value by mistake."""
    environment: str = "staging"
    practises: bool = False
    """Whether it starts a sandbox of its own, which takes a while."""

    @property
    def has_plan(self) -> bool:
        """Whether a plan of it can be kept in a file."""
        return self.applies and self.runbook != "local_setup"


CASES = (
    Case("verify", ("look_inside=true", "repository={checkout}"), pasted="service"),
    Case("troubleshoot", ("repository={checkout}",), True, pasted="error_text"),
    Case("update", ("values_from=file:{file}",), True, ("values_from=file:{bad}",), "keys"),
    Case("rotate", ("keys=SECRET_KEY",), True, ("keys=FIRST_SUPERUSER", "values_from=file:{bad}"), "keys"),
    Case("restore", ("version=AWSPREVIOUS",), True, pasted="version"),
    Case(
        "add_key",
        ("key={new_key}", "repository={checkout}", f"values_from=env:{SOURCE}"),
        True,
        ("key={new_key}", "repository={checkout}", "type=int", f"values_from=env:{SOURCE}"),
        "description",
    ),
    Case("create", ("confirm=production",), True, pasted="terraform_dir", environment="production"),
    Case(
        "local_setup",
        ("repository={checkout}", "values_from=file:{dotenv}"),
        True,
        ("repository={checkout}", "values_from=file:{bad_dotenv}"),
        "python",
    ),
    Case("fleet", pasted="environments"),
    Case("index", pasted="records"),
    Case("audit", ("repository={checkout}",)),
    Case("onboarding", pasted="answers", practises=True),
)


@dataclass(frozen=True)
class Run:
    """A run that is to be tried: a case at a desk, with its words, and what is drawn for it."""

    case: Case
    desk: Desk
    world: AwkwardWorld
    source: random.Random
    new: tuple[Awkward, ...]

    @property
    def words(self) -> list[str]:
        """The parameters, which apply the change where the runbook has one."""
        return [*self.planned, *(["apply=true"] if self.case.applies else [])]

    @property
    def planned(self) -> list[str]:
        """The parameters without that."""
        return [f"environment={self.case.environment}", *self.filled(self.case.words)]

    def filled(self, words: Sequence[str]) -> list[str]:
        """Words with the names of the desk's files in them."""
        names = _names_of_files(self.desk)
        return [re.sub(r"\{(\w+)\}", lambda name: names[name[1]], word) for word in words]

    @property
    def moment(self) -> float:
        """Seconds after which the run is disturbed."""
        return self.source.uniform(0.2, SLOWEST)

    def command(self, words: Sequence[str], *options: str) -> list[str]:
        """`omc-runbook run` with these parameters."""
        return [COMMAND, "run", self.case.runbook, *words, "--record", "records", *options]

    def notebook(self, *before: str) -> Path:
        """A copy of the notebook with the parameters, and with cells before them."""
        pairs = (word.partition("=") for word in self.words)
        typed = {name: {"true": True, "false": False}.get(text, text) for name, _, text in pairs}
        with_parameters = parameterize_notebook(load_notebook_node(str(notebooks.find(self.case.runbook))), typed)
        with_parameters.cells[:0] = [nbformat.v4.new_code_cell(text) for text in before]
        path = self.desk.work / f"{self.case.runbook}.ipynb"
        nbformat.write(with_parameters, path)
        return path

    def profile(self, name: str, text: str) -> dict[str, str]:
        """Put a file into IPython's profile; gives the variable that names its folder."""
        folder = self.desk.root / "home" / "ipython"
        path = folder / "profile_default" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return {"IPYTHONDIR": str(folder)}


def _plan(run: Run) -> Ended:
    return run.desk.start(run.command(run.planned)).end()


def _apply(run: Run) -> Ended:
    return run.desk.start(run.command(run.words)).end()


def _refuse(run: Run) -> Ended:
    words = [f"environment={run.case.environment}", *run.filled(run.case.refused), "apply=true"]
    return run.desk.start(run.command(words)).end()


def _paste(run: Run) -> Ended:
    value = run.source.choice([each for each in run.new if len(each.text) >= 20])
    return run.desk.start([*run.command(run.planned), "-p", run.case.pasted, value.text]).end()


def _conflict(run: Run) -> Ended:
    first = run.desk.start(run.command([*run.planned, "plan_to=plan.json"])).end()
    run.world.put(run.new)
    second = run.desk.start(run.command([*run.words, "plan_from=plan.json"])).end()
    return Ended(second.code, first.output + second.output)


def _deny(run: Run) -> Ended:
    own = actions_of(run.case.runbook)
    needed = actions_of("verify") if own.why_none else own
    action = run.source.choice(needed.plan + (needed.apply if run.case.applies else ()))
    return run.desk.start(run.command(run.words), variables=_without(run.world, action)).end()


def _kill_kernel(run: Run) -> Ended:
    running = run.desk.start(run.command(run.words, "--kernel"))
    kernel = running.await_child(b"ipykernel_launcher")
    time.sleep(run.moment)
    if kernel is not None:
        running.send(signal.SIGKILL, kernel)
    return running.end()


def _kill(run: Run) -> Ended:
    options = run.source.choice(((), ("--kernel",)))
    running = run.desk.start(run.command(run.words, *options))
    time.sleep(run.moment)
    running.send(signal.SIGKILL)
    return running.end()


def _abort(run: Run, number: int, prepare: Callable[[], None] | None = None, **variables: str) -> Ended:
    in_kernel = run.source.choice((False, True))
    running = run.desk.start(
        run.command(run.words, *(["--kernel"] if in_kernel else [])), variables=variables, prepare=prepare
    )
    kernel = running.await_child(b"ipykernel_launcher") if in_kernel else None
    if prepare is not None:
        # What an interpreter dumps before it runs a line of ours is the caller's.
        running.await_limit("Max core file size")
    time.sleep(run.moment)
    running.send(number, kernel)
    return running.end()


def _fault(run: Run) -> Ended:
    return _abort(run, run.source.choice((signal.SIGSEGV, signal.SIGABRT)), PYTHONFAULTHANDLER="1")


def _dump(run: Run) -> Ended:
    return _abort(run, signal.SIGABRT, _with_cores)


def _fill_disk(run: Run) -> Ended:
    """A small file system for records, half of the time for temporary files too, that is full or becomes so.

    Where none can be mounted, files that may not grow stand for it.
    """
    full, size = run.desk.work / "full", run.source.choice((SMALL_DISK, DISK, DISK))
    (full / "tmp").mkdir(parents=True)
    if disk.mount(full, size):
        return run.desk.start(run.command(run.words), prepare=_with_small_files).end()
    (full / "tmp").mkdir()
    command = [COMMAND, "run", run.case.runbook, *run.words, "--record", "full/records"]
    more = {"TMPDIR": str(full / "tmp")} if run.source.random() < 0.5 else {}
    running = run.desk.start(command, variables=more)
    running.await_path(full / "records")
    time.sleep(run.moment)
    with suppress(OSError), (full / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(PAGE)):
            pass
    return running.end()


def _read_only(run: Run) -> Ended:
    (run.desk.work / "records").mkdir()
    (run.desk.work / "records").chmod(0o500)
    return run.desk.start(run.command(run.words), prepare=_without_override).end()


def _break_pipe(run: Run) -> Ended:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return run.desk.start(run.command(run.words), out=writer).end()
    finally:
        os.close(writer)


def _kernel(run: Run) -> Ended:
    return run.desk.start(run.command(run.words, "--kernel")).end()


def _papermill(run: Run, **variables: str) -> Ended:
    return run.desk.start([PAPERMILL, str(run.notebook()), "out.ipynb"], variables=variables).end()


def _verbose(run: Run) -> Ended:
    """An exception whose traceback shows the variables of each frame."""
    variables = run.profile("ipython_kernel_config.py", "c.InteractiveShell.xmode = 'Verbose'\n")
    action = run.source.choice(("secretsmanager:GetSecretValue", "ecs:DescribeServices", "secretsmanager:*"))
    path = run.notebook("%xmode Verbose")
    return run.desk.start([PAPERMILL, str(path), "out.ipynb"], variables=variables | _without(run.world, action)).end()


DEBUG = """
import http.client, logging
import boto3
logging.basicConfig(level=logging.DEBUG, force=True)
boto3.set_stream_logger("")
http.client.HTTPConnection.debuglevel = 1
"""


def _debug(run: Run) -> Ended:
    return _papermill(run, **run.profile("startup/debug.py", DEBUG))


def _nbconvert(run: Run) -> Ended:
    convert = ["-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--allow-errors"]
    return run.desk.start([sys.executable, *convert, "--output", "out.ipynb", str(run.notebook())]).end()


def _lab(run: Run) -> Ended:
    run.notebook()
    return lab.execute(run.desk, run.case.runbook)


WAYS: dict[str, Callable[[Run], Ended]] = {
    "planned": _plan,
    "applied": _apply,
    "a new value is refused": _refuse,
    "a value pasted as a parameter": _paste,
    "somebody was faster": _conflict,
    "an action is denied": _deny,
    "in a kernel": _kernel,
    "plain papermill": _papermill,
    "nbconvert --execute": _nbconvert,
    "JupyterLab's server": _lab,
    "killed kernel": _kill_kernel,
    "killed command": _kill,
    "full disk": _fill_disk,
    "read-only folder": _read_only,
    "broken pipe": _break_pipe,
    "%xmode Verbose": _verbose,
    "boto3's debug log": _debug,
    "PYTHONFAULTHANDLER": _fault,
    "core dumps": _dump,
}
KILLING = frozenset({"killed kernel", "killed command", "PYTHONFAULTHANDLER", "core dumps", "JupyterLab's server"})
"""Ways whose exit code is not the runbook's."""


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Try a sample with each runbook and each way twice at least, or the whole product."""
    pairs = [(case, way) for case in CASES for way in WAYS if _fits(case, way)]
    chosen = pairs if profile.is_long else _sample(pairs, random.Random(seed))
    chosen = [(case, way) for case, way in chosen if profile.has(_name(case, way))]
    if not chosen:
        return
    if why := disk.be_private():
        sys.stderr.write(f"leaks: no small disk can be mounted ({why}); files that may not grow stand for it\n")
    old, new = awkward.draw(seed), awkward.draw(seed + 10**6)
    with awkward_world(old) as world, tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        for case, way in chosen:
            what = _name(case, way)
            root = Path(folder, secrets.token_hex(4))
            yield Try(SURFACE, what, "; ".join(_problems(case, way, root, world, old, new, f"{seed} {what}")))
            disk.unmount()
            shutil.rmtree(root, ignore_errors=True)


def _fits(case: Case, way: str) -> bool:
    if way == "a new value is refused":
        return bool(case.refused)
    if way == "somebody was faster":
        return case.has_plan
    return way != "applied" or case.applies


def _name(case: Case, way: str) -> str:
    return f"{case.runbook}, {way}"


def _sample(pairs: Sequence[tuple[Case, str]], source: random.Random) -> list[tuple[Case, str]]:
    """Pairs in which each runbook and each way is twice at least; one that practises, which takes long, is once."""
    rest, chosen = [pair for pair in pairs if not pair[0].practises], list[tuple[Case, str]]()
    source.shuffle(rest)
    counts: dict[str, int] = {}
    for case, way in sorted(rest, key=lambda pair: counts.get(pair[1], 0)):
        if counts.get(way, 0) < AGAIN or counts.get(case.runbook, 0) < AGAIN:
            chosen.append((case, way))
            for name in (way, case.runbook):
                counts[name] = counts.get(name, 0) + 1
    return [*chosen, source.choice([pair for pair in pairs if pair[0].practises])]


def _problems(
    case: Case,
    way: str,
    root: Path,
    world: AwkwardWorld,
    old: Sequence[Awkward],
    new: tuple[Awkward, ...],
    seed: str,
) -> Iterator[str]:
    """What is wrong with what a run left: values, a traceback, an end of its own kind, a report without words."""
    desk = _furnish(Desk(root, _variables(world)), new)
    if case.runbook == "create":
        remove_secret(world.world.secretsmanager, NEW_SECRET)
    world.put(old)
    desk.keep()
    with watched([desk.root / "tmp", desk.work / "full" / "tmp"] if case.practises else []) as practice:
        ended = WAYS[way](Run(case, desk, world, random.Random(seed), new))
        failure = practice.end()
    yield from filter(None, [failure])
    own = [*world.versions(), *(world.versions(NEW_SECRET) if case.runbook == "create" else ()), *practice.values]
    searcher = Searcher([*old, *new, *own])
    allowed = {str(Path("work", "checkout", ".env"))}
    for name, content in desk.written():
        if name not in allowed:
            yield from (f"{name} shows {hit.kind} ({hit.spelling})" for hit in searcher.find(content))
            yield from (f"{name} shows the common word beside its key" for _ in _words_beside(content, new))
    if way not in KILLING and ended.code not in CODES:
        yield f"ended with {ended.code}"
    if (
        way not in KILLING | {"plain papermill", "%xmode Verbose", "boto3's debug log"}
        and "Traceback (most" in ended.output
    ):
        yield "said a traceback"
    yield from _blotted(desk, new)
    if any(path.name.startswith("core") and path.is_file() for path in desk.work.iterdir()):
        yield "left a core file"


def _words_beside(content: bytes, new: Sequence[Awkward]) -> Iterator[bytes]:
    """Where the common word stands as its key's value."""
    [word] = [value for value in new if not value.random]
    yield from re.findall(rb"%s\W{1,12}%s\b" % (word.key.encode(), WORD.encode()), content)


def _blotted(desk: Desk, new: Sequence[Awkward]) -> Iterator[str]:
    """Pages in which the word's label stands for words of sentences."""
    [word] = [value for value in new if not value.random]
    for path in desk.work.rglob("*.html"):
        text = re.sub(r"<[^>]+>", " ", path.read_text("utf-8", "replace"))
        if hits := re.findall(rf"[a-z]{{2,}} ‹{word.key}›", text):
            yield f"{path.name} has the common word's label in {len(hits)} sentences"


def _variables(world: AwkwardWorld) -> dict[str, str]:
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    return variables | world.sandbox.variables


def _furnish(desk: Desk, new: Sequence[Awkward]) -> Desk:
    """Put files with new values, the checkout, and the variable with values where a run finds them."""
    repository = desk.variables["OMC_REPOSITORY"]
    shutil.copytree(repository, desk.work / "checkout", symlinks=True)
    good = {value.key: value.text for value in new}
    bad = {"FIRST_SUPERUSER": max((each.text for each in new if each.random), key=len)} | good
    for name, document in (("new.json", good), ("bad.json", bad)):
        _private(desk.work / name, json.dumps(document))
    lines = {"SECRET_KEY": new[5].text, "POSTGRES_PASSWORD": new[2].text, "OPENAI_API_KEY": f"sk-{new[6].text[:40]}"}
    _private(desk.work / "values.json", json.dumps(lines))
    _private(desk.work / "bad_values.json", json.dumps(lines | {"FIRST_SUPERUSER": new[2].text}))
    desk.variables[SOURCE] = new[4].text
    return desk


def _names_of_files(desk: Desk) -> dict[str, str]:
    return {
        "checkout": "checkout",
        "file": "new.json",
        "bad": "bad.json",
        "dotenv": "values.json",
        "bad_dotenv": "bad_values.json",
        "new_key": f"KEY_{secrets.token_hex(3).upper()}",
    }


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def _without(world: AwkwardWorld, action: str) -> dict[str, str]:
    """The variables of somebody who may do everything but one thing."""
    iam: Any = world.world.iam
    user = f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=user, PolicyName="all-but-one", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def _with_cores() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _with_small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))


def _without_override() -> None:
    """Let the modes of files hold for root, too."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
