# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/stats.md as data: the stats that there are, by the pattern of their names. Read by test/lint/stats and by the tests that drive them.

A pattern is a name with places in it: cluster.<cluster>.upstream_rq_<code>; what stands in [ ] may be missing.
"""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PAGE = os.path.join(ROOT, "docs/stats.md")
KINDS = ("counter", "gauge", "histogram")
# Places that become labels; the others stay in the metric's name.
LABELS = {"cluster": "envoy_cluster_name", "address": "envoy_listener_address", "http": "envoy_http_conn_manager_prefix",
          "check": "envoy_health_check_name", "route config": "envoy_rds_route_config", "resource": "envoy_xds_resource_name",
          "list": "sallyport_list", "secret": "sallyport_secret", "ext_authz prefix": "envoy_ext_authz_prefix",
          "rbac prefix": "envoy_rbac_http_prefix", "policy": "envoy_rbac_policy_name", "code": "envoy_response_code",
          "class": "envoy_response_code_class", "proxy_proto prefix": "envoy_proxy_protocol_prefix",
          "rate prefix": "envoy_local_http_ratelimit_prefix", "limit prefix": "envoy_connection_limit_prefix",
          "accept prefix": "envoy_local_listener_ratelimit_prefix", "vhost": "envoy_virtual_host",
          "vcluster": "envoy_virtual_cluster", "route": "envoy_route",
          "certificate": "envoy_tls_certificate"}
SHAPES = {"code": r"[1-5]\d\d", "class": r"[1-5]", "thread": r"worker_\d+|main_thread", "threads": "workers|main_thread"}


class Stat:
    def __init__(self, pattern, kind, metric, whose, text):
        self.pattern, self.kind, self.metric, self.whose, self.text = pattern, kind, metric, whose, text
        self.regex = re.compile(regex_of(pattern) + "$")
        self.literal = len(re.sub(r"<[^>]*>|[][]", "", pattern))


def regex_of(pattern):
    out = ""
    for part in re.split(r"(<[^>]*>|[][])", pattern):
        if part == "[":
            out += "(?:"
        elif part == "]":
            out += ")?"
        elif part.startswith("<"):
            out += f"(?:{SHAPES.get(part[1:-1], '.+?')})"
        else:
            out += re.escape(part)
    return out


def metric_of(pattern):
    """Its name for Prometheus, with the labels: envoy_cluster_upstream_rq{envoy_cluster_name, envoy_response_code}."""
    labels = [LABELS[p] for p in re.findall(r"<([^>]*)>", pattern) if p in LABELS]
    name = re.sub(r"_<code>$", "", pattern)
    name = re.sub(r"<class>xx$", "xx", name)
    for place in LABELS:
        name = re.sub(r"\[?<" + re.escape(place) + r">\.\]?", "", name)
    name = re.sub(r"[^A-Za-z0-9_<>\[\]]", "_", re.sub(r"<([^>]*)>", lambda m: "<" + m.group(1).replace(" ", "") + ">", name))
    return "envoy_" + name + ("{" + ", ".join(labels) + "}" if labels else "")


def rows_of(text):
    """pattern -> Stat, in the page's order."""
    out = {}
    for m in re.finditer(r"^\| `([^`]+)` \| (\w+) \| `([^`]+)` \| ([^|]*) \| ([^|\n]*) \|$", text, re.M):
        out[m.group(1)] = Stat(m.group(1), m.group(2), m.group(3), m.group(4).strip(), m.group(5).strip())
    return out


def page():
    with open(PAGE, encoding="utf-8") as f:
        return rows_of(f.read())


def find(stats, name):
    """The one that a full name belongs to: with most of the name written out. None: it is in no row."""
    return max((s for s in stats.values() if s.regex.match(name)), key=lambda s: s.literal, default=None)
