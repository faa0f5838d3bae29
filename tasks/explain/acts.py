"""Writes which mails a lead got, which it did not and why, and how it came to sales."""

from __future__ import annotations

from rules.models import RuleSet
from rules.wording import Wording, days, number
from tasks.explain.layout import Page
from tasks.summary import REASONS
from warehouse.explanation import Explanation, Mail, NoMail, SalesContact, ScenarioRun

_WHY = {
    "superseded": "同じ行動に対する、優先度の高い別のメールに譲った",
    "expired": "予定時刻を大きく過ぎたため、送らなかった",
    "exited": "予定時刻にはセグメントまたは購買ステージの対象から外れていた",
    "no_address": "送り先のメールアドレスがない",
    "suppressed": "宛先不明または迷惑メール報告により、配信できない",
    "opted_out": "本人が配信を停止している",
    "no_consent": "この種類のメールへの同意がない",
    "blocked_domain": "送信しないドメインのアドレスのため、送らない",
    "bad_address": "宛先のメールアドレスが配信サービスで使えない形式",
    "substitutions_too_long": "差し込む値が長すぎる (1通10,000バイトまで)",
    "duplicate_address": "同じ宛先に、同じメールをすでに送っている",
    "paused": "配信が一時停止中(再開すると送る)",
    "quiet_hours": "送信時間帯の外だった(次の時間帯に送る)",
    "holiday": "休業日だった(次の営業日に送る)",
    "holdout": "効果測定のため、メールを送らない対照群に入っている",
    "frequency_cap": "配信頻度の上限に達している(間隔が空くと送る)",
    "awaiting_winner": "ABテストの結果待ち(勝った案で送る)",
    "step_removed": "シナリオから削除された、または停止されている",
    "unknown_lead": "リードの記録が見つからない",
}
"""Decisions not to send, each as a sentence."""
_ENDS = {
    "finished": "最後まで進んだ",
    "goal": "目標を達成した",
    "deal": "商談が始まった",
    "hot": "ホットリードになった",
    "consent": "メールへの同意がなくなった",
    "segment": "セグメントから外れた",
    "merged": "同じ人の別の記録で進んでいる",
    "step_removed": "ルールの変更で、いた場所がなくなった",
    "unknown_lead": "リードの記録が見つからない",
}
"""What ends a run through a scenario."""
_STATES = {
    "planned": "送信待ち",
    "claimed": "送信処理中",
    "sending": "送信処理中",
    "accepted": "送信済み",
    "delivered": "到達",
    "bounced": "不達(宛先エラー)",
    "dropped": "配信サービスが送信を中止",
    "rejected": "配信サービスが受付を拒否",
    "cancelled": "送信直前に取り消し",
    "unknown": "送信結果を確認中",
}
_HANDOFF_STATES = {
    "new": "連絡待ち",
    "accepted": "対応中",
    "contacted": "連絡済み",
    "meeting": "商談",
    "won": "受注",
    "lost": "失注",
    "returned": "差し戻し",
    "reassigned": "担当変更",
}
_ASSIGNED = {
    "same_owner": "前からの担当",
    "route": "担当の分け方",
    "turn": "順番",
    "cover": "代わりの担当",
    "over_capacity": "順番(全員が上限)",
}
"""Why a handoff went to its owner."""
_SAID = {"sfa": "SFA", "link": "通知のリンク", "engine": "二つ目の期限"}
"""Where it was said what became of a handoff."""
_NOTICES = {
    "handoff": "引き継ぎの通知",
    "notify": "お知らせ",
    "reminder": "期限前の通知",
    "escalation": "期限超過の通知",
    "reassigned": "担当変更の通知",
}
_REFUSALS = {
    "already_handed_off": "すでに営業へ引き継いでいる({again}以内は再び引き継がない)",
    "account_handed_off": "同じ企業の別の方をすでに営業へ引き継いでいる({again}以内は再び引き継がない)",
    "not_cooled": "前の引き継ぎのあと、スコアが{cools}点を下回っていない",
    "holdout": "効果測定のため、営業に引き継がない対照群に入っている",
}


