# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS towards origins while it changes: client certificates, CAs and lists that are renewed under load, sessions that are resumed
and those that must not be."""
import json
import os
import threading
import time
import unittest

from harness import ECHO, Nginx, Sallyport, _openssl, ca, cert, cluster, config, curl, free_port, listener, refused, route_to, upstream_tls, wait_for, work
from live import Live
from mtls import Revoker, put, renew
from test_audit import audit

V13 = {"tls_minimum_protocol_version": "TLSv1_3"}


def origin(name, more="", ask="ssl_verify_client on;", clients=None):
    chain, key = cert(name)
    return Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; "
                 f"ssl_client_certificate {clients or ca()}; {ask} {more} location /serial {{ return 200 $ssl_client_serial; }} " + ECHO)


def serial(name):
    return _openssl("x509", "-in", work(name + ".pem"), "-noout", "-serial").stdout.decode().strip().split("=")[1]


class Load:
    """Requests one after the other on connections that stay open, at least so many a second."""

    def __init__(self, port, threads=4):
        self.port, self.stop = port, False
        self.seen, self.bad, self.lock = {}, [], threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        self.began = time.monotonic()
        for t in self.threads:
            t.start()

    def run(self):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stop:
            try:
                c.request("GET", "/serial")
                r = c.getresponse()
                body = r.read().decode()
                with self.lock:
                    if r.status == 200:
                        self.seen[body] = self.seen.get(body, 0) + 1
                    else:
                        self.bad.append((r.status, body))
            except (OSError, http.client.HTTPException) as e:
                with self.lock:
                    self.bad.append(repr(e))
                c.close()

    def total(self):
        with self.lock:
            return sum(self.seen.values())

    def count(self, who):
        with self.lock:
            return self.seen.get(who, 0)

    def join(self):
        self.stop = True
        for t in self.threads:
            t.join()
        return self.total() / (time.monotonic() - self.began)


class Renewal(unittest.TestCase):
    def run_load(self, conf, change, origins):
        door = Live(conf)
        load = Load(door.port)
        try:
            wait_for("requests", lambda: load.total() > 300, 30)
            change(door, load)
        finally:
            rate = load.join()
            for o in origins:
                o.kill()
        self.assertEqual(load.bad, [])
        self.assertEqual(door.stop(), 0)
        print(f"    {load.total()} requests, {rate:.0f} a second, none lost")
        return load

    def seen_with(self, load, name):
        who = serial(name)
        wait_for("requests with the new certificate", lambda: load.count(who) > 200, 30)

    def test_client_certificate_of_files(self):
        """One file, then the other: in between they do not belong together, and the old ones serve on."""
        cert("renewed-client")
        o = origin("renewal-origin")

        def change(door, load):
            for _ in range(3):
                renew("renewed-client")
                self.seen_with(load, "renewed-client")
        load = self.run_load(config([listener(free_port(), [route_to("o")])],
                                    [cluster("o", o.port, tls=upstream_tls(client="renewed-client"))]), change, [o])
        self.assertEqual(len(load.seen), 4)

    def test_client_certificate_of_a_secret(self):
        sds = work("client-sds.json")

        def write(name):
            chain, key = cert(name)
            with open(sds + ".new", "w", encoding="ascii") as f:
                json.dump({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "me",
                                          "tls_certificate": {"certificate_chain": {"inline_string": open(chain).read()},
                                                              "private_key": {"inline_string": open(key).read()}}}]}, f)
            os.rename(sds + ".new", sds)

        write("sds-client-1")
        o = origin("renewal-origin")
        tls = upstream_tls(client=None, tls_certificate_sds_secret_configs=[{"name": "me", "sds_config": {"path_config_source": {"path": sds}}}])

        def change(door, load):
            for name in ("sds-client-2", "sds-client-3"):
                write(name)
                self.seen_with(load, name)
        self.run_load(config([listener(free_port(), [route_to("o")])], [cluster("o", o.port, tls=tls)]), change, [o])

    def test_the_origins_ca(self):
        """The CA file gets a second CA, then loses the first, while the origin's certificate goes over from one to the other."""
        ca("old-ca"), ca("new-ca")
        both = open(ca("old-ca")).read() + open(ca("new-ca")).read()
        bundle = put("origins-ca.pem", open(ca("old-ca")).read())
        cert("moving-1", by="old-ca"), cert("moving-2", by="new-ca")
        old, new = origin("moving-1"), origin("moving-2")
        tls = upstream_tls(trusted=bundle)

        def conf(o):
            return config([listener(port, [route_to("o")])], [cluster("o", o.port, tls=tls)])
        port = free_port()

        def change(door, load):
            put("origins-ca.pem", both)
            before = load.total()
            door.change(conf(new))
            wait_for("requests", lambda: load.total() > before + 300, 30)
            put("origins-ca.pem", open(ca("new-ca")).read())
            before = load.total()
            wait_for("requests", lambda: load.total() > before + 300, 30)
        self.run_load(conf(old), change, [old, new])

    def test_both_of_secrets(self):
        """Two SDS files: what the door shows goes over to another CA's certificate, and so does the origin, while the CAs that the door
        trusts get the new one and lose the old one. Connections last for 20 requests, so that there are handshakes all the time."""
        ca("origins-1"), ca("origins-2"), ca("doors-1"), ca("doors-2")
        pem = lambda *paths: "".join(open(path).read() for path in paths)

        def secret(file, **content):
            with open(work(file) + ".new", "w", encoding="ascii") as f:
                json.dump({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", **content}]}, f)
            os.rename(work(file) + ".new", work(file))

        def shows(name, by):
            chain, key = cert(name, by=by)
            secret("both-door.json", name="door", tls_certificate={"certificate_chain": {"inline_string": pem(chain)},
                                                                   "private_key": {"inline_string": pem(key)}})

        def trusts(*cas):
            secret("both-origins.json", name="origins", validation_context={
                "trusted_ca": {"inline_string": pem(*map(ca, cas))},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}]})

        def is_now(name, by):
            put("both-origin.pem", pem(*cert(name, by=by)))  # nginx reads it for each handshake

        clients = put("both-clients.pem", pem(ca("doors-1"), ca("doors-2")))
        shows("both-door-1", "doors-1"), trusts("origins-1"), is_now("moved-1", "origins-1")
        path = os.path.dirname(work("both-origin.pem")) + "/both-origin.pem"
        o = Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate $pem; ssl_certificate_key $pem; ssl_client_certificate {clients}; "
                  "ssl_verify_client on; ssl_verify_depth 2; keepalive_requests 20; location /serial { return 200 $ssl_client_serial; }",
                  http=f"map $ssl_server_name $pem {{ default {path}; }}")
        file = lambda name: {"path_config_source": {"path": work(name)}}
        tls = upstream_tls(client=None, tls_certificate_sds_secret_configs=[{"name": "door", "sds_config": file("both-door.json")}])
        del tls["typed_config"]["common_tls_context"]["validation_context"]
        tls["typed_config"]["common_tls_context"]["validation_context_sds_secret_config"] = {
            "name": "origins", "sds_config": file("both-origins.json")}

        def change(door, load):
            def more(n=300):
                before = load.total()
                wait_for("requests", lambda: load.total() > before + n, 30)
            n = door.stat("config_reload.success")
            for i, step in enumerate((lambda: trusts("origins-1", "origins-2"), lambda: shows("both-door-2", "doors-2"), lambda: trusts("origins-2"))):
                if i == 2:
                    is_now("moved-2", "origins-2")
                    more()
                step()
                wait_for("the secret", lambda want=n + 1 + i: door.stat("config_reload.success") >= want, 30)
                more()
            self.seen_with(load, "both-door-2")
        load = self.run_load(config([listener(free_port(), [route_to("o")])], [cluster("o", o.port, tls=tls)]), change, [o])
        self.assertEqual(len(load.seen), 2)


