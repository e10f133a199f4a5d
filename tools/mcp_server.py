"""Tools of an MCP server (Model Context Protocol), by langchain-mcp-adapters.

`mcp:http://127.0.0.1:9000/mcp` names a running server, `mcp:python my_server.py` a program that speaks MCP on its
standard input and output; it starts in the scenario's folder, afresh for each call, and `python` means the
interpreter that alarm-agents runs on.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlsplit

from langchain_core.tools import BaseTool

from alarm_agents.errors import ConfigurationError, MissingExtraError, ToolError
from alarm_agents.tools.call import reason

PREFIX = "mcp:"
PATIENCE = 30.0
"""Seconds in which a server must have listed its tools."""


async def server_tools(spec: str, base: Path, seconds: float = PATIENCE) -> list[BaseTool]:
    """All tools of the server that `spec` names. Raises `ToolError` when it does not answer."""
    connection = _connection(spec, base)
    try:
        # Imported late: it is an optional part.
        from langchain_mcp_adapters.client import MultiServerMCPClient
    except ImportError as error:
        raise MissingExtraError("mcp", "a tool server", where=f"tools: {spec}") from error
    name = server_name(spec)
    client = MultiServerMCPClient({name: connection})  # type: ignore[dict-item]  # one of its typed dictionaries
    try:
        async with asyncio.timeout(seconds):
            return await client.get_tools(server_name=name)
    except Exception as error:  # a server and its transport: groups of any errors
        raise ToolError(
            f"the tool server does not list its tools ({reason(error)})", where=f"tools: {spec}", remedy="start it"
        ) from error


def server_name(spec: str) -> str:
    """A short name for a server, to tell its tools from others of the same name: its host and port, or its program."""
    address = spec.removeprefix(PREFIX).strip()
    if _is_url(address):
        name = urlsplit(address).netloc.rpartition("@")[2]
    else:
        words = [word for word in _words(spec)[1:] if not word.startswith("-")] or _words(spec)
        name = PurePath(words[0]).stem
    return re.sub(r"\W+", "_", name).strip("_") or "mcp"


def _connection(spec: str, base: Path) -> Mapping[str, Any]:
    address = spec.removeprefix(PREFIX).strip()
    if _is_url(address):
        return {"transport": "http", "url": address}
    command, *arguments = _words(spec)
    command = sys.executable if command in ("python", "python3") else command
    return {"transport": "stdio", "command": command, "args": arguments, "cwd": str(base)}


def _is_url(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _words(spec: str) -> list[str]:
    try:
        words = shlex.split(spec.removeprefix(PREFIX))
    except ValueError as error:
        raise ConfigurationError(f"not a command line ({error})", where=f"tools: {spec}") from error
    if not words:
        raise ConfigurationError(
            "mcp: names no server", where=f"tools: {spec}", remedy="add an address, or a command that starts one"
        )
    return words
