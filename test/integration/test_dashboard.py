# SPDX-License-Identifier: GPL-2.0-or-later
"""The page at the admin's root, in a real browser: what it says, clicks, keys, searching and sorting, themes, phones, an admin that does
not answer, names that peers choose, thousands of clusters. Pictures of every view are left in build/screenshots."""
import json
import os
import re
import socket
import subprocess
import time
import unittest

import browser
from harness import ROOT, SECRET, SLOW, T, Sallyport, address, cert, cluster, config, curl, downstream_tls, free_port, jwt_filter, listener, nginx_plain, raw, \
    route_to, shield, wait_for, work

VIEWS = ("glance", "clusters", "listeners", "filters", "refused", "secrets", "certificates", "files", "config")
EVIL = "<img src=x onerror=alert(1)>"
TURN = "invoice\u202egnp.exe"  # RIGHT-TO-LEFT OVERRIDE: shown as it is, it reads "invoiceexe.png"


def url(s, view=""):
    return f"http://127.0.0.1:{s.admin}/" + (f"#{view}" if view else "")


def checked(name, port, **more):
    """A cluster whose host does not answer its health checks."""
    return cluster(name, port, health_checks=[{"timeout": "0.5s", "interval": "0.5s", "no_traffic_interval": "0.5s", "unhealthy_threshold": 1,
                                               "healthy_threshold": 1, "http_health_check": {"path": "/"}}], **more)


@unittest.skipUnless(browser.PROGRAM, "no Chromium: Debian's package chromium (scripts/packages test)")
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.origin = nginx_plain()
        cls.addClassCleanup(cls.origin.kill)

    def open(self, s, view="", width=1280, height=900, **how):
        p = self.browser.page(width, height, **how)
        self.addCleanup(p.close)
        p.goto(url(s, view))
        p.until("typeof shown !== 'undefined' && shown !== null")
        return p

    def go(self, p, view):
        p.call("(v) => { location.hash = v; }", view)
        nav = "clusters" if view.startswith("cluster/") else view
        p.until(f"document.querySelector('#nav a[aria-current]').hash === '#{nav}'")


