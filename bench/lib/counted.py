# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios in lockstep (bench/lib/lockstep.py) under callgrind: user-space instructions a request."""
import glob
import json
import os
import signal
import socket
import ssl
import subprocess
import time

import callgrind
import lockstep
import material
import procs
import sallyport

MIB = 1 << 20


class Count:
    """One scenario: how it is driven, and how many times before and while it is counted."""

    def __init__(self, name, profile, drive, unit="request", warm=10, times=20, streams=16, **more):
        self.name, self.profile, self.drive, self.unit, self.warm, self.times = name, profile, drive, unit, warm, times
        self.streams, self.status, self.tokens, self.paths, self.wrong, self.body = streams, 200, None, False, False, 0
        self.length, self.resume, self.env, self.everything = 1024, False, {}, False
        self.__dict__.update(more)

    def units(self):
        """How many units (requests, connections, MiB) are counted."""
        return self.times * self.streams


SCENARIOS = [
    Count("h1_plain", "plain_h1", "clear"),
    Count("h2_tls", "tls_h1up", "burst"),
    Count("h2_tls_one", "tls_h1up", "burst", streams=1, warm=30, times=100),
    Count("h2_tls_mtls_up", "tls_mtls_up", "burst"),
    Count("h2_up", "tls_h2up", "burst"),
    Count("everything", "tls_h1up", "burst", everything=True),
    Count("shield", "shield", "burst", paths=True),
    Count("reject", "shield", "burst", paths=True, wrong=True, status=403),
    Count("jwt", "jwt", "burst", tokens="ES256", warm=4, times=8),
    Count("jwt_rs256", "jwt_rs256", "burst", tokens="RS256", warm=4, times=8),
    Count("jwt_none", "tls_h1up", "burst", tokens="ES256"),
    Count("jwt_cached", "jwt", "burst", tokens="ES256", env={"JWT_CACHE": "1000"}),
    Count("connection", "plain_h1", "connect", unit="connection", streams=1, warm=20, times=60),
    Count("handshake", "tls_h1up", "shake", unit="connection", streams=1, warm=6, times=16),
    Count("resumption", "tls_h1up", "shake", unit="connection", streams=1, warm=6, times=16, resume=True),
    Count("big_body", "tls_h1up", "download", unit="MiB", streams=1, warm=2, times=4, length=MIB),
    Count("upload", "upload", "send", unit="MiB", streams=1, warm=2, times=4, body=MIB, length=20),
]


