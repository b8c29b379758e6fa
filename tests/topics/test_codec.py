"""The codec, its step, the flow in its codes and the Gaussian beside it, against what is known without them."""

import pytest
import torch
from torch import nn

from ganedu.losses import non_saturating
from ganedu.topics import codec
from ganedu.topics.pix2pix import PatchDiscriminator


def test_patches_of_the_two_parts_share_no_pixel():
    images = codec.patches(12, 9, seed=3)
    assert images.x.shape == (12, 1, 32, 32) and images.x_test.shape == (9, 1, 32, 32)
    assert images.labels.bincount().tolist() == [4, 4, 4]
    again = codec.patches(12, 9, seed=3)
    assert torch.equal(images.x, again.x) and not torch.equal(images.x, codec.patches(12, 9, seed=4).x)
    for x, labels, low, high in (
        (images.x, images.labels, 0, codec.BORDER),
        (images.x_test, images.labels_test, codec.BORDER, codec.PAGE),
    ):
        for patch, of in zip(x[:3], labels[:3].tolist(), strict=True):  # found in its own part, by search
            page = codec.texture(codec.NAMES[of], codec.PAGE)[0, :, low:high]
            windows = page.unfold(0, 32, 1).unfold(1, 32, 1)
            assert (windows == patch[0]).flatten(2).all(2).any()
    with pytest.raises(ValueError, match="n_test"):
        codec.patches(12, 2)


def test_codec_shapes_and_errors():
    C = codec.Codec()
    x = torch.rand(2, 1, 32, 32) * 2 - 1
    assert C.encode(x).shape == (2, 4, 4, 4) and C(x).shape == x.shape and C(x).abs().max() <= 1
    assert sum(p.numel() for p in C.parameters()) == 85_221
    assert torch.allclose(codec.decoded(C, codec.codes_of(C, x)), C(x), atol=1e-6)
    with pytest.raises(ValueError, match="images must be"):
        C(torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match=r"codes \(2, 64\) do not fit"):
        C.decode(torch.zeros(2, 64))
    with pytest.raises(ValueError, match="codes"):
        codec.Codec(codes=0)


def test_step_is_gradient_descent_on_the_stated_loss():
    """By SGD with rate 1 a weight moves by its gradient: held against finite differences of the loss written anew."""
    torch.manual_seed(0)
    C, D = codec.Codec(2, 2).double(), PatchDiscriminator(1, 2, 10, outline=False).double()
    x = torch.rand(3, 1, 32, 32, dtype=torch.float64) * 2 - 1
    last = C.up[-2].bias

    def goal(shift):
        with torch.no_grad():
            last.add_(shift)
            y = C(x)
            value = ((y - x) ** 2).mean() + 0.3 * nn.functional.softplus(-D(y)).mean()
            last.sub_(shift)
        return float(value)

    opt_C, opt_D = torch.optim.SGD(C.parameters(), 1.0), torch.optim.SGD(D.parameters(), 0.0)
    slope, before = (goal(1e-6) - goal(-1e-6)) / 2e-6, last.item()
    with torch.no_grad():
        d_loss = nn.functional.softplus(-D(x)).mean() + nn.functional.softplus(D(C(x))).mean()
    record = codec.codec_step(x, C=C, D=D, opt_C=opt_C, opt_D=opt_D, weight=0.3, loss=non_saturating)
    assert abs(before - last.item() - slope) < 1e-7
    assert abs(record["loss_D"] - d_loss) < 1e-12


def test_without_weight_d_is_not_asked():
    torch.manual_seed(0)
    C = codec.Codec(2, 2)
    x = torch.rand(3, 1, 32, 32)
    record = codec.codec_step(x, C=C, opt_C=torch.optim.SGD(C.parameters(), 0.1))
    assert set(record) == {"loss_pixel"}
    for weight in (-1.0, 0.1, float("nan")):
        with pytest.raises(ValueError, match="weight="):
            codec.codec_step(x, C=C, opt_C=torch.optim.SGD(C.parameters(), 0.1), weight=weight)


class Shift(nn.Module):
    """The exact velocity from N(0, 1) to the one point m: (m - c) / (1 - t)."""

    dim = 3

    def forward(self, c, t):
        return (2.0 - c) / (1 - t)


def test_flow_reaches_the_point_whose_velocity_is_exact():
    assert torch.allclose(codec.flow(Shift(), 5, steps=7), torch.full((5, 3), 2.0), atol=1e-5)
    V = codec.Velocity(3, 8)
    assert torch.equal(codec.flow(V, 4, 2, seed=1), codec.flow(V, 4, 2, seed=1))
    with pytest.raises(ValueError, match="steps"):
        codec.flow(V, 4, 0)


def test_one_euler_step_with_the_mean_way_gives_the_mean():
    """At t = 0 the best velocity is E[c] - e, so a single step of it ends at the mean, whatever the data."""
    torch.manual_seed(0)
    rows = torch.randn(4000, 2) @ torch.tensor([[1.0, 0.5], [0.0, 0.3]]) + torch.tensor([1.0, -2.0])
    V = codec.Velocity(2, 32)
    opt = torch.optim.Adam(V.parameters(), 3e-3)
    for _ in range(600):
        codec.flow_step(rows[torch.randint(4000, (256,))], V=V, opt=opt)
    once, many = codec.flow(V, 2000, 1), codec.flow(V, 2000, 50)
    assert (once.mean(0) - rows.mean(0)).abs().max() < 0.2 and once.std(0).max() < 0.4
    assert (torch.cov(many.T) - torch.cov(rows.T)).abs().max() < 0.25


def test_gaussian_has_mean_and_covariance():
    torch.manual_seed(0)
    rows = torch.randn(500, 3) @ torch.randn(3, 3) + 5
    drawn = codec.gaussian(rows, 40_000)
    assert (drawn.mean(0) - rows.mean(0)).abs().max() < 0.06
    assert (torch.cov(drawn.T) - torch.cov(rows.T)).abs().max() < 0.15
    flat = torch.cat([rows, rows[:, :1]], 1)  # a covariance without full rank
    assert torch.allclose(codec.gaussian(flat, 10)[:, 0], codec.gaussian(flat, 10)[:, 3], atol=1e-4)
    for bad in (torch.zeros(1, 3), torch.zeros(3), torch.full((3, 2), float("nan"))):
        with pytest.raises(ValueError, match="rows"):
            codec.gaussian(bad, 3)
