"""The tables of the textbook service."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Stock(models.Model):
    """What one subject owns of one item."""

    subject = models.CharField(max_length=255)
    item = models.CharField(max_length=255)
    quantity = models.BigIntegerField(default=0)
    on_hold = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)
    objects: ClassVar[models.Manager[Stock]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "item"], name="textbook_stock_unique"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, on_hold__gte=0), name="textbook_stock_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.quantity} {self.item}"


class Reservation(models.Model):
    """A part of a stock that is kept for somebody."""

    stock = models.ForeignKey(Stock, on_delete=models.PROTECT)
    stock_id: int
    quantity = models.BigIntegerField()
    status = models.CharField(max_length=16, default="active")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    objects: ClassVar[models.Manager[Reservation]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.quantity} ({self.status})"


class RequestKey(models.Model):
    """A request that was served."""

    key = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    objects: ClassVar[models.Manager[RequestKey]] = models.Manager()

    def __str__(self) -> str:
        return self.key


class Movement(models.Model):
    """One line of the journal."""

    stock = models.ForeignKey(Stock, on_delete=models.PROTECT)
    key = models.CharField(max_length=255)
    kind = models.CharField(max_length=16)
    change = models.BigIntegerField()
    quantity_after = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    objects: ClassVar[models.Manager[Movement]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.change:+d}"