def write_mails(page: Page, explanation: Explanation, rules: RuleSet, wording: Wording) -> None:
    """Mails that went, that are due, that were decided against, and that the lead was never in line for."""
    sent = [mail for mail in explanation.mails if mail.decision == "sent"]
    waiting = [mail for mail in explanation.mails if mail.decision is None or not mail.is_final]
    refused = [mail for mail in explanation.mails if mail.is_final and mail.decision != "sent"]
    page.heading(f"送ったメール({len(sent)})")
    for mail in sent:
        page.line(f"{page.stamp(mail.sent_at or mail.due_at)}  {_name(mail, wording)}: {_fate(page, mail)}")
        if mail.rule_set_version != explanation.rule_set_version:
            page.line(f"当時のルール: {mail.rule_set_version}", 3)
    if not sent:
        page.line("まだありません。")
    if explanation.runs:
        page.heading(f"シナリオの進み具合({len(explanation.runs)})")
        for run in explanation.runs:
            page.line(f"{page.stamp(run.entered_at)}  {_run(page, run, wording)}")
    if waiting:
        page.heading(f"これから送る予定のメール({len(waiting)})")
        for mail in waiting:
            reason = f": {_reason(mail.decision)}" if mail.decision else ""
            page.line(f"{page.stamp(mail.due_at)}  {_name(mail, wording)}{reason}")
    if refused:
        page.heading(f"送らなかったメール({len(refused)})")
        for mail in refused:
            page.line(f"{page.stamp(mail.due_at)}  {_name(mail, wording)}: {_reason(mail.decision)}")
    if explanation.no_mails:
        page.heading(f"対象になっていないメール({len(explanation.no_mails)})")
        for missing in explanation.no_mails:
            scenario = wording.scenario(missing.scenario)
            page.line(f"{scenario}「{missing.label}」: {_missing(page, missing, rules, wording)}")


def _run(page: Page, run: ScenarioRun, wording: Wording) -> str:
    times = f"({run.occurrence}回目)" if run.occurrence > 1 else ""
    told = f"シナリオ「{run.label}」{times}: "
    if run.end_reason is not None and run.ended_at is not None:
        return f"{told}{page.stamp(run.ended_at)} に終了({_ENDS.get(run.end_reason, run.end_reason)})"
    if run.node is None:
        return f"{told}始まったところ"
    mail, _, behind = run.node.partition("+")
    label = wording.step(run.scenario, mail) if mail != "^" else ""
    place = f"「{label}」の{'後' if behind else 'メール'}" if label else "最初のメールの前"
    until = f"、{page.stamp(run.waits_until)} まで待つ" if run.waits_until is not None else ""
    return f"{told}いま{place}{until}"


def _name(mail: Mail, wording: Wording) -> str:
    return f"{wording.scenario(mail.scenario)}「{mail.label}」"


def _fate(page: Page, mail: Mail) -> str:
    """What became of a mail: its state, and what its reader did."""
    told = [_STATES.get(mail.state or "", mail.state or "")]
    if mail.state in {"cancelled", "rejected"} and mail.state_reason:
        told[0] += f"({_reason(mail.state_reason)})"
    for at, word in (
        (mail.delivered_at, "到達"),
        (mail.opened_at, "開封"),
        (mail.clicked_at, "クリック"),
        (mail.bounced_at, "不達"),
        (mail.unsubscribed_at, "配信停止"),
        (mail.complained_at, "迷惑メール報告"),
    ):
        if at is not None:
            told.append(f"{word} {page.stamp(at)}")
    if len(told) > 1 and mail.state in {"accepted", "delivered", "bounced"}:
        del told[0]
    return " → ".join(told)


def _reason(decision: str | None) -> str:
    return _WHY.get(decision or "") or REASONS.get(decision or "", decision or "")


