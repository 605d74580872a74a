"""salus inspect: what the engine sees in one file."""

import json

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_color_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

import dicom_files
from conftest import DATA, FAILED, WRONG_USE, DONE, assert_error

RNG = np.random.default_rng(20240611)


def noise(dtype=np.uint16, shape=(37, 53), low=0, high=4096):
    return RNG.integers(low, high, shape, dtype)


@pytest.fixture
def look(salus, tmp_path):
    """look(data set or path) -> (JSON report, NPY array); nothing of an identity comes with them."""

    def run(source, syntax=pydicom.uid.ExplicitVRLittleEndian):
        path = source
        if isinstance(source, pydicom.Dataset):
            path = dicom_files.write(source, tmp_path / "image.dcm", syntax)
        out = tmp_path / "pixels.npy"
        result = salus("inspect", "--json", "--pixels", out, path)
        assert result.status == DONE, result.everything()
        dicom_files.assert_anonymous(result.everything())
        dicom_files.assert_anonymous(out.read_bytes())
        return result.json, np.load(out)

    return run


class TestValues:
    def test_integer_rescale_stays_integer(self, look):
        stored = noise()
        report, values = look(dicom_files.ct(stored))
        assert values.dtype.kind == "i" and values.shape == (1, 37, 53)
        assert np.array_equal(values[0], stored.astype(np.int64) - 1024)
        assert report["minimum"] == values.min() and report["maximum"] == values.max()
        assert report["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert report["modality_type"] == values.dtype.str

    def test_fractional_slope_is_rounded_once_from_double(self, look):
        stored = noise(np.int16, low=-2048, high=2048)
        _, values = look(dicom_files.ct(stored, RescaleSlope="1.000244", RescaleIntercept="-0.3"))
        expected = (stored.astype(np.float64) * 1.000244 - 0.3).astype(np.float32)
        assert values.dtype == np.float32
        assert np.array_equal(values[0], expected)

    def test_bits_above_the_stored_ones_are_ignored(self, look):
        stored = noise()
        dirty = stored | RNG.integers(0, 16, stored.shape, np.uint16) << np.uint16(12)
        _, values = look(dicom_files.ct(dirty, BitsStored=12, HighBit=11))
        assert np.array_equal(values[0], stored.astype(np.int64) - 1024)

    def test_twelve_bit_negative_values_are_sign_extended(self, look):
        stored = noise(np.int16, low=-2048, high=2048)
        masked = (stored & 0x0FFF).astype(np.int16)
        _, values = look(dicom_files.ct(masked, BitsStored=12, HighBit=11, RescaleIntercept="0"))
        assert np.array_equal(values[0], stored)

    def test_monochrome1_is_not_inverted(self, look):
        stored = noise(np.uint8, high=256)
        report, values = look(dicom_files.ct(stored, PhotometricInterpretation="MONOCHROME1",
                                             RescaleIntercept="0"))
        assert report["photometric"] == "MONOCHROME1"
        assert np.array_equal(values[0], stored)

    def test_windows_are_reported_but_not_applied(self, look):
        stored = noise()
        report, values = look(dicom_files.ct(stored, WindowCenter=["40", "-600"],
                                             WindowWidth=["400", "1500"],
                                             VOILUTFunction="SIGMOID"))
        assert [(w["center"], w["width"]) for w in report["windows"]] == [(40, 400), (-600, 1500)]
        assert report["voi_function"] == "SIGMOID"
        assert np.array_equal(values[0], stored.astype(np.int64) - 1024)

    def test_modality_table_replaces_slope_and_intercept(self, look):
        stored = noise(np.uint8, high=256)
        table = RNG.integers(0, 65536, 200, np.uint16)
        lut = pydicom.Dataset()
        lut.LUTDescriptor = [len(table), 10, 16]
        lut.ModalityLUTType = "US"
        lut.add_new(0x00283006, "US", table.tolist())
        report, values = look(dicom_files.ct(stored, ModalityLUTSequence=[lut], RescaleSlope=None,
                                             RescaleIntercept=None, RescaleType=None))
        assert np.array_equal(values[0], table[np.clip(stored.astype(int) - 10, 0, 199)])
        assert report["modality_lut"]["entries"] == 200

    @pytest.mark.parametrize("limit", [None, -2005])
    def test_padding_is_counted_and_kept(self, look, limit):
        stored = noise(np.int16, low=-1000, high=1000)
        stored[:5] = -2000
        stored[5, 0] = -2003
        report, values = look(dicom_files.ct(stored, PixelPaddingValue=-2000,
                                             PixelPaddingRangeLimit=limit, RescaleIntercept="0"))
        assert report["padding_range"] == [limit or -2000, -2000]
        assert report["padding_pixels"] == 5 * 53 + (limit is not None)
        assert np.array_equal(values[0], stored)


class TestLayouts:
    def test_frames_come_first(self, look):
        stored = noise(shape=(4, 19, 23))
        report, values = look(dicom_files.ct(stored))
        assert (report["frames"], report["rows"], report["columns"]) == (4, 19, 23)
        assert np.array_equal(values, stored.astype(np.int64) - 1024)

    @pytest.mark.parametrize("planar", [0, 1])
    def test_rgb_is_interleaved_whatever_its_planes(self, look, planar):
        colours = noise(np.uint8, (17, 21, 3), high=256)
        report, values = look(dicom_files.rgb(colours, planar))
        assert report["samples"] == 3
        assert np.array_equal(values, colours[np.newaxis])

    def test_palette_becomes_rgb(self, look):
        colours = RNG.integers(0, 65536, (256, 3), np.uint16)
        data = dicom_files.palette(noise(np.uint8, high=256), colours)
        expected = apply_color_lut(data.pixel_array, data)
        _, values = look(data)
        assert np.array_equal(values[0], expected)

    def test_ybr_becomes_rgb(self, look):
        colours = noise(np.uint8, (16, 16, 3), high=256)
        data = dicom_files.rgb(colours, PhotometricInterpretation="YBR_FULL")
        expected = pydicom.pixels.convert_color_space(colours, "YBR_FULL", "RGB")
        _, values = look(data)
        assert np.abs(values[0].astype(int) - expected).max() <= 1

    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian,
                                        RLELossless], ids=lambda uid: uid.name.split()[0])
    def test_transfer_syntax_changes_nothing_but_its_name(self, look, syntax):
        stored = noise()
        report, values = look(dicom_files.ct(stored), syntax)
        assert report["transfer_syntax"]["uid"] == syntax
        assert np.array_equal(values[0], stored.astype(np.int64) - 1024)

    @pytest.mark.parametrize("mode, dtype", [("L", np.uint8), ("I;16", np.uint16)])
    def test_png(self, look, tmp_path, mode, dtype):
        stored = noise(dtype, high=np.iinfo(dtype).max)
        path = tmp_path / "image.png"
        Image.fromarray(stored).save(path)
        report, values = look(path)
        assert report["format"] == "PNG" and report["bits_stored"] == 8 * dtype().itemsize
        assert np.array_equal(values[0], stored)

    def test_npy(self, look, tmp_path):
        stored = RNG.normal(size=(12, 14)).astype(np.float32)
        np.save(tmp_path / "image.npy", stored)
        report, values = look(tmp_path / "image.npy")
        assert report["format"] == "NPY"
        assert np.array_equal(values[0], stored)


