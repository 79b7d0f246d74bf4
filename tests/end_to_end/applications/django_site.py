"""A Django site: the first argument is its address, the second a file of more settings."""

import hashlib
import runpy
import sys
import uuid

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token

ADDRESS, MORE = sys.argv[1:3]
DOCUMENTED = runpy.run_path(MORE)
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

settings.configure(
    **{name: value for name, value in DOCUMENTED.items() if name.isupper()},
    SECRET_KEY="only for tests",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        f"django.contrib.{name}"
        for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
    ],
    MIDDLEWARE=MIDDLEWARE,
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.sqlite"}},
    STATIC_URL="static/",
    USE_TZ=True,
)


def facts(request: HttpRequest) -> HttpResponse:
    """What the site knows of a request, and a cookie unlike any other's."""
    said = {
        "url": request.build_absolute_uri("/elsewhere"),
        "secure": request.is_secure(),
        "address": DOCUMENTED["viewer_address"](request),
        "csrf": get_token(request),
        "traceparent": request.headers.get("traceparent"),
    }
    answer = JsonResponse(said)
    answer.set_cookie("mine", uuid.uuid4().hex)
    return answer


def elsewhere(request: HttpRequest) -> HttpResponse:
    """A redirect to a whole URL."""
    return HttpResponseRedirect(request.build_absolute_uri("/facts?from=elsewhere"))


def upload(request: HttpRequest) -> HttpResponse:
    """The digest of an uploaded file, and whose it is."""
    file = request.FILES["file"]
    digest = hashlib.sha256(file.read()).hexdigest()
    return JsonResponse({"digest": digest, "name": file.name, "user": request.user.username})


def _urls() -> list[object]:
    from django.contrib import admin
    from django.urls import path

    return [
        path("admin/", admin.site.urls),
        path("facts", facts),
        path("elsewhere", elsewhere),
        path("upload", login_required(upload, login_url="/admin/login/")),
    ]


if __name__ == "__main__":
    import django

    sys.modules["django_site"] = sys.modules[__name__]
    django.setup()
    urlpatterns = _urls()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("ann", "ann@example.org", "a long password")
    call_command("runserver", ADDRESS, use_reloader=False, insecure_serving=True)
