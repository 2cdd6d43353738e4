"""Texts that would be more than texts, wherever somebody else writes them: in AWS, in a checkout, in runbook.toml.

They have to be shown as what they are on each output; printed commands run nothing; and neither the code of a checkout
nor a program or an endpoint that it brings along is used.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hold import judges
from benchmarks.hold.desk import Desk, Ended
from benchmarks.hold.judges import FORGED, MARK
from benchmarks.hold.trial import Profile, Try
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.faults.change import revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import SECRET, STAGING, World

sys.path.append(str(Path(__file__).parents[2] / "tests"))
webhook: Any = importlib.import_module("support.webhook").webhook

COMMAND = str(Path(sys.executable).with_name("omc-runbook"))
SHOWN, COMMANDS = "hostile text as text", "printed commands"
CODE, PROGRAMS, ENDPOINTS = "code of a checkout", "programs of a checkout", "foreign endpoints and accounts"
RAN = f"{MARK}-ran"
"""The file that a text makes where a shell takes it for a command."""
TEXTS = {
    "HTML": f"<script>{MARK}a()</script><img src=x onerror={MARK}a()>\"'><svg/onload={MARK}a()>",
    "ANSI": f"\x1b[2J\x1b]0;{MARK}b\x07\x1b]8;;https://{MARK}b.example\x1b\\{MARK}b\x1b]8;;\x1b\\\x9b31m",
    "Markdown": f"[{MARK}c](javascript:{MARK}c()) ![](https://{MARK}c.example/x.png) | x | `y` <i {MARK}c>",
    "formula": f'=HYPERLINK("https://{MARK}d.example","{MARK}d")',
    "path": f"../../../../{MARK}e/../{MARK}e",
    "direction": f"\u202e{MARK}f\u2066{MARK}f\u200f",
    "line ends": f"{MARK}g\r\n{FORGED}g\n{FORGED}g\u2028{FORGED}g\x85{FORGED}g",
    "no signs": f"{MARK}h\x7f\x01\ufeff\u2400%00\\0{MARK}h",
    "shell": f"$(: > {RAN})`: > {RAN}`'; : > {RAN}; '\"; : > {RAN}; \"{MARK}i & : > {RAN} #",
    "TeX": f"$$\\href{{javascript:{MARK}j()}}{{x}}$$ \\({MARK}j\\)",
    "metric": f'{MARK}k"}} 1\n{MARK}k_forged{{x="y"}} 2\n# HELP {MARK}k',
    "100 KB": f"{MARK}l" * 33_000,
}
SERVICE, STOPPING = "worker", "backend"
SECONDS = 60.0
STOPPED = "hold-stopped"
"""What each stoppedReason has, to check whether it is shown."""
REASONS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: ",
    "CannotPullContainerError: ",
    "CannotStartContainerError: ",
)
_LINE = re.compile(
    r"^\s*(?:\$ )?((?:aws|omc-runbook|git|docker|terraform|psql|export|unset|echo|jq|sudo|cd|chmod)\b.*)$"
)


@dataclass(frozen=True)
class Run:
    """A run of a runbook on hostile ground: its words."""

    runbook: str
    words: tuple[str, ...]


RUNS = (
    Run("verify", ("repository={checkout}",)),
    Run("troubleshoot", ("repository={checkout}", "error_text={text}")),
    Run("local_setup", ("repository={checkout}",)),
    Run("add_key", ("repository={checkout}", "key=NEW_API_KEY", "description={text}", "obtain_from={text}")),
    Run("update", ("values_from=file:hostile.json",)),
    Run("troubleshoot", ("repository={checkout}", "symptom=local")),
    Run("rotate", ("keys=due",)),
    Run("restore", ()),
    Run("fleet", ()),
    Run("index", ()),
    Run("audit", ("repository={checkout}",)),
    Run(
        "create",
        (
            "environment=production",
            "confirm=production",
            "terraform_dir={checkout}/infrastructure/terraform/environments/production",
        ),
    ),
)
SHORT_RUNS = 5
FILES: Mapping[str, Callable[[str], Iterator[str]]] = {
    ".html": judges.page,
    ".ipynb": judges.notebook,
    ".xml": judges.junit,
    ".prom": judges.prometheus,
    ".emf": judges.lines_of_json,
}
PROGRAM_NAMES = (
    *("docker", "docker-compose", "terraform", "git", "aws", "python", "python3", "psql", "jq", "sh", "ssh"),
    *("session-manager-plugin", "node", "busybox", "podman"),
)


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Run runbooks on hostile ground, and judge all that they show; the short profile has five of them."""
    chosen = RUNS if profile.is_long else RUNS[:SHORT_RUNS]
    chosen = tuple(run for run in chosen if profile.has(run.runbook) or profile.match in SHOWN)
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="hostile-")))
        sandbox = lifecycle.up(is_attached=True)
        undo.callback(lifecycle.down, sandbox)
        own = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
        variables = own | sandbox.variables
        world = World(sandbox.endpoint)
        _plant(world)
        _let_ecs_say(sandbox)
        for number, run in enumerate(chosen):
            yield from _try_run(Desk(folder / f"run-{number}", dict(variables)), run, random.Random(seed + number))
        yield from _try_consent(Desk(folder / "consent", dict(variables)))
        for name, setting in ENDPOINTS_OF.items():
            if profile.has(name):
                yield _try_endpoint(Desk(folder / secrets.token_hex(4), dict(variables)), name, setting)


