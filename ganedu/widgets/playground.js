// The playground's page: it draws what the kernel sends and sends what the learner does. The game itself is in
// playground.py, which also states the protocol. One module, no dependencies; nothing here is global, so two
// playgrounds on one page do not meet.

const SPAN = 3; // the picture shows [-3, 3] x [-3, 3]
const UNIT = 2000; // int16 coordinates are times this
const HEAT = 48; // cells of the heat map along a side
const NOTHING = 128; // D* = 1/2 to the bit: nothing falls into this cell, and any answer is as good
const LOG2 = Math.log(2);
const ACK = 100; // ms between two acknowledgements, at least
const ARRAYS = { uint8: Uint8Array, int8: Int8Array, int16: Int16Array, float32: Float32Array };
const LAYERS = {
  real: "real samples", fakes: "fakes", heat: "D's heat map", best: "best answer D*",
  grid: "G's grid", arrows: "gradient arrows",
};
const LAYER_OF = { heat: "heat", best: "best", fakes: "fakes", scores: "fakes", arrows: "arrows", nodes: "grid",
  lattice: "grid", share: "grid" };
const GROUPS = { data: "Data", noise: "Noise", G: "Generator G", D: "Discriminator D", game: "The game" };
const PARTS = ["noise", "generator", "samples", "discriminator", "loss", "gradient", "update"];
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
    const s = { canvas, ctx: canvas.getContext("2d"), w: 0, h: 0, stale: true };
    all.set(canvas, s);
    observer.observe(canvas);
    return s;
  };
  return { make, stale: () => all.forEach((s) => (s.stale = true)), close: () => observer.disconnect() };
}

// ----------------------------------------------------------------------------------- painting: data in, pixels out

const toX = (x, size) => ((x + SPAN) / (2 * SPAN)) * size;
const toY = (y, size) => ((SPAN - y) / (2 * SPAN)) * size;

function clear({ ctx, w, h: height }, colours) {
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.bg;
  ctx.fillRect(0, 0, w, height);
}

/** A map D (48, 48), row 0 at the bottom, as a soft shade of the 256 RGBA in `heat`; `tile` is a canvas used again. */
function paintHeat(ctx, size, field, tile, heat) {
  const { data } = tile.image;
  for (let row = 0; row < HEAT; row++) {
    let to = (HEAT - 1 - row) * HEAT * 4;
    for (let k = row * HEAT; k < (row + 1) * HEAT; k++, to += 4) {
      const from = 4 * field[k];
      data[to] = heat[from];
      data[to + 1] = heat[from + 1];
      data[to + 2] = heat[from + 2];
      data[to + 3] = 255;
    }
  }
  tile.ctx.putImageData(tile.image, 0, 0);
  ctx.drawImage(tile.ctx.canvas, 0, 0, size, size);
}

function makeTile() {
  const ctx = h("canvas", { width: HEAT, height: HEAT }).getContext("2d");
  return { ctx, image: ctx.createImageData(HEAT, HEAT) };
}

/** The lines where a map passes `level` (of 255): marching squares, one stroke. */
function paintContour(ctx, size, field, level) {
  const nothing = NOTHING - level;
  let open = false;
  const cross = (i, j) => {
    const x = ((i + 0.5) / HEAT) * size, y = size - ((j + 0.5) / HEAT) * size;
    if (open) ctx.lineTo(x, y);
    else ctx.moveTo(x, y);
    open = !open;
  };
  ctx.beginPath();
  for (let j = 0; j + 1 < HEAT; j++) {
    for (let i = 0; i + 1 < HEAT; i++) {
      const k = j * HEAT + i;
      const a = field[k] - level, b = field[k + 1] - level;
      const c = field[k + HEAT + 1] - level, d = field[k + HEAT] - level;
      if (a === nothing || b === nothing || c === nothing || d === nothing) continue;
      if (a > 0 !== b > 0) cross(i + a / (a - b), j);
      if (b > 0 !== c > 0) cross(i + 1, j + b / (b - c));
      if (c > 0 !== d > 0) cross(i + d / (d - c), j + 1);
      if (d > 0 !== a > 0) cross(i, j + a / (a - d));
    }
  }
  ctx.stroke();
}

function paintBest(ctx, size, field, colours) {
  ctx.strokeStyle = colours.ink;
  for (const level of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    ctx.lineWidth = level === 0.5 ? 2.2 : 0.8;
    ctx.globalAlpha = level === 0.5 ? 0.9 : 0.6;
    paintContour(ctx, size, field, 255 * level + 0.01); // never exactly a value: no division by zero
  }
  ctx.globalAlpha = 1;
}

/** G's grid, `t` of the way from the noise (0) to its image (1): where it is dense, it is opaque. */
function paintGrid(ctx, size, { nodes, lattice, share, shape, at }, t, colours, lineWidth = 1) {
  const from = lattice ?? nodes, m = shape[0], n = shape.length === 3 ? shape[1] : 1, scale = size / (2 * SPAN);
  for (let k = 0; k < at.length; k++) {
    const v = ((1 - t) * from[k] + t * nodes[k]) / UNIT;
    at[k] = scale * (k % 2 ? SPAN - v : SPAN + v);
  }
  ctx.strokeStyle = ctx.fillStyle = colours.fake;
  if (n === 1) paintThread(ctx, at, share, m, scale, lineWidth);
  else paintCloth(ctx, at, share, m, n, scale, lineWidth);
  ctx.globalAlpha = 1;
}

/** One-dimensional noise: a thread, opaque where much of the noise lies on a short piece. */
function paintThread(ctx, at, share, m, scale, lineWidth) {
  ctx.lineWidth = 6 * lineWidth;
  for (let i = 0; i + 1 < m; i++) {
    const length = Math.hypot(at[2 * i + 2] - at[2 * i], at[2 * i + 3] - at[2 * i + 1]) / scale;
    const density = share ? share[i] / (length + 1e-6) : 1;
    ctx.globalAlpha = 0.12 + (0.85 * density) / (density + 0.15);
    ctx.beginPath();
    ctx.moveTo(at[2 * i], at[2 * i + 1]);
    ctx.lineTo(at[2 * i + 2], at[2 * i + 3]);
    ctx.stroke();
  }
}

/** Two-dimensional noise: a cloth. Its cells are sorted into a few shades, so that each shade is one fill. */
function paintCloth(ctx, at, share, m, n, scale, lineWidth) {
  const SHADES = 10, paths = Array.from({ length: SHADES }, () => null);
  for (let i = 0; share && i + 1 < m; i++) {
    for (let j = 0; j + 1 < n; j++) {
      const a = 2 * (i * n + j), b = a + 2, c = a + 2 * n + 2, d = a + 2 * n;
      const area = Math.abs((at[c] - at[a]) * (at[d + 1] - at[b + 1]) - (at[d] - at[b]) * (at[c + 1] - at[a + 1])) / 2;
      const density = share[i * (n - 1) + j] / (area / scale ** 2 + 1e-6);
      const shade = Math.min(SHADES - 1, Math.floor((SHADES * density) / (density + 0.15)));
      const path = (paths[shade] ??= new Path2D());
      path.moveTo(at[a], at[a + 1]);
      path.lineTo(at[b], at[b + 1]);
      path.lineTo(at[c], at[c + 1]);
      path.lineTo(at[d], at[d + 1]);
    }
  }
  paths.forEach((path, shade) => {
    ctx.globalAlpha = 0.03 + (0.72 * shade) / SHADES;
    if (path) ctx.fill(path);
  });
  ctx.beginPath();
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) step(ctx, at, i * n + j, j);
  for (let j = 0; j < n; j++) for (let i = 0; i < m; i++) step(ctx, at, i * n + j, i);
  ctx.lineWidth = 0.7 * lineWidth;
  ctx.globalAlpha = 0.55;
  ctx.stroke();
}

