# SPDX-License-Identifier: GPL-2.0-or-later
"""Internal redirects: gates and filters decide anew, whatever an origin writes into its Location leads nowhere else, nothing is left behind."""
import os
import socket
import time
import unittest

from harness import (SECRET, SLOW, T, Sallyport, cluster, config, curl, downstream_tls, free_port, good_token, jwt_filter, listener, log_lines, log_to, raw, route_to,
                     shield, wait_for, work)
from scripted import Record, Scripted

PREDICATE = T + "envoy.extensions.internal_redirect."
PROOF = ["-H", "x-origin-verify: " + SECRET]


def allow(*names):
    return {"name": "allow", "typed_config": {"@type": PREDICATE + "allow_listed_routes.v3.AllowListedRoutesConfig", "allowed_route_names": list(names)}}


def named(name, route, **more):
    return {**route, "name": name, **more}


def follow(**policy):
    return {"internal_redirect_policy": policy}


def bearer(token):
    return ["-H", "authorization: Bearer " + token]


class Redirects(unittest.TestCase):
    def start(self, routes, filters=(), domains=("a.test",), hcm=None, tls=None, listeners=lambda door: [door], boot=None, **more):
        """Clusters a and b are one origin each, of that name."""
        self.record = Record()
        a, b = (Scripted(n, self.record) for n in "ab")
        for s in (a, b):
            self.addCleanup(s.stop)
        self.log = work(f"redirect-{time.time_ns()}.log")
        manager = {"access_log": log_to(self.log), **(hcm or {})}
        door = listener(free_port(), routes, filters, domains=domains, hcm=manager, tls=tls, **more)
        door = Sallyport({**config(listeners(door), [cluster("a", a.port), cluster("b", b.port)]), **(boot or {})}, concurrency=1)
        self.addCleanup(door.kill)
        return door

    def ask(self, door, steps, *args, path="/a", host="a.test", scheme="http"):
        key = os.urandom(4).hex()
        name, where = (host, ["--connect-to", f"{host}:{door.port}:127.0.0.1:{door.port}"]) if scheme == "https" else ("127.0.0.1", [])
        answer = curl(f"{scheme}://{name}:{door.port}{path}", *where, "-H", "host: " + host, "-H", "x-do: " + steps, "-H", "x-key: " + key, "--path-as-is", *args)
        return answer, self.record.of(key)

    def logged(self, n):
        wait_for("the access log", lambda: len(log_lines(self.log)) >= n)
        return [(x["status"], x["details"], x["path"], x["cluster"]) for x in log_lines(self.log)]

    def settled(self, door):
        """Nothing is under way any more."""
        names = ("http.test.downstream_rq_active", "cluster.a.upstream_rq_active", "cluster.b.upstream_rq_active")
        wait_for("all to end", lambda: not any(door.stat(n) for n in names))

    # --- decisions are made anew

    def test_gates(self):
        """The proof was stripped before the first origin; the second time it is there again. It never gets to an origin."""
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))], [shield()])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200", *PROOF)
        self.assertEqual((answer.status, answer.body, [s.server for s in seen]), (200, b"b", ["a", "b"]))
        self.assertFalse([s for s in seen if "x-origin-verify" in s.headers])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200")
        self.assertEqual((answer.status, seen), (403, []))
        self.assertEqual([x[:2] for x in self.logged(3)], [(302, "internal_redirect"), (200, "via_upstream"), (403, "origin_shield_refused{secret_header}")])
        self.assertEqual((door.stat("http.test.origin_shield.allowed"), door.stat("http.test.origin_shield.refused")), (2, 1))

    def test_exempted(self):
        """Who was let pass without a proof, for a path, is not let pass to another."""
        probe = {"exemptions": [{"path": {"exact": "/a"}, "cidrs": ["127.0.0.1"], "forward": True}]}
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))], [shield(**probe)])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200")
        self.assertEqual((answer.status, [s.server for s in seen]), (403, ["a"]))
        answer, seen = self.ask(door, "302+location=http://a.test/a,200")
        self.assertEqual((answer.status, [s.path for s in seen]), (200, ["/a", "/a"]))

    def test_tokens(self):
        """Of the route that it leads to: with a token, without one, and with the token that the first route took out."""
        jwt = jwt_filter()
        jwt["typed_config"]["rules"] = [{"match": {"prefix": p}, "requires": {"provider_name": "test"}} for p in ("/b", "/both")]
        routes = [named("both", route_to("a", "/both", **follow())), named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))]
        door = self.start(routes, [jwt])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200")
        self.assertEqual((answer.status, [s.server for s in seen]), (401, ["a"]))
        for path in ("/a", "/both"):
            answer, seen = self.ask(door, "302+location=http://a.test/b,200", *bearer(good_token()), path=path)
            self.assertEqual((answer.status, [s.server for s in seen]), (200, ["a", "b"]))
            self.assertNotIn("authorization", seen[1].headers)
        answer, seen = self.ask(door, "302+location=http://a.test/b,200", *bearer(good_token(aud="other")))
        self.assertEqual((answer.status, len(seen)), (403, 1))

    def test_credentials(self):
        """What a filter or a route put into the request for one origin is not sent to the other one."""
        injector = {"name": "inject", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", "overwrite": True, "credential": {
                "name": "g", "typed_config": {"@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {
                    "name": "key", "sds_config": {"path_config_source": {"path": self.secret()}}}}}}}
        off = {"typed_per_filter_config": {"inject": {"@type": T + "envoy.config.route.v3.FilterConfig", "disabled": True}}}
        mine = {"request_headers_to_add": [{"header": {"key": "x-for-a", "value": "1"}}]}
        door = self.start([named("a", route_to("a", "/a", **follow()), **mine), named("b", route_to("b"), **off)], [injector])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200", "-H", "authorization: of-the-client")
        self.assertEqual(answer.status, 200)
        self.assertEqual([s.headers.get("authorization") for s in seen], ["Bearer of-a", "of-the-client"])
        self.assertEqual([s.headers.get("x-for-a") for s in seen], ["1", None])

    @staticmethod
    def secret():
        path = work("credential.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write('resources: [{"@type": ' + T + 'envoy.extensions.transport_sockets.tls.v3.Secret, name: key, '
                    'generic_secret: {secret: {inline_string: "Bearer of-a"}}}]\n')
        return path

    def test_a_filter_moves_it(self):
        """The route that the predicates accepted is not the one that a filter then has it take."""
        jwt = jwt_filter(claim_to_headers=[{"header_name": "x-role", "claim_name": "role"}])
        jwt["typed_config"]["providers"]["test"]["clear_route_cache"] = True
        jwt["typed_config"]["rules"] = [{"match": {"prefix": "/b"}, "requires": {"provider_name": "test"}}]
        admin = named("admin", route_to("b", "/b"))
        admin["match"]["headers"] = [{"name": "x-role", "string_match": {"exact": "admin"}}]
        door = self.start([named("a", route_to("a", "/a", **follow(predicates=[allow("b")]))), admin, named("b", route_to("b", "/b"))], [jwt])
        answer, seen = self.ask(door, "302+location=http://a.test/b,200", *bearer(good_token(role="user")))
        self.assertEqual((answer.status, len(seen)), (200, 2))
        answer, seen = self.ask(door, "302+location=http://a.test/b,200", *bearer(good_token(role="admin")))
        self.assertEqual((answer.status, len(seen)), (502, 1))
        self.assertEqual(self.logged(4)[3][:2], (502, "internal_redirect_refused"))

    # --- where it leads

    def passed_on(self, door, location, *args, **more):
        """The client gets it as it is, and nobody else is asked."""
        answer, seen = self.ask(door, f"302+location={location},200", *args, **more)
        self.assertEqual((answer.status, answer.headers.get("location"), len(seen)), (302, location, 1), location)

    def test_hostile_locations(self):
        """A predicate is asked about the path as it will be taken, not as it is written."""
        rules = {"normalize_path": True, "merge_slashes": True}
        door = self.start([named("a", route_to("a", "/a", **follow(predicates=[allow("pub", "a")]))), named("pub", route_to("b", "/pub")), named("secret", route_to("b", "/secret"))],
                          hcm={**rules, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"})
        for path in ("/secret", "/pub/../secret", "/pub/%2e%2e/secret", "/pub/..%2fsecret", "/pub%2f..%2fsecret", "//secret", "/pub/..\\secret", "/pub/..;x/secret", "/./secret",
                     "/pub%00", "/none"):
            self.passed_on(door, "http://a.test" + path)
        for place in ("http://user:password@a.test/pub", "http://a.test@evil.test/pub", "http://evil.test/pub", "http://a.test:81/pub", "http://a.test.evil.test/pub",
                      "https://a.test/pub", "javascript://a.test/pub", "//a.test/pub", "/pub", "http://a.test\\@evil.test/pub", "http://[a.test]/pub",
                      "http://a.test%2f/pub", "http://a.test:0x50/pub", "http://a.test/pub x", "http://", "http:a.test/pub", "x" * 20000):
            self.passed_on(door, place)
        answer, seen = self.ask(door, "302+location=http://a.test/pub/x#/../../secret,200")
        self.assertEqual((answer.status, [s.path for s in seen]), (200, ["/a", "/pub/x"]))
        answer, seen = self.ask(door, "302+location=http://a.test/pub%0d%0ax-evil:%201,200")
        self.assertEqual((answer.status, seen[1].path, "x-evil" in seen[1].headers), (200, "/pub%0d%0ax-evil:%201", False))
        answer, seen = self.ask(door, "302+location=http://a.test/pub/" + "x" * 20000 + ",200")
        self.assertEqual((answer.status, len(seen[1].path)), (200, 20005))
        self.logged(11 + 17 + 3 * 2)  # no line more, and each can be read

    def test_two_locations(self):
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))])
        answer, seen = self.ask(door, "302+location=http://a.test/b+location=http://a.test/c,200")
        self.assertEqual((answer.status, len(seen)), (302, 1))

    def test_escaped_slashes(self):
        for action in ("REJECT_REQUEST", "UNESCAPE_AND_REDIRECT"):
            door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))], hcm={"path_with_escaped_slashes_action": action})
            self.passed_on(door, "http://a.test/b%2fc")
            self.assertEqual(door.stat("http.test.passthrough_internal_redirect_bad_location"), 1)

    def test_loops(self):
        door = self.start([named("a", route_to("a", "/a", **follow(max_internal_redirects=50)))])
        answer, seen = self.ask(door, "302+location=http://a.test/a")
        self.assertEqual((answer.status, len(seen)), (302, 51))
        self.assertEqual(door.stat("http.test.passthrough_internal_redirect_too_many_redirects"), 1)
        self.assertEqual([x[1] for x in self.logged(51)], ["internal_redirect"] * 50 + ["via_upstream"])

    def test_headers(self):
        """Nobody but the door says where a request was before; what it copies of an answer is sanitised as if the client had sent it."""
        door = self.start([named("a", route_to("a", "/a", **follow(response_headers_to_copy=["x-mine", "x-envoy-retry-on", "x-forwarded-for"]))), named("b", route_to("b"))],
                          hcm={"use_remote_address": True, "generate_request_id": True})
        answer, seen = self.ask(door, "302+location=http://a.test/b+x-mine=1+x-mine=2+x-envoy-retry-on=5xx+x-forwarded-for=9.9.9.9,200",
                                "-H", "x-envoy-original-url: http://evil.test/", "-H", "x-mine: 0", "-d", "x", "-H", "expect: 100-continue")
        self.assertEqual(answer.status, 200)
        first, second = (s.headers for s in seen)
        self.assertEqual([x.get("x-envoy-original-url") for x in (first, second)], [None, "http://a.test/a"])
        self.assertEqual(first["x-mine"], "0")
        self.assertEqual(second["x-mine"], "2")  # the later of two lines
        self.assertEqual((first["x-request-id"], seen[1].body, "expect" in second), (second["x-request-id"], 1, False))
        self.assertNotIn("x-envoy-retry-on", second)
        self.assertFalse(first["x-forwarded-for"].startswith("9.9"))

    def test_schemes(self):
        routes = lambda **policy: [named("a", route_to("a", "/a", **follow(**policy))), named("b", route_to("b"))]
        door = self.start(routes(), tls=downstream_tls(), domains=("localhost",))
        self.passed_on(door, "http://localhost/b", host="localhost", scheme="https")
        door = self.start(routes(allow_cross_scheme_redirect=True), tls=downstream_tls(), domains=("localhost",))
        answer, seen = self.ask(door, "302+location=http://localhost/b,200", host="localhost", scheme="https")
        self.assertEqual((answer.status, seen[1].headers["x-envoy-original-url"], seen[1].headers["x-forwarded-proto"]), (200, "https://localhost/a", "https"))

    def test_another_chain(self):
        """With answer_misdirected, a host that another filter chain of the listener serves is not served by this one's routes."""
        def both(door):
            other = listener(1, [named("x", route_to("b"))], tls=downstream_tls())["filter_chains"][0]
            other["filter_chain_match"] = {"server_names": ["b.test"]}
            door["filter_chains"][0]["filter_chain_match"] = {"server_names": ["localhost"]}
            door["filter_chains"].append(other)
            return [door]
        edge = {"bootstrap_extensions": [{"name": "e", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "answer_misdirected": True}}]}
        tls_inspector = {"listener_filters": [{"name": "i", "typed_config": {"@type": T + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]}
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))], domains=("*",), tls=downstream_tls(), listeners=both, boot=edge, **tls_inspector)
        self.passed_on(door, "https://b.test/b", host="localhost", scheme="https")
        self.assertEqual(door.stat("http.test.passthrough_internal_redirect_no_route"), 1)
        answer, seen = self.ask(door, "302+location=https://localhost/b,200", host="localhost", scheme="https")
        self.assertEqual((answer.status, len(seen)), (200, 2))

    # --- nothing is left behind

    def test_bodies(self):
        door = self.start([named("a", route_to("a", "/a", **follow(redirect_response_codes=[303, 307]))), named("b", route_to("b"))])
        for args in (["--http1.1"], ["--http2-prior-knowledge"], ["--http1.1", "-H", "transfer-encoding: chunked"]):
            for n in (1, 300000, 1048576, 1048577):
                with open(work("body"), "wb") as f:
                    f.write(b"x" * n)
                answer, seen = self.ask(door, "307+location=http://a.test/b,200", *args, "--data-binary", "@" + work("body"), "-H", "expect:")
                whole = n <= 1048576
                self.assertEqual((answer.status, [s.body for s in seen]), (200 if whole else 307, [n, n] if whole else [n]), (args, n))
                answer, seen = self.ask(door, "303+location=http://a.test/b,200", *args, "--data-binary", "@" + work("body"), "-H", "expect:")
                self.assertEqual([(s.method, s.body) for s in seen], [("POST", n), ("GET", 0)] if whole else [("POST", n)])
        answer, seen = self.ask(door, "now-307+location=http://a.test/b,200", "-d", "x")  # an answer before the request's end may be one to half of it
        self.assertIn((answer.status, len(seen)), [(307, 1), (200, 2)])
        self.settled(door)

    def test_connections_go_on(self):
        """The next request of a connection is another one."""
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))])
        one = lambda key, *more: "\r\n".join(["GET /a HTTP/1.1", "host: a.test", "x-do: 302+location=http://a.test/b,200", "x-key: " + key, *more, "", ""]).encode()
        got = raw(door.port, one("p1") + one("p2") + one("p3", "connection: close"))
        self.assertEqual((got.count(b"HTTP/1.1 200"), got.count(b"location")), (3, 0))
        self.assertEqual([len(self.record.of(k)) for k in ("p1", "p2", "p3")], [2, 2, 2])
        self.settled(door)

    def test_clients_leave(self):
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b"))])
        for steps in ("302+location=http://a.test/b,stall", "slow-300-302+location=http://a.test/b,200", "302+location=http://a.test/b,half-200"):
            s = socket.create_connection(("127.0.0.1", door.port))
            s.sendall(f"POST /a HTTP/1.1\r\nhost: a.test\r\nx-do: {steps}\r\ncontent-length: 5\r\n\r\nabcde".encode())
            time.sleep(0.2 * SLOW)
            s.close()
        self.settled(door)
        answer, seen = self.ask(door, "302+location=http://a.test/b,200")
        self.assertEqual((answer.status, len(seen)), (200, 2))

    def test_limits_of_time(self):
        """max_stream_duration is the whole request's, with all its redirects."""
        routes = [named("a", route_to("a", "/a", **follow(max_internal_redirects=50), max_stream_duration={"max_stream_duration": "1s"}))]
        door = self.start(routes)
        answer, seen = self.ask(door, "slow-300-302+location=http://a.test/a")
        self.assertEqual(answer.status, 504)
        self.assertIn(len(seen), range(1, 6))
        self.settled(door)

    def test_origins_fail(self):
        retry = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}
        door = self.start([named("a", route_to("a", "/a", **follow())), named("b", route_to("b", retry_policy=retry))])
        for steps, status, n in (("302+location=http://a.test/b,503,200", 200, 3), ("302+location=http://a.test/b,close,close", 503, 3),
                                 ("302+location=http://a.test/b,rst,200", 200, 3), ("302+location=http://a.test/b,302+location=http://a.test/a", 302, 2)):
            answer, seen = self.ask(door, steps, "-d", "body")
            self.assertEqual((answer.status, len(seen), {s.body for s in seen}), (status, n, {4}), steps)
        self.settled(door)

    def test_uncounted(self):
        """Where no route follows redirects, nothing is kept of a request: Set-Cookie, Location and all are the client's."""
        door = self.start([route_to("a")])
        self.passed_on(door, "http://a.test/b")
        self.assertEqual(door.stat("cluster.a.upstream_internal_redirect_failed_total"), 0)


if __name__ == "__main__":
    unittest.main()
