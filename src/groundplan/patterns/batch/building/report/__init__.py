"""The page that shows how good a build is: one HTML file that needs nothing else.

`page` puts it together, `plots` draws its curves, `axes` what they are drawn in, `tables` its
tables, `style.css` how it looks on a light and on a dark screen.
"""

from groundplan.patterns.batch.building.report.page import FILE, page

__all__ = ["FILE", "page"]
