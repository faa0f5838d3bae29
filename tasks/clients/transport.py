"""HTTP over kept-alive connections, for requests that must not be made twice.

It tells apart a request that cannot have been taken, since no byte of its body left, from one that may have been.
Nothing is retried but the former, and only once, where a kept connection turned out to be closed. Redirects are not
followed: a mail goes to the host that is set, or nowhere.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from settings import LOOPBACK_HOSTS

MAX_IDLE_SECONDS = 20.0
"""Older connections are not used again: what stands between may have forgotten them without a word."""
MAX_IDLE = 16
_FIRST_BYTES = 8_192  # less than a TLS record, so that what fails in it was not readable to the other side


class NotSentError(Exception):
    """No byte of the body left: the request cannot have been taken."""


class MaybeSentError(Exception):
    """Some of the body left and no whole answer came back: the request may have been taken."""


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end. Its methods are what SendGrid's library asks of one."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def getcode(self) -> int:
        """The status."""
        return self.status

    def info(self) -> http.client.HTTPMessage:
        """The headers."""
        return self.headers

    def read(self) -> bytes:
        """The body."""
        return self.body


class Transport:
    """Connections to one host, each used by one thread at a time and then by any.

    Args:
        base_url: Scheme, host and port, such as ``https://api.sendgrid.com``.
        timeout_seconds: On connecting, on sending, and on every wait for bytes of the answer.
    """

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._timeout_seconds = timeout_seconds
        self._context = ssl.create_default_context() if self._is_tls else None
        self._idle: deque[tuple[float, http.client.HTTPConnection]] = deque()

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Make one request.

        Raises:
            NotSentError: It cannot have been taken.
            MaybeSentError: It may have been.
        """
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, method, path, headers, body)
            except NotSentError:
                pass  # closed by the other side while it was idle; a new one tells more
        return self._exchange(self._connect(), method, path, headers, body)

    def _take(self) -> http.client.HTTPConnection | None:
        """A kept connection that still stands."""
        while True:
            try:
                since, connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < MAX_IDLE_SECONDS and self._is_open(connection):
                return connection
            connection.close()

    def _is_open(self, connection: http.client.HTTPConnection) -> bool:
        """Whether nothing waits to be read: neither an end nor bytes nobody asked for."""
        try:
            connection.sock.settimeout(0)
            connection.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            connection.sock.settimeout(self._timeout_seconds)
            return True
        except OSError:
            return False
        return False

    def _connect(self) -> http.client.HTTPConnection:
        try:
            connection = self._new_connection()
            connection.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSentError(_reason(error)) from error
        return connection

    def _new_connection(self) -> http.client.HTTPConnection:
        def to(host: str, port: int) -> http.client.HTTPConnection:
            if self._is_tls:
                return http.client.HTTPSConnection(host, port, timeout=self._timeout_seconds, context=self._context)
            return http.client.HTTPConnection(host, port, timeout=self._timeout_seconds)

        proxy = None
        # a proxy's loopback is another machine's
        if self._host not in LOOPBACK_HOSTS and not proxy_bypass(self._host):
            proxy = getproxies().get("https" if self._is_tls else "http")
        if proxy is None:
            return to(self._host, self._port)
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("the proxy in the environment must be an http:// URL")
        connection = to(parts.hostname, parts.port or 80)
        allowed = {}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            allowed["Proxy-Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        connection.set_tunnel(self._host, self._port, headers=allowed)
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        is_kept = False
        try:
            rest = self._send_beginning(connection, method, path, headers, body)
            is_whole = True
            try:
                connection.sock.sendall(rest)
            except OSError:
                is_whole = False  # who refuses a body for its size may answer and close before it has come
            try:
                answer = connection.getresponse()
                reply = Reply(answer.status, answer.headers, answer.read())
            except (OSError, http.client.HTTPException) as error:
                raise MaybeSentError(_reason(error)) from error
            if not is_whole and not 400 <= reply.status < 500:
                raise MaybeSentError(f"answered {reply.status} before the whole request had left")
            is_kept = is_whole and not answer.will_close
            return reply
        finally:
            if is_kept and len(self._idle) < MAX_IDLE:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.close()

    def _send_beginning(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> memoryview:
        """Send the head and the first bytes of the body. Returns the rest of it."""
        view = memoryview(body or b"")
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            return view[connection.sock.send(view[:_FIRST_BYTES]) :] if view else view
        except ValueError:
            # the error shows the header's value, which may be the key
            raise NotSentError("a header holds what no header may; check the API key") from None
        except (OSError, http.client.HTTPException) as error:
            raise NotSentError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """What went wrong, without anything of the request."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "connection broken"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) if isinstance(error, ValueError) else type(error).__name__
