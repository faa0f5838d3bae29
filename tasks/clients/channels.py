"""Chat rooms and webhooks where sales is told: Apprise carries the message, and two services of Japan are added to it.

A room has no idempotency key and tells nothing afterwards. So an answer is sorted as for mail: only a message that
cannot have been posted is tried again.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import apprise
import requests
from apprise.plugins.base import NotifyBase

from settings import LOOPBACK_HOSTS

_TIMEOUT_SECONDS = 15
_LOGGER = "apprise"
_LOGGERS = (_LOGGER, "urllib3")
"""They would log addresses."""
# Apprise tells only whether it went well; what went wrong stands in its log, beside the message itself.
_STATUS = re.compile(r"error=(\d{3})")
_SENT = re.compile(r"Sent .*notification")
_NOT_SENT = re.compile(r"NewConnectionError|ConnectTimeout|NameResolutionError|Connection refused|SSLCertVerification")
_TOO_MANY = 429


@dataclass(frozen=True)
class Posted:
    """How a message to a room ended: ``accepted``, ``not_sent`` (nobody can have read it) or ``unknown``."""

    verdict: Literal["accepted", "not_sent", "unknown"]
    message: str | None = None


class Chatwork(NotifyBase):  # type: ignore[misc]
    """Chatwork: ``chatwork://TOKEN/ROOM``."""

    service_name = "Chatwork"
    service_url = "https://www.chatwork.com/"
    secure_protocol = "chatwork"
    protocol = None
    title_maxlen = 0
    body_maxlen = 20_000

    def __init__(self, token: str, room: str, host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._token = token
        self.is_stand_in = host.startswith("http://127.0.0.1:")
        self._url = f"{host}/v2/rooms/{room}/messages"

    def send(self, body: str, title: str = "", notify_type: Any = None, **_: Any) -> bool:
        """Post one message."""
        headers = {"X-ChatWorkToken": self._token}
        return _post(self, headers=headers, data={"body": body, "self_unread": "1"}, url=self._url)

    def url(self, *_: Any, **__: Any) -> str:
        """The address without its secret."""
        return "chatwork://****/****"

    @staticmethod
    def parse_url(url: str) -> dict[str, Any] | None:
        """Read an address."""
        results: dict[str, Any] | None = NotifyBase.parse_url(url, verify_host=False)
        room = _path(results)
        if not results or not results["host"] or not room.isdigit():
            return None
        return results | {"token": results["host"], "room": room, "host": _base(results, "https://api.chatwork.com")}


class LineWorks(NotifyBase):  # type: ignore[misc]
    """The app Incoming Webhook of LINE WORKS: ``lineworks://webhook.worksmobile.com/message/ID``."""

    service_name = "LINE WORKS"
    service_url = "https://line.worksmobile.com/"
    secure_protocol = "lineworks"
    protocol = None
    title_maxlen = 200
    body_maxlen = 2_000

    def __init__(self, address: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._url = address

    def send(self, body: str, title: str = "", notify_type: Any = None, **_: Any) -> bool:
        """Post one message."""
        return _post(self, json={"title": title, "body": {"text": body}}, url=self._url)

    def url(self, *_: Any, **__: Any) -> str:
        """The address without its secret."""
        return "lineworks://****"

    @staticmethod
    def parse_url(url: str) -> dict[str, Any] | None:
        """Read an address."""
        results: dict[str, Any] | None = NotifyBase.parse_url(url, verify_host=False)
        if not results or not results["host"] or not _path(results):
            return None
        port = f":{results['port']}" if results.get("port") else ""
        default = f"https://{results['host']}{port}"
        if results["host"] in LOOPBACK_HOSTS:
            default = f"http://{results['host']}{port}"
        return results | {"address": f"{default}/{_path(results)}"}


def _path(results: dict[str, Any] | None) -> str:
    return str((results or {}).get("fullpath") or "").strip("/")


def _base(results: dict[str, Any], default: str) -> str:
    """The service's address, or a stand-in's on this machine."""
    stand_in = str(results.get("qsd", {}).get("stand_in", ""))
    return f"http://127.0.0.1:{int(stand_in)}" if stand_in.isdigit() else default


def _post(plugin: Any, url: str, **request: Any) -> bool:
    """Post as Apprise's own plugins do, and log as they do."""
    try:
        answer = requests.post(url, timeout=_TIMEOUT_SECONDS, allow_redirects=False, **request)
    except requests.RequestException as error:
        plugin.logger.debug("Socket Exception: %s", error)
        return False
    if answer.status_code >= 300:
        plugin.logger.warning("Failed to send %s notification: error=%d.", plugin.service_name, answer.status_code)
        return False
    return True


class Room:
    """One channel of the rules, whose address stands in a variable.

    Args:
        variable: The variable that holds it; it is a secret.
    """

    def __init__(self, variable: str) -> None:
        address = os.environ.get(variable, "").strip()
        self._variable = variable
        self._apprise = apprise.Apprise()
        self.is_set = bool(address)
        with _listening():
            is_known = self.is_set and bool(self._apprise.add(_with_timeouts(address)))
        # of several rooms in one address one might get twice what another did not get
        self.is_readable = is_known and len(self._apprise) == 1
        host = re.match(r"\w+://(?:[^/@]*@)?(\[[^\]]+\]|[^/:?]+)", address)
        is_stand_in = any(isinstance(plugin, Chatwork) and plugin.is_stand_in for plugin in self._apprise)
        self.is_local = bool(host and host[1].strip("[]") in LOOPBACK_HOSTS) or is_stand_in
        """Whether it stands on this machine, so that nobody reads what is posted."""

    def post(self, title: str, text: str) -> Posted:
        """Post one message; never raises for what the network or the service does."""
        with _listening() as told:
            try:
                is_posted = self._apprise.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
            except Exception as error:  # noqa: BLE001 (whatever went wrong, it may have been posted)
                return Posted("unknown", f"no answer: {type(error).__name__}")
        if is_posted:
            return Posted("accepted")
        if told.is_refused and told.statuses:
            why = "too many messages for now" if _TOO_MANY in told.statuses else "it refuses the message"
            return Posted("not_sent", f"{why} (HTTP {told.statuses[-1]}); check {self._variable}")
        if told.is_refused:
            return Posted("not_sent", f"it cannot be reached; check {self._variable}")
        answer = f"HTTP {told.statuses[-1]}" if told.statuses else "no answer"
        return Posted("unknown", f"it may have been posted ({answer})")


@contextmanager
def _listening() -> Iterator[_Told]:
    """Hear what is logged of an address, and let nobody else hear it."""
    told = _Told()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(told)
        logger.propagate = False  # it may hold the address
    logging.getLogger(_LOGGER).setLevel(logging.DEBUG)  # why a connection failed is told only there
    try:
        yield told
    finally:
        for logger, level, propagates in before:
            logger.removeHandler(told)
            logger.setLevel(level)
            logger.propagate = propagates


class _Told(logging.Handler):
    """Keeps what Apprise logged of answers; not the message, whose words may be anything."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statuses: list[int] = []
        self._may_be_posted: list[bool] = []

    @property
    def is_refused(self) -> bool:
        """Whether nothing can have been posted, to any place that one address may stand for."""
        return bool(self._may_be_posted) and not any(self._may_be_posted)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what one line says."""
        if not record.name.startswith(_LOGGER):
            return
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            statuses = [int(status) for status in _STATUS.findall(text)]
            self.statuses += statuses
            self._may_be_posted += [not 400 <= status < 500 for status in statuses]
        elif record.levelno == logging.INFO and _SENT.match(text):
            self._may_be_posted.append(True)
        elif text.startswith("Socket Exception"):
            self._may_be_posted.append(_NOT_SENT.search(text) is None)


def _with_timeouts(address: str) -> str:
    """A service that is slow to answer has most likely taken the message: wait for it."""
    for scheme, plugin in (("chatwork", Chatwork), ("lineworks", LineWorks)):
        if scheme not in apprise.plugins.N_MGR:
            apprise.plugins.N_MGR.add(plugin, schemas=scheme)
    return f"{address}{'&' if '?' in address else '?'}rto={_TIMEOUT_SECONDS}&cto={_TIMEOUT_SECONDS}"
