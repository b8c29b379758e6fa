// The panes of the studio's page. Each gets `context`: the model, its fixed facts, `act`, the way to the kernel, and
// `idle`, whether the kernel has answered all; and returns its element and what shows the state anew. As long as the
// kernel has not answered all, a slider stays where the hand has put it.

const ROOM_BIG = 320, ROOM_TILE = 84, ROOM_OFFER = 140, ROOM_FRAME = 168; // px there are for a picture

/** The chosen picture: large, its class, and what to do with it. */
function makeChosen({ model, fixed, act, idle, id }) {
  const picture = makePicture(fixed.shape, ROOM_BIG, { test: "big", role: "img" });
  const caption = h("p", { class: "caption", test: "caption", role: "status", "aria-live": "polite" });
  const classes = h("select", { test: "class", id: `${id}-class`, onchange: () => act("label",
    { value: Number(classes.value) }) }, h("option", { value: "", disabled: "", hidden: "" }, "a mix"),
    ...fixed.classes.map((name, k) => h("option", { value: k }, name)));
  const lock = h("input", { type: "checkbox", "aria-label": "lock the class for new pictures", test: "lock-class",
    onchange: () => act("lock", { name: "class" }) });
  const kind = h("div", { class: "line" }, h("label", { for: `${id}-class` }, "class"), classes,
    h("label", { class: "lock" }, lock, "lock"));
  const lockStyle = h("input", { type: "checkbox", test: "lock-style", onchange: () => act("lock", { name: "style" }) });
  const style = h("label", { class: "lock" }, lockStyle, "lock its style for new pictures");
  kind.hidden = !fixed.classes.length;
  const keep = button("keep", "Keep", () => act("keep"));
  const mark = button("mark", "Make it the second", () => act("mark"));
  const node = h("section", { class: "chosen", "aria-label": "The chosen picture" }, picture.canvas, caption, kind, style,
    h("div", { class: "line" }, keep, mark, button("png", "Save as PNG", () => act("png"))));
  function show(state) {
    picture.show(bytes(model.get("big"), Uint8Array));
    const title = state.titles[state.chosen];
    say(caption, title[0].toUpperCase() + title.slice(1));
    picture.canvas.setAttribute("aria-label", `the chosen picture: ${title}`);
    if (idle()) classes.value = state.label ?? "";
    lock.checked = state.locks.includes("class");
    lockStyle.checked = state.locks.includes("style");
    style.hidden = !state.style;
    keep.setAttribute("aria-pressed", state.kept.includes(state.chosen));
    mark.setAttribute("aria-pressed", state.second === state.chosen);
  }
  return { node, show };
}

/** What two pictures give: a mix, a walk, one's style on the other's content. */
function makePair({ model, fixed, act, idle, id }) {
  let frames = new Uint8Array(), playing = 0, n = 0;
  const hint = h("p", { class: "hint" });
  const share = h("input", { type: "range", id: `${id}-share`, min: 0, max: 1, step: 0.02, value: 0, test: "share",
    oninput: () => act("mix", { value: Number(share.value) }) });
  const picture = makePicture(fixed.shape, ROOM_FRAME, { test: "frame", role: "img", "aria-label": "the walk" });
  const step = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, test: "frame-number",
    "aria-label": "place on the walk", oninput: () => {
      stop();
      frame(Number(step.value));
    } });
  const play = button("play", "Play", () => (playing ? stop() : start()));
  const shown = h("div", { class: "walk" }, picture.canvas, h("div", { class: "line" }, play, step),
    button("gif", "Save as GIF", () => act("gif")));
  const style = button("restyle", "Take its style", () => act("restyle"));
  style.hidden = !fixed.styled;
  const both = h("div", { class: "both" },
    h("div", { class: "line" }, h("label", { for: `${id}-share` }, "mix"), share),
    h("div", { class: "line" }, button("walk", "Walk to it", () => act("walk")), style), shown);
  const node = h("section", { class: "pair", "aria-label": "Two pictures" }, h("h3", {}, "Two pictures"), hint, both);
  function frame(k) {
    step.value = k;
    picture.show(nthOf(frames, k, fixed.shape));
    picture.canvas.setAttribute("aria-label", `the walk, picture ${k + 1} of ${n}`);
  }
  function start() {
    let k = Number(step.value), way = k === n - 1 ? -1 : 1;
    say(play, "Stop");
    playing = setInterval(() => {
      k += way;
      if (k <= 0 || k >= n - 1) way = -way;
      frame(clamp(k, 0, n - 1));
    }, 80);
  }
  function stop() {
    clearInterval(playing);
    playing = 0;
    say(play, "Play");
  }
  function show(state) {
    const ready = state.second !== null && state.second !== state.chosen;
    say(hint, ready ? `The second is picture ${state.second + 1}.` : state.second === null
      ? "Mark one picture as the second, then choose another: the two can be mixed." : "Now choose another picture.");
    both.hidden = !ready;
    if (idle()) share.value = state.share;
  }
  function onFrames() {
    stop();
    frames = bytes(model.get("frames"), Uint8Array);
    n = Math.round(frames.length / (fixed.shape[0] * fixed.shape[1] * fixed.shape[2]));
    shown.hidden = !n;
    if (!n) return;
    step.max = n - 1;
    frame(0);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) start();
  }
  onFrames();
  return { node, show, onFrames, close: stop };
}

