"""One client of the fleet: it asks, and holds each answer against what the question wants."""

import http.client
import socket
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
    """A connection at a time, kept between questions if `keep`. It never asks twice: what fails has failed."""

    def __init__(self, address: str, port: int = 80, timeout: float = 15.0, keep: bool = True) -> None:
        self.address, self.port, self.timeout, self.keep = address, port, timeout, keep
        self._connection: http.client.HTTPConnection | None = None
        self._opened = 0.0

    def ask(self, ask: Ask, **headers: str) -> Answer:
        answer = Answer(ask.name, time.time())
        clock = time.monotonic()
        try:
            connection = self._connect()
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

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._opened = time.time()
            self._connection = http.client.HTTPConnection(self.address, self.port, timeout=self.timeout)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection


def _wrong(ask: Ask, answer: Answer) -> str:
    if answer.status not in ask.statuses:
        return f"status {answer.status}: {answer.body[:80]!r}"
    return ask.check(answer) if ask.check else ""
