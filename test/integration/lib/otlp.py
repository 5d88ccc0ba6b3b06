# SPDX-License-Identifier: GPL-2.0-or-later
"""An OpenTelemetry collector in this process: takes OTLP over HTTP (binary) and over gRPC, and keeps what it got as plain data.

The messages are taken apart by a reader of protobuf's wire format of its own, with the field numbers of opentelemetry-proto; what
it does not know is an error. `official` has the library from PyPI read the same bytes, where it is there (scripts/otlp-proto)."""
import glob
import os
import socket
import struct
import sys
import threading
import time
from concurrent import futures

from echo import Echo, Handler
from harness import SLOW, T

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message: bytes, or a number."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif wire == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "cut short"
        else:
            raise AssertionError(f"wire type {wire}")
        yield number, value


def _any(data):
    (number, value), = fields(data)
    return {1: lambda: value.decode("utf-8"), 2: lambda: bool(value), 3: lambda: value - (1 << 64) if value >> 63 else value,
            4: lambda: struct.unpack("<d", struct.pack("<Q", value))[0]}[number]()


def _key_value(data):
    pair = dict(fields(data))
    return pair[1].decode("utf-8"), _any(pair.get(2, b""))


class Span:
    """name, kind, trace, id, parent (hex, "" for none), state, start, end (ns), attrs, events, error, flags."""

    def __init__(self, data, resource, scope):
        self.resource, self.scope = resource, scope
        self.attrs, self.events, self.error, self.parent, self.state, self.flags = {}, [], False, "", "", 0
        for number, value in fields(data):
            if number in (1, 2, 4):
                setattr(self, {1: "trace", 2: "id", 4: "parent"}[number], value.hex())
            elif number in (3, 5):
                setattr(self, {3: "state", 5: "name"}[number], value.decode("utf-8"))
            elif number in (6, 7, 8, 16):
                setattr(self, {6: "kind", 7: "start", 8: "end", 16: "flags"}[number], value)
            elif number == 9:
                key, value = _key_value(value)
                assert key not in self.attrs, f"{key} twice"
                self.attrs[key] = value
            elif number == 11:
                event = dict(fields(value))
                self.events.append((event[2].decode("utf-8"), event[1]))
            elif number == 15:
                self.error = dict(fields(value)).get(3) == 2
            else:
                raise AssertionError(f"Span has field {number}")
        assert len(self.trace) == 32 and len(self.id) == 16 and self.start <= self.end

    def __repr__(self):
        return f"<{self.name} {self.trace}/{self.id} of {self.parent or '-'} {self.attrs}>"


def spans_of(data):
    out = []
    for number, resource_spans in fields(data):
        assert number == 1
        resource = {}
        for number, value in fields(resource_spans):
            if number == 1:
                resource = dict(_key_value(v) for n, v in fields(value))
            elif number == 2:
                scope = ("", "")
                for n, v in fields(value):
                    if n == 1:
                        texts = dict(fields(v))
                        scope = (texts.get(1, b"").decode(), texts.get(2, b"").decode())
                    elif n == 2:
                        out.append(Span(v, resource, scope))
    return out


def official():
    """ExportTraceServiceRequest of the library from PyPI, or None."""
    cache = os.environ.get("SALLYPORT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sallyport")
    for path in glob.glob(os.path.join(cache, "otlp-proto-*")):
        if path not in sys.path:
            sys.path.insert(0, path)
    try:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # pylint: disable=import-outside-toplevel,import-error
    except ImportError:
        return None
    return trace_service_pb2.ExportTraceServiceRequest


class _Kept:
    def __init__(self):
        self.requests, self.failing = [], False

    def spans(self):
        return [s for _, data in list(self.requests) for s in spans_of(data)]

    def wait(self, n, seconds=10):
        """At least n spans, in the order they came."""
        end = time.time() + seconds * SLOW
        while time.time() < end:
            got = self.spans()
            if len(got) >= n:
                return got
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {n} spans: {self.spans()}")


class _Http(Handler):
    def do_POST(self):
        data = self.body()
        assert self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf", (self.path, self.headers)
        self.server.kept.requests.append((dict((k.lower(), v) for k, v in self.headers.items()), data))
        self.send_response(503 if self.server.kept.failing else 200)
        self.send_header("content-length", "0")
        self.end_headers()


class HttpCollector(_Kept):
    def __init__(self):
        super().__init__()
        self.server = Echo("collector")
        self.server.RequestHandlerClass = _Http
        self.server.kept = self
        self.port = self.server.port

    def stop(self):
        self.server.stop()


class GrpcCollector(_Kept):
    def __init__(self):
        super().__init__()
        import grpc  # pylint: disable=import-outside-toplevel

        def export(data, context):
            self.requests.append((dict(context.invocation_metadata()), data))
            if self.failing:
                context.abort(grpc.StatusCode.UNAVAILABLE, "full")
            return b""
        handler = grpc.method_handlers_generic_handler(SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def stop(self):
        self.server.stop(None)


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.got = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.got.append(self.socket.accept()[0])
        except OSError:
            pass

    def stop(self):
        self.socket.close()
        for s in self.got:
            s.close()


def provider(cluster="collector", grpc=False, name="OpenTelemetryConfig", **more):
    """`tracing.provider`."""
    if grpc:
        where = {"grpc_service": {"envoy_grpc": {"cluster_name": cluster}, "timeout": "2s", "initial_metadata": [{"key": "x-key", "value": "k1"}]}}
    else:
        where = {"http_service": {"http_uri": {"uri": "http://collector.test/v1/traces", "cluster": cluster, "timeout": "2s"},
                                  "request_headers_to_add": [{"header": {"key": "x-key", "value": "k1"}}]}}
    return {"name": "otel", "typed_config": {"@type": T + "envoy.config.trace.v3." + name, "service_name": "door", **where, **more}}


def runtime(**keys):
    """Bootstrap fields: how soon spans go."""
    return {"layered_runtime": {"layers": [{"name": "s", "static_layer": {"tracing.opentelemetry." + k: v for k, v in keys.items()}}]}}


SOON = runtime(min_flush_spans=1, flush_interval_ms=200)
