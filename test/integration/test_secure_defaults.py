# SPDX-License-Identifier: GPL-2.0-or-later
"""secure_defaults: what it turns on takes effect on real connections, what the config says stays, and without it Envoy's defaults hold."""
import json
import subprocess
import time
import unittest

from harness import (SLOW, T, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, log_lines, log_to, nginx_plain, raw,
                     refused, route_to, upstream_tls, wait_for, work)


def edge(conf, on=True):
    return dict(conf, bootstrap_extensions=[
        {"name": "edge", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "secure_defaults": on}}])


class SecureDefaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()
        cls.doors = [cls.door(False), cls.door(True)]

    @classmethod
    def tearDownClass(cls):
        for d in cls.doors:
            assert d.stop() == 0
        cls.origin.kill()

    @classmethod
    def door(cls, on, tls=None, **hcm):
        log = work(f"secure-{time.time_ns()}.log")
        door = Sallyport(edge(config([listener(free_port(), [route_to("o", "/echo"), route_to("o", "/missing", retry_policy={
            "retry_on": "retriable-status-codes", "retriable_status_codes": [404], "num_retries": 1})], tls=tls, hcm={"access_log": log_to(log), **hcm})],
                                     [cluster("o", cls.origin.port)]), on), concurrency=1)
        door.log_path = log
        return door

    def both(self, path, *args):
        return [curl(f"http://127.0.0.1:{d.port}{path}", "--path-as-is", *args) for d in self.doors]

    def test_paths(self):
        off, on = self.both("/echo/../echo/x")
        self.assertIn(b"GET /echo/../echo/x ", off.body)
        self.assertIn(b"GET /echo/x ", on.body)
        off, on = self.both("//echo///x")
        self.assertEqual(off.status, 404)
        self.assertIn(b"GET /echo/x ", on.body)
        off, on = self.both("/echo%2f..%2fadmin")
        self.assertEqual((off.status, on.status), (404, 307))  # nginx reads the one as /admin, too
        self.assertEqual(on.headers["location"], "/admin")

    def test_underscores(self):
        self.assertEqual([a.status for a in self.both("/echo", "-H", "x_user: mallory")], [200, 400])

    def test_who_the_client_is(self):
        self.both("/echo/client", "-H", "x-forwarded-for: 203.0.113.9")
        clients = [wait_for("the log line", lambda d=d: [x["client"] for x in log_lines(d.log_path) if x["path"] == "/echo/client"])
                   for d in self.doors]
        self.assertEqual(clients, [["203.0.113.9"], ["127.0.0.1"]])

    def test_a_bad_request_leaves_the_connection(self):
        """With HTTP/1 too, where it is known where the next request begins."""
        two = b"GET /echo HTTP/1.1\r\nhost: a\r\nx_y: z\r\n\r\nGET /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        door = self.door(True, stream_error_on_invalid_http_message=False)
        answers = [raw(d.port, two, seconds=2).count(b"HTTP/1.1 ") for d in (door, self.doors[1])]
        self.assertEqual(door.stop(), 0)
        self.assertEqual(answers, [1, 2])

    def test_http2_settings(self):
        door = self.door(True, tls=downstream_tls())
        p = subprocess.run(["nghttp", "-nv", f"https://127.0.0.1:{door.port}/echo"], capture_output=True, text=True, timeout=20 * SLOW, check=False)
        self.assertEqual(door.stop(), 0)
        self.assertIn("SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100", p.stdout)
        self.assertIn("SETTINGS_INITIAL_WINDOW_SIZE(0x04):65536", p.stdout)
        self.assertIn("window_size_increment=%d" % ((1 << 20) - 65535), p.stdout)

    def test_buffers(self):
        """A body of 100 KiB is kept for a second try, or is not (but where the origin refuses it before much of it is there)."""
        body = work("body")
        with open(body, "wb") as f:
            f.write(b"x" * (100 << 10))
        for _ in range(5):
            answers = self.both("/missing", "--data-binary", "@" + body)
            self.assertEqual([a.status for a in answers], [404, 404])
        kept, not_kept = (d.stat("cluster.o.upstream_rq_retry") for d in self.doors)
        self.assertEqual(kept, 5)
        self.assertLess(not_kept, 4)

    def test_the_dump_has_them(self):
        dumps = [json.loads(d.get("/config_dump")[1]) for d in self.doors]
        text = [json.dumps(d) for d in dumps]
        for field in ('"request_timeout": "300s"', '"per_connection_buffer_limit_bytes": 32768', '"request_headers_timeout": "10s"',
                      '"max_headers_count": 100'):
            self.assertNotIn(field, text[0])
            self.assertIn(field, text[1])

    def test_the_configs_word_holds(self):
        door = self.door(True, request_headers_timeout="0.5s", normalize_path=False, common_http_protocol_options={
            "headers_with_underscores_action": "ALLOW"})
        url = f"http://127.0.0.1:{door.port}"
        self.assertIn(b"GET /echo/../echo ", curl(url + "/echo/../echo", "--path-as-is").body)
        self.assertEqual(curl(url + "/echo", "-H", "x_user: a").status, 200)
        answer = raw(door.port, b"GET /echo HTTP/1.1\r\nhost: a\r\n", seconds=4)
        self.assertIn(b" 408 ", answer.split(b"\r\n")[0] + b" ")
        self.assertEqual(door.stop(), 0)

    def test_origins_have_to_be_verified(self):
        conf = config([listener(free_port(), [route_to("o")])], [cluster("o", free_port(), tls=upstream_tls(san=None))])
        self.assertIn("has to have a name that is meant", refused(edge(conf)))
        context = conf["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]
        del context["common_tls_context"]["validation_context"]
        self.assertIn("has to be verified", refused(edge(conf)))


if __name__ == "__main__":
    unittest.main()
