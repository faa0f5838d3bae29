"""Runs the stand-in: in a thread for tests and the demo, or in the foreground for a person."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.app import REFUSED_KEY, Desk, build_app
from sandbox.clock import Clock
from sandbox.faults import RateLimit
from sandbox.mailbox import Mailbox


class _TellingProtocol(H11Protocol):
    """Tells each request its connection, which ASGI hides, so that a fault can reset it.

    Answers leave at once: on a kept connection their bodies would wait 40 ms for their heads to be acknowledged.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


class StandIn:
    """A stand-in SendGrid on the loopback, in a background thread.

    Args:
        home: The engine's home; `accepted.jsonl` and `events.jsonl` go to its folder `sandbox`.
        port: The port, 0 for any free one.
        clock: The clock to share with the simulation; the wall clock by default.
        refused_key: The API key that is answered with 401.
        rate_limit: The rate above which 429 is answered; none by default.

    Use it as a context manager, or call `start` and `stop`.
    """

    def __init__(
        self,
        home: Path,
        port: int = 0,
        clock: Clock | None = None,
        refused_key: str = REFUSED_KEY,
        rate_limit: RateLimit | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.clock = clock or Clock()
        self.mailbox = Mailbox(home)
        desk = Desk(self.mailbox, self.clock, refused_key, rate_limit or RateLimit())
        self.faults = desk.gate.faults
        self.logs = desk.logs
        config = uvicorn.Config(
            build_app(desk),
            http=_TellingProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None
        self._socket = socket.create_server((host, port))
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"

    def start(self) -> Self:
        """Starts answering; returns when it does.

        Raises:
            RuntimeError: The server did not come up.
        """
        self._thread = threading.Thread(target=self.run, name="sendgrid-stand-in", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the stand-in did not come up on {self.url}")
            time.sleep(0.005)
        return self

    def run(self) -> None:
        """Answers in this thread until it is stopped."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stops at once: a request that hangs is cut off."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def serve(host: str, port: int, home: Path) -> None:
    """Serves the stand-in until it is interrupted, after one line that names its URL.

    Args:
        host: The interface; keep to the loopback, for anyone who reaches it can read the mails.
        port: The port, 0 for any free one.
        home: The engine's home.
    """
    stand_in = StandIn(home, port, host=host)
    print(f"stand-in SendGrid: {stand_in.url}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        stand_in.run()
