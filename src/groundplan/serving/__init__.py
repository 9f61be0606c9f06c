"""What every pattern's server runs on: stages under a deadline, the log, HTTP, metrics."""
