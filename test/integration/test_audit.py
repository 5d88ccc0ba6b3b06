# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport audit FILE`: findings with their place, and exit codes that scripts can use."""
import json
import re
import subprocess
import unittest

from harness import BIN, SECRET, SLOW, address, config, cluster, free_port, listener, route_to, shield, work
from test_accept import gate, proxy_protocol


def audit(conf, *args):
    path = work(f"audit-{free_port()}.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf if isinstance(conf, str) else json.dumps(conf, indent=1))
    p = subprocess.run([BIN, "audit", path, *args], capture_output=True, text=True, timeout=30 * SLOW, check=False)
    return p.returncode, p.stdout.replace(path, "CONFIG"), p.stderr


class Audit(unittest.TestCase):
    def good(self, **more):
        with open(work("audit-secret"), "w", encoding="ascii") as f:
            f.write(SECRET)
        filters = shield(proof={"secret_header": {"secrets": [{"name": "now", "value": {"filename": work("audit-secret")}}]}})
        return config([listener(free_port(), [route_to("o")], [filters], hcm={"use_remote_address": True}, **more)],
                      [cluster("o", free_port())], admin=free_port())

    def test_nothing_open(self):
        self.assertEqual(audit(self.good())[:2], (0, "0 findings\n"))

    def test_findings(self):
        conf = self.good(listener_filters=[proxy_protocol(), gate(allow=["10.0.0.0/8"], enforcement="SHADOW")])
        conf["admin"]["address"] = address(free_port(), "0.0.0.0")
        door = conf["static_resources"]["listeners"][0]
        door["address"] = address(free_port(), "0.0.0.0")
        door["filter_chains"][0]["filters"][0]["typed_config"].update(xff_num_trusted_hops=1, http_filters=[
            shield(enforced_percent=50), door["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][-1]])
        code, out, _ = audit(conf)
        lines = out.splitlines()
        self.assertEqual((code, lines[-1]), (1, "8 findings"))
        found = [re.fullmatch(r"CONFIG:(\d+):(\d+): (high|medium|low): ([a-z-]+): (\S+): .+ \(.+\)", x) for x in lines[:-1]]
        self.assertTrue(all(found), out)
        self.assertEqual(sorted(m.group(4) for m in found), ["admin-exposed", "client-trust", "gate-on-trial", "gate-on-trial", "inline-secret",
                                                            "no-gate", "plaintext", "proxy-protocol-open"])
        places = [(int(m.group(1)), int(m.group(2))) for m in found]
        self.assertEqual(places, sorted(places))
        self.assertNotIn(SECRET, out)

    def test_exit_codes(self):
        code, out, err = audit({"static_resources": {"listeners": [{"nmae": "x"}]}})
        self.assertEqual((code, out), (1, ""))
        self.assertIn("nmae", err)
        for args in ([], ["--mode"]):
            p = subprocess.run([BIN, "audit", *args], capture_output=True, text=True, timeout=30 * SLOW, check=False)
            self.assertEqual(p.returncode, 2, p.stderr)
            self.assertIn("audit which file?", p.stderr)
        self.assertEqual(audit(self.good(), "--nonsense")[0], 2)
        for verb in ("audit", "validate"):
            p = subprocess.run([BIN, verb, "--help"], capture_output=True, text=True, timeout=30 * SLOW, check=False)
            self.assertEqual((p.returncode, p.stderr), (0, ""))
            self.assertIn("sallyport audit FILE", p.stdout)


if __name__ == "__main__":
    unittest.main()
