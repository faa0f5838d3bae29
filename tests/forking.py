"""Starts the ``nurture`` command in processes that fork when all is imported.

Imports are most of a short run's life and do nothing that can go wrong. A process that is killed here is at work, and
a round of kill and repair costs the work alone.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.company import REPOSITORY, without_settings

_CONTEXT = multiprocessing.get_context("forkserver")
_IMPORTED = ("cli", "tests.forking", "flows.nurture_cycle", "flows.send_scenarios", "tasks.clients.sources.reading")


def start(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path, errors: Path | None = None
) -> ForkServerProcess:
    """Start the command with these variables; what it says is added to ``log``, or its errors to a file of their own."""
    _CONTEXT.set_forkserver_preload(list(_IMPORTED))
    said = (str(log), str(errors or log))
    process = _CONTEXT.Process(target=_run, args=(list(arguments), dict(environment), said), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], files: tuple[str, str]) -> None:
    import cli

    kept = without_settings(os.environ) | environment
    os.environ.clear()
    os.environ.update(kept)
    os.chdir(REPOSITORY)
    for stream, file in zip((sys.stdout, sys.stderr), files, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), stream.fileno())
    cli.app(arguments)
