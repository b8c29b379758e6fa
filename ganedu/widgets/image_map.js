// The page of a map of images: it has everything from the start, and asks the kernel for nothing. Its helpers come from
// helpers.js, which image_map.py joins with this file into one module.

const REACH = 20; // px from a pointer to the dot that it marks
const EDGE = 16; // px between the outermost dots and the picture's border
const GLIDE = 600; // ms from one map to another
const BIG = 192, SMALL = 64; // px there are for the marked image, and for a neighbour
const STRIDE = 7919; // a prime above the number of images: paints them in an order that favours no class

/** What the kernel sent, as the page reads it. */
function readContent(model) {
  const maps = model.get("maps"), names = model.get("names"), labels = bytes(model.get("labels"), Uint8Array);
  const n = labels.length, k = model.get("k"), places = bytes(model.get("places"), Float32Array);
  const near = bytes(model.get("neighbours"), Uint16Array);
  return {
    maps, names, labels, n, k,
    places: maps.map((_, m) => places.subarray(2 * m * n, 2 * (m + 1) * n)),
    near: (m, i) => Array.from(near.subarray((m * n + i) * k, (m * n + i + 1) * k)),
    name: (i) => (names.length ? names[labels[i]] : `number ${i}`),
    strange: (i, j) => labels[i] !== labels[j],
    longest: names.length ? names.reduce((a, b) => (b.length > a.length ? b : a)) : `number ${n}`,
  };
}

/** A text over an unseen one, the longest it will be: the page is not laid out anew when it changes. */
function steady(longest, attributes = {}) {
  const text = h("span", attributes);
  const ghost = h("span", { class: "ghost", "aria-hidden": true }, longest);
  return { text, node: h("div", { class: "steady" }, text, ghost) };
}

/** One image of the sheet, each of its pixels drawn as a whole number of the page's where there is room. */
function makeStamp(model, room, attributes) {
  const [height, width] = model.get("size"), columns = model.get("columns"), side = Math.max(height, width);
  const scale = side > room ? room / side : Math.floor(room / side);
  const canvas = h("canvas", { width, height, "aria-hidden": true, ...attributes }), ctx = canvas.getContext("2d");
  canvas.style.cssText = `width:${scale * width}px; height:${scale * height}px`;
  const show = (sheet, i) => {
    ctx.drawImage(sheet, (i % columns) * width, Math.floor(i / columns) * height, width, height, 0, 0, width, height);
  };
  return { canvas, show };
}

/** The marked image and its neighbours, beside the map or below it. */
function makePanel(model, content) {
  const big = makeStamp(model, BIG, { test: "big" }), name = steady(content.longest, { class: "name", test: "name" });
  const number = h("span", { class: "number" });
  const longest = content.maps.reduce((a, b) => (b.length > a.length ? b : a));
  const heading = steady(`Nearest by ${longest}`, { test: "heading" });
  const head = (map) => say(heading.text, `Nearest by ${content.maps[map]}`);
  const tiles = Array.from({ length: content.k }, () => {
    const stamp = makeStamp(model, SMALL, {}), label = steady(content.longest);
    return { stamp, label, node: h("li", { test: "neighbour" }, stamp.canvas, label.node) };
  });
  const node = h("div", { class: "panel empty" },
    h("div", { class: "one" }, big.canvas, h("div", { class: "who" }, name.node, number)));
  if (content.k) node.append(h("div", { class: "heading" }, heading.node), h("ul", {}, ...tiles.map((t) => t.node)));
  function show(sheet, i, map) {
    node.classList.remove("empty");
    if (sheet) big.show(sheet, i);
    say(name.text, content.name(i));
    say(number, content.names.length ? `number ${i}` : "");
    content.near(map, i).forEach((j, rank) => {
      const { stamp, label, node: tile } = tiles[rank];
      if (sheet) stamp.show(sheet, j);
      say(label.text, content.name(j));
      tile.classList.toggle("strange", content.strange(i, j));
    });
  }
  head(0);
  return { node, show, head };
}

