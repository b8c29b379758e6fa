"""The games, each as one step that a student can read on one screen.

A step is a function `step(*batch, **players) -> {name: detached scalar}`, all plain torch; `ganedu.training.Trainer`
runs any of them, and moves each batch to its device first, where the players are. Settings are bound with
functools.partial: `partial(train_step, z_dim=2, loss=hinge)`.
"""

import torch
from torch.nn.functional import cross_entropy

from .losses import Loss, non_saturating
from .perceptual import feature_distance
from .vae import check_beta, gaussian_kl, gaussian_log_likelihood


def train_step(x_real, *, G, D, opt_G, opt_D, z_dim, loss: Loss = non_saturating, penalty=None, n_critic=1):
    """One round of the game: D learns `n_critic` times to tell, then G learns once to fool.

    `x_real` (N, ...) is split into `n_critic` batches, one a step of D (equal ones where n_critic divides N).
    `penalty(D, x_real, x_fake)` is added to D's loss. Returns {"loss_D", "loss_G"}, detached.
    Source: Goodfellow et al. 2014, algorithm 1.
    """
    for x in x_real.tensor_split(n_critic):
        z = torch.randn(len(x), z_dim, device=x.device)
        x_fake = G(z).detach()  # D's loss ends here: it must not move G
        loss_D = loss.d_loss(D(x), D(x_fake))
        if penalty is not None:
            loss_D = loss_D + penalty(D, x, x_fake)
        opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()

    z = torch.randn(len(x), z_dim, device=x.device)
    d_fake = D(G(z))
    d_real = D(x).detach() if loss.pairs else None
    loss_G = loss.g_loss(d_fake, d_real)
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))  # through D, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def cgan_step(x_real, labels, *, G, D, opt_G, opt_D, z_dim, loss: Loss = non_saturating, penalty=None):
    """One round of the conditional game: both players see the label. `labels` (N,) int64 belong to `x_real`.

    The fakes take the labels of the real batch, so the label alone tells nothing. Returns {"loss_D", "loss_G"},
    detached. Source: Mirza and Osindero 2014, eq. 2.
    """
    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    x_fake = G(z, labels).detach()
    loss_D = loss.d_loss(D(x_real, labels), D(x_fake, labels))
    if penalty is not None:
        loss_D = loss_D + penalty(lambda x: D(x, labels), x_real, x_fake)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    d_fake = D(G(z, labels), labels)
    d_real = D(x_real, labels).detach() if loss.pairs else None
    loss_G = loss.g_loss(d_fake, d_real)
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def acgan_step(
    x_real, labels, *, G, D, opt_G, opt_D, z_dim, loss: Loss = non_saturating, penalty=None, class_weight=1.0
):
    """One round of AC-GAN: D tells real from fake and names the class; G fools the first and pleases the second.

    Both players add `class_weight` times the cross-entropy of the class, in nats; D's is over real and fake.
    Returns {"loss_D", "loss_G", "loss_class"} detached, the last on real images. Source: Odena et al. 2017, section 3.
    """
    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    x_fake = G(z, labels).detach()
    (d_real, c_real), (d_fake, c_fake) = D.both(x_real), D.both(x_fake)
    loss_class = cross_entropy(c_real, labels)
    loss_D = loss.d_loss(d_real, d_fake) + class_weight * (loss_class + cross_entropy(c_fake, labels))
    if penalty is not None:
        loss_D = loss_D + penalty(D, x_real, x_fake)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    d_fake, c_fake = D.both(G(z, labels))
    d_real = D(x_real).detach() if loss.pairs else None
    loss_G = loss.g_loss(d_fake, d_real) + class_weight * cross_entropy(c_fake, labels)
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_class": loss_class.detach()}


def infogan_step(
    x_real, *, G, D, opt_G, opt_D, z_dim, code, loss: Loss = non_saturating, penalty=None, info_weight=1.0
):
    """One round of InfoGAN: D tells real from fake and reads back from a fake the code c that it was made with.

    `code(z)` is the code in z, which G draws from; `code.nll(q, c)` is -E log Q(c | x), in nats, for what D's second
    head says. Both players add `info_weight` times it to their loss, so I(c; G(z)) >= H(c) - nll is pushed up.
    Returns {"loss_D", "loss_G", "nll"} detached. Source: Chen et al. 2016, eq. 5 and 6.
    """
    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    x_fake = G(z).detach()
    d_fake, q = D.both(x_fake)
    loss_D = loss.d_loss(D(x_real), d_fake) + info_weight * code.nll(q, code(z))
    if penalty is not None:
        loss_D = loss_D + penalty(D, x_real, x_fake)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    d_fake, q = D.both(G(z))
    d_real = D(x_real).detach() if loss.pairs else None
    nll = code.nll(q, code(z))
    loss_G = loss.g_loss(d_fake, d_real) + info_weight * nll
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "nll": nll.detach()}


