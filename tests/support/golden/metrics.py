"""Golden values of engine/evaluate from scikit-learn, SciPy and statsmodels.

Run: python metrics.py OUTPUT_FOLDER   (scikit-learn, scipy, statsmodels; see requirements-test.txt)
Writes binary.json, calibration.json, multiclass.json, multilabel.json, regression.json,
intervals.json. Where a definition is our own (ECE by equal mass), it is written here from its text,
without looking at the C++.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats
from scipy.special import expit, logit, log_softmax
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.proportion import proportion_confint

warnings.simplefilter("ignore")
EPS = np.finfo(float).eps
BINS = 15


def number(v):
    """NaN travels as null."""
    return None if v is None or not np.isfinite(v) else float(v)


def ece_from_bins(p, y, bins):
    total = 0.0
    for b in range(BINS):
        inside = bins == b
        if inside.any():
            total += inside.sum() / len(p) * abs(p[inside].mean() - y[inside].mean())
    return total


def ece_equal_width(p, y):
    return ece_from_bins(p, y, np.minimum((p * BINS).astype(int), BINS - 1))


def ece_equal_mass(p, y):
    """The bin of a run of equal scores is the one that holds the middle of its mass."""
    rank = stats.rankdata(p, method="average") - 0.5
    return ece_from_bins(p, y, np.minimum((rank * BINS / len(p)).astype(int), BINS - 1))


def recalibration(p, y):
    x = logit(np.clip(p, EPS, 1 - EPS))
    out = {"calibration_slope": None, "calibration_intercept": None, "calibration_in_the_large": None}
    if len(np.unique(y)) < 2:
        return out
    family = sm.families.Binomial()
    out["calibration_in_the_large"] = optimize.brentq(lambda a: np.sum(y - expit(x + a)), -60, 60,
                                                      xtol=1e-13)
    separated = x[y == 1].min() >= x[y == 0].max() or x[y == 1].max() <= x[y == 0].min()
    if not separated and len(np.unique(x)) > 1:
        fit = sm.GLM(y, sm.add_constant(x), family=family).fit(tol=1e-14, maxiter=300)
        out["calibration_intercept"], out["calibration_slope"] = map(number, fit.params)
    return out


def binary_expected(p, y, threshold):
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    both = positives > 0 and negatives > 0
    call = (p >= threshold).astype(int)
    tn, fp, fn, tp = sk.confusion_matrix(y, call, labels=[0, 1]).ravel() if len(y) else [0] * 4
    ratio = lambda a, b: number(a / b) if b > 0 else None
    any_case = len(y) > 0
    expected = {
        "auroc": number(sk.roc_auc_score(y, p)) if both else None,
        "auprc": number(sk.average_precision_score(y, p)) if both else None,
        "accuracy": number(sk.accuracy_score(y, call)) if any_case else None,
        "balanced_accuracy": number(sk.balanced_accuracy_score(y, call)) if both else None,
        "f1": number(sk.f1_score(y, call)) if positives else None,
        "sensitivity": number(sk.recall_score(y, call)) if positives else None,
        "specificity": ratio(tn, tn + fp),
        "ppv": number(sk.precision_score(y, call)) if tp + fp else None,
        "npv": ratio(tn, tn + fn),
        "brier": number(sk.brier_score_loss(y, p, pos_label=1)) if both else
                 (number(np.mean((p - y) ** 2)) if any_case else None),
        "log_loss": number(sk.log_loss(y, np.clip(p, EPS, 1 - EPS), labels=[0, 1])) if any_case else None,
        "ece": number(ece_equal_width(p, y)) if any_case else None,
        "ece_equal_mass": number(ece_equal_mass(p, y)) if any_case else None,
    }
    return expected | recalibration(p, y), positives, negatives


def binary_cases(rng):
    n = 300
    y = (rng.random(n) < 0.3).astype(float)
    p = expit(rng.normal(1.5 * y - 1, 1))
    masked = y.copy()
    masked[::7] = np.nan
    rare = (rng.random(400) < 0.02).astype(float)
    rare[:3] = 1
    yield "continuous scores", p, y, 0.5
    yield "many ties", np.round(p * 20) / 20, y, 0.35
    yield "threshold on a score", np.round(p * 20) / 20, y, 0.25
    yield "masked targets", p, masked, 0.4
    yield "scores of exactly zero and one", np.clip(np.round((p - 0.5) * 3 + 0.5, 1), 0, 1), y, 0.5
    yield "rare finding", expit(rng.normal(rare - 3, 1)), rare, 0.1
    yield "worse than chance", 1 - p, y, 0.5
    yield "overconfident", expit(4 * logit(p)), y, 0.5
    yield "no case positive", p[:20], np.zeros(20), 0.3
    yield "every case positive", p[:20], np.ones(20), 0.3
    yield "nothing called positive", p * 0.1, y, 0.5
    yield "perfect separation", np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1.0]), 0.5
    yield "equal scores", np.full(10, 0.3), np.array([0, 1] * 5, float), 0.3
    yield "two cases", np.array([0.4, 0.6]), np.array([1.0, 0.0]), 0.5
    yield "three cases", np.array([0.4, 0.4, 0.7]), np.array([1.0, 0.0, 1.0]), 0.5
    yield "one case", np.array([0.4]), np.array([1.0]), 0.5
    yield "every target masked", p[:5], np.full(5, np.nan), 0.5


def binary(rng):
    out = []
    for name, p, y, threshold in binary_cases(rng):
        known = ~np.isnan(y)
        expected, positives, negatives = binary_expected(p[known], y[known], threshold)
        out.append({"name": name, "probabilities": p.tolist(), "targets": [number(v) for v in y],
                    "threshold": threshold, "positives": positives, "negatives": negatives,
                    "masked": int((~known).sum()), "expected": expected})
    return out


def platt(x, y):
    """Platt's targets, by BFGS on the log-likelihood (as sklearn.calibration does)."""
    pos, neg = (y == 1).sum(), (y == 0).sum()
    t = np.where(y == 1, (pos + 1) / (pos + 2), 1 / (neg + 2))
    loss = lambda ab: np.sum(np.logaddexp(0, ab[0] * x + ab[1]) - t * (ab[0] * x + ab[1]))
    fit = optimize.minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-10})
    fit = optimize.minimize(loss, fit.x, method="Nelder-Mead",
                            options={"xatol": 1e-12, "fatol": 1e-14, "maxiter": 5000})
    return fit.x


