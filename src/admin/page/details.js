// SPDX-License-Identifier: GPL-2.0-or-later
// Views of one thing, or of what changes seldom: these ask for more than the overview has, and less often.
"use strict";

// Asks for `path` at once and every `rounds` rounds; the last answer, or null. `after` is told of it.
function slowly(path, rounds, after) {
    let n = 0, gone = false, waits = false;
    return {async tick() {
        if (waits || n++ % rounds() || gone || !may(path.split("?")[0]))
            return;
        waits = true;
        try {
            const answer = await ask(path);
            if (!gone)
                after(answer);
        } catch (e) {
            n = 0; // again with the next round
            if (!gone)
                after(null, e.message);
        }
        waits = false;
    }, stop() {
        gone = true;
    }};
}

// --- one cluster

const HEALTH = {healthy: ["good", "healthy"], degraded: ["warn", "degraded"], unhealthy: ["bad", "unhealthy"]};
const MANY_HOSTS = 500; // more than these are asked for less often

const FLAGS = {failed_active_hc: "health check fails", failed_outlier_check: "ejected: too many errors", failed_eds_health: "said to be unhealthy", degraded_active_hc: "health check says degraded", degraded_eds_health: "said to be degraded",
    pending_active_hc: "not checked yet", excluded_via_immediate_hc_fail: "asked to be left out", active_hc_timeout: "health check timed out", eds_status_draining: "draining", pending_dynamic_removal: "about to go"};

function whyOf(h) {
    const flags = (h.flags || "").split("/").filter((f) => f && f !== "healthy");
    return flags.map((f) => FLAGS[f] || f).join(", ");
}

function hostOf(h, at, memory) {
    const rq = h.requests, key = `${h.address} ${h.priority} ${h.zone} `;
    h.rate = memory.rate(key + "rq", at, rq.total);
    memory.rate(key + "err", at, rq.error + rq.timeout);
    const grown = memory.counter(key + "rq").grown;
    h.share = grown > 0 ? Math.min(1, memory.counter(key + "err").grown / grown) : is(h.rate) ? 0 : NaN;
    h.fails = memory.rate(key + "fail", at, h.connections.connect_fail);
    h.key = key;
    return h;
}

const hostColumns = () => [
    {key: "address", label: "Host", head: true, value: (h) => h.address, cell: (h, m) => kept(m, h.address + h.hostname, () => el("span", null, name(h.address), h.hostname && !h.address.startsWith(h.hostname) ? el("span", {class: "sub"}, name(h.hostname)) : null))},
    {key: "health", label: "Health", value: (h) => ({unhealthy: 3, degraded: 2}[h.health] || 1), cell: (h, m) => kept(m, h.health + h.flags, () => el("span", null, state(...(HEALTH[h.health] || ["idle", h.health])), el("span", {class: "sub"}, whyOf(h))))},
    {key: "rate", label: "Requests/s", num: true, value: (h) => h.rate, cell: (h) => rate(h.rate)},
    {key: "share", label: "Errors", num: true, value: (h) => h.share, cell: (h, m) => kept(m, percent(h.share), () => el("span", null, colour(percent(h.share), shareLevel(h.share))))},
    {key: "active", label: "Requests open", num: true, wide: 1, value: (h) => h.requests.active, cell: (h) => count(h.requests.active)},
    {key: "cx", label: "Connections", num: true, wide: 1, value: (h) => h.connections.active, cell: (h) => count(h.connections.active)},
    {key: "fail", label: "Failed connects", num: true, wide: 1, value: (h) => h.connections.connect_fail, cell: (h) => count(h.connections.connect_fail)},
    {key: "timeout", label: "Timeouts", num: true, wide: 2, value: (h) => h.requests.timeout, cell: (h) => count(h.requests.timeout)},
    {key: "zone", label: "Zone", wide: 2, value: (h) => h.zone, cell: (h, m) => kept(m, h.zone, () => name(h.zone || none))},
    {key: "priority", label: "Priority", num: true, wide: 2, value: (h) => h.priority, cell: (h) => count(h.priority)},
    {key: "weight", label: "Weight", num: true, wide: 2, value: (h) => h.weight, cell: (h) => count(h.weight)},
];

