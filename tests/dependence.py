"""What the cells of a notebook depend on, read off their syntax trees: what solutions give, what others need.

A name is given by a solution that binds it, and changed by one that stores into it, calls a method in place on it or
calls a function that does. Functions read when they are called, so a cell depends on all that the functions read
which it calls, or which what it reads may hold. The state of torch's random numbers is a name as well: a draw reads
and changes it, a seed binds it, in a cell's own lines. What is said of solutions holds of any cells that may be left
out, so of those off the path.

A tree does not show what a function of the package, or a method whose name does not say so, does to its arguments,
nor who draws within a function. For these some student editions are run, see `notebooks/turns.py`.
"""

import ast
from collections import defaultdict
from dataclasses import dataclass, field

RANDOM = "torch's random numbers"
DRAWS = {"bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
         "randperm", "normal_", "uniform_"}  # fmt: skip
SEEDS = {"torch.manual_seed", "torch.random.manual_seed", "torch.seed", "torch.set_rng_state"}
IN_PLACE = {"add", "append", "apply", "backward", "clear", "discard", "eval", "extend", "insert", "load_state_dict",
            "pop", "popitem", "rc", "remove", "reverse", "run", "setdefault", "sort", "step", "train", "update", "use",
            "zero_grad"}  # fmt: skip
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def in_place(method: str) -> bool:
    named = method.startswith(("set_", "register_")) or (method.endswith("_") and not method.endswith("__"))
    return named or method in IN_PLACE


