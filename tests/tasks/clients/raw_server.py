"""A server of raw sockets on the loopback, to answer, break and hang exactly where a test wants."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = b""

    def read_head(self) -> dict[str, str]:
        """Read up to the end of a request's head. Returns its headers, and its first line under ''."""
        while b"\r\n\r\n" not in self._received:
            if not (more := self.connection.recv(65_536)):
                raise ConnectionError("the client closed")
            self._received += more
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return {"": first} | {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def read_request(self) -> tuple[dict[str, str], bytes]:
        """Read a whole request. Returns its headers and its body."""
        head = self.read_head()
        length = int(head.get("content-length", 0))
        while len(self._received) < length:
            self._received += self.connection.recv(65_536)
        body, self._received = self._received[:length], self._received[length:]
        return head, body

    def answer(self, status: str, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def reset(self) -> None:
        """Break the connection, so that the client sees it break and not end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class RawServer:
    """Plays one act a connection, in order, the last one for all that follow. Keeps what requests it read."""

    def __init__(self, *acts: Callable[[Peer], object]) -> None:
        self._acts = acts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._peers: list[Peer] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            peer.connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                act = self._acts[min(self.connections, len(self._acts) - 1)]
                self.connections += 1
                self._peers.append(Peer(connection))
                threading.Thread(target=self._play, args=(act, self._peers[-1]), daemon=True).start()

    def _play(self, act: Callable[[Peer], object], peer: Peer) -> None:
        with contextlib.suppress(OSError):
            act(peer)
