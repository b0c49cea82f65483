"""One client of the fleet: it asks, and holds each answer against what the question wants."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Answer:
    """What the client saw. `wrong` says what was wrong with it; empty: nothing."""

    ask: str
    at: float
    seconds: float = 0.0
    status: int = 0
    version: str = ""
    host: str = ""
    body: bytes = b""
    cookies: str = ""
    location: str = ""
    wrong: str = ""
    # When the connection that carried it was opened.
    opened: float = 0.0


@dataclass(frozen=True)
class Ask:
    """A question. `check` returns what is wrong with an answer, or nothing."""

    name: str
    host: str
    path: str
    method: str = "GET"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({200})
    check: Callable[[Answer], str] | None = None


class Client:
    """A connection at a time, kept between questions if `keep`. It never asks twice: what fails has failed.

    With `tls` it asks by https, for the host of the question that a connection is opened for.
    """

    def __init__(self, address: str, timeout: float = 15.0, keep: bool = True, tls: ssl.SSLContext | None = None) -> None:
        self.address, self.timeout, self.keep, self.tls = address, timeout, keep, tls
        self._connection: http.client.HTTPConnection | None = None
        self._opened = 0.0

    def ask(self, ask: Ask, **headers: str) -> Answer:
        answer = Answer(ask.name, time.time())
        clock = time.monotonic()
        try:
            connection = self._connect(ask.host)
            connection.request(ask.method, ask.path, ask.body, {"Host": ask.host, **ask.headers, **headers})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            wrong = f"{type(error).__name__}: {error}"
            return replace(answer, seconds=time.monotonic() - clock, opened=self._opened, wrong=wrong)
        if not self.keep or response.will_close:
            self.close()
        answer = replace(
            answer,
            seconds=time.monotonic() - clock,
            status=response.status,
            version=response.getheader("X-App-Version", ""),
            host=response.getheader("X-App-Host", ""),
            location=response.getheader("Location", ""),
            cookies="; ".join(value.split(";")[0] for value in response.headers.get_all("Set-Cookie") or []),
            body=body,
            opened=self._opened,
        )
        return replace(answer, wrong=_wrong(ask, answer))

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connect(self, host: str) -> http.client.HTTPConnection:
        if self._connection is None:
            self._opened = time.time()
            connection = http.client.HTTPConnection(self.address, 443 if self.tls else 80, timeout=self.timeout)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection.sock = self.tls.wrap_socket(connection.sock, server_hostname=host)
            self._connection = connection
        return self._connection


def _wrong(ask: Ask, answer: Answer) -> str:
    if answer.status not in ask.statuses:
        return f"status {answer.status}: {answer.body[:80]!r}"
    return ask.check(answer) if ask.check else ""
