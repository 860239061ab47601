"""The simulated account: sessions, charges, refunds, disputes. No HTTP here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sandbox.stripe.forms import bill
from local.sandbox.stripe.store import Store, new_id, public_copy
from local.sandbox.stripe.wire import Refusal

LIFETIME_SECONDS = 3 * 24 * 3600.0
SHORTEST, LONGEST = 30 * 60, 24 * 3600


@dataclass(kw_only=True)
class Account(Store):
    """One account in test mode, and all that moves its customers' money."""

    page_url: Callable[[str], str]
    refunds_wait: bool = False

    def create_session(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Create an open session with a page."""
        currency, total, name = bill(form)
        now = self.now()
        expires_at = form.get("expires_at", now + LONGEST)
        if not SHORTEST <= expires_at - now <= LONGEST:
            raise Refusal(
                400,
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from now",
                param="expires_at",
            )
        identifier = new_id("cs_test")
        return self.store(
            {
                "id": identifier,
                "object": "checkout.session",
                "adaptive_pricing": form.get("adaptive_pricing", {"enabled": True}),
                "amount_subtotal": total,
                "amount_total": total,
                "cancel_url": form.get("cancel_url"),
                "client_reference_id": form.get("client_reference_id"),
                "created": now,
                "currency": currency,
                "customer_details": None,
                "expires_at": expires_at,
                "livemode": False,
                "locale": form.get("locale"),
                "metadata": form.get("metadata", {}),
                "mode": "payment",
                "payment_intent": None,
                "payment_method_types": ["card"],
                "payment_status": "unpaid",
                "status": "open",
                "success_url": form["success_url"],
                "url": self.page_url(identifier),
                # Internal, removed by store.public_copy().
                "_name": name,
                "_intent": form.get("payment_intent_data", {}),
            }
        )

    def get(self, identifier: str, kind: str) -> dict[str, Any]:
        """A stored object; an open session whose time is over expires first."""
        with self.lock:
            found = self.find(identifier, kind)
            if kind == "checkout.session":
                self._expire_when_late(found)
            return found

    def pay(self, session_id: str, *, slow: bool = False) -> dict[str, Any]:
        """Pay as the customer; a slow method completes the session before the money arrives."""
        with self.lock:
            session = self._open(session_id)
            intent = self._intent_of(session)
            session |= {
                "status": "complete",
                "url": None,
                "customer_details": {"email": "payer@example.org", "name": "Payer"},
            }
            if slow:
                intent["status"] = "processing"
            else:
                self._take_money(session, intent)
            return self.emit("checkout.session.completed", session)

    def decline(self, session_id: str, reason: str) -> dict[str, Any]:
        """Have the customer's card declined: the page stays open for another one."""
        with self.lock:
            session = self._open(session_id)
            intent = self._intent_of(session)
            error = {
                "type": "card_error",
                "code": "card_declined",
                "decline_code": reason,
                "message": "Your card was declined.",
                "charge": self._charge(intent, status="failed")["id"],
            }
            intent |= {"last_payment_error": error, "latest_charge": error["charge"]}
            self.emit("payment_intent.payment_failed", intent)
            return session

    def settle(self, session_id: str, *, paid: bool) -> dict[str, Any]:
        """End a slow payment."""
        with self.lock:
            session = self.get(session_id, "checkout.session")
            intent = self.objects.get(session["payment_intent"] or "", {})
            if intent.get("status") != "processing":
                raise Refusal(400, "Nothing is being processed")
            if paid:
                self._take_money(session, intent)
                return self.emit("checkout.session.async_payment_succeeded", session)
            intent["status"] = "requires_payment_method"
            return self.emit("checkout.session.async_payment_failed", session)

    def expire(self, session_id: str) -> dict[str, Any]:
        """Close an open session."""
        with self.lock:
            return self._expire(self._open(session_id))

    def refund(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Refund a charge, never more than is left of it."""
        with self.lock:
            charge = self._charge_of(form)
            left = charge["amount"] - charge["amount_refunded"]
            amount = form.get("amount", left)
            if left == 0:
                raise Refusal(
                    400,
                    f"Charge {charge['id']} has already been refunded.",
                    code="charge_already_refunded",
                )
            if not 0 < amount <= left:
                raise Refusal(
                    400, f"Refund amount is greater than unrefunded amount ({left})", param="amount"
                )
            refund = self.store(
                {
                    "id": new_id("re"),
                    "object": "refund",
                    "amount": amount,
                    "charge": charge["id"],
                    "created": self.now(),
                    "currency": charge["currency"],
                    "metadata": form.get("metadata", {}),
                    "payment_intent": charge["payment_intent"],
                    "reason": form.get("reason"),
                    "status": "pending" if self.refunds_wait else "succeeded",
                }
            )
            # The real API subtracts a pending refund at once, too.
            self._return_money(charge, amount)
            self.emit("refund.created", refund)
            self.emit("charge.refunded", charge)
            return refund

    def listed(self, kind: str, *, created_since: int = 0, **fields: str) -> list[dict[str, Any]]:
        """Objects of a kind with these values, as they are now, the newest first."""
        with self.lock:
            self.expire_late()
            return [
                public_copy(each)
                for each in reversed(self.objects.values())
                if each["object"] == kind
                and each["created"] >= created_since
                and all(each.get(name) == value for name, value in fields.items())
            ]

    def end_refund(self, refund_id: str, *, failed: bool) -> dict[str, Any]:
        """End a refund as the bank does; a failed one returns the money to the account."""
        with self.lock:
            refund = self.get(refund_id, "refund")
            refund["status"] = "failed" if failed else "succeeded"
            if failed:
                refund["failure_reason"] = "lost_or_stolen_card"
                self._return_money(self.objects[refund["charge"]], -refund["amount"])
            return self.emit("refund.failed" if failed else "refund.updated", refund)

    def dispute(self, session_id: str, *, inquiry: bool = False) -> dict[str, Any]:
        """Dispute a payment; the money is taken at once, unless it is only an inquiry."""
        with self.lock:
            intent_id = self.get(session_id, "checkout.session")["payment_intent"]
            charge = self._charge_of({"payment_intent": intent_id})
            charge["disputed"] = True
            dispute = self.store(
                {
                    "id": new_id("dp"),
                    "object": "dispute",
                    "amount": charge["amount"],
                    "charge": charge["id"],
                    "created": self.now(),
                    "currency": charge["currency"],
                    "livemode": False,
                    "metadata": {},
                    "payment_intent": intent_id,
                    "reason": "fraudulent",
                    "status": "warning_needs_response" if inquiry else "needs_response",
                }
            )
            self.emit("charge.dispute.created", dispute)
            if not inquiry:
                self.emit("charge.dispute.funds_withdrawn", dispute)
            return dispute

    def end_dispute(self, dispute_id: str, status: str) -> dict[str, Any]:
        """Close a dispute as won, lost or warning_closed."""
        with self.lock:
            dispute = self.get(dispute_id, "dispute")
            dispute["status"] = status
            if status == "won":
                self.emit("charge.dispute.funds_reinstated", dispute)
            return self.emit("charge.dispute.closed", dispute)

    def expire_late(self) -> None:
        """Expire every session whose time is over; called when the clock has been advanced."""
        with self.lock:
            for each in list(self.objects.values()):
                if each["object"] == "checkout.session":
                    self._expire_when_late(each)

    def _open(self, session_id: str) -> dict[str, Any]:
        session = self.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise Refusal(
                400,
                'Only Checkout Sessions with a status in ["open"] can be used for this.'
                f" This Checkout Session has a status of {session['status']}.",
            )
        return session

    def _expire_when_late(self, session: dict[str, Any]) -> None:
        if session["status"] == "open" and self.now() >= session["expires_at"]:
            self._expire(session)

    def _expire(self, session: dict[str, Any]) -> dict[str, Any]:
        session |= {"status": "expired", "url": None}
        return self.emit("checkout.session.expired", session)

    def _intent_of(self, session: dict[str, Any]) -> dict[str, Any]:
        """The session's intent, made when the customer first presses Pay."""
        if session["payment_intent"]:
            return self.get(session["payment_intent"], "payment_intent")
        intent = self.store(
            {
                "id": new_id("pi"),
                "object": "payment_intent",
                "amount": session["amount_total"],
                "created": self.now(),
                "currency": session["currency"],
                "last_payment_error": None,
                "latest_charge": None,
                "livemode": False,
                "metadata": session["_intent"].get("metadata", {}),
                "status": "requires_payment_method",
            }
        )
        session["payment_intent"] = intent["id"]
        return intent

    def _take_money(self, session: dict[str, Any], intent: dict[str, Any]) -> None:
        charge = self._charge(intent, status="succeeded")
        intent |= {
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "status": "succeeded",
        }
        session["payment_status"] = "paid"
        self.emit("charge.succeeded", charge)
        self.emit("payment_intent.succeeded", intent)

    def _charge(self, intent: Mapping[str, Any], *, status: str) -> dict[str, Any]:
        paid = status == "succeeded"
        return self.store(
            {
                "id": new_id("ch"),
                "object": "charge",
                "amount": intent["amount"],
                "amount_captured": intent["amount"] if paid else 0,
                "amount_refunded": 0,
                "billing_details": {"email": "payer@example.org", "name": "Payer"},
                "created": self.now(),
                "currency": intent["currency"],
                "disputed": False,
                "livemode": False,
                "metadata": intent["metadata"],
                "paid": paid,
                "payment_intent": intent["id"],
                "refunded": False,
                "status": status,
            }
        )

    def _return_money(self, charge: dict[str, Any], amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    def _charge_of(self, form: Mapping[str, Any]) -> dict[str, Any]:
        intent_id = form.get("payment_intent")
        if intent_id:
            charge_id = self.get(intent_id, "payment_intent")["latest_charge"]
        else:
            charge_id = form.get("charge")
        if not charge_id or not self.get(charge_id, "charge")["paid"]:
            raise Refusal(400, "There is no successful charge to refund", param="payment_intent")
        return self.get(charge_id, "charge")