def _plant(world: World) -> None:
    """Put the texts where others may write in an AWS account."""
    api, logs = world.secretsmanager, world.logs
    document = json.loads(api.get_secret_value(SecretId=SECRET)["SecretString"])
    short = {name: text[:9000] for name, text in TEXTS.items()}
    odd = {text: secrets.token_hex(12) for text in short.values()}
    api.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document | odd))
    api.update_secret(SecretId=SECRET, Description=short["HTML"] + short["shell"])
    tags: Any = [{"Key": f"{MARK}-{number}", "Value": text[:200]} for number, text in enumerate(short.values())]
    api.tag_resource(SecretId=SECRET, Tags=tags)
    arn = api.describe_secret(SecretId=SECRET)["ARN"]

    def edit(container: Any) -> None:
        values = {f"{MARK.upper()}_{number}": text for number, text in enumerate(short.values())}
        container["environment"] += [{"name": name, "value": text.replace("\0", "")} for name, text in values.items()]
        container["dockerLabels"] = values
        for number, text in enumerate(short.values()):
            reference = f"{arn}:{text[:200]}::" if ":" not in text else f"{arn}:{MARK}{number}::"
            container["secrets"].append({"name": f"{MARK.upper()}_SECRET_{number}", "valueFrom": reference})

    revise(world, SERVICE, edit)
    world.settle()
    group = f"/ecs/{STAGING}/{SERVICE}"
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        at = int(time.time() * 1000)
        events: Any = [{"timestamp": at, "message": f"ERROR: {text}"} for text in short.values()]
        logs.put_log_events(logGroupName=group, logStreamName=stream["logStreamName"], logEvents=events)


def _let_ecs_say(sandbox: Sandbox) -> None:
    """Put the texts into what ECS itself writes: events, and the reasons for which tasks stopped."""
    for text in TEXTS.values():
        message = f"was unable to place a task because no container instance met all of its requirements. {text}"
        lifecycle.ask(sandbox, "POST", "event", {"service": SERVICE, "message": message[:9000]})
    stopped: list[str] = []
    for number, text in enumerate(TEXTS.values()):
        # Each kind of reason is quoted by a check of its own.
        start = REASONS[number % len(REASONS)]
        stopped.append(_running_task(sandbox, stopped))
        stop = {"task": stopped[-1], "code": "TaskFailedToStart", "reason": f"{start}{STOPPED} {text}"[:9000]}
        lifecycle.ask(sandbox, "POST", "stop", stop)


