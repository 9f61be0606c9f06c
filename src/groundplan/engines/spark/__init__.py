"""Spark: features offline, and runs of batch scoring, on this machine's cores or on a cluster."""

from groundplan.engines.spark.batch import SparkBatch
from groundplan.engines.spark.offline import SparkOffline
from groundplan.engines.spark.session import master_of

__all__ = ["SparkBatch", "SparkOffline", "master_of"]
