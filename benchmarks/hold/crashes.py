"""Runs that are killed: at a step, a call or a file of their change, at a random moment, and with files that are cut.

After each, the same command again has to bring about what was asked, with nothing lost and nothing left.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired

from benchmarks.hold.trial import Profile, Try
from benchmarks.hold.workplace import SECONDS, Workplace, forked, last_line, new_workplace, runs
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.faults.change import remove_secret
from omc_runbook.sandbox.worlds.staging import CLUSTER, STAGING

UNSYNCED = ".unsynced"
KILLED = str(Path(__file__).with_name("killed_command.py"))
RERUNS = 2
"""How often a killed run is begun again until it has to be done."""
MOMENTS, FEW_MOMENTS, SAMPLE = 200, 4, 1
"""Random moments in the long profile and in the short one, and the points of each runbook in the short one."""
PRODUCTION_SECRET = "ohmycoins-production-app-secrets"
UNUSED = "UNUSED_TOKEN"
"""A key that no task gets, to be removed."""
FAULTS = ("no-permission", "bare-name", "not-forced")
Check = Callable[[], str]


@dataclass(frozen=True)
class Change:
    """A change to make: the words of its run, and what is wrong with the world after it; "" for nothing."""

    words: Sequence[str]
    check: Check


Prepare = Callable[[Workplace, random.Random], Change]


def _update(workplace: Workplace, draw: random.Random) -> Change:
    members = workplace.members()
    text = json.dumps({**members, UNUSED: workplace.draw_value()})
    workplace.world.secretsmanager.put_secret_value(SecretId=workplace.secret, SecretString=text)
    new = {**members, "SMTP_PASSWORD": workplace.draw_value()}
    words = ("values_from=env:NEW_VALUE", "keys=SMTP_PASSWORD", f"remove={UNUSED}", "apply=true")
    return Change(words, lambda: workplace.wrong_secret(new) or workplace.wrong_tasks())


def _rotate(workplace: Workplace, draw: random.Random) -> Change:
    former = workplace.members()

    def check() -> str:
        new_key = workplace.members().get("SECRET_KEY", former["SECRET_KEY"])
        same = "SECRET_KEY is not renewed" if new_key == former["SECRET_KEY"] else ""
        return same or workplace.wrong_secret({**former, "SECRET_KEY": new_key}) or workplace.wrong_tasks()

    return Change(("keys=SECRET_KEY", "apply=true"), check)


def _restore(workplace: Workplace, draw: random.Random) -> Change:
    now = workplace.members()
    if now.keys() - workplace.members(workplace.version_at("AWSPREVIOUS")).keys():
        # A version without a key that tasks reference is refused.
        text = json.dumps({**now, "SMTP_PASSWORD": workplace.draw_value()})
        workplace.world.secretsmanager.put_secret_value(SecretId=workplace.secret, SecretString=text)
    version = workplace.version_at("AWSPREVIOUS")
    former = workplace.members(version)
    return Change(
        (f"version={version}", "apply=true"), lambda: workplace.wrong_secret(former) or workplace.wrong_tasks()
    )


def _create(workplace: Workplace, draw: random.Random) -> Change:
    client = workplace.world.secretsmanager
    remove_secret(client, PRODUCTION_SECRET)

    def check() -> str:
        stages = client.describe_secret(SecretId=PRODUCTION_SECRET)["VersionIdsToStages"]
        return "" if [*stages.values()] == [["AWSCURRENT"]] else f"its versions have the labels {[*stages.values()]}"

    return Change(("environment=production", "confirm=production", "apply=true"), check)


def _add_key(workplace: Workplace, draw: random.Random) -> Change:
    remove_secret(workplace.world.secretsmanager, PRODUCTION_SECRET)
    key = f"KEY_{draw.randbytes(3).hex().upper()}_OF_NEWS"
    expected = {**workplace.members(), key: workplace.draw_value()}
    workplace.platform.git("checkout", "--quiet", "--", ".")
    workplace.platform.git("clean", "--quiet", "--force", "-d")

    def check() -> str:
        arn = workplace.world.ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0][
            "taskDefinition"
        ]
        definition = workplace.world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        names = [entry["name"] for entry in definition["containerDefinitions"][0]["secrets"]]
        edited = workplace.platform.git("diff", "--unified=0").splitlines()
        added = [line for line in edited if line.startswith("+") and key in line]
        new_files = workplace.platform.git("ls-files", "--others", "--exclude-standard").split()
        wrong = [
            f"{STAGING}-backend refers to it {names.count(key)} times" if names.count(key) != 1 else "",
            f"{len(added)} lines of the checkout have it" if len(added) < 3 else "",
            f"left in the checkout: {', '.join(new_files)}" if new_files else "",
        ]
        return ", ".join(filter(None, wrong)) or workplace.wrong_secret(expected) or workplace.wrong_tasks()

    words = (f"key={key}", "values_from=env:NEW_VALUE", "description=Headlines on coins", "apply=true")
    return Change((*words, "obtain_from=https://news.example.com/keys"), check)


def _fix(workplace: Workplace, draw: random.Random) -> Change:
    # A fix leaves what the fault breaks under another name.
    faults.mend(workplace.sandbox.endpoint)
    faults.break_(workplace.sandbox.endpoint, draw.choice(FAULTS))
    members = workplace.members()
    return Change(("apply=true",), lambda: workplace.wrong_secret(members) or workplace.wrong_tasks())


def _local_setup(workplace: Workplace, draw: random.Random) -> Change:
    workplace.platform.dotenv.unlink(missing_ok=True)
    good = workplace.platform.good_values()
    source = workplace.work / "values"
    source.unlink(missing_ok=True)
    source.touch(0o600)
    source.write_text("".join(f"{name}={value}\n" for name, value in good.items()))

    def check() -> str:
        dotenv = workplace.platform.dotenv
        if not dotenv.exists():
            return "there is no .env"
        lines = dotenv.read_text().splitlines()
        missing = [name for name, value in good.items() if f"{name}={value}" not in lines]
        mode = dotenv.stat().st_mode & 0o777
        new_files = workplace.platform.git("ls-files", "--others", "--exclude-standard").split()
        wrong = [
            f"without {', '.join(missing)}" if missing else "",
            f"mode {mode:o}" if mode != 0o600 else "",
            *new_files,
        ]
        return ", ".join(filter(None, wrong))

    words = ("environment=local", f"repository={workplace.platform.root}", f"values_from=file:{source}", "apply=true")
    return Change(words, check)


CHANGES: dict[str, Prepare] = {
    "update": _update,
    "rotate": _rotate,
    "restore": _restore,
    "create": _create,
    "add_key": _add_key,
    "troubleshoot": _fix,
    "local_setup": _local_setup,
}


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Kill each runbook: at a sample of points and moments, or in the long profile at each point and 200 moments."""
    draw = random.Random(seed)
    with new_workplace() as workplace:
        for runbook, prepare in CHANGES.items():
            if profile.match.partition(",")[0] in ("", runbook):
                yield from _at_points(workplace, runbook, prepare, profile, draw)
        yield from _at_moments(workplace, profile, draw)
    yield from _without_sandbox(profile, draw)


