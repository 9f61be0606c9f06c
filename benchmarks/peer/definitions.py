"""The twelve features of the fraud example, as a Feast repository declares them."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64, Int64
from feast.value_type import ValueType

WINDOWS = (1, 7, 30)

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
terminal = Entity(name="terminal", join_keys=["terminal_id"], value_type=ValueType.INT64)

customer_view = FeatureView(
    name="customer_history",
    entities=[customer],
    ttl=timedelta(0),
    schema=[
        *(Field(name=f"customer_nb_tx_{days}d", dtype=Int64) for days in WINDOWS),
        *(Field(name=f"customer_avg_amount_{days}d", dtype=Float64) for days in WINDOWS),
    ],
    source=FileSource(path="data/customer.parquet", timestamp_field="event_timestamp"),
)
terminal_view = FeatureView(
    name="terminal_history",
    entities=[terminal],
    ttl=timedelta(0),
    schema=[
        *(Field(name=f"terminal_nb_tx_{days}d", dtype=Int64) for days in WINDOWS),
        *(Field(name=f"terminal_risk_{days}d", dtype=Float64) for days in WINDOWS),
    ],
    source=FileSource(path="data/terminal.parquet", timestamp_field="event_timestamp"),
)
