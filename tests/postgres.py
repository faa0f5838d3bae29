"""A real PostgreSQL for tests, from the binaries of the ``pgserver`` wheel: on a socket of its own, gone afterwards.

Import ``postgres_server`` and ``postgres_url`` into a conftest to use them. PostgreSQL refuses to run as root; the server
then runs as ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

_START_SECONDS = 60


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The SQLAlchemy URL of a server that lives as long as the tests' session."""
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped after the test."""
    server = sqlalchemy.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    name = f"test_{time.monotonic_ns()}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    yield sqlalchemy.make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server on a socket in a folder of its own; stop it and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        binaries = _binaries(folder, user)
        data = folder / "data"
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", "-D", data, *options], check=True, capture_output=True, cwd=folder, env={}, **user
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F"],
                stdout=log, stderr=log, cwd=folder, env={}, start_new_session=True, **user,
            )  # fmt: skip
        try:
            _wait(folder, server)
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries(folder: Path, user: dict[str, Any]) -> Path:
    """Return the folder of the binaries; a copy where the server's user cannot reach the wheel's."""
    spec = find_spec("pgserver")
    assert spec is not None and spec.submodule_search_locations, "pgserver is missing: install requirements.lock"
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    try:
        subprocess.run([installed / "bin" / "postgres", "--version"], check=True, capture_output=True, env={}, **user)
    except (OSError, subprocess.CalledProcessError):
        copy = folder / "pginstall"
        shutil.copytree(installed, copy)
        return copy / "bin"
    return installed / "bin"


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError as error:
            log = (folder / "log").read_text(errors="replace")
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not come up:\n{log}") from error
            time.sleep(0.05)
        else:
            return
