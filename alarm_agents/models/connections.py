"""HTTP connections that are kept from call to call, and never from one event loop to the next."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

import httpx

_KEPT_S = 2.0
"""Servers drop idle connections after five seconds; one that is dropped as we use it would be a failed call."""


class PerLoop(httpx.AsyncBaseTransport):
    """A transport for each event loop: what was opened in a loop that has ended fails with "Event loop is closed".

    Servers are reached directly, never by a proxy that the environment names: they are local.
    """

    def __init__(self, connections: int) -> None:
        self._limits = httpx.Limits(max_keepalive_connections=connections, keepalive_expiry=_KEPT_S)
        self._tls = _tls()  # here and not in the first call, whose time is limited
        self._transports: dict[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it by the running loop's own connections."""
        loop = asyncio.get_running_loop()
        if loop not in self._transports:
            self._transports = {one: kept for one, kept in self._transports.items() if not one.is_closed()}
            self._transports[loop] = httpx.AsyncHTTPTransport(verify=self._tls, limits=self._limits)
        return await self._transports[loop].handle_async_request(request)


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes a tenth of a second."""
    return httpx.create_ssl_context()
