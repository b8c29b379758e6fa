"""The command line: `python -m ganedu`, or `ganedu` once installed. What is heavy is imported where it is used."""

import argparse
import contextlib
import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ABOUT = "An open course on generative adversarial networks, and the small package that it stands on."

EXAMPLES = """
examples:
  ganedu lab
  ganedu run 03 -p seed 1 --out runs
  ganedu sweep 09 -p seed 0..15 --figure advantage test.advantage --out runs/advantage
  ganedu slides 04 --out slides.html
  ganedu train dcgan --data fashion --seconds 60 --out runs/clothes
  ganedu sample runs/clothes --n 64 --out clothes.png
  ganedu train cgan --data digits --steps 4000 --out runs/digits
  ganedu sample runs/digits --labels 3 --n 16 --out threes.png
  ganedu doctor runs/digits
  ganedu doctor gan.ipynb --seconds 60
  ganedu report runs/digits
  ganedu studio --run runs/digits

ganedu COMMAND --help says more about each. Errors end with status 2 where something can be put right on the
command line, with 1 where a run failed.
"""

SEVERAL = """
on several devices a launcher starts the command once for each; batch_size stays that of the whole batch:
  accelerate launch --multi_gpu --num_processes 2 -m ganedu train dcgan --seconds 60 --out runs/gpus
  ACCELERATE_USE_CPU=1 torchrun --standalone --nproc-per-node 2 -m ganedu train dcgan --seconds 60 --out runs/two
"""

STUDIO = ("digits", "digits_by_class", "fashion", "shapes")  # trained models, by the data that they are of
SAVE_EVERY = 5.0  # seconds between two checkpoints: what a kill can cost


# --------------------------------------------------------------------------------------------------- the commands


def lab(args) -> None:
    from .course import notebooks

    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks.folder()}", f"--port={args.port}"]
    command += args.rest
    if all(a.startswith("-") for a in args.rest):  # nothing that may be a page to open
        command.append(notebooks.listing()[0].as_posix())
    if _call(command):
        raise RuntimeError("JupyterLab ended with an error; what it said stands above.")


def _call(command: list[str], env: dict[str, str] | None = None) -> int:
    """Run a command to its end; Ctrl-C is its own to handle (JupyterLab asks whether to stop, and keeps the work).

    A SIGTERM is handed on, or the command would live on alone.
    """
    with subprocess.Popen(command, env=env) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)


def studio(args) -> None:
    from .course import app
    from .inputs import one_of

    command = app.command(args.port, args.browser)
    if args.run_dir is None:
        one_of(args.data, STUDIO, "model of the studio")
    else:
        from .runs import recipes

        recipes.load_generator(args.run_dir)
    if _call(command, app.environment(args.data, args.run_dir)):
        raise RuntimeError("Voilà ended with an error; what it said stands above.")


def run(args) -> None:
    from .course import notebooks

    start = time.perf_counter()
    out = notebooks.run(args.notebook, dict(args.parameters), args.out)
    print(f"ran in {time.perf_counter() - start:.0f} s: {out}")


def sweep(args) -> None:
    from .course import sweep as many

    many.sweep(args.notebook, dict(args.parameters), args.out, dict(args.figures), args.workers, args.on)


def student(args) -> None:
    from .course import notebooks

    for name, n in notebooks.student_edition(args.dir, overwrite=args.force, graded=args.nbgrader).items():
        print(f"{args.dir / name}: {n} solution{'' if n == 1 else 's'} left out")
    if args.nbgrader:
        print(f"{args.dir / 'nbgrader_config.py'} says what to call there, from `nbgrader generate_assignment` on")


def doctor(args) -> int:
    if args.list:
        print(_findings())
        return 0
    if args.run_or_file is None:
        raise ValueError("nothing to examine: give a run's folder, a script or a notebook, or --list.")
    chosen = {role: text for role in args.roles if (text := getattr(args, role)) is not None}
    if args.run_or_file.is_file() or args.run_or_file.suffix in (".py", ".ipynb"):
        return _examine_file(args.run_or_file, chosen, args.seconds)
    if chosen:
        raise ValueError(f"{args.run_or_file} is a run with players of its own: leave --{', --'.join(chosen)} out.")
    from .doctor import examine

    report = examine(args.run_or_file)
    print(report)
    return 0 if report.healthy else 1


