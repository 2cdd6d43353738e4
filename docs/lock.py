"""Writes down the distributions of this environment with their hashes, for pip to check: `python docs/lock.py`.

The file is for one Python on one kind of machine, which its name says, and names no index. `--path` prints its name.
To renew it: make an environment without it, run the tests, run this, and commit the file.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = "omc-runbook"
BUILD = ("hatchling", "editables")
"""What pip needs to install the checkout itself, without asking an index for it."""
HEAD = """\
# What `make LOCKED=1 …` installs, with the SHA-256 of each file: by `python docs/lock.py`, in an environment whose
# tests have passed. Another Python or machine has a file of its own.
"""


def path() -> Path:
    """The lock's file for this Python and machine."""
    return ROOT / "docs" / f"lock-{sys.implementation.cache_tag}-{sysconfig.get_platform()}.txt"


def resolve() -> list[str]:
    """Each distribution of this environment that the project needs, as pip's line with its hash.

    Raises subprocess.CalledProcessError where pip does not find one of them.
    """
    installed = [f"{each.name}=={each.version}" for each in metadata.distributions() if each.name not in (OWN, "pip")]
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder) / "constraints.txt", Path(folder) / "report.json"
        constraints.write_text("\n".join(installed), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary", ":all:", "--constraint", str(constraints), "--report", str(report)]
        subprocess.run([*command, f"{ROOT}[dev]", *BUILD], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    lines = (
        f"{_normal(each['metadata']['name'])}=={each['metadata']['version']} \\\n"
        f"    --hash=sha256:{each['download_info']['archive_info']['hashes']['sha256']}"
        for each in found
        if each["metadata"]["name"] != OWN
    )
    return sorted(lines)


def _normal(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    if sys.argv[1:] != ["--path"]:
        path().write_text(HEAD + "\n".join(resolve()) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path().relative_to(ROOT)}\n")
