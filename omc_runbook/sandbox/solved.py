"""The faults that this user has solved in drills: a private file beside the sandboxes, which outlives them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from omc_runbook.model.errors import RunbookError
from omc_runbook.model.grouping import grouped
from omc_runbook.sandbox import faults, folders
from omc_runbook.textfile import private_file


@dataclass(frozen=True)
class BestAnswer:
    """A user's best answer to a fault: its points and the seconds it took."""

    fault: str
    points: int
    seconds: float


@dataclass(frozen=True)
class FamilyScore:
    """A family of faults: how many there are, and the best answers to those that were solved."""

    family: str
    faults: int
    solved: tuple[BestAnswer, ...]


def add(answer: BestAnswer) -> None:
    """Keep a right answer, unless a better one to the same fault is kept; raises RunbookError if it cannot be."""
    answers = {each.fault: each for each in _read()}
    best = answers.get(answer.fault, answer)
    answers[answer.fault] = max(best, answer, key=lambda each: (each.points, -each.seconds))
    content = json.dumps([asdict(each) for each in answers.values()], indent=2).encode()
    path = folders.solved_file()
    try:
        private_file.write(path, content)
    except OSError as error:
        raise RunbookError(f"The answer could not be kept in {path}: {error.strerror}.") from None


def clear() -> None:
    """Forget every answer."""
    folders.solved_file().unlink(missing_ok=True)


def score() -> tuple[FamilyScore, ...]:
    """Every family with what was solved of it, in the catalogue's order."""
    answers = {each.fault: each for each in _read()}
    members = grouped((fault.family, fault.id) for fault in faults.every())
    return tuple(
        FamilyScore(family, len(ids), tuple(answers[id] for id in ids if id in answers))
        for family, ids in members.items()
    )


def _read() -> list[BestAnswer]:
    """The answers that are kept, at most one a fault of the catalogue; a damaged file has none."""
    try:
        members = json.loads(folders.solved_file().read_bytes())
        answers = [BestAnswer(str(each["fault"]), int(each["points"]), float(each["seconds"])) for each in members]
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return []
    ids = {fault.id for fault in faults.every()}
    return list({each.fault: each for each in answers if each.fault in ids}.values())
