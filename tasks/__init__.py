"""What is asked of a metric: the question, what an attacker wants, what is proved, and who judges the answer.

Here: one file a task, which makes of a batch of samples a clean answer, an objective for attacks, a proof and a
judgement. Not here: how attacks search (`attacks`), the scores of finished runs (`results/tasks`, which needs no
torch), and the loop over chunks (`bench`).

    from perceptbench.core.ref import Ref
    from perceptbench.tasks.base import Aim, task

    question = task.build(Ref.parse("preference"))
    prepared = question.prepare(metric, batch, Aim("flip"), state={})
    question.clean(prepared).columns["correct"]              # (n,)
"""
