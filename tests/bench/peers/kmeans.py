"""Lloyd's algorithm for so many iterations from given centroids.

usage: kmeans.py sklearn|faiss --rows N --batch CLUSTERS --steps ITERATIONS --threads T
"""

import argparse
import warnings

import torch

import worker

DIM = 256


def sklearn_work(points, start, steps):
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    points = points.numpy()

    def work():
        return KMeans(len(start), init=start.numpy(), n_init=1, max_iter=steps, tol=0,
                      algorithm="lloyd").fit(points).inertia_

    return work


def faiss_work(points, start, steps, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    points = points.numpy()

    def work():
        found = faiss.Kmeans(DIM, len(start), niter=steps, max_points_per_centroid=len(points))
        found.train(points, init_centroids=start.numpy())
        return float(found.index.search(points, 1)[0].sum())

    return work


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["sklearn", "faiss"])
    for name in ("rows", "batch", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    points = torch.randn(arguments.rows, DIM)
    start = points[:arguments.batch].clone()
    work = (sklearn_work(points, start, arguments.steps) if arguments.kind == "sklearn" else
            faiss_work(points, start, arguments.steps, arguments.threads))
    worker.serve({"check": [work() / arguments.rows]}, arguments.rows * arguments.steps, work)


if __name__ == "__main__":
    main()
