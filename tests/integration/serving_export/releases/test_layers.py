"""Layers over a release: what readers of both stores see of them, and what becomes of them."""

import asyncio
from collections.abc import Iterator
from datetime import date

import made_up_releases as made_up
import psycopg
import pytest

from cartwheel import warehouse
from cartwheel.contracts import LISTS
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.api.online import OnlineReader
from serving_export.releases.lookup import Answer, find, recommend
from serving_export.releases.release import Releases, VerificationError
from serving_export.releases.withdraw import withdraw

FIRST, SECOND = date(1999, 1, 1), date(1999, 1, 2)
ANN, BOB, EVE, DEE = made_up.USERS[:4]


@pytest.fixture
def target(stores: LocalConfig) -> Iterator[Releases]:
    made_up.make_schema()
    target = made_up.releases()
    made_up.publish(target, FIRST)
    yield target
    made_up.drop_schema()


def said_to(target: Releases, user: str, name: str = "for_you") -> str:
    """The reason of all items of a user's list: the same from both stores, from the API's reader, and in the views."""
    answers = [recommend(store, user, name, made_up.SIZE) for store in (target.postgres, target.redis)]
    assert answers[0] == answers[1]
    shown = query("select item_id, reason from serving.current_recommendations where user_id = %s and list = %s order by rank",
                  user, name)  # fmt: skip
    assert shown == [(item.item_id, item.reason) for item in answers[0].items] == read_online(user, name)
    release = query("select item_id, reason from serving.recommendations where user_id = %s and list = %s and release_id = %s"
                    " order by rank", user, name, answers[0].release)  # fmt: skip
    assert release == shown
    (said,) = {item.reason for item in answers[0].items}
    return said


def read_online(user: str, name: str) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        reader = OnlineReader(get_settings().redis_url, made_up.PREFIX)
        found = await find(reader, user, name)
        await reader.close()
        return [(item.item_id, item.reason) for item in found.items]

    return asyncio.run(read())


def query(text: str, *parameters: object) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(text.replace("serving.", f"{made_up.SCHEMA}."), parameters).fetchall()


def assert_nothing_is_left(target: Releases, builds: int) -> None:
    assert len(target.catalog.builds()) == builds
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()
    assert query("select count(*) from pg_inherits where inhparent = 'serving.user_lists'::regclass") == [(builds,)]


def stack_of_three(target: Releases) -> None:
    made_up.refresh(target, [ANN, BOB, EVE], "first")
    made_up.refresh(target, [ANN, BOB], "second", over=made_up.TOP)
    made_up.refresh(target, [ANN], "third", over=made_up.TOP)


def answers(target: Releases, user: str) -> list[Answer]:
    return [recommend(store, user, "for_you", made_up.SIZE) for store in (target.postgres, target.redis)]


def test_readers_see_the_layer_and_below_it_the_release(target: Releases) -> None:
    made_up.refresh(target, [ANN, BOB], "first")
    assert target.postgres.current() == target.redis.current() == "1999-01-01.2+1999-01-01.1"
    assert [said_to(target, user) for user in (ANN, BOB, EVE)] == ["first", "first", "of 1999-01-01"]
    for answer in answers(target, ANN):
        assert (answer.release, answer.items[0].item_id) == ("1999-01-01", "new first")
        assert answer.titles["new first"] == "New: first"  # of the layer
        assert answer.titles["for_you 2"] == 'The "for_you 2", large'  # of the release
    assert [answer.segment for answer in answers(target, "cold user")] == ["25-34|*"] * 2
    assert query("select release_id, status, users from serving.releases") == [("1999-01-01", "serving", 30)]
    assert query("select count(distinct user_id) from serving.current_recommendations") == [(30,)]
    assert query("select users, last_file_id from serving.builds where base_build_id is not null") == [(2, 1)]


def test_a_layer_takes_the_place_of_the_one_before(target: Releases) -> None:
    made_up.refresh(target, [ANN], "first")
    made_up.refresh(target, [ANN, BOB], "second")
    assert [said_to(target, user) for user in (ANN, BOB, EVE)] == ["second", "second", "of 1999-01-01"]
    target.tidy()
    assert_nothing_is_left(target, builds=2)
    assert query("select event, build_id, replaced_build_id from serving.release_events order by event_id") == [
        ("published", "1999-01-01.1", None),
        ("refreshed", "1999-01-01.2", "1999-01-01.1"),
        ("refreshed", "1999-01-01.3", "1999-01-01.2"),
    ]


