"""Does the doctor name the right cause first, and leave healthy runs alone?

    python benchmarks/doctor.py --quick              a few runs of each
    python benchmarks/doctor.py --runs 20            twenty of each patient (half an hour on one core)
    python benchmarks/doctor.py --only D1 E3         some patients
    python benchmarks/doctor.py --only none          healthy runs alone
    python benchmarks/doctor.py --without-step       networks, data and records alone: what can be told without wiring

Runs go through the data sets where a fault can exist, two widths and fresh seeds (100 on: the thresholds were set on
0 to 4). Intervals are Wilson's, 95 %. Healthy runs: plain and conditional, at their beginning, half-way and at their
end; Wasserstein critics with penalty, clipping or spectral norm; discriminators that are strong (four times as wide, or
four times the rate); R1; minimax, least squares, hinge and relativistic losses.
Goals: the right finding first in 0.8 of each patient's runs and in 0.9 of all; at most 5 of 100 healthy runs sick; an
examination in at most 10 s.
"""

import argparse
import sys
import time
from functools import partial

import torch

from ganedu import doctor, losses, models, steps
from ganedu.doctor import patients
from ganedu.metrics import wilson

WIDTHS = {"ring": (32, 96), "digits": (6, 10), "fashion": (6, 10), "shapes": (6, 10)}


def line(name: str, hits: int, n: int, note: str = "") -> str:
    low, high = wilson(hits, n)
    return f"{name:<48}{hits:4d} of {n:<4d}{hits / n:6.2f}   [{low:.2f}, {high:.2f}]   {note}"


def trained(run: patients.Run, where: str, share: float = 1.0) -> patients.Run:
    try:
        return run.train(max(1, int(share * patients.STEPS[where])))
    except ValueError:  # images of the wrong size cannot be trained on
        return run


def examine(run: patients.Run, without_step: bool = False) -> tuple[doctor.Report, float]:
    start = time.perf_counter()
    report = doctor.examine(**{**run.material(), **({"step": None} if without_step else {})})
    return report, time.perf_counter() - start


def with_step(run: patients.Run, **settings) -> patients.Run:
    """The run with the course's own step in place of the clinic's; `settings` such as loss and penalty."""
    run.step = partial(steps.train_step, z_dim=run.z_dim, **settings)
    return run


def clipped(run: patients.Run) -> patients.Run:
    """A Wasserstein critic whose weights are cut to [-c, c] after each step."""
    inner, c = partial(steps.train_step, z_dim=run.z_dim, loss=losses.wasserstein), 0.1 if run.z_dim == 2 else 0.01

    def step(x_real, **players):
        seen = inner(x_real, **players)
        with torch.no_grad():
            for p in players["D"].parameters():
                p.clamp_(-c, c)
        return seen

    run.step = step
    return run


