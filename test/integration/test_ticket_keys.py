# SPDX-License-Identifier: GPL-2.0-or-later
"""Session ticket keys of the config: doors that share them take each other's sessions, keys are rotated while clients come, and a
client certificate is still the only way past a chain that asks for one. Beside Envoy the same is asked of two Envoys."""
import base64
import json
import os
import socket
import ssl
import threading
import time
import unittest

import test_envoy
from harness import SLOW, Sallyport, ca, cert, config, downstream_tls, free_port, listener, refused, wait_for, work
from mtls import renew, s_client
from test_audit import audit

VERSIONS = ("-tls1_3", "-tls1_2")
ROUTES = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}]


def write(name, data):
    path = work(name)
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
    return path


def door_config(*names, cert_name="server", chain="api", sds=None, **more):
    tls = downstream_tls(cert_name, **more)
    if sds:
        tls["typed_config"]["session_ticket_keys_sds_secret_config"] = {"name": "tickets", "sds_config": {"path_config_source": {"path": sds}}}
    elif names:
        tls["typed_config"]["session_ticket_keys"] = {"keys": [{"filename": work(n)} for n in names]}
    conf = config([listener(free_port(), ROUTES, tls=tls)], [])
    conf["static_resources"]["listeners"][0]["filter_chains"][0]["name"] = chain
    return conf


class Doors(unittest.TestCase):
    """One kind of door, several of which are started at a time."""

    def start(self, conf):
        s = Sallyport(conf, concurrency=1)
        self.addCleanup(lambda: self.assertEqual(s.stop(), 0))
        return s

    def session(self, door, version, **kw):
        file = f"tickets-{time.time_ns()}"
        a = s_client(door.port, version, sess_out=file, **kw)
        self.assertEqual(a.status, 200, a)
        return file

    def taken(self, door, version, file, **kw):
        a = s_client(door.port, version, sess_in=file, **kw)
        self.assertEqual(a.status, 200, a)
        return a.reused

    def setUp(self):
        cert("server")
        for name in ("k1", "k2", "k3"):
            write(name, os.urandom(80))


class Shared(Doors):
    def test_each_takes_what_the_other_gave(self):
        a, b = self.start(door_config("k1")), self.start(door_config("k1", "k2"))
        rotated, later = self.start(door_config("k2", "k1")), self.start(door_config("k2"))
        for version in VERSIONS:
            with self.subTest(version):
                self.assertTrue(self.taken(b, version, self.session(a, version)))
                self.assertTrue(self.taken(a, version, self.session(b, version)))
                self.assertTrue(self.taken(rotated, version, self.session(a, version)))
                self.assertTrue(self.taken(later, version, self.session(rotated, version)))
                self.assertFalse(self.taken(a, version, self.session(rotated, version)))  # which has no k2 yet
                self.assertFalse(self.taken(later, version, self.session(a, version)))    # which has k1 no more
        self.assertEqual(b.stat(f"listener.127.0.0.1_{b.port}.ssl.session_reused"), 2)

    def test_other_doors_do_not(self):
        """The same keys, and something else that a ticket is bound to."""
        a = self.start(door_config("k1"))
        cert("another", san="DNS:localhost,DNS:another.test,IP:127.0.0.1")
        others = {
            "another chain": door_config("k1", chain="other"),
            "another name in its certificate": door_config("k1", cert_name="another"),
            "other protocols": door_config("k1", alpn=("http/1.1",)),
            "clients may have certificates": door_config("k1", client_ca=ca("clients")),
            "no tickets": door_config(disable_stateless_session_resumption=True),
            "keys of its own": door_config(),
        }
        for what, conf in others.items():
            b = self.start(conf)
            for version in VERSIONS:
                with self.subTest(what + version):
                    self.assertFalse(self.taken(b, version, self.session(a, version)))
        for version in VERSIONS:
            self.assertFalse(self.taken(a, version, self.session(a, version), name="other.test"))

    def test_a_renewed_certificate(self):
        a = self.start(door_config("k1"))
        files = {v: self.session(a, v) for v in VERSIONS}
        renew("server")
        b = self.start(door_config("k1"))
        for v in VERSIONS:
            self.assertTrue(self.taken(b, v, files[v]), v)

    def test_never_past_a_client_certificate(self):
        cert("known", by="clients")
        open_door = self.start(door_config("k1"))
        closed = [self.start(door_config("k1", client_ca=ca("clients"), require=True)) for _ in range(2)]
        self.assertIn("where clients are asked for a certificate no session is resumed (take them out)", closed[0].log())
        for version in VERSIONS:
            a = s_client(closed[0].port, version, sess_in=self.session(open_door, version))
            self.assertEqual((a.status, a.reused), (0, False), a)
            file = self.session(closed[0], version, client="known")
            self.assertFalse(os.path.exists(work(file)))  # nothing was given out

    def test_secrets(self):
        sds = work("tickets-sds.json")

        def secret(*names):
            keys = [{"inline_bytes": base64.b64encode(open(work(n), "rb").read()).decode()} for n in names]
            with open(sds + ".new", "w", encoding="ascii") as f:
                json.dump({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
                                          "name": "tickets", "session_ticket_keys": {"keys": keys}}]}, f)
            os.rename(sds + ".new", sds)

        secret("k1")
        a, b = self.start(door_config("k1")), self.start(door_config(sds=sds))
        for version in VERSIONS:
            self.assertTrue(self.taken(b, version, self.session(a, version)))
        file = self.session(a, "-tls1_3")
        before = b.stat("config_reload.success")
        secret("k2")
        wait_for("the new secret", lambda: b.stat("config_reload.success") > before)
        self.assertFalse(self.taken(b, "-tls1_3", file))
        for door in (a, b):
            dump = door.get("/config_dump")[1] + door.get("/files")[1]
            self.assertIn("session_ticket_keys", dump)
            for n in ("k1", "k2"):
                self.assertNotIn(base64.b64encode(open(work(n), "rb").read()).decode()[:20], dump)

    def test_refused(self):
        write("short", os.urandom(79))
        self.assertIn("has 79 bytes, and a session ticket key has 80", refused(door_config("k1", "short")))
        self.assertIn("nowhere", refused(door_config("nowhere")))
        conf = door_config("k1", disable_stateless_session_resumption=True)
        self.assertIn("several of session_ticket_keys, session_ticket_keys_sds_secret_config and disable_stateless", refused(conf))

    def test_audit(self):
        write("open-key", os.urandom(80))
        os.chmod(work("open-key"), 0o644)
        conf = door_config("k1", "open-key")
        keys = conf["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"]["typed_config"]["session_ticket_keys"]["keys"]
        keys.append({"inline_bytes": base64.b64encode(os.urandom(80)).decode()})
        found = audit(conf)[1]
        self.assertRegex(found, r"secret-readable: \S*session_ticket_keys.keys\[1\]: every user of this machine can read \S*open-key")
        self.assertRegex(found, r"inline-secret: \S*session_ticket_keys.keys\[2\]")
        self.assertNotRegex(found, r"session_ticket_keys.keys\[0\]")


