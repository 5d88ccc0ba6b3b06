# SPDX-License-Identifier: GPL-2.0-or-later
"""Towards the origin: the address that connections come from."""
import unittest

from harness import Nginx, Sallyport, cluster, config, curl, free_port, listener, refused, route_to

FROM = "upstream_bind_config"


def source(ip):
    return {"source_address": {"address": ip, "port_value": 0}}


class EgressAddress(unittest.TestCase):
    def start(self, *clusters, **more):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$remote_addr"; }')
        self.addCleanup(origin.kill)
        port = free_port()
        made = [cluster(name, origin.port, **{FROM: source(ip)} if ip else {}) for name, ip in clusters]
        conf = dict(config([listener(port, [route_to(name, "/" + name) for name, _ in clusters])], made), **more)
        door = Sallyport(conf)
        self.addCleanup(door.kill)
        return door, f"http://127.0.0.1:{port}"

    def test_each_cluster_has_its_own(self):
        door, url = self.start(("a", "127.0.0.11"), ("b", "127.0.0.12"), ("c", None))
        seen = {name: curl(f"{url}/{name}").body.decode() for name in "abc"}
        self.assertEqual(seen, {"a": "127.0.0.11", "b": "127.0.0.12", "c": "127.0.0.1"})
        self.assertEqual(door.stop(), 0)

    def test_default_of_all(self):
        door, url = self.start(("a", "127.0.0.11"), ("b", None), cluster_manager={FROM: source("127.0.0.13")})
        seen = {name: curl(f"{url}/{name}").body.decode() for name in "ab"}
        self.assertEqual(seen, {"a": "127.0.0.11", "b": "127.0.0.13"})
        self.assertEqual(door.stop(), 0)

    def test_an_address_that_is_not_here(self):
        """No other address is taken instead; the log and a counter say why."""
        door, url = self.start(("a", "192.0.2.7"))
        a = curl(url + "/a")
        self.assertEqual(a.status, 503)
        self.assertGreaterEqual(door.stat("cluster.a.bind_errors"), 1)
        self.assertIn('cluster "a": cannot connect from 192.0.2.7: Cannot assign requested address', door.log())
        self.assertIn("has to be an address of this machine", door.log())

    def test_several_addresses_are_refused(self):
        conf = config([listener(free_port(), [route_to("a")])], [
            cluster("a", 1, **{FROM: dict(source("127.0.0.1"), extra_source_addresses=[{"address": {"address": "127.0.0.2", "port_value": 0}}])})])
        self.assertIn("extra_source_addresses", refused(conf))


if __name__ == "__main__":
    unittest.main()
