"""A process that has loaded what commands use and forks for each command: loading takes seconds, a fork none.

Run as a script with the number of a Unix socket. A request is one line of JSON (argv, cwd, env) with three file
descriptors: stdout, stderr, and a pipe that is told the process id at once and the exit code at the end. The forked
process leaves through the interpreter's own way out, as `python -m alarm_agents` does; only libraries that were there
before the fork are not taken apart on that way, which took longer than most commands do.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

LATE = ("chromadb", "matplotlib.figure", "scipy.stats", "sklearn.cluster", "sklearn.linear_model")
"""What commands import where they need it (see `tests/integration/test_package.py`): here once instead of each time."""


def serve(connection: socket.socket) -> None:
    """Fork for each request, until the other side closes."""
    from alarm_agents.cli import main
    from alarm_agents.memory.embedders import default_embedder

    for module in LATE:
        importlib.import_module(module)
    default_embedder().embed(["once"])
    atexit.register(_keep, [name for name in sys.modules if name.partition(".")[0] != "alarm_agents"])
    gc.freeze()  # else each fork copies all memory when it collects garbage on its way out
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        text, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        if not text:
            return
        if os.fork() == 0:
            connection.close()
            _supervise(json.loads(text), *files, main=main)
            return
        for file in files:
            os.close(file)


def _supervise(request: dict[str, Any], out: int, err: int, status: int, *, main: Any) -> None:
    """Fork once more; the parent reports on the child, the child becomes the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        os.close(out)
        os.close(err)
        os.write(status, f"{child}\n".encode())
        os.write(status, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    os.close(status)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (the interpreter closes it)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["alarm", *request["argv"]]
    main()


def _keep(names: list[str]) -> None:
    """Hide these modules from the interpreter that ends, and leave a reference to them behind."""
    modules = [sys.modules.pop(name, None) for name in names if name not in ("sys", "builtins")]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(modules))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
