# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of gates, filters and listener filters (docs/stats.md), each to an exact value."""
import os
import socket
import time

from authz import Authz
from echo import Echo
from harness import SECRET, T, cluster, config, curl, free_port, good_token, ip_restriction, jwt_filter, jwks, listener, nginx_plain, raw, route_to, shield, token, work
from jwks_server import JwksServer
from scripted import Scripted
from stats_case import StatsCase
from test_lists import write
from test_staged import Inactive, rbac, staged
from test_stats_all_front import BASE, GET, door_of, port_of, talk
import proxied

EVERY = {"default_value": {"numerator": 100}}
ALL = {"filter_enabled": EVERY, "filter_enforced": EVERY}
FILTERS = BASE + "filters.http."
OURS = T + "sallyport.filters.http."
some = lambda n: n > 0


def envoy(kind, **fields):
    return {"name": kind.split(".")[0], "typed_config": {"@type": FILTERS + kind, **fields}}


def ours(kind, **fields):
    return {"name": kind.split(".")[0], "typed_config": {"@type": OURS + kind, **fields}}


class Case(StatsCase):
    def behind(self, *filters, clusters=(), routes=None, hcm=None, origin=None, **more):
        o = origin or Echo()
        self.addCleanup(o.stop)
        l = door_of("plain", routes or [route_to("o")], hcm=hcm, **more)
        manager = l["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"][:0] = filters
        return self.door(config([l], [cluster("o", o.port), *clusters]))

    def ask(self, s, path="/", *args):
        return curl(f"http://127.0.0.1:{s.port}{path}", *args).status

    def with_headers(self, s, *lines, path="/", args=()):
        return self.ask(s, path, *(x for line in lines for x in ("-H", line)), *args)


