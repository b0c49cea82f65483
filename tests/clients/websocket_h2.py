#!/usr/bin/env python3
"""A client that speaks WebSocket over HTTP/2 (RFC 8441), frame by frame."""

import asyncio
import os
import ssl
import struct
import sys
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.settings

import common
from common import expect

DESCRIPTION = """Opens WebSocket connections to the echo server websocket_server.py at URL, each a stream of one HTTP/2
connection of its own, one scenario after the other, and prints a JSON line for each:
  {"scenario", "ok", ...what was seen, or "error"}
The exit code is 1 when one was not ok.

  setting        the server allows the extended CONNECT
  text           a text comes back
  large          1 MiB in one frame, larger than any window
  many           1000 small messages in order
  two            two tunnels and a GET at once on one connection
  close          the client closes with 4001: the close frame comes back, and the end of the stream
  server-close   the server closes with 4002
  half-close     the client ends its stream after a message, and still gets the echo and the end
  reset          the client resets the stream
  drop           the server drops the connection: the stream is reset, or ends without a close frame
  refused        the server refuses the handshake with 403, which is seen
  no-upgrade     the server answers the handshake with 200, which is no tunnel: 502
  other          another protocol than websocket: 501
  plain          CONNECT without a protocol: 405
  hold           opens, echoes, prints {"event": "held"} and waits for the end, then tells it (only when it is named)"""
LARGE = 1 << 20


class Stream:
    """What came on one stream."""

    def __init__(self):
        self.headers = None
        self.data = b""
        self.ended = False
        self.reset = None


class Connection:
    def __init__(self, url, arguments):
        self.url, self.arguments = urlsplit(url), arguments
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.streams = {}
        self.changed = asyncio.Condition()
        self.greeted = self.lost = False

    async def __aenter__(self):
        tls = None
        if self.url.scheme == "wss":
            tls = ssl.create_default_context(cafile=self.arguments.ca)
            tls.set_alpn_protocols(["h2"])
        name = (self.arguments.server_name or self.url.hostname) if tls else None
        self.reader, self.writer = await asyncio.open_connection(self.url.hostname, self.url.port, ssl=tls,
                                                                 server_hostname=name)
        self.h2.initiate_connection()
        self.writer.write(self.h2.data_to_send())
        self.task = asyncio.create_task(self._receive())
        await self.wait(lambda: self.greeted or self.lost)
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        self.writer.transport.abort()

    async def _receive(self):
        try:
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._note(event)
                self.writer.write(self.h2.data_to_send())
                await self._tell()
        except ConnectionError:
            pass
        self.lost = True
        await self._tell()

    async def _tell(self):
        async with self.changed:
            self.changed.notify_all()

    def _note(self, event):
        self.greeted = self.greeted or isinstance(event, h2.events.RemoteSettingsChanged)
        stream = self.streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)

    async def wait(self, condition):
        async with self.changed:
            await self.changed.wait_for(condition)

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def request(self, fields):
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        host = self.url.netloc
        pseudo = {":method": "GET", ":scheme": "http" if self.url.scheme == "ws" else "https", ":authority": host,
                  ":path": "/"} | fields
        ending = fields.get(":method") != "CONNECT"
        self.h2.send_headers(number, [(k, v) for k, v in pseudo.items() if v is not None], end_stream=ending)
        self.flush()
        return number

    def connect(self, path="/", protocol="websocket"):
        return self.request({":method": "CONNECT", ":protocol": protocol, ":path": path,
                             "sec-websocket-version": "13", "sec-websocket-protocol": "echo"})

    async def answer(self, number):
        stream = self.streams[number]
        await self.wait(lambda: stream.headers or stream.reset is not None or self.lost)
        if not stream.headers:
            raise AssertionError(f"no answer: reset {stream.reset}, lost {self.lost}")
        return int(stream.headers[":status"])

    async def open(self, path="/"):
        number = self.connect(path)
        expect(await self.answer(number), 200, "the status")
        return number

    async def send(self, number, payload, opcode=1):
        await self.send_raw(number, frame(payload, opcode))

    async def send_raw(self, number, data):
        while data:
            room = lambda: min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            await self.wait(lambda: room() > 0 or self.lost)
            part, data = data[:room()], data[room():]
            self.h2.send_data(number, part)
            self.flush()

    async def receive(self, number):
        """The next frame: opcode and payload; None at the end of the stream."""
        stream = self.streams[number]
        while True:
            parsed = parse(stream.data)
            if parsed:
                opcode, payload, stream.data = parsed
                return opcode, payload
            if stream.ended or stream.reset is not None or self.lost:
                return None
            await self.wait(lambda seen=len(stream.data): len(stream.data) > seen or stream.ended
                            or stream.reset is not None or self.lost)

    async def end(self, number):
        stream = self.streams[number]
        await self.wait(lambda: stream.ended or stream.reset is not None or self.lost)
        return {"ended": stream.ended, "reset": stream.reset, "lost": self.lost}


def frame(payload, opcode):
    """RFC 6455, 5.2: a whole message, masked."""
    length, mask = len(payload), os.urandom(4)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0xfe, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xff, length)
    masked = (int.from_bytes(payload, "big")
              ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")).to_bytes(length, "big")
    return head + mask + masked


def parse(data):
    if len(data) < 2:
        return None
    length, at = data[1] & 0x7f, 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) < 2 + size:
            return None
        length, at = int.from_bytes(data[2:2 + size], "big"), 2 + size
    if len(data) < at + length:
        return None
    return data[0] & 0xf, data[at:at + length], data[at + length:]


