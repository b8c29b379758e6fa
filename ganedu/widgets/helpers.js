// What the pages of all widgets share. Each widget joins this file with its own scripts into one module. No
// dependencies; nothing here is global, so two widgets on one page do not meet.

const PATIENCE = 10000; // ms without an answer after which a page says so
const SILENCE = "No answer from the kernel for 10 seconds. It is busy, or was restarted: then run this cell again, or " +
  "load a page without cells again.";
const LIVE = { class: "words", role: "status", "aria-live": "polite", test: "words" }; // words that are read aloud

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const fmt = (x, digits = 2) => (Number.isFinite(x) ? x.toFixed(digits).replace("-", "−") : "–");
const pair = ([x, y]) => `(${fmt(x)}, ${fmt(y)})`;
const uniqueId = () => Math.random().toString(36).slice(2);

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

// ------------------------------------------------------------------------------------------------------------- colours

function isDark() {
  const theme = document.querySelector("[data-jp-theme-light]")?.dataset.jpThemeLight;
  if (theme) return theme === "false";
  if (document.querySelector(".vscode-dark, html[theme=dark]")) return true;
  if (document.querySelector(".vscode-light, html[theme=light]")) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The parts of a colour, #rrggbb. */
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** The colours of the canvas, from the style sheet. */
function readColours(root) {
  root.classList.toggle("dark", isDark());
  const style = getComputedStyle(root), probe = document.createElement("canvas").getContext("2d");
  const colours = { font: style.fontFamily };
  for (const name of ["bg", "ink", "pale", "line", "alarm", "real", "fake", "disc", "arrow", "kl"]) {
    probe.fillStyle = style.getPropertyValue(`--${name}`).trim();
    colours[name] = probe.fillStyle;
  }
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

// ------------------------------------------------------------------------------------------------------------ canvases

function clear({ ctx, w, h: height }, colours) {
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.bg;
  ctx.fillRect(0, 0, w, height);
}

function disc(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

/** An arrow from (x, y), to be stroked; `head` is its head's share of it, `width` how far the head spreads. */
function traceArrow(ctx, x, y, dx, dy, head, width) {
  const tip = [x + dx, y + dy];
  ctx.moveTo(x, y);
  ctx.lineTo(...tip);
  ctx.moveTo(tip[0] - head * (dx - width * dy), tip[1] - head * (dy + width * dx));
  ctx.lineTo(...tip);
  ctx.lineTo(tip[0] - head * (dx + width * dy), tip[1] - head * (dy - width * dx));
}

/** A dot drawn once, to be stamped: 300 arcs as paths cost 5 ms where there is no GPU. A bitmap, since a canvas would
 * be copied for every stamp. */
const stamps = new Map();
function dotOf(radius, colour, rim) {
  const scale = window.devicePixelRatio || 1, key = [radius, colour, rim, scale].join();
  if (!stamps.has(key)) {
    const side = Math.ceil(2 * (radius + 1.5) * scale), pad = new OffscreenCanvas(side, side);
    const ctx = pad.getContext("2d");
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

/** These pixels, `channels` numbers each, on a canvas that becomes as large as they are. */
function fill(canvas, pixels, width, height, channels) {
  const data = new ImageData(width, height);
  for (let k = 0; k < width * height; k++) {
    for (let c = 0; c < 3; c++) data.data[4 * k + c] = pixels[channels * k + (channels === 3 ? c : 0)];
    data.data[4 * k + 3] = 255;
  }
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

/** A small canvas with these pixels, to be drawn larger. */
const sheetOf = (pixels, ...shape) => fill(document.createElement("canvas"), pixels, ...shape);

/** At most one drawing per animation frame, which `wake` asks for. */
function makeLoop(paint) {
  let asked = 0;
  function run() {
    asked = 0;
    paint();
  }
  return { wake: () => (asked ||= requestAnimationFrame(run)), close: () => cancelAnimationFrame(asked) };
}

// -------------------------------------------------------------------------------------- the learner's hand, the kernel

/** The way of an arrow key, `up` for the one that points up; undefined for all other keys. */
const wayOf = (key, up) =>
  ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, up], ArrowDown: [0, -up] })[key];

/** Focus a canvas that was pressed, and follow the pointer beyond its border. */
function grab(canvas, e) {
  e.preventDefault();
  canvas.focus({ preventScroll: true });
  if (e.isTrusted) canvas.setPointerCapture(e.pointerId); // a script's pointer cannot be captured
}

/** Act on the model's events, by name; returns what ends that. */
function listen(model, acts) {
  for (const [event, act] of Object.entries(acts)) model.on(event, act);
  return () => Object.entries(acts).forEach(([event, act]) => model.off(event, act));
}

/** The way to the kernel: one message at most is on it; of those that come meanwhile the newest follows. `make(n)`
 * gives the n-th message when it goes; `quiet` is where the page says that no answer came, and then the next goes all
 * the same. The kernel hands the message's `id` back in its answer; an answer to an older one does not count. `view` is
 * what tells this page from others in it. */
function makePost(model, make, quiet) {
  const view = uniqueId(); // two pages may show one widget
  let sent = 0, waiting = false, patience = 0;
  function go() {
    if (!waiting || patience) return;
    waiting = false;
    patience = setTimeout(() => {
      patience = 0;
      say(quiet, SILENCE);
      go();
    }, PATIENCE);
    sent++;
    model.send({ ...make(sent), id: { view, n: sent } });
  }
  function send() {
    waiting = true;
    go();
  }
  function answered(id) {
    if (id.view !== view || id.n !== sent) return false;
    clearTimeout(patience);
    patience = 0;
    say(quiet, "");
    go();
    return true;
  }
  return { view, send, answered, busy: () => waiting || patience > 0, close: () => clearTimeout(patience) };
}
