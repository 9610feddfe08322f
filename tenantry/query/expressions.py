"""Columns and expressions: peewee's own. What the checkers know of them is in the stub beside this file."""

from __future__ import annotations

from typing import Any

import peewee

Column = Comparable = Computed = Expr = Fixed = Operand = Valued = peewee.ColumnBase
Aggregate = Collected = peewee.Function
ForeignKeyColumn = peewee.ForeignKeyField
Condition = peewee.Expression
Ordering = peewee.Ordering
Decoy = Owned = RequiredScope = JoinedScope = Scope = Selectable = Tag = Any
