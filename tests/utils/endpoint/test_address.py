"""Addresses of endpoints, which name no secret."""

import pytest

from rlaudio.utils.endpoint.address import Address, completions_of

pytestmark = pytest.mark.usefixtures("no_keys_and_no_cache_of_this_user")


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_with_the_version(end):
    address = Address.of(f"https://api.example.org/audio{end}", "org/m#1")
    assert completions_of(address.first) == "https://api.example.org/audio/v1/chat/completions"
    assert Address.parse(address.name) == address


def test_an_address_may_name_several_servers():
    address = Address.parse("endpoint:http://a:8000/v1,http://b:8000#org/m")
    assert address.urls == ("http://a:8000", "http://b:8000")
    assert Address.parse(address.name) == address


@pytest.mark.parametrize(
    "name",
    [
        "endpoint:",
        "endpoint:http://h",
        "endpoint:http://h#",
        "endpoint:h:8000#m",
        "endpoint:file:///etc#m",
        "endpoint:http://#m",
        "endpoint:http://h:99999#m",
        "endpoint:http://h/a b#m",
        "endpoint:http://user:s3cret@h#m",
        "endpoint:http://h/?key=s3cret#m",
        "endpoint:http://h,http://user:s3cret@g#m",
        "endpoint:http://h,http://h/v1#m",
        "endpoint:http://h,#m",
        "http://h#m",
    ],
)
def test_what_is_no_address_is_refused_and_a_secret_in_it_is_not_repeated(name):
    with pytest.raises(ValueError, match="expected") as refused:
        Address.parse(name)
    assert "s3cret" not in str(refused.value)
