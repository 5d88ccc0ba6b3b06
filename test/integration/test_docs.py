# SPDX-License-Identifier: GPL-2.0-or-later
"""Every ```yaml block of README.md and docs/ loads: what is not a whole config is put into one, by its first line."""
import os
import re
import shutil
import subprocess
import textwrap
import unittest

from harness import BIN, ROOT, SLOW, ca, cert, jwks, work
from mtls import Revoker
from test_staple import response

ROUTER = '''- name: router
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
'''
ROUTES = '''route_config:
  virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: origin}}]}]
'''
HCM = '''- name: http
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: door
    use_remote_address: true
'''
CLUSTERS = ("ocsp-responder", "origin", "web", "api", "api-v2")
JWT = '''http_filters:
- name: jwt
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    providers:
      login:
'''
# Where keys come from: with TLS, or a warning would say so.
ISSUER = '''transport_socket:
  name: tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: issuer.example
    common_tls_context: {validation_context: {trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}, match_typed_subject_alt_names: [
      {san_type: DNS, matcher: {exact: issuer.example}}]}}
'''
# What the connection manager, a filter chain, a listener and a cluster are made of, for a block that begins with it.
MANAGER = ("http_filters", "route_config", "access_log", "codec_type", "common_http_protocol_options", "http_protocol_options",
           "http2_protocol_options", "local_reply_config", "normalize_path", "upgrade_configs", "original_ip_detection_extensions",
           "tracing", "early_header_mutation_extensions")
CHAIN = ("transport_socket", "filter_chain_match")
HTTP2 = """typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
"""
TABLE = ("request_headers_to_add",)
LISTENER = ("filter_chains", "listener_filters")
CLUSTER = ("load_assignment", "typed_extension_protocol_options", "health_checks", "circuit_breakers", "upstream_bind_config", "round_robin_lb_config", "lb_subset_config", "transport_socket_matches")


def indent(text, by):
    return textwrap.indent(text, " " * by)


def cluster(name, more=""):
    text = f"- name: {name}\n  type: STATIC\n" + indent(more, 2)
    if "load_assignment:" not in more:
        text += f"  load_assignment:\n    cluster_name: {name}\n    endpoints: [{{lb_endpoints: [{{endpoint: {{address: " \
                "{socket_address: {address: 127.0.0.1, port_value: 9}}}}]}]\n"
    return text


def config(manager="", chain="", listener="", of_cluster=""):
    """A whole config around one piece."""
    if "http_filters:" not in manager:
        manager += "http_filters:\n" + ROUTER
    elif "http.router.v3" not in manager:
        before, rest = manager.split("http_filters:\n")
        cut = re.search(r"^[a-z]", rest, re.M)
        at = cut.start() if cut else len(rest)
        manager = f"{before}http_filters:\n{rest[:at]}{ROUTER}{rest[at:]}"
    if "route_config:" not in manager:
        manager += ROUTES
    hcm = HCM.replace("    use_remote_address: true\n", "") if "original_ip_detection" in manager else HCM
    if "filter_chains:" not in listener:
        listener += "filter_chains:\n- " + indent(chain + "filters:\n" + hcm + indent(manager, 4), 2)[2:]
    return ("static_resources:\n  listeners:\n  - name: door\n"
            "    address: {socket_address: {address: 127.0.0.1, port_value: 0}}\n" + indent(listener, 4) +
            "  secrets: [{name: origin, generic_secret: {secret: {filename: /etc/sallyport/origin-credential}}}]\n  clusters:\n" +
            "".join(indent(cluster(c, of_cluster if c == "origin" else ""), 2) for c in CLUSTERS) +
            indent(cluster("issuer", ISSUER), 2) + indent(cluster("limits", HTTP2), 2) + indent(cluster("collector", HTTP2), 2) + indent(cluster("next", "lb_policy: RANDOM\n"), 2))


