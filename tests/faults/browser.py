"""An approver at a browser, whose web server may be killed while it answers."""

from __future__ import annotations

import re
import socket
import threading
import time
from http import HTTPStatus

import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from onboarding.domain.errors import Transient
from onboarding.models import Change
from tests.faults.installation import Installation, kill

_SECONDS = 30.0


class Browser:
    """Somebody signed in at a web process of the installation."""

    def __init__(self, installation: Installation, person: User) -> None:
        client = Client()
        client.force_login(person)
        self._cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._installation = installation
        self.web = installation.web(self._port)

    def approve(self, change: Change) -> None:
        """Look at a change and approve what the page shows; raises `Transient` where nobody answers.

        Whether it was approved is not known then: the rows say it.
        """
        where = f"http://127.0.0.1:{self._port}"
        try:
            with requests.Session() as session:
                session.cookies.set(settings.SESSION_COOKIE_NAME, self._cookie)
                page = session.get(
                    where + reverse("change-detail", args=[change.pk]), timeout=_SECONDS
                )
                fields = dict(
                    re.findall(r'name="(csrfmiddlewaretoken|digest)" value="([^"]*)"', page.text)
                )
                answer = session.post(
                    where + reverse("change-approve", args=[change.pk]),
                    data={**fields, "reason": "As agreed."},
                    allow_redirects=False,
                    timeout=_SECONDS,
                )
        except requests.RequestException as error:
            raise Transient(f"The web server does not answer ({type(error).__name__}).") from error
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(f"The web server answered {answer.status_code}.")
        expected = (HTTPStatus.FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
        assert answer.status_code in expected, (answer.status_code, answer.text[:2000])

    def kill_while_it_answers(self, change: Change | None, *, after: float) -> None:
        """Kill the web process a moment after it was asked to approve a change; start another."""
        asking = threading.Thread(target=self._approve_or_not, args=(change,))
        if change is not None:
            asking.start()
            time.sleep(after)
        kill(self.web)
        if change is not None:
            asking.join()
        self.web = self._installation.web(self._port)

    def _approve_or_not(self, change: Change) -> None:
        try:
            self.approve(change)
        except Transient:
            """That is what was to be seen."""