def vae_step(x_real, *, E, G, opt, sigma=0.2, beta=1.0):
    """One step of the variational autoencoder: no opponent, one loss; `opt` holds the weights of E and of G.

    The loss, in nats an image, is loss_x + beta loss_z: -E_q log N(x; G(z), sigma^2 I) and KL(q(z|x), p(z)). With
    beta = 1 it is minus the bound on log p(x). Returns {"loss_x", "loss_z"}, detached. Raises ValueError for a
    sigma not above 0, or beta below 0. Source: Kingma and Welling 2014, eq. 10; beta, Higgins et al. 2017, eq. 4.
    """
    check_beta(beta)
    mean, log_var = E(x_real)
    z = mean + (log_var / 2).exp() * torch.randn_like(mean)  # drawn so that the slope passes through z to E
    loss_x = -gaussian_log_likelihood(x_real, G(z), sigma).mean()
    loss_z = gaussian_kl(mean, log_var).mean()
    opt.zero_grad()
    (loss_x + beta * loss_z).backward()
    opt.step()
    return {"loss_x": loss_x.detach(), "loss_z": loss_z.detach()}


def vae_gan_step(
    x_real, *, E, G, D, opt_E, opt_G, opt_D, loss: Loss = non_saturating, sigma=1.0, beta=1.0, feature_weight=1e-3
):
    """One round of the VAE-GAN: a VAE whose error is measured in D's features, and D, which judges all that G draws.

    D learns to tell `x_real` from fakes, half of them decoded from E's codes, half from the prior's noise. Then, with
    loss_x = -E_q log N(f(x); f(G(z)), sigma^2 I) for f = `D.features`, E takes loss_x + beta KL(q(z|x), p(z)), in nats
    an image, and G takes feature_weight loss_x + its adversarial loss. Returns {"loss_D", "loss_G", "loss_x",
    "loss_z"}, detached. Raises ValueError for a sigma not above 0, beta below 0, or a relativistic loss, which pairs
    reals with equally many fakes. Source: Larsen et al. 2016, algorithm 1, where feature_weight is gamma.
    """
    check_beta(beta)
    mean, log_var = E(x_real)
    z = mean + (log_var / 2).exp() * torch.randn_like(mean)
    x_fake = torch.cat([x_again := G(z), G(torch.randn_like(z))])
    loss_D = loss.d_loss(D(x_real), D(x_fake.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    loss_x = -gaussian_log_likelihood(D.features(x_real).detach(), D.features(x_again), sigma).mean()
    loss_z = gaussian_kl(mean, log_var).mean()
    loss_G = loss.g_loss(D(x_fake), None)
    opt_E.zero_grad()
    opt_G.zero_grad()
    (loss_x + beta * loss_z).backward(inputs=list(E.parameters()), retain_graph=True)
    (feature_weight * loss_x + loss_G).backward(inputs=list(G.parameters()))  # through D, but not for D
    opt_E.step()
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_x": loss_x.detach(), "loss_z": loss_z.detach()}


def pix2pix_step(x_real, outline, *, G, D, opt_G, opt_D, loss: Loss = non_saturating, gan_weight=1.0, l1_weight=100.0):
    """One round of paired translation: D tells pairs (picture, outline) apart, G fools it and stays near the picture.

    `outline` (N, 1, H, W) belongs to `x_real` (N, C, H, W). G's loss is gan_weight times the adversarial one plus
    l1_weight times the mean of |G(outline) - x_real| over all pixels; D gives a logit a patch, and both losses are
    means over patches. Chance, where there is any, is inside G. Returns {"loss_D", "loss_G", "loss_l1"}, detached, the
    last two without weights. Source: Isola et al. 2017, eq. 4 (l1_weight is lambda; D's loss is not halved here).
    """
    x_fake = G(outline)
    loss_D = loss.d_loss(D(x_real, outline), D(x_fake.detach(), outline))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_real = D(x_real, outline).detach() if loss.pairs else None
    loss_G = loss.g_loss(D(x_fake, outline), d_real)
    loss_l1 = (x_fake - x_real).abs().mean()
    opt_G.zero_grad()
    (gan_weight * loss_G + l1_weight * loss_l1).backward(inputs=list(G.parameters()))  # through D, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_l1": loss_l1.detach()}


def cyclegan_step(
    x_a, x_b, *, G, F, D_A, D_B, opt_G, opt_D, loss: Loss = non_saturating,
    gan_weight=1.0, cycle_weight=10.0, identity_weight=5.0,
):  # fmt: skip
    """One round of unpaired translation: G turns A into B, F turns B into A, D_A and D_B judge what came out.

    `x_a`, `x_b` (N, C, H, W) are drawn independently. `opt_G` holds the weights of G and F, `opt_D` those of D_A and
    D_B. The translators' loss is gan_weight times both adversarial ones, plus cycle_weight times the means of
    |F(G(x_a)) - x_a| and |G(F(x_b)) - x_b| over all pixels, plus identity_weight times those of |G(x_b) - x_b| and
    |F(x_a) - x_a|. Returns {"loss_D", "loss_G", "loss_cycle", "loss_identity"}, detached and without weights, each the
    sum of both directions. Sources: Zhu et al. 2017, eq. 3 (cycle_weight is lambda), section 5.2 on the identity loss,
    whose weight there is half of lambda; least squares and a pool of old fakes, section 4, are left out.
    """
    fake_b, fake_a = G(x_a), F(x_b)
    loss_D = loss.d_loss(D_A(x_a), D_A(fake_a.detach())) + loss.d_loss(D_B(x_b), D_B(fake_b.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_a, d_b = (D_A(x_a).detach(), D_B(x_b).detach()) if loss.pairs else (None, None)
    loss_G = loss.g_loss(D_A(fake_a), d_a) + loss.g_loss(D_B(fake_b), d_b)
    loss_cycle = (F(fake_b) - x_a).abs().mean() + (G(fake_a) - x_b).abs().mean()
    loss_identity = (G(x_b) - x_b).abs().mean() + (F(x_a) - x_a).abs().mean()
    total = gan_weight * loss_G + cycle_weight * loss_cycle + identity_weight * loss_identity
    opt_G.zero_grad()
    total.backward(inputs=[*G.parameters(), *F.parameters()])  # through both D, but for the translators alone
    opt_G.step()
    losses = {"loss_D": loss_D, "loss_G": loss_G, "loss_cycle": loss_cycle, "loss_identity": loss_identity}
    return {name: value.detach() for name, value in losses.items()}


def autoencoder_step(
    x_real, *, E, G, D, opt_G, opt_D, distance, loss=non_saturating, feature_weight=0.0, gan_weight=0.0, at=(1, 4, 7)
):
    """One round of drawing images again from a finished encoder's codes: near in `distance`, in D's maps, real to D.

    D learns to tell `x_real` from G(E(x_real)). G's loss is the mean of `distance(x_real, G(E(x_real)))` (N,), plus
    feature_weight times the mean distance in the layers `at` of `D.net`, in units of the batch's own spread there, plus
    gan_weight times the adversarial loss. D stays in train mode: its batch norm takes each batch's own statistics, so
    what a whole batch shares in brightness or contrast is not seen in the layers behind it. Returns {"loss_D",
    "loss_G", "loss_x", "loss_f"}, detached, without weights.
    Source: Larsen et al. 2016, algorithm 1, with a fixed encoder; Ledig et al. 2017, eq. 3, for a fixed distance.
    """
    with torch.no_grad():
        code = E(x_real)
    x_again = G(code)
    loss_D = loss.d_loss(D(x_real), D(x_again.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_real = D(x_real).detach() if loss.pairs else None
    loss_G = loss.g_loss(D(x_again), d_real)
    loss_x = distance(x_real, x_again).mean()
    loss_f = feature_distance(x_real, x_again, D.net, at).mean()
    opt_G.zero_grad()
    total = loss_x + feature_weight * loss_f + gan_weight * loss_G
    total.backward(inputs=list(G.parameters()))  # through D and the distance's network, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_x": loss_x.detach(), "loss_f": loss_f.detach()}


def restore_step(
    x_real, x_bad, *, G, opt_G, D=None, opt_D=None, features=None, loss: Loss = non_saturating,
    pixel_weight=1.0, feature_weight=0.0, gan_weight=0.0, answers=1,
):  # fmt: skip
    """One round of restoration: G answers `x_bad`; squared error, features and D judge the answer, each by its weight.

    `x_bad` (N, C', H, W), of the size of `x_real`, is what is left of it. G's loss is pixel_weight times the mean of
    (G(x_bad) - x_real)^2, plus feature_weight times that of features(.), plus gan_weight times the adversarial one;
    what has weight 0 is not computed, and D not trained. D sees picture and `x_bad` together. With `answers=2`, for
    a G with noise inside, the first term is the mean of (y - x_real)(y' - x_real) for two answers y, y' to the same
    `x_bad`: its expectation is the squared error of the mean answer, so their spread goes unpunished (and it can be
    negative); features and D judge y. Returns {"loss_pixel"[, "loss_feature"][, "loss_D", "loss_G"]}, detached,
    without weights. Raises ValueError for other `answers`. Source: Ledig et al. 2017, eq. 3; the thought of the mean
    answer, Ohayon et al. 2021, eq. 8.
    """
    if answers not in (1, 2):
        raise ValueError(f"answers={answers!r} does not fit: give 1 or 2.")
    x_fake = G(x_bad)
    other = G(x_bad) if answers == 2 else x_fake
    loss_pixel = ((x_fake - x_real) * (other - x_real)).mean()
    record, total = {"loss_pixel": loss_pixel}, pixel_weight * loss_pixel
    if feature_weight:
        record["loss_feature"] = (features(x_fake) - features(x_real)).square().mean()
        total = total + feature_weight * record["loss_feature"]
    if gan_weight:
        record["loss_D"] = loss.d_loss(D(x_real, x_bad), D(x_fake.detach(), x_bad))
        opt_D.zero_grad()
        record["loss_D"].backward()
        opt_D.step()
        record["loss_G"] = loss.g_loss(D(x_fake, x_bad), D(x_real, x_bad).detach() if loss.pairs else None)
        total = total + gan_weight * record["loss_G"]
    opt_G.zero_grad()
    total.backward(inputs=list(G.parameters()))  # through D and features, but for G alone
    opt_G.step()
    return {k: v.detach() for k, v in record.items()}
