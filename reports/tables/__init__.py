"""Reports that are tables, or bars made of the same rows, one a file, and what several of them share.

A new one is a class with the decorator `report`; it is found by itself. How a table is printed is a matter of
`reports/formats/`.

    from perceptbench.reports.tables.leaderboard import Leaderboard

    tables = Leaderboard()(records)
"""
