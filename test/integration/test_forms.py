# SPDX-License-Identifier: GPL-2.0-or-later
"""Each example in YAML, in JSON, in protobuf's text form and in its binary form (made by protoc): all are the same config, and `validate` shows
the same of each."""
import json
import os
import re
import shutil
import subprocess
import unittest

from forms import Text, as_json, examples
from harness import BIN, ROOT, ca, cert, jwks, work
from protos import Protos

PLACE = re.compile(r"[^\s,:]*\bform\.(?:yaml|json|pb_text|pb)(?::\d+)*(?::\d+)?")


def protoc(how, content):
    desc = os.path.join(os.environ.get("SALLYPORT_BUILD_DIR", os.path.join(ROOT, "build/dev")), "api.desc")
    return subprocess.run(["protoc", f"--descriptor_set_in={desc}", f"--{how}=envoy.config.bootstrap.v3.Bootstrap"], input=content,
                          capture_output=True, check=True).stdout


def fill_in(text):
    """Puts something into each file under /etc/sallyport that the config names; the config with those files' places."""
    chain, key = cert("server")
    for name in set(re.findall(r"/etc/sallyport/([\w./-]+)", text)):
        path = os.path.join(work("etc"), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            if "key" in name or name.endswith((".pem", ".crt")):
                with open(key if "key" in name else ca() if "ca" in name else chain, encoding="ascii") as pem:
                    f.write(pem.read())
            else:
                f.write(jwks() if "jwk" in name else "0123456789abcdef0123456789abcdef\n")
    return text.replace("/etc/sallyport/", work("etc") + "/")


def shown(name, content, folder):
    """What validate says, without the places."""
    path = work(name)
    with open(path, "wb") as f:
        f.write(content)
    done = subprocess.run([BIN, "validate", path], capture_output=True, text=True, timeout=60, cwd=folder)
    text = [PLACE.sub("FORM", line) for line in (done.stdout + done.stderr).splitlines() if ": the config is loaded anew" not in line]
    # A binary form has no places; lines are wrapped by their length and sorted by their places.
    return done.returncode, sorted(re.sub(r"FORM|[,:]", " ", " ".join(text)).split())


@unittest.skipUnless(shutil.which("protoc"), "no protoc here (scripts/packages build)")
class Forms(unittest.TestCase):
    maxDiff = None

    def test_each_example(self):
        text, valid = Text(Protos()), []
        for name, conf in examples():
            conf = json.loads(fill_in(json.dumps(conf)))
            folder = os.path.join(ROOT, "examples", os.path.dirname(name))
            written = text.bootstrap(conf).encode()
            json_form = as_json(conf).encode()
            want = shown("form.yaml", json_form, folder)  # JSON is YAML too
            forms = {"form.json": json_form, "form.pb_text": written, "form.pb": protoc("encode", written)}
            forms["again.form.pb_text"] = protoc("decode", forms["form.pb"])
            valid += [name] if want[0] == 0 else []
            for form, content in forms.items():
                with self.subTest(name, form=form):
                    self.assertEqual(shown(form, content, folder), want)
        self.assertGreater(len(valid), 12, valid)


if __name__ == "__main__":
    unittest.main()
