"""The contract of images, checked in one place: shape, type and range, from both sides."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ganedu.pixels import TOLERANCE, as_float, check, to_float, to_uint8

IMAGES = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
BYTES = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def far(value: float, dtype=torch.float32) -> torch.Tensor:
    return torch.full((1, 1, 2, 2), value, dtype=dtype)


# ------------------------------------------------------------------------------------------------------- tolerance


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_range_ends_at_the_tolerance_on_both_sides(sign):
    check(far(sign * (1 + 0.99 * TOLERANCE)))
    with pytest.raises(
        ValueError, match=r"float in \[-1, 1\] or uint8: got torch.float32 \(1, 1, 2, 2\) from -?1.00101"
    ):
        check(far(sign * (1 + 1.01 * TOLERANCE)))


def test_what_rounding_makes_of_images_passes():
    check(to_float(BYTES))
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        check(far(50.0, dtype).tanh())
        check(BYTES.to(dtype) / 127.5 - 1)
        check(BYTES.to(dtype) * torch.tensor(2 / 255, dtype=dtype) - 1)
    check(torch.nextafter(far(1.0, torch.float16), far(2.0, torch.float16)))
    white = torch.ones(1, 1, 7, 7)
    for size in (3, 16, 31, 100):
        check(interpolate(white, size=(size, size), mode="bilinear", antialias=True))


def test_what_is_more_than_rounding_is_refused():
    ramp = torch.cat([-torch.ones(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], 3)
    for bad in (
        torch.nextafter(far(1.0, torch.bfloat16), far(2.0, torch.bfloat16)),
        interpolate(ramp, scale_factor=3, mode="bicubic"),
        BYTES.float(),
        BYTES / 127.0 - 1,
    ):
        with pytest.raises(ValueError, match="clamp what overshoots"):
            check(bad)


def test_what_passes_is_the_same_byte():
    assert torch.equal(to_uint8(far(1 + TOLERANCE)), to_uint8(far(1.0)))
    assert TOLERANCE < 1 / 127.5 / 2, "half a grey level"


# ------------------------------------------------------------------------------------------------ shapes, types, looks


@pytest.mark.parametrize(
    ("shape", "fits", "does_not"),
    [
        (("N", "C", "H", "W"), [(2, 5, 3, 4)], [(5, 3, 4), (2, 5, 3, 4, 1), (0, 5, 3, 4), ()]),
        (("N", "C", "H", "H"), [(2, 5, 3, 3)], [(2, 5, 3, 4)]),
        (("N", 3, 16, 16), [(1, 3, 16, 16)], [(1, 1, 16, 16), (1, 3, 16, 8)]),
        (("N", (1, 3), "H", "W"), [(1, 1, 2, 4), (1, 3, 2, 4)], [(1, 2, 2, 4)]),
        (((1, 3), 8, 8), [(3, 8, 8)], [(2, 8, 8), (1, 3, 8, 8)]),
    ],
)
def test_numbers_are_met_letters_are_free_and_equal_letters_equal(shape, fits, does_not):
    for given in fits:
        check(torch.zeros(given), shape)
    wanted = ", ".join(str(n).replace("(1, 3)", "1 or 3") for n in shape)
    for given in does_not:
        with pytest.raises(ValueError) as e:
            check(torch.zeros(given), shape, name="x")
        assert str(e.value).startswith(
            f"x must be ({wanted}), 1 or more, float in [-1, 1] or uint8: got torch.float32 ("
        )
        assert "`data.resize`" in str(e.value) and "x[None]" in str(e.value)


def test_so_many_or_more():
    check(IMAGES[:0], least=0)
    check(IMAGES, least=2)
    with pytest.raises(
        ValueError, match=r"images must be \(N, C, H, W\), 3 or more, .*: got torch.float32 \(2, 1, 8, 8\)"
    ):
        check(IMAGES, least=3)


def test_kinds():
    for x in (BYTES, IMAGES, IMAGES.half(), IMAGES.bfloat16(), IMAGES.double()):
        check(x)
    for x in (IMAGES.long(), IMAGES > 0, IMAGES.to(torch.complex64), IMAGES.numpy(), [IMAGES], None):
        with pytest.raises(ValueError, match=rf"got (torch.{getattr(x, 'dtype', '')} |torch|ndarray|list|NoneType)"):
            check(x)
    with pytest.raises(ValueError, match=r", float in \[-1, 1\]: got torch.uint8 .*`data.to_float` scales bytes"):
        check(BYTES, kinds=("float",))
    with pytest.raises(ValueError, match=r", uint8: got torch\.float32"):
        check(IMAGES, kinds=("uint8",))


def test_arrays_where_they_are_asked_for():
    check(IMAGES.numpy(), of=np.ndarray)
    check(BYTES.numpy(), of=np.ndarray)
    for x, said in (
        (3 * IMAGES.numpy(), "float32 .* from -"),
        (IMAGES.numpy().astype(int), "int64"),
        (IMAGES, "Tensor"),
    ):
        with pytest.raises(ValueError, match=f"got {said}"):
            check(x, of=np.ndarray)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_finite_or_not_looked_at(value):
    x = IMAGES.clone()
    x[1, 0, 3, 3] = value
    check(5 * IMAGES, look="finite")
    check(x, look=None)
    for look in ("finite", "range"):
        with pytest.raises(ValueError, match="NaN or infinity say"):
            check(x, look=look)


def test_nobody_looks_where_a_look_would_make_a_gpu_wait():
    check(torch.empty(2, 1, 8, 8, device="meta"), look=None)  # has no values
    check(torch.empty(2, 1, 8, 8, device="meta", dtype=torch.uint8))


def test_a_look_leaves_the_graph_alone(recwarn):
    x = IMAGES.clone().requires_grad_()
    check(x * 1)
    check(x)
    assert x.grad is None and not recwarn.list


def test_as_float_scales_bytes_alone():
    assert torch.equal(as_float(BYTES), to_float(BYTES)) and as_float(IMAGES) is IMAGES
