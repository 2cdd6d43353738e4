"""A plain moto server without the sandbox, for cases that need no running task: what another emulator shows of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.server import ThreadedMotoServer

from omc_runbook.checks.families import find
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.worlds import build
from omc_runbook.sandbox.worlds.staging import World

KEYS = Credentials("testing", "testing")
OF_TASKS = frozenset({"tasks", "service_deployments", "inside", "log_lines"})
"""Fields of a snapshot that moto's ECS has nothing for: its services run no tasks."""


class PlainWorld(World):
    """An account in moto, in which nothing ever happens by itself."""

    def settle(self) -> None:
        """Wait for nothing: no service starts a task."""

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for nothing either."""


@contextmanager
def serve(starts_healthy: bool) -> Iterator[PlainWorld]:
    """Serve a new account, to which the variables point meanwhile, with the healthy world in it or empty."""
    logging.disable(logging.ERROR)
    BackendDict.reset()
    reset_model_data()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": KEYS.secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    try:
        with patch.dict(os.environ, variables):
            world = PlainWorld(endpoint, credentials=KEYS)
            if starts_healthy:
                build.restore(world, build.healthy_document())
            yield world
    finally:
        server.stop()
        logging.disable(logging.NOTSET)


def needs_no_task(expected: tuple[str, ...]) -> bool:
    """Whether checks see their faults without a task."""
    checks = [find(check) for check in expected]
    return not any(check is None or OF_TASKS.intersection(check.needs) for check in checks)
