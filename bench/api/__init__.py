"""The Python API: what `import perceptbench as pb` offers, one idea a file. The commands are written on it.

Here: what a notebook user calls, what is accepted there, and what comes back. Not here: options, which are stated once
in the request (bench/request.py), and everything that computes, which lies in the layers below. The names that are
public are listed in `perceptbench/__init__.py`.

    import perceptbench as pb

    pb.run("l2", attack="l2-pgd", eps=1, limit=8).frame()
"""
