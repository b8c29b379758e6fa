// The page of clips that play together. Its helpers come from helpers.js, which clips.py joins with this file into one
// module. It has every pixel from the start and asks the kernel for nothing.

const SIDE = 80; // px of a clip's side on the page, about

function render({ model, el }) {
  const view = uniqueId(), [frames, height, width, channels] = model.get("shape");
  const pixels = bytes(model.get("pixels"), Uint8Array), length = height * width * channels;
  const scale = Math.max(1, Math.round(SIDE / Math.max(height, width)));
  let frame = 0, playing = false, timer = 0;

  // -- the elements
  const canvases = [];
  const rows = model.get("names").flatMap((name, row) => {
    const made = Array.from({ length: model.get("counts")[row] }, (_, k) => {
      const canvas = h("canvas", { test: "clip", role: "img", "aria-label": `${name}, clip ${k + 1}` });
      Object.assign(canvas.style, { width: `${scale * width}px`, height: `${scale * height}px` });
      canvases.push(canvas);
      return canvas;
    });
    return [h("div", { class: "name", test: "name" }, name), h("div", { class: "clips" }, ...made)];
  });
  const play = button("play", "Play", () => turn(!playing));
  const place = h("input", { type: "range", test: "frame", min: 1, max: frames, step: 1, value: 1, id: `${view}-frame`,
    oninput: () => stopAt(Number(place.value) - 1) });
  const loop = h("input", { type: "checkbox", test: "loop", checked: true });
  const words = h("p", { ...LIVE, id: `${view}-words` });
  const stage = h("div", { class: "stage", test: "stage", role: "application", tabindex: "0",
    "aria-label": model.get("alt") || "clips to play", "aria-describedby": `${view}-words`,
    onclick: () => (stage.focus({ preventScroll: true }), turn(!playing)) }, ...rows);
  stage.dataset.lmSuppressShortcuts = "true";
  const root = h("div", { class: "ganedu-clips" },
    h("div", { class: "bar" }, play, h("label", {}, "frame", place), h("label", {}, loop, "loop")), stage, words,
    h("p", { class: "hint" }, "A click plays and stops. Keys: Space too, left and right move by a frame."));

  // -- what the learner does
  function turn(on) {
    playing = on;
    clearInterval(timer);
    if (on && !loop.checked && frame === frames - 1) frame = 0;
    if (on) timer = setInterval(forward, 1000 / model.get("per_second"));
    paint();
  }
  function forward() {
    if (!root.isConnected) return;
    if (frame === frames - 1 && !loop.checked) return turn(false);
    frame = (frame + 1) % frames;
    paint();
  }
  function stopAt(k) {
    frame = clamp(k, 0, frames - 1);
    turn(false);
  }
  stage.addEventListener("keydown", (e) => {
    const to = { ArrowLeft: frame - 1, ArrowRight: frame + 1, Home: 0, End: frames - 1 }[e.key];
    if (e.ctrlKey || e.metaKey || e.altKey || (to === undefined && e.key !== " ")) return;
    e.preventDefault();
    e.stopPropagation();
    if (to === undefined) e.repeat || turn(!playing);
    else stopAt((to + frames) % frames);
  });

  function paint() {
    canvases.forEach((canvas, k) => {
      const start = (k * frames + frame) * length;
      fill(canvas, pixels.subarray(start, start + length), width, height, channels);
    });
    place.value = frame + 1;
    play.setAttribute("aria-pressed", playing);
    say(play, playing ? "Stop" : "Play");
    say(words, playing ? "Playing." : `Frame ${frame + 1} of ${frames}.`); // not every frame is read aloud
    root.dataset.frame = frame + 1;
  }

  // -- begin and end
  const restyle = () => root.classList.toggle("dark", isDark());
  const stopWatching = watchTheme(restyle);
  restyle();
  paint();
  el.append(root);

  return () => {
    clearInterval(timer);
    stopWatching();
    root.remove();
  };
}

export default { render };
