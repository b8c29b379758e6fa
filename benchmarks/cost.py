"""What share of the machine's matmul limit the course's DCGAN step reaches, and what makes the step faster.

The step takes turns with a product of two (1024, 1024) matrices, so both meet the same load; a share is the median over
the rounds of (operations / seconds of the step) / (operations / seconds of the product). Below each size the seconds of
the step with each lever, as a ratio to the plain step's, in turn as well.
"""

import argparse
import statistics
import time

import torch

from ganedu.topics import cost

SIZES = ((28, 8), (64, 8), (64, 16), (64, 32))
LEVERS = {"fused Adam": {"adam": "fused"}, "channels_last": {"channels_last": True}, "bf16": {"bf16": True}}
CUDA = {
    "CUDA graph": {"graph": True},
    "graph, bf16, channels_last": {"graph": True, "bf16": True, "channels_last": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed (7)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: half a minute a size")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 and args.device == "cpu" else time.perf_counter
    levers = LEVERS | (CUDA if args.device.startswith("cuda") else {})
    if args.compile:
        levers |= {"compiled": {"compiled": True}}
    m = cost.limits(args.device, clock=clock)
    print(f"torch {torch.__version__}, {args.device}, {args.threads} threads, median of {args.rounds} rounds")
    print(f"{m.operations / 1e9:.0f} G operations/s, {m.bytes / 1e9:.1f} GB/s, {m.call * 1e6:.1f} µs a call")
    multiply, work = cost.product(device=args.device)
    for pixels, width in SIZES:
        g = cost.game(pixels, width, device=args.device)
        g.step()  # the first makes Adam's moments
        calls = cost.counted(g.step)
        ways = {"product": multiply, "plain": g.step}
        ways |= {k: cost.game(pixels, width, device=args.device, **kw).step for k, kw in levers.items()}
        found = cost.in_turn(ways, args.rounds, clock=clock)
        operations = sum(c.operations for c in calls)
        share = operations / work / cost.middle(found, "plain", "product")
        took = statistics.median(found["plain"])
        print(f"\n{pixels} pixels, width {width}, batch 64: {took * 1e3:.1f} ms, {share:.0%} of the matmul limit; "
              f"bound {sum(cost.bound(calls, m).values()) * 1e3:.1f} ms")  # fmt: skip
        for name in levers:
            print(f"  {name:<28}{cost.middle(found, name, 'plain'):.2f} of the plain step's seconds")


if __name__ == "__main__":
    main()
