"""The errors that Groundplan raises: one root, and children that are built-ins too."""


class GroundplanError(Exception):
    """The root of every error that Groundplan raises on purpose."""


class ConstraintError(GroundplanError, ValueError):
    """An answer in `groundplan.toml` is missing, unknown or impossible.

    Args:
        problems: one line each, complete: file, key, value, rule, nearest correct form.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ProjectError(GroundplanError, ValueError):
    """A project folder lacks something, or its `system.py` cannot be read."""


class DefinitionError(GroundplanError, TypeError):
    """A feature, source or model definition breaks a rule; raised where it is written."""


class InputError(GroundplanError, ValueError):
    """A request or an event breaks the schema of its source.

    Args:
        field: the field that is wrong, or "" for the body as a whole.
        message: the value, the rule and the next step.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class BuildError(GroundplanError, RuntimeError):
    """A build cannot be made or read."""


class EngineError(GroundplanError, RuntimeError):
    """A store, file or server that Groundplan relies on did not do its work."""
