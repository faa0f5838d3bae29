"""Runs the web face in a thread, with the clock a test sets, and asks it things over HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from intake.app import make_app, server_of
from rules.models import RuleSet
from sandbox.sendgrid import Clock
from settings import Settings


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Face:
    def __init__(self, port: int, clock: Clock) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
                connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        given = {"Content-Type": "application/x-www-form-urlencoded"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, urlencode(fields or {}).encode(), given)


@contextmanager
def face(
    settings: Settings, rules: RuleSet, now: datetime | None, listening: socket.socket | None = None
) -> Iterator[Face]:
    """``now`` None is the wall clock's; ``listening`` is a socket whose port is known before."""
    clock = Clock(now)
    listening = listening or socket.create_server(("127.0.0.1", 0))
    server = server_of(make_app(settings, rules, clock.now), log_config=None)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    try:
        yield Face(listening.getsockname()[1], clock)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()
