"""What the Trainer costs: its steps a second as a share of those of the plain loop of `train_step`, without records.

The two take turns, in an order that alternates, on equal players and data; each share is the median over the rounds.
The Trainer also fetches records (every 50 steps), checks that they are finite, and counts seconds; with ema it keeps
the running average too.
"""

import argparse
import statistics
import time
from functools import partial

import torch

from ganedu import data
from ganedu.models import DCDiscriminator, DCGenerator, MLPDiscriminator, MLPGenerator
from ganedu.sampling import seeded
from ganedu.steps import train_step
from ganedu.toys import densities
from ganedu.training import Trainer


def points():
    return MLPGenerator(2), MLPDiscriminator(), densities.ring().sample, 128


def images():
    return DCGenerator(), DCDiscriminator(), data.load("digits").sample, 64


CASES = {"MLP in the plane, width 64, batch 128": (points, 400), "DCGAN at 28 pixels, width 8, batch 64": (images, 60)}


def adam(module):
    return torch.optim.Adam(module.parameters(), 1e-3, betas=(0.5, 0.9))


def game(make):
    """(players, step, data, batch size), equal every time."""
    with seeded(0):
        G, D, draw, batch_size = make()
    players = {"G": G, "D": D, "opt_G": adam(G), "opt_D": adam(D)}
    return players, partial(train_step, z_dim=G.z_dim), draw, batch_size


def plain(make, steps: int) -> float:
    """Steps a second of the bare loop."""
    players, step, draw, batch_size = game(make)
    step(draw(batch_size), **players)  # the first step also allocates
    start = time.perf_counter()
    for _ in range(steps):
        step(draw(batch_size), **players)
    return steps / (time.perf_counter() - start)


def trained(make, steps: int, ema: float | None = None) -> float:
    """Steps a second of the Trainer."""
    players, step, draw, batch_size = game(make)
    run = Trainer(step, players, draw, batch_size=batch_size, ema=ema, precision="no")
    list(run.run(steps=1))
    start = time.perf_counter()
    for _ in run.run(steps=1 + steps, every=50):
        pass
    return steps / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed (9)")
    rounds = parser.parse_args().rounds
    ways = {"plain loop": plain, "Trainer": trained, "Trainer with ema": partial(trained, ema=0.99)}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, median of {rounds} rounds")
    for name, (make, steps) in CASES.items():
        speeds = {way: [] for way in ways}
        for i in range(rounds):
            for way in list(ways)[:: 1 if i % 2 else -1]:
                speeds[way].append(ways[way](make, steps))
        print(f"\n{name}")
        for way, values in speeds.items():
            share = statistics.median(v / p for v, p in zip(values, speeds["plain loop"], strict=True))
            print(f"  {way:<18}{statistics.median(values):8.0f} steps/s   {share:.2f} of the plain loop")


if __name__ == "__main__":
    main()
