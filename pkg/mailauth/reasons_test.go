package mailauth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every constant that looks like a reason code has an entry, and every entry is
// such a constant.
func TestEveryReasonIsExplained(t *testing.T) {
	code := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)+$`)
	// Words of other vocabularies that look alike.
	other := map[string]bool{"unknown_key": true}
	declared := map[string]bool{}
	for _, folder := range []string{".", "spf", "dkim", "dmarc", "arc", "../signature"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || file == filepath.Join("..", "signature", "open.go") { // which speaks the words of pkg/attachment
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.CONST {
					continue
				}
				ast.Inspect(gen, func(n ast.Node) bool {
					if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						if text, _ := strconv.Unquote(lit.Value); code.MatchString(text) && !other[text] {
							declared[text] = true
						}
					}
					return true
				})
			}
		}
	}
	if len(declared) < 80 {
		t.Fatalf("only %d codes found", len(declared))
	}
	for name := range declared {
		if r := Reasons[name]; r.Agent == "" || r.Engineer == "" {
			t.Errorf("%s is not explained", name)
		}
	}
	for name, r := range Reasons {
		if !declared[name] {
			t.Errorf("%s is explained but never given", name)
		}
		for _, sentence := range []string{r.Agent, r.Engineer} {
			if !strings.HasSuffix(sentence, ".") {
				t.Errorf("%s: %q is no sentence", name, sentence)
			}
		}
	}
}

// Wherever a reason is given, a constant of the table is, or a variable that holds one: no text of
// its own, in any package that says something of a sender.
func TestReasonsAreGivenByTheirConstantsAlone(t *testing.T) {
	gives := map[string]bool{"reason": true, "ambiguous": true, "sign": true, "problem": true, "end": true, "refuse": true, "broken": true, "fail": true, "failed": true, "appendNew": true}
	seen := 0
	for _, folder := range []string{".", "spf", "dkim", "dmarc", "arc", "authres", "../signature", "../../services/verify"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			literal := func(e ast.Expr) {
				if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING && lit.Value != `""` {
					t.Errorf("%s: %s is given as a reason", set.Position(lit.Pos()), lit.Value)
				}
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					name := ""
					switch f := n.Fun.(type) {
					case *ast.Ident:
						name = f.Name
					case *ast.SelectorExpr:
						name = f.Sel.Name
					}
					if gives[name] {
						seen++
						for _, argument := range n.Args {
							literal(argument)
						}
					}
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Reason" || key.Name == "Reasons") {
						seen++
						literal(n.Value)
					}
				case *ast.AssignStmt:
					for i, left := range n.Lhs {
						if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "Reason" && len(n.Rhs) == len(n.Lhs) {
							seen++
							literal(n.Rhs[i])
						}
					}
				}
				return true
			})
		}
	}
	if seen < 150 {
		t.Errorf("only %d places were found", seen)
	}
}
