// ----------------------------------------------------------------------------------------------------------- the page

function render({ model, el }) {
  const prefix = `ganedu-${++views}-${uniqueId()}`, view = prefix;
  const parts = {}; // the newest array of each layer
  const curves = { step: [], loss_D: [], loss_G: [], kl: [], js: [] };
  const shown = { real: true, fakes: true, heat: true, best: false, grid: false, arrows: true };
  const tile = makeTile(), queue = new Map(), loop = makeLoop(tick), { wake } = loop;
  let state = { values: {}, controls: [], running: false, slow: false, drawing: [], history: [] };
  let frame = null, waiting = null, real = new Int16Array(0), worldModes = [], gauge = null; // from the kernel
  let drawAll = true, curvesNew = true, gaugeNew = true, worldsNew = true, drawn = 0; // what is to be drawn
  let drawnId = 0, acked = 0, ackTimer = 0;
  let n = 0, scrubbed = 0, silence = 0, layersSent = "", morph = 1, colours;

  // -- talk
  const send = (message) => model.send(message);
  const ask = (message) => {
    clearTimeout(silence);
    silence = setTimeout(() => say(quiet, SILENCE), PATIENCE);
    send({ ...message, n: ++n });
  };
  const act = (what) => ask({ kind: "do", what });
  /** The first message of a sort goes at once; those that follow on its heels wait for a frame, and the latest wins. */
  const soon = (key, message) => {
    if (performance.now() - (asks.get(key) ?? -1e9) > 30) return askNow(key, message);
    queue.set(key, message);
    wake();
  };
  const asks = new Map();
  const askNow = (key, message) => {
    asks.set(key, performance.now());
    queue.delete(key);
    ask(message);
  };

  // -- the elements
  const screens = makeScreens(() => {
    colours = readShades(root); // anywidget renders before the element is in the page, where it has no style yet
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
  const details = h("details", { class: "overview", open: "", ontoggle: () => sendLayers() },
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
  const wordsLine = h("p", LIVE);
  const layerBoxes = Object.entries(LAYERS).map(([name, text]) => {
    const box = h("input", { type: "checkbox", test: `layer-${name}` });
    box.checked = shown[name];
    box.addEventListener("change", () => {
      shown[name] = box.checked;
      sendLayers();
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
  /** Say which layers somebody sees; the overview's small pictures count. What is not seen is not kept. */
  function sendLayers() {
    const seen = new Set(Object.keys(LAYERS).filter((name) => shown[name]));
    if (details.open) for (const name of ["real", "fakes", "heat", "grid"]) seen.add(name);
    for (const part of Object.keys(LAYER_OF)) if (!seen.has(LAYER_OF[part])) delete parts[part];
    drawAll = true;
    const names = [...seen].join();
    if (names !== layersSent) soon("layers", { kind: "layers", shown: [...seen] });
    layersSent = names;
    wake();
  }
  function savePicture() {
    screen.canvas.toBlob((blob) => download(`gan-step-${frame?.rounds ?? 0}.png`, blob));
  }
  // -- what the kernel says
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

  // -- the loop
  function tick() {
    for (const [key, m] of [...queue]) askNow(key, m);
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
      strip.paint({ cloud: parts.worlds, modes: worldModes, total: frame?.modes, real, colours });
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
    const pad = picture.mode === "draw", { heat, best, fakes, arrows } = parts, visible = (name) => shown[name] && !pad;
    ctx.imageSmoothingEnabled = true;
    if (visible("heat") && heat) paintHeat(ctx, size, heat, tile, colours.heat);
    else if (visible("best") && best) paintHeat(ctx, size, best, tile, colours.best);
    if (visible("best") && best) paintBest(ctx, size, best, colours);
    paintAxes(ctx, size, colours);
    if (visible("grid") && grid()) paintGrid(ctx, size, grid(), morph, colours);
    ctx.globalAlpha = pad ? 0.2 : 1;
    if (shown.real) paintDots(ctx, size, real, UNIT, size > 400 ? 2.6 : 2, colours.real, colours.bg);
    ctx.globalAlpha = 1;
    if (visible("arrows") && fakes && arrows) paintArrows(ctx, size, fakes, arrows, colours.arrow);
    if (visible("fakes") && fakes) paintDots(ctx, size, fakes, UNIT, size > 400 ? 3.4 : 2.5, colours.fake, colours.bg);
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
    const losses = frame?.phase?.losses; // slow motion has those of its own batch
    for (const p of "DG") say(overview.numbers[p], fmt(losses?.[p] ?? curves[`loss_${p}`].findLast(Number.isFinite)));
  }
  function showGauge() {
    paintGauge(gaugeScreen, gauge, colours);
    for (const [name, number] of Object.entries(gaugeNumbers)) say(number, fmt(gauge[name]));
  }
  // -- begin and end
  const restyle = () => {
    colours = readShades(root);
    screens.stale();
    drawAll = true;
    wake();
  };
  const alive = () => send({ kind: "alive", view, hidden: document.hidden });
  const stopWatching = watchTheme(restyle);
  document.addEventListener("visibilitychange", alive);
  const heart = setInterval(alive, 4000);
  // Where no kernel answers (a web page, print) the stored picture stays; the first state takes its place.
  const still = model.get("still");
  const stored = still && h("img", { class: "still", src: `data:image/png;base64,${still}`, alt: model.get("caption") });
  if (stored) root.prepend(stored);
  page.hidden = Boolean(stored);
  el.append(root);
  restyle();
  const stopListening = listen(model, { "msg:custom": onMessage });
  send({ kind: "hello", view });
  sendLayers();

  return () => {
    stopListening();
    for (const timer of [silence, sayLater, ackTimer]) clearTimeout(timer);
    clearInterval(heart);
    document.removeEventListener("visibilitychange", alive);
    stopWatching();
    for (const part of [loop, screens, overview, controls]) part.close();
    try {
      send({ kind: "bye", view });
    } catch {
      // the kernel has gone before its page
    }
    root.remove();
  };
}

export default { render };
