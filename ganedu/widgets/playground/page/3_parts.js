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
    const now = phase ? lit(phase) : [];
    for (const [name, node] of [...Object.entries(boxes), ...Object.entries(edges)]) {
      node.classList.toggle("lit", now.includes(name));
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

/** One setting. `show` shows the kernel's value; the learner's goes to `send(name, value)`. */
function makeControl(spec, id, send) {
  const { name, kind, low, high, choices } = spec;
  const readout = h("output", { for: id });
  const common = { id, test: `set-${name}` };
  const log = kind === "number" && spec.log, typed = kind === "whole" && high - low > 600;
  let input, read, show;
  if (kind === "choice") {
    input = h("select", common, ...choices.map((c) => h("option", { value: c }, words(c))));
    read = () => choices.find((c) => String(c) === input.value);
    show = (value) => (input.value = String(value));
  } else {
    const ends = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    const stepSize = kind === "whole" ? 1 : log ? 0.05 : (high - low) / 200;
    input = h("input", { ...common, type: typed ? "number" : "range", min: ends[0], max: ends[1], step: stepSize });
    read = () => {
      if (input.value === "" || !input.checkValidity()) return undefined;
      const value = log ? Number((10 ** input.value).toPrecision(2)) : Number(input.value);
      write(value);
      return value;
    };
    const write = (value) => {
      const text = log ? short(value) : String(value);
      say(readout, typed ? "" : text);
      if (log) input.setAttribute("aria-valuetext", text);
    };
    show = (value) => {
      const place = log ? Math.log10(value) : value;
      if (input.value === "" || Number(input.value) !== place) input.value = place;
      write(value);
    };
  }
  input.addEventListener("input", () => {
    const value = read();
    if (value !== undefined) send(name, value);
  });
  const mark = spec.deals ? h("small", { title: "a change deals new players" }, "new game") : "";
  const el = h("div", { class: "control" }, h("label", { for: id }, words(spec.label), " ", mark), readout, input);
  return { el, input, show };
}

/** All settings in their groups. The one under the learner's hand is left alone until the hand has gone. */
function makeControls(prefix, send) {
  const el = h("div", { class: "settings" });
  let controls = {}, built = "", values = {}, held = null, timer = 0;

  function hold(name) {
    held = name;
    clearTimeout(timer);
    timer = setTimeout(release, HOLD);
  }
  function release() {
    if (controls[held]?.input.matches(":active")) return void (timer = setTimeout(release, HOLD));
    held = null;
    showAll();
  }
  function showAll() {
    for (const [name, control] of Object.entries(controls)) {
      if (name !== held && name in values) control.show(values[name]);
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
    if (JSON.stringify(specs) !== built) build(specs);
    built = JSON.stringify(specs);
    values = truth;
    showAll();
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
    if (p.mode !== "look") grab(canvas, e);
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
    const move = wayOf(e.key, 1);
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
    const full = modes.filter((m) => m === total).length, [low, high] = interval(full, modes.length);
    const percent = Math.round((100 * full) / modes.length);
    return `12 worlds: ${full} kept all ${total} modes (${percent} %, 95 % interval ${low} to ${high} %)`;
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
