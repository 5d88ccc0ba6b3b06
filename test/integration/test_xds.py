# SPDX-License-Identifier: GPL-2.0-or-later
"""Files as xDS: each kind changed in each way while it serves; files that do not fit are refused whole."""
import json
import os
import socket
import ssl
import time
import unittest

from echo import Echo
from harness import HCM, ROUTER, T, Sallyport, address, ca, cert, cluster, connects, curl, free_port, wait_for, work

ROUTES = T + "envoy.config.route.v3.RouteConfiguration"
HOSTS = T + "envoy.config.endpoint.v3.ClusterLoadAssignment"
CLUSTER = T + "envoy.config.cluster.v3.Cluster"
LISTENER = T + "envoy.config.listener.v3.Listener"
SECRET = T + "envoy.extensions.transport_sockets.tls.v3.Secret"
DOWNSTREAM = T + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


class Plain:
    """A directory of files that are moved into place or edited."""

    def __init__(self, name):
        self.dir = work(name)
        os.makedirs(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, text, move=True):
        path = self.path(name) + (".new" if move else "")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        if move:
            os.rename(path, self.path(name))


class ConfigMap:
    """The same as the kubelet lays them out: all in a directory of the time, which ..data leads to; one swap changes all."""

    def __init__(self, name):
        self.dir, self.texts, self.n = work(name), {}, 0
        os.makedirs(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, text, move=True):
        self.texts[name] = text
        if not os.path.lexists(self.path(name)):
            os.symlink(f"..data/{name}", self.path(name))
        self.n += 1
        fresh, before = self.path(f"..{self.n}"), os.path.realpath(self.path("..data"))
        os.mkdir(fresh)
        for other, data in self.texts.items():
            with open(os.path.join(fresh, other), "w", encoding="utf-8") as f:
                f.write(data)
        os.symlink(os.path.basename(fresh), self.path("..data_tmp"))
        os.rename(self.path("..data_tmp"), self.path("..data"))
        if os.path.isdir(before) and self.n > 1:
            for other in os.listdir(before):
                os.unlink(os.path.join(before, other))
            os.rmdir(before)


def resources(type_, *messages, version=""):
    return json.dumps({"version_info": version, "resources": [{"@type": type_, **m} for m in messages]})


def source(path):
    return {"path_config_source": {"path": path}}


def table(text, name="main", *more):
    routes = [{"match": {"path": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}},
              {"match": {"prefix": "/c/b"}, "route": {"cluster": "b"}}, {"match": {"prefix": "/"}, "route": {"cluster": "a"}}, *more]
    return {"name": name, "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}


def assignment(name, *ports):
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}]}


def secret(name, chain_name):
    chain, key = cert(chain_name)
    return {"name": name, "tls_certificate": {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}}


