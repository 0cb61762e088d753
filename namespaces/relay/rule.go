package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types/ref"
)

// Bounds of an expression.
const (
	longestExpression = 4096  // characters
	mostCost          = 10000 // steps of CEL's own measure: a comparison is one, a loop one for each element
	deepestExpression = 64
)

// rule is one expression of the configuration.
type rule struct {
	at      string // its place in the configuration: "rooms[0].join"
	text    string
	program cel.Program
	traced  cel.Program // the same program; it also tells the value of each part
	ast     *ast.AST
}

// compile checks an expression. parts are the variables of the patterns around it.
func compile(at, text string, parts []string) (*rule, error) {
	if len(text) > longestExpression {
		return nil, fmt.Errorf("%s: has %d characters, at most %d are possible", at, len(text), longestExpression)
	}
	env, err := environment(parts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	checked, issues := env.Compile(withNamespace(text))
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%s: %s is a %s, and must be true or false", at, text, t)
	}
	r := &rule{at: at, text: text, ast: checked.NativeRep()}
	if r.program, err = env.Program(checked, cel.CostLimit(mostCost)); err == nil {
		r.traced, err = env.Program(checked, cel.CostLimit(mostCost), cel.EvalOptions(cel.OptTrackState))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return r, nil
}

func environment(parts []string) (*cel.Env, error) {
	options := append(variables(),
		cel.ParserExpressionSizeLimit(longestExpression),
		cel.ParserRecursionLimit(deepestExpression))
	for _, part := range parts {
		options = append(options, cel.Variable(part, cel.StringType))
	}
	return cel.NewEnv(options...)
}

// allows evaluates the rule. A rule that fails, or is neither true nor false,
// refuses.
func (r *rule) allows(f *Facts) (bool, error) {
	out, _, err := r.program.Eval(f)
	return verdict(out, err)
}

func verdict(out ref.Val, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	allowed, ok := out.Value().(bool)
	if !ok {
		return false, errors.New("is neither true nor false")
	}
	return allowed, nil
}

// explain evaluates the rule and says which values its parts had.
func (r *rule) explain(f *Facts) Decision {
	out, details, err := r.traced.Eval(f)
	d := Decision{Rule: r.at, Expression: r.text}
	if d.Allowed, err = verdict(out, err); err != nil {
		d.Problem = err.Error()
	}
	if details == nil || details.State() == nil {
		return d
	}
	seen := map[string]bool{}
	ast.PostOrderVisit(r.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		path, ok := pathOf(e)
		if !ok || seen[path] {
			return
		}
		seen[path] = true
		value, known := details.State().Value(e.ID())
		if known && value != nil {
			d.Values = append(d.Values, strings.Replace(path, innerNamespace, "namespace", 1)+" = "+show(value))
		}
	}))
	slices.Sort(d.Values)
	return d
}

// pathOf writes a variable or a field of one: "claims.org".
func pathOf(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), e.AsIdent() != "claims"
	case ast.SelectKind:
		s := e.AsSelect()
		operand := s.Operand()
		if operand.Kind() == ast.IdentKind {
			return operand.AsIdent() + "." + s.FieldName(), !s.IsTestOnly()
		}
		path, ok := pathOf(operand)
		return path + "." + s.FieldName(), ok && !s.IsTestOnly()
	}
	return "", false
}

// show writes a value for people, shortened.
func show(value ref.Val) string {
	text := fmt.Sprint(value.Value())
	if s, ok := value.Value().(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return text
}

// Decision is the outcome of a rule, for people.
type Decision struct {
	Allowed    bool     `json:"allowed"`
	Rule       string   `json:"rule"`                 // the key of the configuration that decided
	Expression string   `json:"expression,omitempty"` // empty when there is none: "without it nobody may"
	Values     []string `json:"values,omitempty"`     // the values of the expression's variables
	Problem    string   `json:"problem,omitempty"`    // why the expression has no value
}

// String says allowed or refused, by which rule, and what would have to be true.
func (d Decision) String() string {
	word := "refused"
	if d.Allowed {
		word = "allowed"
	}
	text := word + " by " + d.Rule
	if d.Expression != "" {
		text += ": " + d.Expression
	}
	if len(d.Values) > 0 {
		text += "\n  where " + strings.Join(d.Values, ", ")
	}
	if d.Problem != "" {
		text += "\n  " + d.Problem
	}
	return text
}
