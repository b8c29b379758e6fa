// Cut slides whose text is too long, make smaller what cannot be cut, and turn pages by the keyboard.

const tooLong = (main) => main.scrollHeight > main.clientHeight + 1;

// Make these children smaller until it fits, but not below `least` of their size; else leave them as they are.
function smaller(children, tooLarge, least) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const sizes = children.map((child) => parseFloat(getComputedStyle(child).fontSize) / rem);
  for (let share = 1; share > least && tooLarge(); share -= 0.04)
    children.forEach((child, i) => (child.style.fontSize = `${share * sizes[i]}rem`));
  if (tooLarge()) children.forEach((child, i) => (child.style.fontSize = `${sizes[i]}rem`));
  return !tooLarge();
}

function cut(section) {
  const main = section.querySelector("main");
  const isTooLong = () => tooLong(main);
  if (smaller([...main.children], isTooLong, 0.8)) return;
  const rest = section.cloneNode(true);
  const after = rest.querySelector("main");
  after.replaceChildren();
  while (isTooLong() && main.children.length > 1) after.prepend(main.lastElementChild);
  if (/^H\d$/.test(main.lastElementChild.tagName) && after.firstElementChild) main.append(after.firstElementChild);
  smaller([...main.children], isTooLong, 0.4);
  if (!after.children.length) return;
  section.querySelector(":scope > div > details")?.remove(); // the code stays with the last part
  section.after(rest);
  cut(rest);
}

addEventListener("load", () => {
  for (const block of document.querySelectorAll("main > *")) {
    const isTooWide = () => block.scrollWidth > block.clientWidth + 1;
    const text = block.matches("pre") ? block : block.querySelector("pre");
    if (!smaller([block], isTooWide, text ? 0.76 : 0.4) && text) text.style.whiteSpace = "pre-wrap";
  }
  document.querySelectorAll("section").forEach(cut);
});

addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("details, input, button")) return;
  event.preventDefault();
  const slides = document.querySelectorAll("section");
  const now = Math.round(scrollY / innerHeight);
  slides[Math.max(0, Math.min(slides.length - 1, now + step))].scrollIntoView();
});
