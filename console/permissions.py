"""Who may do what: one table of roles and permissions."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What a route asks for, as noun and verb."""

    # Figures, and lists without names and pictures.
    FIGURES_READ = "figures:read"
    LISTS_READ = "lists:read"
    # People, what they wrote, and their pictures.
    PEOPLE_READ = "people:read"
    PICTURES_READ = "pictures:read"
    ORDERS_CHANGE = "orders:change"
    PAYMENTS_CHECK = "payments:check"
    EVENTS_CHANGE = "events:change"
    REVIEWS_JUDGE = "reviews:judge"
    SUPPORT_ANSWER = "support:answer"
    TOKENS_GRANT = "tokens:grant"
    PEOPLE_BAN = "people:ban"
    # Money, prices, and what cannot be taken back.
    TOKENS_WITHDRAW = "tokens:withdraw"
    PAYMENTS_REFUND = "payments:refund"
    CATALOG_CHANGE = "catalog:change"
    LOTTERIES_CHANGE = "lotteries:change"
    OUTBOX_CHANGE = "outbox:change"
    LEDGER_CHECK = "ledger:check"
    PEOPLE_EXPORT = "people:export"
    PEOPLE_ERASE = "people:erase"
    LISTS_EXPORT = "lists:export"
    AUDIT_READ = "audit:read"
    OPERATORS_CHANGE = "operators:change"
    SETTINGS_READ = "settings:read"


# Tokens that one grant of `support` may give; an admin gives any amount.
SUPPORT_GRANT_TOKENS = 100

_VIEWER = {Permission.FIGURES_READ, Permission.LISTS_READ}
_SUPPORT = _VIEWER | {
    Permission.PEOPLE_READ,
    Permission.PICTURES_READ,
    Permission.ORDERS_CHANGE,
    Permission.PAYMENTS_CHECK,
    Permission.EVENTS_CHANGE,
    Permission.REVIEWS_JUDGE,
    Permission.SUPPORT_ANSWER,
    Permission.TOKENS_GRANT,
    Permission.PEOPLE_BAN,
}

ROLES: dict[str, frozenset[Permission]] = {
    "viewer": frozenset(_VIEWER),
    "support": frozenset(_SUPPORT),
    "admin": frozenset(Permission),
}


def may(role: str, permission: Permission) -> bool:
    """Whether a role has a permission."""
    return permission in ROLES[role]
