"""Put notebooks on the path that their headings mark with ●, and write how long they take, from counts.

    python tools/times.py            tag the cells of every path; both times at the notebooks' tops and in README
    python tools/times.py --check    change nothing; status 1 when something is out of date
    python tools/times.py 04         change nothing; the minutes of notebook 04, section by section

What a minute holds stands in ganedu/course/path.py. A notebook without the sign is left alone.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ganedu.course import notebooks, path  # noqa: E402


def refresh_notebook(text: str) -> str:
    """A notebook's JSON with the tags of its path, and both times at its top; without the sign as it is."""
    notebook = nbformat.reads(text, as_version=4)
    if not path.has_path(notebook):
        return text
    notebook = path.marked(notebook)
    first = notebook.cells[0]
    first.source = path.TIMES.sub(path.printed(notebook), first.source, count=1)
    return nbformat.writes(notebook) + "\n"


def refresh_readme(readme: str, name: str, text: str) -> str:
    """README with the minutes that a notebook's top says, "15 / 35" for 15 in class and 35 alone."""
    numbers = re.findall(r"\d+", path.TIMES.search(nbformat.reads(text, as_version=4).cells[0].source)[0])
    row = re.compile(rf"^(\| \[[^]]*\]\(notebooks/{re.escape(name)}\) \|)[^|]*\|", re.M)
    return row.sub(rf"\1 {' / '.join(numbers)} |", readme)


def by_section(text: str) -> str:
    """A line for each heading: minutes, and the heading."""
    cells = path.cut(nbformat.reads(text, as_version=4).cells)
    return "\n".join(f"{path.minutes(inside):5.1f}  {head}" for head, inside in path.sections(cells))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Tag the path's cells, and write how long notebooks take.")
    parser.add_argument("notebook", nargs="?", metavar="NN", help="only list this one's minutes, section by section")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 when something is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.notebook:
        print(by_section(notebooks.find(args.notebook).read_text(encoding="utf-8")))
        return 0
    files = {p: p.read_text(encoding="utf-8") for p in sorted((args.root / "notebooks").glob(notebooks.PATTERN))}
    new, readme = {p: refresh_notebook(text) for p, text in files.items()}, args.root / "README.md"
    files[readme] = new[readme] = readme.read_text(encoding="utf-8")
    for place in [p for p in new if p != readme]:
        new[readme] = refresh_readme(new[readme], place.name, new[place])
    stale = [p.name for p in files if new[p] != files[p]]
    if args.check and stale:
        print(f"out of date: {', '.join(stale)}. Run python tools/times.py", file=sys.stderr)
        return 1
    for place in (p for p in files if p.name in stale):
        place.write_text(new[place], encoding="utf-8", newline="\n")
    print(f"{', '.join(stale) or 'nothing'} {'out of date' if args.check else 'rewritten'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
