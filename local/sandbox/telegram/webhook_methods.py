"""Bot API methods for receiving updates: either webhook or getUpdates."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from local.sandbox.telegram.delivery import Delivery, Webhook
from local.sandbox.telegram.wire import Parameters, Refusal

PORTS = (443, 80, 88, 8443)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class WebhookMethods:
    """The methods by lower-cased name."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.table = {
            "setwebhook": self.set_webhook,
            "deletewebhook": self.delete_webhook,
            "getwebhookinfo": self.get_webhook_info,
            "getupdates": self.get_updates,
        }

    def set_webhook(self, parameters: Parameters) -> bool:
        """Post updates to `url` from now on; an empty url removes the webhook."""
        url = parameters.text("url", "")
        secret = parameters.text("secret_token", "")
        if url:
            _check_url(url)
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", secret):
            raise Refusal(400, "Bad Request: secret token contains illegal characters")
        connections = parameters.integer("max_connections", 40)
        self._allow(parameters)
        webhook = Webhook(url, secret, min(max(connections, 1), 100)) if url else None
        self._delivery.set_webhook(webhook, drop_pending=parameters.flag("drop_pending_updates"))
        return True

    def delete_webhook(self, parameters: Parameters) -> bool:
        """Return to getUpdates."""
        drop = parameters.flag("drop_pending_updates")
        self._delivery.set_webhook(None, drop_pending=drop)
        return True

    def get_webhook_info(self, _: Parameters) -> dict[str, Any]:
        """A WebhookInfo; the secret is never shown."""
        webhook = self._delivery.webhook
        info: dict[str, Any] = {
            "url": webhook.url if webhook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._delivery.pending()),
        }
        if webhook:
            info["max_connections"] = webhook.max_connections
        if self._delivery.last_error:
            info["last_error_date"], info["last_error_message"] = self._delivery.last_error
        if self._delivery.allowed:
            info["allowed_updates"] = self._delivery.allowed
        return info

    def get_updates(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Long polling; 409 while a webhook is set."""
        if self._delivery.webhook:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active;"
                " use deleteWebhook to delete the webhook first",
            )
        self._allow(parameters)
        limit = min(max(parameters.integer("limit", 100), 1), 100)
        timeout = min(max(parameters.integer("timeout"), 0), 50)
        return self._delivery.take(parameters.integer("offset"), limit, timeout)

    def _allow(self, parameters: Parameters) -> None:
        """An omitted list keeps the previous one; an empty list means the default kinds."""
        if parameters.text("allowed_updates", ""):
            allowed = parameters.structure("allowed_updates") or []
            self._delivery.allowed = [str(kind) for kind in allowed]


def _check_url(url: str) -> None:
    """Require HTTPS on one of four ports; plain http to loopback is allowed, as with `--local`."""
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK:
        return
    if parts.scheme != "https":
        raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS:
        raise Refusal(
            400,
            "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        )
