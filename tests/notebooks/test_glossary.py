"""The glossary: in order, each term taught where it says, and no term used before it is explained without a link."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import glossary  # noqa: E402

PAGE = (ROOT / "notebooks" / glossary.PAGE).read_text(encoding="utf-8")
TERMS = glossary.terms(PAGE)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TEXTS = {p.stem[:2]: "\n".join(c.source for c in nbformat.read(p, as_version=4).cells if c.cell_type == "markdown")
         for p in NOTEBOOKS}  # fmt: skip
SEARCHED_FOR = {"ELBO", "reparameterisation trick", "Jensen", "entropy", "mutual information", "Jacobian", "eigenvalue",
                "PSNR", "residual block", "mode", "logit", "batch statistics"}  # fmt: skip


def test_every_entry_is_read_and_they_stand_in_order():
    assert len(TERMS) == PAGE.count("\n### ") >= 90
    letters = [re.sub(r"[^a-z0-9]", "", t.names[0].lower()) for t in TERMS]
    assert letters == sorted(letters)
    assert not any(re.search(r"[^\w -]", t.names[0]) for t in TERMS), "a link to it would need other letters"
    assert {name for t in TERMS for name in t.names} >= SEARCHED_FOR


def test_symbols_and_terms_link_to_notebooks_that_are_there():
    names = {p.name for p in NOTEBOOKS}
    for number, name in re.findall(r"\[(\d\d)\]\(([^)]*)\)", PAGE):
        assert name in names and name.startswith(number)
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 12 and all(re.search(r"\| \[\d\d\]\([^)]*\) \|$", row) for row in rows)


@pytest.mark.parametrize("term", TERMS, ids=lambda t: t.place)
def test_a_term_is_explained_in_few_words_and_taught_where_it_says(term):
    assert len(re.findall(r"[.!?)](?= [A-Z(]|$)", term.text)) <= 3 and len(term.text.split()) <= 50
    text = TEXTS[term.number].replace("-\n", "")
    assert any(re.search(rf"(?<![\w-]){re.escape(name)}", text, re.I) for name in term.names), term.names


@pytest.mark.parametrize("number", TEXTS)
def test_nothing_is_used_before_it_is_explained(number, capsys):
    """Each use in a notebook before the one that teaches the term, or in that one, is linked where it comes first."""
    assert glossary.main([number, "--check"]) == 0


# ------------------------------------------------------------------------------------------------- on small notebooks

SMALL = """# Glossary

### gradient

The slopes. [02](02_b.ipynb)

### gradient penalty

A term. [03](03_c.ipynb)

### Jensen

(also Jensen's
inequality) A mean. [02](02_b.ipynb)

### judge

A classifier. [02](02_b.ipynb)
"""


@pytest.fixture
def course(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "glossary.md").write_text(SMALL, encoding="utf-8")

    def write(**texts):
        for name, text in texts.items():
            cells = [nbformat.v4.new_markdown_cell(text, id="a"), nbformat.v4.new_code_cell("gradient = 1", id="b")]
            path = tmp_path / "notebooks" / f"{name[1:]}.ipynb"
            path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n", encoding="utf-8")

    def read(name):
        return nbformat.read(tmp_path / "notebooks" / f"{name}.ipynb", as_version=4).cells[0].source

    return ["--root", str(tmp_path)], write, read


def test_the_first_use_is_linked_up_to_the_notebook_that_explains(course):
    root, write, read = course
    write(n01_a="Gradients, gradients; Jensen.", n02_b="The gradient penalty, a gradient, Jensen's inequality.",
          n03_c="A gradient penalty and a gradient.", n04_d="The gradient penalty.")  # fmt: skip
    assert glossary.main([*root, "--check"]) == 1
    assert glossary.main(root) == 0 and glossary.main([*root, "--check"]) == 0
    jensen = "glossary.md#Jensen"
    assert read("01_a") == f"[Gradients](glossary.md#gradient), gradients; [Jensen]({jensen})."
    penalty = "[gradient penalty](glossary.md#gradient-penalty)"
    assert read("02_b") == f"The {penalty}, a [gradient](glossary.md#gradient), [Jensen's inequality]({jensen})."
    assert read("03_c") == f"A {penalty} and a gradient." and read("04_d") == "The gradient penalty."


def test_a_link_follows_a_change_of_the_text(course):
    root, write, read = course
    write(n01_a="Old [gradients](glossary.md#gradient).")
    assert glossary.main([*root, "--check"]) == 0
    write(n01_a="A new gradient before old [gradients](glossary.md#gradient); [x](glossary.md#gone).")
    assert glossary.main([*root, "--check"]) == 1 and glossary.main(root) == 0
    assert read("01_a") == "A new [gradient](glossary.md#gradient) before old gradients; x."


@pytest.mark.parametrize("text", [
    "# A gradient", "`gradient`", "$gradient$ and $$\n gradient $$", "```\ngradient\n```", "[a gradient](x.ipynb)",
    "![gradient](x.png)", "<b gradient>", "*40 minutes of gradient*", "f.gradient()", "gradient(x)",
    "x.\n\n**References.** A gradient.\n\nA gradient.", "pre-gradient, gradiental", "GRADIENT", "D judges two samples",
    "[![gradient](a)](b)",
])  # fmt: skip
def test_what_is_no_prose_is_left_alone(course, text):
    root, write, read = course
    write(n01_a=text)
    assert glossary.main(root) == 0 and read("01_a") == text


@pytest.mark.parametrize(("page", "says"), [
    ("### a\n\nText without its notebook.\n", "below '### a' put a text"),
    ("### a\n\n(also b) X. [01](01_a.ipynb)\n\n### b\n\nY. [01](01_a.ipynb)\n", "b stands in two entries"),
])  # fmt: skip
def test_a_page_that_cannot_be_read_is_named(page, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        glossary.terms(page)
