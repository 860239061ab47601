"""What statements return: one frozen type for each noun, with the names of its table's columns.

A field is the column of that name in db/models, unless its row says otherwise; a test compares
their types. Handlers write rows as components of the contract: handlers/schemas.py.
"""

from db.rows.catalog import GenerationModelRow, TariffRow
from db.rows.data import DataRow
from db.rows.engines import EngineRow, GenerationAttemptRow
from db.rows.events import EventRow
from db.rows.growth import (
    LotteryEntryRow,
    LotteryRow,
    LotteryWinnerRow,
    ReferralRow,
    ReviewRow,
)
from db.rows.jobs import JobRow, ListedJob
from db.rows.ledger import IdempotencyKeyRow, TransactionRow
from db.rows.operators import AuditEntryRow, OperatorRow, OperatorSessionRow
from db.rows.payments import LockedPayment, PaymentEventRow, PaymentRow
from db.rows.support import SupportRequestRow
from db.rows.users import UserRow

__all__ = [
    "AuditEntryRow",
    "DataRow",
    "EngineRow",
    "EventRow",
    "GenerationAttemptRow",
    "GenerationModelRow",
    "IdempotencyKeyRow",
    "JobRow",
    "ListedJob",
    "LockedPayment",
    "LotteryEntryRow",
    "LotteryRow",
    "LotteryWinnerRow",
    "OperatorRow",
    "OperatorSessionRow",
    "PaymentEventRow",
    "PaymentRow",
    "ReferralRow",
    "ReviewRow",
    "SupportRequestRow",
    "TariffRow",
    "TransactionRow",
    "UserRow",
]
