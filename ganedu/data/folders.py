"""Images as files: anybody's folder read, turned upright, cropped to a square and resized; samples written."""

import hashlib
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints import CHECKPOINT, write_atomic

LARGEST = 2**30  # bytes of one file: a photograph has a hundredth of it
MOST_PIXELS = 89_000_000  # of one picture: Pillow takes a larger one for an attack, and does not open it


def read_folder(
    folder: Path, image_size: int, channels: int | None = None, held_out: float = 0.1, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple[str, ...], str]:
    """(x, labels, x_test, labels_test, class_names, digest) of all images below `folder`, as (N, C, S, S) uint8.

    Each subfolder is a class, with all that lies below it, in the order of their names; images beside subfolders are
    left out. Without subfolders there is no class: labels are 0. `held_out` is the share of each class that is set
    aside, drawn by `seed`; at least one image of every two. channels: 1 (grey), 3 (RGB), or for None 1 if all files are
    grey. Transparent parts become white; of a moving image the first frame is taken. Links are followed. Passed over
    are hidden files, files whose names end like no image's, and folders of runs, whose pictures are no data. Broken
    images and folders that cannot be read are skipped, and named in one warning. The digest is the SHA-256 of the
    names and bytes of the images, and of how they were split: equal data have equal ones, on any machine.

    Raises FileNotFoundError when there is no image, ValueError when all are broken or `held_out` is not in [0, 1).
    """
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out={held_out!r} does not fit: give a share from 0 to below 1.")
    paths, beside, problems = _find(folder)
    images, digests, broken = _read_all(paths, image_size, {1: "L", 3: "RGB"}.get(channels))
    _warn(folder, broken, problems, beside)
    if not images:
        raise ValueError(f"none of the {len(paths)} images in {folder} can be read; the first: {broken[0]}.")

    most = max(len(image) for image in images.values())  # grey ones among colour ones become RGB
    x = torch.stack([image.expand(most, -1, -1) for image in images.values()])
    of = [p.relative_to(folder).parts for p in images]
    class_names = tuple(sorted({parts[0] for parts in of if len(parts) > 1}))
    labels = torch.tensor([class_names.index(parts[0]) if class_names else 0 for parts in of])

    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    test = torch.zeros(len(x), dtype=torch.bool)
    for c in labels.unique():
        mine = order[labels[order] == c]
        n = min(max(round(held_out * len(mine)), 1), len(mine) - 1) if held_out else 0
        test[mine[:n]] = True
    known = sorted((p.relative_to(folder).as_posix(), digests[p]) for p in images)
    digest = hashlib.sha256(repr((known, held_out, seed)).encode()).hexdigest()
    return x[~test], labels[~test], x[test], labels[test], class_names, digest


def suffixes() -> set[str]:
    """How the names of images end that can be opened here, such as ".png"; in small letters."""
    from PIL import Image

    Image.init()
    # EPS is a program, which Pillow hands to Ghostscript
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN and kind != "EPS"}


def _find(folder: Path) -> tuple[list[Path], int, list[str]]:
    """Paths of all images, sorted; with class folders, those inside them, and how many lie beside; what was refused."""
    files, problems = _walk(folder)
    known = suffixes()
    found = sorted(p for p in files if p.suffix.lower() in known)
    if not found:
        said = f" Passed over: {'; '.join(problems[:5])}." if problems else ""
        raise FileNotFoundError(
            f"no image in {folder} ({len(files) or 'no'} other file{'s' * (len(files) != 1)}): put images there, such "
            f"as .png or .jpg, or one folder of images a class.{said}"
        )
    inside = [p for p in found if p.parent != folder]
    return (inside, len(found) - len(inside), problems) if inside else (found, 0, problems)


def _walk(folder: Path) -> tuple[list[Path], list[str]]:
    """(regular files below `folder` that are not hidden, "folder: why" of each that is passed over)."""
    files, problems = [], []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=lambda e: problems.append(_why(e, folder))):
        here = Path(place)
        inside = here != folder
        if inside and (here / CHECKPOINT).exists():
            problems.append(f"{here.relative_to(folder)}: it holds a run")
        elif inside and here.resolve() in [p.resolve() for p in here.parents if p.is_relative_to(folder)]:
            problems.append(f"{here.relative_to(folder)}: a link that leads back to where it is")
        else:
            folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
            seen = [here / n for n in names if not n.startswith((".", "__MACOSX"))]
            files += [p for p in seen if p.is_file()]
            problems.extend(
                f"{p.relative_to(folder)}: a link to nowhere" for p in seen if p.is_symlink() and not p.exists()
            )
            continue
        folders.clear()
    return files, problems