class Callers(Case):
    def test_keys_and_passwords(self):
        users = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
        s = self.behind(envoy("basic_auth.v3.BasicAuth", users={"inline_string": users}))
        with self.drives(s, {"http.plain.basic_auth.allowed": 1, "http.plain.basic_auth.denied": 2}):
            self.ask(s, "/", "-u", "alice:password")
            self.ask(s, "/", "-u", "alice:wrong")
            self.ask(s)
        keys = [{"client": "one", "key": "key-one"}, {"client": "two", "key": "key-two"}]
        only = dict(route_to("o"), typed_per_filter_config={"api_key_auth": {"@type": FILTERS + "api_key_auth.v3.ApiKeyAuthPerRoute", "allowed_clients": ["one"]}})
        s = self.behind(envoy("api_key_auth.v3.ApiKeyAuth", credentials=keys, key_sources=[{"header": "x-key"}]), routes=[only])
        with self.drives(s, {"http.plain.api_key_auth.allowed": 1, "http.plain.api_key_auth.forbidden": 1, "http.plain.api_key_auth.unauthorized": 1}):
            for key in ("key-one", "key-two", "none"):
                self.with_headers(s, "x-key: " + key)

    def test_tokens(self):
        issuer = JwksServer()
        self.addCleanup(issuer.stop)
        remote = {"local_jwks": None, "remote_jwks": {"http_uri": {"uri": f"http://127.0.0.1:{issuer.port}/jwks", "cluster": "issuer", "timeout": "1s"},
                                                      "async_fetch": {"fast_listener": True, "failed_refetch_duration": "0.3s"}}}
        issuer.keys("jwt")
        jwt = jwt_filter(**remote, payload_in_metadata="c", jwt_cache_config={"jwt_cache_size": 10})
        jwt["typed_config"]["bypass_cors_preflight"] = True
        jwt["typed_config"]["providers"]["test"].pop("local_jwks")
        s = self.behind(jwt, clusters=[cluster("issuer", issuer.port), cluster("nobody", free_port())])
        self.shows(s, {"http.plain.jwt_authn.jwks_fetch_success": some})
        good = "authorization: Bearer " + good_token()
        with self.drives(s, {"http.plain.jwt_authn.allowed": 2, "http.plain.jwt_authn.denied": 1, "http.plain.jwt_authn.jwt_cache_miss": 1,
                             "http.plain.jwt_authn.jwt_cache_hit": 1}):
            self.with_headers(s, good)
            self.with_headers(s, good)
            self.ask(s)
        with self.drives(s, {"http.plain.jwt_authn.cors_preflight_bypassed": 1}):
            self.with_headers(s, "origin: https://a.test", "access-control-request-method: GET", args=("-X", "OPTIONS"))
        failing = jwt_filter(**remote)
        failing["typed_config"]["providers"]["test"].pop("local_jwks")
        failing["typed_config"]["providers"]["test"]["remote_jwks"]["http_uri"]["cluster"] = "nobody"
        s = self.behind(failing, clusters=[cluster("nobody", free_port())])
        self.shows(s, {"http.plain.jwt_authn.jwks_fetch_failed": some})

    def test_claims(self):
        claims = ours("claims_authz.v1.ClaimsAuthz", sources=[{"key": "c"}], requires={"scopes": {"all_of": ["read"]}})
        jwt = jwt_filter(payload_in_metadata="c")
        jwt["typed_config"]["rules"][0]["requires"] = {"requires_any": {"requirements": [{"provider_name": "test"}, {"allow_missing": {}}]}}
        s = self.behind(jwt, claims)
        with self.drives(s, {"http.plain.claims_authz.allowed": 1, "http.plain.claims_authz.denied": 1, "http.plain.claims_authz.unauthenticated": 1}):
            self.with_headers(s, "authorization: Bearer " + good_token(scope="read"))
            self.with_headers(s, "authorization: Bearer " + good_token(scope="write"))
            self.ask(s)

    def test_services_that_decide(self):
        service = Authz()
        self.addCleanup(service.stop)
        check = lambda **more: envoy("ext_authz.v3.ExtAuthz", http_service={"server_uri": {
            "uri": f"http://127.0.0.1:{service.port}", "cluster": "authz", "timeout": "1s"}}, **more)
        to = cluster("authz", service.port)
        s = self.behind(check(stat_prefix="x"), clusters=[to])
        with self.drives(s, {"http.plain.ext_authz.x.ok": 1, "http.plain.ext_authz.x.denied": 1, "cluster.authz.internal.upstream_rq_403": 1}):
            self.ask(s, "/other")
            self.ask(s, "/deny")
        s = self.behind(check(failure_mode_allow=True), clusters=[cluster("authz", free_port())])
        with self.drives(s, {"http.plain.ext_authz.error": 1, "http.plain.ext_authz.failure_mode_allowed": 1}):
            self.ask(s)
        s = self.behind(check(filter_enabled={"default_value": {"numerator": 0}}), clusters=[to])
        with self.drives(s, {"http.plain.ext_authz.disabled": 1}):
            self.ask(s)

    def test_policies(self):
        ok = lambda name: [{"header": {"name": name, "present_match": True}}]
        rules = lambda name: {"policies": {"p": {"permissions": [{"any": True}], "principals": ok(name)}}}
        s = self.behind(rbac(rules=rules("x-ok"), shadow_rules=rules("x-soon"), track_per_rule_stats=True))
        with self.drives(s, {"http.plain.rbac.allowed": 1, "http.plain.rbac.denied": 1, "http.plain.rbac.shadow_allowed": 1, "http.plain.rbac.shadow_denied": 1,
                             "http.plain.rbac.policy.p.allowed": 1, "http.plain.rbac.policy.p.shadow_allowed": 1}):
            self.with_headers(s, "x-ok: 1", "x-soon: 1")
            self.ask(s)
        deny = dict(rules("x-bad"), action="DENY")
        s = self.behind(rbac(rules=deny, shadow_rules=deny, track_per_rule_stats=True))
        with self.drives(s, {"http.plain.rbac.policy.p.denied": 1, "http.plain.rbac.policy.p.shadow_denied": 1}):
            self.with_headers(s, "x-bad: 1")


