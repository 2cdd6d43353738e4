"""The hook in an IPython kernel that masks every message on its way out."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omc_runbook.masking import wire
from omc_runbook.masking.nested import mask_nested
from omc_runbook.masking.stream_buffer import Tail

_PATIENCE = 1.0
# Words of the protocol, not of the user: a client is lost when it does not find them as they are.
_PROTOCOL = frozenset({"status", "execution_state", "name", "comm_id", "target_name", "target_module"})

_lock = threading.RLock()
_hook: "_Hook | None" = None


def install() -> None:
    """Put the hook in place when this process is an IPython kernel; otherwise, or a second time, do nothing.

    From then on streams, results, errors, widgets and replies leave masked, output no longer goes to the
    terminal or server log that started the kernel, and what is typed is not kept in IPython's history.
    """
    global _hook
    shell = _shell()
    if shell is None or (_hook is not None and _hook.session is shell.kernel.session):
        return
    with _lock:
        if _hook is None or _hook.session is not shell.kernel.session:
            _silence_terminal()
            wire.silence()
            shell.history_manager.enabled = False
            _hook = _Hook(shell.kernel.session)


def load_ipython_extension(shell: object) -> None:
    """Put the hook in place when IPython loads this module as an extension."""
    install()


def allows_input() -> bool:
    """Whether a person can be asked: JupyterLab says so with each cell; papermill and nbclient say not.

    Outside a kernel it is whether standard input is a terminal.
    """
    shell = _shell()
    if shell is None:
        return sys.stdin is not None and sys.stdin.isatty()
    return bool(shell.kernel._allow_stdin)


@dataclass
class _Stream:
    """One output stream: its unfinished end and where to send that."""

    tail: Tail
    send: Callable[[str], None] | None = None
    parent: object = None


class _Hook:
    """The masking stand-in for the ``send`` of a kernel's session, through which everything leaves."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._send = session.send
        self._home = os.getpid()
        self._streams: dict[str, _Stream] = {}
        self._timer: threading.Timer | None = None
        session.send = self.send

    def send(
        self,
        stream: Any,
        msg_or_type: Any,
        content: Any = None,
        parent: Any = None,
        ident: Any = None,
        buffers: Any = None,
        track: bool = False,
        header: Any = None,
        metadata: Any = None,
    ) -> Any:
        """Mask a message and send it as ``jupyter_client.session.Session.send`` does."""
        if isinstance(msg_or_type, dict):
            message = dict(msg_or_type)
            buffers = buffers or message.get("buffers")
        else:
            message = self.session.msg(msg_or_type, content, parent, header, metadata)
        with _lock:
            if message["header"]["msg_type"] == "stream":
                self._say(stream, message, ident)
                return message
            self._flush()
        message["content"] = {
            key: item if key in _PROTOCOL else mask_nested({key: item}, is_text=False)[key]
            for key, item in (message["content"] or {}).items()
        }
        message["metadata"] = mask_nested(message.get("metadata"), is_text=False)
        return self._send(stream, message, ident=ident, buffers=mask_nested(buffers, is_text=False), track=track)

    def _say(self, stream: Any, message: Any, ident: Any) -> None:
        spoken = self._streams.setdefault(message["content"]["name"], _Stream(Tail()))
        if spoken.parent != message["parent_header"]:
            _let_out(spoken)

        def send(text: str) -> None:
            content = {"name": message["content"]["name"], "text": text}
            said = self.session.msg("stream", content, parent=message["parent_header"])
            self._send(stream, said, ident=ident)

        spoken.send, spoken.parent = send, message["parent_header"]
        shown = spoken.tail.feed(message["content"]["text"])
        if shown:
            send(shown)
        if os.getpid() != self._home:
            # A fork ends without notice, and its timers with it: nothing may wait in one.
            self._flush()
        elif not spoken.tail.is_empty and (self._timer is None or not self._timer.is_alive()):
            self._timer = threading.Timer(_PATIENCE, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Send, masked, what the streams hold back."""
        with _lock:
            self._flush()

    def _flush(self) -> None:
        for spoken in self._streams.values():
            _let_out(spoken)

    def forget(self) -> None:
        """Drop what the streams hold back, which in a fork is the parent's to send."""
        self._streams.clear()


def _let_out(spoken: _Stream) -> None:
    held = spoken.tail.flush()
    if held and spoken.send is not None:
        spoken.send(held)


def _shell() -> Any:
    """Return IPython's shell when it runs in a kernel; nothing else has put IPython into this process."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def _silence_terminal() -> None:
    """Send to /dev/null what ipykernel copies to the terminal or log that its own process was started with."""
    from ipykernel.iostream import OutStream

    nowhere = os.open(os.devnull, os.O_WRONLY)
    # sys.stdout may be something else just now, inside %%capture for one: the thread that watches it knows. The
    # garbage collector knows too, but asking it breaks tuples that another thread is about to finish.
    watched = [getattr(getattr(thread, "_target", None), "__self__", None) for thread in threading.enumerate()]
    for stream in [found for found in (sys.stdout, sys.stderr, *watched) if isinstance(found, OutStream)]:
        stream.echo = None
        if getattr(stream, "_original_stdstream_copy", None) is not None:
            os.dup2(nowhere, stream._original_stdstream_copy)
    os.close(nowhere)


def _forget_in_child() -> None:
    if _hook is not None:
        _hook.forget()
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_in_child)
