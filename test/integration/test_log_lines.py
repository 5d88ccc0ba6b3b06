# SPDX-License-Identifier: GPL-2.0-or-later
"""When lines of access logs are written, beside a real Envoy: at the begin, while it lasts, as a tunnel, at the end. And what happens to
lines that nobody takes."""
import json
import os
import re
import socket
import time
import unittest

import tunnel
from echo import Echo
from harness import ROOT, SLOW, T, Sallyport, cluster, config, curl, free_port, listener, log_lines, refused, route_to, wait_for, work
from scripted import Scripted
from test_envoy import Envoy, find_envoy, set_port


def logs(path, fields, **more):
    return [{"name": "file", **more, "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path, "log_format": {"json_format": fields}}}]


def both():
    """Whatever there is to compare with, then ours."""
    if find_envoy():
        yield "envoy", lambda c: Envoy(find_envoy(), c)
    yield "sallyport", Sallyport


class ToPipe(Sallyport):
    """Its standard output is somebody's pipe."""

    def __init__(self, pipe, *args, **more):
        self.pipe = pipe
        super().__init__(*args, **more)

    def start_options(self):
        return {"stdout": self.pipe, "stderr": self.file}


LINE = {"type": "%ACCESS_LOG_TYPE%", "path": "%REQ(:PATH)%", "code": "%RESPONSE_CODE%", "rx": "%BYTES_RECEIVED%"}


class Lines(unittest.TestCase):
    def run_both(self, conf, drive, n, last=""):
        """The lines of each, in the order they came: at least n, the last of this type."""
        def there(path):
            lines = log_lines(path)
            return len(lines) >= n and (not last or lines[-1]["type"] == last)

        seen = {}
        for name, make in both():
            path = work(f"lines-{name}-{os.urandom(4).hex()}.log")
            s = make(set_port(conf(path), free_port()))
            try:
                drive(s)
                wait_for(f"the lines of {name}", lambda: there(path), 15)
                seen[name] = log_lines(path)
            finally:
                s.kill()
        return seen

    def test_start_and_end(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        options = {"flush_access_log_on_new_request": True}
        seen = self.run_both(lambda path: config([listener(1, [route_to("o")], hcm={"access_log": logs(path, LINE), "access_log_options": options})],
                                                 [cluster("o", origin.port)]),
                             lambda s: curl(f"http://127.0.0.1:{s.port}/x", "-d", "12345"), 2)
        for name, lines in seen.items():
            self.assertEqual([(x["type"], x["path"], x["code"], x["rx"]) for x in lines],
                             [("DownstreamStart", "/x", 0, 0), ("DownstreamEnd", "/x", 200, 5)], name)

    def test_periodic(self):
        origin = Scripted()
        self.addCleanup(origin.stop)
        options = {"access_log_flush_interval": "0.2s"}
        only = {"filter": {"log_type_filter": {"types": ["DownstreamPeriodic", "DownstreamEnd"]}}}
        seen = self.run_both(lambda path: config([listener(1, [route_to("o")], hcm={"access_log": logs(path, LINE, **only), "access_log_options": options})],
                                                 [cluster("o", origin.port)]),
                             lambda s: curl(f"http://127.0.0.1:{s.port}/slow", "-H", "x-do: slow-900-200", "-H", "x-key: 1"), 3, "DownstreamEnd")
        for name, lines in seen.items():
            types = [x["type"] for x in lines]
            self.assertEqual(set(types[:-1]), {"DownstreamPeriodic"}, name)
            self.assertEqual(types[-1], "DownstreamEnd", name)

    def test_tunnel(self):
        origin = tunnel.Origin()
        self.addCleanup(origin.stop)
        options = {"flush_log_on_tunnel_successfully_established": True}

        def drive(s):
            with socket.create_connection(("127.0.0.1", s.port)) as c:
                c.settimeout(10 * SLOW)
                c.sendall(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n")
                self.assertIn(b" 200 ", c.recv(4096))
                c.sendall(b"ping")
                self.assertEqual(c.recv(4), b"ping")
        seen = self.run_both(lambda path: config([listener(1, [tunnel.connect_route("t")], hcm={
            **tunnel.ON, "access_log": logs(path, LINE), "access_log_options": options})], [cluster("t", origin.port)]), drive, 2)
        for name, lines in seen.items():
            self.assertEqual([x["type"] for x in lines], ["DownstreamTunnelSuccessfullyEstablished", "DownstreamEnd"], name)

    def test_attempts(self):
        """The hosts that were tried, beside what Envoy says of them."""
        busy, origin = Scripted(), Echo()
        self.addCleanup(busy.stop)
        self.addCleanup(origin.stop)
        fields = {"hosts": "%UPSTREAM_HOSTS_ATTEMPTED%", "names": "%UPSTREAM_HOST_NAMES_ATTEMPTED%", "bare": "%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%",
                  "name": "%UPSTREAM_HOST_NAME%", "ids": "%UPSTREAM_CONNECTION_IDS_ATTEMPTED%", "id": "%UPSTREAM_CONNECTION_ID%",
                  "chain": "%FILTER_CHAIN_NAME%", "direct": "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%", "unique": "%UNIQUE_ID%",
                  "group": "%DOWNSTREAM_TLS_GROUP%", "cert": "%DOWNSTREAM_PEER_CERT%", "sni": "%UPSTREAM_SERVER_NAME%",
                  "n": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}
        route = route_to("o", retry_policy={"retry_on": "5xx", "num_retries": 3})
        endpoints = [[{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}, "hostname": h}}] for p, h in
                     ((busy.port, "busy.test"), (origin.port, "good.test"))]
        o = cluster("o", 1)
        o["load_assignment"]["endpoints"] = [{"lb_endpoints": e, "priority": i} for i, e in enumerate(endpoints)]
        route["route"]["retry_policy"]["retry_priority"] = {"name": "p", "typed_config": {
            "@type": T + "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", "update_frequency": 1}}
        seen = self.run_both(lambda path: config([listener(1, [route], hcm={"access_log": logs(path, fields)})], [o]),
                             lambda s: self.assertEqual(curl(f"http://127.0.0.1:{s.port}/", "-H", "x-do: 503").status, 200), 1)
        for name, lines in seen.items():
            x = lines[0]
            # Envoy 1.40 tells of the last try only, whatever its page says (docs/envoy-differences.md).
            first = name == "sallyport"
            self.assertEqual(x["hosts"], f"127.0.0.1:{busy.port}," * first + f"127.0.0.1:{origin.port}", name)
            self.assertEqual(x["bare"], "127.0.0.1," * first + "127.0.0.1", name)
            self.assertEqual(x["names"], "busy.test," * first + "good.test", name)
            self.assertEqual((x["n"], len(x["ids"].split(","))), (2, 1 + first), name)
            self.assertEqual(x["name"], "good.test", name)
            self.assertEqual(str(x["id"]), x["ids"].split(",")[-1], name)
            self.assertEqual(x["direct"], "127.0.0.1", name)
            self.assertRegex(x["unique"], r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", name)
            self.assertEqual((x["group"], x["cert"], x["sni"]), (None, None, None), name)

    def test_virtual_clusters(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        vclusters = [{"name": "searches", "headers": [{"name": ":path", "string_match": {"prefix": "/search"}}]}]

        def conf(path):
            c = config([listener(1, [route_to("o")], hcm={"access_log": logs(path, {"v": "%VIRTUAL_CLUSTER_NAME%"})})], [cluster("o", origin.port)])
            manager = c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
            manager["route_config"]["virtual_hosts"][0]["virtual_clusters"] = vclusters
            return c
        seen = self.run_both(conf, lambda s: [curl(f"http://127.0.0.1:{s.port}{p}") for p in ("/search?q", "/x")], 2)
        for name, lines in seen.items():
            self.assertCountEqual([x["v"] for x in lines], ["searches", None], name)  # of two workers: in either order

    def test_sorted(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        path = work("sorted.log")
        log = logs(path, {"b": "%RESPONSE_CODE%", "a": {"z": "1", "y": "%PROTOCOL%"}})
        log[0]["typed_config"]["log_format"]["json_format_options"] = {"sort_properties": True}
        s = Sallyport(config([listener(free_port(), [route_to("o")], hcm={"access_log": log})], [cluster("o", origin.port)]))
        self.addCleanup(s.stop)
        curl(f"http://127.0.0.1:{s.port}/")
        wait_for("the line", lambda: os.path.exists(path) and os.path.getsize(path))
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), '{"a":{"y":"HTTP/1.1","z":"1"},"b":200}\n')

    def test_a_full_disk(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        s = Sallyport(config([listener(free_port(), [route_to("o")], hcm={"access_log": logs("/dev/full", LINE)})], [cluster("o", origin.port)]))
        self.addCleanup(s.stop)
        self.assertEqual(curl(f"http://127.0.0.1:{s.port}/").status, 200)
        wait_for("it to be counted", lambda: curl(f"http://127.0.0.1:{s.port}/").status == 200 and s.stat("filesystem.write_failed") >= 1)
        self.assertRegex(s.log(), r"\[error\]\[access_log\] cannot write /dev/full: No space left on device; \d+ bytes are lost")

    def test_who_read_the_pipe_has_gone(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        path = work("log.fifo")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        s = Sallyport(config([listener(free_port(), [route_to("o")], hcm={"access_log": logs(path, LINE)})], [cluster("o", origin.port)]))
        self.addCleanup(s.stop)
        curl(f"http://127.0.0.1:{s.port}/read")
        got = b""

        def read():
            nonlocal got
            try:
                got += os.read(reader, 65536)
            except BlockingIOError:
                pass
            return b"/read" in got
        wait_for("the line", read)
        os.close(reader)
        wait_for("the loss", lambda: curl(f"http://127.0.0.1:{s.port}/").status == 200 and s.stat("filesystem.write_failed") >= 1)
        self.assertTrue(re.search(r"cannot write \S+log\.fifo: Broken pipe", s.log()))
    def test_who_reads_stdout_stands_still(self):
        """Requests go on at their pace, memory is bounded, what does not fit is counted, and what was kept comes when he reads again."""
        origin = Echo()
        self.addCleanup(origin.stop)
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        log = [{"name": "out", "typed_config": {"@type": T + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                                                "log_format": {"json_format": {"path": "%REQ(:PATH)%", "pad": "%REQ(X-PAD)%"}}}}]
        s = ToPipe(w, config([listener(free_port(), [route_to("o")], hcm={"access_log": log})], [cluster("o", origin.port)]), concurrency=1)
        os.close(w)
        self.addCleanup(s.kill)
        pad = ("-H", "x-pad: " + "p" * 7000)
        curl(f"http://127.0.0.1:{s.port}/first", *pad)
        before, began = s.rss(), time.time()
        self.assertEqual(curl(f"http://127.0.0.1:{s.port}/[1-300]", *pad).code, 0)
        self.assertLess(time.time() - began, 15 * SLOW)
        self.assertLess(s.rss() - before, 8 << 20)
        wait_for("the drops", lambda: curl(f"http://127.0.0.1:{s.port}/more", *pad).status == 200 and s.stat("access_log.dropped") > 0)
        os.set_blocking(r, False)
        got = b""

        def read():
            nonlocal got
            try:
                got += os.read(r, 1 << 20)
            except BlockingIOError:
                pass
            return got.count(b"\n") > 100
        wait_for("the lines", read)
        lines = [json.loads(line) for line in got.split(b"\n")[:-1]]  # whole ones, in their order
        self.assertEqual([x["path"] for x in lines[:3]], ["/first", "/1", "/2"])


class NotRun(unittest.TestCase):
    def test_the_page_has_what_errors_say(self):
        """docs/access-log.md lists Envoy's operators that are not run here, and what to write instead."""
        with open(os.path.join(ROOT, "src/stream/format_op.c"), encoding="utf-8") as f:
            source = f.read()
        table = source[source.index("not_run[]"):]
        said = re.findall(r'^    \{"(\w+)", "([^"]*)"\},$', table[:table.index("};")], re.M)
        with open(os.path.join(ROOT, "docs/access-log.md"), encoding="utf-8") as f:
            page = f.read().partition("### Not run\n")[2].partition("\n#")[0]
        self.assertEqual([(name, why.replace("`", "")) for name, why in re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.M)], said)
        self.assertGreater(len(said), 20)
        self.assertIn(f"%{said[0][0]}% is an operator of Envoy's that is not run here ({said[0][1]})", refused(config([listener(1, [route_to("o")], hcm={
            "access_log": logs("/dev/null", {"x": f"%{said[0][0]}(y)%"})})], [cluster("o", 1)])))


if __name__ == "__main__":
    unittest.main()
