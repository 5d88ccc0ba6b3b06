# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker's thread that is held in the middle of a turn, by ptrace."""
import contextlib
import ctypes
import os

ATTACH, SYSCALL, DETACH = 16, 24, 17
WRITES = ("20", "44", "46")  # writev, sendto, sendmsg


@contextlib.contextmanager
def held(pid, busy):
    """Until the block ends. `busy` is called once: it gives the worker something to write."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    tid = next(int(t) for t in os.listdir(f"/proc/{pid}/task") if "worker" in open(f"/proc/{pid}/task/{t}/comm", encoding="ascii").read())
    assert libc.ptrace(ATTACH, tid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(tid, 0x40000000)
    for step in range(40):  # from call to call, until it is at one of a turn
        libc.ptrace(SYSCALL, tid, None, None)
        if step == 1:
            busy()
        os.waitpid(tid, 0x40000000)
        with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as f:
            number = f.read().split()[0]
        if step > 2 and number in WRITES:
            break
    try:
        yield
    finally:
        libc.ptrace(DETACH, tid, None, None)
