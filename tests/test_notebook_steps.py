"""A step that a notebook writes out (a cell tagged `step-source`) is the package's step of that name, number by number.

The cell's function and `ganedu.steps`' play the same three rounds from equal weights, batches and random numbers.
"""

import ast
import inspect
import re
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch

from ganedu import models, steps
from ganedu.course import notebooks
from ganedu.topics import cyclegan, gain, infogan, perceptual, pix2pix, restoration, vae

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob(notebooks.PATTERN))
ROOMS = (steps, cyclegan, gain, infogan, perceptual, pix2pix, restoration, vae)
N, CLASSES, Z, ROUNDS = 6, 3, 4, 3


def imports(notebook) -> list[ast.stmt]:
    """The import statements of the notebook's code cells, wherever they stand."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)  # the install line for Colab
            found += [n for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return found


def written_out():
    """(notebook, name of the step, the cell's function) of every cell tagged `step-source`."""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "step-source" in cell.metadata.get("tags", []):
                namespace = {}
                body = ast.parse(cell.source).body
                exec(compile(ast.Module([*imports(notebook), *body], []), path.name, "exec"), namespace)
                names = [n.name for n in body if isinstance(n, ast.FunctionDef)]
                yield from (pytest.param(namespace[n], n, id=f"{path.stem}-{n}") for n in names)


def players(conditional: bool, heads: bool, coded: bool = False) -> dict:
    """Small DCGANs in float64 with their optimisers; equal at every call. `coded`: with InfoGAN's code."""
    torch.manual_seed(0)
    condition = {"n_classes": CLASSES, "condition": "acgan" if heads else "projection"} if conditional else {}
    G = models.DCGenerator(16, 1, Z, width=2, **condition).double()
    D = models.DCDiscriminator(16, 1, width=2, **condition).double()
    more = {"code": infogan.Code(classes=2, numbers=1)} if coded else {}
    if coded:
        G = infogan.CodedGenerator(G, more["code"])
        D = infogan.CodedDiscriminator(D, more["code"]).double()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-2, betas=(0.5, 0.99)) for m in (G, D))
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D, **more}


def vae_players() -> dict:
    torch.manual_seed(0)
    E, G = vae.Encoder(16, 1, Z, width=2).double(), models.DCGenerator(16, 1, Z, width=2).double()
    return {"E": E, "G": G, "opt": torch.optim.Adam([*E.parameters(), *G.parameters()], 1e-2)}


def translators() -> dict:
    """A U-Net and its D of patches in float64 with their optimisers."""
    torch.manual_seed(0)
    G, D = pix2pix.UNet(width=4).double(), pix2pix.PatchDiscriminator(width=4).double()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-2, betas=(0.5, 0.99)) for m in (G, D))
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}


def two_way_translators() -> dict:
    """Translators both ways and their two D of patches in float64, with one optimiser a side."""
    torch.manual_seed(0)
    G, F = (cyclegan.Translator(1, width=4, blocks=1).double() for _ in range(2))
    D_A, D_B = (pix2pix.PatchDiscriminator(1, width=4, outline=False).double() for _ in range(2))
    sides = {"opt_G": [*G.parameters(), *F.parameters()], "opt_D": [*D_A.parameters(), *D_B.parameters()]}
    opts = {name: torch.optim.Adam(side, 1e-2, betas=(0.5, 0.99)) for name, side in sides.items()}
    return {"G": G, "F": F, "D_A": D_A, "D_B": D_B, **opts}


def drawers() -> dict:
    """A fixed linear encoder, G and D in float64 with their optimisers; a distance in pixels and D's features."""
    torch.manual_seed(0)
    E = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, Z)).double().requires_grad_(False)
    settings = {"at": (1, 4), "feature_weight": 0.7, "gan_weight": 0.3}
    pixels = partial(perceptual.feature_distance, net=perceptual.PIXELS, at=(0,), scale=[0.5])
    return {**players(False, False), "E": E, "distance": pixels, **settings}


