# SPDX-License-Identifier: GPL-2.0-or-later
"""Short ways to write a config that is wrong in one place, for the cases of test_errors.py."""
import os
import subprocess

from harness import ROUTER, T, address, cluster, cert, ca, jwks, work

ENVOY, OURS = "envoy.extensions.filters.http.", "sallyport.filters.http."
TLS = T + "envoy.extensions.transport_sockets.tls.v3."
CLUSTER = cluster("c", 1)
ISSUER = {"issuer": "https://i.test", "cluster": "c"}
POLICY = {"permissions": [{"any": True}], "principals": [{"any": True}]}
HEADER = {"header": {"key": "x-a", "value": "b"}}


def boot(listeners=(), clusters=(CLUSTER,), **more):
    return {"static_resources": {"listeners": list(listeners), "clusters": list(clusters)}, **more}


def lst(name="l", port=10000, chains=None, **more):
    return {"name": name, "address": address(port), "filter_chains": chains if chains is not None else [chain()], **more}


def chain(tls=None, match=None, before=(), hcm=None, **more):
    c = {"filters": [*before, {"name": "h", "typed_config": hcm or manager()}], **more}
    if tls:
        c["transport_socket"] = tls
    if match:
        c["filter_chain_match"] = match
    return c


def manager(filters=(), routes=None, host=None, table=None, **more):
    return {"@type": T + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "s",
            "http_filters": [*filters, ROUTER], "route_config": {"name": "r", **(table or {}), "virtual_hosts": [
                {"name": "v", "domains": ["*"], "routes": routes if routes is not None else [route()], **(host or {})}]}, **more}


def route(action=None, match=None, **more):
    r = {"match": match or {"prefix": "/"}, **more}
    if not {"redirect", "direct_response"} & set(more):
        r["route"] = {"cluster": "c", **(action or {})}
    return r


def hcm(*filters, tls=None, clusters=(CLUSTER,), top=None, **more):
    """A bootstrap whose one connection manager has these filters and fields."""
    return boot([lst(chains=[chain(tls=tls, hcm=manager(filters, **more))])], clusters, **(top or {}))


def routes(*rs, **more):
    return hcm(routes=list(rs), **more)


def filt(kind, name="f", **fields):
    """An HTTP filter by its type's name: Envoy's after envoy.extensions.filters.http., ours after sallyport.filters.http."""
    return {"name": name, "typed_config": {"@type": T + kind, **fields}}


def envoy(kind, **fields):
    return filt(ENVOY + kind, **fields)


def ours(kind, **fields):
    return filt(OURS + kind, **fields)


def origin_shield(proof=None, **more):
    return ours("origin_shield.v1.OriginShield", proof=proof or {"secret_header": {"secrets": [
        {"name": "s", "value": {"inline_string": "0123456789abcdef0123456789abcdef"}}]}}, **more)


def jwt(rules=None, provider=None, providers=None, **more):
    p = {"p": {"issuer": "https://i.test", "local_jwks": {"inline_string": jwks()}, **(provider or {})}}
    return envoy("jwt_authn.v3.JwtAuthentication", providers=providers or p, rules=rules or [], **more)


def claims(requires, **more):
    return ours("claims_authz.v1.ClaimsAuthz", sources=[{"key": "p"}], requires=requires, **more)


def introspection(**more):
    return ours("token_introspection.v1.TokenIntrospection", **{
        "endpoint": {"uri": "http://i.test/introspect", "cluster": "c", "timeout": "1s"},
        "client_auth": {"basic": {"client_id": "a", "client_secret": {"inline_string": "b"}}}, **more})


def down(common=None, **more):
    chain_file, key = cert("server")
    return {"name": "t", "typed_config": {"@type": TLS + "DownstreamTlsContext", "common_tls_context": {
        "tls_certificates": [{"certificate_chain": {"filename": chain_file}, "private_key": {"filename": key}}], **(common or {})}, **more}}


def late_staple():
    """A certificate with an OCSP response that says not how long it is good."""
    from test_staple import chain_of, response  # pylint: disable=import-outside-toplevel
    return {"certificate_chain": {"filename": chain_of("server")}, "private_key": {"filename": cert("server")[1]},
            "ocsp_staple": {"filename": response("server", days="", file="late-server.ocsp")}}


def up(validation=None, **more):
    return {"name": "t", "typed_config": {"@type": TLS + "UpstreamTlsContext", "common_tls_context": {
        "validation_context": validation if validation is not None else {
            "trusted_ca": {"filename": ca()}, "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a.test"}}]}}, **more}}


def http_options(**fields):
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", **fields}}


def endpoint(**fields):
    return {"cluster_name": "c", "endpoints": [{"lb_endpoints": [{"endpoint": fields}]}]}


def file(name, content):
    with open(work(name), "w", encoding="utf-8") as f:
        f.write(content)
    return work(name)


def extension(kind, **fields):
    return {"bootstrap_extensions": [{"name": "x", "typed_config": {"@type": T + kind, **fields}}]}


def log(**accesslog):
    return {"name": "a", "typed_config": {"@type": T + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"}, **accesslog}


def crl(days=""):
    """A revocation list of the test CA without entries; `days` "-2": one that has expired."""
    name = work(f"crl{days}.pem")
    if not os.path.exists(name):
        file("crl.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={work('crl.index')}\ndefault_md=sha256\ndefault_crl_days=30\n")
        file("crl.index", "")
        when = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"] if days else []
        subprocess.run(["openssl", "ca", "-gencrl", "-config", work("crl.cnf"), "-cert", ca(), "-keyfile", work("ca.key"), *when, "-out", name],
                       check=True, capture_output=True)
    return name


def weak():
    """A certificate and its key, of a curve that nobody should use."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1", "-nodes", "-subj", "/CN=weak", "-days", "9",
                    "-keyout", work("weak.key"), "-out", work("weak.pem")], check=True, capture_output=True)
    with open(work("weak.pem"), encoding="ascii") as c, open(work("weak.key"), encoding="ascii") as k:
        return c.read(), k.read()
