"""Rows of the journal as tables show them, with the people in them by name.

Owns how entries are presented wherever they appear: on a balance, on a hold, in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from django_inventory.admin import wording
from django_inventory.admin.readonly import all_entries, page_url
from django_inventory.models import Entry

CHANGING_HANDS: Final = frozenset({"transfer", "commit"})


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, in the reader's language."""

    url: str
    kind: str
    balance: str
    balance_url: str
    at: str
    recorded_at: str
    quantity: str
    on_hold: str
    quantity_after: str
    on_hold_after: str
    hold: str
    hold_url: str
    reference: str
    hold_reference: str
    actor: str


def journal_rows(admin_site: AdminSite, entries: Iterable[Entry]) -> list[EntryRow]:
    """Return rows for the entries, which come with their balances and holds.

    Takes two more queries: for the names of users among the actors, and for who was at the other
    end of what changed hands.
    """
    entries = list(entries)
    names = actor_names(entry.actor for entry in entries)
    others = other_ends(entries)
    return [
        EntryRow(
            url=page_url(admin_site, "entry_change", entry.pk),
            kind=wording.kind(entry, others.get(entry.pk)),
            balance=str(entry.balance),
            balance_url=page_url(admin_site, "balance_change", entry.balance_id),
            at=wording.moment(entry.effective_at),
            recorded_at=(
                "" if entry.created_at == entry.effective_at else wording.moment(entry.created_at)
            ),
            quantity=wording.change(entry.quantity_delta),
            on_hold=wording.change(entry.on_hold_delta),
            quantity_after=wording.number(entry.quantity_after),
            on_hold_after=wording.number(entry.on_hold_after),
            hold=str(entry.hold_id or ""),
            hold_url=page_url(admin_site, "hold_change", entry.hold_id) if entry.hold_id else "",
            reference=entry.reference,
            hold_reference=entry.hold.reference if entry.hold and not entry.reference else "",
            actor=names.get(entry.actor, entry.actor),
        )
        for entry in entries
    ]


def other_ends(entries: Sequence[Entry]) -> dict[int, str]:
    """Return, for the entries of what changed hands, the subject at the other end, in one query."""
    operations = {entry.operation_id for entry in entries if entry.kind in CHANGING_HANDS}
    if not operations:
        return {}
    ends: dict[UUID, list[tuple[int, str]]] = {}
    rows = all_entries().filter(operation_id__in=operations, kind__in=CHANGING_HANDS)
    for operation, balance, subject in rows.values_list(
        "operation_id", "balance_id", "balance__subject"
    ):
        ends.setdefault(operation, []).append((balance, subject))
    return {
        entry.pk: subject
        for entry in entries
        for balance, subject in ends.get(entry.operation_id, [])
        if balance != entry.balance_id
    }


def actor_names(actors: Iterable[str]) -> dict[str, str]:
    """Return, for the actors that are users of this site, their names with the actor itself."""
    users = get_user_model()
    # Of the concrete model, as the ledger writes it.
    label = users._meta.concrete_model._meta.label_lower  # type: ignore[union-attr]  # a user model has one
    keys: dict[object, str] = {}
    for actor in set(actors):
        if actor.startswith(f"{label}:"):
            try:
                keys[users._meta.pk.to_python(actor.removeprefix(f"{label}:"))] = actor
            except ValidationError:
                continue
    if not keys:
        return {}
    found = users._default_manager.in_bulk(list(keys))
    return {keys[key]: f"{user.get_username()} ({keys[key]})" for key, user in found.items()}
