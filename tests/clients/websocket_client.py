#!/usr/bin/env python3
"""A WebSocket client that runs named scenarios against websocket_server.py, through whatever lies between."""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import common
from common import expect

DESCRIPTION = """Opens WebSocket connections to the echo server at URL, one scenario after the other, and prints a JSON
line for each:
  {"scenario", "ok", ...what was seen, or "error"}
The exit code is 1 when one was not ok.

  text           a text comes back
  binary         so do all 256 bytes
  large          1 MiB in one frame
  fragmented     a message of 10 fragments
  many           1000 messages in order
  ping           an empty and a long ping are answered
  both-ways      the server talks without being asked
  close          the client closes with 4001: clean
  server-close   the server closes with 4002 and a reason: the client sees both
  drop           the server drops the connection: 1006
  refused        the server refuses the handshake with 403, which is seen
  subprotocol    `echo` is agreed on
  idle           nothing for --idle seconds, then an echo; `closed` tells the code when the connection was closed by
                 then, which is ok
  hold           opens, echoes, prints {"event": "held"} and waits for the end, then tells its code"""
LARGE = 1 << 20


class Scenarios:
    def __init__(self, arguments):
        self.arguments = arguments
        self.url = arguments.url.rstrip("/")
        self.tls = None
        if self.url.startswith("wss:"):
            self.tls = ssl.create_default_context(cafile=arguments.ca)
            # A client that can do HTTP/2 elsewhere still asks for HTTP/1.1 here.
            self.tls.set_alpn_protocols(["http/1.1"])

    def open(self, path="/", **options):
        if self.tls:
            options.update(ssl=self.tls, server_hostname=self.arguments.server_name)
        headers = [header.split(": ", 1) for header in self.arguments.header]
        # How long anything may take is the scenario's limit alone.
        return connect(self.url + path, proxy=None, ping_interval=None, open_timeout=None, close_timeout=None,
                       max_size=None, additional_headers=headers, **options)

    async def echo(self, message, sent=None, **options):
        async with self.open(**options) as connection:
            await connection.send(message if sent is None else sent)
            expect(await connection.recv(), message, "the echo")

    async def text(self):
        await self.echo("grüß dich")

    async def binary(self):
        await self.echo(bytes(range(256)))

    async def large(self):
        await self.echo(b"x" * LARGE, compression=None)

    async def fragmented(self):
        parts = [str(number) * 1000 for number in range(10)]
        await self.echo("".join(parts), parts)

    async def many(self):
        async with self.open() as connection:
            async def send():
                for number in range(1000):
                    await connection.send(str(number))
            sender = asyncio.create_task(send())
            for number in range(1000):
                expect(await connection.recv(), str(number), "the echo")
            await sender

    async def ping(self):
        async with self.open() as connection:
            for payload in [b"", b"p" * 125]:
                await (await connection.ping(payload))

    async def both_ways(self):
        async with self.open("/talk") as connection:
            for _ in range(5):
                expect(await connection.recv(), "tick", "what it says")

    async def close(self):
        async with self.open() as connection:
            await connection.close(4001, "enough")
            expect(connection.protocol.close_rcvd is not None, True, "the server's close frame came")

    async def server_close(self):
        expect(await self._end("/close/4002", "going"), (4002, "going"), "the close frame")

    async def drop(self):
        expect(await self._end("/drop", "go"), (1006, ""), "the end")

    async def refused(self):
        try:
            async with self.open("/refuse/403"):
                raise AssertionError("the handshake was accepted")
        except InvalidStatus as error:
            expect(error.response.status_code, 403, "the status")

    async def subprotocol(self):
        async with self.open(subprotocols=["other", "echo"]) as connection:
            expect(connection.subprotocol, "echo", "the subprotocol")

    async def idle(self):
        async with self.open() as connection:
            try:
                await asyncio.wait_for(connection.recv(), self.arguments.idle)
                raise AssertionError("a message that nobody sent")
            except TimeoutError:
                await connection.send("still there")
                expect(await connection.recv(), "still there", "the echo")
                return {"closed": None}
            except ConnectionClosed:
                return {"closed": connection.close_code}

    async def hold(self):
        async with self.open() as connection:
            await connection.send("here")
            expect(await connection.recv(), "here", "the echo")
            common.tell(event="held")
            await connection.wait_closed()
            return {"closed": connection.close_code, "reason": connection.close_reason}

    async def _end(self, path, message):
        async with self.open(path) as connection:
            await connection.send(message)
            await connection.wait_closed()
            return connection.close_code, connection.close_reason


SCENARIOS = {
    "text": Scenarios.text,
    "binary": Scenarios.binary,
    "large": Scenarios.large,
    "fragmented": Scenarios.fragmented,
    "many": Scenarios.many,
    "ping": Scenarios.ping,
    "both-ways": Scenarios.both_ways,
    "close": Scenarios.close,
    "server-close": Scenarios.server_close,
    "drop": Scenarios.drop,
    "refused": Scenarios.refused,
    "subprotocol": Scenarios.subprotocol,
    "idle": Scenarios.idle,
}
# Those that are run only when they are named.
ON_REQUEST = {"hold": Scenarios.hold}


async def main():
    parser = common.parser(DESCRIPTION, "target/tools/clients/bin/python tests/clients/websocket_client.py "
                                        "ws://127.0.0.1:5006 text ping")
    parser.add_argument("url", help="ws://IP:PORT or wss://IP:PORT, without a path")
    common.scenario_arguments(parser, SCENARIOS | ON_REQUEST)
    parser.add_argument("--ca", help="PEM roots, for wss")
    parser.add_argument("--server-name", help="the name in the server's certificate, where it is not the URL's")
    parser.add_argument("--header", action="append", default=[], help="'NAME: VALUE' for the handshake; repeatable")
    parser.add_argument("--idle", type=float, default=0.5, help="seconds, of the scenario idle (0.5)")
    arguments = parser.parse_args()
    names = common.chosen(parser, arguments, SCENARIOS | ON_REQUEST) if arguments.scenarios else list(SCENARIOS)
    return await common.run_scenarios(SCENARIOS | ON_REQUEST, Scenarios(arguments), names, arguments.limit)


sys.exit(asyncio.run(main()))
