"""XGBoost and logistic regression on summary features of PhysioNet 2012, in Salus' patient folds.

usage: physionet2012_trees.py FOLDER --out CSV   (FOLDER holds set-a.tar.gz, set-b.tar.gz, Outcomes-*.txt)

Features: minimum, maximum, mean, first, last, count and slope of each variable, and the descriptors.
Prints pooled and mean AUROC and AUPRC, and writes one row per model and stay.
"""

import argparse
import pathlib
import tarfile

import numpy as np
import pandas
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

import folds

STATICS = ["Age", "Gender", "Height", "ICUType", "Weight"]


def read_events(folder):
    """stay, hour, Parameter and Value of every row; -1 descriptors and nameless rows left out."""
    parts = {}
    for archive in ("set-a.tar.gz", "set-b.tar.gz"):
        with tarfile.open(folder / archive) as tar:
            for member in tar:
                if member.name.endswith(".txt"):
                    stem = pathlib.Path(member.name).stem
                    parts[stem] = pandas.read_csv(tar.extractfile(member), dtype={"Value": float})
    frame = pandas.concat(parts, names=["stay", "row"]).reset_index("stay")
    frame = frame[frame.Parameter.notna() & (frame.Parameter != "RecordID")]
    clock = frame.Time.str.split(":", expand=True).astype(int)
    frame["hour"] = clock[0] + clock[1] / 60
    return frame[~(frame.Parameter.isin(STATICS) & (frame.Value == -1))]


def slopes(events):
    """Least-squares slope of each stay's variable over time; 0 where there is one time."""
    key = [events.stay, events.Parameter]
    t = events.hour - events.hour.groupby(key).transform("mean")
    v = events.Value - events.Value.groupby(key).transform("mean")
    square = (t * t).groupby(key).sum()
    return ((t * v).groupby(key).sum() / square.where(square > 0)).fillna(0)


def summarise(frame):
    """One row per stay."""
    at_admission = (frame.hour == 0) & frame.Parameter.isin(STATICS)
    statics = frame[at_admission].groupby(["stay", "Parameter"]).Value.first().unstack()
    events = frame[~(at_admission & (frame.Parameter != "Weight"))]
    grouped = events.groupby(["stay", "Parameter"])
    table = grouped.Value.agg(["min", "max", "mean", "first", "last", "count"])
    table["slope"] = slopes(events)
    wide = table.unstack("Parameter")
    wide["count"] = wide["count"].fillna(0)
    wide.columns = [f"{name} {what}" for what, name in wide.columns]
    kinds = pandas.get_dummies(statics.ICUType, prefix="ICUType", dtype=float)
    return statics.drop(columns="ICUType").join(kinds).join(wide, how="outer").astype(np.float32)


def read_outcomes(folder):
    tables = [pandas.read_csv(folder / f"Outcomes-{part}.txt") for part in "ab"]
    table = pandas.concat(tables)
    return pandas.Series(table["In-hospital_death"].to_numpy(), table.RecordID.astype(str))


def xgboost(threads):
    return XGBClassifier(n_estimators=600, learning_rate=0.025, max_depth=4, min_child_weight=3,
                         subsample=0.7, colsample_bytree=0.3, reg_lambda=3, n_jobs=threads,
                         random_state=0)


class LogisticOnSummaries:
    """Values outside the training part's central 98 % are drawn in; medians where missing."""

    def fit(self, x, y):
        self.low, self.high = np.nanquantile(x, [0.01, 0.99], axis=0)
        self.model = make_pipeline(SimpleImputer(strategy="median", add_indicator=True),
                                   StandardScaler(), LogisticRegression(C=0.003, max_iter=2000))
        self.model.fit(np.clip(x, self.low, self.high), y)
        return self

    def predict_proba(self, x):
        return self.model.predict_proba(np.clip(x, self.low, self.high))


def out_of_fold(make, x, y, fold):
    scores = np.empty(len(y))
    for k in np.unique(fold):
        model = make().fit(x[fold != k], y[fold != k])
        scores[fold == k] = model.predict_proba(x[fold == k])[:, 1]
    return scores


def report(name, y, scores, fold):
    inside = [fold == k for k in np.unique(fold)]
    line = [f"{name:<9}"]
    for metric, measure in (("AUROC", roc_auc_score), ("AUPRC", average_precision_score)):
        mean = np.mean([measure(y[k], scores[k]) for k in inside])
        line.append(f"{metric} pooled {measure(y, scores):.4f}, mean {mean:.4f}")
    print("   ".join(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folds.add_options(parser)
    arguments = parser.parse_args()
    outcomes = read_outcomes(arguments.folder)
    features = summarise(read_events(arguments.folder)).reindex(outcomes.index)
    x, y = features.to_numpy(), outcomes.to_numpy()
    fold_of = folds.choose(arguments, dict(zip(outcomes.index, y == 1)))
    fold = np.array([fold_of[name] for name in outcomes.index])
    print(f"{len(y)} stays, {y.sum()} deaths, {x.shape[1]} features, prevalence {y.mean():.4f}")
    tables = []
    for name, make in (("xgboost", lambda: xgboost(arguments.threads)),
                       ("logistic", LogisticOnSummaries)):
        scores = out_of_fold(make, x, y, fold)
        report(name, y, scores, fold)
        tables.append(pandas.DataFrame({"model": name, "id": outcomes.index, "fold": fold,
                                        "target": y, "probability": scores}))
    pandas.concat(tables).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
