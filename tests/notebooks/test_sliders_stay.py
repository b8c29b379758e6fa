"""What a slider's function reads stays as it was: no later cell binds such a name again, so it works to the end."""

import ast
import symtable
from pathlib import Path

import nbformat
import pytest
from dependence import parse

from ganedu.course import notebooks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN))
LIVE = {"explore", "hear", "image_map", "plane", "sketch", "studio", "Sketch", "observe"}  # keep functions for later


def scopes(table: symtable.SymbolTable):
    for child in table.get_children():
        yield child
        yield from scopes(child)


def of_cell(cell) -> tuple[set[str], dict[str, set[str]], set[str]]:
    """(names that it binds, {function: names of the notebook that it reads}, functions that a widget keeps)."""
    tree = ast.Module(parse(cell), [])
    source = ast.unparse(tree)
    table = symtable.symtable(source, "cell", "exec")
    binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    reads: dict[str, set[str]] = {}
    for function in table.get_children():
        if function.get_type() == "function":
            inner = [function, *scopes(function)]
            reads.setdefault(function.get_name(), set()).update(
                s.get_name() for f in inner for s in f.get_symbols() if s.is_global() and s.is_referenced()
            )
    kept = set()
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        if getattr(call.func, "id", getattr(call.func, "attr", "")) in LIVE:
            inside = [n for part in (*call.args, *(k.value for k in call.keywords)) for n in ast.walk(part)]
            kept |= {n.id for n in inside if isinstance(n, ast.Name)} & set(reads)
            kept |= {"lambda"} if any(isinstance(n, ast.Lambda) for n in inside) else set()
    return binds, reads, kept


def taken_away(notebook) -> list[str]:
    """Names that a widget's function reads, and the function, which a later cell binds again."""
    cells = [of_cell(c) for c in notebook.cells if c.cell_type == "code"]
    found, functions = [], {}
    for k, (_, reads, kept) in enumerate(cells):
        functions |= reads
        todo, seen = list(kept), set()
        while todo:
            name = todo.pop()
            seen.add(name)
            todo += [n for n in functions.get(name, ()) if n not in seen]
        later = set().union(*(binds for binds, *_ in cells[k + 1 :])) if kept else set()
        found += [f"cell [{k + 1}]: {', '.join(sorted(kept))} reads {n}" for n in sorted((seen - kept) & later)]
    return found


def small(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])


DRAW = "def half(x):\n    return x / k\n\n\ndef draw(x):\n    return half([a for a in x])\n\n\nexplore(draw, x=(0, 1))"


@pytest.mark.parametrize(
    ("later", "name"),
    [
        ("k = 3", "k"),
        ("half = lambda x: x", "half"),
        ("for k in range(3):\n    pass", "k"),
        ("import torch as k", "k"),
        ("def k():\n    pass", "k"),
        ("a = 3\nx = 4\n[k for k in range(3)]\nf = lambda k: k", None),
        ("print(k)", None),
    ],
)
def test_a_name_that_a_slider_reads_is_missed_when_it_is_bound_again(later, name):
    found = taken_away(small("k = 2", DRAW, later))
    assert found == ([f"cell [2]: draw reads {name}"] if name else [])


def test_a_function_without_a_name_counts_too():
    assert taken_away(small("k = 2\nsketch(lambda ink: ink * k)", "k = 3")) == ["cell [1]: lambda reads k"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_cell_takes_away_what_an_earlier_slider_reads(path):
    assert taken_away(nbformat.read(path, as_version=4)) == []
