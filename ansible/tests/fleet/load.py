"""Constant load on the floating address, bounded in rate and in time, until the scenario is over."""

import ssl
import threading
import time
from collections import Counter

from client import Answer, Ask, Client

# Whatever a scenario does, its load ends after this.
LONGEST = 900.0


class Load:
    """`rate` questions a second over `clients` clients; every second client opens a connection for each question.

    By https with `tls`.
    """

    def __init__(
        self, address: str, asks: list[Ask], rate: float = 50.0, clients: int = 6, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answers: list[Answer] = []
        self._stop = threading.Event()
        self._pause = clients / rate
        self._threads = [
            threading.Thread(target=self._run, args=(client, asks, number), daemon=True)
            for number in range(clients)
            for client in [Client(address, keep=number % 2 == 0, tls=tls)]
        ]

    def __enter__(self) -> "Load":
        self._until = time.monotonic() + LONGEST
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, client: Client, asks: list[Ask], number: int) -> None:
        due = time.monotonic() + self._pause * number / len(self._threads)
        turn = number
        while not self._stop.wait(max(0.0, due - time.monotonic())) and time.monotonic() < self._until:
            self.answers.append(client.ask(asks[turn % len(asks)]))
            turn += 1
            # One that waited long does not hurry afterwards.
            due = max(due + self._pause, time.monotonic())
        client.close()

    def wrong(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.wrong]

    def since(self, moment: float) -> list[Answer]:
        """The answers whose questions began at `moment` (`time.time()`) or later."""
        return [answer for answer in list(self.answers) if answer.at >= moment]

    def summary(self) -> str:
        wrong = Counter(f"{answer.ask}: {answer.wrong}" for answer in self.wrong())
        return f"{len(self.answers)} asked, {sum(wrong.values())} wrong" + "".join(
            f"\n  {count} x {what}" for what, count in wrong.most_common(10)
        )
