# SPDX-License-Identifier: GPL-2.0-or-later
"""An OpenTelemetry collector for metrics over gRPC, and readers of OTLP's and Prometheus' protobuf metrics (see otlp.py)."""
import struct
import time
from concurrent import futures

from harness import SLOW
from otlp import _key_value, fields, varint

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
KINDS = {5: "gauge", 7: "sum", 9: "histogram"}


def eight(data, form):
    return [x[0] for x in struct.iter_unpack("<" + form, data)]


def real(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


class Metric:
    """One data point: name, kind, attrs, temporality, monotonic, value; of a histogram count, sum, counts, bounds; start, time (ns)."""

    def __init__(self, name, kind, point, temporality, monotonic):
        self.name, self.kind, self.temporality, self.monotonic, self.attrs = name, kind, temporality, monotonic, {}
        self.start = self.time = self.value = 0
        histogram = kind == "histogram"
        for number, value in fields(point):
            if number == 2:
                self.start = value
            elif number == 3:
                self.time = value
            elif number == (9 if histogram else 7):
                key, text = _key_value(value)
                assert key not in self.attrs, key
                self.attrs[key] = text
            elif histogram and number == 4:
                self.count = value
            elif histogram and number == 5:
                self.sum = real(value)
            elif histogram and number == 6:
                self.counts = eight(value, "Q")
            elif histogram and number == 7:
                self.bounds = eight(value, "d")
            elif not histogram and number == 6:
                self.value = value
            elif not histogram and number == 4:
                self.value = real(value)
            else:
                assert histogram and number in (11, 12), f"field {number} of a point of {name}"

    def __repr__(self):
        return f"<{self.kind} {self.name} {self.attrs} {self.value}>"


def metrics_of(data):
    """(resource's attributes, metrics) of an ExportMetricsServiceRequest."""
    resource, out = {}, []
    for number, resource_metrics in fields(data):
        assert number == 1
        for number, value in fields(resource_metrics):
            if number == 1:
                resource = dict(_key_value(v) for n, v in fields(value) if n == 1)
            elif number == 2:
                for n, metric in fields(value):
                    if n == 2:
                        out += points_of(metric)
    return resource, out


def points_of(metric):
    parts = list(fields(metric))
    name = next(v for n, v in parts if n == 1).decode()
    out = []
    for n, data in parts:
        if n in KINDS:
            inside = list(fields(data))
            plain = dict((k, v) for k, v in inside if k != 1)
            out += [Metric(name, KINDS[n], v, plain.get(2), plain.get(3)) for k, v in inside if k == 1]
    return out


class Collector:
    def __init__(self):
        import grpc  # pylint: disable=import-outside-toplevel
        self.requests, self.failing = [], False

        def export(data, context):
            self.requests.append((dict(context.invocation_metadata()), data))
            if self.failing:
                context.abort(grpc.StatusCode.UNAVAILABLE, "full")
            return b""
        handler = grpc.method_handlers_generic_handler(SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})
        self.server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 4 << 20)])
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def metrics(self):
        return [m for _, data in list(self.requests) for m in metrics_of(data)[1]]

    def wait(self, name, condition=lambda m: True, seconds=10):
        """The last of those of that name that are as wanted."""
        end = time.time() + seconds * SLOW
        while time.time() < end:
            got = [m for m in self.metrics() if m.name == name and condition(m)]
            if got:
                return got[-1]
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {name}; there are {sorted({m.name for m in self.metrics()})[:200]}")

    def stop(self):
        self.server.stop(None)


def families(data):
    """Prometheus' protobuf page (delimited): name -> (type, [(labels, value)]); of histograms (count, sum, [(bound, n)])."""
    out, at = {}, 0
    while at < len(data):
        size, at = varint(data, at)
        family = list(fields(data[at:at + size]))
        at += size
        name = dict(family)[1].decode()
        assert name not in out, name
        out[name] = (dict(family)[3], [series(m) for n, m in family if n == 4])
    return out


def series(metric):
    labels, value = {}, None
    for n, v in fields(metric):
        if n == 1:
            pair = dict(fields(v))
            labels[pair[1].decode()] = pair[2].decode()
        elif n in (2, 3):
            value = real(dict(fields(v))[1])
        else:
            assert n in (4, 7), n
            parts = list(fields(v))
            some = [dict(fields(b)) for k, b in parts if k == 3]
            pairs = [(real(b[2]), b[1]) if n == 7 else (real(b[1]), real(b[2])) for b in some]
            value = (dict(parts).get(1, 0), real(dict(parts)[2]), pairs)
    return labels, value
