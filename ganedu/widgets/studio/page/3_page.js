// The studio's page: what is done here goes to the kernel as acts, a list of them at a time, and what it answers is
// shown. Its helpers come from helpers.js, which widget.py joins with these files into one module.

const AGAIN = ["dial", "mix", "choose", "label", "taste.varied", "own.state"]; // of these only the newest counts

function render({ model, el }) {
  let waiting = [], latest = [], open = model.get("pane"), panes = {}, tabs, stopListening = () => {};
  const quiet = h("p", { class: "quiet", role: "status", test: "quiet" });
  const wrong = h("p", { class: "quiet wrong", role: "alert", test: "error" });
  const name = h("h2", {});
  const head = h("div", { class: "head" }, name), body = h("div", { class: "body" });
  const root = h("div", { class: "ganedu-studio", "data-sent": 0, "data-reply": 0 }, head, wrong, quiet, body);

  // -- to the kernel
  const post = makePost(model, (n) => {
    [latest, waiting] = [waiting, []];
    root.dataset.sent = n;
    return { acts: latest };
  }, quiet), view = post.view;
  function act(what, values = {}) {
    const before = waiting[waiting.length - 1];
    if (AGAIN.includes(what) && before?.do === what && before.name === values.name) waiting.pop();
    waiting.push({ do: what, ...values });
    post.send();
  }

  // -- from it
  function onReply() {
    const id = model.get("reply"), done = model.get("error") ? undefined : latest[latest.length - 1]?.do;
    const mine = post.answered(id); // and what was done meanwhile is on its way
    show(mine ? done : undefined);
    if (mine) root.dataset.reply = id.n;
  }
  function show(done) {
    say(wrong, model.get("error"));
    tabs.show(open);
    for (const key of Object.keys(panes)) if (key === open) panes[key].show(done);
  }
  function onPane() {
    if (waiting.some((each) => each.do === "pane")) return; // another one was opened meanwhile
    open = model.get("pane");
    show();
  }
  const onMessage = (content, buffers) => {
    if (content.save && content.view === view) download(content.save, content.type, buffers[0]);
  };

  // -- begin and end
  function build() {
    for (const pane of Object.values(panes)) pane.close?.();
    const fixed = model.get("fixed"), context = { model, fixed, act, id: view, idle: () => !post.busy() };
    const makers = { make: makeMake, taste: makeTaste, draw: makeDraw, own: makeOwn };
    panes = Object.fromEntries(Object.keys(fixed.panes).map((key) => [key, makers[key](context)]));
    tabs = makeTabs(fixed.panes, Object.fromEntries(Object.entries(panes).map(([k, p]) => [k, p.node])), view, (key) => {
      open = key;
      show();
      act("pane", { name: key });
    });
    say(name, `Studio: ${fixed.name}`);
    const back = fixed.others.map(([i, other]) => button("desk", `Back to ${other}`, () => act("desk", { i })));
    head.replaceChildren(name, tabs.node, ...back);
    body.replaceChildren(...Object.values(panes).map((p) => p.node));
    panes.taste?.tiles();
    show();
  }
  root.addEventListener("keydown", (e) => {
    const key = e.key.toLowerCase(), typing = e.target.matches("textarea, input[type=text]");
    if (!(e.ctrlKey || e.metaKey) || !["z", "y"].includes(key) || typing) return;
    e.preventDefault();
    e.stopPropagation();
    act(key === "y" || e.shiftKey ? "redo" : "undo");
  });
  const restyle = () => {
    followSystem();
    readColours(root);
  };
  build();
  stopListening = listen(model, { "change:reply": onReply, "change:fixed": build, "change:pane": onPane,
    "change:tiles": () => panes.make.tiles(), "change:frames": () => panes.make.onFrames(),
    "change:near": () => panes.taste?.tiles(), "msg:custom": onMessage });
  const stopWatching = watchTheme(restyle);
  el.append(root);
  requestAnimationFrame(restyle); // anywidget renders before the element is in the page, where it has no style yet

  return () => {
    stopListening();
    stopWatching();
    for (const pane of Object.values(panes)) pane.close?.();
    post.close();
    root.remove();
  };
}

/** Served by Voilà, which knows one theme a server, the page is light or dark as the system is. */
function followSystem() {
  const { body } = document;
  if (body.dataset.voila !== "voila" || /[?&]voila-theme=/.test(location.search)) return;
  const light = `${!matchMedia("(prefers-color-scheme: dark)").matches}`;
  if (body.dataset.jpThemeLight !== light) body.dataset.jpThemeLight = light;
}

export default { render };
