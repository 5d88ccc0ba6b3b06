# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: local_reply_config, upgrades and what else the connection manager does with its own answers."""
import re
import socket
import unittest

import ws
from harness import Sallyport, cluster, config, free_port, jwt_filter, listener, raw, route_to
from test_envoy import Differential as Base, Envoy, find_envoy, set_port

STATUS = lambda op, value: {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "x"}}}}
HEADER = lambda k, v, **m: {"header": {"key": k, "value": v}, **m}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Replies(Base):
    def test_routes(self):
        """Those of the base class are its own."""
    test_virtual_hosts = test_addresses = test_paths = test_jwt = test_routes

    def bytes(self, conf, requests):
        """The same raw bytes to both; what differs from run to run is taken out."""
        answers = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            s = make(set_port(conf, free_port()))
            try:
                answers.append([re.sub(rb"\r\n(date|server|x-request-id|x-envoy-upstream-service-time): [^\r]*", b"", raw(s.port, r, 1))
                                for _, r in requests])
            finally:
                s.kill()
        for (name, _), a, b in zip(requests, *answers):
            with self.subTest(name):
                self.assertEqual(sorted(a.lower().split(b"\r\n")), sorted(b.lower().split(b"\r\n")))

    def test_local_replies(self):
        routes = [
            {"match": {"prefix": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "tea <pot>"}}},
            {"match": {"prefix": "/nobody"}, "direct_response": {"status": 503}},
            {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/there"}},
            {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}}, {"match": {"prefix": "/o"}, "route": {"cluster": "o"}}]
        clusters = [cluster("o", self.origin.port), cluster("dead", free_port())]
        mappers = [
            {"filter": STATUS("EQ", 418), "status_code": 200, "body": {"inline_string": "mapped"}},
            {"filter": {"and_filter": {"filters": [STATUS("EQ", 503), {"response_flag_filter": {"flags": ["UF"]}}]}}, "status_code": 504,
             "body_format_override": {"json_format": {"flags": "%RESPONSE_FLAGS%", "path": "%REQ(:path)%", "status": "%RESPONSE_CODE%"}},
             "headers_to_add": [HEADER("x-why", "%RESPONSE_CODE_DETAILS%"), HEADER("content-type", "x/y", append_action="ADD_IF_ABSENT")]},
            {"filter": {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/redirect"}}}},
             "headers_to_add": [HEADER("x-a", "1"), HEADER("location", "/elsewhere", append_action="OVERWRITE_IF_EXISTS_OR_ADD")]},
            {"filter": STATUS("EQ", 401), "status_code": 403, "body_format_override": {
                "text_format_source": {"inline_string": "<p>%LOCAL_REPLY_BODY%</p>"}, "content_type": "text/html; charset=UTF-8"}},
        ]
        paths = ["/direct", "/nobody", "/redirect", "/dead", "/none", "/o"]
        requests = [(f"{p} {k}", a, p) for p in paths for k, a in (("get", []), ("grpc", ["-H", "content-type: application/grpc"]))]
        requests += [(f"{p} head", ["-I"], p) for p in ("/direct", "/dead")]
        for replies in ({}, {"mappers": mappers}, {"body_format": {"text_format": "%LOCAL_REPLY_BODY%:%RESPONSE_CODE%:%PROTOCOL%\n"}},
                        {"mappers": mappers, "body_format": {"json_format": {"b": "%LOCAL_REPLY_BODY%", "n": "%RESPONSE_CODE%"}}},
                        {"body_format": {"text_format": " ", "content_type": "a/b"}},
                        {"body_format": {"text_format_source": {"inline_string": "x"}, "content_type": "a/b"}}):
            with self.subTest(replies=replies):
                hcm = {"local_reply_config": replies}
                self.both(self.conf(routes, hcm=hcm, clusters=clusters), requests)
        self.both(self.conf(routes, [jwt_filter()], hcm={"local_reply_config": {"mappers": mappers}}, clusters=clusters),
                  [("no token", [], "/o")])

    def test_codec_errors(self):
        hcm = {"local_reply_config": {"mappers": [{"filter": STATUS("EQ", 431), "status_code": 400}],
                                      "body_format": {"json_format": {"body": "%LOCAL_REPLY_BODY%", "code": "%RESPONSE_CODE%"}}}}
        long = b"x: " + b"y" * 70000
        self.bytes(self.conf([route_to("o")], hcm=hcm), [
            ("malformed", b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n"), ("too large", b"GET / HTTP/1.1\r\nHost: a\r\n" + long + b"\r\n\r\n"),
            ("no host", b"GET / HTTP/1.1\r\n\r\n")])

    def test_codec_errors_plain(self):
        """Byte for byte, without a format of one's own."""
        hcm = {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}}
        self.bytes(self.conf([route_to("o")], hcm=hcm), [
            ("underscore", b"GET / HTTP/1.1\r\nHost: a\r\nx_y: z\r\n\r\n"), ("malformed", b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n"),
            ("too large", b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 70000 + b"\r\n\r\n"), ("no host", b"GET / HTTP/1.1\r\n\r\n"),
            ("length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
            ("both lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
            ("authority", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")])

    def test_early_mutations_and_schemes(self):
        early = {"name": "early", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove": "x-gone"}, {"append": {"header": {"key": "x-early", "value": "%REQ(x-in)%:%PROTOCOL%"}}},
                          {"append": {"header": {"key": "x-kept", "value": "e"}, "append_action": "ADD_IF_ABSENT"}}]}}
        routes = [{"match": {"prefix": "/", "headers": [{"name": "x-early", "string_match": {"prefix": "1:"}}]}, "route": {"cluster": "o"}},
                  {"match": {"prefix": "/"}, "redirect": {"path_redirect": "/x"}}]
        requests = [("none", [], "/"), ("matches", ["-H", "x-in: 1", "-H", "x-gone: 1", "-H", "x-kept: c"], "/"),
                    ("forged", ["-H", "x-early: 1:", "-H", "x-in: 2"], "/")]
        for hcm in ({"early_header_mutation_extensions": [early]}, {"scheme_header_transformation": {"scheme_to_overwrite": "https"}},
                    {"early_header_mutation_extensions": [early], "use_remote_address": True},
                    {"scheme_header_transformation": {"match_upstream": True}}):
            with self.subTest(hcm=hcm):
                self.both(self.conf(routes, hcm=hcm), requests)

    def test_upgrades(self):
        """WebSocket over HTTP/1.1 end to end, and refusals."""
        origin = ws.Origin()
        routes = [route_to("o", "/off", upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}]),
                  route_to("o", "/foo", upgrade_configs=[{"upgrade_type": "foo"}]),
                  {"match": {"prefix": "/h", "headers": [{"name": "upgrade", "string_match": {"exact": "websocket"}}]}, "route": {"cluster": "o"}},
                  {"match": {"prefix": "/h"}, "direct_response": {"status": 400}}, {"match": {"prefix": "/direct"}, "direct_response": {"status": 202}},
                  {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}}, {"match": {"prefix": "/ok"}, "route": {"cluster": "o"}}]
        conf = self.conf(routes, hcm={"upgrade_configs": [{"upgrade_type": "WebSocket"}, {"upgrade_type": "bar", "enabled": False}]},
                         clusters=[cluster("o", origin.port), cluster("dead", free_port())])
        head = lambda path, protocol="websocket", more="": (
            f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {protocol}\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n").encode()
        self.bytes(conf, [("taken", head("/ok") + ws.frame(b"abc")), ("any case", head("/ok", "WEBSOCKET")), ("by header", head("/h")),
                          ("off", head("/off")), ("another", head("/ok", "bar")), ("two", head("/ok", "websocket, bar")),
                          ("dead", head("/dead")), ("direct", head("/direct")), ("the origin says no", head("/ok", more="Origin: x\r\nSec-WebSocket-Version: 99\r\n"))])
        seen = [sorted(h for h in s["headers"] if h[0] not in ("x-request-id", "connection")) for s in origin.seen if s["path"] == "/ok"]
        self.assertEqual(seen[0], seen[len(seen) // 2])
        origin.stop()


if __name__ == "__main__":
    unittest.main()
