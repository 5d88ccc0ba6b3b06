// SPDX-License-Identifier: GPL-2.0-or-later
// Asks the admin for /overview again and again, and makes rates of its counters, which run since the start.
"use strict";

const EVERY_MS = 2000, WINDOW = 6; // rates are over the last 5 rounds: 10 s
const MAY = (document.documentElement.dataset.may || "").split(" "); // paths that allow_paths leaves open
const may = (path) => MAY.includes(path), mayChange = (path) => MAY.includes(`+${path}`);

// Another listener's filter says no for itself: what it does not let be asked is asked once.
function forget(path, status) {
    if ((status === 403 || status === 404) && path !== "/overview" && may(path))
        MAY.splice(MAY.indexOf(path), 1);
}

// A counter's change a second; NaN until it has been seen twice.
class Counter {
    constructor() {
        this.at = [];
        this.v = [];
    }
    add(at, v) {
        if (v < this.v[this.v.length - 1])
            this.at = [], this.v = []; // a new process, or /reset_counters
        this.at.push(at);
        this.v.push(v);
        if (this.v.length > WINDOW) {
            this.at.shift();
            this.v.shift();
        }
        return this.rate;
    }
    get grown() {
        return this.v.length < 2 ? NaN : this.v[this.v.length - 1] - this.v[0];
    }
    get rate() {
        const s = (this.at[this.at.length - 1] - this.at[0]) / 1000;
        return s > 0 ? this.grown / s : NaN;
    }
}

// Counters and lines by name, for what lives as long as it is in the answers.
class Memory {
    constructor() {
        this.of = new Map();
        this.round = 0;
    }
    begin() {
        this.round++;
    }
    entry(key, make) {
        let e = this.of.get(key);
        if (!e)
            this.of.set(key, e = make());
        e.round = this.round;
        return e;
    }
    rate(key, at, v) {
        return this.entry(key, () => new Counter()).add(at, v);
    }
    counter(key) {
        return this.of.get(key);
    }
    past(key, v) {
        const p = this.entry(key, () => new Past());
        p.add(v);
        return p;
    }
    end() {
        for (const [key, e] of this.of)
            if (e.round !== this.round)
                this.of.delete(key);
    }
}

const sum = (list, f) => list.reduce((n, x) => n + f(x), 0);

const data = {
    memory: new Memory(),
    now: null, // the last overview, with what was made of it
    refusedNow: null, // the last /refused
    failedSince: null, // milliseconds; null while the admin answers
    why: "",
    paused: false,
    heard: [], // who is told when there is something new
};

async function ask(path, options) {
    const limit = new AbortController(), timer = setTimeout(() => limit.abort(), 10000);
    try {
        const answer = await fetch(path, Object.assign({cache: "no-store", credentials: "same-origin", redirect: "error", signal: limit.signal}, options));
        if (!answer.ok && !(options && options.any)) {
            forget(path.split("?")[0], answer.status);
            throw new Error(`${path} answered ${answer.status}`);
        }
        return options && options.any ? {status: answer.status, text: await answer.text()} : await answer.json();
    } finally {
        clearTimeout(timer);
    }
}

// --- what is made of an answer

function clusterOf(c, at) {
    const m = data.memory, key = `c ${c.name} `, rq = c.requests;
    const errors = m.rate(key + "5xx", at, rq["5xx"]), done = m.rate(key + "done", at, rq.completed);
    const share = m.counter(key + "done").grown > 0 ? m.counter(key + "5xx").grown / m.counter(key + "done").grown : is(done) ? 0 : NaN;
    const quick = c.request_ms.last;
    const overflow = sum([["pending", rq.pending_overflow], ["cx", c.connections.overflow]], ([k, v]) => m.rate(key + k, at, v) || 0);
    c.rate = m.rate(key + "rq", at, rq.total);
    c.errors = errors;
    c.share = share;
    c.p50 = quick.count ? quick.p50 : NaN;
    c.p99 = quick.count ? quick.p99 : NaN;
    c.overflow = overflow;
    c.down = c.hosts.total - c.hosts.healthy - c.hosts.degraded;
    c.noneHealthy = m.rate(key + "none", at, c.connections.none_healthy) || 0;
    c.connectFails = m.rate(key + "fail", at, c.connections.connect_fail) || 0;
    c.past = m.past(key + "past", c.rate);
    c.open = c.breakers_open;
    c.level = !c.hosts.total || c.down >= c.hosts.total ? "bad" : c.share >= 0.2 && c.errors >= 0.5 ? "bad"
        : c.down > 0 || c.overflow > 0 || c.open.length || c.share >= 0.05 && c.errors >= 0.1 ? "warn" : "good";
}

