# SPDX-License-Identifier: GPL-2.0-or-later
"""Client certificates: openssl s_client as the client, and a CA that revokes."""
import http.client
import os
import ssl
import subprocess

from harness import SLOW, _openssl, ca, cert, work


class Visit:
    """What openssl s_client made of one connection and one request on it."""

    def __init__(self, text, code):
        self.text, self.code = text, code
        self.status = int(text.split("HTTP/1.1 ", 1)[1][:3]) if "HTTP/1.1 " in text else 0
        self.reused = "\nReused, " in text
        self.alert = next((line.rsplit(":", 4)[2] if line.count(":") > 5 else line for line in text.splitlines()
                           if "alert" in line and "error:" in line), "")

    def __repr__(self):
        return f"<{self.status} reused={self.reused} exit {self.code}\n{self.text}>"


def s_client(port, *args, client=None, name="localhost", path="/", sess_out=None, sess_in=None):
    """One connection; with `client` that certificate is shown."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca(), "-servername", name, "-ign_eof", *args]
    if client:
        argv += ["-cert", cert(client)[0], "-key", cert(client)[1]]
    if sess_out:
        argv += ["-sess_out", work(sess_out)]
    if sess_in:
        argv += ["-sess_in", work(sess_in)]
    request = f"GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
    p = subprocess.run(argv, input=request.encode(), capture_output=True, timeout=20 * SLOW, check=False)
    return Visit((p.stdout + p.stderr).decode("latin-1"), p.returncode)


class Connection:
    """One that stays open."""

    def __init__(self, port, client):
        context = ssl.create_default_context(cafile=ca())
        context.load_cert_chain(*cert(client))
        self.c = http.client.HTTPSConnection("localhost", port, timeout=10 * SLOW, context=context)
        self.c.connect()

    def get(self):
        """The status, or 0 where the connection was closed."""
        try:
            if not self.c.sock:
                return 0
            self.c.request("GET", "/")
            r = self.c.getresponse()
            r.read()
            return r.status
        except (OSError, http.client.HTTPException):
            return 0

    def close(self):
        self.c.close()


class Revoker:
    """Revocation lists of one CA of the harness, by `openssl ca`."""

    def __init__(self, by="ca"):
        self.by = by
        ca(by)
        self.conf = work(f"revoker-{by}.cnf")
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work('revoker-' + by)}\ncrlnumber={work('revoker-number-' + by)}\n"
                    "default_md=sha256\ndefault_crl_days=10\nunique_subject=no\n")
        self.reset()

    def reset(self):
        with open(work("revoker-" + self.by), "w", encoding="ascii"):
            pass
        with open(work("revoker-number-" + self.by), "w", encoding="ascii") as f:
            f.write("01\n")

    def _ca(self, *args):
        return _openssl("ca", "-config", self.conf, "-cert", work(self.by + ".pem"), "-keyfile", work(self.by + ".key"), *args)

    def revoke(self, name):
        self._ca("-revoke", cert(name, by=self.by)[0])

    def list(self, *args):
        """PEM of the list as it is now."""
        path = work(f"revoker-{self.by}.crl")
        self._ca("-gencrl", "-out", path, *args)
        with open(path, encoding="ascii") as f:
            return f.read()

    def old(self):
        return self.list("-crl_lastupdate", "200101000000Z", "-crl_nextupdate", "200201000000Z")


def renew(name, by="ca", days="60"):
    """A new key and a new certificate of the same names take the place of those that cert(name) made: one file, then the other."""
    new = work(name + ".renewed")
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", new + ".key")
    _openssl("req", "-new", "-key", new + ".key", "-out", new + ".csr", "-subj", f"/CN={name}")
    _openssl("x509", "-req", "-in", new + ".csr", "-CA", work(by + ".pem"), "-CAkey", work(by + ".key"), "-CAcreateserial",
             "-out", new + ".pem", "-extfile", work(name + ".ext"), "-days", days)
    for end in (".key", ".pem"):
        os.rename(new + end, work(name + end))


def put(name, text):
    """A file of the work directory, replaced at once, as tools do that know how."""
    path = work(name)
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path
