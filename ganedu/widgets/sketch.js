// The page of a pad to draw on: it holds the drawing, and shows what the kernel answers to it. Its helpers come from
// helpers.js and its drawing from ink.js, which sketch.py joins with this file into one module.

const ROOM = 400, LEAST = 300; // px for the pad's side, at most, and at least where the answer stands beside it
const GAP = 16, RIM = 8; // px between the two; px that the answer has more, for the gaps between several images
const THUMB = 64; // px of an example's side
const MASK = 0.6, MASK_COLOUR = [213, 94, 0]; // how much of an image its mask hides; orange, on light and on dark

/** Ink as the pad shows it: white on black, or a mask on a photo. */
function inked(ink, photo, size) {
  if (!photo) return sheetOf(ink, size, size, 1);
  const mixed = new Uint8ClampedArray(3 * size * size);
  for (let k = 0; k < mixed.length; k++) {
    const share = (MASK * ink[Math.floor(k / 3)]) / 255;
    mixed[k] = (1 - share) * photo[k] + share * MASK_COLOUR[k % 3];
  }
  return sheetOf(mixed, size, size, 3);
}

/** Where the tool would draw. */
function paintTool(ctx, [x, y], radius) {
  for (const [width, colour] of [[3, "#000"], [1.5, "#fff"]]) {
    ctx.lineWidth = width;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    ctx.arc(x, y, Math.max(3, radius), 0, 2 * Math.PI);
    ctx.stroke();
  }
}

/** Images in rows, each of their pixels a whole number of the screen's where there is room. */
function paintSheets({ ctx, w, h: height }, sheets, colours) {
  clear({ ctx, w, h: height }, colours);
  if (!sheets.length) return;
  const dpr = window.devicePixelRatio || 1, columns = Math.ceil(Math.sqrt(sheets.length)), gap = columns > 1 ? 4 : 0;
  const wide = columns > 1 ? w : w - RIM, high = columns > 1 ? height : height - RIM;
  const rows = Math.ceil(sheets.length / columns), { width: x, height: y } = sheets[0];
  const room = Math.min((wide - (columns - 1) * gap) / x / columns, (high - (rows - 1) * gap) / y / rows) * dpr + 1e-6;
  const scale = (room < 1 ? room : Math.floor(room)) / dpr, snap = (v) => Math.round(v * dpr) / dpr;
  ctx.imageSmoothingEnabled = room < 1;
  sheets.forEach((sheet, k) => {
    const across = (k % columns) * (scale * x + gap), down = Math.floor(k / columns) * (scale * y + gap);
    ctx.drawImage(sheet, snap(across), snap(down), scale * x, scale * y);
  });
}

/** A row of small images to click on; `test` names it. */
function makeThumbs(test, label, sheets, names, chosen) {
  const shown = names.map((name, k) => {
    const scale = Math.max(1, Math.floor(THUMB / sheets[k].width));
    sheets[k].style.width = `${scale * sheets[k].width}px`;
    sheets[k].setAttribute("aria-hidden", "true");
    const node = button(test, "", () => chosen(k), { "aria-label": name || `${label} ${k + 1}`, class: "thumb" });
    node.append(sheets[k], ...(name ? [h("span", {}, name)] : []));
    return node;
  });
  const node = h("div", { class: "thumbs", role: "group", "aria-label": `${label}s` }, ...shown);
  node.hidden = !shown.length;
  return { node, mark: (k) => shown.forEach((each, i) => each.setAttribute("aria-pressed", i === k)) };
}

