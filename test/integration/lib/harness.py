# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes, certificates, ports and clients for the integration tests. Loopback only; everything is bounded in time."""
import atexit
import copy
import fcntl
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BIN = os.path.abspath(os.environ.get("SALLYPORT_BIN", os.path.join(ROOT, "build/dev/sallyport")))
# Sanitized programs are slower: waits are multiplied by this.
SLOW = float(os.environ.get("SP_SLOW", "1"))
# What is waited for comes in time on a busy machine too; only what does not come at all costs so much.
PATIENCE = 3
# Programs write down at their end which lines they ran (scripts/coverage): the door is ended, not killed.
COUNTERS = bool(os.environ.get("SP_COUNTERS"))
# The door is built with the address or the thread sanitizer, wherever it lies.
SANITIZED = subprocess.run(["grep", "-sqaE", "__(asan|tsan)_init", BIN], check=False).returncode == 0
REPORT = re.compile(r"WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|: runtime error: ")
reports = []  # (door, log) where a sanitizer spoke, whether a test has looked or not: test/integration/run fails by it
WORK = tempfile.mkdtemp(prefix="sp-integration-")
_procs, _certs = [], {}


def work(name):
    return os.path.join(WORK, name)


def seed_of(suite, short=1):
    """SP_<suite>_SEED; without it, what is run for as long as SP_<suite>_S says is a walk at random, and CI's short form always the same."""
    n = int(os.environ.get(f"SP_{suite}_SEED") or (random.SystemRandom().randrange(1, 1 << 30) if os.environ.get(f"SP_{suite}_S") else short))
    print(f"{suite.lower()}: SP_{suite}_SEED={n}", flush=True)
    return n


def clean_up():
    for p in list(_procs):
        p.kill()
    if not os.environ.get("SP_KEEP"):
        shutil.rmtree(WORK, ignore_errors=True)


atexit.register(clean_up)


def show_logs():
    for p in _procs:
        text = p.log()
        if text:
            print(f"--- {p.name} (last lines)\n" + "\n".join(text.splitlines()[-40:]), flush=True)


_ports, _locks = random.Random(), []
PORTS = os.path.join(tempfile.gettempdir(), f"sp-ports-{os.getuid()}")


def free_port():
    """Below the ports that the system gives to clients, so that none of those takes it before it is bound; and kept from other
    suites that run beside this one, by a lock that lasts as long as this process."""
    os.makedirs(PORTS, exist_ok=True)
    while True:
        port = _ports.randrange(12000, 32000)
        lock = open(os.path.join(PORTS, str(port)), "wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return port


def wait_for(what, condition, seconds=10):
    seconds *= SLOW * PATIENCE
    end = time.monotonic() + seconds
    while True:
        value, late = condition(), time.monotonic() >= end
        if value:
            return value
        if late:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)


