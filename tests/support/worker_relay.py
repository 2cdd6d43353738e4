"""Stands for a worker that another process forks: hands its streams over, and ends as the worker does.

`python worker_relay.py SOCKET ID …`, which execnet starts as it would start Python.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_IGN)
order = {"id": sys.argv[2], "folder": str(Path.cwd()), "variables": json.dumps(dict(os.environ))}
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    socket.send_fds(server, [json.dumps(order).encode()], [0, 1, 2])
    # Else the worker would not find out that nobody writes or reads any more.
    for number in (0, 1):
        os.close(number)
    code = int(server.recv(16) or b"1")
os._exit(code if code >= 0 else 128 - code)