function step(ctx, at, node, first) {
  if (first === 0) ctx.moveTo(at[2 * node], at[2 * node + 1]);
  else ctx.lineTo(at[2 * node], at[2 * node + 1]);
}

/** Dots with a thin rim in the ground's colour, so that they stay dots on any shade. `unit` is 1 in the picture. */
function paintDots(ctx, size, points, unit, radius, colour, rim) {
  const dot = dotOf(radius, colour, rim), side = dot.width / dot.scale;
  for (let k = 0; k + 1 < points.length; k += 2) {
    ctx.drawImage(dot, toX(points[k] / unit, size) - side / 2, toY(points[k + 1] / unit, size) - side / 2, side, side);
  }
}

/** A dot drawn once, to be stamped: 300 arcs as paths take 5 ms where there is no GPU, 300 stamps 1.5. */
const stamps = new Map();
function dotOf(radius, colour, rim) {
  const scale = window.devicePixelRatio || 1, key = [radius, colour, rim, scale].join();
  if (!stamps.has(key)) {
    const side = Math.ceil(2 * (radius + 1.5) * scale), dot = h("canvas", { width: side, height: side });
    const ctx = dot.getContext("2d");
    ctx.scale(scale, scale);
    ctx.arc(side / scale / 2, side / scale / 2, radius, 0, 2 * Math.PI);
    ctx.fillStyle = colour;
    if (rim) {
      ctx.lineWidth = 1.4;
      ctx.strokeStyle = rim;
      ctx.stroke();
    }
    ctx.fill();
    stamps.set(key, Object.assign(dot, { scale }));
  }
  return stamps.get(key);
}

/** The same in a small picture: squares, which cost next to nothing. */
function paintSpecks(ctx, size, points, unit, side, colour) {
  ctx.fillStyle = colour;
  for (let k = 0; k + 1 < points.length; k += 2) {
    ctx.fillRect(toX(points[k] / unit, size) - side / 2, toY(points[k + 1] / unit, size) - side / 2, side, side);
  }
}

/** Where G's loss pulls each fake. Short arrows are true to scale; long ones approach half a unit. */
function paintArrows(ctx, size, fakes, arrows, colour, lineWidth = 1.2) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = lineWidth;
  ctx.beginPath();
  for (let k = 0; k + 1 < Math.min(fakes.length, arrows.length); k += 2) {
    const u = arrows[k] / UNIT, v = arrows[k + 1] / UNIT, length = Math.hypot(u, v), drawn = length / (1 + 2 * length);
    if (drawn < 0.01) continue;
    const px = (size / (2 * SPAN)) * (drawn / length), dx = u * px, dy = -v * px;
    const x = toX(fakes[k] / UNIT, size), y = toY(fakes[k + 1] / UNIT, size);
    const head = Math.min(0.35, 5 / Math.hypot(dx, dy));
    ctx.moveTo(x, y);
    ctx.lineTo(x + dx, y + dy);
    ctx.moveTo(x + dx - head * (dx - 0.7 * dy), y + dy - head * (dy + 0.7 * dx));
    ctx.lineTo(x + dx, y + dy);
    ctx.lineTo(x + dx - head * (dx + 0.7 * dy), y + dy - head * (dy - 0.7 * dx));
  }
  ctx.stroke();
}

function paintAxes(ctx, size, colours) {
  ctx.font = `11px ${colours.font}`;
  ctx.fillStyle = ctx.strokeStyle = colours.pale;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const v of [-2, -1, 0, 1, 2]) {
    ctx.moveTo(toX(v, size), size);
    ctx.lineTo(toX(v, size), size - 5);
    ctx.moveTo(0, toY(v, size));
    ctx.lineTo(5, toY(v, size));
    ctx.textAlign = "center";
    ctx.fillText(fmt(v, 0), toX(v, size), size - 8);
    ctx.textAlign = "left";
    ctx.fillText(fmt(v, 0), 8, toY(v, size) + 4);
  }
  ctx.stroke();
}

function paintRing(ctx, size, [x, y], colours) {
  ctx.beginPath();
  ctx.arc(toX(x, size), toY(y, size), 7, 0, 2 * Math.PI);
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 2.2;
  ctx.stroke();
}

function paintCross(ctx, size, [x, y], colours) {
  ctx.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    ctx.moveTo(toX(x, size) + 4 * dx, toY(y, size) + 4 * dy);
    ctx.lineTo(toX(x, size) + 14 * dx, toY(y, size) + 14 * dy);
  }
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 1.6;
  ctx.stroke();
}

/** A fake on its way, in the learner's hand. */
function paintDragged(ctx, size, from, to, colours) {
  ctx.setLineDash([5, 4]);
  ctx.beginPath();
  ctx.moveTo(toX(from[0], size), toY(from[1], size));
  ctx.lineTo(toX(to[0], size), toY(to[1], size));
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 1.8;
  ctx.stroke();
  ctx.setLineDash([]);
  paintRing(ctx, size, from, colours);
  paintDots(ctx, size, to, 1, 5, colours.fake, colours.ink);
}

/** Curves over steps in a small frame. `lines`: [values, colour][]; `marks`: [value, text][] across the frame. */
function paintCurves({ ctx, w, h: height }, steps, lines, marks, colours) {
  const left = 38, right = w - 8, top = 8, bottom = height - 18, n = steps.length;
  const stride = Math.max(1, Math.ceil(n / Math.max(1, right - left))), seen = [];
  for (const [values] of lines) {
    for (let i = 0; i < n; i += stride) if (Number.isFinite(values[i])) seen.push(values[i]);
  }
  seen.sort((a, b) => a - b);
  // One wild value must not press all others flat: the frame holds the middle 98 of 100.
  const low = Math.min(0, seen[Math.floor(0.01 * seen.length)] ?? 0);
  const high = Math.max(low + 0.1, ...marks.map(([v]) => v), seen[Math.ceil(0.99 * (seen.length - 1))] ?? 1) * 1.08;
  const x = (s) => left + ((right - left) * (s - (steps[0] ?? 0))) / Math.max(1, (steps[n - 1] ?? 1) - (steps[0] ?? 0));
  const y = (v) => clamp(bottom - ((bottom - top) * (v - low)) / (high - low), top, bottom);
  clear({ ctx, w, h: height }, colours);
  ctx.font = `11px ${colours.font}`;
  paintFrame(ctx, colours, { left, right, top, bottom, low, high, y, steps });
  for (const [value, text] of marks) {
    ctx.setLineDash([4, 4]);
    ctx.strokeStyle = ctx.fillStyle = colours.pale;
    ctx.beginPath();
    ctx.moveTo(left, y(value));
    ctx.lineTo(right, y(value));
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.textAlign = "right";
    ctx.fillText(text, right - 2, y(value) - 4);
  }
  ctx.lineWidth = 1.8;
  ctx.lineJoin = "round";
  for (const [values, colour] of lines) {
    let drawing = false;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (let i = 0; i < n; i += stride) {
      if (!Number.isFinite(values[i])) continue;
      if (drawing) ctx.lineTo(x(steps[i]), y(values[i]));
      else ctx.moveTo(x(steps[i]), y(values[i]));
      drawing = true;
    }
    ctx.stroke();
  }
}

