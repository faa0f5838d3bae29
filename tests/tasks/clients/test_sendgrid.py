"""Each way a request to SendGrid can end has the right verdict: only what cannot have been taken may be tried again."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from python_http_client.exceptions import NotFoundError

from tasks.clients.sendgrid import Answer, SendGrid
from tests.tasks.clients.raw_server import Peer, RawServer

MAIL = {"subject": "件名", "personalizations": [{"to": [{"email": "lead@example.com"}]}]}
LARGE = {"subject": "x" * 8_000_000}
SENDER_REFUSED = {
    "errors": [
        {
            "message": "The from address lead@example.com is not verified",
            "field": "from",
            "help": "https://help.example",
        }
    ]
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_of(server: RawServer, timeout_seconds: float = 5) -> SendGrid:
    return SendGrid(server.url, "SG.the-key", timeout_seconds)


def taking(peer: Peer) -> None:
    """Take every request of a connection."""
    while True:
        peer.read_request()
        peer.answer("202 Accepted", X_Message_Id="m1")


def answering(status: str, body: bytes = b"", **headers: str) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.read_request()
        peer.answer(status, body, **headers)

    return act


def test_what_arrives_is_the_json_under_the_key_and_connections_are_kept() -> None:
    requests: list[tuple[dict[str, str], bytes]] = []

    def act(peer: Peer) -> None:
        while True:
            requests.append(peer.read_request())
            peer.answer("202 Accepted", X_Message_Id="m1")

    with RawServer(act) as server:
        client = client_of(server)
        for payload in (MAIL, orjson.dumps(MAIL)):
            assert client.send(payload) == Answer("accepted", 202, message_id="m1")
        assert server.connections == 1
    for head, body in requests:
        assert head[""] == "POST /v3/mail/send HTTP/1.1"
        assert (head["authorization"], head["content-type"]) == ("Bearer SG.the-key", "application/json")
        assert orjson.loads(body) == MAIL


def test_many_threads_share_the_connections() -> None:
    with RawServer(taking) as server, ThreadPoolExecutor(8) as pool:
        client = client_of(server)
        answers = list(pool.map(client.send, [MAIL] * 200))
    assert {answer.verdict for answer in answers} == {"accepted"}
    assert server.connections <= 8


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = SendGrid(f"http://127.0.0.1:{port}", "SG.the-key", 1).send(MAIL)
    assert answer == Answer("not_sent", message="SendGrid could not be reached: Connection refused")


def test_a_host_that_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    answer = SendGrid("http://mail.test", "SG.the-key", 1).send(MAIL)
    assert answer == Answer("not_sent", message="SendGrid could not be reached: Name or service not known")


@pytest.mark.parametrize("ending", [Peer.reset, lambda peer: peer.connection.close()], ids=["reset", "closed"])
def test_a_kept_connection_found_broken_is_replaced_at_once(ending: Callable[[Peer], None]) -> None:
    is_heard, is_over = threading.Event(), threading.Event()

    def once(peer: Peer) -> None:
        peer.read_request()
        peer.answer("202 Accepted")
        is_heard.wait(5)
        ending(peer)
        is_over.set()

    with RawServer(once, taking) as server:
        client = client_of(server)
        assert client.send(MAIL).verdict == "accepted"
        is_heard.set()
        assert is_over.wait(5)
        assert client.send(MAIL).verdict == "accepted"
        assert server.connections == 2


def test_a_kept_connection_that_breaks_as_it_is_used_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the connection came a moment too early."""
    is_heard, is_over = threading.Event(), threading.Event()

    def once(peer: Peer) -> None:
        peer.read_request()
        peer.answer("202 Accepted")
        is_heard.wait(5)
        peer.reset()
        is_over.set()

    with RawServer(once, taking) as server:
        client = client_of(server)
        assert client.send(MAIL).verdict == "accepted"
        is_heard.set()
        assert is_over.wait(5)
        monkeypatch.setattr("tasks.clients.transport.Transport._is_open", lambda *_: True)
        assert client.send(MAIL).verdict == "accepted"
        assert server.connections == 2


