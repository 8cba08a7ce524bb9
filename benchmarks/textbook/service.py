"""The textbook service: one function a verb, each in one transaction."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from benchmarks.textbook.models import Movement, RequestKey, Reservation, Stock


class NotEnoughError(Exception):
    """Less is free than was asked for."""


@transaction.atomic
def acquire(key: str, subject: str, item: str, quantity: int) -> None:
    """Credit ``quantity`` of ``item`` to ``subject``, once for each key."""
    if not _is_new(key):
        return
    stock, _ = Stock.objects.select_for_update().get_or_create(subject=subject, item=item)
    stock.quantity += quantity
    stock.save()
    _journal(stock, key, "acquire", quantity)


@transaction.atomic
def consume(key: str, subject: str, item: str, quantity: int) -> None:
    """Debit ``quantity`` of ``item`` from ``subject``, once for each key."""
    if not _is_new(key):
        return
    stock = Stock.objects.select_for_update().get(subject=subject, item=item)
    _debit(stock, quantity)
    stock.save()
    _journal(stock, key, "consume", -quantity)


@transaction.atomic
def transfer(key: str, source: str, destination: str, item: str, quantity: int) -> None:
    """Move ``quantity`` of ``item`` between two subjects, once for each key."""
    if not _is_new(key):
        return
    both = Stock.objects.select_for_update().filter(item=item, subject__in=[source, destination])
    stocks = {stock.subject: stock for stock in both.order_by("pk")}
    _debit(stocks[source], quantity)
    stocks[destination].quantity += quantity
    stocks[source].save()
    stocks[destination].save()
    _journal(stocks[source], key, "transfer", -quantity)
    _journal(stocks[destination], key, "transfer", quantity)


@transaction.atomic
def hold(key: str, subject: str, item: str, quantity: int, seconds: int) -> Reservation | None:
    """Keep ``quantity`` of ``item`` of ``subject`` for somebody, once for each key."""
    if not _is_new(key):
        return None
    stock = Stock.objects.select_for_update().get(subject=subject, item=item)
    _debit(stock, quantity)
    stock.on_hold += quantity
    stock.save()
    reservation = Reservation.objects.create(
        stock=stock, quantity=quantity, expires_at=timezone.now() + timedelta(seconds=seconds)
    )
    _journal(stock, key, "hold", -quantity)
    return reservation


@transaction.atomic
def commit(reservation_id: int) -> None:
    """Let what was kept leave."""
    reservation = Reservation.objects.select_for_update().get(pk=reservation_id)
    if reservation.status != "active":
        return
    stock = Stock.objects.select_for_update().get(pk=reservation.stock_id)
    stock.on_hold -= reservation.quantity
    stock.save()
    reservation.status = "committed"
    reservation.save()
    _journal(stock, "", "commit", 0)


def _is_new(key: str) -> bool:
    return RequestKey.objects.get_or_create(key=key)[1]


def _debit(stock: Stock, quantity: int) -> None:
    if stock.quantity < quantity:
        raise NotEnoughError
    stock.quantity -= quantity


def _journal(stock: Stock, key: str, kind: str, change: int) -> None:
    Movement.objects.create(
        stock=stock, key=key, kind=kind, change=change, quantity_after=stock.quantity
    )
