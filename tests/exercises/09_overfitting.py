"""Answers to the exercises of 09: see test_answers.py."""

# ruff: noqa: E501

right_1 = [
    "share_without_copying, times_as_large = 0.1, 1.2",
    "share_without_copying = torch.tensor(500 / 5000)\ntimes_as_large = torch.tensor([0.12]) / 0.1",
    "from fractions import Fraction\nshare_without_copying = Fraction(1, 10)\ntimes_as_large = Fraction(12, 100) / Fraction(1, 10)",
    "import numpy as np\nshare_without_copying = np.float32(500) / (500 + 4500)\ntimes_as_large = np.array([0.12 / 0.1])",
]
wrong_1 = {
    "share_without_copying, times_as_large = 0.5, 0.24": "equally many of both",
    "share_without_copying, times_as_large = 500 / 4500, 1.08": "not 500 for each 4,500",
    "share_without_copying, times_as_large = 10, 1.2": "in per cent; as a share?",
    "share_without_copying, times_as_large = 0.9, 1.2": "share of the held-out images",
    "share_without_copying, times_as_large = 0.12, 1": "That is what was found",
    "share_without_copying, times_as_large = 0.3, 1.2": "as likely to be the nearest",
    "share_without_copying, times_as_large = 0.1, 0.02": "That is the difference",
    "share_without_copying, times_as_large = 0.1, 0.1 / 0.12": "The other way round",
    "share_without_copying, times_as_large = 0.1, 120": "how many times?",
    "share_without_copying, times_as_large = 0.1, 1.1": "over the share without copying",
    "share_without_copying, times_as_large = '10 %', 1.2": "without quotes",
    "share_without_copying, times_as_large = 0.1, [1.2, 1.2]": "give one number",
    "share_without_copying, times_as_large = float('nan'), 1.2": "share_without_copying is nan",
}

HALVES = (
    "def advantage(members, others):\n    k, l = len(members) // 2, len(others) // 2\n"
    "    a, b, c, d = members[:k], members[k:], others[:l], others[l:]\n"
    "    gain = lambda t, m, o: ((m > t).float().mean() - (o > t).float().mean()).item()\n    "
)
ALL = "def advantage(members, others):\n    s = torch.cat([members, others])\n    gain = lambda t: ((members > t).float().mean()"
right_2 = [
    HALVES + "best = max(torch.cat([a, c]), key=lambda t: gain(t, a, c))\n    return gain(best, b, d)",
    HALVES + "s = torch.cat([a, c]).sort().values\n    tried = [s[0] - 1, *((s[1:] + s[:-1]) / 2), s[-1] + 1]\n"
    "    return torch.tensor([gain(max(tried, key=lambda t: gain(t, a, c)), b, d)])",
    "def advantage(members, others):\n    import numpy as np\n    m, o = np.array(members), np.array(others)\n"
    "    (a, b), (c, d) = np.split(m, 2), np.split(o, 2)\n    t = np.concatenate([a, c])\n"
    "    gains = (a > t[:, None]).mean(1) - (c > t[:, None]).mean(1)\n    best = t[gains.argmax()]\n"
    "    return (b > best).mean() - (d > best).mean()",
    HALVES + "best, most = float('inf'), 0.0\n    for t in [*a, *c]:\n        if gain(t, a, c) > most:\n"
    "            best, most = t, gain(t, a, c)\n    return gain(best, b, d)",
    HALVES + "from sklearn.metrics import roc_curve\n"
    "    fpr, tpr, t = roc_curve([1] * len(a) + [0] * len(c), torch.cat([a, c]))\n"
    "    best = t[(tpr - fpr).argmax()]\n    return (b >= best).double().mean() - (d >= best).double().mean()",
]
wrong_2 = {
    HALVES + "return max(gain(t, a, c) for t in torch.cat([a, c]))": "judges the scores that chose",
    ALL + " - (others > t).float().mean()).item()\n    return max(map(gain, s))": "halve the lists",
    HALVES + "return max(gain(t, b, d) for t in torch.cat([b, d]))": "The first halves choose",
    HALVES + "return gain(max(torch.cat([b, d]), key=lambda t: gain(t, b, d)), a, c)": "The first halves choose",
    HALVES + "return gain(max(torch.cat([a, c]), key=lambda t: gain(t, a, c)), members, others)": "it should give",
    HALVES + "return -gain(max(torch.cat([a, c]), key=lambda t: gain(t, a, c)), b, d)": "That is FPR − TPR.",
    HALVES + "return gain(torch.cat([a, c]).mean(), b, d)": "Is every score of both first halves tried",
    HALVES + "return gain(max(a, key=lambda t: gain(t, a, c)), b, d)": "Is every score of both first halves tried",
    HALVES + "return (b > max(torch.cat([a, c]), key=lambda t: gain(t, a, c))).float().mean()": "it should give",
    HALVES
    + "return abs(gain(max(torch.cat([a, c]), key=lambda t: abs(gain(t, a, c))), b, d))": "Is every score of both",
    HALVES + "return 0.38": "it gives 0.38; it should give 1",
    HALVES + "return [gain(t, b, d) for t in a]": "give one number",
    HALVES + "return float('nan')": "is nan",
    HALVES + "return str(gain(0.0, b, d))": "without quotes",
    HALVES + "return gain if len(a) > 1 else 1.0": "a function",
    HALVES + "members.sort()\n    members[:] = 0\n    return 1.0": "it changes",
    "advantage = lambda members: 1.0": "Keep the arguments",
    "advantage = 1.0": "not callable",
}


