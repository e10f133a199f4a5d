"""Running the `alarm` command as a process of its own, as people and scripts do."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

from alarm_agents.workspace.packing import COLUMNS, unpack

ZYGOTE = Path(__file__).with_name("zygote.py")
HUNG = 120
"""Seconds after which a command that should have ended is taken to hang."""


@dataclass(frozen=True)
class Done:
    """What a finished command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines; anything else on it is an error."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def whole_lines(self) -> list[dict[str, Any]]:
        """The JSON lines but for a last one that was cut off, as where it was killed."""
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def document(self) -> Any:
        """Stdout as one JSON document on one line."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The JSON lines of a type: `case` or `incident`."""
        return [line for line in self.lines if line["type"] == kind]


class Running:
    """A command that runs: its lines can be read as they come, and it can be killed."""

    def __init__(self, out: IO[str], err: Path, status: IO[str], hung: float) -> None:
        self._out, self._err, self._status, self.hung = out, err, status, hung
        self.pid = int(status.readline())

    def lines(self) -> Iterator[dict[str, Any]]:
        """The JSON lines as they come, until the process ends or is no longer asked."""
        for line in self._out:
            yield json.loads(line)

    def readline(self) -> str:
        """The next line, whatever it is."""
        return self._out.readline()

    def read(self, lines: int) -> list[dict[str, Any]]:
        """The next so many JSON lines."""
        return list(islice(self.lines(), lines))

    def hang_up(self) -> Done:
        """Stop reading its output, as `head` does, and wait for it to end."""
        self._out.close()
        with _Watchdog(self), self._status:
            return Done(int(self._status.readline()), "", self._err.read_text(encoding="utf-8"))

    def send(self, what: signal.Signals) -> None:
        """Send it a signal; one that has ended meanwhile is left in peace."""
        try:
            os.kill(self.pid, what)
        except ProcessLookupError:
            return

    def done(self) -> Done:
        """Wait for it to end; what was read by `lines` is not in its `out` again."""
        with _Watchdog(self), self._out, self._status:
            rest = self._out.read()
            code = int(self._status.readline())
        return Done(code, rest, self._err.read_text(encoding="utf-8"))


class Alarm:
    """The command, run in one folder; the workspace is the folder's `.alarm` unless arguments say otherwise."""

    def __init__(self, folder: Path, hung: float = HUNG) -> None:
        self.folder, self._hung = folder, hung
        self.workspace = folder / ".alarm"
        self._started = 0

    def __call__(self, *arguments: object, code: int | None = 0, **env: str) -> Done:
        """Run it to the end; unless `code` is None, the exit code must be that."""
        done = self.start(*arguments, **env).done()
        assert code is None or done.code == code, f"exit code {done.code}, not {code}\n{done.out}\n{done.err}"
        return done

    def start(self, *arguments: object, **env: str) -> Running:
        """Start it in the background."""
        self._started += 1
        err = self.folder / f".stderr-{self._started}"
        out_read, out_write = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # so that it waits for whoever reads, and what was read says how far it is
            fcntl.fcntl(out_write, fcntl.F_SETPIPE_SZ, 4096)
        status_read, status_write = os.pipe()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ALARM_", "OTEL_"))}
        request = {"argv": [str(a) for a in arguments], "cwd": str(self.folder), "env": {**inherited, **env}}
        with err.open("wb") as file:
            socket.send_fds(_zygote(), [json.dumps(request).encode()], [out_write, file.fileno(), status_write])
        os.close(out_write)
        os.close(status_write)
        return Running(open(out_read, encoding="utf-8"), err, open(status_read, encoding="utf-8"), self._hung)

    def rows(self, query: str, *values: object, file: str = "alarm.db") -> list[tuple[Any, ...]]:
        """What a query gives on one of the workspace's databases."""
        connection = sqlite3.connect(f"file:{self.workspace / file}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def records(self, table: str, namespace: str = "main") -> list[dict[str, Any]]:
        """The records of `cases`, `incidents` or `rules`, by id."""
        if table == "cases":
            query = f"SELECT {','.join(COLUMNS)}, record FROM cases WHERE namespace = ? ORDER BY id"
            found = [dict(zip((*COLUMNS, "record"), row, strict=True)) for row in self.rows(query, namespace)]
            return [unpack(row["record"], row).model_dump(mode="json") for row in found]
        query = f"SELECT record FROM {table} WHERE namespace = ? ORDER BY id"
        return [json.loads(record) for (record,) in self.rows(query, namespace)]


def fresh(folder: Path, *arguments: object, **env: str) -> subprocess.Popen[str]:
    """`python -m alarm_agents` without the shortcut, for what only a whole new interpreter shows."""
    return subprocess.Popen(
        [sys.executable, "-m", "alarm_agents", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class _Watchdog:
    """Kills a command that hangs, so that a test fails instead of waiting for ever."""

    def __init__(self, running: Running) -> None:
        self._running, self._timer = running, threading.Timer(running.hung, running.send, [signal.SIGKILL])

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


@cache
def _zygote() -> socket.socket:
    """The process that forks; it ends when its socket closes with ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            [sys.executable, str(ZYGOTE), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    return ours
