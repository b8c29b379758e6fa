"""The path of a notebook, what a class sees of it in 40 minutes; and how many minutes it and the whole take.

A heading that ends in ● is on the path, and with it all cells down to the next heading, of whichever level. What stands
under a heading without the sign goes further, and can be left out. The title, and what stands before the first
section, is always on the path. `marked` gives these cells the tag `path`, so that nobody counts or tags by hand.
"""

import copy
import re

SIGN, TAG = "●", "path"
LONGEST = 40  # minutes in class, as printed

# What a minute holds. A teacher who read all notebooks at a projector gave 100 to 130 words, and three exercises of
# the three grades 25 minutes. The setup cell is run and not read; nor are references, checks and solutions.
WORDS, LINES, FIGURES, NEAREST = 115, 15, 1, 5
EXERCISE = {"easy": 4, "medium": 8, "hard": 12}  # minutes each
NOT_READ = {"setup", "badges", "exercise", "check", "solution"}

HEADING = re.compile(r"#{1,6} ")
TARGET = re.compile(r"\]\([^)]*\)")  # where a link leads
REFERENCES = re.compile(r"^\*\*References\.\*\*.*", re.M | re.S)
GRADE = re.compile(r"^\*\*Exercise \d+\*\* \((\w+)\)", re.M)
TIMES = re.compile(r"(?<=^\*)\d+ minutes(?: in class, \d+ alone · ● marks what a class sees)?", re.M)


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def heading(cell) -> str | None:
    """The heading that a cell begins with, as written ("## 3 What `detach` cuts ●"), or None."""
    first = cell.source.split("\n", 1)[0]
    return first if cell.cell_type == "markdown" and HEADING.match(first) else None


def cut(cells) -> list:
    """Copies of the cells, cut before every heading that does not begin one; the first part of a cell keeps its id."""
    return [part for cell in cells for part in _parts(cell)]


def _parts(cell) -> list:
    texts, fenced = [[]], False
    for line in cell.source.split("\n"):
        fenced ^= line.startswith("```")  # in a block of code # begins a comment
        if cell.cell_type == "markdown" and HEADING.match(line) and not fenced and any(texts[-1]):
            texts.append([])
        texts[-1].append(line)
    parts = [copy.deepcopy(cell) for _ in texts]
    for number, (part, lines) in enumerate(zip(parts, texts, strict=True), 1):
        if len(parts) > 1:
            part.source, part.id = "\n".join(lines).strip("\n"), cell.id if number == 1 else f"{cell.id[:60]}-{number}"
    return parts


def sections(cells) -> list[tuple[str, list]]:
    """[(heading as written, its cells)], of every level; what stands before the first heading is headed ""."""
    found = [("", [])]
    for cell in cells:
        if head := heading(cell):
            found.append((head, []))
        found[-1][1].append(cell)
    return [(head, inside) for head, inside in found if inside]


def has_path(notebook) -> bool:
    """Whether a section of it has the sign."""
    heads = [head for head, _ in sections(cut(notebook.cells))]
    return any(head.startswith("##") and head.endswith(SIGN) for head in heads)


def marked(notebook):
    """A copy in which each heading begins a cell, and the cells of the path, and no others, have its tag."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = cut(notebook.cells)
    for head, cells in sections(notebook.cells):
        on_path = head.endswith(SIGN) or head.startswith("# ")
        for cell in cells:
            kept = [t for t in cell.metadata.get("tags", ()) if t != TAG]
            kept += [TAG] if on_path and "badges" not in kept else []  # tools/badges.py writes that cell whole
            cell.metadata.pop("tags", None)
            if kept:
                cell.metadata["tags"] = kept
    return notebook


def alone(notebook):
    """A copy that holds the cells of the path, and nothing else."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [c for c in notebook.cells if TAG in tags(c)]
    return notebook


def minutes(cells) -> float:
    """What these cells take, counted: words / 115 + lines of code / 15 + figures and questions + exercises."""
    return sum(map(_of_cell, cells))


def _of_cell(cell) -> float:
    if cell.cell_type == "markdown":
        prose = TARGET.sub("]", REFERENCES.sub("", cell.source)) if "badges" not in tags(cell) else ""
        words = sum(any(c.isalnum() for c in word) for word in prose.split())
        return words / WORDS + sum(EXERCISE[grade] for grade in GRADE.findall(prose))
    if NOT_READ & tags(cell):
        return 0.0
    shown = sum(bool({"image/png", "text/html"} & o.get("data", {}).keys()) for o in cell.get("outputs", ()))
    return sum(bool(line.strip()) for line in cell.source.splitlines()) / LINES + shown / FIGURES


def printed(notebook) -> str:
    """What stands at a notebook's top: "40 minutes in class, 90 alone", to the nearest five, and what the sign says."""
    in_class, whole = (max(NEAREST, NEAREST * round(minutes(nb.cells) / NEAREST)) for nb in (alone(notebook), notebook))
    return f"{in_class} minutes in class, {whole} alone · {SIGN} marks what a class sees"
