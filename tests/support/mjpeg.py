"""A camera on loopback: MJPEG over HTTP, as cheap cameras send it, that does to its viewers what a test says."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from support.clips import Image

DROP, STALL, GARBAGE = "drop", "stall", "garbage"
"""What can be sent in place of pictures: the end of the connection, nothing for ever, or what is no picture."""


class Camera:
    """The server; what `send` is given goes to the viewer that is connected, or to the next one."""

    def __init__(self) -> None:
        self._orders: queue.Queue[Any] = queue.Queue()
        self.closed, self.viewers = threading.Event(), 0
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.viewers += 1
                outer.asked.append(self.headers.get("Authorization", ""))
                if self.path.startswith("/file"):
                    self.send_response(302)
                    self.send_header("Location", "file:///etc/hostname")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for part in outer._parts():
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

    def send(self, *what: Image | str) -> None:
        """Queue pictures and orders."""
        for each in what:
            self._orders.put(each)

    def _parts(self) -> Iterator[bytes]:
        while not self.closed.is_set():
            order = self._orders.get()
            if isinstance(order, str):
                if order == GARBAGE:
                    yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\nnot a jpg\r\n" * 60
                elif order == STALL:
                    self.closed.wait()
                else:
                    return
            else:
                data = cv2.imencode(".jpg", order)[1].tobytes()
                yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n"


@contextmanager
def camera(pictures: Sequence[Image] = ()) -> Iterator[Camera]:
    """A camera that runs inside the block, and has these pictures to send first."""
    served = Camera()
    served.send(*pictures)
    thread = threading.Thread(target=served._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.closed.set()
        served.send(DROP, DROP, DROP, DROP)
        served._server.shutdown()
        served._server.server_close()
        thread.join()
