# SPDX-License-Identifier: GPL-2.0-or-later
"""A gRPC origin of python3-grpcio, as a program of its own: it can be killed, and its threads are none of the test's.

    grpc_origin.py PORT NAME [CERTIFICATE KEY]

Messages are bytes, so that nothing has to be generated. /t.S/Seen tells what it saw end, and how.
"""
import json
import sys
import threading
import time
from concurrent import futures

import grpc

ended, lock = [], threading.Lock()


def note(what, context):
    with lock:
        ended.append(what)
    del context


def metadata(context):
    return [(k, v) for k, v in context.invocation_metadata() if k.startswith("x-")]


def unary(data, context):
    sent = metadata(context)
    context.send_initial_metadata([("x-name", NAME), *(("x-head-" + k[2:], v) for k, v in sent)])
    context.set_trailing_metadata([("x-tail-" + k[2:], v) for k, v in sent])
    return data


def fail(data, context):
    """The code and the message that are asked for; behind a part of an answer if the path says so."""
    code, _, text = data.decode().partition("|")
    context.set_trailing_metadata([("x-why-bin", b"\x00\xff,")])
    context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(code)), text)


def fail_late(data, context):
    yield b"some"
    fail(data, context)


def collect(messages, context):
    del context
    n = size = 0
    for m in messages:
        n, size = n + 1, size + len(m)
    return f"{n} {size}".encode()


def emit(data, context):
    """n messages of a size each, as fast as they go."""
    n, size = (int(x) for x in data.split())
    piece = b"x" * size
    sent = 0
    context.add_callback(lambda: note(f"emit {sent < n}", context))
    for _ in range(n):
        if not context.is_active():
            return
        sent += 1
        yield piece


def chat(messages, context):
    context.add_callback(lambda: note("chat", context))
    for m in messages:
        yield b"<" + m + b">"


def sleep(data, context):
    """Until it is given up; tells how much time the client gave it."""
    left = context.time_remaining()
    gone = threading.Event()
    if not context.add_callback(gone.set):
        gone.set()
    gone.wait(float(data or b"30"))
    note(f"sleep {gone.is_set()} {'none' if left is None or left > 1e6 else int(left)}", context)
    return b"slept"


def seen(data, context):
    del data, context
    with lock:
        return json.dumps(ended).encode()


def stop(data, context):
    """GOAWAY; what is under way goes on."""
    threading.Thread(target=lambda: SERVER.stop(60), daemon=True).start()
    time.sleep(0.3)
    return data


class Handlers(grpc.GenericRpcHandler):
    table = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary), "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "FailLate": grpc.unary_stream_rpc_method_handler(fail_late), "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Emit": grpc.unary_stream_rpc_method_handler(emit), "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Sleep": grpc.unary_unary_rpc_method_handler(sleep), "Seen": grpc.unary_unary_rpc_method_handler(seen),
        "Stop": grpc.unary_unary_rpc_method_handler(stop),
    }

    def service(self, handler_call_details):
        return self.table.get(handler_call_details.method.rpartition("/")[2])


if __name__ == "__main__":
    NAME = sys.argv[2]
    SERVER = grpc.server(futures.ThreadPoolExecutor(32), handlers=[Handlers()], options=[
        ("grpc.max_receive_message_length", 16 << 20), ("grpc.http2.min_recv_ping_interval_without_data_ms", 100),
        ("grpc.http2.max_ping_strikes", 0)])
    if len(sys.argv) > 3:
        with open(sys.argv[3], "rb") as c, open(sys.argv[4], "rb") as k:
            SERVER.add_secure_port(f"127.0.0.1:{sys.argv[1]}", grpc.ssl_server_credentials([(k.read(), c.read())]))
    else:
        SERVER.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    SERVER.start()
    threading.Event().wait()
