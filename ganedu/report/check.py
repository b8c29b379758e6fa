"""What one report can hold: runs that one judge can compare; everything else is refused before any work.

Each run is read here as it is read everywhere, by `recipes.read_run`; the images are loaded.
"""

from pathlib import Path

from ..data import FULL, NAMES, Images, fetch, load
from ..runs import recipes

N_FEATURES = 64  # of the judge, and as many principal components where there are no classes to judge by
LEAST = 4 * N_FEATURES  # `frechet_extrapolated` takes covariances at two sizes, the smaller of 2 F samples
MOST_RUNS, MOST = 6, 10_000  # colours for the eye; fakes, beyond which only time grows


def check(folders: list[str | Path], n: int) -> tuple[tuple[tuple, ...], Images]:
    """(what `recipes.read_run` gives of each, their images) of runs that one judge can compare, `n` fakes each.

    Raises ValueError for no run or too many, two of one name, runs on different data, sizes or channels, an `n` too
    small or too large, too few held-out images, data that have changed since, or a checkpoint of another kind;
    FileNotFoundError without a checkpoint, or where the data are no longer there.
    """
    folders = [Path(folder) for folder in folders]
    _check_folders(folders)
    runs = tuple(recipes.read_run(folder) for folder in folders)
    settings = tuple(header["settings"] for _, header, _ in runs)
    for folder, other in zip(folders[1:], settings[1:], strict=True):
        _check_comparable(folders[0], settings[0], folder, other)
    first = settings[0]
    _check_n(n, first)
    _check_data_are_there(folders[0], first["data"])
    images = load(first["data"], image_size=first["image_size"], channels=first["channels"])
    _check_images(images, folders, settings)
    return runs, images


def _check_folders(folders: list[Path]) -> None:
    if not 1 <= len(folders) <= MOST_RUNS:
        raise ValueError(f"{len(folders)} runs do not fit one report: give 1 to {MOST_RUNS} folders.")
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise ValueError(
                f"{named[name]} and {folder} are both called {name!r}, and could not be told apart in the report: give "
                "each folder once, and rename one of two with the same name."
            )
        named[name] = folder


def _check_comparable(folder: Path, settings: dict, other_folder: Path, other: dict) -> None:
    def of(settings: dict) -> tuple:
        return _data_key(settings["data"]), settings["image_size"], settings["channels"]

    for name, a, b in zip(("data", "image size", "channels"), of(settings), of(other), strict=True):
        if a != b:
            raise ValueError(
                f"runs on different data or sizes cannot share a judge, and without one their figures do not compare: "
                f"{name} of {folder} is {a}, of {other_folder} {b}. Make one report for each."
            )


def _data_key(data: str) -> str:
    return data if data in NAMES else str(Path(data).expanduser().resolve())


def _check_n(n: int, settings: dict) -> None:
    most = min(MOST, recipes.MOST_NUMBERS // (settings["channels"] * settings["image_size"] ** 2))
    if n < LEAST:
        raise ValueError(
            f"n={n} fakes are too few: distances need covariances of {N_FEATURES} features, at two sizes with "
            f"{2 * N_FEATURES} samples or more. Give {LEAST} to {most:,}."
        )
    if n > most:
        raise ValueError(
            f"n={n:,} fakes are more than is sensible: there are not as many images to hold them against, and time "
            f"and memory grow. Give {LEAST} to {most:,}."
        )


def _check_data_are_there(folder: Path, data: str) -> None:
    if data in FULL and fetch.where(data) is None:
        raise FileNotFoundError(
            f"the run in {folder} was trained on {data}, which is not on this machine, and a report needs the images. "
            f'Fetch it with python -c "from ganedu import data; data.load({data!r})", or set its cache folder.'
        )
    if data not in NAMES and not Path(data).expanduser().is_dir():
        raise FileNotFoundError(
            f"the run in {folder} was trained on the images in {data}, and there is no such folder (seen from "
            f"{Path.cwd()}): a report needs them. Put them back, or call ganedu where the run was started."
        )


def _check_images(images: Images, folders: list[Path], settings: tuple[dict, ...]) -> None:
    for folder, own in zip(folders, settings, strict=True):
        recipes.check_same_images(own, images, folder)
    if len(images.x_test) < LEAST:
        raise ValueError(
            f"{settings[0]['data']} holds out {len(images.x_test):,} images, and distances need {LEAST} or more: give "
            "more images; of a folder a tenth is held out."
        )
