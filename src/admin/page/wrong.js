// SPDX-License-Identifier: GPL-2.0-or-later
// What is wrong, worst first: each a sentence, why, and where to look.
"use strict";

const CERT_DAYS = 14, CERT_BAD_DAYS = 3, LIST_OLD_DAYS = 30, LOOK_BACK = 5;

const first = (text) => String(text || "").trim().split("\n").slice(0, 3).join("\n");

// Names of the first few, in words.
function names(list, most) {
    const shown = list.slice(0, most).map(plain).join(", ");
    return list.length > most ? `${shown} and ${count(list.length - most)} more` : shown;
}

function serverWrong(o) {
    const s = o.server, out = [];
    if (s.state !== "LIVE")
        out.push({level: s.state === "DRAINING" ? "bad" : "warn", id: "state", what: s.state === "DRAINING" ? "The door is draining: it takes no new connections." : "The door is not open yet.", go: "#config"});
    else if (s.failing)
        out.push({level: "warn", id: "failing", what: "/ready says no, because someone asked for /healthcheck/fail.", go: "#config"});
    if (s.overload.length)
        out.push({level: "bad", id: "overload", what: "The door is overloaded, and does less for it.", why: names(s.overload.map((a) => a.replace("envoy.overload_actions.", "")), 4), go: "#config"});
    if (data.memory.rate("log lines", o.at_ms, s.log_lines_dropped) > 0)
        out.push({level: "warn", id: "log", what: "Lines of the access log are lost: the disk is slower than the log is long.", go: "#config"});
    if (o.config.refused)
        out.push({level: "bad", id: "reload", what: `A newer config was refused ${ago(o.config.refused)}. The one from ${ago(o.config.loaded)} serves on.`, why: first(o.config.why), go: "#config"});
    return out;
}

function clustersWrong(o) {
    const out = [], all = o.clusters, dead = all.filter((c) => c.hosts.total && c.down >= c.hosts.total), empty = all.filter((c) => !c.hosts.total);
    const some_ = all.filter((c) => c.down > 0 && c.down < c.hosts.total), erring = all.filter((c) => c.share >= 0.05 && c.errors >= 0.1);
    const full = all.filter((c) => c.overflow > 0 || c.open.length), of = `of ${some(all.length, "cluster")}`;
    if (dead.length)
        out.push({level: "bad", id: "dead", what: `${count(dead.length)} ${of} ${dead.length === 1 ? "has" : "have"} no healthy host.`, why: names(dead.map((c) => c.name), 6), go: "#clusters/?unhealthy"});
    if (erring.length) {
        const worst = erring.reduce((a, b) => a.share > b.share ? a : b);
        out.push({level: erring.some((c) => c.level === "bad") ? "bad" : "warn", id: "erring", what: `${some(erring.length, "cluster answers", "clusters answer")} with errors: ${plain(worst.name)} for ${percent(worst.share)} of its requests.`,
            why: erring.length > 1 ? names(erring.map((c) => `${c.name} ${percent(c.share)}`), 6) : "", go: "#clusters/?erring"});
    }
    if (some_.length)
        out.push({level: "warn", id: "partly", what: `${count(some_.length)} ${of} ${some_.length === 1 ? "has" : "have"} unhealthy hosts.`, why: names(some_.map((c) => `${c.name} (${c.down} of ${c.hosts.total})`), 6), go: "#clusters/?unhealthy"});
    if (full.length)
        out.push({level: "warn", id: "full", what: `${some(full.length, "cluster turns", "clusters turn")} requests away: a circuit breaker is open.`, why: names(full.map((c) => c.open.length ? `${c.name} (${c.open.join(", ")})` : c.name), 6), go: "#clusters/?unhealthy"});
    if (empty.length)
        out.push({level: "warn", id: "empty", what: `${count(empty.length)} ${of} ${empty.length === 1 ? "has" : "have"} no hosts at all.`, why: names(empty.map((c) => c.name), 6), go: "#clusters/?unhealthy"});
    return out;
}

