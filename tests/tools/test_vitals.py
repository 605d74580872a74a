"""Vital signs from end to end: train, evaluate and predict on ICU stays."""

import re
import shutil
import tarfile

import pytest

from conftest import DATA, DONE, FAILED, SOME_SKIPPED, WRONG_USE, assert_error

STAYS = DATA / "vitals" / "physionet2012"

CONFIG = """
[task]
kind = "binary"
labels = ["death"]
[data]
stays = ["set-a"]
outcomes = ["Outcomes-a.txt"]
label = "In-hospital_death"
subgroups = ["Gender"]
[data.split]
valid = 0.4
test = 0.0
[transform]
modality = "vitals"
source = "physionet2012"
variables = "variables.toml"
[model]
name = "{model}"
hidden = 8
[train]
epochs = 2
batch_size = 8
precision = "fp32"
[bundle]
micro_batch = 4
"""

VARIABLES = """
[[variable]]
name = "HR"
range = [10, 300]
aggregate = "mean"
[[variable]]
name = "GCS"
[[variable]]
name = "Urine"
aggregate = "sum"
transform = "log1p"
[[static]]
name = "Age"
[[static]]
name = "ICUType"
categories = [1, 2, 3, 4]
"""


@pytest.fixture(scope="module")
def stay_config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stays")
    (folder / "variables.toml").write_text(VARIABLES)

    def write(model="gru"):
        path = folder / f"{model}.toml"
        path.write_text(CONFIG.format(model=model))
        return path

    return write


@pytest.fixture(scope="module")
def stay_bundle(stay_config, tmp_path_factory):
    from conftest import run_salus

    out = tmp_path_factory.mktemp("run") / "run"
    config = stay_config()
    result = run_salus("train", config, "--out", out, f"data.root={STAYS}",
                       f"transform.variables={config.parent / 'variables.toml'}")
    assert result.status == DONE, result.everything()
    return out / "bundle"


def test_evaluation_has_figures_and_a_report(salus, stay_bundle, tmp_path):
    result = salus("evaluate", stay_bundle, STAYS / "set-a", "--outcomes", STAYS / "Outcomes-a.txt",
                   "--label", "In-hospital_death", "--subgroups", "Gender,Age:65", "--replicates", 50,
                   "--out", tmp_path / "evaluation", "--json")
    assert result.status == DONE, result.everything()
    assert 0 <= result.json["overall"]["auroc"]["value"] <= 1
    assert (tmp_path / "evaluation" / "report.html").exists()


def test_folder_and_archive_get_the_same_scores(salus, stay_bundle):
    folder = salus("predict", stay_bundle, STAYS / "set-a")
    archive = salus("predict", stay_bundle, STAYS / "set-a.tar.gz")
    assert folder.status == DONE, folder.stderr
    scores = {line["id"]: line["probabilities"] for line in folder.lines}
    assert len(scores) == 24
    assert {line["id"]: line["probabilities"] for line in archive.lines} == scores
    assert len({score["death"] for score in scores.values()}) > 10


def test_the_file_of_a_stay_gets_its_score(salus, stay_bundle):
    stay = STAYS / "set-a" / "132539.txt"
    one = salus("predict", stay_bundle, stay)
    assert one.status == DONE, one.everything()
    scores = {line["id"]: line["probabilities"] for line in salus("predict", stay_bundle, STAYS / "set-a").lines}
    assert [(line["id"], line["probabilities"]) for line in one.lines] == [("132539", scores["132539"])]
    gone = salus("predict", stay_bundle, stay, "nobody.txt")
    assert gone.status == SOME_SKIPPED and "nobody.txt" in gone.stderr and len(gone.lines) == 1


def test_what_was_met_in_stays_is_told_in_one_line(salus, stay_bundle, stay_config, tmp_path):
    told = re.compile(r"Read 24 stays, [\d,]+ measurements.*; (\d+) unknown variables \([^)]* rows, dropped\).*"
                      r"; 2 stays without a measurement \(kept\)\.")
    config = stay_config()
    for result in (salus("predict", stay_bundle, STAYS / "set-a"),
                   salus("train", config, "--fast-dev-run", "--out", tmp_path / "run", f"data.root={STAYS}",
                         f"transform.variables={config.parent / 'variables.toml'}")):
        assert result.status == DONE, result.everything()
        lines = [line for line in result.stderr.splitlines() if line.startswith("Read ")]
        assert len(lines) == 1 and told.fullmatch(lines[0]), result.stderr
        assert int(told.fullmatch(lines[0])[1]) > 20


