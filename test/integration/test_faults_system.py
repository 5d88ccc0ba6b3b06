# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that fails: no descriptors, no threads, full disks, clocks that jump, names that lie, peers that vanish."""
import errno
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from echo import Echo
from fake_dns import FakeDns, name_of
from faults import Faulty, Table, connect, http1, program, settled, tls_context
from harness import (SLOW, WORK, Nginx, Sallyport, T, address, ca, cert, cluster, config, curl, downstream_tls, free_port, good_token, jwt_filter,
                     listener, log_lines, log_to, nginx_plain, route_to, upstream_tls, wait_for, work)
from test_dns import dns_cluster


def busy_part(door, seconds=1.5):
    """Of one processor, in this time."""
    before = door.cpu()
    time.sleep(seconds)
    return (door.cpu() - before) / seconds


def limited(*limits):
    """A program that starts sallyport under such limits (prlimit's words)."""
    path = work(f"limited-{time.time_ns()}")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\nexec prlimit {' '.join(limits)} -- {harness.BIN} \"$@\"\n")
    os.chmod(path, 0o755)
    return path


class Limited(Sallyport):
    def __init__(self, limits, conf, *args, **kw):
        before, harness.BIN = harness.BIN, limited(*limits)
        try:
            super().__init__(conf, *args, **kw)
        finally:
            harness.BIN = before


def status(port, path="/echo", **headers):
    a = http1(port, [("GET", path, headers, b"")])[0]
    return a and a[0]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.stop()

    def conf(self, hcm=None, **more):
        return config([listener(free_port(), [route_to("o")], hcm=hcm, **more)], [cluster("o", self.origin.port)])

    def start(self, door):
        self.addCleanup(door.kill)
        return door

    def ends_well(self, door):
        self.assertEqual(door.stop(20), 0, door.log())