def temperature(loss):
    fit = optimize.minimize_scalar(lambda u: loss(np.exp(-u)), bounds=(np.log(0.01), np.log(100)),
                                   method="bounded", options={"xatol": 1e-12})
    return float(np.exp(fit.x))


def calibration(rng):
    out = []
    y = (rng.random(200) < 0.4).astype(int)
    x = rng.normal(3 * y - 2, 2.5)
    sets = {"overconfident": (x * 2, y), "ties": (np.round(x), y), "underconfident": (x * 0.2, y),
            "separable": (np.where(y, 2.0, -2.0) + rng.normal(0, 0.1, 200), y),
            "small": (np.array([-1.0, 0.5, 0.2, 2.0]), np.array([0, 1, 0, 1]))}
    for name, (z, labels) in sets.items():
        n = len(z)
        a, b = platt(z, labels)
        loss = lambda beta: np.sum(np.logaddexp(0, beta * z) - labels * beta * z)
        isotonic = IsotonicRegression(out_of_bounds="clip").fit(z, labels)
        at = np.linspace(z.min() - 1, z.max() + 1, 41)
        margin = 1 / (n + 2)
        # sklearn interpolates the raw fit; clipping the knots first is our definition.
        knots = np.clip(isotonic.y_thresholds_, margin, 1 - margin)
        out.append({"name": name, "logits": z.tolist(), "labels": labels.tolist(),
                    "temperature": None if name == "separable" else temperature(loss),
                    "slope": float(a), "intercept": float(b), "at": at.tolist(),
                    "isotonic": np.interp(at, isotonic.X_thresholds_, knots).tolist()})
    c = rng.integers(0, 4, 150)
    z = rng.normal(0, 2, (150, 4))
    z[np.arange(150), c] += 2
    z *= 3
    nll = lambda beta: -log_softmax(beta * z, axis=1)[np.arange(150), c].sum()
    return {"binary": out, "softmax": {"logits": z.tolist(), "classes": c.tolist(),
                                       "temperature": temperature(nll)}}


