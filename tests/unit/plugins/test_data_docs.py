"""The plugin shows the pages of the lake's bucket to who is signed in, nothing else of the bucket, and runs nothing in them."""

import pytest
from fastapi.testclient import TestClient

from cartwheel import lake

RUN = "2017-12-02/raw/20171203T000102.000003Z"


PAGES = {f"data-docs/{RUN}/index.html": b"<h1>Gate raw</h1>", "features/secret.html": b"no page"}


class Bucket:
    """As much of S3 as the plugin asks for."""

    class exceptions:
        NoSuchKey = KeyError

    def list_objects_v2(self, **options) -> dict:
        return {"CommonPrefixes": [{"Prefix": "data-docs/2017-12-02/"}]}


@pytest.fixture(scope="module")
def plugin(load_plugin):
    return load_plugin("data_docs")


@pytest.fixture
def client(plugin, monkeypatch):
    bucket = Bucket()
    monkeypatch.setattr(lake, "s3_client", lambda: bucket)
    monkeypatch.setattr(lake, "get_bytes", lambda name, key: PAGES[key])
    monkeypatch.setattr(lake, "list_objects", lambda name, prefix: [{"Key": key} for key in PAGES if key.startswith(prefix)])
    monkeypatch.setitem(plugin.app.dependency_overrides, plugin.signed_in, lambda: None)
    return TestClient(plugin.app)


def test_a_page_is_shown_and_nothing_in_it_may_run(client):
    answer = client.get(f"/{RUN}/index.html")
    assert (answer.status_code, answer.text) == (200, "<h1>Gate raw</h1>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_the_contents_link_to_each_run(client):
    assert f'<a href="{RUN}/index.html">' in client.get("/").text


@pytest.mark.parametrize(
    "name", ["../features/secret.html", "..%2Ffeatures/secret.html", f"{RUN}/../index.html", f"{RUN}/x.html", RUN]
)
def test_nothing_but_pages_is_read(client, name):
    assert client.get(f"/{name}").status_code == 404


def test_a_page_that_was_removed_says_so(client):
    answer = client.get(f"/{RUN}/7.html")
    assert answer.status_code == 404
    assert "run the gate again" in answer.json()["detail"]


def test_who_is_not_signed_in_sees_nothing(plugin):
    for path in ("/", f"/{RUN}/index.html"):
        assert TestClient(plugin.app).get(path).status_code == 401
