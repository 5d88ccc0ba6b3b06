# SPDX-License-Identifier: GPL-2.0-or-later
"""Who the client is, beside a real Envoy: the worked examples of its documentation (http_conn_man/headers.rst), then whatever else a
request can say of its way. PROXY protocol sets the peer's address, so that the examples run with their own. What is meant to differ
is left out here and tested in test_client.py (docs/client-address.md)."""
import json
import unittest

import proxied
import test_envoy
import test_envoy_accept
from echo import Echo
from harness import T, cluster, config, listener, log_to, route_to, work
from test_accept import proxy_protocol

THREE = "203.0.113.128, 203.0.113.10, 203.0.113.1"
EDGE = ("x-envoy-external-address",)  # where Envoy is no edge, and sallyport is one
INTERNAL = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}


def xff(**more):
    return {"original_ip_detection_extensions": [{"name": "xff", "typed_config": {
        "@type": T + "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig", **more}}]}


def trusted(*ranges, **more):
    return xff(xff_trusted_cidrs={"cidrs": [{"address_prefix": r, "prefix_len": 24} for r in ranges]}, **more)


def custom(name="x-client", **more):
    return {"original_ip_detection_extensions": [{"name": "header", "typed_config": {
        "@type": T + "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig", "header_name": name, **more}}]}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class ClientDifferential(unittest.TestCase):
    maxDiff = None
    both = test_envoy_accept.AcceptDifferential.both

    def setUp(self):
        self.origin = Echo()

    def tearDown(self):
        self.origin.stop()

    def ask(self, port, left_out, peer, *lines):
        status, body = proxied.ask(port, proxied.v1(peer, "2001:db8::99" if ":" in peer else "192.0.2.200"), *lines)
        if not body.startswith(b"{"):
            return status, body
        names = ("x-forwarded", "x-envoy-external", "x-envoy-internal", "x-envoy-retry", "x-client", "x-seen")
        return status, [h for h in json.loads(body)["headers"] if h[0].startswith(names) and h[0] not in left_out]

    def compare(self, hcm, requests, left_out=()):
        """requests: (peer, lines...). The route shows the origin which client it was."""
        seen = {"request_headers_to_add": [{"header": {"key": "x-seen", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}]}
        conf = config([listener(1, [{**route_to("o"), **seen}], hcm=hcm, listener_filters=[proxy_protocol()])],
                      [cluster("o", self.origin.port)])
        self.both(conf, lambda port: [self.ask(port, left_out, *r) for r in requests])

    def xff(self, peer, value=None, *more):
        return (peer, *([f"x-forwarded-for: {value}"] if value is not None else []), *more)

    def test_worked_examples(self):
        """1 to 6; 7 and 8 follow, as what Envoy itself does of them."""
        edge = {"use_remote_address": True}
        self.compare({**edge}, [self.xff("192.0.2.5", THREE, "x-envoy-internal: true")])
        self.compare({}, [self.xff("10.11.12.13", THREE + ", 192.0.2.5", "x-envoy-external-address: 192.0.2.5", "x-envoy-internal: true")])
        self.compare({**edge, "xff_num_trusted_hops": 2}, [self.xff("192.0.2.5", THREE, "x-envoy-internal: true")])
        self.compare({"xff_num_trusted_hops": 2}, [self.xff("10.11.12.13", THREE + ", 192.0.2.5", "x-envoy-internal: true")])
        self.compare({**INTERNAL}, [self.xff("10.20.30.40")])
        self.compare({**INTERNAL}, [self.xff("10.20.30.50", "10.20.30.40")])

    def test_examples_with_ranges(self):
        """7 and 8: who the client is. That the connection manager is an edge for it, as the page says and Envoy does not do, is ours."""
        for ranges, value in ((["192.0.2.0"], "203.0.113.128, 203.0.113.10, 192.0.2.1"),
                              (["192.0.2.0", "198.51.100.0"], "203.0.113.128, 203.0.113.10, 198.51.100.1"),
                              (["192.0.2.0"], "192.0.2.9, 192.0.2.1"), (["192.0.2.0"], "203.0.113.9, x, 192.0.2.1"),
                              (["192.0.2.0"], ", ".join(["203.0.113.9"] + ["192.0.2.1"] * 19)),
                              (["192.0.2.0"], ", ".join(["203.0.113.9"] + ["192.0.2.1"] * 20))):
            for skip in (True, False):
                with self.subTest(ranges=ranges, value=value, skip=skip):
                    self.compare(trusted(*ranges, skip_xff_append=skip), [self.xff("192.0.2.5", value, "x-forwarded-proto: http")], EDGE)

    def test_lists(self):
        values = [None, "1.1.1.1", "1.1.1.1, 2.2.2.2", "x", "", "1.1.1.1,", ",1.1.1.1", "10.0.0.1", "10.0.0.1, 10.0.0.2", "2001:db8::1",
                  "1.1.1.1:80", "[2001:db8::1]", " 1.1.1.1 ,\t2.2.2.2 ", "01.2.3.4", "1.1.1.1;", "1.1.1.1, x"]
        requests = [self.xff(peer, v) for peer in ("192.0.2.5", "10.0.0.9", "2001:db8::5") for v in values]
        requests.append(("192.0.2.5", "x-forwarded-for: 1.1.1.1", "x-forwarded-for: 2.2.2.2"))
        edge = {"use_remote_address": True}
        for hcm in ({}, {"xff_num_trusted_hops": 1}, edge, {**edge, "xff_num_trusted_hops": 1}, {**edge, "xff_num_trusted_hops": 2},
                    INTERNAL, {**INTERNAL, **edge}, {**INTERNAL, **edge, "skip_xff_append": True}, xff(), xff(xff_num_trusted_hops=1),
                    {**INTERNAL, **xff(skip_xff_append=False)}, xff(xff_num_trusted_hops=1, skip_xff_append=False)):
            with self.subTest(hcm):
                self.compare(hcm, requests)

    def test_custom_header(self):
        values = ["203.0.113.9", "2001:db8::9", "10.0.0.1", "x", "203.0.113.9:80", "203.0.113.9, 203.0.113.10", "[2001:db8::9]", ""]
        requests = [("192.0.2.5", "x-forwarded-proto: http", *([f"x-client: {v}"] if v is not None else []), "x-forwarded-for: 7.7.7.7")
                    for v in [None, *values]]
        for hcm in (custom(), {**INTERNAL, **custom()}, custom(reject_with_status={"code": "Unauthorized"}),
                    custom(reject_with_status={"code": "OK"}), custom(reject_with_status={"code": "ServiceUnavailable"}),
                    {"original_ip_detection_extensions": custom()["original_ip_detection_extensions"] +
                     xff()["original_ip_detection_extensions"]}):
            with self.subTest(hcm):
                self.compare(hcm, requests, EDGE)

    def test_why_it_was_refused(self):
        """The access log gives the same reason."""
        lines = []
        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), test_envoy.Sallyport):
            path = work(f"client-{len(lines)}.log")
            c = config([listener(1, [route_to("o")], hcm={**custom(reject_with_status={"code": "Forbidden"}), "access_log": log_to(path)},
                                 listener_filters=[proxy_protocol()])], [cluster("o", self.origin.port)])
            s = make(test_envoy.set_port(c, test_envoy.free_port()))
            self.assertEqual(self.ask(s.port, (), "192.0.2.5")[0], 403)
            s.stop(20)
            lines.append([(x["status"], x["details"], x["flags"]) for x in test_envoy_accept.log_lines(path)])
        self.assertEqual(lines[0], lines[1])


if __name__ == "__main__":
    unittest.main()
