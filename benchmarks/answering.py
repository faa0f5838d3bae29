"""From a form to its thank-you mail, through a real Prefect server and worker: seconds, and what they are made of.

A web face, a server, a process worker and a stand-in SendGrid run on the loopback with no schedule, so that only what
the web face tells Prefect starts a cycle. Each try sends the form ``document`` for somebody new and waits for the
stand-in to take the mail that the guide's sheet has for a download.

    python -m benchmarks.answering --tries 30
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from sandbox.sendgrid import StandIn
from tests.company import REPOSITORY, SmallCompany
from tests.prefect_server import PrefectServer, end_group, running_server, wait_for

REACH_SECONDS = 15.0
"""Of the 95th percentile."""
_FORM = {
    "name": "見本 太郎", "company": "株式会社見本", "title": "部長", "phone": "03-0000-0000",
    "consent": "yes", "wording": "ja 2026-11",
}  # fmt: skip


@dataclass(frozen=True)
class Try:
    """One form's way to its mail, in seconds after the form was sent.

    Attributes:
        answered: The web face has answered.
        planned: The event has made Prefect plan a run.
        begun: The run's process has begun the flow.
        pulled: The first step, which reads the inbox, has begun.
        mailed: The stand-in has taken the mail.
        ended: The run is over.
    """

    answered: float
    planned: float
    begun: float
    pulled: float
    mailed: float
    ended: float


def percentile(values: list[float], part: float) -> float:
    """The nearest-rank percentile; ``part`` is 0 to 1."""
    ranked = sorted(values)
    return ranked[max(0, -(-int(part * 100) * len(ranked) // 100) - 1)]


def measure_answering(tries: int) -> list[Try]:
    """Send so many forms, one after the other, with pauses of random length between."""
    with tempfile.TemporaryDirectory(prefix="answering-") as folder:
        return _measure(Path(folder), tries)


def _measure(folder: Path, tries: int) -> list[Try]:
    company = SmallCompany(folder / "home", active_from=datetime.now(UTC) - timedelta(days=1))
    with running_server() as server, StandIn(company.home) as stand_in:
        settings = company.environment(stand_in)
        for command in (
            ("prefect", "work-pool", "create", "nurture", "--type", "process"),
            ("prefect", "--no-prompt", "deploy", "--all"),
        ):
            done = server.command(*command, cwd=REPOSITORY, **settings)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
        arguments = ["worker", "start", "--pool", "nurture", "--type", "process"]
        with (
            server.worker("nurture", arguments, cwd=folder, **settings),
            _web_face(server, company, settings) as url,
        ):
            _one_try(server, company, url, "warm")
            return [_one_try(server, company, url, f"lead{number}") for number in range(tries)]


@contextmanager
def _web_face(server: PrefectServer, company: SmallCompany, settings: dict[str, str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (company.home / "intake.log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "-m", "cli", "intake", "--port", str(port)],
            cwd=REPOSITORY,
            env=server.environment(**settings),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:

        def is_up() -> bool | None:
            with suppress(httpx.TransportError):
                return httpx.get(f"{url}/healthz", trust_env=False).is_success or None
            return None

        wait_for(is_up, 60, "the web face", server.home)
        yield url
    finally:
        end_group(web)


def _one_try(server: PrefectServer, company: SmallCompany, url: str, name: str) -> Try:
    time.sleep(random.uniform(0, 3))
    accepted = company.home / "sandbox" / "accepted.jsonl"
    before = len(accepted.read_text().splitlines()) if accepted.exists() else 0
    sent_at = time.time()
    told = {**_FORM, "email": f"{name}@example.com"}
    answer = httpx.post(f"{url}/forms/document", data=told, trust_env=False)
    answered_at = time.time()
    if not answer.is_success:
        raise RuntimeError(f"the form was answered with {answer.status_code}")

    def is_mailed() -> float | None:
        is_there = accepted.exists() and len(accepted.read_text().splitlines()) > before
        return time.time() if is_there else None

    deadline = time.monotonic() + 120
    while (mailed_at := is_mailed()) is None:
        if time.monotonic() > deadline:
            raise RuntimeError("no mail within two minutes")
        time.sleep(0.02)
    run = _last_run(server)
    return Try(
        answered_at - sent_at,
        _instant(run["created"]) - sent_at,
        _instant(run["start_time"]) - sent_at,
        min(_instant(task["start_time"]) for task in _tasks(server, run)) - sent_at,
        mailed_at - sent_at,
        _instant(run["end_time"]) - sent_at,
    )


def _last_run(server: PrefectServer) -> dict[str, Any]:
    """The cycle that mailed, once every run is over."""

    def ended() -> dict[str, Any] | None:
        runs = server.post("/flow_runs/filter", sort="START_TIME_DESC", limit=20)
        if any(run["state"]["type"] not in {"COMPLETED", "FAILED", "CRASHED"} for run in runs):
            return None
        done: dict[str, Any] = runs[0]
        return done

    return wait_for(ended, 120, "the run to end", server.home)


def _tasks(server: PrefectServer, run: dict[str, Any]) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = server.post("/task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    return tasks


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> None:
    """Measure, and say what the seconds are made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=30, help="forms sent (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    options = parser.parse_args()
    found = measure_answering(options.tries)
    mailed = [one.mailed for one in found]
    print(f"{len(found)} tries: p50 {statistics.median(mailed):.1f} s, p95 {percentile(mailed, 0.95):.1f} s,")
    print(f"least {min(mailed):.1f} s, most {max(mailed):.1f} s; to reach at p95: {REACH_SECONDS:.0f} s")
    for what in ("answered", "planned", "begun", "pulled", "mailed", "ended"):
        values = [getattr(one, what) for one in found]
        print(f"  {what:9} p50 {statistics.median(values):5.2f} s  p95 {percentile(values, 0.95):5.2f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
