"""The application's Settings: which variables it reads, told from its source."""

from __future__ import annotations

import ast
from pathlib import Path

from omc_runbook.errors import UsageError

CONFIG = Path("backend/app/core/config.py")


def read_fields(repository: Path) -> tuple[str, ...]:
    """Names of the fields of the class Settings in a checkout of the platform.

    Raises UsageError where there is no such file, no such class, or the file is no Python.
    """
    path = repository / CONFIG
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{repository} has no {CONFIG}: name a checkout of the platform.") from None
    except (SyntaxError, UnicodeDecodeError):
        raise UsageError(f"{path} is not valid Python: mend it, or leave repository empty.") from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    if not classes:
        raise UsageError(f"{path} has no class Settings: name a checkout of the platform.")
    return tuple(
        node.target.id
        for node in classes[0].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_")
    )