def _running_task(sandbox: Sandbox, others: list[str]) -> str:
    """A task of a service whose tasks run, and none of these."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for task in lifecycle.status(sandbox)["tasks"]:
            if task["service"] == STOPPING and task["status"] == "RUNNING" and task["task"] not in others:
                return str(task["task"])
        time.sleep(0.1)
    raise TimeoutError(f"{STOPPING} has no running task")


def _lay_out(desk: Desk) -> None:
    """Put a checkout, a runbook.toml and files of values on the desk, with the texts in all of them."""
    root = desk.work / "checkout"
    shutil.copytree(desk.variables["OMC_REPOSITORY"], root, symlinks=True)
    one_line = [text.replace("\r", "").replace("\n", " ") for text in TEXTS.values()]
    with (root / ".env.template").open("a", encoding="utf-8") as file:
        for number, text in enumerate(one_line):
            file.write(
                f"# {text}\n{MARK.upper()}_{number}={text}\n# Get from: {text}\n{MARK.upper()}_TOKEN_{number}=\n"
            )
    with (root / ".env").open("a", encoding="utf-8") as file:
        file.writelines(f"{MARK.upper()}_OLD_{number}={text}\n{text[:300]}=x\n" for number, text in enumerate(one_line))
    compose = root / "docker-compose.yml"
    listed = "".join(f"      - {json.dumps(f'{MARK.upper()}_{n}={text}')}\n" for n, text in enumerate(one_line))
    compose.write_text(compose.read_text().replace("      - REDIS_HOST=redis\n", f"      - REDIS_HOST=redis\n{listed}"))
    config = root / "backend" / "app" / "core" / "config.py"
    fields = "".join(
        f"    {MARK.upper()}_FIELD_{number}: str = Field(default={text[:500]!r}, description={text[:500]!r})\n"
        for number, text in enumerate(TEXTS.values())
    )
    side_effect = (
        "import json as _json, os as _os\n"
        f"with open({str(desk.root / 'settings-ran')!r}, 'w') as _file: _json.dump(dict(_os.environ), _file)\n"
    )
    source = config.read_text().replace("    # General\n", f"    # General\n{fields}", 1)
    config.write_text(source.replace("import secrets\n", f"import secrets\n{side_effect}", 1))
    for name in (f"{MARK}<b>.yml", f"$(: > {RAN}).yml", f"{MARK}\x1b[31m.yml", f"{MARK}\u202e.yml"):
        with contextlib.suppress(OSError):
            path = root / ".github" / "workflows" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("jobs:\n  x:\n    env:\n      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n")
    _configure_git(root, desk)
    toml = [f"[keys.{MARK.upper()}_KEY_{n}]\ndescription = {_toml(t)}\nobtain_from = {_toml(t)}" for n, t in _short()]
    toml += [f'[[accepted]]\ncheck = "not-forced"\nsubject = {_toml(t)}\nreason = {_toml(t)}' for _, t in _short()]
    (desk.work / "runbook.toml").write_text("\n".join(toml), encoding="utf-8")
    path = desk.work / "hostile.json"
    path.touch(0o600)
    path.write_text(json.dumps({text[:9000]: secrets.token_hex(8) for text in TEXTS.values()}))


def _short() -> list[tuple[int, str]]:
    return [(number, text[:2000]) for number, text in enumerate(TEXTS.values())]


def _toml(text: str) -> str:
    """A string of TOML, which is one of JSON but for a few characters."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def _configure_git(root: Path, desk: Desk) -> None:
    """Let the checkout's git configuration name programs, and its branch have a name for a shell."""
    program = desk.root / "git-ran"
    run = f"touch {program}; cat"
    if (root / ".git").is_dir():
        git = ["git", "-C", str(root)]
        for name, value in {
            **{"core.fsmonitor": run, "core.sshCommand": run, "core.editor": run, "core.pager": run},
            **{"diff.external": run, "filter.x.clean": run, "filter.x.smudge": run, "filter.x.process": run},
            **{"credential.helper": f"!{run}", "gpg.program": run, "log.showSignature": "true"},
        }.items():
            subprocess.run([*git, "config", name, value], check=True, capture_output=True)
        (root / ".gitattributes").write_text("* filter=x diff=x\n")
        subprocess.run([*git, "branch", "-m", f"{MARK}$(:>{RAN})<b>"], check=False, capture_output=True)


