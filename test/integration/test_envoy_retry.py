# SPDX-License-Identifier: GPL-2.0-or-later
"""Retries and timeouts beside a real Envoy: what the client gets, what origins saw, flags, details and counters, case by case."""
import concurrent.futures
import http.client
import json
import re
import time
import unittest

import test_envoy
from harness import SLOW, T, Sallyport, ca, cluster, config, curl, free_port, http_options, listener, log_lines, refused, route_to, wait_for, work
from scripted import Record, Scripted

COUNTED = re.compile(r"cluster\.([^.]+)\.(upstream_rq_(?:retry|timeout|per_try|total|completed|max_duration|rx_reset|tx_reset|"
                     r"(?:pending|active)_overflow|\d).*|retry\..*|retry_or_shadow_abandoned|upstream_internal_redirect.*|circuit_breakers.*|"
                     r"upstream_cx_(?:max|pool).*)$")
LOCAL = {"use_remote_address": True, "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
KEPT = ("x-envoy-attempt-count", "x-envoy-overloaded", "x-envoy-ratelimited", "content-type", "x-a", "grpc-status", "grpc-message", "location")
SENT = ("x-envoy-attempt-count", "x-envoy-is-timeout-retry", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries",
        "x-envoy-hedge-on-per-try-timeout", "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names",
        "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response")
TIMES = ("x-envoy-expected-rq-timeout-ms", "grpc-timeout")


def h(*lines):
    return [x for line in lines for x in ("-H", line)]


def retry(on, n=1, **more):
    return {"retry_policy": {"retry_on": on, "num_retries": n, "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}, **more}}


def flat(value, path=""):
    """(path, leaf) of nested lists and mappings."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for k, v in items:
        yield from flat(v, f"{path}.{k}" if path else str(k))


class Case:
    """A cluster and a route of their own. requests: (steps, *curl's arguments), of which one may be a path; `gap`: they begin so many
    seconds one after the other, and do not wait for each other's end. `priorities`: each origin is of one of its own."""

    def __init__(self, name, requests, route=None, cluster=None, http2=False, vhost=None, origins=1, whole=None, gap=None, priorities=False):
        self.gap, self.priorities = gap, priorities
        self.name, self.route, self.cluster, self.http2, self.vhost = name, route or {}, cluster or {}, http2, vhost or {}
        self.requests, self.origins, self.whole = [(r,) if isinstance(r, str) else r for r in requests], origins, whole or {}

    def slower(self):
        """Itself, where it is about what comes first: with twice the time between."""
        if self.gap:
            self.gap *= 2
            self.requests = [(re.sub(r"(?<=slow-)\d+", lambda m: str(2 * int(m[0])), r[0]), *r[1:]) for r in self.requests]
        return self


def envoy(conf):
    return test_envoy.Envoy(test_envoy.find_envoy(), conf, "--file-flush-interval-msec", "50")


class Beside(unittest.TestCase):
    maxDiff = None
    OF_ALL = None  # a pattern of counters that are compared for all cases together; its group 1 is the name
    LINES = 1      # of the log, a request; more may come


    @classmethod
    def setUpClass(cls):
        ca()  # curl wants it, from many threads

    def conf(self, cases, ports, log):
        clusters, vhosts = [], []
        for c in cases:
            clusters.append(cluster(c.name, *ports[:c.origins], http2=c.http2, **c.cluster))
            if c.priorities:
                endpoints = clusters[-1]["load_assignment"]["endpoints"]
                clusters[-1]["load_assignment"]["endpoints"] = [{"priority": i, "lb_endpoints": [e]} for i, e in enumerate(endpoints[0]["lb_endpoints"])]
            vhosts.append({"name": c.name, "domains": [c.name], "routes": [dict(route_to(c.name, "/", **c.route), **c.whole)], **c.vhost})
        fields = {"path": "%REQ(x-key)%", "status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
                  "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}
        access = [{"name": "f", "typed_config": {"@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
                                                 "log_format": {"json_format": fields}}}]
        conf = config([listener(free_port(), [], hcm={"access_log": access, **LOCAL})], clusters)
        manager = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"]["virtual_hosts"] = vhosts
        return conf

    def ask(self, subject, record, case, i, request):
        do, *args = request
        key = f"{case.name}-{i}"
        path = next((x for x in args if x.startswith("/")), "/")
        a = curl(f"http://127.0.0.1:{subject.port}{path}", *h(f"host: {case.name}", f"x-do: {do}", f"x-key: {key}"),
                 *[x for x in args if x != path], timeout=15)
        sent = []
        for n, t in enumerate(record.of(key)):
            told = {k: t.headers[k] for k in SENT if k in t.headers}
            for k in TIMES:  # later attempts are told what is left
                if k in t.headers:
                    told[k] = t.headers[k] if n == 0 else t.headers[k] <= sent[0][2].get(k, "")
            sent.append((t.method, t.body, told, *self.more_sent(t)))
        return {"status": a.status, "headers": {k: v for k, v in a.headers.items() if k in KEPT},
                "body": a.body.decode("latin-1") if a.status >= 400 or (len(a.body) < 200 and "-I" not in args) else "", "sent": sent}

    @staticmethod
    def more_sent(attempt):
        """What else is compared of what an origin saw."""
        return ()

    def run_one(self, make, cases, n):
        """Everything that is compared, by case."""
        record = Record()
        origins = [Scripted(f"origin{i}", record) for i in range(3)]
        log = work(f"beside-{n}-{id(cases)}.log")
        open(log, "w", encoding="ascii").close()
        subject = None
        try:
            subject = make(self.conf(cases, [o.port for o in origins], log))
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                def all_of(c):
                    if c.gap is None:
                        return {c.name: [self.ask(subject, record, c, i, r) for i, r in enumerate(c.requests)]}

                    def later(i):
                        time.sleep(i * c.gap * SLOW)
                        return self.ask(subject, record, c, i, c.requests[i])
                    with concurrent.futures.ThreadPoolExecutor(len(c.requests)) as each:
                        return {c.name: list(each.map(later, range(len(c.requests))))}
                got = {k: v for d in pool.map(all_of, cases) for k, v in d.items()}
            total = sum(len(c.requests) for c in cases)
            wait_for("the access log", lambda: len(log_lines(log)) >= total)
            if self.LINES != 1:
                time.sleep(1.5)
            for line in log_lines(log):
                name, _, i = line.pop("path").rpartition("-")
                line["flags"] = ",".join(sorted(line["flags"].split(",")))  # Envoy: in the order in which they came up
                got[name][int(i)].setdefault("log", []).append({k: str(v) for k, v in line.items()})
            stats = self.stats(subject)
            return {**{c.name: {"requests": got[c.name], "stats": stats.get(c.name, {})} for c in cases}, "": stats.get("", {})}
        finally:
            if subject:
                subject.kill()
            for o in origins:
                o.stop()

    @classmethod
    def stats(cls, subject):
        c = http.client.HTTPConnection("127.0.0.1", subject.admin, timeout=10)
        c.request("GET", "/stats")
        out = {}
        for line in c.getresponse().read().decode().splitlines():
            name, _, value = line.partition(": ")
            m = COUNTED.match(name)
            if m and value.isdigit() and int(value):
                out.setdefault(m[1], {})[m[2]] = int(value)
            m = cls.OF_ALL and cls.OF_ALL.match(name)
            if m and value.isdigit() and int(value):
                out.setdefault("", {})[m[1]] = int(value)
        c.close()
        return out

    @staticmethod
    def differences(case, theirs, ours):
        sides = [dict(flat(json.loads(re.sub(r"127\.0\.0\.1:\d+", "HOST", json.dumps(side))))) for side in (theirs, ours)]
        asked = lambda key: next((f" [{case.requests[int(n)]}]" for n in re.findall(r"^requests\.(\d+)\.", key)), "")
        return [f"{k}{asked(k)}: Envoy {sides[0].get(k)!r}, sallyport {sides[1].get(k)!r}"
                for k in sorted(sides[0].keys() | sides[1].keys()) if sides[0].get(k) != sides[1].get(k)]

    def beside(self, *cases):
        """What differs is asked again, twice: a difference is there each time, a machine that was busy is not."""
        seen, left = {}, list(cases)
        for _ in range(3):
            theirs, ours = [self.run_one(make, left, i) for i, make in enumerate((envoy, lambda c: Sallyport(c, concurrency=1)))]
            seen = {**ours, **seen}
            wrong = {c.name: self.differences(c, theirs[c.name], ours[c.name]) for c in [*left, Case("", [])]}
            if not any(wrong.values()):
                break
            left = [c.slower() for c in left if wrong[c.name]] or left
        for name, found in wrong.items():
            with self.subTest(name):
                self.assertEqual(found, [])
        return seen


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Terms(Beside):
    def test_answers(self):
        each = ["500", "502", "503,200", "504", "409,200", "404", "429+x-envoy-ratelimited=true,200", "503+x-envoy-ratelimited=true,200",
                "418,200", "200+x-a=1,200", "503+x-envoy-overloaded=true,200"]
        terms = ["5xx", "gateway-error", "retriable-4xx", "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "reset",
                 "connect-failure", "refused-stream", "reset-before-request", "http3-post-connect-failure", "5xx,envoy-ratelimited"]
        more = {"retriable_status_codes": [418, 200], "retriable_headers": [{"name": "x-a", "string_match": {"exact": "1"}}]}
        self.beside(*[Case(re.sub(r"\W", "-", t), each, route=retry(t, **(more if "retriable" in t else {}))) for t in terms if t != "http3-post-connect-failure"],
                    Case("none", each))

    def test_resets(self):
        each = ["close", "rst,200", "close,rst,200", "cut-200", "cut-503,200", "early-close", "early-503,200"]
        terms = ["5xx", "gateway-error", "reset", "connect-failure", "refused-stream", "reset-before-request", "retriable-4xx"]
        once = {"max_requests_per_connection": 1}  # or what was idle is tried again without a policy, which Envoy does not
        self.beside(*[Case(re.sub(r"\W", "-", t), each + [("close,200", "-d", "body"), ("now-close,200", "-d", "body")], route=retry(t),
                           cluster=once) for t in terms], Case("none", [("close", "-d", "x"), "close"], cluster=once))

    def test_http2(self):
        each = ["code-2,200", "code-8,200", "close,200", "503,200", "half-503,200"]
        once = {"typed_extension_protocol_options": http_options(True, common_http_protocol_options={"max_requests_per_connection": 1})}
        sending = ["5xx", "gateway-error", "reset", "refused-stream"]
        refused_too = each + ["code-7,200", "code-7,code-7", ("code-7,200", "-d", "body")]  # tried again without a policy, which Envoy does not
        self.beside(*[Case(t, refused_too, route={"timeout": "2s", **retry(t)}, cluster=once) for t in sending],
                    *[Case(t, each, route={"timeout": "2s", **retry(t)}, cluster=once)
                      for t in ("connect-failure", "reset-before-request", "retriable-4xx")])

    def test_grpc(self):
        each = [f"grpc-{n},grpc-0" for n in (0, 1, 2, 4, 8, 13, 14, 99)]
        grpc = h("content-type: application/grpc", "te: trailers")
        make = lambda t, **k: Case(t, [(e, "-X", "POST", *grpc) for e in each], http2=True, **k)
        terms = ["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"]
        self.beside(*[make(t, route=retry(t)) for t in terms], make("5xx", route=retry("5xx")),
                    Case("h1", ["200+grpc-status=14,200", "503+grpc-status=14,200"], route=retry("unavailable")),
                    Case("asked", [("grpc-14,grpc-0", "-X", "POST", *grpc, *h("x-envoy-retry-grpc-on: cancelled,unavailable")),
                                   ("grpc-13,grpc-0", "-X", "POST", *grpc, *h("x-envoy-retry-grpc-on: cancelled,unavailable")),
                                   ("grpc-14,grpc-0", "-X", "POST", *grpc, *h("x-envoy-retry-grpc-on: nonsense, unavailable ")),
                                   ("grpc-14,grpc-0", "-X", "POST", *grpc, *h("x-envoy-retry-on: unavailable"))], http2=True))

    def test_asked_by_the_request(self):
        on = lambda t, *m: h("x-envoy-retry-on: " + t, *m)
        self.beside(Case("asked", [("503,503,200", *on("5xx")), ("503,503,200", *on("5xx", "x-envoy-max-retries: 2")),
                                   ("503,200", *on("gateway-error , reset")), ("503,200", *on("nonsense")),
                                   ("503,200", *on("5xx", "x-envoy-max-retries: 0")), ("503,200", *on("5xx", "x-envoy-max-retries: x")),
                                   ("418,200", *on("retriable-status-codes", "x-envoy-retriable-status-codes: 400,418")),
                                   ("418,200", *on("retriable-status-codes", "x-envoy-retriable-status-codes: 400, 418")),
                                   ("200+x-a=1,200", *on("retriable-headers", "x-envoy-retriable-header-names: x-b, X-A")),
                                   ("503,200", *on("5xx", "x-envoy-hedge-on-per-try-timeout: false"))]),
                    Case("both", [("503,503,200", *h("x-envoy-max-retries: 2")), ("409,200", *on("retriable-4xx")),
                                  ("503,503,503,200", *h("x-envoy-max-retries: 1"))], route=retry("5xx")),
                    Case("only-some", ["503,200", ("503,200", *h("x-again: 1")), ("503,200", *on("5xx")),
                                       ("503,200", *on("5xx", "x-again: 1"))],
                         route=retry("5xx", retriable_request_headers=[{"name": "x-again", "string_match": {"exact": "1"}}])))

    def test_counts(self):
        ask = ["200", "503,200", "503,503,503", "close,200"]
        policy = retry("5xx", 2)["retry_policy"]
        self.beside(Case("to-origin", ask, vhost={"include_request_attempt_count": True, "retry_policy": policy}),
                    Case("to-client", ask, vhost={"include_attempt_count_in_response": True, "retry_policy": policy}),
                    Case("route-wins", ask[:-1], vhost={"include_attempt_count_in_response": True, "retry_policy": policy}, route=retry("retriable-4xx")),
                    Case("zero", ask, route=retry("5xx", 0)))

    def test_bodies(self):
        """What is kept of a body, and what is too long for it."""
        send = lambda n: ("-X", "POST", "--data-binary", "x" * n, "-H", "expect:")
        self.beside(Case("small", [("503,200", *send(1000)), ("rst,200", *send(1000)), ("now-503,200", *send(1000))], route=retry("5xx")),
                    Case("by-route", [("503,200", *send(900)), ("503,200", *send(1100))], route=retry("5xx"), whole={"per_request_buffer_limit_bytes": 1000}),
                    Case("by-vhost", [("503,200", *send(900)), ("503,200", *send(1100))], route=retry("5xx"), vhost={"per_request_buffer_limit_bytes": 1000}),
                    Case("by-route-new", [("503,200", *send(900)), ("503,200", *send(1100))], route=retry("5xx"), whole={"request_body_buffer_limit": 1000}),
                    Case("by-vhost-new", [("503,200", *send(900)), ("503,200", *send(1100))], route=retry("5xx"), vhost={"request_body_buffer_limit": 1000}),
                    Case("both", [("503,200", *send(900)), ("503,200", *send(1100))], route=retry("5xx"),
                         whole={"request_body_buffer_limit": 1000}, vhost={"per_request_buffer_limit_bytes": 100}))


def other_priorities(every, n=6, **more):
    return retry("5xx", n, retry_priority={"name": "envoy.retry_priorities.previous_priorities", "typed_config": {
        "@type": T + "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", "update_frequency": every}}, **more)


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Priorities(Beside):
    """Which origin each attempt goes to."""

    @staticmethod
    def more_sent(attempt):
        return (attempt.server,)

    def test_priorities(self):
        ill = ",".join(["503"] * 6 + ["200"])
        each = ["200", "503,200", "503,503,200", "503,503,503,200", ill]
        case = lambda name, route, **more: Case(name, each, route=route, origins=3, priorities=True, **more)
        none = case("none", retry("5xx", 6))
        none.requests = [("200",), ("503,200",), ("503,503,200",)]
        got = self.beside(none, *[case(f"every-{n}", other_priorities(n)) for n in (1, 2, 3, 4)], case("few", other_priorities(1, 2)),
                          case("two", other_priorities(1)), case("old-hosts", other_priorities(1, retry_host_predicate=[{
                              "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                                  "@type": T + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}])))
        servers = [a[3] for a in got["every-1"]["requests"][4]["sent"]]
        self.assertEqual(servers, [f"origin{i % 3}" for i in range(7)])
        # By hash they stay where they are.
        policy = {"hash_policy": [{"header": {"header_name": "x-key"}}]}
        self.beside(*[Case(kind.lower(), ["503,503,200"], route={**other_priorities(1), **policy}, origins=3, priorities=True, cluster={"lb_policy": kind})
                      for kind in ("RING_HASH", "MAGLEV", "RANDOM", "LEAST_REQUEST")])


SIZES = {"track_cluster_stats": {"request_response_sizes": True}}
BUDGETS = {"track_cluster_stats": {"timeout_budgets": True}}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Tracked(Beside):
    """Histograms: how often and, as buckets differ, about how much."""

    sums = []
    NAMES = "upstream_rq_headers_size", "upstream_rq_body_size", "upstream_rs_headers_size", "upstream_rs_body_size", \
        "upstream_rq_timeout_budget_percent_used", "upstream_rq_timeout_budget_per_try_percent_used"

    def conf(self, cases, ports, log):
        return {**super().conf(cases, ports, log), "stats_flush_interval": "0.2s"}

    @classmethod
    def stats(cls, subject):
        time.sleep(1)  # for Envoy's to be merged
        c = http.client.HTTPConnection("127.0.0.1", subject.admin, timeout=10)
        c.request("GET", "/stats?format=prometheus")
        out, sums = {}, {}
        for line in c.getresponse().read().decode().splitlines():
            m = re.match(r'envoy_cluster_(\w+)_(sum|count)\{envoy_cluster_name="([^"]+)"\} (\S+)$', line)
            if m and m[1] in cls.NAMES and m[2] == "count" and float(m[4]):
                out.setdefault(m[3], {})[m[1]] = float(m[4])
            elif m and m[1] in cls.NAMES and m[2] == "sum":
                sums[m[3], m[1]] = float(m[4])
        c.close()
        cls.sums.append(sums)
        return out

    def test_tracked(self):
        big = ("-X", "POST", "--data-binary", "x" * 50000, *h("x-more: " + "y" * 3000))
        each = ["200", ("200", *big), ("503+x-long=" + "z" * 5000 + ",200", *big), ("close,200", *big), ("rst", *big)]
        once = {"max_requests_per_connection": 1}
        both = {"track_cluster_stats": {"timeout_budgets": True, "request_response_sizes": True}}
        slow = ["slow-200-200", "stall", "slow-200-503,slow-200-200", "half-200"]
        self.beside(Case("sizes", each, route=retry("5xx"), cluster={**SIZES, **once}), Case("off", each[:2], cluster=once),
                    Case("budgets", slow, route={"timeout": "1s", **retry("5xx")}, cluster={**BUDGETS, **once}),
                    Case("per-try", slow, route={"timeout": "2s", **retry("5xx", per_try_timeout="0.6s")}, cluster={**BUDGETS, **once}),
                    Case("old", ["200", "stall"], route={"timeout": "1s"}, cluster={"track_timeout_budgets": True, **once}),
                    Case("none", ["200"], route={"timeout": "0s"}, cluster={**BUDGETS, **once}),
                    Case("both", [("200", *big)], cluster={**both, **once}),
                    Case("old-too", ["200"], cluster={"track_timeout_budgets": True, **SIZES, **once}))
        theirs, ours = self.sums[-2:]
        for key, value in theirs.items():  # some bytes more or less of heads; some per cent of time
            self.assertAlmostEqual(ours.get(key, 0), value, delta=max(value * 0.12, 100 * SLOW if "budget" in key[1] else 5), msg=key)


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Times(Beside):
    def test_timeouts(self):
        slow = ["slow-1000-200", "half-200", "stall"]
        self.beside(Case("route", slow, route={"timeout": "0.4s"}),
                    Case("route-retry", slow, route={"timeout": "0.4s", **retry("5xx")}),
                    Case("none", ["slow-600-200"], route={"timeout": "0s"}),
                    Case("asked", [("slow-1000-200", *h("x-envoy-upstream-rq-timeout-ms: 300")),
                                   ("slow-1000-200", *h("x-envoy-upstream-rq-timeout-ms: 300", "x-envoy-upstream-rq-timeout-alt-response: 1")),
                                   ("stall,200", *h("x-envoy-upstream-rq-per-try-timeout-ms: 300", "x-envoy-retry-on: 5xx")),
                                   ("stall,200", *h("x-envoy-upstream-rq-per-try-timeout-ms: 300"))]),
                    Case("per-try", ["stall,200", "stall", "half-200", "slow-100-200"], route={"timeout": "3s", **retry("5xx", per_try_timeout="0.3s")}),
                    Case("per-try-reset", ["stall,200"], route=retry("reset", per_try_timeout="0.3s")),
                    Case("per-try-gateway", ["stall,200"], route=retry("gateway-error", per_try_timeout="0.3s")),
                    Case("per-try-connect", ["stall,200"], route=retry("connect-failure", per_try_timeout="0.3s")),
                    Case("per-try-longer", ["stall"], route={"timeout": "0.4s", **retry("5xx", per_try_timeout="0.5s")}),
                    Case("per-try-timeout-header", ["stall,200", "503,200"], route=retry("5xx", per_try_timeout="0.3s"),
                         vhost={"include_is_timeout_retry_header": True}))

    def test_idle(self):
        up = ("-X", "POST", "-d", "x")
        self.beside(Case("per-try-idle", ["stall,200", "stall", "half-200", ("stall,200", *up), "slow-100-200"],
                         route={"timeout": "3s", **retry("5xx", per_try_idle_timeout="0.3s")}),
                    Case("route-idle", ["stall", "half-200", "slow-100-200"], route={"timeout": "3s", "idle_timeout": "0.4s"}),
                    Case("route-idle-up", [("stall", "-X", "POST", "-H", "content-length: 10", "-d", "x")], route={"timeout": "3s", "idle_timeout": "0.4s"}))

    def test_max_stream_duration(self):
        options = lambda **m: {"typed_extension_protocol_options": http_options(common_http_protocol_options={"max_stream_duration": "0.3s"}, **m)}
        self.beside(Case("of-cluster", ["stall", "half-200", "slow-50-200"], cluster=options()),
                    Case("of-cluster-retry", ["stall,200", "half-200", "stall"], cluster=options(), route=retry("5xx")),
                    Case("of-route", ["stall", "half-200", "slow-50-200"], route={"max_stream_duration": {"max_stream_duration": "0.3s"}}),
                    Case("new-timeouts", ["slow-700-200"], route={"timeout": "0.3s", "max_stream_duration": {"max_stream_duration": "2s"}}),
                    Case("new-timeouts-empty", ["slow-700-200"], route={"timeout": "0.3s", "max_stream_duration": {}}))

    def test_grpc_timeouts(self):
        def ask(step, timeout=None):
            return (step, "-X", "POST", *h("content-type: application/grpc", "te: trailers", *(["grpc-timeout: " + timeout] if timeout else [])))
        both = [ask("slow-600-grpc-0", "300m"), ask("slow-600-grpc-0"), ask("slow-600-grpc-0", "2S"), ask("slow-100-grpc-0", "1S"),
                ask("slow-600-grpc-0", "0m"), ask("slow-600-grpc-0", "x")]
        new = [b for b in both if "grpc-timeout: 0m" not in b]  # there it ends before or after the origin sees it
        old = lambda **m: {"timeout": "0.4s", **m}
        self.beside(Case("not-looked-at", both, route=old(), http2=True),
                    Case("old", both, route=old(max_grpc_timeout="1s"), http2=True),
                    Case("old-short", both, route=old(max_grpc_timeout="0.2s"), http2=True),
                    Case("old-none", both, route=old(max_grpc_timeout="0s"), http2=True),
                    Case("old-offset", both, route=old(max_grpc_timeout="0s", grpc_timeout_offset="0.1s"), http2=True),
                    Case("new", new, route=old(max_stream_duration={"grpc_timeout_header_max": "1s"}), http2=True),
                    Case("new-none", new, route=old(max_stream_duration={"grpc_timeout_header_max": "0s"}), http2=True),
                    Case("new-offset", new, route=old(max_stream_duration={"grpc_timeout_header_max": "0s", "grpc_timeout_header_offset": "0.1s"}), http2=True),
                    Case("new-plain", ["slow-400-200", ("slow-400-200", *h("grpc-timeout: 2S"))],
                         route=old(max_stream_duration={"max_stream_duration": "0.3s", "grpc_timeout_header_max": "1s"})),
                    Case("old-plain", [("slow-200-200", *h("grpc-timeout: 100m"))], route=old(max_grpc_timeout="1s")),
                    Case("old-tries", [ask("grpc-14,slow-600-grpc-0", "1S")], http2=True,
                         route={"max_grpc_timeout": "2s", **retry("unavailable,5xx", per_try_timeout="0.3s")}),
                    Case("new-max", new, route=old(max_stream_duration={"max_stream_duration": "0.3s", "grpc_timeout_header_max": "1s"}), http2=True))


def limits(http2=False, per_host=None, **more):
    options = {"circuit_breakers": {"thresholds": [more] if more else []}}
    if per_host:
        options["circuit_breakers"]["per_host_thresholds"] = [per_host]
    return options


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Limits(Beside):
    def test_requests(self):
        slow = ["slow-1000-200"] * 3
        two = {"thresholds": [{"max_requests": 1}, {"priority": "HIGH", "max_requests": 2}]}
        both = lambda name: {"routes": [route_to(name, "/high", priority="HIGH"), route_to(name)]}
        self.beside(Case("requests", slow, cluster=limits(max_requests=1), http2=True, gap=0.3),
                    Case("requests-h1", slow, cluster=limits(max_requests=1), gap=0.3),
                    Case("pending", slow, cluster=limits(max_connections=1, max_pending_requests=1), gap=0.3),
                    Case("high", [(s, p) for s in slow[:2] for p in ("/high", "/")] + [("200", "/high")], cluster={"circuit_breakers": two},
                         vhost=both("high"), http2=True, gap=0.15),
                    Case("high-retry", [("503,slow-1000-200", p) for p in ("/high", "/", "/", "/high", "/high")], gap=0.12, vhost={"routes": [
                        route_to("high-retry", "/high", priority="HIGH", **retry("5xx")), route_to("high-retry", **retry("5xx"))]},
                         cluster={"circuit_breakers": {"thresholds": [{"max_retries": 1}, {"priority": "HIGH", "max_retries": 2}]}}))

    def test_retries(self):
        late = ["503,slow-1000-200"] * 3
        budget = lambda **m: limits(retry_budget=m)
        self.beside(Case("one", late, route=retry("5xx"), cluster=limits(max_retries=1), gap=0.25),
                    Case("budget-least", late, route=retry("5xx"), cluster=budget(min_retry_concurrency=2, budget_percent={"value": 0}), gap=0.25),
                    Case("budget-none", late[:2], route=retry("5xx"), cluster=budget(min_retry_concurrency=0, budget_percent={"value": 0}), gap=0.25),
                    Case("budget-half", ["slow-1500-200"] * 2 + late[:2], route=retry("5xx"), http2=True,
                         cluster=budget(min_retry_concurrency=0, budget_percent={"value": 50}), gap=0.25),
                    Case("budget-default", ["503,slow-1000-200"] * 5, route=retry("5xx"), cluster=budget(), gap=0.15))

    def test_connections(self):
        slow = ["slow-700-200"] * 3
        self.beside(Case("per-host", slow, cluster=limits(per_host={"max_connections": 1}), gap=0.2),
                    Case("per-host-pending", slow, cluster=limits(per_host={"max_connections": 1}, max_pending_requests=1), gap=0.2),
                    Case("pools", ["200", "200", "200"], cluster=limits(max_connection_pools=1, track_remaining=True), gap=0.2),
                    Case("tracked", ["200"], cluster=limits(max_connections=7, max_requests=8, max_pending_requests=9, max_retries=10,
                                                            max_connection_pools=11, track_remaining=True)),
                    Case("turns", ["200"] * 5, cluster={"max_requests_per_connection": 2}))


if __name__ == "__main__":
    unittest.main()