function paintFrame(ctx, colours, { left, right, top, bottom, low, high, y, steps }) {
  const unit = 10 ** Math.floor(Math.log10(high - low)), units = (high - low) / unit;
  const every = unit * (units > 5 ? 2 : units > 2 ? 1 : 0.5);
  ctx.strokeStyle = colours.line;
  ctx.fillStyle = colours.pale;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.textAlign = "right";
  for (let v = Math.ceil(low / every) * every; v <= high; v += every) {
    ctx.moveTo(left, y(v));
    ctx.lineTo(right, y(v));
    ctx.fillText(fmt(v + 0, every < 0.1 ? 2 : every < 1 ? 1 : 0), left - 5, clamp(y(v) + 4, top + 6, bottom));
  }
  ctx.stroke();
  ctx.textAlign = "left";
  ctx.fillText(`step ${(steps[0] ?? 0).toLocaleString("en-US")}`, left, bottom + 14);
  ctx.textAlign = "right";
  if (steps.length > 1) ctx.fillText(steps.at(-1).toLocaleString("en-US"), right, bottom + 14);
}

/** V(D) on a scale from -1.4 to 0: the exact value as a bar, its ceiling as a wall, the minibatch as a pale dot. */
function paintGauge({ ctx, w, h: height }, { exact, ceiling, minibatch, floor }, colours) {
  const low = -1.4, left = 12, right = w - 12, top = 24, bottom = height - 22;
  const x = (v) => left + ((right - left) * (clamp(v, low, 0) - low)) / -low;
  clear({ ctx, w, h: height }, colours);
  ctx.fillStyle = colours.line;
  ctx.fillRect(left, top, right - left, bottom - top);
  ctx.fillStyle = colours.disc;
  if (Number.isFinite(exact)) ctx.fillRect(left, top, Math.max(2, x(exact) - left), bottom - top);
  ctx.font = `11px ${colours.font}`;
  ctx.fillStyle = colours.pale;
  ctx.textAlign = "center";
  const ticks = w > 450 ? [-1.2, -1, -0.8, -0.6, -0.4, -0.2] : [-1, -0.6, -0.2];
  for (const v of ticks) ctx.fillText(fmt(v, 1), x(v), bottom + 15);
  ctx.textAlign = "left";
  ctx.fillText(`−log 4`, Math.max(left, x(floor ?? -1.386) - 4), bottom + 15);
  ctx.textAlign = "right";
  ctx.fillText("0", right, bottom + 15);
  if (Number.isFinite(minibatch)) paintPaleDot(ctx, x(minibatch), (top + bottom) / 2, colours);
  if (!Number.isFinite(ceiling)) return;
  ctx.fillStyle = colours.ink;
  ctx.fillRect(x(ceiling) - 1.5, top - 7, 3, bottom - top + 14);
  ctx.font = `600 12px ${colours.font}`;
  const half = ctx.measureText("ceiling").width / 2;
  ctx.textAlign = "center";
  ctx.fillText("ceiling", clamp(x(ceiling), left + half, right - half), top - 10);
}

function paintPaleDot(ctx, x, y, colours) {
  ctx.beginPath();
  ctx.arc(x, y, 6, 0, 2 * Math.PI);
  ctx.fillStyle = colours.bg;
  ctx.globalAlpha = 0.75;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colours.disc;
  ctx.lineWidth = 2;
  ctx.stroke();
}

// ----------------------------------------------------------------------------------------- the overview of the game

const BOXES = {
  noise: ["noise z"], G: ["G", "generator"], fakes: ["fakes G(z)"], real: ["real x"], D: ["D", "discriminator"],
  loss: ["loss"],
};
const EDGES = ["noise-G", "G-fakes", "fakes-D", "real-D", "D-loss", "back-D", "back-G"];

/** Which boxes and edges are lit in a part of slow motion. */
function lit({ player, part }) {
  const ofD = player === "D";
  return {
    noise: ["noise"],
    generator: ["noise-G", "G"],
    samples: ["G-fakes", "fakes", ofD && "real"],
    discriminator: ["fakes-D", ofD && "real-D", "D"],
    loss: ["D-loss", "loss"],
    gradient: ["loss", `back-${player}`, !ofD && "fakes"],
    update: [`back-${player}`, player],
  }[part] ?? [];
}

function makeOverview(screens) {
  const mini = {}, boxes = {}, edges = {}, numbers = {};
  for (const [name, [title, more]] of Object.entries(BOXES)) {
    const inside = h("div", { class: "inside" });
    if (name === "loss") {
      for (const p of ["D", "G"]) {
        numbers[p] = h("b", {}, "–");
        inside.append(h("span", { class: `number ${p}` }, `${p} `, numbers[p]));
      }
    } else inside.append((mini[name] = screens.make({ "aria-hidden": "true" })).canvas);
    const label = h("span", { class: "label" }, title, more ? h("small", {}, ` ${more}`) : "");
    boxes[name] = h("div", { class: `box ${name}`, "data-box": name }, inside, label);
  }
  const svg = h("svg", { "aria-hidden": "true" });
  for (const name of EDGES) {
    const line = h("path", { class: "line" }), flow = h("path", { class: "flow" }), tip = h("path", { class: "tip" });
    const text = h("text", {}, name === "back-D" ? "D learns" : name === "back-G" ? "G learns" : "");
    svg.append((edges[name] = h("g", { class: `edge ${name}` }, line, flow, tip, text)));
    Object.assign(edges[name], { line, flow, tip, text });
  }
  const el = h("div", { class: "graph", test: "overview", role: "img", "aria-label":
    "The game: noise goes into the generator G, which makes fakes; the discriminator D sees fakes and real samples; "
    + "its answers give the losses, from which D and G learn." }, svg, ...Object.values(boxes));
  const observer = new ResizeObserver(() => layEdges(el, boxes, edges));
  observer.observe(el);

  function light(phase) {
    const on = phase ? lit(phase) : [];
    for (const [name, node] of [...Object.entries(boxes), ...Object.entries(edges)]) {
      node.classList.toggle("lit", on.includes(name));
    }
    el.dataset.part = phase?.part ?? "";
    el.dataset.player = phase?.player ?? "";
  }
  return { el, mini, numbers, light, close: () => observer.disconnect() };
}

