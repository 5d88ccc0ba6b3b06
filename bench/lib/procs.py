# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that a run starts: pinned, counted (CPU, memory), ended; and what the machine did besides."""
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time

CPUS = sorted(os.sched_getaffinity(0))
SUBJECT_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A run that gives no number, and why."""


def adopt_orphans():
    """Children of subjects (nginx after a reload) come to us when their parent ends, so that they can be counted and ended."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _before_exec():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start(argv, cpus, log, **more):
    """A program in a session of its own, on these CPUs, its words in the file `log`."""
    def ready():
        _before_exec()
        os.sched_setaffinity(0, cpus)
    out = open(log, "ab") if isinstance(log, str) else log  # pylint: disable=consider-using-with
    return subprocess.Popen(argv, preexec_fn=ready, start_new_session=True, stderr=out, **{"stdin": subprocess.DEVNULL, "stdout": out, **more})


def _stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return {"state": fields[0], "parent": int(fields[1]), "session": int(fields[3]),
            "user": int(fields[11]) + int(fields[13]), "system": int(fields[12]) + int(fields[14])}


def tree(root):
    """{pid: stat} of a process, its descendants, and all of its session."""
    everyone = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                everyone[int(name)] = _stat(name)
            except (OSError, IndexError, ValueError):
                pass
    found, grew = {p for p, s in everyone.items() if p == root or s["session"] == root}, True
    while grew:
        more = {p for p, s in everyone.items() if s["parent"] in found and p not in found}
        found |= more
        grew = bool(more)
    return {p: everyone[p] for p in found}


class Cpu:
    """CPU seconds of a process tree at one time. `a - b` is what was used between: from the scheduler's nanoseconds where every
    thread lived all the time, else from the ticks, which count those that ended as well."""

    def __init__(self, root):
        self.user = self.system = 0
        self.threads = {}
        for pid, s in tree(root).items():
            self.user += s["user"] / TICK
            self.system += s["system"] / TICK
            try:
                for tid in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                        self.threads[tid] = int(f.read().split()[0]) / 1e9
            except (OSError, ValueError):
                pass

    def __sub__(self, before):
        user, system = self.user - before.user, self.system - before.system
        total, source = user + system, "ticks"
        if self.threads.keys() == before.threads.keys():
            exact = sum(self.threads.values()) - sum(before.threads.values())
            if abs(exact - total) <= 0.05 + 0.05 * total:
                total, source = exact, "schedstat"
        return {"total": total, "user": user, "system": system, "source": source}


def memory(root):
    """(resident bytes now, at most) of a process tree; pages that several share count for each."""
    now = most = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
                fields = dict(line.split(":", 1) for line in f if ":" in line)
            now += int(fields["VmRSS"].split()[0]) * 1024
            most += int(fields["VmHWM"].split()[0]) * 1024
        except (OSError, KeyError):
            pass
    return now, most


def machine_busy():
    """CPU seconds that all CPUs together were busy since the start of the machine."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICK


def free_ports(count):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def wait_port(port, process, log, seconds=60):
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.005)
    with open(log, encoding="utf-8", errors="replace") as f:
        words = f.read()[-400:].strip()
    raise Failed(f"{os.path.basename(process.args[0])} does not listen (exit code {process.poll()}): {words}")


def stop(process, seconds=5):
    """SIGTERM, then SIGKILL, to a process that this run started and to all of its session."""
    if process is None:
        return
    end = time.monotonic() + seconds
    for sig, until in ((signal.SIGTERM, end), (signal.SIGKILL, end + 5)):
        while time.monotonic() < until:
            process.poll()
            alive = [p for p, s in tree(process.pid).items() if s["state"] != "Z"]
            if not alive:
                break
            for pid in alive:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
    process.poll()
    try:
        while os.waitpid(-process.pid, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
