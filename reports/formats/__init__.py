"""Outputs of a report, one a file: Markdown, LaTeX, HTML, CSV, and pictures as PNG and PDF.

A format is a function from a Document to the content of files; it prints numbers and computes none.

    from perceptbench.reports.formats import markdown

    text = markdown.files(document)["report.md"]
"""
