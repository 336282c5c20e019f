// The table of completions, or of groups; as many rows as are asked for.

const PAGE_OF_ROWS = 60;
const MORE_ROWS = 200;

class Listing {
  constructor(shown, go) {
    this.shown = shown;
    this.go = go;
    this.limit = PAGE_OF_ROWS;
    this.node = el("div", { class: "listing" });
  }

  show(rows, view) {
    this.rows = rows;
    const byGroup = view.by === "group" || !this.shown.hasCompletions;
    const entries = byGroup ? this.groups(rows, view) : rows;
    const shown = entries.slice(0, this.limit);
    const body = el("tbody", {}, ...shown.map((entry) => (byGroup ? this.groupRow(entry, view) : this.row(entry, view))));
    const left = entries.length - shown.length;
    this.node.replaceChildren(
      el("div", { class: "scroll" }, el("table", { class: byGroup ? "by-group" : null }, this.header(view, byGroup), body)),
      left > 0
        ? button(`show ${Math.min(left, MORE_ROWS)} more of ${short1000(left)}`, () => this.more(view), { class: "more" })
        : "",
    );
  }

  more(view) {
    this.limit += MORE_ROWS;
    this.show(this.rows, view);
  }

  reset() {
    this.limit = PAGE_OF_ROWS;
  }

  // Groups with a row among these, in the order of their first one, or by the mean of what is sorted by.
  groups(rows, view) {
    const groups = [...new Set(rows.map((row) => row.group))];
    const down = view.sort.startsWith("-");
    const name = down ? view.sort.slice(1) : view.sort;
    if (!name || !this.shown.hasCompletions) return groups;
    const keyed = groups.map((group) => [this.shown.mean(group, name), group]);
    keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? b - a : a - b));
    return keyed.map(([, group]) => group);
  }

  columns(byGroup) {
    return byGroup ? [...this.shown.columns, ...this.shown.groupColumns] : this.shown.columns;
  }

  header(view, byGroup) {
    const { hasCompletions } = this.shown;
    const cell = (column) => {
      const arrow = view.sort === `-${column.name}` ? " \u2193" : view.sort === column.name ? " \u2191" : "";
      const next = view.sort === `-${column.name}` ? column.name : view.sort === column.name ? "" : `-${column.name}`;
      const press = () => this.go({ sort: next });
      return el("th", { scope: "col", title: column.meaning }, button(column.name.replaceAll("_", "_\u200b") + arrow, press, { class: "sort", "data-sort": column.name }));
    };
    return el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "col" }, byGroup ? "question" : "completion"),
        byGroup && hasCompletions && el("th", { scope: "col" }, "group"),
        ...this.columns(byGroup).map(cell),
      ),
    );
  }

  row(row, view) {
    const { group, completion } = row;
    const open = view.group === group.key && Number(view.at || 0) === row.at;
    const where = [group.step !== null ? `step ${group.step}` : "", completion.n, group.q || group.id];
    return this.line(
      group,
      row.at,
      open,
      [el("span", { class: "where" }, where.filter(Boolean).join(" \u00b7 ")), el("span", { class: "text" }, completion.t.slice(0, 300) || "\u00a0")],
      this.shown.columns.map((column, number) => [column, completion.v[number]]),
    );
  }

  groupRow(group, view) {
    const right = group.gold !== null && group.o.length ? group.o[group.gold] : group.a;
    const where = [group.step !== null ? `step ${group.step}` : "", ...Object.values(group.facts)];
    const numbers = this.columns(true).map((column) => [column, this.shown.mean(group, column.name)]);
    const line = this.line(
      group,
      0,
      view.group === group.key,
      [el("span", { class: "where" }, where.filter(Boolean).join(" \u00b7 ")), el("span", { class: "text" }, group.q || group.id), right && el("span", { class: "where" }, `\u2713 ${right}`)],
      numbers,
    );
    if (this.shown.hasCompletions) line.firstChild.after(el("td", { "data-name": "group" }, this.bars(group)));
    return line;
  }

  line(group, at, open, texts, numbers) {
    const press = (event) => {
      if (!event.target.closest("a")) this.go({ group: group.key, at: String(at) });
    };
    return el(
      "tr",
      { class: open ? "chosen" : null, onclick: press, tabindex: "0", onkeydown: (event) => event.key === "Enter" && press(event) },
      el("th", { scope: "row" }, ...texts),
      ...numbers.map(([column, value]) => el("td", { "data-name": column.name, class: column.kind }, short(value))),
    );
  }

  // The totals of a group as small bars.
  bars(group) {
    const at = Math.max(0, this.shown.columns.findIndex((column) => column.kind === "total"));
    this.highest ??= Math.max(1e-9, ...this.shown.rows.map((row) => row.completion?.v[at] ?? 0));
    const bars = el("div", { class: "group", role: "img", "aria-label": `values: ${group.c.map((each) => short(each.v[at])).join(", ")}` });
    for (const completion of group.c) {
      const bar = el("i", { title: short(completion.v[at]) });
      bar.style.height = `${4 + 96 * Math.max(0, Math.min(1, (completion.v[at] ?? 0) / this.highest))}%`;
      bars.append(bar);
    }
    return bars;
  }
}