def _bring_programs(desk: Desk) -> str:
    """Put programs into the folders that a person may have on PATH; gives that PATH."""
    for folder in (desk.work, desk.work / "checkout", desk.work / "checkout" / "bin", desk.work / "checkout" / ".venv"):
        folder = folder / "bin" if folder.name == ".venv" else folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAM_NAMES:
            path = folder / name
            path.write_text(f"#!/bin/sh\n: > {desk.root / 'program-ran'}-{name}\n")
            path.chmod(0o755)
    own = ("", ".", str(desk.work), str(desk.work / "checkout"), str(desk.work / "checkout" / "bin"), "checkout/bin")
    return os.pathsep.join((*own, desk.variables.get("PATH", os.defpath)))


def _try_run(desk: Desk, run: Run, source: random.Random) -> Iterator[Try]:
    _lay_out(desk)
    path = _bring_programs(desk)
    text = source.choice([each for each in TEXTS.values() if len(each) < 1000])
    words = [word.replace("{checkout}", "checkout").replace("{text}", text) for word in run.words]
    exports = ("--export", "junit=out.xml", "--export", "prometheus=out.prom", "--export", "emf=out.emf")
    command = [COMMAND, "run", run.runbook, *words, "--record", "records", "--summary", *exports]
    with webhook("hold") as (address, bodies):
        with (desk.work / "runbook.toml").open("a", encoding="utf-8") as file:
            file.write('\n[notify]\nfindings = ["env:HOLD_RECEIVER"]\nunknown = ["env:HOLD_RECEIVER"]\n')
        desk.keep()
        ended = desk.start(command, variables={"PATH": path, "HOLD_RECEIVER": address}).end()
    what = f"{run.runbook} {' '.join(word for word in run.words if '{' not in word)}".strip()
    yield Try(SHOWN, f"{what}, ends as a run does", "" if ended.code in (0, 1, 2, 3) else f"ended with {ended.code}")
    yield from _shown(desk, what, ended, json.dumps(bodies))
    if run.runbook in ("verify", "troubleshoot") and "symptom=local" not in run.words:
        is_there = STOPPED in ended.output and "no container instance met" in ended.output
        yield Try(SHOWN, f"{what}, events and stopped reasons", "" if is_there else "they are not shown")
    yield from _commands(desk, what, ended)
    programs = [each.name for each in desk.root.glob("program-ran*")]
    yield Try(
        PROGRAMS, f"{what}, programs in the folder and the checkout", f"ran {', '.join(programs)}" if programs else ""
    )
    yield Try(PROGRAMS, f"{what}, git's configuration", "ran one" if (desk.root / "git-ran").exists() else "")
    has_run = (desk.root / "settings-ran").exists()
    yield Try(CODE, f"{what}, without consent", "Settings were imported" if has_run else "")
    strays = [str(each) for each in desk.root.rglob(f"*{MARK}*") if "checkout" not in each.parts]
    yield Try(SHOWN, f"{what}, names of files", f"{len(strays)} files with a hostile name" if strays else "")


def _shown(desk: Desk, what: str, ended: Ended, bodies: str) -> Iterator[Try]:
    """A try for each text on each output that has it."""
    outputs: list[tuple[str, str, Callable[[str], Iterator[str]]]] = [
        ("terminal", ended.output, judges.terminal),
        ("notification", bodies, judges.message),
    ]
    for path in [*(desk.work / "records").glob("*"), *desk.work.glob("out.*")]:
        if judge := FILES.get(path.suffix):
            outputs.append((path.suffix, path.read_text("utf-8"), judge))
    for name, text, judge in outputs:
        problems = list(dict.fromkeys(judge(text)))
        for kind, hostile in TEXTS.items():
            mark = re.search(rf"{MARK}[a-l]", hostile)
            if mark and mark[0] in text:
                yield Try(SHOWN, f"{what}, {name}, {kind}", "; ".join(problems))


