"""Small runs that several tests train: each takes milliseconds a step and holds something that resuming can lose."""

from functools import partial

import torch

from ganedu import losses, models
from ganedu.sampling import seeded
from ganedu.steps import cgan_step, train_step
from ganedu.toys import densities
from ganedu.training import Trainer, constant

Z, BATCH, CLASSES = 4, 12, 3


def uniform_images(n):
    return torch.rand(n, 1, 16, 16) * 2 - 1


def uniform_labelled(n):
    return uniform_images(n), torch.randint(CLASSES, (n,))


def adam(module):
    return torch.optim.Adam(module.parameters(), 2e-3, betas=(0.5, 0.9))


def points():
    """Two-layer perceptrons on the ring; a penalty, two steps of D, and momentum in place of Adam's moments for G."""
    G, D = models.MLPGenerator(Z, width=8), models.MLPDiscriminator(width=8)
    players = {"G": G, "D": D, "opt_G": torch.optim.SGD(G.parameters(), 1e-2, momentum=0.9), "opt_D": adam(D)}
    return players, densities.ring().sample, partial(train_step, z_dim=Z, penalty=losses.wgan_gp, n_critic=2)


def images():
    """A DCGAN with batch norm, its discriminator under spectral norm."""
    G, D = models.build("dcgan", image_size=16, z_dim=Z, width=2)
    models.spectral_norm(D)
    return {"G": G, "D": D, "opt_G": adam(G), "opt_D": adam(D)}, uniform_images, partial(train_step, z_dim=Z)


def labelled():
    """A conditional DCGAN."""
    G, D = models.build("cgan", image_size=16, z_dim=Z, width=2, n_classes=CLASSES)
    players = {"G": G, "D": D, "opt_G": adam(G), "opt_D": adam(D)}
    return players, uniform_labelled, partial(cgan_step, z_dim=Z, loss=losses.hinge)


GAMES = {"points": points, "images": images, "labelled": labelled}


def game(kind, seed=0):
    """(players, data, step), equal for equal seeds."""
    with seeded(seed):
        return GAMES[kind]()


def trainer(kind="points", *, seed=0, ema=None, schedule=constant, **changed):
    """A Trainer of one of the games; `changed` puts another step or data in its place, or adds settings."""
    players, data, step = game(kind, seed)
    settings = {"step": step, "players": players, "data": data, "batch_size": BATCH, "precision": "no"}
    return Trainer(**{**settings, **changed}, seed=seed, ema=ema, schedule=schedule)


def train(run, steps, every=5):
    """Train to `steps`; returns the trainer."""
    for _ in run.run(steps=steps, every=every):
        pass
    return run


def state(run) -> dict:
    """Everything that may not differ between two equal runs, as plain numbers that == compares exactly."""
    optimisers = {name: optimiser.state_dict()["state"] for name, optimiser in run.optimisers.items()}
    modules = {name: dict(module.state_dict()) for name, module in run.modules.items()}
    ema = None if run.ema is None else dict(run.ema.state_dict())
    return numbers({"modules": modules, "optimisers": optimisers, "ema": ema, "rng": run._rng, "step": run.step,
                    "history": run.history})  # fmt: skip


def numbers(tree):
    """Tensors within dicts and lists as lists of numbers."""
    if isinstance(tree, dict):
        return {k: numbers(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [numbers(v) for v in tree]
    return tree.tolist() if torch.is_tensor(tree) else tree
