"""Answers to the exercises of notebook 23: see test_answers.py."""

ONE_1 = "three_pairs = lambda d_real, d_wrong, d_fake: "
S_1 = "torch.sigmoid({})"
right_1 = [
    ONE_1 + "words.matching_loss(d_real, d_wrong, d_fake)",
    ONE_1 + "F.softplus(-d_real).mean() + 0.5 * F.softplus(d_wrong).mean() + 0.5 * F.softplus(d_fake).mean()",
    ONE_1 + "-(F.logsigmoid(d_real) + 0.5 * F.logsigmoid(-d_wrong) + 0.5 * F.logsigmoid(-d_fake)).mean()",
    ONE_1 + "-torch.log(torch.sigmoid(d_real)).mean() - torch.log(1 - torch.sigmoid(d_wrong)).mean() / 2"
    " - torch.log(1 - torch.sigmoid(d_fake)).mean() / 2",
    "def three_pairs(d_real, d_wrong, d_fake):\n    bce = F.binary_cross_entropy_with_logits\n"
    "    one, zero = torch.ones_like(d_real), torch.zeros_like(d_real)\n"
    "    return bce(d_real, one) + (bce(d_wrong, zero) + bce(d_fake, zero)) / 2",
    "def three_pairs(d_real, d_wrong, d_fake):\n    total = 0\n    for r, w, f in zip(d_real, d_wrong, d_fake):\n"
    "        total = total + F.softplus(-r) + (F.softplus(w) + F.softplus(f)) / 2\n    return total / len(d_real)",
    "def three_pairs(d_real, d_wrong, d_fake):\n    no = torch.cat([d_wrong, d_fake])\n"
    "    return F.softplus(-d_real).mean() + F.softplus(no).mean()",
    ONE_1 + "torch.log1p(torch.exp(-d_real)).mean() + torch.log1p(torch.exp(torch.stack([d_wrong, d_fake]))).mean()",
]  # fmt: skip
wrong_1 = {
    ONE_1 + "F.softplus(-d_real).mean() + F.softplus(d_wrong).mean() + F.softplus(d_fake).mean()": "a half each",
    ONE_1 + "(F.softplus(-d_real) + F.softplus(d_wrong) + F.softplus(d_fake)).mean() / 3": "The real pair weighs 1",
    ONE_1 + "F.softplus(-d_real).mean() + F.softplus(d_fake).mean()": "without the wrong pair",
    ONE_1 + "F.softplus(-d_real).mean() + (F.softplus(-d_wrong).mean() + F.softplus(d_fake).mean()) / 2":
        "the pair is not",
    ONE_1 + "F.softplus(-d_real).mean() + (F.softplus(d_wrong).mean() + F.softplus(-d_fake).mean()) / 2":
        "taking a fake for real",
    ONE_1 + "-words.matching_loss(d_real, d_wrong, d_fake)": "a loss is minimised",
    ONE_1 + "words.matching_loss(-d_real, -d_wrong, -d_fake)": "changed places",
    ONE_1 + "words.matching_loss(d_real, d_wrong, d_fake) / math.log(2)": "natural logarithm",
    ONE_1 + "words.matching_loss(d_real, d_wrong, d_fake) * len(d_real)": "not the sum",
    ONE_1 + "F.softplus(-d_real).mean() + F.softplus((d_wrong + d_fake) / 2).mean()": "logarithm of each pair",
    ONE_1 + "-d_real.mean() + (d_wrong.mean() + d_fake.mean()) / 2": "These are logits",
    ONE_1 + "F.softplus(-d_real) + (F.softplus(d_wrong) + F.softplus(d_fake)) / 2": "it should give one number",
    ONE_1 + "words.matching_loss(d_real, d_wrong, d_fake).item()": "no slope",
    ONE_1 + "words.matching_loss(d_real, d_wrong, d_fake).detach()": "no slope",
    ONE_1 + "words.matching_loss(d_fake, d_wrong, d_real)": "plus half of",
    ONE_1 + "float('nan')": "it gives nan",
    ONE_1 + "1.386": "plus half of",
    ONE_1 + "'softplus'": "it gives 'softplus'",
    ONE_1 + "math.log(torch.sigmoid(d_real))": "Wrong:",
    "three_pairs = lambda d_real, d_fake: F.softplus(-d_real).mean() + F.softplus(d_fake).mean()": "Keep the arguments",
    "three_pairs = 2.0": "not callable",
}  # fmt: skip