def test_readers_see_of_each_user_the_topmost_layer_that_knows_the_user(target: Releases) -> None:
    stack_of_three(target)
    assert target.postgres.current() == target.redis.current() == "1999-01-01.4+1999-01-01.3+1999-01-01.2+1999-01-01.1"
    assert [said_to(target, user) for user in (ANN, BOB, EVE, DEE)] == ["third", "second", "first", "of 1999-01-01"]
    for user, said in ((ANN, "third"), (BOB, "second"), (EVE, "first")):
        for answer in answers(target, user):
            assert answer.titles[f"new {said}"] == f"New: {said}"
            assert answer.titles["for_you 2"] == 'The "for_you 2", large'
    assert [answer.segment for answer in answers(target, "cold user")] == ["25-34|*"] * 2
    assert query("select release_id, status, users from serving.releases") == [("1999-01-01", "serving", 30)]
    shown = "select count(*), count(distinct (user_id, list, rank)) from serving.current_recommendations"
    assert query(shown) == [(30 * 3 * made_up.SIZE - made_up.SIZE,) * 2]
    target.tidy()
    assert_nothing_is_left(target, builds=4)


@pytest.mark.parametrize("over", [1, 2])
def test_a_layer_takes_the_place_of_those_above_the_one_it_lies_over(target: Releases, over: int) -> None:
    stack_of_three(target)
    made_up.refresh(target, [ANN, BOB], "fourth", over)
    assert [said_to(target, user) for user in (ANN, BOB, EVE)] == ["fourth", "fourth", "first"]
    target.tidy()
    assert_nothing_is_left(target, builds=5 - over)


def test_the_stack_goes_as_a_whole(target: Releases) -> None:
    target.grace_s = 60
    target.kept = 1
    stack_of_three(target)
    before = target.redis.current()
    made_up.publish(target, SECOND)
    target.tidy()
    assert said_to(target, ANN) == "of 1999-01-02"
    for store in (target.postgres, target.redis):  # who had read the pointer has a minute
        found = [store.user_list(before, user, "for_you")[0].reason for user in (ANN, BOB, EVE, DEE)]
        assert found == ["third", "second", "first", "of 1999-01-01"]
    target.grace_s = 0
    target.tidy()
    assert_nothing_is_left(target, builds=1)
    removed = "select build_id from serving.release_events where event = 'removed'"
    assert query(removed) == [("1999-01-01.1",)]


def test_a_rollback_to_the_release_itself_takes_all_its_layers_away(target: Releases) -> None:
    stack_of_three(target)
    target.rollback("1999-01-01", "ann", "the layers are wrong")
    assert [said_to(target, user) for user in (ANN, BOB, EVE)] == ["of 1999-01-01"] * 3
    target.tidy()
    assert_nothing_is_left(target, builds=1)


def test_what_is_still_read_stays_with_all_below_it(target: Releases) -> None:
    target.kept = 1
    stack_of_three(target)
    with warehouse.connect() as reader:
        reader.execute(f"select * from {made_up.SCHEMA}.user_lists_1999_01_01_3 limit 1")
        made_up.publish(target, SECOND)
        assert [build.build_id for build in target.catalog.builds()] == [f"1999-01-01.{n}" for n in (1, 2, 3)] + ["1999-01-02.5"]
    target.tidy()
    assert_nothing_is_left(target, builds=1)


@pytest.mark.parametrize("day", [FIRST, SECOND])
def test_a_publish_of_the_same_or_a_later_date_takes_the_layer_away(target: Releases, day: date) -> None:
    made_up.refresh(target, [ANN], "first")
    made_up.publish(target, day)
    assert said_to(target, ANN) == f"of {day}"
    target.tidy()
    assert_nothing_is_left(target, builds=1 if day == FIRST else 2)


def test_a_publish_of_an_earlier_date_leaves_the_layer_in_place(target: Releases) -> None:
    made_up.refresh(target, [ANN], "first")
    made_up.publish(target, date(1998, 12, 31))
    assert [said_to(target, user) for user in (ANN, BOB)] == ["first", "of 1999-01-01"]


def test_what_a_layer_lies_over_is_kept_however_many_releases_come(target: Releases) -> None:
    target.kept = 1
    made_up.refresh(target, [ANN], "first")
    made_up.publish(target, date(1998, 12, 31))
    assert [said_to(target, user) for user in (ANN, BOB)] == ["first", "of 1999-01-01"]
    assert_nothing_is_left(target, builds=2)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        query("delete from serving.builds where build_id = '1999-01-01.1' returning build_id")


def test_a_refresh_leaves_alone_what_is_being_published_again(target: Releases) -> None:
    content = made_up.content(FIRST)
    target.load(FIRST, content, "test")
    made_up.refresh(target, [ANN], "new")
    target.verify(FIRST, content)
    made_up.refresh(target, [ANN], "newer")
    target.switch(FIRST)
    assert said_to(target, ANN) == "of 1999-01-01"


def test_a_rollback_goes_to_whole_builds(target: Releases) -> None:
    made_up.publish(target, SECOND)
    made_up.refresh(target, [ANN], "first")
    target.rollback("1999-01-02", "ann", "the layer is wrong")
    assert said_to(target, ANN) == "of 1999-01-02"
    made_up.refresh(target, [ANN], "after a rollback")  # stands until the next release
    assert said_to(target, ANN) == "of 1999-01-02"
    target.rollback("1999-01-01", "ann", "the release too")
    assert said_to(target, ANN) == "of 1999-01-01"
    target.tidy()
    target.tidy()
    assert_nothing_is_left(target, builds=2)


