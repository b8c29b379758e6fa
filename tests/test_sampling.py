"""Oracles: means and variances that numpy takes of what the batch norms saw."""

import numpy as np
import pytest
import torch

from ganedu import models
from ganedu.sampling import answers, generate, noise, refresh_batchnorm, seeded

K = 4


@pytest.fixture
def G():
    torch.manual_seed(0)
    return models.DCGenerator(16, 1, 5, width=2)


@pytest.fixture
def conditional():
    torch.manual_seed(0)
    return models.DCGenerator(16, 1, 5, 2, K, "concat")


# -------------------------------------------------------------------------------------------------- answers


def test_answers_are_what_the_network_says_batch_by_batch_with_its_chance_seeded():
    def doubled(x):
        return 2 * x + torch.rand(len(x), 1)

    x = torch.arange(14.0).view(7, 2)
    with seeded(3):
        by_hand = torch.cat([2 * part + torch.rand(len(part), 1) for part in (x[:3], x[3:6], x[6:])])
    before = torch.get_rng_state()
    assert torch.equal(answers(doubled, x, seed=3, batch_size=3), by_hand)
    assert not torch.equal(answers(doubled, x, seed=4, batch_size=3), by_hand)
    assert torch.equal(torch.get_rng_state(), before), "it used random numbers of somebody else's"


def test_answers_leave_no_graph_and_do_not_change_the_mode():
    G = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout(0.5)).train()
    assert not answers(G, torch.ones(5, 2)).requires_grad and G.training
    assert (answers(G, torch.ones(50, 2)) == 0).any(), "dropout was switched off"


# ------------------------------------------------------------------------------------------------- generate


def test_equal_seeds_give_equal_samples_and_others_do_not(G):
    assert torch.equal(generate(G, 6, seed=3), generate(G, 6, seed=3))
    assert not torch.equal(generate(G, 6, seed=3), generate(G, 6, seed=4))


def test_samples_do_not_depend_on_the_batch_they_are_made_in(G):
    assert torch.allclose(generate(G, 11, batch_size=4), generate(G, 11, batch_size=100), atol=1e-6)


def test_samples_are_those_of_the_generator_in_evaluation_mode(G):
    with seeded(3):
        z = torch.randn(6, 5)
    expected = G.eval()(z).detach()
    assert torch.equal(generate(G.train(), 6, seed=3), expected)


def test_generating_leaves_the_generator_and_the_random_numbers_as_they_were(G):
    before, random = {k: v.clone() for k, v in G.state_dict().items()}, torch.get_rng_state()
    generate(G.train(), 6)
    assert G.training and all(torch.equal(v, before[k]) for k, v in G.state_dict().items())
    generate(G.eval(), 6)
    assert not G.training
    assert torch.equal(torch.get_rng_state(), random)


def test_samples_are_float32_on_the_cpu_without_a_graph():
    class Half(models.MLPGenerator):
        def forward(self, z):
            return super().forward(z).bfloat16()

    x = generate(Half(3), 4)
    assert x.dtype == torch.float32 and x.device.type == "cpu" and not x.requires_grad


def test_the_noise_of_a_seed_is_the_same_with_labels_and_without(conditional):
    """So one row a class, one column a latent."""
    with seeded(2):
        _, drawn = noise(conditional, 6)
    assert torch.equal(generate(conditional, 6, seed=2), generate(conditional, 6, drawn, seed=2))


def test_rows_that_blend_labels_are_labels_too(conditional):
    labels = torch.tensor([0, 3, 1])
    rows = torch.nn.functional.one_hot(labels, K).float()
    assert torch.allclose(generate(conditional, 3, labels), generate(conditional, 3, rows), atol=1e-6)


def test_random_labels_reach_every_class(conditional):
    with seeded(0):
        _, labels = noise(conditional, 200)
    assert labels.unique().tolist() == list(range(K))


@pytest.mark.parametrize(
    ("n", "labels", "says"),
    [
        (0, None, "cannot draw n=0 samples: give 1 or more"),
        (3, torch.tensor([0, 1]), "2 labels for 3 samples: give one label a sample"),
        (2, torch.tensor([0, K]), f"from 0 to {K - 1}"),
    ],
)
def test_what_cannot_be_sampled_is_refused_and_the_mode_kept(conditional, n, labels, says):
    conditional.train()
    with pytest.raises(ValueError, match=says):
        generate(conditional, n, labels)
    assert conditional.training


def test_labels_for_a_generator_without_classes_are_refused(G):
    with pytest.raises(ValueError, match="this model has no classes"):
        generate(G, 2, torch.tensor([0, 1]))


# ------------------------------------------------------------------------------------------------- batch norm


def norms(G):
    return [m for m in G.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_statistics_become_the_plain_mean_over_the_batches(G):
    seen = [[] for _ in norms(G)]
    for norm, batches in zip(norms(G), seen, strict=True):
        norm.register_forward_pre_hook(lambda _, args, batches=batches: batches.append(args[0].double().numpy()))
    torch.manual_seed(1)
    refresh_batchnorm(G, batches=7, batch_size=9)
    for norm, batches in zip(norms(G), seen, strict=True):
        assert len(batches) == 7
        means = np.mean([x.mean((0, 2, 3)) for x in batches], 0)
        variances = np.mean([x.var((0, 2, 3), ddof=1) for x in batches], 0)
        np.testing.assert_allclose(norm.running_mean, means, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(norm.running_var, variances, rtol=1e-4)


def test_refreshing_forgets_what_was_there_before(G):
    for _ in range(3):
        G(torch.randn(8, 5))  # in training mode, so the batch norms have counted batches
    for norm in norms(G):
        norm.running_mean.fill_(1e6)
    refresh_batchnorm(G, batches=2, batch_size=8)
    assert all(norm.running_mean.abs().max() < 10 for norm in norms(G))


@pytest.mark.parametrize("training", [True, False])
def test_refreshing_changes_nothing_but_the_statistics(G, training):
    G.train(training)
    weights, momenta = [p.clone() for p in G.parameters()], [m.momentum for m in norms(G)]
    refresh_batchnorm(G, batches=2, batch_size=8)
    assert G.training == training and [m.momentum for m in norms(G)] == momenta
    assert all(torch.equal(a, b) for a, b in zip(G.parameters(), weights, strict=True))


def test_a_generator_without_batch_norm_is_left_alone():
    G = models.MLPGenerator(3)
    torch.manual_seed(4)
    before = torch.get_rng_state()
    refresh_batchnorm(G)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_conditional_generator_is_refreshed_over_all_its_labels(conditional):
    seen = []
    conditional.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    refresh_batchnorm(conditional, batches=3, batch_size=40)
    assert torch.cat(seen).unique().tolist() == list(range(K))


# ------------------------------------------------------------------------------------------------- seeds


def test_seeded_draws_from_the_seed_and_leaves_no_trace():
    torch.manual_seed(9)
    expected = torch.randn(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(9):
        assert torch.equal(torch.randn(3), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_leaves_no_trace_of_a_mistake_either():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded(9):
        torch.randn(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
