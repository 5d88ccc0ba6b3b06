# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/observability: the config serves, Prometheus's own promtool takes configs, rules and the board's expressions, each alert
says what its test says, and every metric that one of them names is there in what a door serves."""
import json
import os
import re
import shutil
import subprocess
import unittest

import yaml

from example import Example, door_files
from harness import ROOT, SLOW, T, Sallyport, ca, cert, cluster, config, curl, free_port, ip_restriction, jwt_filter, listener, nginx_plain, \
    route_to, shield, wait_for, work

HERE = os.path.join(ROOT, "examples", "observability")
PROMTOOL = shutil.which("promtool")
SECRET = "the-secret-of-the-examples-0123"


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


def promtool(*args, cwd=HERE):
    p = subprocess.run([PROMTOOL, *args], capture_output=True, text=True, timeout=60 * SLOW, cwd=cwd, check=False)
    return p.returncode, p.stdout + p.stderr


def rules():
    return [r for g in yaml.safe_load(read("sallyport-rules.yml"))["groups"] for r in g["rules"]]


def board():
    """The expressions of the board, with its variables filled in."""
    d = json.loads(read("grafana-dashboard.json"))
    all_ = [t["expr"] for p in d["panels"] for t in p.get("targets", ())] + [a["expr"] for a in d["annotations"]["list"]]
    all_ += [re.sub(r"^label_values\((.*), \w+\)$", r"\1", v["definition"]) for v in d["templating"]["list"] if v["type"] == "query"]
    for name, value in (("$__rate_interval", "5m"), ("$instance", ".*"), ("$cluster", ".*")):
        all_ = [e.replace(name, value) for e in all_]
    return all_


def names_in(expr):
    """(names of metrics, regular expressions of names) of an expression."""
    found = set(re.findall(r'__name__=~"([^"]*)"', expr))
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\"[^\"]*\"", " ", expr)
    return set(re.findall(r"\b(?:envoy_\w+|sallyport:\w+(?::\w+)?|up)\b(?!\s*\()", bare)), found


class Names(unittest.TestCase):
    def test_names_in(self):
        self.assertEqual(names_in('sum by (envoy_a) (rate(envoy_b{envoy_c="envoy_d"}[5m])) / (sallyport:x:rate5m > 0)'),
                         ({"envoy_b", "sallyport:x:rate5m"}, set()))
        self.assertEqual(names_in('max({__name__=~"envoy_(a|b)_open",x="y"}) == 1 and up == 0'), ({"up"}, {"envoy_(a|b)_open"}))


@unittest.skipUnless(PROMTOOL, "no promtool: Debian's package prometheus (scripts/packages test)")
class Promtool(unittest.TestCase):
    def test_config_and_rules(self):
        for args in (("check", "config", "prometheus.yml"), ("check", "rules", "sallyport-rules.yml"), ("test", "rules", "sallyport-rules-test.yml")):
            code, said = promtool(*args)
            self.assertEqual(code, 0, said)
            self.assertNotIn("FAILED", said)

    def test_each_alert_has_a_test(self):
        tested = {t["alertname"] for one in yaml.safe_load(read("sallyport-rules-test.yml"))["tests"] for t in one["alert_rule_test"] if t.get("exp_alerts")}
        self.assertEqual({r["alert"] for r in rules() if "alert" in r}, tested)

    def test_expressions_of_the_board(self):
        path = work("board.yml")
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump({"groups": [{"name": "board", "rules": [{"record": f"board:{i}", "expr": e} for i, e in enumerate(board())]}]}, f)
        code, said = promtool("check", "rules", path)
        self.assertEqual(code, 0, said)


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        door_files(cert("examples", san="DNS:localhost"), SECRET)
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    @staticmethod
    def served(text):
        return set(re.findall(r"^([a-zA-Z_:][\w:]*)(?=[{ ])", text, re.M))

    def example(self):
        """The config as it stands."""
        e = Example(read("sallyport.yaml"), self.origin, (), (), "low")
        try:
            good = ("-H", f"x-origin-verify: {SECRET}")
            wait_for("the origin's health check", lambda: e.get("/echo", *good).status == 200)
            for version in ("1.2", "1.3"):
                self.assertEqual(e.get("/echo", f"--tlsv{version}", "--tls-max", version, *good).status, 200)
            self.assertEqual(e.get("/echo").status, 403)
            return self.served(curl(f"http://127.0.0.1:{e.admin}/stats/prometheus").body.decode())
        finally:
            self.assertEqual(e.proc.stop(), 0)

    def all_filters(self):
        """What the example has not, but the rules sum up."""
        def ours(name, kind, **fields):
            return {"name": name, "typed_config": {"@type": f"{T}sallyport.filters.{kind}", **fields}}
        everybody = {"permissions": [{"any": True}], "principals": [{"any": True}]}
        rbac = {"name": "rbac", "typed_config": {"@type": T + "envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"policies": {"all": everybody}}}}
        gates = [shield(), ours("certificate", "http.header_certificate.v1.HeaderCertificate", header="x-client-cert", format="URL_ENCODED_PEM",
                                validation_context={"trusted_ca": {"filename": ca()}}), ip_restriction(deny=["192.0.2.0/24"])]
        tokens = ours("tokens", "http.token_introspection.v1.TokenIntrospection", client_auth={"basic": {
            "client_id": "door", "client_secret": {"inline_string": "a-secret-of-the-door"}}},
            endpoint={"uri": "http://127.0.0.1/introspect", "cluster": "o", "timeout": "2s"}, required=False, jwt="SKIP", verified_jwt={"keys": ["claims"]})
        jwt = jwt_filter(payload_in_metadata="claims")
        claims = ours("claims", "http.claims_authz.v1.ClaimsAuthz", sources=[{"key": "claims"}], requires={"authenticated": True})
        at_accept = ours("ip", "listener.ip_restriction.v1.IpRestriction", deny=["192.0.2.0/24"])
        s = Sallyport(config([listener(free_port(), [route_to("o")], [*gates, jwt, tokens, claims, rbac], listener_filters=[at_accept])],
                             [cluster("o", self.origin.port)]))
        try:
            return self.served(s.get("/stats/prometheus")[1])
        finally:
            s.stop()

    def test_observability(self):
        """Every metric that a rule or the board names is served."""
        there = self.example() | self.all_filters()
        recorded = {r["record"] for r in rules() if "record" in r}
        for expr in [r["expr"] for r in rules()] + board():
            names, patterns = names_in(expr)
            self.assertTrue(names or patterns, expr)
            self.assertEqual(names - there - recorded - {"up"}, set(), expr)
            for pattern in patterns:
                self.assertTrue([n for n in there if re.fullmatch(pattern, n)], f"nothing is called {pattern}: {expr}")
