// One question: its clips, and all completions of the group side by side.

class Detail {
  constructor(shown, go) {
    this.shown = shown;
    this.go = go; // changes the view
    this.players = [];
    this.node = el("div", { class: "detail" });
    dark.addEventListener("change", () => {
      const last = this.last;
      if (!last) return;
      this.close(); // players are drawn in the colours they were made with
      this.show(...last);
    });
  }

  close() {
    this.players.forEach((each) => each.destroy?.());
    this.players = [];
    this.last = null;
    this.node.replaceChildren();
  }

  toggle() {
    this.players.find((each) => each.toggle)?.toggle();
  }

  show(group, at, view) {
    const kept = this.last?.[0] === group ? this.players.splice(0) : null; // they go on playing
    this.close();
    this.last = [group, at, view];
    const { clips } = this.shown.data;
    this.players = kept ?? group.clips.map((place) => player(clips[place]));
    this.node.append(
      el(
        "article",
        { class: "open" },
        this.head(group),
        el("h3", {}, group.q || group.id),
        ...this.players.map(({ node }) => node),
        this.options(group),
        this.over(group),
        this.tinting(group, view),
        el("div", { class: "side-by-side" }, ...group.c.map((each, place) => this.completion(group, each, place, at, view))),
      ),
    );
  }

  head(group) {
    const parts = [group.stage && group.step !== null ? `${group.stage}, step ${group.step}` : "", group.id];
    const facts = Object.entries(group.facts).map(([name, value]) =>
      el("span", { class: "tag", title: name }, value),
    );
    return el(
      "div",
      { class: "detail-head" },
      el("p", { class: "meta" }, parts.filter(Boolean).join(" \u00b7 "), " ", ...facts),
      el(
        "div",
        { class: "steps" },
        button("\u2190", () => this.go({ move: -1 }), { title: "previous (k or \u2190)", "aria-label": "previous" }),
        button("\u2192", () => this.go({ move: 1 }), { title: "next (j or \u2192)", "aria-label": "next" }),
        button("\u00d7", () => this.go({ group: "", at: "" }), { title: "close (Esc)", "aria-label": "close" }),
      ),
    );
  }

  options(group) {
    if (!group.o.length) return group.a ? el("p", { class: "answer-text" }, el("b", {}, "Answer: "), group.a) : null;
    return el(
      "ol",
      { class: "choices" },
      ...group.o.map((option, place) =>
        el("li", { class: place === group.gold ? "gold" : null }, option, place === group.gold && el("small", {}, " gold")),
      ),
    );
  }

  // The same question at other steps.
  over(group) {
    const others = this.shown.data.groups
      .filter((other) => other.id === group.id && other.step !== null)
      .sort((a, b) => a.stage.localeCompare(b.stage) || a.step - b.step);
    if (others.length < 2) return null;
    const total = this.shown.columns.find((column) => column.kind === "total") ?? this.shown.columns[0];
    return el(
      "p",
      { class: "over" },
      el("span", {}, "This question at step"),
      ...others.map((other) => {
        const mean = total ? `, ${total.name} ${short(this.shown.mean(other, total.name))}` : "";
        const press = () => this.go({ group: other.key, at: "0" });
        return button(`${other.step}${mean}`, press, { class: other === group ? "chosen" : null });
      }),
    );
  }

  tinting(group, view) {
    const there = this.shown.data.tints.filter((_, place) => group.c.some((each) => each.k?.[place]));
    if (!there.length) return null;
    const entries = [["", "none"], ...there.map(([name]) => [name, name])];
    const meaning = there.find(([name]) => name === view.tint)?.[1];
    return el(
      "div",
      { class: "tinting" },
      select("tint tokens by", entries, view.tint, (tint) => this.go({ tint })),
      meaning && el("span", { class: "meaning" }, meaning),
    );
  }

  completion(group, completion, place, at, view) {
    const { columns, data } = this.shown;
    return el(
      "section",
      { class: `completion${place === at ? " chosen" : ""}`, "data-place": place },
      el(
        "p",
        { class: "meta" },
        el("b", {}, completion.n || `${place + 1}`),
        ...completion.f.map((flag) => el("span", { class: "tag flag", title: data.flags[flag][1] }, data.flags[flag][0])),
        completion.s && completion.s !== "stop" && el("span", { class: "cut" }, ` ended by ${completion.s}`),
      ),
      el("pre", { class: "answer" }, ...tinted(completion, data.tints, view.tint), completion.cut && el("span", { class: "cut" }, ` \u2026 ${completion.cut}`)),
      el(
        "dl",
        {},
        ...columns.map((column, number) =>
          el("div", { class: column.kind, title: column.meaning }, el("dt", {}, column.name), el("dd", {}, short(completion.v[number]))),
        ),
      ),
    );
  }
}

// The text, or its tokens over a colour for each one's number.
function tinted(completion, tints, name) {
  const place = tints.findIndex(([known]) => known === name);
  const numbers = completion.k?.[place];
  if (place < 0 || !numbers) return [completion.t];
  return completion.p.map((piece, at) => {
    const span = el("span", { title: `${JSON.stringify(piece)}: ${short(numbers[at])}` }, piece);
    if (numbers[at] !== null) span.style.background = tintOf(numbers[at]);
    return span;
  });
}

// Below zero towards orange, above towards teal; full at a factor of e^3.
function tintOf(number) {
  const strength = Math.min(1, Math.abs(number) / 3) * 70;
  return `color-mix(in srgb, var(--${number < 0 ? "mismatch" : "audio"}) ${strength.toFixed(0)}%, transparent)`;
}
