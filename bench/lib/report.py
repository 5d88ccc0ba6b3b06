# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of results: one for each scenario as it ends, the targets at the end, and the README's in Markdown."""
import statistics

import targets
from scenarios import ALL
from targets import US, figure, ratio, rounds_of

COLUMNS = {
    "timed": [("req/s", "rps", "{:,.0f}"), ("CPU us", "cpu_us", "{:.2f}"), ("user", "user_us", "{:.2f}"), ("system", "system_us", "{:.2f}"),
              ("p50 ms", "p50_us", "ms"), ("p99 ms", "p99_us", "ms"), ("s/GB", "cpu_s_per_gb", "{:.2f}"), ("failed", "failed", "{:.0f}"),
              ("peak MB", "most", "mb"), ("foreign", "foreign", "{:.2f}")],
    "hold": [("B/conn", "bytes_per_conn", "{:,.0f}"), ("setup us", "setup_us", "{:.0f}"), ("idle CPU", "idle_cpu", "{:.3f}"),
             ("peak MB", "most", "mb"), ("MB before", "empty", "mb"), ("MB after", "after", "mb")],
    "start": [("seconds", "start_s", "{:.3f}")],
}
MAIN = {"timed": "cpu_us", "hold": "bytes_per_conn", "start": "start_s"}


def kind(scenario):
    return "start" if scenario.name == "start" else "hold" if scenario.connections == "hold" else "timed"


def show(value, form):
    if value is None:
        return "-"
    if form == "ms":
        return f"{value / 1000:.2f}"
    return f"{value / 1e6:.1f}" if form == "mb" else form.format(value)


def errors(rounds):
    return [r["error"] for r in rounds if r and "error" in r]


def scenario_table(name, results):
    """One scenario: a line for each subject; the ratio is to the best of the others in the same round."""
    scenario, rows = ALL[name], results[name]
    columns, main = COLUMNS[kind(scenario)], MAIN[kind(scenario)]
    columns = [c for c in columns if any(figure(results, name, subject, c[1]) is not None for subject in rows)]
    width = max(len(s) for s in rows) + 1
    lines = ["", f"{name}: {scenario.title}", " " * width + f"{'ratio':>8}" + "".join(f"{title:>10}" for title, _, _ in columns)]
    for subject, rounds in rows.items():
        if not rounds_of(results, name, subject):
            lines.append(f"{subject:{width}} n/a: {(errors(rounds) or ['not run'])[-1]}")
            continue
        base = list(rows)[:1] if scenario.variants else None
        by = ratio(results, name, main, subject, base) if not (base and subject == base[0]) else 1.0
        lines.append(f"{subject:{width}}{show(by, '{:.2f}'):>8}" + "".join(f"{show(figure(results, name, subject, key), form):>10}"
                                                                            for _, key, form in columns))
        lines += [f"{'':{width}} a round failed: {e}" for e in sorted(set(errors(rounds)))]
    lines += [f"  target: {t.words(results)}" for t in targets.of(name)]
    return "\n".join(lines)


def best_of(name, results, key):
    found = {s: figure(results, name, s, key) for s in results[name] if s != US}
    found = {s: v for s, v in found.items() if v is not None}
    return min(found.items(), key=lambda item: item[1]) if found else (None, None)


def target_cell(name, results):
    words = []
    for t in targets.of(name):
        verdict, limit = t.judge(results), t.form.format(t.limit)
        what = "ratio" if t.text == targets.BY_BEST else t.text
        value = "" if t.text == targets.BY_BEST or verdict is None else f" {t.form.format(verdict[0])},"
        words.append(f"{what}{value} at most {limit}: " + ("not measured" if verdict is None else "met" if verdict[1] else "**not met**"))
    return "; ".join(words) or "-"


def place(document, table):
    """The document with the table between its marks, or only the table if it has none."""
    begin, end = "<!-- bench/run --all -->\n", "<!-- end -->\n"
    if begin not in document or end not in document:
        return table + "\n"
    head, rest = document.split(begin, 1)
    return f"{head}{begin}{table}\n{end}{rest.split(end, 1)[1]}"


def markdown(results, about):
    """The README's two tables."""
    lines = [about, "", "| scenario | sallyport | best peer | ratio | target |", "|---|---:|---:|---:|---|"]
    for name, rows in results.items():
        if name not in ALL or ALL[name].variants or US not in rows:
            continue
        key = MAIN[kind(ALL[name])]
        unit = " B" if key == "bytes_per_conn" else " us"
        form = "{:,.0f}" if key == "bytes_per_conn" else "{:,.1f}"
        peer, best = best_of(name, results, key)
        mine = figure(results, name, US, key)
        lines.append(f"| {name} | {show(mine, form)}{unit if mine is not None else ''} | {f'{peer} {show(best, form)}{unit}' if peer else '-'} | "
                     f"{show(ratio(results, name, key), '{:.2f}')} | {target_cell(name, results)} |")
    own = [n for n in results if n in ALL and ALL[n].variants]
    if own:
        lines += ["", "| sallyport with itself | | ratio | target |", "|---|---|---:|---|"]
    for name in own:
        labels = list(results[name])
        key = MAIN[kind(ALL[name])]
        form = "{:.2f} s" if key == "start_s" else "{:.1f} us"
        cells = "; ".join(f"{label}: {show(figure(results, name, label, key), form)}" for label in labels)
        lines.append(f"| {name} | {cells} | {show(ratio(results, name, key, labels[1], labels[:1]), '{:.2f}')} | {target_cell(name, results)} |")
    return "\n".join(lines)


def summary(results):
    """Every target of what was measured, and how many are met."""
    done = [(t, t.judge(results)) for t in targets.TARGETS if t.scenario in results]
    width = max((len(t.scenario) for t, _ in done), default=0)
    lines = ["", "targets"] + [f"  {t.scenario:{width}}  {t.words(results)}" for t, _ in done]
    met = sum(1 for _, v in done if v and v[1])
    lines.append(f"{met} of {len(done)} targets met")
    noise = [r["foreign"] for rows in results.values() if isinstance(rows, dict) for rounds in rows.values() if isinstance(rounds, list)
             for r in rounds if r and "foreign" in r]
    if noise and statistics.median(noise) > 0.1:
        lines.append(f"Other programs used {statistics.median(noise):.2f} CPUs (median) meanwhile: on a quiet machine these figures are others.")
    return "\n".join(lines)


def self_test():
    """AssertionError if a table goes elsewhere than between its marks, or a verdict is not what its target says."""
    marks = "before\n<!-- bench/run --all -->\nold\n<!-- end -->\nafter\n"
    assert place(marks, "new") == marks.replace("old", "new") and place("no marks", "new") == "new\n"
    results = {"h2_tls": {US: [{"cpu_us": 8.0}], "nginx": [{"cpu_us": 10.0}]}}
    assert "| h2_tls | 8.0 us | nginx 10.0 us | 0.80 | ratio at most 0.90: met |" in markdown(results, "")
    results["h2_tls"][US][0]["cpu_us"] = 9.1
    assert "ratio at most 0.90: **not met** |" in markdown(results, "")
