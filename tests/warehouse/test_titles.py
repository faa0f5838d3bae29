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
    ("部長（代理）", "deputy_department_head"),
    ("営業部長(代行)", "deputy_department_head"),
    ("部長・代理", "deputy_department_head"),
    ("課長【補佐】", "deputy_section_head"),
    ("部長 代理", "deputy_department_head"),
    ("副 部長", "deputy_department_head"),
    ("Deputy (General Manager)", "deputy_department_head"),
    ("Deputy, General Manager", "deputy_department_head"),
    ("社長（秘書）", "staff"),
    ("秘書（社長）", "staff"),
    ("社長秘書", "staff"),
    ("Executive Assistant, CEO", "staff"),
    ("Executive Assistant to the CEO", "staff"),
    ("Secretary, President", None),
    ("取締役 営業担当", "executive"),
    ("取締役営業担当", "executive"),
    ("執行役員 営業本部長", "executive"),
    ("代表取締役CEO", "executive"),
    ("Representative Director", "executive"),
    ("Senior Managing Director", "executive"),
    ("部長 営業部", "department_head"),
    ("課長兼任部長", "department_head"),
    ("部長、課長", "department_head"),
    ("営業／課長", "section_head"),
    ("営業「部長」", "department_head"),
    ("営業〈部長〉", "department_head"),
    ("営業;部長", "department_head"),
    ("部長|営業", "department_head"),
    ("部長:営業", "department_head"),
    ("部長。営業", "department_head"),
    ("Manager – Sales", "section_head"),
    ("Manager - Sales", "section_head"),
    ("CEO @ Acme", "executive"),
    ("Manager for Japan", "section_head"),
    ("Manager at Acme", "section_head"),
    ("Sales and Marketing Director", "department_head"),
    ("Director of Engineering and CTO", "executive"),
    ("Director of Engineering (CTO)", "executive"),
    ("Head of Department", "department_head"),
    ("Head of Sales (Japan)", "department_head"),
    ("Head of Sales, APAC", "department_head"),
    ("Head of IT / CISO", "department_head"),
    ("Co-Founder", "executive"),
    ("元副部長", None),
    ("元営業部長", None),
    ("前代表取締役社長", None),
    ("元・部長", None),
    ("旧部長", None),
    ("former director", None),
    ("元町支店長", "department_head"),
    ("元部長", None),
    ("前社長", None),
    ("前工程部長", "department_head"),
]


def test_levels_of_titles(tmp_path: Path) -> None:
    rules = load_rules(Path("rules/guide"))
    with open_warehouse(Settings(home=tmp_path)) as warehouse:
        for number, (title, _) in enumerate(LEVELS):
            add_lead(warehouse, f"lead{number:03}@example.com", title=title)
        recompute(warehouse, rules, at(days=1), "http://127.0.0.1:8787")
        found = warehouse.execute("select title, title_level from leads order by email").fetchall()
    assert found == LEVELS


def test_every_word_of_a_level_tells_it(tmp_path: Path) -> None:
    rules = load_rules(Path("rules/guide"))
    words = {word: level.id for level in rules.title_levels for word in (*level.exact, *level.endings)}
    with open_warehouse(Settings(home=tmp_path)) as warehouse:
        for number, word in enumerate(words):
            add_lead(warehouse, f"lead{number}@example.com", title=word)
        recompute(warehouse, rules, at(days=1), "http://127.0.0.1:8787")
        assert dict(warehouse.execute("select title, title_level from leads").fetchall()) == words
