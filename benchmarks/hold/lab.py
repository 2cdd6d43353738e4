"""A notebook run through the server that JupyterLab talks to: a kernel, its messages, and what is saved of them."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from websockets.sync.client import connect

from benchmarks.hold.desk import Desk, Ended, Running

SECONDS = 120.0


def execute(desk: Desk, name: str) -> Ended:
    """Run all cells of a notebook in the working folder as JupyterLab does, save it, and end the server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--debug", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", "--ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={desk.work}"]
    server = desk.start(command)
    try:
        _Client(f"127.0.0.1:{port}", token, server).run(f"{name}.ipynb")
    finally:
        server.send(signal.SIGTERM)
        ended = server.end(20.0)
    return ended


class _Client:
    """A client of Jupyter's server, without a browser."""

    def __init__(self, address: str, token: str, server: Running) -> None:
        self._address, self._token = address, token
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self._call("GET", "status")
                return
            except urllib.error.URLError:
                if not server.is_running or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def run(self, path: str) -> None:
        """Run a notebook's cells in a session of its own, and save it with its outputs."""
        notebook = self._call("GET", f"contents/{path}")["content"]
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = self._call("POST", "sessions", body)
        kernel = session["kernel"]["id"]
        address = f"ws://{self._address}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
        with connect(f"{address}&token={self._token}", max_size=None) as channels:
            for cell in notebook["cells"]:
                if cell["cell_type"] == "code" and cell["source"]:
                    cell["outputs"], cell["execution_count"] = _execute(channels, cell["source"]), 1
        self._call("PUT", f"contents/{path}", {"type": "notebook", "format": "json", "content": notebook})
        self._call("POST", f"contents/{path}/checkpoints", {})
        self._call("DELETE", f"sessions/{session['id']}")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"http://{self._address}/api/{path}", data=data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _execute(channels: Any, source: str) -> list[dict[str, Any]]:
    """Run a cell, and give its outputs as nbformat has them."""
    identity = uuid.uuid4().hex
    header = {"msg_id": identity, "msg_type": "execute_request", "username": "", "session": identity, "version": "5.4"}
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
    channels.send(json.dumps(message | {"channel": "shell"}))
    outputs: list[dict[str, Any]] = []
    while True:
        answer = json.loads(channels.recv(timeout=SECONDS))
        if answer["parent_header"].get("msg_id") != identity:
            continue
        kind = answer["msg_type"]
        if kind in ("stream", "display_data", "execute_result", "error"):
            outputs.append({"output_type": kind, **{k: v for k, v in answer["content"].items() if k != "transient"}})
        if kind == "status" and answer["content"]["execution_state"] == "idle":
            return outputs
