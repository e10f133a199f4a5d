"""A camera on loopback: MJPEG over HTTP, as cheap cameras send it, that does to its viewers what a test says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import cv2

from support.clips import Image

PACE = 0.01
"""Seconds between two pictures."""
DROP, STALL, GARBAGE = "drop", "stall", "garbage"
"""What can be sent in place of pictures: the end of the connection, nothing for ever, or what is no picture."""


class Camera:
    """The server: it sends its pictures over and over to each viewer, but for what `then` says to do once."""

    def __init__(self, pictures: Sequence[Image]) -> None:
        self._parts = [_part(cv2.imencode(".jpg", picture)[1].tobytes()) for picture in pictures]
        self._orders: deque[str] = deque()
        self.closed, self.viewers = threading.Event(), 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.viewers += 1
                if self.path.startswith("/file"):
                    self.send_response(302)
                    self.send_header("Location", "file:///etc/hostname")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for part in outer._stream():
                    try:
                        self.wfile.write(part)
                    except OSError:
                        return

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/video"

    def then(self, order: str) -> None:
        """Do this next to whoever is, or comes, connected."""
        self._orders.append(order)

    def _stream(self) -> Iterator[bytes]:
        for part in cycle(self._parts):
            order = self._orders.popleft() if self._orders else ""
            if order == DROP or self.closed.wait(PACE):
                return
            if order == STALL:
                self.closed.wait()
            yield _part(b"not a jpg") * 60 if order == GARBAGE else part


def _part(data: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n"


@contextmanager
def camera(pictures: Sequence[Image]) -> Iterator[Camera]:
    """A camera with these pictures that runs inside the block."""
    served = Camera(pictures)
    thread = threading.Thread(target=served._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.closed.set()
        served._server.shutdown()
        served._server.server_close()
        thread.join()
