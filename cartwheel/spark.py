"""How Spark is started, from the settings alone: what must be known before its JVM runs, and the code that its executors need.

The jobs' session and the DAG that submits them both ask here, so that they start Spark alike. Nothing here imports Spark.
"""

import hashlib
import io
import zipfile
from pathlib import Path

from cartwheel.settings import LOCAL_DIR, PROJECT_ROOT, Settings

PACKAGES = ("cartwheel", "spark_jobs")  # what the jobs import
SECRET_OPTIONS = ("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key", "spark.hadoop.fs.s3a.session.token")


def launch_options(settings: Settings) -> dict[str, str]:
    """Options that take effect only before the JVM starts, then `spark_conf`, which has the last word.

    Raises:
        ValueError: `spark_conf` holds a credential of S3, which would be shown on command lines and in event logs.
    """
    if shown := sorted(set(SECRET_OPTIONS) & set(settings.spark_conf)):
        raise ValueError(
            f"CARTWHEEL_SPARK_CONF holds {', '.join(shown)}, which every user of the machine could read: "
            "set CARTWHEEL_S3_ACCESS_KEY_ID and CARTWHEEL_S3_SECRET_ACCESS_KEY instead"
        )
    options = {
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.executor.memory": settings.spark_executor_memory,
        "spark.jars.packages": settings.spark_packages,
        "spark.jars": settings.spark_jars,
    }
    return {name: value for name, value in options.items() if value} | settings.spark_conf


def is_local(master: str) -> bool:
    """Whether tasks run inside the driver's own process."""
    return master.startswith("local")


def submission(settings: Settings) -> dict:
    """What `SparkSubmitOperator` needs to run all jobs, but for their arguments.

    On Kubernetes in cluster mode the driver's image holds the program; on YARN the code travels with it.
    """
    cluster = settings.spark_deploy_mode == "cluster"
    in_image = cluster and settings.spark_master.startswith("k8s://")
    program = str(PROJECT_ROOT / "spark_jobs/__main__.py")
    return {
        "application": f"local://{program}" if in_image else program,
        "conf": launch_options(settings),
        "deploy_mode": None if is_local(settings.spark_master) else settings.spark_deploy_mode,
        "py_files": str(code_archive()) if cluster and not in_image else None,
    }


def code_archive(folder: Path = LOCAL_DIR / "spark") -> Path:
    """A zip of the packages that the executors import; the same code gives the same file, under the same name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            for file in sorted((PROJECT_ROOT / package).rglob("*.py")):
                archive.writestr(zipfile.ZipInfo(str(file.relative_to(PROJECT_ROOT))), file.read_bytes())
    path = folder / f"cartwheel-{hashlib.sha256(content.getvalue()).hexdigest()[:12]}.zip"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(content.getvalue())
        temporary.replace(path)
    return path
