# SPDX-License-Identifier: GPL-2.0-or-later
"""Client certificates that come in a header, as CDNs and load balancers send them, and as attackers would."""
import base64
import hashlib
import unittest
import urllib.parse

from echo import Echo
from harness import (SECRET, Sallyport, T, _openssl, b64url, ca, cert, cluster, config, curl, downstream_tls, free_port, good_token,
                     jwt_filter, listener, log_lines, refused, route_to, shield, wait_for, work)
from mtls import Revoker, put

URL = T + "sallyport.filters.http.header_certificate.v1.HeaderCertificate"


def pem(name):
    with open(cert(name)[0], encoding="ascii") as f:
        return f.read()


def der(name):
    return _openssl("x509", "-in", cert(name)[0], "-outform", "DER").stdout


def cloudfront(name):
    return urllib.parse.quote(pem(name))


def alb(*names):
    """As AWS does it: "+", "=" and "/" stay."""
    return urllib.parse.quote("".join(pem(n) for n in names), safe="+=/")


def azure(name):
    return base64.b64encode(der(name)).decode()


def gate(header="CloudFront-Viewer-Cert-Pem", form="URL_ENCODED_PEM", validation=None, **more):
    return {"name": "header_certificate", "typed_config": {
        "@type": URL, "header": header, "format": form, "validation_context": {
            "trusted_ca": {"filename": ca("viewers")}, **(validation or {})}, **more}}


