"""The page of a report: an executed notebook as HTML, and the sentences, tables and numbers that its cells display.

What is heavy is imported where it is used.
"""

import copy
import html

STYLE = """
body { margin: 0; background: #fff; color: #1a1a1a; font: 17px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
p, li { max-width: 46rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
caption { text-align: left; padding: .3rem 0; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
th { font-weight: 600; }
"""


def page(notebook, title: str) -> str:
    """An executed notebook as one HTML page without code, scripts, or anything to fetch; warnings stay out."""
    from nbconvert import HTMLExporter

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs
                            if o.get("name") != "stderr" and "application/json" not in o.get("data", {})]  # fmt: skip
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_input_prompt=True,
                            exclude_output_prompt=True, exclude_anchor_links=True)  # fmt: skip
    body = exporter.from_notebook_node(notebook)[0]
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>'
            f"\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- in the notebook


def say(*sentences: str) -> None:
    """Display sentences as one paragraph of plain text."""
    _display(f"<p>{html.escape(' '.join(sentences))}</p>")


def points(lines) -> None:
    """Display a list, one point a line of plain text."""
    _display(f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>")


def table(header, rows, caption: str) -> None:
    """Display a table; the first cell of each row is its heading."""
    e = html.escape
    head = "".join(f'<th scope="col">{e(str(c))}</th>' for c in header)
    lines = (f'<tr><th scope="row">{e(str(first))}</th>{"".join(f"<td>{e(str(c))}</td>" for c in rest)}</tr>'
             for first, *rest in rows)  # fmt: skip
    _display(f'<div class="wide"><table><caption>{e(caption)}</caption><thead><tr>{head}</tr></thead>'
             f"<tbody>{''.join(lines)}</tbody></table></div>")  # fmt: skip


def _display(text: str) -> None:
    from IPython.display import HTML, display

    display(HTML(text))


def number(x: float) -> str:
    """A number as a table shows it: three digits that count, "none" for NaN; what rounding leaves of 0 is 0."""
    x = 0.0 if abs(x) < 1e-12 else x
    return "none" if x != x else f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def estimate(e) -> str:
    """A value with its interval, where it has one."""
    return number(e.value) + (f" ({number(e.low)} to {number(e.high)})" if e.low == e.low else "")
