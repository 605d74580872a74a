"""salus similar: build an index, ask it, change it; alone and on several processes."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import DONE, FAILED, PNEUMONIA, ROOT, SOME_SKIPPED, WRONG_USE, assert_error

rng = np.random.default_rng(3)
VECTORS = rng.normal(size=(900, 12)).astype(np.float32)
VECTORS[600:620] = VECTORS[100:120]  # equal scores far apart
SITES = np.where(np.arange(900) % 3 == 0, "A", "B")
AGES = 20 + np.arange(900) % 70


def similarity(metric, query, rows):
    query, rows = query.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return -((rows - query) ** 2).sum(1)
    dots = rows @ query
    return dots if metric == "ip" else dots / np.linalg.norm(query) / np.linalg.norm(rows, axis=1)


def write_table(path, first=0, count=900):
    lines = ["pid,site,age," + ",".join(f"v{i}" for i in range(12))]
    for i in range(first, first + count):
        lines.append(f"p{i},{SITES[i]},{AGES[i]}," + ",".join(str(v) for v in VECTORS[i]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "table.csv")


@pytest.fixture
def index(salus, table, tmp_path):
    """An index of the table in exact float32: p0 to p899 with site and age."""
    result = salus("similar", "build", table, "--out", tmp_path / "index", "--id", "pid",
                   "--attributes", "site,age", "--dtype", "f32", "--json")
    assert result.status == DONE, result.stderr
    assert result.json == {"index": str(tmp_path / "index"), "rows": 900, "dim": 12,
                           "unfindable": 0}
    return tmp_path / "index"


def ids(line):
    return [neighbour["id"] for neighbour in line["neighbours"]]


class TestQuery:
    @pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
    def test_finds_what_numpy_finds(self, salus, table, tmp_path, metric):
        salus("similar", "build", table, "--out", tmp_path / "i", "--id", "pid",
              "--attributes", "site,age", "--dtype", "f32", "--metric", metric)
        result = salus("similar", "query", tmp_path / "i", table, "-k", 5, "--exact")
        assert result.status == DONE, result.stderr
        assert len(result.lines) == 900
        for i in (0, 1, 100, 610, 899):
            line = result.lines[i]
            assert line["id"] == f"p{i}" and line["certain"] is True
            scores = similarity(metric, VECTORS[i], VECTORS)
            expected = np.argsort(-scores, kind="stable")[:5]
            assert ids(line)[2:] == [f"p{j}" for j in expected][2:]
            found = [n["score"] for n in line["neighbours"]]
            assert found == pytest.approx(scores[expected], rel=1e-5, abs=1e-5)

    def test_equal_rows_rank_in_the_order_of_the_index(self, salus, index, table):
        lines = salus("similar", "query", index, table, "-k", 2, "--exact").lines
        assert ids(lines[105]) == ids(lines[605]) == ["p105", "p605"]

    @pytest.mark.parametrize("dtype", ["bf16", "f16", "int8"])
    def test_small_rows_with_originals_find_the_same_as_float32(self, salus, index, table, tmp_path,
                                                                 dtype):
        salus("similar", "build", table, "--out", tmp_path / "i", "--id", "pid",
              "--attributes", "site,age", "--dtype", dtype, "--originals")
        arguments = (table, "-k", 4, "--exact")
        assert (salus("similar", "query", tmp_path / "i", *arguments).stdout
                == salus("similar", "query", index, *arguments).stdout)

    def test_a_query_that_is_not_certain_says_how_far(self, salus, index, table):
        lines = salus("similar", "query", index, table, "-k", 3).lines
        exact = salus("similar", "query", index, table, "-k", 3, "--exact").lines
        assert all(line["certain"] for line in exact) and "bound" not in exact[0]
        for line, best in zip(lines, exact):
            if line["certain"]:
                assert line == best
            else:
                last = line["neighbours"][-1]["score"] if line["neighbours"] else -np.inf
                assert best["neighbours"][-1]["score"] <= last + line["bound"]

    def test_conditions_and_attributes(self, salus, index, table):
        result = salus("similar", "query", index, table, "-k", 50, "--exact", "--where", "site=A",
                       "--where", "age>=60", "--show", "age,site")
        allowed = {f"p{i}" for i in range(900) if SITES[i] == "A" and AGES[i] >= 60}
        for line in result.lines[:20]:
            assert set(ids(line)) <= allowed and len(ids(line)) == 50
            for neighbour in line["neighbours"]:
                assert neighbour["attributes"]["site"] == "A"
                assert neighbour["attributes"]["age"] == AGES[int(neighbour["id"][1:])]

    def test_spaces_around_text_count_neither_in_rows_nor_in_conditions(self, salus, tmp_path):
        (tmp_path / "t.csv").write_text("pid,site,v\na, A,1\nb,A,2\nc,\"A \",3\nd,B,4\ne,,5\nf, ,6\n")
        salus("similar", "build", tmp_path / "t.csv", "--out", tmp_path / "i", "--id", "pid",
              "--attributes", "site", "--metric", "l2", "--dtype", "f32")

        def found(*more):
            lines = salus("similar", "query", tmp_path / "i", tmp_path / "t.csv", "-k", 6, "--exact",
                          *more).lines
            return {line["id"]: set(ids(line)) for line in lines}

        for condition in ("site=A", "site= A", "site =A "):
            assert found("--where", condition)["d"] == {"a", "b", "c"}
        assert found("--where", "site=")["d"] == {"e", "f"}
        assert found("--same", "site") == {"a": {"a", "b", "c"}, "b": {"a", "b", "c"},
                                           "c": {"a", "b", "c"}, "d": {"d"}, "e": set(), "f": set()}

    def test_rows_of_the_same_site_only(self, salus, index, table):
        result = salus("similar", "query", index, table, "-k", 7, "--same", "site", "--exclude-self")
        for i, line in enumerate(result.lines):
            assert len(ids(line)) == 7 and f"p{i}" not in ids(line)
            assert all(SITES[int(id[1:])] == SITES[i] for id in ids(line))

    def test_exclude_self(self, salus, index, table):
        lines = salus("similar", "query", index, table, "-k", 1, "--exact", "--exclude-self").lines
        assert ids(lines[105]) == ["p605"] and ids(lines[605]) == ["p105"]

    def test_queries_with_holes_find_nothing_and_are_counted(self, salus, index, tmp_path):
        header = ",".join(f"v{i}" for i in range(12))
        (tmp_path / "q.csv").write_text(f"{header}\n{',' * 11}\n{','.join(['1'] * 12)}\n")
        result = salus("similar", "query", index, tmp_path / "q.csv", "-k", 2)
        assert result.status == SOME_SKIPPED
        assert result.lines[0]["neighbours"] == [] and len(result.lines[1]["neighbours"]) == 2
        assert [line["id"] for line in result.lines] == [0, 1]
        assert "1 of 2 queries have missing or infinite values" in result.stderr

    def test_integer_ids_stay_integers(self, salus, tmp_path):
        np.save(tmp_path / "v.npy", VECTORS[:20])
        salus("similar", "build", tmp_path / "v.npy", "--out", tmp_path / "i", "--dtype", "f32")
        result = salus("similar", "query", tmp_path / "i", tmp_path / "v.npy", "-k", 1)
        assert [line["neighbours"][0]["id"] for line in result.lines] == list(range(20))

    def test_threads_do_not_change_a_bit(self, salus, index, table):
        one, two = (salus("similar", "query", index, table, "-k", 9, "--exact", "--threads", n)
                    for n in (1, 2))
        assert one.stdout == two.stdout


class TestChange:
    def test_append_delete_compact(self, salus, table, tmp_path):
        first = write_table(tmp_path / "first.csv", 0, 500)
        rest = write_table(tmp_path / "rest.csv", 500, 400)
        build = salus("similar", "build", first, "--out", tmp_path / "i", "--id", "pid",
                      "--attributes", "site,age", "--dtype", "f32")
        assert build.status == DONE and build.stdout.split() == [
            "index", str(tmp_path / "i"), "rows", "500", "dim", "12", "unfindable", "0"]
        added = salus("similar", "append", tmp_path / "i", rest, "--json")
        assert added.json["added"] == 400 and added.json["rows"] == 900

        gone = salus("similar", "delete", tmp_path / "i", "p3", "p700", "--json")
        assert gone.status == DONE and gone.json["deleted"] == 2 and "compact" in gone.stderr
        gone = salus("similar", "delete", tmp_path / "i", "-", stdin="p4\np5\nnobody\n")
        assert gone.status == SOME_SKIPPED and "unknown: nobody" in gone.stderr
        gone = salus("similar", "delete", tmp_path / "i", "--where", "site=A", "--where", "age<40",
                     "--json")
        left = [i for i in range(900)
                if i not in (3, 4, 5, 700) and not (SITES[i] == "A" and AGES[i] < 40)]
        assert gone.json["rows"] == len(left)

        def found():
            result = salus("similar", "query", tmp_path / "i", table, "-k", 10, "--exact")
            return {id for line in result.lines for id in ids(line)}, result.stdout

        before, answers = found()
        assert before <= {f"p{i}" for i in left}
        row = VECTORS[700].tobytes()
        assert any(row in path.read_bytes() for path in (tmp_path / "i").iterdir())
        compacted = salus("similar", "compact", tmp_path / "i", "--json")
        assert compacted.json["erased"] == 900 - len(left) and compacted.json["segments"] == 1
        assert not any(row in path.read_bytes() for path in (tmp_path / "i").iterdir())
        assert found()[1] == answers

    def test_deleting_nobody_fails(self, salus, index):
        result = salus("similar", "delete", index, "nobody")
        assert result.status == FAILED and "unknown: nobody" in result.stderr

    def test_delete_needs_to_know_what(self, salus, index):
        assert_error(salus("similar", "delete", index), WRONG_USE, "either by their ids or by --where")
        assert_error(salus("similar", "delete", index, "p1", "--where", "age>3"), WRONG_USE, "either")

    def test_ids_that_are_there_are_refused_or_replaced(self, salus, index, tmp_path):
        again = write_table(tmp_path / "again.csv", 10, 2)
        assert_error(salus("similar", "append", index, again), FAILED, '"p10"', "--replace")
        result = salus("similar", "append", index, again, "--replace", "--json")
        assert result.json["replaced"] == 2 and result.json["rows"] == 900

    def test_an_index_is_replaced_by_force_only(self, salus, index, tmp_path):
        small = write_table(tmp_path / "small.csv", 0, 5)
        arguments = ("similar", "build", small, "--out", index, "--id", "pid", "--attributes",
                     "site,age")
        assert_error(salus(*arguments), FAILED, "is an index already", "--force")
        assert salus(*arguments, "--force", "--json").json["rows"] == 5

    def test_rows_with_holes_are_counted_and_never_found(self, salus, tmp_path):
        vectors = VECTORS[:10].copy()
        vectors[4, 3] = np.nan
        np.save(tmp_path / "v.npy", vectors)
        result = salus("similar", "build", tmp_path / "v.npy", "--out", tmp_path / "i", "--json")
        assert result.status == SOME_SKIPPED and result.json["unfindable"] == 1
        assert "1 of 10 rows have missing or infinite values" in result.stderr
        np.save(tmp_path / "q.npy", VECTORS[4:5])
        found = salus("similar", "query", tmp_path / "i", tmp_path / "q.npy", "-k", 10).lines
        assert len(found[0]["neighbours"]) == 9 and 4 not in ids(found[0])

    def test_standardise_makes_columns_count_alike(self, salus, tmp_path):
        (tmp_path / "t.csv").write_text("pid,mm,year\na,1,2000\nb,3,2010\nc,2,2020\nd,1.1,2020\n")
        (tmp_path / "q.csv").write_text("mm,year\n1,2012\n")
        for flags, nearest in (((), "b"), (("--standardise",), "d")):
            salus("similar", "build", tmp_path / "t.csv", "--out", tmp_path / "i", "--id", "pid",
                  "--metric", "l2", "--dtype", "f32", "--force", *flags)
            line = salus("similar", "query", tmp_path / "i", tmp_path / "q.csv", "-k", 1).lines[0]
            assert ids(line) == [nearest]


class TestRefusals:
    def test_another_dimension(self, salus, index, tmp_path):
        np.save(tmp_path / "v.npy", VECTORS[:3, :5])
        assert_error(salus("similar", "query", index, tmp_path / "v.npy"), FAILED,
                     "vectors of 5 values", "of 12")

    def test_unknown_columns(self, salus, index, table, tmp_path):
        (tmp_path / "q.csv").write_text("v0,v1\n1,2\n")
        assert_error(salus("similar", "query", index, tmp_path / "q.csv"), FAILED,
                     'no column "v2"', 'did you mean "v')
        assert_error(salus("similar", "query", index, table, "--where", "sitee=A"), WRONG_USE,
                     'did you mean "site"?')
        assert_error(salus("similar", "build", table, "--out", tmp_path / "i", "--id", "pdi"), FAILED,
                     'did you mean "pid"?')
        assert not (tmp_path / "i").exists()

    def test_what_is_no_index(self, salus, table, tmp_path):
        assert_error(salus("similar", "query", tmp_path / "none", table), FAILED, "is not a folder")
        for command in ("compact", "inspect"):
            assert_error(salus("similar", command, tmp_path), FAILED, "is not a similarity index")

    def test_damage(self, salus, index, table):
        segment = next(index.glob("segment-*.rows"))
        data = bytearray(segment.read_bytes())
        data[5000] ^= 1
        segment.write_bytes(data)
        for command in (("query", index, table), ("inspect", index)):
            assert_error(salus("similar", *command), FAILED, segment.name, "is damaged")
        segment.write_bytes(data[:-1])
        assert_error(salus("similar", "query", index, table), FAILED, segment.name, "truncated")

    def test_wrong_use(self, salus, index, table, tmp_path):
        assert_error(salus("similar", "build", table, "--out", tmp_path / "i", "--metric", "dot"),
                     WRONG_USE, "cosine, ip, l2")
        assert_error(salus("similar", "query", index, table, "-k", 0), WRONG_USE, "-k must be")
        assert_error(salus("similar", "query", index, table, "--device", "gpu"), WRONG_USE,
                     "There is no device 'gpu'")
        assert salus("similar").status == WRONG_USE


def test_inspect_says_what_an_index_is(salus, index):
    salus("similar", "delete", index, "p1")
    report = salus("similar", "inspect", index, "--json").json
    assert report["rows"] == 899 and report["deleted"] == 1 and report["checksums"] == "right"
    assert report["metric"] == "cosine" and report["dtype"] == "f32" and report["dim"] == 12
    assert report["attributes"] == {"site": "text", "age": "number"} and report["ids"] == "text"
    assert report["bytes"] == sum(p.stat().st_size for p in index.glob("segment-*"))


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def on_processes(count, *arguments):
    """Runs the program on `count` processes as torchrun would: (status, stdout, stderr) of each."""
    binary = os.environ.get("SALUS", str(ROOT / "build" / "dev" / "tools" / "salus"))
    port = str(free_port())
    started = []
    for rank in range(count):
        environment = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank),
                       "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        started.append(subprocess.Popen(
            [binary, *map(str, arguments), "--threads", "1"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment))
    results = []
    for process in started:
        out, err = process.communicate(timeout=120)
        results.append((process.returncode, out, err))
    return results


def torchrun(count, launch, *arguments):
    """Runs the program on `count` processes by torchrun itself, which comes with LibTorch."""
    site = next((ROOT / ".venv").glob("lib/python3*/site-packages"))
    binary = os.environ.get("SALUS", str(ROOT / "build" / "dev" / "tools" / "salus"))
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node", str(count),
         *launch, binary, *map(str, arguments), "--threads", "1"],
        capture_output=True, text=True, cwd=ROOT, timeout=240,
        env={**os.environ, "PYTHONPATH": str(site)})


class TestManyProcesses:
    @pytest.mark.parametrize("served_by", ["the agent", "rank 0"])
    def test_torchrun_starts_them(self, salus, index, table, served_by):
        """Whether its agent serves the store of the processes or leaves that to the first of them."""
        launch = {"the agent": ["--standalone"],
                  "rank 0": ["--rdzv-backend", "static", "--master-addr", "127.0.0.1",
                             "--master-port", str(free_port())]}[served_by]
        arguments = ("similar", "query", index, table, "-k", 5, "--exact")
        result = torchrun(2, launch, *arguments)
        assert result.returncode == DONE, result.stderr
        assert result.stdout == salus(*arguments).stdout != ""

    @pytest.mark.parametrize("count", [2, 3])
    def test_the_output_is_that_of_one_process_to_the_bit(self, salus, table, tmp_path, count):
        """bf16 rows in two segments with deletions; the shards cut through both."""
        first = write_table(tmp_path / "first.csv", 0, 500)
        rest = write_table(tmp_path / "rest.csv", 500, 400)
        salus("similar", "build", first, "--out", tmp_path / "i", "--id", "pid", "--attributes",
              "site,age")
        salus("similar", "append", tmp_path / "i", rest)
        salus("similar", "delete", tmp_path / "i", "p3", "p300", "p600")
        for extra in ((), ("--where", "age>=50", "--exclude-self", "--show", "age"),
                      ("--same", "site")):
            arguments = ("similar", "query", tmp_path / "i", table, "-k", 12, "--exact", *extra)
            alone = salus(*arguments)
            results = on_processes(count, *arguments)
            assert [status for status, _, _ in results] == [DONE] * count, results
            assert results[0][1] == alone.stdout and len(alone.lines) == 900
            assert all(out == "" for _, out, _ in results[1:]), "rank 0 alone speaks"

    @pytest.mark.parametrize("k", [1, 7, 8])
    def test_a_single_query(self, salus, index, tmp_path, k):
        one = write_table(tmp_path / "one.csv", 5, 1)
        arguments = ("similar", "query", index, one, "-k", k, "--exact")
        results = on_processes(2, *arguments)
        assert [status for status, _, _ in results] == [DONE] * 2, results
        assert results[0][1] == salus(*arguments).stdout != ""

    def test_more_processes_than_blocks_of_rows(self, salus, tmp_path):
        few = write_table(tmp_path / "few.csv", 0, 10)
        salus("similar", "build", few, "--out", tmp_path / "i", "--id", "pid", "--attributes",
              "site,age")
        arguments = ("similar", "query", tmp_path / "i", few, "-k", 12, "--exact")
        assert on_processes(3, *arguments)[0][1] == salus(*arguments).stdout

    def test_an_error_ends_every_process(self, salus, index, table):
        results = on_processes(2, "similar", "query", index, table, "--where", "sitee=A")
        assert [status for status, _, _ in results] == [WRONG_USE] * 2
        assert all("did you mean" in err for _, _, err in results)

    def test_variables_that_make_no_sense(self, salus, index, table):
        environment = {"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "127.0.0.1",
                       "MASTER_PORT": "1"}
        assert_error(salus("similar", "query", index, table, environment=environment), WRONG_USE,
                     'RANK="2"', "torchrun")
        environment = {"WORLD_SIZE": "2", "RANK": "0"}
        assert_error(salus("similar", "query", index, table, environment=environment), WRONG_USE,
                     "MASTER_ADDR")


class TestEmbeddings:
    """Real images: PneumoniaMNIST through the bundle of this repository."""

    @pytest.fixture(scope="class")
    def embedded(self, tmp_path_factory):
        from conftest import run_salus

        folder = tmp_path_factory.mktemp("embeddings")
        arrays = np.load(PNEUMONIA)
        chosen = np.random.default_rng(1).permutation(624)[:160]
        rows = ["file,label,part"]
        for part, numbers in (("known", chosen[:120]), ("asked", chosen[120:])):
            for i in numbers:
                path = folder / f"{i}.png"
                Image.fromarray(arrays["test_images"][i]).save(path)
                rows.append(f"{path},{int(arrays['test_labels'][i].item())},{part}")
            files = [folder / f"{i}.png" for i in numbers]
            result = run_salus("predict", ROOT / "weights" / "pneumonia-28", *files, "--embeddings",
                               folder / f"{part}.npy")
            assert result.status == DONE, result.stderr
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
        return folder, {row.split(",")[0]: row.split(",")[1] for row in rows[1:]}

    def test_neighbours_of_pneumonia_are_mostly_pneumonia(self, salus, embedded, tmp_path):
        folder, labels = embedded
        built = salus("similar", "build", folder / "known.npy", "--out", tmp_path / "i", "--table",
                      folder / "labels.csv", "--id", "file", "--attributes", "label,part", "--json")
        assert built.status == DONE and built.json["rows"] == 120, built.stderr
        result = salus("similar", "query", tmp_path / "i", folder / "asked.npy", "-k", 5, "--show",
                       "label", "--exact")
        assert result.status == DONE, result.stderr
        assert [line["id"] for line in result.lines] == \
            (folder / "asked.npy.ids.txt").read_text().splitlines()
        same = {"0": [], "1": []}
        for line in result.lines:
            for neighbour in line["neighbours"]:
                assert str(neighbour["attributes"]["label"]) == labels[neighbour["id"]]
                same[labels[line["id"]]].append(labels[neighbour["id"]] == labels[line["id"]])
        assert np.mean(same["1"]) > 0.8, "the base rate is 0.62"
        assert np.mean(same["0"]) > 0.6, "the base rate is 0.38"

    def test_embeddings_find_themselves(self, salus, embedded, tmp_path):
        folder, _ = embedded
        salus("similar", "build", folder / "known.npy", "--out", tmp_path / "i", "--dtype", "f32")
        lines = salus("similar", "query", tmp_path / "i", folder / "known.npy", "-k", 1).lines
        assert [ids(line)[0] for line in lines] == [line["id"] for line in lines]
        assert all(line["neighbours"][0]["score"] == pytest.approx(1, abs=1e-5) for line in lines)
