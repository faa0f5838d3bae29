"""The level of a job title is told by how it ends: 営業部長 is 部長職, 副部長 and 部長代理 are not."""

from __future__ import annotations

from pathlib import Path

from rules.loader import load_rules
from settings import Settings
from tests.facts import add_lead, at
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

LEVELS = [
    ("部長", "department_head"),
    ("営業部長", "department_head"),
    ("営業部 部長", "department_head"),
    ("General Manager", "department_head"),
    ("Sales Director", "department_head"),
    ("支社長", "department_head"),
    ("副部長", "deputy_department_head"),
    ("副支店長", "deputy_department_head"),
    ("大阪副工場長", "deputy_department_head"),
    ("営業部長代行", "deputy_department_head"),
    ("副室長", "deputy_section_head"),
    ("部長代理", "deputy_department_head"),
    ("営業部長補佐", "deputy_department_head"),
    ("Deputy General Manager", "deputy_department_head"),
    ("次長", "deputy_department_head"),
    ("代表取締役社長", "executive"),
    ("ＣＥＯ", "executive"),
    ("Managing Director", "executive"),
    ("課長", "section_head"),
    ("課長代理", "deputy_section_head"),
    ("Assistant Manager", "deputy_section_head"),
    ("係長", "team_leader"),
    ("主任", "team_leader"),
    ("営業担当", "staff"),
    ("部長付", None),
    ("部長（営業）", "department_head"),
    ("営業本部【部長】", "department_head"),
    ("課長 兼 部長代理", "deputy_department_head"),
    ("営業部長兼務", "department_head"),
    ("営業部長・工場長代理", "department_head"),
    ("Director of Sales", "department_head"),
    ("Director, Sales", "department_head"),
    ("Vice President, Sales and Marketing", "executive"),
    ("Head of Sales", "department_head"),
    ("Assistant to the Director", "staff"),
    ("Director & Co-Founder", "executive"),
    ("元部長", None),
    ("前社長", None),
    ("前工程部長", "department_head"),
]


def test_levels_of_titles(tmp_path: Path) -> None:
    rules = load_rules(Path("rules/guide"))
    with open_warehouse(Settings(home=tmp_path)) as warehouse:
        for number, (title, _) in enumerate(LEVELS):
            add_lead(warehouse, f"lead{number:02}@example.com", title=title)
        recompute(warehouse, rules, at(days=1), "http://127.0.0.1:8787")
        found = warehouse.execute("select title, title_level from leads order by email").fetchall()
    assert found == LEVELS
