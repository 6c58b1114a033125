"""E-mail by Django's own backend, which is why it is no adapter: those do not know Django."""

from __future__ import annotations

from smtplib import SMTPException, SMTPRecipientsRefused

from django.core.mail import EmailMessage

from onboarding.domain.errors import Refused, Transient


class DjangoMailer:
    """Sends plain texts, marked as sent by a machine, so that no absence notice answers."""

    def send(self, *, to: str, subject: str, text: str) -> None:
        """Send one e-mail. Raises `Refused` where the address is refused, `Transient` otherwise."""
        headers = {"Auto-Submitted": "auto-generated"}
        try:
            EmailMessage(subject, text, to=[to], headers=headers).send()
        except SMTPRecipientsRefused as error:
            raise Refused("The mail server refuses the address.", code="address_refused") from error
        except (SMTPException, OSError) as error:
            raise Transient("The mail server does not answer or does not take it.") from error
