# SPDX-License-Identifier: GPL-2.0-or-later
"""What one signature check costs: the floor of a verified token."""
import json
import os
import statistics
import subprocess

import load
import material
import procs

RUNS = 5


def cost(into, goods):
    """CPU us of one check, {"ES256": us, "RS256": us}: the median of a few runs on the subject's CPU."""
    root = os.path.dirname(load.HERE)
    wolfssl = subprocess.run([os.path.join(root, "scripts/deps"), "--print-dir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    program = load.compile_one("verify", ["verify.c"], into, ["-I", f"{wolfssl}/include", "-include", "wolfssl/options.h"],
                               [f"{wolfssl}/lib/libwolfssl.a", "-lm", "-lpthread"])
    key = goods.path("RS256.der")
    material.openssl("rsa", "-in", goods.path("RS256.key"), "-outform", "DER", "-out", key)
    results = []
    for _ in range(RUNS):
        process = procs.start([program, key], {procs.SUBJECT_CPU}, subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        out, words = process.communicate(timeout=60)
        if process.returncode:
            raise procs.Failed(f"verify: {words[-200:]}")
        results.append(json.loads(out))
    return {alg: statistics.median(r[alg] for r in results) for alg in results[0]}
