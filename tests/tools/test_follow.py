"""`salus predict --follow`: rows come in, risks go out, as `salus predict` gives them for whole stays."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import DONE, FAILED, ROOT, SOME_SKIPPED, WRONG_USE, assert_error, run_salus
from test_vitals import CONFIG, STAYS, VARIABLES

HEADER = "stay_id,time,variable,value\n"


@pytest.fixture(scope="module")
def stay_bundle(tmp_path_factory):
    """A network trained on hourly bins of the small PhysioNet 2012 set."""
    folder = tmp_path_factory.mktemp("follow")
    (folder / "variables.toml").write_text(VARIABLES)
    (folder / "gru.toml").write_text(CONFIG.format(model="gru"))
    result = run_salus("train", folder / "gru.toml", "--out", folder / "run", f"data.root={STAYS}",
                       f"transform.variables={folder / 'variables.toml'}")
    assert result.status == DONE, result.everything()
    return folder / "run" / "bundle"


def rows_of(name):
    """A PhysioNet 2012 file as rows of a long table, and its statics."""
    rows, statics = [], {}
    lines = (STAYS / "set-a" / f"{name}.txt").read_text().splitlines()[1:]
    for line in lines:
        time, variable, value = line.split(",")
        hours, minutes = map(int, time.split(":"))
        if variable in ("Age", "ICUType"):
            statics[variable] = value
        elif variable not in ("RecordID", "Gender", "Height"):
            rows.append(f"{name},{hours + minutes / 60},{variable},{value}\n")
    return rows[(rows[0].split(",")[2] == "Weight"):], statics


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """Three real stays as rows in order of time, their statics, and their names."""
    folder = tmp_path_factory.mktemp("ward")
    names = ["132539", "132540", "132541"]
    rows, statics = [], "stay_id,Age,ICUType\n"
    for name in names:
        some, of = rows_of(name)
        rows += some
        statics += f"{name},{of['Age']},{of['ICUType']}\n"
    rows.sort(key=lambda row: float(row.split(",")[1]))
    (folder / "statics.csv").write_text(statics)
    return rows, folder / "statics.csv", names


class Follower:
    """The program while it runs; its lines as they come."""

    def __init__(self, *arguments, stdin=subprocess.PIPE):
        binary = os.environ.get("SALUS", str(ROOT / "build" / "dev" / "tools" / "salus"))
        self.process = subprocess.Popen(
            [binary, "predict", "--threads", "1", "--follow", *map(str, arguments)], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self):
        return self.lines.get(timeout=60)

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, how=None):
        """Sends a signal, or ends standard input. Returns status, the lines left, and stderr."""
        if how is not None:
            self.process.send_signal(how)
        elif self.process.stdin:
            self.process.stdin.close()
        self.reader.join(60)
        status = self.process.wait(60)
        return status, list(self.lines.queue), self.process.stderr.read()


def last_of(lines):
    return {line["id"]: line["probabilities"]["death"] for line in lines}


def predicted(stay_bundle, salus):
    result = salus("predict", stay_bundle, STAYS / "set-a")
    return {line["id"]: line["probabilities"]["death"] for line in result.lines}


def test_risks_at_the_end_are_those_of_the_batch(salus, stay_bundle, ward):
    rows, statics, names = ward
    result = salus("predict", "--follow", stay_bundle, "-", "--statics", statics,
                   stdin=HEADER + "".join(rows))
    assert result.status == DONE, result.everything()
    expected = predicted(stay_bundle, salus)
    got = last_of(result.lines)
    assert set(got) == set(names)
    for name in names:
        assert got[name] == pytest.approx(expected[name], abs=1e-6)
    assert result.stderr.count('no variable "SysABP"') <= 1, "unknown variables are told once"
    assert {"id", "time", "decisions", "alarms", "stale"} <= set(result.lines[0])


def test_every_row_is_answered_at_once(stay_bundle):
    follower = Follower(stay_bundle, "-")
    follower.write(HEADER)
    said = []
    for hour in range(4):
        follower.write(f"a,{hour},HR,{60 + 40 * hour}\n")
        said.append(follower.next())
    status, left, _ = follower.end()
    assert (status, left) == (DONE, [])
    assert [line["time"] for line in said] == [0, 1, 2, 3]
    assert len({line["probabilities"]["death"] for line in said}) == 4


def test_rows_that_come_together_are_answered_one_by_one(salus, stay_bundle, ward):
    rows, statics, _ = ward
    known = [row for row in rows if row.split(",")[2] in ("HR", "Temp")][:200]
    result = salus("predict", "--follow", stay_bundle, "-", "--statics", statics,
                   stdin=HEADER + "".join(known))
    assert [(line["id"], line["time"]) for line in result.lines] == [
        (row.split(",")[0], pytest.approx(float(row.split(",")[1]))) for row in known]


def test_malformed_rows_are_named_and_skipped(salus, stay_bundle):
    result = salus("predict", "--follow", stay_bundle, "-",
                   stdin=HEADER + "a,0,HR,80\na,x,HR,80\na,1\na,1,HR,90\n")
    assert result.status == SOME_SKIPPED
    assert [line["time"] for line in result.lines][-1] == 1
    assert "line 3" in result.stderr and "line 4" in result.stderr
    assert "Read 4 rows; 2 rows not readable (skipped)." in result.stderr
    assert "2 of 4 rows were skipped." in result.stderr


@pytest.mark.parametrize("how", [None, signal.SIGTERM])
def test_rows_left_out_are_counted_at_the_end_and_no_stay_is_named(stay_bundle, how):
    follower = Follower(stay_bundle, "-", "--history", 1)
    follower.write(HEADER)
    for row in ("0,HR,80", "0,Mood,1", "0,Mood,2", "5,HR,500", "5,HR,85", "1,HR,90", "900,HR,90"):
        follower.write(f"Jane Roe,{row}\n")
        follower.next()
    status, _, stderr = follower.end(how)
    assert status == DONE, "rows dropped by the model's rules are no failure"
    remark = ("Read 7 rows; 2 rows of unknown variables (dropped), 1 value outside of its plausible "
              "range (dropped), 1 row outside of the hours that the model sees (dropped), 1 late row "
              "(dropped; the history reaches back 1 bin).")
    assert stderr.splitlines().count(remark) == 1, stderr
    assert "Jane" not in stderr


def test_nothing_is_remarked_if_every_row_was_taken(salus, stay_bundle):
    result = salus("predict", "--follow", stay_bundle, "-", stdin=HEADER + "a,0,HR,80\na,1,HR,\n")
    assert (result.status, "Read" in result.stderr) == (DONE, False), result.stderr


def with_rules(bundle, to, rules):
    """A copy of a bundle that reads rows by other rules."""
    shutil.copytree(bundle, to)
    text = re.sub(r"# SHA-256 of all above.*\n", "", (to / "bundle.toml").read_text())
    assert "[transform.rows]" not in text
    (to / "bundle.toml").write_text(f"{text}\n[transform.rows]\n{rules}\n")
    return to


def test_rows_that_the_bundle_refuses_are_told_and_other_stays_go_on(salus, stay_bundle, tmp_path):
    rules = 'duplicates = "refuse"\nunsorted = "refuse"\nfuture = "refuse"\nlatest = 40.0'
    bundle = with_rules(stay_bundle, tmp_path / "bundle", rules)
    rows = "a,2,HR,80\na,1,HR,200\nb,1,HR,80\na,41,HR,200\na,2,HR,200\na,3,HR,80\n"
    result = salus("predict", "--follow", bundle, "-", stdin=HEADER + rows)
    assert result.status == SOME_SKIPPED, result.everything()
    lines = result.stderr.splitlines()
    for line, what in ((3, "the time is before that of an earlier row of the stay"),
                       (5, "the time is after the latest that is allowed"),
                       (6, "the variable has a row at this time already")):
        assert f"skipped: standard input line {line}: {what}; the row is refused." in lines
    assert ("Read 6 rows; 1 future row (refused), 1 unsorted row (refused), 1 duplicate row "
            "(refused).") in lines
    assert "3 of 6 rows were skipped." in lines
    good = salus("predict", "--follow", bundle, "-",
                 stdin=HEADER + "a,2,HR,80\nb,1,HR,80\na,3,HR,80\n")
    assert last_of(result.lines) == last_of(good.lines)


def test_unsorted_rows_are_dropped_where_the_bundle_says_so(salus, stay_bundle, tmp_path):
    bundle = with_rules(stay_bundle, tmp_path / "bundle", 'unsorted = "drop"')
    result = salus("predict", "--follow", bundle, "-",
                   stdin=HEADER + "a,2,HR,80\na,1,HR,200\na,3,HR,80\n")
    assert result.status == DONE
    assert "1 unsorted row (dropped)" in result.stderr


def test_a_growing_file_is_followed_and_a_partial_line_waits(stay_bundle, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "a,0,HR,80\n")
    follower = Follower(stay_bundle, path, stdin=None)
    assert follower.next()["time"] == 0
    with path.open("a") as file:
        file.write("a,1,HR,9")
        file.flush()
        file.write("0\na,2,HR")
        file.flush()
        assert follower.next()["time"] == 1
        file.write(",100\n")
        file.flush()
        assert follower.next()["time"] == 2
    assert follower.end(signal.SIGTERM)[0] == DONE


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_snapshot_goes_on_where_it_ended(salus, stay_bundle, ward, tmp_path, how):
    rows, statics, names = ward
    path, snapshot = tmp_path / "rows.csv", tmp_path / "ward"
    half = len(rows) // 2
    path.write_text(HEADER + "".join(rows[:half]) + rows[half][:5])
    arguments = (stay_bundle, path, "--statics", statics, "--snapshot", snapshot)
    first = Follower(*arguments, stdin=None)
    first.next()
    while not first.lines.empty():
        first.next()
    status, _, stderr = first.end(how)
    assert status == DONE, stderr
    assert snapshot.exists()
    path.write_text(HEADER + "".join(rows))
    second = Follower(*arguments, stdin=None)
    seen = {}
    while len(seen) < len(names) or "".join(rows[-1:]).split(",")[0] not in seen:
        line = second.next()
        seen[line["id"]] = line["probabilities"]["death"]
    status, left, _ = second.end(signal.SIGTERM)
    assert status == DONE
    seen |= last_of(left)
    expected = predicted(stay_bundle, salus)
    for name in names:
        assert seen[name] == pytest.approx(expected[name], abs=1e-6)


def test_a_damaged_or_foreign_snapshot_is_refused_by_name(salus, stay_bundle, tmp_path):
    snapshot = tmp_path / "ward"
    snapshot.write_bytes(b"SALUSTAY" + b"\0" * 50)
    arguments = ("predict", "--follow", stay_bundle, "-", "--snapshot", snapshot)
    assert_error(salus(*arguments, stdin=HEADER), FAILED, snapshot)
    snapshot.unlink()
    assert salus(*arguments, stdin=HEADER + "a,0,HR,80\n").status == DONE
    assert_error(salus(*arguments, "--history", 2, stdin=HEADER), FAILED, snapshot, "history")


def test_a_damaged_snapshot_names_the_one_before(salus, stay_bundle, tmp_path):
    snapshot, previous = tmp_path / "ward", tmp_path / "ward.previous"
    arguments = ("predict", "--follow", stay_bundle, "-", "--snapshot", snapshot)
    for _ in range(2):
        assert salus(*arguments, stdin=HEADER + "a,0,HR,80\n").status == DONE
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    assert_error(salus(*arguments, stdin=HEADER), FAILED, f"move {previous} to {snapshot}")
    previous.rename(snapshot)
    assert salus(*arguments, stdin=HEADER).status == DONE


def test_a_snapshot_that_cannot_be_written_is_refused_before_a_row_is_read(salus, stay_bundle, tmp_path):
    for snapshot in (tmp_path / "nowhere" / "ward", tmp_path):
        result = salus("predict", "--follow", stay_bundle, "-", "--snapshot", snapshot,
                       stdin=HEADER + "a,0,HR,80\n")
        assert_error(result, FAILED, snapshot)


def test_a_snapshot_that_fails_is_told_and_tried_again(stay_bundle, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    follower = Follower(stay_bundle, "-", "--snapshot", folder / "ward", "--snapshot-every", 0.01)

    def say(hour):
        follower.write(f"a,{hour},HR,80\n")
        follower.next()

    def told(line=""):
        while "No snapshot was kept" not in line:
            line = follower.process.stderr.readline()
            assert line, "the program has ended"
        return line

    follower.write(HEADER)
    say(0)
    folder.rename(tmp_path / "gone")
    say(1)
    assert str(folder) in told()
    (tmp_path / "gone").rename(folder)
    (folder / "ward").unlink(missing_ok=True)
    say(2)
    assert follower.end()[0] == DONE
    assert (folder / "ward").exists()


def test_a_last_snapshot_that_fails_is_an_error(stay_bundle, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    follower = Follower(stay_bundle, "-", "--snapshot", folder / "ward")
    follower.write(HEADER + "a,0,HR,80\n")
    follower.next()
    folder.rename(tmp_path / "gone")
    status, _, stderr = follower.end()
    assert status == FAILED
    assert "error: " in stderr and str(folder / "ward") in stderr


def test_late_corrected_stale_and_discharged_stays(stay_bundle):
    follower = Follower(stay_bundle, "-", "--history", 2, "--duplicates", "drop", "--stale-after", 1e-4,
                        "--discharge", "Discharge")
    follower.write(HEADER)

    def say(row):
        follower.write(row + "\n")
        line = follower.next()
        while line["stale"]:
            line = follower.next()
        return line["probabilities"]["death"]

    first = say("a,0,HR,80")
    on_time = say("b,0,HR,80"), say("b,1,HR,150"), say("b,2,GCS,3")
    late = say("a,2,GCS,3"), say("a,1,HR,150")
    assert first == on_time[0] and late[1] == on_time[2] != late[0]
    assert say("a,2,GCS,15") != late[1]
    assert say("a,2,GCS,3") == late[1]
    stale = follower.next()
    while not stale["stale"]:
        stale = follower.next()
    follower.write("a,2,Discharge,1\n")
    assert say("a,0,HR,80") == first
    assert follower.end()[0] == DONE


def test_alarms_keep_quiet_for_the_refractory_time_of_the_bundle(stay_bundle, tmp_path):
    bundle = shutil.copytree(stay_bundle, tmp_path / "bundle")
    text = re.sub(r"# SHA-256 of all above.*\n", "", (bundle / "bundle.toml").read_text())
    text = re.sub(r"threshold = .*", "threshold = 0.0", text)
    (bundle / "bundle.toml").write_text(text.replace("[run]", "[alarms]\nrefractory = 2\n[run]"))

    def raised(*arguments):
        follower = Follower(bundle, "-", *arguments)
        follower.write(HEADER)
        alarms = []
        for hour in range(5):
            follower.write(f"a,{hour},HR,80\n")
            if follower.next()["alarms"]["death"]:
                alarms.append(hour)
        assert follower.end()[0] == DONE
        return alarms

    assert raised() == [0, 2, 4]
    assert raised("--refractory", 0) == [0, 1, 2, 3, 4]
    assert raised("--refractory", 3) == [0, 3]


def test_wrong_use(salus, stay_bundle, bundle):
    assert_error(salus("predict", "--follow", stay_bundle, "-", "--format", "csv"), WRONG_USE)
    assert_error(salus("predict", "--follow", stay_bundle, "a", "b"), WRONG_USE)
    assert_error(salus("predict", "--follow", bundle, "-", stdin=HEADER), WRONG_USE, "vital signs")
    assert_error(salus("predict", "--follow", stay_bundle, "-", stdin="id,time\n"), FAILED, "stay_id")
    assert_error(salus("predict", "--follow", stay_bundle, "nowhere.csv"), FAILED, "nowhere.csv")
