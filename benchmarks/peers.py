"""Peers: packages on PyPI that do a part of it, each for the nearest effect that it has.

They are dependencies of the benchmarks alone; one that is not installed is left out. They do less
than the ledger: none of these calls takes an idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from uuid import uuid4

from benchmarks import contestants
from benchmarks.contestants import DATABASE, POSTGRES, new_key
from benchmarks.measuring import Step, measure
from benchmarks.plan import Bench

CLIENTS: Final = 8
WALLETS: Final = 200
STOCK: Final = 10**8

Peers = dict[str, dict[str, Callable[[int], Step]]]

APPS: Final = {
    "flexcommerce_inventory": ["flexcommerce_core", "flexcommerce_inventory"],
    "dj_wallet": ["dj_wallet"],
    "flutterwave_wallet": ["flutterwave_wallet"],
    "hordak": ["mptt", "djmoney", "hordak"],
}


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def installed_apps() -> list[str]:
    """Return the Django apps of the peers that are there."""
    return [app for module, apps in APPS.items() if _is_installed(module) for app in apps]


def run(bench: Bench) -> None:
    """Measure each peer beside the ledgers, effect by effect."""
    peers: Peers = {
        "consume": {},
        "transfer": {},
        "hold+commit": {},
    }
    makers: dict[str, Callable[[Peers], None]] = {
        "flexcommerce_inventory": _add_flexcommerce,
        "dj_wallet": _add_dj_wallet,
        "flutterwave_wallet": _add_flutterwave,
        "hordak": _add_hordak,
    }
    for module, add in makers.items():
        if _is_installed(module):
            add(peers)
        else:
            bench.say(f"peers: {module} is left out, it is not installed")
    for verb, makes in peers.items():
        steps = contestants.make_steps(verb, WALLETS)
        makes.update({name: steps[name] for name in (POSTGRES, DATABASE)})
    for _ in range(bench.plan.rounds):
        for verb, makes in peers.items():
            for name, make_step in makes.items():
                measurement = measure(make_step, clients=CLIENTS, seconds=bench.plan.seconds)
                rate = measurement.per_second
                bench.figures.add(
                    f"peers, {verb}", name, rate, clients=CLIENTS, measurement=measurement
                )
                bench.say(f"peers, {verb}, {name}: {rate:,.0f}/s")


def _two_of(things: list[Any]) -> tuple[Any, Any]:
    first, second = contestants.two_places(len(things))
    return things[int(first[2:]) - 1], things[int(second[2:]) - 1]


def _one_of(things: list[Any]) -> Any:
    return things[int(contestants.place(len(things))[2:]) - 1]


def _add_flexcommerce(peers: Peers) -> None:
    from django.contrib.contenttypes.models import ContentType

    InventoryItem = import_module("flexcommerce_inventory.models").InventoryItem  # noqa: N806 - a class

    from benchmarks.textbook.models import Stock

    product_type = ContentType.objects.get_for_model(Stock)
    items = [
        InventoryItem.objects.create(content_type=product_type, object_id=uuid4(), on_hand=STOCK)
        for _ in range(WALLETS)
    ]

    def hold_and_capture() -> None:
        item = _one_of(items)
        reservation = item.reserve(1, order_ref=new_key(), ttl_minutes=15)
        item.confirm_sale(reservation_id=reservation.pk)

    peers["hold+commit"]["flexcommerce-inventory"] = lambda _: hold_and_capture


def _users() -> list[Any]:
    from django.contrib.auth import get_user_model

    users = get_user_model()
    for number in range(WALLETS):
        users.objects.get_or_create(username=f"owner-{number}")
    return list(users.objects.order_by("pk"))


class _Holder:
    """What dj-wallet asks of a holder: a wallet."""

    def __init__(self, wallet: Any) -> None:
        self.wallet = wallet


def _add_dj_wallet(peers: Peers) -> None:
    Wallet = import_module("dj_wallet.models").Wallet  # noqa: N806 - a class
    WalletService = import_module("dj_wallet.services.common").WalletService  # noqa: N806 - a class
    TransferService = import_module("dj_wallet.services.transfer").TransferService  # noqa: N806 - a class
    from django.contrib.contenttypes.models import ContentType

    users = _users()
    user_type = ContentType.objects.get_for_model(type(users[0]))
    wallets = [
        Wallet.objects.create(holder_type=user_type, holder_id=user.pk, slug="default")
        for user in users
    ]
    for wallet in wallets:
        WalletService.deposit(wallet, STOCK)
    holders = [_Holder(wallet) for wallet in wallets]
    peers["consume"]["dj-wallet"] = lambda _: lambda: WalletService.withdraw(_one_of(wallets), 1)
    peers["transfer"]["dj-wallet"] = lambda _: (
        lambda: TransferService.transfer(*_two_of(holders), 1)
    )


def _add_flutterwave(peers: Peers) -> None:
    TransferService = import_module("flutterwave_wallet.services.transfer_service").TransferService  # noqa: N806 - a class
    WalletService = import_module("flutterwave_wallet.services.wallet_service").WalletService  # noqa: N806 - a class

    service = WalletService()
    wallets = [service.create_wallet(user) for user in _users()]
    for wallet in wallets:
        service.credit_wallet(wallet, STOCK)
    transfers = TransferService()
    peers["consume"]["django-flutterwave-wallet"] = lambda _: (
        lambda: service.debit_wallet(_one_of(wallets), 1)
    )
    peers["transfer"]["django-flutterwave-wallet"] = lambda _: (
        lambda: transfers.transfer(*_two_of(wallets), 1)
    )


def _add_hordak(peers: Peers) -> None:
    from django.db import transaction

    Money = import_module("djmoney.money").Money  # noqa: N806 - a class
    Account = import_module("hordak.models").Account  # noqa: N806 - a class

    accounts = [
        Account.objects.create(
            name=f"owner {number}", code=f"{number:04}", type="AS", currencies=["EUR"]
        )
        for number in range(WALLETS)
    ]

    def transfer() -> None:
        source, destination = _two_of(accounts)
        with transaction.atomic():
            source.transfer_to(destination, Money(1, "EUR"))

    peers["transfer"]["django-hordak"] = lambda _: transfer
