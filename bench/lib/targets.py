# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be reached (issue 6), worked out from the rounds. Every function gives (value, met) or None where something is missing."""
import statistics

US = "sallyport"
BY_BEST = "CPU by the best peer's"


def rounds_of(results, scenario, subject):
    """The rounds that gave numbers, by their number: {round: figures}."""
    return {i: r for i, r in enumerate(results.get(scenario, {}).get(subject, [])) if r and "error" not in r}


def figure(results, scenario, subject, key):
    found = [r[key] for r in rounds_of(results, scenario, subject).values() if r.get(key) is not None]
    return statistics.median(found) if found else None


def ratio(results, scenario, key, subject=US, others=None):
    """The median over rounds of the subject's figure by the least of the others' in the same round."""
    rows = {name: rounds_of(results, scenario, name) for name in results.get(scenario, {}) if name != subject and (not others or name in others)}
    ratios = []
    for i, r in rounds_of(results, scenario, subject).items():
        peers = [x[i][key] for x in rows.values() if i in x and x[i].get(key)]
        if peers and r.get(key) is not None:
            ratios.append(r[key] / min(peers))
    return statistics.median(ratios) if ratios else None


class Target:
    def __init__(self, scenario, text, limit, value, form="{:.2f}", stretch=None):
        self.scenario, self.text, self.limit, self.value, self.form, self.stretch = scenario, text, limit, value, form, stretch

    def judge(self, results):
        """(value, met) or None."""
        value = self.value(results)
        return None if value is None else (value, value <= self.limit)

    def words(self, results):
        verdict = self.judge(results)
        limit = f"<= {self.form.format(self.limit)}"
        if verdict is None:
            return f"{self.text}: not measured ({limit})"
        met = "met" if verdict[1] else "NOT met"
        if verdict[1] and self.stretch is not None:
            met += f", stretch {self.form.format(self.stretch)} {'met' if verdict[0] <= self.stretch else 'not met'}"
        return f"{self.text}: {self.form.format(verdict[0])} ({limit}) {met}"


def best_peer(scenario, limit, key="cpu_us", text=BY_BEST, **more):
    return Target(scenario, text, limit, lambda r: ratio(r, scenario, key), **more)


def variant(scenario, label, base, limit, text):
    return Target(scenario, text, limit, lambda r: ratio(r, scenario, "cpu_us", label, [base]))


def share(top, bottom, key="cpu_us"):
    """Of two scenarios of sallyport's."""
    def value(results):
        a, b = figure(results, top, US, key), figure(results, bottom, US, key)
        return a / b if a is not None and b else None
    return value


def above_plain(results, scenario, check):
    """What a verified token costs above the same request without, by 1.1 signature checks + 3 us."""
    with_token, plain, one = figure(results, scenario, US, "cpu_us"), figure(results, "h2_tls", US, "cpu_us"), results.get("signature", {}).get(check)
    return (with_token - plain) / (1.1 * one + 3) if None not in (with_token, plain, one) else None


def megabytes(results, scenario):
    most = figure(results, scenario, US, "most")
    return most / 1e6 if most is not None else None


def two_by_either(results):
    """Two workers by what one costs on the CPU of the one and on that of the other, where one of these is the load's as well."""
    two, own, loads = (figure(results, "scale", label, "cpu_us") for label in ("2 workers", "1 worker", "1 on the load's CPU"))
    return two / ((own + loads) / 2) if None not in (two, own, loads) else None


