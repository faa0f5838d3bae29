"""Faults on demand: the ways in which a request to a provider goes wrong.

What matters to a sender without an idempotency key is whether the mail went out although no answer came. So the
connection can be reset before the acceptance is recorded, and after it. Faults are for mail/send unless they name
another address: what else a sender asks meanwhile must not use up the fault meant for its mail.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("status", "reset_before", "reset_after", "hang", "accept_then_drop")
MAIL_SEND = "/v3/mail/send"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, played for a number of requests.

    Attributes:
        kind: `status` answers with a status; `reset_before` drops the connection and records nothing; `reset_after`
            records the acceptance and then drops it; `hang` sleeps and then goes on as if nothing had been;
            `accept_then_drop` takes the mails with 202, and tells later that they were dropped.
        times: For how many requests.
        status: Status of the answer, for `status`.
        headers: Headers of the answer, for `status`.
        seconds: How long to sleep, for `hang`.
        path: For requests to addresses that begin so; `/v3/` is all of them.
    """

    kind: str
    times: int = 1
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    path: str = MAIL_SEND

    @classmethod
    def from_json(cls, value: object) -> Fault:
        """Reads a fault from decoded JSON.

        Raises:
            ValueError: A key or a value that no fault has.
        """
        if not isinstance(value, dict) or value.get("kind") not in KINDS:
            raise ValueError(f"a fault is an object whose kind is one of {', '.join(KINDS)}")
        allowed = {"kind": str, "times": int, "status": int, "headers": dict, "seconds": (int, float), "path": str}
        for key, item in value.items():
            if key not in allowed or not isinstance(item, allowed[key]):  # type: ignore[arg-type]
                raise ValueError(f"{key} is not a key of a fault or has a value of another type; allowed: {allowed}")
        return cls(**value)


class Faults:
    """The faults still to be played, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Fault] = deque()

    def set(self, faults: Iterable[Fault]) -> None:
        """Replaces what is waiting; nothing at all ends the trouble."""
        self._waiting = deque(fault for fault in faults for _ in range(fault.times))

    def take(self, path: str) -> Fault | None:
        """Takes the fault of a request to this address, if one is waiting."""
        fault = next((fault for fault in self._waiting if path.startswith(fault.path)), None)
        if fault is not None:
            self._waiting.remove(fault)
        return fault


class RateLimit:
    """A number of requests a window, by the wall clock: the sender waits in real time, simulated or not.

    Args:
        requests: Requests a window to one address; None is no limit.
        seconds: Length of the window.
    """

    def __init__(self, requests: int | None = None, seconds: float = 60.0) -> None:
        self._requests = requests
        self._seconds = seconds
        self._windows: dict[str, tuple[float, int]] = {}

    def spend(self, address: str) -> tuple[bool, dict[str, str]]:
        """Counts one request to an address.

        Returns:
            Whether it is within the limit, and SendGrid's rate-limit headers (none without a limit).
        """
        if self._requests is None:
            return True, {}
        now = time.time()
        ends, used = self._windows.get(address, (0.0, 0))
        if now >= ends:
            ends, used = now + self._seconds, 0
        is_within = used < self._requests
        used += is_within
        self._windows[address] = (ends, used)
        return is_within, {
            "X-RateLimit-Limit": str(self._requests),
            "X-RateLimit-Remaining": str(self._requests - used),
            "X-RateLimit-Reset": str(int(ends) + 1),
        }


async def drop_connection(transport: Any) -> None:
    """Resets a connection, so that the client sees it break and not end."""
    connection = transport.get_extra_info("socket")
    # With lingering on and no time to linger, closing sends RST and not FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # The server must learn of it first, or it would try to answer.
    await asyncio.sleep(0.01)