DEF_2 = "def rearranged(v):\n    "
right_2 = [
    DEF_2 + "flat = v.flatten(0, 1)\n    return flat[torch.randperm(len(flat))].view_as(v)",
    DEF_2 + "return torch.stack([v[:, t].roll(t, 0) for t in range(v.shape[1])], 1)",
    DEF_2 + "n, t = v.shape[:2]\n    return torch.stack([v[torch.randperm(n), k] for k in range(t)], 1)",
    DEF_2 + "out = v.clone()\n    for t in range(1, v.shape[1]):\n        out[:, t] = v[torch.randperm(len(v)), t]\n"
    "    return out",
    DEF_2 + "return v.transpose(0, 1).reshape(v.shape)",
    DEF_2 + "half = v.shape[1] // 2\n    return torch.cat([v[:, :half], v.roll(1, 0)[:, half:]], 1)",
    DEF_2 + "import numpy as np\n    flat = v.numpy().reshape(-1, 6)\n"
    "    return np.random.permutation(flat).reshape(v.shape)",
    DEF_2 + "frames = [f for clip in v for f in clip]\n    import random\n    random.shuffle(frames)\n"
    "    return torch.stack(frames).view(v.shape)",
]  # fmt: skip
wrong_2 = {
    DEF_2 + "return v": "clips as they were",
    DEF_2 + "return v.flip(0)": "the same clips in another order",
    DEF_2 + "return v.roll(3, 0)": "the same clips in another order",
    DEF_2 + "return v.flip(1)": "Backwards is lawful too",
    DEF_2 + "return torch.stack([c[torch.randperm(len(c))] for c in v])": "of the clips keep their content",
    DEF_2 + "return v[:, torch.randperm(v.shape[1])]": "of the clips keep their content",
    DEF_2 + "return motion.sample(len(v))": "not the frames of v, each once",
    DEF_2 + "return -v": "not the frames of v, each once",
    DEF_2 + "return torch.rand_like(v)": "not the frames of v, each once",
    DEF_2 + "return v[:, :1].expand(v.shape)": "not the frames of v, each once",
    DEF_2 + "return torch.cat([v[..., :3], v.roll(1, 0)[..., 3:]], -1)": "not the frames of v, each once",
    DEF_2 + "v[:] = v.flatten(0, 1)[torch.randperm(len(v) * v.shape[1])].view_as(v)\n    return v": "changes v itself",
    DEF_2 + "return v.flatten(0, 1)[torch.randperm(len(v) * v.shape[1])]": "(N, T, 6)",
    DEF_2 + "return v * float('nan')": "NaN or infinite",
    DEF_2 + "return 'shuffled'": "(N, T, 6)",
    DEF_2 + "return v.mean()": "(N, T, 6)",
    "rearranged = 3": "not callable",
    "rearranged = lambda: v": "Keep the arguments",
}

ONE_3 = "octave_free = lambda found, true: "
C_3 = "(1200 * torch.log2(found / true))"
right_3 = [
    ONE_3 + f"{C_3} - 1200 * torch.round({C_3} / 1200)",
    ONE_3 + f"({C_3} + 600) % 1200 - 600",
    ONE_3 + f"torch.remainder({C_3} + 600, 1200) - 600",
    "import numpy as np\ndef octave_free(found, true):\n    octaves = np.log2(found.numpy() / true.numpy())\n"
    "    return 1200 * (octaves - np.rint(octaves))",
    "import math\ndef octave_free(found, true):\n    out = []\n    for f, t in zip(found.tolist(), true.tolist()):\n"
    "        while f / t > math.sqrt(2):\n            f /= 2\n"
    "        while f / t < 1 / math.sqrt(2):\n            f *= 2\n"
    "        out.append(1200 * math.log2(f / t))\n    return out",
    "def octave_free(found, true):\n    c = sound.cents(found, true)\n    return c - 1200 * (c / 1200 + 0.5).floor()",
    "def octave_free(found, true):\n    turn = 2 * torch.pi * torch.log2(found / true)\n"
    "    return 600 / torch.pi * torch.atan2(turn.sin(), turn.cos())",
    "def octave_free(found, true):\n    ratio = found.double() / true.double()\n"
    "    c = 1200 * torch.log(ratio) / torch.log(torch.tensor(2.0, dtype=torch.float64))\n"
    "    return torch.where(c.abs() > 600, c - 1200 * (c / 1200).round(), c)",
]  # fmt: skip
wrong_3 = {
    ONE_3 + C_3: "an octave is not yet taken off",
    ONE_3 + "sound.cents(found, true)": "an octave is not yet taken off",
    ONE_3 + "1200 * torch.log(found / true)": "take log2",
    ONE_3 + "(lambda c: c - 1200 * (c / 1200).round())(1200 * torch.log(found / true))": "take log2",
    ONE_3 + "(lambda c: c - 1200 * (c / 1200).round())(1200 * torch.log10(found / true))": "take log2",
    ONE_3 + f"({C_3} - 1200 * torch.round({C_3} / 1200)).abs()": "too low is below 0",
    ONE_3 + f"{C_3} % 1200": "from 0 to 1200",
    ONE_3 + f"{C_3} - 1200 * torch.trunc({C_3} / 1200)": "to the nearest octave",
    ONE_3 + f"torch.fmod({C_3}, 1200)": "to the nearest octave",
    ONE_3 + f"-({C_3} - 1200 * torch.round({C_3} / 1200))": "changed places",
    ONE_3 + "(lambda o: o - o.round())(torch.log2(found / true))": "1,200 an octave",
    ONE_3 + "(lambda o: 12 * (o - o.round()))(torch.log2(found / true))": "1,200 an octave",
    ONE_3 + f"torch.where({C_3} > 600, {C_3} - 1200, {C_3})": "an octave too low",
    ONE_3 + f"torch.where({C_3}.abs() > 600, {C_3} - 1200 * {C_3}.sign(), {C_3})": "two octaves",
    ONE_3 + "found - true": "in cents, not in Hz",
    ONE_3 + f"({C_3} - 1200 * torch.round({C_3} / 1200)).mean()": "it should give",
    ONE_3 + f"{C_3} * float('nan')": "it should give",
    ONE_3 + "100.0 + 0 * found": "1200 log2",
    ONE_3 + "'100 cents'": "'100 cents'",
    "octave_free = lambda found: found": "Keep the arguments",
    "octave_free = 100.0": "not callable",
    "def octave_free(found, true):\n    found /= true\n    c = 1200 * torch.log2(found)\n"
    "    return c - 1200 * (c / 1200).round()": "changes found itself",
    "def octave_free(found, true):\n    return None if len(found) > 1 else 1200 * torch.log2(found / true)":
        "gives None",
}  # fmt: skip
