"""Docker Compose without docker's own program, which asks every plugin what it is each time, for twice Compose's time.

A `docker` before the real one on the PATH starts the very plugin that the real one would, and all else as it is. What
the plugin says of its version, which each look at a checkout asks for, it says without starting it.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

FOLDER = "DIRECT_COMPOSE"
"""The variable with the folder that the program is in, for the processes that are started with it."""
_PLUGIN = '{{range .ClientInfo.Plugins}}{{if eq .Name "compose"}}{{.Path}}{{end}}{{end}}'
_PROGRAM = """#!/bin/sh
[ "$1" = compose ] || exec {docker} "$@"
if [ "$*" = "compose version" ]; then echo {version}; exit; fi
DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND={docker} exec {plugin} "$@"
"""


def put_first() -> None:
    """Put the program on this process's PATH, for as long as it lasts; nothing where docker has no such plugin."""
    docker = shutil.which("docker")
    if docker is None or FOLDER in os.environ:
        return
    plugin, version = (_ask(docker, *words) for words in (("info", "--format", _PLUGIN), ("compose", "version")))
    if not version or not Path(plugin).is_absolute():
        return
    folder = Path(tempfile.mkdtemp(prefix="compose-"))
    atexit.register(_remove, folder, os.getpid())
    program = folder / "docker"
    words = {"docker": docker, "plugin": plugin, "version": version}
    program.write_text(_PROGRAM.format(**{name: shlex.quote(text) for name, text in words.items()}))
    program.chmod(0o755)
    # For tests whose processes run as other users.
    folder.chmod(0o755)
    os.environ |= {FOLDER: str(folder), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _ask(*command: str) -> str:
    """What a program says; "" where it cannot be asked."""
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    return ""


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder)


def path_without(environment: Mapping[str, str]) -> str:
    """The PATH as it was before."""
    return os.pathsep.join(
        each for each in environment["PATH"].split(os.pathsep) if each != environment.get(FOLDER, "")
    )
