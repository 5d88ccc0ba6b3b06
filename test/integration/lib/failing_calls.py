# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls that fail in a program under test: a seccomp filter, installed between fork and exec, answers them with an error.

x86-64 Linux; the program is not changed, and nothing else on the machine notices."""
import ctypes
import errno
import platform
import struct

NUMBERS = {"sendto": 44, "epoll_ctl": 233}
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: a 32-bit word, ==, >=, the verdict
ALLOW, FAIL = 0x7fff0000, 0x00050000
NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2


def usable():
    return platform.machine() == "x86_64" and platform.system() == "Linux"


def rule(call, error, *conditions):
    """`conditions`: (number of an argument, "==", ">=" or "<", value), all of which must hold."""
    tests = [(0, "==", NUMBERS[call])] + [(16 + 8 * n, op, value) for n, op, value in conditions]
    out = []
    for i, (offset, op, value) in enumerate(tests):
        rest = 2 * (len(tests) - i - 1) + 1
        out += [(LOAD, 0, 0, offset), (EQUAL if op == "==" else AT_LEAST, *((rest, 0) if op == "<" else (0, rest)), value)]
    return out + [(RETURN, 0, 0, FAIL | getattr(errno, error))]


def install(*rules):
    """For subprocess' preexec_fn."""
    code = [step for r in rules for step in r] + [(RETURN, 0, 0, ALLOW)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)

    def run():
        zero = ctypes.c_ulong(0)
        if libc.prctl(NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(SET_SECCOMP, ctypes.c_ulong(MODE_FILTER), program, zero, zero):
            raise OSError(ctypes.get_errno(), "seccomp")
        assert text
    return run
