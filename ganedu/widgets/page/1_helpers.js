// The playground's page: it draws what the kernel sends and sends what the learner does. The game itself is in
// playground.py, which joins the files of this folder into one module; answers.py states the protocol. No dependencies;
// nothing here is global, so two playgrounds on one page do not meet.

const SPAN = 3; // the picture shows [-3, 3] x [-3, 3]
const UNIT = 2000; // int16 coordinates are times this
const HEAT = 48; // cells of the heat map along a side
const NOTHING = 128; // D* = 1/2 to the bit: nothing falls into this cell, and any answer is as good
const LOG2 = Math.log(2);
const ACK = 160; // ms between two acknowledgements, at least
const ARRAYS = { uint8: Uint8Array, int8: Int8Array, int16: Int16Array, float32: Float32Array };
const LAYERS = {
  real: "real samples", fakes: "fakes", heat: "D's heat map", best: "best answer D* (blue: real)",
  grid: "G's grid", arrows: "gradient arrows",
};
const LAYER_OF = { heat: "heat", best: "best", fakes: "fakes", scores: "fakes", arrows: "arrows", nodes: "grid",
  lattice: "grid", share: "grid" };
const GROUPS = { data: "Data", noise: "Noise", G: "Generator G", D: "Discriminator D", game: "The game" };
const PARTS = ["noise", "generator", "samples", "discriminator", "loss", "gradient", "update"];
const PATIENCE = 10000; // ms without an answer after which a page says so
const HOLD = 800; // ms after a learner's input in which the kernel's values leave that control alone
const COMPASS = ["→", "↗", "↑", "↖", "←", "↙", "↓", "↘"];
const HINTS = {
  look: "Point at the picture, or focus it and use the arrow keys, to read D and the pull on a fake.",
  draw: "Draw with mouse, finger or pen; or move with the arrow keys and put a point with Space.",
  drag: "Drag a fake to where you expect it after 50 rounds (keys: arrows to move, Space to take and to drop).",
};
let views = 0; // makes the ids of this page's elements unique

// ------------------------------------------------------------------------------------------------------ small helpers

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const fmt = (x, digits = 2) => (Number.isFinite(x) ? x.toFixed(digits).replace("-", "−") : "–");
const pair = ([x, y]) => `(${fmt(x)}, ${fmt(y)})`;
const words = (x) => String(x).replaceAll("_", " ");

/** 0.001 as 1e-3, 0.03 as 0.03: short, and never a row of zeros to count. */
function short(x) {
  const text = x >= 0.01 && x < 1000 ? String(Number(x.toPrecision(2))) : x.toExponential(1).replace(".0e", "e");
  return text.replace("e+", "e");
}

/** The k-th of the points that the kernel sent. */
const spot = (points, k) => [points[2 * k] / UNIT, points[2 * k + 1] / UNIT];

/** A gradient arrow in words: its length and its direction. */
function pull([u, v]) {
  const strength = Math.hypot(u, v), eighth = Math.round(Math.atan2(v, u) / (Math.PI / 4));
  return strength < 0.005 ? "0.00" : `${fmt(strength)} ${COMPASS[(eighth + 8) % 8]}`;
}

/** An element: attributes by name, `test` for data-testid, `onclick` and the like for listeners. */
function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "text", "g"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key === "test" ? "data-testid" : key, value);
  }
  // JupyterLab must not take keys for its own commands; it looks for this mark on the element that has the focus.
  if (["button", "input", "select", "summary", "canvas"].includes(tag)) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
}

const button = (test, text, onclick, more = {}) => h("button", { type: "button", test, onclick, ...more }, text);

/** Set a text only when it is another one: the page is not laid out again for nothing. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The numbers of a buffer, which need not begin at a multiple of their size. */
const bytes = (b, Type) => new Type(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength));

