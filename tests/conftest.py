"""The files that take longest begin first, so that no worker is left alone with one of them at the end."""

from __future__ import annotations

import pytest

_LONGEST = (
    "test_kill.py", "test_on_server.py", "test_cli.py", "test_demo.py", "test_scenario_sheet.py", "test_sfa_kill.py",
    "test_increments.py", "test_identities.py", "test_send_balance.py", "test_closed_loop.py", "test_ab_tests.py", "test_scenarios.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
