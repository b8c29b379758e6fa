"""Oracles: numpy's least squares and PSNR placement by placement; score sheets counted by hand."""

import numpy as np
import pytest
import torch

from ganedu import metrics
from ganedu.topics import duel, marks, studio
from ganedu.topics import manifest as mf


def pictures(n=4, side=20, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return marks.filed(marks.blurred(torch.randn(n, 1, side, side, generator=draw), 1.0).mul(1.5).clamp(-0.8, 0.8))


def by_placements(x, y):
    """One picture each, (H, W): the best placement by numpy's own least squares."""
    best, h = 0.0, x.shape[0] - 6
    target = x[3 : 3 + h, 3 : 3 + h].ravel()
    for one in (y, y[:, ::-1]):
        for i in range(7):
            for j in range(7):
                part = one[i : i + h, j : j + h].ravel()
                fit = np.polyval(np.polyfit(part, target, 1), part)
                best = max(best, 10 * np.log10(4 / max(np.mean((fit - target) ** 2), 1e-10)))
    return best


def test_damage_is_the_best_placement():
    x = pictures()
    y = marks.attack(marks.moved(x, 1), "noise", 0.1)
    wanted = [by_placements(a[0].double().numpy(), b[0].double().numpy()) for a, b in zip(x, y, strict=True)]
    assert np.allclose(duel.damage(x, y).numpy(), wanted, atol=1e-3)


def test_what_can_be_undone_is_no_damage():
    x = pictures()
    assert duel.damage(x, x).min() > 100
    for y in (x.flip(3), marks.moved(x, 3), marks.moved(x, -2), marks.attack(x, "fainter", 0.5)):
        assert metrics.psnr(x, y).max() < 35 < duel.damage(x, y).min()
    assert duel.damage(x, torch.zeros_like(x)).max() < 25  # a flat picture: what is left is x itself
    assert duel.damage(x, marks.attack(x, "noise", 0.3)).max() < duel.SPOILT + 5
    with pytest.raises(ValueError, match="y, like x, must be"):
        duel.damage(x, x[:1])
    with pytest.raises(ValueError, match="14 x 14 pixels are too few"):
        duel.damage(x[..., :14, :14], x[..., :14, :14])


def test_one_of_the_placements_undoes_what_was_moved_or_mirrored():
    x = pictures(2)
    ways = duel.placements(x)
    assert ways.shape == (duel.PLACEMENTS, *x.shape) and duel.PLACEMENTS == 98
    assert torch.equal(ways[24], x) and torch.equal(ways[49 + 24], x.flip(3))  # in the middle: not moved
    for y in (x.flip(3), marks.moved(x, 3), marks.moved(x, -2), marks.moved(x.flip(3), 1)):
        same = (duel.placements(y)[..., 6:-6, 6:-6] == x[..., 6:-6, 6:-6]).flatten(2).all(2)  # (98, 2)
        assert (same.sum(0) == 1).all()


def test_98_looks_together_seldom_find_a_mark_that_is_not_there():
    """Each look finds `enough` bits in an unmarked picture as often as coins do, so all of them less than 1e-6."""
    enough = marks.needed(1e-6 / duel.PLACEMENTS)
    assert enough == 31 and duel.PLACEMENTS * marks.chance(enough) < 1e-6 < duel.PLACEMENTS * marks.chance(enough - 1)


def test_points_as_the_rules_say():
    x, key, reader = pictures(5), mf.Pair(b"1" * 32), marks.Patterns((1, 20, 20))
    message = marks.message_of(key.public.public)
    y = reader.mark(x, message, 18.0)
    handed = [mf.sign(studio.png(one, {"date": "2026-11-29"}), key) for one in y]
    strange = marks.Patterns((1, 20, 20), key=9).mark(x[:1], message, 25.0)
    back = [
        handed[0],  # nothing done
        mf.with_texts(mf.pixels(handed[1])),  # metadata dropped
        mf.with_texts(y[2:3].flip(3), mf.texts(handed[2])),  # mirrored, metadata copied
        mf.with_texts(torch.zeros(1, 1, 20, 20) + 1 / 255),  # flat
        mf.with_texts(strange),  # another picture
    ]
    rows = duel.score(handed, back, key.public, reader, message)
    assert [r.manifest for r in rows] == [mf.ANSWERS[i] for i in (0, 2, 1, 2, 2)]
    assert [r.bits >= 31 for r in rows] == [True, True, True, False, False]  # also what was mirrored
    assert [(r.defender, r.attacker) for r in rows[:3]] == [(2, 0), (1, 1), (1, 1)]
    for row in rows[3:]:
        assert (row.defender, row.attacker) == ((2, 0) if row.damage < duel.SPOILT else (0, 2))
    with pytest.raises(ValueError, match="5 pictures were handed over and 1 came back"):
        duel.score(handed, back[:1], key.public, reader, message)
    with pytest.raises(ValueError, match=r"came back as \(1, 24, 24\): resize it"):
        duel.score(handed[:1], [mf.with_texts(pictures(1, 24))], key.public, reader, message)
    with pytest.raises(ValueError, match="this file is no picture"):
        duel.score(handed[:1], [b""], key.public, reader, message)
