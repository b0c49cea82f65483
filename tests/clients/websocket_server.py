#!/usr/bin/env python3
"""A WebSocket backend: echo, and ends of every kind."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import common

DESCRIPTION = """Serves WebSocket connections (RFC 6455) and echoes their messages.

Prints {"event": "listening", "address": "IP:PORT"} first, then for each connection
  {"event": "open", "path", "headers"}
  {"event": "closed", "path", "received", "code", "reason", "clean"}
headers: of the request, names in lower case. code and reason are those of the client's close frame, code 1006 when
there was none; clean: both sides sent one. The server ends with its standard input.

Paths:
  /...             echo, with the subprotocol `echo` for clients that offer it
  /close/CODE      closes with CODE after the first message, which is the reason
  /drop            drops the connection after the first message, without a close frame
  /talk            sends a message each 20 ms, without end
  /refuse/STATUS   answers the handshake with this status"""
LIMIT = 64 << 20


async def serve_one(connection):
    request = connection.request
    headers = {}
    for name, value in request.headers.raw_items():
        headers.setdefault(name.lower(), []).append(value)
    common.tell(event="open", path=request.path, headers=headers)
    count = [0]
    try:
        await converse(connection, request.path, count)
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    close = connection.protocol.close_rcvd
    common.tell(event="closed", path=request.path, received=count[0], code=close.code if close else 1006,
                reason=close.reason if close else "", clean=bool(close and connection.protocol.close_sent))


async def converse(connection, path, count):
    if path == "/talk":
        while True:
            await connection.send("tick")
            await asyncio.sleep(0.02)
    async for message in connection:
        count[0] += 1
        if path.startswith("/close/"):
            await connection.close(int(path.removeprefix("/close/")), message)
        elif path == "/drop":
            connection.transport.abort()
        else:
            await connection.send(message)


def refuse(connection, request):
    if request.path.startswith("/refuse/"):
        return connection.respond(int(request.path.removeprefix("/refuse/")), "refused\n")
    return None


async def main():
    parser = common.parser(DESCRIPTION, "target/tools/clients/bin/python tests/clients/websocket_server.py")
    common.listen_arguments(parser)
    arguments = parser.parse_args()
    # No pings of its own: what is idle stays so.
    server = await serve(serve_one, arguments.host, 0, ssl=common.server_tls(arguments), process_request=refuse,
                         max_size=LIMIT, ping_interval=None, subprotocols=["echo"], select_subprotocol=choose)
    common.follow_commands(nothing)
    host, port = server.sockets[0].getsockname()[:2]
    common.tell(event="listening", address=common.address(host, port))
    await server.serve_forever()


def choose(connection, offered):
    return "echo" if "echo" in offered else None


async def nothing(command):
    raise ValueError(f"no command: {command}")


asyncio.run(main())
