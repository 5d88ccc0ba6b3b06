// SPDX-License-Identifier: GPL-2.0-or-later
// The views. Each is {title, node, update(o)}: made when it is gone to, told of every overview while it is on the page.
"use strict";

const RANK = {bad: 3, warn: 2, good: 1, idle: 0};
const colour = (text, level) => level === "bad" || level === "warn" ? el("span", {class: `num-${level}`}, text) : text;
const facts = (pairs) => el("dl", {class: "facts"}, ...pairs.filter(Boolean).flatMap(([k, v]) => [el("dt", null, k), el("dd", null, v)]));

// A cell of a node that is made anew only when its text changes.
function kept(memory, text, make) {
    if (memory.text !== text)
        Object.assign(memory, {text, node: make()});
    return memory.node;
}

function line(memory, past) {
    if (!memory.spark)
        memory.spark = new Spark(110, 22);
    memory.spark.draw(past);
    return memory.spark.node;
}

function hostsOf(c) {
    return c.down > 0 ? `${count(c.hosts.total - c.down)} of ${count(c.hosts.total)}` : count(c.hosts.total);
}

function clusterState(c) {
    if (!c.hosts.total)
        return "no hosts";
    if (c.down >= c.hosts.total)
        return "no healthy host";
    if (c.share >= 0.05 && c.errors >= 0.1)
        return "errors";
    if (c.overflow > 0 || c.open.length)
        return "circuit breaker open";
    return c.down > 0 ? `${count(c.down)} unhealthy` : "healthy";
}

const shareLevel = (share) => share >= 0.2 ? "bad" : share >= 0.05 ? "warn" : "";

const clusterColumns = [
    {key: "name", label: "Cluster", head: true, value: (c) => c.name, cell: (c, m) => kept(m, c.name, () => name(c.name))},
    {key: "state", label: "State", value: (c) => RANK[c.level] * 10 + (c.share || 0) + (c.hosts.total ? c.down / c.hosts.total : 0), num: false,
        cell: (c, m) => kept(m, c.level + clusterState(c), () => state(c.level, clusterState(c)))},
    {key: "hosts", label: "Healthy hosts", num: true, wide: 1, value: (c) => c.hosts.total - c.down, cell: hostsOf},
    {key: "rate", label: "Requests/s", num: true, wide: 1, value: (c) => c.rate, cell: (c) => rate(c.rate)},
    {key: "line", label: "5 minutes", wide: 2, cell: (c, m) => line(m, c.past)},
    {key: "share", label: "Errors", num: true, value: (c) => c.share, cell: (c, m) => kept(m, percent(c.share), () => el("span", null, colour(percent(c.share), shareLevel(c.share))))},
    {key: "p50", label: "Median", num: true, wide: 2, value: (c) => c.p50, cell: (c) => millis(c.p50)},
    {key: "p99", label: "99 %", num: true, wide: 1, value: (c) => c.p99, cell: (c) => millis(c.p99)},
    {key: "cx", label: "Connections", num: true, wide: 1, value: (c) => c.connections.active, cell: (c) => count(c.connections.active)},
    {key: "pending", label: "Waiting", num: true, wide: 2, value: (c) => c.requests.pending, cell: (c, m) => kept(m, count(c.requests.pending), () => el("span", null, colour(count(c.requests.pending), c.overflow > 0 ? "warn" : "")))},
];

// --- at a glance

const GO = {"#config": "See the config", "#clusters": "See the clusters", "#filters": "See who refuses", "#listeners": "See the listeners", "#certificates": "See the certificates", "#secrets": "See the secrets", "#files": "See the lists"};

function wrongList(wrong) {
    return el("ul", {class: "wrong"}, ...wrong.map((w) => el("li", {"data-level": w.level}, shape(w.level), el("p", null, el("strong", null, w.what), w.why ? el("span", {class: "why"}, w.why) : null),
        el("a", {class: "go", href: w.go}, GO[w.go.replace(/\/.*/, "")]))));
}