/** The settings of the chosen picture as a text, to be given away or taken. */
function makeText({ act, id }) {
  let changed = false, known = "";
  const area = h("textarea", { id: `${id}-text`, rows: 3, spellcheck: "false", test: "text", ...QUIET,
    oninput: () => (changed = true) });
  const copied = h("span", { class: "hint", role: "status" });
  const copy = button("copy", "Copy", async () => {
    area.select();
    try {
      await navigator.clipboard.writeText(area.value);
    } catch {
      document.execCommand("copy"); // where the page may not use the clipboard
    }
    say(copied, "Copied.");
    setTimeout(() => say(copied, ""), 2000);
  });
  const use = button("use", "Use this text", () => act("read", { text: area.value }));
  const back = button("back", "Back", () => {
    changed = false;
    area.value = known;
  });
  const node = h("section", { class: "text", "aria-label": "Settings to share" },
    h("label", { for: `${id}-text` }, "The settings of this picture as a text: copy it, or paste another's."), area,
    h("div", { class: "line" }, copy, use, back, copied));
  return { node, show(state, done) {
    if (done === "read") changed = false; // it was taken
    known = state.text;
    if (!changed && area.value !== known) area.value = known;
  } };
}

/** The gallery with all that is done to its pictures. */
function makeMake(context) {
  const { model, fixed, act, idle, id } = context;
  const grid = makeGrid("gallery", "Pictures", fixed.shape, ROOM_TILE, (i) => act("choose", { i }),
    { k: (i) => act("keep", { i }), 2: (i) => act("mark", { i }) });
  const chosen = makeChosen(context), pair = makePair(context), text = makeText(context);
  const undo = button("undo", "Undo", () => act("undo"), { "aria-keyshortcuts": "Control+Z" });
  const redo = button("redo", "Redo", () => act("redo"), { "aria-keyshortcuts": "Control+Shift+Z" });
  const bar = h("div", { class: "line", role: "toolbar", "aria-label": "The page" },
    button("fresh", "New pictures", () => act("fresh")), undo, redo);
  const dials = fixed.dials.map((dial, k) => makeDial(dial, `${id}-dial-${k}`,
    (value) => act("dial", { name: dial.name, value }), () => act("lock", { name: dial.name })));
  const tuned = h("section", { class: "dials", "aria-label": "Dials of the chosen picture" }, h("h3", {}, "Dials"),
    ...dials.map((d) => d.node),
    dials.length ? button("neutral", "All to 0", () => act("neutral")) : "This model has no dials.");
  const hint = h("p", { class: "hint" }, "Keys: arrows choose, K keeps, 2 makes it the second, Ctrl+Z undoes.");
  const node = h("div", { class: "make" },
    h("div", { class: "left" }, bar, grid.node, hint, pair.node),
    h("div", { class: "right" }, chosen.node, tuned, text.node));
  function tiles() {
    grid.show(bytes(model.get("tiles"), Uint8Array));
  }
  function show(done) {
    const state = model.get("state");
    grid.one(state.chosen, bytes(model.get("big"), Uint8Array));
    grid.mark(state.chosen);
    grid.name(state.titles, (k) => [state.kept.includes(k) && "kept", k === state.second && "second"]
      .filter(Boolean).join(", "));
    undo.setAttribute("aria-disabled", !state.undo);
    redo.setAttribute("aria-disabled", !state.redo);
    fixed.dials.forEach((dial, k) => dials[k].show(state.dials[dial.name], state.locks.includes(dial.name), idle()));
    chosen.show(state);
    pair.show(state);
    text.show(state, done);
  }
  tiles();
  return { node, show, tiles, onFrames: pair.onFrames, close: pair.close };
}

