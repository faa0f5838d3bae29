"""The files that take longest begin first, so that no worker is left alone with one of them at the end."""

from __future__ import annotations

import pytest

_LONGEST = (
    "test_kill.py", "test_sfa_services.py", "test_on_server.py", "test_sfa_sync.py", "test_demo.py", "test_review_runs.py",
    "test_sfa_kill.py", "test_benchmarks.py", "test_scenario_sheet.py", "test_identities.py", "test_cli.py", "test_renewal.py",
    "test_closed_loop.py", "test_scenarios.py", "test_ab_tests.py", "test_send_balance.py", "test_increments.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
