"""Tag Models."""

from __future__ import annotations

from db import reading
from handlers import schemas
from services import models
from spec.functions import Reply


def models_list(service_type: str | None) -> Reply:
    with reading() as reader:
        rows = models.offered(reader)
    wanted = [row for row in rows if service_type in (None, row.service_type)]
    return schemas.dump_all(schemas.Model, wanted), 200
