"""What many runs of a notebook found: numbers that a run records, their table, and their means with intervals."""

import csv
import io
import json
import math

KIND = "application/vnd.ganedu.figures+json"  # how a run's figures are found among its outputs


def record(**figures) -> None:
    """Show numbers of this run, and keep them for the table of a sweep: record(modes=7, arrived=True).

    Each is a number, a tensor or array of one number, or True or False, of which the table gives the share. A name that
    is recorded again takes the later number. Raises ValueError for anything else.
    """
    from IPython.display import display

    values = {name: _number(name, value) for name, value in figures.items()}
    told = ", ".join(f"{name} = {v if isinstance(v, bool | str) else f'{v:.4g}'}" for name, v in values.items())
    display({"text/plain": told, KIND: values}, raw=True)


def _number(name: str, value):
    """A number as JSON keeps it: what is not finite as text."""
    try:
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, bool):
            return plain
        if not isinstance(plain, int | float):
            raise TypeError
        plain = float(plain)
    except (TypeError, ValueError, RuntimeError, OverflowError) as e:
        given = f"{str(value)[:40]!r}, a {type(value).__name__}"
        raise ValueError(f"{name} is {given}: give one number, or True or False; of many, their mean.") from e
    return plain if math.isfinite(plain) else str(plain)


def recorded(notebook) -> dict:
    """{name: number} of all that the cells of an executed notebook recorded."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            found |= output.get("data", {}).get(KIND, {})
    return found


def table(rows: list[dict]) -> str:
    """One line a run, as CSV: the parameters that any run was given, its figures, seconds, file.

    A row is {"given", "values", "figures", "seconds", "notebook"}: parameters set, all parameters, figures by name.
    """
    parameters, figures = _names(rows, "given"), _names(rows, "figures")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*parameters, *figures, "seconds", "notebook"])
    for row in rows:
        values = [row["values"][name] for name in parameters]
        values = [json.dumps(v) if isinstance(v, list) else v for v in values]
        lines.writerow([*values, *(row["figures"].get(name, "") for name in figures), row["seconds"], row["notebook"]])
    return text.getvalue()


def _names(rows: list[dict], key: str) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row[key]))


def grouped(rows: list[dict]) -> list[dict]:
    """Runs that differ in their seed alone, joined: [{"setting", "n", "figures": {name: (value, low, high, n)}}].

    A figure's value is its mean over the n runs that have it, finite, with the 95 % interval over seeds: Student's, or
    Wilson's of a share where all are True or False. The ends are NaN where there is one run. Seeds are taken to be
    independent.
    """
    names = [name for name in _names(rows, "given") if name != "seed"]
    settings = {}
    for row in rows:
        key = json.dumps([row["values"][name] for name in names])
        settings.setdefault(key, []).append(row)
    found = []
    for key, some in settings.items():
        figures = {name: _mean([r["figures"][name] for r in some if name in r["figures"]]) for name in
                   _names(some, "figures")}  # fmt: skip
        found.append({"setting": dict(zip(names, json.loads(key), strict=True)), "n": len(some), "figures": figures})
    return found


def _mean(values: list) -> tuple[float, float, float, int]:
    from ..metrics import mean_interval, wilson

    finite = [v for v in map(float, values) if math.isfinite(v)]
    n = len(finite)
    if n and all(isinstance(v, bool) for v in values):
        return sum(finite) / n, *wilson(sum(finite), n), n
    if n < 2:
        return finite[0] if n else math.nan, math.nan, math.nan, n
    return *mean_interval(finite), n


def summary(rows: list[dict]) -> str:
    """The means of `grouped` as lines to print: a line a setting and figure, with how many runs it is the mean of."""
    lines = [("setting", "figure", "mean", "95 % interval", "runs")]
    for group in grouped(rows):
        setting = ", ".join(f"{name} {value}" for name, value in group["setting"].items()) or "all"
        for name, (value, low, high, n) in group["figures"].items():
            interval = "none of one run" if n < 2 else f"{low:.4g} to {high:.4g}"
            missing = f", and {group['n'] - n} without it or not finite" if n < group["n"] else ""
            lines.append((setting, name, f"{value:.4g}", interval, f"{n}{missing}"))
    if len(lines) == 1:
        return "no figures: name one by --figure, or call ganedu.course.records.record in the notebook"
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
