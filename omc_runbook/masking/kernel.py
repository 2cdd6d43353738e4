"""The hook in an IPython kernel that masks every outgoing message."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omc_runbook.masking import registry, wire
from omc_runbook.masking.nested import mask_members, mask_nested
from omc_runbook.masking.stream_buffer import StreamBuffer

_PATIENCE = 1.0
# Words of the Jupyter protocol, which clients need unchanged.
_PROTOCOL = frozenset({"status", "execution_state", "name", "comm_id", "target_name", "target_module"})

_lock = threading.RLock()
_hook: "_Hook | None" = None


def install() -> None:
    """Install the hook if this process is an IPython kernel and has none yet.

    From then on streams, results, errors, widgets and replies are masked, output is no longer copied to the terminal
    or log of the kernel's parent, IPython keeps no history, and its log (%logstart) is masked. In IPython without a
    kernel tracebacks, which may show variables, and the log are masked.
    """
    global _hook
    shell = find_ipython()
    if not hasattr(shell, "kernel"):
        _mask_terminal(shell)
        return
    if _hook is not None and _hook.session is shell.kernel.session:
        return
    with _lock:
        if _hook is None or _hook.session is not shell.kernel.session:
            _silence_terminal()
            wire.silence()
            _keep_no_history(shell.history_manager)
            _mask_log(shell.logger)
            _hook = _Hook(shell.kernel.session)


def load_ipython_extension(shell: object) -> None:
    """Install the hook when IPython loads this module as an extension."""
    install()


def allows_input() -> bool:
    """Whether a person can be prompted: JupyterLab allows it with each cell; papermill and nbclient do not.

    Outside a kernel, whether standard input is a terminal.
    """
    shell = _shell()
    if shell is None:
        return sys.stdin is not None and sys.stdin.isatty()
    return bool(shell.kernel._allow_stdin)


def has_terminal() -> bool:
    """Whether this notebook runs in a command at whose terminal a person can be asked for a hidden value."""
    return getattr(find_ipython(), "has_terminal", False) is True


def allows_prompt() -> bool:
    """Whether a person can be asked for a hidden value."""
    return has_terminal() or allows_input()


@dataclass
class _Stream:
    """One output stream: its held-back end and how to send that."""

    buffer: StreamBuffer
    send: Callable[[str], None] | None = None
    parent: object = None


class _Hook:
    """The masking replacement for the ``send`` of a kernel's session, which sends everything."""

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
                self._send_stream(stream, message, ident)
                return message
            self._flush()
        unmasked = message["content"] or {}
        unchanged = {key: unmasked[key] for key in unmasked.keys() & _PROTOCOL}
        message["content"] = unchanged | mask_members(unmasked, _PROTOCOL)
        message["metadata"] = mask_nested(message.get("metadata"), is_text=False)
        return self._send(stream, message, ident=ident, buffers=mask_nested(buffers, is_text=False), track=track)

    def _send_stream(self, stream: Any, message: Any, ident: Any) -> None:
        output = self._streams.setdefault(message["content"]["name"], _Stream(StreamBuffer()))
        if output.parent != message["parent_header"]:
            _flush(output)

        def send(text: str) -> None:
            content = {"name": message["content"]["name"], "text": text}
            masked = self.session.msg("stream", content, parent=message["parent_header"])
            self._send(stream, masked, ident=ident)

        output.send, output.parent = send, message["parent_header"]
        masked = output.buffer.feed(message["content"]["text"])
        if masked:
            send(masked)
        if os.getpid() != self._home:
            # A fork may end at any time, and its timers with it: it must not hold anything back.
            self._flush()
        elif not output.buffer.is_empty and self._timer is None:
            timer = threading.Timer(_PATIENCE, self.flush)
            timer.daemon = True
            timer.start()
            self._timer = timer

    def flush(self) -> None:
        """Send, masked, what the buffers hold back."""
        with _lock:
            # Its thread may live on for a moment, and sends nothing of what comes then.
            self._timer = None
            self._flush()

    def _flush(self) -> None:
        for output in self._streams.values():
            _flush(output)

    def forget(self) -> None:
        """Drop what the buffers hold back: in a fork the parent sends it."""
        self._streams.clear()


def _flush(output: _Stream) -> None:
    rest = output.buffer.flush()
    if rest and output.send is not None:
        output.send(rest)


def find_ipython() -> Any:
    """IPython's shell, or None; a process that runs no cell has not imported IPython."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _shell() -> Any:
    """IPython's shell if this process is a kernel."""
    shell = find_ipython()
    return shell if hasattr(shell, "kernel") else None


def _silence_terminal() -> None:
    """Send to /dev/null what ipykernel copies to the terminal or log of the process that started it."""
    from ipykernel.iostream import OutStream

    nowhere = os.open(os.devnull, os.O_WRONLY)
    # sys.stdout may be replaced at the moment, for example by %%capture: the thread that watches the original has it.
    # gc.get_objects has it too, but breaks tuples that another thread is building.
    watched = [getattr(getattr(thread, "_target", None), "__self__", None) for thread in threading.enumerate()]
    for stream in [each for each in (sys.stdout, sys.stderr, *watched) if isinstance(each, OutStream)]:
        stream.echo = None
        if getattr(stream, "_original_stdstream_copy", None) is not None:
            os.dup2(nowhere, stream._original_stdstream_copy)
    os.close(nowhere)


class _Unkept(dict[int, Any]):
    """What IPython would keep of each cell; a list that it adds to is not kept either."""

    def __missing__(self, number: int) -> list[Any]:
        return []

    def __setitem__(self, number: int, kept: object) -> None:
        """Keep nothing."""

    def setdefault(self, number: int, default: Any = None) -> Any:
        """Keep nothing."""
        return default


def _keep_no_history(history: Any) -> None:
    """Keep neither what cells say nor what they show, which %notebook and %history write to a file as it was."""
    history.enabled = False
    history.outputs = history.exceptions = history.output_hist_reprs = _Unkept()


def _mask_terminal(shell: Any) -> None:
    show = getattr(shell, "_showtraceback", None)
    if show is None or _is_ours(show):
        return

    def show_masked(kind: type[BaseException], error: BaseException, parts: list[str]) -> None:
        show(kind, error, [registry.mask(part) for part in parts])

    shell._showtraceback = show_masked
    _mask_log(shell.logger)


def _mask_log(logger: Any) -> None:
    """Mask what IPython writes into its log of cells and results."""
    write = logger.log_write
    if _is_ours(write):
        return

    def log_write(data: str, kind: str = "input") -> None:
        write(registry.mask(data), kind)

    logger.log_write = log_write


def _is_ours(function: Any) -> bool:
    return getattr(function, "__module__", "") == __name__


def _forget_in_child() -> None:
    if _hook is not None:
        _hook.forget()
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_in_child)
