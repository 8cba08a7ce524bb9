"""The addresses of the example project."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.authtoken.views import ObtainAuthToken
from shop.views import home

urlpatterns = [
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path("inventory/", include("django_inventory.api.urls")),
    # Not the ledger's: left out of the description.
    path("token/", extend_schema(exclude=True)(ObtainAuthToken).as_view(), name="token"),
    path("accounts/", include("rest_framework.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(), name="docs"),
]