def connects(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


class Proc:
    """A program that runs until it is stopped; its output goes to a file."""

    def __init__(self, name, argv, env=None, cwd=None):
        self.name, self.argv = name, argv
        self.path = work(f"{name}-{len(_procs)}-{time.time_ns()}.log")
        self.file = open(self.path, "wb")
        self.p = subprocess.Popen(argv, **{"stdout": self.file, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL,
                                           "env": dict(os.environ, **(env or {})), "cwd": cwd or WORK, **self.start_options()})
        _procs.append(self)

    def start_options(self):
        """More for subprocess, or other."""
        return {}

    @property
    def pid(self):
        return self.p.pid

    def log(self):
        with open(self.path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def rss(self):
        """Resident bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self):
        """Seconds of all its threads: what others do beside it counts little."""
        total = 0
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def signal(self, number):
        self.p.send_signal(number)

    def wait(self, seconds=10):
        return self.p.wait(seconds * SLOW * PATIENCE)

    def kill(self):
        if self in _procs:
            _procs.remove(self)
        if (COUNTERS or SANITIZED) and self.argv[0] == BIN:
            self.end_at_once()
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        self.file.close()
        if SANITIZED and REPORT.search(self.log()):
            reports.append((self.name, self.log()[-20000:]))

    def end_at_once(self):
        """Two signals to end, of which the second one has no patience."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if self.p.poll() is None:
                self.p.send_signal(number)
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            pass

    def stop(self, seconds=10):
        """SIGTERM; the exit code."""
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
        try:
            code = self.wait(seconds)
        finally:
            self.kill()
        return code


# --- certificates, made once a run with openssl

def _openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, input=stdin, cwd=WORK)


def _key(name, kind):
    if kind == "rsa":
        _openssl("genrsa", "-out", work(name + ".key"), "2048")
    else:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", work(name + ".key"))


def ca(name="ca"):
    """Path of a CA's certificate."""
    if name not in _certs:
        _key(name, "ec")
        _openssl("req", "-x509", "-new", "-key", work(name + ".key"), "-out", work(name + ".pem"), "-days", "400",
                 "-subj", f"/CN=test {name}", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _certs[name] = True
    return work(name + ".pem")


def cert(name, san="DNS:localhost,IP:127.0.0.1", by="ca", kind="ec", days="90", usage="serverAuth,clientAuth"):
    """(certificate, key) paths; `days` may be negative: expired."""
    if name not in _certs:
        ca(by)
        _key(name, kind)
        _openssl("req", "-new", "-key", work(name + ".key"), "-out", work(name + ".csr"), "-subj", f"/CN={name}")
        with open(work(name + ".ext"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName={san}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        when = ["-days", days]
        if int(days) < 0:
            return _expired(name, by)
        _openssl("x509", "-req", "-in", work(name + ".csr"), "-CA", work(by + ".pem"), "-CAkey", work(by + ".key"),
                 "-CAcreateserial", "-out", work(name + ".pem"), "-extfile", work(name + ".ext"), *when)
        _certs[name] = True
    return work(name + ".pem"), work(name + ".key")


def _expired(name, by):
    """openssl x509 cannot date back; openssl ca can."""
    for file, text in (("index.txt", ""), ("serial", "7777\n")):
        with open(work(file), "w", encoding="ascii") as f:
            f.write(text)
    with open(work("ca.cnf"), "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work('index.txt')}\nserial={work('serial')}\nnew_certs_dir={WORK}\n"
                "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
    _openssl("ca", "-batch", "-config", work("ca.cnf"), "-cert", work(by + ".pem"), "-keyfile", work(by + ".key"),
             "-in", work(name + ".csr"), "-out", work(name + ".pem"), "-startdate", "20200101000000Z",
             "-enddate", "20210101000000Z", "-extfile", work(name + ".ext"), "-notext")
    _certs[name] = True
    return work(name + ".pem"), work(name + ".key")


# --- JSON Web Tokens, signed with openssl

def b64url(data):
    import base64
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwks(name="jwt"):
    """A key set with one RSA key, kid `name`."""
    if "jwk-" + name not in _certs:
        _key("jwk-" + name, "rsa")
        _certs["jwk-" + name] = True
    text = _openssl("rsa", "-in", work(f"jwk-{name}.key"), "-noout", "-modulus").stdout.decode()
    modulus = bytes.fromhex(text.strip().split("=")[1])
    return json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": b64url(modulus), "e": "AQAB"}]})


def token(claims, name="jwt", header=None):
    jwks(name)
    head = {"alg": "RS256", "typ": "JWT", "kid": name}
    head.update(header or {})
    text = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(claims).encode())
    signature = _openssl("dgst", "-sha256", "-sign", work(f"jwk-{name}.key"), stdin=text.encode()).stdout
    return text + "." + b64url(signature)


def good_token(**claims):
    base = {"iss": "https://issuer.test", "aud": "api", "sub": "alice", "exp": int(time.time()) + 3600}
    base.update(claims)
    return token({k: v for k, v in base.items() if v is not None})


# --- configs

T = "type.googleapis.com/"
HCM = T + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "router", "typed_config": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}
SECRET = "s3cret-of-the-origin-0123456789"


def address(port, host="127.0.0.1"):
    return {"socket_address": {"address": host, "port_value": port}}


def downstream_tls(cert_name="server", alpn=("h2", "http/1.1"), client_ca=None, require=False, **more):
    chain, key = cert(cert_name)
    common = {"tls_certificates": [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]}
    if alpn:
        common["alpn_protocols"] = list(alpn)
    if client_ca:
        common["validation_context"] = {"trusted_ca": {"filename": client_ca}}
    context = {"@type": T + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common}
    if require:
        context["require_client_certificate"] = True
    context.update(more)
    return {"name": "tls", "typed_config": context}


def upstream_tls(sni="localhost", san="localhost", client="client", trusted=None, **common):
    context = {"validation_context": {"trusted_ca": {"filename": trusted or ca()}}}
    if san:
        context["validation_context"]["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": san}}]
    if client:
        chain, key = cert(client)
        context["tls_certificates"] = [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]
    context.update(common)
    return {"name": "tls", "typed_config": {
        "@type": T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": sni, "common_tls_context": context}}


def http_options(http2=False, **more):
    kind = "http2_protocol_options" if http2 else "http_protocol_options"
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {kind: {}}, **more}}


def cluster(name, *ports, tls=None, http2=False, **more):
    c = {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}]}}
    if tls:
        c["transport_socket"] = tls
    if http2:
        c["typed_extension_protocol_options"] = http_options(True)
    c.update(more)
    return c