/** Classes by colour. Pointed at or focused, one comes to the front; a click keeps it there. */
function makeLegend(content, changed) {
  let pointed = null, focused = null, chosen = null;
  const entry = (c) => {
    const swatch = h("span", { class: "swatch" });
    const node = button("class", "", () => choose(c), {
      "aria-pressed": "false",
      onpointerenter: (e) => e.pointerType === "mouse" && changed((pointed = c)),
      onpointerleave: () => changed((pointed = null)),
      onfocus: () => node.matches(":focus-visible") && changed((focused = c)),
      onblur: () => changed((focused = null)),
    });
    node.append(swatch, content.names[c]);
    return { c, node, swatch };
  };
  const entries = content.names.map((_, c) => c).filter((c) => content.labels.includes(c)).map(entry);
  function choose(c) {
    chosen = chosen === c ? null : c;
    for (const e of entries) e.node.setAttribute("aria-pressed", e.c === chosen);
    changed();
  }
  return {
    node: h("div", { class: "row legend", role: "group", "aria-label": "Classes" }, ...entries.map((e) => e.node)),
    front: () => pointed ?? focused ?? chosen,
    restyle: (colours) => entries.forEach((e) => (e.swatch.style.background = colours[e.c])),
  };
}

/** Where the dots are on their way from one map to another. */
function makeDots(content) {
  const at = content.places[0].slice();
  let from = at, to = at, began = -GLIDE;
  function go(map) {
    [from, to] = [at.slice(), content.places[map]];
    began = matchMedia("(prefers-reduced-motion: reduce)").matches ? -GLIDE : performance.now();
  }
  /** Move them to where they are now; returns whether they have farther to go. */
  function move() {
    const t = clamp((performance.now() - began) / GLIDE, 0, 1), share = t * t * (3 - 2 * t);
    for (let c = 0; c < at.length; c++) at[c] = from[c] + share * (to[c] - from[c]);
    return t < 1;
  }
  return { at, go, move };
}

/** Pixels of the dots in a picture of this size. */
const makeView = (at, size) => ({
  x: (i) => EDGE + at[2 * i] * (size - 2 * EDGE),
  y: (i) => EDGE + (1 - at[2 * i + 1]) * (size - 2 * EDGE),
});

/** The index of the dot that `cost(dx, dy)`, of its pixels from (x, y), is lowest for; -1 where all are infinite. */
function best(view, n, x, y, cost) {
  let found = -1, least = Infinity;
  for (let i = 0; i < n; i++) {
    const c = cost(view.x(i) - x, view.y(i) - y);
    if (c < least) [found, least] = [i, c];
  }
  return found;
}

/** All dots; those of one class in front of the others, which turn pale. */
function paintCrowd(ctx, view, size, content, front, colours) {
  const radius = Math.round(10 * clamp((0.24 * size) / Math.sqrt(content.n), 2.4, 6)) / 10; // of few sizes
  const dots = colours.classes.map((colour) => dotOf(radius, colour, colours.bg));
  clear({ ctx, w: size, h: size }, colours);
  for (const forward of front === null ? [true] : [false, true]) {
    ctx.globalAlpha = forward ? 1 : 0.16;
    for (let k = 0; k < content.n; k++) {
      const i = (k * STRIDE) % content.n, c = content.labels[i];
      if (front !== null && (c === front) !== forward) continue;
      const { image, side } = dots[c];
      ctx.drawImage(image, view.x(i) - side / 2, view.y(i) - side / 2, side, side);
    }
  }
  ctx.globalAlpha = 1;
}

/** The marked dot, its neighbours and the lines to them; all rimmed, since they lie on many others. */
function paintMarked(ctx, view, content, i, near, colours) {
  for (const [width, rim] of [[4, true], [1.5, false]]) {
    ctx.lineWidth = width;
    for (const j of near) {
      ctx.strokeStyle = rim ? colours.bg : content.strange(i, j) ? colours.alarm : colours.ink;
      ctx.beginPath();
      ctx.moveTo(view.x(i), view.y(i));
      ctx.lineTo(view.x(j), view.y(j));
      ctx.stroke();
    }
  }
  for (const [j, radius] of [...near.map((j) => [j, 4]), [i, 7]]) {
    const line = content.strange(i, j) ? colours.alarm : colours.ink, own = colours.classes[content.labels[j]];
    for (const [r, colour] of [[radius + 3, colours.bg], [radius + 1.8, line], [radius, own]]) {
      ctx.fillStyle = colour;
      disc(ctx, view.x(j), view.y(j), r);
    }
  }
}

