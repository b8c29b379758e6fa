"""The doctor's findings as short cards for a notebook, each with the picture that proves it.

A drawing takes an empty figure and a `doctor.Case`, and returns the text for those who cannot see it. It raises `Skip`,
or whatever somebody's data make it raise, where the picture cannot be drawn: the card then has words alone.
"""

import base64
import html
import io
import math
import textwrap
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from .. import plots
from ..metrics import nearest
from .checks import worst_class
from .watch import REPEATS, Skip
from .wiring import label_shares, pushes

SIZE, DPI = (3.6, 1.8), 80  # inches; small enough for five cards on a screen
STYLE = {"font.size": 9, "figure.titlesize": 10, "lines.linewidth": 1.2, "legend.frameon": False,
         "legend.handlelength": 1, "axes.spines.top": False, "axes.spines.right": False}  # fmt: skip


def page(report) -> str:
    """HTML of a `doctor.Report`: its verdict, a card a finding, and what could not be looked at."""
    e = html.escape
    skipped = "; ".join(f"{e(k)} ({e(v)})" for k, v in report.skipped.items())
    parts = [f"<p><b>{e(report.verdict)}</b></p>", *(card(f, report.case) for f in report)]
    return "".join(parts) + (f"<p>Not looked at: {skipped}</p>" if skipped else "")


def card(finding, case) -> str:
    """HTML of one finding, orange where it makes a run sick and grey for a remark; `case` None: without a picture."""
    e, entry, image = html.escape, finding.entry, ""
    try:
        data, alt = picture(finding.key, case)
        source = base64.b64encode(data).decode()
        image = f'<img alt="{e(alt)}" src="data:image/png;base64,{source}" style="float:right;margin:0 0 0 14px">'
    except Exception:  # material is missing, or of a kind that nobody thought of: the words stand without it
        pass
    colour = "#d55e00" if finding.sick else "#999999"
    return (f'<div style="border-left:4px solid {colour};padding:2px 10px;margin:8px 0;overflow:auto">{image}'
            f"<b>{e(entry.title)}</b><br>{e(finding.seen)} {e(entry.why)}<br>Try first: {e(entry.first)} "
            f"<i>Notebook {e(entry.notebook)}.</i></div>")  # fmt: skip


def picture(key: str, case) -> tuple[bytes, str]:
    """(PNG, its text) that shows the finding `key`. Raises `Skip` where there is nothing to draw or draw it from."""
    if case is None or key not in DRAWINGS:
        raise Skip(f"no picture of {key}")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        fig = Figure(SIZE, dpi=DPI, layout="constrained")  # not pyplot's, which would keep it open
        text = DRAWINGS[key](fig, case)
        fig.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue(), " ".join(text.split())


def _title(fig, title: str) -> None:
    """Over the whole figure, in as many lines as its width asks for."""
    fig.suptitle("\n".join(textwrap.wrap(title, 46)), x=0.01, ha="left")


def _legend(ax, **kw) -> None:
    """Beside the axes, so that it never hides a bar or a curve."""
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), **kw)


def _histogram(fig, title: str, x_real: Tensor, x_fake: Tensor, xlabel: str, limits=None, log=False) -> str:
    real, fake = (plots.array(x.float().flatten()) for x in (x_real, x_fake))
    low, high = limits or (float(min(real.min(), fake.min())), float(max(real.max(), fake.max())))
    if high - low < 0.1:  # all at one place: show it as a place, not as a spread
        low, high = low - 1, high + 1
    ax = fig.subplots()
    for x, colour, label in ((real, plots.REAL, "real"), (fake, plots.FAKE, "fake")):
        counts, edges = np.histogram(x, 41, (low, high))
        ax.stairs(counts / len(x), edges, fill=True, color=colour, alpha=0.6, label=label)
    ax.set(xlabel=xlabel, ylabel="share", **({"yscale": "log", "ylim": (1e-4, 1.5)} if log else {}))
    _legend(ax)
    _title(fig, title)
    return (f"{title}. Two histograms of {xlabel}: real from {real.min():.3g} to {real.max():.3g}, mean "
            f"{real.mean():.3g}; fake from {fake.min():.3g} to {fake.max():.3g}, mean {fake.mean():.3g}.")  # fmt: skip


def _pixels(fig, case) -> str:
    """As they enter D in its own step, where a step could be watched."""
    pair = [case.round.rows("D", fake)[0] for fake in (False, True)] if case.round is not None else []
    if not pair or not all(len(x) for x in pair):
        pair = case.need("x_real", "fake")
    ends = [float(v) for x in pair for v in (x.min(), x.max())]
    title = "Pixels: real {:.2g} to {:.2g}, fake {:.2g} to {:.2g}".format(*ends)
    return _histogram(fig, title, *pair, "pixel values as they enter D", log=True)