// Heads are [text, class].
function smallTable(caption, heads) {
    const body = el("tbody", null);
    return {body, node: el("div", {class: "frame", role: "region", tabindex: "0", "aria-label": caption},
        el("table", null, el("caption", null, caption), el("thead", null, el("tr", null, ...heads.map(([h, kind]) => el("th", {scope: "col", class: kind}, h)))), body)), kinds: heads.map(([, kind]) => kind)};
}

// Rows of texts and nodes, the first a row header; made anew when something in them changed.
function fillSmall(table, rows, empty) {
    const now = JSON.stringify(rows.map((r) => r.text));
    if (now === table.was)
        return;
    table.was = now;
    table.body.replaceChildren(...rows.map((r) => el("tr", null, ...r.cells.map((c, i) => i ? el("td", {class: table.kinds[i]}, c) : el("th", {scope: "row"}, c)))));
    if (!rows.length)
        table.body.append(el("tr", {class: "empty"}, el("td", {colspan: 4}, empty)));
}

function viewGlance() {
    const verdict = el("h2", {tabindex: "-1", class: "verdict"}, "Asking the door"), lead = el("p", {class: "lead"}), wrong = el("div", null);
    const tiles = {rate: new Tile("Requests a second"), share: new Tile("Answered with 5xx", "bad"), refused: new Tile("Refused a second"), p99: new Tile("99 % answered within"), connections: new Tile("Open connections")};
    const worst = smallTable("Clusters to look at first", [["Cluster"], ["State"], ["Requests/s", "n wide1"], ["Errors", "n"]]), who = smallTable("Who refuses", [["Gate or filter"], ["Now/s", "n"], ["In all", "n"]]);
    const node = el("div", {class: "view"}, verdict, lead, wrong, el("dl", {class: "tiles", "aria-label": "Traffic"}, ...Object.values(tiles).map((t) => t.node)),
        el("div", {class: "two"}, worst.node, who.node));
    let was = "";
    return {title: "At a glance", node, update(o) {
        const bad = o.wrong.some((w) => w.level === "bad"), n = o.wrong.length, t = o.headlines, now = JSON.stringify(o.wrong.map((w) => [w.level, w.what, w.why]));
        if (now !== was) {
            was = now;
            verdict.replaceChildren(shape(n ? bad ? "bad" : "warn" : "good"), n ? `${some(n, "thing is", "things are")} wrong` : "Nothing is wrong");
            wrong.replaceChildren(n ? wrongList(o.wrong) : "");
        }
        setText(lead, `${some(o.totals.clusters, "cluster")} with ${some(o.totals.hosts, "host")}, ${o.totals.hosts_available === o.totals.hosts ? "all" : count(o.totals.hosts_available)} available; ${some(o.listeners.length, "listener")}.`);
        tiles.rate.show(rate(t.rate), "", t.past.rate);
        tiles.share.show(percent(t.share), is(t.errors) && t.errors > 0 ? `${rate(t.errors)} a second` : "", t.past.share, shareLevel(t.share));
        tiles.refused.show(rate(t.refused), "", t.past.refused, o.wrong.some((w) => w.id === "spike") ? "warn" : "");
        tiles.p99.show(millis(t.p99), "", t.past.p99);
        tiles.connections.show(count(t.connections), "", t.past.connections);
        const look = o.clusters.slice().sort((a, b) => RANK[b.level] - RANK[a.level] || compare(b.share || 0, a.share || 0) || compare(b.rate || 0, a.rate || 0)).slice(0, 7);
        fillSmall(worst, look.map((c) => ({text: [c.name, clusterState(c), rate(c.rate), percent(c.share)],
            cells: [el("a", {href: `#cluster/${encodeURIComponent(c.name)}`}, name(c.name)), state(c.level, clusterState(c)), rate(c.rate), colour(percent(c.share), shareLevel(c.share))]})), "There are no clusters.");
        const deny = o.filters.filter((f) => f.denied).sort((a, b) => compare(b.deniedRate || 0, a.deniedRate || 0) || b.denied - a.denied).slice(0, 7);
        fillSmall(who, deny.map((f) => ({text: [f.key, rate(f.deniedRate), count(f.denied)], cells: [el("span", null, el("a", {href: "#filters"}, name(f.filter)), el("span", {class: "sub"}, name(f.where))), rate(f.deniedRate), count(f.denied)]})), "Nobody has refused a request.");
    }};
}

