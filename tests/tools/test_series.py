"""DICOM series as one input: salus predict --series, salus inspect FOLDER, training on folders."""

import csv
import io

import numpy as np
import pydicom
import pytest

import dicom_files
from conftest import DONE, FAILED, WRONG_USE, assert_error


def write_series(folder, heights, seed=1, tags=None):
    """Slices of noise at `heights` (mm) in files named in another order; returns files by height.

    `tags` may give DICOM attributes of single slices by their number.
    """
    folder.mkdir()
    noise = np.random.default_rng(seed)
    by_height = []
    for number, z in enumerate(heights):
        data = dicom_files.ct(
            noise.integers(900, 1300, (28, 28), np.uint16), SeriesInstanceUID=f"1.2.3.{seed}",
            SOPInstanceUID=f"1.2.3.{seed}.{number + 1}", ImagePositionPatient=["0", "0", str(z)],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], PixelSpacing=["0.7", "0.7"])
        dicom_files.set_tags(data, (tags or {}).get(number, {}))
        by_height.append((z, str(dicom_files.write(data, folder / f"{9 - number}.dcm"))))
    return [file for _, file in sorted(by_height)]


def write_enhanced(path, heights):
    """One file whose frames lie at `heights` (mm)."""
    frames = np.random.default_rng(3).integers(900, 1300, (len(heights), 28, 28), np.uint16)
    data = dicom_files.ct(frames, SeriesInstanceUID="1.2.3.9")
    data.SharedFunctionalGroupsSequence = [
        group(PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
              PixelMeasuresSequence={"PixelSpacing": [0.7, 0.7]})]
    data.PerFrameFunctionalGroupsSequence = [
        group(PlanePositionSequence={"ImagePositionPatient": [0, 0, z]}) for z in heights]
    dicom_files.write(data, path)
    return frames


def group(**macros):
    """An item of functional groups."""
    item = pydicom.Dataset()
    for name, tags in macros.items():
        macro = pydicom.Dataset()
        dicom_files.set_tags(macro, tags)
        setattr(item, name, [macro])
    return item


class TestPredict:
    def test_the_middle_slice_along_the_normal_is_scored(self, salus, ct_bundle, tmp_path):
        slices = write_series(tmp_path / "series", [5, 0, 10, 15, 20])
        result = salus("predict", ct_bundle, "--series", tmp_path / "series")
        assert result.status == DONE, result.stderr
        (line,) = result.lines
        assert line["id"] == str(tmp_path / "series")
        assert line["frames"] == [2] and line["files"] == [slices[2]]
        (alone,) = salus("predict", ct_bundle, slices[2]).lines
        assert alone["probabilities"] == line["probabilities"]

    def test_series_and_single_files_stand_side_by_side(self, salus, ct_bundle, ct_files, tmp_path):
        write_series(tmp_path / "a", [0, 1, 2], seed=1)
        write_series(tmp_path / "b", [0, 1], seed=2)
        single = ct_files / "0.dcm"
        lines = salus("predict", ct_bundle, "--series", tmp_path / "b", single, tmp_path / "a").lines
        assert [line["id"] for line in lines] == [str(tmp_path / "b"), str(single), str(tmp_path / "a")]
        assert "files" not in lines[1]

    def test_missing_slices_are_refused_or_flagged(self, salus, ct_bundle, tmp_path):
        write_series(tmp_path / "gap", [0, 1, 2, 5])
        refused = salus("predict", ct_bundle, "--series", tmp_path / "gap")
        assert refused.status == FAILED and "missing" in refused.stderr
        (line,) = salus("predict", ct_bundle, "--series", tmp_path / "gap", "--allow", "missing").lines
        assert "missing" in line["flags"][0]

    def test_slices_of_another_frame_of_reference_are_refused_or_left_out(self, salus, ct_bundle,
                                                                          tmp_path):
        slices = write_series(tmp_path / "mixed", [0, 1, 2, 3],
                              tags={3: {"FrameOfReferenceUID": "1.2.3.77"}})
        refused = salus("predict", ct_bundle, "--series", tmp_path / "mixed")
        assert refused.status == FAILED and "frames of reference" in refused.stderr
        assert "1.2.3.77" not in refused.stderr
        (line,) = salus("predict", ct_bundle, "--series", tmp_path / "mixed", "--allow", "mixed").lines
        assert line["files"] == [slices[1]]
        assert "1 of 4 slices" in line["flags"][0]

    def test_frames_of_an_enhanced_file_are_sorted_and_checked(self, salus, ct_bundle, tmp_path):
        path = tmp_path / "enhanced.dcm"
        frames = write_enhanced(path, [0, 2, 1, 3, 4])
        (line,) = salus("predict", ct_bundle, "--series", path).lines
        alone = dicom_files.write(dicom_files.ct(frames[1]), tmp_path / "alone.dcm")
        (expected,) = salus("predict", ct_bundle, alone).lines
        assert line["frames"] == [2] and line["probabilities"] == expected["probabilities"]
        write_enhanced(path, [0, 1, 2, 5])
        refused = salus("predict", ct_bundle, "--series", path)
        assert refused.status == FAILED and "frame 4 of" in refused.stderr
        assert salus("predict", ct_bundle, path).status == DONE

    def test_csv_says_which_slices_and_files_were_scored(self, salus, ct_bundle, tmp_path):
        slices = write_series(tmp_path / "series", [0, 1, 2])
        result = salus("predict", ct_bundle, "--series", tmp_path / "series", "--format", "csv")
        (row,) = csv.DictReader(io.StringIO(result.stdout))
        assert row["frames"] == "1" and row["files"] == slices[1]

    def test_an_unknown_irregularity_is_wrong_use(self, salus, ct_bundle, tmp_path):
        write_series(tmp_path / "a", [0, 1])
        assert_error(salus("predict", ct_bundle, "--series", tmp_path / "a", "--allow", "gaps"),
                     WRONG_USE, "gaps", "uneven")


