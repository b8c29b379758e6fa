"""The games, each as one step that a student can read on one screen.

A step is a function `step(*batch, **players) -> {name: detached scalar}`, all plain torch; `ganedu.training.Trainer`
runs any of them, and moves each batch to its device first, where the players are. Settings are bound with
functools.partial: `partial(train_step, z_dim=2, loss=hinge)`.
"""

import torch
from torch.nn.functional import cross_entropy

from .losses import Loss, non_saturating


def train_step(x_real, *, G, D, opt_G, opt_D, z_dim, loss: Loss = non_saturating, penalty=None, n_critic=1):
    """One round of the game: D learns `n_critic` times to tell, then G learns once to fool.

    `x_real` (N, ...) is split into `n_critic` batches, one a step of D (equal ones where n_critic divides N).
    `penalty(D, x_real, x_fake)` is added to D's loss. Returns {"loss_D", "loss_G"}, detached.
    Source: Goodfellow et al. 2014, algorithm 1; its G descends log(1 - D), the default here is their -log D.
    """
    for x in x_real.tensor_split(n_critic):
        z = torch.randn(len(x), z_dim, device=x.device)
        x_fake = G(z).detach()  # D's loss ends here: no slope for G, and no work for one
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
