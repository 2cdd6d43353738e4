"""The control paths of a sandbox's server, which no AWS client knows."""

import contextlib
import http.client
import json
from typing import Any

from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.sandbox import folders
from omc_runbook.sandbox.folders import SandboxState

WAIT_SECONDS = 2.0
"""How long the server waits at most for what it is asked to wait for, before it answers."""


def ask(state: SandboxState, method: str, path: str, members: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call a control path, with the token from the state file.

    Raises CouldNotLook if the server does not answer, UsageError if it refuses.
    """
    headers = {"Content-Type": "application/json", folders.TOKEN_HEADER: state.token}
    # Nothing of urllib, which would ask the environment for proxies.
    connection = http.client.HTTPConnection("127.0.0.1", state.port, timeout=30)
    try:
        with contextlib.closing(connection):
            connection.request(method, f"/_sandbox/{path}", json.dumps(members or {}), headers)
            response = connection.getresponse()
            answer: dict[str, Any] = json.load(response)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CouldNotLook(f"The sandbox at {state.endpoint} does not answer: {error}") from None
    if response.status != 200:
        raise UsageError(f"The sandbox refused {path}: {answer.get('error', response.reason)}")
    return answer
