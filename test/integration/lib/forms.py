# SPDX-License-Identifier: GPL-2.0-or-later
"""A config in JSON's form as protobuf's text form, by what proto/ declares; examples/ to begin with."""
import base64
import glob
import json
import os
import re

import yaml

from harness import ROOT
from protos import SCALARS, WRAPPERS

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"


class Loader(yaml.SafeLoader):
    """As Envoy reads YAML: floats stay strings unless a field wants them, !ignore keys are dropped."""


Loader.add_constructor("!ignore", lambda loader, node: None)


def read_yaml(path):
    with open(path, encoding="utf-8") as f:
        conf = yaml.load(f, Loader)
    conf.pop(None, None)
    return conf


def examples():
    """(name, config) of each example's bootstraps."""
    for path in sorted(glob.glob(os.path.join(ROOT, "examples/*/*.yaml"))):
        conf = read_yaml(path)
        if isinstance(conf, dict) and "static_resources" in conf:
            yield os.path.relpath(path, os.path.join(ROOT, "examples")), conf


def quoted(data):
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in data) + '"'


def snake(name):
    return re.sub(r"[A-Z]", lambda m: "_" + m.group(0).lower(), name)


class Text:
    def __init__(self, protos):
        self.p = protos

    def scalar(self, kind, v):
        if kind == "string":
            return quoted(str(v).encode())
        if kind == "bytes":
            return quoted(base64.b64decode(v))
        if kind == "bool":
            return "true" if v in (True, "true") else "false"
        if kind in self.p.enums:
            return next((name for name in self.p.enums[kind] if str(v).lower() == name.lower()), str(v))
        return str(v)

    def struct(self, v):
        return "".join(f"fields {{ key: {quoted(k.encode())} value {{ {self.any_value(x)} }} }} " for k, x in v.items())

    def any_value(self, v):
        if v is None:
            return "null_value: NULL_VALUE"
        if isinstance(v, bool):
            return f"bool_value: {str(v).lower()}"
        if isinstance(v, (int, float)):
            return f"number_value: {v}"
        if isinstance(v, dict):
            return f"struct_value {{ {self.struct(v)} }}"
        if isinstance(v, list):
            return "list_value { " + "".join(f"values {{ {self.any_value(x)} }} " for x in v) + "}"
        return f"string_value: {quoted(v.encode())}"

    def message(self, kind, v):
        """The fields of a message, without its braces."""
        if kind in WRAPPERS:
            return f"value: {self.scalar(WRAPPERS[kind], v)} "
        if kind == "google.protobuf.Duration":
            whole, _, part = v.rstrip("s").partition(".")
            return f"seconds: {whole} nanos: {int((part or '0').ljust(9, '0'))} "
        if kind == "google.protobuf.Struct":
            return self.struct(v)
        if kind == "google.protobuf.Any":
            if not v:
                return ""
            name = v["@type"].rpartition("/")[2]
            return f"[{v['@type']}] {{ {self.message(name, {k: x for k, x in v.items() if k != '@type'})} }} "
        out = ""
        for key, x in v.items():
            f = self.p.messages[kind][snake(key)]
            if x is None:
                continue
            if f.is_map:
                for k, y in x.items():
                    inner = self.message(f.type, y) if f.type not in SCALARS else ""
                    value = f"value {{ {inner} }}" if f.type not in SCALARS else f"value: {self.scalar(f.type, y)}"
                    out += f"{f.name} {{ key: {quoted(k.encode())} {value} }}\n"
                continue
            for y in x if isinstance(x, list) and f.repeated else [x]:
                if f.type in SCALARS or f.type in self.p.enums:
                    out += f"{f.name}: {self.scalar(f.type, y)}\n"
                else:
                    out += f"{f.name} {{ {self.message(f.type, y)} }}\n"
        return out

    def bootstrap(self, conf):
        return self.message(BOOTSTRAP, conf)


def as_json(conf):
    return json.dumps(conf, indent=1)
