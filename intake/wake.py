"""Starts a cycle at once when something came in that answers are waited for: the schedule stays as the net under it.

Prefect is told by one event over its HTTP API, which prefect.yaml's trigger on ``nurture-cycle`` waits for. Whatever
goes wrong with that is only logged: what came in is committed, and the next scheduled cycle reads it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from intake.inbox import Entry

logger = logging.getLogger("nurture.intake")
EVENT = "nurture.inbox.arrived"
RESOURCE = "nurture.inbox"
AT_ONCE = frozenset({"form", "confirm", "download", "opt_out", "preferences", "follow_up"})
"""Kinds of entries whose answer is to leave within seconds."""
QUIET_SECONDS = 5.0
"""After an event the next waits so long; whatever comes in meanwhile rides in it."""
_TIMEOUT_SECONDS = 5.0


class Wake:
    """Tells Prefect, at most once in a while.

    Args:
        api_url: ``PREFECT_API_URL``; empty: nobody is told, and only the schedule starts cycles.
        authorization: The Authorization header, if the server asks for one.
    """

    def __init__(self, api_url: str, authorization: str | None = None, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._url = api_url.rstrip("/") + "/events"
        self._is_on = bool(api_url)
        self._headers = {"Authorization": authorization} if authorization else {}
        self._quiet_seconds = quiet_seconds
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def hear(self, entries: Sequence[Entry]) -> None:
        """Note what was committed; call it in the event loop."""
        if self._is_on and any(entry.kind in AT_ONCE for entry in entries):
            self._arrived.set()

    def start(self) -> None:
        """Begin to tell; call it in the event loop."""
        if self._is_on:
            self._task = asyncio.create_task(self._tell())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _tell(self) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=_TIMEOUT_SECONDS) as client:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                event = {
                    "id": str(uuid.uuid4()),
                    "occurred": datetime.now(UTC).isoformat(),
                    "event": EVENT,
                    "resource": {"prefect.resource.id": RESOURCE},
                    "payload": {},
                }
                try:
                    (await client.post(self._url, json=[event])).raise_for_status()
                except httpx.HTTPError as error:
                    logger.warning("Prefect was not told (%s); the schedule starts the cycle", type(error).__name__)
                await asyncio.sleep(self._quiet_seconds)


def wake_of_environment() -> Wake:
    """Tell the server that ``PREFECT_API_URL`` names, as its client would."""
    if key := os.environ.get("PREFECT_API_KEY"):
        authorization = f"Bearer {key}"
    elif auth := os.environ.get("PREFECT_API_AUTH_STRING"):
        authorization = f"Basic {b64encode(auth.encode()).decode()}"
    else:
        authorization = None
    return Wake(os.environ.get("PREFECT_API_URL", ""), authorization)