def multiclass(rng):
    n, classes = 180, 4
    c = rng.choice(classes, n, p=[0.5, 0.3, 0.15, 0.05])
    z = rng.normal(0, 1, (n, classes))
    z[np.arange(n), c] += 1.2
    p = np.exp(log_softmax(z, axis=1))
    onehot = np.eye(classes)[c]
    call = p.argmax(1)
    top = p.max(1)
    right = (call == c).astype(float)
    expected = {
        "accuracy": sk.accuracy_score(c, call),
        "balanced_accuracy": sk.balanced_accuracy_score(c, call),
        "f1_macro": sk.f1_score(c, call, average="macro"),
        "auroc_macro": sk.roc_auc_score(c, p, multi_class="ovr", average="macro"),
        "auroc_micro": sk.roc_auc_score(onehot, p, average="micro"),
        "auprc_macro": sk.average_precision_score(onehot, p, average="macro"),
        "brier": np.mean(((p - onehot) ** 2).sum(1)),
        "log_loss": sk.log_loss(c, p),
        "ece": ece_equal_width(top, right),
    }
    return {"probabilities": p.tolist(), "targets": onehot.tolist(),
            "confusion": sk.confusion_matrix(c, call).tolist(),
            "expected": {k: float(v) for k, v in expected.items()}}


def multilabel(rng):
    n, labels = 160, 3
    y = (rng.random((n, labels)) < [0.5, 0.2, 0.1]).astype(float)
    p = expit(rng.normal(1.3 * y - 0.8, 1))
    y[rng.random((n, labels)) < 0.1] = np.nan
    thresholds = [0.5, 0.3, 0.25]
    known = ~np.isnan(y)
    each = [binary_expected(p[known[:, l], l], y[known[:, l], l], thresholds[l])[0]
            for l in range(labels)]
    mean = lambda key: float(np.mean([e[key] for e in each]))
    expected = {"auroc_macro": mean("auroc"), "auprc_macro": mean("auprc"), "f1_macro": mean("f1"),
                "auroc_micro": float(sk.roc_auc_score(y[known], p[known])),
                "auprc_micro": float(sk.average_precision_score(y[known], p[known])),
                "balanced_accuracy_macro": mean("balanced_accuracy"),
                "brier": mean("brier"), "log_loss": mean("log_loss"), "ece": mean("ece")}
    return {"probabilities": p.tolist(), "targets": [[number(v) for v in row] for row in y],
            "thresholds": thresholds, "expected": expected}


def regression(rng):
    y = rng.normal(50, 10, 120)
    p = y * 0.8 + 12 + rng.normal(0, 4, 120)
    expected = {"mae": sk.mean_absolute_error(y, p), "r2": sk.r2_score(y, p),
                "rmse": sk.root_mean_squared_error(y, p), "bias": float(np.mean(p - y))}
    return {"predictions": p.tolist(), "targets": y.tolist(),
            "expected": {k: float(v) for k, v in expected.items()}}


def intervals():
    wilson = [{"successes": s, "n": n, "level": level,
               "interval": [float(v) for v in proportion_confint(s, n, 1 - level, "wilson")]}
              for s, n, level in [(0, 10, .95), (10, 10, .95), (81, 263, .95), (15, 148, .9), (1, 1, .95)]]
    quantiles = [{"p": p, "z": float(stats.norm.ppf(p))} for p in (0.5, 0.975, 0.995, 1e-6, 0.2)]
    return {"wilson": wilson, "normal_quantile": quantiles}


def main():
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(20240607)
    for name, value in [("binary", binary(rng)), ("calibration", calibration(rng)),
                        ("multiclass", multiclass(rng)), ("multilabel", multilabel(rng)),
                        ("regression", regression(rng)), ("intervals", intervals())]:
        (folder / f"{name}.json").write_text(json.dumps(value) + "\n")


main()
