"""salus evaluate: metrics with intervals, and a report that stands alone."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

import dicom_files
from conftest import DONE, FAILED, SOME_SKIPPED, WRONG_USE, assert_error

QUICK = ["--passes", "1", "--alone", "2", "--replicates", "200"]


@pytest.fixture(scope="module")
def evaluation(bundle, tiny):
    """Folder of an evaluation on the test part, and what it printed."""
    from conftest import run_salus

    result = run_salus("evaluate", bundle, tiny / "small.npz", "--out", tiny / "evaluation", "--json",
                       *QUICK)
    assert result.status == DONE, result.stderr
    return tiny / "evaluation", result.json


def scores_of(folder):
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return (np.array([float(row["pneumonia"]) for row in rows]),
            np.array([float(row["target:pneumonia"]) for row in rows]),
            np.array([float(row["decision:pneumonia"]) for row in rows]))


class TestMetrics:
    def test_auroc_is_that_of_the_predictions(self, evaluation):
        folder, report = evaluation
        scores, targets, _ = scores_of(folder)
        positive, negative = scores[targets == 1][:, None], scores[targets == 0][None]
        expected = (positive > negative).mean() + (positive == negative).mean() / 2
        assert report["overall"]["auroc"]["value"] == pytest.approx(expected, abs=1e-12)

    def test_threshold_metrics_are_those_of_the_decisions(self, evaluation):
        folder, report = evaluation
        _, targets, decisions = scores_of(folder)
        overall = report["overall"]
        assert overall["accuracy"]["value"] == pytest.approx((targets == decisions).mean())
        assert overall["sensitivity"]["value"] == pytest.approx(decisions[targets == 1].mean())
        assert overall["specificity"]["value"] == pytest.approx(1 - decisions[targets == 0].mean())

    def test_brier_score_is_that_of_the_predictions(self, evaluation):
        folder, report = evaluation
        scores, targets, _ = scores_of(folder)
        assert report["overall"]["brier"]["value"] == pytest.approx(((scores - targets) ** 2).mean())

    def test_every_interval_holds_its_estimate(self, evaluation):
        overall = evaluation[1]["overall"]
        with_interval = [e for e in overall.values() if "low" in e]
        assert len(with_interval) >= 8
        assert all(e["low"] <= e["value"] <= e["high"] for e in with_interval)

    def test_case_counts(self, evaluation):
        report = evaluation[1]
        assert report["n"] == 96 and report["task"] == "binary"
        assert report["interval"]["replicates"] == 200
        assert report["timing"]["cases_per_second"] > 0
        assert report["timing"]["largest_difference"] == 0

    def test_same_seed_same_intervals(self, salus, bundle, tiny, tmp_path, evaluation):
        again = salus("evaluate", bundle, tiny / "small.npz", "--out", tmp_path, "--json", *QUICK).json
        assert again["overall"] == evaluation[1]["overall"]

    def test_another_part(self, salus, bundle, tiny, tmp_path, evaluation):
        report = salus("evaluate", bundle, tiny / "small.npz", "--part", "val", "--out", tmp_path,
                       "--json", *QUICK).json
        assert report["overall"]["auroc"] != evaluation[1]["overall"]["auroc"]
        for name in ("valid", "validation"):
            same = salus("evaluate", bundle, tiny / "small.npz", "--part", name, "--out", tmp_path,
                         "--json", *QUICK).json
            assert same["overall"] == report["overall"]


class TestOutputs:
    def test_metrics_file_is_what_was_printed(self, evaluation):
        assert json.loads((evaluation[0] / "metrics.json").read_text()) == evaluation[1]

    def test_report_needs_no_network(self, evaluation):
        page = (evaluation[0] / "report.html").read_text()
        assert page.lstrip().lower().startswith("<!doctype html")
        assert "AUROC" in page and "<svg" in page
        for attribute in re.findall(r'(?:src|href|action)\s*=\s*"([^"]*)"', page):
            assert attribute.startswith(("data:", "#")), f"the report loads {attribute[:80]}"
        assert not re.search(r"@import|url\((?!['\"]?data:)", page)

    def test_text_names_the_metrics(self, salus, bundle, tiny, tmp_path):
        result = salus("evaluate", bundle, tiny / "small.npz", "--out", tmp_path, *QUICK)
        assert result.status == DONE
        assert "auroc" in result.stdout.lower() and "brier" in result.stdout.lower()
        assert str(tmp_path / "report.html") in result.stderr

    def test_second_bundle_is_compared_on_the_same_cases(self, salus, bundle, tiny, tmp_path):
        other = salus("train", tiny / "tiny.toml", "--fast-dev-run", "--out", tmp_path / "other",
                      "train.seed=99").stdout.strip()
        report = salus("evaluate", bundle, tiny / "small.npz", "--against", other, "--out",
                       tmp_path / "out", "--json", *QUICK).json
        assert report["against"] == other
        assert "p" in json.dumps(report["comparisons"])

    def test_a_bundle_is_no_better_than_itself(self, salus, bundle, tiny, tmp_path):
        report = salus("evaluate", bundle, tiny / "small.npz", "--against", bundle, "--out", tmp_path,
                       "--json", *QUICK).json
        differences = [value for item in _objects(report["comparisons"])
                       for key, value in item.items() if key == "difference"]
        assert differences and all(value in (0, None) or value.get("value", 0) == 0
                                   if isinstance(value, dict) else value in (0, None)
                                   for value in differences)


def _objects(tree):
    """Every JSON object in `tree`."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _objects(item)


