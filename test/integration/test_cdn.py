# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of CDNs, each with the CDN (its addresses, headers, certificates) and with those who pretend to be it.

Addresses of loopback stand for the networks: the lists that the examples name are written here, in the CDNs' own formats.
"""
import json
import os
import unittest

from harness import ca, cert, log_lines, nginx_plain, work
from test_examples import SECRET, Example, copy, etc, read

# Two nodes of the CDN (the second serves somebody else's account, too), and the rest of the world.
NODES, NODE, TENANT, WORLD = "127.0.0.16/28", "127.0.0.17", "127.0.0.18", ("127.0.0.1", "127.0.0.99")
VIEWER = "203.0.113.5"


def header(name, value):
    return ["-H", f"{name}: {value}"]


def hit(e, source, *args):
    return e.get("/echo", "--interface", source, *args)


class Cdn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        chain, key = cert("examples", san="DNS:localhost,DNS:api.example.com,DNS:www.example.com,DNS:other.test")
        copy(chain, "door.pem")
        copy(key, "door.key")
        etc("origin-secret", SECRET + "\n")
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def start(self, name):
        self.log, self.expected = os.path.join(work("etc"), "access.log"), []
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.e = Example(read(f"examples/{name}/sallyport.yaml"), self.origin)
        self.addCleanup(self.end)

    def end(self):
        """What was logged is compared once, since the log is written once a second."""
        self.assertEqual(self.e.proc.stop(), 0)
        self.assertEqual([(x["status"], x["cdn"], x["client"], x["why"]) for x in log_lines(self.log)], self.expected)

    def passes(self, *args, client=VIEWER, source=NODE):
        """It is served, and CLIENT is the viewer, whatever else the request says."""
        a = hit(self.e, source, *header("x-forwarded-for", "198.51.100.9"), *args)
        self.assertEqual(a.status, 200, a)
        self.assertNotIn(SECRET.encode(), a.body)
        self.expected.append((200, source, client, "via_upstream"))

    def refused(self, why, *args, source=TENANT):
        a = hit(self.e, source, *args)
        self.assertEqual(a.status, 403, a)
        self.assertEqual(a.headers["cache-control"], "no-store")
        self.assertNotIn(b"echo", a.body)
        self.expected.append((403, source, source, f"origin_shield_refused{{{why}}}"))
        return a.body

    def reset(self, *args):
        """From outside the CDN not even TLS begins, whatever the request carries."""
        for source in WORLD:
            self.assertEqual(hit(self.e, source, *args).status, 0, source)

    def test_cloudfront(self):
        def entry(address, service):
            return {"ip_prefix": address, "region": "GLOBAL", "service": service, "network_border_group": "GLOBAL"}
        etc("ip-ranges.json", json.dumps({
            "syncToken": "1764000000", "createDate": "2026-11-24-00-00-00", "ipv6_prefixes": [],
            "prefixes": [entry(NODES, "CLOUDFRONT_ORIGIN_FACING"), entry("127.0.0.0/8", "EC2"), entry("127.0.0.0/8", "AMAZON")]}))
        self.start("cloudfront")
        good = header("x-origin-verify", SECRET) + header("cloudfront-viewer-address", VIEWER + ":4711")
        self.passes(*good)
        self.reset()
        self.reset(*good)                                                   # a captured request, replayed; an EC2 machine
        bodies = {
            self.refused("secret_header"),
            self.refused("secret_header", *header("cloudfront-viewer-address", VIEWER + ":4711")),
            self.refused("secret_header", *header("x-origin-verify", "the-secret-of-another-tenant-99")),
            self.refused("secret_header", *good, *header("x-origin-verify", "the-secret-of-another-tenant-99")),
            self.refused("secret_header", *header("x-origin-verify", SECRET + "," + SECRET)),
        }
        self.assertEqual(len(bodies), 1)                                    # nothing tells what was wrong
        self.passes(*header("x-origin-verify", SECRET), client=NODE)        # without the header the CDN itself is the client

    def test_cloudflare(self):
        etc("cloudflare-ips.json", json.dumps({"success": True, "errors": [], "messages": [], "result": {
            "ipv4_cidrs": [NODES], "ipv6_cidrs": ["2001:db8::/32"], "etag": "0"}}))
        copy(ca("pull-ca"), "cloudflare-pull-ca.pem")

        def with_cert(name, san, by):
            chain, key = cert(name, san=san, by=by, usage="clientAuth")
            return ["--cert", chain, "--key", key]
        ours = with_cert("pull", "DNS:pull.example.com", "pull-ca")
        self.start("cloudflare")
        good = header("cf-connecting-ip", VIEWER)
        self.passes(*good, *ours)
        self.reset(*good, *ours)
        tenant = with_cert("global-pull", "DNS:origin-pull.cloudflare.test", "global-pull-ca")
        forged = with_cert("forged-pull", "DNS:pull.example.com", "global-pull-ca")
        for pair in ([], tenant, forged):                                   # a Worker; another zone; our name by another CA
            self.assertEqual(hit(self.e, TENANT, *good, *header("cf-worker", "evil.test"), *pair).status, 0)
        self.refused("client_certificate", *good, *with_cert("other-pull", "DNS:other.example.com", "pull-ca"))

    def test_azure_front_door(self):
        ours, theirs = "55ce4ed1-4b06-4bf1-b40e-4638452104da", "00000000-1111-2222-3333-444444444444"

        def tag(name, prefixes):
            return {"name": name, "id": name, "properties": {"changeNumber": 1, "region": "", "regionId": 0, "platform": "Azure",
                                                             "systemService": name.partition(".")[0],
                                                             "addressPrefixes": prefixes, "networkFeatures": ["NSG"]}}
        etc("azure-service-tags.json", json.dumps({"changeNumber": 300, "cloud": "Public", "values": [
            tag("AzureCloud", ["127.0.0.0/8"]), tag("AzureFrontDoor.Backend", [NODES, "2001:db8::/48"])]}))
        self.start("azure-front-door")
        good = header("x-azure-fdid", ours) + header("x-azure-socketip", VIEWER)
        self.passes(*good, *header("x-azure-clientip", "198.51.100.8"))
        self.reset(*good)                                                   # the id is no secret
        self.refused("header_value", *header("x-azure-fdid", theirs), *header("x-azure-socketip", VIEWER))
        self.refused("header_value", *header("x-azure-socketip", VIEWER))
        self.refused("header_value", *good, *header("x-azure-fdid", theirs))
        self.refused("header_value", *header("x-azure-fdid", theirs + "," + ours))
        self.refused("header_value", *header("x-azure-fdid", ours.upper()))

    def test_fastly(self):
        etc("fastly-ips.json", json.dumps({"addresses": [NODES], "ipv6_addresses": ["2001:db8::/32"]}))
        self.start("fastly")
        good = header("x-origin-verify", SECRET) + header("fastly-client-ip", VIEWER)
        self.passes(*good)
        self.reset(*good)
        self.refused("secret_header", *header("fastly-client-ip", VIEWER))
        self.refused("secret_header", *header("x-origin-verify", "the-secret-of-another-tenant-99"), *header("fastly-ff", "x!y!z"))
        # Two client addresses are none: the request passes, but nobody is believed.
        self.passes(*good, *header("fastly-client-ip", "198.51.100.7"), client=NODE)


if __name__ == "__main__":
    unittest.main()