class Scenarios:
    def __init__(self, arguments):
        self.arguments = arguments

    def connection(self):
        return Connection(self.arguments.url, self.arguments)

    async def setting(self):
        async with self.connection() as connection:
            code = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
            expect(connection.h2.remote_settings.get(code), 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL")

    async def echo(self, message):
        async with self.connection() as connection:
            tunnel = await connection.open()
            fields = connection.streams[tunnel].headers
            expect(fields.get("sec-websocket-protocol"), "echo", "the subprotocol")
            for name in ["sec-websocket-accept", "upgrade", "connection", "content-length"]:
                expect(fields.get(name), None, name)
            await connection.send(tunnel, message)
            expect(await connection.receive(tunnel), (1, message), "the echo")

    async def text(self):
        await self.echo("grüß dich".encode())

    async def large(self):
        await self.echo(b"x" * LARGE)

    async def many(self):
        async with self.connection() as connection:
            tunnel = await connection.open()

            async def send():
                for number in range(1000):
                    await connection.send(tunnel, str(number).encode())
            sender = asyncio.create_task(send())
            for number in range(1000):
                expect(await connection.receive(tunnel), (1, str(number).encode()), "the echo")
            await sender

    async def two(self):
        async with self.connection() as connection:
            tunnels = [await connection.open(), await connection.open()]
            get = connection.request({":path": "/refuse/200"})
            for tunnel in tunnels:
                await connection.send(tunnel, str(tunnel).encode())
            for tunnel in tunnels:
                expect(await connection.receive(tunnel), (1, str(tunnel).encode()), "the echo")
            expect(await connection.answer(get), 200, "the status of the GET")

    async def close(self):
        async with self.connection() as connection:
            tunnel = await connection.open()
            payload = struct.pack("!H", 4001) + b"enough"
            await connection.send(tunnel, payload, 8)
            expect(await connection.receive(tunnel), (8, payload), "the close frame")
            expect((await connection.end(tunnel))["ended"], True, "the end of the stream")

    async def server_close(self):
        async with self.connection() as connection:
            tunnel = await connection.open("/close/4002")
            await connection.send(tunnel, b"going")
            payload = struct.pack("!H", 4002) + b"going"
            expect(await connection.receive(tunnel), (8, payload), "the close frame")
            await connection.send(tunnel, payload, 8)
            expect((await connection.end(tunnel))["ended"], True, "the end of the stream")

    async def half_close(self):
        async with self.connection() as connection:
            tunnel = await connection.open()
            await connection.send(tunnel, b"last")
            expect(await connection.receive(tunnel), (1, b"last"), "the echo")
            connection.h2.end_stream(tunnel)
            connection.flush()
            expect((await connection.end(tunnel))["ended"], True, "the end of the stream")

    async def reset(self):
        async with self.connection() as connection:
            tunnel = await connection.open()
            await connection.send(tunnel, b"one")
            expect(await connection.receive(tunnel), (1, b"one"), "the echo")
            connection.h2.reset_stream(tunnel, 8)
            connection.flush()
            # The connection goes on, and what was sent before has arrived when the answer is here.
            get = connection.request({":path": "/refuse/200"})
            expect(await connection.answer(get), 200, "the status of the GET")

    async def drop(self):
        async with self.connection() as connection:
            tunnel = await connection.open("/drop")
            await connection.send(tunnel, b"go")
            expect(await connection.receive(tunnel), None, "a frame")
            return await connection.end(tunnel)

    async def _refused(self, path, protocol, wanted):
        async with self.connection() as connection:
            tunnel = connection.connect(path, protocol)
            expect(await connection.answer(tunnel), wanted, "the status")

    async def refused(self):
        await self._refused("/refuse/403", "websocket", 403)

    async def no_upgrade(self):
        await self._refused("/refuse/200", "websocket", 502)

    async def other(self):
        await self._refused("/", "connect-udp", 501)

    async def plain(self):
        async with self.connection() as connection:
            tunnel = connection.request({":method": "CONNECT", ":scheme": None, ":path": None})
            expect(await connection.answer(tunnel), 405, "the status")

    async def hold(self):
        async with self.connection() as connection:
            tunnel = await connection.open()
            await connection.send(tunnel, b"here")
            expect(await connection.receive(tunnel), (1, b"here"), "the echo")
            common.tell(event="held")
            return await connection.end(tunnel)


SCENARIOS = {
    "setting": Scenarios.setting,
    "text": Scenarios.text,
    "large": Scenarios.large,
    "many": Scenarios.many,
    "two": Scenarios.two,
    "close": Scenarios.close,
    "server-close": Scenarios.server_close,
    "half-close": Scenarios.half_close,
    "reset": Scenarios.reset,
    "drop": Scenarios.drop,
    "refused": Scenarios.refused,
    "no-upgrade": Scenarios.no_upgrade,
    "other": Scenarios.other,
    "plain": Scenarios.plain,
}
# Those that are run only when they are named.
ON_REQUEST = {"hold": Scenarios.hold}


async def main():
    parser = common.parser(DESCRIPTION, "target/tools/clients/bin/python tests/clients/websocket_h2.py "
                                        "ws://127.0.0.1:5006 text many")
    parser.add_argument("url", help="ws://IP:PORT (prior knowledge) or wss://IP:PORT, without a path")
    common.scenario_arguments(parser, SCENARIOS | ON_REQUEST)
    parser.add_argument("--ca", help="PEM roots, for wss")
    parser.add_argument("--server-name", help="the name in the server's certificate, where it is not the URL's")
    arguments = parser.parse_args()
    names = common.chosen(parser, arguments, SCENARIOS | ON_REQUEST) if arguments.scenarios else list(SCENARIOS)
    return await common.run_scenarios(SCENARIOS | ON_REQUEST, Scenarios(arguments), names, arguments.limit)


sys.exit(asyncio.run(main()))
