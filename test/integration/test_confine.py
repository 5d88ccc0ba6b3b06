# SPDX-License-Identifier: GPL-2.0-or-later
"""What the process gives up: root, capabilities, files, system calls; and that it serves, reloads and is relieved without them."""
import glob
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from example import door_files
from harness import BIN, ROOT, SLOW, T, address, cert, config, curl, free_port, listener, log_to, nginx_plain, wait_for, work
from live import Live
from test_examples import SECRET, read

ASAN = subprocess.run(["grep", "-qa", "__asan_init", BIN], check=False).returncode == 0
USER = "nobody"
SAYS = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}


def edge(**process):
    return [{"name": "edge", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "process": process}}]


def tls_of(where, name=""):
    pair = {"certificate_chain": {"filename": os.path.join(where, name + "chain.pem")}, "private_key": {"filename": os.path.join(where, name + "key.pem")}}
    return {"name": "tls", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                                            "common_tls_context": {"tls_certificates": [pair]}}}


def low_port():
    for port in random.sample(range(300, 1000), 200):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port under 1024 is free")


@unittest.skipIf(os.geteuid() != 0, "needs root, as what it tests does")
@unittest.skipIf(ASAN, "the leak check attaches to the process, which is what is forbidden here")
class Confined(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sp-confine-")
        os.chmod(self.dir, 0o755)
        os.chmod(os.path.dirname(work("x")), 0o755)
        self.addCleanup(shutil.rmtree, self.dir, True)

    def place(self, name, owner=None, mode=0o755):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if owner:
            shutil.chown(path, owner)
        return path

    def start(self, conf, *args, **kw):
        d = Live(conf, *args, **kw)
        self.addCleanup(d.kill)
        os.chmod(d.config_path, 0o644)
        return d

    @staticmethod
    def facts(d):
        """Of all threads: (user, effective capabilities, seccomp, no_new_privs)."""
        facts = set()
        for path in glob.glob(f"/proc/{d.pid}/task/*/status"):
            with open(path, encoding="ascii") as f:
                text = f.read()
            facts.add(tuple(re.search(rf"^{x}:\s+(\S+)", text, re.M)[1] for x in ("Uid", "CapEff", "CapBnd", "Seccomp", "NoNewPrivs")))
        return facts

    def conf(self, port, *logs, tls=None, routes=(SAYS,), clusters=(), **process):
        c = config([listener(port, list(routes), tls=tls, hcm={"access_log": [x for log in logs for x in log_to(log)]})], list(clusters))
        return dict(c, bootstrap_extensions=edge(**process)) if process else c

    def test_a_user_without_rights(self):
        logs, uid = self.place("logs", USER), str(pwd.getpwnam(USER).pw_uid)
        log = os.path.join(logs, "access.log")
        d = self.start(self.conf(low_port(), log, user=USER))
        self.assertEqual(self.facts(d), {(uid, "0" * 16, "0" * 16, "0", "1")})
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").body, b"hi")
        wait_for("the line", lambda: os.path.getsize(log) > 0)
        self.assertEqual(os.stat(log).st_uid, int(uid))
        os.rename(log, log + ".1")
        self.assertEqual(d.get("/reopen_logs", "POST")[0], 200)
        wait_for("a new log", lambda: os.path.exists(log))
        self.assertEqual(d.stat("filesystem.reopen_failed"), 0)
        # No right is left to listen on another such port; the config that serves goes on.
        d.change(self.conf(low_port(), log, user=USER), ok=False)
        self.assertIn("Permission denied", d.get("/reload")[1])
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").body, b"hi")
        self.assertEqual(d.stop(), 0)

    def test_the_right_to_low_ports_stays(self):
        d = self.start(self.conf(low_port(), user=USER, keep_bind=True))
        uid, bind = str(pwd.getpwnam(USER).pw_uid), "0000000000000400"
        self.assertEqual(self.facts(d), {(uid, bind, bind, "0", "1")})
        port = low_port()
        d.change(self.conf(port, user=USER, keep_bind=True))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"hi")
        self.assertEqual(d.stop(), 0)

    def test_files_that_the_user_cannot_read(self):
        chain, key = cert("confine", san="DNS:localhost")
        keys = self.place("keys")
        for source, name in ((chain, "chain.pem"), (key, "key.pem")):
            shutil.copy(source, os.path.join(keys, name))
            os.chmod(os.path.join(keys, name), 0o600)
        tls, port = tls_of(keys), free_port()
        d = self.start(self.conf(port, tls=tls, user=USER))
        self.assertEqual(curl(f"https://localhost:{port}/", "-k").body, b"hi")  # it was read as root
        before = d.stat("config_reload.rejected")
        d.signal(signal.SIGHUP)
        wait_for("the reload", lambda: d.stat("config_reload.rejected") > before)
        self.assertIn("Permission denied", d.get("/reload")[1])
        self.assertEqual(curl(f"https://localhost:{port}/", "-k").body, b"hi")
        self.assertEqual(d.stop(), 0)

    def test_only_the_configs_files(self):
        inside, outside, logs = self.place("in"), self.place("out"), self.place("logs")
        chain, key = cert("confine", san="DNS:localhost")
        for where in (inside, outside):
            shutil.copy(chain, os.path.join(where, "chain.pem"))
            shutil.copy(key, os.path.join(where, "key.pem"))
        port, log, sandbox = free_port(), os.path.join(logs, "a.log"), {"sandbox": {}}
        d = self.start(self.conf(port, log, tls=tls_of(inside), **sandbox))
        self.assertEqual({x[3:] for x in self.facts(d)}, {("2", "1")})
        self.assertEqual(curl(f"https://localhost:{port}/", "-k").body, b"hi")
        d.change(self.conf(port, log, tls=tls_of(outside), **sandbox), ok=False)
        self.assertIn("Permission denied", d.get("/reload")[1])
        d.change(self.conf(port, os.path.join(outside, "b.log"), tls=tls_of(inside), **sandbox), ok=False)
        self.assertFalse(os.path.exists(os.path.join(outside, "b.log")))
        # Another certificate beside the old one, and a log beside the old one.
        for name in ("chain.pem", "key.pem"):
            shutil.copy(os.path.join(outside, name), os.path.join(inside, "new-" + name))
        d.change(self.conf(port, os.path.join(logs, "b.log"), tls=tls_of(inside, "new-"), **sandbox))
        self.assertEqual(curl(f"https://localhost:{port}/", "-k").body, b"hi")
        wait_for("the line", lambda: os.path.getsize(os.path.join(logs, "b.log")) > 0)
        # What was said at the start stands.
        d.change(self.conf(port, log, tls=tls_of(inside), sandbox={"read": [outside]}), ok=False)
        self.assertIn("cannot change while it runs", d.get("/reload")[1])
        self.assertEqual(d.stop(), 0)
        d = self.start(self.conf(port, log, tls=tls_of(inside), sandbox={"read": [outside], "write": [outside]}))
        d.change(self.conf(port, os.path.join(outside, "b.log"), tls=tls_of(outside), sandbox={"read": [outside], "write": [outside]}))
        self.assertEqual(curl(f"https://localhost:{port}/", "-k").body, b"hi")
        self.assertEqual(d.stop(), 0)

    def test_relieved_by_the_next(self):
        """Started as root each time; the one that serves is nobody."""
        run, port, uid = self.place("run", USER), free_port(), str(pwd.getpwnam(USER).pw_uid)
        args = ("--hot-restart", os.path.join(run, "hot.sock"), "--drain-time-s", "5")
        conf = self.conf(port, user=USER, sandbox={})
        old = self.start(conf, *args)
        for _ in range(2):
            new = self.start(conf, *args)
            self.assertEqual(old.wait(), 0)
            self.assertIn("took over", new.log())
            self.assertEqual({x[0] for x in self.facts(new)}, {uid})
            self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"hi")
            old = new
        self.assertEqual(old.stop(), 0)

    def test_who_is_not_root_cannot_become_another(self):
        uid = pwd.getpwnam(USER).pw_uid
        path = os.path.join(self.dir, "c.json")
        for user, code in (("root", 3), (USER, None)):
            with open(path, "w", encoding="ascii") as f:
                import json
                json.dump(dict(self.conf(free_port(), user=user), admin={"address": address(free_port())}), f)
            os.chmod(path, 0o644)
            binary = shutil.copy(BIN, os.path.join(self.dir, "sallyport"))
            p = subprocess.Popen([binary, "-c", path, "--concurrency", "1"], stderr=subprocess.PIPE, text=True, user=uid, group=uid, extra_groups=[])
            if code is None:
                time.sleep(1 * SLOW)
                p.terminate()
                code = 0
            said = p.communicate(timeout=30 * SLOW)[1]
            self.assertEqual(p.returncode, code, said)
            self.assertIn("start as root or as that user" if code else f"serving as user {uid}", said)

    def test_suites_in_a_sandbox(self):
        """What is run elsewhere without one: TLS both ways, names from DNS, logs, reloads, tunnels."""
        env = dict(os.environ, SP_SANDBOX="1")
        p = subprocess.run([sys.executable, os.path.join(ROOT, "test/integration/run"), "test_basic", "test_dns", "test_websocket", "test_xds"], env=env,
                           capture_output=True, text=True, timeout=600 * SLOW, check=False)
        self.assertEqual(p.returncode, 0, "\n".join(line[:1000] for line in p.stdout.splitlines()[-200:] if not line.startswith("[")) + p.stderr[-2000:])
        self.assertNotRegex(p.stdout, r"^0 passed")

    def test_least_privilege(self):
        door_files(cert("confine-example", san="DNS:localhost"), SECRET)
        shutil.chown(work("etc/origin-secret"), USER)
        origin = nginx_plain()
        self.addCleanup(origin.kill)
        port, admin, logs = free_port(), free_port(), self.place("var", USER)
        text = read("examples/least-privilege/sallyport.yaml")
        for old, new in (("user: sallyport ", f"user: {USER} "), ("/var/log/sallyport", logs), ("/etc/sallyport/", work("etc") + "/"), ("0.0.0.0", "127.0.0.1"),
                         ("port_value: 8443", f"port_value: {port}"), ("port_value: 9901", f"port_value: {admin}"), ("port_value: 8080", f"port_value: {origin.port}")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = os.path.join(self.dir, "sallyport.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        p = subprocess.Popen([BIN, "-c", path, "--concurrency", "1"], stderr=subprocess.PIPE, text=True)
        try:
            wait_for("the door", lambda: curl(f"http://127.0.0.1:{admin}/ready").body == b"LIVE\n")
            ask = lambda *args: curl(f"https://localhost:{port}/echo", "-k", *args).status
            self.assertEqual([ask(), ask("-H", f"x-origin-verify: {SECRET}")], [403, 200])
            with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                self.assertIn("CapEff:\t0000000000000400", f.read())
        finally:
            p.terminate()
            said = p.communicate(timeout=30 * SLOW)[1]
        self.assertEqual(p.returncode, 0, said)
        self.assertIn(f"serving as user {pwd.getpwnam(USER).pw_uid}, in a sandbox", said)


class Unit(unittest.TestCase):
    @unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze")
    def test_its_score(self):
        """Under 2.0 of 10, by what the unit says."""
        path = os.path.join(ROOT, "examples/least-privilege/sallyport.service")
        p = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], capture_output=True, text=True, timeout=60, check=False)
        score = float(re.search(r"exposure level for sallyport.service: (\d+\.\d+)", p.stdout + p.stderr)[1])
        self.assertLess(score, 2.0)
        self.assertIn(f"`systemd-analyze security` gives it {score}", read("examples/least-privilege/README.md"))


if __name__ == "__main__":
    unittest.main()
