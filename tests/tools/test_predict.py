"""salus predict: scores of files, one line each."""

import csv
import io
import math
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import dicom_files
from conftest import DONE, FAILED, PNEUMONIA, SOME_SKIPPED, WRONG_USE, assert_error


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Seven test images of PneumoniaMNIST as PNG, one of them in a sub-folder."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "later").mkdir()
    pixels = np.load(PNEUMONIA)["test_images"]
    for i in range(7):
        Image.fromarray(pixels[i]).save(folder / ("later" if i == 6 else "") / f"{i}.png")
    return folder


def hounsfield(shape=(28, 28)):
    return np.random.default_rng(8).integers(900, 1300, shape, np.uint16)


class TestScores:
    def test_each_file_gets_one_line_in_order(self, salus, bundle, images):
        paths = [images / "3.png", images / "0.png", images / "5.png"]
        result = salus("predict", bundle, *paths)
        assert result.status == DONE, result.stderr
        assert [line["id"] for line in result.lines] == [str(path) for path in paths]
        for line in result.lines:
            assert 0 <= line["probabilities"]["pneumonia"] <= 1
            assert line["decisions"]["pneumonia"] in (True, False)
            assert line["frames"] == [0] and line["time_ms"] > 0
            assert "flags" not in line

    def test_a_score_is_the_same_alone_and_in_any_batch(self, salus, bundle, images):
        def scores(*inputs):
            return {line["id"]: line["probabilities"]["pneumonia"]
                    for line in salus("predict", bundle, *inputs).lines}

        paths = sorted(images.glob("*.png"))
        together = scores(*paths)
        assert len(set(together.values())) > 1, "the images must not all score the same"
        assert scores(*reversed(paths)) == together
        assert scores(paths[5], paths[1], paths[5]) == {str(paths[i]): together[str(paths[i])]
                                                        for i in (1, 5)}
        for path in paths[:3]:
            assert scores(path) == {str(path): together[str(path)]}

    def test_csv_says_the_same_as_json(self, salus, bundle, images):
        rows = list(csv.DictReader(io.StringIO(
            salus("predict", bundle, images, "--format", "csv").stdout)))
        lines = salus("predict", bundle, images).lines
        assert [row["id"] for row in rows] == [line["id"] for line in lines]
        for row, line in zip(rows, lines, strict=True):
            assert float(row["pneumonia"]) == line["probabilities"]["pneumonia"]
            assert row["decision:pneumonia"] == str(int(line["decisions"]["pneumonia"]))
            assert row["frames"] == "0" and row["files"] == ""

    def test_embeddings_stand_in_the_order_of_their_ids(self, salus, bundle, images, tmp_path):
        out = tmp_path / "embeddings.npy"
        result = salus("predict", bundle, images / "2.png", images / "1.png", "--embeddings", out)
        values = np.load(out)
        assert values.dtype == np.float32 and values.shape[0] == 2 and values.shape[1] > 1
        assert np.isfinite(values).all() and not np.array_equal(values[0], values[1])
        ids = (tmp_path / "embeddings.npy.ids.txt").read_text().split()
        assert ids == [line["id"] for line in result.lines]

    @pytest.mark.parametrize("taken", ["e.npy", "e.npy.ids.txt"])
    def test_embeddings_that_cannot_be_written_are_refused_before_scoring(self, salus, bundle, images,
                                                                          tmp_path, taken):
        (tmp_path / taken).mkdir()
        for how in ("jsonl", "csv"):
            result = salus("predict", bundle, images, "--embeddings", tmp_path / "e.npy", "--format", how)
            assert_error(result, FAILED, tmp_path / taken, "name a file")
        missing = salus("predict", bundle, images, "--embeddings", tmp_path / "no" / "e.npy")
        assert_error(missing, FAILED, tmp_path / "no" / "e.npy")
        assert [path.name for path in tmp_path.iterdir()] == [taken]

    def test_a_line_break_in_a_name_makes_no_second_id(self, salus, bundle, images, tmp_path):
        paths = [tmp_path / name for name in ("a\nb.png", "c\rd.png", "e.png")]
        for path in paths:
            path.write_bytes((images / "0.png").read_bytes())
        result = salus("predict", bundle, *paths, "--embeddings", tmp_path / "embeddings.npy")
        assert [line["id"] for line in result.lines] == [str(path) for path in paths]
        ids = (tmp_path / "embeddings.npy.ids.txt").read_bytes().decode().split("\n")
        assert ids == [f"{tmp_path}/a\\nb.png", f"{tmp_path}/c\\rd.png", f"{tmp_path}/e.png", ""]
        assert len(np.load(tmp_path / "embeddings.npy")) == 3

    def test_an_npz_of_one_array_scores_as_the_array(self, salus, bundle, tmp_path):
        pixels = np.load(PNEUMONIA)["test_images"][:2]
        np.save(tmp_path / "a.npy", pixels[0])
        np.savez(tmp_path / "stored.npz", pixels[0])
        np.savez_compressed(tmp_path / "packed.npz", scan=pixels[0])
        np.savez(tmp_path / "two.npz", first=pixels[0], second=pixels[1])
        names = ["a.npy", "stored.npz", "packed.npz", "two.npz"]
        result = salus("predict", bundle, *[tmp_path / name for name in names])
        assert result.status == SOME_SKIPPED
        assert len(result.lines) == 3 and len({str(line["probabilities"]) for line in result.lines}) == 1
        assert "two.npz is an NPZ archive of 2 arrays (first, second)" in result.stderr

    def test_dicom_is_known_by_content(self, salus, bundle, tmp_path):
        data = dicom_files.ct(np.load(PNEUMONIA)["test_images"][0], RescaleIntercept="0")
        path = dicom_files.write(data, tmp_path / "IM000001")
        png = tmp_path / "same.png"
        Image.fromarray(data.pixel_array).save(png)
        first, second = salus("predict", bundle, path, png).lines
        assert first["probabilities"] == second["probabilities"]


