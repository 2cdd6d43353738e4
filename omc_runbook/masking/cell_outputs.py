"""The outputs of the cells that run in this process, masked before they become outputs."""

from __future__ import annotations

import base64
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from nbformat import from_dict

from omc_runbook.masking.nested import mask_nested
from omc_runbook.masking.stream_buffer import StreamBuffer


class CellOutputs:
    """The outputs of the cell that runs, as nbformat has them, written by any thread.

    `on_output` is called after each of them, with `lock` held. Hold `lock` to work on the outputs from outside.
    """

    def __init__(self, on_output: Callable[[], object]) -> None:
        self.lock = threading.RLock()
        self._on_output = on_output
        self._outputs: list[Any] = []
        self._streams: defaultdict[str, StreamBuffer] = defaultdict(StreamBuffer)
        self._unwritten, self._is_writing = deque[tuple[str, str]](), False
        self._displays: defaultdict[str, list[Any]] = defaultdict(list)
        self._clears_next = False

    def begin(self, outputs: list[Any]) -> None:
        """Put what comes from now on into this list."""
        with self.lock:
            self.flush()
            self._outputs, self._clears_next = outputs, False

    @property
    def has_error(self) -> bool:
        """Whether the cell shows an error."""
        return any(output.output_type == "error" for output in self._outputs)

    def write(self, name: str, text: str) -> None:
        """Append text to a stream, "stdout" or "stderr"; what may be the beginning of a value is held back."""
        with self.lock:
            self._unwritten.append((name, text))
            # What a removed object prints may come in the middle of a value, and is written after that.
            if self._is_writing:
                return
            self._is_writing = True
            try:
                while self._unwritten:
                    name, text = self._unwritten.popleft()
                    self._append(name, self._streams[name].feed(text))
            finally:
                self._is_writing = False
            self._on_output()

    def flush(self) -> None:
        """Append, masked, what the streams hold back."""
        with self.lock:
            for name, buffer in self._streams.items():
                self._append(name, buffer.flush())

    def add(self, kind: str, display_id: str = "", **content: Any) -> None:
        """Append an output of this kind with these members, which has to be valid for nbformat."""
        with self.lock:
            self.flush()
            self._clear_if_asked()
            output = from_dict({"output_type": kind} | mask_nested(_as_json(content), is_text=False))
            self._outputs.append(output)
            if display_id:
                self._displays[display_id].append(output)
            self._on_output()

    def update(self, display_id: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace what all cells show under this id."""
        masked = mask_nested(_as_json({"data": data, "metadata": metadata}), is_text=False)
        with self.lock:
            for output in self._displays[display_id]:
                output.update(from_dict(masked))
            self._on_output()

    def clear(self, wait: bool) -> None:
        """Remove the cell's outputs, at once or when the next one comes."""
        with self.lock:
            self.flush()
            self._clears_next = True
            if not wait:
                self._clear_if_asked()

    def _append(self, name: str, text: str) -> None:
        if not text:
            return
        self._clear_if_asked()
        last = self._outputs[-1] if self._outputs else None
        if last is not None and last.output_type == "stream" and last.name == name:
            last.text += text
        else:
            self._outputs.append(from_dict({"output_type": "stream", "name": name, "text": text}))

    def _clear_if_asked(self) -> None:
        if self._clears_next:
            self._outputs.clear()
            self._clears_next = False


def _as_json(content: Mapping[str, Any]) -> Any:
    """A copy of JSON's types alone, with bytes in base64; raises TypeError for other objects."""
    return json.loads(json.dumps(content, default=_base64))


def _base64(item: object) -> str:
    if isinstance(item, bytes):
        return base64.b64encode(item).decode("ascii")
    raise TypeError(f"An output cannot contain an object of type {type(item).__name__}.")
