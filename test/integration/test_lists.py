# SPDX-License-Identifier: GPL-2.0-or-later
"""Address lists in files, over real connections: read, changed, moved over, spoilt, at the gates and at accept."""
import json
import os
import time
import unittest

from harness import (SECRET, T, Sallyport, cluster, config, curl, ip_restriction, listener, log_lines, log_to, nginx_plain, free_port,
                     refused, route_to, shield, wait_for, work)

CDN, TENANT, STRANGER = "127.0.0.21", "127.0.0.22", "127.0.0.99"
HTTP = "http.test.ip_restriction.list."


def write(name, text):
    """As a careful operator does it: to a temporary file, then moved over."""
    path = work(name)
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


def fetch(door, source, *args):
    return curl(f"http://127.0.0.1:{door.port}/echo", "--interface", source, *args)


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def door(self, filters=(), **more):
        door = Sallyport(config([listener(free_port(), [route_to("o")], filters, **more)], [cluster("o", self.origin.port)]))
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    def test_a_list_changes(self):
        """deny_lists: the new list bites, a bad one does not, requests in between are never lost."""
        log = work("lists-access.log")
        path = write("bad", "# nobody yet\n192.0.2.1\n")
        door = self.door([ip_restriction(deny=["192.0.2.9"], deny_lists=[{"name": "bad", "path": path}])],
                         hcm={"access_log": log_to(log)})
        self.assertEqual(fetch(door, STRANGER).status, 200)
        self.assertEqual(door.stat(HTTP + "bad.entries"), 1)
        self.assertEqual(door.stat(HTTP + "bad.reload_ok"), 0)

        write("bad", "192.0.2.1\n127.0.0.0/24\n127.0.0.99\n")
        wait_for("the new list", lambda: door.stat(HTTP + "bad.reload_ok") == 1)
        self.assertEqual(door.stat(HTTP + "bad.entries"), 3)
        self.assertEqual(fetch(door, STRANGER).status, 403)
        self.assertEqual(fetch(door, CDN).status, 403)
        lines = wait_for("the log", lambda: len(log_lines(log)) == 3 and log_lines(log))
        self.assertEqual({x["peer"] + " " + x["details"] for x in lines},
                         {STRANGER + " via_upstream", STRANGER + " ip_restriction_denied{127.0.0.99/32}",
                          CDN + " ip_restriction_denied{127.0.0.0/24}"})
        self.assertIn("denied 127.0.0.99: 127.0.0.99/32 of bad (GET /echo)", door.log())

        for n, text in enumerate(["", "0.0.0.0/0\n", "127.0.0.0/24\nx\n", "192.0.2.1\n"], 1):
            write("bad", text)
            wait_for("the refusal", lambda n=n: door.stat(HTTP + "bad.reload_refused") == n)
            self.assertEqual(fetch(door, STRANGER).status, 403)
        self.assertEqual(door.stat(HTTP + "bad.entries"), 3)
        self.assertIn('address list "ip_restriction bad": the new version is refused, the old one serves on', door.log())
        status, page = door.get("/files")
        self.assertEqual(status, 200)
        self.assertIn("2 of its 3 ranges would be lost, more than max_shrink_percent 50 allows", page)
        os.unlink(path)
        wait_for("the refusal", lambda: door.stat(HTTP + "bad.reload_refused") >= 5)
        self.assertEqual(fetch(door, STRANGER).status, 403)
        write("bad", "127.0.0.21\n192.0.2.0/24\n")
        wait_for("the list that is good again", lambda: door.stat(HTTP + "bad.reload_ok") == 2)
        self.assertEqual(fetch(door, STRANGER).status, 200)
        self.assertEqual(fetch(door, CDN).status, 403)
        self.assertNotIn("would be lost", door.get("/files")[1])

    def test_at_accept(self):
        path = write("cdn.json", json.dumps({"addresses": [CDN + "/32"], "ipv6_addresses": []}))
        gate = {"name": "ip_restriction", "typed_config": {
            "@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction",
            "allow_lists": [{"name": "fastly", "path": path, "format": "FASTLY"}]}}
        door = self.door(listener_filters=[gate], stat_prefix="door")
        self.assertEqual(fetch(door, CDN).status, 200)
        self.assertEqual(fetch(door, TENANT).status, 0)
        write("cdn.json", json.dumps({"addresses": [TENANT + "/32", CDN + "/32"], "ipv6_addresses": ["2001:db8::/32"]}))
        wait_for("the new list", lambda: door.stat("listener.door.ip_restriction.list.fastly.reload_ok") == 1)
        self.assertEqual(fetch(door, TENANT).status, 200)
        self.assertEqual(fetch(door, STRANGER).status, 0)

    def test_of_the_shield(self):
        def aws(*ranges):
            return json.dumps({"prefixes": [{"ip_prefix": r, "region": "GLOBAL", "service": s} for r, s in ranges],
                               "ipv6_prefixes": []})
        path = write("aws.json", aws((CDN + "/32", "CLOUDFRONT_ORIGIN_FACING"), (STRANGER + "/32", "EC2")))
        secret = {"secret_header": {"secrets": [{"name": "now", "value": {"inline_string": SECRET}}]}}
        peers = {"peer_address": {"lists": [{"name": "cloudfront", "path": path, "format": "AWS_IP_RANGES",
                                             "services": ["CLOUDFRONT_ORIGIN_FACING"]}]}}
        door = self.door([shield(proof={"all_of": {"proofs": [peers, secret]}})])
        good = ["-H", f"x-origin-verify: {SECRET}"]
        self.assertEqual(fetch(door, CDN, *good).status, 200)
        self.assertEqual(fetch(door, STRANGER, *good).status, 403)
        self.assertEqual(fetch(door, CDN).status, 403)
        name = "http.test.origin_shield.list.cloudfront."
        write("aws.json", aws((STRANGER + "/32", "EC2")))
        wait_for("the refusal", lambda: door.stat(name + "reload_refused") == 1)
        self.assertEqual(fetch(door, CDN, *good).status, 200)
        write("aws.json", aws((CDN + "/32", "CLOUDFRONT_ORIGIN_FACING"), (TENANT + "/32", "CLOUDFRONT_ORIGIN_FACING")))
        wait_for("the new list", lambda: door.stat(name + "reload_ok") == 1)
        self.assertEqual(fetch(door, TENANT, *good).status, 200)
        self.assertEqual(door.stat(name + "entries"), 2)

    def test_age(self):
        path = write("old", "127.0.0.0/24\n")
        os.utime(path, (time.time() - 86400, time.time() - 86400))
        door = self.door([ip_restriction(allow_lists=[{"name": "old", "path": path}])])
        first = door.stat(HTTP + "old.age_seconds")
        self.assertTrue(86400 <= first < 86500, first)
        wait_for("it to grow older", lambda: door.stat(HTTP + "old.age_seconds") > first)

    def test_the_same_checks_at_the_start(self):
        def errors(text, **more):
            path = write("start", text)
            return refused(config([listener(free_port(), [route_to("o")], [ip_restriction(
                allow_lists=[{"name": "start", "path": path, **more}])])], [cluster("o", 9)]))
        self.assertIn("allow_lists[0].path", errors(""))
        self.assertIn("'0.0.0.0/1' is too wide", errors("0.0.0.0/1\n128.0.0.0/1\n"))
        self.assertIn("not a JSON object", errors("127.0.0.1\n", format="AWS_IP_RANGES"))
        self.assertIn("'EC2' matches no range", errors('{"prefixes": [{"ip_prefix": "192.0.2.0/24", "service": "S3"}]}',
                                                       format="AWS_IP_RANGES", services=["EC2"]))


if __name__ == "__main__":
    unittest.main()
