"""The web face under load on the loopback: requests a second and how long they wait, against floors of the same run.

The floors: a bare ASGI application on the same server that reads the body and answers 204, and the same rows put into
SQLite with the same durability, a thousand in a transaction. One process asks, over kept-alive connections; the server
is another, so both have a core.

    python -m benchmarks.receiving --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.company import REPOSITORY, without_settings
from tests.intake.load import AGENT, PUBLIC_KEY, SITE, signed_post

CONNECTIONS = 16
BATCH = 100
"""Events in one webhook post."""
_BARE = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="error", lifespan="off", ws="none")
"""


@dataclass(frozen=True)
class Served:
    """One load: requests answered a second, and the seconds that half and 99 % of them waited at most."""

    requests: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Receiving:
    """What was measured of one kind of request; ``rows_floor`` is rows a second into bare SQLite."""

    kind: str
    rows_a_request: int
    ours: Served
    floor: Served
    rows_floor: float


def webhook_posts(count: int) -> list[bytes]:
    """Signed posts, as SendGrid makes them, each of events of its own."""
    posts = []
    for number in range(count):
        events: list[dict[str, object]] = [
            {
                "event": "delivered",
                "email": f"lead{number * BATCH + place}@example.com",
                "timestamp": int(time.time()),
                "sg_event_id": f"{number}-{place}-{random.getrandbits(64):x}",
                "sg_message_id": f"m{number}.recvd-{place}",
                "smtp-id": f"<m{number}@example.test>",
                "response": "250 OK",
                "nurture_send_id": f"{random.getrandbits(128):x}",
            }
            for place in range(BATCH)
        ]
        body, headers = signed_post(events)
        posts.append(_request("/webhooks/sendgrid", body, headers))
    return posts


def beacons(count: int) -> list[bytes]:
    """Page views, each from an address of its own."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": AGENT}
    return [
        _request(
            "/t",
            urlencode({"v": f"{random.getrandbits(128):032x}", "u": f"{SITE}/price?utm_source=nurture"}).encode(),
            headers | {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"},
        )
        for number in range(count)
    ]


def _request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def measure_receiving(seconds: float) -> list[Receiving]:
    """Load the web face with webhook posts and then with page views, each for so long."""
    found = []
    for kind, made, rows in (
        ("webhook", webhook_posts(int(400 * seconds)), BATCH),
        ("beacon", beacons(int(4000 * seconds)), 1),
    ):
        with _running([sys.executable, "-c", _BARE]) as port:
            floor = asyncio.run(_load(port, made, seconds))
        with tempfile.TemporaryDirectory() as home:
            environment = {
                "NURTURE_HOME": home, "NURTURE_SECRET_KEY": "secret", "NURTURE_SENDGRID_WEBHOOK_KEY": PUBLIC_KEY,
            }  # fmt: skip
            with _running([sys.executable, "-m", "cli", "intake", "--port"], environment) as port:
                ours = asyncio.run(_load(port, made, seconds))
            rows_floor = _rows_floor(Path(home))
        found.append(Receiving(kind, rows, ours, floor, rows_floor))
    return found


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*command, str(port)], cwd=REPOSITORY, env=without_settings(os.environ) | (environment or {})
    )
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError("the server ended at once")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


async def _load(port: int, requests: list[bytes], seconds: float) -> Served:
    waited: list[float] = []
    remaining = iter(requests)
    begun = time.perf_counter()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        for request in remaining:
            sent = time.perf_counter()
            if sent - begun > seconds:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status = head[9:12]
            if status not in {b"200", b"204"}:
                raise RuntimeError(f"answered with {status.decode()}")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line[15:]))
            waited.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    lasted = time.perf_counter() - begun
    waited.sort()
    return Served(len(waited) / lasted, waited[len(waited) // 2], waited[int(len(waited) * 0.99)])


def _rows_floor(home: Path) -> float:
    """Rows a second into a table like the inbox, of the rows that are in it."""
    with sqlite3.connect(home / "inbox.db") as inbox:
        rows = inbox.execute("select entry_key, kind, received_us, body from inbox").fetchall()
        ((definition,),) = inbox.execute("select sql from sqlite_master where name = 'inbox'").fetchall()
    bare = sqlite3.connect(home / "bare.db", isolation_level=None)
    for statement in ("pragma journal_mode=wal", "pragma synchronous=full", definition):
        bare.execute(statement)
    begun = time.perf_counter()
    for start in range(0, len(rows), 1000):
        bare.execute("begin immediate")
        bare.executemany(
            "insert into inbox (entry_key, kind, received_us, body) values (?, ?, ?, ?)", rows[start : start + 1000]
        )
        bare.execute("commit")
    lasted = time.perf_counter() - begun
    bare.close()
    return len(rows) / lasted


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="how long each load lasts (default: %(default)s)")
    for one in measure_receiving(parser.parse_args().seconds):
        rows = one.rows_a_request
        print(
            f"{one.kind}: {one.ours.requests:,.0f} requests/s, {one.ours.requests * rows:,.0f} rows/s,"
            f" p50 {one.ours.p50 * 1000:.1f} ms, p99 {one.ours.p99 * 1000:.1f} ms;"
            f" a bare server {one.floor.requests:,.0f} requests/s, p99 {one.floor.p99 * 1000:.1f} ms;"
            f" rows into bare SQLite {one.rows_floor:,.0f}/s"
        )


if __name__ == "__main__":
    main()
