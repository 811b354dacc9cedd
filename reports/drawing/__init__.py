"""Kinds of figures as matplotlib draws them, one a file, and the style that they share.

They draw the plain data of `reports/axes.py`, and sheets (`reports/base.py`). What a figure shows is decided in
`reports/figures/`.

    from matplotlib.figure import Figure
    from perceptbench.reports.drawing import curves

    curves.draw(Figure().subplots(), panel)
"""
