"""Prints the licence of each distribution that omc-runbook needs, with all extras: `python docs/licences.py`.

Exits with 1 where one of them may be used under AGPL or GPL alone.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "omc-runbook"
KNOWN = {"axe-playwright-python": "MIT"}
"""Licences of distributions whose metadata have none, by their repositories."""
ALLOWED: dict[str, str] = {}
"""Distributions under AGPL or GPL alone that may be used all the same, and why."""
_STRONG = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|(Affero )?General Public License)")
_PREFIX = "License :: "


def needed() -> list[str]:
    """The names of all distributions that are installed for omc-runbook and its extras, but its own."""
    found, waiting = set[tuple[str, str]](), [(OWN, extra) for extra in _extras(OWN)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for requirement in map(Requirement, _metadata(name).get_all("Requires-Dist") or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return sorted({name for name, _ in found if _is_installed(name)} - {OWN})


def licence(name: str) -> str:
    """The licence that a distribution's metadata names; "" where they name none."""
    fields = _metadata(name)
    classifiers = (each for each in fields.get_all("Classifier") or () if each.startswith(_PREFIX))
    texts = "; ".join(each.removeprefix(_PREFIX).removeprefix("OSI Approved :: ") for each in classifiers)
    first = next(iter((fields.get("License") or "").splitlines()), "")
    return str(fields.get("License-Expression") or texts or first or KNOWN.get(name, ""))


def is_strong(text: str) -> bool:
    """Whether a licence allows use under AGPL or GPL alone: each alternative of it has one of them."""
    return all(_STRONG.search(each) for each in re.split(r"\bOR\b|; ", text))


def refused() -> Iterator[str]:
    """The distributions that may not be used, with their licences, and those that have none."""
    for name in needed():
        text = licence(name)
        if name not in ALLOWED and (not text or is_strong(text)):
            yield f"{name}: {text or 'no licence'}"


def _extras(name: str) -> tuple[str, ...]:
    return ("", *(_metadata(name).get_all("Provides-Extra") or ()))


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@cache
def _metadata(name: str) -> metadata.PackageMetadata:
    """A distribution's metadata; empty for one that is not installed here."""
    if _is_installed(name):
        return metadata.metadata(name)
    from email.message import Message

    return Message()  # type: ignore[return-value]


if __name__ == "__main__":
    # A reader that has seen enough, as `| head`, ends this as it ends other programs.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for each in needed():
        sys.stdout.write(f"{each:<36} {metadata.version(each):<16} {licence(each)}\n")
    sys.exit("\n".join(refused()) or 0)
