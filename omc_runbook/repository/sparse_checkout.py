"""Whether git leaves files of a checkout out, by git's own files: a sparse checkout."""

from __future__ import annotations

import re
from pathlib import Path

from omc_runbook.model.programs import work_tree_of
from omc_runbook.model.shell import command
from omc_runbook.repository.code_files import read_text

_SWITCH = re.compile(r"(?im)^\s*sparsecheckout\s*=\s*(\w+)")
_CONFIGURATION = ("config", "config.worktree")
"""The files of git's configuration, of which the last one that sets a variable counts."""


def advise_sparse(repository: Path) -> str:
    """A sentence, after a blank, on the files that a sparse checkout leaves out; "" where it is none."""
    work_tree = find_sparse(repository)
    if work_tree is None:
        return ""
    return f" It is a sparse checkout: {command('git', '-C', work_tree, 'sparse-checkout', 'disable')} brings the rest."


def find_sparse(repository: Path) -> Path | None:
    """The work tree that a checkout is or is in, where it is a sparse one; None elsewhere."""
    work_tree = work_tree_of(repository)
    git_dir = work_tree / ".git"
    if git_dir.is_file():
        # A linked work tree has a file with the path of its own folder in the git directory.
        git_dir = work_tree / read_text(git_dir).partition(":")[2].strip()
    switches = [each for name in _CONFIGURATION for each in _SWITCH.findall(read_text(git_dir / name))]
    return work_tree if switches and switches[-1].lower() == "true" else None
