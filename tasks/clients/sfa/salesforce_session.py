"""The session beneath the library: each request with a time-out, waited for and tried again where that helps.

The library sets no time-out, follows redirects, and renews no session that it was given. So what it sends goes through
here, and it only ever sees answers that were taken. All requests may be made twice: reads change nothing, and writes
name each record by its id or by ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

from tasks.clients.sfa.salesforce_address import Address
from tasks.clients.sfa.salesforce_errors import MAX_WAIT_SECONDS, login_refusal, not_salesforce, refusal, wait_seconds
from tasks.errors import RunError

_TRIES = 3
_PAUSE_SECONDS = 0.5
_TYPES = ("application/json", "text/csv")


class Session(requests.Session):
    """Requests to one org, by a session that is opened when it is needed, and once more when it has expired.

    Args:
        address: The org and the credential.
        timeout_seconds: On connecting, and on every wait for bytes of the answer.
    """

    def __init__(self, address: Address, timeout_seconds: float) -> None:
        super().__init__()
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._token: str | None = None
        self.user_id: str | None = None
        """The run-as user, as the last session was opened with it."""
        # a proxy's loopback is another machine's
        self.trust_env = not address.is_local
        # set for every request, or a .netrc would take its place
        self.auth = self._authorized
        # left out, the org's assignment rules would give away each lead that is written
        self.headers["Sforce-Auto-Assign"] = "FALSE"

    def request(self, method: str, url: str | bytes, *args: Any, **more: Any) -> requests.Response:
        """One request and its answer, after the waits and the tries that it takes.

        Raises:
            RefusedError: It is refused for what is in it.
            RunError: Nothing more can be done.
        """
        if self._address.is_local:
            url = str(url).replace("https://", "http://", 1)  # the library knows no other
        is_renewed = False
        while True:
            if self._token is None:
                self._token = self._opened()
            reply = self._answer(lambda: self._sent(method, url, *args, **more))
            if reply.status_code == 401 and not is_renewed:
                is_renewed, self._token = True, None
                continue
            if reply.status_code >= 300:
                raise refusal(reply.status_code, reply.content) from None
            if reply.content and not reply.headers.get("Content-Type", "").startswith(_TYPES):
                raise not_salesforce("something else")
            reply.encoding = "utf-8"  # or a table without it would be read as Latin-1
            return reply

    def _sent(self, method: str, url: str | bytes, *args: Any, **more: Any) -> requests.Response:
        fixed = {"timeout": self._timeout_seconds, "allow_redirects": False}
        return super().request(method, url, *args, **(more | fixed))

    def _opened(self) -> str:
        """A new session's token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._address.client_id,
            "client_secret": self._address.client_secret,
        }
        url = f"{self._address.base}/services/oauth2/token"
        reply = self._answer(lambda: self._sent("POST", url, data=form, auth=_unauthorized))
        try:
            answer = reply.json() if reply.status_code == 200 else {}
            token = answer["access_token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str):
            raise login_refusal(reply.status_code, reply.content)
        # https://login.salesforce.com/id/ORG/USER
        self.user_id = str(answer.get("id") or "").rpartition("/")[2] or None
        return token

    def _answer(self, send: Callable[[], requests.Response]) -> requests.Response:
        """An answer that is final, whatever it says."""
        waited, failures = 0.0, 0
        while True:
            try:
                reply = send()
            except requests.RequestException as error:
                failures += 1
                if failures >= _TRIES:
                    name = "TLS" if isinstance(error, requests.exceptions.SSLError) else type(error).__name__
                    raise RunError(
                        f"Salesforce gives no answer after {_TRIES} tries ({name}): run again later"
                    ) from None
            else:
                seconds = wait_seconds(reply.status_code, reply.content, reply.headers)
                if seconds is not None:
                    waited += seconds
                    if waited > MAX_WAIT_SECONDS:
                        raise RunError("Salesforce's rate limit does not lift within a minute: run again later")
                    time.sleep(seconds)
                    continue
                failures += 1
                if reply.status_code < 500 or failures >= _TRIES:
                    return reply
            time.sleep(_PAUSE_SECONDS * failures)

    def _authorized(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _unauthorized(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
