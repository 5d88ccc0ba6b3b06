# SPDX-License-Identifier: GPL-2.0-or-later
"""claims_authz behind jwt_authn and token_introspection in one chain: whose claims count, by route, over HTTP/1.1 and HTTP/2."""
import http.server
import json
import threading
import time
import unittest
import urllib.parse

from echo import Echo
from harness import T, Sallyport, cluster, config, curl, free_port, jwks, listener, log_lines, log_to, route_to, token, wait_for, work

CLAIMS = T + "sallyport.filters.http.claims_authz.v1."
OPAQUE = {"clerk": {"active": True, "sub": "carol", "scope": "orders:read orders:write", "tenant": "acme"},
          "reader": {"active": True, "sub": "rita", "scope": "orders:read", "tenant": ["acme", "other"]},
          "odd": {"active": True, "sub": "odd", "scp": [7, ["orders:read"]], "tenant": {"acme": True}},
          "gone": {"active": False, "scope": "orders:read", "tenant": "acme"}}


class Introspection(http.server.ThreadingHTTPServer):
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            body = json.dumps(OPAQUE.get(form["token"][0], {"active": False})).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


def filters(idp):
    jwt = {"@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
           "providers": {"p": {"issuer": "i", "local_jwks": {"inline_string": jwks()}, "payload_in_metadata": "claims",
                               "from_headers": [{"name": "x-jwt"}]}},
           "rules": [{"match": {"prefix": "/extract"}, "requires": {"extract_only_without_validation": {}}},
                     {"match": {"prefix": "/"}, "requires": {"allow_missing_or_failed": {}}}]}
    tokens = {"@type": T + "sallyport.filters.http.token_introspection.v1.TokenIntrospection",
              "client_auth": {"basic": {"client_id": "door", "client_secret": {"inline_string": "a-secret-of-the-door"}}},
              "endpoint": {"uri": f"http://127.0.0.1:{idp.port}/introspect", "cluster": "idp", "timeout": "2s"},
              "required": False, "jwt": "SKIP", "verified_jwt": {"keys": ["claims"]}, "payload_in_metadata": "token"}
    claims = {"@type": CLAIMS + "ClaimsAuthz",
              "sources": [{"key": "claims"}, {"metadata_namespace": "sallyport.filters.http.token_introspection", "key": "token"}],
              "requires": {"scopes": {"all_of": ["orders:read"]}},
              "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}, {"header_name": "x-tenant", "claim_name": "tenant"}]}
    return [{"name": "jwt", "typed_config": jwt}, {"name": "tokens", "typed_config": tokens}, {"name": "claims", "typed_config": claims}]


class Claims(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin, cls.idp = Echo(), Introspection()
        override = lambda **c: {"typed_per_filter_config": {"claims": {"@type": CLAIMS + "ClaimsAuthzPerRoute", **c}}}
        write = {"all_of": {"requirements": [{"tenant": {"path_segment": 1}}, {"scopes": {"all_of": ["orders:read", "orders:write"]}}]}}
        routes = [{**route_to("o", "/public"), **override(disabled=True)}, {**route_to("o", "/t/"), **override(requires=write)}, route_to("o")]
        cls.log, port = work("claims.log"), free_port()
        hcm = {"normalize_path": True, "merge_slashes": True, "access_log": log_to(cls.log)}
        cls.door = Sallyport(config([listener(port, routes, filters(cls.idp), hcm=hcm)],
                                    [cluster("o", cls.origin.port), cluster("idp", cls.idp.port)]), concurrency=1)

    @classmethod
    def tearDownClass(cls):
        cls.door.stop()
        cls.origin.stop()
        cls.idp.shutdown()

    def ask(self, path, opaque=None, jwt=None, extra=(), key="jwt"):
        """(status, challenge, what the origin was told) of both protocols, which have to agree."""
        args = ["-H", "x-user: mallory", "-H", "x_user: mallory", "-H", "x-tenant: evil", *extra]
        if opaque:
            args += ["-H", "authorization: Bearer " + opaque]
        if jwt is not None:
            args += ["-H", "x-jwt: " + token({"iss": "i", "exp": int(time.time()) + 600, **jwt}, name=key)]
        got = []
        for version in ("--http1.1", "--http2-prior-knowledge"):
            a = curl(f"http://127.0.0.1:{self.door.port}{path}", version, "--path-as-is", *args)
            told = {}
            if a.status == 200:
                told = {k: v for k, v in json.loads(a.body)["headers"] if k in ("x-user", "x_user", "x-tenant")}
            got.append((a.status, a.headers.get("www-authenticate"), told))
        self.assertEqual(got[0], got[1])
        return got[0]

    def test_whose_claims(self):
        challenge = 'Bearer realm="api", error="insufficient_scope", scope="%s"'
        alice = {"sub": "alice", "scope": "orders:read", "tenant": "acme"}
        self.assertEqual(self.ask("/", opaque="reader")[::2], (200, {"x-user": "rita", "x-tenant": "WyJhY21lIiwib3RoZXIiXQ=="}))
        self.assertEqual(self.ask("/", jwt=alice)[::2], (200, {"x-user": "alice", "x-tenant": "acme"}))
        self.assertEqual(self.ask("/"), (401, 'Bearer realm="api"', {}))
        self.assertEqual(self.ask("/", opaque="gone")[0], 401)  # the other filter's answer
        self.assertEqual(self.ask("/", opaque="odd")[:2], (403, challenge % "orders:read"))
        self.assertEqual(self.ask("/", jwt={"sub": "bob", "scope": "orders"})[:2], (403, challenge % "orders:read"))
        # A JWT that is no good is nobody's word, whatever it says.
        self.assertEqual(self.ask("/", jwt={**alice, "exp": 1})[0], 401)
        # Claims that were only taken out, by a rule that asks for no more, are not verified ones.
        self.assertEqual(self.ask("/extract", jwt=alice)[0], 200)
        self.assertEqual(self.ask("/extract", jwt=alice, key="forger")[0], 401)
        self.assertEqual(self.ask("/", jwt=alice, key="forger")[0], 401)
        # Two tokens, of two people: nobody guesses.
        self.assertEqual(self.ask("/t/acme/x", opaque="clerk", jwt=alice)[0], 400)

    def test_tenant_and_routes(self):
        self.assertEqual(self.ask("/t/acme/x", opaque="clerk")[::2], (200, {"x-user": "carol", "x-tenant": "acme"}))
        for path in ("/t/evil/x", "/t/acme/../evil/x", "/t//evil", "/t/%65vil/", "/t/ACME/", "/t/acme%2f..%2fevil/", "/t/acme;a/"):
            self.assertEqual(self.ask(path, opaque="clerk")[0], 403, path)
        self.assertEqual(self.ask("/x/../t/acme/x", opaque="reader")[1],
                         'Bearer realm="api", error="insufficient_scope", scope="orders:write"')
        self.assertEqual(self.ask("/t/other/x", opaque="odd")[0], 403)
        self.assertEqual(self.ask("/public"), (200, None, {}))  # nothing is required, and nobody forges
        self.assertEqual(self.ask("/public", opaque="reader")[2]["x-user"], "rita")
        wait_for("the log", lambda: any(x["details"] == "claims_authz_denied{tenant,scope:orders:read,scope:orders:write}"
                                        for x in log_lines(self.log)))
        self.assertGreater(self.door.stat("http.test.claims_authz.denied"), 0)


if __name__ == "__main__":
    unittest.main()
