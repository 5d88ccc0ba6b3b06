# SPDX-License-Identifier: GPL-2.0-or-later
"""A secret that was taken out of service is nowhere in the process any more: root reads all of its memory and looks for it. And the process
cannot be dumped by anybody else, nor leaves a core file."""
import os
import re
import resource
import signal
import subprocess
import unittest

from harness import SANITIZED, T, Nginx, Sallyport, _openssl, ca, cert, cluster, config, curl, downstream_tls, free_port, listener, route_to, shield, wait_for, work
from mtls import s_client

MOST = 256 << 20  # a mapping that is larger is a sanitizer's


def memory(pid):
    """All that the process can write to: (where, bytes)."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            where, rights, *_ = line.split()
            start, end = (int(x, 16) for x in where.split("-"))
            if rights[:2] != "rw" or end - start > MOST or "[vvar" in line:
                continue
            try:
                mem.seek(start)
                yield line.split()[-1] if len(line.split()) > 5 else where, mem.read(end - start)
            except OSError:
                pass


def found(pid, secrets):
    """Which of {name: [spellings]} are in memory, and where."""
    seen = {}
    for where, data in memory(pid):
        for name, spellings in secrets.items():
            for spelling in spellings:
                at = data.find(spelling)
                if at >= 0:
                    seen.setdefault(name, []).append((where, hex(at), spelling[:8]))
    return seen


def write(name, data):
    path = work(name)
    with open(path + ".new", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
    return path


def key_spellings(path):
    """A private key's secret parts in both byte orders, as DER and as PEM have them and as a library may keep them."""
    text = _openssl("pkey", "-in", path, "-noout", "-text").stdout.decode()
    parts = []
    for name in ("priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"):
        m = re.search(rf"^{name}:\n((?:    .*\n)+)", text, re.M)
        if m:
            parts.append(bytes.fromhex(re.sub(r"[\s:]", "", m.group(1))).lstrip(b"\0"))
    assert parts, text
    with open(path, encoding="ascii") as f:
        pem = [line.strip().encode() for line in f if "-----" not in line]
    # The first line of a key has its head and the kind; the second one of RSA, the first one of EC has secrets.
    return [p[:32] for p in parts] + [p[::-1][:32] for p in parts] + [p[-32:] for p in parts] + ([pem[1][:48]] if len(pem) > 3 else [pem[0][16:64]])