/** Two or four pictures to pick from, what is believed, and a page that should please. */
function makeTaste({ model, fixed, act, idle, id }) {
  const offer = h("div", { class: "offer", role: "group", "aria-label": "Which one do you like best?" });
  let cells = [];
  const words = h("p", { class: "words", role: "status", "aria-live": "polite", test: "belief" });
  const sure = h("meter", { min: 0, max: 1, id: `${id}-sure`, test: "sure" });
  const bars = makeBars(), number = h("output", { test: "diversity" });
  const grid = makeGrid("near", "Pictures that should please you", fixed.shape, ROOM_TILE, () => {});
  const sizes = [2, 4].map((n) => button(`size-${n}`, `${n} pictures`, () => act("taste.size", { value: n })));
  const variety = h("input", { type: "range", min: 0, max: 1, step: 0.05, id: `${id}-variety`, test: "variety",
    oninput: () => act("taste.varied", { value: Number(variety.value) }) });
  const node = h("div", { class: "taste" },
    h("section", { "aria-label": "Pick one" }, h("h3", {}, "Which one do you like best?"),
      h("div", { class: "line" }, ...sizes, button("other", "None: show others", () => act("taste.other"))), offer),
    h("section", { class: "belief", "aria-label": "What the model believes" }, h("h3", {}, "What the model believes"),
      words, h("div", { class: "line" }, h("label", { for: `${id}-sure` }, "sure"), sure,
        button("reset", "Forget my taste", () => act("taste.reset"))), bars.node),
    h("section", { class: "near", "aria-label": "A page for you" }, h("h3", {}, "A page for you"),
      h("div", { class: "line" }, h("label", { for: `${id}-variety` }, "nearer my taste"), variety,
        h("label", { for: `${id}-variety` }, "more varied")),
      h("p", {}, "Diversity of this page: ", number, " (1: as varied as pictures drawn at random)"), grid.node,
      button("take", "Put these on the page “Pictures”", () => act("taste.take"))));
  function show() {
    const state = model.get("taste_state"), all = bytes(model.get("offer"), Uint8Array);
    if (!state.n) return;
    const n = Math.round(all.length / (fixed.shape[0] * fixed.shape[1] * fixed.shape[2]));
    if (n !== cells.length) {
      cells = Array.from({ length: n }, (_, k) => {
        const picture = makePicture(fixed.shape, ROOM_OFFER, { "aria-hidden": "true" });
        const node = button("pick", "", () => act("taste.pick", { i: k }), { "aria-label": `I like picture ${k + 1} best` });
        node.append(picture.canvas);
        return { node, picture };
      });
      offer.replaceChildren(...cells.map((c) => c.node));
    }
    cells.forEach((c, k) => c.picture.show(nthOf(all, k, fixed.shape)));
    sizes.forEach((node, k) => node.setAttribute("aria-pressed", [2, 4][k] === state.n));
    say(words, state.words);
    sure.value = state.sure;
    node.classList.toggle("fresh", !state.picks);
    say(sure, `${Math.round(100 * state.sure)} %`);
    bars.show(state.rows);
    if (idle()) variety.value = state.varied;
    say(number, fmt(state.diversity));
  }
  function tiles() {
    grid.show(bytes(model.get("near"), Uint8Array));
    grid.name([], () => "");
  }
  return { node, show, tiles };
}

/** The pads lie below this page, as widgets of their own. */
function makeDraw({ model }) {
  const words = h("p", { class: "hint", role: "status", test: "draw" });
  return { node: h("div", { class: "draw" }, words), show: () => say(words, model.get("pads_ready")
    ? "Draw, or paint over a picture: the network answers at once." : "The networks are being loaded ...") };
}

