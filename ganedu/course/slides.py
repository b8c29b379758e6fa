"""A notebook's path as one page of slides, from its stored outputs: figures large, code folded, nothing to fetch.

Here the path is laid out as sections of blocks: a heading begins one, so does what a cell shows, and a figure has one
for itself. In the browser slides.js cuts a section whose text is too long; slides.css scales all to the window.
Formulas become MathML, which browsers draw by themselves.
"""

import html
import re
from dataclasses import dataclass, field
from pathlib import Path

from . import kernel, notebooks, path

HERE = Path(__file__).parent
TIMES = re.compile(r"^\*\d+ minutes[^\n]*\*\n", re.M)
SHOWN_CODE = "step-source"  # what the lecture is about: open on a slide of its own
UNSEEN = path.NOT_READ - {"exercise"}
QUESTION = "<strong>Before you"  # its answer is on the next slide
CHOICE = "<details"  # of a question that unfolds; what the text says of it is on the next slide as well
LINES_BELOW = 3  # a figure
CELLS_APART = "\n\n\n"
NARROW = re.compile(r"\\math(bb|cal|bf|rm) ([A-Za-z])")  # \mathbb E, of which latex2mathml knows \mathbb{E} only
FUNCTION = re.compile(r'(<mi>(?:log|exp|sin|cos|tanh)</mi>)(?!<mo stretchy="false">&#x00028;)')


@dataclass
class Slide:
    section: str
    blocks: list[str] = field(default_factory=list)  # HTML
    code: list[str] = field(default_factory=list)  # folded behind a click
    figure: bool = False


def write(name: str, out: Path | None = None) -> Path:
    """Write the slides of the notebook that `name` stands for ("04"), and return where: `out`, or runs/NN_....html.

    Raises ValueError for a notebook without a path or a file that does not end with .html, OSError for one that cannot
    be written.
    """
    notebook = notebooks.find(name)
    out = Path("runs", f"{notebook.stem}.html") if out is None else Path(out)
    if out.suffix != ".html":
        raise ValueError(f"--out {out} does not fit: the slides are a page, so end it with .html.")
    text = page(kernel.read(notebook))
    kernel.check_place(out.parent, [out.name])
    kernel.put(out.parent, {out.name: text.encode()})
    return out


def page(notebook) -> str:
    """The path of a notebook with its tags, as HTML that needs no other file. Raises ValueError without a path."""
    from pygments.formatters import HtmlFormatter

    if not path.has_path(notebook):
        raise ValueError("this notebook has no path yet: mark its headings with ●, and call tools/times.py.")
    title = html.escape(_plain(path.heading(notebook.cells[0])))
    slides = "".join(_html(slide, title) for slide in _slides(path.alone(notebook)))
    style = HtmlFormatter(style="default").get_style_defs(".highlight") + (HERE / "slides.css").read_text("utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{style}</style>\n</head>\n'
        f"<body>\n{slides}<script>\n{(HERE / 'slides.js').read_text('utf-8')}</script>\n"
        "</body>\n</html>\n"
    )


def _plain(heading: str) -> str:
    return heading.lstrip("# ").removesuffix(path.SIGN).replace("`", "").strip()


def _slides(notebook) -> list[Slide]:
    """What is shown, in order. Code that shows nothing is folded away with what its successor shows."""
    found = []
    for head, cells in path.sections(notebook.cells):
        section, waiting = _plain(head), []
        found.append(Slide(section))
        for cell in (c for c in cells if not UNSEEN & path.tags(c)):
            if cell.cell_type == "markdown":
                if found[-1].figure or any(CHOICE in block for block in found[-1].blocks):
                    found.append(Slide(section))
                found[-1].blocks.append(_markdown(cell.source))
            elif SHOWN_CODE in path.tags(cell):
                found.append(Slide(section, [_code(cell.source)], figure=True))
            else:
                waiting.append(cell.source)
                if shown := _outputs(cell):
                    _add(found, section, shown)
                    found[-1].code, waiting = [*found[-1].code, *waiting], []
        found[-1].code += waiting
    return found


def _add(found: list[Slide], section: str, shown: list[tuple[bool, str]]) -> None:
    """Put what a cell shows on slides: after a question on a new one, a figure on its own, with few lines below it."""
    if not any(figure for figure, _ in shown):
        if found[-1].figure or any(QUESTION in block for block in found[-1].blocks):
            found.append(Slide(section))
        found[-1].blocks += [block for _, block in shown]
        return
    beside = [block for figure, block in shown if not figure]
    if sum(block.count("\n") + 1 for block in beside) > LINES_BELOW:
        found.append(Slide(section, beside))
        beside = []
    found += [Slide(section, [block], figure=True) for figure, block in shown if figure]
    found[-1].blocks += beside


def _outputs(cell) -> list[tuple[bool, str]]:
    """[(whether it is a figure, HTML)] of what a cell shows; lines that are printed one after the other are one."""
    found, printed = [], ""
    for output in [*cell.outputs, None]:
        if output is not None and output.output_type == "stream":
            printed += output.text if output.name == "stdout" else ""
            continue
        if printed:
            found.append((False, f"<pre>{html.escape(printed.rstrip())}</pre>"))
            printed = ""
        if output is not None and (block := _shown(output)):
            found.append((block.startswith("<img"), block))
    return found


def _shown(output) -> str:
    """HTML of one output; "" for the bar of a training run, which is displayed as text alone."""
    data = output.get("data", {})
    if "image/png" in data:
        alt, source = output.metadata.get("image/png", {}).get("alt", ""), data["image/png"].replace("\n", "")
        return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'
    if "text/markdown" in data:
        return _markdown(data["text/markdown"])
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    if output.output_type == "execute_result":
        return f"<pre>{html.escape(data['text/plain'])}</pre>"
    return f"<pre>{html.escape(f'{output.ename}: {output.evalue}')}</pre>" if output.output_type == "error" else ""


def _html(slide: Slide, title: str) -> str:
    code = f"<details><summary>code</summary>{_code(CELLS_APART.join(slide.code))}</details>" if slide.code else ""
    kind = ' class="figure"' if slide.figure else ""
    return (f"<section{kind}><div><header>{title}<span> · {html.escape(slide.section)}</span></header>\n"
            f"<main>{''.join(slide.blocks)}</main>{code}</div></section>\n")  # fmt: skip


def _code(source: str) -> str:
    from nbconvert.filters import Highlight2HTML

    return Highlight2HTML(pygments_lexer="ipython3")(source)


def _formula(tex: str, display: str = "inline") -> str:
    from latex2mathml.converter import convert

    known = NARROW.sub(r"\\math\1{\2}", tex).replace("{aligned}", "{align*}")  # the same to look at, and known
    return FUNCTION.sub(r'\1<mspace width="0.167em"/>', convert(known, display=display))


def _markdown(text: str) -> str:
    """HTML of a cell's text: without times and references, headings without the sign, formulas as MathML."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body):
            return _formula(body)

        def block_math(self, body):
            return _formula(body, "block")

        def link(self, text, url, title=None):  # other notebooks do not lie beside the slides
            return super().link(text, url, title) if "://" in url else text

    text = re.sub(rf"^(#+ .*?) *{path.SIGN}$", r"\1", path.REFERENCES.sub("", TIMES.sub("", text)), flags=re.M)
    return MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(text)
