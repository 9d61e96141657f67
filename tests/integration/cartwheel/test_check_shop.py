"""What `check-shop` says before the load is what `ops.loaded_files` shows after it; `land` skips what is there."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cartwheel import lake, warehouse
from cartwheel.ingest import ingest
from cartwheel.settings import get_settings
from cartwheel.shop.check_shop import check_folder, check_landing_bucket
from cartwheel.shop.init_shop import propose
from cartwheel.shop.land import land_folder
from cartwheel.shop.mapping import load_mapping, read_mapping

pytestmark = pytest.mark.usefixtures("stores")
SAMPLES = Path(__file__).parents[2] / "unit/cartwheel/shop/samples"


@pytest.fixture
def empty_platform() -> Iterator[None]:
    """No landed files, nothing in raw; and again afterwards."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    bucket = get_settings().landing_bucket
    for item in lake.list_objects(bucket):
        lake.s3_client().delete_object(Bucket=bucket, Key=item["Key"])
    with warehouse.connect(autocommit=True) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname = 'raw' or (schemaname = 'ops' and tablename in ('loaded_files', 'loaded_dates'))"
        ).fetchall()
        connection.execute(f"truncate {', '.join(name for (name,) in tables)} cascade")


@pytest.mark.usefixtures("empty_platform")
@pytest.mark.parametrize("shop", ["online_retail", "retailrocket", "yoochoose", "datefolders", "hm"])
def test_the_figures_of_the_check_are_those_of_the_load(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shop_file = tmp_path / "shop.yaml"
    shop_file.write_text(propose(SAMPLES / shop))
    monkeypatch.setattr(get_settings(), "shop_file", str(shop_file))
    before = check_folder(SAMPLES / shop, read_mapping(shop_file))
    land_folder(SAMPLES / shop)
    landed = check_landing_bucket(load_mapping())
    assert [vars(check) for check in landed.files] == [vars(check) for check in before.files]
    ingest(before.last_date or date.max)
    with warehouse.connect() as connection:
        loaded = connection.execute(
            "select key, source, dataset, rows_read, accepted, rejected, duplicates, filtered from ops.loaded_files order by 1, 2"
        ).fetchall()
        events = dict(connection.execute("select event_type, count(*) from raw.interactions group by 1").fetchall())
    expected = [
        (c.file, c.source, c.dataset, c.rows_read, c.accepted, c.rejected, c.duplicates, c.filtered) for c in before.files
    ]
    assert loaded == sorted(expected)
    assert events == before.events_by_type


@pytest.mark.usefixtures("empty_platform")
def test_land_uploads_what_is_new_or_changed(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.csv").write_text("x\n1\n")
    (tmp_path / "two.csv").write_text("x\n2\n")
    first, again = land_folder(tmp_path), land_folder(tmp_path)
    assert (first.uploaded, first.unchanged, first.bytes) == (2, 0, 8)
    assert (again.uploaded, again.unchanged, again.bytes) == (0, 2, 0)
    (tmp_path / "two.csv").write_text("x\n3\n")
    changed = land_folder(tmp_path)
    assert (changed.uploaded, changed.unchanged) == (1, 1)
    assert lake.get_bytes(get_settings().landing_bucket, "two.csv") == b"x\n3\n"
    assert lake.get_bytes(get_settings().landing_bucket, "a/one.csv") == b"x\n1\n"