class HeaderCertificate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        ca("viewers")
        cert("viewer", san="DNS:viewer.test,URI:spiffe://viewer.test/a", by="viewers")
        cert("other-viewer", san="DNS:other.test", by="viewers")
        cert("old-viewer", by="viewers", days="-1")
        cert("forger", san="DNS:viewer.test", by="ca")
        cert("viewer-cdn", san="DNS:cdn.test", by="cdn-ca")

    @classmethod
    def tearDownClass(cls):
        cls.origin.stop()

    def door(self, *gates, tls=True, hcm=None, **shield_more):
        self.log = work(f"cert-{free_port()}.log")
        manager = {"forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"subject": True, "uri": True},
                   "access_log": [{"name": "file", "typed_config": {
                       "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": self.log,
                       "log_format": {"json_format": {"details": "%RESPONSE_CODE_DETAILS%", "subject": "%DOWNSTREAM_PEER_SUBJECT%",
                                                      "shadow": "%SALLYPORT_SHADOW%"}}}}], **(hcm or {})}
        self.port = free_port()
        socket = downstream_tls("server", client_ca=ca("cdn-ca")) if tls else None
        door = Sallyport(config([listener(self.port, [route_to("o")], [shield(**shield_more), *gates], tls=socket, hcm=manager)],
                                [cluster("o", self.origin.port)]), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        self.scheme = "https" if tls else "http"
        return door

    def ask(self, *headers, proven=True, cdn=True):
        """(status, the origin's view of the headers)."""
        args = [x for h in headers for x in ("-H", h)]
        if proven:
            args += ["-H", f"x-origin-verify: {SECRET}"]
        if cdn and self.scheme == "https":
            args += ["--cert", cert("viewer-cdn")[0], "--key", cert("viewer-cdn")[1]]
        a = curl(f"{self.scheme}://localhost:{self.port}/", *args)
        if a.status != 200:
            return a.status, {}
        import json
        return 200, {k.lower(): v for k, v in json.loads(a.body)["headers"]}

    def details(self, n=1):
        return wait_for("the log", lambda: len(log_lines(self.log)) >= n and log_lines(self.log))[-1]

    def test_cloudfront(self):
        door = self.door(gate(related_headers=["cloudfront-viewer-cert-subject"]))
        header = "cloudfront-viewer-cert-pem: "
        status, seen = self.ask(header + cloudfront("viewer"), "cloudfront-viewer-cert-subject: CN=viewer",
                                "x-forwarded-client-cert: By=forged;Hash=00")
        self.assertEqual(status, 200)
        digest = _openssl("x509", "-in", cert("viewer")[0], "-noout", "-fingerprint", "-sha256").stdout.decode()
        digest = digest.split("=")[1].strip().replace(":", "").lower()
        self.assertEqual(seen["x-forwarded-client-cert"], f'Hash={digest};Subject="CN=viewer";URI=spiffe://viewer.test/a')
        self.assertEqual(seen["cloudfront-viewer-cert-pem"], cloudfront("viewer"))
        self.assertEqual(seen["cloudfront-viewer-cert-subject"], "CN=viewer")
        self.assertEqual(self.details()["subject"], "CN=viewer")
        # The same again, from the cache; another client on the same connection is another client.
        self.assertEqual(self.ask(header + cloudfront("viewer"))[1]["x-forwarded-client-cert"], seen["x-forwarded-client-cert"])
        self.assertIn("CN=other-viewer", self.ask(header + cloudfront("other-viewer"))[1]["x-forwarded-client-cert"])
        # A client without one is no client at all: not the CDN, whose certificate the connection has.
        status, seen = self.ask("cloudfront-viewer-cert-subject: CN=viewer")
        self.assertEqual((status, "x-forwarded-client-cert" in seen, "cloudfront-viewer-cert-subject" in seen), (200, False, False))
        # Nor is it believed of those who are not the CDN.
        self.assertEqual(self.ask(header + cloudfront("viewer"), proven=False)[0], 403)
        reasons = []
        for bad, why in ((cloudfront("forger"), "unable_to_get_local_issuer_certificate"),
                         (cloudfront("old-viewer"), "certificate_has_expired"), ("nonsense", "malformed"),
                         (cloudfront("viewer") + "%", "malformed"), (cloudfront("viewer")[:-9], "malformed"),
                         (urllib.parse.quote(open(cert("viewer")[1]).read()), "malformed"),
                         (cloudfront("viewer").replace("END", "end"), "malformed"), ("x" + cloudfront("viewer"), "malformed"),
                         (alb(*["viewer"] * 11), "malformed")):
            self.assertEqual(self.ask(header + bad)[0], 403, bad)
            reasons.append("header_certificate_refused{" + why + "}")
        self.assertEqual(self.ask(header + cloudfront("viewer"), header + cloudfront("viewer"))[0], 403)
        reasons.append("header_certificate_refused{repeated}")
        lines = lambda: [x["details"] for x in log_lines(self.log) if "header_certificate" in x["details"]]
        wait_for("the log", lambda: len(lines()) == len(reasons))
        self.assertEqual(lines(), reasons)
        stats = {k.rsplit(".", 1)[1]: v for k, v in door.stats().items() if ".header_certificate." in k}
        self.assertEqual(stats, {"verified": 3, "none": 1, "unproven": 0, "refused": 10, "shadow_refused": 0})

    def test_forms(self):
        for form, header, value, status in (
                ("URL_ENCODED_PEM", "x-amzn-mtls-clientcert", alb("viewer", "other-viewer"), 200),
                ("URL_ENCODED_PEM", "x-amzn-mtls-clientcert", alb("forger", "viewer"), 403),
                ("BASE64_DER", "x-arr-clientcert", azure("viewer"), 200),
                ("BASE64_DER", "x-arr-clientcert", azure("forger"), 403),
                ("BASE64_DER", "x-arr-clientcert", azure("viewer")[:-4], 403),
                ("BASE64_DER", "x-arr-clientcert", cloudfront("viewer"), 403),
                ("RFC_9440", "client-cert", f":{azure('viewer')}:", 200),
                ("RFC_9440", "client-cert", azure("viewer"), 403)):
            with self.subTest(f"{form} {status}"):
                door = self.door(gate(header, form), tls=False)
                got, seen = self.ask(f"{header}: {value}")
                self.assertEqual(got, status)
                if status == 200:
                    self.assertIn('Subject="CN=viewer"', seen["x-forwarded-client-cert"])
                door.stop()
                self.doCleanups()

    def test_required_and_stripped(self):
        self.door(gate(required=True, strip=True, validation={"match_typed_subject_alt_names": [
            {"san_type": "URI", "matcher": {"prefix": "spiffe://viewer.test/"}}]}))
        header = "cloudfront-viewer-cert-pem: "
        status, seen = self.ask(header + cloudfront("viewer"))
        self.assertEqual((status, "cloudfront-viewer-cert-pem" in seen), (200, False))
        self.assertEqual(self.ask()[0], 403)
        self.assertEqual(self.details(2)["details"], "header_certificate_refused{missing}")
        self.assertEqual(self.ask(header + cloudfront("other-viewer"))[0], 403)

    def test_unproven(self):
        """Whoever the shield lets pass without proof: the header is taken out, and no certificate is his."""
        self.door(gate(related_headers=["cloudfront-viewer-cert-subject"]), enforcement="SHADOW")
        status, seen = self.ask("cloudfront-viewer-cert-pem: " + cloudfront("viewer"), "CloudFront_Viewer-Cert_Pem: x",
                                "cloudfront-viewer-cert-subject: CN=viewer", proven=False)
        self.assertEqual(status, 200)
        self.assertFalse([k for k in seen if "viewer" in k or k == "x-forwarded-client-cert"], seen)

    def test_shadow(self):
        door = self.door(gate(required=True, enforcement="SHADOW"))
        status, seen = self.ask("cloudfront-viewer-cert-pem: " + cloudfront("forger"))
        self.assertEqual((status, "x-forwarded-client-cert" in seen, "cloudfront-viewer-cert-pem" in seen), (200, False, False))
        self.assertEqual(self.details()["shadow"],
                         "header_certificate:header_certificate_refused{unable_to_get_local_issuer_certificate}")
        self.assertEqual([v for k, v in door.stats().items() if k.endswith("header_certificate.shadow_refused")], [1])

    def test_a_revoked_viewer(self):
        lists = Revoker("viewers")
        self.door(gate(validation={"crl": {"filename": put("viewers.crl", lists.list())}}))
        header = "cloudfront-viewer-cert-pem: " + cloudfront("viewer")
        self.assertEqual(self.ask(header)[0], 200)
        lists.revoke("viewer")
        put("viewers.crl", lists.list())
        wait_for("the new list", lambda: self.ask(header)[0] == 403)
        self.assertEqual(self.ask("cloudfront-viewer-cert-pem: " + cloudfront("other-viewer"))[0], 200)

    def test_rbac(self):
        """authenticated means the certificate in the header, not the CDN's."""
        def rbac(name):
            return {"name": "rbac", "typed_config": {"@type": T + "envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {
                "action": "ALLOW", "policies": {"p": {"permissions": [{"any": True}], "principals": [{"authenticated": {
                    "principal_name": {"exact": name}}}]}}}}}
        header = "cloudfront-viewer-cert-pem: "
        self.door(gate(), rbac("spiffe://viewer.test/a"), tls=False)
        self.assertEqual(self.ask(header + cloudfront("viewer"))[0], 200)
        self.assertEqual(self.ask(header + cloudfront("other-viewer"))[0], 403)
        self.assertEqual(self.ask()[0], 403)
        self.door(gate(), rbac("cdn.test"))
        self.assertEqual(self.ask(header + cloudfront("viewer"))[0], 403)
        self.assertEqual(self.ask()[0], 403)

    def test_bound_tokens(self):
        """RFC 8705 behind a CDN: the token of one viewer is of no use to another, nor to the CDN's own certificate."""
        sender = {"name": "sender", "typed_config": {
            "@type": T + "sallyport.filters.http.sender_constraint.v1.SenderConstraint",
            "sources": [{"key": "jwt"}], "required": True}}
        self.door(gate(), jwt_filter(payload_in_metadata="jwt"), sender)
        header = "cloudfront-viewer-cert-pem: "
        bound = lambda name: f"authorization: Bearer {good_token(cnf={'x5t#S256': b64url(hashlib.sha256(der(name)).digest())})}"
        self.assertEqual(self.ask(header + cloudfront("viewer"), bound("viewer"))[0], 200)
        self.assertEqual(self.ask(header + cloudfront("other-viewer"), bound("viewer"))[0], 401)
        self.assertEqual(self.ask(bound("viewer"))[0], 401)
        self.assertEqual(self.ask(bound("viewer-cdn"))[0], 401)

    def test_refused_configs(self):
        conf = lambda *filters: config([listener(free_port(), [route_to("o")], filters)], [cluster("o", 1)])
        no_ca = gate()
        del no_ca["typed_config"]["validation_context"]["trusted_ca"]
        for filters, why in (((gate(),), "put an origin_shield before it"), ((gate(), shield()), "put an origin_shield before it"),
                             ((shield(), no_ca), "anybody can make a certificate that this takes"),
                             ((shield(), gate(validation={"trust_chain_verification": "ACCEPT_UNTRUSTED"})), "anybody can make"),
                             ((shield(), gate(form="FORMAT_UNSPECIFIED")), "format"),
                             ((shield(), gate(header="host")), "header"),
                             ((shield(), gate(validation={"crl": {"filename": work("none")}})), "cannot read")):
            with self.subTest(why):
                self.assertIn(why, refused(conf(*filters)))


if __name__ == "__main__":
    unittest.main()
