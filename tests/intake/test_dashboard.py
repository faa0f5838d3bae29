"""The dashboard behind a signed link: whoever has it sees it until its day, its own script alone runs, nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tasks.dashboard import dashboard_link, write_dashboard
from tasks.errors import RunError
from tests.browser import chromium
from tests.facts import START, add_event, add_lead, at
from tests.intake.face import face
from tests.rule_sets import rule_set
from tests.world import World
from tokens import DASHBOARD_SALT, HANDOFFS_SALT, TextSigner
from warehouse.publish import publish

SECRET = "secret of the tests"
RULES = rule_set(active_from=START)


def token(until: str, salt: str = DASHBOARD_SALT, key: str = SECRET) -> str:
    return f"/dashboard/{TextSigner(key, salt)(until)}"


def write(world: World) -> Path:
    def add(connection: duckdb.DuckDBPyConnection) -> None:
        add_lead(connection, "a@example.com")
        add_event(connection, "document_download", at(0, 1), email="a@example.com", asset="guide")

    world.facts(add)
    world.recompute(RULES, at(1))
    publish(world.settings, at(1))
    return write_dashboard(world.settings)


def test_the_link_works_until_its_day_and_no_other_does(world: World) -> None:
    with face(world.settings, RULES, at(10)) as served:
        missing = served.get(token("2026-04-11"))
        assert missing.status == 404
        assert "ダッシュボードはまだありません" in missing.text
        page = write(world).read_text(encoding="utf-8")
        found = served.get(token("2026-04-11"))
        assert (found.status, found.text) == (200, page)
        assert found.headers["cache-control"] == "no-store"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert served.ask("HEAD", token("2026-04-11")).status == 200
        for wrong in (
            token("2026-04-10"), token("2026-04-11", HANDOFFS_SALT), token("2026-04-11", key="another"), "/dashboard/x",
        ):  # fmt: skip
            refused = served.get(wrong)
            assert refused.status == 404
            assert "期限切れ" in refused.text
            assert page[:500] not in refused.text
        world.settings.dashboard.write_text("<script>1</script>", encoding="utf-8")  # the next one
        again = served.get(token("2026-04-11"))
        assert again.text == "<script>1</script>"
        assert "sha256-" in again.headers["content-security-policy"]


def test_a_link_is_made_for_thirty_days(world: World) -> None:
    made = dashboard_link(world.settings, at(10))
    assert made == f"{world.settings.public_url}{token('2026-05-11')}"
    with pytest.raises(RunError, match="NURTURE_SECRET_KEY"):
        dashboard_link(world.settings.model_copy(update={"secret_key": None, "old_secret_keys": ()}), at(10))


def test_in_a_browser_its_charts_are_drawn_under_its_policy(world: World) -> None:
    write(world)
    said: list[str] = []
    with face(world.settings, RULES, at(10)) as served, chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{served.url}{token('2026-04-11')}")
        page.wait_for_selector("html[data-drawn='1']", timeout=20_000)
        assert page.locator("#members-0 svg path").count() > 2
        # what somebody managed to put into the page would not run
        page.evaluate(
            "() => { const one = document.createElement('script'); one.textContent = 'window.hacked = 1';"
            " document.body.append(one); }"
        )
        assert page.evaluate("window.hacked") is None
        refused = said.pop()
        assert "Content Security Policy" in refused or "violates" in refused
        assert page.evaluate("fetch('/healthz').then(() => 'fetched', () => 'refused')") == "refused"
        said = [one for one in said if "healthz" not in one and "connect" not in one.lower()]
    assert said == []