// --- tables

function page(title, lead, ...more) {
    return el("div", {class: "view"}, el("h2", {tabindex: "-1"}, title), lead ? el("p", {class: "lead"}, lead) : null, ...more);
}

function viewClusters(rest) {
    const table = new Table({id: "clusters", caption: "Clusters", columns: clusterColumns.map((c) => Object.assign({}, c)), key: (c) => c.name, sort: ["state", "desc"], link: (c) => `#cluster/${encodeURIComponent(c.name)}`,
        text: (c) => c.name, empty: "There are no clusters.", chips: [{label: "All", test: null}, {label: "Unhealthy", test: (c) => c.down > 0 || !c.hosts.total || c.overflow > 0 || c.open.length},
            {label: "With errors", test: (c) => c.share > 0}, {label: "Busy", test: (c) => c.rate > 0}]});
    if (rest)
        table.choose({"?unhealthy": 1, "?erring": 2}[rest] || 0);
    return {title: "Clusters", node: page("Clusters", "Rates are over the last ten seconds, latencies of the last five. The worst stand first.", table.node), table, update: (o) => table.update(o.clusters)};
}

const REASONS = {ip_restriction: "address not allowed", connection_limit: "listener's limit of connections", global_connection_limit: "limit of all connections", chain_connection_limit: "filter chain's limit of connections",
    overload: "overload", rate_limit: "too many new connections", no_filter_chain: "no filter chain for it", silent: "said nothing in time", tls_timeout: "handshake took too long", tls_no_certificate: "no client certificate",
    tls_certificate: "client certificate not accepted", tls_error: "TLS handshake failed"};

// Names and numbers, the largest first, with bars of their share.
function ranking(caption, pairs, level) {
    const most = Math.max(1, ...pairs.map(([, n]) => n));
    return el("div", null, el("h3", null, caption), pairs.length ? facts(pairs.sort((a, b) => b[1] - a[1]).map(([k, n]) => [name(k), el("span", null, count(n), bar(n / most, n ? level : ""))])) : el("p", {class: "lead"}, "None."));
}

function listenerMore(l) {
    return el("div", {class: "two"}, ranking("Connections refused or failed, since the start", Object.entries(l.refused).map(([k, n]) => [REASONS[k] || k, n]), "warn"),
        el("div", null, ranking("TLS handshakes by version", Object.entries(l.tls.versions).filter(([, n]) => n)),
            el("p", {class: "lead"}, `${count(l.tls.handshakes)} handshakes, ${count(l.tls.resumed)} of them resumed. Filter chains: `, ...l.filter_chains.flatMap((c, i) => [i ? ", " : "", name(c.name || `number ${i + 1}`), c.tls ? " (TLS)" : " (plain)"]))));
}

const tlsOf = (l) => Object.entries(l.tls.versions).filter(([, n]) => n).map(([v, n]) => `${v.replace("TLSv", "")}: ${percent(n / Math.max(1, l.tls.handshakes))}`).join(", ") || (l.filter_chains.some((c) => c.tls) ? "no handshake yet" : "plain");