def shield(**more):
    return {"name": "origin_shield", "typed_config": {
        "@type": T + "sallyport.filters.http.origin_shield.v1.OriginShield",
        "proof": {"secret_header": {"secrets": [{"name": "now", "value": {"inline_string": SECRET}}]}}, **more}}


def ip_restriction(**more):
    return {"name": "ip_restriction", "typed_config": {
        "@type": T + "sallyport.filters.http.ip_restriction.v1.IpRestriction", "source": "SOCKET", **more}}


def jwt_filter(**provider):
    return {"name": "jwt", "typed_config": {
        "@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"test": {"issuer": "https://issuer.test", "audiences": ["api"],
                               "local_jwks": {"inline_string": jwks()}, **provider}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "test"}}]}}


def route_to(name, prefix="/", **action):
    return {"match": {"prefix": prefix}, "route": {"cluster": name, **action}}


def log_to(path):
    return [{"name": "file", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path, "log_format": {"json_format": {
            "status": "%RESPONSE_CODE%", "details": "%RESPONSE_CODE_DETAILS%", "flags": "%RESPONSE_FLAGS%",
            "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%", "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
            "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "protocol": "%PROTOCOL%", "rx": "%BYTES_RECEIVED%",
            "tx": "%BYTES_SENT%", "upstream": "%UPSTREAM_HOST%", "cluster": "%UPSTREAM_CLUSTER%"}}}}]


def listener(port, routes, filters=(), tls=None, name="door", domains=("*",), hcm=None, **more):
    manager = {"@type": HCM, "stat_prefix": "test", "http_filters": [*filters, ROUTER],
               "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": list(domains), "routes": routes}]}}
    manager.update(hcm or {})
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        chain["transport_socket"] = tls
    return {"name": name, "address": address(port), "filter_chains": [chain], **more}


def config(listeners, clusters, admin=None):
    c = {"static_resources": {"listeners": listeners, "clusters": clusters}}
    if admin:
        c["admin"] = {"address": address(admin)}
    return c


def in_sandbox(conf):
    """SP_SANDBOX=1: whatever a suite does, it does confined to its files and system calls (docs/least-privilege.md)."""
    if not os.environ.get("SP_SANDBOX"):
        return conf
    kind = T + "sallyport.bootstrap.v1.Edge"
    extensions = copy.deepcopy(conf.get("bootstrap_extensions", []))
    edge = next((e["typed_config"] for e in extensions if e["typed_config"]["@type"] == kind), None)
    if edge is None:
        edge = {"@type": kind}
        extensions.append({"name": "edge", "typed_config": edge})
    edge.setdefault("process", {"sandbox": {"read": [WORK], "write": [WORK]}})
    return dict(conf, bootstrap_extensions=extensions)


# --- programs

