"""Write the project's address, which stands in pyproject.toml alone, wherever a reader needs it.

    python tools/badges.py            refresh every notebook's badges and Colab install line, and README's badges
    python tools/badges.py --check    change nothing; status 1 when something is out of date

A notebook gets its badges as a second cell (tag `badges`), and the Colab lines at the top of the cell tagged `setup`.
Their pictures lie beside the notebooks, in notebooks/badges, so that they show without a network.
Colab brings its own torch, ipykernel and ipywidgets, and replacing those breaks its session: hence --no-deps.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
BRANCH = "main"
START, END = "<!-- badges: python tools/badges.py -->", "<!-- /badges -->"
COLAB_LACKS = "torchmetrics lightning-utilities"  # of what notebooks import, in googlecolab/backend-info of June 2026
COLAB_LINES = re.compile(r'\Aimport sys\n\nif "google\.colab" in sys\.modules:\n    %pip [^\n]*\n*')


def address(root: Path = ROOT) -> str:
    """https://github.com/OWNER/NAME from pyproject.toml; Colab and Binder can open nothing else without more work."""
    url = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip(
        "/"
    )
    if not re.fullmatch(r"https://github\.com/[^/]+/[^/]+", url):
        sys.exit(f"pyproject.toml: Repository = {url!r} is not https://github.com/OWNER/NAME.")
    return url


def badges(url: str, notebook: str = "") -> str:
    """Markdown of the two badges, for a notebook (path from the root) or, without one, for the course's first page."""
    repository = url.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{notebook}".rstrip("/")
    binder = f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath=lab/tree/{notebook or 'notebooks'}"
    pictures = "badges" if notebook else "notebooks/badges"
    return f"[![Open in Colab]({pictures}/colab.svg)]({colab})\n[![Open in Binder]({pictures}/binder.svg)]({binder})"


def refresh_notebook(text: str, url: str, path: str) -> str:
    """A notebook's JSON with its badges and Colab lines as they should be; `path` is the notebook's, from the root."""
    notebook = nbformat.reads(text, as_version=4)
    cells = [c for c in notebook.cells if "badges" not in c.metadata.get("tags", [])]
    badge = nbformat.v4.new_markdown_cell(badges(url, path), id="badges", metadata={"tags": ["badges"]})
    notebook.cells = [*cells[:1], badge, *cells[1:]]
    setup = [c for c in cells if "setup" in c.metadata.get("tags", [])]
    if len(setup) != 1:
        raise ValueError(f"{path}: {len(setup)} cells have the tag `setup`; give it to the first code cell alone.")
    setup[0].source = (
        f'import sys\n\nif "google.colab" in sys.modules:\n    %pip install -q --no-deps {COLAB_LACKS} git+{url}\n\n'
    ) + COLAB_LINES.sub("", setup[0].source)
    return nbformat.writes(notebook) + "\n"


def refresh_readme(text: str, url: str) -> str:
    """README with the badges between its two markers, and the address in its `git clone` line."""
    text = re.sub(r"git clone \S+ && cd \S+", f"git clone {url} && cd {url.rsplit('/', 1)[-1]}", text)
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"README.md: put the line {START} where the badges go, and {END} after it.")
    return f"{before}{START}\n{badges(url)}\n{END}{after}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the project's address wherever a reader needs it.")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 when something is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    url, stale = address(args.root), []
    for path in [args.root / "README.md", *sorted((args.root / "notebooks").glob("*.ipynb"))]:
        old = path.read_text(encoding="utf-8")
        name = path.relative_to(args.root).as_posix()
        new = refresh_readme(old, url) if path.suffix == ".md" else refresh_notebook(old, url, name)
        if new != old:
            stale.append(name)
            if not args.check:
                path.write_text(new, encoding="utf-8", newline="\n")
    if args.check and stale:
        print(f"out of date: {', '.join(stale)}. Run python tools/badges.py", file=sys.stderr)
        return 1
    print(f"{url}: {', '.join(stale) or 'nothing'} {'out of date' if args.check else 'rewritten'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