const BREAKERS = [["cx", "connections"], ["rq_pending", "waiting requests"], ["rq", "requests"], ["rq_retry", "retries"]];
const LEFT = {cx: "remaining_cx", rq_pending: "remaining_pending", rq: "remaining_rq", rq_retry: "remaining_retries"};

// The circuit breakers of a cluster, out of its stats; what is left is counted where track_remaining says so.
function breakersOf(stats, cluster) {
    const prefix = `cluster.${cluster}.circuit_breakers.`, byName = new Map(stats.filter((s) => s.name && s.name.startsWith(prefix)).map((s) => [s.name.slice(prefix.length), s.value]));
    return ["default", "high"].flatMap((p) => BREAKERS.filter(([k]) => byName.has(`${p}.${k}_open`)).map(([k, words]) =>
        ({words: p === "high" ? `${words}, high priority` : words, open: byName.get(`${p}.${k}_open`) > 0, left: byName.get(`${p}.${LEFT[k]}`)})));
}

const inStats = (text) => text.replaceAll(":", "_");
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function viewCluster(rest) {
    const cluster = decodeURIComponent(rest), heading = el("h2", {tabindex: "-1"}, name(cluster)), now = el("p", {class: "lead"}), numbers = el("div", {class: "card"}), breakers = el("div", {class: "card"}), memory = new Memory();
    const tiles = {rate: new Tile("Requests a second"), share: new Tile("Errors", "bad"), p50: new Tile("Median"), p99: new Tile("99 % within"), cx: new Tile("Open connections")};
    const pasts = {share: new Past(), p50: new Past(), p99: new Past(), cx: new Past()};
    const table = new Table({id: "hosts", caption: "Hosts", key: (h) => h.key, sort: ["health", "desc"], columns: hostColumns(), text: (h) => `${h.address} ${h.hostname} ${h.zone} ${whyOf(h)}`, empty: "It has no hosts.",
        chips: [{label: "All", test: null}, {label: "Unhealthy", test: (h) => h.health !== "healthy"}, {label: "With errors", test: (h) => h.share > 0}]});
    let hosts = 0;
    const detail = slowly(`/overview?format=json&cluster=${encodeURIComponent(cluster)}&limit=${PAGE}`, () => hosts > MANY_HOSTS ? 5 : 1, (c, why) => {
        if (!c) {
            setText(now, /404/.test(why) ? "There is no cluster of this name any more." : `No answer: ${why}`);
            return;
        }
        hosts = c.n_endpoints;
        memory.begin();
        table.update(c.endpoints.map((h) => hostOf(h, data.now ? data.now.at_ms : Date.now(), memory)));
        memory.end();
    });
    const stats = may("/stats") ? slowly(`/stats?format=json&filter=${encodeURIComponent(`^cluster\\.${escaped(inStats(cluster))}\\.circuit_breakers\\.`)}`, () => 2, (s) => {
        const list = s ? breakersOf(s.stats, inStats(cluster)) : [];
        breakers.replaceChildren(el("h3", null, "Circuit breakers"), list.length ? facts(list.map((b) => [b.words, el("span", null, state(b.open ? "bad" : "good", b.open ? "open" : "closed"), b.left ? `, ${count(b.left)} more allowed` : "")])) : el("p", {class: "lead"}, "Not known."));
    }) : null;
    return {title: plain(cluster), parent: "clusters", table, node: el("div", {class: "view"}, el("a", {class: "back", href: "#clusters"}, "\u2190 All clusters"), heading, now,
        el("dl", {class: "tiles", "aria-label": "Traffic"}, ...Object.values(tiles).map((t) => t.node)), table.node, el("div", {class: "two"}, numbers, breakers)),
    update(o) {
        const c = o.clusters.find((c) => c.name === cluster);
        detail.tick();
        if (stats)
            stats.tick();
        if (!c)
            return;
        now.replaceChildren(state(c.level, clusterState(c)), `; ${hostsOf(c)} ${c.down ? "hosts are healthy" : c.hosts.total === 1 ? "host, healthy" : "hosts, all healthy"}.`);
        pasts.share.add(c.share), pasts.p50.add(c.p50), pasts.p99.add(c.p99), pasts.cx.add(c.connections.active);
        tiles.rate.show(rate(c.rate), "", c.past);
        tiles.share.show(percent(c.share), is(c.errors) && c.errors > 0 ? `${rate(c.errors)} a second` : "", pasts.share, shareLevel(c.share));
        tiles.p50.show(millis(c.p50), "", pasts.p50);
        tiles.p99.show(millis(c.p99), "", pasts.p99);
        tiles.cx.show(count(c.connections.active), c.requests.pending ? `${count(c.requests.pending)} requests wait` : "", pasts.cx);
        const rq = c.requests, cx = c.connections;
        numbers.replaceChildren(el("h3", null, "Since the start"), facts([["Requests", count(rq.total)], ["Answers", ["2xx", "3xx", "4xx", "5xx"].filter((k) => rq[k]).map((k) => `${count(rq[k])} with ${k}`).join(", ") || "none"],
            ["Timeouts", count(rq.timeout)], ["Retries", count(rq.retry)], c.request_ms.count ? ["Half, 90 %, 99 % answered within", [c.request_ms.p50, c.request_ms.p90, c.request_ms.p99].map(millis).join(", ")] : null, c.request_ms.count ? ["The slowest", millis(c.request_ms.max)] : null, ["Turned away, too many wait", count(rq.pending_overflow)], ["Reset by the origin", count(rq.rx_reset)], ["Connections", count(cx.total)],
            ["Failed connects", count(cx.connect_fail)], ["No healthy host to send to", count(cx.none_healthy)]]));
    }, stop() {
        detail.stop();
        if (stats)
            stats.stop();
    }};
}