def spoiled(folder):
    """The stays of set-a, two of which cannot be read."""
    folder.mkdir()
    for path in (STAYS / "set-a").glob("*.txt"):
        (folder / path.name).write_text(path.read_text())
    names = sorted(path.name for path in folder.glob("*.txt"))
    (folder / names[2]).write_text((folder / names[2]).read_text() + "48:00,HR,fast\n")
    (folder / names[9]).write_text("")
    return names[2], names[9]


def test_stays_that_cannot_be_read_are_skipped_and_named(salus, stay_bundle, tmp_path):
    folder = tmp_path / "ward"
    bad = spoiled(folder)
    with tarfile.open(tmp_path / "ward.tar.gz", "w:gz") as archive:
        archive.add(folder, "ward")
    good = salus("predict", stay_bundle, STAYS / "set-a")
    expected = [line for line in good.lines if f"{line['id']}.txt" not in bad]
    assert len(expected) == 22
    for given, origin in ((folder, f"{folder}/"), (tmp_path / "ward.tar.gz", "ward.tar.gz:ward/")):
        result = salus("predict", stay_bundle, given)
        assert result.status == SOME_SKIPPED, result.everything()
        assert [(line["id"], line["probabilities"]) for line in result.lines] == [
            (line["id"], line["probabilities"]) for line in expected]
        skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
        assert len(skipped) == 2
        assert origin + bad[0] in skipped[0] and "is not a number" in skipped[0]
        assert origin + bad[1] in skipped[1]
        assert "2 of 24 inputs were skipped." in result.stderr


def test_a_single_stay_that_cannot_be_read_is_a_failure(salus, stay_bundle, tmp_path):
    (tmp_path / "1.txt").write_text("Time;Parameter;Value\n")
    result = salus("predict", stay_bundle, tmp_path, "--format", "csv")
    assert result.status == FAILED and "1 of 1 inputs were skipped." in result.stderr
    assert len(result.stdout.splitlines()) == 1, "the header alone"


def test_an_evaluation_leaves_out_stays_that_cannot_be_read(salus, stay_bundle, tmp_path):
    def evaluate(folder):
        return salus("evaluate", stay_bundle, folder, "--outcomes", STAYS / "Outcomes-a.txt", "--label",
                     "In-hospital_death", "--replicates", 20, "--out", tmp_path / "evaluation", "--json")

    bad = spoiled(tmp_path / "ward")
    result = evaluate(tmp_path / "ward")
    assert result.status == SOME_SKIPPED, result.everything()
    assert [name in result.stderr for name in bad] == [True, True]
    assert result.json["n"] == 22 and result.json["unreadable"] == 2
    assert "2 inputs could not be read or scored and are not in these figures." in result.json["notes"]
    for path in (tmp_path / "ward").iterdir():
        path.write_text("")
    assert_error(evaluate(tmp_path / "ward"), FAILED, "None of the 24 cases")


def test_stays_none_of_which_has_a_label_are_refused(salus, stay_bundle, stay_config, tmp_path):
    outcomes = tmp_path / "outcomes.csv"
    header, *rows = (STAYS / "Outcomes-a.txt").read_text().splitlines()
    assert header.endswith(",In-hospital_death")
    outcomes.write_text("\n".join([header] + [row.rpartition(",")[0] + ",-1" for row in rows]) + "\n")
    config = stay_config()
    trained = salus("train", config, "--out", tmp_path / "run", f"data.root={STAYS}",
                    f'data.outcomes=["{outcomes}"]',
                    f"transform.variables={config.parent / 'variables.toml'}")
    assert_error(trained, FAILED, "no case of the training part has a label", "outcomes.csv",
                 "In-hospital_death")
    assert not (tmp_path / "run").exists()
    evaluated = salus("evaluate", stay_bundle, STAYS / "set-a", "--outcomes", outcomes, "--label",
                      "In-hospital_death", "--out", tmp_path / "evaluation")
    assert_error(evaluated, FAILED, "no case of the data has a label", "outcomes.csv",
                 "In-hospital_death")
    assert not (tmp_path / "evaluation").exists()


