package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// program is the part of the environment that a command may use.
type program struct {
	ctx    context.Context
	env    environment
	stdout io.Writer
	stderr io.Writer
}

// commands is the command line.
type commands struct {
	Version kong.VersionFlag `help:"Print the version."`

	Serve  serveCommand  `cmd:"" help:"Run the server."`
	Token  tokenCommand  `cmd:"" help:"Print a token that the same configuration accepts."`
	Config configCommand `cmd:"" help:"Check or print the configuration."`
	Health healthCommand `cmd:"" help:"Exit with 0 when the server is ready."`

	Emit       emitCommand       `cmd:"" help:"Send an event to sockets of a running server."`
	Sockets    socketsCommand    `cmd:"" help:"List sockets of a running server."`
	Disconnect disconnectCommand `cmd:"" help:"Disconnect sockets of a running server."`
	Explain    explainCommand    `cmd:"" help:"Say what the rules of the configuration decide about a token."`
	Types      typesCommand      `cmd:"" help:"Print the types of the events, for TypeScript or as an AsyncAPI document."`
	Doctor     doctorCommand     `cmd:"" help:"Look at a running deployment from outside, as a client would, and say what to change."`
	Completion completionCommand `cmd:"" help:"Print what completes commands and flags in bash, zsh or fish."`
	Man        manCommand        `cmd:"" help:"Print the page of the manual."`
}

// configFile is the flag that every command shares.
type configFile struct {
	File string `name:"config" placeholder:"FILE" help:"Configuration file (YAML). Also GATEHOUSE_CONFIG."`
}

// run is the whole program except for the process around it: args and environ
// are os.Args[1:] and os.Environ(). It returns the exit code when ctx has ended
// or the command is done.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{ctx: ctx, env: environment(environ), stdout: stdout, stderr: stderr}
	if err := p.dispatch(args); err != nil {
		p.complain(err)
		return 1
	}
	return 0
}

// complain writes the error that ends the program. The program ends even if the
// write fails.
func (p *program) complain(err error) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = fmt.Fprintln(p.stderr, "gatehouse:", oneLine(err))
	}()
	select {
	case <-said:
	case <-time.After(logPatience):
	}
}

// dispatch parses the command line and runs the command that it names.
func (p *program) dispatch(args []string) error {
	var told bool // kong has printed its help or the version and would now leave the process
	parser, err := kong.New(&commands{},
		kong.Name("gatehouse"),
		kong.Description("A Socket.IO-compatible realtime server that asks every socket who it is."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { told = true }),
		kong.Vars{"version": version(debug.ReadBuildInfo())},
		kong.KindMapper(reflect.String, kong.MapperFunc(text)),
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, Compact: true}),
	)
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	parsed, err := parser.Parse(args)
	if told {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; see gatehouse --help", err)
	}
	return parsed.Run(p)
}

// text takes the value of a flag. Kong calls a missing one "EOL".
func text(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().IsEOL() {
		return fmt.Errorf("a value is missing; write --%s %s", ctx.Value.Name, ctx.Value.Tag.PlaceHolder)
	}
	return ctx.Scan.PopValueInto("string", target.Addr().Interface())
}

// oneLine returns the error as one line of the terminal.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}
