"""What is kept about people: of every table, which rows are a person's, which columns an export
shows, and what an erasure does to them.

Export (services/export.py) and erasure (services/erasure.py) do what is declared here, a table of
docs/privacy.md is written from it, and tests/house/test_personal_data.py finds a column
of db/models that is not in it.
"""

from services.personal_data import growth, money, orders, people
from services.personal_data.kept import ACCOUNT, OWNER, Kept
from services.personal_data.money import ANSWERS
from services.personal_data.orders import FILES, files_of

__all__ = ["ACCOUNT", "ANSWERS", "FILES", "KEPT", "NOBODYS", "OWNER", "Kept", "files_of"]

# In the order in which they are erased. First the user, whose row says that the words of their
# ledger may go; the files are known by their orders.
KEPT: tuple[Kept, ...] = (
    people.PEOPLE,
    people.CONSENTS,
    orders.FILES_OF_ORDERS,
    orders.ORDERS,
    orders.PROVIDERS_ORDERS,
    money.PAYMENTS,
    money.NOTICES,
    money.LEDGER,
    growth.INVITATIONS,
    growth.REVIEWS,
    growth.ENTRIES,
    growth.PRIZES,
    people.REQUESTS,
    people.AUDIT,
    people.EVENTS,
    ANSWERS,
)

# Tables from which nobody is found.
NOBODYS: dict[str, str] = {
    "generation_models": "what we offer",
    "tariffs": "what we offer",
    "engines": "whether providers work",
    "event_cursor": "how far the bot has read",
    "lotteries": "what we announce",
    "daily_figures": "sums over everybody",
    "cohort_figures": "sums over everybody",
    "figure_days": "which days were summed up",
    "checks": "whether the books were right",
    "asked_checks": "which proofs are wanted",
    "operators": "who works for us",
    "operator_sessions": "who works for us",
    "login_failures": "who works for us, or tried to come in",
    "form_keys": "what forms of the console came to, for some days",
    "rate_windows": "hashes, for a minute",
    "photo_folder": "where photos are",
    "erased_accounts": "keyed hashes, which lead to nobody without ERASURE_KEY",
}
