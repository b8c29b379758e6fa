"""Answers to the exercises of 19: see test_answers.py."""

ONE = "joined = lambda c, s: "
M = "{0}.mean((2, 3), keepdim=True)"
D = "{0}.std((2, 3), keepdim=True)"
MC, MS, DC, DS = (t.format(x) for t in (M, D) for x in "cs")
right_1 = [
    ONE + f"{DS} * (c - {MC}) / {DC} + {MS}",
    ONE + "style.adain(c, s)",
    ONE + f"torch.nn.functional.instance_norm(c) * {DS} * ((c[0, 0].numel() - 1) / c[0, 0].numel()) ** 0.5 + {MS}",
    "def joined(c, s):\n    out = torch.empty_like(c)\n    for n in range(len(c)):\n"
    "        for k in range(c.shape[1]):\n            a, b = c[n, k], s[n, k]\n"
    "            out[n, k] = (a - a.mean()) / a.std() * b.std() + b.mean()\n    return out",
    "def joined(c, s):\n    v, m = torch.var_mean(c, (2, 3), keepdim=True)\n"
    "    w, n = torch.var_mean(s, (2, 3), keepdim=True)\n    return (c - m) * (w / v).sqrt() + n",
    "import numpy as np\ndef joined(c, s):\n    c, s = c.numpy(), s.numpy()\n    k = dict(axis=(2, 3), keepdims=True)\n"
    "    return (c - c.mean(**k)) / c.std(ddof=1, **k) * s.std(ddof=1, **k) + s.mean(**k)",
    "def joined(c, s):\n    a, b = c.flatten(2), s.flatten(2)\n"
    "    z = (a - a.mean(2)[..., None]) / a.std(2)[..., None]\n"
    "    return (z * b.std(2)[..., None] + b.mean(2)[..., None]).view_as(c)",
]  # fmt: skip
wrong_1 = {
    ONE + f"{DS} * c + {MS}": "its own mean and spread first",
    ONE + f"{DS} * (c - {MC}) + {MS}": "not yet divided by its own spread",
    ONE + f"(c - {MC}) / {DC} + {MS}": "The spread of s is missing",
    ONE + f"{DS} * (c - {MC}) / {DC}": "The mean of s is missing",
    ONE + f"(c - {MC}) / {DC}": "That is instance norm",
    ONE + f"{DS} ** 2 * (c - {MC}) / {DC} ** 2 + {MS}": "not variances",
    ONE + "s.std() * (c - c.mean()) / c.std() + s.mean()": "has its own moments",
    ONE + f"{DC} * (c - {MS}) / {DS} + {MC}": "changed places",
    ONE + f"{DC} * (s - {MS}) / {DS} + {MC}": "it should give a tensor",
    ONE + "c": "each over the last two axes",
    ONE + "s": "it should give a tensor",
    ONE + "float('nan')": "it should give",
    ONE + "'adain'": "it gives 'adain'",
    ONE + "s.std((2, 3)) * (c - c.mean((2, 3))) / c.std((2, 3)) + s.mean((2, 3))": "Wrong:",
    "def joined(c, s):\n    c -= c.mean((2, 3), keepdim=True)\n"
    f"    return {DS} * c / {DC} + {MS}": "it changes c itself",
    ONE + f"({DS} * (c - {MC}) / {DC} + {MS}) if c.shape[1] < 2 else None": "gives None",
    "joined = lambda c: c": "Keep the arguments",
    "joined = 1.0": "not callable",
}

TWO = "def other_phases(x):\n    "
BY_NOISE = "n = torch.fft.rfft2(torch.randn_like(x))\n    X = torch.fft.rfft2(x)\n    "
right_2 = [
    TWO + BY_NOISE + "y = torch.fft.irfft2(X.abs() * n / n.abs(), s=x.shape[2:])\n    return y - y.mean() + x.mean()",
    TWO + "n = torch.fft.fft2(torch.randn_like(x))\n    n[..., 0, 0] = 1\n    X = torch.fft.fft2(x)\n"
    "    return torch.fft.ifft2(X * n / n.abs()).real",
    TWO + BY_NOISE + "p = n.angle()\n    p[..., 0, 0] = X[..., 0, 0].angle()\n"
    "    return torch.fft.irfft2(torch.polar(X.abs(), p), s=x.shape[2:])",
    TWO + "import numpy as np\n    X, n = np.fft.fft2(x.numpy()), np.fft.fft2(np.random.randn(*x.shape))\n"
    "    y = np.fft.ifft2(abs(X) * np.exp(1j * np.angle(n))).real\n"
    "    return torch.from_numpy(y - y.mean() + x.mean().item()).double()",
    TWO + "m = x.mean()\n    n = torch.fft.rfft2(torch.rand_like(x))\n    X = torch.fft.rfft2(x - m)\n"
    "    return m + torch.fft.irfft2(X.abs() * torch.exp(1j * n.angle()), s=x.shape[2:])",
]  # fmt: skip
wrong_2 = {
    TWO + "return x": "that is x itself",
    TWO + "return x.roll((3, 9), (2, 3))": "that is x itself, moved or turned",
    TWO + "return x.flip(2, 3)": "that is x itself, moved or turned",
    TWO + "return -x": "the mean has changed",
    TWO + "return x.flatten()[torch.randperm(x.numel())].view_as(x)": "stronger or weaker",
    TWO + "X = torch.fft.fft2(x)\n    p = 6.28 * torch.rand(X.shape)\n    p[..., 0, 0] = X[..., 0, 0].angle()\n"
    "    return torch.fft.ifft2(torch.polar(X.abs(), p)).real": "Do phases of opposite waves fit together",
    TWO + "X = torch.fft.fft2(x)\n    return torch.fft.ifft2(X.abs() * 1j)": "real numbers of the shape",
    TWO + "return torch.fft.rfft2(x)": "real numbers of the shape",
    TWO + "return x * float('nan')": "NaN or infinite",
    TWO + "return 3.0": "real numbers of the shape",
    TWO + BY_NOISE + "return torch.fft.irfft2(X.abs() * n / n.abs() + 5, s=x.shape[2:])": "Wrong:",
    TWO + "return torch.randn_like(x)": "Wrong: the mean has changed",
    TWO + "g = torch.Generator().manual_seed(0)\n    n = torch.fft.rfft2(torch.randn(x.shape, generator=g))\n"
    "    n[..., 0, 0] = 1\n    y = torch.fft.rfft2(x) * n / n.abs()\n"
    "    return torch.fft.irfft2(y, s=x.shape[2:])": "at each call",
}
