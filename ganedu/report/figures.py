"""The drawings of a report: each takes a `summary.Summary` and returns (figure, the text that stands for it).

Titles state what was found, computed from the numbers drawn.
"""

import math

import matplotlib.pyplot as plt
import torch

from .. import plots
from .page import estimate, number
from .summary import GRID, MEASURES, SHOWN, Judged, Summary

COLOURS = (plots.FAKE, plots.GREEN, plots.PINK, plots.ORANGE, plots.SKY, plots.DISC)  # blue is for real images


def short(name: str) -> str:
    """A folder's name as it fits beside an axis; "$" would begin a formula."""
    return (name if len(name) <= 20 else name[:18] + "…").replace("$", r"\$")


def names(runs: list[Judged]) -> str:
    return ", ".join(r.name for r in runs)


def samples(found: Summary):
    """The first fakes of each run from equal latents, and as many held-out images."""
    sets = {short(r.name): r.grid for r in found.runs}
    sets["real, held out"] = found.images.x_test[found.reference[:GRID]]
    rows = -(-len(sets) // 2)
    fig, axes = plt.subplots(rows, 2, figsize=(11, 2.6 * rows), squeeze=False)
    for ax, (name, x) in zip(axes.flat, sets.items(), strict=False):
        plots.images(ax, x, title=name)
    for ax in list(axes.flat)[len(sets) :]:
        ax.set_axis_off()
    return fig, f"A grid of {GRID} fakes of each of {names(found.runs)}, and a grid of {GRID} real images held out."


def measures(found: Summary):
    """One panel a measure, one dot with its interval a run; dashed where perfect fakes would lie."""
    shown = [m for m in MEASURES if any(m in r.measures for r in found.runs)]
    rows, lines = -(-len(shown) // 3), len(found.runs)
    fig, axes = plt.subplots(rows, 3, figsize=(12, rows * (1.25 + 0.3 * lines)), squeeze=False)
    for i, (ax, m) in enumerate(zip(axes.flat, shown, strict=False)):
        for y, (r, colour) in enumerate(zip(found.runs, COLOURS, strict=False)):
            if m in r.measures:
                value, low, high = r.measures[m]
                ax.plot([low, high], [-y, -y], color=colour, lw=5, alpha=0.45, solid_capstyle="round")
                ax.plot(value, -y, "o", color=colour, ms=8)
        ends = MEASURES[m].axis + ((found.images.n_classes,) if m == "inception_score" else ())
        ax.plot(ends, [0] * len(ends), alpha=0)  # unseen, to widen the axis: panels of one kind have one scale
        if math.isfinite(MEASURES[m].ideal):
            ax.axvline(MEASURES[m].ideal, color=plots.GREY, lw=1.5, ls="--", zorder=0)
        labels = [short(r.name) for r in found.runs] if i % 3 == 0 and lines > 1 else [""] * lines
        ax.set(yticks=[-y for y in range(lines)], yticklabels=labels, ylim=(0.6 - lines, 0.6))
        ax.set_title(f"{MEASURES[m].title}\n{better(m)}", fontsize=12)
        ax.tick_params(axis="y", length=0)
        ax.locator_params(axis="x", nbins=3)  # more, and the outer ones meet those of the next panel
        ax.margins(x=0.06)
        ax.grid(axis="x", alpha=0.3)
    for ax in list(axes.flat)[len(shown) :]:
        ax.set_axis_off()
    texts = (f"{MEASURES[m].title}, {better(m)}: "
             + ", ".join(f"{r.name} {estimate(r.measures[m])}" for r in found.runs if m in r.measures)
             for m in shown)  # fmt: skip
    return fig, "Dots with 95 % intervals, one panel a measure. " + "; ".join(texts) + "."


def better(measure: str) -> str:
    kind = MEASURES[measure].better
    return f"best {kind}" if kind.startswith("near") else f"{kind} is better"


def neighbours(found: Summary, r: Judged):
    """Some fakes of one run, above the training images nearest to them in features and in pixels."""
    train = found.images.x
    rows = {f"fakes of {short(r.name)}": r.shown}
    if len(r.in_features):
        rows["nearest in features"] = train[r.in_features]
    rows["nearest in pixels"] = train[r.in_pixels]
    fig, axes = plt.subplots(len(rows), 1, figsize=(8, 1.35 * len(rows)), squeeze=False)
    for ax, (name, x) in zip(axes[:, 0], rows.items(), strict=True):
        plots.images(ax, x, SHOWN, name)
    below = ", ".join(list(rows)[1:])
    return fig, f"{SHOWN} fakes of {r.name}; below each, the training images nearest to it: {below}."


def curves(found: Summary):
    """Each record of a step over the steps, smoothed; one row a run. None where no run has records."""
    runs = [r for r in found.runs if any(r.history.values())]
    if not runs:
        return None
    fig, axes = plt.subplots(len(runs), 1, figsize=(11, 2.6 * len(runs)), squeeze=False, sharex=True)
    colours = {"loss_D": plots.DISC, "loss_G": plots.FAKE, "d_real": plots.REAL, "d_fake": plots.ORANGE}
    texts = []
    for ax, r in zip(axes[:, 0], runs, strict=True):
        history = {k: v for k, v in r.history.items() if v}
        for name, values in history.items():
            kind = {"color": colours[name]} if name in colours else {}
            plots.curve(ax, values, smooth=max(1, len(values) // 50), label=name.replace("_", " of "), **kind)
        ends = ", ".join(f"{k.replace('_', ' of ')} {number(_mean_end(v))}" for k, v in history.items())
        ax.set_title(f"{short(r.name)}, last tenth: {ends}")
        ax.set_ylim(*_limits([x for v in history.values() for x in v]))
        ax.legend(loc="upper right", ncols=4, fontsize=11)
        texts.append(f"{r.name}: mean over the last tenth of the steps {ends}")
    axes[-1, 0].set_xlabel("step")
    return fig, f"What the steps recorded, over the steps. {'; '.join(texts)}."


def _mean_end(values: list[float]) -> float:
    end = values[-max(1, len(values) // 10) :]
    return sum(end) / len(end)


def _limits(values: list[float]) -> tuple[float, float]:
    """Of the axis: a single spike does not flatten all the rest."""
    low, high = torch.tensor(values, dtype=torch.float64).quantile(torch.tensor([0.005, 0.995]).double()).tolist()
    room = 0.15 * (high - low) or 1.0
    return low - room, high + 2 * room


def logits(found: Summary):
    """D's logits at the last step, of training images, held-out ones and fakes; one row a run."""
    fig, axes = plt.subplots(len(found.runs), 1, figsize=(11, 2.4 * len(found.runs)), squeeze=False)
    colours = {"training images": plots.REAL, "held-out images": plots.SKY, "fakes": plots.FAKE}
    texts = []
    for ax, r in zip(axes[:, 0], found.runs, strict=True):
        low, high = _limits(torch.cat(list(r.logits.values())).tolist())
        bins = torch.linspace(low, high, 50).tolist()
        for name, x in r.logits.items():
            ax.hist(x.numpy(), bins=bins, density=True, histtype="step", lw=2, color=colours[name], label=name)
        medians = ", ".join(f"{k} {number(float(x.median()))}" for k, x in r.logits.items())
        ax.set_title(f"{short(r.name)}, medians: {medians}", fontsize=13)
        ax.set(yticks=[])
        ax.legend(loc="upper left", fontsize=11)
        texts.append(f"{r.name}: medians {medians}")
    axes[-1, 0].set_xlabel("D's logit: real to the right, fake to the left")
    return fig, f"Histograms of D's logits at the last step. {'; '.join(texts)}."


def classes(found: Summary):
    """Label accuracy and recall of each class of the conditional runs; None without one."""
    runs = [r for r in found.runs if r.accuracy]
    if not runs:
        return None
    labels = found.images.class_names
    fig, axes = plt.subplots(len(runs), 2, figsize=(11, len(runs) * (1 + 0.28 * len(labels))), squeeze=False)
    texts = []
    colour = {r.name: c for r, c in zip(found.runs, COLOURS, strict=False)}
    for pair, r in zip(axes, runs, strict=True):
        for ax, what, values in zip(pair, ("label accuracy", "recall"), (r.accuracy, r.recall), strict=True):
            plots.shares(ax, [short(c) for c in labels], *zip(*values, strict=True), [colour[r.name]] * len(labels))
            worst = lowest(values)
            end = "too few samples" if worst is None else f"lowest {number(values[worst].value)}, {labels[worst]}"
            ax.set_title(f"{short(r.name)}, {what}: {short_end(end)}", fontsize=12)
            texts.append(f"{r.name}, {what}: {end}")
    return fig, f"Shares of each class with 95 % intervals. {'; '.join(texts)}."


def short_end(text: str) -> str:
    return (text if len(text) <= 32 else text[:31] + "…").replace("$", r"\$")


def lowest(values) -> int | None:
    """Index of the lowest value that is a number."""
    known = [i for i, e in enumerate(values) if not math.isnan(e.value)]
    return min(known, key=lambda i: values[i].value) if known else None
