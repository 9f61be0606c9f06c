"""From labelled rows to a build: features, figures, decisions, reasons, report, model card."""
