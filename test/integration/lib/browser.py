# SPDX-License-Identifier: GPL-2.0-or-later
"""Headless Chromium, driven over its DevTools protocol through a pair of pipes: real clicks and keys, pictures, and what the page
asked of the network or said on its console. Debian's package `chromium`; no driver, no other library."""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time

from harness import ROOT, SLOW, wait_for, work

PICTURES = os.path.join(ROOT, "build", "screenshots")
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# name of a key -> (code, Windows' number, text)
KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""), "ArrowDown": ("ArrowDown", 40, ""),
        "ArrowUp": ("ArrowUp", 38, ""), "Home": ("Home", 36, ""), "End": ("End", 35, ""), "PageDown": ("PageDown", 34, ""),
        "PageUp": ("PageUp", 33, ""), " ": ("Space", 32, " "), "/": ("Slash", 191, "/")}


class Browser:
    def __init__(self):
        self.profile = work(f"chromium-{time.time_ns()}")
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        # DevTools' pipes are descriptors 3 and 4: a shell puts them there (bash: dash knows none above 9), and so they must not be these now.
        to_read, from_write = (self.high(fd) for fd in (to_read, from_write))
        argv = [PROGRAM, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "--no-first-run",
                "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-extensions", "--no-default-browser-check", "--force-color-profile=srgb",
                # Whatever the browser itself would ask of the world ends here.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--lang=en"]
        if os.getuid() == 0:
            argv.append("--no-sandbox")
        self.log = open(work("chromium.log"), "ab")
        self.p = subprocess.Popen(["/bin/bash", "-c", f'exec 3<&{to_read} 4>&{from_write}; exec "$0" "$@"', *argv, "about:blank"],
                                  pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  env=dict(os.environ, HOME=self.profile))
        os.close(to_read)
        os.close(from_write)
        self.out, self.into = os.fdopen(to_write, "wb", 0), os.fdopen(from_read, "rb", 0)
        self.lock, self.answers, self.number, self.pages, self.ended = threading.Condition(), {}, 0, {}, False
        threading.Thread(target=self.listen, daemon=True).start()

    @staticmethod
    def high(fd):
        copy = fcntl.fcntl(fd, fcntl.F_DUPFD, 10)
        os.close(fd)
        return copy

    def listen(self):
        rest = b""
        while True:
            try:
                piece = self.into.read(1 << 20)
            except (OSError, ValueError):
                piece = b""
            if not piece:
                break
            rest += piece
            *whole, rest = rest.split(b"\0")
            for text in whole:
                self.take(json.loads(text))
        with self.lock:
            self.ended = True
            self.lock.notify_all()

    def take(self, message):
        with self.lock:
            if "id" in message:
                self.answers[message["id"]] = message
                self.lock.notify_all()
            elif message.get("sessionId") in self.pages:
                self.pages[message["sessionId"]].hear(message["method"], message["params"])

    def call(self, method, session=None, **params):
        with self.lock:
            self.number += 1
            number = self.number
            message = {"id": number, "method": method, "params": params}
            if session:
                message["sessionId"] = session
            self.out.write(json.dumps(message).encode() + b"\0")
            end = time.time() + 30 * SLOW
            while number not in self.answers:
                assert not self.ended, "Chromium has ended: " + self.said()
                assert self.lock.wait(max(0, end - time.time())), f"Chromium does not answer {method}"
            answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def page(self, width=1280, height=900, **how):
        return Page(self, width, height, **how)

    def close(self):
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(10)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        self.out.close()
        self.log.close()


class Page:
    """One tab, with a storage of its own."""

    def __init__(self, browser, width, height, dark=False, still=True):
        self.browser, self.said, self.asked, self.failed = browser, [], [], []
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")
        self.size(width, height)
        self.media(dark, still)

    def do(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def hear(self, method, p):
        """In the listener's thread."""
        if method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            self.said.append(" ".join(str(a.get("value", a.get("description"))) for a in p["args"]))
        elif method == "Runtime.exceptionThrown":
            d = p["exceptionDetails"]
            self.said.append(d.get("exception", {}).get("description", d["text"]))
        elif method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            self.said.append(f"{p['entry']['text']} {p['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.asked.append((p["request"]["method"], p["request"]["url"]))

    def size(self, width, height, mobile=False):
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        if mobile:
            self.do("Emulation.setTouchEmulationEnabled", enabled=True)

    def media(self, dark=False, still=True):
        self.do("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def goto(self, url):
        self.do("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def eval(self, code):
        """The value of an expression, awaited."""
        r = self.do("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in r, f"{code}: {r.get('exceptionDetails')}"
        return r["result"].get("value")

    def call(self, code, *args):
        """A function's text, called with values."""
        return self.eval(f"({code})({', '.join(json.dumps(a) for a in args)})")

    def until(self, code, seconds=10):
        return wait_for(code, lambda: self.eval(code), seconds)

    def text(self, selector="body"):
        return self.call("(s) => { const e = document.querySelector(s); return e ? e.innerText : null; }", selector)

    def texts(self, selector):
        return self.call("(s) => [...document.querySelectorAll(s)].map((e) => e.innerText.trim())", selector)

    def active(self):
        """Where the focus is, in words."""
        return self.eval("document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName")

    def click(self, selector, nth=0):
        """With the mouse, in the middle of what is there."""
        place = self.call("""(s, n) => { const e = document.querySelectorAll(s)[n]; if (!e) return null; e.scrollIntoView({block: 'center'});
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }""", selector, nth)
        assert place, f"nothing is {selector}[{nth}]"
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="none" if kind == "mouseMoved" else "left", clickCount=1)

    def away(self):
        """The mouse off everything."""
        self.do("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1, button="none")

    def key(self, key, shift=False):
        code, number, text = KEYS.get(key) or (f"Key{key.upper()}", ord(key.upper()), key)
        press = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        self.do("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **press, **({"text": text} if text else {}))
        self.do("Input.dispatchKeyEvent", type="keyUp", **press)

    def type(self, text):
        self.do("Input.insertText", text=text)

    def picture(self, name, whole=False):
        """Leaves it in build/screenshots and says where."""
        os.makedirs(PICTURES, exist_ok=True)
        more = {}
        if whole:
            box = self.eval("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            more = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": box[0], "height": min(box[1], 6000), "scale": 1}}
        data = base64.b64decode(self.do("Page.captureScreenshot", format="png", **more)["data"])
        path = os.path.join(PICTURES, name + ".png")
        with open(path, "wb") as f:
            f.write(data)
        print(f"screenshot: {path}", flush=True)
        return path

    def close(self):
        self.browser.pages.pop(self.session, None)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
