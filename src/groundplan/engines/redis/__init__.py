"""The online store and published scores in Redis or Valkey, for any number of processes."""

from groundplan.engines.redis.scores import RedisScores
from groundplan.engines.redis.store import RedisStore

__all__ = ["RedisScores", "RedisStore"]
