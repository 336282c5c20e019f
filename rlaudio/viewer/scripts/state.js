// What is shown: the completions of the page, and the view of them that the address names.

class Shown {
  constructor(data) {
    this.data = data;
    this.groupColumns = data.columns.filter((column) => column.group);
    this.columns = data.columns.filter((column) => !column.group);
    this.keys = new Map(); // key of a group -> its position
    this.rows = []; // every completion; a group without any stands as one row
    data.groups.forEach((group, place) => this.add(group, place));
    this.hasCompletions = data.groups.some((group) => group.c.length);
  }

  add(group, place) {
    let key = [group.stage, group.step ?? "", group.id].join("/");
    while (this.keys.has(key)) key += "+";
    this.keys.set(key, place);
    group.key = key;
    group.place = place;
    const completions = group.c.length ? group.c : [null];
    completions.forEach((completion, at) =>
      this.rows.push({ number: this.rows.length, group, completion, at }),
    );
  }

  // The names and values by which groups can be told apart: category, source, contribution, ...
  facts() {
    const facts = new Map();
    for (const { facts: stated } of this.data.groups) {
      for (const [name, value] of Object.entries(stated)) {
        if (!facts.has(name)) facts.set(name, new Map());
        facts.get(name).set(value, (facts.get(name).get(value) ?? 0) + 1);
      }
    }
    return facts;
  }

  values(of) {
    return [...new Set(this.rows.map(of).filter((value) => value !== null && value !== undefined && value !== ""))];
  }

  value(row, name) {
    let at = this.columns.findIndex((column) => column.name === name);
    if (at >= 0) return row.completion ? row.completion.v[at] : null;
    at = this.groupColumns.findIndex((column) => column.name === name);
    return at >= 0 ? row.group.v[at] : null;
  }

  // Mean of a column over a group; of a column of groups its value.
  mean(group, name) {
    const at = this.columns.findIndex((column) => column.name === name);
    const values = group.c.map((completion) => completion.v[at]).filter((value) => value !== null);
    if (at < 0 || !values.length) return this.value({ group, completion: null }, name);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }
}

// The view is the part of the address behind `#/`, so that a link leads to it.
const VIEW = ["group", "at", "sort", "by", "find", "flags", "stage", "step", "stop", "tint"];

function readView() {
  const fields = new URLSearchParams(location.hash.startsWith("#/") ? location.hash.slice(2) : "");
  const view = { facts: {} };
  for (const name of VIEW) view[name] = fields.get(name) ?? "";
  view.flags = new Set(view.flags ? JSON.parse(view.flags) : []);
  for (const [name, value] of fields) if (name.startsWith("is.")) view.facts[name.slice(3)] = value;
  return view;
}

function addressOf(view) {
  const fields = new URLSearchParams();
  for (const name of VIEW) {
    const value = name === "flags" ? (view.flags.size ? JSON.stringify([...view.flags]) : "") : view[name];
    if (value !== "") fields.set(name, value);
  }
  for (const [name, value] of Object.entries(view.facts)) if (value) fields.set(`is.${name}`, value);
  return `#/${fields}`;
}

function safeView() {
  try {
    return readView();
  } catch {
    return emptyView();
  }
}

function emptyView() {
  return { facts: {}, ...Object.fromEntries(VIEW.map((name) => [name, ""])), flags: new Set() };
}

// --- filters, search, order ---------------------------------------------------------------------------

class Search {
  constructor(shown) {
    this.shown = shown;
    this.index = new MiniSearch({
      idField: "number",
      fields: ["text", "question"],
      tokenize: (text) => text.split(/[\s\p{Z}\p{P}\p{S}]+/u).filter(Boolean),
      searchOptions: { prefix: true, combineWith: "AND" },
    });
    this.ready = false;
  }

  document(row) {
    const { group, completion } = row;
    const question = [group.q, ...group.o, group.a, group.id].join(" ");
    return { number: row.number, text: completion ? completion.t : "", question };
  }

  // Built while nothing else happens, so that neither the first paint nor the first search waits.
  prepare() {
    const documents = this.shown.rows.map((row) => this.document(row));
    this.index.addAllAsync(documents, { chunkSize: 50 }).then(() => (this.ready = true));
  }

  // Numbers of the rows; "in quotes" is searched as it stands, and so is what the index does not know.
  find(words) {
    const quoted = /^"(.+)"$/.exec(words.trim());
    if (!quoted && this.ready) {
      const hits = this.index.search(words);
      if (hits.length) return new Set(hits.map((hit) => hit.id));
    }
    const wanted = (quoted ? quoted[1] : words.trim()).toLowerCase();
    const rows = this.shown.rows.filter((row) => {
      const { text, question } = this.document(row);
      return text.toLowerCase().includes(wanted) || question.toLowerCase().includes(wanted);
    });
    return new Set(rows.map((row) => row.number));
  }
}

function filtered(shown, view, search) {
  const flags = shown.data.flags.map(([name]) => name);
  const wanted = [...view.flags].map((name) => flags.indexOf(name)).filter((at) => at >= 0);
  const hits = view.find.trim() ? search.find(view.find) : null;
  const facts = Object.entries(view.facts).filter(([, value]) => value);
  return shown.rows.filter((row) => {
    const { group, completion } = row;
    if (view.stage && group.stage !== view.stage) return false;
    if (view.step && String(group.step) !== view.step) return false;
    if (view.stop && (!completion || completion.s !== view.stop)) return false;
    if (facts.some(([name, value]) => group.facts[name] !== value)) return false;
    if (wanted.length && (!completion || wanted.some((at) => !completion.f.includes(at)))) return false;
    return !hits || hits.has(row.number);
  });
}

function sorted(shown, rows, sort) {
  if (!sort) return rows;
  const down = sort.startsWith("-");
  const name = down ? sort.slice(1) : sort;
  const keyed = rows.map((row) => [shown.value(row, name), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null); // what has no value stands last
    return down ? b - a : a - b;
  });
  return keyed.map(([, row]) => row);
}
