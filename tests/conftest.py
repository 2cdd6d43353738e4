"""Fixtures that several test modules share."""

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from execnet import XSpec
from hypothesis import settings
from support import (
    forked_sandboxes,
    forked_workers,
    garbage,
    quick_programs,
    session_folder,
    shared_models,
    strict_requests,
)
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from omc_runbook.headless.run import skip_formats
from omc_runbook.masking import registry
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.definition_cache import OFF, VARIABLE

# Until all is imported there is next to nothing to collect, and more and more to go through.
gc.disable()
skip_formats()
# A shell's background job ignores SIGINT, and so would the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# More processes than cores: each works for a while before the next one does, which leaves more in the cores' caches.
with suppress(AttributeError, OSError):
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))

session_folder.put_temporary_files_in_memory()

# How long an example takes on a busy machine decides nothing.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

# moto would make some thousand images, each with a volume, whenever a test first asks it for something of EC2.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
# Docker Compose, which is asked some thousand times, ends before it needs a collector of garbage or a second core.
os.environ |= {"GOGC": "off", "GOMAXPROCS": "1"}

TESTS = Path(__file__).parent
LONG_FIRST = (
    *("sandbox/test_faults.py", "notebooks/", "browser/", "unit/checks/test_local_faults.py"),
    *("sandbox/test_strategies.py", "sandbox/test_rotation.py", "unit/terraform/test_task_definitions.py"),
    "sandbox/",
    *("unit/workstation/test_settings_probe.py", "unit/headless/test_workers.py", "unit/changes/test_dotenv_file.py"),
    *("unit/model/test_shell.py", "unit/repository/test_settings.py", "unit/runbooks/test_init.py"),
    *("unit/aws/test_incomplete_answers.py", "unit/test_project.py", "unit/checks/test_printed_remedies.py", "unit/"),
)
"""Which tests begin first, for all workers to end together."""


PARTS = {"tests/sandbox/test_faults.py": 4, "tests/notebooks/test_rotate.py": 2}
"""Files whose tests each leave the sandbox as they found it, and which several workers share."""


class Scheduling(LoadFileScheduling):
    """Lets a worker run whole files, or a part of a long one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return f"{file}:{crc32(nodeid.encode()) % PARTS[file]}" if file in PARTS else file

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Keep what a worker has collected as what finds a test at once."""
        super().add_node_collection(node, collection)
        if node in self.registered_collections:
            self.registered_collections[node] = Collected(collection)


class Collected(list[str]):
    """The tests of a worker, each of which xdist asks for its index: a list would go through itself each time."""

    def __init__(self, tests: Iterable[str]) -> None:
        super().__init__(tests)
        self._indices = {test: at for at, test in enumerate(self)}

    def index(self, test: str) -> int:
        """Where a test is; ids are unique."""
        return self._indices[test]


def pytest_configure() -> None:
    """Have programs started that take less time, here and in what this process starts."""
    quick_programs.put_first()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Share the tests out by `Scheduling`."""
    return Scheduling(config, log)


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[XSpec]) -> None:
    """Let the workers be forks of one process."""
    if forked_workers.is_possible():
        stack = ExitStack()
        config.add_cleanup(stack.close)
        command = stack.enter_context(forked_workers.start(config.invocation_params.args))
        for spec in filter(attrgetter("popen"), specs):
            spec.python = f"{command} {spec.id}"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a worker tell of a test what is shown: each message takes as long as a short test does."""
    option = session.config.option
    if option.verbose > 0 or option.durations is not None or option.xmlpath:
        return
    for plugin in session.config.pluginmanager.get_plugins():
        if hasattr(plugin, "sendevent"):
            plugin.sendevent = partial(_tell, plugin.sendevent)


