# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that drive stats and look at what they became.

`drives` and `shows` take a dict whose keys are names as /stats has them, written out in the test: test/lint/stats reads the keys, and asks
for each row of docs/stats.md to be one of them.  *N in a key stands for a number that only the test knows (a port): door.fill.
"""
import contextlib
import re
import time
import unittest

import stats_page
from harness import SLOW, Sallyport, wait_for

PAGE = stats_page.page()
SERIES = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$|^(\w+) (\S+)$", re.M)


def labels_of(stat, name):
    """The labels that a full name has for Prometheus, by the page's pattern."""
    places = re.findall(r"<([^>]*)>", stat.pattern)
    regex, n = "", 0
    for part in re.split(r"(<[^>]*>|[][])", stat.pattern):
        if part.startswith("<"):
            regex += f"(?P<p{n}>{stats_page.SHAPES.get(part[1:-1], '.+?')})"
            n += 1
        else:
            regex += {"[": "(?:", "]": ")?"}.get(part, re.escape(part))
    m = re.fullmatch(regex, name)
    return {stats_page.LABELS[p]: m.group(f"p{i}") for i, p in enumerate(places) if p in stats_page.LABELS and m.group(f"p{i}") is not None}


def metric_of(stat, name):
    """Its name: the page's, with what the other places are in this one."""
    full = name
    for label in labels_of(stat, name).values():
        full = re.sub(r"(?<![^.])" + re.escape(label) + r"(\.|$)", "", full, count=1) if "." + label + "." in "." + full + "." else full
    full = re.sub(r"_rq_\d\d\d$", "_rq", re.sub(r"_rq_\dxx$", "_rq_xx", full))
    return "envoy_" + re.sub(r"[^A-Za-z0-9_]", "_", full)


class Shot:
    """All stats at one time: values, of histograms how many there are."""

    def __init__(self, server):
        text = server.get("/stats")[1]
        self.kinds, self.values, self.histograms = {}, {}, set()
        for name, value in re.findall(r"^(\S+): (.*)$", text, re.M):
            if value.isdigit():
                self.values[name] = int(value)
            else:
                self.histograms.add(name)
        self.series = {}
        prometheus = server.get("/stats/prometheus")[1]
        self.types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", prometheus, re.M))
        for m in SERIES.finditer(prometheus):
            labels = dict(re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', m.group(2) or ""))
            if "le" not in labels:
                self.series[(m.group(1) or m.group(4), frozenset(labels.items()))] = float(m.group(3) or m.group(5))

    def of(self, name):
        stat = stats_page.find(PAGE, name)
        if stat and stat.kind == "histogram":
            return int(self.series.get((metric_of(stat, name) + "_count", frozenset(labels_of(stat, name).items())), 0))
        return self.values.get(name, 0)


class StatsCase(unittest.TestCase):
    maxDiff = None

    def door(self, conf, *args, concurrency=1, make=Sallyport, **more):
        s = make(conf, *args, concurrency=concurrency, **more)
        self.addCleanup(s.kill)
        return s

    def settled(self, server, expected, value):
        """Waits for the values, and a moment more: none may go on growing."""
        seen = {}

        def right():
            shot = Shot(server)
            seen.clear()
            seen.update({k: value(shot, k) for k in expected})
            return all(v(seen[k]) if callable(v) else seen[k] == v for k, v in expected.items())
        try:
            wait_for("the stats", right, 8)
            time.sleep(0.05 * SLOW)
            right()
        except AssertionError:
            pass
        plain = {k: (seen[k] if callable(v) and v(seen[k]) else f"not {seen[k]}") if callable(v) else v for k, v in expected.items()}
        with self.subTest(next(iter(expected))):
            self.assertEqual(seen, plain)

    @contextlib.contextmanager
    def drives(self, server, expected, fill=None):
        """What the block adds to counters and histograms: exact numbers, none of them 0; a function where only it can say."""
        expected = self.filled(server, expected, fill)
        before = Shot(server)
        yield
        self.settled(server, expected, lambda shot, k: shot.of(k) - before.of(k))

    def shows(self, server, expected, fill=None):
        """What gauges are, now or soon."""
        self.settled(server, self.filled(server, expected, fill), lambda shot, k: shot.of(k))

    def filled(self, server, expected, fill):
        out = {}
        for k, v in expected.items():
            self.assertTrue(v != 0 or k in self.zero_is_news, k)
            k = k.replace("*N", str(fill if fill is not None else server.port))
            self.assertIn(stats_page.find(PAGE, k) and stats_page.find(PAGE, k).kind, stats_page.KINDS, k)
            out[k] = v
        return out

    zero_is_news = ()  # gauges that are seen to go down to 0