def bound(*nodes: ast.AST) -> set[str]:
    """The names that these nodes bind in their own scope."""
    names, todo = set(), list(nodes)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, COMPREHENSIONS):
            todo += [n for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names |= {node.name} if not isinstance(node, ast.Lambda) else set()
        else:
            names |= {getattr(node, field) for field in ("name", "rest") if isinstance(getattr(node, field, None), str)}
            names |= {RANDOM} if seeds(node) else set()
            todo += ast.iter_child_nodes(node)
    return names


def seeds(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in SEEDS


def draws(node: ast.Call) -> bool:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in DRAWS and not any(k.arg == "generator" for k in node.keywords)


@dataclass
class Facts(ast.NodeVisitor):
    """The names outside itself that a node reads and changes as it runs (`now`), and when its functions are called."""

    reads: set = field(default_factory=set)
    reads_late: set = field(default_factory=set)
    changes: set = field(default_factory=set)
    changes_late: set = field(default_factory=set)
    imported: frozenset = frozenset()  # a module's functions return new objects
    local: tuple = ()
    deferred: bool = False

    def read(self, name: str) -> None:
        if name not in self.local:
            (self.reads_late if self.deferred else self.reads).add(name)

    def change(self, node: ast.AST) -> None:
        """What a store into this node, or a method of it, changes: the name that its chain begins with."""
        called = False
        while not isinstance(node, ast.Name):
            called |= isinstance(node, ast.Call)
            node = getattr(node, "value", getattr(node, "func", None))
            if node is None:
                return
        if not called or node.id not in self.imported:
            self.change_name(node.id)

    def change_name(self, name: str) -> None:
        if name not in self.local:
            (self.changes_late if self.deferred else self.changes).add(name)

    def inside(self, nodes, local, deferred: bool) -> None:
        before = self.local, self.deferred
        self.local, self.deferred = (*self.local, *local), self.deferred or deferred
        for node in nodes:
            self.visit(node)
        self.local, self.deferred = before

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.read(node.id)
        elif self.deferred:  # a local name, or one that the function declares as global
            self.change_name(node.id)

    def visit_Attribute(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.change(node.value)
        self.generic_visit(node)

    visit_Subscript = visit_Attribute

    def visit_AugAssign(self, node):
        self.change(node.target)
        if isinstance(node.target, ast.Name):
            self.read(node.target.id)
        self.generic_visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and in_place(node.func.attr):
            self.change(node.func.value)
        if isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            self.change(node.args[0])
        if draws(node):
            self.read(RANDOM)
        if draws(node) or seeds(node):
            self.change_name(RANDOM)
        self.generic_visit(node)

    def visit_With(self, node):
        kept = any("seeded" in ast.unparse(i) or "fork_rng" in ast.unparse(i) for i in node.items)
        self.inside([*node.items, *node.body], [RANDOM] if kept else [], False)

    def visit_FunctionDef(self, node):
        arguments, body = node.args, node.body if isinstance(node.body, list) else [node.body]
        for outside in (
            *getattr(node, "decorator_list", ()),
            *arguments.defaults,
            *filter(None, arguments.kw_defaults),
        ):
            self.visit(outside)
        declared = {name for n in body for d in ast.walk(n) if isinstance(d, ast.Global) for name in d.names}
        named = {a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)}
        drawn, local = RANDOM in self.reads_late, named | bound(*body) - declared
        self.inside(body, local - {RANDOM}, True)
        if RANDOM in local and not drawn:  # it seeds first
            self.reads_late.discard(RANDOM)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_comprehension_scope(self, node):
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self.inside(ast.iter_child_nodes(node), targets, False)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_scope

    def visit_ClassDef(self, node):
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        for inner in node.body:  # methods do not see the names of their class
            self.inside([inner], set() if isinstance(inner, FUNCTIONS) else bound(*node.body), False)


def parse(cell) -> list[ast.stmt]:
    from IPython.core.inputtransformer2 import TransformerManager

    return ast.parse(TransformerManager().transform_cell(cell.source)).body  # %pip and the like become calls


class Names:
    """What the names of a notebook stand for: the statements that bind or change them, and whose objects they are.

    Cells are numbered from 1. What a cell reads, no later one has made: `of` gives the statements up to a cell.
    """

    def __init__(self, cells):
        self.made, self.aliases = defaultdict(list), defaultdict(set)
        statements, numbered = [s for cell in cells for s in cell], enumerate(cells, 1)
        self.imported = frozenset(bound(*(s for s in statements if isinstance(s, (ast.Import, ast.ImportFrom)))))
        for number, statement in ((number, s) for number, cell in numbered for s in cell):
            found = self.facts(statement)
            for late in (found.reads, found.reads_late, found.changes_late):
                late.discard(RANDOM)  # seen in a cell's own lines only
            for name in bound(statement) | found.changes:
                self.made[name].append((number, found))
        for node in (n for s in statements for n in ast.walk(s)):
            if isinstance(node, (ast.Assign, ast.For, ast.NamedExpr)):
                for name in bound(*getattr(node, "targets", None) or [node.target]):
                    self.aliases[name] |= self.roots(node.iter if isinstance(node, ast.For) else node.value)

    def of(self, name: str, number: int) -> list[Facts]:
        return [found for cell, found in self.made.get(name, ()) if cell <= number]

    def facts(self, *nodes: ast.AST) -> Facts:
        found = Facts(imported=self.imported)
        for node in nodes:
            found.visit(node)
        return found

    def roots(self, node: ast.AST) -> set[str]:
        """The names whose objects, or parts of them, this expression may be."""
        match node:
            case ast.Name():
                return {node.id}
            case ast.Attribute() | ast.Subscript() | ast.Starred():
                return self.roots(node.value)
            case ast.Call(func=ast.Attribute()):  # a method of an object may return a part of it; a module's doesn't
                return self.roots(node.func) - self.imported
            case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed" | "sorted" | "list" | "tuple")):
                return set().union(*map(self.roots, node.args))
            case ast.Tuple() | ast.List():
                return set().union(*map(self.roots, node.elts))
            case ast.IfExp():
                return self.roots(node.body) | self.roots(node.orelse)
        return set()

    def reached(self, names: set[str], number: int) -> tuple[set[str], set[str]]:
        """(names whose value counts when a cell reads and calls these, names whose objects their values may hold)."""
        current, held, todo = set(), set(), [(n, True) for n in names]
        while todo:
            name, now = todo.pop()
            if name in (current if now else held | current):
                continue
            (current if now else held).add(name)
            for made in self.of(name, number):
                todo += [(n, True) for n in made.reads_late] + [(n, False) for n in made.reads]
        return current, held - current

    def effects(self, statement: ast.stmt, number: int) -> set[str]:
        """What a cell's statement changes: by itself, by functions it calls, by other names of the same objects."""
        found = self.facts(statement)
        current, _ = self.reached(found.reads | found.reads_late, number)
        todo, changed = found.changes | found.changes_late, set()
        for made in (m for n in current for m in self.of(n, number)):
            todo |= made.changes_late
        while todo:
            changed.add(name := todo.pop())
            todo |= self.aliases[name] - changed
        return changed


def in_order(statements: list[ast.stmt], sure: set[str]):
    """(part of a statement, names that are certainly bound before it), part by part; adds to `sure` what they bind."""
    for s in statements:
        inner = ("body", "orelse", "finalbody") if isinstance(s, BLOCKS) else ()
        blocks = [block for name in inner if (block := getattr(s, name, None))]
        blocks += [handler.body for handler in getattr(s, "handlers", ())]
        head = [s]
        if blocks:
            head = [n for n in ast.iter_child_nodes(s) if not isinstance(n, (ast.stmt, ast.ExceptHandler))]
        yield head, frozenset(sure)
        before = set(sure)
        sure |= bound(*head)
        for block in blocks:
            yield from in_order(block, sure if isinstance(s, ast.With) else set(sure))
        if isinstance(s, (ast.For, ast.While, ast.If)):  # the body may not run, nor the loop's target be bound
            sure.intersection_update(before)


def is_solution(tags) -> bool:
    return "solution" in tags


def leaks(notebook, left_out=is_solution, called="the solution") -> list[str]:
    """What the other cells have from those that may be left out, a sentence each: empty if these can be.

    `left_out` says by its tags whether a cell is one of them; `called` is what they are called.
    """
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    parsed = [parse(c) for c in cells]
    names, tainted, found = Names(parsed), {}, []
    for number, (cell, statements) in enumerate(zip(cells, parsed, strict=True), 1):
        if left_out(cell.metadata.get("tags", [])):
            given = bound(*statements)
            changed = set().union(*(names.effects(s, number) for s in statements)) - given
            tainted |= {n: f"given by {called} [{number}]" for n in given | {"_", "Out"}}
            tainted |= {n: f"changed by {called} [{number}]" for n in changed}
            continue
        sure = set()
        for part, own in in_order(statements, sure):
            current, held = names.reached(names.facts(*part).reads, number)
            held = {n for n in held if "changed" in tainted.get(n, "")}
            for whose, read in (("", current & tainted.keys()), ("what holds ", held)):
                found += [f"[{number}] reads {whose}{n}, {tainted[n]}" for n in sorted(read - own)]
        tainted = {n: why for n, why in tainted.items() if n not in sure}
    return list(dict.fromkeys(found))


def needed(cells, wanted: set[int]) -> set[int]:
    """The numbers of the code cells without which the wanted ones lack a name, or something done to it; and theirs."""
    parsed = [parse(c) for c in cells]
    names, reads, late, binds, changes = Names(parsed), [], [], [], []
    for statements in parsed:
        parts = [(names.facts(*part), own) for part, own in in_order(statements, set())]
        reads.append(set().union(*(f.reads - own for f, own in parts)))
        late.append(set().union(*(f.reads_late for f, _ in parts)))
        binds.append(bound(*statements))
        changes.append(set().union(*(f.changes | f.changes_late for f, _ in parts)))
    found, todo = set(), set(wanted)
    while todo:
        found.add(cell := todo.pop())
        for name in reads[cell]:
            for k in reversed(range(cell)):
                if name in binds[k] | changes[k]:
                    todo |= {k} - found
                if name in binds[k] - reads[k]:
                    break
        for k in range(max(wanted)):  # a function reads when it is called, which may be anywhere
            if late[cell] & (binds[k] | changes[k]):
                todo |= {k} - found
    return found
