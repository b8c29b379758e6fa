"""The ledger: what others have claimed, the smallest test that decides it, and what came out.

A notebook states a claim in one call, in the cell that holds the numbers; `ganedu claims` gathers the stored lines.
"""

import math
import os
import re
from pathlib import Path

from ..inputs import one_of, whole

KIND = "application/vnd.ganedu.claim+json"  # how a stored line is found among a cell's outputs
VERDICTS = ("holds", "holds in part", "does not hold here")
FEWEST = 5  # runs, images, pairs: below that an interval says nothing

# Written in Chinese for beginners, with listings; we know them by subject and kind.
ARTICLES = {
    "A": "article on visual adversarial learning (a conditional GAN in TensorFlow)",
    "B": "article on feature learning and representation with GANs (a DCGAN in TensorFlow)",
    "C": "article on overfitting in GANs (TensorFlow)",
    "D": "article on GANs in Python (an outline in PyTorch)",
    "E": "article on a platform for images in diverse styles (an MLP GAN in TensorFlow)",
}


def claim(
    said: str, by: str, test: str, measured: dict, verdict: str, *, n: int, of: str = "seeds", above=None, below=None
) -> None:
    """Print one line of the ledger, after finding that the numbers bear its verdict.

    `said` is the claim in our words, `by` one of `ARTICLES` or a paper, "Authors year, Title", `test` what was
    compared with what. `measured` is {case: (value, low, high)}, a number with the ends of its 95 % interval; the claim
    says that it lies `above`, or `below`, a bound. It *holds* where every interval lies wholly on that side, *holds in
    part* where some do, and *does not hold here* where none does: whether it is refuted or only not seen, the interval
    tells. `n` is how many of what the interval is over (`of`: seeds, worlds, images); n = 0 where nothing is drawn, and
    all is exact.

    Raises AssertionError where the verdict is another than the numbers', ValueError for what cannot be a line.
    """
    record = {
        "said": said, "by": ARTICLES.get(by, by), "test": test, "measured": {k: list(v) for k, v in measured.items()},
        "n": n, "of": of, "above": above, "below": below, "verdict": verdict,
    }  # fmt: skip
    _check(record)
    borne = verdict_of(record)
    assert verdict == borne, f'"{said}" {borne} by these numbers, {_numbers(record)}: the line says that it {verdict}.'
    _show(record)


def verdict_of(record: dict) -> str:
    """The verdict that the intervals of a line bear."""
    if record["below"] is None:
        sides = [low > record["above"] for _, low, _ in record["measured"].values()]
    else:
        sides = [high < record["below"] for _, _, high in record["measured"].values()]
    return VERDICTS[0] if all(sides) else VERDICTS[1] if any(sides) else VERDICTS[2]


def ledger() -> list[dict]:
    """Every line that the course's notebooks have stored, in order, each with its "notebook" and "cell", as in [3]."""
    from . import kernel, notebooks

    lines = []
    for path in notebooks.listing():
        for cell in kernel.read(path).cells:
            for output in cell.get("outputs", ()):
                if found := output.get("data", {}).get(KIND):
                    lines.append({**found, "notebook": path.stem, "cell": cell.execution_count})
    return lines


def page(lines: list[dict], where: str = "../notebooks") -> str:
    """The ledger as a page in Markdown; `where` is the folder of notebooks as seen from the page."""
    rows = [
        "# What others claim of GANs, measured",
        "",
        f"{len(lines)} claims of articles and papers, each put to the smallest test that could decide it. The numbers "
        "are those that the notebooks store; each line is stated in the cell it names, which fails when the numbers do "
        "not bear the verdict. A claim *holds* where every interval lies wholly on the side that it names, "
        "*holds in part* where some do, and *does not hold here* where none does: networks and pictures are small, and "
        "a claim that was made of large ones may hold there. Intervals cover 95 %. `ganedu claims` writes this page.",
        "",
    ]
    for verdict in VERDICTS:
        rows.append(f"- {verdict}: {sum(line['verdict'] == verdict for line in lines)}")
    rows += ["", "| the claim | who | the test | number (interval) | over | verdict | where |", "|" + "---|" * 7]
    for line in lines:
        place = f"[{line['notebook'][:2]}]({where}/{line['notebook']}.ipynb), cell [{line['cell']}]"
        over = f"{line['n']} {line['of']}" if line["n"] else "exact"
        row = (
            line["said"][0].upper() + line["said"][1:].rstrip("."),
            line["by"],
            f"{line['test']}; {_bound(line)}",
            _numbers(line),
            over,
            line["verdict"],
            place,
        )
        rows.append("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
    return "\n".join(rows) + "\n"


def write(path: Path) -> Path:
    """Write the page of the ledger. Raises OSError where that cannot be."""
    from . import kernel, notebooks

    where = Path(os.path.relpath(notebooks.folder(), path.resolve().parent)).as_posix()
    kernel.put(path.parent, {path.name: page(ledger(), where).encode()})
    return path


def _check(record: dict) -> None:
    for name in ("said", "by", "test", "of"):
        if not isinstance(record[name], str) or not record[name].strip() or "\n" in record[name]:
            raise ValueError(f"{name} is {record[name]!r}: say it in one line.")
    if record["by"] not in ARTICLES.values() and not re.search(r"\b(19|20)\d\d, \S", record["by"]):
        raise ValueError(
            f'by is {record["by"]!r}: give one of {", ".join(ARTICLES)}, or a paper, "Authors year, Title".'
        )
    one_of(record["verdict"], VERDICTS, "verdict")
    whole("n", record["n"], 0, 10**9)
    if 0 < record["n"] < FEWEST:
        raise ValueError(f"n is {record['n']}: an interval over fewer than {FEWEST} {record['of']} decides nothing.")
    if (record["above"] is None) == (record["below"] is None):
        raise ValueError("give one bound, above= or below=: the side on which the claim says that the number lies.")
    if not record["measured"]:
        raise ValueError("measured is empty: give {case: (value, low, high)}.")
    for case, numbers in record["measured"].items():
        if (
            len(numbers) != 3
            or not all(math.isfinite(x) for x in numbers)
            or not numbers[1] <= numbers[0] <= numbers[2]
        ):
            raise ValueError(
                f"{case!r} has {tuple(numbers)}: give (value, low, high), finite, with low <= value <= high."
            )
        numbers[:] = [float(x) for x in numbers]  # as JSON keeps them


def _show(record: dict) -> None:
    from IPython.display import display

    over = f"{record['n']} {record['of']}" if record["n"] else "exact"
    head = f"\N{LEFT DOUBLE QUOTATION MARK}{record['said']}\N{RIGHT DOUBLE QUOTATION MARK}"
    rest = f"{record['test']}; {_bound(record)}: {_numbers(record)} ({over})"
    display(
        {
            "text/plain": f"CLAIM  {head} ({record['by']})\n       {rest}\n       {record['verdict'].upper()}",
            "text/markdown": f"> **Claim.** {head} ({record['by']})  \n> {rest}  \n"
            f"> **{record['verdict'].capitalize()}.**",
            KIND: record,
        },
        raw=True,
    )


def _bound(record: dict) -> str:
    side, bound = ("above", record["above"]) if record["below"] is None else ("below", record["below"])
    return f"claimed: {side} {bound:g}"


def _numbers(record: dict) -> str:
    """The numbers with their intervals: one alone without its case's name."""
    several = len(record["measured"]) > 1
    return "; ".join(
        (f"{case} " if several else "") + f"{value:.3g}" + (f" ({low:.3g} to {high:.3g})" if high > low else "")
        for case, (value, low, high) in record["measured"].items()
    )