class TestDicomManifest:
    def test_subgroups_are_reported_and_patients_are_not(self, salus, ct_bundle, ct_set, tmp_path):
        result = salus("evaluate", ct_bundle, ct_set / "labels.csv", "--subgroups", "scanner", "--out",
                       tmp_path / "out", "--json", *QUICK)
        assert result.status == DONE, result.stderr
        assert result.json["n"] == 24 and result.json["patients"] == 12
        assert {(g["column"], g["value"]) for g in result.json["subgroups"]} == {
            ("scanner", "A"), ("scanner", "B")}
        dicom_files.assert_anonymous(result.everything())
        for path in (tmp_path / "out").iterdir():
            dicom_files.assert_anonymous(path.read_bytes())

    def test_a_file_that_does_not_fit_is_left_out_and_named(self, salus, ct_bundle, ct_set, tmp_path):
        data = dicom_files.ct(np.ones((28, 28), np.uint16), Modality="MR")
        dicom_files.write(data, ct_set / "7.dcm")
        result = salus("evaluate", ct_bundle, ct_set / "labels.csv", "--out", tmp_path / "out", "--json",
                       *QUICK)
        assert result.status == SOME_SKIPPED, result.everything()
        (skipped,) = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
        assert "7.dcm" in skipped and "this file says MR" in skipped
        assert result.json["n"] == 23 and result.json["unreadable"] == 1

    def test_a_part_of_a_manifest(self, salus, ct_bundle, ct_set, tmp_path):
        def evaluate(*arguments):
            return salus("evaluate", ct_bundle, ct_set / "labels.csv", "--out", tmp_path / "out", "--json",
                         *arguments, *QUICK)

        assert evaluate("--split-column", "split").json["n"] == 6, "the test part"
        assert evaluate("--split-column", "split", "--part", "train").json["n"] == 12
        assert evaluate("--split-column", "split", "--part", "validation").json["n"] == 6
        assert_error(evaluate("--part", "train"), WRONG_USE, "--split-column")
        assert_error(evaluate("--split-column", "splot"), FAILED, "splot")

    def test_unknown_column(self, salus, ct_bundle, ct_set, tmp_path):
        result = salus("evaluate", ct_bundle, ct_set / "labels.csv", "--label", "contrst", "--out",
                       tmp_path / "out", *QUICK)
        assert result.status in (FAILED, WRONG_USE) and "contrst" in result.stderr


class TestHeaderPatients:
    """A manifest without patients: those of the DICOM headers are drawn together and never shown."""

    def test_they_are_counted_and_in_no_output(self, salus, ct_bundle, ct_set, tmp_path):
        rows = [line.split(",") for line in (ct_set / "labels.csv").read_text().splitlines()]
        (ct_set / "plain.csv").write_text("".join(f"{row[0]},{row[4]}\n" for row in rows))

        def evaluate(manifest):
            result = salus("evaluate", ct_bundle, ct_set / manifest, "--out", tmp_path / manifest, "--json",
                           *QUICK)
            assert result.status == DONE, result.everything()
            return result

        plain, named = evaluate("plain.csv"), evaluate("labels.csv")
        sentence = "Patients are those of the DICOM headers: 12 of 24 images."
        assert sentence in plain.stderr and sentence not in named.stderr
        assert (plain.json["n"], plain.json["patients"]) == (24, 12)
        assert plain.json["overall"] == named.json["overall"], "intervals are those of 12 patients"
        dicom_files.assert_anonymous(plain.everything())
        written = {path.name: path for path in (tmp_path / "plain.csv").iterdir()}
        assert {"metrics.json", "predictions.csv", "report.html"} <= set(written)
        for path in written.values():
            dicom_files.assert_anonymous(path.read_bytes())


