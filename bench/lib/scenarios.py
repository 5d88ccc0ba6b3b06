# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: scenarios against other programs, and scenarios of sallyport against itself."""
MIB = 1 << 20


class Scenario:
    """A load, and the profile (the kind of config) that every subject runs for it."""

    def __init__(self, name, profile, title, **more):
        self.name, self.profile, self.title = name, profile, title
        self.conns, self.streams, self.rate = 16, 32, 0
        self.connections = "kept"       # kept; fresh or resume: a new one for each request; hold: open and idle
        self.path, self.many_paths, self.status, self.length, self.upload = "/", False, 200, 1024, 0
        self.tokens, self.wrong_secret, self.reload = None, False, False
        self.variants = None            # of sallyport only: {label: Variant}, the first is what the others are compared with
        self.once = False               # memory and start-up do not need many rounds
        self.__dict__.update(more)

    @property
    def tls(self):
        return self.profile != "plain_h1"

    def fields(self, env):
        if self.profile != "shield":
            return []
        return [f"{env['SECRET_HEADER'].lower()}: {'wrong-' if self.wrong_secret else ''}{env['SECRET']}", "x-internal-debug: 1"]


class Variant:
    """How sallyport is run: changes of the scenario's profile, config and load."""

    def __init__(self, profile=None, workers=1, conns=None, cidrs=500, routes=200, cpu=None, **env):
        """cpu: the only one for all workers, "own" or "load's"; None: one for each worker."""
        self.profile, self.workers, self.conns, self.cidrs, self.routes, self.cpu, self.env = profile, workers, conns, cidrs, routes, cpu, env


PEERS = [
    Scenario("h1_plain", "plain_h1", "HTTP/1.1 in clear, 1 KiB, 64 connections", conns=64, streams=1),
    Scenario("h2_tls", "tls_h1up", "HTTP/2 over TLS 1.3 to an HTTP/1.1 origin in clear, 1 KiB, 16 x 32"),
    Scenario("h2_tls_paced", "tls_h1up", "h2_tls at 4,000 requests/s, whatever the answers take", rate=4000, streams=1),
    Scenario("h2_tls_mtls_up", "tls_mtls_up", "h2_tls, the origin over mutual TLS"),
    Scenario("h2_up", "tls_h2up", "h2_tls, the origin over HTTP/2 and TLS"),
    Scenario("shield", "shield", "h2_tls with a secret, 500 ranges, 200 routes, four headers changed", many_paths=True),
    Scenario("reject", "shield", "shield with a wrong secret: 403", many_paths=True, wrong_secret=True, status=403, length=None),
    Scenario("jwt", "jwt", "h2_tls with an ES256 token verified each time (200 in turn)", tokens="ES256"),
    Scenario("jwt_rs256", "jwt_rs256", "h2_tls with an RS256 token (2048 bits) verified each time", tokens="RS256"),
    Scenario("big_body", "tls_h1up", "responses of 1 MiB, 8 x 4", conns=8, streams=4, path="/1m", length=MIB),
    Scenario("upload", "upload", "requests of 1 MiB, 8 x 4", conns=8, streams=4, path="/upload", upload=MIB, length=20),
    Scenario("handshake", "tls_h1up", "a new TLS 1.3 connection for each request, 32 at once", connections="fresh", conns=32, streams=1),
    Scenario("resumption", "tls_h1up", "the same with a ticket of the connection before", connections="resume", conns=32, streams=1),
    Scenario("reload", "reload", "h2_tls (16 x 8) while the config changes each second", streams=8, reload=True),
    Scenario("idle_h2", "tls_h1up", "10,000 idle HTTP/2 connections over TLS, one request done on each", connections="hold", conns=10000,
             streams=1, once=True),
    Scenario("idle_h1", "plain_h1", "10,000 idle HTTP/1.1 connections in clear", connections="hold", conns=10000, streams=1, once=True),
]

OWN = [
    Scenario("gates", "shield", "5 ranges and 1 secret; 50,000 and 16", many_paths=True, variants={
        "5 and 1": Variant(cidrs=5, routes=4), "50,000 and 16": Variant(cidrs=50000, routes=4, SECRETS="16")}),
    Scenario("routes", "routes", "10 routes on a host; 10,000", many_paths=True, variants={
        "10": Variant(routes=10), "10,000": Variant(routes=10000)}),
    Scenario("clusters", "tls_h1up", "1 cluster; 1,000, all but one idle", variants={"1": Variant(), "1,000": Variant(IDLE_CLUSTERS="999")}),
    Scenario("scale", "tls_h1up", "one worker; two, with twice the connections; both of these where the other one was", variants={
        "1 worker": Variant(), "2 workers": Variant(workers=2, conns=32), "2 on one CPU": Variant(workers=2, conns=32, cpu="own"),
        "1 on the load's CPU": Variant(cpu="load's")}),
    Scenario("everything", "tls_h1up", "nothing on; an access log to a file, stats fetched each second, one request of a hundred traced", variants={
        "off": Variant(), "on": Variant(EVERYTHING="1")}),
    Scenario("scrape", "tls_h1up", "10,000 hosts in 1,000 clusters, 4,000 requests/s: nobody asks for stats; Prometheus does, each second", rate=4000,
             streams=1, variants={"alone": Variant(IDLE_CLUSTERS="999", IDLE_HOSTS="10", ADMIN="1"),
                                  "scraped": Variant(IDLE_CLUSTERS="999", IDLE_HOSTS="10", ADMIN="1", SCRAPE="1")}),
    Scenario("jwt_cached", "jwt", "without JWT; ES256 tokens (200 in turn), their verdicts cached", tokens="ES256", variants={
        "no JWT": Variant(profile="tls_h1up"), "cached": Variant(JWT_CACHE="1000")}),
    Scenario("start", "routes", "from the start to the first connection: 1 cluster, 10 routes; 1,000 and 10,000", once=True, variants={
        "1 and 10": Variant(routes=10), "1,000 and 10,000": Variant(routes=10000, IDLE_CLUSTERS="999")}),
]

ALL = {s.name: s for s in PEERS + OWN}