class Sallyport(Proc):
    """The program under test, serving a config (a dict); `port` is the first listener's."""

    def __init__(self, conf, *args, wait=True, concurrency=2):
        self.admin = free_port()
        conf = in_sandbox(dict(conf, admin=conf.get("admin", {"address": address(self.admin)})))
        self.config_path = work(f"config-{time.time_ns()}.json")
        with open(self.config_path, "w", encoding="utf-8") as f:
            json.dump(conf, f, indent=1)
        super().__init__("sallyport", [BIN, "-c", self.config_path, "--concurrency", str(concurrency), *args])
        listeners = conf["static_resources"]["listeners"]
        self.port = listeners[0]["address"]["socket_address"]["port_value"] if listeners else None
        if wait:
            wait_for("sallyport to be ready", self.is_ready)

    def is_ready(self):
        assert self.p.poll() is None, "sallyport ended: " + self.log()
        try:
            return self.get("/ready")[0] == 200
        except OSError:
            return False

    def get(self, path, method="GET"):
        """(status, text) of the admin page."""
        c = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10 * SLOW * PATIENCE)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def stats(self):
        return {k: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", self.get("/stats")[1], re.M)}

    def stat(self, name):
        return self.stats().get(name, 0)


def refused(conf, *args):
    """Text of the errors of a config that must not start; checks the exit code."""
    path = work(f"config-{time.time_ns()}.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf if isinstance(conf, str) else json.dumps(conf, indent=1))
    p = subprocess.run([BIN, "-c", path, "--mode", "validate", *args], capture_output=True, text=True, timeout=30 * SLOW)
    assert p.returncode == 1, f"exit code {p.returncode}: {p.stderr}"
    return p.stderr.replace(path, "CONFIG")


class Nginx(Proc):
    """An origin: serves `root` and what `server` (text of the server block) says."""

    def __init__(self, server, http="", port=None):
        self.port = port or free_port()
        d = tempfile.mkdtemp(dir=WORK)
        os.chmod(WORK, 0o755)
        os.chmod(d, 0o755)
        self.root = os.path.join(d, "www")
        os.mkdir(self.root)
        path = os.path.join(d, "nginx.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("daemon off; master_process off; error_log stderr warn; pid %s/pid;\n"
                    "events { worker_connections 4096; }\nhttp { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p;"
                    " fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s; client_max_body_size 0;"
                    " keepalive_requests 1000000; %s\n"
                    "server { root %s; %s } }\n" % (d, d, d, d, d, d, http, self.root,
                                                    server.replace("$PORT", str(self.port))))
        super().__init__("nginx", ["/usr/sbin/nginx", "-c", path, "-p", d])
        wait_for("nginx", lambda: connects(self.port))

    def page(self, name, data):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())


ECHO = ('location /echo { default_type text/plain; return 200 "$request_method $request_uri host=$host '
        'secret=$http_x_origin_verify user=$http_x_user auth=$http_authorization xff=$http_x_forwarded_for '
        'proto=$http_x_forwarded_proto id=$http_x_request_id client=$ssl_client_s_dn\n"; }')


def nginx_plain(**kw):
    return Nginx("listen 127.0.0.1:$PORT; " + ECHO, **kw)


def nginx_mtls(cert_name="origin", san="DNS:localhost,IP:127.0.0.1", client_ca=None, **kw):
    chain, key = cert(cert_name, san=san)
    return Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; "
                 f"ssl_client_certificate {client_ca or ca()}; ssl_verify_client on; " + ECHO, **kw)


class Nghttpd(Proc):
    """An HTTP/2 origin, with or without TLS."""

    def __init__(self, root, tls=False, *args):
        self.port = free_port()
        argv = ["nghttpd", "-d", root, "-a", "127.0.0.1", *args]
        if tls:
            chain, key = cert("origin")
            argv += [str(self.port), key, chain]
        else:
            argv += ["--no-tls", str(self.port)]
        super().__init__("nghttpd", argv)
        wait_for("nghttpd", lambda: connects(self.port))


class Answer:
    def __init__(self, status, headers, body, code, error):
        self.status, self.headers, self.body, self.code, self.error = status, headers, body, code, error

    def __repr__(self):
        return f"<{self.status} exit {self.code} {self.headers} {self.body[:200]!r} {self.error}>"


def curl(url, *args, timeout=20):
    """One request; the last response's status, its headers (lower-case names; repeated ones as a list), its body."""
    head, body = work(f"h{time.time_ns()}"), work(f"b{time.time_ns()}")
    p = subprocess.run(["curl", "-q", "-s", "-S", "--noproxy", "*", "--cacert", ca(), "-D", head, "-o", body, "-m",
                        str(timeout * SLOW), "-w", "%{http_code} %{http_version}", *args, url], capture_output=True, text=True)
    headers, data = {}, b""
    if os.path.exists(head):
        with open(head, encoding="latin-1", newline="") as f:
            blocks = [b for b in f.read().split("\r\n\r\n") if b.strip()]
        for line in blocks[-1].split("\r\n")[1:] if blocks else []:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = headers[name] + [value] if isinstance(headers.get(name), list) else (
                [headers[name], value] if name in headers else value)
        os.unlink(head)
    if os.path.exists(body):
        with open(body, "rb") as f:
            data = f.read()
        os.unlink(body)
    status, _, version = p.stdout.partition(" ")
    answer = Answer(int(status or 0), headers, data, p.returncode, p.stderr)
    answer.version = version
    return answer


def raw(port, data, seconds=5, tls=None, host="127.0.0.1", close_write=False):
    """Sends bytes and returns all that comes back until the peer closes or falls silent."""
    try:
        s = socket.create_connection((host, port), 5 * SLOW)
    except ConnectionResetError:  # accepted and reset before connect() returned; a closed port refuses
        return b""
    if tls is not None:
        s = tls.wrap_socket(s, server_hostname="localhost")
    out = b""
    try:
        s.settimeout(seconds * SLOW)
        s.sendall(data)
        if close_write:
            s.shutdown(socket.SHUT_WR)
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            out += piece
    except (socket.timeout, ConnectionError, ssl.SSLError):
        pass
    finally:
        s.close()
    return out


def log_lines(path):
    """Access log lines in JSON; they come at the latest a second after the request."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]