class TestUnreadable:
    """Files of a manifest that are missing or damaged are left out, and said to be."""

    @pytest.fixture
    def holes(self, ct_set):
        (ct_set / "3.dcm").unlink()
        (ct_set / "17.dcm").write_bytes((ct_set / "17.dcm").read_bytes()[:400])
        lines = (ct_set / "labels.csv").read_text().splitlines()
        others = [line for line in lines if not line.startswith(("3.dcm", "17.dcm"))]
        (ct_set / "others.csv").write_text("\n".join(others) + "\n")
        return ct_set

    def test_they_are_skipped_named_and_counted(self, salus, ct_bundle, holes, tmp_path):
        out = tmp_path / "out"
        result = salus("evaluate", ct_bundle, holes / "labels.csv", "--out", out, "--json", *QUICK)
        assert result.status == SOME_SKIPPED, result.everything()
        skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
        assert len(skipped) == 2
        assert str(holes / "3.dcm") in skipped[0] and str(holes / "17.dcm") in skipped[1]
        said = "2 inputs could not be read or scored and are not in these figures."
        assert result.json["n"] == 22 and result.json["unreadable"] == 2
        assert said in result.json["notes"] and said in (out / "report.html").read_text()
        assert json.loads((out / "metrics.json").read_text()) == result.json
        with open(out / "predictions.csv", newline="") as file:
            ids = [row["id"] for row in csv.DictReader(file)]
        assert ids == [f"{i}.dcm" for i in range(24) if i not in (3, 17)]
        dicom_files.assert_anonymous(result.everything())

    def test_the_figures_are_those_of_the_others(self, salus, ct_bundle, holes, tmp_path):
        def evaluate(manifest):
            return salus("evaluate", ct_bundle, holes / manifest, "--out", tmp_path / manifest, "--json",
                         "--subgroups", "scanner", *QUICK)

        some, others = evaluate("labels.csv"), evaluate("others.csv")
        assert others.status == DONE and others.json["unreadable"] == 0
        assert some.json["overall"] == others.json["overall"]
        assert some.json["subgroups"] == others.json["subgroups"]
        rows = [(tmp_path / name / "predictions.csv").read_text() for name in ("labels.csv", "others.csv")]
        assert rows[0] == rows[1]

    def test_a_second_bundle_is_compared_on_the_others_too(self, salus, ct_bundle, holes, tmp_path):
        result = salus("evaluate", ct_bundle, holes / "labels.csv", "--against", ct_bundle, "--out",
                       tmp_path / "out", "--json", *QUICK)
        assert result.status == SOME_SKIPPED, result.everything()
        assert result.json["comparisons"]
        assert result.stderr.count("skipped: ") == 2, "each is told once"

    def test_nothing_readable_is_a_failure(self, salus, ct_bundle, ct_set, tmp_path):
        result = salus("evaluate", ct_bundle, ct_set / "labels.csv", "--root", tmp_path, "--out",
                       tmp_path / "out", *QUICK)
        assert_error(result, FAILED, "None of the 24 cases", "labels.csv", tmp_path / "0.dcm")
        assert not (tmp_path / "out").exists()


class TestFolders:
    """One sub-folder per class."""

    @pytest.fixture
    def folder(self, tiny, tmp_path):
        arrays = np.load(tiny / "small.npz")
        for image, label in zip(arrays["test_images"][:20], arrays["test_labels"][:20]):
            name = tmp_path / "images" / ("pneumonia" if label[0] else "normal")
            name.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(name / f"{len(list(name.iterdir()))}.png")
        return tmp_path / "images"

    def test_the_folder_named_like_the_finding_is_positive(self, salus, bundle, folder, tmp_path):
        result = salus("evaluate", bundle, folder, "--out", tmp_path / "out", "--json", *QUICK)
        assert result.status == DONE, result.stderr
        assert result.json["labels"][0]["positives"] == len(list((folder / "pneumonia").iterdir()))

    def test_without_such_a_folder_nothing_is_evaluated(self, salus, bundle, folder, tmp_path):
        (folder / "pneumonia").rename(folder / "pneumonai")
        assert_error(salus("evaluate", bundle, folder, "--out", tmp_path / "out", *QUICK), FAILED,
                     'did you mean "pneumonai"')

    @pytest.mark.parametrize("option", ["--label", "--patient", "--subgroups", "--file", "--split-column"])
    def test_options_for_columns_are_refused(self, salus, bundle, folder, tmp_path, option):
        assert_error(salus("evaluate", bundle, folder, option, "x", "--out", tmp_path / "out"), WRONG_USE,
                     "no columns")


class TestFailures:
    def test_missing_data(self, salus, bundle, tmp_path):
        assert_error(salus("evaluate", bundle, tmp_path / "none.npz"), FAILED, "none.npz")

    def test_missing_bundle(self, salus, tiny, tmp_path):
        assert_error(salus("evaluate", tmp_path / "none", tiny / "small.npz"), FAILED, "none")

    def test_unknown_part(self, salus, bundle, tiny, tmp_path):
        result = salus("evaluate", bundle, tiny / "small.npz", "--part", "exam", "--out", tmp_path)
        assert result.status in (FAILED, WRONG_USE) and "exam" in result.stderr
