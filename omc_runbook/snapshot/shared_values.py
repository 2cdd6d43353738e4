"""Local secrets held against other environments', by keyed fingerprint, in memory alone."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.masking.fingerprint import fingerprint, login_fingerprint, new_key
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.snapshot.other_environments import read_prints
from omc_runbook.workstation.workstation import SharedValues, Workstation, is_value


def compare(clients: Clients, caller: Caller, environment: Environment, place: Workstation) -> SharedValues:
    """Which secrets of the .env another environment's secret has too, under whatever key."""
    names = dict(environment.others) | ({environment.name: environment.names} if environment.name != LOCAL else {})
    mark = new_key()
    mine = list(_prints(place, mark))
    same: dict[str, str] = {}
    unread, compared = [], []
    for other, theirs in read_prints(clients, caller, environment.names.profile, names, environment.keys, mark).items():
        if isinstance(theirs, str):
            unread.append(f"Local values could not be compared with {other}: {theirs}")
            continue
        compared.append(other)
        same |= {name: f"{other}'s {theirs[mark_of]}" for name, mark_of in mine if mark_of in theirs}
    return SharedValues(same, tuple(unread), tuple(compared))


def _prints(place: Workstation, mark: bytes) -> Iterator[tuple[str, str]]:
    """Each secret of the .env, and each password in an address there, with its fingerprint."""
    for binding in place.dotenv.bindings if place.dotenv else ():
        value = binding.for_python or binding.for_compose
        if value is not None and is_value(value):
            if place.is_secret(binding.name):
                yield binding.name, fingerprint(value, mark)
            yield binding.name, login_fingerprint(value, mark)
