"""The program that a profile's credential_process names: what it prints, how long it may take, and its end.

See https://docs.aws.amazon.com/cli/latest/topic/config-vars.html#sourcing-credentials-from-external-processes
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    ProcessProvider,
    RefreshableCredentials,
)
from botocore.exceptions import CredentialRetrievalError

from omc_runbook.model.time_limits import PROGRAM_SECONDS

_lock, _running = threading.Lock(), set["_Program"]()


class NoCredentialsInTime(CredentialRetrievalError):
    """The program printed nothing in time; botocore would wait for it without an end."""


class _Program(subprocess.Popen[bytes]):
    """The program while it runs: in our process group, since it may ask a person at the terminal."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        with _lock:
            _running.add(self)
        try:
            return super().communicate(input, PROGRAM_SECONDS if timeout is None else timeout)
        except subprocess.TimeoutExpired as late:
            if self.poll() is not None:
                # It has answered; what it has started, such as an agent, holds its output open.
                return late.output or b"", late.stderr or b""
            raise NoCredentialsInTime(provider=ProcessProvider.METHOD, error_msg="no answer") from None
        finally:
            with _lock:
                _running.discard(self)
            self._end()

    def _end(self) -> None:
        """End it, also where a signal interrupts the run; a program that it has started may still hold the pipes."""
        self.kill()
        self.wait()
        for pipe in filter(None, (self.stdout, self.stderr)):
            pipe.close()


def end_all() -> None:
    """End each program that runs, before this process ends without its cleaning up."""
    for program in [*_running]:
        with suppress(OSError):
            program.kill()
            os.waitpid(program.pid, 0)


def bound(resolver: CredentialResolver) -> None:
    """Let a resolver's programs have an end, and refuse what is no text; also those of a role's source profiles.

    What makes the providers of these has no public name: a botocore without it gives them no end, but credentials.
    """
    _bound(resolver.get_provider(ProcessProvider.METHOD))
    builder: Any = getattr(resolver.get_provider("assume-role"), "_profile_provider_builder", None)
    if builder is not None:
        builder.providers = partial(_bound_all, builder.providers)


def _bound_all(
    create: Callable[..., list[CredentialProvider]], *names: str, **options: bool
) -> list[CredentialProvider]:
    providers = create(*names, **options)
    for each in providers:
        if isinstance(each, ProcessProvider):
            _bound(each)
    return providers


def _bound(process: Any) -> None:
    process._popen = _Program
    process.load = partial(_load_texts, process.load)


def _load_texts(load: Callable[[], Credentials | None]) -> Credentials | None:
    """What the program for credentials prints; botocore would sign with null or a number, and fail in a TypeError."""
    credentials = load()
    # Those with a time would be renewed here.
    if credentials is not None and not isinstance(credentials, RefreshableCredentials):
        texts = credentials.access_key, credentials.secret_key, credentials.token or ""
        if not all(isinstance(each, str) for each in texts):
            raise CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg="not a text")
    return credentials
