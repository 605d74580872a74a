"""Ten nearest of N unit vectors of 256 values by inner product, for Q queries.

usage: similarity.py bfloat16|float32|faiss --rows N --batch Q --threads T
"""

import argparse

import torch

import worker

DIM, AT_ONCE, NEIGHBOURS = 256, 100_000, 10


def unit_rows(count):
    rows = torch.randn(count, DIM)
    return rows / rows.norm(2, 1, True)


def vectors(rows, batch):
    """(queries, rows): the same as in similarity_benches.cpp."""
    torch.manual_seed(1)
    queries = unit_rows(batch)
    return queries, torch.cat([unit_rows(min(AT_ONCE, rows - begin)) for begin in range(0, rows, AT_ONCE)])


def torch_work(queries, rows, dtype):
    queries, columns = queries.to(dtype), rows.to(dtype).t()

    def work():
        return torch.topk(torch.mm(queries, columns), NEIGHBOURS)

    return work


def faiss_work(queries, rows, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(DIM)
    index.add(rows.numpy())
    asked = queries.numpy()

    def work():
        return tuple(torch.from_numpy(found) for found in index.search(asked, NEIGHBOURS))

    return work


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["bfloat16", "float32", "faiss"])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    queries, rows = vectors(arguments.rows, arguments.batch)
    truth = torch_work(queries, rows, torch.float32)()[1]
    if arguments.kind == "faiss":
        work = faiss_work(queries, rows, arguments.threads)
    else:
        work = torch_work(queries, rows, getattr(torch, arguments.kind))
    scores, ids = work()
    recall = (ids[:, :, None] == truth[:, None, :]).any(2).double().mean().item()
    worker.serve({"check": [scores.double().mean().item()], "recall": recall}, arguments.batch, work)


if __name__ == "__main__":
    main()