def restorers() -> dict:
    """A network with noise inside and its D in float64, with every term of the loss in use."""
    torch.manual_seed(0)
    G, D = restoration.Restorer(width=4, z_dim=2).double(), pix2pix.PatchDiscriminator(width=4).double()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-2, betas=(0.5, 0.99)) for m in (G, D))
    terms = {"features": torch.tanh, "feature_weight": 0.5, "gan_weight": 0.3, "answers": 2}
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D, **terms}


def regression() -> dict:
    torch.manual_seed(0)
    G = restoration.Restorer(width=4).double()
    return {"G": G, "opt_G": torch.optim.Adam(G.parameters(), 1e-2)}


def table_fillers() -> dict:
    """GAIN's players of tables with five columns, in two worlds and float64."""
    torch.manual_seed(0)
    G, D = gain.Player(5, 2, fills=True).double(), gain.Player(5, 2).double()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-2) for m in (G, D))
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D, "alpha": 10.0, "game": 0.5}


def team(name: str, conditional: bool) -> dict:
    """The players of the package's step of that name, and z_dim where it draws z itself."""
    others = {
        "vae_step": vae_players, "pix2pix_step": translators, "cyclegan_step": two_way_translators,
        "autoencoder_step": drawers, "restore_step": restorers, "pixel_step": regression, "gain_step": table_fillers,
    }  # fmt: skip
    if name in others:
        return others[name]()
    return {**players(conditional, name == "acgan_step", name == "infogan_step"), "z_dim": Z}


def play(step, name: str, conditional: bool) -> tuple[list[dict], dict]:
    game = team(name, conditional)
    torch.manual_seed(1)
    records = []
    for _ in range(ROUNDS):
        x_real, labels = torch.rand(N, 1, 16, 16) * 2 - 1, torch.randint(CLASSES, (N,))
        batch = (x_real, labels) if conditional else (x_real,)
        if name in ("pix2pix_step", "cyclegan_step", "restore_step", "pixel_step"):
            batch = (x_real, torch.rand(N, 1, 16, 16))
        if name == "gain_step":
            batch = (torch.rand(2, N, 5), torch.rand(2, N, 5) < 0.7)
        records.append(step(*batch, **game))
    return records, game


@pytest.mark.parametrize(("written", "name"), list(written_out()))
def test_the_notebooks_step_is_the_packages(written, name, double):
    package = next(getattr(room, name) for room in ROOMS if hasattr(room, name))
    parameters = inspect.signature(written).parameters
    given = inspect.signature(package).parameters
    assert set(parameters) <= set(given), "the notebook's step takes what the package's step takes, or less"
    conditional = "labels" in given
    records, game = play(written, name, conditional)
    expected, other = play(package, name, conditional)
    for ours, theirs in zip(records, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert not any(v.requires_grad for v in ours.values()), "a record that keeps its graph keeps all of training"
        for key in ours:
            assert abs(ours[key].item() - theirs[key].item()) < 1e-9, key
    for player in (p for p, m in game.items() if isinstance(m, torch.nn.Module)):
        for (key, a), b in zip(game[player].state_dict().items(), other[player].state_dict().values(), strict=True):
            assert torch.allclose(a.double(), b.double(), rtol=1e-9, atol=1e-9), f"{player}.{key}"
    before = team(name, conditional)
    assert any(not torch.equal(a, b) for a, b in zip(game["G"].parameters(), before["G"].parameters(), strict=True))


def test_notebooks_1_4_11_to_16_and_18_write_their_steps_out():
    ids = {p.id for p in written_out()}
    assert {"01_minimax_game-train_step", "04_conditional_gan-cgan_step"} <= ids
    assert {"11_latent_space-infogan_step", "12_vae_and_gan-vae_step", "14_paired_translation-pix2pix_step"} <= ids
    assert {"13_perceptual_losses-autoencoder_step", "15_unpaired_translation-cyclegan_step"} <= ids
    assert {"16_restoration-pixel_step", "16_restoration-restore_step", "18_missing_values-gain_step"} <= ids
