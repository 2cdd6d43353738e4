"""What a process that knows values keeps to itself: its libraries' wire logs, and its memory."""

import ctypes
import http.client
import io
import logging
import logging.config
import os
import resource
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection

from omc_runbook.aws.session import Clients

GET_DUMPABLE = 3


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of a root logger that a user has configured; afterwards logging is as before."""
    Clients("ap-southeast-2")
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    "name", ["botocore.parsers", "botocore.endpoint", "boto3.resources", "urllib3.connectionpool", "websockets.client"]
)
def test_a_wire_log_is_silent_whatever_is_configured(name: str, log: io.StringIO) -> None:
    """Levels, handlers, filters, propagation and configuration that come later let nothing out but warnings."""
    value = secrets.token_hex(16)
    for logger in (logging.getLogger(name), logging.getLogger(f"{name}.{secrets.token_hex(4)}")):
        handler = logging.StreamHandler(log)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.disabled = True, False
        logger.debug("Response body:\n%s", value)
        logger.info("%s", value)
        logging.config.dictConfig(
            {"version": 1, "incremental": True, "loggers": {logger.name: {"level": "DEBUG", "propagate": True}}}
        )
        logger.debug("%s", value)
        logger.handle(logger.makeRecord(logger.name, logging.DEBUG, "", 0, value, (), None))
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert log.getvalue() == ""
    logging.getLogger(name).warning("pool is full")
    logging.getLogger("somebody.else").debug("still here")
    assert log.getvalue() == "pool is full\nstill here\n"


def test_a_logger_with_a_handle_of_its_own_is_silent_too(log: io.StringIO) -> None:
    """What somebody has put in the place of a library's logger cannot pass the records on."""

    class Own(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            self.callHandlers(record)

    own = Own("botocore.own", logging.DEBUG)
    own.parent = logging.getLogger()
    own.debug("body")
    assert log.getvalue() == ""


@pytest.mark.parametrize("kind", [AWSHTTPConnection, AWSHTTPSConnection])
def test_a_connection_prints_nothing(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """http.client's debuglevel does not count for what botocore sends, set before or after."""
    Clients("ap-southeast-2")
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    connection = kind("127.0.0.1", 1)
    connection.set_debuglevel(1)
    assert connection.debuglevel == 0


KNOWS = (
    "import ctypes, os, resource\nfrom omc_runbook.masking.value import Masked\n"
    "print(ctypes.CDLL(None).prctl({get}, 0, 0, 0, 0)); Masked(os.environ['OMC_TEST_CANARY'], 'CANARY')\n"
    "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl({get}, 0, 0, 0, 0))\n"
    "{more}"
)


def knowing(more: str = "") -> list[str]:
    """The command of a process that takes a value and does more."""
    return [sys.executable, "-c", KNOWS.format(get=GET_DUMPABLE, more=more)]


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux's")
def test_a_process_that_knows_a_value_leaves_no_core(tmp_path: Path) -> None:
    """From its first value on its limit is 0 and it cannot be dumped, nor can its forks."""
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1]
    more = "if os.fork() == 0:\n    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True); os.abort()\nos.wait()"
    ended = subprocess.run(
        knowing(more),
        env={**os.environ, "OMC_TEST_CANARY": secrets.token_hex(16), "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (allowed, allowed)),
    )
    assert ended.stdout.splitlines() == ["1", "(0, 0) 0", "0"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_what_others_were_started_with_can_still_be_read() -> None:
    """A process that knows a value reads the environment of one that it started."""
    more = (
        "import subprocess, time\nchild = subprocess.Popen(['sleep', '20'], env={'MARK': 'here'})\n"
        "end = time.time() + 10\n"
        "while b'MARK' not in (text := open(f'/proc/{child.pid}/environ', 'rb').read()) and time.time() < end: pass\n"
        "child.kill(); print(text)"
    )
    environment = {**os.environ, "OMC_TEST_CANARY": secrets.token_hex(16)}
    ended = subprocess.run(knowing(more), env=environment, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == repr(b"MARK=here\0"), ended.stderr


def test_this_process_is_undumpable_once_it_knows_a_value() -> None:
    """Registering is enough, as in the process that runs a notebook."""
    from omc_runbook.masking import registry

    registry.register(secrets.token_hex(16), "CANARY")
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert sys.platform != "linux" or ctypes.CDLL(None).prctl(GET_DUMPABLE, 0, 0, 0, 0) == 0


@pytest.mark.long
def test_a_run_dumps_no_core_from_its_beginning() -> None:
    """A variable that has values is in its memory before one of them is read."""
    code = (
        "import ctypes, resource\nfrom omc_runbook import cli\nfrom omc_runbook.headless import run\n"
        "def look(*_, **__):\n"
        f"    print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl({GET_DUMPABLE}))\n"
        "    raise SystemExit(0)\n"
        "run.run = look\ncli.main(['run', 'verify'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0 0\n", "")


def test_threads_that_ask_first_get_one_key() -> None:
    """Fingerprints under two keys are never equal, so that a value would not be found where it is."""
    code = (
        "import secrets, time\nfrom concurrent.futures import ThreadPoolExecutor\nmake = secrets.token_bytes\n"
        "secrets.token_bytes = lambda count: (time.sleep(0.2), make(count))[1]\n"
        "from omc_runbook.masking.fingerprint import process_key\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(len({*pool.map(lambda _: process_key(), range(4))}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("1\n", "")
