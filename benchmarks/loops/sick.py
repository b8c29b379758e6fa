"""Loops with one fault that people really had."""

import copy
import random

import torch
import torch.nn.functional as F
from torch import nn

from .kinds import ANEW, EVERYWHERE, PENALTY, SUMMED, averaged, kind, part
from .loop import ALL, BATCHNORMED, BOUNDED, CE, COSTS, CRITICS, conv, dcgan, difference, mlp, penalty, upsample

# --- sick: the step breaks off


@kind("step_raises_inplace")
def one_graph_for_both(p):
    def write(p):
        def step(x, *y, G, D, opt_G, opt_D):
            x = x.flatten(1) if p.flat else x
            a, b = D(x), D(G(p.draw(len(x))))
            ld, lg = p.cost(a, p.real(a)) + p.cost(b, p.fake(b)), p.cost_G(b, p.wanted(b))
            opt_D.zero_grad()
            ld.backward(retain_graph=True)
            opt_D.step()
            opt_G.zero_grad()
            lg.backward()
            opt_G.step()
            return ld, lg

        return step

    p.step = write


@kind("step_raises_inplace")
def graph_freed(p):
    def write(p):
        def step(x, *y, G, D, opt_G, opt_D):
            x = x.flatten(1) if p.flat else x
            f = G(p.draw(len(x)))
            a, b = D(x), D(f)
            ld = p.cost(a, p.real(a)) + p.cost(b, p.fake(b))
            opt_D.zero_grad()
            ld.backward()  # through G as well
            opt_D.step()
            b = D(f)
            lg = p.cost_G(b, p.wanted(b))
            opt_G.zero_grad()
            lg.backward()
            opt_G.step()
            return ld, lg

        return step

    p.step = write


# --- sick: parts that never move


class Skips(nn.Module):
    """A layer of __init__ that forward forgets."""

    def __init__(self, inner, size):
        super().__init__()
        self.inner, self.refine = inner, nn.Linear(size, size)

    def forward(self, *inputs):
        return self.inner(*inputs)


part("layer_skipped_in_D", "part_never_moves", ALL, change=lambda G, D: (G, Skips(D, 40)))
part("layer_skipped_in_G", "part_never_moves", ALL, change=lambda G, D: (Skips(G, 64), D))


