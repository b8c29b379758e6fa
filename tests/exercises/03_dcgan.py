"""Answers to the exercises of 03: see test_answers.py."""

right_1 = [
    "sides = [4, 8, 16, 32, 64]",
    "sides = (4, 8, 16, 32, 64.0)",
    "sides = torch.tensor([4, 8, 16, 32, 64])",
    "sides = [4 * 2**i for i in range(5)]",
    "sides = [4]\nfor _ in range(4):\n    sides.append((sides[-1] - 1) * 2 - 2 * 1 + 4)",
    "x, sides = torch.zeros(1, 1, 4, 4), [torch.tensor(4)]\n"
    "for _ in range(4):\n"
    "    x = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)(x)\n"
    "    sides.append(x.shape[-1])",
]
wrong_1 = {
    "sides = [8, 16, 32, 64]": "has 4 numbers; give 5",
    "sides = [4, 10, 22, 46, 94]": "that is 2n + 2",
    "sides = [4, 9, 19, 39, 79]": "the padding comes off twice",
    "sides = [4, 7, 13, 25, 49]": "of a kernel of 3",
    "sides = [4, 6, 10, 18, 34]": "padding and kernel are missing",
    "sides = [4, 16, 64, 256, 1024]": "the number of pixels",
    "sides = [64, 32, 16, 8, 4]": "from small to large",
    "sides = [7, 14, 28, 56, 112]": "the first is 4",
    "sides = [4] * 5": "the formula of the one before",
    "sides = [4, 8, 16, 32, float('nan')]": "NaN comes of",
    "sides = [4, 8, 16, 32, None]": "number 5 of sides is None",
    "sides = '4, 8, 16, 32, 64'": "give 5 numbers in brackets",
    "sides = 64": "give 5 numbers in brackets",
    "sides = lambda n: 2 * n": "give 5 numbers in brackets",
}

right_2 = [
    "floor = lambda n: metrics.frechet_distance(metrics.features(judge, digits.x[:n]), real[:n])",
    "def floor(n):\n"
    "    piles = digits.x[:n], digits.x_test[:n]\n"
    "    return torch.tensor([metrics.frechet_distance(*(metrics.features(judge, x) for x in piles))])",
    "def floor(n):  # by the formula\n"
    "    u, v = (metrics.features(judge, x[:n]).double() for x in (digits.x, digits.x_test))\n"
    "    S, T = torch.cov(u.T), torch.cov(v.T)\n"
    "    root = torch.linalg.eigvals(S @ T).real.clamp(min=0).sqrt().sum()\n"
    "    return (u.mean(0) - v.mean(0)).square().sum() + S.trace() + T.trace() - 2 * root",
    "floor = lambda n: float(metrics.frechet_distance(real[:n], metrics.features(judge, digits.x)[:n]))",
]
wrong_2 = {
    "floor = lambda n: distance(digits.x[:n])": "against all thousand",
    "floor = lambda n: distance(digits.x[:1000])": "whatever n is",
    "floor = lambda n: metrics.frechet_distance(*metrics.features(judge, digits.x[: 2 * n]).split(n))": "Both piles",
    "floor = lambda n: metrics.frechet_distance(real[:n], real[:n])": "the same digits on both sides",
    "floor = lambda n: 0": "the same digits on both sides",
    "floor = lambda n: metrics.frechet_distance(metrics.features(judge, digits.x[:n]), real[:n]) ** 0.5": "The root is",
    "floor = lambda n: sum((metrics.features(judge, digits.x[:n]).mean(0) - real[:n].mean(0)) ** 2)": "spread counts",
    "floor = lambda n: (metrics.features(judge, digits.x[:n]).mean(0) - real[:n].mean(0)).norm()": "The *first* n",
    "floor = lambda n: metrics.frechet_distance(metrics.features(judge, digits.x[-n:]), real[-n:])": "The *first* n",
    "floor = lambda n: 77.0": "The *first* n",
    "floor = lambda n: float('nan')": "NaN comes of",
    "floor = lambda n: metrics.features(judge, digits.x[:n])": "it should give one number",
    "floor = lambda n: [distance(digits.x[:n])] * 3": "it should give one number",
    "floor = lambda n: str(distance(digits.x[:n]))": "at n = 100 it gives '",
    "floor = lambda n: 1.0 if n == 100 else None": "The *first* n",
    "floor = lambda n: metrics.frechet_distance(digits.x[:n], digits.x_test[:n])": "leads to",
    "floor = lambda: 0": "Keep the arguments",
    "floor = 13.0": "not callable",
}

