# SPDX-License-Identifier: GPL-2.0-or-later
"""A door that checks tokens, for test_tokens and test_sender."""
from harness import T, Sallyport, cluster, config, curl, free_port, listener, log_lines, log_to, route_to, upstream_tls, wait_for, work
from idp import INTROSPECTION, SECRET

TOKEN = T + "sallyport.filters.http.token_introspection.v1."
BASIC = {"basic": {"client_id": "rs-basic", "client_secret": {"inline_string": SECRET}}}


def introspection(endpoint, auth=None, timeout="2s", **more):
    return {"name": "tokens", "typed_config": {
        "@type": TOKEN + "TokenIntrospection", "client_auth": auth or BASIC,
        "endpoint": {"uri": endpoint + INTROSPECTION, "cluster": "idp", "timeout": timeout}, **more}}


def bearer(value, scheme="Bearer"):
    return ["-H", f"authorization: {scheme} {value}"]


class Door:
    """A door in front of `origin`, whose filters are given. tls: to the identity server; door_tls: its own transport socket."""

    def __init__(self, idp, origin, filters, routes=None, tls=False, concurrency=1, door_tls=None, extensions=None):
        port = free_port()
        self.log = work(f"tokens-{port}.log")
        idp_tls = upstream_tls(client="rs-mtls") if tls else None
        clusters = [cluster("origin", origin.port), cluster("idp", idp.tls_port if tls else idp.port, tls=idp_tls)]
        conf = config([listener(port, routes or [route_to("origin")], filters, door_tls, hcm={"access_log": log_to(self.log)})], clusters)
        if extensions:
            conf["bootstrap_extensions"] = extensions
        self.proc = Sallyport(conf, concurrency=concurrency)
        self.port, self.sent = port, 0
        self.url = f"https://localhost:{port}" if door_tls else f"http://127.0.0.1:{port}"

    def get(self, *args, path="/echo"):
        self.sent += 1
        return curl(self.url + path, *args)

    def stat(self, name):
        return self.proc.stat(f"http.test.token_introspection.{name}")

    def details(self, n):
        """Of the last n requests."""
        wait_for("the log", lambda: len(log_lines(self.log)) >= self.sent)
        return [line["details"] for line in log_lines(self.log)[-n:]]

    def stop(self):
        code = self.proc.stop()
        assert code == 0, f"exit code {code}: {self.proc.log()[-2000:]}"
