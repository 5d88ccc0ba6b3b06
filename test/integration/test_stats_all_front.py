# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of listeners, connection managers, codecs and clients' TLS (docs/stats.md), each to an exact value."""
import socket
import ssl
import time

from harness import (SLOW, T, ca, cert, cluster, config, curl, downstream_tls, free_port, http_options, listener, raw, route_to, wait_for)
from scripted import Scripted
from stats_case import StatsCase
from tcp_origin import TcpOrigin
from test_attack import PREFACE, SETTINGS, frame, head
from tunnel import H1Tunnel
import tunnel
import ws

GET = b"GET %s HTTP/1.1\r\nhost: a.test\r\n\r\n"
DIRECT = {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
BASE = T + "envoy.extensions."


def door_of(name, routes=(), hcm=None, port=None, **more):
    """A listener and its connection manager, both of that name in /stats."""
    return listener(port or free_port(), [DIRECT, *routes], hcm={"stat_prefix": name, **(hcm or {})}, name=name, stat_prefix=name, **more)


def port_of(l):
    return l["address"]["socket_address"]["port_value"]


def talk(port, data, seconds=0.3):
    return raw(port, data, seconds)


def hello(name="a.test"):
    """A ClientHello."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    conn = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        conn.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Connections(StatsCase):
    def test_one_request(self):
        s = self.door(config([door_of("plain")], []))
        request = GET % b"/direct"
        with self.drives(s, {"listener.plain.downstream_cx_total": 1, "listener.plain.downstream_cx_destroy": 1, "listener.plain.downstream_cx_length_ms": 1,
                             "listener.plain.worker_0.downstream_cx_total": 1, "listener.plain.connections_accepted_per_socket_event": 1,
                             "listener.plain.http.plain.downstream_rq_completed": 1, "listener.plain.http.plain.downstream_rq_2xx": 1,
                             "http.plain.downstream_cx_total": 1, "http.plain.downstream_cx_destroy": 1, "http.plain.downstream_cx_destroy_remote": 1,
                             "http.plain.downstream_cx_http1_total": 1, "http.plain.downstream_cx_length_ms": 1,
                             "http.plain.downstream_cx_rx_bytes_total": len(request), "http.plain.downstream_cx_tx_bytes_total": lambda n: n == len(answer),
                             "http.plain.downstream_rq_total": 1, "http.plain.downstream_rq_http1_total": 1, "http.plain.downstream_rq_completed": 1,
                             "http.plain.downstream_rq_2xx": 1, "http.plain.downstream_rq_time": 1, "http.plain.rq_direct_response": 1}):
            answer = talk(s.port, request)
        c = socket.create_connection(("127.0.0.1", s.port))
        c.sendall(request)
        self.assertIn(b"here", c.recv(4096))
        self.shows(s, {"listener.plain.downstream_cx_active": 1, "listener.plain.worker_0.downstream_cx_active": 1, "http.plain.downstream_cx_active": 1,
                       "http.plain.downstream_cx_http1_active": 1, "server.total_connections": 1, "listener_manager.total_listeners_active": 1})
        with self.drives(s, {"http.plain.downstream_cx_destroy_local": 1}):
            c.sendall(b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            while c.recv(4096):
                pass
            c.close()
        with self.drives(s, {"http.plain.downstream_cx_protocol_error": 1, "http.plain.downstream_rq_4xx": 1,
                             "http.plain.downstream_rq_response_before_rq_complete": 1}):
            talk(s.port, b"garbage\r\n\r\n")

    def test_requests_that_end_badly(self):
        origin = Scripted()
        self.addCleanup(origin.stop)
        routes = [route_to("o", "/o"), {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/direct"}},
                  {"match": {"prefix": "/unknown"}, "route": {"cluster_header": "x-none"}}]
        timed = lambda name, **hcm: door_of(name, routes, hcm=hcm)
        ls = [timed("plain"), timed("request", request_timeout="0.2s"), timed("headers", request_headers_timeout="0.2s"),
              timed("stream", stream_idle_timeout="0.2s"), timed("longest", common_http_protocol_options={"max_stream_duration": "0.2s"}),
              timed("idle", common_http_protocol_options={"idle_timeout": "0.2s"}), timed("aged", common_http_protocol_options={"max_connection_duration": "0.2s"}),
              timed("few", common_http_protocol_options={"max_requests_per_connection": 1})]
        port = {l["name"]: port_of(l) for l in ls}
        s = self.door(config(ls, [cluster("o", origin.port)]))
        half = b"POST /o HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab"
        stalled = b"GET /o HTTP/1.1\r\nhost: a\r\nx-do: stall\r\nx-key: k\r\n\r\n"
        with self.drives(s, {"http.plain.no_route": 1, "http.plain.rq_redirect": 1, "http.plain.no_cluster": 1, "http.plain.rq_total": 3}):
            talk(port["plain"], (GET % b"/none") + (GET % b"/redirect") + (GET % b"/unknown"))
        with self.drives(s, {"http.plain.downstream_cx_destroy_active_rq": 1, "http.plain.downstream_cx_destroy_remote_active_rq": 1,
                             "http.plain.downstream_rq_rx_reset": 1}):
            c = socket.create_connection(("127.0.0.1", port["plain"]))
            c.sendall(half)
            self.shows(s, {"http.plain.downstream_rq_active": 1})
            c.close()
        with self.drives(s, {"http.plain.rq_reset_after_downstream_response_started": 1}):
            talk(port["plain"], b"GET /o HTTP/1.1\r\nhost: a\r\nx-do: cut-200\r\nx-key: c\r\n\r\n")
        with self.drives(s, {"http.request.downstream_rq_timeout": 1}):
            talk(port["request"], half, 2)
        with self.drives(s, {"http.headers.downstream_rq_header_timeout": 1}):
            talk(port["headers"], b"GET / HTTP/1.1\r\nho", 2)
        with self.drives(s, {"http.stream.downstream_rq_idle_timeout": 1}):
            talk(port["stream"], stalled, 2)
        with self.drives(s, {"http.longest.downstream_rq_max_duration_reached": 1}):
            talk(port["longest"], stalled, 2)
        with self.drives(s, {"http.idle.downstream_cx_idle_timeout": 1}):
            talk(port["idle"], GET % b"/direct", 2)
        with self.drives(s, {"http.aged.downstream_cx_max_duration_reached": 1}):
            c = socket.create_connection(("127.0.0.1", port["aged"]))
            for _ in range(2):
                c.sendall(GET % b"/direct")
                c.recv(4096)
                time.sleep(0.4)
            c.close()
        with self.drives(s, {"http.few.downstream_cx_max_requests_reached": 1}):
            talk(port["few"], GET % b"/direct", 2)

    def test_paths_and_addresses(self):
        options = {"normalize_path": True, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT", "use_remote_address": False,
                   "original_ip_detection_extensions": [{"name": "h", "typed_config": {
                       "@type": BASE + "http.original_ip_detection.custom_header.v3.CustomHeaderConfig", "header_name": "x-who",
                       "reject_with_status": {"code": 403}}}]}
        limit = [{"name": "buffer", "typed_config": {"@type": BASE + "filters.http.buffer.v3.Buffer", "max_request_bytes": 10}}]
        a, b = door_of("plain", hcm=options), door_of("small", [route_to("o", "/o")], hcm={})
        b["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = limit
        s = self.door(config([a, b], [cluster("o", free_port())]))
        ask = lambda path, *lines: talk(s.port, b"GET %s HTTP/1.1\r\nhost: a\r\n%s\r\n" % (path, b"".join(x + b"\r\n" for x in lines)))
        who = b"x-who: 192.0.2.1"
        with self.drives(s, {"http.plain.downstream_rq_failed_path_normalization": 1}):
            ask(b"/a%00b", who)
        with self.drives(s, {"http.plain.downstream_rq_redirected_with_normalized_path": 1, "http.plain.downstream_rq_3xx": 1}):
            ask(b"/a%2fb", who)
        with self.drives(s, {"http.plain.downstream_rq_rejected_via_ip_detection": 1}):
            ask(b"/direct")
        with self.drives(s, {"http.plain.downstream_rq_non_relative_path": 1}):
            talk(s.port, b"OPTIONS * HTTP/1.1\r\nhost: a\r\n" + who + b"\r\n\r\n")
        with self.drives(s, {"http.small.downstream_rq_too_large": 1}):
            talk(port_of(b), b"POST /o HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n")

    def test_doors(self):
        """What listeners count before there is a request."""
        tls = downstream_tls()
        inspect = [{"name": "i", "typed_config": {"@type": BASE + "filters.listener.tls_inspector.v3.TlsInspector"}}]
        named = door_of("named", tls=tls, listener_filters=inspect)
        timed = door_of("timed", tls=tls, listener_filters_timeout="0.3s", listener_filters=inspect)
        named["filter_chains"][0]["filter_chain_match"] = {"server_names": ["a.test"]}
        timed["filter_chains"][0]["transport_socket_connect_timeout"] = "0.3s"
        few, free = door_of("few"), door_of("free", ignore_global_conn_limit=True)
        conf = dict(config([named, few, free, timed], []), layered_runtime={"layers": [{"name": "s", "static_layer": {
            "envoy.resource_limits.listener.few.connection_limit": 1, "overload.global_downstream_max_connections": 2}}]})
        s = self.door(conf)
        self.shows(s, {"runtime.num_keys": 2, "runtime.num_layers": 1})
        port = port_of(named)
        with self.drives(s, {"listener.named.no_filter_chain_match": 1}):
            talk(port, hello("b.test"))
        with self.drives(s, {"listener.named.downstream_listener_filter_remote_close": 1}):
            c = socket.create_connection(("127.0.0.1", port))
            self.shows(s, {"listener.named.downstream_pre_cx_active": 1})
            c.close()
        with self.drives(s, {"listener.timed.downstream_pre_cx_timeout": 1}):
            talk(port_of(timed), hello()[:20], 3)
        with self.drives(s, {"listener.timed.downstream_cx_transport_socket_connect_timeout": 1}):
            talk(port_of(timed), hello(), 3)
        held = socket.create_connection(("127.0.0.1", port_of(few)))
        held.sendall(GET % b"/direct")
        held.recv(4096)
        with self.drives(s, {"listener.few.downstream_cx_overflow": 1}):
            talk(port_of(few), GET % b"/direct")
        second = socket.create_connection(("127.0.0.1", port))
        second.sendall(hello())
        second.recv(4096)
        with self.drives(s, {"listener.named.downstream_global_cx_overflow": 1}):
            talk(port, hello())
        held.close()
        second.close()

    def test_tunnels(self):
        origin = ws.Origin()
        self.addCleanup(origin.stop)
        upgrades = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
        a, b = door_of("plain", [route_to("o")], hcm=upgrades), door_of("none", [route_to("o")])
        s = self.door(config([a, b], [cluster("o", origin.port)]))
        line = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        with self.drives(s, {"http.plain.downstream_cx_upgrades_total": 1, "http.plain.downstream_rq_1xx": 1, "cluster.o.upstream_rq_1xx": 1}):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.sendall(line)
            self.assertIn(b"101", c.recv(4096))
            self.shows(s, {"http.plain.downstream_cx_upgrades_active": 1})
            c.close()
        with self.drives(s, {"http.none.downstream_rq_ws_on_non_ws_route": 1}):
            talk(port_of(b), line)

    def test_slow_readers(self):
        """Bodies that are not taken, either way."""
        class Silent(TcpOrigin):
            def serve(self, c):
                data = b""
                while b"\r\n\r\n" not in data:
                    data += c.recv(65536)
                if data.startswith(b"POST"):
                    time.sleep(1.5)
                    while c.recv(1 << 20):
                        pass
                c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 30000000\r\n\r\n" + b"x" * 30000000)
        origin = Silent()
        self.addCleanup(origin.stop)
        s = self.door(config([door_of("plain", [route_to("o")], hcm={"delayed_close_timeout": "0.3s"})], [cluster("o", origin.port)]))
        some = lambda n: n > 0
        with self.drives(s, {"http.plain.downstream_flow_control_paused_reading_total": some, "http.plain.downstream_flow_control_resumed_reading_total": some,
                             "cluster.o.upstream_flow_control_backed_up_total": some, "cluster.o.upstream_flow_control_drained_total": some}):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.settimeout(10)
            c.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20000000\r\n\r\n")
            c.sendall(b"y" * 19999990)
            c.close()
        with self.drives(s, {"cluster.o.upstream_flow_control_paused_reading_total": some, "cluster.o.upstream_flow_control_resumed_reading_total": some}):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.sendall(GET % b"/")
            time.sleep(0.5)
            got = 0
            while got < 30000000:
                got += len(c.recv(1 << 20))
            c.close()


class Codecs(StatsCase):
    def test_http2(self):
        origin = Scripted()
        self.addCleanup(origin.stop)
        options = {"http2_protocol_options": {"connection_keepalive": {"interval": "0.2s", "timeout": "0.2s"}}}
        invalid = {"http2_protocol_options": {"override_stream_error_on_invalid_http_message": True}}
        rejects = {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}}
        drops = {"common_http_protocol_options": {"headers_with_underscores_action": "DROP_HEADER"}}
        ls = [door_of("plain", [route_to("o", "/o")], hcm=invalid), door_of("pings", [route_to("o", "/o")], hcm=options), door_of("rejects", hcm=rejects), door_of("drops", hcm=drops)]
        port = {l["name"]: port_of(l) for l in ls}
        s = self.door(config(ls, [cluster("o", origin.port)]))
        h2 = lambda *parts, of="plain", seconds=0.4: talk(port[of], PREFACE + SETTINGS + b"".join(parts), seconds)
        get, post = frame(1, 5, 1, head(path="/direct")), frame(1, 4, 1, head(method="POST", path="/o"))
        with self.drives(s, {"http.plain.downstream_cx_http2_total": 1, "http.plain.downstream_rq_http2_total": 1}):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.sendall(PREFACE + SETTINGS + get)
            self.shows(s, {"http.plain.downstream_cx_http2_active": 1})
            c.close()
        with self.drives(s, {"http2.rx_reset": 1, "http2.stream_refused_errors": 1}):
            h2(post, frame(3, 0, 1, b"\0\0\0\7"))
        with self.drives(s, {"http2.trailers": 1}):
            h2(frame(1, 4, 1, head(method="POST", path="/direct")), frame(0, 0, 1, b"abc"), frame(1, 5, 1, b"\0\3x-a\1b"))
        with self.drives(s, {"http2.tx_reset": 1, "http2.rx_messaging_error": 1, "http.plain.downstream_rq_tx_reset": lambda n: n in (0, 1)}):
            h2(frame(1, 5, 1, head(("content-length", "x"), path="/direct")))
        with self.drives(s, {"http2.header_overflow": 1}):
            h2(frame(1, 5, 1, head(*((f"x-{i}", "1") for i in range(200)), path="/direct")))
        with self.drives(s, {"http2.goaway_sent": 1, "http2.outbound_control_flood": 1}):
            h2(post, frame(6, 0, 0, b"x" * 8) * 20000)
        with self.drives(s, {"http2.inbound_priority_frames_flood": 1}):
            h2(frame(2, 0, 1, b"\0\0\0\0\1") * 20000)
        with self.drives(s, {"http2.inbound_window_update_frames_flood": 1}):
            h2(frame(8, 0, 0, b"\0\0\0\1") * 20000)
        with self.drives(s, {"http2.inbound_empty_frames_flood": 1}):
            h2(post, frame(0, 0, 1) * 20000)
        with self.drives(s, {"http.plain.downstream_rq_too_many_premature_resets": 1}):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.sendall(PREFACE + SETTINGS)
            for n in range(260):  # as many at a time as the other limits take
                c.sendall(frame(1, 5, 2 * n + 1, head(path="/o")) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08"))
                if n > 90:
                    time.sleep(0.033)
            c.close()
        with self.drives(s, {"http2.keepalive_timeout": 1}):
            h2(of="pings", seconds=2)
        with self.drives(s, {"http.pings.downstream_cx_destroy_local_active_rq": 1}):
            h2(post, of="pings", seconds=2)
        under = (("x_a", "1"),)
        with self.drives(s, {"http2.requests_rejected_with_underscores_in_headers": 1}):
            h2(frame(1, 5, 1, head(*under, path="/direct")), of="rejects")
        with self.drives(s, {"http2.dropped_headers_with_underscores": 1}):
            h2(frame(1, 5, 1, head(*under, path="/direct")), of="drops")
        h1 = b"GET /direct HTTP/1.1\r\nhost: a\r\nx_a: 1\r\n\r\n"
        with self.drives(s, {"http1.requests_rejected_with_underscores_in_headers": 1}):
            talk(port["rejects"], h1)
        with self.drives(s, {"http1.dropped_headers_with_underscores": 1}):
            talk(port["drops"], h1)


class Tls(StatsCase):
    def test_handshakes(self):
        asks = door_of("asks", tls=downstream_tls(client_ca=ca(), require=True))
        context = downstream_tls(client_ca=ca(), require=True)
        validation = context["typed_config"]["common_tls_context"]["validation_context"]
        validation["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": "wanted.test"}}]
        pins = downstream_tls(client_ca=ca(), require=True)
        pins["typed_config"]["common_tls_context"]["validation_context"]["verify_certificate_hash"] = ["00" * 32]
        ls = [door_of("tls", tls=downstream_tls()), asks, door_of("names", tls=context), door_of("pins", tls=pins)]
        port = {l["name"]: port_of(l) for l in ls}
        s = self.door(config(ls, []))
        ask = lambda of, *args: curl(f"https://localhost:{port[of]}/direct", *args)
        chain, key = cert("client")
        mine = ["--cert", chain, "--key", key]
        with self.drives(s, {"listener.tls.ssl.handshake": 1, "listener.tls.ssl.no_certificate": 1, "listener.tls.ssl.versions.TLSv1.2": 1,
                             "listener.tls.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256": 1, "listener.tls.ssl.curves.P-256": 1,
                             "http.tls.downstream_cx_ssl_total": 1}):
            ask("tls", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "--curves", "prime256v1")
        with self.drives(s, {"listener.asks.ssl.sigalgs.ecdsa_secp256r1_sha256": 1}):
            ask("asks", *mine)
        with self.drives(s, {"listener.asks.ssl.fail_verify_no_cert": 1}):
            ask("asks")
        stranger, its = cert("stranger", by="ca2")
        with self.drives(s, {"listener.asks.ssl.fail_verify_error": 1}):
            ask("asks", "--cert", stranger, "--key", its)
        with self.drives(s, {"listener.names.ssl.fail_verify_san": 1}):
            ask("names", *mine)
        with self.drives(s, {"listener.pins.ssl.fail_verify_cert_hash": 1}):
            ask("pins", *mine)
        with self.drives(s, {"listener.tls.ssl.connection_error": 1}):
            talk(port["tls"], b"\x16\x03\x01\x00\x05garbage")
        context = ssl.create_default_context(cafile=ca())
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def once(session=None):
            with socket.create_connection(("127.0.0.1", port["tls"])) as plain, context.wrap_socket(plain, server_hostname="localhost", session=session) as c:
                c.sendall(GET % b"/direct")
                c.recv(4096)
                if not session:
                    self.shows(s, {"http.tls.downstream_cx_ssl_active": 1})
                return c.session
        first = once()
        with self.drives(s, {"listener.tls.ssl.session_reused": 1}):
            once(first)
        ends = int(time.mktime(time.localtime())) + 90 * 86400
        self.shows(s, {"listener.tls.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds": lambda n: abs(n - ends) < 90000})