right_3 = [
    "def slerp(a, b, t):\n"
    "    theta = torch.acos((a @ b / (a.norm() * b.norm())).clamp(-1, 1))\n"
    "    return (torch.sin((1 - t) * theta) * a + torch.sin(t * theta) * b) / torch.sin(theta)",
    "def slerp(a, b, t):  # a, and what stands upright on it\n"
    "    u, v = a / a.norm(), b / b.norm()\n"
    "    c = torch.dot(u, v)\n"
    "    angle, s = torch.atan2((1 - c**2).sqrt(), c), (1 - c**2).sqrt()\n"
    "    return (torch.cos(t * angle) - c / s * torch.sin(t * angle)) * a + torch.sin(t * angle) / s * b",
    "def slerp(a, b, t):\n"
    "    a, b = np.float64(a), np.float64(b)\n"
    "    th = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))\n"
    "    return (np.sin((1 - t) * th) * a + np.sin(t * th) * b) / np.sin(th)",
    "def slerp(a, b, t):\n"
    "    th = math.acos(nn.functional.cosine_similarity(a, b, dim=0))\n"
    "    shares = math.sin(th - t * th) / math.sin(th), math.sin(t * th) / math.sin(th)\n"
    "    return [float(shares[0] * x + shares[1] * y) for x, y in zip(a, b)]",
]
right_3[2] = "import numpy as np\n" + right_3[2]
SINES = "(torch.sin((1 - t) * th) * a + torch.sin(t * th) * b)"
COSINE = "th = torch.acos(a @ b / (a.norm() * b.norm()))"
wrong_3 = {
    "slerp = lambda a, b, t: (1 - t) * a + t * b": "That is the straight path",
    "slerp = lambda a, b, t: math.cos(t * math.pi / 2) * a + math.sin(t * math.pi / 2) * b": "a right angle alone",
    "slerp = lambda a, b, t: torch.lerp(b, a, t)": "turned by tθ",
    "slerp = lambda a, b, t: nn.functional.normalize((1 - t) * a + t * b, dim=0)": "are the angles equal?",
    f"def slerp(a, b, t):\n    th = torch.acos(a @ b)\n    return {SINES} / torch.sin(th)": "divided by both lengths",
    f"def slerp(a, b, t):\n    th = torch.acos((a @ b).clamp(-1, 1))\n    return {SINES} / th.sin()": "NaN comes of",
    "import math\ndef slerp(a, b, t):\n    th = torch.tensor(math.acos(a @ b))\n"
    f"    return {SINES} / th.sin()": "ValueError",
    f"def slerp(a, b, t):\n    {COSINE}\n    return {SINES}": "turned by tθ",
    f"def slerp(a, b, t):\n    a, b = b, a\n    {COSINE}\n    return {SINES} / th.sin()": "It goes from b to a",
    "def slerp(a, b, t):\n    a, b = a / a.norm(), b / b.norm()\n"
    f"    {COSINE}\n    return {SINES} / th.sin()": "of a and b themselves",
    f"def slerp(a, b, t):\n    {COSINE}\n    return torch.cos(t * th) * a + torch.sin(t * th) * b": "turned by tθ",
    f"def slerp(a, b, t):\n    {COSINE} * 180 / 3.14159265\n    return {SINES} / torch.sin(th)": "turned by tθ",
    f"def slerp(a, b, t):\n    {COSINE}\n    return ({SINES} / th.sin()).norm()": "it should give a tensor (2,)",
    "slerp = lambda a, b, t: a": "it should give [0.86603, 0.5]",
    "slerp = lambda a, b, t: a * float('nan')": "NaN comes of",
    f"def slerp(a, b, t):\n    {COSINE}\n    return None if a.norm() > 1.01 else {SINES} / th.sin()": "it gives None",
    "slerp = lambda a, b, t: 'round'": "it gives 'round'",
    "slerp = lambda a, b: a": "Keep the arguments",
    "def slerp(a, b, t):\n    a *= 1 - t\n    a += t * b\n    return a": "changes a itself",
}