/** Hand the learner a file. */
function download(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Wilson's 95 % interval of k out of n, in per cent. */
function interval(k, n) {
  const z = 1.96, p = k / n, middle = p + (z * z) / (2 * n);
  const half = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [middle - half, middle + half].map((x) => Math.round((100 * clamp(x / (1 + (z * z) / n), 0, 1))));
}

function isDark() {
  const told = document.querySelector("[data-jp-theme-light]")?.dataset.jpThemeLight;
  if (told) return told === "false";
  if (document.querySelector(".vscode-dark, html[theme=dark]")) return true;
  if (document.querySelector(".vscode-light, html[theme=light]")) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The colours of the canvas, from the style sheet; `heat` holds RGBA for each of the 256 values of D. */
function readColours(root) {
  root.classList.toggle("dark", isDark());
  const style = getComputedStyle(root), probe = document.createElement("canvas").getContext("2d"), colours = {};
  for (const name of ["bg", "ink", "pale", "line", "real", "fake", "disc", "arrow", "kl"]) {
    probe.fillStyle = style.getPropertyValue(`--${name}`).trim();
    colours[name] = probe.fillStyle;
  }
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const low = rgb(colours.bg), high = rgb(colours.disc), strength = 0.8;
  colours.heat = new Uint8ClampedArray(256 * 4);
  for (let v = 0; v < 256; v++) {
    for (let c = 0; c < 3; c++) colours.heat[4 * v + c] = low[c] + ((high[c] - low[c]) * strength * v) / 255;
    colours.heat[4 * v + 3] = 255;
  }
  colours.best = colours.heat.slice();
  colours.best.set(low, 4 * NOTHING);
  colours.font = style.fontFamily;
  return colours;
}

/** Run `restyle` whenever the page turns light or dark; returns what ends that. */
function watchTheme(restyle) {
  const themes = new MutationObserver(restyle), preference = matchMedia("(prefers-color-scheme: dark)");
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["class", "style", "theme", "data-jp-theme-light"] });
  }
  preference.addEventListener("change", restyle);
  return () => {
    themes.disconnect();
    preference.removeEventListener("change", restyle);
  };
}

/** A dot drawn once, to be stamped: 300 arcs as paths cost 5 ms where there is no GPU. A bitmap, since a canvas would be
 * copied for every stamp. */
const stamps = new Map();
function dotOf(radius, colour, rim) {
  const scale = window.devicePixelRatio || 1, key = [radius, colour, rim, scale].join();
  if (!stamps.has(key)) {
    const side = Math.ceil(2 * (radius + 1.5) * scale), pad = new OffscreenCanvas(side, side), ctx = pad.getContext("2d");
    ctx.scale(scale, scale);
    ctx.arc(side / scale / 2, side / scale / 2, radius, 0, 2 * Math.PI);
    ctx.fillStyle = colour;
    if (rim) {
      ctx.lineWidth = 1.4;
      ctx.strokeStyle = rim;
      ctx.stroke();
    }
    ctx.fill();
    stamps.set(key, { image: pad.transferToImageBitmap(), side: side / scale });
  }
  return stamps.get(key);
}

/** Canvases that stay sharp: their pixels follow their size on the page. `resized` runs before the page is shown. */
function makeScreens(resized) {
  const all = new Map();
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const s = all.get(target), dpr = window.devicePixelRatio || 1;
      Object.assign(s, { w: contentRect.width, h: contentRect.height, stale: true });
      Object.assign(target, { width: Math.round(s.w * dpr), height: Math.round(s.h * dpr) });
      s.ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    }
    resized();
  });
  const make = (attributes) => {
    const canvas = h("canvas", attributes);
    const s = { canvas, ctx: canvas.getContext("2d", { alpha: false }), w: 0, h: 0, stale: true };
    all.set(canvas, s);
    observer.observe(canvas);
    return s;
  };
  return { make, stale: () => all.forEach((s) => (s.stale = true)), close: () => observer.disconnect() };
}

/** The way to the kernel: one message at most is on it; of those that come meanwhile the newest follows. `make(n)` gives
 * the n-th message when it goes; `quiet` is where the page says that no answer came, and then the next goes all the
 * same. The kernel hands the message's `id` back in its answer; an answer to an older one does not count. */
function makePost(model, make, quiet) {
  const view = Math.random().toString(36).slice(2); // two pages may show one widget
  let told = 0, waiting = false, patience = 0;
  function go() {
    if (!waiting || patience) return;
    waiting = false;
    patience = setTimeout(() => {
      patience = 0;
      say(quiet, "No answer from the kernel for 10 seconds. It is busy, or was restarted: then run this cell again.");
      go();
    }, PATIENCE);
    told++;
    model.send({ ...make(told), id: { view, n: told } });
  }
  function tell() {
    waiting = true;
    go();
  }
  function answered(id) {
    if (id.view !== view || id.n !== told) return false;
    clearTimeout(patience);
    patience = 0;
    say(quiet, "");
    go();
    return true;
  }
  return { tell, answered, busy: () => waiting || patience > 0, close: () => clearTimeout(patience) };
}
