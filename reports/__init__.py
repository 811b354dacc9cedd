"""Tables and figures of finished runs. A report makes plain data, a format prints it; nothing here needs torch.

`tables/` and `figures/` hold one report a file, `formats/` one output a file, `drawing/` one kind of figure a file,
`check/` what `bench check` prints. Numbers are computed in `results/`, never here.

    from pathlib import Path
    from perceptbench.reports.write import write_report
    from perceptbench.results.store import RunStore

    write_report(RunStore(Path("runs")).select(), Path("report"), ("md", "html"))
"""