function render({ model, el }) {
  const content = readContent(model), dots = makeDots(content), ground = document.createElement("canvas");
  let map = 0, marked = -1, pointer = null, gliding = false, crowd = true; // crowd: paint all dots anew
  let sheet, colours;
  const loop = makeLoop(paint), { wake } = loop;

  const screens = makeScreens(() => {
    restyle(); // anywidget renders before the element is in the page, where it has no style yet
    paint();
  });
  const screen = screens.make({ test: "map", role: "application", tabindex: "0",
    "aria-label": model.get("alt") || "a map of images" });
  const panel = makePanel(model, content);
  const legend = makeLegend(content, () => wake((crowd = true)));
  const choices = content.maps.map((name, m) =>
    button("choice", name, () => choose(m), { "aria-pressed": `${m === 0}` }));
  const choice = h("div", { class: "row", role: "group", "aria-label": "Map" }, ...choices);
  choice.hidden = choices.length < 2;
  legend.node.hidden = !content.names.length;
  const longestNear = Array(content.k).fill(content.longest).join(", ");
  const words = steady(`${content.longest}, number ${content.n}; nearest: ${longestNear}.`, LIVE);
  say(words.text, "Point at a dot, drag a finger over the map, or focus it and use the arrow keys.");
  const root = h("div", { class: "ganedu-image-map" }, choice, legend.node,
    h("div", { class: "both" }, screen.canvas, panel.node), words.node);

  // -- what the learner does
  function choose(m) {
    map = m;
    choices.forEach((node, k) => node.setAttribute("aria-pressed", k === m));
    dots.go(m);
    gliding = true;
    tell();
    wake();
  }
  function mark(i) {
    if (i < 0 || i === marked) return;
    marked = i;
    tell();
  }
  const view = () => makeView(dots.at, screen.w);
  const point = (e) => wake((pointer = [e.offsetX, e.offsetY]));
  screen.canvas.addEventListener("pointermove", (e) => e.isPrimary && point(e));
  screen.canvas.addEventListener("pointerdown", (e) => {
    if (!e.isPrimary) return;
    screen.canvas.focus({ preventScroll: true });
    point(e);
  });
  screen.canvas.addEventListener("keydown", (e) => {
    const way = wayOf(e.key, -1);
    if (!way) return;
    e.preventDefault();
    const middle = screen.w / 2, from = marked < 0 ? [middle, middle] : [view().x(marked), view().y(marked)];
    const least = e.shiftKey ? screen.w / 10 : 0;
    const ahead = (dx, dy) => {
      const along = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1] + dy * way[0]);
      return along > least && aside <= along ? along + aside : Infinity;
    };
    mark(best(view(), content.n, ...from, marked < 0 ? Math.hypot : ahead));
    wake();
  });

  // -- what the page says
  function tell() {
    panel.head(map);
    if (marked < 0) return;
    const near = content.near(map, marked).map(content.name).join(", ");
    const who = content.names.length ? `${content.name(marked)}, number ${marked}` : `number ${marked}`;
    say(words.text, near ? `${who}; nearest: ${near}.` : `${who}.`);
    panel.show(sheet, marked, map);
  }

  function paint() {
    if (!root.isConnected || !screen.w || !colours) return;
    const { ctx, w: size, canvas } = screen, moving = dots.move(), now = view();
    if (pointer) {
      const near = (dx, dy) => (Math.hypot(dx, dy) <= REACH ? Math.hypot(dx, dy) : Infinity);
      mark(best(now, content.n, ...pointer, near));
      pointer = null;
    }
    if (crowd || gliding) {
      Object.assign(ground, { width: canvas.width, height: canvas.height });
      const pad = ground.getContext("2d");
      pad.scale(canvas.width / size, canvas.height / size);
      paintCrowd(pad, now, size, content, legend.front(), colours);
      crowd = false;
    }
    ctx.drawImage(ground, 0, 0, size, size);
    if (marked >= 0) paintMarked(ctx, now, content, marked, content.near(map, marked), colours);
    gliding = moving; // the frame in which they arrive is painted too
    if (moving) wake();
  }

  // -- begin and end
  function restyle() {
    colours = readColours(root);
    colours.classes = model.get("colours").map((pair) => pair[root.classList.contains("dark") ? 1 : 0]);
    legend.restyle(colours.classes);
    crowd = true;
    wake();
  }
  const stopWatching = watchTheme(restyle);
  createImageBitmap(new Blob([model.get("sheet")], { type: "image/png" })).then((image) => {
    sheet = image;
    tell();
  });
  el.append(root);

  return () => {
    stopWatching();
    for (const part of [loop, screens]) part.close();
    sheet?.close();
    root.remove();
  };
}

export default { render };