def _examine_file(path: Path, chosen: dict[str, str], seconds: float) -> int:
    from .doctor import files

    files.parts(path)  # what is no code is said before anything else
    print(
        f"running the code of {path}, in a copy of its folder, for at most {seconds:g} s", file=sys.stderr, flush=True
    )
    text, healthy = files.examine_file(path, chosen, seconds)
    print(text)
    return 0 if healthy else 1


def _findings() -> str:
    """The doctor's findings by kind: key, title, what to try first; as wide as the terminal."""
    import shutil
    import textwrap

    from .doctor.findings import FINDINGS, TABLE

    wrap = textwrap.TextWrapper(min(shutil.get_terminal_size().columns, 120), initial_indent=" " * 6,
                                subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)  # fmt: skip
    lines = []
    for kind in TABLE:
        lines += [kind]
        for key, entry in FINDINGS.items():
            if entry.kind == kind:
                lines += [f"  {entry.title} [{key}]"]
                lines += wrap.wrap(entry.first)
    return "\n".join(lines)


def report(args) -> None:
    from .report import report as judge

    start = time.perf_counter()
    for path in judge(args.dirs, args.out, args.n):
        print(path)
    print(f"in {time.perf_counter() - start:.0f} s")


def slides(args) -> None:
    from .course import slides as lecture

    print(lecture.write(args.notebook, args.out))


def claims(args) -> None:
    from .course import claims as ledger

    print(ledger.page(ledger.ledger()) if args.out is None else ledger.write(args.out))


def data(args) -> None:
    from .data import available

    for row in available():
        print(row)


def train(args) -> None:
    from . import processes, training
    from .runs import recipes

    training.connect()
    turns = (True, False) if processes.count() > 1 else (True,)
    for main_process in turns:  # the main process before the others, so that data are fetched once
        with processes.together():
            if main_process == (not processes.rank()):
                settings, images, out, place = _run_of(args)
    trainer = recipes.trainer(settings, images)
    with contextlib.ExitStack() as held:
        with processes.together():
            if not processes.rank():
                held.enter_context(recipes.alone_in(out))
                if not args.resume:
                    _check_new(out, place)  # once more: somebody may have been quicker
        if args.resume:
            with processes.together():
                trainer.load(out)
            if trainer.caveat and not processes.rank():
                print(trainer.caveat, file=sys.stderr)
        else:
            trainer.save(out, settings)  # a folder that cannot be written is known now, not after an hour
        _train(trainer, out, settings, args)


def _run_of(args):
    """(settings, images, folder, place of the data) of the run that the command line asks for."""
    from . import processes
    from .data import NAMES, located
    from .inputs import one_of
    from .runs import recipes

    for name, _ in args.tuned:
        one_of(name, recipes.TUNED, "setting")
    place = located("digits" if args.data is None else args.data)
    out = args.out or Path(f"runs/{args.model}-{place if place in NAMES else place.name}")
    given = {k: getattr(args, k) for k in ("image_size", "channels", "width", "seed")}
    given = {"model": args.model, **{k: v for k, v in given.items() if v is not None}, **dict(args.tuned)}
    if args.resume:
        before = recipes.read_run(out)[1]["settings"]
        if args.data and (place in NAMES or before["data"] in NAMES):
            given["data"] = place  # a folder may have moved: whether its images are the same is seen below
        _agree(out, given, before)
        settings, images = recipes.again(before, out, args.data)
    else:
        if not processes.rank():
            _check_new(out, place)
        settings, images = recipes.prepare(**{**given, "data": place})
    processes.part(settings["batch_size"])
    if args.model == "cgan" and not processes.rank() and (said := recipes.balance(images)):
        print(said, file=sys.stderr)
    return settings, images, out, place


def _check_new(out: Path, data: str | Path) -> None:
    from .checkpoints import CHECKPOINT

    if (out / CHECKPOINT).exists():
        raise ValueError(f"{out} already holds a run: go on with it by --resume, or choose another folder by --out.")
    if isinstance(data, Path) and out.resolve().is_relative_to(data):
        raise ValueError(
            f"--out {out} lies in the folder of images, {data}, and its pictures would be taken for data: choose one "
            f"outside, such as --out {Path('..') / 'runs' / data.name if data == Path.cwd() else data.name + '-run'}."
        )


