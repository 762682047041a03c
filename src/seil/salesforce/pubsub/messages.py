"""The messages of pubsub_api.proto, built from its compiled descriptor; `make proto` compiles it.

They live in a pool of their own: another client of this API in the same process brings its own.
Unlike generated modules, a descriptor is good for every version of the protobuf runtime.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FILE = "pubsub_api.proto"


def _messages() -> dict[str, Any]:
    compiled = resources.files(__package__).joinpath("pubsub_api.desc").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.Add(file)
    classes = message_factory.GetMessageClassesForFiles([_FILE], pool)
    return {name.rpartition(".")[2]: entry for name, entry in classes.items()}


_CLASSES = _messages()
TopicInfo = _CLASSES["TopicInfo"]
TopicRequest = _CLASSES["TopicRequest"]
EventHeader = _CLASSES["EventHeader"]
ProducerEvent = _CLASSES["ProducerEvent"]
ConsumerEvent = _CLASSES["ConsumerEvent"]
PublishResult = _CLASSES["PublishResult"]
Error = _CLASSES["Error"]
FetchRequest = _CLASSES["FetchRequest"]
FetchResponse = _CLASSES["FetchResponse"]
SchemaRequest = _CLASSES["SchemaRequest"]
SchemaInfo = _CLASSES["SchemaInfo"]
PublishRequest = _CLASSES["PublishRequest"]
PublishResponse = _CLASSES["PublishResponse"]
LATEST, EARLIEST, CUSTOM = 0, 1, 2
UNKNOWN, PUBLISH, COMMIT = 0, 1, 2
