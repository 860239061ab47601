"""Every table, with the constraints that guard its rules; one module per noun.

Enums are text with a named CHECK, so that a value can be added by one migration. The triggers that
keep the ledger append-only and equal to the balances are in db/migrations/versions/0001_core.py.
"""

from db.models.catalog import EMBEDDED, SERVICE_TYPES, GenerationModel, Tariff
from db.models.data import DATA_TYPES, Data
from db.models.engines import OPEN_STATES, Engine, GenerationAttempt
from db.models.events import DELIVERY_STATES, Event, EventCursor
from db.models.figures import (
    CHECK_SUBJECTS,
    FIGURE_KINDS,
    STEPS,
    AskedCheck,
    Check,
    CohortFigure,
    DailyFigure,
    FigureDay,
)
from db.models.growth import (
    REVIEW_STATES,
    Lottery,
    LotteryEntry,
    LotteryWinner,
    Referral,
    Review,
)
from db.models.hosts import PhotoFolder, RateWindow
from db.models.jobs import ERROR_CODE, JOB_STATUSES, LIVE_STATUSES, Job
from db.models.ledger import (
    TRANSACTION_PROVIDERS,
    TRANSACTION_STATUSES,
    TRANSACTION_TYPES,
    IdempotencyKey,
    Transaction,
)
from db.models.operators import (
    AUDIT_OUTCOMES,
    OPERATOR_ROLES,
    AuditEntry,
    FormKey,
    LoginFailure,
    Operator,
    OperatorSession,
)
from db.models.payments import (
    EVENT_STATES,
    PAID_STATUSES,
    PAYMENT_STATUSES,
    TROUBLED,
    Payment,
    PaymentEvent,
)
from db.models.support import SUPPORT_STATUSES, SUPPORT_TOPICS, SupportRequest
from db.models.table import PROVIDERS, Table
from db.models.users import Consent, ErasedAccount, User

__all__ = [
    "Consent",
    "ErasedAccount",
    "CHECK_SUBJECTS",
    "FIGURE_KINDS",
    "STEPS",
    "AskedCheck",
    "Check",
    "CohortFigure",
    "DailyFigure",
    "FigureDay",
    "REVIEW_STATES",
    "Lottery",
    "LotteryEntry",
    "LotteryWinner",
    "Referral",
    "Review",
    "DELIVERY_STATES",
    "AUDIT_OUTCOMES",
    "OPERATOR_ROLES",
    "AuditEntry",
    "FormKey",
    "LoginFailure",
    "Operator",
    "OperatorSession",
    "EVENT_STATES",
    "PAID_STATUSES",
    "PAYMENT_STATUSES",
    "TROUBLED",
    "Payment",
    "PaymentEvent",
    "PhotoFolder",
    "RateWindow",
    "DATA_TYPES",
    "EMBEDDED",
    "ERROR_CODE",
    "OPEN_STATES",
    "Engine",
    "Event",
    "EventCursor",
    "GenerationAttempt",
    "JOB_STATUSES",
    "LIVE_STATUSES",
    "PROVIDERS",
    "SERVICE_TYPES",
    "SUPPORT_STATUSES",
    "SUPPORT_TOPICS",
    "SupportRequest",
    "TRANSACTION_PROVIDERS",
    "TRANSACTION_STATUSES",
    "TRANSACTION_TYPES",
    "Data",
    "GenerationModel",
    "IdempotencyKey",
    "Job",
    "Table",
    "Tariff",
    "Transaction",
    "User",
]
