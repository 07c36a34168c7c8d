"""One poll of a CDC worker as it is written in Python: SELECT *, a dictionary a
row, an object a change.  usage: poll.py FILE EXPECTED"""
import asyncio
import sys
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


@dataclass
class Change:
    table: str
    change_type: str
    primary_key: dict
    new_data: dict
    timestamp: datetime
    old_data: Optional[dict] = None
    change_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    metadata: dict = field(default_factory=dict)


async def main(path: str, expected: int) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    changes: list[Any] = []
    async with engine.connect() as connection:
        result = await connection.execute(
            text("SELECT * FROM orders WHERE updated_at > :last ORDER BY updated_at"),
            {"last": "2025-10-01"},
        )
        columns = list(result.keys())
        for row in result.fetchall():
            data = dict(zip(columns, row))
            changes.append(Change("orders", "UPDATE", {"id": data["id"]}, data, datetime.now()))
        await connection.rollback()
    await engine.dispose()
    if len(changes) != expected:
        sys.exit(f"captured {len(changes)} changes instead of {expected}")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
