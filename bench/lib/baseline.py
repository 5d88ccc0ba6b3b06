# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/instructions.txt: what each scenario costs, a section for each toolchain, and the comparison with it.

Instructions depend on the architecture, on what valgrind lets the program see of the processor, on the compiler and on the
libraries a request runs through. A section names all of them; figures are compared with the section of the same names.
"""
import platform
import re
import subprocess

GROWTH, FAR = 0.03, 0.25   # against the same toolchain; against another one of the same processor
HEADER = """# SPDX-License-Identifier: GPL-2.0-or-later
# User-space instructions by scenario, counted by bench/instructions (docs/performance.md says how). A section for each toolchain.
# bench/instructions --write renews the section of this machine's toolchain; say in the commit what the change bought.
"""


def output(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        avx2 = " avx2" in f.read()
    return platform.machine() + ("+avx2" if avx2 else "")


def toolchain(binary):
    compiler = re.search(r"(GCC|clang)\D*\(?.*?([0-9]+\.[0-9]+\.[0-9]+)\s*$", output("readelf", "-p", ".comment", binary), re.M)
    wolfssl = re.search(r"wolfssl-([0-9.]+)", output("scripts/deps", "--print-dir"))
    names = [processor(), "valgrind " + output("valgrind", "--version").rpartition("-")[2],
             f"{compiler[1].lower()} {compiler[2]}" if compiler else "compiler ?",
             "glibc " + platform.libc_ver()[1]]
    names += [f"{lib} {output('pkg-config', '--modversion', 'lib' + lib) or '?'}" for lib in ("nghttp2", "uv")]
    return ", ".join(names + ["wolfssl " + (wolfssl[1] if wolfssl else "?")])


def parse(text):
    sections, now = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            now = sections.setdefault(line.strip()[1:-1], {})
        elif line.strip() and not line.startswith("#"):
            name, figure = line.split()[:2]
            now[name] = int(figure)
    return sections


def render(sections, units):
    out = HEADER
    for key in sorted(sections):
        out += f"\n[{key}]\n" + "".join(f"{name:16} {figure:10d}  a {units.get(name, 'request')}\n" for name, figure in sections[key].items())
    return out


def choose(sections, key):
    """The section to compare with, and the growth that is allowed: (name, limit), or (None, 0)."""
    if key in sections:
        return key, GROWTH
    kin = [k for k in sections if k.split(",")[0] == key.split(",")[0]]
    return (kin[-1], FAR) if kin else (None, 0)


def compare(figures, sections, key):
    """Lines to print, and the scenarios that grew too much."""
    name, limit = choose(sections, key)
    lines, grown = [], []
    old = sections.get(name, {})
    for scenario, figure in figures.items():
        if scenario not in old:
            lines.append(f"{scenario:16} {figure:12,.0f}  {'no figure to compare with':>12}")
            if name == key:
                grown.append(scenario)
            continue
        change = figure / old[scenario] - 1
        verdict = ""
        if change > limit:
            grown.append(scenario)
            verdict = f"  GREW by more than {limit:.0%}"
        elif change < -GROWTH:
            verdict = "  fell: hold it with --write"
        lines.append(f"{scenario:16} {figure:12,.0f} {old[scenario]:12,} {change:+8.2%}{verdict}")
    return lines, grown


def self_test():
    """Samples of each verdict; AssertionError if one is wrong."""
    sections = parse(HEADER + "\n[x86_64+avx2, gcc 12]\na 1000 a request\nb 1000\n")
    assert parse(render(sections, {"a": "MiB"})) == sections
    same, kin, other = "x86_64+avx2, gcc 12", "x86_64+avx2, gcc 13", "aarch64, gcc 12"
    assert compare({"a": 1029, "b": 500}, sections, same)[1] == []
    assert compare({"a": 1031, "b": 1000}, sections, same)[1] == ["a"]
    assert compare({"c": 1}, sections, same)[1] == ["c"], "a scenario without a figure must fail"
    assert compare({"a": 1200}, sections, kin)[1] == [] and compare({"a": 1300}, sections, kin)[1] == ["a"]
    assert compare({"a": 9999}, sections, other)[1] == [] and choose(sections, other) == (None, 0)
