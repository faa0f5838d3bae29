"""A real Prefect server and process worker for tests: on the loopback, with a home of their own, gone afterwards.

Import ``prefect_server`` into a test module (or its conftest) to use it. Nothing of the machine's own Prefect or
``NURTURE_*`` settings reaches them, and they ask the internet for nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

START_SECONDS = 90
_BIN = Path(sys.executable).parent
_Result = TypeVar("_Result")

_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_COLORS": "false",
    # only what a test schedules runs
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    # slow by default, since nobody waits for them
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
}


class PrefectServer:
    """A running server: its address, its home, and the commands and requests that reach it."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.api_url = f"http://127.0.0.1:{port}/api"
        self._client = httpx.Client(base_url=self.api_url, timeout=30, trust_env=False)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process that uses this server: ours without settings of Prefect and of the engine."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NURTURE_"))}
        return {**ours, **_SETTINGS, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.api_url, **more}

    def command(self, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command against this server, those of the virtual environment first."""
        return self.script(shlex.join(arguments), cwd, **environment)

    def script(self, text: str, cwd: Path, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run lines of bash as a person would who types them, and ``typed`` where they ask; the first failure ends it."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=cwd,
            env=self.environment(PATH=f"{_BIN}{os.pathsep}{os.environ['PATH']}", **environment),
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            start_new_session=True,  # without a terminal, what is typed comes from standard input
        )

    def get(self, path: str) -> Any:
        return self._request("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        return self._request("POST", path, json=body)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        """Ask again while the server's SQLite is busy, as Prefect's own client does."""

        def answer() -> httpx.Response | None:
            response = self._client.request(method, path, **options)
            return None if response.status_code == httpx.codes.SERVICE_UNAVAILABLE else response

        return wait_for(answer, 30, f"{method} {path}", self.home).raise_for_status().json()

    def deployments(self) -> dict[str, dict[str, Any]]:
        """Every deployment by name."""
        return {deployment["name"]: deployment for deployment in self.post("/deployments/filter")}

    def schedule(self, deployment: str, **parameters: Any) -> str:
        """Schedule a run of a deployment now. Returns the run's id."""
        path = f"/deployments/{self.deployments()[deployment]['id']}/create_flow_run"
        run = self.post(path, state={"type": "SCHEDULED"}, parameters=parameters)
        return str(run["id"])

    def states(self, *run_ids: str, seconds: float = 120) -> list[str]:
        """Wait until these runs have ended. Returns their states, each with its message where it is no ``COMPLETED``."""

        def ended() -> list[str] | None:
            runs = [self.get(f"/flow_runs/{run_id}") for run_id in run_ids]
            if any(run["state"]["type"] not in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} for run in runs):
                return None
            return [
                run["state"]["type"] if run["state"]["type"] == "COMPLETED" else f"{run['name']}: {run['state']}"
                for run in runs
            ]

        return wait_for(ended, seconds, "the runs to end", self.home)

    @contextmanager
    def worker(self, pool: str, arguments: list[str], cwd: Path, **environment: str) -> Iterator[None]:
        """Run a worker of a work pool by these arguments of ``prefect``; it looks for runs every second."""
        arguments = [*arguments, "--name", "tests", "--prefetch-seconds", "1"]
        with self.process("worker", arguments, cwd, self.environment(**environment)):
            path = f"/work_pools/{pool}/workers/filter"
            wait_for(lambda: self.post(path) or None, START_SECONDS, "the worker", self.home)
            yield

    @contextmanager
    def process(
        self, name: str, arguments: list[str], cwd: Path, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a ``prefect`` command in a process group of its own, and end that group."""
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(_BIN / "prefect"), *arguments],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            end_group(process)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """A server that lives as long as the tests' session."""
    with running_server() as server:
        yield server


@contextmanager
def running_server() -> Iterator[PrefectServer]:
    """Start a server on a free port; stop it and remove its home at the end."""
    home = Path(tempfile.mkdtemp(prefix="prefect-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = PrefectServer(home, port)
    arguments = ["server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    try:
        with server.process("server", arguments, home, server.environment()) as process:

            def healthy() -> bool | None:
                assert process.poll() is None, f"the Prefect server ended at once:\n{_tails(home)}"
                with suppress(httpx.TransportError):
                    return server.get("/health") is True or None
                return None

            wait_for(healthy, START_SECONDS, "the Prefect server", home)
            yield server
    finally:
        server._client.close()
        shutil.rmtree(home, ignore_errors=True)


def wait_for(look: Callable[[], _Result | None], seconds: float, what: str, home: Path) -> _Result:
    """Look until there is something; fail with the ends of the logs when there is nothing in time."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}\n{_tails(home)}"
        time.sleep(0.2)
    return found


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a group of its own, and whatever is left in that group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def _tails(home: Path) -> str:
    logs = sorted(home.glob("*.log"))
    return "\n".join(f"--- {log.name}\n" + log.read_text(errors="replace")[-4000:] for log in logs)
