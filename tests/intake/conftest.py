"""The guide's rules, a home with a stand-in SendGrid, and the web face that serves both; a module may have rules of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.loader import load_rules
from rules.models import RuleSet
from tests.facts import at
from tests.intake.face import Face, face
from tests.rules.workbooks import GUIDE
from tests.world import World, stand_in


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules(GUIDE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


@pytest.fixture
def served(world: World, rules: RuleSet) -> Iterator[Face]:
    with face(world.settings, rules, at(1)) as served:
        yield served
