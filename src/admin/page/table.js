// SPDX-License-Identifier: GPL-2.0-or-later
// A table that is searched, sorted and turned page by page, by mouse, finger or keyboard. Only one page of rows is ever in the document.
"use strict";

const ROWS = 50; // a page

// Whether the reader is busy in here: then rows stay where they are, and only their numbers change.
const isBusy = (e) => e.contains(document.activeElement) || (matchMedia("(hover: hover)").matches && e.matches(":hover"));

const compare = (a, b) => {
    const noA = a === null || a === undefined || Number.isNaN(a), noB = b === null || b === undefined || Number.isNaN(b);
    if (noA || noB)
        return noA - noB; // unknown ones last, in either direction
    return typeof a === "string" ? a.localeCompare(b, "en", {numeric: true}) : a - b;
};

// One column: {key, label, value(row) to sort by, cell(row) -> text or node, num, wide: 1 (not on phones) or 2 (not on tablets)}.
// Options: {id, caption, columns, key(row), link(row), text(row) to search in, chips: [{label, test}], selects: [{label, of(row)}],
// sort: [column, "desc"], empty, more(row): what a row opens to}.
class Table {
    constructor(options) {
        Object.assign(this, {text: null, chips: [], selects: [], empty: "Nothing here.", more: null, rows: [], page: 0, query: "", chip: 0, shown: new Map(), open: null}, options);
        this.order = {by: this.columns.find((c) => c.key === this.sort[0]), down: this.sort[1] === "desc"};
        this.head = el("tr", null);
        this.body = el("tbody", null);
        this.note = el("p", {class: "table-note", "aria-live": "off"});
        const table = el("table", null, el("caption", null, this.caption), el("thead", null, this.head), this.body);
        this.frame = el("div", {class: "frame", role: "region", tabindex: "0", "aria-label": this.caption}, table);
        this.pager = this.makePager();
        this.node = el("div", {class: "table"}, this.text ? this.makeSearch() : null, this.frame, el("div", {class: "under"}, this.note, this.pager));
        for (const c of this.columns)
            this.head.append(this.makeHead(c));
        this.body.addEventListener("keydown", (e) => this.onKey(e));
        this.markOrder();
    }

    makeSearch() {
        this.input = el("input", {type: "search", id: `search-${this.id}`, autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/",
            oninput: () => this.find(this.input.value)});
        const chips = this.chips.map((c, i) => el("button", {type: "button", class: "chip", "aria-pressed": String(i === 0), onclick: () => this.choose(i)}, c.label));
        this.chipNodes = chips;
        for (const [i, s] of this.selects.entries())
            s.node = el("select", {id: `select-${this.id}-${i}`, onchange: () => this.pick()}, el("option", {value: ""}, "all"));
        return el("div", {class: "search", role: "search", "aria-label": this.caption}, el("label", {for: `search-${this.id}`}, "Search"), this.input,
            ...this.selects.flatMap((s, i) => [el("label", {for: `select-${this.id}-${i}`}, s.label), s.node]),
            chips.length ? el("div", {class: "chips", role: "group", "aria-label": "Which"}, ...chips) : null);
    }

    // Offers what there is in the rows; what is chosen stays, though no row has it now.
    offer() {
        for (const s of this.selects) {
            const there = [...new Set(this.rows.map((r) => String(s.of(r))).concat(s.node.value || []))].sort((a, b) => compare(a, b));
            if (there.join("\n") === s.there)
                continue;
            s.there = there.join("\n");
            const chosen = s.node.value;
            s.node.replaceChildren(el("option", {value: ""}, "all"), ...there.map((v) => el("option", {value: v}, plain(v))));
            s.node.value = chosen;
        }
    }

    pick() {
        this.page = 0;
        this.draw(true);
    }

    makePager() {
        this.back = el("button", {type: "button", onclick: () => this.turn(-1)}, "Back");
        this.forth = el("button", {type: "button", onclick: () => this.turn(1)}, "Next");
        return el("div", {class: "pager", role: "group", "aria-label": "Pages"}, this.back, this.forth);
    }

    makeHead(c) {
        const kind = `${c.num ? "n " : ""}${c.wide ? `wide${c.wide}` : ""}`.trim();
        if (!c.value)
            return el("th", {scope: "col", class: kind || null}, c.label);
        c.button = el("button", {type: "button", class: "sort", onclick: () => this.sortBy(c)}, c.label, el("span", {class: "arrow", "aria-hidden": "true"}));
        c.th = el("th", {scope: "col", class: kind || null}, c.button);
        return c.th;
    }

    markOrder() {
        for (const c of this.columns.filter((c) => c.th)) {
            if (c === this.order.by)
                c.th.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
            else
                c.th.removeAttribute("aria-sort");
        }
    }

    sortBy(c) {
        this.order = {by: c, down: this.order.by === c ? !this.order.down : !!c.num};
        this.markOrder();
        this.page = 0;
        this.draw(true);
    }

    find(query) {
        this.query = query.trim().toLowerCase();
        this.page = 0;
        this.draw(true);
    }

    choose(i) {
        this.chip = i;
        this.chipNodes.forEach((n, at) => n.setAttribute("aria-pressed", String(at === i)));
        this.page = 0;
        this.draw(true);
    }

    turn(by) {
        this.page += by;
        this.draw(true);
        this.frame.scrollTop = 0;
    }

    // New facts. While the reader is in the table, rows keep their places.
    update(rows) {
        this.rows = rows;
        this.offer();
        this.draw(false);
    }