def _missing(page: Page, missing: NoMail, rules: RuleSet, wording: Wording) -> str:
    step = next(step for step in rules.steps if (step.scenario, step.step) == (missing.scenario, missing.step))
    trigger = f"「{wording.behaviour(step.trigger)}」" if step.trigger is not None else ""
    at = page.stamp(missing.triggered_at) if missing.triggered_at else ""
    match missing.why:
        case "disabled":
            return "停止されている(is_enabled: false)"
        case "no_run":
            return "このシナリオにまだ入っていない"
        case "not_reached":
            return "シナリオがこのメールまで進んでいない、または別の道に進んだ"
        case "no_issue":
            segment = wording.label("segment", step.segment)
            return f"配信の日時がまだ来ていない、またはそのときセグメント「{segment}」にいなかった"
        case "no_trigger" if missing.asked > 1:
            return f"きっかけの{trigger}が{missing.asked}回に達していない(いま{missing.done}回)"
        case "no_trigger":
            return f"きっかけの{trigger}がまだない"
        case "not_acting":
            return "このルールでは、まだ配信を始めていない"
        case "before_start":
            return f"きっかけの{trigger}({at})が、配信を始めるより前だった"
        case "other_stage":
            asked, was = wording.label("stage", step.stage), wording.label("stage", missing.stage)
            return f"きっかけの{trigger}({at})のとき、購買ステージが「{asked}」ではなく「{was}」だった"
        case "not_in_segment":
            segment = wording.label("segment", step.segment)
            return f"きっかけの{trigger}({at})はあるが、セグメント「{segment}」に入っていない"
        case _:
            return f"きっかけの{trigger}({at})はある。次の配信で判定する(古すぎるものは対象外)"


def write_sales(page: Page, explanation: Explanation, rules: RuleSet) -> None:
    """Handoffs and notices to sales, or how far the lead is from one."""
    page.heading("営業への引き継ぎ")
    handoff = rules.handoff
    owners = {
        **{one.id: one.name for one in (*handoff.owners, *handoff.managers)},
        **{channel.id: channel.label for channel in handoff.channels},
    }
    for contact in explanation.sales:
        page.line(f"{page.stamp(contact.decided_at)}  {_contact(page, contact, owners, rules)}")
    if not explanation.sales:
        page.line("まだありません。")
    hot = next((tier for tier in rules.tiers if tier.id == rules.handoff.hot_tier), None)
    if hot is not None and hot.minimum_score is not None and explanation.score < hot.minimum_score:
        missing = number(hot.minimum_score - explanation.score)
        page.line(f"スコアによる引き継ぎ: {hot.label}({hot.minimum_score}点)まであと{missing}点")


def _contact(page: Page, contact: SalesContact, owners: dict[str, str], rules: RuleSet) -> str:
    owner = f"担当 {owners.get(contact.owner, contact.owner)}" if contact.owner else ""
    match contact.kind:
        case "refused":
            return f"見送り「{contact.label}」: {_refusal(contact.state, rules)}"
        case "notice":
            why = f"({_reason(contact.outcome)})" if contact.state == "cancelled" and contact.outcome else ""
            who = owners.get(contact.recipient or "", contact.recipient)
            kind = _NOTICES.get(contact.notice_kind or "", contact.notice_kind)
            return f"{kind}「{contact.label}」 {who}へ: {_STATES.get(contact.state, contact.state)}{why}"
        case "follow_up":
            said = _SAID.get(contact.reason or "", contact.reason)
            more = f"、{_outcome(contact.outcome, rules)}" if contact.outcome not in (None, contact.state) else ""
            to = f" {owner}" if owner else ""
            return (
                f"営業の対応「{contact.label}」{to}: {_HANDOFF_STATES.get(contact.state, contact.state)}{more}({said})"
            )
    because = f"({_ASSIGNED[contact.reason]})" if contact.reason in _ASSIGNED else ""
    told = [f"引き継ぎ「{contact.label}」 {owner}{because}: {_HANDOFF_STATES.get(contact.state, contact.state)}"]
    if contact.due_at:
        told.append(f"初回連絡の期限 {page.stamp(contact.due_at)}")
    if contact.first_contact_at:
        told.append(f"初回連絡 {page.stamp(contact.first_contact_at)}")
    if contact.outcome not in (None, contact.state):
        told.append(_outcome(contact.outcome, rules))
    return "、".join(told)


def _outcome(outcome: str | None, rules: RuleSet) -> str:
    """What came of a handoff: the words of a reason of the rules, else as sales wrote it."""
    return next((one.label for one in rules.handoff.return_reasons if one.id == outcome), outcome or "")


def _refusal(decision: str, rules: RuleSet) -> str:
    if decision in _REFUSALS:
        handoff = rules.handoff
        return _REFUSALS[decision].format(again=days(handoff.again_after_days), cools=handoff.cools_below)
    label = next((one.label for one in rules.handoff.not_when if one.id == decision), decision)
    return f"「{label}」に当てはまる"