def _outputs(fig, case, title: str, limits=None) -> str:
    """`title` may name {real} and {fake}, the mean outputs, and {low}, {high}, the ends of all."""
    d_real, d_fake = case.need("d_real", "d_fake")
    both = torch.cat([d_real.flatten(), d_fake.flatten()])
    title = title.format(real=float(d_real.mean()), fake=float(d_fake.mean()), low=float(both.min()),
                         high=float(both.max()))  # fmt: skip
    return _histogram(fig, title, d_real, d_fake, "D's output", limits)


def _curves(fig, case, names, title: str, second_half=False, symlog=False) -> str:
    """Records whose names hold one of `names`; values that are not finite are marked."""
    found = {k: v for k, v in case.history.items() if any(n in k.lower() for n in names)}
    if not found:
        raise Skip("no such records")
    ax = fig.subplots()
    for (name, values), other in zip(found.items(), plots.CYCLE[2:] * len(found), strict=False):
        colour = {"loss_D": plots.DISC, "loss_G": plots.FAKE, "d_real": plots.REAL, "d_fake": plots.FAKE}
        y = plots.array(torch.tensor(values, dtype=torch.float64))
        x = range(1, len(y) + 1)
        start = len(y) // 2 if second_half else 0
        ax.plot(x[start:], y[start:], color=colour.get(name, other), label=name)
        bad = [i for i in x if not math.isfinite(y[i - 1])]
        if bad:
            ax.axvline(bad[0], color="black", ls=":", label="not finite")
    if symlog:
        ax.set_yscale("symlog")
        ax.locator_params(axis="y", numticks=5)
    ax.set(xlabel="record", ylabel="value")
    _legend(ax)
    _title(fig, title)
    return f"{title}. Curves of {', '.join(found)} over {max(map(len, found.values()))} records."


def _not_finite(fig, case) -> str:
    for name, values in case.history.items():
        bad = [i for i, v in enumerate(values, 1) if not math.isfinite(v)]
        if bad:
            return _curves(fig, case, (name.lower(),), f"{name} is finite up to record {bad[0] - 1}", symlog=True)
    raise Skip("every record is finite")


def _no_limit(fig, case) -> str:
    if {"d_real", "d_fake"} <= case.history.keys():
        return _curves(fig, case, ("d_real", "d_fake"), "Nothing holds D's scores in a range")
    return _outputs(fig, case, "D's scores run from {low:.2g} to {high:.2g}")


def _bars(fig, title: str, bars: dict[str, tuple[float, str]], xlabel: str, values=True, log=False):
    """Horizontal bars, {name: (value, colour)}, with their values written at their ends."""
    ax = fig.subplots()
    lengths = [v if math.isfinite(v) else 0 for v, _ in bars.values()]
    drawn = ax.barh(list(bars), lengths, color=[c for _, c in bars.values()], log=log)
    if not log:
        ax.set(xticks=[])
    if values:
        ax.bar_label(drawn, [f"{v:.2g}" for v, _ in bars.values()], padding=3)
        ax.margins(x=0.2)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel)
    _title(fig, title)
    return ax


def _signs(fig, case, title: str, unseen=None) -> str:
    """Which way each loss pushes D's logit, and which way a healthy one does; `unseen` draws where no step is known."""
    if case.flat is None and unseen is not None:
        return unseen(fig, case)
    values = [0.0 if math.isnan(v) else v for v in pushes(case)]
    top = max(map(abs, values)) or 1.0
    colours = (plots.REAL, plots.FAKE, plots.FAKE)
    names = ("D's loss, on real", "D's loss, on fakes", "G's loss, on fakes")
    bars = {n: (v / top, c) for n, v, c in zip(names, values, colours, strict=True)}
    ax = _bars(fig, title, bars, "push on D's logit; triangles: healthy", values=False)
    ax.axvline(0, color="black", lw=0.8)
    for i, way in enumerate((1, -1, 1)):
        ax.plot(1.2 * way, i, marker=">" if way > 0 else "<", color="none", mec=plots.GREY, ms=7)
    ax.set(xlim=(-1.4, 1.4), xticks=[-0.7, 0, 0.7], xticklabels=["down", "none", "up"])
    ways = ("up" if v > 0 else "down" if v < 0 else "not at all" for v in values)
    seen = "; ".join(f"{n}: {w}" for n, w in zip(names, ways, strict=True))
    return f"{title}. Bars of the push on D's logit: {seen}. Healthy is up, down, up."


