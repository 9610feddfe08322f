"""The fields of models, as the checkers see them; when a program runs they are peewee's own.

On the class a field is a column of that class's table, and on a row its value: `Invoice.total` is a
`Column[Tag[Invoice], Decimal]`, and `invoice.total` a `Decimal`; `None` belongs to both where `null=True`.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack, overload
from uuid import UUID

import peewee
from peewee import BigBitField as BigBitField
from peewee import BitField as BitField
from peewee import CompositeKey as CompositeKey
from peewee import DeferredForeignKey as DeferredForeignKey
from peewee import ManyToManyField as ManyToManyField

from tenantry.query.expressions import Column, JsonColumn, Tag

M = TypeVar("M", bound=peewee.Model)
Value = TypeVar("Value")
Key = TypeVar("Key")
Target = TypeVar("Target")

class _Options(TypedDict, total=False):
    """What every field may be told."""

    index: bool
    unique: bool
    column_name: str | None
    default: Any
    primary_key: bool
    constraints: Iterable[Any] | None
    sequence: str | None
    collation: str | None
    unindexed: bool
    choices: Iterable[tuple[Any, str]] | None
    help_text: str | None
    verbose_name: str | None
    index_type: str | None

class Typed(Generic[Value]):
    """A field whose values are of one type."""

    @overload
    def __get__(self, row: None, model: type[M]) -> Column[Tag[M], Value]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Value: ...
    def __set__(self, row: peewee.Model, value: Value) -> None: ...

def typed(field: peewee.Field[Value]) -> Typed[Value]:
    """Type a field of peewee's, playhouse's or of your own: `key = typed(peewee.UUIDField(null=True))`."""

def col(model: type[M], field: peewee.Field[Value]) -> Column[Tag[M], Value]:
    """Bring the field of a plain peewee model to the builder: `col(Country, Country.name)`."""

class AutoField(Typed[int]):
    def __init__(self, *, column_name: str | None = None, help_text: str | None = None) -> None: ...

class BigAutoField(Typed[int]):
    def __init__(self, *, column_name: str | None = None, help_text: str | None = None) -> None: ...

class IdentityField(Typed[int]):
    def __init__(self, generate_always: bool = False, *, column_name: str | None = None) -> None: ...

class JSONField(Typed[Any]):
    """Its value is whatever JSON can be: `Any`, for PostgreSQL promises no more."""

    @overload
    def __get__(self, row: None, model: type[M]) -> JsonColumn[Tag[M]]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Any: ...
    def __init__(
        self,
        dumps: Callable[[Any], str] | None = None,
        loads: Callable[[str], Any] | None = None,
        *,
        null: bool = False,
        **options: Unpack[_Options],
    ) -> None: ...

class BigIntegerField(Typed[Value]):
    @overload
    def __init__(self: BigIntegerField[int | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: BigIntegerField[int], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class BinaryUUIDField(Typed[Value]):
    @overload
    def __init__(self: BinaryUUIDField[UUID | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: BinaryUUIDField[UUID], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class BlobField(Typed[Value]):
    """It is written as bytes, and read as the driver's memoryview."""

    @overload
    def __init__(self: BlobField[memoryview | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: BlobField[memoryview], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...
    def __set__(self, row: peewee.Model, value: Value | bytes) -> None: ...

class BooleanField(Typed[Value]):
    @overload
    def __init__(self: BooleanField[bool | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: BooleanField[bool], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class CharField(Typed[Value]):
    @overload
    def __init__(
        self: CharField[str | None], max_length: int = 255, *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: CharField[str], max_length: int = 255, *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class DateField(Typed[Value]):
    @overload
    def __init__(
        self: DateField[date | None],
        formats: list[str] | None = None,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: DateField[date],
        formats: list[str] | None = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class DateTimeField(Typed[Value]):
    @overload
    def __init__(
        self: DateTimeField[datetime | None],
        formats: list[str] | None = None,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: DateTimeField[datetime],
        formats: list[str] | None = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class DecimalField(Typed[Value]):
    @overload
    def __init__(
        self: DecimalField[Decimal | None],
        max_digits: int = 10,
        decimal_places: int = 5,
        auto_round: bool = False,
        rounding: str | None = None,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: DecimalField[Decimal],
        max_digits: int = 10,
        decimal_places: int = 5,
        auto_round: bool = False,
        rounding: str | None = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class DoubleField(Typed[Value]):
    @overload
    def __init__(self: DoubleField[float | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: DoubleField[float], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class FixedCharField(Typed[Value]):
    @overload
    def __init__(
        self: FixedCharField[str | None], max_length: int = 255, *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: FixedCharField[str], max_length: int = 255, *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class FloatField(Typed[Value]):
    @overload
    def __init__(self: FloatField[float | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: FloatField[float], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class IPField(Typed[Value]):
    @overload
    def __init__(self: IPField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: IPField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class IntegerField(Typed[Value]):
    @overload
    def __init__(self: IntegerField[int | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: IntegerField[int], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class SmallIntegerField(Typed[Value]):
    @overload
    def __init__(self: SmallIntegerField[int | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(
        self: SmallIntegerField[int], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class TextField(Typed[Value]):
    @overload
    def __init__(self: TextField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: TextField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class TimeField(Typed[Value]):
    @overload
    def __init__(
        self: TimeField[time | None],
        formats: list[str] | None = None,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: TimeField[time],
        formats: list[str] | None = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class TimestampField(Typed[Value]):
    @overload
    def __init__(
        self: TimestampField[datetime | None],
        *,
        resolution: int = 1,
        utc: bool = False,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: TimestampField[datetime],
        *,
        resolution: int = 1,
        utc: bool = False,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class UUIDField(Typed[Value]):
    @overload
    def __init__(self: UUIDField[UUID | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: UUIDField[UUID], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class BinaryJSONField(JSONField):
    """As JSONField, kept as jsonb."""

class HStoreField(Typed[Value]):
    @overload
    def __init__(
        self: HStoreField[dict[str, str | None] | None], *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: HStoreField[dict[str, str | None]], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class DateTimeTZField(Typed[Value]):
    @overload
    def __init__(
        self: DateTimeTZField[datetime | None], *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: DateTimeTZField[datetime], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class IntervalField(Typed[Value]):
    @overload
    def __init__(
        self: IntervalField[timedelta | None], *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: IntervalField[timedelta], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class TSVectorField(Typed[Value]):
    @overload
    def __init__(self: TSVectorField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: TSVectorField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class ArrayField(Typed[Value]):
    """Its elements are those of the field that it is given, and any of them may be null."""

    @overload
    def __init__(
        self: ArrayField[list[int | None] | None],
        field_class: type[IntegerField[Any]] | type[BigIntegerField[Any]] | type[SmallIntegerField[Any]],
        *args: Any,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[int | None]],
        field_class: type[IntegerField[Any]] | type[BigIntegerField[Any]] | type[SmallIntegerField[Any]],
        *args: Any,
        null: Literal[False] = False,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[str | None] | None],
        field_class: type[CharField[Any]] | type[TextField[Any]],
        *args: Any,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[str | None]],
        field_class: type[CharField[Any]] | type[TextField[Any]],
        *args: Any,
        null: Literal[False] = False,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Decimal | None] | None],
        field_class: type[DecimalField[Any]],
        *args: Any,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Decimal | None]],
        field_class: type[DecimalField[Any]],
        *args: Any,
        null: Literal[False] = False,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[float | None] | None],
        field_class: type[FloatField[Any]] | type[DoubleField[Any]],
        *args: Any,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[float | None]],
        field_class: type[FloatField[Any]] | type[DoubleField[Any]],
        *args: Any,
        null: Literal[False] = False,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Any] | None],
        field_class: type[Typed[Any]],
        *args: Any,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Any]],
        field_class: type[Typed[Any]],
        *args: Any,
        null: Literal[False] = False,
        **options: Any,
    ) -> None: ...

class ForeignKeyField(Generic[Target, Key]):
    """On a row it is the row that it refers to, and on the class the column: the key of that row.

    The key is an `int`, unless *field* says which column it is. What refers to a key of another type without saying
    `field=` has the wrong type here, and the builder refuses to select it.
    """

    @overload
    def __init__(
        self: ForeignKeyField[M, int],
        model: type[M],
        *,
        null: Literal[False] = False,
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[M | None, int | None],
        model: type[M],
        *,
        null: Literal[True],
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[M, Value],
        model: type[M],
        field: Column[Tag[M], Value],
        *,
        null: Literal[False] = False,
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[M | None, Value | None],
        model: type[M],
        field: Column[Tag[M], Value],
        *,
        null: Literal[True],
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[Any, int],
        model: Literal["self"],
        *,
        null: Literal[False] = False,
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[Any, int | None],
        model: Literal["self"],
        *,
        null: Literal[True],
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __get__(self, row: None, model: type[M]) -> Column[Tag[M], Key]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Target: ...
    def __set__(self, row: peewee.Model, value: Target | Key) -> None: ...

class _ForeignKeyOptions(TypedDict, total=False):
    backref: str | None
    on_delete: str | None
    on_update: str | None
    deferrable: str | None
    object_id_name: str | None
    lazy_load: bool
    constraint_name: str | None
    related_name: str | None
    index: bool
    unique: bool
    column_name: str | None
    default: Any
    primary_key: bool
    constraints: Iterable[Any] | None
    help_text: str | None
    verbose_name: str | None