    chosen() {
        const test = this.chips.length ? this.chips[this.chip].test : null;
        let list = test ? this.rows.filter(test) : this.rows.slice();
        if (this.query)
            list = list.filter((r) => this.text(r).toLowerCase().includes(this.query));
        for (const s of this.selects.filter((s) => s.node.value))
            list = list.filter((r) => String(s.of(r)) === s.node.value);
        const {by, down} = this.order, known = (r) => by.value(r);
        const unknown = (v) => v === null || v === undefined || Number.isNaN(v), then = this.columns.find((c) => c.head).value;
        return list.map((r) => [known(r), r]).sort(([a, r], [b, s]) =>
            (unknown(a) || unknown(b) || !down ? compare(a, b) : compare(b, a)) || compare(then(r), then(s))).map(([, r]) => r);
    }

    draw(force) {
        if (!force && this.keys && isBusy(this.body)) {
            this.refresh();
            return;
        }
        const list = this.chosen(), pages = Math.max(1, Math.ceil(list.length / ROWS));
        this.page = Math.max(0, Math.min(this.page, pages - 1));
        const part = list.slice(this.page * ROWS, (this.page + 1) * ROWS);
        this.place(part);
        const chosen = list.length < this.rows.length ? `${count(list.length)} of ${count(this.rows.length)} chosen` : `${count(list.length)} in all`;
        setText(this.note, pages > 1 ? `${count(this.page * ROWS + 1)} to ${count(this.page * ROWS + part.length)}; ${chosen}` : list.length ? chosen : "");
        this.pager.hidden = pages === 1;
        this.back.disabled = this.page === 0;
        this.forth.disabled = this.page === pages - 1;
        if (!part.length)
            this.body.append(el("tr", {class: "empty"}, el("td", {colspan: this.columns.length}, this.rows.length ? "Nothing matches." : this.empty)));
    }

    // The rows of a page in their order; those that were there keep their elements, and so the focus.
    place(part) {
        this.body.querySelectorAll("tr.empty").forEach((r) => r.remove());
        this.keys = part.map(this.key);
        const keep = new Set(this.keys);
        for (const [key, line] of this.shown)
            if (!keep.has(key)) {
                line.tr.remove();
                if (this.open === key)
                    this.close();
                this.shown.delete(key);
            }
        let before = null;
        part.forEach((row, i) => {
            const key = this.keys[i], line = this.shown.get(key) || this.makeLine(key, row);
            this.fill(line, row);
            const next = before ? before.nextSibling : this.body.firstChild;
            if (next !== line.tr)
                this.body.insertBefore(line.tr, next);
            before = line.tr;
            if (this.open === key && this.openRow) {
                if (before.nextSibling !== this.openRow)
                    this.body.insertBefore(this.openRow, before.nextSibling);
                before = this.openRow;
            }
        });
    }

    // Numbers only.
    refresh() {
        const byKey = new Map(this.rows.map((r) => [this.key(r), r]));
        for (const [key, line] of this.shown)
            if (byKey.has(key))
                this.fill(line, byKey.get(key));
        setText(this.note, `${count(this.rows.length)} in all; rows keep their places while you are among them`);
    }

    makeLine(key, row) {
        const line = {tr: el("tr", null), cells: []};
        this.columns.forEach((c, i) => {
            const kind = `${c.num ? "n " : ""}${c.wide ? `wide${c.wide}` : ""}`.trim() || null;
            const cell = c.head ? el("th", {scope: "row", class: kind}) : el("td", {class: kind});
            line.tr.append(cell);
            line.cells.push({cell, into: cell, was: null});
            if (c.head && this.link)
                cell.append(line.cells[i].into = el("a", {href: this.link(row)}));
            if (c.head && this.more)
                cell.append(line.cells[i].into = el("button", {type: "button", class: "opener", "aria-expanded": "false", onclick: () => this.toggle(key)}));
        });
        this.shown.set(key, line);
        return line;
    }

    fill(line, row) {
        line.row = row;
        this.columns.forEach((c, i) => {
            const at = line.cells[i], now = c.cell(row, at.memory || (at.memory = {}));
            if (now instanceof Node) {
                if (now !== at.was)
                    at.into.replaceChildren(now);
            } else if (now !== at.was) {
                at.into.textContent = now;
            }
            at.was = now;
        });
    }

    toggle(key) {
        const was = this.open;
        this.close();
        const line = this.shown.get(key);
        if (was === key || !line)
            return;
        this.open = key;
        this.openRow = el("tr", {class: "opened"}, el("td", {colspan: this.columns.length}, this.more(line.row)));
        line.tr.after(this.openRow);
        line.tr.querySelector(".opener").setAttribute("aria-expanded", "true");
    }

    // True if something was open.
    close() {
        if (this.open === null)
            return false;
        const line = this.shown.get(this.open);
        if (line)
            line.tr.querySelector(".opener").setAttribute("aria-expanded", "false");
        this.openRow.remove();
        this.open = this.openRow = null;
        return true;
    }

    // Arrows go from row to row, Home and End to the page's ends, PageUp and PageDown turn it.
    onKey(e) {
        const stops = [...this.body.querySelectorAll("th a, th button")], at = stops.indexOf(document.activeElement);
        if (at < 0 || e.ctrlKey || e.altKey || e.metaKey)
            return;
        const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: stops.length - 1}[e.key];
        if (to !== undefined && stops[to]) {
            stops[to].focus();
        } else if (e.key === "PageDown" && !this.forth.disabled || e.key === "PageUp" && !this.back.disabled) {
            this.turn(e.key === "PageDown" ? 1 : -1);
            const first = this.body.querySelector("th a, th button");
            if (first)
                first.focus();
        } else {
            return;
        }
        e.preventDefault();
    }
}
