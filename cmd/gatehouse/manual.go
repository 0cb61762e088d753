package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// manCommand prints the page of the manual.
type manCommand struct{}

// Run prints the page in the language of man(7), made of the commands that there are.
func (*manCommand) Run(p *program, ctx *kong.Context) error {
	_, err := fmt.Fprint(p.stdout, manPage(ctx.Model))
	return err
}

// roff escapes what has a meaning in man(7).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func manPage(app *kong.Application) string {
	var out strings.Builder
	out.WriteString(".TH GATEHOUSE 1\n.SH NAME\n" + roff(app.Name) + ` \- ` + roff(strings.TrimSuffix(app.Help, ".")) +
		"\n.SH SYNOPSIS\n.B gatehouse\n.I command\n[\n.I flags\n]\n.SH COMMANDS\n")
	eachCommand(app.Node, "", func(path string, n *kong.Node) {
		if path != "" && n.Leaf() {
			manOfCommand(&out, path, n)
		}
	})
	out.WriteString(manRest)
	return out.String()
}

func manOfCommand(out *strings.Builder, path string, n *kong.Node) {
	out.WriteString(".SS gatehouse " + roff(path))
	for _, arg := range n.Positional {
		out.WriteString(" " + roff(arg.Summary()))
	}
	out.WriteString("\n" + roff(n.Help) + "\n")
	for _, flag := range n.Flags {
		if flag.Hidden {
			continue
		}
		name := `.TP` + "\n" + `.B ` + roff("--"+flag.Name)
		if !flag.IsBool() {
			name += ` \fI` + roff(flag.FormatPlaceHolder()) + `\fR`
		}
		out.WriteString(name + "\n" + roff(flag.Help) + "\n")
	}
}

// manRest is the part of the manual that the command line does not give.
const manRest = `.SH ENVIRONMENT
A key of the configuration is GATEHOUSE_ and its name in upper case with _ for the dots:
.B GATEHOUSE_JWT_HMAC_SECRET
is jwt.hmac_secret.
.B GATEHOUSE_CONFIG
names the file.
.SH FILES
.TP
.I /etc/gatehouse/gatehouse.yaml
The configuration of the service of the packages.
.SH EXIT STATUS
0 when the command has done what it was asked for, 1 otherwise, with one line on standard error, of config check with one for each mistake.
.SH SIGNALS
SIGTERM and SIGINT drain the server, a second one ends it at once. SIGHUP reads again what can be read again.
`
