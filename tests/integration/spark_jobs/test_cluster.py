"""The same jobs on a Spark standalone cluster, a master and two workers on loopback, build what they build in local mode."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyspark
import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import PROJECT_ROOT, get_settings
from cartwheel.spark import submission
from spark_jobs.lake import SORTED_BY

DAY = date(2017, 3, 31)
USERS, ITEMS, DAYS = 60, 80, 30
SUBMITTED = ("item_cf", "popular")  # the first one's code runs in the executors' Python, the second one's in their JVM
SPARK_HOME = Path(pyspark.__file__).parent
EXECUTOR = {"spark.executor.memory": "512m", "spark.executor.cores": "1", "spark.driver.memory": "1g"}
SOON_OVER = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # compiling well pays only in longer runs
JAVA = {"spark.driver.extraJavaOptions": SOON_OVER, "spark.executor.extraJavaOptions": SOON_OVER}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
SMALL = {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2"}


def write(root: Path, dataset: str, day: date, rows: list[dict]) -> None:
    folder = root / dataset / f"date={day}"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, LAKE_SCHEMAS[dataset]), folder / "part-0.parquet")
    (folder / "_SUCCESS").touch()


def make_shop(root: Path) -> None:
    """Sixty users who each visit about every third day, with a taste: the first items of a kind sell most."""
    random = np.random.default_rng(7)
    for back in range(DAYS):
        day, events = DAY - timedelta(days=back), []
        for user in np.flatnonzero(random.random(USERS) < 0.35):
            kind = random.permutation(4)[0] if random.random() < 0.3 else user % 4
            basket = {int(item) * 4 + int(kind) for item in random.geometric(0.15, size=6) % (ITEMS // 4)}
            for item in sorted(basket):
                moment = datetime(day.year, day.month, day.day, 8 + user % 12, item % 60, tzinfo=UTC)
                key, session = f"u{user:02d}", f"u{user:02d}-{day}"
                event = {"event_id": f"{session}-{item}", "event_type": "purchase", "user_key": key, "item_id": f"i{item:02d}"}
                price = {"quantity": 1.0 + item % 2, "price": 1.5, "value": 1.5 * (1 + item % 2)}
                events.append(event | price | {"event_ts": moment, "session_id": session, "region": "north"})
        write(root, "interactions", day, events)
        words = ("milk", "tea", "jam", "soap")
        hierarchy = [{"department": f"d{n % 2}", "category": f"c{n % 4}", "subcategory": f"s{n % 8}"} for n in range(ITEMS)]
        titles = [{"item_id": f"i{n:02d}", "title": f"{words[n % 4]} no {n // 8}", "available": True} for n in range(ITEMS)]
        write(root, "items", day, [title | levels for title, levels in zip(titles, hierarchy, strict=True)])
        write(root, "users", day, [{"user_key": f"u{n:02d}", "income_band": "high" if n % 2 else "low"} for n in range(USERS)])
        write(root, "item_context", day, [{"item_id": "i01", "mailer": "front", "regions": 3}])
        write(root, "no_consent", day, [{"user_key": "u59"}])


def environment(lake: Path, master: str, events: Path) -> dict[str, str]:
    logged = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    logged |= {"spark.eventLog.rolling.enabled": "false", "spark.eventLog.compress": "false"}
    conf = EXECUTOR | JAVA | LOOPBACK | SMALL | logged
    return os.environ | {
        "CARTWHEEL_LAKE_URI": lake.as_uri(),
        "CARTWHEEL_SPARK_MASTER": master,
        "CARTWHEEL_SPARK_CONF": json.dumps(conf),
        "CARTWHEEL_MIN_ITEM_PURCHASES": "2",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }


def finish(process: subprocess.Popen, log: Path) -> None:
    code = process.wait(timeout=600)
    assert code == 0, log.read_text()[-3000:]


@contextmanager
def started(command: list, log: Path, env: dict[str, str], folder: Path = PROJECT_ROOT) -> Iterator[subprocess.Popen]:
    """A process of this test, ended with it."""
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(log: Path, pattern: str, process: subprocess.Popen) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.1)
    raise TimeoutError(f"{log.name} never said {pattern!r}: {log.read_text()[-3000:]}")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A master and two workers of one core each, on free ports of loopback; the address of the master."""
    java = str(SPARK_HOME / "bin/spark-class")  # becomes the JVM, under the same process id
    address = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    env = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(SPARK_HOME), "SPARK_DAEMON_MEMORY": "256m"}
    with ExitStack() as stack:
        log = folder / "master.log"
        master = stack.enter_context(started([java, "org.apache.spark.deploy.master.Master", *address], log, env))
        url = wait_for(log, r"spark://127\.0\.0\.1:[1-9]\d*", master)
        size = ["--cores", "1", "--memory", "700m"]
        for number in (1, 2):
            log, work = folder / f"worker-{number}.log", folder / f"worker-{number}"
            worker = [java, "org.apache.spark.deploy.worker.Worker", *address, *size, "--work-dir", work, url]
            wait_for(log, "Successfully registered with master", stack.enter_context(started(worker, log, env)))
        yield url


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The lake three times over: built in local mode, by `python -m spark_jobs` on the cluster, and by spark-submit."""
    folder = tmp_path_factory.mktemp("cluster")
    lakes = {name: folder / name for name in ("local", "cluster", "submitted")}
    make_shop(lakes["local"])
    for name in ("cluster", "submitted"):
        lakes[name].mkdir()
        for dataset in lakes["local"].iterdir():
            (lakes[name] / dataset.name).symlink_to(dataset)
    for name in lakes:
        (folder / f"{name}.events").mkdir()
    jobs = [sys.executable, "-m", "spark_jobs", "--date", str(DAY)]
    with ExitStack() as stack:
        env = environment(lakes["local"], "local[2]", folder / "local.events")
        local = stack.enter_context(started(jobs, folder / "local.log", env))
        url = stack.enter_context(cluster(folder))
        finish(local, folder / "local.log")
        env = environment(lakes["cluster"], url, folder / "cluster.events")
        finish(stack.enter_context(started(jobs, folder / "cluster.log", env)), folder / "cluster.log")
        (lakes["submitted"] / "features").symlink_to(lakes["local"] / "features")
        env = environment(lakes["submitted"], url, folder / "submitted.events")
        command = [*submit_command(env), "--date", str(DAY), *SUBMITTED]
        finish(stack.enter_context(started(command, folder / "submitted.log", env)), folder / "submitted.log")
    return lakes


def submit_command(env: dict[str, str]) -> list[str]:
    """spark-submit with what the DAG hands to its operator."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        settings = get_settings()
        options = submission(settings)
    get_settings.cache_clear()
    conf = [part for name, value in options["conf"].items() for part in ("--conf", f"{name}={value}")]
    submit = [str(SPARK_HOME / "bin/spark-submit"), "--master", settings.spark_master, "--deploy-mode", options["deploy_mode"]]
    return [*submit, *conf, options["application"]]