def _at_points(
    workplace: Workplace, runbook: str, prepare: Prepare, profile: Profile, draw: random.Random
) -> Iterator[Try]:
    """A run that is not killed, and others that are killed at its points, some of them by a power failure."""
    change = prepare(workplace, draw)
    file = workplace.root / f"points-{runbook}"
    ended = _run(workplace, runbook, change, file, 0)
    failure = f"exit code {ended}" if ended else change.check() or workplace.wrong_files()
    if profile.has(f"{runbook}, not killed"):
        yield Try(runbook, f"{runbook}, not killed", failure)
    points = file.read_text(encoding="utf-8").splitlines()
    numbers = range(1, len(points) + 1)
    for number in numbers if profile.is_long else sorted(draw.sample(numbers, SAMPLE)):
        is_power = draw.random() < 0.5
        own = random.Random(draw.getrandbits(32))
        what = f"{runbook}, {'power lost' if is_power else 'killed'} at point {number}"
        if not profile.has(what):
            continue
        change = prepare(workplace, own)
        file.unlink(missing_ok=True)
        unsynced = file.with_suffix(UNSYNCED)
        unsynced.unlink(missing_ok=True)
        before = _files(workplace)
        code = _run(workplace, runbook, change, file, number)
        reached = file.read_text(encoding="utf-8").splitlines()[-1]
        half = _half(before, _files(workplace))
        for path in map(Path, unsynced.read_text(encoding="utf-8").splitlines() if unsynced.exists() else ()):
            if is_power and path.is_file():
                os.truncate(path, 0)
        failure = f"cut: {half}" if half else _converge(workplace, runbook, change)
        yield Try(runbook, what, f"{reached}, exit code {code}: {failure}" if failure else "")


