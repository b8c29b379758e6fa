// The playground's page: it draws what the kernel sends and sends what the learner does. The game itself is in game.py;
// answers.py states the protocol. widget.py joins the files of this folder, after helpers.js, into one module.

const SPAN = 3; // the picture shows [-3, 3] x [-3, 3]
const UNIT = 2000; // int16 coordinates are times this
const HEAT = 48; // cells of the heat map along a side
const NOTHING = 128; // D* = 1/2 to the bit: nothing falls into this cell, and any answer is as good
const LOG2 = Math.log(2);
const ACK = 160; // ms between two acknowledgements, at least
const ARRAYS = { uint8: Uint8Array, int8: Int8Array, int16: Int16Array, float32: Float32Array };
const LAYERS = {
  real: "real samples", fakes: "fakes", heat: "D's heat map", best: "best answer D* (blue: real)",
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

/** The colours of the canvas; `heat` holds RGBA for each of the 256 values of D, `best` the same for D*. */
function readShades(root) {
  const colours = readColours(root), low = rgb(colours.bg), high = rgb(colours.disc), strength = 0.8;
  colours.heat = new Uint8ClampedArray(256 * 4);
  for (let v = 0; v < 256; v++) {
    for (let c = 0; c < 3; c++) colours.heat[4 * v + c] = low[c] + ((high[c] - low[c]) * strength * v) / 255;
    colours.heat[4 * v + 3] = 255;
  }
  colours.best = colours.heat.slice();
  colours.best.set(low, 4 * NOTHING);
  return colours;
}