// --- secrets, certificates, files

function viewSecrets() {
    let rows = null;
    const table = new Table({id: "secrets", caption: "Secrets", key: (s) => `${s.owner} ${s.name} ${s.path}`, sort: ["used", "desc"], text: (s) => `${s.name} ${s.owner} ${s.path || ""}`, empty: "The config names no secrets.", columns: [
        {key: "name", label: "Secret", head: true, value: (s) => s.name, cell: (s, m) => kept(m, s.name, () => name(s.name))},
        {key: "owner", label: "For", value: (s) => s.owner, cell: (s, m) => kept(m, s.owner, () => name(s.owner || none))},
        {key: "used", label: "Last used", value: (s) => instant(s.last_used) || 0, num: true, cell: (s) => s.hits === null ? "not counted" : ago(s.last_used)},
        {key: "hits", label: "Times used", num: true, wide: 1, value: (s) => s.hits, cell: (s) => count(s.hits)},
        {key: "source", label: "From", wide: 2, value: (s) => s.path || s.source, cell: (s, m) => kept(m, s.path || s.source || "", () => name(s.path || s.source || none))},
        {key: "loaded", label: "Loaded", wide: 1, num: true, value: (s) => instant(s.loaded), cell: (s) => s.loaded ? ago(s.loaded) : none},
        {key: "state", label: "State", value: (s) => s.refused || s.failing ? 1 : 0, cell: (s, m) => kept(m, (s.refused || s.failing) + (s.why || ""), () => s.refused || s.failing ? el("span", null, state("warn", "new version refused"), el("span", {class: "sub"}, name(s.why || ""))) : state("good", "in use"))}]});
    const more = may("/secrets") ? slowly("/secrets?format=json", () => 3, (list) => table.update(rows = list || rows || [])) : null;
    return {title: "Secrets", table, node: page("Secrets", "An old secret may go once its last use is further back than your CDN needs to change. Values are never shown.", table.node), update(o) {
        if (more)
            more.tick();
        else
            table.update(o.secrets);
    }, stop: () => more && more.stop()};
}

