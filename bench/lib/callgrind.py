# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads callgrind's output: the sum, and what each function costs by itself (the file's format: valgrind's manual, "Callgrind format")."""
import os
import re

NAME = re.compile(r"^(c?fn|c?ob)=\((\d+)\)(?: (.*))?$")


def summary(text):
    found = re.search(r"^summary: (\d+)", text, re.M)
    return int(found[1]) if found else 0


def functions(text):
    """{function: instructions of its own}; a called function's cost, on the line after calls=, is not the caller's own."""
    names, own, now, skip, where = {}, {}, None, False, ""
    for line in text.splitlines():
        found = NAME.match(line)
        if found:
            kind, number, name = found.groups()
            space = kind[-2:]  # a number may be given its name where it is called
            if name:
                names[space, number] = name
            if kind == "ob":
                where = os.path.basename(names[space, number])
            elif kind == "fn":
                now = names[space, number]
                now = f"{now} ({where})" if now.startswith("0x") else now
        elif line.startswith("calls="):
            skip = True
        elif now and re.match(r"^[+\-*\d]", line):
            if not skip:
                own[now] = own.get(now, 0) + int(line.split()[1])
            skip = False
    return own


def table(text, units, share=0.9):
    """The functions that make up `share` of the cost, the dearest first, by unit."""
    total, so_far, lines = summary(text), 0, []
    for name, cost in sorted(functions(text).items(), key=lambda item: -item[1]):
        if so_far > share * total:
            break
        so_far += cost
        lines.append(f"{cost / units:12,.0f} {cost / total:7.2%}  {name}")
    return "\n".join(lines)


def self_test():
    """Names that are first told with a call, compressed ones, and costs of calls that are not the caller's own."""
    text = ("summary: 100\nob=(1) /bin/x\nfn=(1) main\n10 5\ncob=(2) /lib/libc.so\ncfn=(2) 0x12f0\ncalls=1 0\n+1 60\n* 5\n"
            "ob=(2)\nfn=(2)\n-3 50\nob=(1)\nfn=(3) rest\n1 40\n")
    assert functions(text) == {"main": 10, "0x12f0 (libc.so)": 50, "rest": 40}
    assert table(text, 10, 0.4).split() == ["5", "50.00%", "0x12f0", "(libc.so)"]
