# SPDX-License-Identifier: GPL-2.0-or-later
"""sallyport's config for each profile of the benchmark, from a dict of names (bench/lib/material.py; or BENCH_* variables)."""
import json

from material import read

T = "type.googleapis.com/"
TLS = "envoy.extensions.transport_sockets.tls.v3."


def address(text):
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def typed(name, kind, **fields):
    return {"name": name, "typed_config": {"@type": T + kind, **fields}}


def cluster(name, at, http2=False, tls=None):
    c = {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [
        {"lb_endpoints": [{"endpoint": {"address": address(a)}} for a in at.split()]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000}]}}
    if http2:
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        c["typed_extension_protocol_options"] = {kind: {"@type": T + kind, "explicit_http_config": {
            "http2_protocol_options": {"max_concurrent_streams": 256}}}}
    if tls is not None:
        c["transport_socket"] = typed("tls", TLS + "UpstreamTlsContext", **tls)
    return c


def upstream_tls(env, **context):
    san = {"san_type": "DNS", "matcher": {"exact": env["UPSTREAM_SNI"]}}
    return {"sni": env["UPSTREAM_SNI"], "common_tls_context": {
        **context, "validation_context": {"trusted_ca": {"filename": env["CA"]}, "match_typed_subject_alt_names": [san]}}}


def certificate(env, whose):
    return {"certificate_chain": {"filename": env[f"{whose}_CERT"]}, "private_key": {"filename": env[f"{whose}_KEY"]}}


def route(prefix, name):
    return {"match": {"prefix": prefix}, "route": {"cluster": name, "timeout": "0s"}}


def keys(env):
    """Where the tokens' keys are. With ANY_KID they are taken without their names, for tokens that name another one."""
    if not env.get("ANY_KID"):
        return {"filename": env["JWKS"]}
    nameless = [{k: v for k, v in key.items() if k != "kid"} for key in json.loads(read(env["JWKS"]))["keys"]]
    return {"inline_string": json.dumps({"keys": nameless})}


def jwt(env):
    provider = {"issuer": env["JWT_ISS"], "audiences": [env["JWT_AUD"]], "local_jwks": keys(env), "forward": True}
    if env.get("JWT_CACHE"):
        provider["jwt_cache_config"] = {"jwt_cache_size": int(env["JWT_CACHE"])}
    return typed("jwt", "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", providers={"p": provider},
                 rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}])


def gates(env):
    secrets = [env["SECRET"]] + [f"{i:02d}-another-{env['SECRET']}" for i in range(1, int(env.get("SECRETS", 1)))]
    return [typed("ip", "sallyport.filters.http.ip_restriction.v1.IpRestriction", source="SOCKET", allow=read(env["CIDR_FILE"]).split()),
            typed("shield", "sallyport.filters.http.origin_shield.v1.OriginShield", proof={"secret_header": {
                "name": env["SECRET_HEADER"].lower(),
                "secrets": [{"name": f"s{i}", "value": {"inline_string": s}} for i, s in enumerate(reversed(secrets))]}})]


def shield_headers(env):
    add = [env[k].split(":", 1) for k in ("ADD_HEADER_1", "ADD_HEADER_2")]
    return {"request_headers_to_add": [{"header": {"key": k.strip(), "value": v.strip()}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                                       for k, v in add],
            "request_headers_to_remove": [env[k].lower() for k in ("REMOVE_HEADER_1", "REMOVE_HEADER_2")]}


def profile_parts(profile, env):
    """Of one profile: filters, routes, clusters, and what else the route table says."""
    if profile in ("plain_h1", "tls_h1up"):
        return [], [route("/", "u")], [cluster("u", env["UP_PLAIN"])], {}
    if profile in ("jwt", "jwt_rs256"):
        return [jwt(env)], [route("/", "u")], [cluster("u", env["UP_PLAIN"])], {}
    if profile == "reload":
        header = {"header": {"key": "x-config-gen", "value": env["CONFIG_GEN"]}}
        return [], [route("/", "u")], [cluster("u", env["UP_PLAIN"])], {"response_headers_to_add": [header]}
    if profile == "tls_mtls_up":
        return [], [route("/", "u")], [cluster("u", env["UP_MTLS"], tls=upstream_tls(env, tls_certificates=[certificate(env, "CLIENT")]))], {}
    if profile == "tls_h2up":
        return [], [route("/", "u")], [cluster("u", env["UP_H2TLS"], http2=True, tls=upstream_tls(env, alpn_protocols=["h2"]))], {}
    if profile == "upload":
        return [], [route("/", "u")], [cluster("u", env["UP_SINK"])], {}
    if profile in ("shield", "routes"):
        rows = [line.split("\t") for line in read(env["ROUTES_FILE"]).splitlines()]
        origins = {r[1]: r[2] for r in rows}
        filters, table = (gates(env), shield_headers(env)) if profile == "shield" else ([], {})
        return filters, [route(r[0], r[1]) for r in rows], [cluster(n, origins[n]) for n in sorted(origins)], table
    raise ValueError(f"no profile {profile}")


def everything(env, hcm):
    """An access log to a file, and one request of a hundred traced; nobody collects."""
    hcm["access_log"] = [typed("file", "envoy.extensions.access_loggers.file.v3.FileAccessLog", path=env["ACCESS_LOG"])]
    collector = typed("otel", "envoy.config.trace.v3.OpenTelemetryConfig", service_name="bench", http_service={
        "http_uri": {"uri": "http://collector/v1/traces", "cluster": "collector", "timeout": "1s"}})
    hcm["tracing"] = {"random_sampling": {"value": 1}, "spawn_upstream_span": True, "provider": collector}


def build(profile, env):
    filters, routes, clusters, table = profile_parts(profile, env)
    hcm = {"stat_prefix": "bench", "http2_protocol_options": {"max_concurrent_streams": 256},
           "http_filters": filters + [typed("router", "envoy.extensions.filters.http.router.v3.Router")],
           "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}], **table}}
    # clusters that nobody asks: what they cost is what their stats and timers cost
    hosts = " ".join(f"127.0.0.{h + 1}:9" for h in range(int(env.get("IDLE_HOSTS", 1))))
    clusters += [cluster(f"idle{i}", hosts) for i in range(int(env.get("IDLE_CLUSTERS", 0)))]
    config = {}
    if env.get("ACCESS_LOG"):
        everything(env, hcm)
        clusters.append(cluster("collector", "127.0.0.1:9"))
    if env.get("ACCESS_LOG") or env.get("ADMIN"):
        config["admin"] = {"address": address(f"{env['LISTEN_ADDR']}:{env['ADMIN_PORT']}")}
    chain = {"filters": [typed("http", "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", **hcm)]}
    if profile != "plain_h1":
        chain["transport_socket"] = typed("tls", TLS + "DownstreamTlsContext", common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"], "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificates": [certificate(env, "SERVER")]})
    port = env["PLAIN_PORT" if profile == "plain_h1" else "TLS_PORT"]
    listener = {"name": "l", "address": address(f"{env['LISTEN_ADDR']}:{port}"), "filter_chains": [chain]}
    return {**config, "static_resources": {"clusters": clusters, "listeners": [listener]}}