def _moved(fig, case) -> str:
    (r,) = case.need("round")
    still = [f"{name}'s weights" for name in ("G", "D") if r.moved[name] == 0]
    title = f"{' and '.join(still)} stay where they were" if still else "A loss moves the other player's weights"
    bars = {"G, by any loss": (r.moved["G"], plots.FAKE), "G, by D's loss": (r.by_other["G"], plots.FAKE),
            "D, by any loss": (r.moved["D"], plots.DISC), "D, by G's loss": (r.by_other["D"], plots.DISC)}  # fmt: skip
    _bars(fig, title, bars, f"largest change of a weight in {REPEATS} steps")
    return f"{title}. Largest changes of a weight: " + "; ".join(f"{k} {v:.2g}" for k, (v, _) in bars.items()) + "."


def _exploding(fig, case) -> str:
    (r,) = case.need("round")
    title = "{1}'s gradient has a norm of {0:.2g}".format(*max((v, k) for k, v in r.norms.items()))
    bars = {f"of {k}": (v, plots.FAKE if k == "G" else plots.DISC) for k, v in sorted(r.norms.items(), reverse=True)}
    _bars(fig, title, bars, "norm of the gradient; dotted: 10,000", log=True).axvline(1e4, color="black", ls=":")
    return f"{title}. Norms of the gradient: " + "; ".join(f"{k} {v:.2g}" for k, (v, _) in bars.items()) + "."


