"""An approver at a browser, whose web server may be killed while it answers."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
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
    """Somebody signed in at a web process of the installation: one of their own, or somebody's."""

    def __init__(
        self, installation: Installation, person: User, *, beside: Browser | None = None
    ) -> None:
        client = Client()
        client.force_login(person)
        self._cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        self._installation = installation
        if beside is not None:
            self._port, self.web = beside._port, beside.web
            return
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.web = installation.web(self._port)

    def approve(self, change: Change) -> None:
        """Look at a change and approve what the page shows; raises `Transient` where nobody answers.

        Whether it was approved is not known then: the rows say it.
        """
        answer = self.look(change)("change-approve")
        assert answer in (HTTPStatus.FOUND, HTTPStatus.UNPROCESSABLE_ENTITY), answer

    def look(self, change: Change) -> Callable[[str], int]:
        """Look at a change; what then sends one of the page's forms and tells the answer's status.

        Both raise `Transient` where nobody answers.
        """
        page = self._ask("GET", reverse("change-detail", args=[change.pk]), {})
        fields = dict(re.findall(r'name="(csrfmiddlewaretoken|digest)" value="([^"]*)"', page.text))
        cookies = page.cookies.get_dict()

        def send(verb: str) -> int:
            where = reverse(verb, args=[change.pk])
            return self._ask("POST", where, {**fields, "reason": "As agreed."}, cookies).status_code

        return send

    def _ask(
        self,
        method: str,
        where: str,
        fields: Mapping[str, str],
        cookies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        try:
            answer = requests.request(
                method,
                f"http://127.0.0.1:{self._port}{where}",
                data=fields,
                cookies={settings.SESSION_COOKIE_NAME: self._cookie, **(cookies or {})},
                allow_redirects=False,
                timeout=_SECONDS,
            )
        except requests.RequestException as error:
            raise Transient(f"The web server does not answer ({type(error).__name__}).") from error
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(f"The web server answered {answer.status_code}.")
        return answer

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