def _train(trainer, out: Path, settings: dict, args) -> None:
    from . import processes
    from .data.folders import write_images

    try:
        _train_and_save(trainer, out, settings, args.steps, args.seconds)
    except KeyboardInterrupt:
        processes.ignore_interrupts()
        trainer.save(out, settings)
        limit = f"--seconds {args.seconds:g}" if args.seconds else f"--steps {args.steps}"
        raise KeyboardInterrupt(
            f"stopped after step {trainer.step:,}; all of it is kept in {out}. To go on:\n"
            f"  ganedu train {args.model} {limit} --resume --out {shlex.quote(str(out))}"
        ) from None
    with processes.together():
        if not processes.rank():
            write_images(trainer.sample(64, _labels(None, 64, settings)), out / "samples.png")
            by = f" by {processes.count()} processes" if processes.count() > 1 else ""
            print(
                f"{trainer.step:,} steps in {trainer.seconds:.1f} s{by}, kept in {out}; look at {out / 'samples.png'}"
            )


def _agree(out: Path, given: dict, before: dict) -> None:
    differ = [f"{k} was {before.get(k)} and is {v} now" for k, v in given.items() if v != before.get(k)]
    if differ:
        raise ValueError(f"--resume goes on with the run in {out}, but {', '.join(differ)}. Choose another --out.")


def _train_and_save(trainer, out: Path, settings: dict, steps: int | None, seconds: float | None) -> None:
    """Train with a plain bar in the terminal, and save every few seconds and at the end."""
    from tqdm import tqdm

    from . import processes

    saved = trainer.seconds  # of training, on which all processes agree
    total, unit, reached = (seconds, "s", "seconds") if seconds else (steps, "step", "step")
    form = "{l_bar}{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}<{remaining}{postfix}]"
    hidden = True if processes.rank() else None  # None: where there is no terminal
    with tqdm(total=total, unit=unit, initial=getattr(trainer, reached), bar_format=form, disable=hidden) as bar:
        for record in trainer.run(steps=steps, seconds=seconds, every=50):
            bar.set_postfix_str(f"step {record['step']:,}, D {record['loss_D']:.2f}, G {record['loss_G']:.2f}")
            bar.update(min(record[reached], total) - bar.n)
            if trainer.seconds - saved > SAVE_EVERY:
                trainer.save(out, settings)
                saved = trainer.seconds
    processes.ignore_interrupts()
    trainer.save(out, settings)


def sample(args) -> None:
    from .data.folders import write_images
    from .runs import recipes
    from .sampling import generate

    out = args.out or args.dir / "samples.png"
    if out.suffix not in (".png", ".npy"):
        raise ValueError(f"--out {out} does not fit: end it with .png (a picture) or .npy (float32, N x C x H x W).")
    G, settings = recipes.load_generator(args.dir)
    _check_amount(args.n, settings, out)
    x = generate(G, args.n, _labels(args.labels, args.n, settings), args.seed)
    write_images(x, out)
    print(f"{args.n:,} samples, {' x '.join(map(str, x.shape[1:]))}: {out}")


def _check_amount(n: int, settings: dict, out: Path) -> None:
    from .data.folders import check_picture
    from .runs.recipes import MOST_NUMBERS

    size = settings["channels"] * settings["image_size"] ** 2
    if n * size > MOST_NUMBERS:
        raise ValueError(
            f"--n {n} images of {size:,} numbers are more than the {MOST_NUMBERS:,} (a gigabyte) that one file may "
            f"hold: give {MOST_NUMBERS // size:,} or fewer, and other seeds for more."
        )
    if out.suffix == ".png":
        check_picture(n, settings["image_size"])


def _labels(labels: list[int] | None, n: int, settings: dict):
    """(n,) labels for n samples: the given ones in turn, every class in turn for None; None for a model without."""
    import torch

    names = settings["class_names"]
    if not names:
        if labels is not None:
            raise ValueError(
                f"this run is a {settings['model']}, which knows no labels: leave --labels out, or train cgan."
            )
        return None
    chosen = range(len(names)) if labels is None else labels
    if not set(chosen) <= set(range(len(names))):
        known = ", ".join(f"{i} {name}" if str(i) != name else name for i, name in enumerate(names))
        raise ValueError(f"--labels {','.join(map(str, chosen))} does not fit: this run knows {known}.")
    return torch.tensor([chosen[i % len(chosen)] for i in range(n)])


# ----------------------------------------------------------------------------------------------------- the parser