def test_the_readers_of_a_layer_get_time(target: Releases) -> None:
    target.grace_s = 60
    target.kept = 1
    made_up.refresh(target, [ANN], "first")
    before = target.redis.current()
    made_up.publish(target, SECOND)
    for store in (target.postgres, target.redis):
        assert [store.user_list(before, user, "for_you")[0].reason for user in (ANN, BOB)] == ["first", "of 1999-01-01"]
        assert store.segment_list(before, "all")


def test_publishing_cut_off_after_a_layer_was_laid_can_be_finished(target: Releases) -> None:
    made_up.refresh(target, [ANN], "first")
    target.switch(FIRST)  # a task that is cleared
    assert said_to(target, ANN) == "first"


def test_redis_is_filled_again_with_both(target: Releases) -> None:
    made_up.refresh(target, [ANN], "first")
    for build in target.redis.builds():
        target.redis.remove(build)
    target.tidy()
    assert [said_to(target, user) for user in (ANN, BOB)] == ["first", "of 1999-01-01"]


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_redis_is_filled_again_with_what_it_lost_of_a_stack(target: Releases, lost: int) -> None:
    stack_of_three(target)
    target.redis.remove(f"1999-01-01.{lost}")
    target.tidy()
    assert [said_to(target, user) for user in (ANN, BOB, EVE, DEE)] == ["third", "second", "first", "of 1999-01-01"]
    target.redis.remove(f"1999-01-01.{lost}")
    target.switch(FIRST)  # a task that is cleared
    assert [said_to(target, user) for user in (ANN, BOB, EVE, DEE)] == ["third", "second", "first", "of 1999-01-01"]


def test_a_layer_that_a_store_holds_wrongly_is_not_served(target: Releases) -> None:
    base, content = target.catalog.served(), made_up.layer(FIRST, [ANN], "first")
    layer = target.load_layer(base, content, 1)
    target.redis.client.set(f"{made_up.PREFIX}:{layer.build_id}:for_you:{ANN}", b"other")
    with pytest.raises(VerificationError, match="redis holds"):
        target.verify_build(layer, content)
    assert said_to(target, ANN) == "of 1999-01-01"
    made_up.refresh(target, [ANN], "second")
    assert said_to(target, ANN) == "second"
    assert_nothing_is_left(target, builds=2)


def test_a_layer_that_was_cut_off_goes_with_the_next_run(target: Releases) -> None:
    target.kept = 1
    target.load_layer(target.catalog.served(), made_up.layer(FIRST, [ANN], "first"), 1)
    made_up.publish(target, SECOND)
    assert said_to(target, ANN) == "of 1999-01-02"
    assert_nothing_is_left(target, builds=1)


def test_a_layer_whose_release_was_replaced_meanwhile_is_not_served(target: Releases) -> None:
    base, content = target.catalog.served(), made_up.layer(FIRST, [ANN], "first")
    layer = target.verify_build(target.load_layer(base, content, 1), content)
    made_up.publish(target, FIRST)
    assert target.switch_to_layer(layer) is False
    assert said_to(target, ANN) == "of 1999-01-01"
    target.tidy()
    assert_nothing_is_left(target, builds=1)


def test_a_layer_over_one_that_is_not_served_any_more_is_not_served(target: Releases) -> None:
    target.grace_s = 60  # or what it lies over would be gone
    stack_of_three(target)
    below = target.catalog.served()
    made_up.refresh(target, [ANN], "fourth", over=1)
    content = made_up.layer(FIRST, [ANN], "fifth")
    layer = target.verify_build(target.load_layer(below, content, 1), content)
    assert target.switch_to_layer(layer) is False
    assert said_to(target, ANN) == "fourth"


def test_a_user_who_withdraws_is_taken_out_of_all_layers(target: Releases) -> None:
    stack_of_three(target)
    withdraw(target, [ANN])
    for store in (target.postgres, target.redis):
        assert recommend(store, ANN, "for_you", made_up.SIZE).segment == "all"
    assert [said_to(target, user) for user in (BOB, EVE)] == ["second", "first"]
    assert [build.users for build in target.catalog.builds()] == [29, 2, 1, 0]


def test_a_user_who_withdraws_is_taken_out_of_the_layer_too(target: Releases) -> None:
    made_up.refresh(target, [ANN, BOB], "first")
    withdraw(target, [ANN])
    for name in LISTS:
        for store in (target.postgres, target.redis):
            assert recommend(store, ANN, name, made_up.SIZE).segment == "all"
    assert [said_to(target, user) for user in (BOB, EVE)] == ["first", "of 1999-01-01"]
    for build, content in zip(target.catalog.builds(), (made_up.content(FIRST), made_up.layer(FIRST, [ANN, BOB], "first")),
                              strict=True):  # fmt: skip
        expected = target.postgres.checksum(build.build_id, content)
        assert target.redis.checksum(build.build_id, content) == expected
        assert query("select checksum from serving.builds where build_id = %s", build.build_id) == [(expected.digest,)]
    assert query("select users from serving.builds order by build_id") == [(29,), (1,)]
