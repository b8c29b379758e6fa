"""The steps of the VAE and of the VAE-GAN are the steps written by hand."""

import pytest
import torch
from by_hand import DIM, LR_D, LR_G, Frozen, N, Z, descend, game, generate, judge, weights
from torch.nn.functional import logsigmoid

from ganedu import losses, models, training
from ganedu.topics import vae

pytestmark = pytest.mark.usefixtures("double")


class Encoder(torch.nn.Module):
    """mean = tanh(x A) B, log_var = tanh(x A) C."""

    def __init__(self):
        super().__init__()
        self.A, self.B, self.C = (torch.nn.Parameter(torch.randn(s)) for s in ((DIM, 5), (5, Z), (5, Z)))

    def forward(self, x):
        h = (x @ self.A).tanh()
        return h @ self.B, h @ self.C


@pytest.mark.parametrize(("sigma", "beta"), [(0.5, 1.0), (1.0, 0.0), (0.3, 4.0)])
def test_vae_step_is_the_step_written_by_hand(sigma, beta):
    players, x, _ = game()
    G, E = players["G"], Encoder()
    weights_before = [p.detach().clone().requires_grad_() for p in (*E.parameters(), *G.parameters())]

    torch.manual_seed(1)
    A, B, C, *g = weights_before
    mean, log_var = (x @ A).tanh() @ B, (x @ A).tanh() @ C
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    z = mean + (log_var / 2).exp() * torch.randn(N, Z)
    loss_x = -torch.distributions.Normal(generate(g, z), sigma).log_prob(x).sum(1).mean()
    prior = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    loss_z = torch.distributions.kl_divergence(q, prior).sum(1).mean()
    expected = descend(weights_before, loss_x + beta * loss_z, LR_G)

    opt = torch.optim.SGD([*E.parameters(), *G.parameters()], LR_G)
    torch.manual_seed(1)
    record = vae.vae_step(x, E=E, G=G, opt=opt, sigma=sigma, beta=beta)
    for ours, theirs in zip((*E.parameters(), *G.parameters()), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert abs(record["loss_x"].item() - loss_x.item()) < 1e-10 and abs(record["loss_z"].item() - loss_z.item()) < 1e-10
    assert not any(v.requires_grad for v in record.values())


def test_vae_step_refuses_a_negative_beta_before_it_moves_anything():
    players, x, _ = game()
    E = Encoder()
    before = weights(E)
    opt = torch.optim.SGD([*E.parameters(), *players["G"].parameters()], 1.0)
    with pytest.raises(ValueError, match="beta=-1"):
        vae.vae_step(x, E=E, G=players["G"], opt=opt, beta=-1)
    with pytest.raises(ValueError, match="sigma=0"):
        vae.vae_step(x, E=E, G=players["G"], opt=opt, sigma=0)
    assert torch.equal(weights(E), before)


class FeatureDiscriminator(torch.nn.Module):
    """f(x) = tanh(x A), d(x) = f(x) b."""

    def __init__(self):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s)) for s in ((DIM, 7), (7,)))

    def features(self, x):
        return (x @ self.A).tanh()

    def forward(self, x):
        return self.features(x) @ self.b


def vae_gan(n=N):
    players, x, _ = game(n=n)
    E, G, D = Encoder(), players["G"], FeatureDiscriminator()
    rates = {"E": 0.02, "G": LR_G, "D": LR_D}
    opts = {f"opt_{k}": torch.optim.SGD(m.parameters(), rates[k]) for k, m in (("E", E), ("G", G), ("D", D))}
    return {"E": E, "G": G, "D": D, **opts}, x


def test_vae_gan_step_is_the_step_written_by_hand():
    players, x = vae_gan()
    e, g, d = ([p.detach().clone().requires_grad_() for p in players[k].parameters()] for k in "EGD")
    torch.manual_seed(1)
    mean, log_var = (x @ e[0]).tanh() @ e[1], (x @ e[0]).tanh() @ e[2]
    z = mean + (log_var / 2).exp() * torch.randn(N, Z)
    again, fake = generate(g, z), generate(g, torch.randn(N, Z))
    both = torch.cat([again, fake])
    loss_D = -logsigmoid(judge(d, x)).mean() - logsigmoid(-judge(d, both.detach())).mean()
    d = [w.detach() for w in descend(d, loss_D, LR_D)]
    noise = torch.distributions.Normal((again @ d[0]).tanh(), 0.7)
    loss_x = -noise.log_prob((x @ d[0]).tanh()).sum(1).mean()
    q, p = torch.distributions.Normal(mean, (log_var / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    loss_z = torch.distributions.kl_divergence(q, p).sum(1).mean()
    loss_G = -logsigmoid(judge(d, both)).mean()
    slopes = [
        torch.autograd.grad(t, w, retain_graph=True) for t, w in ((loss_x + 2 * loss_z, e), (0.1 * loss_x + loss_G, g))
    ]
    e, g = (
        [w - lr * s for w, s in zip(ws, ss, strict=True)]
        for ws, ss, lr in zip((e, g), slopes, (0.02, LR_G), strict=True)
    )

    torch.manual_seed(1)
    record = vae.vae_gan_step(x, **players, sigma=0.7, beta=2.0, feature_weight=0.1)
    for module, expected in ((players["E"], e), (players["G"], g), (players["D"], d)):
        for ours, theirs in zip(module.parameters(), expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    for key, value in (("loss_D", loss_D), ("loss_G", loss_G), ("loss_x", loss_x), ("loss_z", loss_z)):
        assert abs(record[key].item() - value.item()) < 1e-10 and not record[key].requires_grad


@pytest.mark.parametrize("mover", "EGD")
def test_a_turn_of_the_vae_gan_moves_one_player_only(mover):
    players, x = vae_gan()
    before = {k: weights(players[k]) for k in "EGD"}
    for other in set("EGD") - {mover}:
        players[f"opt_{other}"] = Frozen(players[other].parameters(), 1.0)
    vae.vae_gan_step(x, **players)
    assert {k for k in "EGD" if not torch.equal(weights(players[k]), before[k])} == {mover}


def test_vae_gan_step_refuses_a_loss_that_pairs():
    players, x = vae_gan()
    with pytest.raises(ValueError, match="pairs each real"):
        vae.vae_gan_step(x, **players, loss=losses.relativistic)


def test_vae_gan_step_runs_on_images_in_the_trainer():
    torch.set_default_dtype(torch.float32)
    E, G, D = vae.Encoder(16, 1, 4, width=2), models.DCGenerator(16, 1, 4, width=2), models.DCDiscriminator(16, 1, 2)
    opts = {f"opt_{k}": torch.optim.Adam(m.parameters(), 1e-3) for k, m in (("E", E), ("G", G), ("D", D))}
    data = torch.rand(32, 1, 16, 16) * 2 - 1
    trainer = training.Trainer(vae.vae_gan_step, {"E": E, "G": G, "D": D, **opts}, lambda n: data, batch_size=32)
    (record,) = trainer.run(steps=3)
    assert {"loss_D", "loss_G", "loss_x", "loss_z"} <= record.keys()
