# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that gets a part of one processor only: by a control group of its own (version 2 or 1) where one can be made, else by stopping
it most of the time."""
import os
import signal
import threading
import time

PERIOD_US = 20000


def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def _version_2(name, part):
    mounts = [line.split()[1] for line in open("/proc/mounts", encoding="ascii", errors="replace") if line.split()[2] == "cgroup2"]
    for mount in mounts:
        path = os.path.join(mount, name)
        os.mkdir(path)
        try:
            _write(os.path.join(path, "cpu.max"), f"{round(part * PERIOD_US)} {PERIOD_US}")
            return path
        except OSError:
            os.rmdir(path)  # its parent does not hand the controller down
    raise OSError("no version 2")


def _version_1(name, part):
    path = os.path.join("/sys/fs/cgroup/cpu", name)
    os.mkdir(path)
    _write(os.path.join(path, "cpu.cfs_period_us"), str(PERIOD_US))
    _write(os.path.join(path, "cpu.cfs_quota_us"), str(round(part * PERIOD_US)))
    return path


class Held:
    """`pid` is held to `part` of a processor until stop(). `how`: "cgroup" or "signals"."""

    def __init__(self, pid, part=0.1):
        self.pid, self.part, self.path, self.running = pid, part, None, True
        for make in (_version_2, _version_1):
            try:
                self.path = make(f"sp-held-{pid}", part)
                _write(os.path.join(self.path, "cgroup.procs"), str(pid))
                break
            except OSError:
                if self.path:
                    os.rmdir(self.path)
                self.path = None
        self.how = "cgroup" if self.path else "signals"
        if not self.path:
            self.thread = threading.Thread(target=self._stop_and_go, daemon=True)
            self.thread.start()

    def used(self):
        """Seconds of processor time."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _stop_and_go(self):
        """It runs until it has used its part of the time that passed, and then stands."""
        began, before, stopped = time.monotonic(), self.used(), False
        while self.running:
            try:
                over = self.used() - before > self.part * (time.monotonic() - began)
                if over != stopped:
                    os.kill(self.pid, signal.SIGSTOP if over else signal.SIGCONT)
                    stopped = over
            except (OSError, IndexError):
                return
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        self.running = False
        if self.path:
            for parent in (os.path.dirname(self.path),):
                try:
                    _write(os.path.join(parent, "cgroup.procs"), str(self.pid))
                except OSError:
                    pass  # it has ended
            for _ in range(200):
                try:
                    os.rmdir(self.path)
                    return
                except OSError:
                    time.sleep(0.02)
        else:
            self.thread.join()
