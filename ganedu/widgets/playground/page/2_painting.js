// ----------------------------------------------------------------------------------- painting: data in, pixels out

const toX = (x, size) => ((x + SPAN) / (2 * SPAN)) * size;
const toY = (y, size) => ((SPAN - y) / (2 * SPAN)) * size;

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

/** The lines where a map passes `level` (of 255): marching squares, one stroke. The line D* = 1/2 leaves out the cells
 * into which nothing falls; the others go round real samples and fakes also where the two do not touch. */
function paintContour(ctx, size, field, level) {
  const nothing = Math.abs(level - 127.5) < 1 ? NOTHING - level : NaN;
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
  for (const level of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    ctx.strokeStyle = level === 0.5 ? colours.ink : level < 0.5 ? colours.fake : colours.real;
    ctx.lineWidth = level === 0.5 ? 2.2 : 1.2;
    ctx.globalAlpha = 0.9;
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
  const { image, side } = dotOf(radius, colour, rim);
  for (let k = 0; k + 1 < points.length; k += 2) {
    ctx.drawImage(image, toX(points[k] / unit, size) - side / 2, toY(points[k + 1] / unit, size) - side / 2, side, side);
  }
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
    traceArrow(ctx, x, y, dx, dy, Math.min(0.35, 5 / Math.hypot(dx, dy)), 0.7);
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
  ctx.fillStyle = colours.bg;
  ctx.globalAlpha = 0.75;
  disc(ctx, x, y, 6);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colours.disc;
  ctx.lineWidth = 2;
  ctx.stroke();
}