class Gates(Case):
    def test_shield(self):
        os.makedirs(work("."), exist_ok=True)
        with open(work("proof"), "w", encoding="ascii") as f:
            f.write(SECRET + "\n")
        secrets = {"secret_header": {"secrets": [{"name": "now", "value": {"filename": work("proof")}}]}}
        gate = shield(proof=secrets, client_address={"header": "x-client"})
        s = self.behind(gate)
        proof = "x-origin-verify: " + SECRET
        with self.drives(s, {"http.plain.origin_shield.allowed": 1, "http.plain.origin_shield.secret.now.hit": 1, "http.plain.origin_shield.refused": 1}):
            self.with_headers(s, proof, "x-client: 192.0.2.1")
            self.ask(s)
        with self.drives(s, {"http.plain.origin_shield.client_address_failed": 1}):
            self.with_headers(s, proof, "x-client: nonsense")
        self.shows(s, {"http.plain.origin_shield.secret.now.last_used": lambda n: abs(n - time.time()) < 100})
        with self.drives(s, {"http.plain.origin_shield.secret.now.reload_ok": 1, "files.reload_ok": 1}):
            write("proof", SECRET.upper() + "\n")
        with self.drives(s, {"http.plain.origin_shield.secret.now.reload_refused": 1, "files.reload_refused": 1}):
            write("proof", "\n")
        self.shows(s, {"files.failing": 1})
        s = self.behind(shield(enforcement="SHADOW"))
        with self.drives(s, {"http.plain.origin_shield.shadow_refused": 1}):
            self.ask(s)

    def test_lists(self):
        # A file for each: lists are read one after the other, and the config that is read again meanwhile would bring the last one along.
        lists = [[{"name": "l", "path": write(f"stats-list-{i}", "192.0.2.1\n192.0.2.2\n")}] for i in range(3)]
        gate = {"name": "gate", "typed_config": {"@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction", "source": "SOCKET", "deny": ["127.0.0.9"], "deny_lists": lists[0]}}
        s = self.behind(shield(proof={"peer_address": {"cidrs": ["192.0.2.9"], "lists": lists[1]}}, enforcement="SHADOW"),
                        ip_restriction(deny=["127.0.0.8"], deny_lists=lists[2]),
                        listener_filters=[dict(gate, typed_config={**gate["typed_config"]})])
        with self.drives(s, {"http.plain.ip_restriction.allowed": 1, "http.plain.ip_restriction.denied": 1, "listener.plain.ip_restriction.allowed": 2,
                             "listener.plain.ip_restriction.denied": 1}):
            for source in ("127.0.0.1", "127.0.0.8", "127.0.0.9"):
                self.ask(s, "/", "--interface", source)
        self.shows(s, {"http.plain.ip_restriction.list.l.entries": 2, "listener.plain.ip_restriction.list.l.entries": 2, "http.plain.origin_shield.list.l.entries": 2})
        for i, counter in enumerate(({"listener.plain.ip_restriction.list.l.reload_ok": 1}, {"http.plain.origin_shield.list.l.reload_ok": 1},
                                     {"http.plain.ip_restriction.list.l.reload_ok": 1})):
            with self.drives(s, counter):
                write(f"stats-list-{i}", "192.0.2.1\n")
        for i, counter in enumerate(({"listener.plain.ip_restriction.list.l.reload_refused": 1}, {"http.plain.origin_shield.list.l.reload_refused": 1},
                                     {"http.plain.ip_restriction.list.l.reload_refused": 1})):
            with self.drives(s, counter):
                write(f"stats-list-{i}", "nonsense\n")
        time.sleep(1.1)
        self.shows(s, {"http.plain.ip_restriction.list.l.age_seconds": lambda n: 0 < n < 100, "listener.plain.ip_restriction.list.l.age_seconds": lambda n: 0 < n < 100,
                       "http.plain.origin_shield.list.l.age_seconds": lambda n: 0 < n < 100})

    def test_on_trial(self):
        gate = {"name": "gate", "typed_config": {"@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction", "source": "SOCKET", "deny": ["127.0.0.9"], "enforcement": "SHADOW"}}
        s = self.behind(ip_restriction(deny=["127.0.0.9"], enforcement="SHADOW"), staged(rbac(rules={"policies": {}}), enforcement="SHADOW"), listener_filters=[gate])
        with self.drives(s, {"http.plain.ip_restriction.shadow_denied": 1, "listener.plain.ip_restriction.shadow_denied": 1, "http.plain.rbac.shadow_refused": 1}):
            self.ask(s, "/", "--interface", "127.0.0.9")


