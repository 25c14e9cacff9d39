"""Where a request comes from, as an address of the network.

Owns: `is_loopback` and `is_within`. Holds: what is no address is nowhere. Imports the standard library only.
"""

import ipaddress
from functools import lru_cache

_THIS_MACHINE = ("127.0.0.0/8", "::1/128")


def is_loopback(address: str) -> bool:
    """Whether it is this very machine."""
    return is_within(address, _THIS_MACHINE)


@lru_cache(maxsize=4096)
def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these networks."""
    try:
        own = ipaddress.ip_address(address)
    except ValueError:
        return False
    own = getattr(own, "ipv4_mapped", None) or own  # ::ffff:10.0.0.1 is 10.0.0.1 as a socket of both kinds writes it
    return any(own in ipaddress.ip_network(network) for network in networks)
