"""salus train: a configuration in, a folder that tells everything out."""

import csv
import json
import os
import signal
import subprocess
import time
import tomllib

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import dicom_files
from conftest import DONE, FAILED, WRONG_USE, assert_error

DEV = "--fast-dev-run"


@pytest.fixture
def train(salus, tiny, tmp_path):
    """train(arguments, out=NAME): runs the tiny configuration into a fresh folder."""

    def run(*arguments, out="run"):
        return salus("train", tiny / "tiny.toml", "--out", tmp_path / out, *arguments)

    return run


class TestOutputs:
    def test_prints_the_path_of_the_bundle(self, tiny_run):
        out, result = tiny_run
        assert result.stdout == f"{out / 'bundle'}\n"
        assert {p.name for p in (out / "bundle").iterdir()} == {
            "bundle.toml", "model.safetensors", "metrics.json", "MODEL_CARD.md"}

    def test_writes_what_a_run_leaves(self, salus, tiny_run):
        names = {p.name for p in tiny_run[0].iterdir()}
        assert {"config.toml", "environment.json", "log.csv", "log.jsonl", "checkpoints",
                "bundle"} <= names
        environment = json.loads((tiny_run[0] / "environment.json").read_text())
        assert {"salus", "libtorch", "processor", "git_revision", "data_sha256"} <= set(environment)
        assert f"salus {environment['salus']}" == salus("--version").stdout.strip()

    def test_log_has_a_line_per_epoch(self, tiny_run):
        epochs = [json.loads(line) for line in (tiny_run[0] / "log.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in epochs] == [0, 1]
        assert all(np.isfinite(row["train_loss"]) for row in epochs)
        assert all(0 <= row["valid_auroc"] <= 1 for row in epochs)
        assert len((tiny_run[0] / "log.csv").read_text().splitlines()) == 3

    def test_tensorboard_reads_the_same_values(self, tiny_run):
        epochs = [json.loads(line) for line in (tiny_run[0] / "log.jsonl").read_text().splitlines()]
        events = EventAccumulator(str(tiny_run[0]))
        events.Reload()
        for tag, key in (("train/loss", "train_loss"), ("valid/auroc", "valid_auroc")):
            scalars = events.Scalars(tag)
            assert [s.step for s in scalars] == [row["step"] for row in epochs]
            assert [s.value for s in scalars] == pytest.approx([row[key] for row in epochs], rel=1e-6)

    def test_json(self, train, tmp_path):
        result = train(DEV, "--json")
        assert result.status == DONE, result.stderr
        assert result.json["finished"] is True
        assert result.json["bundle"] == str(tmp_path / "run" / "bundle")
        assert len(result.json["weights_sha256"]) == 64

    def test_default_folder_is_named_after_the_configuration(self, salus, tiny, tmp_path):
        result = salus("train", tiny / "tiny.toml", DEV, cwd=tmp_path)
        assert result.status == DONE, result.stderr
        assert (tmp_path / "runs" / "tiny" / "bundle" / "bundle.toml").exists()


class TestReproducibility:
    def test_same_seed_same_weights(self, train):
        hashes = [train(DEV, "--json", f"train.seed={seed}", out=name).json["weights_sha256"]
                  for name, seed in (("a", 3), ("b", 3), ("c", 4))]
        assert hashes[0] == hashes[1] != hashes[2]

    def test_resolved_configuration_trains_the_same(self, salus, tiny, train, tmp_path):
        first = train(DEV, "--json", "train.seed=3", out="a").json["weights_sha256"]
        resolved = tmp_path / "a" / "config.toml"
        again = salus("train", resolved, DEV, "--json", "--out", tmp_path / "b",
                      f"data.root={tiny}").json["weights_sha256"]
        assert first == again

    def test_a_stopped_run_goes_on_to_the_same_bits(self, train, tiny, tmp_path):
        epochs = "train.epochs=6"
        whole = train("--json", epochs, out="whole").json["weights_sha256"]
        checkpoint = tmp_path / "stopped" / "checkpoints" / "last.safetensors"
        process = subprocess.Popen(
            [os.environ["SALUS"], "train", tiny / "tiny.toml", "--out", tmp_path / "stopped", epochs,
             "--json", "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        deadline = time.monotonic() + 60
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
        assert json.loads(printed)["finished"] is False, "it ended before it could be stopped"
        assert process.returncode == 128 + signal.SIGTERM
        assert not (tmp_path / "stopped" / "bundle").exists()
        resumed = train("--json", "--resume", epochs, out="stopped")
        assert resumed.status == DONE, resumed.stderr
        assert resumed.json["finished"] is True
        assert resumed.json["weights_sha256"] == whole


class TestConfiguration:
    def test_overrides_are_in_the_saved_configuration(self, train, tmp_path):
        assert train(DEV, "train.optimizer.lr=0.0125", "model.name=resnet18", "model.small=1",
                     "model.width=8").status == DONE
        saved = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
        assert saved["train"]["optimizer"]["lr"] == 0.0125
        assert saved["model"] == {"name": "resnet18", "small": 1, "width": 8}
        assert saved["train"]["batch_size"] == 32 and "schedule" in saved["train"]

    @pytest.mark.parametrize("override, nearest", [
        ("train.epoch=3", "epochs"),
        ("train.optimiser.lr=0.1", "optimizer"),
        ("trian.epochs=3", "train"),
        ("model.name=resnet81", "resnet18"),
        ("model.widht=3", "width"),
        ("transform.windows=full", "window"),
    ])
    def test_unknown_names_are_refused_with_the_nearest_known_one(self, train, override, nearest):
        assert_error(train(DEV, override), WRONG_USE, nearest)

    @pytest.mark.parametrize("override", [
        "augment.rotate=400", "augment.scale=[0, 1]", "augment.noise=[-1, 0]", "augment.shear=90",
        "augment.gamma=[0, 1]", "augment.gain=[1, inf]", "train.optimizer.lr=inf",
        "bundle.micro_batch=10000", "train.monitor=auc"])
    def test_what_cannot_work_is_refused_before_a_folder_is_made(self, train, tmp_path, override):
        assert_error(train(override), WRONG_USE)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("override", ["train.epochs=0", "train.epochs=many", "train.batch_size=-1",
                                          "task.kind=trinary", "transform.resize=cubic", "=3", "epochs"])
    def test_values_out_of_range_are_wrong_use(self, train, override):
        assert_error(train(DEV, override), WRONG_USE)

    def test_malformed_file_is_named_with_its_line(self, salus, tmp_path):
        path = tmp_path / "bad.toml"
        path.write_text("[task]\nkind = \n")
        assert_error(salus("train", path), WRONG_USE, path, "2")

    def test_missing_configuration(self, salus, tmp_path):
        result = salus("train", tmp_path / "none.toml")
        assert result.status in (FAILED, WRONG_USE) and "none.toml" in result.stderr

    def test_missing_data(self, train):
        assert_error(train(DEV, "data.npz=nowhere.npz"), FAILED, "nowhere.npz")

    def test_every_missing_file_is_named(self, salus, ct_set, tmp_path):
        for name in ("0.dcm", "4.dcm"):  # of the training and the validation part
            (ct_set / name).unlink()
        result = salus("train", ct_set / "ct.toml", DEV, "--out", tmp_path / "run",
                       "data.split.column=split")
        assert_error(result, FAILED, "2 of 24", ct_set / "0.dcm", ct_set / "4.dcm")
        assert not (tmp_path / "run").exists()

    def test_a_folder_with_a_run_is_not_overwritten(self, salus, tiny, tiny_run):
        assert_error(salus("train", tiny / "tiny.toml", "--out", tiny_run[0]), WRONG_USE, "--resume")

    def test_what_is_only_for_the_bundle_may_change_before_a_run_goes_on(self, train, tmp_path):
        assert train().status == DONE
        result = train("--resume", "bundle.micro_batch=4", "card.limits=none")
        assert result.status == DONE, result.everything()
        written = tomllib.loads((tmp_path / "run" / "bundle" / "bundle.toml").read_text())
        assert written["run"]["micro_batch"] == 4
        assert "micro_batch = 4" in (tmp_path / "run" / "config.toml").read_text()

    def test_files_that_no_run_wrote_stay_where_they_are(self, train, tmp_path):
        (tmp_path / "run" / "data").mkdir(parents=True)
        (tmp_path / "run" / "notes.txt").write_text("mine")
        assert train(DEV).status == DONE
        assert train(DEV).status == DONE
        assert train().status == DONE
        assert (tmp_path / "run" / "data").is_dir()
        assert (tmp_path / "run" / "notes.txt").read_text() == "mine"

    def test_a_run_that_failed_before_its_first_checkpoint_is_begun_anew(self, train, tmp_path):
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(b"no weights")
        assert train(f"train.init_weights={bad}").status == FAILED
        assert (tmp_path / "run" / "config.toml").exists()
        assert train().status == DONE

    def test_an_output_folder_that_cannot_be_made_is_named(self, train, tmp_path):
        (tmp_path / "file").write_text("")
        assert_error(train(out="file/run"), FAILED, "file/run")

    def test_a_run_does_not_go_on_with_another_configuration(self, salus, tiny, tiny_run):
        result = salus("train", tiny / "tiny.toml", "--out", tiny_run[0], "--resume", "train.epochs=9")
        assert_error(result, WRONG_USE, "epochs")


class TestDicomManifest:
    def test_no_identity_is_in_any_output_of_a_run(self, salus, ct_set):
        result = salus("train", ct_set / "ct.toml", DEV, "--out", ct_set / "out",
                       "data.split.folds=3", "data.split.fold=1")
        assert result.status == DONE, result.stderr
        dicom_files.assert_anonymous(result.everything())
        written = [path for path in (ct_set / "out").rglob("*") if path.is_file()]
        assert "predictions.csv" in {path.name for path in written}
        for path in written:
            dicom_files.assert_anonymous(path.read_bytes())

    @pytest.fixture
    def unnamed(self, ct_set):
        """Its manifest has no column of patients: only the headers name them."""
        rows = [line.split(",") for line in (ct_set / "labels.csv").read_text().splitlines()]
        (ct_set / "labels.csv").write_text("".join(",".join([row[0], *row[2:]]) + "\n" for row in rows))
        text = (ct_set / "ct.toml").read_text()
        (ct_set / "ct.toml").write_text(text.replace('patient = "patient_id"\n', ""))
        return ct_set

    def test_patients_of_headers_are_never_divided_nor_written(self, salus, unnamed):
        result = salus("train", unnamed / "ct.toml", DEV, "--out", unnamed / "out", "data.split.folds=3",
                       "data.split.fold=1")
        assert result.status == DONE, result.stderr
        assert "Patients are those of the DICOM headers: 12 of 24 images." in result.stderr
        dicom_files.assert_anonymous(result.everything())
        written = [path for path in (unnamed / "out").rglob("*") if path.is_file()]
        for path in written:
            dicom_files.assert_anonymous(path.read_bytes())
        assert {"predictions.csv", "metrics.json", "MODEL_CARD.md"} <= {path.name for path in written}
        with open(unnamed / "out" / "predictions.csv", newline="") as file:
            rows = {int(row["id"].removesuffix(".dcm")): row["patient"] for row in csv.DictReader(file)}
        assert len(rows) == 8 and {i ^ 1 for i in rows} == set(rows), "both slices of each patient"
        assert all(rows[i] == rows[i ^ 1] for i in rows) and len(set(rows.values())) == 4

    def test_a_patient_of_headers_on_both_sides_is_refused_and_not_named(self, salus, unnamed):
        table = (unnamed / "labels.csv").read_text().splitlines()
        table[1] = table[1].replace("train", "valid")
        (unnamed / "labels.csv").write_text("\n".join(table) + "\n")
        result = salus("train", unnamed / "ct.toml", DEV, "--out", unnamed / "out",
                       "data.split.column=split")
        assert_error(result, FAILED, "patient")
        assert not (unnamed / "out").exists()

    def test_what_is_not_in_memory_is_said_not_to_be_compared(self, salus, ct_set):
        def train(*arguments):
            result = salus("train", ct_set / "ct.toml", DEV, "--out", ct_set / "out",
                           "data.split.column=split", *arguments)
            assert result.status == DONE, result.stderr
            return result.stderr

        unsaid = "Not looked for equal images"
        assert unsaid in train("data.cache=false") and unsaid not in train("data.cache=true")

    def test_a_patient_on_both_sides_is_refused_and_not_named(self, salus, ct_set):
        table = (ct_set / "labels.csv").read_text().splitlines()
        table[1] = table[1].replace("train", "valid")  # the same patient's other slice stays
        (ct_set / "labels.csv").write_text("\n".join(table) + "\n")
        result = salus("train", ct_set / "ct.toml", DEV, "--out", ct_set / "out",
                       "data.split.column=split")
        assert_error(result, FAILED, "patient")

    def test_a_slice_that_cannot_be_read_is_named(self, salus, ct_set):
        (ct_set / "5.dcm").write_bytes((ct_set / "5.dcm").read_bytes()[:900])
        result = salus("train", ct_set / "ct.toml", DEV, "--out", ct_set / "out",
                       "data.split.column=split")
        assert_error(result, FAILED, "5.dcm")
