"""Makes tests/data/dicom/golden.json: what pydicom reads from the DICOM files of the tests.

Needs pydicom 3.0.1, pylibjpeg, pylibjpeg-libjpeg, pylibjpeg-openjpeg, pylibjpeg-rle, numpy.
usage: dicom_golden.py FOLDER_OF_TESTS_DATA_DICOM [REFERENCE_HU_JSON]
"""

import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, apply_modality_lut

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def name_transfer_syntax(dataset):
    """Files without a meta header: as their bytes are."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        uid = pydicom.uid
        dataset.file_meta.TransferSyntaxUID = (
            uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        )


def values_of(path):
    dataset = pydicom.dcmread(path, force=True)
    name_transfer_syntax(dataset)
    stored = dataset.pixel_array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(stored, dataset)
    return apply_modality_lut(stored, dataset)


def describe(values):
    flat = values.astype(np.float64).reshape(-1)
    positions = [0, flat.size // 3, flat.size // 2, flat.size * 2 // 3, flat.size - 1]
    return {
        "count": int(flat.size),
        "min": float(flat.min()),
        "max": float(flat.max()),
        "mean": float(flat.mean()),
        "values": {str(i): float(flat[i]) for i in positions},
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    files, refused = {}, []
    for path in sorted(folder.glob("*/*.dcm")):
        name = str(path.relative_to(folder))
        try:
            files[name] = describe(values_of(path))
        except Exception:  # whatever pydicom cannot read has no golden values
            refused.append(name)
    golden = {"pydicom": pydicom.__version__, "files": files, "unread_by_pydicom": refused}
    if len(sys.argv) > 2:
        reference = json.loads(pathlib.Path(sys.argv[2]).read_text())
        names = [path.name for path in sorted(folder.glob("ct_contrast/*.dcm"))]
        golden["reference_hu"] = {name: reference[name] for name in names}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
