# SPDX-License-Identifier: GPL-2.0-or-later
"""Configs of the peers. Each function gives (text, command) for a profile, or (None, why it cannot).

All of them: one worker, kept connections to the origin, no access log, clients that may idle for 900 s, 256 streams a connection.
"""
from material import read, write


def routes(env):
    """[(prefix, cluster, address)] and {cluster: address} of the shield's route table."""
    rows = [line.split("\t") for line in read(env["ROUTES_FILE"]).splitlines()]
    return rows, {r[1]: r[2] for r in rows}


def nginx(profile, env, directory):
    e, http, server = env, "", ""
    location = 'location / { proxy_pass http://u; }'
    upstream = lambda name, at: (f"upstream {name} {{ server {at}; keepalive 1024; keepalive_requests 1000000000; "
                                 "keepalive_timeout 900s; }\n")
    origin = {"tls_mtls_up": e["UP_MTLS"], "upload": e["UP_SINK"]}.get(profile, e["UP_PLAIN"])
    upstreams = upstream("u", origin)
    if profile == "tls_h2up":
        return None, "no HTTP/2 towards origins"
    if profile.startswith("jwt"):
        return None, "no JWT in the open version"
    if profile == "tls_mtls_up":
        location = f"""location / {{ proxy_pass https://u; proxy_ssl_certificate {e['CLIENT_CERT']}; proxy_ssl_certificate_key {e['CLIENT_KEY']};
      proxy_ssl_trusted_certificate {e['CA']}; proxy_ssl_verify on; proxy_ssl_name {e['UPSTREAM_SNI']}; proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3; }}"""
    elif profile == "shield":
        rows, origins = routes(e)
        upstreams = "".join(upstream(f"u_{name}", at) for name, at in origins.items())
        http = ("geo $listed { default 0;\n" + "".join(f"{c} 1;\n" for c in read(e["CIDR_FILE"]).split()) + "}\n" +
                f'map $http_x_origin_verify $proven {{ default 0; "{e["SECRET"]}" 1; }}\n')
        server = """if ($listed = 0) { return 403; } if ($proven = 0) { return 403; }
    proxy_set_header X-Shield-Id bench-shield; proxy_set_header X-Shield-Proto $scheme; proxy_set_header X-Origin-Verify "";
    proxy_set_header X-Internal-Debug ""; proxy_set_header Connection ""; proxy_set_header Host $http_host;
"""
        location = "".join(f"location ^~ {r[0]} {{ proxy_pass http://u_{r[1]}; }}\n" for r in rows) + "location / { return 404; }"
    elif profile == "reload":
        server = f"add_header X-Config-Gen {e['CONFIG_GEN']} always;\n"
    listen = f"listen 127.0.0.1:{e['PLAIN_PORT']} backlog=4096;"
    if profile != "plain_h1":
        listen = f"""listen 127.0.0.1:{e['TLS_PORT']} ssl http2 backlog=4096; ssl_certificate {e['SERVER_CERT']}; ssl_certificate_key {e['SERVER_KEY']};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {e['TLS_CIPHERSUITE']}; ssl_ecdh_curve {e['TLS_GROUPS']}; ssl_session_cache shared:S:4m;"""
    scratch = "".join(f"{kind}_temp_path {directory}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""daemon off; worker_processes 1; user root; pid {directory}/pid; error_log {directory}/error.log error;
worker_rlimit_nofile 19900; worker_shutdown_timeout 10s;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  access_log off; server_tokens off; keepalive_timeout 900; keepalive_requests 1000000000; client_header_timeout 900s;
  client_max_body_size 16m; http2_max_concurrent_streams 256; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host $http_host; proxy_buffer_size 8k; proxy_buffers 16 16k; proxy_busy_buffers_size 32k;
  proxy_max_temp_file_size 0; proxy_request_buffering off; {scratch}
  {http}{upstreams}  server {{
    {listen}
    {server}{location} }}
}}
""", ["nginx", "-p", directory, "-c", f"{directory}/nginx.conf"]


def haproxy_shield(env, directory):
    rows, origins = routes(env)
    table = write(f"{directory}/routes.map", "".join(f"{r[0]} u_{r[1]}\n" for r in rows))
    rules = f"""  http-request deny deny_status 403 unless {{ src -f {env['CIDR_FILE']} }}
  http-request deny deny_status 403 unless {{ req.hdr(x-origin-verify) -m str {env['SECRET']} }}
  http-request del-header x-origin-verify
  http-request del-header x-internal-debug
  http-request set-header x-shield-id bench-shield
  http-request set-header x-shield-proto https
  use_backend %[path,map_beg({table},none)]
