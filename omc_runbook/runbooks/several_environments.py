"""Several environments of one run: each that can be reached, and why another one cannot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

from omc_runbook.masking import kernel
from omc_runbook.model.environment import Environment, load
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.unread_target import UnreadTarget
from omc_runbook.runbooks.run import Target, find_settings, new_reading_time, reach, sign_in

T = TypeVar("T")


def reach_each(
    runbook: str, environments: Sequence[str], runbook_toml: str, beside: Collection[str] = ()
) -> tuple[Target, ...]:
    """`reach` each environment, `name_environment` it, also `beside` others of the run; raises as `reach` does."""
    targets = []
    for name in environments:
        with name_environment(name, (*environments, *beside)):
            targets.append(reach(runbook, name, runbook_toml))
    return tuple(targets)


def reach_some(
    runbook: str, environments: Sequence[str], runbook_toml: str
) -> tuple[tuple[Target, ...], tuple[UnreadTarget, ...]]:
    """`reach` those environments that can be, and say why the others cannot.

    They are all signed in to at once, since one that never answers takes long; one after the other where a person may
    be asked for MFA codes. Raises as `reach` does for what is wrong before AWS is asked for the caller, and where none
    can be reached.
    """
    unfound, times = dict[str, CouldNotLook](), {name: new_reading_time() for name in environments}

    def find(name: str) -> Environment:
        try:
            return find_settings(runbook, name, runbook_toml, "", times[name])
        except CouldNotLook as error:
            # Its account may be one that could not be searched.
            unfound[name] = error
            return load(name, runbook_toml, may_be_new=True)

    def reach_found(settings: Environment) -> Target:
        if settings.name in unfound:
            raise unfound[settings.name]
        return sign_in(runbook, settings, times.get(settings.name))

    found = dict(enumerate(map(find, environments)))
    if kernel.allows_prompt():
        reached, unread = try_each(found, reach_found, found)
    else:
        pool = ThreadPoolExecutor(len(found), "sign-in")
        try:
            targets = {each.name: pool.submit(copy_context().run, reach_found, each) for each in found.values()}
            reached, unread = try_each(found, lambda settings: targets[settings.name].result(), found)
        finally:
            # An interruption does not wait for what never answers.
            pool.shutdown(wait=False, cancel_futures=True)
    return tuple(reached.values()), unread


def try_each(
    environments: Mapping[int, Environment], act: Callable[[Environment], T], among: Sized
) -> tuple[dict[str, T], tuple[UnreadTarget, ...]]:
    """Call `act` for each environment: the results by its name, and the environments for which it fails.

    `environments` are by their position in the run. Where it fails for all, raises the first error, which names its
    environment if `among` has several.
    """
    results, unread = dict[str, T](), list[UnreadTarget]()
    for position, environment in environments.items():
        try:
            results[environment.name] = act(environment)
        except (CouldNotLook, UsageError) as error:
            unread.append(UnreadTarget(position, environment, error))
    if not results:
        with name_environment(unread[0].environment.name, among):
            raise unread[0].error
    return results, tuple(unread)


@contextmanager
def name_environment(environment: str, environments: Sized) -> Iterator[None]:
    """Say in a CouldNotLook which one of several environments it is about."""
    try:
        yield
    except CouldNotLook as error:
        if len(environments) == 1:
            raise
        # Environments of one account share calls, and so the error of one that fails.
        raise CouldNotLook(f"{environment}: {error}", kind=error.kind) from None
