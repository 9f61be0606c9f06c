"""The page worth sharing: a dossier as one self-contained HTML file."""

from groundplan.plan.page.page import page

__all__ = ["page"]
