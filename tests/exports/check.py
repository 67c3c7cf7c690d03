"""Reads the DICOM objects of a folder that `check.sh` filled, with highdicom and pydicom, and compares their values.

python3 check.py FOLDER FIXTURES: image.dcm, seg.dcm (two masks), masks as PNG, sr.dcm, pr.dcm, deidentified.dcm, angles.json,
figures.dcm, both.dcm and figures.csv (a figure of every kind), view.dcm, curve.dcm, blank.dcm, capture_*.dcm of FIXTURES
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
fixtures = pathlib.Path(sys.argv[2])
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

# Figures: every number of the table is in the report, through a template that highdicom knows, as in dcmtk's tree.
NAMES = {
    "410668003": "length", "1483009": "angle", "285285000": "cobb angle", "131190003": "radius", "42798000": "area",
    "373098007": "mean", "386136009": "standard deviation", "255605001": "minimum", "56851009": "maximum",
    "PIXELS": "pixels",
}
table = {}
for row in csv.DictReader((folder / "figures.csv").open()):
    # A length in millimetres is not reported in pixels as well.
    if row["quantity"] == "length" and row["unit"] == "px":
        continue
    table.setdefault(row["figure"] + " " + row["number"], {})[row["quantity"]] = float(row["value"])
assert len(table) == 7, sorted(table)
shapes = {
    "Circle by three points 4": "CIRCLE", "Region, rectangle 5": "POLYLINE", "Region, ellipse 6": "ELLIPSE",
    "Region, freehand 7": "POLYLINE",
}
for name, hips in (("figures.dcm", 0), ("both.dcm", 2)):
    report = hd.sr.MeasurementReport.from_sequence([hd.sr.srread(folder / name)], is_root=True)
    plain = report.get_image_measurement_groups()
    regions = report.get_planar_roi_measurement_groups()
    assert len(plain) == 3 + hips and len(regions) == 4, (name, len(plain), len(regions))
    seen = {}
    for group in plain + regions:
        numbers = {m.name.value: m for m in group.get_measurements()}
        if "NORBERG" in numbers:
            side = group.finding_sites[0].laterality.meaning.lower()
            assert abs(numbers["NORBERG"].value - points[side]["norberg_degrees"]) < 1e-9
            continue
        seen[group.tracking_identifier] = {NAMES[code]: float(m.value) for code, m in numbers.items()}
    assert seen.keys() == table.keys(), (sorted(seen), sorted(table))
    for figure, wanted in table.items():
        assert seen[figure].keys() == wanted.keys(), (figure, seen[figure], wanted)
        for quantity, value in wanted.items():
            found = seen[figure][quantity]
            assert abs(found - value) <= 1e-9 * max(1, abs(value)), (figure, quantity, found, value)
    for group in regions:
        assert group.roi.GraphicType == shapes[group.tracking_identifier], group.tracking_identifier
    drawn = json.loads((folder / "figures.json").read_text())
    length = next(g for g in plain if g.tracking_identifier == "Length 1").get_measurements()[0]
    line = length.referenced_coordinates[0].value
    assert np.allclose(line, np.asarray(drawn[0]["points"]) + 0.5, atol=1e-3)

# The view: turned clockwise, mirrored after it, inverted, and the part in sight, its texts and every drawing.
state = pydicom.dcmread(folder / "view.dcm")
assert (state.ImageRotation, state.ImageHorizontalFlip, state.PresentationLUTShape) == (90, "Y", "INVERSE")
area = state.DisplayedAreaSelectionSequence[0]
assert list(area.DisplayedAreaTopLeftHandCorner) == [21, 31], area
assert list(area.DisplayedAreaBottomRightHandCorner) == [140, 130], area
assert area.PresentationSizeMode == "SCALE TO FIT" and "PresentationPixelSpacing" in area
layer = state.GraphicAnnotationSequence[0]
texts = [text.UnformattedTextValue for text in layer.TextObjectSequence]
assert any("deg" in text for text in texts) and any("mm (calibrated)" in text for text in texts), texts
assert len(texts) == 2 + 7 and len(layer.GraphicObjectSequence) == 5 + 8
curve = pydicom.dcmread(folder / "curve.dcm")
source = pydicom.dcmread(fixtures / "luts.dcm")
table, own = (s.VOILUTSequence[0] for s in (curve.SoftcopyVOILUTSequence[0], source))


def entries(item):
    data = item.LUTData
    data = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(data)
    return np.asarray(data, float)[: item.LUTDescriptor[0] or 65536]


assert table.LUTDescriptor[1] == own.LUTDescriptor[1] and len(entries(table)) == len(entries(own))
assert np.allclose(entries(table) / 65535, entries(own) / (2 ** own.LUTDescriptor[2] - 1), atol=1e-4)
assert (entries(curve.ModalityLUTSequence[0]) == entries(source.ModalityLUTSequence[0])).all()

# Captures: colors, tables, calibration, sign and bits as pydicom reads them.
color = pydicom.dcmread(folder / "capture_rgb.dcm")
assert (color.SamplesPerPixel, color.PhotometricInterpretation, color.PlanarConfiguration) == (3, "RGB", 0)
assert (color.pixel_array == pydicom.dcmread(fixtures / "rgb.dcm").pixel_array).all()
luts = pydicom.dcmread(folder / "capture_luts.dcm")
apply = pydicom.pixels.apply_modality_lut
assert (apply(luts.pixel_array, luts) == apply(source.pixel_array, source)).all()
assert len(luts.VOILUTSequence) == len(source.VOILUTSequence)
fiducial = pydicom.dcmread(folder / "capture_spacing_fiducial.dcm")
assert fiducial.PixelSpacing == pydicom.dcmread(fixtures / "spacing_fiducial.dcm").PixelSpacing
assert fiducial.PixelSpacingCalibrationType == "FIDUCIAL" and fiducial.PixelSpacingCalibrationDescription
signed = pydicom.dcmread(folder / "capture_signed_12.dcm")
assert (signed.BitsStored, signed.HighBit, signed.PixelRepresentation) == (12, 11, 1)
assert (signed.pixel_array == pydicom.dcmread(fixtures / "signed_12.dcm").pixel_array).all()
assert image.BitsStored == 12 and image.PixelSpacingCalibrationType == "GEOMETRY"

# Blanked: black under the mask, all else as it was, and the option is named.
blank = pydicom.dcmread(folder / "blank.dcm")
black = {"MONOCHROME1": 4095, "MONOCHROME2": 0}[image.PhotometricInterpretation]
assert (blank.pixel_array[masks[0]] == black).all()
assert (blank.pixel_array[~masks[0]] == image.pixel_array[~masks[0]]).all()
codes = [item.CodeValue for item in blank.DeidentificationMethodCodeSequence]
assert codes == ["113100", "113101"] and blank.BurnedInAnnotation == "NO", codes

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
print("highdicom, pydicom: masks, angles, figures, views, captures, identity and tables are equal")
