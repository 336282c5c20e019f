// The viewer: filters above, the open group, and the table beneath.

class Viewer {
  constructor(root, data) {
    this.root = root;
    this.shown = new Shown(data);
    this.search = new Search(this.shown);
    this.view = safeView();
    this.detail = new Detail(this.shown, (change) => this.go(change));
    this.listing = new Listing(this.shown, (change) => this.go(change));
    this.count = el("span", { class: "count", role: "status" });
    this.filters = el("div", { class: "filters" });
    root.append(this.notes(), this.filters, this.bar(), this.detail.node, this.listing.node);
    this.draw({ filters: true });
    addEventListener("hashchange", () => this.follow());
    addEventListener("keydown", (event) => this.key(event));
    (window.requestIdleCallback ?? setTimeout)(() => this.search.prepare());
  }

  notes() {
    const { selection, notes } = this.shown.data;
    return el("div", { class: "notes" }, ...[selection, ...notes].filter(Boolean).map((text) => el("p", {}, text)));
  }

  bar() {
    return el(
      "div",
      { class: "bar" },
      this.count,
      button("export selection", () => this.exported(), { class: "export" }),
      button("clear filters", () => this.clear(), { class: "clear" }),
    );
  }

  // --- the view ---------------------------------------------------------------------------------

  go(change) {
    if ("move" in change) return this.move(change.move);
    const before = this.view.group;
    Object.assign(this.view, change);
    const opened = this.view.group !== before;
    if (opened) location.hash = addressOf(this.view); // a step of the history
    else history.replaceState(null, "", addressOf(this.view));
    const onlyDetail = Object.keys(change).every((name) => ["group", "at", "tint"].includes(name));
    if (!onlyDetail) this.listing.reset();
    this.draw({ onlyDetail });
    if (opened && this.view.group) this.detail.node.scrollIntoView({ block: "nearest" });
  }

  follow() {
    if (!location.hash.startsWith("#/") || location.hash === addressOf(this.view)) return;
    this.view = safeView();
    this.draw({ filters: true });
  }

  clear() {
    const { group, at, tint, by } = this.view;
    this.view = { ...emptyView(), group, at, tint, by };
    history.replaceState(null, "", addressOf(this.view));
    this.draw({ filters: true });
  }

  draw({ filters = false, onlyDetail = false } = {}) {
    if (filters) this.filters.replaceChildren(...this.fields());
    if (!onlyDetail || !this.rows) {
      this.rows = sorted(this.shown, filtered(this.shown, this.view, this.search), this.view.sort);
      const groups = new Set(this.rows.map((row) => row.group)).size;
      this.count.textContent = this.shown.hasCompletions
        ? `${counted(this.rows.length, "completion")} of ${short1000(this.shown.rows.length)}, in ${counted(groups, "group")}`
        : `${counted(groups, "question")} of ${short1000(this.shown.rows.length)}`;
    }
    this.listing.show(this.rows, this.view);
    const place = this.shown.keys.get(this.view.group);
    if (place === undefined) this.detail.close();
    else this.detail.show(this.shown.data.groups[place], Number(this.view.at || 0), this.view);
  }

  // --- filters ----------------------------------------------------------------------------------