def _why(e: OSError, folder: Path) -> str:
    return f"{os.path.relpath(e.filename, folder)}: {e.strerror}"


def _read_all(
    paths: list[Path], image_size: int, mode: str | None
) -> tuple[dict[Path, Tensor], dict[Path, str], list[str]]:
    """({path: image (1 or 3, S, S)}, {path: SHA-256}, ["name: why" of each broken file]), with a bar after a second."""
    from tqdm import tqdm

    def attempt(path: Path) -> tuple[Tensor, str] | str:
        file = None
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError(f"{path.stat().st_size:,} bytes, more than any image here may have ({LARGEST:,})")
            data = path.read_bytes()
            file = io.BytesIO(data)
            return read_image(file, image_size, mode), hashlib.sha256(data).hexdigest()
        except Exception as e:  # decoders of forty formats fail in many ways; whichever, this file is broken
            return f"{path.name}: {str(e).replace(f' {file!r}', '').rstrip('.') or type(e).__name__}"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders let other threads run
        bar = tqdm(pool.map(attempt, paths), total=len(paths), desc="reading images", delay=1, leave=False)
        results = dict(zip(paths, bar, strict=True))
    good = {path: r for path, r in results.items() if isinstance(r, tuple)}
    broken = [r for r in results.values() if isinstance(r, str)]
    return {path: image for path, (image, _) in good.items()}, {path: d for path, (_, d) in good.items()}, broken


def read_image(path: Path | io.BytesIO, image_size: int, mode: str | None) -> Tensor:
    """One image (1 or 3, S, S) uint8 in Pillow's mode L or RGB; None: in the one that it is in.

    White is what the format says, whatever is in the image: 65535 of 16 bits a pixel, 1 of floating point. Raises
    ValueError for 32 whole bits a pixel, for which nobody has agreed on a white, and for floats outside 0 to 1.
    """
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        kind = image.format
        image.draft(image.mode, (2 * image_size, 2 * image_size))  # a large JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel, which convert() would cut off at 255
            values = np.asarray(image, dtype=np.float64)
            wide = image.mode == "I" and kind not in ("PNG", "PPM")  # those two hold 16 bits at most
            top = 1 if image.mode == "F" else 65535
            if wide or not (values.min() >= 0 and values.max() <= top):  # NaN is neither
                raise ValueError(
                    f"pixels from {values.min():g} to {values.max():g} in mode {image.mode}, whose white is not "
                    "known: save it with 8 or 16 bits a pixel, or as floats from 0 to 1"
                )
            image = Image.fromarray((values * (255 / top)).round().astype(np.uint8))
        mode = mode or ("L" if image.mode in ("1", "L", "LA", "La") else "RGB")
        if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = ImageOps.fit(image.convert(mode), (image_size, image_size), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image))
    return values[None] if mode == "L" else values.permute(2, 0, 1)


def _warn(folder: Path, broken: list[str], passed_over: list[str], beside: int) -> None:
    said = []
    one = len(broken) == 1
    for what, those in ((f"{len(broken)} broken image{'s' * (not one)} skipped", broken), ("passed over", passed_over)):
        more = f"; and {len(those) - 5} more" if len(those) > 5 else ""
        said += [f"{what}: {'; '.join(those[:5])}{more}."] if those else []
    if beside:
        said.append(f"{beside} image{'s' * (beside > 1)} beside the class folders left out: sort them into one.")
    if said:
        warnings.warn(f"{folder}: {' '.join(said)}", stacklevel=4)


def write_images(x: Tensor, path: Path) -> None:
    """Images (N, C, H, W) in [-1, 1] as float32 .npy, or tiled as a .png; the file is there whole or not at all.

    Raises ValueError for a picture that no program would open: 89 million pixels are the most.
    """
    import numpy as np

    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, x.cpu().numpy())
    else:
        from PIL import Image

        from ..plots import tile

        columns, enlarge = min(len(x), 10 if len(x) > 64 else 8), max(1, 64 // x.shape[-1])
        check_picture(len(x), x.shape[-1])
        picture = Image.fromarray(tile(x, columns=columns))
        picture.resize((picture.width * enlarge, picture.height * enlarge), Image.NEAREST).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())


def check_picture(n: int, image_size: int) -> None:
    """Raise ValueError where a picture of `n` images would be larger than programs open."""
    side = image_size * max(1, 64 // image_size)
    if n * side**2 > MOST_PIXELS:
        raise ValueError(
            f"a picture of {n:,} images would have {n * side**2:,} pixels, and programs open {MOST_PIXELS:,} at most: "
            f"take {MOST_PIXELS // side**2:,} or fewer, or .npy."
        )
