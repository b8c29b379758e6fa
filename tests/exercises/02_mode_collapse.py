"""Answers to the exercises of 02: see test_answers.py."""

right_1 = [
    "worlds_needed = 73",
    "worlds_needed = 73.0",
    "worlds_needed = torch.tensor([73])",
    "import numpy\nworlds_needed = numpy.int64(73)",
    "worlds_needed = math.ceil(1.959964**2 * 0.95 / 0.05)  # n / (n + z²) reaches 0.95",
    "worlds_needed = next(k for k in range(2, 1000) if metrics.wilson(k, k)[0] >= 0.95)",
]
wrong_1 = {
    "worlds_needed = 72": "with 72 of 72 the lower end is 0.949",
    "worlds_needed = 59  # 0.95**59 < 0.05": "with 59 of 59",
    "worlds_needed = 20": "with 20 of 20",
    "worlds_needed = 1": "with 1 of 1",
    "worlds_needed = 74": "so is one fewer (0.950)",
    "worlds_needed = 10**9": "so is one fewer",
    "worlds_needed = 72.99": "one whole number",
    "worlds_needed = 0": "one whole number",
    "worlds_needed = -73": "one whole number",
    "worlds_needed = '73'": "without quotes",
    "worlds_needed = [73]": "worlds_needed is [73]; give one number",
    "worlds_needed = True": "worlds_needed is True; give one number",
    "worlds_needed = float('nan')": "worlds_needed is nan",
    "worlds_needed = float('inf')": "finite number",
    "worlds_needed = metrics.wilson": "a function",
    "worlds_needed = metrics.wilson(73, 73)": "give one number",
}

right_2 = [
    "variety = lambda x: x.std(0).mean()",
    "variety = lambda x: torch.cdist(x, x).mean()",
    "variety = lambda x: (x - x.mean(0)).norm(dim=1).mean()",
    "variety = lambda x: x.var(0).sum()",
    "variety = lambda x: (x.max(0).values - x.min(0).values).sum().reshape(1)",
    "variety = lambda x: (x - x.median(0).values).abs().mean().float()",
    "variety = lambda x: sum((x[:, i] - x[:, i].mean()).square().mean() ** 0.5 for i in range(2))",
    "def variety(x):\n    far = [(a - b).norm() for a in x for b in x]\n    return torch.stack(far).mean()",
]
wrong_2 = {
    "variety = lambda x: (x[0] - x[-1]).abs().sum()": "begins and ends with the same sample",
    "variety = lambda x: (x[0] - x[1]).norm()": "alike in its first half only",
    "variety = lambda x: (x[-1] - x[-2]).norm()": "alike in its second half only",
    "variety = lambda x: x[:, 0].std()": "the second axis only",
    "variety = lambda x: x[:, 1].std()": "the first axis only",
    "variety = lambda x: x.std(0).prod()": "the first axis only",
    "variety = lambda x: x.std()": "moving the whole batch",
    "variety = lambda x: x.abs().mean()": "moving the whole batch",
    "variety = lambda x: x.norm(dim=1).std()": "moving the whole batch",
    "variety = lambda x: x.std(0)": "has the shape (2,); give one number",
    "variety = lambda x: x.std(0).tolist()": "give one number",
    "variety = lambda x: 1 / x.std(0).mean()": "are too close",
    "variety = lambda x: 1.43": "are too close",
    "variety = lambda x: 0.0": "are too close",
    "variety = lambda x: -x.std(0).mean()": "are too close",
    "variety = lambda x: x.std(0).mean().item()": "G cannot learn through it. The slope is cut off",
    "variety = lambda x: x.std(0).mean().detach()": "G cannot learn through it",
    "variety = lambda x: float(x.std(0).mean())": "G cannot learn through it",
    "def variety(x):\n    with torch.no_grad():\n        return x.std(0).mean()": "G cannot learn through it",
    "variety = lambda x: x.numpy().std(0).mean()": "The slope is cut off",
    "variety = lambda x: x.std(0).mean() * float('nan')": "variety(x) is nan",
    "variety = lambda x: x.std(0).mean() if x.std(0).max() > 0.1 else None": "variety(x) is None",
    "variety = lambda x: 'spread'": "without quotes",
    "variety = lambda: 1.0": "Keep the arguments",
    "variety = 1.43": "not callable",
}

