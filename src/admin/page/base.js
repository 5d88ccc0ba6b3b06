// SPDX-License-Identifier: GPL-2.0-or-later
// Elements and numbers. Whatever a peer or a config chose goes into the page as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);

// el("td", {class: "n", scope: "row"}, "text", node, ...); a function under "on..." is listened to; null and false are left out.
function el(tag, props, ...children) {
    const e = document.createElement(tag);
    for (const [key, value] of Object.entries(props || {})) {
        if (value === null || value === undefined || value === false)
            continue;
        if (typeof value === "function")
            e.addEventListener(key.slice(2), value);
        else
            e.setAttribute(key, value === true ? "" : value);
    }
    e.append(...children.filter((c) => c !== null && c !== undefined));
    return e;
}

// What cannot be seen, or turns the text around it, is shown as its number.
const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb]/g;
const plain = (text) => String(text).replace(UNSEEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

// Names, paths and the like: in a direction of their own, so that they do not turn what stands beside them.
const name = (text) => el("bdi", null, plain(text));

function setText(e, text) {
    if (e.textContent !== text)
        e.textContent = text;
}

const none = "\u2013";
const is = (n) => typeof n === "number" && Number.isFinite(n);

function count(n) {
    if (!is(n))
        return none;
    if (Math.abs(n) < 1e5)
        return Math.round(n).toLocaleString("en");
    const unit = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([size]) => Math.abs(n) >= size);
    return (n / unit[0]).toFixed(n / unit[0] < 100 ? 1 : 0) + "\u202f" + unit[1];
}

function rate(n) {
    if (!is(n))
        return none;
    return n > 0 && n < 0.05 ? "<0.1" : n < 10 && n > 0 ? n.toFixed(1) : count(n);
}

function percent(share) {
    if (!is(share))
        return none;
    const p = share * 100;
    return (p === 0 ? "0" : p < 0.1 ? "<0.1" : p < 10 ? p.toFixed(1) : p.toFixed(0)) + "\u202f%";
}

function millis(n) {
    if (!is(n))
        return none;
    return n >= 10000 ? (n / 1000).toFixed(0) + "\u202fs" : n >= 1000 ? (n / 1000).toFixed(1) + "\u202fs"
        : (n > 0 && n < 10 ? n.toFixed(1) : n.toFixed(0)) + "\u202fms";
}

function bytes(n) {
    if (!is(n))
        return none;
    const step = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(n, 1)) / 10)));
    return (n / 1024 ** step).toFixed(step && n / 1024 ** step < 100 ? 1 : 0) + "\u202f" + ["B", "KiB", "MiB", "GiB", "TiB"][step];
}

// Seconds in the two largest units that matter.
function span(s) {
    if (!is(s))
        return none;
    s = Math.max(0, Math.round(s));
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    return d >= 10 ? `${d} days` : d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${s} s`;
}

// ISO text or milliseconds to milliseconds; null for never.
const instant = (t) => t === null || t === undefined || t === 0 || t === "" ? null : typeof t === "number" ? t : Date.parse(t);
const ago = (t) => instant(t) === null ? "never" : span((Date.now() - instant(t)) / 1000) + " ago";
const clock = (t) => new Date(t).toLocaleTimeString("en-GB");

// "1 cluster", "3 clusters".
const some = (n, one, more) => `${count(n)} ${n === 1 ? one : more || one + "s"}`;

// A state in words with a shape of its own, so that it can be told without colour.
const SHAPES = {good: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z", warn: "M8 1.5 15 14H1z", bad: "M5 1.5h6L14.5 5v6L11 14.5H5L1.5 11V5z", idle: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6z"};

function svg(tag, attributes) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes))
        e.setAttribute(key, value);
    return e;
}

function shape(level) {
    const s = svg("svg", {viewBox: "0 0 16 16", class: `shape ${level}`, "aria-hidden": "true", focusable: "false"});
    s.append(svg("path", {d: SHAPES[level]}));
    return s;
}

const state = (level, words) => el("span", {class: `state ${level}`}, shape(level), " ", words);

function remember(key, value) {
    try {
        if (value === undefined)
            return localStorage.getItem(`sallyport.${key}`);
        localStorage.setItem(`sallyport.${key}`, value);
    } catch (e) {
        // A browser that keeps nothing: the page forgets, and works.
    }
    return null;
}
