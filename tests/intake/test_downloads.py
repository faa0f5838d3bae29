"""Papers: who may have them, and that a download counts once for whoever it was."""

from __future__ import annotations

from datetime import timedelta

from lxml import html

from intake.guard import ASKED_A_MINUTE
from rules.models import RuleSet
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tests.facts import START, at
from tests.intake.face import Face, face
from tests.rules.workbooks import GUIDE
from tests.world import World

TYPED = {"company": "見本", "name": "見本", "email": "taro@example.com"}
VISITOR = "v" * 22


def drain(world: World, rules: RuleSet, days: float = 2) -> int:
    return drain_inbox(world.settings, rules.fields, at(days)).rows_loaded


def link(served: Face, form: str = "document") -> str:
    page = html.fromstring(served.post(f"/forms/{form}", TYPED).body)
    (found,) = page.xpath("//a/@href")
    return str(found)


def test_the_paper_goes_to_who_sent_its_form_and_counts_once(world: World, served: Face, rules: RuleSet) -> None:
    path = link(served)
    for _ in range(2):
        answer = served.get(path, Cookie=f"nv={VISITOR}")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.body == (GUIDE / "assets" / "service_guide.pdf").read_bytes()
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''service_guide.pdf"
        assert answer.headers["x-content-type-options"] == "nosniff"
    served.ask("HEAD", path)
    drain(world, rules)
    told = "select event_type, visitor, count(*) from events group by all order by all"
    assert world.warehouse(told) == [("asset_fetch", VISITOR, 1), ("document_download", None, 1)]


def test_a_gated_paper_leads_others_to_its_form(served: Face) -> None:
    path = link(served)
    token = path.partition("=")[2]
    for other in (
        "/d/service_guide", "/d/service_guide?f=", f"/d/service_guide?f={token[:-2]}",
        f"/d/service_guide?f={token}x", f"/d/service_guide?nl={token}", f"/d/service_guide?f={'x' * 5000}",
    ):  # fmt: skip
        answer = served.get(other)
        assert (answer.status, answer.headers["location"]) == (303, "/forms/document"), other
    for missing in ("/d/other", "/d/../forms.yaml", "/d/..%2Fforms.yaml", "/d/service_guide.pdf"):
        assert served.get(missing).status == 404


def test_a_mails_link_gives_the_paper_and_tells_whose_it_was(world: World, served: Face, rules: RuleSet) -> None:
    links = signed_links(served.url, world.settings.secret_keys[0])
    path = f"/d/service_guide?nl={links.lead('S1')}"
    assert served.get(path, User_Agent="python-requests/2.32").status == 200
    assert drain(world, rules) == 0
    assert [served.get(path).status for _ in range(3)] == [200] * 3
    assert served.get(f"/d/service_guide?nl={links.opt_out('S1')}").status == 303
    drain(world, rules)
    assert world.warehouse("select event_type, send_id, asset from events") == [
        ("document_download", "S1", "service_guide")
    ]


def test_the_day_of_a_mails_download_is_the_companys(world: World, served: Face, rules: RuleSet) -> None:
    path = f"/d/service_guide?nl={signed_links('', world.settings.secret_keys[0]).lead('S1')}"
    # 23:30 and 23:50, and half past midnight in Tokyo; the last two are one day in UTC, too
    for hours in (14.5, 14 + 50 / 60, 15.5, 16):
        served.clock.set(at(1, hours=hours))
        assert served.get(path).status == 200
    drain(world, rules)
    assert world.warehouse("select occurred_at from events order by all") == [
        (at(1, hours=14.5),),
        (at(1, hours=15.5),),
    ]


def test_each_form_tells_whether_it_was_the_download(world: World, rules: RuleSet) -> None:
    forms = tuple(form.model_copy(update={"asset": "service_guide"}) for form in rules.forms)
    with face(world.settings, rules.model_copy(update={"forms": forms}), at(1)) as served:
        for form in ("document", "seminar"):
            assert served.get(link(served, form), Cookie=f"nv={VISITOR}").status == 200
            assert served.get(link(served, form)).status == 200  # from a browser that keeps no cookies
    drain(world, rules)
    assert world.warehouse("select event_type, count(*) from events group by all order by all") == [
        ("asset_fetch", 1), ("document_download", 3), ("seminar_signup", 2),
    ]  # fmt: skip


def test_an_open_paper_goes_to_everybody_and_counts_once_a_day_and_visitor(world: World, rules: RuleSet) -> None:
    opened = rules.assets[0].model_copy(update={"is_gated": False})
    with face(world.settings, rules.model_copy(update={"assets": (opened,)}), at(1)) as served:
        for visitor in (VISITOR, VISITOR, "w" * 22, "<bad>", None):
            headers = {} if visitor is None else {"Cookie": f"nv={visitor}"}
            assert served.get("/d/service_guide", **headers).status == 200
        assert served.get("/d/service_guide", Cookie=f"nv={'x' * 22}", Sec_GPC="1").status == 200
        part = served.get("/d/service_guide", Cookie=f"nv={VISITOR}", Range="bytes=0-3")
        assert (part.status, part.body) == (206, b"%PDF")
        served.clock.set(at(1) + timedelta(days=1))
        assert served.get("/d/service_guide", Cookie=f"nv={VISITOR}").status == 200
    drain(world, rules, 3)
    assert world.warehouse("select visitor, count(*) from events group by all order by all") == [
        (VISITOR, 2), ("w" * 22, 1),
    ]  # fmt: skip


def test_too_many_downloads_from_one_place_have_to_wait(served: Face) -> None:
    statuses = [served.get("/d/service_guide").status for _ in range(ASKED_A_MINUTE["d"] + 1)]
    assert statuses == [303] * ASKED_A_MINUTE["d"] + [429]


def test_a_download_is_the_leads_its_points_count_and_the_mail_leaves(
    world: World, served: Face, rules: RuleSet
) -> None:
    acting = rules.model_copy(update={"active_from": START})
    agreed = {**TYPED, "consent": "yes", "wording": "ja 2026-11"}
    answer = served.post("/forms/document", agreed, Cookie=f"nv={VISITOR}")
    (path,) = html.fromstring(answer.body).xpath("//a/@href")
    assert served.get(str(path), Cookie=f"nv={VISITOR}").status == 200
    drain(world, rules, 1.01)
    decisions = world.send(acting, at(1.02))
    assert decisions == {"sent": 1}
    assert world.warehouse("select email, company, score from leads") == [("taro@example.com", "見本", 10)]
    assert world.warehouse("select mail_kind, basis from lead_consents") == [("marketing", "opt_in_form")]
    (mail,) = world.stand_in.mailbox.mails
    assert (mail.to, mail.subject) == ("taro@example.com", "資料をダウンロードいただき、ありがとうございます")