class TestReport:
    def test_geometry_is_read(self, look):
        report, _ = look(dicom_files.ct(noise(), ImagePositionPatient=["-1.5", "2.25", "-300"],
                                        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
                                        PixelSpacing=["0.7", "0.8"], SliceThickness="2.5"))
        assert report["geometry"]["origin_lps_mm"] == [-1.5, 2.25, -300]
        assert report["geometry"]["row_direction"] == [1, 0, 0]
        assert report["geometry"]["column_direction"] == [0, 1, 0]
        assert report["pixel_spacing_mm"] == [0.7, 0.8]
        assert report["slice_thickness_mm"] == 2.5

    def test_geometry_that_is_not_in_the_file_is_not_invented(self, look):
        report, _ = look(dicom_files.ct(noise()))
        assert report["geometry"] is None
        assert report["pixel_spacing_mm"] is None and report["slice_thickness_mm"] is None
        assert report["slice_spacing_mm"] is None

    @pytest.mark.parametrize("name, spacing", [("u8.nii", 2.5), ("f32_4d_big.nii", 2.5), ("no_form.nii", None)])
    def test_spacing_of_slices_is_that_of_the_affine(self, look, name, spacing):
        report, _ = look(DATA / "images" / name)
        assert report["frames"] > 1 and report["slice_spacing_mm"] == spacing

    def test_zeros_behind_a_gzip_stream_are_padding(self, salus, look, tmp_path):
        stream = (DATA / "images" / "i16_scaled.nii.gz").read_bytes()
        _, expected = look(DATA / "images" / "i16_scaled.nii.gz")
        path = tmp_path / "padded.nii.gz"
        path.write_bytes(stream + bytes(512))
        assert np.array_equal(look(path)[1], expected)
        path.write_bytes(stream + bytes(511) + b"x")
        assert_error(salus("inspect", path), FAILED, path)

    def test_an_npz_of_one_array_is_shown_as_an_image(self, salus, look, tmp_path):
        stored = noise()
        np.savez_compressed(tmp_path / "image.npz", scan=stored)
        report, values = look(tmp_path / "image.npz")
        assert report["format"] == "NPZ" and np.array_equal(values[0], stored)
        np.savez(tmp_path / "two.npz", first=stored, second=stored)
        assert_error(salus("inspect", tmp_path / "two.npz"), FAILED, "two.npz", "2 arrays (first, second)")

    def test_rescale_that_is_not_in_the_file_is_null(self, look):
        report, _ = look(dicom_files.ct(noise(), RescaleSlope=None, RescaleIntercept=None))
        assert report["rescale"] is None

    def test_text_says_the_same_as_json(self, salus, tmp_path):
        path = dicom_files.write(dicom_files.ct(noise()), tmp_path / "a.dcm")
        text, report = salus("inspect", path), salus("inspect", "--json", path).json
        lines = dict(line.split(None, 1) for line in text.stdout.splitlines())
        assert set(lines) - {"warning"} == set(report) - {"warnings"}
        assert lines["rows"] == "37" and lines["modality"] == "CT"
        assert lines["view"] == "not in the file"

    def test_identities_are_shown_only_when_asked_for(self, salus, tmp_path):
        path = dicom_files.write(dicom_files.ct(noise()), tmp_path / "a.dcm")
        dicom_files.assert_anonymous(salus("inspect", path).everything())
        shown = salus("inspect", "--json", "--identities", path).json["identities"]
        assert shown["patient_name"] == dicom_files.IDENTITY["PatientName"]
        assert shown["patient_id"] == dicom_files.IDENTITY["PatientID"]
        assert shown["sop_instance_uid"] == dicom_files.IDENTITY["SOPInstanceUID"]

    @pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
    def test_text_of_other_character_sets_is_shown_as_it_reads(self, salus, tmp_path, charset):
        data = dicom_files.ct(noise(), SpecificCharacterSet=charset, PatientName="Müller^Jörg",
                              WindowCenter="40", WindowWidth="400",
                              WindowCenterWidthExplanation="Schädel")
        path = dicom_files.write(data, tmp_path / "a.dcm")
        text = salus("inspect", "--identities", path)
        assert text.status == DONE, text.stderr
        assert "Müller^Jörg" in text.stdout and "Schädel" in text.stdout
        report = salus("inspect", "--identities", "--json", path).json
        assert report["identities"]["patient_name"] == "Müller^Jörg"

    def test_text_of_no_known_character_set_is_marked(self, salus, tmp_path):
        data = dicom_files.ct(noise(), WindowCenter="40", WindowWidth="400",
                              WindowCenterWidthExplanation="Sch?del")
        path = dicom_files.write(data, tmp_path / "a.dcm")
        path.write_bytes(path.read_bytes().replace(b"Sch?del", b"Sch\xe4del"))
        result = salus("inspect", path)
        assert result.status == DONE, result.stderr
        assert "Sch\ufffddel" in result.stdout


