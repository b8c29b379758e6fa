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
    ONE + f"({DS} * (c - {MC}) / {DC} + {MS}) if c.shape[1] > 2 else None": "gives None",
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


DEF_3 = "def own_kernels(kernels, styles):\n    "
OWN_3 = "own = styles[:, None, :, None, None] * kernels\n    "
right_3 = [
    DEF_3 + OWN_3 + "return own / own.square().sum((2, 3, 4), keepdim=True).sqrt()",
    DEF_3 + "own = torch.einsum('ni,oihw->noihw', styles, kernels)\n"
    "    return torch.nn.functional.normalize(own.flatten(2), dim=2).view_as(own)",
    DEF_3 + "rows = []\n    for s in styles:\n        own = [k * s[:, None, None] for k in kernels]\n"
    "        rows.append(torch.stack([k / k.norm() for k in own]))\n    return torch.stack(rows)",
    DEF_3 + "own = kernels[None] * styles.view(len(styles), 1, -1, 1, 1)\n"
    "    power = styles.square() @ kernels.square().sum((2, 3)).T\n"
    "    return own * power.rsqrt()[:, :, None, None, None]",
    DEF_3 + "own = styles.double()[:, None, :, None, None] * kernels\n"
    "    return own / torch.linalg.vector_norm(own, dim=(2, 3, 4), keepdim=True)",
    DEF_3
    + "return sg.demodulation(kernels, styles, 0.0)[..., None, None, None] * styles[:, None, :, None, None] * kernels",
]
wrong_3 = {
    DEF_3 + OWN_3 + "return own": "not brought back to one size",
    DEF_3 + OWN_3 + "return own / own.square().sum((2, 3, 4), keepdim=True)": "Divide by the root",
    DEF_3 + OWN_3 + "return own / own.norm(dim=(3, 4), keepdim=True)": "s would cancel out",
    DEF_3 + OWN_3 + "return own / own.flatten(1).norm(dim=1)[:, None, None, None, None]": "a length of its own",
    DEF_3 + OWN_3 + "return own / own.square().sum((1, 3, 4), keepdim=True).sqrt()": "not the output maps",
    DEF_3 + OWN_3 + "return own / kernels.square().sum((1, 2, 3))[:, None, None, None].sqrt()": "after scaling",
    DEF_3 + "k = kernels / kernels.square().sum((1, 2, 3), keepdim=True).sqrt()\n"
    "    return k.expand(len(styles), *k.shape)": "The style is not in it",
    DEF_3 + OWN_3 + "return (own / own.square().sum((2, 3, 4), keepdim=True).sqrt()).detach()": "The slope is cut off",
    DEF_3 + "with torch.no_grad():\n        own = styles[:, None, :, None, None] * kernels\n"
    "        return own / own.square().sum((2, 3, 4), keepdim=True).sqrt()": "The slope is cut off",
    DEF_3 + OWN_3 + "return (own / own.square().sum((2, 3, 4), keepdim=True).sqrt()).sum(0)": "it should give",
    DEF_3 + OWN_3 + "return own / own.square().mean((2, 3, 4), keepdim=True).sqrt()": "the root of the sum",
    DEF_3 + "return kernels * float('nan')": "it should give a tensor",
    DEF_3 + "return None if len(styles) > 1 else kernels[None]": "Scale along the axis of input maps",
    DEF_3 + "return 'kernels'": "it gives 'kernels'",
    "def own_kernels(kernels):\n    return kernels": "Keep the arguments",
    "own_kernels = 1.0": "not callable",
}


DEF_4 = "def ground_layer(before, after):\n    "
EDGE_4 = "edge = lambda x: torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], -1)\n    "
RIMS_4 = "(edge(after).mean(-1) - edge(before).mean(-1))"
right_4 = [
    DEF_4 + EDGE_4 + "return " + RIMS_4 + ".abs().mean((1, 2)).argmax()",
    DEF_4 + EDGE_4 + "moved = edge(after).median(-1).values - edge(before).median(-1).values\n"
    "    moved = moved.square().sum(-1).sqrt()\n"
    "    return int(moved.mean(1).argmax())",
    DEF_4 + "import numpy as np\n    rim = lambda x: np.concatenate([x[:, :, 0], x[:, :, -1], x[..., 0]], -1)"
    ".mean(-1)\n    b = before.numpy()\n    moved = [np.abs(rim(a.numpy()) - rim(b)).mean() for a in after]\n"
    "    return int(np.argmax(moved))",
    DEF_4 + "best, most = None, -1.0\n    for k in range(len(after)):\n"
    "        top = (after[k][:, :, 0].mean(-1) - before[:, :, 0].mean(-1)).abs().mean().item()\n"
    "        if top > most:\n            best, most = k, top\n    return best",
    DEF_4 + "corner = lambda x: x[..., :2, :].flatten(-2).mean(-1)\n"
    "    return torch.tensor([(corner(a) - corner(before)).norm(dim=1).mean() for a in after]).argmax().float()",
    DEF_4 + "ground = lambda x: x[..., 0].median(-1).values\n"
    "    return max(range(len(after)), key=lambda k: (ground(after[k]) - ground(before)).abs().sum())",
]
wrong_4 = {
    DEF_4 + "return (after - before).abs().mean((1, 2, 3, 4)).argmax()": "if all pixels do",
    DEF_4 + "return (after - before).square().mean((1, 2, 3, 4)).argmax().item()": "picture by picture",
    DEF_4 + EDGE_4 + "return (edge(after) - edge(before)).abs().mean((1, 2, 3)).argmax()":
        "changes each pixel of the rim",
    DEF_4 + EDGE_4 + "return " + RIMS_4 + ".mean(1).abs().mean(1).argmax()": "cancel",
    DEF_4 + EDGE_4 + "return " + RIMS_4 + "[:, 0].abs().mean(1).argmax()":
        "the ground may stay",
    DEF_4 + EDGE_4 + "return 1 + " + RIMS_4 + ".abs().mean((1, 2)).argmax()":
        "counted from 0",
    DEF_4 + EDGE_4 + "return " + RIMS_4 + ".abs().mean((1, 2)).argmin()":
        "changes it least",
    DEF_4 + EDGE_4 + "return " + RIMS_4 + ".abs().mean((1, 2)).max()": "which layer has it",
    DEF_4 + EDGE_4 + "return " + RIMS_4 + ".abs().mean((1, 2))": "which layer has the largest",
    DEF_4 + "return 4": "picture by picture",
    DEF_4 + "return float('nan')": "NaN comes of",
    DEF_4 + "return 'layer 1'": "it should give",
    DEF_4 + "return after[0, 0, 0, 0, 0] + 3": "picture by picture",
    "ground_layer = lambda before: 1": "Keep the arguments",
    "ground_layer = 1": "not callable",
    DEF_4 + "after -= before\n    return after.abs().mean((1, 2, 3, 4)).argmax()": "changes after itself",
}  # fmt: skip
