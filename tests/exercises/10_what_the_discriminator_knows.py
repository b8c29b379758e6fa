"""Answers to the exercises of 10: see test_answers.py."""

DEF_1 = "def adjusted_purity(clusters, labels, n=20):\n    "
right_1 = [
    DEF_1 + "c = sum(purity(clusters, labels[torch.randperm(len(labels))]) for _ in range(n)) / n\n"
    "    return (purity(clusters, labels) - c) / (1 - c)",
    DEF_1 + "def chance():\n"
    "        return fmean(purity(clusters, labels[torch.randperm(len(labels))]) for _ in range(n))\n"
    "    return (purity(clusters, labels) - chance()) / (1 - chance())",
    DEF_1 + "found = []\n    for _ in range(n):\n"
    "        found.append(purity(clusters[torch.randperm(len(clusters))], labels))\n"
    "    c = torch.tensor(found).mean()\n    return torch.tensor([1 - (1 - purity(clusters, labels)) / (1 - c)])",
    DEF_1 + "import numpy as np\n    rng = np.random.default_rng(0)\n"
    "    c = np.mean([purity(clusters, labels[rng.permutation(len(labels))]) for _ in range(n)])\n"
    "    return np.float32((purity(clusters, labels) - c) / (1 - c))",
    DEF_1 + "import random\n    c, y = 0, labels.tolist()\n    for _ in range(n):\n        random.shuffle(y)\n"
    "        c += purity(clusters, torch.tensor(y)) / n\n    return (purity(clusters, labels) - c) / (1 - c)",
]
C = (
    "c = fmean(purity(clusters, labels[torch.randperm(len(labels))]) for _ in range(n))\n"
    "    p = purity(clusters, labels)\n    "
)
wrong_1 = {
    "adjusted_purity = lambda clusters, labels, n=20: purity(clusters, labels)": "That is purity itself.",
    DEF_1 + C + "return c": "That is c alone.",
    DEF_1 + C + "return p - c": "Divide by 1 − c",
    DEF_1 + C + "return p / c": "a ratio to chance",
    DEF_1 + C + "return (p - c) / c": "c from shuffled labels",
    DEF_1 + C + "return (p - 1 / 10) / (1 - 1 / 10)": "1/10 is chance for one guess",
    DEF_1 + "p = c = purity(clusters, labels)\n    return (p - c) / (1 - c)": "Unshuffled, c is the purity itself",
    DEF_1 + "c = fmean(purity(clusters, torch.randint(10, labels.shape)) for _ in range(n))\n"
    "    return (purity(clusters, labels) - c) / (1 - c)": "Not labels drawn anew",
    DEF_1 + "n = 20\n    " + C + "return (p - c) / (1 - c)": "c is a mean over n new shuffles",
    DEF_1 + "c = purity(clusters, labels[torch.randperm(len(labels))])\n"
    "    return (purity(clusters, labels) - c) / (1 - c)": "c is a mean over n new shuffles",
    DEF_1 + C + "return [p, c]": "give one number",
    DEF_1 + C + "return float('nan')": "is nan",
    DEF_1 + C + "return str(p - c)": "without quotes",
    DEF_1 + "if len(labels) < 9:\n        return 1.0": "is None",
    "adjusted_purity = 0.5": "not callable",
    "adjusted_purity = lambda clusters, labels: purity(clusters, labels)": "Keep the arguments",
    DEF_1 + "labels[:] = labels[torch.randperm(len(labels))]\n    return 0.0": "changes",
}