class Page(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cert("ends-soon", days="9")
        tls = downstream_tls("ends-soon")
        breakers = {"thresholds": [{"max_retries": 3, "track_remaining": True}]}
        clusters = [cluster("o", cls.origin.port), checked("dead", free_port(), circuit_breakers=breakers), cluster(EVIL, free_port()), cluster(TURN, free_port()),
                    *[cluster(f"c{i:02}", cls.origin.port) for i in range(60)]]
        cls.door = Sallyport(config([
            listener(free_port(), [route_to(EVIL, "/evil"), route_to("dead", "/dead"), route_to("o")], [shield(), jwt_filter()], tls),
            listener(free_port(), [route_to(EVIL, "/evil"), route_to("dead", "/dead"), route_to("o", "/echo")], name="inside", hcm={"stat_prefix": "inside"})], clusters))
        cls.addClassCleanup(cls.door.stop)
        cls.inside = cls.door_port(1)
        secret = ["-H", f"x-origin-verify: {SECRET}"]
        for path, more in (("/echo", []), ("/wp-login.php", []), ("/v1/orders", secret), ("/echo", secret), ("/%3Cimg%20src=x%20onerror=alert(1)%3E", secret)):
            curl(f"https://localhost:{cls.door.port}{path}", *more)
        for path in ("/echo", "/nothing/here", f"/{EVIL.replace(' ', '/')}", "/evil", "/dead"):
            curl(f"http://127.0.0.1:{cls.inside}{path}", "--globoff", "--path-as-is")
        with socket.create_connection(("127.0.0.1", cls.inside)) as s:  # bytes of UTF-8, not escaped
            s.sendall(f"GET /{TURN} HTTP/1.1\r\nhost: {'a.test'}\r\nconnection: close\r\n\r\n".encode())
            s.recv(100)
        wait_for("the health check to fail", lambda: cls.door.stat("cluster.dead.membership_healthy") == 0)

    @classmethod
    def door_port(cls, i):
        with open(cls.door.config_path, encoding="utf-8") as f:
            return json.load(f)["static_resources"]["listeners"][i]["address"]["socket_address"]["port_value"]

    def quiet(self, p):
        """Nothing on the console, and nothing asked of anyone else."""
        self.assertEqual(p.said, [])
        self.assertTrue(p.asked)
        others = [u for _, u in p.asked if not u.startswith(f"http://127.0.0.1:{self.door.admin}/") and not u.startswith("data:,")]
        self.assertEqual(others, [])

    def traffic(self, n=5):
        for _ in range(n):
            curl(f"http://127.0.0.1:{self.inside}/echo")

    def test_headers(self):
        a = curl(url(self.door))
        self.assertEqual((a.headers["content-type"], a.headers["cache-control"], a.headers["x-content-type-options"]),
                         ("text/html; charset=UTF-8", "no-store", "nosniff"))
        policy = a.headers["content-security-policy"]
        for word in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
                     "require-trusted-types-for 'script'"):
            self.assertIn(word, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(re.findall(r"script-src[^;]*", policy)[0].count("sha256-"), a.body.decode().count("<script>"))

    def test_what_is_wrong_comes_first(self):
        p = self.open(self.door)
        p.until("document.querySelectorAll('.wrong li').length > 0")
        said = p.text(".wrong")
        self.assertIn("1 of 64 clusters has no healthy host.", said)
        self.assertIn("dead", said)
        self.assertIn("1 certificate expires within 14 days, the first in ", said)
        self.assertRegex(p.text("h2"), r"^\d+ things are wrong$")
        self.assertRegex(p.eval("document.title"), r"^\(\d+\) At a glance")
        self.assertEqual(p.eval("document.querySelector('.wrong li').dataset.level"), "bad")
        self.traffic()
        p.until("/[1-9]/.test(document.querySelector('.tile .value').innerText)", 20)
        self.assertIn("origin_shield", p.text())
        p.until("document.querySelectorAll('.tile .value')[3].innerText.endsWith('ms')", 20)  # of the last five seconds
        listeners = {x["name"]: x["refused"] for x in json.loads(self.door.get("/overview")[1])["listeners"]}
        self.assertEqual(listeners, {"door": {}, "inside": {}})
        self.quiet(p)

    def test_every_view_by_clicks(self):
        """Pictures of all of them, light, dark and on a phone."""
        p = self.open(self.door)
        self.traffic()
        for i, view in enumerate(VIEWS):
            p.click("#nav a", i)
            p.until(f"document.querySelector('#nav a[aria-current]').hash === '#{view}'")
            p.until("document.querySelector('.view').innerText.length > 60")
            if view not in ("glance", "config"):
                p.until("document.querySelectorAll('tbody tr:not(.empty)').length > 0")
                self.assertEqual(p.active(), p.text("h2"))  # who listens hears where they are
            p.away()
            self.pictures(p, view)
        self.quiet(p)

    def pictures(self, p, name):
        p.picture(f"{name}-light", whole=True)
        p.media(dark=True)
        p.picture(f"{name}-dark", whole=True)
        p.media(dark=False)
        p.size(360, 740, mobile=True)
        self.assertEqual(p.eval("document.documentElement.scrollWidth"), 360, name)
        p.picture(f"{name}-phone", whole=True)
        p.size(1280, 900)

    def test_a_cluster(self):
        p = self.open(self.door, "clusters")
        p.until("document.querySelectorAll('tbody tr').length === 50")
        self.assertEqual(p.texts("tbody th")[0], "dead")  # the worst first
        p.click("tbody th a")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        self.assertIn("health check fails", p.text("tbody"))
        self.assertIn("no healthy host", p.text(".view"))
        p.until("/closed/.test(document.querySelector('.view').innerText)")
        self.assertIn("3 more allowed", p.text(".view"))
        self.pictures(p, "cluster")
        p.call("() => history.back()")
        p.until("document.querySelector('h2').innerText === 'Clusters'")
        self.quiet(p)

    def test_search_sort_and_pages(self):
        p = self.open(self.door, "clusters")
        p.until("document.querySelectorAll('tbody tr').length === 50")
        self.assertIn("1 to 50; 64 in all", p.text(".table-note"))
        p.click(".pager button", 1)
        p.until("document.querySelectorAll('tbody tr').length === 14")
        p.click("th .sort")  # by name
        p.until("document.querySelectorAll('tbody tr').length === 50")
        names = p.texts("tbody th")
        self.assertEqual(p.eval("document.querySelector('thead th').getAttribute('aria-sort')"), "ascending")
        self.assertLess(names.index("c00"), names.index("c01"))
        p.click("th .sort")
        p.until("document.querySelector('thead th').getAttribute('aria-sort') === 'descending'")
        names = p.texts("tbody th")
        self.assertLess(names.index("c31"), names.index("c30"))
        p.click("#search-clusters")
        p.type("C3")
        p.until("document.querySelectorAll('tbody tr').length === 10")
        self.assertIn("10 of 64 chosen", p.text(".table-note"))
        p.type("nothing")
        p.until("/Nothing matches/.test(document.querySelector('tbody').innerText)")
        p.key("Escape")
        p.until("document.querySelectorAll('tbody tr').length === 50")
        p.click(".chip", 1)
        p.until("document.querySelectorAll('tbody tr').length === 1")
        self.assertEqual(p.texts(".chip[aria-pressed=true]"), ["Unhealthy"])
        self.quiet(p)

    def test_keyboard(self):
        p = self.open(self.door)
        p.key("Tab")
        self.assertEqual(p.active(), "Skip to what is wrong")
        self.assertNotEqual(p.eval("getComputedStyle(document.activeElement).outlineStyle"), "none")
        p.key("Enter")
        p.until("document.activeElement.id === 'main'")
        p.key("/")
        p.until("document.activeElement.id === 'search-clusters'")
        p.type("c1")
        p.until("document.querySelectorAll('tbody tr').length === 10")
        for _ in range(30):  # past the chips and the heads of columns, into the table
            p.key("Tab")
            if p.eval("!!document.activeElement.closest('tbody')"):
                break
        first = p.active()
        self.assertRegex(first, "^c1")
        p.key("ArrowDown")
        second = p.active()
        self.assertNotEqual(first, second)
        p.key("ArrowUp")
        self.assertEqual(p.active(), first)
        p.key("End")
        p.key("ArrowDown")  # there is no further one
        self.assertEqual(p.active(), p.texts("tbody th")[-1])
        time.sleep(2.5)  # a round goes by
        self.assertEqual(p.active(), p.texts("tbody th")[-1])
        p.key("Home")
        p.key("Enter")
        p.until(f"document.querySelector('h2').innerText === '{first}'")
        p.key("Escape")
        p.until("document.querySelector('h2').innerText === 'Clusters'")
        p.key("g")
        p.until("location.hash === '#glance'")
        p.key("p")
        p.until("/paused/.test(document.querySelector('#pulse').innerText)")
        time.sleep(0.5)
        asked = len(p.asked)
        time.sleep(2.5)
        self.assertEqual(len(p.asked), asked)
        p.key("p")
        p.until("document.querySelector('#pulse').innerText.trim() === 'live'")
        self.quiet(p)

    def test_theme(self):
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        p = self.open(self.door, dark=True)
        dark = p.eval(ground)
        p.media(dark=False)
        light = p.eval(ground)
        self.assertNotEqual(dark, light)
        p.click("#theme")
        p.click("#theme")
        self.assertEqual((p.text("#theme"), p.eval(ground)), ("Theme: dark", dark))
        p.goto(url(self.door, "clusters"))
        p.do("Page.reload")
        p.until("document.querySelector('#theme')?.innerText === 'Theme: dark'")
        self.assertEqual(p.eval(ground), dark)
        p.media(dark=True)
        p.click("#theme")
        p.click("#theme")
        self.assertEqual((p.text("#theme"), p.eval(ground)), ("Theme: light", light))

    def test_hidden_tabs_do_not_ask(self):
        p = self.open(self.door)
        p.eval("Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true}); window.away = true; "
               "document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(0.5)
        asked = len(p.asked)
        time.sleep(3)
        self.assertEqual(len(p.asked), asked)
        p.eval("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        wait_for("the next question", lambda: len(p.asked) > asked)

    def test_hostile_names(self):
        p = self.open(self.door, "clusters")
        p.until("document.querySelectorAll('tbody tr').length === 50")
        p.click("#search-clusters")
        p.type("onerror")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        self.assertEqual(p.texts("tbody th"), [EVIL])
        p.click("tbody th a")
        p.until("document.querySelector('h2').innerText.startsWith('<img')")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        self.go(p, "clusters")
        p.click("#search-clusters")
        p.type("invoice")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        self.assertEqual(p.texts("tbody th"), ["invoice\\u{202e}gnp.exe"])
        self.go(p, "refused")
        p.until("document.querySelectorAll('tbody tr:not(.empty)').length > 2")
        self.assertIn("onerror=alert(1)", p.text("tbody"))
        for view in VIEWS:
            self.go(p, view)
            self.assertEqual(p.eval("document.querySelectorAll('img, iframe, object, script[src]').length"), 0)
            self.assertNotIn("\u202e", p.text())
        self.quiet(p)

    def test_no_markup_can_be_made_of_text(self):
        """Whatever a mistake in the page would do, the browser will not."""
        p = self.open(self.door)
        self.assertEqual(p.eval("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (e) { return e.name; } })()"), "TypeError")
        self.assertEqual(p.eval("fetch('http://127.0.0.1:1/').then(() => 'done', (e) => e.name)"), "TypeError")
        self.assertTrue([s for s in p.said if "Content Security Policy" in s], p.said)

    def test_refused_requests(self):
        p = self.open(self.door, "refused")
        p.until("document.querySelectorAll('tbody tr:not(.empty)').length > 3")
        p.click("#search-refused")
        p.type("wp-login")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        p.key("Tab")
        p.click("tbody .opener")
        p.until("document.querySelector('.opened') !== null")
        opened = p.text(".opened")
        self.assertIn("origin_shield", opened)
        self.assertIn("refused it", opened)
        self.assertIn("origin_shield_refused{secret_header}", opened)
        self.assertEqual(p.eval("document.querySelector('.opener').getAttribute('aria-expanded')"), "true")
        p.away()
        self.pictures(p, "refused-opened")
        p.key("Escape")
        p.until("document.querySelector('.opened') === null")
        p.call("() => { const i = document.querySelector('#search-refused'); i.value = ''; i.dispatchEvent(new Event('input')); }")
        p.call("() => { const s = document.querySelector('#select-refused-0'); s.value = '401'; s.dispatchEvent(new Event('change')); }")
        p.until("document.querySelectorAll('tbody tr').length === 3")
        self.assertEqual(set(p.texts("tbody td.n")), {"401"})
        p.click("tbody .opener")
        steps = p.texts(".walk li")
        self.assertRegex(steps[0], r"^origin_shield\s+let it pass")
        self.assertRegex(steps[1], r"^jwt\s+refused it")
        self.quiet(p)

    def test_axe(self):
        """Every view, light and dark, wide and on a phone: axe-core finds nothing."""
        script = subprocess.run([os.path.join(ROOT, "scripts", "axe")], capture_output=True, text=True, check=False, timeout=400)
        if script.returncode:
            self.skipTest(script.stderr.strip())
        with open(script.stdout.strip(), encoding="utf-8") as f:
            axe = f.read()
        run = """axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(
            (r) => r.violations.map((v) => `${v.impact} ${v.id}: ${v.help}; ` + v.nodes.map((n) => n.html + ' ' + n.failureSummary).slice(0, 3).join(' ')))"""
        n = 0
        for dark in (False, True):
            for width in (1280, 360):
                p = self.open(self.door, dark=dark, width=width)
                p.eval(axe + "; 0")
                for view in (*VIEWS, "cluster/dead"):
                    self.go(p, view)
                    p.until("document.querySelector('.view').innerText.length > 60")
                    if view in ("listeners", "filters", "refused"):
                        p.until("document.querySelector('.opener') !== null")
                        p.click(".opener")
                        p.away()
                    self.assertEqual(p.eval(run), [], f"{view}, {'dark' if dark else 'light'}, {width}")
                    n += 1
        print(f"axe-core finds nothing in {n} views", flush=True)


class Changes(Case):
    def start(self, port=None, **admin):
        port = port or free_port()
        conf = config([listener(free_port(), [route_to("o")])], [cluster("o", self.origin.port)])
        conf["admin"] = {"address": address(port), **admin}
        s = Sallyport(conf, wait=False)
        s.admin = port
        wait_for("sallyport to listen", s.is_ready)
        self.addCleanup(s.kill)
        return s

    def test_stale_and_back(self):
        s = self.start()
        p = self.open(s)
        self.assertIn("Nothing is wrong", p.text("h2"))
        s.kill()
        p.until("document.querySelector('#stale') !== null", 20)
        self.assertRegex(p.text("#pulse"), r"stale since \d\d:\d\d:\d\d")
        self.assertIn("does not answer", p.text("#alerts"))
        self.assertIn("Nothing is wrong", p.text("h2"))  # what was known stays
        p.picture("stale-light")
        self.start(s.admin)
        p.until("document.querySelector('#stale') === null", 20)
        self.assertIn("answers again", p.text("#alerts"))
        self.assertEqual(p.text("#pulse").strip(), "live")

    def test_alerts_are_said(self):
        s = self.start()
        p = self.open(s)
        self.assertEqual(p.text("#alerts"), "")
        s.get("/healthcheck/fail", "POST")
        p.until("/ready says no/.test(document.querySelector('#alerts').innerText)", 20)
        self.assertEqual(p.eval("[document.querySelector('#alerts').getAttribute('aria-live'), document.querySelector('#alerts').getAttribute('role')].join()"), "polite,status")
        s.get("/healthcheck/ok", "POST")
        p.until("/Nothing is wrong any more/.test(document.querySelector('#alerts').innerText)", 20)

    def test_what_changes_something_is_asked_first(self):
        s = self.start()
        p = self.open(s, "config")
        p.until("document.querySelectorAll('.buttons button').length > 3")
        before = s.stat("config_reload.attempt")
        p.click(".card .buttons button")
        p.until("document.querySelector('#ask').open")
        self.assertEqual(p.active(), "Leave it as it is")
        p.picture("ask-light")
        p.key("Escape")
        p.until("!document.querySelector('#ask').open")
        self.assertEqual([m for m, _ in p.asked if m != "GET"], [])
        p.click(".card .buttons button")
        p.until("document.querySelector('#ask').open")
        p.key("Tab")
        self.assertEqual(p.active(), "Load the config anew")
        p.key("Enter")
        p.until("/^Done: unchanged/.test(document.querySelector('#done').innerText)")
        self.assertEqual(s.stat("config_reload.attempt"), before + 1)
        p.click(".card .buttons button", 1)
        p.until("document.querySelector('#ask').open")
        p.click("#ask-yes")
        wait_for("/ready to say no", lambda: s.get("/ready")[0] == 503)
        self.assertEqual(p.said, [])

    def test_refused_config(self):
        s = self.start()
        p = self.open(s)
        with open(s.config_path, "r+", encoding="utf-8") as f:
            text = f.read().replace('"connect_timeout": "2s"', '"connect_timeout": "soon <b>"')
            f.seek(0)
            f.write(text)
            f.truncate()
        s.get("/reload", "POST")
        p.until("/A newer config was refused/.test(document.querySelector('.view').innerText)", 20)
        self.assertIn("soon <b>", p.text(".wrong"))
        p.click(".wrong .go")
        p.until("document.querySelector('pre') !== null")
        self.assertRegex(p.text("pre"), r"json:\d+:\d+: static_resources\.clusters\[0\]\.connect_timeout")
        p.picture("refused-config-light")

    def test_files_that_fail_and_age(self):
        """Of each a sentence: a secret and a list whose newer version was refused, and a list that is older than a month."""
        def write(name, text, age_days=0):
            path = work(name)
            with open(path + ".new", "w", encoding="ascii") as f:
                f.write(text)
            os.utime(path + ".new", (time.time() - age_days * 86400,) * 2)
            os.rename(path + ".new", path)
            return path
        gate = shield(proof={"any_of": {"proofs": [
            {"secret_header": {"secrets": [{"name": "rotating", "value": {"filename": write("dash-secret", SECRET + "\n")}}]}},
            {"peer_address": {"cidrs": ["192.0.2.1"], "lists": [{"name": "cdn-old", "path": write("dash-old", "192.0.2.0/24\n", 41)},
                                                                {"name": "cdn-new", "path": write("dash-new", "192.0.2.0/24\n")}]}}]}})
        s = Sallyport(config([listener(free_port(), [route_to("o")], [gate])], [cluster("o", self.origin.port)]))
        self.addCleanup(s.stop)
        p = self.open(s)
        p.until("/1 address list is older than 30 days: the CDN may have new addresses/.test(document.querySelector('.wrong')?.innerText)")
        self.assertRegex(p.text(".wrong"), r"cdn-old \(\d+ d")
        self.assertNotIn("could not be read anew", p.text(".wrong"))
        write("dash-secret", "\n")
        p.until("/1 secret could not be read anew; the old one serves on/.test(document.querySelector('.wrong').innerText)", 20)
        self.assertIn("rotating", p.text(".wrong"))
        write("dash-new", "nonsense\n")
        p.until("/1 address list could not be read anew; the old one serves on/.test(document.querySelector('.wrong').innerText)", 20)
        self.assertIn("cdn-new", p.text(".wrong"))
        write("dash-secret", SECRET + "-next\n")
        p.until("!/secret could not be read anew/.test(document.querySelector('.wrong').innerText)", 20)
        self.assertEqual(p.said, [])

    def test_refusals_that_rise(self):
        s = Sallyport(config([listener(free_port(), [route_to("o")], [shield()])], [cluster("o", self.origin.port)]))
        self.addCleanup(s.stop)
        p = self.open(s)
        p.eval("(() => { for (let i = 0; i < 100; i++) data.memory.past('t refused', 0.1); })()")  # some minutes with one in ten seconds
        self.assertNotIn("Refusals have risen", p.text(".view"))

        def risen():
            raw(s.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n" * 20, 0.2)
            return p.eval("/Refusals have risen to [\\d.,]+ a second, from 0?.1\\d*\\./.test(document.querySelector('.wrong')?.innerText)")
        wait_for("the sentence", risen, 40)
        self.assertIn("Most by origin_shield", p.text(".wrong"))
        self.assertEqual(p.said, [])

    def test_full_and_overloaded(self):
        """A circuit breaker that is open, an overload manager at work."""
        pressure = work("pressure")
        with open(pressure, "w", encoding="ascii") as f:
            f.write("0.5")
        deaf = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(deaf.close)
        conf = config([listener(free_port(), [route_to("deaf")])], [
            cluster("deaf", deaf.getsockname()[1], circuit_breakers={"thresholds": [{"max_requests": 1}]})])
        conf["overload_manager"] = {"refresh_interval": "0.1s", "resource_monitors": [{"name": "told", "typed_config": {
            "@type": T + "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig", "filename": pressure}}],
            "actions": [{"name": "envoy.overload_actions.stop_accepting_requests", "triggers": [{"name": "told", "threshold": {"value": 0.9}}]}]}
        conf["layered_runtime"] = {"layers": [{"name": "limits", "static_layer": {"envoy.resource_limits.listener.door.connection_limit": 1}}]}
        s = Sallyport(conf)
        self.addCleanup(s.kill)
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
            wait_for("the breaker to open", lambda: json.loads(s.get("/overview")[1])["clusters"][0]["breakers_open"] == ["requests"])
            p = self.open(s)
            p.until("/a circuit breaker is open/.test(document.querySelector('.wrong')?.innerText)")
            self.assertIn("deaf (requests)", p.text(".wrong"))
            with open(pressure + ".new", "w", encoding="ascii") as f:
                f.write("0.95")
            os.rename(pressure + ".new", pressure)
            p.until("/overloaded/.test(document.querySelector('.wrong').innerText)", 20)
            self.assertIn("stop_accepting_requests", p.text(".wrong"))
            self.assertNotIn("a limit is reached", p.text(".wrong"))
            for _ in range(3):
                raw(s.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n", 1)
            p.until("/1 listener turns connections away: a limit is reached/.test(document.querySelector('.wrong').innerText)", 20)
        self.assertEqual(p.said, [])

    def test_read_only(self):
        """allow_paths: what is not allowed is neither shown nor asked for."""
        s = self.start(allow_paths=[{"exact": "/"}, {"exact": "/overview"}, {"exact": "/ready"}])
        p = self.open(s, "config")
        p.until("document.querySelector('.facts') !== null")
        self.assertEqual(p.texts(".view button"), [])
        for view in VIEWS:
            self.go(p, view)
        p.until("document.querySelector('.view') !== null")
        self.assertEqual({u.split("?")[0].rsplit("/", 1)[1].split("#")[0] for _, u in p.asked if not u.startswith("data:")}, {"", "overview"})
        self.assertEqual(p.said, [])

    def test_on_another_listener(self):
        """admin_pages: what it does not let be asked is asked once, and nothing can be changed."""
        pages = {"name": "pages", "typed_config": {"@type": T + "sallyport.filters.http.admin_pages.v1.AdminPages",
                                                   "allow_paths": [{"exact": "/"}, {"exact": "/overview"}, {"exact": "/secrets"}]}}
        s = Sallyport(config([listener(free_port(), [route_to("o", "/o")], [pages])], [cluster("o", self.origin.port)]))
        self.addCleanup(s.kill)
        at = f"http://127.0.0.1:{s.port}/"
        self.assertEqual(curl(at).headers["content-security-policy"], curl(url(s)).headers["content-security-policy"])
        p = self.browser.page()
        self.addCleanup(p.close)
        p.goto(at)
        p.until("typeof shown !== 'undefined' && shown !== null && /Nothing is wrong/.test(document.querySelector('h2').innerText)")
        self.go(p, "config")
        p.until("document.querySelector('.facts') !== null")
        self.assertEqual(p.texts(".view button"), [])
        self.go(p, "secrets")
        overviews = len([u for _, u in p.asked if "/overview" in u])
        wait_for("two more rounds", lambda: len([u for _, u in p.asked if "/overview" in u]) > overviews + 1)
        self.assertEqual(len([u for _, u in p.asked if "/refused" in u]), 1)
        self.assertEqual(p.text("#pulse").strip(), "live")

    def test_not_even_the_overview(self):
        s = self.start(allow_paths=[{"exact": "/"}, {"exact": "/ready"}])
        p = self.browser.page()
        self.addCleanup(p.close)
        p.goto(url(s))
        p.until("/allow_paths/.test(document.querySelector('main').innerText)")


class Many(Case):
    def test_a_thousand_clusters(self):
        """Ten thousand hosts: a page of rows at a time, and a round that takes the browser no longer than a moment."""
        hosts = [free_port() for _ in range(10)]
        clusters = [cluster(f"service-{i:04}", *hosts) for i in range(1000)]
        s = Sallyport(config([listener(free_port(), [route_to("service-0000")])], clusters))
        self.addCleanup(s.stop)
        p = self.open(s, "clusters")
        p.until("document.querySelectorAll('tbody tr').length === 50", 30)
        self.assertIn("1,000 in all", p.text(".table-note"))
        self.assertLess(p.eval("document.querySelectorAll('*').length"), 2000)
        took = p.eval("""(async () => { const o = await ask(`/overview?format=json&limit=10000`), times = [];
            for (let i = 0; i < 5; i++) { const copy = structuredClone(o), began = performance.now(); copy.at_ms += (i + 1) * 2000;
                data.now = understand(copy); data.heard.forEach((f) => f()); times.push(performance.now() - began); }
            return times.sort((a, b) => a - b)[2]; })()""")
        print(f"a round of 1,000 clusters takes the page {took:.0f} ms", flush=True)
        self.assertLess(took, 500 * SLOW)
        p.key("/")
        began = time.time()
        p.type("0777")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        print(f"a search takes {(time.time() - began) * 1000:.0f} ms", flush=True)
        p.picture("thousand-light")
        p.click("tbody th a")
        p.until("document.querySelectorAll('tbody tr').length === 10")
        self.assertEqual(p.said, [])