def test_an_explanation_names_columns_and_says_what_was_measured(salus, stay_bundle, tmp_path):
    stay = salus("predict", stay_bundle, STAYS / "set-a").lines[3]["id"]
    svg = tmp_path / "heatmap.svg"
    found = salus("explain", stay_bundle, STAYS / "set-a", "--stay", stay, "--out", svg).json
    assert [item["column"] for item in found["statics"]][:5] == ["Age", "ICUType=1", "ICUType=2",
                                                                 "ICUType=3", "ICUType=4"]
    measured = {"HR": set(), "GCS": set(), "Urine": set()}
    for line in (STAYS / "set-a" / f"{stay}.txt").read_text().splitlines()[1:]:
        time, variable, _ = line.split(",")
        if variable in measured:
            measured[variable].add(int(time.split(":")[0]))
    kinds = {}
    for item in found["attributions"]:
        kinds[item["value_is"]] = kinds.get(item["value_is"], 0) + 1
        hours = [hour for hour in measured[item["variable"]] if hour <= item["hour"]]
        assert item["value_is"] == ("measured" if item["hour"] in hours else "carried")
        assert item["measured_at"] == max(hours)
    assert kinds["measured"] > 10 and kinds["carried"] > 10
    text = svg.read_text()
    assert "ICUType=2" in text and "dot: measured" in text and text.count("<circle") > 10


def test_an_explanation_adds_up_to_the_score(salus, stay_bundle, tmp_path):
    stay = salus("predict", stay_bundle, STAYS / "set-a").lines[3]["id"]
    result = salus("explain", stay_bundle, STAYS / "set-a", "--stay", stay, "--out",
                   tmp_path / "heatmap.svg")
    assert result.status == DONE, result.everything()
    found = result.json
    total = sum(item["attribution"] for item in found["attributions"] + found["statics"])
    assert abs(found["logit"] - found["baseline_logit"] - total) <= max(
        0.01 * abs(found["logit"] - found["baseline_logit"]), 2e-4)
    assert {item["variable"] for item in found["attributions"]} <= {"HR", "GCS", "Urine"}
    assert (tmp_path / "heatmap.svg").read_text().startswith("<svg")
    assert_error(salus("explain", stay_bundle, STAYS / "set-a", "--stay", "nobody"), FAILED, "nobody")
    assert_error(salus("explain", stay_bundle, STAYS / "set-a"), WRONG_USE, "--stay")
    assert_error(salus("explain", stay_bundle, STAYS / "set-a", "--stay", stay, "--out", "heatmap.png"),
                 WRONG_USE, ".svg")


def test_a_stay_without_rows_is_explained_by_its_statics(salus, stay_bundle, tmp_path):
    svg = tmp_path / "heatmap.svg"
    result = salus("explain", stay_bundle, STAYS / "set-a", "--stay", "140501", "--out", svg)
    assert result.status == DONE, result.everything()
    found = result.json
    assert found["steps"] == 0 and found["attributions"] == []
    difference = found["logit"] - found["baseline_logit"]
    total = sum(item["attribution"] for item in found["statics"])
    assert difference != 0 and abs(difference - total) <= max(0.01 * abs(difference), 2e-4)
    scores = {line["id"]: line["probabilities"] for line in salus("predict", stay_bundle, STAYS / "set-a").lines}
    assert found["probability"] == scores["140501"]["death"]
    text = svg.read_text()
    assert "no rows" in text and "ICUType=2" in text and "dot:" not in text
    other = salus("explain", stay_bundle, STAYS / "set-a", "--stay", "132539", "--out", svg)
    assert other.json["steps"] == 48 and "no rows" not in svg.read_text()