class TestFailures:
    def test_missing_file(self, salus, tmp_path):
        path = tmp_path / "nothing.dcm"
        assert_error(salus("inspect", path), FAILED, path)

    def test_folder(self, salus, tmp_path):
        assert_error(salus("inspect", tmp_path), FAILED, tmp_path)

    def test_text_file(self, salus, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("Dear colleague, the patient was seen on Tuesday.\n" * 9)
        assert_error(salus("inspect", path), FAILED, path)

    def test_empty_file(self, salus, tmp_path):
        path = tmp_path / "empty.dcm"
        path.touch()
        assert_error(salus("inspect", path), FAILED, path)

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.97])
    def test_truncated_file(self, salus, tmp_path, kept):
        path = dicom_files.write(dicom_files.ct(noise()), tmp_path / "cut.dcm")
        content = path.read_bytes()
        path.write_bytes(content[:int(kept * len(content))])
        assert_error(salus("inspect", path), FAILED, path)

    def test_file_without_pixels(self, salus, tmp_path):
        data = dicom_files.ct(noise())
        del data.PixelData
        path = dicom_files.write(data, tmp_path / "report.dcm")
        assert_error(salus("inspect", path), FAILED, path)

    def test_pixels_that_cannot_be_written(self, salus, tmp_path):
        path = dicom_files.write(dicom_files.ct(noise()), tmp_path / "a.dcm")
        result = salus("inspect", path, "--pixels", tmp_path / "no" / "such" / "folder.npy")
        assert_error(result, FAILED, "folder.npy")

    def test_no_file_named(self, salus):
        assert_error(salus("inspect"), WRONG_USE, "FILE", "--help")

    def test_unknown_option(self, salus):
        assert_error(salus("inspect", "--pixel", "x.npy", "y.dcm"), WRONG_USE)


