// Parts of the studio's page: pictures in a grid, dials, bars, a curve. Nothing here knows the kernel.

const QUIET = { "data-lm-suppress-shortcuts": "true" }; // keys here are not JupyterLab's

/** A canvas that shows one picture, each of its pixels a whole number of the page's where there is room. */
function makePicture([height, width, channels], room, attributes = {}) {
  const canvas = h("canvas", { width, height, ...attributes }), side = Math.max(width, height);
  const scale = side > room ? room / side : Math.floor(room / side);
  canvas.style.cssText = `width:${scale * width}px; height:${scale * height}px`;
  return { canvas, show: (pixels) => fill(canvas, pixels, width, height, channels) };
}

/** The n-th of several pictures that came together. */
function nthOf(all, n, [height, width, channels]) {
  const length = height * width * channels;
  return all.subarray(n * length, (n + 1) * length);
}

/** Pictures of which one is chosen, by a click or by the arrow keys: a list box in rows. `keys` are more keys, by name. */
function makeGrid(test, label, shape, room, chosen, keys = {}) {
  let cells = [], at = 0;
  const node = h("div", { class: "grid", role: "listbox", "aria-label": label, "aria-orientation": "horizontal", test });
  const columns = () => cells.filter((c) => c.node.offsetTop === cells[0].node.offsetTop).length || 1;
  function go(k, event) {
    event.preventDefault();
    const next = clamp(k, 0, cells.length - 1);
    chosen(next);
    mark(next);
    cells[next].node.focus();
  }
  function pressed(e, k) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -k,
      End: cells.length - 1 - k };
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key in steps) {
      if (k + steps[e.key] >= 0 && k + steps[e.key] < cells.length) go(k + steps[e.key], e);
      else e.preventDefault();
    } else if (e.key === " " || e.key === "Enter") go(k, e);
    else if (keys[e.key.toLowerCase()]) {
      e.preventDefault();
      keys[e.key.toLowerCase()](k);
    }
  }
  function make(k) {
    const picture = makePicture(shape, room, { "aria-hidden": "true" }), marks = h("span", { class: "marks" });
    const cell = h("div", { class: "cell", role: "option", tabindex: "-1", test: `${test}-cell`, ...QUIET,
      onclick: (e) => go(k, e), onkeydown: (e) => pressed(e, k) }, picture.canvas, marks);
    return { node: cell, picture, marks };
  }
  function show(all) {
    const n = Math.round(all.length / (shape[0] * shape[1] * shape[2]));
    if (n !== cells.length) {
      cells = Array.from({ length: n }, (_, k) => make(k));
      node.replaceChildren(...cells.map((c) => c.node));
    }
    cells.forEach((c, k) => c.picture.show(nthOf(all, k, shape)));
    mark(Math.min(at, Math.max(0, n - 1)));
  }
  function mark(k) {
    at = k;
    cells.forEach((c, i) => {
      c.node.setAttribute("aria-selected", i === k);
      c.node.tabIndex = i === k ? 0 : -1;
    });
  }
  /** What each picture is, for those who cannot see it, and the signs on it. */
  function name(titles, signs) {
    cells.forEach((c, k) => {
      c.node.setAttribute("aria-label", titles[k] ?? `picture ${k + 1}`);
      say(c.marks, signs(k));
    });
  }
  return { node, show, mark, name, one: (k, pixels) => cells[k]?.picture.show(pixels) };
}

/** A slider with its name, its value, and what it was seen to do. */
function makeDial(dial, id, turned, locked) {
  const out = h("output", { for: `${id}-range` }), about = h("p", { class: "about", id: `${id}-about` });
  const range = h("input", { type: "range", id: `${id}-range`, min: dial.low, max: dial.high, test: "dial",
    step: (dial.high - dial.low) / 100, "aria-describedby": `${id}-about`,
    oninput: () => {
      say(out, fmt(Number(range.value)));
      turned(Number(range.value));
    } });
  const lock = h("input", { type: "checkbox", test: "lock", "aria-label": `lock ${dial.name} for new pictures`,
    onchange: locked });
  about.append(dial.effect, ...(dial.side ? [h("br"), h("span", { class: "side" }, dial.side)] : []));
  const node = h("div", { class: "dial" },
    h("label", { for: `${id}-range`, class: "name" }, dial.name), range, out,
    h("label", { class: "lock" }, lock, "lock"), about);
  function show(value, isLocked, idle) {
    if (idle) {
      range.value = value;
      say(out, fmt(value));
    }
    lock.checked = isLocked;
  }
  return { node, show };
}

