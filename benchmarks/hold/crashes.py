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
from benchmarks.hold.workplace import SECONDS, Workplace, forked, last_line, runs, workplace
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.worlds.staging import CLUSTER, STAGING

UNSYNCED = ".unsynced"
KILLED = str(Path(__file__).with_name("killed_command.py"))
RERUNS = 2
"""How often a killed run is begun again until it has to be done."""
MOMENTS, FEW_MOMENTS, SAMPLE = 200, 4, 1
"""Random moments in the long profile and in the short one, and the points of each runbook in the short one."""
PRODUCTION_SECRET = "ohmycoins-production-app-secrets"
FAULTS = ("no-permission", "bare-name", "not-forced")
Check = Callable[[], str]


@dataclass(frozen=True)
class Change:
    """A change to make: the words of its run, and what is wrong with the world after it; "" for nothing."""

    words: Sequence[str]
    check: Check


Prepare = Callable[[Workplace, random.Random], Change]


def _update(place: Workplace, draw: random.Random) -> Change:
    new = {**place.members(), "SMTP_PASSWORD": place.draw_value()}
    words = ("values_from=env:NEW_VALUE", "keys=SMTP_PASSWORD", "apply=true")
    return Change(words, lambda: place.wrong_secret(new) or place.wrong_tasks())


def _rotate(place: Workplace, draw: random.Random) -> Change:
    former = place.members()

    def check() -> str:
        made = place.members().get("SECRET_KEY", former["SECRET_KEY"])
        same = "SECRET_KEY is not renewed" if made == former["SECRET_KEY"] else ""
        return same or place.wrong_secret({**former, "SECRET_KEY": made}) or place.wrong_tasks()

    return Change(("keys=SECRET_KEY", "apply=true"), check)


def _restore(place: Workplace, draw: random.Random) -> Change:
    now = place.members()
    if now.keys() - place.members(place.version_at("AWSPREVIOUS")).keys():
        # A version without a key that tasks reference is refused.
        changed = json.dumps({**now, "SMTP_PASSWORD": place.draw_value()})
        place.world.secretsmanager.put_secret_value(SecretId=place.secret, SecretString=changed)
    version = place.version_at("AWSPREVIOUS")
    former = place.members(version)
    return Change((f"version={version}", "apply=true"), lambda: place.wrong_secret(former) or place.wrong_tasks())


def _remove_production(place: Workplace) -> None:
    client = place.world.secretsmanager
    listed = client.list_secrets(IncludePlannedDeletion=True)["SecretList"]
    if any(each["Name"] == PRODUCTION_SECRET for each in listed):
        client.delete_secret(SecretId=PRODUCTION_SECRET, ForceDeleteWithoutRecovery=True)


def _create(place: Workplace, draw: random.Random) -> Change:
    client = place.world.secretsmanager
    _remove_production(place)

    def check() -> str:
        stages = client.describe_secret(SecretId=PRODUCTION_SECRET)["VersionIdsToStages"]
        return "" if [*stages.values()] == [["AWSCURRENT"]] else f"its versions have the labels {[*stages.values()]}"

    return Change(("environment=production", "confirm=production", "apply=true"), check)


def _add_key(place: Workplace, draw: random.Random) -> Change:
    _remove_production(place)
    key = f"KEY_{draw.randbytes(3).hex().upper()}_OF_NEWS"
    expected = {**place.members(), key: place.draw_value()}
    place.platform.git("checkout", "--quiet", "--", ".")
    place.platform.git("clean", "--quiet", "--force", "-d")

    def check() -> str:
        arn = place.world.ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]["taskDefinition"]
        definition = place.world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        names = [entry["name"] for entry in definition["containerDefinitions"][0]["secrets"]]
        edited = place.platform.git("diff", "--unified=0").splitlines()
        added = [line for line in edited if line.startswith("+") and key in line]
        left = place.platform.git("ls-files", "--others", "--exclude-standard").split()
        wrong = [
            f"{STAGING}-backend refers to it {names.count(key)} times" if names.count(key) != 1 else "",
            f"{len(added)} lines of the checkout have it" if len(added) < 3 else "",
            f"left in the checkout: {', '.join(left)}" if left else "",
        ]
        return ", ".join(filter(None, wrong)) or place.wrong_secret(expected) or place.wrong_tasks()

    words = (f"key={key}", "values_from=env:NEW_VALUE", "description=Headlines on coins", "apply=true")
    return Change((*words, "obtain_from=https://news.example.com/keys"), check)


def _fix(place: Workplace, draw: random.Random) -> Change:
    # A fix leaves what the fault breaks under another name.
    faults.mend(place.sandbox.endpoint)
    faults.break_(place.sandbox.endpoint, draw.choice(FAULTS))
    members = place.members()
    return Change(("apply=true",), lambda: place.wrong_secret(members) or place.wrong_tasks())


def _local_setup(place: Workplace, draw: random.Random) -> Change:
    place.platform.dotenv.unlink(missing_ok=True)
    good = place.platform.good_values()
    source = place.work / "values"
    source.unlink(missing_ok=True)
    source.touch(0o600)
    source.write_text("".join(f"{name}={value}\n" for name, value in good.items()))

    def check() -> str:
        dotenv = place.platform.dotenv
        if not dotenv.exists():
            return "there is no .env"
        lines = dotenv.read_text().splitlines()
        missing = [name for name, value in good.items() if f"{name}={value}" not in lines]
        mode = dotenv.stat().st_mode & 0o777
        left = place.platform.git("ls-files", "--others", "--exclude-standard").split()
        wrong = [f"without {', '.join(missing)}" if missing else "", f"mode {mode:o}" if mode != 0o600 else "", *left]
        return ", ".join(filter(None, wrong))

    words = ("environment=local", f"repository={place.platform.root}", f"values_from=file:{source}", "apply=true")
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
    with workplace() as place:
        for runbook, prepare in CHANGES.items():
            if profile.match.partition(",")[0] in ("", runbook):
                yield from _at_points(place, runbook, prepare, profile, draw)
        yield from _at_moments(place, profile, draw)
    yield from _without_sandbox(profile, draw)


