// The phase plane's page: it draws what the kernel computed, and tells it where the learner drags the start. Its
// helpers come from helpers.js, which plane.py joins with this file into one module.

const MARGIN = { left: 46, right: 14, top: 14, bottom: 46 }; // equal sums: the plane is a square in a square
const DOTS = 300; // steps up to which each gets a dot
const SHADES = 24; // of the path, from its start, pale, to its end

function makeScale(size, limit) {
  const side = size - MARGIN.left - MARGIN.right, unit = side / (2 * limit);
  return {
    side, unit, limit,
    x: (v) => MARGIN.left + (v + limit) * unit,
    y: (v) => MARGIN.top + (limit - v) * unit,
    back: (x, y) => [(x - MARGIN.left) / unit - limit, limit - (y - MARGIN.top) / unit],
  };
}

/** `share` of the colour `to` in `from`, both as #rrggbb. */
function mix(from, to, share) {
  const [low, high] = [rgb(from), rgb(to)];
  return `rgb(${low.map((v, c) => Math.round(v + share * (high[c] - v)))})`;
}

function paintGround(ctx, scale, size, labels, colours) {
  const { limit, side } = scale, unit = 10 ** Math.floor(Math.log10(limit)), units = limit / unit;
  const every = unit * (units >= 5 ? 2 : units >= 2 ? 1 : 0.5), digits = Math.max(0, -Math.floor(Math.log10(every)));
  clear({ ctx, w: size, h: size }, colours);
  ctx.strokeStyle = colours.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(MARGIN.left, MARGIN.top, side, side);
  ctx.fillStyle = colours.pale;
  ctx.font = `12px ${colours.font}`;
  for (let k = Math.ceil(-limit / every); k * every <= limit; k++) {
    ctx.textAlign = "center";
    ctx.fillText(fmt(k * every, digits), scale.x(k * every), size - MARGIN.bottom + 16);
    ctx.textAlign = "right";
    ctx.fillText(fmt(k * every, digits), MARGIN.left - 7, scale.y(k * every) + 4);
  }
  ctx.fillStyle = colours.ink;
  ctx.font = `550 14px ${colours.font}`;
  ctx.textAlign = "center";
  ctx.fillText(labels[0], MARGIN.left + side / 2, size - 9);
  ctx.save();
  ctx.translate(18, MARGIN.top + side / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(labels[1], 0, 0);
  ctx.restore();
}

/** Arrows (x, y, u, v), each with its middle at its place. */
function paintField(ctx, scale, arrows, colour) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  for (let k = 0; k < arrows.length; k += 4) {
    const dx = arrows[k + 2] * scale.unit, dy = -arrows[k + 3] * scale.unit, length = Math.hypot(dx, dy);
    if (length < 1) continue;
    const x = scale.x(arrows[k]) - dx / 2, y = scale.y(arrows[k + 1]) - dy / 2;
    traceArrow(ctx, x, y, dx, dy, Math.min(0.4, 4.5 / length), 0.6);
  }
  ctx.stroke();
}

/** The path in shades: a stroke for each, however many steps there are. */
function paintPath(ctx, scale, points, colours) {
  const steps = points.length / 2 - 1, x = (k) => scale.x(points[2 * k]), y = (k) => scale.y(points[2 * k + 1]);
  ctx.lineWidth = 1.6;
  ctx.lineJoin = ctx.lineCap = "round";
  for (let shade = 0; shade < SHADES; shade++) {
    const from = Math.floor((shade * steps) / SHADES), to = Math.floor(((shade + 1) * steps) / SHADES);
    if (to <= from) continue;
    ctx.strokeStyle = ctx.fillStyle = mix(colours.bg, colours.disc, 0.45 + (0.55 * shade) / (SHADES - 1));
    ctx.beginPath();
    ctx.moveTo(x(from), y(from));
    for (let k = from + 1; k <= to; k++) ctx.lineTo(x(k), y(k));
    ctx.stroke();
    for (let k = from + 1; k <= to && steps <= DOTS; k++) disc(ctx, x(k), y(k), 2.4);
  }
}

