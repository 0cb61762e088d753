package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand prints a script that makes a shell complete the command line.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" placeholder:"SHELL" help:"bash, zsh or fish."`
}

// Run prints the script for the shell, made of the commands that there are.
func (c *completionCommand) Run(p *program, ctx *kong.Context) error {
	write := map[string]func(*kong.Node) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	_, err := fmt.Fprint(p.stdout, write[c.Shell](ctx.Model.Node))
	return err
}

// eachCommand visits the commands that users see, those with subcommands too,
// the program itself first. path is "" for the program, "config check" for a
// subcommand.
func eachCommand(n *kong.Node, path string, visit func(path string, n *kong.Node)) {
	visit(path, n)
	for _, child := range n.Children {
		if !child.Hidden {
			eachCommand(child, strings.TrimSpace(path+" "+child.Name), visit)
		}
	}
}

// nextWords are what may follow a command: its subcommands and flags.
func nextWords(n *kong.Node) []string {
	var words []string
	for _, child := range n.Children {
		if !child.Hidden {
			words = append(words, child.Name)
		}
	}
	for _, arg := range n.Positional {
		words = append(words, arg.EnumSlice()...)
	}
	for _, flag := range n.Flags {
		if !flag.Hidden {
			words = append(words, "--"+flag.Name)
		}
	}
	return append(words, "--help")
}

// shellCases returns the two case statements that bash and zsh share: which command
// the words so far are, and what may follow it.
func shellCases(root *kong.Node) (paths, words string) {
	var known, follow strings.Builder
	eachCommand(root, "", func(path string, n *kong.Node) {
		if path != "" {
			fmt.Fprintf(&known, "      %q) path=%q ;;\n", strings.TrimSpace(path), path)
		}
		fmt.Fprintf(&follow, "    %q) words=%q ;;\n", path, strings.Join(nextWords(n), " "))
	})
	return known.String(), follow.String()
}

func bashCompletion(root *kong.Node) string {
	paths, words := shellCases(root)
	return `# bash completion of gatehouse
_gatehouse() {
  local word path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${path:+$path }${COMP_WORDS[i]}"
    case "$word" in
` + paths + `    esac
  done
  case "$path" in
` + words + `  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gatehouse gatehouse
`
}

func zshCompletion(root *kong.Node) string {
	paths, words := shellCases(root)
	return `#compdef gatehouse
_gatehouse() {
  local word cmd="" list="" i
  for ((i = 2; i < CURRENT; i++)); do
    word="${cmd:+$cmd }${words[i]}"
    case "$word" in
` + strings.ReplaceAll(paths, "path=", "cmd=") + `    esac
  done
  case "$cmd" in
` + strings.ReplaceAll(words, "words=", "list=") + `  esac
  compadd -- ${=list} || _files
}
_gatehouse "$@"
`
}

func fishCompletion(root *kong.Node) string {
	var out strings.Builder
	out.WriteString("# fish completion of gatehouse\n")
	eachCommand(root, "", func(path string, n *kong.Node) {
		when := "__fish_use_subcommand"
		if path != "" {
			when = "__fish_seen_subcommand_from " + path[strings.LastIndex(path, " ")+1:]
		}
		for _, child := range n.Children {
			if !child.Hidden {
				fmt.Fprintf(&out, "complete -c gatehouse -n %q -a %q -d %q\n", when, child.Name, child.Help)
			}
		}
		for _, flag := range n.Flags {
			if flag.Hidden {
				continue
			}
			value := " -r"
			if flag.IsBool() {
				value = ""
			}
			fmt.Fprintf(&out, "complete -c gatehouse -n %q -l %q%s -d %q\n", when, flag.Name, value, flag.Help)
		}
	})
	return out.String()
}