def server_context(env, alpn, client_ca=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(env["UPSTREAM_CERT"], env["UPSTREAM_KEY"])
    context.set_alpn_protocols([alpn])
    if client_ca:
        context.load_verify_locations(env["CA"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Run:
    """One scenario: the proxy under callgrind, with a client before it and an origin behind it."""

    def __init__(self, count, binary, goods, directory):
        self.count, self.env, self.dir = count, dict(goods.env), directory
        os.makedirs(directory, exist_ok=True)
        listen, tls, plain, admin = procs.free_ports(4)
        self.port = plain if count.profile == "plain_h1" else tls
        at = f"127.0.0.1:{listen}"
        self.env.update(LISTEN_ADDR="127.0.0.1", TLS_PORT=str(tls), PLAIN_PORT=str(plain), UP_PLAIN=at, UP_MTLS=at, UP_H2TLS=at, UP_SINK=at)
        self.env.update(goods.shield(500, 200, {"a": at}), **count.env)
        if count.everything:
            self.env.update(ACCESS_LOG=f"{directory}/access.log", ADMIN_PORT=str(admin))
        if count.profile == "tls_mtls_up":
            self.origin = lockstep.Origin(listen, lockstep.Http1, server_context(self.env, "http/1.1", client_ca=True))
        elif count.profile == "tls_h2up":
            self.origin = lockstep.Origin(listen, lockstep.Http2, server_context(self.env, "h2"))
        else:
            self.origin = lockstep.Origin(listen)
        self.paths = material.read(self.env["PATHS_FILE"]).split() if count.paths else ["/"]
        self.tokens = material.read(self.env[f"TOKENS_{count.tokens}"]).splitlines() if count.tokens else []
        self.asked, self.session, self.file = 0, None, None
        self.context = ssl.create_default_context(cafile=self.env["CA"])
        self.context.set_alpn_protocols(["h2"])
        self.process = self._start(binary)
        self.proxy = lockstep.Proxy(self.process)
        self.clients = []

    def _start(self, binary):
        config = material.write(f"{self.dir}/config.json", json.dumps(sallyport.build(self.count.profile, self.env)))
        out = f"{self.dir}/callgrind"
        with open(f"{self.dir}/log", "wb") as log:
            process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}", "--vgdb=yes", f"--vgdb-prefix={self.dir}/vgdb",
                 binary, "-c", config, "--concurrency", "1", "-l", "error"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + lockstep.PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return process
            except OSError as e:
                if process.poll() is not None or time.monotonic() > end:
                    process.kill()
                    raise lockstep.Stuck(f"the proxy does not listen: {material.read(f'{self.dir}/log')[-600:]}") from e
                time.sleep(0.02)

    def _tool(self, *words):
        done = subprocess.run(["vgdb", f"--pid={self.process.pid}", f"--vgdb-prefix={self.dir}/vgdb", *words],
                              capture_output=True, text=True, timeout=lockstep.PATIENCE, check=False)
        if done.returncode:
            raise lockstep.Stuck(f"vgdb {' '.join(words)}: {done.stderr.strip()[-300:]}")

    def _headers(self):
        headers = []
        if self.count.profile == "shield":
            headers = [("x-origin-verify", ("wrong-" if self.count.wrong else "") + self.env["SECRET"]), ("x-internal-debug", "1")]
        if self.tokens:
            headers.append(("authorization", self.tokens[self.asked % len(self.tokens)]))
        return headers

    def _ask(self, client):
        client.request(self.paths[self.asked % len(self.paths)], self._headers(), self.count.body)
        self.asked += 1

    def _answer(self, requests, body, first):
        with self.proxy:
            for r in requests:
                r.answer(body, first)
            self.origin.flush()

    def _reach_origin(self, number):
        lockstep.until(lambda: self.origin.whole(number), "requests at the origin")
        self.proxy.quiet()
        return self.origin.pending()

    def _take(self, clients, number):
        lockstep.until(lambda: sum(c.answered() for c in clients) >= number, "answers")
        self.proxy.quiet()
        for c in clients:
            if set(c.statuses) - {self.count.status}:
                raise lockstep.Stuck(f"status {set(c.statuses)} instead of {self.count.status}")
            c.statuses.clear()
        self.origin.forget()

    def _serve(self, clients, number):
        if self.count.status == 200:
            self._answer(self._reach_origin(number), b"x" * self.count.length, self.count.length)
        self._take(clients, number)

    def _h2_client(self, session=None):
        client = lockstep.Client2(self.port, self.context, session)
        client.start()
        return client

    def _the_client(self):
        if not self.clients:
            self.clients = [self._h2_client()]
        return self.clients[0]

    def burst(self):
        client = self._the_client()
        with self.proxy:
            for _ in range(self.count.streams):
                self._ask(client)
            client.pipe.flush()
        self._serve(self.clients, self.count.streams)
        client.acknowledge()

    def clear(self):
        while len(self.clients) < self.count.streams:
            self.clients.append(lockstep.Client1(self.port))
        with self.proxy:
            for client in self.clients:
                self._ask(client)
                client.pipe.flush()
        self._serve(self.clients, self.count.streams)

    def connect(self):
        client = lockstep.Client1(self.port)
        self._ask(client)
        with self.proxy:
            client.pipe.flush()
        self._serve([client], 1)
        client.pipe.close()
        self.proxy.quiet()

    def shake(self):
        client = self._h2_client(self.session if self.count.resume else None)
        if bool(client.pipe.tls.session_reused) != (self.session is not None and self.count.resume):
            raise lockstep.Stuck("a session was resumed that should not be, or the other way round")
        self._ask(client)
        with self.proxy:
            client.pipe.flush()
        self._serve([client], 1)
        if self.count.resume:
            self.session = client.pipe.tls.session
        client.pipe.close()
        self.proxy.quiet()

    def download(self):
        client = self._the_client()
        client.acknowledge()
        self._ask(client)
        with self.proxy:
            client.pipe.flush()
        request = self._reach_origin(1)
        piece, want = b"x" * lockstep.PIECE, client.bytes
        for at in range(0, self.count.length, lockstep.PIECE):
            want += lockstep.PIECE
            self._answer(request, piece, self.count.length if at == 0 else 0)
            lockstep.until(lambda w=want: client.answered() is not None and client.bytes >= w, "the body")
        self._take(self.clients, 1)

    def send(self):
        client = self._the_client()
        client.acknowledge()
        self._ask(client)
        sent = 0
        while sent < self.count.body:
            with self.proxy:
                some = client.send_body()
                client.pipe.flush()
            if not some:
                raise lockstep.Stuck(f"no window after {sent} bytes")
            sent += some
            lockstep.until(lambda w=sent: sum(r.body for r in self.origin.pending()) >= w, "the body at the origin")
            self.proxy.quiet()
            client.answered()
        self._serve(self.clients, 1)

    def instructions(self):
        """Runs it; the instructions for one unit."""
        drive = getattr(self, self.count.drive)
        for _ in range(self.count.warm):
            drive()
        self._tool("zero")
        for _ in range(self.count.times):
            drive()
        self._tool("dump")
        return self._read() / self.count.units()

    def _read(self):
        """The worker's count: it has by far the most. The main thread's timers run by the clock, not by requests."""
        counts = {name: callgrind.summary(material.read(name)) for name in glob.glob(f"{self.dir}/callgrind.1-*")}
        if not any(counts.values()):
            raise lockstep.Stuck("callgrind wrote no count")
        self.file = max(counts, key=counts.get)
        return counts[self.file]

    def close(self):
        for c in self.clients:
            c.pipe.close()
        self.origin.close()
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
        self.process.wait()
