#!/usr/bin/env python3
"""A gRPC backend: echo in every form, health, reflection."""

import asyncio
import base64

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

import common
import echo_service
from echo_service import Message

DESCRIPTION = """Serves coalmine.test.Echo, grpc.health.v1.Health and reflection.

Prints {"event": "listening", "address": "IP:PORT"} first, {"event": "begin", "method"} for each call that begins, and
when it has ended
  {"event": "call", "method", "end", "received", "sent", "remaining", "metadata", "peer"}
end: ok, failed (it was asked to) or cancelled (by the client, or by its deadline); received and sent count messages;
remaining: the seconds that its deadline left when it began, or null; metadata: lists by key, bytes in base64.

Standard input takes commands, a JSON object a line, and the server ends with it:
  {"health": "SERVICE", "status": "NOT_SERVING"}    answered by {"event": "health", ...}; "" is the whole server
  {"fail": CODE}                                    answered by {"event": "fail", ...}; each Unary ends with it then

Methods of Echo, all of Message (text, payload, size, count, pause_ms, code):
  Unary    the message back, after pause_ms, its payload replaced by `size` zeros when size is set. Metadata x-echo-*
           comes back as initial and, as x-trailing-*, as trailing metadata
  Collect  (client stream) count: how many messages, size: how many bytes of payload, text: all texts
  Expand   (server stream) `count` answers numbered in `count`, pause_ms before each, -1: no end; then status `code`
  Chat     (both) each message back as soon as it is there
  Fail     status `code` and message `text`, at once: trailers only
  Sleep    answers never"""


class Echo:
    failing = 0

    async def Unary(self, request, context):
        async with Call("Unary", context) as call:
            call.received = 1
            if self.failing:
                await call.fail(Message(code=self.failing))
            echoed = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-echo-")]
            await asyncio.sleep(request.pause_ms / 1000)
            await context.send_initial_metadata(tuple(echoed))
            trailing = ((key.replace("x-echo-", "x-trailing-"), value) for key, value in echoed)
            context.set_trailing_metadata(tuple(trailing))
            if request.size:
                request.payload = bytes(request.size)
            call.sent = 1
            return request

    async def Collect(self, requests, context):
        async with Call("Collect", context) as call:
            answer = Message()
            async for request in requests:
                call.received += 1
                answer.size += len(request.payload)
                answer.text += request.text
            answer.count = call.received
            call.sent = 1
            return answer

    async def Expand(self, request, context):
        async with Call("Expand", context) as call:
            call.received = 1
            while request.count < 0 or call.sent < request.count:
                await asyncio.sleep(request.pause_ms / 1000)
                yield Message(text=request.text, payload=bytes(request.size), count=call.sent + 1)
                call.sent += 1
            if request.code:
                await call.fail(request)

    async def Chat(self, requests, context):
        async with Call("Chat", context) as call:
            async for request in requests:
                call.received += 1
                yield request
                call.sent += 1

    async def Fail(self, request, context):
        async with Call("Fail", context) as call:
            call.received = 1
            await call.fail(request)

    async def Sleep(self, request, context):
        async with Call("Sleep", context) as call:
            call.received = 1
            await asyncio.Event().wait()


class Call:
    """Tells that a call began, and how it ended."""

    def __init__(self, method, context):
        self.method, self.context = method, context
        self.received = self.sent = 0
        self.end = "ok"
        # Asked here: the context of a cancelled call must not be asked anything, grpcio crashes then.
        self.facts = {"remaining": context.time_remaining(), "peer": context.peer(), "metadata": plain(context)}

    async def fail(self, request):
        self.end = "failed"
        statuses = {status.value[0]: status for status in grpc.StatusCode}
        await self.context.abort(statuses.get(request.code, grpc.StatusCode.UNKNOWN), request.text)

    async def __aenter__(self):
        common.tell(event="begin", method=self.method)
        return self

    async def __aexit__(self, kind, error, trace):
        if kind is not None and self.end == "ok":
            self.end = "cancelled" if kind in (asyncio.CancelledError, GeneratorExit) else f"broken: {error!r}"
        common.tell(event="call", method=self.method, end=self.end, received=self.received, sent=self.sent,
                    **self.facts)


def plain(context):
    metadata = {}
    for key, value in context.invocation_metadata():
        value = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        metadata.setdefault(key, []).append(value)
    return metadata


def credentials(arguments):
    files = [arguments.key, arguments.cert, arguments.client_ca]
    key, cert, client_ca = (open(file, "rb").read() if file else None for file in files)
    return grpc.ssl_server_credentials([(key, cert)], client_ca, require_client_auth=client_ca is not None)


async def main():
    parser = common.parser(DESCRIPTION, "target/tools/clients/bin/python tests/clients/grpc_server.py")
    common.listen_arguments(parser)
    parser.add_argument("--client-ca", help="PEM roots; with them a client needs a certificate")
    arguments = parser.parse_args()

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", echo_service.LIMIT),
                                      ("grpc.max_send_message_length", echo_service.LIMIT), ("grpc.so_reuseport", 0)])
    echo = Echo()
    server.add_generic_rpc_handlers((echo_service.handler(echo),))
    healths = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    reflection.enable_server_reflection([echo_service.NAME, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    at = common.address(arguments.host, 0)
    port = server.add_secure_port(at, credentials(arguments)) if arguments.cert else server.add_insecure_port(at)
    await server.start()
    serving = health_pb2.HealthCheckResponse.ServingStatus
    for service in ["", echo_service.NAME]:
        await healths.set(service, serving.Value("SERVING"))

    async def obey(command):
        if "fail" in command:
            echo.failing = command["fail"]
            common.tell(event="fail", code=command["fail"])
        else:
            await healths.set(command["health"], serving.Value(command["status"]))
            common.tell(event="health", **command)

    common.follow_commands(obey)
    common.tell(event="listening", address=common.address(arguments.host, port))
    await server.wait_for_termination()


asyncio.run(main())