def test_a_reset_before_the_body_on_a_new_connection_has_sent_nothing_or_is_unknown() -> None:
    """Whether the first bytes were off before the reset came is chance; a mail is never lost for it, nor doubled."""
    with RawServer(lambda peer: peer.reset()) as server:
        answer = client_of(server).send(MAIL)
    assert answer.verdict in {"not_sent", "unknown"}
    assert server.connections == 1


def test_a_reset_after_the_body_is_unknown_and_never_tried_again() -> None:
    def act(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    with RawServer(act) as server:
        answer = client_of(server).send(MAIL)
        assert server.connections == 1
    assert answer.verdict == "unknown"
    assert answer.message == "the connection failed after the request had begun to leave: connection broken"


def test_a_reset_after_the_body_of_a_kept_connection_is_unknown_too() -> None:
    def act(peer: Peer) -> None:
        peer.read_request()
        peer.answer("202 Accepted")
        peer.read_request()
        peer.reset()

    with RawServer(act, taking) as server:
        client = client_of(server)
        assert [client.send(MAIL).verdict for _ in range(2)] == ["accepted", "unknown"]
        assert server.connections == 1


def test_a_break_in_the_middle_of_the_body_is_unknown() -> None:
    def act(peer: Peer) -> None:
        peer.read_head()
        peer.connection.recv(1_000)
        peer.reset()

    with RawServer(act) as server:
        assert client_of(server).send(LARGE).verdict == "unknown"


def test_a_hang_ends_in_time_and_is_unknown() -> None:
    over = threading.Event()

    def act(peer: Peer) -> None:
        peer.read_request()
        over.wait(10)

    with RawServer(act) as server:
        answer = client_of(server, timeout_seconds=0.2).send(MAIL)
        over.set()
    assert answer.verdict == "unknown"
    assert answer.message == "the connection failed after the request had begun to leave: no answer in time"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 20", b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nab", b"220 smtp\r\n\r\n"]
)
def test_half_an_answer_is_unknown(answer: bytes) -> None:
    def act(peer: Peer) -> None:
        peer.read_request()
        peer.connection.sendall(answer)
        peer.connection.close()

    with RawServer(act) as server:
        assert client_of(server).send(MAIL).verdict == "unknown"
        assert server.connections == 1


def test_an_answer_of_html_says_the_request_was_too_large() -> None:
    page = b"<html><body><h1>413 Request Entity Too Large</h1></body></html>"
    with RawServer(answering("413 Too Large", page, Content_Type="text/html")) as server:
        assert client_of(server).send(MAIL) == Answer("split", 413, "the request was too large")


def test_a_refusal_for_size_is_heard_though_the_body_was_not_read() -> None:
    over = threading.Event()

    def act(peer: Peer) -> None:
        peer.read_head()
        peer.answer("413 Too Large", b"<html>", Connection="close")
        over.wait(10)

    with RawServer(act) as server:
        assert client_of(server, timeout_seconds=0.3).send(LARGE).verdict == "split"
        over.set()


def test_an_acceptance_before_the_body_was_read_means_nothing() -> None:
    over = threading.Event()

    def act(peer: Peer) -> None:
        peer.read_head()
        peer.answer("202 Accepted")
        over.wait(10)

    with RawServer(act) as server:
        assert client_of(server, timeout_seconds=0.3).send(LARGE).verdict == "unknown"
        over.set()