def _path(text: str) -> Path:
    try:
        if text.strip() and "\0" not in text:
            Path(text).resolve()
            return Path(text)
        why = "is no name (a variable that is not set?)"
    except RuntimeError:
        why = "is a link that leads to itself"
    except OSError as e:  # the current folder is gone
        why = f"cannot be found ({e.strerror})"
    raise argparse.ArgumentTypeError(f"{text!r} {why}: give a path, . for this folder")


def _whole(low: int = 1, high: int = 10**12):
    """The type of an argument that is a whole number from low to high."""

    def whole(text: str) -> int:
        if len(text) > 30 or not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
            most = "" if high == 10**12 else f" to {high:,}"
            raise argparse.ArgumentTypeError(f"{text[:40]!r} does not fit: give a whole number from {low:,}{most}")
        return int(text)

    return whole


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e8:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} does not fit: give a number of seconds above 0, at most 100,000,000 (three years)"
        )
    return value


def _label_list(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} does not fit: give one label (3), or several (0,1,2)") from None


class _Pair(argparse.Action):
    """NAME VALUE, appended to the list of pairs; each name once."""

    def __call__(self, parser, namespace, values, option_string=None):
        pairs = getattr(namespace, self.dest)
        if values[0] in dict(pairs):
            parser.error(
                f"argument {option_string}: {values[0][:40]} is given twice, and one would be lost: give it once"
            )
        setattr(namespace, self.dest, [*pairs, (values[0], self.value(parser, *values))])

    def value(self, parser, name: str, text: str):
        return text


class _Setting(_Pair):
    """The value is a number, or several with commas between."""

    def value(self, parser, name: str, text: str):
        try:
            numbers = [float(part) if set(part) & set(".eEn") else int(part) for part in text.split(",")]
        except ValueError:
            parser.error(
                f"argument -p {name[:40]}: {text[:40]!r} does not fit: give a number, or several with commas (0,0.9)"
            )
        return numbers[0] if len(numbers) == 1 else numbers


def parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("ganedu", description=ABOUT, epilog=EXAMPLES, formatter_class=shape)
    top.add_argument("--traceback", action="store_true", help="on an error, show where in the code it arose")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(run, about: str, **kw) -> argparse.ArgumentParser:
        p = commands.add_parser(run.__name__, help=about, description=about[0].upper() + about[1:] + ".", **kw)
        p.set_defaults(run=run)
        return p

    p = command(lab, "open the notebooks in JupyterLab", allow_abbrev=False, usage="%(prog)s [-h] [--port PORT] ...",
                epilog="All else is handed on to jupyter lab: ganedu lab --no-browser")  # fmt: skip
    p.add_argument("--port", type=_whole(1, 65535), default=8888, help="a free one near it is taken where it is in use")

    _arguments_of_studio(command(studio, "make pictures on a page in the browser, without writing code"))

    p = command(run, "run a notebook from top to bottom, with other parameters")
    p.add_argument("notebook", help="its number (03) or how its name begins (dcgan)")
    p.add_argument("-p", dest="parameters", nargs=2, action=_Pair, default=[], metavar=("NAME", "VALUE"),
                   help="set a parameter, as often as you like")  # fmt: skip
    p.add_argument("--out", type=_path, help="the executed notebook: a file, or a folder (runs)")

    _arguments_of_train(command(train, "train a GAN on images", epilog=SEVERAL, formatter_class=shape))
    _arguments_of_sweep(command(sweep, "run a notebook once for each of many parameters, and join what the runs found"))

    _arguments_of_sample(command(sample, "draw images from a trained GAN"))

    _arguments_of_doctor(command(doctor, "examine a run, a script or a notebook; say what is wrong, likeliest first"))

    p = command(report, "judge runs side by side, and write what was found as a notebook, a page and a file of figures")
    p.add_argument("dirs", type=_path, nargs="+", metavar="DIR", help="folder of a run; all on the same data")
    p.add_argument("--n", type=_whole(), default=2000, metavar="N", help="fakes of each run, 256 or more (2000)")
    p.add_argument("--out", type=_path, metavar="FOLDER",
                   help="folder of the three files (DIR/report; of several runs, runs/report)")  # fmt: skip

    command(data, "say which data sets there are, where, and how large")

    p = command(claims, "gather what the notebooks measured of others' claims, as one page in Markdown")
    p.add_argument("--out", type=_path, metavar="FILE", help="write it there, not to the terminal")

    _arguments_of_slides(command(slides, "write a notebook's path as one page of slides, which needs no network"))

    _arguments_of_student(command(student, "write the notebooks without their solutions"))
    return top


