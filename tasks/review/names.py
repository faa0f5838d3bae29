"""What a review is called, in its files and by people."""

from __future__ import annotations

from datetime import timedelta

from warehouse.reviews import Review


def review_name(review: Review) -> str:
    """The name of its files: ``week-2026-05-11``."""
    return f"{review.period}-{review.period_start.isoformat()}"


def review_title(review: Review) -> str:
    """What people call it."""
    first, last = review.period_start, review.period_end - timedelta(days=1)
    if review.period == "month":
        return f"月次レビュー {first.year}年{first.month}月"
    return f"週次レビュー {first.year}年{first.month}月{first.day}日〜{last.month}月{last.day}日"
