"""The doctor meets loops as strangers write them: another hand's networks, losses and style, with one fault or none.

    python benchmarks/strangers.py --variants 1 --seed 0     one loop of each kind, to look at (seeds 0 to 4)
    python benchmarks/strangers.py --variants 3              to measure (seeds from 100 on: nothing was tuned on them)
    python benchmarks/strangers.py --only moved_by_other     some kinds
    python benchmarks/strangers.py --without-step            without the step alone (both by default)

A kind changes one part of a `Loop`; whatever it leaves open is drawn from its name and the seed: the form of the loss,
the networks, the data and the style of the loop. Intervals are Wilson's, 95 %.

Sound code may still run into collapse. Whether it did is told by measures that the doctor does not use, of 500 fakes:
the classes that they reach (each has the label of the nearest of 2,000 real samples in pixels, of the ring its
Gaussian; a class counts from a fifth of a fair share on), and their energy distance to 500 real samples, in units of
that of one picture, the data's mean, again and again. A run has collapsed if its fakes reach at most a third of the
classes that real samples reach and that one picture would do as well (1 or more): both, since poor fakes may be of many
classes, and young ones of few. One of fewer than 100 steps has no outcome yet and counts as good. Where healthy code
has collapsed the right answer is "collapse" first, "healthy" is a collapse not seen, and all else, of the wiring above
all, is a false alarm there too. These runs are counted apart.

Goals: the right finding first in 0.9 of the sick loops with the step and in 0.5 without it; at most 1 healthy loop in
20 of good outcome called sick, with the step or without; none called healthy where something could not be examined; an
examination in at most 10 s.
"""

import argparse
import sys
import time
import warnings

import torch
from loops import KINDS, Loop, case
from torch import nn

from ganedu import doctor
from ganedu.metrics import energy_distance, wilson


def examined(given, want):
    """(right, blind, seconds, what came first); blind: called healthy though something could not be looked at."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = doctor.examine(**given)
    except Exception as e:
        return False, False, time.perf_counter() - start, f"RAISES {type(e).__name__}: {e}"[:90]
    looks = ("round", "flat", "far") if given.get("step") is not None else ("fake", "d_real")
    blind = report.healthy and any(getattr(report.case, look) is None for look in looks)
    blind = blind or (report.healthy and any("Error: " in why for why in report.skipped.values()))
    first = report[0].key if report else ""
    if not want:
        right, came = not report.sick, first if report.sick else ""
    else:
        right, came = first in want, first or "nothing"
    came += "" if report.healthy or report.sick or (right and want) else f" ({report.verdict[:110]})"
    return right, blind, time.perf_counter() - start, came + (" BLIND" if blind else "")


def outcome(loop: Loop, G: nn.Module) -> tuple[int, int, float]:
    """(classes that fakes reach, that real samples reach, energy distance), as the docstring above has them."""
    x, near = (loop.enter(t).float().flatten(1) for t in (loop.x[2000:2500], loop.x[:2000]))
    labels, fakes = loop.y[:2000], []
    with torch.no_grad():
        while sum(map(len, fakes)) < 500:
            z = loop.noise_G(50)
            y = (loop.asked(loop.y[torch.randint(len(loop.y), (len(z),))]),) if loop.labelled else ()
            fakes.append(G.train()(z, *y).float().flatten(1))
    fake = torch.cat(fakes)[:500]
    named = [labels[torch.cdist(t, near).argmin(1)].bincount(minlength=int(labels.max()) + 1) for t in (fake, x)]
    fair = 500 / int((named[1] > 0).sum())
    reached = [int((n >= fair / 5).sum()) for n in named]
    one = x.mean(0, keepdim=True).expand_as(x)
    return *reached, energy_distance(fake, x) / energy_distance(one, x)


def collapsed(loop: Loop, reached: int, of: int, energy: float) -> bool:
    return len(loop.history["loss_D"]) >= 100 and 3 * reached <= of and not energy < 1


def met(name: str, seed: int, ways, quick: bool):
    """(sort of loop, {way: (right, blind, seconds, note)}) of one loop, trained and examined."""
    want = KINDS[name][1]
    loop, words = case(name, seed)
    loop.steps = loop.steps // 4 if quick else loop.steps
    with warnings.catch_warnings():  # some of these faults are warned of
        warnings.simplefilter("ignore")
        given = loop.train()
    seen = {way: examined({**given, **({} if way == "with" else {"step": None})}, want) for way in ways}
    sort = "sick"
    if not want:
        measured = outcome(loop, given["G"])
        words += " ({} of {} classes, energy {:.2f})".format(*measured)
        sort = "collapsed" if collapsed(loop, *measured) else "healthy"
    if sort == "collapsed":
        words = f"COLLAPSED {words}"
        seen = {way: (came.split(" ")[0] == "collapse", *rest, came) for way, (_, *rest, came) in seen.items()}
    return sort, {
        way: (right, blind, took, f"{words}: {came or 'healthy'}" if not right or blind or sort == "collapsed" else "")
        for way, (right, blind, took, came) in seen.items()
    }


GOALS = {"sick": {"with": 0.9, "without": 0.5}, "healthy": {"with": 0.95, "without": 0.95}, "collapsed": {}}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the doctor on strangers' loops.")
    parser.add_argument("--variants", type=int, default=3, help="of each kind")
    parser.add_argument("--only", nargs="*", choices=KINDS, metavar="KIND", help="kinds by name")
    parser.add_argument("--seed", type=int, default=100, help="the first; those from 0 to 4 were looked at")
    parser.add_argument("--quick", action="store_true", help="one variant, a quarter as long")
    parser.add_argument("--without-step", action="store_true", help="examine without the step only")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ways = ("without",) if args.without_step else ("with", "without")
    tally, all_blind, slowest = {}, 0, 0.0
    print(f"{'the right one first':<40}{'runs':>22}{'share':>7}   95 %", flush=True)
    for name in args.only or KINDS:
        seen = {way: [] for way in ways}
        for seed in range(args.seed, args.seed + (1 if args.quick else args.variants)):
            sort, answers = met(name, seed, ways, args.quick)
            for way, (right, blind, took, note) in answers.items():
                seen[way].append((right, note))
                tally.setdefault((sort, way), []).append(right)
                all_blind, slowest = all_blind + blind, max(slowest, took)
        for way, cases in seen.items():
            hits, notes = sum(right for right, _ in cases), "; ".join(note for _, note in cases if note)
            want = "/".join(sorted(KINDS[name][1])) or "healthy"
            print(line(f"{name}: {want}, {way}", hits, len(cases), notes), flush=True)
    reached = not all_blind and slowest <= 10
    for (sort, way), rights in tally.items():
        goal = GOALS[sort].get(way)
        what = f"{sort} loops told rightly" if goal else "collapse of healthy code seen"
        print(line(f"{what}, {way} the step", sum(rights), len(rights), f"goal {goal}" if goal else ""))
        reached &= not goal or sum(rights) >= goal * len(rights)
    print(f"healthy though something could not be examined: {all_blind}; slowest examination {slowest:.1f} s; "
          f"goals {'reached' if reached else 'NOT reached'}")  # fmt: skip
    return 0 if reached else 1


def line(name: str, hits: int, n: int, note: str = "") -> str:
    low, high = wilson(hits, n)
    return f"{name:<62}{hits:4d} of {n:<4d}{hits / n:6.2f}   [{low:.2f}, {high:.2f}]   {note}"


if __name__ == "__main__":
    sys.exit(main())
