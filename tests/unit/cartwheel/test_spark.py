"""What Spark is started with, from the settings: options, the DAG's submission, the code that travels."""

import subprocess
import sys
import zipfile

import pytest

from cartwheel.settings import PROJECT_ROOT, Settings, get_settings
from cartwheel.spark import code_archive, launch_options, submission


def settings(**changes) -> Settings:
    return get_settings().model_copy(update=changes)


def test_options_follow_the_settings_and_spark_conf_has_the_last_word():
    conf = {"spark.executor.cores": "4", "spark.driver.memory": "8g"}
    chosen = settings(spark_driver_memory="5g", spark_executor_memory="6g", spark_packages="a:b:1", spark_conf=conf)
    assert launch_options(chosen) == {
        "spark.driver.memory": "8g",
        "spark.executor.memory": "6g",
        "spark.jars.packages": "a:b:1",
        "spark.executor.cores": "4",
    }


def test_credentials_among_the_options_are_refused():
    shown = settings(spark_conf={"spark.hadoop.fs.s3a.secret.key": "open sesame"})
    with pytest.raises(ValueError, match=r"CARTWHEEL_SPARK_CONF holds spark\.hadoop\.fs\.s3a\.secret\.key") as error:
        launch_options(shown)
    assert "open sesame" not in str(error.value)


def test_submission_says_nothing_of_modes_and_code_where_tasks_run_in_the_driver():
    local = submission(settings(spark_master="local[*]", spark_conf={}))
    assert local["application"] == str(PROJECT_ROOT / "spark_jobs/__main__.py")
    assert (local["deploy_mode"], local["py_files"]) == (None, None)


@pytest.mark.parametrize(
    ("master", "mode", "application", "code_travels"),
    [
        ("spark://master:7077", "client", str(PROJECT_ROOT / "spark_jobs/__main__.py"), False),  # the session sends it
        ("yarn", "cluster", str(PROJECT_ROOT / "spark_jobs/__main__.py"), True),
        ("k8s://https://host:443", "cluster", f"local://{PROJECT_ROOT}/spark_jobs/__main__.py", False),  # in the image
    ],
)
def test_submission_to_a_cluster(master, mode, application, code_travels):
    options = submission(settings(spark_master=master, spark_deploy_mode=mode))
    assert (options["application"], options["deploy_mode"]) == (application, mode)
    assert (options["py_files"] is not None) == code_travels


def test_the_same_code_is_archived_once_and_can_be_imported(tmp_path):
    archive = code_archive(tmp_path)
    assert code_archive(tmp_path) == archive and list(tmp_path.iterdir()) == [archive]
    names = zipfile.ZipFile(archive).namelist()
    assert {"cartwheel/contracts.py", "spark_jobs/job.py", "spark_jobs/__main__.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]
    program = "import spark_jobs.matrix, cartwheel.contracts as c; print(spark_jobs.matrix.__file__, c.__file__)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {program}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()
    assert [str(archive) in path for path in printed] == [True, True]
