# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport audit`: findings with their place, in three formats, and exit codes that scripts can use."""
import glob
import json
import os
import re
import subprocess
import unittest

from harness import BIN, ROOT, SECRET, SLOW, T, address, cluster, config, downstream_tls, free_port, listener, log_to, route_to, shield, work
from test_accept import gate, proxy_protocol

LINE = r"CONFIG:(\d+):(\d+): (critical|high|medium|low|info): ([a-z0-9-]+): (?:\S+: )?.+ \(.+\)"


def run(*args, stdin=None, cwd=None):
    return subprocess.run([BIN, "audit", *args], input=stdin, capture_output=True, text=True, timeout=30 * SLOW, check=False, cwd=cwd)


def audit(conf, *args):
    path = work(f"audit-{free_port()}.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf if isinstance(conf, str) else json.dumps(conf, indent=1))
    p = run(path, *args)
    return p.returncode, p.stdout.replace(path, "CONFIG"), p.stderr


class Audit(unittest.TestCase):
    def good(self, **more):
        path = work("audit-secret")
        with open(path, "w", encoding="ascii") as f:
            f.write(SECRET)
        os.chmod(path, 0o600)
        filters = shield(proof={"secret_header": {"secrets": [{"name": "now", "value": {"filename": path}}]}})
        hcm = {"access_log": log_to(work("audit.log")), "common_http_protocol_options": {"max_connection_duration": "3600s"}}
        conf = config([listener(free_port(), [route_to("o")], [filters], hcm=hcm, tls=downstream_tls(), **more)],
                      [cluster("o", free_port())], admin=free_port())
        conf["static_resources"]["listeners"][0]["address"] = address(free_port(), "0.0.0.0")
        conf["layered_runtime"] = {"layers": [{"name": "l", "static_layer": {"overload.global_downstream_max_connections": 1000}}]}
        conf["bootstrap_extensions"] = [{"name": "e", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "secure_defaults": True}}]
        return conf

    def bad(self):
        conf = self.good(listener_filters=[proxy_protocol(), gate(allow=["10.0.0.0/8"], enforcement="SHADOW")])
        conf["admin"]["address"] = address(free_port(), "0.0.0.0")
        chain = conf["static_resources"]["listeners"][0]["filter_chains"][0]
        del chain["transport_socket"]
        manager = chain["filters"][0]["typed_config"]
        manager.update(xff_num_trusted_hops=1, normalize_path=False, http_filters=[shield(enforced_percent=50), manager["http_filters"][-1]])
        return conf

    def test_nothing_open(self):
        code, out, err = audit(self.good(), "--fail-on", "low")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^CONFIG.*no-rate-limit.*\n    guards against: .*\n1 finding: 1 info\n$")

    def test_findings(self):
        code, out, _ = audit(self.bad())
        lines = [x for x in out.splitlines() if not x.startswith("    ")]
        self.assertEqual(code, 0)
        found = [re.fullmatch(LINE, x) for x in lines[:-1]]
        self.assertTrue(all(found), out)
        self.assertEqual(sorted(m.group(4) for m in found if m.group(3) != "info"),
                         ["admin-exposed", "client-trust", "gate-on-trial", "gate-on-trial", "inline-secret", "no-gate", "paths-as-sent", "plaintext",
                          "proxy-protocol-open"])
        self.assertEqual(lines[-1], "10 findings: 2 critical, 1 high, 3 medium, 3 low, 1 info")
        order = ["critical", "high", "medium", "low", "info"]
        places = [(order.index(m.group(3)), int(m.group(1)), int(m.group(2))) for m in found]
        self.assertEqual(places, sorted(places))
        self.assertNotIn(SECRET, out)

    def test_what_secure_defaults_would_close(self):
        conf = self.good()
        before = audit(conf)[1].splitlines()[-1]
        del conf["bootstrap_extensions"]
        code, out, _ = audit(conf)
        counted, advice = out.splitlines()[-2:]
        more = int(counted.split()[0]) - int(before.split()[0])
        self.assertEqual(code, 0)
        self.assertGreater(more, 8)
        self.assertTrue(advice.startswith(f"{more} of them go away with secure_defaults: true "), advice)

    def test_fail_on(self):
        bad, good = self.bad(), self.good()
        for severity, code in (("critical", 1), ("high", 1), ("low", 1), ("info", 1), ("none", 0)):
            self.assertEqual(audit(bad, "--fail-on", severity)[0], code, severity)
        self.assertEqual([audit(good, f"--fail-on={x}")[0] for x in ("critical", "medium", "low", "info")], [0, 0, 0, 1])

    def test_formats(self):
        code, out, _ = audit(self.bad(), "--format", "json")
        doc = json.loads(out)
        self.assertEqual((code, doc["counts"]["critical"], len(doc["findings"])), (0, 2, 10))
        for f in doc["findings"]:
            self.assertEqual(set(f), {"id", "severity", "file", "line", "column", "path", "reason", "remedy", "control"})
        sarif = json.loads(audit(self.bad(), "--format", "sarif")[1])
        self.assertEqual((sarif["version"], len(sarif["runs"])), ("2.1.0", 1))
        rules, results = sarif["runs"][0]["tool"]["driver"]["rules"], sarif["runs"][0]["results"]
        self.assertGreater(len(rules), 50)
        self.assertEqual([r["ruleId"] for r in results], [f["id"] for f in doc["findings"]])
        for r in results:
            self.assertEqual(rules[r["ruleIndex"]]["id"], r["ruleId"])
            self.assertIn(r["level"], ("error", "warning", "note"))
            self.assertGreater(r["locations"][0]["physicalLocation"]["region"]["startLine"], 0)
        self.assertNotIn(SECRET, json.dumps(sarif))

    def test_sarif_names_files_as_the_repository_does(self):
        os.makedirs(work("repo/conf"), exist_ok=True)
        with open(work("repo/conf/door.json"), "w", encoding="utf-8") as f:
            json.dump(self.bad(), f)
        for name in ("conf/door.json", work("repo/conf/door.json")):
            run_ = json.loads(run(name, "--format", "sarif", cwd=work("repo")).stdout)["runs"][0]
            self.assertEqual({r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run_["results"]}, {"conf/door.json"})

    def test_files_of_xds(self):
        """What stands in another file is found there."""
        conf, lds = self.bad(), work("audit-lds.json")
        door = conf["static_resources"].pop("listeners")
        door[0]["@type"] = T + "envoy.config.listener.v3.Listener"
        with open(lds, "w", encoding="utf-8") as f:
            json.dump({"resources": door}, f, indent=1)
        conf["dynamic_resources"] = {"lds_config": {"path_config_source": {"path": lds}}}
        findings = json.loads(audit(conf, "--format", "json")[1])["findings"]
        self.assertEqual({f["id"]: f["file"] for f in findings}["no-gate"], lds)
        self.assertEqual({f["id"]: f["path"] for f in findings}["no-gate"], "resources[0].filter_chains[0].filters[0].typed_config")

    def test_without_the_files(self):
        """Where the certificates and secrets are not."""
        conf = self.bad()
        door = conf["static_resources"]["listeners"][0]
        door["filter_chains"][0]["transport_socket"] = downstream_tls()
        text = json.dumps(conf, indent=1).replace(work(""), "/not/here/")
        self.assertIn("/not/here/", text)
        self.assertEqual(run("-", stdin=text).returncode, 1)
        p = run("-", "--no-files", "--format", "json", stdin=text)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        ids = {f["id"] for f in json.loads(p.stdout)["findings"]}
        self.assertIn("no-gate", ids)
        self.assertNotIn("slashes-not-merged", ids)  # secure_defaults holds
        self.assertEqual(run("-", "--no-files", "--fail-on", "high", stdin=text).returncode, 1)
        p = run("-", "--no-files", stdin="static_resources: {listeners: [{nmae: x}]}")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("<stdin>:1:33: static_resources.listeners[0].nmae", p.stderr)

    def test_examples_as_they_stand(self):
        """Nothing above low, but for what docs/audit.md says of them."""
        known = {"from-kong": {"proof-by-address", "jwt-no-audience"}, "origin-name": {"no-bundle"},
                 "failing-origins": {"no-bundle", "upstream-plaintext"}, "priorities": {"no-bundle", "upstream-plaintext"}, "zones": {"no-bundle", "upstream-plaintext"}}
        for path in glob.glob(os.path.join(ROOT, "examples/*/sallyport.yaml")):
            name = os.path.basename(os.path.dirname(path))
            if name in ("file-xds", "origin-tls"):  # their other files are where they say, or nowhere: test_examples puts them there
                continue
            findings = json.loads(run(path, "--no-files", "--format", "json").stdout)["findings"]
            found = {f["id"] for f in findings if f["severity"] in ("critical", "high", "medium")}
            self.assertEqual(found, known.get(name, set()), name)

    def test_standard_input(self):
        p = run("-", "--format", "json", stdin=json.dumps(self.bad(), indent=1))
        self.assertEqual({f["file"] for f in json.loads(p.stdout)["findings"]}, {"<stdin>"})
        p = run("-", stdin="static_resources:\n  listeners:\n  - nmae: x\n")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("<stdin>:3:5: static_resources.listeners[0].nmae", p.stderr)
        self.assertEqual(run("-", stdin="").returncode, 2)

    def test_exit_codes(self):
        code, out, err = audit({"static_resources": {"listeners": [{"nmae": "x"}]}})
        self.assertEqual((code, out), (1, ""))
        self.assertIn("nmae", err)
        self.assertEqual(run(work("not-there.yaml")).returncode, 1)
        for args, said in (([], "audit which file?"), (["--format"], "needs a value"), (["x", "--format", "xml"], "text, json or sarif"),
                           (["x", "--fail-on", "bad"], "critical, high"), (["x", "--nonsense"], "unknown argument"), (["x", "y"], "unknown argument")):
            p = run(*args)
            self.assertEqual((p.returncode, p.stdout), (2, ""), args)
            self.assertIn(said, p.stderr)

    def test_help(self):
        for args in (["--help"], ["x.yaml", "-h"]):
            p = run(*args)
            self.assertEqual((p.returncode, p.stderr), (0, ""))
            self.assertIn("--fail-on SEVERITY", p.stdout)
            self.assertLessEqual(len(p.stdout.splitlines()), 24)
        p = run("--checks")
        self.assertEqual(p.returncode, 0)
        self.assertIn("  no-gate                      critical  ", p.stdout)


if __name__ == "__main__":
    unittest.main()