def monochrome_files_that_pydicom_decodes():
    """Shipped DICOM files that need no plug-in of pydicom (native or RLE) and hold grey pixels."""
    found = []
    for path in sorted((DATA / "dicom").rglob("*")):
        if not path.is_file() or path.suffix not in ("", ".dcm"):
            continue
        data = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        syntax = data.file_meta.get("TransferSyntaxUID", "")
        grey = str(data.get("PhotometricInterpretation", "")).startswith("MONOCHROME")
        countable = isinstance(data.get("NumberOfFrames", 1), int)  # badVR.dcm says "1A"
        if grey and countable and syntax and (not syntax.is_compressed or syntax == RLELossless):
            found.append(path)
    return found


class TestRealFiles:
    @pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, about what is odd in a file
    @pytest.mark.parametrize("path", monochrome_files_that_pydicom_decodes(), ids=lambda p: p.name)
    def test_values_equal_pydicom(self, look, path):
        data = pydicom.dcmread(path, force=True)
        stored = data.pixel_array
        _, values = look(path)
        chain = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
        expected = stored.astype(np.float64) * chain[0] + chain[1]
        assert np.array_equal(values.reshape(expected.shape), expected.astype(values.dtype))

    def test_hounsfield_units_of_the_whole_ct_set(self, look, full_data):
        folder = full_data / "ct_contrast"
        reference = json.loads((folder / "reference_hu.json").read_text())
        assert len(reference) >= 60
        for name, expected in reference.items():
            report, values = look(folder / "dicom" / name)
            for theirs, ours in (("min", "minimum"), ("max", "maximum"), ("mean", "mean")):
                assert report[ours] == pytest.approx(expected[theirs], rel=1e-9, abs=1e-9), name
            for position, value in expected["pixels"].items():
                row, column = map(int, position.split(","))
                assert values[0, row, column] == np.float32(value), (name, position)