"""
    return rules, "".join(f"backend u_{n}\n  server s {at}\n" for n, at in origins.items()) + "backend none\n  http-request return status 404\n"


def haproxy_jwt(env, alg):
    claim = lambda name, *kind: f"  http-request set-var(txn.{name}) var(txn.token),jwt_payload_query({','.join([chr(39) + '$.' + name + chr(39), *kind])})\n"
    deny = lambda test: f"  http-request deny deny_status 401 {test}\n"
    return ("  http-request set-var(txn.token) http_auth_bearer\n  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')\n" +
            claim("iss") + claim("aud") + claim("exp", "'int'") + "  http-request set-var(txn.now) date()\n" +
            deny(f"unless {{ var(txn.alg) -m str {alg} }}") + deny(f"unless {{ var(txn.iss) -m str {env['JWT_ISS']} }}") +
            deny(f"unless {{ var(txn.aud) -m str {env['JWT_AUD']} }}") + deny("if { var(txn.exp),sub(txn.now) -m int lt 0 }") +
            deny(f'unless {{ var(txn.token),jwt_verify(txn.alg,"{env[f"JWT_{alg}_PUB"]}") -m int 1 }}'))


def haproxy(profile, env, directory):
    e, rules = env, ""
    verify = f"ca-file {e['CA']} verify required sni str({e['UPSTREAM_SNI']}) verifyhost {e['UPSTREAM_SNI']} ssl-min-ver TLSv1.3"
    server = {"tls_mtls_up": f"{e['UP_MTLS']} ssl crt {e['CLIENT_BUNDLE']} {verify}", "tls_h2up": f"{e['UP_H2TLS']} ssl alpn h2 {verify}",
              "upload": e["UP_SINK"]}.get(profile, e["UP_PLAIN"])
    backends = f"backend u\n  server s {server}\n"
    if profile == "shield":
        rules, backends = haproxy_shield(e, directory)
    elif profile.startswith("jwt"):
        rules = haproxy_jwt(e, "ES256" if profile == "jwt" else "RS256")
    elif profile == "reload":
        rules = f"  http-response set-header x-config-gen {e['CONFIG_GEN']}\n"
    bind = f"127.0.0.1:{e['PLAIN_PORT']}"
    if profile != "plain_h1":
        bind = f"127.0.0.1:{e['TLS_PORT']} ssl crt {e['SERVER_BUNDLE']} alpn h2,http/1.1 curves {e['TLS_GROUPS']} ssl-min-ver TLSv1.3"
    return f"""global
  nbthread 1
  no strict-limits
  maxconn 16000
  hard-stop-after 10s
  tune.h2.max-concurrent-streams 256
  ssl-default-bind-ciphersuites {e['TLS_CIPHERSUITE']}
  stats socket {directory}/control level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 900s
  timeout server 60s
  timeout http-keep-alive 900s
  http-reuse always
frontend f
  bind {bind}
{rules}{'' if profile == 'shield' else '  default_backend u'}
{backends}""", ["haproxy", "-W", "-f", f"{directory}/haproxy.conf"]


def h2o(profile, env, directory):
    e = env
    why = {"tls_mtls_up": "no client certificate towards origins", "tls_h2up": "no HTTP/2 towards origins"}.get(profile)
    if why or profile in ("shield", "jwt", "jwt_rs256"):
        return None, why or "not without scripts"
    header = f'        header.set: "x-config-gen: {e["CONFIG_GEN"]}"\n' if profile == "reload" else ""
    tls = "" if profile == "plain_h1" else f"""  ssl:
    certificate-file: {e['SERVER_CERT']}
    key-file: {e['SERVER_KEY']}
    minimum-version: TLSv1.2
    neverbleed: OFF
"""
    return f"""num-threads: 1
user: root
max-connections: 16000
pid-file: {directory}/pid
error-log: {directory}/error.log
http1-request-timeout: 900
http2-idle-timeout: 900
http2-graceful-shutdown-timeout: 10
http2-max-concurrent-requests-per-connection: 256
limit-request-body: 16777216
listen:
  host: 127.0.0.1
  port: {e['PLAIN_PORT' if profile == 'plain_h1' else 'TLS_PORT']}
{tls}hosts:
  default:
    paths:
      "/":
        proxy.reverse.url: http://{e['UP_SINK'] if profile == 'upload' else e['UP_PLAIN']}/
        proxy.preserve-host: ON
        proxy.timeout.keepalive: 900000
{header}""", ["h2o", "-m", "master" if profile == "reload" else "worker", "-c", f"{directory}/h2o.conf"]


def nghttpx(profile, env, directory):
    e, more = env, ""
    comma = lambda at: at.replace(":", ",")
    if profile in ("shield", "jwt", "jwt_rs256"):
        return None, "not without scripts"
    backend = comma(e["UP_SINK"] if profile == "upload" else e["UP_PLAIN"])
    if profile in ("tls_mtls_up", "tls_h2up"):
        at, protocol = (e["UP_MTLS"], "http/1.1") if profile == "tls_mtls_up" else (e["UP_H2TLS"], "h2")
        backend = f"{comma(at)};;tls;sni={e['UPSTREAM_SNI']};proto={protocol}"
        more = f"cacert={e['CA']}\n"
        more += f"client-cert-file={e['CLIENT_CERT']}\nclient-private-key-file={e['CLIENT_KEY']}\n" if profile == "tls_mtls_up" else ""
    elif profile == "reload":
        more = f"add-response-header=x-config-gen: {e['CONFIG_GEN']}\n"
    frontend = f"127.0.0.1,{e['PLAIN_PORT']};no-tls" if profile == "plain_h1" else f"127.0.0.1,{e['TLS_PORT']}"
    return f"""frontend={frontend}
backend={backend}
private-key-file={e['SERVER_KEY']}
certificate-file={e['SERVER_CERT']}
workers=1
no-ocsp=yes
tls-min-proto-version=TLSv1.3
tls-max-proto-version=TLSv1.3
tls13-ciphers={e['TLS_CIPHERSUITE']}
ecdh-curves={e['TLS_GROUPS']}
frontend-http2-max-concurrent-streams=256
frontend-http2-read-timeout=900s
frontend-read-timeout=900s
frontend-keep-alive-timeout=900s
backend-keep-alive-timeout=900s
rlimit-nofile=19900
pid-file={directory}/pid
errorlog-file={directory}/error.log
log-level=WARN
{more}""", ["nghttpx", f"--conf={directory}/nghttpx.conf"]
