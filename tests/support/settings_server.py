"""Forks itself for each order to run a script, with the libraries of the application's Settings imported already.

It is started as the script would be (`python -I -B`), with a socket's descriptor. An order has the script's arguments,
folder and variables, and the descriptors of its output and errors; the answers are its process id and its exit code.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import sys

LIBRARIES = ("dotenv", "email_validator", "pydantic", "pydantic.networks", "pydantic_settings", "annotated_types")

WIDTH = 8
"""The bytes of a number: an order's size, a process id, or an exit code."""


def main(orders: socket.socket) -> None:
    """Fork until the other end is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    while True:
        size, descriptors, *_ = socket.recv_fds(orders, WIDTH, 2)
        if not size:
            return
        order = orders.recv(int(size), socket.MSG_WAITALL)
        pid = os.fork()
        if not pid:
            orders.close()
            become(json.loads(order), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        orders.send(b"%*d" % (WIDTH, pid))
        orders.send(b"%*d" % (WIDTH, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def become(order: dict[str, object], output: int, errors: int) -> None:
    """Be the script from here to its end."""
    code = 1
    try:
        os.setsid()
        for descriptor, number in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (errors, 2)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(order["variables"])
        os.chdir(order["folder"])
        sys.argv = order["arguments"]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    finally:
        kind, error, trace = sys.exc_info()
        if kind is not None:
            sys.excepthook(kind, error, trace)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
