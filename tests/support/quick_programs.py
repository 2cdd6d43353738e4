"""Programs that say what others do and start in less time, before those on the PATH.

- `docker` starts the very plugin of Compose that docker's own program would, which asks every plugin what it is each
  time, for twice Compose's time; all else as it is. What the plugin says of its version, which each look at a checkout
  asks for, it says without starting it.
- `sha256sum` is busybox's, where there is one: others load OpenSSL's library, for each digest of a look into a task.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from support import session_folder

FOLDER = "QUICK_PROGRAMS"
"""The variable with the folder that the programs are in, for the processes that are started with it."""
_PLUGIN = '{{range .ClientInfo.Plugins}}{{if eq .Name "compose"}}{{.Path}}{{end}}{{end}}'
_DOCKER = """#!/bin/sh
[ "$1" = compose ] || exec {docker} "$@"
if [ "$*" = "compose version" ]; then echo {version}; exit; fi
DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND={docker} exec {plugin} "$@"
"""


def put_first() -> None:
    """Put the programs on this process's PATH, for as long as it lasts."""
    if FOLDER in os.environ:
        return
    folder = session_folder.make("programs-")
    _put_docker(folder)
    _put_sha256sum(folder)
    os.environ |= {FOLDER: str(folder), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _put_docker(folder: Path) -> None:
    """Put it there where docker has the plugin."""
    docker = shutil.which("docker")
    if docker is None:
        return
    plugin, version = (_ask(docker, *words) for words in (("info", "--format", _PLUGIN), ("compose", "version")))
    if not version or not Path(plugin).is_absolute():
        return
    words = {"docker": docker, "plugin": plugin, "version": version}
    program = folder / "docker"
    program.write_text(_DOCKER.format(**{name: shlex.quote(text) for name, text in words.items()}))
    program.chmod(0o755)


def _put_sha256sum(folder: Path) -> None:
    """Put it there where busybox has it."""
    busybox = shutil.which("busybox")
    if busybox and _ask(busybox, "sha256sum").startswith(sha256(b"").hexdigest()):
        (folder / "sha256sum").symlink_to(busybox)


def _ask(*command: str) -> str:
    """What a program says; "" where it cannot be asked."""
    with suppress(OSError, subprocess.TimeoutExpired):
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return process.stdout.strip()
    return ""


def has(program: str) -> bool:
    """Whether a program is one of those."""
    return Path(os.environ.get(FOLDER, os.devnull), program).exists()


def path_without() -> str:
    """The PATH as it was before."""
    return os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if each != os.environ.get(FOLDER, ""))
