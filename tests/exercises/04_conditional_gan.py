"""Answers to the exercises of 04: see test_answers.py."""

LABELS = "torch.tensor([int(d) for d in number])"
right_1 = [
    f"write_number = lambda G, number, z: G(z.expand(len(number), -1), {LABELS})",
    f"write_number = lambda G, number, z: G(z[None].repeat(len(number), 1), torch.eye(10)[{LABELS}])",
    "write_number = lambda G, number, z: [G(z[None], torch.tensor([int(d)]))[0] for d in number]",
    f"write_number = lambda G, number, z: G(torch.stack([z] * len(number)), {LABELS}).detach().numpy()",
    "write_number = lambda G, number, z: page(G, z[None])[[int(d) for d in number]]",
]
wrong_1 = {
    f"write_number = lambda G, number, z: G(torch.randn(len(number), 64), {LABELS})": "the given z for each digit",
    f"here = z\nwrite_number = lambda G, number, z: G(here[: len(number)], {LABELS})": "its own latent",
    f"here = z\nwrite_number = lambda G, number, z: G(here[2].expand(len(number), -1), {LABELS})": "the same hand",
    f"write_number = lambda G, number, z: G(z.expand(len(number), -1), {LABELS}.flip(0))": "come in reverse",
    "write_number = lambda G, number, z: G(z.expand(len(number), -1), torch.arange(len(number)))": "for each its label",
    f"write_number = lambda G, number, z: times(z.expand(len(number), -1), {LABELS})": "for each its label",
    f"write_number = lambda G, number, z: G(z.expand(len(number), -1), {LABELS}).mean()": "it gives one number",
    f"write_number = lambda G, number, z: G(z.expand(len(number), -1), {LABELS}) * float('nan')": "NaN comes of",
    f"write_number = lambda G, number, z: G(z.expand(len(number), -1), {LABELS})[:, 0]": "a tensor (1, 28, 28)",
    f"write_number = lambda G, number, z: 0.9 * G(z.expand(len(number), -1), {LABELS})": "for each its label",
    "write_number = lambda G, number, z: G(z, torch.tensor([7]))": "leads to",
    "write_number = lambda G, number, z: G(z[None], torch.tensor([int(number)]))": "it raises",
    "write_number = lambda G, number, z: None if len(number) > 1 else page(G, z[None])[7:8]": "it gives None",
    "write_number = lambda G, number, z: 'e'": "it gives 'e'",
    "write_number = lambda number, z: page(G_shipped, z)": "Keep the arguments",
}

right_2 = [
    "right_from_label_alone = lambda p, q: torch.maximum(p, q).sum() / 2",
    "right_from_label_alone = lambda p, q: 0.5 + 0.25 * float((p - q).abs().sum())",
    "right_from_label_alone = lambda p, q: (p.numpy().clip(min=q.numpy())).sum() / 2",
    "right_from_label_alone = lambda p, q: sum(max(a, b) for a, b in zip(p.tolist(), q.tolist())) / 2",
    "right_from_label_alone = lambda p, q: torch.where(p > q, p, q).sum(0, keepdim=True).double() / 2",
    "right_from_label_alone = lambda p, q: 1 - torch.minimum(p, q).sum().item() / 2",
]
wrong_2 = {
    "right_from_label_alone = lambda p, q: torch.maximum(p, q).sum()": "half of the time each",
    "right_from_label_alone = lambda p, q: (p - q).abs().sum() / 2": "That is the total variation",
    "right_from_label_alone = lambda p, q: torch.minimum(p, q).sum() / 2": "the share of the wrong answers",
    "right_from_label_alone = lambda p, q: torch.maximum(p, q).mean()": "not their mean",
    "right_from_label_alone = lambda p, q: torch.maximum(p, q).max()": "every class counts",
    "right_from_label_alone = lambda p, q: 0.5": "better than a coin",
    "right_from_label_alone = lambda p, q: 1.0": "Which answer is best for one class",
    "right_from_label_alone = lambda p, q: (0.5 + (p - q).abs().max() / 2)": "Which answer is best for one class",
    "right_from_label_alone = lambda p, q: torch.maximum(p, q) / 2": "it should give one number",
    "right_from_label_alone = lambda p, q: (p / (p + q)).sum() / 2": "Which answer is best for one class",
    "right_from_label_alone = lambda p, q: max(p, q)": "decide once",
    "right_from_label_alone = lambda p, q: None if p[0] == 1 else 0.5": "it gives None",
    "right_from_label_alone = lambda p, q: 'half'": "it gives 'half'",
    "right_from_label_alone = lambda p: 0.5": "Keep the arguments",
    "right_from_label_alone = 0.5": "not callable",
}

