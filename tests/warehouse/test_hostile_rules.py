"""Whatever a marketer writes into a rule, it never becomes SQL: it is a value of a row, or a bound parameter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rules.errors import ConfigurationError
from rules.loader import check_rules, load_rules
from rules.models import RuleSet
from rules.yaml_nodes import parse_yaml
from settings import Settings
from tests.facts import add_consent, add_event, add_lead, at
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

HOSTILE = "x' or 1=1; drop table leads; -- \" $as_of {0} \\ %s ; select 'x"
"""Breaks out of single and double quotes, comments, names of parameters, and formats."""
EMAIL = "a@example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The second rule set, with hostile text in every place where a value may stand."""
    folder = Path(shutil.copytree("rules/b2b", tmp_path / "b2b"))

    def write(name: str, change: Any) -> None:
        path = folder / name
        content = parse_yaml(path.read_text(encoding="utf-8")).data
        change(content)
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")  # which is YAML

    def fields(content: Any) -> None:
        content["fields"].append(
            {"id": "memo", "label": HOSTILE, "type": "choice", "values": [HOSTILE, "other"], "mail_default": HOSTILE}
        )

    def segments(content: Any) -> None:
        asked = {
            "equal": {"field": "industry", "equals": HOSTILE},
            "among": {"field": "region", "in": [HOSTILE, "a"]},
            "part": {"field": "title", "contains": HOSTILE},
            "choice": {"field": "memo", "equals": HOSTILE},
            "listed": {"field": "industry", "in_list": "hostile"},
            "asset": {"event": "document_download", "asset": HOSTILE},
            "property": {"event": "form_submit", "properties": {HOSTILE: HOSTILE}},
            "property_part": {"event": "form_submit", "properties": {HOSTILE: {"contains": HOSTILE}}},
            "domain": {"any": [{"field": "email_domain", "contains": value} for value in (HOSTILE, "example.com")]},
            "group": {"event": "page_view", "page_group": "hostile"},
        }
        content["segments"] += [
            {"id": f"hostile_{name}", "label": f"{HOSTILE} {name}", "where": where} for name, where in asked.items()
        ]
        content["segments"].append({"id": "hostile_referred", "label": HOSTILE, "where": {"segment": "hostile_equal"}})

    def scoring(content: Any) -> None:
        content["scoring"] += [
            {"id": "hostile_on", "label": HOSTILE, "on": {"event": "document_download", "asset": HOSTILE}, "points": 1},
            {
                "id": "hostile_where",
                "label": f"{HOSTILE} again",
                "where": {"field": "industry", "equals": HOSTILE},
                "points": 1,
            },
        ]

    write("fields.yaml", fields)
    write("segments.yaml", segments)
    write("scoring.yaml", scoring)
    write(
        "lists.yaml", lambda content: content["lists"].append({"id": "hostile", "label": HOSTILE, "values": [HOSTILE]})
    )
    write("tiers.yaml", lambda content: content["tiers"][0].update(label=HOSTILE))
    write("stages.yaml", lambda content: content["stages"][3].update(label=HOSTILE))
    write("stages.yaml", lambda content: content["fall_back"][0].update(label=HOSTILE))
    write("titles.yaml", lambda content: content["title_levels"][-1].update(exact=[HOSTILE], label=HOSTILE))
    write("accounts.yaml", lambda content: content.update(legal_forms=[HOSTILE, "(", "[a-"], shared_domains=[HOSTILE]))
    write(
        "vocabulary.yaml",
        lambda content: content["page_groups"].append({"id": "hostile", "label": HOSTILE, "patterns": [HOSTILE]}),
    )
    write("handoff.yaml", lambda content: content["when_in"][0].update(label=HOSTILE))
    return folder


