"""Times of reading DICOM files, transfer syntax by transfer syntax, against pydicom and dcmtk, and prints the tables.

python3 dicom_times.py FOLDER [--program radcanvas] [--repeat 9] [--most 8] [--films FILE ...] [--markdown FILE]

Needs what dicom.py needs, and dcmtk. Only files whose stored values are equal are timed, at most `--most` of each
transfer syntax, the largest. Programs take turns, so that a busy machine is busy for all of them, and the median of all
turns counts.

First table, work alone, from the name of a file to all its frames: ours by `bench dicom` in the decoding process that
runs already (apart) and in one process (here), pydicom in one process; a turn is the fastest of three in a row.

Second table, process against process, with everything that starting costs: `radcanvas convert` (which starts the
program and its decoding process, and writes the values) against dcmtk's program that decompresses the file (dcmdjpeg,
dcmdjpls, dcmdrle, dcmconv), over files of one frame that both give the same values for. What dcmtk cannot read (JPEG
2000, HTJ2K, JPEG XL) is missing there.

With --films, large files: the first picture with the start of the decoding process, the next one without, and all of it.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import numpy as np
import pydicom
from pydicom.pixels import pixel_array

from dicom import expected, one, ours

warnings.filterwarnings("ignore")

IN_A_ROW = 3
# Color stays as it is coded, as ours does.
DECOMPRESS = {
    "JPEG Baseline": ["dcmdjpeg", "--conv-never"], "JPEG Extended": ["dcmdjpeg", "--conv-never"],
    "JPEG Lossless": ["dcmdjpeg", "--conv-never"], "JPEG-LS": ["dcmdjpls"], "RLE": ["dcmdrle"],
}
NOT_OF_DCMTK = ("JPEG 2000", "High-Throughput", "JPEG XL", "Deflated Image")


def bench(program, options, paths):
    """`{kind: {path: seconds}}` by one process of ours."""
    run = subprocess.run(
        [program, "bench", "dicom", "--json", *options, *map(str, paths)], capture_output=True, text=True, check=True,
    )
    found = collections.defaultdict(dict)
    for figure in json.loads(run.stdout)["figures"]:
        for kind in ("apart", "here", "first picture", "next picture", "all frames"):
            if figure["name"].startswith(kind + " "):
                found[kind][figure["name"][len(kind) + 1:]] = figure["value"]
    return found


def pydicom_seconds(path):
    best = float("inf")
    for _ in range(IN_A_ROW):
        begun = time.perf_counter()
        pixel_array(pydicom.dcmread(path, force=True), raw=True)
        best = min(best, time.perf_counter() - begun)
    return best


def process_seconds(command):
    begun = time.perf_counter()
    code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    return time.perf_counter() - begun if code == 0 else None


def dcmtk_command(path, syntax, out):
    if syntax.startswith(NOT_OF_DCMTK):
        return None
    tool = next((tool for start, tool in DECOMPRESS.items() if syntax.startswith(start)), ["dcmconv"])
    return [*tool, "-q", str(path), str(out)]


def same_as_dcmtk(program, path, syntax, command, out, folder):
    """Whether dcmtk's file holds the values that we read, lossy JPEG up to one grey level."""
    if command is None or process_seconds(command) is None:
        return False
    try:
        theirs, _ = expected(pydicom.dcmread(out, force=True))
    except Exception:  # what pydicom refuses cannot be compared
        return False
    image, _ = ours(program, path, 0, folder)
    if image is None or len(theirs) != 1 or image.shape != theirs[0].shape:
        return False
    lossy = syntax.startswith(("JPEG Baseline", "JPEG Extended"))
    most = np.abs(image.astype(np.float64) - theirs[0].astype(np.float64)).max()
    return bool(most <= (1 if lossy else 0))


def median_ms(turns):
    return 1e3 * statistics.median(turns)