class TestInspect:
    def test_a_folder_is_shown_as_a_volume(self, salus, tmp_path):
        slices = write_series(tmp_path / "series", [7.5, 0, 2.5, 5])
        pixels = tmp_path / "volume.npy"
        report = salus("inspect", tmp_path / "series", "--pixels", pixels, "--json").json
        assert report["series"] == {"slices": 4, "slice_spacing_mm": 2.5, "files": slices}
        volume = np.load(pixels)
        assert volume.shape == (4, 28, 28)
        salus("inspect", slices[1], "--pixels", tmp_path / "one.npy")
        assert np.array_equal(volume[1], np.load(tmp_path / "one.npy")[0])

    def test_what_is_no_image_is_left_out_with_a_warning(self, salus, tmp_path):
        write_series(tmp_path / "series", [0, 1, 2])
        (tmp_path / "series" / "README.txt").write_text("Slices of a phantom.\n")
        (tmp_path / "series" / "gone.dcm").symlink_to(tmp_path / "nothing")
        report = salus("inspect", tmp_path / "series", "--json").json
        assert report["series"]["slices"] == 3
        assert any("README.txt is no image" in warning for warning in report["warnings"])
        assert any("gone.dcm" in warning for warning in report["warnings"])

    def test_a_folder_without_images_is_refused(self, salus, tmp_path):
        (tmp_path / "README.txt").write_text("Nothing else is here.\n")
        assert_error(salus("inspect", tmp_path), FAILED, tmp_path, "README.txt")

    def test_padding_of_each_slice_is_its_own(self, salus, tmp_path):
        write_series(tmp_path / "series", [0, 1, 2])
        expected = 0
        for path in (tmp_path / "series").iterdir():
            data = pydicom.dcmread(path)
            stored = data.pixel_array
            data.add_new("PixelPaddingValue", "US", int(stored[0, 0]))
            expected += int((stored == stored[0, 0]).sum())
            dicom_files.write(data, path)
        report = salus("inspect", tmp_path / "series", "--json").json
        assert report["padding_per_frame"] and report["padding_range"] is None
        assert report["padding_pixels"] == expected

    def test_frames_of_an_enhanced_file_in_a_folder_are_sorted(self, salus, tmp_path):
        (tmp_path / "in").mkdir()
        frames = write_enhanced(tmp_path / "in" / "enhanced.dcm", [0, 2, 1])
        pixels = tmp_path / "volume.npy"
        report = salus("inspect", tmp_path / "in", "--pixels", pixels, "--json").json
        assert report["series"]["frames"] == [0, 2, 1] and report["series"]["slice_spacing_mm"] == 1
        assert np.array_equal(np.load(pixels), frames[[0, 2, 1]].astype(np.int64) - 1024)

    def test_a_single_file_shows_the_spacing_that_its_frames_have(self, salus, tmp_path):
        path = tmp_path / "enhanced.dcm"
        write_enhanced(path, [0, 2.5, 5, 7.5])
        report = salus("inspect", path, "--json").json
        assert report["slice_spacing_mm"] == 2.5 and "series" not in report and report["warnings"] == []
        write_enhanced(path, [0, 1, 2, 5])
        report = salus("inspect", path, "--json").json
        assert report["slice_spacing_mm"] is None
        assert any("1 to 3 mm apart, usually 1 mm" in warning for warning in report["warnings"])
        write_series(tmp_path / "series", [7.5, 0, 2.5, 5])
        assert salus("inspect", tmp_path / "series", "--json").json["slice_spacing_mm"] == 2.5
        one = next((tmp_path / "series").iterdir())
        assert salus("inspect", one, "--json").json["slice_spacing_mm"] is None

    def test_a_folder_of_two_series_is_refused(self, salus, tmp_path):
        write_series(tmp_path / "a", [0, 1], seed=1)
        write_series(tmp_path / "a" / "b", [0, 1], seed=2)
        assert_error(salus("inspect", tmp_path / "a"), FAILED, "2 series")


class TestTraining:
    def test_a_manifest_may_name_folders_of_series(self, salus, ct_files, tmp_path):
        rows = ["file,patient_id,split,contrast"]
        for i in range(12):
            write_series(tmp_path / f"case{i}", [0, 1, 2], seed=i + 1)
            rows.append(f"case{i},{i},{'valid' if i % 3 == 2 else 'train'},{i % 2}")
        (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
        result = salus("train", ct_files / "ct.toml", "--fast-dev-run", "--out", tmp_path / "run",
                       f"data.root={tmp_path}", "data.split.column=split", "data.subgroups=[]")
        assert result.status == DONE, result.stderr

    @pytest.mark.parametrize("heights, reason", [([0, 1, 2, 5], "missing"), ([0, 1, 1, 2], "lie at")])
    def test_an_irregular_series_stops_it(self, salus, ct_files, tmp_path, heights, reason):
        write_series(tmp_path / "odd", heights, seed=1)
        write_series(tmp_path / "even", [0, 1], seed=2)
        (tmp_path / "labels.csv").write_text(
            "file,patient_id,split,contrast\nodd,1,train,1\neven,2,valid,0\neven,2,valid,1\n")
        result = salus("train", ct_files / "ct.toml", "--fast-dev-run", "--out", tmp_path / "run",
                       f"data.root={tmp_path}", "data.split.column=split", "data.subgroups=[]")
        assert result.status == FAILED and reason in result.stderr