def test_the_bundle_carries_variables_and_statistics(stay_bundle):
    text = (stay_bundle / "bundle.toml").read_text()
    assert "[[transform.variables.variable]]" in text and "log1p" in text
    assert "[transform.statistics]" in text


@pytest.mark.parametrize("model", ["lstm", "gru_d"])
def test_the_other_models_train_too(salus, stay_config, tmp_path, model):
    config = stay_config(model)
    result = salus("train", config, "--fast-dev-run", "--out", tmp_path / "run", f"data.root={STAYS}",
                   f"transform.variables={config.parent / 'variables.toml'}")
    assert result.status == DONE, result.everything()


MEMBERS = """
[[member]]
model = {name = "gru", hidden = 8, summary = 1}
seeds = [0, 1]
[[member]]
model = {name = "tcn", hidden = 8}
train.epochs = 1
[[member]]
model = {name = "boosted_trees", recent = 4, n_estimators = 5, early_stopping_rounds = 2}
"""


def test_an_ensemble_is_one_bundle_of_several_members(salus, stay_config, tmp_path):
    config = tmp_path / "ensemble.toml"
    config.write_text(stay_config().read_text() + MEMBERS)
    overrides = [f"data.root={STAYS}", f"transform.variables={stay_config().parent / 'variables.toml'}"]
    result = salus("train", config, "--out", tmp_path / "run", *overrides)
    assert result.status == DONE, result.everything()
    bundle = tmp_path / "run" / "bundle"
    text = (bundle / "bundle.toml").read_text()
    assert text.count("[[model.member]]") == 4 and 'name = "tcn"' in text
    assert len((tmp_path / "run" / "members" / "2" / "log.csv").read_text().splitlines()) == 2
    scores = salus("predict", bundle, STAYS / "set-a")
    assert scores.status == DONE and len(scores.lines) == 24
    again = salus("train", config, "--out", tmp_path / "run", "--resume", *overrides)
    assert again.status == DONE, again.everything()
    assert [line["probabilities"] for line in salus("predict", bundle, STAYS / "set-a").lines] == [
        line["probabilities"] for line in scores.lines]


TURNS = """
[[member]]
model = {name = "gru", hidden = 8, summary = 1, recent = 4, bins = 8, head = 4}
seeds = [0, 1]
[[member]]
model = {name = "boosted_trees", recent = 4, n_estimators = 9}
"""


def test_members_that_take_turns_are_judged_on_every_case(salus, stay_config, tmp_path):
    config = tmp_path / "turns.toml"
    config.write_text(stay_config().read_text() + TURNS)
    overrides = [f"data.root={STAYS}", f"transform.variables={stay_config().parent / 'variables.toml'}",
                 "data.split.test=0.0"]
    result = salus("train", config, "--out", tmp_path / "run", *overrides, "data.split.member_folds=3")
    assert result.status == DONE, result.everything()
    bundle = tmp_path / "run" / "bundle"
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "| training | 24 |" in card and "| validation |" not in card
    assert "held out from" in card and "in 3 parts" in card
    lines = salus("predict", bundle, STAYS / "set-a").lines
    assert len(lines) == 24
    found = salus("explain", bundle, STAYS / "set-a", "--stay", lines[3]["id"], "--out",
                  tmp_path / "heatmap.svg").json
    total = sum(item["attribution"] for item in found["attributions"] + found["statics"])
    difference = found["logit"] - found["baseline_logit"]
    assert abs(difference - total) <= max(0.01 * abs(difference), 2e-4)
    assert_error(salus("train", config, "--out", tmp_path / "other", *overrides,
                       "data.split.member_folds=5"), WRONG_USE, "member_folds", "3")
    assert not (tmp_path / "other").exists()