def _at_moments(workplace: Workplace, profile: Profile, draw: random.Random) -> Iterator[Try]:
    for _ in range(MOMENTS if profile.is_long else FEW_MOMENTS):
        runbook, milliseconds = draw.choice([*CHANGES]), draw.randrange(3000)
        own = random.Random(draw.getrandbits(32))
        what = f"{runbook}, killed after {milliseconds} ms"
        if not profile.has(what):
            continue
        change = CHANGES[runbook](workplace, own)
        process = forked.Forked(workplace.command(runbook, change.words), workplace.variables, workplace.work)
        time.sleep(milliseconds / 1000)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(SECONDS)
        yield Try("random moments", what, _converge(workplace, runbook, change))


def _without_sandbox(profile: Profile, draw: random.Random) -> Iterator[Try]:
    """The sandbox is killed while a rotation goes on, and another one started at its address."""
    for step in ("redeploy", "watch") if profile.is_long else ("redeploy",):
        what = f"rotate, the sandbox killed at {step}"
        if profile.has(what):
            with new_workplace() as workplace:
                yield Try("killed sandbox", what, _killed_sandbox(workplace, step, draw))


def _killed_sandbox(workplace: Workplace, step: str, draw: random.Random) -> str:
    change, file = _rotate(workplace, draw), workplace.root / "points"
    tasks = [task["pid"] for task in lifecycle.status(workplace.sandbox)["tasks"]]
    words = [sys.executable, KILLED, str(file), "0", *workplace.command("rotate", change.words)[1:]]
    process = forked.Forked(words, workplace.variables, workplace.work)
    end = time.monotonic() + SECONDS
    while not file.exists() or f"before step {step}" not in file.read_text(encoding="utf-8").splitlines():
        if process.poll() is not None or time.monotonic() > end:
            return f"the rotation did not come to {step}"
        time.sleep(0.01)
    former = workplace.variables
    os.kill(workplace.sandbox.pid, signal.SIGKILL)
    output = "\n".join(process.communicate(SECONDS))
    if process.poll() != 2 or "AWS cannot be reached" not in output:
        return f"exit code {process.poll()} without a sentence"
    lifecycle.down(workplace.sandbox)
    processes = [pid for pid in tasks if runs(pid)]
    workplace.move_to(lifecycle.up("healthy", workplace.sandbox.port, is_attached=True))
    refused = forked.run(workplace.command("verify", ()), former, workplace.work, SECONDS)
    if refused.returncode != 2:
        return f"with the former sandbox's keys verify ends with {refused.returncode}"
    if processes:
        return f"{len(processes)} tasks of the killed sandbox still run"
    return _converge(workplace, "rotate", _rotate(workplace, draw))


def _run(workplace: Workplace, runbook: str, change: Change, file: Path, number: int) -> int:
    words = [sys.executable, KILLED, str(file), str(number), *workplace.command(runbook, change.words)[1:]]
    return int(forked.run(words, workplace.variables, workplace.work, SECONDS).returncode)


def _converge(workplace: Workplace, runbook: str, change: Change) -> str:
    """Begin a change again until it is done; why it is not, or what is wrong then."""
    line = ""
    for _ in range(RERUNS):
        try:
            ended = workplace.run(runbook, change.words)
        except TimeoutExpired:
            return f"begun again, it does not end within {SECONDS:.0f} s"
        if ended.returncode == 0:
            return change.check() or workplace.wrong_files()
        line = last_line(ended)
    return f"begun again, it ends with {ended.returncode}: {line}"


def _files(workplace: Workplace) -> dict[Path, bytes]:
    """The files of the checkout, git's own apart."""
    paths = (path for path in workplace.platform.root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path: path.read_bytes() for path in paths if "__pycache__" not in path.parts}


def _half(before: dict[Path, bytes], after: dict[Path, bytes]) -> str:
    """The files that were cut: a change adds lines, so that each file still has its former last one."""
    cut = [path.name for path, text in after.items() if path in before and _last(before[path]) not in text]
    return ", ".join(sorted(cut))


def _last(text: bytes) -> bytes:
    return next((line for line in reversed(text.splitlines()) if line.strip()), b"")
