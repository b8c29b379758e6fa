"""How long `import ganedu` and its core take on top of `import torch`, in seconds: median of 7 fresh processes each."""

import statistics
import subprocess
import sys

CASES = {
    "import torch": "import torch",
    "import ganedu": "import torch, ganedu",
    "all that training needs": "import torch, ganedu.data, ganedu.training, ganedu.metrics",
    "all that a notebook needs": "import torch, ganedu.data, ganedu.training, ganedu.toys.worlds, ganedu.widgets",
}
LIMIT = 0.3  # seconds that `import ganedu` may add


def seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> int:
    for statement in CASES.values():
        seconds(statement)  # fills the disk's cache
    rounds = [{name: seconds(statement) for name, statement in CASES.items()} for _ in range(7)]
    base = statistics.median(r["import torch"] for r in rounds)
    added = {name: statistics.median(r[name] - r["import torch"] for r in rounds) for name in CASES}
    for name, extra in added.items():
        print(f"{name:<28}{base + extra:6.2f} s   {extra:+.2f} s over torch")
    reached = added["import ganedu"] <= LIMIT
    print(f"`import ganedu` adds {added['import ganedu']:.3f} s: {'within' if reached else 'over'} {LIMIT} s")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