def _at_points(
    place: Workplace, runbook: str, prepare: Prepare, profile: Profile, draw: random.Random
) -> Iterator[Try]:
    """A run that is not killed, and others that are killed at its points, some of them by a power failure."""
    change = prepare(place, draw)
    file = place.root / f"points-{runbook}"
    ended = _run(place, runbook, change, file, 0)
    failure = f"exit code {ended}" if ended else change.check() or place.wrong_files()
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
        change = prepare(place, own)
        file.unlink(missing_ok=True)
        unsynced = file.with_suffix(UNSYNCED)
        unsynced.unlink(missing_ok=True)
        before = _files(place)
        code = _run(place, runbook, change, file, number)
        reached = file.read_text(encoding="utf-8").splitlines()[-1]
        half = _half(before, _files(place))
        for path in map(Path, unsynced.read_text(encoding="utf-8").splitlines() if unsynced.exists() else ()):
            if is_power and path.is_file():
                os.truncate(path, 0)
        failure = f"cut: {half}" if half else _converge(place, runbook, change)
        yield Try(runbook, what, f"{reached}, exit code {code}: {failure}" if failure else "")


def _at_moments(place: Workplace, profile: Profile, draw: random.Random) -> Iterator[Try]:
    for _ in range(MOMENTS if profile.is_long else FEW_MOMENTS):
        runbook, milliseconds = draw.choice([*CHANGES]), draw.randrange(3000)
        own = random.Random(draw.getrandbits(32))
        what = f"{runbook}, killed after {milliseconds} ms"
        if not profile.has(what):
            continue
        change = CHANGES[runbook](place, own)
        process = forked.Forked(place.command(runbook, change.words), place.variables, place.work)
        time.sleep(milliseconds / 1000)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(SECONDS)
        yield Try("random moments", what, _converge(place, runbook, change))


def _without_sandbox(profile: Profile, draw: random.Random) -> Iterator[Try]:
    """The sandbox is killed while a rotation goes on, and another one started at its address."""
    for step in ("redeploy", "watch") if profile.is_long else ("redeploy",):
        what = f"rotate, the sandbox killed at {step}"
        if profile.has(what):
            with workplace() as place:
                yield Try("killed sandbox", what, _killed_sandbox(place, step, draw))


def _killed_sandbox(place: Workplace, step: str, draw: random.Random) -> str:
    change, file = _rotate(place, draw), place.root / "points"
    tasks = [task["pid"] for task in lifecycle.status(place.sandbox)["tasks"]]
    words = [sys.executable, KILLED, str(file), "0", *place.command("rotate", change.words)[1:]]
    process = forked.Forked(words, place.variables, place.work)
    end = time.monotonic() + SECONDS
    while not file.exists() or f"before step {step}" not in file.read_text(encoding="utf-8").splitlines():
        if process.poll() is not None or time.monotonic() > end:
            return f"the rotation did not come to {step}"
        time.sleep(0.01)
    former = place.variables
    os.kill(place.sandbox.pid, signal.SIGKILL)
    said = "\n".join(process.communicate(SECONDS))
    if process.poll() != 2 or "AWS cannot be reached" not in said:
        return f"exit code {process.poll()} without a sentence"
    lifecycle.down(place.sandbox)
    left = [pid for pid in tasks if runs(pid)]
    place.move_to(lifecycle.up("healthy", place.sandbox.port, is_attached=True))
    refused = forked.run(place.command("verify", ()), former, place.work, SECONDS)
    if refused.returncode != 2:
        return f"with the former sandbox's keys verify ends with {refused.returncode}"
    if left:
        return f"{len(left)} tasks of the killed sandbox still run"
    return _converge(place, "rotate", _rotate(place, draw))


def _run(place: Workplace, runbook: str, change: Change, file: Path, number: int) -> int:
    words = [sys.executable, KILLED, str(file), str(number), *place.command(runbook, change.words)[1:]]
    return int(forked.run(words, place.variables, place.work, SECONDS).returncode)


def _converge(place: Workplace, runbook: str, change: Change) -> str:
    """Begin a change again until it is done; why it is not, or what is wrong then."""
    said = ""
    for _ in range(RERUNS):
        try:
            ended = place.run(runbook, change.words)
        except TimeoutExpired:
            return f"begun again, it does not end within {SECONDS:.0f} s"
        if ended.returncode == 0:
            return change.check() or place.wrong_files()
        said = last_line(ended)
    return f"begun again, it ends with {ended.returncode}: {said}"


def _files(place: Workplace) -> dict[Path, bytes]:
    """The files of the checkout, git's own apart."""
    found = (path for path in place.platform.root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path: path.read_bytes() for path in found if "__pycache__" not in path.parts}


def _half(before: dict[Path, bytes], after: dict[Path, bytes]) -> str:
    """The files that were cut: a change adds lines, so that each file still has its former last one."""
    cut = [path.name for path, text in after.items() if path in before and _last(before[path]) not in text]
    return ", ".join(sorted(cut))


def _last(text: bytes) -> bytes:
    return next((line for line in reversed(text.splitlines()) if line.strip()), b"")