/** A folder of one's own: look, train, watch, stop, go on, report. */
function makeOwn({ model, fixed, act, id }) {
  const look = () => act("own.look", { folder: folder.value });
  const folder = h("input", { type: "text", id: `${id}-folder`, test: "folder", spellcheck: "false", autocomplete: "off",
    placeholder: "pictures/cats", onkeydown: (e) => e.key === "Enter" && look() });
  const looked = h("p", { class: "looked", test: "looked" }), busy = h("p", { class: "hint", test: "busy" });
  const minutes = h("select", { id: `${id}-minutes`, test: "minutes" },
    ...[[1, "1 minute"], [5, "5 minutes"], [15, "15 minutes"], [60, "1 hour"]].map(([value, text]) =>
      h("option", { value }, text)));
  const trouble = h("p", { class: "quiet wrong", role: "alert", test: "trouble" });
  const again = button("again", "", () => act("own.again"));
  const ready = h("div", { class: "line" }, h("label", { for: `${id}-minutes` }, "for"), minutes,
    button("start", "Train", () => act("own.start", { minutes: Number(minutes.value) })), again);
  const stop = button("stop", "Stop", () => act("own.stop")), resume = button("resume", "Go on", () =>
    act("own.resume", { minutes: Number(minutes.value) }));
  const doctor = button("doctor", "Ask the doctor", () => act("own.doctor"));
  const report = button("report", "Write a report", () => act("own.report"));
  const saved = button("html", "Save the report", () => act("html"));
  const open = button("open", "Make pictures with it", () => act("own.open"));
  const bar = h("progress", { id: `${id}-bar`, max: 1, test: "progress" }), far = h("span", { test: "far" });
  const said = ["advice", "number", "said", "word"].map((key) => h("p", { class: key, test: key }));
  const curve = makeCurve(), samples = h("div", { class: "grid samples", role: "img", test: "samples" });
  const running = h("section", { class: "training", "aria-label": "The training" }, h("h3", {}, "The training"),
    h("div", { class: "line" }, h("label", { for: `${id}-bar` }, "progress"), bar, far),
    h("div", { class: "line" }, stop, resume, doctor, report, saved, open),
    h("div", { role: "status", "aria-live": "polite" }, ...said), curve.node,
    h("h3", {}, "Pictures that it makes now"), samples);
  const node = h("div", { class: "own" },
    h("section", { "aria-label": "The folder" }, h("h3", {}, "The folder"),
      h("label", { for: `${id}-folder` }, "A folder with 400 or more pictures, on the computer that runs this page"),
      h("div", { class: "line" }, folder, button("look", "Look", look)),
      h("div", { role: "status", "aria-live": "polite" }, busy, looked), ready, trouble), running);
  let ticks = 0;
  const polling = setInterval(() => { // what trains goes on by itself: every second, or sooner where one waits for it
    const state = model.get("own_state");
    if (!node.isConnected || node.hidden || !(state.busy || (state.running && ++ticks % 4 === 0))) return;
    act("own.state");
  }, 250);
  function pictures(shape, all) {
    const [n, ...one] = shape.length ? shape : [0];
    samples.setAttribute("aria-label", `${n} pictures that the model makes now`);
    samples.replaceChildren(...Array.from({ length: n }, (_, k) => {
      const picture = makePicture(one, ROOM_TILE, { "aria-hidden": "true" });
      picture.show(nthOf(all, k, one));
      return picture.canvas;
    }));
  }
  function show() {
    const s = model.get("own_state"), idle = !s.busy && !s.running;
    say(busy, s.busy ? `${s.busy} ...` : "");
    say(looked, s.looked);
    say(trouble, s.error);
    ready.hidden = !s.looked || !idle;
    again.hidden = !s.before;
    say(again, `Open the earlier training (${s.before})`);
    running.hidden = !s.begun;
    if (!s.begun) return;
    bar.value = clamp(s.seconds / s.limit, 0, 1);
    say(far, `${Math.round(s.seconds)} of ${Math.round(s.limit)} s, step ${s.step}`);
    stop.hidden = !s.running;
    resume.hidden = s.running;
    say(resume, s.seconds < s.limit ? "Go on" : "Go on, for the time chosen above");
    doctor.hidden = report.hidden = s.running || !s.step;
    open.hidden = !s.step || !fixed.opens;
    saved.hidden = !s.report;
    for (const each of [stop, resume, doctor, report, open]) each.setAttribute("aria-disabled", !!s.busy);
    [s.advice, s.number, s.said, s.doctor].forEach((text, k) => say(said[k], text));
    curve.show(s.history);
    pictures(s.shape, bytes(model.get("samples"), Uint8Array));
  }
  return { node, show, close: () => clearInterval(polling) };
}