/** Put the edges between the boxes, wherever the style sheet has put those. */
function layEdges(el, boxes, edges) {
  const r = {};
  for (const [name, b] of Object.entries(boxes)) {
    const x = b.offsetLeft, y = b.offsetTop, w = b.offsetWidth, height = b.offsetHeight;
    r[name] = { l: x, r: x + w, t: y, b: y + height, x: x + w / 2, y: y + height / 2, w };
  }
  const across = (a, b, from, to, way = 1) => {
    const bend = (b - a) / 2;
    return [`M${a},${from} C${a + bend},${from} ${b - bend},${to} ${b - 7 * way},${to}`, b, to, way, 0];
  };
  const swing = (xa, ya, xb, yb, way) => [
    `M${xa},${ya} C${xa},${ya + 24 * way} ${xb},${yb - 28 * way} ${xb},${yb - 7 * way}`, xb, yb, 0, way];
  // Down from a, along, and up into b, with round corners.
  const under = (xa, ya, xb, yb, low, c = 12) => [
    `M${xa},${ya} V${low - c} Q${xa},${low} ${xa - Math.sign(xa - xb) * c},${low} H${xb + Math.sign(xa - xb) * c} `
    + `Q${xb},${low} ${xb},${low - c} V${yb + 7}`, xb, yb, 0, -1, (xa + xb) / 2, low];
  const wide = r.D.l > r.fakes.r;
  const { noise, G, fakes, real, D, loss } = r;
  const paths = wide
    ? {
        "noise-G": across(noise.r, G.l, noise.y, G.y), "G-fakes": across(G.r, fakes.l, G.y, fakes.y),
        "fakes-D": across(fakes.r, D.l, fakes.y, D.y - 14), "real-D": across(real.r, D.l, real.y, D.y + 14),
        "D-loss": across(D.r, loss.l, D.y, loss.y),
        "back-D": under(loss.x - loss.w / 5, loss.b, D.x, D.b, D.b + 26),
        "back-G": under(loss.x + loss.w / 5, loss.b, G.x, G.b, real.b + 22),
      }
    : {
        "noise-G": across(noise.r, G.l, noise.y, G.y), "G-fakes": across(G.r, fakes.l, G.y, fakes.y),
        "fakes-D": swing(fakes.x, fakes.b, D.x + D.w / 4, D.t, 1),
        "real-D": across(real.l, D.r, real.y, D.y, -1), "D-loss": across(D.l, loss.r, D.y, loss.y, -1),
        "back-D": under(loss.x, loss.b, D.x, D.b, D.b + 28),
        "back-G": [...swing(loss.x, loss.t, G.x - G.w / 4, G.b, -1), loss.x - 4, loss.t - 14],
      };
  for (const [name, [path, x, y, dx, dy, tx, ty]] of Object.entries(paths)) {
    const { line, flow, tip, text } = edges[name];
    line.setAttribute("d", path);
    flow.setAttribute("d", path);
    const bx = x - 9 * dx, by = y - 9 * dy;
    tip.setAttribute("d", `M${x},${y} L${bx - 5 * dy},${by + 5 * dx} L${bx + 5 * dy},${by - 5 * dx} Z`);
    if (tx === undefined) continue;
    text.setAttribute("x", tx);
    text.setAttribute("y", ty - 6);
  }
}

// ------------------------------------------------------------------------------------------------------- the controls

/** One setting. `put` shows the kernel's value; the learner's goes to `send(name, value)`. */
function makeControl(spec, id, send) {
  const { name, kind, low, high, choices } = spec;
  const readout = h("output", { for: id });
  const common = { id, test: `set-${name}` };
  const log = kind === "number" && spec.log, typed = kind === "whole" && high - low > 600;
  let input, read, put;
  if (kind === "choice") {
    input = h("select", common, ...choices.map((c) => h("option", { value: c }, words(c))));
    read = () => choices.find((c) => String(c) === input.value);
    put = (value) => (input.value = String(value));
  } else {
    const ends = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    const stepSize = kind === "whole" ? 1 : log ? 0.05 : (high - low) / 200;
    input = h("input", { ...common, type: typed ? "number" : "range", min: ends[0], max: ends[1], step: stepSize });
    read = () => {
      if (input.value === "" || !input.checkValidity()) return undefined;
      const value = log ? Number((10 ** input.value).toPrecision(2)) : Number(input.value);
      show(value);
      return value;
    };
    const show = (value) => {
      const text = log ? short(value) : String(value);
      say(readout, typed ? "" : text);
      if (log) input.setAttribute("aria-valuetext", text);
    };
    put = (value) => {
      const place = log ? Math.log10(value) : value;
      if (input.value === "" || Number(input.value) !== place) input.value = place;
      show(value);
    };
  }
  input.addEventListener("input", () => {
    const value = read();
    if (value !== undefined) send(name, value);
  });
  const mark = spec.deals ? h("small", { title: "a change deals new players" }, "new game") : "";
  const el = h("div", { class: "control" }, h("label", { for: id }, words(spec.label), " ", mark), readout, input);
  return { el, input, put };
}

/** All settings in their groups. The one under the learner's hand is left alone until the hand has gone. */
function makeControls(prefix, send) {
  const el = h("div", { class: "settings" });
  let controls = {}, told = "", values = {}, held = null, timer = 0;

  function hold(name) {
    held = name;
    clearTimeout(timer);
    timer = setTimeout(release, HOLD);
  }
  function release() {
    if (controls[held]?.input.matches(":active")) return void (timer = setTimeout(release, HOLD));
    held = null;
    putAll();
  }
  function putAll() {
    for (const [name, control] of Object.entries(controls)) {
      if (name !== held && name in values) control.put(values[name]);
    }
  }
  function build(specs) {
    const focus = Object.keys(controls).find((name) => controls[name].input.matches(":focus"));
    controls = {};
    el.replaceChildren();
    for (const [group, title] of Object.entries(GROUPS)) {
      const mine = specs.filter((c) => c.group === group);
      if (!mine.length) continue;
      const box = h("fieldset", { class: `group ${group}` }, h("legend", {}, title));
      for (const c of mine) {
        controls[c.name] = makeControl(c, `${prefix}-${c.name}`, (name, value) => (hold(name), send(name, value)));
        box.append(controls[c.name].el);
      }
      el.append(box);
    }
    controls[focus]?.input.focus();
  }
  function state(specs, truth) {
    if (JSON.stringify(specs) !== told) build(specs);
    told = JSON.stringify(specs);
    values = truth;
    putAll();
  }
  return { el, state, close: () => clearTimeout(timer) };
}

// -------------------------------------------------------------------------------------------------------- the picture

