"""With a list of hosts only they are reached, by https; beside them the operator's own server."""

from __future__ import annotations

import itertools

import pytest

from providers.fetch import FetchRefused, Guard, Home
from tests.sites import (
    PHOTO,
    Site,
    client_tls,
    download,
    guard,
    ok,
    redirect,
    refusal,
    server_tls,
    site,
    to_loopback,
)


def hosts_guard(*places: Site, home: Home | None = None) -> Guard:
    return guard(*places, hosts=("photos.test",), home=home, trust=client_tls())


def test_a_listed_host_is_reached_by_https_only() -> None:
    with site(ok(), tls=server_tls()) as place, site(ok()) as plain:
        rules = hosts_guard(place, plain)
        assert download(f"https://photos.test:{place.port}/", rules)[1] == PHOTO
        assert refusal(f"http://photos.test:{plain.port}/", rules) == "url_not_allowed"
        assert plain.connections == 0


@pytest.mark.parametrize(
    "name", ["other.test", "xphotos.test", "photos.test.evil.test", "photos.tes", "photos.test."]
)
def test_no_name_that_only_looks_like_it_is_reached(name: str) -> None:
    with site(ok(), tls=server_tls()) as place:
        assert refusal(f"https://{name}:{place.port}/", hosts_guard(place)) == "url_not_allowed"
        assert place.connections == 0


def test_a_listed_host_with_an_inner_address_is_not_reached() -> None:
    with site(ok(), tls=server_tls()) as place:
        rules = Guard(
            ports=frozenset({place.port}),
            resolve=to_loopback,
            hosts=("photos.test",),
            trust=client_tls(),
        )
        assert refusal(f"https://photos.test:{place.port}/", rules) == "url_not_allowed"
        assert place.connections == 0


def test_a_redirect_leaves_the_listed_hosts_for_nobody() -> None:
    with site(ok()) as inner, site(b"", tls=server_tls()) as place:
        for target in (f"http://other.test:{inner.port}/", f"http://127.0.0.1:{inner.port}/"):
            place.reply = lambda c, to=target: c.sendall(redirect(to))
            rules = hosts_guard(place, inner)
            assert refusal(f"https://photos.test:{place.port}/", rules) == "url_not_allowed"
        assert inner.connections == 0


def test_the_operators_server_is_reached_wherever_it_is_and_gets_its_headers() -> None:
    with site(ok()) as place:
        home = Home(f"http://127.0.0.1:{place.port}/some/base", {"X-Key": "secret"})
        rules = Guard(hosts=("photos.test",), home=home)
        assert download(f"http://127.0.0.1:{place.port}/view?a=b", rules)[1] == PHOTO
        assert b"X-Key: secret" in place.requests[0]


def test_beside_it_nothing_inside_is_reached() -> None:
    with site(ok()) as place, site(ok()) as neighbour:
        rules = Guard(hosts=("photos.test",), home=Home(f"http://127.0.0.1:{place.port}"))
        for url in (
            f"http://127.0.0.1:{neighbour.port}/",  # another port
            f"http://localhost:{place.port}/",  # another name
            f"https://127.0.0.1:{place.port}/",  # another scheme
            f"http://127.0.0.2:{place.port}/",
        ):
            with pytest.raises(FetchRefused):
                download(url, rules)
        assert (place.connections, neighbour.connections) == (0, 0)


def test_its_headers_go_to_no_other_host() -> None:
    with site(ok(), tls=server_tls()) as place, site(b"") as home_site:
        home_site.reply = lambda c: c.sendall(redirect(f"https://photos.test:{place.port}/"))
        home = Home(f"http://127.0.0.1:{home_site.port}", {"X-Key": "secret"})
        rules = hosts_guard(place, home=home)
        assert download(f"http://127.0.0.1:{home_site.port}/", rules)[1] == PHOTO
        assert b"X-Key" in home_site.requests[0] and b"X-Key" not in place.requests[0]


def test_without_a_list_every_public_host_is_still_reached() -> None:
    with site(ok()) as place:
        replies = itertools.repeat(f"http://any.test:{place.port}/")
        assert download(next(replies), guard(place))[1] == PHOTO
