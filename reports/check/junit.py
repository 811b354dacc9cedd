"""What was checked as JUnit XML, which CI servers show as tests."""

import re
from collections.abc import Sequence

from perceptbench.results.gate.worse import Finding

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def xml(every: Sequence[Finding]) -> str:
    """A test case a finding; those that failed say why."""
    from junitparser import Failure, JUnitXml, TestCase, TestSuite

    suite = TestSuite("bench check")
    for one in every:
        case = TestCase(_clean(one.what), classname=_clean(one.metric))
        if one.failed:
            case.result = [Failure(_clean(one.sentence))]
        else:
            case.system_out = _clean(one.sentence)
        suite.add_testcase(case)
    document = JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()
    return document.tostring().decode()


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
