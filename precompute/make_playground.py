"""Train the games that ship with the playground for an instant start: ganedu/assets/playground/*.safetensors.

    python precompute/make_playground.py

Each file's header holds its settings as a share text, and its rounds; seed 0. About two minutes on one core.
"""

import torch

from ganedu import ASSETS
from ganedu.widgets.playground.game import Game
from ganedu.widgets.playground.starts import to_file
from ganedu.widgets.playground.view import View

FOLDER = ASSETS / "playground"
CALM = {"loss": "relativistic", "penalty": "R1 + R2", "gamma": 0.1}
GAMES = {
    "ring, learnt": (4000, {"data": "ring", **CALM}),
    "grid, learnt": (8000, {"data": "grid", **CALM}),
    "moons, learnt": (4000, {"data": "moons", **CALM}),
    "ring, collapsed": (
        600,
        {"data": "ring", "penalty": "R1", "width_G": 32, "width_D": 32, "lr_G": 2e-3, "lr_D": 2e-3},
    ),
}


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name, (rounds, settings) in GAMES.items():
        game = Game(**settings)
        for i in range(rounds):
            game.round()
            if i % 200 == 0:
                game.read_losses()
        if "collapsed" in name:  # G alone, against a D that no longer answers
            for _ in range(400):
                game.turn_G()
        (FOLDER / f"{name}.safetensors").write_bytes(to_file(game))
        view = View(game)
        print(f"{name:<18}{view.words(view.count())}")


if __name__ == "__main__":
    main()
