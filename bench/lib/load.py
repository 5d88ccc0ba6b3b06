# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark's own programs (bench/src), compiled when they are needed, and runs of the load generator."""
import json
import os
import select
import subprocess

import procs

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = {"load": (("load",), ("nghttp2", "ssl", "crypto")), "sink": (("sink.c",), ())}


def compile_one(name, sources, into, flags, libraries):
    """Builds a program of bench/src if it is missing or older than its sources; its path."""
    os.makedirs(into, exist_ok=True)
    files, target = [], os.path.join(into, name)
    for source in (os.path.join(HERE, "src", s) for s in sources):
        files += [os.path.join(source, f) for f in sorted(os.listdir(source))] if os.path.isdir(source) else [source]
    if os.path.exists(target) and all(os.path.getmtime(f) < os.path.getmtime(target) for f in files):
        return target
    done = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", *flags, "-o", f"{target}.{os.getpid()}",
                           *[f for f in files if f.endswith(".c")], *libraries], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise procs.Failed(f"{name} does not compile (scripts/packages bench): {done.stderr[-600:]}")
    os.rename(f"{target}.{os.getpid()}", target)  # whoever else builds it at the same time sees the old or the new one
    return target


def compile_programs(into):
    """{name: path} of the load generator and the sink."""
    return {name: compile_one(name, sources, into, [], [f"-l{x}" for x in libraries]) for name, (sources, libraries) in PROGRAMS.items()}


class Load:
    """A load generator that is running. `ready()` waits until its connections are there, `go()` lets it begin."""

    def __init__(self, program, argv, cpus):
        self.process = procs.start([program, *argv], cpus, subprocess.PIPE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _line(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.process.kill()
            raise procs.Failed(f"the load generator gave nothing: {self.process.stderr.read()[:300]}")
        return line

    def ready(self, seconds=30):
        if self._line(seconds) != "ready\n":
            raise procs.Failed("the load generator is not ready")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self, seconds):
        return json.loads(self._line(seconds))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def arguments(s, env, port, seconds):
    """The generator's arguments for a scenario."""
    argv = ["--conns", str(s.conns), "--streams", str(s.streams), "--seconds", f"{seconds:g}", "--status", str(s.status)]
    argv += ["--length", str(s.length)] if s.length is not None else []
    argv += ["--h1"] if not s.tls else []
    argv += ["--rate", str(s.rate)] if s.rate else []
    argv += [f"--{s.connections}", "--sources", "16"] if s.connections in ("fresh", "resume", "hold") else []
    argv += ["--paths", env["PATHS_FILE"]] if s.many_paths else ["--path", s.path]
    for field in s.fields(env):
        argv += ["--field", field]
    argv += ["--rotate", "authorization", "--values", env[f"TOKENS_{s.tokens}"]] if s.tokens else []
    argv += ["--upload", str(s.upload)] if s.upload else []
    return [*argv, str(port)]
