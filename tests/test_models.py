"""Oracles: shapes and counts worked out by hand, numpy's SVD, the papers' formulas written out from the weights."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from ganedu import metrics, models
from ganedu.models import DCDiscriminator, DCGenerator, MLPDiscriminator, MLPGenerator, n_parameters

every_condition = pytest.mark.parametrize("condition", models.CONDITIONS)
K = 5  # classes


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pair(condition, image_size=16, width=2):
    """A conditional pair in eval mode, so that a sample does not depend on its batch."""
    G = DCGenerator(image_size, 1, 6, width, K, condition)
    D = DCDiscriminator(image_size, 1, width, K, condition)
    return G.eval(), D.eval()


# ---------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("image_size", models.IMAGE_SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("condition", [None, *models.CONDITIONS])
def test_every_size_channel_count_and_condition_fits_together(image_size, channels, condition):
    n_classes = K if condition else 0
    G, D = (make(image_size, channels, width=2, n_classes=n_classes, condition=condition) for make in (
        DCGenerator, DCDiscriminator))  # fmt: skip
    labels = [torch.tensor([0, K - 1, 2])] if condition else []
    x = G(torch.randn(3, G.z_dim), *labels)
    assert x.shape == (3, channels, image_size, image_size)
    assert -1 <= x.min() < x.max() <= 1
    assert D(x, *labels).shape == (3,)


@pytest.mark.parametrize("kind", ["mlp", "dcgan", "cgan"])
def test_build_gives_a_pair_that_fits(kind):
    G, D = models.build(kind, image_size=16, channels=3, z_dim=7, n_classes=K if kind == "cgan" else 0)
    labels = [torch.tensor([0, 4])] if kind == "cgan" else []
    x = G(torch.randn(2, 7), *labels)
    assert G.z_dim == 7 and x.shape == (2, 3, 16, 16) and x.abs().max() <= 1
    assert D(x, *labels).shape == (2,)


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 8, 8)])
def test_mlps_fit_points_and_images(shape):
    x = MLPGenerator(4, shape)(torch.randn(6, 4))
    D = MLPDiscriminator(shape)
    assert x.shape == (6, *shape) and D(x).shape == (6,) and D.features(x).shape == (6, 64)


def test_an_mlps_images_are_bounded_and_its_points_are_not():
    z = 1e3 * torch.randn(50, 4)
    assert MLPGenerator(4, (1, 4, 4))(z).abs().max() <= 1
    assert MLPGenerator(4, (2,))(z).abs().max() > 1


def test_logits_are_linear_in_the_features():
    for D in (MLPDiscriminator(), DCDiscriminator(16, 1, 2)):
        x = torch.randn(6, *((2,) if isinstance(D, MLPDiscriminator) else D.shape))
        last = D.net[-1] if isinstance(D, MLPDiscriminator) else D.head
        assert torch.allclose(D(x), D.features(x) @ last.weight[0] + last.bias, atol=1e-6)


def test_a_judge_names_a_class_from_its_features():
    judge = metrics.Classifier(32, 3, K)
    x = torch.randn(4, 3, 32, 32)
    assert judge(x).shape == (4, K) and judge.features(x).shape == (4, 64)
    assert judge.features(x).min() >= 0
    assert torch.equal(judge(x), judge.head(judge.features(x)))


# ---------------------------------------------------------------------------------------------------------- counts


def documented(cls) -> dict[int, int]:
    """{image_size: parameters} as the docstring says, "108,897 at 28"."""
    found = re.findall(r"(\d[\d,]*)(?: parameters)? at\s+(\d+)(?: pixels|, |\.)", " ".join(cls.__doc__.split()))
    return {int(size): int(n.replace(",", "")) for n, size in found}


@pytest.mark.parametrize("cls", [DCGenerator, DCDiscriminator])
def test_docstrings_give_the_parameter_counts(cls):
    assert documented(cls) == {size: n_parameters(cls(size)) for size in models.IMAGE_SIZES}


@pytest.mark.parametrize(
    "module", [MLPGenerator(2), MLPDiscriminator(), metrics.Classifier(28, 1, 10)], ids=lambda m: type(m).__name__
)
def test_the_docstring_gives_the_parameter_count(module):
    assert f"{n_parameters(module):,} parameters" in " ".join(type(module).__doc__.split())


def test_an_mlp_has_the_parameters_its_layers_add_up_to():
    assert n_parameters(MLPGenerator(2, (2,), width=64, depth=2)) == (2 + 1) * 64 + (64 + 1) * 64 + (64 + 1) * 2
    assert n_parameters(MLPDiscriminator((1, 4, 4), width=8, depth=1)) == (16 + 1) * 8 + (8 + 1)


def test_only_trainable_numbers_count():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    module[0].bias.requires_grad_(False)
    assert n_parameters(module) == 12 + 8  # neither the frozen bias nor the running statistics


# ------------------------------------------------------------------------------------------------------ initial values


@pytest.mark.parametrize("cls", [DCGenerator, DCDiscriminator])
def test_dcgan_weights_start_as_in_the_paper(cls):
    module = cls(28, 1, width=16)
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            n = m.weight.numel()
            assert abs(m.weight.mean()) < 5 * 0.02 / math.sqrt(n)
            assert abs(m.weight.std() / 0.02 - 1) < 5 / math.sqrt(2 * n)
            assert m.bias is None or not m.bias.any()
        if isinstance(m, nn.BatchNorm2d):
            n = m.weight.numel()
            assert abs(m.weight.mean() - 1) < 5 * 0.02 / math.sqrt(n)
            assert abs(m.weight.std() / 0.02 - 1) < 5 / math.sqrt(2 * n)
            assert not m.bias.any()


def test_no_bias_where_a_batch_norm_follows():
    for module in (DCGenerator(), DCDiscriminator()):
        layers = list(module.net)
        for layer, following in itertools.pairwise(layers):
            if isinstance(following, nn.BatchNorm2d) and hasattr(layer, "bias"):
                assert layer.bias is None


def test_the_discriminator_normalises_all_but_its_first_layer():
    kinds = [type(m).__name__ for m in DCDiscriminator(64).net]
    assert kinds[:3] == ["Conv2d", "LeakyReLU", "Conv2d"]
    assert kinds.count("BatchNorm2d") == kinds.count("Conv2d") - 1


# ---------------------------------------------------------------------------------------------------------- conditions


@every_condition
def test_the_label_changes_what_the_generator_makes(condition):
    G, _ = pair(condition)
    z = torch.randn(1, 6).expand(K, 6)
    x = G(z, torch.arange(K)).flatten(1)
    assert torch.pdist(x).min() > 0


@pytest.mark.parametrize("condition", ["concat", "embedding", "projection"])
def test_the_label_changes_the_logit(condition):
    _, D = pair(condition)
    d = D(torch.randn(1, 1, 16, 16).expand(K, 1, 16, 16), torch.arange(K))
    assert len(d.unique()) == K


def test_an_acgan_logit_ignores_the_label():
    _, D = pair("acgan")
    x = torch.randn(K, 1, 16, 16)
    assert torch.equal(D(x), D(x, torch.arange(K)))


def test_both_gives_an_acgan_discriminators_two_answers():
    _, D = pair("acgan")
    x = torch.randn(4, 1, 16, 16)
    d, c = D.both(x)
    assert torch.equal(d, D(x)) and torch.equal(c, D.classify(x)) and c.shape == (4, K)
    assert torch.allclose(c, D.features(x) @ D.class_head.weight.T + D.class_head.bias, atol=1e-6)


def test_projection_adds_the_inner_product_of_class_vector_and_features():
    _, D = pair("projection")
    x, labels = torch.randn(4, 1, 16, 16), torch.tensor([0, 3, 3, 1])
    f = D.features(x).detach().numpy()
    w, b, e = D.head.weight.detach().numpy()[0], D.head.bias.item(), D.embed.weight.detach().numpy()
    by_hand = [f[i] @ w + b + f[i] @ e[y] for i, y in enumerate(labels.tolist())]
    np.testing.assert_allclose(D(x, labels).detach().numpy(), by_hand, rtol=1e-4, atol=1e-6)


def test_concat_puts_a_plane_of_ones_at_the_label():
    _, D = pair("concat")
    seen = []
    D.net.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.randn(2, 1, 16, 16)
    D(x, torch.tensor([2, 0]))
    assert torch.equal(seen[0][:, :1], x)
    assert torch.equal(seen[0][:, 1:].mean((2, 3)), torch.eye(K)[[2, 0]])


@every_condition
def test_one_hot_rows_stand_for_labels(condition):
    G, D = pair(condition)
    z, labels = torch.randn(K, 6), torch.arange(K)
    rows = models.one_hot(labels, K)
    assert torch.allclose(G(z, labels), G(z, rows), atol=1e-6)
    x = torch.randn(K, 1, 16, 16)
    assert torch.allclose(D(x, labels), D(x, rows), atol=1e-6)


@every_condition
def test_a_blend_of_two_labels_lies_between_them(condition):
    """The weights of labels 1 and 3 run from (1, 0) to (0, 1); the pictures go from the one's to the other's."""
    G, _ = pair(condition)
    z, a = torch.randn(1, 6).expand(11, 6), torch.linspace(0, 1, 11)[:, None]
    rows = (1 - a) * models.one_hot(torch.tensor([1]), K) + a * models.one_hot(torch.tensor([3]), K)
    x = G(z, rows).flatten(1)
    ends = G(z[:2], torch.tensor([1, 3])).flatten(1)
    assert torch.allclose(x[[0, -1]], ends, atol=1e-6)
    steps = (x[1:] - x[:-1]).norm(dim=1)
    assert steps.min() > 0 and steps.max() < 0.5 * (ends[1] - ends[0]).norm()


def test_a_blend_of_projections_is_the_blend_of_their_logits():
    _, D = pair("projection")
    x, rows = torch.randn(1, 1, 16, 16), torch.tensor([[0.25, 0, 0.75, 0, 0]])
    apart = D(x.expand(2, -1, -1, -1), torch.tensor([0, 2]))
    assert torch.allclose(D(x, rows), 0.25 * apart[0] + 0.75 * apart[1], atol=1e-6)


# ------------------------------------------------------------------------------------------------------- spectral norm


def test_spectral_norm_sets_the_largest_singular_value_to_one():
    module = nn.Sequential(nn.Conv2d(3, 8, 4), nn.ConvTranspose2d(8, 5, 4), nn.Linear(7, 11), nn.Embedding(6, 4))
    before = [m.weight.detach().numpy().copy() for m in module]
    assert models.spectral_norm(module) is module
    for _ in range(300):  # in training mode each look at a weight takes one power iteration
        _ = [m.weight for m in module]
    for m, w in zip(module.eval(), before, strict=True):
        matrix = np.moveaxis(w, 1, 0) if isinstance(m, nn.ConvTranspose2d) else w
        matrix = matrix.reshape(matrix.shape[0], -1)  # (out, in * height * width)
        largest = np.linalg.svd(matrix, compute_uv=False)[0]
        np.testing.assert_allclose(m.weight.detach().numpy(), w / largest, rtol=1e-4, atol=1e-7)


def test_spectral_norm_reaches_every_weight_of_a_discriminator():
    D = models.spectral_norm(DCDiscriminator(16, 1, 2, K, "projection"))
    for _ in range(50):  # each forward pass in training mode takes one power iteration
        D(torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 3]))
    D.eval()
    for m in D.modules():
        if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding):
            largest = np.linalg.svd(m.weight.detach().flatten(1).numpy(), compute_uv=False)[0]
            assert abs(largest - 1) < 1e-2


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"image_size": 48}, "image_size=48 does not fit: choose one of 16, 28, 32, 64, 128"),
        ({"channels": 2}, "channels=2 does not fit: 1 is grey, 3 is RGB"),
        ({"width": 0}, "width=0 does not fit: give a whole number, 1 or more"),
        ({"width": 2.5}, "width=2.5 does not fit"),
        ({"condition": "concat"}, "condition='concat' needs n_classes of 2 or more, got 0"),
        ({"n_classes": 10}, "n_classes=10 needs a condition: one of concat, embedding"),
        ({"n_classes": 10, "condition": "projektion"}, "Did you mean 'projection'?"),
    ],
)
@pytest.mark.parametrize("cls", [DCGenerator, DCDiscriminator])
def test_a_setting_that_does_not_fit_is_named_with_those_that_do(cls, kwargs, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        cls(**kwargs)


@pytest.mark.parametrize(("kind", "nearest"), [("dcgn", "dcgan"), ("MLP", "mlp"), ("cgna", "cgan")])
def test_an_unknown_model_gets_the_nearest_name(kind, nearest):
    with pytest.raises(ValueError, match=rf"unknown model '{kind}'.*Did you mean '{nearest}'"):
        models.build(kind)


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(ValueError, match=r"one of mlp, dcgan, cgan\.$"):
        models.build("xyzzy")


@pytest.mark.parametrize("kind", ["mlp", "dcgan", "cgan"])
def test_build_refuses_a_width_of_nothing(kind):
    with pytest.raises(ValueError, match="width=0"):
        models.build(kind, width=0, n_classes=K if kind == "cgan" else 0)


def test_a_conditional_pair_without_classes_is_refused():
    with pytest.raises(ValueError, match="needs n_classes of 2 or more"):
        models.build("cgan")


LABELS = [
    (None, f"this model has {K} classes, but got no labels"),
    (torch.tensor([0, K]), f"labels run from 0 to {K}: give whole numbers (N,) from 0 to {K - 1}"),
    (torch.tensor([-1, 0]), "labels run from -1 to 0"),
    (torch.zeros(2, K + 1), f"labels (2, {K + 1}) of torch.float32 do not fit"),
    (torch.tensor([0.0, 1.0]), "labels (2,) of torch.float32 do not fit"),
]


@every_condition
@pytest.mark.parametrize(("labels", "says"), LABELS)
def test_labels_that_do_not_fit_are_refused(condition, labels, says):
    G, D = pair(condition)
    with pytest.raises(ValueError, match=re.escape(says)):
        G(torch.randn(2, 6), labels)
    if condition != "acgan":
        with pytest.raises(ValueError, match=re.escape(says)):
            D(torch.randn(2, 1, 16, 16), labels)


def test_labels_for_a_model_without_classes_are_refused():
    labels = torch.tensor([0, 1])
    for use in (lambda: DCGenerator()(torch.randn(2, 64), labels),
                lambda: DCDiscriminator()(torch.randn(2, 1, 28, 28), labels)):  # fmt: skip
        with pytest.raises(ValueError, match="this model has no classes, but got labels"):
            use()


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 32, 32\) do not fit: this model takes \(N, \*\(1, 28, 28\)\)"):
        DCDiscriminator()(torch.randn(2, 3, 32, 32))