function viewCertificates() {
    const level = (c) => c.expired || c.days_left < CERT_BAD_DAYS ? "bad" : c.days_left < CERT_DAYS ? "warn" : "good";
    const table = new Table({id: "certificates", caption: "Certificates", key: (c) => `${c.path} ${c.subject} ${c.name} ${c.expires} ${c.at}`, sort: ["days", "asc"], text: (c) => `${c.name} ${c.subject} ${c.path}`, empty: "The config names no certificates.", columns: [
        {key: "name", label: "Certificate", head: true, value: (c) => c.name || c.subject, cell: (c, m) => kept(m, c.name + c.subject, () => el("span", null, name(c.name || c.subject || none), c.name ? el("span", {class: "sub"}, name(c.subject)) : null))},
        {key: "days", label: "Days left", num: true, value: (c) => c.expired ? -1 : c.days_left, cell: (c, m) => kept(m, String(c.days_left) + c.expired, () => el("span", null, state(level(c), c.expired ? "expired" : count(c.days_left)), bar(Math.min(1, c.days_left / 90), level(c))))},
        {key: "expires", label: "Expires", value: (c) => c.expires, wide: 1, cell: (c) => (c.expires || "").slice(0, 10) || none},
        {key: "kind", label: "Kind", wide: 1, value: (c) => c.ca ? "authority" : "certificate", cell: (c) => c.ca ? "authority" : "certificate"},
        {key: "path", label: "File", wide: 2, value: (c) => c.path, cell: (c, m) => kept(m, c.path, () => el("span", {class: "mono"}, name(c.path || none)))}]});
    return {title: "Certificates", table, node: page("Certificates", "Of listeners, of clusters, and the authorities that they trust; the first to expire stands first.", table.node), update: (o) => table.update(o.certificates.map((c, i) => Object.assign(c, {at: i})))};
}

function viewFiles() {
    const lists = new Table({id: "lists", caption: "Address lists", key: (l) => `${l.name} ${l.label}`, sort: ["age", "desc"], text: null, empty: "The config names no address lists.", columns: [
        {key: "name", label: "List", head: true, value: (l) => l.name, cell: (l, m) => kept(m, l.name, () => name(l.name || l.label))},
        {key: "entries", label: "Addresses", num: true, value: (l) => l.entries, cell: (l) => count(l.entries)},
        {key: "age", label: "Age", num: true, value: (l) => l.age_seconds, cell: (l, m) => kept(m, span(l.age_seconds), () => el("span", null, colour(span(l.age_seconds), l.age_seconds > LIST_OLD_DAYS * 86400 ? "warn" : "")))},
        {key: "loaded", label: "Loaded", num: true, wide: 1, value: (l) => instant(l.loaded), cell: (l) => ago(l.loaded)},
        {key: "state", label: "State", value: (l) => l.failing ? 1 : 0, cell: (l, m) => kept(m, String(l.failing), () => l.failing ? state("warn", "new version refused") : state("good", "in use"))}]});
    const files = new Table({id: "files", caption: "Files", key: (f) => `${f.kind} ${f.name} ${f.paths.join(" ")}`, sort: ["state", "desc"], text: (f) => `${f.kind} ${f.name} ${f.paths.join(" ")}`, empty: "Nothing is read from files or fetched.", columns: [
        {key: "name", label: "What", head: true, value: (f) => `${f.kind} ${f.name}`, cell: (f, m) => kept(m, f.kind + f.name, () => el("span", null, name(f.name), el("span", {class: "sub"}, name(f.kind))))},
        {key: "paths", label: "From", wide: 2, value: (f) => f.paths.join(" "), cell: (f, m) => kept(m, f.paths.join(" "), () => el("span", {class: "mono"}, name(f.paths.join(", ") || "the config")))},
        {key: "loaded", label: "Loaded", num: true, value: (f) => instant(f.loaded), cell: (f) => ago(f.loaded)},
        {key: "times", label: "Times", num: true, wide: 1, value: (f) => f.times_loaded, cell: (f) => count(f.times_loaded)},
        {key: "state", label: "State", value: (f) => f.refused ? 1 : 0, cell: (f, m) => kept(m, (f.refused || "") + (f.why || ""), () => f.refused ? el("span", null, state("warn", `refused ${ago(f.refused)}`), el("span", {class: "sub"}, name(f.why || ""))) : state("good", "in use"))}]});
    const more = may("/files") ? slowly("/files?format=json", () => 3, (list) => files.update(list || files.rows)) : null;
    return {title: "Lists and files", table: files, node: page("Lists and files", "What is read from files or fetched, and read again when it changes. A version that cannot be used is refused, and the old one serves on.", lists.node, more ? files.node : null),
        update(o) {
            lists.update(o.lists);
            if (more)
                more.tick();
        }, stop: () => more && more.stop()};
}

