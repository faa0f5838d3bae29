"""The documents say what the code does: every key is documented, every example and cookbook is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.models import Field
from tasks.clients.sources.config import load_sources
from tasks.clients.sources.models import SourceEntry
from tasks.clients.sources.targets import known_targets
from tests.tasks.pulling import FIELDS

REPOSITORY = Path(__file__).resolve().parents[4]
MORE_FIELDS = tuple(Field(id=name, label=name) for name in ("title", "phone", "origin", "landing_page"))
PLAIN_FIELDS = tuple(field for field in FIELDS if field.id not in {"industry", "employees"})
ALL_FIELDS = (*PLAIN_FIELDS, Field(id="industry", label="業種"), Field(id="employees", label="従業員数"), *MORE_FIELDS)


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "sqlite:///crm.db")
    monkeypatch.setenv("OLIST_DIR", "/data/olist")
    monkeypatch.setenv("WEBLOG_DIR", "/data/weblog")


def test_every_key_and_every_column_is_in_the_reference() -> None:
    text = (REPOSITORY / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
    for key in SourceEntry.model_fields:
        assert f"`{key}`" in text
    for into in ("leads", "events", "deals", "consents", "suppressions"):
        for target in known_targets(into, ()):
            assert f"`{target}`" in text


def test_the_sources_shipped_are_none_and_its_examples_are_valid(tmp_path: Path) -> None:
    shipped = REPOSITORY / "sources.yaml"
    assert load_sources(shipped, ALL_FIELDS) == ()
    lines = shipped.read_text(encoding="utf-8").split("# sources:\n", 1)[1].splitlines()
    examples = tmp_path / "sources.yaml"
    examples.write_text("sources:\n" + "".join(line.removeprefix("# ") + "\n" for line in lines), encoding="utf-8")
    sources = load_sources(examples, ALL_FIELDS)
    assert {source.into for source in sources} == {"leads", "deals", "events", "suppressions"}


@pytest.mark.parametrize("cookbook", ["olist_funnel", "weblog_elastic"])
def test_cookbooks_are_valid(cookbook: str) -> None:
    folder = REPOSITORY / "docs" / "cookbooks" / cookbook
    assert load_sources(folder / "sources.yaml", ALL_FIELDS)
    assert (folder / "figures.sql").exists()
