"""InfoGAN's step is the step written by hand, and runs in the Trainer."""

from functools import partial

import pytest
import torch
from by_hand import (
    GOALS,
    LR_D,
    LR_G,
    PENALTIES,
    N,
    WholeCode,
    Z,
    assert_equal_games,
    descend,
    every_loss,
    every_penalty,
    game,
    generate,
    judge,
    penalise,
)

from ganedu import models, training
from ganedu.topics import infogan

pytestmark = pytest.mark.usefixtures("double")


@every_loss
@every_penalty
def test_infogan_step_is_the_step_written_by_hand(loss, penalty):
    players, x_real, _ = game(coded=True)
    d_goal, g_goal = GOALS[loss.name]
    g, d = ([p.detach().clone().requires_grad_() for p in players[m].parameters()] for m in "GD")

    def misread(d, x, z):
        return ((((x @ d[0]).tanh() @ d[2])[:, :Z] - z) ** 2).sum(1).mean()

    torch.manual_seed(1)
    z = torch.randn(N, Z)
    x_fake = generate(g, z).detach()
    loss_D = d_goal(judge(d, x_real), judge(d, x_fake)) + 0.7 * misread(d, x_fake, z)
    if penalty != "none":
        loss_D = loss_D + penalise(penalty, lambda t, d=d: judge(d, t), x_real, x_fake)
    d = descend(d, loss_D, LR_D)
    z = torch.randn(N, Z)
    x_fake = generate(g, z)
    nll = misread(d, x_fake, z)
    loss_G = g_goal(judge(d, x_fake), judge(d, x_real)) + 0.7 * nll
    g = descend(g, loss_G, LR_G)

    torch.manual_seed(1)
    step = partial(infogan.infogan_step, code=WholeCode(), info_weight=0.7, loss=loss, penalty=PENALTIES[penalty])
    record = step(x_real, **players)
    assert_equal_games(players, record, g, d, loss_D, loss_G)
    assert abs(record["nll"].item() - nll.item()) < 1e-10


def test_infogan_step_runs_in_the_trainer_unchanged():
    torch.set_default_dtype(torch.float32)
    code = infogan.Code(classes=2, numbers=1)

    def players():
        torch.manual_seed(0)
        G = infogan.CodedGenerator(models.DCGenerator(16, 1, z_dim=8, width=2), code)
        D = infogan.CodedDiscriminator(models.DCDiscriminator(16, 1, 2), code)
        return {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}

    x = torch.rand(64, 1, 16, 16) * 2 - 1
    step = partial(infogan.infogan_step, z_dim=8, code=code)
    trainer = training.Trainer(step, players(), lambda n: x[:n], batch_size=8, seed=3, ema=0.9)
    list(trainer.run(steps=5))
    by_hand = players()
    torch.manual_seed(3)
    for _ in range(5):
        step(x[:8], **by_hand)
    assert set(trainer.history) == {"loss_D", "loss_G", "nll"}
    for ours, theirs in zip(trainer.modules["G"].parameters(), by_hand["G"].parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    assert trainer.sample(4).shape == (4, 1, 16, 16)