SAME = "tag_real = lambda labels: labels\n"
right_3 = [
    SAME + "tag_fake = lambda labels: (labels + 1) % 10",
    "tag_real = lambda labels: (labels - 1) % 10\ntag_fake = lambda labels: labels.clone()",
    "tag_real = lambda labels: 9 - labels\ntag_fake = lambda labels: 9 - (labels + 1) % 10",
    SAME + "tag_fake = lambda labels: torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 0])[labels]",
    SAME + "tag_fake = lambda labels: torch.where(labels == 9, 0, labels + 1).int()",
    SAME + "def tag_fake(labels):\n    return torch.tensor([(int(c) + 1) % 10 for c in labels])",
]
wrong_3 = {
    SAME + "tag_fake = lambda labels: labels": "beside real digits 3, a 9 beside 9",
    SAME + "tag_fake = lambda labels: (labels - 1) % 10": "beside real digits 2, a 9 beside 8",
    "tag_real = tag_fake = lambda labels: (labels + 1) % 10": "beside real digits 3, a 9 beside 9",
    SAME + "tag_fake = lambda labels: labels + 1": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda labels: (labels + 1).clamp(max=9)": "a 9 beside 9",
    SAME + "tag_fake = lambda labels: torch.where(labels == 9, 9, (labels + 1) % 10)": "a 9 beside 9",
    "tag_real, tag_fake = torch.zeros_like, torch.ones_like": "Wrong: a leak",
    "tag_real = tag_fake = torch.zeros_like": "which shall it be?",
    SAME + "tag_fake = lambda labels: torch.arange(1, len(labels) + 1) % 10": "one label several tags",
    SAME + "tag_fake = lambda labels: torch.randint(10, labels.shape)": "one label several tags",
    SAME + "def tag_fake(labels):\n    labels += 1\n    return labels % 10": "changes `labels` itself",
    SAME + "tag_fake = lambda labels: ((labels + 1) % 10).float()": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda labels: ((labels + 1) % 10).tolist()": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda labels: 4": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda labels: labels.item() + 1": "take one number",
    SAME + "tag_fake = lambda labels: labels * float('nan')": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda labels: 'next'": "whole numbers from 0 to 9",
    SAME + "tag_fake = lambda: 4": "Keep the arguments",
}

OWN = "own = torch.cat([digits.x[digits.labels == c][:100] for c in range(10)])\n"
ALL = OWN.replace("[:100]", "")
WAYS = "WAYS = ((1, -1), (1, -2), (-1, -2), (-1, -1))\n"
right_4 = [
    OWN + WAYS + "i = torch.arange(1000)\n"
    "cheat = lambda labels: torch.stack([own.roll(by, axis) for by, axis in WAYS])[i % 4, i]",
    OWN + "def cheat(labels):\n"
    "    ways = [(0, 1), (1, 0), (-1, 0), (0, -1)]\n"
    "    return torch.stack([x.roll(ways[i % 4], (-2, -1)) for i, x in enumerate(own)]).numpy()",
    OWN + WAYS + "def cheat(labels):\n"
    "    x = own.clone()\n"
    "    for k, (by, axis) in enumerate(WAYS):\n"
    "        x[k::4] = x[k::4].roll(by, axis)\n"
    "    return x",
]
wrong_4 = {
    OWN + "cheat = lambda labels: own": "What is far in pixels",
    OWN + "cheat = lambda labels: (own.float() + 20 * torch.randn(own.shape)).clamp(0, 255).byte()": "Wrong: ",
    OWN + "cheat = lambda labels: own.roll((1, 1), (-2, -1))": "Is each image still what its label says?",
    OWN + "cheat = lambda labels: own.roll(1, -1)": "as much as people's digits do?",
    OWN + "cheat = lambda labels: own.flip(-1)": "Is each image still what its label says?",
    "cheat = lambda labels: one_of_each[labels].roll(1, -1)": "as much as people's digits do?",
    "cheat = lambda labels: digits.x_test[digits.labels_test.argsort()]": "are held-out digits",
    "cheat = lambda labels: digits.x_test[digits.labels_test.argsort()].roll(1, -1)": "are held-out digits",
    "cheat = lambda labels: digits.x[:1000]": "Is each image still what its label says?",
    OWN + "cheat = lambda labels: data.to_float(own)": "return whole numbers",
    OWN + "cheat = lambda labels: own[:, 0]": "return whole numbers",
    "cheat = lambda labels: torch.zeros(1000, 1, 28, 28)": "return whole numbers",
    "cheat = lambda labels: 7": "return whole numbers",
    "cheat = lambda labels: 'copies'": "leads to",
    "cheat = lambda: digits.x[:1000]": "Keep the arguments",
}