DEF_2 = "def smooth_gradient(D, x, sigma=0.2, n=50):\n    "
ONE = "smooth_gradient = lambda D, x, sigma=0.2, n=50: "
right_2 = [
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn_like(x)) for _ in range(n)) / n",
    DEF_2 + "return torch.stack([gradient(D, x + torch.randn(x.shape) * sigma) for _ in range(n)]).mean(0)",
    DEF_2 + "many = x.repeat(n, 1, 1, 1)\n    many = many + sigma * torch.randn_like(many)\n"
    "    return gradient(D, many).unflatten(0, (n, len(x))).mean(0)",
    DEF_2 + "total = 0\n    for _ in range(n):\n        noisy = torch.normal(x, sigma).requires_grad_()\n"
    "        total = total + torch.autograd.grad(D(noisy).sum(), noisy)[0]\n    return (total / n).numpy()",
]
wrong_2 = {
    ONE + "gradient(D, x)": "from pixel to pixel",
    ONE + "gradient(D, x + sigma * torch.randn_like(x))": "is new in each copy",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn_like(x)) for _ in range(n))": "a sum over the copies",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn_like(x)).abs() for _ in range(n)) / n": "Keep the signs.",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn_like(x)) ** 2 for _ in range(n)) / n": "gradient is w",
    DEF_2 + "return sum(gradient(D, x + torch.randn_like(x)) for _ in range(n)) / n": "Is there sigma in it?",
    DEF_2 + "return sum(gradient(D, x + sigma**2 * torch.randn_like(x)) for _ in range(n)) / n": "yours has sigma²",
    DEF_2 + "return sum(gradient(D, x + sigma**0.5 * torch.randn_like(x)) for _ in range(n)) / n": "not the variance",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.rand_like(x)) for _ in range(n)) / n": "The noise has mean 0",
    DEF_2
    + "return sum(gradient(D, x + sigma * 2 * torch.rand_like(x) - sigma) for _ in range(n)) / n": "Normal noise!",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn(1)) for _ in range(n)) / n": "from pixel to pixel",
    DEF_2 + "return gradient(D, sum(x + sigma * torch.randn_like(x) for _ in range(n)) / n)": "not the copies",
    DEF_2
    + "e = sigma * torch.randn_like(x)\n    return sum(gradient(D, x + e) for _ in range(n)) / n": "new in each copy",
    DEF_2 + "return sum(gradient(D, x + sigma * torch.randn_like(x)) for _ in range(50)) / 50": "and n copies?",
    DEF_2 + "return sum(gradient(D, sigma * torch.randn_like(x)) for _ in range(n)) / n": "added to x",
    DEF_2 + "return gradient(D, x).mean().item()": "it gives one number",
    DEF_2 + "return gradient(D, x)[0]": "it should give a tensor (3, 1, 4, 4)",
    DEF_2 + "with torch.no_grad():\n        return gradient(D, x)": "The slope is cut off",
    DEF_2 + "return gradient(D, x.detach().numpy())": "has no attribute",
    DEF_2 + "return gradient(D, x) * float('nan')": "NaN comes of",
    DEF_2 + "x = x.clone().requires_grad_()\n    for _ in range(n):\n"
    "        D(x + sigma * torch.randn_like(x)).sum().backward()\n    return x.grad / n": "got a gradient",
    "smooth_gradient = lambda x: x": "Keep the arguments",
}


def hook(change: str, end: str = "try:\n        yield\n    finally:\n        handle.remove()", start: str = "") -> str:
    return (
        f"@contextmanager\ndef held(layer, units):\n    means = []\n{start}    def change(module, inputs, output):\n"
        f"        {change}\n    handle = layer.register_forward_hook(change)\n    {end}"
    )


KEEP = "means or means.append(output.mean((0, 2, 3), keepdim=True))\n        y = output.clone()\n        "
SET = "y[:, units] = means[0][:, units].expand_as(y[:, units])\n        return y"
right_3 = [
    hook(KEEP + SET),
    hook(KEEP + "for u in units:\n            y[:, u] = means[0][0, u].item()\n        return y"),
    hook(
        KEEP
        + "off = torch.zeros(y.shape[1], 1, 1)\n        off[units] = 1\n        return y * (1 - off) + means[0] * off"
    ),
    "class held:\n    def __init__(self, layer, units):\n"
    "        self.layer, self.units, self.means = layer, units, {}\n"
    "    def change(self, module, inputs, output):\n        output = output.clone()\n        for u in self.units:\n"
    "            output[:, u] = self.means.setdefault(u, output[:, u].mean())\n        return output\n"
    "    def __enter__(self):\n        self.handle = self.layer.register_forward_hook(self.change)\n"
    "    def __exit__(self, *error):\n        self.handle.remove()",
]
wrong_3 = {
    hook(KEEP + "y[:, units] = y[:, units].mean((0, 2, 3), keepdim=True)\n        return y"): "It measures each batch",
    hook(KEEP + "y[:, units] = 0\n        return y"): "They are off, not held.",
    hook(KEEP + "y[:, units] = means[0].mean()\n        return y"): "0 and 1 are due at their means",
    hook(KEEP + "y[:, units] = means[0][:, units].mean()\n        return y"): "a mean of its own",
    hook(KEEP + "return means[0].expand_as(y)"): "The other units were not asked for.",
    hook(
        KEEP + "y[:, units] = y[:, units].mean((2, 3), keepdim=True)\n        return y"
    ): "due at their means over images",
    hook(KEEP + "y[:, units] = y[:, units].mean(0, keepdim=True)\n        return y"): "due at their means over images",
    hook(KEEP + SET.removesuffix("\n        return y")): "Does the hook return what it changed?",
    hook(
        "output[:, units] = output[:, units].mean((0, 2, 3), keepdim=True)\n        return output"
    ): "work on a new tensor",
    hook(KEEP + SET, end="yield"): "remove it in `finally`",
    hook(KEEP + SET, end="yield\n    handle.remove()"): "remove it in `finally`",
    "kept_means = []\n"
    + hook(KEEP.replace("means", "kept_means") + SET.replace("means", "kept_means")): "outlive the `with`",
    hook(KEEP + SET).removeprefix("@contextmanager\n"): "context manager",
    hook(KEEP + "return y.numpy()"): "Does the hook return",
    hook(KEEP + "return y * float('nan')"): "NaN comes of",
    hook(KEEP + "y[:, units] = means[0]\n        return y"): "RuntimeError",
    "held = None": "TypeError",
}
