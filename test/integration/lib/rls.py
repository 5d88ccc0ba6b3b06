# SPDX-License-Identifier: GPL-2.0-or-later
"""Envoy's rate limit service (scripts/ratelimit) with a Redis (Debian: redis-server) of its own: both on free ports."""
import glob
import os
import shutil
import socket
import tempfile

from harness import WORK, Proc, connects, free_port, wait_for


def find_service():
    """SP_RATELIMIT, or the one that scripts/ratelimit keeps in the cache; None without it or without a Redis."""
    cache = os.environ.get("SALLYPORT_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sallyport")
    found = glob.glob(os.path.join(cache, "ratelimit-*", "service_cmd"))
    binary = os.environ.get("SP_RATELIMIT") or (found[0] if found else None)
    return binary if shutil.which("redis-server") else None


class Service:
    """config: YAML texts, one a domain."""

    def __init__(self, *config):
        self.port, self.redis_port, debug, http = (free_port() for _ in range(4))
        root = tempfile.mkdtemp(dir=WORK)
        os.makedirs(os.path.join(root, "ratelimit", "config"))
        for i, text in enumerate(config):
            with open(os.path.join(root, "ratelimit", "config", f"{i}.yaml"), "w", encoding="utf-8") as f:
                f.write(text)
        self.redis = Proc("redis", ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "",
                                    "--appendonly", "no", "--dir", root])
        wait_for("redis", lambda: connects(self.redis_port))
        self.service = Proc("ratelimit", [find_service()], env={
            "USE_STATSD": "false", "DISABLE_STATS": "true", "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": f"127.0.0.1:{self.redis_port}", "RUNTIME_ROOT": root,
            "RUNTIME_SUBDIRECTORY": "ratelimit", "RUNTIME_WATCH_ROOT": "false", "LOG_LEVEL": "warn", "HOST": "127.0.0.1",
            "GRPC_HOST": "127.0.0.1", "DEBUG_HOST": "127.0.0.1", "PORT": str(http), "GRPC_PORT": str(self.port), "DEBUG_PORT": str(debug)})
        wait_for("the rate limit service", lambda: connects(self.port), 20)

    def command(self, *words):
        """Of Redis; its answer."""
        with socket.create_connection(("127.0.0.1", self.redis_port), 5) as s:
            s.sendall((" ".join(words) + "\r\n").encode())
            return s.recv(65536).decode()

    def forget(self):
        assert self.command("FLUSHALL").startswith("+OK")

    def kill(self):
        self.service.kill()
        self.redis.kill()