def _commands(desk: Desk, what: str, ended: Ended) -> Iterator[Try]:
    """A try for each command that a run printed with a hostile text in it: pasted, it makes no file."""
    printed = [match[1] for line in ended.output.splitlines() if (match := _LINE.match(line))]
    for path in (desk.work / "records").glob("outcome.json"):
        for finding in json.loads(path.read_text("utf-8")).get("findings", ()):
            printed.append(finding.get("remedy", {}).get("command") or "")
    for notebook in (desk.work / "records").glob("*.ipynb"):
        for text in _plain_texts(json.loads(notebook.read_text("utf-8"))):
            printed += [match[1] for line in text.splitlines() if (match := _LINE.match(line))]
    shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"
    for number, command in enumerate(dict.fromkeys(each for each in printed if MARK in each)):
        folder = Path(tempfile.mkdtemp(dir=desk.root))
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Nothing is on PATH: only the shell itself could make the file.
            subprocess.run(
                [shell, "-c", command], cwd=folder, env={"PATH": str(folder)}, capture_output=True, timeout=10
            )
        files = [each.name for each in folder.iterdir()]
        yield Try(COMMANDS, f"{what}, command {number}", "ran a part of a name" if files else "")


def _plain_texts(notebook: Any) -> Iterator[str]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            text = (output.get("data") or {}).get("text/plain", output.get("text", ""))
            yield "".join(text) if isinstance(text, list) else str(text)


def _try_consent(desk: Desk) -> Iterator[Try]:
    """With consent Settings are imported, without the caller's sign-in in their variables."""
    _lay_out(desk)
    words = ["repository=checkout", "allow_code=true"]
    desk.start([COMMAND, "run", "local_setup", *words, "--record", "records"]).end()
    path = desk.root / "settings-ran"
    if not path.exists():
        yield Try(CODE, "local_setup, with consent", "Settings were not imported")
        return
    own = {name for name in json.loads(path.read_text()) if name.startswith(("AWS_", "OMC_"))}
    yield Try(CODE, "local_setup, with consent", f"has {', '.join(sorted(own))}" if own else "")


FOREIGN = "http://endpoint.invalid:9"
SAID = "neither AWS nor this machine"
_CONFIG = "[default]\nregion = ap-southeast-2\n"
ENDPOINTS_OF: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "AWS_ENDPOINT_URL": ({"AWS_ENDPOINT_URL": FOREIGN}, "", ""),
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": ({"AWS_ENDPOINT_URL_SECRETS_MANAGER": FOREIGN}, "", ""),
    "endpoint_url of the checkout's AWS configuration": (
        {"AWS_CONFIG_FILE": "checkout/config", "AWS_ENDPOINT_URL": ""},
        f"{_CONFIG}endpoint_url = {FOREIGN}\n",
        "",
    ),
    "services of the checkout's AWS configuration": (
        {"AWS_CONFIG_FILE": "checkout/config", "AWS_ENDPOINT_URL": ""},
        f"{_CONFIG}services = x\n[services x]\nsecrets_manager =\n  endpoint_url = {FOREIGN}\n",
        "",
    ),
    "a profile that runbook.toml names": (
        {"AWS_CONFIG_FILE": "checkout/config", "AWS_ENDPOINT_URL": ""},
        f"{_CONFIG}[profile x]\nendpoint_url = {FOREIGN}\n",
        'profile = "x"\n',
    ),
    "another account in runbook.toml": ({}, "", '[environments.staging]\naccount_id = "999999999999"\n'),
}
"""Variables, an AWS configuration and a runbook.toml by which calls go elsewhere."""


def _try_endpoint(desk: Desk, name: str, setting: tuple[Mapping[str, str], str, str]) -> Try:
    """The terminal says where calls would go, or that the account is another, and nothing is written."""
    variables, config, toml = setting
    (desk.work / "checkout").mkdir()
    (desk.work / "checkout" / "config").write_text(config)
    (desk.work / "runbook.toml").write_text(toml)
    own = {"AWS_MAX_ATTEMPTS": "1", **{key: text for key, text in variables.items() if text}}
    for key in [key for key, text in variables.items() if not text]:
        desk.variables.pop(key)
    words = ["values_from=generate", "keys=SECRET_KEY", "apply=true"]
    ended = desk.start([COMMAND, "run", "update", *words, "--record", "records"], variables=own).end()
    expected = "999999999999" if "account" in name else SAID
    failure = "" if expected in ended.output else "was not told"
    return Try(ENDPOINTS, name, failure or ("ended well" if ended.code == 0 else ""))
