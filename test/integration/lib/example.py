# SPDX-License-Identifier: GPL-2.0-or-later
"""A config as a user copies it out of examples/: its paths and ports are put in, it is validated, audited and run."""
import json
import os
import subprocess

from harness import BIN, SLOW, Proc, connects, curl, free_port, wait_for, work


def etc(name, text):
    path = os.path.join(work("etc"), name)
    os.makedirs(work("etc"), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o600)


def copy(source, name):
    with open(source, encoding="ascii") as f:
        etc(name, f.read())


def door_files(pair, secret):
    """What the door of most examples has: its certificate and key, the secret that the CDN sends."""
    for source, name in zip(pair, ("door.pem", "door.key")):
        copy(source, name)
    etc("origin-secret", secret + "\n")


class Example:
    """One of them, running."""

    def __init__(self, text, origin, leaves_open=(), files=(), least="medium"):
        """`least`: findings of that severity count. `files`: of those that the config names, those that are part of it: texts by name."""
        self.port, self.admin = free_port(), free_port()
        self.changes = [("0.0.0.0", "127.0.0.1"), ("port_value: 8443", f"port_value: {self.port}"),
                        ("port_value: 9901", f"port_value: {self.admin}"), ("port_value: 8080", f"port_value: {origin.port}")]
        text = text.replace("/etc/sallyport/", work("etc") + "/")
        for name in files:
            self.put(name, files[name], ())
        self.audit(text, leaves_open, least)
        for name in files:
            self.put(name, files[name], self.changes)
        for old, new in self.changes:
            text = text.replace(old, new)
        path = work(f"example-{self.port}.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        p = subprocess.run([BIN, "validate", path], capture_output=True, text=True, timeout=30 * SLOW, check=False)
        assert p.returncode == 0, p.stderr
        self.proc = Proc("example", [BIN, "-c", path, "--concurrency", "1"])
        wait_for("the example", lambda: connects(self.port))

    @staticmethod
    def put(name, text, changes):
        for old, new in (("/etc/sallyport/", work("etc") + "/"), *changes):
            text = text.replace(old, new)
        os.makedirs(os.path.dirname(os.path.join(work("etc"), name)), exist_ok=True)
        etc(name + ".new", text)
        os.rename(os.path.join(work("etc"), name + ".new"), os.path.join(work("etc"), name))

    @staticmethod
    def audit(text, leaves_open, least="medium"):
        """As it stands, on an address that all may reach: nothing is found of this severity or worse, but for what is said here."""
        severities = ("critical", "high", "medium", "low")
        p = subprocess.run([BIN, "audit", "-", "--format", "json"], input=text, capture_output=True, text=True, timeout=30 * SLOW, check=False)
        assert p.returncode == 0, p.stderr
        found = {f["id"] for f in json.loads(p.stdout)["findings"] if f["severity"] in severities[:severities.index(least) + 1] or f["id"] in leaves_open}
        assert found == set(leaves_open), p.stdout

    def get(self, path, *args, host="localhost"):
        # The port of a test is not the CDN's: Host goes without it.
        return curl(f"https://{host}:{self.port}{path}", "--connect-to", f"{host}:{self.port}:127.0.0.1:{self.port}", "-H",
                    f"host: {host}", *args)
