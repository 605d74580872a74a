"""XGBoost on hand-made hourly features of PhysioNet 2019, in Salus' patient folds.

usage: physionet2019_trees.py ARCHIVE --out CSV   (training_setB.tar.gz)

Features of each hour, from it and the hours before alone: value carried forward, hours since it was
measured and measurements so far; of the vital signs also minimum, maximum and mean of the last 6 and 12
hours; change over 6 hours; the descriptors and the hour. Rounds and the threshold of the largest utility
are chosen on a validation part of the other folds. Prints utility and AUROC, and writes one row per hour.
"""

import argparse
import io
import pathlib
import tarfile

import numpy as np
import pandas
from sklearn.metrics import average_precision_score, roc_auc_score
from xgboost import XGBClassifier

import folds
import utility

VITAL_SIGNS = ["HR", "O2Sat", "Temp", "SBP", "MAP", "DBP", "Resp", "EtCO2"]
STATICS = ["Age", "Gender", "Unit1", "Unit2", "HospAdmTime", "ICULOS"]


def read_stays(archive):
    """All rows, stay after stay, with the column "id"."""
    header, lines, ids = None, [], []
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar if m.name.endswith(".psv")), key=lambda m: m.name)
        for member in members:
            first, *rows = tar.extractfile(member).read().decode().split()
            if header not in (None, first):
                raise SystemExit(f"error: {member.name} has other columns than the first stay.")
            header = first
            lines += rows
            ids += [pathlib.Path(member.name).stem] * len(rows)
    frame = pandas.read_csv(io.StringIO("\n".join([header, *lines])), sep="|", dtype=np.float32)
    frame.insert(0, "id", ids)
    return frame


def hours_since(measured, stay):
    """Hours since each column was last measured; NaN before the first time."""
    row = np.arange(len(measured), dtype=float)[:, None]
    last = pandas.DataFrame(np.where(measured, row, np.nan)).groupby(stay).ffill()
    return row - last.to_numpy()


def make_features(frame):
    stay = pandas.factorize(frame.id)[0]
    variables = [name for name in frame.columns if name not in ("id", "SepsisLabel", *STATICS)]
    values = frame[variables]
    measured = values.notna().to_numpy()
    carried = values.groupby(stay).ffill()
    parts = [frame[STATICS].to_numpy(), carried.to_numpy(), hours_since(measured, stay),
             pandas.DataFrame(measured.astype(np.float32)).groupby(stay).cumsum().to_numpy(),
             (carried - carried.groupby(stay).shift(6)).to_numpy()]
    signs = values[VITAL_SIGNS].groupby(stay)
    for hours in (6, 12):
        window = signs.rolling(hours, min_periods=1)
        parts += [getattr(window, what)().to_numpy() for what in ("min", "max", "mean")]
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1), stay


def fit(x, y, train, valid, threads):
    model = XGBClassifier(n_estimators=400, learning_rate=0.06, max_depth=4, min_child_weight=20,
                          subsample=0.5, colsample_bytree=0.3, reg_lambda=5, max_bin=128,
                          eval_metric="auc", early_stopping_rounds=40, n_jobs=threads,
                          random_state=0)
    return model.fit(x[train], y[train], eval_set=[(x[valid], y[valid])], verbose=False)


def out_of_fold(x, y, stay, names, fold_of, arguments):
    """Probability and threshold of each row by the model that never saw its stay."""
    positive = dict(zip(names, np.bincount(stay, y) > 0))
    fold = np.array([fold_of[name] for name in names])
    gain, _ = utility.gains(stay, y)
    probability, threshold = np.empty(len(y)), np.empty(len(y))
    for k in np.unique(fold):
        chosen = folds.validation(positive, fold_of, k, seed=arguments.seed)
        valid_stay = np.array([name in chosen for name in names])
        test, valid = (fold == k)[stay], valid_stay[stay]
        model = fit(x, y, ~test & ~valid, valid, arguments.threads)
        best = utility.best_threshold(model.predict_proba(x[valid])[:, 1], gain[valid])
        probability[test], threshold[test] = model.predict_proba(x[test])[:, 1], best
        print(f"fold {k}: AUROC {roc_auc_score(y[test], probability[test]):.4f}, "
              f"{model.best_iteration + 1} rounds, threshold {best:.4f}", flush=True)
    return probability, threshold, fold[stay]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=pathlib.Path)
    folds.add_options(parser)
    arguments = parser.parse_args()
    frame = read_stays(arguments.archive)
    x, stay = make_features(frame)
    y, names = frame.SepsisLabel.to_numpy(int), frame.id.unique()
    fold_of = folds.choose(arguments, dict(zip(names, np.bincount(stay, y) > 0)))
    print(f"{len(names)} stays, {sum(np.bincount(stay, y) > 0)} septic, {len(y)} hours, "
          f"{x.shape[1]} features, prevalence {y.mean():.4f}", flush=True)
    probability, threshold, fold = out_of_fold(x, y, stay, names, fold_of, arguments)
    gain, best = utility.gains(stay, y)
    print(f"pooled: utility {(gain * (probability >= threshold)).sum() / best.sum():.4f}, "
          f"AUROC {roc_auc_score(y, probability):.4f}, "
          f"AUPRC {average_precision_score(y, probability):.4f}")
    pandas.DataFrame({"model": "xgboost", "id": frame.id, "fold": fold, "hour": frame.ICULOS,
                      "target": y, "probability": probability, "threshold": threshold}
                     ).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
