"""How an id is looked for in the original text of a row, as PostgreSQL's regular expressions do."""

import json
import re

import pytest

from cartwheel.privacy.person import Person


def finds(person: Person, text: str) -> bool:
    return re.search(person.text_pattern().replace("[:alnum:]", "A-Za-z0-9"), text) is not None


@pytest.mark.parametrize("text", ["7", "a,7,b", '"7"', '{"user_id":7}', '{"user_id": "7"}', "a;7", "a|7\tb", "(7)"])
def test_a_value_of_its_own_is_found(text: str) -> None:
    assert finds(Person("7", "key"), text)


@pytest.mark.parametrize("text", ["17", "7.5", "2017-12-7", "-7", "a7", "7_", "", "77"])
def test_a_part_of_another_value_is_not(text: str) -> None:
    assert not finds(Person("7", "key"), text)


@pytest.mark.parametrize("user", ['say "hi"', "a\\b", "é\n", "a.b+c(d)[e]", "漢字"])
def test_as_csv_and_json_write_it(user: str) -> None:
    person = Person(user, "key")
    quoted = user.replace('"', '""')
    assert all(finds(person, text) for text in (f'x,"{quoted}",y', json.dumps([user]), json.dumps([user], ensure_ascii=False)))


def test_another_writing() -> None:
    assert finds(Person("42", "key", ("0042",)), "x;0042;y")
    assert not finds(Person("42", "key"), "x;0042;y")


def test_the_id_does_not_show() -> None:
    assert "ann" not in repr(Person("ann", "key", ("anna",)))
