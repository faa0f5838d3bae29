"""The dashboard in Chromium, from the disk: its charts are drawn, its figures are those of SQL, its filters work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page
from typer.testing import CliRunner

from cli import app
from settings import Settings
from tasks.dashboard import write_dashboard
from tasks.errors import RunError
from tasks.main_chart import main_chart_png, main_chart_words
from tests.browser import chromium
from tests.facts import START
from tests.rule_sets import rule_set
from tests.world import World, stand_in
from warehouse.publish import publish

LAST_DAY = START + timedelta(days=365)
LEADS = 1_000_000
_SEGMENTS = 20
_GRID = f"""
select
    date::date as date, 'scenario' || scenarios.scenario as scenario, 'step' || steps.step as step, 'default' as variant,
    'segment' || ((scenarios.scenario * 4 + steps.step) % {_SEGMENTS}) as segment,
    (hash(date, scenarios.scenario, steps.step) % 400)::bigint + 1100 as delivered
from
    generate_series(timestamp '2026-04-01', timestamp '2027-03-31', interval 1 day) as days(date),
    range(12) as scenarios(scenario), range(4) as steps(step)
"""
_YEAR = f"""
create or replace table segments as
select 'segment' || number as segment, 'セグメント' || number as label, number::integer as position from range({_SEGMENTS}) as numbers(number);
create or replace table steps as
select
    'scenario' || scenario as scenario, 'シナリオ' || scenario as scenario_label, 'step' || step as step, 'ステップ' || step as label,
    'step' as kind, 'segment' || ((scenario * 4 + step) % {_SEGMENTS}) as segment, 'awareness' as stage,
    to_days(step::integer) as delay, 'marketing' as category, '資料請求' as cta_label, step > 0 as has_cta
from range(12) as scenarios(scenario), range(4) as steps(step);
create or replace table kpi_mail_daily as
select
    date, scenario, step, variant, segment, delivered + 60 as targeted, delivered + 20 as sent, delivered,
    (delivered * 0.24 + hash(date, 1) % 40)::bigint as opened, (delivered * 0.05 + hash(date, 2) % 20)::bigint as clicked,
    case when step != 'step0' then (delivered * 0.01)::bigint end as converted, 10::bigint as bounced,
    (hash(date, scenario, 3) % 3)::bigint as unsubscribed, (hash(date, scenario, 4) % 2)::bigint as complained,
    opened / delivered as open_rate, clicked / delivered as click_rate, clicked / opened as click_to_open_rate,
    converted / delivered as conversion_rate, null::timestamptz as restated_at
from ({_GRID});
create or replace table kpi_funnel_daily as
select
    days.date::date as date, stage, 0::bigint as leads_in, 900::bigint as entered, 500::bigint as moved_on,
    {LEADS} // 4 + hash(days.date, stage) % 9000 as leads, 4000 + hash(days.date) % 500 as hot_leads,
    30::bigint as handoffs, 8::bigint as meetings, (hash(days.date, stage) % 4)::bigint as deals_won,
    (hash(days.date, stage) % 4 * 400000)::decimal(18, 2) as amount, null::timestamptz as restated_at
from generate_series(timestamp '2026-04-01', timestamp '2027-04-01', interval 1 day) as days(date), stages;
create or replace table kpi_segment_daily as
select
    days.date::date as date, segment, tier, 20000 + hash(segment) % 90000 + date_diff('day', date '2026-04-01', days.date::date) * 40 as leads,
    null::timestamptz as restated_at
from generate_series(timestamp '2026-04-01', timestamp '2027-04-01', interval 1 day) as days(date), segments, tiers;
create or replace table kpi_handoff_daily as
select
    days.date::date as date, 'rep' || number as owner, 12::bigint as handed_off, 10::bigint as contacted_within_limit,
    1::bigint as breached, 0::bigint as reminded, 0::bigint as escalated, 0::bigint as reassigned,
    (5 + number)::double as median_hours_to_first_contact, 1::bigint as waiting, 5::bigint as contacted,
    3::bigint as meetings, 1::bigint as won, 1::bigint as lost, 1::bigint as returned, null::timestamptz as restated_at
