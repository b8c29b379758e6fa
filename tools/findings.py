"""Write docs/findings.md, and the six findings in README, from the doctor's table: python tools/findings.py"""

import re
from pathlib import Path

from ganedu.doctor import FINDINGS
from ganedu.doctor.findings import TABLE, Entry

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "findings.md"
BEGIN, END = "<!-- findings: written by tools/findings.py -->", "<!-- end of findings -->"
IN_README = ("not_updated", "double_sigmoid", "range_mismatch", "leftover_gradient", "collapse", "vanishing")
KINDS = {
    "wiring": "Wrong in the step or in the data: such a run is sick.",
    "symptom": "Seen in what comes out, and may have several causes: such a run is sick as well.",
    "remark": "Worth knowing; no run is sick by it.",
}


def readme_table() -> str:
    """Six findings, in the order of the doctor's table."""
    rows = [f"| {text(e.title)} | {text(e.first)} | {link(e, '')} |" for key, e in FINDINGS.items() if key in IN_README]
    return "\n".join(["| what the doctor finds | try first | read |", "|---|---|---|", *rows])


def page() -> str:
    """All findings by kind, most likely cause first, with the key that stands behind each in a report."""
    parts = ["<!-- written by tools/findings.py -->\n\n# What the doctor finds\n"]
    parts.append(
        "What `ganedu doctor` and `doctor.examine` can say of a run, most likely cause first. A few findings come as a "
        "lesser kind where the doctor is less sure; they stand here under their own.\n\n"
        "What to try is for your own loop: `a -> b` says to write b in place of a. `bce` is `nn.BCEWithLogitsLoss()` "
        "of logits, or `nn.BCELoss()` where D ends in a sigmoid and so gives chances, that is probabilities; `ones` "
        "and `zeros` are targets of the shape that D gives, `n` is the size of the batch, `T` an augmentation made of "
        "torch's operations.\n"
    )
    for kind in TABLE:
        parts.append(f"## {kind.capitalize()}\n\n{KINDS[kind]}\n")
        parts.append("| finding | why it matters | try first | read |\n|---|---|---|---|")
        rows = [(key, e) for key, e in FINDINGS.items() if e.kind == kind]
        parts += [
            f"| {text(e.title)} (`{key}`) | {text(e.why)} | {text(e.first)} | {link(e, '../')} |" for key, e in rows
        ]
        parts.append("")
    return "\n".join(parts)


def text(plain: str) -> str:
    """What a cell of a Markdown table shows as it is."""
    return re.sub(r"[|*<`]|_(?=_)|(?<=_)_", r"\\\g<0>", plain)


def link(entry: Entry, up: str) -> str:
    """A notebook's number, linked once the notebook is there."""
    path = f"notebooks/{entry.notebook}.ipynb"
    return f"[{entry.notebook[:2]}]({up}{path})" if (ROOT / path).exists() else entry.notebook[:2]


def written(readme: str) -> str:
    """README with today's six between the two marks. Raises ValueError where a mark is missing."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{readme_table()}\n\n{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