class Descriptors(Case):
    def test_they_run_out(self):
        """Connections beyond what the limit has room for are reset; who is in is served, origins are reached, nothing spins."""
        door = self.start(Limited(["--nofile=160:160"], self.conf()))
        old = connect(door.port)
        hoard = []
        for _ in range(400):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", door.port))
            hoard.append(s)
        wait_for("refusals", lambda: "of RLIMIT_NOFILE 160" in door.log())
        self.assertTrue(self.ask(old).startswith(b"HTTP/1.1 200"))
        self.assertLess(busy_part(door), 0.5)
        for s in hoard:
            s.close()
        wait_for("room", lambda: status(door.port) == 200)
        self.assertGreater(sum(n for k, n in door.stats().items() if k.endswith(".downstream_cx_overflow")), 100)
        old.close()
        settled(door)
        self.ends_well(door)

    def ask(self, s):
        s.sendall(b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n")
        return s.recv(65536)


@unittest.skipUnless(program(), "this build has no sallyport-faults")
class Accept(Case):
    def test_none_is_left(self):
        """accept says EMFILE for as long as it lasts: a pause, no spin, and then whoever waited is served."""
        door = self.start(Faulty(self.conf()))
        door.table.fail("ACCEPT", count=-1, err=errno.EMFILE)
        waiting = [connect(door.port) for _ in range(3)]
        for s in waiting:
            s.sendall(b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertLess(busy_part(door), 0.3)
        self.assertIn("cannot accept: Too many open files; waiting 100 ms", door.log())
        door.table.off()
        for s in waiting:
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 200"))
            s.close()
        self.ends_well(door)

    def test_what_accept_may_say(self):
        """Errors of a connection that is gone pass; one that nobody knows is waited out, whatever it is."""
        door = self.start(Faulty(self.conf()))
        for err in (errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EPERM, errno.ENETDOWN, errno.ENOBUFS, errno.ENOMEM, errno.ENFILE,
                    errno.EINVAL, errno.EOPNOTSUPP):
            door.table.fail("ACCEPT", count=3, err=err)
            self.assertEqual(status(door.port), 200, os.strerror(err))
            door.table.off()
        door.table.fail("ACCEPT", count=-1, err=errno.EINVAL)
        s = connect(door.port)
        self.assertLess(busy_part(door), 0.3)
        s.close()
        door.table.off()
        self.ends_well(door)

    def test_hot_restart(self):
        """Another process knocks while there is no descriptor for it."""
        path = work("hot.sock")
        door = self.start(Faulty(self.conf(), "--hot-restart", path))
        door.table.fail("ACCEPT", count=-1, err=errno.EMFILE)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        s.send(b"takeover 1")
        self.assertLess(busy_part(door), 0.3)
        self.assertIn("cannot take the connection of another process: Too many open files", door.log())
        door.table.off()
        s.settimeout(5 * SLOW)
        self.assertTrue(s.recv(300).startswith(b"sockets"))
        s.close()
        wait_for("it to serve on", lambda: "serving on" in door.log())
        self.assertEqual(status(door.port), 200)
        self.ends_well(door)

    def test_no_buffers(self):
        """send says ENOBUFS now and then: what was not taken goes out later, byte for byte."""
        self.origin.page("big", os.urandom(1 << 16) * 16)
        with open(os.path.join(self.origin.root, "big"), "rb") as f:
            big = f.read()
        door = self.start(Faulty(self.conf()))
        door.table.fail("SEND", count=0, ppm=300000, seed=7, err=errno.ENOBUFS)
        for _ in range(5):
            self.assertEqual(http1(door.port, [("GET", "/big", {}, b"")]), [(200, big)])
        self.assertGreater(door.table.hits("SEND"), 5)
        door.table.off()
        self.ends_well(door)


@unittest.skipUnless(program(), "this build has no sallyport-faults")
class Threads(Case):
    def faulty_start(self, name, **fault):
        path = work(f"config-{time.time_ns()}.json")
        conf = dict(self.conf(), admin={"address": address(free_port())})
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        t = Table()
        t.fail(name, **fault)
        return subprocess.run([program(), "-c", path, "--concurrency", "2"], capture_output=True, text=True, timeout=30 * SLOW,
                              env=dict(os.environ, SP_FAULTS=t.path), check=False)

    def test_none_at_the_start(self):
        for skip in range(3):
            p = self.faulty_start("THREAD", skip=skip, count=-1)
            self.assertGreater(p.returncode, 0, p.stderr)  # an exit, with a message; not a signal
            self.assertIn("thread", p.stderr)

    def test_none_for_a_reload(self):
        door = self.start(Faulty(self.conf()))
        door.table.fail("THREAD", count=-1)
        door.signal(signal.SIGHUP)
        wait_for("the refusal", lambda: "cannot start a thread to load the config" in door.log())
        self.assertEqual(status(door.port), 200)
        door.table.off()
        door.signal(signal.SIGHUP)
        wait_for("the config", lambda: "serves" in door.log().split("cannot start a thread")[1])
        self.assertEqual(status(door.port), 200)
        self.ends_well(door)

    def test_no_memory_for_a_reload(self):
        """Memory is out from call n on, until the reload is over: it is taken, or refused; what serves goes on."""
        door = self.start(Faulty(self.conf()))
        for skip in (0, 1, 10, 50, 100, 200, 400, 800, 1600, 3200):
            door.table.fail("MALLOC", skip=skip, count=-1)
            door.signal(signal.SIGHUP)
            time.sleep(0.3 * SLOW)
            door.table.off()
            self.assertTrue(door.alive(), f"from {skip} on: {door.log()[-2000:]}")
            self.assertEqual(status(door.port), 200)
        self.ends_well(door)

    def test_inotify_has_none(self):
        """Without watches files are looked at every 5 seconds."""
        door = self.start(NoInotify(self.conf()))
        wait_for("the warning", lambda: "the system watches no files for us" in door.log())
        with open(door.config_path, encoding="utf-8") as f:
            before = json.load(f)
        before["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0][
            "routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": 418}}]
        with open(door.config_path + ".new", "w", encoding="utf-8") as f:
            json.dump(before, f)
        os.rename(door.config_path + ".new", door.config_path)
        wait_for("the change to be seen", lambda: status(door.port) == 418, 15)
        self.ends_well(door)


