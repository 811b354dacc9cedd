"""What is asked of a metric: the question, its proof, and who judges the answer.

Here: one file a task, which turns a batch of samples into a clean answer, an objective for attacks, a proof and a
judgement. Not here: how attacks search (`perceptbench.attacks`), the scores of finished runs
(`perceptbench.results`, which needs no torch), and the loop over batches (`perceptbench.bench`).

    import perceptbench.tasks  # importing it finds every task that is installed
"""
