"""https://pypi.org/project/sfprotostash/ 0.1.3: the generated stubs alone, here in plaintext."""

from __future__ import annotations

import io
import json
import urllib.parse
import urllib.request
from typing import Any

import avro.io
import avro.schema
import grpc
import pubsub_scenario
from sfprotostash import pubsub_api_pb2 as pb2
from sfprotostash import pubsub_api_pb2_grpc as pb2_grpc

LOGIN = {
    "grant_type": "client_credentials",
    "client_id": "seil-sandbox",
    "client_secret": "sandbox-secret",
}


def main() -> None:
    metadata = log_in()
    with grpc.insecure_channel(pubsub_scenario.PLAINTEXT) as channel:
        stub = pb2_grpc.PubSubStub(channel)
        request = pb2.FetchRequest(
            topic_name=pubsub_scenario.TOPIC, replay_preset=pb2.EARLIEST, num_requested=1
        )
        (response,) = list(stub.Subscribe(iter([request]), metadata=metadata))[:1]
        (received,) = response.events
        schema_request = pb2.SchemaRequest(schema_id=received.event.schema_id)
        schema = stub.GetSchema(schema_request, metadata=metadata)
    reader = avro.io.DatumReader(avro.schema.parse(schema.schema_json))
    event: Any = reader.read(avro.io.BinaryDecoder(io.BytesIO(received.event.payload)))
    pubsub_scenario.tell(schema.schema_id, [event], replay=len(received.replay_id))


def log_in() -> tuple[tuple[str, str], ...]:
    url = pubsub_scenario.URL
    body = urllib.parse.urlencode(LOGIN).encode()
    with urllib.request.urlopen(f"{url}/services/oauth2/token", body) as answer:
        token = json.load(answer)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    request = urllib.request.Request(f"{url}/services/oauth2/userinfo", headers=headers)
    with urllib.request.urlopen(request) as answer:
        user = json.load(answer)
    return (
        ("accesstoken", token["access_token"]),
        ("instanceurl", token["instance_url"]),
        ("tenantid", user["organization_id"]),
    )


main()
