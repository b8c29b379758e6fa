"""Answers to the exercises of 07: see test_answers.py."""

SLOPES = (
    "def exchanged(d_loss):\n"
    "    d_real, d_fake = torch.full((2, 8), 0.5).requires_grad_()\n"
    "    real, fake = torch.autograd.grad(d_loss(d_real, d_fake), (d_real, d_fake))\n"
)
RISES = (  # of D's loss, as one of its logits goes up
    "def rises(d_loss, i, at=0.5):\n"
    "    low, high = [[torch.full((4,), at), torch.full((4,), at)] for _ in range(2)]\n"
    "    high[i] = high[i] + 0.01\n"
    "    return float(d_loss(*high)) - float(d_loss(*low))\n"
)
right_1 = [
    SLOPES + "    return bool((real > 0).all() and (fake < 0).all())",
    SLOPES + "    return real.numpy().mean() > 0 > fake.numpy().mean()",
    SLOPES + "    return int(real.sum() > 0) * int(fake.sum() < 0)",
    RISES + "exchanged = lambda d_loss: rises(d_loss, 0) > 0 and rises(d_loss, 1) < 0",
    "def exchanged(d_loss):\n"
    "    r, f = (torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True) for _ in range(2))\n"
    "    d_loss(r, f).backward()\n"
    "    return r.grad[0] > 0 and f.grad[0] < 0",
    "def exchanged(d_loss):\n"
    "    x = torch.full((3,), 0.5)\n"
    "    r, f = torch.func.grad(d_loss, (0, 1))(x, x)\n"
    "    return torch.stack([r > 0, f < 0]).all()",
]
wrong_1 = {
    SLOPES + "    return real.mean() > 0": "about real samples only",
    SLOPES + "    return fake.mean() < 0": "about fakes only",
    SLOPES + "    return real.mean() > 0 or fake.mean() < 0": "Both must be exchanged",
    SLOPES + "    return real.mean() < 0 < fake.mean()": "a slope above 0 pushes down",
    SLOPES + "    return (real > 0) & (fake < 0)": "a tensor (8,)",
    SLOPES + "    if not real.mean() > 0 > fake.mean():\n        return False": "it gives None",
    SLOPES + "    return 'exchanged' if real.mean() > 0 > fake.mean() else 'sound'": "it gives 'sound'",
    SLOPES + "    return [bool(real.mean() > 0), bool(fake.mean() < 0)]": "a tensor (2,)",
    SLOPES + "    return float('nan')": "NaN comes of",
    SLOPES.replace("0.5", "-30.0") + "    return real.mean() > 0 > fake.mean()": "all logits at 0.5",
    SLOPES.replace("0.5", "1.0") + "    return real.mean() > 0 > fake.mean()": "least squares with 0 for real",
    RISES
    + "exchanged = lambda d_loss: rises(d_loss, 0, at=3.0) > 0 and rises(d_loss, 1, at=3.0) < 0": "all logits at 0.5",
    "exchanged = lambda d_loss: False": "for D1 it gives False",
    "exchanged = lambda d_loss: True": "it gives True; it should give False",
    "exchanged = lambda d_loss: d_loss(torch.zeros(2), torch.zeros(2)) < 0": "for D1",
    "exchanged = lambda d_loss: d_loss(0.5, 0.5) > 0": "ValueError",
    "def exchanged(d_loss):\n    r = torch.full((8,), 0.5)\n    return d_loss(r, r).backward()": "The slope is cut off",
    "def exchanged(d_loss):\n"
    "    r, f = torch.full((2, 8), 0.5).requires_grad_()\n"
    "    return torch.autograd.grad(d_loss(r.detach(), f), r)[0].mean() > 0": "RuntimeError",
    "exchanged = lambda: True": "Keep the arguments",
}

