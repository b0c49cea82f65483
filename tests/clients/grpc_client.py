#!/usr/bin/env python3
"""A gRPC client that runs named scenarios against the service of grpc_server.py, through whatever lies between."""

import asyncio
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import common
import echo_service
from common import expect
from echo_service import Message

DESCRIPTION = """Calls coalmine.test.Echo at TARGET, one scenario after the other, and prints a JSON line for each:
  {"scenario", "ok", ...what was seen, or "error"}
The exit code is 1 when one was not ok.

  unary              a message comes back
  concurrent         100 unary calls at once on one connection, each gets its own answer
  client-stream      50 messages are counted
  server-stream      50 messages come in order
  bidi               each message is answered before the next is sent: nothing holds them back
  deadline           a call that is never answered ends with DEADLINE_EXCEEDED
  cancel             a stream without end is cancelled after three messages
  trailers-only      a status without any message, its text in UTF-8
  late-status        a status after three messages: in real trailers
  large              8 MiB go each way
  metadata           ASCII, binary and repeated metadata, as initial and as trailing ones
  compressed         gzip both ways
  unimplemented      an unknown method
  health             the standard health service says SERVING"""
LARGE = 8 << 20


class Scenarios:
    def __init__(self, channel, deadline):
        self.channel, self.deadline = channel, deadline
        self.call = echo_service.callers(channel)

    async def unary(self):
        answer = await self.call["Unary"](Message(text="hello", payload=b"\0\xff"))
        expect((answer.text, answer.payload), ("hello", b"\0\xff"), "the answer")

    async def concurrent(self):
        texts = [str(number) for number in range(100)]
        answers = await asyncio.gather(*(self.call["Unary"](Message(text=text)) for text in texts))
        expect([answer.text for answer in answers], texts, "the answers")

    async def client_stream(self):
        answer = await self.call["Collect"](Message(payload=b"12345") for _ in range(50))
        expect((answer.count, answer.size), (50, 250), "what was collected")

    async def server_stream(self):
        answers = self.call["Expand"](Message(count=50, size=100))
        expect([answer.count async for answer in answers], list(range(1, 51)), "the stream")

    async def bidi(self):
        chat = self.call["Chat"]()
        for number in range(50):
            await chat.write(Message(count=number))
            answer = await chat.read()
            expect(answer.count, number, "the answer")
        await chat.done_writing()
        expect(await chat.read(), grpc.aio.EOF, "the end")
        expect(await chat.code(), grpc.StatusCode.OK, "the status")

    async def deadline_passes(self):
        await self._fails(self.call["Sleep"](Message(), timeout=self.deadline), grpc.StatusCode.DEADLINE_EXCEEDED)

    async def cancel(self):
        call = self.call["Expand"](Message(count=-1, pause_ms=10))
        for number in range(1, 4):
            expect((await call.read()).count, number, "the stream")
        call.cancel()
        expect(await call.code(), grpc.StatusCode.CANCELLED, "the status")

    async def trailers_only(self):
        call = self.call["Fail"](Message(code=7, text="keine Rechte für 100 %"))
        error = await self._fails(call, grpc.StatusCode.PERMISSION_DENIED)
        expect(error.details(), "keine Rechte für 100 %", "the message")

    async def late_status(self):
        call = self.call["Expand"](Message(count=3, code=10, text="aborted late"))
        for number in range(1, 4):
            expect((await call.read()).count, number, "the stream")
        error = await self._fails(call.read(), grpc.StatusCode.ABORTED)
        expect(error.details(), "aborted late", "the message")

    async def large(self):
        answer = await self.call["Unary"](Message(payload=b"x" * LARGE))
        expect(answer.payload == b"x" * LARGE, True, "the payload came back")

    async def metadata(self):
        sent = (("x-echo-word", "one"), ("x-echo-word", "two"), ("x-echo-bytes-bin", bytes(range(256))))
        call = self.call["Unary"](Message(), metadata=sent)
        await call
        initial, trailing = tuple(await call.initial_metadata()), tuple(await call.trailing_metadata())
        for key, value in sent:
            expect((key, value) in initial, True, f"initial {key}")
            expect((key.replace("x-echo", "x-trailing"), value) in trailing, True, f"trailing {key}")
        return {"initial": sorted({key for key, _ in initial}), "trailing": sorted({key for key, _ in trailing})}

    async def compressed(self):
        answer = await self.call["Unary"](Message(payload=bytes(100_000)), compression=grpc.Compression.Gzip)
        expect(answer.payload, bytes(100_000), "the answer")

    async def unimplemented(self):
        method = self.channel.unary_unary(f"/{echo_service.NAME}/Nothing")
        await self._fails(method(b""), grpc.StatusCode.UNIMPLEMENTED)

    async def health(self):
        answer = await health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest())
        expect(answer.status, health_pb2.HealthCheckResponse.SERVING, "the health")

    async def _fails(self, call, status):
        try:
            await call
        except grpc.aio.AioRpcError as error:
            expect(error.code(), status, f"the status ({error.details()})")
            return error
        raise AssertionError(f"no error instead of {status}")


SCENARIOS = {
    "unary": Scenarios.unary,
    "concurrent": Scenarios.concurrent,
    "client-stream": Scenarios.client_stream,
    "server-stream": Scenarios.server_stream,
    "bidi": Scenarios.bidi,
    "deadline": Scenarios.deadline_passes,
    "cancel": Scenarios.cancel,
    "trailers-only": Scenarios.trailers_only,
    "late-status": Scenarios.late_status,
    "large": Scenarios.large,
    "metadata": Scenarios.metadata,
    "compressed": Scenarios.compressed,
    "unimplemented": Scenarios.unimplemented,
    "health": Scenarios.health,
}


def channel(arguments):
    options = [("grpc.max_receive_message_length", echo_service.LIMIT),
               ("grpc.max_send_message_length", echo_service.LIMIT), ("grpc.enable_retries", 0)]
    if arguments.authority:
        options.append(("grpc.default_authority", arguments.authority))
    if not arguments.ca:
        return grpc.aio.insecure_channel(arguments.target, options=options)
    if arguments.server_name:
        options.append(("grpc.ssl_target_name_override", arguments.server_name))
    files = [arguments.ca, arguments.key, arguments.cert]
    ca, key, cert = (open(file, "rb").read() if file else None for file in files)
    return grpc.aio.secure_channel(arguments.target, grpc.ssl_channel_credentials(ca, key, cert), options=options)


async def main():
    parser = common.parser(DESCRIPTION, "target/tools/clients/bin/python tests/clients/grpc_client.py "
                                        "127.0.0.1:5005 bidi")
    parser.add_argument("target", help="IP:PORT")
    common.scenario_arguments(parser, SCENARIOS)
    parser.add_argument("--ca", help="PEM roots; with them it speaks TLS")
    parser.add_argument("--server-name", help="the name in the server's certificate, where it is not the target's")
    parser.add_argument("--cert", help="PEM chain of the client's certificate")
    parser.add_argument("--key", help="PEM key of --cert")
    parser.add_argument("--authority", help="the :authority, where it is not the target")
    parser.add_argument("--deadline", type=float, default=0.5, help="seconds, of the scenario deadline (0.5)")
    arguments = parser.parse_args()
    names = common.chosen(parser, arguments, SCENARIOS)
    async with channel(arguments) as open_channel:
        scenarios = Scenarios(open_channel, arguments.deadline)
        return await common.run_scenarios(SCENARIOS, scenarios, names, arguments.limit)


sys.exit(asyncio.run(main()))