/** The equilibrium, a cross, and the start, to be taken hold of. */
function paintMarks(ctx, scale, [x, y], colours) {
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 2;
  ctx.beginPath();
  for (const [dx, dy] of [[6, 0], [0, 6]]) {
    ctx.moveTo(scale.x(0) - dx, scale.y(0) - dy);
    ctx.lineTo(scale.x(0) + dx, scale.y(0) + dy);
  }
  ctx.stroke();
  for (const [radius, colour] of [[12, colours.bg], [10, colours.disc], [7, colours.bg], [3, colours.disc]]) {
    ctx.fillStyle = colour;
    disc(ctx, scale.x(x), scale.y(y), radius);
  }
}

function render({ model, el }) {
  const view = uniqueId(), loop = makeLoop(paint), { wake } = loop;
  let start = model.get("start"), held = false, colours;

  const screens = makeScreens(() => {
    colours = readColours(root); // anywidget renders before the element is in the page, where it has no style yet
    paint();
  });
  const words = h("p", { ...LIVE, id: `${view}-words` });
  const hint = h("p", { class: "hint", test: "hint", id: `${view}-hint` });
  const quiet = h("p", { class: "quiet", role: "status" });
  const screen = screens.make({ test: "plane", role: "application", tabindex: "0",
    "aria-label": model.get("alt") || "the plane", "aria-describedby": `${hint.id} ${words.id}` });
  const root = h("div", { class: "ganedu-plane", "data-answer": 0 }, screen.canvas, words, hint, quiet);

  // -- what the learner does
  function move(to) {
    const limit = model.get("limit");
    start = to.map((v) => clamp(v, -limit, limit));
    wake();
    post.send();
  }
  const post = makePost(model, () => ({ start }), quiet);
  const place = (e) => makeScale(screen.w, model.get("limit")).back(e.offsetX, e.offsetY);
  screen.canvas.addEventListener("pointerdown", (e) => {
    if (e.button > 0 || !e.isPrimary) return;
    grab(screen.canvas, e);
    held = true;
    move(place(e));
  });
  screen.canvas.addEventListener("pointermove", (e) => held && e.isPrimary && move(place(e)));
  for (const end of ["pointerup", "pointercancel"]) screen.canvas.addEventListener(end, () => (held = false));
  screen.canvas.addEventListener("keydown", (e) => {
    const way = wayOf(e.key, 1);
    if (!way) return;
    e.preventDefault();
    move(start.map((v, c) => v + way[c] * model.get("limit") * (e.shiftKey ? 0.1 : 0.02)));
  });

  // -- what the kernel says
  function onAnswer() {
    const id = model.get("answer");
    if (post.answered(id)) root.dataset.answer = id.n;
  }
  function onStart() {
    if (held || post.busy()) return; // it is this page that moves it
    start = model.get("start");
    wake();
  }

  function paint() {
    if (!root.isConnected || !screen.w || !colours) return;
    const { ctx, w: size } = screen, scale = makeScale(size, model.get("limit"));
    paintGround(ctx, scale, size, model.get("labels"), colours);
    ctx.save();
    ctx.beginPath();
    ctx.rect(MARGIN.left, MARGIN.top, scale.side, scale.side);
    ctx.clip();
    paintField(ctx, scale, bytes(model.get("arrows"), Float32Array), colours.arrow);
    paintPath(ctx, scale, bytes(model.get("points"), Float32Array), colours);
    ctx.restore();
    paintMarks(ctx, scale, start, colours);
    say(words, model.get("text"));
    say(hint, `Start ${pair(start)}: drag it, or use the arrow keys.`);
  }

  // -- begin and end
  const restyle = () => {
    colours = readColours(root);
    wake();
  };
  const stopListening = listen(model, { "change:answer": onAnswer, "change:start": onStart, "change:arrows": wake,
    "change:points": wake, "change:text": wake });
  const stopWatching = watchTheme(restyle);
  el.append(root);

  return () => {
    stopListening();
    stopWatching();
    for (const part of [post, loop, screens]) part.close();
    root.remove();
  };
}

export default { render };