ALL = "diagnoses = {room: WAITING[i] for room, i in enumerate(order, 1)}\n"
right_2 = [
    ALL,
    ALL + "for room in range(7, 13):\n    diagnoses[room] = None",
    ALL + "diagnoses = {room: key for room, key in diagnoses.items() if room % 2}",
    ALL + "diagnoses = {room: key.lower().replace(\"'\", '′') + ' ' for room, key in diagnoses.items()}",
    ALL + "diagnoses = {np.int64(room): np.str_(key) for room, key in diagnoses.items()}".replace("np.", "numpy."),
]
right_2[-1] = "import numpy\n" + right_2[-1]
wrong_2 = {
    "diagnoses = {1: 'A1'}": "the same z would give the same image",
    "diagnoses = dict.fromkeys(range(1, 13), 'B4')": "would be noise",
    ALL + "diagnoses[3], diagnoses[10] = diagnoses[10], diagnoses[3]": "G's loss would be −log(1 − D(G(z)))",
    ALL + "diagnoses[5], diagnoses[7] = diagnoses[7], diagnoses[5]": "pixels would pass 1",
    "diagnoses = {room: WAITING[-i] for room, i in enumerate(order, 1)}": "try it",
    "diagnoses = list(WAITING)": "a dictionary of rooms",
    "diagnoses = 'A1'": "a dictionary of rooms",
    "diagnoses = None": "a dictionary of rooms",
    "diagnoses = {1: 'C4'}": "C4 in room 1? Rooms are",
    "diagnoses = {0: 'A1'}": "A1 in room 0? Rooms are",
    "diagnoses = {'1': 'A1'}": "Rooms are 1 to 12",
    "diagnoses = {1: 7}": "7 in room 1?",
    "diagnoses = {1: ['A1', 'E3']}": "keys are A1",
    "diagnoses = {float('nan'): 'A1'}": "Rooms are 1 to 12",
    "diagnoses = {1: float('nan')}": "NAN in room 1?",
}


def step(before="", between="", after="", loss="D(G(torch.randn(len(x_real), z_dim)))", backward="loss_G.backward()"):
    """The exercise's step with more in G's half: before its backward, before and after Adam's step."""
    lines = [
        "x_fake = G(torch.randn(len(x_real), z_dim)).detach()",
        "loss_D = losses.cross_entropy_d(D(x_real), D(x_fake))",
        "both.zero_grad(); loss_D.backward(); both.step()",
        *([before] if before else []),
        f"loss_G = losses.non_saturating_g({loss})",
        f"both.zero_grad(); {backward}",
        *([between] if between else []),
        "both.step()",
        *([after] if after else []),
    ]
    return "def one_optimiser_step(x_real, *, G, D, both, z_dim):\n" + "".join(f"    {line}\n" for line in lines)


right_3 = [
    step(between="for p in D.parameters(): p.grad = None"),
    step(between="D.zero_grad()"),
    step(before="D.requires_grad_(False)", after="D.requires_grad_(True)"),
    step(backward="loss_G.backward(inputs=list(G.parameters()))"),
    step(
        backward="found = torch.autograd.grad(loss_G, list(G.parameters()))",
        between="for p, g in zip(G.parameters(), found): p.grad = g",
    ),
]
wrong_3 = {
    step(between="D.zero_grad(set_to_none=False)"): "it remembers older ones",
    step(between="for p in D.parameters(): p.grad.zero_()"): "it remembers older ones",
    step(between="for p in D.parameters(): p.grad *= 0.1"): "both.step() follows it",
    step(between="G.zero_grad()"): "G has no gradient",
    step(between="both.zero_grad()"): "G has no gradient",
    step(loss="D(G(torch.randn(len(x_real), z_dim)).detach())"): "G has no gradient",
    step(before="D.requires_grad_(False)"): "the next round cannot train D",
    step(between="return"): "yours takes 1",
    step(after="both.step()"): "yours takes 3",
    step(between="D.zero_grad(); G.zero_grad(set_to_none=False)"): "G has no gradient",
    step(between="D.zero_grad(); [p.grad.neg_() for p in G.parameters()]"): "What else does your line do?",
    step(before="torch.set_grad_enabled(False)", backward="torch.set_grad_enabled(True); loss_G.backward()"): "cut off",
    step(between="D.zero_grad(); both.param_groups[0]['lr'] = 1e-4"): "What else does your line do?",
    "one_optimiser_step = None": "TypeError",
    "def one_optimiser_step(x_real, *, G, D, both, z_dim):\n    pass": "yours takes 0",
    "def one_optimiser_step(x_real, G, D):\n    pass": "Keep the arguments",
}