def spectral(run: patients.Run) -> patients.Run:
    """A Wasserstein critic under spectral norm."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        models.spectral_norm(run.D)
    run.opt_D = torch.optim.Adam(run.D.parameters(), 1e-3, betas=(0.5, 0.9))
    return with_step(run, loss=losses.wasserstein)


def strong(run: patients.Run, how: str, width: int) -> patients.Run:
    """A discriminator four times as wide, or with four times the learning rate."""
    if how == "wide":
        with torch.random.fork_rng():
            torch.manual_seed(run.seed)
            if isinstance(run.D, models.MLPDiscriminator):
                run.D = models.MLPDiscriminator(width=4 * width)
            else:
                run.D = models.DCDiscriminator(run.D.image_size, run.D.shape[0], 4 * width)
        run.opt_D = torch.optim.Adam(run.D.parameters(), run.opt_G.param_groups[0]["lr"], betas=(0.5, 0.99))
    for group in run.opt_D.param_groups:
        group["lr"] *= 4 if how == "fast" else 1
    return run


KINDS = {
    "beginning": lambda run, w: (run, 0.03),
    "quarter of the way": lambda run, w: (run, 0.25),
    "end": lambda run, w: (run, 1.0),
    "Wasserstein with penalty": lambda run, w: (with_step(run, loss=losses.wasserstein, penalty=losses.wgan_gp), 1.0),
    "Wasserstein, early": lambda run, w: (with_step(run, loss=losses.wasserstein, penalty=losses.wgan_gp), 0.1),
    "Wasserstein with clipping": lambda run, w: (clipped(run), 0.5),
    "Wasserstein with spectral norm": lambda run, w: (spectral(run), 0.5),
    "wide discriminator": lambda run, w: (strong(run, "wide", w), 0.5),
    "fast discriminator": lambda run, w: (strong(run, "fast", w), 1.0),
    "R1": lambda run, w: (with_step(run, penalty=partial(losses.r1, gamma=0.1)), 0.5),
    "minimax": lambda run, w: (with_step(run, loss=losses.minimax), 0.5),
    "least squares": lambda run, w: (with_step(run, loss=losses.least_squares), 0.5),
    "hinge": lambda run, w: (with_step(run, loss=losses.hinge), 0.5),
    "relativistic": lambda run, w: (with_step(run, loss=losses.relativistic), 0.5),
    "conditional": lambda run, w: (run, 0.5),
}


def healthy_runs(n: int, first_seed: int, without_step: bool) -> tuple[int, float]:
    """Prints how many of `n` runs of mixed kinds are called sick, by kind; returns (that number, slowest seconds)."""
    sick, slowest, by_kind = 0, 0.0, {}
    for i in range(n):
        kind = list(KINDS)[i % len(KINDS)]
        choices = patients.IMAGES if kind == "conditional" else patients.EVERYWHERE
        where = choices[(i // len(KINDS)) % len(choices)]
        width = WIDTHS[where][(i // 2) % 2]
        run = patients.healthy(where, first_seed + i, width, conditional=kind == "conditional")
        run, share = KINDS[kind](run, width)
        report, seconds = examine(trained(run, where, share), without_step)
        slowest = max(slowest, seconds)
        tally = by_kind.setdefault(kind, [0, 0, []])
        tally[1] += 1
        if not report.healthy:
            sick += 1
            tally[0] += 1
            tally[2].append(f"{where}: {report[0].key}")
    for kind, (hits, runs, why) in by_kind.items():
        print(line(f"healthy, {kind}", hits, runs, "; ".join(why)), flush=True)
    return sick, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the doctor on patients and healthy runs.")
    parser.add_argument("--runs", type=int, default=12, help="of each patient")
    parser.add_argument("--healthy", type=int, default=100)
    parser.add_argument("--only", nargs="*", help="patients by key; none of them: --only none")
    parser.add_argument("--seed", type=int, default=100, help="the first; those from 0 to 4 were tuned on")
    parser.add_argument("--quick", action="store_true", help="4 runs of each patient, 12 healthy, a quarter as long")
    parser.add_argument("--without-step", action="store_true", help="examine networks, data and records alone")
    args = parser.parse_args()
    share = 0.25 if args.quick else 1.0
    if args.quick:
        args.runs, args.healthy = 4, 12
    total = right = 0
    slowest, reached = 0.0, True
    print(f"{'called first':<48}{'runs':>12}{'share':>6}   95 %")
    for key, p in patients.PATIENTS.items():
        if args.only is not None and key not in args.only:
            continue
        hits, wrong = 0, []
        for i in range(args.runs):
            where = p.where[i % len(p.where)]
            width = WIDTHS[where][(i // len(p.where)) % 2]
            run = trained(patients.patient(key, where, args.seed + i, width), where, share)
            report, seconds = examine(run, args.without_step)
            slowest = max(slowest, seconds)
            first = report[0].key if report else "nothing"
            hits += first == p.finding
            wrong += [] if first == p.finding else [f"{where}: {first}"]
        total, right = total + args.runs, right + hits
        reached &= hits >= 0.8 * args.runs
        print(line(f"{key} {p.title}: {p.finding}", hits, args.runs, "; ".join(wrong)), flush=True)
    if total:
        print(line("all patients", right, total))
        reached &= right >= 0.9 * total
    if args.healthy:
        sick, slow = healthy_runs(args.healthy, args.seed + 1000, args.without_step)
        slowest, reached = max(slowest, slow), reached and sick <= 0.05 * args.healthy
        print(line("healthy runs called sick", sick, args.healthy))
    print(f"slowest examination {slowest:.1f} s; goals {'reached' if reached and slowest <= 10 else 'NOT reached'}")
    return 0 if reached and slowest <= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
