"""Answers to the exercises of 16: see test_answers.py."""

right_1 = [
    "sigma_for_30, gain_of_half = 0.063, 6.0",
    "sigma_for_30, gain_of_half = 2 * 10**-1.5, 20 * torch.tensor(2.0).log10()",
    "import numpy as np\nsigma_for_30, gain_of_half = np.array([0.0632]), np.float32(10 * np.log10(4))",
    "import math\nsigma_for_30, gain_of_half = math.sqrt(4 / 1000), 10 * math.log(4, 10)",
    "sigma_for_30, gain_of_half = 0.064, 6",
]
wrong_1 = {
    "sigma_for_30, gain_of_half = 10**-1.5, 6.02": "for a range of 1",
    "sigma_for_30, gain_of_half = 0.004, 6.02": "that is σ²",
    "sigma_for_30, gain_of_half = 2 * 10**-3, 6.02": "in its logarithm already",
    "sigma_for_30, gain_of_half = 2 * 10**1.5, 6.02": "the other way up",
    "sigma_for_30, gain_of_half = 0.06, 6.02": "into PSNR",
    "sigma_for_30, gain_of_half = 30, 6.02": "into PSNR",
    "sigma_for_30, gain_of_half = 0.0632, 3.0": "by more than two",
    "sigma_for_30, gain_of_half = 0.0632, 12.04": "counts ten times, not twenty",
    "sigma_for_30, gain_of_half = 0.0632, -6.02": "the sign",
    "import math\nsigma_for_30, gain_of_half = 0.0632, math.log(4)": "has the base 10",
    "sigma_for_30, gain_of_half = 0.0632, 30": "when σ is halved",
    "sigma_for_30, gain_of_half = '0.063', 6": "without quotes",
    "sigma_for_30, gain_of_half = 0.063, [6]": "gain_of_half is [6]; give one number",
    "sigma_for_30, gain_of_half = float('nan'), 6": "sigma_for_30 is nan",
}

OFF = "off = lambda x, came, f: came - rs.downscale(x, f)\n"
UP = "up = lambda d, f: d.repeat_interleave(f, 2).repeat_interleave(f, 3)\n"
right_2 = [
    OFF + UP + "agree = lambda x, came, factor: x + up(off(x, came, factor), factor)",
    "def agree(x, came, factor):\n"
    "    d = came - torch.nn.functional.avg_pool2d(x, factor)\n"
    "    return x + torch.nn.functional.interpolate(d, scale_factor=factor, mode='nearest')",
    "def agree(x, came, factor):\n"
    "    y = x.clone()\n"
    "    for i in range(came.shape[2]):\n"
    "        for j in range(came.shape[3]):\n"
    "            part = y[:, :, factor * i : factor * (i + 1), factor * j : factor * (j + 1)]\n"
    "            part += (came[:, :, i, j] - part.mean((2, 3)))[:, :, None, None]\n"
    "    return y",
    "import numpy as np\n"
    "def agree(x, came, factor):\n"
    "    n, c, h, w = came.shape\n"
    "    blocks = np.array(x).reshape(n, c, h, factor, w, factor)\n"
    "    d = np.array(came)[:, :, :, None, :, None] - blocks.mean((3, 5), keepdims=True)\n"
    "    return (blocks + d).reshape(x.shape)",
]
wrong_2 = {
    "agree = lambda x, came, factor: x": "x comes back as it was",
    OFF + UP + "agree = lambda x, came, factor: x - up(off(x, came, factor), factor)": "the sign",
    UP + "agree = lambda x, came, factor: up(came, factor)": "the detail within the blocks is lost",
    OFF + UP + "agree = lambda x, came, f: (x + up(off(x, came, f), f)).clamp(-1, 1)": "cut off at [−1, 1]",
    OFF + UP + "agree = lambda x, came, f: x + up(off(x, came, f), f) / f**2": "undivided",
    OFF + "agree = lambda x, came, f: x + rs.bicubic(off(x, came, f), f)": "bicubic spreads",
    OFF + UP + "agree = lambda x, came, f: x + up(off(x, came, 4), 4)": "factor=4 does not divide",
    OFF + UP + "agree = lambda x, came, f: x + up(off(x, came, 2), 2)": "for 200 clothes, factor 4 it raises",
    OFF
    + "def agree(x, came, f):\n"
    + "    y = x.clone()\n"
    + "    y[..., ::f, ::f] += f**2 * off(x, came, f)\n"
    + "    return y": "does its detail stand as before",
    OFF + "agree = lambda x, came, f: x + off(x, came, f).mean()": "for 200 clothes, factor 4 it gives",
    "agree = lambda x, came, f: came": "it should give a tensor (1, 1, 2, 2)",
    OFF + UP + "agree = lambda x, came, f: (x + up(off(x, came, f), f)).mean().item()": "it gives one number",
    "agree = lambda x, came, f: x * float('nan')": "NaN comes of",
    "agree = lambda x, came, f: 'x'": "it gives 'x'",
    OFF + UP + "def agree(x, came, f):\n    x += up(off(x, came, f), f)\n    return x": "changes x itself",
    OFF + UP + "def agree(x, came, f):\n    if f == 2:\n        return x + up(off(x, came, f), f)": "it gives None",
    "agree = lambda x, came: x": "Keep the arguments",
}

