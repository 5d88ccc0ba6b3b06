# SPDX-License-Identifier: GPL-2.0-or-later
"""The origins behind every subject: one nginx (HTTP/1.1 on four ports, HTTP/1.1 over mutual TLS, HTTP/2 over TLS) and the sink."""
import os
import urllib.request

import material
import procs

MIB = 1 << 20
TLS = """ssl_certificate {UPSTREAM_CERT}; ssl_certificate_key {UPSTREAM_KEY}; ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {TLS_CIPHERSUITE};"""
ECHO = "x-shield-id=$http_x_shield_id x-shield-proto=$http_x_shield_proto x-origin-verify=$http_x_origin_verify x-internal-debug=$http_x_internal_debug"


class Origins:
    def __init__(self, directory, env, sink_program):
        self.dir, self.env, self.sink_program, self.processes = directory, env, sink_program, []

    def start(self):
        os.makedirs(f"{self.dir}/www")
        os.chmod(self.dir, 0o755)
        with open(f"{self.dir}/www/1m", "wb") as f:
            f.write(b"y" * MIB)
        *plain, mtls, h2, self.status_port, self.sink_port = procs.free_ports(8)
        at = lambda port: f"127.0.0.1:{port}"
        self.clusters = dict(zip(material.CLUSTERS, map(at, plain)))
        self.env.update({f"UP_{c.upper()}": a for c, a in self.clusters.items()}, UP_PLAIN=at(plain[0]), UP_MTLS=at(mtls), UP_H2TLS=at(h2),
                        UP_SINK=at(self.sink_port))
        answers = f"""add_header X-Upstream-Port $server_port; add_header X-Up-Proto $server_protocol;
    location / {{ return 200 "{'x' * 1024}"; }}
    location = /1m {{ root {self.dir}/www; }}
    location ~ /echo$ {{ return 200 "{ECHO}"; }}"""
        tls = TLS.format(**self.env)
        scratch = "".join(f"{kind}_temp_path {self.dir}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = material.write(f"{self.dir}/nginx.conf", f"""daemon off; master_process off; pid {self.dir}/pid; error_log {self.dir}/error.log;
worker_rlimit_nofile 19000; events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; default_type text/plain; keepalive_requests 1000000000; keepalive_timeout 900; open_file_cache max=16;
  http2_max_concurrent_streams 1024; {scratch}
  server {{ {' '.join(f'listen 127.0.0.1:{p};' for p in plain)}
    {answers} }}
  server {{ listen 127.0.0.1:{mtls} ssl;
    {tls} ssl_client_certificate {self.env['CA']}; ssl_verify_client on; add_header X-Client-Dn $ssl_client_s_dn;
    {answers} }}
  server {{ listen 127.0.0.1:{h2} ssl http2;
    {tls}
    {answers} }}
  server {{ listen 127.0.0.1:{self.status_port}; location / {{ stub_status; }} }}
}}
""")
        for argv, port in ((["nginx", "-p", self.dir, "-c", config], self.status_port), ([self.sink_program, str(self.sink_port)], self.sink_port)):
            log = f"{self.dir}/{os.path.basename(argv[0])}.log"
            process = procs.start(argv, {procs.LOAD_CPU}, log)
            self.processes.append(process)
            procs.wait_port(port, process, log)

    def counts(self):
        """(requests answered, bytes of bodies taken), the requests that ask for it left out."""
        fetch = lambda port, path: urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()
        requests, taken = map(int, fetch(self.sink_port, "/count").split())
        self.asked = getattr(self, "asked", 0) + 1
        return int(fetch(self.status_port, "/").splitlines()[2].split()[2]) + requests - self.asked, taken

    def cpu(self):
        return [procs.Cpu(p.pid) for p in self.processes]

    def stop(self):
        for p in self.processes:
            procs.stop(p)
