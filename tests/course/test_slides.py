"""The slides of a path: what is on them, in which order, and that the page needs nothing but itself."""

import re

import nbformat
import pytest

from ganedu.__main__ import main
from ganedu.course import notebooks, path, slides


def md(source):
    return nbformat.v4.new_markdown_cell(source)


def py(source, *tags, shown=()):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})
    cell.outputs = [nbformat.v4.new_output("stream", text=o) if isinstance(o, str) else o for o in shown]
    return cell


def display(**data):
    kinds = {"png": "image/png", "text": "text/plain", "html": "text/html", "markdown": "text/markdown"}
    output = nbformat.v4.new_output("display_data", {kinds[k]: v for k, v in data.items()})
    output.metadata = {"image/png": {"alt": 'two "curves" & a line'}} if "png" in data else {}
    return output


CELLS = [
    md("# 05 Title of it\n\n*40 minutes in class, 80 alone · x*\n\n**You will be able to** do it."),
    py("import torch", "setup"),
    md("## 1 First `step` ●\n\n**Before you run it.** $\\mathbb E_p\\,\\log D$? See [05](05_a.ipynb), [x](https://e.org)."),
    py("def hidden():\n    return 3"), py("print(1)", shown=["one\n", "<two>\n"]),
    md("**What you saw.** So."),
    py("show(fig)", shown=[display(text="100%|##| 3/3"), "below\n", display(png="QUJD\n")]),
    md("After the figure."), py("many()", shown=["line\n" * 9, display(png="REVG")]),
    md("### Off the path"), py("off()", shown=["never shown\n"]),
    md("## 2 Last ●\n\n$$\\frac{p(x)}{q(x)}$$"), py("def step(x):\n    return x", "step-source"),
    py("quiz()", shown=[display(html="<details>q</details>", text="x")]),
    py("claim()", shown=[display(markdown="> **C**")]),
    py("shape = None", "exercise"), py("def check_1(): pass", "check", shown=["Not yet\n"]),
    py("shape = 3", "solution", shown=["Right\n"]), py("last()"),
    md("Where it ends.\n\n**References.** Somebody 2014."),
]  # fmt: skip


@pytest.fixture
def small():
    return path.marked(nbformat.v4.new_notebook(cells=CELLS))


def test_a_heading_an_answer_a_figure_each_begin_a_slide(small):
    found = slides._slides(path.alone(small))
    text = [re.sub(r"<[^>]+>", "", "".join(s.blocks)) for s in found]
    assert [(s.section, s.figure) for s in found] == [
        ("05 Title of it", False), ("1 First step", False), ("1 First step", False), ("1 First step", True),
        ("1 First step", False), ("1 First step", False), ("1 First step", True), ("2 Last", False), ("2 Last", True),
        ("2 Last", False), ("2 Last", False),
    ]  # fmt: skip
    assert "Before you run it." in text[1] and "one" not in text[1]
    assert text[2].startswith("one\n&lt;two&gt;") and "What you saw." in text[2], "the answer, and what it says"
    assert text[3] == "below" and found[3].blocks[0].startswith("<img"), "few lines stand below a figure"
    assert "After the figure." in text[4] and text[5].count("line") == 9, "many have a slide of their own"
    assert "def step" in text[8], "a step is open"
    assert "q" in text[9] and "<blockquote>" in "".join(found[9].blocks), "what shows no figure shares a slide"
    assert text[10].strip() == "Where it ends.", "a question that unfolds ends a slide"
    code = [s.code for s in found]
    assert code[2:4] == [["def hidden():\n    return 3", "print(1)"], ["show(fig)"]]
    assert code[5:7] == [[], ["many()"]] and code[9] == ["quiz()", "claim()"]
    assert code[10] == ["shape = None", "last()"] and not any(code[i] for i in (0, 1, 4, 7, 8))


def test_what_a_lecture_does_not_need_is_left_out(small):
    text = slides.page(small)
    for gone in ("40 minutes", "never shown", "Off the path", "References", "Not yet", "Right", "100%", "import torch",
                 path.SIGN):  # fmt: skip
        assert gone not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.S), gone


def test_the_page_needs_nothing_but_itself(small):
    text = slides.page(small)
    assert re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)", text) == ["https://e.org"], "a link to click, no more"
    assert not re.search(r"@import|url\(|\bfetch\(|import\(", text)
    assert 'alt="two &quot;curves&quot; &amp; a line" src="data:image/png;base64,QUJD"' in text
    assert text.count("<section") == text.count("</section>") == 11 and "<title>05 Title of it</title>" in text


def test_formulas_are_drawn_by_the_browser(small):
    text = slides.page(small)
    assert text.count("<math") == 2 and "$" not in re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert "<mfrac>" in text and "&#x1D53C;" in text.replace("𝔼", "&#x1D53C;"), "a fraction, an expectation"
    assert re.search(r"<mi>log</mi><mspace[^>]*/?><mi>D</mi>", text), "log D, not logD"


def test_every_formula_of_the_course_can_be_drawn():
    for notebook in notebooks.listing():
        for cell in nbformat.read(notebook, as_version=4).cells:
            if cell.cell_type == "markdown" and "$" in cell.source:
                assert "\\" not in "".join(re.findall(r"<math.*?</math>", slides._markdown(cell.source), re.S)), (
                    cell.source
                )


@pytest.fixture
def course(tmp_path, monkeypatch, small):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(small, folder / "05_a.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=[md("# 06 B\n\n## 1 No sign")]), folder / "06_b.ipynb")
    monkeypatch.setattr(notebooks, "folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_one_file(course, capsys):
    assert main(["slides", "05"]) == 0 and main(["slides", "a", "--out", "deep/x.html"]) == 0
    said = capsys.readouterr().out.split()
    assert [(course / p).read_text(encoding="utf-8").count("<section") for p in said] == [11, 11]
    assert said[0].endswith("05_a.html") and sorted(p.name for p in (course / "deep").iterdir()) == ["x.html"]


@pytest.mark.parametrize(("given", "hint"), [
    (["07"], "there is no notebook"), (["06"], "no path yet"), (["05", "--out", "x.pdf"], "end it with .html"),
    (["05", "--out", "notebooks"], "end it with .html"), (["05", "--out", "notebooks/05_a.ipynb/x.html"], "is a file"),
])  # fmt: skip
def test_what_does_not_do_is_refused(given, hint, course, capsys):
    assert main(["slides", *given]) == 2 and hint in capsys.readouterr().err
    assert [p.name for p in course.iterdir()] == ["notebooks"]


def test_aligned_lines_are_rows_of_a_table():
    """latex2mathml knows align*, and prints the ampersands of aligned."""
    html = slides._formula(r"\begin{aligned} a &= b \\ &\le c \end{aligned}", "block")
    assert html.count("<mtr>") == 2 and "&amp;" not in html and "<mi>&</mi>" not in html
