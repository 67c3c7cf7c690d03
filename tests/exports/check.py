"""Reads the DICOM objects of a folder that `check.sh` filled, with highdicom and pydicom, and compares their values.

python3 check.py FOLDER: image.dcm, seg.dcm (two masks), masks as PNG, sr.dcm, pr.dcm, deidentified.dcm, angles.json
"""
import csv
import json
import pathlib
import sys

import highdicom as hd
import numpy as np
import pydicom
from PIL import Image

folder = pathlib.Path(sys.argv[1])
image = pydicom.dcmread(folder / "image.dcm")
points = json.loads((folder / "angles.json").read_text())

# Segmentation: two masks, bit for bit.
seg = hd.seg.segread(folder / "seg.dcm")
assert seg.segment_numbers == range(1, 3) or list(seg.segment_numbers) == [1, 2], seg.segment_numbers
masks = [np.asarray(Image.open(folder / f"mask{n}.png")) > 127 for n in (1, 2)]
assert all(mask.any() for mask in masks)
pixels = seg.pixel_array
for number, mask in enumerate(masks):
    assert pixels[number].shape == mask.shape and (pixels[number].astype(bool) == mask).all(), number
found = seg.get_pixels_by_source_instance(
    [image.SOPInstanceUID], assert_missing_frames_are_empty=True, ignore_spatial_locations=True,
)
assert found.shape[0] == 1 and (found[0, ..., 0].astype(bool) == masks[0]).all()
assert seg.StudyInstanceUID == image.StudyInstanceUID and seg.SyntheticData == "YES"

# Report: both angles, their points half a pixel from ours, and a template that highdicom knows.
report = hd.sr.srread(folder / "sr.dcm")
assert report.StudyInstanceUID == image.StudyInstanceUID and report.PatientID == image.PatientID
measurements = hd.sr.MeasurementReport.from_sequence([report], is_root=True)
groups = measurements.get_image_measurement_groups()
assert len(groups) == 2, len(groups)
for group, side in zip(groups, ("right", "left")):
    hip = points[side]
    numbers = {m.name.value: m for m in group.get_measurements()}
    angle = numbers["NORBERG"]
    assert abs(angle.value - hip["norberg_degrees"]) < 1e-9, (side, angle.value)
    assert angle.unit.value == "deg"
    assert group.tracking_identifier == f"Norberg {side}"
    assert group.finding_sites[0].laterality.meaning.lower() == side
    coordinates = {item.name.value: item.value for item in angle.referenced_coordinates}
    assert np.allclose(coordinates["RIM"], np.asarray(hip["rim"]) + 0.5, atol=1e-3)
    center, rim = np.asarray(coordinates["HEAD"]).reshape(2, 2)
    assert np.allclose(center, np.asarray(hip["center"]) + 0.5, atol=1e-3)
    assert abs(np.hypot(*(rim - center)) - hip["radius"]) < 1e-3

# Presentation state: window, reference, marks.
state = pydicom.dcmread(folder / "pr.dcm")
voi = state.SoftcopyVOILUTSequence[0]
assert (float(voi.WindowCenter), float(voi.WindowWidth)) == (2000.0, 1500.0)
reference = state.ReferencedSeriesSequence[0]
assert reference.SeriesInstanceUID == image.SeriesInstanceUID
assert reference.ReferencedImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
kinds = sorted(o.GraphicType for o in state.GraphicAnnotationSequence[0].GraphicObjectSequence)
assert kinds == ["CIRCLE", "CIRCLE", "POINT", "POINT", "POLYLINE"], kinds

# De-identified: nobody's name, other identifiers, the same pixels.
clean = pydicom.dcmread(folder / "deidentified.dcm")
assert clean.PatientIdentityRemoved == "YES" and clean.PatientName == "" and clean.SyntheticData == "YES"
for keyword in ("ResponsiblePerson", "PatientAddress", "InstitutionName", "OtherPatientIDs"):
    assert keyword not in clean, keyword
assert not any(element.tag.is_private for element in clean.iterall())
assert clean.SOPInstanceUID != image.SOPInstanceUID and clean.StudyInstanceUID != image.StudyInstanceUID
assert (clean.pixel_array == image.pixel_array).all()

# Tables.
rows = list(csv.DictReader((folder / "hips.csv").open()))
assert [row["side"] for row in rows] == ["right", "left"]
assert all(abs(float(row["norberg_degrees"]) - points[row["side"]]["norberg_degrees"]) < 1e-9 for row in rows)
document = json.loads((folder / "masks.json").read_text())
for annotation, mask in zip(document["annotations"], masks):
    runs = annotation["segmentation"]["counts"]
    flat = np.repeat(np.arange(len(runs)) % 2, runs).reshape(mask.shape, order="F")
    assert (flat.astype(bool) == mask).all() and annotation["area"] == int(mask.sum())
print("highdicom, pydicom: masks, angles, points, window, identity and tables are equal")
