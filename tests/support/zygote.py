"""A process that has imported the command line and forks for each command: the import takes seconds, a fork none.

Run as a script with the number of a Unix socket. A request is one line of JSON (argv, cwd, env) with three file
descriptors: stdout, stderr, and a pipe that is told the process id at once and the exit code at the end. The forked
process leaves through the interpreter's own way out, as `python -m alarm_agents` does.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from typing import Any


def serve(connection: socket.socket) -> None:
    """Fork for each request, until the other side closes."""
    from alarm_agents.cli import main

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


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
