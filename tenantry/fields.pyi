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
from peewee import CompositeKey as CompositeKey

from tenantry.query.expressions import (
    AnyColumn,
    ArrayColumn,
    BinaryJsonColumn,
    Column,
    Condition,
    ForeignKeyColumn,
    JsonColumn,
    ListColumn,
    ListOrNoneColumn,
    Tag,
    TextSearchColumn,
)

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

class _Element(Generic[Value]):
    """A field whose values come as they are promised in an array as well."""

    def _element(self) -> Value: ...

def typed(field: peewee.Field[Value]) -> Typed[Value]:
    """Type a field of peewee's, playhouse's or of your own: `key = typed(peewee.UUIDField(null=True))`."""

def col(model: type[M], field: peewee.Field[Value]) -> Column[Tag[M], Value]:
    """Bring the field of a plain peewee model to the builder: `col(Country, Country.name)`."""

def key_of(field: ForeignKeyField[Any, Key]) -> Typed[Key]:
    """Type the key of a foreign key of the same class, without its row: `plan_id = key_of(plan)`."""

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

class BigIntegerField(Typed[Value], _Element[int]):
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

class BooleanField(Typed[Value], _Element[bool]):
    @overload
    def __init__(self: BooleanField[bool | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: BooleanField[bool], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class CharField(Typed[Value], _Element[str]):
    @overload
    def __init__(
        self: CharField[str | None], max_length: int = 255, *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: CharField[str], max_length: int = 255, *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class DateField(Typed[Value], _Element[date]):
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

class DateTimeField(Typed[Value], _Element[datetime]):
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

class DecimalField(Typed[Value], _Element[Decimal]):
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

class DoubleField(Typed[Value], _Element[float]):
    @overload
    def __init__(self: DoubleField[float | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: DoubleField[float], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class FixedCharField(Typed[Value], _Element[str]):
    @overload
    def __init__(
        self: FixedCharField[str | None], max_length: int = 255, *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: FixedCharField[str], max_length: int = 255, *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class FloatField(Typed[Value], _Element[float]):
    @overload
    def __init__(self: FloatField[float | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: FloatField[float], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class IPField(Typed[Value]):
    @overload
    def __init__(self: IPField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: IPField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class IntegerField(Typed[Value], _Element[int]):
    @overload
    def __init__(self: IntegerField[int | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: IntegerField[int], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class SmallIntegerField(Typed[Value], _Element[int]):
    @overload
    def __init__(self: SmallIntegerField[int | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(
        self: SmallIntegerField[int], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class TextField(Typed[Value], _Element[str]):
    @overload
    def __init__(self: TextField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: TextField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class TimeField(Typed[Value], _Element[time]):
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

class BinaryJSONField(Typed[Any]):
    """playhouse's field of jsonb: as JSONField, but a value in it is read as text."""

    @overload
    def __get__(self, row: None, model: type[M]) -> BinaryJsonColumn[Tag[M]]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Any: ...
    def __init__(
        self, dumps: Callable[[Any], str] | None = None, *, null: bool = False, **options: Unpack[_Options]
    ) -> None: ...

class HStoreField(Typed[Any]):
    """Its value is a dict where the driver was told of the extension's type, and else a text: hence `Any`."""

    @overload
    def __get__(self, row: None, model: type[M]) -> AnyColumn[Tag[M]]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Any: ...
    def __init__(self, *, null: bool = False, **options: Unpack[_Options]) -> None: ...

class DateTimeTZField(Typed[Value], _Element[datetime]):
    @overload
    def __init__(
        self: DateTimeTZField[datetime | None], *, null: Literal[True], **options: Unpack[_Options]
    ) -> None: ...
    @overload
    def __init__(
        self: DateTimeTZField[datetime], *, null: Literal[False] = False, **options: Unpack[_Options]
    ) -> None: ...

class IntervalField(Typed[Value], _Element[timedelta]):
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
    def __get__(self, row: None, model: type[M]) -> TextSearchColumn[Tag[M], Value]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Value: ...
    @overload
    def __init__(self: TSVectorField[str | None], *, null: Literal[True], **options: Unpack[_Options]) -> None: ...
    @overload
    def __init__(self: TSVectorField[str], *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...

class ArrayField(Generic[Value]):
    """Its elements are those of the field that it is given, and any of them may be null.

    They come from the driver as they are, without that field: what it would convert, as a UUID, is `Any`, and so is
    what there is in several *dimensions*.
    """

    @overload
    def __get__(self: ArrayField[_Things], row: None, model: type[M]) -> ListColumn[Tag[M]]: ...
    @overload
    def __get__(self: ArrayField[_Things], row: peewee.Model, model: Any) -> list[Any]: ...
    @overload
    def __get__(self: ArrayField[_ThingsOrNone], row: None, model: type[M]) -> ListOrNoneColumn[Tag[M]]: ...
    @overload
    def __get__(self: ArrayField[_ThingsOrNone], row: peewee.Model, model: Any) -> list[Any] | None: ...
    @overload
    def __get__(self, row: None, model: type[M]) -> ArrayColumn[Tag[M], Value]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Value: ...
    @overload
    def __set__(self: ArrayField[_Things], row: peewee.Model, value: list[Any]) -> None: ...
    @overload
    def __set__(self: ArrayField[_ThingsOrNone], row: peewee.Model, value: list[Any] | None) -> None: ...
    @overload
    def __set__(self, row: peewee.Model, value: Value) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Key | None] | None],
        field_class: Callable[..., _Element[Key]],
        field_kwargs: dict[str, Any] | None = None,
        dimensions: Literal[1] = 1,
        convert_values: bool = False,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[Key | None]],
        field_class: Callable[..., _Element[Key]],
        field_kwargs: dict[str, Any] | None = None,
        dimensions: Literal[1] = 1,
        convert_values: bool = False,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[_ThingsOrNone],
        field_class: type[Typed[Any]],
        field_kwargs: dict[str, Any] | None = None,
        dimensions: int = 1,
        convert_values: bool = False,
        *,
        null: Literal[True],
        **options: Unpack[_Options],
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[_Things],
        field_class: type[Typed[Any]],
        field_kwargs: dict[str, Any] | None = None,
        dimensions: int = 1,
        convert_values: bool = False,
        *,
        null: Literal[False] = False,
        **options: Unpack[_Options],
    ) -> None: ...

class _Things:
    """Stands for lists whose elements are `Any`: mypy makes a whole row `Any` where that is a parameter of a type."""

class _ThingsOrNone: ...

class ForeignKeyField(Generic[Target, Key]):
    """On a row it is the row that it refers to, and on the class the column: the key of that row.

    The key without the row is `key_of()` it. It is an `int`, unless *field* says which column it is. What refers to a
    key of another type without saying `field=` has the wrong type here, and the builder refuses to select it.
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
        self: ForeignKeyField[_Itself, int],
        model: Literal["self"],
        *,
        null: Literal[False] = False,
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKeyField[_ItselfOrNone, int | None],
        model: Literal["self"],
        *,
        null: Literal[True],
        **options: Unpack[_ForeignKeyOptions],
    ) -> None: ...
    @overload
    def __get__(self: ForeignKeyField[_Itself, Key], row: None, model: type[M]) -> Column[Tag[M], Key]: ...
    @overload
    def __get__(self: ForeignKeyField[_Itself, Key], row: M, model: Any) -> M: ...
    @overload
    def __get__(self: ForeignKeyField[_ItselfOrNone, Key], row: None, model: type[M]) -> Column[Tag[M], Key]: ...
    @overload
    def __get__(self: ForeignKeyField[_ItselfOrNone, Key], row: M, model: Any) -> M | None: ...
    @overload
    def __get__(self, row: None, model: type[M]) -> ForeignKeyColumn[Tag[M], Key, Target]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Target: ...
    @overload
    def __set__(self: ForeignKeyField[_Itself, Key], row: M, value: M | Key) -> None: ...
    @overload
    def __set__(self: ForeignKeyField[_ItselfOrNone, Key], row: M, value: M | Key) -> None: ...
    @overload
    def __set__(self, row: peewee.Model, value: Target | Key) -> None: ...

class _Itself:
    """Stands for the model that has the foreign key: `ForeignKeyField("self")`."""

class _ItselfOrNone: ...

class DeferredForeignKey(Typed[Any]):
    """A foreign key to a model that is named before there is one. A name has no type: row and key are `Any`."""

    @overload
    def __get__(self, row: None, model: type[M]) -> AnyColumn[Tag[M]]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> Any: ...
    def __init__(self, rel_model_name: str, *, null: bool = False, **options: Unpack[_ForeignKeyOptions]) -> None: ...

class ManyToManyField(Generic[Value]):
    """On a row it is a query of the rows that it leads to. It is no column, so the builder does not select it."""

    def __init__(
        self: ManyToManyField[M],
        model: type[M],
        backref: str | None = None,
        through_model: type[peewee.Model] | peewee.DeferredThroughModel | None = None,
        on_delete: str | None = None,
        on_update: str | None = None,
    ) -> None: ...
    @overload
    def __get__(self: ManyToManyField[M], row: None, model: Any) -> ManyToManyField[M]: ...
    @overload
    def __get__(self: ManyToManyField[M], row: peewee.Model, model: Any) -> peewee.ManyToManyQuery[M]: ...
    def __set__(self, row: peewee.Model, value: Iterable[Value] | Iterable[int]) -> None: ...
    def get_through_model(self) -> type[peewee.Model]: ...

class BitField(Typed[int]):
    """A whole number whose bits have names: `is_draft = flags.flag(1)`."""

    def __init__(self, *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...
    def flag(self, value: int | None = None) -> Flag: ...

class Flag:
    """A bit of a :class:`BitField`: on the class the condition that it is set, and on a row a bool."""

    @overload
    def __get__(self, row: None, model: type[M]) -> Condition[Tag[M]]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> bool: ...
    def __set__(self, row: peewee.Model, value: bool) -> None: ...

class BigBitField:
    """On a row it is peewee's object of any number of bits, and the builder reads their bytes."""

    @overload
    def __get__(self, row: None, model: type[M]) -> Column[Tag[M], memoryview]: ...
    @overload
    def __get__(self, row: peewee.Model, model: Any) -> peewee.BigBitFieldData: ...
    def __init__(self, *, null: Literal[False] = False, **options: Unpack[_Options]) -> None: ...
    def __set__(self, row: peewee.Model, value: bytes | bytearray | memoryview | peewee.BigBitFieldData) -> None: ...

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