/** The main canvas, and all that a hand can do on it: look, draw the data, drag a fake. Keys can do the same. */
function makePicture(screen, { changed, draw, drag, space }) {
  const p = { mode: "look", at: null, ring: -1, points: [], held: null, keys: false };
  const { canvas } = screen;
  let pen = null;
  const place = (e) => [(e.offsetX / screen.w) * 2 * SPAN - SPAN, SPAN - (e.offsetY / screen.h) * 2 * SPAN]
    .map((v) => clamp(v, -SPAN, SPAN));

  p.setMode = (mode) => {
    Object.assign(p, { mode, held: null });
    canvas.classList.toggle("pad", mode !== "look");
    changed();
  };
  /** The fake nearest to a place, within `reach` pixels; -1 for none. */
  p.nearest = (fakes, [x, y], reach) => {
    let best = -1, least = ((reach * 2 * SPAN) / screen.w) ** 2;
    for (let k = 0; fakes && k + 1 < fakes.length; k += 2) {
      const far = (fakes[k] / UNIT - x) ** 2 + (fakes[k + 1] / UNIT - y) ** 2;
      if (far < least) [best, least] = [k / 2, far];
    }
    return best;
  };
  function dotAt([x, y]) {
    if (p.points.length < 400) p.points.push([Math.round(1000 * x) / 1000, Math.round(1000 * y) / 1000]);
    draw(p.points);
  }
  /** A dot per 0.08 of the pen's way, however fast it goes. */
  function stroke(to) {
    for (let far; (far = Math.hypot(to[0] - pen[0], to[1] - pen[1])) >= 0.08; ) {
      pen = pen.map((v, c) => v + ((to[c] - v) * 0.08) / far);
      dotAt(pen);
    }
  }
  function press(at) {
    if (p.mode === "draw") dotAt((pen = at));
    if (p.mode === "drag") p.held = { fake: drag.pick(at), to: at };
  }
  function drop() {
    pen = null;
    if (p.held?.fake >= 0) drag.drop(p.held.fake, p.held.to);
    p.held = null;
  }
  const look = (at, keys = false) => {
    Object.assign(p, { at, keys });
    if (p.held && at) p.held.to = at;
    changed();
  };
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button > 0) return;
    look(place(e));
    press(place(e));
    if (p.mode === "look") return;
    e.preventDefault();
    canvas.focus({ preventScroll: true });
    if (e.isTrusted) canvas.setPointerCapture(e.pointerId); // a script's pointer cannot be captured
  });
  canvas.addEventListener("pointermove", (e) => {
    if (pen) stroke(place(e));
    look(place(e));
  });
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", () => ((pen = null), (p.held = null)));
  canvas.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && look(null)); // a finger's words stay
  canvas.addEventListener("blur", () => p.keys && look(null));
  canvas.addEventListener("keydown", (e) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
    if (move) {
      const by = e.shiftKey ? 0.5 : 0.1, from = p.at ?? [0, 0];
      look(from.map((v, c) => clamp(Math.round((v + by * move[c]) * 1000) / 1000, -SPAN, SPAN)), true);
    } else if (e.key === " ") {
      if (p.mode === "look") space();
      else if (p.held) drop();
      else press(p.at ?? [0, 0]), (pen = null), look(p.at ?? [0, 0], true);
    } else return;
    e.preventDefault();
  });
  return p;
}

/** D at a place, between the centres of the heat map's cells. */
function bilinear(field, [x, y]) {
  const cell = (v) => clamp(((v + SPAN) / (2 * SPAN)) * HEAT - 0.5, 0, HEAT - 1.001);
  const u = cell(x), v = cell(y), i = Math.floor(u), j = Math.floor(v), a = u - i, b = v - j, k = j * HEAT + i;
  const low = field[k] * (1 - a) + field[k + 1] * a, high = field[k + HEAT] * (1 - a) + field[k + HEAT + 1] * a;
  return (low * (1 - b) + high * b) / 255;
}

// ------------------------------------------------------------------------------------ 12 worlds, predict, keep

/** The strip of 12 worlds: the same game with 12 seeds, and how many of them kept all modes. */
function makeStrip(screens) {
  const title = h("h3"), worlds = Array.from({ length: 12 }, (_, w) => {
    const screen = screens.make({ role: "img", "aria-label": `world ${w + 1}` }), caption = h("figcaption");
    return { screen, caption, figure: h("figure", {}, screen.canvas, caption) };
  });
  const el = h("section", { class: "strip", test: "world-strip", hidden: "" }, title,
    h("div", { class: "worlds" }, ...worlds.map((world) => world.figure)));

  /** `cloud` holds the points of all worlds, `modes` how many modes each has now, `total` how many there are. */
  function paint({ cloud, modes, total, real, colours }) {
    worlds.forEach(({ screen, caption, figure }, w) => {
      const { ctx, w: size } = screen, k = cloud ? cloud.length / 12 : 0, found = modes[w];
      clear(screen, colours);
      ctx.globalAlpha = 0.35;
      paintSpecks(ctx, size, real, UNIT, 2, colours.real);
      ctx.globalAlpha = 1;
      if (cloud) paintSpecks(ctx, size, cloud.subarray(w * k, (w + 1) * k), 40, 2, colours.fake);
      say(caption, found == null ? "" : total ? `${found} of ${total}` : `${found} modes`);
      figure.classList.toggle("all", found != null && found === total);
      screen.stale = false;
    });
    say(title, headline(modes.filter((m) => m != null), total));
  }
  function headline(modes, total) {
    if (!modes.length || !total) return "12 worlds: the same game with 12 seeds";
    const kept = modes.filter((m) => m === total).length, [low, high] = interval(kept, modes.length);
    const percent = Math.round((100 * kept) / modes.length);
    return `12 worlds: ${kept} kept all ${total} modes (${percent} %, 95 % interval ${low} to ${high} %)`;
  }
  return { el, paint, stale: () => worlds.some((world) => world.screen.stale) };
}

/** The learner's predictions: a number of modes, or a fake that is dragged; `history` lists what they were worth. */
function makePredict(prefix, send, drag) {
  const guess = h("input", {
    type: "number", id: `${prefix}-guess`, min: 0, max: 100, value: 6, test: "predict-number",
  });
  const go = button("predict-modes", "Predict and run", () => {
    if (guess.value === "" || !guess.checkValidity()) return guess.focus();
    send({ kind: "predict", what: "modes", guess: Number(guess.value), rounds: 300 });
  });
  const dragButton = button("predict-drag", "Drag a fake", drag, { "aria-pressed": "false" });
  const left = h("p", { class: "left-over", role: "status" }), list = h("ul", { class: "history", test: "history" });
  const el = h("section", { class: "predict" }, h("h3", {}, "Predict, run, score"),
    h("p", {}, h("label", { for: guess.id }, "How many modes after 300 rounds? "), guess, " ", go),
    h("p", {}, "Where will a fake be after 50 rounds? ", dragButton), left, list);

  function history(entries) {
    const points = (score) => h("b", {}, `${Math.round(score)} points`);
    list.replaceChildren(...entries.map(({ text, score }) => h("li", {}, text, " ", points(score))));
  }
  function progress(now) {
    say(left, now ? `The prediction runs: ${now.left} rounds to go …` : "");
    go.disabled = Boolean(now);
  }
  return { el, dragButton, history, progress };
}

/** Share texts, files, pictures, prepared models. */
function makeKeep(prefix, send, savePicture) {
  const id = (name) => `${prefix}-${name}`;
  const share = h("input", { type: "text", readonly: "", test: "share", id: id("share") });
  const shareIn = h("input", { type: "text", test: "share-in", id: id("in"), placeholder: "ganedu1:…" });
  const copyButton = button("copy", "Copy", copy), prepared = h("select", { test: "prepared", id: id("prepared") });
  const file = h("input", { type: "file", test: "load", accept: ".safetensors", onchange: loadFile });
  share.addEventListener("focus", () => share.select());
  prepared.addEventListener("change", () => {
    if (prepared.value) send({ kind: "prepared", name: prepared.value });
    prepared.value = ""; // so that the same one can be chosen again
  });
  const line = (text, input, ...more) => h("p", { class: "line" }, h("label", { for: input.id }, text), input, ...more);
  const el = h("section", { class: "keep" }, h("h3", {}, "Share and keep"),
    line("this start", share, copyButton),
    line("a start you were given", shareIn,
      button("share-use", "Use", () => send({ kind: "from_text", text: shareIn.value }))),
    line("prepared models", prepared),
    h("p", { class: "row" }, button("png", "Picture as PNG", savePicture),
      button("gif", "Run as GIF", () => send({ kind: "gif" })), button("save", "Save", () => send({ kind: "save" })),
      h("label", { class: "file" }, "Load", file)));
  let offered = null;

  async function copy() {
    try {
      await navigator.clipboard.writeText(share.value);
    } catch {
      share.select(); // a page without https has no clipboard; the old way still works there
      document.execCommand("copy");
    }
    say(copyButton, "Copied");
    setTimeout(() => say(copyButton, "Copy"), 1500);
  }
  function loadFile() {
    const reader = new FileReader(), [chosen] = file.files;
    if (!chosen) return;
    reader.onload = () => send({ kind: "load", text: reader.result.split(",")[1] ?? "" });
    reader.readAsDataURL(chosen);
    file.value = "";
  }
  function state(m) {
    if (share.value !== (m.share ?? "")) share.value = m.share ?? "";
    const names = m.prepared ?? [];
    if (offered === names.join()) return;
    offered = names.join();
    prepared.disabled = !names.length;
    prepared.replaceChildren(h("option", { value: "" }, names.length ? "choose one…" : "none here"),
      ...names.map((name) => h("option", { value: name }, words(name))));
  }
  return { el, state };
}

