"""Compares stored values with pydicom, frame by frame, over a folder of DICOM files, and prints the table.

python3 dicom.py FOLDER [--program radcanvas] [--markdown FILE]

Needs pydicom 3, numpy, pylibjpeg[all] and pyjpegls; dicom_times.py compares the times. Wherever pydicom decodes a
file, every frame is decoded by `radcanvas convert FILE FRAME.npy --frame N` and must have the same stored values. Color
is compared as what we keep of it, luminance by Rec. 601 of the RGB that pydicom gives, or the luma that lies in the
file. Exit code 1 when a file differs or is refused without a reason in REASONS, or ends in anything but an image or a
refusal by name.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import UID

warnings.filterwarnings("ignore")

# What differs for a known reason: a part of the file's name, and why.
REASONS = {
    "OBXXXX1A_expb": "the palette's words are big endian here and pydicom takes them for little; "
                     "ours is equal to the same image in little endian, OBXXXX1A.dcm",
}
# T.81 leaves open how the inverse DCT is rounded.
ROUNDING = "lossy JPEG: each decoder rounds its inverse DCT in its own way, by one step"


def luminance(rgb):
    """0.299 R + 0.587 G + 0.114 B, rounded, in whole numbers."""
    rgb = rgb.astype(np.int64)
    return (rgb[..., 0] * 299 + rgb[..., 1] * 587 + rgb[..., 2] * 114 + 500) // 1000


def expected(dataset):
    """The frames as we keep them: [frames, rows, columns]."""
    raw = pixel_array(dataset, raw=True)
    samples = dataset.get("SamplesPerPixel", 1)
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if frames == 1:
        raw = raw[None]
    if photometric == "PALETTE COLOR":
        return luminance(apply_color_lut(raw, dataset)[..., :3]), "palette to luminance"
    if samples == 3:
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
        luma = photometric.startswith("YBR_FULL") or photometric.startswith("YBR_PARTIAL")
        if luma and not (compressed and photometric in ("YBR_RCT", "YBR_ICT")):
            return raw[..., 0], "luma"
        return luminance(raw), "color to luminance"
    return raw, ""


def ours(program, path, frame, folder):
    out = pathlib.Path(folder) / "frame.npy"
    run = subprocess.run(
        [program, "convert", str(path), str(out), "--frame", str(frame), "--json", "--force"],
        capture_output=True, text=True, check=False,
    )
    if run.returncode == 3 and "panicked" not in run.stderr:
        return None, run.stderr.strip().splitlines()[-1]
    if run.returncode:
        raise SystemExit(f"{path}: exit code {run.returncode}, neither an image nor a refusal: {run.stderr}")
    return np.load(out), None


def one(program, path):
    """`(file, syntax, frames, verdict, detail)`."""
    name = path.name
    try:
        dataset = pydicom.dcmread(path, force=True)
        if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            syntax = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"
            dataset.ensure_file_meta()
            dataset.file_meta.TransferSyntaxUID = UID(syntax)
        syntax = dataset.file_meta.TransferSyntaxUID.name
        frames, what = expected(dataset)
    except Exception as error:  # pydicom refuses in many ways
        with tempfile.TemporaryDirectory() as folder:
            image, refusal = ours(program, path, 0, folder)
        if image is None:
            return name, "", 0, "no image to either", refusal
        return name, "", 0, "only ours", f"{image.shape[1]} × {image.shape[0]}; pydicom: {error}".replace("\n", " ")[:160]
    verdict, detail, most, count = "equal", what, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(frames):
            image, refusal = ours(program, path, number, folder)
            if image is None:
                return name, syntax, len(frames), "refused", refusal
            if image.shape != frame.shape:
                return name, syntax, len(frames), "different", f"shape {image.shape}, theirs {frame.shape}"
            if image.dtype == np.float32 and frame.dtype != np.float32:
                # We keep floats of 32 bits: what needs more is compared as such a float.
                rounded = frame.astype(np.float32)
                if (rounded.astype(np.float64) != frame.astype(np.float64)).any():
                    detail = f"{what} rounded to 32-bit floats".strip()
                frame = rounded
            a, b = image.astype(np.float64), frame.astype(np.float64)
            different = ~((a == b) | (np.isnan(a) & np.isnan(b)))
            if different.any():
                count += int(different.sum())
                most = max(most, float(np.nanmax(np.abs(a - b))))
    if count:
        share = 100 * count / frames.size
        detail = "; ".join(filter(None, [f"{share:.3g} % of the pixels, by at most {most:g}", what]))
        lossy = syntax.startswith(("JPEG Baseline", "JPEG Extended"))
        verdict = "equal but for rounding" if lossy and most <= 1 else "different"
        return name, syntax, len(frames), verdict, detail
    return name, syntax, len(frames), verdict, detail


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="radcanvas")
    parser.add_argument("--markdown", type=pathlib.Path)
    options = parser.parse_args()
    files = sorted(p for p in options.folder.rglob("*") if p.is_file())
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        rows = list(pool.map(lambda path: one(options.program, path), files))
    table = ["| file | transfer syntax | frames | verdict | detail |", "|---|---|---|---|---|"]
    unexplained = 0
    for name, syntax, frames, verdict, detail in rows:
        reason = next((why for part, why in REASONS.items() if part in name), "")
        if verdict == "equal but for rounding":
            detail = f"{detail}; {ROUNDING}"
        if verdict in ("different", "refused"):
            unexplained += not reason
            detail = f"{detail}; {reason or 'NO REASON KNOWN'}"
        table.append(f"| {name} | {syntax} | {frames} | {verdict} | {detail} |")
    print("\n".join(table))
    verdicts = collections.Counter(row[3] for row in rows)
    frames = sum(row[2] for row in rows if row[3] == "equal")
    print(json.dumps({"files": len(rows), **verdicts, "frames_equal": frames, "unexplained": unexplained}))
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n")
    sys.exit(bool(unexplained))


if __name__ == "__main__":
    main()
