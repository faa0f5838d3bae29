"""Writes a whole explanation as text, or as data for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, tzinfo
from typing import Any

from rules.models import RuleSet
from rules.wording import Wording, number
from tasks.explain.acts import write_mails, write_sales
from tasks.explain.layout import Page
from tasks.explain.score import write_changes, write_events, write_points
from tasks.explain.segments import write_conditions, write_segments
from warehouse.explanation import Browser, Explanation

_CONSENT = {
    "consented": "同意あり",
    "none": "同意なし(マーケティングメールは送りません)",
    "opted_out": "配信停止済み(マーケティングメールは送りません)",
    "suppressed": "配信不可(メールは送りません)",
}
_BASIS = {
    "opt_in_form": "フォームでの同意",
    "business_card": "名刺交換",
    "existing_dealings": "既存の取引",
    "published_address": "公開されているアドレス",
}
_SUPPRESSION = {
    "hard_bounce": "宛先不明",
    "invalid_address": "メールアドレスが無効",
    "soft_bounces": "一時的な配信エラーの繰り返し",
    "spam_report": "迷惑メール報告",
    "opt_out": "本人による配信停止",
}
_KINDS = {
    "newsletter": "メールマガジン",
    "step": "シナリオメール",
    "trigger": "トリガーメール",
    "all": "すべてのメール",
}
_REFUSALS = {
    "suppressed": "送らない(配信不可)",
    "opted_out": "送らない(本人が配信を停止している)",
    "no_consent": "送らない(同意がない)",
    "blocked_domain": "送らない(送信しないドメインのアドレス)",
}
_NOTES = {
    "other_rules": "前回の集計から、ルールが変わっています。ここではいまのルールで計算しています。",
    "later_instant": "前回の集計より後の時点です。集計表の値とは異なることがあります。",
    "earlier_instant": "過去の時点を、その時点で届いていた記録から計算し直したものです(ルールはいまのもの)。",
    "new_facts": "前回の集計の後に届いた記録を含みます。集計表の値は次の集計で同じになります。",
}
_FIRST_FIELDS = ("name", "company", "title")


def to_text(explanation: Explanation, rules: RuleSet, zone: tzinfo, *, shows_all: bool = False) -> list[str]:
    """The explanation in Japanese, a string a line.

    Args:
        explanation: What to write.
        rules: The rule set it was made with.
        zone: The time zone in which instants are shown.
        shows_all: Whether to list every event, however many there are.
    """
    page, wording = Page(zone), Wording(rules)
    _write_lead(page, explanation, wording)
    write_points(page, explanation, rules, wording)
    write_events(page, explanation, rules, wording, shows_all=shows_all)
    write_changes(page, explanation)
    write_segments(page, explanation)
    write_conditions(page, explanation)
    write_mails(page, explanation, rules, wording)
    write_sales(page, explanation, rules)
    return page.lines


def to_data(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON holds it: instants in ISO 8601, UTC."""
    plain: dict[str, Any] = _plain(asdict(explanation))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date) else value


def _write_lead(page: Page, explanation: Explanation, wording: Wording) -> None:
    fields = explanation.fields
    who = " ".join(str(fields[name]) for name in ("company", "title", "name") if name in fields)
    page.line(f"{who} 様 <{explanation.email}>" if who else explanation.email, 0)
    rules = f"ルール: {explanation.rule_set}({explanation.rule_set_version})"
    page.line(f"{page.stamp(explanation.as_of)} 時点 / {rules}", 0)
    for note in explanation.notes:
        page.line(f"※ {_NOTES[note]}", 0)
    page.heading("現在の状態" if "earlier_instant" not in explanation.notes else "この時点の状態")
    page.columns(_state(page, explanation, wording))


def _state(page: Page, explanation: Explanation, wording: Wording) -> list[tuple[str, str]]:
    score = f"{number(explanation.score)}点({explanation.tier_label})"
    if explanation.points_to_next_tier is not None:
        score += f" {explanation.next_tier_label}まであと{explanation.points_to_next_tier}点"
    consent = _CONSENT.get(explanation.consent_state, explanation.consent_state)
    if explanation.consent_state == "consented" and explanation.consent_basis:
        consent += f"({_BASIS.get(explanation.consent_basis, explanation.consent_basis)})"
    if explanation.suppression_reason:
        consent += f" 理由: {_SUPPRESSION.get(explanation.suppression_reason, explanation.suppression_reason)}"
    rows = [("スコア", score), ("購買ステージ", explanation.stage_label), ("メール配信", consent)]
    rows += _mailing(page, explanation)
    if explanation.account is not None:
        account = explanation.account
        name = account.name or "名称未登録"
        rows.append(("会社", f"{name}(リード{account.leads}人、合計スコア{number(account.score)}点)"))
    rows.append(("登録", page.stamp(explanation.created_at)))
    last = explanation.last_action_at
    rows.append(("最後の行動", page.stamp(last) if last else "なし"))
    rows.append(("同一人物の識別子", "、".join(explanation.identities)))
    if explanation.browsers:
        rows.append(("ブラウザ", "、".join(_browser(page, browser) for browser in explanation.browsers)))
    others = [
        f"{wording.field(name)}: {wording.value(name, ';'.join(value) if isinstance(value, list) else value)}"
        for name, value in explanation.fields.items()
        if name not in (*_FIRST_FIELDS, "email")
    ]
    if others:
        rows.append(("属性", "、".join(others)))
    return rows


def _mailing(page: Page, explanation: Explanation) -> list[tuple[str, str]]:
    """Of each kind of marketing mail whether it is sent and by what consent, kinds of one state as one; the blocks."""
    kinds_by_state: dict[str, list[str]] = {}
    for state in explanation.mail_kinds:
        shown = "送る" if state.refusal is None else _REFUSALS.get(state.refusal, state.refusal)
        if state.basis is not None:
            told = [_BASIS.get(state.basis, state.basis), f"出典 {state.source}", f"記録 {state.evidence or 'なし'}"]
            told += [f"{page.stamp(state.since_at)}から"] if state.since_at else []
            shown += f" 同意: {'、'.join(told)}"
        kinds_by_state.setdefault(shown, []).append(_KINDS[state.kind])
    rows = [
        ("・".join(kinds) if len(kinds_by_state) > 1 else "マーケティングメール", shown)
        for shown, kinds in kinds_by_state.items()
    ]
    for block in explanation.blocks:
        what = "・".join(_KINDS.get(kind, kind) for kind in block.blocks)
        until = f"、{page.stamp(block.until_at)}まで" if block.until_at else ""
        since = f"{page.stamp(block.since_at)}から"
        rows.append(("止めている理由", f"{_SUPPRESSION.get(block.reason, block.reason)}: {what}({since}{until})"))
    return rows


def _browser(page: Page, browser: Browser) -> str:
    """A browser, with the time for which what is done with it is the lead's where that is not always."""
    if browser.from_at is None and browser.to_at is None:
        return browser.visitor
    since = page.stamp(browser.from_at) if browser.from_at else ""
    until = page.stamp(browser.to_at) if browser.to_at else ""
    why = "メールのリンクを開いたブラウザ" if browser.is_by_link else "共用"
    return f"{browser.visitor}({why}: {since}〜{until}の行動だけ)"