class Sessions(unittest.TestCase):
    def start(self, *more, **tls):
        """Each request has a connection of its own."""
        o = origin("session-origin", "keepalive_timeout 0;", ask="ssl_verify_client optional;")
        self.addCleanup(o.kill)
        context = upstream_tls(tls_params=V13, **tls)
        context["typed_config"].update(*more)
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", o.port, tls=context)]), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        self.get = lambda: curl(f"http://localhost:{door.port}/echo").status
        return door

    def test_resumed(self):
        door = self.start()
        self.assertEqual([self.get() for _ in range(5)], [200] * 5)
        s = door.stats()
        self.assertEqual((s["cluster.o.ssl.handshake"], s["cluster.o.ssl.session_reused"]), (5, 4))
        off = self.start({"max_session_keys": 0})
        self.assertEqual([self.get() for _ in range(5)], [200] * 5)
        self.assertEqual(off.stat("cluster.o.ssl.session_reused"), 0)

    def test_not_after_a_revocation(self):
        """A session that began with a good certificate is none any more when that is on the list."""
        lists = Revoker("ca")
        crl = put("session.crl", lists.list())
        door = self.start(validation_context={"trusted_ca": {"filename": ca()}, "crl": {"filename": crl}})
        self.assertEqual([self.get() for _ in range(3)], [200] * 3)
        self.assertEqual(door.stat("cluster.o.ssl.session_reused"), 2)
        lists.revoke("session-origin")
        put("session.crl", lists.list())
        wait_for("the new list", lambda: self.get() == 503)
        self.assertEqual([self.get() for _ in range(3)], [503] * 3)
        self.assertGreaterEqual(door.stat("cluster.o.ssl.fail_verify_error"), 4)

    def test_open_connections_neither(self):
        """Nor is a connection that is open, once it is asked to carry another request; one that is good goes on."""
        lists = Revoker("ca")
        crl = put("open.crl", lists.list())
        cert("session-origin")
        o = origin("open-origin", ask="ssl_verify_client optional;")
        self.addCleanup(o.kill)
        tls = upstream_tls(validation_context={"trusted_ca": {"filename": ca()}, "crl": {"filename": crl}})
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", o.port, tls=tls)]), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        get = lambda: curl(f"http://localhost:{door.port}/echo").status
        lists.revoke("session-origin")
        self.assertEqual(get(), 200)
        put("open.crl", lists.list())
        time.sleep(1)
        self.assertEqual([get() for _ in range(3)], [200] * 3)  # another's revocation
        self.assertEqual(door.stat("cluster.o.ssl.handshake"), 1)
        lists.revoke("open-origin")
        put("open.crl", lists.list())
        wait_for("the new list", lambda: get() == 503)
        self.assertEqual(door.stat("cluster.o.upstream_cx_active"), 0)

    def test_not_with_another_ca(self):
        bundle = put("session-ca.pem", open(ca()).read())
        self.start(trusted=bundle)
        self.assertEqual([self.get() for _ in range(3)], [200] * 3)
        put("session-ca.pem", open(ca("another-ca")).read())
        wait_for("the new CA", lambda: self.get() == 503)
        put("session-ca.pem", open(ca()).read())
        wait_for("the old one", lambda: self.get() == 200)


