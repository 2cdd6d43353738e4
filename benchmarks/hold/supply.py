"""What is installed, and who may call the sandbox: the lock, files by their hashes, licences, other hosts and users."""

from __future__ import annotations

import base64
import csv
import hashlib
import http.client
import importlib.util
import os
import random
import re
import signal
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType

from benchmarks.hold.trial import Profile, Try
from omc_runbook.sandbox import folders, lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

ROOT = Path(__file__).parents[2]
SAMPLE = 40
"""Distributions whose files the short profile reads."""
NOBODY = 65534
HOSTS = ("example.com", "169.254.169.254", "127.0.0.1.example.com:{port}", "localhost.:{port}", "127.0.0.1:1", "")
ORIGINS = ("http://example.com", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}")
PATHS = ("status", "reset", "settle")
_LINE = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>\S+) \\\n    --hash=sha256:[0-9a-f]{64}\n")


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """The lock, installed files, licences, and requests that the sandbox has to refuse."""
    lock, licences = _script("lock"), _script("licences")
    for what, failure in _lock(lock.path()):
        if profile.has(what):
            yield Try("lock", what, failure)
    names = licences.needed()
    for name in names if profile.is_long else sorted(random.Random(seed).sample(names, SAMPLE)):
        if profile.has(what := f"files of {name}"):
            yield Try("installed files", what, _changed_files(name))
    refused = {each.partition(":")[0]: each for each in licences.refused()}
    for name in names:
        if profile.has(what := f"licence of {name}"):
            yield Try("licences", what, refused.get(name, ""))
    sandbox = lifecycle.up(None, is_attached=True)
    try:
        for what, is_refused in _requests(sandbox):
            if profile.has(what):
                yield Try("sandbox", what, "" if is_refused() else "it is answered")
    finally:
        lifecycle.down(sandbox)


def _script(name: str) -> ModuleType:
    """A script of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader, "docs/ has it"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lock(path: Path) -> Iterator[tuple[str, str]]:
    """The lock of this Python: whole, without a host, with all that pyproject.toml names; where there is one."""
    if not path.exists():
        return
    text = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if not line.startswith("#"))
    entries = {match["name"]: match["version"] for match in _LINE.finditer(text)}
    yield "each line has a hash", "" if _LINE.sub("", text) == "" else "there are other lines"
    yield "no host is named", "an address is in it" if "://" in text or "--" in text.replace("--hash=", "") else ""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = declared["optional-dependencies"].values()
    needed = [*declared["dependencies"], *(each for extra in extras for each in extra)]
    names = {re.split(r"[\[<>=~! ]", each)[0].lower() for each in needed}
    missing = sorted(names - entries.keys() - {"omc-runbook"})
    yield "it has all that pyproject.toml names", f"without {', '.join(missing)}" if missing else ""
    other = [name for name, version in entries.items() if _version(name) not in ("", version)]
    yield "its versions are those that are installed", f"others: {', '.join(other)}" if other else ""


def _version(name: str) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return ""


def _changed_files(name: str) -> str:
    """The files of a distribution that are not as its RECORD says; programs apart, which name this environment."""
    distribution, changed = metadata.distribution(name), []
    for relative, named, _ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if not named or relative.startswith(".."):
            continue
        mode, _, expected = named.partition("=")
        path = Path(str(distribution.locate_file(relative)))
        content = path.read_bytes() if path.exists() else b""
        digest = base64.urlsafe_b64encode(hashlib.new(mode, content).digest()).rstrip(b"=").decode()
        changed += [relative] if digest != expected else []
    return f"changed: {', '.join(changed[:3])}" if changed else ""


def _requests(sandbox: Sandbox) -> Iterator[tuple[str, Callable[[], bool]]]:
    """What has to be refused, each with a function that says whether it is."""
    port, own = sandbox.port, f"127.0.0.1:{sandbox.port}"
    for host in HOSTS:
        named = host.format(port=port)
        yield f"Host {host or 'none'}", lambda named=named: _status(port, {"Host": named}) in (400, 403)  # type: ignore[misc]
    for origin in ORIGINS:
        named = origin.format(port=port)
        yield f"Origin {origin}", lambda named=named: _status(port, {"Host": own, "Origin": named}) in (400, 403)  # type: ignore[misc]
    for path in PATHS:
        yield f"control path {path} without the token", lambda path=path: _control(port, path) in (401, 403, 404)  # type: ignore[misc]
    yield "a call without a signature", lambda: _status(port, {"Host": own}) in (400, 401, 403)
    if os.getuid() == 0:
        state = folders.at(sandbox.endpoint).directory
        yield "its state by another user", lambda: _is_closed_to_others(state)


def _status(port: int, headers: dict[str, str], path: str = "/") -> int:
    """What a call of GetCallerIdentity without a signature is answered with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    try:
        connection.putrequest("POST", path, skip_host=True)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, text)
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


def _control(port: int, path: str) -> int:
    return _status(port, {"Host": f"127.0.0.1:{port}"}, f"/_sandbox/{path}")


def _is_closed_to_others(folder: Path) -> bool:
    """Whether another user, as whom a fork of this process goes on, cannot read the sandbox's keys and its token."""
    child = os.fork()
    if not child:
        code = 1
        with suppress(OSError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                (folder / "state.json").read_bytes()
            except PermissionError:
                code = 0
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
