// SPDX-License-Identifier: GPL-2.0-or-later
// Numbers over the last minutes, and lines drawn of them.
"use strict";

const KEPT = 150; // samples: five minutes at two seconds

// The last samples of one number; NaN where nothing was known.
class Past {
    constructor() {
        this.v = [];
    }
    add(n) {
        this.v.push(is(n) ? n : NaN);
        if (this.v.length > KEPT)
            this.v.shift();
    }
    get last() {
        return this.v[this.v.length - 1];
    }
    // Mean of the samples from `from` to `to` counted from the end, or NaN.
    mean(from, to) {
        const part = this.v.slice(Math.max(0, this.v.length - from), this.v.length - to).filter(is);
        return part.length ? part.reduce((a, b) => a + b, 0) / part.length : NaN;
    }
}

// The path of a line in a box; gaps where nothing was known. Time runs to the right edge.
function linePath(values, width, height, top) {
    const step = width / (KEPT - 1), first = KEPT - values.length;
    let path = "", pen = "M";
    values.forEach((v, i) => {
        if (!is(v)) {
            pen = "M";
            return;
        }
        const x = (first + i) * step, y = height - 1 - (height - 2) * (v / top);
        path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
        pen = "L";
    });
    return path;
}

// A small line without axes: what it shows stands beside it in numbers, so it is hidden from those who listen.
class Spark {
    constructor(width, height, kind) {
        this.width = width;
        this.height = height;
        this.node = svg("svg", {viewBox: `0 0 ${width} ${height}`, class: `spark ${kind || ""}`, "aria-hidden": "true", focusable: "false", preserveAspectRatio: "none"});
        this.area = svg("path", {class: "area"});
        this.line = svg("path", {class: "line"});
        this.node.append(this.area, this.line);
    }
    draw(past) {
        const values = past ? past.v : [], top = Math.max(...values.filter(is), 1e-9) * 1.1;
        const path = linePath(values, this.width, this.height, top);
        if (path === this.path)
            return;
        this.path = path;
        this.line.setAttribute("d", path);
        const known = values.findIndex(is);
        this.area.setAttribute("d", known < 0 ? "" : `${path.replace(/M/g, "L").replace(/^L/, "M")}L${this.width} ${this.height}L${((KEPT - values.length + known) * this.width / (KEPT - 1)).toFixed(1)} ${this.height}Z`);
    }
}

// A number with its line: a tile of the front page.
class Tile {
    constructor(label, kind) {
        this.value = el("span", {class: "value"}, none);
        this.extra = el("span", {class: "extra"}, "");
        this.spark = new Spark(220, 40, kind);
        this.node = el("div", {class: "tile"}, el("dt", null, label), el("dd", null, this.value, " ", this.extra, this.spark.node));
    }
    show(value, extra, past, level) {
        setText(this.value, value);
        setText(this.extra, extra || "");
        this.node.dataset.level = level || "";
        this.spark.draw(past);
    }
}

// A share of a whole as a bar beside its number.
function bar(share, level) {
    const s = svg("svg", {viewBox: "0 0 100 6", class: `bar ${level || ""}`, "aria-hidden": "true", focusable: "false", preserveAspectRatio: "none"});
    s.append(svg("rect", {class: "whole", width: 100, height: 6, rx: 2}), svg("rect", {class: "part", width: Math.max(0, Math.min(100, share * 100)), height: 6, rx: 2}));
    return s;
}