def certificate(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s, context.wrap_socket(s) as t:
        return t.getpeercert(True)


def der(name):
    with open(cert(name)[0], encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")


class Dynamic(Sallyport):
    """One whose listeners are in files."""

    def __init__(self, conf):
        super().__init__(dict(conf, static_resources={"listeners": []}), wait=True)


class Case(unittest.TestCase):
    def setUp(self):
        self.port, self.other = free_port(), free_port()
        self.one, self.two = Echo(name="one"), Echo(name="two")
        self.addCleanup(self.one.stop)
        self.addCleanup(self.two.stop)

    def listener(self, port, name, prefix="in"):
        hcm = {"@type": HCM, "stat_prefix": prefix, "http_filters": [ROUTER],
               "rds": {"route_config_name": "main", "config_source": source(self.files.path("rds.json"))}}
        tls = {"@type": DOWNSTREAM, "common_tls_context": {"tls_certificate_sds_secret_configs": [
            {"name": "door", "sds_config": source(self.files.path("sds.json"))}]}}
        return {"name": name, "address": address(port), "filter_chains": [
            {"filters": [{"name": "h", "typed_config": hcm}], "transport_socket": {"name": "tls", "typed_config": tls}}]}

    def eds_cluster(self, name):
        return {"name": name, "type": "EDS", "connect_timeout": "2s",
                "eds_cluster_config": {"eds_config": source(self.files.path("eds.json"))}}

    def write_all(self, files):
        self.files = files
        files.put("sds.json", resources(SECRET, secret("door", "server")))
        files.put("rds.json", resources(ROUTES, table("first"), version="r1"))
        files.put("eds.json", resources(HOSTS, assignment("a", self.one.port)))
        files.put("cds.json", resources(CLUSTER, self.eds_cluster("a"), version="c1"))
        files.put("lds.json", resources(LISTENER, self.listener(self.port, "door"), version="l1"))

    @staticmethod
    def bootstrap(files):
        return {"node": {"id": "x", "cluster": "y"},
                "dynamic_resources": {"lds_config": source(files.path("lds.json")), "cds_config": source(files.path("cds.json"))}}

    def start(self, files):
        self.write_all(files)
        s = Dynamic(self.bootstrap(files))
        self.addCleanup(s.stop)
        return s

    def get(self, path="/", port=None):
        return curl(f"https://localhost:{port or self.port}{path}")

    def origin(self, path="/x"):
        r = self.get(path)
        return json.loads(r.body)["server"] if r.status == 200 else r.status


class Changes(Case):
    def all_kinds(self, put):
        """Each kind of file changes once, and does what it says."""
        self.assertEqual((self.get().body, self.origin()), (b"first", "one"))
        put("rds.json", resources(ROUTES, table("second")))
        wait_for("the routes", lambda: self.get().body == b"second")
        put("eds.json", resources(HOSTS, assignment("a", self.two.port)))
        wait_for("the hosts", lambda: self.origin() == "two")
        self.assertEqual(self.origin("/c/b"), 503)
        put("cds.json", resources(CLUSTER, self.eds_cluster("a"), cluster("b", self.one.port)))
        wait_for("the cluster", lambda: self.origin("/c/b") == "one")
        self.assertEqual(certificate(self.port), der("server"))
        put("sds.json", resources(SECRET, secret("door", "other")))
        wait_for("the certificate", lambda: certificate(self.port) == der("other"))
        put("lds.json", resources(LISTENER, self.listener(self.port, "door"), self.listener(self.other, "second")))
        wait_for("the listener", lambda: self.get(port=self.other).body == b"second")
        self.assertEqual(self.get().body, b"second")

    def test_by_move(self):
        s = self.start(Plain("xds-move"))
        self.all_kinds(self.files.put)
        self.assertEqual(s.stat("config_reload.rejected"), 0)
        stats = s.stats()
        for prefix in ("listener_manager.lds.", "cluster_manager.cds.", "http.in.rds.main.", "cluster.a.", "sds.door."):
            self.assertEqual((prefix, stats[prefix + "update_attempt"], stats[prefix + "update_success"]), (prefix, 2, 2))

    def test_in_place(self):
        self.start(Plain("xds-edit"))
        self.all_kinds(lambda name, text: self.files.put(name, text, move=False))

    def test_configmap(self):
        self.start(ConfigMap("xds-map"))
        self.all_kinds(self.files.put)

    def test_a_certificate_itself(self):
        """The PEM files that a secret names are files of the config too."""
        self.start(Plain("xds-pem"))
        mine = {}
        for i, path in enumerate(cert("server")):
            mine[i] = self.files.path(("c.pem", "k.pem")[i])
            with open(path, encoding="ascii") as f:
                self.files.put(os.path.basename(mine[i]), f.read())
        self.files.put("sds.json", resources(SECRET, {"name": "door", "tls_certificate": {
            "certificate_chain": {"filename": mine[0]}, "private_key": {"filename": mine[1]}}}))
        time.sleep(0.5)
        for i, path in enumerate(cert("other")):
            with open(path, encoding="ascii") as f:
                self.files.put(os.path.basename(mine[i]), f.read())
        wait_for("the certificate", lambda: certificate(self.port) == der("other"))

    def test_half_a_file_is_never_read(self):
        s = self.start(Plain("xds-half"))
        text = resources(ROUTES, table("whole"))
        with open(self.files.path("rds.json"), "w", encoding="utf-8") as f:
            for i in range(0, len(text), len(text) // 8):
                f.write(text[i:i + len(text) // 8])
                f.flush()
                time.sleep(0.25)
        wait_for("the routes", lambda: self.get().body == b"whole")
        self.assertEqual(s.stat("config_reload.rejected"), 0)

    def test_a_cluster_that_comes_two_seconds_later(self):
        """A listener whose own table wants it: the set is not whole before, and is taken then."""
        s = self.start(Plain("xds-race"))
        inline = self.listener(self.other, "late", "late")
        hcm = inline["filter_chains"][0]["filters"][0]["typed_config"]
        del hcm["rds"]
        hcm["route_config"] = {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "late"}}]}]}
        self.files.put("lds.json", resources(LISTENER, self.listener(self.port, "door"), inline))
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        self.assertEqual(self.get().body, b"first")
        time.sleep(2)
        self.files.put("cds.json", resources(CLUSTER, self.eds_cluster("a"), cluster("late", self.two.port)))
        wait_for("the listener", lambda: self.get("/x", self.other).status == 200)
        self.assertEqual(s.stat("config_reload.failing"), 0)

    def test_a_broken_file(self):
        """Refused with counters and error_state, while the old set serves; mended, all is well."""
        s = self.start(Plain("xds-broken"))
        self.files.put("rds.json", "{ half")
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        self.files.put("cds.json", resources(CLUSTER, {"name": "a", "bogus": 1}))
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 2)
        self.assertEqual((self.get().body, self.origin()), (b"first", "one"))
        stats = s.stats()
        self.assertEqual([stats["http.in.rds.main.update_" + n] for n in ("attempt", "success", "rejected", "failure")], [2, 1, 0, 1])
        self.assertEqual([stats["cluster_manager.cds.update_" + n] for n in ("attempt", "success", "rejected", "failure")], [2, 1, 1, 0])
        self.assertEqual(stats["listener_manager.lds.update_attempt"], 1)
        dump = self.sections(s)
        found = dump["ClustersConfigDump"]["dynamic_active_clusters"]
        self.assertEqual([c["cluster"]["name"] for c in found], ["a"])
        self.assertIn("cds.json:1:", found[0]["error_state"]["details"])
        self.assertIn("bogus", found[0]["error_state"]["details"])
        self.assertIn("rds.json:1:", dump["RoutesConfigDump"]["dynamic_route_configs"][0]["error_state"]["details"])
        self.assertNotIn("error_state", dump["ListenersConfigDump"]["dynamic_listeners"][0])
        self.assertIn("bogus", dump["ConfigSetDump"]["error_state"]["details"])
        self.files.put("rds.json", resources(ROUTES, table("mended")))
        self.files.put("cds.json", resources(CLUSTER, self.eds_cluster("a")))
        wait_for("the mended routes", lambda: self.get().body == b"mended")
        wait_for("no errors", lambda: "error_state" not in s.get("/config_dump")[1])

    def sections(self, s):
        return {c["@type"].rsplit(".", 1)[1]: c for c in json.loads(s.get("/config_dump?include_eds")[1])["configs"]}

    def test_config_dump(self):
        s = self.start(Plain("xds-dump"))
        dump = self.sections(s)
        self.assertEqual(dump["ListenersConfigDump"]["version_info"], "l1")
        door = dump["ListenersConfigDump"]["dynamic_listeners"][0]
        self.assertEqual((door["name"], door["active_state"]["version_info"]), ("door", "l1"))
        hcm = door["active_state"]["listener"]["filter_chains"][0]["filters"][0]["typed_config"]
        self.assertEqual(hcm["rds"]["route_config_name"], "main")
        self.assertNotIn("route_config", hcm)
        self.assertEqual(dump["RoutesConfigDump"]["dynamic_route_configs"][0]["version_info"], "r1")
        self.assertEqual(dump["ClustersConfigDump"]["dynamic_active_clusters"][0]["version_info"], "c1")
        self.assertEqual(dump["EndpointsConfigDump"]["dynamic_endpoint_configs"][0]["endpoint_config"]["cluster_name"], "a")
        self.assertEqual(dump["SecretsConfigDump"]["dynamic_active_secrets"][0]["name"], "door")
        self.assertNotIn("PRIVATE", s.get("/config_dump")[1])
        self.assertEqual(dump["ListenersConfigDump"]["static_listeners"], [])
        files = dump["ConfigSetDump"]["files"]
        for name in ("lds.json", "cds.json", "rds.json", "eds.json", "sds.json"):
            self.assertIn(self.files.path(name), files)
        self.assertIn(cert("server")[1], files)

    def test_a_file_that_comes_later_is_named_first(self):
        """Named before it is there: refused until it is."""
        s = self.start(Plain("xds-later"))
        later = self.listener(self.other, "later", "later")
        later["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["config_source"] = source(self.files.path("more/rds.json"))
        self.files.put("lds.json", resources(LISTENER, self.listener(self.port, "door"), later))
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        os.mkdir(self.files.path("more"))
        self.files.put("more/rds.json", resources(ROUTES, table("later")))
        wait_for("the listener", lambda: self.get(port=self.other).body == b"later")

    def test_a_ca_that_comes_later(self):
        """What reloads by itself once it serves is waited for too, while it keeps a set from serving."""
        s = self.start(Plain("xds-ca"))
        strict = self.listener(self.other, "strict")
        context = strict["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
        context["validation_context"] = {"trusted_ca": {"filename": self.files.path("ca.pem")}}
        self.files.put("lds.json", resources(LISTENER, self.listener(self.port, "door"), strict))
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        with open(ca(), encoding="ascii") as f:
            self.files.put("ca.pem", f.read())
        wait_for("the listener", lambda: connects(self.other))


if __name__ == "__main__":
    unittest.main()
