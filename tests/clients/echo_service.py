"""The gRPC service `coalmine.test.Echo`, its one message built by hand: no generated code, and reflection works."""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NAME = "coalmine.test.Echo"
LIMIT = 64 << 20  # of a message, both ways

_Field = descriptor_pb2.FieldDescriptorProto
FIELDS = [
    ("text", _Field.TYPE_STRING),
    ("payload", _Field.TYPE_BYTES),
    ("size", _Field.TYPE_INT32),  # asks for a payload of so many bytes
    ("count", _Field.TYPE_INT32),  # asks for so many messages; or how many there were
    ("pause_ms", _Field.TYPE_INT32),  # before each message of an answer
    ("code", _Field.TYPE_INT32),  # asks for this status, with `text` as its message
]
# A method, and whether the client and whether the server sends a stream.
METHODS = {
    "Unary": (False, False),
    "Collect": (True, False),
    "Expand": (False, True),
    "Chat": (True, True),
    "Fail": (False, False),
    "Sleep": (False, False),
}


def _declare():
    file = descriptor_pb2.FileDescriptorProto(name="coalmine/test/echo.proto", package="coalmine.test", syntax="proto3")
    message = file.message_type.add(name="Message")
    for number, (name, kind) in enumerate(FIELDS, 1):
        message.field.add(name=name, number=number, type=kind, label=_Field.LABEL_OPTIONAL)
    service = file.service.add(name="Echo")
    for name, (client_streams, server_streams) in METHODS.items():
        service.method.add(name=name, input_type=".coalmine.test.Message", output_type=".coalmine.test.Message",
                           client_streaming=client_streams, server_streaming=server_streams)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("coalmine.test.Message"))


Message = _declare()


def handler(servicer):
    """The generic handler for an object with a method for each of METHODS."""
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    return grpc.method_handlers_generic_handler(NAME, {
        name: makers[kind](getattr(servicer, name), request_deserializer=Message.FromString,
                           response_serializer=Message.SerializeToString)
        for name, kind in METHODS.items()
    })


def callers(channel):
    """A caller for each of METHODS, by name."""
    makers = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    return {
        name: makers[kind](f"/{NAME}/{name}", request_serializer=Message.SerializeToString,
                           response_deserializer=Message.FromString)
        for name, kind in METHODS.items()
    }