// ----------------------------------------------------------------------------------------------------------- the page

function render({ model, el }) {
  const prefix = `ganedu-${++views}-${Math.random().toString(36).slice(2, 8)}`, view = prefix;
  const parts = {}; // the newest array of each layer
  const curves = { step: [], loss_D: [], loss_G: [], kl: [], js: [] };
  const shown = { real: true, fakes: true, heat: true, best: false, grid: false, arrows: true };
  const tile = makeTile(), queue = new Map();
  let state = { values: {}, controls: [], running: false, slow: false, drawing: [], history: [] };
  let frame = null, waiting = null, real = new Int16Array(0), worldModes = [], gauge = null; // from the kernel
  let drawAll = true, curvesNew = true, gaugeNew = true, worldsNew = true, asked = 0, drawn = 0; // what is to be drawn
  let drawnId = 0, acked = 0, ackTimer = 0;
  let n = 0, scrubbed = 0, silence = 0, layersTold = "", morph = 1, colours;

  // -- talk
  const send = (message) => model.send(message);
  const ask = (message) => {
    clearTimeout(silence);
    silence = setTimeout(() => say(quiet, "No answer from the kernel for 10 seconds. It is busy, or it was restarted: "
      + "then run this cell again."), 10000);
    send({ ...message, n: ++n });
  };
  const act = (what) => ask({ kind: "do", what });
  /** The first message of a sort goes at once; those that follow on its heels wait for a frame, and the latest wins. */
  const soon = (key, message) => {
    if (performance.now() - (asks.get(key) ?? -1e9) > 30) return tell(key, message);
    queue.set(key, message);
    wake();
  };
  const asks = new Map();
  const tell = (key, message) => {
    asks.set(key, performance.now());
    queue.delete(key);
    ask(message);
  };

  // -- the elements
  const screens = makeScreens(() => {
    colours = readColours(root); // anywidget renders before the element is in the page, where it has no style yet
    drawAll = true;
    paint();
  });
  const run = button("run", "▶ Run", () => act(state.running ? "pause" : "run"), { class: "main-button" });
  const slow = button("slow", "Slow motion", () => act("slow"), { "aria-pressed": "false" });
  const counter = h("output", { class: "counter", test: "step" }, "step 0");
  const bar = h("div", { class: "bar", role: "toolbar", "aria-label": "the game" }, run,
    button("round", "One round", () => act("round")), button("turn-d", "D's turn", () => act("turn_D"), { class: "D" }),
    button("turn-g", "G's turn", () => act("turn_G"), { class: "G" }), slow,
    button("deal", "Start again", () => act("deal")), counter);
  const message = h("p", { class: "message", role: "alert", test: "message" });
  const quiet = h("p", { class: "message quiet", role: "status" });

  const overview = makeOverview(screens);
  const dots = PARTS.map((part) => h("li", { "data-part": part }, part));
  const who = h("b", { class: "who" }), sentence = h("p", { class: "sentence", test: "phase", "aria-live": "polite" });
  const phaseBox = h("div", { class: "phase", hidden: "" }, h("div", { class: "steps" }, who, h("ol", {}, ...dots),
    button("forward", "Next ▸", () => act("forward"))), sentence);
  const details = h("details", { class: "overview", open: "", ontoggle: () => tellLayers() },
    h("summary", {}, "The game at a glance"), overview.el, phaseBox);

  const screen = screens.make({ test: "picture", role: "img", tabindex: "0", "aria-label": "the game" });
  const picture = makePicture(screen, {
    changed: () => (drawAll = true, wake()),
    draw: (points) => say(pointCount, `${points.length} points`),
    drag: { pick: (at) => picture.nearest(parts.fakes, at, Infinity), drop: dropFake },
    space: () => act(state.running ? "pause" : "run"),
  });
  const pointCount = h("span", { class: "count", role: "status" }, "0 points");
  const drawButton = button("draw", "✎ Draw the data", () => setMode(picture.mode === "draw" ? "look" : "draw"),
    { "aria-pressed": "false" });
  const drawMore = h("span", { class: "more", hidden: "" },
    button("draw-clear", "Clear", () => setMode("draw", [])),
    button("draw-use", "Use it", useDrawing, { class: "main-button" }), pointCount);
  const hover = h("p", { class: "hover", test: "hover", id: `${prefix}-hover` });
  screen.canvas.setAttribute("aria-describedby", hover.id);
  const wordsLine = h("p", { class: "words", role: "status", "aria-live": "polite", test: "words" });
  const layerBoxes = Object.entries(LAYERS).map(([name, text]) => {
    const box = h("input", { type: "checkbox", test: `layer-${name}` });
    box.checked = shown[name];
    box.addEventListener("change", () => {
      shown[name] = box.checked;
      tellLayers();
    });
    return h("label", { class: `layer ${name}` }, box, h("i", { class: "swatch", "aria-hidden": "true" }), text);
  });
  const morphIn = slider("morph", { min: 0, max: 1, step: 0.01, value: 1 }, () => {
    morph = Number(morphIn.value);
    if (!shown.grid) layerBoxes[4].querySelector("input").click();
    drawAll = true;
    wake();
  });
  const film = slider("film", { min: 0, max: 0, step: 1, value: 0 }, () => {
    scrubbed = performance.now();
    soon("film", { kind: "film", at: Number(film.value) });
  });
  const left = h("div", { class: "left" },
    h("div", { class: "frame" }, screen.canvas), wordsLine, hover,
    h("div", { class: "key", "aria-hidden": "true" }, "D says: fake ", h("i", {}), " real"),
    h("fieldset", { class: "layers" }, h("legend", {}, "Layers"), ...layerBoxes),
    labelled("morph: noise to G(z)", morphIn), labelled("rewind", film),
    h("div", { class: "row" }, drawButton, drawMore));

  const lossCurve = screens.make({ role: "img", "aria-label": "curves of both losses" });
  const distanceCurve = screens.make({ role: "img", "aria-label": "curves of KL and JS divergence" });
  const gaugeScreen = screens.make({ role: "img", "aria-label": "gauge of V(D)" });
  const gaugeNumbers = { exact: h("b"), ceiling: h("b"), minibatch: h("b") };
  const gaugeText = h("p", { class: "gauge-text" }, ...Object.entries(gaugeNumbers).map(([name, number]) =>
    h("span", { class: name }, h("i", { "aria-hidden": "true" }), `${name} `, number)));
  const key = (kind, text) => h("span", { class: `line-key ${kind}` }, h("i", { "aria-hidden": "true" }), text);
  const right = h("div", { class: "right" },
    h("section", { class: "gauge", test: "gauge" }, h("h3", {}, "How well D does: V(D)"), gaugeScreen.canvas, gaugeText,
      h("p", { class: "note" }, "The exact value never passes the ceiling 2 JSD − log 4; the minibatch may.")),
    h("section", { class: "curves", test: "curves" },
      h("div", {}, h("h3", {}, "Losses ", key("D", "D"), key("G", "G")), lossCurve.canvas),
      h("div", {}, h("h3", {}, "Distance ", key("KL", "KL"), key("JS", "JS")), distanceCurve.canvas)));
  const controls = makeControls(prefix, (name, value) => soon(`set ${name}`, { kind: "set", name, value }));
  right.append(controls.el);

  const strip = makeStrip(screens), keep = makeKeep(prefix, send, savePicture);
  const predict = makePredict(prefix, send, () => setMode(picture.mode === "drag" ? "look" : "drag"));
  const page = h("div", { class: "page" }, bar, message, quiet, strip.el,
    h("div", { class: "columns" }, left, h("div", { class: "side" }, details, right),
      h("div", { class: "foot" }, predict.el, keep.el)));
  const root = h("div", { class: "ganedu-playground", "data-rounds": 0, "data-frames": 0, "data-answer": 0 }, page);

  function slider(test, attributes, oninput) {
    return h("input", { type: "range", test, id: `${prefix}-${test}`, ...attributes, oninput });
  }
  function labelled(text, input) {
    return h("p", { class: "line" }, h("label", { for: input.id }, text), input);
  }

  // -- what the learner does
  function setMode(mode, points = state.drawing) {
    if (mode === "draw") picture.points = points.map((point) => [...point]);
    if (mode === "drag" && !shown.fakes) layerBoxes[1].querySelector("input").click();
    picture.setMode(mode);
    drawButton.setAttribute("aria-pressed", mode === "draw");
    predict.dragButton.setAttribute("aria-pressed", mode === "drag");
    drawMore.hidden = mode !== "draw";
    say(pointCount, `${picture.points.length} points`);
    picture.at = null;
    say(hover, HINTS[mode]); // the canvas takes the focus: a screen reader reads this as its description
    if (mode === "look") return;
    screen.canvas.focus({ preventScroll: true });
    screen.canvas.scrollIntoView({ block: "nearest" });
  }
  function useDrawing() {
    ask({ kind: "draw", points: picture.points });
    setMode("look");
  }
  function dropFake(fake, to) {
    send({ kind: "predict", what: "move", fake, to, rounds: 50 });
    setMode("look");
  }
  /** Tell which layers somebody sees; the overview's small pictures count. What is not seen is not kept. */
  function tellLayers() {
    const seen = new Set(Object.keys(LAYERS).filter((name) => shown[name]));
    if (details.open) for (const name of ["real", "fakes", "heat", "grid"]) seen.add(name);
    for (const part of Object.keys(LAYER_OF)) if (!seen.has(LAYER_OF[part])) delete parts[part];
    drawAll = true;
    const told = [...seen].join();
    if (told !== layersTold) soon("layers", { kind: "layers", shown: [...seen] });
    layersTold = told;
    wake();
  }
  function savePicture() {
    screen.canvas.toBlob((blob) => download(`gan-step-${frame?.rounds ?? 0}.png`, blob));
  }
  // -- what the kernel says
  const bytes = (b, Type) => new Type(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength));
  function onMessage(m, buffers) {
    clearTimeout(silence);
    say(quiet, "");
    if (page.hidden) {
      page.hidden = false;
      stored.remove();
    }
    if (m.kind === "state") takeState(m, buffers);
    else if (m.kind === "frame") takeFrame(m, buffers);
    else if (m.kind === "file") download(m.name, new Blob([buffers[0]], { type: m.mime }));
  }
  function takeState(m, buffers) {
    state = { ...state, ...m };
    if (buffers?.[0]) real = bytes(buffers[0], Int16Array);
    controls.state(state.controls, state.values);
    say(message, state.message || "");
    keep.state(m);
    predict.history(m.history ?? []);
    strip.el.hidden = Number(state.values.worlds ?? 1) < 2;
    slow.setAttribute("aria-pressed", Boolean(m.slow));
    showSlow(m.slow ? frame?.phase : null);
    showRunning(m.running);
    worldsNew = drawAll = true;
    wake();
  }
  /** Take all that a frame brings; only the latest of several is drawn. */
  function takeFrame(m, buffers) {
    if (m.parts.some(([name]) => name === "fakes")) delete parts.scores, delete parts.arrows;
    m.parts.forEach(([name, dtype, shape], i) => {
      parts[name] = bytes(buffers[i], ARRAYS[dtype]);
      if (name === "nodes") parts.shape = shape;
      if (name === "worlds") worldsNew = true;
    });
    if (m.curves) {
      const { from, ...more } = m.curves;
      for (const [name, values] of Object.entries(more)) curves[name] = curves[name].slice(0, from).concat(values);
      curvesNew = true;
    }
    gaugeNew ||= ["exact", "ceiling", "minibatch"].some((name) => m.gauge && m.gauge[name] !== gauge?.[name]);
    gauge = m.gauge ?? gauge;
    worldModes = m.worlds ?? [];
    waiting = m;
    wake();
  }
  function showRunning(running) {
    state.running = running;
    say(run, running ? "❚❚ Pause" : "▶ Run");
  }
  function showSlow(phase) {
    root.classList.toggle("slow", Boolean(state.slow));
    phaseBox.hidden = !state.slow;
    if (state.slow && phase && !details.open) details.open = true;
    overview.light(state.slow ? phase : null);
    if (!state.slow) return say(sentence, "");
    say(sentence, phase?.sentence ?? "");
    say(who, phase ? `${phase.player}'s turn` : "");
    who.dataset.player = phase?.player ?? "";
    for (const item of dots) item.setAttribute("aria-current", item.dataset.part === phase?.part ? "step" : "false");
  }
  let saidAt = -1e9, sayLater = 0;
  /** The words change at most three times a second: a screen reader must be able to follow. */
  function sayWords() {
    clearTimeout(sayLater);
    const wait = saidAt + 334 - performance.now();
    if (wait > 0) return void (sayLater = setTimeout(sayWords, wait));
    if (wordsLine.textContent === frame.text) return;
    saidAt = performance.now();
    say(wordsLine, frame.text ?? "");
    screen.canvas.setAttribute("aria-label", frame.text ?? "");
  }

  // -- the loop: at most one drawing per animation frame
  const wake = () => (asked ||= requestAnimationFrame(tick));
  function tick() {
    asked = 0;
    for (const [key, m] of [...queue]) tell(key, m);
    const news = waiting;
    if (news) [frame, waiting] = [news, null];
    if (news || drawAll) paint();
    if (!news) return;
    root.dataset.rounds = news.rounds;
    root.dataset.frames = ++drawn;
    root.dataset.answer = news.answer;
    say(counter, `step ${news.rounds.toLocaleString("en-US")}`);
    if (news.running !== state.running) showRunning(news.running);
    showSlow(news.phase);
    if (performance.now() - scrubbed > HOLD && !film.matches(":active")) showFilm(news.film);
    predict.progress(news.predict);
    sayWords();
    acknowledge(news.id);
  }
  /** At most ten acknowledgements a second: for each the kernel tells the notebook "busy" and "idle", which it paints. */
  function acknowledge(id) {
    drawnId = id;
    const wait = ACK - (performance.now() - acked);
    if (wait <= 0) sendAck();
    else ackTimer ||= setTimeout(sendAck, wait);
  }
  function sendAck() {
    clearTimeout(ackTimer);
    [ackTimer, acked] = [0, performance.now()];
    send({ kind: "ack", id: drawnId, view });
  }
  function showFilm([position, length]) {
    if (Number(film.max) !== length - 1) film.max = Math.max(0, length - 1);
    if (Number(film.value) !== position) film.value = position;
  }
  function paint() {
    if (!root.isConnected || !colours) return;
    const often = drawAll || !state.running || state.slow; // else the small pictures need not follow every frame
    drawAll = false;
    if (screen.w) paintPicture(screen.ctx, screen.w);
    if (details.open && (often || drawn % 6 === 0)) paintMinis();
    if (curvesNew || lossCurve.stale) {
      const { step: steps, loss_D, loss_G, kl, js } = curves;
      paintCurves(lossCurve, steps, [[loss_D, colours.disc], [loss_G, colours.fake]], [], colours);
      paintCurves(distanceCurve, steps, [[kl, colours.kl], [js, colours.ink]], [[LOG2, "log 2"]], colours);
    }
    if (gauge && (gaugeNew || gaugeScreen.stale)) showGauge();
    if (!strip.el.hidden && (worldsNew || strip.stale())) {
      const total = Number(/ of ([0-9]+) modes/.exec(frame?.text ?? "")?.[1]); // only the words tell
      strip.paint({ cloud: parts.worlds, modes: worldModes, total, real, colours });
    }
    curvesNew = gaugeNew = worldsNew = lossCurve.stale = gaugeScreen.stale = false;
  }
  function grid() {
    if (!parts.nodes) return null;
    const { nodes, lattice, share: shares, shape } = parts;
    if (parts.at?.length !== nodes.length) parts.at = new Float32Array(nodes.length);
    return { nodes, lattice: lattice?.length === nodes.length ? lattice : null, share: shares, shape, at: parts.at };
  }
  function paintPicture(ctx, size) {
    clear(screen, colours);
    const pad = picture.mode === "draw", { heat, best, fakes, arrows } = parts, on = (name) => shown[name] && !pad;
    ctx.imageSmoothingEnabled = true;
    if (on("heat") && heat) paintHeat(ctx, size, heat, tile, colours.heat);
    else if (on("best") && best) paintHeat(ctx, size, best, tile, colours.best);
    if (on("best") && best) paintBest(ctx, size, best, colours);
    paintAxes(ctx, size, colours);
    if (on("grid") && grid()) paintGrid(ctx, size, grid(), morph, colours);
    ctx.globalAlpha = pad ? 0.2 : 1;
    if (shown.real) paintDots(ctx, size, real, UNIT, size > 400 ? 2.6 : 2, colours.real, colours.bg);
    ctx.globalAlpha = 1;
    if (on("arrows") && fakes && arrows) paintArrows(ctx, size, fakes, arrows, colours.arrow);
    if (on("fakes") && fakes) paintDots(ctx, size, fakes, UNIT, size > 400 ? 3.4 : 2.5, colours.fake, colours.bg);
    if (pad) paintDots(ctx, size, picture.points.flat(), 1, 3.5, colours.real, colours.bg);
    showHover(ctx, size);
  }
  /** The line of words about the place under the pointer, the ring round its fake, the cross-hair of the keys. */
  function showHover(ctx, size) {
    const { at, held, mode } = picture, { heat, best, fakes, scores, arrows } = parts;
    if (held?.fake >= 0 && fakes) paintDragged(ctx, size, spot(fakes, held.fake), held.to, colours);
    if (!at) return say(hover, HINTS[mode]);
    if (picture.keys || mode !== "look") paintCross(ctx, size, at, colours);
    const near = mode === "draw" || !shown.fakes ? -1 : picture.nearest(fakes, at, 12);
    let text = `Here ${pair(at)}`;
    if (heat && mode !== "draw") text += `: D = ${fmt(bilinear(heat, at))}`;
    if (best && shown.best && mode !== "draw") text += `, D* = ${fmt(bilinear(best, at))}`;
    if (near >= 0) {
      paintRing(ctx, size, spot(fakes, near), colours);
      text += ` · fake ${near} at ${pair(spot(fakes, near))}` + (scores ? `: D = ${fmt(scores[near] / 255)}` : "");
      if (arrows) text += `, pull ${pull(spot(arrows, near))}`;
    }
    say(hover, text);
  }
  function paintMinis() {
    const { noise, G, fakes, real: reals, D } = overview.mini, net = grid(), side = fakes.w > 90 ? 3 : 2;
    for (const s of [noise, G, fakes, reals, D]) clear(s, colours);
    if (net?.lattice) paintGrid(noise.ctx, noise.w, net, 0, colours, 0.6);
    if (net) paintGrid(G.ctx, G.w, net, 1, colours, 0.6);
    if (parts.heat) paintHeat(D.ctx, D.w, parts.heat, tile, colours.heat);
    if (parts.fakes) paintSpecks(fakes.ctx, fakes.w, parts.fakes, UNIT, side, colours.fake);
    const pulls = frame?.phase?.player === "G" && frame.phase.part === "gradient" && parts.arrows && parts.fakes;
    const few = parts.fakes?.subarray(0, 60); // thirty arrows can be read in so small a picture
    if (pulls) paintArrows(fakes.ctx, fakes.w, few, parts.arrows, colours.arrow, 1.5);
    paintSpecks(reals.ctx, reals.w, real, UNIT, side, colours.real);
    for (const p of ["D", "G"]) say(overview.numbers[p], fmt(curves[`loss_${p}`].findLast(Number.isFinite)));
  }
  function showGauge() {
    paintGauge(gaugeScreen, gauge, colours);
    for (const [name, number] of Object.entries(gaugeNumbers)) say(number, fmt(gauge[name]));
  }
  // -- begin and end
  const restyle = () => {
    colours = readColours(root);
    screens.stale();
    drawAll = true;
    wake();
  };
  const alive = () => send({ kind: "alive", view, hidden: document.hidden });
  const themes = new MutationObserver(restyle), preference = matchMedia("(prefers-color-scheme: dark)");
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["class", "style", "theme", "data-jp-theme-light"] });
  }
  preference.addEventListener("change", restyle);
  document.addEventListener("visibilitychange", alive);
  const heart = setInterval(alive, 4000);
  // Where no kernel answers (a web page, print) the stored picture stays; the first state takes its place.
  const still = model.get("still");
  const stored = still && h("img", { class: "still", src: `data:image/png;base64,${still}`, alt: model.get("caption") });
  if (stored) root.prepend(stored);
  page.hidden = Boolean(stored);
  el.append(root);
  restyle();
  model.on("msg:custom", onMessage);
  send({ kind: "hello", view });
  tellLayers();

  return () => {
    model.off("msg:custom", onMessage);
    for (const timer of [silence, sayLater, ackTimer]) clearTimeout(timer);
    clearInterval(heart);
    cancelAnimationFrame(asked);
    document.removeEventListener("visibilitychange", alive);
    preference.removeEventListener("change", restyle);
    themes.disconnect();
    for (const part of [screens, overview, controls]) part.close();
    try {
      send({ kind: "bye", view });
    } catch {
      // the kernel has gone before its page
    }
    root.remove();
  };
}

export default { render };