function viewListeners() {
    const table = new Table({id: "listeners", caption: "Listeners", key: (l) => l.name + l.address, sort: ["refused", "desc"], text: (l) => `${l.name} ${l.address}`, more: listenerMore, columns: [
        {key: "name", label: "Listener", head: true, value: (l) => l.name, cell: (l, m) => kept(m, l.name, () => name(l.name))},
        {key: "address", label: "Address", wide: 1, value: (l) => l.address, cell: (l, m) => kept(m, l.address, () => name(l.address))},
        {key: "active", label: "Open", num: true, value: (l) => l.connections.active, cell: (l) => count(l.connections.active)},
        {key: "rate", label: "New/s", num: true, wide: 1, value: (l) => l.rate, cell: (l) => rate(l.rate)},
        {key: "line", label: "5 minutes", wide: 2, cell: (l, m) => line(m, l.past)},
        {key: "tls", label: "TLS versions", wide: 2, cell: tlsOf},
        {key: "refused", label: "Refused/s", num: true, value: (l) => l.refusedRate, cell: (l, m) => kept(m, rate(l.refusedRate), () => el("span", null, colour(rate(l.refusedRate), l.refusedRate > 0 ? "warn" : "")))},
        {key: "all", label: "Refused in all", num: true, wide: 1, value: (l) => l.refusedTotal, cell: (l) => count(l.refusedTotal)}]});
    return {title: "Listeners", node: page("Listeners", "Connections that were refused or failed before a request came of them. Open a row for the reasons and the TLS versions.", table.node), table, update: (o) => table.update(o.listeners)};
}

function filterMore(f) {
    const all = Object.entries(f.counters);
    return el("div", {class: "two"}, ranking("What it counted, since the start", all.filter(([k, n]) => n && !k.endsWith("last_used"))),
        el("div", null, el("h3", null, "Never happened"), el("p", {class: "lead"}, all.filter(([, n]) => !n).map(([k]) => plain(k)).join(", ") || "Everything that it counts has happened.")));
}

function viewFilters() {
    const number = (key, label, of, level, wide) => ({key, label, num: true, wide, value: of, cell: (f, m) => kept(m, rate(of(f)), () => el("span", null, colour(rate(of(f)), of(f) > 0 ? level : "")))});
    const table = new Table({id: "filters", caption: "Gates and filters", key: (f) => f.key, sort: ["denied", "desc"], text: (f) => `${f.filter} ${f.where}`, more: filterMore, empty: "No gate or filter counts anything.",
        chips: [{label: "All", test: null}, {label: "Gates", test: (f) => f.gate}, {label: "Filters", test: (f) => !f.gate}, {label: "Refusing", test: (f) => f.deniedRate > 0}, {label: "On trial", test: (f) => f.shadow_denied > 0}], columns: [
            {key: "name", label: "Gate or filter", head: true, value: (f) => f.filter, cell: (f, m) => kept(m, f.filter, () => name(f.filter))},
            {key: "where", label: "Where", value: (f) => f.where, cell: (f, m) => kept(m, f.where, () => name(f.where))},
            {key: "kind", label: "Kind", wide: 2, value: (f) => f.gate ? "gate" : "filter", cell: (f) => f.gate ? "gate" : "filter"},
            number("allowed", "Allowed/s", (f) => f.allowedRate, "", 1), number("denied", "Denied/s", (f) => f.deniedRate, "warn"),
            {key: "line", label: "Denied, 5 minutes", wide: 2, cell: (f, m) => line(m, f.past)},
            number("shadow", "Shadowed/s", (f) => f.shadowRate, "", 1), number("errors", "Errors/s", (f) => f.errorRate, "bad", 1),
            {key: "all", label: "Denied in all", num: true, wide: 2, value: (f) => f.denied, cell: (f) => count(f.denied)}]});
    return {title: "Gates and filters", node: page("Gates and filters", "What each decided. Shadowed: it would have refused, but is on trial. Open a row for every reason that it counts.", table.node), table, update: (o) => table.update(o.filters)};
}

// --- refused requests

