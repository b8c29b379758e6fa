"""Nothing outside the solutions depends on one: on small notebooks, right and wrong, and in the course's own."""

from pathlib import Path

import nbformat
import pytest
from dependence import leaks, needed
from turns import MEANT

from ganedu.course import notebooks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN))
SETUP = """import torch
import matplotlib.pyplot as plt
G, names, table = torch.nn.Linear(2, 2), ["a"], {"rows": [1]}
layers = list(G.parameters())
alias = table["rows"]
total = 0
def helper(x):
    return x + total
def record(x):
    names.append(x)
def noise():
    return torch.randn(3)
class Model:
    scale = 2
    def forward(self, x):
        return x * total"""
EXERCISE, CHECK = (
    "answer = None",
    "def check_1():\n    return 'Not yet' if answer is None else 'Right'\n\nprint(check_1())",
)


def notebook(solution, after):
    cells = [(SETUP, []), (EXERCISE, ["exercise"]), (CHECK, ["check"]), (solution, ["solution"]), (after, [])]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in cells]
    )


WRONG = {  # kind: (solution, cell after it, the name)
    "a name given": ("found = 3", "print(found)", "found"),
    "a name given, read in a function": ("found = 3", "def f():\n    return found", None),
    "a name given, read by a function called": ("found = 3", "def f():\n    return found\nf()", "found"),
    "given by unpacking": ("(found, *rest), other = (1, 2), 3", "print(rest)", "rest"),
    "given by a loop": ("for k in range(3):\n    pass", "print(k)", "k"),
    "given by with": ("with open('x') as file:\n    pass", "file.read()", "file"),
    "given by :=": ("print(found := 3)", "print(found)", "found"),
    "given by := in a comprehension": ("[found := k for k in range(3)]", "print(found)", "found"),
    "given by match": ("match [1, 2]:\n    case [first, *others]:\n        pass", "print(others)", "others"),
    "an import": ("import math", "print(math.pi)", "math"),
    "an import from": ("from math import pi as p", "print(p)", "p"),
    "the exercise's own name": ("answer = 42", "print(answer)", "answer"),
    "the exercise's check, called again": ("answer = 42", "print(check_1())", "answer"),
    "a check handed on": ("answer = 42", "results = map(lambda check: check(), [check_1])", "answer"),
    "rebound": ("total = 7", "print(total)", "total"),
    "rebound, read by a function from before": ("total = 7", "helper(1)", "total"),
    "rebound, read by a partial of it": ("total = 7", "from functools import partial\npartial(helper, 1)()", "total"),
    "rebound, read by a method of a class": ("total = 7", "Model().forward(1)", "total"),
    "rebound by a function's global": ("def f():\n    global total\n    total = 7\nf()", "print(total)", "total"),
    "a function that shadows": ("def helper(x):\n    return 0", "helper(1)", "helper"),
    "a class that shadows": ("class Model:\n    pass", "Model()", "Model"),
    "augmented": ("total += 1", "print(total)", "total"),
    "deleted": ("del names", "print(names)", "names"),
    "attribute stored": ("G.bias = None", "G(1)", "G"),
    "subscript stored": ("table['rows'][0] = 5", "print(table)", "table"),
    "subscript augmented": ("table['rows'] += [5]", "print(table)", "table"),
    "subscript deleted": ("del table['rows']", "print(table)", "table"),
    "setattr": ("setattr(G, 'bias', None)", "G(1)", "G"),
    "append": ("names.append('b')", "print(names)", "names"),
    "append by a function of the solution": ("def f():\n    names.append('b')\nf()", "print(names)", "names"),
    "append by a function from before": ("record('b')", "print(names)", "names"),
    "train and eval": ("G.eval()", "G(1)", "G"),
    "a method in place": ("G.weight.data.zero_()", "G(1)", "G"),
    "a method on a part that a method returned": ("for p in G.parameters():\n    p.data.zero_()", "G(1)", "G"),
    "another name in the solution": ("t = table['rows']\nt.append(2)", "print(table)", "table"),
    "another name from before": ("alias.append(2)", "print(table)", "table"),
    "held by a name from before": ("G.train()", "print(layers)", "G"),
    "rcParams": ("plt.rcParams['font.size'] = 30", "plt.plot()", "plt"),
    "a default set": ("torch.set_grad_enabled(False)", "torch.ones(2)", "torch"),
    "a hook": ("G.register_forward_hook(print)", "G(1)", "G"),
    "a seed": ("torch.manual_seed(0)", "print(torch.rand(2))", "torch's random numbers"),
    "a draw": ("torch.randn(4)", "print(torch.rand(2))", "torch's random numbers"),
    "the last output": ("3", "print(_)", "_"),
    "read in a branch": ("found = 3", "if total:\n    print(found)", "found"),
    "bound in a branch only": ("found = 3", "if total:\n    found = 4\nprint(found)", "found"),
    "bound in a loop only": ("found = 3", "for found in names:\n    pass\nprint(found)", "found"),
    "read before it is bound": ("found = 3", "found = found + 1", "found"),
    "read by except": ("found = 3", "try:\n    G()\nexcept TypeError:\n    print(found)", "found"),
    "read as a default": ("found = 3", "def f(x=found):\n    pass", "found"),
    "read in a class body": ("found = 3", "class A:\n    x = found", "found"),
    "read in an f-string": ("found = 3", "print(f'{found:.2f}')", "found"),
    "read in a comprehension": ("found = 3", "[found for _ in names]", "found"),
}
RIGHT = {
    "nothing in common": ("answer = 42\nprint(verdict := check_1())", "print(names)"),
    "bound again": ("found = 3", "found = 4\nprint(found)"),
    "bound again by a loop": ("for k in range(3):\n    pass", "for k in names:\n    print(k)"),
    "bound again in a comprehension": ("k = 3", "print([k for k in names], {k: 1 for k in names})"),
    "bound again by with": ("file = 3", "with open('x') as file:\n    file.read()"),
    "bound again inside with": ("fig = 3", "with torch.no_grad():\n    fig = 4\nprint(fig)"),
    "local to a function": ("x = 3", "def f(x, y=1):\n    x = x + y\n    return lambda y: x + y\nf(1)"),
    "an attribute of the same name": ("rows = 3", "print(G.rows, dict(rows=1), {'rows': 2})"),
    "an object of its own": ("own = torch.zeros(2)\nown[0] = 1\nown.add_(1)", "print(torch.ones(2), names)"),
    "a local list": ("def f():\n    names = []\n    names.append(1)", "print(names)"),
    "seeded again": ("torch.manual_seed(0)\ntorch.randn(3)", "torch.manual_seed(1)\nprint(torch.rand(2))"),
    "a generator of its own": ("torch.randn(3)", "g = torch.Generator().manual_seed(0)\ntorch.rand(2, generator=g)"),
    "magics": ("total_ = 3", "%matplotlib inline\n!ls\nprint(names)"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_dependence_is_found(kind):
    solution, after, name = WRONG[kind]
    found = leaks(notebook(solution, after))
    assert bool(found) == (name is not None), found
    assert all(line.startswith("[5] reads ") and line.endswith("by the solution [4]") for line in found)
    assert name is None or any(f" {name}, " in line for line in found), found


@pytest.mark.parametrize("kind", RIGHT)
def test_what_does_not_depend_is_left_in_peace(kind):
    assert leaks(notebook(*RIGHT[kind])) == []


def test_a_later_exercise_may_not_use_an_earlier_one():
    wrong = notebook("answer = 42", "def check_2():\n    return answer + 1")
    assert leaks(wrong) == [], "defined, and not called"
    wrong.cells[-1].source += "\n\nprint(check_2())"
    assert leaks(wrong) == ["[5] reads answer, given by the solution [4]"]


def test_a_name_stands_for_what_has_been_bound_and_not_for_what_a_later_cell_will_bind():
    small = notebook("found = 3", "print(v := 1)\nassert v")
    small.cells.append(nbformat.v4.new_code_cell("def v():\n    return found"))
    assert leaks(small) == []
    small.cells.append(nbformat.v4.new_code_cell("v()"))
    assert leaks(small) == ["[7] reads found, given by the solution [4]"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_solutions_can_be_left_out_of(path):
    found = leaks(nbformat.read(path, as_version=4))
    assert {line.split("reads ")[1].partition(",")[0] for line in found} == MEANT.get(path.stem, set()), found


CELLS = [
    "import torch",  # 0
    "x = torch.ones(3)",  # 1, nobody needs this x
    "x = torch.zeros(3)",  # 2
    "x.add_(1)",  # 3
    "def area(r):\n    return pi * r**2",  # 4
    "pi = 3",  # 5
    "unused = x.sum()",  # 6
    "y = area(2) + x",  # 7
    "for k in range(2):\n    z = y",  # 8
    "z = 1",  # 9, after all that read it
]


@pytest.mark.parametrize(("wanted", "found"), [(1, {0, 1}), (2, {0, 2}), (5, {5}), (6, {0, 2, 3, 6}), (9, {9}),
                                               (7, {0, 2, 3, 4, 5, 7}), (8, {0, 2, 3, 4, 5, 7, 8})])  # fmt: skip
def test_a_cell_needs_what_it_reads_and_what_was_done_to_it(wanted, found):
    assert needed([nbformat.v4.new_code_cell(source) for source in CELLS], {wanted}) == found
