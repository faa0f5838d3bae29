"""Everything a review finds, from its counts."""

from __future__ import annotations

from pathlib import Path

from rules.models import RuleSet
from tasks.review.mails import FEWEST_MAILS, measure_segments, measure_steps
from tasks.review.measured import told
from tasks.review.metrics import measure_metrics
from tasks.review.returns import measure_returns
from tasks.review.scoring import measure_rules
from tasks.review.threshold import measure_threshold
from warehouse.review_counts import ReviewCounts
from warehouse.review_period import WEEKS
from warehouse.reviews import Finding


def find(counts: ReviewCounts, rules: RuleSet, folder: Path) -> list[Finding]:
    """All findings of a review, in the order of the report.

    Args:
        counts: What was counted.
        rules: The rule set.
        folder: Its folder, in which edits are tried on a copy.
    """
    segments, steps = measure_segments(counts, rules, folder), measure_steps(counts, rules, folder)
    measured = [
        *measure_metrics(counts),
        *measure_rules(counts, rules, folder),
        measure_threshold(counts, rules, folder),
        *segments,
        *steps,
        *measure_returns(counts, rules, folder),
    ]
    few = f"(直近{WEEKS}週の到達が{FEWEST_MAILS}通未満のものは、まだ判断していません)。"
    silent = {
        "useless_points": "案件を見分けていないと言い切れる点数はありません。",
        "tiring_segment": f"疲れの見えるセグメントはありません。調べたのは{len(segments):,}件です{few}",
        "leaky_step": f"人が離れるステップはありません。調べたのは{len(steps):,}件です{few}",
        "return_reasons": "この期間とその前の期間に、差し戻しはありません。",
    }
    return told(measured, silent)
