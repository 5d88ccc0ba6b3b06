# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of CDNs, each with the CDN (its addresses, headers, certificates) and with those who pretend to be it.

Addresses of loopback stand for the networks: the lists that the examples name are written here, in the CDNs' own formats.
"""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import unittest

from example import door_files
from harness import b64url, ca, cert, log_lines, nginx_plain, work
from test_examples import SECRET, Example, copy, etc, read

# Two nodes of the CDN (the second serves somebody else's account, too), and the rest of the world.
NODES, NODE, TENANT, WORLD = "127.0.0.16/28", "127.0.0.17", "127.0.0.18", ("127.0.0.1", "127.0.0.99")
VIEWER = "203.0.113.5"


def header(name, value):
    return ["-H", f"{name}: {value}"]


def hit(e, source, *args):
    return e.get("/echo", "--interface", source, *args)


def unsigned_bytes(der, at):
    """An INTEGER of a DER signature, as 32 bytes; where it ends."""
    end = at + 2 + der[at + 1]
    return int.from_bytes(der[at + 2:end], "big").to_bytes(32, "big"), end


class Signer:
    """An ES256 key of somebody."""

    def __init__(self, name):
        self.name, self.path = name, work(name + ".es256")
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path], check=True, capture_output=True)

    def public(self, form):
        return subprocess.run(["openssl", "ec", "-in", self.path, "-pubout", "-outform", form], check=True, capture_output=True).stdout

    def jwk(self):
        point = self.public("DER")[-64:]
        return {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": self.name, "x": b64url(point[:32]), "y": b64url(point[32:])}

    def token(self, head, claims, encode=b64url):
        text = ".".join(encode(json.dumps(x).encode()) for x in ({"alg": "ES256", "kid": self.name, **head}, claims))
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=text.encode(), check=True, capture_output=True).stdout
        r, at = unsigned_bytes(der, 2)
        return text + "." + encode(r + unsigned_bytes(der, at)[0])


class Cdn(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        door_files(cert("examples", san="DNS:localhost,DNS:api.example.com,DNS:www.example.com,DNS:other.test"), SECRET)
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def start(self, name, *changes):
        self.log, self.expected = os.path.join(work("etc"), "access.log"), []
        if os.path.exists(self.log):
            os.unlink(self.log)
        text = read(f"examples/{name}/sallyport.yaml")
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.e = Example(text, self.origin, least="low")
        self.addCleanup(self.end)

    def end(self):
        """What was logged is compared once, since the log is written once a second."""
        self.assertEqual(self.e.proc.stop(), 0)
        self.assertEqual([(x["status"], x["cdn"], x["client"], x["why"]) for x in log_lines(self.log)], self.expected)

    def passes(self, *args, client=VIEWER, source=NODE, xff="198.51.100.9"):
        """It is served, and CLIENT is the viewer, whatever else the request says."""
        a = hit(self.e, source, *header("x-forwarded-for", xff), *args)
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

    def test_akamai(self):
        key = "the-key-of-the-property-01234567"
        etc("g2o-key", key + "\n")
        etc("site-shield.json", json.dumps({"id": 42, "ruleName": "a;s1.akamai.test", "acknowledged": False, "currentCidrs": ["192.0.2.0/24"],
                                            "proposedCidrs": [NODES]}))

        def sign(unique, k=key, nonce="2026-11", when=None, path="/echo", version=5):
            data = f"{version}, {NODE}, {VIEWER}, {when or int(time.time())}, {unique}, {nonce}"
            mac = hmac.new(k.encode(), (data + path).encode(), {5: hashlib.sha256, 4: hashlib.sha1}[version]).digest()
            return (header("x-akamai-g2o-auth-data", data) + header("x-akamai-g2o-auth-sign", base64.b64encode(mac).decode()) +
                    header("true-client-ip", VIEWER))
        self.start("akamai")
        good = sign("1.2.3")
        self.passes(*good)
        self.refused("akamai_g2o_replay", *good)                                # replay, from inside the CDN too
        self.reset(*good)
        self.reset(*sign("never-seen"))
        self.refused("akamai_g2o", *header("true-client-ip", VIEWER))
        self.refused("akamai_g2o", *sign("a", k="the-key-of-another-property-9876"))
        self.refused("akamai_g2o", *sign("b", nonce="theirs"))
        self.refused("akamai_g2o_time", *sign("c", when=int(time.time()) - 120))
        self.refused("akamai_g2o_time", *sign("d", when=int(time.time()) + 120))
        self.refused("akamai_g2o", *sign("e", path="/other"))
        self.refused("akamai_g2o", *sign("f", version=4))                   # a good one, but of SHA-1
        self.refused("akamai_g2o", *sign("g"), *header("x-akamai-g2o-auth-sign", "AAAA"))
        self.passes(*sign("1.2.4"))

    def test_google(self):
        google, thief = Signer("iap"), Signer("iap-of-a-thief")
        audience = "/projects/123456789/global/backendServices/987654321"
        etc("iap-jwks.json", json.dumps({"keys": [google.jwk()]}))
        etc("google-front-ends.txt", f"# front ends\n{NODES}\n")

        def iap(signer=google, head=None, **claims):
            now = int(time.time())
            claims = {"iss": "https://cloud.google.com/iap", "aud": audience, "sub": "accounts.google.com:1", "iat": now, "exp": now + 600,
                      "email": "alice@example.com", **claims}
            return header("x-goog-iap-jwt-assertion", signer.token(head or {}, claims))
        self.start("google", ("130.211.0.0/22, 35.191.0.0/16", NODES))
        # What the client says, the client, the load balancer.
        xff = f"198.51.100.9, {VIEWER}, 192.0.2.44"
        self.passes(*iap(), xff=xff)
        self.reset(*iap())
        self.refused("signed_token")
        self.refused("signed_token", *iap(aud="/projects/666/global/backendServices/1"))          # another customer's
        self.refused("signed_token", *iap(iss="https://accounts.google.com"))
        self.refused("signed_token_time", *iap(exp=int(time.time()) - 600, iat=int(time.time()) - 1200))
        self.refused("signed_token", *iap(signer=thief))
        self.refused("signed_token", *iap(signer=thief, head={"kid": "iap"}))
        self.refused("signed_token", *iap(), *iap())
        # Probes have no token, and get no further than the door; nor do users by their path.
        a = self.e.get("/healthz", "--interface", TENANT)
        self.assertEqual((a.status, a.body), (200, b"ok\n"))
        self.expected.append((200, TENANT, TENANT, "origin_shield_exempted"))
        a = self.e.get("/healthz", "--interface", TENANT, "-X", "POST")
        self.assertEqual(a.status, 403)
        self.expected.append((403, TENANT, TENANT, "origin_shield_refused{signed_token}"))

    def test_aws_alb(self):
        alb, other = Signer("5f4a1b2c-0000-4000-8000-000000000001"), Signer("another-alb")
        arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/door/0123456789abcdef"
        etc("alb-key.pem", alb.public("PEM").decode())
        etc("ip-ranges.json", json.dumps({"prefixes": [
            {"ip_prefix": "192.0.2.0/24", "region": "GLOBAL", "service": "CLOUDFRONT_ORIGIN_FACING"},
            {"ip_prefix": "198.51.100.0/24", "region": "GLOBAL", "service": "EC2"}], "ipv6_prefixes": []}))

        def oidc(signer=alb, **head):
            exp = int(time.time()) + 120
            head = {"typ": "JWT", "signer": arn, "client": "app", "iss": "https://idp.example.com", "exp": exp, **head}
            text = signer.token(head, {"sub": "alice", "exp": exp, "iss": "https://idp.example.com"},
                                encode=lambda b: base64.urlsafe_b64encode(b).decode())              # with its padding
            return header("x-amzn-oidc-data", text)

        def via(*hops):
            return header("x-forwarded-for", ", ".join(hops))
        self.start("aws-alb", ("10.0.0.0/16", NODES))
        cdn = "192.0.2.7"
        viewer = header("x-origin-verify", SECRET) + header("cloudfront-viewer-address", VIEWER + ":4711")
        self.passes(*viewer, *oidc(), xff=f"198.51.100.9, {VIEWER}, {cdn}")
        self.reset(*viewer, *oidc(), *via(VIEWER, cdn))                                             # in the VPC, but not the ALB
        self.refused("peer_address", *viewer, *oidc(), *via(VIEWER, cdn, "198.51.100.66"))          # straight to the ALB
        self.refused("peer_address", *viewer, *oidc())
        self.refused("peer_address", *viewer, *oidc(), *via("198.51.100.66"), *via(cdn))            # two lines
        self.refused("secret_header", *oidc(), *via(VIEWER, cdn))                                   # another distribution
        self.refused("signed_token", *viewer, *via(VIEWER, cdn))
        self.refused("signed_token", *viewer, *oidc(signer=other), *via(VIEWER, cdn))
        self.refused("signed_token", *viewer, *oidc(signer=other, kid=alb.name), *via(VIEWER, cdn))
        self.refused("signed_token_time", *viewer, *oidc(exp=int(time.time()) - 600), *via(VIEWER, cdn))
        # Another customer's load balancer of the same region: the same keys, another name.
        theirs = {"signer": arn.replace("123456789012", "666666666666")}
        token = header("x-amzn-oidc-data", alb.token({"typ": "JWT", "client": "app", "iss": "x", "exp": int(time.time()) + 120, **theirs},
                                                     {"sub": "mallory", "exp": int(time.time()) + 120},
                                                     encode=lambda b: base64.urlsafe_b64encode(b).decode()))
        self.refused("signed_token", *viewer, *token, *via(VIEWER, cdn))
        a = self.e.get("/healthz", "--interface", TENANT)
        self.assertEqual(a.status, 200)
        self.expected.append((200, TENANT, TENANT, "origin_shield_exempted"))


if __name__ == "__main__":
    unittest.main()
