"""The commands of `bench`, one module each, and the code that makes their options.

A command is a function whose parameters are dataclasses; options.py makes its options, `--config` and `--debug`, of
their fields. A module imports no torch until its function is called. What a command answers it writes by `answer`:
standard output is for that alone. A new command also needs a line in bench/cli.py. Not here: what a command computes,
which belongs to the layers below.

    @dataclass(frozen=True, kw_only=True)
    class HelloRequest:
        name: str = field(default="you", metadata=option("The name to greet."))

    @command()
    def hello(request: HelloRequest) -> None:
        '''Print a greeting.'''
        answer(f"hello {request.name}")
"""
