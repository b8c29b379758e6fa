"""Answers to the exercises of 05: see test_answers.py."""

right_1 = [
    "largest_h = 3.1",
    "largest_h = 3.12",
    "largest_h = torch.tensor(3.1)",
    "largest_h = np.array([3.1])",
    "largest_h = 4 * ((1 + 0.25**2) ** 0.5 - 0.25)  # as it is, 3.123",
    "J_r1 = dynamics.jacobian(partial(minimax, gamma=0.25), [0.0, 0.0])\n"
    "largest_h = max(k / 10 for k in range(1, 60) if dynamics.radius(J_r1, k / 10) < 1)",
]
wrong_1 = {
    "largest_h = 3.15": "at h = 3.15 a step multiplies",
    "largest_h = 3.2": "at h = 3.2 a step multiplies",
    "largest_h = 4": "Without γ",
    "largest_h = 1.0": "That is 4γ",
    "largest_h = 3.0": "h = 3.1 converges as well",
    "largest_h = 3.05": "h = 3.1 converges as well",
    "largest_h = 0": "at h = 0 a step multiplies",
    "largest_h = -1": "a step multiplies",
    "largest_h = 1e30": "a step multiplies",
    "largest_h = '3.1'": "without quotes",
    "largest_h = [3.1, 3.2]": "give one number",
    "largest_h = float('nan')": "largest_h is nan",
    "largest_h = dynamics.radius": "a function",
    "largest_h = torch.tensor([3.0, 3.1])": "has the shape (2,)",
}

right_2 = [
    "optimistic = lambda v, w, last, h: w + h * (2 * v(w) - v(last))",
    "optimistic = lambda v, w, last, h: w + h * (v(w) + (v(w) - v(last)))",
    "optimistic = lambda v, w, last, h: dynamics.step(v, w, h, 'simultaneous') + h * (v(w) - v(last))",
    "def optimistic(v, w, last, h):\n    a, b = v(w), v(last)\n    return (w + h * a + h * a - h * b).float()",
    "optimistic = lambda v, w, last, h: np.array(w) + h * (2 * np.array(v(w)) - np.array(v(last)))",
    "optimistic = lambda v, w, last, h: [float(a + h * (2 * b - c)) for a, b, c in zip(w, v(w), v(last))]",
]
wrong_2 = {
    "optimistic = lambda v, w, last, h: w + h * v(w)": "a simultaneous step",
    "optimistic = lambda v, w, last, h: w + h * (3 * v(w) - 2 * v(last))": "after one more such change?",
    "optimistic = lambda v, w, last, h: w + h * (6 * v(w) - 5 * v(last))": "after one more such change?",
    "optimistic = lambda v, w, last, h: w + h * v(2 * w - last)": "guess the next arrow",
    "optimistic = lambda v, w, last, h: w + h * (v(w) - v(last))": "the change alone",
    "optimistic = lambda v, w, last, h: w + h * (2 * v(last) - v(w))": "not back",
    "optimistic = lambda v, w, last, h: w + h * (v(w) + v(last)) / 2": "after one more such change?",
    "optimistic = lambda v, w, last, h: last + h * (2 * v(w) - v(last))": "starts at w",
    "optimistic = lambda v, w, last, h: 2 * v(w) - v(last)": "That is the arrow",
    "optimistic = lambda v, w, last, h: w + 2 * v(w) - v(last)": "after one more such change?",
    "optimistic = lambda v, w, last, h: w + h * v(w + h * v(w))": "after one more such change?",
    "optimistic = lambda v, w, last, h: w": "after one more such change?",
    "optimistic = lambda v, w, last, h: 0.0": "it gives one number; it should give a tensor (2,).",
    "optimistic = lambda v, w, last, h: (w + h * (2 * v(w) - v(last))).norm().item()": "it gives one number",
    "optimistic = lambda v, w, last, h: w * float('nan')": "NaN comes of",
    "optimistic = lambda v, w, last, h: 'w'": "it gives 'w'",
    "optimistic = lambda v, w, last, h: w + h * (2 * minimax - v(last))": "leads to TypeError",
    "def optimistic(v, w, last, h):\n    if (w == last).all():\n        return w + h * v(w)": "it gives None",
    "optimistic = lambda v, w, last: w": "Keep the arguments",
    "def optimistic(v, w, last, h):\n    w += h * (2 * v(w) - v(last))\n    return w": "changes w itself",
}

right_3 = [
    "best_ahead = lambda h: 4 / h",
    "best_ahead = lambda h: torch.tensor([4.0]) / h",
    "best_ahead = lambda h: np.float32(1) / (h / 4)",
    "def best_ahead(h):  # by computer\n"
    "    tried = np.linspace(0.1, 60, 6000)\n"
    "    J2 = np.array([[0, 0.5], [-0.5, 0]])\n"
    "    size = [abs(np.linalg.eigvals(np.eye(2) + h * J2 + h * a * J2 @ J2)).max() for a in tried]\n"
    "    return tried[np.argmin(size)]",
]
wrong_3 = {
    "best_ahead = lambda h: h": "extragradient as it was",
    "best_ahead = lambda h: 4.0": "at h = 0.5 it gives 4; it should give 7.9",
    "best_ahead = lambda h: 4 / h**2": "at h = 0.5 it gives 16",
    "best_ahead = lambda h: 1 / h": "not by ±i",
    "best_ahead = lambda h: 2 / h": "its minimum over a?",
    "best_ahead = lambda h: -4 / h": "a look back pushes out",
    "best_ahead = lambda h: 4 / h * (1 - (1 - h**2 / 4) ** 0.5)": "just stays",
    "best_ahead = lambda h: 4 * h": "at h = 0.5 it gives 2",
    "best_ahead = lambda h: 0": "at h = 1 it gives 0",
    "best_ahead = lambda h: min(a / 10 for a in range(1, 999) if (1 - a * h / 40) ** 2 + h**2 / 4 < 1)": "at h = 1 it",
    "best_ahead = lambda h: max(range(1, 11), key=lambda a: -((1 - a * h / 4) ** 2))": "at h = 1.5",
    "best_ahead = lambda h: float('nan')": "a is nan",
    "best_ahead = lambda h: [4 / h]": "give one number",
    "best_ahead = lambda h: 'far'": "without quotes",
    "best_ahead = lambda h: 4 / (h - 1)": "ZeroDivisionError",
    "best_ahead = 4.0": "not callable",
    "best_ahead = lambda: 4": "Keep the arguments",
}