class Two(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return (self.a(x) + self.b(x)) / 2


@kind("part_never_moves", BOUNDED)
def half_of_D_in_no_optimiser(p):
    def twins(G, D):
        twin = copy.deepcopy(D)
        for m in twin.modules():
            if hasattr(m, "reset_parameters"):
                m.reset_parameters()
        return G, Two(D, twin)

    p.change = twins
    p.optimisers = lambda G, D, make: (make(G.parameters(), p.lr_G), make(D.a.parameters(), p.lr_D))


@kind("part_never_moves", BOUNDED)
def end_of_G_in_no_optimiser(p):
    p.optimisers = lambda G, D, make: (make(G[:4].parameters(), p.lr_G), make(D.parameters(), p.lr_D))


@kind("not_updated", ALL)
def both_optimisers_hold_D(p):
    p.optimisers = lambda G, D, make: (make(D.parameters(), p.lr_G), make(D.parameters(), p.lr_D))


part("G_detached_in_its_own_step", "not_updated no_adversary", ALL, where=EVERYWHERE, styles=ANEW, detach_G=True)


@kind("not_updated", ALL)
def G_is_not_the_one_that_trains(p):
    p.style = "summed"
    p.given = lambda **kw: {**kw, "G": copy.deepcopy(p.G).apply(_anew)}


def _anew(m):
    if hasattr(m, "reset_parameters"):
        m.reset_parameters()


# --- sick: penalties and limits

part("penalty_not_added", "no_limit penalty_wrong", PENALTY, add=lambda charge: 0.0)
part("penalty_without_create_graph", "no_limit penalty_wrong", PENALTY, penalty=penalty(graph=False))
part("penalty_over_channels", "penalty_wrong", PENALTY, nets=BATCHNORMED,
     penalty=penalty(length=lambda g: g.norm(2, dim=1)))  # fmt: skip
part("penalty_of_the_mean", "penalty_wrong", PENALTY, penalty=penalty(total=torch.mean))
part("penalty_mixed_by_pixel", "penalty_wrong", PENALTY, penalty=penalty(share=torch.rand_like))
part("penalty_with_batchnorm", "penalty_wrong", PENALTY, batchnorm_D=True)
part("penalty_subtracted", "penalty_wrong", PENALTY, penalty=penalty(weight=-0.1), lr_D=1e-4, steps=60)


@kind("not_finite", PENALTY)
def root_of_zero(p):
    def silent(G, D):
        last = [m for m in D.modules() if hasattr(m, "weight") and m.weight.ndim > 1][-1]
        nn.init.zeros_(last.weight)
        return G, D

    p.change, p.penalty = silent, penalty(length=lambda g: g.square().flatten(1).sum(1).sqrt())


@kind("not_finite")
def record_with_nan(p):
    p.record = lambda v: float("nan") if p.turn == 200 else v.item()


part("critic_without_limit", "no_limit", CRITICS, where=EVERYWHERE, loss="difference", cost=difference,
     batchnorm_D=False)  # fmt: skip


# --- sick: D's end against its loss, targets and reductions


part("mixed_batch_for_D_alone", "mixed_batch_batchnorm", ("logits", "bce", "squares"), styles=SUMMED,
     batchnorm_D=True, judge=lambda call, D, x, f, y, t: call(D, torch.cat([x, f])).chunk(2))  # fmt: skip
part("critic_behind_a_sigmoid", "critic_ends_in_sigmoid", CRITICS, end_D=[nn.Sigmoid()])


@kind("critic_ends_in_sigmoid", ("squares",))
def bounded_under_squares(p):
    p.end_D = [random.Random(p.data + p.style).choice((nn.Sigmoid, nn.Tanh))()]


part("softmax_before_cross_entropy", "double_softmax", ("logits",), styles=ANEW, outputs=2, end_D=[nn.Softmax(1)],
     cost=lambda d, t: F.cross_entropy(d, t[:, 0].long()))  # fmt: skip
part("sigmoid_before_logits", "double_sigmoid", ("logits",), where=EVERYWHERE, end_D=[nn.Sigmoid()])


@kind("loss_broadcasts", ("squares",), nets=(conv, upsample, mlp), where=EVERYWHERE)
def targets_broadcast(p):
    p.real, p.fake, p.wanted = (lambda d, v=v: torch.full((len(d),), v) for v in (1.0, 0.0, 1.0))


part("smoothed_beyond", "target_outside_0_1", CE, real=lambda d: 0.9 + 0.3 * torch.rand_like(d),
     fake=lambda d: -0.1 + 0.2 * torch.rand_like(d))  # fmt: skip


@kind("fakes_smoothed", CE, where=EVERYWHERE)
def fakes_smoothed_too(p):
    p.fake = lambda d: torch.full_like(d, 0.1) if p.style == "summed" else 0.3 * torch.rand_like(d)


part("square_of_the_mean", "loss_of_the_mean", ("squares",), cost=lambda d, t: (d.mean() - t.mean()).square())
part("real_pushed_down_too", "real_pushed_down", BOUNDED, where=EVERYWHERE, real=torch.zeros_like)


@kind("fakes_ignored", BOUNDED)
def fakes_are_called_real(p):
    p.terms = lambda a, b: (p.cost(a, p.real(a)), 0.0 * b.sum())


# --- sick: signs, gradients, optimisers


part("wrong_sign_in_G", "cooperation", ALL, where=EVERYWHERE, wanted=torch.zeros_like)
part("forward_called_and_wrong_sign", "cooperation", BOUNDED, call=lambda m, *a: m.forward(*a),
     wanted=torch.zeros_like)  # fmt: skip
part("forward_called_and_never_zeroed", "leftover_gradient", BOUNDED, call=lambda m, *a: m.forward(*a),
     zero="never D")  # fmt: skip
part("both_negated", "exchanged", ("logits",), cost=lambda d, t: -F.binary_cross_entropy_with_logits(d, t),
     cost_G=lambda d, t: F.binary_cross_entropy_with_logits(d, 1 - t))  # fmt: skip
part("D_never_zeroed", "leftover_gradient", ALL, where=EVERYWHERE, zero="never D")
part("zeroed_after_its_own_step", "leftover_gradient", ALL, zero="after")


@kind("moved_by_other leftover_gradient", BOUNDED, where=EVERYWHERE, styles=ANEW)
def one_optimiser_for_both(p):
    def one(G, D, make):
        both = make([*G.parameters(), *D.parameters()], p.lr_G)
        return both, both

    p.optimisers = one


part("G_fitted_alone", "no_adversary", BOUNDED, goal=lambda D, f, y: (f - 1).square().mean())


# --- sick: what goes in and what comes out


@kind("batchnorm_at_output", ALL, nets=BATCHNORMED)
def batchnorm_before_tanh(p):
    p.end_G = [nn.BatchNorm2d(3 if p.data == "shapes" else 1), nn.Tanh()]


@kind("range_mismatch", ALL)
def images_0_255(p):
    p.prepare, p.end_G = lambda x: (x + 1) * 127.5, [nn.Sigmoid() if p.style == "summed" else nn.Tanh()]


part("images_0_1_under_tanh", "range_mismatch", ALL, prepare=lambda x: (x + 1) / 2)
part("fakes_rescaled", "range_mismatch", BOUNDED, show_fake=lambda f: f / 127.5 - 1)


@kind("unbounded_output range_mismatch", BOUNDED)
def leaky_end_of_G(p):
    p.end_G = [nn.LeakyReLU(0.2) if p.style == "summed" else nn.ReLU()]


part("images_are_noise", "no_structure", BOUNDED, prepare=lambda x: 2 * torch.rand_like(x) - 1)
part("fakes_half_as_large", "wrong_shape", BOUNDED, nets=(conv, dcgan, upsample),
     end_G=[nn.Tanh(), nn.AvgPool2d(2)])  # fmt: skip


@kind("giveaway", ALL)
def frame_around_real(p):
    def framed(x):
        x, value = x.clone(), 0.0 if p.style == "summed" else 1.0
        x[..., [0, -1], :], x[..., [0, -1]] = value, value
        return x

    p.prepare = framed


part("frame_in_the_step", "giveaway range_mismatch", BOUNDED,
     enter=lambda x: F.pad(x[..., 1:-1, 1:-1], (1, 1, 1, 1), value=0.5))  # fmt: skip
part("twelve_pictures", "few_images memorised", prepare=lambda x: x[torch.randint(12, (len(x),))])


# --- sick: noise, labels, modes, records


@kind("latents_differ", ALL, where=EVERYWHERE, styles=ANEW)
def latents_of_two_kinds(p):
    p.noise_D, p.noise_G = (lambda n: torch.rand_like(p.draw(n)) * (2 if p.net is mlp else 1)), p.draw


@kind("latents_differ", BOUNDED, styles=ANEW)
def latents_wider_in_G(p):
    p.noise_D, p.noise_G = p.draw, lambda n: 2 * p.draw(n)


@kind("fixed_noise", ALL, where=EVERYWHERE)
def the_same_latents(p):
    fixed = p.draw(64)
    p.noise_D = p.noise_G = lambda n: fixed[:n]


part("labels_leak", "label_leak", BOUNDED, labelled=True, asked=torch.zeros_like, told=torch.ones_like)
part("one_label_for_all", "condition_constant", BOUNDED, labelled=True, asked=lambda y: torch.full_like(y, 3),
     told=lambda y: torch.full_like(y, 3))  # fmt: skip


class Deaf(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, z, y):
        return self.inner(z, torch.zeros_like(y))


part("label_never_enters_G", "condition_ignored", BOUNDED, labelled=True, change=lambda G, D: (Deaf(G), D))
part("left_in_eval", "eval_mode", BOUNDED, nets=BATCHNORMED, after=lambda G, D: G.eval() and None)
part("D_left_in_eval", "eval_mode", BOUNDED, nets=(conv, upsample, mlp), batchnorm_D=True,
     before_D=lambda D: D.eval() and None)  # fmt: skip


@kind("stale_statistics", BOUNDED, nets=BATCHNORMED, styles=("summed", "two backwards", "halves", "one G call"))
def average_without_statistics(p):
    averaged(p, buffers=False)


part("losses_kept_with_their_graph", "history_keeps_graph", BOUNDED, record=lambda v: v)


# --- sick: it runs and goes nowhere


part("learning_rate_too_high", "exploding vanishing collapse not_finite", CE, lr_G=0.05, lr_D=0.05)


@kind("vanishing", CE)
def saturating_under_a_strong_D(p):
    p.lr_G, p.lr_D, p.wanted = 1e-4, 2e-3, torch.zeros_like
    cost = COSTS[p.loss]
    p.cost_G = lambda d, t: -cost(d, t)
