"""Where a request comes from."""

import pytest

from app.core.addresses import is_loopback, is_within


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(address: str, is_it: bool) -> None:
    assert is_loopback(address) is is_it


def test_an_address_lies_in_a_network_of_its_own_kind() -> None:
    assert is_within("10.1.2.3", ("192.0.2.0/24", "10.0.0.0/8"))
    assert is_within("::ffff:10.1.2.3", ("10.0.0.0/8",))
    assert not is_within("10.1.2.3", ("::/0",))
    assert not is_within("10.1.2.3", ())
