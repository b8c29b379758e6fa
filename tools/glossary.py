"""Link the words of the course to their explanation: notebooks/glossary.md, whose page is written by hand.

    python tools/glossary.py            write the links of all notebooks (or of those named: 00 04)
    python tools/glossary.py --check    change nothing; status 1 when a link is missing, or one too many
    python tools/glossary.py --list     change nothing; every use that is linked, with the words around it

An entry is a heading with the term's names, a comma between them, and ends with the notebook that explains it. There,
and in each notebook before it, the first use of a name becomes a link; so no term is used before it is explained.
Headings, code, formulas, other links and references are left alone.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PAGE = "glossary.md"
ENTRY = re.compile(r"^### (?P<names>.+)\n\n(?P<text>[^#]+?)\s\[(?P<number>\d\d)\]\(\d\d_\w+\.ipynb\)$", re.M)
VERBS = r"[Jj]udges\b"  # "D judges two samples" speaks of no judge
OURS = re.compile(rf"\[([^\]]+)\]\({PAGE}#[^)]*\)")
LEFT_ALONE = re.compile(
    r"^\*\*References\.\*\*.*"  # to the end of the cell
    r"|^```.*?^```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$"
    r"|^#{1,6} [^\n]*|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|<[^>\n]+>|^\*\d+ minutes[^\n]*",
    re.M | re.S,
)


@dataclass(frozen=True)
class Term:
    names: tuple[str, ...]
    slug: str  # of its heading, as GitHub makes it
    number: str  # of the notebook that explains it
    text: str


def terms(page: str) -> list[Term]:
    """The glossary's entries, in its order. Raises ValueError for a heading that is none, or a name given twice."""
    found = [
        Term(tuple(m["names"].split(", ")), slug(m["names"]), m["number"], m["text"]) for m in ENTRY.finditer(page)
    ]
    headings = re.findall(r"^### (.+)$", page, re.M)
    if lost := [h for h in headings if h not in {", ".join(t.names) for t in found}]:
        raise ValueError(f"{PAGE}: below '### {lost[0]}' put a line that ends with the notebook, [03](03_dcgan.ipynb).")
    names = [n for t in found for n in t.names]
    if twice := {n for n in names if names.count(n) > 1}:
        raise ValueError(f"{PAGE}: {', '.join(sorted(twice))} stands in two headings; give each name once.")
    return found


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def pattern(entries: list[Term]) -> re.Pattern:
    """Any name of these, the longest first; the first letter may be a capital, and an s may follow a noun."""
    names = sorted((n for t in entries for n in t.names), key=len, reverse=True)
    either = (f"[{n[0].upper()}{n[0]}]{re.escape(n[1:])}" if n[0].islower() else re.escape(n) for n in names)
    return re.compile(rf"(?<![\w.-])(?!{VERBS})(?:{'|'.join(either)})s?(?![\w(-])")


def linked(notebook, number: str, entries: list[Term]):
    """(notebook with its links written anew, [(term, the words around its use)])."""
    entries = [t for t in entries if t.number >= number]
    by_name, used, any_name = {n: t for t in entries for n in t.names}, [], pattern(entries)

    def link(match: re.Match) -> str:
        written = match[0], match[0][0].lower() + match[0][1:]
        term = next(by_name[n] for w in written for n in (w, w.removesuffix("s")) if n in by_name)
        if term in (t for t, _ in used):
            return match[0]
        used.append((term, match.string[max(0, match.start() - 40) : match.end() + 40].replace("\n", " ")))
        return f"[{match[0]}]({PAGE}#{term.slug})"

    for cell in notebook.cells if entries else ():
        if cell.cell_type == "markdown" and "badges" not in cell.metadata.get("tags", ()):
            text, parts, end = OURS.sub(r"\1", cell.source), [], 0
            for kept in [*LEFT_ALONE.finditer(text), None]:
                start = kept.start() if kept else len(text)
                parts += [any_name.sub(link, text[end:start]), kept[0] if kept else ""]
                end = kept.end() if kept else start
            cell.source = "".join(parts)
    return notebook, used


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Link the first use of each term to the glossary.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 when a link is out of date")
    parser.add_argument("--list", action="store_true", help="change nothing; say what is linked")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    folder, stale = args.root / "notebooks", []
    entries = terms((folder / PAGE).read_text(encoding="utf-8"))
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        if args.numbers and path.stem[:2] not in args.numbers:
            continue
        old = path.read_text(encoding="utf-8")
        notebook, used = linked(nbformat.reads(old, as_version=4), path.stem[:2], entries)
        new = nbformat.writes(notebook) + "\n"
        if args.list:
            print(*(f"{path.stem[:2]} {t.names[0]} ({t.number}): {around}" for t, around in used), sep="\n")
        elif new != old:
            stale.append(path.name)
            if not args.check:
                path.write_text(new, encoding="utf-8", newline="\n")
    if args.check and stale:
        print(f"out of date: {', '.join(stale)}. Run python tools/glossary.py", file=sys.stderr)
        return 1
    if not args.list:
        print(f"{', '.join(stale) or 'nothing'} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
