"""Asks a gRPC server for one answer, as `grpcurl -plaintext -d REQUEST HOST:PORT SERVICE/METHOD`
does: it knows none of the messages, and learns them from the server's reflection.

python call_grpc.py HOST:PORT SERVICE/METHOD [REQUEST]

The request is JSON; so is the answer, which it prints.
"""

import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

PATIENCE = 60
"""Seconds."""


def main(target: str, path: str, request: str = "{}") -> None:
    service, method = path.split("/")
    with grpc.insecure_channel(target) as channel:
        learnt = ProtoReflectionDescriptorDatabase(channel)
        if service not in learnt.get_services():
            sys.exit(f"the server does not speak of `{service}`")
        pool = DescriptorPool(learnt)
        described = pool.FindServiceByName(service).FindMethodByName(method)
        call = channel.unary_unary(
            f"/{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        message = ParseDict(
            json.loads(request), GetMessageClass(described.input_type)(), descriptor_pool=pool
        )
        print(MessageToJson(call(message, timeout=PATIENCE), descriptor_pool=pool))


if __name__ == "__main__":
    main(*sys.argv[1:])