def mirrored(forward: str, init: str = "") -> str:
    return (
        f"class Mirrored(nn.Module):\n    def __init__(self, D):\n        super().__init__()\n        self.D = D\n{init}"
        f"    def forward(self, x):\n        {forward}"
    )


COIN = "coin = torch.rand(len(x), 1, 1, 1) < 0.5\n        "
TRAINS = "if not self.training:\n            return self.D(x)\n        "
right_3 = [
    mirrored(
        "if self.training:\n            " + COIN + "    x = torch.where(coin, x.flip(3), x)\n        return self.D(x)"
    ),
    mirrored(TRAINS + "return self.D(torch.stack([v.flip(2) if torch.rand(1) < 0.5 else v for v in x]))"),
    mirrored(
        TRAINS + "coin = torch.randint(2, (len(x), 1, 1, 1))\n        return self.D(coin * x + (1 - coin) * x.flip(-1))"
    ),
    mirrored(
        TRAINS
        + "y = x.clone()\n        c = torch.rand(len(x)) < 0.5\n        y[c] = x[c].flip(3)\n        return self.D(y)"
    ),
    mirrored(
        TRAINS
        + "w = range(x.shape[3] - 1, -1, -1)\n        coin = torch.bernoulli(torch.full((len(x),), 0.5)).bool()\n"
        "        return torch.where(coin, self.D(x[..., list(w)]), self.D(x))"
    ),
]
wrong_3 = {
    mirrored("return self.D(x)"): "mirrored 0% of the images",
    mirrored(TRAINS + "return self.D(x.flip(3))"): "mirrored 100% of the images",
    mirrored(COIN + "return self.D(torch.where(coin, x.flip(3), x))"): "self.training says which mode",
    mirrored(
        "if self.training:\n            return self.D(x)\n        "
        + COIN
        + "return self.D(torch.where(coin, x.flip(3), x))"
    ): "self.training",
    mirrored(TRAINS + COIN + "return self.D(torch.where(coin, x.flip(2), x))"): "That is upside down.",
    mirrored(TRAINS + COIN + "return self.D(torch.where(coin, x.flip(2, 3), x))"): "That is a half turn.",
    mirrored(TRAINS + "return self.D(x.flip(3) if torch.rand(1) < 0.5 else x)"): "a new coin for each image",
    mirrored(
        TRAINS + "return self.D(torch.where(self.c < 0.5, x.flip(3), x))",
        "        self.c = torch.rand(1000, 1, 1, 1)\n",
    ): "a new coin",
    mirrored(
        TRAINS + "coin = torch.rand(x.shape) < 0.5\n        return self.D(torch.where(coin, x.flip(3), x))"
    ): "as a whole",
    mirrored(
        TRAINS + "coin = torch.rand(len(x), 1, 1, 1) < 0.2\n        return self.D(torch.where(coin, x.flip(3), x))"
    ): "for each image",
    mirrored(TRAINS + COIN + "return self.D(torch.where(coin, x.flip(3), x).detach())"): "The slope is cut off",
    mirrored(
        TRAINS + COIN + "with torch.no_grad():\n            return self.D(torch.where(coin, x.flip(3), x))"
    ): "The slope is cut off",
    mirrored(
        TRAINS + COIN + "return self.D(torch.tensor(torch.where(coin, x.flip(3), x).tolist()))"
    ): "The slope is cut off",
    mirrored(TRAINS + COIN + "return torch.where(coin, x.flip(3), x)"): "it gives a tensor (1000, 1, 4, 4)",
    mirrored("return x"): "it gives a tensor (1000, 1, 4, 4)",
    mirrored(TRAINS + "return self.D(x).flip(3)"): "IndexError",
    mirrored(
        TRAINS + "c = torch.rand(len(x)) < 0.5\n        x[c] = x[c].flip(3)\n        return self.D(x)"
    ): "in place",
    mirrored(TRAINS + COIN + "return self.D(torch.where(coin, x.flip(3), x)) * float('nan')"): "NaN comes of",
    mirrored(TRAINS + "return self.D(x).mean().item()"): "RuntimeError",
    mirrored("if self.training:\n            return self.D(x)"): "it gives None",
    mirrored(TRAINS + COIN + "return self.D(torch.where(coin, x.flip(3), x).numpy())"): "your answer",
}