def _tell(send: Callable[..., None], event: str, **details: Any) -> None:
    report = details.get("data", {})
    is_plain = event == "testreport" and report["when"] != "call" and report["outcome"] == "passed"
    if not is_plain and event not in ("logstart", "logfinish"):
        send(event, **details)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests by how long their files take; each worker runs whole files."""
    items.sort(key=lambda item: _rank(_file(item)))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through all that was imported, and from looking for a little each time."""
    gc.freeze()
    gc.set_threshold(garbage.MANY)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Collect garbage once: for what it might tell, pytest does so five times."""
    gc.collect()
    gc.freeze()


def _file(item: pytest.Item) -> str:
    return _relative(item.path)


@cache
def _relative(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


@cache
def _rank(file: str) -> int:
    return next(at for at, start in enumerate(LONG_FIRST) if file.startswith(start))


@pytest.fixture(scope="session", autouse=True)
def own_variables() -> Iterator[None]:
    """Let nothing of the caller count: no AWS configuration, no OMC_ names, and no cache.

    Every look reads everything: tests share accounts' numbers, and a person's cache is none of their business.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.delenv(name, raising=False)
        for name in [name for name in os.environ if name.startswith(("OMC_", "AWS_ENDPOINT_URL"))]:
            patch.delenv(name)
        patch.setenv(VARIABLE, OFF)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_reading_of_botocores_models() -> Iterator[None]:
    """Let botocore's clients share what they make of the service models, which else takes longer than the calls."""
    with pytest.MonkeyPatch.context() as patch:
        shared_models.share(patch.setattr)
        yield


@pytest.fixture(scope="session", autouse=True)
def requests_that_aws_takes() -> Iterator[None]:
    """Let the package's own clients make no request that AWS would refuse."""
    with pytest.MonkeyPatch.context() as patch:
        strict_requests.insist(patch.setattr)
        yield


def _no_values() -> dict[str, object]:
    return {"_values": {}, "_announced": set(), "_index": None}


@contextmanager
def _own_registry(**attributes: object) -> Iterator[None]:
    public = {"_public": set(registry._public)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (public | attributes).items():
            patch.setattr(registry, name, value)
        yield


@pytest.fixture(scope="module", autouse=True)
def registry_of_a_module() -> Iterator[None]:
    """Keep the values of one module from being masked in others: a run has a few dozen, all modules ten thousands.

    Nor are the names of those that modules have at their collection public in others.
    """
    with _own_registry(**_no_values(), _public=set(registry._COMMON)):
        yield


@pytest.fixture(autouse=True)
def registry_of_a_test(registry_of_a_module: None) -> Iterator[None]:
    """Let each test begin with the values of its module's fixtures alone."""
    values, announced = dict(registry._values), set(registry._announced)
    with _own_registry(_values=values, _announced=announced, _index=registry._index):
        yield


@pytest.fixture
def own_registry(registry_of_a_test: None) -> Iterator[None]:
    """Mask nothing that has been registered before a test."""
    with _own_registry(**_no_values()):
        yield


@pytest.fixture(scope="session", autouse=True)
def forked_servers() -> Iterator[None]:
    """Let the sandboxes that tests start be forks of one process that has imported what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "_spawn", forked_sandboxes.spawn)
        yield


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """The one sandbox that a worker starts, for its modules to renew."""
    started = lifecycle.up(None)
    yield started
    lifecycle.down(started)


@pytest.fixture(scope="module")
def sandbox(sandbox_server: Sandbox) -> Sandbox:
    """A healthy sandbox that no other module has changed."""
    lifecycle.renew(sandbox_server)
    return sandbox_server


@pytest.fixture(scope="module")
def fresh_sandbox(sandbox_server: Sandbox) -> Sandbox:
    """A sandbox as Terraform leaves AWS: with placeholders for values."""
    lifecycle.renew(sandbox_server, "fresh")
    return sandbox_server


@pytest.fixture(scope="module")
def empty_sandbox(sandbox_server: Sandbox) -> Sandbox:
    """A sandbox with nothing in it."""
    lifecycle.renew(sandbox_server, None)
    return sandbox_server
