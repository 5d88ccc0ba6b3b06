# SPDX-License-Identifier: GPL-2.0-or-later
"""One request over HTTP/2 and TLS, with everything that came back: for the checks before a measurement."""
import socket
import ssl

import h2.config
import h2.connection
import h2.events

import procs


class Answer:
    def __init__(self):
        self.fields, self.body, self.whole = {}, b"", False

    @property
    def status(self):
        return int(self.fields.get(":status", 0))


def connect(port, ca, source=None):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0) if source else None)
    tls = context.wrap_socket(plain, server_hostname="gw.bench.test")
    if tls.selected_alpn_protocol() != "h2":
        raise procs.Failed(f"ALPN gives {tls.selected_alpn_protocol()}, not h2")
    return tls


def ask(port, ca, path, fields=(), upload=0, source=None):
    """`fields` are lines "name: value". Raises Failed if there is no whole answer."""
    answer = Answer()
    try:
        with connect(port, ca, source) as tls:
            client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
            client.initiate_connection()
            head = [(":method", "POST" if upload else "GET"), (":scheme", "https"), (":authority", "gw.bench.test"), (":path", path)]
            head += [tuple(f.split(": ", 1)) for f in fields] + ([("content-length", str(upload))] if upload else [])
            client.send_headers(1, [(k.lower(), v) for k, v in head], end_stream=not upload)
            while not answer.whole:
                while upload and (room := min(upload, client.local_flow_control_window(1), client.max_outbound_frame_size)):
                    upload -= room
                    client.send_data(1, bytes(room), end_stream=not upload)
                tls.sendall(client.data_to_send())
                data = tls.recv(65536)
                if not data:
                    raise procs.Failed(f"{path}: the connection ended without an answer")
                take(client, client.receive_data(data), answer, path)
            client.close_connection()
            tls.sendall(client.data_to_send())
    except OSError as e:
        raise procs.Failed(f"{path}: {e}") from e
    return answer


def take(client, events, answer, path):
    for event in events:
        if isinstance(event, h2.events.ResponseReceived):
            answer.fields = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.whole = True
        elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            raise procs.Failed(f"{path}: {event}")