def wrap(block):
    first = re.match(r"- name: .*|[a-z_0-9]+", re.sub(r"^ *#.*\n", "", block)).group(0)
    if first in ("static_resources", "admin", "cluster_manager", "node"):
        return block
    if first == "version_info":  # a file that an EDS cluster names
        path = work("docs/eds.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(block)
        return f"static_resources: {{clusters: [{{name: origin, type: EDS, eds_cluster_config: {{eds_config: {{path: {path}}}}}}}]}}\n"
    if first in ("bootstrap_extensions", "layered_runtime", "overload_manager", "stats_config", "stats_flush_interval"):
        return block + config()
    if first.startswith("- name"):
        return config(manager="http_filters:\n" + block)
    if first in TABLE:
        return config(manager=ROUTES + indent(block, 2))
    if first in ("rate_limits", "virtual_clusters"):
        return config(manager="route_config:\n  virtual_hosts:\n  - name: all\n    domains: ['*']\n"
                      "    routes: [{match: {prefix: /}, route: {cluster: origin}}]\n" + indent(block, 4))
    if first == "access_log_options":
        return config(manager=block)
    if first == "remote_jwks":
        return config(manager=JWT + indent(block, 8))
    if first in CHAIN and "UpstreamTlsContext" not in block:
        return config(chain=block)
    if first in LISTENER:
        return config(listener=block)
    if first in CLUSTER + CHAIN:
        return config(of_cluster=block)
    assert first in MANAGER, f"where does a block belong that begins with {first!r}? Say it in test_docs.py"
    return config(manager=block)


def blocks():
    pages = ["README.md"] + [os.path.relpath(os.path.join(d, f), ROOT) for d, _, files in os.walk(os.path.join(ROOT, "docs"))
                             for f in files if f.endswith(".md")]
    for page in sorted(pages):
        with open(os.path.join(ROOT, page), encoding="utf-8") as f:
            text = f.read()
        for m in re.finditer(r"^```yaml\n(.*?)^```", text, re.S | re.M):
            yield page, text[:m.start()].count("\n") + 2, m.group(1)


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.makedirs(work("docs/keys"), exist_ok=True)
        chain, key = cert("docs", san="DNS:door.example.com")
        files = {"users": b"alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "secret": b"the-secret-of-the-docs-0123456789\n", "jwks": jwks().encode(), "list": b"192.0.2.0/24\n", "aws":
                 b'{"prefixes": [{"ip_prefix": "192.0.2.0/24", "service": "CLOUDFRONT_ORIGIN_FACING"}]}'}
        for name, path in (("pem", chain), ("key", key), ("ca", ca())):
            with open(path, "rb") as f:
                files[name] = f.read()
        files["tickets"] = bytes(range(80))
        files["chain"] = files["pem"] + files["ca"]
        with open(response("docs"), "rb") as f:
            files["ocsp"] = f.read()
        files["xds"] = b"resources: []\n"
        files["crl"] = Revoker().list().encode()
        cls.files = files

    def put(self, path):
        """A file that a block names, made of what its name says that it is."""
        name = os.path.basename(path)
        kind = ("xds" if name.endswith(".yaml") else "ca" if name.endswith("-ca.pem") or name == "ca-certificates.crt" else "jwks" if "jwks" in name else
                "aws" if name == "ip-ranges.json" else "list" if name == "blocklist.txt" else "users" if name == "users" else
                "chain" if name == "door-chain.pem" else "ocsp" if name.endswith(".ocsp") else "tickets" if name.startswith("tickets-") else "crl" if name.endswith(".crl") else "key" if name.endswith(".key") else "pem" if name.endswith(".pem") else "secret")
        to = os.path.join(work("docs/keys"), name)
        with open(to, "wb") as f:
            f.write(self.files[kind])
        return to

    def load(self, text):
        text = re.sub(r"/(?:etc|run|var)/[\w./-]+", lambda m: self.put(m.group(0)), text)
        path = work("docs/block.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return subprocess.run([BIN, "validate", path], capture_output=True, text=True, timeout=30 * SLOW, check=False,
                              env=dict(os.environ, ORIGIN_OLD="another-secret-of-the-docs-0123"))

    def test_every_block_loads(self):
        pages = set()
        for page, line, block in blocks():
            with self.subTest(at=f"{page}:{line}"):
                pages.add(page)
                text = wrap(block)
                p = self.load(text)
                self.assertEqual((p.returncode, "warning" in p.stderr), (0, False), f"{p.stderr}\n{text}")
        self.assertIn("README.md", pages)
        self.assertGreaterEqual(len(pages), 6)

    @unittest.skipUnless(shutil.which("dpkg-query"), "no Debian")
    def test_packages_to_run_it_are_named(self):
        """operations.md installs `scripts/packages --print run` where the program runs: its libraries are in them."""
        packages = subprocess.run([f"{ROOT}/scripts/packages", "--print", "run"], capture_output=True, text=True, check=True).stdout.split()
        there = subprocess.run(["dpkg-query", "-L", "libc6", *packages], capture_output=True, text=True).stdout
        there = {os.path.basename(path) for path in there.split()}
        needed = re.findall(r"^\s(\S+) => /", subprocess.run(["ldd", BIN], capture_output=True, text=True, check=True).stdout, re.M)
        self.assertIn("libuv.so.1", needed)
        # Those of sanitizers and of gcov are the compiler's.
        missing = [name for name in needed if name not in there and not re.match(r"lib(asan|ubsan|tsan|gcc_s|stdc\+\+)\.so", name)]
        self.assertEqual(missing, [])

    def test_a_wrong_block_does_not(self):
        p = self.load(wrap("http_filters:\n- name: x\n  typed_confg: {}\n"))
        self.assertEqual(p.returncode, 1)
        self.assertIn("typed_config", p.stderr)


if __name__ == "__main__":
    unittest.main()
