"""What the session takes from the S3 settings, and where the credentials do not show."""

from cartwheel.settings import get_settings
from spark_jobs.session import log_in_to_s3, s3_options


def on_s3(**changes):
    here = {"lake_uri": "s3a://shop-lake", "s3_endpoint_url": "http://s3.example:8333", "s3_region": "eu-west-1"}
    keys = {"s3_access_key_id": "the-key", "s3_secret_access_key": "open sesame"}
    return get_settings().model_copy(update=here | keys | changes)


def test_a_lake_of_files_needs_no_options():
    assert s3_options(on_s3(lake_uri="file:///lake")) == {}


def test_own_endpoints_take_paths_and_amazon_takes_its_region_alone():
    assert s3_options(on_s3()) == {
        "spark.hadoop.fs.s3a.endpoint": "http://s3.example:8333",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.endpoint.region": "eu-west-1",
    }
    assert s3_options(on_s3(s3_endpoint_url=None)) == {"spark.hadoop.fs.s3a.endpoint.region": "eu-west-1"}


def test_credentials_reach_hadoop_and_no_option(spark):
    session = spark.newSession()
    configuration = session.sparkContext._jsc.hadoopConfiguration()
    try:
        log_in_to_s3(session, on_s3())
        reading = session._jsparkSession.sessionState().newHadoopConf()  # what each query hands to its tasks
        assert (reading.get("fs.s3a.access.key"), reading.get("fs.s3a.secret.key")) == ("the-key", "open sesame")
        assert "open sesame" not in str(session.sparkContext.getConf().getAll())
        assert "open sesame" not in session.sparkContext._jsc.sc().conf().toDebugString()
    finally:
        for name in ("fs.s3a.access.key", "fs.s3a.secret.key"):
            configuration.unset(name)


def test_without_a_key_hadoop_is_left_to_the_credentials_of_the_machine(spark):
    log_in_to_s3(spark, on_s3(s3_access_key_id=None))
    assert spark.sparkContext._jsc.hadoopConfiguration().get("fs.s3a.access.key") is None
