"""Write README's table "My run looks wrong" from the doctor's findings: python tools/findings.py"""

from pathlib import Path

from ganedu.doctor import FINDINGS

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- findings: written by tools/findings.py -->", "<!-- end of findings -->"


def table() -> str:
    """One row a finding; a notebook is linked once it is there."""
    rows = ["| what the doctor finds | why it matters | try first | read |", "|---|---|---|---|"]
    for entry in FINDINGS.values():
        path = f"notebooks/{entry.notebook}.ipynb"
        read = f"[{entry.notebook[:2]}]({path})" if (ROOT / path).exists() else entry.notebook[:2]
        rows.append(f"| {entry.title} | {entry.why} | {entry.first} | {read} |")
    return "\n".join(rows)


def written(readme: str) -> str:
    """README with today's table between the two marks. Raises ValueError where a mark is missing."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
