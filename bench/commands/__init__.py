"""The commands of `bench`, one module each, and what makes options of their requests.

A command is a function of dataclasses; options.py reads the options from their fields, and `--config` too. What a
command computes belongs to the layers below. A new command also gets a line in bench/cli.py. A module imports no torch
until its function is called.

    @dataclass(frozen=True, kw_only=True)
    class HelloRequest:
        name: str = field(default="you", metadata=option("Who is greeted."))

    @command()
    def hello(request: HelloRequest) -> None:
        '''Greet somebody.'''
        print(f"hello {request.name}")
"""
