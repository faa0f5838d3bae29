"""Hands hot leads to sales: decides, writes to the SFA, tells the owner once, and takes back what sales did."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rules.models import RuleSet
from settings import Settings
from tasks.acts import check_act_instant, mail_client, only_one
from tasks.brief import write_brief
from tasks.clients.sendgrid import SendGrid
from tasks.clients.sfa.sql import SqlSfa, stamp
from tasks.errors import RunError
from tasks.mail import one_line
from warehouse import handoffs, sending
from warehouse.connection import check_instant, open_ledger

_NOTICE_STATES = {
    "accepted": "accepted",
    "unknown": "unknown",
    "rejected": "rejected",
    "split": "rejected",
    "wait": "planned",
    "not_sent": "planned",
    "stop": "planned",
}


def plan_handoffs(settings: Settings, rules: RuleSet, as_of: datetime) -> dict[str, int]:
    """Decide which leads go to sales. Returns how many handoffs, refusals and notices were added."""
    with only_one(settings, "handoff"), open_ledger(settings, with_warehouse=True) as ledger:
        sending.recomputed_at(ledger, rules, as_of)
        handoffs.recover_notices(ledger, rules, as_of)
        check_instant(ledger, "handoff", as_of)
        return handoffs.plan_handoffs(ledger, rules, as_of)


def sync_handoffs(settings: Settings, rules: RuleSet, as_of: datetime) -> int:
    """Write new handoffs to the SFA and take back what sales did. Returns how many follow-ups were read.

    Raises:
        ConfigurationError: ``as_of`` is not now and the SFA is another machine's.
        RunError: The SFA cannot be used, and what is not written waits for the next run; or a follow-up in it cannot
            be read, and the others were.
    """
    sfa = SqlSfa(settings.sfa)
    with only_one(settings, "handoff"):
        with open_ledger(settings, with_warehouse=True) as ledger:
            rows = handoffs.unwritten_handoffs(ledger)
            waiting = handoffs.open_handoffs(ledger)
        if rows:
            check_act_instant(as_of, is_loopback=sfa.is_local)
            sfa.write_handoffs(
                list({row["current_lead_id"]: _sfa_lead(row, as_of) for row in rows}.values()),
                [_sfa_handoff(row, rules, settings) for row in rows],
            )
            with open_ledger(settings) as ledger:
                handoffs.mark_written(ledger, [row["id"] for row in rows], as_of)
        if not waiting:
            return 0
        follow_ups, faults = sfa.read_follow_ups(waiting)
        with open_ledger(settings) as ledger:
            count = handoffs.record_follow_ups(ledger, follow_ups)
        if faults:
            raise RunError("\n".join(faults))
        return count


def send_notices(settings: Settings, rules: RuleSet, as_of: datetime) -> int:
    """Tell sales of what is planned to be told, each once. Returns how many notices were taken by the provider."""
    client = mail_client(settings, rules)
    if client is None:
        return 0
    check_act_instant(as_of, is_loopback=settings.is_sendgrid_loopback)
    with only_one(settings, "handoff"):
        with open_ledger(settings, with_warehouse=True) as ledger:
            rows = handoffs.planned_notices(ledger)
        return sum(_send_notice(settings, rules, as_of, client, row) for row in rows)


def _send_notice(settings: Settings, rules: RuleSet, as_of: datetime, client: SendGrid, row: Mapping[str, Any]) -> bool:
    owner = next((owner for owner in rules.handoff.owners if owner.id == row["owner"]), rules.handoff.owners[0])
    if not settings.may_mail(owner.email):
        return False
    payload = _notice_payload(settings, rules, row, owner.name, owner.email)
    with open_ledger(settings) as ledger:
        handoffs.set_notice_state(ledger, row["id"], "sending", None, as_of)
    answer = client.send(payload)
    with open_ledger(settings) as ledger:
        handoffs.set_notice_state(ledger, row["id"], _NOTICE_STATES[answer.verdict], answer.message, as_of)
    if answer.verdict in {"stop", "wait", "not_sent"}:
        raise RunError(f"sales could not be told: {answer.message}; the notices wait for the next run")
    return answer.verdict == "accepted"


def _notice_payload(
    settings: Settings, rules: RuleSet, row: Mapping[str, Any], owner_name: str, owner_email: str
) -> dict[str, Any]:
    sender = next(sender for sender in rules.senders if sender.id == rules.handoff.sender)
    label = _cause_label(rules, row["cause"])
    who = one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "新しいリード"
    kind = "引き継ぎ" if row.get("handoff_id") else "お知らせ"
    text = f"{owner_name} さん\n\n{label}のリードです。\n\n{write_brief(row, label, settings.zone)}\n"
    return {
        "from": {"email": sender.email, "name": sender.name},
        "subject": f"【{kind}】{who} 様({label})",
        "content": [
            {"type": "text/plain", "value": text},
            {"type": "text/html", "value": f'<pre lang="ja" style="font-family:sans-serif">{html.escape(text)}</pre>'},
        ],
        "personalizations": [{"to": [{"email": owner_email}], "custom_args": {"nurture_send_id": row["id"]}}],
        "categories": ["sales_notice"],
    }


def _cause_label(rules: RuleSet, cause: str) -> str:
    if cause == "hot":
        return "ホット(スコア到達)"
    return next((action.label for action in rules.sales_actions if action.id == cause), cause)


def _sfa_lead(row: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    names = ("email", "name", "company", "title", "phone", "score", "tier", "stage")
    return {"lead_id": row["current_lead_id"], **{name: row.get(name) for name in names}, "updated_at": stamp(as_of)}


def _sfa_handoff(row: Mapping[str, Any], rules: RuleSet, settings: Settings) -> dict[str, Any]:
    return {
        "handoff_id": row["id"],
        "lead_id": row["current_lead_id"],
        "owner": row["owner"],
        "cause": row["cause"],
        "caused_at": stamp(row["caused_at"]),
        "due_at": stamp(row["due_at"]),
        "handed_off_at": stamp(row["handed_off_at"]),
        "brief": write_brief(row, _cause_label(rules, row["cause"]), settings.zone),
        "status": "new",
        "first_contact_at": None,
        "outcome": None,
        "reject_reason": None,
        "updated_at": stamp(row["handed_off_at"]),
    }
