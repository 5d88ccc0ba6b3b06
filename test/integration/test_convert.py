# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport convert`: Kong's declarative files become configs that do what Kong's documents say, over real sockets; what is not carried
over is listed."""
import hashlib
import hmac
import json
import os
import re
import stat
import subprocess
import time
import unittest

from idp import Idp
from harness import BIN, SLOW, Nginx, Proc, b64url, ca, cert, connects, curl, free_port, wait_for, work

ORIGIN = ('listen 127.0.0.1:$PORT; location / { return 200 "$request_method $request_uri host=$http_host x=$http_x_a new=$http_x_new old=$http_x_old '
          'user=$http_x_user auth=$http_authorization\\n"; add_header x-from NAME; add_header server-secret s; }')


def convert(text, *args, name=None, out=True):
    """What it wrote (the path, or the text without -o), what it said, the exit code."""
    stem = name or f"kong-{time.time_ns()}"
    path, to = work(stem + ".yaml"), work(stem + "-door.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text if isinstance(text, str) else json.dumps(text))
    p = subprocess.run([BIN, "convert", path, *(["-o", to] if out else []), *args], capture_output=True, text=True, timeout=30 * SLOW, check=False)
    return (to if out else p.stdout), p.stderr, p.returncode


def hs256(secret, **claims):
    text = b64url(b'{"alg":"HS256","typ":"JWT"}') + "." + b64url(json.dumps(claims).encode())
    return text + "." + b64url(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


class Door:
    """What convert made of it, serving."""

    def __init__(self, kong, *args, patch=()):
        self.http, self.https, self.admin = free_port(), free_port(), free_port()
        self.path, self.said, code = convert(kong, "--http", str(self.http), "--https", str(self.https), *args)
        assert code == 0, self.said
        with open(self.path, encoding="utf-8") as f:
            self.text = f.read().replace("port_value: 9901", f"port_value: {self.admin}").replace("address: 0.0.0.0", "address: 127.0.0.1")
        for old, new in patch:
            self.text = self.text.replace(old, new)
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(self.text)
        p = subprocess.run([BIN, "validate", self.path], capture_output=True, text=True, timeout=30 * SLOW, check=False)
        assert p.returncode == 0, p.stderr + self.text
        self.proc = Proc("converted", [BIN, "-c", self.path, "--concurrency", "1"])
        wait_for("the converted door", lambda: connects(self.http))

    def get(self, path="/", *args, host="api.example.com", tls=False):
        scheme, port = ("https", self.https) if tls else ("http", self.http)
        return curl(f"{scheme}://{host}:{port}{path}", "--connect-to", f"{host}:{port}:127.0.0.1:{port}", "-H", f"host: {host}", "--path-as-is", *args)

    def kill(self):
        self.proc.kill()


class Convert(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a, cls.b = Nginx(ORIGIN.replace("NAME", "a")), Nginx(ORIGIN.replace("NAME", "b"))

    @classmethod
    def tearDownClass(cls):
        cls.a.kill()
        cls.b.kill()

    def door(self, kong, *args, patch=()):
        kong = {"_format_version": "3.0", **kong}
        d = Door(kong, *args, patch=patch)
        self.addCleanup(d.kill)
        return d

    def service(self, routes, name="a", path="", **more):
        origin = self.a if name[0] == "a" else self.b
        return {"name": name, "url": f"http://127.0.0.1:{origin.port}{path}", "routes": routes, **more}

    def names(self, d, path, *args, **kw):
        """Which origin answers."""
        a = d.get(path, *args, **kw)
        return a.headers.get("x-from", a.status)

    def test_order_of_routes(self):
        """Kong's, whatever stands first in the file."""
        d = self.door({"services": [
            self.service([{"name": "all", "paths": ["/"]}, {"name": "host", "hosts": ["only.example.com"]}], "a"),
            self.service([{"name": "long", "paths": ["/long/path"]}, {"name": "method", "methods": ["POST"], "paths": ["/"]},
                          {"name": "wild", "hosts": ["*.wild.test"], "paths": ["/w"]}], "b"),
            self.service([{"name": "short", "paths": ["/long"]}, {"name": "regex", "paths": ["~/long/path/\\d+"], "regex_priority": 1},
                          {"name": "exact", "hosts": ["x.wild.test"], "paths": ["/w"]}], "a2")]})
        get = lambda *args, **kw: self.names(d, *args, **kw)
        self.assertEqual(get("/x"), "a")
        self.assertEqual(get("/long/path/x"), "b")       # longer than /long
        self.assertEqual(get("/long/x"), "a")
        self.assertEqual(get("/long/path/7"), "a")       # an expression before any prefix
        self.assertEqual(get("/x", "-X", "POST"), "b")   # two criteria before one
        self.assertEqual(get("/w", host="y.wild.test"), "b")
        self.assertEqual(get("/w", host="x.wild.test"), "a")  # plain hosts before wildcards
        self.assertEqual(get("/elsewhere", host="x.wild.test"), "a")

    def test_hosts_and_headers(self):
        d = self.door({"services": [
            self.service([{"name": "prefix", "hosts": ["api.*"], "paths": ["/"]}], "a"),
            self.service([{"name": "suffix", "hosts": ["*.example.com"], "paths": ["/s"]}, {"name": "h", "headers": {"x-tenant": ["acme", "~*^b"]},
                                                                                         "paths": ["/"]}], "b")]})
        self.assertEqual(self.names(d, "/", host="api.test"), "a")
        self.assertEqual(self.names(d, "/", host="api.example.com"), "a")   # the other virtual host has it too
        self.assertEqual(self.names(d, "/s", host="api.example.com"), "b")
        self.assertEqual(self.names(d, "/", host="www.example.com"), 404)
        self.assertEqual(self.names(d, "/", host="other.test"), 404)
        for value, who in (("ACME", "b"), ("bee", "b"), ("acme2", 404)):
            self.assertEqual(self.names(d, "/", "-H", "x-tenant: " + value, host="other.test"), who)

    def test_paths(self):
        d = self.door({"services": [
            self.service([{"name": "strip", "paths": ["/strip"]}, {"name": "keep", "paths": ["/keep"], "strip_path": False},
                          {"name": "host", "paths": ["/host"], "preserve_host": True}, {"name": "expr", "paths": ["~/e/(?<n>\\d+)"]}], "a", "/api/")]})
        sent = lambda path: d.get(path).body.decode().split()[1]
        for path, to in (("/strip/x?q=1", "/api/x?q=1"), ("/strip", "/api"), ("/strip/", "/api/"), ("/stripped", "/api/ped"), ("/keep/x", "/api/keep/x"),
                         ("/e/12/x", "/api/x"), ("/strip/a/../b", "/api/b")):
            self.assertEqual(sent(path), to, path)
        self.assertIn(f"host=127.0.0.1:{self.a.port} ".encode(), d.get("/strip").body)
        self.assertIn(b"host=api.example.com ", d.get("/host").body)
        self.assertEqual(d.get("/strip%2fx").status, 400)
        names = re.findall(r'(?m)^ +- name: "(\w+)"\n +match:', d.text)
        self.assertEqual([names.count(n) for n in ("strip", "keep", "host", "expr")], [1, 1, 1, 2], d.text)
        line = wait_for("the access log", lambda: re.search(r'\{.*"path":"/strip/x\?q=1".*\}', d.proc.log()))
        self.assertEqual({k: v for k, v in json.loads(line.group(0)).items() if k not in ("time", "details")}, {
            "client": "127.0.0.1", "method": "GET", "path": "/strip/x?q=1", "route": "strip", "status": 200})

    def test_old_format(self):
        d = Door({"_format_version": "1.1", "services": [self.service([{"name": "expr", "paths": ["/n/\\d+$"]}])]})
        self.addCleanup(d.kill)
        self.assertEqual([d.get(p).status for p in ("/n/12", "/n/x")], [200, 404])

    def test_transformers(self):
        change = {"remove": {"headers": ["x-gone"]}, "rename": {"headers": ["x-old:x-new"]}, "replace": {"headers": ["x-user:replaced"]},
                  "add": {"headers": ["x-a:added 100%"], "querystring": ["k:v w"]}, "append": {"querystring": ["l:m"]}}
        d = self.door({"services": [self.service([{"name": "r", "paths": ["/"]}], plugins=[
            {"name": "request-transformer", "config": change},
            {"name": "response-transformer", "config": {"remove": {"headers": ["server-secret"]}, "add": {"headers": ["x-answer:42"]}}}])]})
        a = d.get("/x?k=1", "-H", "x-old: o", "-H", "x-user: me")
        self.assertIn(b"GET /x?k=1&l=m ", a.body)
        self.assertIn(b"x=added 100% new=o old= user=replaced ", a.body)
        self.assertEqual(a.headers["x-answer"], "42")
        self.assertNotIn("server-secret", a.headers)
        a = d.get("/", "-H", "x-a: mine")
        self.assertIn(b"x=mine new= old= user= ", a.body)   # add and replace leave alone, as in Kong
        self.assertIn(b"GET /?k=v%20w&l=m ", a.body)

    def test_rate_limiting(self):
        d = self.door({"services": [self.service([{"name": "r", "paths": ["/r"]}, {"name": "s", "paths": ["/s"]}], plugins=[
            {"name": "rate-limiting", "config": {"minute": 3, "policy": "local", "limit_by": "ip", "error_code": 429}}]),
            self.service([{"name": "free", "paths": ["/free"]}], "b")]})
        self.assertEqual([d.get(p).status for p in ("/r", "/s", "/r", "/s")], [200, 200, 200, 429])  # a service's routes share it
        self.assertEqual(d.get("/free").status, 200)

    def test_ip_restriction(self):
        glob = {"plugins": [{"name": "ip-restriction", "config": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.5"]}}]}
        d = self.door({"services": [self.service([{"name": "r", "paths": ["/"]}])], **glob})
        self.assertIn("sallyport.filters.http.ip_restriction.v1", d.text)
        self.assertEqual(d.get("/").status, 200)
        self.assertEqual(d.get("/", "--interface", "127.0.0.5").status, 403)
        d = self.door({"services": [self.service([{"name": "r", "paths": ["/"]}, {"name": "o", "paths": ["/open"], "plugins": [
            {"name": "ip-restriction", "config": {"allow": ["10.0.0.1"]}}]}])], **glob})
        self.assertEqual([d.get("/").status, d.get("/open").status], [200, 403])  # the narrower one counts alone
        self.assertEqual(d.get("/", "--interface", "127.0.0.5").status, 403)

    def test_jwt_and_acl(self):
        secrets = {"alice": "alice-secret-0123456789-0123456789", "bob": "bob-secret-0123456789-01234567890"}
        d = self.door({
            "services": [self.service([{"name": "open", "paths": ["/open"]},
                                       {"name": "jwt", "paths": ["/jwt"], "plugins": [{"name": "jwt", "config": {"claims_to_verify": ["exp"]}}]},
                                       {"name": "acl", "paths": ["/acl"], "plugins": [{"name": "jwt"}, {"name": "acl", "config": {"allow": ["staff"]}}]}])],
            "consumers": [{"username": n, "jwt_secrets": [{"key": n + "-iss", "secret": s}],
                           **({"acls": [{"group": "staff"}]} if n == "alice" else {})} for n, s in secrets.items()]})

        def ask(path, who, **claims):
            token = hs256(secrets[who], iss=who + "-iss", **claims)
            return d.get(path, "-H", "authorization: Bearer " + token).status
        later = int(time.time()) + 600
        self.assertEqual(d.get("/open").status, 200)
        self.assertEqual(d.get("/jwt").status, 401)
        self.assertEqual([ask("/jwt", "alice", exp=later), ask("/jwt", "bob", exp=later), ask("/jwt", "bob")], [200, 200, 401])
        self.assertEqual(d.get("/jwt", "-H", "authorization: Bearer " + hs256("another-secret-0123456789-012345678", iss="bob-iss", exp=later)).status, 401)
        self.assertIn(ask("/acl", "bob"), (401, 403))
        self.assertEqual(ask("/acl", "alice"), 200)
        self.assertEqual(d.get("/jwt?jwt=" + hs256(secrets["bob"], iss="bob-iss", exp=later)).status, 200)
        for path in re.findall(r'filename: "([^"]+\.jwks)"', d.text):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_tls_and_client_certificates(self):
        chain, key = cert("kong-door", san="DNS:api.example.com,DNS:sni.example.com")
        text = lambda path: open(path, encoding="ascii").read()
        kong = {"certificates": [{"id": "c1", "cert": text(chain), "key": text(key), "snis": [{"name": "api.example.com"}]}],
                "ca_certificates": [{"id": "ca1", "cert": text(ca("kong-cdn"))}],
                "services": [self.service([{"name": "r", "paths": ["/"], "protocols": ["https"], "https_redirect_status_code": 301},
                                           {"name": "t", "hosts": ["t.test"], "paths": ["/tls"], "protocols": ["https"]},
                                           {"name": "m", "hosts": ["api.example.com", "m.test"], "paths": ["/m"], "plugins": [{"name": "mtls-auth", "config": {"ca_certificates": ["ca1"],
                                                                                                                 "skip_consumer_lookup": True}}]}], "a"),
                             self.service([{"name": "s", "paths": ["/"], "snis": ["sni.example.com"], "protocols": ["https"],
                                            "https_redirect_status_code": 301}], "b")]}
        d = self.door(kong)
        a = d.get("/x")
        self.assertEqual((a.status, a.headers["location"]), (301, f"https://api.example.com:{d.https}/x"))
        self.assertEqual(d.get("/tls", host="t.test").status, 426)
        self.assertEqual(d.get("/m", host="m.test").status, 403)  # there are no certificates without TLS
        self.assertEqual(self.names(d, "/x", tls=True), "a")
        self.assertEqual(self.names(d, "/x", host="sni.example.com", tls=True), "b")
        good, bad = cert("kong-client", by="kong-cdn"), cert("kong-stranger")
        self.assertEqual(d.get("/m", tls=True).status, 403)
        self.assertEqual(d.get("/m", "--cert", good[0], "--key", good[1], tls=True).status, 200)
        self.assertEqual(d.get("/m", "--cert", bad[0], "--key", bad[1], tls=True).status, 0)
        whole = self.door({**kong, "services": [self.service([{"name": "r", "paths": ["/"]}])],
                           "plugins": [{"name": "mtls-auth", "config": {"ca_certificates": ["ca1"], "skip_consumer_lookup": True}}]})
        self.assertEqual(whole.get("/", tls=True).status, 0)
        self.assertEqual(whole.get("/", "--cert", good[0], "--key", good[1], tls=True).status, 200)

    def test_upstreams_and_upstream_tls(self):
        chain, key = cert("kong-origin", san="DNS:localhost,IP:127.0.0.1")
        pair = cert("kong-to-origin", by="kong-origin-ca")
        text = lambda path: open(path, encoding="ascii").read()
        origin = Nginx(f'listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_verify_client on; '
                       f'ssl_client_certificate {ca("kong-origin-ca")}; location / {{ return 200 "$ssl_client_s_dn"; }}')
        self.addCleanup(origin.kill)
        secure = {"name": "tls", "protocol": "https", "host": "127.0.0.1", "port": origin.port, "tls_verify": True, "ca_certificates": ["good"],
                  "client_certificate": {"id": "mine"}, "routes": [{"name": "tls", "paths": ["/tls"]}]}
        wrong = {**secure, "name": "wrong", "ca_certificates": ["other"], "routes": [{"name": "wrong", "paths": ["/wrong"]}]}
        d = self.door({
            "certificates": [{"id": "mine", "cert": text(pair[0]), "key": text(pair[1])}],
            "ca_certificates": [{"id": "good", "cert": text(ca())}, {"id": "other", "cert": text(ca("kong-other"))}],
            "upstreams": [{"name": "both", "algorithm": "least-connections", "targets": [{"target": f"127.0.0.1:{self.a.port}", "weight": 100},
                                                                                       {"target": f"127.0.0.1:{self.b.port}", "weight": 100}],
                           "healthchecks": {"active": {"http_path": "/up", "healthy": {"interval": 1, "successes": 1, "http_statuses": [200, 201, 302]},
                                                       "unhealthy": {"interval": 1, "http_failures": 2}}}}],
            "services": [secure, wrong, {"name": "up", "host": "both", "routes": [{"name": "up", "paths": ["/up"]}]}]})
        self.assertEqual(d.get("/tls").body, b"CN=kong-to-origin")
        self.assertEqual(d.get("/wrong").status, 503)
        wait_for("both origins", lambda: {self.names(d, "/up") for _ in range(20)} == {"a", "b"})
        self.assertIn("expected_statuses: [{start: 200, end: 202}, {start: 302, end: 303}]", d.text)

    def test_termination_and_no_service(self):
        d = self.door({"services": [self.service([{"name": "r", "paths": ["/"]}, {"name": "t", "paths": ["/t"], "plugins": [
            {"name": "request-termination", "config": {"status_code": 418, "message": "no tea"}}]}])],
            "routes": [{"name": "lonely", "paths": ["/lonely"]}]})
        a = d.get("/t")
        self.assertEqual((a.status, json.loads(a.body), a.headers["content-type"]), (418, {"message": "no tea"}, "application/json"))
        self.assertEqual([d.get("/lonely").status, d.get("/").status], [503, 200])

    def test_nowhere_to_write(self):
        path, _, _ = convert({"_format_version": "3.0", "services": [self.service([{"name": "r", "paths": ["/"]}])]}, out=False)
        self.assertIn("static_resources", path)
        with open(work("kong-full.yaml"), "w", encoding="utf-8") as f:
            json.dump({"_format_version": "3.0", "services": [self.service([{"name": "r", "paths": ["/"]}])]}, f)
        with open("/dev/full", "w", encoding="utf-8") as full:
            p = subprocess.run([BIN, "convert", work("kong-full.yaml")], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30 * SLOW, check=False)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("cannot write the standard output: No space left on device", p.stderr)

    def test_nothing_is_dropped_in_silence(self):
        kong = {"_format_version": "3.0",
                "services": [self.service([{"name": "r", "paths": ["/"], "response_buffering": False, "sources": [{"ip": "10.0.0.1"}]}], future=1)],
                "plugins": [{"name": "http-log", "config": {"http_endpoint": "http://x"}}, {"name": "made-up"},
                            {"name": "rate-limiting", "config": {"minute": 5, "limit_by": "consumer", "policy": "redis"}},
                            {"name": "cors", "consumer": "alice", "config": {}},
                            {"name": "pre-function", "config": {"access": ["if kong.request.get_header('X-Origin-Verify') ~= 'x' then return kong.response.exit(403) end"]}},
                            {"name": "request-transformer", "config": {"add": {"body": ["a:b"], "headers": ["x:y"]}, "http_method": "GET"}},
                            {"name": "ip-restriction", "config": {"allow": ["10.0.0.0/8"], "status": 404}}],
                "upstreams": [{"name": "u", "hash_on": "ip", "algorithm": "consistent-hashing",
                               "healthchecks": {"passive": {"unhealthy": {"http_failures": 3}}}}],
                "consumer_groups": [{"name": "g"}], "licenses": [{"id": "x"}]}
        to, said, code = convert(kong)
        self.assertEqual(code, 0, said)
        for words in ("response_buffering", "sources", "future", "http-log", "made-up", "for one consumer only", "header X-Origin-Verify", "{secret_header: {name: X-Origin-Verify, secrets: [{name: cdn, value: {filename: ", "THE ROUTE IS OPEN",
                      "add: body", "http_method", "ip-restriction: status", "consumer_groups", "licenses", "counted by client address", "each door counts"):
            self.assertIn(words, said)
        self.assertRegex(said, r"kong-\d+\.yaml:\d+:\d+: not carried over: ")
        self.assertEqual(convert(kong, "--strict")[2], 1)
        clean = {"_format_version": "3.0", "services": [self.service([{"name": "r", "paths": ["/"]}])]}
        self.assertEqual(convert(clean, "--strict")[2], 0)

    def test_a_lost_guard_closes_its_routes(self):
        d = self.door({"services": [self.service([{"name": "open", "paths": ["/open"]}, {"name": "b", "paths": ["/b"], "plugins": [{"name": "ldap-auth"}]},
                                                  {"name": "j", "paths": ["/j"], "plugins": [{"name": "jwt"}]},
                                                  {"name": "x", "paths": ["/x"], "plugins": [{"name": "acl", "config": {"allow": ["g"]}}]},
                                                  {"name": "anon", "paths": ["/anon"], "plugins": [{"name": "ldap-auth", "config": {"anonymous": "nobody"}}]}])]})
        self.assertEqual([d.get(p).status for p in ("/open", "/b", "/j", "/x", "/anon")], [200, 403, 403, 403, 200])
        self.assertEqual(d.said.count("answers 403 until you guard it otherwise"), 3)

    def test_keys_and_passwords(self):
        d = self.door({
            "services": [self.service([{"name": n, "paths": ["/" + n], "plugins": [{"name": auth, "config": config}, *acl]} for n, auth, config, acl in (
                ("key", "key-auth", {"key_names": ["x-key"], "hide_credentials": True}, []),
                ("keyacl", "key-auth", {"key_names": ["x-key"]}, [{"name": "acl", "config": {"allow": ["staff"]}}]),
                ("basic", "basic-auth", {}, []), ("basicacl", "basic-auth", {}, [{"name": "acl", "config": {"deny": ["staff"]}}]),
                ("nobody", "basic-auth", {}, [{"name": "acl", "config": {"allow": ["none"]}}]))])],
            "consumers": [{"username": "alice", "acls": [{"group": "staff"}], "keyauth_credentials": [{"key": "key-of-alice-0123456789"}],
                           "basicauth_credentials": [{"username": "al", "password": "secret-a"}]},
                          {"username": "bob", "keyauth_credentials": [{"key": "key-of-bob-0123456789"}],
                           "basicauth_credentials": [{"username": "bo", "password": "secret-b"}]}]})
        if "api_key_auth" not in d.text:
            self.assertIn("this program has no such filter", d.said)
            self.assertEqual([d.get(p).status for p in ("/key", "/basic")], [403, 403])
            return
        key = lambda path, name: d.get(path, "-H", f"x-key: key-of-{name}-0123456789").status
        self.assertEqual([d.get("/key").status, key("/key", "alice"), key("/key", "bob"), key("/key", "eve")], [401, 200, 200, 401])
        self.assertEqual(d.get("/key?x-key=key-of-bob-0123456789").status, 200)
        self.assertEqual([key("/keyacl", "alice"), key("/keyacl", "bob")], [200, 403])
        basic = lambda path, user: d.get(path, "-u", user).status
        self.assertEqual([d.get("/basic").status, basic("/basic", "al:secret-a"), basic("/basic", "al:secret-b")], [401, 200, 401])
        self.assertEqual([basic("/basicacl", "al:secret-a"), basic("/basicacl", "bo:secret-b"), basic("/nobody", "bo:secret-b")], [401, 200, 403])

    def test_cors_and_sizes(self):
        d = self.door({"services": [self.service([
            {"name": "c", "paths": ["/cors"], "plugins": [{"name": "cors", "config": {"origins": ["https://app.example.com"], "methods": ["GET", "PUT"],
                                                                                     "headers": ["x-a"], "credentials": True, "max_age": 60}}]},
            {"name": "s", "paths": ["/size"], "plugins": [{"name": "request-size-limiting", "config": {"allowed_payload_size": 1, "size_unit": "kilobytes"}}]},
            {"name": "r", "paths": ["/"]}])]})
        if "cors.v3.Cors" not in d.text:
            self.assertEqual(d.said.count("this program has no such filter"), 2)
            return
        a = d.get("/cors", "-X", "OPTIONS", "-H", "origin: https://app.example.com", "-H", "access-control-request-method: PUT")
        self.assertEqual((a.headers["access-control-allow-origin"], a.headers["access-control-allow-credentials"], a.headers["access-control-max-age"]),
                         ("https://app.example.com", "true", "60"))
        self.assertNotIn("access-control-allow-origin", d.get("/cors", "-H", "origin: https://evil.example.com").headers)
        self.assertNotIn("access-control-allow-origin", d.get("/", "-H", "origin: https://app.example.com").headers)
        self.assertEqual([d.get(p, "-d", "x" * 2000).status for p in ("/size", "/")], [413, 200])

    def test_openid_connect(self):
        kong = {"_format_version": "3.0", "services": [self.service([{"name": "r", "paths": ["/"], "plugins": [{"name": "openid-connect", "config": {
            "issuer": "https://127.0.0.1:1/realm/.well-known/openid-configuration", "auth_methods": ["bearer"], "audience_required": ["api"],
            "scopes_required": ["a b", "admin"], "scopes_claim": ["scp"], "upstream_headers_claims": ["sub"], "upstream_headers_names": ["x-user"]}}]}])]}
        to, said, code = convert(kong, "--strict")
        self.assertEqual(code, 0, said)
        with open(to, encoding="utf-8") as f:
            text = f.read()
        for words in ('issuer: "https://127.0.0.1:1/realm"', 'audiences: ["api"]', '{scopes: {all_of: ["a", "b"]}}', '{scopes: {all_of: ["admin"]}}',
                      'scope_claims: ["scp"]', '{header_name: "x-user", claim_name: "sub"}', "sallyport.oidc.v1.Issuers"):
            self.assertIn(words, text)
        p = subprocess.run([BIN, "validate", to], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(p.returncode, 0, p.stderr + text)

    def test_openid_connect_against_an_issuer(self):
        idp = Idp()
        self.addCleanup(idp.kill)
        config = {"issuer": idp.issuer, "auth_methods": ["bearer"], "audience_required": ["urn:api:jwt"], "scopes_required": ["read write", "admin"],
                  "upstream_headers_claims": ["client_id"], "upstream_headers_names": ["x-user"]}
        kong = {"services": [self.service([{"name": "r", "paths": ["/"], "plugins": [{"name": "openid-connect", "config": config}]},
                                           {"name": "o", "paths": ["/open"]}])]}
        # The harness's issuer: its CA, and no DNS.
        d = self.door(kong, patch=[("/etc/ssl/certs/ca-certificates.crt", ca()), ("type: STRICT_DNS", "type: STATIC"),
                                   ('address: "localhost"', "address: 127.0.0.1")])
        ask = lambda *args, path="/", **kw: d.get(path, "-H", "authorization: Bearer " + idp.token(**kw), "-H", "x-user: mallory")
        a = ask(resource="urn:api:jwt", scope="read write")
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"user=caller auth= ", a.body.replace(b"auth=\n", b"auth= "))
        self.assertEqual(ask(resource="urn:api:jwt", scope="admin").status, 200)
        self.assertEqual(ask(resource="urn:api:jwt", scope="read").status, 403)
        self.assertEqual(ask(resource="urn:api:jwt:es256", scope="admin").status, 403)
        self.assertEqual([d.get("/").status, d.get("/open").status], [401, 200])

    def test_vaults_and_stdout(self):
        kong = {"_format_version": "3.0", "vaults": [{"name": "env", "prefix": "my", "config": {"prefix": "SP_"}}],
                "certificates": [{"cert": "{vault://my/door-cert}", "key": "{vault://hcv/door/key}", "snis": [{"name": "api.example.com"}]}],
                "services": [self.service([{"name": "r", "paths": ["/"]}])]}
        text, said, code = convert(kong, out=False)
        self.assertEqual(code, 0, said)
        self.assertIn('certificate_chain: {environment_variable: "SP_DOOR_CERT"}', text)
        self.assertIn('private_key: {filename: "/etc/sallyport/api.example.com.key"}', text)
        self.assertIn("is in a vault", said)
        chain, key = cert("kong-inline")
        kong["certificates"] = [{"cert": open(chain, encoding="ascii").read(), "key": open(key, encoding="ascii").read()}]
        text, said, code = convert(kong, out=False)
        self.assertIn('{inline_string: "-----BEGIN CERTIFICATE-----\\n', text)

    def test_references_and_flat_form(self):
        d = self.door({"services": [{"id": "s-1", "name": "a", "url": f"http://127.0.0.1:{self.a.port}"}],
                       "routes": [{"id": "r-1", "service": {"id": "s-1"}, "paths": ["/"]}, {"name": "two", "service": "a", "paths": ["/two"]}],
                       "plugins": [{"name": "request-termination", "route": {"name": "two"}, "config": {"status_code": 410}},
                                   {"name": "request-transformer", "service": "a", "config": {"add": {"headers": ["x-a:flat"]}}},
                                   {"name": "request-termination", "enabled": False, "config": {}}]})
        self.assertIn(b"x=flat ", d.get("/").body)
        self.assertEqual(d.get("/two").status, 410)

    def test_what_is_no_such_file(self):
        for text, words in (("services: []\n", "no _format_version"), ("_format_version: \"9.0\"\n", "is not known"), ("a: [", "this is not YAML"), ("[]\n", "declarative")):
            _, said, code = convert(text)
            self.assertEqual(code, 1)
            self.assertIn(words, said)
        p = subprocess.run([BIN, "convert"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(p.returncode, 2)
        clean = {"_format_version": "3.0", "services": [self.service([{"name": "r", "paths": ["/"]}])]}
        text, _, code = convert(clean, "--http=81", "--https=0", out=False)
        self.assertEqual((code, re.findall(r"address: 0.0.0.0, port_value: (\d+)", text)), (0, ["81"]))
        for args, words in ((["--http", "x"], '--http: "x" is not a port'), (["--https=70000"], "is not a port"), (["--http"], "--http needs a value"),
                            (["--strict=yes"], "--strict takes no value"), (["--nonsense"], "unknown argument --nonsense"), (["y"], "one file, please"),
                            (["--output="], "is not a file")):
            _, said, code = convert(clean, *args, out=False)
            self.assertEqual(code, 2, args)
            self.assertIn(words, said)
        p = subprocess.run([BIN, "convert", "--help"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(p.returncode, 0)


if __name__ == "__main__":
    unittest.main()