def _arguments_of_studio(p: argparse.ArgumentParser) -> None:
    p.set_defaults(browser=True)
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--data", default="digits", metavar="NAME", help=f"a trained model: {', '.join(STUDIO)} (digits)"
    )
    which.add_argument("--run", dest="run_dir", type=_path, metavar="DIR", help="folder of a run of ganedu train")
    p.add_argument("--port", type=_whole(1, 65535), default=8866, help="a free one near it is taken where it is in use")
    p.add_argument("--no-browser", dest="browser", action="store_false", help="say the address, and open no browser")


def _arguments_of_sweep(p: argparse.ArgumentParser) -> None:
    p.add_argument("notebook", help="its number (09) or how its name begins (overfitting)")
    p.add_argument("-p", dest="parameters", nargs=2, action=_Pair, default=[], metavar=("NAME", "VALUES"),
                   help="values of a parameter: 0..31, or 1e-3,3e-3; of several, every combination")  # fmt: skip
    p.add_argument("--figure", dest="figures", nargs=2, action=_Pair, default=[], metavar=("NAME", "EXPRESSION"),
                   help="a number to read off where the notebook ends, by any Python expression in its names; "
                   "beside what it records itself")  # fmt: skip
    p.add_argument("--out", type=_path, required=True, metavar="DIR",
                   help="folder of the runs and of table.csv; what is whole there is not run again")  # fmt: skip
    p.add_argument("--workers", type=_whole(), metavar="N",
                   help="runs at a time (as many as cores and memory allow); the cores are shared out")  # fmt: skip
    p.add_argument("--on", default="pool", metavar="ENGINE",
                   help="pool: this machine (default); or the address of a Dask scheduler, tcp://HOST:PORT, or its "
                   "scheduler file, FILE.json, as a Slurm job leaves it")  # fmt: skip


def _arguments_of_train(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", help="mlp, dcgan, or cgan (a DCGAN that is told the class)")
    p.add_argument("--data", help="digits (default), fashion, mnist70k, fashion70k, shapes, or a folder of images")
    p.add_argument("--image-size", type=_whole(), metavar="N", help="16, 28, 32, 64 or 128; the data's own by default")
    p.add_argument("--channels", type=_whole(), metavar="N", help="1 (grey) or 3 (colour); the data's own by default")
    p.add_argument("--width", type=_whole(), metavar="N", help="numbers a layer hold in proportion to it (8; mlp: 128)")
    p.add_argument("-p", dest="tuned", nargs=2, action=_Setting, default=[], metavar=("NAME", "VALUE"),
                   help="set a number of the recipe: z_dim, batch_size, lr, betas (0,0.9), ema, r1")  # fmt: skip
    limit = p.add_mutually_exclusive_group()
    limit.add_argument("--seconds", type=_seconds, metavar="S", help="time to train, from the run's start (60)")
    limit.add_argument(
        "--steps", type=_whole(), metavar="N", help="steps to train, from the run's start, in place of seconds"
    )
    p.add_argument(
        "--seed",
        type=_whole(-(2**63), 2**64 - 1),
        metavar="N",
        help="equal seeds and steps give equal numbers on a CPU (0)",
    )
    p.add_argument("--out", type=_path, metavar="DIR", help="folder of the run (runs/MODEL-DATA)")
    p.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, to the numbers of an unbroken one"
    )


ROLES = {
    "G": "the generator", "D": "the discriminator or critic", "opt_G": "G's optimiser", "opt_D": "D's optimiser",
    "step": "what takes a step of both on a batch", "x_real": "a batch of data, as it enters D", "labels": "its labels",
    "z": "latents, as they enter G", "z_dim": "how many numbers a latent has", "history": "dict of losses",
    "trainer": "a ganedu.training.Trainer, in place of all these",
}  # fmt: skip