/** Weights with their intervals, as bars to the left or right of a middle line. */
function makeBars() {
  const node = h("ul", { class: "bars", "aria-label": "What the model believes that you like", test: "bars" });
  function show(rows) {
    const most = Math.max(1e-9, ...rows.flatMap((row) => row.slice(1).map(Math.abs)));
    const place = (v) => 50 + (50 * v) / most;
    node.hidden = !rows.length;
    node.replaceChildren(...rows.map(([name, value, low, high]) => {
      const part = (kind, from, to) => {
        const bar = h("span", { class: kind, "aria-hidden": "true" });
        bar.style.left = `${place(Math.min(from, to))}%`;
        bar.style.width = `${Math.abs(place(to) - place(from))}%`;
        return bar;
      };
      return h("li", {}, h("span", { class: "name" }, name),
        h("span", { class: "track" }, part("bar", 0, value), part("whisker", low, high)),
        h("span", { class: "value" }, `${fmt(value)} (${fmt(low)} to ${fmt(high)})`));
    }));
  }
  return { node, show };
}

/** A curve of a number over steps, with its lows and highs where there are some. */
function makeCurve() {
  const svg = h("svg", { class: "curve", viewBox: "0 0 320 120", role: "img", test: "curve" });
  function show(history) {
    svg.toggleAttribute("hidden", history.length < 2);
    if (history.length < 2) return;
    const last = history[history.length - 1], top = Math.max(...history.flatMap((row) => row.slice(1))) || 1;
    const place = (step, v) => `${40 + (270 * step) / (last[0] || 1)} ${105 - (95 * Math.max(0, v)) / top}`;
    const line = history.map(([step, v]) => place(step, v)).join(" L ");
    const whiskers = history.filter((row) => row.length > 3)
      .map(([step, , low, high]) => `M ${place(step, low)} L ${place(step, high)}`).join(" ");
    const label = (x, y, text) => h("text", { x, y, class: "label" }, text);
    svg.replaceChildren(h("path", { d: "M 40 10 L 40 105 L 310 105", class: "axis" }),
      h("path", { d: whiskers || "M 0 0", class: "whisker" }), h("path", { d: `M ${line}`, class: "line" }),
      label(2, 16, fmt(top, 1)), label(2, 108, "0"), label(250, 118, `step ${last[0]}`));
    svg.setAttribute("aria-label", `distance to held-out pictures, from ${fmt(history[0][1], 1)} at step ${
      history[0][0]} to ${fmt(last[1], 1)} at step ${last[0]}`);
  }
  return { node: svg, show };
}

/** Tabs and their panes; `opened(key)` once one is chosen. */
function makeTabs(titles, panes, id, opened) {
  const keys = Object.keys(titles);
  const tabs = keys.map((key, k) => button(`tab-${key}`, titles[key], () => opened(key), { role: "tab",
    id: `${id}-tab-${key}`, "aria-controls": `${id}-pane-${key}`,
    onkeydown: (e) => {
      const next = { ArrowLeft: k - 1, ArrowRight: k + 1, Home: 0, End: keys.length - 1 }[e.key];
      if (next === undefined) return;
      e.preventDefault();
      const to = (next + keys.length) % keys.length;
      tabs[to].focus();
      opened(keys[to]);
    } }));
  const node = h("div", { class: "tabs", role: "tablist", "aria-label": "What to do" }, ...tabs);
  node.hidden = keys.length < 2;
  for (const key of keys) {
    for (const [name, value] of [["role", "tabpanel"], ["id", `${id}-pane-${key}`],
      ["aria-labelledby", `${id}-tab-${key}`]]) panes[key].setAttribute(name, value);
  }
  function show(open) {
    keys.forEach((key, k) => {
      tabs[k].setAttribute("aria-selected", key === open);
      tabs[k].tabIndex = key === open ? 0 : -1;
      panes[key].hidden = key !== open;
    });
  }
  return { node, show };
}

/** A file to the reader's downloads. */
function download(name, type, data) {
  const address = URL.createObjectURL(new Blob([data], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
