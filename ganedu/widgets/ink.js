// The ink of a pad: strokes in the pad's own pixels, and what can be undone. sketch.py joins this file with sketch.js.

const UNDOS = 50; // drawings that are kept

const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/** Ink over what lies within `radius` of the piece from a to b, its edge a pixel soft; or ink taken from there. */
function cover(pixels, size, [ax, ay], [bx, by], { radius, rubs }) {
  const reach = radius + 0.5, dx = bx - ax, dy = by - ay, length2 = dx * dx + dy * dy;
  const first = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - reach));
  const last = (a, b) => Math.min(size - 1, Math.floor(Math.max(a, b) + reach));
  for (let j = first(ay, by); j <= last(ay, by); j++) {
    for (let i = first(ax, bx); i <= last(ax, bx); i++) {
      const x = i + 0.5 - ax, y = j + 0.5 - ay, t = length2 ? clamp((x * dx + y * dy) / length2, 0, 1) : 0;
      const ink = Math.round(255 * clamp(reach - Math.hypot(x - t * dx, y - t * dy), 0, 1)), k = j * size + i;
      pixels[k] = rubs ? Math.min(pixels[k], 255 - ink) : Math.max(pixels[k], ink);
    }
  }
}

/** The drawing, and what it was before. A stroke runs through the middles between the pointer's places, bent towards
 * the places: it has no corners. Its last half piece, which the next place will bend, is drawn anew each time. */
function makeDrawing(size) {
  let pixels = new Uint8Array(size * size), finished = null, stroke = null;
  const past = [];
  const keep = () => past.push(pixels.slice()) > UNDOS && past.shift();
  function curve(a, bend, b) {
    const length = Math.hypot(bend[0] - a[0], bend[1] - a[1]) + Math.hypot(b[0] - bend[0], b[1] - bend[1]);
    const at = (t, c) => (1 - t) ** 2 * a[c] + 2 * t * (1 - t) * bend[c] + t * t * b[c];
    const pieces = Math.ceil(1.5 * length);
    let from = a;
    for (let k = 1; k <= pieces; k++) {
      const to = [at(k / pieces, 0), at(k / pieces, 1)];
      cover(finished, size, from, to, stroke.tool);
      from = to;
    }
  }
  function tip() {
    pixels = finished.slice();
    cover(pixels, size, stroke.middle, stroke.place, stroke.tool);
  }
  return {
    pixels: () => pixels,
    empty: () => !pixels.some(Boolean),
    past: () => past.length > 0,
    drawing: () => stroke !== null,
    begin(place, tool) {
      this.end();
      keep();
      finished = pixels.slice();
      stroke = { tool, place, middle: place };
      tip();
    },
    go(places) {
      for (const place of places) {
        const next = middle(stroke.place, place);
        curve(stroke.middle, stroke.place, next);
        Object.assign(stroke, { place, middle: next });
      }
      tip();
    },
    end() {
      if (!stroke) return;
      stroke = null;
      if (past.at(-1).every((v, k) => v === pixels[k])) past.pop(); // it changed nothing
    },
    replace(other) {
      this.end();
      keep();
      pixels = other.slice();
    },
    undo() {
      this.end();
      pixels = past.pop() ?? pixels;
    },
    take: (other) => (pixels = other.slice()),
  };
}
