"""One module per command: `add_parser(commands)` describes its arguments, `run(arguments)` returns an exit status."""
