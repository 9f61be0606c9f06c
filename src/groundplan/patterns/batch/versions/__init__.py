"""From part files to what readers see: checks, one pointer, retention, rollback."""