def test_trees_train_alone_and_what_they_cannot_take_is_refused(salus, stay_config, tmp_path):
    config = tmp_path / "trees.toml"
    text = stay_config().read_text()
    table = text[text.index("[model]"):text.index("[train]")]
    config.write_text(text.replace(table, '[model]\nname = "boosted_trees"\nrecent = 6\nn_estimators = 8\n'))
    overrides = [f"data.root={STAYS}", f"transform.variables={stay_config().parent / 'variables.toml'}"]
    result = salus("train", config, "--out", tmp_path / "run", *overrides)
    assert result.status == DONE, result.everything()
    rounds = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert 2 <= len(rounds) <= 9 and "valid_auroc" in rounds[0]
    assert salus("train", config, "--out", tmp_path / "dev", "--fast-dev-run", *overrides).status == DONE
    assert_error(salus("train", config, "--out", tmp_path / "no", *overrides, 'train.monitor="au"'),
                 WRONG_USE, "monitor", "auroc")
    assert_error(salus("train", config, "--out", tmp_path / "no2", *overrides,
                       'train.loss.class_weights="balanced"'), WRONG_USE, "class_weights")


def test_an_unknown_key_of_a_member_is_named(salus, stay_config, tmp_path):
    config = tmp_path / "ensemble.toml"
    config.write_text(stay_config().read_text() + MEMBERS.replace("train.epochs", "train.epoch"))
    result = salus("train", config, "--out", tmp_path / "run", f"data.root={STAYS}",
                   f"transform.variables={stay_config().parent / 'variables.toml'}")
    assert_error(result, WRONG_USE, "epochs")


STEPS = DATA / "vitals" / "physionet2019"

STEP_CONFIG = """
[task]
kind = "binary"
labels = ["SepsisLabel"]
[data]
stays = ["."]
[data.split]
valid = 0.4
test = 0.0
[transform]
modality = "vitals"
source = "physionet2019"
steps = 336
variables = "variables.toml"
[model]
name = "gru"
hidden = 8
[train]
epochs = 2
batch_size = 4
bucket = true
precision = "fp32"
[evaluate]
refractory = 6.0
longest_lead = 48.0
[bundle]
micro_batch = 4
"""


@pytest.fixture(scope="module")
def step_bundle(tmp_path_factory):
    from conftest import run_salus

    folder = tmp_path_factory.mktemp("steps")
    (folder / "steps.toml").write_text(STEP_CONFIG)
    (folder / "variables.toml").write_text('[[variable]]\nname = "HR"\n[[variable]]\nname = "Resp"\n')
    result = run_salus("train", folder / "steps.toml", "--out", folder / "run", f"data.root={STEPS}",
                       f"transform.variables={folder / 'variables.toml'}")
    assert result.status == DONE, result.everything()
    return folder / "run" / "bundle"


def hours_of_files():
    return {path.stem: len(path.read_text().splitlines()) - 1 for path in STEPS.glob("*.psv")}


def test_labels_of_steps_give_a_score_for_every_hour(salus, step_bundle):
    result = salus("predict", step_bundle, STEPS)
    assert result.status == DONE, result.everything()
    hours = {}
    for line in result.lines:
        hours.setdefault(line["id"], []).append(line["hour"])
        assert 0 <= line["probabilities"]["SepsisLabel"] <= 1
    assert {stay: len(rows) for stay, rows in hours.items()} == hours_of_files()
    assert all(rows == sorted(rows) and rows[0] == 0 for rows in hours.values())


def test_a_score_of_an_hour_does_not_know_the_hours_after_it(salus, step_bundle, tmp_path):
    whole = salus("predict", step_bundle, STEPS)
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in STEPS.glob("*.psv"):
        lines = path.read_text().splitlines()
        (cut / path.name).write_text("\n".join(lines[:9]) + "\n")
    early = salus("predict", step_bundle, cut)
    scores = {(line["id"], line["hour"]): line["probabilities"] for line in whole.lines}
    assert len(early.lines) > 50
    for line in early.lines:
        assert scores[line["id"], line["hour"]] == line["probabilities"]


def test_steps_are_evaluated_as_rows_of_their_patients(salus, step_bundle, tmp_path):
    result = salus("evaluate", step_bundle, STEPS, "--replicates", 20, "--out", tmp_path / "evaluation",
                   "--json")
    assert result.status == DONE, result.everything()
    assert result.json["n"] == sum(hours_of_files().values())
    assert result.json["patients"] == len(hours_of_files())
    rows = (tmp_path / "evaluation" / "predictions.csv").read_text().splitlines()
    assert rows[0].startswith("id,hour,SepsisLabel")
    assert "Stays over time" in (tmp_path / "evaluation" / "report.html").read_text()
    assert len(rows) - 1 == result.json["n"]