class Comers:
    """Clients that connect anew for each request, with the session that the last one got."""

    def __init__(self, port, n=3):
        self.port, self.stop = port, False
        self.good = self.reused = 0
        self.bad, self.lock = [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i):
        context = ssl.create_default_context(cafile=ca())
        context.maximum_version = ssl.TLSVersion.TLSv1_2 if i == 0 else ssl.TLSVersion.TLSv1_3
        session = None
        while not self.stop:
            try:
                with context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 20), server_hostname="localhost",
                                         session=session) as s:
                    s.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                    text = b""
                    while chunk := s.recv(4096):
                        text += chunk
                    session = s.session
                    with self.lock:
                        self.good += text.startswith(b"HTTP/1.1 200") and text.endswith(b"in")
                        self.reused += s.session_reused
                        if not text.startswith(b"HTTP/1.1 200"):
                            self.bad.append(text)
            except OSError as e:
                with self.lock:
                    self.bad.append(repr(e))

    def join(self):
        self.stop = True
        for t in self.threads:
            t.join()


class Rotation(Doors):
    def test_under_load(self):
        """A new key each time beside the one before, as a rotation over many doors is done; nobody notices."""
        old = os.urandom(80)
        write("now", os.urandom(80))
        write("before", old)
        door = self.start(door_config("now", "before"))
        file = self.session(door, "-tls1_3")
        comers = Comers(door.port)
        try:
            for _ in range(5):
                with open(work("now"), "rb") as f:
                    write("before", f.read())
                write("now", os.urandom(80))
                wait_for("clients meanwhile", lambda n=comers.good: comers.good > n + 20, 30)
        finally:
            comers.join()
        self.assertEqual(comers.bad, [])
        self.assertGreater(comers.reused, comers.good // 2)
        wait_for("the first key to be forgotten", lambda: not self.taken(door, "-tls1_3", file))
        time.sleep(0.5 * SLOW)  # the last of these versions serves, not one on the way to it
        # What is no key changes nothing.
        file = self.session(door, "-tls1_3")
        write("now", os.urandom(81))
        wait_for("the refusal", lambda: "has 81 bytes, and a session ticket key has 80" in door.log())
        self.assertTrue(self.taken(door, "-tls1_3", file))
        self.assertIn("has 81 bytes", door.get("/files")[1])


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class BesideEnvoy(Doors):
    def test_who_takes_whose(self):
        """Two of a kind each; what is asked of ours is asked of Envoy's with the same files."""
        cases = {
            "the same": (door_config("k1"), True),
            "as the second": (door_config("k2", "k1"), True),
            "another": (door_config("k2"), False),
            "another name in the certificate": (door_config("k1", cert_name="envoy-other"), False),
            "a certificate is asked for": (door_config("k1", client_ca=ca("clients")), False),
            "none": (door_config(disable_stateless_session_resumption=True), False),
        }
        cert("envoy-other", san="DNS:localhost,DNS:more.test,IP:127.0.0.1")

        def envoy(conf):
            e = test_envoy.Envoy(test_envoy.find_envoy(), conf)
            self.addCleanup(e.kill)
            return e

        firsts = [envoy(door_config("k1")), self.start(door_config("k1"))]
        for what, (conf, expected) in cases.items():
            seconds = [envoy(test_envoy.set_port(conf, free_port())), self.start(test_envoy.set_port(conf, free_port()))]
            for version in VERSIONS:
                with self.subTest(what + version):
                    got = [self.taken(b, version, self.session(a, version)) for a, b in zip(firsts, seconds)]
                    self.assertEqual(got, [expected, expected])


if __name__ == "__main__":
    unittest.main()