function listenerOf(l, at) {
    const m = data.memory, key = `l ${l.name} `;
    l.rate = m.rate(key + "cx", at, l.connections.total);
    l.refusedTotal = sum(Object.values(l.refused), (n) => n);
    l.refusedRate = m.rate(key + "refused", at, l.refusedTotal);
    l.past = m.past(key + "past", l.rate);
}

// Where a filter counts, in words: "http.door" is the connection manager door, "listener.0.0.0.0_8443" a listener.
const scopeOf = (scope) => scope.replace(/^http\./, "").replace(/^listener\./, "listener ");
const GATES = new Set(["origin_shield", "header_certificate", "ip_restriction"]);

function filterOf(f, at) {
    const m = data.memory, key = `f ${f.scope} ${f.filter} `;
    f.key = key;
    f.gate = GATES.has(f.filter);
    f.where = scopeOf(f.scope);
    f.allowedRate = m.rate(key + "allowed", at, f.allowed);
    f.deniedRate = m.rate(key + "denied", at, f.denied);
    f.shadowRate = m.rate(key + "shadow", at, f.shadow_denied);
    f.errorRate = m.rate(key + "errors", at, f.errors);
    f.past = m.past(key + "past", f.deniedRate);
}

function managerOf(h, at) {
    const m = data.memory, key = `h ${h.stat_prefix} `, rq = h.requests;
    h.rate = m.rate(key + "rq", at, rq.total);
    h.errors = m.rate(key + "5xx", at, rq["5xx"]);
    h.refusedRate = m.rate(key + "4xx", at, rq["4xx"]);
    h.noRoute = m.rate(key + "route", at, rq.no_route);
}

function headlines(o, at) {
    const m = data.memory, hcm = o.connection_managers;
    const slowest = hcm.filter((h) => h.request_ms.last.count).map((h) => h.request_ms.last.p99);
    const t = {rate: sum(hcm, (h) => h.rate), errors: sum(hcm, (h) => h.errors), p99: slowest.length ? Math.max(...slowest) : NaN,
        connections: sum(o.listeners, (l) => l.connections.active), refused: sum(o.filters, (f) => f.deniedRate) + sum(hcm, (h) => h.noRoute) + sum(o.listeners, (l) => l.refusedRate)};
    t.share = t.rate > 0 ? Math.min(1, t.errors / t.rate) : is(t.rate) ? 0 : NaN;
    t.past = {rate: m.past("t rate", t.rate), share: m.past("t share", t.share), refused: m.past("t refused", t.refused),
        p99: m.past("t p99", t.p99), connections: m.past("t cx", t.connections)};
    return t;
}

function understand(o) {
    const at = o.at_ms, was = data.now;
    if (was && o.server.uptime_seconds < was.server.uptime_seconds)
        data.memory = new Memory();
    data.memory.begin();
    o.clusters.forEach((c) => clusterOf(c, at));
    o.listeners.forEach((l) => listenerOf(l, at));
    o.filters.forEach((f) => filterOf(f, at));
    o.connection_managers.forEach((h) => managerOf(h, at));
    o.headlines = headlines(o, at);
    o.wrong = whatIsWrong(o); // which remembers counters, too
    data.memory.end();
    return o;
}

// --- round after round

const PAGE = 10000; // clusters in one answer, the most that the admin gives

async function round() {
    const began = performance.now();
    try {
        data.now = understand(await ask(`/overview?format=json&limit=${PAGE}`));
        data.failedSince = null;
        data.at = Date.now();
        if (may("/refused"))
            data.refusedNow = await ask("/refused?format=json").catch(() => data.refusedNow);
    } catch (e) {
        data.failedSince = data.failedSince || data.at || Date.now();
        data.why = e.name === "AbortError" ? "no answer in 10 s" : e.message;
    }
    data.heard.forEach((f) => f());
    return performance.now() - began;
}

// The next round two seconds after this one, or later where an answer takes long; none while nobody looks.
async function poll() {
    clearTimeout(data.timer);
    if (data.paused || document.hidden || data.asking)
        return;
    data.asking = true;
    const took = await round();
    data.asking = false;
    clearTimeout(data.timer);
    data.timer = setTimeout(poll, Math.max(EVERY_MS, took * 5));
}

document.addEventListener("visibilitychange", poll);