// Now is far above the minutes before: three times as much, and at least one a second.
function spike(past) {
    const now = past.mean(LOOK_BACK, 0), before = past.mean(KEPT, LOOK_BACK);
    return is(before) && past.v.length > 4 * LOOK_BACK && now >= 1 && now > 3 * before ? {now, before} : null;
}

function refusalsWrong(o) {
    const out = [], s = spike(o.headlines.past.refused);
    const failing = o.filters.filter((f) => f.errorRate > 0), denying = o.filters.filter((f) => f.deniedRate > 0).sort((a, b) => b.deniedRate - a.deniedRate);
    if (s)
        out.push({level: "warn", id: "spike", what: `Refusals have risen to ${rate(s.now)} a second, from ${rate(s.before)}.`, why: denying.length ? "Most by " + names(denying.map((f) => `${f.filter} of ${f.where}`), 3) : "", go: "#filters"});
    if (failing.length)
        out.push({level: "warn", id: "filters", what: `${some(failing.length, "filter cannot", "filters cannot")} decide: what it asks does not answer.`, why: names(failing.map((f) => `${f.filter} of ${f.where}`), 4), go: "#filters"});
    const full = o.listeners.filter((l) => ["connection_limit", "global_connection_limit", "chain_connection_limit", "overload"].some((why) => {
        const c = data.memory.rate(`l ${l.name} full ${why}`, o.at_ms, l.refused[why] || 0);
        return c > 0;
    }));
    if (full.length)
        out.push({level: "bad", id: "limits", what: `${some(full.length, "listener turns", "listeners turn")} connections away: a limit is reached.`, why: names(full.map((l) => l.name), 4), go: "#listeners"});
    return out;
}

function filesWrong(o) {
    const out = [], certs = o.certificates, dead = certs.filter((c) => c.expired), soon = certs.filter((c) => !c.expired && c.days_left < CERT_DAYS);
    const label = (c) => c.name || c.subject || c.path;
    if (dead.length)
        out.push({level: "bad", id: "expired", what: `${some(dead.length, "certificate has", "certificates have")} expired.`, why: names(dead.map(label), 4), go: "#certificates"});
    if (soon.length) {
        const least = Math.min(...soon.map((c) => c.days_left));
        out.push({level: least < CERT_BAD_DAYS ? "bad" : "warn", id: "expiring", what: `${some(soon.length, "certificate expires", "certificates expire")} within ${CERT_DAYS} days, the first in ${some(least, "day")}.`, why: names(soon.map(label), 4), go: "#certificates"});
    }
    const secrets = o.secrets.filter((s) => s.failing), lists = o.lists.filter((l) => l.failing), old = o.lists.filter((l) => l.age_seconds > LIST_OLD_DAYS * 86400);
    if (secrets.length)
        out.push({level: "warn", id: "secrets", what: `${some(secrets.length, "secret")} could not be read anew; the old ${secrets.length === 1 ? "one serves" : "ones serve"} on.`, why: names(secrets.map((s) => s.name), 4), go: "#secrets"});
    if (lists.length)
        out.push({level: "warn", id: "lists", what: `${some(lists.length, "address list")} could not be read anew; the old ${lists.length === 1 ? "one serves" : "ones serve"} on.`, why: names(lists.map((l) => l.name), 4), go: "#files"});
    if (old.length)
        out.push({level: "warn", id: "old", what: `${some(old.length, "address list is", "address lists are")} older than ${LIST_OLD_DAYS} days: the CDN may have new addresses.`, why: names(old.map((l) => `${l.name} (${span(l.age_seconds)})`), 4), go: "#files"});
    return out;
}

function whatIsWrong(o) {
    const all = [...serverWrong(o), ...clustersWrong(o), ...refusalsWrong(o), ...filesWrong(o)];
    return [...all.filter((w) => w.level === "bad"), ...all.filter((w) => w.level !== "bad")];
}