class TestInputs:
    def test_folder_is_read_with_what_lies_below(self, salus, bundle, images):
        result = salus("predict", bundle, images)
        assert [line["id"] for line in result.lines] == sorted(str(p) for p in images.rglob("*.png"))

    def test_pattern(self, salus, bundle, images):
        result = salus("predict", bundle, images / "[0-2].png")
        assert [line["id"] for line in result.lines] == [str(images / f"{i}.png") for i in range(3)]

    def test_list_on_standard_input(self, salus, bundle, images):
        names = f"{images / '1.png'}\n{images / '4.png'}\r\n"
        result = salus("predict", bundle, "-", stdin=names)
        assert [line["id"] for line in result.lines] == [str(images / "1.png"), str(images / "4.png")]

    def test_patterns_on_a_list_are_expanded(self, salus, bundle, images):
        result = salus("predict", bundle, "-", stdin=f"{images / '[0-2].png'}\n")
        assert [line["id"] for line in result.lines] == [str(images / f"{i}.png") for i in range(3)]

    def test_names_with_spaces_commas_and_quotes(self, salus, bundle, images, tmp_path):
        path = tmp_path / 'a "b", c.png'
        path.write_bytes((images / "0.png").read_bytes())
        assert salus("predict", bundle, path).lines[0]["id"] == str(path)
        table = salus("predict", bundle, path, "--format", "csv").stdout
        assert next(csv.DictReader(io.StringIO(table)))["id"] == str(path)