def work_alone(program, by_syntax, repeat):
    turns = collections.defaultdict(lambda: collections.defaultdict(list))
    for _ in range(repeat):
        for syntax, paths in by_syntax.items():
            found = bench(program, ["--repeat", str(IN_A_ROW)], paths)
            for kind in ("apart", "here"):
                turns[syntax][kind].append(sum(found[kind][str(path)] for path in paths))
            turns[syntax]["pydicom"].append(sum(pydicom_seconds(path) for path in paths))
    table = [
        "| transfer syntax | files | ours, apart ms | ours, here ms | pydicom ms | apart / pydicom | here / pydicom "
        "| least here / least pydicom |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for syntax, paths in by_syntax.items():
        apart, here, theirs = (turns[syntax][kind] for kind in ("apart", "here", "pydicom"))
        table.append(
            f"| {syntax} | {len(paths)} | {median_ms(apart):.1f} | {median_ms(here):.1f} | {median_ms(theirs):.1f} "
            f"| {median_ms(apart) / median_ms(theirs):.2f} | {median_ms(here) / median_ms(theirs):.2f} "
            f"| {min(here) / min(theirs):.2f} |"
        )
    return table


def process_against_process(program, by_syntax, repeat, folder):
    out, own = pathlib.Path(folder) / "out.dcm", pathlib.Path(folder) / "own.npy"
    pairs = collections.defaultdict(list)
    for syntax, paths in by_syntax.items():
        for path in paths:
            command = dcmtk_command(path, syntax, out)
            if same_as_dcmtk(program, path, syntax, command, out, folder):
                convert = [program, "convert", str(path), str(own), "--force"]
                pairs[syntax].append((convert, command))
    turns = collections.defaultdict(lambda: ([], []))
    for _ in range(repeat):
        for syntax, commands in pairs.items():
            both = [[process_seconds(command) for command in pair] for pair in commands]
            for side in (0, 1):
                turns[syntax][side].append(sum(pair[side] for pair in both))
    table = [
        "| transfer syntax | files | radcanvas convert, ms a file | dcmtk, ms a file | ratio | ratio of the least |",
        "|---|---|---|---|---|---|",
    ]
    for syntax, (mine, theirs) in turns.items():
        count = len(pairs[syntax])
        table.append(
            f"| {syntax} | {count} | {median_ms(mine) / count:.1f} | {median_ms(theirs) / count:.1f} "
            f"| {median_ms(mine) / median_ms(theirs):.2f} | {min(mine) / min(theirs):.2f} |"
        )
    return table


def large_films(program, films, repeat):
    turns = collections.defaultdict(lambda: collections.defaultdict(list))
    kinds = ("first picture", "next picture", "all frames", "pydicom")
    for _ in range(repeat):
        for film in films:
            found = bench(program, ["--repeat", "1"], [film])
            for kind in kinds[:-1]:
                turns[film][kind].append(found[kind][str(film)])
            turns[film]["pydicom"].append(pydicom_seconds(film))
    table = [
        "| film | first picture ms, median | least | next picture ms, median | least | all of it ms, median | least "
        "| pydicom ms, median | least |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for film in films:
        cells = [f"{median_ms(turns[film][kind]):.0f} | {1e3 * min(turns[film][kind]):.0f}" for kind in kinds]
        table.append(f"| {film.name} | {' | '.join(cells)} |")
    return table


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--films", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    files = sorted((p for p in options.folder.rglob("*") if p.is_file()), key=lambda p: -p.stat().st_size)
    by_syntax = collections.defaultdict(list)
    for path in files:
        try:
            syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.name
        except Exception:  # no file that pydicom reads without being forced
            continue
        if len(by_syntax[syntax]) < options.most and one(options.program, path)[3].startswith("equal"):
            by_syntax[syntax].append(path)
    by_syntax = {syntax: paths for syntax, paths in sorted(by_syntax.items()) if paths}
    before = os.getloadavg()[0]
    table = work_alone(options.program, by_syntax, options.repeat)
    with tempfile.TemporaryDirectory() as folder:
        table += ["", *process_against_process(options.program, by_syntax, options.repeat, folder)]
    if options.films:
        table += ["", *large_films(options.program, options.films, options.repeat)]
    table.append(
        f"\nMedians of {options.repeat} turns; load {before:.1f} before and {os.getloadavg()[0]:.1f} after on "
        f"{os.cpu_count()} processors."
    )
    print("\n".join(table))
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