def _arguments_of_doctor(p: argparse.ArgumentParser) -> None:
    p.add_argument("run_or_file", type=_path, nargs="?", metavar="DIR|FILE", help="folder of a run; or FILE.py or "
                   "FILE.ipynb, whose code is run; status 0: healthy, 1: sick, or not to be told")  # fmt: skip
    p.add_argument(
        "--list", action="store_true", help="say what can be found, and what to try first, and examine nothing"
    )
    p.add_argument("--seconds", type=_seconds, default=180.0, metavar="S",
                   help="time for the code of FILE; what is there by then is examined (180)")  # fmt: skip
    who = p.add_argument_group("who is who in FILE", "Where names do not tell: a name, or any Python expression.")
    for role, about in ROLES.items():
        who.add_argument(f"--{role.replace('_', '-')}", dest=role, metavar="NAME", help=about)
    p.set_defaults(roles=tuple(ROLES))


def _arguments_of_slides(p: argparse.ArgumentParser) -> None:
    p.add_argument("notebook", metavar="NN", help="its number (04) or how its name begins (conditional)")
    p.add_argument("--out", type=_path, metavar="FILE", help="the page, ending with .html (runs/NN_....html)")


def _arguments_of_student(p: argparse.ArgumentParser) -> None:
    p.add_argument("dir", type=_path, metavar="DIR")
    p.add_argument("--nbgrader", action="store_true", help="as a course of nbgrader, whose tests are the checks")
    p.add_argument("--force", action="store_true", help="overwrite notebooks that are there")


def _arguments_of_sample(p: argparse.ArgumentParser) -> None:
    p.add_argument("dir", type=_path, metavar="DIR", help="folder of the run")
    p.add_argument("--n", type=_whole(), default=64, metavar="N", help="how many (64)")
    p.add_argument(
        "--labels", type=_label_list, metavar="L", help="cgan: 3, or 0,1,2 in turn; every class in turn by default"
    )
    p.add_argument(
        "--seed", type=_whole(-(2**63), 2**64 - 1), default=0, metavar="N", help="equal seeds give equal images (0)"
    )
    p.add_argument("--out", type=_path, metavar="FILE",
                   help=".npy: float32 (N, C, H, W) in [-1, 1]; .png: a picture of all (DIR/samples.png)")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    code = _main(argv)
    if argv is None and (processes := sys.modules.get("ganedu.processes")):
        processes.leave(code)
    return code


def _main(argv: list[str] | None) -> int:
    stopped = []
    with _once():
        top = parser()
        args, rest = top.parse_known_args(argv)
        if args.run is lab:
            args.rest = [a for a in rest if a != "--"]
        elif rest:
            top.error(f"unrecognized arguments: {' '.join(rest)}")
    if args.run is train and args.steps is None and args.seconds is None:
        args.seconds = 60.0
    try:
        with _noted(stopped):
            return args.run(args) or 0
    except (KeyboardInterrupt, Exception) as e:
        if stopped or isinstance(e, KeyboardInterrupt):  # an import that is cut ends in errors of many kinds
            if argv is None:  # this is the process's own end, and a second Ctrl-C must not cut it
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            said = str(e) if isinstance(e, KeyboardInterrupt) else ""
            with _once():
                print(f"\nganedu: {said or 'stopped'}", file=sys.stderr)
            return 130
        if args.traceback or not isinstance(e, (ValueError, OSError, RuntimeError, MemoryError)):
            raise
        with _once() if getattr(e, "in_all", False) else contextlib.nullcontext():
            print(f"ganedu: {_said(e)}", file=sys.stderr)
        failed = isinstance(e, RuntimeError | MemoryError | ConnectionError) or getattr(e, "errno", None) in FAILED
        return 1 if failed else 2


@contextlib.contextmanager
def _noted(hits: list):
    """Ctrl-C raises KeyboardInterrupt, as ever, and is noted in `hits`: some imports swallow it, and break."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # somebody else takes it, or nobody
        yield
        return

    def stop(*_):
        hits.append(1)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _once():
    """What is printed inside is printed by one of the processes that a launcher started, the main one."""
    if os.environ.get("RANK", "0") == "0":
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of an OSError: nothing to be put right in the command


def _said(e: Exception) -> str:
    """What an error says, in one paragraph; of the system's, path, cause and advice. Strangers' names cannot steer."""
    from .inputs import why_not

    text = str(e) or type(e).__name__
    if isinstance(e, OSError) and e.strerror:
        text = e.strerror if e.filename is None else f"{e.filename}: {why_not(e)}"
    if isinstance(e, MemoryError):
        text = f"not enough memory ({text}): give a smaller --width, batch_size, --image-size or --n."
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


if __name__ == "__main__":
    sys.exit(main())
