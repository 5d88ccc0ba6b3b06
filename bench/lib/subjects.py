# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that are measured: how each is configured for a profile, started, reloaded and ended."""
import json
import os
import re
import shutil
import signal
import subprocess

import material
import peers
import procs
import sallyport


class Unable(Exception):
    """A program that cannot do what a profile asks for, and why."""


class Subject:
    name = "?"
    version_args = ("--version",)
    reload_signal = signal.SIGHUP
    cpus = {procs.SUBJECT_CPU}

    def __init__(self, directory):
        self.dir, self.process, self.env, self.log = directory, None, {}, ""

    def available(self):
        return shutil.which(self.name) is not None

    def version(self):
        done = subprocess.run([self.name, *self.version_args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = re.search(r"\d+\.\d+[\w.]*", done.stdout)
        return found[0] if found else "?"

    def configure(self, profile, env):
        """Writes the config; the command that runs it."""
        raise NotImplementedError

    def port(self, scenario):
        return int(self.env["TLS_PORT" if scenario.tls else "PLAIN_PORT"])

    def start(self, scenario, env):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        tls, plain, admin = procs.free_ports(3)
        self.env = {**env, "LISTEN_ADDR": "127.0.0.1", "TLS_PORT": str(tls), "PLAIN_PORT": str(plain), "ADMIN_PORT": str(admin), "CONFIG_GEN": "0",
                    "RUN_DIR": self.dir}
        self.log = f"{self.dir}/words.log"
        self.process = procs.start(self.configure(scenario.profile, self.env), self.cpus, self.log)
        try:
            procs.wait_port(self.port(scenario), self.process, self.log)
        except procs.Failed:
            self.stop()
            raise

    def reload(self, profile):
        self.env["CONFIG_GEN"] = str(int(self.env["CONFIG_GEN"]) + 1)
        self.configure(profile, self.env)
        os.kill(self.process.pid, self.reload_signal)

    def stop(self):
        procs.stop(self.process)
        self.process = None


class Sallyport(Subject):
    name = "sallyport"

    def __init__(self, directory, binary, workers=1):
        super().__init__(directory)
        self.binary, self.workers = binary, workers

    def available(self):
        return os.access(self.binary, os.X_OK)

    def version(self):
        return subprocess.run([self.binary, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip().partition(" ")[2]

    def configure(self, profile, env):
        if env.get("EVERYTHING"):
            env["ACCESS_LOG"] = f"{self.dir}/access.log"
        path = f"{self.dir}/config.json"
        material.write(path + ".new", json.dumps(sallyport.build(profile, env)))
        os.rename(path + ".new", path)
        return [self.binary, "-c", path, "--concurrency", str(self.workers), "-l", "error"]


class Peer(Subject):
    """A program of others. Its config is peers.NAME(profile, env, directory): the text and the command, or None and why not."""

    def configure(self, profile, env):
        text, rest = getattr(peers, self.name)(profile, env, self.dir)
        if text is None:
            raise Unable(rest)
        material.write(f"{self.dir}/{self.name}.conf", text)
        return rest


class Nginx(Peer):
    name, version_args = "nginx", ("-v",)


class Haproxy(Peer):
    name, version_args, reload_signal = "haproxy", ("-v",), signal.SIGUSR2


class H2o(Peer):
    name = "h2o"


class Nghttpx(Peer):
    name = "nghttpx"


OTHERS = {c.name: c for c in (Nginx, Haproxy, H2o, Nghttpx)}
