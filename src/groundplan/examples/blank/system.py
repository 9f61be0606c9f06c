"""What only code can say: the sources, the features, the model and how it is judged.

`groundplan new NAME --from fraud` writes a complete one to learn from.
"""