from generate_series(timestamp '2026-04-01', timestamp '2027-03-31', interval 1 day) as days(date), range(20) as reps(number);
create or replace table kpi_cohorts as
select
    months.date::date as month, dimension, value, 80000::bigint as leads, 70000::bigint as mailed, 9000::bigint as clicked,
    4000::bigint as hot, 3000::bigint as handed_off, 800::bigint as met, 400::bigint as deals, 120::bigint as won,
    5000000::decimal(18, 2) as amount, 10 as median_days_to_hot, 12 as median_days_to_handoff,
    20 as median_days_to_meeting, 40 as median_days_to_won
from generate_series(timestamp '2026-04-01', timestamp '2027-03-01', interval 1 month) as months(date),
    (select 'source' as dimension, 'web' as value union all select 'segment', segment from segments
     union all select distinct 'scenario', scenario from steps);
create or replace table kpi_ab_tests as
select
    'scenario1/step1' as test, '件名' as label, 'scenario1' as scenario, 'step1' as step, 'opened' as metric,
    timestamptz '2027-01-01 00:00+00' as started_at, variant, variant = 'a' as is_first, 0.5 as share, 4000::bigint as assigned,
    4000::bigint as measured, reached::bigint as reached, reached / 4000 as rate, effect, low, high, p as p_value,
    low as anytime_low, high as anytime_high, p as anytime_p_value, 0.8 as sample_ratio_p_value, 0.02 as detectable_effect,
    3900::bigint as mails_needed, 0.03 as smallest_effect, null::timestamptz as ended_at, 'winner' as verdict, 'b' as winner