const SAID = {passed: ["good", "let it pass"], shadowed: ["warn", "would have refused, but is on trial"], refused: ["bad", "refused it"]};

function refusedMore(r) {
    const decision = r.decision || {}, caller = Object.entries(decision.caller || {});
    const steps = r.filters.map((s) => el("li", null, name(s.filter), state(...(SAID[s.said] || ["idle", s.said])), el("span", null, s.said === "refused" ? name(r.details) : "")));
    if (!r.filters.some((s) => s.said === "refused"))
        steps.push(el("li", null, name(decision.by || "sallyport"), state("bad", "refused it"), el("span", null, name(r.details))));
    return el("div", {class: "two"}, el("div", null, el("h3", null, "The way it came"), el("ol", {class: "walk"}, ...steps)),
        el("div", null, el("h3", null, "The request"), facts([["Time", `${r.time} (${ago(r.time)})`], ["Client", name(r.client)], ["Peer", name(r.peer)], ["Request", name(`${r.method} ${r.host}${r.path}`)], ["Protocol", name(r.protocol)],
            ["Listener", name(r.listener)], ["Route", r.route ? name(r.route) : "none"], ["Answer", r.status ? String(r.status) : "reset without an answer"], r.flags.length ? ["Flags", r.flags.join(", ")] : null,
            r.request_id ? ["Request id", name(r.request_id)] : null, ...caller.map(([k, v]) => [`Caller: ${plain(k)}`, name(v)])])));
}

const refusedKey = (r) => `${r.time} ${r.peer} ${r.request_id} ${r.path}`;

function viewRefused() {
    const dropped = el("p", {class: "lead"});
    const table = new Table({id: "refused", caption: "Refused requests", key: refusedKey, sort: ["time", "desc"], more: refusedMore, empty: "No request has been refused.",
        text: (r) => [r.client, r.peer, r.method, r.host + r.path, r.listener, r.status, r.details, (r.decision || {}).by, r.request_id, ...Object.values((r.decision || {}).caller || {})].join(" "),
        selects: [{label: "Status", of: (r) => r.status}, {label: "By", of: (r) => (r.decision || {}).by}, {label: "Listener", of: (r) => r.listener}], columns: [
            {key: "time", label: "Time", head: true, value: (r) => r.time, cell: (r, m) => kept(m, r.time, () => el("span", {class: "mono"}, clock(r.time)))},
            {key: "status", label: "Status", num: true, value: (r) => r.status, cell: (r) => r.status ? String(r.status) : "reset"},
            {key: "by", label: "By", wide: 1, value: (r) => (r.decision || {}).by, cell: (r, m) => kept(m, (r.decision || {}).by, () => name((r.decision || {}).by || none))},
            {key: "why", label: "Why", wide: 2, value: (r) => r.details, cell: (r, m) => kept(m, r.details, () => el("span", {class: "mono"}, name(r.details)))},
            {key: "request", label: "Request", value: (r) => r.host + r.path, cell: (r, m) => kept(m, r.method + r.host + r.path, () => el("span", {class: "mono"}, name(`${r.method} ${r.host}${r.path}`)))},
            {key: "client", label: "Client", wide: 1, value: (r) => r.client, cell: (r, m) => kept(m, r.client, () => name(r.client))},
            {key: "listener", label: "Listener", wide: 2, value: (r) => r.listener, cell: (r, m) => kept(m, r.listener, () => name(r.listener))}]});
    const lead = may("/refused") ? "The latest, newest first. Open one to see what each gate and filter said of it." : "This admin does not let /refused be asked (allow_paths).";
    return {title: "Refused requests", node: page("Refused requests", lead, table.node, dropped), table, update() {
        const now = data.refusedNow;
        if (now)
            table.update(now.refused);
        setText(dropped, now && now.dropped ? `${some(now.dropped, "older one is", "older ones are")} not kept; the access log has them all.` : "");
    }};
}
