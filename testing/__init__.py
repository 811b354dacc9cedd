"""Contract tests for metrics, attacks, certifiers and data: those of this package, and those of plug-ins.

Here: what every instance of a protocol must hold to, as pytest classes that are derived from. Not here: tests of one
instance, which live in `tests/`. Nothing else in the package may import this folder, as it needs pytest.

    import perceptbench.testing  # in the tests of a plug-in; needs pip install 'perceptbench[test]'
"""
