"""salus explain: what a score rests on, as a picture."""

import numpy as np
import pytest
from PIL import Image

import dicom_files
from conftest import DONE, FAILED, PNEUMONIA, WRONG_USE, assert_error


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "chest.png"
    Image.fromarray(np.load(PNEUMONIA)["test_images"][0]).save(path)
    return path


@pytest.mark.parametrize("method", ["grad-cam", "occlusion"])
def test_overlay_and_values(salus, bundle, image, tmp_path, method):
    out, values = tmp_path / "heat.png", tmp_path / "heat.npy"
    result = salus("explain", bundle, image, "--method", method, "--out", out, "--npy", values,
                   "--json", "--threads", 1)
    assert result.status == DONE, result.stderr
    report = result.json
    assert report["id"] == str(image) and report["label"] == "pneumonia"
    assert report["method"] == method and report["overlay"] == str(out)
    heat = np.load(values)
    assert heat.dtype == np.float32 and heat.ndim == 2 and np.isfinite(heat).all()
    with Image.open(out) as picture:
        assert picture.format == "PNG" and min(picture.size) >= 28
    scored = salus("predict", bundle, image).lines[0]
    assert report["probabilities"] == scored["probabilities"]


def test_prints_the_path_of_the_picture(salus, bundle, image, tmp_path):
    result = salus("explain", bundle, image, "--out", tmp_path / "heat.png", "--threads", 1)
    assert result.stdout == f"{tmp_path / 'heat.png'}\n"


def test_identities_are_nowhere(salus, ct_bundle, tmp_path):
    noise = np.random.default_rng(2).integers(900, 1300, (40, 48), np.uint16)
    path = dicom_files.write(dicom_files.ct(noise), tmp_path / "slice.dcm")
    result = salus("explain", ct_bundle, path, "--out", tmp_path / "heat.png", "--json",
                   "--threads", 1)
    assert result.status == DONE, result.stderr
    dicom_files.assert_anonymous(result.everything())
    dicom_files.assert_anonymous((tmp_path / "heat.png").read_bytes())


def test_missing_file(salus, bundle, tmp_path):
    assert_error(salus("explain", bundle, tmp_path / "none.png"), FAILED, "none.png")


def test_unknown_label(salus, bundle, image, tmp_path):
    result = salus("explain", bundle, image, "--label", "fracture", "--out", tmp_path / "heat.png")
    assert result.status in (FAILED, WRONG_USE) and "fracture" in result.stderr
    assert not (tmp_path / "heat.png").exists()


def test_unknown_method(salus, bundle, image):
    assert_error(salus("explain", bundle, image, "--method", "tea-leaves"), WRONG_USE, "grad-cam")
