"""The shop of the example project: a demo and a page, no models of its own."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