class Configs(unittest.TestCase):
    def conf(self, *more, **tls):
        context = upstream_tls(**tls)
        context["typed_config"].update(*more)
        return config([listener(free_port(), [route_to("o")])], [cluster("o", free_port(), tls=context)])

    def test_refused(self):
        self.assertIn("a peer that begins a second handshake is cut off", refused(self.conf({"allow_renegotiation": True})))

    def test_audit(self):
        """Verification is on unless it is switched off, and that is found."""
        for what, conf in (("no context", self.conf(validation_context={})),
                           ("untrusted", self.conf(validation_context={"trusted_ca": {"filename": ca()}, "trust_chain_verification": "ACCEPT_UNTRUSTED"})),
                           ("anybody of the CA", self.conf(san=None)),
                           ("late ones", self.conf(validation_context={"trusted_ca": {"filename": ca()}, "allow_expired_certificate": True,
                                                   "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}]}))):
            found = [line for line in audit(conf)[1].splitlines() if "clusters[0].transport_socket" in line]
            with self.subTest(what):
                self.assertTrue(any(": high: " in f or ": medium: " in f or ": critical: " in f for f in found), found)
        self.assertEqual([line for line in audit(self.conf())[1].splitlines()
                          if "clusters[0].transport_socket" in line and (": high: " in line or ": critical: " in line)], [])


if __name__ == "__main__":
    unittest.main()
