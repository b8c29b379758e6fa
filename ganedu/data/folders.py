"""Images as files: anybody's folder read, turned upright, cropped to a square and resized; samples written."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor


def read_folder(
    folder: Path, image_size: int, channels: int | None = None, held_out: float = 0.1, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple[str, ...]]:
    """(x, labels, x_test, labels_test, class_names) of all images below `folder`, (N, C, image_size, image_size) uint8.

    Each subfolder is a class, with all that lies below it, in the order of their names; images beside subfolders are
    left out. Without subfolders there is no class: labels are 0. `held_out` is the share of each class that is set
    aside, drawn by `seed`; at least one image of every two. channels: 1 (grey), 3 (RGB), or for None 1 if all files are
    grey. Transparent parts become white; of a moving image the first frame is taken. Hidden files and files whose
    names end like no image's are passed over. Broken images are skipped, and named in one warning.

    Raises FileNotFoundError when there is no image, ValueError when all are broken or `held_out` is not in [0, 1).
    """
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out={held_out!r} does not fit: give a share from 0 to below 1.")
    paths, beside = _find(folder)
    images, problems = _read_all(paths, image_size, {1: "L", 3: "RGB"}.get(channels))
    _warn(folder, problems, beside)
    if not images:
        raise ValueError(f"none of the {len(paths)} images in {folder} can be read; the first: {problems[0]}.")

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
    return x[~test], labels[~test], x[test], labels[test], class_names


def _find(folder: Path) -> tuple[list[Path], int]:
    """Paths of all images, sorted; with class folders, those inside them, and how many lie beside."""
    from PIL import Image

    Image.init()
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    found = [p for p in found if not any(part.startswith((".", "__MACOSX")) for part in p.relative_to(folder).parts)]
    if not found:
        others = sum(1 for p in folder.rglob("*") if p.is_file())
        raise FileNotFoundError(
            f"no image in {folder} ({others or 'no'} other file{'s' * (others != 1)}): put images there, such as .png "
            "or .jpg, or one folder of images a class."
        )
    inside = [p for p in found if p.parent != folder]
    return (inside, len(found) - len(inside)) if inside else (found, 0)


def _read_all(paths: list[Path], image_size: int, mode: str | None) -> tuple[dict[Path, Tensor], list[str]]:
    """({path: image (1 or 3, S, S)}, ["name: why" of each broken file]), with a bar if it takes more than a second."""
    from tqdm import tqdm

    def attempt(path: Path) -> Tensor | str:
        try:
            return read_image(path, image_size, mode)
        except Exception as e:  # decoders of forty formats fail in many ways; whichever, this file is broken
            return f"{path.name}: {e or type(e).__name__}"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders let other threads run
        bar = tqdm(pool.map(attempt, paths), total=len(paths), desc="reading images", delay=1, leave=False)
        results = dict(zip(paths, bar, strict=True))
    images = {path: r for path, r in results.items() if isinstance(r, Tensor)}
    return images, [r for r in results.values() if isinstance(r, str)]


def read_image(path: Path, image_size: int, mode: str | None) -> Tensor:
    """One image (1 or 3, S, S) uint8 in Pillow's mode L or RGB; None: in the one that it is in."""
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image.draft(image.mode, (2 * image_size, 2 * image_size))  # a large JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel, which convert() would cut off at 255
            values = np.asarray(image, dtype=np.float64)
            top = next((t for t in (1 if image.mode == "F" else 255, 255, 65535) if values.max() <= t), values.max())
            image = Image.fromarray((values.clip(0) * (255 / top)).round().astype(np.uint8))
        mode = mode or ("L" if image.mode in ("1", "L", "LA", "La") else "RGB")
        if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = ImageOps.fit(image.convert(mode), (image_size, image_size), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image))
    return values[None] if mode == "L" else values.permute(2, 0, 1)


def _warn(folder: Path, problems: list[str], beside: int) -> None:
    said = []
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        said.append(f"{len(problems)} broken image{'s' * (len(problems) > 1)} skipped: {shown}.")
    if beside:
        said.append(f"{beside} image{'s' * (beside > 1)} beside the class folders left out: sort them into one.")
    if said:
        warnings.warn(f"{folder}: {' '.join(said)}", stacklevel=4)


def write_images(x: Tensor, path: Path) -> None:
    """Images (N, C, H, W) in [-1, 1] as float32 .npy, or tiled as a .png; the file is there whole or not at all."""
    import io

    import numpy as np

    from ..checkpoints import write_atomic

    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, x.cpu().numpy())
    else:
        from PIL import Image

        from ..plots import tile

        picture = Image.fromarray(tile(x, columns=min(len(x), 10 if len(x) > 64 else 8)))
        enlarge = max(1, 64 // x.shape[-1])
        picture.resize((picture.width * enlarge, picture.height * enlarge), Image.NEAREST).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())