class TestBadFiles:
    def test_one_bad_file_is_skipped_and_named(self, salus, bundle, images, tmp_path):
        bad = tmp_path / "bad.png"
        bad.write_bytes((images / "0.png").read_bytes()[:100])
        result = salus("predict", bundle, images / "0.png", bad, images / "1.png")
        assert result.status == SOME_SKIPPED
        assert [line["id"] for line in result.lines] == [str(images / "0.png"), str(images / "1.png")]
        assert f"skipped: {bad}" in result.stderr
        assert "1 of 3" in result.stderr

    def test_a_single_bad_file_is_a_failure(self, salus, bundle, tmp_path):
        bad = tmp_path / "bad.dcm"
        bad.write_text("no image")
        result = salus("predict", bundle, bad)
        assert result.status == FAILED and result.stdout == ""
        assert str(bad) in result.stderr

    def test_missing_file_is_a_failure(self, salus, bundle, tmp_path):
        assert_error(salus("predict", bundle, tmp_path / "none.png"), FAILED, "none.png")

    def test_pattern_without_a_match_is_a_failure(self, salus, bundle, tmp_path):
        assert_error(salus("predict", bundle, tmp_path / "*.dcm"), FAILED, "*.dcm")

    @pytest.mark.parametrize("missing", ["none.png", "*.dcm", "empty"])
    @pytest.mark.parametrize("on_list", [False, True], ids=["arguments", "list"])
    def test_what_is_missing_among_others_is_skipped(self, salus, bundle, images, tmp_path, missing,
                                                     on_list):
        (tmp_path / "empty").mkdir()
        names = [str(images / "1.png"), str(tmp_path / missing), str(images / "2.png")]
        result = (salus("predict", bundle, "-", stdin="\n".join(names)) if on_list
                  else salus("predict", bundle, *names))
        assert result.status == SOME_SKIPPED, result.everything()
        assert [line["id"] for line in result.lines] == [names[0], names[2]]
        assert f"skipped: {names[1]}" in result.stderr and "1 of 3" in result.stderr

    def test_everything_missing_is_a_failure_that_names_all(self, salus, bundle, tmp_path):
        assert_error(salus("predict", bundle, tmp_path / "none.png", tmp_path / "*.dcm"), FAILED,
                     "none.png", "*.dcm")

    def test_links_that_lead_nowhere_are_skipped(self, salus, bundle, images, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "0.png").write_bytes((images / "0.png").read_bytes())
        (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nothing")
        result = salus("predict", bundle, tmp_path / "in")
        assert result.status == SOME_SKIPPED and len(result.lines) == 1
        assert "gone.png" in result.stderr

    def test_missing_name_on_a_list_is_skipped(self, salus, bundle, images, tmp_path):
        names = f"{images / '1.png'}\n{tmp_path / 'gone.png'}\n"
        result = salus("predict", bundle, "-", stdin=names)
        assert result.status == SOME_SKIPPED and len(result.lines) == 1
        assert "gone.png" in result.stderr

    def test_no_bundle(self, salus, images, tmp_path):
        assert_error(salus("predict", tmp_path, images / "0.png"), FAILED, tmp_path)

    def test_damaged_weights_are_refused(self, salus, bundle, images, tmp_path):
        for path in bundle.iterdir():
            content = bytearray(path.read_bytes())
            if path.name == "model.safetensors":
                content[-1] ^= 1
            (tmp_path / path.name).write_bytes(content)
        assert_error(salus("predict", tmp_path, images / "0.png"), FAILED, "model.safetensors")

    def test_a_changed_bundle_toml_is_refused_unless_a_person_says_so(self, salus, bundle, images, tmp_path):
        copy = shutil.copytree(bundle, tmp_path / "bundle")
        lines = (copy / "bundle.toml").read_text().splitlines(keepends=True)
        lines = [re.sub("threshold = .*", "threshold = 0.0", line) for line in lines]
        (copy / "bundle.toml").write_text("".join(lines))
        refused = salus("predict", copy, images / "0.png")
        assert_error(refused, FAILED, copy / "bundle.toml", "not as it was saved", "remove that line")
        assert "remove this line" in lines[-1]
        (copy / "bundle.toml").write_text("".join(lines[:-1]))
        assert salus("predict", copy, images / "0.png").lines[0]["decisions"] == {"pneumonia": True}

    @pytest.mark.parametrize("arguments", [["--format", "xml"], ["--device", "abacus"]])
    def test_wrong_option(self, salus, bundle, images, arguments):
        assert_error(salus("predict", bundle, images / "0.png", *arguments), WRONG_USE, arguments[1])


class TestAcceptance:
    def test_what_the_bundle_is_for_is_scored(self, salus, ct_bundle, tmp_path):
        path = dicom_files.write(dicom_files.ct(hounsfield()), tmp_path / "ct.dcm")
        result = salus("predict", ct_bundle, path)
        assert result.status == DONE, result.stderr
        assert math.isfinite(result.lines[0]["probabilities"]["contrast"])
        dicom_files.assert_anonymous(result.everything())

    @pytest.mark.parametrize("tags, mention", [
        ({"Modality": "MR"}, "MR"),
        ({"RescaleType": "US"}, "HU"),
    ])
    def test_another_kind_of_image_is_refused(self, salus, ct_bundle, tmp_path, tags, mention):
        path = dicom_files.write(dicom_files.ct(hounsfield(), **tags), tmp_path / "other.dcm")
        result = salus("predict", ct_bundle, path)
        assert result.status == FAILED and result.stdout == ""
        assert str(path) in result.stderr and mention in result.stderr
        dicom_files.assert_anonymous(result.everything())

    def test_colour_is_refused_by_a_grey_bundle(self, salus, ct_bundle, tmp_path):
        colours = np.random.default_rng(1).integers(0, 256, (28, 28, 3), np.uint8)
        data = dicom_files.rgb(colours, Modality="CT", RescaleType="HU", RescaleSlope="1",
                               RescaleIntercept="0")
        result = salus("predict", ct_bundle, dicom_files.write(data, tmp_path / "rgb.dcm"))
        assert result.status == FAILED and "colour" in result.stderr

    def test_forced_scores_carry_the_reason(self, salus, ct_bundle, tmp_path):
        path = dicom_files.write(dicom_files.ct(hounsfield(), Modality="MR"), tmp_path / "mr.dcm")
        result = salus("predict", ct_bundle, path, "--force")
        assert result.status == DONE, result.stderr
        assert any("MR" in flag for flag in result.lines[0]["flags"])
        dicom_files.assert_anonymous(result.everything())

    def test_what_is_odd_in_a_file_is_said_beside_its_score(self, salus, ct_bundle, tmp_path):
        plain = dicom_files.write(dicom_files.ct(hounsfield()), tmp_path / "plain.dcm")
        odd = dicom_files.write(dicom_files.ct(hounsfield(), WindowCenter="40", WindowWidth="0"),
                                tmp_path / "odd.dcm")
        result = salus("predict", ct_bundle, odd, plain)
        first, second = result.lines
        assert len(first["warnings"]) == 1 and "Window 1" in first["warnings"][0]
        assert first["warnings"] == salus("inspect", odd, "--json").json["warnings"]
        assert first["probabilities"] == second["probabilities"]
        assert "warnings" not in second and "flags" not in first
        dicom_files.assert_anonymous(result.everything())
        table = salus("predict", ct_bundle, odd, plain, "--format", "csv").stdout
        rows = list(csv.DictReader(io.StringIO(table)))
        assert [row["warnings"] for row in rows] == [first["warnings"][0], ""]
        assert all(row["flags"] == "" and float(row["time_ms"]) > 0 for row in rows)

    def test_refused_files_do_not_stop_the_others(self, salus, ct_bundle, tmp_path):
        good = dicom_files.write(dicom_files.ct(hounsfield()), tmp_path / "1.dcm")
        dicom_files.write(dicom_files.ct(hounsfield(), Modality="MR"), tmp_path / "2.dcm")
        result = salus("predict", ct_bundle, tmp_path)
        assert result.status == SOME_SKIPPED
        assert [line["id"] for line in result.lines] == [str(good)]

    def test_middle_frame_of_several_is_scored_and_named(self, salus, ct_bundle, tmp_path):
        frames = hounsfield((5, 28, 28))
        stack = dicom_files.write(dicom_files.ct(frames), tmp_path / "stack.dcm")
        single = dicom_files.write(dicom_files.ct(frames[2]), tmp_path / "single.dcm")
        first, second = salus("predict", ct_bundle, stack, single).lines
        assert first["frames"] == [2] and second["frames"] == [0]
        assert first["probabilities"] == second["probabilities"]