class Recording:
    """A connection that keeps the text of what it runs."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.texts: list[str] = []

    def execute(self, query: str, *values: Any) -> duckdb.DuckDBPyConnection:
        self.texts.append(query)
        return self.connection.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


@pytest.fixture
def rules(folder: Path) -> RuleSet:
    return load_rules(folder)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        add_lead(
            connection, EMAIL, title=HOSTILE, industry=HOSTILE, region=HOSTILE, memo=HOSTILE, company=f"{HOSTILE}甲"
        )
        add_lead(connection, "b@example.com", title="部長", industry="製造業", company="乙")
        add_consent(connection, EMAIL)
        add_event(connection, "document_download", at(1), email=EMAIL, asset=HOSTILE)
        add_event(connection, "form_submit", at(1), email=EMAIL, **{HOSTILE: HOSTILE})
        add_event(connection, "page_view", at(2), email=EMAIL, url=HOSTILE)
        yield connection


def test_hostile_texts_are_values_and_nothing_else(rules: RuleSet, warehouse: duckdb.DuckDBPyConnection) -> None:
    recording = Recording(warehouse)
    for day in (3, 4):  # all of it, and what changed
        recompute(recording, rules, at(day), "http://127.0.0.1:8787")  # type: ignore[arg-type]
        add_event(warehouse, "document_download", at(day), email=EMAIL, asset=HOSTILE)
    assert len(recording.texts) > 100
    fragments = ("drop table leads", "1=1", "or 1", "select 'x", "%s")
    assert not [text for text in recording.texts if any(fragment in text for fragment in fragments)]
    # and they mean what they say
    found = {
        segment
        for (segment,) in warehouse.execute(
            "select segment from segment_members join leads using (lead_id) where email = $1"
            # the hostile text is no glob of itself: its backslash takes the meaning of what follows
            " and starts_with(segment, 'hostile') and segment not in ('hostile_asset', 'hostile_group')",
            [EMAIL],
        ).fetchall()
    }
    assert found == {
        "hostile_equal", "hostile_among", "hostile_part", "hostile_choice", "hostile_listed", "hostile_property",
        "hostile_property_part", "hostile_domain", "hostile_referred",
    }  # fmt: skip
    assert warehouse.execute("select memo from leads where email = $1", [EMAIL]).fetchone() == (HOSTILE,)
    rules_given = "select distinct rule from lead_score_points where starts_with(rule, 'hostile_w')"
    assert warehouse.execute(rules_given).fetchall() == [("hostile_where",)]
    assert warehouse.execute("select count(*) from leads").fetchone() == (2,)


NAMES = [
    ("fields.yaml", "id: region", "id: \"region'; drop table leads; --\""),
    ("segments.yaml", "id: competitors", "id: \"x; drop table leads\""),
    ("scoring.yaml", "id: mail_open", "id: \"x'y\""),
    ("stages.yaml", "id: interest", "id: \"x'y\""),
    ("segments.yaml", "field: contract_renewal_on", "field: \"1=1; drop table leads\""),
    ("segments.yaml", "{deal: open}", "{deal: \"open' or 1=1\"}"),
    ("segments.yaml", "event: page_view", "event: \"page_view' or '1'='1\""),
    ("segments.yaml", "within_days: 30", "within_days: \"30; drop table leads\""),
    ("scoring.yaml", "points: 15", "points: \"15; drop table leads\""),
    ("scoring.yaml", "once_per: send", "once_per: \"send' --\""),
    ("lists.yaml", "id: competitors", "id: \"x'y\""),
    ("vocabulary.yaml", "id: price", "id: \"price'\""),
    ("handoff.yaml", "id: ready_team", "id: \"x'y\""),
    ("handoff.yaml", "hot_tier: hot", "hot_tier: \"hot' or 1=1\""),
    ("accounts.yaml", "name_field: company", "name_field: \"company' or 1=1\""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), NAMES)
def test_what_names_something_has_to_be_a_name(tmp_path: Path, name: str, old: str, new: str) -> None:
    folder = Path(shutil.copytree("rules/b2b", tmp_path / "b2b"))
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    rule_set, problems = check_rules(folder)
    assert rule_set is None
    assert any(problem.file == name for problem in problems)
    with pytest.raises(ConfigurationError):
        load_rules(folder)
