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
    DEF + BOTH + "2 * d.mean()": "give 2 numbers",
    DEF + BOTH + "2 * d.mean(), float('nan')": "NaN comes of",
    DEF + BOTH + "2 * d, 2 * d.std() / n ** 0.5": "has the shape (2,)",
    DEF + BOTH + "'0.2', 2 * d.std() / n ** 0.5": "number 1 of the answer is '0.2'",
    DEF + BOTH + "2 * d.mean(), 0.1": "The standard deviation of the differences",
    "change = 0.2": "not callable",
    "change = lambda before: (0, 0)": "Keep the arguments",
    DEF + "return 2 * after.mean().item() - before.mean().item(), 0": "twice the mean of after",
}

P, A = "picked = lambda u: ", "\napart = lambda p: "
LOGIT, SOFT = A + "math.log(p / (1 - p))", P + "u.softmax(0)"
right_2 = [
    SOFT + LOGIT,
    P + "(u - u.max()).exp() / (u - u.max()).exp().sum()" + A + "math.log(p) - math.log(1 - p)",
    "import numpy as np\ndef picked(u):\n    e = np.exp(u.numpy() - u.numpy().max())\n    return e / e.sum()"
    + A + "float(torch.logit(torch.tensor(p)))",
    "def picked(u):\n    return torch.stack([1 / (u - each).exp().sum() for each in u])" + A + "-math.log(1 / p - 1)",
    P + "u.log_softmax(0).exp()" + A + "2 * math.atanh(2 * p - 1)",
]  # fmt: skip
wrong_2 = {
    P + "u / u.sum()" + LOGIT: "the rule has e^u",
    P + "u.sigmoid()" + LOGIT: "add up to 1 over all n",
    P + "u.exp()" + LOGIT: "not divided by their sum",
    P + "u.exp() / u.exp().sum()" + LOGIT: "e^1000 is infinite",
    P + "(-u).softmax(0)" + LOGIT: "picked least",
    P + "u.log_softmax(0)" + LOGIT: "logarithms of probabilities",
    P + "torch.full_like(u, 1 / len(u))" + LOGIT: "does not look at u",
    P + "float(u[0])" + LOGIT: "it gives",
    SOFT + A + "p / (1 - p)": "the odds",
    SOFT + A + "math.log(p)": "the other picture's chance",
    SOFT + A + "math.log((1 - p) / p)": "the sign",
    SOFT + A + "math.log10(p / (1 - p))": "e, not 10",
    SOFT + A + "1 / (1 + math.exp(-p))": "here p is given",
    SOFT + A + "float('nan')": "NaN comes of",
    SOFT + A + "str(p)": "it gives '0.5'",
    SOFT + A + "None if p < 0.5 else math.log(p / (1 - p))": "gives None",
}

K = "effective = lambda K: "
right_3 = [
    K + "torch.special.entr(torch.linalg.eigvalsh(K / len(K)).clamp(min=0)).sum().exp()",
    "def effective(K):\n    values = torch.linalg.svdvals(K / len(K))\n    values = values[values > 1e-9]\n"
    "    return float(torch.exp(-(values * values.log()).sum()))",
    "import numpy as np\ndef effective(K):\n    v = np.linalg.eigvalsh(K.numpy() / len(K))\n    v = v[v > 1e-8]\n"
    "    return np.exp(-np.sum(v * np.log(v)))",
    "def effective(K):\n    count = 1.0\n    for v in torch.linalg.eigvalsh(K / K.trace()).tolist():\n"
    "        count *= v**-v if v > 1e-8 else 1.0\n    return count",
    "from scipy.stats import entropy\n" + K + "math.exp(entropy(torch.linalg.eigvalsh(K / len(K)).clamp(min=0)))",
]
E = "torch.special.entr(torch.linalg.eigvalsh(K / len(K)).clamp(min=0))"
wrong_3 = {
    K + E + ".sum()": "That is the entropy",
    K + "(-" + E + ".sum()).exp()": "an entropy is not below 0",
    K + "(" + E + " / math.log(2)).sum().exp()": "Base 2 for the log",
    K + "torch.linalg.matrix_rank(K)": "as a whole one",
    K + "1 / torch.linalg.eigvalsh(K / len(K)).square().sum()": "it has no logarithm",
    K + "len(K)": "counts all pictures",
    K + "torch.special.entr(torch.linalg.eigvalsh(K).clamp(min=0)).sum().exp()": "not of K / n",
    K + "1 / K.mean()": "no eigenvalues",
    K + "torch.linalg.eigvalsh(K / len(K))": "give one number",
    K + "float('nan')": "NaN comes of",
    K + "str(len(K))": "give one number",
    K + "None if len(K) > 3 else torch.exp(" + E + ".sum())": "give one number",
}
