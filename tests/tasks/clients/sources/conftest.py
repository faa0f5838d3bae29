"""Gives every test of a source a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import postgres_server, postgres_url
from tests.tasks.pulling import Pulling

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
def pulling(tmp_path: Path) -> Pulling:
    """Sources and a warehouse in a fresh folder."""
    return Pulling(tmp_path)