def table(lake: Path, dataset: str) -> pa.Table:
    """A partition, in the order of its keys."""
    files = sorted((lake / dataset / f"date={DAY}").glob("*.parquet"))
    rows = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    keys = [name for name in SORTED_BY if name in rows.schema.names]
    return rows.sort_by([(key, "ascending") for key in keys])


def assert_same(one: pa.Table, other: pa.Table, dataset: str) -> None:
    assert one.schema == other.schema and one.num_rows == other.num_rows > 0, dataset
    for name in one.schema.names:
        if pa.types.is_floating(one.schema.field(name).type):
            assert pc.equal(pc.is_null(one[name]), pc.is_null(other[name])).combine_chunks().true_count == one.num_rows, name
            values = [column[name].to_numpy(zero_copy_only=False) for column in (one, other)]
            np.testing.assert_allclose(*values, rtol=1e-5, err_msg=f"{dataset}.{name}")
        else:
            assert one[name].equals(other[name]), f"{dataset}.{name}"


def outputs() -> list[str]:
    return [dataset for dataset in LAKE_SCHEMAS if dataset.startswith(("features/", "candidates/"))]


def test_every_dataset_of_the_cluster_is_that_of_local_mode(built):
    for dataset in outputs():
        assert_same(table(built["local"], dataset), table(built["cluster"], dataset), dataset)


def test_spark_submit_as_the_dag_runs_it_builds_the_same(built):
    for dataset in (f"candidates/{name}" for name in SUBMITTED):
        assert_same(table(built["local"], dataset), table(built["submitted"], dataset), dataset)


@pytest.mark.parametrize("name", ["cluster", "submitted"])
def test_two_executors_did_the_work(built, name):
    (log,) = (built[name].parent / f"{name}.events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    finished = [event for event in events if event["Event"] == "SparkListenerTaskEnd"]
    tasks = {executor: sum(event["Task Info"]["Executor ID"] == executor for event in finished) for executor in ("0", "1")}
    assert sum(tasks.values()) == len(finished)  # none ran in the driver
    assert min(tasks.values()) >= 5, tasks


def test_executors_take_the_code_that_travels_with_the_jobs(built):
    """Each executor fetched the archive, whatever is installed on its machine."""
    fetched = list((built["local"].parent).glob("worker-*/app-*/*/cartwheel-*.zip"))
    assert {path.parts[-4] for path in fetched} == {"worker-1", "worker-2"}
