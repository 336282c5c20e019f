// Elements are made here alone: every text goes in as a text node, never as markup.

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function button(text, press, properties = {}) {
  return el("button", { type: "button", onclick: press, ...properties }, text);
}

function select(label, entries, chosen, choose) {
  const field = el("select", { "aria-label": label, onchange: (event) => choose(event.target.value) });
  for (const [value, text] of entries) {
    field.append(el("option", { value, selected: value === chosen }, text));
  }
  return el("label", { class: "pick" }, el("span", {}, label), field);
}

function stored(id) {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : null;
}

// Three significant digits, an exponent below 0.0001, a real minus sign, a dash where there is no value.
function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const size = Math.abs(value);
  if (size < 1e-12) return "0"; // what rounding leaves of a mean
  const text =
    size >= 1000 && size < 1e6
      ? short1000(Math.round(value))
      : Number(value.toPrecision(3))[size < 1e-4 ? "toExponential" : "toString"]();
  return text.replace("-", "\u2212");
}

function counted(count, what) {
  return `${short1000(count)} ${what}${count === 1 ? "" : "s"}`;
}

function short1000(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

// A colour of the style sheet, as it is in light or dark.
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
