// SPDX-License-Identifier: GPL-2.0-or-later
// Which view is shown, keys, the theme, and what is said of the door's answers.
"use strict";

const VIEWS = {glance: viewGlance, clusters: viewClusters, cluster: viewCluster, listeners: viewListeners, filters: viewFilters, refused: viewRefused, secrets: viewSecrets, certificates: viewCertificates, files: viewFiles, config: viewConfig};
let view = null, told = null, shown = null, shownBy = null;

function show() {
    const [, key, rest] = /^#?([a-z]*)(?:\/(.*))?$/.exec(location.hash) || [];
    const make = VIEWS[key] || viewGlance;
    if (view && view.stop)
        view.stop();
    const moved = view !== null;
    view = make(rest);
    byId("main").replaceChildren(view.node);
    const current = `#${view.parent || (VIEWS[key] ? key : "glance")}`;
    for (const a of byId("nav").querySelectorAll("a")) {
        if (a.hash === current)
            a.setAttribute("aria-current", "page");
        else
            a.removeAttribute("aria-current");
        if (a.hash === current && moved)
            a.scrollIntoView({block: "nearest", inline: "nearest"});
    }
    if (moved) {
        scrollTo(0, 0);
        view.node.querySelector("h2").focus({preventScroll: true});
    }
    heard();
}

// --- what is said above all views

function pulse() {
    const p = byId("pulse"), state = data.failedSince ? "stale" : data.paused ? "paused" : data.now ? "live" : "waiting";
    p.dataset.state = state;
    const words = {stale: data.now ? `stale since ${clock(data.failedSince)}` : "no answer", paused: `paused at ${clock(data.at)}`, live: "live", waiting: "asking"}[state];
    setText(byId("pulse-text"), words);
    p.title = data.failedSince ? data.why : "";
}

function badges(o) {
    const n = {};
    for (const w of o.wrong) {
        const key = w.go.replace(/\/.*/, "");
        n[key] = n[key] || {n: 0, bad: false};
        n[key].n++;
        n[key].bad = n[key].bad || w.level === "bad";
    }
    for (const a of byId("nav").querySelectorAll("a")) {
        const has = n[a.hash], old = a.querySelector(".badge"), text = has ? `${has.n}${has.bad}` : "";
        if ((a.dataset.badge || "") === text)
            continue;
        a.dataset.badge = text;
        if (old)
            old.remove();
        if (has)
            a.append(el("span", {class: has.bad ? "badge bad" : "badge"}, String(has.n), el("span", {class: "unseen"}, has.n === 1 ? " thing wrong" : " things wrong")));
    }
}

// What has become wrong, or right again, once.
function announce(o) {
    const now = new Map(o.wrong.map((w) => [w.id, w.what])), was = told;
    told = now;
    if (!was)
        return;
    const said = [...now].filter(([id]) => !was.has(id)).map(([, what]) => what);
    const gone = [...was].filter(([id]) => !now.has(id)).length;
    if (gone && !now.size)
        said.push("Nothing is wrong any more.");
    if (said.length)
        byId("alerts").replaceChildren(...said.map((s) => el("p", null, s)));
}

function stale() {
    let note = byId("stale");
    byId("main").classList.toggle("stale", data.failedSince !== null);
    if (!data.failedSince) {
        if (note) {
            note.remove();
            byId("alerts").replaceChildren(el("p", null, "The admin answers again."));
        }
        return;
    }
    const text = data.now ? `Stale since ${clock(data.failedSince)}: the admin does not answer. What stands here is as it was then.` : "The admin does not answer yet.";
    if (!note) {
        note = el("p", {id: "stale", class: "note bad"});
        byId("main").before(note);
        byId("alerts").replaceChildren(el("p", null, text));
    }
    setText(note, `${text} (${plain(data.why)})`);
}

function heard() {
    pulse();
    stale();
    const o = data.now;
    if (!o)
        return;
    const n = o.wrong.length;
    document.title = `${n ? `(${n}) ` : ""}${view.title} \u2013 sallyport`;
    setText(byId("server"), `${o.server.state === "LIVE" ? o.server.failing ? "/ready says no" : "Open" : o.server.state.toLowerCase()} for ${span(o.server.uptime_seconds)}, version ${plain(o.server.version)}, config ${count(o.config.version)}`);
    if (shown === o && view === shownBy)
        return; // a round without an answer
    shown = o;
    shownBy = view;
    badges(o);
    announce(o);
    view.update(o);
}

// --- what changes something: asked first, by POST, from this page alone

function confirmed(path, label, title, text) {
    const d = byId("ask"), from = document.activeElement;
    setText(byId("ask-title"), title);
    setText(byId("ask-text"), text);
    setText(byId("ask-yes"), label);
    byId("ask-yes").onclick = async () => {
        d.close();
        let said;
        try {
            const answer = await ask(path, {method: "POST", any: true});
            said = `${answer.status < 300 ? "Done" : "Refused"}: ${answer.text.trim().split("\n").slice(0, 12).map(plain).join("\n")}`;
        } catch (e) {
            said = `It did not come to an end: ${e.message}`;
        }
        setText(byId("done"), said);
        poll();
    };
    byId("ask-no").onclick = () => d.close();
    d.onclose = () => from && from.focus();
    d.showModal();
    byId("ask-no").focus();
}

// --- keys, theme

function onKey(e) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName);
    if (e.ctrlKey || e.altKey || e.metaKey || byId("ask").open)
        return;
    if (e.key === "Escape") {
        if (view.table && view.table.input && e.target === view.table.input) {
            view.table.input.value = "";
            view.table.find("");
            view.table.input.blur();
        } else if (!(view.table && view.table.close()) && view.parent) {
            location.hash = `#${view.parent}`;
        }
    } else if (typing) {
        return;
    } else if (e.key === "/") {
        if (view.table && view.table.input) {
            view.table.input.focus();
            e.preventDefault();
        } else if (location.hash !== "#clusters") {
            e.preventDefault();
            location.hash = "#clusters";
            setTimeout(() => view.table && view.table.input.focus(), 0);
        }
    } else if (e.key === "g") {
        location.hash = "#glance";
    } else if (e.key === "p") {
        pause();
    }
}

function pause() {
    data.paused = !data.paused;
    byId("pause").setAttribute("aria-pressed", String(data.paused));
    pulse();
    poll();
}

const THEMES = ["system", "light", "dark"];

function theme(which) {
    if (which === "system")
        delete document.documentElement.dataset.theme;
    else
        document.documentElement.dataset.theme = which;
    setText(byId("theme"), `Theme: ${which}`);
}

function start() {
    let chosen = THEMES.includes(remember("theme")) ? remember("theme") : "system";
    theme(chosen);
    byId("theme").addEventListener("click", () => {
        chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
        theme(chosen);
        remember("theme", chosen);
    });
    byId("pause").addEventListener("click", pause);
    document.querySelector(".skip").addEventListener("click", (e) => {
        e.preventDefault(); // the address says which view this is
        byId("main").focus();
    });
    addEventListener("hashchange", show);
    document.addEventListener("keydown", onKey);
    data.heard.push(heard);
    show();
    if (may("/overview"))
        poll();
    else
        byId("main").replaceChildren(el("p", {class: "note"}, "This page asks /overview, which this admin does not let be asked: add it to allow_paths."));
}

start();