from (values ('a', 960, null, null, null, null), ('b', 1160, 0.05, 0.03, 0.07, 0.0004)) as arms(variant, reached, effect, low, high, p);
update publication set as_of = timestamptz '2027-03-31 22:00+00';
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose published file holds a year of a company with a million leads."""
    home = tmp_path_factory.mktemp("home")
    with stand_in(home) as server:
        world = World(home, server)
        world.recompute(rule_set(), START)
        with duckdb.connect(str(publish(world.settings, START))) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(_YEAR)
            (rows,) = connection.execute("select count(*) from kpi_mail_daily").fetchall()[0]
            assert rows == 365 * 48
    write_dashboard(Settings(home=home))
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Seen:
    """A page that is open, and what its console said."""

    def __init__(self, browser: Browser, home: Path, width: int = 1280) -> None:
        self.said: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on(
            "request", lambda request: self.said.append(request.url) if request.url.startswith("http") else None
        )
        self.page.goto((home / "dashboard.html").as_uri())
        self.drawn(1)

    def drawn(self, turn: int) -> None:
        self.page.wait_for_selector(f"html[data-drawn='{turn}']", timeout=20_000)

    def tile(self, name: str) -> str:
        return self.page.locator(f"#tiles li:has(.name:text-is('{name}'))").inner_text()


@pytest.fixture
def seen(browser: Browser, home: Path) -> Iterator[Seen]:
    seen = Seen(browser, home)
    yield seen
    assert seen.said == [], "the console is silent, and nothing is asked of a network"
    seen.page.close()


def changed(browser: Browser, home: Path, folder: Path, change: Callable[[duckdb.DuckDBPyConnection], object]) -> Seen:
    """The dashboard of the same figures but for a change, in another home."""
    files = Settings(home=folder)
    files.published.write_bytes((home / "kpi.duckdb").read_bytes())
    with duckdb.connect(str(files.published)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        change(connection)
    write_dashboard(files)
    return Seen(browser, folder)


def figures(home: Path, query: str) -> Any:
    with duckdb.connect(str(home / "kpi.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()[0]


def test_a_year_of_a_million_leads_is_small_and_fast(seen: Seen, home: Path) -> None:
    assert (home / "dashboard.html").stat().st_size < 5_000_000
    (first_chart,) = seen.page.evaluate("performance.getEntriesByName('first-chart').map(one => one.startTime)")
    assert first_chart < 2000, f"{first_chart:.0f} ms"


def test_every_chart_is_drawn_and_told_in_words(seen: Seen) -> None:
    charts = seen.page.locator(".chart")
    assert charts.count() == 10
    for number in range(charts.count()):
        chart = charts.nth(number)
        assert chart.locator("svg path, svg rect").count() > 2, chart.get_attribute("id")
        words = chart.get_attribute("aria-label")
        assert words and re.search(r"\d", words), "a chart's figures are told to those who do not see it"
        assert seen.page.locator(f".cell:has(#{chart.get_attribute('id')}) details table tbody tr").count() > 0


def test_the_figures_are_those_of_sql_by_period_segment_and_scenario(seen: Seen, home: Path) -> None:
    def check(turn: int, where: str, days: int) -> None:
        seen.drawn(turn)
        opened, delivered = figures(
            home,
            f"select sum(opened), sum(delivered) from kpi_mail_daily where {where}"
            f" and date >= date '2027-04-01' - {days} and date < '2027-04-01'",
        )
        told = seen.tile("開封率")
        assert f"{opened / delivered:.1%}" in told
        assert f"{opened:,} / {delivered:,}" in told

    check(1, "true", 28)
    seen.page.select_option("#period", "last90")
    check(2, "true", 90)
    seen.page.select_option("#segment", "segment3")
    check(3, "segment = 'segment3'", 90)
    seen.page.select_option("#scenario", "scenario5")
    check(4, "segment = 'segment3' and scenario = 'scenario5'", 90)
    seen.page.select_option("#segment", "")
    check(5, "scenario = 'scenario5'", 90)
    assert "シナリオ5" in seen.page.locator("#scenarios tbody tr.group").inner_text()
    seen.page.select_option("#scenario", "")
    seen.page.select_option("#period", "custom")
    seen.page.fill("#from", "2027-03-30")
    seen.page.fill("#to", "2027-03-31")
    seen.page.wait_for_function("document.getElementById('chosen').textContent.includes('2027-03-30 – 2027-03-31')")
    opened, delivered = figures(
        home, "select sum(opened), sum(delivered) from kpi_mail_daily where date between '2027-03-30' and '2027-03-31'"
    )
    assert f"{opened:,} / {delivered:,}" in seen.tile("開封率")
    deals, amount = figures(
        home,
        "select sum(deals_won), sum(amount)::bigint from kpi_funnel_daily where date between '2027-03-30' and '2027-03-31'",
    )
    assert f"{deals}" in seen.tile("受注")
    assert f"{amount:,}円" in seen.tile("受注金額")


def test_a_point_under_the_mouse_tells_its_day(seen: Seen) -> None:
    for chart in ("#trend-0", "#delivery-0", "#handoffs-0"):
        mark = seen.page.locator(f"{chart} svg .role-mark.mark-symbol path, {chart} svg .role-mark.mark-rect path").nth(
            7
        )
        mark.hover(force=True)
        tooltip = seen.page.locator("#vg-tooltip-element")
        seen.page.wait_for_function("document.getElementById('vg-tooltip-element')?.innerText.includes('20')")
        assert re.search(r"日付:?\s*2027-03-\d\d", tooltip.inner_text()), tooltip.inner_text()
        seen.page.mouse.move(0, 0)


def test_what_a_choice_does_not_filter_says_so(seen: Seen) -> None:
    assert "絞り込みなし" not in seen.page.inner_text("#tiles")
    seen.page.select_option("#scenario", "scenario5")
    seen.drawn(2)
    whole = [name for name in seen.page.locator("#tiles .name").all_inner_texts() if "絞り込みなし" in seen.tile(name)]
    assert whole == ["ホットリード", "営業への引き継ぎ", "期限内の連絡", "受注", "受注金額"]
    assert "絞り込みません" in seen.page.inner_text("#stages")
    seen.page.select_option("#scenario", "")
    seen.page.select_option("#segment", "segment3")
    seen.drawn(4)
    assert "絞り込みなし" not in seen.tile("ホットリード")
    assert "ステップの対象セグメント" in seen.page.inner_text("#segment-note")
    assert "セグメントでは絞り込みません" in seen.page.locator("#attribution").text_content()


def test_few_money_and_stocks_get_no_verdict(browser: Browser, home: Path, tmp_path: Path) -> None:
    def few(connection: duckdb.DuckDBPyConnection) -> None:
        now, before = "date >= '2027-03-04' and date < '2027-04-01'", "date >= '2027-02-04' and date < '2027-03-04'"
        connection.execute("update kpi_handoff_daily set contacted_within_limit = 0, breached = 0")
        for when, within, late in ((now, 0, 1), (before, 1, 0)):
            connection.execute(
                f"update kpi_handoff_daily set contacted_within_limit = {within}, breached = {late}"
                f" where {when} and owner = 'rep1' and day(date) in (5, 6, 7)"
            )
        connection.execute("update kpi_funnel_daily set deals_won = 0, amount = 0")
        for when, deals, amount in ((now, 5, 100), (before, 1, 1000)):
            connection.execute(
                f"update kpi_funnel_daily set deals_won = {deals}, amount = {amount} where {when}"
                " and stage = (select min(stage) from stages)"
            )

    seen = changed(browser, home, tmp_path, few)
    for name in ("期限内の連絡", "受注金額", "ホットリード"):
        assert seen.page.locator(f"#tiles li:has(.name:text-is('{name}'))").get_attribute("class") == "", name
        assert "差があるとはいえない" not in seen.tile(name)
    assert seen.page.locator("#tiles li:has(.name:text-is('受注'))").get_attribute("class") == "good"
    seen.page.close()


def test_a_day_that_is_not_over_is_not_judged_beside_a_whole_one(seen: Seen) -> None:
    seen.page.select_option("#period", "this_month")  # it is seven o'clock on the first
    seen.drawn(2)
    assert "0\n前期間 240" in seen.tile("営業への引き継ぎ")
    tiles = seen.page.locator("#tiles > li").all()
    assert [tile.get_attribute("class") for tile in tiles] == [""] * 8
    assert not any("差があるとはいえない" in tile.inner_text() for tile in tiles)


@pytest.mark.parametrize(("falls_to", "tone"), [(0.25, ""), (0.22, "bad")])
def test_mails_that_had_no_time_to_be_opened_are_no_fall(
    falls_to: float, tone: str, browser: Browser, home: Path, tmp_path: Path
) -> None:
    """Half of the opens come within a day, half of the rest within the next, and so on."""

    def age(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "update kpi_mail_daily set opened = round(delivered * (1 - 0.5 ** date_diff('day', date, date '2027-04-01'))"
            " * if(date < '2027-03-04', 0.25, $1)), converted = round(delivered * least(0.01,"
            " 0.01 * date_diff('day', date, date '2027-04-01') / 30)) where date >= '2026-10-01'",
            [falls_to],
        )

    seen = changed(browser, home, tmp_path, age)
    assert seen.page.locator("#tiles li:has(.name:text-is('開封率'))").get_attribute("class") == tone
    assert seen.page.locator("#tiles li:has(.name:text-is('CV率'))").get_attribute("class") == ""
    seen.page.close()


def test_handoffs_that_can_be_called_yet_and_not_be_late_yet_are_no_rise(
    browser: Browser, home: Path, tmp_path: Path
) -> None:
    seen = changed(
        browser,
        home,
        tmp_path,
        lambda connection: connection.execute(
            "update kpi_handoff_daily set contacted_within_limit = 9, breached = if(date >= '2027-03-30', 0, 2)"
        ),
    )
    seen.page.select_option("#period", "last7")
    seen.drawn(2)
    assert "86.3%" in seen.tile("期限内の連絡")
    assert seen.page.locator("#tiles li:has(.name:text-is('期限内の連絡'))").get_attribute("class") == ""
    seen.page.close()


def test_days_on_which_nobody_is_in_are_nought(browser: Browser, home: Path, tmp_path: Path) -> None:
    seen = changed(
        browser,
        home,
        tmp_path,
        lambda connection: connection.execute(
            "delete from kpi_segment_daily where tier = 'hot' and date > '2027-03-05' and date < '2027-03-31'"
        ),
    )
    seen.page.select_option("#segment", "segment3")
    seen.drawn(2)
    bands = seen.page.locator("#members-0 svg .role-mark.mark-area path").all()
    paths = [band.get_attribute("d") or "" for band in bands]
    assert len(paths) == 3
    assert all(path.count("L") >= 2 * 27 for path in paths), "each band has a point for every day"
    seen.page.close()


def test_a_test_that_runs_shows_the_interval_that_holds_at_any_time(
    browser: Browser, home: Path, tmp_path: Path
) -> None:
    def run(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "update kpi_ab_tests set verdict = 'running', anytime_low = -0.02, anytime_high = 0.12,"
            " anytime_p_value = 0.25 where true"
        )

    seen = changed(browser, home, tmp_path, run)
    told = seen.page.inner_text("#tests table")
    assert "+5.0pt (−2.0pt – +12.0pt)" in told
    assert "0.25" in told
    seen.page.close()
    seen = Seen(browser, home)
    told = seen.page.inner_text("#tests table")
    assert "+5.0pt (+3.0pt – +7.0pt)" in told
    assert "< 0.001" in told
    assert "いつ" in told or "逐次法" in seen.page.inner_text("#tests")
    seen.page.close()


def test_what_the_review_is_sure_of_comes_first(browser: Browser, home: Path, tmp_path: Path) -> None:
    def review(connection: duckdb.DuckDBPyConnection) -> None:
        for position in range(20):
            noise = {0: None, 1: True}.get(position % 3, False)
            connection.execute(
                "insert into kpi_reviews by name select 'week' as period, date '2027-03-22' as period_start,"
                " $1::integer as position, 'metric_change' as finding, 'm' || $1 as subject, $2::boolean as is_noise,"
                " '結果' || $1 as told, 'すること' as what_to_do",
                [position, noise],
            )

    seen = changed(browser, home, tmp_path, review)
    told = re.findall(r"結果(\d+)", seen.page.inner_text("#reviews"))
    assert told == [*map(str, range(2, 20, 3)), *map(str, range(1, 18, 3))][:12]
    assert "ほかの結果: 8" in seen.page.inner_text("#reviews")
    assert "reviews/" in seen.page.inner_text("#reviews")
    seen.page.close()


def test_a_segment_that_no_step_aims_at_is_said_to_have_no_mails_of_its_own(
    browser: Browser, home: Path, tmp_path: Path
) -> None:
    seen = changed(
        browser,
        home,
        tmp_path,
        lambda connection: connection.execute("delete from kpi_mail_daily where segment = 'segment3'"),
    )
    seen.page.select_option("#segment", "segment3")
    seen.drawn(2)
    assert "このセグメントを対象にしたステップはありません" in seen.page.inner_text("#trend")
    seen.page.close()


def test_scenarios_are_sorted_by_what_one_presses_with_the_keyboard(seen: Seen) -> None:
    button = seen.page.locator("#scenarios th button").nth(4)
    button.focus()
    seen.page.keyboard.press("Enter")
    header = seen.page.locator("#scenarios th").nth(4)
    assert header.get_attribute("aria-sort") == "descending"
    rates = [
        float(text.rstrip("%")) for text in seen.page.locator("#scenarios tr.group td:nth-child(5)").all_inner_texts()
    ]
    assert rates == sorted(rates, reverse=True)
    assert len(rates) == 12
    seen.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"


def test_all_controls_are_reached_by_the_keyboard(seen: Seen) -> None:
    reached = set()
    for _ in range(12):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "language", "print", "period", "segment", "scenario"} <= reached


def test_it_speaks_english_too(seen: Seen) -> None:
    seen.page.click("#language")
    seen.drawn(2)
    assert seen.page.evaluate("document.documentElement.lang") == "en"
    assert seen.page.inner_text("h1") == "Nurturing dashboard"
    # but for the labels of the rules, no word is left in Japanese
    words = re.sub(r"(セグメント|シナリオ|ステップ)\d+|件名|日本語", "", seen.page.inner_text("main"))
    for label in seen.page.locator("tbody th, #stages text, #members text").all_text_contents():
        words = words.replace(label, "")
    assert re.findall(r"[ぁ-んァ-ヶ一-龠]+", words) == []
    seen.page.click("#language")
    seen.drawn(3)
    assert seen.page.inner_text("h1") == "ナーチャリング ダッシュボード"


def test_it_fits_a_phone(browser: Browser, home: Path) -> None:
    seen = Seen(browser, home, width=390)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.said == []
    seen.page.close()


def test_it_prints_on_paper_without_its_controls(seen: Seen, tmp_path: Path) -> None:
    seen.page.emulate_media(media="print")
    assert not seen.page.is_visible("#filters")
    assert not seen.page.is_visible("#language")
    assert seen.page.is_visible("#trend-0 svg")
    pdf = seen.page.pdf(format="A4")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


def test_contrast_of_words_is_enough(seen: Seen) -> None:
    """Every text of the page against its background: 4.5 to 1, as WCAG's AA asks."""
    poor = seen.page.evaluate(
        """
        () => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (one) => { for (; one; one = one.parentElement) { const c = parse(getComputedStyle(one).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const node = walker.currentNode, one = node.parentElement;
            if (!node.textContent.trim() || !one.checkVisibility() || one.closest("svg, script, noscript")) continue;
            const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) found.push([node.textContent.trim().slice(0, 40), contrast]);
          }
          return found;
        }
        """
    )
    assert poor == []
    ids = seen.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    unnamed = seen.page.evaluate(
        "[...document.querySelectorAll('select, input, button')].filter(one => !one.labels?.length && !one.textContent.trim()).map(one => one.id)"
    )
    assert unnamed == []