function render({ model, el }) {
  const view = uniqueId(), loop = makeLoop(paint), { wake } = loop;
  const size = model.get("size"), drawing = makeDrawing(size);
  const cut = (name, length) => {
    const all = bytes(model.get(name), Uint8Array);
    return Array.from({ length: all.length / length }, (_, k) => all.subarray(k * length, (k + 1) * length));
  };
  const photos = cut("images", 3 * size * size), examples = cut("examples", size * size);
  let image = model.get("image"), thickness = model.get("thickness"), rubbing = false, held = false; // by a pointer
  let hover = null, cursor = null, lowered = null; // places on the pad; the tool that the keys have lowered
  let replied = 0, sheets = [], colours;

  // -- the elements
  const screens = makeScreens(() => {
    colours = readColours(root); // anywidget renders before the element is in the page, where it has no style yet
    paint();
  });
  const ids = { words: `${view}-words`, hint: `${view}-hint` };
  const pad = screens.make({ test: "pad", role: "application", tabindex: "0", class: "pad",
    "aria-label": model.get("alt") || "a pad to draw on", "aria-describedby": ids.hint });
  const answer = screens.make({ test: "answer", role: "img", "aria-label": "the answer",
    "aria-describedby": ids.words });
  const advice = photos.length ? "Paint on the image" : "Draw something";
  const nothing = h("p", { class: "nothing", test: "nothing" },
    examples.length ? `${advice}, or take one of the examples.` : `${advice}.`);
  const words = h("p", { ...LIVE, id: ids.words });
  const hint = h("p", { class: "hint", test: "hint", id: ids.hint });
  const quiet = h("p", { class: "quiet", role: "status", test: "quiet" });
  const tools = [["Pen", false], ["Eraser", true]].map(([name, rubs]) =>
    button(name.toLowerCase(), name, () => choose(rubs), { "aria-pressed": `${!rubs}` }));
  const undo = button("undo", "Undo", stepBack, { "aria-keyshortcuts": "Control+Z" });
  const clear = button("clear", "Clear", () => drawing.empty() || start(new Uint8Array(size * size)));
  const wide = h("input", { type: "range", test: "thickness", min: 1, max: size / 4, step: 0.5, value: thickness,
    oninput: () => (thickness = Number(wide.value)) });
  const bar = h("div", { class: "bar", role: "toolbar", "aria-label": "Tools" }, ...tools, undo, clear,
    h("label", {}, "thickness", wide));
  const views = photos.map((photo) => sheetOf(photo, size, size, 3));
  const images = makeThumbs("image", "image", views, model.get("image_names"), (k) => changed((image = k)));
  images.node.hidden = photos.length < 2;
  const ground = photos.length ? photos[0].map(() => 40) : null;
  const starts = makeThumbs("example", "example", examples.map((ink) => inked(ink, ground, size)),
    model.get("example_names"), (k) => start(examples[k]));
  const root = h("div", { class: "ganedu-sketch", "data-sent": 0, "data-reply": 0 }, bar, images.node, starts.node,
    h("div", { class: "both" }, pad.canvas, h("div", { class: "made" }, answer.canvas, nothing)), words, quiet, hint);
  const sizes = new ResizeObserver(([{ contentRect: { width } }]) => fit(width));

  /** Pad and answer as large as there is room, each pixel of the pad a whole number of the screen's. */
  function fit(width) {
    const dpr = window.devicePixelRatio || 1, half = (width - GAP - RIM) / 2, narrow = half < LEAST;
    const room = Math.min(ROOM, narrow ? width - RIM : half);
    root.classList.toggle("narrow", narrow);
    root.style.setProperty("--side", `${(Math.max(1, Math.floor((room * dpr) / size)) * size) / dpr}px`);
  }

  // -- what the learner does
  const tool = (rubs) => ({ rubs, radius: (rubs ? 2 : 1) * thickness / 2 });
  function changed() {
    pad.stale = answer.stale = true;
    wake();
    post.send();
  }
  function start(ink) {
    lift(); // not every browser takes the focus from the pad when a button is pressed
    drawing.replace(ink);
    changed();
  }
  function stepBack() {
    lift();
    drawing.undo();
    changed();
  }
  function choose(rubs) {
    rubbing = rubs;
    tools.forEach((node, k) => node.setAttribute("aria-pressed", rubs === (k === 1)));
  }
  function lift() {
    drawing.end();
    held = false;
    lowered = null;
    pad.stale = true;
    wake();
  }
  /** Where events are on the pad; not by their offsets, which coalesced ones have in no two browsers alike. */
  function places(events) {
    const { left, top } = pad.canvas.getBoundingClientRect();
    return events.map((e) => [((e.clientX - left) * size) / pad.w, ((e.clientY - top) * size) / pad.w]);
  }
  pad.canvas.addEventListener("pointerdown", (e) => {
    if (e.button > 0 && e.button !== 5 || !e.isPrimary) return; // 5: the eraser at a pen's other end
    grab(pad.canvas, e);
    lift();
    [held, cursor] = [true, null];
    drawing.begin(places([e])[0], tool(rubbing || e.button === 5));
    changed();
  });
  pad.canvas.addEventListener("pointermove", (e) => {
    if (!e.isPrimary) return;
    hover = e.pointerType === "touch" ? null : places([e])[0];
    pad.stale = true;
    wake();
    if (!held) return;
    const events = e.getCoalescedEvents?.() ?? [];
    drawing.go(places(events.length ? events : [e]));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) pad.canvas.addEventListener(end, () => held && lift());
  pad.canvas.addEventListener("pointerleave", () => (hover = null, pad.stale = true, wake()));
  pad.canvas.addEventListener("blur", () => (cursor = null, held || lift()));
  pad.canvas.addEventListener("keydown", (e) => {
    const way = wayOf(e.key, -1), key = e.key.toLowerCase();
    if (e.ctrlKey || e.metaKey || e.altKey || !(way || [" ", "e", "escape"].includes(key)) || held) return;
    e.preventDefault();
    cursor ??= [Math.floor(size / 2) + 0.5, Math.floor(size / 2) + 0.5];
    pad.stale = true;
    wake();
    if (way) {
      cursor = cursor.map((v, c) => clamp(v + way[c] * (e.shiftKey ? 4 : 1), 0.5, size - 0.5));
      if (lowered === null) return;
      drawing.go([cursor]);
      changed();
    } else if (!e.repeat) {
      const before = lowered;
      lift();
      if (key === "escape" || before === key) return;
      lowered = key;
      drawing.begin(cursor, tool(key === "e"));
      changed();
    }
  });
  root.addEventListener("keydown", (e) => {
    if (!(e.ctrlKey || e.metaKey) || e.shiftKey || e.key.toLowerCase() !== "z") return;
    e.preventDefault();
    e.stopPropagation();
    stepBack();
  });

  // -- what the kernel says
  const post = makePost(model, (n) => {
    root.dataset.sent = n;
    return { ink: btoa(String.fromCharCode(...drawing.pixels())), image };
  }, quiet);
  function onReply() {
    const id = model.get("reply");
    if (!post.answered(id)) return;
    replied = id.n;
    answer.stale = true;
    wake();
  }
  function onDrawing() {
    if (held || lowered || post.busy()) return; // it is this page that draws
    drawing.take(bytes(model.get("drawing"), Uint8Array));
    image = model.get("image");
    pad.stale = answer.stale = true;
    wake();
  }
  function onPictures() {
    const [n, height, width, channels] = model.get("shape"), all = n ? bytes(model.get("pictures"), Uint8Array) : null;
    const cutOut = (k) => all.subarray(k * height * width * channels, (k + 1) * height * width * channels);
    sheets = Array.from({ length: n ?? 0 }, (_, k) => sheetOf(cutOut(k), width, height, channels));
    answer.stale = true;
    wake();
  }

  function paint() {
    if (!root.isConnected || !pad.w || !colours) return;
    const empty = drawing.empty(), unit = pad.w / size;
    if (pad.stale) {
      pad.ctx.imageSmoothingEnabled = false;
      pad.ctx.drawImage(inked(drawing.pixels(), photos[image], size), 0, 0, pad.w, pad.h);
      const at = cursor ?? hover, rubs = lowered ? lowered === "e" : rubbing;
      if (at) paintTool(pad.ctx, at.map((v) => v * unit), tool(rubs).radius * unit);
      images.mark(image);
      undo.setAttribute("aria-disabled", !drawing.past());
      clear.setAttribute("aria-disabled", empty);
    }
    if (answer.stale) paintSheets(answer, empty ? [] : sheets, colours);
    pad.stale = answer.stale = false;
    nothing.hidden = !empty;
    say(words, empty && Number(root.dataset.sent) ? "" : model.get("text"));
    say(hint, lowered ? `The ${lowered === "e" ? "eraser" : "pen"} is down: the arrow keys move it, Escape lifts it.`
      : "Draw with mouse, finger or pen. Keys: arrows move, Space sets the pen down, E the eraser, Ctrl+Z undoes.");
    root.dataset.reply = replied;
  }

  // -- begin and end
  const restyle = () => {
    colours = readColours(root);
    pad.stale = answer.stale = true;
    wake();
  };
  const stopListening = listen(model, { "change:reply": onReply, "change:drawing": onDrawing,
    "change:image": onDrawing, "change:pictures": onPictures, "change:shape": onPictures, "change:text": wake });
  const stopWatching = watchTheme(restyle);
  drawing.take(bytes(model.get("drawing"), Uint8Array));
  onPictures();
  fit(2 * ROOM + GAP + RIM);
  sizes.observe(root);
  el.append(root);

  return () => {
    stopListening();
    stopWatching();
    for (const part of [post, loop, screens]) part.close();
    sizes.disconnect();
    root.remove();
  };
}

export default { render };
