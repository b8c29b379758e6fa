"""Answers to the exercises of 20: see test_answers.py."""

DEF = "def change(before, after):\n    "
right_1 = [
    DEF + "d = after - before\n    return 2 * d.mean(), 2 * d.std() / len(d) ** 0.5",
    DEF + "import numpy as np\n    d = np.asarray(after) - np.asarray(before)\n"
    "    return 2 * d.mean(), 2 * d.std(ddof=1) / np.sqrt(len(d))",
    DEF
    + "from scipy.stats import sem\n    return 2 * float((after - before).mean()), 2 * sem((after - before).numpy())",
    DEF + "d, n = 2 * (after - before), len(before)\n    m = sum(d) / n\n"
    "    return m, (sum((v - m) ** 2 for v in d) / (n - 1) / n) ** 0.5",
    DEF + "c = torch.cov(torch.stack([before, after]))\n"
    "    error = 2 * ((c[0, 0] + c[1, 1] - 2 * c[0, 1]) / len(before)).sqrt()\n"
    "    return [2 * after.mean() - 2 * before.mean(), error]",
    DEF + "d = (after - before).float()\n    return torch.stack([2 * d.mean(), 2 * d.std() / d.numel() ** 0.5])",
]
BOTH = "d = after - before\n    n = len(d)\n    return "
wrong_1 = {
    DEF + BOTH + "d.mean(), 2 * d.std() / n ** 0.5": "That is half of the change",
    DEF + BOTH + "-2 * d.mean(), 2 * d.std() / n ** 0.5": "after minus before",
    DEF + BOTH + "2 * d.sum(), 2 * d.std() / n ** 0.5": "not the sum",
    DEF + BOTH + "2 * d.mean(), 2 * ((before.var() + after.var()) / n) ** 0.5": "pictures of its own",
    DEF + BOTH + "2 * d.mean(), 2 * d.std()": "spread of one picture's change",
    DEF + BOTH + "2 * d.mean(), d.std() / n ** 0.5": "and so does its error",
    DEF + BOTH + "2 * d.mean(), 4 * d.var() / n": "its root is the error",
    DEF + BOTH + "2 * d.mean(), 2 * d.std() / n": "Over √M, not over M",
    DEF + BOTH + "2 * d.mean(), 2 * d.std(correction=0) / n ** 0.5": "Divide by M − 1",
    DEF + BOTH + "2 * d.mean(), 2 * after.std() / n ** 0.5": "the error of a level",
    DEF + BOTH + "2 * d.mean()": "give two numbers",
    DEF + BOTH + "2 * d.mean(), float('nan')": "NaN comes of",
    DEF + BOTH + "2 * d, 2 * d.std() / n ** 0.5": "shape",
    DEF + BOTH + "'0.2', 2 * d.std() / n ** 0.5": "gives '0.2'",
    DEF + BOTH + "2 * d.mean(), 0.1": "The standard deviation of the differences",
    "change = 0.2": "not callable",
    "change = lambda before: (0, 0)": "Keep the arguments",
    DEF + "return 2 * after.mean().item() - before.mean().item(), 0": "twice the mean of after",
}
