"""Small DICOM files made by pydicom, each carrying an identity that no output may show."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

# Every string is unlike anything that could stand in an output for another reason.
IDENTITY = {
    "PatientName": "Quillfeather^Zephyrine",
    "PatientID": "QZ-77310-X",
    "PatientBirthDate": "19371103",
    "OtherPatientIDs": "ALT-55129-K",
    "PatientAddress": "14 Wexcombe Hollow",
    "AccessionNumber": "ACC90210473",
    "InstitutionName": "Saint Ysolde Infirmary",
    "ReferringPhysicianName": "Brambleworth^Otto",
    "StudyID": "STU58213",
    "StudyDate": "20190817",
    "StudyInstanceUID": "1.2.826.0.1.3680043.9.5150.11.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.9.5150.11.2",
    "SOPInstanceUID": "1.2.826.0.1.3680043.9.5150.11.3",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.9.5150.11.4",
}
_SECRETS = sorted({part for value in IDENTITY.values() for part in [value, *value.split("^")]})


def assert_anonymous(text):
    """No part of the identity is in `text` (str or bytes)."""
    for secret in _SECRETS:
        found = secret.encode() in text if isinstance(text, bytes) else secret in text
        assert not found, f"the output shows the identity {secret!r}"


def ct(pixels, **tags):
    """A CT slice around `pixels` [H, W] or [F, H, W] of an 8- or 16-bit integer type.

    `tags` set attributes by DICOM keyword; None removes one.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype.itemsize not in (1, 2):
        raise ValueError(f"{pixels.dtype} is no stored pixel type")
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.Modality = "CT"
    for keyword, value in IDENTITY.items():
        setattr(data, keyword, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    _describe_bits(data, pixels.dtype)
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", "-1024", "HU"
    set_tags(data, tags)
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"
    return data


def rgb(pixels, planar=0, **tags):
    """A secondary capture around `pixels` uint8 [H, W, 3]."""
    pixels = np.asarray(pixels, np.uint8)
    data = ct(pixels[:, :, 0], Modality="OT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
              PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=planar,
              RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    set_tags(data, tags)
    stored = pixels.transpose(2, 0, 1) if planar else pixels
    data.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    return data


def palette(indices, colours, **tags):
    """A palette image: `indices` uint8 [H, W] into `colours` uint16 [256, 3]."""
    data = ct(indices, Modality="US", PhotometricInterpretation="PALETTE COLOR",
              RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    for position, name in enumerate(["Red", "Green", "Blue"]):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [len(colours), 0, 16])
        setattr(data, f"{name}PaletteColorLookupTableData",
                np.ascontiguousarray(colours[:, position], np.uint16).tobytes())
    set_tags(data, tags)
    return data


def set_tags(data, tags):
    for keyword, value in tags.items():
        if value is not None:
            setattr(data, keyword, value)
        elif keyword in data:
            delattr(data, keyword)


def write(data, path, syntax=ExplicitVRLittleEndian):
    """Writes `data` uncompressed, or by pydicom's own RLE encoder; returns `path`."""
    if syntax == RLELossless:
        data.compress(RLELossless, generate_instance_uid=False)
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path, enforce_file_format=True)
    return path


def _describe_bits(data, dtype):
    bits = 8 * dtype.itemsize
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = 1 if dtype.kind == "i" else 0
