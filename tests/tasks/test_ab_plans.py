"""What a test can show is told before it runs, and that it is too small is warned of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rules.models import AbTest, RuleSet, Variant
from tasks.ab_plans import Plan, plans_of, problem_of, to_line
from tests.company import SmallCompany
from tests.facts import START
from tests.rule_sets import CASE_STUDY, DOWNLOAD, rule_set, step
from warehouse.ab_statistics import POWER, detectable_effect

TESTS = """
ab_tests:
  - id: subjects
    label: 件名テスト
    metric: クリック
    sample_size: {sample_size}
    variants:
      - {{id: a, label: 案A}}
      - {{id: b, label: 案B, subject: 別の件名}}
"""


def rules_with(**changes: object) -> RuleSet:
    values: dict[str, object] = {
        "id": "t",
        "label": "件名テスト",
        "metric": "clicked",
        "variants": (Variant(id="a", label="A"), Variant(id="b", label="B", subject="別の件名")),
        "smallest_effect": 0.02,
    }
    test = AbTest.model_validate(values | changes)
    return rule_set(steps=(step("thanks", DOWNLOAD, cta=CASE_STUDY, test=test), step("other", DOWNLOAD)))


def plan(**changes: object) -> Plan:
    (found,) = plans_of(rules_with(**changes))
    return found


def test_rules_without_tests_load_no_statistics() -> None:
    program = (
        "import sys; from tasks.ab_plans import plans_of; from tests.rule_sets import rule_set;"
        "assert plans_of(rule_set()) == []; assert not {'statsmodels', 'scipy', 'prefect'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "metric, rate, told",
    [("opened", 0.25, "開封率25%"), ("clicked", 0.051, "クリック率5.1%"), ("converted", 0.01, "CV率1%")],
)
def test_a_size_is_told_what_it_shows_at_the_rate_of_the_guide(metric: str, rate: float, told: str) -> None:
    found = plan(metric=metric, sample_size=4000)
    assert found.detectable == detectable_effect(rate, 2000, 2000, 1)
    assert found.detectable is not None
    line = to_line(found)
    assert told in line
    assert f"4,000通で見分けられる差は{found.detectable * 100:.1f}ポイント以上" in line
    assert "知りたい差2.0ポイント" in line
    assert f"全体で{found.needed:,}通" in line


def test_a_size_as_large_as_needed_is_no_problem_and_one_less_is() -> None:
    needed = plan(sample_size=100).needed
    assert needed is not None
    enough = plan(sample_size=needed)
    assert problem_of(enough) is None
    assert enough.detectable == pytest.approx(0.02, rel=1e-3)
    problem = problem_of(plan(sample_size=needed - 1))
    assert problem is not None and problem.is_warning
    assert f"sample_size を {needed} 以上" in problem.hint
    # what is asked for instead does
    (effect,) = re.findall(r"smallest_effect を ([\d.]+) 以上", problem.hint)
    assert problem_of(plan(sample_size=needed - 1, smallest_effect=float(effect))) is None


def test_shares_and_further_variants_ask_for_more() -> None:
    three = (*rules_with().steps[0].test.variants, Variant(id="c", label="C", subject="三つ目"))  # type: ignore[union-attr]
    uneven = (Variant(id="a", label="A", share=9), Variant(id="b", label="B", subject="別の件名"))
    even, many, few = plan().needed, plan(variants=three).needed, plan(variants=uneven).needed
    assert even is not None and many is not None and few is not None
    assert many > 1.5 * even  # half as many again, and a stricter level
    assert few > 2 * even


@pytest.mark.parametrize(
    "ending, told", [({"days": 14}, "期間(14日)"), ({"sample_share": 0.3, "days": 2}, "読者数(30%)")]
)
def test_of_a_size_that_nobody_knows_the_mails_needed_are_told(ending: dict[str, object], told: str) -> None:
    found = plan(**ending)
    assert (found.detectable, problem_of(found)) == (None, None)
    assert f"送る数は{told}で決まる" in to_line(found)
    assert f"全体で{found.needed:,}通" in to_line(found)


def test_what_no_number_of_mails_shows_is_told() -> None:
    found = plan(sample_size=4, smallest_effect=0.96)
    assert found.needed is None
    assert "どんな差も見分けられません" in to_line(found)
    assert "何通送っても見分けられません" in to_line(found)
    assert problem_of(found) is not None


def test_check_tells_and_warns(tmp_path: Path) -> None:
    company = SmallCompany(tmp_path / "home", START)
    mails = company.rules / "trigger_mails.yaml"
    text = mails.read_text(encoding="utf-8")
    mails.write_text(
        text.replace("    cta: セミナー申込\n", "    cta: セミナー申込\n    test: subjects\n", 1), encoding="utf-8"
    )

    def check(sample_size: int, *options: str) -> tuple[int, str, str]:
        (company.rules / "ab_tests.yaml").write_text(TESTS.format(sample_size=sample_size), encoding="utf-8")
        return company.run("check", *options)

    code, out, error = check(600)
    assert code == 0, error
    (line,) = [line for line in out.splitlines() if "件名テスト" in line]
    assert re.search(r"600通で見分けられる差は[\d.]+ポイント以上", line)
    assert re.search(
        r"warning: ab_tests.yaml, test subjects: .*received: sample_size: 600; sample_size を \d+ 以上", error
    )
    problems = json.loads(check(600, "--json")[1])
    assert [one["place"] for one in problems if one["file"] == "ab_tests.yaml"] == ["test subjects"]
    code, out, error = check(20_000)
    assert code == 0
    assert "20,000通で見分けられる差" in out
    assert "ab_tests.yaml" not in error


def test_power_is_what_the_line_says() -> None:
    assert POWER == 4 / 5
