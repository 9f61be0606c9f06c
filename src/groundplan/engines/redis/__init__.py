"""The online store in Redis or Valkey, shared by any number of server processes."""

from groundplan.engines.redis.store import RedisStore

__all__ = ["RedisStore"]
