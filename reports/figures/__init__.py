"""Reports that are charts or image sheets, one a file: which numbers a figure shows, as plain data.

How they are drawn lies in `reports/drawing/` and, for the page, in `reports/page/`.

    from perceptbench.reports.figures.robustness_curve import RobustnessCurve

    charts = RobustnessCurve()(records)
"""