  fields() {
    const { shown, view } = this;
    const choose = (name) => (value) => this.go({ [name]: value });
    const any = (values) => [["", "any"], ...values.map((value) => [String(value), String(value)])];
    const stages = shown.values((row) => row.group.stage);
    const steps = shown.values((row) => row.group.step).sort((a, b) => a - b);
    const stops = shown.values((row) => row.completion?.s);
    const sorts = [...(shown.hasCompletions ? shown.columns : []), ...shown.groupColumns].flatMap(({ name }) => [
      [`-${name}`, `${name} \u2193`],
      [name, `${name} \u2191`],
    ]);
    const fields = [
      el(
        "label",
        { class: "pick find" },
        el("span", {}, "search"),
        el("input", { type: "search", value: view.find, placeholder: "text, question, option or id", oninput: (event) => this.typed(event.target.value) }),
      ),
      shown.hasCompletions && select("rows", [["", "completions"], ["group", "groups"]], view.by, choose("by")),
      stages.length > 1 && select("stage", any(stages), view.stage, choose("stage")),
      steps.length > 1 && select("step", any(steps), view.step, choose("step")),
      stops.length > 1 && select("ended by", any(stops), view.stop, choose("stop")),
      ...[...shown.facts()].filter(([, values]) => values.size > 1 && values.size < 200).map(([name, values]) =>
        select(name, any([...values.keys()].sort()), view.facts[name] ?? "", (value) => this.go({ facts: { ...this.view.facts, [name]: value } })),
      ),
      sorts.length > 0 && select("order", [["", "as recorded"], ...sorts], view.sort, choose("sort")),
    ];
    const flags = shown.data.flags.map(([name, meaning], place) => {
      const there = shown.rows.filter((row) => row.completion?.f.includes(place)).length;
      if (!there && !view.flags.has(name)) return null;
      const box = el("input", { type: "checkbox", checked: view.flags.has(name), onchange: (event) => this.flag(name, event.target.checked) });
      return el("label", { class: "flag-pick", title: meaning }, box, `${name} `, el("small", {}, short1000(there)));
    });
    return [...fields.filter(Boolean), flags.length ? el("div", { class: "flags" }, ...flags) : ""];
  }

  flag(name, on) {
    const flags = new Set(this.view.flags);
    if (on) flags.add(name);
    else flags.delete(name);
    this.go({ flags });
  }

  typed(words) {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.go({ find: words }), 80);
  }

  // --- keys, export -----------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing) return void (event.key === "Escape" && event.target.blur());
    const open = this.shown.keys.has(this.view.group);
    const keys = {
      j: () => this.move(1),
      k: () => this.move(-1),
      ArrowRight: () => open && this.move(1),
      ArrowLeft: () => open && this.move(-1),
      Escape: () => open && this.go({ group: "", at: "" }),
      " ": () => open && this.detail.toggle(),
      "/": () => this.filters.querySelector("input").focus(),
    };
    const press = keys[event.key];
    if (!press || (event.key === " " && event.target.closest?.("button"))) return;
    if (press() !== false) event.preventDefault();
  }

  // To the next completion of the list, or the next group where groups are listed.
  move(by) {
    const byGroup = this.view.by === "group" || !this.shown.hasCompletions;
    const entries = byGroup ? this.listing.groups(this.rows, this.view).map((group) => ({ group, at: 0 })) : this.rows;
    const now = entries.findIndex(({ group, at }) => group.key === this.view.group && (byGroup || at === Number(this.view.at || 0)));
    const next = entries[now < 0 ? 0 : now + by];
    if (next) this.go({ group: next.group.key, at: String(next.at) });
  }

  exported() {
    const { columns, groupColumns, data } = this.shown;
    const named = (names, values) => Object.fromEntries(names.map((column, place) => [column.name, values[place]]));
    const lines = this.rows.map(({ group, completion }) =>
      JSON.stringify({
        question_id: group.id,
        stage: group.stage || undefined,
        step: group.step ?? undefined,
        question: group.q,
        options: group.o,
        gold: group.gold,
        answer: group.a || undefined,
        groups: group.facts,
        clips: group.clips.map((place) => data.clips[place].name),
        ...(groupColumns.length ? { of_group: named(groupColumns, group.v) } : {}),
        ...(completion
          ? { title: completion.n || undefined, completion: completion.t, stop_reason: completion.s || undefined, values: named(columns, completion.v), flags: completion.f.map((place) => data.flags[place][0]) }
          : {}),
      }),
    );
    const link = el("a", { download: "selection.jsonl" });
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}