def _labels(fig, case, title="Real and fake come with different labels") -> str:
    p, q = map(plots.array, label_shares(case))
    ax, k = fig.subplots(), np.arange(len(p))
    ax.bar(k - 0.2, p, 0.4, color=plots.REAL, label="with real")
    ax.bar(k + 0.2, q, 0.4, color=plots.FAKE, label="with fakes")
    ax.set(xlabel="label given to D", ylabel="share", xticks=k if len(k) <= 12 else k[:: len(k) // 6])
    _legend(ax)
    _title(fig, title)
    return f"{title}. Most frequent label with real {int(p.argmax())}, with fakes {int(q.argmax())}."


def _strips(fig, title: str, rows: dict[str, Tensor], case, columns: int = 6, deep: int = 1) -> str:
    """Images in rows, each with its name; grey levels are those of the data's range."""
    if any(x.ndim != 4 or not len(x) for x in rows.values()):
        raise Skip("only images are shown in rows")
    low, high = float(case.x_real.min()), float(case.x_real.max())
    for ax, (name, x) in zip(fig.subplots(len(rows), 1, squeeze=False)[:, 0], rows.items(), strict=True):
        x = x[: columns * deep, : 3 if x.shape[1] >= 3 else 1].float()
        plots.images(ax, (x - low) / max(high - low, 1e-12) * 2 - 1, columns)
        ax.text(-0.02, 0.5, name, transform=ax.transAxes, ha="right", va="center")
    _title(fig, title)
    return f"{title}. Rows of images: {', '.join(rows)}."


def _samples(fig, case, title: str) -> str:
    """Real samples and fakes: two rows of images each, or points in the plane."""
    x_real, fake = case.need("x_real", "fake")
    if case.images:
        return _strips(fig, title, {"real": x_real, "fake": fake}, case, columns=10, deep=2)
    x_real, fake = (x[:, :2].float() for x in (x_real, fake))
    ax = plots.points(fig.subplots(), x_real, fake, 1.1 * float(torch.cat([x_real, fake]).abs().max()))
    ax.set(xticks=[], yticks=[])
    _legend(ax, markerscale=2)
    _title(fig, title)
    spreads = " and ".join(f"{float(x.std(0).mean()):.2g}" for x in (x_real, fake))
    return f"{title}. Points in the plane; spreads of real and fake are {spreads}."


def _in_class(fig, case) -> str:
    x_real, fake = case.need("x_real", "fake")
    _, c, of_fake = worst_class(case)
    rows = {"real": x_real[case.labels == c], "fake": fake[of_fake == c]}
    return _strips(fig, f"In class {c} the fakes look alike", rows, case, columns=10, deep=2)


def _wrong_shape(fig, case) -> str:
    rows = dict(zip(("real", "fake"), case.need("x_real", "fake"), strict=True))
    title = "Real is {} × {} pixels, fake {} × {}".format(*(n for x in rows.values() for n in x.shape[-2:]))
    high, wide = (max(x.shape[i] for x in rows.values()) for i in (-2, -1))
    white = float(rows["real"].max())  # around the smaller ones
    rows = {k: nn.functional.pad(x[:6], (0, wide - x.shape[-1], 0, high - x.shape[-2]), value=white)
            for k, x in rows.items()}  # fmt: skip
    return _strips(fig, title, rows, case)


def _rows(fig, case, title: str, columns: int = 6, deep: int = 1, **rows: str) -> str:
    """`rows` say which of the Case's images stand in each row: name="attribute"."""
    return _strips(fig, title, dict(zip(rows, case.need(*rows.values()), strict=True)), case, columns, deep)


def _memorised(fig, case) -> str:
    fake, x_real = case.need("fake", "x_real")
    x_real = x_real.unique(dim=0)
    distance, which = nearest(fake.flatten(1), x_real.flatten(1))
    best = {int(which[i]): int(i) for i in distance.argsort(descending=True)}  # of each image the closest fake
    closest = sorted(best.values(), key=lambda i: distance[i])[:6]
    rows = {"fake": fake[closest], "nearest\nreal": x_real[which[closest]]}
    return _strips(fig, "Fakes over their nearest training images", rows, case)


def _noise(fig, case) -> str:
    """Two coordinates of the latents in two steps: where crosses sit in circles, they are the same."""
    (r,) = case.need("round")
    title = "The second step's latents are the first's"
    first, second = (torch.cat([z.flatten(1) for z in zs])[:40, :2].float() for zs in r.z[:2])
    ax = fig.subplots()
    ax.plot(*plots.array(first).T, "o", color="none", mec=plots.GREY, ms=8, label="first step")
    ax.plot(*plots.array(second).T, "x", color=plots.FAKE, ms=5, label="second step")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    _legend(ax)
    _title(fig, title)
    return f"{title}. Circles and crosses in the plane of two latents: a cross in each circle."


DRAWINGS = {
    "wrong_shape": _wrong_shape,
    "not_updated": _moved,
    "no_structure": partial(_rows, title="The real images that D is given are noise", columns=8, deep=3, real="x_real"),
    "label_leak": _labels,
    "no_adversary": partial(_signs, title="G's loss does not push D's logit at all"),
    "moved_by_other": _moved,
    "fakes_ignored": partial(_signs, title="D's loss does not push fakes at all"),
    "cooperation": partial(
        _signs, title="On fakes both losses push the same way",
        unseen=partial(_curves, names=("loss_d", "loss_g"), title="Both players have what they want"),
    ),
    "exchanged": partial(
        _signs, title="D's loss lowers real and raises fakes",
        unseen=partial(_outputs, title="D gives fakes the higher output"),
    ),
    "double_sigmoid": partial(_outputs, title="D ends in a sigmoid: {low:.2f} to {high:.2f}", limits=(0, 1)),
    "critic_ends_in_sigmoid": partial(_outputs, title="D's scores cannot leave {low:.2f} to {high:.2f}"),
    "real_pushed_down": partial(_signs, title="D's loss lowers real samples as well"),
    "condition_constant": partial(_labels, title="D is told of one label alone"),
    "giveaway": partial(_rows, title="The border gives the real images away", real="x_real", fakes="fake"),
    "batchnorm_at_output": partial(_samples, title="Every batch has the same mean and spread"),
    "range_mismatch": _pixels,
    "condition_ignored": partial(_rows, title="Other labels give the same images", labels="fake", others="again"),
    "fixed_noise": _noise,
    "unbounded_output": _pixels,
    "no_limit": _no_limit,
    "not_finite": _not_finite,
    "collapse": partial(_samples, title="The fakes look alike"),
    "collapse_in_class": _in_class,
    "vanishing": partial(_outputs, title="D is sure: {real:.2g} on real, {fake:.2g} on fakes"),
    "exploding": _exploding,
    "memorised": _memorised,
    "d_winning": partial(_outputs, title="D's outputs on real and fake lie apart"),
    "d_idle": partial(_outputs, title="D says {real:.2g} to all samples"),
    "stale_statistics": partial(_rows, title="The same latents give other images", train="fake", eval="settled"),
    "oscillation": partial(_curves, names=("loss",), title="The losses swing, in the second half", second_half=True),
}  # fmt: skip
IN_WORDS = (
    "leftover_gradient",
    "eval_mode",
    "wasted_gradient",
    "part_never_moves",
    "step_raises_inplace",
    "loss_broadcasts",
    "double_softmax",
    "loss_of_the_mean",
    "target_outside_0_1",
    "fakes_smoothed",
    "mixed_batch_batchnorm",
    "latents_differ",
    "penalty_wrong",
    "few_images",
    "history_keeps_graph",
)  # findings that no picture shows
