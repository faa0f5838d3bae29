"""Whatever is thrown at it, the web face answers, and never with a fault of its own; nothing of it is believed."""

from __future__ import annotations

import gzip
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis import Case

from intake.app import make_app
from rules.models import RuleSet
from settings import Settings
from tasks.inbox import drain_inbox
from tasks.mail_links import signed_links
from tests.company import REPOSITORY
from tests.facts import at
from tests.intake.face import Face, face
from tests.intake.load import PUBLIC_KEY
from warehouse.connection import open_warehouse

OPENAPI = yaml.safe_load((REPOSITORY / "intake" / "openapi.yaml").read_text(encoding="utf-8"))
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "secret of the tests"
schema = schemathesis.openapi.from_dict(OPENAPI)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return Settings(home=home, secret_key=SECRET, sendgrid_webhook_key=PUBLIC_KEY)


@pytest.fixture(scope="module")
def served(settings: Settings, rules: RuleSet) -> Iterator[Face]:
    with pytest.MonkeyPatch.context() as patch:
        # what is asked here in a moment is what a month brings
        patch.setattr("intake.guard.ASKED_A_MINUTE", dict.fromkeys(("forms", "u", "preferences", "d", "t"), 10**6))
        with face(settings, rules, at(1)) as served:
            yield served


def loaded(settings: Settings, rules: RuleSet) -> list[tuple[Any, ...]]:
    drain_inbox(settings, rules.fields, at(2))
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute("select event_type, send_id from events where event_type like 'mail_%'").fetchall()


def test_the_description_names_every_route(settings: Settings, rules: RuleSet) -> None:
    app = make_app(settings, rules)
    told = {
        (path, method.upper())
        for path, entry in OPENAPI["paths"].items()
        for method in entry
        if method in {"get", "post"}
    }
    there = {(route.path, method) for route in app.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    assert told == there


@schema.parametrize()
@hypothesis_settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_what_its_description_lets_one_ask_is_answered(case: Case, served: Face) -> None:
    response = case.call(base_url=served.url, allow_redirects=False, timeout=20)
    assert response.status_code < 500, case.as_curl_command()
    assert response.status_code in {200, 204, 303} or 400 <= response.status_code < 500


TOKENS = {
    "forged": "UzE.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "empty": "",
    "dots": "...",
    "null": "%00",
    "long": "x" * 5000,
    "unicode": "%E3%81%82",
    "broken": "%ff%fe",
    "slashes": "..%2f..%2fetc%2fpasswd",
    "lead": signed_links("", SECRET).lead("S1"),
    "another key": signed_links("", "another secret").opt_out("S1"),
    "cut": signed_links("", SECRET).opt_out("S1")[:-3],
    "longer": signed_links("", SECRET).opt_out("S1") + "A",
    "of another": signed_links("", SECRET).opt_out("S1").split(".")[0] + "." + signed_links("", SECRET).opt_out("S2").split(".")[1],
}  # fmt: skip


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_is_not_ours_opens_nothing(served: Face, settings: Settings, rules: RuleSet, name: str) -> None:
    for path in (f"/u/{TOKENS[name]}", f"/preferences/{TOKENS[name]}"):
        told = [served.get(path), served.post(path, {"newsletter": "stop"})]
        assert [answer.status for answer in told] == [404, 404]
        assert "S1" not in told[0].text
    assert loaded(settings, rules) == []


BODIES = {
    "a field of a megabyte": b"message=" + b"x" * 1_000_000,
    "ten thousand fields": b"&".join(b"f%d=1" % number for number in range(10_000)),
    "null bytes": b"email=a%00b@example.com&name=\x00",
    "broken UTF-8": b"email=\xff\xfe&name=%c3%28",
    "CP932": "email=太郎&name=株式会社".encode("cp932"),
    "CP932, escaped": b"name=%91%BE%98Y",
    "deep JSON": b"[" * 60_000,
    "only separators": b"&=&=&" * 5_000,
    "percent signs": b"%" * 10_000,
    "a formula": b"email=a@example.com&name==cmd|'/C calc'!A0",
}
PATHS = ("/forms/document", "/t", "/webhooks/sendgrid", "/u/x", "/preferences/x")


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", PATHS)
def test_a_hostile_body_is_refused(served: Face, path: str, name: str) -> None:
    for content_type in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"):
        answer = served.ask("POST", path, BODIES[name], {"Content-Type": content_type})
        assert 400 <= answer.status < 500


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_chooses_nothing(served: Face, settings: Settings, rules: RuleSet, name: str) -> None:
    path = f"/preferences/{signed_links('', SECRET).opt_out('S7')}"
    for content_type in ("application/json", "multipart/form-data; boundary=x"):
        assert 400 <= served.ask("POST", path, BODIES[name], {"Content-Type": content_type}).status < 500
    answer = served.ask("POST", path, BODIES[name], URLENCODED)
    assert 400 <= answer.status < 500 or "変更はありませんでした" in answer.text
    assert ("mail_unsubscribe", "S7") not in loaded(settings, rules)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_would_grow_is_never_unpacked(served: Face, path: str) -> None:
    bomb = gzip.compress(b"email=" + b"x" * 20_000_000)
    begun = time.monotonic()
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        answer = served.ask("POST", path, bomb[:15_000], URLENCODED | {"Content-Encoding": encoding})
        assert 400 <= answer.status < 500
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/forms/document", 405),
        ("PUT", "/u/x", 405),
        ("TRACE", "/t", 405),
        ("PATCH", "/webhooks/sendgrid", 405),
        ("OPTIONS", "/preferences/x", 405),
        ("GET", "/t", 405),
        ("GET", "/webhooks/sendgrid", 405),
        ("POST", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/forms", 404),
        ("GET", "/forms/../rules/guide/fields.yaml", 404),
        ("GET", "/d/..%2f..%2fsettings.py", 404),
        ("GET", "/d/%2e%2e/service_guide", 404),
        ("GET", "//example.test/%2f..", 404),
        ("GET", "/" + "x" * 8000, 404),
        ("GET", "/forms/document?" + "x=1&" * 3000, 200),
    ],
)
def test_odd_methods_and_paths(served: Face, method: str, path: str, status: int) -> None:
    answer = served.ask(method, path)
    assert answer.status == status
    assert "location" not in answer.headers


