"""AWS's own session-manager-plugin, run as the AWS CLI runs it.

See https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from omc_runbook.aws.channel import INTERRUPT, ChannelFailed, ChannelTimeout, ChannelUnreachable

_VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
_LAST_WITHOUT_VARIABLE = (1, 2, 497, 0)
_VERSION_SECONDS = 5
_GOODBYE_SECONDS = 1
_VERSION = re.compile(r"\d+(?:\.\d+){0,3}")
_GREETING = re.compile(
    r"(?:\s*(?:The Session Manager plugin was installed successfully|Starting session with SessionId:"
    r"|This session is encrypted using AWS KMS)[^\n]*\n)*"
)
_GOODBYE = re.compile(
    r"(?:\n\n(?:Exiting session with sessionId: [^\n]*|SessionId: [\w-]+ : (?P<message>.*?))\n\n"
    r"|Session: [^\n]* timed out\.\n|Cannot perform start session: (?P<failure>.*?)\n)\Z",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class PluginSession:
    """The plugin's input for a session; `target` is Session Manager's name of the container."""

    id: str
    url: str
    token: str = field(repr=False)
    target: str
    region: str
    endpoint: str
    credentials: Mapping[str, str] = field(repr=False)
    """Environment variables with the credentials that sign the plugin's requests."""


@cache
def keeps_tokens(path: str) -> bool:
    """Whether this plugin reads a session's token from its environment; older ones need it as an argument."""
    try:
        answer = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return False
    version = _VERSION.fullmatch(answer.stdout.strip())
    return bool(version) and tuple(map(int, version[0].split("."))) > _LAST_WITHOUT_VARIABLE  # type: ignore[index]


def read_output(path: str, session: PluginSession, seconds: float) -> tuple[str, str]:
    """Wait up to `seconds` for a session's end; returns the command's output and the agent's last message, mostly "".

    Raises ChannelFailed.
    """
    response = {"SessionId": session.id, "StreamUrl": session.url, "TokenValue": session.token}
    target = json.dumps({"Target": session.target})
    # A plugin whose input ends gives up the session, so its input stays open and nothing is written to it.
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [path, _VARIABLE, session.region, "StartSession", "", target, session.endpoint],
            env={**os.environ, **session.credentials, _VARIABLE: json.dumps(response)},
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # It would change our terminal.
            start_new_session=True,
        )
        try:
            raw, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _interrupt(process, writing)
            raise ChannelTimeout("session-manager-plugin did not end in time.") from None
    except OSError as error:
        raise ChannelFailed(f"session-manager-plugin cannot be run: {error.strerror}.") from None
    finally:
        os.close(reading)
        os.close(writing)
    return _parse(raw.decode("utf-8", "replace"))


def _interrupt(process: subprocess.Popen[bytes], writing: int) -> None:
    """Send Ctrl-C to the session, then end the plugin: otherwise the command would go on."""
    os.write(writing, INTERRUPT)
    try:
        process.communicate(timeout=_GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _parse(text: str) -> tuple[str, str]:
    goodbye = _GOODBYE.search(text)
    if goodbye is None:
        raise ChannelFailed("session-manager-plugin ended early.")
    if goodbye["failure"] is not None:
        raise ChannelUnreachable(f"session-manager-plugin: {goodbye['failure']}")
    greeting = _GREETING.match(text)
    return text[greeting.end() if greeting else 0 : goodbye.start()], (goodbye["message"] or "").strip()