TARGETS = [
    best_peer("h1_plain", 0.95),
    Target("h1_plain", "user time by nginx's", 1.0, lambda r: ratio(r, "h1_plain", "user_us", US, ["nginx"])),
    best_peer("h2_tls", 0.90, stretch=0.80),
    best_peer("h2_tls_paced", 1.0, "p99_us", "99th percentile by the best peer's"),
    best_peer("h2_tls_mtls_up", 0.90, stretch=0.80),
    best_peer("h2_up", 0.90, stretch=0.80),
    best_peer("shield", 0.90, stretch=0.80),
    best_peer("reject", 1.0),
    Target("reject", "CPU by a served request's", 0.3, share("reject", "shield")),
    best_peer("jwt", 0.65),
    Target("jwt", "above h2_tls, by 1.1 signature checks + 3 us", 1.0, lambda r: above_plain(r, "jwt", "ES256")),
    best_peer("jwt_rs256", 0.65),
    Target("jwt_rs256", "above h2_tls, by 1.1 signature checks + 3 us", 1.0, lambda r: above_plain(r, "jwt_rs256", "RS256")),
    best_peer("big_body", 0.90),
    Target("big_body", "MB at most, with 32 bodies of 1 MiB on their way", 26, lambda r: megabytes(r, "big_body"), "{:.1f}"),
    best_peer("upload", 0.90),
    Target("upload", "MB at most, with 32 bodies of 1 MiB on their way", 26, lambda r: megabytes(r, "upload"), "{:.1f}"),
    best_peer("handshake", 0.50),
    Target("resumption", "CPU by our full handshake's", 0.50, share("resumption", "handshake")),
    best_peer("reload", 0.90),
    Target("reload", "requests that failed", 0, lambda r: figure(r, "reload", US, "failed"), "{:.0f}"),
    Target("idle_h2", "bytes a connection", 20872, lambda r: figure(r, "idle_h2", US, "bytes_per_conn"), "{:,.0f}", 14336),
    Target("idle_h2", "memory after they closed, by before", 1.10, lambda r: figure(r, "idle_h2", US, "after_ratio")),
    Target("idle_h1", "bytes a connection", 1024, lambda r: figure(r, "idle_h1", US, "bytes_per_conn"), "{:,.0f}", 587),
    Target("idle_h1", "memory after they closed, by before", 1.10, lambda r: figure(r, "idle_h1", US, "after_ratio")),
    variant("gates", "50,000 and 16", "5 and 1", 1.03, "CPU by that of few (3 % for the noise)"),
    variant("routes", "10,000", "10", 1.2, "CPU by that of ten"),
    variant("clusters", "1,000", "1", 1.03, "CPU by that of one (3 % for the noise)"),
    variant("scale", "2 workers", "1 worker", 1.08, "CPU by that of one worker"),
    variant("scale", "2 on one CPU", "1 worker", 1.08, "CPU of two on one CPU by that of one worker there"),
    Target("scale", "CPU by that of one worker on either CPU", 1.08, two_by_either),
    variant("everything", "on", "off", 1.10, "CPU by that of everything off"),
    Target("scrape", "ms until all of /stats/prometheus was there", 200,
           lambda r: (lambda s: s and s * 1000)(figure(r, "scrape", "scraped", "scrape_s")), "{:.0f}"),
    Target("scrape", "99th percentile by that without", 1.5, lambda r: ratio(r, "scrape", "p99_us", "scraped", ["alone"])),
    variant("jwt_cached", "cached", "no JWT", 1.1, "CPU by that without JWT"),
    Target("start", "seconds", 1.0, lambda r: figure(r, "start", "1,000 and 10,000", "start_s")),
]


def of(scenario):
    return [t for t in TARGETS if t.scenario == scenario]


def self_test():
    """Rounds that are known; AssertionError if a verdict is wrong."""
    peers = {"sallyport": [{"cpu_us": 9.0}, {"cpu_us": 18.0}, {"cpu_us": 8.9}],
             "nginx": [{"cpu_us": 10.0}, {"cpu_us": 20.0}, {"error": "x"}], "haproxy": [{"cpu_us": 11.0}, {"cpu_us": 19.0}, {"cpu_us": 10.0}]}
    results = {"h2_tls": peers, "shield": {"sallyport": [{"cpu_us": 10.0}]}, "reject": {"sallyport": [{"cpu_us": 3.5}]},
               "jwt": {"sallyport": [{"cpu_us": 64.0}]}, "signature": {"ES256": 50.0},
               "routes": {"10": [{"cpu_us": 10.0}], "10,000": [{"cpu_us": 11.9}]},
               "scale": {"1 worker": [{"cpu_us": 10.0}], "2 workers": [{"cpu_us": 12.0}], "1 on the load's CPU": [{"cpu_us": 14.0}]}}
    assert ratio(results, "h2_tls", "cpu_us") == 0.9, "each round by the best of the same round: 0.9, 18/19, 0.89"
    judged = {(t.scenario, t.text): t.judge(results) for t in TARGETS}
    assert judged["h2_tls", "CPU by the best peer's"][1] is True
    assert judged["reject", "CPU by a served request's"] == (0.35, False)
    assert judged["routes", "CPU by that of ten"][1] is True and judged["gates", "CPU by that of few (3 % for the noise)"] is None
    assert judged["scale", "CPU by that of one worker"] == (1.2, False) and judged["scale", "CPU by that of one worker on either CPU"] == (1.0, True)
    above = judged["jwt", "above h2_tls, by 1.1 signature checks + 3 us"]
    assert above and abs(above[0] - 55 / 58) < 1e-9 and above[1]
    results["h2_tls"]["sallyport"][0]["cpu_us"] = results["h2_tls"]["sallyport"][1]["cpu_us"] = 20.0
    assert judge_one(results, "h2_tls")[1] is False


def judge_one(results, scenario):
    return of(scenario)[0].judge(results)
