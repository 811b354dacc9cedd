"""What `bench check` prints: a table, a page for a GitHub job, annotations, JSON and JUnit XML.

The comparison itself lies in `results/gate/`.

    from perceptbench.reports.check.check_page import findings, title

    print(title(findings([], comparisons)))
"""
