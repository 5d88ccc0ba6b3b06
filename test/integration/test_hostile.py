# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client behind the CDN, or a fellow tenant of it, tries: raw bytes over real sockets, and an origin that shows all it got."""
import base64
import hashlib
import hmac
import json
import re
import socket
import threading
import time
import unittest

from harness import (SECRET, SLOW, T, Sallyport, ca, cluster, config, free_port, good_token, jwt_filter, listener, raw, refused, route_to,
                     shield)

CLIENT = "cf-connecting-ip: 203.0.113.1\r\n"
PROOF = f"x-origin-verify: {SECRET}\r\n" + CLIENT


class Mirror:
    """An HTTP/1.1 origin that answers with the lines it got, trailers apart."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    @staticmethod
    def lines(f):
        found = []
        while (line := f.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = line.partition(":")
            found.append([name, value.strip()])
        return found

    def serve(self, c):
        with c, c.makefile("rb") as f:
            while f.readline():
                headers, trailers = self.lines(f), []
                if ["transfer-encoding", "chunked"] in headers:
                    while (n := int(f.readline(), 16)):
                        f.read(n + 2)
                    trailers = self.lines(f)
                text = json.dumps({"headers": headers, "trailers": trailers}).encode()
                c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text) + text)

    def stop(self):
        self.socket.close()


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Mirror()

    @classmethod
    def tearDownClass(cls):
        cls.origin.stop()

    def door(self, *filters, hcm=None):
        upstream = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}}
        door = Sallyport(config(
            [listener(free_port(), [route_to("o")], filters, hcm={"http_protocol_options": {"enable_trailers": True}, **(hcm or {})})],
            [cluster("o", self.origin.port, typed_extension_protocol_options=upstream)]))
        self.addCleanup(door.kill)
        return door

    def ask(self, door, head, body=""):
        """(status, what the origin got) of one request."""
        answer = raw(door.port, f"{head}host: a\r\nconnection: close\r\n\r\n{body}".encode("latin-1"))
        status = int(answer.split(b" ", 2)[1])
        return status, json.loads(answer.split(b"\r\n\r\n", 1)[1]) if status == 200 else None

    def test_trailers_are_no_headers(self):
        """An origin that takes trailers for headers would believe them."""
        door = self.door(shield(client_address={"header": "cf-connecting-ip"}),
                         jwt_filter(claim_to_headers=[{"header_name": "x-user", "claim_name": "sub"}]))
        names = ["x-origin-verify", "x_origin_verify", "cf-connecting-ip", "cf_connecting_ip", "x-user", "x_user", "x-forwarded-for",
                 "x_forwarded_for", "x-envoy-internal", "x-envoy-external-address", "x_request_id", "x_forwarded-client-cert"]
        trailers = "".join(f"{n}: 203.0.113.66\r\n" for n in names)
        head = f"POST / HTTP/1.1\r\n{PROOF}authorization: Bearer {good_token()}\r\ntransfer-encoding: chunked\r\n"
        status, got = self.ask(door, head, f"1\r\na\r\n0\r\nx-checksum: 1\r\n{trailers}\r\n")
        self.assertEqual(status, 200)
        self.assertEqual(got["trailers"], [["x-checksum", "1"]])
        self.assertIn(["x-user", "alice"], got["headers"])

    def test_underscores_make_no_other_header(self):
        """CGI, WSGI and others make the same variable of both."""
        door = self.door(shield(client_address={"header": "cf-connecting-ip"}))
        status, got = self.ask(door, f"GET / HTTP/1.1\r\n{PROOF}cf_connecting_ip: 203.0.113.66\r\nCF-Connecting_IP: 203.0.113.66\r\n")
        self.assertEqual(status, 200)
        self.assertEqual([v for n, v in got["headers"] if n.replace("_", "-") == "cf-connecting-ip"], ["203.0.113.1"])

    def test_one_signature_on_many_connections(self):
        """The same signed request, complete on all of them in the same instant: at most one passes."""
        key = "0123456789abcdef-of-the-edge"
        door = self.door(shield(proof={"akamai_g2o": {"keys": [{"nonce": "n", "secret": {"inline_string": key}}]}}))
        passed = []
        for n in range(10):
            data = f"5, 192.0.2.1, 203.0.113.1, {int(time.time())}, {n}.{time.time_ns()}, n"
            sign = base64.b64encode(hmac.new(key.encode(), (data + "/").encode(), hashlib.sha256).digest()).decode()
            request = (f"GET / HTTP/1.1\r\nhost: a\r\nx-akamai-g2o-auth-data: {data}\r\nx-akamai-g2o-auth-sign: {sign}\r\n\r\n").encode()
            clients = [socket.create_connection(("127.0.0.1", door.port), 5 * SLOW) for _ in range(8)]
            for c in clients:
                c.sendall(request[:-1])
            together = threading.Barrier(len(clients))
            threads = [threading.Thread(target=lambda c=c: (together.wait(), c.sendall(request[-1:]))) for c in clients]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            passed.append(sum(c.recv(12) == b"HTTP/1.1 200" for c in clients))
            for c in clients:
                c.close()
        self.assertLessEqual(max(passed), 1)
        self.assertGreaterEqual(sum(passed), 5)  # who comes in the very same instant may be refused

    def test_whom_others_can_be_certificates_are_not_believed_of(self):
        """A fellow tenant of the CDN has its addresses, a user his own Access token: neither shows others' certificates."""
        gate = {"name": "header_certificate", "typed_config": {
            "@type": T + "sallyport.filters.http.header_certificate.v1.HeaderCertificate", "header": "x-client-cert",
            "format": "URL_ENCODED_PEM", "validation_context": {"trusted_ca": {"filename": ca()}}}}
        peer = {"peer_address": {"cidrs": ["130.176.0.0/16"]}}
        secret = shield()["typed_config"]["proof"]
        second = dict(shield(proof=peer), name="second")

        def conf(*gates):
            return config([listener(free_port(), [route_to("o")], [*gates, gate])], [cluster("o", self.origin.port)])
        for gates in ([shield(proof=peer)], [shield(proof={"any_of": {"proofs": [peer, secret]}})], [shield(), second]):
            self.assertIn("can hold for any tenant of the CDN", refused(conf(*gates)))
        door = Sallyport(conf(shield(proof={"all_of": {"proofs": [peer, secret]}})))
        self.addCleanup(door.kill)

    def test_a_connection_proves_nothing(self):
        """Each request for itself, also in one packet, behind an exempted one or one that was good."""
        probe = {"path": {"exact": "/healthz"}, "cidrs": ["127.0.0.0/8"]}
        door = self.door(shield(exemptions=[probe]))
        good, bad, exempt = f"GET / HTTP/1.1\r\nhost: a\r\n{PROOF}\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", \
            "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
        body = f"GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: {len(good)}\r\n\r\n{good}"
        answer = raw(door.port, (exempt + bad + good + bad + body + bad + good).encode(), seconds=2)
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200", b"403", b"200", b"403", b"200", b"403", b"200"])
        self.assertEqual(door.stat("http.test.origin_shield.exempted"), 2)


if __name__ == "__main__":
    unittest.main()
