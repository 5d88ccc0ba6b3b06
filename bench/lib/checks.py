# SPDX-License-Identifier: GPL-2.0-or-later
"""Before anything is timed: does the subject do what the scenario says? Raises Failed if not."""
import http.client
import json

import ask
from material import read
from procs import Failed

MIB = 1 << 20


def expect(true, text):
    if not true:
        raise Failed(text)


class Check:
    def __init__(self, scenario, subject):
        self.s, self.port, self.env = scenario, subject.port(scenario), subject.env
        self.profile, self.peer = scenario.profile, subject.name != "sallyport"

    def get(self, path="/", fields=(), **more):
        return ask.ask(self.port, self.env["CA"], path, fields, **more)

    def expect_status(self, want, what, path="/", fields=(), **more):
        answer = self.get(path, fields, **more)
        expect(answer.status in (want if isinstance(want, tuple) else (want,)), f"{what}: status {answer.status}")
        return answer

    def plain_h1(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        sockets = set()
        for _ in range(2):
            conn.request("GET", "/", headers={"Host": "gw.bench.test"})
            sockets.add(conn.sock)
            answer = conn.getresponse()
            expect(answer.status == 200 and answer.read() == b"x" * 1024, f"GET /: status {answer.status}")
        expect(len(sockets) == 1, "the connection is not kept")
        conn.close()

    def tls_h1up(self, protocol="HTTP/1.1"):
        answer = self.expect_status(200, f"GET {self.s.path}", self.s.path)
        expect(len(answer.body) == (self.s.length or 0), f"a body of {len(answer.body)} bytes")
        expect(answer.fields.get("x-up-proto") in (protocol, None) or len(answer.body) == MIB, f"the origin saw {answer.fields.get('x-up-proto')}")
        return answer

    def tls_mtls_up(self):
        expect(self.tls_h1up().fields.get("x-client-dn") == "CN=bench-gateway", "the origin saw no client certificate")

    def tls_h2up(self):
        expect(self.tls_h1up("HTTP/2.0").fields.get("x-up-proto") == "HTTP/2.0", "the origin was not asked over HTTP/2")

    def upload(self):
        answer = self.expect_status(200, "upload", "/upload", upload=MIB)
        expect(answer.body == b"received %010d\n" % MIB, f"upload: {answer.body[:40]}")

    def reload(self):
        expect(self.tls_h1up().fields.get("x-config-gen") == self.env["CONFIG_GEN"], "x-config-gen is missing")

    def routes(self):
        rows = [line.split("\t") for line in read(self.env["ROUTES_FILE"]).splitlines()]
        for prefix, _, at in rows[:4] + rows[-1:]:
            answer = self.expect_status(200, prefix, f"{prefix}items/1")
            expect(answer.fields.get("x-upstream-port") == at.rpartition(":")[2], f"{prefix} went to {answer.fields.get('x-upstream-port')}")
        self.expect_status(404, "a path that no route has", "/unknown")

    def shield(self):
        rows = [line.split("\t") for line in read(self.env["ROUTES_FILE"]).splitlines()]
        good = [f"x-origin-verify: {self.env['SECRET']}", "x-internal-debug: 1"]
        for prefix, _, at in rows[:4] + rows[-1:]:
            answer = self.expect_status(200, prefix, f"{prefix}items/1", good)
            expect(answer.fields.get("x-upstream-port") == at.rpartition(":")[2], f"{prefix} went to {answer.fields.get('x-upstream-port')}")
        echo = self.expect_status(200, "echo", f"{rows[0][0]}echo", good).body
        expect(echo == b"x-shield-id=bench-shield x-shield-proto=https x-origin-verify= x-internal-debug=", f"headers at the origin: {echo[:200]}")
        first = f"{rows[0][0]}x"
        self.expect_status(404, "a path that no route has", "/unknown", good)
        self.expect_status(403, "no secret", first, good[1:])
        self.expect_status(403, "a wrong secret", first, ["x-origin-verify: nope"])
        self.expect_status(403, "the secret and more", first, [good[0] + "x"])
        self.expect_status(403, "an address that is not listed", first, good, source="127.0.0.9")

    def expect_refusal(self, what, field):
        try:
            self.expect_status((401, 403), what, "/", [field])
        except Failed as e:
            # HAProxy 2.6 drops the connection after an RSA signature that is wrong: refused as well
            expect(self.peer and "EOF" in str(e), str(e))

    def tokens(self, alg):
        tokens = read(self.env[f"TOKENS_{alg}"]).splitlines()
        for token in (tokens[0], tokens[-1]):
            self.expect_status(200, "a good token", "/", [f"authorization: {token}"])
        for what, token in json.loads(read(self.env[f"BAD_TOKENS_{alg}"])).items():
            self.expect_refusal(f"a bad token ({what})", f"authorization: Bearer {token}")
        self.expect_status((401, 403), "no token")

    def jwt(self):
        self.tokens("ES256")

    def jwt_rs256(self):
        self.tokens("RS256")

    def run(self):
        getattr(self, self.profile)()


def check(scenario, subject):
    Check(scenario, subject).run()
