# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts with several addresses (RFC 8305), beside Envoy: which one is taken, what a silent one costs, and addresses of both families to come from."""
import json
import os
import socket
import time
import unittest

from echo import Echo
from harness import Sallyport, address, cluster, config, curl, free_port, listener, refused, route_to, wait_for
from test_envoy import Envoy, find_envoy, set_port


class Silent:
    """A port that answers nothing: its line of connections is full."""

    def __init__(self):
        self.s = socket.socket()
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(0)
        self.port = self.s.getsockname()[1]
        self.taken = []
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(("127.0.0.1", self.port))
            self.taken.append(c)

    def stop(self):
        for s in (*self.taken, self.s):
            s.close()


class Peers(Echo):
    """Notes who connects."""

    def verify_request(self, request, client_address):
        self.peers = [*getattr(self, "peers", []), client_address[0]]
        return True


def at(port, host="127.0.0.1"):
    return {"address": address(port, host)}


class Addresses(unittest.TestCase):
    def keep(self, x):
        self.addCleanup(x.kill if hasattr(x, "kill") else x.stop)
        return x

    def subjects(self, conf):
        makes = [Sallyport]
        if find_envoy():
            makes.append(lambda c: Envoy(find_envoy(), c))
        for make in makes:
            yield self.keep(make(set_port(conf, free_port())))

    def test_race(self):
        four, six, silent = self.keep(Echo("four")), self.keep(Echo("six", host="::1")), self.keep(Silent())
        closed = free_port()
        cases = {  # the host's addresses, its options, who answers
            "first": ([at(four.port), at(six.port, "::1")], {}, "four"),
            "refused": ([at(closed), at(four.port)], {}, "four"),
            "other": ([at(closed), at(closed), at(closed, "::1"), at(six.port, "::1")], {}, "six"),
            "silent": ([at(silent.port), at(four.port)], {}, "four"),
            "six": ([at(four.port), at(six.port, "::1")], {"first_address_family_version": "V6"}, "six"),
            "none": ([at(closed), at(closed)], {}, None),
        }
        clusters = []
        for name, (addresses, order, _) in cases.items():
            c = cluster(name, 1, upstream_connection_options={"happy_eyeballs_config": order} if order else {})
            c["load_assignment"]["endpoints"][0]["lb_endpoints"] = [{"endpoint": {**addresses[0], "additional_addresses": addresses[1:]}}]
            clusters.append(c)
        conf = config([listener(0, [route_to(name, "/" + name) for name in cases])], clusters)
        for s in self.subjects(conf):
            for name, (_, _, who) in cases.items():
                with self.subTest(name, of=type(s).__name__):
                    began = time.monotonic()
                    a = curl(f"http://127.0.0.1:{s.port}/{name}")
                    took = time.monotonic() - began
                    self.assertEqual(a.status, 200 if who else 503)
                    if who:
                        self.assertEqual(json.loads(a.body)["server"], who)
                    if name == "silent":
                        self.assertGreater(took, 0.25)  # and less than connect_timeout, or it would have been 503
            if isinstance(s, Sallyport):  # Envoy counts some of the addresses
                for name, (_, _, who) in cases.items():
                    got = [s.stat(f"cluster.{name}.upstream_cx_{x}") for x in ("total", "connect_fail", "active")]
                    self.assertEqual(got, [1, 0, 1] if who else [1, 1, 0], name)

    def test_hosts_change(self):
        """With other addresses it is another host."""
        one, two = self.keep(Echo("one")), self.keep(Echo("two"))
        closed = free_port()

        def conf(port):
            c = cluster("c", closed)
            c["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["additional_addresses"] = [at(port)]
            return dict(config([listener(port_of_door, [route_to("c")])], [c]), admin={"address": address(admin)})
        port_of_door, admin = free_port(), free_port()
        s = self.keep(Sallyport(conf(one.port), wait=False))
        s.admin = admin
        wait_for("the door", s.is_ready)
        who = lambda: json.loads(curl(f"http://127.0.0.1:{s.port}/").body)["server"]
        self.assertEqual(who(), "one")
        with open(s.config_path + ".new", "w", encoding="ascii") as f:
            json.dump(conf(two.port), f)
        os.rename(s.config_path + ".new", s.config_path)
        wait_for("the other address", lambda: who() == "two")

    def test_sources(self):
        """source_address for hosts of its family, extra_source_addresses for those of the other."""
        four, six = self.keep(Peers("four")), self.keep(Echo("six", host="::1"))
        bind = {"source_address": {"address": "127.0.0.3", "port_value": 0}, "extra_source_addresses": [{"address": {"address": "::1", "port_value": 0}}]}
        clusters = [cluster("four", four.port, upstream_bind_config=bind), cluster("six", 1, upstream_bind_config=bind)]
        clusters[1]["load_assignment"]["endpoints"][0]["lb_endpoints"] = [{"endpoint": at(six.port, "::1")}]
        conf = config([listener(0, [route_to("four", "/four"), route_to("six", "/six")])], clusters)
        for s in self.subjects(conf):
            for name in ("four", "six"):
                self.assertEqual(json.loads(curl(f"http://127.0.0.1:{s.port}/{name}").body)["server"], name)
        self.assertEqual(four.peers, ["127.0.0.3"] * 2 if find_envoy() else ["127.0.0.3"])
        for extra, expected in (([{"address": {"address": "127.0.0.2", "port_value": 0}}], "is of the family of source_address"),
                                ([{"address": {"address": "::1", "port_value": 0}}] * 2, "2 are too many (one, of the other IP family)")):
            c = cluster("c", 1, upstream_bind_config=dict(bind, extra_source_addresses=extra))
            self.assertIn(expected, refused(config([listener(free_port(), [route_to("c")])], [c])))


if __name__ == "__main__":
    unittest.main()