right_3 = [
    """
def effective_modes(x, modes, std):
    distance, mode = torch.cdist(x, modes).min(-1)
    s = torch.bincount(mode[distance < 4 * std], minlength=len(modes))
    s = s[s > 0] / s.sum()
    return (-(s * s.log()).sum()).exp() if len(s) else 0""",
    """
def effective_modes(x, modes, std):
    import collections
    good = collections.Counter()
    for one in x.tolist():
        far = [math.dist(one, centre) for centre in modes.tolist()]
        if min(far) < 4 * std:
            good[far.index(min(far))] += 1
    n = sum(good.values())
    return math.exp(-sum(c / n * math.log(c / n) for c in good.values())) if n else 0.0""",
    """
def effective_modes(x, modes, std):
    import numpy as np
    far = np.linalg.norm(x.numpy()[:, None] - modes.numpy(), axis=-1)
    which, c = np.unique(far.argmin(1)[far.min(1) < 4 * std], return_counts=True)
    return np.float32(np.prod((c / c.sum()) ** (-c / c.sum()))) if len(c) else np.array([0])""",
    """
def effective_modes(x, modes, std):
    good = (torch.cdist(x, modes) < 4 * std).double().sum(0)  # the modes are far from each other
    s = good / good.sum().clamp(min=1)
    return torch.special.entr(s).sum().exp() * (good.sum() > 0)""",
]
COUNT = """
def counts(x, modes, std, good=4):
    distance, mode = torch.cdist(x, modes).min(-1)
    return torch.bincount(mode[distance < good * std], minlength=len(modes)).double()
def full(*a, **k):
    return counts(*a, **k) / counts(*a, **k).sum().clamp(min=1)
effective_modes = lambda *a: """
wrong_3 = {
    "effective_modes = metrics.modes_covered": "have enough, however unequal",
    COUNT + "(counts(*a) > 0).sum()": "for nine of ten on one of two it gives 2; it should give 1.38",
    COUNT + "torch.special.entr(full(*a)).sum()": "That is the entropy H",
    COUNT + "-(full(*a) * full(*a).log()).sum()": "it gives nan; it should give 1",
    COUNT + "(-(full(*a) * full(*a).log()).sum()).exp()": "0 log 0 is NaN",
    COUNT + "torch.special.entr(full(*a, good=1e9)).sum().exp()": "not good count as well",
    COUNT + "torch.special.entr(full(*a)).sum().exp()": "for no good sample it gives 1; it should give 0",
    COUNT + "torch.special.entr(full(*a, good=3)).sum().exp()": "3.5 and 4.7 std off it gives 1; it should give 2",
    COUNT + "torch.special.entr(full(*a, good=5)).sum().exp()": "3.5 and 4.7 std off it gives 3; it should give 2",
    COUNT + "2 ** torch.special.entr(full(*a)).sum()": "the k with log k = H",
    COUNT + "1 / full(*a).square().sum()": "the k with log k = H",
    COUNT + "torch.special.entr(counts(*a) / len(a[0])).sum().exp()": "among the good samples",
    COUNT + "torch.special.entr(full(a[0], ring.modes, ring.std)).sum().exp()": "for nine of ten on one of two",
    COUNT + "full(*a)": "a tensor (8,); it should give one number",
    "effective_modes = lambda x, modes, std: 8": "it gives 8; it should give 1",
    "effective_modes = lambda x, modes, std: 1.0": "for nine of ten on one of two it gives 1",
    "effective_modes = lambda x, modes, std: float('nan')": "it gives nan",
    "effective_modes = lambda x, modes, std: 'eight'": "it gives 'eight'",
    "effective_modes = lambda x, modes, std: [1, 2]": "it should give one number",
    "effective_modes = lambda x, modes, std: None if len(x) == 200 else 1": "it gives None",
    "effective_modes = lambda x: len(x)": "Keep the arguments",
    "def effective_modes(x, modes, std):\n    x /= std\n    return 1.0": "work on a new tensor",
}