class NoInotify(Faulty):
    def __init__(self, conf):
        real = Table.__init__

        def with_fault(t):
            real(t)
            t.fail("INOTIFY", count=-1)
        Table.__init__ = with_fault
        try:
            super().__init__(conf)
        finally:
            Table.__init__ = real


class Memory(Case):
    def data(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmData")).split()[1]) * 1024

    def test_none_is_left(self):
        """RLIMIT_DATA at what it has, and a crowd that wants more: some are refused, none is answered wrongly, nothing ends; then there is
        memory again."""
        if harness.SANITIZED:
            self.skipTest("the sanitizer needs addresses of its own")
        self.origin.page("body", b"y" * (1 << 20))
        door = self.start(Sallyport(self.conf()))
        self.assertEqual(status(door.port), 200)
        resource.prlimit(door.pid, resource.RLIMIT_DATA, (self.data(door.pid) + (1 << 19), resource.RLIM_INFINITY))
        wrong, answered, refused = [], [0], [0]

        def crowd():
            held = []
            for _ in range(120):
                try:
                    s = connect(door.port)
                    s.sendall(b"GET /body HTTP/1.1\r\nhost: a\r\nx-pad: " + b"p" * 7000 + b"\r\n\r\n")
                    held.append(s)  # unread: what the kernel does not take stays with the door
                except OSError:
                    refused[0] += 1
            for s in held:
                try:
                    head = s.recv(12)
                    if head and head[9:] not in (b"200", b"502", b"503"):
                        wrong.append(head)
                    answered[0] += bool(head)
                except OSError as e:
                    if isinstance(e, TimeoutError):
                        wrong.append("stuck")
                    refused[0] += 1
                s.close()
        threads = [threading.Thread(target=crowd) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertIsNone(door.p.poll(), door.log()[-3000:])
        self.assertEqual(wrong, [])
        resource.prlimit(door.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_for("memory", lambda: status(door.port) == 200)
        self.assertGreater(door.stat("server.memory_failed"), 0)
        settled(door)
        self.ends_well(door)


class Disks(Case):
    def test_a_full_disk(self):
        """Lines that do not fit are lost and counted, requests are served, and once there is room lines are written again."""
        d = tempfile.mkdtemp(dir=WORK)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", d], check=False, capture_output=True).returncode:
            self.skipTest("no right to mount a file system")
        self.addCleanup(subprocess.run, ["umount", "-l", d], check=False)
        log = os.path.join(d, "log")
        door = self.start(Sallyport(self.conf(hcm={"access_log": log_to(log)})))
        for _ in range(600):
            self.assertEqual(status(door.port), 200)
        wait_for("failed writes", lambda: status(door.port) == 200 and door.stat("filesystem.write_failed") > 0)
        self.assertIn("No space left on device", door.log())
        with open(log, "w", encoding="ascii"):
            pass
        self.assertEqual(status(door.port, "/echo/after"), 200)
        wait_for("lines again", lambda: b"/echo/after" in open(log, "rb").read())
        self.ends_well(door)

    def test_the_largest_file(self):
        """RLIMIT_FSIZE: a write beyond it fails, and no signal ends the process."""
        log = work(f"fsize-{time.time_ns()}.log")
        door = self.start(Limited(["--fsize=4096:unlimited"], self.conf(hcm={"access_log": log_to(log)})))
        for _ in range(100):
            self.assertEqual(status(door.port), 200)
        wait_for("failed writes", lambda: status(door.port) == 200 and door.stat("filesystem.write_failed") > 0)
        self.assertIsNone(door.p.poll())
        resource.prlimit(door.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual(status(door.port, "/echo/after"), 200)
        wait_for("lines again", lambda: b"/echo/after" in open(log, "rb").read())
        self.ends_well(door)

    def test_the_directory_is_gone(self):
        d = tempfile.mkdtemp(dir=WORK)
        log = os.path.join(d, "log")
        door = self.start(Sallyport(self.conf(hcm={"access_log": log_to(log)})))
        self.assertEqual(status(door.port), 200)
        shutil.rmtree(d)
        door.signal(signal.SIGUSR1)
        wait_for("the failure", lambda: status(door.port) == 200 and door.stat("filesystem.reopen_failed") == 1)
        self.assertEqual(status(door.port), 200)
        os.mkdir(d)
        door.signal(signal.SIGUSR1)
        # A line that is there before the log's thread has the new file goes to the old one.
        wait_for("lines again", lambda: status(door.port, "/echo/after") == 200 and os.path.exists(log) and b"/echo/after" in open(log, "rb").read())
        self.ends_well(door)

    def test_a_pipe_without_a_reader(self):
        """The log goes to standard output, and who read that has ended."""
        r, w = os.pipe()
        path = work(f"config-{time.time_ns()}.json")
        admin = free_port()
        conf = dict(self.conf(hcm={"access_log": log_to("/dev/stdout")}), admin={"address": address(admin)})
        port = conf["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        p = subprocess.Popen([harness.BIN, "-c", path, "--concurrency", "1"], stdout=w, stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        os.close(w)
        wait_for("it to serve", lambda: harness.connects(port) and status(port) == 200)
        os.close(r)
        for _ in range(20):
            self.assertEqual(status(port), 200)
        time.sleep(1.5)  # the writer has tried
        self.assertEqual(status(port), 200)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(20 * SLOW), 0)


@unittest.skipUnless(program(), "this build has no sallyport-faults")
class Clocks(Case):
    DAY = 86400 * 10 ** 9

    def jump(self, door, ns):
        door.table.put("CLOCK", skip=ns)
        door.table.put("CLOCK", on=1)

    def test_time_of_day_steps(self):
        """Tokens and certificates go by it; timeouts, buckets and connections do not."""
        log = work(f"clock-{time.time_ns()}.log")
        bucket = {"name": "limit", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
            "token_bucket": {"max_tokens": 40, "tokens_per_fill": 40, "fill_interval": "3600s"},
            "filter_enabled": {"default_value": {"numerator": 100}}, "filter_enforced": {"default_value": {"numerator": 100}}}}
        jwt = jwt_filter()
        jwt["typed_config"]["rules"] = [{"match": {"prefix": "/echo/jwt"}, "requires": {"provider_name": "test"}}]
        doors = [listener(free_port(), [route_to("o")], filters=[bucket, jwt], hcm={"access_log": log_to(log), "stream_idle_timeout": "600s"}),
                 listener(free_port(), [route_to("tls", "/tls", prefix_rewrite="/echo"), route_to("o")], name="mtls",
                          tls=downstream_tls(client_ca=ca(), require=True))]
        origin = harness.nginx_mtls(client_ca=ca())
        self.addCleanup(origin.stop)
        door = self.start(Faulty(config(doors, [cluster("o", self.origin.port), cluster("tls", origin.port, tls=upstream_tls())])))
        mtls = doors[1]["address"]["socket_address"]["port_value"]
        client = tls_context(ca(), cert("client"))
        token = {"authorization": "Bearer " + good_token()}

        def ask():
            return (status(door.port, "/echo/jwt", **token), http1(mtls, [("GET", "/echo", {}, b"")], client)[0] is not None)
        old = connect(door.port)
        for days, want in ((0, (200, True)), (1, (401, True)), (400, (401, False)), (0, (200, True)), (-400, (200, False)), (0, (200, True))):
            self.jump(door, days * self.DAY)
            # A verdict on a token is kept with the end of the token; certificates have another clock: minutes may be late.
            self.assertEqual(ask(), want, f"{days} days")
            old.sendall(b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n")  # no idle time has passed
            self.assertTrue(old.recv(65536).startswith(b"HTTP/1.1 200"), f"{days} days")
        self.jump(door, 4000 * self.DAY)
        time.sleep(0.1)
        for _ in range(60):  # the bucket is not filled by it
            last = status(door.port)
        self.assertEqual(last, 429)
        self.jump(door, 0)
        old.close()
        settled(door)
        self.ends_well(door)

    def test_a_step_under_way(self):
        """A request's own time is none of the clock's: it is neither cut off nor does it last negative seconds."""
        slow = Echo("slow")
        self.addCleanup(slow.server_close)
        self.addCleanup(slow.shutdown)
        log = work(f"step-{time.time_ns()}.log")
        logs = log_to(log)
        logs[0]["typed_config"]["log_format"]["json_format"]["ms"] = "%DURATION%"
        door = self.start(Faulty(config([listener(free_port(), [route_to("o", timeout="10s")], hcm={"access_log": logs})],
                                        [cluster("o", slow.server_address[1])])))
        for days in (-1000, 1000):
            got = []
            t = threading.Thread(target=lambda: got.append(status(door.port, "/", **{"x-wait": "1"})))
            t.start()
            wait_for("the request", lambda: door.stat("cluster.o.upstream_rq_active") == 1)
            self.jump(door, days * self.DAY)
            t.join()
            self.assertEqual(got, [200])
            self.jump(door, 0)
        lines = wait_for("lines", lambda: len(log_lines(log)) == 2 and log_lines(log))
        for line in lines:
            self.assertTrue(500 <= int(line["ms"]) <= 5000 * SLOW, line)
        self.ends_well(door)


class Poison(FakeDns):
    """Before each true answer come false ones: another id, another question, other names' addresses, another server's word."""

    def run_udp(self):
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.bind(("127.0.0.1", 0))
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
                with self.lock:
                    true = dict(self.names)
                for name in self.names:
                    self.names[name] = dict(self.names[name], addresses=("127.0.0.66",))
                lie = self.answer(data, "udp")
                with self.lock:
                    self.names.update(true)
                other_id = struct.pack(">H", struct.unpack(">H", data[:2])[0] ^ 0x5555) + lie[2:]
                other_question = bytearray(lie)
                other_question[13] ^= 1
                for packet in (other_id, bytes(other_question), lie[:11], b""):
                    self.udp.sendto(packet, peer)
                stranger.sendto(lie, peer)
                time.sleep(0.02)
                self.udp.sendto(self.answer(data, "udp"), peer)
            except OSError:
                return


class Names(Case):
    def test_poison(self):
        """Answers with another id, to another question, cut short, or from somewhere else count for nothing."""
        dns = Poison()
        self.addCleanup(dns.stop)
        port = free_port()
        for host in ("127.0.0.1", "127.0.0.66"):
            o = Echo(host, port, host)
            self.addCleanup(o.server_close)
            self.addCleanup(o.shutdown)
        dns.set("a.test", "127.0.0.1")
        door = self.start(Sallyport(config([listener(free_port(), [route_to("o")])], [dns_cluster(dns, "a.test", port=port)])))
        for _ in range(10):
            self.assertEqual(json.loads(curl(f"http://127.0.0.1:{door.port}/").body)["server"], "127.0.0.1")
            time.sleep(0.1)
        self.assertGreater(dns.count("a.test"), 3)
        self.ends_well(door)

    def test_blackhole(self):
        """A server that never answers: the start waits its time and no longer, requests are answered 503, and later all is well."""
        dns = FakeDns()
        self.addCleanup(dns.stop)
        port = free_port()
        o = Echo("o", port)
        self.addCleanup(o.server_close)
        self.addCleanup(o.shutdown)
        dns.set("a.test", silent=True)
        door = self.start(Sallyport(config([listener(free_port(), [route_to("o")])], [dns_cluster(dns, "a.test", port=port)]), wait=False))
        wait_for("an answer", lambda: curl(f"http://127.0.0.1:{door.port}/").status == 503, 30)
        dns.set("a.test", "127.0.0.1")
        wait_for("the host", lambda: curl(f"http://127.0.0.1:{door.port}/").status == 200, 20)
        self.ends_well(door)


class Net:
    """Another machine: a network name space at the other end of a cable that can be pulled."""

    def __init__(self):
        self.n = free_port()
        self.ns, self.here, self.there = f"sp{self.n}", f"sph{self.n}", f"spt{self.n}"
        a, b = 2 + self.n // 250 % 250, self.n % 250
        self.mine, self.its = f"10.{a}.{b}.1", f"10.{a}.{b}.2"

    def up(self):
        for words in (f"netns add {self.ns}", f"link add {self.here} type veth peer name {self.there}", f"link set {self.there} netns {self.ns}",
                      f"addr add {self.mine}/30 dev {self.here}", f"link set {self.here} up",
                      f"-n {self.ns} addr add {self.its}/30 dev {self.there}", f"-n {self.ns} link set {self.there} up",
                      f"-n {self.ns} link set lo up"):
            if subprocess.run(["ip", *words.split()], capture_output=True, check=False).returncode:
                return False
        return True

    def pull(self):
        """Nobody is told: packets go nowhere, as when a machine loses its power."""
        subprocess.run(["ip", "-n", self.ns, "link", "set", self.there, "netns", str(os.getpid()), "name", self.there], check=False,
                       capture_output=True)
        subprocess.run(["ip", "link", "set", self.there, "down"], check=False)

    def down(self):
        subprocess.run(["ip", "link", "del", self.here], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.ns], check=False, capture_output=True)

    def run(self, code):
        return subprocess.Popen(["ip", "netns", "exec", self.ns, "python3", "-c", code], stdout=subprocess.PIPE, text=True)


class Vanished(Case):
    def setUp(self):
        self.net = Net()
        self.addCleanup(self.net.down)
        if not self.net.up():
            self.skipTest("no right to make a network")

    def test_a_client(self):
        """It asks for much, and its machine is gone: the stream's idle time ends it, and nothing of it is kept."""
        self.origin.page("huge", b"x" * (64 << 20))
        conf = config([dict(listener(free_port(), [route_to("o")], hcm={"stream_idle_timeout": "1s", "delayed_close_timeout": "1s"}),
                            address=address(free_port(), self.net.mine))], [cluster("o", self.origin.port)])
        door = self.start(Sallyport(conf))
        port = conf["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
        p = self.net.run("import socket,time\n"
                         f"s=socket.create_connection(('{self.net.mine}',{port}))\n"
                         "s.sendall(b'GET /huge HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n')\n"
                         "s.recv(10)\nprint('on',flush=True)\ntime.sleep(60)\n")
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), "on\n")
        wait_for("the stream", lambda: door.stat("http.test.downstream_rq_active") == 1)
        self.net.pull()
        settled(door, 15)
        self.ends_well(door)

    def test_an_origin(self):
        """It takes a request, and its machine is gone: the route's timeout answers; the next connection finds that nobody is there."""
        port = free_port()
        p = self.net.run("import socket\n"
                         f"l=socket.create_server(('{self.net.its}',{port}))\nprint('on',flush=True)\n"
                         "while True:\n c,_=l.accept()\n while True:\n"
                         "  d=c.recv(4096)\n  if not d: break\n"
                         "  if b'/hang' in d: continue\n"
                         "  c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok')\n")
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), "on\n")
        origin = cluster("o", port, connect_timeout="1s", upstream_connection_options={
            "tcp_keepalive": {"keepalive_time": 1, "keepalive_interval": 1, "keepalive_probes": 2}})
        origin["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = address(port, self.net.its)
        door = self.start(Sallyport(config([listener(free_port(), [route_to("o", timeout="2s")])], [origin])))
        self.assertEqual(status(door.port, "/"), 200)
        got = []
        t = threading.Thread(target=lambda: got.append(status(door.port, "/hang")))
        t.start()
        wait_for("the request", lambda: door.stat("cluster.o.upstream_rq_active") == 1)
        self.net.pull()
        t.join()
        self.assertEqual(got, [504])
        wait_for("idle connections to be found dead", lambda: door.stat("cluster.o.upstream_cx_active") == 0, 20)
        self.assertEqual(status(door.port, "/"), 503)
        settled(door)
        self.ends_well(door)