class Requests(Case):
    def test_origins_of_browsers(self):
        policy = {"allow_origin_string_match": [{"exact": "https://a.test"}], "allow_methods": "GET"}
        routes = [dict(route_to("o"), typed_per_filter_config={"cors": {"@type": FILTERS + "cors.v3.CorsPolicy", **policy}})]
        s = self.behind(envoy("cors.v3.Cors"), envoy("csrf.v3.CsrfPolicy", filter_enabled=EVERY), routes=routes)
        with self.drives(s, {"http.plain.cors.origin_valid": 1, "http.plain.cors.origin_invalid": 1}):
            self.with_headers(s, "origin: https://a.test")
            self.with_headers(s, "origin: https://b.test")
        with self.drives(s, {"http.plain.csrf.request_valid": 1, "http.plain.csrf.request_invalid": 1, "http.plain.csrf.missing_source_origin": 1}):
            post = ("-d", "x")
            self.with_headers(s, "host: a.test", "origin: http://a.test", args=post)
            self.with_headers(s, "host: a.test", "origin: http://c.test", args=post)
            self.with_headers(s, "host: a.test", args=post)

    def test_compression(self):
        origin = nginx_plain()
        self.addCleanup(origin.kill)
        origin.stop = origin.kill
        origin.page("big.txt", "x" * 5000)
        origin.page("small.txt", "x")
        library = {"name": "lib", "typed_config": {"@type": BASE + "compression.gzip.compressor.v3.Gzip"}}
        s = self.behind(envoy("compressor.v3.Compressor", compressor_library=library, response_direction_config={
            "disable_on_etag_header": False, "common_config": {"min_content_length": 100, "content_type": ["text/plain"]}}), origin=origin)
        with self.drives(s, {"http.plain.compressor.lib.gzip.header_compressor_used": 1, "http.plain.compressor.lib.gzip.header_identity": 1,
                             "http.plain.compressor.lib.gzip.header_wildcard": 1, "http.plain.compressor.lib.gzip.header_not_valid": 1,
                             "http.plain.compressor.lib.gzip.no_accept_header": 1, "http.plain.compressor.lib.gzip.response.compressed": 2,
                             "http.plain.compressor.lib.gzip.response.not_compressed": 4, "http.plain.compressor.lib.gzip.response.content_length_too_small": 1,
                             "http.plain.compressor.lib.gzip.response.total_uncompressed_bytes": 10000,
                             "http.plain.compressor.lib.gzip.response.total_compressed_bytes": lambda n: 0 < n < 500}):
            for encoding in ("gzip", "identity", "*", "br;q=0.5, zz"):
                self.with_headers(s, "accept-encoding: " + encoding, path="/big.txt")
            self.ask(s, "/big.txt")
            self.with_headers(s, "accept-encoding: gzip", path="/small.txt")
        s = self.behind(envoy("compressor.v3.Compressor", compressor_library=library, response_direction_config={"disable_on_etag_header": True}), origin=origin)
        with self.drives(s, {"http.plain.compressor.lib.gzip.not_compressed_etag": 1}):
            self.with_headers(s, "accept-encoding: gzip", path="/big.txt")

    def test_what_is_added(self):
        generic = {"name": "c", "typed_config": {"@type": BASE + "http.injected_credentials.generic.v3.Generic", "credential": {"name": "secret"}}}
        s = self.behind(envoy("ip_tagging.v3.IPTagging", request_type="BOTH", ip_tags=[{"ip_tag_name": "lo", "ip_list": [{"address_prefix": "127.0.0.1", "prefix_len": 32}]}]),
                        envoy("set_metadata.v3.Config", metadata=[{"metadata_namespace": "n", "value": {"a": 1}}, {"metadata_namespace": "n", "value": {"a": 2}}]))
        with self.drives(s, {"http.plain.ip_tagging.lo.hit": 1, "http.plain.ip_tagging.no_hit": 1, "http.plain.ip_tagging.total": 2, "http.plain.set_metadata.overwrite_denied": 2}):
            self.ask(s)
            self.ask(s, "/", "--interface", "127.0.0.2")
        injector = envoy("credential_injector.v3.CredentialInjector", credential=generic, overwrite=False)
        o = Echo()
        self.addCleanup(o.stop)
        l = door_of("plain", [route_to("o")])
        l["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = [injector]
        conf = config([l], [cluster("o", o.port)])
        conf["static_resources"]["secrets"] = [{"name": "secret", "generic_secret": {"secret": {"inline_string": "Bearer x"}}}]
        s = self.door(conf)
        with self.drives(s, {"http.plain.credential_injector.injected": 1, "http.plain.credential_injector.already_exists": 1}):
            self.ask(s)
            self.with_headers(s, "authorization: mine")

    def test_buckets(self):
        limit = {"stat_prefix": "limit", "token_bucket": {"max_tokens": 1, "fill_interval": "600s"}}
        s = self.behind(envoy("local_ratelimit.v3.LocalRateLimit", **limit, **ALL))
        with self.drives(s, {"limit.http_local_rate_limit.enabled": 2, "limit.http_local_rate_limit.ok": 1, "limit.http_local_rate_limit.rate_limited": 1,
                             "limit.http_local_rate_limit.enforced": 1}):
            self.ask(s)
            self.ask(s)


class Listeners(Case):
    def test_proxy_protocol(self):
        proxy = lambda **more: {"name": "p", "typed_config": {"@type": BASE + "filters.listener.proxy_protocol.v3.ProxyProtocol", **more}}
        s = self.behind(listener_filters=[proxy(stat_prefix="p", allow_requests_without_proxy_protocol=True, disallowed_versions=["V1"])])
        with self.drives(s, {"proxy_proto.p.not_found_allowed": 1, "proxy_proto.p.versions.v2.found": 1, "proxy_proto.p.versions.v1.disallowed": 1}):
            talk(s.port, GET % b"/direct")
            talk(s.port, proxied.v2("192.0.2.7") + (GET % b"/direct"))
            talk(s.port, proxied.v1("192.0.2.7") + (GET % b"/direct"))
        s = self.behind(listener_filters=[proxy()])
        with self.drives(s, {"proxy_proto.not_found_disallowed": 1}):
            talk(s.port, GET % b"/direct")
        with self.drives(s, {"proxy_proto.versions.v1.error": 1, "downstream_cx_proxy_proto_error": some}):
            talk(s.port, b"PROXY TCP4 nonsense\r\n")

    def test_limits(self):
        limit = {"name": "limit", "typed_config": {"@type": BASE + "filters.network.connection_limit.v3.ConnectionLimit", "stat_prefix": "l", "max_connections": 1}}
        rate = {"name": "r", "typed_config": {"@type": BASE + "filters.listener.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "new",
                                              "token_bucket": {"max_tokens": 2, "fill_interval": "600s"}}}
        l = door_of("plain", listener_filters=[rate])
        l["filter_chains"][0]["filters"].insert(0, limit)
        s = self.door(config([l], []))
        held = socket.create_connection(("127.0.0.1", s.port))
        held.sendall(GET % b"/direct")
        held.recv(4096)
        self.shows(s, {"connection_limit.l.active_connections": 1})
        with self.drives(s, {"connection_limit.l.limited_connections": 1}):
            talk(s.port, GET % b"/direct")
        with self.drives(s, {"listener_local_ratelimit.new.rate_limited": 1}):
            talk(s.port, GET % b"/direct")
        held.close()