def raw(served: Face, content: bytes, seconds: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", served.port), timeout=seconds) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)


def test_what_is_no_http_is_refused_and_the_others_are_served(served: Face) -> None:
    flood = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 100) for number in range(5000))
    for content in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n",
        b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        answer = raw(served, content)
        assert not re.match(rb"HTTP/1.1 (2|5)", answer) or flood in content, answer[:200]
        assert served.get("/healthz").status == 200


def test_a_body_in_chunks_is_counted_as_it_comes(served: Face) -> None:
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    head = b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer = raw(served, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 200 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_request_that_is_given_up_leaves_nothing_behind(served: Face, settings: Settings, rules: RuleSet) -> None:
    path = f"/u/{signed_links('', SECRET).opt_out('S9')}"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart".encode())
    time.sleep(0.1)
    assert served.get("/healthz").status == 200
    assert ("mail_unsubscribe", "S9") not in loaded(settings, rules)


def test_no_answer_names_a_program_or_its_version(served: Face) -> None:
    for path in ("/", "/healthz", "/forms/document", "/u/x"):
        answer = served.get(path)
        assert "Traceback" not in answer.text
        assert not re.search(r"uvicorn|starlette|python", answer.text + str(dict(answer.headers)), re.IGNORECASE)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_what_is_logged_names_nobody(served: Face, caplog: pytest.LogCaptureFixture) -> None:
    token = signed_links("", SECRET).opt_out("S1")
    served.get(f"/u/{token}")
    served.post("/forms/document", {"email": "secret.person@example.com"})
    assert "secret.person" not in caplog.text
    assert token not in caplog.text
    assert "secret.person" not in served.get("/metrics").text


def test_home_holds_only_the_inbox(settings: Settings, served: Face) -> None:
    written = {path.name for path in Path(settings.home).iterdir()}
    assert {name for name in written if not name.startswith(("inbox.db", "warehouse.duckdb"))} == set()
