"""The checks of all exercises, as they stand in the notebooks, with right and wrong answers.

A notebook's answers are in the file of its name beside this one, a number an exercise: `right_1` is a list of answers,
`wrong_1` a dict {answer: words that its hint must hold}. An answer is the text of the exercise's cell as a learner may
leave it. What the checks need of the notebook, by the syntax trees, is run once and shared by its answers.
"""

import contextlib
import functools
import io
import runpy
import tempfile
from pathlib import Path

import matplotlib
import nbformat
import pytest
import torch
from dependence import needed

from ganedu.course import notebooks, path

HERE = Path(__file__).parent
NOTEBOOKS = {p.stem: p for p in sorted((HERE.parents[1] / "notebooks").glob(notebooks.PATTERN))}


def answers(stem: str) -> dict[int, tuple[list[str], dict[str, str]]]:
    """{exercise: (right answers, {wrong answer: words of its hint})}."""
    file = runpy.run_path(str(HERE / f"{stem}.py"))
    exercises = [int(name.removeprefix("right_")) for name in file if name.startswith("right_")]
    return {n: (file[f"right_{n}"], file[f"wrong_{n}"]) for n in exercises}


def of_kind(cells, kind: str) -> list[int]:
    return [i for i, cell in enumerate(cells) if kind in path.tags(cell)]


@functools.cache
def cells(stem: str):
    """The notebook's code cells, solutions left out."""
    code = [c for c in nbformat.read(NOTEBOOKS[stem], as_version=4).cells if c.cell_type == "code"]
    return [c for c in code if "solution" not in path.tags(c)]


def run(source: str, namespace: dict, name: str) -> str:
    """Run a cell in a namespace; returns what it printed."""
    from IPython.core.inputtransformer2 import TransformerManager

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(TransformerManager().transform_cell(source), name, "exec"), namespace)
    return printed.getvalue().strip()


@pytest.fixture(autouse=True)
def style_of_others():
    """Cells set matplotlib's style for good; the tests that come after draw by their own."""
    with matplotlib.rc_context():
        yield


@functools.lru_cache(maxsize=1)
def ready(stem: str) -> dict:
    """The namespace in which what checks and answers need of the notebook has run, and nothing else."""
    found, given = cells(stem), answers(stem)
    exercises, checks = of_kind(found, "exercise"), of_kind(found, "check")
    asking = [nbformat.v4.new_code_cell(c.source) for c in found]
    for n, i in enumerate(exercises, 1):
        asking[i].source += "\n" + "\n".join([answer for kind in given[n] for answer in kind])
    namespace = {"__name__": "__main__"}
    matplotlib.use("Agg")
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        for i in sorted(needed(asking, {*checks}) - {*checks}):
            run(found[i].source, namespace, f"<cell {i}>")
            matplotlib.pyplot.close("all")
    return namespace


def verdict(stem: str, exercise: int, answer: str) -> str:
    """What the check of that exercise prints after this answer."""
    namespace = dict(ready(stem))
    torch.manual_seed(0)
    run(answer, namespace, "<answer>")
    said = run(cells(stem)[of_kind(cells(stem), "check")[exercise - 1]].source, namespace, "<check>")
    matplotlib.pyplot.close("all")
    return said.splitlines()[-1]  # before it may stand a picture


ANSWERS = [
    pytest.param(stem, n, answer, words, id=f"{stem}-{n}-{'right' if words is None else 'wrong'}-{i}")
    for stem in NOTEBOOKS
    for n, (right, wrong) in answers(stem).items()
    for i, (answer, words) in enumerate([*((r, None) for r in right), *wrong.items()])
]


@pytest.mark.parametrize(("stem", "exercise", "answer", "words"), ANSWERS)
def test_the_check_knows(stem, exercise, answer, words):
    said = verdict(stem, exercise, answer)
    assert said.startswith("Right" if words is None else "Wrong"), said
    assert words is None or words in said, said


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_every_exercise_has_three_right_answers_and_six_wrong_ones(stem):
    found = answers(stem)
    assert list(found) == list(range(1, len(of_kind(cells(stem), "check")) + 1))
    for right, wrong in found.values():
        assert len({*right}) >= 3 and len(wrong) >= 6
        assert all(len(words) > 5 for words in wrong.values()), "words that a hint for something else would not hold"