def pair(name, kind):
    """Takes the place of the certificate and key of that name: one made before, so that both files change together."""
    _openssl(*(["genrsa", "-out", work(name + ".key.new"), "2048"] if kind == "rsa" else
               ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", work(name + ".key.new")]))
    _openssl("req", "-new", "-key", work(name + ".key.new"), "-out", work(name + ".csr"), "-subj", f"/CN={name}")
    _openssl("x509", "-req", "-in", work(name + ".csr"), "-CA", work("ca.pem"), "-CAkey", work("ca.key"), "-CAcreateserial", "-out", work(name + ".pem.new"),
             "-extfile", work(name + ".ext"), "-days", "60")
    for end in (".key", ".pem"):
        os.rename(work(name + end + ".new"), work(name + end))


class Secrets(unittest.TestCase):
    maxDiff = None

    def look(self, door, gone, there):
        """What is gone is nowhere, what took its place is found, or this would prove nothing."""
        wait_for("the old ones to be gone", lambda: not found(door.pid, gone), 20) if found(door.pid, gone) else None
        self.assertEqual(found(door.pid, gone), {})
        self.assertEqual(set(found(door.pid, there)), set(there))

    def test_of_the_config(self):
        """The shield's secret, G2O's key, a credential that is injected, an API key: each replaced in its file."""
        def texts(n):
            return {name: f"{name}-secret-number-{n}-{os.urandom(8).hex()}" for name in ("shield", "credential", "twin")}
        old, new = texts(1), texts(2)
        for name, text in old.items():
            write(name, text)
        injector = {"name": "credential", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", "credential": {"name": "generic", "typed_config": {
                "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {"name": "origin"}, "header": "x-origin-key"}}}}
        proof = {"secret_header": {"secrets": [{"name": n, "value": {"filename": work(n)}} for n in ("shield", "twin")]}}
        conf = config([listener(free_port(), [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}], [shield(proof=proof), injector])], [])
        conf["static_resources"]["secrets"] = [{"name": "origin", "generic_secret": {"secret": {"filename": work("credential")}}}]
        door = Sallyport(conf)
        self.addCleanup(door.kill)
        spell = lambda all_: {k: [v.encode()] for k, v in all_.items()}
        self.assertEqual(set(found(door.pid, spell(old))), set(old))
        for name, text in new.items():
            write(name, text)
        wait_for("the new ones", lambda: set(found(door.pid, spell(new))) == set(new))
        self.look(door, spell(old), spell(new))

    def test_keys_of_tls(self):
        """Both kinds of private keys and the keys of tickets, after handshakes with them and a new config; the old connections are over."""
        for name, kind in (("memory-ec", "ec"), ("memory-rsa", "rsa")):
            cert(name, kind=kind)
        tickets = write("memory-tickets", os.urandom(80))
        tls = downstream_tls("memory-ec", session_ticket_keys={"keys": [{"filename": tickets}]})
        tls["typed_config"]["common_tls_context"]["tls_certificates"].append(
            {"certificate_chain": {"filename": work("memory-rsa.pem")}, "private_key": {"filename": work("memory-rsa.key")}})
        door = Sallyport(config([listener(free_port(), [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}], tls=tls)], []))
        self.addCleanup(door.kill)

        def visit():
            for args in (("-tls1_3",), ("-tls1_3", "-sigalgs", "RSA-PSS+SHA256"), ("-tls1_2", "-sigalgs", "RSA+SHA256"), ("-tls1_2",)):
                for _ in range(4):
                    self.assertEqual(s_client(door.port, *args).status, 200)

        def spellings():
            with open(tickets, "rb") as f:
                keys = f.read()
            return {"ec": key_spellings(work("memory-ec.key")), "rsa": key_spellings(work("memory-rsa.key")), "tickets": [keys[16:48], keys[48:80]]}
        visit()
        old = spellings()
        self.assertEqual(set(found(door.pid, old)), set(old))
        for name, kind in (("memory-ec", "ec"), ("memory-rsa", "rsa")):
            pair(name, kind)
        write("memory-tickets", os.urandom(80))
        new = spellings()
        wait_for("the new keys", lambda: set(found(door.pid, new)) == set(new), 30)
        visit()
        self.look(door, old, new)

    def test_client_secrets_of_connections(self):
        """A key that we show to origins."""
        cert("memory-client")
        origin = Nginx("listen 127.0.0.1:$PORT ssl; ssl_certificate {0}; ssl_certificate_key {1}; ssl_client_certificate {2}; ssl_verify_client on; "
                       "location / {{ return 200 ok; }}".format(*cert("origin"), ca()))
        self.addCleanup(origin.kill)
        tls = {"name": "tls", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "localhost", "common_tls_context": {
            "tls_certificates": [{"certificate_chain": {"filename": work("memory-client.pem")}, "private_key": {"filename": work("memory-client.key")}}],
            "validation_context": {"trusted_ca": {"filename": ca()}}}}}
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port, tls=tls)]))
        self.addCleanup(door.kill)
        visit = lambda: [self.assertEqual(curl(f"http://localhost:{door.port}/").status, 200) for _ in range(4)]
        visit()
        old = {"client": key_spellings(work("memory-client.key"))}
        self.assertEqual(set(found(door.pid, old)), set(old))
        pair("memory-client", "ec")
        new = {"client": key_spellings(work("memory-client.key"))}
        wait_for("the new key", lambda: set(found(door.pid, new)) == set(new), 30)
        visit()
        self.look(door, old, new)


@unittest.skipIf(SANITIZED, "a sanitizer needs to trace its own process")
class Dumps(unittest.TestCase):
    def setUp(self):
        self.door = Sallyport(config([listener(free_port(), [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}], tls=downstream_tls())], []))
        self.addCleanup(self.door.kill)

    def test_nobody_else_can_read_it(self):
        """Not even its own user could: its files in /proc are root's, and it is not dumpable."""
        with open(f"/proc/{self.door.pid}/status", encoding="ascii") as f:
            self.assertRegex(f.read(), r"CoreDumping:\s+0")
        for name in ("mem", "maps", "environ", "fd"):
            self.assertEqual(os.stat(f"/proc/{self.door.pid}/{name}").st_uid, 0)
        limits = open(f"/proc/{self.door.pid}/limits", encoding="ascii").read()
        self.assertRegex(limits, r"Max core file size\s+0\s+0\s")

    def test_no_core_file(self):
        """It dies by a signal that dumps, where root allows core files of any size if it may. Another program leaves one there."""
        def cores(pid):
            return [n for n in os.listdir(work("")) if n == "core" or n == f"core.{pid}"]

        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]

        def crash(pid, wait):
            try:
                resource.prlimit(pid, resource.RLIMIT_CORE, (hard, hard))
            except PermissionError:
                pass  # the door has given up its own limit, and a container's root cannot raise it
            os.kill(pid, signal.SIGSEGV)
            self.assertEqual(wait(), -signal.SIGSEGV)
            return cores(pid)
        other = subprocess.Popen(["sleep", "100"], cwd=work(""))
        left = crash(other.pid, other.wait)
        for name in left:
            os.unlink(work(name))
        if not left:
            self.skipTest("the kernel's core_pattern puts core files elsewhere")
        self.assertEqual(crash(self.door.pid, self.door.wait), [])


if __name__ == "__main__":
    unittest.main()