def alarms_of(folder):
    """How many alarms each picture of the report's stays over time shows."""
    section = (folder / "report.html").read_text().split("<h2>Stays over time</h2>")[1]
    section = section.split("</section>")[0]
    panels = section.split('<div class="panel">')[1:]
    return [len(re.findall(r'class="dot s3"', panel)) for panel in panels]


def evaluated(salus, bundle, folder, *arguments):
    result = salus("evaluate", bundle, STEPS, "--replicates", 20, "--out", folder, "--json", *arguments)
    assert result.status == DONE, result.everything()
    point = result.json["labels"][0]["operating_points"][0]["stays"]
    return result.json["alarms"], point["alarms_per_stay_day"]["value"]


def test_table_and_pictures_raise_alarms_by_the_times_of_the_bundle(salus, step_bundle, tmp_path):
    bundle = shutil.copytree(step_bundle, tmp_path / "bundle")
    text = (bundle / "bundle.toml").read_text()
    assert "[alarms]\nrefractory = 6\nlongest_lead = 48\n" in text
    text = re.sub(r"# SHA-256 of all above.*\n", "", text)
    (bundle / "bundle.toml").write_text(re.sub(r"threshold = .*", "threshold = 0.0", text))
    alarms, often = evaluated(salus, bundle, tmp_path / "6")
    assert alarms == {"refractory_hours": 6, "longest_lead_hours": 48}
    assert 3.9 < often < 5, "every step is called, and every sixth hour is an alarm"
    assert "a refractory time of 6 h, a lead of at most 48 h" in (tmp_path / "6" / "report.html").read_text()
    alarms, each = evaluated(salus, bundle, tmp_path / "0", "--refractory", 0, "--longest-lead", 12)
    assert alarms == {"refractory_hours": 0, "longest_lead_hours": 12} and each == 24
    _, once = evaluated(salus, bundle, tmp_path / "1000", "--refractory", 1000)
    assert once < 2
    assert set(alarms_of(tmp_path / "1000")) == {1}
    steps, sixth = alarms_of(tmp_path / "0"), alarms_of(tmp_path / "6")
    hours = set(hours_of_files().values())
    assert set(steps) <= hours and [-(-count // 6) for count in steps] == sixth
    assert_error(salus("evaluate", bundle, STEPS, "--refractory", -1, "--out", tmp_path / "x"), WRONG_USE,
                 "refractory")


@pytest.mark.parametrize("override, word", [("evaluate.refractory=-1", "refractory"),
                                            ("evaluate.longest_lead=0", "longest_lead"),
                                            ("evaluate.refractry=1", "refractory")])
def test_bad_times_of_alarms_are_refused(salus, stay_config, tmp_path, override, word):
    config = stay_config()
    result = salus("train", config, "--out", tmp_path / "run", f"data.root={STAYS}", override,
                   f"transform.variables={config.parent / 'variables.toml'}")
    assert_error(result, WRONG_USE, word)


def test_a_bundle_of_stays_without_the_keys_has_no_table_of_alarms(stay_bundle):
    assert "[alarms]" not in (stay_bundle / "bundle.toml").read_text()


def test_labels_of_stays_do_not_fit_a_model_of_steps(salus, stay_bundle, tmp_path):
    result = salus("evaluate", stay_bundle, STEPS, "--out", tmp_path / "evaluation")
    assert result.status != DONE


def test_an_image_model_is_refused(salus, stay_config, tmp_path):
    config = stay_config("resnet18")
    result = salus("train", config, "--out", tmp_path / "run", f"data.root={STAYS}", "model.hidden=8",
                   f"transform.variables={config.parent / 'variables.toml'}")
    assert_error(result, WRONG_USE)


def test_a_missing_archive_is_named(salus, stay_bundle):
    assert_error(salus("predict", stay_bundle, "nowhere.tar.gz"), FAILED, "nowhere.tar.gz")
