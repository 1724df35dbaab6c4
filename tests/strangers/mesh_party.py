"""The council's side of MESH, by mesh-client: sends what it is told, and prints what is in its mailbox."""

import json
import sys

from mesh_client import MeshClient

url, command, *rest = sys.argv[1:]
with MeshClient(
    url,
    "X26ABC1",
    "password",
    shared_key=b"TestKey",
    verify=False,
    max_chunk_size=int(rest[1]) if command == "send" else 1_000_000,
    transparent_compress=command == "send" and rest[2] == "gzip",
) as client:
    client.handshake()
    if command == "send":
        with open(rest[0], "rb") as file:
            data = file.read()
        print(
            client.send_message(
                "X26ABC2", data, workflow_id="TEST_WORKFLOW", filename=rest[3], local_id="ours-1"
            )
        )
    else:
        for message in client.iterate_all_messages():
            with message:
                found = {
                    "workflow": message.workflow_id,
                    "subject": message.subject,
                    "local_id": message.local_id,
                    "text": message.read().decode(),
                }
                print(json.dumps(found))