def test_a_company_without_any_data_gets_a_page_that_says_so(browser: Browser, tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)
        with pytest.raises(RunError, match="nurture daily"):
            write_dashboard(world.settings)
        world.recompute(rule_set(), START)
        publish(world.settings, START)
    ran = CliRunner().invoke(app, ["dashboard", "--home", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert Path(ran.stdout.strip()) == tmp_path / "dashboard.html"
    seen = Seen(browser, tmp_path)
    assert "この条件で届いたメールはありません" in seen.page.inner_text("#trend")
    assert seen.said == []
    seen.page.close()
    assert main_chart_png(tmp_path / "kpi.duckdb") is None
    assert main_chart_words(tmp_path / "kpi.duckdb") == "直近28日に届いたメールはありません"


def test_a_file_of_an_earlier_version_shows_what_it_has(browser: Browser, home: Path, tmp_path: Path) -> None:
    def lack(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("drop table kpi_reviews")
        connection.execute("alter table kpi_ab_tests drop column sample_ratio_p_value")

    seen = changed(browser, home, tmp_path, lack)
    assert seen.page.locator("#trend-0 svg").count() == 1
    assert "件名" not in seen.page.inner_text("#tests")
    assert seen.said == []
    seen.page.close()


def test_names_that_look_like_code_are_words(browser: Browser, home: Path, tmp_path: Path) -> None:
    files = Settings(home=tmp_path)
    files.published.write_bytes((home / "kpi.duckdb").read_bytes())
    with duckdb.connect(str(files.published)) as connection:
        connection.execute(
            "update steps set scenario_label = '</script><img src=x onerror=alert(1)>' where scenario = 'scenario1'"
        )
        connection.execute("update kpi_handoff_daily set owner = '<b>rep' where owner = 'rep1'")
    write_dashboard(files)
    seen = Seen(browser, tmp_path)
    assert "<img src=x" in seen.page.inner_text("#scenarios")
    assert "<b>rep" in seen.page.inner_text("#owners")
    assert seen.page.locator("main img, #owners b").count() == 0
    assert seen.said == []
    seen.page.close()


def test_the_main_chart_is_a_picture_with_the_same_figures_in_words(home: Path) -> None:
    picture = main_chart_png(home / "kpi.duckdb")
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000
    opened, delivered = figures(
        home,
        "select sum(opened), sum(delivered) from kpi_mail_daily where date >= '2027-03-04' and date < '2027-04-01'",
    )
    assert f"開封率 {opened / delivered:.1%} ({opened:,}/{delivered:,})" in main_chart_words(home / "kpi.duckdb")
