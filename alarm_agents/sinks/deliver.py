"""Delivery of new incidents, at least once, each noted under a key so that a second run does not repeat it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import httpx

from alarm_agents.settings import CommandSettings, WebhookSettings
from alarm_agents.types import Incident
from alarm_agents.workspace.cases import CaseStore

SECONDS = 10.0
"""How long one delivery may take."""
PLACE = re.compile(r"\{(title|source|severity|id|evidence)\}")
_log = logging.getLogger(__name__)


async def deliver(
    sinks: Sequence[WebhookSettings | CommandSettings], incident: Incident, store: CaseStore, folder: Path
) -> None:
    """Tell the incident to every sink that has not been told yet; its evidence lies in the workspace `folder`.

    A sink that fails is logged and tried again with the incident's next case: watching goes on.
    """
    for place, sink in enumerate(sinks):
        key = f"{place}:{sink.kind}:{incident.id}"
        if store.delivered(key):
            continue
        try:
            await (_post(sink, incident, key) if isinstance(sink, WebhookSettings) else _run(sink, incident, folder))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, KeyError, RuntimeError) as error:
            _log.warning("notify.%d (%s) failed for %s: %r", place, sink.kind, incident.id, error)
        else:
            store.deliver_once(key)


async def _post(sink: WebhookSettings, incident: Incident, key: str) -> None:
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        headers = {"Idempotency-Key": key}
        response = await client.post(os.environ[sink.url_env], json=incident.model_dump(mode="json"), headers=headers)
        response.raise_for_status()


async def _run(sink: CommandSettings, incident: Incident, folder: Path) -> None:
    """Run the program; values are single arguments, never parsed by a shell."""
    values: dict[str, object] = incident.model_dump(include={"title", "source", "severity", "id"})
    values["evidence"] = folder / incident.evidence[0] if incident.evidence else ""
    arguments = [PLACE.sub(lambda found: str(values[found[1]]), part) for part in sink.run]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(SECONDS):
            code = await process.wait()
    except TimeoutError:
        process.kill()
        raise
    if code:
        raise RuntimeError(f"exit code {code}")
