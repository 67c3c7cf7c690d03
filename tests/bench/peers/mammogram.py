"""Makes 4096 × 3328 mammograms, plain and in JPEG 2000, from a drawn breast, to time the first picture.

python3 mammogram.py BREAST.dcm OUT_FOLDER

BREAST.dcm comes from `radcanvas phantom breast --count 1 --size 2048 --format dicom`. It is enlarged by two, and grain
of a detector is put on it: an image without noise would be far easier to decode than any film. Needs pydicom 3, numpy
and pylibjpeg-openjpeg.
"""

import pathlib
import sys

import numpy as np
import pydicom
from pydicom.uid import JPEG2000, JPEG2000Lossless, generate_uid

HEIGHT, WIDTH = 4096, 3328
GRAIN = 12.0


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.dcmread(source)
    small = dataset.pixel_array.astype(np.float64)
    small = (small - small.min()) / max(np.ptp(small), 1.0) * 3600.0 + 200.0
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    large = (large[:HEIGHT, :WIDTH] if large.shape[1] >= WIDTH else np.pad(
        large[:HEIGHT], ((0, max(0, HEIGHT - large.shape[0])), (0, max(0, WIDTH - large.shape[1]))), mode="edge"))
    grain = np.random.default_rng(1).normal(0.0, GRAIN, large.shape)
    pixels = np.clip(np.round(large + grain), 0, 4095).astype("<u2")
    for name, syntax, options in [
        ("plain", None, {}),
        ("lossless", JPEG2000Lossless, {}),
        ("lossy", JPEG2000, {"j2k_cr": [10]}),
    ]:
        copy = pydicom.Dataset()
        copy.file_meta = pydicom.dataset.FileMetaDataset()
        copy.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        copy.SOPClassUID = copy.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        copy.StudyInstanceUID, copy.SeriesInstanceUID = generate_uid(), generate_uid()
        copy.Modality, copy.PatientName, copy.PatientID = "MG", "PHANTOM^BREAST", "P1"
        copy.ViewPosition, copy.SamplesPerPixel, copy.PhotometricInterpretation = "MLO", 1, "MONOCHROME2"
        copy.Rows, copy.Columns, copy.BitsAllocated, copy.BitsStored, copy.HighBit = HEIGHT, WIDTH, 16, 12, 11
        copy.PixelRepresentation = 0
        copy.WindowCenter, copy.WindowWidth = "2048", "4096"
        copy.ImagerPixelSpacing = [0.07, 0.07]
        copy.PixelData = pixels.tobytes()
        copy["PixelData"].VR = "OW"
        if syntax:
            copy.compress(syntax, generate_instance_uid=False, **options)
        path = out / f"mammogram-{name}.dcm"
        copy.save_as(path, enforce_file_format=True)
        print(path, path.stat().st_size)


main()