def test_a_sender_that_is_not_verified_stops_this_sender_and_names_no_address() -> None:
    with RawServer(answering("403 Forbidden", orjson.dumps(SENDER_REFUSED))) as server:
        answer = client_of(server).send(MAIL)
    assert answer == Answer("stop", 403, "The from address <address> is not verified (from)", is_about_sender=True)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("o'neil@example.com is bad", "<address> is bad"),
        ("<\"o'neil\"@example.com>, 'b@example.com'.", "<\"<address>>, '<address>'."),
        ("(yamada＠example.com)", "(<address>)"),
        ("[a<b@example.com]: no, not @ all", "[<address>]: no, not @ all"),
    ],
)
def test_no_part_of_an_address_is_kept_of_what_sendgrid_says(told: str, kept: str) -> None:
    with RawServer(answering("401 No", orjson.dumps({"errors": [{"message": told}]}))) as server:
        assert client_of(server).send(MAIL).message == f"{kept} (no field)"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        ("401 Unauthorized", b'{"errors": [{"message": "authorization required"}]}', "authorization required (no field)"),
        ("403 Forbidden", b'{"errors": [{"message": "access forbidden", "field": null}]}', "access forbidden (no field)"),
        ("451 Unavailable", b'{"errors": [{"message": "not in this region"}]}', "not in this region (no field)"),
        ("451 Unavailable", b"<html>", "no reason given"),
        ("403 Forbidden", b'{"errors": "none"}', "no reason given"),
        ("403 Forbidden", b'["errors"]', "no reason given"),
        ("404 Not Found", b"\xff\xfe", "no reason given"),
    ],
)  # fmt: skip
def test_refusals_for_good_stop(status: str, body: bytes, message: str) -> None:
    with RawServer(answering(status, body)) as server:
        assert client_of(server).send(MAIL) == Answer("stop", int(status[:3]), message)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["from.email"], {"verdict": "stop", "is_about_sender": True}),
        (["subject", "from"], {"verdict": "stop", "is_about_sender": True}),
        (["categories[0]", "content.0.value"], {"verdict": "stop", "is_about_template": True}),
        (["subject", "personalizations.3.to"], {"verdict": "rejected", "rejected": (3,)}),
        (["subject", "personalizations"], {"verdict": "split"}),
        (["subject", None], {"verdict": "split"}),
        ([], {"verdict": "split"}),
    ],
)
def test_a_bad_request_is_about_what_it_names(fields: list[str | None], expected: dict[str, object]) -> None:
    errors = [{"message": "bad", "field": field} for field in fields]
    with RawServer(answering("400 Bad Request", orjson.dumps({"errors": errors}))) as server:
        answer = client_of(server).send(MAIL)
    assert answer == Answer(http_status=400, message=answer.message, **expected)  # type: ignore[arg-type]


def test_a_redirect_is_not_followed() -> None:
    with (
        RawServer(taking) as other,
        RawServer(answering("307 Elsewhere", Location=f"{other.url}/v3/mail/send")) as server,
    ):
        answer = client_of(server).send(MAIL)
        assert answer == Answer("stop", 307, "a redirect, which is not followed")
        assert other.connections == 0


@pytest.mark.parametrize("status", ["500 Error", "502 Bad Gateway", "503 Unavailable"])
def test_an_error_of_the_server_is_unknown(status: str) -> None:
    with RawServer(answering(status, b"<html>")) as server:
        assert client_of(server).send(MAIL) == Answer("unknown", int(status[:3]), "no reason given")