// --- config and the server

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"];

function actions() {
    const button = (path, label, title, text) => mayChange(path.split("?")[0]) ? el("button", {type: "button", onclick: () => confirmed(path, label, title, text)}, label) : null;
    const level = mayChange("/logging") ? el("select", {id: "log-level"}, ...LEVELS.map((l) => el("option", {value: l, selected: l === "info"}, l))) : null;
    const all = [button("/reload", "Load the config anew", "Load the config anew?", "A config that is wrong is refused, and this one serves on."),
        button("/healthcheck/fail", "Fail /ready", "Make /ready say no?", "Load balancers that ask it send no more requests here."),
        button("/healthcheck/ok", "Pass /ready", "Make /ready say yes again?", "Load balancers that ask it send requests here again."),
        button("/drain_listeners?graceful", "Drain listeners", "Drain all listeners?", "They take no new connections until the process starts anew. Requests under way end."),
        level ? el("span", {class: "buttons"}, el("label", {for: "log-level"}, "Log level"), level, el("button", {type: "button", onclick: () => confirmed(`/logging?level=${level.value}`, "Set", `Log from ${level.value} on?`, "It holds until the process starts anew or the level is set again.")}, "Set")) : null].filter(Boolean);
    return all.length ? el("div", {class: "card"}, el("h3", null, "Do something"), el("div", {class: "buttons"}, ...all), el("p", {id: "done", class: "lead", role: "status"})) : null;
}

function viewConfig() {
    const config = el("div", {class: "card"}), server = el("div", {class: "card"}), why = el("div", null);
    let was = "";
    return {title: "Config", node: page("Config", null, why, el("div", {class: "two"}, config, server), actions()), update(o) {
        const c = o.config, s = o.server, now = JSON.stringify([c, s.version, s.state, s.failing, span(s.uptime_seconds), bytes(s.memory.allocated), s.overload, s.log_lines_dropped, ago(c.loaded)]);
        if (now === was)
            return;
        was = now;
        why.replaceChildren(c.refused ? el("div", {class: "card"}, el("h3", null, state("bad", "The last version was refused")), el("p", {class: "lead"}, `${ago(c.refused)}, at ${c.refused}. The one before serves on.`), el("pre", {tabindex: "0", "aria-label": "Errors"}, c.why.split("\n").map(plain).join("\n"))) : "");
        config.replaceChildren(el("h3", null, "What serves"), facts([["Version", count(c.version)], ["Loaded", `${ago(c.loaded)}, at ${c.loaded}`], ["Phase", c.phase], ["Older ones still in use", count(c.older)], may("/config_dump") ? ["As it runs", el("a", {href: "/config_dump"}, "/config_dump")] : null]));
        server.replaceChildren(el("h3", null, "The process"), facts([["State", s.failing ? "/ready says no" : s.state.toLowerCase()], ["Version", plain(s.version)], ["Up for", span(s.uptime_seconds)], ["Workers", count(s.workers)], ["Memory in use", bytes(s.memory.allocated)], s.overload.length ? ["Overloaded, and so", s.overload.map(plain).join(", ")] : null, s.log_lines_dropped ? ["Log lines lost", count(s.log_lines_dropped)] : null]));
    }};
}
