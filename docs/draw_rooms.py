"""Draws the package's rooms and the imports between them into docs/architecture.md: `python docs/draw_rooms.py`."""

import ast
import re
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def from_imports(path: Path) -> list[ast.ImportFrom]:
    """The `from` imports of a module."""
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]


def rooms(package: Path, imports_of: Callable[[Path], Iterable[ast.ImportFrom]] = from_imports) -> dict[str, set[str]]:
    """Each room of a package, a folder or a module at its top, with the rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).with_suffix("").parts[0]
        if room == "__init__":
            continue
        targets = found.setdefault(room, set())
        for node in imports_of(path):
            if f"{node.module}.".startswith(f"{package.name}."):
                below = str(node.module).split(".")[1:]
                targets |= {below[0]} if below else {alias.name for alias in node.names}
    return {room: (targets & found.keys()) - {room} for room, targets in found.items()}


def draw(imports: dict[str, set[str]]) -> str:
    """The rooms as a Mermaid flowchart, the cellar below; an arrow that others imply is left out.

    Raises graphlib.CycleError where rooms import each other.
    """
    order = tuple(TopologicalSorter(imports).static_order())
    reached: dict[str, set[str]] = {}
    lines = []
    for room in order:
        reached[room] = imports[room].union(*(reached[target] for target in imports[room]))
        implied = set[str]().union(*(reached[target] for target in imports[room]))
        lines += [f"    {room} --> {target}" for target in sorted(imports[room] - implied)]
    return "\n".join(("```mermaid", "flowchart TD", *reversed(lines), "```")) + "\n"


if __name__ == "__main__":
    PAGE.write_text(PICTURE.sub(draw(rooms(ROOT / "omc_runbook")), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