def test_the_rate_limit_is_told_by_refusals_and_by_acceptances() -> None:
    def act(peer: Peer) -> None:
        for status, left in (("202 Accepted", "3"), ("202 Accepted", "0"), ("429 Too Many", "0")):
            peer.read_request()
            peer.answer(status, X_RateLimit_Remaining=left, X_RateLimit_Reset="7")

    with RawServer(act) as server:
        client = client_of(server)
        answers = [client.send(MAIL) for _ in range(3)]
    assert [(one.verdict, one.requests_left, one.wait_seconds) for one in answers] == [
        ("accepted", 3, 0), ("accepted", 0, 7), ("wait", 0, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["soon", "nan", "1e999", ""])
def test_a_rate_limit_without_meaning_is_none(value: str) -> None:
    with RawServer(answering("202 Accepted", X_RateLimit_Remaining=value, X_RateLimit_Reset=value)) as server:
        assert client_of(server).send(MAIL) == Answer("accepted", 202)


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(taking) as server, RawServer(taking) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client_of(server).send(MAIL).verdict == "accepted"
        assert proxy.connections == 0


def test_a_proxy_of_the_environment_opens_a_tunnel_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[dict[str, str]] = []

    def act(peer: Peer) -> None:
        heads.append(peer.read_head())
        peer.connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        taking(peer)

    with RawServer(act) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://user:word@"))
        monkeypatch.setenv("no_proxy", "")
        assert SendGrid("http://mail.test", "SG.the-key", 5).send(MAIL).verdict == "accepted"
    assert heads[0][""].startswith("CONNECT mail.test:80 HTTP/1.")
    assert heads[0]["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
    assert "authorization" not in heads[0]


def test_a_proxy_that_refuses_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(peer: Peer) -> None:
        peer.read_head()
        peer.answer("407 Proxy Authentication Required")

    with RawServer(act) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert SendGrid("http://mail.test", "SG.the-key", 5).send(MAIL).verdict == "not_sent"


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path, own_certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate)
    reads: list[bytes] = []

    def act(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as connection:
            reads.append(connection.recv(1_000))

    with RawServer(act) as server:
        answer = SendGrid(server.url.replace("http://", "https://"), "SG.the-key", 5).send(MAIL)
    assert answer.verdict == "not_sent"
    assert "certificate cannot be verified" in str(answer.message)
    assert reads == []


def test_connections_under_tls_are_kept_and_replaced_as_others_are(monkeypatch, own_certificate) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate)
    is_over = threading.Event()

    def acting(times: int) -> Callable[[Peer], None]:
        def act(peer: Peer) -> None:
            peer.connection = context.wrap_socket(peer.connection, server_side=True)
            for _ in range(times):
                peer.read_request()
                peer.answer("202 Accepted")
            peer.connection.close()
            is_over.set()

        return act

    with RawServer(acting(2), acting(9)) as server:
        client = SendGrid(server.url.replace("http://127.0.0.1", "https://localhost"), "SG.the-key", 5)
        assert [client.send(MAIL).verdict for _ in range(2)] == ["accepted", "accepted"]
        assert server.connections == 1
        assert is_over.wait(5)
        assert client.send(MAIL).verdict == "accepted"
        assert server.connections == 2


def test_neither_key_nor_body_is_logged_however_much_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with RawServer(taking) as server:
        client = client_of(server)
        for name in ("", "python_http_client", "python_http_client.client"):
            caplog.set_level(logging.DEBUG, logger=name)
        assert client.send(MAIL).verdict == "accepted"
    assert "SG.the-key" not in caplog.text
    assert "lead@example.com" not in caplog.text


def test_a_key_no_header_can_hold_is_told_without_the_key() -> None:
    with RawServer(taking) as server:
        answer = SendGrid(server.url, "SG.line\nbreak", 5).send(MAIL)
    assert answer.verdict == "not_sent"
    assert "check the API key" in str(answer.message)
    assert "SG.line" not in str(answer.message)


def test_the_libraries_other_calls_go_the_same_way() -> None:
    heads: list[dict[str, str]] = []

    def act(peer: Peer) -> None:
        for status, body in (("200 OK", b'[{"reason": "x"}]'), ("404 Not Found", b"{}")):
            heads.append(peer.read_request()[0])
            peer.answer(status, body)

    with RawServer(act) as server:
        client = client_of(server).client
        assert client.suppression.bounces.get(query_params={"limit": 500}).to_dict == [{"reason": "x"}]
        with pytest.raises(NotFoundError):
            client.suppression.bounces._("lead").delete()
    assert heads[0][""] == "GET /v3/suppression/bounces?limit=500 HTTP/1.1"
    assert heads[0]["authorization"] == "Bearer SG.the-key"
    assert heads[1][""] == "DELETE /v3/suppression/bounces/lead HTTP/1.1"