D = "d = lambda y, x: y - x\nover = lambda y: len(y) * (len(y) - 1)\n"
D += "two = lambda v: (v.sum(0) ** 2 - (v**2).sum(0)).mean()\n"
right_3 = [
    "def free_of_variance(answers, x):\n"
    "    d, k = answers - x, len(answers)\n"
    "    return ((d.sum(0) ** 2 - (d**2).sum(0)) / (k * (k - 1))).mean()",
    "def free_of_variance(answers, x):  # the square of the mean, less what the variance of a mean is\n"
    "    return ((answers - x).mean(0) ** 2).mean() - answers.var(0).mean() / len(answers)",
    "def free_of_variance(answers, x):  # each with the sum of the others\n"
    "    d = answers - x\n"
    "    return (d * (d.sum(0) - d)).mean().reshape(1) / (len(d) - 1)",
    "def free_of_variance(answers, x):  # the matrix of all products\n"
    "    d = (answers - x).flatten(1)\n"
    "    products = d @ d.T / d.shape[1]\n"
    "    return products[~torch.eye(len(d), dtype=torch.bool)].mean()",
    "def free_of_variance(answers, x):  # by running sums, k steps\n"
    "    so_far, total = 0, 0\n"
    "    for y in answers:\n"
    "        total, so_far = total + (y - x) * so_far, so_far + (y - x)\n"
    "    return 2 * total.mean() / (len(answers) * (len(answers) - 1))",
]
wrong_3 = {
    "free_of_variance = lambda y, x: ((y - x).mean(0) ** 2).mean()": "with i = j are still there",
    "free_of_variance = lambda y, x: ((y - x) ** 2).mean()": "with i = j alone",
    D + "free_of_variance = lambda y, x: two(d(y, x)) / len(y) ** 2": "how many pairs",
    D + "free_of_variance = lambda y, x: two(d(y, x))": "how many pairs",
    "free_of_variance = lambda y, x: ((y[0] - x) * (y[1] - x)).mean()": "answers [3.0, 3.0, 0.0] it gives 4",
    "free_of_variance = lambda y, x: (y.sum(0) ** 2 - (y**2).sum(0)).mean() / (len(y) ** 2 - len(y))": "how many pairs",
    D + "def free_of_variance(y, x):\n"
    "    return ((d(y, x).sum(0) ** 2 - (d(y, x) ** 2).sum(0)) / over(y)).mean().item()": "has no slope",
    D + "def free_of_variance(y, x):\n"
    "    v = d(y.detach(), x)\n"
    "    return ((v.sum(0) ** 2 - (v**2).sum(0)) / (len(y) * (len(y) - 1))).mean()": "has no slope",
    D + "def free_of_variance(y, x):\n"
    "    with torch.no_grad():\n"
    "        v = d(y, x)\n"
    "    return ((v.sum(0) ** 2 - (v**2).sum(0)) / (len(y) * (len(y) - 1))).mean()": "has no slope",
    D + "def free_of_variance(y, x):\n"
    "    return (d(y, x).sum(0) ** 2 - (d(y, x) ** 2).sum(0)) / (len(y) * (len(y) - 1))": "it should give one number",
    "def free_of_variance(y, x):\n"
    "    k, d = range(len(y)), y - x\n"
    "    return sum((d[i] * d[j]).mean() for i in k for j in k if i > j) * 2 / len(k) / (len(k) - 1)": "operations",
    "free_of_variance = lambda y, x: 3.0": "answers [3.0, 3.0, 0.0] it gives 3",
    "free_of_variance = lambda y, x: (y * float('nan')).mean()": "NaN comes of",
    "free_of_variance = lambda y, x: 'free'": "it gives 'free'",
    "def free_of_variance(y, x):\n"
    "    if len(y) == 2:\n"
    "        return ((y[0] - x) * (y[1] - x)).mean()": "it gives None",
    "free_of_variance = lambda y: y.mean()": "Keep the arguments",
}
